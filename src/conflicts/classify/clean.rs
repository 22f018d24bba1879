//! Classifies the common paths of a clean merge.

use std::collections::BTreeSet;

use crate::conflicts::classify::Evidence;
use crate::merge::change::{Change, RepoPath};
use crate::merge::class::Class;
use crate::merge::verdict::Unit;

/// Builds one unit per class for the paths that both branches changed.
pub(super) fn clean_units(evidence: &Evidence<'_>) -> Vec<(Unit, u8)> {
    let (mut same, mut merged, mut renamed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (a, b) in shared(evidence.ours.changes, evidence.theirs.changes) {
        let path = a.path.clone();
        match (&a.new, &b.new) {
            (x, y) if x == y => same.insert(path),
            (Some(_), Some(_)) => merged.insert(path),
            // Deleted on one side and changed on the other is clean only after a rename.
            (None, _) => add_renamed(&mut renamed, a, evidence.ours.changes),
            (_, None) => add_renamed(&mut renamed, b, evidence.theirs.changes),
        };
    }
    for message in &evidence.result.messages {
        match message.kind.as_str() {
            "Auto-merging" if !message.paths.iter().all(|p| merged.contains(p)) => {
                renamed.extend(message.paths.iter().cloned());
            }
            "Path updated due to directory rename" => renamed.extend(message.paths.iter().cloned()),
            _ => {}
        }
    }
    let unit = |class: Class, paths: BTreeSet<RepoPath>| {
        let paths: Vec<RepoPath> = paths.into_iter().collect();
        (!paths.is_empty()).then(|| with_severity(class, paths))
    };
    let hidden: BTreeSet<RepoPath> = evidence.result.hidden_conflicts().cloned().collect();
    renamed.retain(|path| !hidden.contains(path));
    merged.retain(|path| !hidden.contains(path));
    [
        unit(Class::RenameCollision, hidden),
        unit(Class::AutoMergedRename, renamed),
        unit(Class::AutoMerged, merged),
        unit(Class::Identical, same),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Adds a path that a branch renamed and, if it did not edit the file, the new path.
fn add_renamed(paths: &mut BTreeSet<RepoPath>, gone: &Change, changes: &[Change]) -> bool {
    let old = gone.old.map(|entry| entry.oid);
    let is_new_path =
        |change: &&Change| change.old.is_none() && change.new.map(|new| new.oid) == old;
    let new_paths = changes.iter().filter(is_new_path);
    paths.extend(new_paths.map(|change| change.path.clone()));
    paths.insert(gone.path.clone())
}

/// Pairs the changes of both branches at the same path; both lists are sorted.
fn shared<'a>(ours: &'a [Change], theirs: &'a [Change]) -> Vec<(&'a Change, &'a Change)> {
    let find = |change: &'a Change| {
        let place = theirs.binary_search_by(|other| other.path.cmp(&change.path));
        place.ok().map(|place| (change, &theirs[place]))
    };
    ours.iter().filter_map(find).collect()
}

fn with_severity(class: Class, paths: Vec<RepoPath>) -> (Unit, u8) {
    let unit = Unit {
        class,
        paths,
        hunks: Vec::new(),
    };
    (unit, class.severity())
}
