//! Changes in the repository outside dispatch's own branches while an attempt ran.
//!
//! A worktree does not confine a worker: it can move the user's branches or change the
//! configuration that all worktrees share. Dispatch compares both before and after each attempt. It
//! cannot tell which process made a change: the user and other attempts work in the same
//! repository.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::merge::oid::Oid;

/// The shared state of a repository at one moment, without anything that dispatch writes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SharedState {
    /// HEAD of the main checkout.
    pub head: String,
    /// A hash of the files staged in the main checkout.
    pub index: Option<Oid>,
    /// The user's branches, tags and the stash, each with the object it names.
    pub references: BTreeMap<String, String>,
    /// Files that all worktrees share, by path in the git folder, each with a hash of its content.
    pub files: BTreeMap<String, Oid>,
    /// The settings of git, by key, each with a hash of its values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, Oid>,
    /// Files that git reads and that are a pipe, a device or a folder, by path in the git folder.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub irregular: BTreeSet<String>,
}

/// A change outside the worktree while an attempt ran.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OutsideChange {
    /// The changed item, for display: `the branch main`.
    pub name: String,
}

/// The maximum number of changes recorded for one attempt.
const MOST_CHANGES: usize = 20;

/// Returns the differences between two states, in a fixed order.
pub fn changes(before: &SharedState, after: &SharedState) -> Vec<OutsideChange> {
    let mut found = Vec::new();
    if before.head != after.head {
        found.push("HEAD of the main checkout".to_owned());
    }
    if before.index != after.index {
        found.push("the index of the main checkout".to_owned());
    }
    found.extend(differing(&before.references, &after.references).map(reference_words));
    found.extend(differing(&before.files, &after.files).map(|path| format!(".git/{path}")));
    found.truncate(MOST_CHANGES);
    let change = |name| OutsideChange { name };
    found.into_iter().map(change).collect()
}

/// Settings that name no program, no file and no address, by section or key. Agents, users and git itself
/// make them all the time. An identity is not among them: a landing would be made in its name.
const HARMLESS_SETTINGS: [&str; 28] = [
    "advice.",
    "branch.",
    "color.",
    "column.",
    "core.bare",
    "core.repositoryformatversion",
    "core.sparsecheckout",
    "core.sparsecheckoutcone",
    "extensions.worktreeconfig",
    "fetch.",
    "gc.",
    "help.",
    "index.",
    "init.defaultbranch",
    "init.defaultobjectformat",
    "init.defaultrefformat",
    "lfs.repositoryformatversion",
    "log.",
    "maintenance.",
    "pack.",
    "pull.",
    "push.",
    "rebase.",
    "rerere.",
    "stash.",
    "status.",
    "tag.",
    "worktree.",
];

/// Returns `true` for a setting with which git runs nothing else and reads nothing else.
pub fn is_harmless_setting(key: &str) -> bool {
    let ends = |section: &str, names: &[&str]| {
        let rest = key.strip_prefix(section);
        rest.is_some_and(|rest| names.iter().any(|name| rest.ends_with(name)))
    };
    let is_known = |known: &&str| match known.ends_with('.') {
        true => key.starts_with(known),
        false => key == *known,
    };
    HARMLESS_SETTINGS.iter().any(is_known)
        || ends("remote.", &[".fetch", ".prune", ".tagopt", ".gh-resolved"])
        || ends("submodule.", &[".active", ".url"])
        || ends("lfs.", &[".access", ".locksverify"])
}

/// Returns the differences between two states that decide which programs git runs, which objects it
/// reads, or whether it reads at all: settings, hooks, attributes, replacements. The names are for
/// display.
pub fn changes_of_programs(before: &SharedState, after: &SharedState) -> Vec<String> {
    let settings = differing(&before.settings, &after.settings);
    // git is not asked for them where it would wait for a pipe.
    let is_known = !after.settings.is_empty();
    let settings = settings.filter(|key| is_known && !is_harmless_setting(key));
    let settings = settings.map(|key| format!("git's setting {key}"));
    let is_program =
        |path: &&String| !matches!(path.as_str(), "config" | "config.worktree" | "info/exclude");
    let files = differing(&before.files, &after.files).filter(is_program);
    let files = files.map(|path| format!(".git/{path}"));
    let replaced = differing(&before.references, &after.references);
    let replaced = replaced.filter(|name| name.starts_with("refs/replace/"));
    let irregular = after.irregular.difference(&before.irregular);
    let irregular = irregular.map(|path| format!(".git/{path}, which is not a file"));
    let all = settings
        .chain(files)
        .chain(replaced.cloned())
        .chain(irregular);
    let mut found: Vec<String> = all.collect();
    let more = found.len().saturating_sub(MOST_CHANGES);
    found.truncate(MOST_CHANGES);
    if more > 0 {
        found.push(format!("{more} more"));
    }
    found
}

fn reference_words(name: &String) -> String {
    if name == "refs/stash" {
        "the stash".to_owned()
    } else if let Some(branch) = name.strip_prefix("refs/heads/") {
        format!("the branch {branch}")
    } else if let Some(tag) = name.strip_prefix("refs/tags/") {
        format!("the tag {tag}")
    } else {
        name.clone()
    }
}

