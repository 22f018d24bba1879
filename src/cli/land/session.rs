//! Opens a run for `land` and `unland`, as the one process that may move its target.

use jiff::Timestamp;

use crate::cli::drive::context;
use crate::cli::error::CommandError;
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::land::PreparedMove;
use crate::engine::land::lock::LandLock;
use crate::engine::runs::load::{free_references, free_target};
use crate::journal::Journal;
use crate::journal::runs::RunLock;
use crate::model::event::Event;
use crate::model::ids::RunId;
use crate::model::run::RunState;
use crate::ui::Ui;

/// A run whose target only this process may move.
pub(crate) struct Opened {
    pub(crate) here: RepoContext,
    pub(crate) run: RunId,
    pub(crate) state: RunState,
    pub(crate) context: Context,
    pub(crate) journal: Journal,
    pub(crate) lock: LandLock,
    /// The time of opening.
    pub(crate) now: Timestamp,
    _run_lock: RunLock,
}

impl Opened {
    /// Opens a run. Processes of an earlier landing are waited for, and its locks are removed, so
    /// that the state does not change afterwards.
    ///
    /// # Errors
    /// When there is no such run, or another process drives it.
    pub(crate) fn open(
        name: Option<&str>,
        default: DefaultRun,
        ui: &Ui,
    ) -> Result<Opened, CommandError> {
        let here = RepoContext::open()?;
        let run = here.find_and_announce_run(name, default, ui)?;
        let run_lock = here.lock(&run)?;
        let lock = LandLock::take(&here.repo, &run, || {
            ui.status("git is still running for an earlier landing; waiting until it exits");
        })?;
        let loaded = here.load(&run)?;
        free_references(&here.repo, &run, &loaded.settings)?;
        free_target(&here.repo, &loaded.state)?;
        let journal = Journal::reopen(&here.repo, &loaded.replayed).map_err(EngineError::from)?;
        let context = context(&here.repo, &loaded.state, loaded.settings, here.clock)?;
        Ok(Opened {
            now: here.clock.now(),
            run,
            state: loaded.state,
            context,
            journal,
            lock,
            here,
            _run_lock: run_lock,
        })
    }

    /// Records an event.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn record(&mut self, event: Event) -> Result<(), CommandError> {
        let now = self.here.clock.now();
        let recorded = self.journal.append(vec![event], now);
        recorded.map_err(EngineError::from)?;
        Ok(())
    }
}

/// Shows what will move and where: as the answer of a dry run, otherwise as progress.
pub(crate) struct Preview<'a> {
    ui: &'a Ui,
    is_answer: bool,
}

impl<'a> Preview<'a> {
    pub(crate) fn new(ui: &'a Ui, is_answer: bool) -> Preview<'a> {
        Preview { ui, is_answer }
    }

    /// Returns `true` for a dry run.
    pub(crate) fn is_answer(&self) -> bool {
        self.is_answer
    }

    pub(crate) fn say(&self, line: &str) {
        match self.is_answer {
            true => self.ui.answer(&format!("{line}\n")),
            false => self.ui.status(line),
        }
    }

    pub(crate) fn say_checkout(&self, prepared: &PreparedMove) {
        if let Some(checkout) = &prepared.checkout {
            self.say(&format!(
                "the checkout in {} moves with it",
                checkout.display()
            ));
        }
    }
}
