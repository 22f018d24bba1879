//! The pairs as a table for people.

use crate::base::table::wrapped_table;
use crate::base::text::terminal_safe;
use crate::cli::conflicts::{EMERGENT, Found, Subject, listed};
use crate::conflicts::MultiwayConflict;
use crate::merge::change::RepoPath;
use crate::merge::verdict::{Class, PairVerdict};

/// How many paths of a unit are shown before `+n`.
const PATHS_SHOWN: usize = 3;

/// One row a unit, in so many columns of a terminal; empty if there is none.
pub(super) fn render(found: &Found, subject: &Subject, columns: usize) -> String {
    let mut rows = rows(found, subject);
    let emergent = found.joint.conflicts.iter();
    rows.extend(emergent.map(|emergent| emergent_row(subject, emergent)));
    render_table(&rows, columns)
}

fn rows(found: &Found, subject: &Subject) -> Vec<[String; 4]> {
    let mut rows = Vec::new();
    for pair in listed(found) {
        let title = format!("{} × {}", subject.label(pair.a), subject.label(pair.b));
        if pair.units.is_empty() {
            rows.push(unitless_row(title, pair));
            continue;
        }
        for (place, unit) in pair.units.iter().enumerate() {
            let title = if place == 0 {
                title.clone()
            } else {
                String::new()
            };
            rows.push(row(title, list_paths(&unit.paths), unit.class));
        }
    }
    rows
}

/// For a pair that meets nowhere, or of which nobody knows where.
fn unitless_row(title: String, pair: &PairVerdict) -> [String; 4] {
    let [title, paths, class, recommended] = row(title, String::new(), pair.class);
    let recommended = match &pair.failure {
        Some(said) => format!("{recommended}: {}", terminal_safe(said)),
        None => recommended,
    };
    [title, paths, class, recommended]
}

fn emergent_row(subject: &Subject, emergent: &MultiwayConflict) -> [String; 4] {
    let places = emergent.branches.iter();
    let names: Vec<String> = places.map(|place| subject.label(*place)).collect();
    let [title, paths, class, _] = row(
        names.join(" × "),
        list_paths(&emergent.paths),
        emergent.class,
    );
    [title, paths, class, EMERGENT.to_owned()]
}

fn row(title: String, paths: String, class: Class) -> [String; 4] {
    let recommended = class.recommended().to_owned();
    [title, paths, class.name().to_owned(), recommended]
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

fn render_table(rows: &[[String; 4]], columns: usize) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head = ["PAIR", "PATH", "CLASS", "RECOMMENDED"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(&head)
        .chain(rows)
        .map(|row| row.clone().map(|cell| cell.replace(['\n', '\t'], " ")))
        .collect();
    wrapped_table(&rows, columns)
}
