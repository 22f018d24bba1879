//! Reads the text of a configuration file into the settings.

use toml::Spanned;
use toml::de::DeTable;

use crate::base::text::did_you_mean;
use crate::config::executor_keys::{EXECUTOR_KEYS, set_executor};
use crate::config::invalid::{Invalid, Origin, Rejection};
use crate::config::kind::{Toml, profile_name, type_of};
use crate::config::layers::Layers;
use crate::config::settings::Settings;
use crate::config::worker_keys::{WORKER_KEYS, set_worker};
use crate::model::executor::ExecutorProfile;
use crate::model::worker::Worker;

/// The parsed text of a file.
#[derive(Debug)]
pub(super) struct ConfigFile<'a> {
    root: Spanned<DeTable<'a>>,
    /// Its number among the sources.
    number: usize,
}

/// Parses a file.
///
/// # Errors
/// When the text is not TOML.
pub(super) fn parse_file(text: &str, number: usize) -> Result<ConfigFile<'_>, Vec<Rejection>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(ConfigFile { root, number });
    }
    let reject = |error: &toml::de::Error| {
        let origin = Origin::File(number, error.span().unwrap_or(0..0));
        Rejection::new(&origin, Invalid::syntax(error.message()))
    };
    Err(errors.iter().map(reject).collect())
}

impl ConfigFile<'_> {
    /// Puts its values over the weaker ones. The file of a repository cannot grant trust.
    pub(super) fn apply(&self, layers: &mut Layers, is_of_repository: bool) {
        for (name, value) in self.root.get_ref().iter() {
            let table: &str = name.get_ref();
            let is_known = Settings::TABLES.iter().any(|(known, _)| *known == table);
            if table == "workers" {
                self.apply_profiles(WORKER, value, layers);
            } else if table == "executors" {
                self.apply_profiles(EXECUTOR, value, layers);
            } else if table == "trust" && is_of_repository {
                self.reject_keys(value, layers);
            } else if is_known {
                self.apply_table(table, value, layers);
            } else {
                let invalid = unknown_table(table);
                layers.reject(&self.at(name.span()), invalid);
            }
        }
    }

    fn at(&self, span: std::ops::Range<usize>) -> Origin {
        Origin::File(self.number, span)
    }

    fn apply_table(&self, table: &str, value: &Toml<'_>, layers: &mut Layers) {
        let Some(entries) = value.get_ref().as_table() else {
            return layers.reject(&self.at(value.span()), not_a_table(table, value));
        };
        for (key, value) in entries.iter() {
            let origin = self.at(value.span());
            if !layers.set((table, key.get_ref()), value, &origin) {
                let invalid = unknown_key(table, key.get_ref());
                layers.reject(&self.at(key.span()), invalid);
            }
        }
    }

    fn reject_keys(&self, value: &Toml<'_>, layers: &mut Layers) {
        for (key, _) in value.get_ref().as_table().into_iter().flatten() {
            layers.reject(&self.at(key.span()), own_file_only());
        }
    }

    fn apply_profiles(&self, kind: ProfileKind, value: &Toml<'_>, layers: &mut Layers) {
        let Some(profiles) = value.get_ref().as_table() else {
            return layers.reject(&self.at(value.span()), not_a_table(kind.table, value));
        };
        for (name, value) in profiles.iter() {
            let origin = self.at(name.span());
            match profile_name(kind.noun, name.get_ref()) {
                Ok(()) => self.apply_profile(kind, name.get_ref(), &origin, value, layers),
                Err(invalid) => layers.reject(&origin, invalid),
            }
        }
    }

    fn apply_profile(
        &self,
        kind: ProfileKind,
        name: &str,
        origin: &Origin,
        value: &Toml<'_>,
        layers: &mut Layers,
    ) {
        let table = format!("{}.{name}", kind.table);
        let Some(entries) = value.get_ref().as_table() else {
            return layers.reject(&self.at(value.span()), not_a_table(&table, value));
        };
        layers.remember(&table, "", origin);
        for (key, value) in entries.iter() {
            let origin = self.at(value.span());
            if (kind.set)(layers, name, key.get_ref(), value, &origin) {
                layers.remember(&table, key.get_ref(), &origin);
            } else {
                let invalid = unknown_key_among(&table, key.get_ref(), &(kind.keys)());
                layers.reject(&self.at(key.span()), invalid);
            }
        }
        // A profile without keys exists, too.
        (kind.make)(layers, name);
    }
}

