//! Tells the journals that this user's dispatch wrote from those that others wrote.
//!
//! A journal is a reference: everyone who can write the git folder can move it, and a fetch can bring
//! one from a stranger. Every commit of a journal therefore carries a seal, a code over its parents, its
//! files and its events with the user's secret key, which is outside of the repository. As the parents
//! are part of it, the seal of the last commit vouches for the whole chain. The number of the last event
//! is kept beside the key, so that a journal that was moved back is noticed as well.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::base::files;
use crate::base::regular_file;
use crate::base::user_key::UserKey;
use crate::git::{Repo, Store, StoreError};
use crate::journal::journal_ref;
use crate::journal::record::parse_record;
use crate::merge::oid::Oid;
use crate::model::ids::RunId;

/// The trailer with the seal.
const TRAILER: &str = "Dispatch-Seal: ";

/// The origin of a journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// This user's dispatch wrote it, or the user accepted it as it is.
    Ours,
    /// Its last commit has no seal of this user.
    Foreign,
    /// It is ours, but ends before this event, which was recorded once.
    MovedBack(u64),
}

/// Appends the seal to the message of a journal commit, if the user has a key.
pub(super) fn seal(repo: &Repo, tree: Oid, parents: &[Oid], message: &mut String) {
    if let Some(key) = repo.user_key() {
        let code = key.code(&parts(tree, parents, message).each_ref().map(Vec::as_slice));
        message.push_str(TRAILER);
        message.push_str(&code);
        message.push('\n');
    }
}

/// Notes the number of the last event of a run outside of the repository. It is not waited for the disk:
/// after a power loss an older number is as good.
pub(super) fn note_last(repo: &Repo, run: &RunId, seq: u64) {
    let Some(file) = file_of(repo, run, "last") else {
        return;
    };
    let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
    let written = folder.and_then(|()| fs::write(&file, format!("{seq}\n")));
    if let Err(error) = written {
        tracing::warn!("{}: {error}", file.display());
    }
}

/// Finds out who wrote the journal of a run that ends with this commit. Without a folder of the user, as
/// for users of the library, every journal is ours.
///
/// # Errors
/// When the commit cannot be read.
pub fn origin(store: &Store, run: &RunId, tip: Oid) -> Result<Origin, StoreError> {
    let repo = store.repo();
    let Some(key) = repo.user_key() else {
        return Ok(Origin::Ours);
    };
    let accepted = file_of(repo, run, "accepted");
    let accepted = accepted.and_then(|file| regular_file::read_line(&file).ok());
    if accepted.is_some_and(|accepted| accepted.trim_end() == tip.to_string()) {
        return Ok(Origin::Ours);
    }
    let Some(here) = sealed_seq(store, key, tip)? else {
        return Ok(Origin::Foreign);
    };
    let last = file_of(repo, run, "last");
    let last = last.and_then(|file| regular_file::read_line(&file).ok());
    let last = last.and_then(|text| text.trim_end().parse::<u64>().ok());
    let Some(last) = last.filter(|last| here < *last) else {
        return Ok(Origin::Ours);
    };
    // A run in progress may have recorded that event after the caller read the reference.
    let now = store.reference(&journal_ref(run))?;
    let went_on = match now.filter(|now| *now != tip) {
        Some(now) => sealed_seq(store, key, now)?.is_some_and(|seq| seq >= last),
        None => false,
    };
    Ok(match went_on {
        true => Origin::Ours,
        false => Origin::MovedBack(last),
    })
}

/// Returns the number of the last event in a commit that the key sealed, the highest if it has none that
/// can be read; `None` for
/// a commit that the key did not seal.
fn sealed_seq(store: &Store, key: &UserKey, tip: Oid) -> Result<Option<u64>, StoreError> {
    let commit = store.commit(tip)?;
    let Some((message, code)) = commit.message.rsplit_once(TRAILER) else {
        return Ok(None);
    };
    let parts = parts(commit.tree, &commit.parents, message);
    if !key.fits(code.trim_end(), &parts.each_ref().map(Vec::as_slice)) {
        return Ok(None);
    }
    let last = message.lines().rev().find(|line| line.starts_with('{'));
    let last = last.and_then(|line| parse_record(line).ok());
    Ok(Some(last.map_or(u64::MAX, |recorded| recorded.seq)))
}

