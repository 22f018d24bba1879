//! The versions of one file in conflict, compared.

use crate::base::text_diff::{DiffLine, Piece, line_diff, word_diff};
use crate::merge::change::RepoPath;
use crate::merge::class::{Class, HunkClass};
use crate::merge::verdict::{Hunk, LineRange};
use crate::merge::versions::FileVersions;

/// A file in conflict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PairFile {
    /// The path.
    pub path: RepoPath,
    /// The class of its conflict, where it is known.
    pub class: Option<Class>,
    /// The comparison of its versions.
    pub comparison: FileComparison,
}

/// A value for each of the three versions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThreeWay<T> {
    /// That of the merge base.
    pub base: T,
    /// That of the first branch.
    pub ours: T,
    /// That of the second branch.
    pub theirs: T,
}

/// The comparison of the versions of a file; `None` stands for a version without the path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FileComparison {
    /// The targets of links, or the commits of submodules.
    Pointers(ThreeWay<Option<String>>),
    /// The sizes of binary content, in bytes.
    Binary(ThreeWay<Option<usize>>),
    /// The side with this index adds it, and the other has something else at this path.
    Added {
        /// The index of the side.
        by: usize,
    },
    /// The side with this index deletes it.
    Deleted {
        /// The index of the side.
        by: usize,
        /// The changes of the other side.
        changes: Vec<DiffLine>,
    },
    /// The hunks in conflict. Empty if the lines merge and modes or names conflict.
    Hunks(Vec<PairHunk>),
    /// Only the base has this path.
    Gone,
}

/// A hunk in conflict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PairHunk {
    /// Its class.
    pub class: HunkClass,
    /// Its three versions.
    pub versions: ThreeWay<HunkVersion>,
}

/// One version of a hunk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HunkVersion {
    /// Its lines in the file.
    pub range: LineRange,
    /// The lines, with the words that differ from the base.
    pub lines: Vec<Vec<Piece>>,
}

impl PairFile {
    /// Compares the versions of a file.
    pub(super) fn new(file: &FileVersions, class: Option<Class>) -> PairFile {
        PairFile {
            path: file.path.clone(),
            class,
            comparison: compare(file, class),
        }
    }
}

fn compare(file: &FileVersions, class: Option<Class>) -> FileComparison {
    let versions = ThreeWay {
        base: file.base.as_deref(),
        ours: file.a.as_deref(),
        theirs: file.b.as_deref(),
    };
    if matches!(class, Some(Class::Symlink | Class::Submodule)) {
        return FileComparison::Pointers(versions.map(|content| content.map(target)));
    }
    let contents = [versions.base, versions.ours, versions.theirs];
    if contents.into_iter().flatten().any(|text| text.contains(&0)) {
        return FileComparison::Binary(versions.map(|content| content.map(<[u8]>::len)));
    }
    match (versions.ours, versions.theirs) {
        (Some(_), Some(_)) => {
            let versions = versions.map(|content| content.unwrap_or_default());
            let hunks = file.hunks.iter().map(|hunk| PairHunk::new(hunk, &versions));
            FileComparison::Hunks(hunks.collect())
        }
        (Some(side), None) => one_sided(versions.base, side, 0),
        (None, Some(side)) => one_sided(versions.base, side, 1),
        (None, None) => FileComparison::Gone,
    }
}

/// Compares a file that only the side with this index has.
fn one_sided(base: Option<&[u8]>, content: &[u8], side: usize) -> FileComparison {
    match base {
        None => FileComparison::Added { by: side },
        Some(base) => FileComparison::Deleted {
            by: 1 - side,
            changes: line_diff(
                &String::from_utf8_lossy(base),
                &String::from_utf8_lossy(content),
            ),
        },
    }
}

fn target(content: &[u8]) -> String {
    String::from_utf8_lossy(content).trim_end().to_owned()
}

