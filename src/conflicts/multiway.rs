//! Conflicts that no pair shows: branches that merge two by two and not all together.
//!
//! Three branches can empty a directory together that a fourth adds to, move a file and change it
//! until git no longer sees the move, or meet in text only jointly. No rule about pairs finds these,
//! so the groups that can do that ([`risky_groups`]) are merged in order, as assembly does it: git is
//! asked only about those that meet what was merged before them.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::conflicts::blob_merges::Contents;
use crate::conflicts::branches::Scene;
use crate::conflicts::classify::{Classified, Evidence, SideInfo, classify};
use crate::conflicts::detector::{DetectError, Detection, Detector, Merged, Side};
use crate::conflicts::minimize::{Guilt, MERGES_PER_SET, Sequence};
use crate::conflicts::multiway_risk::risky_groups;
use crate::git::Store;
use crate::git::merge_engine::MergeEngine;
use crate::merge::answer::MergeAnswer;
use crate::merge::change::{Change, RepoPath};
use crate::merge::oid::Oid;
use crate::merge::verdict::Class;

/// How many merges in sequence a list of branches that nobody is about to assemble is worth unasked.
/// Those of commits cannot be asked for in one batch, so each costs a process of its own, some ten
/// milliseconds; those of contents alone are cheaper, but between groups they count, too.
pub const SEQUENCE_MERGES: usize = 100;

/// The same for branches that left their main line at different commits. The tip of such a sequence
/// shares several bases with the next branch, which git first merges with each other: up to a second
/// each in a history of 80,000 commits.
pub const APART_MERGES: usize = 10;

/// A conflict of branches that merge pair by pair.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Emergent {
    /// The smallest set found that shows it, as places in the list of branches, in the order in
    /// which they were merged; the last one is where it came up.
    pub branches: Vec<usize>,
    /// Whether none of them can be left out; otherwise the search for that was given up.
    pub is_smallest: bool,
    /// The class of the worst unit.
    pub class: Class,
    /// The paths of all units.
    pub paths: Vec<RepoPath>,
}

/// What merging in sequence showed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Joint {
    /// The conflicts.
    pub found: Vec<Emergent>,
    /// How many branches were to be merged: those that conflict with none before them in pairs.
    pub wanted: usize,
    /// How many of them were looked at; fewer when the merges were used up.
    pub seen: usize,
    /// How often git was asked for it, now or when it was found out.
    pub merges: usize,
}

impl Joint {
    /// Whether the search was given up before its end.
    pub fn is_cut_short(&self) -> bool {
        self.seen < self.wanted
    }
}

impl Detector {
    /// Merges, in the given order, the branches that conflict with none before them in pairs, and
    /// reports what conflicts all the same. `order` names places of `detection.branches`; `merges`
    /// bounds how often git may be asked, beside what making a set small takes; what is asked counts
    /// as [`Detection::merges_run`].
    ///
    /// # Errors
    /// When git or the store cannot be used.
    pub fn emergent(
        &mut self,
        detection: &mut Detection,
        order: &[usize],
        merges: usize,
    ) -> Result<Joint, DetectError> {
        let chosen = without_conflicts(detection, order);
        let mut joint = Joint {
            wanted: chosen.len(),
            seen: chosen.len(),
            ..Joint::default()
        };
        if chosen.len() < 3 {
            return Ok(joint);
        }
        let scene = self.scene(&detection.branches)?;
        let Some(root) = root(&scene) else {
            return Ok(joint);
        };
        let groups = self.risky(&scene, root, &chosen)?;
        if !groups.0.is_empty() {
            detection.merges_run += self.search(&scene, root, groups, merges, &mut joint)?;
        }
        self.keep(&detection.branches, scene);
        Ok(joint)
    }

