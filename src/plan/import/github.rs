//! Issues on GitHub, as `gh issue list --json number,title,body,state` prints them.

use serde::Deserialize;

use crate::plan::import::{Document, ImportError, Item, State};

#[derive(Deserialize)]
struct Issue {
    number: u64,
    title: String,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    state: Option<String>,
}

/// Reads the issues.
///
/// # Errors
/// When the text is not a list of issues.
pub(super) fn read(text: &str) -> Result<Document, ImportError> {
    let issues: Vec<Issue> = serde_json::from_str(text).map_err(|error| ImportError::Syntax {
        line: error.line(),
        message: format!("invalid list of issues: {error}"),
    })?;
    let item = |issue: Issue| {
        let body = issue.body.unwrap_or_default();
        Item {
            depends_on: dependencies(&body),
            prompt: body.replace("\r\n", "\n"),
            state: match issue.state.as_deref() {
                Some("CLOSED" | "closed") => State::Done,
                _ => State::Open,
            },
            ..Item::new(issue.number.to_string(), 0, issue.title)
        }
    };
    let mut items: Vec<Item> = issues.into_iter().map(item).collect();
    // `gh` lists the newest first.
    items.sort_by_key(|item| item.id.parse::<u64>().unwrap_or(u64::MAX));
    Ok(Document {
        title: Some("Issues".to_owned()),
        items,
        ..Document::default()
    })
}

/// Finds `Blocked by #12` and `Depends on #12, #13` in the text of an issue.
fn dependencies(body: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in body.lines() {
        let lower = line.to_ascii_lowercase();
        let starts = ["blocked by", "depends on"];
        let Some(at) = starts
            .iter()
            .filter_map(|word| Some(lower.find(word)? + word.len()))
            .min()
        else {
            continue;
        };
        for part in line[at..].split('#').skip(1) {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            if !digits.is_empty() && !found.contains(&digits) {
                found.push(digits);
            }
        }
    }
    found
}
