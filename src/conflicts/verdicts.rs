//! Judges pairs: what is certain without git, what the cache has, and git's merges of the rest.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::Ordering;

use crate::base::parallel::in_batches;
use crate::conflicts::blob_merges::{BlobMerges, KeptBlobs};
use crate::conflicts::branch_changes::{ChangeCache, TreePair};
use crate::conflicts::classify::{Classified, Evidence, SideInfo, classify, needs_renames};
use crate::conflicts::comparison::Comparison;
use crate::conflicts::error::DetectError;
use crate::conflicts::options::Settings;
use crate::conflicts::pair::{Pair, PairKey, PairOutcome};
use crate::conflicts::progress::Progress;
use crate::conflicts::shared_edit_merges::{content_result, shared_edits_of};
use crate::conflicts::shared_edits::SharedEdit;
use crate::conflicts::verdict_cache::VerdictCache;
use crate::git::Store;
use crate::git::attributes::Attributes;
use crate::git::merge_engine::MergeEngine;
use crate::git::merge_error::MergeError;
use crate::git::tree_hash::TreeHasher;
use crate::merge::answer::{MergeAnswer, MergeResult, Rename};
use crate::merge::change::{Entry, RepoPath};
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::merge::verdict::Unit;

/// The number of pairs to merge and judge together: enough for every core, few enough to keep git's
/// output, and the objects it writes, small.
const BATCH: usize = 2000;

/// The most pairs whose shared edits are in memory at once: some kilobytes each.
const MOST_CERTAIN: usize = 2000;

/// The branches of each side whose pairs are next to each other: all of them fill one chunk.
const TILE: usize = 44;

/// The fewest certain merges that pay for another thread.
const SMALLEST_BATCH: usize = 256;

/// Known outcomes.
pub(super) type Outcomes = HashMap<PairKey, PairOutcome>;

/// Judges the pairs of one comparison.
pub(super) struct Judge<'a> {
    pub(super) settings: &'a Settings,
    pub(super) comparison: &'a Comparison,
    pub(super) changes: &'a mut ChangeCache,
    pub(super) outcomes: &'a mut Outcomes,
    pub(super) blobs: &'a mut KeptBlobs,
    pub(super) cache: &'a mut Option<VerdictCache>,
    pub(super) progress: &'a Progress,
}

/// The renames of branches by base tree and tree of the branch.
type Renames = HashMap<TreePair, Vec<Rename>>;

