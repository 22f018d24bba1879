//! Searches the trace of the git commands of an attempt.

use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

use crate::base::regular_file;
use crate::engine::spec::environment::git_trace;

/// Returns `true` if the trace of an attempt has a command whose arguments, the program's name first, are
/// wanted. `word` is a part of them, by which most lines are passed over without being parsed.
pub(super) fn has_traced(
    attempt: &Path,
    word: &str,
    is_wanted: impl Fn(&[String]) -> bool,
) -> bool {
    let Ok(trace) = regular_file::open(&git_trace(attempt)) else {
        return false;
    };
    // git escapes quotation marks.
    let word = if word.contains('"') { "" } else { word };
    let mut lines = BufReader::new(trace).split(b'\n').map_while(Result::ok);
    lines.any(|line| {
        let line = String::from_utf8_lossy(&line);
        line.contains(r#""event":"start""#)
            && line.contains(word)
            && serde_json::from_str::<Value>(&line)
                .is_ok_and(|event| is_wanted(&words(&event["argv"])))
    })
}

/// Returns the words of a list of arguments.
pub(super) fn words(argv: &Value) -> Vec<String> {
    let words = argv.as_array().into_iter().flatten();
    words
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}
