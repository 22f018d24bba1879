//! `dispatch doctor [RUN]`: finds and explains what runs left behind, and repairs it on request.

use clap::Args;
use serde_json::json;

use crate::base::text::{error_chain, plural};
use crate::cli::acceptance::{accept_journal, accept_settings};
use crate::cli::confirm::ConfirmArgs;
use crate::cli::drive::context;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::pool;
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::cli::status::pretty;
use crate::config::settings::Settings;
use crate::config::variable::Overrides;
use crate::config::{self, ConfigError};
use crate::engine::EngineError;
use crate::engine::doctor::fix::Fix;
use crate::engine::doctor::{Problem, environment, journals, leftovers, run};
use crate::engine::kernel::context::Context;
use crate::engine::kernel::known_settings;
use crate::git::Repo;
use crate::git::discover::DiscoverError;
use crate::journal::Journal;
use crate::journal::runs::{self, RunLock, Taken};
use crate::model::event::Event;
use crate::model::ids::RunId;
use crate::ui::Ui;

const AFTER_HELP: &str = "\
No work is removed: uncommitted work is committed and kept first.
Exit code 0: no problem is left; 4: at least one is.";

/// Find, explain and repair what runs left behind
#[derive(Args, Debug, Clone)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct DoctorArgs {
    /// The run [default: all of them, and the repository]
    run: Option<String>,
    /// Repair what can be repaired
    #[arg(long)]
    fix: bool,
    /// Accept git's settings, hooks and attributes as they are now, after they changed while workers ran
    #[arg(long, conflicts_with = "fix")]
    accept_settings: bool,
    /// Accept the journal of RUN, which another user or an older dispatch wrote, as it is now
    #[arg(long, conflicts_with_all = ["fix", "accept_settings"], requires = "run")]
    accept_journal: bool,
    /// Only examine the worktrees of the pool: a free one has nothing but the files of its commit and the
    /// kept folders
    #[arg(long, conflicts_with_all = ["fix", "accept_settings", "accept_journal", "run"])]
    pool: bool,
    #[command(flatten)]
    confirm: ConfirmArgs,
    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
}

/// A problem, and the result of its repair.
struct ExaminedProblem {
    problem: Problem,
    /// The result of the repair; `None` if none was tried.
    repaired: Option<Result<(), String>>,
}

impl ExaminedProblem {
    /// Returns `true` if the user has to do something about it.
    fn is_open(&self) -> bool {
        match &self.repaired {
            Some(result) => result.is_err(),
            None => !matches!(self.problem.fix, Fix::None),
        }
    }
}

/// Runs the subcommand.
///
/// # Errors
/// When the repository cannot be read at all.
pub(crate) fn run(args: DoctorArgs, ui: &Ui) -> CommandResult {
    if args.fix {
        repair_core_bare(args.confirm, ui)?;
    }
    let here = RepoContext::open_to_read()?;
    if args.pool {
        return pool::doctor(&here, args.json, ui);
    }
    if args.accept_settings {
        return accept_settings(&here, args.confirm, ui);
    }
    if args.accept_journal {
        return accept_journal(&here, args.run.as_deref(), args.confirm, ui);
    }
    let mut facts = Vec::new();
    let mut findings = Vec::new();
    if let Err(error) = known_settings::refuse_changed(&here.repo) {
        // A repair runs git in worktrees.
        if args.fix {
            return Err(error.into());
        }
        findings.push(changed_settings(&error));
    }
    // Invalid settings do not prevent the other checks.
    let settings = match config::load(&here.repo.top, None, &Overrides::default()) {
        Ok(settings) => settings,
        Err(error) => {
            findings.push(invalid_settings(error));
            Settings::default()
        }
    };
    if args.run.is_none() {
        let found = environment::examine(&here.repo, &settings)?;
        facts = found.facts;
        let general = found
            .problems
            .into_iter()
            .chain(leftovers::examine(&here.repo, &settings));
        let lost = journals::examine(&here.repo, &here.store, &settings.run.branch_prefix)?;
        findings.extend(repair(&here, None, general.chain(lost).collect(), args.fix));
    }
    if let Some(name) = &args.run {
        let run = here.find_run(Some(name), DefaultRun::Latest)?;
        let damaged = journals::examine_run(&here.repo, &here.store, &run);
        findings.extend(repair(&here, None, damaged.into_iter().collect(), args.fix));
    }
    let runs = match &args.run {
        Some(_) => vec![here.find_run(args.run.as_deref(), DefaultRun::Latest)?],
        None => readable_runs(&here),
    };
    for run in &runs {
        match visit(&here, run, args.fix)? {
            Visit::Done(found) => findings.extend(found),
            Visit::Unfit(fact) => facts.push(fact),
        }
    }
    let is_open = findings.iter().any(ExaminedProblem::is_open);
    match args.json {
        true => ui.answer(&pretty(&value(&facts, &findings))),
        false => show(&facts, &findings, runs.len(), args.fix, ui),
    }
    Ok(if is_open {
        ExitStatus::NeedsAttention
    } else {
        ExitStatus::Ok
    })
}

