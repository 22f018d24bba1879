//! Verdicts: git merges what is not known yet, and what it says gets its classes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::Ordering;

use crate::conflicts::branches::{Pair, SIDES_AT_ONCE, Scene};
use crate::conflicts::cache::VerdictCache;
use crate::conflicts::classify::{Classified, Evidence, SideInfo, classify, needs_renames};
use crate::conflicts::detector::{DetectError, Detector, Known};
use crate::git::Store;
use crate::git::attributes::Attributes;
use crate::git::merge_engine::MergeEngine;
use crate::merge::answer::Rename;
use crate::merge::answer::{MergeAnswer, MergeResult};
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::merge::verdict::{Class, Unit};

/// Pairs that are merged and judged together: enough for every core, few enough that what git says
/// about them, and what it writes, stays small.
const BATCH: usize = 2000;

impl Detector {
    /// Finds the verdicts that are not known yet and returns how many merges that took.
    pub(super) fn judge(&mut self, scene: &Scene, pairs: &[Pair]) -> Result<usize, DetectError> {
        let mut groups: BTreeMap<Oid, Vec<&Pair>> = BTreeMap::new();
        let mut asked = HashSet::new();
        for pair in pairs {
            if self.verdicts.contains_key(&pair.key) || !asked.insert(pair.key) {
                continue;
            }
            let one_tree = scene.trees[pair.a] == scene.trees[pair.b];
            if scene.prune && one_tree && pair.key.base.is_some() {
                self.look_at(scene, pair.sides(scene))?;
                let known = self.same_tree(scene, pair);
                self.verdicts.insert(pair.key, known);
                continue;
            }
            groups.entry(pair.key.attributes).or_default().push(pair);
        }
        if groups.is_empty() {
            return Ok(0);
        }
        let mut cache = self.cache(scene)?;
        let mut merges = 0;
        let aside = scene.engine.nested()?;
        for (attributes, pairs) in groups {
            let engine = aside.with_attributes_of(attributes)?;
            let pairs = match &cache {
                Some(cache) => self.recall(cache, scene, &engine, pairs),
                None => pairs,
            };
            self.meter.wanted.fetch_add(pairs.len(), Ordering::Relaxed);
            for batch in pairs.chunks(BATCH) {
                merges += self.merge(scene, &engine, batch, cache.as_mut())?;
                engine.clear_quarantine();
            }
        }
        if let Some(cache) = &mut cache {
            cache.save(scene)?;
        }
        self.cache = cache;
        Ok(merges)
    }

