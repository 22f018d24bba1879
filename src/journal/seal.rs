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
use crate::git::{Repo, Store, StoreError};
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
    let commit = store.commit(tip)?;
    let Some((message, code)) = commit.message.rsplit_once(TRAILER) else {
        return Ok(Origin::Foreign);
    };
    let parts = parts(commit.tree, &commit.parents, message);
    if !key.fits(code.trim_end(), &parts.each_ref().map(Vec::as_slice)) {
        return Ok(Origin::Foreign);
    }
    let last = file_of(repo, run, "last");
    let last = last.and_then(|file| regular_file::read_line(&file).ok());
    let last = last.and_then(|text| text.trim_end().parse::<u64>().ok());
    let here = message.lines().rev().find(|line| line.starts_with('{'));
    let here = here.and_then(|line| parse_record(line).ok());
    Ok(match (last, here) {
        (Some(last), Some(here)) if here.seq < last => Origin::MovedBack(last),
        _ => Origin::Ours,
    })
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
