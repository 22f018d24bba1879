//! `dispatch stats`: prints figures over runs.

use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::cli::status::pretty;
use crate::journal::runs;
use crate::model::ids::RunId;
use crate::report::statistics::{Statistics, render};
use crate::ui::Ui;

/// Print figures over all runs: success, failures, conflicts, cost, time
///
/// A worker's tasks are those whose last attempt it made; FIRST TRY are those that passed with their first attempt, or whose chosen variant did. The time saved is the time of all attempts less the time during which at least one of them ran.
#[derive(Args, Debug, Clone)]
pub(crate) struct StatsArgs {
    /// The runs [default: all]
    #[arg(value_name = "RUN")]
    runs: Vec<String>,
    /// Count only runs that started on this day (UTC) or later
    #[arg(long, value_name = "YYYY-MM-DD")]
    since: Option<Date>,
    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// When a named run does not exist or cannot be read.
pub(crate) fn run(args: StatsArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open_to_read()?;
    let since = args.since.map(start_of_day).transpose()?;
    let mut figures = Statistics::default();
    let mut unreadable = Vec::new();
    for run in chosen(&here, &args.runs)? {
        match here.read_state(&run) {
            Ok(state) if since.is_none_or(|since| state.started >= since) => figures.add(&state),
            Ok(_) => {}
            Err(error) if !args.runs.is_empty() => return Err(error),
            // One damaged journal must not hide the figures of the others.
            Err(error) => unreadable.push((run, error.message)),
        }
    }
    for (run, why) in &unreadable {
        ui.warning(&format!("{run} is not counted: {why}"));
    }
    if args.json {
        let unreadable: Vec<&str> = unreadable.iter().map(|(run, _)| run.as_str()).collect();
        let value = json!({"version": 1, "statistics": figures, "unreadable": unreadable});
        ui.answer(&pretty(&value));
        return Ok(ExitStatus::Ok);
    }
    if figures.runs == 0 {
        ui.hint("there is no run to count; `dispatch history` lists the runs");
    }
    ui.answer(&render(&figures, ui.columns()));
    Ok(ExitStatus::Ok)
}

fn chosen(here: &RepoContext, names: &[String]) -> Result<Vec<RunId>, CommandError> {
    if names.is_empty() {
        let all = runs::list(&here.store)?.into_iter();
        return Ok(all.map(|entry| entry.run).collect());
    }
    let mut found = Vec::new();
    for name in names {
        let run = here.find_run(Some(name), DefaultRun::Latest)?;
        if !found.contains(&run) {
            found.push(run);
        }
    }
    Ok(found)
}

fn start_of_day(day: Date) -> Result<Timestamp, CommandError> {
    let start = day.to_zoned(TimeZone::UTC);
    let start = start.map_err(|error| CommandError::failed(format!("invalid day: {error}")))?;
    Ok(start.timestamp())
}
