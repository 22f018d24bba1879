//! Conflicts of several branches, compared with `git merge` in a checkout. In generated
//! repositories every set of three to five branches is merged one after the other, in every order
//! (of five: in some), and what does not merge has to be what the detector reports.
//!
//! `DISPATCH_JOINT_SETS` sets how many sets, `DISPATCH_JOINT_SEED` with which seed to begin.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;

use fastrand::Rng;
use git_dispatch::conflicts::{Branch, Detector, MultiwayConflict, Options};
use git_dispatch::git::{Git, Store};
use git_dispatch::merge::oid::Oid;

use crate::differential::{Real, merge_for_real, number};
use crate::forge::{FILE, Files, Forge, Planned, again_with_the_other_git, planned};

/// Orders of one set that are merged; there are 120 of five branches.
const ORDERS: usize = 12;

/// A third of the lines of a file.
const REGION: usize = 8;

/// Words that no two files share, so that only what was moved looks moved.
fn text(name: &str, lines: usize) -> Vec<u8> {
    let line = |n: usize| format!("{name} says {n}\n");
    (0..lines).map(line).collect::<String>().into_bytes()
}

fn base() -> Files {
    let paths = ["x/a", "x/b", "y/c", "y/d", "z/e"];
    let file = |path: &str| (path.as_bytes().to_vec(), (FILE, text(path, 3 * REGION)));
    paths.map(file).into_iter().collect()
}

/// Changes the files of the `n`th branch, in small steps that seldom conflict in pairs. Folders are emptied in parts, files are moved and changed in
/// parts, additions stand where folders may have gone from.
fn step(rng: &mut Rng, files: &mut Files, n: usize) {
    let Some(path) = files.keys().nth(rng.usize(..files.len().max(1))).cloned() else {
        return;
    };
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(&path);
    let other = [&b"x/"[..], b"y/", b"new/", b"new/"][rng.usize(..4)];
    match rng.u8(..12) {
        0..=3 => change_region(rng, &mut files.get_mut(&path).unwrap().1, n % 3),
        4 => drop(files.remove(&path)),
        5..=8 => {
            let mut file = files[&path].clone();
            let new = [other, name].concat();
            if rng.u8(..3) == 0 {
                change_region(rng, &mut file.1, n % 3);
            }
            if !files.contains_key(&new) {
                files.remove(&path);
                files.insert(new, file);
            }
        }
        _ => {
            let folder = [&b"x/"[..], b"y/"][rng.usize(..2)];
            let name = format!("added{n}");
            let content = text(&name, 4);
            files.insert([folder, name.as_bytes()].concat(), (FILE, content));
        }
    }
}

/// Prepares a likely conflict of several branches: a folder that two branches empty and a third
/// adds to, or a file that one moves and three change until it no longer looks moved.
fn begin(rng: &mut Rng, theme: u64, n: usize, files: &mut Files) {
    let mut take = |path: &str| files.remove(path.as_bytes());
    match (theme, n) {
        (0, 1 | 2) => {
            let name = ["a", "b"][n - 1];
            if let Some(file) = take(&format!("x/{name}")) {
                files.insert(format!("new/{name}").into_bytes(), file);
            }
        }
        (0, _) => drop(files.insert(format!("x/more{n}").into_bytes(), (FILE, text("more", 4)))),
        (1, 1) => {
            if let Some(mut file) = take("y/c") {
                change_region(rng, &mut file.1, 1);
                files.insert(b"y/moved".to_vec(), file);
            }
        }
        (1, _) => {
            if let Some(file) = files.get_mut(&b"y/c"[..]) {
                change_region(rng, &mut file.1, n % 3);
            }
        }
        _ => {}
    }
}

/// Changes most of a third of the lines, and leaves some between the thirds.
fn change_region(rng: &mut Rng, content: &mut Vec<u8>, region: usize) {
    let lines = content.split_inclusive(|byte| *byte == b'\n');
    let mut lines: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
    for line in lines.iter_mut().skip(region * REGION).take(REGION - 1) {
        *line = format!("changed to {}\n", rng.u32(..)).into_bytes();
    }
    *content = lines.concat();
}

/// The base and some branches on it; now and then one stands on another.
fn generate(seed: u64) -> Vec<Planned> {
    let mut rng = Rng::with_seed(seed);
    let mut commits = vec![planned("main", &[], &base())];
    for n in 1..=rng.usize(3..=5) {
        let parent = match rng.u8(..8) {
            0 => rng.usize(..n),
            _ => 0,
        };
        let mut files = commits[parent].files.clone();
        begin(&mut rng, seed % 3, n, &mut files);
        for _ in 0..rng.usize(..3) {
            step(&mut rng, &mut files, n);
        }
        commits.push(planned(format!("b{n}"), &[parent], &files));
    }
    commits
}

/// Some orders of so many places, all of them where there are few.
fn orders(rng: &mut Rng, count: usize) -> BTreeSet<Vec<usize>> {
    let all: usize = (1..=count).product();
    let mut orders = BTreeSet::new();
    let mut order: Vec<usize> = (0..count).collect();
    while orders.len() < all.min(ORDERS) {
        orders.insert(order.clone());
        rng.shuffle(&mut order);
    }
    orders
}

