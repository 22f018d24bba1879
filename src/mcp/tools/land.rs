//! `land`: shows what a landing would move, and moves it when the person agrees to exactly that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Effect, ToolSpec};
use crate::engine::land::commit::Preparation;
use crate::engine::land::session::LandSession;
use crate::engine::land::target::{LandTarget, inspect};
use crate::engine::land::{LandOptions, MergeMethod};
use crate::engine::runs::find::DefaultRun;
use crate::journal::runs::{RunLock, Taken};
use crate::mcp::answer::Answer;
use crate::mcp::call::Call;
use crate::mcp::error::ToolError;
use crate::mcp::proposal::{Proposed, Step};
use crate::mcp::repository::Repository;
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::ids::RunId;
use crate::model::integration::Landing;
use crate::report::landing::{included, not_included};
use crate::report::suggest;

#[derive(Deserialize, JsonSchema)]
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
    /// Land now. Only after the person has agreed, and with `tip` and `target_tip`.
    #[serde(default)]
    confirm: bool,
    /// The `tip` that an earlier answer showed.
    #[serde(default)]
    tip: Option<String>,
    /// The `target_tip` that an earlier answer showed.
    #[serde(default)]
    target_tip: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Method {
    /// One merge commit.
    #[default]
    Merge,
    /// Fast-forward the target along the assembled history.
    Ff,
    /// One ordinary commit of everything.
    Squash,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// `false`: nothing has moved yet.
    landed: bool,
    run: String,
    /// The branch that moves.
    target: String,
    /// The commit of the assembled work; the confirming call has to bring it.
    tip: String,
    /// The commit that the target is at; the confirming call has to bring it.
    target_tip: String,
    /// The commit that the target has moved to.
    commit: Option<String>,
    /// Changed files, with added and removed lines.
    change: String,
    /// The tasks that land.
    tasks: Vec<u32>,
    /// The tasks that do not land, each with the reason.
    not_included: Vec<String>,
    /// `true` if the target has moved since the run started: the work is merged onto it, and checked
    /// again, when it lands.
    target_has_moved: bool,
    next: String,
}

/// Describes the tool.
pub(super) fn spec() -> ToolSpec {
    ToolSpec::new::<Input, Output>(
        ("land", "Land a run"),
        "Moves the target branch to the assembled result of a run. Without `confirm` it only shows what \
         would move. Show that to the person; if they agree, call again with `confirm: true` and the \
         `tip` and `target_tip` of the answer. It refuses if either has moved. The old commit of the \
         target is kept.",
        Effect::Destroys,
        Action::Propose {
            propose,
            carry_out: land,
        },
    )
}

/// A landing that could be made.
struct Landable {
    session: LandSession,
    options: LandOptions,
    target: LandTarget,
    tip: Oid,
}

fn propose(call: &Call) -> Result<Proposed, ToolError> {
    let input: Input = call.arguments()?;
    let here = call.repository()?;
    let landable = input.open(&here)?;
    let step = match input.confirm {
        true => {
            input.expect_tips(&landable)?;
            Step::Confirmed
        }
        false => Step::Show,
    };
    let output = landable.describe(&here, None)?;
    let text = output.render();
    Ok(Proposed {
        content: landable.content(&input),
        question: format!("Land this?\n\n{text}"),
        answer: Answer::new(&output, text),
        step,
    })
}

