//! Finds pipes, devices and folders in place of git's own files. git and libgit2 would wait for them.

use std::path::{Path, PathBuf};

use crate::base::regular_file;

/// Files of the shared folder that nearly every operation reads.
const READ_ALWAYS: [&str; 7] = [
    "HEAD",
    "config",
    "info/attributes",
    "info/exclude",
    "objects/info/alternates",
    "packed-refs",
    "shallow",
];

/// Files of the folder of a linked worktree that git reads first.
const READ_IN_WORKTREE: [&str; 4] = ["HEAD", "commondir", "gitdir", "index"];

/// Finds the first irregular file that an operation on these references would read.
pub(super) fn find(common: &Path, references: &[&str]) -> Option<PathBuf> {
    let names = READ_ALWAYS.iter().chain(references);
    names
        .map(|name| common.join(name))
        .find(|path| is_irregular(path))
}

/// Finds the first irregular file below a folder of references. Links are not followed.
pub(super) fn find_below(common: &Path, prefix: &str) -> Option<PathBuf> {
    let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut folders = vec![common.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => {}
                _ if is_irregular(&entry.path()) => return Some(entry.path()),
                _ => {}
            }
        }
    }
    None
}

/// Finds the first irregular file that git would read to find the repository around a folder.
pub(super) fn find_around(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    let link = folder
        .ancestors()
        .map(|folder| folder.join(".git"))
        .find(|link| link.symlink_metadata().is_ok())?;
    if link.is_dir() {
        return find(&link, &[]);
    }
    if !link.is_file() {
        return Some(link);
    }
    let text = regular_file::read_line(&link).ok()?;
    let admin = link
        .parent()?
        .join(text.trim_end().strip_prefix("gitdir: ")?);
    let in_admin = READ_IN_WORKTREE.map(|name| admin.join(name));
    let found = in_admin.into_iter().find(|path| is_irregular(path));
    found.or_else(|| {
        let common = regular_file::read_line(&admin.join("commondir")).ok()?;
        find(&admin.join(common.trim_end()), &[])
    })
}

/// Returns `true` for anything but a regular file, links followed. An absent one is regular. A
/// reference may be a folder of others.
fn is_irregular(path: &Path) -> bool {
    let is_reference = path.components().any(|part| part.as_os_str() == "refs");
    let about = path.metadata();
    about.is_ok_and(|about| !(about.is_file() || is_reference && about.is_dir()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use crate::base::process::Program;
    use crate::git::{Git, Repo, Store};

    #[test]
    fn a_pipe_in_place_of_a_file_of_git_is_named_and_waited_for_by_nothing() {
        let top = tempfile::tempdir().unwrap();
        let git = Git::at(top.path());
        git.run(&["init", "--quiet", "--initial-branch=main"])
            .unwrap();
        let repo = Repo::discover(top.path()).unwrap();
        let store = Store::open(&repo).unwrap();
        for name in [
            "config",
            "packed-refs",
            "info/attributes",
            "refs/dispatch/runs/x",
        ] {
            let file = repo.common.join(name);
            let saved = fs::read(&file).ok();
            let _ = fs::remove_file(&file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            Program::new("mkfifo").arg(&file).output().unwrap();
            let said = format!("{} is not a file", file.display());
            let error = store.reference("refs/dispatch/runs/x").unwrap_err();
            assert_eq!(error.to_string(), said);
            let error = store.references("refs/dispatch/runs/").unwrap_err();
            assert_eq!(error.to_string(), said);
            if !name.starts_with("refs/") {
                let error = Repo::discover(top.path()).unwrap_err();
                assert!(error.to_string().contains("is not a file"), "{error}");
            }
            fs::remove_file(&file).unwrap();
            if let Some(saved) = saved {
                fs::write(&file, saved).unwrap();
            }
        }
        assert!(store.reference("refs/dispatch/runs/x").unwrap().is_none());
        assert!(Repo::discover(top.path()).is_ok());
    }
}
