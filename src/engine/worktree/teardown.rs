//! Runs the commands of `[worktree] teardown` before a worktree is removed.

use std::path::Path;
use std::time::Duration;

use crate::base::clock::render_duration;
use crate::base::process::Program;
use crate::base::text::{clip, one_line};
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::worktree::command_log::{log_folder, teardown_folder, write_log};
use crate::git::worktree::Worktree;
use crate::worker::environment::check_environment;

/// The longest last line of a failed command, in characters.
const LAST_LINE: usize = 200;

/// Runs the teardown commands, each within the time limit of the run. A worktree whose commands
/// fail stays, with what they were to free.
///
/// # Errors
/// When a command cannot be started, does not exit 0, or reaches its time limit.
pub fn tear_down(context: &Context, worktree: &Worktree) -> Result<(), EngineError> {
    let known_as = context.repo.known_path(&worktree.path);
    let folder = teardown_folder(&context.repo, &context.run, &known_as);
    for (command, number) in context.settings.worktree.teardown.iter().zip(1..) {
        if !worktree.path.is_dir() {
            return Ok(());
        }
        let ended = run(command, &worktree.path, context.settings.run.timeout)?;
        let place = log_folder(&folder, number);
        write_log(context, &place, command, &ended.output);
        if let Some(said) = ended.failure {
            return Err(EngineError::TearDown {
                command: command.clone(),
                worktree: worktree.path.clone(),
                said,
            });
        }
    }
    Ok(())
}

/// A teardown command that has ended.
struct Ended {
    output: Vec<u8>,
    /// Its last line, or a message that it timed out; `None` if it exited 0.
    failure: Option<String>,
}

fn run(command: &str, folder: &Path, limit: Duration) -> Result<Ended, EngineError> {
    let shell = Program::new("sh").arg("-c").arg(command).folder(folder);
    let env = check_environment(std::env::vars_os());
    let Some(finished) = shell.environment(env).output_within(limit)? else {
        let limit = render_duration(limit);
        let failure = format!("timed out after {limit}");
        return Ok(Ended {
            output: format!("{failure}\n").into_bytes(),
            failure: Some(failure),
        });
    };
    let output = [finished.stdout, finished.stderr].concat();
    let failure = (!finished.status.success()).then(|| last_line(&output));
    Ok(Ended { output, failure })
}

fn last_line(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let mut lines = text.lines().rev().map(str::trim);
    let last = lines.find(|line| !line.is_empty()).unwrap_or_default();
    clip(&one_line(last), LAST_LINE)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_hangs_is_killed_at_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let ended = run("exec sleep 600", folder.path(), Duration::from_millis(50)).unwrap();
        assert!(ended.failure.unwrap().starts_with("timed out after "));
    }

    #[test]
    fn the_last_line_of_a_failed_command_explains_it() {
        let folder = tempfile::tempdir().unwrap();
        let limit = Duration::from_secs(60);
        let ended = run("echo port in use; echo; exit 3", folder.path(), limit).unwrap();
        assert_eq!(ended.failure.as_deref(), Some("port in use"));
        let ended = run("pwd", folder.path(), limit).unwrap();
        assert_eq!(ended.failure, None);
        assert!(!ended.output.is_empty());
    }
}
