//! Computes signatures, short texts that are equal for equal failures.
//!
//! The journal records signatures, so every version must compute the same text from the same input.

use crate::base::ansi::strip_escapes;
use crate::model::failure::FailureClass;

/// Hashes class, exit status, last error lines and failing checks to 16 hexadecimal digits.
///
/// Numbers, times, paths and hashes are normalised first, because they differ between attempts.
pub fn signature(
    class: FailureClass,
    exit: &str,
    error_lines: &[String],
    failing_checks: &[String],
) -> String {
    let mut hash = Fnv::new();
    hash.field(class.word());
    hash.field(exit);
    for line in error_lines {
        hash.field(&normalize(line));
    }
    hash.field("checks");
    for check in failing_checks {
        hash.field(check);
    }
    format!("{:016x}", hash.0)
}

/// FNV-1a with 64 bits; the standard library's hashers guarantee no stable result.
struct Fnv(u64);

impl Fnv {
    fn new() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    /// Adds a field and a separator byte that no normalised text contains.
    fn field(&mut self, text: &str) {
        for byte in text.bytes().chain([0x1f]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// Replaces every number, time and hash by `#` and every path by `/`, in lower case.
pub(crate) fn normalize(line: &str) -> String {
    let line = strip_escapes(line).to_lowercase();
    let pieces =
        line.split(|c: char| c.is_whitespace() || c.is_control() || "()[]{}<>\"'`,;=|".contains(c));
    let words = pieces.filter(|piece| !piece.is_empty()).map(|piece| {
        if piece.contains(['/', '\\']) {
            "/".to_owned()
        } else {
            normalize_word(piece)
        }
    });
    let mut normal: Vec<String> = Vec::new();
    for word in words {
        // `2m 10s` and `130s` are one duration each.
        let repeated = word == "#" && normal.last().is_some_and(|last| last == "#");
        if !repeated {
            normal.push(word);
        }
    }
    normal.join(" ")
}

/// Normalises a piece without white space, one run of letters and digits at a time.
///
/// Numbers separated only by punctuation (`12:30:05.250`, `2026-11-22`, a UUID) become one.
fn normalize_word(piece: &str) -> String {
    let mut normal = String::new();
    let mut rest = piece;
    while let Some(first) = rest.chars().next() {
        let is_word = first.is_alphanumeric();
        let end = rest
            .find(|c: char| c.is_alphanumeric() != is_word)
            .unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        let word = if is_word {
            normalize_run(run)
        } else {
            run.to_owned()
        };
        let joins = word.starts_with('#') && normal.ends_with(['-', ':', '.', '+', '_']) && {
            let before = normal.trim_end_matches(['-', ':', '.', '+', '_']);
            before.ends_with('#') && normal.len() - before.len() == 1
        };
        if joins {
            normal.truncate(normal.len() - 2);
        }
        normal.push_str(&word);
        rest = after;
    }
    normal
}

fn normalize_run(run: &str) -> String {
    let has_digit = run.contains(|c: char| c.is_ascii_digit());
    let is_hex = run.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !has_digit {
        return run.to_owned();
    }
    if is_hex && run.len() >= 4 || run.starts_with("0x") {
        return "#".to_owned();
    }
    let mut normal = String::new();
    let mut rest = run;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        normal.push_str(&rest[..at]);
        rest = rest[at..].trim_start_matches(|c: char| c.is_ascii_digit());
        let letters = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        if is_unit(&rest[..letters]) {
            rest = &rest[letters..];
        }
        if !normal.ends_with('#') {
            normal.push('#');
        }
    }
    normal + rest
}

/// Returns `true` for units of time and size, and for the letters in an RFC 3339 time.
fn is_unit(letters: &str) -> bool {
    matches!(
        letters,
        "ns" | "us"
            | "µs"
            | "ms"
            | "s"
            | "sec"
            | "secs"
            | "m"
            | "min"
            | "mins"
            | "h"
            | "d"
            | "t"
            | "z"
            | "b"
            | "k"
            | "kb"
            | "kib"
            | "mb"
            | "mib"
            | "gb"
            | "gib"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> String {
        signature(FailureClass::Logic, "exit code 1", &[line.to_owned()], &[])
    }

    #[test]
    fn texts_that_differ_between_attempts_are_normalised() {
        insta::assert_snapshot!(normalize("\u{1b}[31mFAIL\u{1b}[0m src/a.ts:12:5 (1.25s)"), @"fail / #");
        insta::assert_snapshot!(normalize("at 2026-11-22T09:14:05.123Z: took 2m 10s"), @"at #: took #");
        insta::assert_snapshot!(normalize("commit 1a2b3c4d and 0xDEADBEEF failed"), @"commit # and # failed");
        insta::assert_snapshot!(normalize("id 550e8400-e29b-41d4-a716-446655440000!"), @"id #!");
        insta::assert_snapshot!(normalize("expected 3 tests, got 17 of 20"), @"expected # tests got # of #");
        insta::assert_snapshot!(normalize("decade facade e2e utf8"), @"decade facade e#e utf#");
        insta::assert_snapshot!(normalize("https://api.example/v1?id=7 says no"), @"/ # says no");
    }

    #[test]
    fn the_same_failure_has_the_same_signature_and_another_has_not() {
        let first = of("error at /tmp/w-1/src/a.rs:10: 3 tests failed in 1.5s");
        assert_eq!(
            first,
            of("error at /tmp/w-2/src/a.rs:99: 4 tests failed in 12s")
        );
        assert_ne!(first, of("error: could not compile"));
        let lines = ["x".to_owned()];
        let with = |class, exit: &str, checks: &[String]| signature(class, exit, &lines, checks);
        let all = [
            with(FailureClass::Logic, "exit code 1", &[]),
            with(FailureClass::Input, "exit code 1", &[]),
            with(FailureClass::Logic, "exit code 2", &[]),
            with(FailureClass::Logic, "exit code 1", &["npm test".to_owned()]),
        ];
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }

    #[test]
    fn signatures_in_old_journals_stay_valid() {
        assert_eq!(signature(FailureClass::Logic, "", &[], &[]).len(), 16);
        insta::assert_snapshot!(of("model User not found"), @r"354b3799278ebf89");
    }
}
