//! `dispatch land RUN`: show what will move, ask, move it.

use clap::Args;

use crate::base::text::plural;
use crate::board::text::why_left_out;
use crate::cli::Answer;
use crate::cli::driving::context;
use crate::cli::error::{CommandError, Exit};
use crate::cli::place::{Default, Place};
use crate::cli::pull_request::{self, PullArgs};
use crate::cli::question::Consent;
use crate::engine::EngineError;
use crate::engine::context::Context;
use crate::engine::land::{
    Ground, LandOptions, Prepared, Shape, Work, carry_out, merged, prepare, survey,
};
use crate::engine::rebuild::rebuilt;
use crate::engine::recover::{free_references, free_target};
use crate::git::refs::branch_ref;
use crate::journal::Journal;
use crate::model::event::Event;
use crate::model::ids::{Oid, RunId};
use crate::model::integration::Landing;
use crate::model::run::RunState;
use crate::model::suggest;
use crate::ui::Ui;

const AFTER_HELP: &str = "\
What will move is shown, and nothing moves before you say yes. A target that is checked out moves
together with its checkout; local changes that are in the way stop it before anything moves.

Examples:
  dispatch land                  the latest unfinished run, on its target
  dispatch land shop-7k --ff     no merge commit, no board
  dispatch land --into release   on another branch
  dispatch land --pr             by a pull request on GitHub; nothing moves here";

/// Move the target branch to the assembled result
#[derive(Args, Debug, Clone)]
#[command(after_help = AFTER_HELP)]
pub struct LandArgs {
    /// The run [default: the latest unfinished one]
    pub run: Option<String>,
    /// Land on this branch [default: the run's target]
    #[arg(long, value_name = "BRANCH")]
    pub into: Option<String>,
    /// Make no merge commit: move the target forward along the assembled history, without the board
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
    /// Land even if a check of the assembled branch failed, and check nothing on a target that has
    /// moved
    #[arg(long)]
    pub force: bool,
    /// If the target has moved since the run started, land nothing, in place of putting the work
    /// on top of it and checking it again
    #[arg(long)]
    pub no_rebuild: bool,
    /// Only show what would move; with --pr, only print the commands
    #[arg(long)]
    pub dry_run: bool,
    /// Landing by pull request
    #[command(flatten)]
    pub pull: PullArgs,
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
    free_target(&place.repo, &state)?;
    let mut journal = Journal::reopen(&place.repo, &loaded.replayed).map_err(EngineError::from)?;
    let context = context(&place.repo, &state, loaded.settings, place.clock)?;
    let now = place.clock.now();
    if let Some(landing) = cut_off(&place, &state)? {
        record(
            &mut journal,
            Event::Landed {
                landing: landing.clone(),
            },
            now,
        )?;
        say_landed(&run, &landing, ui);
        return Ok(Exit::Ok);
    }
    if let Some(scope) = args.pull.scope() {
        let scene = pull_request::Scene {
            repo: &place.repo,
            context: &context,
            state: &state,
            options: &options,
            journal: &mut journal,
            now,
        };
        let remote = args.pull.remote.as_deref();
        return pull_request::run(scope, remote, args.dry_run, args.consent, scene, ui);
    }
    if args.pull.remote.is_some() {
        return Err(CommandError::usage("--remote goes with --pr or --pr-tasks"));
    }
    let ground = survey(&context, &state, &options)?;
    if ground.is_contained {
        let landing = Landing {
            target: ground.target.clone(),
            from: ground.from,
            to: ground.from,
            at: now,
            backup: None,
        };
        if !args.dry_run {
            record(&mut journal, Event::Landed { landing }, now)?;
        }
        ui.answer(&format!(
            "{} already contains {run}; nothing moved\n",
            ground.target
        ));
        return Ok(Exit::Ok);
    }
    let work = work(&context, &state, &ground, &options, ui)?;
    let prepared = prepare(&context, &state, &options, &ground, work, now)?;
    let landing = prepared.landing.clone();
    show(&place, &state, &prepared, ui)?;
    if args.dry_run {
        return Ok(Exit::Ok);
    }
    args.consent
        .confirm(ui, &format!("Land {run} on {}?", landing.target))?;
    record(
        &mut journal,
        Event::LandingStarting {
            landing: landing.clone(),
        },
        now,
    )?;
    carry_out(&context, &prepared)?;
    let landed = Event::Landed {
        landing: landing.clone(),
    };
    record(&mut journal, landed, place.clock.now())?;
    say_landed(&run, &landing, ui);
    Ok(Exit::Ok)
}

