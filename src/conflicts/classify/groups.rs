//! Which staged paths and messages of a merge belong together.

use std::collections::{BTreeMap, BTreeSet};

use crate::conflicts::classify::Evidence;
use crate::merge::answer::{Message, Stage};
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;

/// A connected group, with the paths git made up (`p~<commit>`) given back their own name.
#[derive(Default)]
pub(super) struct Group<'a> {
    pub(super) paths: BTreeSet<RepoPath>,
    pub(super) stages: Vec<&'a Stage>,
    pub(super) messages: Vec<&'a Message>,
}

impl Group<'_> {
    pub(super) fn says(&self, kind: &str) -> bool {
        self.messages.iter().any(|message| message.kind == kind)
    }

    pub(super) fn says_like(&self, start: &str) -> bool {
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

/// Every group of one merge, in the order of their first paths.
pub(super) fn groups<'a>(evidence: &Evidence<'a>) -> Vec<Group<'a>> {
    let commits = [evidence.ours.commit, evidence.theirs.commit];
    let own_name = |path: &RepoPath| strip_made_up(path, &commits);
    let conflicts: Vec<&Message> = evidence
        .result
        .messages
        .iter()
        .filter(|m| m.kind.starts_with("CONFLICT") || m.kind.starts_with("ERROR"))
        .collect();
    let mut joined = Joined::default();
    for stage in &evidence.result.stages {
        joined.place(&own_name(&stage.path));
    }
    for message in &conflicts {
        let places: Vec<usize> = message
            .paths
            .iter()
            .map(|path| joined.place(&own_name(path)))
            .collect();
        places
            .windows(2)
            .for_each(|pair| joined.join(pair[0], pair[1]));
    }
    let mut groups: BTreeMap<usize, Group<'a>> = BTreeMap::new();
    for (path, place) in joined.places.clone() {
        groups
            .entry(joined.root(place))
            .or_default()
            .paths
            .insert(path);
    }
    for stage in &evidence.result.stages {
        let place = joined.place(&own_name(&stage.path));
        groups
            .entry(joined.root(place))
            .or_default()
            .stages
            .push(stage);
    }
    for message in conflicts {
        let Some(first) = message.paths.first() else {
            continue;
        };
        let place = joined.place(&own_name(first));
        groups
            .entry(joined.root(place))
            .or_default()
            .messages
            .push(message);
    }
    groups.into_values().collect()
}

/// git names a file `p~<commit>`, `p~<commit>_0` and so on where it cannot stand at `p`.
fn strip_made_up(path: &RepoPath, commits: &[Oid]) -> RepoPath {
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
struct Joined {
    places: BTreeMap<RepoPath, usize>,
    parents: Vec<usize>,
}

impl Joined {
    fn place(&mut self, path: &RepoPath) -> usize {
        let next = self.parents.len();
        let place = *self.places.entry(path.clone()).or_insert(next);
        if place == next {
            self.parents.push(next);
        }
        place
    }

    fn root(&mut self, place: usize) -> usize {
        let mut place = place;
        while self.parents[place] != place {
            self.parents[place] = self.parents[self.parents[place]];
            place = self.parents[place];
        }
        place
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parents[a.max(b)] = a.min(b);
    }
}
