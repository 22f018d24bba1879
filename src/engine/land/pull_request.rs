//! Landing by pull request: branches are pushed, and GitHub is asked for one pull request for the run
//! or one for each task.
//!
//! Everything that can go wrong without a trace is asked first: the remote, GitHub, who moved which
//! branch. Branches are pushed in one step, and only over what dispatch pushed itself. A second time
//! brings what is open up to date.

use std::collections::BTreeMap;
use std::fs;

use crate::base::text::one_line;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::land::{LandError, LandOptions, landable};
use crate::forge::{self, Gh, GhError, Open, Wording};
use crate::git::refs::branch_ref;
use crate::git::{Git, GitError, Store, StoreError};
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::ids::TaskNumber;
use crate::model::pull_request::PullRequest;
use crate::model::run::RunState;
use crate::report::pull_request::{body_of_run, body_of_task, title};

/// What gets a pull request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// The run as a whole.
    Run,
    /// Each task, on top of what it was built on.
    Tasks,
}

/// Why there is no pull request, or not every one.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The run cannot land at all.
    #[error(transparent)]
    Land(#[from] LandError),
    /// There is nowhere to push to.
    #[error("the repository has no remote to push to")]
    NoRemote,
    /// The remote does not answer, or does not take it.
    #[error("the remote {remote} did not take it: {said}")]
    Remote {
        /// The remote.
        remote: String,
        /// git's words.
        said: String,
    },
    /// The target is not on the remote.
    #[error("the remote {remote} has no branch {branch}")]
    NoTarget {
        /// The remote.
        remote: String,
        /// The target.
        branch: String,
    },
    /// Somebody else has pushed to the branch.
    #[error("{branch} on {remote} is at {}, which this run did not push", found.short())]
    NotOurs {
        /// The remote.
        remote: String,
        /// The branch.
        branch: String,
        /// What is there.
        found: Oid,
    },
    /// GitHub.
    #[error(transparent)]
    Gh(#[from] GhError),
    /// Anything else.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<StoreError> for PullError {
    fn from(error: StoreError) -> PullError {
        PullError::Engine(error.into())
    }
}

impl From<GitError> for PullError {
    fn from(error: GitError) -> PullError {
        PullError::Engine(error.into())
    }
}

/// A pull request that there shall be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Which, where, what.
    pub pull_request: PullRequest,
    /// What it says.
    pub wording: Wording,
}

/// What there shall be, in the order in which it can be opened. Writes the texts below the run's own
/// folder and asks nobody.
///
/// # Errors
/// When the run cannot land, or there is no remote.
pub fn plan(
    context: &Context,
    state: &RunState,
    options: &LandOptions,
    scope: Scope,
    remote: Option<&str>,
) -> Result<Vec<Wanted>, PullError> {
    landable(state, options)?;
    let target = options.into.clone().or(state.target.clone());
    let target = target.ok_or(LandError::NoTarget)?;
    let remote = match remote {
        Some(remote) => remote.to_owned(),
        None => usual_remote(context, &target)?,
    };
    let folder = context.repo.run_folder(context.run.as_str());
    let folder = folder.join("pull-requests");
    let failed = |error| EngineError::File(folder.display().to_string(), error);
    fs::create_dir_all(&folder).map_err(failed)?;
    let mut wanted = Vec::new();
    for (task, commit) in heads(context, state, options, scope)? {
        let (head, base, below, name) = match task {
            None => {
                let head = context.integration_branch();
                (head, target.clone(), Vec::new(), "run")
            }
            Some(task) => {
                let below = below(state, task);
                let base = match topmost(state, &below)[..] {
                    [only] => context.branch(only),
                    _ => target.clone(),
                };
                (context.branch(task), base, below, context.slug(task))
            }
        };
        let body = folder.join(format!("{name}.md"));
        let text = match task {
            None => body_of_run(state),
            Some(task) => body_of_task(state, task, &below),
        };
        fs::write(&body, text).map_err(failed)?;
        wanted.push(Wanted {
            wording: Wording {
                head: head.clone(),
                base: base.clone(),
                title: title(state, task),
                body,
                labels: context.settings.github.labels.clone(),
            },
            pull_request: PullRequest {
                task,
                remote: remote.clone(),
                head,
                base,
                commit,
                url: None,
            },
        });
    }
    Ok(wanted)
}

