//! The content of a new worktree before its worker starts: copies, links, set-up; and its teardown.

use crate::harness::Scene;

fn scene() -> Scene {
    let scene = Scene::new();
    scene.write(".gitignore", ".env\ncache/\nsecret/\n");
    scene.write("app.txt", "one\n");
    scene.commit("a project");
    scene
}

fn plan(command: &str) -> String {
    format!("# Furnished\n\n1. [WORK] Look around\n   - run: {command}\n")
}

#[test]
fn ignored_files_are_copied_by_pattern_and_never_committed() {
    let scene = scene();
    scene.write(".worktreeinclude", "secret/\n");
    scene.configure("[worktree]\ncopy = [\".env\", \"notes.txt\"]\n");
    scene.write(".env", "KEY=1\n");
    scene.write("secret/key", "s\n");
    scene.write("notes.txt", "untracked, but not ignored\n");
    let plan = plan("ls -A > seen.txt; cat .env secret/key >> seen.txt");
    scene.run(&plan, &[]).expect(0);
    let work = scene.branch("work");
    let seen = scene.git(&["show", &format!("{work}:seen.txt")]);
    assert!(seen.contains("KEY=1\ns"), "{seen}");
    assert!(
        !seen.contains("notes.txt"),
        "only ignored files are copied: {seen}"
    );
    let files = scene.git(&["diff", "--name-only", "main", &work]);
    assert_eq!(files, "seen.txt");
}

#[test]
fn linked_paths_are_links_and_no_part_of_the_candidate() {
    // git ignores a link by the second pattern alone.
    for pattern in ["cache/\n", "cache\n"] {
        let scene = scene();
        scene.write(".gitignore", pattern);
        scene.commit("ignore the cache");
        scene.write("cache/big", "b\n");
        scene.configure("[worktree]\nlink = [\"cache\", \"absent\"]\n");
        let plan = plan("test -L cache && cp cache/big got.txt");
        scene.run(&plan, &[]).expect(0);
        let files = scene.git(&["diff", "--name-only", "main", &scene.branch("work")]);
        assert_eq!(files, "got.txt");
    }
}

#[test]
fn a_link_is_no_work_also_where_a_worker_commits_it_and_keeps_no_worktree_alive() {
    let scene = scene();
    scene.write("cache/big", "b\n");
    scene.configure("[worktree]\nlink = [\"cache/\"]\n");
    let plan = plan("cp cache/big got.txt; git add --all; git commit --quiet -m work");
    scene.run(&plan, &[]).expect(0);
    let files = scene.git(&["diff", "--name-only", "main", &scene.branch("work")]);
    assert_eq!(files, "got.txt");
    let shown = scene.dispatch(&["show", "1"]).expect(0).out;
    let said = "its change of cache was dropped: it is a link that dispatch made";
    assert!(shown.contains(said), "{shown}");
    scene.dispatch(&["land", "--yes"]).expect(0);
    let place = scene.worktree("work");
    let cleaned = scene.dispatch(&["clean"]).expect(0);
    assert!(!place.exists(), "{}{}", cleaned.out, cleaned.err);
    assert_eq!(scene.read("cache/big"), "b\n");
}

