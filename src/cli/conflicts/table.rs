//! The pairs as a table for people.

use crate::base::text::{clip, terminal_safe};
use crate::cli::conflicts::{Found, Subject, listed};
use crate::engine::detect::Emergent;
use crate::model::change::RepoPath;
use crate::model::conflict::Class;

/// How many paths of a unit are shown before `+n`.
const PATHS_SHOWN: usize = 3;
/// Longest text of one column.
const COLUMN_WIDTH: usize = 60;

/// One row a unit; empty if there is none.
pub(super) fn render(found: &Found, subject: &Subject, all: bool) -> String {
    let mut rows = rows(found, subject, all);
    let emergent = found.joint.found.iter();
    rows.extend(emergent.map(|emergent| emergent_row(subject, emergent)));
    render_table(&rows)
}

fn rows(found: &Found, subject: &Subject, all: bool) -> Vec<[String; 4]> {
    let mut rows = Vec::new();
    for pair in listed(&found.detection, all) {
        let title = format!("{} × {}", subject.label(pair.a), subject.label(pair.b));
        if pair.units.is_empty() {
            let said = pair.failure.as_deref().map(terminal_safe);
            rows.push(row(title, said.unwrap_or_default(), pair.class));
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

fn emergent_row(subject: &Subject, emergent: &Emergent) -> [String; 4] {
    let places = emergent.branches.iter();
    let names: Vec<String> = places.map(|place| subject.label(*place)).collect();
    let [title, paths, class, _] = row(
        names.join(" × "),
        list_paths(&emergent.paths),
        emergent.class,
    );
    let recommended = "re-dispatch the last on top of the others".to_owned();
    [title, paths, class, recommended]
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

fn render_table(rows: &[[String; 4]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head = ["PAIR", "PATH", "CLASS", "RECOMMENDED"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(&head)
        .chain(rows)
        .map(|row| {
            row.clone()
                .map(|cell| clip(&cell.replace(['\n', '\t'], " "), COLUMN_WIDTH))
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths = [0, 1, 2].map(|column| width(column).unwrap_or(0));
    let mut text = String::new();
    for [pair, path, class, recommended] in &rows {
        let [a, b, c] = widths;
        let line = format!("{pair:a$}  {path:b$}  {class:c$}  {recommended}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
