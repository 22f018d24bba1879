//! `dispatch plan new GOAL`: asks a planner for a plan, shows it, and saves it.

mod dialogue;
mod goal;
mod output;
mod progress;

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::base::text::{plural, terminal_safe};
use crate::cli::confirm::ConfirmArgs;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::init::detect::survey;
use crate::cli::plan_new::dialogue::Dialogue;
use crate::cli::plan_new::output::Output;
use crate::cli::repo_context::RepoContext;
use crate::cli::run::{RunArgs, at_least_one, run_in};
use crate::cli::trust;
use crate::config::variable::Overrides;
use crate::config::{self, FILE_NAME, Settings};
use crate::engine::EngineError;
use crate::engine::planner::prompt::Prompts;
use crate::engine::planner::request::Request;
use crate::engine::planner::review::is_chain;
use crate::engine::planner::{Answered, Planner, find_worker};
use crate::engine::start::refuse_depth;
use crate::engine::trust::require;
use crate::exec::local::LocalExecutor;
use crate::model::plan::Plan;
use crate::plan::{Format, render};
use crate::schedule::foreground::with_strategies;
use crate::ui::Ui;
use crate::worker::planner::TestCommand;

const AFTER_HELP: &str = "\
The planner is a worker in its read-only mode, in a worktree of its own at HEAD that is removed
afterwards. `dispatch help planning` describes its prompt and the checks of its answer.";

/// The most commands that an error names.
const UNREAD: usize = 5;

/// Let an agent make a plan from a goal
#[derive(Args, Debug, Clone)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct NewArgs {
    /// The goal; `-` reads it from standard input
    #[arg(required_unless_present = "from", conflicts_with = "from")]
    goal: Option<String>,
    /// Read the goal from this file
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The worker that plans [default: that of `[plan]`, else of `[run]`]
    #[arg(long, value_name = "NAME")]
    worker: Option<String>,
    /// The plan to write (.md, .toml, .json)
    #[arg(long, short, value_name = "FILE", default_value = "plan.md")]
    output: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
    /// Print the prompt of the planner without running it
    #[arg(long)]
    dry_run: bool,
    /// Run the plan after it is saved
    #[arg(long)]
    run: bool,
    /// With --run: the branch the result is meant for [default: the current branch]
    #[arg(long, value_name = "BRANCH", requires = "run")]
    into: Option<String>,
    /// With --run: the number of tasks that may run at once [default: 3]
    #[arg(long, short = 'j', value_name = "N", requires = "run", value_parser = at_least_one)]
    max_parallel: Option<usize>,
    /// With --run: run in the background and return at once
    #[arg(long, requires = "run")]
    detach: bool,
    /// Use this file instead of the repository's .dispatch.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The answer given in advance.
    #[command(flatten)]
    consent: ConfirmArgs,
}

/// Runs the subcommand.
///
/// # Errors
/// When the planner fails, has no plan, or the plan cannot be saved.
pub(crate) fn run(args: NewArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    let config = args.config.as_deref();
    let settings = config::load(&here.repo.top, config, &Overrides::default())?;
    refuse_depth(&settings)?;
    let request = Request {
        goal: goal::read(args.goal.as_deref(), args.from.as_deref())?,
        split: None,
    };
    let checks = test_commands(&here, &settings);
    if args.dry_run {
        let prompts = Prompts::new(&here.repo, &settings, checks)?;
        let prompt = prompts.prompt(&request)?;
        ui.answer_exact(prompt.as_bytes());
        return Ok(ExitStatus::Ok);
    }
    let output = Output::new(&args.output, args.force)?;
    let name = args.worker.as_deref();
    find_worker(&settings, name)?;
    if args.consent.yes {
        output.refuse_existing()?;
    } else if !ui.is_interactive() {
        return Err(
            CommandError::usage("cannot ask for confirmation: not a terminal")
                .hint("add `--yes` to save the plan without a question"),
        );
    }
    agree(&here, &settings, args.consent, ui)?;
    let executor = LocalExecutor::this_program()
        .map_err(|error| EngineError::File("this program".to_owned(), error))?;
    let executor = Arc::new(executor);
    let mut planner = Planner::new(&here.repo, &settings, name, executor, checks.clone())?;
    let plan = match progress::ask(&mut planner, &request, "for a plan", ui)? {
        Answered::Sequential(reason) => return Err(sequential(&reason)),
        Answered::Plan(plan) if is_chain(&plan) => {
            let tasks = plural(plan.tasks().len(), "task");
            return Err(sequential(&match plan.tasks().len() {
                1 => "the planner made one task of it".to_owned(),
                _ => format!(
                    "the planner made a chain of {tasks}, each of which needs the one before"
                ),
            }));
        }
        Answered::Plan(plan) => with_strategies(plan, settings.run.keep_terminal_free),
    };
    let mut dialogue = Dialogue {
        here: &here,
        settings: &settings,
        planner: &mut planner,
        goal: &request.goal,
        output: &output,
        runs: args.run,
        ui,
    };
    let plan = dialogue.agree(plan, args.consent)?;
    output
        .write(&plan, ui, args.consent)
        .map_err(|error| with_kept(error, &planner, &plan))?;
    if args.run && args.consent.yes {
        refuse_unread(&plan, &checks, &output)?;
    }
    if args.run {
        return run_in(&here, run_args(&args), ui);
    }
    ui.status(&format!("saved {}", output.shown()));
    ui.hint(&format!("`dispatch run {}` runs it", output.word()));
    Ok(ExitStatus::Ok)
}

