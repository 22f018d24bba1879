//! Keeps small objects that this process read or wrote: the same few commits and trees are read for every
//! step of a task.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::git::backend::ObjectKind;
use crate::merge::oid::Oid;

/// The largest object that is kept, in bytes.
const LARGEST: usize = 64 << 10;

/// The size of one generation in bytes; two of them are kept.
const GENERATION: usize = 1 << 20;

/// An object: its kind and its content.
pub(super) type Object = (ObjectKind, Arc<[u8]>);

/// Small objects of one repository. Those that were not used for a while are forgotten.
#[derive(Default)]
pub(super) struct ObjectCache {
    kept: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Oid, Object>,
    old: HashMap<Oid, Object>,
    /// The size of the young generation in bytes.
    size: usize,
}

impl ObjectCache {
    /// Returns an object, which may have been removed from the repository since.
    pub(super) fn get(&self, oid: Oid) -> Option<Object> {
        let mut kept = self.lock();
        if let Some(object) = kept.young.get(&oid) {
            return Some(object.clone());
        }
        let object = kept.old.remove(&oid)?;
        kept.insert(oid, object.clone());
        Some(object)
    }

    /// Keeps an object unless it is large.
    pub(super) fn insert(&self, oid: Oid, kind: ObjectKind, content: &[u8]) {
        if content.len() <= LARGEST {
            self.lock().insert(oid, (kind, content.into()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        // A panic elsewhere leaves maps of complete objects.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn insert(&mut self, oid: Oid, object: Object) {
        let size = object.1.len();
        if self.size + size > GENERATION {
            self.old = std::mem::take(&mut self.young);
            self.size = 0;
        }
        if self.young.insert(oid, object).is_none() {
            self.size += size;
        }
    }
}

impl fmt::Debug for ObjectCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.lock();
        let count = kept.young.len() + kept.old.len();
        write!(f, "ObjectCache({count} objects)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::git::object_hash::hash;
    use crate::git::{Git, Repo, Store};
    use crate::merge::oid::ObjectFormat;

    fn oid(content: &[u8]) -> Oid {
        hash(ObjectFormat::Sha1, "blob", &[content])
    }

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let cache = ObjectCache::default();
        let block = |n: u8| vec![n; LARGEST];
        let used = block(0);
        cache.insert(oid(&used), ObjectKind::Blob, &used);
        let other = block(1);
        cache.insert(oid(&other), ObjectKind::Tree, &other);
        for n in 2..100 {
            let next = block(n);
            cache.insert(oid(&next), ObjectKind::Blob, &next);
            let (kind, content) = cache.get(oid(&used)).unwrap();
            assert_eq!((kind, &*content), (ObjectKind::Blob, &used[..]));
        }
        assert!(cache.get(oid(&other)).is_none());
        let kept = cache.lock();
        assert!((kept.young.len() + kept.old.len()) * LARGEST <= 2 * GENERATION);
    }

    #[test]
    fn a_large_object_is_not_kept() {
        let cache = ObjectCache::default();
        let large = vec![b'x'; LARGEST + 1];
        cache.insert(oid(&large), ObjectKind::Blob, &large);
        assert!(cache.get(oid(&large)).is_none());
    }

    #[test]
    fn an_object_that_was_removed_is_missing_though_it_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let git = Git::at(folder.path());
        git.run(&["init", "--quiet"]).unwrap();
        let repo = Repo::discover(folder.path()).unwrap();
        let store = Store::open(&repo).unwrap();
        std::fs::write(folder.path().join("a"), "one\n").unwrap();
        // An object of another process has no copy.
        let line = git.line(&["hash-object", "-w", "a"]).unwrap();
        let blob: Oid = line.parse().unwrap();
        assert_eq!(store.blob(blob).unwrap(), b"one\n");
        assert!(repo.objects.get(blob).is_some());
        let file = format!("objects/{}/{}", &line[..2], &line[2..]);
        std::fs::remove_file(repo.common.join(file)).unwrap();
        assert!(store.blob(blob).is_err());
        assert!(store.blob_size(blob).is_err());
    }

    #[test]
    fn an_object_of_a_quarantine_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        Git::at(folder.path()).run(&["init", "--quiet"]).unwrap();
        let repo = Repo::discover(folder.path()).unwrap();
        let quarantine = crate::git::quarantine::Quarantine::new(&repo).unwrap();
        let store = quarantine.store().unwrap();
        let blob = store.write_blob(b"two\n").unwrap();
        assert_eq!(store.blob(blob).unwrap(), b"two\n");
        assert!(repo.objects.get(blob).is_none());
    }
}
