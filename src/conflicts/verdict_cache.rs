//! Verdicts that outlive the process, in `dispatch/cache/verdicts` of the shared git folder.
//!
//! A verdict is found again only under everything it depends on: the base tree and both trees (both
//! commits if history decides, or if the merged tree has conflict markers, which hold the names of
//! the commits), the commit whose attributes apply, the globs of generated files, git and its
//! configuration, and this build of the program. Verdicts that depend on more are not kept: merges
//! with a user's program, submodules, and failures.
//!
//! The results of merging several branches in order are kept in the same way, and so are the merged
//! contents that this took.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::base::record_log::{Key as RecordKey, RecordLog, Records};
use crate::conflicts::blob_merges::Blobs;
use crate::conflicts::classify::Classified;
use crate::conflicts::comparison::Comparison;
use crate::conflicts::error::DetectError;
use crate::conflicts::multiway_conflict::{MultiwayReport, SequenceKey};
use crate::conflicts::options::Settings;
use crate::conflicts::pair::{Pair, PairOutcome};
use crate::git::Repo;
use crate::git::attributes::Attributes;
use crate::git::merge_engine::MergeEngine;
use crate::git::merge_environment::MergeEnvironment;
use crate::git::object_hash::digest;
use crate::merge::answer::MergeResult;
use crate::merge::change::Entry;
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::merge::verdict::{Unit, Verdict};

/// The largest size of the file.
const LIMIT: usize = 32 << 20;

/// Values of the attribute `merge` for which git runs no program.
const NO_PROGRAM: [&str; 5] = ["set", "unset", "text", "binary", "union"];

/// The known verdicts, and new ones to save.
#[derive(Debug)]
pub(super) struct VerdictCache {
    repo: Repo,
    log: RecordLog,
    known: Records,
    program: String,
    generated: Vec<String>,
    environment: MergeEnvironment,
    new: Vec<(RecordKey, String)>,
}

#[derive(Serialize, Deserialize)]
struct VerdictRecord {
    verdict: Verdict,
    class: Class,
    severity: u8,
    tree: Option<Oid>,
    units: Vec<Unit>,
}

impl VerdictCache {
    /// Reads the cache of a repository. `None` if it is turned off, if replacement objects change
    /// commits, if work in progress is compared, or if the environment of merges is unknown.
    ///
    /// # Errors
    /// When git cannot be run.
    pub(super) fn open(
        settings: &Settings,
        comparison: &Comparison,
    ) -> Result<Option<VerdictCache>, DetectError> {
        let is_on = settings.options.cache && comparison.prune && settings.quarantine.is_none();
        let Some(program) = is_on.then(this_program).flatten() else {
            return Ok(None);
        };
        let Some(environment) = comparison.engine.environment()? else {
            return Ok(None);
        };
        let path = settings.repo.dispatch_folder().join("cache/verdicts");
        let log = RecordLog::new(path, LIMIT);
        Ok(Some(VerdictCache {
            repo: settings.repo.clone(),
            known: log.read(),
            log,
            program,
            generated: settings.options.generated.clone(),
            environment,
            new: Vec::new(),
        }))
    }

