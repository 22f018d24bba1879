//! Whole runs: the sample plan, the user's checkout during a run, and options.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Gate, Scene, assert_golden, statuses, wait};

/// Three independent tasks.
const THREE: &str = "# Three
1. [A] First
   - run: echo a > a.txt
2. [B] Second
   - run: echo b > b.txt
3. [C] Third
   - run: echo c > c.txt
";

/// The plan of the sample, with shell workers that report.
fn sample(api: &str) -> String {
    let report = serde_json::json!({
        "summary": "JWT auth with refresh tokens at `src/auth`",
        "decisions": ["Worker 1 chose jose over jsonwebtoken (works in edge runtimes)"],
    });
    format!(
        "# Checkout v2

## Dispatch Plan

### Independent (parallel)
1. [AUTH] Implement authentication module — Worker 1
   - run: mkdir src/auth && echo jwt > src/auth/jwt.ts && printf '%s' '{report}' > \"$DISPATCH_RESULT_FILE\"
   - files: src/auth/**
   - check: test -s src/auth/jwt.ts
2. [API] Build API route handlers — Worker 2
   - run: {api}
3. [TEST] Set up test infrastructure — Worker 3
   - run: echo ok > vitest.config.ts

### Dependent (sequential, after above)
4. [DOCS] Write API documentation — blocked by #2
   - run: cat src/routes.ts > API.md

### Shared Context
- Project uses TypeScript + Express
- Auth strategy: JWT with refresh tokens
"
    )
}

#[test]
fn the_sample_plan_ends_with_the_board_and_the_completion_report() {
    let scene = Scene::new();
    let ended = scene
        .run(&sample("echo routes > src/routes.ts"), &[])
        .expect(0);
    let board = scene.normal(&scene.board());
    assert_golden("runs/sample-board.md", &board);
    let report = scene.dispatch(&["report"]).expect(0).out;
    assert!(ended.out.ends_with(&report), "{}", ended.out);
    let report = scene.dispatch(&["report", "--markdown"]).expect(0).out;
    assert!(board.ends_with(&scene.normal(&report)), "{report}");
    let read =
        |path: &str| scene.git(&["show", &format!("{}:{path}", scene.branch("integration"))]);
    assert_eq!(read("src/auth/jwt.ts"), "jwt");
    assert_eq!(read("API.md"), "routes");
    assert_eq!(read("vitest.config.ts"), "ok");
}

#[test]
fn the_sample_plan_with_a_failing_task_ends_with_the_failure_report() {
    let scene = Scene::new();
    let report = serde_json::json!({"error": {
        "class": "logic",
        "message": "PrismaClientKnownRequestError: model User not found",
        "root_cause": "Prisma schema missing the `User` model. Worker attempted to generate routes but had no model to reference.",
        "suggestion": "Add `User` model to `prisma/schema.prisma`",
    }});
    let api = format!("printf '%s' '{report}' > \"$DISPATCH_RESULT_FILE\"; exit 1");
    let ended = scene.run(&sample(&api), &[]).expect(3);
    assert_golden("runs/sample-failed-board.md", &scene.normal(&scene.board()));
    let report = scene.dispatch(&["report"]).expect(0).out;
    assert!(ended.out.ends_with(&report), "{}", ended.out);
    let json = scene.dispatch(&["report", "--json"]).expect(0).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["kind"], "failure");
}

#[test]
fn nothing_of_the_users_changes_while_a_plan_runs_in_a_dirty_checkout() {
    let scene = Scene::new();
    scene.write("tool.sh", "echo tool\n");
    scene.write("gone.txt", "gone\n");
    std::os::unix::fs::symlink("README.md", scene.repo.join("link")).unwrap();
    scene.commit("More");
    scene.git(&["branch", "other", "HEAD~1"]);
    scene.git(&["tag", "v1"]);
    scene.write("src/app.ts", "changed\n");
    scene.write("staged.txt", "staged\n");
    scene.git(&["add", "staged.txt"]);
    scene.write("staged.txt", "staged and changed\n");
    scene.write("untracked.txt", "untracked\n");
    scene.write("build.log", "ignored\n");
    fs::remove_file(scene.repo.join("gone.txt")).unwrap();
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(scene.repo.join("tool.sh"), mode).unwrap();
    scene.write_program(
        ".git/hooks/post-checkout",
        "#!/bin/sh\necho hook >> hook-ran\n",
    );
    scene.write_program(
        ".git/hooks/reference-transaction",
        "#!/bin/sh\necho ref >> hook-ran\n",
    );
    scene.write_program(
        ".git/hooks/post-commit",
        "#!/bin/sh\necho commit >> hook-ran\n",
    );
    let before = scene.fingerprint();
    let status = scene.git(&["--no-optional-locks", "status", "--porcelain"]);

    let ended = scene.run(
        "1. [A] Edit\n   - run: cat src/app.ts > copy.txt; echo more >> src/app.ts\n\
         2. [B] List\n   - run: ls > list.txt\n",
        &[],
    );
    let ended = ended.expect(0);
    assert!(
        ended.err.contains(
            "the checkout has uncommitted changes; they are NOT part of the base and stay untouched"
        ),
        "{}",
        ended.err
    );
    before.assert_same(&scene.fingerprint());
    let after = scene.git(&["--no-optional-locks", "status", "--porcelain"]);
    assert_eq!(status, after);
    let list = scene.git(&["show", &format!("{}:list.txt", scene.branch("b"))]);
    assert_eq!(list, "README.md\ngone.txt\nlink\nlist.txt\nsrc\ntool.sh");
    let copy = scene.git(&["show", &format!("{}:copy.txt", scene.branch("a"))]);
    assert_eq!(copy, "one\ntwo\nthree\nfour\nfive");
    scene.git(&["fsck", "--strict", "--no-dangling"]);
    for args in [
        vec!["status"],
        vec!["report"],
        vec!["conflicts"],
        vec!["review"],
        vec!["assemble"],
        vec!["clean"],
    ] {
        scene.dispatch(&args).expect(0);
        before.assert_same(&scene.fingerprint());
    }
}

#[test]
fn a_clean_checkout_gets_no_warning() {
    let scene = Scene::new();
    let ended = scene.run(THREE, &[]).expect(0);
    assert!(!ended.err.contains("uncommitted"), "{}", ended.err);
}

#[test]
fn a_dependent_task_starts_from_the_merge_of_exactly_its_dependencies() {
    let scene = Scene::new();
    let plan = "1. [A] a\n   - run: echo a > a.txt\n\
                2. [B] b\n   - run: echo b > b.txt\n\
                3. [X] x\n   - run: echo x > x.txt\n\
                4. [C] both — blocked by #1, #2\n   - run: ls *.txt > c.txt\n\
                5. [D] one — blocked by #1\n   - run: ls *.txt > d.txt\n\
                6. [E] chain — blocked by #1, #5\n   - run: ls *.txt > e.txt\n";
    scene.run(plan, &["-j", "2"]).expect(0);
    let branch = |slug: &str| scene.branch(slug);
    let parents = |revision: &str| scene.git(&["log", "-1", "--format=%P", revision]);
    let base_of_c = format!("{}~1", branch("c"));
    let wanted = format!("{} {}", scene.rev(&branch("a")), scene.rev(&branch("b")));
    assert_eq!(parents(&base_of_c), wanted);
    let files = |revision: &str| {
        scene.git(&[
            "ls-tree",
            "--name-only",
            revision,
            "--",
            "a.txt",
            "b.txt",
            "x.txt",
        ])
    };
    assert_eq!(files(&base_of_c), "a.txt\nb.txt");
    assert_eq!(parents(&branch("d")), scene.rev(&branch("a")));
    assert_eq!(
        parents(&branch("e")),
        scene.rev(&branch("d")),
        "#1 is in #5 already"
    );
    let show = |slug: &str| scene.git(&["show", &format!("{}:{slug}.txt", branch(slug))]);
    assert_eq!(show("c"), "a.txt\nb.txt");
    assert_eq!(show("d"), "a.txt");
    assert_eq!(show("e"), "a.txt\nd.txt");
}

#[test]
fn dependencies_that_conflict_block_their_dependent_and_nothing_else() {
    let scene = Scene::new();
    let plan = "1. [A] a\n   - run: echo a > same.txt\n\
                2. [B] b\n   - run: echo b > same.txt\n\
                3. [C] both — blocked by #1, #2\n   - run: echo c > c.txt\n\
                4. [D] after both — blocked by #3\n   - run: echo d > d.txt\n\
                5. [E] free — blocked by #1\n   - run: echo e > e.txt\n";
    let ended = scene.run(plan, &[]).expect(3);
    assert_eq!(
        scene.statuses(),
        "1 DONE · 2 DONE · 3 BLOCKED by #1, #2 · 4 BLOCKED by #3 · 5 DONE"
    );
    let board = scene.board();
    assert!(
        board.contains(
            "| 3 | both | — | BLOCKED (by #1, #2) | #1 and #2 conflict in same.txt (add-add) |"
        ),
        "{board}"
    );
    assert!(
        board.contains("| #1 × #2 | same.txt | add-add |"),
        "{board}"
    );
    assert!(
        ended.out.contains("\nDispatch Failure Report\n"),
        "{}",
        ended.out
    );
    let left_out = &scene.json()["integration"]["left_out"];
    assert_eq!(left_out[0]["task"], 2, "{left_out}");
    assert_eq!(left_out[0]["with"][0], 1, "{left_out}");
    assert!(!scene.has(&scene.branch("c")));
}

#[test]
fn a_dry_run_and_a_question_without_a_terminal_make_nothing() {
    let scene = Scene::new();
    let plan = scene.plan(THREE);
    let before = scene.fingerprint();
    let ended = scene.dispatch(&["run", &plan, "--dry-run"]).expect(0);
    assert!(
        ended.out.ends_with(&format!(
            "3 tasks · 3 at once · shell · base {} (main) · target main\n",
            &scene.rev("HEAD")[..7]
        )),
        "{}",
        ended.out
    );
    let ended = scene.dispatch(&["run", &plan]).expect(2);
    assert!(
        ended.err.contains("cannot ask for confirmation"),
        "{}",
        ended.err
    );
    before.assert_same(&scene.fingerprint());
    assert_eq!(
        scene.git(&["for-each-ref", "--format=%(refname)"]),
        "refs/heads/main"
    );
    assert!(!scene.root.join("shop.dispatch").exists());
    assert!(!scene.repo.join(".git/worktrees").exists());
}

#[test]
fn the_json_stream_is_one_object_a_line_and_ends_with_exit_code_and_board() {
    let scene = Scene::new();
    let ended = scene.run(THREE, &["--json", "-j", "1"]).expect(0);
    let lines: Vec<serde_json::Value> = ended
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    for (line, seq) in lines.iter().zip(lines[0]["seq"].as_u64().unwrap()..) {
        assert_eq!(line["version"], 1);
        assert_eq!(line["seq"], seq);
        assert_eq!(line["run"], scene.run_name().as_str());
        assert!(
            line["time"]
                .as_str()
                .unwrap()
                .starts_with("2026-11-22T09:14:00")
        );
    }
    let events: Vec<String> = lines
        .iter()
        .map(|line| match line["task"].as_u64() {
            Some(task) => format!("{} {task}", line["event"].as_str().unwrap()),
            None => line["event"].as_str().unwrap().to_owned(),
        })
        .collect();
    insta::assert_snapshot!(events.join("\n"), @r"
    run-started
    attempt-starting 1
    attempt-started 1
    attempt-ended 1
    attempt-starting 2
    attempt-started 2
    attempt-ended 2
    attempt-starting 3
    attempt-started 3
    attempt-ended 3
    assembly-starting
    assembled
    run-ended
    ");
    let last = lines.last().unwrap();
    assert_eq!(last["exit"], 0);
    assert_eq!(statuses(&last["board"]), "1 DONE · 2 DONE · 3 DONE");
    assert_eq!(last["board"], scene.json());
}

#[test]
fn three_tasks_run_at_once_unless_told_otherwise() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "gate");
    let tasks: String = (1..=4)
        .map(|n| {
            format!(
                "{n}. [T{n}] t\n   - run: {}; echo {n} > {n}.txt\n",
                gate.script()
            )
        })
        .collect();
    let plan = scene.plan(&tasks);
    let child = scene.start(&["run", &plan, "--yes"]);
    (0..3).for_each(|_| gate.wait_until_reached());
    assert_eq!(
        scene.statuses(),
        "1 IN PROGRESS · 2 IN PROGRESS · 3 IN PROGRESS · 4 QUEUED"
    );
    assert_eq!(scene.json()["state"], "running");
    (0..4).for_each(|_| gate.open());
    wait(child).expect(0);
}

#[test]
fn base_and_target_can_be_others_than_what_is_checked_out() {
    let scene = Scene::new();
    let old = scene.rev("HEAD");
    scene.git(&["branch", "release"]);
    scene.write("later.txt", "later\n");
    scene.commit("Later");
    scene
        .run(THREE, &["--base", "release", "--into", "release"])
        .expect(0);
    assert_eq!(scene.rev(&format!("{}~1", scene.branch("a"))), old);
    let json = scene.json();
    assert_eq!(
        (&json["base"], &json["target"]),
        (&old.into(), &"release".into())
    );
    let main = scene.rev("main");
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.rev("main"), main);
    assert_eq!(scene.git(&["show", "release:c.txt"]), "c");
    assert!(!scene.repo.join("c.txt").exists());
}

#[test]
fn only_the_chosen_tasks_run() {
    let scene = Scene::new();
    let plan = "1. [A] a\n   - run: echo a > a.txt\n\
                2. [B] b — blocked by #1\n   - run: echo b > b.txt\n\
                3. [C] c\n   - run: echo c > c.txt\n";
    let ended = scene.run(plan, &["--only", "2"]).expect(1);
    assert!(ended.err.contains("#1"), "{}", ended.err);
    assert!(scene.run_names().is_empty());
    scene.run(plan, &["--only", "C"]).expect(0);
    assert_eq!(scene.statuses(), "1 SKIPPED · 2 SKIPPED · 3 DONE");
    assert!(!scene.has(&scene.branch("a")));
    let tree = scene.git(&["ls-tree", "--name-only", &scene.branch("integration")]);
    assert!(tree.contains("c.txt") && !tree.contains("a.txt"), "{tree}");
}

#[test]
fn assembly_can_wait_for_a_persons_word() {
    let scene = Scene::new();
    scene.run(THREE, &["--no-assemble"]).expect(0);
    assert_eq!(scene.json()["integration"], serde_json::Value::Null);
    let integration = scene.branch("integration");
    let tree = |revision: &str| scene.git(&["ls-tree", "--name-only", revision]);
    assert!(!tree(&integration).contains("a.txt"));
    scene.dispatch(&["land", "--yes"]).expect(1);
    scene.dispatch(&["assemble"]).expect(0);
    assert!(tree(&integration).contains("a.txt"));
    assert_eq!(
        scene.json()["integration"]["merged"],
        serde_json::json!([1, 2, 3])
    );
    let first = scene.rev(&integration);
    scene.dispatch(&["assemble", "--recheck"]).expect(0);
    let kept = scene.git(&[
        "for-each-ref",
        "--contains",
        &first,
        "refs/dispatch/attempts/",
    ]);
    assert!(kept.contains("/integration/"), "the old tip stays: {kept}");
}

#[test]
fn assembly_makes_one_merge_commit_a_task_or_one_ordinary_one() {
    let scene = Scene::new();
    scene.run(THREE, &[]).expect(0);
    let merges = |scene: &Scene| {
        let range = format!("main..{}", scene.branch("integration"));
        scene.git(&["log", "--merges", "--reverse", "--format=%s", &range])
    };
    assert_eq!(
        merges(&scene),
        "Merge #1 A: First\nMerge #2 B: Second\nMerge #3 C: Third"
    );
    let scene = Scene::new();
    scene.configure("[assemble]\nhistory = \"squash\"\n");
    scene.run(THREE, &[]).expect(0);
    assert_eq!(merges(&scene), "");
    let range = format!("main..{}", scene.branch("integration"));
    let tasks = scene.git(&[
        "log",
        "--reverse",
        "--format=%(trailers:key=Dispatch-Task,valueonly,separator=)",
        &range,
    ]);
    let tasks: Vec<&str> = tasks.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(tasks, ["1 A", "2 B", "3 C"]);
}

#[test]
fn checks_of_the_assembled_branch_decide_whether_a_person_is_needed() {
    let scene = Scene::new();
    scene.configure(
        "[assemble]\ncheck = [\"test -e a.txt -a -e b.txt\", \"echo built > out.txt\"]\n",
    );
    scene.run(THREE, &[]).expect(0);
    let checks = &scene.json()["integration"]["checks"];
    assert_eq!(checks[0]["result"], "passed");
    assert_eq!(checks[1]["result"], "passed");
    let tree = scene.git(&["ls-tree", "--name-only", &scene.branch("integration")]);
    assert!(!tree.contains("out.txt"), "{tree}");

    let scene = Scene::new();
    scene.configure("[assemble]\ncheck = [\"true\", \"echo broken >&2; false\", \"true\"]\n");
    let ended = scene.run(THREE, &[]).expect(4);
    assert!(
        ended.out.contains("echo broken >&2; false"),
        "{}",
        ended.out
    );
    let json = scene.json();
    assert_eq!(json["state"], "needs-attention");
    assert_eq!(json["integration"]["checks"][1]["result"], "failed");
    // It fails on the base, too, so no task is the culprit; the others run anyway.
    assert_eq!(
        json["integration"]["checks"][1]["against_base"],
        "already-failing"
    );
    assert_eq!(json["integration"]["culprits"], serde_json::json!([]));
    assert_eq!(json["integration"]["checks"][2]["result"], "passed");
    let before = scene.fingerprint();
    let ended = scene.dispatch(&["land", "--yes"]).expect(4);
    let said = "failed on the integration branch; it also fails on the base of the run\n";
    assert!(ended.err.contains(said), "{}", ended.err);
    before.assert_same(&scene.fingerprint());
    scene.dispatch(&["land", "--yes", "--force"]).expect(0);
    assert_eq!(scene.read("a.txt"), "a\n");
}

#[test]
fn a_candidate_that_conflicts_is_left_out_whole() {
    let scene = Scene::new();
    let plan = "1. [A] a\n   - run: sed -i s/two/TWO/ src/app.ts\n\
                2. [B] b\n   - run: sed -i s/two/zwei/ src/app.ts; echo b > b.txt\n\
                3. [C] c\n   - run: sed -i s/five/FIVE/ src/app.ts\n";
    scene.run(plan, &[]).expect(4);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 DONE");
    let json = scene.json();
    assert_eq!(json["integration"]["merged"], serde_json::json!([3, 1]));
    insta::assert_snapshot!(json["integration"]["left_out"], @r#"[{"task":2,"reason":"conflict","class":"content","with":[1],"paths":["src/app.ts"]}]"#);
    let app = scene.git(&[
        "show",
        &format!("{}:src/app.ts", scene.branch("integration")),
    ]);
    assert_eq!(app, "one\nTWO\nthree\nfour\nFIVE");
    assert!(!scene.has(&format!("{}:b.txt", scene.branch("integration"))));
    scene.dispatch(&["conflicts"]).expect(4);
    let by_hand = scene.try_git(&["merge-tree", &scene.branch("a"), &scene.branch("b")]);
    assert_eq!(by_hand.code, 1);
}

#[test]
fn a_plan_can_come_from_any_folder_of_the_repository_and_from_a_linked_worktree() {
    let scene = Scene::new();
    let plan = scene.plan(THREE);
    let inside = scene.repo.join("src");
    scene
        .dispatch_in(&inside, &["run", &plan, "--yes"])
        .expect(0);
    scene.git(&["worktree", "add", "--quiet", "-b", "side", "../side"]);
    let side = scene.root.join("side");
    let before = scene.fingerprint();
    let ended = scene
        .dispatch_in(&side, &["run", &plan, "--yes", "--json"])
        .expect(0);
    before.assert_same(&scene.fingerprint());
    let last: serde_json::Value = serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["board"]["target"], "side");
    let run = last["run"].as_str().unwrap();
    scene.dispatch_in(&side, &["land", run, "--yes"]).expect(0);
    assert_eq!(scene.rev("main"), scene.rev("side~1"));
    assert_eq!(fs::read_to_string(side.join("c.txt")).unwrap(), "c\n");
    assert!(!scene.repo.join("c.txt").exists());
}
