//! `dispatch plan import --tick`: marks the tasks of a run that passed where they were imported from.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::base::files;
use crate::base::text::{error_chain, terminal_safe};
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::plan_import::read;
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::model::ids::RunId;
use crate::model::run::RunState;
use crate::model::status::Status;
use crate::plan::import::ImportFormat;
use crate::plan::import::source::TaskSource;
use crate::plan::import::tick::{Ticked, tick};
use crate::report::suggest;
use crate::ui::Ui;

/// The finished items of one file, or of one list in it.
type Finished = BTreeMap<(ImportFormat, String, Option<String>), Vec<String>>;

/// A file with its new text.
struct Change {
    format: ImportFormat,
    file: String,
    path: PathBuf,
    ticked: Ticked,
}

/// Runs the subcommand.
///
/// # Errors
/// When no task of the run was imported, or a file no longer has its task. No file has changed then.
pub(super) fn run(run: Option<&str>, dry_run: bool, ui: &Ui) -> CommandResult {
    let here = RepoContext::open_to_read()?;
    let run = here.find_and_announce_run(run, DefaultRun::Latest, ui)?;
    let state = here.read_state(&run)?;
    let mut finished = finished(&state, &run)?;
    let issues: Vec<_> = finished
        .iter()
        .filter(|((format, ..), _)| *format == ImportFormat::Github)
        .map(|((_, repository, _), ids)| (repository.clone(), ids.clone()))
        .collect();
    finished.retain(|(format, ..), _| *format != ImportFormat::Github);
    let changes = changes(&here, &finished)?;
    for change in &changes {
        let file = terminal_safe(&change.file);
        let marked = terminal_safe(&change.ticked.marked.join(", "));
        match (change.ticked.marked.is_empty(), dry_run) {
            (true, _) => ui.answer_text(&format!("{file}: all are marked already\n")),
            (false, true) => ui.answer_text(&format!("{file}: would mark {marked}\n")),
            (false, false) => {
                write(change)?;
                ui.answer_text(&format!("{file}: marked {marked}\n"));
            }
        }
    }
    if changes
        .iter()
        .any(|change| change.format == ImportFormat::Beads)
    {
        ui.hint(
            "only the file was changed; `bd close ID` closes an issue in the database of beads",
        );
    }
    for (repository, ids) in issues {
        let ids: Vec<String> = ids.iter().map(|id| format!("#{id}")).collect();
        let repository = terminal_safe(&repository);
        ui.answer_text(&format!(
            "{repository}: finished {}; every issue stays open\n",
            ids.join(", ")
        ));
        ui.hint("`gh issue close NUMBER` closes one; `Closes #NUMBER` in a pull request does so on merge");
    }
    if state.landed.is_none() {
        ui.hint(&format!(
            "the run has not landed yet; `{}` lands it",
            suggest::land(&run)
        ));
    }
    Ok(ExitStatus::Ok)
}

/// Groups the imported tasks that passed by the text they came from.
fn finished(state: &RunState, run: &RunId) -> Result<Finished, CommandError> {
    let mut finished = Finished::new();
    let mut imported = 0;
    for task in state.plan.tasks() {
        let source = task.fields.source.as_deref().and_then(TaskSource::parse);
        let Some(source) = source else { continue };
        imported += 1;
        if state.status(task.number) == Status::Done {
            let (list, id) = source.list_and_id();
            let key = (source.format, source.file.clone(), list.map(str::to_owned));
            finished.entry(key).or_default().push(id.to_owned());
        }
    }
    match (imported, finished.is_empty()) {
        (0, _) => Err(
            CommandError::failed(format!("no task of {run} was imported")).hint(
                "`dispatch plan import FORMAT FILE` makes a plan whose tasks remember their origin",
            ),
        ),
        (_, true) => Err(CommandError::failed(format!(
            "no imported task of {run} has passed yet"
        ))),
        _ => Ok(finished),
    }
}

/// Computes the new text of every file, without writing any.
fn changes(here: &RepoContext, finished: &Finished) -> Result<Vec<Change>, CommandError> {
    let mut changes: Vec<Change> = Vec::new();
    for ((format, file, list), ids) in finished {
        let path = path_of(here, file)?;
        let known = changes.iter().position(|change| change.path == path);
        let text = match known {
            Some(at) => changes[at].ticked.text.clone(),
            None => read(&path)?,
        };
        let ticked = tick(*format, &text, list.as_deref(), ids).map_err(|error| {
            let said = terminal_safe(&format!("{file}: {error}"));
            CommandError::failed(said).hint("no file has changed; mark the others by hand")
        })?;
        match known {
            Some(at) => {
                changes[at].ticked.text = ticked.text;
                changes[at].ticked.marked.extend(ticked.marked);
            }
            None => changes.push(Change {
                format: *format,
                file: file.clone(),
                path,
                ticked,
            }),
        }
    }
    Ok(changes)
}

/// Returns the path of a file, which must be in the checkout: a plan from a stranger may name any.
fn path_of(here: &RepoContext, file: &str) -> Result<PathBuf, CommandError> {
    let shown = terminal_safe(file);
    let path = here.repo.top.join(file);
    let real = path.canonicalize().map_err(|error| {
        CommandError::failed(format!("could not read {shown}: {}", error_chain(&error)))
            .hint("no file has changed")
    })?;
    match real.strip_prefix(here.real_top()) {
        Ok(inside) if !inside.starts_with(".git") => Ok(real),
        _ => Err(
            CommandError::failed(format!("{shown} is not a file of this checkout"))
                .hint("no file has changed; mark the tasks by hand"),
        ),
    }
}

/// Replaces a file, which keeps its permissions.
fn write(change: &Change) -> Result<(), CommandError> {
    let failed = |error: std::io::Error| {
        let file = terminal_safe(&change.file);
        CommandError::failed(format!("could not write {file}: {}", error_chain(&error)))
    };
    let permissions = fs::metadata(&change.path).map_err(failed)?.permissions();
    files::replace(&change.path, change.ticked.text.as_bytes()).map_err(failed)?;
    fs::set_permissions(&change.path, permissions).map_err(failed)
}
