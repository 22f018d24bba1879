//! Kinds of numbers and flags: counts, money, time, sizes.

use std::time::Duration;

use toml::de::DeValue;

use crate::base::clock::{parse_duration, render_duration};
use crate::config::invalid::Invalid;
use crate::config::kind::{Kind, Toml, expected, invalid};
use crate::config::pool_size::PoolSize;

/// A number of things, at least 1.
pub(in crate::config) struct Count;

impl Kind for Count {
    type Value = usize;

    fn read(value: &Toml<'_>) -> Result<usize, Vec<Invalid>> {
        match usize::try_from(whole(value)?) {
            Ok(0) | Err(_) => predicate("must be at least 1", "write 1 for one at a time"),
            Ok(count) => Ok(count),
        }
    }

    fn to_toml(value: &usize) -> toml::Value {
        i64::try_from(*value).unwrap_or(i64::MAX).into()
    }
}

/// A number of repetitions; 0 is allowed.
pub(in crate::config) struct Times;

impl Kind for Times {
    type Value = u32;

    fn read(value: &Toml<'_>) -> Result<u32, Vec<Invalid>> {
        u32::try_from(whole(value)?)
            .or_else(|_| predicate("must be 0 or more", "write 0 for never"))
    }

    fn to_toml(value: &u32) -> toml::Value {
        (*value).into()
    }
}

/// The size of the pool of worktrees: 0, a number or `"auto"`.
pub(in crate::config) struct Pool;

impl Kind for Pool {
    type Value = PoolSize;

    fn read(value: &Toml<'_>) -> Result<PoolSize, Vec<Invalid>> {
        match value.get_ref() {
            DeValue::String(text) if text == "auto" => Ok(PoolSize::Auto),
            DeValue::Integer(_) => match usize::try_from(whole(value)?) {
                Ok(0) => Ok(PoolSize::Off),
                Ok(most) => Ok(PoolSize::Most(most)),
                Err(_) => predicate("must be 0 or more", "write 0 for no pool"),
            },
            _ => expected("\"auto\" or an integer", "\"auto\"", value),
        }
    }

    fn to_toml(value: &PoolSize) -> toml::Value {
        match value {
            PoolSize::Off => 0.into(),
            PoolSize::Auto => "auto".into(),
            PoolSize::Most(most) => i64::try_from(*most).unwrap_or(i64::MAX).into(),
        }
    }
}

/// An amount of dollars above zero.
pub(in crate::config) struct Dollars;

impl Kind for Dollars {
    type Value = f64;

    fn read(value: &Toml<'_>) -> Result<f64, Vec<Invalid>> {
        above_zero(value, "an amount of dollars", "20.0")
    }

    fn to_toml(value: &f64) -> toml::Value {
        (*value).into()
    }
}

/// A number of processors above zero, such as 1.5.
pub(in crate::config) struct Processors;

impl Kind for Processors {
    type Value = f64;

    fn read(value: &Toml<'_>) -> Result<f64, Vec<Invalid>> {
        above_zero(value, "a number of processors", "1.5")
    }

    fn to_toml(value: &f64) -> toml::Value {
        (*value).into()
    }
}

/// A share of the processors, from 1 to 10,000.
pub(in crate::config) struct Weight;

impl Kind for Weight {
    type Value = usize;

    fn read(value: &Toml<'_>) -> Result<usize, Vec<Invalid>> {
        match usize::try_from(whole(value)?) {
            Ok(weight @ 1..=10_000) => Ok(weight),
            _ => predicate(
                "must be from 1 to 10000",
                "write 50 for half of what others get",
            ),
        }
    }

    fn to_toml(value: &usize) -> toml::Value {
        Count::to_toml(value)
    }
}

/// A duration above zero.
pub(in crate::config) struct Time;

impl Kind for Time {
    type Value = Duration;

    fn read(value: &Toml<'_>) -> Result<Duration, Vec<Invalid>> {
        const EXAMPLES: &str = "\"90s\", \"30m\", \"2h\" or \"1h30m\"";
        let Some(text) = value.get_ref().as_str() else {
            return expected("a duration", EXAMPLES, value);
        };
        parse_duration(text).or_else(|_| {
            invalid(
                format!("invalid duration {text:?}"),
                format!("write it like {EXAMPLES}"),
            )
        })
    }

    fn to_toml(value: &Duration) -> toml::Value {
        render_duration(*value).into()
    }
}

/// A number of bytes above zero.
pub(in crate::config) struct Size;

/// Units of sizes; the largest that divides a size is written.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl Kind for Size {
    type Value = u64;

    fn read(value: &Toml<'_>) -> Result<u64, Vec<Invalid>> {
        const EXAMPLES: &str = "\"512KiB\", \"8MiB\", \"1GiB\" or a number of bytes";
        let (bytes, written) = match value.get_ref() {
            DeValue::Integer(number) => (u64::try_from(whole(value)?).ok(), number.to_string()),
            DeValue::String(text) => (parse_size(text), format!("{text:?}")),
            _ => return expected("a size", EXAMPLES, value),
        };
        match bytes {
            Some(bytes) if bytes > 0 => Ok(bytes),
            _ => invalid(
                format!("invalid size {written}"),
                format!("write it like {EXAMPLES}"),
            ),
        }
    }

    fn to_toml(value: &u64) -> toml::Value {
        let fits = |(_, size): &&(&str, u64)| value.is_multiple_of(*size);
        let (unit, size) = UNITS.iter().find(fits).unwrap_or(&("B", 1));
        format!("{}{unit}", value / size).into()
    }
}

/// Parses `512KiB`, `8 MiB`, `1GB` or a plain number of bytes.
fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: u64 = text[..text.len() - unit.len()].parse().ok()?;
    let unit = unit.trim();
    if unit.is_empty() {
        return Some(number);
    }
    let (_, size) = UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.checked_mul(*size)
}

/// `true` or `false`.
pub(in crate::config) struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn read(value: &Toml<'_>) -> Result<bool, Vec<Invalid>> {
        match value.get_ref().as_bool() {
            Some(flag) => Ok(flag),
            None => expected("true or false", "true", value),
        }
    }

    fn to_toml(value: &bool) -> toml::Value {
        (*value).into()
    }
}

fn above_zero(
    value: &Toml<'_>,
    what: &'static str,
    example: &'static str,
) -> Result<f64, Vec<Invalid>> {
    let number = match value.get_ref() {
        DeValue::Integer(_) => whole(value)? as f64,
        DeValue::Float(number) => number.as_str().parse().unwrap_or(f64::NAN),
        _ => return expected(what, example, value),
    };
    if number.is_finite() && number > 0.0 {
        Ok(number)
    } else {
        predicate("must be above zero", "write \"\" for no limit")
    }
}

fn whole(value: &Toml<'_>) -> Result<i64, Vec<Invalid>> {
    match value.get_ref() {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .or_else(|_| invalid("number too large", "write a smaller number")),
        _ => expected("an integer", "3", value),
    }
}

fn predicate<T>(message: &'static str, hint: &str) -> Result<T, Vec<Invalid>> {
    Err(vec![Invalid::predicate(message, hint)])
}
