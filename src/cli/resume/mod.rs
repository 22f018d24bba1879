//! `dispatch resume`: continues an interrupted or paused run.

mod edited_plan;

use std::path::PathBuf;

use clap::Args;

use crate::base::process::leave_terminal;
use crate::base::text::error_chain;
use crate::cli::drive::reopen::refuse_ended;
use crate::cli::drive::{Drive, context, print_end};
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::cli::resume::edited_plan::{plan_differs, replan, with_edits};
use crate::control::control_socket;
use crate::control::{Request, Response, ask};
use crate::engine::EngineError;
use crate::engine::publish::catch_up;
use crate::engine::reconcile::{inspect, restore_references};
use crate::engine::runs::load::free_references;
use crate::engine::start::confinement;
use crate::journal::Journal;
use crate::journal::runs::RunLock;
use crate::model::event::Event;
use crate::model::ids::RunId;
use crate::model::recovery::{Finding, FindingKind};
use crate::model::run::{RunPhase, RunState};
use crate::report::recovery_table::render;
use crate::ui::Ui;

/// Continue a run that was interrupted, paused or ended early
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct ResumeArgs {
    /// The run [default: the latest unfinished one]
    run: Option<String>,
    /// Continue with this edited plan: unchanged tasks are kept, the others run again
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Only print what would be found and done
    #[arg(long)]
    dry_run: bool,
    /// Limit the cost of the whole run to this, instead of `[run] max_cost`
    #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
    max_cost: Option<f64>,
    /// Let parked workers start again at once, because their limit was lifted
    #[arg(long)]
    unpark: bool,
    /// Print one JSON object per event, one a line
    #[arg(long)]
    json: bool,
}

fn dollars(text: &str) -> Result<f64, String> {
    let dollars: Option<f64> = text.trim_start_matches('$').parse().ok();
    let good = dollars.filter(|dollars| dollars.is_finite() && *dollars > 0.0);
    good.ok_or_else(|| "write an amount of dollars above zero, such as 12.50".to_owned())
}

/// Runs `dispatch resume`.
///
/// # Errors
/// When the run cannot be read, is driven by another process, or has ended.
pub(crate) fn resume(args: ResumeArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    here.refuse_worker()?;
    let run = here.find_run(args.run.as_deref(), DefaultRun::Unfinished)?;
    let is_plain = args.plan.is_none() && !args.dry_run;
    if is_plain && let Some(exit) = unpause(&here, &run, ui)? {
        return Ok(exit);
    }
    let lock = here.lock(&run)?;
    if is_plain && let Some(exit) = print_unprinted_end(&here, &run, ui)? {
        return Ok(exit);
    }
    reconcile_and_drive(&here, &run, lock, (&args, true), ui)
}

/// Runs the hidden `dispatch __drive RUN --resume`: continues a run without a terminal.
///
/// # Errors
/// As [`resume`].
pub(crate) fn resume_detached(run: &str, ui: &Ui) -> CommandResult {
    leave_terminal();
    let here = RepoContext::open()?;
    let run = RunId::new(run);
    let lock = here.lock(&run)?;
    reconcile_and_drive(&here, &run, lock, (&ResumeArgs::default(), false), ui)
}

/// Ends the pause of a run that another process drives.
fn unpause(here: &RepoContext, run: &RunId, ui: &Ui) -> Result<Option<ExitStatus>, CommandError> {
    if !RunLock::is_held(&here.repo, run) || here.read_state(run)?.phase != RunPhase::Paused {
        return Ok(None);
    }
    let answer = ask(&control_socket(&here.repo, run), &Request::Resume);
    match answer.map_err(|error| CommandError::failed(error_chain(&error)))? {
        Some(Response::Done) => {
            ui.status(&format!("{run} resumed"));
            Ok(Some(ExitStatus::Ok))
        }
        _ => Ok(None),
    }
}

/// Prints the board and reports of a run whose driver was killed after the last task ended.
fn print_unprinted_end(
    here: &RepoContext,
    run: &RunId,
    ui: &Ui,
) -> Result<Option<ExitStatus>, CommandError> {
    let loaded = here.load(run)?;
    let RunPhase::Ended(code) = loaded.state.phase else {
        return Ok(None);
    };
    // A task that was skipped since lets others start: the run goes on, and its board with it.
    if loaded.state.can_progress() {
        return Ok(None);
    }
    free_references(&here.repo, run, &loaded.settings)?;
    let context = context(&here.repo, &loaded.state, loaded.settings, here.clock)?;
    if code == 130 || !catch_up(&context, &loaded.state)? {
        return Ok(None);
    }
    print_end(ui, &loaded.state);
    Ok(Some(ExitStatus::of_run(code)))
}

/// Compares the journal with the repository, prints the differences as one table, and drives the
/// run.
fn reconcile_and_drive(
    here: &RepoContext,
    run: &RunId,
    lock: RunLock,
    (args, foreground): (&ResumeArgs, bool),
    ui: &Ui,
) -> CommandResult {
    let mut loaded = here.load(run)?;
    confinement::use_current(&here.repo, &mut loaded.settings);
    let replan = replan(&loaded, args.plan.as_deref(), ui)?;
    if replan.is_none() {
        refuse_ended(&loaded.state)?;
    }
    let mut found = Vec::new();
    if !args.dry_run {
        let freed = free_references(&here.repo, run, &loaded.settings)?;
        let locks = freed.into_iter();
        found.extend(locks.map(|name| Finding::named(FindingKind::StaleLock, name)));
    }
    let context = context(
        &here.repo,
        &loaded.state,
        loaded.settings.clone(),
        here.clock,
    )?;
    let seen = inspect(&context, &loaded.state)?;
    if !args.dry_run {
        restore_references(&context, &loaded.state, &seen)?;
    }
    found.extend(seen);
    match &replan {
        Some(replan) => found = with_edits(found, &replan.edits),
        None => found.extend(plan_differs(here, &loaded.state)),
    }
    if !args.json {
        ui.status(&format!("resuming {run}\n{}", render(&found, ui.columns())));
    }
    if args.dry_run {
        return Ok(ExitStatus::Ok);
    }
    let mut journal = Journal::reopen(&here.repo, &loaded.replayed).map_err(EngineError::from)?;
    let mut recorded = Vec::new();
    if let Some(replan) = replan {
        let now = here.clock.now();
        recorded = replan.carry_out(&here.store, &mut loaded, &mut journal, now)?;
    }
    let drive = Drive {
        here,
        lock,
        asked: requests(found, args, &loaded.state),
        state: loaded.state,
        journal,
        settings: loaded.settings,
        recorded,
        json: args.json,
        foreground,
    };
    drive.run(ui)
}

/// Lists the events that the command line asks for.
fn requests(findings: Vec<Finding>, args: &ResumeArgs, state: &RunState) -> Vec<Event> {
    let mut requests = vec![Event::RunResumed { findings }];
    requests.extend(args.max_cost.map(|max_cost| Event::MaxCostSet { max_cost }));
    if args.unpark {
        let parked = state.worker_health.parked(state.updated);
        requests.extend(parked.map(|(worker, parking)| Event::WorkerUnparked {
            worker: worker.to_owned(),
            until: parking.until,
        }));
    }
    requests
}
