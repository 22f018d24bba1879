//! Kinds of strings.

use toml::de::DeValue;

use crate::config::invalid::Invalid;
use crate::config::kind::{Kind, Toml, expected, syntax};

/// A string that is not empty.
pub(in crate::config) struct Text;

impl Kind for Text {
    type Value = String;

    fn read(value: &Toml<'_>) -> Result<String, Vec<Invalid>> {
        match value.get_ref().as_str() {
            Some(text) if text.trim().is_empty() => Err(vec![Invalid::predicate(
                "must not be empty",
                "remove the key to get its default",
            )]),
            Some(text) => Ok(text.to_owned()),
            None => expected("a string", "\"text\"", value),
        }
    }

    fn to_toml(value: &String) -> toml::Value {
        value.as_str().into()
    }
}

/// Declares kinds of strings with a syntax of their own.
macro_rules! checked_texts {
    ($($(#[$doc:meta])* $name:ident: $check:path;)*) => {
        $($(#[$doc])*
        pub(in crate::config) struct $name;

        impl Kind for $name {
            type Value = String;

            fn read(value: &Toml<'_>) -> Result<String, Vec<Invalid>> {
                let text = Text::read(value)?;
                $check(&text).map_err(|invalid| vec![invalid])?;
                Ok(text)
            }

            fn to_toml(value: &String) -> toml::Value {
                Text::to_toml(value)
            }
        })*
    };
}

checked_texts! {
    /// First part of branch and ref names.
    BranchPrefix: syntax::branch_prefix;
    /// The path of a worktree, with placeholders.
    PathTemplate: syntax::worktree_path;
    /// A path inside the repository.
    RepoFile: syntax::repo_path;
    /// A folder inside the repository: its path, or its name at any depth.
    FolderName: syntax::folder_name;
    /// A glob of paths inside the repository.
    Glob: syntax::glob;
    /// A path outside the repository: absolute, `~/…`, or `$NAME` and what follows.
    OwnPath: syntax::own_path;
    /// A folder of the user: absolute, or below `~`.
    OwnFolder: syntax::own_folder;
    /// The name of an environment variable.
    VariableName: syntax::variable_name;
}

/// A project board on GitHub: `"owner/number"`, a number, or `"new"`.
pub(in crate::config) struct Project;

impl Kind for Project {
    type Value = String;

    fn read(value: &Toml<'_>) -> Result<String, Vec<Invalid>> {
        match value.get_ref() {
            DeValue::Integer(number) => Ok(number.to_string()),
            _ => {
                let text = Text::read(value)?;
                syntax::project(&text).map_err(|invalid| vec![invalid])?;
                Ok(text)
            }
        }
    }

    fn to_toml(value: &String) -> toml::Value {
        Text::to_toml(value)
    }
}
