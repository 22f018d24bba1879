//! Changed lines of the files of two trees by `diff-tree --stdin`.
//!
//! `diff-tree` repeats a line that names no object, and flushes: that is the end of an answer.

use crate::git::program::Program;
use crate::git::store_error::StoreError;
use crate::merge::change::{FileStat, RepoPath};
use crate::merge::oid::Oid;

const LINES: [&str; 7] = [
    "diff-tree",
    "--stdin",
    "-r",
    "-z",
    "--no-renames",
    "--ignore-submodules=none",
    "--numstat",
];

impl Program {
    pub(super) fn count_lines(&self, old: Oid, new: Oid) -> Result<Vec<FileStat>, StoreError> {
        let args = [&LINES[..], &["--no-ext-diff", "--no-textconv"]].concat();
        let output = self.diff_trees(&args, old, new)?;
        let start = output.iter().position(|byte| *byte == b'\n');
        let entries = &output[start.ok_or(StoreError::Missing(new))? + 1..];
        let entries = entries.split(|byte| *byte == 0);
        let stat = |entry: &[u8]| {
            let mut parts = entry.splitn(3, |byte| *byte == b'\t');
            let number = |part: &[u8]| std::str::from_utf8(part).ok()?.parse().ok();
            let (added, removed) = (number(parts.next()?), number(parts.next()?));
            let path = RepoPath::new(parts.next()?);
            let lines = added.zip(removed);
            Some(FileStat { path, lines })
        };
        Ok(entries.filter_map(stat).collect())
    }

    /// Compares two trees and returns the whole answer.
    fn diff_trees(&self, args: &[&str], old: Oid, new: Oid) -> Result<Vec<u8>, StoreError> {
        // No path has this line, and none of its words is an object.
        let end = format!("end {:032x}", fastrand::u128(..)).into_bytes();
        let question = [format!("{old} {new}\n").as_bytes(), &end, b"\n"].concat();
        self.ask(args, &question, |session| {
            let mut answer = Vec::new();
            loop {
                // Entries end with NUL, so this reads any number of them.
                let line = session.read_until(b'\n')?;
                if let Some(rest) = line.strip_suffix(&end[..]) {
                    answer.extend_from_slice(rest);
                    return Ok(answer);
                }
                answer.extend_from_slice(&line);
                answer.push(b'\n');
            }
        })
    }
}
