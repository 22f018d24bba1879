//! The mutations of the hub.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::hub::{
    Comment, Hub, Issue, Project, ProjectField, Refusal, VIEWER, field_value, option_id,
};

/// The most sub-issues of an issue.
const MAX_SUB_ISSUES: usize = 100;

impl Hub {
    /// Carries out a mutation.
    pub(super) fn mutate(&mut self, name: &str, input: &Value) -> Result<Value, Refusal> {
        let text = |key: &str| input[key].as_str().unwrap_or_default().to_owned();
        match name {
            "createLabel" => {
                if self.labels.contains(&text("name")) {
                    return Err(("UNPROCESSABLE", "Name has already been taken".to_owned()));
                }
                self.labels.push(text("name"));
                Ok(json!({"label": {"id": format!("L_{}", text("name"))}}))
            }
            "createIssue" => {
                let labels = input["labelIds"].as_array().into_iter().flatten();
                let labels = labels.filter_map(|id| id.as_str()?.strip_prefix("L_"));
                self.issues.push(Issue {
                    title: text("title"),
                    body: text("body"),
                    labels: labels.map(str::to_owned).collect(),
                    ..Issue::default()
                });
                Ok(json!({"issue": self.issue(self.issues.len() - 1)}))
            }
            "createProjectV2" => {
                self.projects.push(Project {
                    owner: text("ownerId").trim_start_matches("O_").to_owned(),
                    title: text("title"),
                    ..Project::default()
                });
                Ok(json!({"projectV2": self.project(self.projects.len() - 1)}))
            }
            "addSubIssue" | "addBlockedBy" | "closeIssue" | "reopenIssue" | "addComment"
            | "updateIssueComment" => self.change_issue(name, input),
            "updateProjectV2"
            | "createProjectV2Field"
            | "addProjectV2ItemById"
            | "updateProjectV2ItemFieldValue" => self.change_project(name, input),
            name => Err((
                "",
                format!("Field '{name}' doesn't exist on type 'Mutation'"),
            )),
        }
    }

    fn change_issue(&mut self, name: &str, input: &Value) -> Result<Value, Refusal> {
        let text = |key: &str| input[key].as_str().unwrap_or_default().to_owned();
        let missing = || ("NOT_FOUND", "Could not resolve to a node".to_owned());
        let id = match name {
            "addComment" => text("subjectId"),
            "updateIssueComment" => {
                let id = text("id");
                let parts: Vec<&str> = id.split('_').collect();
                format!("I_{}", parts.get(1).copied().unwrap_or_default())
            }
            _ => text("issueId"),
        };
        let at = self.issue_at(&id).ok_or_else(missing)?;
        match name {
            "addSubIssue" => {
                let child = self.issue_at(&text("subIssueId")).ok_or_else(missing)?;
                let parents = self
                    .issues
                    .iter()
                    .filter(|issue| issue.parent.as_ref() == Some(&id));
                if parents.count() >= MAX_SUB_ISSUES || self.issues[child].parent.is_some() {
                    return Err((
                        "UNPROCESSABLE",
                        "Sub issue may only have one parent".to_owned(),
                    ));
                }
                self.issues[child].parent = Some(id);
                return Ok(json!({"subIssue": self.issue(child)}));
            }
            "addBlockedBy" => {
                let by = text("blockingIssueId");
                self.issue_at(&by).ok_or_else(missing)?;
                if self.issues[at].blocked_by.contains(&by) {
                    return Err(("UNPROCESSABLE", "already blocked".to_owned()));
                }
                self.issues[at].blocked_by.push(by);
            }
            "closeIssue" => {
                self.issues[at].is_closed = true;
                self.issues[at].reason = Some(text("stateReason"));
            }
            "reopenIssue" => {
                self.issues[at].is_closed = false;
                self.issues[at].reason = Some("REOPENED".to_owned());
            }
            "addComment" => {
                self.issues[at].comments.push(Comment {
                    author: VIEWER.to_owned(),
                    association: "OWNER".to_owned(),
                    body: text("body"),
                });
                let id = format!("K_{}_{}", at + 1, self.issues[at].comments.len());
                return Ok(json!({"commentEdge": {"node": {"id": id}}}));
            }
            _ => {
                let id = text("id");
                let place = id
                    .rsplit('_')
                    .next()
                    .and_then(|place| place.parse::<usize>().ok());
                let place = place
                    .and_then(|place| place.checked_sub(1))
                    .ok_or_else(missing)?;
                let comment = self.issues[at]
                    .comments
                    .get_mut(place)
                    .ok_or_else(missing)?;
                comment.body = text("body");
                return Ok(json!({"issueComment": {"id": id}}));
            }
        }
        Ok(json!({"issue": self.issue(at)}))
    }

    fn change_project(&mut self, name: &str, input: &Value) -> Result<Value, Refusal> {
        let text = |key: &str| input[key].as_str().unwrap_or_default().to_owned();
        let missing = || ("NOT_FOUND", "Could not resolve to a ProjectV2".to_owned());
        let at = self.project_at(&text("projectId")).ok_or_else(missing)?;
        if name == "addProjectV2ItemById" {
            let issue = text("contentId");
            self.issue_at(&issue).ok_or_else(missing)?;
            let cards = &mut self.projects[at].cards;
            let known = cards.iter().position(|(known, _)| *known == issue);
            let card = known.unwrap_or_else(|| {
                cards.push((issue, BTreeMap::new()));
                cards.len() - 1
            });
            return Ok(json!({"item": {"id": format!("C_{}_{}", at + 1, card + 1)}}));
        }
        let project = &mut self.projects[at];
        match name {
            "updateProjectV2" => {
                if let Some(readme) = input["readme"].as_str() {
                    project.readme = readme.to_owned();
                }
                project.is_closed |= input["closed"] == true;
                Ok(json!({"projectV2": self.project(at)}))
            }
            "createProjectV2Field" => {
                if project
                    .fields
                    .iter()
                    .any(|field| field.name == text("name"))
                {
                    return Err(("UNPROCESSABLE", "Name has already been taken".to_owned()));
                }
                let options = input["singleSelectOptions"]
                    .as_array()
                    .into_iter()
                    .flatten();
                let options = options.filter_map(|option| option["name"].as_str());
                let field = ProjectField {
                    name: text("name"),
                    options: options.map(str::to_owned).collect(),
                };
                let value = field_value(at, &field);
                project.fields.push(field);
                Ok(json!({"projectV2Field": value}))
            }
            _ => {
                let item = text("itemId");
                let card = item
                    .rsplit('_')
                    .next()
                    .and_then(|card| card.parse::<usize>().ok());
                let card = card
                    .and_then(|card| card.checked_sub(1))
                    .ok_or_else(missing)?;
                let field_id = text("fieldId");
                let mut fields = project.fields.iter();
                let field = fields.find(|field| field_value(at, field)["id"] == field_id);
                let field = field.ok_or_else(missing)?;
                let option = input["value"]["singleSelectOptionId"].as_str();
                let value = match option {
                    Some(id) => {
                        let mut options = field.options.iter();
                        let option = options.find(|name| option_id(at, name) == id);
                        json!({"name": option.ok_or_else(missing)?})
                    }
                    None => {
                        json!({"number": input["value"]["number"].as_f64().ok_or_else(missing)?})
                    }
                };
                let name = field.name.clone();
                let card = project.cards.get_mut(card).ok_or_else(missing)?;
                card.1.insert(name, value);
                Ok(json!({"projectV2Item": {"id": item}}))
            }
        }
    }
}
