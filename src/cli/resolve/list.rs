//! Lists the conflicts of a run that can be resolved by hand.

use serde_json::{Value, json};

use crate::base::text::{plural, terminal_safe};
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::engine::resolve::manual::find_conflict;
use crate::merge::change::RepoPath;
use crate::model::ids::TaskNumber;
use crate::model::integration::LeftOutReason;
use crate::model::run::RunState;
use crate::model::task_list::and_list;
use crate::report::suggest;
use crate::ui::Ui;

/// A conflict because of which a task was left out.
struct OpenConflict<'a> {
    task: TaskNumber,
    with: &'a [TaskNumber],
    paths: &'a [RepoPath],
    is_open: bool,
}

/// Lists the conflicts of the latest unfinished run with their files.
///
/// # Errors
/// When it has none.
pub(super) fn list(here: &RepoContext, json: bool, ui: &Ui) -> CommandResult {
    let run = here.find_run(None, DefaultRun::Unfinished)?;
    let state = here.read_state(&run)?;
    let found = conflicts(&state);
    if json {
        ui.answer_json(&format!("{}\n", to_json(&state, &found)));
        return Ok(ExitStatus::Ok);
    }
    if found.is_empty() {
        return Err(
            CommandError::failed(format!("{run} has no conflict to resolve"))
                .hint("`dispatch assemble --dry-run` shows what is left out, and why"),
        );
    }
    ui.status(&format!("using run {run}"));
    ui.answer_text(&render(&state, &found));
    let first = suggest::resolve(&run, found[0].task);
    ui.hint(&format!("`{first}` opens a conflict in a worktree"));
    Ok(ExitStatus::Ok)
}

fn conflicts(state: &RunState) -> Vec<OpenConflict<'_>> {
    let left_out = state.integration.iter().flat_map(|found| &found.left_out);
    left_out
        .filter_map(|out| match &out.reason {
            LeftOutReason::Conflict { with, paths, .. } => {
                let is_open = state.task(out.task).open_resolution.is_some();
                let can_open = is_open || find_conflict(state, out.task).is_ok();
                can_open.then_some(OpenConflict {
                    task: out.task,
                    with,
                    paths,
                    is_open,
                })
            }
            _ => None,
        })
        .collect()
}

fn render(state: &RunState, found: &[OpenConflict<'_>]) -> String {
    let mut text = String::new();
    for conflict in found {
        let task = state.plan.task(conflict.task);
        let title = terminal_safe(&task.title);
        let with = match conflict.with {
            [] => "the integration branch".to_owned(),
            with => and_list(with),
        };
        let count = plural(conflict.paths.len(), "file");
        let open = if conflict.is_open { " (open)" } else { "" };
        text += &format!(
            "{} [{}] {title} conflicts with {with} in {count}{open}\n",
            task.number, task.tag
        );
        for path in conflict.paths {
            text += &format!("  {}\n", terminal_safe(&path.to_string()));
        }
    }
    text
}

fn to_json(state: &RunState, found: &[OpenConflict<'_>]) -> Value {
    let conflict = |conflict: &OpenConflict<'_>| {
        let with: Vec<u32> = conflict.with.iter().map(|task| task.0).collect();
        let files: Vec<String> = conflict.paths.iter().map(ToString::to_string).collect();
        json!({
            "task": conflict.task.0,
            "with": with,
            "files": files,
            "open": conflict.is_open,
        })
    };
    let conflicts: Vec<Value> = found.iter().map(conflict).collect();
    json!({"version": 1, "run": state.run.as_str(), "conflicts": conflicts})
}
