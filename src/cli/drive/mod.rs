//! Drives a run from the terminal, for every subcommand that starts or continues one.

pub(crate) mod progress;
pub(crate) mod reopen;

use std::sync::Arc;

use tracing::Instrument;

use crate::base::parallel::STACK;
use crate::base::text::{plural, terminal_safe};
use crate::cli::drive::progress::{Events, Lines};
use crate::cli::error::{CommandError, ExitStatus};
use crate::cli::repo_context::RepoContext;
use crate::config::Settings;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
pub(crate) use crate::engine::kernel::context::local_context as context;
use crate::engine::mirror::process as mirror;
use crate::engine::publish::render_reports;
use crate::engine::run::event_loop::{Driven, EventLoop};
use crate::engine::run::notify::Unsent;
use crate::engine::run::watcher::Watcher;
use crate::engine::start::detach;
use crate::git::Repo;
use crate::journal::Journal;
use crate::journal::runs::RunLock;
use crate::model::event::{Event, Recorded};
use crate::model::ids::RunId;
use crate::model::run::{RunPhase, RunState};
use crate::model::task_state::TaskPhase;
use crate::report::board::text;
use crate::report::board::view::BoardView;
use crate::report::suggest;
use crate::schedule::foreground::background;
use crate::ui::Ui;

/// A run to drive.
pub(crate) struct Drive<'a> {
    /// The repository.
    pub(crate) here: &'a RepoContext,
    /// The lock of the run.
    pub(crate) lock: RunLock,
    /// The state of the run.
    pub(crate) state: RunState,
    /// Its journal.
    pub(crate) journal: Journal,
    /// Its settings.
    pub(crate) settings: Settings,
    /// The user's requests, to be recorded first.
    pub(crate) asked: Vec<Event>,
    /// Events recorded before the loop begins, for the progress display.
    pub(crate) recorded: Vec<Recorded>,
    /// Prints events on standard output instead of lines and reports.
    pub(crate) json: bool,
    /// Keeps background tasks in this process instead of handing them to another.
    pub(crate) foreground: bool,
}

impl Drive<'_> {
    /// Drives the run until it ends and prints the report.
    ///
    /// # Errors
    /// When dispatch itself fails; the run can then be resumed.
    pub(crate) fn run(self, ui: &Ui) -> Result<ExitStatus, CommandError> {
        let (run, here) = (self.state.run.clone(), self.here);
        mirror_in_background(&here.repo, &run, &self.settings, ui);
        let context = Arc::new(context(
            &self.here.repo,
            &self.state,
            self.settings.clone(),
            self.here.clock,
        )?);
        let resume = suggest::resume(&run);
        let json = self.json;
        let ui = &ui.drawing(!self.settings.run.keep_terminal_free);
        let driven = if json {
            self.drive(context, &mut Events::new(ui))
        } else {
            let lines = Lines::new(ui, &self.state.plan);
            let mut lines = lines.ringing(self.settings.notify.bell);
            let driven = self.drive(context, &mut lines);
            lines.finish();
            driven
        };
        let (driven, lock) = driven;
        let driven = driven.map_err(|error| {
            CommandError::from(error).hint(format!("nothing is lost; continue with `{resume}`"))
        })?;
        if driven.left {
            drop(lock);
            detach(here, &run)?;
            say_left(ui, &driven.state);
        } else if driven.exit == 130 {
            let view = BoardView::new(&driven.state);
            let (done, tasks) = (view.done(), view.tasks.len());
            ui.warning(&format!(
                "{run} is interrupted, with {done} of {tasks} done"
            ));
            ui.hint(&format!("nothing is lost; continue with `{resume}`"));
        } else {
            if !json {
                print_end(ui, &driven.state);
            }
            // Others may land the run while an address does not answer.
            drop(lock);
        }
        if let Some(warning) = driven.unsent.and_then(Unsent::wait) {
            ui.warning(&warning);
        }
        warn_of_mirror(&here.repo, &run, ui);
        Ok(ExitStatus::of_run(driven.exit))
    }

    /// Drives the run and returns it with its lock, which is held until everything is done.
    fn drive(
        self,
        context: Arc<Context>,
        watcher: &mut dyn Watcher,
    ) -> (Result<Driven, EngineError>, RunLock) {
        let lock = self.lock;
        let background = match self.foreground {
            true => background(&self.state.plan, self.settings.run.keep_terminal_free),
            false => Vec::new(),
        };
        let span = tracing::debug_span!("run", id = %self.state.run);
        let drive = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .thread_stack_size(STACK)
                .build()
                .map_err(|error| EngineError::File("the event loop".to_owned(), error))?;
            watcher.recorded(&self.state, &self.recorded);
            let event_loop = EventLoop {
                context,
                state: self.state,
                journal: self.journal,
                watcher,
                random: random(),
                background,
            };
            let driven = event_loop.run(self.asked);
            let driven = runtime.block_on(driven.instrument(span));
            // Work that a third Ctrl-C cut off is not waited for.
            runtime.shutdown_background();
            driven
        };
        (drive(), lock)
    }
}

