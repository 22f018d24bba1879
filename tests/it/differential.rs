//! The detector against `git merge` in a checkout, on generated repositories: renames of files and
//! directories, files against directories, modes, links, binary files, odd names, branches built on
//! branches, criss-cross merges.
//!
//! `DISPATCH_DIFFERENTIAL_PAIRS` sets how many pairs are merged for real, and
//! `DISPATCH_DIFFERENTIAL_SEED` with which seed to begin, so that several can share the work.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use fastrand::Rng;
use git_dispatch::conflicts::{Branch, Detection, Detector, Options, detect};
use git_dispatch::git::ancestry::{History, common_ancestor};
use git_dispatch::git::{Git, Store};
use git_dispatch::merge::answer::Lineage;
use git_dispatch::merge::class::Class;
use git_dispatch::merge::oid::Oid;
use git_dispatch::merge::verdict::{PairVerdict, Verdict};

use crate::forge::{EXEC, FILE, Files, Forge, LINK, Planned, again_with_the_other_git};

const BRANCHES: usize = 12;

fn words(rng: &mut Rng, lines: usize) -> Vec<u8> {
    let line = |rng: &mut Rng| format!("{} {}\n", rng.lowercase(), rng.u32(..1000));
    (0..lines)
        .map(|_| line(rng))
        .collect::<String>()
        .into_bytes()
}

fn base(rng: &mut Rng) -> Files {
    let mut files = Files::new();
    for folder in ["", "d/", "d/sub/", "e/", "x y/"] {
        for name in ["a", "b", "c"] {
            let lines = rng.usize(3..14);
            let content = words(rng, lines);
            files.insert(format!("{folder}{name}").into_bytes(), (FILE, content));
        }
    }
    files.insert(b"bin".to_vec(), (FILE, b"\0\x01\x02".to_vec()));
    files.insert(b"empty".to_vec(), (FILE, Vec::new()));
    files.insert(b"d/empty".to_vec(), (FILE, Vec::new()));
    let windows = with_line_ends(&words(rng, 8), b"\r\n");
    files.insert(b"e/windows".to_vec(), (FILE, windows));
    files.insert(b"link".to_vec(), (LINK, b"a".to_vec()));
    files.insert(b"tab\tname".to_vec(), (FILE, words(rng, 5)));
    files.insert(b"latin-\xe9/\xff".to_vec(), (FILE, words(rng, 5)));
    files
}

fn with_line_ends(content: &[u8], end: &[u8]) -> Vec<u8> {
    let lines = content.split_inclusive(|byte| *byte == b'\n');
    let line = |line: &[u8]| match line.strip_suffix(b"\n") {
        Some(text) => [text.strip_suffix(b"\r").unwrap_or(text), end].concat(),
        None => line.to_vec(),
    };
    lines.flat_map(line).collect()
}

fn pick(rng: &mut Rng, files: &Files) -> Option<Vec<u8>> {
    let place = rng.usize(..files.len().max(1));
    files.keys().nth(place).cloned()
}

/// Removes everything that blocks a file at this path.
fn make_room(files: &mut Files, path: &[u8]) {
    let below = [path, b"/"].concat();
    files.retain(|key, _| !key.starts_with(&below));
    for (at, byte) in path.iter().enumerate() {
        if *byte == b'/' {
            files.remove(&path[..at]);
        }
    }
}

fn put(files: &mut Files, path: &[u8], file: (u32, Vec<u8>)) {
    make_room(files, path);
    files.insert(path.to_vec(), file);
}

fn new_path(rng: &mut Rng) -> Vec<u8> {
    let names: [&[u8]; 14] = [
        b"n",
        b"d/n",
        b"d/sub/n",
        b"e/n",
        b"f/n",
        b"f/a",
        b"d",
        b"e",
        b"d/sub",
        b"a/x",
        b"x y/\"q\"",
        b"latin-\xe9/n",
        b"f",
        b"new\nline",
    ];
    names[rng.usize(..names.len())].to_vec()
}

