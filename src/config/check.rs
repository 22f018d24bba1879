//! What a text must be to stand for a path, a glob, a template or a part of a branch name.

use std::path::Path;

use globset::GlobBuilder;

use crate::base::text::did_you_mean;
use crate::config::invalid::Invalid;
use crate::config::settings::WorktreeSettings;

/// What `[worktree] path` may contain.
pub(super) const PATH_PLACES: &[&str] = &["repo", "run", "task"];

/// What the command of a worker may contain.
pub(super) const WORKER_PLACES: &[&str] = &[
    "prompt_file",
    "prompt",
    "worktree",
    "run",
    "task",
    "attempt",
    "model",
    "permission_mode",
    "max_turns",
    "max_cost",
];

/// A template of folders: one of its own for every task of every run, outside the repository.
pub(super) fn path_template(text: &str) -> Result<(), Invalid> {
    places(text, PATH_PLACES)?;
    for place in ["{run}", "{task}"] {
        if !text.contains(place) {
            return Err(Invalid::new(
                format!("the path has no {place}, so worktrees would share a folder"),
                "write it like \"../{repo}.dispatch/{run}/{task}\"",
            ));
        }
    }
    if text.starts_with('~') {
        return Err(Invalid::new(
            "the home folder is not filled in for ~",
            "write the whole path",
        ));
    }
    outside_the_repository(text)
}

fn outside_the_repository(text: &str) -> Result<(), Invalid> {
    let settings = WorktreeSettings {
        path: text.to_owned(),
        ..WorktreeSettings::default()
    };
    // A name that no template can spell, so that only `{repo}` stands for it.
    let top = Path::new("/parent/\u{1}");
    if settings.folder(top, "run", "task").starts_with(top) {
        return Err(Invalid::new(
            "worktrees would lie inside the repository, where tools take them for a part of it",
            "start the path with ../ or /",
        ));
    }
    Ok(())
}

/// Every `{word}` is a known one. Braces around anything else, after `$`, or in an argument with
/// white space (a line for a shell) mean nothing to dispatch.
pub(super) fn places(text: &str, known: &[&str]) -> Result<(), Invalid> {
    if text.contains(char::is_whitespace) {
        return Ok(());
    }
    for (at, _) in text.match_indices('{') {
        let word = text[at + 1..].split('}').next().unwrap_or_default();
        let closed = text[at + 1 + word.len()..].starts_with('}');
        let is_name = !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if closed && is_name && !text[..at].ends_with('$') && !known.contains(&word) {
            return Err(unknown_place(word, known));
        }
    }
    Ok(())
}

fn unknown_place(word: &str, known: &[&str]) -> Invalid {
    let all: Vec<_> = known.iter().map(|place| format!("{{{place}}}")).collect();
    let all = all.join(", ");
    let hint = match did_you_mean(word, known.iter().copied()) {
        Some(near) => format!("did you mean {{{near}}}? known are {all}"),
        None => format!("known are {all}"),
    };
    Invalid::new(format!("{{{word}}} is nothing that can be filled in"), hint)
}

/// A path inside the repository.
pub(super) fn repo_path(text: &str) -> Result<(), Invalid> {
    let leaves = text.starts_with(['/', '~']) || text.split('/').any(|part| part == "..");
    if leaves || text.contains('\0') {
        return Err(Invalid::new(
            format!("{text:?} leaves the repository"),
            "write a path that counts from the top folder of the repository",
        ));
    }
    if text
        .split('/')
        .any(|part| part.eq_ignore_ascii_case(".git"))
    {
        return Err(Invalid::new(
            format!("{text:?} lies in the folder of git"),
            "write a path of the working tree",
        ));
    }
    Ok(())
}

/// A glob of paths inside the repository.
pub(super) fn glob(text: &str) -> Result<(), Invalid> {
    repo_path(text)?;
    let built = GlobBuilder::new(text).literal_separator(true).build();
    built.map(drop).map_err(|error| {
        Invalid::new(
            format!("{text:?} is no glob: {}", error.kind()),
            "put \\ before [, {, * or ? to mean the character itself",
        )
    })
}

/// The name of an environment variable.
pub(super) fn variable_name(text: &str) -> Result<(), Invalid> {
    let named = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if named && !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(());
    }
    Err(Invalid::new(
        format!("{text:?} is no name of a variable"),
        "write names only; values come from the environment dispatch runs in",
    ))
}

/// First part of branch and ref names, by git's own rules for them.
pub(super) fn branch_prefix(text: &str) -> Result<(), Invalid> {
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || " ~^:?*[\\".contains(c);
    let bad_part = |part: &str| {
        part.is_empty()
            || part.starts_with(['.', '-'])
            || part.ends_with('.')
            || part.ends_with(".lock")
    };
    let bad = text.contains(forbidden)
        || text.contains("..")
        || text.contains("@{")
        || text == "@"
        || text.split('/').any(bad_part);
    if bad {
        return Err(Invalid::new(
            format!("{text:?} cannot begin the name of a branch"),
            "write letters, digits and hyphens, such as \"dispatch\"",
        ));
    }
    Ok(())
}

/// The name of a worker profile.
pub(super) fn worker_name(text: &str) -> Result<(), Invalid> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts && text.len() <= 40 && text.chars().all(allowed) {
        return Ok(());
    }
    Err(Invalid::new(
        format!("{text:?} is no name for a worker"),
        "write at most 40 letters, digits, hyphens and underscores",
    ))
}
