//! Renders the list of runs: `dispatch history`.

use serde_json::{Value, json};

use crate::model::run::RunState;
use crate::report::board::view::BoardView;

/// Renders one run of the list as JSON. `view` has the standing of the run.
pub fn history_row(state: &RunState, view: &BoardView) -> Value {
    json!({
        "run": state.run.as_str(),
        "title": state.plan.title(),
        "state": view.standing.word(),
        "started": state.started.to_string(),
        "updated": state.updated.to_string(),
        "base": state.base.to_string(),
        "target": state.target,
        "tasks": state.plan.tasks().len(),
        "done": view.done(),
        "landed": state.landed.as_ref().map(|landed| landed.to.to_string()),
    })
}

/// Renders a run whose journal cannot be read; a damaged one must not hide the others.
pub fn unreadable_row(run: &str, why: &str) -> Value {
    json!({"run": run, "state": "unreadable", "title": why})
}
