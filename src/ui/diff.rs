//! Word and line diffs, readable without colour, as `git diff --word-diff` writes them.

use anstyle::{AnsiColor, Style};

use crate::base::safe::{self, terminal_safe};
use crate::base::text_diff::{self, DiffLine, Mark, Piece};

/// Renders the lines that one side changed, with `-` and `+` and one line of context.
pub fn line_diff(base: &str, side: &str) -> Vec<String> {
    render_lines(&text_diff::line_diff(base, side))
}

/// Renders lines in pieces: removed words as `[-…-]`, added ones as `{+…+}`, both in colour.
pub fn render_words(lines: &[Vec<Piece>]) -> Vec<String> {
    let line = |line: &Vec<Piece>| line.iter().map(marked_words).collect();
    lines.iter().map(line).collect()
}

/// Renders the lines of a difference as [`line_diff`] does.
pub fn render_lines(lines: &[DiffLine]) -> Vec<String> {
    let line = |line: &DiffLine| match line {
        DiffLine::Line(piece) => marked_line(piece),
        DiffLine::Gap => "…".to_owned(),
    };
    lines.iter().map(line).collect()
}

fn marked_words(piece: &Piece) -> String {
    let text = terminal_safe(&piece.text);
    match piece.mark {
        Mark::Same => text,
        Mark::Removed => painted(AnsiColor::Red, &format!("[-{text}-]")),
        Mark::Added => painted(AnsiColor::Green, &format!("{{+{text}+}}")),
    }
}

fn marked_line(piece: &Piece) -> String {
    let text = terminal_safe(&piece.text);
    match piece.mark {
        Mark::Same => format!("  {text}").trim_end().to_owned(),
        Mark::Removed => painted(AnsiColor::Red, &format!("- {text}")),
        Mark::Added => painted(AnsiColor::Green, &format!("+ {text}")),
    }
}

fn painted(color: AnsiColor, text: &str) -> String {
    safe::terminal::painted(Style::new().fg_color(Some(color.into())), text)
}

#[cfg(test)]
mod tests {
    use crate::base::text_diff::word_diff;

    use super::*;

    fn rendered(base: &str, side: &str) -> Vec<String> {
        render_words(&word_diff(base, side))
    }

    fn plain(lines: &[String]) -> String {
        safe::terminal::without_style(&lines.join("\n"))
    }

    #[test]
    fn changed_words_are_marked_and_the_rest_is_left_alone() {
        let base = "let total = a + b;\nreturn total;\n";
        let side = "let total = a + c * 2;\nreturn total;\n";
        insta::assert_snapshot!(plain(&rendered(base, side)), @"
        let total = a + [-b;-]{+c * 2;+}
        return total;
        ");
        let shown = safe::terminal::for_terminal(&rendered(base, side)[0]);
        assert!(shown.contains("\u{1b}[31m[-b;-]\u{1b}[0m"));
    }

    #[test]
    fn lines_that_come_or_go_are_marked_as_a_whole() {
        insta::assert_snapshot!(plain(&rendered("a\nb\n", "a\nx y\nb\n")), @"
        a
        {+x y+}
        b
        ");
        insta::assert_snapshot!(plain(&rendered("one\ntwo\n", "")), @"
        [-one-]
        [-two-]
        ");
        assert!(rendered("", "").is_empty());
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
        let lines = rendered("a\n", "\u{1b}]0;owned\u{7}\n");
        assert!(!plain(&lines).contains('\u{7}'));
    }
}
