//! What will not go in as far as can be told without merging: why, and what would bring it in.

use std::collections::BTreeMap;

use crate::assembly::order::Order;
use crate::model::ids::TaskNumber;
use crate::model::task_list::{and_list, comma_list, together_with};

/// A task that will not go in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Foreseen {
    /// The task.
    pub task: TaskNumber,
    /// Why not.
    pub cause: Cause,
}

/// Why a task will not go in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// It conflicts with chosen tasks.
    Conflict {
        /// Those tasks.
        with: Vec<TaskNumber>,
        /// What would have to stay out for it: those, and what was built on them.
        instead_of: Vec<TaskNumber>,
    },
    /// It was built on a task that does not go in.
    BuiltOn(TaskNumber),
    /// A person left it out.
    Person,
    /// A check failed with it when these very results were put together last.
    FailedChecks(Failing),
}

/// A check that failed on a set of candidates, and on no smaller one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failing {
    /// The check.
    pub command: String,
    /// It was killed by its time limit.
    pub timed_out: bool,
    /// The set: the last of these in assembled order is left out.
    pub tasks: Vec<TaskNumber>,
}

impl Foreseen {
    /// Why it stays out.
    pub fn why(&self) -> String {
        match &self.cause {
            Cause::Conflict { with, .. } => format!("conflicts with {}", and_list(with)),
            Cause::BuiltOn(task) => format!("built on {task}, which is left out"),
            Cause::Person => "left out by a person".to_owned(),
            Cause::FailedChecks(failing) => {
                let how = together_with(&failing.without(self.task));
                let fails = if failing.timed_out {
                    "times out"
                } else {
                    "fails"
                };
                format!(
                    "`{}` {fails} with it {how}, as was found out before",
                    failing.command
                )
            }
        }
    }

    /// What would bring it in.
    pub fn remedy(&self) -> String {
        match &self.cause {
            Cause::Conflict { with, instead_of } => format!(
                "comes in when it is dispatched again on top of {}, or in place of {} (--order {})",
                comma_list(with),
                comma_list(instead_of),
                self.task.0
            ),
            Cause::BuiltOn(task) => format!("comes in with {task}"),
            Cause::Person => "comes in when it is no longer left out".to_owned(),
            Cause::FailedChecks(failing) => match failing.without(self.task).as_slice() {
                [] => "comes in with another result, or when everything is checked again \
                       (--recheck)"
                    .to_owned(),
                with => format!(
                    "comes in with another result, or in place of {} (--leave-out {})",
                    comma_list(with),
                    with[0].0
                ),
            },
        }
    }
}

impl Failing {
    fn without(&self, task: TaskNumber) -> Vec<TaskNumber> {
        let others = self.tasks.iter().copied();
        others.filter(|other| *other != task).collect()
    }
}

impl Order {
    /// The same without what is known to fail: of each set that goes in as a whole the task that
    /// comes last, and what was built on it.
    #[must_use]
    pub fn without_failing(
        mut self,
        failing: &[Failing],
        built_on: &BTreeMap<TaskNumber, Vec<TaskNumber>>,
    ) -> Order {
        for set in failing {
            let is_chosen = |task: &TaskNumber| self.choice.chosen.contains(task);
            if set.tasks.is_empty() || !set.tasks.iter().all(is_chosen) {
                continue;
            }
            let mut steps = self.steps.iter().rev().map(|step| step.task);
            let Some(guilty) = steps.find(|task| set.tasks.contains(task)) else {
                continue;
            };
            self.take_out(guilty, Cause::FailedChecks(set.clone()));
            let mut out = vec![guilty];
            while let Some(task) = out.pop() {
                let contains =
                    |other: &&TaskNumber| built_on.get(other).is_some_and(|on| on.contains(&task));
                let more: Vec<TaskNumber> = self
                    .choice
                    .chosen
                    .iter()
                    .filter(contains)
                    .copied()
                    .collect();
                for other in &more {
                    self.take_out(*other, Cause::BuiltOn(guilty));
                }
                out.extend(more);
            }
        }
        self
    }

    fn take_out(&mut self, task: TaskNumber, cause: Cause) {
        self.choice.chosen.remove(&task);
        self.choice.left_out.push(Foreseen { task, cause });
        self.choice.left_out.sort_by_key(|out| out.task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembly::order::assembly_order;
    use crate::assembly::selection::tests::input;

    fn show(text: &str, sets: &[&[u32]]) -> String {
        let input = input(text);
        let tasks = input.tasks.iter();
        let built_on = tasks.map(|task| (task.number, task.depends_on.clone()));
        let built_on = built_on.collect();
        let failing = sets.iter().map(|tasks| Failing {
            command: "make".to_owned(),
            timed_out: false,
            tasks: tasks.iter().copied().map(TaskNumber).collect(),
        });
        let failing: Vec<Failing> = failing.collect();
        let order = assembly_order(&input).without_failing(&failing, &built_on);
        let chosen: Vec<TaskNumber> = order.choice.chosen.into_iter().collect();
        let out = order.choice.left_out.iter();
        let out = out.map(|out| format!("{} {}; {}", out.task, out.why(), out.remedy()));
        let lines: Vec<String> = std::iter::once(comma_list(&chosen)).chain(out).collect();
        lines.join("\n")
    }

    #[test]
    fn of_a_failing_set_the_last_stays_out_with_what_was_built_on_it() {
        insta::assert_snapshot!(show("1 2 3<2 4<3 5", &[&[1, 2]]), @r"
        #1, #5
        #2 `make` fails with it together with #1, as was found out before; comes in with another result, or in place of #1 (--leave-out 1)
        #3 built on #2, which is left out; comes in with #2
        #4 built on #2, which is left out; comes in with #2
        ");
        insta::assert_snapshot!(show("1 2 | | 2", &[&[1, 2], &[2]]), @r"

        #1 `make` fails with it together with #2, as was found out before; comes in with another result, or in place of #2 (--leave-out 2)
        #2 `make` fails with it on its own, as was found out before; comes in with another result, or when everything is checked again (--recheck)
        ");
    }

    #[test]
    fn a_set_that_does_not_go_in_as_a_whole_is_no_obstacle() {
        insta::assert_snapshot!(show("1- 2 3", &[&[1, 2]]), @r"
        #2, #3
        #1 left out by a person; comes in when it is no longer left out
        ");
    }
}
