//! The worktrees of the pool: folders that stay where they are, taken by one attempt after another.
//!
//! A run knows the worktree of an attempt by a path of its own. For a worktree of the pool that path is
//! a symbolic link to its folder, and counts only while the lease of the worktree names it. When the
//! worktree is taken away from an attempt, the link goes, as if the worktree had been removed.
//!
//! The record of a worktree is a folder below `<git folder>/dispatch/pool`, named after its path.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use crate::base::fault;
use crate::base::files::{self, FileLock};
use crate::base::regular_file;
use crate::git::repo::Repo;

/// The file that is locked.
const LOCK: &str = "lock";

/// The file with the path of the worktree. Without it there is no record.
const PLACE: &str = "place";

/// The file that names the run and the path under which it knows the worktree.
const LEASE: &str = "lease";

/// The file whose presence lets another attempt take the worktree over.
const RELEASED: &str = "released";

/// The record of a worktree of the pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolEntry {
    /// The folder of the worktree.
    pub place: PathBuf,
    /// The folder of the record.
    pub record: PathBuf,
}

/// The use of a worktree of the pool by an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// The run.
    pub run: String,
    /// The path under which the run knows the worktree: a symbolic link to it.
    pub link: PathBuf,
}

impl PoolEntry {
    /// Locks the record against other threads and processes; `None` while one of them has it, or after
    /// it was removed.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn try_lock(&self) -> io::Result<Option<FileLock>> {
        let place = self.record.join(PLACE);
        if !place.exists() {
            return Ok(None);
        }
        let lock = FileLock::try_take(&self.record.join(LOCK))?;
        Ok(lock.filter(|_| place.exists()))
    }

    /// Locks the record against changes, together with others that only read the worktree; `None` while a
    /// process changes it, or after it was removed.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn try_share(&self) -> io::Result<Option<FileLock>> {
        let place = self.record.join(PLACE);
        if !place.exists() {
            return Ok(None);
        }
        let lock = FileLock::try_share(&self.record.join(LOCK))?;
        Ok(lock.filter(|_| place.exists()))
    }

    /// Waits for the lock; `None` if the record was removed.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn wait_for_lock(&self) -> io::Result<Option<FileLock>> {
        let place = self.record.join(PLACE);
        if !place.exists() {
            return Ok(None);
        }
        let lock = FileLock::wait(&self.record.join(LOCK))?;
        Ok(Some(lock).filter(|_| place.exists()))
    }

    /// Reads the lease. One without its link was never completed, or is given back, and does not count.
    pub fn lease(&self, repo: &Repo) -> Option<Lease> {
        let lease = self.lease_on_disk(repo)?;
        let leads_here = target(&lease.link).is_some_and(|to| to == self.place);
        leads_here.then_some(lease)
    }

    /// Reads the lease, complete or not.
    fn lease_on_disk(&self, repo: &Repo) -> Option<Lease> {
        let text = regular_file::read_line(&self.record.join(LEASE)).ok()?;
        let (run, link) = text.trim_end_matches('\n').split_once('\n')?;
        Some(Lease {
            run: run.to_owned(),
            link: repo.resolve_portable_path(link),
        })
    }

    /// Gives the worktree to an attempt: first the lease, then the link. The caller has the lock.
    ///
    /// # Errors
    /// When one of them cannot be written, or something else is at the place of the link.
    pub fn give(&self, repo: &Repo, lease: &Lease) -> io::Result<()> {
        self.withdraw(repo)?;
        let text = format!("{}\n{}\n", lease.run, repo.portable_path(&lease.link));
        files::replace(&self.record.join(LEASE), text.as_bytes())?;
        fault::point("pool", "leased");
        if let Some(parent) = lease.link.parent() {
            fs::create_dir_all(parent)?;
        }
        symlink(shortest(&lease.link, &self.place), &lease.link)?;
        fault::point("pool", "linked");
        Ok(())
    }

    /// Ends the lease: first its link goes, then the lease. The caller has the lock.
    ///
    /// # Errors
    /// When one of them cannot be removed.
    pub fn withdraw(&self, repo: &Repo) -> io::Result<()> {
        if let Some(lease) = self.lease(repo) {
            fs::remove_file(&lease.link)?;
            fault::point("pool", "unlinked");
        }
        for name in [LEASE, RELEASED] {
            gone(fs::remove_file(self.record.join(name)))?;
        }
        Ok(())
    }

    /// Lets another attempt take the worktree over.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn release(&self) -> io::Result<()> {
        fs::write(self.record.join(RELEASED), "")
    }

    /// Takes [`PoolEntry::release`] back. The caller has the lock.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn hold(&self) -> io::Result<()> {
        gone(fs::remove_file(self.record.join(RELEASED)))
    }

    /// Returns `true` if another attempt may take the worktree over.
    pub fn is_released(&self) -> bool {
        self.record.join(RELEASED).exists()
    }
}

