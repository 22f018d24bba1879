//! `dispatch blame`: tells which task wrote a line.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use clap::Args;

use crate::base::line_map::{line_map, lines};
use crate::base::regular_file;
use crate::base::safe::secrets::Secrets;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::help::pager;
use crate::cli::repo_context::{RepoContext, current_folder};
use crate::cli::status::pretty;
use crate::config;
use crate::config::variable::Overrides;
use crate::engine::blame::credit_lines;
use crate::engine::runs::log::secrets_of_run;
use crate::journal::runs;
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::model::run::RunState;
use crate::report::blame::{Credit, CreditedLine, Mask, Origin, render_line, render_lines, value};
use crate::ui::Ui;

/// Tell which task wrote a line: run, worker, attempt, cost, prompt
///
/// A commit belongs to a task if it is one of its own, one of the assembly, or makes the same change as one of these: after a rebase, a squash or a cherry-pick. A pull request that was squashed as a whole is followed into the run.
#[derive(Args, Debug, Clone)]
pub(crate) struct BlameArgs {
    /// The file, or one of its lines as FILE:LINE
    #[arg(value_name = "FILE[:LINE]")]
    place: OsString,
    /// The commit in whose file the lines are [default: the file as it is, over HEAD]
    #[arg(long, value_name = "REVISION")]
    rev: Option<String>,
    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
}

/// A file, and one of its lines if one was asked for.
struct Place {
    path: RepoPath,
    line: Option<usize>,
}

/// Runs the subcommand.
///
/// # Errors
/// When there is no such commit, file or line.
pub(crate) fn run(args: BlameArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open_to_read()?;
    let name = args.rev.as_deref().unwrap_or("HEAD");
    let Some(commit) = here.repo.resolve_here(name)? else {
        return Err(CommandError::failed(format!("{name} names no commit")));
    };
    let place = find_place(&here, commit, &args.place).map_err(|error| {
        error.hint("FILE is a path from here, as in `dispatch blame src/app.ts:12`")
    })?;
    let states = read_runs(&here, ui)?;
    let lines = match args.rev {
        Some(_) => of_commit(&here, &states, commit, &place)?,
        None => of_working_file(&here, &states, commit, &place)?,
    };
    let path = &place.path;
    let masks = Masks::of(&here, &states, &lines);
    let mask: Mask<'_> = &|credit, text| masks.mask(credit, text);
    match (args.json, lines.as_slice(), place.line) {
        (true, ..) => ui.answer(&pretty(&value(path, &lines, &states, mask))),
        (false, [line], Some(_)) => ui.answer_text(&render_line(path, line, &states, mask)),
        (false, ..) => ui.page(&render_lines(&lines, &states, ui.columns()), &pager()),
    }
    Ok(ExitStatus::Ok)
}

/// The secrets of the runs that wrote the lines, by their places.
struct Masks(BTreeMap<usize, Secrets>);

impl Masks {
    fn of(here: &RepoContext, states: &[RunState], lines: &[CreditedLine]) -> Masks {
        let runs = lines.iter().filter_map(|line| line.origin.credit());
        let runs: BTreeSet<usize> = runs.map(|credit| credit.run).collect();
        let known = runs.into_iter().filter_map(|run| {
            let state = states.get(run)?;
            Some((run, secrets_of_run(&here.store, state)))
        });
        Masks(known.collect())
    }

    fn mask(&self, credit: &Credit, text: &str) -> String {
        let known = self.0.get(&credit.run);
        known.map_or_else(|| text.to_owned(), |secrets| secrets.mask(text))
    }
}

/// Reads all runs, the latest first. One whose journal is damaged credits nothing.
fn read_runs(here: &RepoContext, ui: &Ui) -> Result<Vec<RunState>, CommandError> {
    let mut states = Vec::new();
    for entry in runs::list(&here.store)?.into_iter().rev() {
        match here.read_state(&entry.run) {
            Ok(state) => states.push(state),
            Err(error) => ui.warning(&format!("{} is left out: {}", entry.run, error.message)),
        }
    }
    Ok(states)
}

/// Finds the file in the commit: by the whole argument, else by what stands before its last colon.
fn find_place(here: &RepoContext, commit: Oid, argument: &OsStr) -> Result<Place, CommandError> {
    let tree = here.store.tree_of(commit)?;
    let is_file = |path: &RepoPath| -> Result<bool, CommandError> {
        let entry = here.store.entry_at(tree, path)?;
        Ok(entry.is_some_and(|entry| matches!(entry.mode, 0o100_644 | 0o100_755)))
    };
    let path = repo_path(here, argument)?;
    if is_file(&path)? {
        return Ok(Place { path, line: None });
    }
    let bytes = argument.as_bytes();
    if let Some(colon) = bytes.iter().rposition(|byte| *byte == b':')
        && let Ok(line) = String::from_utf8_lossy(&bytes[colon + 1..]).parse::<usize>()
    {
        let path = repo_path(here, OsStr::from_bytes(&bytes[..colon]))?;
        if is_file(&path)? {
            return match line {
                0 => Err(CommandError::failed(format!(
                    "{path} has no line 0; lines count from 1"
                ))),
                line => Ok(Place {
                    path,
                    line: Some(line),
                }),
            };
        }
    }
    let shown = RepoPath::new(bytes);
    Err(CommandError::failed(format!(
        "{shown} names no committed file"
    )))
}

