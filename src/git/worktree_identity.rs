//! The author and the committer of commits in a worktree, where they may differ from those in the user's
//! checkout.

use crate::git::identity::{Identity, Role};
use crate::git::repo::Repo;
use crate::git::store::{Store, StoreError};
use crate::git::worktree::Worktree;

impl Repo {
    /// Asks git who makes commits in a worktree in which no worker was yet. Returns `None` where the
    /// answer is the one in the user's checkout: there is no conditional include, and worktrees have
    /// no settings of their own.
    pub fn identity_in(&self, worktree: &Worktree) -> Option<Identity> {
        // Set-up may have turned settings of worktrees on, so they are not kept.
        let own = |store: &Store| Ok::<_, StoreError>(store.is_set("extensions.worktreeconfig"));
        let may_differ = self.user.has_conditions() || self.with_store(own).unwrap_or(true);
        may_differ.then(|| Identity::ask(&worktree.git()))
    }

    /// Returns `true` if git has a name and an address for the user's commits.
    pub fn has_identity(&self) -> bool {
        let roles = [Role::Author, Role::Committer];
        roles.iter().all(|role| self.user.person(*role).is_some())
    }
}
