//! Commits that are signed as the user's git signs: `git commit-tree -S` does it, with whatever
//! `gpg.format`, `user.signingKey` and `gpg.program` say.

use crate::git::command::{Git, GitError};
use crate::git::commit::NewCommit;
use crate::git::repo::Repo;
use crate::git::store::{Store, StoreError};
use crate::merge::oid::Oid;

/// Why there is no signed commit.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// git could not sign.
    #[error("git could not sign a commit: {0}")]
    Refused(String),
    /// git could not be asked.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes signed commits.
#[derive(Debug)]
pub struct Signer {
    git: Git,
}

impl Signer {
    /// A signer if `commit.gpgSign` asks for one, and then none of what dispatch commits in the
    /// user's name goes unsigned.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub fn find(repo: &Repo) -> Result<Option<Signer>, GitError> {
        let signs = repo.setting(&["--bool", "commit.gpgSign"])?;
        let git = repo.git().in_foreground();
        Ok((signs.as_deref() == Some("true")).then_some(Signer { git }))
    }

    /// Writes a commit, by the author of another one if that is given.
    ///
    /// # Errors
    /// [`SignError::Refused`] with the words of git or of the signing program; no commit is there
    /// then.
    pub fn commit(
        &self,
        store: &Store,
        new: &NewCommit<'_>,
        original: Option<Oid>,
    ) -> Result<Oid, SignError> {
        let people = store.people(new, original)?;
        let mut git = self.git.clone();
        for (name, value) in people {
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
            _ => Err(SignError::Refused(said(&git, &args, &finished))),
        }
    }
}

/// The words of git and of the program it called, without the machine-readable lines of gpg.
fn said(git: &Git, args: &[String], finished: &crate::base::process::Finished) -> String {
    let words = String::from_utf8_lossy(&finished.stderr);
    let lines = words.lines().filter(|line| !line.starts_with("[GNUPG:]"));
    let lines: Vec<&str> = lines
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    match lines.is_empty() {
        true => git.failed(args, finished).to_string(),
        false => crate::base::text::one_line(&lines.join("; ")),
    }
}
