//! What people did with conflicts, kept for the next time the same three files meet.
//!
//! `refs/dispatch/resolutions` is a chain of commits, moved by compare-and-swap. Its tree has a
//! folder for every conflict, `<base>/<side>-<side>/<mode>-<class>-<kind>`, named by the blobs that
//! met, the mode and class of the path and its extension; in it are the three files, the result, and
//! where it comes from. Which side was ours makes no difference.

use jiff::Timestamp;

use crate::git::commit::{By, NewCommit};
use crate::git::{Repo, Store, StoreError};
use crate::merge::change::{Entry, RepoPath};
use crate::merge::oid::Oid;
use crate::merge::verdict::Class;

/// Where resolutions are kept.
pub const RESOLUTIONS: &str = "refs/dispatch/resolutions";

/// How often a writer that was overtaken tries again.
const TRIES: usize = 20;

/// The files that met at a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Meeting {
    /// Where.
    pub path: RepoPath,
    /// What it was classed as.
    pub class: Class,
    /// The mode of the merged file.
    pub mode: u32,
    /// The common base, if there is one.
    pub base: Option<Oid>,
    /// What was in before.
    pub ours: Oid,
    /// What the candidate brings.
    pub theirs: Oid,
}

impl Meeting {
    fn folder(&self) -> String {
        let base = self.base.map_or("none".to_owned(), |base| base.to_string());
        let (first, second) = (self.ours.min(self.theirs), self.ours.max(self.theirs));
        let (mode, class) = (self.mode, self.class);
        let path = self.path.to_string();
        let name = path.rsplit('/').next().unwrap_or_default();
        let kind = name.rsplit_once('.').map_or("", |(_, kind)| kind);
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+');
        let kind: String = kind.chars().filter(is_plain).collect();
        format!("{base}/{first}-{second}/{mode:o}-{class}-{kind}")
    }
}

/// What was made of such a meeting before, with the commit that keeps it.
///
/// # Errors
/// When the store cannot be read.
pub fn recall(store: &Store, meeting: &Meeting) -> Result<Option<(Entry, Oid)>, StoreError> {
    let Some(tip) = store.reference(RESOLUTIONS)? else {
        return Ok(None);
    };
    let file = format!("{}/result", meeting.folder());
    let found = store.entry(store.tree_of(tip)?, &file)?;
    Ok(found.map(|entry| {
        let mode = meeting.mode;
        (Entry { mode, ..entry }, tip)
    }))
}

/// Keeps what was made of some meetings; `about` says by whom, in trailers.
///
/// # Errors
/// When the store cannot be written, or others are always faster.
pub fn remember(
    repo: &Repo,
    resolved: &[(Meeting, Oid)],
    about: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    if resolved.is_empty() {
        return Ok(());
    }
    let store = Store::open_durable(repo)?;
    let files = files(&store, resolved, about)?;
    let mut tries = 0;
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
            message: &message(resolved, about),
            time: now,
            by: By::User,
        })?;
        let why = "dispatch: a resolution to remember";
        match store.move_reference(RESOLUTIONS, tip.unwrap_or(Oid::ZERO), commit, why) {
            Err(StoreError::Moved { .. }) if tries < TRIES => tries += 1,
            other => return other,
        }
    }
}

type Files = Vec<(RepoPath, Option<Entry>)>;

fn files(store: &Store, resolved: &[(Meeting, Oid)], about: &str) -> Result<Files, StoreError> {
    let mut files = Files::new();
    for (meeting, result) in resolved {
        let folder = meeting.folder();
        let text = format!("Path: {}\nClass: {}\n{about}", meeting.path, meeting.class);
        let about = store.write_blob(text.as_bytes())?;
        let parts = [
            ("about", Some(about)),
            ("base", meeting.base),
            ("ours", Some(meeting.ours)),
            ("theirs", Some(meeting.theirs)),
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

fn message(resolved: &[(Meeting, Oid)], about: &str) -> String {
    let paths: Vec<String> = resolved
        .iter()
        .map(|(meeting, _)| format!("* {} ({})\n", meeting.path, meeting.class))
        .collect();
    let subject = match resolved {
        [(meeting, _)] => format!("Remember {}", meeting.path),
        several => format!("Remember {} resolutions", several.len()),
    };
    format!("{subject}\n\n{}\n{about}", paths.concat())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::git::Git;

    fn repo(folder: &tempfile::TempDir) -> Repo {
        let top = folder.path().to_owned();
        Git::at(&top).run(&["init", "--quiet"]).unwrap();
        Repo {
            common: top.join(".git"),
            git_dir: top.join(".git"),
            top,
            version: (2, 39),
        }
    }

    fn meeting(store: &Store, path: &str, texts: [&str; 3]) -> Meeting {
        let [base, ours, theirs] = texts.map(|text| store.write_blob(text.as_bytes()).unwrap());
        Meeting {
            path: path.into(),
            class: Class::Content,
            mode: 0o100_755,
            base: Some(base),
            ours,
            theirs,
        }
    }

    #[test]
    fn what_was_done_once_is_known_whichever_side_was_ours() {
        let folder = tempfile::tempdir().unwrap();
        let repo = repo(&folder);
        let store = Store::open(&repo).unwrap();
        let first = meeting(&store, "src/a.rs", ["b", "o", "t"]);
        assert!(recall(&store, &first).unwrap().is_none());
        let result = store.write_blob(b"both").unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let about = "Dispatch-Run: r\n";
        remember(&repo, &[(first.clone(), result)], about, now).unwrap();
        let found = |meeting: &Meeting| recall(&store, meeting).unwrap();
        let (entry, commit) = found(&first).unwrap();
        assert_eq!((entry.oid, entry.mode), (result, 0o100_755));
        assert_eq!(Some(commit), store.reference(RESOLUTIONS).unwrap());
        let turned = meeting(&store, "elsewhere.rs", ["b", "t", "o"]);
        assert_eq!(found(&turned), Some((entry, commit)));
        let other = |change: fn(&mut Meeting)| {
            let mut meeting = first.clone();
            change(&mut meeting);
            found(&meeting).is_none()
        };
        assert!(other(|meeting| meeting.mode = 0o100_644));
        assert!(other(|meeting| meeting.class = Class::AddAdd));
        assert!(other(|meeting| meeting.path = "a.py".into()));
        assert!(other(|meeting| meeting.base = None));
        assert!(other(|meeting| meeting.ours = meeting.theirs));
    }

    #[test]
    fn every_one_stays_and_a_later_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let repo = repo(&folder);
        let store = Store::open(&repo).unwrap();
        let (first, second) = (
            meeting(&store, "a", ["b", "o", "t"]),
            meeting(&store, "b.x/../c", ["1", "2", "3"]),
        );
        let [one, two] = ["one", "two"].map(|text| store.write_blob(text.as_bytes()).unwrap());
        let remember = |meeting: &Meeting, result| {
            let resolved = [(meeting.clone(), result)];
            remember(&repo, &resolved, "Dispatch-Run: r\n", Timestamp::UNIX_EPOCH).unwrap();
            store.reference(RESOLUTIONS).unwrap()
        };
        let before = remember(&first, one);
        assert_eq!(remember(&first, one), before);
        remember(&second, one);
        remember(&first, two);
        let found = |meeting: &Meeting| recall(&store, meeting).unwrap().unwrap().0.oid;
        assert_eq!((found(&first), found(&second)), (two, one));
    }
}
