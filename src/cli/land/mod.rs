//! `dispatch land RUN`: shows what will move, asks, and moves it.

mod message;
pub(crate) mod pull_request;
mod session;
pub(crate) mod undo;

use std::path::PathBuf;

use clap::Args;

use crate::base::markdown::plain_line;
use crate::base::text::{plural, terminal_safe};
use crate::cli::confirm::ConfirmArgs;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::land::message::message;
use crate::cli::land::pull_request::PullArgs;
use crate::cli::land::session::{Opened, Preview};
use crate::cli::repo_context::DefaultRun;
use crate::engine::candidates::newer_commits::newer_commits;
use crate::engine::candidates::submodule_commits::submodule_commits;
use crate::engine::kernel::context::Context;
use crate::engine::land::commit::{LandContent, Preparation};
use crate::engine::land::target::{LandTarget, inspect};
use crate::engine::land::{LandOptions, MergeMethod, PreparedMove, board_verb};
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::ids::RunId;
use crate::model::integration::Landing;
use crate::report::landing::{included, left_behind, not_included, secrets};
use crate::report::suggest;
use crate::ui::Ui;

const AFTER_HELP: &str = "\
The move is shown, and nothing moves before you confirm. A target that is checked out moves together
with its checkout; if local changes would be overwritten, nothing moves.";

/// Move the target branch to the assembled result
#[derive(Args, Debug, Clone)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct LandArgs {
    /// The run [default: the latest that has not landed and has something to land]
    run: Option<String>,
    /// Land on this branch [default: the run's target]
    #[arg(long, value_name = "BRANCH")]
    into: Option<String>,
    /// Make no merge commit: fast-forward the target along the assembled history, without the board
    #[arg(long, conflicts_with = "squash")]
    ff: bool,
    /// Make one ordinary commit of everything, without the board
    #[arg(long)]
    squash: bool,
    /// The message of the landing commit; given more than once, each is a paragraph
    #[arg(short, long, value_name = "TEXT", conflicts_with = "ff")]
    message: Vec<String>,
    /// Read the message of the landing commit from a file, or from standard input with `-`
    #[arg(short = 'F', long, value_name = "FILE", conflicts_with_all = ["message", "ff"])]
    file: Option<PathBuf>,
    /// Leave out the board file, DISPATCH.md
    #[arg(long)]
    no_board: bool,
    /// Do not run git's hooks
    #[arg(long)]
    no_verify: bool,
    /// Land even if a check of the assembled branch failed, and run no checks on a target that has
    /// moved
    #[arg(long)]
    force: bool,
    /// Refuse to land if the target has moved since the run started, instead of merging the work
    /// onto it and checking it again
    #[arg(long)]
    no_rebuild: bool,
    /// Land although the target no longer contains the commit that the run started from, and
    /// restore that commit with its history
    #[arg(long)]
    allow_rewound: bool,
    /// Only show what would move; with --pr, only print the commands
    #[arg(long)]
    dry_run: bool,
    /// The options for pull requests.
    #[command(flatten)]
    pull: PullArgs,
    /// The answer given in advance.
    #[command(flatten)]
    consent: ConfirmArgs,
}