fn land(call: &Call, confirmed: &str) -> Result<Answer, ToolError> {
    let input: Input = call.arguments()?;
    let here = call.repository()?;
    let mut landable = input.open(&here)?;
    input.expect_tips(&landable)?;
    if landable.content(&input) != confirmed {
        return Err(moved());
    }
    let landing = landable.land()?;
    let output = landable.describe(&here, Some(&landing))?;
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
            method: match self.method {
                Method::Merge => MergeMethod::Merge,
                Method::Ff => MergeMethod::FastForward,
                Method::Squash => MergeMethod::Squash,
            },
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
            tip,
        })
    }

    /// Checks that the call brings the tips that an answer showed, and that neither has moved.
    fn expect_tips(&self, landable: &Landable) -> Result<(), ToolError> {
        let (Some(tip), Some(target_tip)) = (&self.tip, &self.target_tip) else {
            return Err(ToolError::new(
                "`confirm` needs the `tip` and the `target_tip` that an answer showed; nothing has moved",
            )
            .at("land")
            .next("call land without `confirm`, and show its answer to the person"));
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
    .next("call land without `confirm`, and show its answer to the person again")
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

impl Landable {
    /// Returns everything that a confirmation is bound to.
    fn content(&self, input: &Input) -> String {
        let (run, target) = (&self.session.state.run, &self.target);
        format!(
            "land {run} {} {} {} {:?}",
            self.tip, target.branch, target.from, input.method
        )
    }

    fn land(&mut self) -> Result<Landing, ToolError> {
        if self.target.is_contained {
            let landing = Landing {
                target: self.target.branch.clone(),
                from: self.target.from,
                to: self.target.from,
                at: self.session.now,
                backup: None,
            };
            let event = Event::Landed {
                landing: landing.clone(),
            };
            self.session.record(event)?;
            return Ok(landing);
        }
        let content = self.session.content(&self.target, &self.options)?;
        let preparation = Preparation {
            context: &self.session.context,
            state: &self.session.state,
            options: &self.options,
            lock: &self.session.lock,
            target: &self.target,
            now: self.session.now,
        };
        let prepared = preparation.prepare(&content)?;
        self.session.land(&prepared)?;
        Ok(prepared.landing)
    }

    fn describe(&self, here: &Repository, landing: Option<&Landing>) -> Result<Output, ToolError> {
        let state = &self.session.state;
        let to = landing.map_or(self.tip, |landing| landing.to);
        let from = match (landing, self.target.has_moved) {
            // Before it is merged onto a target that has moved, the work is compared with its base.
            (None, true) => state.base,
            _ => self.target.from,
        };
        let trees = (here.store.tree_of(from)?, here.store.tree_of(to)?);
        let tag = |number| &state.plan.task(number).tag;
        let missing = not_included(state).into_iter();
        let missing = missing.map(|(number, why)| format!("{number} [{}] {why}", tag(number)));
        Ok(Output {
            landed: landing.is_some(),
            run: state.run.to_string(),
            target: self.target.branch.clone(),
            tip: self.tip.to_string(),
            target_tip: self.target.from.to_string(),
            commit: landing.map(|landing| landing.to.to_string()),
            change: here.store.stat(trees.0, trees.1)?.to_string(),
            tasks: included(state).map(|number| number.0).collect(),
            not_included: missing.collect(),
            target_has_moved: self.target.has_moved,
            next: match landing {
                Some(_) => format!(
                    "tell the person; `{}` undoes it, `{}` removes the worktrees",
                    suggest::unland(&state.run),
                    suggest::clean(&state.run)
                ),
                None => {
                    "show this to the person; if they agree, call land again with `confirm: true` \
                         and this `tip` and `target_tip`"
                        .to_owned()
                }
            },
        })
    }
}

impl Output {
    fn render(&self) -> String {
        let head = match &self.commit {
            Some(commit) => format!(
                "landed: {} is now {commit} (was {})",
                self.target, self.target_tip
            ),
            None => format!(
                "nothing has moved yet: {} would land on {}",
                self.run, self.target
            ),
        };
        let tasks: Vec<String> = self.tasks.iter().map(|task| format!("#{task}")).collect();
        let mut lines = vec![head, format!("{}: {}", tasks.join(", "), self.change)];
        lines.extend(
            self.not_included
                .iter()
                .map(|line| format!("not included: {line}")),
        );
        if self.target_has_moved && !self.landed {
            lines.push(format!(
                "{} has moved since the run started; the work is merged onto it and checked again",
                self.target
            ));
        }
        if !self.landed {
            lines.push(format!("tip: {}", self.tip));
            lines.push(format!("target_tip: {}", self.target_tip));
        }
        lines.push(format!("next: {}", self.next));
        lines.join("\n")
    }
}
