//! Compares what a run wants with what is on GitHub.

use crate::engine::mirror::column::{Column, Reason};
use crate::engine::mirror::found::{Found, FoundIssue, Object};
use crate::engine::mirror::record::Record;
use crate::engine::mirror::step::Step;
use crate::engine::mirror::wanted::{Wanted, WantedIssue};
use crate::model::github_project::GithubProject;
use crate::model::ids::{RunId, TaskNumber};
use crate::report::issue::{Subject, result_digest};

/// The most sub-issues that GitHub allows an issue.
pub const MAX_SUB_ISSUES: usize = 100;

/// The most issues that GitHub allows to block an issue.
pub const MAX_BLOCKED_BY: usize = 50;

/// Lists what is to be done, in an order in which each step needs earlier ones only. Empty once GitHub is
/// as wanted.
///
/// People's changes stay: an issue that they closed, a card that they moved, a relation that they removed
/// is left alone until the task itself changes.
pub fn steps(wanted: &Wanted, found: &Found, record: &Record) -> Vec<Step> {
    let comparison = Comparison {
        wanted,
        found,
        record,
    };
    let mut steps = Vec::new();
    comparison.add_frame(&mut steps);
    for issue in &wanted.issues {
        comparison.add_issue(&mut steps, issue);
    }
    for issue in &wanted.issues {
        comparison.add_relations(&mut steps, issue);
    }
    for issue in &wanted.issues {
        comparison.add_state(&mut steps, issue);
    }
    steps
}

/// Lists what closes everything that was made for a run: its open issues, those that were made twice, and
/// the projects that dispatch made.
pub fn closing_steps(found: &Found) -> Vec<Step> {
    let open = found.issues.iter().filter(|(_, issue)| !issue.is_closed);
    let mut steps: Vec<Step> = open
        .map(|(subject, _)| Step::Close(*subject, Reason::NotPlanned))
        .collect();
    let further = found.duplicates.iter().filter(|issue| !issue.is_closed);
    steps.extend(further.map(|issue| Step::CloseFurther {
        id: issue.id.clone(),
        number: issue.number,
    }));
    let projects = found.made.iter().filter(|project| !project.is_closed);
    steps.extend(projects.map(|project| Step::CloseProject {
        id: project.id.clone(),
        url: project.url.clone(),
    }));
    steps
}

/// Returns the name under which the record keeps what is done once for a run or task: in the project, once
/// for each project.
pub fn once(step: &Step, found: &Found) -> Option<String> {
    match step {
        Step::AddSubIssue(_) | Step::AddBlockedBy(..) | Step::CreateIssue { .. } => {
            Some(step.key())
        }
        Step::AddCard(_) => {
            let project = found.id(Object::Project).unwrap_or_default();
            Some(format!("{} {project}", step.key()))
        }
        _ => None,
    }
}

struct Comparison<'a> {
    wanted: &'a Wanted,
    found: &'a Found,
    record: &'a Record,
}

