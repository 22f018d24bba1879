//! `dispatch land`: the shapes of a landing, and refusals.

use crate::harness::Scene;

const TWO: &str = "# Two
1. [A] First
   - run: echo a > a.txt
2. [B] Second
   - run: sed -i s/two/TWO/ src/app.ts
";

/// Creates a scene whose run has ended and not landed.
fn assembled() -> Scene {
    let scene = Scene::new();
    scene.run(TWO, &[]).expect(0);
    scene
}

fn parents(scene: &Scene, revision: &str) -> Vec<String> {
    let line = scene.git(&["log", "-1", "--format=%P", revision]);
    line.split(' ').map(str::to_owned).collect()
}

/// Counts the commits of a branch that change the board.
fn boards(scene: &Scene, revision: &str) -> usize {
    let commits = [
        "log",
        "--format=%H",
        "--full-history",
        revision,
        "--",
        "DISPATCH.md",
    ];
    scene.git(&commits).lines().count()
}

fn assert_landed(scene: &Scene) {
    assert_eq!(scene.read("a.txt"), "a\n");
    assert_eq!(scene.read("src/app.ts"), "one\nTWO\nthree\nfour\nfive\n");
    assert_eq!(scene.git(&["symbolic-ref", "HEAD"]), "refs/heads/main");
}

#[test]
fn a_landing_is_a_merge_commit_of_the_users_with_the_board() {
    let scene = assembled();
    let old = scene.rev("main");
    let ended = scene.dispatch(&["land", "--yes"]).expect(0);
    assert_landed(&scene);
    assert_eq!(scene.git(&["status", "--porcelain"]), "");
    let merged = parents(&scene, "main");
    assert_eq!(merged[0], old);
    let integration = scene.branch("integration");
    assert_eq!(
        scene.git(&["merge-base", &merged[1], &integration]),
        merged[1]
    );
    assert_eq!(
        scene.read("DISPATCH.md"),
        scene.dispatch(&["board"]).expect(0).out
    );
    assert!(
        scene
            .read("DISPATCH.md")
            .contains("All 2 tasks finished successfully.")
    );
    let run = scene.run_name();
    let message = scene.git(&["log", "-1", "--format=%an <%ae> %at %cn%n%B", "main"]);
    assert_eq!(
        message.trim_end(),
        format!(
            "Ada <ada@example.com> 1795338840 Ada\n\
             Merge dispatch run {run} into main: Two\n\n\
             * #1 A: First\n* #2 B: Second\n\nDispatch-Run: {run}"
        )
    );
    let short = |oid: &str| oid[..7].to_owned();
    let shown = format!("main {} -> {} (", short(&old), short(&scene.rev("main")));
    assert!(ended.err.contains(&shown), "{}", ended.err);
    assert!(
        ended
            .err
            .contains("adds DISPATCH.md, the board of the run (`--no-board`"),
        "{}",
        ended.err
    );
    let said = format!(
        "main is now {} (was {})",
        &scene.rev("main")[..7],
        &old[..7]
    );
    assert!(ended.out.contains(&said), "{}", ended.out);
    let json = scene.json();
    assert_eq!(json["landed"]["to"], scene.rev("main").as_str());
    assert_eq!(json["landed"]["from"], old.as_str());
}

#[test]
fn without_the_board_no_commit_of_the_target_has_one() {
    for flags in [
        &["--no-board"][..],
        &["--ff"],
        &["--ff", "--no-board"],
        &["--squash"],
        &["--squash", "--no-board"],
    ] {
        let scene = assembled();
        let old = scene.rev("main");
        scene
            .dispatch(&[&["land", "--yes"], flags].concat())
            .expect(0);
        assert_landed(&scene);
        assert!(!scene.repo.join("DISPATCH.md").exists(), "{flags:?}");
        assert_eq!(boards(&scene, "main"), 0, "{flags:?}");
        let first = parents(&scene, "main");
        match flags[0] {
            "--squash" => assert_eq!(first, [old]),
            "--ff" => {
                let line = scene.git(&["log", "--first-parent", "--format=%s", "main"]);
                assert_eq!(line, "Merge #2 B: Second\nMerge #1 A: First\nA shop");
            }
            _ => assert_eq!((first.len(), &first[0]), (2, &old)),
        }
        assert_eq!(scene.git(&["status", "--porcelain"]), "");
    }
}

