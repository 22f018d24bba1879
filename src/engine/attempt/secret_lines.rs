//! Finds lines with secrets in what an attempt commits: its files, and the commits and messages of its
//! worker. Only new lines count, so a secret that the base has gets no warning.

use std::collections::HashSet;

use crate::base::safe::secrets::Secrets;
use crate::base::text::{clip, one_line, plural};
use crate::engine::EngineError;
use crate::engine::attempt::case::Case;
use crate::git::Store;
use crate::merge::change::{Change, Entry, RepoPath};
use crate::merge::oid::Oid;

/// The size above which a file is not searched.
const LARGEST: u64 = 1024 * 1024;

/// The bytes of all files of an attempt that are searched.
const BYTES: u64 = 8 * 1024 * 1024;

/// The most commits of a worker that are searched.
const COMMITS: usize = 100;

/// The most lines that are named; the others are counted.
const NAMED: usize = 10;

/// The most characters of a line that are shown.
const SHOWN: usize = 80;

/// Names the lines of a candidate, and of the commits below it, that have a secret.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn find(
    case: &Case,
    store: &Store,
    candidate: Option<Oid>,
) -> Result<Vec<String>, EngineError> {
    let Some(candidate) = candidate else {
        return Ok(Vec::new());
    };
    let mut search = Search::new(store, &case.execution.context.secrets);
    let base = store.tree_of(case.base)?;
    search.files(base, store.tree_of(candidate)?, "")?;
    let made = store.commits_above(candidate, Some(case.base))?;
    for (commit, parents) in made.into_iter().take(COMMITS) {
        let [parent] = parents[..] else { continue };
        let place = format!(" of commit {}", commit.short());
        search.files(store.tree_of(parent)?, store.tree_of(commit)?, &place)?;
        search.message(&store.commit(commit)?.message, &place);
    }
    Ok(search.into_remarks())
}

/// The lines found so far.
struct Search<'a> {
    store: &'a Store,
    secrets: &'a Secrets,
    bytes_left: u64,
    /// Masked lines with their paths, so that a line is named once.
    seen: HashSet<(Option<RepoPath>, String)>,
    remarks: Vec<String>,
}

impl<'a> Search<'a> {
    fn new(store: &'a Store, secrets: &'a Secrets) -> Search<'a> {
        Search {
            store,
            secrets,
            bytes_left: BYTES,
            seen: HashSet::new(),
            remarks: Vec::new(),
        }
    }

    fn files(&mut self, old: Oid, new: Oid, place: &str) -> Result<(), EngineError> {
        for change in self.store.changes(old, new)? {
            self.file(&change, place)?;
        }
        Ok(())
    }

    fn file(&mut self, change: &Change, place: &str) -> Result<(), EngineError> {
        let Some(new) = self.text(change.new)? else {
            return Ok(());
        };
        let found: Vec<(usize, String)> = secret_lines(self.secrets, &new);
        if found.is_empty() {
            return Ok(());
        }
        let old = self.text(change.old)?.unwrap_or_default();
        let old: HashSet<&str> = old.lines().collect();
        let lines: Vec<&str> = new.lines().collect();
        for (at, masked) in found {
            let is_new = !old.contains(lines[at]);
            if is_new
                && self
                    .seen
                    .insert((Some(change.path.clone()), masked.clone()))
            {
                let name = format!("{}:{}{place}", change.path, at + 1);
                self.remarks.push(remark(&name, &masked));
            }
        }
        Ok(())
    }

    fn message(&mut self, message: &str, place: &str) {
        for (_, masked) in secret_lines(self.secrets, message) {
            if self.seen.insert((None, masked.clone())) {
                let name = format!("the message{place}");
                self.remarks.push(remark(&name, &masked));
            }
        }
    }

    /// Reads a file of text that is not too large.
    fn text(&mut self, entry: Option<Entry>) -> Result<Option<String>, EngineError> {
        let Some(entry) = entry.filter(|entry| !entry.is_submodule()) else {
            return Ok(None);
        };
        let size = self.store.blob_size(entry.oid)?;
        if size > LARGEST || size > self.bytes_left {
            return Ok(None);
        }
        self.bytes_left -= size;
        let bytes = self.store.blob(entry.oid)?;
        let is_text = !bytes.contains(&0);
        Ok(is_text.then(|| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn into_remarks(mut self) -> Vec<String> {
        let more = self.remarks.len().saturating_sub(NAMED);
        self.remarks.truncate(NAMED);
        if more > 0 {
            let lines = plural(more, "more line");
            self.remarks.push(format!("{lines} with a secret"));
        }
        self.remarks
    }
}

/// Finds the lines with a secret: their places, from 0, and their masked text.
fn secret_lines(secrets: &Secrets, text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(at, line)| Some((at, secrets.mask_line(line)?)))
        .collect()
}

fn remark(name: &str, masked: &str) -> String {
    let shown = clip(&one_line(masked), SHOWN);
    format!("{name} has a secret: {shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_a_known_value_or_a_known_shape_are_found() {
        let variable = ("MY_TOKEN".to_owned(), "hunter2-hunter2".to_owned());
        let secrets = Secrets::of_environment([variable], &[]);
        let text = "a = 1\nkey = 'hunter2-hunter2'\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nt = ghp_0123456789abcdefghijABCDEFGHIJ012345\n";
        let found = secret_lines(&secrets, text).into_iter();
        let lines: Vec<String> = found.map(|(at, line)| format!("{at} {line}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        1 key = '[masked]'
        2 -----BEGIN RSA PRIVATE KEY-----[masked]
        4 t = [masked]
        ");
    }
}
