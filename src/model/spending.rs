//! Sums the tokens and the cost of attempts.

use crate::model::attempt::Attempt;
use crate::model::usage::{Cost, Usage};
use crate::model::variant_choice::JudgeRun;

/// The built-in worker for shell commands, which has neither tokens nor cost.
pub(super) const SHELL: &str = "shell";

/// The tokens and cost of some attempts, of which at least one reports either.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spending {
    /// The tokens of the attempts that report them.
    pub usage: Option<Usage>,
    /// The total cost; unknown if any attempt's cost is.
    pub cost: Cost,
    /// The cost of the attempts that report it.
    pub known: Cost,
}

impl Spending {
    /// Sums the finished attempts; `None` if none reports anything.
    pub fn of<'a>(attempts: impl IntoIterator<Item = &'a Attempt>) -> Option<Spending> {
        let agents = attempts
            .into_iter()
            .filter(|attempt| attempt.worker != SHELL);
        let outcomes: Vec<_> = agents.filter_map(|a| a.outcome.as_ref()).collect();
        let is_known = |cost: &Cost| !cost.is_unknown();
        let costs = || outcomes.iter().map(|outcome| outcome.cost);
        let usage = outcomes.iter().filter_map(|outcome| outcome.usage);
        let spending = Spending {
            usage: usage.reduce(|all, one| all + one),
            cost: costs().sum(),
            known: costs().filter(is_known).sum(),
        };
        (spending.usage.is_some() || is_known(&spending.known)).then_some(spending)
    }

    /// Adds the runs of judges.
    pub fn with_judges<'a>(
        attempts: Option<Spending>,
        runs: impl IntoIterator<Item = &'a JudgeRun>,
    ) -> Option<Spending> {
        let one = |run: &JudgeRun| Spending {
            usage: run.usage,
            cost: run.cost,
            known: run.cost,
        };
        let all = attempts.into_iter().chain(runs.into_iter().map(one));
        let sum = all.reduce(|a, b| Spending {
            usage: [a.usage, b.usage]
                .into_iter()
                .flatten()
                .reduce(|a, b| a + b),
            cost: [a.cost, b.cost].into_iter().sum(),
            known: [a.known, b.known].into_iter().filter(Cost::is_known).sum(),
        })?;
        (sum.usage.is_some() || sum.known.is_known()).then_some(sum)
    }
}
