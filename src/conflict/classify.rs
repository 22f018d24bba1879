//! From git's answer about two branches to units with one class each.
//!
//! A unit is a connected group of staged paths and paths named in messages. Stages alone cannot
//! tell the kinds apart, neither can messages: the class comes from message types, the stages with
//! their modes and objects, and the renames of each branch.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::conflict::lines;
use crate::model::change::{Change, RepoPath};
use crate::model::conflict::{Class, Hunk, Unit, Verdict};
use crate::model::ids::Oid;
use crate::model::merge::{MergeResult, Message, RENAME_COLLISION, Rename, Stage};

/// What is known about one of the two branches.
#[derive(Clone, Copy, Debug)]
pub struct SideInfo<'a> {
    /// The commit that was merged: git makes up file names with it.
    pub commit: Oid,
    /// Its difference to the merge base, without rename detection, sorted by path.
    pub changes: &'a [Change],
    /// Its renames as (old path, new path); asked for only where [`needs_renames`] says so.
    pub renames: &'a [Rename],
}

/// Everything a verdict is made from.
pub struct Evidence<'a> {
    /// What git said.
    pub result: &'a MergeResult,
    /// The first branch.
    pub ours: SideInfo<'a>,
    /// The second branch.
    pub theirs: SideInfo<'a>,
    /// Reads a blob.
    pub blob: &'a dyn Fn(Oid) -> Option<Vec<u8>>,
    /// Whether a path is generated: a lock file, a snapshot, marked so by an attribute.
    pub generated: &'a dyn Fn(&RepoPath) -> bool,
}

/// The verdict on a pair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Classified {
    /// Whether they merge: git's word.
    pub verdict: Verdict,
    /// The class of the worst unit.
    pub class: Class,
    /// The worst severity.
    pub severity: u8,
    /// What meets where, worst first.
    pub units: Vec<Unit>,
}

impl Classified {
    /// From units with their severities.
    pub fn new(verdict: Verdict, units: Vec<(Unit, u8)>) -> Classified {
        let mut units = units;
        units.sort_by(|(a, x), (b, y)| {
            y.cmp(x)
                .then_with(|| (a.class, &a.paths).cmp(&(b.class, &b.paths)))
        });
        let worst = units
            .first()
            .map(|(unit, severity)| (unit.class, *severity));
        let (class, severity) = worst.unwrap_or(match verdict {
            Verdict::Clean => (Class::Independent, 0),
            _ => (Class::EngineFailure, Class::EngineFailure.severity()),
        });
        Classified {
            verdict,
            class,
            severity,
            units: units.into_iter().map(|(unit, _)| unit).collect(),
        }
    }

    /// git died on this pair.
    pub fn engine_failure() -> Classified {
        Classified::new(Verdict::EngineFailure, Vec::new())
    }
}

/// Whether the class of some unit depends on the renames of the branches.
pub fn needs_renames(result: &MergeResult) -> bool {
    let mut stages: HashMap<&RepoPath, u8> = HashMap::new();
    for stage in &result.stages {
        *stages.entry(&stage.path).or_default() |= 1 << stage.stage;
    }
    !result.clean && stages.values().any(|bits| *bits == 0b1100)
}

/// The verdict and its units.
pub fn classify(evidence: &Evidence<'_>) -> Classified {
    if evidence.result.clean {
        return Classified::new(Verdict::Clean, clean_units(evidence));
    }
    let groups = groups(evidence);
    let units = groups
        .iter()
        .filter_map(|group| conflict_unit(evidence, group));
    Classified::new(Verdict::Conflict, units.collect())
}

// ---- clean -----------------------------------------------------------------------------------

