//! Which branches conflict: all pairs, but only those merged that need it.
//!
//! Plain blocking code. The verdict on a pair is always git's; the sound rule of
//! [`crate::conflict::prune`] only says which pairs need not be asked about.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::conflict::bases::{Base, Bases};
use crate::conflict::classify::{Classified, Evidence, SideInfo, classify, needs_renames};
use crate::conflict::footprint::Footprint;
use crate::conflict::prune;
use crate::git::attributes::Attributes;
use crate::git::merge_tree::{MergeAnswer, MergeEngine, MergeError, MergeResult};
use crate::git::{Repo, Store, StoreError};
use crate::model::change::{Change, RepoPath};
use crate::model::conflict::{Class, PairVerdict, TaskConflict, Unit, Verdict};
use crate::model::ids::{Oid, TaskNumber};
use crate::model::merge::{Lineage, Rename};

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
    /// Merges that were carried out for this answer.
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
}

impl Default for DetectOptions {
    fn default() -> DetectOptions {
        DetectOptions {
            base: None,
            prune: true,
            generated: Vec::new(),
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
    Detector::with(repo, None, options)?.update(branches)
}

/// Gives verdicts again and again while branches move, and asks only about what is new.
#[derive(Debug)]
pub struct Detector {
    repo: Repo,
    options: DetectOptions,
    generated: GlobSet,
    /// The base of a run: below all branches, and the source of attributes for every pair.
    run_base: Option<Oid>,
    above: HashMap<(Option<Oid>, Oid), Above>,
    sides: HashMap<(Oid, Oid), Arc<Side>>,
    verdicts: HashMap<Key, Known>,
}

/// What a branch has above the base; `None` if it does not stand on it, or if its history cannot be
/// walked, so that nothing is concluded from it.
type Above = Option<Arc<Vec<Lineage>>>;

/// What a branch does to a base tree.
#[derive(Debug, Default)]
struct Side {
    changes: Vec<Change>,
    footprint: Footprint,
}

/// What a verdict depends on. Where there is no single base, the commits count and not the trees.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Key {
    base: Option<Oid>,
    attributes: Oid,
    a: Oid,
    b: Oid,
}

#[derive(Clone, Debug)]
struct Known {
    classified: Classified,
    tree: Option<Oid>,
    failure: Option<String>,
}

/// The branches of one call, with their trees.
struct Scene {
    store: Store,
    engine: MergeEngine,
    /// What is merged: the tips, or throwaway commits over the base that was asked for.
    commits: Vec<Oid>,
    trees: Vec<Oid>,
    bases: Bases,
    base: Option<Oid>,
    prune: bool,
}

/// One pair to be judged.
struct Pair {
    a: usize,
    b: usize,
    key: Key,
    base_tree: Option<Oid>,
}

impl Detector {
    /// For the branches of a run: all stand on `base`, whose attributes hold for every merge.
    ///
    /// # Errors
    /// When a glob of the options is none.
    pub fn new(repo: &Repo, base: Oid, options: &DetectOptions) -> Result<Detector, DetectError> {
        Detector::with(repo, Some(base), options)
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
            above: HashMap::new(),
            sides: HashMap::new(),
            verdicts: HashMap::new(),
        })
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
        let scene = self.scene(branches)?;
        detection.base = detection.base.or(scene.base);
        let pairs = self.pairs(&scene)?;
        detection.merges_run = self.judge(&scene, &pairs)?;
        let known = pairs.iter().filter_map(|pair| self.verdict(pair));
        detection.pairs = known.filter(|p| p.class != Class::Independent).collect();
        detection.pairs_independent = pairs_total - detection.pairs.len();
        self.forget(&scene, &pairs);
        Ok(detection)
    }

    fn verdict(&self, pair: &Pair) -> Option<PairVerdict> {
        let known = self.verdicts.get(&pair.key)?;
        Some(PairVerdict {
            a: pair.a,
            b: pair.b,
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
        let commits: HashSet<Oid> = scene.commits.iter().copied().collect();
        self.above.retain(|(_, tip), _| commits.contains(tip));
    }

    // ---- the scene ---------------------------------------------------------------------------

    fn scene(&mut self, branches: &[Branch]) -> Result<Scene, DetectError> {
        let tips: Vec<Oid> = branches.iter().map(|branch| branch.tip).collect();
        let store = Store::open(&self.repo)?;
        let trees = tips.iter().map(|tip| store.tree_of(*tip));
        let trees = trees.collect::<Result<Vec<Oid>, StoreError>>()?;
        let prune = self.options.prune && !store.has_replacements()?;
        if let Some(base) = self.options.base {
            let engine = MergeEngine::quarantined(&self.repo, base)?;
            let root = engine.commit_tree(store.tree_of(base)?, &[])?;
            let commits = trees.iter().map(|tree| engine.commit_tree(*tree, &[root]));
            let commits = commits.collect::<Result<Vec<Oid>, MergeError>>()?;
            return Ok(Scene {
                store: engine.store()?,
                engine,
                bases: Bases::all(root, commits.len()),
                commits,
                trees,
                base: Some(base),
                prune,
            });
        }
        let base = match self.run_base {
            Some(base) => Some(base),
            None => store.common_ancestor(&tips).unwrap_or(None),
        };
        let above: Vec<_> = tips
            .iter()
            .map(|tip| self.above(&store, base, *tip))
            .collect();
        let above: Vec<_> = above
            .iter()
            .map(|a| a.as_deref().map(Vec::as_slice))
            .collect();
        let engine = MergeEngine::quarantined(&self.repo, base.unwrap_or(tips[0]))?;
        Ok(Scene {
            store: engine.store()?,
            engine,
            bases: Bases::new(base, &above),
            commits: tips,
            trees,
            base,
            prune,
        })
    }

    /// What a branch has above the base; `None` if it does not stand on it, or if its history
    /// cannot be walked, so that nothing is concluded from it.
    fn above(&mut self, store: &Store, base: Option<Oid>, tip: Oid) -> Above {
        let known = self.above.entry((base, tip)).or_insert_with(|| {
            let commits = store.commits_above(tip, base).ok()?;
            let on_base = base.is_none_or(|base| {
                tip == base || commits.iter().any(|(_, parents)| parents.contains(&base))
            });
            on_base.then(|| Arc::new(commits))
        });
        known.clone()
    }

    // ---- the pairs ---------------------------------------------------------------------------

    /// Every pair that has to be looked at, sorted.
    fn pairs(&mut self, scene: &Scene) -> Result<Vec<Pair>, DetectError> {
        let mut pairs = Vec::new();
        for (base, branches) in scene.bases.singles() {
            let base_tree = scene.store.tree_of(base)?;
            let sides: Vec<Arc<Side>> = branches
                .iter()
                .map(|branch| self.side(scene, base_tree, scene.trees[*branch]))
                .collect::<Result<_, _>>()?;
            let candidates = if scene.prune {
                let footprints: Vec<&Footprint> = sides.iter().map(|s| &s.footprint).collect();
                prune::candidates_among(&footprints)
            } else {
                all_pairs(branches.len())
            };
            for (a, b) in candidates {
                let (a, b) = (branches[a], branches[b]);
                if scene.bases.of(a, b) == Base::One(base) {
                    pairs.push(self.single_base_pair(scene, a, b, base, base_tree));
                }
            }
        }
        for (a, b) in scene.bases.others() {
            pairs.push(self.odd_pair(scene, a, b)?);
        }
        pairs.sort_unstable_by_key(|pair| (pair.a, pair.b));
        Ok(pairs)
    }

    fn single_base_pair(&self, scene: &Scene, a: usize, b: usize, base: Oid, tree: Oid) -> Pair {
        Pair {
            a,
            b,
            key: Key {
                base: Some(tree),
                attributes: self.run_base.or(self.options.base).unwrap_or(base),
                a: scene.trees[a],
                b: scene.trees[b],
            },
            base_tree: Some(tree),
        }
    }

    /// A pair whose history has to be asked for: git finds the bases while it merges; ours are
    /// only for the names of what was found.
    fn odd_pair(&mut self, scene: &Scene, a: usize, b: usize) -> Result<Pair, DetectError> {
        let (tip_a, tip_b) = (scene.commits[a], scene.commits[b]);
        let bases = scene.store.merge_bases(tip_a, tip_b).unwrap_or_default();
        let base_tree = match bases.first() {
            Some(base) => Some(scene.store.tree_of(*base)?),
            None => None,
        };
        if let Some(tree) = base_tree {
            self.side(scene, tree, scene.trees[a])?;
            self.side(scene, tree, scene.trees[b])?;
        }
        let first = bases.first().copied();
        Ok(Pair {
            a,
            b,
            key: Key {
                base: None,
                attributes: self.run_base.or(first).or(scene.base).unwrap_or(tip_a),
                a: tip_a,
                b: tip_b,
            },
            base_tree,
        })
    }

    fn side(&mut self, scene: &Scene, base: Oid, tree: Oid) -> Result<Arc<Side>, DetectError> {
        if let Some(side) = self.sides.get(&(base, tree)) {
            return Ok(Arc::clone(side));
        }
        let changes = scene.store.changes(base, tree)?;
        let removed = scene.store.removed_directories(tree, &changes)?;
        let footprint = Footprint::new(&changes, removed);
        let side = Arc::new(Side { changes, footprint });
        self.sides.insert((base, tree), Arc::clone(&side));
        Ok(side)
    }

    // ---- the verdicts ------------------------------------------------------------------------

    /// Finds the verdicts that are not known yet and returns how many merges that took.
    fn judge(&mut self, scene: &Scene, pairs: &[Pair]) -> Result<usize, DetectError> {
        let mut groups: BTreeMap<Oid, Vec<&Pair>> = BTreeMap::new();
        let mut asked = HashSet::new();
        for pair in pairs {
            if self.verdicts.contains_key(&pair.key) || !asked.insert(pair.key) {
                continue;
            }
            if scene.prune && pair.key.a == pair.key.b && pair.key.base.is_some() {
                let known = self.same_tree(scene, pair);
                self.verdicts.insert(pair.key, known);
                continue;
            }
            groups.entry(pair.key.attributes).or_default().push(pair);
        }
        let mut merges = 0;
        for (attributes, pairs) in groups {
            let engine = scene.engine.pinned_to(attributes)?;
            merges += self.merge(scene, &engine, &pairs)?;
        }
        Ok(merges)
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

    fn side_info<'a>(
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
    ) -> Result<usize, DetectError> {
        let commits = |pair: &&Pair| (scene.commits[pair.a], scene.commits[pair.b]);
        let asked: Vec<(Oid, Oid)> = pairs.iter().map(commits).collect();
        let answers = engine.merge_all(&asked)?;
        let attributes = engine.attributes(&["merge", "linguist-generated"], &met(&answers))?;
        let mut renames = Renames::default();
        for (pair, answer) in pairs.iter().zip(&answers) {
            let known = match answer {
                MergeAnswer::Failed(said) => Known {
                    classified: Classified::engine_failure(),
                    tree: None,
                    failure: Some(said.clone()),
                },
                MergeAnswer::Done(result) => {
                    self.known(scene, engine, pair, result, &attributes, &mut renames)?
                }
            };
            self.verdicts.insert(pair.key, known);
        }
        let extra = self.clean_by_attribute(scene, engine, pairs, &answers, &attributes)?;
        Ok(asked.len() + extra)
    }

    fn known(
        &self,
        scene: &Scene,
        engine: &MergeEngine,
        pair: &Pair,
        result: &MergeResult,
        attributes: &Attributes,
        renames: &mut Renames,
    ) -> Result<Known, DetectError> {
        let mut of_side = |branch: usize| match pair.base_tree {
            Some(base) if needs_renames(result) => {
                renames.between(engine, base, scene.trees[branch])
            }
            _ => Ok(Arc::default()),
        };
        let (ours, theirs) = (of_side(pair.a)?, of_side(pair.b)?);
        let classified = classify(&Evidence {
            result,
            ours: self.side_info(scene, pair, pair.a, &ours),
            theirs: self.side_info(scene, pair, pair.b, &theirs),
            blob: &|oid| scene.store.blob(oid).ok(),
            generated: &|path| self.is_generated(path, attributes),
        });
        let tree = (classified.class != Class::Independent).then_some(result.tree);
        Ok(Known {
            classified,
            tree,
            failure: None,
        })
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

/// The renames of each branch, asked for once.
#[derive(Default)]
struct Renames {
    found: HashMap<(Oid, Oid), Arc<Vec<Rename>>>,
}

impl Renames {
    fn between(
        &mut self,
        engine: &MergeEngine,
        base: Oid,
        tree: Oid,
    ) -> Result<Arc<Vec<Rename>>, DetectError> {
        if let Some(found) = self.found.get(&(base, tree)) {
            return Ok(Arc::clone(found));
        }
        let found = Arc::new(engine.renames(base, tree)?);
        self.found.insert((base, tree), Arc::clone(&found));
        Ok(found)
    }
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

fn all_pairs(count: usize) -> Vec<(usize, usize)> {
    let pairs = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b)));
    pairs.collect()
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

/// The conflicts between the candidates of tasks. `tasks` names the branches of the detection by
/// place; `built_on` gives the tasks whose candidates a task's own contains.
pub fn task_conflicts(
    detection: &Detection,
    tasks: &[TaskNumber],
    built_on: &dyn Fn(TaskNumber) -> Vec<TaskNumber>,
) -> Vec<TaskConflict> {
    let found = detection
        .pairs
        .iter()
        .filter(|pair| pair.class.is_conflict());
    let mut conflicts: Vec<TaskConflict> = found
        .map(|pair| task_conflict(pair, tasks[pair.a], tasks[pair.b]))
        .collect();
    let inherited: Vec<bool> = conflicts
        .iter()
        .map(|conflict| is_inherited(conflict, &conflicts, built_on))
        .collect();
    for (conflict, inherited) in conflicts.iter_mut().zip(inherited) {
        conflict.inherited = inherited;
    }
    conflicts.sort_by_key(|conflict| (conflict.a, conflict.b));
    conflicts
}

fn task_conflict(pair: &PairVerdict, a: TaskNumber, b: TaskNumber) -> TaskConflict {
    let mut units = pair.units.clone();
    if b < a {
        let hunks = units.iter_mut().flat_map(|unit| &mut unit.hunks);
        hunks.for_each(|hunk| std::mem::swap(&mut hunk.a, &mut hunk.b));
    }
    TaskConflict {
        a: a.min(b),
        b: a.max(b),
        class: pair.class,
        severity: pair.severity,
        units,
        inherited: false,
    }
}

/// Whether every path of the conflict is in conflict already between tasks the two were built on.
fn is_inherited(
    conflict: &TaskConflict,
    all: &[TaskConflict],
    built_on: &dyn Fn(TaskNumber) -> Vec<TaskNumber>,
) -> bool {
    let with_roots = |task: TaskNumber| {
        let mut tasks = built_on(task);
        tasks.push(task);
        tasks
    };
    let (below_a, below_b) = (with_roots(conflict.a), with_roots(conflict.b));
    let is_below = |other: &&TaskConflict| {
        let straight = below_a.contains(&other.a) && below_b.contains(&other.b);
        let crossed = below_a.contains(&other.b) && below_b.contains(&other.a);
        (straight || crossed) && (other.a, other.b) != (conflict.a, conflict.b)
    };
    let earlier: HashSet<&RepoPath> = all
        .iter()
        .filter(is_below)
        .flat_map(|other| other.units.iter().flat_map(|unit| &unit.paths))
        .collect();
    let mut paths = conflict
        .units
        .iter()
        .flat_map(|unit| &unit.paths)
        .peekable();
    paths.peek().is_some() && paths.all(|path| earlier.contains(path))
}

impl Detection {
    /// The pairs that do not merge by themselves.
    pub fn conflicts(&self) -> impl Iterator<Item = &PairVerdict> {
        let found =
            |pair: &&PairVerdict| pair.verdict != Verdict::Clean || pair.class.is_conflict();
        self.pairs.iter().filter(found)
    }
}
