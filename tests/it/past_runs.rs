//! `dispatch log` and `dispatch stats`: what earlier runs did, from their journals.

use serde_json::Value;

use crate::harness::Scene;

const PLAN: &str = "# Two\n\n1. [A] a\n   - run: echo a > a.txt\n\
                    2. [B] b\n   - run: echo wrong; exit 1\n";

#[test]
fn a_log_tells_what_happened() {
    let scene = Scene::new();
    scene.run(PLAN, &["-j", "1"]).expect(3);
    let shown = scene.dispatch(&["log"]).expect(0).out;
    for part in [
        "2026-11-22 (UTC)",
        "the run started: Two, 2 tasks from ",
        "#1 A: attempt 1 starts with shell",
        "#1 A: attempt 1 passed with ",
        "#2 B: attempt 1 failed: ",
        "the run ended: a task did not pass",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let of_task = scene.dispatch(&["log", "--task", "B"]).expect(0).out;
    assert!(
        of_task.contains("#2 B") && !of_task.contains("#1 A"),
        "{of_task}"
    );
    let json = scene.dispatch(&["log", "--json"]).expect(0).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    let events = json["events"].as_array().unwrap();
    let has_sentence = |event: &Value| event["sentence"].as_str().is_some_and(|s| !s.is_empty());
    assert!(events.iter().all(has_sentence), "{json}");
    assert_eq!(events[0]["event"]["event"], "run-started");
    let missing = scene.dispatch(&["log", "--task", "C"]);
    assert_ne!(missing.code, 0);
}

#[test]
fn figures_are_those_of_all_runs_or_of_some() {
    let scene = Scene::new();
    let empty = scene.dispatch(&["stats"]).expect(0);
    assert!(
        empty.err.contains("there is no run to count"),
        "{}",
        empty.err
    );
    scene.run(PLAN, &["-j", "1"]).expect(3);
    scene
        .run("# More\n\n1. [C] c\n   - run: echo c > c.txt\n", &[])
        .expect(0);
    let figures = |args: &[&str]| -> Value {
        let args = [&["stats", "--json"], args].concat();
        let shown = scene.dispatch(&args).expect(0).out;
        serde_json::from_str::<Value>(&shown).unwrap()["statistics"].take()
    };
    let all = figures(&[]);
    assert_eq!(all["runs"], 2);
    assert_eq!(all["tasks"]["done"], 2);
    assert_eq!(all["workers"]["shell"]["tasks"], 3);
    let one = figures(&[&scene.run_names()[0]]);
    assert_eq!(one["runs"], 1);
    assert_eq!(figures(&["--since", "2027-01-01"])["runs"], 0);
    scene.dispatch(&["stats", "nothing"]).expect(1);
    scene.dispatch(&["stats", "--since", "soon"]).expect(2);
}
