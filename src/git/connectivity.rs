//! Checks that all objects of a history exist.

use crate::git::command::GitError;
use crate::git::repo::Repo;
use crate::merge::oid::Oid;

impl Repo {
    /// Lists the missing objects of the history that ends with `tips`, without what `base` has. The tips
    /// exist. Where git stops at the first one, as git before 2.44 does at a commit, that one is listed.
    /// Objects that a partial clone has not fetched yet are not missing.
    ///
    /// # Errors
    /// When git cannot be started, or fails for another reason.
    pub fn missing_objects(&self, tips: &[Oid], base: Oid) -> Result<Vec<Oid>, GitError> {
        if tips.is_empty() {
            return Ok(Vec::new());
        }
        let missing = match self.formats.is_partial {
            true => "--missing=allow-promisor",
            false => "--missing=print",
        };
        // A commit graph has the parents of commits that do not exist.
        let git = self.git().setting("core.commitGraph=false");
        let args = ["rev-list", "--objects", missing, "--stdin"];
        let mut input: String = tips.iter().map(|tip| format!("{tip}\n")).collect();
        input.push_str(&format!("^{base}\n"));
        let finished = git.program().args(args).stdin(input).output()?;
        let said = match finished.status.success() {
            true => &finished.stdout,
            false => &finished.stderr,
        };
        let text = String::from_utf8_lossy(said);
        let mut found: Vec<Oid> = match finished.status.success() {
            true => text.lines().filter_map(printed).collect(),
            false => text.lines().filter_map(named_in_error).take(1).collect(),
        };
        if found.is_empty() && !finished.status.success() {
            return Err(git.failed(&args, &finished));
        }
        found.sort();
        found.dedup();
        Ok(found)
    }
}

/// Parses a line for a missing object: `?<oid>`, which newer versions of git follow with its path.
fn printed(line: &str) -> Option<Oid> {
    line.strip_prefix('?')?.split(' ').next()?.parse().ok()
}

/// Finds the object that an error names, such as `fatal: missing blob object '<oid>'`.
fn named_in_error(line: &str) -> Option<Oid> {
    let words = line.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.filter_map(|word| word.parse().ok()).next()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_kind_of_missing_object_is_found() {
        let script = "git init -q .; echo a >a; git add .; git commit -qm base; git tag base; \
                      mkdir d; echo b >d/b; git add .; git commit -qm one; git commit -q --allow-empty -m two";
        for lost in ["HEAD~", "HEAD^{tree}", "HEAD:d", "HEAD:d/b"] {
            let folder = tempfile::tempdir().unwrap();
            let run = std::process::Command::new("sh")
                .args(["-ec", script])
                .current_dir(folder.path())
                .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@x")])
                .envs([("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@x")])
                .status();
            assert!(run.unwrap().success());
            let repo = Repo::discover(folder.path()).unwrap();
            let oid = |name: &str| repo.git().line(&["rev-parse", name]).unwrap();
            let (tip, base) = (oid("HEAD").parse().unwrap(), oid("base").parse().unwrap());
            assert_eq!(repo.missing_objects(&[tip], base).unwrap(), []);
            let name = oid(lost);
            fs::remove_file(
                repo.common
                    .join("objects")
                    .join(&name[..2])
                    .join(&name[2..]),
            )
            .unwrap();
            let found = repo.missing_objects(&[tip], base).unwrap();
            assert_eq!(found, [name.parse().unwrap()], "{lost}");
        }
    }
}
