//! Stages a whole worktree with `git add`.

use crate::git::command::{Git, GitError};

/// Stages everything in the folder of `git` but the paths `left_out`. The settings control how new
/// objects are written.
///
/// # Errors
/// When git cannot read the worktree or write the objects.
pub(super) fn stage_everything(
    git: &Git,
    settings: &[&str],
    left_out: &[String],
) -> Result<(), GitError> {
    let left_out = not_ignored(git, left_out)?;
    git.run(&arguments(settings, &left_out)).map(drop)
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

fn arguments(settings: &[&str], left_out: &[String]) -> Vec<String> {
    let always = ["core.safecrlf=false", "advice.addEmbeddedRepo=false"];
    let settings = settings.iter().copied().chain(always);
    let mut args: Vec<String> = settings
        .flat_map(|setting| ["-c".to_owned(), setting.to_owned()])
        .collect();
    // A worker may create files outside of a sparse checkout.
    args.extend(["add", "--sparse", "--all"].map(str::to_owned));
    args.extend(all_but(left_out));
    args
}

/// Builds the pathspec for everything but these paths.
pub(super) fn all_but(left_out: &[String]) -> Vec<String> {
    let excluded = left_out.iter();
    let excluded = excluded.map(|path| format!(":(exclude,top,literal){path}"));
    let all = ["--", "."].map(str::to_owned);
    all.into_iter().chain(excluded).collect()
}
