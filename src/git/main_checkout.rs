//! Finds the folder of the main checkout, beside which worktrees stand.
//!
//! Usually it is the parent of `.git`. In a submodule, and with a git folder elsewhere
//! (`git init --separate-git-dir`, `.git` as a link), a linked worktree cannot tell where it is, so
//! the first run records it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::files;
use crate::base::regular_file::{self, LINE_LIMIT};
use crate::git::command::Git;

/// The file in dispatch's folder that names the main checkout.
const RECORD: &str = "main-checkout";

/// Returns the folder of the main checkout, or the git folder itself where no checkout is known, as
/// in a bare repository.
pub(super) fn main_checkout(top: &Path, common: &Path, git_dir: &Path) -> PathBuf {
    match (common.file_name(), common.parent()) {
        (Some(name), Some(parent)) if name == ".git" => parent.to_owned(),
        _ if git_dir == common => recorded(common).unwrap_or_else(|| top.to_owned()),
        _ => {
            let found = recorded(common).or_else(|| configured(common));
            found.unwrap_or_else(|| common.to_owned())
        }
    }
}

/// Records the main checkout of a repository whose git folder is elsewhere, so that every worktree
/// of it finds the same one.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn record(common: &Path, home: &Path) -> io::Result<()> {
    let is_usual = common.file_name().is_some_and(|name| name == ".git");
    if is_usual || recorded(common).as_deref() == Some(home) {
        return Ok(());
    }
    let file = common.join("dispatch").join(RECORD);
    file.parent().map_or(Ok(()), fs::create_dir_all)?;
    files::replace(&file, home.as_os_str().as_bytes())
}

/// Reads the recorded checkout, if it still belongs to this repository.
fn recorded(common: &Path) -> Option<PathBuf> {
    let text = regular_file::read(&common.join("dispatch").join(RECORD), LINE_LIMIT).ok()?;
    let home = PathBuf::from(OsStr::from_bytes(&text));
    (home == common || git_dir_of(&home).as_deref() == Some(common)).then_some(home)
}

/// Follows `.git` in a folder, which is a folder, a link or a file that names one.
fn git_dir_of(folder: &Path) -> Option<PathBuf> {
    let link = folder.join(".git");
    if link.is_dir() {
        return fs::canonicalize(link).ok();
    }
    let text = regular_file::read_linked(&link, LINE_LIMIT).ok()?;
    let path = text.strip_prefix(b"gitdir: ")?.trim_ascii_end();
    fs::canonicalize(folder.join(OsStr::from_bytes(path))).ok()
}

/// Reads the checkout from the repository's configuration, where git notes that of a submodule.
fn configured(common: &Path) -> Option<PathBuf> {
    let mut args: Vec<OsString> = ["config", "--file"].map(OsString::from).to_vec();
    args.push(common.join("config").into_os_string());
    args.push("core.worktree".into());
    let printed = Git::at(common).run(&args).ok()?;
    let path = OsStr::from_bytes(printed.strip_suffix(b"\n")?);
    fs::canonicalize(common.join(path)).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_checkout_is_the_parent_of_its_git_folder() {
        let common = Path::new("/nowhere/shop/.git");
        let linked = common.join("worktrees/x");
        for git_dir in [common, &linked] {
            let home = main_checkout(Path::new("/elsewhere"), common, git_dir);
            assert_eq!(home, Path::new("/nowhere/shop"));
        }
        record(common, Path::new("/nowhere/shop")).unwrap();
    }

    #[test]
    fn a_git_folder_elsewhere_remembers_its_checkout() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let (work, common) = (root.join("work"), root.join("store.git"));
        fs::create_dir_all(&work).unwrap();
        fs::create_dir_all(&common).unwrap();
        fs::write(work.join(".git"), format!("gitdir: {}\n", common.display())).unwrap();
        let (linked, other) = (common.join("worktrees/x"), root.join("other"));
        assert_eq!(
            main_checkout(&other, &common, &linked),
            common,
            "nothing says where it is"
        );
        assert_eq!(main_checkout(&work, &common, &common), work);
        record(&common, &work).unwrap();
        assert_eq!(main_checkout(&other, &common, &linked), work);
        fs::remove_file(work.join(".git")).unwrap();
        assert_eq!(
            main_checkout(&other, &common, &linked),
            common,
            "it is no longer its own"
        );
    }
}
