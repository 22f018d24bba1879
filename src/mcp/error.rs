//! Errors of calls: the problem, its place, and the next steps as calls of tools.

use rmcp::model::{CallToolResult, ContentBlock};

use crate::base::text::error_chain;
use crate::config::{ConfigError, ConfigProblem, Location};
use crate::engine::EngineError;
use crate::engine::land::error::LandError;
use crate::engine::run::control::RequestError;
use crate::engine::runs::find::FindRunError;
use crate::engine::runs::log::LogError;
use crate::engine::runs::poll::PollError;
use crate::engine::start::StartError;
use crate::engine::start::retry::RetryError;
use crate::git::discover::DiscoverError;
use crate::git::{GitError, StoreError};
use crate::report::suggest;

/// A call that failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ToolError {
    /// One sentence without a period: the problem.
    pub(super) what: String,
    /// The place: a tool, a repository, a file.
    pub(super) place: Option<String>,
    /// The next steps.
    pub(super) next: Vec<String>,
}

impl ToolError {
    /// Makes an error.
    pub(super) fn new(what: impl Into<String>) -> ToolError {
        ToolError {
            what: what.into(),
            place: None,
            next: Vec::new(),
        }
    }

    /// Names the place.
    #[must_use]
    pub(super) fn at(mut self, place: impl Into<String>) -> ToolError {
        self.place = Some(place.into());
        self
    }

    /// Adds a next step.
    #[must_use]
    pub(super) fn next(mut self, step: impl Into<String>) -> ToolError {
        self.next.push(step.into());
        self
    }

