//! The author and the committer that git itself would name.
//!
//! Only git knows all the places: `user.*`, `author.*`, `committer.*`, conditional includes, the
//! environment, the system's user data. It is asked once.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::git::command::Git;

/// The role at a commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// Wrote the change.
    Author,
    /// Made the commit.
    Committer,
}

/// A name and an address, without angle brackets and line ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) email: String,
}

impl Person {
    /// The runner itself, also in place of a user without an identity.
    pub(super) fn dispatch() -> Person {
        Person {
            name: "dispatch".to_owned(),
            email: "dispatch@localhost".to_owned(),
        }
    }

    /// Parses `git var GIT_AUTHOR_IDENT`: `Ann <ann@example.com> 1700000000 +0100`.
    fn parse(line: &str) -> Option<Person> {
        let (name, rest) = line.split_once(" <")?;
        let (email, _) = rest.split_once('>')?;
        let has_both = !name.trim().is_empty() && !email.trim().is_empty();
        has_both.then(|| Person {
            name: name.to_owned(),
            email: email.to_owned(),
        })
    }
}

/// The user of a repository, asked for when a commit needs it first.
#[derive(Clone, Debug)]
pub(super) struct User {
    /// The folder git is asked in: the user's checkout.
    folder: PathBuf,
    known: Arc<[OnceLock<Option<Person>>; 2]>,
}

impl User {
    /// Describes the user of the checkout at `folder`.
    pub(super) fn at(folder: &Path) -> User {
        User {
            folder: folder.to_owned(),
            known: Arc::default(),
        }
    }

    /// Returns the user in this role; `None` if git has no name or no address.
    pub(super) fn person(&self, role: Role) -> Option<&Person> {
        let (place, variable) = match role {
            Role::Author => (0, "GIT_AUTHOR_IDENT"),
            Role::Committer => (1, "GIT_COMMITTER_IDENT"),
        };
        let git = || Git::at(&self.folder).line(&["var", variable]);
        let ask = || Person::parse(&git().ok()?);
        self.known[place].get_or_init(ask).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_from_git_var() {
        let parse = |line: &str| Person::parse(line).map(|who| (who.name, who.email));
        let some = |name: &str, email: &str| Some((name.to_owned(), email.to_owned()));
        let ann = parse("Ann Lee <ann@example.com> 1700000000 +0100");
        assert_eq!(ann, some("Ann Lee", "ann@example.com"));
        assert_eq!(parse("Ann <> 1700000000 +0000"), None);
        assert_eq!(parse(" <ann@example.com> 1700000000 +0000"), None);
        assert_eq!(parse("fatal"), None);
    }
}
