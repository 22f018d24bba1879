//! The detector against `git merge` in a checkout, on generated repositories: renames of files and
//! directories, files against directories, modes, links, binary files, odd names, branches built on
//! branches, criss-cross merges.
//!
//! `DISPATCH_DIFFERENTIAL_PAIRS` sets how many pairs are merged for real.

use std::collections::BTreeMap;
use std::io::Write as _;

use fastrand::Rng;
use git_dispatch::conflict::bases::{Base, Bases};
use git_dispatch::engine::detect::{Branch, DetectOptions, Detection, detect};
use git_dispatch::git::{Git, Store};
use git_dispatch::model::conflict::{Class, PairVerdict, Verdict};
use git_dispatch::model::ids::Oid;

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
    files.insert(b"link".to_vec(), (LINK, b"a".to_vec()));
    files.insert(b"tab\tname".to_vec(), (FILE, words(rng, 5)));
    files.insert(b"latin-\xe9/\xff".to_vec(), (FILE, words(rng, 5)));
    files
}

fn pick(rng: &mut Rng, files: &Files) -> Option<Vec<u8>> {
    let place = rng.usize(..files.len().max(1));
    files.keys().nth(place).cloned()
}

/// Removes whatever stands in the way of a file at this path.
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
    match rng.u8(..14) {
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
        _ => put(files, &path, (LINK, vec![b'a' + rng.u8(..3)])),
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

/// Commit 0 is the base; then branches on it, branches on branches, and merges of two.
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
            2 if n > 2 => vec![rng.usize(1..n - 1), n - 1],
            // The same two once more makes a criss-cross.
            3 | 4 => commits
                .iter()
                .rfind(|commit| commit.parents.len() > 1)
                .map_or(vec![0], |commit| commit.parents.clone()),
            _ => vec![0],
        };
        let mut files = commits[parents[0]].files.clone();
        for _ in 0..rng.usize(..4) {
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

fn options(prune: bool) -> DetectOptions {
    DetectOptions {
        prune,
        ..DetectOptions::default()
    }
}

/// What `git merge` in a checkout makes of it.
#[derive(PartialEq, Eq, Debug)]
enum Real {
    Clean(Oid),
    Conflict,
    Died(String),
}

fn merge_for_real(git: &Git, store: &Store, ours: Oid, theirs: Oid) -> Real {
    let (ours, theirs) = (ours.to_string(), theirs.to_string());
    // A merge that died can leave its lock, or an index that only a fresh one gets rid of.
    for name in ["index", "index.lock"] {
        let _ = std::fs::remove_file(git.folder().join(".git").join(name));
    }
    git.run(&["read-tree", "--reset", &ours]).unwrap();
    git.run(&["update-ref", "--no-deref", "HEAD", &ours])
        .unwrap();
    git.run(&["checkout", "--quiet", "--force", "--detach", &ours])
        .unwrap();
    git.run(&["clean", "-ffdxq"]).unwrap();
    let finished = git
        .finish(["merge", "--quiet", "--no-edit", "--no-ff", &theirs])
        .unwrap();
    match finished.status.code() {
        Some(0) => {
            let head = git.line(&["rev-parse", "HEAD"]).unwrap().parse().unwrap();
            Real::Clean(store.tree_of(head).unwrap())
        }
        Some(1) => Real::Conflict,
        _ => Real::Died(String::from_utf8_lossy(&finished.stderr).into_owned()),
    }
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
    let cached = DetectOptions {
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

#[test]
fn verdicts_are_those_of_git_merge_and_pruning_changes_none() {
    let wanted: usize = std::env::var("DISPATCH_DIFFERENTIAL_PAIRS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(240);
    let mut rng = Rng::with_seed(99);
    let (mut merged, mut conflicts, mut pruned) = (0, 0, 0);
    for seed in 0.. {
        if merged >= wanted {
            break;
        }
        let forge = Forge::new(&generate(seed));
        let branches = branches(&forge);
        let detection = detect(&forge.repo, &branches, &options(true)).unwrap();
        let plain = detect(&forge.repo, &branches, &options(false)).unwrap();
        assert_same(&detection, &plain, seed);
        assert_eq!(plain.merges_run, plain.pairs_total, "seed {seed}");
        check_cache(&forge, &branches, &detection, seed);
        pruned += detection.pairs_total - detection.merges_run;
        conflicts += detection.conflicts().count();
        for _ in 0..20.min(wanted - merged) {
            let (a, b) = (rng.usize(..BRANCHES), rng.usize(..BRANCHES));
            if a != b {
                check_for_real(&forge, &detection, a.min(b), a.max(b), seed);
            }
            merged += 1;
        }
    }
    let _ = writeln!(
        std::io::stderr(),
        "{merged} merged for real, {conflicts} conflicts, {pruned} merges saved"
    );
    assert!(conflicts > 0 && pruned > 0);
}

#[test]
fn verdicts_are_those_of_the_other_git_too() {
    again_with_the_other_git(
        "differential::verdicts_are_those_of_git_merge_and_pruning_changes_none",
        &[("DISPATCH_DIFFERENTIAL_PAIRS", "60")],
    );
}

#[test]
fn the_bases_of_all_pairs_are_those_git_finds() {
    let mut several = 0;
    for seed in 100..130 {
        let forge = Forge::new(&generate(seed));
        let (store, tips) = (forge.store(), &forge.commits);
        let base = store.common_ancestor(tips).unwrap();
        let above: Vec<_> = tips
            .iter()
            .map(|tip| store.commits_above(*tip, base).unwrap())
            .collect();
        let above: Vec<_> = above
            .iter()
            .map(|commits| Some(commits.as_slice()))
            .collect();
        let bases = Bases::new(base, &above);
        for a in 0..tips.len() {
            for b in a + 1..tips.len() {
                let expected = match store.merge_bases(tips[a], tips[b]).unwrap().as_slice() {
                    [one] => Base::One(*one),
                    _ => Base::Several,
                };
                several += usize::from(expected == Base::Several);
                assert_eq!(bases.of(a, b), expected, "seed {seed}, {a} and {b}");
            }
        }
    }
    assert!(several > 0, "the generator makes criss-cross histories");
}

#[test]
fn every_class_of_the_generator_is_met() {
    // A generator that stopped making interesting histories would let the tests above pass.
    let mut classes = BTreeMap::new();
    for seed in 0..6 {
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
