//! The command with which anybody sees a verdict and its tree by git alone.

use crate::base::text::shell_word;
use crate::git::Store;
use crate::git::attributes::ATTR_SOURCE_SINCE;
use crate::git::{Repo, StoreError};
use crate::merge::oid::Oid;
use crate::merge::verdict::PairVerdict;

/// Since this version `git merge-tree` takes a base (release notes of 2.40).
const MERGE_BASE_SINCE: (u32, u32) = (2, 40);

/// How two commits are merged by hand, to be typed into a shell in the repository.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sceptic {
    /// What pins the attributes, with a space behind it.
    before: String,
    after: String,
    merge_base: Option<Oid>,
    has_merge_base: bool,
}

impl Sceptic {
    /// With the attributes of this commit, and over this base if one was asked for.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn new(
        repo: &Repo,
        store: &Store,
        attributes: Oid,
        merge_base: Option<Oid>,
    ) -> Result<Sceptic, StoreError> {
        let (before, after) = if repo.version >= ATTR_SOURCE_SINCE {
            (format!("GIT_ATTR_SOURCE={attributes} "), String::new())
        } else {
            let files = store.attribute_files(store.tree_of(attributes)?)?;
            let files = files.into_iter().map(|(path, _)| path.to_string());
            in_a_folder_of_its_own(attributes, &files.collect::<Vec<_>>())
        };
        Ok(Sceptic {
            before,
            after,
            merge_base,
            has_merge_base: repo.version >= MERGE_BASE_SINCE,
        })
    }

    /// The command that shows what a verdict is about: for names that only some file systems keep
    /// apart it lists them in the merged tree.
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

    /// The command for commits that merge one after the other until the last does not.
    pub fn command_in_order(&self, tips: &[Oid]) -> Option<String> {
        let (last, rest) = tips.split_last()?;
        let (first, rest) = rest.split_first()?;
        if self.merge_base.is_some() && !self.has_merge_base {
            // Every step would need commits that are made up.
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
        let Sceptic { before, after, .. } = self;
        let base = self.merge_base.map(|base| format!(" --merge-base={base}"));
        let base = base.unwrap_or_default();
        format!("{before}git merge-tree --write-tree{base} {a} {b}{after}")
    }

    /// The command for two commits.
    pub fn command(&self, a: Oid, b: Oid) -> String {
        let Sceptic { before, after, .. } = self;
        match self.merge_base {
            None => self.merge(&a.to_string(), &b.to_string()),
            Some(_) if self.has_merge_base => self.merge(&a.to_string(), &b.to_string()),
            // Two commits on one base, made up, are what the option does.
            Some(base) => {
                let root = format!("root=$(git commit-tree -m base {base}^{{tree}})");
                let on = |side: Oid| format!("$(git commit-tree -m side -p $root {side}^{{tree}})");
                let (a, b) = (on(a), on(b));
                format!("{root} && {before}git merge-tree --write-tree {a} {b}{after}")
            }
        }
    }
}

/// git that does not know `GIT_ATTR_SOURCE` reads attributes where it stands: in a subshell that
/// stands in an empty folder, filled with those of the commit.
fn in_a_folder_of_its_own(attributes: Oid, files: &[String]) -> (String, String) {
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
