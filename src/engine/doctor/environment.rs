//! Whether the machine and the repository are fit for runs.

use crate::base::files::existing_ancestor;
use crate::base::files::{free_inodes, free_space};
use crate::config::Settings;
use crate::engine::EngineError;
use crate::engine::doctor::{Ailment, Remedy};
use crate::git::Repo;
use crate::git::discover::Limitation;

/// Below this much free space, in bytes, runs are likely to stop.
const LITTLE_SPACE: u64 = 1024 * 1024 * 1024;

/// Below this many free inodes likewise.
const FEW_INODES: u64 = 50_000;

/// What is as it should be, in one line each, and what is not.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// Facts.
    pub facts: Vec<String>,
    /// What may hurt a run.
    pub ailments: Vec<Ailment>,
}

/// Looks at git, the disk and the settings that bear on runs. A repository that dispatch cannot
/// work with at all was refused before.
///
/// # Errors
/// When git cannot be asked.
pub fn examine(repo: &Repo, settings: &Settings) -> Result<Surroundings, EngineError> {
    let (major, minor) = repo.version;
    let mut found = Surroundings::default();
    found.facts.push(format!("git {major}.{minor}"));
    for remark in repo.limitations()? {
        let (what, why) = match remark {
            Limitation::Shallow => ("shallow clone", "history ends early, merges may need more"),
            Limitation::Submodules => ("submodules", "they are not checked out in worktrees"),
        };
        found.warn(what, why, Remedy::Nothing);
    }
    let worktrees = settings.worktree.folder(repo.home(), "run", "task");
    for place in [repo.common.clone(), existing_ancestor(&worktrees)] {
        let name = place.display().to_string();
        let space = free_space(&place).unwrap_or(u64::MAX);
        let inodes = free_inodes(&place).unwrap_or(u64::MAX);
        found.facts.push(format!(
            "{} MiB and {inodes} inodes free at {name}",
            space / (1 << 20)
        ));
        if space < LITTLE_SPACE || inodes < FEW_INODES {
            let why = "little room is left; a run pauses when there is none";
            found.warn(&name, why, Remedy::Person("make room there".to_owned()));
        }
    }
    found.gc(repo)?;
    Ok(found)
}

impl Surroundings {
    fn warn(&mut self, what: &str, why: &str, remedy: Remedy) {
        self.ailments.push(Ailment {
            run: None,
            what: what.to_owned(),
            why: why.to_owned(),
            remedy,
        });
    }

    /// `git gc` that prunes at once takes away objects that a worker is about to name.
    fn gc(&mut self, repo: &Repo) -> Result<(), EngineError> {
        for key in ["gc.pruneExpire", "gc.worktreePruneExpire"] {
            let value = repo.setting(&["--get", key])?;
            let value = value.unwrap_or_default().to_lowercase();
            if ["now", "all", "0"].contains(&value.as_str()) {
                let why = "`git gc` during a run can take away what workers are just writing";
                let remedy = Remedy::Person(format!("`git config --unset {key}`"));
                self.warn(&format!("{key} = {value}"), why, remedy);
            }
        }
        Ok(())
    }
}
