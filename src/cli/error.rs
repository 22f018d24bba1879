//! Errors as the user sees them: one sentence, what to do next, an exit code.

/// The exit codes (README, "Exit codes").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// All asked for happened.
    Ok = 0,
    /// Could not: user, configuration, environment; or a question was answered no.
    Failed = 1,
    /// The command line, or a plan that does not parse.
    Usage = 2,
    /// The run ended and some task did not pass.
    TaskFailed = 3,
    /// A person is needed: conflict, or failed check.
    NeedsPerson = 4,
    /// Another dispatch holds the run.
    Held = 5,
    /// Interrupted.
    Interrupted = 130,
}

/// What a subcommand could not do.
#[derive(Debug)]
pub struct CommandError {
    /// The exit code.
    pub exit: Exit,
    /// What, where: one sentence without a period.
    pub message: String,
    /// What to do next.
    pub hints: Vec<String>,
}

impl CommandError {
    /// With this exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> CommandError {
        CommandError {
            exit,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// The user's input or surroundings do not allow it.
    pub fn failed(message: impl Into<String>) -> CommandError {
        CommandError::new(Exit::Failed, message)
    }

    /// The command line makes no sense.
    pub fn usage(message: impl Into<String>) -> CommandError {
        CommandError::new(Exit::Usage, message)
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> CommandError {
        self.hints.push(hint.into());
        self
    }
}
