//! Renders one pair in full, for `dispatch conflicts --explain`.

use std::fmt::Write as _;

use crate::base::text::{plural, terminal_safe};
use crate::report::pair::{
    FileComparison, PairFile, PairHunk, PairView, ThreeWay, range_words, severity_words,
};
use crate::ui::diff::{render_lines, render_words};

/// The most lines of one side of a hunk.
const LINES_SHOWN: usize = 40;

/// Renders the verdict, the hunks, and the command that reproduces them.
pub(super) fn render(view: &PairView) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_verdict(&mut text, view);
    let sides = view.sides.each_ref().map(|side| side.label.as_str());
    for file in &view.files {
        let _ = write_file(&mut text, file, sides);
    }
    if !view.messages.is_empty() {
        text.push_str("\nMessages of git\n");
        for message in &view.messages {
            let _ = writeln!(text, "  {}", terminal_safe(message));
        }
    }
    let _ = write!(text, "\nReproduce\n  {}\n", view.command);
    text
}

fn write_verdict(to: &mut String, view: &PairView) -> std::fmt::Result {
    let [ours, theirs] = &view.sides;
    let title = format!("{} × {}", ours.label, theirs.label);
    writeln!(to, "{title}: {}", view.verdict_words())?;
    if let Some(pair) = &view.verdict {
        if let Some(why) = pair.counts_though_merged() {
            writeln!(to, "It counts as a conflict: {why}")?;
        }
        writeln!(to, "Suggested: {}", view.suggested)?;
        if let Some(policy) = view.policy() {
            writeln!(to, "Policy: {policy}")?;
        }
    }
    writeln!(to)?;
    for side in &view.sides {
        writeln!(to, "  branch  {}", terminal_safe(&side.branch))?;
        writeln!(to, "          commit {}", side.commit)?;
        writeln!(to, "          tree   {}", side.tree)?;
    }
    for (base, tree) in &view.bases {
        writeln!(to, "  base    commit {base}")?;
        writeln!(to, "          tree   {tree}")?;
    }
    if view.bases.is_empty() {
        writeln!(to, "  base    none: unrelated histories")?;
    }
    match view.verdict.as_ref().and_then(|pair| pair.tree) {
        Some(tree) => writeln!(to, "  merged  tree   {tree}"),
        None => Ok(()),
    }
}

fn write_file(to: &mut String, file: &PairFile, sides: [&str; 2]) -> std::fmt::Result {
    let path = terminal_safe(&file.path.to_string());
    match file.class {
        Some(class) => writeln!(to, "\n{path}: {class}")?,
        None => writeln!(to, "\n{path}")?,
    }
    match &file.comparison {
        FileComparison::Pointers(targets) => write_pointers(to, targets, sides),
        FileComparison::Binary(sizes) => {
            writeln!(to, "  binary content: {}", size_words(sizes, sides))
        }
        FileComparison::Added { by } => writeln!(
            to,
            "  {} adds it; {} has something else at this path",
            sides[*by],
            sides[1 - by]
        ),
        FileComparison::Deleted { by, changes } => {
            let (deleter, other) = (sides[*by], sides[1 - by]);
            writeln!(to, "  {deleter} deletes it; the changes of {other}:")?;
            match changes.is_empty() {
                true => writeln!(to, "    none to its content"),
                false => write_lines(to, &render_lines(changes)),
            }
        }
        FileComparison::Hunks(hunks) => write_hunks(to, hunks, sides),
        FileComparison::Gone => writeln!(to, "  only the base has this path"),
    }
}

/// Writes the targets of links, or the commits of submodules.
fn write_pointers(
    to: &mut String,
    targets: &ThreeWay<Option<String>>,
    sides: [&str; 2],
) -> std::fmt::Result {
    for (name, target) in named(targets, sides) {
        match target {
            Some(target) => writeln!(to, "  {name}: {}", terminal_safe(target))?,
            None => writeln!(to, "  {name}: nothing")?,
        }
    }
    Ok(())
}

fn size_words(sizes: &ThreeWay<Option<usize>>, sides: [&str; 2]) -> String {
    let size = |(name, size): (&str, &Option<usize>)| match size {
        Some(size) => format!("{name} {size} bytes"),
        None => format!("{name}: no such file"),
    };
    named(sizes, sides).map(size).join(", ")
}

fn named<'a, T>(versions: &'a ThreeWay<T>, sides: [&'a str; 2]) -> [(&'a str, &'a T); 3] {
    [
        ("base", &versions.base),
        (sides[0], &versions.ours),
        (sides[1], &versions.theirs),
    ]
}

fn write_hunks(to: &mut String, hunks: &[PairHunk], sides: [&str; 2]) -> std::fmt::Result {
    if hunks.is_empty() {
        return writeln!(to, "  the lines merge; modes or names conflict");
    }
    let count = hunks.len();
    for (place, hunk) in (1..).zip(hunks) {
        let (class, severity) = (hunk.class, severity_words(hunk.class.severity()));
        writeln!(
            to,
            "  hunk {place} of {count}: {class}, severity {severity}"
        )?;
        for (name, version) in named(&hunk.versions, sides) {
            writeln!(to, "  {name} {}", range_words(version.range))?;
            write_lines(to, &render_words(&version.lines))?;
        }
    }
    Ok(())
}

fn write_lines(to: &mut String, lines: &[String]) -> std::fmt::Result {
    for line in lines.iter().take(LINES_SHOWN) {
        writeln!(to, "    | {line}")?;
    }
    match lines.len().saturating_sub(LINES_SHOWN) {
        0 => Ok(()),
        more => writeln!(to, "    … {}", plural(more, "more line")),
    }
}
