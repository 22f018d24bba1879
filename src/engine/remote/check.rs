//! Checks the executors of the settings: they answer, and have a `dispatch` of the same protocol.

use std::collections::BTreeSet;

use crate::base::text::error_chain;
use crate::config::Settings;
use crate::engine::EngineError;
use crate::engine::kernel::remote_refs::{PREFIX, of_run};
use crate::engine::remote::PROTOCOL;
use crate::engine::remote::address::remote_of;
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::fleet::engine_of;
use crate::engine::remote::transport::Transport;
use crate::git::Repo;
use crate::model::executor::{ExecutorKind, ExecutorProfile};
use crate::model::ids::RunId;

/// The finding about one place of an executor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExecutorFinding {
    /// The executor.
    pub executor: String,
    /// The host, the engine, or the git remote.
    pub place: String,
    /// The answer, or the problem.
    pub answer: Result<String, String>,
}

/// Renders the line by which a node is known to fit: `dispatch 0.1.0 protocol 1`.
pub fn own_line() -> String {
    format!("dispatch {} protocol {PROTOCOL}", env!("CARGO_PKG_VERSION"))
}

/// Checks every executor that is not this machine.
pub fn check_executors(repo: &Repo, settings: &Settings) -> Vec<ExecutorFinding> {
    let profiles = settings.executors.values();
    let elsewhere = profiles.filter(|profile| profile.kind != ExecutorKind::Local);
    elsewhere.flat_map(|profile| check(repo, profile)).collect()
}

fn check(repo: &Repo, profile: &ExecutorProfile) -> Vec<ExecutorFinding> {
    let finding = |place: &str, answer| ExecutorFinding {
        executor: profile.name.clone(),
        place: place.to_owned(),
        answer,
    };
    let engine = match engine_of(profile) {
        Ok(engine) => engine,
        Err(error) => return vec![finding("-", Err(error_chain(&error)))],
    };
    let remote = match remote_of(repo, profile) {
        Ok((remote, _)) => {
            let listed = Transport::new(repo, &remote).list(PREFIX);
            let answer = listed.map(|_| "the git remote answers".to_owned());
            finding(&remote, answer.map_err(|error| error_chain(&error)))
        }
        Err(error) => finding("git remote", Err(format!("{error}; {}", error.hint))),
    };
    let program = [
        profile.program.clone(),
        "node-attempt".to_owned(),
        "--check".to_owned(),
    ];
    let mut findings = vec![remote];
    for checked in engine.check(&program) {
        let answer = checked.answer.and_then(|line| match profile.kind {
            ExecutorKind::Ssh => fits(line),
            _ => Ok(line),
        });
        findings.push(finding(&checked.place, answer));
    }
    findings
}

/// Removes what the remotes have of a run that used these executors. Others are not contacted.
///
/// # Errors
/// The message of the first remote that does not answer, or of an executor that is no longer configured.
pub fn remove_run(
    repo: &Repo,
    settings: &Settings,
    run: &RunId,
    used: &BTreeSet<&str>,
) -> Result<(), RemoteError> {
    let mut cleaned = Vec::new();
    for name in used {
        let profile = settings.executors.get(*name).ok_or_else(|| {
            EngineError::Refused(format!("the executor {name:?} is not configured any more"))
        })?;
        let (remote, _) = remote_of(repo, profile).map_err(EngineError::from)?;
        if cleaned.contains(&remote) {
            continue;
        }
        let transport = Transport::new(repo, &remote);
        let names: Vec<String> = transport.list(&of_run(run))?.into_keys().collect();
        if !names.is_empty() {
            transport.remove(&names)?;
        }
        cleaned.push(remote);
    }
    Ok(())
}

/// Compares what the `dispatch` of a node says about itself.
fn fits(line: String) -> Result<String, String> {
    let protocol = line
        .rsplit_once("protocol ")
        .map(|(_, number)| number.trim());
    match protocol {
        Some(protocol) if protocol == PROTOCOL.to_string() => Ok(line),
        Some(_) => Err(format!("{line}, but this one is {}", own_line())),
        None => Err(format!(
            "its dispatch answers {line:?}, not {:?}",
            own_line()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_fits_by_its_protocol() {
        assert_eq!(fits(own_line()), Ok(own_line()));
        let other = fits("dispatch 9.0.0 protocol 99".to_owned()).expect_err("another protocol");
        assert!(other.contains("but this one is dispatch"), "{other}");
        assert!(fits("bash: no such option".to_owned()).is_err());
    }
}