/// Runs the subcommand.
///
/// # Errors
/// When the run cannot land; the target has not moved then.
pub(crate) fn run(args: LandArgs, ui: &Ui) -> CommandResult {
    let mut opened = Opened::open(args.run.as_deref(), DefaultRun::Unlanded, ui)?;
    let mut options = options(&args, opened.context.settings.board.land);
    options.message = message(args.file.as_deref(), &args.message, &opened.here.repo)?;
    if let Some(landing) = opened.unrecorded(&opened.here.store)? {
        opened.record(Event::Landed {
            landing: landing.clone(),
        })?;
        say_landed(&opened.run, &landing, ui);
        return Ok(ExitStatus::Ok);
    }
    if let Some(scope) = args.pull.scope() {
        let session = &mut opened.session;
        let input = pull_request::PullRequestInput {
            repo: &opened.here.repo,
            context: &session.context,
            state: &session.state,
            options: &options,
            journal: &mut session.journal,
            now: session.now,
        };
        let remote = args.pull.remote.as_deref();
        return pull_request::run(scope, remote, args.dry_run, args.consent, input, ui);
    }
    if args.pull.remote.is_some() {
        return Err(CommandError::usage("--remote requires --pr or --pr-tasks"));
    }
    let target = inspect(&opened.context, &opened.state, &options)?;
    if target.is_contained {
        return note_contained(&mut opened, &target, args.dry_run, ui);
    }
    let (context, state) = (&opened.context, &opened.state);
    say_moved(context, &target, &options, ui);
    let content = opened.content(&target, &options)?;
    let preparation = Preparation {
        context,
        state,
        options: &options,
        lock: &opened.lock,
        cancel: &opened.cancel,
        target: &target,
        now: opened.now,
    };
    let prepared = preparation.prepare(&content)?;
    let landing = prepared.landing.clone();
    show(
        &opened,
        &prepared,
        &content,
        &Preview::new(ui, args.dry_run),
    )?;
    say_what_is_missing(&opened, &prepared, ui)?;
    if args.dry_run {
        return Ok(ExitStatus::Ok);
    }
    args.consent
        .confirm(ui, &format!("Land {} on {}?", opened.run, landing.target))?;
    opened.land(&prepared)?;
    say_landed(&opened.run, &landing, ui);
    Ok(ExitStatus::Ok)
}

/// Records a landing without a move, for a target that contains the run already.
fn note_contained(
    opened: &mut Opened,
    target: &LandTarget,
    dry_run: bool,
    ui: &Ui,
) -> CommandResult {
    let landing = Landing {
        target: target.branch.clone(),
        from: target.from,
        to: target.from,
        at: opened.now,
        backup: None,
    };
    if !dry_run {
        opened.record(Event::Landed { landing })?;
    }
    let (target, run) = (&target.branch, &opened.run);
    ui.answer_text(&format!("{target} already contains {run}; nothing moved\n"));
    Ok(ExitStatus::Ok)
}

/// Says that the work is merged onto a target that has moved.
fn say_moved(context: &Context, target: &LandTarget, options: &LandOptions, ui: &Ui) {
    if !target.has_moved {
        return;
    }
    let checks = context.settings.assemble.check.len();
    let then = match (options.no_rebuild, options.force, checks) {
        (true, ..) => "",
        (_, true, 1..) => "; the checks are skipped because of --force",
        (_, _, 0) => "; the work is merged onto it",
        _ => "; the work is merged onto it and checked again",
    };
    let branch = &target.branch;
    ui.status(&format!("{branch} has moved since the run started{then}"));
}

fn say_landed(run: &RunId, landing: &Landing, ui: &Ui) {
    ui.answer_text(&format!(
        "{} is now {} (was {})\n",
        landing.target,
        landing.to.short(),
        landing.from.short()
    ));
    if let Some(backup) = &landing.backup {
        ui.status(&format!("its old commit is kept as {backup}"));
    }
    ui.hint(&format!(
        "`{}` removes the run's worktrees and merged branches; `{}` undoes the landing",
        suggest::clean(run),
        suggest::unland(run)
    ));
}

fn options(args: &LandArgs, board: bool) -> LandOptions {
    LandOptions {
        message: None,
        into: args.into.clone(),
        method: match (args.ff, args.squash) {
            (true, _) => MergeMethod::FastForward,
            (_, true) => MergeMethod::Squash,
            _ => MergeMethod::Merge,
        },
        board: board && !args.no_board,
        force: args.force,
        no_verify: args.no_verify,
        no_rebuild: args.no_rebuild,
        allow_rewound: args.allow_rewound,
    }
}

