//! Issues of beads: one JSON object a line.

use crate::plan::import::json::{JsonText, as_text};
use crate::plan::import::{Document, ImportError, Item, Mark, State};

/// The kinds of dependencies that an issue waits for.
const GATES: [&str; 3] = ["blocks", "waits-for", "conditional-blocks"];

/// Reads the issues.
///
/// # Errors
/// When a line is not JSON.
pub(super) fn read(text: &str) -> Result<Document, ImportError> {
    let text = text.trim_start_matches('\u{feff}');
    let json = JsonText { text };
    let mut document = Document::default();
    let mut parents: Vec<Option<String>> = Vec::new();
    for line in text
        .split('\n')
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let issue = json.value(line)?;
        let number = json.line(issue);
        let members = json.members(issue);
        let get = |name: &str| {
            members
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| *value)
        };
        let said = |name: &str| get(name).and_then(as_text);
        let Some(id) = said("id") else {
            document.note(number, "an object without an id was left out");
            continue;
        };
        let status = get("status");
        let mut item = Item {
            prompt: prompt(&said),
            state: state(status.and_then(as_text).as_deref()),
            // 0 is the most urgent of 0 to 4.
            priority: said("priority")
                .and_then(|n| n.parse::<i32>().ok())
                .map_or(0, |n| 2 - n),
            mark: status.map(|status| Mark {
                span: json.span(status),
                done: "\"closed\"",
            }),
            ..Item::new(
                id.clone(),
                number,
                said("title").unwrap_or_else(|| id.clone()),
            )
        };
        let mut parent = said("parent").or_else(|| said("parent_id"));
        for dependency in get("dependencies")
            .map(|list| json.list(list))
            .unwrap_or_default()
        {
            let members = json.members(dependency);
            let said = |name: &str| {
                let found = members.iter().find(|(key, _)| key == name);
                found.and_then(|(_, value)| as_text(value))
            };
            let (Some(other), kind) = (said("depends_on_id"), said("type")) else {
                continue;
            };
            match kind.as_deref().unwrap_or("blocks") {
                kind if GATES.contains(&kind) => item.depends_on.push(other),
                "parent-child" => parent = Some(other),
                kind => document.note(
                    number,
                    format!("{id} is {kind:?} to {other}, which was left out"),
                ),
            }
        }
        for key in [
            "labels",
            "assignee",
            "external_ref",
            "due_at",
            "estimated_minutes",
        ] {
            if get(key).is_some_and(|value| !super::json::is_empty(value)) {
                document.note(number, format!("`{key}` of {id} was left out"));
            }
        }
        document.items.push(item);
        parents.push(parent);
    }
    for (at, parent) in parents.into_iter().enumerate() {
        let place = |parent: &String| document.items.iter().position(|item| item.id == *parent);
        let place = parent.as_ref().and_then(place).filter(|place| *place != at);
        document.items[at].parent = place;
    }
    break_circles(&mut document);
    document.title = Some("Issues".to_owned());
    Ok(document)
}

/// Removes parents that would make an issue a part of itself.
fn break_circles(document: &mut Document) {
    for at in 0..document.items.len() {
        let mut next = document.items[at].parent;
        for _ in 0..document.items.len() {
            match next {
                Some(place) if place == at => {
                    document.items[at].parent = None;
                    break;
                }
                Some(place) => next = document.items[place].parent,
                None => break,
            }
        }
    }
}

fn state(status: Option<&str>) -> State {
    match status {
        Some("closed") => State::Done,
        Some("deferred") => State::Dropped("deferred"),
        Some("tombstone") => State::Dropped("deleted"),
        _ => State::Open,
    }
}

fn prompt(said: &dyn Fn(&str) -> Option<String>) -> String {
    let design = said("design").map(|text| format!("Design: {text}"));
    let criteria = said("acceptance_criteria").map(|text| format!("Acceptance criteria: {text}"));
    let notes = said("notes").map(|text| format!("Notes: {text}"));
    let parts = [said("description"), design, criteria, notes];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
}