impl Repo {
    /// Lists the worktrees of the pool, in the order in which they were made.
    pub fn pool(&self) -> Vec<PoolEntry> {
        let records = fs::read_dir(self.pool_folder()).into_iter().flatten();
        let records = records.flatten().map(|entry| entry.path());
        let mut found: Vec<PoolEntry> = records
            .filter_map(|record| self.pool_entry(record))
            .collect();
        found.sort_by_cached_key(|entry| {
            let name = entry.place.to_string_lossy().into_owned();
            (name.len(), name)
        });
        found
    }

    fn pool_entry(&self, record: PathBuf) -> Option<PoolEntry> {
        let place = regular_file::read_line(&record.join(PLACE)).ok()?;
        let place = self.resolve_portable_path(place.trim_end_matches('\n'));
        Some(PoolEntry { place, record })
    }

    /// Adds a record for a worktree at a place, and locks it; `None` if there is one already.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_to_pool(&self, place: &Path) -> io::Result<Option<(PoolEntry, FileLock)>> {
        let record = self.pool_record(place);
        let Some(lock) = FileLock::try_take(&record.join(LOCK))? else {
            return Ok(None);
        };
        if record.join(PLACE).exists() {
            return Ok(None);
        }
        let text = format!("{}\n", self.portable_path(place));
        files::replace(&record.join(PLACE), text.as_bytes())?;
        let place = place.to_owned();
        Ok(Some((PoolEntry { place, record }, lock)))
    }

    /// Finds the worktree of the pool that a run knows by a link.
    pub fn behind_link(&self, link: &Path) -> Option<PoolEntry> {
        let entry = self.in_pool(&target(link)?)?;
        let lease = entry.lease_on_disk(self)?;
        (lease.link == link).then_some(entry)
    }

    /// Finds the record of the worktree at a place, if it belongs to the pool.
    pub fn in_pool(&self, place: &Path) -> Option<PoolEntry> {
        let record = self.pool_record(place);
        record.join(PLACE).exists().then(|| PoolEntry {
            place: place.to_owned(),
            record,
        })
    }

    /// Returns the path under which a run knows a worktree: that of the link to one of the pool.
    pub fn known_path(&self, place: &Path) -> PathBuf {
        let lease = self.in_pool(place).and_then(|entry| entry.lease(self));
        lease.map_or_else(|| place.to_owned(), |lease| lease.link)
    }

    /// Removes the record of a worktree that is gone, with the link to it.
    ///
    /// # Errors
    /// When one of them cannot be removed.
    pub fn remove_from_pool(&self, entry: &PoolEntry) -> io::Result<()> {
        entry.withdraw(self)?;
        gone(fs::remove_file(entry.record.join(PLACE)))?;
        // A process that adds the place again does not find the folder half removed.
        let mut name = entry.record.file_name().unwrap_or_default().to_owned();
        name.push("%removed");
        let away = self.pool_folder().join(name);
        gone(fs::remove_dir_all(&away))?;
        gone(fs::rename(&entry.record, &away))?;
        gone(fs::remove_dir_all(&away))
    }

    fn pool_folder(&self) -> PathBuf {
        self.dispatch_folder().join("pool")
    }

    /// Returns the folder of a worktree's record, by its path.
    fn pool_record(&self, place: &Path) -> PathBuf {
        let name = self.portable_path(place);
        self.pool_folder()
            .join(name.replace('%', "%25").replace('/', "%"))
    }
}

/// Reads a link, with a relative target from its folder on.
fn target(link: &Path) -> Option<PathBuf> {
    let to = fs::read_link(link).ok()?;
    let mut plain = PathBuf::new();
    for part in link.parent()?.join(to).components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    Some(plain)
}

