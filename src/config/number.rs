//! Kinds of numbers: counts, money, time, sizes.

use std::time::Duration;

use toml::de::DeValue;

use crate::base::clock::parse_duration;
use crate::config::invalid::Invalid;
use crate::config::value::{Kind, Toml, expected, wrong};

/// How many of something there may be; at least 1.
pub(super) struct Count;

impl Kind for Count {
    type Value = usize;

    fn read(value: &Toml<'_>) -> Result<usize, Vec<Invalid>> {
        match usize::try_from(whole(value)?) {
            Ok(0) | Err(_) => wrong("it must be at least 1", "write 1 for one at a time"),
            Ok(count) => Ok(count),
        }
    }
}

/// How often something may be repeated; 0 is allowed.
pub(super) struct Times;

impl Kind for Times {
    type Value = u32;

    fn read(value: &Toml<'_>) -> Result<u32, Vec<Invalid>> {
        u32::try_from(whole(value)?).or_else(|_| wrong("it must be 0 or more", "write 0 for never"))
    }
}

/// An amount of dollars above zero.
pub(super) struct Dollars;

impl Kind for Dollars {
    type Value = f64;

    fn read(value: &Toml<'_>) -> Result<f64, Vec<Invalid>> {
        let dollars = match value.get_ref() {
            DeValue::Integer(_) => whole(value)? as f64,
            DeValue::Float(number) => number.as_str().parse().unwrap_or(f64::NAN),
            _ => return expected("an amount of dollars", "20.0", value),
        };
        if dollars.is_finite() && dollars > 0.0 {
            Ok(dollars)
        } else {
            wrong(
                "the limit must be above zero",
                "write \"\" for no limit at all",
            )
        }
    }
}

/// A length of time above zero.
pub(super) struct Time;

impl Kind for Time {
    type Value = Duration;

    fn read(value: &Toml<'_>) -> Result<Duration, Vec<Invalid>> {
        const EXAMPLES: &str = "\"90s\", \"30m\", \"2h\" or \"1h30m\"";
        let Some(text) = value.get_ref().as_str() else {
            return expected("a duration", EXAMPLES, value);
        };
        parse_duration(text).or_else(|_| {
            wrong(
                format!("{text:?} is no duration"),
                format!("write it like {EXAMPLES}"),
            )
        })
    }
}

/// A number of bytes above zero.
pub(super) struct Size;

impl Kind for Size {
    type Value = u64;

    fn read(value: &Toml<'_>) -> Result<u64, Vec<Invalid>> {
        const EXAMPLES: &str = "\"512KiB\", \"8MiB\", \"1GiB\" or a number of bytes";
        let bytes = match value.get_ref() {
            DeValue::Integer(_) => u64::try_from(whole(value)?).ok(),
            DeValue::String(text) => parse_size(text),
            _ => return expected("a size", EXAMPLES, value),
        };
        match bytes {
            Some(bytes) if bytes > 0 => Ok(bytes),
            _ => wrong(
                "it is no size above zero",
                format!("write it like {EXAMPLES}"),
            ),
        }
    }
}

/// Reads `512KiB`, `8 MiB`, `1GB` or a plain number of bytes.
fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: u64 = text[..text.len() - digits.len()].parse().ok()?;
    let unit = match digits.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return None,
    };
    number.checked_mul(unit)
}

fn whole(value: &Toml<'_>) -> Result<i64, Vec<Invalid>> {
    match value.get_ref() {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .or_else(|_| wrong("the number is too large", "write a smaller one")),
        _ => expected("a whole number", "3", value),
    }
}
