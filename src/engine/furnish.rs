//! What a new worktree gets before its worker: copies and links of untracked files, and set-up
//! commands. A fresh checkout has none of what a project needs but does not commit.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::EngineError;
use crate::engine::attempt::{AttemptSpec, blocking, environment};
use crate::engine::checks::CheckRun;
use crate::engine::context::Context;
use crate::git::worktree::Worktree;
use crate::model::change::RepoPath;
use crate::model::ids::Oid;
use crate::model::integration::CheckOutcome;

/// The file at the top of a repository that names ignored files to copy, in the syntax of
/// gitignore(5). Other tools for worktrees read the same file.
pub const INCLUDE_FILE: &str = ".worktreeinclude";

/// Copies, links and sets up.
///
/// # Errors
/// When a file cannot be copied or linked, or a set-up command fails: not the worker's fault.
pub async fn furnish(
    context: &Arc<Context>,
    spec: &AttemptSpec,
    base: Oid,
    worktree: &Worktree,
) -> Result<(), EngineError> {
    let (shared, path) = (Arc::clone(context), worktree.path.clone());
    blocking(move || bring_files(&shared, &path)).await?;
    set_up(context, spec, base, worktree).await
}

fn bring_files(context: &Context, worktree: &Path) -> Result<(), EngineError> {
    let settings = &context.settings.worktree;
    for path in files_to_copy(context)? {
        let path = Path::new(std::ffi::OsStr::from_bytes(path.as_bytes())).to_owned();
        let (from, to) = (context.repo.top.join(&path), worktree.join(&path));
        bring(&to, || copy(&from, &to))?;
    }
    for path in &settings.link {
        let (from, to) = (context.repo.top.join(path), worktree.join(path));
        if from.symlink_metadata().is_ok() {
            bring(&to, || symlink(&from, &to))?;
        }
    }
    Ok(())
}

/// The links of `[worktree] link` that stand in a worktree. They are no work of the worker's, and a
/// pattern such as `node_modules/` that ignores the folder does not ignore a link to it.
pub fn links_in(context: &Context, worktree: &Path) -> Vec<String> {
    let is_ours = |path: &&String| {
        fs::read_link(worktree.join(path)).is_ok_and(|to| to == context.repo.top.join(path))
    };
    context
        .settings
        .worktree
        .link
        .iter()
        .filter(is_ours)
        .cloned()
        .collect()
}

/// Only what git ignores is copied: a copy of anything else would become part of the candidate.
fn files_to_copy(context: &Context) -> Result<Vec<RepoPath>, EngineError> {
    let patterns = &context.settings.worktree.copy;
    if patterns.is_empty() && !context.repo.top.join(INCLUDE_FILE).is_file() {
        return Ok(Vec::new());
    }
    let found = context.repo.untracked_matching(patterns, &[INCLUDE_FILE])?;
    Ok(context.repo.ignored_among(&found)?)
}

/// What the base itself has at the place stays as it is.
fn bring(to: &Path, make: impl FnOnce() -> io::Result<()>) -> Result<(), EngineError> {
    if to.symlink_metadata().is_ok() {
        return Ok(());
    }
    let parent = to.parent().map_or(Ok(()), fs::create_dir_all);
    parent
        .and_then(|()| make())
        .map_err(|error| EngineError::File(to.display().to_string(), error))
}

/// The system copies by reference where the file system can (`copy_file_range`); a symbolic link
/// is copied as one.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    match from.symlink_metadata()?.is_symlink() {
        true => symlink(fs::read_link(from)?, to),
        false => fs::copy(from, to).map(|_| ()),
    }
}

async fn set_up(
    context: &Arc<Context>,
    spec: &AttemptSpec,
    base: Oid,
    worktree: &Worktree,
) -> Result<(), EngineError> {
    let commands = &context.settings.worktree.setup;
    if commands.is_empty() {
        return Ok(());
    }
    let setup = CheckRun {
        context,
        folder: setup_folder(context, spec),
        cwd: &worktree.path,
        env: environment(context, spec, base),
        timeout: context.settings.run.timeout,
        cookie: format!("{}/{}/{}/setup", context.run, spec.task.0, spec.attempt),
        leash: &spec.leash,
    };
    let results = setup.run(commands).await?;
    match results
        .into_iter()
        .find(|result| result.result != CheckOutcome::Passed)
    {
        Some(failed) if !spec.leash.is_pulled() => Err(EngineError::SetUp {
            command: failed.command,
            how: failed.result.word(),
            said: crate::base::text::one_line(&failed.tail),
        }),
        _ => Ok(()),
    }
}

fn setup_folder(context: &Context, spec: &AttemptSpec) -> PathBuf {
    context
        .attempt_folder(spec.task, spec.attempt)
        .join("setup")
}
