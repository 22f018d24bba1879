//! Renders the cost of a run.

use std::fmt;

use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::spending::{SHELL, Spending};
use crate::model::task_list::comma_list;
use crate::model::usage::Cost;

impl RunState {
    /// Sums the tokens and the cost of all attempts and judges.
    pub fn spending(&self) -> Option<Spending> {
        let attempts = self.tasks.iter().flat_map(|task| &task.attempts);
        let judges = self.tasks.iter().flat_map(|task| task.judge_runs());
        Spending::with_judges(Spending::of(attempts), judges)
    }

    /// Returns the reported cost of the run in dollars.
    pub fn known_cost(&self) -> f64 {
        match self.spending().map(|spending| spending.known) {
            Some(Cost::Known(dollars)) => dollars,
            _ => 0.0,
        }
    }
}

/// The tokens and the cost of a run, for display.
#[derive(Clone, PartialEq, Debug)]
pub struct Bill {
    spending: Spending,
    /// The tasks with an attempt of unknown cost.
    unknown: Vec<TaskNumber>,
}

impl Bill {
    /// Sums the attempts of a run; `None` if no agent reports anything.
    pub fn of(state: &RunState) -> Option<Bill> {
        let spending = state.spending()?;
        let is_unknown = |number: &TaskNumber| {
            let attempts = &state.task(*number).attempts;
            let agents = attempts.iter().filter(|attempt| attempt.worker != SHELL);
            let mut outcomes = agents.filter_map(|attempt| attempt.outcome.as_ref());
            outcomes.any(|outcome| outcome.cost.is_unknown())
        };
        let numbers = state.plan.tasks().iter().map(|task| task.number);
        Some(Bill {
            spending,
            unknown: numbers.filter(is_unknown).collect(),
        })
    }

    /// Returns the sum.
    pub fn spending(&self) -> &Spending {
        &self.spending
    }
}

/// Renders `$0.42 (1,200 tokens in, 340 tokens out); unknown for #2`.
impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A known cost of 0 is meaningless while other costs are unknown.
        let known = match self.spending.known {
            Cost::Known(0.0) if !self.unknown.is_empty() => Cost::Unknown,
            known => known,
        };
        write!(f, "{known}")?;
        if let Some(usage) = self.spending.usage {
            write!(f, " ({usage})")?;
        }
        if !known.is_unknown() && !self.unknown.is_empty() {
            write!(f, "; unknown for {}", comma_list(&self.unknown))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Event;
    use crate::model::fixture::RunFixture;
    use crate::model::outcome::End;
    use crate::model::usage::Usage;
    use crate::model::worker_report::WorkerReport;

    /// Renders the bill of one attempt a task, each given as worker, cost and input tokens.
    fn bill(attempts: &[(&str, Cost, u64)]) -> String {
        let titles = (1..=attempts.len()).map(|n| n.to_string());
        let mut run = RunFixture::new(&titles.collect::<Vec<_>>().join(" · "));
        for (task, (worker, cost, input)) in (1..).zip(attempts) {
            run = run.begin(task, worker);
            run = run.end(task, End::Interrupted {}, WorkerReport::default(), 1);
            run.last_event(|event| {
                if let Event::AttemptEnded { outcome, .. } = event {
                    outcome.cost = *cost;
                    outcome.usage = (*input > 0).then_some(Usage {
                        input: *input,
                        output: 1,
                        cached: None,
                    });
                }
            });
        }
        Bill::of(&run.state()).map_or("nothing".to_owned(), |bill| bill.to_string())
    }

    #[test]
    fn an_unreported_cost_is_unknown_and_not_zero() {
        let said = [
            bill(&[
                ("claude", Cost::Known(0.25), 100),
                ("claude", Cost::Known(1.0), 2000),
            ]),
            bill(&[
                ("claude", Cost::Known(0.25), 100),
                ("codex", Cost::Unknown, 2000),
            ]),
            bill(&[("codex", Cost::Unknown, 2000), ("codex", Cost::Unknown, 10)]),
            bill(&[
                ("claude", Cost::Known(0.25), 100),
                ("shell", Cost::Unknown, 0),
            ]),
            bill(&[("claude", Cost::Known(0.25), 0), ("mine", Cost::Unknown, 0)]),
            bill(&[
                ("claude", Cost::Known(0.0), 1),
                ("codex", Cost::Unknown, 200),
            ]),
            bill(&[("mine", Cost::Unknown, 0), ("shell", Cost::Unknown, 0)]),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        $1.25 (2,100 tokens in, 2 tokens out)
        $0.2500 (2,100 tokens in, 2 tokens out); unknown for #2
        unknown (2,010 tokens in, 2 tokens out)
        $0.2500 (100 tokens in, 1 tokens out)
        $0.2500; unknown for #2
        unknown (201 tokens in, 2 tokens out)
        nothing
        ");
    }
}
