//! Finds the judge of a task.

use crate::config::Settings;
use crate::model::plan::Task;

impl Settings {
    /// Returns the worker that chooses among the variants of a task: that of the plan, else the
    /// configured one; `None` if the rule does, or the task has no variants.
    pub fn judge_of<'a>(&'a self, task: &'a Task) -> Option<&'a str> {
        task.fields.variants.as_ref()?;
        let own = task.fields.judge.as_deref();
        own.or(self.variants.judge.as_deref())
    }
}