fn change(rng: &mut Rng, files: &mut Files) {
    let Some(path) = pick(rng, files) else {
        return put(files, b"n", (FILE, words(rng, 4)));
    };
    match rng.u8(..16) {
        0..=3 => edit(rng, files, &path),
        4 => {
            files.remove(&path);
        }
        5 | 6 => {
            let lines = rng.usize(1..6);
            let content = words(rng, lines);
            put(files, &new_path(rng), (FILE, content));
        }
        7 | 8 => {
            let file = files.remove(&path).unwrap();
            put(files, &new_path(rng), file);
        }
        9 => {
            let new = new_path(rng);
            let file = files.remove(&path).unwrap();
            put(files, &new, file);
            edit(rng, files, &new);
        }
        10 | 11 => move_directory(rng, files),
        12 => {
            let file = files.get_mut(&path).unwrap();
            file.0 = match file.0 {
                FILE => EXEC,
                EXEC => FILE,
                other => other,
            };
        }
        13 => put(files, &path, (LINK, vec![b'a' + rng.u8(..3)])),
        14 => {
            let content = &mut files.get_mut(&path).unwrap().1;
            *content = with_line_ends(content, [&b"\n"[..], b"\r\n"][rng.usize(..2)]);
        }
        _ => match rng.bool() {
            true => put(files, &new_path(rng), (FILE, Vec::new())),
            false => put(files, &path, (FILE, Vec::new())),
        },
    }
}

fn edit(rng: &mut Rng, files: &mut Files, path: &[u8]) {
    let file = files.get_mut(path).unwrap();
    if file.0 == LINK {
        file.1 = vec![b'a' + rng.u8(..3)];
        return;
    }
    let mut lines: Vec<Vec<u8>> = file
        .1
        .split_inclusive(|b| *b == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let at = rng.usize(..=lines.len());
    let new = format!("edit {}\n", rng.u8(..4)).into_bytes();
    if rng.bool() || at == lines.len() {
        lines.insert(at, new);
    } else if rng.bool() {
        lines[at] = new;
    } else {
        lines.remove(at);
    }
    file.1 = lines.concat();
}

fn move_directory(rng: &mut Rng, files: &mut Files) {
    let folders: [&[u8]; 6] = [b"d", b"d/sub", b"e", b"f", b"x y", b"latin-\xe9"];
    let (old, new) = (folders[rng.usize(..6)], folders[rng.usize(..6)]);
    if old == new || new.starts_with(&[old, b"/"].concat()) {
        return;
    }
    let below = [old, b"/"].concat();
    let moved: Vec<Vec<u8>> = files
        .keys()
        .filter(|key| key.starts_with(&below))
        .cloned()
        .collect();
    for path in moved {
        if rng.u8(..8) > 0 {
            let file = files.remove(&path).unwrap();
            put(files, &[new, &path[old.len()..]].concat(), file);
        }
    }
}

/// Generates commits: 0 is the base, then branches on it, branches on branches, and merges of two.
fn generate(seed: u64) -> Vec<Planned> {
    let mut rng = Rng::with_seed(seed);
    let mut commits = vec![Planned {
        branch: "main".to_owned(),
        parents: Vec::new(),
        files: base(&mut rng),
    }];
    for n in 1..=BRANCHES {
        let parents = match rng.u8(..10) {
            0 | 1 if n > 1 => vec![rng.usize(1..n)],
            2 | 3 if n > 2 => vec![rng.usize(1..n - 1), n - 1],
            // The same two once more makes a criss-cross.
            4..=7 => commits
                .iter()
                .rfind(|commit| commit.parents.len() > 1)
                .map_or(vec![0], |commit| commit.parents.clone()),
            _ => vec![0],
        };
        let mut files = commits[parents[0]].files.clone();
        for _ in 0..rng.usize(..5) {
            change(&mut rng, &mut files);
        }
        let parents: Vec<usize> = match parents.as_slice() {
            [a, b] if a == b => vec![*a],
            _ => parents,
        };
        commits.push(Planned {
            branch: format!("b{n}"),
            parents,
            files,
        });
    }
    commits
}

fn branches(forge: &Forge) -> Vec<Branch> {
    let tips = forge.commits.iter().enumerate().skip(1);
    tips.map(|(n, tip)| Branch {
        name: format!("b{n}"),
        tip: *tip,
    })
    .collect()
}

fn options(prune: bool) -> Options {
    Options {
        prune,
        ..Options::default()
    }
}

/// The result of `git merge` in a checkout.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Real {
    Clean(Oid),
    Conflict,
    Died(String),
}

