//! Builds the git commands that reproduce a verdict.

use crate::base::text::shell_word;
use crate::git::Store;
use crate::git::attributes::ATTR_SOURCE_SINCE;
use crate::git::{Repo, StoreError};
use crate::merge::oid::Oid;
use crate::merge::verdict::PairVerdict;

/// The first git whose `merge-tree` takes a base (release notes of 2.40).
const MERGE_BASE_SINCE: (u32, u32) = (2, 40);

/// Builds shell commands that merge commits with git alone, for a shell in the repository.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reproduction {
    /// Pins the attributes, with a space at the end.
    before: String,
    after: String,
    merge_base: Option<Oid>,
    has_merge_base: bool,
}

impl Reproduction {
    /// Uses the attributes of this commit, and this merge base if one is given.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn new(
        repo: &Repo,
        store: &Store,
        attributes: Oid,
        merge_base: Option<Oid>,
    ) -> Result<Reproduction, StoreError> {
        let (before, after) = if repo.version >= ATTR_SOURCE_SINCE {
            (format!("GIT_ATTR_SOURCE={attributes} "), String::new())
        } else {
            let files = store.attribute_files(store.tree_of(attributes)?)?;
            let files = files.into_iter().map(|(path, _)| path.to_string());
            in_temporary_folder(attributes, &files.collect::<Vec<_>>())
        };
        Ok(Reproduction {
            before,
            after,
            merge_base,
            has_merge_base: repo.version >= MERGE_BASE_SINCE,
        })
    }

    /// Returns the command that shows a verdict. For colliding names it lists them in the merged
    /// tree.
    pub fn command_for(&self, pair: &PairVerdict, a: Oid, b: Oid) -> String {
        let merge = self.command(a, b);
        if pair.counts_though_merged().is_none() {
            return merge;
        }
        let counted = pair.units.iter().filter(|unit| unit.class == pair.class);
        let names = counted.flat_map(|unit| &unit.paths);
        let names: Vec<String> = names.map(|path| shell_word(&path.to_string())).collect();
        let tree = format!("\"$( {merge} | head -n 1)\"");
        format!("git ls-tree -r --full-tree {tree} -- {}", names.join(" "))
    }

    /// Returns the command that merges commits in order, up to the last one, which conflicts.
    pub fn command_in_order(&self, tips: &[Oid]) -> Option<String> {
        let (last, rest) = tips.split_last()?;
        let (first, rest) = rest.split_first()?;
        if self.merge_base.is_some() && !self.has_merge_base {
            // Every step would need synthetic commits.
            return None;
        }
        let mut text = String::new();
        let mut tip = first.to_string();
        for (place, next) in rest.iter().enumerate() {
            let merge = self.merge(&tip, &next.to_string());
            let commit = format!("git commit-tree -m merged -p {tip} -p {next} \"$( {merge} )\"");
            let name = format!("m{}", place + 1);
            text.push_str(&format!("{name}=$({commit}) && "));
            tip = format!("${name}");
        }
        Some(text + &self.merge(&tip, &last.to_string()))
    }

    fn merge(&self, a: &str, b: &str) -> String {
        let Reproduction { before, after, .. } = self;
        let base = self.merge_base.map(|base| format!(" --merge-base={base}"));
        let base = base.unwrap_or_default();
        format!("{before}git merge-tree --write-tree{base} {a} {b}{after}")
    }

    /// Returns the command that merges two commits.
    pub fn command(&self, a: Oid, b: Oid) -> String {
        let Reproduction { before, after, .. } = self;
        match self.merge_base {
            None => self.merge(&a.to_string(), &b.to_string()),
            Some(_) if self.has_merge_base => self.merge(&a.to_string(), &b.to_string()),
            // Two synthetic commits on one base have the same effect as the option.
            Some(base) => {
                let root = format!("root=$(git commit-tree -m base {base}^{{tree}})");
                let on = |side: Oid| format!("$(git commit-tree -m side -p $root {side}^{{tree}})");
                let (a, b) = (on(a), on(b));
                format!("{root} && {before}git merge-tree --write-tree {a} {b}{after}")
            }
        }
    }
}

/// Wraps a command for git without `GIT_ATTR_SOURCE`, which reads attributes from the working
/// directory: a subshell in an empty folder with the attributes of the commit.
fn in_temporary_folder(attributes: Oid, files: &[String]) -> (String, String) {
    let mut before = "(export GIT_DIR=$(git rev-parse --absolute-git-dir) && cd $(mktemp -d) && \
                      export GIT_WORK_TREE=$PWD && "
        .to_owned();
    for file in files {
        let quoted = shell_word(file);
        if let Some((folder, _)) = file.rsplit_once('/') {
            before.push_str(&format!("mkdir -p {} && ", shell_word(folder)));
        }
        before.push_str(&format!(
            "git cat-file blob {attributes}:{quoted} > {quoted} && "
        ));
    }
    (before, ")".to_owned())
}
