//! Ancestry by `merge-base` and `rev-list`.

use crate::git::backend::{Backend as _, ObjectKind};
use crate::git::commit_object::CommitObject;
use crate::git::program::{Program, with_oids};
use crate::git::store_error::StoreError;
use crate::merge::answer::Lineage;
use crate::merge::oid::Oid;

/// The longest chain of commits that is read before `merge-base` is asked.
const MOST_STEPS: usize = 8;

impl Program {
    pub(super) fn descends(&self, new: Oid, old: Oid) -> Result<bool, StoreError> {
        // Most candidates are a commit or two above their base.
        let mut next = new;
        for _ in 0..MOST_STEPS {
            let Some((ObjectKind::Commit, text)) = self.read(next)? else {
                break;
            };
            let parents = CommitObject::parse(&text).map(|commit| commit.parents);
            match parents.unwrap_or_default()[..] {
                [parent] if parent == old => return Ok(true),
                [parent] => next = parent,
                _ => break,
            }
        }
        let args = with_oids(&["merge-base", "--is-ancestor"], &[old, new]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Ok(self.try_run(&args)?.is_some())
    }

    pub(super) fn list_bases(&self, kind: &[&str], tips: &[Oid]) -> Result<Vec<Oid>, StoreError> {
        let args = with_oids(&[&["merge-base"], kind].concat(), tips);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let found = self.try_run(&args)?.map(|finished| finished.stdout);
        let found = String::from_utf8_lossy(&found.unwrap_or_default()).into_owned();
        Ok(found.lines().filter_map(|line| line.parse().ok()).collect())
    }

    pub(super) fn list_commits(
        &self,
        tip: Oid,
        base: Option<Oid>,
    ) -> Result<Vec<Lineage>, StoreError> {
        let mut args = with_oids(&["rev-list", "--topo-order", "--parents"], &[tip]);
        args.extend(base.map(|base| format!("^{base}")));
        let listed = self.git.run(&args)?;
        let listed = String::from_utf8_lossy(&listed);
        let lineage = |line: &str| {
            let mut oids = line.split(' ').filter_map(|word| word.parse().ok());
            Some((oids.next()?, oids.collect()))
        };
        Ok(listed.lines().filter_map(lineage).collect())
    }
}
