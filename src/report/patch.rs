//! A patch of git as a value: files, hunks, and lines with the words that differ.

use crate::base::quoted_path::unquoted;
use crate::base::text_diff::{Mark, Piece, replaced_lines};

/// The changes to one file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FilePatch {
    /// The path; `old → new` for a renamed file.
    pub path: String,
    /// The path after the change; the only one of a file that was deleted.
    pub name: String,
    /// The lines of git about modes, names and binary content.
    pub notes: Vec<String>,
    /// The hunks.
    pub hunks: Vec<PatchHunk>,
}

/// One hunk.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PatchHunk {
    /// Its first line, such as `@@ -1,3 +1,4 @@ fn main()`.
    pub header: String,
    /// Its lines.
    pub lines: Vec<PatchLine>,
}

/// One line of a hunk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PatchLine {
    /// Its number before the change, unless it was added.
    pub old: Option<u32>,
    /// Its number after the change, unless it was removed.
    pub new: Option<u32>,
    /// Its part in the change.
    pub mark: Mark,
    /// The text in pieces: those of a changed line that also stand in the other version are
    /// [`Mark::Same`].
    pub pieces: Vec<Piece>,
}

impl FilePatch {
    /// Counts the lines that were added, and those that were removed.
    pub fn size(&self) -> (usize, usize) {
        let lines = self.hunks.iter().flat_map(|hunk| &hunk.lines);
        let count = |mark| lines.clone().filter(|line| line.mark == mark).count();
        (count(Mark::Added), count(Mark::Removed))
    }
}

/// Parses a patch that `git diff` wrote with the prefixes `a/` and `b/`.
pub fn parse_patch(text: &str) -> Vec<FilePatch> {
    let mut parser = Parser::default();
    for line in text.split('\n') {
        parser.push(line.strip_suffix('\r').unwrap_or(line));
    }
    parser.finish()
}

#[derive(Default)]
struct Parser<'a> {
    files: Vec<FilePatch>,
    /// The lines of the current hunk that are still expected: old and new ones.
    left: (u32, u32),
    /// The numbers of the next lines.
    next: (u32, u32),
    removed: Vec<&'a str>,
    added: Vec<&'a str>,
}

impl<'a> Parser<'a> {
    fn push(&mut self, line: &'a str) {
        if self.left != (0, 0) {
            return self.push_content(line);
        }
        self.close_block();
        if let Some(paths) = line.strip_prefix("diff --git ") {
            let path = path_of_both(paths);
            self.files.push(FilePatch {
                name: path.clone(),
                path,
                ..FilePatch::default()
            });
            return;
        }
        let Some(file) = self.files.last_mut() else {
            return;
        };
        if let Some((old, new)) = hunk_ranges(line) {
            (self.left, self.next) = ((old.1, new.1), (old.0, new.0));
            file.hunks.push(PatchHunk {
                header: line.to_owned(),
                lines: Vec::new(),
            });
        } else if file.hunks.is_empty() {
            push_header(file, line);
        }
    }

    fn push_content(&mut self, line: &'a str) {
        match line.split_at_checked(1) {
            Some(("-", text)) => {
                if !self.added.is_empty() {
                    self.close_block();
                }
                self.left.0 = self.left.0.saturating_sub(1);
                self.removed.push(text);
            }
            Some(("+", text)) => {
                self.left.1 = self.left.1.saturating_sub(1);
                self.added.push(text);
            }
            // `\ No newline at end of file` belongs to the line before.
            Some(("\\", _)) => {}
            other => {
                self.close_block();
                self.left = (self.left.0.saturating_sub(1), self.left.1.saturating_sub(1));
                let text = other.map_or(line, |(_, text)| text);
                self.push_line(Mark::Same, vec![Piece::new(Mark::Same, text)]);
            }
        }
    }

    /// Adds the removed and added lines that replace each other.
    fn close_block(&mut self) {
        let (removed, added) = (
            std::mem::take(&mut self.removed),
            std::mem::take(&mut self.added),
        );
        let whole = |lines: Vec<&str>, mark| -> Vec<Vec<Piece>> {
            let lines = lines.into_iter();
            lines.map(|line| vec![Piece::new(mark, line)]).collect()
        };
        let [old, new] = match removed.is_empty() || added.is_empty() {
            true => [whole(removed, Mark::Removed), whole(added, Mark::Added)],
            false => replaced_lines(&removed, &added),
        };
        for pieces in old {
            self.push_line(Mark::Removed, pieces);
        }
        for pieces in new {
            self.push_line(Mark::Added, pieces);
        }
    }

    fn push_line(&mut self, mark: Mark, pieces: Vec<Piece>) {
        let old = (mark != Mark::Added).then_some(self.next.0);
        let new = (mark != Mark::Removed).then_some(self.next.1);
        self.next.0 += u32::from(old.is_some());
        self.next.1 += u32::from(new.is_some());
        let hunk = self.files.last_mut().and_then(|file| file.hunks.last_mut());
        if let Some(hunk) = hunk {
            hunk.lines.push(PatchLine {
                old,
                new,
                mark,
                pieces,
            });
        }
    }

