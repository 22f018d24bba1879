//! One pair in full: the three contents of every path in conflict, and what reproduces the verdict.

use std::collections::BTreeMap;

use crate::conflicts::detector::{Branch, DetectError, Detector, Sceptic};
use crate::git::{Store, StoreError};
use crate::merge::answer::MergeAnswer;
use crate::merge::change::{Entry, RepoPath};
use crate::merge::oid::Oid;
use crate::merge::verdict::PairVerdict;

/// Everything there is to say about one pair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explained {
    /// The verdict; the branches have the places 0 and 1. Absent if they are independent.
    pub verdict: Option<PairVerdict>,
    /// The merge bases with their trees; none if the two share nothing.
    pub bases: Vec<(Oid, Oid)>,
    /// The trees of the two branches.
    pub trees: [Oid; 2],
    /// What shows the same by git alone.
    pub sceptic: Sceptic,
    /// The paths in conflict, sorted.
    pub files: Vec<ThreeWay>,
    /// What git said about it.
    pub messages: Vec<String>,
}

/// A path in conflict with its contents; a side without the path has none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThreeWay {
    /// The path, as git names it.
    pub path: RepoPath,
    /// What both started from.
    pub base: Option<Vec<u8>>,
    /// The content in the first branch.
    pub a: Option<Vec<u8>>,
    /// The content in the second branch.
    pub b: Option<Vec<u8>>,
}

impl Detector {
    /// Merges one pair and gives everything about it.
    ///
    /// # Errors
    /// When git or the store cannot be used, or a tip is no commit.
    pub fn explain(&mut self, a: &Branch, b: &Branch) -> Result<Explained, DetectError> {
        let branches = [a.clone(), b.clone()];
        let verdict = self.update(&branches)?.pairs.into_iter().next();
        // Every pair is merged for this, those that need no merge for their verdict too.
        let pruned = std::mem::replace(&mut self.options.prune, false);
        let explained = self.merge_once_more(&branches, verdict);
        self.options.prune = pruned;
        explained
    }

    fn merge_once_more(
        &mut self,
        branches: &[Branch; 2],
        verdict: Option<PairVerdict>,
    ) -> Result<Explained, DetectError> {
        let scene = self.scene(branches)?;
        let (pairs, _) = self.pairs(&scene)?;
        let attributes = pairs.first().map(|pair| pair.key.attributes);
        let attributes = attributes.or(scene.base).unwrap_or(branches[0].tip);
        let engine = scene.engine.with_attributes_of(attributes)?;
        let answer = engine.merge(scene.commits[0], scene.commits[1])?;
        let store = engine.store()?;
        let bases = match self.options.base {
            Some(base) => vec![base],
            None => store.merge_bases(branches[0].tip, branches[1].tip)?,
        };
        let with_tree = |base: Oid| Ok((base, store.tree_of(base)?));
        let bases: Result<_, StoreError> = bases.into_iter().map(with_tree).collect();
        let (files, messages) = match &answer {
            MergeAnswer::Done(result) => {
                let said = result.messages.iter();
                let messages = said.map(|message| message.text.trim_end().to_owned());
                (three_ways(&store, &answer)?, messages.collect())
            }
            MergeAnswer::Failed(said) => (Vec::new(), vec![said.clone()]),
        };
        Ok(Explained {
            verdict,
            bases: bases?,
            trees: [scene.trees[0], scene.trees[1]],
            sceptic: Sceptic::new(&self.repo, &store, attributes, self.options.base)?,
            files,
            messages,
        })
    }
}

fn three_ways(store: &Store, answer: &MergeAnswer) -> Result<Vec<ThreeWay>, StoreError> {
    let MergeAnswer::Done(result) = answer else {
        return Ok(Vec::new());
    };
    let mut files: BTreeMap<&RepoPath, [Option<Vec<u8>>; 3]> = BTreeMap::new();
    for stage in &result.stages {
        let content = match stage.mode {
            // It has no content.
            Entry::SUBMODULE => format!("submodule at {}\n", stage.oid).into_bytes(),
            _ => store.blob(stage.oid)?,
        };
        let place = usize::from(stage.stage.clamp(1, 3)) - 1;
        files.entry(&stage.path).or_default()[place] = Some(content);
    }
    let file = |(path, [base, a, b]): (&RepoPath, [_; 3])| ThreeWay {
        path: path.clone(),
        base,
        a,
        b,
    };
    Ok(files.into_iter().map(file).collect())
}
