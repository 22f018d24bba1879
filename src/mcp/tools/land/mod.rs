//! `land`: shows what a landing would move, and moves it when the user agrees to exactly that.

mod landable;
mod output;

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use self::landable::Landable;
use self::output::{Method, Output, PASSED, RUNNING};
use super::wait::LONGEST;
use super::{Action, Effect, ToolSpec};
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::land::LandOptions;
use crate::engine::land::session::LandSession;
use crate::engine::land::target::inspect;
use crate::engine::runs::find::DefaultRun;
use crate::journal::runs::{RunLock, Taken};
use crate::mcp::answer::Answer;
use crate::mcp::call::Call;
use crate::mcp::error::ToolError;
use crate::mcp::land_checks::Checked;
use crate::mcp::proposal::{Proposed, Step};
use crate::mcp::repository::Repository;
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::ids::RunId;

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The run, or a unique beginning of its name. Default: the latest with something to land.
    #[serde(default)]
    run: Option<String>,
    /// Land on this branch. Default: the target of the run.
    #[serde(default)]
    into: Option<String>,
    /// The way of landing.
    #[serde(default)]
    method: Method,
    /// Land now. Only after the user has agreed, and with `tip` and `target_tip`.
    #[serde(default)]
    confirm: bool,
    /// The `tip` that an earlier answer showed.
    #[serde(default)]
    tip: Option<String>,
    /// The `target_tip` that an earlier answer showed.
    #[serde(default)]
    target_tip: Option<String>,
    /// Return after this many seconds at the latest while checks run on a target that has moved.
    /// Default and maximum: 45.
    #[serde(default)]
    timeout_s: Option<u64>,
}

/// Describes the tool.
pub(super) fn spec() -> ToolSpec {
    ToolSpec::new::<Input, Output>(
        ("land", "Land a run"),
        "Moves the target branch to the assembled result of a run. Without `confirm` it only shows what \
         would move. Show that to the user; if they agree, call again with the same arguments, \
         `confirm: true` and the `tip` and `target_tip` of the answer. It refuses anything that was not \
         shown, and if either has moved. On a target that has moved the checks run first: `checks` tells \
         to call again while they do. The old commit of the target is kept.",
        Effect::Destroys,
        Action::Propose {
            propose,
            carry_out: land,
        },
    )
}

fn propose(call: &Call) -> Result<Proposed, ToolError> {
    let input: Input = call.arguments()?;
    let here = call.unchanged_repository()?;
    if input.confirm {
        return input.propose_confirmed(call, &here);
    }
    // An earlier call may have started the checks, which hold the lock of the run.
    if let Some(running) = input.wait_for_checks(call)? {
        return Ok(later(running));
    }
    call.checks.refuse_running()?;
    let landable = input.open(&here)?;
    let content = landable.preview()?;
    if content.is_none() || !landable.needs_checks() {
        return landable.show(&here, content.as_ref(), None);
    }
    let running = landable.offer(&here, content.as_ref(), Some(RUNNING))?;
    // The checks open the run themselves.
    drop(landable);
    let (checked, again) = (input.clone(), call.clone());
    call.checks
        .start(&input.landing(), running.answer, move |cancel| {
            checked.check(&again.unchanged_repository()?, cancel)
        })?;
    if let Some(running) = input.wait_for_checks(call)? {
        return Ok(later(running));
    }
    let landable = input.open(&here)?;
    let content = landable.content(&landable.options)?;
    landable.show(&here, content.as_ref(), Some(PASSED))
}

/// Builds the answer while checks run.
fn later(running: Answer) -> Proposed {
    Proposed {
        content: String::new(),
        step: Step::Later(running),
    }
}

fn land(call: &Call, confirmed: &str) -> Result<Answer, ToolError> {
    let input: Input = call.arguments()?;
    let here = call.unchanged_repository()?;
    let mut landable = input.open(&here)?;
    input.expect_tips(&landable)?;
    let content = landable.content(&landable.options)?;
    if landable.binding(content.as_ref()) != confirmed {
        return Err(moved());
    }
    let landing = landable.land(content.as_ref())?;
    let output = landable.describe(&here, &landing, content.as_ref(), true)?;
    let text = output.render();
    Ok(Answer::new(&output, text))
}

