//! Failing tasks: retries, tasks that need attention, and the user's decisions.

use crate::harness::Scene;

/// A chain of three and one task beside it; the first passes once the file `fixed` is there.
fn chain(scene: &Scene) -> String {
    let fixed = scene.root.join("fixed");
    format!(
        "1. [A] a\n   - run: test -e {} && echo a > a.txt\n\
         2. [B] b — blocked by #1\n   - run: ls > b.txt\n\
         3. [C] c — blocked by #2\n   - run: ls > c.txt\n\
         4. [D] d\n   - run: echo d > d.txt\n",
        fixed.display()
    )
}

fn fix(scene: &Scene) {
    std::fs::write(scene.root.join("fixed"), "").unwrap();
}

#[test]
fn a_transient_failure_is_retried_and_the_board_tells_it() {
    let scene = Scene::new();
    // The second attempt waits until the board with its retry is committed.
    let plan = "1. [FLAKY] Flaky task
   - run: sh flaky.sh
";
    scene.write(
        "flaky.sh",
        "if [ \"$DISPATCH_ATTEMPT\" = 1 ]; then echo half > half.txt; echo 'rate limit' >&2; exit 75; fi
n=0
until git show dispatch/$DISPATCH_RUN/integration:DISPATCH.md | grep -q 'RETRY (#1)'; do
  n=$((n + 1)); [ $n -gt 200 ] && exit 1; sleep 0.05
done
[ -e half.txt ] && exit 1
echo whole > whole.txt
",
    );
    scene.commit("Flaky");
    scene.run(plan, &[]).expect(0);
    let story = scene.git(&[
        "log",
        "-p",
        "--reverse",
        &scene.branch("integration"),
        "--",
        "DISPATCH.md",
    ]);
    let row = |status: &str| format!("+| 1 | Flaky task | shell-1 | {status} |");
    let retry = story.find(&row("RETRY (#1)")).expect(&story);
    let done = story.find(&row("DONE")).expect(&story);
    assert!(retry < done);
    let json = scene.json();
    assert_eq!(json["tasks"][0]["attempts"], 2);
    let kept = format!("refs/dispatch/attempts/{}/flaky/1", scene.run_name());
    assert_eq!(scene.git(&["show", &format!("{kept}:half.txt")]), "half");
    assert!(
        scene
            .root
            .join(format!("shop.dispatch/{}/flaky-2", scene.run_name()))
            .is_dir()
    );
    let show = scene.dispatch(&["show", "1"]).expect(0).out;
    assert!(
        show.contains("attempt 1") && show.contains("attempt 2"),
        "{show}"
    );
    let trailers = scene.git(&[
        "log",
        "-1",
        "--format=%(trailers:key=Dispatch-Attempt,valueonly)",
        &scene.branch("flaky"),
    ]);
    assert_eq!(trailers.trim(), "2");
}

#[test]
fn retries_end_after_two_and_a_task_can_say_how_many() {
    let scene = Scene::new();
    let words = "case $DISPATCH_ATTEMPT in 1) echo alpha;; 2) echo beta;; 3) echo gamma;; *) echo delta;; esac; exit 75";
    let plan = format!(
        "1. [A] a\n   - run: {words}\n2. [B] b\n   - run: {words}\n   - retries: 0\n3. [C] c\n   - run: {words}\n   - retries: 3\n"
    );
    scene.run(&plan, &[]).expect(3);
    assert_eq!(scene.statuses(), "1 FAILED · 2 FAILED · 3 FAILED");
    let json = scene.json();
    let attempts: Vec<_> = (0..3)
        .map(|n| json["tasks"][n]["attempts"].as_u64().unwrap())
        .collect();
    assert_eq!(attempts, [3, 1, 4]);
    let report = scene.dispatch(&["report", "--markdown"]).expect(0).out;
    let report = scene.normal(&report);
    assert!(
        report.contains("#### #1 — a [FAILED after 2 retries]"),
        "{report}"
    );
    assert!(
        report.contains("#### #2 — b [FAILED, no retry]"),
        "{report}"
    );
    assert!(
        report.contains("  2. Retry 1 (<time>): Failed — `beta`"),
        "{report}"
    );
    assert!(
        report.contains("  3. Retry 2 (<time>): Failed — `gamma`"),
        "{report}"
    );
}

