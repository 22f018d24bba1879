//! Keeps texts on GitHub from notifying users, and from linking or closing issues.

use crate::base::markdown::{markdown_prose, plain_line, split_code_span};

/// Keeps GitHub from linking or closing issues (`#2`, `GH-2`, their addresses) and from notifying users
/// (`@ada`).
///
/// It inserts an HTML comment into the word; text in code needs none.
pub(super) fn quiet(text: &str) -> String {
    let mut quiet = String::with_capacity(text.len());
    let mut fence: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        let start = line.trim_start();
        let marks = &start[..start.len() - start.trim_start_matches('`').len()];
        let is_fence = marks.len() >= 3;
        match fence {
            Some(open) => {
                let closes = is_fence && marks.len() >= open.len() && start.trim_end() == marks;
                fence = fence.filter(|_| !closes);
                quiet.push_str(line);
            }
            None if is_fence => {
                fence = Some(marks);
                quiet.push_str(line);
            }
            None => push_quiet(&mut quiet, line),
        }
    }
    quiet
}

/// Renders foreign text as one line of prose of at most so many characters that notifies no user.
pub(super) fn quiet_line(text: &str, limit: usize) -> String {
    quiet(&markdown_prose(&plain_line(text, limit)))
}

/// Adds a line of prose. A code span is passed over as a whole, and so is an escaped character.
fn push_quiet(to: &mut String, line: &str) {
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if c == '`' {
            let (span, after) = split_code_span(rest);
            to.push_str(span.unwrap_or(&rest[..rest.len() - after.len()]));
            rest = after;
            continue;
        }
        let length = match c {
            '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            c => c.len_utf8(),
        };
        to.push_str(&rest[..length]);
        let after = &rest[length..];
        if needs_break(c, to, after) {
            to.push_str("<!-- -->");
        }
        rest = after;
    }
}

/// Returns `true` if a reference or a mention would be read across this place.
fn needs_break(c: char, before: &str, after: &str) -> bool {
    let next = after.chars().next().unwrap_or(' ');
    match c {
        '#' => next.is_ascii_digit(),
        '@' => next.is_alphanumeric(),
        'h' | 'H' => {
            let is_prefix = before.len() >= 2 && before[..before.len() - 1].ends_with(['g', 'G']);
            let number = after.strip_prefix('-').unwrap_or_default();
            is_prefix && number.starts_with(|c: char| c.is_ascii_digit())
        }
        ':' => after.strip_prefix("//").is_some_and(names_issue),
        _ => false,
    }
}

/// Returns `true` for the address of an issue, a pull request or a discussion, without its scheme.
fn names_issue(address: &str) -> bool {
    let end = address.find(char::is_whitespace).unwrap_or(address.len());
    let parts = address[..end].split('/');
    parts
        .skip(1)
        .any(|part| matches!(part, "issues" | "pull" | "pulls" | "discussions"))
}

/// Does the same to a title, which is plain text and becomes the subject of a merge.
pub(super) fn quiet_title(title: &str) -> String {
    let mut quiet = String::with_capacity(title.len());
    for (at, c) in title.char_indices() {
        quiet.push(c);
        let after = &title[at + c.len_utf8()..];
        if needs_break(c, &quiet, after) {
            quiet.push(' ');
        }
    }
    quiet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_user_is_notified_and_no_issue_is_linked() {
        insta::assert_snapshot!(quiet("# One\nsee #2 and `#3`, @ada, a@b.c\n```\n#4 @ada\n```\n#5\n"), @r"
        # One
        see #<!-- -->2 and `#3`, @<!-- -->ada, a@<!-- -->b.c
        ```
        #4 @ada
        ```
        #<!-- -->5
        ");
    }

    #[test]
    fn a_stray_backtick_hides_no_mention() {
        let text = "stray \\` then @octocat closes #7, ``two`` ` @hubot fixes #8; GH-10 and \
            https://github.com/o/r/issues/9 but https://example.com/x and `a @b` ``@c ` #1``\n\
            ````\n```\n@d #2\n````\n@e\n";
        insta::assert_snapshot!(quiet(text), @r"
        stray \` then @<!-- -->octocat closes #<!-- -->7, ``two`` ` @hubot fixes #8; GH-10 and https://github.com/o/r/issues/9 but https://example.com/x and `a @<!-- -->b` ``@c ` #<!-- -->1``
        ````
        ```
        @d #2
        ````
        @<!-- -->e
        ");
        let known =
            "see GH-10, https://github.com/o/r/issues/9, https://example.com/x and Gh-pages";
        insta::assert_snapshot!(quiet(known), @"see GH<!-- -->-10, https:<!-- -->//github.com/o/r/issues/9, https://example.com/x and Gh-pages");
        assert_eq!(
            quiet_title("T @octocat closes #1, GH-2"),
            "T @ octocat closes # 1, GH -2"
        );
    }
}
