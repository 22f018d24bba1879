//! Merges of one file that need no merge engine, because the two edits are far enough apart.
//!
//! git's content merge is clean, and applies both edits, if every hunk of one side is separated by
//! at least one unchanged line from every hunk of the other (`xdl_do_merge` of git's `xmerge.c`). Which
//! hunks a diff algorithm picks is its own choice, but for a side that changes one stretch of the
//! base it has little to choose from:
//!
//! Let the base be `P M S` and the side `P X S`, with the longest common prefix `P` and suffix `S` of
//! lines. An *anchor* is a line of `P` or `S` that occurs once in the base and not in `X`, so it
//! occurs once in the side, too. Every algorithm of git keeps all anchors in place:
//!
//! * Myers cuts off `P` and `S` first (`xdl_trim_ends`).
//! * Patience keeps a longest increasing sequence of lines that are unique on both sides. An anchor
//!   is in order with every other such line, so it belongs to all longest ones.
//! * Histogram splits at the longest common run among those with the rarest line. A run with an
//!   anchor is `P` or `S` itself. A run without one that reaches into `P` or `S` between two anchors
//!   is shorter than `P` or `S`, so it is not chosen before them; the other ones leave the anchors of
//!   `P` before and those of `S` behind the split, on both sides.
//!
//! Sliding hunks afterwards (`xdl_change_compact`) cannot pass an anchor either, because a hunk slides
//! over a line only if it ends with the same line. So all hunks lie between the last anchor before
//! `M` and the first one behind it: the *reach* of the edit. Where the reaches of two edits have an
//! anchor of both between them, git merges cleanly, and the result has both edits.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;

/// The largest text that is examined; git itself treats files from 1 GB on as binary.
const LARGEST: usize = 64 << 20;

/// A base text with its lines.
pub(super) struct BaseText<'a> {
    text: &'a [u8],
    /// The start of every line, and the end of the text.
    starts: Vec<usize>,
    /// Hashes of the lines: different lines with one hash only make for fewer anchors.
    hashes: Vec<u64>,
    counts: HashMap<u64, u32>,
    hasher: RandomState,
}

/// The stretch of a base text that one side changes, on line boundaries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Edit {
    /// The changed bytes of the base.
    changed: Range<usize>,
    /// The bytes of the side that replace them.
    replacement: Range<usize>,
    /// The bytes of the base between the nearest anchors; without an anchor up to the end.
    reach: Range<usize>,
}

impl<'a> BaseText<'a> {
    /// Splits a text into lines; `None` for binary or huge content.
    pub(super) fn new(text: &'a [u8]) -> Option<BaseText<'a>> {
        if !is_mergeable(text) {
            return None;
        }
        let hasher = RandomState::new();
        let mut starts = vec![0];
        let mut hashes = Vec::new();
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            hashes.push(hasher.hash_one(line));
            starts.push(starts[starts.len() - 1] + line.len());
        }
        let mut counts = HashMap::new();
        for hash in &hashes {
            *counts.entry(*hash).or_default() += 1;
        }
        Some(BaseText {
            text,
            starts,
            hashes,
            counts,
            hasher,
        })
    }

    /// Finds the edit that leads to this side; `None` for binary or huge content.
    pub(super) fn edit(&self, side: &[u8]) -> Option<Edit> {
        if !is_mergeable(side) {
            return None;
        }
        let prefix = common_prefix(self.text, side);
        let suffix = common_suffix(&self.text[prefix..], &side[prefix..]);
        let changed = prefix..self.text.len() - suffix;
        let replacement = prefix..side.len() - suffix;
        let added: HashSet<u64> = side[replacement.clone()]
            .split_inclusive(|byte| *byte == b'\n')
            .map(|line| self.hasher.hash_one(line))
            .collect();
        let is_anchor = |line: &usize| {
            let hash = self.hashes[*line];
            self.counts[&hash] == 1 && !added.contains(&hash)
        };
        let first = self.starts.partition_point(|start| *start < changed.start);
        let last = self.starts.partition_point(|start| *start < changed.end);
        let before = (0..first).rev().find(is_anchor);
        let after = (last..self.hashes.len()).find(is_anchor);
        Some(Edit {
            changed,
            replacement,
            reach: before.map_or(0, |line| self.starts[line + 1])
                ..after.map_or(self.text.len(), |line| self.starts[line]),
        })
    }

