//! What a worker can read about the conflicts of its work while it works
//! (`[conflicts] on_new = "notify"`).

use std::collections::BTreeMap;
use std::fs;

use serde::Serialize;

use crate::base::files;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::run::live::running;
use crate::engine::spec::conflicts_file;
use crate::model::ids::{AttemptNumber, TaskNumber};
use crate::model::run::{RunState, Speculative};
use crate::report::conflict_suggestion::suggestion;

/// Counts breaking changes.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Notice<'a> {
    version: u32,
    conflicts: Vec<Met<'a>>,
}

/// One task that the reader's work conflicts with.
#[derive(Serialize)]
struct Met<'a> {
    /// Its number.
    task: u32,
    tag: &'a str,
    title: &'a str,
    class: &'static str,
    severity: u8,
    paths: Vec<String>,
    since: String,
    suggested: String,
}

/// What each worker was told last.
#[derive(Debug, Default)]
pub struct Notices {
    written: BTreeMap<(TaskNumber, AttemptNumber), String>,
}

impl Notices {
    /// Writes the file of every worker for whom something has changed. A worker whose work never
    /// conflicted has none.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&mut self, context: &Context, state: &RunState) -> Result<(), EngineError> {
        for (task, attempt, _) in running(state) {
            let (attempt, text) = (attempt.number, notice(state, task));
            let known = self.written.get(&(task, attempt));
            let is_news = match known {
                Some(known) => *known != text,
                None => state
                    .speculative
                    .iter()
                    .any(|found| other(found, task).is_some()),
            };
            if !is_news {
                continue;
            }
            let folder = context.attempt_folder(task, attempt);
            let path = conflicts_file(&folder);
            fs::create_dir_all(&folder)
                .and_then(|()| files::replace(&path, text.as_bytes()))
                .map_err(|error| EngineError::File(path.display().to_string(), error))?;
            self.written.insert((task, attempt), text);
        }
        Ok(())
    }
}

fn notice(state: &RunState, task: TaskNumber) -> String {
    let met = state.speculative.iter();
    let met = met.filter_map(|found| Some(met_by(state, found, other(found, task)?)));
    let notice = Notice {
        version: VERSION,
        conflicts: met.collect(),
    };
    serde_json::to_string_pretty(&notice).unwrap_or_default() + "\n"
}

/// The other one of the two, if the task is one of them.
fn other(found: &Speculative, task: TaskNumber) -> Option<TaskNumber> {
    match found.conflict.pair() {
        (a, b) if a == task => Some(b),
        (a, b) if b == task => Some(a),
        _ => None,
    }
}

fn met_by<'a>(state: &'a RunState, found: &'a Speculative, with: TaskNumber) -> Met<'a> {
    let (task, conflict) = (state.plan.task(with), &found.conflict);
    let paths = conflict.units.iter().flat_map(|unit| &unit.paths);
    Met {
        task: with.0,
        tag: &task.tag,
        title: &task.title,
        class: conflict.class.name(),
        severity: conflict.severity,
        paths: paths.map(ToString::to_string).collect(),
        since: found.since.to_string(),
        suggested: suggestion(state, conflict),
    }
}
