//! Speaks to the git remote: lists, fetches and creates references.
//!
//! A reference is created only where there is none, so of two who create it one wins. Hooks do not run
//! and git asks for no password, because no user waits for this. Every call has a deadline: a remote that
//! takes a connection and says nothing more is as unreachable as one that takes none.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::base::process::Finished;
use crate::engine::remote::error::RemoteError;
use crate::git::remote_answers::{last_lines, parse_references};
use crate::git::{Git, Repo};
use crate::merge::oid::Oid;

/// The longest wait for a list of references, or for a push of references only.
const ANSWER: Duration = Duration::from_secs(60);

/// The longest time that objects may travel: a slow line and a large repository are allowed.
const TRANSFER: Duration = Duration::from_secs(60 * 60);

/// The result of creating a reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Created {
    /// It is there now, at this object.
    Yes,
    /// Another was there before, at this object.
    Exists(Oid),
}

/// The way to a remote.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    repo: Repo,
    remote: String,
    answer: Duration,
    transfer: Duration,
    /// Set once the attempt is to stop, and the time that a call may take from then on.
    stop: Option<(Arc<OnceLock<Instant>>, Duration)>,
}

impl Transport {
    pub(super) fn new(repo: &Repo, remote: &str) -> Transport {
        Transport {
            repo: repo.clone(),
            remote: remote.to_owned(),
            answer: ANSWER,
            transfer: TRANSFER,
            stop: None,
        }
    }

    /// Waits at most this long for an answer that takes no objects with it, if that is shorter.
    #[must_use]
    pub(super) fn answering_within(mut self, limit: Duration) -> Transport {
        self.answer = self.answer.min(limit);
        self
    }

    /// Pushes and fetches only what is small.
    #[must_use]
    pub(super) fn quick(mut self) -> Transport {
        self.transfer = self.answer;
        self
    }

    /// Ends every call this long after the attempt was asked to stop.
    #[must_use]
    pub(super) fn until(&self, stop: &Arc<OnceLock<Instant>>, grace: Duration) -> Transport {
        Transport {
            stop: Some((Arc::clone(stop), grace)),
            ..self.clone()
        }
    }

    /// Runs a git that speaks to the remote, for at most this long.
    fn finish(&self, args: &[&str], limit: Duration) -> Result<Finished, RemoteError> {
        let is_over = || {
            let stop = self.stop.as_ref();
            stop.is_some_and(|(stop, grace)| stop.get().is_some_and(|at| at.elapsed() >= *grace))
        };
        let finished = self.git().finish_until(args, limit, is_over)?;
        finished.ok_or_else(|| RemoteError::Unreachable {
            remote: self.remote.clone(),
            said: format!("no answer within {} s", limit.as_secs().max(1)),
        })
    }

    fn git(&self) -> Git {
        let git = self.repo.git().env("GIT_TERMINAL_PROMPT", "0");
        git.setting("fetch.fsckObjects=true").setting("gc.auto=0")
    }

    /// Lists the references below a folder.
    pub(super) fn list(&self, folder: &str) -> Result<BTreeMap<String, Oid>, RemoteError> {
        let pattern = format!("{}/*", folder.trim_end_matches('/'));
        let args = ["ls-remote", "--refs", "--", &self.remote, &pattern];
        let finished = self.finish(&args, self.answer)?;
        if !finished.status.success() {
            return Err(self.unreachable(&finished.stderr));
        }
        Ok(parse_references(&finished.stdout).into_iter().collect())
    }

    /// Fetches references under their own names, with every object checked.
    pub(super) fn fetch(&self, names: &[&str]) -> Result<(), RemoteError> {
        let specs: Vec<String> = names.iter().map(|name| format!("+{name}:{name}")).collect();
        let mut args = vec![
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            "--no-auto-maintenance",
            "--",
            &self.remote,
        ];
        args.extend(specs.iter().map(String::as_str));
        let finished = self.finish(&args, self.transfer)?;
        if finished.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&finished.stderr).into_owned();
        if said.contains("couldn't find remote ref") {
            return Err(RemoteError::Absent {
                remote: self.remote.clone(),
                name: names.join(", "),
            });
        }
        Err(self.unreachable(&finished.stderr))
    }

    /// Creates a reference, unless there is one.
    pub(super) fn create(&self, name: &str, oid: Oid) -> Result<Created, RemoteError> {
        match self.push(name, oid, None) {
            Ok(()) => Ok(Created::Yes),
            Err(refused @ RemoteError::Refused { .. }) => {
                // Another was first, or an earlier push of this very one got through unnoticed.
                let folder = name.rsplit_once('/').map_or(name, |(folder, _)| folder);
                match self.list(folder)?.get(name) {
                    Some(there) if *there == oid => Ok(Created::Yes),
                    Some(there) => Ok(Created::Exists(*there)),
                    None => Err(refused),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Moves a reference from one object to another.
    pub(super) fn replace(
        &self,
        name: &str,
        old: Option<Oid>,
        new: Oid,
    ) -> Result<(), RemoteError> {
        self.push(name, new, old)
    }

    /// Removes references. One that is gone already does not matter.
    pub(super) fn remove(&self, names: &[String]) -> Result<(), RemoteError> {
        let specs: Vec<String> = names.iter().map(|name| format!(":{name}")).collect();
        let mut args = vec!["push", "--quiet", "--no-verify", "--", &self.remote];
        args.extend(specs.iter().map(String::as_str));
        let finished = self.finish(&args, self.answer)?;
        match finished.status.success() {
            true => Ok(()),
            false => Err(self.unreachable(&finished.stderr)),
        }
    }

    fn push(&self, name: &str, oid: Oid, old: Option<Oid>) -> Result<(), RemoteError> {
        let old = old.map_or(String::new(), |old| old.to_string());
        let lease = format!("--force-with-lease={name}:{old}");
        let spec = format!("{oid}:{name}");
        let args = [
            "push",
            "--quiet",
            "--no-verify",
            &lease,
            "--",
            &self.remote,
            &spec,
        ];
        let finished = self.finish(&args, self.transfer)?;
        match finished.status.code() {
            Some(0) => Ok(()),
            // The remote answered, and refused.
            Some(1) => Err(RemoteError::Refused {
                remote: self.remote.clone(),
                name: name.to_owned(),
                said: last_words(&finished.stderr),
            }),
            _ => Err(self.unreachable(&finished.stderr)),
        }
    }

    fn unreachable(&self, said: &[u8]) -> RemoteError {
        RemoteError::Unreachable {
            remote: self.remote.clone(),
            said: last_words(said),
        }
    }
}

/// Returns the last lines of git's message on one line, without its advice.
fn last_words(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines = text.lines().filter(|line| !line.starts_with("hint:"));
    last_lines(&lines.collect::<Vec<_>>().join("\n"), 4).join("; ")
}
