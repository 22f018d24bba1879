//! `dispatch github sync`: brings GitHub to the state of a run.

use clap::Args;

use crate::base::text::terminal_safe;
use crate::cli::confirm::ConfirmArgs;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::github::connection::{Connection, NONE};
use crate::cli::github::{exit, pull, say, suggest_sync};
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::engine::mirror::commands::commands;
use crate::engine::mirror::error::MirrorError;
use crate::engine::mirror::follow::{follow, is_over};
use crate::engine::mirror::found::{Found, FoundProject, Object};
use crate::engine::mirror::preview::{limits, preview};
use crate::engine::mirror::process::lock;
use crate::engine::mirror::step::Step;
use crate::engine::mirror::sync::Mirror;
use crate::model::github_project::GithubProject;
use crate::report::issue::Subject;
use crate::ui::Ui;

/// Show a run on GitHub: an issue for each task, and a card on a project board
///
/// It makes an issue for the run with a sub-issue for each task, blocked-by relations, and cards with the status in a project, through `gh`. Whatever is there already is found by the name of the run; nothing is made twice. It shows what it will do and asks first.
#[derive(Args, Debug, Clone)]
pub(crate) struct SyncArgs {
    /// The run [default: the latest]
    run: Option<String>,
    /// The project board: OWNER/NUMBER, a number of your own, new, or none [default: that of the last
    /// time, else `[github] project`]
    #[arg(long, value_name = "PROJECT", value_parser = project)]
    project: Option<String>,
    /// Go on until the run has ended
    #[arg(long, conflicts_with_all = ["dry_run", "pull"])]
    watch: bool,
    /// Take over what people changed there: closed issues, priorities, comments
    #[arg(long)]
    pull: bool,
    /// Print the `gh` commands instead
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: ConfirmArgs,
}

fn project(text: &str) -> Result<String, String> {
    let is_valid = text == NONE || text.parse::<GithubProject>().is_ok();
    let hint = "a project is OWNER/NUMBER, a number of your own, new, or none";
    is_valid
        .then(|| text.to_owned())
        .ok_or_else(|| hint.to_owned())
}

/// Runs the subcommand.
///
/// # Errors
/// When the run cannot be read, GitHub fails, or the user declines.
pub(super) fn run(args: SyncArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    here.refuse_worker()?;
    let run = here.find_and_announce_run(args.run.as_deref(), DefaultRun::Latest, ui)?;
    let mut state = here.read_state(&run)?;
    let lock = match lock(&here.repo, &run) {
        _ if args.dry_run => None,
        // The process that mirrors the run shows what is taken over.
        Err(MirrorError::Busy { .. }) if args.pull => None,
        lock => Some(lock?),
    };
    let connection = Connection::open(&here)?;
    let mut mirror = connection.mirror(&here, &state)?;
    mirror.has_lock = lock.is_some();
    if let Some(chosen) = &args.project {
        choose(&mut mirror, chosen);
    }
    let mut tell = |progress| say(ui, &progress);
    let mut found = mirror.read(&state, &mut tell)?;
    let mut has_pulled = false;
    if args.pull {
        has_pulled = pull::run(
            &here,
            &mirror,
            &state,
            &found,
            (args.dry_run, args.consent),
            ui,
        )?;
        if lock.is_none() && !args.dry_run {
            return Ok(ExitStatus::Ok);
        }
        state = here.read_state(&run)?;
    }
    let wanted = mirror.wanted(&state);
    let steps = mirror.steps(&wanted, &found);
    if args.dry_run {
        for command in commands(&steps, &found, connection.host()) {
            ui.answer_exact(format!("{command}\n").as_bytes());
        }
        return Ok(ExitStatus::Ok);
    }
    refuse_closed(&found)?;
    limits(&wanted, &found)
        .iter()
        .for_each(|limit| ui.warning(&terminal_safe(limit)));
    let goes_on = args.watch && !is_over(&state, false);
    if steps.is_empty() && !goes_on {
        ui.status("everything is on GitHub already");
        // It remembers what is shown, so that later changes of people are told from its own.
        mirror.carry_out(&state, &mut found, &mut tell)?;
    } else {
        let asked = ask(&steps, &found, goes_on, args.consent, ui);
        if has_pulled && asked.is_err() {
            ui.status(&format!(
                "the changes are in {run}; nothing was written to GitHub"
            ));
            return Ok(ExitStatus::Ok);
        }
        asked?;
        mirror.record.problem.clear();
        mirror.carry_out(&state, &mut found, &mut tell)?;
    }
    if mirror.project.is_none() && args.project.is_none() {
        ui.hint(&format!(
            "`{} --project new` adds a board",
            suggest_sync(&state)
        ));
    }
    print_places(&found, ui);
    if goes_on {
        follow(&mut mirror, &here.store, &run, &mut tell)?;
    }
    Ok(exit(&mirror))
}

/// Chooses the project for this time and later ones.
fn choose(mirror: &mut Mirror<'_>, chosen: &str) {
    let record = &mut mirror.record;
    if chosen == "new" && record.chosen == chosen || chosen != record.chosen {
        // Another one, or a new one in place of one that is gone. What is shown on the issues stays known.
        record.chosen = chosen.to_owned();
        record.project.clear();
        record.project_url.clear();
        record.priorities.clear();
        record.problem.clear();
        record.wait = None;
    }
    mirror.project = chosen.parse().ok();
    mirror.replaces_closed = mirror.project == Some(GithubProject::New);
}

/// Shows what will be done and who sees it, and asks.
fn ask(
    steps: &[Step],
    found: &Found,
    goes_on: bool,
    consent: ConfirmArgs,
    ui: &Ui,
) -> Result<(), CommandError> {
    let name = terminal_safe(&found.repository.name);
    for line in preview(steps) {
        ui.status(&terminal_safe(&line));
    }
    if goes_on {
        ui.status("then every change, until the run has ended");
    }
    let is_public = found.repository.is_public;
    ui.status(&match is_public {
        true => format!("{name} is public: anyone can read titles, prompts and results"),
        false => format!("everyone who can read {name} sees titles, prompts and results"),
    });
    if let Some(project) = &found.project {
        ui.status(&terminal_safe(&board_line(project)));
    }
    let is_open = found.project.as_ref().is_some_and(|one| one.is_public);
    let question = format!("Write to {name} on GitHub?");
    match (is_public || is_open) && !consent.yes {
        // What anyone can read cannot be taken back.
        true => consent.confirm_no(ui, &question),
        false => consent.confirm(ui, &question),
    }
}

/// Names an existing board and those who see it.
fn board_line(project: &FoundProject) -> String {
    let FoundProject { title, url, .. } = project;
    match project.is_public {
        true => format!("the project {title:?} ({url}) is public: anyone can read its cards"),
        false => format!("everyone who can read the project {title:?} ({url}) sees its cards"),
    }
}

/// Refuses to write to a closed project.
fn refuse_closed(found: &Found) -> Result<(), CommandError> {
    match &found.project {
        Some(project) if project.is_closed => {
            Err(MirrorError::ProjectClosed(project.url.clone()).into())
        }
        _ => Ok(()),
    }
}

/// Prints the addresses of the issue of the run and of the project.
fn print_places(found: &Found, ui: &Ui) {
    let issue = found.issues.get(&Subject::Run).map(|issue| &issue.url);
    let project = found.project.as_ref().map(|project| &project.url);
    let project = project.filter(|_| found.id(Object::Project).is_some());
    for url in issue.into_iter().chain(project) {
        ui.answer(&format!("{}\n", terminal_safe(url)));
    }
}
