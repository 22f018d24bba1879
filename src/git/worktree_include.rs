//! Untracked files of a checkout, selected by patterns of the gitignore(5) syntax.

use crate::git::command::GitError;
use crate::git::repo::Repo;
use crate::merge::change::RepoPath;

impl Repo {
    /// Lists untracked files of the user's checkout that match a pattern, or a pattern in one of the
    /// pattern files (relative to the top). Absent pattern files count as empty. Brackets in a pattern also
    /// stand for themselves, as in `src/[id]/.env`.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn untracked_matching(
        &self,
        patterns: &[String],
        pattern_files: &[&str],
    ) -> Result<Vec<RepoPath>, GitError> {
        let mut args = ["ls-files", "-z", "--others", "--ignored", "--full-name"]
            .map(str::to_owned)
            .to_vec();
        let exclude = |pattern: &str| format!("--exclude={pattern}");
        for pattern in patterns {
            args.push(exclude(pattern));
            args.extend(with_literal_brackets(pattern).as_deref().map(exclude));
        }
        let present = pattern_files
            .iter()
            .filter(|file| self.top.join(file).is_file());
        args.extend(present.map(|file| format!("--exclude-from={file}")));
        if args.len() == 5 {
            return Ok(Vec::new());
        }
        Ok(split(&self.git().run(&args)?))
    }

    /// Returns the paths that git ignores.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn ignored_among(&self, paths: &[RepoPath]) -> Result<Vec<RepoPath>, GitError> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let mut input = Vec::new();
        for path in paths {
            input.extend_from_slice(path.as_bytes());
            input.push(0);
        }
        let args = ["check-ignore", "-z", "--stdin"];
        let finished = self.git().program().args(args).stdin(input).output()?;
        match finished.status.code() {
            // 1 means that none of them is ignored (git-check-ignore(1)).
            Some(0 | 1) => Ok(split(&finished.stdout)),
            _ => Err(self.git().failed(&args, &finished)),
        }
    }
}

/// Returns the pattern with brackets that match themselves; `None` without any, or for one that already
/// decides by backslashes which of them do.
fn with_literal_brackets(pattern: &str) -> Option<String> {
    let has_brackets = pattern.contains('[') && !pattern.contains('\\');
    has_brackets.then(|| pattern.replace('[', "\\[").replace(']', "\\]"))
}

fn split(output: &[u8]) -> Vec<RepoPath> {
    output
        .split(|byte| *byte == 0)
        .filter(|path| !path.is_empty())
        .map(RepoPath::new)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_of_a_pattern_also_stand_for_themselves() {
        let literal = |pattern: &str| with_literal_brackets(pattern).unwrap_or_default();
        assert_eq!(literal("!src/[id]/.env"), "!src/\\[id\\]/.env");
        assert_eq!(literal("src/\\[id]/.env"), "");
        assert_eq!(literal(".env*"), "");
    }
}