    /// Renders it as lines.
    pub(super) fn render(&self) -> String {
        let place = self.place.iter().map(|place| format!("where: {place}"));
        let next = self.next.iter().map(|step| format!("next: {step}"));
        let lines = std::iter::once(format!("error: {}", self.what));
        lines
            .chain(place)
            .chain(next)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Converts it for the protocol: an error that the model reads.
    pub(super) fn into_result(self) -> CallToolResult {
        CallToolResult::error(vec![ContentBlock::text(self.render())])
    }

    fn of(error: &(dyn std::error::Error + 'static)) -> ToolError {
        ToolError::new(error_chain(error))
    }
}

impl From<DiscoverError> for ToolError {
    fn from(error: DiscoverError) -> ToolError {
        ToolError::of(&error).next(error.hint())
    }
}

impl From<StartError> for ToolError {
    fn from(error: StartError) -> ToolError {
        let hint = match &error {
            StartError::NoBase(_) => "give a commit, branch or tag as `base`".to_owned(),
            StartError::NoTarget(name) => {
                format!("create it with `git branch {name}`, or choose another as `into`")
            }
            StartError::OnlyCuts(task, needed) => {
                return ToolError::new(format!(
                    "{task} depends on {needed}, which `only` leaves out"
                ))
                .next(format!("add {} to `only`", needed.0));
            }
            _ => error.hint(),
        };
        ToolError::of(&error).next(hint)
    }
}

impl From<StoreError> for ToolError {
    fn from(error: StoreError) -> ToolError {
        ToolError::of(&error)
    }
}

impl From<GitError> for ToolError {
    fn from(error: GitError) -> ToolError {
        ToolError::of(&error)
    }
}

impl From<EngineError> for ToolError {
    fn from(error: EngineError) -> ToolError {
        let found = ToolError::of(&error);
        match error {
            EngineError::Untrusted { .. } => found
                .next("ask the user to run `dispatch trust` in a terminal: only they can agree"),
            EngineError::SettingsChanged { .. } => found.next(
                "show this to the user; they undo it, or accept it in a terminal with \
                 `dispatch doctor --accept-settings`",
            ),
            _ => found,
        }
    }
}

impl From<FindRunError> for ToolError {
    fn from(error: FindRunError) -> ToolError {
        let hint = error.hint(
            "`history` lists the runs of this repository; a run of another one needs a server that is \
             started there",
            "`run_start` starts one",
        );
        let found = ToolError::of(&error);
        match hint {
            Some(hint) => found.next(hint),
            None => found,
        }
    }
}

impl From<PollError> for ToolError {
    fn from(error: PollError) -> ToolError {
        match error {
            PollError::Abandoned(ref run) => {
                ToolError::of(&error).next(format!("`{}` resumes it", suggest::resume(run)))
            }
            PollError::Elsewhere(ref run) => ToolError::of(&error).next(format!(
                "`{}` brings what happened since",
                suggest::fetch(run)
            )),
            PollError::Engine(error) => error.into(),
        }
    }
}

impl From<LogError> for ToolError {
    fn from(error: LogError) -> ToolError {
        ToolError::of(&error)
            .next("logs stay on the machine of the run; `task_diff` shows the work of the attempt")
    }
}

impl From<RequestError> for ToolError {
    fn from(error: RequestError) -> ToolError {
        match error {
            RequestError::Busy(_) => {
                ToolError::of(&error).next("it is landing or cleaning up; try again in a moment")
            }
            RequestError::Engine(error) => error.into(),
            _ => ToolError::of(&error).next("`run_status` shows the tasks"),
        }
    }
}

impl From<RetryError> for ToolError {
    fn from(error: RetryError) -> ToolError {
        let found = ToolError::of(&error);
        match error {
            RetryError::Blocked { by, .. } => {
                found.next(format!("retry {by} first; the tasks it blocks follow"))
            }
            RetryError::CheckedOut { .. } => {
                found.next("the user has to switch to another branch there")
            }
            RetryError::NotEnded { .. } => found.next("`run_wait` waits for it"),
            RetryError::NoWorker { known, .. } => {
                found.next(format!("name one of {}", known.join(", ")))
            }
            RetryError::Start(error) => error.into(),
        }
    }
}

impl From<ConfigError> for ToolError {
    fn from(error: ConfigError) -> ToolError {
        let found = match &error {
            ConfigError::Invalid(problems) if problems.iter().all(is_of_argument) => {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                return ToolError::new(lines.join("; ")).at("run_start").next(
                    "correct the argument, or leave it out to take the setting of .dispatch.toml",
                );
            }
            ConfigError::Invalid(problems) => {
                let texts: Vec<String> = problems.iter().map(ConfigProblem::render).collect();
                ToolError::new(format!(
                    "invalid configuration\n\n{}",
                    texts.join("\n").trim_end()
                ))
            }
            other => ToolError::of(other),
        };
        found.next("correct .dispatch.toml, or the argument that is named, then call again")
    }
}

/// Returns `true` for an argument of the call. Its hint would be for the file.
fn is_of_argument(problem: &ConfigProblem) -> bool {
    matches!(problem.location, Location::Flag(_))
}

impl From<LandError> for ToolError {
    fn from(error: LandError) -> ToolError {
        let found = ToolError::of(&error);
        match error {
            LandError::Nothing => {
                found.next("`run_status` shows what passed; `assemble` tries again")
            }
            LandError::ChecksFailed { .. } => found.next(
                "nothing has moved; `run_report` explains it; `task_retry`, or `assemble` with \
                 `leave_out`, then land again",
            ),
            LandError::NoTarget => found.next("pass the branch as `into`"),
            LandError::TargetGone(_) => found.next("pass another branch as `into`"),
            LandError::ChecksFailedThere { .. } | LandError::Conflict { .. } => found.next(
                "nothing has moved; `assemble` with `leave_out` leaves tasks out, then land again",
            ),
            LandError::MovedMeanwhile(_) | LandError::CheckoutChanged(_) => {
                found.next("nothing has moved; call `land` without `confirm` to see the new state")
            }
            LandError::Landed { .. } => found.next("`history` lists what has landed"),
            LandError::Engine(error) => error.into(),
            _ => found.next("nothing has moved; tell the user, who has to decide this"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::ids::{RunId, TaskNumber};

    use super::*;

    #[test]
    fn an_error_names_the_problem_the_place_and_the_next_step() {
        let error = RetryError::Blocked {
            run: RunId::new("shop-7k3q"),
            task: TaskNumber(3),
            by: TaskNumber(1),
        };
        insta::assert_snapshot!(ToolError::from(error).at("task_retry").render(), @r"
        error: #3 of shop-7k3q cannot start before #1, which did not pass
        where: task_retry
        next: retry #1 first; the tasks it blocks follow
        ");
        insta::assert_snapshot!(ToolError::from(FindRunError::NoRun).render(), @r"
        error: there is no run in this repository yet
        next: `run_start` starts one
        ");
    }
}
