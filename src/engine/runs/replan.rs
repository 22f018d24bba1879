//! Continues a run with an edited plan, recorded with the plan in one journal commit.

use jiff::Timestamp;

use crate::engine::EngineError;
use crate::engine::runs::load::{Loaded, PLAN_FILE, PLAN_TEXT_FILE, SETTINGS_FILE};
use crate::git::Store;
use crate::journal::Journal;
use crate::model::event::{Event, Recorded};
use crate::model::ids::TaskNumber;
use crate::model::plan::Plan;
use crate::model::recovery::{Finding, FindingKind};
use crate::model::run::RunState;
use crate::plan::edit::edit;
use crate::plan::{Format, render};

/// The effect of an edited plan on a run, not recorded yet.
#[derive(Clone, PartialEq, Debug)]
pub struct Replan {
    /// The new plan.
    pub plan: Plan,
    /// The effect on each task.
    pub edits: Vec<Finding>,
}

impl Replan {
    /// Compares an edited plan with the run's own.
    ///
    /// # Errors
    /// When the edited plan does not fit the run.
    pub fn new(state: &RunState, edited: &Plan) -> Result<Replan, EngineError> {
        let numbers = state.plan.tasks().iter().map(|task| task.number);
        let removed: Vec<TaskNumber> = numbers.filter(|n| state.task(*n).removed).collect();
        let (plan, edits) = edit(&state.plan, edited, &removed)
            .map_err(|error| EngineError::Refused(format!("the edited plan: {error}")))?;
        Ok(Replan { plan, edits })
    }

    /// Returns `true` if it changes anything for a task.
    pub fn changes_tasks(&self) -> bool {
        self.edits.iter().any(|edit| edit.kind != FindingKind::Same)
    }

    /// Records the new plan, which the run follows from now on.
    ///
    /// # Errors
    /// When the journal cannot be written; nothing has changed then.
    pub fn carry_out(
        self,
        store: &Store,
        loaded: &mut Loaded,
        journal: &mut Journal,
        now: Timestamp,
    ) -> Result<Vec<Recorded>, EngineError> {
        let (json, text) = (
            render(&self.plan, Format::Json),
            render(&self.plan, Format::Markdown),
        );
        let settings = loaded.replayed.file(store, SETTINGS_FILE)?;
        journal.replace_files(&[
            (PLAN_FILE, &json),
            (PLAN_TEXT_FILE, &text),
            (SETTINGS_FILE, &settings),
        ])?;
        let recorded = journal.append(vec![Event::PlanEdited { edits: self.edits }], now)?;
        for one in &recorded {
            loaded.state.replan(self.plan.clone(), one);
        }
        Ok(recorded)
    }
}