fn clean_units(evidence: &Evidence<'_>) -> Vec<(Unit, u8)> {
    let (mut same, mut merged, mut renamed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (a, b) in shared(evidence.ours.changes, evidence.theirs.changes) {
        let path = a.path.clone();
        match (&a.new, &b.new) {
            (x, y) if x == y => same.insert(path),
            (Some(_), Some(_)) => merged.insert(path),
            // Deleted here and changed there is clean only when the change went along a rename.
            (None, _) => carried(&mut renamed, a, evidence.ours.changes),
            (_, None) => carried(&mut renamed, b, evidence.theirs.changes),
        };
    }
    for message in &evidence.result.messages {
        match message.kind.as_str() {
            "Auto-merging" if !message.paths.iter().all(|p| merged.contains(p)) => {
                renamed.extend(message.paths.iter().cloned());
            }
            "Path updated due to directory rename" => renamed.extend(message.paths.iter().cloned()),
            _ => {}
        }
    }
    let unit = |class: Class, paths: BTreeSet<RepoPath>| {
        let paths: Vec<RepoPath> = paths.into_iter().collect();
        (!paths.is_empty()).then(|| with_severity(class, paths))
    };
    let hidden: BTreeSet<RepoPath> = evidence.result.hidden_conflicts().cloned().collect();
    renamed.retain(|path| !hidden.contains(path));
    merged.retain(|path| !hidden.contains(path));
    [
        unit(Class::RenameCollision, hidden),
        unit(Class::AutoMergedRename, renamed),
        unit(Class::AutoMerged, merged),
        unit(Class::Identical, same),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Notes a path that a branch moved away and, if it did not edit it, where it went.
fn carried(paths: &mut BTreeSet<RepoPath>, gone: &Change, changes: &[Change]) -> bool {
    let old = gone.old.map(|entry| entry.oid);
    let arrived = |change: &&Change| change.old.is_none() && change.new.map(|new| new.oid) == old;
    let arrived = changes
        .iter()
        .filter(arrived)
        .map(|change| change.path.clone());
    paths.extend(arrived);
    paths.insert(gone.path.clone())
}

/// The changes of both branches at the same path; both lists are sorted.
fn shared<'a>(ours: &'a [Change], theirs: &'a [Change]) -> Vec<(&'a Change, &'a Change)> {
    let find = |change: &'a Change| {
        let place = theirs.binary_search_by(|other| other.path.cmp(&change.path));
        place.ok().map(|place| (change, &theirs[place]))
    };
    ours.iter().filter_map(find).collect()
}

fn with_severity(class: Class, paths: Vec<RepoPath>) -> (Unit, u8) {
    let unit = Unit {
        class,
        paths,
        hunks: Vec::new(),
    };
    (unit, class.severity())
}

// ---- conflicts -------------------------------------------------------------------------------

/// A connected group, with the paths git made up (`p~<commit>`) given back their own name.
#[derive(Default)]
struct Group<'a> {
    paths: BTreeSet<RepoPath>,
    stages: Vec<&'a Stage>,
    messages: Vec<&'a Message>,
}

impl Group<'_> {
    fn says(&self, kind: &str) -> bool {
        self.messages.iter().any(|message| message.kind == kind)
    }

    fn says_like(&self, start: &str) -> bool {
        self.messages
            .iter()
            .any(|message| message.kind.starts_with(start))
    }

    fn stage(&self, number: u8) -> Option<&Stage> {
        self.stages
            .iter()
            .copied()
            .find(|stage| stage.stage == number)
    }

    fn has_only_sides(&self) -> bool {
        self.stage(1).is_none() && self.stage(2).is_some() && self.stage(3).is_some()
    }
}

fn groups<'a>(evidence: &Evidence<'a>) -> Vec<Group<'a>> {
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

fn conflict_unit(evidence: &Evidence<'_>, group: &Group<'_>) -> Option<(Unit, u8)> {
    let class = conflict_class(evidence, group);
    // git also prints this message where it found a place for both; then nothing is staged.
    if class == Class::FileDirectory && group.stages.is_empty() {
        return None;
    }
    let hunks = if class == Class::Content {
        content_hunks(evidence, group)
    } else {
        Vec::new()
    };
    let worst_hunk = hunks.iter().map(|hunk| hunk.class.severity()).max();
    let severity = match class {
        Class::ModifyDelete if is_mode_only(group) => 2,
        class => worst_hunk.unwrap_or(class.severity()),
    };
    let unit = Unit {
        class,
        paths: group.paths.iter().cloned().collect(),
        hunks,
    };
    Some((unit, severity))
}

