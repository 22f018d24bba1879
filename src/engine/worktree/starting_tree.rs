//! Records the tree of a worktree after its set-up, so that only later changes count as work.
//!
//! HEAD stays at the base: the worktree of a worker shows what set-up wrote as uncommitted changes,
//! and a worker may even commit them. Its work is the difference between the tree after set-up and
//! the tree at its end, applied to the base, path by path:
//!
//! * a path as set-up left it, or as the base has it: the base decides;
//! * a path that only the worker changed: the worker's version;
//! * a file that both changed: the worker's lines without those of set-up, by a merge of contents;
//!   where lines of both touch, or the file is not text, the worker's version as it is;
//! * a file that git ignored after set-up and that has not been written since, but is no longer
//!   ignored: no work, because the copy or the set-up brought it.
//!
//! The record lies in the worktree's admin folder and goes with it. It names the changed paths with
//! their objects and needs no object itself, so that no garbage collection can invalidate it. A
//! worktree without set-up and copies has none.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::files;
use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::engine::EngineError;
use crate::engine::worktree::ignored_paths::ignored_paths;
use crate::git::Store;
use crate::git::blob_merge::MergePredictor;
use crate::git::worktree::Worktree;
use crate::merge::change::{Change, Entry, RepoPath, paths_in_short};
use crate::merge::oid::Oid;

/// The file of the record in the admin folder.
const FILE: &str = "dispatch-set-up";

/// git takes a file with a NUL among so many first bytes for a binary one.
const TEXT_BYTES: usize = 8000;

/// A path that differs, with its entry before and after.
type Changed = (RepoPath, Option<(u32, Oid)>, Option<(u32, Oid)>);

/// The tree of a worktree after its set-up.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StartingTree {
    /// The tree of its base.
    pub base: Oid,
    /// The changes from the base to the tree after set-up.
    changes: Vec<Changed>,
    /// Paths that git ignored; a folder ends in a slash and stands for everything in it.
    ignored: Vec<RepoPath>,
    /// The commit that set-up left as HEAD.
    #[serde(default)]
    pub head: Option<Oid>,
    /// The time of the record, by the clock of the file system: seconds and nanoseconds.
    at: (i64, i64),
}

/// The work in a tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Work {
    /// The base with the changes since set-up.
    pub tree: Oid,
    /// Remarks on paths that set-up and worker both wrote.
    pub remarks: Vec<String>,
}

/// The decision on a path that set-up changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Decision {
    /// It is as the worker wants it.
    Keep,
    /// It is as set-up left it, so it becomes what the base has.
    Revert,
    /// Both changed it: entries after set-up, of the base, and at the end.
    Merge([Entry; 3]),
}

impl StartingTree {
    /// Records the tree of a worktree whose set-up has ended. `base` is the tree without set-up.
    ///
    /// # Errors
    /// When the worktree cannot be read or the record cannot be written.
    pub fn record(
        store: &Store,
        worktree: &Worktree,
        base: Oid,
        links: &[String],
    ) -> Result<(), EngineError> {
        let captured = store.capture(worktree, links)?;
        let changes = store.changes(base, captured.tree)?;
        let entry = |entry: Entry| (entry.mode, entry.oid);
        let changed = |change: Change| (change.path, change.old.map(entry), change.new.map(entry));
        let changes = changes.into_iter().map(changed).collect();
        StartingTree::write(store, worktree, (base, captured.head), changes)
    }

    /// Records a worktree whose tracked files are those of its base, in which no command ran: only ignored
    /// files are there besides, copied or kept.
    ///
    /// # Errors
    /// When the worktree cannot be read or the record cannot be written.
    pub fn record_base(
        store: &Store,
        worktree: &Worktree,
        base: Oid,
        head: Oid,
    ) -> Result<(), EngineError> {
        StartingTree::write(store, worktree, (base, head), Vec::new())
    }

