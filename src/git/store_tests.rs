//! Every method of the store, asked of both backends.

#![allow(clippy::unwrap_used)]

use std::fmt::Debug;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use jiff::Timestamp;

use crate::git::commit::{By, NewCommit};
use crate::git::formats::{Formats, Way};
use crate::git::quarantine::Quarantine;
use crate::git::worktree::Head;
use crate::git::{Git, Repo, Store, StoreError};
use crate::merge::change::{Entry, RepoPath};
use crate::merge::oid::Oid;

/// A repository, opened with both backends.
struct Both {
    folder: tempfile::TempDir,
    repos: [Repo; 2],
}

impl Both {
    fn new() -> Both {
        let folder = tempfile::tempdir().unwrap();
        let git = Git::at(folder.path());
        git.run(&[
            "init",
            "--quiet",
            "--initial-branch=main",
            "--object-format=sha1",
        ])
        .unwrap();
        let with = |way| {
            let mut repo = Repo::discover(folder.path()).unwrap();
            repo.formats = Formats {
                way,
                ..Formats::default()
            };
            // A backend of the other kind may be kept from before.
            repo.stores = Default::default();
            repo
        };
        let repos = [Way::Libgit2, Way::Program].map(with);
        Both { folder, repos }
    }

    fn git(&self) -> Git {
        Git::at(self.folder.path())
            .setting("user.name=Ann")
            .setting("user.email=ann@localhost")
    }

    fn run(&self, args: &[&str]) -> String {
        self.git().line(args).unwrap()
    }

    fn commit(&self, message: &str) -> Oid {
        self.run(&["add", "--all"]);
        self.run(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.rev("HEAD")
    }

    fn rev(&self, revision: &str) -> Oid {
        self.run(&["rev-parse", "--verify", revision])
            .parse()
            .unwrap()
    }

    /// Asks both backends, and expects one answer.
    #[track_caller]
    fn same<T: Debug>(&self, ask: impl Fn(&Store) -> T) -> T {
        let [one, two] = self.repos.each_ref().map(|repo| {
            let store = Store::open(repo).unwrap();
            ask(&store)
        });
        assert_eq!(format!("{one:?}"), format!("{two:?}"));
        one
    }

    /// Lets both backends act, each followed by `undo`, and expects one answer.
    #[track_caller]
    fn same_act<T: Debug>(&self, act: impl Fn(&Store) -> T, undo: impl Fn()) -> T {
        let [one, two] = self.repos.each_ref().map(|repo| {
            let done = act(&Store::open_durable(repo).unwrap());
            undo();
            done
        });
        assert_eq!(format!("{one:?}"), format!("{two:?}"));
        one
    }
}

/// The words for an error that do not depend on the backend.
fn outcome<T: Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(StoreError::Git(_) | StoreError::Program(_)) => "refused".to_owned(),
        Err(error) => error.to_string(),
    }
}

const NAMES: [&str; 12] = [
    "a",
    "a-b",
    "a.b",
    "b/c/d",
    "b/c/e",
    "b/f",
    "new\nline",
    "ü/ö",
    "tab\t",
    "d/e",
    "d0/x",
    "z",
];

