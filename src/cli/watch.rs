//! `dispatch watch`: shows a run on the whole screen, live or past.

use std::sync::Arc;

use clap::Args;

use crate::cli::drive::print_end;
use crate::cli::drive::progress::Lines;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::config;
use crate::config::variable::Overrides;
use crate::engine::run::watcher::Watcher;
use crate::engine::runs::poll::Poll;
use crate::journal::runs::RunLock;
use crate::model::ids::RunId;
use crate::model::run::{RunPhase, RunState};
use crate::report::board::text;
use crate::report::board::view::BoardView;
use crate::report::suggest;
use crate::tui::{CliCommand, Watch};
use crate::ui::Ui;

/// Show a run on the whole screen: tasks, logs, changes, conflicts
///
/// The board only reads the run: `q` leaves it, and the run goes on. Without a terminal, and with
/// --plain, lines are printed until the run has ended. The exit code is that of the run, or 0 if it goes
/// on.
#[derive(Args, Debug, Clone)]
pub(crate) struct WatchArgs {
    /// The run [default: the latest]
    run: Option<String>,
    /// Print lines instead of showing the board
    #[arg(long)]
    plain: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// When the run cannot be read, or with lines no process drives it.
pub(crate) fn run(args: WatchArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open_to_read()?;
    let run = here.find_run(args.run.as_deref(), DefaultRun::Latest)?;
    if args.plain || !can_show(ui) {
        return lines(&here, &run, ui);
    }
    let state = show(&here, &run, ui)?;
    match state.phase {
        RunPhase::Ended(code) => {
            ui.status(&text::result_line(&BoardView::new(&state)));
            Ok(ExitStatus::of_run(code))
        }
        _ => Ok(say_left(&here, &run, ui)),
    }
}

/// Shows the board of a run that was just started, until the user leaves it.
///
/// # Errors
/// When the run cannot be read, or the terminal cannot be used.
pub(crate) fn follow(here: &RepoContext, run: &RunId, ui: &Ui) -> CommandResult {
    let state = show(here, run, ui)?;
    match state.phase {
        RunPhase::Ended(code) => {
            print_end(ui, &state);
            Ok(ExitStatus::of_run(code))
        }
        _ => Ok(say_left(here, run, ui)),
    }
}

/// Returns `true` if the board can be shown on the terminal.
pub(crate) fn can_show(ui: &Ui) -> bool {
    ui.is_interactive() && ui.is_on_terminal() && ui.may_draw()
}

fn show(here: &RepoContext, run: &RunId, ui: &Ui) -> Result<Arc<RunState>, CommandError> {
    // Without valid settings the bell stays off; the run has settings of its own.
    let settings = config::load(&here.repo.top, None, &Overrides::default());
    let watch = Watch {
        repo: here.repo.clone(),
        run: run.clone(),
        clock: here.clock,
        commands: commands(),
        has_color: ui.has_color(),
        rings: settings.is_ok_and(|settings| settings.notify.bell),
    };
    Ok(watch.show(ui)?)
}

/// Says that the run goes on, or how it can.
fn say_left(here: &RepoContext, run: &RunId, ui: &Ui) -> ExitStatus {
    if RunLock::is_held(&here.repo, run) {
        ui.status(&format!("{run} goes on in the background"));
        ui.hint(&format!("`{}` shows it again", suggest::watch(run)));
    } else {
        ui.warning(&format!("{run} is interrupted: no process drives it"));
        ui.hint(&format!("`{}` resumes it", suggest::resume(run)));
    }
    ExitStatus::Ok
}

/// Prints lines until the run has ended.
fn lines(here: &RepoContext, run: &RunId, ui: &Ui) -> CommandResult {
    let mut poll = Poll::new(&here.repo, &here.store, run);
    let mut lines: Option<Lines> = None;
    loop {
        let (state, news) = poll.wait_with_news()?;
        match &mut lines {
            None => lines
                .insert(Lines::new(ui, &state.plan))
                .recorded(state, &[]),
            Some(lines) if !news.is_empty() => lines.recorded(state, &news),
            Some(_) => {}
        }
        if let RunPhase::Ended(code) = state.phase {
            lines.iter_mut().for_each(Lines::finish);
            ui.status(&text::result_line(&BoardView::new(state)));
            return Ok(ExitStatus::of_run(code));
        }
    }
}

/// Lists the subcommands for the palette, each with what it takes.
fn commands() -> Vec<CliCommand> {
    let program = crate::cli::bare_command();
    let shown = program
        .get_subcommands()
        .filter(|known| !known.is_hide_set());
    shown
        .map(|command| {
            let takes = |names: &[&str]| {
                let mut places = command.get_positionals();
                places.any(|place| names.contains(&place.get_id().as_str()))
            };
            let about = command.get_about().map(ToString::to_string);
            CliCommand {
                name: command.get_name().to_owned(),
                about: about.unwrap_or_default(),
                takes_run: takes(&["run", "targets", "from"]) && command.get_name() != "run",
                takes_task: takes(&["task"]),
            }
        })
        .collect()
}
