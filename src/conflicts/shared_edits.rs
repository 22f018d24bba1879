//! Files that two branches both edit, where nothing else connects them.
//!
//! [`crate::conflicts::prune`] tells when git takes every path from the side that changed it. Let the
//! two also touch common paths, but each of them a regular file of one mode in the base and on both
//! sides. Such a path cannot be the source of a rename, because no side deletes it, or the target of
//! one, because no side adds it; nor does it empty a directory. So nothing changes for the other
//! paths, and at the common ones git merges three contents (`handle_content_merge` of git's
//! `merge-ort.c`). The result depends on the three blobs and on the attributes of the path, and on
//! nothing else in the trees, so the same three need to be merged only once.

use crate::conflicts::branch_changes::BranchChanges;
use crate::conflicts::prune::is_apart_elsewhere;
use crate::merge::change::{Change, Entry, RepoPath};
use crate::merge::oid::Oid;

/// A file that two sides edit.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct SharedEdit {
    pub(super) path: RepoPath,
    /// The mode in all three trees.
    pub(super) mode: u32,
    /// The blobs of base, ours and theirs.
    pub(super) blobs: [Oid; 3],
}

/// Lists the files that two branches with the same single merge base both edit. `None` if anything
/// else of them could conflict. A file that both changed to the same content is left out, because
/// git takes it as it is.
pub(super) fn shared_edits(
    ours: &BranchChanges,
    theirs: &BranchChanges,
) -> Option<Vec<SharedEdit>> {
    let mut edits = Vec::new();
    let mut their_changes = theirs.changes.iter().peekable();
    for ours in &ours.changes {
        while their_changes
            .next_if(|theirs| theirs.path < ours.path)
            .is_some()
        {}
        if let Some(theirs) = their_changes.next_if(|theirs| theirs.path == ours.path) {
            edits.push(shared_edit(&ours.path, theirs, ours.new?)?);
        }
    }
    edits.retain(|edit| edit.blobs[1] != edit.blobs[2]);
    is_apart_elsewhere(&ours.footprint, &theirs.footprint).then_some(edits)
}

/// Builds the edit of a file that has other content on our side; `None` if it is more than an edit.
pub(super) fn shared_edit(path: &RepoPath, theirs: &Change, ours: Entry) -> Option<SharedEdit> {
    let (base, theirs) = (theirs.old?, theirs.new?);
    let is_file = matches!(base.mode, 0o100_644 | 0o100_755);
    let one_mode = base.mode == ours.mode && base.mode == theirs.mode;
    (is_file && one_mode).then(|| SharedEdit {
        path: path.clone(),
        mode: base.mode,
        blobs: [base.oid, ours.oid, theirs.oid],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conflicts::footprint::Footprint;

    /// Parses changes: `~p1` gives file p the content 1, `+p1` adds it, `-p` deletes it, `xp` makes
    /// it executable; `-d/` removes a directory.
    fn side(text: &str) -> BranchChanges {
        let (mut changes, mut removed) = (Vec::new(), Vec::new());
        let entry = |mode, byte| {
            let oid = Oid::from_bytes([byte; 20]);
            Some(Entry { mode, oid })
        };
        for word in text.split_whitespace() {
            let (sign, rest) = word.split_at(1);
            if let Some(folder) = rest.strip_suffix('/') {
                removed.push(folder.into());
                continue;
            }
            let path = rest.trim_end_matches(|c: char| c.is_ascii_digit());
            let content = rest[path.len()..].parse().unwrap_or(9);
            let (old, new) = match sign {
                "+" => (None, entry(0o100_644, content)),
                "-" => (entry(0o100_644, 0), None),
                "x" => (entry(0o100_644, 0), entry(0o100_755, content)),
                _ => (entry(0o100_644, 0), entry(0o100_644, content)),
            };
            let path = path.into();
            changes.push(Change { path, old, new });
        }
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        let footprint = Footprint::new(&changes, removed);
        BranchChanges { changes, footprint }
    }

    fn shared(a: &str, b: &str) -> Option<String> {
        let (ours, theirs) = (side(a), side(b));
        let found = shared_edits(&ours, &theirs);
        let back = shared_edits(&theirs, &ours);
        assert_eq!(found.is_some(), back.is_some(), "the same both ways round");
        let name = |edit: &SharedEdit| edit.path.to_string();
        found.map(|edits| edits.iter().map(name).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn files_that_both_edit_are_listed() {
        assert_eq!(shared("~a1 ~b1 +c1", "~b2 -d ~e1").as_deref(), Some("b"));
        assert_eq!(shared("~a1 ~b1", "~a2 ~b2").as_deref(), Some("a b"));
        assert_eq!(shared("~a1 ~b1", "~c1").as_deref(), Some(""));
    }

    #[test]
    fn the_same_content_on_both_sides_needs_no_merge() {
        assert_eq!(shared("~a1 ~b1", "~a1 ~b2").as_deref(), Some("b"));
    }

    #[test]
    fn any_other_common_path_gives_none() {
        assert_eq!(shared("~a1", "-a"), None);
        assert_eq!(shared("+a1", "+a2"), None);
        assert_eq!(shared("~a1", "xa2"), None);
        // A file and a directory at one path, and an addition to a removed directory.
        assert_eq!(shared("~a1 +d1", "~a2 +d/x1"), None);
        assert_eq!(shared("~a1 -d/y -d/", "~a2 +d/x1"), None);
    }
}
