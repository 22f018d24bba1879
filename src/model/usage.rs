//! Tokens and cost, where "unknown" is never zero.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;

use serde::{Deserialize, Serialize};

/// The tokens an agent reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// The input tokens, including cached ones.
    pub input: u64,
    /// The output tokens.
    pub output: u64,
    /// The cached input tokens, if reported.
    #[serde(default)]
    pub cached: Option<u64>,
}

impl Usage {
    /// Returns the part of reported tokens that is new since an earlier total. Tokens that are not
    /// above the total are those of one call, and count in full.
    #[must_use]
    pub fn since(self, before: Usage) -> Usage {
        if self.input <= before.input || self.output < before.output {
            return self;
        }
        let earlier = before.cached.unwrap_or_default();
        Usage {
            input: self.input - before.input,
            output: self.output - before.output,
            cached: self.cached.map(|cached| cached.saturating_sub(earlier)),
        }
    }
}

impl Add for Usage {
    type Output = Usage;

    fn add(self, other: Usage) -> Usage {
        let cached = [self.cached, other.cached];
        Usage {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cached: cached.into_iter().flatten().reduce(u64::saturating_add),
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (input, output) = (grouped(self.input), grouped(self.output));
        match self.cached {
            Some(cached) if cached > 0 => {
                let cached = grouped(cached);
                write!(
                    f,
                    "{input} tokens in ({cached} from a cache), {output} tokens out"
                )
            }
            _ => write!(f, "{input} tokens in, {output} tokens out"),
        }
    }
}

/// Renders `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A cost in dollars by the agent's own estimate; in JSON a number or `null`.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Option<f64>", into = "Option<f64>")]
pub enum Cost {
    /// Not reported.
    #[default]
    Unknown,
    /// Reported, in dollars.
    Known(f64),
}

impl Cost {
    /// Returns `true` if the cost is known.
    pub fn is_known(&self) -> bool {
        !self.is_unknown()
    }

    /// Returns the part of a reported cost that is new since an earlier total; unknown if either
    /// is. An amount that is not above the total is that of one call, and counts in full.
    #[must_use]
    pub fn since(self, before: Cost) -> Cost {
        match (self, before) {
            (Cost::Known(sum), Cost::Known(before)) if sum > before => {
                Cost::Known(((sum - before) * 1e9).round() / 1e9)
            }
            (Cost::Known(own), Cost::Known(_)) => Cost::Known(own),
            _ => Cost::Unknown,
        }
    }

    /// Returns `true` if the cost is unknown.
    pub fn is_unknown(&self) -> bool {
        *self == Cost::Unknown
    }
}

impl From<Option<f64>> for Cost {
    /// Treats an invalid amount (negative, infinite) as unknown.
    fn from(dollars: Option<f64>) -> Cost {
        match dollars {
            Some(dollars) if dollars.is_finite() && dollars >= 0.0 => Cost::Known(dollars),
            _ => Cost::Unknown,
        }
    }
}

impl From<Cost> for Option<f64> {
    fn from(cost: Cost) -> Option<f64> {
        match cost {
            Cost::Known(dollars) => Some(dollars),
            Cost::Unknown => None,
        }
    }
}

/// An amount of dollars in a plan, in millionths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Dollars(u64);

impl Dollars {
    /// Parses `2`, `2.50`, `$2.50`: above zero, below a billion.
    pub fn parse(text: &str) -> Option<Dollars> {
        let text = text.trim();
        let dollars: f64 = text.strip_prefix('$').unwrap_or(text).parse().ok()?;
        let millionths = (dollars * 1e6).round();
        (1.0..1e15)
            .contains(&millionths)
            .then_some(Dollars(millionths as u64))
    }

    /// Returns the amount in dollars.
    pub fn amount(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

/// Renders `2.5`, which [`Dollars::parse`] reads back.
impl fmt::Display for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.amount())
    }
}

/// Adds two costs; the sum is unknown if either is.
impl Add for Cost {
    type Output = Cost;

    fn add(self, other: Cost) -> Cost {
        match (self, other) {
            // Rounds, so that sums of many small amounts stay readable.
            (Cost::Known(a), Cost::Known(b)) => Cost::Known(((a + b) * 1e9).round() / 1e9),
            _ => Cost::Unknown,
        }
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(mut costs: I) -> Cost {
        let first = costs.next().unwrap_or_default();
        costs.fold(first, Add::add)
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cost::Unknown => f.write_str("unknown"),
            Cost::Known(dollars) if *dollars > 0.0 && *dollars < 1.0 => write!(f, "${dollars:.4}"),
            Cost::Known(dollars) => write!(f, "${dollars:.2}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_never_zero() {
        let known = Cost::Known(0.25);
        assert_eq!([known, known].into_iter().sum::<Cost>(), Cost::Known(0.5));
        assert_eq!(
            [known, Cost::Unknown].into_iter().sum::<Cost>(),
            Cost::Unknown
        );
        assert_eq!([].into_iter().sum::<Cost>(), Cost::Unknown);
        assert_eq!(Cost::from(Some(f64::NAN)), Cost::Unknown);
        assert_eq!(serde_json::to_string(&Cost::Unknown).unwrap(), "null");
        assert_eq!(
            serde_json::from_str::<Cost>("0.25").unwrap(),
            Cost::Known(0.25)
        );
    }

    #[test]
    fn a_counter_counts_once_only_if_it_grows() {
        let since = |sum, before| Cost::Known(sum).since(Cost::Known(before));
        assert_eq!(since(0.75, 0.5), Cost::Known(0.25));
        assert_eq!(since(0.25, 0.25), Cost::Known(0.25));
        assert_eq!(since(0.1, 0.25), Cost::Known(0.1));
        assert_eq!(Cost::Known(1.0).since(Cost::Unknown), Cost::Unknown);
        let tokens = |input, output, cached| Usage {
            input,
            output,
            cached,
        };
        let before = tokens(200, 20, Some(100));
        let grown = tokens(300, 30, Some(150)).since(before);
        assert_eq!(grown, tokens(100, 10, Some(50)));
        assert_eq!(tokens(100, 10, None).since(before), tokens(100, 10, None));
        assert_eq!(before.since(before), before);
    }

    #[test]
    fn amounts_in_plans_are_exact() {
        let read = |text| Dollars::parse(text).map(|dollars| dollars.to_string());
        let texts = [
            "2",
            "$2.50",
            " 0.000001 ",
            "0.0000001",
            "0",
            "-1",
            "inf",
            "two",
            "1e9",
        ];
        let said = texts.map(|text| read(text).unwrap_or_else(|| "none".to_owned()));
        assert_eq!(
            said.join(" "),
            "2 2.5 0.000001 none none none none none none"
        );
    }

    #[test]
    fn amounts_are_readable() {
        let costs = [
            Cost::Unknown,
            Cost::Known(0.0),
            Cost::Known(0.0016),
            Cost::Known(12.345),
        ];
        let costs = costs.map(|cost| cost.to_string());
        assert_eq!(costs.join(" "), "unknown $0.00 $0.0016 $12.35");
        let usage = Usage {
            input: 1_234_567,
            output: 40,
            cached: Some(800),
        };
        insta::assert_snapshot!(usage, @"1,234,567 tokens in (800 from a cache), 40 tokens out");
        insta::assert_snapshot!(usage + Usage::default(), @"1,234,567 tokens in (800 from a cache), 40 tokens out");
    }
}
