use super::*;
use crate::conflicts::blob_merges::Recall;
use crate::git::commit::{By, NewCommit};
use crate::git::{Git, Repo};

const NAMES: [&str; 10] = [
    "a", "b", "c", "d/x", "d/y", "d/e/z", "f/one", "f/two", "d/new", "f/new",
];

struct TestRepo {
    _folder: tempfile::TempDir,
    repo: Repo,
    store: Store,
    base: Oid,
}

impl TestRepo {
    fn new() -> TestRepo {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().to_owned();
        Git::at(&top).run(&["init", "--quiet"]).unwrap();
        let repo = Repo::discover(&top).unwrap();
        let store = Store::open(&repo).unwrap();
        let files: Vec<_> = NAMES[..8]
            .iter()
            .map(|name| (*name, format!("text of {name}\n").repeat(9)))
            .collect();
        let empty = store.empty_tree().unwrap();
        let base = commit(&store, empty, &files, &[]);
        TestRepo {
            _folder: folder,
            repo,
            store,
            base,
        }
    }

    /// Commits some edits, additions, removals and renames on `parent`.
    fn candidate(&self, rng: &mut fastrand::Rng, parent: Oid) -> Oid {
        let tree = self.store.tree_of(parent).unwrap();
        let mut changes: Vec<(RepoPath, Option<Entry>)> = Vec::new();
        for _ in 0..rng.usize(1..3) {
            let name = NAMES[rng.usize(..NAMES.len())];
            let old = self.store.entry(tree, name).unwrap();
            let text = format!("{}: {}\n", name, rng.u8(..));
            let new = entry(&self.store, &text);
            match rng.u8(..4) {
                0 | 1 => changes.push((name.into(), Some(new))),
                2 if old.is_some() => changes.push((name.into(), None)),
                _ if old.is_some() => {
                    changes.push((name.into(), None));
                    let target = format!("moved/{name}");
                    changes.push((target.as_str().into(), old));
                }
                _ => {}
            }
        }
        changes.sort_by(|a, b| a.0.cmp(&b.0));
        changes.dedup_by(|a, b| a.0 == b.0);
        let tree = self.store.tree_overlaid(tree, &changes).unwrap();
        write(&self.store, tree, &[parent])
    }
}

fn entry(store: &Store, text: &str) -> Entry {
    Entry {
        mode: 0o100_644,
        oid: store.write_blob(text.as_bytes()).unwrap(),
    }
}

fn commit(store: &Store, tree: Oid, files: &[(&str, String)], parents: &[Oid]) -> Oid {
    let entries = files
        .iter()
        .map(|(name, text)| (RepoPath::from(*name), Some(entry(store, text))));
    let tree = store
        .tree_overlaid(tree, &entries.collect::<Vec<_>>())
        .unwrap();
    write(store, tree, parents)
}

fn write(store: &Store, tree: Oid, parents: &[Oid]) -> Oid {
    let new = NewCommit {
        tree,
        parents,
        message: "x\n",
        time: jiff::Timestamp::UNIX_EPOCH,
        by: By::Dispatch,
    };
    store.write_commit(&new).unwrap()
}

/// Merges a candidate and compares the tree with git's. Returns `None` for a conflict.
fn merge_as_git_does(
    engine: &MergeEngine,
    merged: &mut IncrementalMerge<'_>,
    tip: Oid,
    candidate: Oid,
) -> Option<Oid> {
    let by_git = match engine.merge(tip, candidate).unwrap() {
        MergeAnswer::Done(result) if result.is_sound() => Some(result.tree),
        _ => None,
    };
    let found = merged.merge(tip, candidate).unwrap();
    assert_eq!(found, by_git, "candidate {candidate} into {tip}");
    found
}

