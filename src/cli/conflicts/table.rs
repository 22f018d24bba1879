//! Renders the pairs as a table.

use crate::base::table::wrapped_table;
use crate::base::text::terminal_safe;
use crate::cli::conflicts::results::{MULTIWAY_RECOMMENDATION, Results};
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
    let head = ["PAIR", "PATH", "CLASS", "RECOMMENDED"].map(str::to_owned);
    let rows: Vec<Row> = std::iter::once(head)
        .chain(rows)
        .map(|row| row.map(|cell| cell.replace(['\n', '\t'], " ")))
        .collect();
    wrapped_table(&rows, columns)
}

/// Builds the rows of a pair. Its recommendation is in the first one; units of another class have
/// their own.
fn pair_rows(results: &Results, subject: &Subject, pair: &PairVerdict) -> Vec<Row> {
    let title = format!("{} × {}", subject.label(pair.a), subject.label(pair.b));
    let recommended = results.recommendation(subject, pair);
    if pair.units.is_empty() {
        let recommended = match &pair.failure {
            Some(message) => format!("{recommended}: {}", terminal_safe(message)),
            None => recommended.to_owned(),
        };
        return vec![row(title, &[], pair.class, recommended)];
    }
    let mut titles = std::iter::once(title).chain(std::iter::repeat(String::new()));
    let units = pair.units.iter().map(|unit| {
        let recommended = match unit.class == pair.class {
            true => recommended,
            false => unit.class.recommended(),
        };
        let title = titles.next().unwrap_or_default();
        row(title, &unit.paths, unit.class, recommended.to_owned())
    });
    units.collect()
}

fn multiway_row(subject: &Subject, conflict: &MultiwayConflict) -> Row {
    let branches = conflict.branches.iter();
    let names: Vec<String> = branches.map(|branch| subject.label(*branch)).collect();
    let recommended = MULTIWAY_RECOMMENDATION.to_owned();
    row(
        names.join(" × "),
        &conflict.paths,
        conflict.class,
        recommended,
    )
}

fn row(title: String, paths: &[RepoPath], class: Class, recommended: String) -> Row {
    [
        title,
        list_paths(paths),
        class.name().to_owned(),
        recommended,
    ]
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
