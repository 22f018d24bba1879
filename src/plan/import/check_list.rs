//! Any check list in Markdown. Indented boxes are parts; only words make dependencies.

use std::collections::HashMap;

use crate::plan::import::markdown::{Line, lines, paths, split_dependencies};
use crate::plan::import::{Document, Item, Mark, State};

/// Reads a check list.
pub(super) fn read(text: &str) -> Document {
    let mut document = Document::default();
    // Every open list item, from the outermost, with its indentation.
    let mut stack: Vec<(usize, usize)> = Vec::new();
    let mut names = Names::default();
    let mut numbers: HashMap<String, String> = HashMap::new();
    let mut skipped = Skipped::default();
    for (number, line) in lines(text) {
        match line {
            Line::Heading { level: 1, text } if document.title.is_none() => {
                document.title = Some(text.to_owned());
            }
            Line::Heading { .. } => stack.clear(),
            Line::Box {
                indent,
                number: written,
                mark,
                span,
                text,
            } => {
                stack.retain(|(outer, _)| *outer < indent);
                let (title, depends_on) = split_dependencies(text);
                if title.is_empty() {
                    document.note(number, "an empty task was left out");
                    continue;
                }
                let id = names.unique(title);
                let place = document.items.len();
                let written = written.map_or(place + 1, |number| number as usize);
                numbers.entry(written.to_string()).or_insert(id.clone());
                document.items.push(Item {
                    state: state(mark),
                    depends_on,
                    files: paths(title),
                    parent: stack.last().map(|(_, place)| *place),
                    mark: Some(Mark { span, done: "x" }),
                    ..Item::new(id, number, title)
                });
                stack.push((indent, place));
            }
            Line::Text { indent, text } => {
                match stack.iter().rev().find(|(outer, _)| *outer < indent) {
                    Some((outer, place)) => {
                        add_text(&mut document.items[*place].prompt, text, *outer);
                    }
                    None => skipped.add(number),
                }
            }
            Line::Blank => {
                if let Some((_, place)) = stack.last() {
                    let prompt = &mut document.items[*place].prompt;
                    if !prompt.is_empty() {
                        prompt.push('\n');
                    }
                }
            }
        }
    }
    for item in &mut document.items {
        let by_number = |id: &String| numbers.get(id).unwrap_or(id).clone();
        item.depends_on = item.depends_on.iter().map(by_number).collect();
    }
    skipped.note(&mut document);
    document
}

/// Makes ids of titles, which may be repeated.
#[derive(Default)]
pub(super) struct Names(HashMap<String, usize>);

impl Names {
    /// Returns the title, with its count if it is repeated.
    pub(super) fn unique(&mut self, title: &str) -> String {
        let count = self.0.entry(title.to_lowercase()).or_default();
        *count += 1;
        match count {
            1 => title.to_owned(),
            count => format!("{title} ({count})"),
        }
    }
}

/// Returns the state that a mark in brackets means.
pub(super) fn state(mark: char) -> State {
    match mark {
        'x' | 'X' => State::Done,
        '-' => State::Dropped("cancelled"),
        _ => State::Open,
    }
}

/// Appends a line below an item to its prompt, without the item's indentation.
pub(super) fn add_text(prompt: &mut String, text: &str, outer: usize) {
    let space = text.len() - text.trim_start().len();
    prompt.push_str(&text[space.min(outer + 2)..]);
    prompt.push('\n');
}

/// Lines outside any item, which have no place in a plan.
#[derive(Default)]
pub(super) struct Skipped {
    ranges: Vec<(usize, usize)>,
}

impl Skipped {
    /// Adds a line.
    pub(super) fn add(&mut self, line: usize) {
        match self.ranges.last_mut() {
            Some((_, last)) if *last + 2 >= line => *last = line,
            _ => self.ranges.push((line, line)),
        }
    }

    /// Notes every block of lines once.
    pub(super) fn note(self, document: &mut Document) {
        for (first, last) in self.ranges {
            let what = match first == last {
                true => "text outside the tasks was left out".to_owned(),
                false => format!("text outside the tasks, up to line {last}, was left out"),
            };
            document.note(first, what);
        }
    }
}
