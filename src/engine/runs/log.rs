//! Composes the log of an attempt: its worker and checks, its set-up, or its teardown.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use crate::base::files::replace_private;
use crate::base::regular_file;
use crate::base::safe::secrets::Secrets;
use crate::engine::kernel::masking::secrets;
use crate::engine::runs::read::read_settings;
use crate::engine::worktree::command_log::{
    CommandLog, read_log_ends, read_logs, set_up_folder, teardown_folder,
};
use crate::exec::log;
use crate::git::{Repo, Store};
use crate::model::ids::{AttemptNumber, RunId, TaskNumber};
use crate::model::run::RunState;

/// The bytes of the end of a log, and the number of bytes before them.
type End = (Vec<u8>, u64);

/// A part of an attempt that has a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogPart {
    /// The worker and the checks after it; the set-up where the attempt has no worker.
    Worker,
    /// The set-up of its worktree.
    SetUp,
    /// The teardown of its worktree.
    Teardown,
}

/// The reason why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The attempt has no such log on this machine.
    #[error("attempt {attempt} at {task} has no {what} on this machine")]
    None {
        /// The task.
        task: TaskNumber,
        /// The attempt.
        attempt: AttemptNumber,
        /// The kind of log.
        what: &'static str,
    },
    /// It cannot be read.
    #[error("could not read the log in {}", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
}

impl LogPart {
    fn name(self) -> &'static str {
        match self {
            LogPart::Worker => "worker",
            LogPart::SetUp => "set-up",
            LogPart::Teardown => "teardown",
        }
    }
}

/// Returns the full name of the reference with the stored logs of a run (`dispatch push`).
pub fn logs_ref(run: &RunId) -> String {
    format!("refs/dispatch/logs/{run}")
}

/// Returns the path of a log among the stored ones.
pub fn log_file((task, attempt): (TaskNumber, AttemptNumber), part: LogPart) -> String {
    format!("{}/{attempt}/{}.log", task.0, part.name())
}

/// Reads the log of an attempt, with the command in front of the output of each, and secrets masked.
///
/// # Errors
/// When there is none on this machine and none is stored, or it cannot be read.
pub fn read_log(
    place: (&Repo, &Store),
    state: &RunState,
    of: (TaskNumber, AttemptNumber),
    part: LogPart,
) -> Result<Vec<u8>, LogError> {
    let secrets = secrets_of_run(place.1, state);
    let log = read_end(place, state, of, (part, u64::MAX))?;
    Ok(match log.is_stored {
        true => log.bytes,
        false => secrets.mask_bytes(log.bytes),
    })
}

/// Keeps a masked copy of each log of an ended attempt in which a secret stands. Only the process that runs
/// the attempt is certain to know its values; the log itself may be pushed from anywhere.
///
/// # Errors
/// When a copy cannot be written.
pub fn keep_masked_logs(
    repo: &Repo,
    run: &RunId,
    (task, attempt): (TaskNumber, AttemptNumber),
    secrets: &Secrets,
) -> io::Result<()> {
    let folder = repo.attempt_folder(run.as_str(), task.0, attempt);
    let set_up = set_up_folder(repo, run, task, attempt);
    for part in [LogPart::Worker, LogPart::SetUp] {
        let raw = match part {
            LogPart::Worker if folder.join("worker").is_dir() => {
                with_checks(log::read(&folder.join("worker"))?, &read_logs(&folder))
            }
            _ => commands_log(&read_logs(&set_up)),
        };
        let masked = secrets.mask_bytes(raw.clone());
        if masked != raw {
            replace_private(&folder.join(masked_file(part)), &masked)?;
        }
    }
    Ok(())
}

/// Reads the logs of an attempt that this machine has, with secrets masked.
pub fn masked_logs(
    repo: &Repo,
    run: &RunId,
    (task, attempt): (TaskNumber, AttemptNumber),
    secrets: &Secrets,
) -> Vec<(LogPart, Vec<u8>)> {
    let folder = repo.attempt_folder(run.as_str(), task.0, attempt);
    let worker = log::read(&folder.join("worker")).unwrap_or_default();
    let worker = with_checks(worker, &read_logs(&folder));
    let set_up = commands_log(&read_logs(&set_up_folder(repo, run, task, attempt)));
    let logs = [(LogPart::Worker, worker), (LogPart::SetUp, set_up)];
    let logs = logs.into_iter().filter(|(_, log)| !log.is_empty());
    logs.map(|(part, log)| (part, secrets.mask_bytes(log)))
        .collect()
}

/// Keeps the masked log of an attempt that ran on another machine.
///
/// # Errors
/// When it cannot be written.
pub fn keep_log_of_node(
    repo: &Repo,
    run: &RunId,
    (task, attempt): (TaskNumber, AttemptNumber),
    part: LogPart,
    log: &[u8],
) -> io::Result<()> {
    let folder = repo.attempt_folder(run.as_str(), task.0, attempt);
    replace_private(&folder.join(masked_file(part)), log)
}

/// The end of a log before its secrets are masked.
pub(super) struct Unmasked {
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
    /// The number of bytes before them.
    pub(super) before: u64,
    /// `true` if it was masked when the run was pushed.
    pub(super) is_stored: bool,
}

