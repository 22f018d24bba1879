//! `dispatch trust`: shows what the settings of a repository run, and records the user's consent.

use clap::Args;
use serde_json::json;

use crate::base::safe::terminal_safe;
use crate::cli::confirm::ConfirmArgs;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::RepoContext;
use crate::cli::status::pretty;
use crate::config::brought::Brought;
use crate::config::variable::Overrides;
use crate::config::{self, FILE_NAME, Settings};
use crate::engine::trust::{self, Consent};
use crate::git::Repo;
use crate::ui::Ui;
use crate::ui::diff::line_diff;

const AFTER_HELP: &str = "\
Nothing that .dispatch.toml names runs before you have agreed to it, here or in the question of `dispatch run`.
Consent is bound to the path of the repository and to the whole text of the file; a change asks again. It is kept
outside of the repository, in `$XDG_STATE_HOME/dispatch/trust` or `~/.local/state/dispatch/trust`.";

/// Agree to the programs that the settings of this repository name
#[derive(Args, Debug, Clone)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct TrustArgs {
    /// List the repositories whose settings you have agreed to
    #[arg(long, conflicts_with_all = ["revoke", "yes"])]
    list: bool,
    /// Take your consent for this repository back
    #[arg(long, conflicts_with = "yes")]
    revoke: bool,
    /// Print the list as one JSON object
    #[arg(long, requires = "list")]
    json: bool,
    /// The answer given in advance.
    #[command(flatten)]
    consent: ConfirmArgs,
}

/// Runs the subcommand.
///
/// # Errors
/// When the configuration is invalid, the user declines, or the consent cannot be recorded.
pub(crate) fn run(args: TrustArgs, ui: &Ui) -> CommandResult {
    if args.list {
        return list(args.json, ui);
    }
    let here = RepoContext::open_to_read()?;
    here.refuse_worker()?;
    if args.revoke {
        return revoke(&here, ui);
    }
    let settings = config::load(&here.repo.top, None, &Overrides::default())?;
    let Some(brought) = &settings.brought else {
        ui.status(&format!("nothing in {FILE_NAME} needs your consent"));
        return Ok(ExitStatus::Ok);
    };
    let consent = trust::consent(&here.repo, &settings)?;
    ui.answer_text(&render(brought, &consent));
    if consent.is_enough() {
        ui.status("you have agreed to these settings");
        return Ok(ExitStatus::Ok);
    }
    if !args.consent.yes {
        args.consent.confirm_no(ui, "Trust these settings?")?;
    }
    trust::grant(&here.repo, brought)?;
    ui.status(&format!(
        "{FILE_NAME} of {} is trusted",
        here.repo.top.display()
    ));
    Ok(ExitStatus::Ok)
}

fn list(json: bool, ui: &Ui) -> CommandResult {
    let records = trust::list()?;
    let paths = records
        .iter()
        .map(|record| record.repository.display().to_string());
    if json {
        let paths: Vec<String> = paths.collect();
        ui.answer(&pretty(&json!({"version": 1, "repositories": paths})));
        return Ok(ExitStatus::Ok);
    }
    for path in paths {
        ui.answer(&format!("{}\n", terminal_safe(&path)));
    }
    if records.is_empty() {
        ui.status("you have not agreed to the settings of any repository");
    }
    Ok(ExitStatus::Ok)
}

fn revoke(here: &RepoContext, ui: &Ui) -> CommandResult {
    let place = here.repo.top.display();
    ui.status(&match trust::revoke(&here.repo)? {
        true => format!("{FILE_NAME} of {place} is not trusted any more"),
        false => format!("there was no consent to {FILE_NAME} of {place}"),
    });
    Ok(ExitStatus::Ok)
}

/// Renders the settings that need consent, and their change since the user agreed to them; empty if
/// none needs it.
pub(crate) fn preview(repo: &Repo, settings: &Settings) -> Result<String, CommandError> {
    let Some(brought) = &settings.brought else {
        return Ok(String::new());
    };
    Ok(render(brought, &trust::consent(repo, settings)?))
}

fn render(brought: &Brought, consent: &Consent) -> String {
    let state = match consent {
        Consent::Missing => ", not agreed to yet",
        Consent::Outdated { .. } => ", changed since you agreed to them",
        Consent::NotNeeded | Consent::Given | Consent::CommittedHere => "",
    };
    let mut text = format!(
        "Settings of this repository ({FILE_NAME}){state}\n{}",
        terminal_safe(&brought.render())
    );
    if let Consent::Outdated { before } = consent {
        text.push_str("\nThe change\n");
        for line in line_diff(before, &brought.text) {
            text.push_str(&format!("   {line}\n"));
        }
    }
    text
}

/// Records the consent of a user who has seen the settings and answered yes.
///
/// # Errors
/// When it cannot be recorded.
pub(crate) fn agreed(repo: &Repo, settings: &Settings) -> Result<(), CommandError> {
    if let Some(brought) = &settings.brought
        && !trust::consent(repo, settings)?.is_enough()
    {
        trust::grant(repo, brought)?;
    }
    Ok(())
}
