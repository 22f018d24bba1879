//! Tells running workers about conflicts of their work (`[conflicts] on_new = "notify"`).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::ids::{AttemptKey, AttemptNumber, TaskNumber};
use crate::model::run::{RunState, SpeculativeConflict};
use crate::report::conflict_suggestion::suggestion;

/// The version of the format; a breaking change raises it.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Wire<'a> {
    version: u32,
    conflicts: Vec<Conflict<'a>>,
}

/// A task that the reader's work conflicts with.
#[derive(Serialize)]
struct Conflict<'a> {
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

/// A file that tells a worker about conflicts of its work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// The task.
    pub task: TaskNumber,
    /// The attempt.
    pub attempt: AttemptNumber,
    /// The content of the file.
    pub text: String,
}

/// The last notice of each worker.
#[derive(Debug, Default)]
pub(super) struct Notices {
    written: BTreeMap<AttemptKey, String>,
}

impl Notices {
    /// Returns the changed notices. A worker whose work never conflicted gets none.
    pub(super) fn changed(
        &mut self,
        state: &RunState,
        running: impl Iterator<Item = AttemptKey>,
    ) -> Vec<Notice> {
        let mut changed = Vec::new();
        for (task, attempt) in running {
            let known = self.written.get(&(task, attempt));
            let conflicts = || {
                state
                    .speculative_conflicts
                    .iter()
                    .any(|c| other(c, task).is_some())
            };
            if known.is_none() && !conflicts() {
                continue;
            }
            let text = notice(state, task);
            if known.is_none_or(|known| *known != text) {
                self.written.insert((task, attempt), text.clone());
                changed.push(Notice {
                    task,
                    attempt,
                    text,
                });
            }
        }
        changed
    }
}

fn notice(state: &RunState, task: TaskNumber) -> String {
    let found = state.speculative_conflicts.iter();
    let conflicts = found.filter_map(|found| Some(conflict(state, found, other(found, task)?)));
    let notice = Wire {
        version: VERSION,
        conflicts: conflicts.collect(),
    };
    serde_json::to_string_pretty(&notice).unwrap_or_default() + "\n"
}

/// Returns the other task of the two, if the task is one of them.
fn other(found: &SpeculativeConflict, task: TaskNumber) -> Option<TaskNumber> {
    match found.conflict.pair() {
        (a, b) if a == task => Some(b),
        (a, b) if b == task => Some(a),
        _ => None,
    }
}

fn conflict<'a>(
    state: &'a RunState,
    found: &'a SpeculativeConflict,
    with: TaskNumber,
) -> Conflict<'a> {
    let (task, conflict) = (state.plan.task(with), &found.conflict);
    let paths = conflict.units.iter().flat_map(|unit| &unit.paths);
    Conflict {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::class::Class;
    use crate::model::event::Event;
    use crate::model::fixture::{RunFixture, conflict};

    #[test]
    fn a_worker_is_told_when_a_conflict_comes_and_when_it_goes() {
        let run = |conflicts| {
            let run = RunFixture::new("a · b · c")
                .begin(1, "shell")
                .begin(2, "shell");
            run.event(Event::SpeculativeConflicts {
                conflicts,
                holds_back: false,
            })
            .state()
        };
        let found = vec![conflict(1, 2, Class::Content, &["app.ts"])];
        let (before, during) = (run(Vec::new()), run(found));
        let mut notices = Notices::default();
        let mut told = |state: &RunState| {
            let running = [1, 2].map(|task| (TaskNumber(task), 1)).into_iter();
            let changed = notices.changed(state, running);
            let of = |notice: &Notice| (notice.task.0, notice.text.contains("app.ts"));
            changed.iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(told(&before), []);
        assert_eq!(told(&during), [(1, true), (2, true)]);
        assert_eq!(told(&during), []);
        assert_eq!(told(&before), [(1, false), (2, false)]);
    }
}
