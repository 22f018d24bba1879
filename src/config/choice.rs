//! Kinds of words: a choice between a few.

use crate::base::text::did_you_mean;
use crate::config::invalid::Invalid;
use crate::config::settings::{OnNewConflict, SandboxMode, Scope};
use crate::config::value::{Kind, Toml, expected, wrong};
use crate::merge::verdict::Rule;
use crate::model::integration::History;
use crate::model::worker::{Dialect, PromptBy};

/// A choice between a few words.
pub(super) trait Choice: Copy + PartialEq + 'static {
    /// Each word and what it means. A word that means the same as the one before it is what that was
    /// called before: it is understood, and not told to anybody.
    const WORDS: &'static [(&'static str, Self)];
}

impl<T: Choice> Kind for T {
    type Value = T;

    fn read(value: &Toml<'_>) -> Result<T, Vec<Invalid>> {
        let words = || {
            let mut known = T::WORDS.iter().copied();
            let mut before = None;
            std::iter::from_fn(move || {
                let (word, meaning) = known.find(|(_, meaning)| before != Some(*meaning))?;
                before = Some(meaning);
                Some(word)
            })
        };
        let Some(text) = value.get_ref().as_str() else {
            let first = format!("{:?}", T::WORDS[0].0);
            return expected("a word", &first, value);
        };
        if let Some((_, choice)) = T::WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(*choice);
        }
        let all: Vec<_> = words().collect();
        let hint = match did_you_mean(text, words()) {
            Some(near) => format!("did you mean {near:?}? it is one of {}", all.join(", ")),
            None => format!("it is one of {}", all.join(", ")),
        };
        wrong(format!("{text:?} is not known"), hint)
    }
}

/// Says which words stand for which values.
macro_rules! choices {
    ($($kind:ty { $($word:literal => $value:expr,)* })*) => {
        $(impl Choice for $kind {
            const WORDS: &'static [(&'static str, $kind)] = &[$(($word, $value)),*];
        })*
    };
}

choices! {
    PromptBy {
        "file" => PromptBy::File,
        "stdin" => PromptBy::Stdin,
        "argument" => PromptBy::Argument,
    }
    Dialect {
        "text" => Dialect::Text,
        "claude" => Dialect::Claude,
        "codex" => Dialect::Codex,
        "gemini" => Dialect::Gemini,
        "opencode" => Dialect::Opencode,
        "aider" => Dialect::Aider,
        "goose" => Dialect::Goose,
    }
    History {
        "merge" => History::Merge,
        "squash" => History::Squash,
        "linear" => History::Linear,
    }
    OnNewConflict {
        "note" => OnNewConflict::Note,
        "notify" => OnNewConflict::Notify,
        "pause-later-task" => OnNewConflict::PauseLaterTask,
        // What it was called before.
        "pause" => OnNewConflict::PauseLaterTask,
    }
    Scope {
        "ignore" => Scope::Ignore,
        "warn" => Scope::Warn,
        "fail" => Scope::Fail,
    }
    SandboxMode {
        "auto" => SandboxMode::Auto,
        "off" => SandboxMode::Off,
        "require" => SandboxMode::Require,
    }
    // The other classes are real disagreements, which no rule may settle.
    Rule {
        "whitespace" => Rule::Whitespace,
        "reformat-vs-edit" => Rule::ReformatVsEdit,
        "imports" => Rule::Imports,
        "version" => Rule::Version,
        "contained-insert" => Rule::ContainedInsert,
        "insert-insert" => Rule::InsertInsert,
        "adjacent" => Rule::Adjacent,
        "comment" => Rule::Comment,
        "exec-bit" => Rule::ExecBit,
        "generated" => Rule::Generated,
    }
}