fn differing<'a, T: PartialEq>(
    before: &'a BTreeMap<String, T>,
    after: &'a BTreeMap<String, T>,
) -> impl Iterator<Item = &'a String> {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let other = after
        .iter()
        .filter(|(name, now)| before.get(*name) != Some(now));
    gone.chain(other.map(|(name, _)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(before: &SharedState, after: &SharedState) -> String {
        let found = changes(before, after);
        let words: Vec<String> = found.into_iter().map(|change| change.name).collect();
        words.join("\n")
    }

    #[test]
    fn equal_states_have_no_changes() {
        let mut state = SharedState {
            head: "ref: refs/heads/main".to_owned(),
            ..SharedState::default()
        };
        state
            .references
            .insert("refs/heads/main".to_owned(), "1".to_owned());
        assert_eq!(words(&state, &state.clone()), "");
    }

    #[test]
    fn every_kind_of_change_has_a_name() {
        let mut before = SharedState::default();
        let mut after = SharedState {
            head: "ref: refs/heads/other".to_owned(),
            index: Some(Oid::ZERO),
            ..SharedState::default()
        };
        let names = [
            "refs/heads/main",
            "refs/tags/v1",
            "refs/stash",
            "refs/notes/commits",
        ];
        for name in names {
            after.references.insert(name.to_owned(), "1".to_owned());
        }
        let gone = "refs/heads/gone".to_owned();
        before.references.insert(gone, "1".to_owned());
        before
            .files
            .insert("config".to_owned(), Oid::from_bytes([1; 20]));
        after.files.insert("config".to_owned(), Oid::ZERO);
        after.files.insert("hooks/pre-commit".to_owned(), Oid::ZERO);
        insta::assert_snapshot!(words(&before, &after), @r"
        HEAD of the main checkout
        the index of the main checkout
        the branch gone
        the branch main
        refs/notes/commits
        the stash
        the tag v1
        .git/config
        .git/hooks/pre-commit
        ");
    }

    #[test]
    fn only_changes_of_what_git_executes_or_reads_are_changes_of_programs() {
        let keys = [
            "alias.st",
            "branch.main.remote",
            "commit.gpgsign",
            "core.fsmonitor",
            "core.hookspath",
            "core.sparsecheckout",
            "core.sparsecheckoutx",
            "credential.helper",
            "diff.q.textconv",
            "extensions.worktreeconfig",
            "fetch.prune",
            "filter.lfs.process",
            "gpg.program",
            "include.path",
            "init.defaultbranch",
            "init.templatedir",
            "lfs.https://example.com.access",
            "lfs.customtransfer.x.path",
            "merge.q.driver",
            "remote.origin.fetch",
            "remote.origin.pushurl",
            "remote.origin.uploadpack",
            "submodule.lib.url",
            "submodule.lib.update",
            "user.signingkey",
        ];
        let mut after = SharedState::default();
        for key in keys {
            after.settings.insert(key.to_owned(), Oid::ZERO);
        }
        for file in [
            "config",
            "hooks/pre-commit",
            "info/attributes",
            "info/exclude",
        ] {
            after.files.insert(file.to_owned(), Oid::ZERO);
        }
        for name in ["refs/heads/main", "refs/replace/1234"] {
            after.references.insert(name.to_owned(), "1".to_owned());
        }
        after.irregular.insert("packed-refs".to_owned());
        let found = changes_of_programs(&SharedState::default(), &after);
        insta::assert_snapshot!(found.join("\n"), @r"
        git's setting alias.st
        git's setting commit.gpgsign
        git's setting core.fsmonitor
        git's setting core.hookspath
        git's setting core.sparsecheckoutx
        git's setting credential.helper
        git's setting diff.q.textconv
        git's setting filter.lfs.process
        git's setting gpg.program
        git's setting include.path
        git's setting init.templatedir
        git's setting lfs.customtransfer.x.path
        git's setting merge.q.driver
        git's setting remote.origin.pushurl
        git's setting remote.origin.uploadpack
        git's setting submodule.lib.update
        git's setting user.signingkey
        .git/hooks/pre-commit
        .git/info/attributes
        refs/replace/1234
        1 more
        ");
        assert!(changes_of_programs(&after, &after.clone()).is_empty());
    }

    #[test]
    fn an_identity_is_no_harmless_setting() {
        let mut after = SharedState::default();
        for key in ["author.name", "committer.email", "user.email", "user.name"] {
            after.settings.insert(key.to_owned(), Oid::ZERO);
        }
        assert_eq!(
            changes_of_programs(&SharedState::default(), &after).len(),
            4
        );
    }

    #[test]
    fn of_many_changes_only_some_are_recorded() {
        let mut after = SharedState::default();
        for number in 0..2 * MOST_CHANGES {
            let name = format!("refs/tags/{number}");
            after.references.insert(name, "1".to_owned());
        }
        let found = changes(&SharedState::default(), &after);
        assert_eq!(found.len(), MOST_CHANGES);
    }
}
