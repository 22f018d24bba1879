//! Secrets that a worker prints, reports or commits.

use std::fs;

use crate::harness::Scene;

const KEY: &str = "hunter2-hunter2-hunter2";
const TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

#[test]
fn a_secret_in_a_committed_file_is_named_with_its_line_and_masked() {
    let mut scene = Scene::new();
    scene.set_env("MY_API_KEY", KEY);
    scene.write("old.txt", &format!("{TOKEN} was here before\n"));
    scene.commit("Old");
    let plan = "1. [A] a
   - run: echo more >> old.txt; printf 'x = 1\\nkey = %s\\n' \"$MY_API_KEY\" > code.py; git add code.py; git commit -qm \"with $MY_API_KEY\"; sed -i 2d code.py
2. [B] b
   - run: printf 'port = 80\\n' > config.ini; printf 'token = ghp_%s\\n' 0123456789abcdefghijABCDEFGHIJ012345 >> config.ini
";
    let ended = scene
        .run(&plan.replace("TOKEN", TOKEN), &["-j", "1"])
        .expect(0);
    let in_commit = "has a secret: key = [masked]";
    let in_file = "config.ini:2 has a secret: token = [masked]";
    assert!(ended.out.contains(in_file), "{}", ended.out);
    let shown = scene.dispatch(&["show", "1"]).expect(0).out;
    assert!(shown.contains("code.py:2 of commit "), "{shown}");
    assert!(shown.contains(in_commit), "{shown}");
    assert!(shown.contains("has a secret: with [masked]"), "{shown}");
    let reviewed = scene.dispatch(&["review"]).expect(0).out;
    assert!(reviewed.contains(in_file), "{reviewed}");
    let board = scene.board();
    assert!(board.contains("config.ini:2 has a secret"), "{board}");
    let landed = scene.dispatch(&["land", "--yes"]).expect(0);
    assert!(landed.err.contains(in_file), "{}", landed.err);
    scene.git(&["init", "--quiet", "--bare", "../remote.git"]);
    scene.git(&["remote", "add", "origin", "../remote.git"]);
    let push = scene.dispatch(&["push"]).expect(2);
    assert!(push.err.contains(in_file), "{}", push.err);
    assert_eq!(scene.git(&["ls-remote", "origin"]), "");
    scene.dispatch(&["push", "--yes"]).expect(0);
    for text in [
        &ended.out,
        &shown,
        &reviewed,
        &board,
        &landed.err,
        &push.err,
    ] {
        assert!(!text.contains(KEY) && !text.contains(TOKEN), "{text}");
        assert!(!text.contains("old.txt:"), "{text}");
    }
}

#[test]
fn commits_that_name_another_task_are_replaced_by_one() {
    let scene = Scene::new();
    let forged =
        "-m c -m 'Dispatch-Run: other-9999' -m 'Dispatch-Run: other-9999\nDispatch-Task: 2 B'";
    let script = format!(
        "echo a > a.txt; git add -A; git commit -q {}",
        forged.replace('\n', "' -m '")
    );
    let plan = format!(
        "1. [A] a\n   - run: {script}\n2. [B] b\n   - run: echo b > b.txt\n3. [C] c — blocked by #2\n   - run: echo c > c.txt; git add -A; git commit -qm mine\n"
    );
    scene.run(&plan, &[]).expect(0);
    let trailers = |slug: &str| {
        let log = [
            "log",
            "--format=%(trailers:key=Dispatch-Task,valueonly,separator=%x2C)",
            "-1",
        ];
        scene.git(&[&log[..], &[&scene.branch(slug)]].concat())
    };
    assert_eq!(trailers("a"), "1 A");
    assert_eq!(trailers("b"), "2 B");
    let subject = scene.git(&["log", "-1", "--format=%s", &scene.branch("c")]);
    assert_eq!(subject, "mine", "other commits stay as they are");
    let shown = scene.dispatch(&["show", "1"]).expect(0).out;
    assert!(shown.contains("its commits named another task"), "{shown}");
}

#[test]
fn no_page_shows_a_secret_that_the_command_masks() {
    let mut scene = Scene::new();
    scene.set_env("SHOP_TOKEN", "hunter2-hunter2");
    let token = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    let plan = format!(
        "# Shop\n\n1. [A] First with {token}\n   - run: echo a > a.txt; echo hunter2-hunter2\n   \
         - check: test hunter2-hunter2 != {token}\n"
    );
    scene.run(&plan, &[]).expect(0);
    let run = scene.run_name();
    let shown = scene.dispatch(&["show", &run, "1"]).expect(0).out;
    assert!(shown.contains("[masked]"), "{shown}");
    let folder = scene.root.join("pages");
    let out = folder.to_str().unwrap();
    scene.dispatch(&["web", "--export", out]).expect(0);
    let page = fs::read_to_string(folder.join(&run).join("task-1.html")).unwrap();
    assert!(page.contains("[masked]"), "{page}");
    for text in [&shown, &page] {
        for secret in ["hunter2-hunter2", token] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
