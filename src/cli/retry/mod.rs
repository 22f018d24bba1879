//! `dispatch retry` and `skip`: the user's decisions about a task that did not pass.

use std::fs;

use clap::Args;

use crate::base::files;
use crate::base::markdown::plain_line;
use crate::cli::attempt::{attempt_words, find_attempt, is_unclear};
use crate::cli::confirm::ConfirmArgs;
use crate::cli::drive::reopen::reopen;
use crate::cli::editor::edit;
use crate::cli::error::{CommandError, CommandResult};
use crate::cli::repo_context::{DefaultRun, RepoContext, TaskName, find_task};
use crate::config::Settings;
use crate::engine::candidates::newer_commits::newer_commits_of;
use crate::engine::prompt::brief::current;
use crate::engine::runs::load::Loaded;
use crate::engine::start::confinement;
use crate::engine::start::retry::{refuse_checked_out, refuse_retry};
use crate::engine::start::worker_for;
use crate::model::attempt::Attempt;
use crate::model::event::Event;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::outcome::End;
use crate::model::run::RunState;
use crate::model::task_state::TaskPhase;
use crate::model::worker::Worker;
use crate::report::suggest;
use crate::ui::Ui;

/// The line between the prompt and the notes below it in the editor, as git writes it.
const SCISSORS: &str = "------------------------ >8 ------------------------";

/// Retry a task, then the tasks that it blocked
#[derive(Args, Debug, Clone)]
pub(crate) struct RetryArgs {
    /// The task
    #[command(flatten)]
    name: TaskName,
    /// Add this to the task's prompt
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// Change the task's prompt in your editor first
    #[arg(long, conflicts_with = "prompt")]
    edit: bool,
    /// Asks before an unchanged prompt is used
    #[command(flatten)]
    confirm: ConfirmArgs,
    /// Use this worker for the task from now on
    #[arg(long, value_name = "NAME")]
    worker: Option<String>,
    /// Continue the agent's own session in the same worktree, instead of starting over
    #[arg(long = "continue", conflicts_with_all = ["edit", "worker"])]
    continue_session: bool,
    /// With --continue: the attempt, counted from 1 [default: that of the chosen variant, else the last]
    #[arg(long, value_name = "N", requires = "continue_session",
          value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// Print one JSON object per event, one a line
    #[arg(long)]
    json: bool,
}

/// Skip a task and everything that depends on it
#[derive(Args, Debug, Clone)]
pub(crate) struct SkipArgs {
    /// The task
    #[command(flatten)]
    name: TaskName,
    /// Skip dependent tasks, too [the default]
    #[arg(long, conflicts_with = "no_cascade")]
    cascade: bool,
    /// Let dependent tasks start anyway
    #[arg(long)]
    no_cascade: bool,
    /// Print one JSON object per event, one a line
    #[arg(long)]
    json: bool,
}

/// Runs `dispatch retry`.
///
/// # Errors
/// When the run cannot be read or is driven by another process, the task cannot be retried, or the
/// worker does not suit it.
pub(crate) fn retry(args: RetryArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    let run = here.find_run(args.name.run.as_deref(), DefaultRun::Unfinished)?;
    let rewritten = match args.edit {
        true => {
            // Fails before the user writes an unusable prompt; the lock is not held while the editor
            // is open.
            drop(here.lock(&run)?);
            let loaded = here.load(&run)?;
            let number = chosen(&loaded, &args)?;
            let prompt = edited(&here, &loaded, number)?;
            if is_unchanged(&loaded.state, number, &prompt) {
                let question = format!("The prompt of {number} is unchanged. Retry with it?");
                args.confirm.confirm(ui, &question)?;
            }
            Some(prompt)
        }
        false => None,
    };
    reopen(&here, &run, args.json, ui, |loaded| {
        confinement::use_current(&here.repo, &mut loaded.settings);
        // The run may have changed while the editor was open.
        let task = chosen(loaded, &args)?;
        refuse_checked_out(&here.repo, &loaded.state, task)?;
        if !args.continue_session {
            warn_of_hand_made(&here, &loaded.state, task, ui)?;
        }
        let mut attempt = None;
        if args.continue_session {
            let last = may_continue(loaded, task, args.attempt)?;
            if is_unclear(&loaded.state, task, args.attempt) {
                ui.status(&format!("continuing {}", attempt_words(task, last)));
            }
            attempt = Some(last.number);
            let folder = here.repo.resolve_portable_path(&last.worktree);
            if !folder.is_dir() {
                return Err(cannot_continue(
                    &loaded.state.run,
                    task,
                    &format!("its worktree {} is gone", folder.display()),
                ));
            }
        }
        Ok(vec![Event::RetryRequested {
            task,
            extra_prompt: args.prompt.clone(),
            new_prompt: rewritten.clone(),
            worker: args.worker.clone(),
            continue_session: args.continue_session,
            by_hand: None,
            attempt,
        }])
    })
}

