//! Things that workers leave in their worktrees, and their treatment.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::harness::Scene;

/// Runs one task with this script as its worker.
fn one(script: &str) -> Scene {
    one_with("", script)
}

/// Runs one task with more fields.
fn one_with(fields: &str, script: &str) -> Scene {
    one_in(Scene::new(), fields, script)
}

/// Runs one task whose worker shares the git folder of the repository.
fn one_unconfined(script: &str) -> Scene {
    let mut scene = Scene::new();
    scene.set_env("DISPATCH_SANDBOX_MODE", "off");
    one_in(scene, "", script)
}

fn one_in(scene: Scene, fields: &str, script: &str) -> Scene {
    scene.write("worker.sh", script);
    scene.write("old.txt", "old\n");
    scene.commit("Worker");
    scene.run(
        &format!("1. [A] Do it\n   - run: sh worker.sh\n{fields}"),
        &[],
    );
    scene
}

fn status(scene: &Scene) -> String {
    let json = scene.json();
    let task = &json["tasks"][0];
    format!(
        "{}: {}",
        task["status"].as_str().unwrap(),
        task["note"].as_str().unwrap()
    )
}

/// Lists the subjects on the task's branch, newest first.
fn subjects(scene: &Scene) -> String {
    let range = format!("main..{}", scene.branch("a"));
    scene
        .git(&["log", "--format=%s", &range])
        .replace('\n', " / ")
}

fn show(scene: &Scene, path: &str) -> String {
    scene.git(&["show", &format!("{}:{path}", scene.branch("a"))])
}

/// Lists the work that a failed attempt left.
fn kept(scene: &Scene) -> String {
    format!("refs/dispatch/attempts/{}/a/1", scene.run_name())
}

#[test]
fn own_commits_are_taken_and_the_rest_is_committed_on_top() {
    let scene = one("echo 1 > one.txt; git add one.txt; git commit -qm 'One'\necho 2 > two.txt\n");
    assert_eq!(status(&scene), "DONE: One");
    assert_eq!(subjects(&scene), "One / One");
    assert_eq!(show(&scene, "two.txt"), "2");
    let scene = one("echo 1 > one.txt; git add one.txt; git commit -qm 'One'\n");
    assert_eq!(subjects(&scene), "One");
}

#[test]
fn commits_on_a_detached_head_are_taken() {
    let scene = one("git checkout -q --detach; echo 1 > one.txt; git add .; git commit -qm One\n");
    assert_eq!(subjects(&scene), "One");
    let git = ["symbolic-ref", "HEAD"];
    let head = scene
        .command("git")
        .args(git)
        .current_dir(scene.worktree("a"))
        .output()
        .unwrap();
    let head = String::from_utf8(head.stdout).unwrap();
    assert_eq!(head.trim(), format!("refs/heads/{}", scene.branch("a")));
}

#[test]
fn commits_on_another_branch_are_taken_and_that_branch_stays() {
    let scene = one_unconfined(
        "echo 0 > zero.txt; git add .; git commit -qm Zero\n\
         git checkout -q -b feature HEAD~1; echo 1 > one.txt; git add .; git commit -qm One\n",
    );
    assert_eq!(status(&scene), "DONE: One (left work outside its result)");
    assert_eq!(subjects(&scene), "One");
    assert_eq!(scene.git(&["log", "-1", "--format=%s", "feature"]), "One");
    assert_eq!(
        scene.git(&["log", "-1", "--format=%s", &kept(&scene)]),
        "Zero"
    );
}

#[test]
fn merges_of_the_worker_stay() {
    let scene = one(
        "git checkout -q -b side; echo s > side.txt; git add .; git commit -qm Side\n\
         git checkout -q -; echo m > main.txt; git add .; git commit -qm Main\n\
         git merge -q --no-ff -m Merged side\n",
    );
    assert_eq!(subjects(&scene), "Merged / Main / Side");
}

#[test]
fn an_unfinished_merge_fails_and_is_kept() {
    let scene = one(
        "git checkout -q -b side; echo s > old.txt; git commit -qam Side\n\
         git checkout -q -; echo m > old.txt; git commit -qam Main\n\
         git merge side; exit 0\n",
    );
    assert_eq!(
        status(&scene),
        "FAILED: a merge or rebase was left unfinished; the work is kept (logic error)"
    );
    assert!(
        scene
            .git(&["show", &format!("{}:old.txt", kept(&scene))])
            .contains("<<<<<<<")
    );
}

