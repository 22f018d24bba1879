//! The git remote of an executor, and its address for the nodes.

use crate::base::safe::secrets::mask_shapes;
use crate::base::text::error_chain;
use crate::engine::EngineError;
use crate::engine::share::remote::default_remote;
use crate::git::Repo;
use crate::model::executor::ExecutorProfile;

/// A git remote that an executor cannot use.
#[derive(Debug, thiserror::Error)]
#[error("executor {executor}: {message}")]
pub struct UnusableRemote {
    executor: String,
    message: String,
    /// The remedy.
    pub hint: String,
}

impl From<UnusableRemote> for EngineError {
    fn from(error: UnusableRemote) -> EngineError {
        EngineError::Refused(format!("{error}: {}", error.hint))
    }
}

/// Returns the git remote of a profile: its name or address for this repository, and its address for the
/// nodes.
///
/// # Errors
/// When the repository has no such remote, or its address holds a password.
pub fn remote_of(
    repo: &Repo,
    profile: &ExecutorProfile,
) -> Result<(String, String), UnusableRemote> {
    let unusable = |message: String, hint: String| UnusableRemote {
        executor: profile.name.clone(),
        message,
        hint,
    };
    let add = || {
        "`git remote add NAME ADDRESS` adds one; it must be an address that the nodes reach, too"
            .to_owned()
    };
    let remote = match &profile.remote {
        Some(remote) => remote.clone(),
        None => default_remote(repo, None)
            .map_err(|error| unusable(error_chain(&error), add()))?
            .ok_or_else(|| {
                let message = "the repository has no default git remote".to_owned();
                let hint = format!("set `remote` under [executors.{}]", profile.name);
                unusable(message, hint)
            })?,
    };
    // An address stands for itself.
    let address = match remote.contains(['/', ':']) {
        true => remote.clone(),
        false => repo
            .git()
            .line(&["remote", "get-url", "--push", "--", &remote])
            .map_err(|_| {
                let message = format!("the repository has no remote {remote:?}");
                unusable(message, add())
            })?,
    };
    let address = profile.node_remote.clone().unwrap_or(address);
    // It becomes an argument of a program on the node, where others read it.
    if let Some(open) = [&remote, &address].into_iter().find(|it| has_secret(it)) {
        return Err(unusable(
            format!("the address {} holds a password", mask_shapes(open)),
            "leave it out of the address: let a credential helper give it on this machine and on the nodes \
             (`git help credentials`), or use ssh"
                .to_owned(),
        ));
    }
    Ok((remote, absolute(repo, address)))
}

/// Returns `true` for an address with a password, or with a token of a well-known service.
fn has_secret(address: &str) -> bool {
    mask_shapes(address) != address
}

/// Makes a relative path absolute, as a node has another working directory.
fn absolute(repo: &Repo, address: String) -> String {
    let is_path = !address.contains(':') && !address.starts_with('/');
    match is_path {
        true => repo.top.join(&address).to_string_lossy().into_owned(),
        false => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_password_is_noticed() {
        let token = format!("https://ghp_{}@git.example/x", "a1".repeat(18));
        for address in [
            "https://me:pw@git.example/x",
            "ssh://me:pw@git.example/x",
            &token,
        ] {
            assert!(has_secret(address), "{address}");
        }
        for address in [
            "https://git.example/x",
            "https://me@git.example/x",
            "ssh://git@git.example:22/x",
            "git@git.example:x/y.git",
            "/srv/git/x.git",
        ] {
            assert!(!has_secret(address), "{address}");
        }
    }
}
