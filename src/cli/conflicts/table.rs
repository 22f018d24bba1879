//! Renders the pairs as a table.

use crate::base::table::wrapped_table;
use crate::base::text::terminal_safe;
use crate::cli::conflicts::results::{MULTIWAY_SUGGESTION, Results};
use crate::cli::conflicts::subject::Subject;
use crate::conflicts::MultiwayConflict;
use crate::merge::change::RepoPath;
use crate::merge::class::Class;
use crate::merge::verdict::PairVerdict;

/// The most paths of a unit before `+n`.
const PATHS_SHOWN: usize = 3;

type Row = [String; 4];

/// Renders one row per unit within so many columns; empty if there is none.
pub(super) fn render(results: &Results, subject: &Subject, columns: usize) -> String {
    let mut rows = Vec::new();
    for pair in results.listed() {
        rows.extend(pair_rows(results, subject, pair));
    }
    let multiway = results.multiway.conflicts.iter();
    rows.extend(multiway.map(|conflict| multiway_row(subject, conflict)));
    if rows.is_empty() {
        return String::new();
    }
    let head = ["PAIR", "PATH", "KIND", "SUGGESTED"].map(str::to_owned);
    let rows: Vec<Row> = std::iter::once(head)
        .chain(rows)
        .map(|row| row.map(|cell| cell.replace(['\n', '\t'], " ")))
        .collect();
    wrapped_table(&rows, columns)
}

/// Builds the rows of a pair, one per unit; the first has the suggestion for the pair.
fn pair_rows(results: &Results, subject: &Subject, pair: &PairVerdict) -> Vec<Row> {
    let title = format!("{} × {}", subject.label(pair.a), subject.label(pair.b));
    let suggested = results.suggestion(subject, pair);
    if pair.units.is_empty() {
        let suggested = match &pair.failure {
            Some(message) => format!("{suggested}: {}", terminal_safe(message)),
            None => suggested.to_owned(),
        };
        return vec![row(title, &[], pair.class, suggested)];
    }
    let first = (title, suggested.to_owned());
    let further = std::iter::repeat_with(Default::default);
    let cells = std::iter::once(first).chain(further);
    let rows = pair.units.iter().zip(cells);
    rows.map(|(unit, (title, suggested))| row(title, &unit.paths, unit.class, suggested))
        .collect()
}

fn multiway_row(subject: &Subject, conflict: &MultiwayConflict) -> Row {
    let branches = conflict.branches.iter();
    let names: Vec<String> = branches.map(|branch| subject.label(*branch)).collect();
    let suggested = MULTIWAY_SUGGESTION.to_owned();
    row(
        names.join(" × "),
        &conflict.paths,
        conflict.class,
        suggested,
    )
}

fn row(title: String, paths: &[RepoPath], class: Class, suggested: String) -> Row {
    [title, list_paths(paths), class.name().to_owned(), suggested]
}

fn list_paths(paths: &[RepoPath]) -> String {
    let shown = paths.iter().take(PATHS_SHOWN);
    let shown: Vec<String> = shown.map(|path| terminal_safe(&path.to_string())).collect();
    let mut text = shown.join(", ");
    if paths.len() > PATHS_SHOWN {
        text.push_str(&format!(" +{}", paths.len() - PATHS_SHOWN));
    }
    text
}