#[test]
fn work_that_does_not_contain_its_base_fails_and_is_kept() {
    let scene = one(
        "git checkout -q --orphan fresh; git rm -rfq .; echo 1 > one.txt; git add .; git commit -qm Fresh\n",
    );
    assert_eq!(
        status(&scene),
        "FAILED: the work does not contain the commit it started from; it is kept (logic error)"
    );
    assert_eq!(scene.git(&["log", "--format=%s", &kept(&scene)]), "Fresh");
}

#[test]
fn a_repository_inside_fails_the_attempt() {
    let with_commit = "git init -q inner; cd inner; echo 1 > f; git add f; git -c user.name=x -c user.email=x@x commit -qm Inner";
    for script in [with_commit, "git init -q inner; echo 1 > inner/f"] {
        let scene = one(&format!("echo 1 > one.txt; {script}\n"));
        let said = status(&scene);
        assert!(
            said.starts_with("FAILED: ") && said.contains("inner"),
            "{said}"
        );
        assert!(said.contains("repository"), "{said}");
        assert!(scene.worktree("a").join("inner/f").exists());
        assert_eq!(scene.json()["tasks"][0]["class"], "logic");
    }
}

#[test]
fn a_changed_board_file_is_dropped_and_noted() {
    let scene = one("echo mine > DISPATCH.md; echo 1 > one.txt\n");
    assert!(status(&scene).starts_with("DONE"));
    assert!(!scene.has(&format!("{}:DISPATCH.md", scene.branch("a"))));
    let said = scene.dispatch(&["show", "1"]).expect(0).out;
    assert!(
        said.contains("its change of DISPATCH.md was dropped"),
        "{said}"
    );
    assert!(scene.board().starts_with("# Dispatch: "));
    let scene = one("echo mine > DISPATCH.md; echo 1 > one.txt; git add .; git commit -qm Both\n");
    assert!(!scene.has(&format!("{}:DISPATCH.md", scene.branch("a"))));
    assert!(scene.board().starts_with("# Dispatch: "));
    let scene = one("echo mine > DISPATCH.md\n");
    assert!(status(&scene).starts_with("FAILED"), "nothing else changed");
}

#[test]
fn ignored_files_are_not_part_of_the_work() {
    let scene = one("echo noise > build.log; echo 1 > one.txt\n");
    assert!(!scene.has(&format!("{}:build.log", scene.branch("a"))));
    let scene = one("echo noise > build.log\n");
    assert_eq!(status(&scene).split(':').next(), Some("FAILED"));
}

#[test]
fn no_change_is_a_failure_unless_none_was_asked_for() {
    let scene = one("echo all is well\n");
    assert!(status(&scene).starts_with("FAILED: "), "{}", status(&scene));
    assert_eq!(scene.json()["tasks"][0]["class"], "logic");

    let scene = one_with("   - allow_empty: true\n", "echo all is well\n");
    assert!(status(&scene).starts_with("DONE"));
    assert_eq!(
        scene.json()["tasks"][0]["candidate"],
        serde_json::Value::Null
    );

    let scene = one_with("   - produces: info\n", "echo all is well\n");
    assert_eq!(status(&scene), "DONE: all is well");
    let said = scene.dispatch(&["show", "1"]).expect(0).out;
    assert!(said.contains("report    all is well"), "{said}");
    scene.dispatch(&["land", "--yes"]).expect(1);
}

#[test]
fn the_report_of_an_info_task_reaches_the_task_that_depends_on_it() {
    let scene = Scene::new();
    let plan = "1. [ASK] Ask\n   - run: echo forty-two\n   - produces: info\n\
                2. [USE] Use — blocked by #1\n   - run: cp \"$DISPATCH_PROMPT_FILE\" prompt.md\n";
    scene.run(plan, &[]).expect(0);
    let prompt = scene.git(&["show", &format!("{}:prompt.md", scene.branch("use"))]);
    assert!(prompt.contains("forty-two"), "{prompt}");
    assert_eq!(
        scene.rev(&format!("{}~1", scene.branch("use"))),
        scene.rev("main")
    );
}

