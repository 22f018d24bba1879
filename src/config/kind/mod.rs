//! Kinds of values: reading from TOML, checking, writing as TOML.
//!
//! A kind is a type without values that names one meaning (a count, a glob, a command). It reads an
//! ordinary type, so that the settings hold no wire types.

use std::marker::PhantomData;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use crate::config::invalid::Invalid;

mod command;
mod host;
mod number;
mod syntax;
mod text;
mod word;

pub(super) use command::{
    CommandByGlob, Commands, ExecutorCommand, MergeTool, Program, SandboxCommand, WorkerCommand,
};
pub(super) use host::Hosts;
pub(super) use number::{Count, Dollars, Flag, Pool, Processors, Size, Time, Times, Weight};
pub(super) use syntax::profile_name;
pub(super) use text::{
    BranchPrefix, FolderName, Glob, OwnFolder, OwnPath, PathTemplate, Project, RepoFile, Text,
    VariableName,
};

/// A value of TOML with its place.
pub(super) type Toml<'a> = Spanned<DeValue<'a>>;

/// A meaning of a value.
pub(super) trait Kind {
    /// The type in the settings.
    type Value;

    /// Reads a value and reports every error in it.
    fn read(value: &Toml<'_>) -> Result<Self::Value, Vec<Invalid>>;

    /// Puts a value over the weaker one.
    fn put(slot: &mut Self::Value, value: Self::Value) {
        *slot = value;
    }

    /// Writes a value so that [`Kind::read`] reads it back.
    fn to_toml(value: &Self::Value) -> toml::Value;
}

/// A value that may be absent: the empty string unsets a weaker value.
pub(super) struct Maybe<K>(PhantomData<K>);

impl<K: Kind> Kind for Maybe<K> {
    type Value = Option<K::Value>;

    fn read(value: &Toml<'_>) -> Result<Self::Value, Vec<Invalid>> {
        match value.get_ref().as_str() {
            Some("") => Ok(None),
            _ => K::read(value).map(Some),
        }
    }

    fn to_toml(value: &Self::Value) -> toml::Value {
        value.as_ref().map_or_else(|| "".into(), K::to_toml)
    }
}

/// A list of values of one kind.
pub(super) struct List<K>(PhantomData<K>);

impl<K: Kind> Kind for List<K> {
    type Value = Vec<K::Value>;

    fn read(value: &Toml<'_>) -> Result<Self::Value, Vec<Invalid>> {
        let Some(items) = value.get_ref().as_array() else {
            return expected("a list", "[\"one\", \"two\"]", value);
        };
        collected(items.iter().map(|item| at(item.span(), K::read(item))))
    }

    fn to_toml(value: &Self::Value) -> toml::Value {
        value.iter().map(K::to_toml).collect::<Vec<_>>().into()
    }
}

fn invalid<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, Vec<Invalid>> {
    Err(vec![Invalid::new(message, hint)])
}

fn expected<T>(what: &str, example: &str, value: &Toml<'_>) -> Result<T, Vec<Invalid>> {
    let found = type_of(value);
    invalid(
        format!("expected {what}, found {found}"),
        format!("write it like {example}"),
    )
}

/// Returns the type of a value with its article: `a string`.
pub(super) fn type_of(value: &Toml<'_>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Collects all values, or else all errors.
fn collected<T>(
    items: impl Iterator<Item = Result<T, Vec<Invalid>>>,
) -> Result<Vec<T>, Vec<Invalid>> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Ok(item) => good.push(item),
            Err(invalid) => bad.extend(invalid),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

/// Narrows errors about a whole value to this part of it.
fn at<T>(span: Range<usize>, read: Result<T, Vec<Invalid>>) -> Result<T, Vec<Invalid>> {
    read.map_err(|mut all| {
        for invalid in &mut all {
            invalid.span.get_or_insert(span.clone());
        }
        all
    })
}