/// Describes what git would execute and has changed while workers ran.
fn changed_settings(error: &EngineError) -> ExaminedProblem {
    ExaminedProblem {
        problem: Problem {
            run: None,
            what: "what git executes here may be a worker's".to_owned(),
            why: error.to_string(),
            fix: Fix::Manual(
                "undo it, or accept it with `dispatch doctor --accept-settings`".to_owned(),
            ),
        },
        repaired: None,
    }
}

fn invalid_settings(error: ConfigError) -> ExaminedProblem {
    let error = CommandError::from(error);
    ExaminedProblem {
        problem: Problem {
            run: None,
            what: "the configuration cannot be read".to_owned(),
            why: error.message.replace("\n\n", "\n").replace('\n', "\n  "),
            fix: Fix::Manual("correct it; until then no run starts".to_owned()),
        },
        repaired: None,
    }
}

/// Sets `core.bare` to false where it hides a checkout, after a question: the configuration is the
/// user's.
///
/// # Errors
/// When the user declines, or git fails.
fn repair_core_bare(confirm: ConfirmArgs, ui: &Ui) -> Result<(), CommandError> {
    let folder = std::env::current_dir().unwrap_or_default();
    let Err(DiscoverError::BareSetting(setting)) = Repo::discover(&folder) else {
        return Ok(());
    };
    let file = setting.file().display().to_string();
    let question =
        format!("core.bare is true in {file}, although there is a checkout. Set it to false?");
    confirm.confirm(ui, &question)?;
    let repaired = setting.repair();
    repaired.map_err(|error| CommandError::failed(error_chain(&error)))?;
    ui.answer(&format!("core.bare is now false in {file}\n"));
    Ok(())
}

/// Lists all runs, including those with a damaged journal, which `runs::list` leaves out.
fn readable_runs(here: &RepoContext) -> Vec<RunId> {
    let found = here.store.references(runs::PREFIX).unwrap_or_default();
    let names = found
        .iter()
        .map(|(name, _)| RunId::new(&name[runs::PREFIX.len()..]));
    names.collect()
}

enum Visit {
    Done(Vec<ExaminedProblem>),
    /// The run was left alone, for this reason.
    Unfit(String),
}