    /// Merges two edits, each with its side, into pieces of the merged text. `None` if git has to
    /// decide.
    pub(super) fn merge<'s>(
        &'s self,
        ours: (&Edit, &'s [u8]),
        theirs: (&Edit, &'s [u8]),
    ) -> Option<[&'s [u8]; 5]> {
        let (first, second) = match ours.0.changed.start <= theirs.0.changed.start {
            true => (ours, theirs),
            false => (theirs, ours),
        };
        let is_apart = first.0.reach.end < second.0.reach.start;
        is_apart.then(|| {
            [
                &self.text[..first.0.changed.start],
                &first.1[first.0.replacement.clone()],
                &self.text[first.0.changed.end..second.0.changed.start],
                &second.1[second.0.replacement.clone()],
                &self.text[second.0.changed.end..],
            ]
        })
    }
}

/// Returns `true` for content that git merges by lines.
fn is_mergeable(text: &[u8]) -> bool {
    text.len() < LARGEST && !text.contains(&0)
}

/// Returns the length of the lines that both texts start with.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let equal = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    match a[..equal].iter().rposition(|byte| *byte == b'\n') {
        Some(newline) => newline + 1,
        None => 0,
    }
}

/// Returns the length of the lines that both texts end with. Both start at a line.
fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    let pairs = a.iter().rev().zip(b.iter().rev());
    let equal = pairs.take_while(|(a, b)| a == b).count();
    let starts_line = |text: &[u8]| {
        let start = text.len() - equal;
        start == 0 || text[start - 1] == b'\n'
    };
    if starts_line(a) && starts_line(b) {
        return equal;
    }
    let tail = &a[a.len() - equal..];
    match tail.iter().position(|byte| *byte == b'\n') {
        Some(newline) => equal - newline - 1,
        None => 0,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::git::merge_engine::MergeEngine;
    use crate::git::{Git, Repo};

    /// Merges texts whose lines are words; `git` if the rule does not apply.
    fn merged(base: &str, ours: &str, theirs: &str) -> String {
        let text = |words: &str| words.replace(' ', "\n").into_bytes();
        let (base, ours, theirs) = (text(base), text(ours), text(theirs));
        let base = BaseText::new(&base).unwrap();
        let (a, b) = (base.edit(&ours).unwrap(), base.edit(&theirs).unwrap());
        let merged = base.merge((&a, &ours), (&b, &theirs));
        let flipped = base.merge((&b, &theirs), (&a, &ours));
        assert_eq!(merged, flipped, "both ways round");
        match merged {
            Some(pieces) => String::from_utf8(pieces.concat())
                .unwrap()
                .replace('\n', " "),
            None => "git".to_owned(),
        }
    }

    #[test]
    fn edits_with_an_anchor_between_them_are_both_applied() {
        assert_eq!(
            merged("a b c d e ", "a B c d e ", "a b c D e "),
            "a B c D e "
        );
        assert_eq!(merged("a b c ", "x a b c ", "a b c y "), "x a b c y ");
        assert_eq!(merged("a b c ", "b c ", "a b x y"), "b x y");
        assert_eq!(merged("a b c", "x b c", "a b y"), "x b y");
    }

    #[test]
    fn edits_that_touch_or_overlap_are_left_to_git() {
        assert_eq!(merged("a b c d ", "a B c d ", "a b C d "), "git");
        assert_eq!(merged("a b ", "a x b ", "a y b "), "git");
    }

    #[test]
    fn a_line_that_occurs_twice_is_no_anchor() {
        assert_eq!(
            merged("a } b } c ", "A } b } c ", "a } b } C "),
            "A } b } C "
        );
        assert_eq!(merged("a } c } ", "A } c } ", "a } C } "), "git");
        // The side has the only line between the edits a second time.
        assert_eq!(merged("a m c ", "A m m c ", "a m C "), "git");
    }

    #[test]
    fn binary_content_is_left_to_git() {
        assert!(BaseText::new(b"a\0b").is_none());
        assert!(BaseText::new(b"a\n").unwrap().edit(b"\0").is_none());
    }
    /// Changes, copies, moves or removes stretches of a text of few different lines.
    fn side(rng: &mut fastrand::Rng, base: &[u8]) -> Vec<u8> {
        let lines = base.split_inclusive(|byte| *byte == b'\n');
        let mut lines: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
        for _ in 0..rng.usize(1..3) {
            let from = rng.usize(..=lines.len());
            let to = (from + rng.usize(..4)).min(lines.len());
            let at = rng.usize(..=lines.len());
            let some: Vec<Vec<u8>> = match rng.u8(..3) {
                0 => random_lines(rng, 3),
                _ => lines[from..to].to_vec(),
            };
            match rng.u8(..4) {
                0 => drop(lines.splice(from..to, some)),
                1 => drop(lines.splice(at..at, some)),
                2 => drop(lines.drain(from..to)),
                _ => {
                    lines.drain(from..to);
                    let at = at.min(lines.len());
                    lines.splice(at..at, some);
                }
            }
        }
        let mut text = lines.concat();
        if rng.u8(..5) == 0 {
            text.pop();
        }
        text
    }

    fn random_lines(rng: &mut fastrand::Rng, most: usize) -> Vec<Vec<u8>> {
        let words = rng.u8(2..20);
        let line = |rng: &mut fastrand::Rng| format!("{}\n", rng.u8(..words)).into_bytes();
        (0..rng.usize(..=most)).map(|_| line(rng)).collect()
    }

    #[test]
    fn git_merges_cleanly_to_the_same_text() {
        let texts = std::env::var("DISPATCH_DIFFERENTIAL_TEXTS");
        let rounds = texts.map_or(4000, |texts| texts.parse().unwrap());
        let folder = tempfile::tempdir().unwrap();
        Git::at(folder.path()).run(&["init", "--quiet"]).unwrap();
        let repo = Repo::discover(folder.path()).unwrap();
        let store = crate::git::Store::open(&repo).unwrap();
        let empty = store.empty_tree().unwrap();
        let commit = store
            .write_commit(&crate::git::commit::NewCommit {
                tree: empty,
                parents: &[],
                message: "x",
                time: jiff::Timestamp::UNIX_EPOCH,
                by: crate::git::commit::By::Dispatch,
            })
            .unwrap();
        let engine = MergeEngine::quarantined(&repo, commit).unwrap();
        let store = engine.store().unwrap();
        let mut rng = fastrand::Rng::with_seed(17);
        let (mut files, mut expected) = (Vec::new(), Vec::new());
        let mut left_to_git = 0;
        for _ in 0..rounds {
            let base = random_lines(&mut rng, 16).concat();
            let (ours, theirs) = (side(&mut rng, &base), side(&mut rng, &base));
            let text = BaseText::new(&base).unwrap();
            let (a, b) = (text.edit(&ours).unwrap(), text.edit(&theirs).unwrap());
            match text.merge((&a, &ours), (&b, &theirs)) {
                Some(pieces) if ours != theirs && ours != base && theirs != base => {
                    let blob = |text: &[u8]| store.write_blob(text).unwrap();
                    files.push([blob(&base), blob(&ours), blob(&theirs)]);
                    expected.push(Some(blob(&pieces.concat())));
                }
                _ => left_to_git += 1,
            }
        }
        assert_eq!(engine.merge_blobs(&files).unwrap(), expected);
        assert!(
            files.len() > 300 && left_to_git > 300,
            "{} {left_to_git}",
            files.len()
        );
    }
}