/// Turns a path from the current folder into one from the top of the repository.
fn repo_path(here: &RepoContext, name: &OsStr) -> Result<RepoPath, CommandError> {
    let folder = current_folder()?;
    let folder = folder.canonicalize().unwrap_or(folder);
    let top = here.real_top();
    let mut whole = PathBuf::new();
    for part in folder.join(name).components() {
        match part {
            Component::ParentDir => {
                whole.pop();
            }
            Component::CurDir => {}
            part => whole.push(part),
        }
    }
    let inside = whole.strip_prefix(&top).unwrap_or(Path::new(name));
    Ok(RepoPath::new(inside.as_os_str().as_bytes()))
}

fn of_commit(
    here: &RepoContext,
    states: &[RunState],
    commit: Oid,
    place: &Place,
) -> Result<Vec<CreditedLine>, CommandError> {
    let count = lines(&committed(here, commit, &place.path)?).len();
    let range = match place.line {
        Some(line) if line > count => return Err(no_line(&place.path, line, count)),
        line => line.map(|line| (line, line)),
    };
    let at = (&here.repo, &here.store);
    let board = board_file(here);
    Ok(credit_lines(
        at,
        states,
        &board,
        commit,
        (&place.path, range),
    )?)
}

/// Credits the lines of the file as it is now; those that differ from the commit's are not committed.
fn of_working_file(
    here: &RepoContext,
    states: &[RunState],
    commit: Oid,
    place: &Place,
) -> Result<Vec<CreditedLine>, CommandError> {
    let file = here.repo.top.join(OsStr::from_bytes(place.path.as_bytes()));
    let committed = committed(here, commit, &place.path)?;
    let now = regular_file::read(&file, regular_file::RECORD_LIMIT).map_err(|error| {
        let said = format!("{}: {error}", place.path);
        CommandError::failed(said).hint("`--rev HEAD` shows the committed file")
    })?;
    let (old, new) = (lines(&committed), lines(&now));
    let map = line_map(&old, &new);
    let is_other = map.iter().all(Option::is_none);
    // A filter stores something else than the file.
    if now == committed || (is_other && here.repo.is_converted(&place.path)?) {
        return of_commit(here, states, commit, place);
    }
    let wanted: Vec<usize> = match place.line {
        Some(line) if line > new.len() => return Err(no_line(&place.path, line, new.len())),
        Some(line) => vec![line - 1],
        None => (0..new.len()).collect(),
    };
    let range = match wanted[..] {
        [line] => map[line].map(|line| (line + 1, line + 1)),
        _ => None,
    };
    let is_new = is_other || (place.line.is_some() && range.is_none());
    let at = (&here.repo, &here.store);
    let credited = match is_new {
        true => Vec::new(),
        false => credit_lines(at, states, &board_file(here), commit, (&place.path, range))?,
    };
    let numbered = credited.iter().map(|line| (line.number, line));
    let numbered: HashMap<usize, &CreditedLine> = numbered.collect();
    let credit = |line: usize| {
        let found = map[line].and_then(|line| numbered.get(&(line + 1)));
        CreditedLine {
            number: line + 1,
            text: String::from_utf8_lossy(new[line]).into_owned(),
            origin: found.map_or(Origin::Uncommitted, |found| found.origin.clone()),
        }
    };
    Ok(wanted.into_iter().map(credit).collect())
}

/// Returns the name of the board file, which does not count as a change of the run.
fn board_file(here: &RepoContext) -> RepoPath {
    let settings = config::load(&here.repo.top, None, &Overrides::default()).unwrap_or_default();
    RepoPath::new(settings.board.file)
}

fn committed(here: &RepoContext, commit: Oid, path: &RepoPath) -> Result<Vec<u8>, CommandError> {
    let tree = here.store.tree_of(commit)?;
    match here.store.entry_at(tree, path)? {
        Some(entry) => Ok(here.store.blob(entry.oid)?),
        None => Ok(Vec::new()),
    }
}

fn no_line(path: &RepoPath, line: usize, count: usize) -> CommandError {
    CommandError::failed(format!("{path} has no line {line}; it has {count}"))
}
