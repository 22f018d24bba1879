//! Notes the effects of steps in what was found.

use serde_json::Value;

use crate::engine::mirror::answer::text;
use crate::engine::mirror::column::Column;
use crate::engine::mirror::found::{Found, FoundComment, FoundIssue, FoundProject, Object};
use crate::engine::mirror::step::Step;
use crate::report::issue::Subject;

/// Notes the effect of a step, whose answer is this.
pub fn note(step: &Step, found: &mut Found, answer: &Value) {
    if let (Some(object), Some(path)) = (step.makes(), step.id_path()) {
        let value = path.split('.').fold(answer, |value, name| &value[name]);
        found.ids.insert(object, text(value));
    }
    let project = &answer["projectV2"];
    match step {
        Step::CreateProject { .. } => {
            found.project = Some(FoundProject {
                url: text(&project["url"]),
                title: text(&project["title"]),
                ..FoundProject::default()
            });
        }
        Step::DescribeProject { .. } => {
            if let Some(project) = &mut found.project {
                project.is_marked = true;
            }
        }
        Step::CloseProject { id, .. } => {
            let mut made = found.made.iter_mut();
            if let Some(project) = made.find(|project| project.id == *id) {
                project.is_closed = true;
            }
        }
        Step::CloseFurther { number, .. } => {
            let mut further = found.duplicates.iter_mut();
            if let Some(further) = further.find(|further| further.number == *number) {
                further.is_closed = true;
            }
        }
        Step::CreateStatusField => note_options(found, &answer["projectV2Field"]["options"]),
        Step::CreateIssue { subject, .. } => {
            let made = FoundIssue {
                number: answer["issue"]["number"].as_u64().unwrap_or_default(),
                url: text(&answer["issue"]["url"]),
                ..FoundIssue::default()
            };
            found.issues.insert(*subject, made);
        }
        _ => note_change(step, found, answer),
    }
}

fn note_options(found: &mut Found, options: &Value) {
    for option in options.as_array().into_iter().flatten() {
        if let Some(column) = option["name"].as_str().and_then(Column::named) {
            found
                .ids
                .insert(Object::Option(column), text(&option["id"]));
        }
    }
}

/// Notes the change of an issue.
fn note_change(step: &Step, found: &mut Found, answer: &Value) {
    let subject = match step {
        Step::AddSubIssue(task)
        | Step::AddBlockedBy(task, _)
        | Step::SetColumn(task, _)
        | Step::SetPriority(task, _) => Subject::Task(*task),
        Step::Comment { subject, .. }
        | Step::UpdateComment { subject, .. }
        | Step::Close(subject, _)
        | Step::Reopen(subject) => *subject,
        _ => return,
    };
    let by = match step {
        Step::AddBlockedBy(_, by) => found.id(Object::Issue(Subject::Task(*by))),
        _ => None,
    };
    let by = by.map(str::to_owned);
    let issue = found.issues.entry(subject).or_default();
    match step {
        Step::AddSubIssue(_) => issue.has_parent = true,
        Step::AddBlockedBy(..) => issue.blocked_by.extend(by),
        Step::SetColumn(_, column) => issue.column = Some(column.name().to_owned()),
        Step::SetPriority(_, priority) => issue.priority = Some(*priority),
        Step::Comment { text: said, .. } => issue.comments.push(FoundComment {
            id: text(&answer["commentEdge"]["node"]["id"]),
            text: said.clone(),
            is_own: true,
            ..FoundComment::default()
        }),
        Step::UpdateComment { id, text, .. } => {
            let mut comments = issue.comments.iter_mut();
            if let Some(comment) = comments.find(|comment| comment.id == *id) {
                comment.text.clone_from(text);
            }
        }
        Step::Close(_, reason) => issue.close(*reason),
        Step::Reopen(_) => issue.reopen(),
        _ => {}
    }
}
