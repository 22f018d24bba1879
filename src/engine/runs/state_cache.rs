//! Caches the state of a run, named by the tip of its journal.
//!
//! One file a run: a line with the tip and what wrote it, then the state. It is never the truth: a
//! file that is missing, damaged or written by another build of dispatch counts as absent, and the
//! journal is replayed. Nothing locks it; a writer replaces it as a whole.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::base::files;
use crate::base::pack::Pack as _;
use crate::base::regular_file;
use crate::git::Repo;
use crate::merge::oid::Oid;
use crate::model::ids::RunId;
use crate::model::run::RunState;

/// The number of files that are kept; a reader looks at no more runs than that.
const KEPT: usize = 20;

/// The largest file that is read.
const LIMIT: u64 = 256 << 20;

/// The cached state of one run.
#[derive(Debug)]
pub(super) struct StateCache {
    repo: Repo,
    folder: PathBuf,
    run: RunId,
}

impl StateCache {
    /// Uses the cache of a run of this repository.
    pub(super) fn new(repo: &Repo, run: &RunId) -> StateCache {
        StateCache {
            repo: repo.clone(),
            folder: repo.dispatch_folder().join("cache/states"),
            run: run.clone(),
        }
    }

    /// Loads the cached state, with the commit of the journal after which it was the state.
    pub(super) fn load(&self) -> Option<(Oid, RunState)> {
        let content = regular_file::read(&self.path(), LIMIT).ok()?;
        let end = content.iter().position(|byte| *byte == b'\n')?;
        let (head, body) = (&content[..end], &content[end + 1..]);
        let tip = std::str::from_utf8(head).ok()?.rsplit(' ').next()?;
        let tip = tip.parse().ok()?;
        if head != self.head(tip, body).as_bytes() {
            return None;
        }
        let mut rest = body;
        let state = RunState::unpack(&mut rest)?;
        let count = state.plan.tasks().len();
        let is_sound = rest.is_empty() && state.run == self.run && state.tasks.len() == count;
        is_sound.then_some((tip, state))
    }

    /// Replaces the cached state by the state after the commit `tip`.
    ///
    /// # Errors
    /// When the file cannot be written; then the old one is untouched.
    pub(super) fn save(&self, tip: Oid, state: &RunState) -> io::Result<()> {
        let mut body = Vec::new();
        state.pack(&mut body);
        fs::create_dir_all(&self.folder)?;
        let mut file = files::temporary_in(&self.folder)?;
        file.write_all(format!("{}\n", self.head(tip, &body)).as_bytes())?;
        file.write_all(&body)?;
        // The checksum tells a file that a power loss has cut off, so no disk is waited for.
        file.persist(self.path()).map_err(|error| error.error)?;
        drop_oldest(&self.folder)
    }

    fn path(&self) -> PathBuf {
        self.folder.join(self.run.as_str().replace('/', "%"))
    }

    /// Returns the first line of the file: the build that wrote it, the run, the checksum, the tip.
    fn head(&self, tip: Oid, body: &[u8]) -> String {
        let (version, sources) = (env!("CARGO_PKG_VERSION"), env!("DISPATCH_SOURCES"));
        let (run, sum) = (&self.run, checksum(body));
        let of = format!("{run} {tip}");
        let code = self.repo.code(&[b"state", of.as_bytes(), body]);
        format!("dispatch-state {version}-{sources} {run} {sum:016x} {code} {tip}")
    }
}

/// Removes the files that were written longest ago, those of interrupted writers included.
fn drop_oldest(folder: &Path) -> io::Result<()> {
    let mut files: Vec<(SystemTime, OsString)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Ok(written) = entry.metadata().and_then(|about| about.modified()) {
            files.push((written, entry.file_name()));
        }
    }
    files.sort();
    let surplus = files.len().saturating_sub(KEPT);
    for (_, name) in &files[..surplus] {
        // Another writer may have removed it.
        let _ = fs::remove_file(folder.join(name));
    }
    Ok(())
}

/// Computes FNV-1a over words of eight bytes, which detects accidents, not attacks.
fn checksum(bytes: &[u8]) -> u64 {
    let step = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let rest = rest.iter().map(|byte| u64::from(*byte));
    words
        .chain(rest)
        .fold(0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64, step)
}
