//! Settings as text: environment variables and flags.
//!
//! `DISPATCH_<TABLE>_<KEY>` stands for `key` in `[table]`: `DISPATCH_RUN_MAX_PARALLEL=5`. An empty
//! variable counts as absent. Worker profiles have no variables, because their names are free.

use std::borrow::Cow;
use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeValue;

use crate::base::text::did_you_mean;
use crate::config::file::unknown_key;
use crate::config::invalid::{Invalid, Origin, Rejection};
use crate::config::kind::Toml;
use crate::config::layers::Layers;
use crate::config::settings::Settings;

/// Variables that are not settings: those of workers, of diagnosis and of tests.
const OTHER_VARIABLES: &[&str] = &[
    "DISPATCH_RUN",
    "DISPATCH_TASK",
    "DISPATCH_TAG",
    "DISPATCH_ATTEMPT",
    "DISPATCH_VARIANT",
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
    "DISPATCH_LOG",
    "DISPATCH_REAL_AGENTS",
    "DISPATCH_PORT_BASE",
    "DISPATCH_STORE",
    "DISPATCH_TEST_HASH",
    "DISPATCH_TEST_REFS",
];

/// Settings given by flags of the command line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Overrides(Vec<Override>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Override {
    flag: String,
    key: String,
    text: String,
}

impl Overrides {
    /// Adds the value of a flag that was given: `with("--max-parallel", "run.max_parallel", args.n)`.
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

/// Puts the values of variables over the weaker ones.
pub(super) fn apply_variables(env: &BTreeMap<String, String>, layers: &mut Layers) {
    for key in Settings::KEYS {
        let name = key.variable();
        if let Some(text) = env.get(&name).filter(|text| !text.is_empty()) {
            apply_text((key.table, key.name), text, &Origin::Variable(name), layers);
        }
    }
}

/// Puts the values of flags over the weaker ones.
pub(super) fn apply_overrides(overrides: &Overrides, layers: &mut Layers) {
    for Override { flag, key, text } in &overrides.0 {
        let path = key.split_once('.').unwrap_or((key, ""));
        apply_text(path, text, &Origin::Flag(flag.clone()), layers);
    }
}

/// Reads a text as a plain string and as a value of TOML. A text that begins like a string or a list
/// of TOML is tried as such first; if both fail, the errors of the better reading are kept.
fn apply_text(path: (&str, &str), text: &str, origin: &Origin, layers: &mut Layers) {
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
    let before = layers.rejected.len();
    let mut kept: Option<Vec<Rejection>> = None;
    for reading in &readings {
        if !layers.set(path, reading, origin) {
            return layers.reject(origin, unknown(path));
        }
        let rejected = layers.rejected.split_off(before);
        if rejected.is_empty() {
            return;
        }
        let has_wrong_type = rejected
            .iter()
            .any(|one| one.message.contains(": expected "));
        if kept.is_none() || !has_wrong_type {
            kept = Some(rejected);
        }
    }
    layers.rejected.extend(kept.into_iter().flatten());
}

fn unknown((table, key): (&str, &str)) -> Invalid {
    let tables: Vec<_> = Settings::TABLES.iter().map(|(name, _)| *name).collect();
    if tables.contains(&table) {
        return unknown_key(table, key);
    }
    Invalid::new(
        format!("unknown table {table:?}"),
        format!("write table.key; valid tables are {}", tables.join(", ")),
    )
}

/// Returns a warning for every unknown `DISPATCH_` variable.
pub fn unknown_variables(env: &BTreeMap<String, String>) -> Vec<String> {
    let known: Vec<_> = Settings::KEYS.iter().map(|key| key.variable()).collect();
    let unknown = env.keys().filter(|name| {
        let known = known.contains(name) || OTHER_VARIABLES.contains(&name.as_str());
        name.starts_with("DISPATCH_") && !known
    });
    let warning = |name: &String| {
        // The common prefix would make every name look near.
        let bare = |name: &str| name.trim_start_matches("DISPATCH_").to_owned();
        let known: Vec<_> = known.iter().map(|name| bare(name)).collect();
        match did_you_mean(&bare(name), known.iter().map(String::as_str)) {
            Some(near) => {
                format!("unknown variable {name}; did you mean DISPATCH_{near}?")
            }
            None => format!("unknown variable {name}"),
        }
    };
    unknown.map(warning).collect()
}
