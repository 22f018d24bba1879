//! Finds the hunks of a content conflict and classifies them.
//!
//! The hunks come from a line merge with the histogram algorithm, which nearly always agrees with
//! git's own. Whether a file conflicts at all is decided by git alone.

use std::ops::Range;

use similar::{Algorithm, DiffOp, MergeResolution, TextMerge, capture_diff_slices};

use crate::conflicts::language::Language;
use crate::merge::change::RepoPath;
use crate::merge::class::HunkClass;
use crate::merge::verdict::{Hunk, LineRange};

/// Lists the hunks where two texts conflict, in the order of the file. Empty if this merge finds no
/// conflict, and for binary content.
pub(crate) fn hunks(path: &RepoPath, base: &[u8], ours: &[u8], theirs: &[u8]) -> Vec<Hunk> {
    let regions = regions(path, base, ours, theirs).unwrap_or_default();
    let conflict = |region: Region<'_>| match region {
        Region::Conflict { hunk, .. } => Some(hunk),
        Region::Merged(_) => None,
    };
    regions.into_iter().filter_map(conflict).collect()
}

/// A region of a three-way line merge.
pub(super) enum Region<'a> {
    /// Merged lines.
    Merged(&'a [u8]),
    /// Conflicting lines.
    Conflict {
        hunk: Hunk,
        /// The lines of the three versions.
        lines: HunkLines<'a>,
    },
}

/// Merges a file by lines, in order. `None` for binary content.
pub(super) fn regions<'a>(
    path: &RepoPath,
    base: &'a [u8],
    ours: &'a [u8],
    theirs: &'a [u8],
) -> Option<Vec<Region<'a>>> {
    if [base, ours, theirs].iter().any(|text| text.contains(&0)) {
        return None;
    }
    let language = Language::of(path);
    let merge = TextMerge::configure()
        .algorithm(Algorithm::Histogram)
        .merge_lines(base, ours, theirs);
    let lines = [split_lines(base), split_lines(ours), split_lines(theirs)];
    let region = |region: &similar::MergeRegion| {
        let (b, o, t) = (
            region.base_range(),
            region.ours_range(),
            region.theirs_range(),
        );
        match region.resolution() {
            MergeResolution::Conflict => {
                let lines = HunkLines {
                    base: lines[0][b.clone()].to_vec(),
                    ours: lines[1][o.clone()].to_vec(),
                    theirs: lines[2][t.clone()].to_vec(),
                };
                let hunk = Hunk {
                    class: classify(language, &lines),
                    base: line_range(b),
                    a: line_range(o),
                    b: line_range(t),
                };
                Region::Conflict { hunk, lines }
            }
            MergeResolution::Theirs => Region::Merged(bytes_of(theirs, &lines[2], t)),
            _ => Region::Merged(bytes_of(ours, &lines[1], o)),
        }
    };
    Some(merge.regions().iter().map(region).collect())
}

/// Returns the bytes of a range of lines, without copying.
fn bytes_of<'a>(text: &'a [u8], lines: &[&[u8]], range: Range<usize>) -> &'a [u8] {
    let length = |lines: &[&[u8]]| lines.iter().map(|line| line.len()).sum::<usize>();
    let start = length(&lines[..range.start]);
    &text[start..start + length(&lines[range])]
}

/// The lines of the three versions in one hunk, each with its line end.
pub(super) struct HunkLines<'a> {
    pub(super) base: Vec<&'a [u8]>,
    pub(super) ours: Vec<&'a [u8]>,
    pub(super) theirs: Vec<&'a [u8]>,
}

/// Returns the first class that fits, mildest first.
fn classify(language: Language, lines: &HunkLines<'_>) -> HunkClass {
    let (ours, theirs) = (
        without_whitespace(&lines.ours),
        without_whitespace(&lines.theirs),
    );
    let base = without_whitespace(&lines.base);
    if ours == theirs {
        HunkClass::Whitespace
    } else if (ours == base && !lines.ours.is_empty())
        || (theirs == base && !lines.theirs.is_empty())
    {
        HunkClass::ReformatVsEdit
    } else if all_lines(lines, |line| language.is_import(line)) {
        HunkClass::Imports
    } else if differ_in_one_number(lines) {
        HunkClass::Version
    } else if lines.base.is_empty() && one_contains_the_other(&lines.ours, &lines.theirs) {
        HunkClass::ContainedInsert
    } else if base.is_empty() && share_no_line(&lines.ours, &lines.theirs) {
        HunkClass::InsertInsert
    } else if only_touch(lines) {
        HunkClass::Adjacent
    } else if all_lines(lines, |line| language.is_comment(line)) {
        HunkClass::Comment
    } else if lines.ours.is_empty() || lines.theirs.is_empty() {
        HunkClass::DeleteEdit
    } else {
        HunkClass::Overlap
    }
}

/// Removes all whitespace.
pub(super) fn without_whitespace(lines: &[&[u8]]) -> Vec<u8> {
    let bytes = lines.iter().flat_map(|line| line.iter().copied());
    bytes.filter(|byte| !byte.is_ascii_whitespace()).collect()
}

