//! Commits, written with explicit time and identity, and read with their trailers.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use git2::{ObjectType, Signature, Time};
use jiff::Timestamp;

use crate::base::fault;
use crate::git::identity::{Person, Role};
use crate::git::store::{Store, StoreError, from_git2, full, to_git2};
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
    pub by: By,
}

/// The author and committer of a commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// The user as configured in git; dispatch without such configuration.
    User,
    /// The runner.
    Dispatch,
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
        let author = self.signature(new.by, Role::Author, new.time)?;
        self.write(new, &author)
    }

    /// Writes a commit with author and author time of another one.
    ///
    /// # Errors
    /// As [`Store::write_commit`], and when the other one is missing.
    pub fn write_commit_as(&self, new: &NewCommit<'_>, original: Oid) -> Result<Oid, StoreError> {
        let original = self.inner.find_commit(to_git2(original))?;
        self.write(new, &original.author())
    }

    fn write(&self, new: &NewCommit<'_>, author: &Signature<'_>) -> Result<Oid, StoreError> {
        let committer = self.signature(new.by, Role::Committer, new.time)?;
        // libgit2 would read them all, and keep what it has read.
        let odb = self.inner.odb()?;
        let mut names = new.parents.iter().chain([&new.tree]);
        if let Some(missing) = names.find(|oid| !odb.exists(to_git2(**oid))) {
            return Err(StoreError::Missing(*missing));
        }
        fault::point("commit", "before it is written");
        full("commit")?;
        // `git_commit_create` reports success even if the object could not be written.
        let text = commit_text(new, author, &committer);
        let oid = odb.write(ObjectType::Commit, &text)?;
        Ok(from_git2(oid))
    }

    /// Returns the environment variables that make git write the same author and committer.
    pub(super) fn identity_env(
        &self,
        new: &NewCommit<'_>,
        original: Option<Oid>,
    ) -> Result<Vec<(&'static str, OsString)>, StoreError> {
        let committer = self.signature(new.by, Role::Committer, new.time)?;
        let author = match original {
            Some(original) => self
                .inner
                .find_commit(to_git2(original))?
                .author()
                .to_owned(),
            None => self.signature(new.by, Role::Author, new.time)?,
        };
        let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        Ok(vec![
            ("GIT_AUTHOR_NAME", text(author.name_bytes())),
            ("GIT_AUTHOR_EMAIL", text(author.email_bytes())),
            ("GIT_AUTHOR_DATE", date(author.when())),
            ("GIT_COMMITTER_NAME", text(committer.name_bytes())),
            ("GIT_COMMITTER_EMAIL", text(committer.email_bytes())),
            ("GIT_COMMITTER_DATE", date(committer.when())),
        ])
    }

    fn signature(
        &self,
        by: By,
        role: Role,
        time: Timestamp,
    ) -> Result<Signature<'static>, StoreError> {
        let time = Time::new(time.as_second(), 0);
        let user = match by {
            By::User => self.user.person(role).cloned(),
            By::Dispatch => None,
        };
        let Person { name, email } = user.unwrap_or_else(Person::dispatch);
        Ok(Signature::new(&name, &email, &time)?)
    }

    /// Reads a commit; invalid UTF-8 in the message is replaced.
    ///
    /// # Errors
    /// When there is no such commit.
    pub fn commit(&self, oid: Oid) -> Result<Commit, StoreError> {
        let commit = self.inner.find_commit(to_git2(oid))?;
        let time = Timestamp::from_second(commit.time().seconds()).unwrap_or_default();
        Ok(Commit {
            tree: from_git2(commit.tree_id()),
            parents: commit.parent_ids().map(from_git2).collect(),
            message: String::from_utf8_lossy(commit.message_bytes()).into_owned(),
            author: String::from_utf8_lossy(commit.author().name_bytes()).into_owned(),
            time,
        })
    }
}

/// Renders the object that git calls a commit.
fn commit_text(new: &NewCommit<'_>, author: &Signature<'_>, committer: &Signature<'_>) -> Vec<u8> {
    let mut text = format!("tree {}\n", new.tree).into_bytes();
    for parent in new.parents {
        text.extend_from_slice(format!("parent {parent}\n").as_bytes());
    }
    for (role, who) in [("author", author), ("committer", committer)] {
        text.extend_from_slice(format!("{role} ").as_bytes());
        text.extend_from_slice(who.name_bytes());
        text.extend_from_slice(b" <");
        text.extend_from_slice(who.email_bytes());
        text.extend_from_slice(format!("> {}\n", seconds_and_zone(who.when())).as_bytes());
    }
    text.push(b'\n');
    text.extend_from_slice(new.message.as_bytes());
    text
}

/// Renders a time as `@1795338840 +0130`, which git parses for any number.
fn date(time: Time) -> OsString {
    format!("@{}", seconds_and_zone(time)).into()
}

fn seconds_and_zone(time: Time) -> String {
    let minutes = time.offset_minutes().abs();
    let (hours, minutes) = (minutes / 60, minutes % 60);
    format!("{} {}{hours:02}{minutes:02}", time.seconds(), time.sign())
}
