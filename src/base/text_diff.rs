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

impl Piece {
    /// Creates a piece.
    pub fn new(mark: Mark, text: impl Into<String>) -> Piece {
        let text = text.into();
        Piece { mark, text }
    }
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
            let text = change.value().trim_end_matches(['\n', '\r']);
            DiffLine::Line(Piece::new(mark(change.tag()), text))
        }));
    }
    lines
}

/// Compares lines that replace each other by word: the pieces of the old lines, and those of the new
/// ones. Blocks that have little in common have one piece for each line.
pub fn replaced_lines(old: &[&str], new: &[&str]) -> [Vec<Vec<Piece>>; 2] {
    let whole = |lines: &[&str], mark| -> Vec<Vec<Piece>> {
        let lines = lines.iter();
        lines.map(|line| vec![Piece::new(mark, *line)]).collect()
    };
    let plain = || [whole(old, Mark::Removed), whole(new, Mark::Added)];
    if old.len().max(new.len()) > LONGEST_BLOCK {
        return plain();
    }
    let [old_text, new_text] = [old, new].map(|lines| lines.join("\n"));
    let diff = TextDiff::configure()
        .algorithm(Algorithm::Patience)
        .diff_words(&old_text, &new_text);
    if diff.ratio() < LEAST_IN_COMMON {
        return plain();
    }
    let mut sides = [Lines::default(), Lines::default()];
    for change in diff.iter_all_changes() {
        let (mark, text) = (mark(change.tag()), change.value());
        let [old, new] = &mut sides;
        if mark != Mark::Added {
            old.push(mark, text);
        }
        if mark != Mark::Removed {
            new.push(mark, text);
        }
    }
    sides.map(Lines::finish_whole)
}

/// The most lines of a block that is compared by word.
const LONGEST_BLOCK: usize = 100;

/// The least part that two blocks have in common if they are compared by word.
const LEAST_IN_COMMON: f32 = 0.4;

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
                _ => self.line.push(Piece::new(mark, words)),
            }
            if part.ends_with('\n') {
                self.done.push(std::mem::take(&mut self.line));
            }
        }
    }

    /// Ends the last line, which has no line end.
    fn finish_whole(mut self) -> Vec<Vec<Piece>> {
        self.done.push(self.line);
        self.done
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
    fn lines_that_replace_others_show_the_words_that_differ() {
        let shown = |old: &[&str], new: &[&str]| {
            let sides = replaced_lines(old, new).map(|lines| {
                let lines = lines.iter().map(|line| line.iter().map(marked).collect());
                lines.collect::<Vec<String>>().join(" | ")
            });
            sides.join(" => ")
        };
        insta::assert_snapshot!(
            [
                shown(&["let a = b;", "", "run(a)"], &["let a = c;", "", "run(a)"]),
                shown(&["one two"], &["quite another line"]),
                shown(&["a b c", "d"], &["a b c"]),
                shown(&[], &["x"]),
            ]
            .join("\n"),
            @r"
        let a = [-b;-] |  | run(a) => let a = {+c;+} |  | run(a)
        [-one two-] => {+quite another line+}
        a b c | [-d-] => a b c
         => {+x+}
        "
        );
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