#[test]
fn modes_links_and_odd_names_come_through() {
    let scene = one("echo '#!/bin/sh' > tool; chmod +x tool\n\
         ln -s old.txt link; ln -s /nowhere/at/all dangling\n\
         chmod +x README.md\n\
         git rm -q old.txt\n\
         mkdir 'a dir'; echo s > 'a dir/with \"quotes\" and \ttab'\n\
         printf 'x' > \"$(printf 'latin\\351')\"\n\
         printf 'x' > \"$(printf 'new\\nline')\"\n\
         echo crlf-no-newline | tr -d '\\n' > -dash\n");
    assert!(status(&scene).starts_with("DONE"), "{}", status(&scene));
    let range = [
        "diff-tree",
        "-r",
        "-z",
        "--no-renames",
        "--format=",
        "main",
        &scene.branch("a"),
    ];
    let raw = scene.command("git").args(range).output().unwrap().stdout;
    let text: Vec<String> = raw
        .split(|byte| *byte == 0)
        .map(|part| match part.first() {
            Some(b':') => {
                let words: Vec<&str> = std::str::from_utf8(part).unwrap().split(' ').collect();
                format!("{} {}", words[0], words[1])
            }
            _ => part.escape_ascii().to_string(),
        })
        .collect();
    insta::assert_snapshot!(text.join("\n"), @r#"
    :000000 100644
    -dash
    :100644 100755
    README.md
    :000000 100644
    a dir/with \"quotes\" and \ttab
    :000000 120000
    dangling
    :000000 100644
    latin\xe9
    :000000 120000
    link
    :000000 100644
    new\nline
    :100644 000000
    old.txt
    :000000 100755
    tool
    "#);
    scene.dispatch(&["land", "--yes"]).expect(0);
    let latin = std::ffi::OsStr::from_bytes(b"latin\xe9");
    assert_eq!(fs::read(scene.repo.join(latin)).unwrap(), b"x");
    assert_eq!(scene.git(&["status", "--porcelain"]), "");
    scene.dispatch(&["diff", "1"]).expect(0);
    scene.dispatch(&["board", "--json"]).expect(0);
}

#[test]
fn a_conflict_in_a_file_with_an_odd_name_is_found_and_shown() {
    let scene = Scene::new();
    let run = |word: &str| format!("echo {word} > \"$(printf 'latin\\\\351 `x`|y')\"");
    scene
        .run(
            &format!(
                "1. [A] a\n   - run: {}\n2. [B] b\n   - run: {}\n",
                run("a"),
                run("b")
            ),
            &[],
        )
        .expect(4);
    assert!(scene.board().contains("| #1 × #2 |"), "{}", scene.board());
}

#[test]
fn a_worktree_that_lost_its_link_fails_the_attempt_and_nothing_runs_there() {
    let checked = "   - check: echo ran > ../checked\n";
    let scripts = [
        "echo 1 > one.txt; rm .git\n",
        "echo 1 > one.txt; rm .git; git init -q .; git config core.fsmonitor 'touch ../pwned'\n",
        "echo 1 > one.txt; d=$(git rev-parse --git-dir); rm .git; cp -r \"$d\" .git\n",
        "echo 1 > one.txt; echo 'gitdir: /tmp' > .git\n",
        "echo 1 > one.txt; echo '[core] fsmonitor = touch ../pwned' > \"$(git rev-parse --git-dir)/config.worktree\"\n",
    ];
    for script in scripts {
        let scene = one_with(checked, script);
        let said = status(&scene);
        assert!(said.starts_with("FAILED: "), "{script}: {said}");
        assert!(said.contains("no longer linked"), "{script}: {said}");
        let folder = scene.worktree("a");
        assert!(folder.join("one.txt").exists(), "the work stays");
        assert!(!folder.join("../checked").exists() && !folder.join("../pwned").exists());
        scene.dispatch(&["clean"]).expect(0);
        assert!(folder.join("one.txt").exists(), "the work stays: {script}");
    }
}

#[test]
fn a_worker_sees_no_git_variables_and_its_own_worktree() {
    let mut scene = Scene::new();
    scene.set_env("GIT_DIR", "/nowhere");
    scene.set_env("GIT_INDEX_FILE", "/nowhere");
    scene.set_env("GIT_WORK_TREE", "/nowhere");
    let plan = scene.plan("1. [A] a\n   - run: env | grep '^GIT_' > git.txt; git rev-parse --show-toplevel > top.txt; env | grep '^DISPATCH_' | sort | cut -d= -f1 > names.txt\n");
    let mut dispatch = scene.command(env!("CARGO_BIN_EXE_dispatch"));
    let ended = dispatch
        .args(["run", &plan, "--yes", "--json"])
        .output()
        .unwrap();
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    for name in ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"] {
        scene.unset_env(name);
    }
    assert_eq!(
        show(&scene, "top.txt"),
        scene.worktree("a").to_str().unwrap()
    );
    let git = show(&scene, "git.txt");
    assert!(!git.contains("/nowhere"), "{git}");
    let names = show(&scene, "names.txt");
    for name in [
        "RUN",
        "TASK",
        "TAG",
        "ATTEMPT",
        "BASE",
        "RESULT_FILE",
        "PROMPT_FILE",
    ] {
        assert!(
            names.lines().any(|line| line == format!("DISPATCH_{name}")),
            "{name}: {names}"
        );
    }
}

