//! The repository of a node: a cache of what it fetched, without files of its own.
//!
//! There is one for each address and user, below `$XDG_CACHE_HOME/dispatch/nodes`. It has a checkout that
//! is empty, so that worktrees and the pool treat it like a user's repository.

use std::path::{Path, PathBuf};

use crate::base::files::FileLock;
use crate::base::text::slug;
use crate::base::user_folders::{cache_folder, state_folder};
use crate::engine::remote::error::RemoteError;
use crate::git::object_hash::digest;
use crate::git::{Git, Repo};
use crate::merge::oid::Oid;

/// The mirror of a remote on a node.
pub(super) struct Mirror {
    pub(super) repo: Repo,
    /// Two attempts may begin at the same time.
    _lock: FileLock,
}

impl Mirror {
    /// Opens the mirror of an address for a user, and creates it if necessary.
    ///
    /// # Errors
    /// When there is no cache folder, or git fails.
    pub(super) fn open(address: &str, user: &str, package: Oid) -> Result<Mirror, RemoteError> {
        let folder = folder_of(address, user)?;
        let failed = |error: std::io::Error| {
            RemoteError::Mirror(folder.display().to_string(), Box::new(error))
        };
        let place = folder.join("repository");
        std::fs::create_dir_all(&place).map_err(failed)?;
        let lock = FileLock::wait(&folder.join("lock")).map_err(failed)?;
        if !place.join(".git/HEAD").exists() {
            create(&place, package)?;
        }
        let mut repo = Repo::discover(&place)?;
        if let Some(folder) = state_folder() {
            repo.keep_state_below(&folder);
        }
        Ok(Mirror { repo, _lock: lock })
    }

    /// Commits in the name of this user from now on.
    pub(super) fn set_user(&self, name: &str, email: &str) -> Result<(), RemoteError> {
        let git = self.repo.git();
        for (key, value) in [("user.name", name), ("user.email", email)] {
            if git
                .line(&["config", "--local", "--get", key])
                .ok()
                .as_deref()
                != Some(value)
            {
                git.run(&["config", "--local", key, value])?;
            }
        }
        Ok(())
    }
}

fn create(place: &Path, package: Oid) -> Result<(), RemoteError> {
    let format = match package.to_string().len() {
        40 => "--object-format=sha1",
        _ => "--object-format=sha256",
    };
    Git::at(place).run(&["init", "--quiet", "--template=", format])?;
    Ok(())
}

fn folder_of(address: &str, user: &str) -> Result<PathBuf, RemoteError> {
    let cache = cache_folder().ok_or_else(|| {
        let error = std::io::Error::other("neither XDG_CACHE_HOME nor HOME is set");
        RemoteError::Mirror("the cache".to_owned(), Box::new(error))
    })?;
    let key = digest(format!("{address}\0{user}").as_bytes());
    let last = address.trim_end_matches('/').rsplit(['/', ':']).next();
    let last = slug(last.unwrap_or_default().trim_end_matches(".git"));
    let name = format!("{last}-{}", Oid::from_bytes(key));
    Ok(cache.join("dispatch/nodes").join(name))
}
