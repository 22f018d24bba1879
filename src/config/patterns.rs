//! The failure patterns of a configuration.

use crate::config::settings::FailureSettings;
use crate::failure::patterns::Patterns;

impl FailureSettings {
    /// Returns the user's patterns over the built-in ones.
    pub fn patterns(&self) -> Patterns {
        let below = Patterns::compiled_in();
        // The text was checked when it was read, so a journalled one is valid.
        let own = self
            .pattern_text
            .as_deref()
            .and_then(|text| Patterns::parse(text).ok());
        own.map_or_else(|| below.clone(), |own| own.over(below))
    }
}
