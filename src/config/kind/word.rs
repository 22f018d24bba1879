//! Kinds with a few words as values.

use serde::Serialize;

use crate::base::text::did_you_mean;
use crate::config::invalid::Invalid;
use crate::config::kind::{Kind, Toml, expected, invalid};
use crate::config::reaction::{Network, OnNewConflict, Reaction, SandboxMode, WebhookFormat};
use crate::config::template::Template;
use crate::merge::rule::Rule;
use crate::model::executor::ExecutorKind;
use crate::model::integration::History;
use crate::model::worker::{Confinement, Dialect, Isolation, PromptBy};

/// A type whose values are written as words: those of its serialised form.
pub(in crate::config) trait Word: Copy + PartialEq + Serialize + 'static {
    /// Every value, the default first.
    const ALL: &'static [Self];
}

impl<T: Word> Kind for T {
    type Value = T;

    fn read(value: &Toml<'_>) -> Result<T, Vec<Invalid>> {
        let words: Vec<String> = T::ALL.iter().map(|value| word(*value)).collect();
        let Some(text) = value.get_ref().as_str() else {
            return expected("a string", &format!("{:?}", words[0]), value);
        };
        if let Some(place) = words.iter().position(|word| word == text) {
            return Ok(T::ALL[place]);
        }
        let valid = words.join(", ");
        let hint = match did_you_mean(text, words.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near:?}? valid values are {valid}"),
            None => format!("valid values are {valid}"),
        };
        invalid(format!("unknown value {text:?}"), hint)
    }

    fn to_toml(value: &T) -> toml::Value {
        word(*value).into()
    }
}

fn word<T: Word>(value: T) -> String {
    let written = toml::Value::try_from(value).ok();
    let word = written.and_then(|written| written.as_str().map(str::to_owned));
    word.unwrap_or_default()
}

macro_rules! words {
    ($($type:ident: $($value:ident),+;)*) => {
        $(impl Word for $type {
            const ALL: &'static [$type] = &[$($type::$value),+];
        })*
    };
}

words! {
    PromptBy: File, Stdin, Argument, Stream;
    Dialect: Text, Claude, Codex, Gemini, Opencode, Aider, Goose, Copilot, Antigravity, Acp;
    History: Merge, Squash, Linear;
    OnNewConflict: Note, Notify, PauseLaterTask;
    Reaction: Ignore, Warn, Fail;
    SandboxMode: Auto, Off, Require;
    Confinement: Write, Strict, Command, Off;
    Network: Open, Loopback, None;
    Isolation: Worktree, Clone;
    WebhookFormat: Json, Slack;
    Template: Auto, Always, Never;
    ExecutorKind: Local, Ssh, Container, Slurm, Command;
}

impl Word for Rule {
    const ALL: &'static [Rule] = &Rule::ALL;
}
