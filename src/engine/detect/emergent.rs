//! Conflicts that no pair shows: branches that merge two by two and not all together.
//!
//! Three branches can empty a directory together that a fourth adds to, move a file and change it
//! until git no longer sees the move, or meet in text only jointly. Which sets can do that is known:
//! branches connected by pairs that are not independent, or by a directory that some of them empty
//! together while another adds below it. Only such sets are merged in sequence.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::conflict::classify::{Evidence, SideInfo, classify};
use crate::engine::detect::scene::Scene;
use crate::engine::detect::{DetectError, Detection, Detector, Side};
use crate::git::merge_tree::{MergeAnswer, MergeEngine, MergeResult};
use crate::model::change::RepoPath;
use crate::model::conflict::{Class, Verdict};
use crate::model::ids::Oid;

/// How many merges one call spends on making the sets small; what is found after that is reported
/// with all branches that were merged before it.
const SHRINKING_MERGES: usize = 1000;

/// The most branches among which a list of verdicts is to look for joint conflicts. Merges in
/// sequence cannot be asked for in one batch, so each costs a process of its own: a hundred
/// branches took minutes where all their pairs took seconds. Assembly, which merges in sequence
/// anyway, meets what a longer list does not show.
pub const LARGEST_SEARCH: usize = 24;

/// A conflict of branches that merge pair by pair.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Emergent {
    /// The smallest set found that shows it, as places in the list of branches, in the order in
    /// which they were merged; the last one is where it came up.
    pub branches: Vec<usize>,
    /// The class of the worst unit.
    pub class: Class,
    /// The paths of all units.
    pub paths: Vec<RepoPath>,
}

impl Detector {
    /// Merges, in the given order, the branches that conflict with none before them in pairs, and
    /// reports what conflicts all the same. `order` names places of `detection.branches`.
    ///
    /// # Errors
    /// When git or the store cannot be used.
    pub fn emergent(
        &mut self,
        detection: &mut Detection,
        order: &[usize],
    ) -> Result<Vec<Emergent>, DetectError> {
        let chosen = without_conflicts(detection, order);
        if chosen.len() < 3 {
            return Ok(Vec::new());
        }
        let scene = self.scene(&detection.branches)?;
        let Some(attributes) = self.run_base.or(scene.base) else {
            return Ok(Vec::new());
        };
        let engine = scene.engine.pinned_to(attributes)?;
        let sets = self.risky_sets(&scene, &chosen)?;
        if sets.is_empty() {
            return Ok(Vec::new());
        }
        let cache = self.cache(&scene)?;
        let sequence = Sequence::new(&scene, attributes, &sets);
        let known = cache.as_ref().and_then(|c| c.sequence(&engine, &sequence));
        if let Some(found) = known {
            return Ok(in_places(found, |place| {
                sequence.places.get(place).copied()
            }));
        }
        let mut search = Search::new(engine.aside()?);
        let mut found = Vec::new();
        for set in sets {
            found.extend(self.merge_in_sequence(&scene, &mut search, &set)?);
        }
        found.sort_by(|a, b| a.branches.cmp(&b.branches));
        detection.merges_run += search.merges;
        if let Some(mut cache) = cache.filter(|_| !search.failed) {
            let place = |branch| sequence.places.iter().position(|place| *place == branch);
            cache.put_sequence(&engine, &sequence, &in_places(found.clone(), place));
            cache.save(&scene)?;
        }
        Ok(found)
    }

    /// The sets of three and more that can conflict jointly, each in the order of `chosen`.
    fn risky_sets(
        &mut self,
        scene: &Scene,
        chosen: &[usize],
    ) -> Result<Vec<Vec<usize>>, DetectError> {
        let mut links: Vec<(usize, usize)> =
            self.pairs(scene)?.iter().map(|p| (p.a, p.b)).collect();
        let base = scene.base.map(|base| scene.store.tree_of(base));
        if let Some(base) = base.transpose()? {
            let sides = self.sides(scene, base, chosen)?;
            let sides: Vec<_> = chosen.iter().copied().zip(sides).collect();
            links.extend(emptied_together(scene, base, &sides)?);
        }
        let mut sets = components(chosen, &links);
        sets.retain(|set| set.len() > 2);
        Ok(sets)
    }