#[test]
fn the_settings_can_leave_the_board_out() {
    let scene = Scene::new();
    scene.configure("[board]\nland = false\n");
    scene.run(TWO, &[]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(boards(&scene, "main"), 0);
}

#[test]
fn local_changes_that_are_not_in_the_way_stay() {
    for flags in [&[][..], &["--ff"], &["--squash"]] {
        let scene = assembled();
        scene.write("README.md", "# My shop\n");
        scene.write("staged.txt", "staged\n");
        scene.git(&["add", "staged.txt"]);
        scene.write("untracked.txt", "untracked\n");
        let status = scene.git(&["status", "--porcelain"]);
        scene
            .dispatch(&[&["land", "--yes"], flags].concat())
            .expect(0);
        assert_landed(&scene);
        assert_eq!(scene.git(&["status", "--porcelain"]), status);
        assert_eq!(scene.read("README.md"), "# My shop\n");
    }
}

#[test]
fn local_changes_in_the_way_stop_the_landing_before_anything_changes() {
    type Change = fn(&Scene);
    let in_the_way: [(&str, Change); 3] = [
        ("src/app.ts", |scene| scene.write("src/app.ts", "mine\n")),
        ("a.txt", |scene| scene.write("a.txt", "mine\n")),
        ("a.txt", |scene| {
            scene.write("a.txt", "mine\n");
            scene.git(&["add", "a.txt"]);
        }),
    ];
    for (path, make) in in_the_way {
        for flags in [&[][..], &["--ff"], &["--squash"]] {
            let scene = assembled();
            make(&scene);
            let before = scene.fingerprint();
            let ended = scene
                .dispatch(&[&["land", "--yes"], flags].concat())
                .expect(1);
            assert!(ended.err.contains(path), "{}", ended.err);
            before.assert_same(&scene.fingerprint());
            assert_eq!(scene.json()["landed"], serde_json::Value::Null);
            scene.git(&["stash", "--quiet", "--include-untracked"]);
            scene
                .dispatch(&[&["land", "--yes"], flags].concat())
                .expect(0);
            assert_landed(&scene);
        }
    }
}

#[test]
fn a_target_that_moved_is_merged_with() {
    let scene = assembled();
    scene.write("later.txt", "later\n");
    scene.write("src/app.ts", "one\ntwo\nthree\nfour\nfive\nsix\n");
    let moved = scene.commit("Later");
    let before = scene.fingerprint();
    let ended = scene
        .dispatch(&["land", "--yes", "--ff", "--no-rebuild"])
        .expect(1);
    assert!(
        ended.err.contains("main has moved since the run started"),
        "{}",
        ended.err
    );
    before.assert_same(&scene.fingerprint());
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(parents(&scene, "main")[0], moved);
    assert_eq!(
        scene.read("src/app.ts"),
        "one\nTWO\nthree\nfour\nfive\nsix\n"
    );
    assert_eq!(scene.read("a.txt"), "a\n");
    assert_eq!(scene.read("later.txt"), "later\n");
}

#[test]
fn a_target_that_moved_into_a_conflict_stays_where_it_is() {
    let scene = assembled();
    scene.write("src/app.ts", "one\nzwei\nthree\nfour\nfive\n");
    scene.commit("Mine");
    let before = scene.fingerprint();
    for flags in [&[][..], &["--squash"], &["--no-board"]] {
        let ended = scene
            .dispatch(&[&["land", "--yes"], flags].concat())
            .expect(4);
        assert!(
            ended
                .err
                .contains("#2 conflicts with main (content) in src/app.ts"),
            "{}",
            ended.err
        );
        before.assert_same(&scene.fingerprint());
    }
}

#[test]
fn a_target_that_is_not_checked_out_moves_alone() {
    let scene = assembled();
    scene.git(&["checkout", "--quiet", "-b", "elsewhere"]);
    scene.write("src/app.ts", "mine\n");
    let main = scene.rev("main");
    let before = scene.fingerprint();
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.rev("main~1"), main);
    scene.git(&["update-ref", "refs/heads/main", &main]);
    before.assert_same(&scene.fingerprint());
}

