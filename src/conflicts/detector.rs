//! Which branches conflict: all pairs, but only those merged that need it.
//!
//! Plain blocking code. The verdict on a pair is always git's; the sound rule of
//! [`crate::conflicts::prune`] only says which pairs need not be asked about.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::conflicts::classify::Classified;
use crate::conflicts::footprint::Footprint;
use crate::conflicts::merge_bases::Bases;
use crate::git::merge_error::MergeError;
use crate::git::quarantine::Quarantine;
use crate::git::{Repo, StoreError};
use crate::merge::change::{Change, RepoPath};
use crate::merge::oid::Oid;
use crate::merge::verdict::{Class, PairVerdict, Verdict};

use crate::conflicts::branches::{Pair, Scene};
use crate::conflicts::cache::VerdictCache;
use crate::conflicts::name_collisions::add_colliding_names;

pub use crate::conflicts::explain::{Explained, ThreeWay};
pub use crate::conflicts::multiway::{APART_MERGES, Emergent, Joint, SEQUENCE_MERGES};
pub use crate::conflicts::reproduce::Sceptic;

/// Merges of contents that are remembered; beyond that they are asked for again.
const CONTENTS_KEPT: usize = 100_000;

/// A branch, or any commit under a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Branch {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub tip: Oid,
}

/// What was found out about a list of branches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Detection {
    /// The commit below all of them: the one asked for, or their common ancestor.
    pub base: Option<Oid>,
    /// The branches, as given; [`PairVerdict`] names them by place.
    pub branches: Vec<Branch>,
    /// Every pair that is not independent, sorted.
    pub pairs: Vec<PairVerdict>,
    /// All pairs there are.
    pub pairs_total: usize,
    /// Pairs that have nothing to do with each other.
    pub pairs_independent: usize,
    /// Merges that were carried out for this answer, those in sequence among them.
    pub merges_run: usize,
}

/// How to look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DetectOptions {
    /// Compare the trees over this commit instead of over what history says.
    pub base: Option<Oid>,
    /// Leave out pairs that provably cannot conflict.
    pub prune: bool,
    /// Globs of generated files, as `[conflicts] generated`.
    pub generated: Vec<String>,
    /// Keep verdicts in the git folder, and take them from there.
    pub cache: bool,
}

impl Default for DetectOptions {
    fn default() -> DetectOptions {
        DetectOptions {
            base: None,
            prune: true,
            generated: Vec::new(),
            cache: false,
        }
    }
}

/// Why no verdicts could be given.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// git could not be asked.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// A glob of generated files is no glob.
    #[error("{0:?} is no glob")]
    Glob(String, #[source] globset::Error),
}

/// Gives the verdict on every pair of branches, once.
///
/// # Errors
/// When git or the store cannot be used, or a tip is no commit.
pub fn detect(
    repo: &Repo,
    branches: &[Branch],
    options: &DetectOptions,
) -> Result<Detection, DetectError> {
    Detector::for_any(repo, options)?.update(branches)
}

/// Gives verdicts again and again while branches move, and asks only about what is new.
#[derive(Debug)]
pub struct Detector {
    pub(super) repo: Repo,
    pub(super) options: DetectOptions,
    pub(super) generated: GlobSet,
    /// The base of a run: below all branches, and the source of attributes for every pair.
    pub(super) run_base: Option<Oid>,
    /// What was last found out about a history: of these tips over this base.
    pub(super) bases: Option<(Vec<Oid>, Option<Oid>, Arc<Bases>)>,
    /// What the last call looked at: who asks for more about the same branches finds it set up.
    pub(super) scene: Option<(Vec<Oid>, Scene)>,
    pub(super) cache: Option<VerdictCache>,
    /// Which paths have no attribute that matters to merging their contents, seen from which commit.
    pub(super) plain: Option<(Oid, HashMap<RepoPath, bool>)>,
    pub(super) sides: HashMap<(Oid, Oid), Arc<Side>>,
    pub(super) verdicts: HashMap<Key, Known>,
    /// What merging contents came to, for pairs of the last call and for sets of them.
    pub(super) contents: Merged,
    pub(super) meter: Arc<Meter>,
    /// Where further commits are, that are in no repository.
    pub(super) quarantine: Option<Arc<Quarantine>>,
}