/// Warns about the commits that were made by hand on a task, which its next attempt starts without.
fn warn_of_hand_made(
    here: &RepoContext,
    state: &RunState,
    task: TaskNumber,
    ui: &Ui,
) -> Result<(), CommandError> {
    for newer in newer_commits_of(&here.store, state, task)? {
        ui.warning(&newer.warning_before_retry(state));
    }
    Ok(())
}

fn chosen(loaded: &Loaded, args: &RetryArgs) -> Result<TaskNumber, CommandError> {
    let number = find_task(&loaded.state.plan, &args.name.task)?.number;
    let worker = args.worker.as_deref();
    refuse_retry(&loaded.state, &loaded.settings, number, worker)?;
    Ok(number)
}

/// Finds the attempt, and checks that it left a session that its worker can continue.
fn may_continue(
    loaded: &Loaded,
    number: TaskNumber,
    attempt: Option<u32>,
) -> Result<&Attempt, CommandError> {
    let (state, settings) = (&loaded.state, &loaded.settings);
    let refuse = |why: String| Err(cannot_continue(&state.run, number, &why));
    let Some(last) = find_attempt(state, number, attempt)? else {
        return refuse("it has no attempt yet".to_owned());
    };
    let session = last
        .outcome
        .as_ref()
        .and_then(|outcome| outcome.session.as_ref());
    if session.is_none() {
        return refuse(format!("attempt {} left no session", last.number));
    }
    let worker = match last.variant {
        Some(_) => last.worker.as_str(),
        None => worker_for(state, number, settings),
    };
    if worker != last.worker {
        return refuse(format!(
            "its session belongs to the worker {}, not {worker}",
            last.worker
        ));
    }
    let profile = settings.workers.get(&last.worker);
    if !profile.is_some_and(Worker::can_continue) {
        return refuse(format!(
            "the profile of worker {worker} has no `resume` command"
        ));
    }
    Ok(last)
}

fn cannot_continue(run: &RunId, number: TaskNumber, why: &str) -> CommandError {
    CommandError::failed(format!("{number} of {run} cannot be continued: {why}")).hint(format!(
        "`{}` starts a new session",
        suggest::retry(run, number)
    ))
}

/// Opens the prompt of a task in the user's editor and returns the result.
fn edited(here: &RepoContext, loaded: &Loaded, number: TaskNumber) -> Result<String, CommandError> {
    let run = &loaded.state.run;
    let file = here
        .repo
        .run_folder(run.as_str())
        .join(format!("prompt-{}.md", number.0));
    let failed = |error: std::io::Error| {
        CommandError::failed(format!("could not use {}: {error}", file.display()))
    };
    let text = to_edit(&loaded.state, &loaded.settings, number);
    fs::create_dir_all(file.parent().unwrap_or(&file)).map_err(failed)?;
    files::replace(&file, text.as_bytes()).map_err(failed)?;
    edit(&here.repo, &file)?;
    let bytes = fs::read(&file).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|_| {
        CommandError::failed(format!("{} is no longer valid UTF-8", file.display()))
    })?;
    // The prompt goes into the journal from here on.
    let _ = fs::remove_file(&file);
    let prompt = above_scissors(&text);
    if prompt.trim().is_empty() {
        return Err(CommandError::failed(
            "the prompt is empty; nothing was retried",
        ));
    }
    Ok(prompt.to_owned())
}

/// Returns `true` if the editor left the prompt as it was.
fn is_unchanged(state: &RunState, number: TaskNumber, prompt: &str) -> bool {
    let task = current(state, number);
    prompt == task.text().trim_matches('\n').trim_end()
}

fn to_edit(state: &RunState, settings: &Settings, number: TaskNumber) -> String {
    let task = current(state, number);
    let mut below = format!("{number} [{}] {}\n", task.tag, task.title);
    let now = state.task(number);
    let worker = worker_for(state, number, settings);
    below.push_str(&format!("worker: {worker}\n"));
    if let Some(command) = &task.fields.run {
        below.push_str(&format!(
            "It runs a command, which reads the prompt from $DISPATCH_PROMPT_FILE: {}\n",
            plain_line(command, 200)
        ));
    }
    if let Some(End::Failed(failure)) = now.outcome().map(|outcome| &outcome.end) {
        below.push_str(&format!("failed: {}\n", plain_line(&failure.message, 400)));
        for (name, words) in [
            ("cause", &failure.root_cause),
            ("suggested", &failure.suggestion),
        ] {
            if let Some(words) = words {
                below.push_str(&format!("{name}: {}\n", plain_line(words, 400)));
            }
        }
    }
    format!(
        "{}\n\n{SCISSORS}\nAbove is the prompt of the task. This line and all below it are ignored.\n\n{below}",
        task.text().trim_matches('\n')
    )
}

