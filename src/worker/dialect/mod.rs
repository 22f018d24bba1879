//! Parses the output of agents as it arrives, each in its own dialect.
//!
//! No output can break the parser: unknown events and other lines are skipped, and everything kept is
//! bounded. The output is standard output and standard error together, as in the log, so lines that
//! are not events are ordinary.

use crate::model::transcript::{FinalResult, Transcript};
use crate::model::usage::Cost;
use crate::model::worker::Dialect;

mod acp;
mod aider;
mod antigravity;
mod claude;
mod codex;
mod copilot;
mod gemini;
mod goose;
mod lines;
mod opencode;
mod text;
mod transcript_builder;

use crate::worker::dialect::lines::Lines;
use crate::worker::dialect::transcript_builder::TranscriptBuilder;

/// A parser of one dialect.
trait DialectParser: Send {
    /// Parses one line.
    fn line(&mut self, line: &str, builder: &mut TranscriptBuilder);

    /// Ends the output, for events whose meaning depends on what follows.
    fn finish(&mut self, _seen: &mut TranscriptBuilder) {}
}

/// The output of an agent while it is parsed.
pub struct Reading {
    lines: Lines,
    language: Box<dyn DialectParser>,
    builder: TranscriptBuilder,
}

impl Reading {
    /// Starts with an empty output. Paths below `folder`, the worktree, are shown relative to it.
    pub fn new(dialect: Dialect, folder: &str) -> Reading {
        let language: Box<dyn DialectParser> = match dialect {
            Dialect::Text => Box::new(text::Text),
            Dialect::Claude => Box::new(claude::Claude::default()),
            Dialect::Codex => Box::new(codex::Codex::default()),
            Dialect::Gemini => Box::new(gemini::Gemini::default()),
            Dialect::Opencode => Box::new(opencode::Opencode::default()),
            Dialect::Aider => Box::new(aider::Aider::default()),
            Dialect::Goose => Box::new(goose::Goose::default()),
            Dialect::Copilot => Box::new(copilot::Copilot::default()),
            Dialect::Acp => Box::new(acp::Acp::default()),
            Dialect::Antigravity => Box::new(antigravity::Antigravity::default()),
        };
        Reading {
            lines: Lines::default(),
            language,
            builder: TranscriptBuilder::new(dialect, folder),
        }
    }

    /// Parses the next bytes, which may end within a line.
    pub fn feed(&mut self, bytes: &[u8]) {
        let Reading {
            lines,
            language,
            builder,
        } = self;
        builder.transcript.bytes += bytes.len() as u64;
        lines.feed(bytes, |line| language.line(line, builder));
    }

    /// Records that part of the output is missing, so that sums over it are unknown.
    pub fn mark_gap(&mut self) {
        self.builder.has_gap = true;
    }

    /// Returns the current step of the agent, or the first line of its last message, safe to show.
    pub fn current_step(&self) -> Option<&str> {
        self.builder.step.as_deref()
    }

    /// Returns the number of turns so far.
    pub fn turns(&self) -> u64 {
        self.builder.transcript.turns
    }

    /// Returns the cost so far; most agents report it only at their end.
    pub fn cost(&self) -> Cost {
        match self.builder.has_gap {
            true => Cost::Unknown,
            false => self.builder.transcript.cost,
        }
    }

    /// Returns `true` after the final event of the agent.
    pub fn is_over(&self) -> bool {
        self.builder.transcript.terminal_seen
    }

    /// Ends the output and returns the transcript.
    pub fn finish(self) -> Transcript {
        let Reading {
            mut lines,
            mut language,
            mut builder,
        } = self;
        lines.finish(&mut |line: &str| language.line(line, &mut builder));
        language.finish(&mut builder);
        let mut transcript = builder.transcript;
        if builder.has_gap && adds_up(transcript.dialect) {
            transcript.usage = None;
            transcript.cost = Cost::Unknown;
        }
        transcript
    }
}

/// Returns `true` for dialects whose usage is the sum of many events.
fn adds_up(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Opencode | Dialect::Aider)
}

/// Builds a final result in the agent's words.
fn result(is_error: bool, text: &str) -> Option<FinalResult> {
    Some(FinalResult {
        is_error,
        text: transcript_builder::bounded(text),
    })
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
