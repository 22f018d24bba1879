//! Reads what a worker left in its own git folder, without git: the worker could have written anything
//! there, a configuration that names programs included.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::git::loose_references::{
    add_loose_references, content, line, loose_references_of_worktree,
};
use crate::git::private_folder::PrivateFolder;
use crate::git::reference_log::{Log, parse_log};
use crate::git::refs::branch_ref;
use crate::git::worktree::Head;
use crate::merge::oid::Oid;

/// The beginning of the names of branches.
const HEADS: &str = "refs/heads/";

/// The folders of references that do not count as the worker's work, or that are read in another way: what a
/// fetch brings, what git replaces, and what only dispatch may write.
const LEFT_OUT: [&str; 5] = [
    "refs/dispatch",
    "refs/prefetch",
    "refs/remotes",
    "refs/replace",
    "refs/stash",
];

/// The most symbolic references between HEAD and a commit.
const MOST_STEPS: usize = 5;

/// The state of a worker's own git folder after it has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Left {
    /// HEAD of the worktree; `None` if it names nothing.
    pub head: Option<Head>,
    /// The log of HEAD.
    pub head_log: Log,
    /// The entries of the stash.
    pub stash: Log,
    /// The branches, without `refs/heads/`: those of the user and of the run, and new ones.
    pub branches: BTreeMap<String, Oid>,
    /// The tags, notes and other references by their full names, those of the user included.
    pub others: BTreeMap<String, Oid>,
    /// The references of the worktree alone, such as those of a bisection.
    pub of_worktree: BTreeMap<String, Oid>,
    /// The references of the worktrees that it added, each with the name of the worktree.
    pub of_added: Vec<(String, String, Oid)>,
    /// The commits at which worktrees were that the worker added and whose folders are gone.
    pub abandoned: Vec<Oid>,
    /// `false` if it is known that there are no objects.
    pub has_objects: bool,
}

impl Left {
    /// Returns the commit of HEAD.
    pub fn head_commit(&self) -> Option<Oid> {
        match self.head.as_ref()? {
            Head::Detached(commit) => Some(*commit),
            Head::Branch(branch) => self.branches.get(branch).copied(),
        }
    }

    /// Lists the branches that the user does not have, or has elsewhere.
    pub fn changed_branches<'a>(
        &'a self,
        of_user: &'a BTreeMap<String, String>,
    ) -> impl Iterator<Item = (&'a str, Oid)> {
        let changed = |(branch, commit): &(&String, &Oid)| {
            let known = of_user.get(&branch_ref(branch));
            known.is_none_or(|known| *known != commit.to_string())
        };
        let all = self.branches.iter().filter(changed);
        all.map(|(branch, commit)| (branch.as_str(), *commit))
    }

    /// Lists the tags, notes and other references that the user does not have, or has elsewhere.
    pub fn changed_others<'a>(
        &'a self,
        of_user: &'a BTreeMap<String, String>,
    ) -> impl Iterator<Item = (&'a str, Oid)> {
        let changed = |(name, object): &(&String, &Oid)| {
            let known = of_user.get(*name);
            known.is_none_or(|known| *known != object.to_string())
        };
        let all = self.others.iter().filter(changed);
        all.map(|(name, object)| (name.as_str(), *object))
    }
}

impl PrivateFolder {
    /// Reads what its worker left.
    ///
    /// # Errors
    /// When a file that git would read is not a regular one, or cannot be read, or the worker put a link in
    /// place of its folder.
    pub fn left(&self) -> io::Result<Left> {
        drop(self.open_entry()?);
        let mut others = packed_references(&self.folder)?;
        add_loose_references(&self.folder, "refs", &mut others)?;
        others.retain(|name, _| is_of_worker(name));
        let branch =
            |(name, commit): (&String, &Oid)| Some((name.strip_prefix(HEADS)?.to_owned(), *commit));
        let branches = others.iter().filter_map(branch).collect();
        others.retain(|name, _| !name.starts_with(HEADS));
        let entry = self.entry();
        Ok(Left {
            head: self.head(&entry)?,
            head_log: log(&entry.join("logs/HEAD"))?,
            stash: self.stash()?,
            branches,
            others,
            of_worktree: loose_references_of_worktree(&entry)?,
            of_added: self.references_of_added(&entry)?,
            abandoned: self.abandoned(&entry)?,
            has_objects: true,
        })
    }

