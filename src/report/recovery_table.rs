//! Renders the findings of a resume as a table for a terminal.

use std::collections::BTreeMap;

use crate::base::markdown::plain_line;
use crate::base::table::table;
use crate::base::text::plural;
use crate::model::ids::TaskNumber;
use crate::model::recovery::{Finding, FindingKind};
use crate::model::task_list::comma_list;

/// The maximum number of tasks listed in a row; more are counted.
const LISTED: usize = 12;

/// Renders one row for every kind of finding: tasks, finding, action.
pub fn render(found: &[Finding], columns: usize) -> String {
    let mut kinds: BTreeMap<(FindingKind, &str), Vec<TaskNumber>> = BTreeMap::new();
    for one in found {
        let tasks = kinds.entry((one.kind, &one.name)).or_default();
        tasks.extend(one.task);
    }
    let header = ["Tasks", "Found", "Action"].map(str::to_owned);
    let rows = kinds.iter().map(|((kind, name), tasks)| {
        let (found, action) = kind.description();
        let found = match *name {
            "" => found.to_owned(),
            name => format!("{found}: {}", plain_line(name, 80)),
        };
        [task_cell(tasks), found, action.to_owned()]
    });
    let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
    table(&rows, columns)
}

fn task_cell(tasks: &[TaskNumber]) -> String {
    match tasks.len() {
        0 => "—".to_owned(),
        1..=LISTED => comma_list(tasks),
        many => plural(many, "task"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_that_were_found_alike_share_a_row() {
        let task = |number, what| Finding::of(TaskNumber(number), what);
        let mut found = vec![
            task(1, FindingKind::Done),
            task(2, FindingKind::Alive),
            task(3, FindingKind::Done),
            task(4, FindingKind::Lost),
            Finding::named(FindingKind::StaleLock, "refs/dispatch/runs/checkout-7k3q"),
        ];
        found.extend((5..25).map(|number| task(number, FindingKind::Waiting)));
        insta::assert_snapshot!(render(&found, 100), @r"
        Tasks     Found                                                           Action
        #1, #3    passed                                                          kept
        #2        its worker is running                                           attached
        #4        its worker lost its supervisor                                  killed; its work is kept;…
        20 tasks  not started yet                                                 queued
        —         stale lock of a dead process: refs/dispatch/runs/checkout-7k3q  removed
        ");
    }
}