#[test]
fn every_tree_is_the_one_that_git_writes() {
    let test = TestRepo::new();
    let engine = MergeEngine::writing(&test.repo, test.base).unwrap();
    let mut rng = fastrand::Rng::with_seed(5);
    let (mut steps, mut asked, mut conflicts) = (0, 0, 0);
    for _ in 0..25 {
        let mut merged = IncrementalMerge::new(&test.store, &engine, test.base).unwrap();
        let mut tip = test.base;
        let mut parent = test.base;
        for _ in 0..5 {
            let candidate = test.candidate(&mut rng, parent);
            // One in four is built on the one before it.
            parent = if rng.u8(..4) == 0 {
                candidate
            } else {
                test.base
            };
            steps += 1;
            match merge_as_git_does(&engine, &mut merged, tip, candidate) {
                Some(tree) => tip = write(&test.store, tree, &[tip, candidate]),
                None => conflicts += 1,
            }
        }
        asked += merged.merges_run();
    }
    assert!(conflicts > 5, "{conflicts} of {steps} conflict");
    assert!(asked > 10 && asked + 20 < steps, "{asked} of {steps} asked");
}

impl TestRepo {
    /// Commits on `parent` edits of single lines, and now and then another kind of change.
    fn line_edits(&self, rng: &mut fastrand::Rng, parent: Oid) -> Oid {
        let tree = self.store.tree_of(parent).unwrap();
        let mut changes: Vec<(RepoPath, Option<Entry>)> = Vec::new();
        for _ in 0..rng.usize(1..4) {
            let name = NAMES[rng.usize(..8)];
            let old = self.store.entry(tree, name).unwrap();
            let text = old.map(|old| self.store.blob(old.oid).unwrap());
            let text = String::from_utf8(text.unwrap_or_default()).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            match rng.u8(..16) {
                0 => changes.push((name.into(), None)),
                1 => changes.push((format!("{name}.new").as_str().into(), old)),
                2 => {
                    // The content that the base has.
                    let base = self.store.tree_of(self.base).unwrap();
                    changes.push((name.into(), self.store.entry(base, name).unwrap()));
                }
                _ if !lines.is_empty() => {
                    let line = rng.usize(..lines.len());
                    lines[line] = format!("line {line} as edited by {}", rng.u32(..));
                    let text = lines.join("\n") + "\n";
                    changes.push((name.into(), Some(entry(&self.store, &text))));
                }
                _ => {}
            }
        }
        changes.sort_by(|a, b| a.0.cmp(&b.0));
        changes.dedup_by(|a, b| a.0 == b.0);
        changes.retain(|(path, new)| {
            new.is_some() || self.store.entry(tree, &path.to_string()).unwrap().is_some()
        });
        let tree = self.store.tree_overlaid(tree, &changes).unwrap();
        write(&self.store, tree, &[parent])
    }
}

#[test]
fn candidates_on_merged_ones_give_the_trees_that_git_writes() {
    let mut test = TestRepo::new();
    let lines = |name: &str| (0..60).map(|n| format!("line {n} of {name}\n")).collect();
    let files: Vec<(&str, String)> = NAMES[..8].iter().map(|name| (*name, lines(name))).collect();
    let empty = test.store.empty_tree().unwrap();
    test.base = commit(&test.store, empty, &files, &[]);
    let engine = MergeEngine::writing(&test.repo, test.base).unwrap();
    let mut rng = fastrand::Rng::with_seed(23);
    let rounds = std::env::var("DISPATCH_DIFFERENTIAL_SEQUENCES");
    let rounds = rounds.map_or(25, |rounds| rounds.parse().unwrap());
    let (mut steps, mut asked, mut conflicts, mut dependent) = (0, 0, 0, 0);
    for round in 0..rounds {
        let mut candidates = vec![test.base];
        for _ in 0..7 {
            let parent = candidates[rng.usize(..candidates.len())];
            let mut candidate = test.line_edits(&mut rng, parent);
            if rng.u8(..4) == 0 {
                candidate = test.line_edits(&mut rng, candidate);
            }
            dependent += usize::from(parent != test.base);
            candidates.push(candidate);
        }
        candidates.remove(0);
        if rng.u8(..4) == 0 {
            rng.shuffle(&mut candidates);
        }
        let mut merged = IncrementalMerge::new(&test.store, &engine, test.base).unwrap();
        if round % 2 == 0 {
            let announced = candidates.iter().map(|candidate| (*candidate, None));
            merged.announce(announced).unwrap();
        }
        let mut tip = test.base;
        for candidate in candidates {
            steps += 1;
            match merge_as_git_does(&engine, &mut merged, tip, candidate) {
                Some(tree) => tip = write(&test.store, tree, &[tip, candidate]),
                None => conflicts += 1,
            }
        }
        asked += merged.merges_run();
    }
    assert!(dependent > steps / 3, "{dependent} of {steps} on another");
    assert!(conflicts > 0, "{conflicts} of {steps} conflict");
    assert!(asked > 10 && asked * 2 < steps, "{asked} of {steps} asked");
}

