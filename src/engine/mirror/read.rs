//! Reads the state of GitHub.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Value, json};

use crate::engine::mirror::answer::{nodes, text};
use crate::engine::mirror::error::MirrorError;
use crate::engine::mirror::found::{Duplicate, Found, FoundIssue, FoundRepository, Object};
use crate::engine::mirror::record::{Record, key};
use crate::engine::mirror::step::LABEL;
use crate::forge::Repository;
use crate::forge::graphql::{GraphQl, GraphQlError};
use crate::model::github_project::GithubProject;
use crate::model::ids::RunId;
use crate::report::issue::{Subject, subject_of};

/// The issues of one page. Each has up to 170 further nodes, and a request may have 500,000.
const PAGE: usize = 50;

/// The most issues that are read by their ids.
const MOST_IDS: usize = 100;

/// The project of an issue, where the run has one.
const CARDS: &str = "projectItems(first:20){nodes{id project{id} \
    status:fieldValueByName(name:\"Dispatch\"){... on ProjectV2ItemFieldSingleSelectValue{name}} \
    priority:fieldValueByName(name:\"Dispatch priority\"){... on ProjectV2ItemFieldNumberValue{number}}}}";

/// A page of comments, and the place of the one before it.
pub const COMMENTS: &str = "pageInfo{hasPreviousPage startCursor} \
    nodes{id author{__typename login} authorAssociation viewerDidAuthor body}";

/// The place to read.
pub struct Reader<'a> {
    /// The connection.
    pub graphql: &'a dyn GraphQl,
    /// The repository.
    pub repository: &'a Repository,
    /// The run.
    pub run: &'a RunId,
    /// No issue of the run is older; RFC 3339.
    pub since: &'a str,
    /// The title of a project that is made for the run.
    pub project_title: &'a str,
    /// `true` if a new project takes the place of a closed one.
    pub replaces_closed: bool,
    /// The record of the run.
    pub record: &'a Record,
    /// The ids of dispatch's own comments in the record.
    pub own_comments: &'a HashSet<String>,
}

/// An issue with the state that it has now: `true` if it is closed, and the reason.
pub type IssueState = (Subject, bool, String);

impl Reader<'_> {
    /// Reads the repository, the issues of the run, and its project.
    ///
    /// # Errors
    /// When GitHub fails, issues are turned off, or the project is not there, closed or has foreign
    /// fields of the same names.
    pub fn read(&self, project: Option<&GithubProject>) -> Result<Found, MirrorError> {
        let mut ids = BTreeMap::new();
        let found = match project {
            Some(name) => self.project(name, &mut ids)?,
            None => None,
        };
        let mut found = Found {
            repository: FoundRepository::default(),
            project: found,
            issues: BTreeMap::new(),
            ids,
            duplicates: Vec::new(),
            made: Vec::new(),
        };
        let has_project = project.is_some();
        self.listed(&mut found, has_project)?;
        self.recorded(&mut found, has_project)?;
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
                self.add(found, node)?;
            }
            let page = &repository["issues"]["pageInfo"];
            if page["hasNextPage"] != true {
                return Ok(());
            }
            after = page["endCursor"].clone();
        }
    }

    /// Reads the issues of the record that the list does not have: someone took their label.
    fn recorded(&self, found: &mut Found, has_project: bool) -> Result<(), MirrorError> {
        let further = found.duplicates.iter().map(|issue| &issue.id);
        let known: BTreeSet<&String> = found.ids.values().chain(further).collect();
        let missing = self.record.issues.values().filter(|id| !known.contains(id));
        let missing: Vec<String> = missing.cloned().collect();
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
                self.add(found, node)?;
            }
        }
        Ok(())
    }

    /// Reads which of these issues people have closed or opened.
    ///
    /// # Errors
    /// When GitHub fails.
    pub fn states(
        &self,
        found: &Found,
        subjects: &[Subject],
    ) -> Result<Vec<IssueState>, MirrorError> {
        let mut states = Vec::new();
        let known = subjects
            .iter()
            .filter_map(|subject| Some((*subject, found.id(Object::Issue(*subject))?.to_owned())));
        let known: Vec<(Subject, String)> = known.collect();
        let document = "query($ids:[ID!]!){nodes(ids:$ids){... on Issue{id state stateReason}}}";
        for part in known.chunks(MOST_IDS) {
            let ids: Vec<&String> = part.iter().map(|(_, id)| id).collect();
            let answer = match self.graphql.call(document, &json!({"ids": ids})) {
                Err(GraphQlError::NotFound(_)) => continue,
                answer => answer?,
            };
            for node in answer.data["nodes"].as_array().into_iter().flatten() {
                let of_node = part.iter().find(|(_, id)| node["id"] == id.as_str());
                if let Some((subject, _)) = of_node {
                    let is_closed = node["state"] == "CLOSED";
                    states.push((*subject, is_closed, text(&node["stateReason"])));
                }
            }
        }
        Ok(states)
    }

    /// Adds an issue if it has a mark of the run. Of several with one mark the oldest counts.
    fn add(&self, found: &mut Found, node: &Value) -> Result<(), MirrorError> {
        let body = node["body"].as_str().unwrap_or_default();
        let Some(subject) = subject_of(body, self.run) else {
            return Ok(());
        };
        let mut issue = issue(node);
        if found.issues.contains_key(&subject) {
            found.duplicates.push(Duplicate {
                id: text(&node["id"]),
                number: issue.number,
                is_closed: issue.is_closed,
            });
            return Ok(());
        }
        issue.comments = self.comments(node)?;
        let project = found.id(Object::Project).map(str::to_owned);
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
        Ok(())
    }
}

fn issue_fields(has_project: bool) -> String {
    let cards = if has_project { CARDS } else { "" };
    format!(
        "id number url body state stateReason parent{{id}} blockedBy(first:50){{nodes{{id}}}} \
         comments(last:100){{{COMMENTS}}} {cards}"
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
        comments: Vec::new(),
    }
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
    for (subject, issue) in &found.issues {
        let name = key(*subject);
        if !issue.is_closed {
            record.closed.remove(&name);
        }
        if let Some(own) = issue.comments.iter().rev().find(|comment| comment.is_own) {
            record.comments.insert(name, own.id.clone());
        }
    }
    if let Some(project) = &found.project {
        record.project_url.clone_from(&project.url);
    }
}
