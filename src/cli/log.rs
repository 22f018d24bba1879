//! `dispatch log`: prints the events of a run as sentences.

use std::fmt::Write;

use clap::Args;
use serde_json::{Value, json};

use crate::base::text::{terminal_safe, wrap_words};
use crate::cli::error::{CommandResult, ExitStatus};
use crate::cli::help::pager;
use crate::cli::repo_context::{DefaultRun, RepoContext, find_task};
use crate::cli::status::pretty;
use crate::engine::EngineError;
use crate::journal::replay;
use crate::model::event::Recorded;
use crate::model::plan::Plan;
use crate::report::event_sentence::event_sentence;
use crate::ui::Ui;

/// Print what happened in a run, one sentence for each event
///
/// The events are those of its journal: `git log refs/dispatch/runs/RUN` has them as JSON.
#[derive(Args, Debug, Clone)]
pub(crate) struct LogArgs {
    /// The run [default: the latest]
    run: Option<String>,
    /// Print only the events of this task
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// When there is no such run or task, or the journal cannot be read.
pub(crate) fn run(args: LogArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open_to_read()?;
    let run = here.find_run(args.run.as_deref(), DefaultRun::Latest)?;
    let plan = here.read_state(&run)?.plan;
    let task = match &args.task {
        Some(name) => Some(find_task(&plan, name)?.number),
        None => None,
    };
    let journal = replay(&here.store, &run).map_err(EngineError::from)?;
    let mut records = journal.records;
    if task.is_some() {
        records.retain(|recorded| recorded.event.task() == task);
    }
    match args.json {
        true => {
            let events: Vec<Value> = records.iter().map(|event| value(&plan, event)).collect();
            ui.answer(&pretty(
                &json!({"version": 1, "run": run.as_str(), "events": events}),
            ));
        }
        false => ui.page(&render(&plan, &records, ui.columns()), &pager()),
    }
    Ok(ExitStatus::Ok)
}

fn value(plan: &Plan, recorded: &Recorded) -> Value {
    json!({
        "seq": recorded.seq,
        "time": recorded.time.to_string(),
        "task": recorded.event.task().map(|task| task.0),
        "sentence": event_sentence(plan, &recorded.event),
        "event": recorded.event,
    })
}

/// Renders the events under the day on which they happened; times are UTC.
fn render(plan: &Plan, records: &[Recorded], columns: usize) -> String {
    const INDENT: usize = 10;
    let (mut text, mut last) = (String::new(), String::new());
    for recorded in records {
        let day = recorded.time.strftime("%Y-%m-%d").to_string();
        if day != last {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{day} (UTC)");
            last = day;
        }
        let time = recorded.time.strftime("%H:%M:%S");
        let sentence = terminal_safe(&event_sentence(plan, &recorded.event));
        let line = format!("{time}  {sentence}");
        text.push_str(wrap_words(&line, columns, INDENT).trim_end());
        text.push('\n');
    }
    text
}
