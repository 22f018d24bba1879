//! Tasks with variants, from the plan to the branches.

use serde_json::Value;

use crate::acp::agent;
use crate::harness::{Gate, Scene, wait};

/// Variant 1 fails its check, variant 2 conflicts with #2, variant 3 is larger than variant 4.
const FOUR: &str = "# Shop
1. [A] First
   - variants: 4
   - check: test -e a.txt
   - run: case $DISPATCH_VARIANT in 1) echo x > b.txt;; 2) echo 2 > a.txt; sed -i s/two/2/ src/app.ts;; 3) seq 9 > a.txt;; 4) seq 4 > a.txt;; esac
2. [B] Second
   - priority: 1
   - run: sed -i s/two/zwei/ src/app.ts
3. [C] Third — blocked by #1
   - run: wc -l < a.txt > c.txt
";

fn shown(scene: &Scene, task: &str) -> Value {
    let ended = scene.dispatch(&["show", task, "--json"]).expect(0);
    serde_json::from_str(&ended.out).unwrap()
}

fn refs(scene: &Scene, pattern: &str) -> String {
    let format = "--format=%(refname:lstrip=-2)";
    let all = scene.git(&["for-each-ref", format, pattern]);
    all.replace('\n', " ")
}

#[test]
fn the_smallest_variant_without_a_conflict_whose_check_passes_is_taken() {
    let scene = Scene::new();
    // One at a time, so that #2 has its result when a variant is chosen.
    scene.run(FOUR, &["-j", "1"]).expect(0);
    let text = scene.dispatch(&["show", "A"]).expect(0).out;
    let table: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("(shell)"))
        .collect();
    insta::assert_snapshot!(table.join("\n"), @r"
      1 (shell) failed: check `test -e a.txt` failed
      2 (shell) passed, 1 of 1 checks passed, conflicts with #2, 2 files, +2 −1
      3 (shell) passed, 1 of 1 checks passed, no conflict, 1 file, +9 −0
    * 4 (shell) passed, 1 of 1 checks passed, no conflict, 1 file, +4 −0
    ");
    let shown = shown(&scene, "A");
    assert_eq!(shown["variants"]["chosen"], 4);
    assert_eq!(
        shown["variants"]["variants"][1]["conflicts"],
        serde_json::json!([2])
    );
    let board = scene.json();
    let first = &board["tasks"][0];
    assert_eq!(first["note"], "(variant 4 of 4)");
    assert_eq!(
        (&first["variant"], &first["variants"]),
        (&4.into(), &4.into())
    );
    assert_eq!(board["tasks"][1].get("variants"), None);
    assert_eq!(
        scene.git(&["show", &format!("{}:c.txt", scene.branch("c"))]),
        "4"
    );
    let run = scene.run_name();
    assert_eq!(
        refs(&scene, "refs/heads/dispatch"),
        format!("{run}/a {run}/b {run}/c {run}/integration")
    );
    let kept = format!("refs/dispatch/attempts/{run}/a");
    assert_eq!(refs(&scene, &kept), "a/1 a/2 a/3 a/4");
    let branch = scene.branch("a");
    assert_eq!(scene.rev(&branch), scene.rev(&format!("{kept}/4")));
    let head = scene.git(&[
        "-C",
        scene.worktree("a-4").to_str().unwrap(),
        "branch",
        "--show-current",
    ]);
    assert_eq!(head, branch);
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    assert_eq!(scene.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn each_variant_has_the_worker_that_the_plan_names() {
    let scene = Scene::new();
    scene.configure(
        "[workers.long]\ncommand = [\"sh\", \"-c\", \"seq 9 > a.txt\"]\n\
         [workers.short]\ncommand = [\"sh\", \"-c\", \"seq 3 > a.txt\"]\n",
    );
    let plan = "# Shop\n1. [A] First\n   - variants: long, short, long\n";
    scene.run(plan, &[]).expect(0);
    let shown = shown(&scene, "A");
    let variants = shown["variants"]["variants"].as_array().unwrap();
    let workers: Vec<&str> = variants
        .iter()
        .map(|variant| variant["worker"].as_str().unwrap())
        .collect();
    assert_eq!(workers, ["long", "short", "long"]);
    assert_eq!(shown["variants"]["chosen"], 2);
    assert_eq!(scene.json()["tasks"][0]["worker"], "short");
}

#[test]
fn a_run_that_is_killed_while_variants_run_is_resumed_with_all_of_them() {
    let scene = Scene::new();
    let mut gates = ["1", "2"].map(|name| Gate::new(&scene, name));
    let [one, two] = gates.each_ref().map(Gate::script);
    let plan = format!(
        "# Shop\n1. [A] First\n   - variants: 2\n   - run: if [ $DISPATCH_VARIANT = 1 ]; then {one}; \
         seq 5 > a.txt; else {two}; seq 2 > a.txt; fi\n"
    );
    let path = scene.plan(&plan);
    let mut driver = scene.start(&["run", &path, "--yes"]);
    gates.iter_mut().for_each(Gate::wait_until_reached);
    driver.kill().unwrap();
    driver.wait().unwrap();
    let resumed = scene.start(&["resume"]);
    gates.iter_mut().for_each(Gate::open);
    wait(resumed).expect(0);
    let shown = shown(&scene, "A");
    assert_eq!(shown["variants"]["chosen"], 2);
    assert_eq!(shown["attempts"].as_array().unwrap().len(), 2);
}

#[test]
fn a_task_fails_only_if_all_its_variants_do() {
    let scene = Scene::new();
    let plan = "# Shop\n1. [A] First\n   - variants: 2\n   - run: echo variant $DISPATCH_VARIANT is wrong; exit 1\n";
    scene.run(plan, &[]).expect(3);
    assert_eq!(scene.statuses(), "1 FAILED");
    let shown = shown(&scene, "A");
    assert_eq!(shown["variants"]["chosen"], Value::Null);
    let report = scene.dispatch(&["report"]).expect(0).out;
    assert!(report.contains("wrong"), "{report}");
    let attempts = |scene: &Scene| {
        let report = scene.dispatch(&["report", "--markdown"]).expect(0).out;
        let is_told = |line: &&str| line.starts_with("####") || line.contains(". Variant ");
        let lines = report.lines().filter(is_told);
        let lines = lines.map(|line| line.split(" (").next().unwrap_or_default().trim());
        lines.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(attempts(&scene), @r"
    #### #1 — First [FAILED, no retry]
    1. Variant 1
    2. Variant 2
    ");
    scene.dispatch(&["retry", "A"]).expect(3);
    insta::assert_snapshot!(attempts(&scene), @r"
    #### #1 — First [FAILED after 2 retries]
    1. Variant 1
    2. Variant 2
    3. Variant 1, retry 1
    4. Variant 2, retry 1
    ");
    assert_eq!(
        self::shown(&scene, "A")["attempts"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
}

#[test]
fn another_variant_can_be_taken_in_review_and_what_was_built_on_the_first_runs_again() {
    let scene = Scene::new();
    let plan = "# Shop
1. [A] First
   - variants: 3
   - run: if [ $DISPATCH_VARIANT = 2 ]; then exit 1; fi; seq 1 $((10 / $DISPATCH_VARIANT)) > a.txt
2. [B] Second \u{2014} blocked by #1
   - run: wc -l < a.txt > b.txt
";
    scene.run(plan, &[]).expect(0);
    let lines =
        |scene: &Scene| scene.git(&["show", &format!("{}:b.txt", scene.branch("integration"))]);
    assert_eq!(lines(&scene), "3");
    let refused = scene.dispatch(&["review", "--take", "A=2"]).expect(1);
    assert!(
        refused.err.contains("variant 2 of #1 did not pass"),
        "{}",
        refused.err
    );
    let review = scene.dispatch(&["review", "--json"]).expect(0).out;
    let review: Value = serde_json::from_str(&review).unwrap();
    assert_eq!(review["tasks"][0]["variant"], 3);
    assert_eq!(review["tasks"][0]["other_variants"], serde_json::json!([1]));
    let taken = scene.dispatch(&["review", "--take", "A=1"]).expect(0);
    assert!(taken.err.contains("#1: variant 1 taken"), "{}", taken.err);
    assert_eq!(lines(&scene), "10");
    let kept = format!("refs/dispatch/attempts/{}/a", scene.run_name());
    assert_eq!(refs(&scene, &kept), "a/1 a/3");
    assert_eq!(
        scene.rev(&scene.branch("a")),
        scene.rev(&format!("{kept}/1"))
    );
    let shown = shown(&scene, "A");
    assert_eq!(shown["variants"]["by"], "user");
    scene.dispatch(&["review", "--take", "A=3"]).expect(0);
    assert_eq!(lines(&scene), "3");
}

/// Runs two variants that a judge chooses among, which runs this script; returns the choice.
fn judged(script: &str) -> Value {
    let scene = Scene::new();
    judge(&scene, script, "");
    shown(&scene, "A")["variants"].clone()
}

/// Runs two variants with the judge of the configuration.
fn judge(scene: &Scene, script: &str, more: &str) {
    scene.configure(&format!(
        "[variants]\njudge = \"critic\"\n\
         [workers.critic]\ncommand = [\"sh\", \"-c\", {script:?}]\nprompt = \"stdin\"\n{more}"
    ));
    let plan = "# Shop\n1. [A] First\n   - variants: 2\n   - run: seq $DISPATCH_VARIANT > a.txt\n";
    scene.run(plan, &[]).expect(0);
    assert!(!scene.worktree("judge.a").exists());
}

#[test]
fn a_judge_that_hangs_is_killed_at_its_limit_and_the_rule_decides() {
    let scene = Scene::new();
    let pids = scene.root.join("pids");
    let script = format!("echo $$ > {}; exec sleep 1000", pids.display());
    judge(&scene, &script, "timeout = \"1s\"\n");
    let choice = shown(&scene, "A")["variants"].clone();
    assert_eq!(choice["chosen"], 1);
    let reason = choice["reason"].as_str().unwrap();
    assert!(
        reason.ends_with("no verdict of the judge critic: it timed out"),
        "{reason}"
    );
    let pid = std::fs::read_to_string(pids).unwrap();
    assert!(!crate::process::is_alive(pid.trim().parse().unwrap()));
}

/// A judge that speaks like Claude Code and reports its cost.
const PAID: &str = r#"cat > /dev/null; echo '{"type":"result","subtype":"success","is_error":false,"result":"{\"winner\": 2, \"reason\": \"complete\"}","total_cost_usd":0.25}'"#;

#[test]
fn the_cost_of_a_judge_counts_and_it_is_not_asked_beyond_the_limit() {
    let scene = Scene::new();
    judge(&scene, PAID, "dialect = \"claude\"\n");
    let choice = shown(&scene, "A")["variants"].clone();
    assert_eq!(
        (&choice["chosen"], &choice["by"]),
        (&2.into(), &"judge critic".into())
    );
    assert_eq!(scene.json()["cost"], 0.25);

    let scene = Scene::new();
    scene.write_program(
        "../paid.sh",
        "#!/bin/sh\ncat > /dev/null\nseq $DISPATCH_VARIANT > a.txt\n\
         echo '{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"ok\",\"total_cost_usd\":0.5}'\n",
    );
    let program = scene.root.join("paid.sh");
    scene.configure(&format!(
        "[run]\nmax_cost = 1\n[workers.paid]\ncommand = [{program:?}]\nprompt = \"stdin\"\n\
         dialect = \"claude\"\n[workers.critic]\ncommand = [\"sh\", \"-c\", {PAID:?}]\n\
         prompt = \"stdin\"\ndialect = \"claude\"\n"
    ));
    let plan = "1. [A] First\n   - worker: paid\n   - variants: 2\n   - judge: critic\n";
    scene.run(plan, &[]).expect(0);
    let choice = shown(&scene, "A")["variants"].clone();
    let reason = choice["reason"].as_str().unwrap();
    assert!(
        reason.ends_with("no verdict of the judge critic: the cost limit is reached"),
        "{reason}"
    );
}

#[test]
fn a_judge_chooses_and_without_a_verdict_the_rule_does() {
    let good = judged("grep -q '^> +2$' && echo '{\"winner\": 2, \"reason\": \"complete\"}'");
    assert_eq!(
        (&good["chosen"], &good["by"]),
        (&2.into(), &"judge critic".into())
    );
    assert_eq!(good["reason"], "complete");
    for bad in ["echo variant 2 is best", "exit 3", "echo '{\"winner\": 7}'"] {
        let choice = judged(bad);
        assert_eq!(
            (&choice["chosen"], &choice["by"]),
            (&1.into(), &"rule".into())
        );
        let reason = choice["reason"].as_str().unwrap();
        assert!(
            reason.contains("no verdict of the judge critic"),
            "{reason}"
        );
    }
}

/// Configures an agent whose variants report sessions of their own; a continued one adds to its file.
fn with_sessions(scene: &Scene) {
    scene.write_program(
        "../agent.sh",
        "#!/bin/sh\n\
         echo \"$*\" >> a.txt\n\
         test $1 = attached || cat > /dev/null\n\
         test \"$1\" != first || seq \"$DISPATCH_VARIANT\" >> a.txt\n\
         echo '{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\
         \"session_id\":\"s-'${DISPATCH_VARIANT:-$2}'\",\"result\":\"ok\"}'\n",
    );
    let program = scene.root.join("agent.sh");
    let program = program.display();
    scene.configure(&format!(
        "[workers.agent]\ncommand = [\"{program}\", \"first\"]\nprompt = \"stdin\"\n\
         dialect = \"claude\"\nresume = [\"{program}\", \"again\", \"{{session}}\"]\n\
         attach = [\"{program}\", \"attached\", \"{{session}}\"]\n"
    ));
}

#[test]
fn the_winner_or_the_named_attempt_is_shown_and_continued() {
    let scene = Scene::new();
    with_sessions(&scene);
    let plan = "# Shop\n1. [A] First\n   - worker: agent\n   - variants: 3\n   - check: grep -qx 2 a.txt\n";
    scene.run(plan, &[]).expect(0);
    assert_eq!(shown(&scene, "A")["variants"]["chosen"], 2);
    let attempt_of = |variant: u64| {
        let attempts = shown(&scene, "A")["attempts"].clone();
        let mut attempts = attempts.as_array().unwrap().clone().into_iter();
        let found = attempts.find(|attempt| attempt["variant"] == variant);
        found.unwrap()["attempt"].to_string()
    };
    let logged = scene.dispatch(&["logs", "A"]).expect(0);
    let winner = format!("attempt {} of #1 (variant 2, agent):\n", attempt_of(2));
    assert_eq!(logged.err, winner);
    assert!(logged.out.contains("s-2"), "{}", logged.out);
    let third = attempt_of(3);
    let logged = scene
        .dispatch(&["logs", "A", "--attempt", &third])
        .expect(0);
    assert_eq!(logged.err, "");
    assert!(logged.out.contains("s-3"), "{}", logged.out);
    let refused = scene.dispatch(&["logs", "A", "--attempt", "9"]).expect(1);
    assert!(refused.err.contains("has no attempt 9"), "{}", refused.err);

    let made = |scene: &Scene| scene.git(&["show", &format!("{}:a.txt", scene.branch("a"))]);
    let said = scene.dispatch(&["retry", "A", "--continue"]).expect(0).err;
    let winner = format!(
        "continuing attempt {} of #1 (variant 2, agent)\n",
        attempt_of(2)
    );
    assert!(said.starts_with(&winner), "{said}");
    assert_eq!(made(&scene), "first\n1\n2\nagain s-2");
    let retry = ["retry", "A", "--continue", "--attempt", &third];
    scene.dispatch(&retry).expect(0);
    assert_eq!(made(&scene), "first\n1\n2\n3\nagain s-3");
    let attach = ["attach", "A", "--attempt", &third, "--yes"];
    scene.dispatch_at_keyboard(&attach);
    let lines = made(&scene);
    assert!(lines.ends_with("attached s-3"), "{lines}");
    assert!(lines.starts_with("first\n1\n2\n3"), "{lines}");
}

#[test]
fn a_message_reaches_every_running_variant_or_the_named_one() {
    let mut scene = Scene::new();
    // Of two readers of one gate, each could take a part of the answer.
    let mut gates = ["one", "two"].map(|name| Gate::new(&scene, name));
    let [one, two] = gates.each_ref().map(Gate::script);
    let script = format!("case $DISPATCH_VARIANT in 1) {one};; 2) {two};; esac");
    scene.set_env("GATE", &script);
    let steps = ["gate=eval \"$GATE\"", "told=told.txt"];
    scene.configure(&agent("agent", &steps, ""));
    let plan = "1. [A] One\n   - worker: agent\n   - variants: 2\n";
    let child = scene.start(&["run", &scene.plan(plan), "--yes"]);
    gates.iter_mut().for_each(Gate::wait_until_reached);
    let told = scene.dispatch(&["tell", "1", "For both"]).expect(0).err;
    assert_eq!(
        told,
        "delivered to attempt 1 of #1 (variant 1, agent)\n\
         delivered to attempt 2 of #1 (variant 2, agent)\n"
    );
    let told = scene.dispatch(&["tell", "1", "For one", "--attempt", "2"]);
    assert_eq!(
        told.expect(0).err,
        "delivered to attempt 2 of #1 (variant 2, agent)\n"
    );
    let refused = scene.dispatch(&["tell", "1", "For none", "--attempt", "3"]);
    assert!(refused.expect(1).err.contains("has no attempt 3"));
    scene.dispatch(&["cancel", &scene.run_name()]).expect(0);
    wait(child).expect(3);
}
