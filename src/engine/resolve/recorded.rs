//! Records how the user resolved conflicts, and finds the record when the same three files conflict
//! again.
//!
//! `refs/dispatch/resolutions` is a chain of commits, moved by compare-and-swap. Its tree has a
//! folder for every conflict, `<base>/<side>-<side>/<mode>-<class>-<extension>`, named by the blobs,
//! the mode and class of the path and its extension; it holds the three files, the result, and its
//! origin. The order of the sides makes no difference.

use jiff::Timestamp;

use crate::engine::resolve::file_conflict::FileConflict;
use crate::git::commit::{By, NewCommit};
use crate::git::{Repo, Store, StoreError};
use crate::merge::change::{Entry, RepoPath};
use crate::merge::oid::Oid;

/// The reference that keeps the resolutions.
pub const RESOLUTIONS: &str = "refs/dispatch/resolutions";

/// The number of retries after another process moved the reference.
const RETRIES: usize = 20;

impl FileConflict {
    /// Returns the folder of its record.
    fn folder(&self) -> String {
        let base = self.base.map_or("none".to_owned(), |base| base.to_string());
        let (first, second) = (self.ours.min(self.theirs), self.ours.max(self.theirs));
        let (mode, class) = (self.mode, self.class);
        let path = self.path.to_string();
        let name = path.rsplit('/').next().unwrap_or_default();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+');
        let extension: String = extension.chars().filter(is_plain).collect();
        format!("{base}/{first}-{second}/{mode:o}-{class}-{extension}")
    }
}

/// Finds the recorded resolution of a conflict, with the commit that keeps it.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn recall(
    store: &Store,
    conflict: &FileConflict,
) -> Result<Option<(Entry, Oid)>, StoreError> {
    let Some(tip) = store.reference(RESOLUTIONS)? else {
        return Ok(None);
    };
    let file = format!("{}/result", conflict.folder());
    let found = store.entry(store.tree_of(tip)?, &file)?;
    Ok(found.map(|entry| {
        let mode = conflict.mode;
        (Entry { mode, ..entry }, tip)
    }))
}

/// Records resolutions, as conflicts with the resulting blobs; `trailers` name their origin.
///
/// # Errors
/// When the store cannot be written, or other processes keep moving the reference.
pub fn record(
    repo: &Repo,
    resolved: &[(FileConflict, Oid)],
    trailers: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    if resolved.is_empty() {
        return Ok(());
    }
    let store = Store::open_durable(repo)?;
    let files = files(&store, resolved, trailers)?;
    let mut retries = 0;
    loop {
        let tip = store.reference(RESOLUTIONS)?;
        let old = match tip {
            Some(tip) => store.tree_of(tip)?,
            None => store.empty_tree()?,
        };
        let tree = store.tree_overlaid(old, &files)?;
        if tip.is_some() && tree == old {
            return Ok(());
        }
        let commit = store.write_commit(&NewCommit {
            tree,
            parents: tip.as_slice(),
            message: &message(resolved, trailers),
            time: now,
            by: By::User,
        })?;
        let why = "dispatch: resolution recorded";
        match store.move_reference(RESOLUTIONS, tip.unwrap_or(Oid::ZERO), commit, why) {
            Err(StoreError::Moved { .. }) if retries < RETRIES => retries += 1,
            other => return other,
        }
    }
}

type Files = Vec<(RepoPath, Option<Entry>)>;

fn files(
    store: &Store,
    resolved: &[(FileConflict, Oid)],
    trailers: &str,
) -> Result<Files, StoreError> {
    let mut files = Files::new();
    for (conflict, result) in resolved {
        let folder = conflict.folder();
        let (path, class) = (&conflict.path, conflict.class);
        let text = format!("Path: {path}\nClass: {class}\n{trailers}");
        let about = store.write_blob(text.as_bytes())?;
        let parts = [
            ("about", Some(about)),
            ("base", conflict.base),
            ("ours", Some(conflict.ours)),
            ("theirs", Some(conflict.theirs)),
            ("result", Some(*result)),
        ];
        for (name, oid) in parts {
            let path = format!("{folder}/{name}");
            let entry = oid.map(|oid| Entry {
                mode: 0o100_644,
                oid,
            });
            if entry.is_some() {
                files.push((path.as_str().into(), entry));
            }
        }
    }
    Ok(files)
}