/// A kind of profiles, each a table of its own.
#[derive(Clone, Copy)]
struct ProfileKind {
    table: &'static str,
    noun: &'static str,
    keys: fn() -> Vec<&'static str>,
    make: fn(&mut Layers, &str),
    set: fn(&mut Layers, &str, &str, &Toml<'_>, &Origin) -> bool,
}

const WORKER: ProfileKind = ProfileKind {
    table: "workers",
    noun: "worker",
    keys: || WORKER_KEYS.iter().map(|key| key.name).collect(),
    make: |layers, name| {
        worker_of(layers, name);
    },
    set: |layers, name, key, value, origin| {
        worker_of(layers, name);
        let (settings, rejected) = (&mut layers.settings, &mut layers.rejected);
        let worker = settings.workers.get_mut(name);
        worker.is_some_and(|worker| set_worker(worker, key, value, origin, rejected))
    },
};

const EXECUTOR: ProfileKind = ProfileKind {
    table: "executors",
    noun: "executor",
    keys: || EXECUTOR_KEYS.iter().map(|key| key.name).collect(),
    make: |layers, name| {
        executor_of(layers, name);
    },
    set: |layers, name, key, value, origin| {
        executor_of(layers, name);
        let (settings, rejected) = (&mut layers.settings, &mut layers.rejected);
        let executor = settings.executors.get_mut(name);
        executor.is_some_and(|executor| set_executor(executor, key, value, origin, rejected))
    },
};

fn worker_of(layers: &mut Layers, name: &str) {
    let workers = &mut layers.settings.workers;
    let named = || Worker::named(name);
    workers.entry(name.to_owned()).or_insert_with(named);
}

fn executor_of(layers: &mut Layers, name: &str) {
    let executors = &mut layers.settings.executors;
    let named = || ExecutorProfile::named(name);
    executors.entry(name.to_owned()).or_insert_with(named);
}

fn own_file_only() -> Invalid {
    Invalid::new(
        "[trust] is not read from a repository",
        "set it in your own file, ~/.config/dispatch/config.toml",
    )
}

fn unknown_table(table: &str) -> Invalid {
    let mut tables: Vec<_> = Settings::TABLES.iter().map(|(table, _)| *table).collect();
    tables.extend(["workers", "executors"]);
    let hint = match (
        did_you_mean(table, tables.iter().copied()),
        table_of_key(table),
    ) {
        (Some(near), _) => format!("did you mean [{near}]?"),
        (None, Some(home)) => format!("{table} is a key of [{home}]"),
        (None, None) => format!("valid tables are {}", tables.join(", ")),
    };
    Invalid::new(format!("unknown table {table:?}"), hint)
}

fn not_a_table(table: &str, value: &Toml<'_>) -> Invalid {
    Invalid::new(
        format!("[{table}] must be a table, found {}", type_of(value)),
        format!("write [{table}] on a line of its own and its keys below"),
    )
}

/// Rejects a key that a table does not have.
pub(super) fn unknown_key(table: &str, key: &str) -> Invalid {
    let keys = Settings::KEYS.iter().filter(|known| known.table == table);
    let names: Vec<_> = keys.map(|known| known.name).collect();
    unknown_key_among(table, key, &names)
}

fn unknown_key_among(table: &str, key: &str, known: &[&str]) -> Invalid {
    let hint = match (did_you_mean(key, known.iter().copied()), table_of_key(key)) {
        (Some(near), _) => format!("did you mean {near}?"),
        (None, Some(home)) => format!("{key} is a key of [{home}]"),
        (None, None) => format!("valid keys are {}", known.join(", ")),
    };
    Invalid::new(format!("unknown key {key:?} in [{table}]"), hint)
}

fn table_of_key(key: &str) -> Option<&'static str> {
    let mut keys = Settings::KEYS.iter();
    keys.find(|known| known.name == key).map(|key| key.table)
}
