//! Finds references of an attempt besides branches and the stash: tags, notes, those of other programs, and
//! those of its worktree alone.

use std::collections::BTreeMap;

use crate::base::text::shell_word;
use crate::engine::EngineError;
use crate::engine::attempt::elsewhere::Search;
use crate::engine::attempt::traced_commands::has_traced;
use crate::engine::worktree::remains::keep;
use crate::git::reference_log::unreachable_tips;
use crate::merge::oid::Oid;

impl Search<'_> {
    /// Finds references of the worker's own git folder, which goes with them, and those of the worktree.
    pub(super) fn own_references(&mut self) -> Result<(), EngineError> {
        self.references_of_worktree()?;
        let Some(left) = &self.left else {
            return Ok(());
        };
        let of_user = self.case.execution.context.copied_references()?;
        let changed = left.changed_others(&of_user);
        let changed: Vec<(String, Oid)> = changed
            .filter(|(_, object)| self.store.has(*object))
            .map(|(name, object)| (name.to_owned(), object))
            .collect();
        let (context, spec) = (&self.case.execution.context, &self.case.execution.spec);
        let reference = context.attempt_ref(spec.task, spec.attempt);
        for (name, object) in changed {
            let of_commit = self.store.tree_of(object).is_ok();
            if !of_commit || !self.is_kept(object)? {
                keep(self.store, &reference, object)?;
            }
            self.remarks.push(format!(
                "{} {}, which it made or moved: `git update-ref {} {object}` makes it yours",
                self.words,
                described(&name),
                shell_word(&name)
            ));
        }
        Ok(())
    }

    /// Finds references of the worktree alone, such as those of a bisection. They go with it, and are named
    /// only if no other reference has their commits.
    fn references_of_worktree(&mut self) -> Result<(), EngineError> {
        let found = match &self.left {
            Some(left) => left.of_worktree.clone(),
            None => self.read_references_of_worktree()?,
        };
        let named = found.into_iter();
        self.keep_unreachable(
            named
                .map(|(name, object)| (described(&name), object))
                .collect(),
        )
    }

    /// Keeps the objects of references that go with a worktree, and names those, by their descriptions, that
    /// no other reference has.
    pub(super) fn keep_unreachable(
        &mut self,
        mut references: Vec<(String, Oid)>,
    ) -> Result<(), EngineError> {
        references.retain(|(_, object)| self.store.has(*object));
        let objects: Vec<Oid> = references.iter().map(|(_, object)| *object).collect();
        let git = self.case.execution.context.repo.git();
        for tip in unreachable_tips(&git, &objects)? {
            let named = references.iter().find(|(_, object)| *object == tip);
            if let Some((what, _)) = named.filter(|_| !self.is_in_result(tip).unwrap_or(false)) {
                let (what, show) = (what.clone(), format!("git log {}", tip.short()));
                self.keep(tip, &what, &show)?;
            }
        }
        Ok(())
    }

    fn read_references_of_worktree(&self) -> Result<BTreeMap<String, Oid>, EngineError> {
        let folder = self.case.execution.folder();
        let (worktree, any) = (&self.case.worktree, |_: &[String]| true);
        // Those in a reftable cost a process, and few workers make any.
        let may_have = worktree.admin.join("refs").is_dir()
            && (!worktree.admin.join("reftable").is_dir()
                || has_traced(&folder, "refs/", any)
                || has_traced(&folder, "bisect", any));
        match may_have {
            true => Ok(worktree.own_references()?),
            false => Ok(BTreeMap::new()),
        }
    }
}

/// Returns the kind and the name of a reference, for a sentence.
pub(super) fn described(name: &str) -> String {
    match name.strip_prefix("refs/tags/") {
        Some(tag) => format!("the tag {tag}"),
        None if name.starts_with("refs/notes/") => format!("the notes {name}"),
        None => format!("the reference {name}"),
    }
}
