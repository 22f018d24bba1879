//! Parses the pair of `--explain`.

use crate::cli::error::CommandError;

/// Parses `A:B` or `A B`; `None` without the option.
pub(super) fn parse(words: &[String]) -> Result<Option<(String, String)>, CommandError> {
    let pair = match words {
        [] => return Ok(None),
        [both] => both.split_once(':'),
        [a, b, ..] => Some((a.as_str(), b.as_str())),
    };
    match pair {
        Some((a, b)) if !a.is_empty() && !b.is_empty() => Ok(Some((a.to_owned(), b.to_owned()))),
        _ => Err(
            CommandError::usage(format!("{:?} does not name two branches", words.join(" ")))
                .hint("`--explain A:B` or `--explain A B`, with branches or with tasks of a run"),
        ),
    }
}
