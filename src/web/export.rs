//! Writes the pages to a folder, in which they open without a server.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::clock::Clock;
use crate::base::files;
use crate::base::regular_file::{self, LINE_LIMIT};
use crate::engine::EngineError;
use crate::engine::runs::read::read_state;
use crate::engine::runs::standing::view_of;
use crate::git::{Repo, Store};
use crate::journal::runs::RunLock;
use crate::model::ids::{RunId, TaskNumber};
use crate::web::asset::{ICON, STYLE};
use crate::web::failure::WebError;
use crate::web::pages::{self, Medium};
use crate::web::place::Place;
use crate::web::reader::Snapshot;
use crate::web::source::{Forms, Source};

/// The file that marks a folder as written by an export.
const MARK: &str = "index.html";

/// The pages of an export: those that were written, and all of them.
#[derive(Debug, Default)]
pub struct Pages {
    written: AtomicUsize,
    all: AtomicUsize,
}

impl Pages {
    /// Returns the number of pages that were written, and that of all; 0 before it is known.
    pub fn read(&self) -> (usize, usize) {
        let number = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        (number(&self.written), number(&self.all))
    }
}

/// Writes the pages of some runs, and returns the file to open. Files of an earlier export are replaced.
/// The first pages that a reader opens come last: until then they say that the export is not complete.
///
/// # Errors
/// When the folder has files of something else, a run cannot be read, or a file cannot be written.
pub fn export(
    repo: &Repo,
    clock: Clock,
    runs: &[RunId],
    folder: &Path,
    pages: &Pages,
) -> Result<PathBuf, WebError> {
    refuse_occupied(folder)?;
    let source = Source::new(repo.clone(), clock);
    for asset in [STYLE, ICON] {
        write(folder, asset.name, asset.text)?;
    }
    write(folder, MARK, &pages::notice::incomplete(None))?;
    for run in runs {
        export_run(&source, run, folder, pages)?;
    }
    let mut rows = source.rows()?;
    rows.retain(|row| runs.iter().any(|run| row["run"] == run.as_str()));
    write(folder, MARK, &pages::runs::render(&rows, Medium::File))?;
    Ok(match runs {
        [run] => folder.join(run.as_str()).join(Place::Board.file()),
        _ => folder.join(MARK),
    })
}

fn export_run(source: &Source, run: &RunId, folder: &Path, pages: &Pages) -> Result<(), WebError> {
    let store = Store::open(&source.repo)?;
    let state = read_state(&source.repo, &store, run)?;
    let is_driven = RunLock::is_held(&source.repo, run);
    let board = view_of(&source.repo, &state, || is_driven);
    let snapshot = Snapshot::new(state, board, is_driven);
    let folder = folder.join(run.as_str());
    let places = places(&snapshot);
    pages.all.fetch_add(places.len(), Ordering::Relaxed);
    let first = pages::notice::incomplete(Some(run));
    write(&folder, &Place::Board.file(), &first)?;
    for place in places {
        let page = source.page(&snapshot, place, Medium::File, &Forms::none());
        if let Some(page) = page.map_err(EngineError::Refused)? {
            write(&folder, &place.file(), &page)?;
        }
        pages.written.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Lists every page of a run, the board last.
fn places(snapshot: &Snapshot) -> Vec<Place> {
    let tasks = snapshot.state.plan.tasks().iter();
    let tasks = tasks.map(|task| Place::Task(task.number));
    let board = &snapshot.board;
    let speculative = board.speculative.iter().map(|(row, _)| row);
    let pairs = board.conflicts.iter().chain(speculative);
    let pairs = pairs.map(|row| row.conflict.pair());
    let mut pairs: Vec<(TaskNumber, TaskNumber)> = pairs.collect();
    pairs.sort();
    pairs.dedup();
    let pairs = pairs.into_iter().map(|(a, b)| Place::Pair(a, b));
    let main = Place::MAIN.into_iter().map(|(place, _)| place);
    let mut all: Vec<Place> = main.chain(tasks).chain(pairs).collect();
    all.sort_by_key(|place| *place == Place::Board);
    all
}

/// Refuses a folder with files that no export wrote, so that nothing of the user's is replaced.
fn refuse_occupied(folder: &Path) -> Result<(), WebError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(WebError::Write(folder.to_owned(), error)),
    };
    let is_empty = entries.count() == 0;
    match is_empty || is_export(folder) {
        true => Ok(()),
        false => Err(WebError::Occupied(folder.to_owned())),
    }
}

fn is_export(folder: &Path) -> bool {
    let style = regular_file::read(&folder.join(STYLE.name), LINE_LIMIT);
    style.is_ok_and(|style| style.starts_with(b"/* dispatch:"))
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), WebError> {
    let path = folder.join(name);
    let failed = |error| WebError::Write(path.clone(), error);
    fs::create_dir_all(folder).map_err(failed)?;
    files::replace(&path, text.as_bytes()).map_err(failed)
}
