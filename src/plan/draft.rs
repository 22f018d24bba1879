//! A parsed but unchecked plan, with the position of every part.
//!
//! All three formats yield a draft, so that they share the validation.

use crate::plan::collector::{Collector, RawDiagnostic, quoted};
use crate::plan::diagnostic::Code;
use crate::plan::span::{At, Span};

/// The value of a field in any format.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A line of Markdown without a type: a number, a word or a list with commas.
    Raw(String),
    /// A string of TOML or JSON, or a code block of Markdown, unchanged.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction, as written.
    Decimal(String),
    /// `true` or `false`.
    Boolean(bool),
    /// Several values.
    List(Vec<At<Value>>),
    /// Keys with values.
    Table(Vec<Member>),
    /// A value that no field can have, with the name of its kind.
    Other(&'static str),
}

impl Value {
    /// Returns the name of the kind in messages.
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

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// The key as the author wrote it.
    pub(super) key: At<String>,
    /// The value.
    pub(super) value: At<Value>,
}

/// A plan.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// The title, if there is one.
    pub(super) title: Option<At<String>>,
    /// The shared context.
    pub(super) context: Vec<At<String>>,
    /// The tasks in the order of the file.
    pub(super) tasks: Vec<DraftTask>,
    /// `true` if fields with a list may be repeated (Markdown).
    pub(super) repeatable: bool,
    /// The hint if there is no task.
    pub(super) advice: &'static str,
}

/// A task.
#[derive(Debug, Default)]
pub(super) struct DraftTask {
    /// The number in the text (Markdown); otherwise the position counts.
    pub(super) number: Option<At<u64>>,
    /// The tag of the headline (Markdown).
    pub(super) tag: Option<At<String>>,
    /// The title of the headline (Markdown).
    pub(super) title: Option<At<String>>,
    /// The label of the headline (Markdown).
    pub(super) label: Option<At<String>>,
    /// The dependencies of the headline (Markdown).
    pub(super) blocked_by: Vec<At<String>>,
    /// The prose below the headline (Markdown).
    pub(super) prompt: Option<At<String>>,
    /// `true` below a heading "Dependent": without dependencies it follows all independent tasks.
    pub(super) after_independent: bool,
    /// The fields.
    pub(super) members: Vec<Member>,
    /// The column of its content (Markdown).
    pub(super) column: usize,
    /// The position of the task in diagnostics.
    pub(super) span: Span,
}

/// Builds a draft from a TOML or JSON document.
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

/// Creates an error about a value of the wrong kind.
pub(super) fn bad_kind(key: &str, wanted: &str, found: &Value, span: Span) -> RawDiagnostic {
    let kind = found.kind();
    let message = format!("{} must be {wanted}, not {kind}", quoted(key));
    RawDiagnostic::error(Code::BadValue, span, message)
}
