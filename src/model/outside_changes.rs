//! What changed outside of an attempt's worktree while it ran, and whether it was the attempt.
//!
//! A worktree is no wall: a worker can write into the user's checkout or change the configuration all
//! worktrees share. So everything outside is looked at before and after. That something changed
//! meanwhile is no proof: the user works there too. An attempt is only said to have done it where its
//! own words name the very thing. Else it is said who else can have done it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::ids::TaskNumber;

/// What one look at everything outside saw.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Outside {
    /// The checkouts by folder.
    pub checkouts: BTreeMap<PathBuf, Checkout>,
    /// The user's branches and tags, and the stash, with what they name.
    pub references: BTreeMap<String, String>,
    /// What all worktrees share, by its path in the git folder, as a hash of its content.
    pub shared: BTreeMap<String, u64>,
}

/// A checkout as it was seen.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Checkout {
    /// What people call it: `the main checkout`.
    pub label: String,
    /// What is checked out.
    pub head: String,
    /// The paths that differ from its HEAD, each with a mark that changes when it is written again.
    pub changed: BTreeMap<String, String>,
}

/// Something outside that is not what it was.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Thing {
    /// A file of a checkout.
    File {
        /// The checkout.
        checkout: PathBuf,
        /// What people call that.
        label: String,
        /// The path in it.
        path: String,
    },
    /// What a checkout has checked out.
    Head {
        /// The checkout.
        checkout: PathBuf,
        /// What people call that.
        label: String,
    },
    /// A branch, a tag or the stash.
    Reference(String),
    /// A file of the git folder that all worktrees share.
    Shared(String),
}

/// A thing that changed while an attempt ran.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutsideChange {
    /// What, in words for people.
    pub what: String,
    /// Where the attempt's own words name it: `its output`. Only then it is known who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_in: Option<String>,
    /// The other tasks of the run that can have done it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<TaskNumber>,
    /// Whether it is a file that no other task or run can have written, and git itself was not at
    /// work: then it was this attempt, or somebody by hand.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alone: bool,
}

/// How many changes an attempt is given; more say no more.
pub const MOST_CHANGES: usize = 20;

impl OutsideChange {
    /// Whether, as far as dispatch can know, it was the attempt.
    pub fn is_own(&self) -> bool {
        self.named_in.is_some() || self.alone
    }
}

/// What differs between two looks, in a fixed order. A checkout that only one of them saw is left out.
pub fn changes(before: &Outside, after: &Outside) -> Vec<Thing> {
    let mut things = Vec::new();
    for (folder, was) in &before.checkouts {
        let Some(is) = after.checkouts.get(folder) else {
            continue;
        };
        let (checkout, label) = (folder.clone(), is.label.clone());
        if was.head != is.head {
            things.push(Thing::Head { checkout, label });
        }
        let file = |path: &String| Thing::File {
            checkout: folder.clone(),
            label: is.label.clone(),
            path: path.clone(),
        };
        things.extend(differing(&was.changed, &is.changed).map(file));
    }
    let references = differing(&before.references, &after.references);
    things.extend(references.cloned().map(Thing::Reference));
    let shared = differing(&before.shared, &after.shared);
    things.extend(shared.cloned().map(Thing::Shared));
    things.sort();
    things
}

fn differing<'a, T: PartialEq>(
    before: &'a BTreeMap<String, T>,
    after: &'a BTreeMap<String, T>,
) -> impl Iterator<Item = &'a String> {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let other = after
        .iter()
        .filter(|(name, is)| before.get(*name) != Some(is));
    gone.chain(other.map(|(name, _)| name))
}

impl Thing {
    /// Whether somebody's words name the very thing. `worktree` is where the speaker worked: from
    /// there a path may be written with `..`.
    pub fn is_named_in(&self, words: &str, worktree: &Path) -> bool {
        match self {
            Thing::File { checkout, path, .. } => {
                let direct = checkout.join(path).display().to_string();
                let around = around(worktree, checkout).join(path).display().to_string();
                holds_path(words, &direct) || holds_path(words, &around)
            }
            Thing::Head { checkout, .. } => {
                let folder = checkout.display().to_string();
                let around = around(worktree, checkout).display().to_string();
                let is_at = |line: &str| holds_path(line, &folder) || holds_path(line, &around);
                let moves = |line: &str| line.contains("checkout") || line.contains("switch");
                commands(words).any(|line| is_at(line) && moves(line))
            }
            Thing::Reference(name) => {
                let short = name
                    .trim_start_matches("refs/heads/")
                    .trim_start_matches("refs/tags/")
                    .trim_start_matches("refs/");
                let writes = [
                    "git branch",
                    "git tag",
                    "git update-ref",
                    "git stash",
                    "git push",
                ];
                commands(words)
                    .any(|line| writes.iter().any(|w| line.contains(w)) && holds_word(line, short))
            }
            Thing::Shared(path) if path == "config" => {
                let writes = [
                    "git config",
                    "git remote",
                    "git submodule",
                    "git lfs install",
                ];
                writes.iter().any(|command| words.contains(command))
            }
            // How one comes to the git folder is written in many ways.
            Thing::Shared(path) => {
                let is_part = |c: char| c.is_alphanumeric() || "._-".contains(c);
                holds(words, path, is_part)
            }
        }
    }
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Thing::File { label, path, .. } => write!(f, "{path} in {label}"),
            Thing::Head { label, .. } => write!(f, "what {label} has checked out"),
            Thing::Reference(name) if name == "refs/stash" => f.write_str("the stash"),
            Thing::Reference(name) => match name.strip_prefix("refs/tags/") {
                Some(tag) => write!(f, "the tag {tag}"),
                None => write!(f, "the branch {}", name.trim_start_matches("refs/heads/")),
            },
            Thing::Shared(path) => write!(f, ".git/{path}"),
        }
    }
}

