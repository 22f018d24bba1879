//! Gives git settings in its environment, beside those of the caller.

use std::ffi::OsString;

use crate::git::command::Git;

/// Returns git with settings that hold for its commands alone. Those that the caller of dispatch gave in the
/// same way stay. A key may have any character, `=` included.
pub(super) fn with_variables(
    git: Git,
    settings: impl IntoIterator<Item = (OsString, OsString)>,
) -> Git {
    let settings: Vec<(OsString, OsString)> = settings.into_iter().collect();
    let given = std::env::var("GIT_CONFIG_COUNT").ok();
    let first: usize = given.and_then(|count| count.parse().ok()).unwrap_or(0);
    let count = (first + settings.len()).to_string();
    let numbered = (first..).zip(settings);
    numbered.fold(
        git.env("GIT_CONFIG_COUNT", count),
        |git, (number, (key, value))| {
            git.env(&format!("GIT_CONFIG_KEY_{number}"), key)
                .env(&format!("GIT_CONFIG_VALUE_{number}"), value)
        },
    )
}
