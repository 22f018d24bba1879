//! Runs the programs that resolve conflicts: the structural merge tool, and commands that regenerate
//! files.
//!
//! Both are contained like a check, and only the files in conflict are taken from them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::base::fault;
use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::base::removal::remove_own_folder;
use crate::base::text::{clip, one_line};
use crate::engine::EngineError;
use crate::engine::checks::worktree::{checkout, in_folder, population, release};
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::resolve::file_conflict::{FileConflict, ToolResult};
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
use crate::git::worktree::Worktree;
use crate::merge::change::{Entry, RepoPath};
use crate::merge::oid::Oid;
use crate::model::integration::{CheckOutcome, CheckResult};

/// The time limit of a structural merge of one file.
const STRUCTURAL_LIMIT: Duration = Duration::from_secs(60);

/// Runs programs for the assembly, one at a time.
pub(super) struct Tools<'a> {
    pub(super) context: &'a Context,
    pub(super) store: &'a Store,
    pub(super) cancel: &'a CancelHandle,
    /// The runtime that waits for the processes.
    pub(super) runtime: &'a Handle,
}

impl Tools<'_> {
    /// Merges the three versions of a file with the structural tool and returns the merged text.
    pub(super) fn merge_structurally(
        &self,
        tool: &[String],
        file: &FileConflict,
    ) -> Result<ToolResult<Vec<u8>>, EngineError> {
        let folder = self.run_folder().join("structural");
        let failed = |error| EngineError::File(folder.display().to_string(), error);
        clear(&folder).map_err(failed)?;
        let places = self.write_versions(&folder, file)?;
        let mut run = in_folder(self.context, &folder, self.cancel);
        run.timeout = run.timeout.min(STRUCTURAL_LIMIT);
        run.folder = self.run_folder().join("tool");
        let argv = filled(tool, &places);
        let ended = self.runtime.block_on(run.run_program(&argv))?;
        let merged = match regular_file::read(&places.result, RECORD_LIMIT) {
            _ if ended.result != CheckOutcome::Passed => Err(failure(&ended)),
            Ok(text) => Ok(text),
            Err(_) => Err("it wrote no result".to_owned()),
        };
        clear(&folder).map_err(failed)?;
        Ok(merged)
    }

    fn write_versions(&self, folder: &Path, file: &FileConflict) -> Result<Places, EngineError> {
        let failed = |error| EngineError::File(folder.display().to_string(), error);
        let place = |version: &str| -> Result<PathBuf, EngineError> {
            let place = folder.join(version).join(file_name(&file.path));
            fs::create_dir_all(folder.join(version)).map_err(failed)?;
            Ok(place)
        };
        let write = |version: &str, oid: Oid| -> Result<PathBuf, EngineError> {
            let place = place(version)?;
            fs::write(&place, self.store.blob(oid)?).map_err(failed)?;
            Ok(place)
        };
        let empty = self.store.write_blob(b"")?;
        Ok(Places {
            base: write("base", file.base.unwrap_or(empty))?,
            ours: write("ours", file.ours)?,
            theirs: write("theirs", file.theirs)?,
            result: place("result")?,
            path: PathBuf::from(file.path.to_string()),
        })
    }

    /// Runs commands on this tree in the worktree for checks, and returns the entries that are then
    /// at the paths.
    pub(super) fn regenerate(
        &self,
        commands: &[String],
        tree: Oid,
        paths: &[RepoPath],
    ) -> Result<ToolResult<Vec<Entry>>, EngineError> {
        let commit = self.store.write_commit(&NewCommit {
            tree,
            parents: &[],
            message: "throwaway\n",
            time: jiff::Timestamp::UNIX_EPOCH,
            by: By::Dispatch,
        })?;
        let worktree = checkout(self.context, commit)?;
        fault::point("regenerate", "checked out");
        let shared = Arc::new(self.context.on(self.context.base));
        let population = population(&shared, &worktree, commit, self.cancel)?;
        if let Some(failed) = self.runtime.block_on(population.populate_beside(paths))? {
            release(self.context, &worktree);
            return Ok(Err(failed.message));
        }
        let mut run = in_folder(self.context, &worktree.path, self.cancel);
        run.folder = self.run_folder().join("regenerate");
        let ended = self.runtime.block_on(run.run(commands))?;
        fault::point("regenerate", "ended");
        release(self.context, &worktree);
        if let Some(failed) = ended.iter().find(|result| !result.passed()) {
            return Ok(Err(format!("`{}` {}", failed.command, failure(failed))));
        }
        let mut entries = Vec::new();
        for path in paths {
            match entry_at(&worktree, path)? {
                Some(entry) => entries.push(entry),
                None => return Ok(Err(format!("it left no file {path}"))),
            }
        }
        Ok(Ok(entries))
    }

    fn run_folder(&self) -> PathBuf {
        let folder = self.context.repo.run_folder(self.context.run.as_str());
        folder.join("strategies")
    }
}

/// The files that a structural tool gets, by placeholder.
struct Places {
    base: PathBuf,
    ours: PathBuf,
    theirs: PathBuf,
    result: PathBuf,
    path: PathBuf,
}

/// Fills the placeholders of a configured command.
fn filled(tool: &[String], places: &Places) -> Vec<String> {
    let values = [
        ("{base}", &places.base),
        ("{ours}", &places.ours),
        ("{theirs}", &places.theirs),
        ("{result}", &places.result),
        ("{path}", &places.path),
    ];
    let words = tool.iter().map(|word| {
        values.iter().fold(word.clone(), |word, (name, value)| {
            word.replace(name, &value.to_string_lossy())
        })
    });
    words.collect()
}

/// Reads a file of a worktree as git would store it.
fn entry_at(worktree: &Worktree, path: &RepoPath) -> Result<Option<Entry>, EngineError> {
    let file = worktree.path.join(OsStr::from_bytes(path.as_bytes()));
    let Some(meta) = file.symlink_metadata().ok().filter(|meta| meta.is_file()) else {
        return Ok(None);
    };
    worktree.verify()?;
    let mut filtered = OsString::from("--path=");
    filtered.push(OsStr::from_bytes(path.as_bytes()));
    let args = ["hash-object", "-w"].map(OsString::from);
    let args = args.into_iter().chain([filtered, "--".into(), file.into()]);
    let oid = worktree.git().line(&args.collect::<Vec<_>>())?;
    let mode = match meta.permissions().mode() & 0o111 {
        0 => 0o100_644,
        _ => 0o100_755,
    };
    let oid = oid.parse().map_err(|_| EngineError::Broken(oid))?;
    Ok(Some(Entry { mode, oid }))
}

/// Returns the last part of a path: tools detect the language by its extension.
fn file_name(path: &RepoPath) -> &OsStr {
    let name = path.as_bytes().rsplit(|byte| *byte == b'/').next();
    OsStr::from_bytes(name.unwrap_or_default())
}

fn clear(folder: &Path) -> io::Result<()> {
    match remove_own_folder(folder, 5) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir_all(folder)
}

/// Describes how a program failed, with the last line of its output.
fn failure(ended: &CheckResult) -> String {
    let word = ended.result.word();
    let last = ended.tail.trim_end().lines().last().unwrap_or_default();
    match one_line(last) {
        empty if empty.is_empty() => word.to_owned(),
        last => format!("{word}: {}", clip(&last, 120)),
    }
}
