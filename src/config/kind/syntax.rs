//! The syntax of paths, globs, templates and names.

use std::path::Path;

use globset::GlobBuilder;

use crate::base::safe::hidden::find_hidden;
use crate::base::text::did_you_mean;
use crate::config::invalid::Invalid;
use crate::config::path_template;
use crate::model::github_project::GithubProject;

/// Placeholders in `[worktree] path`.
const PATH_PLACEHOLDERS: &[&str] = &["repo", "run", "task"];

/// Checks a template of folders: one for every task of every run, outside the repository.
pub(super) fn worktree_path(text: &str) -> Result<(), Invalid> {
    placeholders(text, PATH_PLACEHOLDERS)?;
    for name in ["{run}", "{task}"] {
        if !text.contains(name) {
            return Err(Invalid::new(
                format!("without {name} worktrees would share a folder"),
                "write it like \"../{repo}.dispatch/{run}/{task}\"",
            ));
        }
    }
    if text.starts_with('~') {
        return Err(Invalid::new("~ is not expanded", "write the full path"));
    }
    outside_the_repository(text)
}

/// Refuses text with a character that a reader does not see.
pub(super) fn shown(text: &str) -> Result<(), Invalid> {
    match find_hidden(text) {
        None => Ok(()),
        Some(hidden) => Err(Invalid::new(
            format!("the text has {hidden}"),
            "remove it, so that you see in full what will run",
        )),
    }
}

fn outside_the_repository(text: &str) -> Result<(), Invalid> {
    // A name that no template can spell, so that only `{repo}` stands for it.
    let top = Path::new("/parent/\u{1}");
    if path_template::fill(text, top, "run", "task").starts_with(top) {
        return Err(Invalid::new(
            "worktrees would lie inside the repository, where tools mistake them for part of it",
            "start the path with ../ or /",
        ));
    }
    Ok(())
}

/// Checks that every `{word}` is a known placeholder. Braces around anything else, after `$`, or in
/// an argument with white space (a shell command) are left alone.
pub(super) fn placeholders(text: &str, known: &[&str]) -> Result<(), Invalid> {
    if text.contains(char::is_whitespace) {
        return Ok(());
    }
    for (at, _) in text.match_indices('{') {
        let word = text[at + 1..].split('}').next().unwrap_or_default();
        let closed = text[at + 1 + word.len()..].starts_with('}');
        let is_name = !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if closed && is_name && !text[..at].ends_with('$') && !known.contains(&word) {
            return Err(unknown_placeholder(word, known));
        }
    }
    Ok(())
}

fn unknown_placeholder(word: &str, known: &[&str]) -> Invalid {
    let all: Vec<_> = known.iter().map(|name| format!("{{{name}}}")).collect();
    let all = all.join(", ");
    let hint = match did_you_mean(word, known.iter().copied()) {
        Some(near) => format!("did you mean {{{near}}}? valid placeholders are {all}"),
        None => format!("valid placeholders are {all}"),
    };
    Invalid::new(format!("unknown placeholder {{{word}}}"), hint)
}

/// Checks a path inside the repository.
pub(super) fn repo_path(text: &str) -> Result<(), Invalid> {
    let leaves = text.starts_with(['/', '~']) || text.split('/').any(|part| part == "..");
    if leaves || text.contains('\0') {
        return Err(Invalid::new(
            format!("{text:?} is outside the repository"),
            "write a path relative to the top folder of the repository",
        ));
    }
    if text
        .split('/')
        .any(|part| part.eq_ignore_ascii_case(".git"))
    {
        return Err(Invalid::new(
            format!("{text:?} is inside the .git folder"),
            "write a path of the working tree",
        ));
    }
    Ok(())
}

/// Checks a folder inside the repository: its path, or its name at any depth.
pub(super) fn folder_name(text: &str) -> Result<(), Invalid> {
    repo_path(text)?;
    let parts = text.trim_end_matches('/').split('/');
    if text.contains(['*', '?', '[', '\\'])
        || parts.into_iter().any(|part| part.is_empty() || part == ".")
    {
        return Err(Invalid::new(
            format!("{text:?} is not the name of a folder"),
            "write a name such as \"target\", or a path such as \"web/node_modules\"",
        ));
    }
    Ok(())
}

/// Checks a glob of paths inside the repository.
pub(super) fn glob(text: &str) -> Result<(), Invalid> {
    repo_path(text)?;
    let built = GlobBuilder::new(text).literal_separator(true).build();
    built.map(drop).map_err(|error| {
        Invalid::new(
            format!("invalid glob {text:?}: {}", error.kind()),
            "put \\ before [, {, * or ? to match the character itself",
        )
    })
}

/// Checks a path outside the repository: absolute, below the home folder, or below a variable.
pub(super) fn own_path(text: &str) -> Result<(), Invalid> {
    let is_variable = |name: &str| !name.is_empty() && variable_name(name).is_ok();
    let starts_well = match text.strip_prefix('$') {
        Some(rest) => is_variable(rest.split('/').next().unwrap_or_default()),
        None => text.starts_with("~/") || text.starts_with('/'),
    };
    let climbs = text.split('/').any(|part| part == "..");
    if starts_well && !climbs {
        return Ok(());
    }
    Err(Invalid::new(
        format!("invalid path {text:?}"),
        "write it from \"/\", \"~/\" or \"$NAME\" on, without \"..\"",
    ))
}

/// Checks the name of a project board on GitHub.
pub(super) fn project(text: &str) -> Result<(), Invalid> {
    text.parse::<GithubProject>()
        .map(drop)
        .map_err(|error| Invalid::new(format!("invalid project {text:?}"), error.to_string()))
}

/// Checks a folder of the user.
pub(super) fn own_folder(text: &str) -> Result<(), Invalid> {
    if text.starts_with('/') || text == "~" || text.starts_with("~/") {
        return Ok(());
    }
    Err(Invalid::new(
        format!("invalid folder {text:?}"),
        "write it from \"/\" or \"~/\" on",
    ))
}

/// Checks the name of an environment variable.
pub(super) fn variable_name(text: &str) -> Result<(), Invalid> {
    let named = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if named && !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(());
    }
    Err(Invalid::new(
        format!("invalid variable name {text:?}"),
        "write names only; values come from the environment of dispatch",
    ))
}

/// Checks the first part of branch and ref names by git's own rules.
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
            format!("invalid branch prefix {text:?}"),
            "write letters, digits and hyphens, such as \"dispatch\"",
        ));
    }
    Ok(())
}

/// Checks the name of a worker profile.
pub(in crate::config) fn profile_name(what: &str, text: &str) -> Result<(), Invalid> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts && text.len() <= 40 && text.chars().all(allowed) {
        return Ok(());
    }
    Err(Invalid::new(
        format!("invalid {what} name {text:?}"),
        "write at most 40 letters, digits, hyphens and underscores",
    ))
}
