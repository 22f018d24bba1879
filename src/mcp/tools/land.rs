//! `land`: shows what a landing would move, and moves it when the user agrees to exactly that.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wait::LONGEST;
use super::{Action, Effect, ToolSpec};
use crate::base::markdown::plain_line;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::land::board_verb;
use crate::engine::land::commit::{LandContent, Preparation};
use crate::engine::land::session::LandSession;
use crate::engine::land::target::{LandTarget, inspect};
use crate::engine::land::{LandOptions, MergeMethod, PreparedMove};
use crate::engine::runs::find::DefaultRun;
use crate::journal::runs::{RunLock, Taken};
use crate::mcp::answer::Answer;
use crate::mcp::call::Call;
use crate::mcp::error::ToolError;
use crate::mcp::land_checks::Checked;
use crate::mcp::proposal::{Offer, Proposed, Step};
use crate::mcp::repository::Repository;
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::ids::RunId;
use crate::model::integration::Landing;
use crate::report::landing::{included, left_behind, not_included};
use crate::report::suggest;

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

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
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
    /// The way of landing; the confirming call has to bring the same.
    method: Method,
    /// The commit of the assembled work; the confirming call has to bring it.
    tip: String,
    /// The commit that the target is at; the confirming call has to bring it.
    target_tip: String,
    /// The commit that the target has moved to.
    commit: Option<String>,
    /// Changed files, with added and removed lines.
    change: String,
    /// The change to the board file, which no task made; it is part of `change`.
    board: Option<String>,
    /// The tasks that land.
    tasks: Vec<u32>,
    /// The tasks that do not land, each with the reason.
    not_included: Vec<String>,
    /// Work of the tasks that their results do not contain, such as uncommitted changes of a submodule.
    left_behind: Vec<String>,
    /// Conflicts with a target that has moved, each with its resolution.
    settled: Vec<String>,
    /// `true` if the target has moved since the run started: the work is merged onto it, and checked
    /// there before it can land.
    target_has_moved: bool,
    /// The checks on a target that has moved: `passed`, or `running` until the call is repeated.
    checks: Option<String>,
    next: String,
}

impl Method {
    fn words(self) -> &'static str {
        match self {
            Method::Merge => "one merge commit",
            Method::Ff => "a fast-forward, without the board",
            Method::Squash => "one ordinary commit, without the board",
        }
    }
}

impl From<Method> for MergeMethod {
    fn from(method: Method) -> MergeMethod {
        match method {
            Method::Merge => MergeMethod::Merge,
            Method::Ff => MergeMethod::FastForward,
            Method::Squash => MergeMethod::Squash,
        }
    }
}

/// The next step after a landing was shown.
const NEXT: &str = "show this to the user; if they agree, call land again with the same arguments, \
                    `confirm: true` and this `tip` and `target_tip`";

/// The next step while checks run.
const NEXT_WHILE_CHECKED: &str = "call land again with the same arguments: it waits for the checks on \
                                  the moved target";

/// The words for the checks on a target that has moved.
const RUNNING: &str = "running";
const PASSED: &str = "passed";

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

/// A landing that could be made.
struct Landable {
    session: LandSession,
    options: LandOptions,
    target: LandTarget,
    method: Method,
    tip: Oid,
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

impl Landable {
    /// Returns everything that a confirmation is bound to.
    fn binding(&self, content: Option<&LandContent>) -> String {
        let (run, target, options) = (&self.session.state.run, &self.target, &self.options);
        let what = match content {
            Some(LandContent::Commit(commit)) => commit.to_string(),
            Some(LandContent::Tree { tree, .. }) => tree.to_string(),
            None => "nothing".to_owned(),
        };
        format!(
            "land {run} {} {} {} {:?} {} {what}",
            self.tip, target.branch, target.from, options.method, options.board
        )
    }

    /// Returns what lands; `None` if the target has it already.
    fn content(&self, options: &LandOptions) -> Result<Option<LandContent>, ToolError> {
        match self.target.is_contained {
            true => Ok(None),
            false => Ok(Some(self.session.content(&self.target, options)?)),
        }
    }

    /// Returns `true` if the work has to be checked on a target that has moved.
    fn needs_checks(&self) -> bool {
        let checks = &self.session.context.settings.assemble.check;
        self.target.has_moved && !checks.is_empty()
    }

    /// Returns what lands, before the checks on a target that has moved: they may take longer than
    /// a client waits.
    fn preview(&self) -> Result<Option<LandContent>, ToolError> {
        self.content(&LandOptions {
            force: true,
            ..self.options.clone()
        })
    }

    /// Shows a landing, so that it can be confirmed.
    fn show(
        &self,
        here: &Repository,
        content: Option<&LandContent>,
        checks: Option<&str>,
    ) -> Result<Proposed, ToolError> {
        Ok(Proposed {
            content: self.binding(content),
            step: Step::Show(self.offer(here, content, checks)?),
        })
    }

