//! A proposal to do something that the user has to confirm.

use crate::mcp::answer::Answer;

/// A proposal to do something, and the next step towards it.
pub(super) struct Proposed {
    /// Everything that the confirmation is bound to.
    pub(super) content: String,
    /// The next step.
    pub(super) step: Step,
}

/// The words of a proposal.
pub(super) struct Offer {
    /// The question for the user.
    pub(super) question: String,
    /// The answer of a call that does nothing yet, for the agent.
    pub(super) answer: Answer,
}

/// The next step towards a proposal.
pub(super) enum Step {
    /// Only show it.
    Show(Offer),
    /// Nothing can be confirmed yet: the same call has to be repeated.
    Later(Answer),
    /// Ask the user; without an answer, hand out a token.
    Ask(Offer),
    /// The call brings this token.
    Redeem(String),
    /// The call confirms what an earlier answer showed; the user is asked as well where the client
    /// can.
    Confirmed,
}
