//! The checks of the assembled branch, in a worktree of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agent::environment::check_environment;
use crate::engine::EngineError;
use crate::engine::attempt::blocking;
use crate::engine::checks::CheckRun;
use crate::engine::context::Context;
use crate::engine::leash::Leash;
use crate::git::worktree::{Head, Worktree};
use crate::model::ids::Oid;
use crate::model::integration::CheckResult;

/// Runs `[assemble] check` on a commit.
///
/// # Errors
/// When the worktree cannot be made or a process cannot be started.
pub async fn run_checks(
    context: &Arc<Context>,
    commit: Oid,
    leash: &Leash,
) -> Result<Vec<CheckResult>, EngineError> {
    let commands = &context.settings.assemble.check;
    if commands.is_empty() {
        return Ok(Vec::new());
    }
    let worktree = {
        let context = Arc::clone(context);
        blocking(move || checkout(&context, commit)).await?
    };
    let mut env: BTreeMap<String, String> = check_environment(std::env::vars_os());
    env.insert("DISPATCH_RUN".to_owned(), context.run.to_string());
    env.insert("DISPATCH_BASE".to_owned(), context.base.to_string());
    let checks = CheckRun {
        context,
        folder: context
            .repo
            .run_folder(context.run.as_str())
            .join("integration"),
        cwd: &worktree.path,
        env,
        timeout: context.settings.assemble.check_timeout,
        cookie: format!("{}/integration", context.run),
        leash,
    };
    let results = checks.run(commands).await;
    worktree.unlock();
    results
}

/// The worktree is kept between assemblies, so that build caches stay warm.
fn checkout(context: &Context, commit: Oid) -> Result<Worktree, EngineError> {
    let path = context.integration_worktree();
    let head = Head::Detached(commit);
    let Some(worktree) = context
        .repo
        .find_worktree(&path)
        .filter(|found| found.path.is_dir())
    else {
        let reason = format!("dispatch {}/integration", context.run);
        return Ok(context.repo.add_worktree(&path, &head, &reason)?);
    };
    worktree.verify()?;
    worktree
        .git()
        .run(&["read-tree", "--reset", "-u", &commit.to_string()])?;
    worktree.set_head(&head)?;
    Ok(worktree)
}
