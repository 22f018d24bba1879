//! Opens a conflict: creates its worktree and lists the files in conflict.

use serde_json::json;

use super::{context_of, opponents, record};
use crate::base::text::{plural, terminal_safe};
use crate::cli::drive::reopen::refuse_landed;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{RepoContext, find_task};
use crate::engine::resolve::conflict_worktree::{ConflictWorktree, create, unmerged_paths};
use crate::engine::resolve::manual::find_conflict;
use crate::engine::runs::load::free_references;
use crate::git::worktree::Worktree;
use crate::merge::change::RepoPath;
use crate::model::event::Event;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::{RunPhase, RunState};
use crate::report::suggest;
use crate::ui::Ui;

/// Selects what follows once the worktree exists.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    Text,
    Json,
    MergeTool,
}

/// Opens the conflict of a task, or shows it if it is open.
///
/// # Errors
/// When the run has not ended, or the task has no conflict.
pub(super) fn open(
    here: &RepoContext,
    run: &RunId,
    task: &str,
    output: Output,
    ui: &Ui,
) -> CommandResult {
    let _lock = here.lock(run)?;
    let mut loaded = here.load(run)?;
    let number = find_task(&loaded.state.plan, task)?.number;
    refuse_landed(&loaded.state)?;
    if !matches!(loaded.state.phase, RunPhase::Ended(_)) {
        return Err(CommandError::failed(format!("{run} has not ended"))
            .hint(format!("`{}` resumes it", suggest::resume(run))));
    }
    free_references(&here.repo, run, &loaded.settings)?;
    let is_new = loaded.state.task(number).open_resolution.is_none();
    let context = context_of(here, &loaded)?;
    if is_new {
        let conflict = find_conflict(&loaded.state, number)?;
        let path = context.resolve_worktree(number);
        let opened = Event::ResolutionOpened {
            task: number,
            base: conflict.chain_tip,
            candidate: conflict.candidate,
            worktree: context.recorded_path(&path),
        };
        let what = format!("the conflict of {number} is open");
        loaded.state = record(here, &loaded, opened, &what)?;
    }
    let state = &loaded.state;
    let ConflictWorktree {
        worktree,
        not_set_up,
    } = create(&context, state, number)?;
    if let Some(failed) = not_set_up {
        ui.warning(&format!("{failed}; the worktree is as git left it"));
    }
    let files = unmerged_paths(&worktree)?;
    if output == Output::Json {
        ui.answer_json(&format!("{}\n", json(state, number, &worktree, &files)));
        return Ok(ExitStatus::Ok);
    }
    print(state, number, &worktree, &files, is_new, ui);
    match output {
        Output::MergeTool => start_merge_tool(&worktree, run, number, ui),
        _ => Ok(ExitStatus::Ok),
    }
}

fn json(
    state: &RunState,
    number: TaskNumber,
    worktree: &Worktree,
    files: &[RepoPath],
) -> serde_json::Value {
    let open_resolution = state.task(number).open_resolution.iter();
    let with = open_resolution.flat_map(|open_resolution| &open_resolution.conflict.with);
    json!({
        "version": 1,
        "run": state.run.as_str(),
        "task": number.0,
        "with": with.map(|task| task.0).collect::<Vec<_>>(),
        "worktree": worktree.path.display().to_string(),
        "files": files.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// Prints the worktree on standard output, everything else on standard error.
fn print(
    state: &RunState,
    number: TaskNumber,
    worktree: &Worktree,
    files: &[RepoPath],
    is_new: bool,
    ui: &Ui,
) {
    let (run, task) = (&state.run, state.plan.task(number));
    let title = terminal_safe(&task.title);
    let opponents = opponents(state, number);
    let open = if is_new { "" } else { " (already open)" };
    let count = match files.len() {
        0 => ", every file is resolved".to_owned(),
        count => format!(" in {}", plural(count, "file")),
    };
    ui.status(&format!(
        "{number} [{}] {title} conflicts with {opponents}{count}{open}",
        task.tag,
    ));
    for file in files {
        ui.status(&format!("  {}", terminal_safe(&file.to_string())));
    }
    ui.answer(&format!("{}\n", worktree.path.display()));
    let resolve = suggest::resolve(run, number);
    ui.hint(&format!(
        "edit the files there and `git add` them, then `{resolve} --continue`; \
         `{resolve} --abort` gives up"
    ));
}

/// Starts the merge tool that `git mergetool` finds.
fn start_merge_tool(
    worktree: &Worktree,
    run: &RunId,
    number: TaskNumber,
    ui: &Ui,
) -> CommandResult {
    let git = worktree.git().in_foreground();
    let settings = ["-c", "mergetool.keepBackup=false"];
    let mut program = git.program().args(settings).arg("mergetool");
    if !ui.is_interactive() {
        program = program.arg("--no-prompt");
    }
    let ended = program.on_terminal();
    let ended = ended.map_err(|error| CommandError::failed(error.to_string()))?;
    if ended.success() {
        return Ok(ExitStatus::Ok);
    }
    let resolve = suggest::resolve(run, number);
    let message = format!("git mergetool failed with {ended}");
    Err(
        CommandError::new(ExitStatus::NeedsAttention, message).hint(format!(
            "its changes are kept; `{resolve} --tool` starts it again"
        )),
    )
}