/// The first line that fits, in decision order.
fn conflict_class(evidence: &Evidence<'_>, group: &Group<'_>) -> Class {
    if group.says_like("ERROR") {
        Class::EngineFailure
    } else if group.says("CONFLICT(directory rename unclear split)") {
        Class::DirRenameSplit
    } else if group.says("CONFLICT(directory rename collision)") {
        Class::DirRenameCollision
    } else if group.says("CONFLICT (file in way of directory rename)") {
        Class::FileInWay
    } else if group.says("CONFLICT (directory rename suggested)") {
        Class::DirRenameSuggested
    } else if group.says("CONFLICT (file/directory)") {
        Class::FileDirectory
    } else if group.says_like("CONFLICT (submodule") || any_mode(group, 0o160_000) {
        Class::Submodule
    } else if group.says("CONFLICT (distinct modes)") {
        Class::DistinctTypes
    } else {
        rename_or_content_class(evidence, group)
    }
}

fn rename_or_content_class(evidence: &Evidence<'_>, group: &Group<'_>) -> Class {
    if group.says("CONFLICT (rename/rename)") {
        Class::RenameRename
    } else if group.says("CONFLICT (rename/delete)") && group.says("CONFLICT (contents)") {
        Class::RenameAddDelete
    } else if group.says(RENAME_COLLISION) {
        Class::RenameCollision
    } else if group.says("CONFLICT (rename/delete)") {
        Class::RenameDelete
    } else if group.says("CONFLICT (modify/delete)") {
        Class::ModifyDelete
    } else if group.says("CONFLICT (binary)") || is_lfs(evidence, group) {
        Class::Binary
    } else if !group.stages.is_empty() && group.stages.iter().all(|s| s.mode == 0o120_000) {
        Class::Symlink
    } else if is_exec_bit(group) {
        Class::ExecBit
    } else if group.has_only_sides() {
        addition_class(evidence, group)
    } else if group.paths.iter().any(evidence.generated) {
        Class::Generated
    } else {
        Class::Content
    }
}

/// Two new files at one path: told apart by how each branch came to its file.
fn addition_class(evidence: &Evidence<'_>, group: &Group<'_>) -> Class {
    let renamed_here = |side: &SideInfo<'_>| {
        let mut renames = side.renames.iter();
        renames.any(|(_, new)| group.paths.contains(new))
    };
    match (renamed_here(&evidence.ours), renamed_here(&evidence.theirs)) {
        (true, true) => Class::RenameRename2to1,
        (false, false) => Class::AddAdd,
        _ => Class::RenameAdd,
    }
}

fn any_mode(group: &Group<'_>, mode: u32) -> bool {
    group.stages.iter().any(|stage| stage.mode == mode)
}

fn is_exec_bit(group: &Group<'_>) -> bool {
    match (group.stage(2), group.stage(3)) {
        (Some(ours), Some(theirs)) => ours.oid == theirs.oid && ours.mode != theirs.mode,
        _ => false,
    }
}

/// Only the mode of what is left differs from the base, not its content.
fn is_mode_only(group: &Group<'_>) -> bool {
    let kept = group.stage(2).or(group.stage(3));
    match (group.stage(1), kept) {
        (Some(base), Some(kept)) => {
            let is_file = |stage: &Stage| stage.mode & 0o170_000 == 0o100_000;
            base.oid == kept.oid && is_file(base) && is_file(kept)
        }
        _ => false,
    }
}

/// A large file's pointer is text and conflicts as text, but no line of it may be merged.
fn is_lfs(evidence: &Evidence<'_>, group: &Group<'_>) -> bool {
    let start = b"version https://git-lfs.github.com/spec/v1";
    let is_pointer = |stage: &Stage| {
        let content = (evidence.blob)(stage.oid);
        content.is_some_and(|content| content.starts_with(start))
    };
    group
        .stages
        .iter()
        .copied()
        .filter(|stage| stage.mode & 0o170_000 == 0o100_000)
        .any(is_pointer)
}

fn content_hunks(evidence: &Evidence<'_>, group: &Group<'_>) -> Vec<Hunk> {
    let content = |number: u8| (evidence.blob)(group.stage(number)?.oid);
    let path = group.stages.first().map(|stage| &stage.path);
    match (path, content(1), content(2), content(3)) {
        (Some(path), Some(base), Some(ours), Some(theirs)) => {
            lines::hunks(path, &base, &ours, &theirs)
        }
        _ => Vec::new(),
    }
}