    /// Takes the verdicts that were kept, and returns the pairs that have none.
    fn recall<'a>(
        &mut self,
        cache: &VerdictCache,
        scene: &Scene,
        engine: &MergeEngine,
        pairs: Vec<&'a Pair>,
    ) -> Vec<&'a Pair> {
        let mut rest = Vec::new();
        for pair in pairs {
            match cache.get(scene, engine, pair) {
                Some(known) => drop(self.verdicts.insert(pair.key, known)),
                None => rest.push(pair),
            }
        }
        rest
    }

    /// Two branches with one tree: git takes every path as it is.
    fn same_tree(&self, scene: &Scene, pair: &Pair) -> Known {
        let tree = scene.trees[pair.a];
        let result = MergeResult {
            clean: true,
            tree,
            stages: Vec::new(),
            messages: Vec::new(),
        };
        let classified = classify(&Evidence {
            result: &result,
            ours: self.side_info(scene, pair, pair.a, &[]),
            theirs: self.side_info(scene, pair, pair.b, &[]),
            blob: &|_| None,
            generated: &|_| false,
        });
        Known {
            classified,
            tree: Some(tree),
            failure: None,
        }
    }

    pub(super) fn side_info<'a>(
        &'a self,
        scene: &Scene,
        pair: &Pair,
        branch: usize,
        renames: &'a [Rename],
    ) -> SideInfo<'a> {
        let tree = scene.trees[branch];
        let side = pair
            .base_tree
            .and_then(|base| self.sides.get(&(base, tree)));
        SideInfo {
            commit: scene.commits[branch],
            changes: side.map_or(&[], |side| &side.changes),
            renames,
        }
    }

    fn merge(
        &mut self,
        scene: &Scene,
        engine: &MergeEngine,
        pairs: &[&Pair],
        cache: Option<&mut VerdictCache>,
    ) -> Result<usize, DetectError> {
        let answers = self.answers(scene, engine, pairs)?;
        let attributes = engine.attributes(&["merge", "linguist-generated"], &met(&answers))?;
        let renames = renames(scene, engine, pairs, &answers)?;
        let store = engine.store()?;
        let answered: Vec<_> = pairs.iter().zip(&answers).collect();
        for some in answered.chunks(SIDES_AT_ONCE) {
            self.look_at(scene, some.iter().flat_map(|(pair, _)| pair.sides(scene)))?;
            for (pair, answer) in some {
                let known = match answer {
                    MergeAnswer::Failed(said) => Known {
                        classified: Classified::engine_failure(),
                        tree: None,
                        failure: Some(said.clone()),
                    },
                    MergeAnswer::Done(result) => {
                        self.known(scene, &store, pair, result, (&attributes, &renames))
                    }
                };
                self.verdicts.insert(pair.key, known);
            }
            self.make_room();
        }
        let extra = self.clean_by_attribute(scene, engine, pairs, &answers, &attributes)?;
        if let Some(cache) = cache {
            for (pair, answer) in pairs.iter().zip(&answers) {
                if let (MergeAnswer::Done(result), Some(known)) =
                    (answer, self.verdicts.get(&pair.key))
                {
                    cache.put(scene, engine, pair, known, (result, &attributes));
                }
            }
        }
        Ok(pairs.len() + extra)
    }

    /// What merging each pair comes to: where the two only edit the same files, that of the files;
    /// otherwise git merges the pair.
    fn answers(
        &mut self,
        scene: &Scene,
        engine: &MergeEngine,
        pairs: &[&Pair],
    ) -> Result<Vec<MergeAnswer>, DetectError> {
        let mut answers = self.merged_by_contents(scene, engine, pairs)?;
        let open = pairs.iter().zip(&answers).filter(|(_, a)| a.is_none());
        let open = open.map(|(pair, _)| (scene.commits[pair.a], scene.commits[pair.b]));
        let open: Vec<(Oid, Oid)> = open.collect();
        let merged = &self.meter.merged;
        merged.fetch_add(pairs.len() - open.len(), Ordering::Relaxed);
        let mut found = engine.merge_all_counted(&open, merged)?.into_iter();
        for answer in answers.iter_mut().filter(|answer| answer.is_none()) {
            *answer = found.next();
        }
        let nothing = || MergeAnswer::Failed("git gave no answer".to_owned());
        let answers = answers.into_iter();
        Ok(answers.map(|a| a.unwrap_or_else(nothing)).collect())
    }

    fn known(
        &self,
        scene: &Scene,
        store: &Store,
        pair: &Pair,
        result: &MergeResult,
        (attributes, renames): (&Attributes, &Renames),
    ) -> Known {
        let of_side = |branch: usize| match pair.base_tree {
            Some(base) if needs_renames(result) => renames.get(&(base, scene.trees[branch])),
            _ => None,
        };
        let of_side = |branch: usize| of_side(branch).map_or(&[][..], Vec::as_slice);
        let (ours, theirs) = (of_side(pair.a), of_side(pair.b));
        let classified = classify(&Evidence {
            result,
            ours: self.side_info(scene, pair, pair.a, ours),
            theirs: self.side_info(scene, pair, pair.b, theirs),
            blob: &|oid| store.blob(oid).ok(),
            generated: &|path| self.is_generated(path, attributes),
        });
        let tree = (classified.class != Class::Independent).then_some(result.tree);
        Known {
            classified,
            tree,
            failure: None,
        }
    }

    fn is_generated(&self, path: &RepoPath, attributes: &Attributes) -> bool {
        let marked = attributes
            .get(path)
            .and_then(|names| names.get("linguist-generated"))
            .is_some_and(|value| value != "unset" && value != "false");
        marked || self.generated.is_match(path.to_string())
    }

    /// Clean pairs that meet at a path with a merge attribute are merged again without attributes:
    /// what conflicts then was clean only because of them.
    fn clean_by_attribute(
        &mut self,
        scene: &Scene,
        engine: &MergeEngine,
        pairs: &[&Pair],
        answers: &[MergeAnswer],
        attributes: &Attributes,
    ) -> Result<usize, DetectError> {
        let with_attribute = |answer: &MergeAnswer| match answer {
            MergeAnswer::Done(result) if result.clean => auto_merged(result)
                .filter(|path| {
                    attributes
                        .get(path)
                        .is_some_and(|names| names.contains_key("merge"))
                })
                .cloned()
                .collect(),
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
        let commits = doubtful
            .iter()
            .map(|(p, _)| (scene.commits[p.a], scene.commits[p.b]));
        let neutral = engine.without_attributes()?;
        let answers = neutral.merge_all(&commits.collect::<Vec<_>>())?;
        for ((pair, paths), answer) in doubtful.iter().zip(answers) {
            let clean = matches!(&answer, MergeAnswer::Done(result) if result.clean);
            if let (false, Some(known)) = (clean, self.verdicts.get_mut(&pair.key)) {
                mark_clean_by_attribute(&mut known.classified, paths);
            }
        }
        Ok(doubtful.len())
    }
}

fn mark_clean_by_attribute(classified: &mut Classified, paths: &[RepoPath]) {
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

/// The renames of branches, by (base tree, tree of the branch).
type Renames = HashMap<(Oid, Oid), Vec<Rename>>;

/// The renames of the branches whose classes depend on them, asked for at once.
fn renames(
    scene: &Scene,
    engine: &MergeEngine,
    pairs: &[&Pair],
    answers: &[MergeAnswer],
) -> Result<Renames, DetectError> {
    let asked = pairs
        .iter()
        .zip(answers)
        .filter(|(_, answer)| match answer {
            MergeAnswer::Done(result) => needs_renames(result),
            MergeAnswer::Failed(_) => false,
        });
    let asked: BTreeSet<(Oid, Oid)> = asked.flat_map(|(pair, _)| pair.sides(scene)).collect();
    let asked: Vec<(Oid, Oid)> = asked.into_iter().collect();
    let found = engine.renames(&asked)?;
    Ok(asked.into_iter().zip(found).collect())
}

fn auto_merged(result: &MergeResult) -> impl Iterator<Item = &RepoPath> {
    let messages = result.messages.iter();
    messages
        .filter(|message| message.kind == "Auto-merging")
        .flat_map(|message| &message.paths)
}

/// The paths whose attributes can matter: merged by content, or in conflict.
fn met(answers: &[MergeAnswer]) -> Vec<&RepoPath> {
    let mut paths = HashSet::new();
    for answer in answers {
        if let MergeAnswer::Done(result) = answer {
            paths.extend(auto_merged(result));
            paths.extend(result.stages.iter().map(|stage| &stage.path));
        }
    }
    let mut paths: Vec<&RepoPath> = paths.into_iter().collect();
    paths.sort();
    paths
}
