//! The rungs that run programs: the structural merge tool, and commands that make files anew.
//!
//! Both are contained like a check, and nothing but the files in question is taken from them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::base::fault;
use crate::base::text::one_line;
use crate::engine::EngineError;
use crate::engine::checks::worktree::{checkout, in_folder};
use crate::engine::kernel::cancel::Leash;
use crate::engine::kernel::context::Context;
use crate::engine::resolve::recorded::Meeting;
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
use crate::git::worktree::Worktree;
use crate::merge::change::{Entry, RepoPath};
use crate::merge::oid::Oid;
use crate::model::integration::{CheckOutcome, CheckResult};

/// The longest time a structural merge of one file may take.
const STRUCTURAL_LIMIT: Duration = Duration::from_secs(60);

/// What came of a program: what is taken from it, or why nothing is.
pub(super) type Made<T> = Result<T, String>;

/// Runs programs for the assembly, one at a time.
pub(super) struct Programs<'a> {
    pub(super) context: &'a Context,
    pub(super) store: &'a Store,
    pub(super) leash: &'a Leash,
    /// Where processes are waited for: this itself runs beside the loop.
    pub(super) runtime: &'a Handle,
}

impl Programs<'_> {
    /// Lets the structural tool merge three files; gives the merged text.
    pub(super) fn merge_structurally(
        &self,
        tool: &[String],
        meeting: &Meeting,
    ) -> Result<Made<Vec<u8>>, EngineError> {
        let folder = self.run_folder().join("structural");
        let failed = |error| EngineError::File(folder.display().to_string(), error);
        let side = |name: &str, oid: Option<Oid>| -> Result<PathBuf, EngineError> {
            let file = folder.join(name).join(file_name(&meeting.path));
            fs::create_dir_all(folder.join(name)).map_err(failed)?;
            if let Some(oid) = oid {
                fs::write(&file, self.store.blob(oid)?).map_err(failed)?;
            }
            Ok(file)
        };
        clear(&folder).map_err(failed)?;
        let empty = self.store.write_blob(b"")?;
        let places = [
            ("{base}", side("base", Some(meeting.base.unwrap_or(empty)))?),
            ("{ours}", side("ours", Some(meeting.ours))?),
            ("{theirs}", side("theirs", Some(meeting.theirs))?),
            ("{result}", side("result", None)?),
            ("{path}", PathBuf::from(meeting.path.to_string())),
        ];
        let argv = tool.iter().map(|word| {
            let fill = |word: String, (name, place): &(&str, PathBuf)| {
                word.replace(name, &place.to_string_lossy())
            };
            places.iter().fold(word.clone(), fill)
        });
        let argv: Vec<String> = argv.collect();
        let mut run = in_folder(self.context, &folder, self.leash);
        run.timeout = run.timeout.min(STRUCTURAL_LIMIT);
        run.folder = self.run_folder().join("tool");
        let ended = self.runtime.block_on(run.run_program(&argv))?;
        let made = match fs::read(&places[3].1) {
            _ if ended.result != CheckOutcome::Passed => Err(said(&ended)),
            Ok(text) => Ok(text),
            Err(_) => Err("it wrote no result".to_owned()),
        };
        clear(&folder).map_err(failed)?;
        Ok(made)
    }

    /// Runs commands in the worktree for checks, with this tree in it, and gives what then stands
    /// at the paths.
    pub(super) fn make_anew(
        &self,
        commands: &[String],
        tree: Oid,
        paths: &[RepoPath],
    ) -> Result<Made<Vec<Entry>>, EngineError> {
        let commit = self.store.write_commit(&NewCommit {
            tree,
            parents: &[],
            message: "throwaway\n",
            time: jiff::Timestamp::UNIX_EPOCH,
            by: By::Dispatch,
        })?;
        let worktree = checkout(self.context, commit)?;
        fault::point("regenerate", "checked out");
        let mut run = in_folder(self.context, &worktree.path, self.leash);
        run.folder = self.run_folder().join("regenerate");
        let ended = self.runtime.block_on(run.run(commands))?;
        fault::point("regenerate", "made anew");
        worktree.unlock();
        let broken = ended.iter().find(|result| !result.passed());
        if let Some(broken) = broken {
            return Ok(Err(format!("`{}` {}", broken.command, said(broken))));
        }
        let mut made = Vec::new();
        for path in paths {
            match taken(&worktree, path)? {
                Some(entry) => made.push(entry),
                None => return Ok(Err(format!("there is no file {path} afterwards"))),
            }
        }
        Ok(Ok(made))
    }

    fn run_folder(&self) -> PathBuf {
        let folder = self.context.repo.run_folder(self.context.run.as_str());
        folder.join("ladder")
    }
}

/// A file of the worktree as git would store it.
fn taken(worktree: &Worktree, path: &RepoPath) -> Result<Option<Entry>, EngineError> {
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

/// Tools tell languages by the name.
fn file_name(path: &RepoPath) -> &OsStr {
    let name = path.as_bytes().rsplit(|byte| *byte == b'/').next();
    OsStr::from_bytes(name.unwrap_or_default())
}

fn clear(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir_all(folder)
}

/// How a program failed, with its last line.
fn said(ended: &CheckResult) -> String {
    let word = ended.result.word();
    let last = ended.tail.trim_end().lines().last().unwrap_or_default();
    match one_line(last) {
        empty if empty.is_empty() => word.to_owned(),
        last => format!("{word}: {}", crate::base::text::clip(&last, 120)),
    }
}