impl Comparison<'_> {
    fn has(&self, object: Object) -> bool {
        self.found.ids.contains_key(&object)
    }

    /// Adds a step that is done once, unless it was done already.
    fn push_once(&self, steps: &mut Vec<Step>, step: Step) {
        let name = once(&step, self.found);
        if name.is_none_or(|name| !self.record.done.contains(&name)) {
            steps.push(step);
        }
    }

    /// Adds the label, and the project with its fields.
    fn add_frame(&self, steps: &mut Vec<Step>) {
        if !self.has(Object::Label) {
            steps.push(Step::CreateLabel);
        }
        let Some(project) = &self.wanted.project else {
            return;
        };
        let is_new = project.name == GithubProject::New;
        let found = self.found.project.as_ref();
        if found.is_none() {
            steps.push(Step::CreateProject {
                title: project.title.clone(),
            });
        }
        if is_new && found.is_none_or(|found| !found.is_marked) {
            steps.push(Step::DescribeProject {
                readme: project.readme.clone(),
            });
        }
        if !self.has(Object::StatusField) {
            steps.push(Step::CreateStatusField);
        }
        if !self.has(Object::PriorityField) {
            steps.push(Step::CreatePriorityField);
        }
    }

    fn add_issue(&self, steps: &mut Vec<Step>, issue: &WantedIssue) {
        if !self.has(Object::Issue(issue.subject)) {
            let step = Step::CreateIssue {
                subject: issue.subject,
                title: issue.title.clone(),
                body: issue.body.clone(),
            };
            self.push_once(steps, step);
        }
    }

    /// Returns `true` for an issue that is there or is going to be made, and not one that was deleted.
    fn exists(&self, subject: Subject) -> bool {
        let step = Step::CreateIssue {
            subject,
            title: String::new(),
            body: String::new(),
        };
        self.has(Object::Issue(subject)) || !self.record.done.contains(&step.key())
    }

    fn add_relations(&self, steps: &mut Vec<Step>, issue: &WantedIssue) {
        let Subject::Task(task) = issue.subject else {
            return;
        };
        if !self.exists(issue.subject) {
            return;
        }
        let found = self.found.issues.get(&issue.subject);
        let has_parent = found.is_some_and(|found| found.has_parent);
        if !has_parent && task.index() < MAX_SUB_ISSUES && self.exists(Subject::Run) {
            self.push_once(steps, Step::AddSubIssue(task));
        }
        for by in issue.depends_on.iter().take(MAX_BLOCKED_BY) {
            let blocking = Subject::Task(*by);
            let id = self.found.id(Object::Issue(blocking));
            let is_known = |id: &str| {
                found.is_some_and(|found| found.blocked_by.iter().any(|known| known == id))
            };
            if self.exists(blocking) && !id.is_some_and(is_known) {
                self.push_once(steps, Step::AddBlockedBy(task, *by));
            }
        }
        if self.wanted.project.is_some() && !self.has(Object::Card(task)) {
            self.push_once(steps, Step::AddCard(task));
        }
    }

    fn add_state(&self, steps: &mut Vec<Step>, issue: &WantedIssue) {
        if !self.exists(issue.subject) {
            return;
        }
        let nothing = FoundIssue::default();
        let found = self.found.issues.get(&issue.subject).unwrap_or(&nothing);
        if let Subject::Task(task) = issue.subject
            && self.wanted.project.is_some()
            && self.has_card(task)
        {
            self.add_fields(steps, issue, task, found);
        }
        self.add_result(steps, issue, found);
        steps.extend(self.opening(issue, found));
    }

    /// Returns `true` unless people took the card of a task from the project.
    fn has_card(&self, task: TaskNumber) -> bool {
        let name = once(&Step::AddCard(task), self.found);
        self.has(Object::Card(task)) || name.is_none_or(|name| !self.record.done.contains(&name))
    }

    fn add_fields(
        &self,
        steps: &mut Vec<Step>,
        issue: &WantedIssue,
        task: TaskNumber,
        found: &FoundIssue,
    ) {
        let name = issue.column.name();
        let is_shown = found.column.as_deref() == Some(name);
        // A card that people moved stays where it is until its task changes.
        let was_shown = self.record.column(issue.subject) == Some(name) && found.column.is_some();
        if !is_shown && !was_shown {
            steps.push(Step::SetColumn(task, issue.column));
        }
        let last = self.record.priority(issue.subject);
        let is_changed = match (found.priority, last) {
            (None, last) => last.is_some_and(|last| last != 0),
            (Some(there), Some(last)) => there != last,
            // Without a memory, what is there may be the choice of people.
            (Some(_), None) => true,
        };
        if !is_changed && found.priority.unwrap_or(0) != issue.priority {
            steps.push(Step::SetPriority(task, issue.priority));
        }
    }

    fn add_result(&self, steps: &mut Vec<Step>, issue: &WantedIssue, found: &FoundIssue) {
        let Some(text) = &issue.result else {
            return;
        };
        let run = &self.wanted.run;
        let digest = result_digest(text, run);
        let (subject, text) = (issue.subject, text.clone());
        match own_result(found, run) {
            None => steps.push(Step::Comment { subject, text }),
            Some((id, there)) if Some(there) != digest => {
                let id = id.to_owned();
                steps.push(Step::UpdateComment { subject, id, text });
            }
            Some(_) => {}
        }
    }

    /// Returns the step that closes an issue or opens it again, if its task has changed.
    fn opening(&self, issue: &WantedIssue, found: &FoundIssue) -> Option<Step> {
        let last = self.record.column(issue.subject);
        if last == Some(issue.column.name()) {
            return None;
        }
        let was_closed = last.and_then(Column::named).and_then(Column::closes);
        match (issue.closes(), found.is_closed) {
            // Without a memory, an issue that was opened again is the choice of people.
            (Some(_), false) if last.is_none() && found.reason == "REOPENED" => None,
            (Some(reason), false) => Some(Step::Close(issue.subject, reason)),
            (None, true) if was_closed.is_some() => Some(Step::Reopen(issue.subject)),
            _ => None,
        }
    }
}

/// Returns the id and the digest of dispatch's own comment with the result. A mark alone does not make it
/// dispatch's: anyone can write one.
fn own_result<'a>(found: &'a FoundIssue, run: &RunId) -> Option<(&'a str, &'a str)> {
    let mut comments = found.comments.iter().filter(|comment| comment.is_own);
    comments.find_map(|comment| {
        let digest = result_digest(&comment.text, run)?;
        Some((comment.id.as_str(), digest))
    })
}
