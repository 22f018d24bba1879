//! `dispatch push` and `dispatch fetch`: share a run with another clone.

use clap::Args;

use crate::base::safe::secrets::{Secrets, mask_shapes};
use crate::base::text::{clip, error_chain, plural, terminal_safe};
use crate::cli::confirm::ConfirmArgs;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::engine::kernel::masking::secrets;
use crate::engine::runs::read::read_settings;
use crate::engine::share::remote::{default_remote, is_remote, no_default};
use crate::engine::share::{Fetched, ShareError, fetch, push, runs_on};
use crate::journal::journal_ref;
use crate::model::ids::RunId;
use crate::model::plan::Plan;
use crate::model::run::RunState;
use crate::plan::{Format, render};
use crate::report::landing::secrets_in_files;
use crate::ui::Ui;

/// Push a run to a remote: journal, branches, kept work, logs
///
/// All of it is pushed, or nothing. Secrets in logs are masked. A branch on the remote that has commits which are not here is not overwritten. If the plan, or a file that a task changed, contains what looks like a secret, it asks first: plan and branches are pushed as they are.
#[derive(Args, Debug, Clone)]
pub(crate) struct PushArgs {
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    confirm: ConfirmArgs,
}

/// Fetch runs from a remote, to read them here
///
/// Without RUN it fetches every run of the remote. Branches that have commits of their own here, or are checked out, stay as they are. Nothing of a fetched run is executed: only the one who ran it can resume it.
#[derive(Args, Debug, Clone)]
pub(crate) struct FetchArgs {
    #[command(flatten)]
    names: Names,
}

/// The arguments `[REMOTE] [RUN]`.
#[derive(Args, Debug, Clone)]
struct Names {
    /// The remote: its name, a path or an address [default: the one to which git pushes]
    #[arg(value_name = "REMOTE")]
    first: Option<String>,
    /// The run, or a unique beginning of its name
    #[arg(value_name = "RUN")]
    second: Option<String>,
}

impl Names {
    /// Returns the remote and the name of the run. A single name that no remote has is that of a run.
    fn resolve(self, here: &RepoContext) -> Result<(String, Option<String>), CommandError> {
        let is_run = match (&self.first, &self.second) {
            (Some(name), None) => !is_remote(&here.repo, name)?,
            _ => false,
        };
        let (remote, run) = match is_run {
            true => (None, self.first),
            false => (self.first, self.second),
        };
        let remote = match remote {
            Some(remote) => remote,
            None => {
                default_remote(&here.repo, None)?.map_or_else(|| Err(no_default(&here.repo)), Ok)?
            }
        };
        Ok((remote, run))
    }
}

/// Runs `dispatch push`.
///
/// # Errors
/// When there is no such run or remote, or the remote has something newer.
pub(crate) fn push_run(args: PushArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    here.refuse_worker()?;
    let (remote, run) = args.names.resolve(&here)?;
    let run = here.find_and_announce_run(run.as_deref(), DefaultRun::Latest, ui)?;
    let state = here.read_state(&run)?;
    let known = secrets(&read_settings(&here.store, &run)?, &state.plan);
    confirm_secrets(&state, &known, args.confirm, ui)?;
    let pushed = push(&here.repo, &here.store, &state, &remote)?;
    let remote = shown(&remote);
    ui.status(&match pushed.moved {
        0 => format!(
            "{remote} has all of {run}: {}",
            plural(pushed.all, "reference")
        ),
        moved if moved == pushed.all => {
            format!("pushed {run} to {remote}: {}", plural(moved, "reference"))
        }
        moved => format!(
            "pushed {run} to {remote}: {}, and {} there already",
            plural(moved, "reference"),
            plural(pushed.all - moved, "reference")
        ),
    });
    ui.hint(&format!(
        "`dispatch fetch {run}` brings it into another clone"
    ));
    Ok(ExitStatus::Ok)
}

