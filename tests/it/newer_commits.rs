//! Commits made by hand on the branches of passed tasks: noticed, offered and taken.

use std::fs;
use std::path::Path;

use crate::harness::Scene;

const PLAN: &str = "# Later

1. [A] First
   - run: echo a > a.txt
   - check: test ! -e bad.txt || { echo bad.txt is here; false; }
2. [B] Second — blocked by #1
   - run: ls > b.txt
";

/// Runs the plan and commits a file in the worktree of #1.
fn with_commit_by_hand(file: &str) -> Scene {
    let scene = Scene::new();
    scene.run(PLAN, &[]).expect(0);
    commit_in(&scene, &scene.worktree("a"), file);
    scene
}

fn commit_in(scene: &Scene, folder: &Path, file: &str) {
    fs::write(folder.join(file), "by hand\n").unwrap();
    let folder = folder.to_str().unwrap();
    scene.git(&["-C", folder, "add", "-A"]);
    scene.git(&["-C", folder, "commit", "-qm", "By hand"]);
}

#[test]
fn commits_on_the_branch_of_a_passed_task_are_noticed_until_the_run_lands() {
    let scene = with_commit_by_hand("fix.txt");
    let run = scene.run_name();
    let words = format!(
        "#1 [A]: its branch dispatch/{run}/a has 1 commit that is not in its result; `dispatch \
         assemble {run} --take 1` takes it"
    );
    for args in [
        &["status"][..],
        &["assemble", "--dry-run"],
        &["assemble"],
        &["land", "--dry-run"],
        &["land", "--yes"],
    ] {
        let said = scene.dispatch(args).expect(0).err;
        assert!(said.contains(&words), "{args:?}: {said}");
    }
    assert!(!scene.repo.join("fix.txt").exists());
    let cleaned = scene.dispatch(&["clean"]).expect(0).err;
    assert!(cleaned.contains("has work that is not landed"), "{cleaned}");
}

#[test]
fn json_counts_them_as_documented() {
    let scene = Scene::new();
    scene.run(PLAN, &[]).expect(0);
    let status = || -> serde_json::Value {
        let out = scene.dispatch(&["status", "--json"]).expect(0).out;
        serde_json::from_str(&out).unwrap()
    };
    assert_eq!(status()["tasks"][0].get("newer_commits"), None);
    commit_in(&scene, &scene.worktree("a"), "fix.txt");
    let expected = serde_json::json!({"count": 1, "tip": scene.rev(&scene.branch("a"))});
    let now = status();
    assert_eq!(now["tasks"][0]["newer_commits"], expected);
    assert_eq!(now["tasks"][1].get("newer_commits"), None);
    let docs = include_str!("../../docs/json.md");
    assert!(docs.contains("`newer_commits` (`count` and `tip`"));
}

