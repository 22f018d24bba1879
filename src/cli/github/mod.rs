//! `dispatch github`: shows a run as issues and a project board on GitHub.

mod clean;
mod connection;
mod pull;
mod sync;

use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use crate::base::clock::render_duration;
use crate::base::process::leave_terminal;
use crate::base::text::{error_chain, plural, terminal_safe};
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::github::connection::Connection;
use crate::cli::land::pull_request::hint;
use crate::cli::repo_context::RepoContext;
use crate::engine::mirror::error::MirrorError;
use crate::engine::mirror::follow::follow;
use crate::engine::mirror::pace::Pace;
use crate::engine::mirror::process::{keep_end, keep_wait, lock_soon};
use crate::engine::mirror::record::Wait;
use crate::engine::mirror::sync::{Mirror, Progress};
use crate::forge::GhError;
use crate::forge::graphql::GraphQlError;
use crate::model::ids::RunId;
use crate::model::run::RunState;
use crate::report::suggest;
use crate::ui::Ui;

/// The pause before the process in the background tries to reach GitHub again.
const CONNECT_WAIT: Duration = Duration::from_secs(60);

/// The hint where `gh` is missing.
const INSTALL: &str = "install it (https://cli.github.com) and log in with `gh auth login`";

/// The failures after which it gives up.
const CONNECT_TRIES: u32 = 30;

/// Show a run on GitHub: issues and a project board
#[derive(Args, Debug, Clone)]
pub(crate) struct GithubArgs {
    #[command(subcommand)]
    command: GithubCommand,
}

#[derive(Subcommand, Debug, Clone)]
enum GithubCommand {
    Sync(sync::SyncArgs),
    Clean(clean::CleanArgs),
}

/// Runs the subcommand.
///
/// # Errors
/// When the run cannot be read, or GitHub fails.
pub(crate) fn run(args: GithubArgs, ui: &Ui) -> CommandResult {
    match args.command {
        GithubCommand::Sync(args) => sync::run(args, ui),
        GithubCommand::Clean(args) => clean::run(args, ui),
    }
}

/// Runs the hidden `dispatch __mirror RUN`: mirrors a run that another process drives.
///
/// # Errors
/// When the run cannot be read, or GitHub fails for good; the run goes on.
pub(crate) fn mirror_detached(run: &str, ui: &Ui) -> CommandResult {
    leave_terminal();
    let here = RepoContext::open()?;
    let run = RunId::new(run);
    let Ok(_lock) = lock_soon(&here.repo, &run) else {
        return Ok(ExitStatus::Ok);
    };
    let end = mirror_until_end(&here, &run, ui);
    keep_end(&here.repo, &run, end.as_ref().map(drop))?;
    end?;
    Ok(ExitStatus::Ok)
}

fn mirror_until_end(here: &RepoContext, run: &RunId, ui: &Ui) -> Result<(), MirrorError> {
    let state = crate::engine::runs::read::read_state(&here.repo, &here.store, run)?;
    let connection = connect(here, run, ui)?;
    let mut mirror = connection.mirror(here, &state)?;
    mirror.is_alone = true;
    follow(&mut mirror, &here.store, run, &mut |progress| {
        say(ui, &progress);
    })?;
    Ok(())
}

/// Opens the connection, again after a while if GitHub cannot be reached.
fn connect(here: &RepoContext, run: &RunId, ui: &Ui) -> Result<Connection, MirrorError> {
    let pace = Pace::new(!here.clock.is_frozen());
    let mut failures = 0;
    loop {
        match Connection::open(here) {
            Err(error) if error.is_transient() && failures < CONNECT_TRIES => {
                failures += 1;
                let why = error.to_string();
                say(ui, &Progress::Waiting(CONNECT_WAIT, why.clone()));
                let until = Timestamp::now() + CONNECT_WAIT;
                keep_wait(&here.repo, run, Some(Wait { until, why }))?;
                pace.pause(CONNECT_WAIT);
                keep_wait(&here.repo, run, None)?;
            }
            result => return result,
        }
    }
}