#[test]
fn a_target_that_is_checked_out_elsewhere_moves_there() {
    let scene = assembled();
    scene.git(&["checkout", "--quiet", "-b", "elsewhere"]);
    scene.git(&["worktree", "add", "--quiet", "../linked", "main"]);
    scene.dispatch(&["land", "--yes"]).expect(0);
    let linked = scene.root.join("linked");
    assert_eq!(
        std::fs::read_to_string(linked.join("a.txt")).unwrap(),
        "a\n"
    );
    assert!(!scene.repo.join("a.txt").exists());
    assert_eq!(
        scene.git(&["-C", linked.to_str().unwrap(), "status", "--porcelain"]),
        ""
    );
}

#[test]
fn a_hook_can_refuse_and_see_what_would_land() {
    let scene = assembled();
    let hook = "#!/bin/sh\n[ -e a.txt ] && grep -q TWO src/app.ts || echo not here\n[ -z \"$(git diff --cached --name-only --diff-filter=A | grep a.txt)\" ] && echo not staged\necho no landing on sundays >&2\nexit 1\n";
    scene.write_program(".git/hooks/pre-merge-commit", hook);
    let before = scene.fingerprint();
    let ended = scene.dispatch(&["land", "--yes"]).expect(4);
    assert!(
        ended.err.contains(
            "the hook pre-merge-commit rejected the landing commit: no landing on sundays"
        ),
        "{}",
        ended.err
    );
    before.assert_same(&scene.fingerprint());
    assert!(!scene.worktree("landing").exists());
    scene.dispatch(&["land", "--yes", "--no-verify"]).expect(0);
    assert_landed(&scene);
}

#[test]
fn a_squash_runs_the_hooks_of_an_ordinary_commit() {
    let scene = assembled();
    let said = scene.root.join("said");
    for name in [
        "pre-commit",
        "pre-merge-commit",
        "prepare-commit-msg",
        "commit-msg",
    ] {
        let hook = format!("#!/bin/sh\necho {name} $2 >> {}\n", said.display());
        scene.write_program(&format!(".git/hooks/{name}"), &hook);
    }
    // What git itself runs then.
    scene.git(&["checkout", "-q", "-b", "by-hand"]);
    scene.git(&["merge", "-q", "--squash", &scene.branch("a")]);
    scene.git(&["commit", "-q", "-m", "By hand"]);
    let by_git = std::fs::read_to_string(&said).unwrap();
    scene.git(&["checkout", "-q", "main"]);
    std::fs::remove_file(&said).unwrap();
    scene.dispatch(&["land", "--yes", "--squash"]).expect(0);
    let by_us = std::fs::read_to_string(&said).unwrap();
    // With `-m` git says where the message comes from; here it comes from the squash.
    assert_eq!(by_us, by_git.replace("message", "squash"));
    assert_landed(&scene);
}