#[test]
fn a_set_up_that_fails_is_a_blocker_of_its_own_kind_and_the_worker_never_runs() {
    let scene = scene();
    scene.configure(
        "[worktree]\nsetup = [\"touch ready\", \"echo looking; echo no compiler; exit 3\"]\n",
    );
    let plan = plan("touch ran");
    scene.run(&plan, &[]).expect(3);
    let board = scene.json();
    assert_eq!(board["tasks"][0]["class"], "blocker");
    let note = "set-up `echo looking; echo no compiler; exit 3` failed: no compiler (blocker; the worker never ran)";
    assert_eq!(board["tasks"][0]["note"], note);
    let report: serde_json::Value =
        serde_json::from_str(&scene.dispatch(&["report", "--json"]).expect(0).out).unwrap();
    let failed = &report["report"]["failed"][0];
    assert_eq!(
        (&failed["class"], &failed["kind"]),
        (&"blocker".into(), &"setup".into())
    );
    assert_eq!(failed["root_cause"], "looking\nno compiler");
    let markdown = scene.dispatch(&["report", "--markdown"]).expect(0).out;
    for said in [
        "[FAILED, no retry]",
        "- **Error type:** Blocker in the worktree set-up (the worker never ran; non-retryable until it is fixed)",
        "looking\n  no compiler",
        "): Set-up failed, not counted — `` set-up `echo looking; echo no compiler; exit 3` failed: no compiler ``",
        "fix the worktree set-up, then `dispatch retry",
    ] {
        assert!(markdown.contains(said), "{said}\n{markdown}");
    }
    let logs = "$ touch ready\n$ echo looking; echo no compiler; exit 3\nlooking\nno compiler\n";
    assert_eq!(scene.dispatch(&["logs", "1"]).expect(0).out, logs);
    assert_eq!(
        scene.dispatch(&["logs", "1", "--setup"]).expect(0).out,
        logs
    );
    assert!(scene.worktree("work").join("ready").exists());
    assert!(!scene.worktree("work").join("ran").exists());
}

