//! `dispatch status --disk`: what dispatch keeps on disk, why, and the command that removes it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::base::safe::json::json_safe;
use crate::base::table::wrapped_table;
use crate::base::text::shell_path;
use crate::cli::error::{CommandResult, ExitStatus};
use crate::cli::repo_context::RepoContext;
use crate::config;
use crate::config::variable::Overrides;
use crate::engine::clean::kept::{Kept, Usage, kept};
use crate::journal::runs;
use crate::model::ids::{RunId, TaskNumber};
use crate::model::run::{RunPhase, RunState};
use crate::model::shortage::bytes;
use crate::ui::Ui;

/// Shows what dispatch keeps on disk.
///
/// # Errors
/// When the settings or the runs cannot be read.
pub(super) fn show(here: &RepoContext, is_json: bool, ui: &Ui) -> CommandResult {
    let settings = config::load(&here.repo.top, None, &Overrides::default())?;
    let names = runs::list(&here.store)?;
    let names: Vec<String> = names.iter().map(|entry| entry.run.to_string()).collect();
    let mut runs = Runs {
        here,
        names: &names,
        known: BTreeMap::new(),
    };
    let rows = kept(&here.repo, &settings, &names).into_iter().map(|kept| {
        let (why, command) = reason(&kept, &mut runs);
        (kept, why, command)
    });
    let rows: Vec<(Kept, String, Option<String>)> = rows.collect();
    let total: u64 = rows.iter().map(|(kept, ..)| kept.bytes).sum();
    if is_json {
        let row = |(kept, why, command): &(Kept, String, Option<String>)| {
            json!({
                "folder": kept.place.display().to_string(),
                "bytes": kept.bytes,
                "why": why,
                "remove": command,
            })
        };
        let value = json!({
            "version": 1,
            "bytes": total,
            "kept": rows.iter().map(row).collect::<Vec<_>>(),
        });
        ui.answer(&json_safe(&format!("{value:#}\n")));
        return Ok(ExitStatus::Ok);
    }
    let cells = rows.into_iter().map(|(kept, why, command)| {
        let command = command.unwrap_or_else(|| "-".to_owned());
        [
            bytes(kept.bytes),
            kept.place.display().to_string(),
            why,
            command,
        ]
    });
    let head = ["SIZE", "FOLDER", "WHY", "REMOVED BY"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(head).chain(cells).collect();
    ui.answer_text(&wrapped_table(&rows, ui.columns()));
    ui.answer_text(&format!("{} in all\n", bytes(total)));
    Ok(ExitStatus::Ok)
}

/// The runs of the repository, each read once.
struct Runs<'a> {
    here: &'a RepoContext,
    names: &'a [String],
    known: BTreeMap<String, Option<Worktrees>>,
}

/// A run with the tasks of its worktrees.
struct Worktrees {
    state: RunState,
    tasks: HashMap<PathBuf, TaskNumber>,
}

impl Runs<'_> {
    /// Reads a run; `None` if its journal cannot be read.
    fn read(&mut self, name: &str) -> Option<&Worktrees> {
        let here = self.here;
        let read = || {
            let state = here.read_state(&RunId::new(name)).ok()?;
            let numbers = state.plan.tasks().iter().map(|task| task.number);
            let worktrees = numbers.flat_map(|number| {
                let attempts = state.task(number).attempts.iter();
                attempts.map(move |attempt| (attempt.worktree.as_str(), number))
            });
            let place = |(worktree, number)| (here.repo.resolve_portable_path(worktree), number);
            let tasks = worktrees.map(place).collect();
            Some(Worktrees { state, tasks })
        };
        let known = self.known.entry(name.to_owned()).or_insert_with(read);
        known.as_ref()
    }

    /// Finds the run that has a worktree at this place, whatever the settings say now.
    ///
    /// # Errors
    /// When it may be one whose journal cannot be read.
    fn with_worktree(&mut self, place: &Path) -> Result<Option<String>, ()> {
        let mut found = Ok(None);
        for name in self.names {
            match self.read(name) {
                Some(run) if run.tasks.contains_key(place) => return Ok(Some(name.clone())),
                Some(_) => {}
                None => found = Err(()),
            }
        }
        found
    }
}

/// Returns the reason why a folder is kept, and the command that removes it, if there is one now. No command
/// removes the work of a run whose journal cannot be read.
fn reason(kept: &Kept, runs: &mut Runs<'_>) -> (String, Option<String>) {
    let (run, known_as, is_released) = match &kept.usage {
        Usage::Free => {
            let why = "free worktree of the pool, for the next task".to_owned();
            return (why, Some("dispatch clean --pool".to_owned()));
        }
        Usage::Records => {
            let why = "records and logs of runs, which `dispatch logs` shows".to_owned();
            return (why, None);
        }
        Usage::Cache => {
            let why = "verdicts of conflicts, which can be computed again".to_owned();
            return (why, Some(format!("rm -r {}", shell_path(&kept.place))));
        }
        Usage::OfRun {
            run,
            known_as,
            is_released,
        } => (run.clone(), known_as, *is_released),
    };
    let run = match run.filter(|run| runs.names.contains(run)) {
        Some(run) => Ok(Some(run)),
        None => runs.with_worktree(known_as),
    };
    let run = match run {
        Ok(Some(run)) => run,
        Ok(None) => {
            let why = "worktree of a run that is not in this repository".to_owned();
            let place = shell_path(&kept.place);
            return (why, Some(format!("git worktree remove {place}")));
        }
        Err(()) => {
            let why = "worktree of no run that can be read; `dispatch doctor` tells which cannot";
            return (why.to_owned(), None);
        }
    };
    let Some(Worktrees { state, tasks }) = runs.read(&run) else {
        let why = format!(
            "worktree of {run}, whose journal cannot be read; `dispatch doctor {run}` tells why"
        );
        return (why, None);
    };
    let mut why = match tasks.get(known_as) {
        Some(task) => format!("{task} of {run}, {}", state.status(*task)),
        None => format!("checks and conflicts of {run}"),
    };
    if is_released {
        why.push_str("; another task may take it over");
    }
    let has_ended = matches!(state.phase, RunPhase::Ended(_)) || state.is_cancelled();
    let command = match has_ended {
        true => format!("dispatch clean {run}"),
        false => return (format!("{why}; the run has not ended"), None),
    };
    (why, Some(command))
}
