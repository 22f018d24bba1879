//! Journals that a worker or a stranger wrote, and branches that they moved.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use crate::harness::{Gate, Scene, wait};

const PLAN: &str =
    "# Trust\n\n1. [A] First\n   - run: echo a > a.txt\n2. [B] Second\n   - run: exit 1\n";

/// Commands that continue a run from its journal.
const CONTINUING: [&[&str]; 6] = [
    &["resume"],
    &["assemble"],
    &["assemble", "--dry-run"],
    &["retry", "B"],
    &["land", "--yes"],
    &["clean"],
];

fn journal_of(scene: &Scene) -> String {
    format!("refs/dispatch/runs/{}", scene.run_name())
}

pub(crate) fn with_input(scene: &Scene, args: &[&str], input: &str) -> String {
    let mut child = scene
        .command("git")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Appends a commit with an event to the journal, as a writer of the git folder can.
fn forge(scene: &Scene, event: &str, settings: impl FnOnce(String) -> String) {
    let journal = journal_of(scene);
    let message = scene.git(&["log", "-1", "--format=%B", &journal]);
    let last = message.lines().rfind(|line| line.starts_with('{')).unwrap();
    let last: serde_json::Value = serde_json::from_str(last).unwrap();
    let seq = last["seq"].as_u64().unwrap() + 1;
    let run = scene.run_name();
    let text = settings(scene.git(&["show", &format!("{journal}:settings.json")]));
    let blob = with_input(scene, &["hash-object", "-w", "--stdin"], &text);
    let tree = scene.git(&["ls-tree", &journal]);
    let lines = tree
        .lines()
        .map(|line| match line.ends_with("\tsettings.json") {
            true => format!("100644 blob {blob}\tsettings.json\n"),
            false => format!("{line}\n"),
        });
    let tree = with_input(scene, &["mktree"], &lines.collect::<String>());
    let record = format!(
        "{{\"version\":1,\"seq\":{seq},\"time\":\"2026-01-01T00:00:00Z\",\"run\":\"{run}\",{event}}}"
    );
    let message = format!(
        "forged\n\n{record}\n\nDispatch-Run: {run}\nDispatch-Journal: 1\nDispatch-Seal: {}\n",
        "0".repeat(64)
    );
    let args = ["commit-tree", &tree, "-p", &journal];
    let commit = with_input(scene, &args, &message);
    scene.git(&["update-ref", &journal, &commit]);
}

#[test]
fn a_forged_journal_runs_nothing_until_it_is_accepted() {
    let scene = Scene::new();
    scene.configure("[assemble]\ncheck = [\"true\"]\n");
    scene.run(PLAN, &[]).expect(3);
    let checked = scene.root.join("checked");
    let command = format!("touch {}", checked.display());
    forge(&scene, "\"event\":\"paused\"", |settings| {
        settings.replace("\"true\"", &format!("{command:?}"))
    });
    for args in CONTINUING {
        let refused = scene.dispatch(args).expect(1);
        let said = "was not written by your dispatch";
        assert!(refused.err.contains(said), "{args:?}\n{}", refused.err);
        assert!(refused.err.contains("--accept-journal"), "{}", refused.err);
    }
    assert!(!checked.exists());
    scene.dispatch(&["status"]).expect(0);
    let run = scene.run_name();
    let accept = ["doctor", &run, "--accept-journal", "--yes"];
    let accepted = scene.dispatch(&accept).expect(0);
    assert!(
        accepted.err.contains(&command),
        "the command is shown: {}",
        accepted.err
    );
    scene.dispatch(&["assemble", "--dry-run"]).expect(0);
}

#[test]
fn a_journal_that_was_moved_back_and_one_of_another_user_are_refused() {
    let mut scene = Scene::new();
    scene.run(PLAN, &[]).expect(3);
    let journal = journal_of(&scene);
    let tip = scene.rev(&journal);
    scene.git(&["update-ref", &journal, &format!("{tip}~1")]);
    let refused = scene.dispatch(&["resume"]).expect(1);
    assert!(refused.err.contains("was moved back"), "{}", refused.err);
    scene.git(&["update-ref", &journal, &tip]);
    scene.dispatch(&["assemble", "--dry-run"]).expect(0);
    let other = scene.root.join("other-user").display().to_string();
    scene.set_env("XDG_STATE_HOME", &other);
    let refused = scene.dispatch(&["retry", "B"]).expect(1);
    assert!(
        refused.err.contains("not written by your dispatch"),
        "{}",
        refused.err
    );
    let run = scene.run_name();
    scene
        .dispatch(&["doctor", &run, "--accept-journal", "--yes"])
        .expect(0);
    scene.dispatch(&["retry", "B"]).expect(3);
    // What was recorded since then is sealed.
    scene.dispatch(&["assemble", "--dry-run"]).expect(0);
}

#[test]
fn a_moved_repository_keeps_its_journals() {
    let mut scene = Scene::new();
    scene.run(PLAN, &[]).expect(3);
    let moved = scene.root.join("moved");
    fs::rename(&scene.repo, &moved).unwrap();
    scene.repo = moved;
    scene.dispatch(&["assemble", "--dry-run"]).expect(0);
}

#[test]
fn events_about_tasks_that_the_plan_does_not_have_are_refused() {
    let scene = Scene::new();
    scene.run(PLAN, &[]).expect(3);
    let journal = journal_of(&scene);
    let tip = scene.rev(&journal);
    for number in ["0", "3", "4294967295"] {
        for event in [
            "\"event\":\"task-skipped\",\"task\":N,\"cascade\":false",
            "\"event\":\"attempt-starting\",\"task\":N,\"attempt\":1,\"worker\":\"w\",\"branch\":\"b\",\"worktree\":\"w\"",
            "\"event\":\"assembly-starting\",\"order\":[1,N]",
            "\"event\":\"setup-broken\",\"tasks\":[N],\"message\":\"m\"",
            "\"event\":\"dependencies-conflict\",\"task\":1,\"class\":\"content\",\"between\":[N],\"paths\":[]",
            "\"event\":\"worker-parked\",\"worker\":\"w\",\"task\":N,\"until\":\"2026-01-01T00:00:00Z\",\"reason\":\"r\"",
            "\"event\":\"assembled\",\"integration\":{\"merged\":[],\"left_out\":[{\"task\":N,\"candidate\":\"0000000000000000000000000000000000000000\",\"reason\":{\"reason\":\"by-user\"}}],\"tip\":null,\"code_tip\":null,\"checks\":[]}",
        ] {
            forge(&scene, &event.replace('N', number), |settings| settings);
            for args in [["status"], ["report"]] {
                let refused = scene.dispatch(&args).expect(1);
                let said = format!("names #{number}, and the plan has 2 tasks");
                assert!(refused.err.contains(&said), "{event}\n{}", refused.err);
            }
            scene.git(&["update-ref", &journal, &tip]);
        }
    }
}

#[test]
fn a_commit_with_the_run_s_trailer_is_not_built_upon_and_does_not_land() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "one");
    let plan = format!(
        "# P\n\n1. [A] First\n   - run: echo a > a.txt\n2. [B] Second — blocked by #1\n   - allow_empty: yes\n   - run: {}\n",
        gate.script()
    );
    let plan = scene.plan(&plan);
    let child = scene.start(&["run", &plan, "--yes"]);
    gate.wait_until_reached();
    let branch = format!("refs/heads/{}", scene.branch("integration"));
    let tip = scene.rev(&branch);
    let blob = with_input(&scene, &["hash-object", "-w", "--stdin"], "evil\n");
    let tree = format!(
        "{}\n100644 blob {blob}\tevil.txt\n",
        scene.git(&["ls-tree", &branch])
    );
    let tree = with_input(&scene, &["mktree"], &tree);
    let message = format!("board: #2 DONE\n\nDispatch-Run: {}\n", scene.run_name());
    let forged = with_input(&scene, &["commit-tree", &tree, "-p", &tip], &message);
    scene.git(&["update-ref", &branch, &forged]);
    gate.open();
    let ended = wait(child);
    assert!(
        ended.err.contains("moved by another process"),
        "{}",
        ended.err
    );
    scene.dispatch(&["land", "--yes"]);
    let landed = scene.try_git(&["merge-base", "--is-ancestor", &forged, "main"]);
    landed.expect(1);
    assert!(!scene.has("main:evil.txt"));
}

#[test]
fn a_run_works_where_no_state_can_be_kept() {
    let mut scene = Scene::new();
    // A file in place of the folder refuses it to every user.
    fs::write(scene.root.join("nothing"), "").unwrap();
    let nowhere = scene.root.join("nothing").display().to_string();
    scene.set_env("XDG_STATE_HOME", &nowhere);
    scene
        .run("1. [A] First\n   - run: echo a > a.txt\n", &[])
        .expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert!(scene.has("main:a.txt"));
}