impl Judge<'_> {
    /// Finds the outcomes that are not known, and returns the number of merges that git ran.
    pub(super) fn judge(&mut self, pairs: &[Pair]) -> Result<usize, DetectError> {
        let mut groups: BTreeMap<Oid, Vec<&Pair>> = BTreeMap::new();
        let mut seen = HashSet::new();
        for pair in pairs {
            if !self.outcomes.contains_key(&pair.key) && seen.insert(pair.key) {
                groups.entry(pair.key.attributes).or_default().push(pair);
            }
        }
        if groups.is_empty() {
            return Ok(0);
        }
        let mut merges = 0;
        let nested = self.comparison.engine.nested()?;
        for (attributes, pairs) in groups {
            let engine = nested.with_attributes_of(attributes)?;
            merges += self.judge_group(&engine, pairs)?;
        }
        if let Some(cache) = self.cache {
            cache.save(&self.comparison.engine)?;
        }
        Ok(merges)
    }

    /// Judges pairs with the same attributes.
    fn judge_group(
        &mut self,
        engine: &MergeEngine,
        pairs: Vec<&Pair>,
    ) -> Result<usize, DetectError> {
        let rest = match self.comparison.prune {
            true => self.settle_certain(engine, pairs)?,
            false => pairs,
        };
        let rest = self.recall(engine, rest)?;
        let wanted = &self.progress.wanted;
        wanted.fetch_add(rest.len(), Ordering::Relaxed);
        let mut merges = 0;
        for batch in rest.chunks(BATCH) {
            merges += self.merge(engine, batch)?;
            engine.clear_quarantine();
        }
        Ok(merges)
    }

    /// Settles the pairs whose merge is certain without git, and returns the others.
    fn settle_certain<'p>(
        &mut self,
        engine: &MergeEngine,
        pairs: Vec<&'p Pair>,
    ) -> Result<Vec<&'p Pair>, DetectError> {
        let mut blobs = BlobMerges::new(engine);
        let mut rest = Vec::new();
        for some in tiled(pairs).chunks(MOST_CERTAIN) {
            self.settle_some(engine, &mut blobs, some, &mut rest)?;
            blobs.forget_merges();
        }
        self.blobs.keep_plain_paths(engine, &blobs);
        Ok(rest)
    }

    /// Settles the certain ones of so many pairs, and adds the others to `rest`.
    fn settle_some<'p>(
        &mut self,
        engine: &MergeEngine,
        blobs: &mut BlobMerges<'_>,
        pairs: &[&'p Pair],
        rest: &mut Vec<&'p Pair>,
    ) -> Result<(), DetectError> {
        let edits = shared_edits_of(engine, self.changes, pairs)?;
        blobs.merge_certain(edits.iter().flatten().flatten())?;
        let mut certain = Vec::new();
        for (pair, edits) in pairs.iter().zip(edits) {
            let has_one_tree = pair.trees[0] == pair.trees[1] && pair.key.base.is_some();
            let edits = edits.or(has_one_tree.then(Vec::new));
            match edits.and_then(|edits| Some((blobs.merged_all(&edits)?, edits))) {
                Some((merged, edits)) => certain.push((*pair, edits, merged)),
                None => rest.push(pair),
            }
        }
        for some in certain.chunks(self.changes.pairs_at_once()) {
            let trees = some.iter().flat_map(|(pair, ..)| pair.tree_pairs());
            self.changes.load(engine, trees)?;
            let outcomes = self.certain_outcomes(engine, some)?;
            for ((pair, ..), outcome) in some.iter().zip(outcomes) {
                match outcome {
                    Some(outcome) => drop(self.outcomes.insert(pair.key, outcome)),
                    None => rest.push(pair),
                }
            }
            self.changes.trim();
        }
        Ok(())
    }

    fn certain_outcomes(
        &self,
        engine: &MergeEngine,
        certain: &[(&Pair, Vec<SharedEdit>, Vec<Entry>)],
    ) -> Result<Vec<Option<PairOutcome>>, MergeError> {
        let changes = &*self.changes;
        in_batches(certain, (SMALLEST_BATCH, usize::MAX), |some| {
            let store = engine.store()?;
            let mut hasher = TreeHasher::new(&store);
            let outcome = |(pair, edits, merged): &(&Pair, Vec<SharedEdit>, Vec<Entry>)| {
                let result = content_result(pair, edits, merged, changes, &mut hasher)?;
                Some(outcome(&clean_evidence(changes, pair, &result)))
            };
            Ok(some.iter().map(outcome).collect())
        })
    }

    /// Takes outcomes from the cache, and returns the pairs that it does not have.
    fn recall<'p>(
        &mut self,
        engine: &MergeEngine,
        pairs: Vec<&'p Pair>,
    ) -> Result<Vec<&'p Pair>, DetectError> {
        if self.cache.is_none() && !pairs.is_empty() {
            *self.cache = VerdictCache::open(self.settings, self.comparison)?;
        }
        let Some(cache) = self.cache else {
            return Ok(pairs);
        };
        let mut rest = Vec::new();
        for pair in pairs {
            match cache.get(engine, pair) {
                Some(outcome) => drop(self.outcomes.insert(pair.key, outcome)),
                None => rest.push(pair),
            }
        }
        Ok(rest)
    }

    /// Merges and classifies pairs, and returns the number of merges.
    fn merge(&mut self, engine: &MergeEngine, pairs: &[&Pair]) -> Result<usize, DetectError> {
        let answers = self.answers(engine, pairs)?;
        let names = ["merge", "linguist-generated"];
        let attributes = engine.attributes(&names, &merged_paths(&answers))?;
        let renames = renames(engine, pairs, &answers)?;
        let store = engine.store()?;
        let answered: Vec<_> = pairs.iter().zip(&answers).collect();
        for some in answered.chunks(self.changes.pairs_at_once()) {
            let trees = some.iter().flat_map(|(pair, _)| pair.tree_pairs());
            self.changes.load(engine, trees)?;
            for (pair, answer) in some {
                let outcome = match answer {
                    MergeAnswer::Failed(message) => PairOutcome::failed(message.clone()),
                    MergeAnswer::Done(result) => {
                        self.outcome_of(&store, pair, result, (&attributes, &renames))
                    }
                };
                self.outcomes.insert(pair.key, outcome);
            }
            self.changes.trim();
        }
        let extra = self.mark_clean_by_attribute(engine, pairs, &answers, &attributes)?;
        if let Some(cache) = self.cache {
            for (pair, answer) in pairs.iter().zip(&answers) {
                if let (MergeAnswer::Done(result), Some(outcome)) =
                    (answer, self.outcomes.get(&pair.key))
                {
                    cache.put(engine, pair, outcome, (result, &attributes));
                }
            }
        }
        Ok(pairs.len() + extra)
    }

    /// Merges each pair, by contents where these decide, otherwise as a whole.
    fn answers(
        &mut self,
        engine: &MergeEngine,
        pairs: &[&Pair],
    ) -> Result<Vec<MergeAnswer>, DetectError> {
        let mut answers = match self.comparison.prune {
            true => self.merged_by_contents(engine, pairs)?,
            false => vec![None; pairs.len()],
        };
        let open = pairs.iter().zip(&answers).filter(|(_, a)| a.is_none());
        let open: Vec<(Oid, Oid)> = open.map(|(pair, _)| (pair.key.a, pair.key.b)).collect();
        let merged = &self.progress.merged;
        merged.fetch_add(pairs.len() - open.len(), Ordering::Relaxed);
        let mut found = engine.merge_all_counted(&open, merged)?.into_iter();
        for answer in answers.iter_mut().filter(|answer| answer.is_none()) {
            *answer = found.next();
        }
        let none = || MergeAnswer::Failed("git gave no answer".to_owned());
        let answers = answers.into_iter();
        Ok(answers.map(|a| a.unwrap_or_else(none)).collect())
    }

    /// Merges pairs by contents; `None` where contents do not decide, and for conflicts.
    fn merged_by_contents(
        &mut self,
        engine: &MergeEngine,
        pairs: &[&Pair],
    ) -> Result<Vec<Option<MergeAnswer>>, DetectError> {
        let edits = shared_edits_of(engine, self.changes, pairs)?;
        let plain = self.blobs.plain_paths(engine);
        let mut blobs = BlobMerges::new(engine).with_plain_paths(plain);
        blobs.merge_all(edits.iter().flatten().flatten())?;
        self.blobs.learn(engine, &blobs);
        let store = engine.store()?;
        let mut hasher = TreeHasher::new(&store);
        let merges: Vec<_> = pairs.iter().zip(&edits).collect();
        let mut answers = Vec::with_capacity(pairs.len());
        for some in merges.chunks(self.changes.pairs_at_once()) {
            let trees = some.iter().flat_map(|(pair, _)| pair.tree_pairs());
            self.changes.load(engine, trees)?;
            for (pair, edits) in some {
                let merged = edits.as_ref().and_then(|edits| {
                    let merged = blobs.merged_all(edits)?;
                    content_result(pair, edits, &merged, self.changes, &mut hasher)
                });
                answers.push(merged.map(MergeAnswer::Done));
            }
            self.changes.trim();
        }
        Ok(answers)
    }

    fn outcome_of(
        &self,
        store: &Store,
        pair: &Pair,
        result: &MergeResult,
        (attributes, renames): (&Attributes, &Renames),
    ) -> PairOutcome {
        let of_side = |tree: Oid| match pair.base_tree {
            Some(base) if needs_renames(result) => {
                renames.get(&(base, tree)).map_or(&[][..], Vec::as_slice)
            }
            _ => &[],
        };
        let side = |commit: Oid, tree: Oid| SideInfo {
            renames: of_side(tree),
            ..side_info(self.changes, pair, commit, tree)
        };
        outcome(&Evidence {
            result,
            ours: side(pair.key.a, pair.trees[0]),
            theirs: side(pair.key.b, pair.trees[1]),
            blob: &|oid| store.blob(oid).ok(),
            generated: &|path| self.is_generated(path, attributes),
        })
    }

    fn is_generated(&self, path: &RepoPath, attributes: &Attributes) -> bool {
        let is_marked = attributes
            .get(path)
            .and_then(|names| names.get("linguist-generated"))
            .is_some_and(|value| value != "unset" && value != "false");
        is_marked || self.settings.generated.has(path)
    }

    /// Merges clean pairs with a merge attribute at a common path again without attributes. A pair
    /// that conflicts then was clean only because of them. Returns the number of these merges.
    fn mark_clean_by_attribute(
        &mut self,
        engine: &MergeEngine,
        pairs: &[&Pair],
        answers: &[MergeAnswer],
        attributes: &Attributes,
    ) -> Result<usize, DetectError> {
        let has_attribute = |path: &&RepoPath| {
            let names = attributes.get(path);
            names.is_some_and(|names| names.contains_key("merge"))
        };
        let with_attribute = |answer: &MergeAnswer| match answer {
            MergeAnswer::Done(result) if result.clean => {
                let paths = auto_merged(result).filter(has_attribute);
                paths.cloned().collect()
            }
            _ => Vec::new(),
        };
        let doubtful: Vec<(&Pair, Vec<RepoPath>)> = pairs
            .iter()
            .zip(answers)
            .map(|(pair, answer)| (*pair, with_attribute(answer)))
            .filter(|(_, paths)| !paths.is_empty())
            .collect();
        if doubtful.is_empty() {
            return Ok(0);
        }
        let commits = doubtful.iter().map(|(pair, _)| (pair.key.a, pair.key.b));
        let plain = engine.without_attributes()?;
        let answers = plain.merge_all(&commits.collect::<Vec<_>>())?;
        for ((pair, paths), answer) in doubtful.iter().zip(answers) {
            let is_clean = matches!(&answer, MergeAnswer::Done(result) if result.clean);
            if let (false, Some(outcome)) = (is_clean, self.outcomes.get_mut(&pair.key)) {
                mark(&mut outcome.classified, paths);
            }
        }
        Ok(doubtful.len())
    }
}

