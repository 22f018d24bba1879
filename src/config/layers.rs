//! Sources put over one another, from the weakest to the strongest.

use std::collections::BTreeMap;

use crate::config::invalid::{Invalid, Origin, Rejection};
use crate::config::kind::Toml;
use crate::config::settings::Settings;

/// The settings so far, the origin of each value that was given, and everything invalid.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) settings: Settings,
    origins: BTreeMap<(String, String), Origin>,
    pub(super) rejected: Vec<Rejection>,
}

impl Layers {
    /// Starts with these settings.
    pub(super) fn over(settings: Settings) -> Layers {
        Layers {
            settings,
            ..Layers::default()
        }
    }

    /// Sets a value; `false` if there is no such key.
    pub(super) fn set(
        &mut self,
        (table, key): (&str, &str),
        value: &Toml<'_>,
        origin: &Origin,
    ) -> bool {
        let rejected = &mut self.rejected;
        let is_known = self.settings.set((table, key), value, origin, rejected);
        if is_known {
            self.remember(table, key, origin);
        }
        is_known
    }

    /// Records the origin of a value; the empty key stands for the table itself.
    pub(super) fn remember(&mut self, table: &str, key: &str, origin: &Origin) {
        let path = (table.to_owned(), key.to_owned());
        self.origins.insert(path, origin.clone());
    }

    /// Returns the strongest source of a value; `None` for a default.
    pub(super) fn origin(&self, table: &str, key: &str) -> Option<&Origin> {
        self.origins.get(&(table.to_owned(), key.to_owned()))
    }

    /// Records something invalid.
    pub(super) fn reject(&mut self, origin: &Origin, invalid: Invalid) {
        self.rejected.push(Rejection::new(origin, invalid));
    }
}
