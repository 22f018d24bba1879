//! The wire form as a whole: every table of `.dispatch.toml`, read and merged.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeTable;

use crate::base::text::did_you_mean;
use crate::config::check;
use crate::config::invalid::Invalid;
use crate::config::table::{
    AssembleTable, BoardTable, ConflictsTable, FailureTable, Finding, GithubTable, Given,
    NotifyTable, Origin, PromptTable, ResolveTable, RetryTable, RunTable, SandboxTable, Table,
    WorkerTable, WorktreeTable,
};
use crate::config::value::Toml;

macro_rules! file {
    ($($table:ident: $kind:ty,)*) => {
        /// A configuration file, or what the environment or the command line says in its place.
        #[derive(Clone, Debug, Default)]
        pub(super) struct ConfigFile {
            $(pub(super) $table: $kind,)*
            pub(super) workers: BTreeMap<String, Given<WorkerTable>>,
        }

        impl ConfigFile {
            /// Every table but `[workers.NAME]` with its keys.
            pub(super) const TABLES: &'static [(&'static str, &'static [&'static str])] =
                &[$((stringify!($table), <$kind>::KEYS)),*];

            /// Reads the value of a key; `false` if there is no such table or key.
            pub(super) fn set(
                &mut self,
                (table, key): (&str, &str),
                value: &Toml<'_>,
                origin: &Origin,
                found: &mut Vec<Finding>,
            ) -> bool {
                match table {
                    $(stringify!($table) => self.$table.set(key, value, origin, found),)*
                    _ => false,
                }
            }

            fn read_table(&mut self, name: &str, place: Place<'_>) -> bool {
                match name {
                    $(stringify!($table) => fill(&mut self.$table, place),)*
                    "workers" => self.read_workers(place),
                    _ => return false,
                }
                true
            }

            /// Takes from `below` what it does not say itself.
            pub(super) fn over(self, below: ConfigFile) -> ConfigFile {
                ConfigFile {
                    $($table: self.$table.over(below.$table),)*
                    workers: workers_over(self.workers, below.workers),
                }
            }
        }
    };
}

file! {
    run: RunTable,
    prompt: PromptTable,
    worktree: WorktreeTable,
    retry: RetryTable,
    failure: FailureTable,
    conflicts: ConflictsTable,
    assemble: AssembleTable,
    resolve: ResolveTable,
    board: BoardTable,
    notify: NotifyTable,
    sandbox: SandboxTable,
    github: GithubTable,
}

/// A table being read: its name for people, its value, the file, and what is found wrong.
struct Place<'a> {
    name: &'a str,
    value: &'a Toml<'a>,
    file: usize,
    found: &'a mut Vec<Finding>,
}

/// Reads the text of a file, which is the one at `file` among the sources. Text that is no TOML
/// gives nothing but findings.
pub(super) fn parse_file(text: &str, file: usize, found: &mut Vec<Finding>) -> Option<ConfigFile> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        found.extend(errors.iter().map(|error| syntax(error, file)));
        return None;
    }
    let mut config = ConfigFile::default();
    for (name, value) in root.get_ref().iter() {
        let place = Place {
            name: name.get_ref(),
            value,
            file,
            found: &mut *found,
        };
        if !config.read_table(name.get_ref(), place) {
            found.push(unknown_table(name, file));
        }
    }
    Some(config)
}

fn syntax(error: &toml::de::Error, file: usize) -> Finding {
    Finding {
        origin: Origin::File(file, error.span().unwrap_or(0..0)),
        wrong: Invalid {
            span: None,
            message: error.message().to_owned(),
            hint: None,
        },
    }
}

fn unknown_table<S: AsRef<str>>(name: &Spanned<S>, file: usize) -> Finding {
    let mut tables: Vec<_> = ConfigFile::TABLES.iter().map(|(table, _)| *table).collect();
    tables.push("workers");
    let text = name.get_ref().as_ref();
    let home = ConfigFile::TABLES
        .iter()
        .find(|(_, keys)| keys.contains(&text));
    let hint = match (did_you_mean(text, tables.iter().copied()), home) {
        (Some(near), _) => format!("did you mean [{near}]?"),
        (None, Some((table, _))) => format!("the key {text} belongs into [{table}]"),
        (None, None) => format!("known are {}", tables.join(", ")),
    };
    Finding {
        origin: Origin::File(file, name.span()),
        wrong: Invalid::new(format!("unknown table {text:?}"), hint),
    }
}

impl ConfigFile {
    fn read_workers(&mut self, place: Place<'_>) {
        let Some(workers) = as_table(&place) else {
            return place.found.push(no_table(&place));
        };
        for (name, value) in workers.iter() {
            let origin = Origin::File(place.file, name.span());
            if let Err(wrong) = check::worker_name(name.get_ref()) {
                place.found.push(Finding { origin, wrong });
                continue;
            }
            let mut table = WorkerTable::default();
            let title = format!("workers.{}", name.get_ref());
            fill(
                &mut table,
                Place {
                    name: &title,
                    value,
                    file: place.file,
                    found: &mut *place.found,
                },
            );
            let given = Given {
                value: table,
                origin,
            };
            self.workers.insert(name.get_ref().to_string(), given);
        }
    }
}

fn as_table<'a>(place: &Place<'a>) -> Option<&'a DeTable<'a>> {
    place.value.get_ref().as_table()
}

fn no_table(place: &Place<'_>) -> Finding {
    let (name, found) = (place.name, place.value.get_ref().type_str());
    Finding {
        origin: Origin::File(place.file, place.value.span()),
        wrong: Invalid::new(
            format!("{name} is a table, but here it has a value of the type {found}"),
            format!("write [{name}] on a line of its own and its keys below"),
        ),
    }
}

fn fill<T: Table>(table: &mut T, place: Place<'_>) {
    let Some(entries) = as_table(&place) else {
        return place.found.push(no_table(&place));
    };
    for (key, value) in entries.iter() {
        let origin = Origin::File(place.file, value.span());
        if !table.set(key.get_ref(), value, &origin, place.found) {
            let origin = Origin::File(place.file, key.span());
            let wrong = unknown_key(place.name, key.get_ref(), T::KEYS);
            place.found.push(Finding { origin, wrong });
        }
    }
}

/// What to say about a key that a table does not have.
pub(super) fn unknown_key(table: &str, key: &str, known: &[&str]) -> Invalid {
    let home = ConfigFile::TABLES
        .iter()
        .find(|(_, keys)| keys.contains(&key));
    let hint = match (did_you_mean(key, known.iter().copied()), home) {
        (Some(near), _) => format!("did you mean {near}?"),
        (None, Some((home, _))) => format!("{key} belongs into [{home}]"),
        (None, None) => format!("known are {}", known.join(", ")),
    };
    Invalid::new(format!("unknown key {key:?} in [{table}]"), hint)
}

fn workers_over(
    above: BTreeMap<String, Given<WorkerTable>>,
    mut below: BTreeMap<String, Given<WorkerTable>>,
) -> BTreeMap<String, Given<WorkerTable>> {
    for (name, mut given) in above {
        if let Some(lower) = below.remove(&name) {
            given.value = given.value.over(lower.value);
        }
        below.insert(name, given);
    }
    below
}