    /// Reads the references of the worktrees besides the worker's `own` entry.
    fn references_of_added(&self, own: &Path) -> io::Result<Vec<(String, String, Oid)>> {
        let entries = fs::read_dir(self.folder.join("worktrees"));
        let mut found = Vec::new();
        for entry in entries.into_iter().flatten().flatten() {
            // A link leads to what is not the worker's.
            if entry.path() == own || !entry.file_type()?.is_dir() {
                continue;
            }
            let worktree = entry.file_name().to_string_lossy().into_owned();
            let references = loose_references_of_worktree(&entry.path())?.into_iter();
            found.extend(references.map(|(name, object)| (worktree.clone(), name, object)));
        }
        found.sort();
        Ok(found)
    }

    /// Reads the last commits of the worktrees besides the worker's `own` entry whose folders are gone.
    fn abandoned(&self, own: &Path) -> io::Result<Vec<Oid>> {
        let entries = fs::read_dir(self.folder.join("worktrees"));
        let mut found = Vec::new();
        for entry in entries.into_iter().flatten().flatten() {
            let admin = entry.path();
            let is_there = || {
                regular_file::read_line(&admin.join("gitdir"))
                    .is_ok_and(|link| Path::new(link.trim_end()).exists())
            };
            if admin != own && entry.file_type()?.is_dir() && !is_there() {
                let log = log(&admin.join("logs/HEAD"))?;
                found.extend(log.first().map(|(commit, _)| *commit));
            }
        }
        Ok(found)
    }

    /// Reads HEAD of the worktree, through symbolic references.
    fn head(&self, entry: &Path) -> io::Result<Option<Head>> {
        let Some(mut text) = line(&entry.join("HEAD"))? else {
            return Ok(None);
        };
        for _ in 0..MOST_STEPS {
            let Some(name) = text.strip_prefix("ref: ") else {
                return Ok(text.parse().ok().map(Head::Detached));
            };
            let Some(branch) = name.strip_prefix("refs/heads/").filter(|it| is_plain(it)) else {
                return Ok(None);
            };
            let branch = branch.to_owned();
            match line(&self.folder.join(branch_ref(&branch)))? {
                Some(next) if next.starts_with("ref: ") => text = next,
                _ => return Ok(Some(Head::Branch(branch))),
            }
        }
        Ok(None)
    }

    fn stash(&self) -> io::Result<Log> {
        let mut entries = log(&self.folder.join("logs/refs/stash"))?;
        let latest = line(&self.folder.join("refs/stash"))?;
        let latest = latest.and_then(|text| text.parse().ok());
        if let Some(latest) = latest.filter(|latest| !entries.iter().any(|(it, _)| it == latest)) {
            entries.insert(0, (latest, String::new()));
        }
        Ok(entries)
    }
}

/// Returns `true` for a name that leads to no other folder.
fn is_plain(name: &str) -> bool {
    name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Returns `true` for a reference that may be the worker's work.
fn is_of_worker(name: &str) -> bool {
    let mut below = LEFT_OUT
        .iter()
        .filter_map(|folder| name.strip_prefix(folder));
    !below.any(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn packed_references(folder: &Path) -> io::Result<BTreeMap<String, Oid>> {
    let Some(text) = content(&folder.join("packed-refs"), RECORD_LIMIT)? else {
        return Ok(BTreeMap::new());
    };
    let reference = |line: &str| {
        let (oid, name) = line.split_once(' ')?;
        Some((name.to_owned(), oid.parse().ok()?))
    };
    Ok(text.lines().filter_map(reference).collect())
}

/// Reads the log of a reference.
fn log(file: &Path) -> io::Result<Log> {
    let text = content(file, RECORD_LIMIT)?.unwrap_or_default();
    Ok(parse_log(&text))
}