/// Shows what will move, and its content.
fn show(
    opened: &Opened,
    prepared: &PreparedMove,
    content: &LandContent,
    preview: &Preview<'_>,
) -> Result<(), CommandError> {
    let (landing, store) = (&prepared.landing, &opened.here.store);
    let trees = (store.tree_of(landing.from)?, store.tree_of(landing.to)?);
    // A landing makes this very commit; after a dry run it would have another time.
    let to = match content {
        LandContent::Tree { .. } if preview.is_answer() => "a new commit".to_owned(),
        _ => landing.to.short(),
    };
    preview.say(&format!(
        "{} {} -> {to} ({})",
        landing.target,
        landing.from.short(),
        store.stat(trees.0, trees.1)?
    ));
    preview.say_checkout(prepared);
    if let Some(line) = board_change(opened, trees.0, trees.1)? {
        preview.say(&line);
    }
    let plan = &opened.state.plan;
    for task in included(&opened.state).map(|number| plan.task(number)) {
        let title = terminal_safe(&task.title);
        preview.say(&format!("  {} [{}] {title}", task.number, task.tag));
    }
    if let LandContent::Tree { resolved, .. } = content {
        for resolution in resolved {
            preview.say(&format!(
                "  settled {}",
                plain_line(&resolution.to_string(), 160)
            ));
        }
    }
    Ok(())
}

/// Describes the change to the board file, which no task made.
fn board_change(opened: &Opened, from: Oid, to: Oid) -> Result<Option<String>, CommandError> {
    let file = &opened.context.settings.board.file;
    let verb = board_verb(&opened.here.store, file, (from, to))?;
    Ok(verb.map(|verb| {
        format!("  {verb} {file}, the board of the run (`--no-board` lands without it)")
    }))
}

/// Warns about everything of the run that is not included.
fn say_what_is_missing(
    opened: &Opened,
    prepared: &PreparedMove,
    ui: &Ui,
) -> Result<(), CommandError> {
    let state = &opened.state;
    say_what_comes_along(opened, prepared.landing.from, ui)?;
    if state.assembly_requested {
        let why = state.assembly_refused.as_deref();
        let why = why.map_or_else(|| "it was interrupted".to_owned(), str::to_owned);
        ui.warning(&format!(
            "the last `{}` changed nothing ({why}); an earlier assembly is landed",
            suggest::assemble(&opened.run)
        ));
    }
    for newer in newer_commits(&opened.here.store, state)? {
        ui.warning(&newer.warning_before_landing(state));
    }
    for commits in submodule_commits(&opened.here.store, state)? {
        ui.warning(&commits.warning(state));
    }
    if !opened.here.repo.has_identity() {
        ui.warning(
            "git has no name or address for you, so commits in your name are by dispatch \
             <dispatch@localhost>; `git config user.name NAME` and `git config user.email ADDRESS` \
             set them",
        );
    }
    for (number, why) in not_included(state) {
        let tag = &state.plan.task(number).tag;
        ui.warning(&format!("{number} [{tag}] is not included: {why}"));
    }
    for (number, remark) in left_behind(state).into_iter().chain(secrets(state)) {
        let tag = &state.plan.task(number).tag;
        ui.warning(&format!("{number} [{tag}]: {remark}"));
    }
    Ok(())
}

/// Warns that landing brings commits from before the run. A target that was reset, or another one
/// than the run's own, may lack the commit that the run started from.
fn say_what_comes_along(opened: &Opened, from: Oid, ui: &Ui) -> Result<(), CommandError> {
    let base = opened.state.base;
    let along = opened.here.store.commits_above(base, Some(from))?;
    if !along.is_empty() {
        ui.warning(&format!(
            "the target does not have {base}, from which the run started: {} that no task made will \
             come with it; `git log {}..{base}` shows what",
            plural(along.len(), "commit"),
            from.short(),
            base = base.short(),
        ));
    }
    Ok(())
}