#[test]
fn taken_commits_are_checked_and_what_was_built_on_the_task_is_done_again() {
    let scene = with_commit_by_hand("fix.txt");
    scene.dispatch(&["assemble", "--take", "A"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("fix.txt"), "by hand\n");
    assert!(
        scene.read("b.txt").contains("fix.txt"),
        "#2 was built on it"
    );
    let attempt = |place: &str| -> String {
        let shown = scene.dispatch(&["blame", place]).expect(0).out;
        let attempt = shown
            .lines()
            .find_map(|line| line.trim().strip_prefix("attempt"));
        attempt.expect(&shown).trim().to_owned()
    };
    assert_eq!(attempt("a.txt:1"), "1 by shell");
    assert_eq!(attempt("fix.txt:1"), "2, made by hand");
}

#[test]
fn the_result_stays_if_the_checks_of_taken_commits_fail() {
    let scene = with_commit_by_hand("bad.txt");
    let (commit, base) = (scene.rev(&scene.branch("a")), scene.rev(&scene.branch("b")));
    let ended = scene.dispatch(&["assemble", "--take", "1"]).expect(3);
    let words = format!(
        "kept the earlier result of #1, because commit {} was not taken",
        &commit[..7]
    );
    assert!(ended.out.contains(&words), "{}", ended.out);
    assert!(ended.out.contains("bad.txt is here"), "{}", ended.out);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
    assert_eq!(scene.rev(&scene.branch("b")), base, "#2 is not done again");
    let board = scene.dispatch(&["status"]).expect(0).out;
    assert!(board.contains("was not taken"), "{board}");
    let integration = scene.branch("integration");
    assert!(!scene.has(&format!("{integration}:bad.txt")));
    assert!(scene.has(&format!("{integration}:a.txt")));
    // The user repairs it.
    let place = scene.worktree("a");
    fs::remove_file(place.join("bad.txt")).unwrap();
    commit_in(&scene, &place, "good.txt");
    scene.dispatch(&["assemble", "--take", "1"]).expect(0);
    assert!(scene.has(&format!("{integration}:good.txt")));
    scene.dispatch(&["land", "--yes"]).expect(0);
}

#[test]
fn nothing_is_taken_from_a_worktree_with_other_files_than_its_branch() {
    let scene = with_commit_by_hand("fix.txt");
    let place = scene.worktree("a");
    fs::write(place.join("more.txt"), "more\n").unwrap();
    let refused = scene.dispatch(&["assemble", "--take", "1"]).expect(1).err;
    assert!(refused.contains("has uncommitted changes"), "{refused}");
    fs::remove_file(place.join("more.txt")).unwrap();
    scene.git(&[
        "-C",
        place.to_str().unwrap(),
        "switch",
        "-q",
        "-c",
        "other",
        "HEAD~1",
    ]);
    let refused = scene.dispatch(&["assemble", "--take", "1"]).expect(1).err;
    assert!(
        refused.contains("is not at the tip of its branch"),
        "{refused}"
    );
    let refused = scene.dispatch(&["assemble", "--take", "2"]).expect(1).err;
    assert!(refused.contains("has no commit on its branch"), "{refused}");
}

#[test]
fn a_commit_from_another_worktree_is_taken_once_the_branch_is_free() {
    let scene = Scene::new();
    scene.run(PLAN, &[]).expect(0);
    let ours = scene.worktree("a").display().to_string();
    scene.git(&["worktree", "remove", "--force", &ours]);
    let mine = scene.root.join("mine");
    let mine_text = mine.to_str().unwrap();
    scene.git(&["worktree", "add", "-q", mine_text, &scene.branch("a")]);
    commit_in(&scene, &mine, "fix.txt");
    let refused = scene.dispatch(&["assemble", "--take", "1"]).expect(1).err;
    assert!(refused.contains("is checked out in"), "{refused}");
    scene.git(&["-C", mine_text, "switch", "-q", "--detach"]);
    scene.dispatch(&["assemble", "--take", "1"]).expect(0);
    assert!(scene.has(&format!("{}:fix.txt", scene.branch("integration"))));
}

/// Detaches HEAD in a worktree and commits a file there.
fn commit_detached_in(scene: &Scene, folder: &Path, file: &str) {
    let place = folder.to_str().unwrap();
    scene.git(&["-C", place, "switch", "-q", "--detach"]);
    commit_in(scene, folder, file);
}

#[test]
fn a_retry_keeps_and_names_commits_that_were_made_by_hand() {
    let scene = with_commit_by_hand("fix.txt");
    let place = scene.worktree("a");
    let on_branch = scene.rev(&scene.branch("a"));
    let text = place.to_str().unwrap();
    scene.git(&["-C", text, "switch", "-q", "--detach", "HEAD~1"]);
    commit_in(&scene, &place, "detached.txt");
    let detached = scene.git(&["-C", text, "rev-parse", "HEAD"]);
    let retried = scene.dispatch(&["retry", "A"]).expect(0);
    let words = "the next attempt starts without it";
    assert_eq!(retried.err.matches(words).count(), 2, "{}", retried.err);
    let reference = format!("refs/dispatch/attempts/{}/a/1", scene.run_name());
    let remark = format!(
        "its result does not contain 1 commit made on its branch {} (up to {}), kept below \
         {reference}: `git cherry-pick {}`",
        scene.branch("a"),
        &on_branch[..7],
        &on_branch[..7]
    );
    let board = scene.dispatch(&["status"]).expect(0).out;
    assert!(board.contains("left work outside its result"), "{board}");
    let report = scene.dispatch(&["report"]).expect(0).out;
    assert!(report.contains(&remark), "{report}");
    // A further retry that starts without them names them, too.
    scene.dispatch(&["retry", "A"]).expect(0);
    let shown = scene.dispatch(&["show", "A"]).expect(0).out;
    assert_eq!(shown.matches(&remark).count(), 2, "{shown}");
    assert!(shown.contains("made on no branch in"), "{shown}");
    let said = scene.dispatch(&["land", "--yes"]).expect(0).err;
    assert!(said.contains(&remark), "{said}");
    let cleaned = scene.dispatch(&["clean"]).expect(0).err;
    assert!(!cleaned.contains("which no reference keeps"), "{cleaned}");
    assert!(!place.exists(), "{cleaned}");
    let kept = scene.git(&["for-each-ref", "--contains", &detached]);
    assert!(kept.contains(&reference), "{kept}");
    scene.git(&["cherry-pick", &on_branch]);
    assert_eq!(scene.read("fix.txt"), "by hand\n");
}

#[test]
fn a_task_keeps_its_result_where_a_retry_could_not_move_its_branch() {
    let scene = Scene::new();
    scene.run(PLAN, &[]).expect(0);
    let place = scene.worktree("a").display().to_string();
    scene.git(&["-C", &place, "switch", "-q", "--detach"]);
    let mine = scene.root.join("mine").display().to_string();
    scene.git(&["worktree", "add", "-q", &mine, &scene.branch("a")]);
    let refused = scene.dispatch(&["retry", "A"]).expect(1).err;
    assert!(
        refused.contains(&format!("is checked out in {mine}")),
        "{refused}"
    );
    assert!(
        refused.contains(&format!("`git -C {mine} switch --detach`")),
        "{refused}"
    );
    commit_in(&scene, &scene.root.join("mine"), "fix.txt");
    let refused = scene.dispatch(&["assemble", "--take", "A"]).expect(1).err;
    assert!(
        refused.contains(&format!("is checked out in {mine}")),
        "{refused}"
    );
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
    scene.git(&["-C", &mine, "switch", "-q", "--detach"]);
    scene.git(&["-C", &place, "switch", "-q", &scene.branch("a")]);
    scene.dispatch(&["assemble", "--take", "A"]).expect(0);
    assert!(scene.has(&format!("{}:fix.txt", scene.branch("integration"))));
}

#[test]
fn a_commit_on_no_branch_is_noticed_and_taken() {
    let scene = Scene::new();
    scene.run(PLAN, &[]).expect(0);
    let place = scene.worktree("a");
    commit_detached_in(&scene, &place, "fix.txt");
    let run = scene.run_name();
    let words = format!(
        "#1 [A]: its worktree {} has 1 commit on no branch that is not in its result; `dispatch \
         assemble {run} --take 1` takes it",
        place.display()
    );
    for args in [&["status"][..], &["assemble"], &["land", "--dry-run"]] {
        let said = scene.dispatch(args).expect(0).err;
        assert!(said.contains(&words), "{args:?}: {said}");
    }
    scene.dispatch(&["assemble", "--take", "1"]).expect(0);
    let said = scene.dispatch(&["status"]).expect(0).err;
    assert!(!said.contains("not in its result"), "{said}");
    let subject = scene.git(&["log", "-1", "--format=%s", &scene.branch("a")]);
    assert_eq!(subject, "By hand");
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("fix.txt"), "by hand\n");
}

