//! Reads and writes the logs of set-up and teardown commands.

use std::path::{Path, PathBuf};

use crate::base::regular_file;
use crate::engine::commands::runner::{COMMAND, write_label};
use crate::engine::kernel::context::Context;
use crate::exec::log;
use crate::git::Repo;
use crate::model::ids::{AttemptNumber, RunId, TaskNumber};

/// The log of one command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandLog {
    /// The command; empty if its label is lost.
    pub command: String,
    /// Its output.
    pub output: Vec<u8>,
}

/// Returns the folder of an attempt's set-up logs.
pub fn set_up_folder(
    repo: &Repo,
    run: &RunId,
    task: TaskNumber,
    attempt: AttemptNumber,
) -> PathBuf {
    repo.attempt_folder(run.as_str(), task.0, attempt)
        .join("setup")
}

/// Returns the folder of the logs of a set-up ahead of an attempt, in the record of a worktree of the pool.
pub fn pool_set_up_folder(record: &Path) -> PathBuf {
    record.join("setup")
}

/// Returns the folder of a worktree's teardown logs.
pub fn teardown_folder(repo: &Repo, run: &RunId, worktree: &Path) -> PathBuf {
    let name = worktree.file_name().unwrap_or_default();
    repo.run_folder(run.as_str()).join("teardown").join(name)
}

/// Reads the logs in such a folder, in the order in which the commands ran.
pub fn read_logs(folder: &Path) -> Vec<CommandLog> {
    let logs = read_log_ends(folder, u64::MAX).into_iter();
    logs.map(|(log, _)| log).collect()
}

/// Reads the last `limit` bytes of each log in such a folder, with the number of bytes before them.
pub fn read_log_ends(folder: &Path, limit: u64) -> Vec<(CommandLog, u64)> {
    let read = |place: PathBuf| {
        let command = regular_file::read_line(&place.with_extension(COMMAND));
        let (output, before) = log::end(&place, limit).unwrap_or_default();
        let log = CommandLog {
            command: command.unwrap_or_default(),
            output,
        };
        (log, before)
    };
    log_folders(folder).into_iter().map(read).collect()
}

/// Returns the length of all logs in such a folder, in bytes.
pub fn logs_length(folder: &Path) -> u64 {
    let lengths = log_folders(folder).into_iter();
    lengths
        .map(|place| log::length(&place).unwrap_or_default())
        .sum()
}

/// Returns the folders of the single commands, in the order in which they ran.
pub fn log_folders(folder: &Path) -> Vec<PathBuf> {
    let numbered = (1..).map(|number| log_folder(folder, number));
    let files = std::iter::once(files_folder(folder)).filter(|place| place.is_dir());
    files
        .chain(numbered.take_while(|place| place.is_dir()))
        .collect()
}

/// Returns the folder of one command, as a check run names it.
pub(super) fn log_folder(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("check-{number}"))
}

/// Returns the folder for the files that could not be copied or linked.
pub(super) fn files_folder(folder: &Path) -> PathBuf {
    folder.join("files")
}

/// Writes the log of a command.
pub(super) fn write_log(context: &Context, place: &Path, command: &str, output: &[u8]) {
    write_label(place, command);
    log::store(place, output, context.settings.run.max_log);
}
