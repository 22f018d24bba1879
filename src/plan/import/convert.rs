//! Makes a plan of the items of a document.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::base::text::one_line;
use crate::model::ids::TaskNumber;
use crate::model::plan::{GraphError, Plan, Task, TaskFields};
use crate::plan::import::source::TaskSource;
use crate::plan::import::{Document, ImportError, Imported, Item, Note, State};
use crate::plan::normal;

/// Converts the open items. Items with parts become no tasks: what depends on them depends on all
/// their parts, and their text goes to each part. Dependencies on items that are not open are met.
///
/// # Errors
/// When no item is open, or they depend on each other in a circle.
pub(super) fn convert(
    document: Document,
    source: &dyn Fn(&Item) -> TaskSource,
) -> Result<Imported, ImportError> {
    let Document {
        title,
        context,
        items,
        mut notes,
    } = document;
    if items.is_empty() {
        return Err(ImportError::NoItems);
    }
    let tree = Tree::of(&items);
    let open: Vec<usize> = (0..items.len())
        .filter(|at| !tree.is_group(*at) && tree.state(&items, *at) == State::Open)
        .collect();
    notes.extend(left_out(&items, &tree));
    if open.is_empty() {
        return Err(ImportError::NothingOpen);
    }
    let numbers: HashMap<usize, TaskNumber> =
        open.iter().copied().zip((1..).map(TaskNumber)).collect();
    let mut tags = HashSet::new();
    let mut tasks = Vec::new();
    for &at in &open {
        let item = &items[at];
        let number = numbers[&at];
        let depends_on = dependencies(&items, &tree, &numbers, at, &mut notes);
        tasks.push(Task {
            number,
            tag: tag(&item.id, number, &mut tags),
            title: match one_line(&item.title) {
                title if title.is_empty() => item.id.clone(),
                title => title,
            },
            label: None,
            prompt: normal::prompt(&prompt(&items, at)),
            depends_on: depends_on.into_iter().collect(),
            fields: TaskFields {
                files: item.files.clone(),
                check: item.check.clone(),
                priority: item.priority,
                source: Some(source(item).to_string()),
                ..TaskFields::default()
            },
        });
    }
    notes.sort_by_key(|note| note.line);
    let title = title.unwrap_or_else(|| "Imported tasks".to_owned());
    let plan = Plan::new(one_line(&title), context, tasks).map_err(|error| match error {
        GraphError::Cycle { path } => {
            let name = |number: &TaskNumber| items[open[number.index()]].id.clone();
            ImportError::Cycle(path.iter().map(name).collect())
        }
        _ => ImportError::NoItems,
    })?;
    Ok(Imported { plan, notes })
}

/// The items with their parts, by place.
pub(super) struct Tree {
    parts: BTreeMap<usize, Vec<usize>>,
    by_id: HashMap<String, usize>,
    parents: Vec<Option<usize>>,
}

impl Tree {
    pub(super) fn of(items: &[Item]) -> Tree {
        let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, item) in items.iter().enumerate() {
            if let Some(parent) = item.parent {
                parts.entry(parent).or_default().push(at);
            }
        }
        let ids = items.iter().enumerate();
        Tree {
            parts,
            by_id: ids.map(|(at, item)| (item.id.to_lowercase(), at)).collect(),
            parents: items.iter().map(|item| item.parent).collect(),
        }
    }

    /// Returns `true` for an item with parts.
    pub(super) fn is_group(&self, at: usize) -> bool {
        self.parts.contains_key(&at)
    }

    /// Returns the place of an item.
    pub(super) fn find(&self, id: &str) -> Option<usize> {
        self.by_id.get(&id.to_lowercase()).copied()
    }

    /// Returns the items without parts in an item, or the item itself.
    pub(super) fn leaves(&self, at: usize) -> Vec<usize> {
        let (mut found, mut open) = (Vec::new(), vec![at]);
        while let Some(next) = open.pop() {
            match self.parts.get(&next) {
                Some(parts) => open.extend(parts),
                None => found.push(next),
            }
        }
        found.sort_unstable();
        found
    }

    /// Returns an item and all it is a part of, the nearest first.
    fn chain(&self, at: usize) -> Vec<usize> {
        let mut chain = vec![at];
        while let Some(parent) = chain.last().and_then(|at| self.parents[*at]) {
            // A circle of parts has no end.
            if chain.contains(&parent) {
                break;
            }
            chain.push(parent);
        }
        chain
    }

    /// Returns the state of an item; a part of something done or left out is that, too.
    fn state(&self, items: &[Item], at: usize) -> State {
        let mut states = self.chain(at).into_iter().map(|at| items[at].state);
        states
            .rfind(|state| *state != State::Open)
            .unwrap_or(State::Open)
    }
}

