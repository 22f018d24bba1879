//! `tasks.md` of OpenSpec: numbered sections with numbered tasks, done in order.

use crate::plan::import::check_list::{Names, state};
use crate::plan::import::markdown::{paths, split_dependencies};
use crate::plan::import::sequence::Sequence;
use crate::plan::import::task_file::{CheckBox, Reader, read_tasks};
use crate::plan::import::{Document, Item, Mark, State};

/// Reads the tasks.
pub(super) fn read(name: &str, text: &str) -> Document {
    let context = format!(
        "The proposal and the specification of this change are beside {name}: read them first"
    );
    read_tasks(text, context, &mut OpenSpec::default())
}

#[derive(Default)]
struct OpenSpec {
    sequence: Sequence,
    section: Option<String>,
    names: Names,
}

impl Reader for OpenSpec {
    fn heading(&mut self, _level: usize, text: &str) {
        self.section = Some(without_number(text).1.to_owned());
    }

    fn item(&mut self, found: CheckBox<'_>, _items: &[Item]) -> Option<Item> {
        let (id, title) = without_number(found.text);
        let (title, depends_on) = split_dependencies(title);
        let id = self.names.unique(id.unwrap_or(title));
        let mut item = Item {
            state: state(found.mark),
            files: paths(title),
            depends_on,
            mark: Some(Mark {
                span: found.span,
                done: "x",
            }),
            ..Item::new(id, found.line, title)
        };
        if item.state == State::Open {
            item.depends_on.extend(self.sequence.next(&item.id, false));
        }
        if let Some(section) = &self.section {
            item.prompt = format!("{title}\n\nPart of: {section}\n");
        }
        Some(item)
    }
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
