//! Describes the three versions of a file that conflict at one path.

use crate::conflicts::markers::marker_left;
use crate::git::Store;
use crate::merge::answer::MergeResult;
use crate::merge::answer::Stage;
use crate::merge::change::{Entry, RepoPath};
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::merge::verdict::Unit;

/// The output of a tool, or the reason why it is not used.
pub(super) type ToolResult<T> = Result<T, String>;

/// The versions of a file that conflict at a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileConflict {
    /// The path.
    pub path: RepoPath,
    /// The class of its unit.
    pub class: Class,
    /// The mode of the merged file.
    pub mode: u32,
    /// The common base, if there is one.
    pub base: Option<Oid>,
    /// The version merged before.
    pub ours: Oid,
    /// The candidate's version.
    pub theirs: Oid,
}

impl FileConflict {
    /// Returns the merged file with this content, as an edit of a tree.
    pub(super) fn edit(&self, oid: Oid) -> (RepoPath, Option<Entry>) {
        let mode = self.mode;
        (self.path.clone(), Some(Entry { mode, oid }))
    }

    /// Rejects a text with a conflict marker that none of the versions has.
    pub(super) fn without_markers(&self, store: &Store, text: Vec<u8>) -> ToolResult<Vec<u8>> {
        let versions = [self.base, Some(self.ours), Some(self.theirs)];
        let versions = versions.into_iter().flatten();
        let versions: Vec<Vec<u8>> = versions.filter_map(|oid| store.blob(oid).ok()).collect();
        let versions: Vec<&[u8]> = versions.iter().map(Vec::as_slice).collect();
        match marker_left(&text, &versions) {
            Some(marker) => Err(format!("the result has a conflict marker, `{marker}`")),
            None => Ok(text),
        }
    }
}

/// Returns the file conflicts of a unit; `None` unless every side of each is an ordinary file.
pub(crate) fn file_conflicts(unit: &Unit, result: &MergeResult) -> Option<Vec<FileConflict>> {
    let staged = |path: &RepoPath| -> Vec<&Stage> {
        let stages = result.stages.iter();
        stages.filter(|stage| stage.path == *path).collect()
    };
    let paths = unit.paths.iter().map(|path| (path, staged(path)));
    let conflicts = paths
        .filter(|(_, stages)| !stages.is_empty())
        .map(|(path, stages)| file_conflict(path, unit.class, &stages));
    let conflicts: Option<Vec<FileConflict>> = conflicts.collect();
    conflicts.filter(|conflicts| !conflicts.is_empty())
}

fn file_conflict(path: &RepoPath, class: Class, stages: &[&Stage]) -> Option<FileConflict> {
    let side = |number: u8| stages.iter().find(|stage| stage.stage == number);
    let is_file = |stage: &&Stage| stage.mode & 0o170_000 == 0o100_000;
    let (base, ours, theirs) = (side(1), side(2)?, side(3)?);
    if !stages.iter().all(is_file) {
        return None;
    }
    let mode = match base {
        Some(base) if base.mode == ours.mode => theirs.mode,
        Some(base) if base.mode == theirs.mode => ours.mode,
        // The executable bit is the larger of the two modes a file can have.
        _ => ours.mode.max(theirs.mode),
    };
    Some(FileConflict {
        path: path.clone(),
        class,
        mode,
        base: base.map(|stage| stage.oid),
        ours: ours.oid,
        theirs: theirs.oid,
    })
}