#[test]
fn the_same_failure_twice_is_not_tried_a_third_time() {
    let scene = Scene::new();
    scene
        .run(
            "1. [A] a\n   - run: echo \"no answer after $$ ms\"; exit 75\n",
            &[],
        )
        .expect(3);
    assert_eq!(scene.json()["tasks"][0]["attempts"], 2);
}

#[test]
fn the_budget_of_the_run_bounds_all_retries() {
    let scene = Scene::new();
    scene.write(
        ".dispatch.toml",
        "[retry]\nbase_delay = \"10ms\"\nbudget = 1\n",
    );
    scene.commit("Budget");
    let run =
        "case $DISPATCH_ATTEMPT in 1) echo alpha;; 2) echo beta;; *) echo gamma;; esac; exit 75";
    scene
        .run(
            &format!("1. [A] a\n   - run: {run}\n2. [B] b\n   - run: {run}\n"),
            &["-j", "1"],
        )
        .expect(3);
    let json = scene.json();
    let attempts = |n: usize| json["tasks"][n]["attempts"].as_u64().unwrap();
    assert_eq!(attempts(0) + attempts(1), 3);
}

#[test]
fn a_failure_dooms_what_depends_on_it_and_nothing_else() {
    let scene = Scene::new();
    scene.run(&chain(&scene), &[]).expect(3);
    assert_eq!(
        scene.statuses(),
        "1 FAILED · 2 BLOCKED by #1 · 3 BLOCKED by #2 · 4 DONE"
    );
    let json = scene.json();
    assert_eq!(json["state"], "needs-attention");
    assert_eq!(json["tasks"][1]["note"], "#1 failed");
    assert_eq!(json["tasks"][1]["attempts"], 0);
    assert_eq!(json["integration"]["merged"], serde_json::json!([4]));
    assert!(!scene.worktree("b").exists());
}