/// Lines, and the commands of a shell on them.
fn commands(words: &str) -> impl Iterator<Item = &str> {
    words.split(['\n', ';', '|', '&'])
}

/// The way from one folder to another: `../../shop`.
fn around(from: &Path, to: &Path) -> PathBuf {
    let common = from.components().zip(to.components());
    let common = common.take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| Path::new(".."));
    let down = to.components().skip(common);
    up.map(Path::to_owned)
        .chain(down.map(|part| PathBuf::from(part.as_os_str())))
        .collect()
}

/// Whether a text has this path, and not only as a part of a longer one.
fn holds_path(text: &str, path: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    holds(text, path, is_part)
}

fn holds_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "/_-".contains(c);
    holds(text, word, is_part)
}

fn holds(text: &str, part: &str, goes_on: impl Fn(char) -> bool) -> bool {
    let mut places = text.match_indices(part);
    places.any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let mut after = text[at + part.len()..].chars();
        let next = after.next();
        // A full stop may end a sentence.
        let ends = match next {
            Some('.') => !after.next().is_some_and(&goes_on),
            Some(next) => !goes_on(next),
            None => true,
        };
        ends && !before.is_some_and(&goes_on)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outside(files: &[(&str, &str)]) -> Outside {
        let changed = files.iter();
        let changed = changed.map(|(path, mark)| ((*path).to_owned(), (*mark).to_owned()));
        let checkout = Checkout {
            label: "the main checkout".to_owned(),
            head: "refs/heads/main".to_owned(),
            changed: changed.collect(),
        };
        Outside {
            checkouts: BTreeMap::from([(PathBuf::from("/u/shop"), checkout)]),
            ..Outside::default()
        }
    }

    fn said(before: &Outside, after: &Outside) -> String {
        let things = changes(before, after);
        let things: Vec<String> = things.iter().map(ToString::to_string).collect();
        things.join("\n")
    }

    #[test]
    fn what_is_the_same_before_and_after_is_no_change() {
        let before = outside(&[("draft.txt", "1")]);
        assert_eq!(said(&before, &before.clone()), "");
        assert_eq!(said(&Outside::default(), &before), "");
    }

    #[test]
    fn every_kind_of_change_has_its_words() {
        let mut before = outside(&[("draft.txt", "1"), ("old.txt", "1")]);
        let mut after = outside(&[("draft.txt", "2"), ("new dir/", "1")]);
        let checkouts = after.checkouts.values_mut();
        checkouts.for_each(|checkout| checkout.head = "refs/heads/other".to_owned());
        for name in ["refs/heads/main", "refs/tags/v1", "refs/stash"] {
            after.references.insert(name.to_owned(), "1".to_owned());
        }
        before.shared.insert("config".to_owned(), 1);
        after.shared.insert("config".to_owned(), 2);
        after.shared.insert("hooks/pre-commit".to_owned(), 1);
        insta::assert_snapshot!(said(&before, &after), @r"
        draft.txt in the main checkout
        new dir/ in the main checkout
        old.txt in the main checkout
        what the main checkout has checked out
        the branch main
        the stash
        the tag v1
        .git/config
        .git/hooks/pre-commit
        ");
    }

    #[test]
    fn only_words_that_name_the_very_thing_are_evidence() {
        let file = Thing::File {
            checkout: "/u/shop".into(),
            label: String::new(),
            path: "src/app.ts".to_owned(),
        };
        let worktree = Path::new("/u/shop.dispatch/shop-7k3q/api");
        let named = |thing: &Thing, words: &str| thing.is_named_in(words, worktree);
        assert!(named(
            &file,
            "{\"file_path\":\"/u/shop/src/app.ts\",\"content\":1}"
        ));
        assert!(named(&file, "echo x > ../../../shop/src/app.ts; true"));
        assert!(named(&file, "I wrote /u/shop/src/app.ts."));
        assert!(!named(&file, "src/app.ts"));
        assert!(!named(
            &file,
            "/u/shop/src/app.tsx and /u/shop/src/app.ts.bak"
        ));
        assert!(!named(&file, "/mnt/u/shop/src/app.ts"));
        assert!(!named(&file, "/u/shop.dispatch/shop-7k3q/api/src/app.ts"));
        let config = Thing::Shared("config".to_owned());
        assert!(named(&config, "git config user.name Bob"));
        assert!(!named(&config, "the config of git"));
        let branch = Thing::Reference("refs/heads/main".to_owned());
        assert!(named(&branch, "git branch -f main HEAD"));
        assert!(!named(&branch, "git branch -f maintenance; git log main"));
        let hook = Thing::Shared("hooks/pre-commit".to_owned());
        assert!(named(
            &hook,
            "cat > $(git rev-parse --git-common-dir)/hooks/pre-commit"
        ));
    }
}
