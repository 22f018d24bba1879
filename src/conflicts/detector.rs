//! Compares branches: all pairs, but git merges only those that need it.

use std::collections::HashSet;
use std::sync::Arc;

use crate::conflicts::blob_merges::KeptBlobs;
use crate::conflicts::branch::Branch;
use crate::conflicts::branch_changes::ChangeCache;
use crate::conflicts::candidate_pairs::{Candidates, candidates};
use crate::conflicts::comparison::{Comparison, LastBases};
use crate::conflicts::detection::Detection;
use crate::conflicts::error::DetectError;
use crate::conflicts::explain::{Explanation, file_versions};
use crate::conflicts::merge_bases::pairs;
use crate::conflicts::multiway::{Multiway, without_conflicts};
use crate::conflicts::multiway_conflict::MultiwayReport;
use crate::conflicts::name_collisions::add_collisions;
use crate::conflicts::options::{GeneratedFiles, Options, Settings};
use crate::conflicts::pair::{Pair, PairKey, PairOutcome};
use crate::conflicts::progress::Progress;
use crate::conflicts::reproduce::Reproduction;
use crate::conflicts::verdict_cache::VerdictCache;
use crate::conflicts::verdicts::{Judge, Outcomes};
use crate::git::quarantine::Quarantine;
use crate::git::{Repo, StoreError};
use crate::merge::answer::MergeAnswer;
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::merge::verdict::{PairVerdict, Verdict};

/// Judges every pair of branches once.
///
/// # Errors
/// When git or the store cannot be used, a tip is not a commit, or a glob is invalid.
pub fn detect(
    repo: &Repo,
    branches: &[Branch],
    options: &Options,
) -> Result<Detection, DetectError> {
    Detector::new(repo, options)?.update(branches)
}

/// Judges branches repeatedly while they move, and merges only what is new.
#[derive(Debug)]
pub struct Detector {
    settings: Settings,
    last_bases: LastBases,
    /// The last comparison with its tips, kept for further questions about the same branches.
    last: Option<(Vec<Oid>, Comparison)>,
    cache: Option<VerdictCache>,
    changes: ChangeCache,
    outcomes: Outcomes,
    blobs: KeptBlobs,
    progress: Arc<Progress>,
}

impl Detector {
    /// Creates a detector for any branches; merge bases and attributes come from their history.
    ///
    /// # Errors
    /// When a glob of the options is invalid.
    pub fn new(repo: &Repo, options: &Options) -> Result<Detector, DetectError> {
        Ok(Detector {
            settings: Settings {
                repo: repo.clone(),
                options: options.clone(),
                generated: GeneratedFiles::new(&options.generated)?,
                common_base: None,
                quarantine: None,
            },
            last_bases: LastBases::default(),
            last: None,
            cache: None,
            changes: ChangeCache::default(),
            outcomes: Outcomes::new(),
            blobs: KeptBlobs::default(),
            progress: Arc::default(),
        })
    }

    /// Creates a detector for branches that all stand on `base`, whose attributes apply to every
    /// merge.
    ///
    /// # Errors
    /// When a glob of the options is invalid.
    pub fn on_base(repo: &Repo, base: Oid, options: &Options) -> Result<Detector, DetectError> {
        let mut detector = Detector::new(repo, options)?;
        detector.settings.common_base = Some(base);
        Ok(detector)
    }

    /// Adds a quarantine that holds some of the branches.
    #[must_use]
    pub(crate) fn in_quarantine(mut self, quarantine: Arc<Quarantine>) -> Detector {
        self.settings.quarantine = Some(quarantine);
        self
    }