/// Orders pairs so that neighbours have few branches among them: each content is then read for one
/// chunk of pairs, not for all.
fn tiled(mut pairs: Vec<&Pair>) -> Vec<&Pair> {
    pairs.sort_by_key(|pair| (pair.a / TILE, pair.b / TILE));
    pairs
}

/// Moves these paths into one unit `clean-by-attribute`.
fn mark(classified: &mut Classified, paths: &[RepoPath]) {
    let class = Class::CleanByAttribute;
    for unit in &mut classified.units {
        unit.paths.retain(|path| !paths.contains(path));
    }
    classified.units.retain(|unit| !unit.paths.is_empty());
    let unit = Unit {
        class,
        paths: paths.to_vec(),
        hunks: Vec::new(),
    };
    classified.units.insert(0, unit);
    (classified.class, classified.severity) = (class, class.severity());
}

fn outcome(evidence: &Evidence<'_>) -> PairOutcome {
    let classified = classify(evidence);
    let has_tree = classified.class != Class::Independent;
    PairOutcome {
        classified,
        tree: has_tree.then_some(evidence.result.tree),
        failure: None,
    }
}

/// Builds the evidence of a clean merge, whose class depends on no content.
fn clean_evidence<'a>(
    changes: &'a ChangeCache,
    pair: &Pair,
    result: &'a MergeResult,
) -> Evidence<'a> {
    Evidence {
        result,
        ours: side_info(changes, pair, pair.key.a, pair.trees[0]),
        theirs: side_info(changes, pair, pair.key.b, pair.trees[1]),
        blob: &|_| None,
        generated: &|_| false,
    }
}

