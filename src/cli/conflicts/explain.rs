//! Renders one pair in full, for `dispatch conflicts --explain`.

use std::fmt::Write as _;

use crate::base::text::terminal_safe;
use crate::cli::conflicts::subject::Subject;
use crate::conflicts::hunks::hunks;
use crate::conflicts::{Explanation, FileVersions};
use crate::merge::class::Class;
use crate::merge::rule::Rule;
use crate::merge::verdict::{Hunk, LineRange, PairVerdict, Unit, Verdict};
use crate::ui::diff::{line_diff, word_diff};

/// The most lines of one side of a hunk.
const LINES_SHOWN: usize = 40;

/// Renders the verdict, the hunks, and the command that reproduces them.
pub(super) fn render(
    subject: &Subject,
    (a, b): (usize, usize),
    explanation: &Explanation,
    suggested: &str,
) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_verdict(&mut text, subject, (a, b), (explanation, suggested));
    let sides = [subject.label(a), subject.label(b)];
    let units = explanation.verdict.iter().flat_map(|pair| &pair.units);
    let units: Vec<&Unit> = units.collect();
    for file in &explanation.files {
        let unit = units.iter().find(|unit| unit.paths.contains(&file.path));
        let _ = write_file(&mut text, file, unit.copied(), &sides);
    }
    if !explanation.messages.is_empty() {
        text.push_str("\nMessages of git\n");
        for message in &explanation.messages {
            let _ = writeln!(text, "  {}", terminal_safe(message));
        }
    }
    let (tip_a, tip_b) = (subject.branches[a].tip, subject.branches[b].tip);
    let command = match &explanation.verdict {
        Some(pair) => explanation.reproduction.command_for(pair, tip_a, tip_b),
        None => explanation.reproduction.command(tip_a, tip_b),
    };
    let _ = write!(text, "\nReproduce\n  {command}\n");
    text
}

fn write_verdict(
    to: &mut String,
    subject: &Subject,
    (a, b): (usize, usize),
    (explanation, suggested): (&Explanation, &str),
) -> std::fmt::Result {
    let title = format!("{} × {}", subject.label(a), subject.label(b));
    match &explanation.verdict {
        None => writeln!(to, "{title}: independent")?,
        Some(pair) => {
            let severity = severity_word(pair.severity);
            let verdict = match pair.verdict {
                Verdict::Clean => "clean",
                Verdict::Conflict => "conflict",
                Verdict::EngineFailure => "engine failure",
            };
            let class = pair.class;
            writeln!(to, "{title}: {verdict}, {class}, severity {severity}")?;
            if let Some(why) = pair.counts_though_merged() {
                writeln!(to, "It counts as a conflict: {why}")?;
            }
            writeln!(to, "Suggested: {suggested}")?;
            write_policy(to, pair)?;
        }
    }
    writeln!(to)?;
    for (place, tree) in [(a, explanation.trees[0]), (b, explanation.trees[1])] {
        let branch = &subject.branches[place];
        writeln!(to, "  branch  {}", terminal_safe(&branch.name))?;
        writeln!(to, "          commit {}", branch.tip)?;
        writeln!(to, "          tree   {tree}")?;
    }
    for (base, tree) in &explanation.bases {
        writeln!(to, "  base    commit {base}")?;
        writeln!(to, "          tree   {tree}")?;
    }
    if explanation.bases.is_empty() {
        writeln!(to, "  base    none: unrelated histories")?;
    }
    match explanation.verdict.as_ref().and_then(|pair| pair.tree) {
        Some(tree) => writeln!(to, "  merged  tree   {tree}"),
        None => Ok(()),
    }
}

/// Writes the rules of `[resolve] policy` that can resolve the pair.
fn write_policy(to: &mut String, pair: &PairVerdict) -> std::fmt::Result {
    let conflicts = pair.units.iter().filter(|unit| unit.class.is_conflict());
    let rules: Vec<Vec<Rule>> = conflicts.map(Unit::rules).collect();
    if rules.is_empty() {
        return Ok(());
    }
    if rules.iter().any(Vec::is_empty) {
        return writeln!(to, "Policy: no rule resolves it");
    }
    let mut rules = rules.concat();
    rules.sort();
    rules.dedup();
    let rules: Vec<&str> = rules.into_iter().map(Rule::name).collect();
    writeln!(
        to,
        "Policy: resolved by {} if `[resolve] policy` allows it",
        rules.join(", ")
    )
}

/// Renders a severity as `3 (semantic risk)`.
fn severity_word(severity: u8) -> String {
    let word = match severity {
        0 => "none",
        1 => "trivial",
        2 => "mechanical",
        3 => "semantic risk",
        4 => "structural",
        _ => "blocked",
    };
    format!("{severity} ({word})")
}

