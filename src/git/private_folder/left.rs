//! Reads what a worker left in its own git folder, without git: the worker could have written anything
//! there, a configuration that names programs included.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::git::private_folder::PrivateFolder;
use crate::git::reference_log::{Log, parse_log};
use crate::git::refs::branch_ref;
use crate::git::worktree::Head;
use crate::merge::oid::Oid;

/// The beginning of the names of branches.
const HEADS: &str = "refs/heads/";

/// The folders of other references that are the worker's work: branches, tags and notes.
const FOLDERS: [&str; 3] = ["refs/heads", "refs/tags", "refs/notes"];

/// The most entries of the folders of branches that are read.
const MOST_ENTRIES: usize = 100_000;

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
    /// The tags and notes by their full names, those of the user included.
    pub others: BTreeMap<String, Oid>,
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

    /// Lists the tags and notes that the user does not have, or has elsewhere.
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
    /// When a file that git would read is not a regular one, or cannot be read.
    pub fn left(&self) -> io::Result<Left> {
        let mut others = packed_references(&self.folder)?;
        for folder in FOLDERS {
            add_loose_references(&self.folder, folder, &mut others)?;
        }
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
            abandoned: self.abandoned(&entry)?,
            has_objects: true,
        })
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
            if admin != own && !is_there() {
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

fn packed_references(folder: &Path) -> io::Result<BTreeMap<String, Oid>> {
    let Some(text) = content(&folder.join("packed-refs"), RECORD_LIMIT)? else {
        return Ok(BTreeMap::new());
    };
    let reference = |line: &str| {
        let (oid, name) = line.split_once(' ')?;
        let mut folders = FOLDERS
            .iter()
            .filter_map(|folder| name.strip_prefix(folder));
        let is_wanted = folders.any(|rest| rest.starts_with('/'));
        let oid = is_wanted.then(|| oid.parse().ok()).flatten()?;
        Some((name.to_owned(), oid))
    };
    Ok(text.lines().filter_map(reference).collect())
}

/// Adds the references whose files are below a folder, such as `refs/tags`.
fn add_loose_references(
    git_folder: &Path,
    top: &str,
    references: &mut BTreeMap<String, Oid>,
) -> io::Result<()> {
    let mut folders = vec![top.to_owned()];
    let mut left = MOST_ENTRIES;
    while let Some(below) = folders.pop() {
        let entries = fs::read_dir(git_folder.join(&below));
        for entry in entries.into_iter().flatten().flatten().take(left) {
            left -= 1;
            let Some(name) = entry
                .file_name()
                .to_str()
                .map(|name| format!("{below}/{name}"))
            else {
                continue;
            };
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(name);
            } else if let Some(Ok(object)) = line(&entry.path())?.map(|text| text.parse()) {
                references.insert(name, object);
            }
        }
    }
    Ok(())
}

/// Reads the log of a reference.
fn log(file: &Path) -> io::Result<Log> {
    let text = content(file, RECORD_LIMIT)?.unwrap_or_default();
    Ok(parse_log(&text))
}

/// Reads a file of one line; `None` if there is none.
fn line(file: &Path) -> io::Result<Option<String>> {
    let text = content(file, regular_file::LINE_LIMIT)?;
    Ok(text.map(|text| text.trim_end().to_owned()))
}

fn content(file: &Path, limit: u64) -> io::Result<Option<String>> {
    match regular_file::read(file, limit) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if is_absent(error.kind()) => Ok(None),
        Err(error) => {
            let message = format!("{}: {error}", file.display());
            Err(io::Error::new(error.kind(), message))
        }
    }
}

fn is_absent(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    matches!(kind, NotFound | NotADirectory | IsADirectory)
}
