//! Opens a run for `land` and `unland`, as the one process that may move its target.

use std::ops::{Deref, DerefMut};

use crate::cli::error::CommandError;
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::engine::land::PreparedMove;
use crate::engine::land::session::LandSession;
use crate::model::ids::RunId;
use crate::ui::Ui;

/// A run whose target only this process may move, with its repository.
pub(crate) struct Opened {
    pub(crate) here: RepoContext,
    pub(crate) run: RunId,
    pub(crate) session: LandSession,
}

impl Opened {
    /// Opens a run. Processes of an earlier landing are waited for.
    ///
    /// # Errors
    /// When there is no such run, or another process drives it.
    pub(crate) fn open(
        name: Option<&str>,
        default: DefaultRun,
        ui: &Ui,
    ) -> Result<Opened, CommandError> {
        let here = RepoContext::open()?;
        here.refuse_worker()?;
        let run = here.find_and_announce_run(name, default, ui)?;
        let run_lock = here.lock(&run)?;
        let waits = || {
            ui.status("git is still running for an earlier landing; waiting until it exits");
        };
        let place = (&here.repo, &here.store);
        let session = LandSession::open(place, &run, run_lock, here.clock, waits)?;
        Ok(Opened { here, run, session })
    }
}

impl Deref for Opened {
    type Target = LandSession;

    fn deref(&self) -> &LandSession {
        &self.session
    }
}

impl DerefMut for Opened {
    fn deref_mut(&mut self) -> &mut LandSession {
        &mut self.session
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
            true => self.ui.answer_text(&format!("{line}\n")),
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
