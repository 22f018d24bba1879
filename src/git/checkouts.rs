//! Finds linked worktrees, and the places where a branch is checked out.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::PoisonError;
use std::time::SystemTime;

use crate::base::regular_file;
use crate::git::head::render_head;
use crate::git::head_cache::{HeadCache, HeadStore};
use crate::git::private_mark::PrivateMark;
use crate::git::repo::Repo;
use crate::git::worktree::{Head, Worktree, read_head};

/// The most HEADs in reftables that are read one by one.
const FEW: usize = 4;

impl Repo {
    /// Finds the worktree at this folder, or that of the pool which a run knows by this path. Only where
    /// the link between the two is broken are all worktrees read.
    pub fn find_worktree(&self, path: &Path) -> Option<Worktree> {
        let of_pool = self.behind_link(path);
        let path = of_pool.as_ref().map_or(path, |entry| &entry.place);
        if let Some(linked) = self.linked_worktree(path) {
            return Some(linked);
        }
        self.worktrees()
            .into_iter()
            .find(|worktree| worktree.path == path)
    }

    /// Follows the link in a folder to its entry, if that links back.
    fn linked_worktree(&self, path: &Path) -> Option<Worktree> {
        let link = path.join(".git");
        let text = regular_file::read_line(&link).ok()?;
        let named = Path::new(text.trim_end().strip_prefix("gitdir: ")?);
        // A git folder of its worker's own has an entry of the same name.
        let admin = self.common.join("worktrees").join(named.file_name()?);
        let is_entry = named == admin || PrivateMark::read(&admin)?.entry == named;
        let worktree = worktree_of(admin)?;
        (is_entry && worktree.path == path).then_some(worktree)
    }

    /// Lists all linked worktrees from the admin folders, without incomplete entries.
    pub fn worktrees(&self) -> Vec<Worktree> {
        self.worktrees_with(|_| true)
    }

    /// Lists the linked worktrees that were added since a time, or whose HEAD or index was written.
    pub fn worktrees_changed_since(&self, since: SystemTime) -> Vec<Worktree> {
        self.worktrees_with(|entry| {
            let modified = entry.metadata().and_then(|meta| meta.modified());
            modified.map_or(true, |modified| modified >= since)
        })
    }

