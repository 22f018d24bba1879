//! Finds the commits that wrote the lines of a file: `git blame`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::base::quoted_path::unquoted;
use crate::git::command::GitError;
use crate::git::repo::Repo;
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;

/// A line of a file with the commit that wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlamedLine {
    /// The number of the line, from 1.
    pub number: usize,
    /// The commit.
    pub commit: Oid,
    /// The path of the file in that commit.
    pub path: RepoPath,
    /// The number of the line in that commit, from 1.
    pub original: usize,
    /// The line without its end.
    pub text: Vec<u8>,
}

impl Repo {
    /// Resolves a revision to a commit as git does in this checkout: HEAD is that of a linked worktree.
    /// `None` if it names none.
    ///
    /// # Errors
    /// When git cannot be started.
    pub fn resolve_here(&self, revision: &str) -> Result<Option<Oid>, GitError> {
        let commit = format!("{revision}^{{commit}}");
        let args = [
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &commit,
        ];
        let found = self.git().run_unless_invalid(&args)?;
        let line = found.as_deref().map(String::from_utf8_lossy);
        Ok(line.and_then(|line| line.trim_end().parse().ok()))
    }

    /// Returns `true` for a file that is stored in another form than that in which it is checked out.
    ///
    /// # Errors
    /// When git cannot read its attributes.
    pub fn is_converted(&self, path: &RepoPath) -> Result<bool, GitError> {
        let mut args: Vec<OsString> = [
            "check-attr",
            "-z",
            "filter",
            "working-tree-encoding",
            "ident",
        ]
        .map(OsString::from)
        .to_vec();
        args.push("--".into());
        args.push(OsStr::from_bytes(path.as_bytes()).to_owned());
        let output = self.git().run(&args)?;
        let words: Vec<&[u8]> = output.split(|byte| *byte == 0).collect();
        let is_set = |words: &[&[u8]]| matches!(words, [_, _, value] if *value != b"unspecified" && *value != b"unset");
        Ok(words.chunks(3).any(is_set))
    }

    /// Finds the commit of each of the lines `from` to `to` (from 1, both included) of a file in a commit;
    /// of all lines without a range. No program of the repository's attributes takes part.
    ///
    /// # Errors
    /// When the commit has no such file, or the file has fewer lines.
    pub fn blame(
        &self,
        commit: Oid,
        path: &RepoPath,
        lines: Option<(usize, usize)>,
    ) -> Result<Vec<BlamedLine>, GitError> {
        let mut args: Vec<OsString> = ["blame", "-M", "--line-porcelain", "--no-textconv"]
            .map(OsString::from)
            .to_vec();
        args.extend(lines.map(|(from, to)| OsString::from(format!("-L{from},{to}"))));
        args.push(commit.to_string().into());
        args.push("--".into());
        args.push(OsStr::from_bytes(path.as_bytes()).to_owned());
        // The setting may name a file that is not there, and paths must not be quoted more than needed.
        let git = self.git().setting("blame.ignoreRevsFile=");
        let git = git.setting("core.quotePath=false");
        let output = git.run(&args)?;
        Ok(parse(&output, path))
    }
}

/// Parses `git blame --line-porcelain`: for each line a header, fields, and after a tab the text.
fn parse(output: &[u8], path: &RepoPath) -> Vec<BlamedLine> {
    let mut found: Vec<BlamedLine> = Vec::new();
    let mut current: Option<BlamedLine> = None;
    for line in output.split(|byte| *byte == b'\n') {
        if let Some(text) = line.strip_prefix(b"\t") {
            found.extend(current.take().map(|blamed| BlamedLine {
                text: text.to_vec(),
                ..blamed
            }));
        } else if let Some(blamed) = &mut current {
            if let Some(name) = line.strip_prefix(b"filename ") {
                blamed.path = RepoPath::new(unquoted(name));
            }
        } else {
            current = header(line, path);
        }
    }
    found
}

/// Parses `<commit> <original line> <final line> [<count>]`.
fn header(line: &[u8], path: &RepoPath) -> Option<BlamedLine> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    Some(BlamedLine {
        commit: words.next()?.parse().ok()?,
        original: words.next()?.parse().ok()?,
        number: words.next()?.parse().ok()?,
        path: path.clone(),
        text: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_their_commit_and_its_path() {
        let one = "1".repeat(40);
        let output = format!(
            "{one} 3 7 1\nauthor A\nsummary filename of a thing\nfilename old/\u{e4}.txt\n\thello\n\
             {one} 4 8\nauthor A\nfilename \"a\\tb\\303\\244\\\"\"\n\t\tx\n"
        );
        let found = parse(output.as_bytes(), &RepoPath::new("new"));
        let of = |line: &BlamedLine| {
            (
                line.number,
                line.original,
                line.path.clone(),
                line.text.clone(),
            )
        };
        let seen: Vec<_> = found.iter().map(of).collect();
        let first = (7, 3, RepoPath::new("old/\u{e4}.txt"), b"hello".to_vec());
        let second = (8, 4, RepoPath::new("a\tb\u{e4}\""), b"\tx".to_vec());
        assert_eq!(seen, [first, second]);
    }
}
