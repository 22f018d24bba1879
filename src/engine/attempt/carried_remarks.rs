//! Carries the remarks on work that an attempt left outside of its result over to the attempt that takes
//! the user's commits on it: that work is where it was.

use std::collections::BTreeSet;

use crate::git::{Store, StoreError};
use crate::merge::oid::Oid;

/// The shortest name of a commit in a remark.
const SHORTEST: usize = 7;

/// Returns the earlier remarks that still apply: those that name commits which the candidate does not
/// contain and no `new` remark names. The others are made again from the same worktree.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn still_apply(
    store: &Store,
    earlier: &[String],
    new: &[String],
    candidate: Option<Oid>,
) -> Result<Vec<String>, StoreError> {
    let said: BTreeSet<&str> = new.iter().flat_map(|remark| names_in(remark)).collect();
    let mut kept = Vec::new();
    for remark in earlier {
        let mut left: Vec<&str> = names_in(remark).collect();
        left.retain(|name| !said.contains(name));
        let mut applies = false;
        for name in left {
            applies |= !is_in(store, name, candidate)?;
        }
        if applies {
            kept.push(remark.clone());
        }
    }
    Ok(kept)
}

/// Lists the names of commits in the commands of a remark.
fn names_in(remark: &str) -> impl Iterator<Item = &str> {
    let commands = remark.split('`').skip(1).step_by(2);
    let words = commands.flat_map(|command| command.split([' ', '.', '^', '~']));
    let is_name = |word: &&str| {
        word.len() >= SHORTEST
            && word
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    words.filter(is_name)
}

/// Returns `true` if the candidate contains a commit. One in another repository it does not.
fn is_in(store: &Store, name: &str, candidate: Option<Oid>) -> Result<bool, StoreError> {
    let Some(candidate) = candidate else {
        return Ok(false);
    };
    match store.resolve(name)? {
        Some(commit) => store.is_ancestor(commit, candidate),
        None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_read_from_the_commands_of_a_remark() {
        let remark = "besides its change it left commit 1234567 on no branch; it is kept below \
                      refs/dispatch/attempts/p-deadbeef/a/1: `git log 89abcde..fedcba9`, `git show facade`";
        let names: Vec<&str> = names_in(remark).collect();
        assert_eq!(names, ["89abcde", "fedcba9"]);
    }
}
