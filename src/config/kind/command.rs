//! Kinds of commands: shell commands, and programs with their arguments.

use std::collections::BTreeMap;

use toml::de::DeTable;

use crate::config::invalid::Invalid;
use crate::config::kind::{Kind, List, Text, Toml, at, collected, expected, invalid, syntax};

/// Placeholders in the command of a worker.
const WORKER_PLACEHOLDERS: &[&str] = &[
    "prompt_file",
    "prompt",
    "worktree",
    "run",
    "task",
    "attempt",
    "model",
    "permission_mode",
    "max_turns",
    "max_cost",
    "session",
];

/// Placeholders in the command that confines a worker.
const SANDBOX_PLACEHOLDERS: &[&str] = &["worktree", "tmp", "git", "repository_git"];

/// Placeholders in the commands of an engine.
const EXECUTOR_PLACEHOLDERS: &[&str] = &["name", "id", "script"];

/// Placeholders that a merge tool cannot do without.
const MERGE_PLACEHOLDERS: &[&str] = &["{base}", "{ours}", "{theirs}", "{result}"];

/// Shell commands: a list, or one string.
pub(in crate::config) struct Commands;

impl Kind for Commands {
    type Value = Vec<String>;

    fn read(value: &Toml<'_>) -> Result<Vec<String>, Vec<Invalid>> {
        if value.get_ref().is_str() {
            return ShellCommand::read(value).map(|command| vec![command]);
        }
        List::<ShellCommand>::read(value)
    }

    fn to_toml(value: &Vec<String>) -> toml::Value {
        List::<Text>::to_toml(value)
    }
}

/// One shell command.
struct ShellCommand;

impl Kind for ShellCommand {
    type Value = String;

    fn read(value: &Toml<'_>) -> Result<String, Vec<Invalid>> {
        shown(&Text::read(value)?)
    }

    fn to_toml(value: &String) -> toml::Value {
        Text::to_toml(value)
    }
}

/// Refuses a command that cannot be shown as it is.
fn shown(text: &str) -> Result<String, Vec<Invalid>> {
    match syntax::shown(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(invalid) => Err(vec![invalid]),
    }
}

/// A program and its arguments, without a shell. The empty list means none.
pub(in crate::config) struct Program;

impl Kind for Program {
    type Value = Vec<String>;

    fn read(value: &Toml<'_>) -> Result<Vec<String>, Vec<Invalid>> {
        let Some(items) = value.get_ref().as_array() else {
            let example = "[\"program\", \"argument\"]; for a shell: [\"sh\", \"-c\", \"line\"]";
            return expected("a program and its arguments", example, value);
        };
        let argument = |(place, item): (usize, &Toml<'_>)| {
            let text = item.get_ref().as_str();
            let read = match text {
                Some("") if place == 0 => invalid("empty program name", "name the program first"),
                Some(text) => shown(text),
                None => expected("a string", "\"argument\"", item),
            };
            at(item.span(), read)
        };
        collected(items.iter().enumerate().map(argument))
    }

    fn to_toml(value: &Vec<String>) -> toml::Value {
        value.clone().into()
    }
}

/// Reads a program whose arguments may have only these placeholders.
fn with_placeholders(value: &Toml<'_>, known: &[&str]) -> Result<Vec<String>, Vec<Invalid>> {
    let command = Program::read(value)?;
    let items = value
        .get_ref()
        .as_array()
        .into_iter()
        .flat_map(|a| a.iter());
    let checked = items.zip(&command).map(|(item, argument)| {
        let checked = syntax::placeholders(argument, known);
        at(item.span(), checked.map_err(|invalid| vec![invalid]))
    });
    collected(checked)?;
    Ok(command)
}

/// The command of a worker: a [`Program`] with placeholders.
pub(in crate::config) struct WorkerCommand;

impl Kind for WorkerCommand {
    type Value = Vec<String>;

    fn read(value: &Toml<'_>) -> Result<Vec<String>, Vec<Invalid>> {
        with_placeholders(value, WORKER_PLACEHOLDERS)
    }

    fn to_toml(value: &Vec<String>) -> toml::Value {
        Program::to_toml(value)
    }
}

/// The program that confines a worker: a [`Program`] with placeholders.
pub(in crate::config) struct SandboxCommand;

impl Kind for SandboxCommand {
    type Value = Vec<String>;

    fn read(value: &Toml<'_>) -> Result<Vec<String>, Vec<Invalid>> {
        with_placeholders(value, SANDBOX_PLACEHOLDERS)
    }

    fn to_toml(value: &Vec<String>) -> toml::Value {
        Program::to_toml(value)
    }
}

/// A command of an engine: a [`Program`] with placeholders.
pub(in crate::config) struct ExecutorCommand;

impl Kind for ExecutorCommand {
    type Value = Vec<String>;

    fn read(value: &Toml<'_>) -> Result<Vec<String>, Vec<Invalid>> {
        with_placeholders(value, EXECUTOR_PLACEHOLDERS)
    }

    fn to_toml(value: &Vec<String>) -> toml::Value {
        Program::to_toml(value)
    }
}

/// A structural merge tool: a [`Program`] that gets the three files and the path of the result.
pub(in crate::config) struct MergeTool;

impl Kind for MergeTool {
    type Value = Vec<String>;

    fn read(value: &Toml<'_>) -> Result<Vec<String>, Vec<Invalid>> {
        let command = Program::read(value)?;
        let is_missing = |name: &&&str| !command.iter().any(|argument| argument.contains(**name));
        match MERGE_PLACEHOLDERS.iter().find(is_missing) {
            Some(name) if !command.is_empty() => invalid(
                format!("missing {name} in the arguments of the merge tool"),
                format!("add {name} to its arguments"),
            ),
            _ => Ok(command),
        }
    }

    fn to_toml(value: &Vec<String>) -> toml::Value {
        Program::to_toml(value)
    }
}

/// Commands by path or glob. Stronger sources add to weaker ones; an empty command removes one.
pub(in crate::config) struct CommandByGlob;

impl Kind for CommandByGlob {
    type Value = BTreeMap<String, String>;

    fn read(value: &Toml<'_>) -> Result<Self::Value, Vec<Invalid>> {
        let Some(table) = value.get_ref().as_table() else {
            return expected("a table", "{ \"Cargo.lock\" = \"command\" }", value);
        };
        collected(entries(table)).map(BTreeMap::from_iter)
    }

    fn put(slot: &mut Self::Value, value: Self::Value) {
        slot.extend(value);
        slot.retain(|_, command| !command.trim().is_empty());
    }

    fn to_toml(value: &Self::Value) -> toml::Value {
        let entries = value
            .iter()
            .map(|(glob, command)| (glob.clone(), command.as_str().into()));
        toml::Value::Table(entries.collect())
    }
}

fn entries(table: &DeTable<'_>) -> impl Iterator<Item = Result<(String, String), Vec<Invalid>>> {
    table.iter().map(|(glob, command)| {
        let checked = syntax::glob(glob.get_ref()).map_err(|invalid| vec![invalid]);
        at(glob.span(), checked)?;
        let command = match command.get_ref().as_str() {
            Some(text) => at(command.span(), shown(text))?,
            None => at(
                command.span(),
                expected("a command", "\"make lock\"", command),
            )?,
        };
        Ok((glob.get_ref().to_string(), command))
    })
}
