//! `tasks.json` of task-master: lists of tasks by tag, with sub-tasks.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::plan::import::json::{JsonText, as_text, is_empty};
use crate::plan::import::{Document, ImportError, Item, Mark, State};

/// The list that is imported unless another is named.
const MASTER: &str = "master";

/// Keys that have no place in a plan and say nothing about the work.
const SILENT: [&str; 4] = ["updatedAt", "createdAt", "parentTaskId", "parentId"];

/// Reads the tasks of one list.
///
/// # Errors
/// When the text is not JSON, or has no such list.
pub(super) fn read(text: &str, list: Option<&str>) -> Result<Document, ImportError> {
    let text = text.trim_start_matches('\u{feff}');
    let json = JsonText { text };
    let root = json.members(json.value(text)?);
    let mut document = Document::default();
    let plain = root
        .iter()
        .find(|(key, value)| key == "tasks" && value.get().starts_with('['));
    if let Some((_, tasks)) = plain {
        read_tasks(&json, tasks, None, &mut document);
        note_keys(&mut document);
        return Ok(document);
    }
    let lists: Vec<(String, &RawValue)> = root
        .into_iter()
        .filter_map(|(name, value)| {
            let members = json.members(value);
            let (_, tasks) = members.into_iter().find(|(key, _)| key == "tasks")?;
            Some((name, tasks))
        })
        .collect();
    let known: Vec<String> = lists.iter().map(|(name, _)| name.clone()).collect();
    let is_it = |name: &str| list.map_or(name == MASTER, |list| list == name);
    let chosen = lists.iter().find(|(name, _)| is_it(name));
    let only = lists.first().filter(|_| list.is_none() && lists.len() == 1);
    let Some((name, tasks)) = chosen.or(only) else {
        return match known.is_empty() {
            true => Err(ImportError::NoItems),
            false => Err(ImportError::NoList {
                name: list.unwrap_or(MASTER).to_owned(),
                known,
            }),
        };
    };
    read_tasks(&json, tasks, None, &mut document);
    document.title = Some(match name.as_str() {
        MASTER => "Tasks".to_owned(),
        name => name.to_owned(),
    });
    for (other, tasks) in lists.iter().filter(|(other, _)| other != name) {
        let line = json.line(tasks);
        document.note(
            line,
            format!("the list {other:?} was left out; `--list {other}` imports it"),
        );
    }
    note_keys(&mut document);
    Ok(document)
}

/// Reads a list of tasks, or of the sub-tasks of a task.
fn read_tasks<'a>(
    json: &JsonText<'a>,
    tasks: &'a RawValue,
    parent: Option<usize>,
    document: &mut Document,
) {
    for task in json.list(tasks) {
        let members = json.members(task);
        let get = |name: &str| {
            members
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| *value)
        };
        let line = json.line(task);
        let Some(id) = get("id").and_then(as_text) else {
            document.note(line, "a task without an id was left out");
            continue;
        };
        let outer = parent.map(|place| document.items[place].id.clone());
        let full = |id: &str| match &outer {
            Some(outer) if !id.contains('.') => format!("{outer}.{id}"),
            _ => id.to_owned(),
        };
        let id = full(&id);
        let place = document.items.len();
        let status = get("status");
        let depends_on = get("dependencies")
            .map(|list| json.list(list))
            .unwrap_or_default();
        let depends_on = depends_on.into_iter().filter_map(as_text);
        let title = get("title")
            .and_then(as_text)
            .unwrap_or_else(|| format!("Task {id}"));
        document.items.push(Item {
            prompt: prompt(get("description"), get("details"), get("testStrategy")),
            state: state(status.and_then(as_text).as_deref()),
            depends_on: depends_on.map(|id| full(&id)).collect(),
            priority: match get("priority").and_then(as_text).as_deref() {
                Some("high" | "critical") => 1,
                Some("low") => -1,
                _ => 0,
            },
            parent,
            mark: status.map(|status| Mark {
                span: json.span(status),
                done: "\"done\"",
            }),
            ..Item::new(id.clone(), line, title)
        });
        for (key, value) in &members {
            let is_read = KNOWN.contains(&key.as_str()) || SILENT.contains(&key.as_str());
            if !is_read && !is_empty(value) {
                document.note(json.line(value), format!("`{key}` of a task was left out"));
            }
        }
        if let Some(subtasks) = get("subtasks") {
            read_tasks(json, subtasks, Some(place), document);
        }
    }
}

/// The keys that are carried over.
const KNOWN: [&str; 9] = [
    "id",
    "title",
    "description",
    "status",
    "dependencies",
    "priority",
    "details",
    "testStrategy",
    "subtasks",
];

/// Keeps one note for each key that was left out, at its first line.
fn note_keys(document: &mut Document) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for note in &document.notes {
        *counts.entry(note.what.clone()).or_default() += 1;
    }
    let mut seen = std::collections::HashSet::new();
    document.notes.retain(|note| seen.insert(note.what.clone()));
    for note in &mut document.notes {
        if let Some(count) = counts.get(&note.what).filter(|count| **count > 1) {
            note.what = format!("{} ({count} times)", note.what);
        }
    }
}

fn state(status: Option<&str>) -> State {
    match status {
        Some("done" | "completed") => State::Done,
        Some("cancelled") => State::Dropped("cancelled"),
        Some("deferred") => State::Dropped("deferred"),
        _ => State::Open,
    }
}

fn prompt(
    description: Option<&RawValue>,
    details: Option<&RawValue>,
    test: Option<&RawValue>,
) -> String {
    let description = description.and_then(as_text);
    let details = details.and_then(as_text);
    let test = test
        .and_then(as_text)
        .map(|test| format!("How it is tested: {test}"));
    let parts = [description, details, test];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
}