    fn merge_in_sequence(
        &mut self,
        scene: &Scene,
        search: &mut Search,
        set: &[usize],
    ) -> Result<Vec<Emergent>, DetectError> {
        let mut found = Vec::new();
        let mut merged = vec![set[0]];
        let mut tip = scene.commits[set[0]];
        for &next in &set[1..] {
            match search.step(tip, scene.commits[next])? {
                Step::Merged(commit) => {
                    tip = commit;
                    merged.push(next);
                }
                Step::Failed => {}
                Step::Conflict(result) => {
                    let merged = merged.clone();
                    let clash = Clash {
                        merged,
                        tip,
                        next,
                        result,
                    };
                    let clash = clash.shrink(scene, search)?;
                    if clash.merged.len() > 1 {
                        found.push(self.emergent_of(scene, search, clash)?);
                    }
                }
            }
        }
        Ok(found)
    }

    fn emergent_of(
        &mut self,
        scene: &Scene,
        search: &Search,
        clash: Clash,
    ) -> Result<Emergent, DetectError> {
        let Clash {
            merged,
            tip,
            next,
            result,
        } = clash;
        // The commits of the sequence were written after the scene's store was opened.
        let store = search.engine.store()?;
        let tree = store.tree_of(tip)?;
        let (ours, theirs) = match scene.base {
            Some(base) => {
                let base = store.tree_of(base)?;
                let theirs = self.side(scene, base, next)?;
                (store.changes(base, tree)?, Arc::clone(&theirs))
            }
            None => Default::default(),
        };
        let classified = classify(&Evidence {
            result: &result,
            ours: SideInfo {
                commit: tip,
                changes: &ours,
                renames: &[],
            },
            theirs: SideInfo {
                commit: scene.commits[next],
                changes: &theirs.changes,
                renames: &[],
            },
            blob: &|oid| store.blob(oid).ok(),
            generated: &|path| self.generated.is_match(path.to_string()),
        });
        let paths: BTreeSet<RepoPath> = classified
            .units
            .iter()
            .flat_map(|unit| unit.paths.iter().cloned())
            .collect();
        let mut branches = merged;
        branches.push(next);
        Ok(Emergent {
            branches,
            class: classified.class,
            paths: paths.into_iter().collect(),
        })
    }
}

/// The branches of `order` that conflict with none before them.
fn without_conflicts(detection: &Detection, order: &[usize]) -> Vec<usize> {
    let conflicts: HashSet<(usize, usize)> = detection
        .pairs
        .iter()
        .filter(|pair| pair.verdict != Verdict::Clean)
        .map(|pair| (pair.a, pair.b))
        .collect();
    let mut chosen: Vec<usize> = Vec::new();
    for &branch in order {
        let clash = |other: &usize| conflicts.contains(&(branch.min(*other), branch.max(*other)));
        if !chosen.iter().any(clash) {
            chosen.push(branch);
        }
    }
    chosen
}

/// Links between branches that together take everything out of a directory of the base, and those
/// that add below it.
fn emptied_together(
    scene: &Scene,
    base: Oid,
    sides: &[(usize, Arc<Side>)],
) -> Result<Vec<(usize, usize)>, DetectError> {
    let mut removed: HashSet<&[u8]> = HashSet::new();
    let mut removers: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    let mut adders: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for (branch, side) in sides {
        for change in &side.changes {
            let places = |folder| match (&change.old, &change.new) {
                (Some(_), None) => removers.entry(folder).or_default().push(*branch),
                (None, Some(_)) => adders.entry(folder).or_default().push(*branch),
                _ => {}
            };
            change.path.ancestors().for_each(places);
            if change.new.is_none() {
                removed.insert(change.path.as_bytes());
            }
        }
    }
    let mut links = Vec::new();
    for (folder, branches) in removers {
        let Some(adders) = adders.get(folder) else {
            continue;
        };
        let stays = |path: &[u8]| !removed.contains(path);
        if !scene.store.any_file_below(base, folder, &stays)? {
            let all = branches.iter().chain(adders);
            links.extend(all.map(|branch| (branches[0], *branch)));
        }
    }
    Ok(links)
}

/// The connected groups among `chosen`, each in the order of `chosen`.
fn components(chosen: &[usize], links: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut group: HashMap<usize, usize> = chosen.iter().map(|branch| (*branch, *branch)).collect();
    fn root(group: &HashMap<usize, usize>, branch: usize) -> usize {
        let mut branch = branch;
        while group[&branch] != branch {
            branch = group[&branch];
        }
        branch
    }
    for (a, b) in links {
        if group.contains_key(a) && group.contains_key(b) {
            let (a, b) = (root(&group, *a), root(&group, *b));
            group.insert(a, b);
        }
    }
    let mut sets: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for branch in chosen {
        sets.entry(root(&group, *branch)).or_default().push(*branch);
    }
    sets.into_values().collect()
}