    /// Returns the progress, readable from another thread.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Judges every pair of these branches. Verdicts of the last call that still apply are kept, and
    /// others are forgotten.
    ///
    /// # Errors
    /// When git or the store cannot be used, or a tip is not a commit.
    pub fn update(&mut self, branches: &[Branch]) -> Result<Detection, DetectError> {
        let pairs_total = branches.len() * branches.len().saturating_sub(1) / 2;
        let mut detection = Detection {
            base: self.settings.options.base.or(self.settings.common_base),
            branches: branches.to_vec(),
            pairs: Vec::new(),
            pairs_total,
            pairs_independent: pairs_total,
            merges_run: 0,
        };
        if branches.len() < 2 {
            return Ok(detection);
        }
        self.release();
        let comparison = self.comparison(branches)?;
        detection.base = detection.base.or(comparison.base);
        let found = candidates(&self.settings, &comparison, &mut self.changes)?;
        let Candidates { pairs, collisions } = found;
        detection.merges_run = self.judge(&comparison, &pairs)?;
        let verdict = |pair: &Pair| Some(pair.verdict(self.outcomes.get(&pair.key)?));
        let verdicts = pairs.iter().filter_map(verdict);
        detection.pairs = verdicts.filter(|p| p.class != Class::Independent).collect();
        let unmerged = |a, b| self.unmerged(&comparison, a, b);
        add_collisions(collisions, &mut detection.pairs, unmerged);
        detection.pairs_independent = pairs_total - detection.pairs.len();
        self.forget_others(&comparison, &pairs);
        self.keep(branches, comparison);
        Ok(detection)
    }

    /// Builds the verdict on every pair that [`Detector::update`] does not list, because the two are
    /// independent. These verdicts have no merged tree.
    ///
    /// # Errors
    /// When git or the store cannot be used, or a tip is not a commit.
    pub fn independent_pairs(
        &mut self,
        detection: &Detection,
    ) -> Result<Vec<PairVerdict>, DetectError> {
        if detection.pairs_independent == 0 {
            return Ok(Vec::new());
        }
        let comparison = self.comparison(&detection.branches)?;
        let listed = detection.pairs.iter().map(|pair| (pair.a, pair.b));
        let listed: HashSet<(usize, usize)> = listed.collect();
        let rest = pairs(detection.branches.len()).filter(|pair| !listed.contains(pair));
        let rest = rest.map(|(a, b)| self.unmerged(&comparison, a, b));
        let rest = rest.collect();
        self.keep(&detection.branches, comparison);
        Ok(rest)
    }

    /// Finds conflicts that only more than two branches have together.
    ///
    /// Merges, in the given order, the branches that conflict with none before them in pairs.
    /// `order` lists indexes of `detection.branches`. `budget` bounds git's merges, aside from those
    /// that minimize a set; all are added to [`Detection::merges_run`].
    ///
    /// # Errors
    /// When git or the store cannot be used.
    pub fn multiway_conflicts(
        &mut self,
        detection: &mut Detection,
        order: &[usize],
        budget: usize,
    ) -> Result<MultiwayReport, DetectError> {
        let chosen = without_conflicts(detection, order);
        if chosen.len() < 3 {
            return Ok(MultiwayReport::complete(chosen.len()));
        }
        let comparison = self.comparison(&detection.branches)?;
        let Some(root) = comparison.root() else {
            return Ok(MultiwayReport::complete(chosen.len()));
        };
        let mut multiway = Multiway {
            settings: &self.settings,
            comparison: &comparison,
            changes: &mut self.changes,
            blobs: &mut self.blobs,
            cache: &mut self.cache,
            root,
        };
        let (report, merges) = multiway.search(&chosen, budget)?;
        detection.merges_run += merges;
        self.keep(&detection.branches, comparison);
        Ok(report)
    }