fn side_info<'a>(changes: &'a ChangeCache, pair: &Pair, commit: Oid, tree: Oid) -> SideInfo<'a> {
    let known = pair.base_tree.and_then(|base| changes.get((base, tree)));
    SideInfo {
        commit,
        changes: known.map_or(&[], |known| &known.changes),
        renames: &[],
    }
}

/// Finds the renames of the branches whose classes depend on them, all at once.
fn renames(
    engine: &MergeEngine,
    pairs: &[&Pair],
    answers: &[MergeAnswer],
) -> Result<Renames, MergeError> {
    let needed = pairs
        .iter()
        .zip(answers)
        .filter(|(_, answer)| match answer {
            MergeAnswer::Done(result) => needs_renames(result),
            MergeAnswer::Failed(_) => false,
        });
    let needed: BTreeSet<TreePair> = needed.flat_map(|(pair, _)| pair.tree_pairs()).collect();
    let needed: Vec<TreePair> = needed.into_iter().collect();
    let found = engine.renames(&needed)?;
    Ok(needed.into_iter().zip(found).collect())
}

fn auto_merged(result: &MergeResult) -> impl Iterator<Item = &RepoPath> {
    let messages = result.messages.iter();
    messages
        .filter(|message| message.kind == "Auto-merging")
        .flat_map(|message| &message.paths)
}

/// Lists the paths whose attributes matter: merged by content, or in conflict.
fn merged_paths(answers: &[MergeAnswer]) -> Vec<&RepoPath> {
    let mut paths = BTreeSet::new();
    for answer in answers {
        if let MergeAnswer::Done(result) = answer {
            paths.extend(auto_merged(result));
            paths.extend(result.stages.iter().map(|stage| &stage.path));
        }
    }
    paths.into_iter().collect()
}
