//! Conflicts that no pair shows: branches that merge two by two and not all together.
//!
//! Three branches can empty a directory together that a fourth adds to, move a file and change it
//! until git no longer sees the move, or meet in text only jointly. Which sets can do that is known:
//! branches connected by pairs that are not independent, or by a directory that some of them empty
//! together while another adds below it. Only such sets are merged in sequence.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

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
#[derive(Clone, PartialEq, Eq, Debug)]
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
        detection: &Detection,
        order: &[usize],
    ) -> Result<Vec<Emergent>, DetectError> {
        let chosen = without_conflicts(detection, order);
        if chosen.len() < 3 {
            return Ok(Vec::new());
        }
        let scene = self.scene(&detection.branches)?;
        let attributes = self.run_base.or(scene.base);
        let engine = match attributes {
            Some(commit) => scene.engine.pinned_to(commit)?,
            None => return Ok(Vec::new()),
        };
        let mut budget = SHRINKING_MERGES;
        let mut found = Vec::new();
        for set in self.risky_sets(&scene, &chosen)? {
            found.extend(self.merge_in_sequence(&scene, &engine, &set, &mut budget)?);
        }
        found.sort_by(|a, b| a.branches.cmp(&b.branches));
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
            let sides = chosen.iter().map(|branch| {
                let side = self.side(scene, base, scene.trees[*branch])?;
                Ok((*branch, side))
            });
            let sides = sides.collect::<Result<Vec<_>, DetectError>>()?;
            links.extend(emptied_together(scene, base, &sides)?);
        }
        let mut sets = components(chosen, &links);
        sets.retain(|set| set.len() > 2);
        Ok(sets)
    }

    fn merge_in_sequence(
        &mut self,
        scene: &Scene,
        engine: &MergeEngine,
        set: &[usize],
        budget: &mut usize,
    ) -> Result<Vec<Emergent>, DetectError> {
        let mut found = Vec::new();
        let mut merged = vec![set[0]];
        let mut tip = scene.commits[set[0]];
        for &next in &set[1..] {
            match step(engine, tip, scene.commits[next])? {
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
                    let clash = clash.shrink(scene, engine, budget)?;
                    if clash.merged.len() > 1 {
                        found.push(self.emergent_of(scene, clash)?);
                    }
                }
            }
        }
        Ok(found)
    }

    fn emergent_of(&mut self, scene: &Scene, clash: Clash) -> Result<Emergent, DetectError> {
        let Clash {
            merged,
            tip,
            next,
            result,
        } = clash;
        // The commits of the sequence were written after the scene's store was opened.
        let store = scene.engine.store()?;
        let tree = store.tree_of(tip)?;
        let (ours, theirs) = match scene.base {
            Some(base) => {
                let base = store.tree_of(base)?;
                let theirs = self.side(scene, base, scene.trees[next])?;
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

fn step(engine: &MergeEngine, tip: Oid, next: Oid) -> Result<Step, DetectError> {
    Ok(match engine.merge(tip, next)? {
        MergeAnswer::Done(result) if result.clean => {
            Step::Merged(engine.commit_tree(result.tree, &[tip, next])?)
        }
        MergeAnswer::Done(result) => Step::Conflict(result),
        MergeAnswer::Failed(_) => Step::Failed,
    })
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
    fn shrink(
        mut self,
        scene: &Scene,
        engine: &MergeEngine,
        budget: &mut usize,
    ) -> Result<Clash, DetectError> {
        let mut part = self.merged.len() / 2;
        while part > 0 {
            let mut from = 0;
            while from < self.merged.len() && self.merged.len() > 1 {
                let mut fewer = self.merged.clone();
                fewer.drain(from..(from + part).min(fewer.len()));
                if fewer.len() > *budget {
                    return Ok(self);
                }
                *budget -= fewer.len();
                if !self.stays_with(scene, engine, fewer)? {
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
        engine: &MergeEngine,
        fewer: Vec<usize>,
    ) -> Result<bool, DetectError> {
        let Some(tip) = merge_chain(scene, engine, &fewer)? else {
            return Ok(false);
        };
        let Step::Conflict(result) = step(engine, tip, scene.commits[self.next])? else {
            return Ok(false);
        };
        (self.merged, self.tip, self.result) = (fewer, tip, result);
        Ok(true)
    }
}

/// The tip after merging these in order, if all of it is clean.
fn merge_chain(
    scene: &Scene,
    engine: &MergeEngine,
    branches: &[usize],
) -> Result<Option<Oid>, DetectError> {
    let Some((first, later)) = branches.split_first() else {
        return Ok(None);
    };
    let mut tip = scene.commits[*first];
    for branch in later {
        match step(engine, tip, scene.commits[*branch])? {
            Step::Merged(commit) => tip = commit,
            _ => return Ok(None),
        }
    }
    Ok(Some(tip))
}
