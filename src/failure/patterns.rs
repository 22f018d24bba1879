//! Known error texts and their failure classes: `patterns.toml`, compiled in and parsed once.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::model::failure::FailureClass;

/// The supported version of the file format.
const VERSION: u32 = 1;

static COMPILED_IN: LazyLock<Patterns> = LazyLock::new(|| {
    // A test parses the same text, so an invalid file fails the tests.
    Patterns::parse(include_str!("patterns.toml")).unwrap_or_default()
});

/// Names and texts, each with its failure class.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    aliases: BTreeMap<String, FailureClass>,
    texts: Vec<(String, FailureClass)>,
    rate_limits: Vec<String>,
}

/// An error in a pattern file.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// Invalid TOML or unknown keys.
    #[error("the file cannot be parsed")]
    Form(#[from] toml::de::Error),
    /// Unsupported version.
    #[error("unsupported version {0}; only version {VERSION} is supported")]
    Version(u32),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    aliases: BTreeMap<FailureClass, Vec<String>>,
    #[serde(default)]
    rate_limits: Vec<String>,
    #[serde(default)]
    pattern: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    class: FailureClass,
    texts: Vec<String>,
}

impl Patterns {
    /// Returns the patterns compiled into the program.
    pub fn compiled_in() -> &'static Patterns {
        &COMPILED_IN
    }

    /// Parses a pattern file.
    ///
    /// # Errors
    /// Fails if the format or the version is not supported.
    pub fn parse(text: &str) -> Result<Patterns, PatternError> {
        let file: File = toml::from_str(text)?;
        if file.version != VERSION {
            return Err(PatternError::Version(file.version));
        }
        let named = |(class, names): (FailureClass, Vec<String>)| {
            let names = names
                .into_iter()
                .map(move |name| (normal_name(&name), class));
            names.collect::<Vec<_>>()
        };
        let lowered = |entry: Entry| {
            let class = entry.class;
            let texts = entry
                .texts
                .into_iter()
                .map(move |t| (t.to_lowercase(), class));
            texts.collect::<Vec<_>>()
        };
        Ok(Patterns {
            aliases: file.aliases.into_iter().flat_map(named).collect(),
            texts: file.pattern.into_iter().flat_map(lowered).collect(),
            rate_limits: file.rate_limits.iter().map(|t| t.to_lowercase()).collect(),
        })
    }

    /// Combines the patterns with lower-ranking ones.
    #[must_use]
    pub fn over(mut self, below: &Patterns) -> Patterns {
        let mut aliases = below.aliases.clone();
        aliases.append(&mut self.aliases);
        self.texts.extend_from_slice(&below.texts);
        self.rate_limits.extend_from_slice(&below.rate_limits);
        Patterns {
            aliases,
            texts: self.texts,
            rate_limits: self.rate_limits,
        }
    }

    /// Returns the class for a worker's name of it, if known.
    pub fn class_of_name(&self, name: &str) -> Option<FailureClass> {
        let name = normal_name(name);
        let own = match name.as_str() {
            "transient" => Some(FailureClass::Transient),
            "quota" => Some(FailureClass::Quota),
            "input" => Some(FailureClass::Input),
            "logic" => Some(FailureClass::Logic),
            "conflict" => Some(FailureClass::Conflict),
            "blocker" => Some(FailureClass::Blocker),
            _ => None,
        };
        own.or_else(|| self.aliases.get(&name).copied())
    }

    /// Returns `true` if the text of a transient failure names a rate limit.
    pub fn is_rate_limit(&self, words: &str) -> bool {
        let words = words.to_lowercase();
        self.rate_limits.iter().any(|text| words.contains(text))
    }

    /// Finds the first known text in the lines, with its class.
    pub fn find<'a>(&'a self, lines: &[String]) -> Option<(&'a str, FailureClass)> {
        let lines: Vec<_> = lines.iter().map(|line| line.to_lowercase()).collect();
        let stands = |text: &str| lines.iter().any(|line| line.contains(text));
        let found = self.texts.iter().find(|(text, _)| stands(text));
        found.map(|(text, class)| (text.as_str(), *class))
    }
}

/// Normalises `Rate_Limit Error` to `rate-limit`.
fn normal_name(name: &str) -> String {
    let name = name.trim().to_lowercase().replace(['_', ' '], "-");
    name.strip_suffix("-error").unwrap_or(&name).to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_compiled_in_file_is_read_whole() {
        let patterns = Patterns::parse(include_str!("patterns.toml")).unwrap();
        assert!(patterns.aliases.len() > 50 && patterns.texts.len() > 50);
        assert_eq!(patterns.texts.len(), Patterns::compiled_in().texts.len());
    }

    #[test]
    fn names_are_known_in_any_spelling() {
        let class = |name| Patterns::compiled_in().class_of_name(name);
        assert_eq!(class("rate_limit"), Some(FailureClass::Transient));
        assert_eq!(class("Rate Limit Error"), Some(FailureClass::Transient));
        assert_eq!(class(" INPUT_ERROR"), Some(FailureClass::Input));
        assert_eq!(class("usage-limit"), Some(FailureClass::Quota));
        assert_eq!(class("billing"), Some(FailureClass::Blocker));
        assert_eq!(class("cancelled"), None, "only dispatch cancels");
        assert_eq!(class("dunno"), None);
    }

    #[test]
    fn the_users_patterns_go_before_the_compiled_in_ones() {
        let own = "version = 1\naliases.blocker = ['flaky']\n\
                   [[pattern]]\nclass = 'input'\ntexts = ['Overloaded']";
        let both = Patterns::parse(own).unwrap().over(Patterns::compiled_in());
        let class = |text: &str| both.find(&[text.to_owned()]).map(|(_, class)| class);
        assert_eq!(class("529 OVERLOADED"), Some(FailureClass::Input));
        assert_eq!(class("econnreset"), Some(FailureClass::Transient));
        assert_eq!(both.class_of_name("flaky"), Some(FailureClass::Blocker));
        assert_eq!(both.class_of_name("billing"), Some(FailureClass::Blocker));
    }

    #[test]
    fn another_version_or_form_is_an_error() {
        let error = |text| Patterns::parse(text).unwrap_err().to_string();
        assert!(error("version = 2").contains("version 2"));
        assert!(error("version = 1\n[[pattern]]\nclass = 'odd'\ntexts = []").contains("parsed"));
    }
}
