//! Settings and their precedence: flags, environment, the repository's file, the user's file,
//! defaults.
//!
//! [`resolve`] is pure: texts in, [`Settings`] or every problem at once out. [`load`] reads the
//! texts from where they are.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use crate::base::files::read_if_exists;
use crate::base::text::plural;
use crate::failure::patterns::{PatternError, Patterns};

pub mod builtin;
mod check;
mod choice;
mod file;
mod invalid;
mod merge;
mod number;
pub mod problem;
mod program;
pub mod settings;
mod table;
mod value;
pub mod variable;

pub use problem::{ConfigProblem, Place};
pub use settings::Settings;
pub use variable::{Overrides, unknown_variables};

use file::ConfigFile;
use table::{Finding, Origin};

/// The file in the top folder of a repository.
pub const FILE_NAME: &str = ".dispatch.toml";

/// The texts settings come from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sources {
    /// The repository's file, or the one named in its place: its path for messages and its text.
    pub repo_file: Option<(PathBuf, String)>,
    /// The user's file.
    pub user_file: Option<(PathBuf, String)>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// What flags say.
    pub overrides: Overrides,
}

/// Settings that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Something in them is wrong.
    #[error("the configuration has {}", plural(.0.len(), "problem"))]
    Invalid(Vec<ConfigProblem>),
    /// A file that was named is not there.
    #[error("there is no file {0}")]
    Missing(PathBuf),
    /// A file that a setting names is not there.
    #[error("{key} names {}, which is not there", path.display())]
    NoSuchFile {
        /// The setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("could not read {0}")]
    Unreadable(PathBuf, #[source] io::Error),
    /// A file is no text.
    #[error("{0} is not UTF-8 text")]
    NotText(PathBuf),
    /// The file named by `[failure] patterns` is wrong.
    #[error("{0} is no file of failure patterns")]
    Patterns(PathBuf, #[source] PatternError),
}

/// Settles every setting by precedence.
///
/// # Errors
/// Everything that is wrong, in the order of the sources and of their lines.
pub fn resolve(sources: &Sources) -> Result<Settings, Vec<ConfigProblem>> {
    let mut found = Vec::new();
    let merged = merged(sources, &mut found);
    let settings = merged.map(|config| merge::settle(config, &mut found));
    match settings {
        Some(settings) if found.is_empty() => Ok(settings),
        _ => Err(problems(sources, found)),
    }
}

/// `None` if a file is no TOML: then nobody knows what it meant to say, and findings about how
/// values fit together would mislead.
fn merged(sources: &Sources, found: &mut Vec<Finding>) -> Option<ConfigFile> {
    let flags = variable::parse_overrides(&sources.overrides, found);
    let env = variable::parse_variables(&sources.env, found);
    let files: Vec<_> = files(sources)
        .into_iter()
        .enumerate()
        .map(|(place, (_, text))| file::parse_file(text, place, found))
        .collect();
    files
        .into_iter()
        .try_fold(flags.over(env), |above, below| Some(above.over(below?)))
}

/// The files from the strongest to the weakest; [`Origin::File`] counts in this list.
fn files(sources: &Sources) -> Vec<&(PathBuf, String)> {
    let both = [&sources.repo_file, &sources.user_file];
    both.into_iter().flatten().collect()
}

fn problems(sources: &Sources, mut found: Vec<Finding>) -> Vec<ConfigProblem> {
    found.sort_by_key(|finding| match &finding.origin {
        Origin::Flag(_) => (0, 0),
        Origin::Variable(_) => (1, 0),
        Origin::File(file, span) => (2 + file, span.start),
    });
    let files = files(sources);
    let problem = |finding: Finding| ConfigProblem {
        place: match finding.origin {
            Origin::Flag(flag) => Place::Flag(flag),
            Origin::Variable(name) => Place::Variable(name),
            Origin::File(file, span) => problem::place_in(&files[file].0, &files[file].1, &span),
        },
        message: finding.wrong.message,
        hint: finding.wrong.hint,
    };
    found.into_iter().map(problem).collect()
}

/// Reads the settings that hold in a repository. `explicit` (`--config FILE`) takes the place of
/// the repository's file; the user's file is `dispatch/config.toml` in `$XDG_CONFIG_HOME` or in
/// `~/.config`.
///
/// # Errors
/// When a file cannot be read or anything in the configuration is wrong.
pub fn load(
    repo_top: &Path,
    explicit: Option<&Path>,
    overrides: &Overrides,
) -> Result<Settings, ConfigError> {
    let sources = Sources {
        repo_file: load_repo_file(repo_top, explicit)?,
        user_file: user_file().map(read_file).transpose()?.flatten(),
        env: environment(),
        overrides: overrides.clone(),
    };
    let mut settings = resolve(&sources).map_err(ConfigError::Invalid)?;
    settings.failure.pattern_text = load_patterns(repo_top, &settings)?;
    settings.prompt.template_text = match &settings.prompt.template {
        Some(path) => Some(read_named("[prompt] template", &repo_top.join(path))?),
        None => None,
    };
    Ok(settings)
}

/// The settings of a run for an assembly that is asked for now: `[assemble]`, `[resolve]` and
/// `[conflicts] generated` as the environment and the file named by `--config` have them, over those
/// the run goes by. Everything else stays as it was when the run started.
///
/// # Errors
/// When the file cannot be read, or anything in it or in the environment is wrong.
pub fn for_assembly(run: Settings, explicit: Option<&Path>) -> Result<Settings, ConfigError> {
    let file = match explicit {
        Some(path) => load_repo_file(path, Some(path))?,
        None => None,
    };
    let sources = Sources {
        repo_file: file,
        user_file: None,
        env: environment(),
        overrides: Overrides::default(),
    };
    let mut found = Vec::new();
    let config = merged(&sources, &mut found).filter(|_| found.is_empty());
    let Some(config) = config else {
        return Err(ConfigError::Invalid(problems(&sources, found)));
    };
    let (generated, mut settings) = (config.conflicts.generated, run);
    merge::settle_assembly(&mut settings, generated, config.assemble, config.resolve);
    Ok(settings)
}

/// The text of a file that a setting names, which must be there.
fn read_named(key: &'static str, path: &Path) -> Result<String, ConfigError> {
    match read_file(path.to_owned())? {
        Some((_, text)) => Ok(text),
        None => Err(ConfigError::NoSuchFile {
            key,
            path: path.to_owned(),
        }),
    }
}

/// The text of the user's failure patterns, which must be there and right if they are named.
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

/// The repository's file, or the one named in its place, which must be there.
fn load_repo_file(
    repo_top: &Path,
    explicit: Option<&Path>,
) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let Some(path) = explicit else {
        return read_file(repo_top.join(FILE_NAME));
    };
    match read_file(path.to_owned())? {
        None => Err(ConfigError::Missing(path.to_owned())),
        file => Ok(file),
    }
}

/// Where the user's file is; none without a home folder.
pub fn user_file() -> Option<PathBuf> {
    let folders = etcetera::choose_base_strategy().ok()?;
    Some(folders.config_dir().join("dispatch").join("config.toml"))
}

/// The `DISPATCH_` variables of this process.
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
    match read_if_exists(&path) {
        Ok(None) => Ok(None),
        Ok(Some(bytes)) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some((path, text))),
            Err(_) => Err(ConfigError::NotText(path)),
        },
        Err(error) => Err(ConfigError::Unreadable(path, error)),
    }
}

#[cfg(test)]
mod tests;