/// Returns the text before the first scissors line.
fn above_scissors(text: &str) -> &str {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end() == SCISSORS {
            break;
        }
        at += line.len();
    }
    text[..at].trim_matches('\n').trim_end()
}

/// Runs `dispatch skip`.
///
/// # Errors
/// When the run cannot be read or is driven by another process, or the task is done or running.
pub(crate) fn skip(args: SkipArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    let run = here.find_run(args.name.run.as_deref(), DefaultRun::Unfinished)?;
    reopen(&here, &run, args.json, ui, |loaded| {
        let number = find_task(&loaded.state.plan, &args.name.task)?.number;
        may_skip(&loaded.state, number)?;
        Ok(vec![Event::TaskSkipped {
            task: number,
            cascade: !args.no_cascade,
        }])
    })
}

fn may_skip(state: &RunState, number: TaskNumber) -> Result<(), CommandError> {
    let run = &state.run;
    match state.task(number).phase {
        TaskPhase::Done => Err(CommandError::failed(format!(
            "{number} is done and cannot be skipped"
        ))
        .hint(format!(
            "`dispatch review {run}` can leave it out of the assembly"
        ))),
        TaskPhase::Running => Err(
            CommandError::failed(format!("{number} of {run} is running"))
                .hint(format!("`dispatch cancel {run} {}` ends it", number.0)),
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::cli::error::said;
    use crate::model::fixture::RunFixture;

    use super::*;

    #[test]
    fn a_task_is_tried_again_only_when_it_could_start() {
        let run = || RunFixture::new("a · b <- a · c <- b").fail(1, "broken");
        let retry = |run: RunFixture, task| {
            let settings = Settings::default();
            let result = refuse_retry(&run.state(), &settings, TaskNumber(task), None);
            said(result.map_err(Into::into))
        };
        assert_eq!(retry(run(), 1), "yes");
        insta::assert_snapshot!(retry(run(), 3), @r"
        #3 of checkout-7k3q cannot start before #1, which did not pass
        `dispatch retry checkout-7k3q 1` retries both
        ");
        insta::assert_snapshot!(retry(run().skip(1, true), 2), @r"
        #2 of checkout-7k3q cannot start before #1, which did not pass
        `dispatch retry checkout-7k3q 1` retries both
        ");
        assert_eq!(retry(run().skip(1, false), 2), "yes");
    }

    #[test]
    fn a_task_is_given_up_only_when_it_is_not_done_or_at_work() {
        let run = || RunFixture::new("a · b <- a");
        let skip = |run: RunFixture, task| said(may_skip(&run.state(), TaskNumber(task)));
        assert_eq!(skip(run().fail(1, "broken"), 1), "yes");
        assert_eq!(skip(run().fail(1, "broken"), 2), "yes");
        insta::assert_snapshot!(skip(run().pass(1, "made"), 1), @r"
        #1 is done and cannot be skipped
        `dispatch review checkout-7k3q` can leave it out of the assembly
        ");
        insta::assert_snapshot!(skip(run().begin(1, "shell"), 1), @r"
        #1 of checkout-7k3q is running
        `dispatch cancel checkout-7k3q 1` ends it
        ");
    }

    #[test]
    fn a_worker_is_looked_up_before_anything_is_asked_of_it() {
        let state = RunFixture::new("a").fail(1, "broken").state();
        let settings = Settings::default();
        let retry = |worker| {
            let result = refuse_retry(&state, &settings, TaskNumber(1), Some(worker));
            result.map_err(CommandError::from)
        };
        insta::assert_snapshot!(said(retry("clod")), @r#"
        checkout-7k3q has no worker "clod"
        it has aider, antigravity, claude, codex, copilot, cursor, gemini, goose, opencode, shell
        "#);
        insta::assert_snapshot!(said(retry("shell")), @r"
        #1 has no `run` command, and its worker `shell` needs one
        give the task a `run:` line, or a coding agent as its `worker:` (or as `worker` under `[run]` in .dispatch.toml)
        ");
    }

    #[test]
    fn the_editor_shows_the_prompt_and_below_it_what_went_wrong() {
        let state = RunFixture::new("a")
            .with_task(1, |task| task.prompt = "Do it\n\n# well".to_owned())
            .fail(1, "broken")
            .state();
        let text = to_edit(&state, &Settings::default(), TaskNumber(1));
        insta::assert_snapshot!(text, @r"
        Do it

        # well

        ------------------------ >8 ------------------------
        Above is the prompt of the task. This line and all below it are ignored.

        #1 [T1] a
        worker: shell
        failed: broken
        ");
        assert_eq!(above_scissors(&text), "Do it\n\n# well");
        assert!(is_unchanged(&state, TaskNumber(1), above_scissors(&text)));
        assert!(!is_unchanged(&state, TaskNumber(1), "Do it\n\n# better"));
        assert_eq!(above_scissors("Only this\r\n"), "Only this");
        assert_eq!(above_scissors(SCISSORS), "");
    }
}