/// What is pushed: for the run the assembled work, with the board or without, else each candidate.
fn heads(
    context: &Context,
    state: &RunState,
    options: &LandOptions,
    scope: Scope,
) -> Result<Vec<(Option<TaskNumber>, Oid)>, PullError> {
    let integration = landable(state, options)?;
    if scope == Scope::Tasks {
        let merged = integration.merged.iter();
        return Ok(merged.map(|m| (Some(m.task), m.candidate)).collect());
    }
    let store = Store::open(&context.repo)?;
    let branch = store.reference(&branch_ref(&context.integration_branch()))?;
    let commit = match options.board {
        true => branch.or(integration.tip),
        false => integration.code_tip,
    };
    Ok(vec![(None, commit.ok_or(LandError::Nothing)?)])
}

/// What a task was built on, of what is merged.
fn below(state: &RunState, task: TaskNumber) -> Vec<TaskNumber> {
    let is_in = |other: &TaskNumber| {
        let integration = state.integration.as_ref();
        integration.is_some_and(|integration| integration.contains(*other))
    };
    let depends_on = state.plan.task(task).depends_on.iter().copied();
    depends_on.filter(is_in).collect()
}

/// Those that no other of them was built on.
fn topmost(state: &RunState, tasks: &[TaskNumber]) -> Vec<TaskNumber> {
    let is_below = |task: &TaskNumber| {
        let downstream = state.downstream(*task);
        tasks.iter().any(|other| downstream.contains(other))
    };
    tasks
        .iter()
        .copied()
        .filter(|task| !is_below(task))
        .collect()
}

/// Where git itself would push: the branch's own remote, the usual one, `origin`, the only one.
fn usual_remote(context: &Context, target: &str) -> Result<String, PullError> {
    let repo = &context.repo;
    let own = format!("branch.{target}.pushRemote");
    let from = format!("branch.{target}.remote");
    for key in [own.as_str(), "remote.pushDefault", from.as_str()] {
        if let Some(name) = repo.setting(&["--get", key])?.filter(|name| name != ".") {
            return Ok(name);
        }
    }
    let remotes = repo.git().line(&["remote"])?;
    let remotes: Vec<&str> = remotes.lines().collect();
    match remotes.as_slice() {
        [only] => Ok((*only).to_owned()),
        several if several.contains(&"origin") => Ok("origin".to_owned()),
        _ => Err(PullError::NoRemote),
    }
}

/// A branch to be pushed, over what is there now.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Push {
    head: String,
    commit: Oid,
    over: Option<Oid>,
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

fn push_args(remote: &str, pushes: &[Push], no_verify: bool) -> Vec<String> {
    let mut args = vec!["push".to_owned(), "--atomic".to_owned()];
    if no_verify {
        args.push("--no-verify".to_owned());
    }
    args.extend(pushes.iter().map(Push::lease));
    args.push(remote.to_owned());
    args.extend(pushes.iter().map(Push::refspec));
    args
}

/// The commands that would be run, as a shell takes them. What the journal knows to be open is
/// brought up to date; GitHub itself is not asked.
pub fn commands(state: &RunState, wanted: &[Wanted], no_verify: bool) -> Vec<String> {
    let known = |pull: &PullRequest| {
        let same =
            |known: &&PullRequest| (&known.remote, &known.head) == (&pull.remote, &pull.head);
        state.pull_requests.iter().find(same)
    };
    let push = |wanted: &Wanted| Push {
        head: wanted.pull_request.head.clone(),
        commit: wanted.pull_request.commit,
        over: known(&wanted.pull_request).map(|known| known.commit),
    };
    let pushes: Vec<Push> = wanted.iter().map(push).collect();
    let remote = wanted
        .first()
        .map_or("", |wanted| &wanted.pull_request.remote);
    let mut commands = vec![shell("git", &push_args(remote, &pushes, no_verify))];
    for wanted in wanted {
        let url = known(&wanted.pull_request).and_then(|known| known.url.as_deref());
        let number = url.and_then(|url| url.rsplit('/').next()?.parse().ok());
        match number {
            Some(number) => {
                let all = forge::update(number, &wanted.wording);
                commands.extend(all.iter().map(|args| shell("gh", args)));
            }
            None => commands.push(shell("gh", &forge::create(&wanted.wording))),
        }
    }
    commands
}

fn shell(program: &str, args: &[String]) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    let quoted = args
        .iter()
        .map(|arg| match !arg.is_empty() && arg.chars().all(is_plain) {
            true => arg.clone(),
            false => format!("'{}'", arg.replace('\'', r"'\''")),
        });
    let words: Vec<String> = std::iter::once(program.to_owned()).chain(quoted).collect();
    words.join(" ")
}