#[test]
fn hooks_of_a_relative_ignored_folder_are_run_as_well() {
    let scene = Scene::new();
    scene.write(".gitignore", ".husky/\n");
    scene.commit("husky");
    scene.git(&["config", "core.hooksPath", ".husky/_"]);
    scene.write_program(
        ".husky/_/pre-merge-commit",
        "#!/bin/sh\necho not today\nexit 1\n",
    );
    scene
        .run("1. [A] a\n   - run: echo a > a.txt\n", &[])
        .expect(0);
    let ended = scene.dispatch(&["land", "--yes"]).expect(4);
    assert!(ended.err.contains("not today"), "{}", ended.err);
    scene.dispatch(&["land", "--yes", "--no-verify"]).expect(0);
}

#[test]
fn hooks_can_edit_the_message_and_the_tree() {
    let scene = assembled();
    scene.write_program(
        ".git/hooks/commit-msg",
        "#!/bin/sh\necho 'Reviewed-by: Grace' >> \"$1\"\n",
    );
    scene.write_program(
        ".git/hooks/pre-merge-commit",
        "#!/bin/sh\necho stamped > stamp.txt && git add stamp.txt\n",
    );
    scene.dispatch(&["land", "--yes"]).expect(0);
    let message = scene.git(&["log", "-1", "--format=%B", "main"]);
    assert!(
        message.trim_end().ends_with("Reviewed-by: Grace"),
        "{message}"
    );
    assert_eq!(scene.read("stamp.txt"), "stamped\n");
    assert_landed(&scene);
    assert_eq!(scene.git(&["status", "--porcelain"]), "");
}

#[test]
fn the_landing_is_signed_where_the_user_signs() {
    let scene = assembled();
    scene.write_program(
        ".git/sign",
        "#!/bin/sh\ncat > /dev/null\necho '[GNUPG:] SIG_CREATED D 1 8 00 1 X' >&2\nprintf -- '-----BEGIN PGP SIGNATURE-----\\n\\nZmFrZQ==\\n-----END PGP SIGNATURE-----\\n'\n",
    );
    scene.write_program(".git/refuse", "#!/bin/sh\necho no key >&2\nexit 2\n");
    let program = |name: &str| scene.repo.join(".git").join(name).display().to_string();
    scene.git(&["config", "commit.gpgSign", "true"]);
    scene.git(&["config", "gpg.program", &program("refuse")]);
    let before = scene.fingerprint();
    scene.dispatch(&["land", "--yes"]).expect(1);
    before.assert_same(&scene.fingerprint());
    scene.git(&["config", "gpg.program", &program("sign")]);
    scene.dispatch(&["land", "--yes"]).expect(0);
    let commit = scene.git(&["cat-file", "commit", "main"]);
    assert!(
        commit
            .replace("gpgsig-sha256", "gpgsig")
            .contains("gpgsig -----BEGIN PGP SIGNATURE-----\n \n ZmFrZQ=="),
        "{commit}"
    );
    let tip = scene.git(&["cat-file", "commit", &scene.branch("a")]);
    assert!(!tip.contains("gpgsig"), "only the landing is signed");
}

#[test]
fn two_runs_that_land_one_after_the_other_do_not_conflict() {
    let scene = Scene::new();
    scene.run(TWO, &[]).expect(0);
    let first = scene.run_name();
    let other = "# Other\n1. [C] Third\n   - run: echo c > c.txt\n";
    scene.run(other, &[]).expect(0);
    let second = scene
        .run_names()
        .into_iter()
        .find(|run| *run != first)
        .unwrap();
    scene.dispatch(&["land", &first, "--yes"]).expect(0);
    scene.dispatch(&["land", &second, "--yes"]).expect(0);
    assert_landed(&scene);
    assert_eq!(scene.read("c.txt"), "c\n");
    assert!(scene.read("DISPATCH.md").starts_with("# Dispatch: Other\n"));
    // And a run that starts from a commit with a board of dispatch's lands as well.
    scene
        .run("# Last\n1. [D] Fourth\n   - run: echo d > d.txt\n", &[])
        .expect(0);
    let last = scene
        .run_names()
        .into_iter()
        .find(|run| run.starts_with("last"))
        .unwrap();
    assert!(
        scene
            .git(&["diff", "--name-only", "main", &format!("dispatch/{last}/d")])
            .ends_with("d.txt")
    );
    scene.dispatch(&["land", &last, "--yes"]).expect(0);
    assert_eq!(scene.read("d.txt"), "d\n");
    assert!(scene.read("DISPATCH.md").starts_with("# Dispatch: Last\n"));
}