/// Runs `dispatch fetch`.
///
/// # Errors
/// When the remote has no such run, or another journal of one than this clone.
pub(crate) fn fetch_runs(args: FetchArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    here.refuse_worker()?;
    let (remote, name) = args.names.resolve(&here)?;
    let runs = runs_on(&here.repo, &remote, name.as_deref())?;
    if runs.is_empty() {
        ui.status(&format!("{} has no run", shown(&remote)));
    }
    let mut failed = None;
    for run in runs {
        match fetch_one(&here, &remote, &run) {
            Ok(fetched) => say(&fetched, ui),
            // One run that cannot be fetched keeps no other from it.
            Err(error) => failed = Some(failed.unwrap_or(error)),
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(ExitStatus::Ok),
    }
}

/// Lists the lines of a plan with a secret, masked. The journal has the plan as it was written.
fn secrets_in_plan(plan: &Plan, known: &Secrets) -> Vec<String> {
    let text = render(plan, Format::Markdown);
    let masked = text.lines().filter_map(|line| known.mask_line(line));
    masked
        .map(|line| format!("the plan: {}", clip(line.trim(), 120)))
        .collect()
}

/// Asks before a plan or branches are pushed that are known to contain secrets: they cannot be taken back.
fn confirm_secrets(
    state: &RunState,
    known: &Secrets,
    confirm: ConfirmArgs,
    ui: &Ui,
) -> Result<(), CommandError> {
    let mut secrets = secrets_in_plan(&state.plan, known);
    secrets.extend(secrets_in_files(state));
    if secrets.is_empty() {
        return Ok(());
    }
    for secret in &secrets {
        ui.warning(&terminal_safe(secret));
    }
    match confirm.yes {
        true => Ok(()),
        false => confirm.confirm_no(ui, "Push the run with these secrets?"),
    }
}

fn fetch_one(here: &RepoContext, remote: &str, run: &RunId) -> Result<Fetched, CommandError> {
    let is_here = here.store.reference(&journal_ref(run))?.is_some();
    // A process that drives the run here moves its references.
    let _lock = is_here.then(|| here.lock(run)).transpose()?;
    Ok(fetch(&here.repo, &here.store, remote, run)?)
}

fn say(fetched: &Fetched, ui: &Ui) {
    let run = &fetched.run;
    ui.status(&match fetched.moved {
        0 => format!("{run}: nothing new"),
        moved => format!("{run}: {} new", plural(moved, "reference")),
    });
    for name in &fetched.kept {
        let name = terminal_safe(name);
        ui.warning(&format!(
            "{name} stays as it is here: it has commits of its own or is checked out"
        ));
    }
}

/// Returns a text about a remote for display: an address may have a password.
fn shown(text: &str) -> String {
    terminal_safe(&mask_shapes(text))
}

impl From<ShareError> for CommandError {
    fn from(error: ShareError) -> CommandError {
        let command = CommandError::failed(shown(&error_chain(&error)));
        match error {
            ShareError::NoRemote => command.hint("`git remote add origin URL` adds one"),
            ShareError::NoDefaultRemote(_) => {
                command.hint("name one, as in `dispatch fetch REMOTE RUN`")
            }
            ShareError::NoRun { remote, .. } => command.hint(format!(
                "`git ls-remote {} 'refs/dispatch/runs/*'` lists its runs",
                shown(&remote)
            )),
            ShareError::Newer { run, .. } => {
                command.hint(format!("`dispatch fetch {run}` brings it here first"))
            }
            ShareError::OtherJournal { run, .. } => command.hint(format!(
                "two clones have continued the run; `git log {}` shows what this one did",
                journal_ref(&run)
            )),
            ShareError::ForeignCommits { remote, name } => command.hint(format!(
                "`git fetch {} {name}` brings them here, and then the push replaces them on the remote",
                shown(&remote)
            )),
            ShareError::Engine(error) => error.into(),
            ShareError::Remote { .. } => command,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture::RunFixture;

    #[test]
    fn a_secret_in_a_plan_is_named_by_its_line_and_not_shown() {
        let known = [("SHOP_TOKEN".to_owned(), "s3cr3t-value".to_owned())];
        let known = Secrets::of_environment(known, &[]);
        let plan = |prompt: &str| {
            let run = RunFixture::new("API").with_task(1, |task| task.prompt = prompt.to_owned());
            secrets_in_plan(&run.state().plan, &known)
        };
        assert_eq!(plan("Call it."), Vec::<String>::new());
        let found = plan("Call it\nwith s3cr3t-value, please.");
        assert_eq!(found, ["the plan: with [masked], please."]);
    }
}
