//! The details of the selected task.

use jiff::Timestamp;
use ratatui::text::{Line, Span};

use crate::base::table::wrap_to_width;
use crate::model::outcome::End;
use crate::model::task_list::comma_list;
use crate::report::board::text::left_out_reason;
use crate::report::task_facts::TaskFacts;
use crate::report::timeline::{SpanKind, Timeline};
use crate::report::words::second;
use crate::tui::draw::cell::safe;
use crate::tui::draw::list::{cost, elapsed};
use crate::tui::state::State;
use crate::tui::theme::Theme;
use crate::tui::view::RunView;

/// The width of the names of facts.
const NAME: usize = 12;

/// Returns the lines about the selected task.
pub(super) fn lines(
    state: &State,
    view: &RunView,
    now: Timestamp,
    width: usize,
    theme: Theme,
) -> Vec<Line<'static>> {
    let row = state.selected;
    let Some(row) = row.and_then(|number| view.board.tasks.get(number.index())) else {
        return vec![Line::styled("no task is selected", theme.faint())];
    };
    let number = row.number;
    let facts = TaskFacts::new(&view.state, number, now);
    let mut lines = Vec::new();
    let mut fact = |name: &str, value: &str, style| {
        let room = width.saturating_sub(NAME + 1).max(8);
        for (at, part) in wrap_to_width(value, room).into_iter().enumerate() {
            let name = if at == 0 { name } else { "" };
            lines.push(Line::from(vec![
                Span::styled(format!("{name:<NAME$} "), theme.faint()),
                Span::styled(part, style),
            ]));
        }
    };
    let plain = ratatui::style::Style::new();
    fact("status", &row.status.to_string(), theme.status(&row.status));
    if let Some(waits) = facts.waits_for.as_deref() {
        fact("waits for", waits, plain);
    }
    if !row.note.is_empty() {
        fact("note", &safe(&row.note), plain);
    }
    if let Some(worker) = &row.worker_name {
        fact("worker", &safe(worker), plain);
    }
    let cost = [
        cost(&facts),
        row.spending
            .and_then(|s| s.usage)
            .map_or_else(String::new, |u| u.to_string()),
    ];
    let cost = cost.into_iter().filter(|part| !part.is_empty());
    let cost: Vec<String> = cost.collect();
    for (name, value) in [
        ("time", elapsed(&facts)),
        ("attempts", row.attempts.to_string()),
        (
            "changes",
            facts.stat.map_or_else(String::new, |stat| stat.to_string()),
        ),
        ("cost", cost.join(", ")),
        (
            "after",
            comma_list(&view.state.plan.task(number).depends_on),
        ),
        (
            "before",
            comma_list(
                &view
                    .state
                    .plan
                    .dependents(number)
                    .map(|task| task.number)
                    .collect::<Vec<_>>(),
            ),
        ),
        (
            "branch",
            row.branch.as_deref().map_or_else(String::new, safe),
        ),
        (
            "worktree",
            row.worktree.as_deref().map_or_else(String::new, safe),
        ),
    ] {
        if !value.is_empty() && value != "0" {
            fact(name, &value, plain);
        }
    }
    for (name, tasks) in [
        ("conflicts", &facts.conflicts),
        ("in progress", &facts.conflicts_now),
    ] {
        if !tasks.is_empty() {
            let words = format!(
                "{} with {}",
                if name == "conflicts" {
                    "its result conflicts"
                } else {
                    "its uncommitted work conflicts"
                },
                comma_list(tasks)
            );
            fact("conflicts", &words, theme.warning());
        }
    }
    if let crate::model::task_change::Placement::LeftOut(out) = view.state.placement(number) {
        fact("left out", &left_out_reason(out), theme.warning());
    }
    lines.extend(attempts(view, number, now, width, theme));
    lines
}

/// Lists the attempts with their outcome.
fn attempts(
    view: &RunView,
    number: crate::model::ids::TaskNumber,
    now: Timestamp,
    width: usize,
    theme: Theme,
) -> Vec<Line<'static>> {
    let timeline = Timeline::new(&view.state, now);
    let Some(row) = timeline.rows.get(number.index()) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for span in &row.spans {
        let Some((attempt, worker)) = &span.attempt else {
            continue;
        };
        let took = span.to.duration_since(span.from).try_into();
        let took = crate::base::clock::render_elapsed(took.unwrap_or_default());
        let known = view.state.task(number).attempts.iter();
        let outcome = known
            .filter(|known| known.number == *attempt)
            .find_map(|known| known.outcome.as_ref());
        let why = match outcome.map(|outcome| &outcome.end) {
            Some(End::Failed(failure)) => format!(": {} ({})", failure.message, failure.words()),
            Some(End::Passed { .. }) => {
                let report = outcome.and_then(|outcome| outcome.report.summary.clone());
                report.map_or_else(String::new, |summary| format!(": {summary}"))
            }
            _ => String::new(),
        };
        if lines.is_empty() {
            lines.push(Line::default());
        }
        let text = format!(
            "attempt {attempt}  {}  {took}  {}  since {}{}",
            span.kind.word(),
            safe(worker),
            second(span.from),
            safe(&why)
        );
        let style = match span.kind {
            SpanKind::Failed => theme.span(SpanKind::Failed),
            _ => ratatui::style::Style::new(),
        };
        for part in wrap_to_width(&text, width.max(8)) {
            lines.push(Line::styled(part, style));
        }
        let checks = outcome.iter().flat_map(|outcome| &outcome.checks);
        for check in checks {
            let words = format!("  check {}: {}", check.command, check.result.word());
            lines.push(Line::styled(safe(&words), theme.faint()));
        }
    }
    lines
}
