//! Marks finished items in the text they were imported from, and changes nothing else of it.

use crate::plan::import::convert::Tree;
use crate::plan::import::{Document, ImportFormat, Item, State, read};

/// A text with finished items marked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ticked {
    /// The new text.
    pub text: String,
    /// The ids of the items that were marked, those with parts included.
    pub marked: Vec<String>,
}

/// The reason why a text stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TickError {
    /// Items are missing in the text.
    #[error("{} in it any more: {}", if .0.len() == 1 { "this task is not" } else { "these tasks are not" }, .0.join(", "))]
    Missing(Vec<String>),
    /// The text cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// The items have no place for a mark.
    #[error("{0} has no status to change")]
    NoMark(String),
}

/// Marks items as finished. An item whose parts are all finished is finished, too; an item that is
/// marked already stays as it is.
///
/// # Errors
/// When one of the items is missing; then none is marked.
pub fn tick(
    format: ImportFormat,
    text: &str,
    list: Option<&str>,
    finished: &[String],
) -> Result<Ticked, TickError> {
    let document = read(format, "", text, list);
    let Document { items, .. } =
        document.map_err(|error| TickError::Unreadable(error.to_string()))?;
    let tree = Tree::of(&items);
    let missing = finished.iter().filter(|id| tree.find(id).is_none());
    let missing: Vec<String> = missing.cloned().collect();
    if !missing.is_empty() {
        return Err(TickError::Missing(missing));
    }
    let mut done: Vec<bool> = items.iter().map(|item| item.state == State::Done).collect();
    let before = done.clone();
    for id in finished {
        if let Some(at) = tree.find(id) {
            done[at] = true;
        }
    }
    for at in (0..items.len()).filter(|at| tree.is_group(*at)) {
        let leaves = tree.leaves(at);
        let is_over =
            |leaf: &usize| done[*leaf] || items[*leaf].state == State::Dropped("cancelled");
        let is_group_done = leaves.iter().all(is_over) && leaves.iter().any(|leaf| done[*leaf]);
        done[at] |= is_group_done;
    }
    let changed: Vec<&Item> = items
        .iter()
        .zip(done.iter().zip(&before))
        .filter(|(_, (now, before))| **now && !**before)
        .map(|(item, _)| item)
        .collect();
    if let Some(item) = changed.iter().find(|item| item.mark.is_none()) {
        return Err(TickError::NoMark(item.id.clone()));
    }
    let offset = text.len() - text.trim_start_matches('\u{feff}').len();
    let is_json = matches!(format, ImportFormat::TaskMaster | ImportFormat::Beads);
    let offset = if is_json { offset } else { 0 };
    let mut marks: Vec<_> = changed
        .iter()
        .filter_map(|item| item.mark.clone())
        .collect();
    marks.sort_by_key(|mark| std::cmp::Reverse(mark.span.start));
    let mut ticked = text.to_owned();
    for mark in marks {
        ticked.replace_range(mark.span.start + offset..mark.span.end + offset, mark.done);
    }
    Ok(Ticked {
        text: ticked,
        marked: changed.iter().map(|item| item.id.clone()).collect(),
    })
}
