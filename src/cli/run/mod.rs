//! `dispatch run PLAN`: shows the plan, asks, and runs it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::base::text::{plural, terminal_safe};
use crate::cli::confirm::{ConfirmArgs, aborted, ask_with_argument};
use crate::cli::drive::{Drive, detach, random};
use crate::cli::editor::edit;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::plan_source::{load_plan, show_warnings};
use crate::cli::repo_context::{RepoContext, find_task};
use crate::cli::{trust, watch};
use crate::config::variable::Overrides;
use crate::config::{self, Settings, unknown_variables};
use crate::engine::start::remarks::remarks;
use crate::engine::start::{self, Prepared, create, worker_names};
use crate::engine::trust::require;
use crate::model::ids::TaskNumber;
use crate::model::plan::{Plan, Task};
use crate::model::task_list::comma_list;
use crate::plan::preview::render_preview;
use crate::report::suggest;
use crate::schedule::priority;
use crate::ui::Ui;

mod worktrees;

const AFTER_HELP: &str = "\
The plan is shown, and nothing starts before you confirm. At the end the results are assembled on a
branch of the run. Your branches, checkout and index do not change before `dispatch land`.";

/// Run a plan, with a worktree and a branch for every task
#[derive(Args, Debug, Clone, Default)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct RunArgs {
    /// The plan (.md, .toml, .json); `-` reads Markdown from standard input
    pub(crate) plan: PathBuf,
    /// The commit every independent task starts from [default: HEAD]
    #[arg(long, value_name = "REV")]
    pub(crate) base: Option<String>,
    /// The branch the result is meant for [default: the current branch]
    #[arg(long, value_name = "BRANCH")]
    pub(crate) into: Option<String>,
    /// The number of tasks that may run at once [default: 3]
    #[arg(long, short = 'j', value_name = "N", value_parser = at_least_one)]
    pub(crate) max_parallel: Option<usize>,
    /// The executor of tasks whose worker names none, such as hosts or hosts:gpu [default: local]
    #[arg(long, value_name = "NAME")]
    pub(crate) executor: Option<String>,
    /// Run only these tasks, such as 1,API
    #[arg(long, value_name = "TASKS", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Do not assemble the results at the end
    #[arg(long)]
    pub(crate) no_assemble: bool,
    /// Show the plan without running it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Run in the background and return at once
    #[arg(long, conflicts_with = "json")]
    pub(crate) detach: bool,
    /// Run tasks with `strategy: auto` in the background
    #[arg(long)]
    pub(crate) keep_terminal_free: bool,
    /// Print lines instead of showing the board on a terminal
    #[arg(long)]
    pub(crate) plain: bool,
    /// Print one JSON object per event, one a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Use this file instead of the repository's .dispatch.toml
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The answer given in advance.
    #[command(flatten)]
    pub(crate) consent: ConfirmArgs,
    /// `true` if the user has seen the plan and its warnings.
    #[arg(skip)]
    pub(crate) is_shown: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// When the run cannot start; nothing has been created then.
pub(crate) fn run(args: RunArgs, ui: &Ui) -> CommandResult {
    run_in(&RepoContext::open()?, args, ui)
}

/// Runs a plan in this repository.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_in(here: &RepoContext, args: RunArgs, ui: &Ui) -> CommandResult {
    let settings = settings(here, &args)?;
    let workers: BTreeSet<String> = settings.workers.keys().cloned().collect();
    let loaded = load_plan(&args.plan, Some(&workers))?;
    if !args.is_shown {
        show_warnings(ui, &loaded);
    }
    let only = chosen(&loaded.plan, &args.only)?;
    let prepared = start::prepare(&here.repo, &loaded.plan, &settings, only)?;
    for remark in remarks(&here.repo, &loaded.plan, &settings, &prepared)? {
        ui.warning(&remark);
    }
    let env = std::env::vars_os();
    let env =
        env.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    for remark in unknown_variables(&env.collect()) {
        ui.warning(&remark);
    }
    show(here, ui, &args, &loaded.plan, &settings, &prepared)?;
    if args.dry_run {
        return Ok(ExitStatus::Ok);
    }
    if args.consent.yes || !ui.is_interactive() {
        require(&here.repo, &settings)?;
    }
    let plan = agree(&args, loaded.plan, &workers, &settings, here, ui)?;
    // The plan may have been edited, so its needs are checked again.
    let only = chosen(&plan, &args.only)?;
    let prepared = start::prepare(&here.repo, &plan, &settings, only)?;
    let prepared = prepared.from_file(&here.repo, &args.plan);
    let now = here.clock.now();
    let assemble = !args.no_assemble;
    if !args.consent.yes {
        trust::agreed(&here.repo, &settings)?;
    }
    let started = create(
        &here.repo,
        plan,
        &settings,
        &prepared,
        assemble,
        now,
        &mut random(),
    )?;
    if !args.json {
        ui.status(&format!("run {}", started.state.run));
    }
    let is_plain = args.plain || args.json || settings.run.keep_terminal_free;
    let shows_board = !args.detach && !is_plain && watch::can_show(ui);
    if args.detach || shows_board {
        let run = started.state.run.clone();
        drop(started.lock);
        // The board only reads, so that neither its end nor that of the terminal ends the run.
        detach(here, &run)?;
        if shows_board {
            return watch::follow(here, &run, ui);
        }
        ui.hint(&format!("`{}` waits for the end", suggest::wait(&run)));
        return Ok(ExitStatus::Ok);
    }
    let drive = Drive {
        here,
        lock: started.lock,
        state: started.state,
        journal: started.journal,
        settings,
        asked: Vec::new(),
        recorded: vec![started.first],
        json: args.json,
        foreground: true,
    };
    drive.run(ui)
}

