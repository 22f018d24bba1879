//! Conflicts that an assembly resolves automatically: each strategy, the checks on its result, and
//! rollbacks.

use std::path::Path;

use git_dispatch::engine::resolve::file_conflict::FileConflict;
use git_dispatch::engine::resolve::recorded::{RESOLUTIONS, record};
use git_dispatch::git::{Repo, Store};
use git_dispatch::merge::class::Class;
use serde_json::{Value, json};

use crate::harness::Scene;

/// Creates a scene with these additional settings.
fn shop(settings: &str) -> Scene {
    let scene = Scene::new();
    if !settings.is_empty() {
        scene.configure(settings);
    }
    scene
}

fn integration(scene: &Scene) -> Value {
    scene.json()["integration"].clone()
}

fn show(scene: &Scene, path: &str) -> String {
    scene.git(&["show", &format!("{}:{path}", scene.branch("integration"))])
}

/// Lists the resolutions in the journal, in order.
fn journal(scene: &Scene) -> String {
    let run = format!("refs/dispatch/runs/{}", scene.run_name());
    let log = scene.git(&["log", "--first-parent", "--reverse", "--format=%b", &run]);
    let events = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let told = events.filter_map(|event: Value| match event["event"].as_str()? {
        "conflict-resolved" => {
            let rungs = event["resolutions"].as_array()?;
            let rungs: Vec<_> = rungs
                .iter()
                .map(|found| found["by"]["strategy"].as_str().unwrap_or_default())
                .collect();
            Some(format!("#{} {}", event["task"], rungs.join("+")))
        }
        "resolution-rolled-back" => Some(format!(
            "#{} back from {}",
            event["task"],
            event["strategy"].as_str()?
        )),
        _ => None,
    });
    told.collect::<Vec<_>>().join(", ")
}

/// #2 inserts what #1 inserts at the same place, and a line more.
const CONTAINED: &str = "# Contained

1. [ONE] A line
   - run: sed -i '/two/a new' src/app.ts
2. [MORE] Two lines
   - run: sed -i '/two/a new\\nnewer' src/app.ts
";

