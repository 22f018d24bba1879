//! Tests of the shared state.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::*;
use crate::base::regular_file::RECORD_LIMIT;
use crate::model::outside_changes::changes;

struct Scene {
    folder: tempfile::TempDir,
    git: Git,
}

impl Scene {
    fn new() -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let git = Git::at(folder.path());
        let scene = Scene { folder, git };
        scene.run(&["init", "--quiet", "--initial-branch=main"]);
        fs::write(scene.path("a.txt"), "1\n").unwrap();
        scene.run(&["add", "a.txt"]);
        scene.commit("first");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, args: &[&str]) {
        self.git.run(args).unwrap();
    }

    fn commit(&self, message: &str) {
        let who = ["-c", "user.name=A", "-c", "user.email=a@localhost"];
        let commit = ["commit", "--quiet", "--allow-empty", "-m", message];
        self.run(&[&who[..], &commit].concat());
    }

    fn reader(&self) -> SharedStateReader {
        let repo = Repo::discover(self.folder.path()).unwrap();
        SharedStateReader::new(&repo, "dispatch")
    }

    /// Makes every file look as if it was written long ago.
    fn let_time_pass(&self, reader: &mut SharedStateReader) {
        for sources in [
            &mut reader.head.sources,
            &mut reader.index.sources,
            &mut reader.references.sources,
            &mut reader.files.sources,
            &mut reader.settings.sources,
        ] {
            sources.unsettled = false;
        }
    }

    /// The changes that an action makes, as they are named.
    fn changes_of(&self, action: impl FnOnce(&Scene)) -> String {
        let mut reader = self.reader();
        let before = reader.read().unwrap();
        self.let_time_pass(&mut reader);
        action(self);
        let after = reader.read().unwrap();
        let found = changes(&before.state, &after.state);
        assert_eq!(found.is_empty(), before.name == after.name);
        let words: Vec<String> = found.into_iter().map(|change| change.name).collect();
        words.join(", ")
    }
}