fn settings(here: &RepoContext, args: &RunArgs) -> Result<Settings, CommandError> {
    let overrides = Overrides::default()
        .with("--base", "run.base", args.base.as_ref())
        .with("--into", "run.target", args.into.as_ref())
        .with("--max-parallel", "run.max_parallel", args.max_parallel)
        .with("--executor", "run.executor", args.executor.as_ref())
        .with(
            "--keep-terminal-free",
            "run.keep_terminal_free",
            args.keep_terminal_free.then_some(true),
        );
    Ok(config::load(
        &here.repo.top,
        args.config.as_deref(),
        &overrides,
    )?)
}

fn chosen(plan: &Plan, names: &[String]) -> Result<Option<Vec<TaskNumber>>, CommandError> {
    if names.is_empty() {
        return Ok(None);
    }
    let numbers: Result<BTreeSet<TaskNumber>, CommandError> = names
        .iter()
        .map(|name| Ok(find_task(plan, name)?.number))
        .collect();
    Ok(Some(numbers?.into_iter().collect()))
}

/// Prints the plan, what the settings of the repository run, and one line about the planned run.
fn show(
    here: &RepoContext,
    ui: &Ui,
    args: &RunArgs,
    plan: &Plan,
    settings: &Settings,
    prepared: &Prepared,
) -> Result<(), CommandError> {
    let mut facts = facts(plan, settings, prepared);
    if let Some(worktrees) = worktrees::line(&here.repo, settings) {
        facts.push('\n');
        facts.push_str(&terminal_safe(&worktrees));
    }
    let mut parts = vec![trust::preview(&here.repo, settings)?, format!("{facts}\n")];
    if !args.is_shown {
        parts.insert(0, terminal_safe(&render_preview(plan)));
    }
    parts.retain(|part| !part.is_empty());
    let text = parts.join("\n");
    match args.json || args.is_shown {
        true => ui.status(text.trim_end()),
        false => ui.answer_text(&text),
    }
    Ok(())
}

fn facts(plan: &Plan, settings: &Settings, prepared: &Prepared) -> String {
    let is_chosen = |task: &&Task| {
        prepared
            .only
            .as_ref()
            .is_none_or(|only| only.contains(&task.number))
    };
    let tasks: Vec<&Task> = plan.tasks().iter().filter(is_chosen).collect();
    format!(
        "{} · base {} ({}) · target {}",
        counts(&tasks, settings),
        prepared.base.short(),
        prepared.base_name,
        prepared.target.as_deref().unwrap_or("none"),
    ) + &executors(&tasks, settings)
}

/// Renders a line for each executor other than this machine, with its tasks.
fn executors(tasks: &[&Task], settings: &Settings) -> String {
    let by_executor = start::executors(tasks.iter().copied(), settings);
    if by_executor.values().all(|(choice, _)| choice.is_local()) {
        return String::new();
    }
    let lines = by_executor.iter();
    let lines = lines.map(|(name, (_, tasks))| format!("\nexecutor {name}: {}", comma_list(tasks)));
    lines.collect()
}

/// Renders `4 tasks · 3 at once · claude, shell`.
pub(crate) fn counts(tasks: &[&Task], settings: &Settings) -> String {
    let workers: BTreeSet<&str> = tasks
        .iter()
        .flat_map(|task| worker_names(task, settings))
        .collect();
    let workers: Vec<&str> = workers.into_iter().collect();
    format!(
        "{} · {} at once · {}",
        plural(tasks.len(), "task"),
        at_once(tasks, settings),
        workers.join(", ")
    )
}

