//! Repositories through libgit2, in this process. Runs no program that the repository names.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Once;

use git2::{
    ConfigLevel, ErrorClass, ErrorCode, Index, ObjectType, Odb, Repository, RepositoryOpenFlags,
    Sort,
};

use crate::base::files;
use crate::base::regular_file::{self, LINE_LIMIT};
use crate::git::backend::{Backend, Header, ObjectKind};
use crate::git::store_error::StoreError;
use crate::merge::answer::Lineage;
use crate::merge::change::FileStat;
use crate::merge::oid::{ObjectFormat, Oid};

mod diff;
mod loose_object;
mod refs;

/// The readings of the packs until an object is missing. libgit2 lists them once more at a miss, and a
/// `git repack` that follows on a `git gc` can remove the pack that it has just found.
const MOST_READINGS: u32 = 3;

/// A repository with SHA-1 ids and references in files.
pub(super) struct Libgit2 {
    repository: Repository,
    is_durable: bool,
}

impl Libgit2 {
    /// Opens a git folder.
    ///
    /// # Errors
    /// When libgit2 does not read the format of the repository.
    pub(super) fn open(git_folder: &Path) -> Result<Libgit2, StoreError> {
        disable_strict_checks();
        let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
        let nowhere: [&Path; 0] = [];
        let repository = Repository::open_ext(git_folder, flags, nowhere)?;
        // Differences look for attributes in the index, whose format libgit2 may not read.
        repository.set_index(&mut Index::new()?)?;
        Ok(Libgit2 {
            repository,
            is_durable: false,
        })
    }

    /// Makes writes durable: objects, their folders and references are fsynced before a call
    /// returns.
    ///
    /// libgit2 takes this for references from `core.fsyncObjectFiles`. The setting is layered over this
    /// handle's configuration from a file in `folder`, so the user's configuration is not written.
    ///
    /// # Errors
    /// When that file cannot be written.
    pub(super) fn be_durable(&mut self, folder: &Path) -> Result<(), StoreError> {
        let file = durable_config(folder)
            .map_err(|error| StoreError::Folder(folder.display().to_string(), error))?;
        let mut config = self.repository.config()?;
        config.add_file(&file, ConfigLevel::App, true)?;
        self.is_durable = true;
        Ok(())
    }

    /// Stops libgit2 from keeping the objects it reads, in this process.
    pub(super) fn keep_no_objects() {
        git2::opts::enable_caching(false);
    }
}

impl Backend for Libgit2 {
    fn format(&self) -> ObjectFormat {
        ObjectFormat::Sha1
    }

    fn folder(&self) -> &Path {
        self.repository.commondir()
    }

    fn read(&self, oid: Oid) -> Result<Option<(ObjectKind, Vec<u8>)>, StoreError> {
        let odb = self.repository.odb()?;
        let Some(object) = searched(&odb, || odb.read(to_git2(oid)))? else {
            return Ok(None);
        };
        let kind = kind(object.kind()).ok_or(StoreError::Missing(oid))?;
        Ok(Some((kind, object.data().to_vec())))
    }

    fn headers(&self, oids: &[Oid]) -> Result<Vec<Option<Header>>, StoreError> {
        let odb = self.repository.odb()?;
        let header = |oid: &Oid| {
            let header = searched(&odb, || odb.read_header(to_git2(*oid)))?;
            Ok(header.and_then(|(size, of)| Some((kind(of)?, size as u64))))
        };
        oids.iter().map(header).collect()
    }

    fn missing(&self, oids: &[Oid]) -> Result<Option<Oid>, StoreError> {
        let odb = self.repository.odb()?;
        for oid in oids {
            // The file of a loose object is not opened.
            if !odb.exists(to_git2(*oid)) && self.headers(&[*oid])?[0].is_none() {
                return Ok(Some(*oid));
            }
        }
        Ok(None)
    }

    fn write(&self, kind: ObjectKind, content: &[u8]) -> Result<Oid, StoreError> {
        let objects = self.folder().join("objects");
        loose_object::write(&objects, (kind, content), self.is_durable)
            .map_err(|error| StoreError::Folder(objects.display().to_string(), error))
    }

    fn resolve(&self, revision: &str) -> Result<Option<Oid>, StoreError> {
        let found = self.repository.revparse_single(revision);
        match found.and_then(|object| object.peel_to_commit()) {
            Ok(commit) => Ok(Some(from_git2(commit.id()))),
            Err(error) => match error.code() {
                ErrorCode::NotFound | ErrorCode::InvalidSpec | ErrorCode::Peel => Ok(None),
                ErrorCode::Ambiguous => Ok(None),
                _ => Err(error.into()),
            },
        }
    }

    fn is_object(&self, revision: &str) -> bool {
        self.repository.revparse_single(revision).is_ok()
    }

    fn reference(&self, name: &str) -> Result<Option<Oid>, StoreError> {
        Ok(found(self.repository.refname_to_id(name))?.map(from_git2))
    }

    fn move_reference(&self, name: &str, old: Oid, new: Oid, why: &str) -> Result<(), StoreError> {
        self.move_from(name, old, new, why)
    }

    fn force_reference(&self, name: &str, new: Oid, why: &str) -> Result<(), StoreError> {
        self.repository.reference(name, to_git2(new), true, why)?;
        Ok(())
    }