fn message(resolved: &[(FileConflict, Oid)], trailers: &str) -> String {
    let paths = resolved.iter();
    let paths = paths.map(|(conflict, _)| format!("* {} ({})\n", conflict.path, conflict.class));
    let paths: String = paths.collect();
    let subject = match resolved {
        [(conflict, _)] => format!("Record the resolution of {}", conflict.path),
        several => format!("Record {} resolutions", several.len()),
    };
    format!("{subject}\n\n{paths}\n{trailers}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::git::Git;
    use crate::merge::class::Class;

    fn repo(folder: &tempfile::TempDir) -> Repo {
        let top = folder.path().to_owned();
        Git::at(&top).run(&["init", "--quiet"]).unwrap();
        Repo::discover(&top).unwrap()
    }

    fn conflict(store: &Store, path: &str, texts: [&str; 3]) -> FileConflict {
        let [base, ours, theirs] = texts.map(|text| store.write_blob(text.as_bytes()).unwrap());
        FileConflict {
            path: path.into(),
            class: Class::Content,
            mode: 0o100_755,
            base: Some(base),
            ours,
            theirs,
        }
    }

    #[test]
    fn a_recorded_resolution_is_found_whichever_side_was_ours() {
        let folder = tempfile::tempdir().unwrap();
        let repo = repo(&folder);
        let store = Store::open(&repo).unwrap();
        let first = conflict(&store, "src/a.rs", ["b", "o", "t"]);
        assert!(recall(&store, &first).unwrap().is_none());
        let result = store.write_blob(b"both").unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let trailers = "Dispatch-Run: r\n";
        record(&repo, &[(first.clone(), result)], trailers, now).unwrap();
        let found = |conflict: &FileConflict| recall(&store, conflict).unwrap();
        let (entry, commit) = found(&first).unwrap();
        assert_eq!((entry.oid, entry.mode), (result, 0o100_755));
        assert_eq!(Some(commit), store.reference(RESOLUTIONS).unwrap());
        let turned = conflict(&store, "elsewhere.rs", ["b", "t", "o"]);
        assert_eq!(found(&turned), Some((entry, commit)));
        let other = |change: fn(&mut FileConflict)| {
            let mut conflict = first.clone();
            change(&mut conflict);
            found(&conflict).is_none()
        };
        assert!(other(|conflict| conflict.mode = 0o100_644));
        assert!(other(|conflict| conflict.class = Class::AddAdd));
        assert!(other(|conflict| conflict.path = "a.py".into()));
        assert!(other(|conflict| conflict.base = None));
        assert!(other(|conflict| conflict.ours = conflict.theirs));
    }

    #[test]
    fn every_resolution_is_kept_and_a_later_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let repo = repo(&folder);
        let store = Store::open(&repo).unwrap();
        let (first, second) = (
            conflict(&store, "a", ["b", "o", "t"]),
            conflict(&store, "b.x/../c", ["1", "2", "3"]),
        );
        let [one, two] = ["one", "two"].map(|text| store.write_blob(text.as_bytes()).unwrap());
        let record = |conflict: &FileConflict, result| {
            let resolved = [(conflict.clone(), result)];
            record(&repo, &resolved, "Dispatch-Run: r\n", Timestamp::UNIX_EPOCH).unwrap();
            store.reference(RESOLUTIONS).unwrap()
        };
        let before = record(&first, one);
        assert_eq!(record(&first, one), before);
        record(&second, one);
        record(&first, two);
        let found = |conflict: &FileConflict| recall(&store, conflict).unwrap().unwrap().0.oid;
        assert_eq!((found(&first), found(&second)), (two, one));
    }
}