/// What contents (base, ours, theirs) come to that merge by themselves.
pub(super) type Merged = HashMap<[Oid; 3], Oid>;

/// How far the merging is, for those who wait for it.
#[derive(Debug, Default)]
pub struct Meter {
    pub(super) merged: AtomicUsize,
    pub(super) wanted: AtomicUsize,
}

impl Meter {
    /// Merges that are over, and merges that are known to be needed.
    pub fn read(&self) -> (usize, usize) {
        let load = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        (load(&self.merged), load(&self.wanted))
    }
}

/// What a branch does to a base tree.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) changes: Vec<Change>,
    pub(super) footprint: Footprint,
}

/// What a verdict depends on, the names of the commits included: they stand in the tree of a conflict.
/// Where there is no single base, the trees alone would not do anyway.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    pub(super) base: Option<Oid>,
    pub(super) attributes: Oid,
    pub(super) a: Oid,
    pub(super) b: Oid,
}

#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) classified: Classified,
    pub(super) tree: Option<Oid>,
    pub(super) failure: Option<String>,
}

impl Detector {
    /// For the branches of a run: all stand on `base`, whose attributes hold for every merge.
    ///
    /// # Errors
    /// When a glob of the options is none.
    pub fn new(repo: &Repo, base: Oid, options: &DetectOptions) -> Result<Detector, DetectError> {
        Detector::with(repo, Some(base), options)
    }

    /// For any branches: what they have in common is looked up.
    ///
    /// # Errors
    /// When a glob of the options is none.
    pub fn for_any(repo: &Repo, options: &DetectOptions) -> Result<Detector, DetectError> {
        Detector::with(repo, None, options)
    }

    fn with(
        repo: &Repo,
        run_base: Option<Oid>,
        options: &DetectOptions,
    ) -> Result<Detector, DetectError> {
        Ok(Detector {
            repo: repo.clone(),
            options: options.clone(),
            generated: glob_set(&options.generated)?,
            run_base,
            bases: None,
            scene: None,
            cache: None,
            plain: None,
            sides: HashMap::new(),
            verdicts: HashMap::new(),
            contents: Merged::new(),
            meter: Arc::default(),
            quarantine: None,
        })
    }

    /// The same, for branches of which some are in a quarantine only.
    #[must_use]
    pub fn within(mut self, quarantine: Arc<Quarantine>) -> Detector {
        self.quarantine = Some(quarantine);
        self
    }

    /// How far it is, readable from another thread while it works.
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// The verdicts on these branches. What an earlier call found out and still holds is not asked
    /// again; what no longer matters is forgotten.
    ///
    /// # Errors
    /// When git or the store cannot be used, or a tip is no commit.
    pub fn update(&mut self, branches: &[Branch]) -> Result<Detection, DetectError> {
        let pairs_total = branches.len() * branches.len().saturating_sub(1) / 2;
        let mut detection = Detection {
            base: self.options.base.or(self.run_base),
            branches: branches.to_vec(),
            pairs: Vec::new(),
            pairs_total,
            pairs_independent: pairs_total,
            merges_run: 0,
        };
        if branches.len() < 2 {
            return Ok(detection);
        }
        self.rest();
        let scene = self.scene(branches)?;
        detection.base = detection.base.or(scene.base);
        let (pairs, colliding) = self.pairs(&scene)?;
        detection.merges_run = self.judge(&scene, &pairs)?;
        let known = pairs.iter().filter_map(|pair| self.verdict(pair));
        detection.pairs = known.filter(|p| p.class != Class::Independent).collect();
        let unmerged = |a, b| self.unmerged(&scene, a, b);
        add_colliding_names(colliding, &mut detection.pairs, unmerged);
        detection.pairs_independent = pairs_total - detection.pairs.len();
        self.forget(&scene, &pairs);
        self.keep(branches, scene);
        Ok(detection)
    }

