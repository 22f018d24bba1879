//! Landing on a target that has moved, or moves meanwhile: merged and checked again, or refused.

use std::fs;

use crate::harness::{Gate, Scene, wait};

const TWO: &str = "# Two
1. [A] First
   - run: echo a > a.txt
2. [B] Second
   - run: sed -i s/two/TWO/ src/app.ts
";

/// A scene whose run is over; its check counts itself in a file outside and then runs `script`.
fn assembled(script: &str) -> Scene {
    let scene = Scene::new();
    let ran = scene.root.join("ran");
    let check = format!("echo run >> {}; {script}", ran.display());
    scene.configure(&format!("[assemble]\ncheck = [{check:?}]\n"));
    scene.run(TWO, &[]).expect(0);
    fs::remove_file(ran).unwrap();
    scene
}

fn ran(scene: &Scene) -> usize {
    let file = scene.root.join("ran");
    let text = fs::read_to_string(&file).unwrap_or_default();
    let _ = fs::remove_file(file);
    text.lines().count()
}

fn move_target(scene: &Scene, path: &str, text: &str) -> String {
    scene.write(path, text);
    scene.commit("Later")
}

#[test]
fn the_integration_is_redone_on_a_target_that_has_moved_and_checked_again() {
    for flags in [&[][..], &["--ff"], &["--squash"], &["--no-board"]] {
        let scene = assembled("test -e a.txt");
        let moved = move_target(&scene, "later.txt", "later\n");
        let land = [&["land", "--yes"], flags].concat();
        let ended = scene.dispatch(&land).expect(0);
        assert!(
            ended.err.contains("main has moved since the run started")
                && ended.err.contains("checked again"),
            "{}",
            ended.err
        );
        assert_eq!(ran(&scene), 1, "{flags:?}");
        for (path, text) in [("a.txt", "a\n"), ("later.txt", "later\n")] {
            assert_eq!(scene.read(path), text);
        }
        assert_eq!(scene.git(&["merge-base", &moved, "main"]), moved);
        let first = scene.git(&["rev-list", "--first-parent", "main"]);
        assert!(first.contains(&moved), "{flags:?}");
        assert_eq!(scene.git(&["status", "--porcelain"]), "");
    }
}

#[test]
fn what_the_target_was_is_kept_and_named() {
    let scene = assembled("true");
    let old = scene.rev("main");
    let ended = scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(
        ran(&scene),
        0,
        "it has not moved, so nothing is checked again"
    );
    let backup = format!("refs/dispatch/backups/{}/landing-1", scene.run_name());
    assert_eq!(scene.rev(&backup), old);
    assert!(ended.err.contains(&backup), "{}", ended.err);
    assert_eq!(scene.json()["landed"]["backup"], backup.as_str());
}

#[test]
fn nothing_is_redone_where_that_is_not_wanted() {
    let scene = assembled("true");
    move_target(&scene, "later.txt", "later\n");
    let before = scene.fingerprint();
    let ended = scene.dispatch(&["land", "--yes", "--no-rebuild"]).expect(1);
    assert!(ended.err.contains("main has moved"), "{}", ended.err);
    before.assert_same(&scene.fingerprint());
    assert_eq!(ran(&scene), 0);
}

#[test]
fn a_check_that_fails_only_with_what_the_target_has_become_stops_it_and_names_the_task() {
    // The target now has a caller of what #1 does not know.
    let scene = assembled("! { test -e a.txt && test -e later.txt; }");
    move_target(&scene, "later.txt", "later\n");
    let before = scene.fingerprint();
    let ended = scene.dispatch(&["land", "--yes"]).expect(4);
    assert!(
        ended
            .err
            .contains("fails on the assembled work together with main")
            && ended.err.contains("#1 on its own fails there"),
        "{}",
        ended.err
    );
    before.assert_same(&scene.fingerprint());
    assert!(ran(&scene) > 0);
    // What was found out is known, so asking again costs nothing.
    scene.dispatch(&["land", "--yes"]).expect(4);
    assert_eq!(ran(&scene), 0);
    scene.dispatch(&["land", "--yes", "--force"]).expect(0);
    assert_eq!(ran(&scene), 0);
}

