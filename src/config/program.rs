//! Kinds of commands: lines for a shell, and programs with their arguments.

use std::collections::BTreeMap;

use toml::de::DeTable;

use crate::config::check;
use crate::config::invalid::Invalid;
use crate::config::value::{Kind, List, Text, Toml, at, collected, expected, wrong};

/// Shell commands: a list, or a single one as a text.
pub(super) struct Commands;

impl Kind for Commands {
    type Value = Vec<String>;

    fn read(value: &Toml<'_>) -> Result<Vec<String>, Vec<Invalid>> {
        if value.get_ref().is_str() {
            return Text::read(value).map(|command| vec![command]);
        }
        List::<Text>::read(value)
    }
}

/// A program and its arguments, never a line for a shell. The empty list means none.
pub(super) struct Program;

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
                Some("") if place == 0 => wrong("the program has no name", "name it first"),
                Some(text) => Ok(text.to_owned()),
                None => expected("a text", "\"argument\"", item),
            };
            at(item.span(), read)
        };
        collected(items.iter().enumerate().map(argument))
    }
}

/// The command of a worker: a [`Program`] with the placeholders of [`check::WORKER_PLACES`].
pub(super) struct WorkerCommand;

impl Kind for WorkerCommand {
    type Value = Vec<String>;

    fn read(value: &Toml<'_>) -> Result<Vec<String>, Vec<Invalid>> {
        let command = Program::read(value)?;
        let items = value
            .get_ref()
            .as_array()
            .into_iter()
            .flat_map(|a| a.iter());
        let looked_at = items.zip(&command).map(|(item, argument)| {
            let checked = check::places(argument, check::WORKER_PLACES);
            at(item.span(), checked.map_err(|wrong| vec![wrong]))
        });
        collected(looked_at)?;
        Ok(command)
    }
}

/// The structural merge tool: a [`Program`] that is told the three files and where to write.
pub(super) struct MergeTool;

impl Kind for MergeTool {
    type Value = Vec<String>;

    fn read(value: &Toml<'_>) -> Result<Vec<String>, Vec<Invalid>> {
        let command = Program::read(value)?;
        let missing = ["{base}", "{ours}", "{theirs}", "{result}"]
            .into_iter()
            .find(|place| !command.iter().any(|argument| argument.contains(place)));
        match missing {
            Some(place) if !command.is_empty() => wrong(
                format!("the merge tool is never told {place}"),
                format!("put {place} among its arguments"),
            ),
            _ => Ok(command),
        }
    }
}

/// Commands by path or glob. Two places add up; an empty command takes one out again.
pub(super) struct CommandByGlob;

impl Kind for CommandByGlob {
    type Value = BTreeMap<String, String>;

    fn read(value: &Toml<'_>) -> Result<Self::Value, Vec<Invalid>> {
        let Some(table) = value.get_ref().as_table() else {
            return expected("a table", "\"Cargo.lock\" = \"command\"", value);
        };
        collected(entries(table)).map(BTreeMap::from_iter)
    }

    fn over(above: Self::Value, mut below: Self::Value) -> Self::Value {
        below.extend(above);
        below
    }
}

fn entries(table: &DeTable<'_>) -> impl Iterator<Item = Result<(String, String), Vec<Invalid>>> {
    table.iter().map(|(glob, command)| {
        let named = check::glob(glob.get_ref()).map_err(|wrong| vec![wrong]);
        at(glob.span(), named)?;
        let command = match command.get_ref().as_str() {
            Some(text) => text.to_owned(),
            None => at(
                command.span(),
                expected("a command", "\"make lock\"", command),
            )?,
        };
        Ok((glob.get_ref().to_string(), command))
    })
}
