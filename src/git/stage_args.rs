//! The arguments with which git stages everything in a worktree.

/// Stages everything but the paths `left_out`; `settings` say how new objects are written.
pub(super) fn stage_everything(settings: &[&str], left_out: &[String]) -> Vec<String> {
    let always = ["core.safecrlf=false", "advice.addEmbeddedRepo=false"];
    let settings = settings.iter().copied().chain(always);
    let mut args: Vec<String> = settings
        .flat_map(|setting| ["-c".to_owned(), setting.to_owned()])
        .collect();
    // A worker may make files where a sparse checkout shows none.
    args.extend(["add", "--sparse", "--all"].map(str::to_owned));
    args.extend(all_but(left_out));
    args
}

/// The end of a command line that is about everything but these paths.
pub(super) fn all_but(left_out: &[String]) -> Vec<String> {
    let excluded = left_out.iter();
    let excluded = excluded.map(|path| format!(":(exclude,top,literal){path}"));
    let all = ["--", "."].map(str::to_owned);
    all.into_iter().chain(excluded).collect()
}
