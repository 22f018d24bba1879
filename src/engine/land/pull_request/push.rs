//! Pushes the branches of pull requests in one step, only over commits that this run pushed.

use std::collections::BTreeMap;

use crate::base::safe::secrets::mask_shapes;
use crate::base::text::one_line;
use crate::engine::kernel::context::Context;
use crate::engine::land::pull_request::error::PullRequestError;
use crate::git::Git;
use crate::git::refs::branch_ref;
use crate::merge::oid::Oid;
use crate::model::pull_request::PullRequest;
use crate::model::run::RunState;

/// A branch to push, over the tip that it has on the remote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Push {
    pub(super) head: String,
    pub(super) commit: Oid,
    pub(super) over: Option<Oid>,
}

impl Push {
    fn lease(&self) -> String {
        let over = self.over.map_or(String::new(), |over| over.to_string());
        format!("--force-with-lease={}:{over}", branch_ref(&self.head))
    }

    fn refspec(&self) -> String {
        format!("{}:{}", self.commit, branch_ref(&self.head))
    }
}

/// Returns the arguments of `git` for these pushes.
pub(super) fn push_args(remote: &str, pushes: &[Push], no_verify: bool) -> Vec<String> {
    let mut args = vec!["push".to_owned(), "--atomic".to_owned()];
    if no_verify {
        args.push("--no-verify".to_owned());
    }
    args.extend(pushes.iter().map(Push::lease));
    args.push(remote.to_owned());
    args.extend(pushes.iter().map(Push::refspec));
    args
}

/// Returns the addresses to which git pushes for a remote, which `pushurl` and `insteadOf` may change;
/// their passwords are masked. `None` if git knows no such remote.
pub fn push_addresses(context: &Context, remote: &str) -> Option<String> {
    let args = ["remote", "get-url", "--push", "--all", "--", remote];
    let addresses = context.repo.git().line(&args).ok()?;
    let addresses: Vec<&str> = addresses.lines().collect();
    Some(mask_shapes(&addresses.join(", ")))
}

/// Compares the branches with the remote and returns those to push.
pub(super) fn due(
    context: &Context,
    state: &RunState,
    remote: &str,
    wanted: &[&PullRequest],
) -> Result<Vec<Push>, PullRequestError> {
    let on_remote = remote_branches(context, remote)?;
    let mut pushes = Vec::new();
    for pull_request in wanted {
        let base = &pull_request.base;
        let is_pushed_too = wanted.iter().any(|other| other.head == *base);
        if !is_pushed_too && !on_remote.contains_key(base) {
            return Err(PullRequestError::NoTarget {
                remote: remote.to_owned(),
                branch: base.clone(),
            });
        }
        let over = on_remote.get(&pull_request.head).copied();
        match over {
            Some(found) if found == pull_request.commit => {}
            Some(found) if !was_pushed(state, remote, &pull_request.head, found) => {
                return Err(PullRequestError::NotOurs {
                    remote: remote.to_owned(),
                    branch: pull_request.head.clone(),
                    found,
                });
            }
            over => pushes.push(Push {
                head: pull_request.head.clone(),
                commit: pull_request.commit,
                over,
            }),
        }
    }
    Ok(pushes)
}

/// Returns `true` if this run pushed a commit to this branch of the remote.
fn was_pushed(state: &RunState, remote: &str, head: &str, commit: Oid) -> bool {
    let mut pushed = state.pushed.iter();
    pushed.any(|(to, branch, pushed)| {
        (to.as_str(), branch.as_str(), *pushed) == (remote, head, commit)
    })
}

/// Pushes branches, with the user's hooks unless they are skipped.
pub(super) fn push(
    context: &Context,
    remote: &str,
    pushes: &[Push],
    no_verify: bool,
) -> Result<(), PullRequestError> {
    if pushes.is_empty() {
        return Ok(());
    }
    let git = context.repo.git();
    let git = if no_verify { git } else { git.with_hooks() };
    run(&git, remote, &push_args(remote, pushes, no_verify))?;
    Ok(())
}

fn remote_branches(
    context: &Context,
    remote: &str,
) -> Result<BTreeMap<String, Oid>, PullRequestError> {
    let args = ["ls-remote", "--heads", remote].map(str::to_owned);
    let output = run(&context.repo.git().in_foreground(), remote, &args)?;
    let branch = |line: &str| {
        let (commit, name) = line.split_once('\t')?;
        let name = name.strip_prefix("refs/heads/")?;
        Some((name.to_owned(), commit.parse().ok()?))
    };
    Ok(output.lines().filter_map(branch).collect())
}

fn run(git: &Git, remote: &str, args: &[String]) -> Result<String, PullRequestError> {
    let finished = git.finish(args)?;
    if finished.status.success() {
        return Ok(String::from_utf8_lossy(&finished.stdout).into_owned());
    }
    Err(PullRequestError::Remote {
        remote: remote.to_owned(),
        said: one_line(&String::from_utf8_lossy(&finished.stderr)),
    })
}
