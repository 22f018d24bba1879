//! Reads the logs of references.

use std::collections::HashSet;
use std::io;

use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::git::command::{Git, GitError};
use crate::git::head::keeps_reftable;
use crate::git::repo::Repo;
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;

/// Commits of a log with their messages, the latest first.
pub type Log = Vec<(Oid, String)>;

/// Lists the commits in the log of a reference; none without the reference.
///
/// # Errors
/// When git cannot be run.
pub fn log_of(git: &Git, reference: &str) -> Result<Log, GitError> {
    let format = "--format=%H %gs";
    let finished = git.finish(["log", "-g", format, reference, "--"])?;
    let listed = String::from_utf8_lossy(&finished.stdout);
    let parse = |line: &str| {
        let (commit, message) = line.split_once(' ')?;
        Some((commit.parse().ok()?, message.to_owned()))
    };
    Ok(listed.lines().filter_map(parse).collect())
}

impl Repo {
    /// Lists the commits in the log of a worktree's HEAD. It costs a process only where references are
    /// in a reftable.
    ///
    /// # Errors
    /// When git cannot be run, or the log cannot be read.
    pub fn head_log(&self, worktree: &Worktree) -> Result<Log, GitError> {
        if keeps_reftable(&worktree.admin) {
            // Its folder may be gone, and git starts in none that is missing.
            let entry = worktree.admin.file_name().unwrap_or_default();
            let name = format!("worktrees/{}/HEAD", entry.to_string_lossy());
            return log_of(&self.git(), &name);
        }
        let file = worktree.admin.join("logs/HEAD");
        let text = match regular_file::read(&file, RECORD_LIMIT) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(GitError::Log(file, error)),
        };
        Ok(parse_log(&String::from_utf8_lossy(&text)))
    }
}

/// Parses the file of a log.
pub(super) fn parse_log(text: &str) -> Log {
    let entry = |line: &str| {
        let (change, message) = line.split_once('\t').unwrap_or((line, ""));
        let commit: Oid = change.split(' ').nth(1)?.parse().ok()?;
        (!commit.is_zero()).then(|| (commit, message.to_owned()))
    };
    let mut entries: Log = text.lines().filter_map(entry).collect();
    entries.reverse();
    entries
}

/// Returns the tips among some commits: those that are the parent of no other one, and that no reference
/// contains.
///
/// # Errors
/// When git cannot read them.
pub fn unreachable_tips(git: &Git, commits: &[Oid]) -> Result<Vec<Oid>, GitError> {
    if commits.is_empty() {
        return Ok(Vec::new());
    }
    let names = commits.iter().map(Oid::to_string);
    let options = ["rev-list", "--topo-order", "--parents", "--ignore-missing"];
    let args = options.into_iter().map(str::to_owned).chain(names);
    let args: Vec<String> = args
        .chain(["--not", "--glob=refs/*"].map(str::to_owned))
        .collect();
    Ok(tips_in(&String::from_utf8_lossy(&git.run(&args)?)))
}

/// Returns the commits in the output of `git rev-list --topo-order --parents` that no other one there has as a
/// parent.
pub(super) fn tips_in(listed: &str) -> Vec<Oid> {
    let (mut tips, mut parents) = (Vec::new(), HashSet::new());
    for line in listed.lines() {
        let mut ids = line.split(' ').filter_map(|id| id.parse::<Oid>().ok());
        let Some(commit) = ids.next() else { continue };
        if !parents.contains(&commit) {
            tips.push(commit);
        }
        parents.extend(ids);
    }
    tips
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_lists_the_commits_after_each_change_the_latest_first() {
        let [none, one, two] = ["0", "1", "2"].map(|digit| digit.repeat(40));
        let text = format!(
            "{none} {one} A <a@b> 1 +0000\tcommit (initial): a\n\
             {one} {two} A <a@b> 2 +0000\tcommit: b\n\
             {two} {none} A <a@b> 3 +0000\n"
        );
        let log = parse_log(&text);
        let words: Vec<String> = log
            .iter()
            .map(|(commit, message)| format!("{} {message}", commit.short()))
            .collect();
        assert_eq!(words, ["2222222 commit: b", "1111111 commit (initial): a"]);
    }
}