#[test]
fn a_run_lands_once_and_only_when_asked() {
    let scene = assembled();
    let before = scene.fingerprint();
    let ended = scene.dispatch(&["land"]).expect(2);
    assert!(
        ended.err.contains("cannot ask for confirmation"),
        "{}",
        ended.err
    );
    let ended = scene
        .dispatch(&["land", "--yes", "--into", "nowhere"])
        .expect(1);
    assert!(
        ended.err.contains("\"nowhere\" does not exist"),
        "{}",
        ended.err
    );
    before.assert_same(&scene.fingerprint());
    scene.dispatch(&["land", "--yes"]).expect(0);
    let landed = scene.fingerprint();
    let ended = scene
        .dispatch(&["land", &scene.run_name(), "--yes"])
        .expect(1);
    assert!(
        ended.err.contains("has already landed on main"),
        "{}",
        ended.err
    );
    landed.assert_same(&scene.fingerprint());
}

#[test]
fn a_landing_says_what_is_not_in_it() {
    let scene = Scene::new();
    let plan = "1. [A] First\n   - run: echo a > same.txt\n2. [B] Second\n   - run: echo b > same.txt\n3. [C] Third\n   - run: exit 1\n";
    scene.run(plan, &[]).expect(3);
    let ended = scene.dispatch(&["land", "--yes"]).expect(0);
    assert!(
        ended.err.contains("#2 [B] is not included: left out"),
        "{}",
        ended.err
    );
    assert!(
        ended.err.contains("#3 [C] is not included: FAILED"),
        "{}",
        ended.err
    );
    assert_eq!(scene.read("same.txt"), "a\n");
}

#[test]
fn what_is_repaired_after_a_landing_is_not_lost_and_lands_as_well() {
    for flags in [&[][..], &["--squash"], &["--no-board"]] {
        let scene = Scene::new();
        let fixed = scene.root.join("fixed");
        let plan = format!(
            "1. [A] First\n   - run: echo a > a.txt\n\
             2. [B] Second\n   - run: test -e {} && echo b > b.txt\n",
            fixed.display()
        );
        scene.run(&plan, &[]).expect(3);
        let land = [&["land", "--yes"], flags].concat();
        scene.dispatch(&land).expect(0);
        scene.dispatch(&["retry", "2"]).expect(3);
        scene.dispatch(&land).expect(1);
        std::fs::write(&fixed, "").unwrap();
        let ended = scene.dispatch(&["retry", "2"]).expect(0);
        assert!(ended.out.contains("Land: `dispatch land"), "{}", ended.out);
        scene.dispatch(&["clean"]).expect(0);
        assert!(scene.has(&scene.branch("b")), "it has not landed");
        scene.dispatch(&land).expect(0);
        assert_eq!(scene.read("b.txt"), "b\n");
        assert_eq!(scene.git(&["status", "--porcelain"]), "");
        scene.dispatch(&["clean"]).expect(0);
        assert!(!scene.has(&scene.branch("b")));
        scene.dispatch(&land).expect(1);
    }
}

#[test]
fn an_ignored_file_of_the_user_is_in_the_way_and_stays() {
    let scene = Scene::new();
    scene.write(".gitignore", ".env\n");
    scene.commit("ignore");
    scene.write(".env", "KEY=my only copy\n");
    let plan = "1. [A] a\n   - run: echo KEY=x > .env && git add -f .env && git commit -qm env\n";
    scene.run(plan, &[]).expect(0);
    let main = scene.rev("main");
    scene.dispatch(&["land", "--yes"]).expect(1);
    assert_eq!(scene.read(".env"), "KEY=my only copy\n");
    assert_eq!(scene.rev("main"), main);
}

