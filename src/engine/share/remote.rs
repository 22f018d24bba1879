//! Speaks to a remote with the user's own git: hooks, helpers for passwords, questions on the terminal.

use crate::engine::share::ShareError;
use crate::git::remote_answers::{last_lines, parse_references};
use crate::git::{Git, GitError, Repo};
use crate::merge::oid::Oid;

/// Returns the remote to which git itself would push: that of the branch, the default, `origin`, or the
/// only one; `None` if the repository has none of these.
///
/// # Errors
/// When git cannot be run.
pub fn default_remote(repo: &Repo, branch: Option<&str>) -> Result<Option<String>, GitError> {
    let own = branch.map(|branch| {
        let own = format!("branch.{branch}.pushRemote");
        [
            own,
            "remote.pushDefault".to_owned(),
            format!("branch.{branch}.remote"),
        ]
    });
    let keys = own.map_or(vec!["remote.pushDefault".to_owned()], Vec::from);
    for key in keys {
        if let Some(name) = repo.setting(&["--get", &key])?.filter(|name| name != ".") {
            return Ok(Some(name));
        }
    }
    let remotes = repo.git().line(&["remote"])?;
    let remotes: Vec<&str> = remotes.lines().collect();
    Ok(match remotes.as_slice() {
        [only] => Some((*only).to_owned()),
        several if several.contains(&"origin") => Some("origin".to_owned()),
        _ => None,
    })
}

/// Explains why the repository has no default remote.
pub fn no_default(repo: &Repo) -> ShareError {
    match repo.git().line(&["remote"]) {
        Ok(remotes) if remotes.is_empty() => ShareError::NoRemote,
        Ok(remotes) => ShareError::NoDefaultRemote(remotes.lines().map(str::to_owned).collect()),
        Err(error) => error.into(),
    }
}

/// Returns `true` if the repository has a remote of this name, or it is a path or an address.
///
/// # Errors
/// When git cannot be run.
pub fn is_remote(repo: &Repo, name: &str) -> Result<bool, GitError> {
    let remotes = repo.git().line(&["remote"])?;
    Ok(name.contains(['/', ':']) || remotes.lines().any(|known| known == name))
}

/// Renders the end of what git said.
fn failure(said: &str) -> String {
    const MOST: usize = 12;
    match last_lines(said, MOST).as_slice() {
        [] => "git failed without a message".to_owned(),
        [only] => only.clone(),
        several => format!("git failed:\n  {}", several.join("\n  ")),
    }
}

/// Lists the references of a remote that match one of these patterns.
pub(super) fn references(
    repo: &Repo,
    remote: &str,
    patterns: &[String],
) -> Result<Vec<(String, Oid)>, ShareError> {
    let mut args = vec!["ls-remote", "--refs", remote];
    args.extend(patterns.iter().map(String::as_str));
    let output = talk(&repo.git().in_foreground(), remote, &args)?;
    Ok(parse_references(output.as_bytes()))
}

/// Runs a git that speaks to the remote.
pub(super) fn talk(git: &Git, remote: &str, args: &[&str]) -> Result<String, ShareError> {
    if remote.starts_with('-') {
        return Err(ShareError::Remote {
            remote: remote.to_owned(),
            said: "invalid name of a remote".to_owned(),
        });
    }
    let git = git.clone().env("GIT_TERMINAL_PROMPT", "1");
    let finished = git.finish(args)?;
    if finished.status.success() {
        return Ok(String::from_utf8_lossy(&finished.stdout).into_owned());
    }
    Err(ShareError::Remote {
        remote: remote.to_owned(),
        said: failure(&String::from_utf8_lossy(&finished.stderr)),
    })
}
