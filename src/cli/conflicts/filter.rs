//! Filters the results by severity, class and path.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::base::text::did_you_mean;
use crate::cli::conflicts::ConflictsArgs;
use crate::cli::conflicts::results::Results;
use crate::cli::error::CommandError;
use crate::merge::change::RepoPath;
use crate::merge::class::{Class, HunkClass};
use crate::merge::verdict::{PairVerdict, Unit, Verdict};

/// The filters `--severity`, `--class` and `--paths`; a pair has to pass all of them.
pub(super) struct Filter {
    severity: u8,
    classes: Vec<String>,
    paths: Option<GlobSet>,
}

impl Filter {
    /// Reads the filters from the command line.
    pub(super) fn new(args: &ConflictsArgs) -> Result<Filter, CommandError> {
        for name in &args.class {
            check_class(name)?;
        }
        let paths = match args.paths.as_slice() {
            [] => None,
            globs => Some(glob_set(globs)?),
        };
        Ok(Filter {
            severity: args.severity.unwrap_or(0),
            classes: args.class.clone(),
            paths,
        })
    }

    /// Removes pairs that do not pass.
    pub(super) fn apply(&self, mut results: Results) -> Results {
        let before = results.count_conflicts();
        results.detection.pairs.retain(|pair| self.keeps(pair));
        results.multiway.conflicts.retain(|conflict| {
            conflict.class.severity() >= self.severity
                && self.wants_class(conflict.class.name())
                && self.wants_paths(&conflict.paths)
        });
        results.hidden = before - results.count_conflicts();
        results
    }

    /// Returns `true` if a pair passes. A failure of git always does, because its units are unknown.
    pub(super) fn keeps(&self, pair: &PairVerdict) -> bool {
        if pair.verdict == Verdict::EngineFailure {
            return true;
        }
        pair.severity >= self.severity
            && (self.is_open() || pair.units.iter().any(|unit| self.wants(unit)))
    }

    /// Returns `true` if every pair passes, so that independent ones may be listed, too.
    pub(super) fn takes_all(&self) -> bool {
        self.severity == 0 && self.is_open()
    }

    /// Returns `true` without a filter on units.
    fn is_open(&self) -> bool {
        self.classes.is_empty() && self.paths.is_none()
    }

    fn wants(&self, unit: &Unit) -> bool {
        let mut hunks = unit.hunks.iter();
        let class = self.wants_class(unit.class.name())
            || hunks.any(|hunk| self.wants_class(hunk.class.name()));
        class && self.wants_paths(&unit.paths)
    }

    fn wants_class(&self, name: &str) -> bool {
        self.classes.is_empty() || self.classes.iter().any(|class| class == name)
    }

    fn wants_paths(&self, paths: &[RepoPath]) -> bool {
        let wanted = |globs: &GlobSet| paths.iter().any(|path| globs.is_match(path.to_string()));
        self.paths.as_ref().is_none_or(wanted)
    }
}

fn check_class(name: &str) -> Result<(), CommandError> {
    let classes = Class::ALL.iter().map(|class| class.name());
    let hunks = HunkClass::ALL.iter().map(|class| class.name());
    let known: Vec<&str> = classes.chain(hunks).collect();
    if known.contains(&name) {
        return Ok(());
    }
    let error = CommandError::usage(format!("invalid class of conflict {name:?}"));
    Err(match did_you_mean(name, known.iter().copied()) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint(format!("the classes are {}", known.join(", "))),
    })
}

/// Parses globs. One without a slash matches a file name in any folder, as in `.gitignore`; a folder
/// matches everything below it.
fn glob_set(globs: &[String]) -> Result<GlobSet, CommandError> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        if glob.is_empty() {
            return Err(CommandError::usage("an empty glob matches no path"));
        }
        let mut forms = vec![glob.clone(), format!("{}/**", glob.trim_end_matches('/'))];
        if !glob.contains('/') {
            forms.push(format!("**/{glob}"));
        }
        for form in forms {
            let built = GlobBuilder::new(&form).literal_separator(true).build();
            set.add(built.map_err(|error| invalid(glob, &error))?);
        }
    }
    set.build()
        .map_err(|error| invalid(&globs.join(", "), &error))
}

fn invalid(glob: &str, error: &globset::Error) -> CommandError {
    CommandError::usage(format!("invalid glob {glob:?}: {}", error.kind()))
}