#[test]
fn a_check_that_fails_on_the_target_itself_is_said_to() {
    let scene = assembled("! test -e later.txt");
    move_target(&scene, "later.txt", "later\n");
    let ended = scene.dispatch(&["land", "--yes"]).expect(4);
    assert!(
        ended.err.contains("it also fails on main alone"),
        "{}",
        ended.err
    );
}

#[test]
fn a_conflict_with_what_the_target_has_become_names_the_tasks() {
    let scene = assembled("true");
    move_target(&scene, "src/app.ts", "one\nzwei\nthree\nfour\nfive\n");
    for flags in [&[][..], &["--ff"]] {
        let before = scene.fingerprint();
        let ended = scene
            .dispatch(&[&["land", "--yes"], flags].concat())
            .expect(4);
        assert!(
            ended
                .err
                .contains("#2 conflicts with main (content) in src/app.ts")
                && ended.err.contains("--leave-out 2"),
            "{}",
            ended.err
        );
        before.assert_same(&scene.fingerprint());
    }
    scene
        .dispatch(&["assemble", &scene.run_name(), "--leave-out", "2"])
        .expect(0);
    scene
        .dispatch(&["land", &scene.run_name(), "--yes"])
        .expect(0);
    assert_eq!(scene.read("a.txt"), "a\n");
    assert!(scene.read("src/app.ts").contains("zwei"));
}

#[test]
fn ctrl_c_while_the_checks_run_again_moves_nothing() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "check");
    let check = format!("test ! -e later.txt || {{ {}; }}", gate.script());
    scene.configure(&format!("[assemble]\ncheck = {check:?}\n"));
    scene.run(TWO, &[]).expect(0);
    move_target(&scene, "later.txt", "later\n");
    let before = scene.fingerprint();
    let child = scene.start(&["land", "--yes"]);
    gate.wait_until_reached();
    let pid = child.id().to_string();
    scene.command("kill").args(["-INT", &pid]).status().unwrap();
    wait(child).expect(130);
    before.assert_same(&scene.fingerprint());
    let child = scene.start(&["land", "--yes"]);
    gate.wait_until_reached();
    gate.open();
    wait(child).expect(0);
    assert_eq!(scene.read("a.txt"), "a\n");
}

/// The commit-msg hook is the moment between looking and moving.
fn meanwhile(what: &str) -> (Scene, crate::harness::Ended) {
    let scene = assembled("true");
    let hook = format!(
        "#!/bin/sh\nunset GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE\ncd {}\n{what}\n",
        scene.repo.display()
    );
    scene.write_program(".git/hooks/commit-msg", &hook);
    let ended = scene.dispatch(&["land", "--yes"]);
    (scene, ended)
}

#[test]
fn what_happens_to_the_target_while_a_landing_is_prepared_is_seen_and_left_alone() {
    let commit = "git commit-tree -p main -m Mine main^{tree}";
    let (scene, ended) = meanwhile(&format!("git update-ref refs/heads/main $({commit})"));
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(
        ended.err.contains("main has moved in the meantime"),
        "{}",
        ended.err
    );
    assert_eq!(scene.git(&["log", "-1", "--format=%s", "main"]), "Mine");
    assert_eq!(scene.git(&["status", "--porcelain"]), "");

    let (scene, ended) = meanwhile("git checkout --quiet -b mine");
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(
        ended.err.contains("the checkout of main has changed"),
        "{}",
        ended.err
    );
    assert_eq!(scene.rev("mine"), scene.rev("main"));
    scene.git(&["checkout", "--quiet", "main"]);
    fs::remove_file(scene.repo.join(".git/hooks/commit-msg")).unwrap();
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("a.txt"), "a\n");

    let (scene, ended) =
        meanwhile("git checkout --quiet --detach && git update-ref -d refs/heads/main");
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(!scene.has("refs/heads/main"), "it is not made again");
}

#[test]
fn a_dry_run_of_a_landing_moves_and_records_nothing() {
    let scene = assembled("true");
    let (before, journal) = (
        scene.fingerprint(),
        format!("refs/dispatch/runs/{}", scene.run_name()),
    );
    let tip = scene.rev(&journal);
    let ended = scene.dispatch(&["land", "--dry-run"]).expect(0);
    assert!(ended.out.contains("#1 [A] First"), "{}", ended.out);
    let said = format!("main {} -> a new commit (", &scene.rev("main")[..7]);
    assert!(ended.out.starts_with(&said), "{}", ended.out);
    assert!(ended.out.contains("adds DISPATCH.md"), "{}", ended.out);
    before.assert_same(&scene.fingerprint());
    assert_eq!(scene.rev(&journal), tip);
}

