//! The references through which an attempt on another machine is handed over and back.
//!
//! All are below `refs/dispatch/remote/<run>/<task>/<attempt>/`:
//!
//! | reference | made by | holds |
//! |---|---|---|
//! | `package` | the run | the written-down attempt; its parents are the commits that it needs |
//! | `claim` | the first node that starts | the node; a second start finds it and ends |
//! | `progress` | that node, again and again | the facts and the log so far |
//! | `outcome` | that node, or the run that gives it up | the end, once: it is never replaced |

use crate::model::ids::{AttemptKey, RunId};

/// The folder of the references of all runs.
pub const PREFIX: &str = "refs/dispatch/remote/";

/// The references of one attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoteRefs {
    folder: String,
}

impl RemoteRefs {
    /// Names the references of an attempt.
    pub fn of(run: &RunId, (task, attempt): AttemptKey) -> RemoteRefs {
        RemoteRefs {
            folder: format!("{}{}/{attempt}", of_run(run), task.0),
        }
    }

    /// Parses the folder of an attempt's references: its run, task and attempt.
    pub fn parse(folder: &str) -> Option<(RunId, AttemptKey)> {
        let mut parts = folder.strip_prefix(PREFIX)?.split('/');
        let (run, task, attempt) = (parts.next()?, parts.next()?, parts.next()?);
        let task = crate::model::ids::TaskNumber(task.parse().ok()?);
        let is_whole = parts.next().is_none() && !run.is_empty();
        is_whole.then_some((RunId::new(run), (task, attempt.parse().ok()?)))
    }

    /// The folder of all of them.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// The written-down attempt.
    pub fn package(&self) -> String {
        format!("{}/package", self.folder)
    }

    /// The node that works on it.
    pub fn claim(&self) -> String {
        format!("{}/claim", self.folder)
    }

    /// Its facts and its log so far.
    pub fn progress(&self) -> String {
        format!("{}/progress", self.folder)
    }

    /// Its end.
    pub fn outcome(&self) -> String {
        format!("{}/outcome", self.folder)
    }

    /// Returns all names.
    pub fn all(&self) -> [String; 4] {
        [
            self.package(),
            self.claim(),
            self.progress(),
            self.outcome(),
        ]
    }
}

/// Returns the folder of the references of a run.
pub fn of_run(run: &RunId) -> String {
    format!("{PREFIX}{run}/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::TaskNumber;

    #[test]
    fn the_folder_of_an_attempt_names_it() {
        let run = RunId::new("shop-7k3q");
        let refs = RemoteRefs::of(&run, (TaskNumber(2), 3));
        assert_eq!(refs.claim(), "refs/dispatch/remote/shop-7k3q/2/3/claim");
        assert_eq!(
            RemoteRefs::parse(refs.folder()),
            Some((run, (TaskNumber(2), 3)))
        );
        for invalid in [
            "refs/heads/x/1/1",
            "refs/dispatch/remote/r/1",
            "refs/dispatch/remote/r/1/1/x",
        ] {
            assert_eq!(RemoteRefs::parse(invalid), None, "{invalid}");
        }
    }
}
