//! Extracts the lines of a log that explain a failure.
//!
//! A backtrace or a summary may follow them, so the last lines alone are not enough.

use crate::base::markdown::plain_line;

/// The texts that mark a failed assertion, in lower case.
const ASSERTIONS: &[&str] = &[
    "panicked at",
    "assertion failed",
    "assertion `",
    "assertionerror",
];

/// The line starts that mark a failed test in a test protocol.
const FAILED_TESTS: &[&str] = &["not ok ", "--- fail"];

/// The mark for omitted text.
const GAP: &str = "…";

/// Returns the end of an output, at most `limit` bytes.
///
/// If an earlier line explains the failure, a quarter of the bytes starts there.
pub fn end(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let last = last_of(text, limit);
    let Some(start) = find_explanation(text).filter(|_| find_explanation(last).is_none()) else {
        return last.to_owned();
    };
    let quarter = limit / 4;
    let first = first_of(&text[start..], quarter);
    let rest = limit - quarter - GAP.len() - 2;
    let last = last_of(text, rest);
    format!("{first}\n{GAP}\n{last}")
}

/// Returns at most `count` lines of an output.
///
/// These are the last lines, or the lines from an earlier explanation on and a few last ones.
pub(crate) fn lines(tail: &str, count: usize) -> Vec<String> {
    let last = last_lines(tail, count);
    let is_explained = last.iter().any(|line| explains_failure(line));
    let Some(start) = find_explanation(tail).filter(|_| !is_explained) else {
        return last;
    };
    let ends = (count / 4).max(1);
    let all = last_lines(&tail[start..], usize::MAX);
    let firsts = count.saturating_sub(ends + 1).min(all.len());
    let mut lines = all[..firsts].to_vec();
    lines.push(GAP.to_owned());
    lines.extend_from_slice(&last[last.len().saturating_sub(ends)..]);
    lines
}

fn first_of(text: &str, limit: usize) -> &str {
    let mut ends = (0..=limit.min(text.len())).rev();
    let end = ends.find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

fn last_of(text: &str, limit: usize) -> &str {
    let mut starts = text.len().saturating_sub(limit)..=text.len();
    let start = starts.find(|start| text.is_char_boundary(*start));
    &text[start.unwrap_or_default()..]
}

/// Returns the offset of the first line that explains the failure.
fn find_explanation(text: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if explains_failure(line) {
            return Some(start);
        }
        start += line.len();
    }
    None
}

fn explains_failure(line: &str) -> bool {
    let line = line.to_lowercase();
    let line = line.trim_start();
    ASSERTIONS.iter().any(|words| line.contains(words))
        || FAILED_TESTS.iter().any(|words| line.starts_with(words))
}

/// Returns at most `count` last non-empty lines, oldest first, safe to print.
pub(crate) fn last_lines(tail: &str, count: usize) -> Vec<String> {
    // A progress bar rewrites its line with carriage returns; each state counts as a line.
    let lines = tail.rsplit(['\n', '\r']).map(|line| plain_line(line, 400));
    let mut last: Vec<_> = lines.filter(|line| !line.is_empty()).take(count).collect();
    last.reverse();
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    const PANIC: &str = "thread 'adds' panicked at src/lib.rs:7:9:\nassertion `left == right` failed\n  left: 3\n right: 4\nstack backtrace:\n";

    fn backtrace(frames: usize) -> String {
        (0..frames).map(|n| format!("  {n}: frame\n")).collect()
    }

    #[test]
    fn the_explanation_is_shown_above_a_backtrace() {
        let output = format!(
            "running 1 test\n{PANIC}{}test result: FAILED\n",
            backtrace(30)
        );
        assert_eq!(
            lines(&output, 8),
            [
                "thread 'adds' panicked at src/lib.rs:7:9:",
                "assertion `left == right` failed",
                "left: 3",
                "right: 4",
                "stack backtrace:",
                "…",
                "29: frame",
                "test result: FAILED",
            ]
        );
    }

    #[test]
    fn the_last_lines_are_shown_if_they_explain_the_failure_or_nothing_does() {
        assert_eq!(lines("a\nb\nnot ok 1 - c\nd\n", 2), ["not ok 1 - c", "d"]);
        assert_eq!(lines("a\nb\nit is not ok \nd\n", 2), ["it is not ok", "d"]);
        assert_eq!(lines("", 2), [""; 0]);
    }

    #[test]
    fn a_long_output_keeps_the_explanation_and_the_end() {
        let output = format!("{PANIC}{}ä: end\n", backtrace(500));
        let kept = end(&output, 400);
        assert!(kept.len() <= 400, "{}", kept.len());
        assert!(kept.starts_with("thread 'adds' panicked at"), "{kept}");
        assert!(
            kept.contains("\n…\n") && kept.ends_with("ä: end\n"),
            "{kept}"
        );
        let plain = backtrace(500);
        assert_eq!(end(&plain, 400), plain[plain.len() - 400..]);
        assert_eq!(end(PANIC, 400), PANIC);
    }
}
