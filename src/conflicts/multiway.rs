//! Finds conflicts of branches that merge pair by pair but not all together.
//!
//! Three branches can empty a directory together that a fourth adds to, move a file and change it
//! until git no longer detects the rename, or conflict in text only together. No rule about pairs
//! finds these, so the groups that can do that ([`risky_groups`]) are merged in order, as assembly
//! does it. git is asked only about branches that are not independent of those merged before.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::conflicts::blob_merges::{BlobMerges, Blobs, KeptBlobs};
use crate::conflicts::branch_changes::{BranchChanges, ChangeCache};
use crate::conflicts::classify::{Classified, Evidence, SideInfo, classify};
use crate::conflicts::comparison::Comparison;
use crate::conflicts::detection::Detection;
use crate::conflicts::error::DetectError;
use crate::conflicts::merge_sequence::MergeSequence;
use crate::conflicts::minimize::{MERGES_PER_SET, SmallestSet};
use crate::conflicts::multiway_conflict::{MultiwayConflict, MultiwayReport, SequenceKey};
use crate::conflicts::multiway_risk::risky_groups;
use crate::conflicts::options::Settings;
use crate::conflicts::verdict_cache::VerdictCache;
use crate::git::Store;
use crate::git::merge_engine::MergeEngine;
use crate::merge::answer::MergeAnswer;
use crate::merge::change::{Change, RepoPath};
use crate::merge::class::Class;
use crate::merge::oid::Oid;

/// The default budget of merges for a list of branches. Merges of commits in order cannot be
/// batched, so each costs a process of some ten milliseconds. Merges of contents alone are cheaper,
/// but count between groups.
pub const SEQUENCE_MERGES: usize = 100;

/// The default budget for branches that left their main line at different commits. The tip of such
/// a sequence shares several merge bases with the next branch, which git merges first: up to a
/// second each in a history of 80,000 commits.
pub const DIVERGED_MERGES: usize = 10;

/// Merges branches in order.
pub(super) struct Multiway<'a> {
    pub(super) settings: &'a Settings,
    pub(super) comparison: &'a Comparison,
    pub(super) changes: &'a mut ChangeCache,
    pub(super) blobs: &'a mut KeptBlobs,
    pub(super) cache: &'a mut Option<VerdictCache>,
    /// The commit below all branches.
    pub(super) root: Oid,
}

/// Groups of branches that may conflict together, each in order.
struct Groups {
    groups: Vec<Vec<usize>>,
    /// `true` if one of them may have changed a submodule.
    submodules: bool,
}

