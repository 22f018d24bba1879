//! A plan as it was written: everything optional, nothing checked, every part with its place in
//! the text. The three formats end here, so that they share every check.

use crate::plan::collector::{Collector, RawDiagnostic, quoted};
use crate::plan::diagnostic::Code;
use crate::plan::span::{At, Span};

/// What a field can hold in one of the formats.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// One line of Markdown, still without a type: may be a number, a word or a list by commas.
    Raw(String),
    /// A string of TOML or JSON, or a code block of Markdown: taken as it is.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number that is not whole, as it is written.
    Decimal(String),
    /// `true` or `false`.
    Boolean(bool),
    /// Several values.
    List(Vec<At<Value>>),
    /// Keys with values.
    Table(Vec<Member>),
    /// Something no field can hold; what it is called.
    Other(&'static str),
}

impl Value {
    /// What a person calls it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Raw(_) | Value::Text(_) => "a text",
            Value::Integer(_) => "a number",
            Value::Decimal(_) => "a number with a fraction",
            Value::Boolean(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Other(name) => name,
        }
    }
}

/// One key with its value.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// The key as the author wrote it.
    pub(super) key: At<String>,
    /// The value.
    pub(super) value: At<Value>,
}

/// A whole plan.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// The title, if there is one.
    pub(super) title: Option<At<String>>,
    /// The shared context.
    pub(super) context: Vec<At<String>>,
    /// The tasks in the order of the file.
    pub(super) tasks: Vec<DraftTask>,
    /// Whether a field that holds a list may be given several times (Markdown).
    pub(super) repeatable: bool,
    /// What to do when there is no task.
    pub(super) advice: &'static str,
}

/// One task.
#[derive(Debug, Default)]
pub(super) struct DraftTask {
    /// The number the author wrote (Markdown); otherwise its place counts.
    pub(super) number: Option<At<u64>>,
    /// The tag of the headline (Markdown).
    pub(super) tag: Option<At<String>>,
    /// The title of the headline (Markdown).
    pub(super) title: Option<At<String>>,
    /// The label of the headline (Markdown).
    pub(super) label: Option<At<String>>,
    /// The dependencies of the headline (Markdown).
    pub(super) blocked_by: Vec<At<String>>,
    /// Prose below the headline (Markdown).
    pub(super) prompt: Option<At<String>>,
    /// Stands under a heading "Dependent": without dependencies it comes after all independent
    /// tasks.
    pub(super) after_independent: bool,
    /// All fields.
    pub(super) members: Vec<Member>,
    /// The column in which its text must stand (Markdown).
    pub(super) column: usize,
    /// Where to point when the task as a whole is meant.
    pub(super) span: Span,
}

/// Takes the document of TOML or JSON apart.
pub(super) fn from_document(members: Vec<Member>, findings: &mut Collector) -> Draft {
    let mut draft = Draft {
        advice: "add a task: a table [[task]] with a `title` (in JSON \"task\": [{\"title\": …}])",
        ..Draft::default()
    };
    let mut seen = std::collections::HashSet::new();
    for Member { key, value } in members {
        if !seen.insert(key.value.clone()) {
            findings.add(RawDiagnostic::duplicate_field(&key));
            continue;
        }
        match key.value.as_str() {
            "title" => draft.title = text_of(&key, value, findings),
            "context" => draft.context = texts_of(&key, value, findings),
            "task" => draft.tasks = tasks_of(value, findings),
            "$schema" => {}
            _ => findings.add(RawDiagnostic::unknown_field(
                &key,
                &["title", "context", "task"],
            )),
        }
    }
    draft
}

fn tasks_of(value: At<Value>, findings: &mut Collector) -> Vec<DraftTask> {
    let list = match value.value {
        Value::List(list) => list,
        // `[task]` instead of `[[task]]`: one task.
        Value::Table(_) => vec![value],
        other => {
            findings.add(bad_kind("task", "a list of tables", &other, value.span));
            return Vec::new();
        }
    };
    let mut tasks = Vec::with_capacity(list.len());
    for At { value, span } in list {
        match value {
            Value::Table(members) => tasks.push(DraftTask {
                members,
                span,
                ..DraftTask::default()
            }),
            other => findings.add(bad_kind("task", "a list of tables", &other, span)),
        }
    }
    tasks
}

fn text_of(key: &At<String>, value: At<Value>, findings: &mut Collector) -> Option<At<String>> {
    match value.value {
        Value::Text(text) => Some(At::new(text, value.span)),
        other => {
            findings.add(bad_kind(&key.value, "a text", &other, value.span));
            None
        }
    }
}

fn texts_of(key: &At<String>, value: At<Value>, findings: &mut Collector) -> Vec<At<String>> {
    let list = match value.value {
        Value::List(list) => list,
        _ => vec![value],
    };
    list.into_iter()
        .filter_map(|entry| text_of(key, entry, findings))
        .collect()
}

/// A value of the wrong kind.
pub(super) fn bad_kind(key: &str, wanted: &str, found: &Value, span: Span) -> RawDiagnostic {
    let kind = found.kind();
    let message = format!("{} must be {wanted}, not {kind}", quoted(key));
    RawDiagnostic::error(Code::BadValue, span, message)
}
