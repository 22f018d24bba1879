//! Text: plurals, clipping, slugs, suggestions, and escaping for a terminal.

use std::path::Path;

use unicode_width::UnicodeWidthStr;

pub use crate::base::safe::terminal_safe;

/// Quotes text as one word of a POSIX shell.
pub fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// Quotes a path as one word of a POSIX shell.
pub fn shell_path(path: &Path) -> String {
    shell_word(&path.to_string_lossy())
}

/// Joins the first of some paths with commas, at most `most`; an ellipsis stands for the rest.
pub fn first_names<'a>(paths: impl Iterator<Item = &'a Path>, most: usize) -> String {
    let mut names: Vec<String> = paths
        .take(most + 1)
        .map(|path| path.display().to_string())
        .collect();
    if names.len() > most {
        names.truncate(most);
        names.push("…".to_owned());
    }
    names.join(", ")
}

/// Wraps a line between its words; what stands between backticks is one word. Lines after the first
/// begin with `indent` spaces.
pub fn wrap_words(line: &str, columns: usize, indent: usize) -> String {
    let start = line.len() - line.trim_start().len();
    let mut wrapped = line[..start].to_owned();
    let mut used = start;
    let mut is_first = true;
    for word in words(&line[start..]) {
        let width = shown_width(word);
        if !is_first && used + 1 + width > columns {
            wrapped.push('\n');
            wrapped.push_str(&" ".repeat(indent));
            used = indent;
        } else if !is_first {
            wrapped.push(' ');
            used += 1;
        }
        wrapped.push_str(word);
        used += width;
        is_first = false;
    }
    wrapped
}

/// Wraps every line that is wider than `columns` as [`wrap_words`] does, two spaces further in than its
/// start.
pub fn wrap_lines(text: &str, columns: usize) -> String {
    let wrapped = text.split_inclusive('\n').map(|whole| {
        let line = whole.strip_suffix('\n').unwrap_or(whole);
        if shown_width(line) <= columns {
            return whole.to_owned();
        }
        let indent = line.len() - line.trim_start_matches(' ').len();
        wrap_words(line, columns, indent + 2) + &whole[line.len()..]
    });
    wrapped.collect()
}

/// Returns the columns that text takes on a terminal; colour takes none.
fn shown_width(text: &str) -> usize {
    match text.contains('\u{1b}') {
        true => anstream::adapter::strip_str(text).to_string().width(),
        false => text.width(),
    }
}

/// Splits a line at spaces outside of backticks.
fn words(line: &str) -> Vec<&str> {
    let (mut all, mut start, mut is_code) = (Vec::new(), 0, false);
    for (at, c) in line.char_indices() {
        is_code ^= c == '`';
        if c == ' ' && !is_code {
            all.push(&line[start..at]);
            start = at + 1;
        }
    }
    all.push(&line[start..]);
    all
}

/// `1 task`, `2 tasks`.
pub fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

/// Cuts text to `limit` characters; cut text ends in `…`.
pub fn clip(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut clipped: String = text.chars().take(limit.saturating_sub(1)).collect();
    clipped.truncate(clipped.trim_end().len());
    clipped.push('…');
    clipped
}

/// Joins text into one line: every run of white space becomes one space, and ends are trimmed.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Turns `Set up CI (fast)` into `set-up-ci-fast`: `[a-z0-9-]`, at most 40 characters, may be empty.
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(40);
    slug.trim_end_matches('-').to_owned()
}

/// Returns the known word nearest to a mistyped one, if one is near enough.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let scored = known.into_iter().map(|candidate| {
        let lower = candidate.to_lowercase();
        let score = match is_one_swap(&word, &lower) {
            true => 1.0,
            false => strsim::jaro_winkler(&word, &lower),
        };
        (score, candidate)
    });
    scored
        .filter(|(score, _)| *score > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// Returns `true` if two neighbouring letters changed places, which Jaro-Winkler rates low in short
/// words.
fn is_one_swap(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let differs = |at: &usize| a[*at] != b[*at];
    a.len() == b.len()
        && matches!(
            (0..a.len()).filter(differs).collect::<Vec<_>>().as_slice(),
            [i, j] if i + 1 == *j && a[*i] == b[*j] && a[*j] == b[*i]
        )
}

/// Joins an error and its causes by colons; a cause that repeats the text before it is left out.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_commands_are_whole_in_every_line() {
        let line = "  left out #2: see `dispatch conflicts garden-vrhy` for what it meets";
        insta::assert_snapshot!(wrap_words(line, 40, 4), @r"
        left out #2: see
          `dispatch conflicts garden-vrhy` for
          what it meets
        ");
        assert_eq!(wrap_words(line, usize::MAX, 4), line);
        assert_eq!(wrap_words("", 10, 2), "");
        let text = "short\n  one \u{1b}[1mbold\u{1b}[0m and `two words`\n\nlast one is long";
        insta::assert_snapshot!(anstream::adapter::strip_str(&wrap_lines(text, 14)), @r"
        short
          one bold and
            `two words`

        last one is
          long
        ");
        assert_eq!(wrap_lines(text, 80), text);
    }
}