/// Writes, replaces and removes some files.
fn change(top: &Path, rng: &mut fastrand::Rng) {
    for _ in 0..rng.usize(1..6) {
        let path = top.join(NAMES[rng.usize(..NAMES.len())]);
        let _ = fs::remove_file(&path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match rng.u8(..8) {
            0 => {}
            1 => symlink("somewhere", &path).unwrap(),
            2 => fs::write(&path, [0, 1, rng.u8(..), 0]).unwrap(),
            kind => {
                let lines = (0..rng.usize(..9)).map(|_| format!("{}\n", rng.u8(..4)));
                fs::write(&path, lines.collect::<String>()).unwrap();
                let mode = if kind == 3 { 0o755 } else { 0o644 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
        }
    }
}

#[test]
fn both_read_the_same_history_and_trees() {
    let both = Both::new();
    let mut rng = fastrand::Rng::with_seed(11);
    let mut commits = Vec::new();
    for number in 0..14 {
        if number > 3 && rng.u8(..3) == 0 {
            let start = commits[rng.usize(..commits.len())];
            both.run(&[
                "switch",
                "--quiet",
                "--discard-changes",
                "--detach",
                &format!("{start}"),
            ]);
        }
        change(both.folder.path(), &mut rng);
        commits.push(both.commit(&format!("change {number}\n\nSome-Trailer: {number}")));
        if number > 5 && rng.u8(..3) == 0 {
            let other = commits[rng.usize(..commits.len())].to_string();
            let merge = ["merge", "--quiet", "--strategy=ours", "-m", "merge", &other];
            both.run(&merge);
            commits.push(both.rev("HEAD"));
        }
    }
    for new in &commits {
        let tree = both.same(|store| store.tree_of(*new)).unwrap();
        both.same(|store| store.commit(*new).unwrap());
        both.same(|store| store.resolve(&new.to_string()).unwrap());
        both.same(|store| store.file_sizes(tree).unwrap());
        both.same(|store| store.submodules(tree).unwrap());
        both.same(|store| store.attribute_files(tree).unwrap());
        both.same(|store| store.commits_above(*new, None).unwrap().len());
        for name in NAMES.iter().chain(&["b", "b/c", "b/", "", "a/x", "none"]) {
            let entry = both.same(|store| store.entry(tree, name).unwrap());
            if let Some(entry) = entry {
                both.same(|store| store.blob(entry.oid).unwrap());
                both.same(|store| store.blob_size(entry.oid).unwrap());
                both.same(|store| outcome(store.read_tree(entry.oid)));
            }
        }
        for old in &commits {
            both.same(|store| store.is_ancestor(*old, *new).unwrap());
            both.same(|store| store.common_ancestor(&[*old, *new, commits[0]]).unwrap());
            both.same(|store| {
                let mut bases = store.merge_bases(*old, *new).unwrap();
                bases.sort();
                bases
            });
            both.same(|store| {
                let mut above = store.commits_above(*new, Some(*old)).unwrap();
                above.sort();
                above
            });
            both.same(|store| store.linear_history(&[*old, *new], None));
            let [a, b] = [*old, *new].map(|commit| both.same(|s| s.tree_of(commit)).unwrap());
            let changes = both.same(|store| store.changes(a, b).unwrap());
            both.same(|store| store.removed_directories(b, &changes).unwrap());
            both.same(|store| store.file_stats(a, b).unwrap());
            both.same(|store| store.stat(a, b).unwrap());
        }
    }
    let (first, last) = (commits[0], commits[commits.len() - 1]);
    both.same(|store| store.co_authors(last, first).unwrap());
}

#[test]
fn both_write_the_same_objects() {
    let both = Both::new();
    let first = both.commit("first");
    let mut rng = fastrand::Rng::with_seed(5);
    let empty = both.same(|store| store.empty_tree()).unwrap();
    let mut trees = vec![empty];
    for _ in 0..60 {
        let content: Vec<u8> = (0..rng.usize(..40)).map(|_| rng.u8(..)).collect();
        let oid = both.same(|store| store.write_blob(&content)).unwrap();
        both.same(|store| store.write_tree(&[("b", oid), ("a", oid)]).unwrap());
        let name = RepoPath::from(NAMES[rng.usize(..NAMES.len())]);
        let mode = [0o100_644, 0o100_755, 0o120_000, Entry::SUBMODULE][rng.usize(..4)];
        let entry = (rng.u8(..4) > 0).then_some(Entry { mode, oid });
        let tree = trees[rng.usize(..trees.len())];
        let edit = [(name, entry)];
        let edited = both.same(|store| outcome(store.tree_overlaid(tree, &edit)));
        if let Some(id) = edited.strip_prefix("Oid(") {
            trees.push(id.trim_end_matches(')').parse().unwrap());
        }
    }
    let absent = Entry {
        mode: 0o100_644,
        oid: "1".repeat(40).parse().unwrap(),
    };
    both.same(|store| outcome(store.tree_with(empty, "x", Some(absent))));
    for by in [By::Dispatch, By::User] {
        let new = NewCommit {
            tree: trees[trees.len() - 1],
            parents: &[first],
            message: "message\n\nDispatch-Run: x\n",
            time: Timestamp::from_second(1_700_000_000).unwrap(),
            by,
        };
        let oid = both.same(|store| store.write_commit(&new)).unwrap();
        let commit = both.same(|store| store.commit(oid).unwrap());
        assert_eq!(commit.trailer("Dispatch-Run"), Some("x"));
        let original = both.same(|store| store.original(oid).unwrap());
        let again = |store: &Store| store.write_again(&original, new.tree, &[first], new.time);
        both.same(again).unwrap();
        let parents = [absent.oid];
        let new = NewCommit {
            parents: &parents,
            ..new
        };
        both.same(|store| outcome(store.write_commit(&new)));
    }
    both.run(&["fsck", "--strict"]);
}

#[test]
fn both_move_references_by_compare_and_swap() {
    let both = Both::new();
    let [one, two] = ["one", "two"].map(|message| both.commit(message));
    let name = "refs/heads/topic/x";
    let at = |start: Oid| {
        let start = start.to_string();
        both.run(&["update-ref", "-d", name]);
        match start.starts_with("000") {
            true => {}
            false => drop(both.run(&["update-ref", name, &start])),
        }
    };
    for start in [Oid::ZERO, one, two] {
        for old in [Oid::ZERO, one, two] {
            at(start);
            let moved = |store: &Store| {
                let moved = outcome(store.move_reference(name, old, two, "why it moves"));
                (moved, store.reference(name).unwrap())
            };
            both.same_act(moved, || at(start));
            let gone = |store: &Store| {
                let gone = outcome(store.delete_reference(name, old));
                (gone, store.reference(name).unwrap())
            };
            both.same_act(gone, || at(start));
        }
        let forced = |store: &Store| {
            store.force_reference(name, two, "forced").unwrap();
            store.reference(name).unwrap()
        };
        both.same_act(forced, || at(start));
    }
    for (name, old, new) in [
        ("refs/heads/bad..name", Oid::ZERO, one),
        ("refs/heads/topic/x/below", Oid::ZERO, one),
    ] {
        both.same_act(
            |store| outcome(store.move_reference(name, old, new, "")),
            || (),
        );
    }
}

#[test]
fn both_list_references() {
    let both = Both::new();
    let one = both.commit("one");
    for name in [
        "refs/heads/run-1/a",
        "refs/heads/run-1/b",
        "refs/heads/run-10/a",
        "refs/notes/n",
    ] {
        both.run(&["update-ref", name, &one.to_string()]);
    }
    both.run(&["tag", "-m", "annotated", "v1"]);
    both.run(&["symbolic-ref", "refs/heads/link", "refs/heads/main"]);
    both.run(&["pack-refs", "--all"]);
    let missing = both.folder.path().join(".git/refs/heads/missing");
    fs::write(missing, format!("{}\n", "2".repeat(40))).unwrap();
    for prefix in [
        "refs/",
        "refs/heads/",
        "refs/heads/run-1",
        "refs/heads/run-1/",
        "refs/none/",
    ] {
        both.same(|store| store.references(prefix).unwrap());
    }
    for name in [
        "refs/heads/link",
        "refs/tags/v1",
        "refs/heads/missing",
        "refs/heads/none",
        "refs/heads/main^{tree}",
        "refs/heads/main@{0}",
        "refs/heads/a..b",
        "main",
        "HEAD",
    ] {
        both.same(|store| store.reference(name).ok());
    }
    for revision in [
        "v1",
        "main",
        "HEAD~0",
        "HEAD~5",
        "v1^{tree}",
        "no such",
        "a..b",
        "",
        "link",
    ] {
        both.same(|store| store.resolve(revision).unwrap());
    }
    for revision in ["HEAD:none", "v1^{tree}", "v1", "nothing"] {
        both.same(|store| store.is_object(revision));
    }
}

#[test]
fn both_read_settings() {
    let both = Both::new();
    both.run(&["config", "extensions.worktreeConfig", "true"]);
    both.run(&["config", "remote.one.promisor", "no"]);
    let config = both.folder.path().join(".git/config");
    let text = fs::read_to_string(&config).unwrap() + "[core]\n\tempty\n\tlong = a \\\n b\n";
    fs::write(&config, text).unwrap();
    for key in [
        "extensions.worktreeConfig",
        "core.empty",
        "core.none",
        "remote.one.promisor",
    ] {
        both.same(|store| store.is_set(key));
    }
    for keys in [
        r"^extensions\.",
        r"^remote\..*\.promisor",
        r"^core\.(empty|long)",
    ] {
        both.same(|store| store.settings(keys).unwrap());
    }
}

#[test]
fn both_see_through_a_quarantine_and_write_only_there() {
    let both = Both::new();
    let first = both.commit("first");
    for repo in &both.repos {
        let quarantine = Quarantine::new(repo).unwrap();
        let nested = quarantine.nested(repo).unwrap();
        let blob = quarantine
            .store()
            .unwrap()
            .write_blob(b"throwaway")
            .unwrap();
        assert!(nested.store().unwrap().has(blob));
        assert!(nested.store().unwrap().has(first));
        assert!(!Store::open(repo).unwrap().has(blob));
    }
}

#[test]
fn a_shallow_history_ends_without_an_error() {
    let both = Both::new();
    both.commit("first");
    let second = both.commit("second");
    fs::write(
        both.folder.path().join(".git/shallow"),
        format!("{second}\n"),
    )
    .unwrap();
    assert!(
        both.same(|store| store.commit(second).unwrap())
            .parents
            .is_empty()
    );
    assert_eq!(
        both.same(|store| store.commits_above(second, None).unwrap())
            .len(),
        1
    );
    assert!(
        both.same(|store| store.linear_history(&[second], None))
            .is_none()
    );
}

#[test]
fn many_threads_share_the_processes_of_git() {
    let both = Both::new();
    let repo = &both.repos[1];
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            scope.spawn(move || {
                let store = Store::open(repo).unwrap();
                for round in 0..20u8 {
                    let content = vec![thread ^ round; 1 << (round % 20)];
                    let oid = store.write_blob(&content).unwrap();
                    assert_eq!(store.blob(oid).unwrap(), content);
                }
            });
        }
    });
    let large = [b"line\n\0".repeat(1 << 20), vec![0xff]].concat();
    let oid = both.same(|store| store.write_blob(&large)).unwrap();
    assert!(both.same(|store| store.blob(oid).unwrap() == large));
}

