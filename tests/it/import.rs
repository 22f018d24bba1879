//! `dispatch plan import` as a program: from a file to a run, and back to marks in the file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::Scene;

const SPEC_KIT: &str = include_str!("../../fixtures/imports/spec-kit.md");
const TASK_MASTER: &str = include_str!("../../fixtures/imports/task-master.json");
const GITHUB: &str = include_str!("../../fixtures/imports/github.json");

/// A scene whose worker does every task but that of this tag.
fn scene(fails: &str) -> Scene {
    let scene = Scene::new();
    scene.configure(&format!(
        "[run]\nworker = \"any\"\n[workers.any]\ncommand = [\"sh\", \"-c\", \
         \"test $DISPATCH_TAG != {fails} && echo $DISPATCH_TAG > $DISPATCH_TAG.txt\"]\n"
    ));
    scene
}

#[test]
fn the_tasks_of_a_specification_are_run_and_marked() {
    let scene = scene("T008");
    scene.write("specs/rental/tasks.md", SPEC_KIT);
    let place = scene.repo.join("specs/rental/tasks.md");
    fs::set_permissions(&place, fs::Permissions::from_mode(0o640)).unwrap();
    scene.commit("Tasks");
    let folder = scene.repo.join("specs/rental");
    let args = [
        "plan",
        "import",
        "spec-kit",
        "tasks.md",
        "-o",
        "../../../rental.md",
    ];
    let ended = scene.dispatch_in(&folder, &args).expect(0);
    insta::assert_snapshot!(ended.err, @r#"
    not carried over:
      line 3: text outside the tasks was left out
      line 7: "Create the project structure" is done and was left out
      line 16: text outside the tasks was left out
      line 26: T009 depends on "T099", which is not in the text
      line 35: text outside the tasks was left out
    saved 10 tasks to ../../../rental.md
    "#);
    let plan = fs::read_to_string(scene.root.join("rental.md")).unwrap();
    assert!(
        plan.contains("   - source: spec-kit specs/rental/tasks.md T004\n"),
        "{plan}"
    );
    scene.dispatch(&["run", "../rental.md", "--yes"]).expect(3);
    let before = scene.read("specs/rental/tasks.md");
    let would = scene
        .dispatch(&["plan", "import", "--tick", "--dry-run"])
        .expect(0);
    insta::assert_snapshot!(would.out, @"specs/rental/tasks.md: would mark T002, T003, T004, T005, T006, T007, T009");
    assert_eq!(scene.read("specs/rental/tasks.md"), before);
    let run = scene.run_name();
    let ended = scene
        .dispatch(&["plan", "import", "--tick", &run])
        .expect(0);
    assert_eq!(ended.out, would.out.replace("would mark", "marked"));
    assert!(
        ended.err.contains("hint: the run has not landed yet"),
        "{}",
        ended.err
    );
    let after = scene.read("specs/rental/tasks.md");
    assert_eq!(
        after,
        before
            .replace("[ ] T002", "[X] T002")
            .replace("[ ] T003", "[X] T003")
            .replace("[ ] T004", "[X] T004")
            .replace("[ ] T005", "[X] T005")
            .replace("[ ] T006", "[X] T006")
            .replace("[ ] T007", "[X] T007")
            .replace("[ ] T009", "[X] T009")
    );
    assert_eq!(
        fs::metadata(&place).unwrap().permissions().mode() & 0o777,
        0o640
    );
    // Nothing else of the checkout has changed.
    scene.write("specs/rental/tasks.md", &before);
    assert_eq!(scene.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_task_that_is_gone_leaves_every_file_alone() {
    let scene = scene("none");
    scene.write("tasks.json", TASK_MASTER);
    scene.commit("Tasks");
    scene
        .dispatch(&[
            "plan",
            "import",
            "task-master",
            "tasks.json",
            "-o",
            "../plan.toml",
        ])
        .expect(0);
    scene.dispatch(&["run", "../plan.toml", "--yes"]).expect(0);
    let changed = TASK_MASTER.replace("\"id\": \"3\"", "\"id\": \"33\"");
    scene.write("tasks.json", &changed);
    let ended = scene.dispatch(&["plan", "import", "--tick"]).expect(1);
    insta::assert_snapshot!(ended.err.replace(&scene.run_name(), "<run>"), @r"
    using run <run>
    error: tasks.json: this task is not in it any more: 3
    hint: no file has changed; mark the others by hand
    ");
    assert_eq!(scene.read("tasks.json"), changed);
    scene.write("tasks.json", TASK_MASTER);
    let ended = scene.dispatch(&["plan", "import", "--tick"]).expect(0);
    assert_eq!(ended.out, "tasks.json: marked 2, 2.1, 2.2, 3\n");
    let ended = scene.dispatch(&["plan", "import", "--tick"]).expect(0);
    assert_eq!(ended.out, "tasks.json: all are marked already\n");
    fs::remove_file(scene.repo.join("tasks.json")).unwrap();
    scene.dispatch(&["plan", "import", "--tick"]).expect(1);
}

#[test]
fn a_plan_cannot_name_a_file_outside_of_the_checkout() {
    for file in ["../list.md", "link.md", ".git/config"] {
        let scene = scene("none");
        fs::write(scene.root.join("list.md"), "- [ ] a\n").unwrap();
        std::os::unix::fs::symlink(scene.root.join("list.md"), scene.repo.join("link.md")).unwrap();
        scene.commit("A link");
        let plan = format!("# P\n1. [A] a\n   - source: checklist {file} a\n");
        scene.run(&plan, &[]).expect(0);
        let ended = scene.dispatch(&["plan", "import", "--tick"]).expect(1);
        let said = format!("error: {file} is not a file of this checkout\n");
        assert!(ended.err.contains(&said), "{}", ended.err);
        assert_eq!(
            fs::read_to_string(scene.root.join("list.md")).unwrap(),
            "- [ ] a\n"
        );
    }
}

#[test]
fn issues_are_imported_and_never_closed() {
    let mut scene = scene("none");
    let folder = scene.root.join("hub");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("issues.json"), GITHUB).unwrap();
    scene.set_env("FAKE_GH", folder.to_str().unwrap());
    let programs = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/gh");
    let path = std::env::var("PATH").unwrap();
    scene.set_env("PATH", &format!("{programs}:{path}"));
    let args = [
        "plan",
        "import",
        "github",
        "--label",
        "ready",
        "--search",
        "bikes",
        "-o",
        "../plan.md",
    ];
    scene.dispatch(&args).expect(0);
    let calls = fs::read_to_string(folder.join("calls")).unwrap();
    assert_eq!(
        calls.trim(),
        "issue list --state open --limit 1000 --json number,title,body,state,url --label ready --search bikes"
    );
    scene.dispatch(&["run", "../plan.md", "--yes"]).expect(0);
    let ended = scene.dispatch(&["plan", "import", "--tick"]).expect(0);
    assert_eq!(
        ended.out,
        "ada/bikes: finished #12, #14; every issue stays open\n"
    );
    assert_eq!(fs::read_to_string(folder.join("calls")).unwrap(), calls);
    scene.set_env("FAKE_GH_SAYS", "login");
    let ended = scene
        .dispatch(&["plan", "import", "github", "--label", "ready"])
        .expect(1);
    assert!(
        ended.err.contains("hint: `gh auth login` logs in"),
        "{}",
        ended.err
    );
}

#[test]
fn wrong_requests_are_refused() {
    let scene = scene("none");
    scene.write("list.md", "- [ ] a\n");
    scene.write("done.md", "- [x] a\n");
    scene.write("bad.json", "{\"master\": ");
    scene.write("plan.md", "mine\n");
    let cases: &[&[&str]] = &[
        &["spec-kit"],
        &["checklist", "no.md"],
        &["checklist", "done.md"],
        &["spec-kit", "list.md"],
        &["task-master", "bad.json"],
        &["checklist", "list.md", "-o", "plan.md"],
        &["checklist", "list.md", "-o", "plan.txt"],
        &["checklist", "list.md", "--label", "x"],
        &["beads", "list.md", "--list", "x"],
        &["github"],
        &["github", "list.md", "--label", "x"],
        &["--tick"],
    ];
    let said = cases.iter().map(|args| {
        let ended = scene.dispatch(&[&["plan", "import"], *args].concat());
        format!("{}{}", ended.err, ended.code)
    });
    insta::assert_snapshot!(said.collect::<Vec<_>>().join("\n"), @r"
    error: there is no file to import
    hint: `dispatch plan import spec-kit FILE`
    2
    error: could not read no.md: no such file
    1
    error: done.md: every task in it is done or left out
    1
    error: list.md: there is no task in it
    1
    error: bad.json: line 1: invalid JSON: EOF while parsing a value
    2
    error: plan.md exists already
    hint: choose another name or remove it first
    1
    error: plan.txt has no known extension
    hint: a plan is .md, .markdown, .toml or .json
    2
    error: --label and --search belong to github
    2
    error: --list belongs to task-master
    2
    error: name the issues to import by --label or --search
    2
    error: github has no file: name issues by --label or --search
    2
    error: there is no run in this repository yet
    hint: `dispatch run PLAN` starts one; `dispatch demo` shows an example
    1
    ");
    assert_eq!(scene.read("plan.md"), "mine\n");
    let out = scene
        .dispatch(&["plan", "import", "checklist", "list.md"])
        .expect(0)
        .out;
    insta::assert_snapshot!(out, @r"
    # list

    ## Dispatch Plan

    ### Independent (parallel)
    1. [a] a
       - source: checklist list.md a
    ");
    scene.run("# P\n1. [A] a\n", &[]).expect(0);
    let ended = scene.dispatch(&["plan", "import", "--tick"]).expect(1);
    assert!(ended.err.contains(&format!(
        "error: no task of {} was imported",
        scene.run_name()
    )));
}
