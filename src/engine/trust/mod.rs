//! Trust: nothing that a repository's settings name is run before the user has agreed to it.
//!
//! Consent is bound to the path of the repository and to the whole text of its settings file, and
//! kept in the user's state folder, outside of every repository. Everything that starts programs for
//! settings that a repository brought calls [`require`] first.

pub mod folder;
mod own_commit;

use crate::base::user_folders::is_refused;
use crate::config::brought::Brought;
use crate::config::{FILE_NAME, Settings};
use crate::engine::EngineError;
use crate::git::Repo;
use folder::{Record, TrustFolder, resolved};
use own_commit::is_committed_here;

/// The consent to the settings of a repository.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Consent {
    /// They need none.
    NotNeeded,
    /// The user gave it, or trusts the folder of the repository.
    Given,
    /// The user committed them here before the first run.
    CommittedHere,
    /// The user has not seen them yet.
    Missing,
    /// The user agreed to an earlier text of the file.
    Outdated {
        /// That text.
        before: String,
    },
}

impl Consent {
    /// Returns `true` if everything that the settings name may run.
    pub fn is_enough(&self) -> bool {
        matches!(
            self,
            Consent::NotNeeded | Consent::Given | Consent::CommittedHere
        )
    }
}

/// Reads the user's consent to settings.
///
/// # Errors
/// When the state folder cannot be read.
pub fn consent(repo: &Repo, settings: &Settings) -> Result<Consent, EngineError> {
    let Some(brought) = &settings.brought else {
        return Ok(Consent::NotNeeded);
    };
    if is_in_trusted_folder(repo, settings) {
        return Ok(Consent::Given);
    }
    let record = match TrustFolder::of_user() {
        Some(folder) => folder.read(&repo.common)?,
        None => None,
    };
    Ok(match record {
        None if brought.is_ordinary && is_committed_here(repo, &brought.text)? => {
            Consent::CommittedHere
        }
        None => Consent::Missing,
        Some(record) if record.text == brought.text => Consent::Given,
        Some(record) => Consent::Outdated {
            before: record.text,
        },
    })
}

/// Refuses settings of a repository that the user has not agreed to. Those that the user committed
/// before the first run are recorded, so that a later change asks.
///
/// # Errors
/// When consent is missing, or the state folder cannot be read.
pub fn require(repo: &Repo, settings: &Settings) -> Result<(), EngineError> {
    let consent = consent(repo, settings)?;
    match consent {
        Consent::NotNeeded | Consent::Given => Ok(()),
        Consent::CommittedHere => {
            let folder = TrustFolder::of_user().zip(settings.brought.as_ref());
            let written = folder.map_or(Ok(()), |(folder, brought)| {
                folder.write(&Record::new(&repo.common, &brought.text))
            });
            match written {
                // Without a record, the next run asks.
                Err(EngineError::File(_, error)) if is_refused(&error) => Ok(()),
                written => written,
            }
        }
        Consent::Missing | Consent::Outdated { .. } => Err(EngineError::Untrusted {
            file: FILE_NAME,
            changed: consent != Consent::Missing,
        }),
    }
}

/// Records the user's consent to the settings that a repository brought.
///
/// # Errors
/// When there is no state folder, or it cannot be written.
pub fn grant(repo: &Repo, brought: &Brought) -> Result<(), EngineError> {
    let folder = TrustFolder::of_user().ok_or_else(no_folder)?;
    folder.write(&Record::new(&repo.common, &brought.text))
}

/// Takes consent to the settings of a repository back; `false` if there was none.
///
/// # Errors
/// When the state folder cannot be written.
pub fn revoke(repo: &Repo) -> Result<bool, EngineError> {
    match TrustFolder::of_user() {
        Some(folder) => folder.remove(&repo.common),
        None => Ok(false),
    }
}

/// Lists the repositories with consent, by their paths.
///
/// # Errors
/// When the state folder cannot be read.
pub fn list() -> Result<Vec<Record>, EngineError> {
    TrustFolder::of_user().map_or(Ok(Vec::new()), |folder| folder.list())
}

fn no_folder() -> EngineError {
    EngineError::Refused(
        "there is no folder for the user's consent: neither XDG_STATE_HOME nor HOME is set"
            .to_owned(),
    )
}

/// Returns `true` if the repository is below a folder of `[trust] folders`, which no repository can set.
fn is_in_trusted_folder(repo: &Repo, settings: &Settings) -> bool {
    let common = resolved(&repo.common);
    let folders = settings.trust.expanded_folders();
    folders
        .iter()
        .any(|folder| common.starts_with(resolved(folder)))
}
