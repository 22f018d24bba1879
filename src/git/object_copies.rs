//! Second names of new objects, for a repository that is collected while dispatch writes to it.
//!
//! `git prune` lists the references first and removes every loose object that they did not lead to later,
//! also one that was written, and named by a reference, in between; with `--prune=now` its age does not
//! help. A hard link below dispatch's own folder costs microseconds, is not seen by git, and also
//! survives the death of this process.

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use flate2::read::ZlibDecoder;

use crate::base::files;
use crate::base::regular_file;
use crate::git::object_hash::hash_stored;
use crate::merge::oid::Oid;

/// The seconds of which all copies are in one folder.
const SPAN: u64 = 600;

/// The folders that are used, the newest one included. A collection that takes longer than the time of
/// all but one can still remove an object.
const SPANS: u64 = 4;

/// The share of the time that may go into searches of all copies.
const SHARE: u32 = 50;

/// The shortest time between two such searches.
const INTERVAL: Duration = Duration::from_millis(500);

/// The extension of the file that lets git leave a pack as it is.
const KEEP: &str = "keep";

/// The copies of one repository.
#[derive(Debug)]
pub(super) struct ObjectCopies {
    objects: PathBuf,
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The folder that takes new copies.
    current: Option<u64>,
    /// Start and duration of the last search of all copies.
    searched: Option<(Instant, Duration)>,
    /// `true` once an object had to be put back.
    had_losses: bool,
}

impl ObjectCopies {
    /// Describes the copies of the repository with this shared folder.
    pub(super) fn new(common: &Path) -> ObjectCopies {
        ObjectCopies {
            objects: common.join("objects"),
            folder: common.join("dispatch/objects"),
            state: Mutex::default(),
        }
    }