/// What lands: what was assembled, or on a target that has moved, what that comes to there.
fn work(
    context: &Context,
    state: &RunState,
    ground: &Ground,
    options: &LandOptions,
    ui: &Ui,
) -> Result<Work, CommandError> {
    if !ground.has_moved {
        return Ok(merged(context, ground, options.shape)?);
    }
    let checks = context.settings.assemble.check.len();
    let target = &ground.target;
    let then = match (options.no_rebuild, options.force, checks) {
        (true, ..) => "",
        (_, true, 1..) => "; the checks are not run, because of --force",
        (_, _, 0) => "; the work is put on top of it",
        _ => "; the work is put on top of it and checked again",
    };
    ui.status(&format!("{target} has moved since the run started{then}"));
    Ok(rebuilt(context, state, ground, options)?)
}

/// A landing whose target has moved, but whose end nobody wrote down.
fn cut_off(place: &Place, state: &RunState) -> Result<Option<Landing>, CommandError> {
    let Some(landing) = state.landing.as_ref().filter(|_| state.landed.is_none()) else {
        return Ok(None);
    };
    let found = place
        .store
        .reference(&branch_ref(&landing.target))
        .ok()
        .flatten();
    let is_there = match found {
        Some(found) => place.store.is_ancestor(landing.to, found)?,
        None => false,
    };
    Ok(is_there.then(|| landing.clone()))
}

pub(crate) fn record(
    journal: &mut Journal,
    event: Event,
    now: jiff::Timestamp,
) -> Result<(), CommandError> {
    journal
        .append(vec![event], now)
        .map_err(EngineError::from)?;
    Ok(())
}

fn say_landed(run: &RunId, landing: &Landing, ui: &Ui) {
    ui.answer(&format!(
        "{} is now {} (was {})\n",
        landing.target,
        landing.to.short(),
        landing.from.short()
    ));
    if let Some(backup) = &landing.backup {
        ui.status(&format!("what it was is kept as {backup}"));
    }
    ui.hint(&format!(
        "`{}` removes the run's worktrees and merged branches; `{}` takes the landing back",
        suggest::clean(run),
        suggest::unland(run)
    ));
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
        no_rebuild: args.no_rebuild,
    }
}

/// What will move, and what is not in it.
/// A target that was set back, or another than the run's own, may not have what the run started from.
/// Landing brings that, too, and nobody may find it there without having been told.
fn say_what_comes_along(
    place: &Place,
    state: &RunState,
    from: Oid,
    ui: &Ui,
) -> Result<(), CommandError> {
    let along = place.store.commits_above(state.base, Some(from))?;
    if !along.is_empty() {
        ui.warning(&format!(
            "the target does not have {}, from which the run started: {} that no task made will \
             come with it; `git log {}..{}` shows what",
            state.base.short(),
            plural(along.len(), "commit"),
            from.short(),
            state.base.short(),
        ));
    }
    Ok(())
}

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
    say_what_comes_along(place, state, from, ui)?;
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
                false if offers => {
                    let mut out = state.integration.iter().flat_map(|found| &found.left_out);
                    let out = out.find(|out| out.task == task.number);
                    out.map_or("left out".to_owned(), |out| {
                        format!("left out, {}", why_left_out(out))
                    })
                }
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