    /// Adds to `joint` what each of these groups shows, and returns how many merges that took now.
    fn search(
        &mut self,
        scene: &Scene,
        root: Oid,
        (groups, submodules): (Vec<Vec<usize>>, bool),
        merges: usize,
        joint: &mut Joint,
    ) -> Result<usize, DetectError> {
        let attributes = self.run_base.or(scene.base).unwrap_or(root);
        let engine = scene.engine.with_attributes_of(attributes)?;
        let mut cache = self.cache(scene)?;
        let asked = |group: &[usize], merges| {
            Asked::new(scene, root, attributes, (group, submodules), merges)
        };
        let known = |asked: &Asked| cache.as_ref().and_then(|c| c.joint(&engine, asked));
        let (mut left, mut run, mut fresh) = (merges, 0, Vec::new());
        let merged = std::mem::take(&mut self.contents);
        let recall = |blobs| {
            let known = merged.get(&blobs).copied();
            known.or_else(|| cache.as_ref()?.contents(blobs))
        };
        let aside = engine.nested()?;
        let store = aside.store()?;
        let plain = self.plain.take().filter(|(from, _)| *from == attributes);
        let plain = plain.map(|(_, plain)| plain).unwrap_or_default();
        let mut contents = Contents::new(&aside).recalling(Some(&recall)).seeing(plain);
        let unknown = groups
            .iter()
            .filter(|group| known(&asked(group, None)).is_none());
        self.foretell(scene, (&store, &mut contents), root, unknown)?;
        for group in groups {
            // To its end it is the same for any number of merges; cut short it is not.
            let (whole, part) = (asked(&group, None), asked(&group, Some(left)));
            if let Some(known) = known(&whole).or_else(|| known(&part)) {
                left = left.saturating_sub(known.merges);
                joint.add(known.renamed(|place| group.get(place).copied()));
                continue;
            }
            let found;
            let sequence = Sequence::new(&store, &aside, root, contents)?;
            (found, contents) = self.merge_in_order(scene, sequence, root, &group, left)?;
            run += found.merges;
            left = left.saturating_sub(found.merges);
            let asked = if found.is_cut_short() { part } else { whole };
            // Why git failed may pass (a full disk), so that is asked about again.
            let failed = |emergent: &Emergent| emergent.class == Class::EngineFailure;
            if !found.found.iter().any(failed) {
                let place = |branch| group.iter().position(|other| *other == branch);
                fresh.push((asked, found.clone().renamed(place)));
            }
            joint.add(found);
        }
        let learned: Merged = contents.learned().collect();
        joint.found.sort_by(|a, b| a.branches.cmp(&b.branches));
        if let Some(cache) = &mut cache {
            cache.put_contents(&learned);
            for (asked, found) in &fresh {
                cache.put_joint(&engine, asked, found);
            }
            cache.save(scene)?;
        }
        self.contents = merged;
        self.contents.extend(learned);
        Ok(run)
    }

    /// The groups that can conflict together, each in order, and whether any of them may have changed
    /// a submodule; all of them, and yes, where nothing is known.
    fn risky(
        &mut self,
        scene: &Scene,
        root: Oid,
        chosen: &[usize],
    ) -> Result<(Vec<Vec<usize>>, bool), DetectError> {
        if !scene.prune || !scene.share_only(root, chosen) {
            return Ok((vec![chosen.to_vec()], true));
        }
        let tree = scene.store.tree_of(root)?;
        let sides = self.sides(scene, tree, chosen)?;
        let changes: Vec<&[Change]> = sides.iter().map(|side| side.changes.as_slice()).collect();
        let mut entries = changes.iter().flat_map(|changes| changes.iter());
        let submodules = entries.any(|change| {
            let mut sides = change.old.iter().chain(&change.new);
            sides.any(|entry| entry.is_submodule())
        });
        let groups = risky_groups(&changes).into_iter();
        let branches = |group: Vec<usize>| group.into_iter().map(|place| chosen[place]).collect();
        Ok((groups.map(branches).collect(), submodules))
    }

    /// Asks in one go about the contents that merging each of these groups will probably need.
    fn foretell<'g>(
        &mut self,
        scene: &Scene,
        (store, contents): (&Store, &mut Contents<'_>),
        root: Oid,
        groups: impl Iterator<Item = &'g Vec<usize>>,
    ) -> Result<(), DetectError> {
        let tree = store.tree_of(root)?;
        let mut edits = Vec::new();
        for group in groups.filter(|group| scene.prune && scene.share_only(root, group)) {
            let sides = self.sides(scene, tree, group)?;
            let changes = sides.iter().flat_map(|side| &side.changes);
            edits.extend(contents.expected(store, None, changes)?);
        }
        Ok(contents.ask(&edits)?)
    }