    fn finish(mut self) -> Vec<FilePatch> {
        self.close_block();
        self.files
    }
}

/// Takes a line between the name of a file and its first hunk.
fn push_header(file: &mut FilePatch, line: &str) {
    if let Some(from) = line.strip_prefix("rename from ") {
        file.path = path(from);
    } else if let Some(to) = line.strip_prefix("rename to ") {
        file.name = path(to);
        file.path = format!("{} → {}", file.path, file.name);
    } else if let Some(rest) = line.strip_prefix("Binary files ") {
        file.notes.push(format!("binary content: {rest}"));
    } else if !["index ", "--- ", "+++ ", "similarity index 100%"]
        .iter()
        .any(|start| line.starts_with(start))
        && !line.is_empty()
    {
        file.notes.push(line.to_owned());
    }
}

/// Returns the path of `a/path b/path`, the same on both sides; names that differ are given by
/// `rename from` and `rename to`.
fn path_of_both(paths: &str) -> String {
    let name = |text: &str, prefix: &str| {
        let path = path(text);
        path.strip_prefix(prefix).map(str::to_owned)
    };
    let middle = paths.len() / 2;
    let (a, b) = (paths.get(..middle), paths.get(middle + 1..));
    let (a, b) = (a.and_then(|a| name(a, "a/")), b.and_then(|b| name(b, "b/")));
    a.filter(|a| Some(a) == b.as_ref())
        .unwrap_or_else(|| paths.to_owned())
}

/// Returns a path without the quotes in which git writes one with unusual characters: `"t\303\244g"`.
fn path(printed: &str) -> String {
    String::from_utf8_lossy(&unquoted(printed.as_bytes())).into_owned()
}

/// Parses `@@ -1,3 +1,4 @@`: the start and the count of both sides.
fn hunk_ranges(line: &str) -> Option<((u32, u32), (u32, u32))> {
    let (ranges, _) = line.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let range = |text: &str| match text.split_once(',') {
        Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    };
    Some((range(old)?, range(new)?))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// Renders a parsed patch, one line for each line.
    fn shown(text: &str) -> String {
        let mut out = String::new();
        for file in parse_patch(text) {
            let _ = writeln!(out, "{} {:?} {:?}", file.path, file.size(), file.notes);
            for line in file.hunks.iter().flat_map(|hunk| &hunk.lines) {
                let number = |n: Option<u32>| n.map_or("-".to_owned(), |n| n.to_string());
                let pieces = line.pieces.iter().map(|piece| match piece.mark {
                    Mark::Same => piece.text.clone(),
                    _ => format!("[{}]", piece.text),
                });
                let text: String = pieces.collect();
                let _ = writeln!(
                    out,
                    "  {} {} {:?} {text}",
                    number(line.old),
                    number(line.new),
                    line.mark
                );
            }
        }
        out
    }

    #[test]
    fn a_patch_has_files_hunks_and_changed_words() {
        let patch = "\
diff --git a/src/app.rs b/src/app.rs
index 1..2 100644
--- a/src/app.rs
+++ b/src/app.rs
@@ -3,4 +3,4 @@ fn main() {
 let x = 1;
-let y = x + 1;
+let y = x + 2;

-- a line that starts with dashes
+++ and one with plus signs
@@ -20 +20,2 @@
 last
+more
\\ No newline at end of file
diff --git a/old name b/new name
similarity index 100%
rename from old name
rename to new name
diff --git a/logo.png b/logo.png
new file mode 100644
index 0..1
Binary files /dev/null and b/logo.png differ
diff --git \"a/t\\303\\244g\" \"b/t\\303\\244g\"
deleted file mode 100644
--- \"a/t\\303\\244g\"
+++ /dev/null
@@ -1 +0,0 @@
-diff --git a/evil b/evil
";
        insta::assert_snapshot!(shown(patch), @r#"
        src/app.rs (3, 2) []
          3 3 Same let x = 1;
          4 - Removed let y = x + [1;]
          - 4 Added let y = x + [2;]
          5 5 Same 
          6 - Removed [-] [a] [line that starts] with [dashes]
          - 6 Added [++] [and] [one] with [plus signs]
          20 20 Same last
          - 21 Added [more]
        old name → new name (0, 0) []
        logo.png (0, 0) ["new file mode 100644", "binary content: /dev/null and b/logo.png differ"]
        täg (0, 1) ["deleted file mode 100644"]
          1 - Removed [diff --git a/evil b/evil]
        "#);
        let names = parse_patch(patch).into_iter().map(|file| file.name);
        let names: Vec<String> = names.collect();
        assert_eq!(names, ["src/app.rs", "new name", "logo.png", "täg"]);
        assert_eq!(parse_patch(""), Vec::new());
        assert_eq!(parse_patch("@@ -1 +1 @@\n-a\n+b\nnonsense"), Vec::new());
    }
}
