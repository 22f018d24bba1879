//! The set-up of worktrees: no part of any result, and the same for checks, hooks and resolutions.

use crate::harness::Scene;
use crate::submodules;

/// A project whose set-up changes a file of git, deletes one, and adds one.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.write(".gitignore", "dep/\n.env\n");
    scene.write("lock", "head\n1\n2\n3\n4\n5\n6\ntail\n");
    scene.write("old.txt", "old\n");
    scene.write("app.txt", "one\n");
    scene.configure(
        "[worktree]\nsetup = [\"sed -i s/head/$$-$DISPATCH_BASE/ lock; rm old.txt; echo g > gen.txt\"]\n",
    );
    scene
}

fn changed(scene: &Scene, slug: &str) -> String {
    let files = scene.git(&["diff", "--name-only", "main", &scene.branch(slug)]);
    files.replace('\n', " ")
}

#[test]
fn what_set_up_writes_is_no_change_of_any_task() {
    let scene = scene();
    let plan = "# P\n\n\
        1. [EDIT] Edit\n   - files: app.txt\n   - run: echo x >> app.txt\n\
        2. [COMMIT] Commit everything\n   - files: b.txt\n   - run: echo b > b.txt; git add -A; git commit -qm \"Add b\"\n\
        3. [NOTHING] Do nothing\n   - run: true\n\
        4. [FAIL] Fail\n   - run: echo part > part.txt; exit 1\n";
    scene.run(plan, &["--max-parallel", "2"]);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 FAILED · 4 FAILED");
    assert_eq!(changed(&scene, "edit"), "app.txt");
    assert_eq!(changed(&scene, "commit"), "b.txt");
    let subjects = scene.git(&["log", "--format=%s", "main..", &scene.branch("commit")]);
    assert_eq!(subjects, "Add b", "no commit has what set-up wrote");
    let kept = format!("refs/dispatch/attempts/{}/fail/1", scene.run_name());
    let kept = scene.git(&["diff", "--name-only", "main", &kept]);
    assert_eq!(
        kept, "part.txt",
        "the work of a failed attempt has none of it, either"
    );
    let board = scene.board();
    for said in ["undeclared", "left out", "conflicts with"] {
        assert!(!board.contains(said), "{board}");
    }
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("lock"), "head\n1\n2\n3\n4\n5\n6\ntail\n");
    assert_eq!(scene.read("old.txt"), "old\n");
    let places = ["edit", "commit", "nothing", "fail"].map(|slug| scene.worktree(slug));
    scene.dispatch(&["clean"]).expect(0);
    for place in places {
        assert!(!place.exists(), "{} holds no work", place.display());
    }
}

#[test]
fn a_copied_secret_that_a_worker_commits_is_in_no_history_that_lands() {
    let scene = Scene::new();
    scene.write(".gitignore", ".env\n");
    scene.configure("[worktree]\ncopy = [\".env\"]\n");
    scene.write(".env", "SECRET\n");
    let plan = "# P\n\n\
        1. [ALL] Commit everything\n   - run: echo x > a.txt; git add -Af .; git commit -qm all\n\
        2. [TWICE] Take it back\n   - run: echo y > b.txt; git add -Af .; git commit -qm one; \
        git rm -q --cached .env; git commit -qm two\n\
        3. [MORE] Leave the rest\n   - run: git add -Af .; git commit -qm env; echo z > c.txt\n";
    scene.run(plan, &[]).expect(0);
    for (slug, files) in [("all", "a.txt"), ("twice", "b.txt"), ("more", "c.txt")] {
        assert_eq!(changed(&scene, slug), files);
    }
    scene.dispatch(&["land", "--yes"]).expect(0);
    let objects = scene.git(&["rev-list", "--objects", "main"]);
    assert!(!objects.contains(".env"), "{objects}");
    let kept = format!("refs/dispatch/attempts/{}/all/1:.env", scene.run_name());
    assert_eq!(scene.git(&["show", &kept]), "SECRET", "the commit is kept");
}

#[test]
fn a_nested_repository_is_copied_with_everything() {
    let scene = Scene::new();
    scene.write(".gitignore", "vendor/\n");
    scene.write(".worktreeinclude", "vendor/\n");
    scene.commit("A project");
    scene.git(&["init", "--quiet", "vendor/nested"]);
    scene.write("vendor/nested/deep/file.txt", "text\n");
    let plan = "# P\n\n1. [A] Use it\n   - run: cp vendor/nested/deep/file.txt a.txt; test -d vendor/nested/.git\n";
    scene.run(plan, &[]).expect(0);
    assert_eq!(changed(&scene, "a"), "a.txt");
}

