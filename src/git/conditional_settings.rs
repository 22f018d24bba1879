//! Settings that git includes on a condition, in a git folder where the condition has another answer.
//!
//! A condition on the branch or on the git folder (`includeIf "onbranch:…"`, `includeIf "gitdir:…"`) holds in
//! a worktree, but not in its worker's own git folder, which has another path and a configuration with
//! neither conditions nor includes. What is missing there is written into a file that it includes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::git::command::{Git, GitError};
use crate::git::frozen_settings::render;
use crate::git::repo::Repo;
use crate::git::worktree::{Worktree, WorktreeError, at};

/// The file with the missing settings, in the git folder.
const FILE: &str = "config.conditional";

/// Values by key, each in the order in which git reads them; `None` for a key without a value.
type Settings = BTreeMap<Vec<u8>, Vec<Option<Vec<u8>>>>;

impl Repo {
    /// Gives a git folder that stands in for a worktree's the settings that conditions give to the worktree.
    /// `entry` is the folder of the worktree in it.
    ///
    /// # Errors
    /// When git cannot list the settings, or the file cannot be written.
    pub(super) fn settle_conditions(
        &self,
        worktree: &Worktree,
        folder: &Path,
        entry: &Path,
    ) -> Result<(), WorktreeError> {
        let wanted = settings(&worktree.git())?;
        let inside = Git::at(&worktree.path)
            .env("GIT_DIR", entry.as_os_str())
            .env("GIT_WORK_TREE", worktree.path.as_os_str());
        let missing = missing(&wanted, &settings(&inside)?);
        if missing.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        missing
            .iter()
            .for_each(|setting| render(setting, &mut text));
        at(folder, fs::write(folder.join(FILE), text))?;
        let config = fs::File::options().append(true).open(folder.join("config"));
        let included = config.and_then(|mut config| {
            config.write_all(format!("[include]\n\tpath = {FILE}\n").as_bytes())
        });
        at(folder, included)
    }
}

/// Lists the settings that files give.
fn settings(git: &Git) -> Result<Settings, GitError> {
    let listed = git.run(&["config", "--list", "--show-scope", "--includes", "-z"])?;
    let mut parts = listed.split(|byte| *byte == 0);
    let mut found = Settings::new();
    while let (Some(scope), Some(setting)) = (parts.next(), parts.next()) {
        // Those of the worktree are copied as they are.
        if !matches!(scope, b"local" | b"global" | b"system") {
            continue;
        }
        let mut setting = setting.splitn(2, |byte| *byte == b'\n');
        let key = setting.next().unwrap_or_default();
        if !is_of_folder(key) {
            let values = found.entry(key.to_vec()).or_default();
            values.push(setting.next().map(<[u8]>::to_vec));
        }
    }
    Ok(found)
}

/// Returns `true` for a setting that belongs to the git folder itself.
fn is_of_folder(key: &[u8]) -> bool {
    let of_folder = ["core.bare", "core.repositoryformatversion", "core.worktree"];
    ["extensions.", "include."]
        .iter()
        .any(|start| key.starts_with(start.as_bytes()))
        || key.starts_with(b"includeif.")
        || of_folder.iter().any(|known| key == known.as_bytes())
}

/// Returns the settings to read last so that git has the wanted values, as `key` LF `value`: those that are
/// not there, and the last one of a key where another one would count.
fn missing(wanted: &Settings, there: &Settings) -> Vec<Vec<u8>> {
    let mut missing = Vec::new();
    for (key, wanted) in wanted {
        let mut left = there.get(key).cloned().unwrap_or_default();
        let mut last = left.last().cloned();
        let mut add = |value: &Option<Vec<u8>>| {
            missing.push(match value {
                Some(value) => [key, &b"\n"[..], value].concat(),
                None => key.clone(),
            });
        };
        for value in wanted {
            match left.iter().position(|known| known == value) {
                Some(place) => drop(left.remove(place)),
                None => {
                    add(value);
                    last = Some(value.clone());
                }
            }
        }
        if let Some(counts) = wanted.last().filter(|counts| last.as_ref() != Some(counts)) {
            add(counts);
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Settings {
        let mut found = Settings::new();
        for (key, value) in text.split(' ').filter_map(|pair| pair.split_once('=')) {
            let values = found.entry(key.as_bytes().to_vec()).or_default();
            values.push(Some(value.as_bytes().to_vec()));
        }
        found
    }

    fn missing_of(wanted: &str, there: &str) -> String {
        let missing = missing(&of(wanted), &of(there));
        let text = |setting: &Vec<u8>| String::from_utf8_lossy(setting).replace('\n', "=");
        missing.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_missing_or_would_not_count_is_added_last() {
        assert_eq!(missing_of("a.b=1 a.b=2 c.d=3", "a.b=1 a.b=2 c.d=3"), "");
        assert_eq!(missing_of("a.b=1 a.b=2", "a.b=1"), "a.b=2");
        // The repository's own value counts more than one that the user's condition gives.
        assert_eq!(
            missing_of("a.b=cond a.b=own", "a.b=own"),
            "a.b=cond a.b=own"
        );
        assert_eq!(missing_of("a.b=1", "a.b=1 a.b=2"), "a.b=1");
        assert_eq!(missing_of("", "a.b=1"), "");
    }
}
