//! Reading the output of agents while it comes, each in its own language.
//!
//! Nothing in an output can break a reading: what is no event of the language, or an unknown one,
//! is passed over, and whatever is kept is bounded. The output is standard output and standard
//! error together, as the log has them, so lines that are no events are ordinary.

use crate::model::transcript::{FinalResult, Transcript};
use crate::model::usage::Cost;
use crate::model::worker::Dialect;

mod aider;
mod claude;
mod codex;
mod gemini;
mod goose;
mod lines;
mod opencode;
mod seen;
mod text;

use crate::worker::dialect::lines::Lines;
use crate::worker::dialect::seen::Seen;

/// One language.
trait Language: Send {
    /// Takes one line.
    fn line(&mut self, line: &str, seen: &mut Seen);

    /// There is no more: settles what depends on what did not come.
    fn finish(&mut self, _seen: &mut Seen) {}
}

/// An output that is being read.
pub struct Reading {
    lines: Lines,
    language: Box<dyn Language>,
    seen: Seen,
}

impl Reading {
    /// Nothing is read yet. Paths below `folder`, the worktree, are shown relative to it.
    pub fn new(dialect: Dialect, folder: &str) -> Reading {
        let language: Box<dyn Language> = match dialect {
            Dialect::Text => Box::new(text::Text),
            Dialect::Claude => Box::new(claude::Claude::default()),
            Dialect::Codex => Box::new(codex::Codex::default()),
            Dialect::Gemini => Box::new(gemini::Gemini::default()),
            Dialect::Opencode => Box::new(opencode::Opencode::default()),
            Dialect::Aider => Box::new(aider::Aider::default()),
            Dialect::Goose => Box::new(goose::Goose::default()),
        };
        Reading {
            lines: Lines::default(),
            language,
            seen: Seen::new(dialect, folder),
        }
    }

    /// Takes the next bytes, cut wherever they are.
    pub fn feed(&mut self, bytes: &[u8]) {
        let Reading {
            lines,
            language,
            seen,
        } = self;
        seen.transcript.bytes += bytes.len() as u64;
        lines.feed(bytes, |line| language.line(line, seen));
    }

    /// Part of the output is not there to be read, so nothing that must be added up is known.
    pub fn mark_gap(&mut self) {
        self.seen.has_gap = true;
    }

    /// What the agent does now, as one safe line, or the first line of what it said last.
    pub fn current_step(&self) -> Option<&str> {
        self.seen.step.as_deref()
    }

    /// How many turns it took so far.
    pub fn turns(&self) -> u64 {
        self.seen.transcript.turns
    }

    /// What it cost so far; most agents say that only at their end.
    pub fn cost(&self) -> Cost {
        match self.seen.has_gap {
            true => Cost::Unknown,
            false => self.seen.transcript.cost,
        }
    }

    /// What the agent was not allowed to do so far.
    pub fn refusals(&self) -> &[String] {
        &self.seen.transcript.refusals
    }

    /// Whether the agent has said that it has come to its end, and nothing since.
    pub fn is_over(&self) -> bool {
        self.seen.transcript.terminal_seen
    }

    /// There is no more: what it all says.
    pub fn finish(self) -> Transcript {
        let Reading {
            mut lines,
            mut language,
            mut seen,
        } = self;
        lines.finish(&mut |line: &str| language.line(line, &mut seen));
        language.finish(&mut seen);
        let mut transcript = seen.transcript;
        if seen.has_gap && adds_up(transcript.dialect) {
            transcript.usage = None;
            transcript.cost = Cost::Unknown;
        }
        transcript
    }
}

/// Whether usage is the sum of many events instead of standing in the last one.
fn adds_up(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Opencode | Dialect::Aider)
}

/// A final result in the agent's words.
fn result(is_error: bool, text: &str) -> Option<FinalResult> {
    Some(FinalResult {
        is_error,
        text: seen::bounded(text),
    })
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