/// Checks one run while holding its lock, so that nothing moves meanwhile.
fn visit(here: &RepoContext, run: &RunId, fix: bool) -> Result<Visit, CommandError> {
    let lock = match RunLock::take(&here.repo, run, here.clock.now()) {
        Ok(Taken::Ours(lock)) => lock,
        Ok(Taken::Held(holder)) => {
            let who = holder.map_or_else(String::new, |h| format!(" (process {})", h.pid));
            return Ok(Visit::Unfit(format!(
                "{run} is being driven{who}; left alone"
            )));
        }
        Err(error) => return Ok(Visit::Unfit(format!("{run} cannot be locked: {error}"))),
    };
    let loaded = match here.load(run) {
        Ok(loaded) => loaded,
        Err(error) => {
            return Ok(Visit::Unfit(format!(
                "{run} is left alone: {}",
                error.message
            )));
        }
    };
    let context = context(
        &here.repo,
        &loaded.state,
        loaded.settings.clone(),
        here.clock,
    )?;
    let problems = run::examine(&context, &loaded.state)?;
    let findings = repair(here, Some(&context), problems, fix);
    let repairs: Vec<String> = findings
        .iter()
        .filter(|finding| matches!(finding.repaired, Some(Ok(()))))
        .map(|finding| format!("{}: {}", finding.problem.what, finding.problem.fix.words()))
        .collect();
    if !repairs.is_empty() {
        // A reference of the journal itself may have been freed just now, so it is read again.
        let replayed = here.load(run)?.replayed;
        let mut journal = Journal::reopen(&here.repo, &replayed).map_err(EngineError::from)?;
        let event = Event::Repaired { repairs };
        let recorded = journal.append(vec![event], here.clock.now());
        recorded.map_err(EngineError::from)?;
    }
    drop(lock);
    Ok(Visit::Done(findings))
}

fn repair(
    here: &RepoContext,
    context: Option<&Context>,
    problems: Vec<Problem>,
    fix: bool,
) -> Vec<ExaminedProblem> {
    let one = |problem: Problem| {
        let tries = fix && problem.fix.is_automatic();
        let repaired = tries.then(|| {
            let done = problem.fix.apply(&here.repo, context);
            done.map_err(|error| error_chain(&error))
        });
        ExaminedProblem { problem, repaired }
    };
    problems.into_iter().map(one).collect()
}

fn show(facts: &[String], findings: &[ExaminedProblem], runs: usize, fix: bool, ui: &Ui) {
    for fact in facts {
        ui.status(fact);
    }
    for finding in findings {
        let Problem {
            run,
            what,
            why,
            fix: repair,
        } = &finding.problem;
        let whose = run
            .as_ref()
            .map_or_else(String::new, |run| format!("{run}: "));
        let done = match (&finding.repaired, repair) {
            (Some(Ok(())), _) => format!("repaired: {}", repair.words()),
            (Some(Err(error)), _) => format!("could not be repaired: {error}"),
            (None, Fix::None) => "nothing to do".to_owned(),
            (None, Fix::Manual(advice)) => advice.clone(),
            (None, _) => format!("with --fix: {}", repair.words()),
        };
        ui.answer_text(&format!("{whose}{what}\n  {why}\n  {done}\n"));
    }
    let open = findings.iter().filter(|finding| finding.is_open());
    let repairable = open
        .clone()
        .any(|finding| finding.problem.fix.is_automatic());
    match open.count() {
        0 => ui.answer_text(&format!("no problems found in {}\n", plural(runs, "run"))),
        open if repairable && !fix => {
            ui.hint(&format!(
                "{} found; `dispatch doctor --fix` repairs what it can",
                plural(open, "problem")
            ));
        }
        open => ui.hint(&format!(
            "{} left for you to repair",
            plural(open, "problem")
        )),
    }
}

fn value(facts: &[String], findings: &[ExaminedProblem]) -> serde_json::Value {
    let one = |finding: &ExaminedProblem| {
        let Problem {
            run,
            what,
            why,
            fix,
        } = &finding.problem;
        json!({
            "run": run.as_ref().map(RunId::as_str),
            "problem": what,
            "reason": why,
            "fix": fix.words(),
            "fixable": fix.is_automatic(),
            "repaired": finding.repaired.as_ref().map(Result::is_ok),
            "error": finding.repaired.as_ref().and_then(|result| result.as_ref().err()),
        })
    };
    let findings: Vec<_> = findings.iter().map(one).collect();
    json!({"version": 1, "facts": facts, "findings": findings})
}
