//! Renders the prompt of an attempt.

use crate::config::settings::PromptSettings;
use crate::engine::spec::brief::{Brief, EarlierConflict};
use crate::model::ids::{AttemptNumber, TaskNumber};
use crate::model::plan::Plan;
use crate::model::task_list::and_list;
use crate::worker::prompt::{EarlierWork, PromptInput, check_template, render_prompt};
use crate::worker::template::{Template, TemplateError};

/// The state of the worktree that an attempt starts in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tree {
    /// A clean checkout.
    Clean,
    /// The files that the previous attempt left.
    Reused,
}

/// Renders the prompt of an attempt. `sides` shows both sides of an earlier conflict.
///
/// # Errors
/// When the template is invalid.
pub fn render(
    settings: &PromptSettings,
    plan: &Plan,
    (number, attempt): (TaskNumber, AttemptNumber),
    brief: &Brief,
    tree: Tree,
    sides: Option<&str>,
) -> Result<String, TemplateError> {
    let mut task = plan.task(number).clone();
    if let Some(rewritten) = &brief.rewritten_prompt {
        task.prompt.clone_from(rewritten);
    }
    let conflict = brief.conflict.as_ref();
    let input = PromptInput {
        neighbours: brief.neighbours.clone(),
        results: brief.results.clone(),
        conflict: conflict.map(|conflict| render_conflict(conflict, sides)),
        previous_failure: brief.previous_failure.clone(),
        earlier_work: match tree {
            Tree::Clean => brief.earlier_work.clone(),
            Tree::Reused => EarlierWork::InPlace,
        },
        extra: brief.extra.clone(),
        attempt,
        ..PromptInput::bare(&task, plan.context())
    };
    render_prompt(template(settings), &input)
}

/// Renders the prompt of an attempt that continues the session of the last one: the agent knows its
/// task. A further turn is nothing but the messages it is for.
pub fn render_continuation(brief: &Brief) -> String {
    if let Some(messages) = &brief.turn {
        return format!("{messages}\n");
    }
    let failure = brief.previous_failure.as_ref();
    let failure = failure.map(|failure| format!("Your last attempt failed: {failure}"));
    let parts = [
        Some("Continue your task. The working directory is as you left it.".to_owned()),
        failure,
        brief.extra.clone(),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("{}\n", parts.join("\n\n"))
}

/// Checks the user's template against every task of a plan.
///
/// # Errors
/// The first mistake in it.
pub fn check(settings: &PromptSettings, plan: &Plan) -> Result<(), TemplateError> {
    let Some(template) = template(settings) else {
        return Ok(());
    };
    let mut tasks = plan.tasks().iter();
    tasks.try_for_each(|task| check_template(template, task))
}

fn template(settings: &PromptSettings) -> Option<Template<'_>> {
    let file = settings.template.as_deref()?;
    let text = settings.template_text.as_deref()?;
    Some(Template { file, text })
}

fn render_conflict(conflict: &EarlierConflict, sides: Option<&str>) -> String {
    let others = match and_list(&conflict.with) {
        others if others.is_empty() => "the other results together".to_owned(),
        others => others,
    };
    let place = match conflict.paths.join(", ") {
        paths if paths.is_empty() => String::new(),
        paths => format!(" in {paths}"),
    };
    let sides = sides.map_or(String::new(), |sides| format!("\n{sides}"));
    format!(
        "Your earlier change conflicted with {others}{place}. Their results are now in the commit \
         you start from: make your change on top of them, and keep what both were meant to do.{sides}",
    )
}
