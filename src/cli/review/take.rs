//! Takes another variant of a task than the chosen one.

use crate::cli::error::CommandError;
use crate::cli::repo_context::find_task;
use crate::model::event::Event;
use crate::model::ids::{TaskNumber, VariantNumber};
use crate::model::run::RunState;
use crate::model::task_state::TaskPhase;
use crate::model::variant_choice::{ChosenBy, VariantChoice};

/// Returns the event for `TASK=VARIANT`.
///
/// # Errors
/// When there is no such task or variant, or it cannot be taken.
pub(super) fn parse_take(state: &RunState, text: &str) -> Result<Event, CommandError> {
    let parts = text.split_once('=');
    let parts = parts.and_then(|(task, variant)| Some((task, variant.trim().parse().ok()?)));
    let Some((task, variant)) = parts else {
        return Err(
            CommandError::usage(format!("invalid value {text:?} for --take"))
                .hint("write a task and the number of its variant, such as --take API=2"),
        );
    };
    take(state, find_task(&state.plan, task)?.number, variant)
}

/// Returns the event that takes a variant.
///
/// # Errors
/// When it cannot be taken.
pub(super) fn take(
    state: &RunState,
    number: TaskNumber,
    variant: VariantNumber,
) -> Result<Event, CommandError> {
    let (run, task) = (&state.run, state.task(number));
    let show = || format!("dispatch show {run} {}", number.0);
    if task.variants.is_none() {
        return Err(CommandError::failed(format!(
            "{number} of {run} has no variants"
        )));
    }
    if !matches!(task.phase, TaskPhase::Done | TaskPhase::Choosing) {
        let message = format!("{number} of {run} has no result yet");
        return Err(CommandError::failed(message).hint(format!("`{}` shows its variants", show())));
    }
    let count = task.variants.as_ref().map_or(0, |set| set.count);
    let is_there = (1..=count).contains(&variant);
    let Some(attempt) = task.passed_attempt_of(variant) else {
        if !is_there {
            let message = format!("{number} has {count} variants, and no variant {variant}");
            return Err(
                CommandError::failed(message).hint(format!("`{}` shows its variants", show()))
            );
        }
        let message = format!("variant {variant} of {number} did not pass");
        return Err(CommandError::failed(message).hint(format!("`{}` shows its variants", show())));
    };
    if chosen(state, number) == Some(variant) {
        let message = format!("variant {variant} of {number} is taken already");
        return Err(CommandError::failed(message));
    }
    let before = task.variant_choice();
    Ok(Event::VariantChosen {
        task: number,
        choice: VariantChoice {
            variant,
            attempt: attempt.number,
            by: ChosenBy::User,
            reason: "taken in review".to_owned(),
            compared: before.map_or(Vec::new(), |choice| choice.compared.clone()),
            judge: None,
        },
    })
}

/// Returns the variant whose candidate is that of the task.
pub(super) fn chosen(state: &RunState, number: TaskNumber) -> Option<VariantNumber> {
    let task = state.task(number);
    task.variant_choice()?;
    task.deciding_attempt()?.variant
}

/// Returns the variants that passed, besides the chosen one.
pub(super) fn others(state: &RunState, number: TaskNumber) -> Vec<VariantNumber> {
    let task = state.task(number);
    let count = task.variants.as_ref().map_or(0, |set| set.count);
    let chosen = chosen(state, number);
    let others = (1..=count).filter(|variant| Some(*variant) != chosen);
    others
        .filter(|variant| task.passed_attempt_of(*variant).is_some())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::error::said;
    use crate::model::fixture::RunFixture;

    #[test]
    fn only_another_variant_that_passed_can_be_taken() {
        let state = || {
            let run = RunFixture::new("a*3 · b")
                .begin_variant(1, 1)
                .pass(1, "one");
            let run = run.begin_variant(1, 2).pass(1, "two").begin_variant(1, 3);
            let run = run.fail(1, "no").choose(1, 1);
            run.event(Event::VariantAccepted {
                task: TaskNumber(1),
            })
            .state()
        };
        let state = state();
        assert_eq!(others(&state, TaskNumber(1)), [2]);
        let say = |text: &str| match parse_take(&state, text) {
            Ok(Event::VariantChosen { choice, .. }) => format!("attempt {}", choice.attempt),
            Ok(_) => "another event".to_owned(),
            Err(error) => said(Err(error)),
        };
        let tries = ["1=2", "t1=1", "1=3", "1=9", "2=1", "1", "1=x", "7=1"];
        let lines: Vec<String> = tries
            .iter()
            .map(|text| format!("{text}: {}", say(text).replace('\n', " / ")))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        1=2: attempt 2
        t1=1: variant 1 of #1 is taken already / 
        1=3: variant 3 of #1 did not pass / `dispatch show checkout-7k3q 1` shows its variants
        1=9: #1 has 3 variants, and no variant 9 / `dispatch show checkout-7k3q 1` shows its variants
        2=1: #2 of checkout-7k3q has no variants / 
        1: invalid value "1" for --take / write a task and the number of its variant, such as --take API=2
        1=x: invalid value "1=x" for --take / write a task and the number of its variant, such as --take API=2
        7=1: the plan has no task "7" / tasks are named by number (1 to 2) or by tag
        "#);
    }
}
