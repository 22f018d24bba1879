//! Reads the state of GitHub.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::engine::mirror::column::{Column, FIELD, PRIORITY};
use crate::engine::mirror::error::MirrorError;
use crate::engine::mirror::found::{
    Found, FoundComment, FoundIssue, FoundProject, FoundRepository, Object,
};
use crate::engine::mirror::record::{Record, key};
use crate::engine::mirror::step::LABEL;
use crate::forge::Repository;
use crate::forge::graphql::{GraphQl, GraphQlError};
use crate::model::github_project::GithubProject;
use crate::model::ids::RunId;
use crate::report::issue::{Subject, is_readme_of, subject_of};

/// The issues of one page. Each has up to 170 further nodes, and a request may have 500,000.
const PAGE: usize = 50;

/// The project of an issue, where the run has one.
const CARDS: &str = "projectItems(first:20){nodes{id project{id} \
    status:fieldValueByName(name:\"Dispatch\"){... on ProjectV2ItemFieldSingleSelectValue{name}} \
    priority:fieldValueByName(name:\"Dispatch priority\"){... on ProjectV2ItemFieldNumberValue{number}}}}";

/// The fields of a project.
const PROJECT: &str = "id number url title closed readme \
    status:field(name:\"Dispatch\"){__typename ... on ProjectV2SingleSelectField{id options{id name}}} \
    priority:field(name:\"Dispatch priority\"){__typename ... on ProjectV2Field{id dataType}}";

/// The place to read.
pub struct Reader<'a> {
    /// The connection.
    pub graphql: &'a dyn GraphQl,
    /// The repository.
    pub repository: &'a Repository,
    /// The run.
    pub run: &'a RunId,
    /// No issue of the run is older; RFC 3339.
    pub since: String,
    /// The title of a project that is made for the run.
    pub project_title: &'a str,
}

