//! Opens the connection to GitHub for a run.

use std::collections::BTreeMap;

use crate::cli::repo_context::RepoContext;
use crate::config::Settings;
use crate::engine::kernel::masking::secrets;
use crate::engine::mirror::error::MirrorError;
use crate::engine::mirror::pace::Pace;
use crate::engine::mirror::record::Record;
use crate::engine::mirror::sync::Mirror;
use crate::engine::runs::read::read_settings;
use crate::forge::graphql::GhGraphQl;
use crate::forge::{Gh, Repository};
use crate::model::github_project::GithubProject;
use crate::model::run::RunState;

/// The word for no project on the command line and in the record.
pub(super) const NONE: &str = "none";

/// A connection through `gh`.
pub(super) struct Connection {
    graphql: GhGraphQl,
    repository: Repository,
}

impl Connection {
    /// Finds `gh`, and the repository it works with.
    ///
    /// # Errors
    /// When `gh` is missing or not logged in, or no remote is on GitHub.
    pub(super) fn open(here: &RepoContext) -> Result<Connection, MirrorError> {
        let repository = Gh::find(&here.repo.top)?.repository()?;
        Ok(Connection {
            graphql: GhGraphQl::find(&here.repo.top, &repository.host)?,
            repository,
        })
    }

    /// Returns the host.
    pub(super) fn host(&self) -> &str {
        &self.repository.host
    }

    /// Prepares the mirror of a run, with the project that was chosen for it last.
    ///
    /// # Errors
    /// When the settings of the run cannot be read.
    pub(super) fn mirror<'a>(
        &'a self,
        here: &'a RepoContext,
        state: &RunState,
    ) -> Result<Mirror<'a>, MirrorError> {
        let settings = read_settings(&here.store, &state.run)?;
        let mut record = Record::load(&here.repo, &state.run);
        record.wait = None;
        Ok(Mirror {
            repo: &here.repo,
            graphql: &self.graphql,
            repository: self.repository.clone(),
            project: project(&record, &settings),
            secrets: secrets(&settings, &state.plan),
            record,
            pace: Pace::new(!here.clock.is_frozen()),
            failures: BTreeMap::new(),
            replaces_closed: false,
            is_alone: false,
            has_lock: true,
        })
    }
}

/// Returns the project of a run: the chosen one, else that of its settings.
fn project(record: &Record, settings: &Settings) -> Option<GithubProject> {
    let chosen = Some(record.chosen.as_str()).filter(|chosen| !chosen.is_empty());
    let name = chosen.or(settings.github.project.as_deref());
    name.filter(|name| *name != NONE)?.parse().ok()
}
