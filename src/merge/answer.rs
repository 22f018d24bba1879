//! Answers of git's merge engine about two commits.

use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;

/// One merge as `git merge-tree` reports it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MergeResult {
    /// `true` if `git merge` would commit. No other field tells: a clean merge can have a conflict
    /// message, and a conflict can have no staged path.
    pub clean: bool,
    /// The merged tree; with conflict markers if not clean.
    pub tree: Oid,
    /// The index entries of the paths in conflict.
    pub stages: Vec<Stage>,
    /// git's messages, in its order.
    pub messages: Vec<Message>,
}

impl MergeResult {
    /// Returns `true` if the tree may be committed: it is clean, and no file has conflict markers.
    pub fn is_sound(&self) -> bool {
        self.clean && self.hidden_conflicts().next().is_none()
    }

    /// Lists the files with conflict markers in a merge that git calls clean. That happens if a rename
    /// has a content conflict and collides with another path, seen in criss-cross histories; `git
    /// merge` then commits the markers.
    pub fn hidden_conflicts(&self) -> impl Iterator<Item = &RepoPath> {
        let collision = |message: &&Message| message.kind == RENAME_COLLISION;
        let collisions = self.messages.iter().filter(collision);
        let collisions = collisions.filter(|_| self.clean);
        collisions.flat_map(|message| &message.paths)
    }
}

/// The type of the message about a renamed file with a content conflict at the path of another file.
pub const RENAME_COLLISION: &str = "CONFLICT (rename involved in collision)";

/// One side of a path in conflict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stage {
    /// The file mode as git writes it, such as `0o100644`.
    pub mode: u32,
    /// The blob, or the commit of a submodule.
    pub oid: Oid,
    /// 1 for the base, 2 for ours, 3 for theirs.
    pub stage: u8,
    /// The path; a synthetic name such as `p~<commit>` if a file cannot be at its own path.
    pub path: RepoPath,
}

/// One message of the merge engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The paths it is about, in an order that is fixed for every type.
    pub paths: Vec<RepoPath>,
    /// The short type, such as `CONFLICT (contents)`: never localised, promised not to change.
    pub kind: String,
    /// The localised text.
    pub text: String,
}

/// The answer about one pair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MergeAnswer {
    /// A finished merge, clean or not.
    Done(MergeResult),
    /// A failure of git, with its message.
    Failed(String),
}

/// A commit and its parents.
pub type Lineage = (Oid, Vec<Oid>);

/// A renamed path, as (old path, new path).
pub type Rename = (RepoPath, RepoPath);
