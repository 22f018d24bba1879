//! Verdicts that outlive the process: `dispatch/cache/verdicts` in the git folder that all worktrees
//! share.
//!
//! A verdict is found again only under everything it depends on: the base tree and both trees (both
//! commits where history decides, or where conflict markers stand in the merged tree, because those
//! hold the names of the commits), the commit whose attributes hold, the globs of generated files, git
//! and its configuration, and this very program. What depends on more than that is not kept: merges in
//! which a program of the user's took part, submodules, and failures.
//!
//! What merging sets in order showed is kept in the same way, and what the contents come to that were
//! merged for it.

use serde::{Deserialize, Serialize};

use crate::base::record_log::{Key as RecordKey, RecordLog, Records};
use crate::conflicts::branches::{Pair, Scene};
use crate::conflicts::classify::Classified;
use crate::conflicts::detector::{DetectError, Detector, Known, Merged};
use crate::conflicts::multiway::{Asked, Joint};
use crate::git::attributes::Attributes;
use crate::git::merge_engine::MergeEngine;
use crate::git::merge_environment::{MergeEnvironment, digest};
use crate::merge::answer::MergeResult;
use crate::merge::change::Entry;
use crate::merge::oid::Oid;
use crate::merge::verdict::{Class, Unit, Verdict};

/// The largest the file gets.
const LIMIT: usize = 32 << 20;

/// Values of the attribute `merge` for which git runs no program.
const NO_PROGRAM: [&str; 5] = ["set", "unset", "text", "binary", "union"];

/// What is known from before, and what is to be kept.
#[derive(Debug)]
pub(super) struct VerdictCache {
    log: RecordLog,
    known: Records,
    program: String,
    generated: Vec<String>,
    environment: MergeEnvironment,
    fresh: Vec<(RecordKey, String)>,
}

#[derive(Serialize, Deserialize)]
struct VerdictRecord {
    verdict: Verdict,
    class: Class,
    severity: u8,
    tree: Option<Oid>,
    units: Vec<Unit>,
}

impl Detector {
    /// The cache of this repository; `None` where it is not wanted, where commits are not what their
    /// ids say, or where nobody can know what merges depend on. Work in progress is not worth keeping.
    ///
    /// # Errors
    /// When git cannot be run.
    pub(super) fn cache(&mut self, scene: &Scene) -> Result<Option<VerdictCache>, DetectError> {
        if let Some(cache) = self.cache.take() {
            return Ok(Some(cache));
        }
        let wanted = self.options.cache && scene.prune && self.quarantine.is_none();
        let Some(program) = wanted.then(this_program).flatten() else {
            return Ok(None);
        };
        let Some(environment) = scene.engine.environment()? else {
            return Ok(None);
        };
        let path = self.repo.dispatch_folder().join("cache/verdicts");
        let log = RecordLog::new(path, LIMIT);
        Ok(Some(VerdictCache {
            known: log.read(),
            log,
            program,
            generated: self.options.generated.clone(),
            environment,
            fresh: Vec::new(),
        }))
    }
}

impl VerdictCache {
    /// The verdict on a pair, if it was kept and holds.
    pub(super) fn get(&self, scene: &Scene, engine: &MergeEngine, pair: &Pair) -> Option<Known> {
        let names = [None, Some(commits(scene, pair))];
        let keys = names.map(|names| self.key(scene, engine, pair, names));
        let mut texts = keys.iter().flatten().filter_map(|key| self.known.get(key));
        let record = serde_json::from_str::<VerdictRecord>(texts.next()?).ok();
        record.map(|record| Known {
            classified: Classified {
                verdict: record.verdict,
                class: record.class,
                severity: record.severity,
                units: record.units,
            },
            tree: record.tree,
            failure: None,
        })
    }

    /// Keeps what was found out about a pair by merging it, if nobody can find out otherwise later.
    pub(super) fn put(
        &mut self,
        scene: &Scene,
        engine: &MergeEngine,
        pair: &Pair,
        known: &Known,
        (result, attributes): (&MergeResult, &Attributes),
    ) {
        if known.failure.is_some() || ran_a_program(result, attributes) || has_submodule(result) {
            return;
        }
        // Conflict markers hold the names of the commits, also those that git calls clean.
        let names = (!result.is_sound()).then(|| commits(scene, pair));
        let Some(key) = self.key(scene, engine, pair, names) else {
            return;
        };
        let Classified {
            verdict,
            class,
            severity,
            units,
        } = known.classified.clone();
        self.remember(
            key,
            &VerdictRecord {
                verdict,
                class,
                severity,
                tree: known.tree,
                units,
            },
        );
    }

    /// What merging these commits in this order has shown before.
    pub(super) fn joint(&self, engine: &MergeEngine, asked: &Asked) -> Option<Joint> {
        let key = self.joint_key(engine, asked)?;
        serde_json::from_str(self.known.get(&key)?).ok()
    }