#[test]
fn each_kind_of_change_is_seen() {
    let scene = Scene::new();
    let seen = |action: fn(&Scene)| scene.changes_of(action);
    let commit = seen(|scene| {
        fs::write(scene.path("a.txt"), "2\n").unwrap();
        scene.run(&["add", "a.txt"]);
        scene.commit("second");
    });
    let said = [
        commit,
        seen(|scene| scene.run(&["branch", "feature/x"])),
        seen(|scene| scene.run(&["branch", "-f", "feature/x", "HEAD~1"])),
        seen(|scene| scene.run(&["tag", "v1"])),
        seen(|scene| scene.run(&["pack-refs", "--all"])),
        seen(|scene| scene.run(&["branch", "-D", "feature/x"])),
        seen(|scene| scene.run(&["switch", "--quiet", "--detach"])),
        seen(|scene| scene.run(&["config", "user.name", "B"])),
        seen(|scene| {
            fs::create_dir_all(scene.path(".git/hooks")).unwrap();
            fs::write(scene.path(".git/hooks/pre-commit"), "true\n").unwrap();
        }),
        seen(|scene| {
            fs::write(scene.path("b.txt"), "b\n").unwrap();
            scene.run(&["add", "b.txt"]);
        }),
    ];
    insta::assert_snapshot!(said.join("\n"), @r"
    the index of the main checkout, the branch main
    the branch feature/x
    the branch feature/x
    the tag v1

    the branch feature/x
    HEAD of the main checkout
    .git/config
    .git/hooks/pre-commit
    the index of the main checkout
    ");
}

#[test]
fn a_plain_write_into_the_current_branch_is_seen() {
    let scene = Scene::new();
    scene.commit("second");
    let said = scene.changes_of(|scene| {
        let old = scene.git.line(&["rev-parse", "HEAD~1"]).unwrap();
        fs::write(scene.path(".git/refs/heads/main"), old + "\n").unwrap();
    });
    assert_eq!(said, "the branch main");
}

#[test]
fn what_dispatch_and_a_status_write_is_no_change() {
    let scene = Scene::new();
    let said = scene.changes_of(|scene| {
        scene.run(&["branch", "dispatch/run/task"]);
        scene.run(&["update-ref", "refs/dispatch/runs/run", "HEAD"]);
        scene.run(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
        let index = fs::File::options()
            .write(true)
            .open(scene.path(".git/index"));
        let later = SystemTime::now() + Duration::from_secs(60);
        index.unwrap().set_modified(later).unwrap();
    });
    assert_eq!(said, "");
}

#[test]
fn dispatch_s_own_work_leaves_the_reading_as_it_is() {
    let scene = Scene::new();
    scene.run(&["branch", "dispatch/run/one"]);
    scene.run(&["update-ref", "refs/dispatch/runs/run", "HEAD"]);
    let mut reader = scene.reader();
    reader.read().unwrap();
    scene.let_time_pass(&mut reader);
    scene.run(&["branch", "dispatch/run/two"]);
    scene.run(&["update-ref", "refs/dispatch/attempts/run/one/1", "HEAD"]);
    assert!(reader.references.sources.are_unchanged());
    assert!(reader.index.sources.are_unchanged());
    scene.run(&["branch", "mine"]);
    assert!(!reader.references.sources.are_unchanged());
}

/// Creates a repository whose references are a reftable, if this git can.
fn scene_with_reftable() -> Option<Scene> {
    let folder = tempfile::tempdir().unwrap();
    let git = Git::at(folder.path());
    let init = [
        "init",
        "--quiet",
        "--initial-branch=main",
        "--ref-format=reftable",
    ];
    git.run(&init).ok()?;
    let scene = Scene { folder, git };
    scene.commit("first");
    Some(scene)
}

#[test]
fn what_dispatch_writes_into_a_reftable_is_no_change() {
    let Some(scene) = scene_with_reftable() else {
        return;
    };
    let said = [
        scene.changes_of(|scene| {
            scene.run(&["branch", "dispatch/run/task"]);
            scene.run(&["update-ref", "refs/dispatch/runs/run", "HEAD"]);
            scene.run(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
        }),
        scene.changes_of(|scene| scene.run(&["branch", "dispatcher"])),
        scene.changes_of(|scene| scene.run(&["tag", "v1"])),
    ];
    assert_eq!(said, ["", "the branch dispatcher", "the tag v1"]);
}

#[test]
fn a_git_that_cannot_read_a_reftable_is_no_change() {
    let Some(scene) = scene_with_reftable() else {
        return;
    };
    let mut reader = scene.reader();
    let before = reader.read().unwrap();
    let tables = scene.path(".git/reftable/tables.list");
    let content = fs::read(&tables).unwrap();
    fs::write(&tables, "no table\n").unwrap();
    reader.read().unwrap_err();
    fs::write(&tables, content).unwrap();
    assert_eq!(reader.read().unwrap().name, before.name);
}

#[test]
fn only_a_file_that_git_would_wait_for_keeps_it_from_being_asked() {
    let scene = Scene::new();
    let mut reader = scene.reader();
    let excluded = scene.path(".git/info/exclude");
    fs::create_dir_all(scene.path(".git/info")).unwrap();
    let large = fs::File::create(&excluded).unwrap();
    large.set_len(RECORD_LIMIT + 1).unwrap();
    let state = reader.read().unwrap().state;
    assert!(state.irregular.is_empty() && !state.settings.is_empty());
    fs::remove_file(&excluded).unwrap();
    fs::create_dir(&excluded).unwrap();
    let state = reader.read().unwrap().state;
    assert!(state.irregular.contains("info/exclude"));
}

#[test]
fn a_young_file_is_read_again() {
    let scene = Scene::new();
    let mut reader = scene.reader();
    reader.read().unwrap();
    assert!(!reader.index.sources.are_unchanged());
}
