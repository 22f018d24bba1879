//! The worktrees of the pool: `dispatch doctor --pool` and `dispatch clean --pool`.

use std::time::Duration;

use serde_json::json;

use crate::base::text::plural;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::RepoContext;
use crate::cli::status::pretty;
use crate::config::variable::Overrides;
use crate::config::{self, Settings};
use crate::engine::kernel::known_settings;
use crate::engine::pool::examine::{Examined, Usage, examine};
use crate::engine::pool::free::remove_free;
use crate::git::Repo;
use crate::ui::Ui;

/// Examines the worktrees of the pool, and shows them.
///
/// # Errors
/// When the settings or a worktree cannot be read.
pub(super) fn doctor(here: &RepoContext, is_json: bool, ui: &Ui) -> CommandResult {
    let all = examine(&here.repo, &settings(here)?)?;
    match is_json {
        true => ui.answer(&pretty(&json!({
            "version": 1,
            "worktrees": all.iter().map(value).collect::<Vec<_>>(),
        }))),
        false if all.is_empty() => ui.answer_text("the pool has no worktree\n"),
        false => all.iter().for_each(|one| ui.answer_text(&line(one))),
    }
    Ok(match all.iter().any(|one| one.problem.is_some()) {
        true => ExitStatus::NeedsAttention,
        false => ExitStatus::Ok,
    })
}

fn line(one: &Examined) -> String {
    let place = one.place.display();
    let usage = match &one.usage {
        Usage::Free(Some(commit)) => format!("free, at {}", commit.short()),
        Usage::Free(None) => "free".to_owned(),
        Usage::Template(_) => "the template, of which further ones are copies".to_owned(),
        Usage::Taken {
            known_as,
            is_released: true,
            ..
        } => format!(
            "{}, which has passed: the next task may take it",
            known_as.display()
        ),
        Usage::Taken { known_as, .. } => known_as.display().to_string(),
        Usage::Busy => "being prepared".to_owned(),
    };
    match &one.problem {
        Some(problem) => format!("{place}: {usage}; not used, because it {problem}\n"),
        None => format!("{place}: {usage}\n"),
    }
}

fn value(one: &Examined) -> serde_json::Value {
    let (state, run, known_as, commit) = match &one.usage {
        Usage::Free(commit) => ("free", None, None, *commit),
        Usage::Template(commit) => ("template", None, None, *commit),
        Usage::Taken {
            run,
            known_as,
            is_released,
        } => {
            let state = if *is_released { "released" } else { "taken" };
            (state, Some(run), Some(known_as.display().to_string()), None)
        }
        Usage::Busy => ("busy", None, None, None),
    };
    json!({
        "worktree": one.place.display().to_string(),
        "state": state,
        "run": run,
        "known_as": known_as,
        "commit": commit.map(|commit| commit.to_string()),
        "problem": one.problem,
    })
}

/// Removes the free worktrees of the pool.
///
/// # Errors
/// When the settings cannot be read, or a worktree cannot be removed.
pub(super) fn clean(here: &RepoContext, is_dry_run: bool, ui: &Ui) -> CommandResult {
    known_settings::refuse_changed(&here.repo)?;
    let keep = settings(here)?.worktree.keep;
    let found = remove_free(&here.repo, &keep, Duration::ZERO, is_dry_run)?;
    let mut removed = 0;
    for one in &found {
        let place = one.place.display();
        match &one.stays {
            Some(why) => ui.status(&format!("keeping {place}: it {why}")),
            None => {
                removed += 1;
                let verb = if is_dry_run {
                    "would remove"
                } else {
                    "removed"
                };
                ui.status(&format!("{verb} worktree {place}"));
            }
        }
    }
    let verb = if is_dry_run {
        "would remove"
    } else {
        "removed"
    };
    ui.answer_text(&format!(
        "{verb} {} of the pool\n",
        plural(removed, "worktree")
    ));
    Ok(ExitStatus::Ok)
}

/// Removes the free worktrees of the pool that no task used for `[worktree] pool_ttl`.
///
/// # Errors
/// When a worktree cannot be read or removed.
pub(super) fn remove_idle(repo: &Repo, settings: &Settings, ui: &Ui) -> Result<(), CommandError> {
    let settings = &settings.worktree;
    let Some(ttl) = settings.pool_ttl else {
        return Ok(());
    };
    for one in remove_free(repo, &settings.keep, ttl, false)? {
        if one.stays.is_none() {
            let place = one.place.display();
            ui.status(&format!("removed the idle worktree {place} of the pool"));
        }
    }
    Ok(())
}

fn settings(here: &RepoContext) -> Result<Settings, CommandError> {
    Ok(config::load(&here.repo.top, None, &Overrides::default())?)
}
