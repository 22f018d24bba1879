//! A request to a planner, and what its calls took.

use std::fmt;
use std::time::Duration;

use crate::base::clock::render_elapsed;
use crate::model::ids::TaskNumber;
use crate::model::plan::Plan;
use crate::model::usage::{Cost, Usage};
use crate::plan::{Format, render};
use crate::worker::planner::SplitInput;

/// A request to a planner.
#[derive(Clone, Debug)]
pub struct Request {
    /// The user's goal.
    pub goal: String,
    /// The task of a plan to split; without one a whole plan is wanted.
    pub split: Option<(Plan, TaskNumber)>,
}

impl Request {
    pub(super) fn split_input(&self) -> Option<SplitInput> {
        let (plan, number) = self.split.as_ref()?;
        let task = plan.task(*number);
        Some(SplitInput {
            number: number.0,
            tag: task.tag.clone(),
            title: task.title.clone(),
            plan: render(plan, Format::Markdown),
        })
    }
}

/// The time, tokens and dollars of the calls of a planner.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Spent {
    /// The number of calls.
    pub calls: u32,
    /// Their time.
    pub time: Duration,
    /// The tokens, as far as the agent reports them.
    pub usage: Option<Usage>,
    /// The dollars; unknown if one call reports none.
    pub cost: Cost,
}

impl Spent {
    /// Returns what one call took.
    pub(super) fn call(time: Duration, usage: Option<Usage>, cost: Cost) -> Spent {
        Spent {
            calls: 1,
            time,
            usage,
            cost,
        }
    }

    pub(super) fn add(&mut self, other: &Spent) {
        self.cost = match (self.calls, other.calls) {
            (0, _) => other.cost,
            (_, 0) => self.cost,
            _ => self.cost + other.cost,
        };
        self.calls += other.calls;
        self.time += other.time;
        self.usage = match (self.usage, other.usage) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
    }
}

/// Renders `2 calls, 1m 20s, $0.42 (1,200 tokens in, 340 tokens out)`.
impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = crate::base::text::plural(self.calls as usize, "call");
        write!(f, "{calls}, {}, ", render_elapsed(self.time))?;
        match (self.cost, self.usage) {
            (Cost::Unknown, None) => f.write_str("cost unknown"),
            (Cost::Unknown, Some(usage)) => write!(f, "cost unknown ({usage})"),
            (cost, None) => write!(f, "{cost}"),
            (cost, Some(usage)) => write!(f, "{cost} ({usage})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_of_a_planner_add_up() {
        let usage = Usage {
            input: 1200,
            output: 40,
            cached: None,
        };
        let mut spent = Spent::default();
        spent.add(&Spent::call(
            Duration::from_secs(60),
            Some(usage),
            Cost::Known(0.25),
        ));
        insta::assert_snapshot!(spent, @"1 call, 1m 0s, $0.2500 (1,200 tokens in, 40 tokens out)");
        spent.add(&Spent::call(
            Duration::from_secs(20),
            Some(usage),
            Cost::Known(0.25),
        ));
        insta::assert_snapshot!(spent, @"2 calls, 1m 20s, $0.5000 (2,400 tokens in, 80 tokens out)");
        spent.add(&Spent::call(Duration::from_secs(1), None, Cost::Unknown));
        insta::assert_snapshot!(spent, @"3 calls, 1m 21s, cost unknown (2,400 tokens in, 80 tokens out)");
        assert_eq!(
            Spent::call(Duration::ZERO, None, Cost::Unknown).to_string(),
            "1 call, 0.0s, cost unknown"
        );
    }
}
