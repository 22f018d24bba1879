//! Commits, written with explicit time and identity, and read with their trailers.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use jiff::Timestamp;

use crate::base::fault;
use crate::git::backend::ObjectKind;
use crate::git::commit_object::{CommitObject, Signature};
use crate::git::identity::{Identity, Person, Role};
use crate::git::store::{Store, StoreError, full};
use crate::merge::oid::Oid;

/// A commit to write.
#[derive(Clone, Debug)]
pub struct NewCommit<'a> {
    /// Its tree.
    pub tree: Oid,
    /// Its parents, in order.
    pub parents: &'a [Oid],
    /// Its message, with the trailers.
    pub message: &'a str,
    /// Author and committer time.
    pub time: Timestamp,
    /// Its author and committer.
    pub by: By<'a>,
}

/// The author and committer of a commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By<'a> {
    /// The user as configured in git; dispatch without such configuration.
    User,
    /// The user as configured in a worktree; dispatch without such configuration.
    UserOf(&'a Identity),
    /// The runner.
    Dispatch,
}

/// The author and the message of a commit that is to be written again, as they are stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Original {
    pub(super) author: Signature,
    /// The encoding of names and message, where it is not UTF-8.
    pub(super) encoding: Option<String>,
    /// The message, in its own encoding.
    pub message: Vec<u8>,
}

/// A commit as read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Commit {
    /// Its tree.
    pub tree: Oid,
    /// Its parents, in order.
    pub parents: Vec<Oid>,
    /// Its whole message.
    pub message: String,
    /// The author's name.
    pub author: String,
    /// Author time.
    pub time: Timestamp,
}

impl Commit {
    /// Finds a trailer such as `Dispatch-Run` in the last paragraph of the message.
    pub fn trailer(&self, name: &str) -> Option<&str> {
        let last = self.message.trim_end().rsplit("\n\n").next()?;
        last.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Store {
    /// Writes a commit. No hook runs and nothing is signed.
    ///
    /// # Errors
    /// When the tree or a parent is missing, or the store cannot be written.
    pub fn write_commit(&self, new: &NewCommit<'_>) -> Result<Oid, StoreError> {
        self.keep_tree(new.parents.first().copied(), new.tree)?;
        self.write_own_commit(new)
    }

    /// Writes a commit like [`Store::write_commit`] whose tree this store wrote, so that its objects have
    /// copies.
    ///
    /// # Errors
    /// As [`Store::write_commit`].
    pub fn write_own_commit(&self, new: &NewCommit<'_>) -> Result<Oid, StoreError> {
        let author = self.signature(new.by, Role::Author, new.time);
        self.write(new, &author)
    }

    /// Reads a commit that is to be written again.
    ///
    /// # Errors
    /// When there is no such commit.
    pub fn original(&self, commit: Oid) -> Result<Original, StoreError> {
        let commit = self.read_commit(commit)?;
        Ok(Original {
            author: commit.author,
            encoding: commit.encoding,
            message: commit.message,
        })
    }

    /// Writes a commit again, with another tree and other parents. The user is its committer.
    ///
    /// # Errors
    /// As [`Store::write_commit`].
    pub fn write_again(
        &self,
        original: &Original,
        tree: Oid,
        parents: &[Oid],
        time: Timestamp,
    ) -> Result<Oid, StoreError> {
        let new = NewCommit {
            tree,
            parents,
            message: "",
            time,
            by: By::User,
        };
        self.keep_tree(parents.first().copied(), tree)?;
        self.write_text(&new, original)
    }

    fn write(&self, new: &NewCommit<'_>, author: &Signature) -> Result<Oid, StoreError> {
        let text = Original {
            author: author.clone(),
            encoding: None,
            message: new.message.as_bytes().to_vec(),
        };
        self.write_text(new, &text)
    }

    /// Writes a commit with this text in place of its own message.
    fn write_text(&self, new: &NewCommit<'_>, text: &Original) -> Result<Oid, StoreError> {
        let committer = self.signature(new.by, Role::Committer, new.time);
        let named: Vec<Oid> = new.parents.iter().copied().chain([new.tree]).collect();
        if let Some(missing) = self.missing(&named)? {
            return Err(StoreError::Missing(missing));
        }
        fault::point("commit", "before it is written");
        full("commit")?;
        self.write_object(ObjectKind::Commit, &commit_text(new, text, &committer))
    }

    /// Returns the environment variables that make git write the same author and committer.
    pub fn identity_env(
        &self,
        (by, time): (By<'_>, Timestamp),
        original: Option<&Original>,
    ) -> Vec<(&'static str, OsString)> {
        let committer = self.signature(by, Role::Committer, time);
        let author = match original {
            Some(original) => original.author.clone(),
            None => self.signature(by, Role::Author, time),
        };
        let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        // git parses this form of a time for any number.
        let date = |who: &Signature| format!("@{}", who.when()).into();
        vec![
            ("GIT_AUTHOR_NAME", text(&author.name)),
            ("GIT_AUTHOR_EMAIL", text(&author.email)),
            ("GIT_AUTHOR_DATE", date(&author)),
            ("GIT_COMMITTER_NAME", text(&committer.name)),
            ("GIT_COMMITTER_EMAIL", text(&committer.email)),
            ("GIT_COMMITTER_DATE", date(&committer)),
        ]
    }

    fn signature(&self, by: By<'_>, role: Role, time: Timestamp) -> Signature {
        let user = match by {
            By::User => self.repo.user.person(role).cloned(),
            By::UserOf(identity) => identity.person(role).cloned(),
            By::Dispatch => None,
        };
        let Person { name, email } = user.unwrap_or_else(Person::dispatch);
        Signature {
            name: name.into_bytes(),
            email: email.into_bytes(),
            seconds: time.as_second(),
            zone: "+0000".to_owned(),
        }
    }

    /// Reads a commit as it is stored. The last commits of a shallow history have no parents.
    pub(super) fn read_commit(&self, oid: Oid) -> Result<CommitObject, StoreError> {
        let text = self.read(ObjectKind::Commit, oid)?;
        let mut commit = CommitObject::parse(&text).ok_or(StoreError::Invalid(oid, "commit"))?;
        if self.shallow_commits().contains(&oid) {
            commit.parents.clear();
        }
        Ok(commit)
    }

    /// Reads a commit; invalid UTF-8 in the message is replaced.
    ///
    /// # Errors
    /// When there is no such commit.
    pub fn commit(&self, oid: Oid) -> Result<Commit, StoreError> {
        let commit = self.read_commit(oid)?;
        Ok(Commit {
            tree: commit.tree,
            parents: commit.parents,
            message: String::from_utf8_lossy(&commit.message).into_owned(),
            author: String::from_utf8_lossy(&commit.author.name).into_owned(),
            time: commit.committer.time(),
        })
    }
}

/// Renders the object that git calls a commit.
fn commit_text(new: &NewCommit<'_>, original: &Original, committer: &Signature) -> Vec<u8> {
    let mut text = format!("tree {}\n", new.tree).into_bytes();
    for parent in new.parents {
        text.extend_from_slice(format!("parent {parent}\n").as_bytes());
    }
    text.extend_from_slice(&original.author.render("author"));
    text.extend_from_slice(&committer.render("committer"));
    if let Some(encoding) = &original.encoding {
        text.extend_from_slice(format!("encoding {encoding}\n").as_bytes());
    }
    text.push(b'\n');
    text.extend_from_slice(&original.message);
    text
}
