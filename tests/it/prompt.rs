//! Prompts of workers: content, the user's template, and `dispatch prompt`.

use std::fs;

use crate::harness::{Scene, assert_golden};

const PLAN: &str = "\
# Checkout v2

1. [AUTH] Implement authentication module
   - files: src/auth/**, tests/auth/**
   - run: mkdir -p src/auth && echo jwt > src/auth/jwt.ts && printf '%s' '{\"summary\": \"JWT\\nTask:\\nnone\"}' > $DISPATCH_RESULT_FILE
2. [API] Build API route handlers — blocked by #1
   - files: src/routes/**
   - output: the list of routes
   - run: echo one > draft.txt; echo no schema; exit 1

   Use the `User` model.
3. [TEST] Set up test infrastructure
   - run: echo t > test.ts

### Shared Context
- Project uses TypeScript + Express
";

/// Returns the prompt without its long last line.
fn told(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.contains("DISPATCH_RESULT_FILE"));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_prompt_is_printed_before_a_run_after_it_and_for_the_next_attempt() {
    let scene = Scene::new();
    let plan = scene.plan(PLAN);
    let before = scene.dispatch(&["prompt", &plan, "API"]).expect(0).out;
    assert!(scene.run_names().is_empty(), "nothing is run");
    scene.run(PLAN, &["-j", "1"]).expect(3);
    let run = scene.run_name();
    let given = scene.dispatch(&["prompt", &run, "2"]).expect(0).out;
    let folder = format!(".git/dispatch/runs/{run}/attempts/2-1");
    let file = scene.repo.join(folder).join("prompt.md");
    assert_eq!(given, fs::read_to_string(file).unwrap(), "word for word");
    let next = scene.dispatch(&["prompt", "API", "--next"]).expect(0).out;
    let left = format!("refs/dispatch/attempts/{run}/api/1");
    let range = format!("{}..{}", scene.rev(&scene.branch("auth")), scene.rev(&left));
    assert!(next.contains(&range), "{next}");
    let said = [told(&before), told(&given), told(&next)].join("---\n");
    assert_golden("prompts/three-times.md", &said);
    let second = scene
        .dispatch(&["prompt", &run, "2", "--attempt", "2"])
        .expect(1);
    assert!(
        second.err.contains("#2 of") && second.err.contains("has no attempt 2"),
        "{}",
        second.err
    );
}

#[test]
fn a_task_that_waits_for_others_is_not_said_to_be_worked_on_meanwhile() {
    let scene = Scene::new();
    let plan = "# P\n\n1. [A] First\n   - run: touch a\n2. [B] Second\n   - run: exit 1\n   - files: b/**\n\
                3. [C] Third — blocked by #2\n   - run: touch c\n   - files: c/**, d/**\n\
                4. [D] Fourth — blocked by #2\n   - run: touch d\n";
    let others = |said: String| {
        let lines = said.lines().filter(|line| line.starts_with("- Worker"));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let file = scene.plan(plan);
    let before = others(scene.dispatch(&["prompt", &file, "A"]).expect(0).out);
    scene.run(plan, &[]).expect(3);
    let after = others(scene.dispatch(&["prompt", "A", "--next"]).expect(0).out);
    insta::assert_snapshot!(format!("{before}---\n{after}"), @r"
    - Worker 2 is building b/** in parallel — use the interface, don't modify the file (its task: Second)
    - Worker 3 will build c/**, d/** later — don't modify the files (its task: Third)
    - Worker 4 will work later on: Fourth
    ---
    - Worker 2 will build b/** later — don't modify the file (its task: Second)
    - Worker 3 will build c/**, d/** later — don't modify the files (its task: Third)
    - Worker 4 will work later on: Fourth
    ");
}

#[test]
fn a_template_of_the_users_own_is_what_workers_get() {
    let scene = Scene::new();
    let template =
        "{% extends \"default\" %}\n{% block output %}\n{{ super() }}- Be brief\n{% endblock %}\n";
    scene.write("prompts/worker.jinja", template);
    scene.configure("[prompt]\ntemplate = \"prompts/worker.jinja\"\n");
    let plan = "# P\n\n1. [A] Copy what it is told\n   - run: tail -n 1 $DISPATCH_PROMPT_FILE > told.txt\n";
    scene.run(plan, &[]).expect(0);
    let told = format!("{}:told.txt", scene.branch("a"));
    assert_eq!(scene.git(&["show", &told]), "- Be brief");
    // The run keeps the text it was started with.
    scene.write("prompts/worker.jinja", "changed");
    let next = scene.dispatch(&["prompt", "A", "--next"]).expect(0).out;
    assert!(next.ends_with("- Be brief\n"), "{next}");
}

#[test]
fn a_mistake_in_the_template_is_shown_before_anything_is_created() {
    let scene = Scene::new();
    scene.write(
        "worker.jinja",
        "{{ label }}\n{% if extra %}\n{{ tittle }}\n{% endif %}\n",
    );
    scene.configure("[prompt]\ntemplate = \"worker.jinja\"\n");
    let before = scene.fingerprint();
    let plan = scene.plan("# P\n\n1. [A] Nothing\n   - run: touch a\n");
    let said = "error: worker.jinja:3: unknown variable tittle\n  3 | {{ tittle }}\nhint: did you mean title?\n";
    for args in [&["run", &plan, "--yes"][..], &["prompt", &plan, "A"]] {
        let ended = scene.dispatch(args).expect(1);
        assert_eq!(ended.err, said, "{args:?}");
    }
    before.assert_same(&scene.fingerprint());
    assert!(!scene.root.join("shop.dispatch").exists());
    assert!(
        scene
            .git(&["for-each-ref", "refs/dispatch", "refs/heads/dispatch"])
            .is_empty()
    );
    scene.configure("[prompt]\ntemplate = \"absent.jinja\"\n");
    let ended = scene.dispatch(&["run", &plan, "--yes"]).expect(1);
    assert!(
        ended.err.contains("[prompt] template names") && ended.err.contains("absent.jinja"),
        "{}",
        ended.err
    );
}

#[test]
fn a_prompt_that_is_not_there_is_said_so() {
    let scene = Scene::new();
    let plan = scene.plan(PLAN);
    let said = |args: &[&str], code: i32| scene.dispatch(args).expect(code).err;
    assert!(said(&["prompt", &plan, "9"], 1).contains("the plan has no task"));
    assert!(said(&["prompt", &plan, "1", "--next"], 2).contains("a plan has no attempts"));
    assert!(said(&["prompt", "absent.md", "1"], 1).contains("no such file"));
    assert!(said(&["prompt", "shop-", "1"], 1).contains("there is no run"));
    assert!(said(&["prompt", "1"], 1).contains("there is no run in this repository yet"));
}