pub(crate) fn merge_for_real(git: &Git, store: &Store, ours: Oid, theirs: Oid) -> Real {
    start_over(git.folder(), ours);
    git.run(&["read-tree", "--reset", "-u", &ours.to_string()])
        .unwrap();
    let theirs = theirs.to_string();
    let finished = git
        .finish(["merge", "--quiet", "--no-edit", "--no-ff", &theirs])
        .unwrap();
    match finished.status.code() {
        Some(0) => {
            let head = fs::read_to_string(git.folder().join(".git/HEAD")).unwrap();
            Real::Clean(store.tree_of(head.trim().parse().unwrap()).unwrap())
        }
        Some(1) => Real::Conflict,
        _ => Real::Died(String::from_utf8_lossy(&finished.stderr).into_owned()),
    }
}

/// Removes everything that the previous merge left, even a crashed one, and detaches HEAD.
fn start_over(top: &Path, head: Oid) {
    for entry in fs::read_dir(top).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true if entry.file_name() == ".git" => {}
            true => fs::remove_dir_all(entry.path()).unwrap(),
            false => fs::remove_file(entry.path()).unwrap(),
        }
    }
    for name in [
        "index",
        "index.lock",
        "MERGE_HEAD",
        "MERGE_MODE",
        "MERGE_MSG",
    ] {
        let _ = fs::remove_file(top.join(".git").join(name));
    }
    fs::write(top.join(".git/HEAD"), format!("{head}\n")).unwrap();
}

fn by_pair(detection: &Detection) -> BTreeMap<(usize, usize), PairVerdict> {
    let pairs = detection.pairs.iter();
    pairs.map(|pair| ((pair.a, pair.b), pair.clone())).collect()
}

/// The tree of a conflict holds the names of the commits that were merged, which may be others with
/// the same trees; everything else must be equal.
fn assert_same(pruned: &Detection, plain: &Detection, seed: u64) {
    let (mut pruned, plain) = (by_pair(pruned), by_pair(plain));
    for (place, mut expected) in plain {
        let mut found = pruned.remove(&place);
        if expected.verdict == Verdict::Conflict {
            expected.tree = None;
            found.iter_mut().for_each(|pair| pair.tree = None);
        }
        assert_eq!(found, Some(expected), "seed {seed}");
    }
    assert!(pruned.is_empty(), "seed {seed}: {pruned:?}");
}

/// Nothing that was kept differs from what was found without, and all of it is found again; a list
/// that shares only some of its pairs with the one before gets no other verdicts either.
fn check_cache(forge: &Forge, branches: &[Branch], expected: &Detection, seed: u64) {
    let cached = Options {
        cache: true,
        ..options(true)
    };
    let some = detect(&forge.repo, &branches[BRANCHES / 2..], &cached).unwrap();
    let all = detect(&forge.repo, branches, &cached).unwrap();
    assert_eq!(all.pairs, expected.pairs, "seed {seed}");
    assert!(all.merges_run <= expected.merges_run, "seed {seed}");
    let again = detect(&forge.repo, branches, &cached).unwrap();
    assert_eq!(again.pairs, expected.pairs, "seed {seed}");
    let failed = again.pairs.iter().filter(|pair| pair.failure.is_some());
    let merges = (some.merges_run, all.merges_run, again.merges_run);
    assert!(merges.2 <= failed.count(), "seed {seed}: {merges:?}");
}

