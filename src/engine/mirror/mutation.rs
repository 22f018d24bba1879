//! Builds the mutation of a step.

use serde_json::{Value, json};

use crate::engine::mirror::column::{Column, Reason, STATUS_FIELD};
use crate::engine::mirror::found::{FoundRepository, Object};
use crate::engine::mirror::step::Step;
use crate::forge::operation::{Argument, Operation};
use crate::model::ids::TaskNumber;
use crate::report::issue::Subject;

/// Gives the id of an object that a step needs.
pub type Ids<'a> = &'a dyn Fn(Object) -> Argument;

/// A variable of a mutation: name, type, value.
type Variable = (&'static str, &'static str, Argument);

/// Builds the mutation of a step.
pub fn mutation(step: &Step, repository: &FoundRepository, id: Ids<'_>) -> Operation {
    let issue = |subject| ("issue", "ID!", id(Object::Issue(subject)));
    let task = |task: &TaskNumber| issue(Subject::Task(*task));
    match step {
        Step::CreateLabel => create_label(repository),
        Step::CreateProject { title } => create_project(repository, title),
        Step::DescribeProject { readme } => update_project(id(Object::Project), Some(readme)),
        Step::CloseProject { id, .. } => update_project(text(id), None),
        Step::CreateStatusField => create_field(id, true),
        Step::CreatePriorityField => create_field(id, false),
        Step::CreateIssue { title, body, .. } => create_issue(repository, id, title, body),
        Step::AddSubIssue(child) => Operation {
            field: "addSubIssue",
            variables: vec![
                ("parent", "ID!", id(Object::Issue(Subject::Run))),
                task(child),
            ],
            input: "issueId:$parent,subIssueId:$issue",
            output: "subIssue{id}",
        },
        Step::AddBlockedBy(blocked, by) => Operation {
            field: "addBlockedBy",
            variables: vec![
                task(blocked),
                ("by", "ID!", id(Object::Issue(Subject::Task(*by)))),
            ],
            input: "issueId:$issue,blockingIssueId:$by",
            output: "issue{id}",
        },
        Step::AddCard(of) => Operation {
            field: "addProjectV2ItemById",
            variables: vec![("project", "ID!", id(Object::Project)), task(of)],
            input: "projectId:$project,contentId:$issue",
            output: "item{id}",
        },
        Step::SetColumn(task, column) => set_column(id, *task, *column),
        Step::SetPriority(task, priority) => set_priority(id, *task, *priority),
        Step::Comment { subject, text } => comment(issue(*subject), text),
        Step::UpdateComment { id, text, .. } => update_comment(id, text),
        Step::Close(subject, reason) => close(issue(*subject), *reason),
        Step::CloseFurther { id, .. } => close(("issue", "ID!", text(id)), Reason::NotPlanned),
        Step::Reopen(subject) => Operation {
            field: "reopenIssue",
            variables: vec![issue(*subject)],
            input: "issueId:$issue",
            output: "issue{id}",
        },
    }
}

fn text(text: &str) -> Argument {
    Argument::Known(Value::String(text.to_owned()))
}

fn create_label(repository: &FoundRepository) -> Operation {
    Operation {
        field: "createLabel",
        variables: vec![("repository", "ID!", text(&repository.id))],
        input: "repositoryId:$repository,name:\"dispatch\",color:\"5319e7\",\
                description:\"a run of dispatch\"",
        output: "label{id}",
    }
}

fn create_issue(repository: &FoundRepository, id: Ids<'_>, title: &str, body: &str) -> Operation {
    Operation {
        field: "createIssue",
        variables: vec![
            ("repository", "ID!", text(&repository.id)),
            ("label", "ID!", id(Object::Label)),
            ("title", "String!", text(title)),
            ("body", "String!", text(body)),
        ],
        input: "repositoryId:$repository,labelIds:[$label],title:$title,body:$body",
        output: "issue{id number url}",
    }
}

fn create_project(repository: &FoundRepository, title: &str) -> Operation {
    Operation {
        field: "createProjectV2",
        variables: vec![
            ("owner", "ID!", text(&repository.owner_id)),
            ("repository", "ID!", text(&repository.id)),
            ("title", "String!", text(title)),
        ],
        input: "ownerId:$owner,repositoryId:$repository,title:$title",
        output: "projectV2{id url title}",
    }
}

/// Writes the readme of the project, or closes it.
fn update_project(id: Argument, readme: Option<&str>) -> Operation {
    let mut variables: Vec<Variable> = vec![("project", "ID!", id)];
    variables.extend(readme.map(|readme| ("readme", "String!", text(readme))));
    Operation {
        field: "updateProjectV2",
        variables,
        input: match readme {
            Some(_) => "projectId:$project,readme:$readme",
            None => "projectId:$project,closed:true",
        },
        output: "projectV2{id}",
    }
}

fn create_field(id: Ids<'_>, is_status: bool) -> Operation {
    let (input, output) = match is_status {
        true => (
            STATUS_FIELD,
            "projectV2Field{... on ProjectV2SingleSelectField{id options{id name}}}",
        ),
        false => (
            "projectId:$project,dataType:NUMBER,name:\"Dispatch priority\"",
            "projectV2Field{... on ProjectV2Field{id}}",
        ),
    };
    Operation {
        field: "createProjectV2Field",
        variables: vec![("project", "ID!", id(Object::Project))],
        input,
        output,
    }
}

fn set_column(id: Ids<'_>, task: TaskNumber, column: Column) -> Operation {
    Operation {
        field: "updateProjectV2ItemFieldValue",
        variables: vec![
            ("project", "ID!", id(Object::Project)),
            ("item", "ID!", id(Object::Card(task))),
            ("field", "ID!", id(Object::StatusField)),
            ("option", "String!", id(Object::Option(column))),
        ],
        input: "projectId:$project,itemId:$item,fieldId:$field,\
                value:{singleSelectOptionId:$option}",
        output: "projectV2Item{id}",
    }
}

fn set_priority(id: Ids<'_>, task: TaskNumber, priority: i32) -> Operation {
    Operation {
        field: "updateProjectV2ItemFieldValue",
        variables: vec![
            ("project", "ID!", id(Object::Project)),
            ("item", "ID!", id(Object::Card(task))),
            ("field", "ID!", id(Object::PriorityField)),
            ("number", "Float!", Argument::Known(json!(priority))),
        ],
        input: "projectId:$project,itemId:$item,fieldId:$field,value:{number:$number}",
        output: "projectV2Item{id}",
    }
}

fn close(issue: Variable, reason: Reason) -> Operation {
    Operation {
        field: "closeIssue",
        variables: vec![issue],
        input: match reason {
            Reason::Completed => "issueId:$issue,stateReason:COMPLETED",
            Reason::NotPlanned => "issueId:$issue,stateReason:NOT_PLANNED",
        },
        output: "issue{id}",
    }
}

fn comment(issue: Variable, said: &str) -> Operation {
    Operation {
        field: "addComment",
        variables: vec![issue, ("body", "String!", text(said))],
        input: "subjectId:$issue,body:$body",
        output: "commentEdge{node{id}}",
    }
}

fn update_comment(id: &str, said: &str) -> Operation {
    Operation {
        field: "updateIssueComment",
        variables: vec![
            ("comment", "ID!", text(id)),
            ("body", "String!", text(said)),
        ],
        input: "id:$comment,body:$body",
        output: "issueComment{id}",
    }
}
