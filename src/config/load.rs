//! Reads the configuration from its files and the environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use crate::base::files::read_if_exists;
use crate::config::brought::Brought;
use crate::config::layers::Layers;
use crate::config::settings::Settings;
use crate::config::variable::Overrides;
use crate::config::{ConfigError, FILE_NAME, Sources, apply, finish, resolve};
use crate::failure::patterns::Patterns;
use crate::git::tracked::is_tracked_file;

/// Loads the settings of a repository. `explicit` (`--config FILE`) takes the place of
/// the repository's file; the user's file is `dispatch/config.toml` in `$XDG_CONFIG_HOME` or in
/// `~/.config`.
///
/// # Errors
/// When a file cannot be read or anything in the configuration is invalid.
pub fn load(
    repo_top: &Path,
    explicit: Option<&Path>,
    overrides: &Overrides,
) -> Result<Settings, ConfigError> {
    let sources = Sources {
        repo_file: load_repo_file(repo_top, explicit)?,
        is_explicit: explicit.is_some(),
        user_file: user_file().map(read_file).transpose()?.flatten(),
        env: environment(),
        overrides: overrides.clone(),
    };
    let mut settings = resolve(&sources).map_err(ConfigError::Invalid)?;
    let own_text = sources.repo_file.filter(|_| !sources.is_explicit);
    if let Some((_, text)) = own_text {
        settings.brought = Brought::of(&text);
        refuse_untracked(repo_top, &text, &settings)?;
    }
    settings.failure.pattern_text = load_patterns(repo_top, &settings)?;
    let read = |key, path: &Option<String>| {
        let path = path.as_ref().map(|path| repo_top.join(path));
        path.map(|path| read_named(key, &path)).transpose()
    };
    settings.prompt.template_text = read("[prompt] template", &settings.prompt.template)?;
    settings.plan.template_text = read("[plan] template", &settings.plan.template)?;
    Ok(settings)
}

/// Loads the settings of a repeated assembly: those of the run, with `[assemble]`, `[resolve]` and
/// `[conflicts] generated` from the environment and the file of `--config`.
///
/// # Errors
/// When the file cannot be read, or anything in it or in the environment is invalid.
pub fn for_assembly(run: Settings, explicit: Option<&Path>) -> Result<Settings, ConfigError> {
    let file = match explicit {
        Some(path) => load_repo_file(path, Some(path))?,
        None => None,
    };
    let sources = Sources {
        repo_file: file,
        is_explicit: true,
        user_file: None,
        env: environment(),
        overrides: Overrides::default(),
    };
    let mut layers = Layers::over(run.clone());
    apply(&sources, &mut layers);
    let now = finish(&sources, layers).map_err(ConfigError::Invalid)?;
    let mut settings = run;
    settings.assemble = now.assemble;
    settings.resolve = now.resolve;
    settings.conflicts.generated = now.conflicts.generated;
    Ok(settings)
}

/// Refuses a file that the repository's settings name and git does not track: it could be a private one,
/// and a template sends it to a worker. Your own settings may name any file.
fn refuse_untracked(
    repo_top: &Path,
    own_text: &str,
    settings: &Settings,
) -> Result<(), ConfigError> {
    let own: toml::Table = own_text.parse().unwrap_or_default();
    let patterns = &settings.failure.patterns;
    let templates = (&settings.prompt.template, &settings.plan.template);
    for (key, table, name, path) in [
        ("[failure] patterns", "failure", "patterns", patterns),
        ("[prompt] template", "prompt", "template", templates.0),
        ("[plan] template", "plan", "template", templates.1),
    ] {
        let named = own.get(table).and_then(|table| table.get(name)?.as_str());
        let path = path.as_deref().filter(|path| named == Some(path));
        let Some(path) = path.map(Path::new) else {
            continue;
        };
        if repo_top.join(path).exists() && !is_tracked_file(repo_top, path) {
            let path = path.to_owned();
            return Err(ConfigError::NotTracked { key, path });
        }
    }
    Ok(())
}

/// Reads a file that a setting names.
fn read_named(key: &'static str, path: &Path) -> Result<String, ConfigError> {
    match read_file(path.to_owned())? {
        Some((_, text)) => Ok(text),
        None => Err(ConfigError::NoSuchFile {
            key,
            path: path.to_owned(),
        }),
    }
}

/// Reads and checks the user's failure patterns.
fn load_patterns(repo_top: &Path, settings: &Settings) -> Result<Option<String>, ConfigError> {
    let Some(path) = &settings.failure.patterns else {
        return Ok(None);
    };
    let path = repo_top.join(path);
    let text = read_named("[failure] patterns", &path)?;
    match Patterns::parse(&text) {
        Ok(_) => Ok(Some(text)),
        Err(error) => Err(ConfigError::Patterns(path, error)),
    }
}

/// Reads the repository's file, or the one that `--config` names.
pub(super) fn load_repo_file(
    repo_top: &Path,
    explicit: Option<&Path>,
) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let Some(path) = explicit else {
        refuse_link_outside(repo_top)?;
        return read_file(repo_top.join(FILE_NAME));
    };
    // The user named it, and it may be a pipe.
    let read = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    };
    match text_of(path.to_owned(), read)? {
        None => Err(ConfigError::Missing(path.to_owned())),
        file => Ok(file),
    }
}

/// Refuses a settings file that is a link to a file outside of the repository: an error about its content
/// would show a private file.
fn refuse_link_outside(repo_top: &Path) -> Result<(), ConfigError> {
    let path = repo_top.join(FILE_NAME);
    let is_link = path
        .symlink_metadata()
        .is_ok_and(|found| found.is_symlink());
    let (Ok(target), Ok(top)) = (path.canonicalize(), repo_top.canonicalize()) else {
        return Ok(());
    };
    match is_link && !target.starts_with(top) {
        true => Err(ConfigError::LinkOutside(path)),
        false => Ok(()),
    }
}

/// Returns the path of the user's file; `None` without a home folder.
pub fn user_file() -> Option<PathBuf> {
    let folders = etcetera::choose_base_strategy().ok()?;
    Some(folders.config_dir().join("dispatch").join("config.toml"))
}

/// Returns the `DISPATCH_` variables of this process.
pub fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os()
        .filter_map(text)
        .filter(|(name, _)| name.starts_with("DISPATCH_"))
        .collect()
}

fn read_file(path: PathBuf) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let read = read_if_exists(&path);
    text_of(path, read)
}

fn text_of(
    path: PathBuf,
    read: std::io::Result<Option<Vec<u8>>>,
) -> Result<Option<(PathBuf, String)>, ConfigError> {
    match read {
        Ok(None) => Ok(None),
        Ok(Some(bytes)) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some((path, text))),
            Err(_) => Err(ConfigError::NotText(path)),
        },
        Err(error) => Err(ConfigError::Unreadable(path, error)),
    }
}