#[test]
fn a_set_up_that_failed_uses_up_no_retry_and_is_not_told_to_the_worker() {
    let mut scene = scene();
    scene.set_env("DISPATCH_RETRY_TRANSIENT", "1");
    let once = scene.root.join("once");
    scene.configure(&format!(
        "[worktree]\nsetup = [\"echo setting up; test -e {once}\"]\n",
        once = once.display()
    ));
    let plan = plan(
        "if [ $DISPATCH_ATTEMPT = 2 ]; then echo connection reset by peer; exit 75; fi; touch ran",
    );
    scene.run(&plan, &[]).expect(3);
    std::fs::write(&once, "").unwrap();
    scene.dispatch(&["retry", "1"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE");
    let told = scene
        .dispatch(&["prompt", "1", "--attempt", "2"])
        .expect(0)
        .out;
    assert!(!told.contains("set-up"), "{told}");
    let logs = |more: &[&str]| {
        scene
            .dispatch(&[&["logs", "1"], more].concat())
            .expect(0)
            .out
    };
    assert_eq!(logs(&[]), "");
    assert_eq!(logs(&["--attempt", "2"]), "connection reset by peer\n");
    let set_up = logs(&["--setup"]);
    assert!(
        set_up.starts_with("$ echo setting up; test -e ") && set_up.ends_with("\nsetting up\n")
    );
}

#[test]
fn a_file_that_cannot_be_copied_is_a_failed_set_up_too() {
    let scene = scene();
    scene.write("cache", "a file here\n");
    scene.git(&["add", "--force", "cache"]);
    scene.commit("with a file of that name");
    scene.git(&["rm", "--quiet", "cache"]);
    scene.configure("[worktree]\ncopy = [\"cache/*\"]\n");
    scene.write("cache/big", "b\n");
    scene
        .run(&plan("touch ran"), &["--base", "HEAD~1"])
        .expect(3);
    let note = scene.json()["tasks"][0]["note"]
        .as_str()
        .unwrap()
        .to_owned();
    let place = scene.worktree("work").join("cache/big");
    let said = format!("could not copy it to {}", place.display());
    assert!(
        note.starts_with("set-up failed: could not copy it to"),
        "{note}"
    );
    let logs = scene.dispatch(&["logs", "1"]).expect(0).out;
    assert!(
        logs.starts_with(&format!("$ files to copy and to link\n{said}: ")),
        "{logs}"
    );
}

#[test]
fn a_copy_keeps_its_permissions_and_its_time_of_change() {
    let scene = scene();
    scene.configure("[worktree]\ncopy = [\"cache/*\"]\n");
    scene.write_program("cache/tool", "#!/bin/sh\necho tool\n");
    let original = scene.repo.join("cache/tool");
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let file = std::fs::File::options()
        .append(true)
        .open(&original)
        .unwrap();
    file.set_modified(long_ago).unwrap();
    scene.run(&plan("cache/tool > said.txt"), &[]).expect(0);
    let copy = std::fs::metadata(scene.worktree("work").join("cache/tool")).unwrap();
    assert_eq!(copy.modified().unwrap(), long_ago);
    assert_eq!(
        copy.permissions(),
        std::fs::metadata(&original).unwrap().permissions()
    );
}

#[test]
fn set_up_comes_before_the_worker_and_teardown_before_removal() {
    let scene = scene();
    scene.configure(
        "[worktree]\nsetup = [\"mkdir -p cache && echo warm > cache/state\"]\n\
         teardown = [\"cat cache/state >> ../torn-down\"]\n",
    );
    let plan = plan("cp cache/state state.txt");
    scene.run(&plan, &[]).expect(0);
    let place = scene.worktree("work");
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    assert!(!place.exists());
    let torn_down = place.parent().unwrap().join("torn-down");
    assert_eq!(std::fs::read_to_string(torn_down).unwrap(), "warm\n");
}

#[test]
fn what_a_teardown_says_is_kept_and_one_that_fails_keeps_its_worktree() {
    let scene = scene();
    let free = scene.root.join("free");
    scene.configure(&format!(
        "[worktree]\nteardown = [\"echo closing\", \"echo port in use; echo; test -e {}\"]\n",
        free.display()
    ));
    scene.run(&plan("touch ran"), &[]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    let refused = scene.dispatch(&["clean"]).expect(1).err;
    let said = "`echo port in use; echo; test -e ";
    assert!(
        refused.contains(said) && refused.contains("port in use\n"),
        "{refused}"
    );
    assert!(scene.worktree("work").exists());
    let logs = scene.dispatch(&["logs", "1", "--teardown"]).expect(0).out;
    assert!(
        logs.starts_with("$ echo closing\nclosing\n$ echo port in use; echo;"),
        "{logs}"
    );
    std::fs::write(&free, "").unwrap();
    scene.dispatch(&["clean"]).expect(0);
    assert!(!scene.worktree("work").exists());
    let logs = scene.dispatch(&["logs", "1", "--teardown"]).expect(0).out;
    assert_eq!(logs.matches("port in use\n").count(), 1, "{logs}");
}

#[test]
fn a_set_up_that_is_broken_for_the_whole_run_is_tried_for_two_tasks_and_said_once() {
    let scene = scene();
    let ready = scene.root.join("ready");
    scene.configure(&format!(
        "[run]\nmax_parallel = 1\n[worktree]\n\
         setup = [\"pwd; echo no compiler in $PWD; test -e {}\"]\n",
        ready.display()
    ));
    let plan = "# Broken\n\n1. [A] One\n   - run: touch a\n2. [B] Two\n   - run: touch b\n\
                3. [C] Three\n   - run: touch c\n4. [D] Four — blocked by #3\n   - run: touch d\n";
    let ended = scene.run(plan, &[]).expect(3);
    assert_eq!(
        scene.statuses(),
        "1 FAILED · 2 QUEUED · 3 FAILED · 4 BLOCKED by #3"
    );
    let said = "no more tasks start: worktree set-up failed for #1 and #3: set-up `pwd;";
    assert_eq!(ended.err.matches(said).count(), 1, "{}", ended.err);
    let board = scene.json();
    let notices: Vec<&str> = board["notices"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|notice| notice.as_str())
        .collect();
    assert!(notices[0].starts_with(said), "{notices:?}");
    let hint = format!(
        "fix the set-up, then continue with `dispatch resume {}`",
        scene.run_name()
    );
    assert_eq!(notices[1..], [hint.as_str()]);
    std::fs::write(&ready, "").unwrap();
    scene.dispatch(&["retry", "1"]).expect(3);
    assert_eq!(
        scene.statuses(),
        "1 DONE · 2 DONE · 3 FAILED · 4 BLOCKED by #3"
    );
    scene.dispatch(&["retry", "3"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 DONE · 4 DONE");
    assert_eq!(scene.json()["notices"], serde_json::json!([]));
}