fn check_for_real(forge: &Forge, detection: &Detection, a: usize, b: usize, seed: u64) {
    let git = forge.repo.git();
    let store = forge.store();
    let tips = [detection.branches[a].tip, detection.branches[b].tip];
    let real = merge_for_real(&git, &store, tips[0], tips[1]);
    let found = by_pair(detection).remove(&(a, b));
    let what = format!("seed {seed}, b{} and b{}: {found:?}", a + 1, b + 1);
    match (&found, &real) {
        // git's own bug: it then fails to write what it merged.
        (Some(pair), Real::Died(_)) => assert_ne!(pair.verdict, Verdict::Clean, "{what}"),
        (None, Real::Clean(tree)) => {
            // Independent: the merge is one branch with the other's changes laid over it.
            let base = store.merge_bases(tips[0], tips[1]).unwrap();
            if let [base] = base.as_slice() {
                let trees = [tips[0], tips[1], *base].map(|tip| store.tree_of(tip).unwrap());
                let changes = |tree| store.changes(trees[2], tree).unwrap();
                let mut both = [changes(trees[0]), changes(trees[1])].concat();
                both.sort_by(|a, b| a.path.cmp(&b.path));
                assert_eq!(changes(*tree), both, "{what}");
            }
        }
        (Some(pair), Real::Clean(tree)) => {
            assert_eq!(pair.verdict, Verdict::Clean, "{what}");
            // Where git commits conflict markers, the names of the branches are in them.
            if pair.class != Class::RenameCollision {
                assert_eq!(pair.tree, Some(*tree), "{what}");
            }
        }
        (Some(pair), Real::Conflict) => assert_eq!(pair.verdict, Verdict::Conflict, "{what}"),
        (None, other) => panic!("{what}: {other:?}"),
    }
}