#[test]
fn a_change_of_a_file_that_set_up_wrote_as_well_is_never_lost() {
    let scene = scene();
    let plan = "# P\n\n\
        1. [FAR] Another line\n   - run: echo mine >> lock\n\
        2. [SAME] The same line\n   - run: sed -i 's/^[0-9]*-.*/mine/' lock\n\
        3. [BACK] Write it again\n   - run: echo new > old.txt\n\
        4. [GEN] Its new file\n   - run: echo more >> gen.txt\n\
        5. [UNDO] Undo and edit\n   - run: git checkout -q lock; echo x >> app.txt\n";
    scene.run(plan, &[]);
    let file =
        |slug: &str, path: &str| scene.git(&["show", &format!("{}:{path}", scene.branch(slug))]);
    assert_eq!(changed(&scene, "far"), "lock");
    assert_eq!(
        file("far", "lock"),
        "head\n1\n2\n3\n4\n5\n6\ntail\nmine",
        "only its own line"
    );
    assert_eq!(file("same", "lock"), "mine\n1\n2\n3\n4\n5\n6\ntail");
    assert_eq!(changed(&scene, "back"), "old.txt");
    assert_eq!(file("back", "old.txt"), "new");
    assert_eq!(file("gen", "gen.txt"), "g\nmore");
    assert_eq!(changed(&scene, "undo"), "app.txt");
    let shown = scene.dispatch(&["show", "4"]).expect(0).out;
    let said = "set-up changed gen.txt, too; its changes could not be separated";
    assert!(shown.contains(said), "{shown}");
}

#[test]
fn an_ignored_file_that_was_brought_does_not_become_work_when_a_worker_stops_ignoring_it() {
    let scene = scene();
    scene.configure("[worktree]\ncopy = [\".env\"]\nsetup = [\"mkdir dep && echo d > dep/d\"]\n");
    scene.write(".env", "SECRET=1\n");
    let plan = "# P\n\n1. [OPEN] Ignore nothing\n   - run: rm .gitignore; echo mine > dep/mine; git add -A; git commit -qm open\n";
    scene.run(plan, &[]).expect(0);
    assert_eq!(changed(&scene, "open"), ".gitignore dep/mine");
    let shown = scene.dispatch(&["show", "1"]).expect(0).out;
    assert!(
        shown.contains(".env, +1 more was left out: a copy or the set-up brought it"),
        "{shown}"
    );
}

#[test]
fn checks_of_the_whole_hooks_and_resolutions_find_what_a_worker_finds() {
    for how in [
        "link = [\"dep\"]",
        "copy = [\"dep/\"]",
        "setup = [\"mkdir -p dep && echo x > dep/x && echo dirt >> app.txt && echo new > dirt.txt\"]",
    ] {
        let scene = Scene::new();
        scene.write(".gitignore", "dep/\n");
        scene.write("app.txt", "one\n");
        scene.write("dep/x", "x\n");
        scene.configure(&format!(
            "[worktree]\n{how}\n[assemble]\ncheck = [\"test -e dep/x\"]\n"
        ));
        scene.write_program(
            ".git/hooks/pre-merge-commit",
            "#!/bin/sh\ntest -e dep/x || { echo no dependency; exit 1; }\ngit add -A\n",
        );
        let plan = "# P\n\n\
            1. [A] First\n   - run: echo a > app.txt; echo a > a.txt\n\
            2. [B] Second\n   - run: echo b > app.txt\n";
        scene.run(plan, &[]);
        let opened = scene.dispatch(&["resolve", "2"]);
        let place = std::path::PathBuf::from(opened.expect(0).out.trim());
        assert!(place.join("dep/x").exists(), "{how}");
        std::fs::write(place.join("app.txt"), "both\n").unwrap();
        scene.git(&["-C", place.to_str().unwrap(), "add", "app.txt"]);
        scene.dispatch(&["resolve", "2", "--continue"]).expect(0);
        assert!(!place.exists(), "nothing but ignored files is left there");
        scene.dispatch(&["land", "--yes", "--no-board"]).expect(0);
        let files = scene.git(&["diff", "--name-only", "HEAD^", "HEAD"]);
        assert_eq!(files, "a.txt\napp.txt", "{how}");
        assert_eq!(scene.read("app.txt"), "both\n");
    }
}

#[test]
fn a_set_up_that_fails_for_the_hooks_stops_the_landing_and_one_for_the_checks_fails_them() {
    let scene = Scene::new();
    scene.write("app.txt", "one\n");
    scene.configure(
        "[worktree]\nsetup = [\"test ! -e broken || { echo no compiler; exit 3; }\"]\nteardown = [\"touch ../torn.$(basename $PWD)\"]\n[assemble]\ncheck = [\"true\"]\n",
    );
    let plan = "# P\n\n1. [A] First\n   - run: echo x >> app.txt\n2. [BREAK] Break the set-up\n   - run: touch broken\n";
    scene.run(plan, &[]);
    let board = scene.board();
    assert!(board.contains("no compiler"), "{board}");
    assert_eq!(
        scene.git(&[
            "ls-tree",
            "--name-only",
            &scene.branch("integration"),
            "broken"
        ]),
        ""
    );
    scene.write_program(".git/hooks/commit-msg", "#!/bin/sh\nexit 0\n");
    scene.dispatch(&["land", "--yes", "--dry-run"]).expect(0);
    let home = scene.worktree("a").parent().unwrap().to_owned();
    assert!(
        home.join("torn.landing").exists(),
        "teardown follows the hooks"
    );
}