impl Reader<'_> {
    /// Reads the repository, the issues of the run, and its project.
    ///
    /// # Errors
    /// When GitHub fails, issues are turned off, or the project is not there, closed or has foreign
    /// fields of the same names.
    pub fn read(
        &self,
        project: Option<&GithubProject>,
        record: &Record,
    ) -> Result<Found, MirrorError> {
        let mut ids = BTreeMap::new();
        let found = match project {
            Some(name) => self.project(name, record, &mut ids)?,
            None => None,
        };
        let mut found = Found {
            repository: FoundRepository::default(),
            project: found,
            issues: BTreeMap::new(),
            ids,
            duplicates: Vec::new(),
        };
        let has_project = project.is_some();
        self.listed(&mut found, has_project)?;
        self.recorded(&mut found, record, has_project)?;
        Ok(found)
    }

    /// Reads the issues with the label.
    fn listed(&self, found: &mut Found, has_project: bool) -> Result<(), MirrorError> {
        let issue = issue_fields(has_project);
        let document = format!(
            "query($owner:String!,$name:String!,$since:DateTime!,$after:String){{\
             repository(owner:$owner,name:$name){{id nameWithOwner visibility hasIssuesEnabled \
             owner{{id}} label(name:\"{LABEL}\"){{id}} \
             issues(first:{PAGE},after:$after,orderBy:{{field:CREATED_AT,direction:ASC}},\
             filterBy:{{labels:[\"{LABEL}\"],since:$since,states:[OPEN,CLOSED]}})\
             {{pageInfo{{hasNextPage endCursor}} nodes{{{issue}}}}}}}}}"
        );
        let mut after = Value::Null;
        loop {
            let variables = json!({
                "owner": self.repository.owner,
                "name": self.repository.name,
                "since": self.since,
                "after": after,
            });
            let answer = self.graphql.call(&document, &variables)?;
            let repository = &answer.data["repository"];
            if repository.is_null() {
                let Repository { owner, name, .. } = self.repository;
                let message = answer.refusals.first().map(|one| one.message.clone());
                let message = message.unwrap_or_else(|| format!("{owner}/{name}"));
                return Err(GraphQlError::NotFound(message).into());
            }
            found.repository = FoundRepository {
                id: text(&repository["id"]),
                owner_id: text(&repository["owner"]["id"]),
                name: text(&repository["nameWithOwner"]),
                is_public: repository["visibility"] == "PUBLIC",
            };
            if repository["hasIssuesEnabled"] == false {
                return Err(MirrorError::NoIssues(found.repository.name.clone()));
            }
            if let Some(label) = repository["label"]["id"].as_str() {
                found.ids.insert(Object::Label, label.to_owned());
            }
            for node in nodes(&repository["issues"]) {
                self.add(found, node);
            }
            let page = &repository["issues"]["pageInfo"];
            if page["hasNextPage"] != true {
                return Ok(());
            }
            after = page["endCursor"].clone();
        }
    }

    /// Reads the issues of the record that the list does not have: someone took their label.
    fn recorded(
        &self,
        found: &mut Found,
        record: &Record,
        has_project: bool,
    ) -> Result<(), MirrorError> {
        let known = |id: &&String| !found.ids.values().any(|known| known == *id);
        let missing: Vec<&String> = record.issues.values().filter(known).collect();
        let issue = issue_fields(has_project);
        let document = format!("query($ids:[ID!]!){{nodes(ids:$ids){{... on Issue{{{issue}}}}}}}");
        for ids in missing.chunks(PAGE) {
            let answer = self.graphql.call(&document, &json!({"ids": ids}));
            let answer = match answer {
                // All of them are gone.
                Err(GraphQlError::NotFound(_)) => continue,
                answer => answer?,
            };
            for node in answer.data["nodes"].as_array().into_iter().flatten() {
                self.add(found, node);
            }
        }
        Ok(())
    }

    /// Adds an issue if it has a mark of the run. Of several with one mark the oldest counts.
    fn add(&self, found: &mut Found, node: &Value) {
        let body = node["body"].as_str().unwrap_or_default();
        let Some(subject) = subject_of(body, self.run) else {
            return;
        };
        let issue = issue(node);
        if found.issues.contains_key(&subject) {
            found.duplicates.push(issue.number);
            return;
        }
        let project = found.id(Object::Project).map(str::to_owned);
        let mut issue = issue;
        let cards = nodes(&node["projectItems"]);
        let mut cards = cards.filter(|card| card["project"]["id"].as_str() == project.as_deref());
        if let (Some(card), Subject::Task(task)) = (cards.next(), subject) {
            issue.column = card["status"]["name"].as_str().map(str::to_owned);
            issue.priority = card["priority"]["number"]
                .as_f64()
                .map(|number| number as i32);
            found.ids.insert(Object::Card(task), text(&card["id"]));
        }
        found.ids.insert(Object::Issue(subject), text(&node["id"]));
        found.issues.insert(subject, issue);
    }

    /// Reads the project; `None` if a new one is to be made.
    fn project(
        &self,
        name: &GithubProject,
        record: &Record,
        ids: &mut BTreeMap<Object, String>,
    ) -> Result<Option<FoundProject>, MirrorError> {
        let project = match name {
            GithubProject::Existing { owner, number } => {
                let project = self.numbered(owner.as_deref(), *number)?;
                Some(project.ok_or_else(|| MirrorError::NoProject(name.clone()))?)
            }
            GithubProject::New if record.project.is_empty() => self.titled()?,
            GithubProject::New => {
                let project = self.by_id(&record.project)?;
                let gone = || MirrorError::ProjectDeleted(record.project_url.clone());
                Some(project.ok_or_else(gone)?)
            }
        };
        let Some(project) = project else {
            return Ok(None);
        };
        let url = text(&project["url"]);
        ids.insert(Object::Project, text(&project["id"]));
        status_field(&project["status"], &url, ids)?;
        priority_field(&project["priority"], &url, ids)?;
        Ok(Some(FoundProject {
            title: text(&project["title"]),
            is_closed: project["closed"] == true,
            is_marked: is_readme_of(project["readme"].as_str().unwrap_or_default(), self.run),
            url,
        }))
    }

    /// Reads the project of this number.
    fn numbered(&self, owner: Option<&str>, number: u32) -> Result<Option<Value>, MirrorError> {
        let (document, variables) = match owner {
            Some(owner) => (
                format!(
                    "query($owner:String!,$number:Int!){{owner:repositoryOwner(login:$owner)\
                     {{... on ProjectV2Owner{{projectV2(number:$number){{{PROJECT}}}}}}}}}"
                ),
                json!({"owner": owner, "number": number}),
            ),
            None => (
                format!(
                    "query($number:Int!){{owner:viewer{{projectV2(number:$number){{{PROJECT}}}}}}}"
                ),
                json!({"number": number}),
            ),
        };
        self.found_or_none(&document, &variables, &["owner", "projectV2"])
    }

    /// Finds the project that was made for the run, by its title.
    fn titled(&self) -> Result<Option<Value>, MirrorError> {
        let document = format!(
            "query($owner:String!,$title:String!){{owner:repositoryOwner(login:$owner)\
             {{... on ProjectV2Owner{{projectsV2(first:20,query:$title){{nodes{{{PROJECT}}}}}}}}}}}"
        );
        let owner = &self.repository.owner;
        let variables = json!({"owner": owner, "title": self.run.as_str()});
        let list = self.found_or_none(&document, &variables, &["owner", "projectsV2"])?;
        let list = list.unwrap_or_default();
        let mut found = nodes(&list);
        let is_it = |project: &&Value| project["title"] == self.project_title;
        Ok(found.find(is_it).cloned())
    }

    fn by_id(&self, id: &str) -> Result<Option<Value>, MirrorError> {
        let document = format!("query($id:ID!){{node(id:$id){{... on ProjectV2{{{PROJECT}}}}}}}");
        self.found_or_none(&document, &json!({"id": id}), &["node"])
    }

    /// Calls, and returns the value at a path; `None` if GitHub has no such object.
    fn found_or_none(
        &self,
        document: &str,
        variables: &Value,
        path: &[&str],
    ) -> Result<Option<Value>, MirrorError> {
        let answer = match self.graphql.call(document, variables) {
            Err(GraphQlError::NotFound(_)) => return Ok(None),
            answer => answer?,
        };
        if let Some(refusal) = answer.refusals.iter().find(|one| one.kind != "NOT_FOUND") {
            let message = refusal.message.clone();
            return Err(match refusal.kind.as_str() {
                "FORBIDDEN" => GraphQlError::Forbidden(message).into(),
                _ => GraphQlError::Refused(message).into(),
            });
        }
        let value = path.iter().fold(&answer.data, |value, name| &value[name]);
        Ok((!value.is_null()).then(|| value.clone()))
    }
}