#[test]
fn what_a_worker_wrote_before_it_failed_is_kept() {
    let scene = one(
        "echo 1 > one.txt; git add .; git commit -qm One; echo 2 > two.txt; echo oh no >&2; exit 1\n",
    );
    assert_eq!(status(&scene), "FAILED: oh no (logic error)");
    let log = scene.git(&["log", "--format=%s", &format!("main..{}", kept(&scene))]);
    assert_eq!(log, "Uncommitted work of attempt 1 at #1\nOne");
    let logs = scene.dispatch(&["logs", "1"]).expect(0);
    assert!(logs.out.contains("oh no"), "{}", logs.out);
}

#[test]
fn a_timeout_ends_the_worker_and_what_it_started() {
    let scene = one_with(
        "   - timeout: 1s\n   - retries: 0\n",
        "echo 1 > one.txt; mkfifo p; sh -c 'read x < p' & read x < p\n",
    );
    assert_eq!(
        status(&scene),
        "FAILED: timed out after 1s (transient error)"
    );
    assert_eq!(
        scene.git(&["show", &format!("{}:one.txt", kept(&scene))]),
        "1"
    );
}

#[test]
fn a_report_that_cannot_be_read_is_remarked_on() {
    let scene = one("echo 1 > one.txt; echo '{\"summary\": ' > \"$DISPATCH_RESULT_FILE\"\n");
    assert!(status(&scene).starts_with("DONE"));
    let said = scene.dispatch(&["show", "1"]).expect(0).out;
    assert!(
        said.contains("its result file was not used: the report is not JSON"),
        "{said}"
    );
    assert!(
        scene.board().contains("its result file was not used"),
        "{}",
        scene.board()
    );
}

#[test]
fn a_branch_that_was_moved_off_its_base_fails_and_is_kept() {
    let scene = one("echo 1 > one.txt; git add .; git commit -qm One\n\
         git reset -q --hard $(git commit-tree -m Fresh $(git write-tree))\n");
    assert!(status(&scene).starts_with("FAILED: the work does not contain the commit"));
    assert_eq!(scene.git(&["log", "--format=%s", &kept(&scene)]), "Fresh");
}

#[test]
fn a_branch_that_was_renamed_or_deleted_comes_back() {
    let scene =
        one_unconfined("echo 1 > one.txt; git add .; git commit -qm One; git branch -m mine\n");
    assert_eq!(status(&scene), "DONE: One");
    assert_eq!(scene.rev("mine"), scene.rev(&scene.branch("a")));
    let scene = one(
        "b=$(git symbolic-ref HEAD); git checkout -q --detach; git update-ref -d $b; echo 1 > one.txt\n",
    );
    assert!(status(&scene).starts_with("DONE"), "{}", status(&scene));
    assert_eq!(show(&scene, "one.txt"), "1");
}

#[test]
fn locks_that_a_killed_git_left_are_no_hindrance() {
    let scene =
        one("echo 1 > one.txt; d=$(git rev-parse --git-dir); touch $d/index.lock $d/HEAD.lock\n");
    assert!(status(&scene).starts_with("DONE"), "{}", status(&scene));
    assert_eq!(show(&scene, "one.txt"), "1");
}

#[test]
fn an_index_that_is_gone_or_broken_loses_nothing() {
    let scene = one("echo 1 > one.txt; rm $(git rev-parse --git-dir)/index\n");
    assert!(status(&scene).starts_with("DONE"), "{}", status(&scene));
    let changed = scene.git(&["diff", "--name-only", "main", &scene.branch("a")]);
    assert_eq!(changed, "one.txt");
    let scene = one("echo 1 > one.txt; echo garbage > $(git rev-parse --git-dir)/index\n");
    let said = status(&scene);
    assert!(said.starts_with("FAILED: `git add "), "{said}");
    assert!(scene.worktree("a").join("one.txt").exists());
}

#[test]
fn a_worktree_that_was_removed_fails_the_attempt() {
    for script in [
        "rm -rf \"$PWD\"\n",
        "git worktree remove --force --force \"$PWD\"\n",
    ] {
        let scene = one(script);
        assert!(status(&scene).starts_with("FAILED"), "{}", status(&scene));
        scene.dispatch(&["clean"]).expect(0);
        assert_eq!(scene.git(&["worktree", "list"]).lines().count(), 1);
    }
}
