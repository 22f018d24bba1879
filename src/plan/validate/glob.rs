//! Checks and compares the globs of `files`.

use globset::{Glob, GlobBuilder};

use crate::plan::collector::{RawDiagnostic, quoted};
use crate::plan::diagnostic::Code;
use crate::plan::span::At;

/// The maximum length of a glob in bytes.
const LONGEST: usize = 1000;

/// Checks and normalises a glob: removes `./`, and a folder (`src/`) covers everything below it.
pub(super) fn check_glob(glob: &At<String>) -> Result<String, RawDiagnostic> {
    let written = glob.value.trim();
    let mut pattern = written;
    while let Some(rest) = pattern.strip_prefix("./") {
        pattern = rest.trim_start_matches(['/', ' ']);
    }
    let bad = |reason: String| {
        let message = format!("invalid glob {}: {reason}", quoted(written));
        let hint = "globs look like `src/**`, `docs/*.md` or `Cargo.{toml,lock}`";
        RawDiagnostic::error(Code::BadGlob, glob.span.clone(), message).hint(hint)
    };
    if pattern.is_empty() || pattern == "." {
        return Err(bad("it is empty".to_owned()));
    }
    if pattern.contains(char::is_control) {
        return Err(bad("it contains a control character".to_owned()));
    }
    if leaves_repository(pattern) {
        let message = format!("{} leaves the repository", quoted(written));
        let hint = "paths are relative to the top of the repository";
        return Err(RawDiagnostic::error(Code::PathOutside, glob.span.clone(), message).hint(hint));
    }
    if names_git_folder(pattern) {
        let message = format!("{} is in a folder `.git`", quoted(written));
        let hint = "name files that git can track; it tracks none below `.git`";
        return Err(RawDiagnostic::error(Code::PathOutside, glob.span.clone(), message).hint(hint));
    }
    if pattern.len() > LONGEST {
        return Err(bad(format!("it is longer than {LONGEST} bytes")));
    }
    parse_glob(pattern).map_err(|error| bad(error.kind().to_string()))?;
    Ok(match pattern.ends_with('/') {
        true => format!("{pattern}**"),
        false => pattern.to_owned(),
    })
}

fn leaves_repository(pattern: &str) -> bool {
    let bytes = pattern.as_bytes();
    let is_drive = bytes.len() > 1 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':';
    pattern.starts_with(['/', '~', '\\'])
        || is_drive
        || pattern
            .split(['/', '\\', '{', '}', ','])
            .any(|part| part == "..")
}

/// Returns `true` if a part of the path is `.git`, which no file that git tracks has.
fn names_git_folder(pattern: &str) -> bool {
    pattern
        .split(['/', '\\', '{', '}', ','])
        .any(|part| part.eq_ignore_ascii_case(".git"))
}

/// Parses a glob in which `*` and `?` do not match `/`, as in git.
fn parse_glob(pattern: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(pattern).literal_separator(true).build()
}

/// Returns the part before the first special character.
pub(super) fn literal_prefix(pattern: &str) -> &str {
    let end = pattern.find(['*', '?', '[', '{', '\\']);
    &pattern[..end.unwrap_or(pattern.len())]
}

/// Returns `true` if a path may match both globs; false positives are possible.
///
/// A path without wildcards and without an extension also covers everything below it.
pub(super) fn may_overlap(a: &str, b: &str) -> bool {
    match (expand(a), expand(b)) {
        (Some(left), Some(right)) => left
            .iter()
            .any(|a| right.iter().any(|b| plain_overlap(a, b))),
        // For these globs only the literal prefixes are compared.
        _ => {
            let (a, b) = (literal_prefix(a), literal_prefix(b));
            a.starts_with(b) || b.starts_with(a)
        }
    }
}

/// Expands the braces of a glob.
///
/// `None` if it has escapes, braces with character classes, or more than 64 alternatives.
fn expand(pattern: &str) -> Option<Vec<String>> {
    if pattern.contains('\\') || (pattern.contains('{') && pattern.contains('[')) {
        return None;
    }
    let mut open = vec![pattern.to_owned()];
    let mut done = Vec::new();
    while let Some(pattern) = open.pop() {
        if open.len() + done.len() > 64 {
            return None;
        }
        match first_braces(&pattern) {
            None => done.push(pattern),
            Some((start, end)) => {
                for inside in split_commas_within(&pattern[start + 1..end]) {
                    open.push(format!(
                        "{}{inside}{}",
                        &pattern[..start],
                        &pattern[end + 1..]
                    ));
                }
            }
        }
    }
    Some(done)
}

