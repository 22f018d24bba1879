//! Reads the end of a log, at a cost that does not grow with the log.

use crate::engine::runs::log::{LogError, LogPart, read_end, secrets_of_run};
use crate::engine::worktree::command_log::{logs_length, set_up_folder};
use crate::exec::log;
use crate::git::{Repo, Store};
use crate::model::ids::{AttemptNumber, RunId, TaskNumber};
use crate::model::run::RunState;

/// The bytes before the end of a log that are read with it: more than a private key or a token has, of which
/// the end could show the rest.
const MARGIN: usize = 64 * 1024;

/// The end of a log, with secrets masked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogEnd {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The number of bytes before them.
    pub before: u64,
}

/// Reads about the last `limit` bytes of the log of an attempt, from the start of a line, as [`read_log`](super::log::read_log)
/// reads all of it. What it costs does not grow with the log.
///
/// # Errors
/// As for all of it.
pub fn read_log_end(
    place: (&Repo, &Store),
    state: &RunState,
    of: (TaskNumber, AttemptNumber),
    part: LogPart,
    limit: usize,
) -> Result<LogEnd, LogError> {
    let secrets = secrets_of_run(place.1, state);
    // A secret that begins before the end is masked whole, and its rest is cut off as a part of the mask.
    let more = limit + MARGIN.max(secrets.longest());
    let mut log = read_end(place, state, of, (part, more as u64))?;
    let surplus = log.bytes.len().saturating_sub(more);
    log.bytes.drain(..surplus);
    let before = log.before + surplus as u64;
    let masked = match log.is_stored {
        true => log.bytes,
        false => secrets.mask_bytes(log.bytes),
    };
    Ok(end_of(&masked, before, limit))
}

/// Cuts a log to about its last `limit` bytes. `before` counts the bytes that were not read.
fn end_of(masked: &[u8], before: u64, limit: usize) -> LogEnd {
    let cut = end_start(masked, limit);
    LogEnd {
        before: before + cut as u64,
        bytes: masked[cut..].to_vec(),
    }
}

/// Returns the length of the log of an attempt that has not ended, in bytes, by which one that has grown is
/// known without reading it.
pub fn log_length(repo: &Repo, run: &RunId, (task, attempt): (TaskNumber, AttemptNumber)) -> u64 {
    let folder = repo.attempt_folder(run.as_str(), task.0, attempt);
    let worker = log::length(&folder.join("worker")).unwrap_or_default();
    let set_up = logs_length(&set_up_folder(repo, run, task, attempt));
    worker + logs_length(&folder) + set_up
}

/// Returns the start of the first whole line among the last `limit` bytes; of the bytes themselves where a
/// line is longer than half of them.
fn end_start(text: &[u8], limit: usize) -> usize {
    let Some(at) = text.len().checked_sub(limit).filter(|at| *at > 0) else {
        return 0;
    };
    let looked = &text[at - 1..text.len() - limit / 2];
    let line = looked.iter().position(|byte| *byte == b'\n');
    line.map_or(at, |line| at + line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::safe::secrets::Secrets;

    #[test]
    fn the_end_begins_with_a_whole_line_unless_one_is_too_long() {
        let from = |text: &str, limit| {
            let text = text.as_bytes();
            String::from_utf8_lossy(&text[end_start(text, limit)..]).into_owned()
        };
        assert_eq!(from("one\ntwo\nthree\n", 100), "one\ntwo\nthree\n");
        assert_eq!(from("one\ntwo\nthree\n", 8), "three\n");
        assert_eq!(from("one\ntwo\nthree\n", 10), "two\nthree\n");
        assert_eq!(from("0123456789\n", 6), "56789\n");
        assert_eq!(from("", 6), "");
    }

    #[test]
    fn a_secret_across_the_cut_is_masked_whole() {
        let token = ("MY_TOKEN".to_owned(), "hunter2-hunter2-and-more".to_owned());
        let secrets = Secrets::of_environment([token], &[]);
        let log = b"the key is hunter2-hunter2-and-more\n".to_vec();
        for limit in 1..log.len() {
            let end = end_of(&secrets.mask_bytes(log.clone()), 7, limit);
            let text = String::from_utf8_lossy(&end.bytes).into_owned();
            assert!("the key is [masked]\n".ends_with(&text), "{limit}: {text}");
            assert_eq!(end.before, 7 + 20_u64.saturating_sub(text.len() as u64));
        }
    }
}
