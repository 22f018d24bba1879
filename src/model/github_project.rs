//! The name of a project board on GitHub, as settings and the command line write it.

use std::fmt;
use std::str::FromStr;

/// A project board on GitHub.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GithubProject {
    /// One that dispatch makes for the run.
    New,
    /// An existing one.
    Existing {
        /// The login of its owner; `None` is the user of `gh`.
        owner: Option<String>,
        /// Its number among those of the owner.
        number: u32,
    },
}

/// Text that names no project.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a project is written \"owner/number\", as a number of your own, or \"new\"")]
pub struct BadProject;

impl FromStr for GithubProject {
    type Err = BadProject;

    fn from_str(text: &str) -> Result<GithubProject, BadProject> {
        if text == "new" {
            return Ok(GithubProject::New);
        }
        let (owner, number) = match text.split_once('/') {
            Some((owner, number)) => (Some(owner), number),
            None => (None, text),
        };
        // GitHub allows letters, digits and hyphens, and `_` in names that an enterprise manages.
        let is_login = |name: &str| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            !name.is_empty() && name.chars().all(is_part)
        };
        let is_number = number.starts_with(|c: char| c.is_ascii_digit() && c != '0');
        match number.parse() {
            Ok(number) if is_number && owner.is_none_or(is_login) => Ok(GithubProject::Existing {
                owner: owner.map(str::to_owned),
                number,
            }),
            _ => Err(BadProject),
        }
    }
}

impl fmt::Display for GithubProject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GithubProject::New => f.write_str("new"),
            GithubProject::Existing { owner, number } => match owner {
                Some(owner) => write!(f, "{owner}/{number}"),
                None => write!(f, "{number}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_an_owner_with_a_number_or_new() {
        for text in ["new", "octo/7", "acme-corp/12", "7"] {
            let read = text.parse::<GithubProject>().map(|read| read.to_string());
            assert_eq!(read, Ok(text.to_owned()));
        }
        for text in [
            "", "octo", "octo/", "/7", "octo/x", "o o/7", "a/b/7", "0", "+7", "a/07",
        ] {
            assert_eq!(text.parse::<GithubProject>(), Err(BadProject), "{text}");
        }
    }
}