fn write_file(
    to: &mut String,
    file: &FileVersions,
    unit: Option<&Unit>,
    sides: &[String; 2],
) -> std::fmt::Result {
    let path = terminal_safe(&file.path.to_string());
    match unit {
        Some(unit) => writeln!(to, "\n{path}: {}", unit.class)?,
        None => writeln!(to, "\n{path}")?,
    }
    if unit.is_some_and(|unit| matches!(unit.class, Class::Symlink | Class::Submodule)) {
        return write_pointers(to, file, sides);
    }
    let contents = [&file.base, &file.a, &file.b];
    if contents.into_iter().flatten().any(|text| text.contains(&0)) {
        return writeln!(to, "  binary content: {}", sizes(file, sides));
    }
    match (&file.a, &file.b) {
        (Some(a), Some(b)) => write_hunks(to, file, (a, b), sides),
        (Some(side), None) => write_one_sided(to, file, side, &sides[0], &sides[1]),
        (None, Some(side)) => write_one_sided(to, file, side, &sides[1], &sides[0]),
        (None, None) => writeln!(to, "  only the base has this path"),
    }
}

/// Writes the targets of links, or the commits of submodules.
fn write_pointers(to: &mut String, file: &FileVersions, sides: &[String; 2]) -> std::fmt::Result {
    let parts = [
        ("base", &file.base),
        (sides[0].as_str(), &file.a),
        (sides[1].as_str(), &file.b),
    ];
    for (name, content) in parts {
        match content {
            Some(content) => {
                let target = String::from_utf8_lossy(content);
                writeln!(to, "  {name}: {}", terminal_safe(target.trim_end()))?;
            }
            None => writeln!(to, "  {name}: nothing")?,
        }
    }
    Ok(())
}

fn sizes(file: &FileVersions, sides: &[String; 2]) -> String {
    let size = |name: &str, text: &Option<Vec<u8>>| match text {
        Some(text) => format!("{name} {} bytes", text.len()),
        None => format!("{name}: no such file"),
    };
    let parts = [
        size("base", &file.base),
        size(&sides[0], &file.a),
        size(&sides[1], &file.b),
    ];
    parts.join(", ")
}

fn write_one_sided(
    to: &mut String,
    file: &FileVersions,
    content: &[u8],
    side: &str,
    other: &str,
) -> std::fmt::Result {
    let Some(base) = &file.base else {
        return writeln!(
            to,
            "  {side} adds it; {other} has something else at this path"
        );
    };
    writeln!(to, "  {other} deletes it; the changes of {side}:")?;
    let lines = line_diff(
        &String::from_utf8_lossy(base),
        &String::from_utf8_lossy(content),
    );
    if lines.is_empty() {
        return writeln!(to, "    none to its content");
    }
    write_lines(to, &lines)
}

fn write_hunks(
    to: &mut String,
    file: &FileVersions,
    (a, b): (&[u8], &[u8]),
    sides: &[String; 2],
) -> std::fmt::Result {
    let empty = Vec::new();
    let base = file.base.as_ref().unwrap_or(&empty);
    let found = hunks(&file.path, base, a, b);
    if found.is_empty() {
        return writeln!(to, "  the lines merge; modes or names conflict");
    }
    let count = found.len();
    for (place, hunk) in found.iter().enumerate() {
        let (class, severity) = (hunk.class, severity_word(hunk.class.severity()));
        let place = place + 1;
        writeln!(
            to,
            "  hunk {place} of {count}: {class}, severity {severity}"
        )?;
        write_hunk(to, hunk, [base, a, b], sides)?;
    }
    Ok(())
}

fn write_hunk(
    to: &mut String,
    hunk: &Hunk,
    [base, a, b]: [&[u8]; 3],
    sides: &[String; 2],
) -> std::fmt::Result {
    let before = lines_of(base, hunk.base);
    writeln!(to, "  base {}", range(hunk.base))?;
    let plain = word_diff(&before, &before);
    write_lines(to, &plain)?;
    for (side, content, place) in [(&sides[0], a, hunk.a), (&sides[1], b, hunk.b)] {
        writeln!(to, "  {side} {}", range(place))?;
        write_lines(to, &word_diff(&before, &lines_of(content, place)))?;
    }
    Ok(())
}

fn write_lines(to: &mut String, lines: &[String]) -> std::fmt::Result {
    for line in lines.iter().take(LINES_SHOWN) {
        writeln!(to, "    | {line}")?;
    }
    match lines.len().saturating_sub(LINES_SHOWN) {
        0 => Ok(()),
        more => writeln!(to, "    … {}", crate::base::text::plural(more, "more line")),
    }
}

fn lines_of(text: &[u8], range: LineRange) -> String {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let first = range.start.saturating_sub(1) as usize;
    let lines: Vec<&[u8]> = lines.skip(first).take(range.count as usize).collect();
    String::from_utf8_lossy(&lines.concat()).into_owned()
}

/// Renders a range as `lines 3–5`, `line 3` or `before line 3`.
fn range(range: LineRange) -> String {
    match range.count {
        0 => format!("before line {}", range.start),
        1 => format!("line {}", range.start),
        count => format!("lines {}–{}", range.start, range.start + count - 1),
    }
}
