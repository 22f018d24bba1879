//! Groups the staged paths and messages of a merge that belong together.

use std::collections::{BTreeMap, BTreeSet};

use crate::conflicts::classify::Evidence;
use crate::merge::answer::{Message, Stage};
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;

/// A connected group; synthetic paths (`p~<commit>`) are replaced by the original ones.
#[derive(Default)]
pub(super) struct Group<'a> {
    pub(super) paths: BTreeSet<RepoPath>,
    pub(super) stages: Vec<&'a Stage>,
    pub(super) messages: Vec<&'a Message>,
}

impl Group<'_> {
    pub(super) fn has_message(&self, kind: &str) -> bool {
        self.messages.iter().any(|message| message.kind == kind)
    }

    pub(super) fn has_message_like(&self, start: &str) -> bool {
        self.messages
            .iter()
            .any(|message| message.kind.starts_with(start))
    }

    pub(super) fn stage(&self, number: u8) -> Option<&Stage> {
        self.stages
            .iter()
            .copied()
            .find(|stage| stage.stage == number)
    }

    pub(super) fn has_only_sides(&self) -> bool {
        self.stage(1).is_none() && self.stage(2).is_some() && self.stage(3).is_some()
    }
}

/// Lists the groups of one merge, in the order of their first paths.
pub(super) fn groups<'a>(evidence: &Evidence<'a>) -> Vec<Group<'a>> {
    let commits = [evidence.ours.commit, evidence.theirs.commit];
    let original = |path: &RepoPath| original_path(path, &commits);
    let conflicts: Vec<&Message> = evidence
        .result
        .messages
        .iter()
        .filter(|m| m.kind.starts_with("CONFLICT") || m.kind.starts_with("ERROR"))
        .collect();
    let mut joined = UnionFind::default();
    for stage in &evidence.result.stages {
        joined.index(&original(&stage.path));
    }
    for message in &conflicts {
        let indexes: Vec<usize> = message
            .paths
            .iter()
            .map(|path| joined.index(&original(path)))
            .collect();
        indexes
            .windows(2)
            .for_each(|pair| joined.join(pair[0], pair[1]));
    }
    let mut groups: BTreeMap<usize, Group<'a>> = BTreeMap::new();
    for (path, index) in joined.indexes.clone() {
        groups
            .entry(joined.root(index))
            .or_default()
            .paths
            .insert(path);
    }
    for stage in &evidence.result.stages {
        let index = joined.index(&original(&stage.path));
        groups
            .entry(joined.root(index))
            .or_default()
            .stages
            .push(stage);
    }
    for message in conflicts {
        let Some(first) = message.paths.first() else {
            continue;
        };
        let index = joined.index(&original(first));
        groups
            .entry(joined.root(index))
            .or_default()
            .messages
            .push(message);
    }
    groups.into_values().collect()
}

/// Returns the original path of a synthetic one. git names a file `p~<commit>`, `p~<commit>_0` and so
/// on if it cannot be at `p`.
fn original_path(path: &RepoPath, commits: &[Oid]) -> RepoPath {
    let bytes = path.as_bytes();
    for commit in commits {
        let mark = format!("~{commit}");
        let Some(at) = bytes
            .windows(mark.len())
            .rposition(|part| part == mark.as_bytes())
        else {
            continue;
        };
        let tail = &bytes[at + mark.len()..];
        let is_number = tail.first() == Some(&b'_') && tail[1..].iter().all(u8::is_ascii_digit);
        if tail.is_empty() || is_number {
            return RepoPath::new(&bytes[..at]);
        }
    }
    path.clone()
}

/// Union-find over paths.
#[derive(Default)]
struct UnionFind {
    indexes: BTreeMap<RepoPath, usize>,
    parents: Vec<usize>,
}

impl UnionFind {
    fn index(&mut self, path: &RepoPath) -> usize {
        let next = self.parents.len();
        let index = *self.indexes.entry(path.clone()).or_insert(next);
        if index == next {
            self.parents.push(next);
        }
        index
    }

    fn root(&mut self, index: usize) -> usize {
        let mut index = index;
        while self.parents[index] != index {
            self.parents[index] = self.parents[self.parents[index]];
            index = self.parents[index];
        }
        index
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parents[a.max(b)] = a.min(b);
    }
}