/// Real merges in checkouts, each only once.
struct Checkout {
    git: Git,
    store: Store,
    known: BTreeMap<(Oid, Oid), Option<Oid>>,
}

impl Checkout {
    fn new(forge: &Forge) -> Checkout {
        Checkout {
            git: forge.repo.git(),
            store: forge.store(),
            known: BTreeMap::new(),
        }
    }

    /// The commit `git merge` makes of the two, if it makes one.
    fn merge(&mut self, ours: Oid, theirs: Oid) -> Option<Oid> {
        if let Some(known) = self.known.get(&(ours, theirs)) {
            return *known;
        }
        let merged = match merge_for_real(&self.git, &self.store, ours, theirs) {
            Real::Clean(_) => {
                let head = fs::read_to_string(self.git.folder().join(".git/HEAD")).unwrap();
                Some(head.trim().parse().unwrap())
            }
            Real::Conflict | Real::Died(_) => None,
        };
        self.known.insert((ours, theirs), merged);
        merged
    }

    /// Of these, merged in order on top of the base, those that do not merge; they are left out.
    fn left_out(&mut self, base: Oid, tips: &[(usize, Oid)]) -> Vec<usize> {
        let (mut head, mut out) = (base, Vec::new());
        for (place, tip) in tips {
            match self.merge(head, *tip) {
                Some(merged) => head = merged,
                None => out.push(*place),
            }
        }
        out
    }
}

/// Counts of the test.
#[derive(Debug, Default)]
struct Counted {
    sets: usize,
    sequences: usize,
    emergent: usize,
    merges: usize,
}

fn check(seed: u64, counted: &mut Counted) {
    let forge = Forge::new(&generate(seed));
    let tips = &forge.commits[1..];
    let branches: Vec<Branch> = (0..tips.len())
        .map(|n| crate::forge::branch(&format!("b{}", n + 1), tips[n]))
        .collect();
    let mut checkout = Checkout::new(&forge);
    let mut rng = Rng::with_seed(seed);
    for order in orders(&mut rng, tips.len()) {
        // As the page says: those that conflict with none before them in pairs are merged in order.
        let mut chosen: Vec<usize> = Vec::new();
        for &next in &order {
            let merges = |known: &usize| {
                let (a, b) = (next.min(*known), next.max(*known));
                checkout.merge(tips[a], tips[b]).is_some()
            };
            if chosen.iter().all(merges) {
                chosen.push(next);
            }
        }
        let sequence: Vec<(usize, Oid)> = chosen.iter().map(|n| (*n, tips[*n])).collect();
        let expected = checkout.left_out(forge.commits[0], &sequence);
        // With a cache, what the orders before this one have shown is found again.
        for (prune, cache) in [(true, false), (false, false), (true, true)] {
            let options = Options {
                prune,
                cache,
                ..Options::default()
            };
            let mut detector = Detector::new(&forge.repo, &options).unwrap();
            let mut detection = detector.update(&branches).unwrap();
            let joint = detector.multiway_conflicts(&mut detection, &order, usize::MAX);
            let joint = joint.unwrap();
            let what =
                format!("seed {seed}, order {order:?}, prune {prune}, cache {cache}: {joint:?}");
            let mut found = joint.conflicts.iter().filter_map(|one| one.branches.last());
            let found: BTreeSet<usize> = found.by_ref().copied().collect();
            assert_eq!(found, expected.iter().copied().collect(), "{what}");
            assert!(!joint.is_cut_short(), "{what}");
            for emergent in &joint.conflicts {
                check_smallest(&mut checkout, forge.commits[0], tips, emergent, &what);
            }
        }
        counted.sequences += 1;
        counted.emergent += expected.len();
    }
    counted.sets += 1;
    counted.merges += checkout.known.len();
}

/// The set that is named conflicts when it alone is merged, and not when any one is left out.
fn check_smallest(
    checkout: &mut Checkout,
    base: Oid,
    tips: &[Oid],
    emergent: &MultiwayConflict,
    what: &str,
) {
    let members: Vec<(usize, Oid)> = emergent.branches.iter().map(|n| (*n, tips[*n])).collect();
    let last = members.last().map(|(place, _)| *place).into_iter();
    let last: Vec<usize> = last.collect();
    assert_eq!(checkout.left_out(base, &members), last, "{what}");
    assert!(emergent.is_smallest, "{what}");
    for left_out in 0..members.len() - 1 {
        let mut fewer = members.clone();
        fewer.remove(left_out);
        assert!(checkout.left_out(base, &fewer).is_empty(), "{what}");
    }
}

#[test]
fn what_conflicts_together_is_what_git_merge_stops_at_in_that_order() {
    let wanted = number("DISPATCH_JOINT_SETS", 6);
    let first = number("DISPATCH_JOINT_SEED", 0) as u64;
    let mut counted = Counted::default();
    for seed in first..first + wanted as u64 {
        check(seed, &mut counted);
    }
    let _ = writeln!(std::io::stderr(), "{counted:?}");
    assert!(counted.emergent > 0, "the generator met none: {counted:?}");
}

#[test]
fn the_other_git_stops_at_the_same() {
    again_with_the_other_git(
        "multiway::what_conflicts_together_is_what_git_merge_stops_at_in_that_order",
        &[("DISPATCH_JOINT_SETS", "2")],
    );
}
