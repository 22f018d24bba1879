//! Errors as the user sees them: one sentence, what to do next, an exit code.

use std::path::Path;

use crate::base::text::error_chain;
use crate::config::{ConfigError, ConfigProblem};
use crate::engine::EngineError;
use crate::engine::land::error::LandError;
use crate::engine::resolve::error::ResolveError;
use crate::engine::start::StartError;
use crate::git::checkout_obstacle::Obstacle;
use crate::git::discover::DiscoverError;
use crate::git::{GitError, StoreError};
use crate::journal::JournalError;
use crate::worker::template::TemplateError;

/// The exit codes (`docs/runs.md`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// All asked for happened.
    Ok = 0,
    /// Could not: user, configuration, environment; or a question was answered no.
    Failed = 1,
    /// The command line, or a plan that does not parse.
    Usage = 2,
    /// The run ended and some task did not pass.
    TaskFailed = 3,
    /// A person is needed: conflict, or failed check.
    NeedsPerson = 4,
    /// Another dispatch holds the run.
    Held = 5,
    /// Interrupted.
    Interrupted = 130,
}

impl Exit {
    /// The exit code a run has earned.
    pub fn of_run(code: u8) -> Exit {
        match code {
            0 => Exit::Ok,
            2 => Exit::Usage,
            3 => Exit::TaskFailed,
            4 => Exit::NeedsPerson,
            5 => Exit::Held,
            130 => Exit::Interrupted,
            _ => Exit::Failed,
        }
    }
}

/// The result of a subcommand.
pub(crate) type Answer = Result<Exit, CommandError>;

/// What a subcommand could not do.
#[derive(Debug)]
pub(crate) struct CommandError {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What, where: one sentence without a period.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hints: Vec<String>,
}

impl CommandError {
    /// With this exit code.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> CommandError {
        CommandError {
            exit,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// The user's input or surroundings do not allow it.
    pub(crate) fn failed(message: impl Into<String>) -> CommandError {
        CommandError::new(Exit::Failed, message)
    }

    /// The command line makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> CommandError {
        CommandError::new(Exit::Usage, message)
    }

    /// Adds what to do next.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> CommandError {
        self.hints.push(hint.into());
        self
    }
}

impl From<DiscoverError> for CommandError {
    fn from(error: DiscoverError) -> CommandError {
        CommandError::failed(error_chain(&error)).hint(error.hint())
    }
}

impl From<StartError> for CommandError {
    fn from(error: StartError) -> CommandError {
        CommandError::failed(error_chain(&error)).hint(error.hint())
    }
}