    /// Gives the file of an object a second name. Returns `false` if there is no such file and no copy.
    ///
    /// # Errors
    /// When the folder of the copies cannot be written.
    pub(super) fn add(&self, oid: Oid) -> io::Result<bool> {
        let folder = self.current_folder()?;
        let (file, copy) = (self.file(oid), folder.join(oid.to_string()));
        match link_or_copy(&file, &copy) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(self.copy_of(oid).is_some())
            }
            linked => linked.map(|()| true),
        }
    }

    /// Moves the file of a new object into the repository, with a second name from the first moment on.
    ///
    /// # Errors
    /// When one of the folders cannot be written.
    pub(super) fn adopt(&self, file: &Path, oid: Oid) -> io::Result<()> {
        let copy = self.current_folder()?.join(oid.to_string());
        link_or_copy(file, &copy)?;
        self.link_object(&copy, oid).map(drop)
    }

    /// Moves a new pack with the files beside it into the repository. A file `.keep` lets git leave it as
    /// it is until the copies of this time are removed.
    ///
    /// # Errors
    /// When one of the folders cannot be written.
    pub(super) fn adopt_pack(&self, pack: &Path) -> io::Result<()> {
        let packs = self.objects.join("pack");
        fs::create_dir_all(&packs)?;
        let keep = pack.with_extension(KEEP);
        let keep = Path::new(keep.file_name().unwrap_or_default());
        // The record comes first, so that no such file stays forever.
        fs::write(self.current_folder()?.join(keep), "")?;
        if !packs.join(keep).exists() {
            fs::write(packs.join(keep), "commits of a worker of dispatch\n")?;
        }
        // git uses a pack from the moment on at which its index is there.
        for extension in ["pack", "rev", "idx"] {
            let file = pack.with_extension(extension);
            let name = file.file_name().unwrap_or_default();
            if file.exists() {
                link_or_copy(&file, &packs.join(name))?;
            }
        }
        files::sync_folder(&packs)
    }

    /// Puts an object back. Returns `false` if there is no copy of it.
    ///
    /// # Errors
    /// When the folder of the objects cannot be written.
    pub(super) fn restore(&self, oid: Oid) -> io::Result<bool> {
        let Some(copy) = self.copy_of(oid) else {
            return Ok(false);
        };
        self.state().had_losses = true;
        let folder = self.link_object(&copy, oid)?;
        files::sync_folder(&folder).map(|()| true)
    }

    /// Finds an intact copy of an object.
    fn copy_of(&self, oid: Oid) -> Option<PathBuf> {
        let name = oid.to_string();
        let folders = self.spans().into_iter();
        let mut copies = folders.map(|span| self.folder.join(span.to_string()).join(&name));
        copies.find(|copy| is_intact(copy, oid))
    }

    /// Lets a copy be the file of its object, and returns the folder of that file.
    fn link_object(&self, copy: &Path, oid: Oid) -> io::Result<PathBuf> {
        let file = self.file(oid);
        let folder = file.parent().unwrap_or(&self.objects);
        let start = Instant::now();
        loop {
            fs::create_dir_all(folder)?;
            match link_or_copy(copy, &file) {
                // The folder is removed again as soon as it is empty.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && copy.exists()
                        && start.elapsed() < INTERVAL => {}
                done => return done.map(|()| folder.to_owned()),
            }
        }
    }

    /// Lists the objects that have a copy and no file of their own; they may be in a pack.
    pub(super) fn without_file(&self) -> Vec<Oid> {
        let folders = self.spans().into_iter();
        let folders = folders.map(|span| self.folder.join(span.to_string()));
        let files = folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
        let names: HashSet<_> = files.map(|file| file.file_name()).collect();
        let oids = names
            .iter()
            .filter_map(|name| name.to_str()?.parse::<Oid>().ok());
        oids.filter(|oid| !self.file(*oid).exists()).collect()
    }

    /// Returns `true` if this process had to put an object back, or a collection is under way.
    pub(super) fn are_in_danger(&self) -> bool {
        let packs = fs::read_dir(self.objects.join("pack"));
        let is_repacked = |entry: fs::DirEntry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(".tmp-") || name.starts_with("tmp_pack_")
        };
        self.state().had_losses
            || self.objects.with_file_name("gc.pid").exists()
            || packs.into_iter().flatten().flatten().any(is_repacked)
    }

    /// Returns `true` if enough time has passed since the last search of all copies.
    pub(super) fn is_search_due(&self) -> bool {
        match self.state().searched {
            Some((start, took)) => start.elapsed() > INTERVAL.max(took * SHARE),
            None => true,
        }
    }

    /// Records a search of all copies.
    pub(super) fn searched(&self, start: Instant) {
        self.state().searched = Some((start, start.elapsed()));
    }

    /// Returns the file of a loose object.
    fn file(&self, oid: Oid) -> PathBuf {
        let name = oid.to_string();
        self.objects.join(&name[..2]).join(&name[2..])
    }

    /// Returns the folder that takes new copies, and removes the folders that are too old.
    fn current_folder(&self) -> io::Result<PathBuf> {
        let now = span_now();
        let folder = self.folder.join(now.to_string());
        let mut state = self.state();
        if state.current != Some(now) {
            fs::create_dir_all(&folder)?;
            for span in self.all_spans().into_iter().filter(|span| !is_used(*span)) {
                self.remove_span(&self.folder.join(span.to_string()));
            }
            state.current = Some(now);
        }
        Ok(folder)
    }

    /// Removes the copies of a time, and lets git do as it likes with the packs of that time.
    fn remove_span(&self, folder: &Path) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.map(|entry| PathBuf::from(entry.file_name()));
        for keep in names.filter(|name| name.extension().is_some_and(|it| it == KEEP)) {
            let _ = fs::remove_file(self.objects.join("pack").join(keep));
        }
        // One that stays is removed with the next one.
        let _ = fs::remove_dir_all(folder);
    }

    /// Lists the folders that are used, the newest first.
    fn spans(&self) -> Vec<u64> {
        let mut spans = self.all_spans();
        spans.retain(|span| is_used(*span));
        spans.sort_unstable_by(|a, b| b.cmp(a));
        spans
    }

    fn all_spans(&self) -> Vec<u64> {
        let folders = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let number = |folder: fs::DirEntry| folder.file_name().to_str()?.parse().ok();
        folders.filter_map(number).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves a complete value.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn span_now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs() / SPAN)
}

fn is_used(span: u64) -> bool {
    span_now().abs_diff(span) < SPANS
}

/// Gives a file a second name; a second name that is there already stays.
fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        // Another user's file, or a file system without links.
        Err(_) => copy_file(from, to),
        linked => linked,
    }
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut temporary = tempfile::Builder::new()
        .prefix("tmp_obj_")
        .permissions(Permissions::from_mode(0o444))
        .tempfile_in(to.parent().unwrap_or(to))?;
    io::copy(&mut regular_file::open(from)?, &mut temporary)?;
    temporary.as_file().sync_data()?;
    temporary.persist(to).map_err(|error| error.error)?;
    Ok(())
}

