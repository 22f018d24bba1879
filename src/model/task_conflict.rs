//! A conflict between the candidates of two tasks.

use serde::{Deserialize, Serialize};

use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::merge::verdict::{Unit, Verdict};
use crate::model::ids::TaskNumber;

/// A conflict between the candidates of two tasks of a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TaskConflict {
    /// The lower task number.
    pub a: TaskNumber,
    /// The higher task number.
    pub b: TaskNumber,
    /// The class of the worst unit.
    pub class: Class,
    /// The worst severity.
    pub severity: u8,
    /// The merge bases; empty in journals of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bases: Vec<Oid>,
    /// The paths in conflict, by class.
    pub units: Vec<Unit>,
    /// `true` if branches that the two were built on have it already.
    #[serde(default)]
    pub inherited: bool,
}

impl TaskConflict {
    /// Returns the two tasks, the lower number first.
    pub fn pair(&self) -> (TaskNumber, TaskNumber) {
        (self.a, self.b)
    }

    /// Returns git's verdict on the two.
    pub fn verdict(&self) -> Verdict {
        let stops = |class: Class| class.is_conflict() && class.counts_though_merged().is_none();
        match self.class {
            Class::EngineFailure => Verdict::EngineFailure,
            class if stops(class) => Verdict::Conflict,
            _ if self.units.iter().any(|unit| stops(unit.class)) => Verdict::Conflict,
            _ => Verdict::Clean,
        }
    }
}
