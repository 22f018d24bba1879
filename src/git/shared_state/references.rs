//! HEAD and the references of the user.

use std::collections::BTreeMap;

use crate::base::regular_file::{self, LINE_LIMIT};
use crate::git::command::{Git, GitError};
use crate::git::head::{render_head, try_read_head};
use crate::git::repo::Repo;
use crate::git::shared_state::sources::{Sources, entries};

/// The list of tables where references are stored as reftable; git replaces it with every change.
const TABLES: &str = "reftable/tables.list";

/// Folders of references that are not compared: remote-tracking branches change with every fetch,
/// and `refs/dispatch` is dispatch's own.
const SKIPPED_REFERENCES: [&str; 2] = ["refs/remotes", "refs/dispatch"];

/// Reads HEAD of the main checkout, as its file would read.
pub(super) fn read_head(repo: &Repo, sources: &mut Sources) -> Result<String, GitError> {
    if repo.formats.has_reftable {
        sources.add(&repo.common.join(TABLES));
        let head = try_read_head(&repo.common)?;
        return Ok(head.map_or_else(String::new, |head| render_head(&head).trim_end().to_owned()));
    }
    let text = sources.read(&repo.common, "HEAD").unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
}

/// References that belong to the main checkout, or that dispatch or git alone use: a worker gets no copy.
const NOT_COPIED: [&str; 6] = [
    "refs/dispatch",
    "refs/stash",
    "refs/replace",
    "refs/bisect",
    "refs/rewritten",
    "refs/worktree",
];

/// Reads the references that are compared: those of the user, outside of dispatch's `own` branches.
pub(super) fn read_compared(
    repo: &Repo,
    own: &str,
    sources: &mut Sources,
) -> Result<BTreeMap<String, String>, GitError> {
    read_references(repo, (&SKIPPED_REFERENCES, own), sources)
}

/// Reads the references of which a worker gets a copy, without dispatch's `own` branches.
pub(super) fn read_copied(
    repo: &Repo,
    own: &str,
    sources: &mut Sources,
) -> Result<BTreeMap<String, String>, GitError> {
    read_references(repo, (&NOT_COPIED, own), sources)
}

/// Reads the references outside of these folders and of dispatch's `own` branches, as their files would
/// read.
fn read_references(
    repo: &Repo,
    (skipped, own): (&[&str], &str),
    sources: &mut Sources,
) -> Result<BTreeMap<String, String>, GitError> {
    let is_skipped = |name: &str| {
        let skipped = skipped.iter().copied().chain([own]);
        let mut below = skipped.filter_map(|folder| name.strip_prefix(folder));
        below.any(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if repo.formats.has_reftable {
        sources.add(&repo.common.join(TABLES));
        return list_references(repo, is_skipped);
    }
    let packed = sources.read(&repo.common, "packed-refs");
    let packed = packed.unwrap_or_default();
    let packed = String::from_utf8_lossy(&packed);
    let lines = packed.lines().filter_map(|line| line.split_once(' '));
    let mut found: BTreeMap<String, String> = lines
        .filter(|(_, name)| name.starts_with("refs/") && !is_skipped(name))
        .map(|(oid, name)| (name.to_owned(), oid.to_owned()))
        .collect();
    let mut folders = vec!["refs".to_owned()];
    while let Some(folder) = folders.pop() {
        let path = repo.common.join(&folder);
        sources.add(&path);
        for entry in entries(&path) {
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if is_skipped(&name) || name.ends_with(".lock") {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(name),
                _ => match regular_file::read_linked(&entry.path(), LINE_LIMIT) {
                    Ok(text) => {
                        let text = String::from_utf8_lossy(&text).trim_end().to_owned();
                        found.insert(name, text);
                    }
                    // It may have been removed meanwhile.
                    Err(error) => sources.note_irregular(&entry.path(), name, &error),
                },
            }
        }
    }
    // A program that writes a reference in place, which git does not, most likely writes this one.
    if let Some(name) = read_head(repo, sources)?.strip_prefix("ref: ") {
        sources.add(&repo.common.join(name));
    }
    Ok(found)
}

/// Lists the references that are compared, as their files would read.
///
/// With `--exclude` git would not read the others, which are as many as there are tasks. But git 2.47
/// then sometimes leaves out one that follows them in a reftable.
fn list_references(
    repo: &Repo,
    is_skipped: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, String>, GitError> {
    let format = "--format=%(refname) %(objectname) %(symref)";
    let listed = Git::at(repo.home()).run(&["for-each-ref", format])?;
    let listed = String::from_utf8_lossy(&listed);
    let reference = |line: &str| {
        let mut words = line.split(' ');
        let (name, oid, symbolic) = (words.next()?, words.next()?, words.next()?);
        let text = match symbolic {
            "" => oid.to_owned(),
            target => format!("ref: {target}"),
        };
        Some((name.to_owned(), text))
    };
    let listed = listed.lines().filter_map(reference);
    Ok(listed.filter(|(name, _)| !is_skipped(name)).collect())
}
