//! Differences of two texts by word and by line, as values that every face renders in its own way.

use similar::{Algorithm, ChangeTag, TextDiff};

/// The part that a piece of text has in a difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// Both texts have it.
    Same,
    /// Only the old text has it.
    Removed,
    /// Only the new text has it.
    Added,
}

/// A piece of one line. Its text is raw and has no line end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Its part in the difference.
    pub mark: Mark,
    /// The text.
    pub text: String,
}

/// A line of a difference by line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DiffLine {
    /// One line.
    Line(Piece),
    /// Lines that both texts have and that are not listed.
    Gap,
}

/// Compares two texts by word: the lines of both, each in pieces. A removed line end still ends its
/// line.
pub fn word_diff(old: &str, new: &str) -> Vec<Vec<Piece>> {
    let diff = TextDiff::configure()
        .algorithm(Algorithm::Patience)
        .diff_words(old, new);
    let mut lines = Lines::default();
    for change in diff.iter_all_changes() {
        lines.push(mark(change.tag()), change.value());
    }
    lines.finish()
}

/// Compares two texts by line: the lines that differ, with one line of context.
pub fn line_diff(old: &str, new: &str) -> Vec<DiffLine> {
    let diff = TextDiff::configure()
        .algorithm(Algorithm::Histogram)
        .diff_lines(old, new);
    let mut lines = Vec::new();
    for group in diff.grouped_ops(1) {
        if !lines.is_empty() {
            lines.push(DiffLine::Gap);
        }
        let changes = group.iter().flat_map(|op| diff.iter_changes(op));
        lines.extend(changes.map(|change| {
            DiffLine::Line(Piece {
                mark: mark(change.tag()),
                text: change.value().trim_end_matches(['\n', '\r']).to_owned(),
            })
        }));
    }
    lines
}

fn mark(tag: ChangeTag) -> Mark {
    match tag {
        ChangeTag::Equal => Mark::Same,
        ChangeTag::Delete => Mark::Removed,
        ChangeTag::Insert => Mark::Added,
    }
}

/// Finished lines, and the one that is not finished yet.
#[derive(Default)]
struct Lines {
    done: Vec<Vec<Piece>>,
    line: Vec<Piece>,
}

impl Lines {
    fn push(&mut self, mark: Mark, text: &str) {
        for part in text.split_inclusive('\n') {
            let words = part.trim_end_matches(['\n', '\r']);
            match self.line.last_mut() {
                _ if words.is_empty() => {}
                Some(last) if last.mark == mark => last.text.push_str(words),
                _ => self.line.push(Piece {
                    mark,
                    text: words.to_owned(),
                }),
            }
            if part.ends_with('\n') {
                self.done.push(std::mem::take(&mut self.line));
            }
        }
    }

    fn finish(mut self) -> Vec<Vec<Piece>> {
        if !self.line.is_empty() {
            self.done.push(self.line);
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(piece: &Piece) -> String {
        match piece.mark {
            Mark::Same => piece.text.clone(),
            Mark::Removed => format!("[-{}-]", piece.text),
            Mark::Added => format!("{{+{}+}}", piece.text),
        }
    }

    fn words(old: &str, new: &str) -> String {
        let lines = word_diff(old, new);
        let lines: Vec<String> = lines
            .iter()
            .map(|line| line.iter().map(marked).collect())
            .collect();
        lines.join("\n")
    }

    #[test]
    fn words_that_differ_are_pieces_of_their_line() {
        insta::assert_snapshot!(
            words("let a = b;\nreturn a;\n", "let a = c * 2;\nreturn a;\n"),
            @r"
        let a = [-b;-]{+c * 2;+}
        return a;
        "
        );
        insta::assert_snapshot!(words("a\nb\n", "a\nx y\nb\n"), @r"
        a
        {+x y+}
        b
        ");
        insta::assert_snapshot!(words("one\n\ntwo\n", ""), @r"
        [-one-]

        [-two-]
        ");
        assert!(word_diff("", "").is_empty());
    }

    #[test]
    fn equal_lines_between_changes_are_a_gap() {
        let lines = line_diff("1\n2\n3\n4\n5\n6\n7\n8\n", "1\n2\nthree\n4\n5\n6\n7\n");
        let shown: Vec<String> = lines
            .iter()
            .map(|line| match line {
                DiffLine::Line(piece) => marked(piece),
                DiffLine::Gap => "…".to_owned(),
            })
            .collect();
        insta::assert_snapshot!(shown.join(" "), @"2 [-3-] {+three+} 4 … 7 [-8-]");
    }
}