#[test]
fn a_killed_process_of_git_is_replaced() {
    let both = Both::new();
    let store = Store::open(&both.repos[1]).unwrap();
    let oid = store.write_blob(b"one").unwrap();
    assert_eq!(store.blob(oid).unwrap(), b"one");
    assert_eq!(both.repos[1].sessions.kill_all(), 2);
    assert_eq!(store.blob(oid).unwrap(), b"one");
    assert_eq!(store.write_blob(b"one").unwrap(), oid);
}

#[test]
fn the_message_of_git_is_in_the_error() {
    let both = Both::new();
    let objects = both.folder.path().join(".git/objects");
    fs::rename(&objects, objects.with_file_name("gone")).unwrap();
    let store = Store::open(&both.repos[1]).unwrap();
    let error = store.write_blob(b"one").unwrap_err().to_string();
    assert!(error.contains("hash-object"), "{error}");
}

#[test]
fn both_capture_the_same_tree_from_a_worktree() {
    let both = Both::new();
    let mut rng = fastrand::Rng::with_seed(3);
    change(both.folder.path(), &mut rng);
    let first = both.commit("first");
    let place = tempfile::tempdir().unwrap();
    let place = place.path().canonicalize().unwrap().join("work");
    let head = Head::Detached(first);
    let worktree = both.repos[0].add_worktree(&place, &head, "test").unwrap();
    let git = Git::at(&place);
    for round in 0..12 {
        change(&place, &mut rng);
        match round {
            3 => drop(git.run(&["add", "--all"]).unwrap()),
            5 => drop(git.run(&["update-index", "--split-index"]).unwrap()),
            8 => {
                let _ = fs::remove_dir_all(place.join("d"));
                fs::write(place.join("d"), "a file\n").unwrap();
            }
            9 => fs::remove_file(place.join("d")).unwrap(),
            _ => {}
        }
        assert!(both.same(|store| store.has_changes(&worktree, &[]).unwrap()));
        both.same(|store| store.capture(&worktree, &[]).unwrap().tree);
        both.same(|store| store.capture(&worktree, &["a".to_owned()]).unwrap().tree);
    }
}