impl From<TemplateError> for CommandError {
    fn from(error: TemplateError) -> CommandError {
        CommandError::failed(error_chain(&error)).hint(error.hint)
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> CommandError {
        CommandError::failed(error_chain(&error))
    }
}

impl From<GitError> for CommandError {
    fn from(error: GitError) -> CommandError {
        CommandError::failed(error_chain(&error))
    }
}

impl From<EngineError> for CommandError {
    fn from(error: EngineError) -> CommandError {
        let command = CommandError::failed(error_chain(&error));
        match error {
            EngineError::Journal(JournalError::Newer { .. }) => {
                command.hint("use a newer dispatch; this one only reads what it understands")
            }
            EngineError::Journal(JournalError::Unreadable { run, .. }) => command.hint(format!(
                "nothing was changed; `git log refs/dispatch/runs/{run}` shows what is there"
            )),
            EngineError::Unsigned(_) => command.hint(
                "nothing has moved; make `git commit -S` work, or switch signing off with \
                 `git config commit.gpgSign false`",
            ),
            _ => command,
        }
    }
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> CommandError {
        match error {
            ConfigError::Invalid(problems) => {
                let texts: Vec<String> = problems.iter().map(ConfigProblem::render).collect();
                CommandError::failed(format!("the configuration is wrong\n{}", texts.join("\n")))
            }
            ConfigError::Missing(_) => CommandError::failed(error_chain(&error))
                .hint("`--config` names a file to use in place of the repository's .dispatch.toml"),
            ConfigError::NoSuchFile { .. } => CommandError::failed(error_chain(&error))
                .hint("a relative path counts from the top folder of the repository"),
            other => CommandError::failed(error_chain(&other)),
        }
    }
}

impl From<ResolveError> for CommandError {
    fn from(error: ResolveError) -> CommandError {
        let message = error_chain(&error);
        let failed = || CommandError::failed(message.clone());
        let person = || CommandError::new(Exit::NeedsPerson, message.clone());
        match error {
            ResolveError::NoConflict { .. } => {
                failed().hint("`dispatch assemble --dry-run` shows what is left out, and why")
            }
            ResolveError::BuiltOn { on, .. } => failed().hint(format!(
                "resolve {on}; what was built on it comes in with it"
            )),
            ResolveError::Waits { .. } => {
                failed().hint("resolve the one of them that is left out; then this one can start")
            }
            ResolveError::Stale => {
                failed().hint("`dispatch assemble` puts them together again, then resolve")
            }
            ResolveError::NotOpen(_) => failed().hint("`dispatch resolve RUN TASK` opens it"),
            ResolveError::MovedOn { .. } => failed()
                .hint("`--abort` keeps what you did in a reference; then open the conflict again"),
            ResolveError::WorktreeMissing(_) => {
                failed().hint("`--abort` gives it up; then the conflict can be opened again")
            }
            ResolveError::Unmerged(_) => person().hint("settle them, then `git add` them"),
            ResolveError::NotAdded(_) => {
                person().hint("`git add` takes them, `git restore` puts them back")
            }
            ResolveError::Marker { .. } => person().hint("take it out, then `git add` the file"),
            ResolveError::MergeAborted(_) => {
                failed().hint("`--abort` gives it up; then the conflict can be opened again")
            }
            ResolveError::Engine(_) => failed(),
        }
    }
}

/// What to do about what keeps a checkout from moving.
fn out_of_the_way(place: &Path, why: &Obstacle) -> String {
    match why {
        Obstacle::Locked(lock) => format!(
            "wait until git is done there; if none is at work, one was killed: `rm '{}'`",
            lock.display()
        ),
        Obstacle::Unfinished(what) => format!(
            "end it with `git -C '{}' {what} --continue` or `--abort`, then try again",
            place.display()
        ),
        Obstacle::Untracked(_) => "move it away, then try again".to_owned(),
        Obstacle::Refused(_) => "commit or stash the changes there, then try again".to_owned(),
    }
}

impl From<LandError> for CommandError {
    fn from(error: LandError) -> CommandError {
        let message = error_chain(&error);
        let failed = || CommandError::failed(message.clone());
        let person = || CommandError::new(Exit::NeedsPerson, message.clone());
        match error {
            LandError::Nothing => failed()
                .hint("`dispatch status` shows what passed; `dispatch assemble` tries again"),
            LandError::Landed { .. } => failed(),
            LandError::ChecksFailed { .. } => {
                person().hint("`dispatch review` shows what is in; `--force` lands it all the same")
            }
            LandError::NoTarget => failed().hint("name one with `--into BRANCH`"),
            LandError::TargetGone(name) => failed().hint(format!(
                "make it with `git branch {name}`, or name another with `--into`"
            )),
            LandError::NotRebuilt(_) => failed().hint(
                "nothing has moved; without `--no-rebuild` the work is put on top of it and \
                 checked again",
            ),
            LandError::ChecksFailedThere { .. } => person().hint(
                "nothing has moved; `dispatch assemble --leave-out TASK` leaves the culprit out, \
                 `--force` lands without checks",
            ),
            LandError::Stopped => CommandError::new(Exit::Interrupted, message.clone()),
            LandError::NotLanded => failed().hint("`dispatch history` lists the runs that have"),
            LandError::MovedNothing(_) => failed(),
            LandError::CameAfter { after, commit, .. } => {
                let commit = commit.short();
                failed().hint(match after {
                    0 => "nothing has moved".to_owned(),
                    _ => format!(
                        "nothing has moved; `git revert -m 1 {commit}` takes a merge commit back \
                         and keeps what came after"
                    ),
                })
            }
            LandError::CheckoutChanged(name) => failed().hint(format!(
                "nothing has moved; `git worktree list` shows where {name} is; try again"
            )),
            LandError::Conflict { tasks, .. } if !tasks.is_empty() => {
                let tasks: Vec<String> = tasks.iter().map(|task| task.0.to_string()).collect();
                person().hint(format!(
                    "nothing has moved; `dispatch assemble --leave-out {}` and then `dispatch land` \
                     lands the rest; or merge the integration branch by hand",
                    tasks.join(",")
                ))
            }
            LandError::Conflict { .. } => person().hint(
                "nothing has moved; merge the integration branch by hand, or run the plan again \
                 from the target as it is now",
            ),
            LandError::Unrelated { .. } => failed().hint(
                "nothing has moved; was its first commit amended? run the plan again from the \
                 target as it is now",
            ),
            LandError::Rewound { target, base, .. } => failed().hint(format!(
                "nothing has moved; `git log {target}..{}` shows them; `--allow-rewound` lands \
                 with them, or run the plan again from the target as it is now",
                base.short()
            )),
            LandError::BeingRewritten { what, .. } => failed().hint(format!(
                "nothing has moved; end the {what} there (`git status` says how), then try again"
            )),
            LandError::SeveralCheckouts(name) => failed().hint(format!(
                "`git worktree list` shows where {name} is checked out"
            )),
            LandError::Hook(..) => {
                person().hint("nothing has moved; `--no-verify` lands without hooks")
            }
            LandError::CheckoutRefused { place, why, .. } => failed().hint(format!(
                "nothing has moved; {}",
                out_of_the_way(&place, &why)
            )),
            LandError::BoardInTheWay { .. } => failed().hint(
                "nothing has moved; move it away, or land without the board with `--no-board`",
            ),
            LandError::MovedMeanwhile(_) => failed().hint("nothing was lost; land again"),
            LandError::Engine(error) => error.into(),
        }
    }
}

/// What a person reads: `yes`, or the message and the hints.
#[cfg(test)]
pub(crate) fn said(result: Result<(), CommandError>) -> String {
    match result {
        Ok(()) => "yes".to_owned(),
        Err(error) => format!("{}\n{}", error.message, error.hints.join("\n")),
    }
}
