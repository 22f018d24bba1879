//! Keys of the configuration, each declared once.
//!
//! The macros below turn one declaration into the settings, their defaults, the reading of files,
//! variables and flags, the hints for unknown keys, the example file and the reference.

use crate::config::invalid::{Invalid, Origin, Rejection};
use crate::config::kind::{Kind, Toml};

/// A key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key<T: 'static> {
    /// The table: `run`.
    pub table: &'static str,
    /// The key: `max_parallel`.
    pub name: &'static str,
    /// The meaning, line by line, each with a space in front.
    pub(super) doc: &'static [&'static str],
    /// Writes its value.
    pub(super) to_toml: fn(&T) -> toml::Value,
}

impl<T> Key<T> {
    /// Returns the environment variable of the key: `DISPATCH_RUN_MAX_PARALLEL`.
    pub fn variable(&self) -> String {
        format!("DISPATCH_{}_{}", self.table, self.name).to_uppercase()
    }

    /// Returns the meaning in one paragraph.
    pub fn meaning(&self) -> String {
        let lines: Vec<&str> = self.doc.iter().map(|line| line.trim()).collect();
        lines.join(" ")
    }
}

/// Reads a value into its slot; reports what is invalid instead.
pub(super) fn read_into<K: Kind>(
    slot: &mut K::Value,
    key: &str,
    value: &Toml<'_>,
    origin: &Origin,
    rejected: &mut Vec<Rejection>,
) {
    match K::read(value) {
        Ok(value) => K::put(slot, value),
        Err(all) => {
            let reject = |invalid: Invalid| Rejection::of_key(key, origin, invalid);
            rejected.extend(all.into_iter().map(reject));
        }
    }
}

/// Declares the tables of the configuration: `table: Type { key: type as Kind = default, … }`.
/// `with` adds fields that are kept with a run but are not keys.
macro_rules! tables {
    ($($(#[doc = $table_doc:literal])+ $table:ident: $name:ident {
        $($(#[doc = $doc:literal])+ $key:ident: $type:ty as $kind:ty = $default:expr,)*
    } $(with { $($(#[doc = $extra_doc:literal])+ $extra:ident: $extra_type:ty,)* })?)*) => {
        $(
            #[doc = concat!("`[", stringify!($table), "]`:")]
            $(#[doc = $table_doc])+
            #[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
            #[serde(default)]
            pub struct $name {
                $($(#[doc = $doc])+ pub $key: $type,)*
                $($($(#[doc = $extra_doc])+ pub $extra: $extra_type,)*)?
            }

            impl Default for $name {
                fn default() -> $name {
                    $name {
                        $($key: $default,)*
                        $($($extra: Default::default(),)*)?
                    }
                }
            }
        )*

        /// All settings; every value is present and valid.
        #[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct Settings {
            $($(#[doc = $table_doc])+ pub $table: $name,)*
            /// The worker profiles by name: the built-in ones and those of `[workers.NAME]`.
            pub workers: std::collections::BTreeMap<String, crate::model::worker::Worker>,
            /// The executors of `[executors.NAME]` by name.
            #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
            pub executors:
                std::collections::BTreeMap<String, crate::model::executor::ExecutorProfile>,
            /// The settings that the repository's own file brought and that need consent. A run that was
            /// started has it, so its journal keeps none.
            #[serde(skip)]
            pub brought: Option<crate::config::brought::Brought>,
        }

        impl Default for Settings {
            fn default() -> Settings {
                Settings {
                    $($table: $name::default(),)*
                    workers: crate::config::builtin::workers(),
                    executors: std::collections::BTreeMap::new(),
                    brought: None,
                }
            }
        }

        impl Settings {
            /// Every key of every table except `[workers.NAME]`.
            pub const KEYS: &'static [crate::config::keys::Key<Settings>] = &[$($(
                crate::config::keys::Key {
                    table: stringify!($table),
                    name: stringify!($key),
                    doc: &[$($doc),+],
                    to_toml: |settings| {
                        <$kind as crate::config::kind::Kind>::to_toml(&settings.$table.$key)
                    },
                },
            )*)*];

            /// The tables with their descriptions.
            pub(super) const TABLES: &'static [(&'static str, &'static str)] =
                &[$((stringify!($table), concat!($($table_doc),+))),*];

            /// Reads the value of a key; `false` if there is no such key.
            pub(super) fn set(
                &mut self,
                (table, key): (&str, &str),
                value: &crate::config::kind::Toml<'_>,
                origin: &crate::config::invalid::Origin,
                rejected: &mut Vec<crate::config::invalid::Rejection>,
            ) -> bool {
                match (table, key) {
                    $($((stringify!($table), stringify!($key)) => {
                        let slot = &mut self.$table.$key;
                        crate::config::keys::read_into::<$kind>(slot, key, value, origin, rejected);
                    })*)*
                    _ => return false,
                }
                true
            }
        }
    };
}

/// Declares the keys of `[NAME.…]`, which are fields of a profile.
macro_rules! profile_keys {
    ($all:ident, $set:ident, $profile:ty, $table:literal;
     $($(#[doc = $doc:literal])+ $key:ident: $kind:ty,)*) => {
        #[doc = concat!("Every key of `[", $table, "]`.")]
        pub const $all: &[crate::config::keys::Key<$profile>] = &[$(
            crate::config::keys::Key {
                table: $table,
                name: stringify!($key),
                doc: &[$($doc),+],
                to_toml: |profile| <$kind as crate::config::kind::Kind>::to_toml(&profile.$key),
            },
        )*];

        /// Reads the value of a key of a profile; `false` if there is no such key.
        pub(super) fn $set(
            profile: &mut $profile,
            key: &str,
            value: &crate::config::kind::Toml<'_>,
            origin: &crate::config::invalid::Origin,
            rejected: &mut Vec<crate::config::invalid::Rejection>,
        ) -> bool {
            match key {
                $(stringify!($key) => {
                    let slot = &mut profile.$key;
                    crate::config::keys::read_into::<$kind>(slot, key, value, origin, rejected);
                })*
                _ => return false,
            }
            true
        }
    };
}

pub(super) use {profile_keys, tables};