/// Returns `true` if both sides have lines and every nonblank line of all three passes the test.
fn all_lines(lines: &HunkLines<'_>, test: impl Fn(&str) -> bool) -> bool {
    let passes = |lines: &[&[u8]]| {
        lines.iter().all(|line| {
            let line = String::from_utf8_lossy(line);
            line.trim().is_empty() || test(line.trim())
        })
    };
    !without_whitespace(&lines.ours).is_empty()
        && !without_whitespace(&lines.theirs).is_empty()
        && [&lines.base, &lines.ours, &lines.theirs]
            .into_iter()
            .all(|lines| passes(lines))
}

fn one_contains_the_other(ours: &[&[u8]], theirs: &[&[u8]]) -> bool {
    is_subsequence(ours, theirs) || is_subsequence(theirs, ours)
}

pub(super) fn is_subsequence(short: &[&[u8]], long: &[&[u8]]) -> bool {
    let mut rest = long.iter();
    short.iter().all(|line| rest.any(|other| other == line))
}

fn share_no_line(ours: &[&[u8]], theirs: &[&[u8]]) -> bool {
    let blank = |line: &[u8]| line.iter().all(u8::is_ascii_whitespace);
    let mut kept = ours.iter().filter(|line| !blank(line));
    !kept.any(|line| theirs.contains(line))
}

/// Returns `true` for three lines that differ in exactly one number, such as `1.2.3`.
fn differ_in_one_number(lines: &HunkLines<'_>) -> bool {
    let ([base], [ours], [theirs]) = (&lines.base[..], &lines.ours[..], &lines.theirs[..]) else {
        return false;
    };
    let (base, ours, theirs) = (numbers(base), numbers(ours), numbers(theirs));
    if base.0 != ours.0 || base.0 != theirs.0 {
        return false;
    }
    let triples = base.1.iter().zip(&ours.1).zip(&theirs.1);
    triples.filter(|((b, o), t)| b != o || b != t).count() == 1
}

/// Splits a line into the text around its numbers, and the numbers with suffixes such as `-rc.1`.
pub(super) fn numbers(line: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut around, mut found) = (vec![Vec::new()], Vec::new());
    let mut rest = line;
    while let Some((&byte, tail)) = rest.split_first() {
        let before = around.last().and_then(|text| text.last().copied());
        let is_inside_word = before.is_some_and(|b: u8| b.is_ascii_alphanumeric() && b != b'v');
        if byte.is_ascii_digit() && !is_inside_word {
            let in_number = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+');
            let length = rest.iter().take_while(|b| in_number(b)).count();
            found.push(rest[..length].to_vec());
            around.push(Vec::new());
            rest = &rest[length..];
        } else {
            if let Some(text) = around.last_mut() {
                text.push(byte);
            }
            rest = tail;
        }
    }
    (around, found)
}

/// Returns `true` if no edit of one side overlaps an edit of the other.
fn only_touch(lines: &HunkLines<'_>) -> bool {
    let ours = edits(&lines.base, &lines.ours);
    let theirs = edits(&lines.base, &lines.theirs);
    let apart = |a: &Range<usize>, b: &Range<usize>| {
        (a.end <= b.start || b.end <= a.start) && !(a.is_empty() && b.is_empty() && a == b)
    };
    ours.iter().all(|a| theirs.iter().all(|b| apart(a, b)))
}

/// Lists the ranges of the base that a side replaces; empty ones are insertions.
fn edits(base: &[&[u8]], side: &[&[u8]]) -> Vec<Range<usize>> {
    let replacements = replacements(base, side).into_iter();
    replacements.map(|(base, _)| base).collect()
}

/// Lists the ranges of the base that a side replaces, each with the replacing range of the side.
pub(super) fn replacements(base: &[&[u8]], side: &[&[u8]]) -> Vec<(Range<usize>, Range<usize>)> {
    let ops = capture_diff_slices(Algorithm::Histogram, base, side);
    ops.iter()
        .filter(|op| !matches!(op, DiffOp::Equal { .. }))
        .map(|op| (op.old_range(), op.new_range()))
        .collect()
}

fn split_lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

