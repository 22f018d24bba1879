//! What of a long output says what failed: a backtrace or a summary may stand between that and the
//! end.

use crate::base::markdown::plain_line;

/// How the line of a failed assertion starts or what it contains, in small letters.
const TELLING: &[&str] = &[
    "panicked at",
    "assertion failed",
    "assertion `",
    "assertionerror",
];

/// How a test protocol says that one failed, at the start of its line.
const FAILED_TEST: &[&str] = &["not ok ", "--- fail"];

/// What stands where something was left out.
const GAP: &str = "…";

/// The end of an output, of at most `most` bytes; where it says earlier what failed, a quarter of
/// that is from there.
pub fn end(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let last = last_of(text, most);
    let Some(start) = telling(text).filter(|_| telling(last).is_none()) else {
        return last.to_owned();
    };
    let quarter = most / 4;
    let first = first_of(&text[start..], quarter);
    let rest = most - quarter - GAP.len() - 2;
    let last = last_of(text, rest);
    format!("{first}\n{GAP}\n{last}")
}

/// At most `count` lines of an output: its last, or where what failed is said before those, the
/// lines from there on and the very last.
pub(crate) fn lines(tail: &str, count: usize) -> Vec<String> {
    let last = last_lines(tail, count);
    let is_said = last.iter().any(|line| is_telling(line));
    let Some(start) = telling(tail).filter(|_| !is_said) else {
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

fn first_of(text: &str, most: usize) -> &str {
    let mut ends = (0..=most.min(text.len())).rev();
    let end = ends.find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

fn last_of(text: &str, most: usize) -> &str {
    let mut starts = text.len().saturating_sub(most)..=text.len();
    let start = starts.find(|start| text.is_char_boundary(*start));
    &text[start.unwrap_or_default()..]
}

/// Where the first line starts that says what failed.
fn telling(text: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if is_telling(line) {
            return Some(start);
        }
        start += line.len();
    }
    None
}

fn is_telling(line: &str) -> bool {
    let line = line.to_lowercase();
    let line = line.trim_start();
    TELLING.iter().any(|words| line.contains(words))
        || FAILED_TEST.iter().any(|words| line.starts_with(words))
}

/// The last lines of output that are not empty, oldest first, safe to show; at most `count`.
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
    fn what_failed_is_shown_above_a_backtrace() {
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
    fn the_last_lines_are_shown_where_they_say_it_or_nothing_does() {
        assert_eq!(lines("a\nb\nnot ok 1 - c\nd\n", 2), ["not ok 1 - c", "d"]);
        assert_eq!(lines("a\nb\nit is not ok \nd\n", 2), ["it is not ok", "d"]);
        assert_eq!(lines("", 2), [""; 0]);
    }

    #[test]
    fn of_a_long_output_what_failed_is_kept_with_the_end() {
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
