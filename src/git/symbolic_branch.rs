//! Branches that are other names of a branch.

use crate::git::refs::branch_ref;
use crate::git::repo::Repo;

impl Repo {
    /// Returns the branch that a branch leads to: itself, or where it is a symbolic reference (`git
    /// symbolic-ref refs/heads/NAME refs/heads/OTHER`), the other one. A move has to name that one, and
    /// it is the one that a checkout shows.
    pub fn real_branch(&self, name: &str) -> String {
        // git fails for a branch that is not symbolic.
        let args = ["symbolic-ref", "--quiet", &branch_ref(name)];
        let target = self.git().line(&args).unwrap_or_default();
        let real = target.strip_prefix("refs/heads/");
        real.unwrap_or(name).to_owned()
    }
}