impl Multiway<'_> {
    /// Merges the chosen branches in order as far as the budget of merges goes. Returns the report
    /// and the number of merges that this took now.
    pub(super) fn search(
        &mut self,
        chosen: &[usize],
        budget: usize,
    ) -> Result<(MultiwayReport, usize), DetectError> {
        let mut report = MultiwayReport::complete(chosen.len());
        let Groups { groups, submodules } = self.groups(chosen)?;
        if groups.is_empty() {
            return Ok((report, 0));
        }
        if self.cache.is_none() {
            *self.cache = VerdictCache::open(self.settings, self.comparison)?;
        }
        let mut cache = self.cache.take();
        let base = self.settings.common_base.or(self.comparison.base);
        let attributes = base.unwrap_or(self.root);
        let engine = self.comparison.engine.with_attributes_of(attributes)?;
        let key = |this: &Self, group: &[usize], budget| SequenceKey {
            attributes,
            commits: this.describe(group, budget),
            submodules,
        };
        let find = |key: &SequenceKey| cache.as_ref()?.sequence(&engine, key);
        let (mut left, mut run, mut new) = (budget, 0, Vec::new());
        let kept_blobs = std::mem::take(&mut self.blobs.merged);
        let recall = |blobs| {
            let kept = kept_blobs.get(&blobs).copied();
            kept.or_else(|| cache.as_ref()?.contents(blobs))
        };
        let nested = engine.nested()?;
        let store = nested.store()?;
        let mut blobs = BlobMerges::new(&nested)
            .recalling(Some(&recall))
            .with_plain_paths(self.blobs.plain_paths(&engine));
        let unknown = groups
            .iter()
            .filter(|group| find(&key(self, group, None)).is_none());
        let unknown: Vec<&Vec<usize>> = unknown.collect();
        self.merge_contents_ahead(&store, &mut blobs, &unknown)?;
        for group in &groups {
            // A complete result is the same for any budget.
            let (complete, partial) = (key(self, group, None), key(self, group, Some(left)));
            if let Some(known) = find(&complete).or_else(|| find(&partial)) {
                left = left.saturating_sub(known.merges);
                report.add(known.renumbered(|place| group.get(place).copied()));
                continue;
            }
            let sequence = MergeSequence::new(&store, &nested, self.root, blobs)?;
            let found;
            (found, blobs) = self.merge_in_order(sequence, group, left)?;
            run += found.merges;
            left = left.saturating_sub(found.merges);
            // git may have failed for a passing reason, such as a full disk.
            let has_failure = |conflict: &MultiwayConflict| conflict.class == Class::EngineFailure;
            if !found.conflicts.iter().any(has_failure) {
                let key = match found.is_cut_short() {
                    true => partial,
                    false => complete,
                };
                let place = |branch| group.iter().position(|other| *other == branch);
                new.push((key, found.clone().renumbered(place)));
            }
            report.add(found);
        }
        report.sort();
        let learned: HashMap<Blobs, Oid> = blobs.learned().collect();
        if let Some(cache) = &mut cache {
            cache.put_contents(&learned);
            for (key, found) in &new {
                cache.put_sequence(&engine, key, found);
            }
            cache.save(&self.comparison.engine)?;
        }
        *self.cache = cache;
        self.blobs.merged = kept_blobs;
        self.blobs.merged.extend(learned);
        Ok((report, run))
    }

    /// Describes a group by its commits, and by the budget if that ran out.
    fn describe(&self, group: &[usize], budget: Option<usize>) -> String {
        let commits = group.iter().map(|branch| self.comparison.commits[*branch]);
        let commits: Vec<Oid> = commits.collect();
        format!("{} {budget:?} {commits:?}", self.root)
    }

    /// Finds the groups that can conflict together; all branches in one group, if their history
    /// does not allow to tell.
    fn groups(&mut self, chosen: &[usize]) -> Result<Groups, DetectError> {
        if !self.is_simple(chosen) {
            return Ok(Groups {
                groups: vec![chosen.to_vec()],
                submodules: true,
            });
        }
        let known = self.changes_of(chosen)?;
        let changes: Vec<&[Change]> = known.iter().map(|known| known.changes.as_slice()).collect();
        let submodules = changes.iter().copied().flatten().any(|change| {
            let mut sides = change.old.iter().chain(&change.new);
            sides.any(|entry| entry.is_submodule())
        });
        let branches = |group: Vec<usize>| group.into_iter().map(|place| chosen[place]).collect();
        let groups = risky_groups(&changes).into_iter();
        Ok(Groups {
            groups: groups.map(branches).collect(),
            submodules,
        })
    }

    /// Returns `true` if the root is the single merge base of every two of these branches.
    fn is_simple(&self, branches: &[usize]) -> bool {
        self.comparison.prune && self.comparison.is_only_base(self.root, branches)
    }

    /// Reads the changes of branches against the root.
    fn changes_of(&mut self, branches: &[usize]) -> Result<Vec<Arc<BranchChanges>>, DetectError> {
        let comparison = self.comparison;
        let root = comparison.store.tree_of(self.root)?;
        let trees = branches.iter().map(|branch| comparison.trees[*branch]);
        Ok(self.changes.of(&comparison.engine, root, trees)?)
    }

    /// Merges in one batch the contents that merging these groups will probably need.
    fn merge_contents_ahead(
        &mut self,
        store: &Store,
        blobs: &mut BlobMerges<'_>,
        groups: &[&Vec<usize>],
    ) -> Result<(), DetectError> {
        let mut edits = Vec::new();
        for group in groups {
            if !self.is_simple(group) {
                continue;
            }
            let known = self.changes_of(group)?;
            let changes = known.iter().flat_map(|known| &known.changes);
            edits.extend(blobs.predict(store, None, changes)?);
        }
        Ok(blobs.merge_all(&edits)?)
    }

    /// Merges a group in order. Returns the report, and the known merges of contents.
    fn merge_in_order<'s>(
        &mut self,
        mut sequence: MergeSequence<'s>,
        group: &[usize],
        budget: usize,
    ) -> Result<(MultiwayReport, BlobMerges<'s>), DetectError> {
        let commits = group.iter().map(|branch| self.comparison.commits[*branch]);
        let commits: Vec<Oid> = commits.collect();
        if self.is_simple(group) {
            let known = self.changes_of(group)?.into_iter();
            let known = known.map(|known| Some(known.changes.clone()));
            sequence.announce(commits.into_iter().zip(known))?;
        } else if self.settings.common_base.is_some() {
            // Other branches may have a long history above the root, and the budget may be small.
            sequence.announce(commits.into_iter().map(|commit| (commit, None)))?;
        }
        let mut report = MultiwayReport::complete(group.len());
        for (place, &next) in group.iter().enumerate() {
            if sequence.merges_run() >= budget {
                report.searched = place;
                break;
            }
            if !sequence.add(next, self.comparison.commits[next])? {
                report.conflicts.extend(self.conflict(&mut sequence, next)?);
            }
        }
        report.merges = sequence.merges_needed();
        Ok((report, sequence.into_blobs()))
    }

    /// Finds the smallest set for a branch that conflicts with the merged ones. `None` if a pair
    /// shows the conflict.
    fn conflict(
        &mut self,
        sequence: &mut MergeSequence<'_>,
        next: usize,
    ) -> Result<Option<MultiwayConflict>, DetectError> {
        let (engine, store) = sequence.engine_and_store();
        let commit = self.comparison.commits[next];
        let tip = sequence.tip()?;
        let (class, paths) = self.classify(engine, store, tip, next)?;
        let set = sequence.smallest_set(commit, &paths, MERGES_PER_SET)?;
        let SmallestSet {
            members: mut branches,
            tip,
            is_smallest,
        } = set;
        if branches.len() < 2 {
            return Ok(None);
        }
        // The smallest set may show less than all branches together.
        let (class, paths) = match tip {
            Some(tip) => self.classify(engine, store, tip, next)?,
            None => (class, paths),
        };
        branches.push(next);
        Ok(Some(MultiwayConflict {
            branches,
            is_smallest,
            class,
            paths,
        }))
    }

    /// Merges one branch into a merged commit, and returns the class of the worst unit and the paths
    /// of all units.
    fn classify(
        &mut self,
        engine: &MergeEngine,
        store: &Store,
        tip: Oid,
        next: usize,
    ) -> Result<(Class, Vec<RepoPath>), DetectError> {
        let commit = self.comparison.commits[next];
        let MergeAnswer::Done(result) = engine.merge(tip, commit)? else {
            return Ok((Classified::engine_failure().class, Vec::new()));
        };
        let root = store.tree_of(self.root)?;
        let ours = store.changes(root, store.tree_of(tip)?)?;
        let theirs = self.changes_of(&[next])?;
        let side = |commit, changes| SideInfo {
            commit,
            changes,
            renames: &[],
        };
        let classified = classify(&Evidence {
            result: &result,
            ours: side(tip, &ours),
            theirs: side(commit, &theirs[0].changes),
            blob: &|oid| store.blob(oid).ok(),
            generated: &|path| self.settings.generated.has(path),
        });
        let units = classified.units.iter();
        let paths: BTreeSet<RepoPath> = units.flat_map(|unit| unit.paths.iter().cloned()).collect();
        Ok((classified.class, paths.into_iter().collect()))
    }
}

/// Selects the branches of `order` that conflict with none before them in pairs.
pub(super) fn without_conflicts(detection: &Detection, order: &[usize]) -> Vec<usize> {
    let mut conflicts: HashMap<usize, Vec<usize>> = HashMap::new();
    for pair in detection.conflicts() {
        conflicts.entry(pair.a).or_default().push(pair.b);
        conflicts.entry(pair.b).or_default().push(pair.a);
    }
    let mut chosen = Vec::new();
    let mut is_chosen = vec![false; detection.branches.len()];
    for &branch in order {
        let others = conflicts.get(&branch).into_iter().flatten();
        if !others.into_iter().any(|other| is_chosen[*other]) {
            chosen.push(branch);
            is_chosen[branch] = true;
        }
    }
    chosen
}
