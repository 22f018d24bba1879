//! Refused actions, and the lock that every change needs.

use crate::base::text::error_chain;
use crate::engine::EngineError;
use crate::engine::land::error::LandError;
use crate::engine::run::control::RequestError;
use crate::engine::start::StartError;
use crate::engine::start::retry::RetryError;
use crate::git::{GitError, StoreError};
use crate::journal::runs::{RunLock, Taken};
use crate::model::ids::RunId;
use crate::web::source::Source;

/// An action that was not carried out, with the reason as a sentence.
#[derive(Debug)]
pub(in crate::web) struct Refused(pub(in crate::web) String);

macro_rules! refused_by {
    ($($error:ty),*) => {
        $(impl From<$error> for Refused {
            fn from(error: $error) -> Refused {
                Refused(error_chain(&error))
            }
        })*
    };
}

refused_by!(
    EngineError,
    StartError,
    RetryError,
    StoreError,
    GitError,
    RequestError,
    LandError
);

/// Takes the lock of a run that no process drives.
///
/// # Errors
/// When another process drives it.
pub(super) fn lock(source: &Source, run: &RunId) -> Result<RunLock, Refused> {
    match RunLock::take(&source.repo, run, source.clock.now()) {
        Ok(Taken::Ours(lock)) => Ok(lock),
        Ok(Taken::Held(_)) => Err(Refused(format!(
            "{run} is being driven by another process, and changes only after it has ended"
        ))),
        Err(error) => Err(Refused(format!("could not lock {run}: {error}"))),
    }
}