#[test]
fn recalled_contents_are_not_merged_again_and_give_the_same_trees() {
    let test = TestRepo::new();
    let store = &test.store;
    // Every line occurs twice, so no merge of contents is certain without git.
    let lines = |edited: &[usize]| {
        let line = |n| match edited.contains(&n) {
            true => format!("another line {n}\n"),
            false => format!("line {}\n", n % 30),
        };
        (0..60).map(line).collect::<String>()
    };
    let names = ["one", "two", "three"];
    let files: Vec<_> = names.iter().map(|name| (*name, lines(&[]))).collect();
    let empty = store.empty_tree().unwrap();
    let base = commit(store, empty, &files, &[]);
    let base_tree = store.tree_of(base).unwrap();
    let candidate = |n: usize| {
        let mut files = vec![
            (names[n % 3], lines(&[4 * n])),
            ("two", lines(&[4 * n + 2])),
        ];
        files.dedup_by(|a, b| a.0 == b.0);
        // Two that add the same file: git has to be asked about the second.
        if n == 4 || n == 7 {
            files.push(("new", "the same\n".to_owned()));
        }
        commit(store, base_tree, &files, &[base])
    };
    let mut candidates: Vec<Oid> = (0..9).map(candidate).collect();
    // These edits are merged already: the merged file stays the same.
    let both = vec![("two", lines(&[2, 4]))];
    candidates.insert(3, commit(store, base_tree, &both, &[base]));
    let engine = MergeEngine::quarantined(&test.repo, base).unwrap();
    let merge_all = |engine: &MergeEngine, recall: Option<Recall<'_>>| {
        let store = engine.store().unwrap();
        let mut merged = IncrementalMerge::new(&store, engine, base).unwrap();
        merged = merged.with_blobs(BlobMerges::new(engine).recalling(recall));
        let announced = candidates.iter().map(|candidate| {
            let tree = store.tree_of(*candidate).unwrap();
            (*candidate, Some(store.changes(base_tree, tree).unwrap()))
        });
        merged.announce(announced).unwrap();
        let mut tip = base;
        for candidate in &candidates {
            let tree = merged.merge(tip, *candidate).unwrap().unwrap();
            tip = write(&store, tree, &[tip, *candidate]);
        }
        let learned: HashMap<[Oid; 3], Oid> = merged.blobs().learned().collect();
        (tip, learned, merged.merges_run())
    };
    let (tip, learned, asked) = merge_all(&engine.nested().unwrap(), None);
    assert!(learned.len() > 10, "{}", learned.len());
    let recall = |blobs| learned.get(&blobs).copied();
    let again = merge_all(&engine.nested().unwrap(), Some(&recall));
    assert_eq!(again, (tip, HashMap::new(), asked));
    let mut by_git = base;
    for candidate in &candidates {
        let merged = engine.merge(by_git, *candidate).unwrap();
        let MergeAnswer::Done(result) = merged else {
            panic!("{merged:?}")
        };
        by_git = write(&engine.store().unwrap(), result.tree, &[by_git, *candidate]);
    }
    assert_eq!(by_git, tip);
}
