//! Word and line diffs, readable without colour, as `git diff --word-diff` writes them.

use anstyle::{AnsiColor, Style};
use similar::{Algorithm, ChangeTag, TextDiff};

use crate::base::safe::{self, terminal_safe};

/// Renders the words that one side changed, line by line: removed ones as `[-…-]`, added ones as
/// `{+…+}`, both in colour.
pub fn word_diff(base: &str, side: &str) -> Vec<String> {
    let diff = TextDiff::configure()
        .algorithm(Algorithm::Patience)
        .diff_words(base, side);
    let mut lines = Marked::default();
    for change in diff.iter_all_changes() {
        lines.push(change.tag(), change.value());
    }
    lines.finish()
}

/// Renders the lines that one side changed, with `-` and `+` and one line of context.
pub fn line_diff(base: &str, side: &str) -> Vec<String> {
    let diff = TextDiff::configure()
        .algorithm(Algorithm::Histogram)
        .diff_lines(base, side);
    let mut lines = Vec::new();
    for group in diff.grouped_ops(1) {
        if !lines.is_empty() {
            lines.push("…".to_owned());
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let text = terminal_safe(change.value().trim_end_matches(['\n', '\r']));
            lines.push(match change.tag() {
                ChangeTag::Equal => format!("  {text}").trim_end().to_owned(),
                ChangeTag::Delete => painted(ChangeTag::Delete, &format!("- {text}")),
                ChangeTag::Insert => painted(ChangeTag::Insert, &format!("+ {text}")),
            });
        }
    }
    lines
}

/// Finished lines, and an open run of words of one kind.
#[derive(Default)]
struct Marked {
    done: Vec<String>,
    line: String,
    run: Option<(ChangeTag, String)>,
}

impl Marked {
    fn push(&mut self, tag: ChangeTag, text: &str) {
        for piece in text.split_inclusive('\n') {
            let words = piece.trim_end_matches(['\n', '\r']);
            match &mut self.run {
                Some((last, run)) if *last == tag => run.push_str(words),
                _ => {
                    self.close();
                    self.run = Some((tag, words.to_owned()));
                }
            }
            if piece.ends_with('\n') {
                self.close();
                // A removed line end still ends the line of the diff.
                self.done.push(std::mem::take(&mut self.line));
            }
        }
    }

    fn close(&mut self) {
        let Some((tag, run)) = self.run.take() else {
            return;
        };
        let run = terminal_safe(&run);
        let shown = match (tag, run.as_str()) {
            (_, "") => return,
            (ChangeTag::Equal, _) => run,
            (ChangeTag::Delete, _) => painted(tag, &format!("[-{run}-]")),
            (ChangeTag::Insert, _) => painted(tag, &format!("{{+{run}+}}")),
        };
        self.line.push_str(&shown);
    }

    fn finish(mut self) -> Vec<String> {
        self.close();
        if !self.line.is_empty() {
            self.done.push(self.line);
        }
        self.done
    }
}

fn painted(tag: ChangeTag, text: &str) -> String {
    let color = match tag {
        ChangeTag::Delete => AnsiColor::Red,
        _ => AnsiColor::Green,
    };
    let style = Style::new().fg_color(Some(color.into()));
    safe::terminal::painted(style, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(lines: &[String]) -> String {
        safe::terminal::without_style(&lines.join("\n"))
    }

    #[test]
    fn changed_words_are_marked_and_the_rest_is_left_alone() {
        let base = "let total = a + b;\nreturn total;\n";
        let side = "let total = a + c * 2;\nreturn total;\n";
        insta::assert_snapshot!(plain(&word_diff(base, side)), @"
        let total = a + [-b;-]{+c * 2;+}
        return total;
        ");
        let shown = safe::terminal::for_terminal(&word_diff(base, side)[0]);
        assert!(shown.contains("\u{1b}[31m[-b;-]\u{1b}[0m"));
    }

    #[test]
    fn lines_that_come_or_go_are_marked_as_a_whole() {
        insta::assert_snapshot!(plain(&word_diff("a\nb\n", "a\nx y\nb\n")), @"
        a
        {+x y+}
        b
        ");
        insta::assert_snapshot!(plain(&word_diff("one\ntwo\n", "")), @"
        [-one-]
        [-two-]
        ");
        assert!(word_diff("", "").is_empty());
    }

    #[test]
    fn a_line_diff_shows_changes_with_context() {
        let base = "1\n2\n3\n4\n5\n6\n7\n8\n";
        let side = "1\n2\nthree\n4\n5\n6\n7\n";
        insta::assert_snapshot!(plain(&line_diff(base, side)), @"
          2
        - 3
        + three
          4
        …
          7
        - 8
        ");
    }

    #[test]
    fn control_characters_of_a_file_do_not_reach_the_terminal() {
        let lines = word_diff("a\n", "\u{1b}]0;owned\u{7}\n");
        assert!(!plain(&lines).contains('\u{7}'));
    }
}
