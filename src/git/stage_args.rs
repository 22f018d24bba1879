//! Stages a whole worktree with `git add`.
//!
//! `git add` starts `git status` in every submodule, and that the filters which the submodule's own
//! configuration names: a worker can write it. So submodules are staged by `git update-index`, which only
//! reads the commit that is checked out there.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use git2::Index;

use crate::git::command::{Git, GitError};
use crate::merge::change::Entry;

const KIND: u32 = 0o170_000;

/// Stages everything in the folder of `git` but the paths `left_out` into the index at this path, which the
/// environment of `git` names, and which is opened where libgit2 reads its format. The settings control
/// how new objects are written.
///
/// # Errors
/// When git cannot read the worktree or write the objects.
pub(super) fn stage_everything(
    git: &Git,
    index: (&Path, Option<&Index>),
    settings: &[&str],
    left_out: &[String],
) -> Result<(), GitError> {
    let submodules = submodules_in_index(git, index)?;
    let left_out = not_ignored(git, left_out)?;
    let excluded = left_out.iter().map(OsString::from);
    let excluded = excluded.chain(submodules.iter().map(|path| path.clone().into_os_string()));
    git.run(&arguments(settings, excluded)).map(drop)?;
    let is_left_out = |path: &PathBuf| left_out.iter().any(|out| path.starts_with(out));
    let staged: Vec<PathBuf> = submodules
        .into_iter()
        .filter(|path| !is_left_out(path))
        .collect();
    stage_submodules(git, staged)
}

/// Lists the submodules of an index, by path.
fn submodules_in_index(
    git: &Git,
    (index, opened): (&Path, Option<&Index>),
) -> Result<Vec<PathBuf>, GitError> {
    if !index.exists() {
        return Ok(Vec::new());
    }
    let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
    if let Some(index) = opened {
        let entries = index.iter();
        let submodules = entries.filter(|entry| entry.mode & KIND == Entry::SUBMODULE);
        return Ok(submodules.map(|entry| path(&entry.path)).collect());
    }
    // The command that uses a damaged index names it.
    let listed = git.run_unless_invalid(&["ls-files", "--stage", "-z"])?;
    let listed = listed.unwrap_or_default();
    let entries = listed.split(|byte| *byte == 0);
    let submodules = entries.filter(|entry| entry.starts_with(b"160000 "));
    let names = submodules.filter_map(|entry| entry.splitn(2, |byte| *byte == b'\t').nth(1));
    Ok(names.map(path).collect())
}

/// Stages the commits that are checked out in submodules, and removes those whose folder is gone.
fn stage_submodules(git: &Git, submodules: Vec<PathBuf>) -> Result<(), GitError> {
    let top = git.folder().to_owned();
    let (hidden, plain): (Vec<_>, Vec<_>) = submodules
        .into_iter()
        .partition(|path| is_behind_link(&top, path));
    let update = [
        "--add",
        "--remove",
        "--replace",
        "--ignore-skip-worktree-entries",
    ];
    update_index(git, &update, &plain)?;
    update_index(git, &["--force-remove"], &hidden)
}

fn update_index(git: &Git, options: &[&str], paths: &[PathBuf]) -> Result<(), GitError> {
    if paths.is_empty() {
        return Ok(());
    }
    let args = [&["update-index"], options, &["-z", "--stdin"]].concat();
    let input: Vec<&[u8]> = paths
        .iter()
        .map(|path| path.as_os_str().as_bytes())
        .collect();
    let finished = git.program().args(&args).stdin(input.join(&0)).output()?;
    match finished.status.success() {
        true => Ok(()),
        false => Err(git.failed(&args, &finished)),
    }
}

/// Returns `true` if a folder on the way to a path is a link, behind which git has nothing.
pub(super) fn is_behind_link(top: &Path, path: &Path) -> bool {
    let above = path
        .ancestors()
        .skip(1)
        .filter(|above| !above.as_os_str().is_empty());
    let mut above = above.map(|above| top.join(above));
    above.any(|above| above.is_symlink())
}

/// Selects the paths that git does not ignore anyway: `git add` fails where an excluded path is an ignored
/// one (`add_files` in git's `builtin/add.c`).
fn not_ignored(git: &Git, paths: &[String]) -> Result<Vec<String>, GitError> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let args = ["check-ignore", "-z", "--stdin"];
    // A name that begins with a colon would be a pathspec.
    let named = |path: &String| format!("./{path}");
    let input: Vec<String> = paths.iter().map(named).collect();
    let program = git.program().args(args).stdin(input.join("\0"));
    let finished = program.output().map_err(GitError::from)?;
    // It exits with 1 if none is ignored.
    if !matches!(finished.status.code(), Some(0 | 1)) {
        return Err(git.failed(&args, &finished));
    }
    let ignored: Vec<&[u8]> = finished.stdout.split(|byte| *byte == 0).collect();
    let rest = paths
        .iter()
        .filter(|path| !ignored.contains(&named(path).as_bytes()));
    Ok(rest.cloned().collect())
}

fn arguments(settings: &[&str], left_out: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let always = ["core.safecrlf=false", "advice.addEmbeddedRepo=false"];
    let settings = settings.iter().copied().chain(always);
    let mut args: Vec<OsString> = settings
        .flat_map(|setting| ["-c".into(), setting.into()])
        .collect();
    // A worker may create files outside of a sparse checkout.
    args.extend(["add", "--sparse", "--all"].map(OsString::from));
    args.extend(all_but(left_out));
    args
}

/// Builds the pathspec for everything but these paths.
pub(super) fn all_but<P: AsRef<OsStr>>(left_out: impl IntoIterator<Item = P>) -> Vec<OsString> {
    let exclude = |path: P| {
        let mut excluded = OsString::from(":(exclude,top,literal)");
        excluded.push(path);
        excluded
    };
    let all = ["--", "."].map(OsString::from);
    all.into_iter()
        .chain(left_out.into_iter().map(exclude))
        .collect()
}