/// Reads at least the last `limit` bytes of a log.
///
/// # Errors
/// As [`read_log`].
pub(super) fn read_end(
    (repo, store): (&Repo, &Store),
    state: &RunState,
    of: (TaskNumber, AttemptNumber),
    (part, limit): (LogPart, u64),
) -> Result<Unmasked, LogError> {
    let log = match read_masked_log(repo, &state.run, of, (part, limit))? {
        None => read_raw_log(repo, state, of, (part, limit)),
        Some(log) => Ok(log),
    };
    let stored = |error| {
        let log = stored_log(store, state, of, part);
        log.map(|log| (log, 0, true)).ok_or(error)
    };
    let (bytes, before, is_stored) = match log {
        Err(error @ LogError::None { .. }) => stored(error)?,
        log => log.map(|(log, before)| (log, before, false))?,
    };
    Ok(Unmasked {
        bytes,
        before,
        is_stored,
    })
}

fn masked_file(part: LogPart) -> String {
    format!("masked-{}.log", part.name())
}

fn read_masked_log(
    repo: &Repo,
    run: &RunId,
    (task, attempt): (TaskNumber, AttemptNumber),
    (part, limit): (LogPart, u64),
) -> Result<Option<End>, LogError> {
    let folder = repo.attempt_folder(run.as_str(), task.0, attempt);
    let path = folder.join(masked_file(part));
    let read = || -> io::Result<End> {
        let mut file = regular_file::open(&path)?;
        let before = file.metadata()?.len().saturating_sub(limit);
        let mut log = Vec::new();
        file.seek(SeekFrom::Start(before))?;
        file.read_to_end(&mut log)?;
        Ok((log, before))
    };
    // As long as the log, whose limit is a setting. The log itself must not take its place.
    match read() {
        Ok(log) => Ok(Some(log)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LogError::Unreadable(path, error)),
    }
}

/// Collects the secrets that no log of a run may show. Where its settings cannot be read, none are named
/// by them.
pub fn secrets_of_run(store: &Store, state: &RunState) -> Secrets {
    let settings = read_settings(store, &state.run);
    secrets(&settings.unwrap_or_default(), &state.plan)
}

/// Reads a log that was stored when the run was pushed.
fn stored_log(
    store: &Store,
    state: &RunState,
    of: (TaskNumber, AttemptNumber),
    part: LogPart,
) -> Option<Vec<u8>> {
    let commit = store.reference(&logs_ref(&state.run)).ok()??;
    let tree = store.tree_of(commit).ok()?;
    let entry = store.entry(tree, &log_file(of, part)).ok()??;
    store.blob(entry.oid).ok()
}

fn read_raw_log(
    repo: &Repo,
    state: &RunState,
    (task, attempt): (TaskNumber, AttemptNumber),
    (part, limit): (LogPart, u64),
) -> Result<End, LogError> {
    let folder = repo.attempt_folder(state.run.as_str(), task.0, attempt);
    let worker = folder.join("worker");
    let set_up = || set_up_folder(repo, &state.run, task, attempt);
    let (what, commands) = match part {
        LogPart::Worker if worker.is_dir() => {
            let output = log::end(&worker, limit);
            let (output, before) = output.map_err(|error| LogError::Unreadable(worker, error))?;
            let (checks, more) = parted(read_log_ends(&folder, limit));
            return Ok((with_checks(output, &checks), before + more));
        }
        LogPart::Worker => ("log", set_up()),
        LogPart::SetUp => ("log of a set-up", set_up()),
        LogPart::Teardown => {
            let mut known = state.task(task).attempts.iter().rev();
            let known = known.find(|known| known.number == attempt);
            let worktree = known.map(|known| repo.resolve_portable_path(&known.worktree));
            let folder = worktree.map(|path| teardown_folder(repo, &state.run, &path));
            ("log of a teardown", folder.unwrap_or_default())
        }
    };
    let (logs, before) = parted(read_log_ends(&commands, limit));
    if logs.is_empty() {
        return Err(LogError::None {
            task,
            attempt,
            what,
        });
    }
    Ok((commands_log(&logs), before))
}

/// Adds up the numbers of bytes before the logs.
fn parted(logs: Vec<(CommandLog, u64)>) -> (Vec<CommandLog>, u64) {
    let before = logs.iter().map(|(_, before)| before).sum();
    (logs.into_iter().map(|(log, _)| log).collect(), before)
}

fn commands_log(logs: &[CommandLog]) -> Vec<u8> {
    let mut bytes = Vec::new();
    logs.iter().for_each(|log| add(&mut bytes, "$", log));
    bytes
}

fn with_checks(mut output: Vec<u8>, checks: &[CommandLog]) -> Vec<u8> {
    if !checks.is_empty() {
        end_line(&mut output);
    }
    checks
        .iter()
        .for_each(|log| add(&mut output, "check:", log));
    output
}

fn add(bytes: &mut Vec<u8>, mark: &str, log: &CommandLog) {
    bytes.extend(format!("{mark} {}\n", log.command.trim_end()).bytes());
    bytes.extend(&log.output);
    end_line(bytes);
}

fn end_line(bytes: &mut Vec<u8>) {
    if bytes.last().is_some_and(|last| *last != b'\n') {
        bytes.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_follows_the_output_with_its_command() {
        let check = |command: &str, output: &str| CommandLog {
            command: command.to_owned(),
            output: output.as_bytes().to_vec(),
        };
        let checks = [check("make test\n", "ok"), check("true", "")];
        let text = with_checks(b"worked".to_vec(), &checks);
        insta::assert_snapshot!(String::from_utf8_lossy(&text), @r"
        worked
        check: make test
        ok
        check: true
        ");
        assert_eq!(with_checks(b"worked".to_vec(), &[]), b"worked");
    }
}
