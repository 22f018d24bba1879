//! Patch ids: commits with the same id make the same change, wherever they stand in history
//! (git-patch-id(1)).

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::git::command::GitError;
use crate::git::repo::Repo;
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;

/// The id of a change, independent of white space, line numbers and the lines around it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PatchId(Oid);

impl Repo {
    /// Computes the id of the change from `base` to `commit` for each pair (`commit`, `base`); pairs
    /// without a change are left out, and the file `without` does not count. Takes two processes, however
    /// many pairs there are.
    ///
    /// # Errors
    /// When git fails.
    pub fn patch_ids(
        &self,
        pairs: &[(Oid, Oid)],
        without: Option<&RepoPath>,
    ) -> Result<HashMap<Oid, PatchId>, GitError> {
        if pairs.is_empty() {
            return Ok(HashMap::new());
        }
        let input: String = pairs
            .iter()
            .map(|(commit, base)| format!("{commit} {base}\n"))
            .collect();
        let options = [
            "diff-tree",
            "--stdin",
            "-r",
            "-p",
            // Lines around a change differ after a rebase.
            "--unified=0",
            "--no-ext-diff",
            "--no-textconv",
            "--no-renames",
        ];
        let mut diff: Vec<OsString> = options.map(OsString::from).to_vec();
        if let Some(path) = without {
            let mut excluded = OsString::from(":(top,exclude,literal)");
            excluded.push(OsStr::from_bytes(path.as_bytes()));
            diff.extend(["--".into(), ":(top)".into(), excluded]);
        }
        let patches = self.finished(&diff, input.into_bytes())?;
        let ids = self.finished(&["patch-id", "--stable"], patches)?;
        let ids = String::from_utf8_lossy(&ids);
        let pair = |line: &str| {
            let (id, commit) = line.split_once(' ')?;
            Some((commit.trim().parse().ok()?, PatchId(id.parse().ok()?)))
        };
        Ok(ids.lines().filter_map(pair).collect())
    }

    fn finished<S: AsRef<OsStr>>(&self, args: &[S], input: Vec<u8>) -> Result<Vec<u8>, GitError> {
        let git = self.git();
        let finished = git.program().args(args).stdin(input).output()?;
        match finished.status.success() {
            true => Ok(finished.stdout),
            false => Err(git.failed(args, &finished)),
        }
    }
}