/// Asks for consent to the settings of the repository before the planner runs, if it is missing.
fn agree(
    here: &RepoContext,
    settings: &Settings,
    consent: ConfirmArgs,
    ui: &Ui,
) -> Result<(), CommandError> {
    match require(&here.repo, settings) {
        Err(EngineError::Untrusted { .. }) if !consent.yes => {}
        known => return Ok(known?),
    }
    ui.status(trust::preview(&here.repo, settings)?.trim_end());
    consent.confirm_no(ui, "Trust these settings?")?;
    trust::agreed(&here.repo, settings)
}

/// Refuses to run shell commands that a planner wrote and the user has not read. A check that the
/// configuration or `dispatch init` names is not the planner's.
fn refuse_unread(plan: &Plan, known: &[TestCommand], output: &Output) -> Result<(), CommandError> {
    let is_known = |check: &String| known.iter().any(|one| one.command == *check);
    let unread = plan.tasks().iter().flat_map(|task| {
        let checks = task.fields.check.iter().filter(|check| !is_known(check));
        let commands = task.fields.run.iter().chain(checks);
        commands.map(|command| format!("{} `{}`", task.number, terminal_safe(command)))
    });
    let unread: Vec<String> = unread.collect();
    if unread.is_empty() {
        return Ok(());
    }
    let (output, word) = (output.shown(), output.word());
    let named = unread[..unread.len().min(UNREAD)].join(", ");
    let more = match unread.len().saturating_sub(UNREAD) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Err(CommandError::failed(format!(
        "saved {output}, but did not run it: it has shell commands of the planner that you have not \
         confirmed: {named}{more}"
    ))
    .hint(format!("read {output}; `dispatch run {word}` runs it")))
}

/// Keeps a plan that was agreed to but not saved, and says where.
fn with_kept(error: CommandError, planner: &Planner<'_>, plan: &Plan) -> CommandError {
    match planner.keep(&render(plan, Format::Markdown)) {
        Some(file) => error.hint(format!("the plan is kept in {}", file.display())),
        None => error,
    }
}

/// Builds the error for a goal without parallelism.
fn sequential(reason: &str) -> CommandError {
    CommandError::failed(format!(
        "this goal has no parts that can be worked on at the same time: {}",
        terminal_safe(reason)
    ))
    .hint("give it to one agent; nothing was saved")
}

/// Lists the commands that test the project: those of the settings, else the detected ones.
fn test_commands(here: &RepoContext, settings: &Settings) -> Vec<TestCommand> {
    let configured = settings.assemble.check.iter();
    let configured: Vec<TestCommand> = configured
        .map(|command| TestCommand {
            command: command.clone(),
            file: FILE_NAME.to_owned(),
        })
        .collect();
    if !configured.is_empty() {
        return configured;
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let found = survey(&here.repo.top, &folders).checks.into_iter();
    let found = found.map(|(command, file)| TestCommand {
        command,
        file: file.to_owned(),
    });
    found.collect()
}

fn run_args(args: &NewArgs) -> RunArgs {
    RunArgs {
        plan: Path::new(&args.output).to_owned(),
        into: args.into.clone(),
        max_parallel: args.max_parallel,
        detach: args.detach,
        config: args.config.clone(),
        // The plan has been confirmed.
        consent: ConfirmArgs { yes: true },
        is_shown: true,
        ..RunArgs::default()
    }
}