    /// Returns the kept outcome of a pair.
    pub(super) fn get(&self, engine: &MergeEngine, pair: &Pair) -> Option<PairOutcome> {
        let commits = [None, Some([pair.key.a, pair.key.b])];
        let keys = commits.map(|commits| self.key(engine, pair, commits));
        let mut texts = keys.iter().flatten().filter_map(|key| self.value(key));
        let record = serde_json::from_str::<VerdictRecord>(texts.next()?).ok();
        record.map(|record| PairOutcome {
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

    /// Keeps the outcome of merging a pair, if it depends on nothing but the key.
    pub(super) fn put(
        &mut self,
        engine: &MergeEngine,
        pair: &Pair,
        outcome: &PairOutcome,
        (result, attributes): (&MergeResult, &Attributes),
    ) {
        if outcome.failure.is_some() || used_program(result, attributes) || has_submodule(result) {
            return;
        }
        // Conflict markers hold the names of the commits, even in merges that git calls clean.
        let commits = (!result.is_sound()).then_some([pair.key.a, pair.key.b]);
        let Some(key) = self.key(engine, pair, commits) else {
            return;
        };
        let classified = outcome.classified.clone();
        let record = VerdictRecord {
            verdict: classified.verdict,
            class: classified.class,
            severity: classified.severity,
            tree: outcome.tree,
            units: classified.units,
        };
        self.add(key, &record);
    }

    /// Returns the kept result of merging these commits in order.
    pub(super) fn sequence(
        &self,
        engine: &MergeEngine,
        sequence: &SequenceKey,
    ) -> Option<MultiwayReport> {
        let key = self.sequence_key(engine, sequence)?;
        serde_json::from_str(self.value(&key)?).ok()
    }

    /// Keeps the result of merging these commits in order.
    pub(super) fn put_sequence(
        &mut self,
        engine: &MergeEngine,
        sequence: &SequenceKey,
        report: &MultiwayReport,
    ) {
        if let Some(key) = self.sequence_key(engine, sequence) {
            self.add(key, report);
        }
    }

    /// Returns the kept result of merging contents without attributes.
    pub(super) fn contents(&self, blobs: Blobs) -> Option<Oid> {
        let key = self.contents_key(blobs)?;
        serde_json::from_str(self.value(&key)?).ok()
    }

    /// Keeps merged contents.
    pub(super) fn put_contents(&mut self, merged: &HashMap<Blobs, Oid>) {
        for (blobs, oid) in merged {
            if let Some(key) = self.contents_key(*blobs) {
                self.add(key, oid);
            }
        }
    }

    fn add(&mut self, key: RecordKey, record: &impl Serialize) {
        if let Ok(text) = serde_json::to_string(record) {
            let text = format!("{} {text}", self.code(&key, &text));
            self.new.push((key, text));
        }
    }

    /// Returns the value of a record that this user's dispatch wrote: a forged one could hide a conflict.
    fn value(&self, key: &RecordKey) -> Option<&str> {
        let (code, text) = self.known.get(key)?.split_once(' ')?;
        (code == self.code(key, text)).then_some(text)
    }

    fn code(&self, key: &RecordKey, text: &str) -> String {
        self.repo.code(&[b"verdict", key, text.as_bytes()])
    }

    /// Writes new records. A failure to write (a full disk, a read-only repository) does not fail
    /// the comparison. If the environment changed during the merges, nothing is written.
    ///
    /// # Errors
    /// When git cannot be run.
    pub(super) fn save(&mut self, engine: &MergeEngine) -> Result<(), DetectError> {
        let new = std::mem::take(&mut self.new);
        if !new.is_empty() && engine.environment()? == Some(self.environment) {
            let _ = self.log.add(&new);
        }
        Ok(())
    }

    /// Builds the key of a pair, with the commits if their names stand in the merged tree. `None`
    /// for a merge that may depend on more: with several merge bases git merges those first, and
    /// does not report how.
    fn key(
        &self,
        engine: &MergeEngine,
        pair: &Pair,
        commits: Option<[Oid; 2]>,
    ) -> Option<RecordKey> {
        // With one base the trees decide, whatever commits they belong to.
        let (base, [a, b]) = match pair.key.base {
            Some(base) => (base.to_string(), pair.trees),
            None if self.may_use_more(engine) => return None,
            None => ("history".to_owned(), [pair.key.a, pair.key.b]),
        };
        let text = match commits {
            None => format!("pair {base} {a} {b}"),
            Some([ours, theirs]) => format!("conflict {base} {a} {b} {ours} {theirs}"),
        };
        Some(self.digest(pair.key.attributes, &text))
    }

    fn sequence_key(&self, engine: &MergeEngine, sequence: &SequenceKey) -> Option<RecordKey> {
        let may_use_more = match sequence.submodules {
            true => self.may_use_more(engine),
            false => self.environment.has_drivers,
        };
        let text = format!("sequence {}", sequence.commits);
        (!may_use_more).then(|| self.digest(sequence.attributes, &text))
    }

    fn contents_key(&self, [base, ours, theirs]: Blobs) -> Option<RecordKey> {
        let text = format!("contents {base} {ours} {theirs}");
        let has_drivers = self.environment.has_drivers;
        (!has_drivers).then(|| self.digest(Oid::ZERO, &text))
    }

    /// Returns `true` if a merge may depend on programs, or on commits fetched into submodules.
    fn may_use_more(&self, engine: &MergeEngine) -> bool {
        self.environment.has_drivers || engine.has_submodules()
    }

    fn digest(&self, attributes: Oid, text: &str) -> RecordKey {
        let (program, generated) = (&self.program, &self.generated);
        let environment = self.environment.fingerprint;
        let text = format!("{program}\0{generated:?}\0{environment}\0{attributes}\0{text}");
        digest(text.as_bytes())
    }
}

fn used_program(result: &MergeResult, attributes: &Attributes) -> bool {
    let messages = result.messages.iter().flat_map(|message| &message.paths);
    let mut paths = messages.chain(result.stages.iter().map(|stage| &stage.path));
    paths.any(|path| {
        let driver = attributes.get(path).and_then(|names| names.get("merge"));
        driver.is_some_and(|driver| !NO_PROGRAM.contains(&driver.as_str()))
    })
}

fn has_submodule(result: &MergeResult) -> bool {
    let is_about_one = |kind: &str| kind.to_ascii_lowercase().contains("submodule");
    result
        .stages
        .iter()
        .any(|stage| stage.mode == Entry::SUBMODULE)
        || result
            .messages
            .iter()
            .any(|message| is_about_one(&message.kind))
}

/// Identifies this build of the program: another one may classify the same merge differently. The
/// size of the file stands for the versions of its dependencies.
fn this_program() -> Option<String> {
    let metadata = std::env::current_exe().and_then(std::fs::metadata).ok()?;
    let (version, sources) = (env!("CARGO_PKG_VERSION"), env!("DISPATCH_SOURCES"));
    Some(format!("{version} {sources} {}", metadata.len()))
}