    /// What merging the group in order shows, and what is known of merging contents then.
    fn merge_in_order<'a>(
        &mut self,
        scene: &Scene,
        mut sequence: Sequence<'a>,
        root: Oid,
        group: &[usize],
        merges: usize,
    ) -> Result<(Joint, Contents<'a>), DetectError> {
        if scene.prune && scene.share_only(root, group) {
            let sides = self.sides(scene, scene.store.tree_of(root)?, group)?;
            let sides = group.iter().zip(sides);
            sequence.foretell(sides.map(|(b, side)| (scene.trees[*b], side.changes.clone())))?;
        }
        let mut joint = Joint {
            wanted: group.len(),
            seen: group.len(),
            ..Joint::default()
        };
        for (place, &next) in group.iter().enumerate() {
            if sequence.merges_run() >= merges {
                joint.seen = place;
                break;
            }
            if !sequence.add(next, scene.commits[next])? {
                let found = self.emergent_of(scene, &mut sequence, next)?;
                joint.found.extend(found);
            }
        }
        joint.merges = sequence.merges_needed();
        Ok((joint, sequence.into_contents()))
    }

    fn emergent_of(
        &mut self,
        scene: &Scene,
        sequence: &mut Sequence<'_>,
        next: usize,
    ) -> Result<Option<Emergent>, DetectError> {
        let (engine, store) = sequence.merged_with();
        let commit = scene.commits[next];
        let tip = sequence.tip()?;
        let (class, paths) = self.verdict_on(scene, engine, store, tip, next)?;
        let guilt = sequence.smallest(commit, &paths, MERGES_PER_SET)?;
        let Guilt {
            members,
            tip,
            is_smallest,
        } = guilt;
        if members.len() < 2 {
            return Ok(None);
        }
        // What the small set shows may be less than what all showed together.
        let (class, paths) = match tip {
            Some(tip) => self.verdict_on(scene, engine, store, tip, next)?,
            None => (class, paths),
        };
        let mut branches = members;
        branches.push(next);
        Ok(Some(Emergent {
            branches,
            is_smallest,
            class,
            paths,
        }))
    }

    /// The class of the worst unit and all paths of merging one branch into a merged commit.
    fn verdict_on(
        &mut self,
        scene: &Scene,
        engine: &MergeEngine,
        store: &Store,
        tip: Oid,
        next: usize,
    ) -> Result<(Class, Vec<RepoPath>), DetectError> {
        let classified = match engine.merge(tip, scene.commits[next])? {
            MergeAnswer::Failed(_) => Classified::engine_failure(),
            MergeAnswer::Done(result) => {
                let (ours, theirs): (_, Arc<Side>) = match root(scene) {
                    Some(root) => {
                        let root = store.tree_of(root)?;
                        let changes = store.changes(root, store.tree_of(tip)?)?;
                        (changes, self.side(scene, root, next)?)
                    }
                    None => Default::default(),
                };
                let side = |commit, changes| SideInfo {
                    commit,
                    changes,
                    renames: &[],
                };
                classify(&Evidence {
                    result: &result,
                    ours: side(tip, &ours),
                    theirs: side(scene.commits[next], &theirs.changes),
                    blob: &|oid| store.blob(oid).ok(),
                    generated: &|path| self.generated.is_match(path.to_string()),
                })
            }
        };
        let units = classified.units.iter();
        let paths: BTreeSet<RepoPath> = units.flat_map(|unit| unit.paths.iter().cloned()).collect();
        Ok((classified.class, paths.into_iter().collect()))
    }
}

/// What the merges in sequence depend on.
pub(super) struct Asked {
    /// The commit whose attributes hold.
    pub(super) attributes: Oid,
    /// The commit below them, their commits in order, and how many merges they are worth if that
    /// was not enough.
    pub(super) commits: String,
    /// Whether one of them may have changed a submodule; git then looks into what was fetched there.
    pub(super) submodules: bool,
}

impl Asked {
    fn new(
        scene: &Scene,
        root: Oid,
        attributes: Oid,
        (group, submodules): (&[usize], bool),
        merges: Option<usize>,
    ) -> Asked {
        let commits: Vec<Oid> = group.iter().map(|place| scene.commits[*place]).collect();
        Asked {
            attributes,
            commits: format!("{root} {merges:?} {commits:?}"),
            submodules,
        }
    }
}

impl Joint {
    /// Takes in what a group of the branches showed.
    fn add(&mut self, group: Joint) {
        self.found.extend(group.found);
        self.seen -= group.wanted - group.seen;
        self.merges += group.merges;
    }

    /// The same with other places for the branches: in another list they stand elsewhere. What has
    /// no place any more is left out.
    fn renamed(mut self, place: impl Fn(usize) -> Option<usize>) -> Joint {
        let renamed = |emergent: Emergent| {
            let branches = emergent.branches.into_iter().map(&place);
            let branches = branches.collect::<Option<Vec<usize>>>()?;
            Some(Emergent {
                branches,
                ..emergent
            })
        };
        self.found = self.found.into_iter().filter_map(renamed).collect();
        self.found.sort_by(|a, b| a.branches.cmp(&b.branches));
        self
    }
}

/// The commit below all of them, as it stands below what is merged: for a base that was asked for
/// this is the throwaway commit under the throwaway branches.
fn root(scene: &Scene) -> Option<Oid> {
    match (scene.asked_base, scene.base) {
        (Some(root), _) => Some(root),
        (None, base) => base,
    }
}

/// The branches of `order` that conflict with none before them.
fn without_conflicts(detection: &Detection, order: &[usize]) -> Vec<usize> {
    let conflicts: HashSet<(usize, usize)> =
        detection.conflicts().map(|pair| (pair.a, pair.b)).collect();
    let mut chosen: Vec<usize> = Vec::new();
    for &branch in order {
        let clash = |other: &usize| conflicts.contains(&(branch.min(*other), branch.max(*other)));
        if !chosen.iter().any(clash) {
            chosen.push(branch);
        }
    }
    chosen
}
