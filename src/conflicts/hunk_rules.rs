//! Resolves the hunks of a content conflict by rules that the policy allows.
//!
//! A file is resolved as a whole or not at all. The result is a proposal that the checks verify.

use std::cmp::Ordering;

use crate::conflicts::hunks::{
    HunkLines, Region, is_subsequence, numbers, regions, replacements, without_whitespace,
};
use crate::merge::change::RepoPath;
use crate::merge::class::HunkClass;
use crate::merge::verdict::Hunk;

/// A file that was resolved by rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ResolvedFile {
    /// The merged text.
    pub(crate) text: Vec<u8>,
    /// The rules applied, mildest first.
    pub(crate) by: Vec<HunkClass>,
}

/// Merges three texts with these rules. `None` if a hunk has no rule among them, if there is no
/// conflict, and for binary content.
pub(crate) fn resolve(
    path: &RepoPath,
    base: &[u8],
    ours: &[u8],
    theirs: &[u8],
    rules: &[HunkClass],
) -> Option<ResolvedFile> {
    let mut text = Vec::new();
    let mut by = Vec::new();
    for region in regions(path, base, ours, theirs)? {
        match region {
            Region::Merged(bytes) => append(&mut text, bytes),
            Region::Conflict { hunk, lines } => {
                let is_allowed =
                    rules.contains(&hunk.class) && !changes_indentation(path, &hunk, &lines);
                let lines = resolve_hunk(hunk.class, &lines).filter(|_| is_allowed)?;
                lines.iter().for_each(|line| append(&mut text, line));
                by.push(hunk.class);
            }
        }
    }
    by.sort();
    by.dedup();
    (!by.is_empty()).then_some(ResolvedFile { text, by })
}

/// Appends lines, and a line end if the text before them was the end of a file without one.
fn append(text: &mut Vec<u8>, bytes: &[u8]) {
    if !bytes.is_empty() && text.last().is_some_and(|last| *last != b'\n') {
        let windows = text.windows(2).any(|pair| pair == b"\r\n");
        text.extend_from_slice(if windows { b"\r\n" } else { b"\n" });
    }
    text.extend_from_slice(bytes);
}

/// Extensions of languages in which indentation is significant.
const INDENTED: [&str; 14] = [
    "py", "pyi", "pyx", "yaml", "yml", "mk", "hs", "fs", "nim", "coffee", "sass", "pug", "haml",
    "rst",
];

/// Returns `true` if a rule would ignore a change of significant indentation.
fn changes_indentation(path: &RepoPath, hunk: &Hunk, lines: &HunkLines<'_>) -> bool {
    let path = path.to_string();
    let name = path.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    if !INDENTED.contains(&extension) && !name.eq_ignore_ascii_case("makefile") {
        return false;
    }
    match hunk.class {
        HunkClass::Whitespace => indents(&lines.ours) != indents(&lines.theirs),
        HunkClass::ReformatVsEdit
            if without_whitespace(&lines.ours) == without_whitespace(&lines.base) =>
        {
            indents(&lines.ours) != indents(&lines.base)
        }
        HunkClass::ReformatVsEdit => indents(&lines.theirs) != indents(&lines.base),
        _ => false,
    }
}

/// Returns the indentation of every line that is not blank.
fn indents<'a>(lines: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let lines = lines
        .iter()
        .filter(|line| !without_whitespace(&[line]).is_empty());
    let indent = |line: &&'a [u8]| &line[..line.len() - line.trim_ascii_start().len()];
    lines.map(indent).collect()
}

type Lines<'a> = Vec<&'a [u8]>;

/// Returns the merged lines of a hunk.
fn resolve_hunk<'a>(class: HunkClass, lines: &HunkLines<'a>) -> Option<Lines<'a>> {
    match class {
        HunkClass::Whitespace => Some(lines.ours.clone()),
        HunkClass::ReformatVsEdit => Some(edited(lines)),
        HunkClass::Imports => Some(union(lines)),
        HunkClass::Version => larger_version(lines),
        HunkClass::ContainedInsert => Some(longer(lines)),
        HunkClass::InsertInsert => Some([&lines.ours[..], &lines.theirs].concat()),
        HunkClass::Adjacent => Some(both_edits(lines)),
        HunkClass::Comment => Some(union(lines)),
        HunkClass::DeleteEdit | HunkClass::Overlap => None,
    }
}

/// Returns the side that changed more than whitespace.
fn edited<'a>(lines: &HunkLines<'a>) -> Lines<'a> {
    if without_whitespace(&lines.ours) == without_whitespace(&lines.base) {
        lines.theirs.clone()
    } else {
        lines.ours.clone()
    }
}

