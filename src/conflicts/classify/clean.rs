//! What two branches have in common where git merged them clean.

use std::collections::BTreeSet;

use crate::conflicts::classify::Evidence;
use crate::merge::change::{Change, RepoPath};
use crate::merge::verdict::{Class, Unit};

/// One unit a class, for the paths both branches changed.
pub(super) fn clean_units(evidence: &Evidence<'_>) -> Vec<(Unit, u8)> {
    let (mut same, mut merged, mut renamed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (a, b) in shared(evidence.ours.changes, evidence.theirs.changes) {
        let path = a.path.clone();
        match (&a.new, &b.new) {
            (x, y) if x == y => same.insert(path),
            (Some(_), Some(_)) => merged.insert(path),
            // Deleted here and changed there is clean only when the change went along a rename.
            (None, _) => carried(&mut renamed, a, evidence.ours.changes),
            (_, None) => carried(&mut renamed, b, evidence.theirs.changes),
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

/// Notes a path that a branch moved away and, if it did not edit it, where it went.
fn carried(paths: &mut BTreeSet<RepoPath>, gone: &Change, changes: &[Change]) -> bool {
    let old = gone.old.map(|entry| entry.oid);
    let arrived = |change: &&Change| change.old.is_none() && change.new.map(|new| new.oid) == old;
    let arrived = changes
        .iter()
        .filter(arrived)
        .map(|change| change.path.clone());
    paths.extend(arrived);
    paths.insert(gone.path.clone())
}

/// The changes of both branches at the same path; both lists are sorted.
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