impl Input {
    fn open(&self, here: &Repository) -> Result<Landable, ToolError> {
        let run = here.find(self.run.as_deref(), DefaultRun::Unlanded)?;
        let mut session = open(here, &run)?;
        here.refuse_depth(&session.context.settings)?;
        if let Some(landing) = session.unrecorded(&here.store)? {
            session.record(Event::Landed { landing })?;
            return Err(
                ToolError::new(format!("an earlier landing of {run} is complete"))
                    .next("history shows what has landed"),
            );
        }
        let options = LandOptions {
            message: None,
            into: self.into.clone(),
            method: self.method.into(),
            board: session.context.settings.board.land,
            force: false,
            no_verify: false,
            no_rebuild: false,
            allow_rewound: false,
        };
        let target = inspect(&session.context, &session.state, &options)?;
        let tip = session.state.integration.as_ref();
        let tip = tip.and_then(|found| found.code_tip).unwrap_or(Oid::ZERO);
        Ok(Landable {
            session,
            options,
            target,
            method: self.method,
            tip,
        })
    }

    fn propose_confirmed(&self, call: &Call, here: &Repository) -> Result<Proposed, ToolError> {
        call.checks.refuse_running()?;
        let landable = self.open(here)?;
        self.expect_tips(&landable)?;
        // Without the checks that an earlier call ran, it is not what was shown.
        let content = match call.checks.have_passed(&self.landing()) {
            true => landable.content(&landable.options)?,
            false => landable.preview()?,
        };
        Ok(Proposed {
            content: landable.binding(content.as_ref()),
            step: Step::Confirmed,
        })
    }

    /// Names the landing that this call is about.
    fn landing(&self) -> String {
        format!("{:?} {:?} {:?}", self.run, self.into, self.method)
    }

    /// Waits for checks of this landing that an earlier call, or this one, has started. Returns the
    /// answer to give while they run.
    ///
    /// # Errors
    /// When they failed.
    fn wait_for_checks(&self, call: &Call) -> Result<Option<Answer>, ToolError> {
        let time = Duration::from_secs(self.timeout_s.unwrap_or(LONGEST).min(LONGEST));
        match call.checks.wait(&self.landing(), time, &*call.is_cancelled) {
            Checked::Idle => Ok(None),
            Checked::Running(answer) => Ok(Some(answer)),
            Checked::Ended(outcome) => outcome.map(|()| None),
        }
    }

    /// Runs the checks on the merge of the work onto the target. Their results are kept, so that the
    /// landing itself runs none again.
    fn check(&self, here: &Repository, cancel: &CancelHandle) -> Result<(), ToolError> {
        let mut landable = self.open(here)?;
        landable.session.cancel = cancel.clone();
        landable.content(&landable.options)?;
        Ok(())
    }

    /// Checks that the call brings the tips that an answer showed, and that neither has moved.
    fn expect_tips(&self, landable: &Landable) -> Result<(), ToolError> {
        let (Some(tip), Some(target_tip)) = (&self.tip, &self.target_tip) else {
            return Err(ToolError::new(
                "`confirm` needs the `tip` and the `target_tip` that an answer showed; nothing has moved",
            )
            .at("land")
            .next("call land without `confirm`, and show its answer to the user"));
        };
        let now = [landable.tip, landable.target.from].map(|tip| tip.to_string());
        match [tip, target_tip] == [&now[0], &now[1]] {
            true => Ok(()),
            false => Err(moved()),
        }
    }
}

fn moved() -> ToolError {
    ToolError::new(
        "the assembled work or the target is not at the commit that was shown; nothing has moved",
    )
    .at("land")
    .next("call land without `confirm`, and show its answer to the user again")
}

fn open(here: &Repository, run: &RunId) -> Result<LandSession, ToolError> {
    match RunLock::take(&here.repo, run, here.clock.now()) {
        Ok(Taken::Ours(lock)) => {
            let place = (&here.repo, &here.store);
            Ok(LandSession::open(place, run, lock, here.clock, || {})?)
        }
        Ok(Taken::Held(_)) => Err(ToolError::new(format!("{run} is being driven"))
            .next("run_wait waits for its end; then land")),
        Err(error) => Err(ToolError::new(format!("could not lock {run}: {error}"))),
    }
}