    fn worktrees_with(&self, is_wanted: impl Fn(&DirEntry) -> bool) -> Vec<Worktree> {
        let Ok(entries) = fs::read_dir(self.common.join("worktrees")) else {
            return Vec::new();
        };
        let mut found: Vec<Worktree> = entries
            .flatten()
            .filter(is_wanted)
            .filter_map(|entry| worktree_of(entry.path()))
            .collect();
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    /// Lists the checkouts of a branch: the main checkout or linked worktrees.
    pub fn checkouts_of(&self, branch: &str) -> Vec<PathBuf> {
        let main = self.common.join("index").exists() && {
            let head = read_head(&self.common);
            matches!(head, Some(Head::Branch(found)) if found == branch)
        };
        let main = main.then(|| self.home().to_owned());
        let linked = self.worktrees_on(branch).into_iter();
        let linked = linked.map(|worktree| worktree.path);
        main.into_iter().chain(linked).collect()
    }

    /// Lists the linked worktrees that have a branch checked out.
    pub fn worktrees_on(&self, branch: &str) -> Vec<Worktree> {
        let heads = self.heads.lock();
        let mut heads = heads.unwrap_or_else(PoisonError::into_inner);
        let root = self.common.join("worktrees");
        let store = match self.formats.has_reftable {
            true => HeadStore::Reftable,
            false => HeadStore::File,
        };
        if store == HeadStore::Reftable {
            self.list_unknown_heads(&mut heads, &root);
        }
        let admins = heads.admins_on(&root, branch, store, |admin| {
            read_head(admin).map_or_else(String::new, |head| render_head(&head))
        });
        let mut found: Vec<Worktree> = admins.into_iter().filter_map(worktree_of).collect();
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    /// Finds the checkout in which a branch is being rebased or bisected, with the operation's name.
    /// HEAD is detached there, and the end of either writes the branch, so git refuses to move it.
    pub fn rebase_or_bisect_of(&self, branch: &str) -> Option<(PathBuf, &'static str)> {
        let main = (self.common.clone(), self.home().to_owned());
        let linked = self.worktrees().into_iter();
        let mut places = linked.map(|worktree| (worktree.admin, worktree.path));
        let mut all = std::iter::once(main).chain(&mut places);
        all.find_map(|(admin, place)| {
            let holds = |file: &str, name: &str| {
                let text = regular_file::read_line(&admin.join(file)).unwrap_or_default();
                text.lines().any(|line| line.trim() == name)
            };
            let full = format!("refs/heads/{branch}");
            let rebase = [
                "rebase-merge/head-name",
                "rebase-apply/head-name",
                "rebase-merge/update-refs",
            ];
            if rebase.iter().any(|file| holds(file, &full)) {
                return Some((place, "rebase"));
            }
            holds("BISECT_START", branch).then_some((place, "bisect"))
        })
    }

    /// Lists the checked-out branches, without `refs/heads/`, with their folders.
    pub fn checkouts(&self) -> Vec<(String, PathBuf)> {
        if self.formats.has_reftable {
            return self.heads_by_git();
        }
        let mut heads = Vec::new();
        if self.common.join("index").exists() {
            heads.push((read_head(&self.common), self.home().to_owned()));
        }
        let linked = self.worktrees().into_iter();
        heads.extend(linked.map(|worktree| (worktree.head(), worktree.path)));
        heads
            .into_iter()
            .filter_map(|(head, place)| match head {
                Some(Head::Branch(branch)) => Some((branch, place)),
                _ => None,
            })
            .collect()
    }
}

impl Repo {
    /// Reads many unknown HEADs in reftables with one process of git.
    fn list_unknown_heads(&self, heads: &mut HeadCache, root: &Path) {
        let unknown = heads.unknown(root, HeadStore::Reftable);
        if unknown.len() <= FEW {
            return;
        }
        let listed = self.heads_by_git().into_iter();
        let listed: HashMap<PathBuf, String> = listed.map(|(branch, at)| (at, branch)).collect();
        for (admin, signature) in unknown {
            let Some(worktree) = worktree_of(admin) else {
                continue;
            };
            let branch = listed.get(&worktree.path);
            let head =
                branch.map_or_else(String::new, |branch| format!("ref: refs/heads/{branch}"));
            heads.remember(&worktree.admin, signature, head);
        }
    }

    /// Lists checked-out branches, without `refs/heads/`, with their folders. One process of git, in
    /// place of one for each HEAD that is stored in a reftable.
    fn heads_by_git(&self) -> Vec<(String, PathBuf)> {
        let listed = self.git().run(&["worktree", "list", "--porcelain", "-z"]);
        let listed = listed.unwrap_or_default();
        let mut folder = PathBuf::new();
        let mut heads = Vec::new();
        for line in listed.split(|byte| *byte == 0) {
            if let Some(path) = line.strip_prefix(b"worktree ") {
                folder = PathBuf::from(OsStr::from_bytes(path));
            } else if let Some(branch) = line.strip_prefix(b"branch refs/heads/") {
                let branch = String::from_utf8_lossy(branch).into_owned();
                heads.push((branch, folder.clone()));
            }
        }
        heads
    }
}

/// Reads the folder that an entry below `worktrees/` belongs to.
fn worktree_of(admin: PathBuf) -> Option<Worktree> {
    let gitdir = regular_file::read_line(&admin.join("gitdir")).ok()?;
    let link = without_parents(&admin.join(gitdir.trim_end()));
    Some(Worktree {
        path: link.parent()?.to_owned(),
        admin,
    })
}

/// Resolves the `..` of a relative link (`worktree.useRelativePaths`) by name.
fn without_parents(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(resolved.pop()),
            part => resolved.push(part),
        }
    }
    resolved
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_relative_link_leads_to_the_folder_of_its_worktree() {
        let root = tempfile::tempdir().unwrap();
        let admin = root.path().join("r/.git/worktrees/dev");
        fs::create_dir_all(&admin).unwrap();
        for link in [
            "../../../../dev/.git\n".to_owned(),
            format!("{}\n", root.path().join("dev/.git").display()),
        ] {
            fs::write(admin.join("gitdir"), link).unwrap();
            let found = worktree_of(admin.clone()).unwrap();
            assert_eq!(found.path, root.path().join("dev"));
        }
    }

    #[test]
    fn only_entries_that_changed_since_are_listed() {
        let root = tempfile::tempdir().unwrap();
        let common = root.path().join("r/.git");
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        for (name, seconds) in [("old", 999), ("same", 1000), ("new", 1001)] {
            let admin = common.join("worktrees").join(name);
            fs::create_dir_all(&admin).unwrap();
            let link = format!("{}\n", root.path().join(name).join(".git").display());
            fs::write(admin.join("gitdir"), link).unwrap();
            let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            fs::File::open(&admin)
                .unwrap()
                .set_modified(modified)
                .unwrap();
        }
        let repo = Repo::new(root.path().join("r"), common.clone(), common, (2, 47));
        let found = repo.worktrees_changed_since(since).into_iter();
        let found: Vec<PathBuf> = found.map(|worktree| worktree.path).collect();
        assert_eq!(found, ["new", "same"].map(|name| root.path().join(name)));
        assert_eq!(repo.worktrees().len(), 3);
    }
}