    fn write(
        store: &Store,
        worktree: &Worktree,
        (base, head): (Oid, Oid),
        changes: Vec<Changed>,
    ) -> Result<(), EngineError> {
        let ignored = ignored_paths(&store.git_in(worktree)?)?;
        let repo_path = |path: &PathBuf| RepoPath::new(path.as_os_str().as_bytes());
        let failed = |error| EngineError::File(worktree.admin.display().to_string(), error);
        let record = StartingTree {
            base,
            changes,
            ignored: ignored.iter().map(repo_path).collect(),
            head: Some(head),
            at: now_at(&worktree.admin).map_err(failed)?,
        };
        record.save(worktree)
    }

    /// Keeps only the changes on these paths in the record of a worktree: the others are not in it.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn retain(
        mut self,
        worktree: &Worktree,
        paths: &BTreeSet<RepoPath>,
    ) -> Result<(), EngineError> {
        self.changes.retain(|(path, ..)| paths.contains(path));
        self.save(worktree)
    }

    fn save(&self, worktree: &Worktree) -> Result<(), EngineError> {
        let failed = |error| EngineError::File(worktree.admin.display().to_string(), error);
        let text =
            serde_json::to_vec(self).map_err(|error| EngineError::Broken(error.to_string()))?;
        files::replace(&worktree.admin.join(FILE), &text).map_err(failed)
    }

    /// Returns `true` if set-up changed nothing that git tracks or would track.
    pub fn is_as_base(&self) -> bool {
        self.changes.is_empty()
    }

    /// Lists the paths that set-up changed, each with its entry in the base and after set-up.
    pub fn changes(&self) -> impl Iterator<Item = (&RepoPath, Option<Entry>, Option<Entry>)> {
        let changes = self.changes.iter();
        changes.map(|(path, old, new)| (path, old.map(entry), new.map(entry)))
    }

    /// Lists the paths that git ignored; a folder ends in a slash.
    pub fn ignored(&self) -> impl Iterator<Item = PathBuf> {
        let paths = self.ignored.iter();
        paths.map(|path| PathBuf::from(OsStr::from_bytes(path.as_bytes())))
    }

    /// Reads the record of a worktree; `None` for one without set-up and copies.
    pub fn read(worktree: &Worktree) -> Option<StartingTree> {
        let text = regular_file::read(&worktree.admin.join(FILE), RECORD_LIMIT).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Returns the work in a tree of the worktree at `path`.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn work_in(&self, store: &Store, path: &Path, tree: Oid) -> Result<Work, EngineError> {
        let changes = store.changes(self.base, tree)?;
        let end: BTreeMap<&RepoPath, Option<Entry>> = changes
            .iter()
            .map(|change| (&change.path, change.new))
            .collect();
        let mut edits: Vec<(RepoPath, Option<Entry>)> = Vec::new();
        let mut mixed = Vec::new();
        for (path, old, new) in &self.changes {
            let (old, new) = (old.map(entry), new.map(entry));
            let now = end.get(path).map_or(old, |now| *now);
            match decide(old, new, now) {
                Decision::Keep if now == old => {}
                Decision::Keep => mixed.push(path.clone()),
                Decision::Revert => edits.push((path.clone(), old)),
                Decision::Merge(sides) => match merge(store, sides)? {
                    Some(merged) => edits.push((path.clone(), Some(merged))),
                    None => mixed.push(path.clone()),
                },
            }
        }
        let brought = self.brought(path, &changes);
        edits.extend(brought.iter().map(|path| (path.clone(), None)));
        let removed = edits.iter().filter(|(_, new)| new.is_none());
        let removed: BTreeSet<&RepoPath> = removed.map(|(path, _)| path).collect();
        let present = changes.iter().filter(|change| change.new.is_some());
        let kept = present.map(|change| &change.path);
        let kept = kept.filter(|path| !removed.contains(path)).collect();
        let edits = without_collisions(&edits, &kept);
        Ok(Work {
            tree: overlay(store, tree, edits)?,
            remarks: remarks(&mixed, &brought),
        })
    }

    /// Returns the new paths that git ignored after set-up and that nothing has written since.
    fn brought(&self, folder: &Path, changes: &[Change]) -> Vec<RepoPath> {
        if self.ignored.is_empty() {
            return Vec::new();
        }
        let recorded: BTreeSet<&RepoPath> = self.changes.iter().map(|(path, ..)| path).collect();
        let is_unwritten = |path: &RepoPath| {
            let file = folder.join(OsStr::from_bytes(path.as_bytes()));
            let meta = file.symlink_metadata();
            meta.is_ok_and(|meta| (meta.ctime(), meta.ctime_nsec()) < self.at)
        };
        let added = changes.iter().filter(|change| change.old.is_none());
        let paths = added.map(|change| &change.path);
        paths
            .filter(|path| self.was_ignored(path) && !recorded.contains(path))
            .filter(|path| is_unwritten(path))
            .cloned()
            .collect()
    }

    /// Returns `true` if a path, or something in the folder that it is, was written after the record.
    /// The folder that contained it tells about one that is gone.
    pub fn is_written_since(&self, path: &Path) -> bool {
        let Ok(meta) = path.symlink_metadata() else {
            return path
                .parent()
                .is_none_or(|parent| match parent.symlink_metadata() {
                    Ok(meta) => (meta.ctime(), meta.ctime_nsec()) >= self.at,
                    Err(_) => self.is_written_since(parent),
                });
        };
        if (meta.ctime(), meta.ctime_nsec()) >= self.at {
            return true;
        }
        if !meta.is_dir() {
            return false;
        }
        let Ok(mut entries) = fs::read_dir(path) else {
            return true;
        };
        entries.any(|entry| entry.is_ok_and(|entry| self.is_written_since(&entry.path())))
    }

    fn was_ignored(&self, path: &RepoPath) -> bool {
        let path = path.as_bytes();
        self.ignored.iter().any(|ignored| match ignored.as_bytes() {
            folder if folder.ends_with(b"/") => path.starts_with(folder),
            file => path == file,
        })
    }
}