    fn delete_reference(&self, name: &str, old: Oid) -> Result<(), StoreError> {
        self.delete_at(name, old)
    }

    fn references(&self, prefix: &str) -> Result<Vec<(String, Oid)>, StoreError> {
        self.list_references(prefix)
    }

    fn is_set(&self, key: &str) -> bool {
        // A snapshot is read again when a file has changed.
        let config = self.repository.config();
        let config = config.and_then(|mut config| config.snapshot());
        config
            .and_then(|config| config.get_bool(key))
            .unwrap_or(false)
    }

    fn settings(&self, keys: &str) -> Result<Vec<(String, String)>, StoreError> {
        let config = self.repository.config()?;
        let mut entries = config.entries(Some(keys))?;
        let mut found = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let value = match entry.has_value() {
                true => text(entry.value_bytes()),
                false => "true".to_owned(),
            };
            found.push((text(entry.name_bytes()), value));
        }
        Ok(found)
    }

    fn is_ancestor(&self, old: Oid, new: Oid) -> Result<bool, StoreError> {
        let (old, new) = (to_git2(old), to_git2(new));
        Ok(self.repository.graph_descendant_of(new, old)?)
    }

    fn merge_bases(&self, a: Oid, b: Oid) -> Result<Vec<Oid>, StoreError> {
        let bases = found(self.repository.merge_bases(to_git2(a), to_git2(b)))?;
        let bases = bases.iter().flat_map(|bases| bases.iter());
        Ok(bases.map(|oid| from_git2(*oid)).collect())
    }

    fn common_ancestor(&self, tips: &[Oid]) -> Result<Option<Oid>, StoreError> {
        let tips: Vec<_> = tips.iter().map(|tip| to_git2(*tip)).collect();
        Ok(found(self.repository.merge_base_octopus(&tips))?.map(from_git2))
    }

    fn commits_above(&self, tip: Oid, base: Option<Oid>) -> Result<Vec<Lineage>, StoreError> {
        let mut walk = self.repository.revwalk()?;
        walk.set_sorting(Sort::TOPOLOGICAL)?;
        walk.push(to_git2(tip))?;
        if let Some(base) = base {
            walk.hide(to_git2(base))?;
        }
        let lineage = |oid: git2::Oid| -> Result<Lineage, git2::Error> {
            let commit = self.repository.find_commit(oid)?;
            let parents = commit.parent_ids().map(from_git2).collect();
            Ok((from_git2(oid), parents))
        };
        Ok(walk.map(|oid| lineage(oid?)).collect::<Result<_, _>>()?)
    }

    fn file_stats(&self, old: Oid, new: Oid) -> Result<Vec<FileStat>, StoreError> {
        self.count_lines(old, new)
    }

    fn index_tree(&self, index: &Path) -> Option<Oid> {
        let mut index = Index::open(index).ok()?;
        index.write_tree_to(&self.repository).ok().map(from_git2)
    }
}

fn to_git2(oid: Oid) -> git2::Oid {
    git2::Oid::from_bytes(oid.as_bytes()).unwrap_or(git2::Oid::ZERO_SHA1)
}

fn from_git2(oid: git2::Oid) -> Oid {
    Oid::from_slice(oid.as_bytes()).unwrap_or(Oid::ZERO)
}

fn kind(kind: ObjectType) -> Option<ObjectKind> {
    match kind {
        ObjectType::Blob => Some(ObjectKind::Blob),
        ObjectType::Tree => Some(ObjectKind::Tree),
        ObjectType::Commit => Some(ObjectKind::Commit),
        ObjectType::Tag => Some(ObjectKind::Tag),
        ObjectType::Any => None,
    }
}

/// Turns "not found" into `None`.
fn found<T>(result: Result<T, git2::Error>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads from the object database; `None` for an object that several readings of the packs do not find.
fn searched<T>(
    odb: &Odb<'_>,
    read: impl Fn() -> Result<T, git2::Error>,
) -> Result<Option<T>, StoreError> {
    for _ in 1..MOST_READINGS {
        match read() {
            Err(error) if matches!(error.class(), ErrorClass::Odb | ErrorClass::Os) => {
                odb.refresh()?;
            }
            result => return found(result),
        }
    }
    found(read())
}

/// Turns off libgit2's hashing of every object it reads, which is half of the cost of reading, and its
/// search for each object that a new tree or reference names, which costs a read of the pack folder and
/// fails in a partial clone. git leaves both to `git fsck`, too; truncated and overwritten objects are
/// detected by the checksum of the compressed data.
fn disable_strict_checks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        git2::opts::strict_hash_verification(false);
        git2::opts::strict_object_creation(false);
    });
}

fn durable_config(folder: &Path) -> std::io::Result<PathBuf> {
    let file = folder.join("durable.gitconfig");
    let content = b"[core]\n\tfsyncObjectFiles = true\n";
    if regular_file::read(&file, LINE_LIMIT).is_ok_and(|found| found == content) {
        return Ok(file);
    }
    std::fs::create_dir_all(folder)?;
    let mut temporary = files::temporary_in(folder)?;
    temporary.write_all(content)?;
    temporary.persist(&file).map_err(|error| error.error)?;
    Ok(file)
}