#[test]
fn a_checkout_of_another_branch_in_its_worktree_is_no_work() {
    let scene = Scene::new();
    scene.run(PLAN, &[]).expect(0);
    scene.write("other.txt", "other\n");
    scene.commit("Other");
    let place = scene.worktree("a").display().to_string();
    scene.git(&["-C", &place, "switch", "-q", "--detach", "main"]);
    let said = scene.dispatch(&["status"]).expect(0).err;
    assert!(!said.contains("not in its result"), "{said}");
}

#[test]
fn the_commit_that_repairs_a_failed_task_is_noticed_and_taken() {
    let scene = Scene::new();
    let plan = "1. [A] Fails
   - run: echo a > a.txt; echo bad > bad.txt
   - check: test ! -e bad.txt
";
    scene.run(plan, &[]).expect(3);
    let place = scene.worktree("a");
    fs::remove_file(place.join("bad.txt")).unwrap();
    commit_in(&scene, &place, "fix.txt");
    let said = scene.dispatch(&["status"]).expect(0).err;
    assert!(said.contains("--take 1` takes it"), "{said}");
    scene.dispatch(&["assemble", "--take", "1"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE");
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("fix.txt"), "by hand\n");
    assert!(scene.repo.join("a.txt").exists() && !scene.repo.join("bad.txt").exists());
}

#[test]
fn commands_that_are_offered_after_a_landing_work() {
    let scene = with_commit_by_hand("fix.txt");
    let place = scene.worktree("a");
    commit_in(&scene, &place, "more.txt");
    let said = scene.dispatch(&["land", "--yes"]).expect(0).err;
    let tip = scene.rev(&scene.branch("a"))[..7].to_owned();
    let since = scene.rev(&format!("{tip}~2"))[..7].to_owned();
    let command = format!("git cherry-pick {since}..{tip}");
    assert!(
        said.contains(&format!("(once landed: `{command}`)")),
        "{said}"
    );
    let status = || scene.dispatch(&["status"]).expect(0).err;
    let words = format!("2 commits that are not in its result; `{command}` takes them");
    assert!(status().contains(&words), "{}", status());
    let refused = scene.dispatch(&["assemble", "--take", "1"]).expect(1).err;
    assert!(refused.contains(&format!("`{command}` takes")), "{refused}");
    scene.git(&["cherry-pick", &format!("{since}..{tip}")]);
    assert_eq!(scene.read("more.txt"), "by hand\n");
    assert!(!status().contains("not in its result"), "{}", status());
}

#[test]
fn remarks_on_work_elsewhere_stay_when_commits_are_taken() {
    let scene = Scene::new();
    let plan = "1. [A] a
   - run: echo s >> README.md && git stash -q && git checkout -q --detach && echo d > d.txt && git add -A && git commit -qm d && git checkout -q - && echo a > a.txt
";
    scene.run(plan, &[]).expect(0);
    let shown = |words: &str| {
        let preview = scene.dispatch(&["land", "--dry-run"]).expect(0).err;
        preview.matches(words).count()
    };
    let (stash, detached) = ("it left a stash entry", "on no branch; it is kept below");
    assert_eq!((shown(stash), shown(detached)), (1, 1));
    commit_in(&scene, &scene.worktree("a"), "fix.txt");
    scene.dispatch(&["assemble", "--take", "1"]).expect(0);
    assert_eq!((shown(stash), shown(detached)), (1, 1));
    // With the commit in the result, only the stash entry is elsewhere.
    let kept = format!("refs/dispatch/attempts/{}/a", scene.run_name());
    let kept = scene.git(&["for-each-ref", "--format=%(refname)", &kept]);
    let mut kept = kept.lines();
    let kept = kept
        .find(|name| scene.has(&format!("{name}:d.txt")))
        .unwrap();
    let place = scene.worktree("a").display().to_string();
    scene.git(&["-C", &place, "merge", "-q", "--no-edit", kept]);
    scene.dispatch(&["assemble", "--take", "1"]).expect(0);
    assert_eq!((shown(stash), shown(detached)), (1, 0));
}

#[test]
fn commits_in_a_submodule_are_noticed_and_taken_once_the_branch_names_them() {
    let mut scene = Scene::new();
    scene.set_env("GIT_CONFIG_COUNT", "1");
    scene.set_env("GIT_CONFIG_KEY_0", "protocol.file.allow");
    scene.set_env("GIT_CONFIG_VALUE_0", "always");
    let library = scene.root.join("library").display().to_string();
    scene.git(&["clone", "-q", ".", &library]);
    scene.git(&["submodule", "--quiet", "add", &library, "library"]);
    scene.configure("[worktree]\nsubmodules = true\n");
    let plan = "1. [A] a
   - run: cd library && git config user.name A && git config user.email a@b && git checkout -qb side && echo w > w.txt && git add -A && git commit -qm w && git checkout -q - && cd .. && echo a > a.txt
2. [B] b
   - run: echo b > b.txt
";
    scene.run(plan, &[]).expect(0);
    let said = |args: &[&str]| scene.dispatch(args).expect(0).err;
    assert!(!said(&["status"]).contains("submodule"));
    let inner = |task: &str| scene.worktree(task).join("library").display().to_string();
    for name in ["user.name", "user.email"] {
        scene.git(&["-C", &inner("b"), "config", name, "b@b"]);
    }
    std::fs::write(scene.worktree("a").join("library/README.md"), "by hand\n").unwrap();
    scene.git(&["-C", &inner("a"), "stash", "-q"]);
    commit_in(&scene, &scene.worktree("b").join("library"), "fix.txt");
    let fix = scene.git(&["-C", &inner("b"), "rev-parse", "HEAD"]);
    for args in [
        &["status"][..],
        &["assemble"],
        &["assemble", "--dry-run"],
        &["land", "--dry-run"],
    ] {
        let said = said(args);
        for words in [
            "#1 [A]: the submodule library of its worktree has 1 commit that is nowhere else and not in \
             its result (`git -C ",
            "#2 [B]: the submodule library of its worktree has 1 commit that is nowhere else and not in \
             its result (`git -C ",
            ":refs/heads/NAME` keeps it",
            "-- library` and then `dispatch assemble ",
        ] {
            assert!(said.contains(words), "{args:?}: {said}");
        }
    }
    let place = scene.worktree("b").display().to_string();
    scene.git(&["-C", &place, "commit", "-qm", "By hand", "--", "library"]);
    scene.dispatch(&["assemble", "--take", "2"]).expect(0);
    assert!(!said(&["status"]).contains("#2 [B]"));
    let link = format!("{}:library", scene.branch("integration"));
    assert_eq!(scene.rev(&link), fix);
}
