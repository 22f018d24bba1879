//! What the commits of an assembly say.

use crate::base::text::one_line;
use crate::engine::assemble::Step;
use crate::engine::kernel::context::Context;
use crate::model::resolution::Resolution;
use crate::model::run::RunState;

/// The message of the commit that brings a task in.
pub(crate) fn message(context: &Context, state: &RunState, step: &Step) -> String {
    let number = step.task;
    let task = context.plan.task(number);
    let summary = state
        .task(number)
        .last_outcome()
        .and_then(|o| o.report.summary.clone());
    let attempt = state
        .task(number)
        .deciding_attempt()
        .map_or(1, |attempt| attempt.number);
    let body = match summary.as_deref().map(str::trim) {
        Some(text) if !text.is_empty() && text != task.title => format!("{text}\n\n"),
        _ => String::new(),
    };
    format!(
        "Merge {number} {}: {}\n\n{body}{}{}{}",
        task.tag,
        task.title,
        settled_paragraph(&step.resolved),
        context.trailers(number, attempt),
        settled_trailers(&step.resolved),
    )
}

/// What was in conflict and what settled it, for people.
pub(crate) fn settled_paragraph(resolved: &[Resolution]) -> String {
    if resolved.is_empty() {
        return String::new();
    }
    let lines = resolved.iter().map(|resolution| {
        let paths: Vec<String> = resolution.paths.iter().map(ToString::to_string).collect();
        let (class, by) = (resolution.class, &resolution.by);
        format!("* {} ({class}): {by}\n", one_line(&paths.join(", ")))
    });
    format!(
        "Conflicts settled while assembling:\n\n{}\n",
        lines.collect::<String>()
    )
}

/// The same for programs, one trailer a conflict.
pub(crate) fn settled_trailers(resolved: &[Resolution]) -> String {
    let lines = resolved.iter().map(|resolution| {
        let paths: Vec<String> = resolution.paths.iter().map(ToString::to_string).collect();
        let rung = resolution.by.rung().word();
        format!(
            "Dispatch-Resolved: {rung} {}\n",
            one_line(&paths.join(", "))
        )
    });
    lines.collect()
}
