//! Decides which tasks run in the background.

use std::time::Duration;

use crate::model::ids::TaskNumber;
use crate::model::plan::{Plan, Produces, Strategy, Task};

/// The expected time above which an `auto` task runs in the background.
const LONG: Duration = Duration::from_secs(120);

/// The number of tasks from which `auto` tasks run in the background.
const MANY: usize = 5;

/// Returns the tasks that run in the background, in plan order.
///
/// The strategy of a task is `agent` (foreground, the default), `task` (background) or `auto`. For
/// `auto` the first matching row decides: a foreground task depends on it → agent; expected to take
/// over two minutes → task; produces information → agent; two to four tasks in the plan → agent;
/// more → task; the terminal is to be kept free → task.
pub fn background(plan: &Plan, keep_terminal_free: bool) -> Vec<TaskNumber> {
    let in_background = |task: &&Task| match task.fields.strategy.unwrap_or(Strategy::Agent) {
        Strategy::Agent => false,
        Strategy::Task => true,
        Strategy::Auto => is_for_background(plan, task, keep_terminal_free),
    };
    plan.tasks()
        .iter()
        .filter(in_background)
        .map(|task| task.number)
        .collect()
}

/// Fills in the strategy of every task that leaves it open, by the same table. `agent`, the default,
/// is not written out.
#[must_use]
pub fn with_strategies(plan: Plan, keep_terminal_free: bool) -> Plan {
    let is_open = |task: &Task| matches!(task.fields.strategy, None | Some(Strategy::Auto));
    let auto = plan.with_strategy(|task| match is_open(task) {
        true => Some(Strategy::Auto),
        false => task.fields.strategy,
    });
    let mut needed = vec![false; auto.tasks().len()];
    let mut chosen = vec![None; auto.tasks().len()];
    // Dependents come first, because a task that a foreground task needs is in the foreground.
    for number in dependents_first(&auto) {
        let task = auto.task(number);
        let in_background = match task.fields.strategy {
            Some(Strategy::Task) => true,
            Some(Strategy::Auto) => {
                !needed[number.index()] && is_for_background(&auto, task, keep_terminal_free)
            }
            _ => false,
        };
        chosen[number.index()] = match task.fields.strategy {
            Some(Strategy::Auto) | None => in_background.then_some(Strategy::Task),
            given => given,
        };
        if !in_background {
            let needs = task.depends_on.iter();
            needs.for_each(|dependency| needed[dependency.index()] = true);
        }
    }
    auto.with_strategy(|task| chosen[task.number.index()])
}

/// Lists all tasks, each after the tasks that depend on it.
fn dependents_first(plan: &Plan) -> Vec<TaskNumber> {
    let count = |task: &Task| plan.dependents(task.number).count();
    let mut waiting: Vec<usize> = plan.tasks().iter().map(count).collect();
    let free = plan.tasks().iter().map(|task| task.number);
    let mut order: Vec<TaskNumber> = free.filter(|task| waiting[task.index()] == 0).collect();
    let mut next = 0;
    while let Some(number) = order.get(next).copied() {
        next += 1;
        for dependency in &plan.task(number).depends_on {
            waiting[dependency.index()] -= 1;
            if waiting[dependency.index()] == 0 {
                order.push(*dependency);
            }
        }
    }
    order
}

fn is_for_background(plan: &Plan, task: &Task, keep_terminal_free: bool) -> bool {
    let needed = plan
        .dependents(task.number)
        .any(|other| other.fields.strategy.unwrap_or(Strategy::Agent) == Strategy::Agent);
    if needed {
        return false;
    }
    if task.fields.expected.is_some_and(|expected| expected > LONG) {
        return true;
    }
    if task.fields.produces == Produces::Info {
        return false;
    }
    plan.tasks().len() >= MANY || keep_terminal_free
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::fixture::RunFixture;

    fn chosen(plan: &str, change: impl Fn(&mut Task), free: bool) -> String {
        let count = plan.split(" · ").count() as u32;
        let fixture = (1..=count).fold(RunFixture::new(plan), |fixture, task| {
            fixture.with_task(task, &change)
        });
        let state = fixture.state();
        let numbers = background(&state.plan, free);
        numbers
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn auto(task: &mut Task) {
        task.fields.strategy = Some(Strategy::Auto);
    }

    #[test]
    fn a_task_is_in_the_foreground_unless_it_says_otherwise() {
        assert_eq!(chosen("a · b", |_| {}, true), "");
        assert_eq!(
            chosen(
                "a · b",
                |task| task.fields.strategy = Some(Strategy::Task),
                false
            ),
            "#1 #2"
        );
    }

    #[test]
    fn auto_is_decided_by_the_first_matching_row() {
        let second_is_foreground = |task: &mut Task| {
            if task.title == "a" {
                auto(task);
                task.fields.expected = Some(Duration::from_secs(600));
            }
        };
        assert_eq!(chosen("a · b <- a", second_is_foreground, false), "");
        assert_eq!(chosen("a · b", second_is_foreground, false), "#1");
        assert_eq!(chosen("a · b", auto, false), "");
        assert_eq!(chosen("a · b", auto, true), "#1 #2");
        assert_eq!(chosen("a · b · c · d · e", auto, false), "#1 #2 #3 #4 #5");
        let informs = |task: &mut Task| {
            auto(task);
            task.fields.produces = Produces::Info;
        };
        assert_eq!(chosen("a · b · c · d · e", informs, false), "");
    }

    fn filled(plan: &str, change: impl Fn(&mut Task), free: bool) -> String {
        let count = plan.split(" · ").count() as u32;
        let fixture = (1..=count).fold(RunFixture::new(plan), |fixture, task| {
            fixture.with_task(task, &change)
        });
        let plan = with_strategies(fixture.state().plan.clone(), free);
        let word = |task: &Task| match task.fields.strategy {
            Some(Strategy::Task) => "task",
            Some(_) => "written out",
            None => "agent",
        };
        plan.tasks().iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_strategy_is_filled_in_by_the_same_table() {
        assert_eq!(filled("a · b · c", |_| {}, false), "agent agent agent");
        assert_eq!(filled("a · b · c", |_| {}, true), "task task task");
        assert_eq!(
            filled("a · b · c · d · e", |_| {}, false),
            "task task task task task"
        );
        let slow = |title: &'static str| {
            move |task: &mut Task| {
                if task.title == title {
                    task.fields.expected = Some(Duration::from_secs(600));
                }
            }
        };
        // Another task needs its result at once.
        assert_eq!(
            filled("a · b <- a · c", slow("a"), false),
            "agent agent agent"
        );
        assert_eq!(
            filled("a · b <- a · c", slow("b"), false),
            "agent task agent"
        );
        let given = |task: &mut Task| task.fields.strategy = Some(Strategy::Task);
        assert_eq!(filled("a · b", given, false), "task task");
    }
}