/// Reads a number from the environment.
pub(crate) fn number(name: &str, otherwise: usize) -> usize {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn verdicts_are_those_of_git_merge_and_pruning_changes_none() {
    let wanted = number("DISPATCH_DIFFERENTIAL_PAIRS", 300);
    let first = number("DISPATCH_DIFFERENTIAL_SEED", 0) as u64;
    let mut rng = Rng::with_seed(99 + first);
    let mut counted = Counted::default();
    for seed in first.. {
        if counted.merged >= wanted {
            break;
        }
        let forge = Forge::new(&generate(seed));
        let branches = branches(&forge);
        let detection = detect(&forge.repo, &branches, &options(true)).unwrap();
        let plain = detect(&forge.repo, &branches, &options(false)).unwrap();
        assert_same(&detection, &plain, seed);
        assert_eq!(plain.merges_run, plain.pairs_total, "seed {seed}");
        check_cache(&forge, &branches, &detection, seed);
        counted.saved += detection.pairs_total - detection.merges_run;
        for _ in 0..20.min(wanted - counted.merged) {
            let a = rng.usize(..BRANCHES);
            let b = (a + rng.usize(1..BRANCHES)) % BRANCHES;
            check_for_real(&forge, &detection, a.min(b), a.max(b), seed);
            counted.count(&forge, &detection, a, b);
        }
    }
    let _ = writeln!(std::io::stderr(), "{counted:?}");
    assert!(counted.conflicts > 0 && counted.saved > 0);
    // A third of the pairs or so do not simply stand on the base.
    assert!(counted.criss_cross + counted.dependent >= wanted / 5);
    assert!(counted.criss_cross >= wanted / 100);
}

/// Counts of real merges.
#[derive(Default, Debug)]
struct Counted {
    merged: usize,
    conflicts: usize,
    /// Pairs with several merge bases.
    criss_cross: usize,
    /// Pairs that share more than the base: one was built on the other, or both on a third.
    dependent: usize,
    /// Merges that were not carried out, among all pairs.
    saved: usize,
}

impl Counted {
    fn count(&mut self, forge: &Forge, detection: &Detection, a: usize, b: usize) {
        let tips = [a, b].map(|place| detection.branches[place].tip);
        match forge
            .store()
            .merge_bases(tips[0], tips[1])
            .unwrap()
            .as_slice()
        {
            [base] if *base == forge.commits[0] => {}
            [_] => self.dependent += 1,
            _ => self.criss_cross += 1,
        }
        let place = (a.min(b), a.max(b));
        let mut conflicts = detection.conflicts();
        self.conflicts += usize::from(conflicts.any(|pair| (pair.a, pair.b) == place));
        self.merged += 1;
    }
}

#[test]
fn verdicts_are_those_of_the_other_git_too() {
    again_with_the_other_git(
        "differential::verdicts_are_those_of_git_merge_and_pruning_changes_none",
        &[("DISPATCH_DIFFERENTIAL_PAIRS", "100")],
    );
}

#[test]
fn every_pair_gets_the_merge_bases_that_git_finds() {
    let mut several = 0;
    for seed in 100..130 {
        let forge = Forge::new(&generate(seed));
        let git = forge.repo.git();
        let branches = branches(&forge);
        let mut detector = Detector::new(&forge.repo, &options(true)).unwrap();
        let detection = detector.update(&branches).unwrap();
        let independent = detector.independent_pairs(&detection).unwrap();
        let pairs: Vec<&PairVerdict> = detection.pairs.iter().chain(&independent).collect();
        assert_eq!(pairs.len(), detection.pairs_total, "seed {seed}");
        for pair in pairs {
            let [a, b] = [pair.a, pair.b].map(|place| branches[place].tip.to_string());
            let listed = git.line(&["merge-base", "--all", &a, &b]).unwrap();
            let mut expected: Vec<Oid> = listed.lines().map(|l| l.parse().unwrap()).collect();
            let mut found = pair.bases.clone();
            expected.sort();
            found.sort();
            assert_eq!(found, expected, "seed {seed}, {} and {}", pair.a, pair.b);
            several += usize::from(expected.len() > 1);
        }
    }
    assert!(several > 0, "the generator makes criss-cross histories");
}

#[test]
fn every_class_of_the_generator_is_met() {
    // A generator that stopped making interesting histories would let the tests above pass.
    let mut classes = BTreeMap::new();
    for seed in 0..12 {
        let forge = Forge::new(&generate(seed));
        let detection = detect(&forge.repo, &branches(&forge), &options(true)).unwrap();
        for pair in detection.pairs {
            *classes.entry(pair.class).or_insert(0) += 1;
        }
    }
    for class in [
        Class::AutoMerged,
        Class::DirRenameSuggested,
        Class::FileDirectory,
        Class::RenameRename,
        Class::ModifyDelete,
        Class::Content,
    ] {
        assert!(classes.contains_key(&class), "{class}: {classes:?}");
    }
}

#[test]
fn a_clean_merge_with_markers_in_it_is_not_that_of_other_commits_with_the_same_trees() {
    // Found by the long run: git calls a merge clean, and the names of the commits stand in it.
    let seed = 100_256;
    let forge = Forge::new(&generate(seed));
    let branches = branches(&forge);
    let detection = detect(&forge.repo, &branches, &options(true)).unwrap();
    let mut odd = detection
        .pairs
        .iter()
        .filter(|pair| pair.verdict == Verdict::Clean && pair.class == Class::RenameCollision);
    assert!(
        odd.next().is_some(),
        "the generator has changed: take another seed"
    );
    check_cache(&forge, &branches, &detection, seed);
}

#[test]
fn a_history_without_merges_is_that_of_git() {
    let (mut found, mut asked, mut rng) = (0, 0, Rng::with_seed(3));
    for seed in 200..240 {
        let forge = Forge::new(&generate(seed));
        let (store, git) = (forge.store(), forge.repo.git());
        for _ in 0..10 {
            let mut tips = forge.commits.clone();
            rng.shuffle(&mut tips);
            tips.truncate(rng.usize(2..5));
            let below_all = common_ancestor(&git, &tips).unwrap();
            let below = [None, below_all, Some(forge.commits[0])][rng.usize(..3)];
            let Some(straight) = store.linear_history(&tips, below) else {
                asked += 1;
                continue;
            };
            found += 1;
            assert_eq!(Some(straight.base), below.or(below_all), "seed {seed}");
            let history = History::above(&git, &tips, Some(straight.base)).unwrap();
            let mut by_git: Vec<Lineage> = history.commits().collect();
            let place = |commit: &Oid| straight.commits.iter().position(|(c, _)| c == commit);
            for (commit, parents) in &straight.commits {
                let above = parents
                    .iter()
                    .filter_map(place)
                    .all(|p| Some(p) > place(commit));
                assert!(above, "seed {seed}: children stand before their parents");
            }
            let mut commits = straight.commits.clone();
            commits.sort();
            by_git.sort();
            assert_eq!(commits, by_git, "seed {seed}");
        }
    }
    assert!(found > 50 && asked > 20, "{found} {asked}");
}
