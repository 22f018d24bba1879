//! Signs commits with `git commit-tree -S`, so that `gpg.format`, `user.signingKey` and
//! `gpg.program` apply.

use std::ffi::OsString;

use jiff::Timestamp;

use crate::base::process::Finished;
use crate::base::text::one_line;
use crate::git::command::{Git, GitError};
use crate::git::commit::{By, NewCommit, Original};
use crate::git::repo::Repo;
use crate::git::store::{Store, StoreError};
use crate::merge::oid::Oid;

/// The encoding of the messages of dispatch, whatever the user's `i18n.commitEncoding` is.
const UTF_8: &str = "UTF-8";

/// A commit that was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// git or the signing program refused.
    #[error("git could not sign a commit: {0}")]
    Refused(String),
    /// The `git` program could not be run.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes signed commits.
#[derive(Debug)]
pub struct Signer {
    git: Git,
}

impl Signer {
    /// Creates a signer if `commit.gpgSign` is set. Then every commit of dispatch in the user's name
    /// is signed.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub fn find(repo: &Repo) -> Result<Option<Signer>, GitError> {
        // The setting names a program, so it counts as it was before any worker started.
        let git = repo.git_as_before()?.in_foreground();
        let signs = git.config(&["--bool", "commit.gpgSign"])?;
        Ok((signs.as_deref() == Some("true")).then_some(Signer { git }))
    }

    /// Writes a signed commit.
    ///
    /// # Errors
    /// [`SignError::Refused`] with the message of git or of the signing program; nothing is written.
    pub fn commit(&self, store: &Store, new: &NewCommit<'_>) -> Result<Oid, SignError> {
        let identity = store.identity_env((new.by, new.time), None);
        let text = (UTF_8, new.message.as_bytes());
        self.commit_tree(identity, new.tree, new.parents, text)
    }

    /// Writes a commit again and signs it, as [`Store::write_again`].
    ///
    /// # Errors
    /// As [`Signer::commit`].
    pub fn commit_again(
        &self,
        store: &Store,
        original: &Original,
        tree: Oid,
        parents: &[Oid],
        time: Timestamp,
    ) -> Result<Oid, SignError> {
        let identity = store.identity_env((By::User, time), Some(original));
        let encoding = original.encoding.as_deref().unwrap_or(UTF_8);
        self.commit_tree(identity, tree, parents, (encoding, &original.message))
    }

    fn commit_tree(
        &self,
        identity: Vec<(&'static str, OsString)>,
        tree: Oid,
        parents: &[Oid],
        (encoding, message): (&str, &[u8]),
    ) -> Result<Oid, SignError> {
        let setting = format!("i18n.commitEncoding={encoding}");
        let mut git = self.git.clone().setting(&setting);
        for (name, value) in identity {
            git = git.env(name, value);
        }
        let mut args = vec!["commit-tree".to_owned(), tree.to_string()];
        for parent in parents {
            args.extend(["-p".to_owned(), parent.to_string()]);
        }
        args.extend(["-S", "-F", "-"].map(str::to_owned));
        let program = git.program().args(&args).stdin(message);
        let finished = program.output().map_err(GitError::from)?;
        let line = String::from_utf8_lossy(&finished.stdout).trim().to_owned();
        match (finished.status.success(), line.parse()) {
            (true, Ok(oid)) => Ok(oid),
            _ => Err(SignError::Refused(refusal(&git, &args, &finished))),
        }
    }
}

/// Extracts the message of git and its signing program, without gpg's machine-readable lines.
fn refusal(git: &Git, args: &[String], finished: &Finished) -> String {
    let stderr = String::from_utf8_lossy(&finished.stderr);
    let lines: Vec<&str> = stderr
        .lines()
        .filter(|line| !line.starts_with("[GNUPG:]"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    if lines.is_empty() {
        return git.failed(args, finished).to_string();
    }
    one_line(&lines.join("; "))
}
