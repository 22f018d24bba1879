//! Parses the output of `git diff-tree --raw -z --stdin`.
//!
//! ```text
//! <tree> SP <tree> LF { :<mode> SP <mode> SP <oid> SP <oid> SP <status> NUL <path> NUL [ <path> NUL ] }*
//! ```
//!
//! once for every pair of trees.

use crate::git::tree::DIRECTORY;
use crate::merge::change::{Change, Entry, RepoPath};
use crate::merge::oid::Oid;

/// The difference of two trees.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TreeChanges {
    /// Every path, directories aside, whose mode or object differs, without rename detection;
    /// sorted by path.
    pub changes: Vec<Change>,
    /// Directories of the old tree that are not directories in the new one, sorted.
    pub removed_directories: Vec<RepoPath>,
}

/// One record of `git diff-tree --raw -z`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RawEntry {
    modes: [u32; 2],
    oids: [Oid; 2],
    pub(super) path: RepoPath,
    /// The new path of a rename or copy.
    pub(super) second: Option<RepoPath>,
    is_unmerged: bool,
}

/// Separates the changed files from the removed directories.
pub(super) fn tree_changes(entries: Vec<RawEntry>) -> TreeChanges {
    let mut found = TreeChanges::default();
    for entry in entries {
        let side = |nth: usize| {
            let (mode, oid) = (entry.modes[nth], entry.oids[nth]);
            (mode != 0 && mode != DIRECTORY).then_some(Entry { mode, oid })
        };
        let (old, new) = (side(0), side(1));
        if entry.modes[0] == DIRECTORY && entry.modes[1] != DIRECTORY {
            found.removed_directories.push(entry.path.clone());
        }
        if old.is_some() || new.is_some() {
            let path = entry.path;
            found.changes.push(Change { path, old, new });
        }
    }
    found.changes.sort_by(|a, b| a.path.cmp(&b.path));
    found.removed_directories.sort();
    found
}

/// The two trees and what differs.
pub(super) type Answer = ((Oid, Oid), Vec<RawEntry>);

/// Parses the whole output; `None` if it does not fit the grammar.
pub(super) fn parse_differences(output: &[u8]) -> Option<Vec<Answer>> {
    let mut answers: Vec<Answer> = Vec::new();
    let mut rest = output;
    while !rest.is_empty() {
        if rest[0] == b':' {
            let entry = raw_entry(&mut rest)?;
            answers.last_mut()?.1.push(entry);
        } else {
            let line = until(&mut rest, b'\n')?;
            let (old, new) = std::str::from_utf8(line).ok()?.split_once(' ')?;
            answers.push(((old.parse().ok()?, new.parse().ok()?), Vec::new()));
        }
    }
    Some(answers)
}

/// Parses `git diff-index --cached --raw -z`; `None` if it does not fit the grammar, or for paths with
/// several stages.
pub(super) fn parse_staged(output: &[u8]) -> Option<Vec<Change>> {
    let mut entries = Vec::new();
    let mut rest = output;
    while !rest.is_empty() {
        let entry = raw_entry(&mut rest)?;
        if entry.is_unmerged {
            return None;
        }
        entries.push(entry);
    }
    Some(tree_changes(entries).changes)
}

fn raw_entry(rest: &mut &[u8]) -> Option<RawEntry> {
    let meta = std::str::from_utf8(until(rest, 0)?).ok()?;
    let mut words = meta.strip_prefix(':')?.split(' ');
    let mut mode = || u32::from_str_radix(words.next()?, 8).ok();
    let modes = [mode()?, mode()?];
    let oids = [words.next()?.parse().ok()?, words.next()?.parse().ok()?];
    let status = words.next()?;
    let has_second = status.starts_with(['R', 'C']);
    let is_unmerged = status.starts_with('U');
    let path = RepoPath::new(until(rest, 0)?);
    let second = match has_second {
        true => Some(RepoPath::new(until(rest, 0)?)),
        false => None,
    };
    Some(RawEntry {
        modes,
        oids,
        path,
        second,
        is_unmerged,
    })
}

fn until<'a>(rest: &mut &'a [u8], end: u8) -> Option<&'a [u8]> {
    let at = rest.iter().position(|byte| *byte == end)?;
    let (found, behind) = rest.split_at(at);
    *rest = &behind[1..];
    Some(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";
    const B: &str = "2222222222222222222222222222222222222222";
    const NONE: &str = "0000000000000000000000000000000000000000";

    fn shown(output: &str) -> String {
        let Some(answers) = parse_differences(output.as_bytes()) else {
            return "does not fit".to_owned();
        };
        let one = |(_, entries): Answer| {
            let found = tree_changes(entries);
            let sign = |change: &Change| match (&change.old, &change.new) {
                (None, _) => format!("+{}", change.path),
                (_, None) => format!("-{}", change.path),
                _ => format!("~{}", change.path),
            };
            let removed = found.removed_directories.iter().map(|f| format!("-{f}/"));
            let words: Vec<String> = found.changes.iter().map(sign).chain(removed).collect();
            words.join(" ")
        };
        answers.into_iter().map(one).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn a_directory_that_became_a_file_is_removed_and_the_file_added() {
        let text = format!(
            "{A} {B}\n:000000 100644 {NONE} {B} A\0d\0:040000 000000 {A} {NONE} D\0d\0\
             :100644 000000 {A} {NONE} D\0d/x\0{B} {A}\n{A} {B}\n:100644 100755 {A} {A} M\0\n:x y\0"
        );
        assert_eq!(shown(&text), "+d -d/x -d/ |  | ~\n:x y");
    }

    #[test]
    fn a_directory_that_only_changed_is_not_listed() {
        let text = format!("{A} {B}\n:040000 040000 {A} {B} M\0d\0:100644 100644 {A} {B} M\0d/x\0");
        assert_eq!(shown(&text), "~d/x");
    }

    #[test]
    fn truncated_output_is_not_an_answer() {
        let text = format!("{A} {B}\n:100644 100644 {A} {B} M\0d/x\0");
        for cut in 1..text.len() {
            let found = shown(&text[..cut]);
            assert!(found == "does not fit" || cut == 82, "{cut}: {found}");
        }
        assert_eq!(shown(&text[..82]), "", "no change: a whole answer");
        assert_eq!(shown(":100644 100644"), "does not fit");
    }
}