/// Starts a background process that shows the run on GitHub, if the settings name a project. The run goes
/// on without it.
pub(crate) fn mirror_in_background(repo: &Repo, run: &RunId, settings: &Settings, ui: &Ui) {
    if settings.github.project.is_none() {
        return;
    }
    if let Err(error) = mirror::start(repo, run) {
        ui.warning(&format!("the run is not shown on GitHub: {error}"));
    }
}

/// Warns if the process that shows a run on GitHub waits or has failed.
pub(crate) fn warn_of_mirror(repo: &Repo, run: &RunId, ui: &Ui) {
    if let Some(wait) = mirror::waits_for(repo, run) {
        ui.warning(&format!(
            "{run} is shown on GitHub later: {}",
            terminal_safe(&wait)
        ));
    } else if let Some(problem) = mirror::problem(repo, run) {
        ui.warning(&format!(
            "{run} is not shown on GitHub: {}",
            terminal_safe(&problem)
        ));
        ui.hint(&format!("`dispatch github sync {run}` tries again"));
    }
}

/// Starts a background process that drives the run.
///
/// # Errors
/// When it cannot be started; the run can then be resumed.
pub(crate) fn detach(here: &RepoContext, run: &RunId) -> Result<(), CommandError> {
    detach::detach(&here.repo, run).map_err(|error| {
        CommandError::failed(format!("no background process could be started: {error}")).hint(
            format!("nothing is lost; continue with `{}`", suggest::resume(run)),
        )
    })
}

fn say_left(ui: &Ui, state: &RunState) {
    let open = state.tasks.iter().filter(|task| {
        matches!(
            task.phase,
            TaskPhase::Running | TaskPhase::Queued | TaskPhase::RetryAt(_) | TaskPhase::Choosing
        )
    });
    let run = &state.run;
    let left = plural(open.count(), "background task");
    ui.status(&format!(
        "{left} of {run} left; a background process continues them"
    ));
    ui.hint(&format!(
        "`{}` waits for the end; `{}` shows its progress",
        suggest::wait(run),
        suggest::status(run)
    ));
}

/// Returns the random numbers of this process; `DISPATCH_SEED` makes them repeatable.
pub(crate) fn random() -> fastrand::Rng {
    let seed = std::env::var("DISPATCH_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed)
}

/// Prints the board and the reports at the end of a run.
pub(crate) fn print_end(ui: &Ui, state: &RunState) {
    let board = text::render_within(&BoardView::new(state), ui.columns());
    ui.answer(&format!("\n{board}"));
    if matches!(state.phase, RunPhase::Ended(130)) {
        return;
    }
    for report in render_reports(state) {
        ui.answer("\n");
        ui.answer_markdown(&report);
    }
}
