//! `dispatch github clean`: closes what was made for a run.

use clap::Args;

use crate::base::text::terminal_safe;
use crate::cli::confirm::ConfirmArgs;
use crate::cli::error::{CommandResult, ExitStatus};
use crate::cli::github::connection::Connection;
use crate::cli::github::{exit, say};
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::engine::mirror::commands::commands;
use crate::engine::mirror::error::MirrorError;
use crate::engine::mirror::preview::preview;
use crate::engine::mirror::process::lock;
use crate::engine::mirror::steps::closing_steps;
use crate::forge::graphql::GraphQlError;
use crate::ui::Ui;

/// Close the issues of a run on GitHub, and the projects that dispatch made for it
///
/// Nothing is deleted. Issues that are closed already stay as they are.
#[derive(Args, Debug, Clone)]
pub(crate) struct CleanArgs {
    /// The run
    run: String,
    /// Print the `gh` commands instead
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: ConfirmArgs,
}

/// Runs the subcommand.
///
/// # Errors
/// When the run cannot be read, GitHub fails, or the user declines.
pub(super) fn run(args: CleanArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    here.refuse_worker()?;
    let run = here.find_run(Some(&args.run), DefaultRun::Latest)?;
    let state = here.read_state(&run)?;
    let _lock = match args.dry_run {
        true => None,
        false => Some(lock(&here.repo, &run)?),
    };
    let connection = Connection::open(&here)?;
    let mut mirror = connection.mirror(&here, &state)?;
    mirror.has_lock = !args.dry_run;
    let mut tell = |progress| say(ui, &progress);
    // The issues are closed whatever has become of the project, and every project that was made for the
    // run, from whatever clone.
    let has_project = mirror.project.take().is_some() || !mirror.record.project.is_empty();
    let mut found = mirror.read(&state, &mut tell)?;
    found.made = match mirror.made_projects(&state, &mut tell) {
        Err(MirrorError::GraphQl(
            error @ (GraphQlError::MissingScope { .. } | GraphQlError::Forbidden(_)),
        )) if !has_project => {
            ui.warning(&format!(
                "projects of the run are not looked for: {}",
                terminal_safe(&error.to_string())
            ));
            Vec::new()
        }
        made => made?,
    };
    let steps = closing_steps(&found);
    if args.dry_run {
        for command in commands(&steps, &found, connection.host()) {
            ui.answer_exact(format!("{command}\n").as_bytes());
        }
        return Ok(ExitStatus::Ok);
    }
    if steps.is_empty() {
        ui.status(&format!("nothing of {run} is open on GitHub"));
        return Ok(ExitStatus::Ok);
    }
    for line in preview(&steps) {
        ui.status(&terminal_safe(&line));
    }
    let name = terminal_safe(&found.repository.name);
    args.consent
        .confirm(ui, &format!("Close it in {name} on GitHub?"))?;
    mirror.carry_out_steps(&state, &mut found, &mut tell, &|mirror, found| {
        let mut steps = closing_steps(found);
        steps.retain(|step| {
            mirror
                .failures
                .get(&step.key())
                .is_none_or(|count| *count < 2)
        });
        steps
    })?;
    Ok(exit(&mirror))
}
