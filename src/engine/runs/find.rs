//! Finds a run by its name, or the run that a command means without one.

use crate::base::text::did_you_mean;
use crate::engine::EngineError;
use crate::engine::runs::read::read_state;
use crate::git::{Repo, Store, StoreError};
use crate::journal::runs;
use crate::model::ids::RunId;
use crate::model::run::{RunPhase, RunState};

/// The number of runs that are read to find the default one.
const NEWEST: usize = 20;

/// Selects a run when none is named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DefaultRun {
    /// The run with the latest event.
    Latest,
    /// The latest run that has not ended with success, else the latest.
    Unfinished,
    /// The latest run with a candidate that has not landed, else the latest.
    Unlanded,
}

/// The reason why no run was found.
#[derive(Debug, thiserror::Error)]
pub enum FindRunError {
    /// The repository has no run.
    #[error("there is no run in this repository yet")]
    NoRun,
    /// No run has this name.
    #[error("there is no run {name:?}")]
    Unknown {
        /// The name.
        name: String,
        /// A similar name of a run.
        near: Option<String>,
    },
    /// Several runs have names that begin like this.
    #[error("{name:?} matches several runs")]
    Several {
        /// The beginning.
        name: String,
        /// The runs.
        runs: Vec<RunId>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl FindRunError {
    /// Suggests a remedy; none for a failure of the store. `list` lists the runs, `start` starts
    /// one, in the words of the caller.
    pub fn hint(&self, list: &str, start: &str) -> Option<String> {
        match self {
            FindRunError::NoRun => Some(start.to_owned()),
            FindRunError::Unknown { near, .. } => Some(match near {
                Some(near) => format!("did you mean {near}?"),
                None => list.to_owned(),
            }),
            FindRunError::Several { runs, .. } => {
                let names: Vec<&str> = runs.iter().map(RunId::as_str).collect();
                Some(format!("name one of {}", names.join(", ")))
            }
            FindRunError::Store(_) => None,
        }
    }
}

/// Finds a run by its name or a unique beginning of it, or the default run.
///
/// # Errors
/// When there is none, or a beginning fits several.
pub fn find_run(
    repo: &Repo,
    store: &Store,
    name: Option<&str>,
    default: DefaultRun,
) -> Result<RunId, FindRunError> {
    let runs: Vec<RunId> = runs::list(store)?
        .into_iter()
        .map(|entry| entry.run)
        .collect();
    match name {
        Some(name) => find_named(&runs, name),
        None => find_default(&runs, default, |run| read_state(repo, store, run)),
    }
}

fn find_default(
    runs: &[RunId],
    default: DefaultRun,
    read: impl Fn(&RunId) -> Result<RunState, EngineError>,
) -> Result<RunId, FindRunError> {
    let latest = runs.last().ok_or(FindRunError::NoRun)?;
    let fits = match default {
        DefaultRun::Latest => return Ok(latest.clone()),
        DefaultRun::Unfinished => is_unfinished,
        DefaultRun::Unlanded => is_landable,
    };
    // Reading every old run would be slow; the default is among the newest.
    for run in runs.iter().rev().take(NEWEST) {
        if read(run).is_ok_and(|state| fits(&state)) {
            return Ok(run.clone());
        }
    }
    Ok(latest.clone())
}

fn is_unfinished(state: &RunState) -> bool {
    !matches!(state.phase, RunPhase::Ended(0)) && state.landed.is_none()
}

fn is_landable(state: &RunState) -> bool {
    state.landed.is_none() && !state.candidates().is_empty()
}

fn find_named(runs: &[RunId], name: &str) -> Result<RunId, FindRunError> {
    if let Some(run) = runs.iter().find(|run| run.as_str() == name) {
        return Ok(run.clone());
    }
    let fits = runs.iter().filter(|run| run.as_str().starts_with(name));
    let fits: Vec<RunId> = fits.cloned().collect();
    let name = name.to_owned();
    match fits.as_slice() {
        [run] => Ok(run.clone()),
        [] => {
            let near = did_you_mean(&name, runs.iter().map(RunId::as_str)).map(str::to_owned);
            Err(FindRunError::Unknown { name, near })
        }
        _ => Err(FindRunError::Several { name, runs: fits }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::model::fixture::RunFixture;

    use super::*;

    fn runs() -> Vec<RunId> {
        ["shop-aaaa", "shop-bbbb", "docs-cccc"]
            .map(RunId::new)
            .to_vec()
    }

    fn named(name: &str) -> String {
        match find_named(&runs(), name) {
            Ok(run) => run.to_string(),
            Err(error) => format!("{error}; {}", error.hint("list", "start").unwrap()),
        }
    }

    #[test]
    fn a_run_has_a_name_or_a_unique_beginning_of_it() {
        let all = ["shop-bbbb", "docs", "shop", "dogs-cccc", "garden"].map(named);
        insta::assert_snapshot!(all.join("\n"), @r#"
        shop-bbbb
        docs-cccc
        "shop" matches several runs; name one of shop-aaaa, shop-bbbb
        there is no run "dogs-cccc"; did you mean docs-cccc?
        there is no run "garden"; list
        "#);
    }

    #[test]
    fn the_default_is_the_latest_that_fits_else_the_latest() {
        let read = |run: &RunId| {
            let fixture = RunFixture::new("a");
            Ok(match run.as_str() {
                "shop-aaaa" => fixture.begin(1, "shell").pass(1, "made").state(),
                _ => fixture.ended(0).state(),
            })
        };
        let default = |which| find_default(&runs(), which, read).unwrap().to_string();
        assert_eq!(default(DefaultRun::Latest), "docs-cccc");
        assert_eq!(default(DefaultRun::Unfinished), "shop-aaaa");
        assert_eq!(default(DefaultRun::Unlanded), "shop-aaaa");
        let none = find_default(&[], DefaultRun::Latest, read).unwrap_err();
        assert!(matches!(none, FindRunError::NoRun));
    }
}