/// Returns the side that contains all lines of the other.
fn longer<'a>(lines: &HunkLines<'a>) -> Lines<'a> {
    if is_subsequence(&lines.theirs, &lines.ours) {
        lines.ours.clone()
    } else {
        lines.theirs.clone()
    }
}

/// Returns our lines without those that theirs removes, and the lines that theirs adds: in order if
/// ours are sorted, otherwise at the end.
fn union<'a>(lines: &HunkLines<'a>) -> Lines<'a> {
    let has = |lines: &[&[u8]], line: &[u8]| {
        lines
            .iter()
            .any(|other| without_whitespace(&[other]) == without_whitespace(&[line]))
    };
    let is_removed = |line: &[u8]| has(&lines.base, line) && !has(&lines.theirs, line);
    let blank = |line: &[u8]| without_whitespace(&[line]).is_empty();
    let kept = lines.ours.iter().copied();
    let mut merged: Lines<'a> = kept
        .filter(|line| blank(line) || !is_removed(line))
        .collect();
    let sorted = merged.is_sorted();
    for line in &lines.theirs {
        if blank(line) || has(&lines.base, line) || has(&merged, line) {
            continue;
        }
        let at = match sorted {
            true => merged.partition_point(|other| other < line),
            false => merged.len(),
        };
        merged.insert(at, line);
    }
    merged
}

/// Applies both edits, which touch but do not overlap, to the base.
fn both_edits<'a>(lines: &HunkLines<'a>) -> Lines<'a> {
    let edits = |side: &Lines<'a>| -> Vec<(std::ops::Range<usize>, Lines<'a>)> {
        let replacements = replacements(&lines.base, side).into_iter();
        replacements
            .map(|(base, lines)| (base, side[lines].to_vec()))
            .collect()
    };
    let mut all = edits(&lines.ours);
    all.extend(edits(&lines.theirs));
    all.sort_by_key(|(base, _)| (base.start, base.end));
    let mut merged = Vec::new();
    let mut at = 0;
    for (base, instead) in all {
        merged.extend_from_slice(&lines.base[at..base.start]);
        merged.extend(instead);
        at = base.end;
    }
    merged.extend_from_slice(&lines.base[at..]);
    merged
}

fn larger_version<'a>(lines: &HunkLines<'a>) -> Option<Lines<'a>> {
    let versions = |lines: &Lines<'_>| Some(numbers(lines.first()?).1);
    let (ours, theirs) = (versions(&lines.ours)?, versions(&lines.theirs)?);
    let different = ours
        .iter()
        .zip(&theirs)
        .find(|(ours, theirs)| ours != theirs);
    Some(match different {
        Some((ours, theirs)) if compare_versions(ours, theirs) == Ordering::Less => {
            lines.theirs.clone()
        }
        _ => lines.ours.clone(),
    })
}

/// Compares number by number. With equal numbers a release is larger than its prereleases (`-rc.1`).
fn compare_versions(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (String::from_utf8_lossy(a), String::from_utf8_lossy(b));
    let split = |text: &str| -> (Vec<u64>, Option<Vec<Identifier>>) {
        let text = text.split('+').next().unwrap_or_default();
        let end = text.find(|c: char| c != '.' && !c.is_ascii_digit());
        let (release, rest) = text.split_at(end.unwrap_or(text.len()));
        let numbers = release.split('.').map(|part| part.parse().unwrap_or(0));
        let mut numbers: Vec<u64> = numbers.collect();
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        (numbers, (!rest.is_empty()).then(|| parse_prerelease(rest)))
    };
    let ((a, a_prerelease), (b, b_prerelease)) = (split(&a), split(&b));
    a.cmp(&b).then_with(|| match (a_prerelease, b_prerelease) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => a.cmp(&b),
    })
}

/// An identifier of a prerelease; numbers compare by value and are smaller than words.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Word(String),
}

