//! `conflicts`: which results of a run conflict, and what to do about each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Effect, ToolSpec};
use crate::base::text::plural;
use crate::engine::candidates::conflicts::{CandidateComparison, compare_run};
use crate::engine::kernel::context::local_context;
use crate::engine::runs::load::load;
use crate::mcp::answer::Answer;
use crate::mcp::call::Call;
use crate::mcp::error::ToolError;
use crate::merge::change::RepoPath;
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;
use crate::report::conflict_suggestion::suggestion;
use crate::report::suggest;

/// The number of conflicts in an answer unless the call asks for more.
const LIMIT: usize = 20;

/// The most paths of one conflict.
const PATHS: usize = 10;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The run, or a unique beginning of its name. Default: the one this server started last, else
    /// the latest.
    #[serde(default)]
    run: Option<String>,
    /// The most conflicts to list. Default: 20.
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    run: String,
    /// The number of results that were compared.
    candidates: usize,
    pairs: usize,
    /// The worst first.
    conflicts: Vec<ConflictLine>,
    /// The number of conflicts that are not listed.
    more: usize,
    next: String,
}

#[derive(Serialize, JsonSchema)]
struct ConflictLine {
    /// The tasks that conflict: two, or more that merge pair by pair and not together.
    tasks: Vec<u32>,
    /// The class, such as `content` or `add-add`.
    class: String,
    /// From 1 to 5 (blocked).
    severity: u8,
    paths: Vec<String>,
    /// The suggested next step.
    suggested: String,
}

/// Describes the tool.
pub(super) fn spec() -> ToolSpec {
    ToolSpec::new::<Input, Output>(
        ("conflicts", "Show conflicts"),
        "Compares the results of a run with git's own merge engine, and lists which tasks conflict, in \
         which files, how badly, and the suggested next step. Merges nothing.",
        Effect::ReadOnly,
        Action::Read(run),
    )
}

fn run(call: &Call) -> Result<Answer, ToolError> {
    let input: Input = call.arguments()?;
    let here = call.unchanged_repository()?;
    let run = call.find_run(&here, input.run.as_deref())?;
    let loaded = load(&here.store, &run)?;
    let state = loaded.state;
    let context = local_context(&here.repo, &state, loaded.settings, here.clock)?;
    let candidates = state.candidates().len();
    let mut all = match candidates {
        0 | 1 => Vec::new(),
        _ => lines(&state, &compare_run(&context, &state)?),
    };
    all.sort_by_key(|line| std::cmp::Reverse(line.severity));
    let limit = input.limit.unwrap_or(LIMIT);
    let more = all.len().saturating_sub(limit);
    all.truncate(limit);
    let output = Output {
        next: match all.is_empty() {
            true => "nothing to resolve".to_owned(),
            false => format!(
                "tell the user; `{}` resolves one by hand, assemble with `order` or `leave_out` \
                 decides",
                suggest::review(&run)
            ),
        },
        run: run.to_string(),
        candidates,
        pairs: candidates * candidates.saturating_sub(1) / 2,
        conflicts: all,
        more,
    };
    let text = output.render();
    Ok(Answer::new(&output, text))
}

fn lines(state: &RunState, found: &CandidateComparison) -> Vec<ConflictLine> {
    let tasks: Vec<u32> = state.candidates().iter().map(|(task, _)| task.0).collect();
    let pairs = found
        .conflicts
        .iter()
        .filter(|pair| pair.class.is_conflict());
    let pairs = pairs.map(|pair| pair_line(state, pair));
    let together = found
        .multiway
        .conflicts
        .iter()
        .map(|conflict| ConflictLine {
            tasks: conflict
                .branches
                .iter()
                .map(|branch| tasks[*branch])
                .collect(),
            class: conflict.class.name().to_owned(),
            severity: conflict.class.severity(),
            paths: shown(&conflict.paths),
            suggested: "re-dispatch the last on top of the others".to_owned(),
        });
    pairs.chain(together).collect()
}

fn pair_line(state: &RunState, pair: &TaskConflict) -> ConflictLine {
    let units = pair.units.iter().filter(|unit| unit.class.is_conflict());
    let paths: Vec<RepoPath> = units.flat_map(|unit| unit.paths.clone()).collect();
    ConflictLine {
        tasks: vec![pair.a.0, pair.b.0],
        class: pair.class.name().to_owned(),
        severity: pair.severity,
        paths: shown(&paths),
        suggested: suggestion(state, pair),
    }
}

fn shown(paths: &[RepoPath]) -> Vec<String> {
    let mut shown: Vec<String> = paths.iter().take(PATHS).map(ToString::to_string).collect();
    if paths.len() > PATHS {
        shown.push(format!("+{}", paths.len() - PATHS));
    }
    shown
}

impl Output {
    fn render(&self) -> String {
        let count = self.conflicts.len() + self.more;
        let head = format!(
            "{}: {}, {}, {}",
            self.run,
            plural(self.candidates, "result"),
            plural(self.pairs, "pair"),
            plural(count, "conflict")
        );
        let line = |line: &ConflictLine| {
            let tasks: Vec<String> = line.tasks.iter().map(|task| format!("#{task}")).collect();
            format!(
                "{} {} (severity {}) in {}: {}",
                tasks.join(" × "),
                line.class,
                line.severity,
                line.paths.join(", "),
                line.suggested
            )
        };
        let mut lines = vec![head];
        lines.extend(self.conflicts.iter().map(line));
        if self.more > 0 {
            lines.push(format!("{} more: pass a larger `limit`", self.more));
        }
        lines.push(format!("next: {}", self.next));
        lines.join("\n")
    }
}
