//! GitHub, as far as dispatch uses it: a repository with issues, projects with fields and cards.
//!
//! It answers only what a request asks for, and refuses fields and arguments that GitHub does not have.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::document::{Document, Field, parse};
use super::selection::pick;

/// The login of the user of `gh`.
pub(super) const VIEWER: &str = "octo";

/// An issue.
#[derive(Clone, Debug, Default)]
pub(super) struct Issue {
    pub(super) title: String,
    pub(super) body: String,
    pub(super) labels: Vec<String>,
    pub(super) is_closed: bool,
    pub(super) reason: Option<String>,
    pub(super) parent: Option<String>,
    pub(super) blocked_by: Vec<String>,
    pub(super) comments: Vec<Comment>,
    pub(super) is_deleted: bool,
}

/// A comment.
#[derive(Clone, Debug, Default)]
pub(super) struct Comment {
    pub(super) author: String,
    pub(super) association: String,
    pub(super) body: String,
}

/// A project.
#[derive(Clone, Debug, Default)]
pub(super) struct Project {
    pub(super) owner: String,
    pub(super) title: String,
    pub(super) readme: String,
    pub(super) is_closed: bool,
    pub(super) is_deleted: bool,
    pub(super) is_public: bool,
    /// `true` if it is older than every run.
    pub(super) is_old: bool,
    pub(super) fields: Vec<ProjectField>,
    /// The issue of each card, with the values of its fields.
    pub(super) cards: Vec<(String, BTreeMap<String, Value>)>,
}

/// A field of a project.
#[derive(Clone, Debug)]
pub(super) struct ProjectField {
    pub(super) name: String,
    /// The names of the options; none for a number.
    pub(super) options: Vec<String>,
}