    /// Lets go of what is kept for the next question about the same branches, a folder with merged
    /// objects among it; for detectors that wait long until the next call.
    pub fn rest(&mut self) {
        self.scene = None;
        self.cache = None;
        self.plain = None;
    }

    /// Every pair that [`Detector::update`] does not list, because the two have nothing to do with
    /// each other. No merged tree is kept for those.
    ///
    /// # Errors
    /// When git or the store cannot be used, or a tip is no commit.
    pub fn independent(&mut self, detection: &Detection) -> Result<Vec<PairVerdict>, DetectError> {
        if detection.pairs_independent == 0 {
            return Ok(Vec::new());
        }
        let scene = self.scene(&detection.branches)?;
        let listed: HashSet<_> = detection
            .pairs
            .iter()
            .map(|pair| (pair.a, pair.b))
            .collect();
        let count = detection.branches.len();
        let pairs = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b)));
        let rest = pairs.filter(|pair| !listed.contains(pair));
        let rest = rest.map(|(a, b)| self.unmerged(&scene, a, b)).collect();
        self.keep(&detection.branches, scene);
        Ok(rest)
    }

    /// The verdict on a pair that needs no merge.
    fn unmerged(&self, scene: &Scene, a: usize, b: usize) -> PairVerdict {
        let bases = match (self.options.base, scene.bases.best(a, b)) {
            (Some(base), _) => vec![base],
            (None, Some(bases)) => bases.to_vec(),
            (None, None) => {
                let (a, b) = (scene.commits[a], scene.commits[b]);
                scene.store.merge_bases(a, b).unwrap_or_default()
            }
        };
        let pinned = self.run_base.or(self.options.base);
        PairVerdict {
            a,
            b,
            attributes: pinned.or(bases.first().copied()).or(Some(scene.commits[a])),
            bases,
            verdict: Verdict::Clean,
            class: Class::Independent,
            severity: 0,
            tree: None,
            units: Vec::new(),
            failure: None,
        }
    }

    fn verdict(&self, pair: &Pair) -> Option<PairVerdict> {
        let known = self.verdicts.get(&pair.key)?;
        Some(PairVerdict {
            a: pair.a,
            b: pair.b,
            bases: pair.bases.clone(),
            attributes: Some(pair.key.attributes),
            verdict: known.classified.verdict,
            class: known.classified.class,
            severity: known.classified.severity,
            tree: known.tree,
            units: known.classified.units.clone(),
            failure: known.failure.clone(),
        })
    }

    fn forget(&mut self, scene: &Scene, pairs: &[Pair]) {
        let used: HashSet<Key> = pairs.iter().map(|pair| pair.key).collect();
        // Why git died may pass (a full disk), so a failure is asked about again.
        let holds = |key: &Key, known: &mut Known| known.failure.is_none() && used.contains(key);
        self.verdicts.retain(holds);
        let trees: HashSet<Oid> = scene.trees.iter().copied().collect();
        self.sides.retain(|(_, tree), _| trees.contains(tree));
        if self.contents.len() > CONTENTS_KEPT {
            self.contents.clear();
        }
    }
}

fn glob_set(globs: &[String]) -> Result<GlobSet, DetectError> {
    let bad = |glob: &String| {
        let glob = glob.clone();
        move |error| DetectError::Glob(glob, error)
    };
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(Glob::new(glob).map_err(bad(glob))?);
        // A name without a folder means the file wherever it stands, as in `.gitignore`.
        if !glob.contains('/') {
            set.add(Glob::new(&format!("**/{glob}")).map_err(bad(glob))?);
        }
    }
    let all = globs.join(", ");
    set.build().map_err(|error| DetectError::Glob(all, error))
}

impl Detection {
    /// The pairs that do not merge by themselves.
    pub fn conflicts(&self) -> impl Iterator<Item = &PairVerdict> {
        self.pairs.iter().filter(|pair| pair.is_conflict())
    }
}
