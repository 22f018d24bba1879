//! Lists what a landing includes, and what it leaves out.

use crate::model::ids::TaskNumber;
use crate::model::outcome::Outcome;
use crate::model::run::RunState;
use crate::model::status::Status;
use crate::model::task_change::Placement;
use crate::report::board::text::left_out_reason;

/// Lists the tasks whose candidates are assembled, in the order of assembly.
pub fn included(state: &RunState) -> impl Iterator<Item = TaskNumber> + '_ {
    let merged = state.integration.iter().flat_map(|found| &found.merged);
    merged.map(|merged| merged.task)
}

/// Lists the tasks that are not included, each with the reason. A task that passed and changed
/// nothing is not among them.
pub fn not_included(state: &RunState) -> Vec<(TaskNumber, String)> {
    let numbers = state.plan.tasks().iter().map(|task| task.number);
    let missing = numbers.filter(|number| included(state).all(|other| other != *number));
    missing
        .filter_map(|number| Some((number, why_not_included(state, number)?)))
        .collect()
}

/// Lists the work of passed tasks that their results do not contain, as remarks.
pub fn left_behind(state: &RunState) -> Vec<(TaskNumber, &str)> {
    remarks(state, |outcome| &outcome.left_behind)
}

/// Lists the lines with a secret in the results that are included, as remarks.
pub fn secrets(state: &RunState) -> Vec<(TaskNumber, &str)> {
    let mut secrets = remarks(state, |outcome| &outcome.secrets);
    secrets.retain(|(number, _)| included(state).any(|landing| landing == *number));
    secrets
}

/// Lists the lines with a secret in all that the attempts of a run committed, as remarks with the task.
pub fn secrets_in_files(state: &RunState) -> Vec<String> {
    let tasks = state.plan.tasks().iter().map(|task| task.number);
    let secrets = tasks.flat_map(|number| {
        let attempts = state.task(number).attempts.iter();
        let outcomes = attempts.filter_map(|attempt| attempt.outcome.as_ref());
        let secrets = outcomes.flat_map(|outcome| &outcome.secrets);
        secrets.map(move |secret| format!("{number}: {secret}"))
    });
    let mut found: Vec<String> = Vec::new();
    for secret in secrets {
        if !found.contains(&secret) {
            found.push(secret);
        }
    }
    found
}

fn remarks(state: &RunState, of: impl Fn(&Outcome) -> &Vec<String>) -> Vec<(TaskNumber, &str)> {
    let numbers = state.plan.tasks().iter().map(|task| task.number);
    let passed = numbers.filter(|number| state.status(*number) == Status::Done);
    let remarks = passed.flat_map(|number| {
        let remarks = state.task(number).outcome().into_iter().flat_map(&of);
        remarks.map(move |remark| (number, remark.as_str()))
    });
    remarks.collect()
}

fn why_not_included(state: &RunState, number: TaskNumber) -> Option<String> {
    let status = state.status(number);
    match (state.task(number).candidate(), status) {
        (None, Status::Done) => None,
        (None, status) => Some(status.to_string()),
        (Some(_), _) => Some(match state.placement(number) {
            Placement::LeftOut(out) => format!("left out, {}", left_out_reason(out)),
            _ => "left out".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use crate::model::fixture::RunFixture;

    use super::*;

    #[test]
    fn every_task_that_does_not_land_has_a_reason() {
        let run = RunFixture::new("a · b · c <- b")
            .begin(1, "shell")
            .pass(1, "made")
            .fail(2, "broken");
        let state = run.state();
        let lines = not_included(&state).into_iter();
        let lines: Vec<String> = lines.map(|(task, why)| format!("{task} {why}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        #1 left out
        #2 FAILED
        #3 BLOCKED (by #2)
        ");
        assert_eq!(included(&state).count(), 0);
    }
}