/// The state of GitHub.
#[derive(Debug, Default)]
pub(super) struct Hub {
    pub(super) is_public: bool,
    pub(super) has_no_issues: bool,
    pub(super) labels: Vec<String>,
    pub(super) issues: Vec<Issue>,
    pub(super) projects: Vec<Project>,
    /// The number of mutations in each request so far.
    pub(super) batches: Vec<usize>,
    /// The names of all mutations so far.
    pub(super) mutations: Vec<String>,
    /// The fields of mutations that are refused with a type and a message.
    pub(super) refused: Vec<(&'static str, &'static str, &'static str)>,
}

/// The type of an error, and its message.
pub(super) type Refusal = (&'static str, String);

impl Hub {
    /// Answers a request: its data and errors.
    pub(super) fn answer(&mut self, request: &Value) -> Value {
        let text = request["query"].as_str().unwrap_or_default();
        let document = match parse(text, &request["variables"]) {
            Ok(document) => document,
            Err(message) => return json!({"errors": [{"message": message}]}),
        };
        let mut data = Map::new();
        let mut errors = Vec::new();
        if document.is_mutation {
            self.batches.push(document.fields.len());
        }
        for field in &document.fields {
            let found = self.top(&document, field).and_then(|value| {
                let picked = pick(&value, field);
                picked.map_err(|message| ("", message))
            });
            match found {
                Ok(value) => drop(data.insert(field.alias.clone(), value)),
                Err(("", message)) => return json!({"errors": [{"message": message}]}),
                Err((kind, message)) => {
                    data.insert(field.alias.clone(), Value::Null);
                    errors.push(json!({"type": kind, "path": [field.alias], "message": message}));
                }
            }
        }
        match errors.is_empty() {
            true => json!({"data": data}),
            false => json!({"data": data, "errors": errors}),
        }
    }

    fn top(&mut self, document: &Document, field: &Field) -> Result<Value, Refusal> {
        let argument = |name: &str| field.arguments.get(name).cloned().unwrap_or_default();
        if document.is_mutation {
            self.mutations.push(field.name.clone());
            let mut refused = self.refused.iter();
            if let Some((_, kind, message)) = refused.find(|(name, ..)| *name == field.name) {
                return Err((*kind, (*message).to_owned()));
            }
            return self.mutate(&field.name, &argument("input"));
        }
        match field.name.as_str() {
            "viewer" => Ok(self.owner(VIEWER)),
            "repository" if argument("name") == "r" => Ok(self.repository()),
            "repository" => Err(("NOT_FOUND", "Could not resolve to a Repository".to_owned())),
            "repositoryOwner" => Ok(self.owner(argument("login").as_str().unwrap_or_default())),
            "node" => self.node(argument("id").as_str().unwrap_or_default()),
            "nodes" => {
                let ids = argument("ids");
                let ids = ids
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str);
                Ok(ids.map(|id| self.node(id).unwrap_or_default()).collect())
            }
            name => Err(("", format!("Field '{name}' doesn't exist on type 'Query'"))),
        }
    }

    fn repository(&self) -> Value {
        let label = self.labels.iter().any(|label| label == "dispatch");
        let issues = self.issues.iter().enumerate().filter(|(_, issue)| {
            !issue.is_deleted && issue.labels.iter().any(|label| label == "dispatch")
        });
        json!({
            "id": "R_1",
            "name": "r",
            "nameWithOwner": "o/r",
            "url": "https://github.com/o/r",
            "visibility": if self.is_public { "PUBLIC" } else { "PRIVATE" },
            "hasIssuesEnabled": !self.has_no_issues,
            "owner": {"id": "O_o", "login": "o"},
            "label": label.then(|| json!({"id": "L_dispatch"})),
            "issues": issues.map(|(at, _)| self.issue(at)).collect::<Vec<_>>(),
        })
    }

    fn owner(&self, login: &str) -> Value {
        let own = self.projects.iter().enumerate();
        let own = own.filter(|(_, project)| project.owner == login && !project.is_deleted);
        json!({
            "id": format!("O_{login}"),
            "login": login,
            "projectsV2": own.map(|(at, _)| self.project(at)).collect::<Vec<_>>(),
        })
    }

    fn node(&self, id: &str) -> Result<Value, Refusal> {
        let missing = || {
            (
                "NOT_FOUND",
                format!("Could not resolve to a node with the global id of '{id}'"),
            )
        };
        match id.split_once('_') {
            Some(("I", _)) => Ok(self.issue(self.issue_at(id).ok_or_else(missing)?)),
            Some(("P", _)) => Ok(self.project(self.project_at(id).ok_or_else(missing)?)),
            Some(("F", place)) => {
                let (project, name) = place.split_once('_').unwrap_or_default();
                let at = self
                    .project_at(&format!("P_{project}"))
                    .ok_or_else(missing)?;
                let fields = &self.projects[at].fields;
                let field = fields.iter().find(|field| slug(&field.name) == name);
                Ok(field_value(at, field.ok_or_else(missing)?))
            }
            _ => Err(missing()),
        }
    }

    pub(super) fn issue_at(&self, id: &str) -> Option<usize> {
        let at = id
            .strip_prefix("I_")?
            .parse::<usize>()
            .ok()?
            .checked_sub(1)?;
        self.issues
            .get(at)
            .filter(|issue| !issue.is_deleted)
            .map(|_| at)
    }

    pub(super) fn project_at(&self, id: &str) -> Option<usize> {
        let at = id
            .strip_prefix("P_")?
            .parse::<usize>()
            .ok()?
            .checked_sub(1)?;
        self.projects
            .get(at)
            .filter(|project| !project.is_deleted)
            .map(|_| at)
    }

    pub(super) fn issue(&self, at: usize) -> Value {
        let issue = &self.issues[at];
        let id = format!("I_{}", at + 1);
        let cards = self
            .projects
            .iter()
            .enumerate()
            .filter(|(_, project)| !project.is_deleted);
        let cards: Vec<Value> = cards
            .flat_map(|(place, project)| {
                let of_issue = project.cards.iter().enumerate();
                let of_issue = of_issue.filter(|(_, (issue, _))| *issue == id);
                of_issue.map(move |(card, (_, values))| {
                    json!({
                        "id": format!("C_{}_{}", place + 1, card + 1),
                        "project": {"id": format!("P_{}", place + 1)},
                        "values": values,
                    })
                })
            })
            .collect();
        let comments = issue.comments.iter().enumerate().map(|(place, comment)| {
            json!({
                "id": format!("K_{}_{}", at + 1, place + 1),
                "author": {"__typename": "User", "login": comment.author},
                "viewerDidAuthor": comment.author == VIEWER,
                "authorAssociation": comment.association,
                "body": comment.body,
            })
        });
        json!({
            "__typename": "Issue",
            "id": id,
            "number": at + 1,
            "url": format!("https://github.com/o/r/issues/{}", at + 1),
            "title": issue.title,
            "body": issue.body,
            "state": if issue.is_closed { "CLOSED" } else { "OPEN" },
            "stateReason": issue.reason,
            "parent": issue.parent.as_ref().map(|id| json!({"id": id})),
            "blockedBy": issue.blocked_by.iter().map(|id| json!({"id": id})).collect::<Vec<_>>(),
            "projectItems": cards,
            "comments": comments.collect::<Vec<_>>(),
        })
    }

    pub(super) fn project(&self, at: usize) -> Value {
        let project = &self.projects[at];
        json!({
            "__typename": "ProjectV2",
            "id": format!("P_{}", at + 1),
            "number": at + 1,
            "url": format!("https://github.com/orgs/{}/projects/{}", project.owner, at + 1),
            "title": project.title,
            "closed": project.is_closed,
            "public": project.is_public,
            "createdAt": if project.is_old { "2000-01-01T00:00:00Z" } else { "2099-01-01T00:00:00Z" },
            "readme": project.readme,
            "fields": project.fields.iter().map(|field| field_value(at, field)).collect::<Vec<_>>(),
        })
    }
}

pub(super) fn field_value(project: usize, field: &ProjectField) -> Value {
    let id = format!("F_{}_{}", project + 1, slug(&field.name));
    let options = field.options.iter();
    let options = options.map(|name| json!({"id": option_id(project, name), "name": name}));
    match field.options.is_empty() {
        true => {
            json!({"__typename": "ProjectV2Field", "id": id, "name": field.name, "dataType": "NUMBER"})
        }
        false => json!({
            "__typename": "ProjectV2SingleSelectField",
            "id": id,
            "name": field.name,
            "options": options.collect::<Vec<_>>(),
        }),
    }
}

pub(super) fn option_id(project: usize, name: &str) -> String {
    format!("{:x}{}", project + 1, slug(name))
}

fn slug(name: &str) -> String {
    name.to_lowercase().replace(' ', "")
}