#[test]
fn a_rule_resolves_a_conflict_and_every_face_says_so() {
    let scene = shop("[assemble]\ncheck = [\"grep newer src/app.ts\"]\n");
    let before = scene.fingerprint();
    let ended = scene.run(CONTAINED, &[]).expect(0);
    before.assert_same(&scene.fingerprint());
    assert_eq!(
        show(&scene, "src/app.ts"),
        "one\ntwo\nnew\nnewer\nthree\nfour\nfive"
    );
    let found = integration(&scene);
    assert_eq!(found["merged"], json!([1, 2]));
    assert_eq!(
        found["resolved"],
        json!([{"task": 2, "class": "content", "paths": ["src/app.ts"], "strategy": "rules",
                "how": "by rule (contained-insert)"}])
    );
    assert_eq!(journal(&scene), "#2 rules");
    let range = format!("main..{}", scene.branch("integration"));
    let message = scene.git(&["log", "--merges", "--format=%B", "--grep=MORE", &range]);
    insta::assert_snapshot!(message.replace(&scene.run_name(), "<run>"), @r"
    Merge #2 MORE: Two lines

    Conflicts resolved while assembling:

    * src/app.ts (content): by rule (contained-insert)

    Dispatch-Run: <run>
    Dispatch-Task: 2 MORE
    Dispatch-Attempt: 1
    Dispatch-Resolved: rules src/app.ts
    ");
    for said in [
        "resolved #2: src/app.ts (content) by rule (contained-insert)",
        "#2 `src/app.ts`: content conflict resolved by rule (contained-insert)\n",
    ] {
        assert!(ended.out.contains(said), "{}", ended.out);
    }
    assert!(
        scene
            .board()
            .contains("| content | resolved during assembly |"),
        "{}",
        scene.board()
    );
}

#[test]
fn without_a_check_the_resolution_is_shown_as_unverified() {
    let scene = shop("");
    let ended = scene.run(CONTAINED, &[]).expect(0);
    let said = "resolved by rule (contained-insert); not verified by a check";
    assert!(ended.out.contains(said), "{}", ended.out);
}

#[test]
fn a_dry_run_shows_how_a_conflict_would_be_resolved() {
    let scene = shop("");
    scene.run(CONTAINED, &["--no-assemble"]).expect(0);
    let refs = scene.git(&["for-each-ref"]);
    let told = scene.dispatch(&["assemble", "--dry-run"]).expect(0).out;
    let line = "src/app.ts (content) is resolved by rule (contained-insert), if the checks pass\n";
    assert!(told.contains(line), "{told}");
    let heads = told.lines().filter(|line| line.ends_with(':'));
    assert_eq!(
        heads.collect::<Vec<_>>(),
        [
            "1 task, in this order, and 1 more if resolved as described below:",
            "left out unless resolved as described:",
        ]
    );
    assert_eq!(scene.git(&["for-each-ref"]), refs);
}

#[test]
fn a_dry_run_separates_resolvable_conflicts_from_the_others() {
    let scene = parts("cat parts/* \\\n  > parts.lock\n");
    let plan = format!(
        "{PARTS}3. [C] c — blocked by #2\n   - run: echo c > c\n\
         4. [D] d\n   - run: echo d > d; echo d > e; echo d > f\n\
         5. [E] e\n   - run: echo e > d\n\
         6. [F] f\n   - run: echo f > d; echo f > e; echo f > f\n\
         7. [G] g\n   - run: echo g > c; echo g > d\n"
    );
    scene.run(&plan, &["--no-assemble"]).expect(0);
    let told = scene.dispatch(&["assemble", "--dry-run"]).expect(0).out;
    insta::assert_snapshot!(told, @r"
    3 tasks, in this order, and 1 more if resolved as described below:
      1. #2 [B] b
         1 conflict with later tasks (#1)
      2. #3 [C] c
         built on #2; 1 conflict with later tasks (#7)
      3. #4 [D] d
         3 conflicts with later tasks (#5, #6, #7)

    left out unless resolved as described:
      #1 [A] a
         conflicts with #2 (generated in parts.lock)
         parts.lock (generated) is resolved with `cat parts/* \ > parts.lock`, if the checks pass
         included after a re-dispatch on top of #2, or in place of #2, #3 (--order 1)

    left out:
      #5 [E] e
         conflicts with #4 (add-add in d)
         included after a re-dispatch on top of #4, or in place of #4 (--order 5)
      #6 [F] f
         conflicts with #4 (add-add in d, +2 more)
         included after a re-dispatch on top of #4, or in place of #4 (--order 6)
      #7 [G] g
         conflicts with #3 and #4 (add-add in c, +1 more)
         included after a re-dispatch on top of #3, #4, or in place of #3, #4 (--order 7)
    ");
}

#[test]
fn a_disabled_rule_resolves_nothing() {
    let scene = shop("[resolve]\npolicy = [\"whitespace\"]\n");
    scene.run(CONTAINED, &[]).expect(4);
    let found = integration(&scene);
    assert_eq!(found["left_out"][0]["class"], "content");
    assert_eq!(found["merged"], json!([1]));
}

/// Creates a structural tool that runs this script, with `$1` to `$5` as in the settings.
fn tool(scene: &Scene, script: &str) -> String {
    let path = scene.root.join("tool");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).unwrap();
    let (path, words) = (path.display(), "{base} {ours} {theirs} {path} {result}");
    let words: Vec<String> = words.split(' ').map(|word| format!("{word:?}")).collect();
    format!("structural = [\"{path}\", {}]\n", words.join(", "))
}

#[test]
fn a_resolution_that_fails_the_checks_is_rolled_back_for_the_next_strategy() {
    let scene = Scene::new();
    let tool = tool(
        &scene,
        "echo by the tool > \"$5\"; echo \"$4\" > \"$0.path\"",
    );
    scene.configure(&format!(
        "[assemble]\ncheck = [\"! grep newer src/app.ts\"]\n[resolve]\n{tool}"
    ));
    // #1 alone passes; the rule's result has `newer` and does not.
    let ended = scene.run(CONTAINED, &[]).expect(0);
    assert_eq!(
        journal(&scene),
        "#2 rules, #2 back from rules, #2 structural"
    );
    assert_eq!(show(&scene, "src/app.ts"), "by the tool");
    let found = integration(&scene);
    assert_eq!(found["resolved"][0]["strategy"], "structural");
    assert_eq!(found["culprits"], json!([]));
    // The whole and the base, both again, #1 alone, #2 alone; then the whole with the tool's result.
    assert!(found["check_runs"].as_u64().unwrap() <= 7, "{found}");
    let path = std::fs::read_to_string(scene.root.join("tool.path")).unwrap();
    assert_eq!(path, "src/app.ts\n");
    assert!(
        ended.out.contains("content conflict resolved by "),
        "{}",
        ended.out
    );
}

#[test]
fn a_tool_that_leaves_markers_fails_or_writes_nothing_resolves_nothing() {
    for (script, why) in [
        (
            "printf 'a\\n<<<<<<< x\\n' > \"$5\"",
            "the result has a conflict marker, `<<<<<<< x`",
        ),
        ("cp \"$2\" \"$5\"; echo no idea; exit 1", "failed: no idea"),
        ("true", "it wrote no result"),
    ] {
        let scene = Scene::new();
        let tool = tool(&scene, script);
        scene.configure(&format!("[resolve]\npolicy = []\n{tool}"));
        let ended = scene.run(CONTAINED, &[]).expect(4);
        let tried = &integration(&scene)["left_out"][0]["failed_strategies"];
        let why = format!("src/app.ts: {why}");
        assert_eq!(*tried, json!([{"strategy": "structural", "reason": why}]));
        let said = format!("tried structural merge: {why}");
        assert!(ended.out.contains(&said), "{}", ended.out);
    }
}

/// Both add a part and regenerate the list of parts, which conflicts.
const PARTS: &str = "# Parts

1. [A] a
   - run: echo a > parts/a; cat parts/* > parts.lock
2. [B] b
   - run: echo b > parts/b; cat parts/* > parts.lock
";

fn parts(regenerate: &str) -> Scene {
    let scene = Scene::new();
    scene.write("parts/0", "0\n");
    scene.write("parts.lock", "0\n");
    scene.configure(&format!(
        "[assemble]\ncheck = [\"cat parts/* | cmp - parts.lock\"]\n\
         [conflicts]\ngenerated = [\"*.lock\"]\n[resolve]\nstructural = []\n\
         [resolve.regenerate]\n\"*.lock\" = {regenerate:?}\n"
    ));
    scene
}

#[test]
fn a_generated_file_is_regenerated_in_a_worktree_of_its_own() {
    let scene = parts("cat parts/* > parts.lock; echo junk > junk; pwd > ../where");
    let before = scene.fingerprint();
    scene.run(PARTS, &[]).expect(0);
    before.assert_same(&scene.fingerprint());
    assert_eq!(show(&scene, "parts.lock"), "0\na\nb");
    assert!(!scene.has(&format!("{}:junk", scene.branch("integration"))));
    let place = scene.worktree("integration");
    let place = std::fs::read_to_string(place.parent().unwrap().join("where")).unwrap();
    assert_eq!(Path::new(place.trim()), scene.worktree("integration"));
    let found = integration(&scene);
    assert_eq!(found["resolved"][0]["strategy"], "regenerated");
    assert_eq!(found["checks"][0]["result"], "passed");
    assert_eq!(journal(&scene), "#2 regenerated");
}

#[test]
fn a_command_finds_what_set_up_wrote_and_the_generated_file_as_the_tasks_left_it() {
    let scene = parts(
        "test -e made.txt && grep -q set-up README.md && test -f parts.lock && \
         cat parts/* > parts.lock",
    );
    // Only the tree that the command sees has both parts and a list with one of them.
    let spoil = "[ -e parts/a ] && [ -e parts/b ] && [ $(wc -l < parts.lock) = 2 ] && \
                 rm parts.lock && mkdir parts.lock && echo junk > parts.lock/x";
    let set_up = format!("echo set-up >> README.md; echo made > made.txt; {spoil}; true");
    let settings = scene.read(".dispatch.toml") + &format!("[worktree]\nsetup = [{set_up:?}]\n");
    scene.write(".dispatch.toml", &settings);
    scene.commit("set-up");
    scene.run(PARTS, &[]).expect(0);
    assert_eq!(show(&scene, "parts.lock"), "0\na\nb");
    assert!(!show(&scene, "README.md").contains("set-up"));
    assert!(!scene.has(&format!("{}:made.txt", scene.branch("integration"))));
}

#[test]
fn a_command_that_fails_leaves_the_task_out_and_says_why() {
    for (command, why) in [
        (
            "echo no registry; exit 7",
            "`echo no registry; exit 7` failed: no registry",
        ),
        ("rm parts.lock", "it left no file parts.lock"),
        (
            "echo '>>>>>>> x' > parts.lock",
            "parts.lock: the result has a conflict marker, `>>>>>>> x`",
        ),
    ] {
        let scene = parts(command);
        scene.run(PARTS, &[]).expect(4);
        let found = integration(&scene);
        assert_eq!(found["merged"], json!([1]), "{found}");
        assert_eq!(
            found["left_out"][0]["failed_strategies"],
            json!([{"strategy": "regenerated", "reason": why}])
        );
    }
}

#[test]
fn a_regenerated_file_that_fails_the_checks_is_rolled_back() {
    let scene = parts("echo wrong > parts.lock");
    let ended = scene.run(PARTS, &[]).expect(4);
    assert_eq!(journal(&scene), "#2 regenerated, #2 back from regenerated");
    let found = integration(&scene);
    assert_eq!(found["merged"], json!([1]));
    assert_eq!(found["left_out"][0]["reason"], "conflict");
    let why = "regeneration: `cat parts/* | cmp - parts.lock` fails with it";
    assert!(ended.out.contains(why), "{}", ended.out);
}

#[test]
fn of_two_modes_the_executable_one_is_taken() {
    let scene = shop("");
    let plan =
        "# P\n1. Plain\n   - run: echo x > tool\n2. Exec\n   - run: echo x > tool; chmod +x tool\n";
    scene.run(plan, &[]).expect(0);
    let listed = scene.git(&["ls-tree", &scene.branch("integration"), "tool"]);
    assert!(listed.starts_with("100755 "), "{listed}");
    let how = integration(&scene)["resolved"][0]["how"].clone();
    assert_eq!(how, "by rule (exec-bit)");
}

/// Records a resolution of the conflict of [`CLASH`].
fn record_clash(scene: &Scene, result: &str) {
    let repo = Repo::discover(&scene.repo).unwrap();
    let store = Store::open(&repo).unwrap();
    let text = |two: &str| {
        let text = format!("one\n{two}\nthree\nfour\nfive\n");
        store.write_blob(text.as_bytes()).unwrap()
    };
    let conflict = FileConflict {
        path: "src/app.ts".into(),
        class: Class::Content,
        mode: 0o100_644,
        base: Some(text("two")),
        ours: text("2"),
        theirs: text("zwei"),
    };
    let now = "2026-11-22T09:00:00Z".parse().unwrap();
    record(
        &repo,
        &[(conflict, text(result))],
        "Dispatch-Run: earlier\n",
        now,
    )
    .unwrap();
}

const CLASH: &str = "# Clash

1. [ONE] One way
   - run: sed -i s/two/2/ src/app.ts
2. [OTHER] Another way
   - run: sed -i s/two/zwei/ src/app.ts
";

#[test]
fn a_recorded_resolution_is_applied_and_can_be_read_with_git() {
    let scene = shop("[assemble]\ncheck = [\"grep 2/zwei src/app.ts\"]\n");
    record_clash(&scene, "2/zwei");
    scene.run(CLASH, &[]).expect(0);
    assert_eq!(show(&scene, "src/app.ts"), "one\n2/zwei\nthree\nfour\nfive");
    let found = integration(&scene);
    assert_eq!(found["resolved"][0]["strategy"], "recorded");
    let files = scene.git(&["ls-tree", "-r", "--name-only", RESOLUTIONS]);
    assert_eq!(files.lines().count(), 5, "{files}");
    assert!(files.contains("100644-content-ts/result"), "{files}");
}

#[test]
fn a_recorded_resolution_that_fails_the_checks_is_rolled_back() {
    let scene = shop("[assemble]\ncheck = [\"! grep 2/zwei src/app.ts\"]\n");
    record_clash(&scene, "2/zwei");
    scene.run(CLASH, &[]).expect(4);
    assert_eq!(journal(&scene), "#2 recorded, #2 back from recorded");
    let found = integration(&scene);
    assert_eq!(found["merged"], json!([1]));
    assert_eq!(
        found["left_out"][0]["failed_strategies"][0]["strategy"],
        "recorded"
    );
}

#[test]
fn every_history_ends_in_the_same_tree_with_resolutions() {
    let trees = ["merge", "squash", "linear"].map(|history| {
        let scene = shop("[assemble]\n");
        // The settings do not belong to the compared tree.
        scene.write(".git/info/exclude", "own.toml\n");
        let own = format!("[assemble]\nhistory = \"{history}\"\n");
        scene.write("own.toml", &own);
        let plan = CONTAINED.replace(
            "newer' src/app.ts",
            "newer' src/app.ts; git commit -qam own; echo more > more",
        );
        scene.run(&plan, &["--config", "own.toml"]).expect(0);
        let range = format!("main..{}", scene.branch("integration"));
        let trailers = scene.git(&[
            "log",
            "--format=%(trailers:key=Dispatch-Resolved,valueonly)",
            &range,
        ]);
        assert_eq!(trailers.trim(), "rules src/app.ts", "{history}");
        let run = scene.run_name();
        scene.dispatch(&["assemble", &run]).expect(0);
        let found = integration(&scene);
        assert_eq!(found["resolved"][0]["strategy"], "rules", "{history}");
        scene.dispatch(&["land", "--ff", "--yes"]).expect(0);
        scene.rev("main^{tree}")
    });
    assert!(trees.iter().all(|tree| *tree == trees[0]), "{trees:?}");
}