    /// Builds the commit that would land, and puts it into words.
    fn offer(
        &self,
        here: &Repository,
        content: Option<&LandContent>,
        checks: Option<&str>,
    ) -> Result<Offer, ToolError> {
        let landing = match content {
            Some(content) => self.prepare(content)?.landing,
            None => self.no_move(),
        };
        let mut output = self.describe(here, &landing, content, false)?;
        output.checks = checks.map(str::to_owned);
        if checks == Some(RUNNING) {
            output.next = NEXT_WHILE_CHECKED.to_owned();
        }
        Ok(Offer {
            question: format!("Land this?\n\n{}", output.facts().join("\n")),
            answer: Answer::new(&output, output.render()),
        })
    }

    fn prepare(&self, content: &LandContent) -> Result<PreparedMove, ToolError> {
        let preparation = Preparation {
            context: &self.session.context,
            state: &self.session.state,
            options: &self.options,
            lock: &self.session.lock,
            cancel: &self.session.cancel,
            target: &self.target,
            now: self.session.now,
        };
        Ok(preparation.prepare(content)?)
    }

    /// Returns the landing of work that the target has already.
    fn no_move(&self) -> Landing {
        Landing {
            target: self.target.branch.clone(),
            from: self.target.from,
            to: self.target.from,
            at: self.session.now,
            backup: None,
        }
    }

    fn land(&mut self, content: Option<&LandContent>) -> Result<Landing, ToolError> {
        let Some(content) = content else {
            let landing = self.no_move();
            let event = Event::Landed {
                landing: landing.clone(),
            };
            self.session.record(event)?;
            return Ok(landing);
        };
        let prepared = self.prepare(content)?;
        self.session.land(&prepared)?;
        Ok(prepared.landing)
    }

    /// Describes a landing that was made, or would be.
    fn describe(
        &self,
        here: &Repository,
        landing: &Landing,
        content: Option<&LandContent>,
        landed: bool,
    ) -> Result<Output, ToolError> {
        let (state, store) = (&self.session.state, &here.store);
        let trees = (store.tree_of(landing.from)?, store.tree_of(landing.to)?);
        let tag = |number| &state.plan.task(number).tag;
        let missing = not_included(state).into_iter();
        let missing = missing.map(|(number, why)| format!("{number} [{}] {why}", tag(number)));
        let file = &self.session.context.settings.board.file;
        let board = board_verb(store, file, trees)?;
        Ok(Output {
            landed,
            run: state.run.to_string(),
            target: self.target.branch.clone(),
            method: self.method,
            tip: self.tip.to_string(),
            target_tip: self.target.from.to_string(),
            commit: landed.then(|| landing.to.to_string()),
            change: store.stat(trees.0, trees.1)?.to_string(),
            board: board.map(|verb| format!("{verb} {file}, the board of the run")),
            tasks: included(state).map(|number| number.0).collect(),
            not_included: missing.collect(),
            left_behind: left_behind(state)
                .into_iter()
                .map(|(number, remark)| format!("{number} [{}]: {remark}", tag(number)))
                .collect(),
            settled: settled(content),
            target_has_moved: self.target.has_moved,
            checks: None,
            next: match landed {
                true => format!(
                    "tell the user; `{}` undoes it, `{}` removes the worktrees",
                    suggest::unland(&state.run),
                    suggest::clean(&state.run)
                ),
                false => NEXT.to_owned(),
            },
        })
    }
}

/// Describes the conflicts with a target that has moved, and how they were settled.
fn settled(content: Option<&LandContent>) -> Vec<String> {
    match content {
        Some(LandContent::Tree { resolved, .. }) => resolved
            .iter()
            .map(|resolution| plain_line(&resolution.to_string(), 160))
            .collect(),
        _ => Vec::new(),
    }
}

impl Output {
    fn render(&self) -> String {
        let mut lines = self.facts();
        if !self.landed {
            lines.push(format!("tip: {}", self.tip));
            lines.push(format!("target_tip: {}", self.target_tip));
        }
        lines.push(format!("next: {}", self.next));
        lines.join("\n")
    }

    /// Renders what moves, for the user.
    fn facts(&self) -> Vec<String> {
        let head = match &self.commit {
            Some(commit) => format!(
                "landed: {} is now {commit} (was {})",
                self.target, self.target_tip
            ),
            None => format!(
                "nothing has moved yet: {} would land on {} ({})",
                self.run,
                self.target,
                self.method.words()
            ),
        };
        let tasks: Vec<String> = self.tasks.iter().map(|task| format!("#{task}")).collect();
        let mut lines = vec![head, format!("{}: {}", tasks.join(", "), self.change)];
        lines.extend(self.board.clone());
        lines.extend(self.settled.iter().map(|line| format!("settled {line}")));
        let missing = self.not_included.iter();
        lines.extend(missing.map(|line| format!("not included: {line}")));
        let left = self.left_behind.iter();
        lines.extend(left.map(|line| format!("in no result: {line}")));
        if self.target_has_moved && !self.landed {
            let checks = match self.checks.as_deref() {
                Some(RUNNING) => ", and the checks are running there",
                Some(_) => ", and the checks passed there",
                None => "",
            };
            lines.push(format!(
                "{} has moved since the run started; the work is merged onto it{checks}",
                self.target
            ));
        }
        lines
    }
}
