//! `dispatch land --pr`: pushes branches and opens pull requests instead of moving the target.

use clap::Args;

use crate::base::text::{plural, terminal_safe};
use crate::cli::confirm::ConfirmArgs;
use crate::cli::drive::mirror_in_background;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::land::LandOptions;
use crate::engine::land::error::LandError;
use crate::engine::land::pull_request::commands::commands;
use crate::engine::land::pull_request::error::PullRequestError;
use crate::engine::land::pull_request::plan::{Scope, plan};
use crate::engine::land::pull_request::push::push_addresses;
use crate::engine::land::pull_request::{PullRequests, find_open};
use crate::forge::{Gh, GhError};
use crate::git::Repo;
use crate::journal::Journal;
use crate::model::event::Event;
use crate::model::run::RunState;
use crate::ui::Ui;

/// The options of landing by pull request.
#[derive(Args, Debug, Clone)]
pub(crate) struct PullArgs {
    /// Push, and open a pull request on GitHub with `gh` instead of moving the target; an open one
    /// is updated
    #[arg(long, conflicts_with_all = ["ff", "squash"])]
    pr: bool,
    /// The same with one pull request per task, each on top of the tasks it was built on
    #[arg(long, conflicts_with_all = ["pr", "ff", "squash"])]
    pr_tasks: bool,
    /// Push the branches of pull requests to this remote [default: where git pushes the target]
    #[arg(long, value_name = "NAME")]
    pub(crate) remote: Option<String>,
}

impl PullArgs {
    /// Returns what gets a pull request, if anything.
    pub(crate) fn scope(&self) -> Option<Scope> {
        match (self.pr, self.pr_tasks) {
            (_, true) => Some(Scope::Tasks),
            (true, _) => Some(Scope::Run),
            _ => None,
        }
    }
}

/// The values that `dispatch land` has prepared.
pub(crate) struct PullRequestInput<'a> {
    pub(crate) repo: &'a Repo,
    pub(crate) context: &'a Context,
    pub(crate) state: &'a RunState,
    pub(crate) options: &'a LandOptions,
    pub(crate) journal: &'a mut Journal,
    pub(crate) now: jiff::Timestamp,
}

/// Shows the pull requests, asks, pushes and opens them.
///
/// # Errors
/// When the run cannot land, or the remote or GitHub rejects it.
pub(crate) fn run(
    scope: Scope,
    remote: Option<&str>,
    dry_run: bool,
    consent: ConfirmArgs,
    input: PullRequestInput<'_>,
    ui: &Ui,
) -> CommandResult {
    let PullRequestInput {
        repo,
        context,
        state,
        options,
        journal,
        now,
    } = input;
    let planned = plan(context, state, options, scope, remote)?;
    if dry_run {
        let commands = commands(state, &planned, options.no_verify);
        ui.answer(&(commands.join("\n") + "\n"));
        return Ok(ExitStatus::Ok);
    }
    let gh = Gh::find(&repo.top).map_err(PullRequestError::from)?;
    let open = find_open(&gh, &planned)?;
    for (planned, open) in planned.iter().zip(&open) {
        let wording = &planned.wording;
        let does = match open {
            Some(open) => format!("update {}", open.url),
            None => "open".to_owned(),
        };
        ui.status(&format!("{does}: {} -> {}", wording.head, wording.base));
    }
    let count = plural(planned.len(), "pull request");
    let remote = planned
        .first()
        .map_or("", |first| &first.pull_request.remote);
    let to = match push_addresses(context, remote) {
        Some(address) => format!("{remote} ({address})"),
        None => remote.to_owned(),
    };
    consent.confirm(ui, &format!("Push to {}, for {count}?", terminal_safe(&to)))?;
    let mut record = |events: Vec<Event>| {
        journal.append(events, now).map_err(EngineError::from)?;
        Ok(())
    };
    let pull_requests = PullRequests {
        context,
        state,
        planned: &planned,
        open: &open,
        no_verify: options.no_verify,
    };
    let done = pull_requests.publish(&gh, &mut record)?;
    // The comment with the result names them.
    mirror_in_background(repo, &state.run, &context.settings, ui);
    for url in done.iter().filter_map(|done| done.url.as_deref()) {
        ui.answer(&format!("{url}\n"));
    }
    Ok(ExitStatus::Ok)
}

impl From<PullRequestError> for CommandError {
    fn from(error: PullRequestError) -> CommandError {
        let failed = CommandError::failed(crate::base::text::error_chain(&error));
        match error {
            PullRequestError::Land(error @ LandError::Landed { .. }) => {
                CommandError::from(error).hint("`dispatch unland` undoes it")
            }
            PullRequestError::Land(error) => error.into(),
            PullRequestError::NoRemote => {
                failed.hint("add one with `git remote add`, or name it with `--remote`")
            }
            PullRequestError::Remote { .. } => failed
                .hint("nothing was pushed; `git push` says more, and the same command tries again"),
            PullRequestError::NoTarget { remote, branch } => {
                failed.hint(format!("push it first: `git push {remote} {branch}`"))
            }
            PullRequestError::NotOurs { remote, branch, .. } => failed.hint(format!(
                "nothing was pushed; inspect it with `git fetch {remote} {branch}`, and remove the \
                 branch there if it is not needed"
            )),
            PullRequestError::Gh(error) => failed.hint(hint(&error)),
            PullRequestError::Engine(error) => error.into(),
        }
    }
}

/// Suggests a remedy for a failure of `gh`.
pub(crate) fn hint(error: &GhError) -> &'static str {
    match error {
        GhError::NotInstalled => {
            "install it (https://cli.github.com), or run the commands of `--dry-run` elsewhere"
        }
        GhError::NotLoggedIn(_) => "`gh auth login` logs in; run the same command again",
        GhError::RateLimited(_) => "wait until it resets; run the same command again",
        GhError::Offline(_) => "run the same command again once it can be reached",
        GhError::NoRepository(_) => "`git remote -v` shows their addresses",
        GhError::NotFound(_) => {
            "`gh repo view` shows which repository gh uses; `gh repo set-default` chooses another one"
        }
        GhError::NoLabel(_) => "create it with `gh label create`, or change `[github] labels`",
        _ => "run the same command again",
    }
}