/// Accepts a journal of this user that was moved back on purpose, as by a repair.
///
/// # Errors
/// When the commit cannot be read, or that cannot be recorded.
pub fn accept_moved_back(store: &Store, run: &RunId, tip: Oid) -> Result<(), StoreError> {
    match origin(store, run, tip)? {
        Origin::MovedBack(_) => accept(store, run, tip)
            .map_err(|error| StoreError::Folder("the folder of the user".to_owned(), error)),
        Origin::Ours | Origin::Foreign => Ok(()),
    }
}

/// Accepts a journal as it is.
///
/// # Errors
/// When that cannot be recorded.
pub fn accept(store: &Store, run: &RunId, tip: Oid) -> io::Result<()> {
    let Some(file) = file_of(store.repo(), run, "accepted") else {
        return Ok(());
    };
    file.parent().map_or(Ok(()), fs::create_dir_all)?;
    files::replace(&file, format!("{tip}\n").as_bytes())?;
    match file_of(store.repo(), run, "last").map(fs::remove_file) {
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Returns `true` if a process of this user has appended to the journal of a run in this repository, at
/// the place where the repository is now.
pub fn was_appended_here(repo: &Repo, run: &RunId) -> bool {
    file_of(repo, run, "last").is_some_and(|file| file.exists())
}

fn file_of(repo: &Repo, run: &RunId, kind: &str) -> Option<PathBuf> {
    let folder = repo.user_state()?.join("journals");
    Some(folder.join(format!("{}.{kind}", run.as_str().replace('/', "%"))))
}

/// Returns everything that a seal covers.
fn parts(tree: Oid, parents: &[Oid], message: &str) -> [Vec<u8>; 3] {
    let parents: Vec<String> = parents.iter().map(Oid::to_string).collect();
    [
        tree.to_string().into_bytes(),
        parents.join(" ").into_bytes(),
        message.as_bytes().to_vec(),
    ]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::git::Git;
    use crate::journal::append::Journal;
    use crate::model::event::Event;

    #[test]
    fn a_run_that_went_on_since_its_reference_was_read_was_not_moved_back() {
        let folder = tempfile::tempdir().unwrap();
        let git = Git::at(folder.path().join("repo"));
        std::fs::create_dir(folder.path().join("repo")).unwrap();
        git.run(&["init", "--quiet"]).unwrap();
        let mut repo = Repo::discover(&folder.path().join("repo")).unwrap();
        repo.keep_state_below(&folder.path().join("state"));
        let store = Store::open(&repo).unwrap();
        let run = RunId::new("r-abcd");
        let ended = || Event::RunEnded { exit: 0 };
        let time = Timestamp::UNIX_EPOCH;
        let (mut journal, _) = Journal::create(&repo, &run, &[], ended(), time).unwrap();
        let name = journal_ref(&run);
        assert!(was_appended_here(&repo, &run) && !was_appended_here(&repo, &RunId::new("other")));
        let read = store.reference(&name).unwrap().unwrap();
        journal.append(vec![ended()], time).unwrap();
        assert_eq!(origin(&store, &run, read).unwrap(), Origin::Ours);
        let tip = store.reference(&name).unwrap().unwrap();
        store.move_reference(&name, tip, read, "test").unwrap();
        assert_eq!(origin(&store, &run, read).unwrap(), Origin::MovedBack(2));
        // Another commit that is behind does not hide it either.
        let mut behind =
            Journal::reopen(&repo, &crate::journal::replay(&store, &run).unwrap()).unwrap();
        behind.append(vec![ended()], time).unwrap();
        let other = store.reference(&name).unwrap().unwrap();
        store.move_reference(&name, other, read, "test").unwrap();
        note_last(&repo, &run, 3);
        assert_eq!(origin(&store, &run, other).unwrap(), Origin::MovedBack(3));
    }
}
