//! Arguments of the git command that stages a whole worktree.

/// Builds the arguments that stage everything but the paths `left_out`. The settings control how
/// new objects are written.
pub(super) fn stage_everything(settings: &[&str], left_out: &[String]) -> Vec<String> {
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
