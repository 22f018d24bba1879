//! Renders the figures of several runs for a terminal.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::clock::render_elapsed;
use crate::base::table::wrapped_table;
use crate::base::text::{one_line, plural, wrap_lines};
use crate::report::statistics::{Statistics, WorkerFigures};

/// Renders the figures within this many columns; every line ends in a line end.
pub fn render(figures: &Statistics, columns: usize) -> String {
    let Some(since) = figures.since else {
        return String::new();
    };
    let runs = plural(figures.runs as usize, "run");
    let since = since.strftime("%Y-%m-%d");
    let mut lines = vec![
        format!("{runs} since {since}, {} landed", figures.landed),
        tasks(figures),
        work(figures),
    ];
    lines.extend(cost(figures));
    lines.extend(counts("failed attempts", &figures.failures));
    lines.extend(counts("conflicting pairs", &figures.conflicts));
    if figures.left_out > 0 {
        let results = plural(figures.left_out as usize, "result");
        lines.push(format!("{results} left out of an assembly"));
    }
    let text = wrap_lines(&lines.join("\n"), columns);
    match figures.workers.is_empty() {
        true => format!("{text}\n"),
        false => format!("{text}\n\n{}", workers(&figures.workers, columns)),
    }
}

fn tasks(figures: &Statistics) -> String {
    let tasks = &figures.tasks;
    let parts = [
        (tasks.done, "done"),
        (tasks.failed, "failed"),
        (tasks.blocked, "blocked"),
        (tasks.given_up, "skipped or cancelled"),
        (tasks.unfinished, "unfinished"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    format!(
        "{}: {}",
        plural(tasks.all as usize, "task"),
        parts.join(", ")
    )
}

fn work(figures: &Statistics) -> String {
    let elapsed = |millis| render_elapsed(Duration::from_millis(millis));
    format!(
        "{} of attempts in {}, {} less than one after the other ({})",
        elapsed(figures.attempt_millis),
        elapsed(figures.busy_millis),
        render_elapsed(figures.saved()),
        plural(figures.attempts as usize, "attempt"),
    )
}

/// Renders what workers report; nothing if none does.
fn cost(figures: &Statistics) -> Option<String> {
    let unknown = match figures.unknown_cost {
        0 => String::new(),
        count => format!(", unknown for {}", plural(count as usize, "attempt")),
    };
    (figures.cost > 0.0).then(|| format!("${:.2} reported{unknown}", figures.cost))
}

/// Renders `failed attempts: 3 transient, 1 logic`; nothing without one.
fn counts(what: &str, counts: &BTreeMap<&'static str, u64>) -> Option<String> {
    let mut counts: Vec<(&str, u64)> = counts.iter().map(|(name, n)| (*name, *n)).collect();
    counts.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    let each: Vec<String> = counts
        .iter()
        .map(|(name, n)| format!("{n} {name}"))
        .collect();
    (!each.is_empty()).then(|| format!("{what}: {}", each.join(", ")))
}

fn workers(workers: &BTreeMap<String, WorkerFigures>, columns: usize) -> String {
    let head = [
        "WORKER",
        "TASKS",
        "DONE",
        "FIRST TRY",
        "CONFLICT",
        "ATTEMPTS",
        "WORK",
        "COST",
    ];
    let row = |(name, worker): (&String, &WorkerFigures)| {
        let share = |part: u64| match worker.tasks {
            0 => "—".to_owned(),
            all => format!("{} %", (part * 100 + all / 2) / all),
        };
        let cost = match worker.unknown_cost == worker.attempts {
            true => "—".to_owned(),
            false => format!("${:.2}", worker.cost),
        };
        [
            one_line(name),
            worker.tasks.to_string(),
            share(worker.done),
            share(worker.at_once),
            share(worker.in_conflict),
            worker.attempts.to_string(),
            render_elapsed(Duration::from_millis(worker.work_millis)),
            cost,
        ]
    };
    let rows = std::iter::once(head.map(str::to_owned)).chain(workers.iter().map(row));
    wrapped_table(&rows.collect::<Vec<_>>(), columns)
}