/// Returns `true` if a copy has the content that its name says.
fn is_intact(copy: &Path, oid: Oid) -> bool {
    let file = regular_file::open(copy);
    let hash = file.and_then(|file| hash_stored(oid.format(), ZlibDecoder::new(file)));
    hash.is_ok_and(|hash| hash == oid)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::git::Git;

    /// An empty repository with one object, and its copies.
    fn scene() -> (tempfile::TempDir, ObjectCopies, Oid) {
        let folder = tempfile::tempdir().unwrap();
        let git = Git::at(folder.path());
        git.run(&["init", "--quiet", "--bare"]).unwrap();
        let oid = git.line(&["hash-object", "-w", "HEAD"]).unwrap();
        let copies = ObjectCopies::new(folder.path());
        (folder, copies, oid.parse().unwrap())
    }

    #[test]
    fn a_pruned_object_is_put_back() {
        let (folder, copies, oid) = scene();
        assert!(copies.add(oid).unwrap() && copies.add(oid).unwrap());
        assert_eq!(copies.without_file(), []);
        let git = Git::at(folder.path());
        git.run(&["prune", "--expire=now"]).unwrap();
        assert_eq!(copies.without_file(), [oid]);
        assert!(copies.restore(oid).unwrap());
        let text = git.run(&["cat-file", "blob", &oid.to_string()]).unwrap();
        assert_eq!(text, fs::read(folder.path().join("HEAD")).unwrap());
        assert_eq!(copies.without_file(), []);
    }

    #[test]
    fn a_damaged_copy_is_not_put_back() {
        let (folder, copies, oid) = scene();
        copies.add(oid).unwrap();
        fs::remove_file(copies.file(oid)).unwrap();
        let copy = copies.current_folder().unwrap().join(oid.to_string());
        fs::remove_file(&copy).unwrap();
        fs::write(&copy, "damaged").unwrap();
        assert!(!copies.restore(oid).unwrap());
        assert!(!copies.file(oid).exists());
        drop(folder);
    }

    #[test]
    fn old_copies_are_removed() {
        let (folder, copies, oid) = scene();
        let old = folder.path().join("dispatch/objects/1");
        fs::create_dir_all(&old).unwrap();
        fs::write(old.join(oid.to_string()), "").unwrap();
        copies.add(oid).unwrap();
        assert!(!old.exists());
    }

    #[test]
    fn an_adopted_object_has_a_copy_and_stays_in_its_repository() {
        let (folder, copies, oid) = scene();
        let new = folder.path().join("new");
        fs::rename(copies.file(oid), &new).unwrap();
        copies.adopt(&new, oid).unwrap();
        fs::remove_file(&new).unwrap();
        let git = Git::at(folder.path());
        git.run(&["cat-file", "-e", &oid.to_string()]).unwrap();
        git.run(&["prune", "--expire=now"]).unwrap();
        assert!(copies.restore(oid).unwrap());
    }

    #[test]
    fn an_adopted_pack_outlives_a_collection_and_is_free_with_its_copies() {
        let (folder, copies, oid) = scene();
        let git = Git::at(folder.path());
        let input = format!("{oid}\n");
        let args = ["pack-objects", "-q", "elsewhere"];
        let packed = git.program().args(args).stdin(input).output().unwrap();
        let name = String::from_utf8(packed.stdout).unwrap();
        let pack = folder
            .path()
            .join(format!("elsewhere-{}.pack", name.trim()));
        let renamed = folder.path().join(format!("pack-{}.pack", name.trim()));
        for extension in ["pack", "idx"] {
            let [from, to] = [&pack, &renamed].map(|pack| pack.with_extension(extension));
            fs::rename(from, to).unwrap();
        }
        copies.adopt_pack(&renamed).unwrap();
        git.run(&["gc", "--quiet", "--prune=now"]).unwrap();
        git.run(&["repack", "-adq"]).unwrap();
        git.run(&["cat-file", "-e", &oid.to_string()]).unwrap();
        copies.remove_span(&copies.current_folder().unwrap());
        git.run(&["repack", "-adq"]).unwrap();
        assert!(git.run(&["cat-file", "-e", &oid.to_string()]).is_err());
    }

    #[test]
    fn a_collection_that_is_under_way_is_noticed() {
        let (folder, copies, _) = scene();
        assert!(!copies.are_in_danger());
        for name in ["gc.pid", "objects/pack/.tmp-1-pack-2.pack"] {
            let file = folder.path().join(name);
            fs::write(&file, "").unwrap();
            assert!(copies.are_in_danger(), "{name}");
            fs::remove_file(file).unwrap();
        }
    }

    #[test]
    fn searches_take_a_small_share_of_the_time() {
        let (_folder, copies, _) = scene();
        assert!(copies.is_search_due());
        copies.searched(Instant::now());
        assert!(!copies.is_search_due());
    }
}
