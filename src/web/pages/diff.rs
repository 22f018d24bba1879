//! A patch as HTML: files, hunks, and lines with the words that differ.

use maud::{Markup, html};

use crate::base::text::plural;
use crate::base::text_diff::Mark;
use crate::merge::change::ChangeStat;
use crate::report::patch::{FilePatch, PatchHunk, PatchLine};
use crate::web::pages::part::pieces;
use crate::web::text::shown;

/// The most lines of a whole patch.
const LINES: usize = 5000;

/// The number of files up to which all are open.
const OPEN: usize = 10;

/// Renders a patch. `stat` is its size as it is given everywhere, where it is known. The numbers of new
/// lines lead to the page that asks for a comment, if there is one.
pub(super) fn render(
    files: &[FilePatch],
    stat: Option<ChangeStat>,
    comments: Option<&str>,
) -> Markup {
    let mut left = LINES;
    html! {
        p { (summary(files, stat)) }
        @for (place, file) in files.iter().enumerate() {
            @let fits = take(&mut left, file);
            details.file id={ "file-" (place) } open[files.len() <= OPEN] {
                summary {
                    span.path { (shown(&file.path)) } " "
                    @let (added, removed) = file.size();
                    span.counts { "+" (added) " −" (removed) }
                }
                @for note in &file.notes { p.note { (shown(note)) } }
                @if fits {
                    @for hunk in &file.hunks { (hunk_table(file, hunk, comments)) }
                } @else {
                    p { "Too long for this page; " code { "dispatch diff" } " shows it." }
                }
            }
        }
    }
}

/// Returns `true` if the lines of a file are within the limit of the page.
fn take(left: &mut usize, file: &FilePatch) -> bool {
    let lines: usize = file.hunks.iter().map(|hunk| hunk.lines.len()).sum();
    match left.checked_sub(lines) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}

fn summary(files: &[FilePatch], stat: Option<ChangeStat>) -> String {
    if let Some(stat) = stat {
        let is_renamed = files.iter().any(|file| file.path != file.name);
        return match is_renamed {
            true => format!("{stat}; a renamed file counts as one removed and one added"),
            false => stat.to_string(),
        };
    }
    let sizes = files.iter().map(FilePatch::size);
    let (added, removed) = sizes.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    format!("{}, +{added} −{removed}", plural(files.len(), "file"))
}

fn hunk_table(file: &FilePatch, hunk: &PatchHunk, comments: Option<&str>) -> Markup {
    let label = format!("{} {}", file.path, hunk.header);
    html! {
        div.scroll role="group" aria-label=(shown(&label)) tabindex="0" {
            table.diff {
                caption { (shown(&hunk.header)) }
                thead.unseen {
                    tr {
                        th scope="col" { "Old" }
                        th scope="col" { "New" }
                        th scope="col" { "Change" }
                        th scope="col" { "Line" }
                    }
                }
                tbody { @for line in &hunk.lines { (row(file, line, comments)) } }
            }
        }
    }
}

fn row(file: &FilePatch, line: &PatchLine, comments: Option<&str>) -> Markup {
    let (class, sign) = match line.mark {
        Mark::Same => ("same", ""),
        Mark::Removed => ("removed", "−"),
        Mark::Added => ("added", "+"),
    };
    html! {
        tr.(class) {
            td.number { @if let Some(old) = line.old { (old) } }
            td.number {
                @if let Some(new) = line.new {
                    @if let Some(page) = comments {
                        a href=(comment_target(page, &file.name, new))
                            aria-label={ "Comment on line " (new) " of " (shown(&file.name)) } { (new) }
                    } @else { (new) }
                }
            }
            td.sign { (sign) }
            td.code { (pieces(&line.pieces)) }
        }
    }
}

/// Returns the address of the page that asks for a comment on a line.
fn comment_target(page: &str, path: &str, line: u32) -> String {
    let mut encoded = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("{page}?file={encoded}&line={line}")
}