impl PairHunk {
    fn new(hunk: &Hunk, versions: &ThreeWay<&[u8]>) -> PairHunk {
        let before = lines_of(versions.base, hunk.base);
        let version = |content, range| HunkVersion {
            range,
            lines: word_diff(&before, &lines_of(content, range)),
        };
        PairHunk {
            class: hunk.class,
            versions: ThreeWay {
                base: version(versions.base, hunk.base),
                ours: version(versions.ours, hunk.a),
                theirs: version(versions.theirs, hunk.b),
            },
        }
    }
}

impl<T> ThreeWay<T> {
    /// Maps the value of each version.
    pub fn map<'a, U>(&'a self, map: impl Fn(&'a T) -> U) -> ThreeWay<U> {
        ThreeWay {
            base: map(&self.base),
            ours: map(&self.ours),
            theirs: map(&self.theirs),
        }
    }
}

fn lines_of(text: &[u8], range: LineRange) -> String {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let first = range.start.saturating_sub(1) as usize;
    let lines: Vec<&[u8]> = lines.skip(first).take(range.count as usize).collect();
    String::from_utf8_lossy(&lines.concat()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Content<'a> = Option<&'a [u8]>;

    fn compared(class: Class, [base, a, b]: [Content<'_>; 3], hunks: Vec<Hunk>) -> FileComparison {
        let file = FileVersions {
            path: "file".into(),
            base: base.map(<[u8]>::to_vec),
            a: a.map(<[u8]>::to_vec),
            b: b.map(<[u8]>::to_vec),
            hunks,
        };
        PairFile::new(&file, Some(class)).comparison
    }

    #[test]
    fn a_hunk_has_three_versions_with_the_words_that_each_side_changed() {
        let range = |start, count| LineRange { start, count };
        let hunk = Hunk {
            class: HunkClass::Overlap,
            base: range(2, 1),
            a: range(2, 1),
            b: range(2, 2),
        };
        let contents: [Content<'_>; 3] = [
            Some(b"1\nlet a\n3\n"),
            Some(b"1\nlet b\n3\n"),
            Some(b"1\nlet a\nnew\n3\n"),
        ];
        let FileComparison::Hunks(hunks) = compared(Class::Content, contents, vec![hunk]) else {
            panic!("no hunks");
        };
        let words = |version: &HunkVersion| {
            let piece = |piece: &Piece| format!("{:?} {:?}", piece.mark, piece.text);
            let line = |line: &Vec<Piece>| line.iter().map(piece).collect::<Vec<_>>().join(", ");
            let lines: Vec<String> = version.lines.iter().map(line).collect();
            lines.join(" | ")
        };
        let versions = &hunks[0].versions;
        let all = [&versions.base, &versions.ours, &versions.theirs].map(words);
        insta::assert_snapshot!(all.join("\n"), @r#"
        Same "let a"
        Same "let ", Removed "a", Added "b"
        Same "let a" | Added "new"
        "#);
    }

    #[test]
    fn content_that_has_no_lines_in_common_is_not_compared_by_line() {
        use FileComparison as C;
        let (x, zero): (Content<'_>, Content<'_>) = (Some(b"x\n"), Some(b"\0"));
        let pointers = compared(Class::Symlink, [None, x, x], Vec::new());
        assert!(
            matches!(pointers, C::Pointers(ThreeWay { base: None, ours: Some(to), .. }) if to == "x")
        );
        let binary = compared(Class::Binary, [x, zero, x], Vec::new());
        assert!(matches!(binary, C::Binary(ThreeWay { ours: Some(1), .. })));
        let added = compared(Class::FileDirectory, [None, None, x], Vec::new());
        assert_eq!(added, C::Added { by: 1 });
        let deleted = compared(Class::ModifyDelete, [x, None, Some(b"y\n")], Vec::new());
        assert!(matches!(deleted, C::Deleted { by: 0, changes } if changes.len() == 2));
        let modes = compared(Class::ExecBit, [x, x, x], Vec::new());
        assert_eq!(modes, C::Hunks(Vec::new()));
        assert_eq!(
            compared(Class::RenameRename, [x, None, None], Vec::new()),
            C::Gone
        );
    }
}
