//! Signs commits with `git commit-tree -S`, so that `gpg.format`, `user.signingKey` and
//! `gpg.program` apply.

use crate::base::process::Finished;
use crate::base::text::one_line;
use crate::git::command::{Git, GitError};
use crate::git::commit::NewCommit;
use crate::git::repo::Repo;
use crate::git::store::{Store, StoreError};
use crate::merge::oid::Oid;

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
        let signs = repo.setting(&["--bool", "commit.gpgSign"])?;
        let git = repo.git().in_foreground();
        Ok((signs.as_deref() == Some("true")).then_some(Signer { git }))
    }

    /// Writes a signed commit, with the author of `original` if given.
    ///
    /// # Errors
    /// [`SignError::Refused`] with the message of git or of the signing program; nothing is written.
    pub fn commit(
        &self,
        store: &Store,
        new: &NewCommit<'_>,
        original: Option<Oid>,
    ) -> Result<Oid, SignError> {
        let mut git = self.git.clone();
        for (name, value) in store.identity_env(new, original)? {
            git = git.env(name, value);
        }
        let mut args = vec!["commit-tree".to_owned(), new.tree.to_string()];
        for parent in new.parents {
            args.extend(["-p".to_owned(), parent.to_string()]);
        }
        args.extend(["-S", "-F", "-"].map(str::to_owned));
        let program = git.program().args(&args).stdin(new.message);
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
