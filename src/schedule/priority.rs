//! Orders ready tasks: the one with the longest chain of dependents first.

use crate::model::ids::TaskNumber;
use crate::model::plan::Plan;

/// Returns the length of the longest chain of dependents that starts with each task.
pub fn path_lengths(plan: &Plan) -> Vec<u32> {
    let mut waiting: Vec<usize> = vec![0; plan.tasks().len()];
    for dependency in plan.tasks().iter().flat_map(|task| &task.depends_on) {
        waiting[dependency.index()] += 1;
    }
    // Kahn's algorithm from the tasks without dependents back to the roots.
    let mut lengths = vec![1; plan.tasks().len()];
    let mut open: Vec<TaskNumber> = plan
        .tasks()
        .iter()
        .map(|task| task.number)
        .filter(|n| waiting[n.index()] == 0)
        .collect();
    while let Some(number) = open.pop() {
        for dependency in &plan.task(number).depends_on {
            let longer = lengths[number.index()] + 1;
            lengths[dependency.index()] = lengths[dependency.index()].max(longer);
            waiting[dependency.index()] -= 1;
            if waiting[dependency.index()] == 0 {
                open.push(*dependency);
            }
        }
    }
    lengths
}

/// Returns the plan with these tasks before all others, in this order.
pub fn with_order(plan: Plan, order: &[TaskNumber]) -> Plan {
    let highest = plan
        .tasks()
        .iter()
        .map(|task| task.fields.priority)
        .max()
        .unwrap_or(0);
    let rank = |number: TaskNumber| {
        let place = order.iter().position(|wanted| *wanted == number)?;
        Some(highest.saturating_add((order.len() - place) as i32))
    };
    plan.with_priorities(rank)
}
