//! Messages that effects send to the loop.

use crate::control::{Reply, Request};
use crate::engine::EngineError;
use crate::git::worktree::Worktree;
use crate::model::event::Event;
use crate::model::ids::{AttemptNumber, TaskNumber};
use crate::model::outcome::Outcome;
use crate::model::shortage::Shortage;

/// A report of an effect to the loop.
#[derive(Debug)]
pub enum Message {
    /// A fact to be recorded.
    Fact(Event),
    /// An attempt is over.
    Ended {
        /// The task.
        task: TaskNumber,
        /// The attempt.
        attempt: AttemptNumber,
        /// How it ended.
        outcome: Box<Outcome>,
    },
    /// The work of assembling is over.
    Assembled(Result<(), EngineError>),
    /// The conflicts among the candidates were looked for.
    Detected,
    /// The work of running tasks was compared.
    Compared,
    /// Something could not be written, because there is too little of this.
    NoRoom(Shortage),
    /// What dispatch keeps was looked at: there may be one more worktree.
    MayAdd,
    /// Something went, so it is looked again.
    MadeRoom,
    /// There may not, unless this one goes.
    MustGo(Shortage, Option<Worktree>),
    /// Looking at what dispatch keeps, or removing a part of it, failed.
    Broke(EngineError),
    /// The run is stopped while the end of an attempt cannot be written down: another process takes
    /// it up.
    LeftOpen(TaskNumber),
    /// Something the user should know.
    Remark(String),
    /// A person asks for something through another process.
    Asked(Request, Reply),
}

/// The sending end of the loop's inbox.
pub type Post = tokio::sync::mpsc::UnboundedSender<Message>;