fn line_range(range: Range<usize>) -> LineRange {
    LineRange {
        start: range.start as u32 + 1,
        count: range.len() as u32,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn show(path: &str, base: &str, ours: &str, theirs: &str) -> String {
        let text = |words: &str| words.replace('|', "\n").into_bytes();
        let found = hunks(&path.into(), &text(base), &text(ours), &text(theirs));
        let flipped = hunks(&path.into(), &text(base), &text(theirs), &text(ours));
        let classes = |hunks: &[Hunk]| hunks.iter().map(|hunk| hunk.class).collect::<Vec<_>>();
        assert_eq!(classes(&found), classes(&flipped), "both ways round");
        let range = |range: LineRange| format!("{}+{}", range.start, range.count);
        let words = found.iter().map(|hunk| {
            let (base, a, b) = (range(hunk.base), range(hunk.a), range(hunk.b));
            format!("{} {base} {a} {b}", hunk.class)
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// Renders cases `path: base / ours / theirs`, one per line.
    fn table(cases: &str) -> String {
        let line = |case: &str| {
            let (path, texts) = case.trim().split_once(": ").unwrap();
            let texts: Vec<&str> = texts.split(" / ").collect();
            format!("{case} = {}", show(path, texts[0], texts[1], texts[2]))
        };
        cases
            .trim()
            .lines()
            .map(str::trim)
            .map(line)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn every_hunk_gets_the_mildest_class_that_fits() {
        insta::assert_snapshot!(
            table(
                r#"
                f: a|b|c| / a| b|c| / a|b |c|
                f: a|b|c| / a| b|c| / a|x|c|
                f: a|b|c| / a||b|c| / a|x|c|
                f: v = 1.0.0| / v = 1.1.0| / v = 1.0.1|
                f: v2-rc.1 x| / v3 x| / v2-rc.2 x|
                f: a = 1, 2| / a = 3, 2| / a = 1, 4|
                f: x1| / x2| / x3|
                f: a|z| / a|x|z| / a|x|y|z|
                f: a|z| / a|x|z| / a|y|z|
                f: a|z| / a|x|p|z| / a|y|p|z|
                f: a|b|c|d| / a|B|c|d| / a|b|C|d|
                f: a|b|c|d| / a|b|x|c|d| / a|b|C|d|
                f: a|b|c|d| / a|c|d| / a|b|C|d|
                f: a|b|c| / a|c| / a|x|c|
                f: a|b|c| / a|y|c| / a|x|c|
                f: a|b|c|d|e|f|g| / A|b|c|d|e|f|G| / x|b|c|d|e|f|y|
                a.txt: use a;||x| / use a;|use b;||x| / use a;|use c;||x|
                a.rs: use a;||x| / use a;|use b;||x| / use a;|use c;||x|
                a.py: from a import b|x| / from a import c|x| / from a import d|x|
                a.go: import (|)| / import (|"a/b"|)| / import (|c "d"|)|
                a.rs: // old|x| / // new|x| / // other|x|
                a.py: # old|x| / # new|x| / # other|x|
                a.md: # old|x| / # new|x| / # other|x|
                a.rs: // old|x| / // new|x| / code();|x|
                "#
            ),
            @r#"
            f: a|b|c| / a| b|c| / a|b |c| = whitespace 2+1 2+1 2+1
            f: a|b|c| / a| b|c| / a|x|c| = reformat-vs-edit 2+1 2+1 2+1
            f: a|b|c| / a||b|c| / a|x|c| = reformat-vs-edit 2+1 2+2 2+1
            f: v = 1.0.0| / v = 1.1.0| / v = 1.0.1| = version 1+1 1+1 1+1
            f: v2-rc.1 x| / v3 x| / v2-rc.2 x| = version 1+1 1+1 1+1
            f: a = 1, 2| / a = 3, 2| / a = 1, 4| = overlap 1+1 1+1 1+1
            f: x1| / x2| / x3| = overlap 1+1 1+1 1+1
            f: a|z| / a|x|z| / a|x|y|z| = contained-insert 2+0 2+1 2+2
            f: a|z| / a|x|z| / a|y|z| = insert-insert 2+0 2+1 2+1
            f: a|z| / a|x|p|z| / a|y|p|z| = overlap 2+0 2+2 2+2
            f: a|b|c|d| / a|B|c|d| / a|b|C|d| = adjacent 2+2 2+2 2+2
            f: a|b|c|d| / a|b|x|c|d| / a|b|C|d| = adjacent 3+1 3+2 3+1
            f: a|b|c|d| / a|c|d| / a|b|C|d| = adjacent 2+2 2+1 2+2
            f: a|b|c| / a|c| / a|x|c| = delete-edit 2+1 2+0 2+1
            f: a|b|c| / a|y|c| / a|x|c| = overlap 2+1 2+1 2+1
            f: a|b|c|d|e|f|g| / A|b|c|d|e|f|G| / x|b|c|d|e|f|y| = overlap 1+1 1+1 1+1, overlap 7+1 7+1 7+1
            a.txt: use a;||x| / use a;|use b;||x| / use a;|use c;||x| = insert-insert 2+0 2+1 2+1
            a.rs: use a;||x| / use a;|use b;||x| / use a;|use c;||x| = imports 2+0 2+1 2+1
            a.py: from a import b|x| / from a import c|x| / from a import d|x| = imports 1+1 1+1 1+1
            a.go: import (|)| / import (|"a/b"|)| / import (|c "d"|)| = imports 2+0 2+1 2+1
            a.rs: // old|x| / // new|x| / // other|x| = comment 1+1 1+1 1+1
            a.py: # old|x| / # new|x| / # other|x| = comment 1+1 1+1 1+1
            a.md: # old|x| / # new|x| / # other|x| = overlap 1+1 1+1 1+1
            a.rs: // old|x| / // new|x| / code();|x| = overlap 1+1 1+1 1+1
            "#
        );
    }

    #[test]
    fn binary_content_has_no_hunks() {
        assert!(hunks(&"f".into(), b"\0a", b"\0b", b"\0c").is_empty());
    }
}
