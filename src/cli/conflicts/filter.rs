//! Which of the pairs a person wants to hear about.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::base::text::did_you_mean;
use crate::cli::conflicts::{ConflictsArgs, Found};
use crate::cli::error::CommandError;
use crate::merge::change::RepoPath;
use crate::merge::verdict::{Class, HunkClass, PairVerdict, Unit, Verdict};

/// `--severity`, `--class` and `--paths`: a pair has to pass all that are given.
pub(super) struct Filter {
    severity: u8,
    classes: Vec<String>,
    paths: Option<GlobSet>,
}

impl Filter {
    /// From the command line.
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

    /// What passes. A pair that git failed on always does: nobody knows what is in it.
    pub(super) fn apply(&self, mut found: Found) -> Found {
        let before = count(&found);
        found.detection.pairs.retain(|pair| self.keeps(pair));
        found.joint.conflicts.retain(|emergent| {
            emergent.class.severity() >= self.severity
                && self.wants_class(emergent.class.name())
                && self.wants_paths(&emergent.paths)
        });
        found.hidden = before - count(&found);
        found
    }

    pub(super) fn keeps(&self, pair: &PairVerdict) -> bool {
        if pair.verdict == Verdict::EngineFailure {
            return true;
        }
        pair.severity >= self.severity
            && (self.is_open() || pair.units.iter().any(|unit| self.wants(unit)))
    }

    /// Whether it takes nothing away, so that pairs that have nothing to do with each other may be
    /// listed, too.
    pub(super) fn takes_all(&self) -> bool {
        self.severity == 0 && self.is_open()
    }

    /// Whether no filter looks at units.
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

fn count(found: &Found) -> usize {
    found.detection.conflicts().count() + found.joint.conflicts.len()
}

fn check_class(name: &str) -> Result<(), CommandError> {
    let classes = Class::ALL.iter().map(|class| class.name());
    let hunks = HunkClass::ALL.iter().map(|class| class.name());
    let known: Vec<&str> = classes.chain(hunks).collect();
    if known.contains(&name) {
        return Ok(());
    }
    let error = CommandError::usage(format!("there is no class of conflict {name:?}"));
    Err(match did_you_mean(name, known.iter().copied()) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint(format!("the classes are {}", known.join(", "))),
    })
}

/// A glob without a slash names a file wherever it stands, as in `.gitignore`; a folder stands for
/// everything below it.
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
            set.add(built.map_err(|error| not_a_glob(glob, &error))?);
        }
    }
    set.build()
        .map_err(|error| not_a_glob(&globs.join(", "), &error))
}

fn not_a_glob(glob: &str, error: &globset::Error) -> CommandError {
    CommandError::usage(format!("{glob:?} is no glob: {}", error.kind()))
}
