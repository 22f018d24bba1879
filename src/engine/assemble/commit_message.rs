//! Messages of the commits of an assembly.

use crate::base::text::one_line;
use crate::engine::assemble::step::Step;
use crate::engine::kernel::context::Context;
use crate::model::resolution::Resolution;
use crate::model::run::RunState;

/// Returns the message of the commit that merges a task, with these trailers before its own.
pub(super) fn merge_message(
    context: &Context,
    state: &RunState,
    step: &Step,
    co_authors: &str,
) -> String {
    let (number, named) = (step.task, context.plan.task(step.task));
    let outcome = state.task(number).outcome();
    let summary = outcome.and_then(|outcome| outcome.report.summary.as_deref());
    let attempt = state.task(number).deciding_attempt();
    let attempt = attempt.map_or(1, |attempt| attempt.number);
    let body = match summary.map(str::trim) {
        Some(text) if !text.is_empty() && text != named.title => format!("{text}\n\n"),
        _ => String::new(),
    };
    format!(
        "Merge {number} {}: {}\n\n{body}{}{co_authors}{}{}",
        named.tag,
        named.title,
        resolutions_paragraph(&step.resolved),
        context.trailers(number, attempt),
        resolution_trailers(&step.resolved),
    )
}

/// Lists resolved conflicts as a paragraph of a commit message.
pub(crate) fn resolutions_paragraph(resolved: &[Resolution]) -> String {
    if resolved.is_empty() {
        return String::new();
    }
    let lines = resolved.iter().map(|resolution| {
        let (class, by) = (resolution.class, &resolution.by);
        format!("* {} ({class}): {by}\n", paths(resolution))
    });
    let lines: String = lines.collect();
    format!("Conflicts resolved while assembling:\n\n{lines}\n")
}

/// Renders resolved conflicts as trailers, one per conflict.
pub(crate) fn resolution_trailers(resolved: &[Resolution]) -> String {
    let lines = resolved.iter().map(|resolution| {
        let strategy = resolution.by.strategy().name();
        format!("Dispatch-Resolved: {strategy} {}\n", paths(resolution))
    });
    lines.collect()
}

fn paths(resolution: &Resolution) -> String {
    let paths: Vec<String> = resolution.paths.iter().map(ToString::to_string).collect();
    one_line(&paths.join(", "))
}
