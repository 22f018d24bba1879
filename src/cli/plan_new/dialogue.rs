//! Shows a new plan and asks about it until the answer is yes or no.

use std::collections::BTreeSet;
use std::fs;

use signal_hook::consts::SIGINT;

use crate::base::text::{error_chain, plural, terminal_safe};
use crate::cli::confirm::{ConfirmArgs, aborted, ask_with_argument};
use crate::cli::editor::edit;
use crate::cli::error::CommandError;
use crate::cli::plan_new::output::Output;
use crate::cli::plan_new::progress;
use crate::cli::plan_source::load_plan;
use crate::cli::repo_context::{RepoContext, find_task};
use crate::cli::run::{ask_order, counts};
use crate::config::Settings;
use crate::engine::planner::error::PlannerError;
use crate::engine::planner::request::Request;
use crate::engine::planner::review::warnings;
use crate::engine::planner::{Answered, Planner};
use crate::model::plan::{Plan, Task};
use crate::plan::preview::render_preview;
use crate::plan::{Format, Source, parse, render, render_diagnostics};
use crate::schedule::foreground::with_strategies;
use crate::schedule::priority;
use crate::ui::Ui;

/// The choices about a valid plan.
const CHOICES: [&str; 5] = ["yes", "no", "edit", "priorities", "split"];

/// The conversation about a new plan.
pub(super) struct Dialogue<'a, 'p> {
    pub(super) here: &'a RepoContext,
    pub(super) settings: &'a Settings,
    pub(super) planner: &'a mut Planner<'p>,
    pub(super) goal: &'a str,
    pub(super) output: &'a Output,
    /// `true` if the plan is run at once.
    pub(super) runs: bool,
    pub(super) ui: &'a Ui,
}

impl Dialogue<'_, '_> {
    /// Shows the plan and asks until the user agrees.
    ///
    /// # Errors
    /// When the user declines, or the repository cannot be read.
    pub(super) fn agree(
        &mut self,
        mut plan: Plan,
        consent: ConfirmArgs,
    ) -> Result<Plan, CommandError> {
        self.show(&plan)?;
        if consent.yes {
            return Ok(plan);
        }
        loop {
            let (word, argument) = self.choose(&plan)?;
            let changed = match word {
                "yes" => return Ok(plan),
                "no" => return Err(aborted()),
                "edit" => self.edit(&plan),
                "priorities" => Ok(ask_order(&plan, &argument, self.ui)?
                    .map(|order| priority::with_order(plan.clone(), &order))),
                _ => self.split(&plan, &argument),
            };
            match changed {
                Ok(None) => {}
                Ok(Some(changed)) => {
                    plan = changed;
                    self.show(&plan)?;
                }
                // The plan as it was is still there.
                Err(error) => {
                    self.ui.error(&error.message);
                    error.hints.iter().for_each(|hint| self.ui.hint(hint));
                }
            }
        }
    }

    fn choose(&self, plan: &Plan) -> Result<(&'static str, String), CommandError> {
        let tasks = plural(plan.tasks().len(), "task");
        let output = self.output.shown();
        let question = match self.runs {
            true => format!("Save {tasks} to {output} and run them?"),
            false => format!("Save {tasks} to {output}?"),
        };
        ask_with_argument(self.ui, &question, &CHOICES)
    }

    /// Prints the plan as `dispatch run` does, then every warning about it.
    fn show(&self, plan: &Plan) -> Result<(), CommandError> {
        let tasks: Vec<&Task> = plan.tasks().iter().collect();
        self.ui.answer(&format!(
            "{}\n{}\n",
            terminal_safe(&render_preview(plan)),
            counts(&tasks, self.settings)
        ));
        let source = Source {
            name: self.output.shown(),
            format: self.output.format,
            text: render(plan, self.output.format),
        };
        let mut diagnostics = parse(&source, None, &|_| Err(String::new())).diagnostics;
        let found = warnings(&self.here.repo, plan)?;
        // What exists is named below, so that a pair is warned about once.
        diagnostics.retain(|diagnostic| {
            let mut sharing = found.sharing.iter();
            !sharing.any(|(one, other)| diagnostic.is_overlap_of(*one, *other))
        });
        if !diagnostics.is_empty() {
            let shown = render_diagnostics(&source, &diagnostics);
            self.ui.status(shown.trim_end());
        }
        for warning in found.sentences {
            self.ui.warning(&terminal_safe(&warning));
        }
        for task in tasks {
            if let Some(run) = &task.fields.run {
                let (number, run) = (task.number, terminal_safe(run));
                let said = format!("{number} runs a shell command of the plan: {run}");
                self.ui.warning(&said);
            }
        }
        Ok(())
    }

    /// Opens the plan in the user's editor and reads it again.
    fn edit(&self, plan: &Plan) -> Result<Option<Plan>, CommandError> {
        let failed = |error: std::io::Error| {
            CommandError::failed(format!("could not edit the plan: {}", error_chain(&error)))
        };
        let folder = tempfile::tempdir().map_err(failed)?;
        let file = folder.path().join("plan.md");
        fs::write(&file, render(plan, Format::Markdown)).map_err(failed)?;
        let workers: BTreeSet<String> = self.settings.workers.keys().cloned().collect();
        loop {
            edit(&self.here.repo, &file)?;
            let error = match load_plan(&file, Some(&workers)) {
                Ok(loaded) => return Ok(Some(loaded.plan)),
                Err(error) => error,
            };
            self.ui.error(&error.message);
            let again = self.ui.ask("Edit it again?", &["yes", "no"]);
            if again.map_err(failed)? != Some("yes") {
                return Ok(None);
            }
        }
    }

    /// Sends one task back to the planner.
    fn split(&mut self, plan: &Plan, name: &str) -> Result<Option<Plan>, CommandError> {
        let name = match name {
            "" => self
                .ui
                .ask_line("Which task, such as 2? ")
                .unwrap_or_default(),
            name => Some(name.to_owned()),
        };
        let Some(name) = name.filter(|name| !name.trim().is_empty()) else {
            return Ok(None);
        };
        let task = find_task(plan, &name)?;
        let request = Request {
            goal: self.goal.to_owned(),
            split: Some((plan.clone(), task.number)),
        };
        let ui = self.ui;
        let what = format!("to split {}", task.number);
        match progress::ask(self.planner, &request, &what, ui) {
            Ok(Answered::Plan(plan)) => {
                let free = self.settings.run.keep_terminal_free;
                Ok(Some(with_strategies(plan, free)))
            }
            Ok(Answered::Sequential(reason)) => {
                let reason = terminal_safe(&reason);
                ui.warning(&format!("{} was not split: {reason}", task.number));
                Ok(None)
            }
            Err(PlannerError::Interrupted(SIGINT)) => {
                ui.warning("interrupted; the plan is as it was");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}