/// Finds the first outermost pair of braces.
fn first_braces(pattern: &str) -> Option<(usize, usize)> {
    let start = pattern.find('{')?;
    let mut depth = 0;
    for (i, c) in pattern.char_indices().skip_while(|(i, _)| *i < start) {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return Some((start, i)),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Splits alternatives at commas outside inner braces; they may be empty.
fn split_commas_within(inside: &str) -> Vec<&str> {
    let mut depth = 0;
    let is_comma = |c: char| {
        depth += match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        c == ',' && depth == 0
    };
    inside.split(is_comma).collect()
}

fn plain_overlap(a: &str, b: &str) -> bool {
    let a: Vec<_> = a.split('/').collect();
    let b: Vec<_> = b.split('/').collect();
    let is_folder = |parts: &[&str]| {
        let has_extension = parts.last().is_some_and(|name| name.contains('.'));
        parts.iter().all(|part| is_literal(part)) && !has_extension
    };
    let (a_open, b_open) = (is_folder(&a), is_folder(&b));
    // reach[j] is true if the parts of `a` so far and the first j parts of `b` match one path.
    let mut reach = vec![false; b.len() + 1];
    reach[0] = true;
    for i in 0..=a.len() {
        let mut next = vec![false; b.len() + 1];
        for j in 0..=b.len() {
            if !reach[j] {
                continue;
            }
            if (i == a.len() && a_open) || (j == b.len() && b_open) {
                return true;
            }
            let (left, right) = (a.get(i).copied(), b.get(j).copied());
            if left == Some("**") {
                next[j] = true;
            }
            if right == Some("**") {
                reach[j + 1] = true;
            }
            match (left, right) {
                (None, None) => return true,
                (Some("**"), Some(_)) => reach[j + 1] = true,
                (Some(_), Some("**")) => next[j] = true,
                (Some(left), Some(right)) if parts_overlap(left, right) => next[j + 1] = true,
                _ => {}
            }
        }
        reach = next;
    }
    false
}

fn is_literal(part: &str) -> bool {
    literal_prefix(part).len() == part.len()
}

fn parts_overlap(a: &str, b: &str) -> bool {
    match (is_literal(a), is_literal(b)) {
        (true, true) => a == b,
        (true, false) => part_matches(b, a),
        (false, true) => part_matches(a, b),
        (false, false) => {
            let (start_a, start_b) = (literal_prefix(a), literal_prefix(b));
            let (end_a, end_b) = (literal_suffix(a), literal_suffix(b));
            (start_a.starts_with(start_b) || start_b.starts_with(start_a))
                && (end_a.ends_with(end_b) || end_b.ends_with(end_a))
        }
    }
}

/// Returns `true` if the glob of one part of a path matches a name. Character classes, which are rare,
/// cost a regular expression; the others are compared ten thousands of times.
fn part_matches(glob: &str, name: &str) -> bool {
    if glob.contains(['[', '{', '\\']) {
        return parse_glob(glob).is_ok_and(|glob| glob.compile_matcher().is_match(name));
    }
    let (glob, name): (Vec<char>, Vec<char>) = (glob.chars().collect(), name.chars().collect());
    wildcards_match(&glob, &name)
}

/// Matches `*` and `?`, going back to the last `*` at a difference.
fn wildcards_match(glob: &[char], name: &[char]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while seen < name.len() {
        match glob.get(at) {
            Some('*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(c) if *c == '?' || *c == name[seen] => (at, seen) = (at + 1, seen + 1),
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    (at, seen) = (after + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    glob[at..].iter().all(|c| *c == '*')
}

fn literal_suffix(pattern: &str) -> &str {
    let start = pattern.rfind(['*', '?', ']']).map_or(0, |i| i + 1);
    &pattern[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_overlap_when_one_path_may_match_both() {
        let pairs = [
            ("src/**", "src/auth/**"),
            ("src/**", "tests/**"),
            ("src/*.rs", "src/*.md"),
            ("src/a*.rs", "src/*b.rs"),
            ("**/*.rs", "src/main.rs"),
            ("**/*.rs", "src/main.md"),
            ("src/auth", "src/auth/login.rs"),
            ("src/auth", "src/*"),
            ("src/auth", "src/authz"),
            ("src/auth", "src/authz/**"),
            ("src/?.rs", "src/ab.rs"),
            ("a/**/z", "a/z"),
            ("a/**/z", "a/b/c/z"),
            ("a/**/z", "a/b/c/y"),
            ("**/x/**/y", "a/x/**"),
            ("src/{a,b}/**", "src/c/x"),
            ("src/{a,b}/**", "src/b/x"),
            ("src/{a,{b,c/d}}/**", "src/c/d/x"),
            ("src/{a,{b,c/d}}/**", "src/c/x"),
            ("Cargo.{toml,lock}", "Cargo.md"),
            ("x{,y}", "x"),
            ("**", "anything"),
            ("a/*", "a/b/c"),
        ];
        let line = |(a, b): &(&str, &str)| {
            assert_eq!(may_overlap(a, b), may_overlap(b, a), "{a} {b}");
            format!("{a} ~ {b}: {}", may_overlap(a, b))
        };
        let shown: Vec<_> = pairs.iter().map(line).collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        src/** ~ src/auth/**: true
        src/** ~ tests/**: false
        src/*.rs ~ src/*.md: false
        src/a*.rs ~ src/*b.rs: true
        **/*.rs ~ src/main.rs: true
        **/*.rs ~ src/main.md: false
        src/auth ~ src/auth/login.rs: true
        src/auth ~ src/*: true
        src/auth ~ src/authz: false
        src/auth ~ src/authz/**: false
        src/?.rs ~ src/ab.rs: false
        a/**/z ~ a/z: true
        a/**/z ~ a/b/c/z: true
        a/**/z ~ a/b/c/y: true
        **/x/**/y ~ a/x/**: true
        src/{a,b}/** ~ src/c/x: false
        src/{a,b}/** ~ src/b/x: true
        src/{a,{b,c/d}}/** ~ src/c/d/x: true
        src/{a,{b,c/d}}/** ~ src/c/x: false
        Cargo.{toml,lock} ~ Cargo.md: false
        x{,y} ~ x: true
        ** ~ anything: true
        a/* ~ a/b/c: false
        ");
    }
}