/// Reads the field with the status; a field of the same name without all the options is not dispatch's.
fn status_field(
    field: &Value,
    url: &str,
    ids: &mut BTreeMap<Object, String>,
) -> Result<(), MirrorError> {
    if field.is_null() {
        return Ok(());
    }
    let foreign = |why: String| MirrorError::ForeignField {
        field: FIELD,
        project: url.to_owned(),
        why,
    };
    let Some(options) = field["options"].as_array() else {
        return Err(foreign("it is not a single-select field".to_owned()));
    };
    for column in Column::ALL {
        let name = column.name();
        let option = options.iter().find(|option| option["name"] == name);
        let option = option.ok_or_else(|| foreign(format!("it has no option {name}")))?;
        ids.insert(Object::Option(column), text(&option["id"]));
    }
    ids.insert(Object::StatusField, text(&field["id"]));
    Ok(())
}

fn priority_field(
    field: &Value,
    url: &str,
    ids: &mut BTreeMap<Object, String>,
) -> Result<(), MirrorError> {
    if field.is_null() {
        return Ok(());
    }
    if field["dataType"] != "NUMBER" {
        return Err(MirrorError::ForeignField {
            field: PRIORITY,
            project: url.to_owned(),
            why: "it is not a number field".to_owned(),
        });
    }
    ids.insert(Object::PriorityField, text(&field["id"]));
    Ok(())
}

fn issue_fields(has_project: bool) -> String {
    let cards = if has_project { CARDS } else { "" };
    format!(
        "id number url body state stateReason parent{{id}} blockedBy(first:50){{nodes{{id}}}} \
         comments(last:100){{nodes{{id author{{__typename login}} authorAssociation body}}}} {cards}"
    )
}

fn issue(node: &Value) -> FoundIssue {
    FoundIssue {
        number: node["number"].as_u64().unwrap_or_default(),
        url: text(&node["url"]),
        is_closed: node["state"] == "CLOSED",
        reason: text(&node["stateReason"]),
        has_parent: !node["parent"].is_null(),
        blocked_by: nodes(&node["blockedBy"])
            .map(|node| text(&node["id"]))
            .collect(),
        column: None,
        priority: None,
        comments: nodes(&node["comments"]).map(comment).collect(),
    }
}

fn comment(node: &Value) -> FoundComment {
    let may_write = ["OWNER", "MEMBER", "COLLABORATOR"];
    let association = node["authorAssociation"].as_str().unwrap_or_default();
    let is_person = node["author"]["__typename"] == "User";
    FoundComment {
        id: text(&node["id"]),
        author: text(&node["author"]["login"]),
        is_by_collaborator: is_person && may_write.contains(&association),
        text: text(&node["body"]),
    }
}

fn nodes(connection: &Value) -> impl Iterator<Item = &Value> {
    connection["nodes"].as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Notes the ids of issues and the project in the record.
pub fn remember(record: &mut Record, found: &Found) {
    for (object, id) in &found.ids {
        match object {
            Object::Issue(subject) => {
                record.issues.insert(key(*subject), id.clone());
            }
            Object::Project => record.project.clone_from(id),
            _ => {}
        }
    }
    if let Some(project) = &found.project {
        record.project_url.clone_from(&project.url);
    }
}
