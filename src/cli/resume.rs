//! `dispatch resume`, `retry` and `skip`: a run goes on after a person's word.

use clap::Args;

use crate::cli::Answer;
use crate::cli::driving::Drive;
use crate::cli::error::CommandError;
use crate::cli::place::{Default, Place, find_task};
use crate::engine::recover::Loaded;
use crate::journal::Journal;
use crate::model::event::Event;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::{RunPhase, TaskPhase};
use crate::ui::Ui;

/// Take an interrupted run up again
#[derive(Args, Debug, Clone)]
pub struct ResumeArgs {
    /// The run [default: the latest unfinished one]
    pub run: Option<String>,
    /// Print one JSON object per event on standard output
    #[arg(long)]
    pub json: bool,
}

/// Try a task again, and what was blocked by it
#[derive(Args, Debug, Clone)]
pub struct RetryArgs {
    /// The run (may be left out) and the task, by number or tag
    #[arg(required = true, num_args = 1..=2, value_names = ["RUN", "TASK"])]
    pub names: Vec<String>,
    /// Words to add to the task's prompt
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// Print one JSON object per event on standard output
    #[arg(long)]
    pub json: bool,
}

/// Give a task up, with everything that depends on it
#[derive(Args, Debug, Clone)]
pub struct SkipArgs {
    /// The run (may be left out) and the task, by number or tag
    #[arg(required = true, num_args = 1..=2, value_names = ["RUN", "TASK"])]
    pub names: Vec<String>,
    /// Let what depends on it start without it
    #[arg(long)]
    pub no_cascade: bool,
    /// Print one JSON object per event on standard output
    #[arg(long)]
    pub json: bool,
}

/// `RUN TASK`, or only `TASK` of the default run.
///
/// # Errors
/// When there is no such run.
pub fn split_names(
    place: &Place,
    names: &[String],
    default: Default,
) -> Result<(RunId, String), CommandError> {
    let (run, task) = match names {
        [run, task, ..] => (Some(run.as_str()), task),
        [task] => (None, task),
        [] => return Err(CommandError::usage("name a task, by number or tag")),
    };
    Ok((place.find_run(run, default)?, task.clone()))
}

/// Runs `dispatch resume`.
///
/// # Errors
/// When the run cannot be read, is driven by another process, or has ended.
pub fn resume(args: ResumeArgs, ui: &Ui) -> Answer {
    let place = Place::open()?;
    let run = place.find_run(args.run.as_deref(), Default::Unfinished)?;
    go_on(&place, &run, args.json, ui, |loaded| {
        match loaded.state.phase {
        RunPhase::Ended(130) | RunPhase::Running | RunPhase::Stopping => Ok(Vec::new()),
        RunPhase::Ended(_) => Err(CommandError::failed(format!("{run} has ended")).hint(format!(
            "`dispatch report {run}` shows how; `dispatch retry {run} TASK` tries a task again"
        ))),
    }
    })
}

/// Runs `dispatch retry`.
///
/// # Errors
/// As [`resume`], and when the task is not one that can be tried again.
pub fn retry(args: RetryArgs, ui: &Ui) -> Answer {
    let place = Place::open()?;
    let (run, task) = split_names(&place, &args.names, Default::Unfinished)?;
    go_on(&place, &run, args.json, ui, |loaded| {
        let number = find_task(&loaded.state.plan, &task)?.number;
        may_retry(loaded, number)?;
        Ok(vec![Event::RetryRequested {
            task: number,
            prompt: args.prompt.clone(),
        }])
    })
}

fn may_retry(loaded: &Loaded, number: TaskNumber) -> Result<(), CommandError> {
    let run = &loaded.state.run;
    match &loaded.state.task(number).phase {
        TaskPhase::Running | TaskPhase::RetryAt(_) => Err(CommandError::failed(format!(
            "{number} of {run} is not over"
        ))
        .hint(format!("`dispatch resume {run}` takes the run up again"))),
        TaskPhase::Done if loaded.state.landed.is_some() => Err(CommandError::failed(format!(
            "{run} has landed, {number} with it"
        ))),
        _ => Ok(()),
    }
}

/// Runs `dispatch skip`.
///
/// # Errors
/// As [`resume`], and when the task is done.
pub fn skip(args: SkipArgs, ui: &Ui) -> Answer {
    let place = Place::open()?;
    let (run, task) = split_names(&place, &args.names, Default::Unfinished)?;
    go_on(&place, &run, args.json, ui, |loaded| {
        let number = find_task(&loaded.state.plan, &task)?.number;
        match loaded.state.task(number).phase {
            TaskPhase::Done => Err(CommandError::failed(format!(
                "{number} is done, so it cannot be skipped"
            ))
            .hint(format!(
                "`dispatch review {run}` can leave it out of the assembly"
            ))),
            _ => Ok(vec![Event::TaskSkipped {
                task: number,
                cascade: !args.no_cascade,
            }]),
        }
    })
}

/// Takes the run's lock, replays it, records what a person asked for, and drives it.
///
/// # Errors
/// When the run is held, cannot be read, or `ask` refuses.
pub fn go_on(
    place: &Place,
    run: &RunId,
    json: bool,
    ui: &Ui,
    ask: impl FnOnce(&Loaded) -> Result<Vec<Event>, CommandError>,
) -> Answer {
    let lock = place.lock(run)?;
    let loaded = place.load(run)?;
    let mut asked = ask(&loaded)?;
    asked.insert(0, Event::RunResumed {});
    let journal = Journal::reopen(&place.repo, &loaded.replayed)
        .map_err(|error| CommandError::from(crate::engine::EngineError::from(error)))?;
    let drive = Drive {
        place,
        state: loaded.state,
        journal,
        settings: loaded.settings,
        asked,
        recorded: Vec::new(),
        json,
    };
    let answer = drive.run(ui);
    drop(lock);
    answer
}