/// What is open already, in the order of what is wanted; nothing has changed anywhere.
///
/// # Errors
/// When `gh` is not there, GitHub cannot be asked, or the remote cannot.
pub fn look(gh: &Gh, wanted: &[Wanted]) -> Result<Vec<Option<Open>>, PullError> {
    let open = wanted.iter();
    let open = open.map(|wanted| gh.open_pull_request(&wanted.wording.head));
    Ok(open.collect::<Result<_, _>>()?)
}

/// Pushes and opens, or brings up to date. `record` writes a fact down before anything rests on it.
///
/// # Errors
/// When the remote or GitHub does not take something. What was opened until then is recorded, and
/// the next call goes on from there.
pub fn carry_out(
    context: &Context,
    state: &RunState,
    gh: &Gh,
    wanted: &[Wanted],
    open: &[Option<Open>],
    no_verify: bool,
    record: &mut dyn FnMut(Vec<Event>) -> Result<(), EngineError>,
) -> Result<Vec<PullRequest>, PullError> {
    let Some(first) = wanted.first() else {
        return Err(LandError::Nothing.into());
    };
    let remote = &first.pull_request.remote;
    let pushes = pushes(context, state, remote, wanted)?;
    let starting = wanted.iter().map(|wanted| Event::PullRequestStarting {
        pull_request: wanted.pull_request.clone(),
    });
    record(starting.collect())?;
    if !pushes.is_empty() {
        let git = context.repo.git();
        let git = if no_verify { git } else { git.with_hooks() };
        said_by(&git, remote, &push_args(remote, &pushes, no_verify))?;
    }
    let mut done = Vec::new();
    for (wanted, open) in wanted.iter().zip(open) {
        let url = match open {
            Some(open) => {
                gh.update(open.number, &wanted.wording)?;
                open.url.clone()
            }
            None => gh.create(&wanted.wording)?,
        };
        let pull_request = PullRequest {
            url: Some(url),
            ..wanted.pull_request.clone()
        };
        record(vec![Event::PullRequestOpened {
            pull_request: pull_request.clone(),
        }])?;
        done.push(pull_request);
    }
    Ok(done)
}

/// What has to be pushed, each over what is there, which must be this run's own.
fn pushes(
    context: &Context,
    state: &RunState,
    remote: &str,
    wanted: &[Wanted],
) -> Result<Vec<Push>, PullError> {
    let there = branches_of(context, remote)?;
    let heads: Vec<&str> = wanted
        .iter()
        .map(|wanted| wanted.wording.head.as_str())
        .collect();
    let mut pushes = Vec::new();
    for Wanted { pull_request, .. } in wanted {
        let base = &pull_request.base;
        if !heads.contains(&base.as_str()) && !there.contains_key(base) {
            return Err(PullError::NoTarget {
                remote: remote.to_owned(),
                branch: base.clone(),
            });
        }
        let over = there.get(&pull_request.head).copied();
        let is_ours = |found: Oid| {
            let mut pushed = state.pushed.iter();
            pushed.any(|(to, head, commit)| {
                (to.as_str(), head, *commit) == (remote, &pull_request.head, found)
            })
        };
        match over {
            Some(found) if found == pull_request.commit => {}
            Some(found) if !is_ours(found) => {
                return Err(PullError::NotOurs {
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

fn branches_of(context: &Context, remote: &str) -> Result<BTreeMap<String, Oid>, PullError> {
    let args = ["ls-remote", "--heads", remote].map(str::to_owned);
    let said = said_by(&context.repo.git().in_foreground(), remote, &args)?;
    let branch = |line: &str| {
        let (commit, name) = line.split_once('\t')?;
        let name = name.strip_prefix("refs/heads/")?;
        Some((name.to_owned(), commit.parse().ok()?))
    };
    Ok(said.lines().filter_map(branch).collect())
}

fn said_by(git: &Git, remote: &str, args: &[String]) -> Result<String, PullError> {
    let finished = git.finish(args)?;
    if finished.status.success() {
        return Ok(String::from_utf8_lossy(&finished.stdout).into_owned());
    }
    Err(PullError::Remote {
        remote: remote.to_owned(),
        said: one_line(&String::from_utf8_lossy(&finished.stderr)),
    })
}
