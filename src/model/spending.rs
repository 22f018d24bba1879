//! What attempts used and cost together.

use crate::model::attempt::Attempt;
use crate::model::usage::{Cost, Usage};

/// The worker that is no agent: it has neither tokens nor a price.
pub(super) const SHELL: &str = "shell";

/// What some attempts used and cost. It exists only if at least one of them says something.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spending {
    /// The tokens of those that say.
    pub usage: Option<Usage>,
    /// The money; unknown if that of any of them is.
    pub cost: Cost,
    /// The money of those that say.
    pub known: Cost,
}

impl Spending {
    /// Of these attempts, as far as they are over.
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
}