#[test]
fn commits_that_set_up_makes_are_no_part_of_the_history_and_move_no_branch_of_the_user() {
    let scene = scene();
    scene.configure(
        "[worktree]\nsetup = [\"git rev-parse HEAD > lock; git commit -qam 'By set-up'\"]\n",
    );
    scene.write_program(".git/hooks/commit-msg", "#!/bin/sh\nexit 0\n");
    let before = scene.rev("main");
    let plan = "# P\n\n1. [EDIT] Edit\n   - run: echo x >> app.txt; git commit -qam 'By the worker'\n2. [NOTHING] Do nothing\n   - run: true\n";
    scene.run(plan, &[]);
    assert_eq!(scene.statuses(), "1 DONE · 2 FAILED");
    assert_eq!(changed(&scene, "edit"), "app.txt");
    let subjects = scene.git(&[
        "log",
        "--format=%s",
        &format!("main..{}", scene.branch("edit")),
    ]);
    assert!(!subjects.contains("By set-up"), "{subjects}");
    scene.dispatch(&["land", "--yes", "--dry-run"]).expect(0);
    assert_eq!(scene.rev("main"), before);
    scene.dispatch(&["land", "--yes", "--no-board"]).expect(0);
    assert_eq!(
        scene.git(&["diff", "--name-only", &before, "main"]),
        "app.txt"
    );
}

#[test]
fn a_commit_that_set_up_makes_is_nobodys_work() {
    let scene = Scene::new();
    scene.configure(
        "[worktree]\nsetup = [\"echo g > gen.txt; git add gen.txt; git commit -qm generated\"]\n",
    );
    let plan = "# P\n\n\
        1. [EDIT] Edit\n   - run: echo x > x.txt\n\
        2. [NOTHING] Do nothing\n   - run: true\n\
        3. [FAIL] Fail\n   - run: echo part > part.txt; exit 1\n";
    let ended = scene.run(plan, &[]).expect(3);
    assert_eq!(scene.statuses(), "1 DONE · 2 FAILED · 3 FAILED");
    assert!(!ended.out.contains("it left"), "{}", ended.out);
    let log = scene.git(&["log", "--format=%s", "main..", &scene.branch("edit")]);
    assert_eq!(log, "Edit");
    let kept = format!("refs/dispatch/attempts/{}/fail/1", scene.run_name());
    assert_eq!(
        scene.git(&["diff", "--name-only", "main", &kept]),
        "part.txt"
    );
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert!(!scene.repo.join("gen.txt").exists());
    let cleaned = scene.dispatch(&["clean"]).expect(0);
    assert!(!cleaned.err.contains("keeping"), "{}", cleaned.err);
}

#[test]
fn a_repository_that_set_up_changes_is_nobodys_work() {
    let scene = submodules::scene();
    scene.write(".gitignore", "dep/\n");
    scene.git(&["submodule", "update", "--quiet", "--init"]);
    scene.configure(
        "[worktree]\nsubmodules = true\nsetup = [\
         \"echo gen >> sub/a.txt; echo new > sub/new.txt; cd sub/deep/part && git commit -q --allow-empty -m gen\", \
         \"git clone -q . dep/c && cd dep/c && git commit -q --allow-empty -m own && echo x > x.txt\"]\n",
    );
    let plan = "1. [NOTHING] Nothing\n   - run: true\n\
                2. [EDIT] Edits the repository\n   - run: echo b > b.txt\n\
                3. [INNER] Edits the submodule, too\n   - run: echo c > c.txt; echo mine > sub/mine.txt\n\
                4. [CLONE] Commits in the clone\n   - run: echo d > d.txt; cd dep/c && git commit -q --allow-empty -m mine\n";
    scene.run(plan, &["-j", "2"]).expect(3);
    let shown = |task: &str| scene.dispatch(&["show", task]).expect(0).out;
    for task in ["1", "2"] {
        let shown = shown(task);
        assert!(!shown.contains("remark"), "{shown}");
    }
    let inner = shown("3");
    assert!(
        inner.contains("mine.txt") && !inner.contains("new.txt"),
        "{inner}"
    );
    scene.dispatch(&["land", "--yes"]).expect(0);
    let cleaned = scene.dispatch(&["clean"]).expect(0);
    let kept = ["nothing", "edit", "inner", "clone"].map(|slug| scene.worktree(slug).exists());
    assert_eq!(kept, [false, false, true, true], "{}", cleaned.err);
}
