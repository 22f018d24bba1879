//! Classifies one conflicting group: the first matching class in decision order.

use crate::conflicts::classify::groups::Group;
use crate::conflicts::classify::{Evidence, SideInfo};
use crate::conflicts::hunks;
use crate::merge::answer::{RENAME_COLLISION, Stage};
use crate::merge::change::Entry;
use crate::merge::class::Class;
use crate::merge::verdict::{Hunk, Unit};

/// Builds the unit of a group with its severity; `None` if the group is not a conflict.
pub(super) fn conflict_unit(evidence: &Evidence<'_>, group: &Group<'_>) -> Option<(Unit, u8)> {
    let class = conflict_class(evidence, group);
    // git also prints this message if it found a path for both; then nothing is staged.
    if class == Class::FileDirectory && group.stages.is_empty() {
        return None;
    }
    let hunks = if class == Class::Content {
        content_hunks(evidence, group)
    } else {
        Vec::new()
    };
    let worst_hunk = hunks.iter().map(|hunk| hunk.class.severity()).max();
    let severity = match class {
        Class::ModifyDelete if is_mode_only(group) => 2,
        class => worst_hunk.unwrap_or(class.severity()),
    };
    let unit = Unit {
        class,
        paths: group.paths.iter().cloned().collect(),
        hunks,
    };
    Some((unit, severity))
}

/// Returns the first class that fits, in decision order.
fn conflict_class(evidence: &Evidence<'_>, group: &Group<'_>) -> Class {
    if group.has_message_like("ERROR") {
        Class::EngineFailure
    } else if group.has_message("CONFLICT(directory rename unclear split)") {
        Class::DirRenameSplit
    } else if group.has_message("CONFLICT(directory rename collision)") {
        Class::DirRenameCollision
    } else if group.has_message("CONFLICT (file in way of directory rename)") {
        Class::FileInWay
    } else if group.has_message("CONFLICT (directory rename suggested)") {
        Class::DirRenameSuggested
    } else if group.has_message("CONFLICT (file/directory)") {
        Class::FileDirectory
    } else if group.has_message_like("CONFLICT (submodule") || any_mode(group, Entry::SUBMODULE) {
        Class::Submodule
    } else if group.has_message("CONFLICT (distinct modes)") {
        Class::DistinctTypes
    } else {
        rename_or_content_class(evidence, group)
    }
}

fn rename_or_content_class(evidence: &Evidence<'_>, group: &Group<'_>) -> Class {
    if group.has_message("CONFLICT (rename/rename)") {
        Class::RenameRename
    } else if group.has_message("CONFLICT (rename/delete)")
        && group.has_message("CONFLICT (contents)")
    {
        Class::RenameAddDelete
    } else if group.has_message(RENAME_COLLISION) {
        Class::RenameCollision
    } else if group.has_message("CONFLICT (rename/delete)") {
        Class::RenameDelete
    } else if group.has_message("CONFLICT (modify/delete)") {
        Class::ModifyDelete
    } else if group.has_message("CONFLICT (binary)") || is_lfs(evidence, group) {
        Class::Binary
    } else if !group.stages.is_empty() && group.stages.iter().all(|s| s.mode == 0o120_000) {
        Class::Symlink
    } else if is_exec_bit(group) {
        Class::ExecBit
    } else if group.has_only_sides() {
        addition_class(evidence, group)
    } else if group.paths.iter().any(evidence.generated) {
        Class::Generated
    } else {
        Class::Content
    }
}

/// Classifies two new files at one path by the renames of each branch.
fn addition_class(evidence: &Evidence<'_>, group: &Group<'_>) -> Class {
    let renamed_here = |side: &SideInfo<'_>| {
        let mut renames = side.renames.iter();
        renames.any(|(_, new)| group.paths.contains(new))
    };
    match (renamed_here(&evidence.ours), renamed_here(&evidence.theirs)) {
        (true, true) => Class::RenameRename2to1,
        (false, false) => Class::AddAdd,
        _ => Class::RenameAdd,
    }
}

fn any_mode(group: &Group<'_>, mode: u32) -> bool {
    group.stages.iter().any(|stage| stage.mode == mode)
}

fn is_exec_bit(group: &Group<'_>) -> bool {
    match (group.stage(2), group.stage(3)) {
        (Some(ours), Some(theirs)) => ours.oid == theirs.oid && ours.mode != theirs.mode,
        _ => false,
    }
}

/// Returns `true` if only the mode of the remaining side differs from the base.
fn is_mode_only(group: &Group<'_>) -> bool {
    let kept = group.stage(2).or(group.stage(3));
    match (group.stage(1), kept) {
        (Some(base), Some(kept)) => {
            let is_file = |stage: &Stage| stage.mode & 0o170_000 == 0o100_000;
            base.oid == kept.oid && is_file(base) && is_file(kept)
        }
        _ => false,
    }
}

/// Returns `true` for pointers of large files, which are text but must not be merged by lines.
fn is_lfs(evidence: &Evidence<'_>, group: &Group<'_>) -> bool {
    let start = b"version https://git-lfs.github.com/spec/v1";
    let is_pointer = |stage: &Stage| {
        let content = (evidence.blob)(stage.oid);
        content.is_some_and(|content| content.starts_with(start))
    };
    group
        .stages
        .iter()
        .copied()
        .filter(|stage| stage.mode & 0o170_000 == 0o100_000)
        .any(is_pointer)
}

fn content_hunks(evidence: &Evidence<'_>, group: &Group<'_>) -> Vec<Hunk> {
    let content = |number: u8| (evidence.blob)(group.stage(number)?.oid);
    let path = group.stages.first().map(|stage| &stage.path);
    match (path, content(1), content(2), content(3)) {
        (Some(path), Some(base), Some(ours), Some(theirs)) => {
            hunks::hunks(path, &base, &ours, &theirs)
        }
        _ => Vec::new(),
    }
}