fn left_out(items: &[Item], tree: &Tree) -> Vec<Note> {
    let is_leaf = |at: &usize| !tree.is_group(*at);
    let leaves = (0..items.len()).filter(is_leaf);
    let note = |at: usize| {
        let item = &items[at];
        let why = match tree.state(items, at) {
            State::Open => return None,
            State::Done => "done",
            State::Dropped(why) => why,
        };
        Some(Note {
            line: item.line,
            what: format!("{:?} is {why} and was left out", one_line(&item.title)),
        })
    };
    leaves.filter_map(note).collect()
}

/// Returns the numbers that an item and everything it is a part of wait for.
fn dependencies(
    items: &[Item],
    tree: &Tree,
    numbers: &HashMap<usize, TaskNumber>,
    at: usize,
    notes: &mut Vec<Note>,
) -> BTreeSet<TaskNumber> {
    let chain = tree.chain(at);
    let mut found = BTreeSet::new();
    for &place in &chain {
        for id in &items[place].depends_on {
            let Some(other) = tree.find(id) else {
                let line = items[place].line;
                let what = format!(
                    "{} depends on {id:?}, which is not in the text",
                    items[place].id
                );
                let note = Note { line, what };
                if !notes.contains(&note) {
                    notes.push(note);
                }
                continue;
            };
            // Waiting for something it is a part of would have no end.
            if chain.contains(&other) {
                continue;
            }
            let leaves = tree.leaves(other).into_iter();
            found.extend(leaves.filter_map(|leaf| numbers.get(&leaf).copied()));
        }
    }
    found.remove(&numbers[&at]);
    found
}

/// Returns the prompt: the text of the item, then what it is a part of.
fn prompt(items: &[Item], at: usize) -> String {
    let item = &items[at];
    let mut parts = vec![item.prompt.trim_end().to_owned()];
    let mut next = item.parent;
    let mut seen = HashSet::new();
    while let Some(place) = next.filter(|place| seen.insert(*place)) {
        let parent = &items[place];
        let text = parent.prompt.trim_end();
        parts.push(match text.is_empty() {
            true => format!("Part of: {}", parent.title),
            false => format!("Part of: {}\n\n{text}", parent.title),
        });
        next = parent.parent;
    }
    parts.retain(|part| !part.is_empty());
    if parts.is_empty() {
        return String::new();
    }
    if item.prompt.trim().is_empty() {
        parts.insert(0, item.title.clone());
    }
    parts.join("\n\n")
}

/// Returns the id as a tag, or the default tag.
fn tag(id: &str, number: TaskNumber, taken: &mut HashSet<String>) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let tag: String = id.chars().map(plain).collect();
    let tag = tag.trim_matches('-').to_owned();
    let is_short = !tag.is_empty() && tag.len() <= 24 && !tag.contains("--");
    let has_name = tag.chars().any(|c| c.is_ascii_alphabetic());
    let tag = match (is_short, has_name) {
        (true, true) => tag,
        (true, false) => format!("N{tag}"),
        _ => format!("T{}", number.0),
    };
    let mut candidates = std::iter::once(tag.clone()).chain((2..).map(|n| format!("{tag}-{n}")));
    let free = candidates.find(|tag| taken.insert(tag.to_lowercase()));
    free.unwrap_or(tag)
}