/// Decides on a path that set-up changed, by its entries in the base, after set-up and at the end.
fn decide(base: Option<Entry>, set_up: Option<Entry>, end: Option<Entry>) -> Decision {
    if end == set_up {
        return Decision::Revert;
    }
    if end == base {
        return Decision::Keep;
    }
    let is_file = |entry: &Entry| entry.mode & 0o170_000 == 0o100_000;
    match (set_up, base, end) {
        (Some(set_up), Some(base), Some(end)) if [set_up, base, end].iter().all(is_file) => {
            Decision::Merge([set_up, base, end])
        }
        _ => Decision::Keep,
    }
}

/// Takes the changes of set-up out of a file; `None` where they cannot be told from the worker's.
fn merge(store: &Store, [set_up, base, end]: [Entry; 3]) -> Result<Option<Entry>, EngineError> {
    let oid = if end.oid == set_up.oid {
        base.oid
    } else if base.oid == set_up.oid {
        end.oid
    } else {
        for side in [set_up, base, end] {
            // Its version after set-up may have been collected.
            if !store.has(side.oid) || is_binary(&store.blob(side.oid)?) {
                return Ok(None);
            }
        }
        let sides = [set_up.oid, base.oid, end.oid];
        match MergePredictor::default().predict(store, sides) {
            Some(oid) => oid,
            None => return Ok(None),
        }
    };
    let mode = match end.mode == set_up.mode {
        true => base.mode,
        false => end.mode,
    };
    Ok(Some(Entry { mode, oid }))
}

fn is_binary(content: &[u8]) -> bool {
    content[..content.len().min(TEXT_BYTES)].contains(&0)
}

