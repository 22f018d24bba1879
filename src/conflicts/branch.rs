//! A commit to compare, under a name.

use crate::conflicts::error::DetectError;
use crate::git::{Repo, Store};
use crate::merge::oid::Oid;

/// A branch, or any other commit under a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Branch {
    /// The name in reports.
    pub name: String,
    /// The commit.
    pub tip: Oid,
}

impl Branch {
    /// Resolves a branch, a tag or any other revision to its commit.
    ///
    /// # Errors
    /// When the revision names no commit, or the repository cannot be read.
    pub fn resolve(repo: &Repo, revision: &str) -> Result<Branch, DetectError> {
        let tip = Store::open(repo)?.resolve(revision)?;
        let name = revision.to_owned();
        match tip {
            Some(tip) => Ok(Branch { name, tip }),
            None => Err(DetectError::NoCommit(name)),
        }
    }
}
