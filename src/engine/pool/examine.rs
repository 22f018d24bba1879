//! Examines the worktrees of the pool for `dispatch doctor --pool`.

use std::path::PathBuf;

use crate::config::Settings;
use crate::engine::EngineError;
use crate::engine::pool::free::{GONE, change_by_hand};
use crate::engine::pool::template::is_template;
use crate::engine::pool::use_mark::is_used;
use crate::engine::pool::written_files::WrittenFiles;
use crate::git::Repo;
use crate::git::pool_entry::PoolEntry;
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;

/// A worktree of the pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Examined {
    /// Its folder.
    pub place: PathBuf,
    /// Its use.
    pub usage: Usage,
    /// The reason for which no task gets it as it is.
    pub problem: Option<String>,
}

/// The use of a worktree of the pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Usage {
    /// No task has it. The commit is that of its files.
    Free(Option<Oid>),
    /// No task gets it: further ones are copies of it. The commit is that of its files.
    Template(Option<Oid>),
    /// A task has it.
    Taken {
        /// The run.
        run: String,
        /// The path under which the run knows it.
        known_as: PathBuf,
        /// `true` if the task has passed, so that another one may take it over.
        is_released: bool,
    },
    /// It is being reset or moved right now.
    Busy,
}

/// Examines every worktree of the pool. In a free one, each tracked file is compared with the commit, and
/// every other file is looked for but in the kept folders.
///
/// # Errors
/// When git cannot read one of them.
pub fn examine(repo: &Repo, settings: &Settings) -> Result<Vec<Examined>, EngineError> {
    let all = repo.pool();
    all.into_iter()
        .map(|entry| examine_one(repo, settings, entry))
        .collect()
}

fn examine_one(
    repo: &Repo,
    settings: &Settings,
    entry: PoolEntry,
) -> Result<Examined, EngineError> {
    let lock = entry.try_lock();
    let lock =
        lock.map_err(|error| EngineError::File(entry.record.display().to_string(), error))?;
    let (usage, problem) = match (entry.lease(repo), &lock) {
        (_, None) => (Usage::Busy, None),
        (Some(lease), _) => {
            let worktree = repo.find_worktree(&entry.place);
            let usage = Usage::Taken {
                run: lease.run,
                known_as: lease.link,
                is_released: entry.is_released(),
            };
            (usage, broken_link(worktree.as_ref()))
        }
        (None, _) => {
            let commit = WrittenFiles::read(&entry).map(|written| written.commit);
            let problem = match repo.find_worktree(&entry.place) {
                Some(worktree) if worktree.path.is_dir() => {
                    change_by_hand(repo, &settings.worktree.keep, &entry, &worktree)?
                }
                // The next attempt makes one that was only prepared.
                _ => is_used(&entry).then(|| GONE.to_owned()),
            };
            let usage = match is_template(settings, &entry) {
                true => Usage::Template(commit),
                false => Usage::Free(commit),
            };
            (usage, problem)
        }
    };
    Ok(Examined {
        place: entry.place,
        usage,
        problem,
    })
}

fn broken_link(worktree: Option<&Worktree>) -> Option<String> {
    match worktree {
        None => Some(GONE.to_owned()),
        Some(worktree) => worktree.verify().err().map(|error| error.to_string()),
    }
}
