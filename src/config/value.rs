//! Kinds of values: how each is read from TOML, and what makes it wrong.
//!
//! A kind is a type without values that names one meaning (a count, a glob, a command). What it
//! reads is an ordinary type, so the settings hold no wire types.

use std::marker::PhantomData;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use crate::config::check;
use crate::config::invalid::Invalid;

/// A value of TOML with its place.
pub(super) type Toml<'a> = Spanned<DeValue<'a>>;

/// A meaning of a value.
pub(super) trait Kind {
    /// What it is in the settings.
    type Value;

    /// Reads it; says everything that is wrong with it.
    fn read(value: &Toml<'_>) -> Result<Self::Value, Vec<Invalid>>;

    /// What holds when it is given in two places, the first one above the second.
    fn over(above: Self::Value, _below: Self::Value) -> Self::Value {
        above
    }
}

pub(super) fn wrong<T>(
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Result<T, Vec<Invalid>> {
    Err(vec![Invalid::new(message, hint)])
}

pub(super) fn expected<T>(what: &str, example: &str, value: &Toml<'_>) -> Result<T, Vec<Invalid>> {
    let found = match value.get_ref() {
        DeValue::Array(_) => "a list",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        other => return wrong_type(what, example, &format!("a {}", other.type_str())),
    };
    wrong_type(what, example, found)
}

fn wrong_type<T>(what: &str, example: &str, found: &str) -> Result<T, Vec<Invalid>> {
    wrong(
        format!("expected {what}, found {found}"),
        format!("write it like {example}"),
    )
}

/// A text that is not empty.
pub(super) struct Text;

impl Kind for Text {
    type Value = String;

    fn read(value: &Toml<'_>) -> Result<String, Vec<Invalid>> {
        match value.get_ref().as_str() {
            Some(text) if text.trim().is_empty() => {
                wrong("the text is empty", "leave the key out to get its default")
            }
            Some(text) => Ok(text.to_owned()),
            None => expected("a text", "\"text\"", value),
        }
    }
}

/// Declares kinds of texts that a function looks at.
macro_rules! checked_texts {
    ($($(#[$doc:meta])* $name:ident: $check:path;)*) => {
        $($(#[$doc])*
        pub(super) struct $name;

        impl Kind for $name {
            type Value = String;

            fn read(value: &Toml<'_>) -> Result<String, Vec<Invalid>> {
                let text = Text::read(value)?;
                $check(&text).map_err(|wrong| vec![wrong])?;
                Ok(text)
            }
        })*
    };
}

checked_texts! {
    /// First part of branch and ref names.
    BranchPrefix: check::branch_prefix;
    /// Where worktrees are.
    PathTemplate: check::path_template;
    /// A path inside the repository.
    RepoFile: check::repo_path;
    /// A glob of paths inside the repository.
    Glob: check::glob;
    /// The name of an environment variable.
    VariableName: check::variable_name;
}

/// A project board on GitHub: a text, or a number.
pub(super) struct Project;

impl Kind for Project {
    type Value = String;

    fn read(value: &Toml<'_>) -> Result<String, Vec<Invalid>> {
        match value.get_ref() {
            DeValue::Integer(number) => Ok(number.to_string()),
            _ => Text::read(value),
        }
    }
}

/// `true` or `false`.
pub(super) struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn read(value: &Toml<'_>) -> Result<bool, Vec<Invalid>> {
        match value.get_ref().as_bool() {
            Some(flag) => Ok(flag),
            None => expected("true or false", "true", value),
        }
    }
}

/// A value that may be absent: the empty text takes back what a file below says.
pub(super) struct Maybe<K>(PhantomData<K>);

impl<K: Kind> Kind for Maybe<K> {
    type Value = Option<K::Value>;

    fn read(value: &Toml<'_>) -> Result<Self::Value, Vec<Invalid>> {
        match value.get_ref().as_str() {
            Some("") => Ok(None),
            _ => K::read(value).map(Some),
        }
    }
}

/// A list of values of one kind; everything wrong in it is found at once.
pub(super) struct List<K>(PhantomData<K>);

impl<K: Kind> Kind for List<K> {
    type Value = Vec<K::Value>;

    fn read(value: &Toml<'_>) -> Result<Self::Value, Vec<Invalid>> {
        let Some(items) = value.get_ref().as_array() else {
            return expected("a list", "[\"one\", \"two\"]", value);
        };
        collected(items.iter().map(|item| at(item.span(), K::read(item))))
    }
}

pub(super) fn collected<T>(
    items: impl Iterator<Item = Result<T, Vec<Invalid>>>,
) -> Result<Vec<T>, Vec<Invalid>> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Ok(item) => good.push(item),
            Err(wrong) => bad.extend(wrong),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

/// Gives a finding without a place of its own this one.
pub(super) fn at<T>(span: Range<usize>, read: Result<T, Vec<Invalid>>) -> Result<T, Vec<Invalid>> {
    read.map_err(|mut all| {
        for wrong in &mut all {
            wrong.span.get_or_insert(span.clone());
        }
        all
    })
}
