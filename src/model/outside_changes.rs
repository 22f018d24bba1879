//! Changes in the repository outside dispatch's own branches while an attempt ran.
//!
//! A worktree does not confine a worker: it can move the user's branches or change the
//! configuration that all worktrees share. Dispatch compares both before and after each attempt. It
//! cannot tell which process made a change: the user and other attempts work in the same
//! repository.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::merge::oid::Oid;

/// The shared state of a repository at one moment, without anything that dispatch writes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SharedState {
    /// HEAD of the main checkout.
    pub head: String,
    /// A hash of the files staged in the main checkout.
    pub index: Option<Oid>,
    /// The user's branches, tags and the stash, each with the object it names.
    pub references: BTreeMap<String, String>,
    /// Files that all worktrees share, by path in the git folder, each with a hash of its content.
    pub files: BTreeMap<String, Oid>,
}

/// A change outside the worktree while an attempt ran.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutsideChange {
    /// The changed item, for display: `the branch main`.
    pub name: String,
}

/// The maximum number of changes recorded for one attempt.
const MOST_CHANGES: usize = 20;

/// Returns the differences between two states, in a fixed order.
pub fn changes(before: &SharedState, after: &SharedState) -> Vec<OutsideChange> {
    let mut found = Vec::new();
    if before.head != after.head {
        found.push("HEAD of the main checkout".to_owned());
    }
    if before.index != after.index {
        found.push("the index of the main checkout".to_owned());
    }
    found.extend(differing(&before.references, &after.references).map(reference_words));
    found.extend(differing(&before.files, &after.files).map(|path| format!(".git/{path}")));
    found.truncate(MOST_CHANGES);
    let change = |name| OutsideChange { name };
    found.into_iter().map(change).collect()
}

fn reference_words(name: &String) -> String {
    if name == "refs/stash" {
        "the stash".to_owned()
    } else if let Some(branch) = name.strip_prefix("refs/heads/") {
        format!("the branch {branch}")
    } else if let Some(tag) = name.strip_prefix("refs/tags/") {
        format!("the tag {tag}")
    } else {
        name.clone()
    }
}

fn differing<'a, T: PartialEq>(
    before: &'a BTreeMap<String, T>,
    after: &'a BTreeMap<String, T>,
) -> impl Iterator<Item = &'a String> {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let other = after
        .iter()
        .filter(|(name, now)| before.get(*name) != Some(now));
    gone.chain(other.map(|(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(before: &SharedState, after: &SharedState) -> String {
        let found = changes(before, after);
        let words: Vec<String> = found.into_iter().map(|change| change.name).collect();
        words.join("\n")
    }

    #[test]
    fn equal_states_have_no_changes() {
        let mut state = SharedState {
            head: "ref: refs/heads/main".to_owned(),
            ..SharedState::default()
        };
        state
            .references
            .insert("refs/heads/main".to_owned(), "1".to_owned());
        assert_eq!(words(&state, &state.clone()), "");
    }

    #[test]
    fn every_kind_of_change_has_a_name() {
        let mut before = SharedState::default();
        let mut after = SharedState {
            head: "ref: refs/heads/other".to_owned(),
            index: Some(Oid::ZERO),
            ..SharedState::default()
        };
        let names = [
            "refs/heads/main",
            "refs/tags/v1",
            "refs/stash",
            "refs/notes/commits",
        ];
        for name in names {
            after.references.insert(name.to_owned(), "1".to_owned());
        }
        let gone = "refs/heads/gone".to_owned();
        before.references.insert(gone, "1".to_owned());
        before
            .files
            .insert("config".to_owned(), Oid::from_bytes([1; 20]));
        after.files.insert("config".to_owned(), Oid::ZERO);
        after.files.insert("hooks/pre-commit".to_owned(), Oid::ZERO);
        insta::assert_snapshot!(words(&before, &after), @r"
        HEAD of the main checkout
        the index of the main checkout
        the branch gone
        the branch main
        refs/notes/commits
        the stash
        the tag v1
        .git/config
        .git/hooks/pre-commit
        ");
    }

    #[test]
    fn of_many_changes_only_some_are_recorded() {
        let mut after = SharedState::default();
        for number in 0..2 * MOST_CHANGES {
            let name = format!("refs/tags/{number}");
            after.references.insert(name, "1".to_owned());
        }
        let found = changes(&SharedState::default(), &after);
        assert_eq!(found.len(), MOST_CHANGES);
    }
}
