//! Parses the headline of a task: `[AUTH] Implement it — Worker 1 — blocked by #2, #3`.

use crate::base::text::one_line;
use crate::plan::fields::split_names;
use crate::plan::markdown::raw::trimmed;
use crate::plan::span::{At, Span};

/// The parts of a headline.
#[derive(Debug, Default)]
pub(super) struct Headline {
    /// The tag, if there is one.
    pub(super) tag: Option<At<String>>,
    /// The title.
    pub(super) title: At<String>,
    /// The label, such as `Worker 1`.
    pub(super) label: Option<At<String>>,
    /// The names after `blocked by`.
    pub(super) blocked_by: Vec<At<String>>,
}

impl Headline {
    /// Returns `true` if a label or dependencies follow the title.
    pub(super) fn has_suffix(&self) -> bool {
        self.label.is_some() || !self.blocked_by.is_empty()
    }
}

/// Parses the raw text of a headline; line breaks count as spaces.
pub(super) fn parse(text: &str, span: Span) -> Headline {
    let mut headline = Headline::default();
    let mut rest = trimmed(text, span);
    if let Some((tag, after)) = tag(text, &rest) {
        headline.tag = tag;
        rest = trimmed(text, after..rest.end);
    }
    while let Some((at, suffix)) = suffix(text, &rest, &headline) {
        match suffix {
            Suffix::Label(label) => headline.label = Some(label),
            Suffix::BlockedBy(names) => headline.blocked_by = names,
        }
        rest = trimmed(text, rest.start..at);
    }
    headline.title = At::new(one_line(&text[rest.clone()]), rest);
    headline
}

/// Parses `[AUTH]` at the start; links and empty checkboxes are not tags.
fn tag(text: &str, rest: &Span) -> Option<(Option<At<String>>, usize)> {
    let inside = text[rest.clone()].strip_prefix('[')?;
    let length = inside.find([']', '[', '\n', '\r'])?;
    let start = rest.start + 1;
    let after = inside[length..].strip_prefix(']')?;
    let end = start + length + 1;
    let (after, end) = match after.strip_prefix(':') {
        Some(after) => (after, end + 1),
        None => (after, end),
    };
    if !after.is_empty() && !after.starts_with(char::is_whitespace) {
        return None;
    }
    let span = trimmed(text, start..start + length);
    let tag = (!span.is_empty()).then(|| At::new(text[span.clone()].to_owned(), span));
    Some((tag, end))
}

enum Suffix {
    Label(At<String>),
    BlockedBy(Vec<At<String>>),
}

/// Parses the last known suffix after a dash; returns it with the end of the text before it.
fn suffix(text: &str, rest: &Span, found: &Headline) -> Option<(usize, Suffix)> {
    let slice = &text[rest.clone()];
    for (i, dash) in slice.rmatch_indices(['-', '–', '—']) {
        let before = slice[..i].trim_end_matches('-');
        let is_word = dash == "-" && !before.is_empty() && !before.ends_with(char::is_whitespace);
        if is_word {
            continue;
        }
        let tail = trimmed(text, rest.start + i + dash.len()..rest.end);
        let at = rest.start + before.len();
        if found.blocked_by.is_empty()
            && let Some(names) = blocked_by(text, &tail)
        {
            return Some((at, Suffix::BlockedBy(names)));
        }
        let label = &text[tail.clone()];
        if found.label.is_none() && is_label(label) {
            return Some((at, Suffix::Label(At::new(one_line(label), tail))));
        }
    }
    None
}

fn blocked_by(text: &str, tail: &Span) -> Option<Vec<At<String>>> {
    let words = ["blocked", "by"];
    let mut at = tail.start;
    for word in words {
        at += text[at..tail.end].len() - text[at..tail.end].trim_start().len();
        let found = text.get(at..at + word.len()).filter(|_| at < tail.end)?;
        found.eq_ignore_ascii_case(word).then_some(())?;
        at += word.len();
    }
    let list = &text[at..tail.end];
    let list = list.strip_prefix(':').unwrap_or(list);
    if !list.starts_with(|c: char| c.is_whitespace() || c == '#') {
        return None;
    }
    let list = list.trim_end_matches('.');
    let place = |name: &str| {
        let start = name.as_ptr() as usize - text.as_ptr() as usize;
        At::new(one_line(name), start..start + name.len())
    };
    let names: Vec<_> = split_names(list).into_iter().map(place).collect();
    (!names.is_empty()).then_some(names)
}

/// Returns `true` for `Worker 1` or `worker api-2`, with one word after it.
pub(super) fn is_label(text: &str) -> bool {
    if text.len() > 60 {
        return false;
    }
    let mut words = text.split_whitespace();
    let first = words
        .next()
        .is_some_and(|word| word.eq_ignore_ascii_case("worker"));
    let name = words.next().is_some_and(|word| {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '#');
        word.chars().all(plain)
    });
    first && name && words.next().is_none()
}

/// Returns `true` if a title contains text that looks like a dependency.
pub(super) fn looks_blocked(title: &str) -> bool {
    let title = title.to_lowercase();
    ["blocked by", "depends on #", "depends on:"]
        .iter()
        .any(|words| title.contains(words))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        let headline = parse(text, 0..text.len());
        let names: Vec<_> = headline
            .blocked_by
            .iter()
            .map(|n| n.value.as_str())
            .collect();
        for at in headline
            .blocked_by
            .iter()
            .chain(&headline.tag)
            .chain(&headline.label)
        {
            assert_eq!(one_line(&text[at.span.clone()]), at.value);
        }
        format!(
            "{} | {} | {} | {}.",
            headline.tag.map_or("-".to_owned(), |tag| tag.value),
            headline.title.value,
            headline.label.map_or("-".to_owned(), |label| label.value),
            names.join("+")
        )
    }

    #[test]
    fn a_headline_is_parsed_with_any_dash_and_order() {
        let lines = [
            "Plain",
            "[API] Build — Worker 1",
            "[API] Build - blocked by #2, #3",
            "[API] Build -- blocked by #2 and #3, and API-DOCS",
            "[API] Build – Worker 1 – Blocked By: 2.",
            "Build—blocked by #2 — Worker x",
            "[API]: Build - login and logout - fast",
            "[ ] Build well-known",
            "[link](x) Build",
            "[A] Fix what is blocked by #42",
            "Build — Worker 1 — Worker 2",
            "Build —\n blocked\n by\n #2",
            "Wait — blocked by the API team",
            "— Worker 1",
        ];
        let shown: Vec<_> = lines.iter().map(|line| show(line)).collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        - | Plain | - | .
        API | Build | Worker 1 | .
        API | Build | - | #2+#3.
        API | Build | - | #2+#3+API-DOCS.
        API | Build | Worker 1 | 2.
        - | Build | Worker x | #2.
        API | Build - login and logout - fast | - | .
        - | Build well-known | - | .
        - | [link](x) Build | - | .
        A | Fix what is blocked by #42 | - | .
        - | Build — Worker 1 | Worker 2 | .
        - | Build | - | #2.
        - | Wait | - | the API team.
        - |  | Worker 1 | .
        ");
    }
}
