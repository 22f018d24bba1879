//! A run in which every class of failure occurs once; then the user decides, and it ends. Both
//! reports are golden files.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Gate, Scene, assert_golden, statuses, wait};

/// The scripts of the workers' first attempts; later attempts pass.
const SCRIPTS: &[(&str, &str)] = &[
    (
        "auth",
        r#"mkdir -p src/auth; echo jwt > src/auth/jwt.ts
printf '%s' '{"summary": "JWT with refresh tokens", "decisions": ["chose Zod over Joi (matched existing patterns)"], "next_steps": ["add seeds for User"]}' > $DISPATCH_RESULT_FILE"#,
    ),
    (
        "api",
        r#"mkdir -p src/routes; echo get > src/routes/users.ts
if [ $DISPATCH_ATTEMPT = 1 ]; then
  printf '%s' '{"error": {"class": "input", "message": "model User not found", "root_cause": "Prisma schema missing the `User` model.", "suggestion": "Add `User` model to `prisma/schema.prisma`"}}' > $DISPATCH_RESULT_FILE
  exit 1
fi"#,
    ),
    (
        "net",
        r#"case $DISPATCH_ATTEMPT in
1) echo "connection reset by peer" >&2; exit 75;;
2) echo "no route to host" >&2; exit 75;;
esac
echo 1.0 > VERSION"#,
    ),
    (
        "limit",
        r#"if [ $DISPATCH_ATTEMPT = 1 ]; then
  printf '%s' '{"error": {"class": "quota", "message": "usage limit reached"}}' > $DISPATCH_RESULT_FILE
  exit 1
fi
echo words > words.txt"#,
    ),
    (
        "tests",
        "echo test > test.ts; test $DISPATCH_ATTEMPT -lt 3 || touch fixed.ts",
    ),
    (
        "merge",
        r#"if [ $DISPATCH_ATTEMPT = 1 ]; then
  printf '%s' '{"error": {"class": "conflict", "message": "somebody else has changed src/app.ts"}}' > $DISPATCH_RESULT_FILE
  exit 1
fi
echo six >> src/app.ts"#,
    ),
    (
        "login",
        "echo 'not logged in: run login first' >&2; exit 77",
    ),
];

fn plan(scene: &Scene, gates: &[Gate; 2]) -> String {
    let script = |name: &str| format!("sh {}/{name}.sh", scene.root.display());
    for (name, text) in SCRIPTS {
        fs::write(scene.root.join(format!("{name}.sh")), text).unwrap();
    }
    format!(
        "# Checkout v2\n\n\
         1. [AUTH] Auth module\n   - run: {}\n\
         2. [API] API route handlers\n   - run: {}\n\
         3. [NET] Version file\n   - run: {}\n   - retries: 1\n\
         4. [LIMIT] Word list\n   - run: {}\n\
         5. [TEST] Test infrastructure\n   - run: {}; test $DISPATCH_ATTEMPT != 1 || {{ {}; }}\n   - check: test -e fixed.ts || {{ echo 2 of 9 tests failed; exit 1; }}\n\
         6. [MERGE] Sixth line\n   - run: {}\n\
         7. [LOGIN] Deploy preview\n   - run: {}\n\
         8. [DOCS] API docs — blocked by #2\n   - run: ls src/routes > docs.txt\n\
         9. [SLOW] Benchmarks\n   - run: {}\n",
        script("auth"),
        script("api"),
        script("net"),
        script("limit"),
        script("tests"),
        gates[0].script(),
        script("merge"),
        script("login"),
        gates[1].script(),
    )
}

/// Returns the statuses of the run in progress.
fn now(scene: &Scene) -> String {
    let ended = scene.dispatch(&["status", &scene.run_name(), "--json"]);
    statuses(&serde_json::from_str(&ended.expect(0).out).unwrap())
}

/// Waits until the statuses of the run contain this part.
#[track_caller]
fn settle(scene: &Scene, part: &str) {
    for _ in 0..2000 {
        if now(scene).contains(part) {
            return;
        }
    }
    panic!("{part} does not come about: {}", now(scene));
}

/// Drives the run to its failure report: one task is cancelled, one is interrupted with the run.
fn fail(scene: &Scene) -> String {
    let mut gates = [
        Gate::new(scene, "interrupted"),
        Gate::new(scene, "cancelled"),
    ];
    let plan = scene.plan(&plan(scene, &gates));
    let child = scene.start(&["run", &plan, "--yes", "-j", "9"]);
    gates.iter_mut().for_each(Gate::wait_until_reached);
    let run = scene.run_name();
    settle(
        scene,
        "1 DONE · 2 FAILED · 3 FAILED · 4 FAILED · 5 IN PROGRESS · 6 FAILED · 7 FAILED",
    );
    scene.dispatch(&["cancel", &run, "9"]).expect(0);
    settle(scene, "8 BLOCKED by #2 · 9 CANCELLED");
    let driver = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(driver, Signal::INT).unwrap();
    wait(child).expect(130);
    let ended = scene.dispatch(&["resume", &run]).expect(3);
    assert!(ended.out.contains("\nDispatch Failure Report\n"));
    scene.dispatch(&["report", "--markdown"]).expect(0).out
}

#[test]
fn every_class_of_failure_is_reported_and_the_run_can_still_be_brought_to_its_end() {
    let scene = Scene::new();
    let report = fail(&scene);
    assert_golden("runs/every-class-failed.md", &scene.normal(&report));
    let run = scene.run_name();
    assert!(scene.board().ends_with(&format!("\n{report}")));
    let board = scene.json();
    let classes: Vec<&str> = (0..9)
        .map(|n| board["tasks"][n]["class"].as_str().unwrap_or("-"))
        .collect();
    assert_eq!(
        classes.join(" "),
        "- input transient quota logic conflict blocker - -"
    );
    // Every command that the report suggests works as printed.
    for (task, code) in [("2", 3), ("3", 3), ("4", 3), ("5", 3), ("6", 3)] {
        // A command that failed for good has to change in the plan; this one passes the next time.
        let command = match task {
            "5" => format!("`dispatch resume {run} --plan ../plan.md`"),
            _ => format!("`dispatch retry {run} {task}`"),
        };
        assert!(report.contains(&command), "{command}");
        scene.dispatch(&["retry", &run, task]).expect(code);
    }
    scene.dispatch(&["skip", &run, "7"]).expect(3);
    let ended = scene.dispatch(&["skip", &run, "9", "--cascade"]).expect(0);
    assert!(ended.out.contains("\nDispatch Complete\n"));
    let complete = scene.dispatch(&["report", "--markdown"]).expect(0).out;
    assert_golden("runs/every-class-complete.md", &scene.normal(&complete));
}