#[test]
fn the_post_merge_hook_runs_where_git_would_run_it() {
    let scene = assembled("true");
    let hook = format!(
        "#!/bin/sh\necho \"$1\" > {}\n",
        scene.root.join("merged").display()
    );
    scene.write_program(".git/hooks/post-merge", &hook);
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(
        fs::read_to_string(scene.root.join("merged")).unwrap(),
        "0\n"
    );
}

#[test]
fn a_target_in_the_middle_of_a_rebase_or_bisect_is_not_moved() {
    let scene = assembled("true");
    let tip = move_target(&scene, "later.txt", "later\n");
    let stop = "sequence.editor=sed -i 1s/pick/edit/";
    scene.git(&["-c", stop, "rebase", "-q", "-i", "HEAD~1"]);
    let ended = scene.dispatch(&["land", "--yes"]).expect(1);
    assert!(ended.err.contains("a rebase of main"), "{}", ended.err);
    scene.git(&["rebase", "--abort"]);
    assert_eq!(scene.git(&["rev-parse", "main"]), tip);

    scene.git(&["bisect", "start", "main", "main~1"]);
    scene.git(&["checkout", "-q", "--detach"]);
    let ended = scene.dispatch(&["land", "--yes"]).expect(1);
    assert!(ended.err.contains("a bisect of main"), "{}", ended.err);
    scene.git(&["bisect", "reset"]);
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("a.txt"), "a\n");
}

#[test]
fn commits_that_the_target_no_longer_has_come_back_only_when_asked_for() {
    let scene = Scene::new();
    scene.write("secret.txt", "secret\n");
    let started = scene.commit("Secret");
    scene.run(TWO, &[]).expect(0);
    scene.git(&["reset", "-q", "--hard", "HEAD~1"]);
    for moved in [false, true] {
        if moved {
            move_target(&scene, "later.txt", "later\n");
        }
        let before = scene.fingerprint();
        let ended = scene.dispatch(&["land", "--yes"]).expect(1);
        let said = format!(
            "main no longer contains {}, the base of the run; landing would bring back 1 \
             commit that no task made",
            &started[..7]
        );
        assert!(
            ended.err.contains(&said) && ended.err.contains("--allow-rewound"),
            "{}",
            ended.err
        );
        before.assert_same(&scene.fingerprint());
    }
    let asked = ["land", "--dry-run", "--allow-rewound"];
    let ended = scene.dispatch(&asked).expect(0);
    assert!(
        ended.err.contains("1 commit that no task made"),
        "{}",
        ended.err
    );
    // Into another branch it was asked for.
    scene.git(&["branch", "other"]);
    let ended = scene
        .dispatch(&["land", "--dry-run", "--into", "other"])
        .expect(0);
    assert!(
        ended.err.contains("1 commit that no task made"),
        "{}",
        ended.err
    );
    scene.git(&["merge", "-q", "--no-edit", &started]);
    let ended = scene.dispatch(&["land", "--yes"]).expect(0);
    assert!(!ended.err.contains("no task made"), "{}", ended.err);
}

#[test]
fn a_target_whose_first_commit_was_amended_is_refused_in_plain_words() {
    let scene = Scene::new();
    let started = scene.rev("main");
    scene.run(TWO, &[]).expect(0);
    scene.git(&["commit", "-q", "--amend", "-m", "Another shop"]);
    let before = scene.fingerprint();
    for flags in [&[][..], &["--ff"], &["--squash"]] {
        let ended = scene
            .dispatch(&[&["land", "--yes"], flags].concat())
            .expect(1);
        let said = format!("main has no common history with {}", &started[..7]);
        assert!(ended.err.contains(&said), "{}", ended.err);
        before.assert_same(&scene.fingerprint());
    }
}

/// The target indents the line that #2 edits.
const INDENTED: &str = "one\n  two\nthree\nfour\nfive\n";

