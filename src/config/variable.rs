//! Settings that are given as text: variables of the environment and flags of the command line.
//!
//! `DISPATCH_<TABLE>_<KEY>` stands for `key` in `[table]`: `DISPATCH_RUN_MAX_PARALLEL=5`. An empty
//! variable counts as absent. Worker profiles have no variables, because their names are free.

use std::borrow::Cow;
use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeValue;

use crate::base::text::did_you_mean;
use crate::config::file::{ConfigFile, unknown_key};
use crate::config::invalid::Invalid;
use crate::config::table::{Finding, Origin};
use crate::config::value::Toml;

/// Variables that mean something else: what a worker is told, and what tests set.
const RESERVED: &[&str] = &[
    "DISPATCH_RUN",
    "DISPATCH_TASK",
    "DISPATCH_TAG",
    "DISPATCH_ATTEMPT",
    "DISPATCH_BASE",
    "DISPATCH_RESULT_FILE",
    "DISPATCH_PROMPT_FILE",
    "DISPATCH_CONFLICTS_FILE",
    "DISPATCH_CLOCK",
    "DISPATCH_SEED",
    "DISPATCH_COOKIE",
    "DISPATCH_FAULT",
    "DISPATCH_FAULT_DONE",
    "DISPATCH_FAULT_LIST",
    "DISPATCH_BLESS",
    "DISPATCH_UPDATE_GOLDEN",
    "DISPATCH_DIFFERENTIAL_PAIRS",
    "DISPATCH_DEPTH",
    "DISPATCH_REAL_AGENTS",
    "DISPATCH_PORT_BASE",
];

/// What flags of the command line say about settings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Overrides(Vec<Override>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Override {
    flag: String,
    key: String,
    text: String,
}

impl Overrides {
    /// Adds what a flag says, if it was given: `with("--max-parallel", "run.max_parallel", args.n)`.
    /// A list is written as in the file: `["one", "two"]`.
    #[must_use]
    pub fn with(mut self, flag: &str, key: &str, value: Option<impl ToString>) -> Overrides {
        self.0.extend(value.map(|value| Override {
            flag: flag.to_owned(),
            key: key.to_owned(),
            text: value.to_string(),
        }));
        self
    }
}

/// The variable that stands for a key.
pub fn variable_name(table: &str, key: &str) -> String {
    format!("DISPATCH_{table}_{key}").to_uppercase()
}

fn every_key() -> impl Iterator<Item = (&'static str, &'static str)> {
    ConfigFile::TABLES
        .iter()
        .flat_map(|(table, keys)| keys.iter().map(move |key| (*table, *key)))
}

/// What the environment says.
pub(super) fn parse_variables(
    env: &BTreeMap<String, String>,
    found: &mut Vec<Finding>,
) -> ConfigFile {
    let mut config = ConfigFile::default();
    for path in every_key() {
        let name = variable_name(path.0, path.1);
        if let Some(text) = env.get(&name).filter(|text| !text.is_empty()) {
            set_text(&mut config, path, text, &Origin::Variable(name), found);
        }
    }
    config
}

/// What the command line says.
pub(super) fn parse_overrides(overrides: &Overrides, found: &mut Vec<Finding>) -> ConfigFile {
    let mut config = ConfigFile::default();
    for Override { flag, key, text } in &overrides.0 {
        let path = key.split_once('.').unwrap_or((key, ""));
        set_text(&mut config, path, text, &Origin::Flag(flag.clone()), found);
    }
    config
}

/// A text may stand for itself or be a value as the file has it. What begins like a quoted text or
/// a list is tried as such first; findings are kept from the reading that got further.
fn set_text(
    config: &mut ConfigFile,
    path: (&str, &str),
    text: &str,
    origin: &Origin,
    found: &mut Vec<Finding>,
) {
    let plain = Spanned::new(0..0, DeValue::String(Cow::Borrowed(text)));
    let mut readings: Vec<Toml<'_>> = vec![plain];
    if let Ok(value) = DeValue::parse(text) {
        let first = if text.starts_with(['[', '"', '\'']) {
            0
        } else {
            1
        };
        readings.insert(first, value);
    }
    let mut first_findings = None;
    for reading in &readings {
        let mut findings = Vec::new();
        if !config.set(path, reading, origin, &mut findings) {
            return found.push(unknown(path, origin));
        }
        if findings.is_empty() {
            return;
        }
        let mistyped = |finding: &Finding| finding.wrong.message.starts_with("expected ");
        if first_findings.is_none() || !findings.iter().any(mistyped) {
            first_findings = Some(findings);
        }
    }
    found.extend(first_findings.into_iter().flatten());
}

fn unknown((table, key): (&str, &str), origin: &Origin) -> Finding {
    let tables = ConfigFile::TABLES;
    let wrong = match tables.iter().find(|(name, _)| *name == table) {
        Some((_, keys)) => unknown_key(table, key, keys),
        None => {
            let all: Vec<_> = tables.iter().map(|(name, _)| *name).collect();
            Invalid::new(
                format!("there is no table {table:?}"),
                format!("write table.key; tables are {}", all.join(", ")),
            )
        }
    };
    Finding {
        origin: origin.clone(),
        wrong,
    }
}

/// A sentence for every `DISPATCH_` variable that means nothing, to be shown as a warning.
pub fn unknown_variables(env: &BTreeMap<String, String>) -> Vec<String> {
    let known: Vec<_> = every_key().map(|(t, k)| variable_name(t, k)).collect();
    let strange = env.keys().filter(|name| {
        let known = known.contains(name) || RESERVED.contains(&name.as_str());
        name.starts_with("DISPATCH_") && !known
    });
    let sentence = |name: &String| {
        // The common beginning would make every name look near.
        let bare = |name: &str| name.trim_start_matches("DISPATCH_").to_owned();
        let known: Vec<_> = known.iter().map(|name| bare(name)).collect();
        match did_you_mean(&bare(name), known.iter().map(String::as_str)) {
            Some(near) => {
                format!("the variable {name} means nothing; did you mean DISPATCH_{near}?")
            }
            None => format!("the variable {name} means nothing"),
        }
    };
    strange.map(sentence).collect()
}
