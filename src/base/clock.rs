//! The clock, which tests can freeze, and durations as text.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A source of the current time. `DISPATCH_CLOCK=<RFC 3339>` freezes it, so that tests and
/// recordings are reproducible.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    frozen: Option<Timestamp>,
}

impl Clock {
    /// The system's clock, or a frozen one if the environment sets it.
    pub fn from_env() -> Clock {
        let frozen = std::env::var("DISPATCH_CLOCK")
            .ok()
            .and_then(|text| text.parse().ok());
        Clock { frozen }
    }

    /// A clock that always returns this time.
    pub fn frozen(at: Timestamp) -> Clock {
        Clock { frozen: Some(at) }
    }

    /// Returns `true` if time stands still, so that nothing can be waited for.
    pub fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Returns the current time in milliseconds.
    pub fn now(&self) -> Timestamp {
        let now = self.frozen.unwrap_or_else(Timestamp::now);
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }
}

/// An invalid duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid duration {0:?}; write it like 90s, 30m, 2h or 1h30m")]
pub struct BadDuration(String);

/// Parses `90s`, `30m`, `2h`, `1h 30m`: numbers with units, above zero.
///
/// # Errors
/// When it is anything else, negative, zero or without a unit.
pub fn parse_duration(text: &str) -> Result<Duration, BadDuration> {
    let bad = || BadDuration(text.to_owned());
    let span: SignedDuration = text.trim().parse().map_err(|_| bad())?;
    match Duration::try_from(span) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(bad()),
    }
}

/// Renders a duration for [`parse_duration`]: `1h30m`, `90s`, `250ms`.
pub fn render_duration(duration: Duration) -> String {
    let millis = duration.as_millis() as u64;
    let parts = [
        (millis / 3_600_000, "h"),
        (millis / 60_000 % 60, "m"),
        (millis / 1000 % 60, "s"),
        (millis % 1000, "ms"),
    ];
    let text: String = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{n}{unit}"))
        .collect();
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

/// Renders an elapsed time, rounded to the nearest second: `8s`, `2m 10s`, `1h 5m`; below a second `0.3s`.
/// A time that was measured twice, a few milliseconds apart, is then the same in nearly all places.
pub fn render_elapsed(duration: Duration) -> String {
    let seconds = (duration + Duration::from_millis(500)).as_secs();
    match seconds {
        _ if duration < Duration::from_millis(950) => format!("{:.1}s", duration.as_secs_f64()),
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_elapsed_time_is_rounded_to_the_nearest_second() {
        let shown = |millis| render_elapsed(Duration::from_millis(millis));
        for (millis, text) in [
            (0, "0.0s"),
            (340, "0.3s"),
            (949, "0.9s"),
            (950, "1s"),
            (3997, "4s"),
            (4003, "4s"),
            (59_400, "59s"),
            (59_600, "1m 0s"),
            (130_000, "2m 10s"),
            (3_900_000, "1h 5m"),
        ] {
            assert_eq!(shown(millis), text);
        }
    }
}
