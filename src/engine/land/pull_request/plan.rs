//! Plans the pull requests of a run: branches, bases and texts.

use std::fs;
use std::path::PathBuf;

use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::land::LandOptions;
use crate::engine::land::error::LandError;
use crate::engine::land::pull_request::error::PullRequestError;
use crate::engine::land::target::landable;
use crate::engine::share::remote::default_remote;
use crate::forge::Wording;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::pull_request::PullRequest;
use crate::model::run::RunState;
use crate::report::pull_request::{body_of_run, body_of_task, title};

/// The unit of a pull request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// The run as a whole.
    Run,
    /// Each task, on top of the tasks it was built on.
    Tasks,
}

/// A pull request that is to be opened or updated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedPullRequest {
    /// Its task, branches and commit.
    pub pull_request: PullRequest,
    /// Its texts.
    pub wording: Wording,
}

/// Plans the pull requests in the order in which they can be opened. Writes the texts to the run's
/// own folder and asks neither the remote nor GitHub.
///
/// # Errors
/// When the run cannot land, or there is no remote.
pub fn plan(
    context: &Context,
    state: &RunState,
    options: &LandOptions,
    scope: Scope,
    remote: Option<&str>,
) -> Result<Vec<PlannedPullRequest>, PullRequestError> {
    let heads = heads(context, state, options, scope)?;
    let target = options.into.clone().or(state.target.clone());
    let target = target.ok_or(LandError::NoTarget)?;
    let remote = match remote {
        Some(remote) => remote.to_owned(),
        None => {
            let found = default_remote(&context.repo, Some(&target))?;
            found.ok_or(PullRequestError::NoRemote)?
        }
    };
    let folder = context.repo.run_folder(context.run.as_str());
    let folder = folder.join("pull-requests");
    fs::create_dir_all(&folder)
        .map_err(|error| EngineError::File(folder.display().to_string(), error))?;
    let planner = Planner {
        context,
        state,
        target,
        remote,
        folder,
    };
    let planned = heads.into_iter().map(|(task, commit)| match task {
        Some(task) => planner.of_task(task, commit),
        None => planner.of_run(commit),
    });
    planned.collect()
}

struct Planner<'a> {
    context: &'a Context,
    state: &'a RunState,
    target: String,
    remote: String,
    folder: PathBuf,
}

impl Planner<'_> {
    fn of_run(&self, commit: Oid) -> Result<PlannedPullRequest, PullRequestError> {
        let body = self.write_body("run", &body_of_run(self.state))?;
        let (head, base) = (self.context.integration_branch(), self.target.clone());
        Ok(self.planned(None, commit, head, base, body))
    }

    fn of_task(
        &self,
        task: TaskNumber,
        commit: Oid,
    ) -> Result<PlannedPullRequest, PullRequestError> {
        let below = merged_dependencies(self.state, task);
        let text = body_of_task(self.state, task, &below);
        let body = self.write_body(self.context.slug(task), &text)?;
        let base = match topmost(self.state, &below)[..] {
            [only] => self.context.branch(only),
            _ => self.target.clone(),
        };
        Ok(self.planned(Some(task), commit, self.context.branch(task), base, body))
    }

    fn write_body(&self, name: &str, text: &str) -> Result<PathBuf, EngineError> {
        let body = self.folder.join(format!("{name}.md"));
        let failed = |error| EngineError::File(body.display().to_string(), error);
        fs::write(&body, text).map_err(failed)?;
        Ok(body)
    }

    fn planned(
        &self,
        task: Option<TaskNumber>,
        commit: Oid,
        head: String,
        base: String,
        body: PathBuf,
    ) -> PlannedPullRequest {
        PlannedPullRequest {
            wording: Wording {
                head: head.clone(),
                base: base.clone(),
                title: title(self.state, task),
                body,
                labels: self.context.settings.github.labels.clone(),
            },
            pull_request: PullRequest {
                task,
                remote: self.remote.clone(),
                head,
                base,
                commit,
                url: None,
            },
        }
    }
}

/// Returns the commits to push: the assembled work with or without the board, or each candidate.
fn heads(
    context: &Context,
    state: &RunState,
    options: &LandOptions,
    scope: Scope,
) -> Result<Vec<(Option<TaskNumber>, Oid)>, PullRequestError> {
    let integration = landable(state, options)?;
    if scope == Scope::Tasks {
        let merged = integration.merged.iter();
        return Ok(merged.map(|m| (Some(m.task), m.candidate)).collect());
    }
    let store = Store::open(&context.repo)?;
    let branch = store.reference(&branch_ref(&context.integration_branch()))?;
    let commit = if options.board {
        branch.or(integration.tip)
    } else {
        integration.code_tip
    };
    Ok(vec![(None, commit.ok_or(LandError::Nothing)?)])
}

/// Returns the dependencies of a task that are merged.
fn merged_dependencies(state: &RunState, task: TaskNumber) -> Vec<TaskNumber> {
    let is_merged = |other: &TaskNumber| {
        let integration = state.integration.as_ref();
        integration.is_some_and(|integration| integration.contains(*other))
    };
    let depends_on = state.plan.task(task).depends_on.iter().copied();
    depends_on.filter(is_merged).collect()
}

/// Returns the tasks that no other of them was built on.
fn topmost(state: &RunState, tasks: &[TaskNumber]) -> Vec<TaskNumber> {
    let is_below = |task: &TaskNumber| {
        let downstream = state.downstream(*task);
        tasks.iter().any(|other| downstream.contains(other))
    };
    let topmost = tasks.iter().copied().filter(|task| !is_below(task));
    topmost.collect()
}
