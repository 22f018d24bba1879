//! The configuration of a submodule or a nested repository is its worker's: no filter in it runs once the
//! worker has ended, nor while dispatch looks at its work.

use std::fs;

use crate::harness::Scene;
use crate::submodules;

/// Writes a filter that leaves a trace if it runs after the worker, and the worker's script. Returns the
/// plan's command.
fn worker(scene: &Scene, script: &str) -> String {
    let root = scene.root.display();
    let filter = format!("[ -e {root}/ended ] && touch {root}/executed; cat\n");
    fs::write(scene.root.join("filter.sh"), filter).unwrap();
    let script = format!(
        "set -e
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@x
F='sh {root}/filter.sh'
plant() {{
    for key in filter.q=r.clean filter.q=r.smudge core.fsmonitor; do git -C $1 config $key \"$F\"; done
    echo '* filter=q=r' > $1/.gitattributes
    echo 2 > $1/a.txt; touch -d 2020-01-01 $1/a.txt
}}
{script}
echo 1 > one.txt
touch {root}/ended
"
    );
    fs::write(scene.root.join("worker.sh"), script).unwrap();
    format!("sh {root}/worker.sh")
}

/// Runs the worker and every command that may look at its work.
fn visit(scene: &Scene, command: &str, code: i32) {
    let plan = format!("1. [A] a\n   - run: {command}\n2. [B] b\n   - run: echo b > b.txt\n");
    scene.run(&plan, &[]).expect(code);
    for args in [
        &["conflicts"][..],
        &["diff", "A"],
        &["review"],
        &["doctor"],
        &["assemble", "--recheck"],
        &["land", "--yes"],
        &["clean"],
    ] {
        scene.dispatch(args);
    }
    assert!(!scene.root.join("executed").exists());
}

#[test]
fn filters_of_a_submodule_with_its_own_git_folder_do_not_run() {
    let scene = Scene::new();
    let script =
        "git init -q sub; echo 1 > sub/a.txt; git -C sub add a.txt; git -C sub commit -qm s
printf '[submodule \"sub\"]\\n\\tpath = sub\\n\\turl = ./sub\\n' > .gitmodules
git add .gitmodules sub; git commit -qm sub; plant sub";
    let command = worker(&scene, script);
    visit(&scene, &command, 0);
}

#[test]
fn filters_of_a_nested_repository_do_not_run() {
    let scene = Scene::new();
    let script = "git init -q sub; echo 1 > sub/a.txt; git -C sub add a.txt; git -C sub commit -qm s; plant sub";
    let command = worker(&scene, script);
    visit(&scene, &command, 3);
    assert!(scene.root.join("ended").exists());
}

#[test]
fn filters_of_a_submodule_that_was_checked_out_do_not_run() {
    let scene = submodules::scene();
    scene.git(&["submodule", "update", "--quiet", "--init", "--recursive"]);
    scene.configure("[worktree]\nsubmodules = true\n");
    let command = worker(&scene, "plant sub");
    visit(&scene, &command, 0);
}

#[test]
fn a_commit_that_is_checked_out_in_a_submodule_is_staged_and_a_removed_submodule_too() {
    let scene = submodules::scene();
    scene.git(&["submodule", "update", "--quiet", "--init", "--recursive"]);
    scene.configure("[worktree]\nsubmodules = true\n");
    let commit = "cd sub && echo w > w.txt && git add -A && git commit -qm inner && git rev-parse HEAD > ../id.txt";
    let plan =
        format!("1. [A] a\n   - run: {commit}\n2. [B] b\n   - run: rm -rf sub .gitmodules\n");
    scene.run(&plan, &["--no-assemble"]).expect(0);
    let listed = scene.git(&["ls-tree", &scene.branch("a"), "sub"]);
    let id = scene.git(&["show", &format!("{}:id.txt", scene.branch("a"))]);
    assert_eq!(listed, format!("160000 commit {id}\tsub"));
    assert_eq!(scene.git(&["ls-tree", &scene.branch("b"), "sub"]), "");
}
