//! Reads the `tasks.md` of a tool: headings, check boxes with text below them, and other lines.

use std::ops::Range;

use crate::plan::import::check_list::{Skipped, add_text};
use crate::plan::import::markdown::{Line, lines};
use crate::plan::import::{Document, Item};

/// A check box.
pub(super) struct CheckBox<'a> {
    /// The line, from 1.
    pub(super) line: usize,
    /// The character between the brackets.
    pub(super) mark: char,
    /// The position of that character.
    pub(super) span: Range<usize>,
    /// The text after the brackets.
    pub(super) text: &'a str,
}

/// The parts of a `tasks.md` that differ from tool to tool.
pub(super) trait Reader {
    /// Returns the title in the first heading.
    fn title(&self, heading: &str) -> String {
        heading.to_owned()
    }

    /// Reads another heading.
    fn heading(&mut self, _level: usize, _text: &str) {}

    /// Reads a check box; `items` are those before it. `None` if it is not a task.
    fn item(&mut self, found: CheckBox<'_>, items: &[Item]) -> Option<Item>;

    /// Reads a line below an item, whose box is indented by `outer`.
    fn text(&self, item: &mut Item, text: &str, outer: usize) {
        add_text(&mut item.prompt, text, outer);
    }
}

/// Reads a text. `context` tells every task what is beside it.
pub(super) fn read_tasks(text: &str, context: String, reader: &mut impl Reader) -> Document {
    let mut document = Document {
        context: vec![context],
        ..Document::default()
    };
    let mut skipped = Skipped::default();
    // The indentation of the last box, while lines can belong to it.
    let mut last_box: Option<usize> = None;
    for (number, line) in lines(text) {
        match line {
            Line::Heading { level: 1, text } if document.title.is_none() => {
                document.title = Some(reader.title(text));
            }
            Line::Heading { level, text } => {
                reader.heading(level, text);
                last_box = None;
            }
            Line::Box {
                indent,
                mark,
                span,
                text,
                ..
            } => {
                let found = CheckBox {
                    line: number,
                    mark,
                    span,
                    text,
                };
                let item = reader.item(found, &document.items);
                last_box = item.is_some().then_some(indent);
                match item {
                    Some(item) => document.items.push(item),
                    None => skipped.add(number),
                }
            }
            Line::Text { indent, text } => match (last_box, document.items.last_mut()) {
                (Some(outer), Some(item)) if indent > outer => reader.text(item, text, outer),
                _ => skipped.add(number),
            },
            Line::Blank => {}
        }
    }
    skipped.note(&mut document);
    document
}
