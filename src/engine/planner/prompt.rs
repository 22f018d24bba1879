//! Renders the prompts of a planner at one commit of a repository.

use crate::base::process::find_program;
use crate::config::Settings;
use crate::engine::EngineError;
use crate::engine::planner::MOST_TASKS;
use crate::engine::planner::error::PlannerError;
use crate::engine::planner::map::map;
use crate::engine::planner::request::Request;
use crate::engine::start::{StartError, resolve};
use crate::git::{Repo, Store};
use crate::merge::oid::Oid;
use crate::model::worker::Worker;
use crate::plan;
use crate::worker::planner::{PlannerInput, TestCommand, render_planner_prompt};
use crate::worker::template::Template;

/// The source of a planner's prompts.
pub struct Prompts<'a> {
    repo: &'a Repo,
    settings: &'a Settings,
    /// The commit that is described.
    pub(super) base: Oid,
    checks: Vec<TestCommand>,
}

impl<'a> Prompts<'a> {
    /// Describes HEAD; `checks` are the commands that test the project.
    ///
    /// # Errors
    /// When there is no commit yet.
    pub fn new(
        repo: &'a Repo,
        settings: &'a Settings,
        checks: Vec<TestCommand>,
    ) -> Result<Prompts<'a>, PlannerError> {
        let store = Store::open(repo).map_err(EngineError::from)?;
        let base = resolve(repo, &store, "HEAD").map_err(EngineError::from)?;
        Ok(Prompts {
            repo,
            settings,
            base: base.ok_or_else(|| StartError::Unborn(repo.top.clone()))?,
            checks,
        })
    }

    /// Renders the prompt of a request's first call.
    ///
    /// # Errors
    /// When the repository cannot be read, or the user's template is invalid.
    pub fn prompt(&self, request: &Request) -> Result<String, PlannerError> {
        self.render(&self.input(request)?)
    }

    pub(super) fn input(&self, request: &Request) -> Result<PlannerInput, PlannerError> {
        let workers = self.settings.workers.values();
        let is_here = |worker: &&Worker| {
            let program = worker.command.first();
            program.is_some_and(|program| find_program(program).is_some())
        };
        Ok(PlannerInput {
            goal: request.goal.trim().to_owned(),
            map: map(self.repo, self.base, self.checks.clone())?,
            workers: workers
                .filter(is_here)
                .map(|worker| worker.name.clone())
                .collect(),
            most_tasks: MOST_TASKS,
            schema: plan::compact_schema(),
            split: request.split_input(),
            answer: None,
            problems: None,
        })
    }

    pub(super) fn render(&self, input: &PlannerInput) -> Result<String, PlannerError> {
        let settings = &self.settings.plan;
        let own = settings.template.as_deref();
        let own = own.zip(settings.template_text.as_deref());
        let template = own.map(|(file, text)| Template { file, text });
        Ok(render_planner_prompt(template, input).map_err(EngineError::from)?)
    }
}
