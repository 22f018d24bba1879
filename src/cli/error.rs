//! Errors of subcommands: one sentence, hints and an exit code.

use std::path::Path;

use signal_hook::consts::{SIGHUP, SIGTERM};

use crate::base::text::{error_chain, shell_path, shell_word, terminal_safe};
use crate::config::{ConfigError, ConfigProblem};
use crate::engine::EngineError;
use crate::engine::land::error::LandError;
use crate::engine::planner::error::PlannerError;
use crate::engine::resolve::error::ResolveError;
use crate::engine::run::control::RequestError;
use crate::engine::runs::find::FindRunError;
use crate::engine::runs::log::LogError;
use crate::engine::runs::poll::PollError;
use crate::engine::start::StartError;
use crate::engine::start::retry::RetryError;
use crate::engine::start::take::TakeError;
use crate::git::checkout_obstacle::Obstacle;
use crate::git::discover::DiscoverError;
use crate::git::{GitError, StoreError};
use crate::journal::JournalError;
use crate::report::suggest;
use crate::tui::WatchError;
use crate::worker::template::TemplateError;

/// An exit code of the program (`docs/runs.md`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ExitStatus {
    /// Success.
    Ok = 0,
    /// The command failed, or a question was answered no.
    Failed = 1,
    /// The command line or the plan is invalid.
    Usage = 2,
    /// The run ended with a task that did not pass.
    TaskFailed = 3,
    /// A conflict or a failed check needs attention.
    NeedsAttention = 4,
    /// Another process holds the run.
    Held = 5,
    /// The terminal is gone (SIGHUP).
    HungUp = 129,
    /// The user interrupted it (SIGINT).
    Interrupted = 130,
    /// It was told to end (SIGTERM).
    Terminated = 143,
}

impl ExitStatus {
    /// Converts the exit code recorded at the end of a run.
    pub fn of_run(code: u8) -> ExitStatus {
        match code {
            0 => ExitStatus::Ok,
            2 => ExitStatus::Usage,
            3 => ExitStatus::TaskFailed,
            4 => ExitStatus::NeedsAttention,
            5 => ExitStatus::Held,
            130 => ExitStatus::Interrupted,
            _ => ExitStatus::Failed,
        }
    }
}

/// The result of a subcommand.
pub(crate) type CommandResult = Result<ExitStatus, CommandError>;

/// An error of a subcommand.
#[derive(Debug)]
pub(crate) struct CommandError {
    /// The exit code.
    pub(crate) exit: ExitStatus,
    /// One sentence without a period: the failure and its place.
    pub(crate) message: String,
    /// The next steps.
    pub(crate) hints: Vec<String>,
}

