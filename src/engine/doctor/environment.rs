//! Checks that the machine and the repository are suitable for runs.

use crate::base::files::{existing_ancestor, free_inodes, free_space};
use crate::config::Settings;
use crate::engine::EngineError;
use crate::engine::doctor::Problem;
use crate::engine::doctor::fix::Fix;
use crate::engine::remote::check::check_executors;
use crate::git::Repo;
use crate::git::discover::Limitation;

/// The free space below which runs are likely to pause, in bytes.
const LITTLE_SPACE: u64 = 1024 * 1024 * 1024;

/// The number of free inodes below which runs are likely to pause.
const FEW_INODES: u64 = 50_000;

/// The state of the machine and the repository.
#[derive(Debug, Default)]
pub struct Environment {
    /// Facts, one line each.
    pub facts: Vec<String>,
    /// Problems that may stop a run.
    pub problems: Vec<Problem>,
}

/// Examines git, the disk and the git settings that runs depend on.
///
/// # Errors
/// When git fails.
pub fn examine(repo: &Repo, settings: &Settings) -> Result<Environment, EngineError> {
    let (major, minor) = repo.version;
    let mut found = Environment::default();
    found.facts.push(format!("git {major}.{minor}"));
    for remark in repo.limitations()? {
        let (what, why) = match remark {
            Limitation::Shallow => ("shallow clone", "history ends early, merges may need more"),
            Limitation::Submodules if settings.worktree.submodules => continue,
            Limitation::Submodules => ("submodules", "they are not checked out in worktrees"),
        };
        found.warn(what, why, Fix::None);
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
            let why = "little space is left; a run pauses when there is none";
            found.warn(&name, why, Fix::Manual("free some space there".to_owned()));
        }
    }
    found.check_gc(repo)?;
    found.check_executors(repo, settings);
    Ok(found)
}

impl Environment {
    fn warn(&mut self, what: &str, why: &str, fix: Fix) {
        self.problems.push(Problem {
            run: None,
            what: what.to_owned(),
            why: why.to_owned(),
            fix,
        });
    }

    /// Asks every executor that is not this machine for its `dispatch`.
    fn check_executors(&mut self, repo: &Repo, settings: &Settings) {
        for finding in check_executors(repo, settings) {
            let (executor, place) = (&finding.executor, &finding.place);
            match finding.answer {
                Ok(answer) => self
                    .facts
                    .push(format!("executor {executor}, {place}: {answer}")),
                Err(why) => {
                    let fix = format!(
                        "see [executors.{executor}] (`dispatch help executors`); until then its tasks do not start"
                    );
                    self.warn(
                        &format!("executor {executor}, {place}"),
                        &why,
                        Fix::Manual(fix),
                    );
                }
            }
        }
    }

    /// Warns of settings with which `git gc` deletes objects that a worker has just written.
    fn check_gc(&mut self, repo: &Repo) -> Result<(), EngineError> {
        for key in ["gc.pruneExpire", "gc.worktreePruneExpire"] {
            let value = repo.setting(&["--get", key])?;
            let value = value.unwrap_or_default().to_lowercase();
            if ["now", "all", "0"].contains(&value.as_str()) {
                let why = "`git gc` during a run can delete objects that workers have just written";
                let fix = Fix::Manual(format!("`git config --unset {key}`"));
                self.warn(&format!("{key} = {value}"), why, fix);
            }
        }
        Ok(())
    }
}
