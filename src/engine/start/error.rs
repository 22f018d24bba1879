//! The reasons why a run cannot start.

use std::io;
use std::path::PathBuf;

use crate::git::StoreError;
use crate::model::ids::TaskNumber;
use crate::model::shortage::Shortage;
use crate::worker::template::TemplateError;

/// The reason why a run cannot start. Nothing has been created.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// HEAD names no commit yet.
    #[error("{} has no commit yet, so there is nothing to start from", .0.display())]
    Unborn(PathBuf),
    /// The base names no commit.
    #[error("the base {0:?} names no commit")]
    NoBase(String),
    /// The target is not a branch.
    #[error("the target branch {0:?} does not exist")]
    NoTarget(String),
    /// A branch has the name that every branch of a run starts with.
    #[error("a branch named {0:?} exists, and git keeps no branches below a branch")]
    PrefixTaken(String),
    /// A reference has the name of a folder of journals.
    #[error("the reference {0:?} exists, and git keeps no references below a reference")]
    JournalsTaken(&'static str),
    /// The base already has a file at the board's path.
    #[error("the base has a file {0:?} that dispatch did not write")]
    BoardTaken(String),
    /// A task of `--only` depends on one that is not chosen.
    #[error("{0} depends on {1}, which `--only` leaves out")]
    OnlyCuts(TaskNumber, TaskNumber),
    /// A worker has no command for a task.
    #[error("{0} has no `run` command, and its worker `{1}` needs one")]
    NoCommand(TaskNumber, String),
    /// The settings require a confinement that this machine does not have.
    #[error("workers cannot be confined: {0}")]
    NoSandbox(String),
    /// A worker's program is not installed.
    #[error("the program {program:?} of worker `{worker}` ({task}) was not found on PATH")]
    NoProgram {
        /// The first task that needs it.
        task: TaskNumber,
        /// The worker.
        worker: String,
        /// The program.
        program: String,
    },
    /// A task, its worker or the run names an executor that cannot be used.
    #[error("{task}: {message}")]
    Executor {
        /// The first task that needs it.
        task: TaskNumber,
        /// The reason.
        message: String,
        /// The remedy.
        hint: String,
    },
    /// A task names a worker that is not configured.
    #[error("{0} names the worker `{1}`, which is not configured")]
    NoWorker(TaskNumber, String),
    /// This process is a worker of another dispatch.
    #[error("this is a worker of another dispatch, and {} deep is deeper than allowed", levels(*.0))]
    TooDeep(u32),
    /// A folder that dispatch has to write to cannot be written.
    #[error("{} cannot be written", .0.display())]
    Unwritable(PathBuf, #[source] io::Error),
    /// The repository itself cannot be written.
    #[error("{} cannot be written", .0.display())]
    ReadOnly(PathBuf, #[source] io::Error),
    /// The disk is nearly full.
    #[error("{}", .0.message())]
    NoSpace(Shortage),
    /// The worktrees would be inside a checkout.
    #[error("worktrees would be made inside the checkout, at {}", .0.display())]
    InsideCheckout(PathBuf),
    /// The user's prompt template is invalid.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StartError {
    /// Suggests a remedy.
    pub fn hint(&self) -> String {
        match self {
            StartError::Unborn(_) => "make a first commit, then run dispatch again".into(),
            StartError::NoBase(_) => "give a commit, branch or tag with `--base`".into(),
            StartError::NoTarget(name) => {
                format!("create it with `git branch {name}`, or choose another with `--into`")
            }
            StartError::PrefixTaken(name) => format!(
                "rename that branch, or set `branch_prefix` under `[run]` in .dispatch.toml \
                 to something other than {name:?}"
            ),
            StartError::JournalsTaken(name) => {
                format!(
                    "no run can be recorded beside it; inspect it with `git show {name}`, keep it under another name, then `git update-ref -d {name}`"
                )
            }
            StartError::BoardTaken(_) => {
                "name another file as `file` under `[board]` in .dispatch.toml".into()
            }
            StartError::OnlyCuts(_, needed) => format!("add {} to `--only`", needed.0),
            StartError::NoCommand(..) => {
                "give the task a `run:` line, or a coding agent as its `worker:` \
                 (or as `worker` under `[run]` in .dispatch.toml)"
                    .into()
            }
            StartError::NoProgram { program, .. } => {
                format!("install {program}, or choose another worker")
            }
            StartError::Executor { hint, .. } => hint.clone(),
            StartError::NoSandbox(_) => {
                "`dispatch help sandbox` lists what each kind needs; with `mode = \"auto\"` under \
                 `[sandbox]` it is used where it exists"
                    .into()
            }
            StartError::NoWorker(_, name) => {
                format!("add `[workers.{name}]` to .dispatch.toml, or choose another worker")
            }
            StartError::TooDeep(depth) => format!(
                "workers that start workers may never end; `max_depth = {depth}` under \
                 `[run]` in .dispatch.toml allows it"
            ),
            StartError::Unwritable(..) => {
                "make it writable, or set `path` under `[worktree]` in .dispatch.toml".into()
            }
            StartError::ReadOnly(..) => {
                "a run is recorded there: make it writable, or work in a clone that is".into()
            }
            StartError::NoSpace(_) => {
                "free some space; `min_free_space` under `[run]` in .dispatch.toml says \
                 how much is to stay free"
                    .into()
            }
            StartError::InsideCheckout(_) => {
                "set `path` under `[worktree]` in .dispatch.toml to a place beside the repository"
                    .into()
            }
            StartError::Template(error) => error.hint.clone(),
            StartError::Store(_) => "`git fsck` checks the repository".into(),
        }
    }
}

fn levels(depth: u32) -> String {
    crate::base::text::plural(depth as usize, "level")
}
