//! Lands a run by pull request: pushes branches, and opens one pull request for the run or one per
//! task.
//!
//! Everything that can fail without a trace is asked first: the remote, GitHub, the tip of each
//! branch. Branches are pushed in one step, and only over what dispatch pushed itself. A second call
//! updates what is open.

pub mod commands;
pub mod error;
pub mod plan;
pub mod push;

use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::land::error::LandError;
use crate::engine::land::pull_request::error::PullRequestError;
use crate::engine::land::pull_request::plan::PlannedPullRequest;
use crate::forge::{Gh, Open};
use crate::model::event::Event;
use crate::model::pull_request::PullRequest;
use crate::model::run::RunState;

/// Finds the pull requests that are already open, in the order of the planned ones.
///
/// # Errors
/// When `gh` or GitHub fails; nothing has changed.
pub fn find_open(
    gh: &Gh,
    planned: &[PlannedPullRequest],
) -> Result<Vec<Option<Open>>, PullRequestError> {
    let open = planned.iter();
    let open = open.map(|planned| gh.open_pull_request(&planned.wording.head));
    Ok(open.collect::<Result<_, _>>()?)
}

/// Records events before their effects.
pub type Record<'a> = &'a mut dyn FnMut(Vec<Event>) -> Result<(), EngineError>;

/// A run with the pull requests it gets.
pub struct PullRequests<'a> {
    /// The run.
    pub context: &'a Context,
    /// Its state.
    pub state: &'a RunState,
    /// The pull requests.
    pub planned: &'a [PlannedPullRequest],
    /// The open ones among them, in the same order.
    pub open: &'a [Option<Open>],
    /// Skip the user's hooks.
    pub no_verify: bool,
}

impl PullRequests<'_> {
    /// Pushes the branches and opens or updates the pull requests.
    ///
    /// # Errors
    /// When the remote or GitHub rejects something. Pull requests opened before that are recorded,
    /// and the next call continues from there.
    pub fn publish(
        &self,
        gh: &Gh,
        record: Record<'_>,
    ) -> Result<Vec<PullRequest>, PullRequestError> {
        let Some(first) = self.planned.first() else {
            return Err(LandError::Nothing.into());
        };
        let remote = &first.pull_request.remote;
        let wanted: Vec<&PullRequest> = self.planned.iter().map(|p| &p.pull_request).collect();
        let pushes = push::due(self.context, self.state, remote, &wanted)?;
        let starting = wanted.iter().map(|wanted| Event::PullRequestStarting {
            pull_request: (*wanted).clone(),
        });
        record(starting.collect())?;
        push::push(self.context, remote, &pushes, self.no_verify)?;
        let mut published = Vec::new();
        for (planned, open) in self.planned.iter().zip(self.open) {
            let pull_request = publish_one(gh, planned, open.as_ref())?;
            record(vec![Event::PullRequestOpened {
                pull_request: pull_request.clone(),
            }])?;
            published.push(pull_request);
        }
        Ok(published)
    }
}

fn publish_one(
    gh: &Gh,
    planned: &PlannedPullRequest,
    open: Option<&Open>,
) -> Result<PullRequest, PullRequestError> {
    let url = match open {
        Some(open) => {
            gh.update(open.number, &planned.wording)?;
            open.url.clone()
        }
        None => gh.create(&planned.wording)?,
    };
    Ok(PullRequest {
        url: Some(url),
        ..planned.pull_request.clone()
    })
}
