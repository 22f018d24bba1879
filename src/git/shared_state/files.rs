//! The files that all worktrees share.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;

use crate::git::object_hash::digest;
use crate::git::repo::Repo;
use crate::git::shared_state::sources::{Sources, entries};
use crate::merge::oid::Oid;

/// Files that all worktrees share, besides objects, references and hooks.
const SHARED_FILES: [&str; 7] = [
    "config",
    "config.worktree",
    "info/attributes",
    "info/exclude",
    "info/grafts",
    "objects/info/alternates",
    "shallow",
];

/// Reads the shared files and the hooks; one that cannot be read is left out.
pub(super) fn read_files(repo: &Repo, sources: &mut Sources) -> BTreeMap<String, Oid> {
    let mut names: Vec<String> = SHARED_FILES.map(str::to_owned).to_vec();
    let hooks = repo.common.join("hooks");
    sources.add(&hooks);
    for hook in entries(&hooks) {
        let name = hook.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".sample") {
            names.push(format!("hooks/{name}"));
        }
    }
    let mut found = BTreeMap::new();
    for name in names {
        if let Some(content) = sources.read(&repo.common, &name) {
            let path = repo.common.join(&name);
            let mode = path.metadata().map_or(0, |meta| meta.mode());
            let hash = digest(&[content, mode.to_be_bytes().to_vec()].concat());
            found.insert(name, Oid::from_bytes(hash));
        }
    }
    found
}