impl CommandError {
    /// Makes an error with this exit code.
    pub(crate) fn new(exit: ExitStatus, message: impl Into<String>) -> CommandError {
        CommandError {
            exit,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// Makes an error with exit code 1.
    pub(crate) fn failed(message: impl Into<String>) -> CommandError {
        CommandError::new(ExitStatus::Failed, message)
    }

    /// Makes an error of the command line.
    pub(crate) fn usage(message: impl Into<String>) -> CommandError {
        CommandError::new(ExitStatus::Usage, message)
    }

    /// Adds a next step.
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

impl From<PlannerError> for CommandError {
    fn from(error: PlannerError) -> CommandError {
        let exit = match error {
            PlannerError::Interrupted(SIGHUP) => ExitStatus::HungUp,
            PlannerError::Interrupted(SIGTERM) => ExitStatus::Terminated,
            PlannerError::Interrupted(_) => ExitStatus::Interrupted,
            _ => ExitStatus::Failed,
        };
        let hint = error.hint();
        let command = CommandError::new(exit, terminal_safe(&error_chain(&error)));
        match hint {
            Some(hint) => command.hint(terminal_safe(&hint)),
            None => command,
        }
    }
}

impl From<FindRunError> for CommandError {
    fn from(error: FindRunError) -> CommandError {
        let hint = error.hint(
            "`dispatch history` lists the runs",
            "`dispatch run PLAN` starts one; `dispatch demo` shows an example",
        );
        let command = CommandError::failed(error_chain(&error));
        match hint {
            Some(hint) => command.hint(hint),
            None => command,
        }
    }
}

impl From<PollError> for CommandError {
    fn from(error: PollError) -> CommandError {
        let message = error_chain(&error);
        match error {
            PollError::Abandoned(run) => CommandError::failed(message)
                .hint(format!("`{}` resumes it", suggest::resume(&run))),
            PollError::Elsewhere(run) => CommandError::failed(message).hint(format!(
                "`{}` brings what happened since",
                suggest::fetch(&run)
            )),
            PollError::Engine(error) => error.into(),
        }
    }
}

impl From<WatchError> for CommandError {
    fn from(error: WatchError) -> CommandError {
        match error {
            WatchError::Engine(error) => error.into(),
            WatchError::Terminal(_) => CommandError::failed(error_chain(&error))
                .hint("`--plain` prints lines instead; the run is not affected"),
        }
    }
}

impl From<LogError> for CommandError {
    fn from(error: LogError) -> CommandError {
        let command = CommandError::failed(error_chain(&error));
        match error {
            LogError::None { .. } => command.hint(
                "logs stay on the machine of the run; `dispatch show` reads the rest from git",
            ),
            LogError::Unreadable(..) => command,
        }
    }
}

impl From<RequestError> for CommandError {
    fn from(error: RequestError) -> CommandError {
        let message = error_chain(&error);
        match error {
            RequestError::Busy(_) => CommandError::new(ExitStatus::Held, message)
                .hint("it is landing or cleaning up; try again in a moment"),
            RequestError::Engine(error) => error.into(),
            _ => CommandError::failed(message),
        }
    }
}

impl From<RetryError> for CommandError {
    fn from(error: RetryError) -> CommandError {
        let message = error_chain(&error);
        match error {
            RetryError::Blocked { run, by, .. } => CommandError::failed(message)
                .hint(format!("`{}` retries both", suggest::retry(&run, by))),
            RetryError::CheckedOut { place, .. } => CommandError::failed(message).hint(format!(
                "leave it there first: `git -C {} switch --detach`",
                shell_path(&place)
            )),
            RetryError::NotEnded { run, .. } => CommandError::failed(message)
                .hint(format!("`dispatch resume {run}` continues the run")),
            RetryError::NoWorker { known, .. } => {
                CommandError::failed(message).hint(format!("it has {}", known.join(", ")))
            }
            RetryError::Start(error) => error.into(),
        }
    }
}

impl From<TemplateError> for CommandError {
    fn from(error: TemplateError) -> CommandError {
        CommandError::failed(error_chain(&error)).hint(error.hint)
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> CommandError {
        EngineError::from(error).into()
    }
}

impl From<GitError> for CommandError {
    fn from(error: GitError) -> CommandError {
        EngineError::from(error).into()
    }
}

impl From<EngineError> for CommandError {
    fn from(error: EngineError) -> CommandError {
        let command = CommandError::failed(error_chain(&error));
        match error {
            EngineError::Journal(JournalError::Newer { .. }) => {
                command.hint("install a newer version of dispatch")
            }
            EngineError::Journal(
                JournalError::Foreign(run) | JournalError::MovedBack { run, .. },
            ) => command
                .hint(format!(
                    "`dispatch report {run}` and `git log refs/dispatch/runs/{run}` show what is there"
                ))
                .hint(format!(
                    "if it is yours (from an older dispatch, another machine or another account), \
                     `dispatch doctor {run} --accept-journal` accepts it as it is"
                )),
            EngineError::Journal(JournalError::Unreadable { run, .. }) => command.hint(format!(
                "nothing changed; `git log refs/dispatch/runs/{run}` shows the journal"
            )),
            EngineError::SettingsChanged { .. } => command
                .hint(
                    "see what it is, with `git config --list --show-origin` and in .git/hooks, and \
                     undo what you did not do",
                )
                .hint(
                    "if it is yours, `dispatch doctor --accept-settings` accepts it; then \
                     `dispatch resume` continues the run",
                ),
            EngineError::Untrusted { .. } => {
                CommandError::usage(command.message).hint(error.suggestion().unwrap_or_default())
            }
            EngineError::Unsigned(_) => command.hint(
                "no branch has moved; make `git commit -S` work, or turn signing off with \
                 `git config commit.gpgSign false`",
            ),
            _ => match error.suggestion() {
                Some(way_out) => command.hint(way_out),
                None => command,
            },
        }
    }
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> CommandError {
        match error {
            ConfigError::Invalid(problems) => {
                let texts: Vec<String> = problems.iter().map(ConfigProblem::render).collect();
                let shown = texts.join("\n");
                CommandError::failed(format!("invalid configuration\n\n{}", shown.trim_end()))
            }
            ConfigError::Missing(_) => CommandError::failed(error_chain(&error))
                .hint("`--config` takes the path of a file that replaces .dispatch.toml"),
            ConfigError::NoSuchFile { .. } => CommandError::failed(error_chain(&error))
                .hint("relative paths start at the top folder of the repository"),
            ConfigError::LinkOutside(_) => CommandError::failed(error_chain(&error))
                .hint("`--config FILE` uses a file from elsewhere"),
            ConfigError::NotTracked { .. } => CommandError::failed(error_chain(&error))
                .hint("`git add` a file of the repository; your own settings may name any file"),
            other => CommandError::failed(error_chain(&other)),
        }
    }
}

impl From<TakeError> for CommandError {
    fn from(error: TakeError) -> CommandError {
        let (message, hint) = (error_chain(&error), error.hint());
        match error {
            TakeError::Retry(error) => error.into(),
            TakeError::Engine(error) => (*error).into(),
            _ => CommandError::failed(message).hint(hint.unwrap_or_default()),
        }
    }
}

impl From<ResolveError> for CommandError {
    fn from(error: ResolveError) -> CommandError {
        let message = error_chain(&error);
        let failed = || CommandError::failed(message.clone());
        let attention = || CommandError::new(ExitStatus::NeedsAttention, message.clone());
        match error {
            ResolveError::NoConflict { .. } => {
                failed().hint("`dispatch assemble --dry-run` shows what is left out, and why")
            }
            ResolveError::BuiltOn { on, .. } => failed().hint(format!(
                "resolve {on} first; the tasks built on it are merged with it"
            )),
            ResolveError::Waits { .. } => failed().hint("first resolve the one that was left out"),
            ResolveError::Stale => failed().hint("run `dispatch assemble`, then resolve again"),
            ResolveError::NotOpen(_) => failed().hint("`dispatch resolve RUN TASK` starts one"),
            ResolveError::MovedOn { .. } => {
                failed().hint("`--abort` saves your changes under refs/dispatch; then start again")
            }
            ResolveError::WorktreeMissing(_) => {
                failed().hint("`--abort` discards it; then start again")
            }
            ResolveError::Unmerged(_) => attention().hint("edit the files, then `git add` them"),
            ResolveError::LinkAdded { worktree, paths } => {
                let words = paths.iter().map(|path| shell_word(&path.to_string()));
                let folder = shell_path(&worktree);
                let words = words.collect::<Vec<_>>().join(" ");
                failed().hint(format!(
                    "`git -C {folder} rm --cached -- {words}` takes them out; commit again if you had committed"
                ))
            }
            ResolveError::NotAdded(_) => {
                attention().hint("`git add` includes the changes, `git restore` discards them")
            }
            ResolveError::Marker { .. } => attention().hint("remove it, then `git add` the file"),
            ResolveError::MergeAborted(_) => {
                failed().hint("`--abort` discards it; then start again")
            }
            ResolveError::Stopped => CommandError::new(ExitStatus::Interrupted, message.clone())
                .hint("`dispatch resolve RUN TASK` starts it again"),
            ResolveError::Engine(_) => failed(),
        }
    }
}

/// Returns the step that removes an obstacle from a checkout.
fn clear_obstacle(checkout: &Path, obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::Locked(lock) => format!(
            "wait until git has finished there; if no git process runs, remove its lock: `rm {}`",
            shell_path(lock)
        ),
        Obstacle::Unfinished(what) => format!(
            "finish it with `git -C {} {what} --continue` or `--abort`, then try again",
            shell_path(checkout)
        ),
        Obstacle::Untracked(_) => "move the file away, then try again".to_owned(),
        Obstacle::Refused(_) => "commit or stash the changes there, then try again".to_owned(),
    }
}

impl From<LandError> for CommandError {
    fn from(error: LandError) -> CommandError {
        let message = error_chain(&error);
        let failed = || CommandError::failed(message.clone());
        let attention = || CommandError::new(ExitStatus::NeedsAttention, message.clone());
        match error {
            LandError::Nothing => failed()
                .hint("`dispatch status` shows what passed; `dispatch assemble` tries again"),
            LandError::Landed { .. } => failed(),
            LandError::ChecksFailed { .. } => {
                attention().hint("`dispatch review` shows the tasks; `--force` lands them anyway")
            }
            LandError::NoTarget => failed().hint("add `--into BRANCH`"),
            LandError::TargetGone(name) => failed().hint(format!(
                "create it with `git branch {name}`, or choose another with `--into`"
            )),
            LandError::NotRebuilt(_) => failed().hint(
                "nothing has moved; without `--no-rebuild` the work is merged onto it and checked \
                 again",
            ),
            LandError::ChecksFailedThere { .. } => attention().hint(
                "nothing has moved; `dispatch assemble --leave-out TASK` leaves a task out, \
                 `--force` lands without checks",
            ),
            LandError::Stopped => CommandError::new(ExitStatus::Interrupted, message.clone()),
            LandError::NotLanded => failed().hint("`dispatch history` lists the runs that have landed"),
            LandError::MovedNothing(_) => failed(),
            LandError::CameAfter { after, commit, .. } => {
                let commit = commit.short();
                failed().hint(match after {
                    0 => "nothing has moved".to_owned(),
                    _ => format!(
                        "nothing has moved; `git revert -m 1 {commit}` undoes the merge and keeps \
                         the later commits"
                    ),
                })
            }
            LandError::CheckoutChanged(name) => failed().hint(format!(
                "nothing has moved; check `git worktree list` for {name}, then try again"
            )),
            LandError::Conflict { tasks, .. } if !tasks.is_empty() => {
                let tasks: Vec<String> = tasks.iter().map(|task| task.0.to_string()).collect();
                attention().hint(format!(
                    "nothing has moved; `dispatch assemble --leave-out {}` and then `dispatch land` \
                     lands the rest; or merge the integration branch by hand",
                    tasks.join(",")
                ))
            }
            LandError::Conflict { .. } => attention().hint(
                "nothing has moved; merge the integration branch by hand, or run the plan again \
                 from the current target",
            ),
            LandError::Unrelated { .. } => failed().hint(
                "nothing has moved; was its first commit amended? run the plan again from the \
                 current target",
            ),
            LandError::Rewound { target, base, .. } => failed().hint(format!(
                "nothing has moved; `git log {target}..{}` shows them; `--allow-rewound` lands \
                 with them, or run the plan again from the current target",
                base.short()
            )),
            LandError::BeingRewritten { what, .. } => failed().hint(format!(
                "nothing has moved; finish the {what} there (`git status` shows how), then try again"
            )),
            LandError::CheckoutMissing(missing) => {
                failed().hint(format!("nothing has moved; {}", missing.advice()))
            }
            LandError::SeveralCheckouts(name) => failed().hint(format!(
                "`git worktree list` shows where {name} is checked out"
            )),
            LandError::NotSetUp { .. } => attention().hint(
                "nothing has moved; repair `[worktree] setup`, or land without hooks: `--no-verify`",
            ),
            LandError::Hook { .. } => {
                attention().hint("nothing has moved; `--no-verify` lands without hooks")
            }
            LandError::CheckoutRefused { place, why, .. } => failed().hint(format!(
                "nothing has moved; {}",
                clear_obstacle(&place, &why)
            )),
            LandError::BranchRefused { .. } => failed().hint(
                "nothing has moved; remove the lock if its process has exited, or do what the hook \
                 asks for, then try again",
            ),
            LandError::BoardInTheWay { .. } => failed().hint(
                "nothing has moved; move the file away, or land without the board with `--no-board`",
            ),
            LandError::MovedByHook { commit, .. } => failed().hint(format!(
                "nothing was lost: `git log {}` shows it; correct the hook, then `dispatch land` again",
                commit.short()
            )),
            LandError::MovedMeanwhile(_) => failed().hint("nothing was lost; run `dispatch land` again"),
            LandError::Engine(error) => error.into(),
        }
    }
}

/// Renders a result for a test: `yes`, or the message and the hints.
#[cfg(test)]
pub(crate) fn said(result: Result<(), CommandError>) -> String {
    match result {
        Ok(()) => "yes".to_owned(),
        Err(error) => format!("{}\n{}", error.message, error.hints.join("\n")),
    }
}
