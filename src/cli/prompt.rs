//! `dispatch prompt PLAN TASK`: prints the prompt of a task without running anything.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::clock::Clock;
use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::cli::drive::context;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::plan_source::load_plan;
use crate::cli::repo_context::{DefaultRun, RepoContext, find_task};
use crate::config;
use crate::config::Settings;
use crate::config::variable::Overrides;
use crate::engine::prompt::both_sides::render_both_sides;
use crate::engine::prompt::brief::brief;
use crate::engine::prompt::render::{self, Tree, render};
use crate::engine::runs::load::Loaded;
use crate::engine::spec::{PROMPT_FILE, starts_from};
use crate::engine::start::worker_for;
use crate::engine::worktree::reuse::{is_sound, reusable};
use crate::merge::oid::Oid;
use crate::model::event::{Event, Recorded};
use crate::model::ids::{AttemptNumber, RunId, TaskNumber, TaskVariant};
use crate::model::plan::Plan;
use crate::model::run::RunState;
use crate::plan::Format;
use crate::ui::Ui;

const AFTER_HELP: &str = "\
For a task of a plan this is the prompt of its first attempt, as far as it is known before a run.
For a task of a run it is the prompt of its last attempt, or of its first one if none was made yet.";

/// Print the prompt that the worker of a task gets; nothing is run
#[derive(Args, Debug, Clone)]
#[command(after_help = AFTER_HELP, allow_missing_positional = true)]
pub(crate) struct PromptArgs {
    /// The plan (.md, .toml, .json, or `-`), or the run [default: the latest run]
    #[arg(value_name = "PLAN|RUN")]
    from: Option<String>,
    /// The task, by number or tag
    task: String,
    /// Print the prompt of this attempt of a run, counted from 1
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "next",
        value_parser = clap::value_parser!(AttemptNumber).range(1..)
    )]
    attempt: Option<AttemptNumber>,
    /// Print the prompt that a further attempt of a run would get
    #[arg(long)]
    next: bool,
    /// Use this file instead of the repository's .dispatch.toml; only for a plan
    #[arg(long, value_name = "FILE", conflicts_with_all = ["attempt", "next"])]
    config: Option<PathBuf>,
}

/// Runs the subcommand.
///
/// # Errors
/// When there is no such plan, run or task, or the prompt template is invalid.
pub(crate) fn run(args: PromptArgs, ui: &Ui) -> CommandResult {
    let prompt = match args.from.as_deref().filter(|from| is_plan(from)) {
        Some(file) => of_plan(Path::new(file), &args)?,
        None => of_run(&args)?,
    };
    ui.answer_exact(prompt.as_bytes());
    Ok(ExitStatus::Ok)
}

/// Returns `true` if this names a plan: names of runs have neither an extension nor a slash.
fn is_plan(from: &str) -> bool {
    let path = Path::new(from);
    from == "-" || from.contains('/') || Format::from_path(path).is_some() || path.is_file()
}

fn of_plan(file: &Path, args: &PromptArgs) -> Result<String, CommandError> {
    if args.attempt.is_some() || args.next {
        return Err(CommandError::usage("a plan has no attempts")
            .hint("name a run, or leave --attempt and --next out"));
    }
    let (settings, workers) = match RepoContext::open_to_read() {
        Ok(here) => {
            let config = args.config.as_deref();
            let settings = config::load(&here.repo.top, config, &Overrides::default())?;
            let workers = settings.workers.keys().cloned().collect();
            (settings, Some(workers))
        }
        // Outside a repository there is no configuration, and the workers are unknown.
        Err(_) => (Settings::default(), None),
    };
    let plan = load_plan(file, workers.as_ref())?.plan;
    let number = find_task(&plan, &args.task)?.number;
    render::check(&settings.prompt, &plan)?;
    let state = imagined(plan)?;
    Ok(render(
        &settings.prompt,
        &state.plan,
        (number, 1),
        &brief(&state, first_variant(&state, number)),
        Tree::Clean,
        None,
    )?)
}

/// Creates the state of a run of this plan that has not started.
fn imagined(plan: Plan) -> Result<RunState, CommandError> {
    let event = Event::RunStarted {
        plan_file: None,
        title: plan.title().to_owned(),
        base: Oid::ZERO,
        base_name: String::new(),
        target: None,
        only: None,
        assemble: false,
    };
    let first = Recorded {
        seq: 1,
        time: Clock::from_env().now(),
        event,
    };
    RunState::start(RunId::new("none"), plan, &first)
        .ok_or_else(|| CommandError::failed("a run starts with its first event"))
}

fn of_run(args: &PromptArgs) -> Result<String, CommandError> {
    if args.config.is_some() {
        return Err(
            CommandError::usage("a run keeps the settings it was started with")
                .hint("leave --config out, or name a plan"),
        );
    }
    let here = RepoContext::open_to_read()?;
    let run = here.find_run(args.from.as_deref(), DefaultRun::Latest)?;
    let loaded = here.load(&run)?;
    let number = find_task(&loaded.state.plan, &args.task)?.number;
    let attempts = loaded.state.task(number).attempts.len() as u32;
    let wanted = args.attempt.unwrap_or(attempts);
    if args.next || wanted == 0 && args.attempt.is_none() {
        return next(&here, loaded, number);
    }
    if wanted == 0 || wanted > attempts {
        return Err(
            CommandError::failed(format!("{number} of {run} has no attempt {wanted}")).hint(
                format!("`dispatch show {run} {}` lists its attempts", number.0),
            ),
        );
    }
    given(&here, &run, number, wanted)
}

/// Prints the prompt of the next attempt, which depends on the commit it would start from.
fn next(here: &RepoContext, loaded: Loaded, number: TaskNumber) -> Result<String, CommandError> {
    let Loaded {
        mut state,
        settings,
        ..
    } = loaded;
    if state.task(number).redispatched_for.is_none() {
        state.task_mut(number).redispatched_for = state.assembly_conflict(number);
    }
    let context = context(&here.repo, &state, settings, here.clock)?;
    let settings = &context.settings;
    let worker = settings.workers.get(worker_for(&state, number, settings));
    let of = first_variant(&state, number);
    let reuse = worker.and_then(|worker| reusable(&context.layout, &state, of, worker));
    let reuse = reuse.filter(|reuse| is_sound(&context, reuse, &starts_from(&state, number)));
    let brief = brief(&state, of);
    let conflict = brief.conflict.as_ref();
    let sides = conflict.and_then(|conflict| conflict.sides.as_ref());
    let sides = sides.map(|sides| render_both_sides(&here.repo, sides));
    Ok(render(
        &settings.prompt,
        &state.plan,
        (number, state.task(number).next_attempt()),
        &brief,
        reuse.map_or(Tree::Clean, |_| Tree::Reused),
        sides.transpose()?.as_deref(),
    )?)
}

/// Returns the task, or its first variant: the prompts of all variants start alike.
fn first_variant(state: &RunState, task: TaskNumber) -> TaskVariant {
    let variant = state.task(task).variant_numbers().next().flatten();
    TaskVariant { task, variant }
}

fn given(
    here: &RepoContext,
    run: &RunId,
    number: TaskNumber,
    attempt: AttemptNumber,
) -> Result<String, CommandError> {
    let folder = here.repo.attempt_folder(run.as_str(), number.0, attempt);
    let bytes = regular_file::read(&folder.join(PROMPT_FILE), RECORD_LIMIT).map_err(|_| {
        CommandError::failed(format!(
            "no prompt of attempt {attempt} at {number} of {run} is kept on this machine"
        ))
        .hint("prompts stay on the machine of the run, and an attempt without a worker has none")
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