#[test]
fn what_a_rule_settles_with_a_target_that_has_moved_lands_and_says_so() {
    for flags in [&[][..], &["--squash"], &["--ff"]] {
        let scene = assembled("grep TWO src/app.ts");
        scene.write("later.txt", "later\n");
        move_target(&scene, "src/app.ts", INDENTED);
        let land = [&["land", "--yes"], flags].concat();
        let ended = scene.dispatch(&land).expect(0);
        assert_eq!(scene.read("src/app.ts"), "one\nTWO\nthree\nfour\nfive\n");
        assert_eq!(ran(&scene), 1);
        let range = format!("{}..main", scene.rev("HEAD~1"));
        let messages = scene.git(&["log", "--first-parent", "--format=%B", &range]);
        assert!(
            messages.contains("Dispatch-Resolved: rules src/app.ts"),
            "{flags:?}: {messages}"
        );
        assert_eq!(
            ended
                .err
                .contains("settled src/app.ts (content) by rule (reformat-vs-edit)"),
            flags != ["--ff"],
            "{}",
            ended.err
        );
        assert_eq!(scene.git(&["status", "--porcelain"]), "");
    }
}

#[test]
fn what_settles_it_is_taken_back_where_a_check_fails_with_it() {
    let scene = assembled("! { test -e later.txt && grep TWO src/app.ts; }");
    scene.write("later.txt", "later\n");
    move_target(&scene, "src/app.ts", INDENTED);
    let before = scene.fingerprint();
    let ended = scene.dispatch(&["land", "--yes"]).expect(4);
    assert!(
        ended
            .err
            .contains("#2 conflicts with main (content) in src/app.ts"),
        "{}",
        ended.err
    );
    assert!(
        ended
            .err
            .contains("`dispatch assemble --leave-out 2` and then `dispatch land` lands the rest"),
        "{}",
        ended.err
    );
    before.assert_same(&scene.fingerprint());
}

#[test]
fn what_keeps_a_checkout_from_moving_is_told_apart() {
    type Make = fn(&Scene);
    let cases: [(Make, &str, &str); 3] = [
        (
            |scene| scene.write(".git/index.lock", ""),
            "its index is locked by",
            "remove its lock: `rm ",
        ),
        (
            |scene| {
                scene.git(&["checkout", "-q", "-b", "side"]);
                scene.write("side.txt", "side\n");
                scene.commit("Side");
                scene.git(&["checkout", "-q", "main"]);
                scene.git(&["merge", "-q", "--no-ff", "--no-commit", "side"]);
            },
            "an unfinished merge is in progress there",
            "merge --continue` or `--abort`",
        ),
        (
            |scene| scene.write("DISPATCH.md", "mine\n"),
            "is untracked, and the board would overwrite it",
            "`--no-board`",
        ),
    ];
    for (make, why, hint) in cases {
        let scene = assembled("true");
        make(&scene);
        let before = scene.fingerprint();
        let ended = scene.dispatch(&["land", "--yes"]).expect(1);
        assert!(
            ended.err.contains(why) && ended.err.contains(hint),
            "{}",
            ended.err
        );
        before.assert_same(&scene.fingerprint());
    }
}

#[test]
fn a_target_that_is_another_name_of_a_branch_is_that_branch() {
    let scene = Scene::new();
    scene.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    let plan = "# One\n1. [A] First\n   - run: echo a > a.txt\n";
    scene.run(plan, &["--into", "alias"]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("a.txt"), "a\n", "the checkout has moved with it");
    scene.dispatch(&["unland", "--yes"]).expect(0);
    scene
        .dispatch(&["land", "--yes", "--into", "alias"])
        .expect(0);
    assert_eq!(
        scene.git(&["symbolic-ref", "refs/heads/alias"]),
        "refs/heads/main"
    );
    assert_eq!(scene.git(&["status", "--porcelain", "-uno"]), "");
}

#[test]
fn a_hook_that_moves_the_target_back_is_named() {
    let scene = Scene::new();
    scene
        .run("# One\n\n1. [A] a\n   - run: echo a > a.txt\n", &[])
        .expect(0);
    scene.write_program(
        ".git/hooks/post-merge",
        "#!/bin/sh\ngit update-ref refs/heads/main HEAD~1\n",
    );
    let refused = scene.dispatch(&["land", "--yes"]).expect(1);
    let said = "the hook post-merge has moved main away from the landing";
    assert!(refused.err.contains(said), "{}", refused.err);
    std::fs::remove_file(scene.repo.join(".git/hooks/post-merge")).unwrap();
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.git(&["show", "main:a.txt"]), "a");
}
