//! `tasks.md` of Kiro: numbered tasks with sub-tasks, done in order, `(P)` for parallel ones.

use crate::plan::import::check_list::{add_text, state};
use crate::plan::import::sequence::Sequence;
use crate::plan::import::task_file::{CheckBox, Reader, read_tasks};
use crate::plan::import::{Document, Item, Mark, State};

/// Reads the tasks.
pub(super) fn read(name: &str, text: &str) -> Document {
    let context =
        format!("The requirements and the design of this work are beside {name}: read them first");
    let mut reader = Kiro::default();
    let mut document = read_tasks(text, context, &mut reader);
    order(&mut document.items, &reader.parallel);
    document
}

#[derive(Default)]
struct Kiro {
    /// The marks of parallel tasks, one for each item.
    parallel: Vec<bool>,
}

impl Reader for Kiro {
    fn item(&mut self, found: CheckBox<'_>, items: &[Item]) -> Option<Item> {
        let (id, title, is_optional) = task(found.text)?;
        let marked = title.strip_prefix("(P)").or(title.strip_suffix("(P)"));
        let (title, is_parallel) = (marked.unwrap_or(title).trim(), marked.is_some());
        self.parallel.push(is_parallel);
        let parent = id.rsplit_once('.').map(|(parent, _)| parent);
        let place = |id: &str| items.iter().position(|item| item.id == id);
        Some(Item {
            state: match state(found.mark) {
                // Kiro marks a task in progress so.
                State::Dropped(_) => State::Open,
                State::Open if is_optional => State::Dropped("optional"),
                state => state,
            },
            parent: parent.and_then(place),
            mark: Some(Mark {
                span: found.span,
                done: "x",
            }),
            ..Item::new(id, found.line, title)
        })
    }

    fn text(&self, item: &mut Item, text: &str, outer: usize) {
        detail(item, text, outer);
    }
}

/// Parses `1.2 Title`, `1. Title` and the mark `*` of an optional task before it.
fn task(text: &str) -> Option<(&str, &str, bool)> {
    let (text, is_optional) = match text.strip_prefix('*') {
        Some(rest) => (rest.trim_start(), true),
        None => (text, false),
    };
    let (id, title) = text.split_once(' ')?;
    let id = id.trim_end_matches('.');
    let is_number = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    id.split('.')
        .all(is_number)
        .then(|| (id, title.trim(), is_optional))
}

/// Reads a line below a task: `- _Depends: 1.2, 2.3_`, or a part of its prompt.
fn detail(item: &mut Item, text: &str, outer: usize) {
    let words = text
        .trim()
        .trim_start_matches(['-', '*', ' '])
        .trim_matches('_');
    match words.strip_prefix("Depends:") {
        Some(ids) => {
            let ids = ids.split(',').map(|id| id.trim().trim_end_matches('_'));
            item.depends_on
                .extend(ids.filter(|id| !id.is_empty()).map(str::to_owned));
        }
        None => add_text(&mut item.prompt, text, outer),
    }
}

/// Lets every task without parts wait for those before it, unless both are parallel.
fn order(items: &mut [Item], parallel: &[bool]) {
    let parents: Vec<Option<usize>> = items.iter().map(|item| item.parent).collect();
    let is_group = |at: usize| parents.contains(&Some(at));
    let top = |mut at: usize| {
        while let Some(parent) = parents[at] {
            at = parent;
        }
        at
    };
    let mut sequence = Sequence::default();
    let mut before: Option<usize> = None;
    for at in 0..items.len() {
        if is_group(at) || items[at].state != State::Open {
            continue;
        }
        let major = top(at);
        // Peers are parts of the same task, unless that is parallel itself.
        if before.is_some_and(|before| before != major) && !parallel[major] {
            sequence.close_group();
        }
        before = Some(major);
        let id = items[at].id.clone();
        let waits_for = sequence.next(&id, parallel[at]);
        items[at].depends_on.extend(waits_for);
    }
}
