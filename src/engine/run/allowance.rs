//! The user's limits on worktrees, as the loop knows them.

/// An answer to whether a limit of the user allows one more worktree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Allowance {
    /// Not looked at since the last one.
    #[default]
    Unknown,
    /// Somebody looks.
    Looking,
    /// One may.
    Granted,
    /// None, until an attempt has ended.
    Refused,
}