/// Returns the target of a link: relative where both are below the same folder, so that it survives a
/// move of all of them.
fn shortest(link: &Path, place: &Path) -> PathBuf {
    let above = link.parent().and_then(Path::parent);
    match above.and_then(|above| place.strip_prefix(above).ok()) {
        Some(below) => Path::new("..").join(below),
        None => place.to_owned(),
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::git::Git;

    /// A repository with one worktree of the pool.
    struct Pool {
        folder: tempfile::TempDir,
        repo: Repo,
        entry: PoolEntry,
    }

    impl Pool {
        fn new() -> Pool {
            let folder = tempfile::tempdir().unwrap();
            let top = folder.path().canonicalize().unwrap().join("shop");
            fs::create_dir(&top).unwrap();
            Git::at(&top).run(&["init", "--quiet"]).unwrap();
            let repo = Repo::discover(&top).unwrap();
            let place = top.parent().unwrap().join("shop.dispatch/pool/1");
            fs::create_dir_all(&place).unwrap();
            let (entry, _) = repo.add_to_pool(&place).unwrap().unwrap();
            Pool {
                folder,
                repo,
                entry,
            }
        }

        fn lease(&self, name: &str) -> Lease {
            let run = "checkout-7k3q".to_owned();
            let above = self.entry.place.parent().unwrap().parent().unwrap();
            let link = above.join(&run).join(name);
            Lease { run, link }
        }
    }

    #[test]
    fn a_link_leads_to_the_worktree_while_the_lease_names_it() {
        let pool = Pool::new();
        let (repo, entry) = (&pool.repo, &pool.entry);
        assert!(repo.add_to_pool(&entry.place).unwrap().is_none());
        assert_eq!(repo.pool(), std::slice::from_ref(entry));
        let (api, docs) = (pool.lease("api"), pool.lease("docs"));
        entry.give(repo, &api).unwrap();
        entry.release().unwrap();
        assert_eq!(fs::read_link(&api.link).unwrap(), Path::new("../pool/1"));
        assert_eq!(repo.behind_link(&api.link), Some(entry.clone()));
        assert_eq!(repo.known_path(&entry.place), api.link);
        entry.give(repo, &docs).unwrap();
        assert!(!entry.is_released());
        assert!(api.link.symlink_metadata().is_err());
        assert_eq!(entry.lease(repo), Some(docs.clone()));
        // A link that another program made leads nowhere.
        symlink("../pool/1", &api.link).unwrap();
        assert_eq!(repo.behind_link(&api.link), None);
        entry.withdraw(repo).unwrap();
        assert_eq!(entry.lease(repo), None);
        assert_eq!(repo.behind_link(&docs.link), None);
        assert_eq!(repo.known_path(&entry.place), entry.place);
    }

    #[test]
    fn a_record_is_locked_once_and_gone_for_good() {
        let pool = Pool::new();
        let lock = pool.entry.try_lock().unwrap();
        assert!(lock.is_some() && pool.entry.try_lock().unwrap().is_none());
        pool.repo.remove_from_pool(&pool.entry).unwrap();
        assert_eq!(pool.repo.pool(), []);
        assert!(pool.entry.try_lock().unwrap().is_none());
        assert!(!pool.entry.record.exists());
        assert!(pool.repo.add_to_pool(&pool.entry.place).unwrap().is_some());
    }

    #[test]
    fn a_lease_without_its_link_does_not_count() {
        let pool = Pool::new();
        let lease = pool.lease("api");
        pool.entry.give(&pool.repo, &lease).unwrap();
        fs::remove_file(&lease.link).unwrap();
        assert_eq!(pool.entry.lease(&pool.repo), None);
        pool.entry.give(&pool.repo, &lease).unwrap();
        assert_eq!(pool.entry.lease(&pool.repo), Some(lease));
    }

    #[test]
    fn a_moved_folder_keeps_its_leases() {
        let pool = Pool::new();
        let lease = pool.lease("api");
        pool.entry.give(&pool.repo, &lease).unwrap();
        let old = pool.repo.home().parent().unwrap().to_owned();
        let new = old.join("moved");
        fs::create_dir(&new).unwrap();
        for name in ["shop", "shop.dispatch"] {
            fs::rename(old.join(name), new.join(name)).unwrap();
        }
        let repo = Repo::discover(&new.join("shop")).unwrap();
        let link = new.join("shop.dispatch/checkout-7k3q/api");
        let found = repo.behind_link(&link).unwrap();
        assert_eq!(found.place, new.join("shop.dispatch/pool/1"));
        drop(pool.folder);
    }
}
