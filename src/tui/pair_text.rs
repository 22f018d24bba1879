//! One pair of tasks as lines of a pane: ours, base and theirs beside each other where they fit.

use unicode_width::UnicodeWidthStr as _;

use crate::base::text_diff::{self, DiffLine};
use crate::report::pair::{
    FileComparison, HunkVersion, PairFile, PairHunk, PairView, ThreeWay, range_words,
};
use crate::tui::line::{Line, Mark, Piece, piece, wrap};
use crate::tui::patch_text::changed_words;

/// The width from which the three versions are beside each other.
const COLUMNS: usize = 96;

/// The gap between two versions.
const GAP: &str = " │ ";

/// Renders the verdict, every file in conflict, and the command that proves it.
pub(super) fn pair_lines(view: &PairView, columns: usize) -> Vec<Line> {
    let [ours, theirs] = &view.sides;
    let mut lines = Vec::new();
    let mut say = |text: &str, mark| lines.extend(wrap(&vec![piece(text, mark)], columns));
    let title = format!(
        "{} × {}: {}",
        ours.label,
        theirs.label,
        view.verdict_words()
    );
    say(&title, Mark::Heading);
    if !view.suggested.is_empty() {
        say(&format!("suggested: {}", view.suggested), Mark::Plain);
    }
    if let Some(policy) = view.policy() {
        say(&format!("policy: {policy}"), Mark::Plain);
    }
    for side in &view.sides {
        let commit = side.commit.short();
        say(
            &format!("{} {} at {commit}", side.label, side.branch),
            Mark::Faint,
        );
    }
    for (base, _) in &view.bases {
        say(&format!("base {}", base.short()), Mark::Faint);
    }
    let names = [ours.label.as_str(), "base", theirs.label.as_str()];
    for file in &view.files {
        lines.push(Line::new());
        lines.extend(file_lines(file, names, columns));
    }
    if !view.messages.is_empty() {
        lines.push(Line::new());
        for message in &view.messages {
            lines.extend(wrap(&vec![piece(message, Mark::Faint)], columns));
        }
    }
    lines.push(Line::new());
    lines.push(vec![piece("git shows the same with", Mark::Heading)]);
    lines.extend(wrap(&vec![piece(&view.command, Mark::Plain)], columns));
    lines
}

fn file_lines(file: &PairFile, names: [&str; 3], columns: usize) -> Vec<Line> {
    let class = file.class.map(|class| format!(": {class}"));
    let title = format!("{}{}", file.path, class.unwrap_or_default());
    let mut lines = wrap(&vec![piece(&title, Mark::Heading)], columns);
    let sides = [names[0], names[2]];
    let say = |text: String| wrap(&vec![piece(&text, Mark::Plain)], columns);
    lines.extend(match &file.comparison {
        FileComparison::Pointers(targets) => {
            let target = |target: &Option<String>| target.clone().unwrap_or("nothing".to_owned());
            say(words(names, targets, target))
        }
        FileComparison::Binary(sizes) => {
            let size = |size: &Option<usize>| match size {
                Some(size) => format!("{size} bytes"),
                None => "no such file".to_owned(),
            };
            say(format!("binary content: {}", words(names, sizes, size)))
        }
        FileComparison::Added { by } => say(format!(
            "{} adds it; {} has something else at this path",
            sides[*by],
            sides[1 - by]
        )),
        FileComparison::Deleted { by, changes } => {
            let (deleter, other) = (sides[*by], sides[1 - by]);
            let mut lines = say(format!("{deleter} deletes it; the changes of {other}:"));
            lines.extend(changes.iter().map(deleted_line));
            lines
        }
        FileComparison::Hunks(hunks) if hunks.is_empty() => {
            say("the lines merge; modes or names conflict".to_owned())
        }
        FileComparison::Hunks(hunks) => hunks
            .iter()
            .flat_map(|hunk| hunk_lines(hunk, names, columns))
            .collect(),
        FileComparison::Gone => say("only the base has this path".to_owned()),
    });
    lines
}

/// Renders `#1: a, base: b, #2: c`.
fn words<T>(names: [&str; 3], versions: &ThreeWay<T>, word: impl Fn(&T) -> String) -> String {
    let versions = [&versions.ours, &versions.base, &versions.theirs];
    let all = names.iter().zip(versions);
    let all = all.map(|(name, version)| format!("{name}: {}", word(version)));
    all.collect::<Vec<_>>().join(", ")
}

fn deleted_line(line: &DiffLine) -> Line {
    match line {
        DiffLine::Gap => vec![piece("…", Mark::Faint)],
        DiffLine::Line(of) => {
            let (sign, mark) = match of.mark {
                text_diff::Mark::Same => ("  ", Mark::Plain),
                text_diff::Mark::Removed => ("- ", Mark::Removed),
                text_diff::Mark::Added => ("+ ", Mark::Added),
            };
            vec![piece(&format!("{sign}{}", of.text), mark)]
        }
    }
}

fn hunk_lines(hunk: &PairHunk, names: [&str; 3], columns: usize) -> Vec<Line> {
    let versions = [
        &hunk.versions.ours,
        &hunk.versions.base,
        &hunk.versions.theirs,
    ];
    let heads = names.iter().zip(versions);
    let heads = heads.map(|(name, version)| format!("{name}, {}", range_words(version.range)));
    let heads: Vec<Line> = heads.map(|head| vec![piece(&head, Mark::Faint)]).collect();
    let texts: Vec<Vec<Line>> = versions.iter().map(|version| text(version)).collect();
    if columns < COLUMNS {
        let parts = heads.into_iter().zip(texts);
        let mut lines = Vec::new();
        for (head, text) in parts {
            lines.push(head);
            let indented = text.iter().map(|line| {
                let mut line = line.clone();
                line.insert(0, piece("  ", Mark::Plain));
                line
            });
            lines.extend(indented.flat_map(|line| wrap(&line, columns)));
        }
        return lines;
    }
    let width = (columns - 2 * GAP.width()) / 3;
    let cells: Vec<Vec<Line>> = heads
        .into_iter()
        .zip(texts)
        .map(|(head, text)| {
            let all = std::iter::once(head).chain(text);
            all.flat_map(|line| wrap(&line, width)).collect()
        })
        .collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let row = |at: usize| {
        let mut line = Line::new();
        for (place, cell) in cells.iter().enumerate() {
            if place > 0 {
                line.push(piece(GAP, Mark::Faint));
            }
            line.extend(filled(cell.get(at).cloned().unwrap_or_default(), width));
        }
        line
    };
    (0..height).map(row).collect()
}

/// Renders the lines of a version; the words of the base that it lacks are in the base.
fn text(version: &HunkVersion) -> Vec<Line> {
    let own = |line: &Vec<text_diff::Piece>| {
        let own = line
            .iter()
            .filter(|piece| piece.mark != text_diff::Mark::Removed);
        changed_words(&own.cloned().collect::<Vec<_>>(), Mark::Plain)
    };
    version.lines.iter().map(own).collect()
}

/// Fills a line to this width.
fn filled(mut line: Line, width: usize) -> Line {
    let used: usize = line.iter().map(|piece: &Piece| piece.text.width()).sum();
    line.push(piece(&" ".repeat(width.saturating_sub(used)), Mark::Plain));
    line
}
