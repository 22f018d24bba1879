//! `tasks.md` of OpenSpec: numbered sections with numbered tasks, done in order.

use crate::plan::import::check_list::{Names, Skipped, add_text, state};
use crate::plan::import::markdown::{Line, lines, paths, split_dependencies};
use crate::plan::import::sequence::Sequence;
use crate::plan::import::{Document, Item, Mark, State};

/// Reads the tasks.
pub(super) fn read(name: &str, text: &str) -> Document {
    let mut document = Document {
        context: vec![format!(
            "The proposal and the specification of this change are beside {name}: read them first"
        )],
        ..Document::default()
    };
    let mut skipped = Skipped::default();
    let mut sequence = Sequence::default();
    let mut section: Option<String> = None;
    let mut last_box: Option<usize> = None;
    let mut names = Names::default();
    for (number, line) in lines(text) {
        match line {
            Line::Heading { level: 1, text } if document.title.is_none() => {
                document.title = Some(text.to_owned());
            }
            Line::Heading { text, .. } => {
                section = Some(without_number(text).1.to_owned());
                last_box = None;
            }
            Line::Box {
                indent,
                mark,
                span,
                text,
                ..
            } => {
                let (id, title) = without_number(text);
                let (title, depends_on) = split_dependencies(title);
                let id = names.unique(id.unwrap_or(title));
                let mut item = Item {
                    state: state(mark),
                    files: paths(title),
                    depends_on,
                    mark: Some(Mark { span, done: "x" }),
                    ..Item::new(id, number, title)
                };
                if item.state == State::Open {
                    item.depends_on.extend(sequence.next(&item.id, false));
                }
                if let Some(section) = &section {
                    item.prompt = format!("{title}\n\nPart of: {section}\n");
                }
                document.items.push(item);
                last_box = Some(indent);
            }
            Line::Text { indent, text } => match (last_box, document.items.last_mut()) {
                (Some(outer), Some(item)) if indent > outer => {
                    add_text(&mut item.prompt, text, outer);
                }
                _ => skipped.add(number),
            },
            Line::Blank => {}
        }
    }
    skipped.note(&mut document);
    document
}

/// Splits the number off `1.2 Title` or `1. Title`.
fn without_number(text: &str) -> (Option<&str>, &str) {
    let Some((first, rest)) = text.split_once(' ') else {
        return (None, text);
    };
    let number = first.trim_end_matches('.');
    let is_number = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    match number.split('.').all(is_number) {
        true => (Some(number), rest.trim()),
        false => (None, text),
    }
}
