//! The memory of what dispatch did on GitHub last, in the run's own folder.
//!
//! It may be deleted at any time: things are found by their marks. With it, a state that people changed
//! is told from one that dispatch has not written yet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::clock::render_duration;
use crate::base::files;
use crate::base::regular_file;
use crate::engine::EngineError;
use crate::git::Repo;
use crate::model::ids::RunId;
use crate::report::issue::Subject;

/// The largest record that is read, in bytes: 10,000 tasks have one tenth of it.
const LIMIT: u64 = 64 << 20;

/// The memory of one run.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The project that was chosen for the run: its name, or `none`; empty for that of the settings.
    pub chosen: String,
    /// The id of the project.
    pub project: String,
    /// The address of the project.
    pub project_url: String,
    /// The ids of the issues.
    pub issues: BTreeMap<String, String>,
    /// The ids of dispatch's own comments.
    pub comments: BTreeMap<String, String>,
    /// The issues that dispatch closed, and that no user has opened since.
    pub closed: BTreeSet<String>,
    /// The columns that were shown last.
    pub columns: BTreeMap<String, String>,
    /// The priorities that were shown last.
    pub priorities: BTreeMap<String, i32>,
    /// The steps that are done once for each task, so that what people undo stays undone.
    pub done: BTreeSet<String>,
    /// The error that ended the mirror in the background; empty after a success.
    pub problem: String,
    /// The wait for GitHub; none while nothing is waited for.
    pub wait: Option<Wait>,
}

/// A wait for GitHub.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Wait {
    /// The time of the next request.
    pub until: Timestamp,
    /// The reason.
    pub why: String,
}

impl Wait {
    /// Returns the rest of the wait and its reason in words.
    pub fn words(&self, now: Timestamp) -> String {
        let left = self.until.duration_since(now).as_secs().max(0);
        let left = render_duration(Duration::from_secs(left.unsigned_abs()));
        format!("{}; the next request is in {left}", self.why)
    }
}

impl Record {
    /// Reads the record of a run; an empty one if there is none, or it is damaged.
    pub fn load(repo: &Repo, run: &RunId) -> Record {
        let text = regular_file::read(&place(repo, run), LIMIT);
        let read = text
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        read.unwrap_or_default()
    }

    /// Writes the record of a run.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(&self, repo: &Repo, run: &RunId) -> Result<(), EngineError> {
        let place = place(repo, run);
        let failed = |error| EngineError::File(place.display().to_string(), error);
        let folder = repo.run_folder(run.as_str());
        files::private_folder(&folder).map_err(failed)?;
        let text = serde_json::to_vec(self).unwrap_or_default();
        files::replace_private(&place, &text).map_err(failed)
    }

    /// Returns the column that was shown last.
    pub fn column(&self, subject: Subject) -> Option<&str> {
        self.columns.get(&key(subject)).map(String::as_str)
    }

    /// Returns the priority that was shown last.
    pub fn priority(&self, subject: Subject) -> Option<i32> {
        self.priorities.get(&key(subject)).copied()
    }
}

/// Returns the name of a subject in the record.
pub fn key(subject: Subject) -> String {
    match subject {
        Subject::Run => "run".to_owned(),
        Subject::Task(task) => task.0.to_string(),
    }
}

fn place(repo: &Repo, run: &RunId) -> PathBuf {
    repo.run_folder(run.as_str()).join("github.json")
}
