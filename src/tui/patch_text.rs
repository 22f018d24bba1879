//! The changes of a task as lines of a pane.

use crate::base::text_diff;
use crate::report::patch::{FilePatch, PatchLine};
use crate::tui::line::{Line, Mark, Piece, piece};

/// Renders the files with their hunks; the words that differ are marked inside changed lines.
pub(super) fn patch_lines(files: &[FilePatch]) -> Vec<Line> {
    let mut lines = Vec::new();
    for file in files {
        let (added, removed) = file.size();
        let mut title = vec![piece(&file.path, Mark::Heading)];
        if added + removed > 0 {
            title.push(piece(&format!("  +{added} −{removed}"), Mark::Faint));
        }
        lines.push(title);
        lines.extend(file.notes.iter().map(|note| vec![piece(note, Mark::Faint)]));
        for hunk in &file.hunks {
            lines.push(vec![piece(&hunk.header, Mark::Faint)]);
            lines.extend(hunk.lines.iter().map(patch_line));
        }
        lines.push(Line::new());
    }
    lines.pop();
    lines
}

fn patch_line(line: &PatchLine) -> Line {
    let (sign, whole) = match line.mark {
        text_diff::Mark::Same => ("  ", Mark::Plain),
        text_diff::Mark::Removed => ("- ", Mark::Removed),
        text_diff::Mark::Added => ("+ ", Mark::Added),
    };
    let mut pieces = vec![piece(sign, whole)];
    pieces.extend(changed_words(&line.pieces, whole));
    pieces
}

/// Marks the words of a line that differ, unless all of it does.
pub(super) fn changed_words(pieces: &[text_diff::Piece], whole: Mark) -> Vec<Piece> {
    let is_same = |piece: &text_diff::Piece| piece.mark == text_diff::Mark::Same;
    let has_words = pieces.iter().any(is_same);
    let mark = |of: &text_diff::Piece| match (of.mark, has_words) {
        (text_diff::Mark::Removed, true) => Mark::RemovedWord,
        (text_diff::Mark::Added, true) => Mark::AddedWord,
        (text_diff::Mark::Removed, false) => Mark::Removed,
        (text_diff::Mark::Added, false) => Mark::Added,
        (text_diff::Mark::Same, _) => whole,
    };
    let pieces = pieces.iter();
    pieces.map(|of| piece(&of.text, mark(of))).collect()
}