#[test]
fn a_retry_after_the_fix_takes_the_dependents_along() {
    let scene = Scene::new();
    scene.run(&chain(&scene), &[]).expect(3);
    fix(&scene);
    scene.dispatch(&["retry", "1"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 DONE · 4 DONE");
    assert!(scene.board().contains("All 4 tasks finished successfully."));
    let listed = scene.git(&["show", &format!("{}:c.txt", scene.branch("c"))]);
    assert!(
        listed.contains("a.txt\nb.txt\nc.txt") && !listed.contains("d.txt"),
        "{listed}"
    );
    assert_eq!(
        scene.json()["integration"]["merged"],
        serde_json::json!([1, 2, 3, 4])
    );
    // Everything passed, so nothing can be resumed or skipped.
    let ended = scene.dispatch(&["resume"]).expect(1);
    assert!(ended.err.contains("has ended"), "{}", ended.err);
    let ended = scene.dispatch(&["skip", "1"]).expect(1);
    assert!(ended.err.contains("#1 is done"), "{}", ended.err);
}

#[test]
fn a_retry_can_add_words_to_the_prompt() {
    let scene = Scene::new();
    scene.run("1. [A] a\n   - run: grep -q 'mind the gap' \"$DISPATCH_PROMPT_FILE\" && echo a > a.txt\n", &[]).expect(3);
    scene.dispatch(&["retry", "a"]).expect(3);
    scene
        .dispatch(&["retry", "#1", "--prompt", "mind the gap"])
        .expect(0);
    assert_eq!(scene.json()["tasks"][0]["attempts"], 3);
}

#[test]
fn a_done_task_can_be_done_again_and_with_it_what_was_built_on_it() {
    let scene = Scene::new();
    let plan = "1. [A] a\n   - run: echo $DISPATCH_ATTEMPT > a.txt\n\
                2. [B] b — blocked by #1\n   - run: cp a.txt b.txt\n";
    scene.run(plan, &[]).expect(0);
    let first = scene.rev(&scene.branch("a"));
    scene.dispatch(&["retry", "1"]).expect(0);
    let kept = format!("refs/dispatch/attempts/{}/a/1", scene.run_name());
    assert_eq!(scene.rev(&kept), first);
    let file =
        |file: &str| scene.git(&["show", &format!("{}:{file}", scene.branch("integration"))]);
    assert_eq!(file("a.txt"), "2");
    assert_eq!(file("b.txt"), "2");
}

#[test]
fn skipping_gives_up_everything_behind_unless_told_otherwise() {
    let scene = Scene::new();
    scene.run(&chain(&scene), &[]).expect(3);
    scene.dispatch(&["skip", "A"]).expect(0);
    assert_eq!(
        scene.statuses(),
        "1 SKIPPED · 2 SKIPPED · 3 SKIPPED · 4 DONE"
    );
    assert_eq!(scene.json()["state"], "finished");

    let scene = Scene::new();
    scene.run(&chain(&scene), &[]).expect(3);
    scene.dispatch(&["skip", "1", "--no-cascade"]).expect(0);
    assert_eq!(scene.statuses(), "1 SKIPPED · 2 DONE · 3 DONE · 4 DONE");
    let listed = scene.git(&["show", &format!("{}:c.txt", scene.branch("c"))]);
    assert!(
        !listed.contains("a.txt") && listed.contains("b.txt"),
        "{listed}"
    );
}

#[test]
fn a_skipped_task_can_be_tried_after_all() {
    let scene = Scene::new();
    scene.run(&chain(&scene), &[]).expect(3);
    scene.dispatch(&["skip", "1"]).expect(0);
    fix(&scene);
    scene.dispatch(&["retry", "1"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 DONE · 4 DONE");
}

#[test]
fn a_conflict_of_dependencies_is_settled_by_trying_one_of_them_again() {
    let scene = Scene::new();
    let fixed = scene.root.join("fixed");
    let plan = format!(
        "1. [A] a\n   - run: echo a > same.txt\n\
         2. [B] b\n   - run: test -e {} && echo b > other.txt || echo b > same.txt\n\
         3. [C] both — blocked by #1, #2\n   - run: ls > c.txt\n",
        fixed.display()
    );
    scene.run(&plan, &[]).expect(3);
    fix(&scene);
    scene.dispatch(&["retry", "2"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 DONE");
    assert_eq!(scene.json()["tasks"][2]["attempts"], 1);
    assert_eq!(scene.json()["conflicts"]["pairs"], serde_json::json!([]));
    let listed = scene.git(&["show", &format!("{}:c.txt", scene.branch("c"))]);
    assert!(
        listed.contains("other.txt") && listed.contains("same.txt"),
        "{listed}"
    );
}

#[test]
fn the_workers_own_word_decides_the_class() {
    let scene = Scene::new();
    let says = |class: &str| {
        format!(
            "echo '{{\"error\": {{\"class\": \"{class}\", \"message\": \"m-{class}\"}}}}' > \"$DISPATCH_RESULT_FILE\""
        )
    };
    let plan = format!(
        "1. [A] a\n   - run: echo a > a.txt; {}\n2. [B] b\n   - run: {}; exit 75\n3. [C] c\n   - run: {}; exit 1\n",
        says("input"),
        says("blocker"),
        says("logic"),
    );
    scene.run(&plan, &[]).expect(3);
    let json = scene.json();
    let of = |n: usize| {
        format!(
            "{} {} {}",
            json["tasks"][n]["class"], json["tasks"][n]["attempts"], json["tasks"][n]["note"]
        )
    };
    assert_eq!(
        of(0),
        r#""input" 1 "m-input (input error)""#,
        "although it exited with 0"
    );
    assert_eq!(of(1), r#""blocker" 1 "m-blocker (blocker)""#);
    assert_eq!(of(2), r#""logic" 1 "m-logic (logic error)""#);
    let kept = format!("refs/dispatch/attempts/{}/a/1:a.txt", scene.run_name());
    assert_eq!(scene.git(&["show", &kept]), "a");
}

#[test]
fn a_failure_beside_a_conflict_names_the_steps_for_both() {
    let scene = Scene::new();
    let plan = "1. [A] a\n   - run: echo a > same.txt\n\
                2. [B] b\n   - run: echo b > same.txt\n\
                3. [C] c\n   - run: exit 1\n";
    let ended = scene.run(plan, &[]).expect(3);
    let (run, name) = (scene.run_name(), "correct its command in the plan, then");
    let steps = [
        format!("{name} `dispatch resume {run} --plan ../plan.md`"),
        format!(
            "1. Fix what made #3 fail, then run it again: `dispatch resume {run} --plan ../plan.md`"
        ),
        format!("2. See what conflicts: `dispatch conflicts {run}`"),
        format!("3. Try #2 again: `dispatch retry {run} 2`"),
        format!("4. Or resolve the conflict of #2 by hand: `dispatch resolve {run} 2`"),
        format!("5. Assemble again: `dispatch assemble {run}`"),
        format!("6. Or land the incomplete result without #2 and #3: `dispatch land {run}`"),
    ];
    for step in &steps {
        assert!(ended.out.contains(step), "{step}\n{}", ended.out);
        assert!(scene.board().contains(step), "{step}");
    }
    let report: serde_json::Value =
        serde_json::from_str(&scene.dispatch(&["report", "--json"]).expect(0).out).unwrap();
    let next = report["report"]["next_steps"].as_array().unwrap();
    assert_eq!(next.len(), 6, "{report}");

    // The command that is named does what it says.
    scene.plan(&plan.replace("exit 1", "echo c > c.txt"));
    let file = scene.root.join("plan.md");
    let resumed = scene.dispatch(&["resume", &run, "--plan", file.to_str().unwrap()]);
    resumed.expect(4);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 DONE");
}

#[test]
fn a_plan_inside_the_checkout_is_named_as_seen_from_its_top() {
    let scene = Scene::new();
    scene.write("plans/a.md", "1. [A] a\n   - run: exit 1\n");
    let run = ["run", "plans/a.md", "--yes"];
    let ended = scene.dispatch(&run).expect(3);
    let step = format!("`dispatch resume {} --plan plans/a.md`", scene.run_name());
    assert!(ended.out.contains(&step), "{}", ended.out);
    // The edited plan is found by its recorded name.
    scene.write("plans/a.md", "1. [A] a\n   - run: echo a > a.txt\n");
    scene
        .dispatch(&["resume", "--plan", "plans/a.md"])
        .expect(0);
}

#[test]
fn a_failed_check_fails_the_task_with_its_last_lines() {
    let scene = Scene::new();
    let plan = "1. [A] a\n   - run: echo a > a.txt; printf working\n   - check: echo built > built.txt\n   - check: echo 3 tests failed; exit 1\n\
                2. [B] b\n   - run: echo b > b.txt\n   - check: test -e b.txt && echo seen > seen.txt\n";
    scene.run(plan, &[]).expect(3);
    assert_eq!(scene.statuses(), "1 FAILED · 2 DONE");
    assert_eq!(scene.json()["tasks"][0]["class"], "logic");
    let report = scene.dispatch(&["report"]).expect(0).out;
    assert!(report.contains("3 tests failed"), "{report}");
    assert_eq!(
        scene.dispatch(&["logs", "1"]).expect(0).out,
        "working\n\
         check: echo built > built.txt\n\
         check: echo 3 tests failed; exit 1\n3 tests failed\n"
    );
    assert_eq!(
        scene.dispatch(&["logs", "1", "-f"]).expect(0).out,
        "working"
    );
    let tree = |revision: &str| scene.git(&["ls-tree", "--name-only", revision]);
    let b = tree(&scene.branch("b"));
    assert!(b.contains("b.txt") && !b.contains("seen.txt"), "{b}");
    assert!(scene.has(&format!(
        "refs/dispatch/attempts/{}/a/1:a.txt",
        scene.run_name()
    )));
    let show = scene.dispatch(&["show", "2"]).expect(0).out;
    assert!(show.contains("passed test -e b.txt"), "{show}");
}

#[test]
fn what_was_left_out_for_a_conflict_is_done_again_on_top_of_the_others() {
    let scene = Scene::new();
    let plan = "1. [A] a\n   - run: sed 's/ONE/EINS/' src/app.ts > n && mv n src/app.ts\n\
                2. [B] b\n   - run: cp \"$DISPATCH_PROMPT_FILE\" said.txt; tr a-z A-Z < src/app.ts > n && mv n src/app.ts\n";
    scene.write("src/app.ts", "one ONE\n");
    scene.commit("one");
    scene.run(plan, &[]).expect(4);
    scene.dispatch(&["retry", "2"]).expect(0);
    assert_eq!(
        scene.json()["integration"]["merged"],
        serde_json::json!([1, 2])
    );
    let file =
        |file: &str| scene.git(&["show", &format!("{}:{file}", scene.branch("integration"))]);
    assert_eq!(file("src/app.ts"), "ONE EINS");
    assert!(file("said.txt").contains("conflicted with #1 in src/app.ts"));
}

#[test]
fn a_retry_leaves_alone_what_a_person_gave_up_by_name() {
    let scene = Scene::new();
    scene.run(&chain(&scene), &[]).expect(3);
    scene.dispatch(&["skip", "3"]).expect(3);
    scene.write_program("fixed", "");
    let _ = scene.dispatch(&["retry", "1"]);
    assert!(
        scene.statuses().contains("3 SKIPPED"),
        "{}",
        scene.statuses()
    );
}

/// A `git` before the real one on PATH that ends itself as the system does for want of memory, the
/// first `times` times it is asked for something with this word.
fn killed_git(scene: &mut Scene, word: &str, times: u32) {
    let real = scene
        .command("sh")
        .args(["-c", "command -v git"])
        .output()
        .unwrap();
    let real = String::from_utf8(real.stdout).unwrap();
    let root = scene.root.display().to_string();
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' {word} '*)\n  for n in $(seq {times}); do\n    \
         if mkdir {root}/killed-$n 2> /dev/null; then kill -KILL $$; fi\n  done\nesac\nexec {} \"$@\"\n",
        real.trim()
    );
    scene.write_program("../bin/git", &script);
    let path = std::env::var("PATH").unwrap();
    scene.set_env("PATH", &format!("{root}/bin:{path}"));
}

#[test]
fn a_git_that_is_killed_while_a_worktree_is_made_or_work_is_taken_costs_nothing() {
    for word in ["read-tree", "--sparse"] {
        let mut scene = Scene::new();
        killed_git(&mut scene, word, 2);
        let ran = scene.root.join("ran").display().to_string();
        let plan = format!("1. One\n   - run: echo one >> {ran}; echo 1 > one.txt\n");
        scene.run(&plan, &[]).expect(0);
        assert!(scene.root.join("killed-2").exists(), "{word}");
        assert_eq!(scene.json()["tasks"][0]["attempts"], 1, "{word}");
        assert_eq!(std::fs::read_to_string(ran).unwrap(), "one\n", "{word}");
    }
}

#[test]
fn a_git_that_is_killed_again_and_again_is_a_transient_failure() {
    let mut scene = Scene::new();
    killed_git(&mut scene, "read-tree", 4);
    scene
        .run("1. One\n   - run: echo 1 > one.txt\n", &[])
        .expect(0);
    let journal = format!("refs/dispatch/runs/{}", scene.run_name());
    let journal = scene.git(&["log", "--first-parent", "--format=%b", &journal]);
    assert!(journal.contains("\"class\":\"transient\""), "{journal}");
    assert_eq!(scene.json()["tasks"][0]["attempts"], 2);
}