enum Step {
    Merged(Oid),
    Conflict(MergeResult),
    Failed,
}

/// What the merges in sequence depend on.
pub(super) struct Sequence {
    /// The commit whose attributes hold.
    pub(super) attributes: Oid,
    /// The base and the commits of every set, in order.
    pub(super) commits: String,
    /// The branches by their places in this call's list: in another list they stand elsewhere.
    places: Vec<usize>,
}

impl Sequence {
    fn new(scene: &Scene, attributes: Oid, sets: &[Vec<usize>]) -> Sequence {
        let commit = |place: &usize| scene.commits[*place];
        let commits = sets.iter().map(|set| set.iter().map(commit).collect());
        let commits: Vec<Vec<Oid>> = commits.collect();
        Sequence {
            attributes,
            commits: format!("{:?} {commits:?}", scene.base),
            places: sets.concat(),
        }
    }
}

/// The same with other names for the branches; those without one are left out.
fn in_places(found: Vec<Emergent>, place: impl Fn(usize) -> Option<usize>) -> Vec<Emergent> {
    let renamed = |emergent: Emergent| {
        let branches = emergent.branches.into_iter().map(&place);
        let branches = branches.collect::<Option<Vec<usize>>>()?;
        Some(Emergent {
            branches,
            ..emergent
        })
    };
    let mut found: Vec<Emergent> = found.into_iter().filter_map(renamed).collect();
    found.sort_by(|a, b| a.branches.cmp(&b.branches));
    found
}

/// The merges of one call.
struct Search {
    engine: MergeEngine,
    /// Merges that may still be spent on making sets small.
    budget: usize,
    merges: usize,
    /// Whether git failed on one of them.
    failed: bool,
}

impl Search {
    fn new(engine: MergeEngine) -> Search {
        Search {
            engine,
            budget: SHRINKING_MERGES,
            merges: 0,
            failed: false,
        }
    }

    fn step(&mut self, tip: Oid, next: Oid) -> Result<Step, DetectError> {
        self.merges += 1;
        Ok(match self.engine.merge(tip, next)? {
            MergeAnswer::Done(result) if result.clean => {
                Step::Merged(self.engine.commit_tree(result.tree, &[tip, next])?)
            }
            MergeAnswer::Done(result) => Step::Conflict(result),
            MergeAnswer::Failed(_) => {
                self.failed = true;
                Step::Failed
            }
        })
    }

    /// The tip after merging these in order, if all of it is clean.
    fn chain(&mut self, scene: &Scene, branches: &[usize]) -> Result<Option<Oid>, DetectError> {
        let Some((first, later)) = branches.split_first() else {
            return Ok(None);
        };
        let mut tip = scene.commits[*first];
        for branch in later {
            match self.step(tip, scene.commits[*branch])? {
                Step::Merged(commit) => tip = commit,
                _ => return Ok(None),
            }
        }
        Ok(Some(tip))
    }
}

/// A sequence that is clean up to a branch that conflicts with it.
struct Clash {
    merged: Vec<usize>,
    tip: Oid,
    next: usize,
    result: MergeResult,
}

impl Clash {
    /// Takes branches out of the sequence, halves first and then ever smaller parts, as long as the
    /// conflict stays. Ends early when the budget of merges is used up.
    fn shrink(mut self, scene: &Scene, search: &mut Search) -> Result<Clash, DetectError> {
        let mut part = self.merged.len() / 2;
        while part > 0 {
            let mut from = 0;
            while from < self.merged.len() && self.merged.len() > 1 {
                let mut fewer = self.merged.clone();
                fewer.drain(from..(from + part).min(fewer.len()));
                if fewer.len() > search.budget {
                    return Ok(self);
                }
                search.budget -= fewer.len();
                if !self.stays_with(scene, search, fewer)? {
                    from += part;
                }
            }
            part /= 2;
        }
        Ok(self)
    }

    /// Keeps this shorter sequence if the conflict comes up after it, too.
    fn stays_with(
        &mut self,
        scene: &Scene,
        search: &mut Search,
        fewer: Vec<usize>,
    ) -> Result<bool, DetectError> {
        let Some(tip) = search.chain(scene, &fewer)? else {
            return Ok(false);
        };
        let Step::Conflict(result) = search.step(tip, scene.commits[self.next])? else {
            return Ok(false);
        };
        (self.merged, self.tip, self.result) = (fewer, tip, result);
        Ok(true)
    }
}
