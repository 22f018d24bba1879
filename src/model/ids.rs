//! Identifiers: run ids, task numbers, attempt numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The id of a run, such as `checkout-7k3q`: a slug and four random base32 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// Wraps a name that is a valid ref component.
    pub fn new(name: impl Into<String>) -> RunId {
        RunId(name.into())
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of a task in its plan, counted from 1 and displayed as `#1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskNumber(pub u32);

impl TaskNumber {
    /// Returns the index of the task in [`crate::model::plan::Plan::tasks`].
    pub fn index(self) -> usize {
        self.0 as usize - 1
    }
}

impl fmt::Display for TaskNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// The number of an attempt at a task, counted from 1.
pub type AttemptNumber = u32;

/// The number of a variant of a task, counted from 1.
pub type VariantNumber = u8;

/// An attempt at a task of a run.
pub type AttemptKey = (TaskNumber, AttemptNumber);

/// A task, or one of its variants. Its attempts run one after the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TaskVariant {
    /// The task.
    pub task: TaskNumber,
    /// The variant; `None` for a task without variants.
    pub variant: Option<VariantNumber>,
}

impl From<TaskNumber> for TaskVariant {
    fn from(task: TaskNumber) -> TaskVariant {
        TaskVariant {
            task,
            variant: None,
        }
    }
}
