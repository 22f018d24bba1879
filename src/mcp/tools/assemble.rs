//! `assemble`: assembles the results of a run again, or predicts that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::RunLine;
use super::task_retry::{continue_with, continued};
use super::{Action, Effect, ToolSpec};
use crate::engine::assemble::predict;
use crate::engine::kernel::context::local_context;
use crate::engine::runs::load::load;
use crate::mcp::answer::Answer;
use crate::mcp::call::Call;
use crate::mcp::error::ToolError;
use crate::mcp::repository::{Repository, find_task};
use crate::model::event::Event;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::RunState;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The run, or a unique beginning of its name. Default: the one this server started last, else
    /// the latest.
    #[serde(default)]
    run: Option<String>,
    /// Merge these tasks first, in this order, each by number or tag.
    #[serde(default, deserialize_with = "crate::mcp::task_name::list")]
    order: Vec<String>,
    /// Leave these tasks out, and the tasks built on them.
    #[serde(default, deserialize_with = "crate::mcp::task_name::list")]
    leave_out: Vec<String>,
    /// Only predict the order and what is left out.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    run: String,
    /// For a prediction: the tasks in the order of merging.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<Vec<u32>>,
    /// For a prediction: the tasks that are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left_out: Option<Vec<LeftOut>>,
    /// Otherwise the state of the run, which continues in the background.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<RunLine>,
}

#[derive(Serialize, JsonSchema)]
struct LeftOut {
    task: u32,
    why: String,
    /// The step that would include it.
    remedy: String,
}

/// Describes the tool.
pub(super) fn spec() -> ToolSpec {
    ToolSpec::new::<Input, Output>(
        ("assemble", "Assemble the results"),
        "Assembles the results of a run that has ended again on its integration branch, in the \
         background, for instance in another order or without a task. With `dry_run` it only predicts \
         the order and what is left out. Every run assembles once at its end.",
        Effect::Replaces,
        Action::Change(run),
    )
}

fn run(call: &Call) -> Result<Answer, ToolError> {
    let input: Input = call.arguments()?;
    let here = call.unchanged_repository()?;
    let run = call.find_run(&here, input.run.as_deref())?;
    if input.dry_run {
        return prediction(&here, &run, &input);
    }
    continue_with(&here, &run, |loaded| {
        here.refuse_depth(&loaded.settings)?;
        refuse_landed(&loaded.state)?;
        Ok(vec![Event::AssemblyRequested {
            order: candidates(&loaded.state, &input.order)?,
            leave_out: candidates(&loaded.state, &input.leave_out)?,
        }])
    })?;
    continued(&here, &run)
}

fn refuse_landed(state: &RunState) -> Result<(), ToolError> {
    match &state.landed {
        None => Ok(()),
        Some(landed) => Err(ToolError::new(format!(
            "{} has already landed on {} as {}",
            state.run,
            landed.target,
            landed.to.short()
        ))
        .next("a task that did not pass can still be tried again with task_retry")),
    }
}

/// Finds the tasks of these names, each of which must have a candidate.
fn candidates(state: &RunState, names: &[String]) -> Result<Vec<TaskNumber>, ToolError> {
    let mut numbers = Vec::new();
    for name in names {
        let number = find_task(&state.plan, name)?;
        if state.task(number).candidate().is_none() {
            return Err(ToolError::new(format!(
                "{number} has no candidate to assemble; it is {}",
                state.status(number)
            ))
            .next("run_status shows which tasks passed"));
        }
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    Ok(numbers)
}

fn prediction(here: &Repository, run: &RunId, input: &Input) -> Result<Answer, ToolError> {
    let loaded = load(&here.store, run)?;
    let mut state = loaded.state;
    state.assembly_order = candidates(&state, &input.order)?;
    state.leave_out = candidates(&state, &input.leave_out)?;
    let context = local_context(&here.repo, &state, loaded.settings, here.clock)?;
    let (order, _) = predict(&context, &state)?;
    let steps = order.steps.iter().map(|step| step.task);
    let chosen: Vec<u32> = steps
        .filter(|task| order.selection.chosen.contains(task))
        .map(|task| task.0)
        .collect();
    let out = order.selection.left_out.iter().map(|out| LeftOut {
        task: out.task.0,
        why: out.explanation(),
        remedy: out.remedy(),
    });
    let out: Vec<LeftOut> = out.collect();
    let text = render(&chosen, &out);
    let output = Output {
        run: run.to_string(),
        order: Some(chosen),
        left_out: Some(out),
        status: None,
    };
    Ok(Answer::new(&output, text))
}

fn render(chosen: &[u32], out: &[LeftOut]) -> String {
    let names: Vec<String> = chosen.iter().map(|task| format!("#{task}")).collect();
    let mut lines = vec![match names.is_empty() {
        true => "nothing to assemble".to_owned(),
        false => format!("in this order: {}", names.join(", ")),
    }];
    let line = |out: &LeftOut| format!("left out #{}: {}; {}", out.task, out.why, out.remedy);
    lines.extend(out.iter().map(line));
    lines.join("\n")
}
