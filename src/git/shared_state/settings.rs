//! The settings of git.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::git::command::GitError;
use crate::git::object_hash::digest;
use crate::git::repo::Repo;
use crate::git::shared_state::sources::Sources;
use crate::merge::oid::Oid;

/// Lists git's settings of every scope, those of included files, too.
pub(super) fn read_settings(
    repo: &Repo,
    sources: &mut Sources,
) -> Result<BTreeMap<String, Oid>, GitError> {
    for file in setting_files(repo) {
        sources.add(&file);
    }
    let args = [
        "config",
        "--list",
        "--show-scope",
        "--show-origin",
        "--includes",
        "-z",
    ];
    let listed = repo.git().run_unless_invalid(&args)?.unwrap_or_default();
    let mut parts = listed.split(|byte| *byte == 0);
    let mut values: BTreeMap<String, Vec<&[u8]>> = BTreeMap::new();
    let mut origins = BTreeSet::new();
    while let (Some(scope), Some(origin), Some(setting)) =
        (parts.next(), parts.next(), parts.next())
    {
        if scope == b"command" {
            continue;
        }
        let mut setting = setting.splitn(2, |byte| *byte == b'\n');
        let key = String::from_utf8_lossy(setting.next().unwrap_or_default()).into_owned();
        let value = setting.next().unwrap_or_default();
        if let Some(file) = origin.strip_prefix(b"file:") {
            let file = repo.top.join(OsStr::from_bytes(file));
            if key == "include.path" || key.starts_with("includeif.") {
                origins.insert(included(&file, value));
            }
            origins.insert(file);
        }
        values.entry(key).or_default().push(value);
    }
    for file in origins {
        sources.add(&file);
    }
    let one =
        |(key, values): (String, Vec<&[u8]>)| (key, Oid::from_bytes(digest(&values.join(&0))));
    Ok(values.into_iter().map(one).collect())
}

/// Returns the files that hold settings, whether they exist or not.
fn setting_files(repo: &Repo) -> Vec<PathBuf> {
    let mut files = vec![
        repo.common.join("config"),
        repo.git_dir.join("config.worktree"),
        PathBuf::from("/etc/gitconfig"),
    ];
    let named = std::env::var_os("GIT_CONFIG_GLOBAL").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.or_else(|| Some(home.as_ref()?.join(".config")));
    files.extend(named);
    files.extend(home.map(|home| home.join(".gitconfig")));
    files.extend(config.map(|config| config.join("git/config")));
    files
}

/// Resolves the path of an included file as git does.
fn included(from: &Path, path: &[u8]) -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    match (path.strip_prefix(b"~/"), home) {
        (Some(rest), Some(home)) => home.join(OsStr::from_bytes(rest)),
        _ => {
            let folder = from.parent().unwrap_or(Path::new("/"));
            folder.join(OsStr::from_bytes(path))
        }
    }
}
