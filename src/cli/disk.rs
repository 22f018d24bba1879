//! `dispatch status --disk`: what dispatch keeps on disk, why, and the command that removes it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use crate::base::safe::json::json_safe;
use crate::base::table::wrapped_table;
use crate::base::text::shell_path;
use crate::cli::error::{CommandResult, ExitStatus};
use crate::cli::repo_context::RepoContext;
use crate::config;
use crate::config::variable::Overrides;
use crate::engine::clean::kept::{Kept, Usage, kept};
use crate::journal::runs;
use crate::model::ids::RunId;
use crate::model::run::{RunPhase, RunState};
use crate::model::shortage::bytes;
use crate::model::task_state::TaskPhase;
use crate::ui::Ui;

/// Shows what dispatch keeps on disk.
///
/// # Errors
/// When the settings or the runs cannot be read.
pub(super) fn show(here: &RepoContext, is_json: bool, ui: &Ui) -> CommandResult {
    let settings = config::load(&here.repo.top, None, &Overrides::default())?;
    let names = runs::list(&here.store)?;
    let names: Vec<String> = names.iter().map(|entry| entry.run.to_string()).collect();
    let mut states: BTreeMap<String, Option<RunState>> = BTreeMap::new();
    let rows = kept(&here.repo, &settings, &names).into_iter().map(|kept| {
        let state = match &kept.usage {
            Usage::OfRun { run: Some(run), .. } => states
                .entry(run.clone())
                .or_insert_with(|| here.read_state(&RunId::new(run.as_str())).ok())
                .as_ref(),
            _ => None,
        };
        let (why, command) = reason(&kept, state);
        (kept, why, command)
    });
    let rows: Vec<(Kept, String, Option<String>)> = rows.collect();
    let total: u64 = rows.iter().map(|(kept, ..)| kept.bytes).sum();
    if is_json {
        let row = |(kept, why, command): &(Kept, String, Option<String>)| {
            json!({
                "folder": kept.place.display().to_string(),
                "bytes": kept.bytes,
                "why": why,
                "remove": command,
            })
        };
        let value = json!({
            "version": 1,
            "bytes": total,
            "kept": rows.iter().map(row).collect::<Vec<_>>(),
        });
        ui.answer(&json_safe(&format!("{value:#}\n")));
        return Ok(ExitStatus::Ok);
    }
    let cells = rows.into_iter().map(|(kept, why, command)| {
        let command = command.unwrap_or_else(|| "-".to_owned());
        [
            bytes(kept.bytes),
            kept.place.display().to_string(),
            why,
            command,
        ]
    });
    let head = ["SIZE", "FOLDER", "WHY", "REMOVED BY"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(head).chain(cells).collect();
    ui.answer_text(&wrapped_table(&rows, ui.columns()));
    ui.answer_text(&format!("{} in all\n", bytes(total)));
    Ok(ExitStatus::Ok)
}

/// Returns the reason why a folder is kept, and the command that removes it, if there is one now.
fn reason(kept: &Kept, state: Option<&RunState>) -> (String, Option<String>) {
    let (run, known_as, is_released) = match &kept.usage {
        Usage::Free => {
            let why = "free worktree of the pool, for the next task".to_owned();
            return (why, Some("dispatch clean --pool".to_owned()));
        }
        Usage::Records => {
            let why = "records and logs of runs, which `dispatch logs` shows".to_owned();
            return (why, None);
        }
        Usage::Cache => {
            let why = "verdicts of conflicts, which can be computed again".to_owned();
            return (why, Some(format!("rm -r {}", shell_path(&kept.place))));
        }
        Usage::OfRun {
            run,
            known_as,
            is_released,
        } => (run, known_as, *is_released),
    };
    let (Some(run), Some(state)) = (run, state) else {
        let why = "worktree of a run that is not in this repository".to_owned();
        let place = shell_path(&kept.place);
        return (why, Some(format!("git worktree remove {place}")));
    };
    let name = known_as.file_name().unwrap_or_default();
    let tasks = state.plan.tasks().iter().map(|task| task.number);
    let task = tasks.into_iter().find(|number| {
        let mut attempts = state.task(*number).attempts.iter();
        attempts.any(|attempt| Path::new(&attempt.worktree).file_name() == Some(name))
    });
    let mut why = match task {
        Some(task) => format!("{task} of {run}, which {}", words(&state.task(task).phase)),
        None => format!("checks and conflicts of {run}"),
    };
    if is_released {
        why.push_str("; another task may take it over");
    }
    let has_ended = matches!(state.phase, RunPhase::Ended(_)) || state.is_cancelled();
    let command = match has_ended {
        true => format!("dispatch clean {run}"),
        false => return (format!("{why}; the run has not ended"), None),
    };
    (why, Some(command))
}

fn words(phase: &TaskPhase) -> &'static str {
    match phase {
        TaskPhase::Done => "has passed",
        TaskPhase::Failed | TaskPhase::DependenciesConflict { .. } => "has failed",
        TaskPhase::Cancelled | TaskPhase::Skipped { .. } => "was given up",
        TaskPhase::Running => "runs",
        TaskPhase::Queued | TaskPhase::RetryAt(_) | TaskPhase::Choosing => "waits",
    }
}
