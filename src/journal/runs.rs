//! The runs of a repository, their names, and the lock of a run.

use std::fs;
use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::files::{self, FileLock};
use crate::base::text::slug;
use crate::git::{Repo, Store, StoreError};
use crate::merge::oid::Oid;
use crate::model::ids::RunId;

/// The prefix of all journal references.
pub const PREFIX: &str = "refs/dispatch/runs/";

/// A run in the list of references.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunEntry {
    /// Its name.
    pub run: RunId,
    /// The last commit of its journal.
    pub tip: Oid,
    /// The time of its last event, in seconds.
    pub updated: Timestamp,
}

/// Lists the runs of the repository, the most recently active last.
///
/// # Errors
/// When references cannot be listed.
pub fn list(store: &Store) -> Result<Vec<RunEntry>, StoreError> {
    let mut runs = Vec::new();
    for (name, tip) in store.references(PREFIX)? {
        let run = RunId::new(&name[PREFIX.len()..]);
        let updated = store.commit(tip)?.time;
        runs.push(RunEntry { run, tip, updated });
    }
    runs.sort_by(|a, b| (a.updated, &a.run).cmp(&(b.updated, &b.run)));
    Ok(runs)
}

/// Draws a free name for a new run: a word of the title with more than two letters, and four base32
/// characters.
///
/// # Errors
/// When references cannot be read.
pub fn draw(
    store: &Store,
    title: &str,
    random: &mut fastrand::Rng,
    is_taken: impl Fn(&RunId) -> bool,
) -> Result<RunId, StoreError> {
    const BASE32: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
    let slug = slug(title);
    // Short words are articles.
    let words = || slug.split('-').filter(|word| !word.is_empty());
    let word = words()
        .find(|word| word.len() > 2)
        .or_else(|| words().next());
    let word = word.unwrap_or("run");
    loop {
        let letters = (0..4).map(|_| BASE32[random.usize(..BASE32.len())] as char);
        let run = RunId::new(format!("{word}-{}", letters.collect::<String>()));
        if !is_taken(&run) && store.reference(&format!("{PREFIX}{run}"))?.is_none() {
            return Ok(run);
        }
    }
}

/// The process that drives a run. It is shown only; the kernel holds the lock itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// Process id.
    pub pid: u32,
    /// Host name.
    pub host: String,
    /// The time it took the lock.
    pub since: Timestamp,
}

/// The right to drive a run, held until it is dropped or the process exits.
#[derive(Debug)]
pub struct RunLock {
    _lock: FileLock,
}

/// The result of [`RunLock::take`].
#[derive(Debug)]
pub enum Taken {
    /// This process has the lock.
    Ours(RunLock),
    /// Another process has the lock.
    Held(Option<Holder>),
}

impl RunLock {
    /// Takes the lock of a run if it is free. A lock never expires.
    ///
    /// # Errors
    /// When the lock file cannot be created.
    pub fn take(repo: &Repo, run: &RunId, now: Timestamp) -> io::Result<Taken> {
        let folder = repo.run_folder(run.as_str());
        let holder_file = folder.join("holder.json");
        let Some(lock) = FileLock::try_take(&folder.join("run.lock"))? else {
            let holder = fs::read(&holder_file).ok();
            return Ok(Taken::Held(
                holder.and_then(|text| serde_json::from_slice(&text).ok()),
            ));
        };
        let holder = Holder {
            pid: std::process::id(),
            host: host_name(),
            since: now,
        };
        files::replace(
            &holder_file,
            &serde_json::to_vec(&holder).unwrap_or_default(),
        )?;
        Ok(Taken::Ours(RunLock { _lock: lock }))
    }

    /// Returns the last holder without taking the lock.
    pub fn last_holder(repo: &Repo, run: &RunId) -> Option<Holder> {
        let text = fs::read(repo.run_folder(run.as_str()).join("holder.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Returns `true` if a process drives the run.
    pub fn is_held(repo: &Repo, run: &RunId) -> bool {
        let path = repo.run_folder(run.as_str()).join("run.lock");
        path.exists() && matches!(FileLock::try_take(&path), Ok(None))
    }
}

fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default();
    name.trim().to_owned()
}
