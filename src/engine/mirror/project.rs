//! Reads the project board of a run.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::engine::mirror::answer::{nodes, text};
use crate::engine::mirror::column::{Column, FIELD, PRIORITY};
use crate::engine::mirror::error::MirrorError;
use crate::engine::mirror::found::{FoundProject, MadeProject, Object};
use crate::engine::mirror::read::Reader;
use crate::forge::graphql::GraphQlError;
use crate::model::github_project::GithubProject;
use crate::report::issue::is_readme_of;

/// The fields of a project.
const PROJECT: &str = "id number url title closed public readme \
    status:field(name:\"Dispatch\"){__typename ... on ProjectV2SingleSelectField{id options{id name}}} \
    priority:field(name:\"Dispatch priority\"){__typename ... on ProjectV2Field{id dataType}}";

/// The projects of one page.
const PAGE: usize = 50;

impl Reader<'_> {
    /// Reads the project; `None` if a new one is to be made.
    pub(super) fn project(
        &self,
        name: &GithubProject,
        ids: &mut BTreeMap<Object, String>,
    ) -> Result<Option<FoundProject>, MirrorError> {
        let project = match name {
            GithubProject::Existing { owner, number } => {
                let project = self.numbered(owner.as_deref(), *number)?;
                Some(project.ok_or_else(|| MirrorError::NoProject(name.clone()))?)
            }
            GithubProject::New if self.record.project.is_empty() => self.made()?,
            GithubProject::New => {
                let project = self.by_id(&self.record.project)?;
                let gone = || MirrorError::ProjectDeleted(self.record.project_url.clone());
                Some(project.ok_or_else(gone)?)
            }
        };
        let Some(project) = project else {
            return Ok(None);
        };
        let url = text(&project["url"]);
        ids.insert(Object::Project, text(&project["id"]));
        add_fields(&project, &url, ids)?;
        Ok(Some(FoundProject {
            title: text(&project["title"]),
            is_closed: project["closed"] == true,
            is_public: project["public"] == true,
            is_marked: self.is_marked(&project),
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

    /// Finds the project that was made for the run. A closed one counts only if no other takes its place.
    fn made(&self) -> Result<Option<Value>, MirrorError> {
        let mut all = self.all_made()?;
        all.sort_by_key(|project| {
            let is_marked = self.is_marked(project);
            (project["closed"] == true, !is_marked)
        });
        let found = all.into_iter().next();
        Ok(found.filter(|project| !self.replaces_closed || project["closed"] != true))
    }

    /// Lists the projects that were made for the run.
    ///
    /// # Errors
    /// When GitHub fails, or the user may not read projects.
    pub fn made_projects(&self) -> Result<Vec<MadeProject>, MirrorError> {
        let all = self.all_made()?;
        let made = all.iter().map(|project| MadeProject {
            id: text(&project["id"]),
            url: text(&project["url"]),
            is_closed: project["closed"] == true,
        });
        Ok(made.collect())
    }

    /// Reads the projects of the repository's owner that have the mark of the run, whatever their titles
    /// are now, and an open one with the title whose readme was not written yet. The search ends with those
    /// that are older than the run.
    fn all_made(&self) -> Result<Vec<Value>, MirrorError> {
        let document = format!(
            "query($owner:String!,$after:String){{owner:repositoryOwner(login:$owner)\
             {{... on ProjectV2Owner{{projectsV2(first:{PAGE},after:$after,\
             orderBy:{{field:CREATED_AT,direction:DESC}})\
             {{pageInfo{{hasNextPage endCursor}} nodes{{createdAt {PROJECT}}}}}}}}}}}"
        );
        let mut all = Vec::new();
        let mut after = Value::Null;
        loop {
            let variables = json!({"owner": self.repository.owner, "after": after});
            let list = self.found_or_none(&document, &variables, &["owner", "projectsV2"])?;
            let list = list.unwrap_or_default();
            let is_older = |project: &&Value| {
                let created = project["createdAt"].as_str();
                created.is_some_and(|created| created < self.since)
            };
            let younger = nodes(&list).filter(|project| !is_older(project));
            all.extend(younger.filter(|project| self.is_of_run(project)).cloned());
            let page = &list["pageInfo"];
            if page["hasNextPage"] != true || nodes(&list).any(|project| is_older(&project)) {
                return Ok(all);
            }
            after = page["endCursor"].clone();
        }
    }

    fn is_marked(&self, project: &Value) -> bool {
        is_readme_of(project["readme"].as_str().unwrap_or_default(), self.run)
    }

    fn is_of_run(&self, project: &Value) -> bool {
        let is_unwritten = project["readme"].as_str().unwrap_or_default().is_empty();
        let is_half_made = is_unwritten && project["closed"] != true;
        self.is_marked(project) || is_half_made && project["title"] == self.project_title
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

/// Reads the two fields of dispatch. One of the same name that is not as dispatch makes it is not
/// dispatch's.
fn add_fields(
    project: &Value,
    url: &str,
    ids: &mut BTreeMap<Object, String>,
) -> Result<(), MirrorError> {
    let foreign = |field, why: &str| MirrorError::ForeignField {
        field,
        project: url.to_owned(),
        why: why.to_owned(),
    };
    let (status, priority) = (&project["status"], &project["priority"]);
    if !status.is_null() {
        let options = status["options"].as_array();
        let options = options.ok_or_else(|| foreign(FIELD, "it is not a single-select field"))?;
        for column in Column::ALL {
            let name = column.name();
            let option = options.iter().find(|option| option["name"] == name);
            let option =
                option.ok_or_else(|| foreign(FIELD, &format!("it has no option {name}")))?;
            ids.insert(Object::Option(column), text(&option["id"]));
        }
        ids.insert(Object::StatusField, text(&status["id"]));
    }
    if !priority.is_null() {
        if priority["dataType"] != "NUMBER" {
            return Err(foreign(PRIORITY, "it is not a number field"));
        }
        ids.insert(Object::PriorityField, text(&priority["id"]));
    }
    Ok(())
}
