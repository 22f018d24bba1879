//! Messages of the user to a task.

use crate::model::ids::AttemptNumber;

/// A message that the user sent to a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserMessage {
    /// The text.
    pub text: String,
    /// The running attempt that received it; later attempts have it in their prompt.
    pub delivered_to: Option<AttemptNumber>,
    /// The attempts that could not receive it while they ran: their sessions go on with it.
    pub waits_for: Vec<AttemptNumber>,
}