#[test]
fn what_the_target_has_already_is_recorded_and_moves_nothing() {
    for shape in [&["land", "--yes"][..], &["land", "--yes", "--squash"]] {
        let scene = assembled();
        scene.git(&[
            "merge",
            "--quiet",
            "--no-edit",
            &scene.branch("integration"),
        ]);
        let main = scene.rev("main");
        let ended = scene.dispatch(shape).expect(0);
        assert!(ended.out.contains("already contains"), "{}", ended.out);
        assert_eq!(scene.rev("main"), main);
        scene.dispatch(&["clean"]).expect(0);
        assert!(!scene.has(&scene.branch("integration")));
    }
}

#[test]
fn a_persons_commit_on_the_integration_branch_is_not_left_behind_silently() {
    let scene = assembled();
    let branch = scene.branch("integration");
    scene.git(&["worktree", "add", "--quiet", "../look", &branch]);
    scene.git(&[
        "-C",
        "../look",
        "commit",
        "--quiet",
        "--allow-empty",
        "-m",
        "By hand",
    ]);
    scene.git(&["worktree", "remove", "../look"]);
    let ended = scene.dispatch(&["land", "--yes"]);
    assert_ne!(ended.code, 0);
    assert!(
        ended.err.contains("a commit that is not of this run"),
        "{}",
        ended.err
    );
}

#[test]
fn without_a_name_it_is_the_latest_run_that_has_not_landed_and_offers_something() {
    let mut scene = Scene::new();
    let mut hour = 10;
    let mut run = |title: &str, command: &str, code: i32| {
        scene.unset_env("DISPATCH_CLOCK");
        scene.set_env("DISPATCH_CLOCK", &format!("2027-01-01T{hour}:00:00Z"));
        hour += 1;
        let plan = format!(
            "# {title}\n1. [A] First\n   - run: {command}\n2. [B] Second\n   - run: echo {title} > {title}.txt\n"
        );
        scene.run(&plan, &[]).expect(code);
        let names = scene.run_names();
        names
            .into_iter()
            .find(|name| name.starts_with(&title.to_lowercase()))
            .unwrap()
    };
    let broken = run("Broken", "exit 2", 3);
    let whole = run("Whole", "echo a > a.txt", 0);
    for command in [&["land", "--dry-run"][..], &["review"]] {
        let said = scene.dispatch(command).expect(0);
        assert!(
            said.err.contains(&format!("using run {whole}\n")),
            "{command:?}: {}",
            said.err
        );
        assert!(said.out.contains("[A] First"), "{command:?}: {}", said.out);
        let named = scene.dispatch(&[command, &[&broken]].concat()).expect(0);
        assert!(!named.err.contains("taking"), "{}", named.err);
    }
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("Whole.txt"), "Whole\n");
    let said = scene.dispatch(&["land", "--dry-run"]).expect(0);
    assert!(
        said.err.contains(&format!("using run {broken}\n")),
        "{}",
        said.err
    );
}

#[test]
fn the_trailers_of_the_user_and_ours_are_one_block() {
    let scene = Scene::new();
    let plan = "1. [A] a\n   - run: echo a > a.txt\n";
    scene.run(plan, &[]).expect(0);
    let text = "Add a\n\nSigned-off-by: Ada <ada@example.com>";
    scene.dispatch(&["land", "--yes", "-m", text]).expect(0);
    let format = "--format=%(trailers:only,unfold)";
    let trailers = scene.git(&["log", "-1", format, "main"]);
    let expected = format!(
        "Signed-off-by: Ada <ada@example.com>\nDispatch-Run: {}",
        scene.run_name()
    );
    assert_eq!(trailers.trim_end(), expected);
}