/// Prints a message while GitHub is written.
fn say(ui: &Ui, progress: &Progress) {
    match progress {
        Progress::Left(0) => {}
        Progress::Left(left) => ui.status(&format!("{} left", plural(*left, "step"))),
        Progress::Waiting(wait, why) => {
            let wait = render_duration((*wait).max(Duration::from_secs(1)));
            ui.status(&format!("{}; waiting {wait}", terminal_safe(why)));
        }
        Progress::Refused(what) => {
            ui.warning(&format!("GitHub refused to {}", terminal_safe(what)));
        }
        Progress::Idle(run) => {
            ui.status(&format!(
                "no process drives {run}; waiting until `{}` resumes it",
                suggest::resume(run)
            ));
        }
    }
}

/// Returns the exit code: 0 unless GitHub refused a step for good.
fn exit(mirror: &Mirror<'_>) -> ExitStatus {
    match mirror.failures.values().any(|count| *count >= 2) {
        true => ExitStatus::Failed,
        false => ExitStatus::Ok,
    }
}

/// Names the run in hints.
fn suggest_sync(state: &RunState) -> String {
    format!("dispatch github sync {}", state.run)
}

impl From<MirrorError> for CommandError {
    fn from(error: MirrorError) -> CommandError {
        let failed = CommandError::failed(terminal_safe(&error_chain(&error)));
        match error {
            MirrorError::GraphQl(error) => match graphql_hint(&error) {
                Some(hint) => failed.hint(hint),
                None => failed,
            },
            MirrorError::Gh(GhError::NotInstalled) => failed.hint(INSTALL),
            MirrorError::Gh(error) => failed.hint(hint(&error)),
            MirrorError::NoIssues(name) => failed.hint(format!(
                "`gh repo edit {name} --enable-issues` turns them on"
            )),
            MirrorError::NoProject(_) => failed.hint(
                "name it with `--project OWNER/NUMBER` or in `[github] project`, or use `--project none`",
            ),
            MirrorError::ProjectDeleted(_) => failed.hint(
                "`dispatch github sync --project new` makes another one, `--project none` goes on with issues alone",
            ),
            MirrorError::ProjectClosed(_) => {
                failed.hint("open it again on GitHub; `--project new` makes another one")
            }
            MirrorError::ForeignField { .. } => failed.hint(
                "give it another name on GitHub, and dispatch makes its own; its options are never rewritten, \
                 because that takes the values from all cards",
            ),
            MirrorError::Busy {
                run,
                waits_for,
                is_live,
            } => CommandError::new(ExitStatus::Held, terminal_safe(&failed.message)).hint(
                match (waits_for.as_str(), is_live) {
                    ("", true) => "it shows every change until the run has ended".to_owned(),
                    ("", false) => "run the same command again in a moment".to_owned(),
                    (wait, _) => format!(
                        "it waits: {}; `dispatch status {run}` says how long",
                        terminal_safe(wait)
                    ),
                },
            ),
            MirrorError::Engine(error) => error.into(),
        }
    }
}

/// Suggests a remedy for a failure of GitHub.
fn graphql_hint(error: &GraphQlError) -> Option<String> {
    let of_host = |host: &str| match host {
        "github.com" => String::new(),
        host => format!(" --hostname {host}"),
    };
    Some(match error {
        GraphQlError::NotInstalled => INSTALL.to_owned(),
        GraphQlError::NotLoggedIn { host, .. } => format!(
            "`gh auth login{}` logs in; run the same command again",
            of_host(host)
        ),
        GraphQlError::MissingScope { host, .. } => format!(
            "`gh auth refresh{} -s project` adds it; a token of your own needs the permissions for issues \
             and projects",
            of_host(host)
        ),
        GraphQlError::Forbidden(_) => {
            "you need the right to write there; `gh auth status` shows who you are".to_owned()
        }
        GraphQlError::NotFound(_) => {
            "`gh repo view` shows the repository that gh uses; what was made is found again"
                .to_owned()
        }
        GraphQlError::RateLimited { wait, .. } => format!(
            "run the same command again in {}: it goes on where it stopped, and makes nothing twice",
            render_duration(*wait)
        ),
        GraphQlError::Server(_) | GraphQlError::NoAnswer(_) => {
            "run the same command later: it goes on where it stopped, and makes nothing twice"
                .to_owned()
        }
        GraphQlError::Refused(_) | GraphQlError::Answer(_) | GraphQlError::Start(_) => {
            return None;
        }
    })
}
