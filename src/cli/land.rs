//! `dispatch land RUN`: show what will move, ask, move it.

use clap::Args;

use crate::cli::Answer;
use crate::cli::driving::context;
use crate::cli::error::{CommandError, Exit};
use crate::cli::place::{Default, Place};
use crate::cli::question::Consent;
use crate::engine::EngineError;
use crate::engine::land::{LandOptions, Prepared, Shape, carry_out, prepare};
use crate::engine::recover::free_references;
use crate::journal::Journal;
use crate::model::event::Event;
use crate::model::ids::Oid;
use crate::model::run::RunState;
use crate::ui::Ui;

const AFTER_HELP: &str = "\
What will move is shown, and nothing moves before you say yes. A target that is checked out moves
together with its checkout; local changes that are in the way stop it before anything moves.

Examples:
  dispatch land                  the latest unfinished run, on its target
  dispatch land shop-7k --ff     no merge commit, no board
  dispatch land --into release   on another branch";

/// Move the target branch to the assembled result
#[derive(Args, Debug, Clone)]
#[command(after_help = AFTER_HELP)]
pub struct LandArgs {
    /// The run [default: the latest unfinished one]
    pub run: Option<String>,
    /// Land on this branch [default: the run's target]
    #[arg(long, value_name = "BRANCH")]
    pub into: Option<String>,
    /// Make no merge commit: move the target forward, without the board
    #[arg(long, conflicts_with = "squash")]
    pub ff: bool,
    /// Make one ordinary commit of everything, without the board
    #[arg(long)]
    pub squash: bool,
    /// Leave the board file, DISPATCH.md, out
    #[arg(long)]
    pub no_board: bool,
    /// Do not run git's hooks
    #[arg(long)]
    pub no_verify: bool,
    /// Land even if a check of the assembled branch failed
    #[arg(long)]
    pub force: bool,
    /// Whether to ask
    #[command(flatten)]
    pub consent: Consent,
}

/// Runs the subcommand.
///
/// # Errors
/// Why the run cannot land; the target has not moved then.
pub fn run(args: LandArgs, ui: &Ui) -> Answer {
    let place = Place::open()?;
    let run = place.find_run(args.run.as_deref(), Default::Unfinished)?;
    let _lock = place.lock(&run)?;
    let loaded = place.load(&run)?;
    let options = options(&args, loaded.settings.board.land);
    let state = loaded.state;
    free_references(&place.repo, &run, &loaded.settings)?;
    let mut journal = Journal::reopen(&place.repo, &loaded.replayed).map_err(EngineError::from)?;
    let context = context(&place.repo, &state, loaded.settings, place.clock)?;
    let now = place.clock.now();
    let prepared = prepare(&context, &state, &options, now)?;
    let landing = prepared.landing.clone();
    if landing.from == landing.to {
        let landed = Event::Landed {
            landing: landing.clone(),
        };
        journal
            .append(vec![landed], now)
            .map_err(EngineError::from)?;
        ui.answer(&format!(
            "{} already contains {run}; nothing moved\n",
            landing.target
        ));
        return Ok(Exit::Ok);
    }
    show(&place, &state, &prepared, ui)?;
    args.consent
        .confirm(ui, &format!("Land {run} on {}?", prepared.landing.target))?;
    let starting = Event::LandingStarting {
        landing: landing.clone(),
    };
    journal
        .append(vec![starting], now)
        .map_err(EngineError::from)?;
    carry_out(&context, &prepared)?;
    let landed = Event::Landed {
        landing: landing.clone(),
    };
    journal
        .append(vec![landed], place.clock.now())
        .map_err(EngineError::from)?;
    ui.answer(&format!(
        "{} is now {} (was {})\n",
        landing.target,
        landing.to.short(),
        landing.from.short()
    ));
    ui.hint(&format!(
        "`dispatch clean {run}` removes the run's worktrees and merged branches"
    ));
    Ok(Exit::Ok)
}

fn options(args: &LandArgs, board: bool) -> LandOptions {
    LandOptions {
        into: args.into.clone(),
        shape: match (args.ff, args.squash) {
            (true, _) => Shape::FastForward,
            (_, true) => Shape::Squash,
            _ => Shape::Merge,
        },
        board: board && !args.no_board,
        force: args.force,
        no_verify: args.no_verify,
    }
}

/// What will move, and what is not in it.
fn show(place: &Place, state: &RunState, prepared: &Prepared, ui: &Ui) -> Result<(), CommandError> {
    let landing = &prepared.landing;
    let (from, to): (Oid, Oid) = (landing.from, landing.to);
    let stat = place
        .store
        .stat(place.store.tree_of(from)?, place.store.tree_of(to)?)?;
    ui.status(&format!(
        "{} {} -> {} ({stat})",
        landing.target,
        from.short(),
        to.short()
    ));
    if let Some(checkout) = &prepared.checkout {
        ui.status(&format!(
            "the checkout in {} moves with it",
            checkout.display()
        ));
    }
    let merged = state
        .integration
        .iter()
        .flat_map(|integration| &integration.merged);
    for merged in merged {
        let task = state.plan.task(merged.task);
        ui.status(&format!("  {} [{}] {}", task.number, task.tag, task.title));
    }
    for task in state.plan.tasks() {
        let is_in = state
            .integration
            .iter()
            .any(|integration| integration.merged.iter().any(|m| m.task == task.number));
        let offers = state.task(task.number).candidate().is_some();
        let status = state.status(task.number);
        if !is_in && (offers || status != crate::model::status::Status::Done) {
            let why = match state.task(task.number).rejected {
                true => "left out in review".to_owned(),
                false if offers => "left out, because of a conflict".to_owned(),
                false => status.to_string(),
            };
            ui.warning(&format!(
                "{} [{}] is not in it: {why}",
                task.number, task.tag
            ));
        }
    }
    Ok(())
}
