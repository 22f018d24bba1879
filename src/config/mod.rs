//! Settings and their precedence: flags, environment, the repository's file, the user's file,
//! defaults.
//!
//! [`settings`] declares every key. [`resolve`] is pure: texts in, [`Settings`] or every problem at
//! once out. [`load()`] reads the texts.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use crate::base::text::plural;
use crate::failure::patterns::PatternError;

pub mod brought;
pub mod builtin;
mod consistency;
pub mod executor_keys;
mod executors;
mod file;
mod invalid;
mod judge;
pub mod keys;
mod kind;
mod layers;
mod load;
mod path_template;
mod patterns;
pub mod pool_size;
pub mod problem;
pub mod reaction;
pub mod reference;
pub mod settings;
pub mod template;
mod tightening;
pub mod variable;
pub mod worker_keys;
mod worktree_path;

pub use load::{environment, for_assembly, load, user_file};
pub use problem::{ConfigProblem, Location};
pub use settings::Settings;
pub use variable::{Overrides, unknown_variables};

use invalid::{Origin, Rejection};
use layers::Layers;

/// The file in the top folder of a repository.
pub const FILE_NAME: &str = ".dispatch.toml";

/// The texts of the configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sources {
    /// The repository's file, or the one named in its place: its path for messages and its text.
    pub repo_file: Option<(PathBuf, String)>,
    /// `true` if the user named that file, which is consent to it, also where it loosens the sandbox.
    pub is_explicit: bool,
    /// The user's file.
    pub user_file: Option<(PathBuf, String)>,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// The flags of the command line.
    pub overrides: Overrides,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Invalid settings.
    #[error("invalid configuration: {}", plural(.0.len(), "problem"))]
    Invalid(Vec<ConfigProblem>),
    /// A file given by `--config` is missing.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// A file named by a setting is missing.
    #[error("{key} names {}, which does not exist", path.display())]
    NoSuchFile {
        /// The setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A file that the repository's settings name is not one that git tracks.
    #[error("{key} names {}, which is not a file that git tracks", path.display())]
    NotTracked {
        /// The setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The repository's file is a link to a file outside of the repository.
    #[error("{} is a link that leaves the repository", .0.display())]
    LinkOutside(PathBuf),
    /// A file cannot be read.
    #[error("could not read {}", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// A file is not text.
    #[error("{} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// The file of `[failure] patterns` is invalid.
    #[error("invalid failure patterns in {}", .0.display())]
    Patterns(PathBuf, #[source] PatternError),
}

/// Resolves every setting by precedence.
///
/// # Errors
/// Every problem, in the order of the sources and of their lines.
pub fn resolve(sources: &Sources) -> Result<Settings, Vec<ConfigProblem>> {
    let mut layers = Layers::default();
    if apply(sources, &mut layers) {
        consistency::check(&mut layers);
        consistency::complete(&mut layers.settings);
    }
    finish(sources, layers)
}

/// Puts every source over the weaker ones. Returns `false` if a file is not TOML: what it sets is
/// then unknown, and checks of values against each other would mislead.
fn apply(sources: &Sources, layers: &mut Layers) -> bool {
    let mut is_whole = true;
    for (number, (_, text)) in files(sources).into_iter().enumerate().rev() {
        match file::parse_file(text, number) {
            Ok(file) => {
                let is_of_repository =
                    number == 0 && sources.repo_file.is_some() && !sources.is_explicit;
                let before = is_of_repository.then(|| layers.settings.clone());
                file.apply(layers, is_of_repository);
                if let Some(before) = before {
                    tightening::refuse_looser(&before, layers);
                }
            }
            Err(rejected) => {
                layers.rejected.extend(rejected);
                is_whole = false;
            }
        }
    }
    variable::apply_variables(&sources.env, layers);
    variable::apply_overrides(&sources.overrides, layers);
    is_whole
}

/// Returns the settings, or every problem.
fn finish(sources: &Sources, layers: Layers) -> Result<Settings, Vec<ConfigProblem>> {
    if layers.rejected.is_empty() {
        Ok(layers.settings)
    } else {
        Err(problems(sources, layers.rejected))
    }
}

/// The files from the strongest to the weakest; [`Origin::File`] counts in this list.
fn files(sources: &Sources) -> Vec<&(PathBuf, String)> {
    let both = [&sources.repo_file, &sources.user_file];
    both.into_iter().flatten().collect()
}

fn problems(sources: &Sources, mut rejected: Vec<Rejection>) -> Vec<ConfigProblem> {
    rejected.sort_by_key(|rejection| match &rejection.origin {
        Origin::Flag(_) => (0, 0),
        Origin::Variable(_) => (1, 0),
        Origin::File(file, span) => (2 + file, span.start),
    });
    let files = files(sources);
    let problem = |rejection: Rejection| ConfigProblem {
        location: match rejection.origin {
            Origin::Flag(flag) => Location::Flag(flag),
            Origin::Variable(name) => Location::Variable(name),
            Origin::File(file, span) => problem::locate(&files[file].0, &files[file].1, &span),
        },
        message: rejection.message,
        hint: rejection.hint,
    };
    rejected.into_iter().map(problem).collect()
}

#[cfg(test)]
mod tests;