    /// Merges one pair and collects everything about it.
    ///
    /// # Errors
    /// When git or the store cannot be used, or a tip is not a commit.
    pub fn explain(&mut self, a: &Branch, b: &Branch) -> Result<Explanation, DetectError> {
        let branches = [a.clone(), b.clone()];
        let verdict = self.update(&branches)?.pairs.into_iter().next();
        let comparison = self.comparison(&branches)?;
        let given = self.settings.options.base;
        let store = comparison.engine.store()?;
        let bases = match given {
            Some(base) => vec![base],
            None => store.merge_bases(a.tip, b.tip)?,
        };
        let first = comparison.bases.best(0, 1).unwrap_or(&bases).first();
        let pinned = self.settings.common_base.or(given);
        let attributes = pinned.or(first.copied()).or(comparison.base);
        let attributes = attributes.unwrap_or(a.tip);
        let engine = comparison.engine.with_attributes_of(attributes)?;
        let answer = engine.merge(comparison.commits[0], comparison.commits[1])?;
        let store = engine.store()?;
        let (files, messages) = match answer {
            MergeAnswer::Done(result) => {
                let messages = result.messages.iter();
                let messages = messages.map(|message| message.text.trim_end().to_owned());
                (file_versions(&store, &result)?, messages.collect())
            }
            MergeAnswer::Failed(message) => (Vec::new(), vec![message]),
        };
        let with_tree = |base: Oid| Ok((base, store.tree_of(base)?));
        let bases: Result<_, StoreError> = bases.into_iter().map(with_tree).collect();
        Ok(Explanation {
            verdict,
            bases: bases?,
            trees: [comparison.trees[0], comparison.trees[1]],
            reproduction: Reproduction::new(&self.settings.repo, &store, attributes, given)?,
            files,
            messages,
        })
    }

    /// Releases what is kept for further questions about the same branches, including a temporary
    /// folder. For detectors that wait long until the next call.
    pub fn release(&mut self) {
        self.last = None;
        self.cache = None;
        self.blobs.forget_attributes();
    }

    /// Returns the last comparison if it was about the same commits, or a new one.
    fn comparison(&mut self, branches: &[Branch]) -> Result<Comparison, DetectError> {
        let tips = tips(branches);
        match self.last.take() {
            Some((known, comparison)) if known == tips => Ok(comparison),
            _ => Comparison::new(&self.settings, &mut self.last_bases, tips),
        }
    }

    fn keep(&mut self, branches: &[Branch], comparison: Comparison) {
        self.last = Some((tips(branches), comparison));
    }

    fn judge(&mut self, comparison: &Comparison, pairs: &[Pair]) -> Result<usize, DetectError> {
        let mut judge = Judge {
            settings: &self.settings,
            comparison,
            changes: &mut self.changes,
            outcomes: &mut self.outcomes,
            blobs: &mut self.blobs,
            cache: &mut self.cache,
            progress: &self.progress,
        };
        judge.judge(pairs)
    }

    /// Builds the verdict on a pair that needs no merge.
    fn unmerged(&self, comparison: &Comparison, a: usize, b: usize) -> PairVerdict {
        let (tip_a, tip_b) = (comparison.commits[a], comparison.commits[b]);
        let given = self.settings.options.base;
        let bases = match (given, comparison.bases.best(a, b)) {
            (Some(base), _) => vec![base],
            (None, Some(bases)) => bases.to_vec(),
            (None, None) => comparison
                .store
                .merge_bases(tip_a, tip_b)
                .unwrap_or_default(),
        };
        let pinned = self.settings.common_base.or(given);
        PairVerdict {
            a,
            b,
            attributes: pinned.or(bases.first().copied()).or(Some(tip_a)),
            bases,
            verdict: Verdict::Clean,
            class: Class::Independent,
            severity: 0,
            tree: None,
            units: Vec::new(),
            failure: None,
        }
    }

    /// Forgets everything that is not about these pairs.
    fn forget_others(&mut self, comparison: &Comparison, pairs: &[Pair]) {
        let used: HashSet<PairKey> = pairs.iter().map(|pair| pair.key).collect();
        // git may have failed for a passing reason, such as a full disk.
        let is_kept = |key: &PairKey, outcome: &mut PairOutcome| {
            outcome.failure.is_none() && used.contains(key)
        };
        self.outcomes.retain(is_kept);
        self.changes.retain(&comparison.trees);
        self.blobs.trim();
    }
}

fn tips(branches: &[Branch]) -> Vec<Oid> {
    branches.iter().map(|branch| branch.tip).collect()
}
