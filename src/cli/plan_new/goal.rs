//! Reads the goal of a plan from the command line, a file or standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::base::text::{error_chain, terminal_safe};
use crate::cli::error::CommandError;
use crate::engine::planner::LONGEST_GOAL;

/// Returns the goal.
///
/// # Errors
/// When it cannot be read, is empty, not UTF-8, or too long.
pub(super) fn read(goal: Option<&str>, from: Option<&Path>) -> Result<String, CommandError> {
    let (name, bytes) = match (goal, from) {
        (Some("-"), _) => ("standard input".to_owned(), limited(io::stdin().lock())),
        (_, Some(file)) => {
            let name = terminal_safe(&file.display().to_string());
            (name, File::open(file).and_then(limited))
        }
        (Some(goal), None) => ("the goal".to_owned(), Ok(goal.as_bytes().to_vec())),
        (None, None) => return Err(CommandError::usage("there is no goal")),
    };
    let bytes = bytes.map_err(|error| {
        CommandError::failed(format!("could not read {name}: {}", error_chain(&error)))
    })?;
    if bytes.len() > LONGEST_GOAL {
        let kib = LONGEST_GOAL / 1024;
        return Err(
            CommandError::usage(format!("{name} is longer than {kib} KiB"))
                .hint("name files that the planner can read instead"),
        );
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| CommandError::usage(format!("{name} is not valid UTF-8")))?;
    match text.trim().is_empty() {
        true => Err(CommandError::usage(format!("{name} is empty"))
            .hint("describe what to build, as in `dispatch plan new \"Add a login\"`")),
        false => Ok(text),
    }
}

fn limited(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input
        .take(LONGEST_GOAL as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