/// Counts the attempts that can start at the beginning.
fn at_once(tasks: &[&Task], settings: &Settings) -> usize {
    let mut free: BTreeMap<&str, usize> = BTreeMap::new();
    for task in tasks.iter().filter(|task| task.depends_on.is_empty()) {
        for worker in worker_names(task, settings) {
            *free.entry(worker).or_default() += 1;
        }
    }
    let of_worker = |(name, count): (&str, usize)| {
        let worker = settings.workers.get(name);
        let most = worker.and_then(|worker| worker.concurrency);
        count.min(most.unwrap_or(count))
    };
    let free: usize = free.into_iter().map(of_worker).sum();
    free.min(settings.run.max_parallel)
}

/// Asks about the plan until the answer is yes or no.
fn agree(
    args: &RunArgs,
    mut plan: Plan,
    workers: &BTreeSet<String>,
    settings: &Settings,
    here: &RepoContext,
    ui: &Ui,
) -> Result<Plan, CommandError> {
    let mut order: Vec<TaskNumber> = Vec::new();
    let mut is_whole = true;
    loop {
        let count = plural(plan.tasks().len(), "task");
        let (question, words): (String, &[&str]) = match is_whole {
            true => (
                format!("Dispatch {count}?"),
                &["yes", "no", "edit", "priorities"],
            ),
            // The file is not a valid plan; its earlier content is not what the user wants.
            false => ("Edit the plan again?".to_owned(), &["edit", "no"]),
        };
        let (word, argument) = match args.consent.yes {
            true => (words[0], String::new()),
            false => ask_with_argument(ui, &question, words)?,
        };
        match word {
            "yes" => return Ok(plan),
            "edit" => match edited(args, workers, settings, here, ui) {
                Ok(edited) => {
                    plan = priority::with_order(edited, &order);
                    is_whole = true;
                }
                Err(error) => {
                    ui.error(&error.message);
                    error.hints.iter().for_each(|hint| ui.hint(hint));
                    is_whole = is_whole && args.plan == Path::new("-");
                }
            },
            "priorities" => {
                order = ask_order(&plan, &argument, ui)?.unwrap_or(order);
                plan = priority::with_order(plan, &order);
            }
            _ => return Err(aborted()),
        }
    }
}

/// Opens the plan in the user's editor and checks it again.
fn edited(
    args: &RunArgs,
    workers: &BTreeSet<String>,
    settings: &Settings,
    here: &RepoContext,
    ui: &Ui,
) -> Result<Plan, CommandError> {
    if args.plan == Path::new("-") {
        return Err(CommandError::failed(
            "a plan from standard input cannot be edited",
        ));
    }
    edit(&here.repo, &args.plan)?;
    let loaded = load_plan(&args.plan, Some(workers))?;
    show_warnings(ui, &loaded);
    let only = chosen(&loaded.plan, &args.only)?;
    let prepared = start::prepare(&here.repo, &loaded.plan, settings, only)?;
    show(here, ui, args, &loaded.plan, settings, &prepared)?;
    Ok(loaded.plan)
}

/// Reads the tasks that go first, such as `3 1`, which may have been `given` with the answer; `None` keeps
/// the order.
///
/// # Errors
/// When the terminal cannot be read.
pub(crate) fn ask_order(
    plan: &Plan,
    given: &str,
    ui: &Ui,
) -> Result<Option<Vec<TaskNumber>>, CommandError> {
    let names = match given {
        "" => ui
            .ask_line("Which tasks go first, such as 3 1? ")
            .map_err(|error| CommandError::failed(format!("could not read the answer: {error}")))?
            .unwrap_or_default(),
        given => given.to_owned(),
    };
    let order: Result<Vec<TaskNumber>, CommandError> = names
        .split([' ', ','])
        .filter(|name| !name.is_empty())
        .map(|name| Ok(find_task(plan, name)?.number))
        .collect();
    match order {
        Ok(order) if order.is_empty() => Ok(None),
        Ok(order) => {
            let first = comma_list(&order);
            ui.status(&format!("first {first}, then the others"));
            Ok(Some(order))
        }
        Err(error) => {
            ui.error(&error.message);
            Ok(None)
        }
    }
}

/// Reads a count that must not be 0.
pub(crate) fn at_least_one(text: &str) -> Result<usize, &'static str> {
    match text.parse() {
        Ok(0) => Err("must be at least 1"),
        Ok(count) => Ok(count),
        Err(_) => Err("must be a whole number, at least 1"),
    }
}
