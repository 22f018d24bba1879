//! The runs of a repository, their names, and the lock of a run.

use std::fs;
use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::files::{self, FileLock};
use crate::base::regular_file::{self, LINE_LIMIT};
use crate::base::text::slug;
use crate::git::{Repo, Store, StoreError};
use crate::journal::record::parse_record;
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
    /// The time of its last event: in seconds, or exact where several runs share the second.
    pub updated: Timestamp,
}

/// Lists the runs of the repository, the most recently active last. One whose reference names no commit
/// comes first; its journal is unreadable.
///
/// # Errors
/// When references cannot be listed.
pub fn list(store: &Store) -> Result<Vec<RunEntry>, StoreError> {
    let mut runs = Vec::new();
    for (name, tip) in store.references(PREFIX)? {
        let run = RunId::new(&name[PREFIX.len()..]);
        let updated = store
            .commit(tip)
            .map_or(Timestamp::UNIX_EPOCH, |commit| commit.time);
        runs.push(RunEntry { run, tip, updated });
    }
    sort(&mut runs);
    let seconds: Vec<Timestamp> = runs.iter().map(|entry| entry.updated).collect();
    for (place, entry) in runs.iter_mut().enumerate() {
        let shares = |other: Option<&Timestamp>| other == Some(&seconds[place]);
        if shares(seconds.get(place + 1)) || place > 0 && shares(seconds.get(place - 1)) {
            let commit = store.commit(entry.tip).ok();
            let exact = commit.and_then(|commit| time_of_last_record(&commit.message));
            entry.updated = exact.unwrap_or(entry.updated);
        }
    }
    sort(&mut runs);
    Ok(runs)
}

fn sort(runs: &mut [RunEntry]) {
    runs.sort_by(|a, b| (a.updated, &a.run).cmp(&(b.updated, &b.run)));
}

/// Returns the exact time of the last event in a journal commit, whose own time has only seconds.
fn time_of_last_record(message: &str) -> Option<Timestamp> {
    let last = message.lines().rev().find(|line| line.starts_with('{'))?;
    Some(parse_record(last).ok()?.time)
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
    /// Takes the lock of a run if it is free, in a folder that only the user may enter. A lock never
    /// expires.
    ///
    /// # Errors
    /// When the lock file cannot be created.
    pub fn take(repo: &Repo, run: &RunId, now: Timestamp) -> io::Result<Taken> {
        let folder = repo.run_folder(run.as_str());
        files::private_folder(&folder)?;
        let holder_file = folder.join("holder.json");
        let Some(lock) = FileLock::try_take(&folder.join("run.lock"))? else {
            let holder = regular_file::read(&holder_file, LINE_LIMIT).ok();
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
        let file = repo.run_folder(run.as_str()).join("holder.json");
        let text = regular_file::read(&file, LINE_LIMIT).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Returns `true` if a process drives the run.
    pub fn is_held(repo: &Repo, run: &RunId) -> bool {
        FileLock::is_held(&repo.run_folder(run.as_str()).join("run.lock"))
    }
}

fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default();
    name.trim().to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::git::Git;
    use crate::git::commit::{By, NewCommit};
    use crate::journal::record::render_record;
    use crate::model::event::{Event, Recorded};

    #[test]
    fn runs_of_one_second_are_listed_by_their_exact_times() {
        let folder = tempfile::tempdir().unwrap();
        Git::at(folder.path()).run(&["init", "--quiet"]).unwrap();
        let repo = Repo::discover(folder.path()).unwrap();
        let store = Store::open(&repo).unwrap();
        let tree = Git::at(folder.path()).line(&["mktree"]).unwrap();
        for (name, millis) in [("c", 120), ("a", 700), ("b", 450), ("d", 1300)] {
            let run = RunId::new(name);
            let recorded = Recorded {
                seq: 1,
                time: Timestamp::from_millisecond(1_700_000_000_000 + millis).unwrap(),
                event: Event::RunEnded { exit: 0 },
            };
            let new = NewCommit {
                tree: tree.parse().unwrap(),
                parents: &[],
                message: &format!("ended\n\n{}\n", render_record(&run, &recorded)),
                time: recorded.time,
                by: By::Dispatch,
            };
            let commit = store.write_commit(&new).unwrap();
            let reference = format!("{PREFIX}{name}");
            store
                .move_reference(&reference, Oid::ZERO, commit, "test")
                .unwrap();
        }
        let found: Vec<String> = list(&store)
            .unwrap()
            .iter()
            .map(|entry| entry.run.to_string())
            .collect();
        assert_eq!(found, ["c", "b", "a", "d"]);
    }

    #[test]
    fn a_reference_that_names_no_commit_hides_no_run() {
        let folder = tempfile::tempdir().unwrap();
        let git = Git::at(folder.path());
        git.run(&["init", "--quiet"]).unwrap();
        let tree = git.line(&["mktree"]).unwrap();
        let name = format!("{PREFIX}odd-abcd");
        git.run(&["update-ref", &name, &tree]).unwrap();
        let store = Store::open(&Repo::discover(folder.path()).unwrap()).unwrap();
        let found = list(&store).unwrap();
        assert_eq!(found[0].run, RunId::new("odd-abcd"));
        assert_eq!(found[0].updated, Timestamp::UNIX_EPOCH);
    }
}
