//! What git's merge engine answers about two commits, as plain values.

use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;

/// One merge, as `git merge-tree` reported it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MergeResult {
    /// Whether `git merge` would make a commit. Nothing else in here says so: a clean merge can
    /// carry a conflict message, and a conflict can have no staged path.
    pub clean: bool,
    /// The merged tree; with conflict markers in it when not clean.
    pub tree: Oid,
    /// The index entries of the paths in conflict.
    pub stages: Vec<Stage>,
    /// What git says about it, conflicts and remarks, in its order.
    pub messages: Vec<Message>,
}

impl MergeResult {
    /// Whether the tree may be committed: git calls it clean, and no file of it holds markers.
    pub fn is_sound(&self) -> bool {
        self.clean && self.hidden_conflicts().next().is_none()
    }

    /// The paths at which git calls a merge clean though it wrote conflict markers into the file.
    /// It happens when a rename has a content conflict and also collides with another path, seen in
    /// criss-cross histories; `git merge` then commits the markers.
    pub fn hidden_conflicts(&self) -> impl Iterator<Item = &RepoPath> {
        let collision = |message: &&Message| message.kind == RENAME_COLLISION;
        let collisions = self.messages.iter().filter(collision);
        let collisions = collisions.filter(|_| self.clean);
        collisions.flat_map(|message| &message.paths)
    }
}

/// The type of the message about a renamed file that has a content conflict where another path is.
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
    /// The path; git makes up names such as `p~<commit>` where a file cannot stand at its own.
    pub path: RepoPath,
}

/// One message of the merge engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The paths it is about; which comes first is fixed for every kind.
    pub paths: Vec<RepoPath>,
    /// The short type, such as `CONFLICT (contents)`: never localised, promised not to change.
    pub kind: String,
    /// The sentence for people.
    pub text: String,
}

/// Whether and how git merged one pair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MergeAnswer {
    /// It came to an end, clean or not.
    Done(MergeResult),
    /// It did not: what git said when it died.
    Failed(String),
}

/// A commit and its parents.
pub type Lineage = (Oid, Vec<Oid>);

/// A path a branch moved, as (old path, new path).
pub type Rename = (RepoPath, RepoPath);
