//! The author and the committer that git itself would name.
//!
//! Only git knows all the places: `user.*`, `author.*`, `committer.*`, conditional includes, the
//! environment, the system's user data. It is asked once, and once more in a worktree where a condition
//! or a setting of that worktree may give another answer.

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

impl Role {
    /// The variable of git with the answer.
    fn variable(self) -> &'static str {
        match self {
            Role::Author => "GIT_AUTHOR_IDENT",
            Role::Committer => "GIT_COMMITTER_IDENT",
        }
    }
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

/// The author and the committer of commits in one worktree; `None` where git has no name or no address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    author: Option<Person>,
    committer: Option<Person>,
}

impl Identity {
    /// Asks git in a folder.
    pub(super) fn ask(git: &Git) -> Identity {
        let ask = |role: Role| Person::parse(&git.line(&["var", role.variable()]).ok()?);
        Identity {
            author: ask(Role::Author),
            committer: ask(Role::Committer),
        }
    }

    /// Renders it as two lines.
    pub fn render(&self) -> String {
        let line = |person: &Option<Person>| match person {
            Some(person) => format!("{} <{}>\n", person.name, person.email),
            None => "\n".to_owned(),
        };
        line(&self.author) + &line(&self.committer)
    }

    /// Parses [`Identity::render`].
    pub fn parse(text: &str) -> Option<Identity> {
        let mut lines = text.lines();
        let mut person = || Some(Person::parse(lines.next()?));
        Some(Identity {
            author: person()?,
            committer: person()?,
        })
    }

    pub(super) fn person(&self, role: Role) -> Option<&Person> {
        match role {
            Role::Author => self.author.as_ref(),
            Role::Committer => self.committer.as_ref(),
        }
    }
}

/// The user of a repository, asked for when a commit needs it first.
#[derive(Clone, Debug)]
pub(super) struct User {
    /// The folder git is asked in: the user's checkout.
    folder: PathBuf,
    known: Arc<[OnceLock<Option<Person>>; 2]>,
    has_conditions: Arc<OnceLock<bool>>,
}

impl User {
    /// Describes the user of the checkout at `folder`.
    pub(super) fn at(folder: &Path) -> User {
        User {
            folder: folder.to_owned(),
            known: Arc::default(),
            has_conditions: Arc::default(),
        }
    }

    /// Returns the user in this role; `None` if git has no name or no address.
    pub(super) fn person(&self, role: Role) -> Option<&Person> {
        let place = match role {
            Role::Author => 0,
            Role::Committer => 1,
        };
        let git = || Git::at(&self.folder).line(&["var", role.variable()]);
        let ask = || Person::parse(&git().ok()?);
        self.known[place].get_or_init(ask).as_ref()
    }

    /// Returns `true` if settings are included on a condition, which may be another one in a worktree.
    pub(super) fn has_conditions(&self) -> bool {
        let keys = r"^includeif\..*\.path$";
        let list = || Git::at(&self.folder).config(&["--name-only", "--get-regexp", keys]);
        let has_conditions = || list().ok().flatten().is_some();
        *self.has_conditions.get_or_init(has_conditions)
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

    #[test]
    fn an_identity_is_read_back_as_it_was_written() {
        let ann = Person::parse("Ann Lee <ann@example.com> 1700000000 +0100");
        for committer in [ann.clone(), None] {
            let identity = Identity {
                author: ann.clone(),
                committer,
            };
            assert_eq!(Identity::parse(&identity.render()), Some(identity));
        }
        assert_eq!(Identity::parse(""), None);
    }
}