/// Leaves out the edits that bring a file back where a kept path needs a folder, or the reverse.
fn without_collisions(
    edits: &[(RepoPath, Option<Entry>)],
    kept: &BTreeSet<&RepoPath>,
) -> Vec<(RepoPath, Option<Entry>)> {
    let collides = |path: &RepoPath| {
        let below = RepoPath::new([path.as_bytes(), b"/"].concat());
        let first = kept.range::<RepoPath, _>(&below..).next();
        let is_folder = first.is_some_and(|first| first.as_bytes().starts_with(below.as_bytes()));
        is_folder
            || path
                .ancestors()
                .any(|above| kept.contains(&RepoPath::new(above)))
    };
    let edits = edits.iter();
    let edits = edits.filter(|(path, new)| new.is_none() || !collides(path));
    edits.cloned().collect()
}

/// Removes paths first, so that a file can take the place of a folder.
fn overlay(
    store: &Store,
    tree: Oid,
    edits: Vec<(RepoPath, Option<Entry>)>,
) -> Result<Oid, EngineError> {
    let (added, removed): (Vec<_>, Vec<_>) = edits.into_iter().partition(|(_, new)| new.is_some());
    let mut tree = tree;
    for edits in [removed, added] {
        if !edits.is_empty() {
            tree = store.tree_overlaid(tree, &edits)?;
        }
    }
    Ok(tree)
}

fn remarks(mixed: &[RepoPath], brought: &[RepoPath]) -> Vec<String> {
    let mut remarks = Vec::new();
    if !mixed.is_empty() {
        let paths = paths_in_short(mixed);
        remarks.push(format!(
            "set-up changed {paths}, too; its changes could not be separated"
        ));
    }
    if !brought.is_empty() {
        let paths = paths_in_short(brought);
        remarks.push(format!(
            "{paths} was left out: a copy or the set-up brought it, and nothing has changed it since"
        ));
    }
    remarks
}

fn entry((mode, oid): (u32, Oid)) -> Entry {
    Entry { mode, oid }
}

/// Returns the current time of a folder's file system, by a file that is made there.
fn now_at(folder: &Path) -> std::io::Result<(i64, i64)> {
    let meta = tempfile::NamedTempFile::new_in(folder)?
        .as_file()
        .metadata()?;
    Ok((meta.ctime(), meta.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: u8) -> Option<Entry> {
        (name != b'-').then_some(Entry {
            mode: 0o100_644,
            oid: Oid::from_bytes([name; 20]),
        })
    }

    /// Decides on paths given by the letters of their contents: base, after set-up, end.
    fn decided(paths: &str) -> String {
        let one = |path: &str| {
            let [base, set_up, end] = path.as_bytes() else {
                return String::new();
            };
            let word = match decide(file(*base), file(*set_up), file(*end)) {
                Decision::Keep => "keep",
                Decision::Revert => "revert",
                Decision::Merge(_) => "merge",
            };
            format!("{path} {word}")
        };
        paths.split(' ').map(one).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn only_what_came_after_set_up_stays() {
        insta::assert_snapshot!(decided("abb aba abc ab- a-a a-- a-c -a- -aa -ab"), @"abb revert, aba keep, abc merge, ab- keep, a-a keep, a-- revert, a-c keep, -a- keep, -aa revert, -ab keep");
    }

    #[test]
    fn a_file_does_not_come_back_where_the_work_has_a_folder() {
        let path = |text: &str| RepoPath::from(text);
        let kept = [path("lock/new"), path("plain")];
        let kept: BTreeSet<&RepoPath> = kept.iter().collect();
        let edits = ["lock", "plain/x", "lock.txt", "lock/old"];
        let edits = edits.map(|name| (path(name), file(b'a')));
        let left = without_collisions(&edits, &kept);
        let left: Vec<String> = left.iter().map(|(path, _)| path.to_string()).collect();
        assert_eq!(left, ["lock.txt", "lock/old"]);
    }
}