fn parse_prerelease(text: &str) -> Vec<Identifier> {
    let mut parts: Vec<String> = Vec::new();
    for c in text.chars().filter(|c| !matches!(c, '.' | '-')) {
        match parts.last_mut() {
            Some(part) if part.ends_with(|l: char| l.is_ascii_digit() == c.is_ascii_digit()) => {
                part.push(c);
            }
            _ => parts.push(c.to_string()),
        }
    }
    let part = |text: String| match text.parse() {
        Ok(number) => Identifier::Number(number),
        Err(_) => Identifier::Word(text),
    };
    parts.into_iter().map(part).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn texts(case: &str) -> (RepoPath, Vec<Vec<u8>>) {
        let (path, texts) = case.split_once(": ").unwrap();
        let texts = texts.split(" / ");
        let text = |words: &str| words.replace('|', "\n").into_bytes();
        (path.into(), texts.map(text).collect())
    }

    /// Renders cases `path: base / ours / theirs`, one per line, with all rules allowed.
    fn table(cases: &str) -> String {
        let line = |case: &str| {
            let (path, texts) = texts(case);
            let resolved = resolve(&path, &texts[0], &texts[1], &texts[2], HunkClass::ALL);
            let found = resolved.map_or("no".to_owned(), |resolved| {
                let by: Vec<&str> = resolved.by.iter().map(|class| class.name()).collect();
                let text = String::from_utf8(resolved.text).unwrap();
                let text = text.replace("\r\n", "↵").replace('\n', "|");
                format!("{text} ({})", by.join(", "))
            });
            format!("{case} = {found}")
        };
        let cases = cases.trim().lines().map(str::trim);
        cases.map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn each_rule_resolves_its_class_of_hunk() {
        insta::assert_snapshot!(
            table(
                r#"
                f: a|b|c| / a| b|c| / a|b |c|
                f: a|b|c| / a| b|c| / a|x|c|
                f: a|b|c| / a|x|c| / a|  b|c|
                a.rs: use a;||x| / use a;|use c;||x| / use a;|use b;||x|
                a.rs: use b;|use d;| / use b;|use c;|use d;| / use a;|use b;|
                a.py: import os|x| / import sys|x| / import re|x|
                f: v = 1.0.0| / v = 1.10.0| / v = 1.9.1|
                f: v = 1.0.0| / v = 2.0.0-rc.2| / v = 2.0.0-rc.10|
                f: v = 1.0.0| / v = 2.0.0-rc.1| / v = 2.0.0|
                f: v = 1| / v = 2.0| / v = 2.0.1|
                f: a|z| / a|x|z| / a|x|y|z|
                f: a|z| / a|x|y|z| / a|y|z|
                f: a|z| / a|x|z| / a|y|z|
                f: a| / a|x / a|y
                f: a|b|c|d| / a|B|c|d| / a|b|C|d|
                f: a|b|c|d| / a|b|x|c|d| / a|b|C|d|
                f: a|b|c|d| / a|c|d| / a|b|C|d|
                a.rs: // old|x| / // new|x| / // other|x|
                f: a|b|c| / a|c| / a|x|c|
                f: a|b|c| / a|y|c| / a|x|c|
                f: a|b|c|d|e|f|g|z| / a2|b|c|d|e|f|g|x|z| / a|b|c|d|e2|f|g|y|z|
                f: a|b|c|d|e|f|g|z| / A|b|c|d|e|f|g|x|z| / B|b|c|d|e|f|g|y|z|
                "#
            ),
            @r"
        f: a|b|c| / a| b|c| / a|b |c| = a| b|c| (whitespace)
        f: a|b|c| / a| b|c| / a|x|c| = a|x|c| (reformat-vs-edit)
        f: a|b|c| / a|x|c| / a|  b|c| = a|x|c| (reformat-vs-edit)
        a.rs: use a;||x| / use a;|use c;||x| / use a;|use b;||x| = use a;|use b;|use c;||x| (imports)
        a.rs: use b;|use d;| / use b;|use c;|use d;| / use a;|use b;| = use a;|use b;|use c;| (adjacent)
        a.py: import os|x| / import sys|x| / import re|x| = import re|import sys|x| (imports)
        f: v = 1.0.0| / v = 1.10.0| / v = 1.9.1| = v = 1.10.0| (version)
        f: v = 1.0.0| / v = 2.0.0-rc.2| / v = 2.0.0-rc.10| = v = 2.0.0-rc.10| (version)
        f: v = 1.0.0| / v = 2.0.0-rc.1| / v = 2.0.0| = v = 2.0.0| (version)
        f: v = 1| / v = 2.0| / v = 2.0.1| = v = 2.0.1| (version)
        f: a|z| / a|x|z| / a|x|y|z| = a|x|y|z| (contained-insert)
        f: a|z| / a|x|y|z| / a|y|z| = a|x|y|z| (contained-insert)
        f: a|z| / a|x|z| / a|y|z| = a|x|y|z| (insert-insert)
        f: a| / a|x / a|y = a|x|y (insert-insert)
        f: a|b|c|d| / a|B|c|d| / a|b|C|d| = a|B|C|d| (adjacent)
        f: a|b|c|d| / a|b|x|c|d| / a|b|C|d| = a|b|x|C|d| (adjacent)
        f: a|b|c|d| / a|c|d| / a|b|C|d| = a|C|d| (adjacent)
        a.rs: // old|x| / // new|x| / // other|x| = // new|// other|x| (comment)
        f: a|b|c| / a|c| / a|x|c| = no
        f: a|b|c| / a|y|c| / a|x|c| = no
        f: a|b|c|d|e|f|g|z| / a2|b|c|d|e|f|g|x|z| / a|b|c|d|e2|f|g|y|z| = a2|b|c|d|e2|f|g|x|y|z| (insert-insert)
        f: a|b|c|d|e|f|g|z| / A|b|c|d|e|f|g|x|z| / B|b|c|d|e|f|g|y|z| = no
        "
        );
    }

    #[test]
    fn significant_indentation_is_not_formatting() {
        insta::assert_snapshot!(
            table(
                r#"
                a.py: a|b|c| / a| b|c| / a|b |c|
                a.py: a|b|c| / a|b  |c| / a|b |c|
                a.py: a|b|c| / a| b|c| / a|x|c|
                a.py: a|f(b)|c| / a|f( b )|c| / a|x|c|
                Makefile: a|b|c| / a| b|c| / a|x|c|
                "#
            ),
            @r"
        a.py: a|b|c| / a| b|c| / a|b |c| = no
        a.py: a|b|c| / a|b  |c| / a|b |c| = a|b  |c| (whitespace)
        a.py: a|b|c| / a| b|c| / a|x|c| = no
        a.py: a|f(b)|c| / a|f( b )|c| / a|x|c| = a|x|c| (reformat-vs-edit)
        Makefile: a|b|c| / a| b|c| / a|x|c| = no
        "
        );
    }

    #[test]
    fn line_ends_are_kept() {
        let resolved = resolve(
            &"f".into(),
            b"a\r\n",
            b"a\r\nx",
            b"a\r\ny",
            &[HunkClass::InsertInsert],
        );
        assert_eq!(resolved.unwrap().text, b"a\r\nx\r\ny");
    }

    #[test]
    fn a_rule_that_is_not_allowed_resolves_nothing() {
        let (path, t) = texts("f: a|b|c|d|e|f| / a|x|c|d|e|f|y| /  a| b|c|d|e|f|z|");
        let with = |rules: &[HunkClass]| resolve(&path, &t[0], &t[1], &t[2], rules).is_some();
        assert!(!with(&[]));
        assert!(!with(&[HunkClass::InsertInsert]));
        let both = [
            HunkClass::InsertInsert,
            HunkClass::ReformatVsEdit,
            HunkClass::Whitespace,
        ];
        assert!(with(&both));
    }

    #[test]
    fn binary_content_and_clean_merges_are_not_resolved() {
        let none = |base: &[u8], ours: &[u8], theirs: &[u8]| {
            resolve(&"f".into(), base, ours, theirs, HunkClass::ALL).is_none()
        };
        assert!(none(b"\0a", b"\0b", b"\0c"));
        assert!(none(b"a\n", b"a\n", b"b\n"));
        assert!(none(b"", b"", b""));
    }

    #[test]
    fn common_lines_are_kept_and_no_line_is_invented() {
        let mut rng = fastrand::Rng::with_seed(21);
        let mut resolved = 0;
        for _ in 0..4000 {
            let base: Vec<String> = (0..rng.u8(1..9)).map(|n| format!("line {n}\n")).collect();
            let mut edited = || {
                let mut lines = base.clone();
                for _ in 0..rng.u8(1..3) {
                    let at = rng.usize(..=lines.len());
                    match rng.u8(..3) {
                        0 if at < lines.len() => drop(lines.remove(at)),
                        1 if at < lines.len() => lines[at] = format!("edit {}\n", rng.u8(..5)),
                        _ => lines.insert(at, format!("new {}\n", rng.u8(..5))),
                    }
                }
                lines
            };
            let (ours, theirs) = (edited(), edited());
            let bytes = |lines: &[String]| lines.concat().into_bytes();
            let (b, o, t) = (bytes(&base), bytes(&ours), bytes(&theirs));
            let Some(merged) = resolve(&"f".into(), &b, &o, &t, HunkClass::ALL) else {
                continue;
            };
            resolved += 1;
            let text = String::from_utf8(merged.text).unwrap();
            for line in text.split_inclusive('\n') {
                let known = |lines: &[String]| lines.iter().any(|other| other == line);
                assert!(known(&ours) || known(&theirs), "invented {line:?}");
            }
            for line in base
                .iter()
                .filter(|line| ours.contains(line) && theirs.contains(line))
            {
                assert!(
                    text.contains(line.as_str()),
                    "lost {line:?} of {base:?} {ours:?} {theirs:?} {text:?}"
                );
            }
        }
        assert!(resolved > 200, "{resolved}");
    }
}
