//! `dispatch show RUN TASK`: prints everything that the journal records about a task.

use std::fmt::Write;

use clap::Args;
use serde_json::json;

use crate::base::text::terminal_safe;
use crate::cli::error::{CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext, TaskName, find_task};
use crate::cli::status::pretty;
use crate::config::builtin::SHELL;
use crate::engine::kernel::masking::masked;
use crate::engine::runs::log::secrets_of_run;
use crate::model::ids::TaskNumber;
use crate::model::plan::Task;
use crate::model::run::RunState;
use crate::model::task_change::Placement;
use crate::model::usage::Cost;
use crate::model::user_message::UserMessage;
use crate::report::board::text::left_out_reason;
use crate::report::task::{AttemptView, TaskView};
use crate::report::variants::VariantTable;
use crate::report::words::resolved;
use crate::ui::Ui;

/// Show all about one task: prompt, attempts, commits, checks, timing
#[derive(Args, Debug, Clone)]
pub(crate) struct ShowArgs {
    /// The task
    #[command(flatten)]
    name: TaskName,
    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// When there is no such run or task.
pub(crate) fn run(args: ShowArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open_to_read()?;
    let run = here.find_run(args.name.run.as_deref(), DefaultRun::Latest)?;
    let state = here.read_state(&run)?;
    let task = find_task(&state.plan, &args.name.task)?;
    let secrets = secrets_of_run(&here.store, &state);
    match args.json {
        true => ui.answer(&pretty(&masked(&secrets, value(&state, task)))),
        false => {
            let view = TaskView::new(&state, task.number, SHELL, &secrets);
            ui.answer_text(&terminal_safe(&render(&view)));
        }
    }
    Ok(ExitStatus::Ok)
}

fn value(state: &RunState, task: &Task) -> serde_json::Value {
    let attempts: Vec<serde_json::Value> = state
        .task(task.number)
        .attempts
        .iter()
        .map(|attempt| {
            json!({
                "attempt": attempt.number,
                "variant": attempt.variant,
                "worker": attempt.worker,
                "branch": attempt.branch,
                "worktree": attempt.worktree,
                "executor": attempt.executor,
                "host": attempt.host,
                "base": attempt.base.map(|base| base.to_string()),
                "started": attempt.started.to_string(),
                "ended": attempt.ended.map(|ended| ended.to_string()),
                "usage": attempt.outcome.as_ref().and_then(|outcome| outcome.usage),
                "cost": attempt.outcome.as_ref().map_or(Cost::Unknown, |outcome| outcome.cost),
                "session": attempt.outcome.as_ref().and_then(|outcome| outcome.session.clone()),
                "outcome": attempt.outcome,
            })
        })
        .collect();
    json!({
        "version": 1,
        "run": state.run.as_str(),
        "number": task.number,
        "tag": task.tag,
        "title": task.title,
        "status": state.status(task.number).to_string(),
        "merged": state.placement(task.number).is_merged(),
        "left_out": left_out(state, task.number),
        "resolved": resolved(state, task.number),
        "change": change_value(state, task.number),
        "prompt": task.text(),
        "run_command": task.fields.run,
        "depends_on": task.depends_on,
        "variants": VariantTable::of(state, task.number),
        "messages": messages_value(state, task.number),
        "attempts": attempts,
    })
}

fn messages_value(state: &RunState, number: TaskNumber) -> Vec<serde_json::Value> {
    let messages = state.task(number).messages.iter();
    let value = |message: &UserMessage| json!({"text": message.text, "delivered_to": message.delivered_to, "waits_for": message.waits_for});
    messages.map(value).collect()
}

fn render(view: &TaskView) -> String {
    let mut text = format!("{} [{}] {}\n", view.number, view.tag, view.title);
    // Writing to a string cannot fail.
    for (name, value) in &view.facts {
        let _ = writeln!(text, "{name:<11} {value}");
    }
    text.extend(view.variants.iter().map(render_variants));
    if let Some(prompt) = &view.prompt {
        let _ = write!(text, "\nprompt\n{}\n", indented(prompt));
    }
    for (place, message) in &view.messages {
        let _ = write!(text, "\nmessage ({place})\n{}\n", indented(message));
    }
    text.extend(view.attempts.iter().map(render_attempt));
    text
}

/// Returns the reason why a task was left out, as all boards give it.
fn left_out(state: &RunState, number: TaskNumber) -> Option<String> {
    match state.placement(number) {
        Placement::LeftOut(out) => Some(left_out_reason(out)),
        _ => None,
    }
}

fn change_value(state: &RunState, number: TaskNumber) -> serde_json::Value {
    let Some(change) = state.task_change(number) else {
        return serde_json::Value::Null;
    };
    let stat = state.task_stat(number);
    json!({
        "from": change.from.to_string(),
        "to": change.to.to_string(),
        "files": stat.map(|stat| stat.files),
        "added": stat.map(|stat| stat.added),
        "removed": stat.map(|stat| stat.removed),
    })
}

fn render_variants(table: &VariantTable) -> String {
    let mut text = String::new();
    for row in &table.variants {
        let mark = match table.chosen == Some(row.variant) {
            true => '*',
            false => ' ',
        };
        let worker = row.worker.as_deref().unwrap_or("-");
        let words = row.words().replace('\n', " ");
        let _ = writeln!(text, "          {mark} {} ({worker}) {words}", row.variant);
    }
    text
}

fn render_attempt(attempt: &AttemptView) -> String {
    let variant = attempt.variant;
    let variant = variant.map_or(String::new(), |variant| format!(", variant {variant}"));
    let (number, worker) = (attempt.number, &attempt.worker);
    let mut text = format!("\nattempt {number} ({worker}{variant})\n");
    for (name, value) in &attempt.facts {
        let value = value.replace('\n', "\n            ");
        let _ = writeln!(text, "  {name:<9} {value}");
    }
    text
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