    /// Keeps what merging these commits in this order has shown.
    pub(super) fn put_joint(&mut self, engine: &MergeEngine, asked: &Asked, found: &Joint) {
        if let Some(key) = self.joint_key(engine, asked) {
            self.remember(key, found);
        }
    }

    /// What merging these contents came to before, without any attribute.
    pub(super) fn contents(&self, blobs: [Oid; 3]) -> Option<Oid> {
        let key = self.contents_key(blobs)?;
        serde_json::from_str(self.known.get(&key)?).ok()
    }

    /// Keeps what merging contents came to.
    pub(super) fn put_contents(&mut self, merged: &Merged) {
        for (blobs, oid) in merged {
            if let Some(key) = self.contents_key(*blobs) {
                self.remember(key, oid);
            }
        }
    }

    fn remember(&mut self, key: RecordKey, record: &impl Serialize) {
        if let Ok(text) = serde_json::to_string(record) {
            self.fresh.push((key, text));
        }
    }

    /// Writes what is new. That nothing can be written (a full disk, a repository that may only be
    /// read) is no reason to give no verdicts. What was changed while the merges ran is not known to
    /// have held for all of them, so then nothing is kept.
    ///
    /// # Errors
    /// When git cannot be run.
    pub(super) fn save(&mut self, scene: &Scene) -> Result<(), DetectError> {
        let fresh = std::mem::take(&mut self.fresh);
        if !fresh.is_empty() && scene.engine.environment()? == Some(self.environment) {
            let _ = self.log.add(&fresh);
        }
        Ok(())
    }

    /// `names` are those of the commits, where they stand in the merged tree. `None` for a merge
    /// that may depend on more: with several bases git merges those first, and says nothing about how.
    fn key(
        &self,
        scene: &Scene,
        engine: &MergeEngine,
        pair: &Pair,
        names: Option<[Oid; 2]>,
    ) -> Option<RecordKey> {
        // With one base the trees decide, whatever commits they are in.
        let (base, [a, b]) = match pair.key.base {
            Some(base) => (base.to_string(), [pair.a, pair.b].map(|n| scene.trees[n])),
            None if self.is_open(engine) => return None,
            None => ("history".to_owned(), commits(scene, pair)),
        };
        let what = match names {
            None => format!("pair {base} {a} {b}"),
            Some([ours, theirs]) => format!("conflict {base} {a} {b} {ours} {theirs}"),
        };
        Some(self.digest(pair.key.attributes, &what))
    }

    fn joint_key(&self, engine: &MergeEngine, asked: &Asked) -> Option<RecordKey> {
        let what = format!("sequence {}", asked.commits);
        let is_open = match asked.submodules {
            true => self.is_open(engine),
            false => self.environment.has_drivers,
        };
        (!is_open).then(|| self.digest(asked.attributes, &what))
    }

    fn contents_key(&self, [base, ours, theirs]: [Oid; 3]) -> Option<RecordKey> {
        let what = format!("contents {base} {ours} {theirs}");
        let has_drivers = self.environment.has_drivers;
        (!has_drivers).then(|| self.digest(Oid::ZERO, &what))
    }

    /// Whether a merge may depend on programs or on what was fetched into submodules.
    fn is_open(&self, engine: &MergeEngine) -> bool {
        self.environment.has_drivers || engine.has_submodules()
    }

    fn digest(&self, attributes: Oid, what: &str) -> RecordKey {
        let (program, generated) = (&self.program, &self.generated);
        let around = self.environment.fingerprint;
        let text = format!("{program}\0{generated:?}\0{around}\0{attributes}\0{what}");
        *digest(text.as_bytes()).as_bytes()
    }
}

fn commits(scene: &Scene, pair: &Pair) -> [Oid; 2] {
    [scene.commits[pair.a], scene.commits[pair.b]]
}

fn ran_a_program(result: &MergeResult, attributes: &Attributes) -> bool {
    let messages = result.messages.iter().flat_map(|message| &message.paths);
    let mut paths = messages.chain(result.stages.iter().map(|stage| &stage.path));
    paths.any(|path| {
        let driver = attributes.get(path).and_then(|names| names.get("merge"));
        driver.is_some_and(|driver| !NO_PROGRAM.contains(&driver.as_str()))
    })
}

fn has_submodule(result: &MergeResult) -> bool {
    let said = |kind: &str| kind.to_ascii_lowercase().contains("submodule");
    result
        .stages
        .iter()
        .any(|stage| stage.mode == Entry::SUBMODULE)
        || result.messages.iter().any(|message| said(&message.kind))
}

/// Which build of the program this is: another one may give other classes to the same merge. Its
/// length speaks for the packages that it was put together with.
fn this_program() -> Option<String> {
    let about = std::env::current_exe().and_then(std::fs::metadata).ok()?;
    let (version, sources) = (env!("CARGO_PKG_VERSION"), env!("DISPATCH_SOURCES"));
    Some(format!("{version} {sources} {}", about.len()))
}
