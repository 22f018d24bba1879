//! Trace output for diagnosis: `DISPATCH_LOG=debug`.
//!
//! A filter is a level (`error`, `warn`, `info`, `debug`, `trace`), or a level for one module as in
//! `git=debug`, or several separated by commas. Without one nothing is installed, and a span costs a
//! comparison.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The environment variable with the filter.
pub const VARIABLE: &str = "DISPATCH_LOG";

/// The crate whose modules a filter names.
const CRATE: &str = "git_dispatch";

/// An invalid filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid DISPATCH_LOG {0:?}; write it like debug, or info,git=debug")]
pub struct InvalidFilter(String);

/// Starts to write spans with their times, and events, to standard error. Standard error of a
/// detached run is `runner.log` in its folder.
///
/// # Errors
/// When the filter is invalid; then nothing is written.
pub fn start(filter: &str) -> Result<(), InvalidFilter> {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_span_events(FmtSpan::CLOSE);
    let registry = tracing_subscriber::registry()
        .with(parse_filter(filter)?)
        .with(lines);
    // Fails only if the process has a subscriber already, which then writes.
    let _ = registry.try_init();
    Ok(())
}

/// Parses `info,git=debug`.
fn parse_filter(filter: &str) -> Result<Targets, InvalidFilter> {
    let invalid = || InvalidFilter(filter.to_owned());
    let mut targets = Targets::new();
    for part in filter.split(',').map(str::trim) {
        let (module, level) = match part.split_once('=') {
            Some((module, level)) => (Some(module.trim()), level.trim()),
            None => (None, part),
        };
        if level.is_empty() || module == Some("") {
            return Err(invalid());
        }
        let level: LevelFilter = level.parse().map_err(|_| invalid())?;
        targets = match module {
            Some(module) => targets.with_target(format!("{CRATE}::{module}"), level),
            None => targets.with_default(level),
        };
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn shows(filter: &str, module: &str, level: Level) -> bool {
        let targets = parse_filter(filter);
        targets.is_ok_and(|targets| targets.would_enable(&format!("{CRATE}::{module}"), &level))
    }

    #[test]
    fn a_level_is_for_all_modules_unless_one_is_named() {
        assert!(shows("debug", "git::command", Level::DEBUG));
        assert!(!shows("info", "git::command", Level::DEBUG));
        assert!(shows("info, base = debug", "base::process", Level::DEBUG));
        assert!(!shows("base=debug", "engine::run", Level::ERROR));
    }

    #[test]
    fn an_invalid_filter_is_refused() {
        for filter in ["loud", "git=", "=debug", "debug,,info", ""] {
            assert!(parse_filter(filter).is_err(), "{filter:?}");
        }
    }
}
