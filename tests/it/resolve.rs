//! Resolving a conflict by hand: opening, accepting, refusing, aborting.

use std::fs;
use std::path::{Path, PathBuf};

use git_dispatch::engine::resolve::recorded::RESOLUTIONS;
use serde_json::{Value, json};

use crate::harness::{Ended, Scene};

/// #1 and #2 conflict, #3 is independent.
const CLASH: &str = "# Clash

1. [ONE] One way
   - run: sed -i s/two/2/ src/app.ts
2. [OTHER] Another way
   - run: sed -i s/two/zwei/ src/app.ts
3. [FREE] Something else
   - run: echo free > free
";

const BOTH: &str = "one\n2/zwei\nthree\nfour\nfive\n";

/// Creates a scene in which #2 was left out.
fn clashing(settings: &str) -> Scene {
    let scene = Scene::new();
    if !settings.is_empty() {
        scene.configure(settings);
    }
    scene.run(CLASH, &[]).expect(4);
    scene
}

/// Opens the conflict of #2 and returns its worktree.
#[track_caller]
fn open(scene: &Scene) -> PathBuf {
    let ended = scene.dispatch(&["resolve", "2"]).expect(0);
    PathBuf::from(ended.out.trim_end())
}

fn git(scene: &Scene, place: &Path, args: &[&str]) -> String {
    let output = scene.command("git").current_dir(place).args(args).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

fn settle(scene: &Scene, place: &Path, text: &str) {
    fs::write(place.join("src/app.ts"), text).unwrap();
    git(scene, place, &["add", "src/app.ts"]);
}

fn go_on(scene: &Scene) -> Ended {
    scene.dispatch(&["resolve", "--continue"])
}

fn integration(scene: &Scene) -> Value {
    scene.json()["integration"].clone()
}

fn assembled(scene: &Scene, path: &str) -> String {
    scene.git(&["show", &format!("{}:{path}", scene.branch("integration"))]) + "\n"
}

#[track_caller]
fn refused(ended: Ended, code: i32, why: &str, hint: &str) {
    let ended = ended.expect(code);
    assert!(ended.err.contains(why), "{why}\n{}", ended.err);
    assert!(ended.err.contains(hint), "{hint}\n{}", ended.err);
}

#[test]
fn the_whole_way_from_the_conflict_to_the_landing() {
    let scene = clashing("[assemble]\ncheck = [\"test -e free\"]\n");
    let before = scene.fingerprint();
    let place = open(&scene);
    // As `git merge` leaves it.
    let status = git(&scene, &place, &["status", "--porcelain"]);
    assert_eq!(status, "UU src/app.ts\n");
    let stages = git(&scene, &place, &["ls-files", "--unmerged"]);
    assert_eq!(stages.lines().count(), 3, "{stages}");
    let merging = git(&scene, &place, &["rev-parse", "MERGE_HEAD"]);
    assert_eq!(merging.trim(), scene.rev(&scene.branch("other")));
    let text = fs::read_to_string(place.join("src/app.ts")).unwrap();
    assert!(
        text.contains("<<<<<<< HEAD\n2\n=======\nzwei\n>>>>>>> "),
        "{text}"
    );
    assert!(place.join("free").exists());
    let note = &scene.json()["tasks"][1]["note"];
    assert_eq!(note, "(manual resolution in progress)");
    // Unresolved conflicts are refused, with the reason.
    refused(
        go_on(&scene),
        4,
        "still in conflict: src/app.ts",
        "`git add`",
    );
    settle(&scene, &place, &text);
    refused(
        go_on(&scene),
        4,
        "src/app.ts has a conflict marker: `<<<<<<< HEAD`",
        "remove it",
    );
    settle(&scene, &place, BOTH);
    fs::write(place.join("README.md"), "changed\n").unwrap();
    refused(
        go_on(&scene),
        4,
        "changed but not added: README.md",
        "`git restore`",
    );
    git(&scene, &place, &["restore", "README.md"]);
    let ended = go_on(&scene).expect(0);
    assert!(
        ended
            .err
            .contains("#2 is resolved, and the resolution recorded"),
        "{}",
        ended.err
    );
    before.assert_same(&scene.fingerprint());
    let found = integration(&scene);
    assert_eq!(
        (&found["merged"], &found["left_out"]),
        (&json!([1, 3, 2]), &json!([]))
    );
    assert_eq!(found["checks"][0]["result"], "passed");
    assert_eq!(assembled(&scene, "src/app.ts"), BOTH);
    assert_eq!(scene.json()["tasks"][1]["note"], "(resolved by hand)");
    let found = integration(&scene);
    assert_eq!(
        found["resolved"],
        json!([{"task": 2, "class": "content", "paths": ["src/app.ts"], "strategy": "manual",
                "how": "by hand"}])
    );
    let tip = scene.branch("integration");
    let trailers = "--format=%(trailers:key=Dispatch-Resolved,valueonly)";
    let commits = scene.git(&["log", "--first-parent", "--grep=^Merge #2", trailers, &tip]);
    assert_eq!(commits.trim(), "manual src/app.ts");
    let board = scene.dispatch(&["board"]).expect(0).out;
    assert!(
        board.contains("content conflict resolved by hand"),
        "{board}"
    );
    assert!(!place.exists());
    refused(
        go_on(&scene),
        1,
        "no conflict is open",
        "dispatch resolve RUN TASK",
    );
    // The resolution stays when the run is assembled again, and it lands.
    scene.dispatch(&["assemble"]).expect(0);
    assert_eq!(assembled(&scene, "src/app.ts"), BOTH);
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("src/app.ts"), BOTH);
    // Nothing of it is unlanded then.
    let branch = scene.branch("other");
    let cleaned = scene.dispatch(&["clean"]).expect(0);
    assert!(!cleaned.err.contains("keeping"), "{}", cleaned.err);
    assert!(!scene.has(&branch));
    scene.git(&["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn conflicts_are_listed_with_their_files_and_the_exit_code_is_that_of_one_conflict() {
    let scene = Scene::new();
    let third = "4. [MORE] A third way\n   - run: sed -i s/two/III/ src/app.ts; cp src/app.ts b\n";
    scene.run(&format!("{CLASH}{third}"), &[]).expect(4);
    let listed = scene.dispatch(&["resolve"]).expect(0).out;
    insta::assert_snapshot!(listed, @r"
    #2 [OTHER] Another way conflicts with #1 in 1 file
      src/app.ts
    #4 [MORE] A third way conflicts with #1 in 1 file
      src/app.ts
    ");
    let opened = scene.dispatch(&["resolve", "2"]).expect(0);
    assert!(
        opened
            .err
            .contains("#2 [OTHER] Another way conflicts with #1 in 1 file\n  src/app.ts\n"),
        "{}",
        opened.err
    );
    let place = PathBuf::from(opened.out.trim_end());
    let json = scene.dispatch(&["resolve", "2", "--json"]).expect(0).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["files"], json!(["src/app.ts"]));
    let json = scene.dispatch(&["resolve", "--json"]).expect(0).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["conflicts"][0]["open"], true);
    assert_eq!(json["conflicts"][1]["task"], 4);
    settle(&scene, &place, BOTH);
    let again = scene.dispatch(&["resolve", "2"]).expect(0);
    assert!(
        again.err.contains("every file is resolved"),
        "{}",
        again.err
    );
    // #4 is still left out; this conflict is resolved.
    go_on(&scene).expect(0);
    assert_eq!(integration(&scene)["left_out"][0]["task"], 4);
}

#[test]
fn what_was_done_once_is_done_by_itself_in_the_next_run() {
    let scene = clashing("");
    let place = open(&scene);
    settle(&scene, &place, BOTH);
    go_on(&scene).expect(0);
    let first = scene.run_name();
    assert!(
        scene
            .git(&["log", "--format=%B", RESOLUTIONS])
            .contains("* src/app.ts (content)")
    );
    scene.run(CLASH, &[]).expect(0);
    let second = scene.run_names().into_iter().find(|name| *name != first);
    let board = scene
        .dispatch(&["board", &second.unwrap(), "--json"])
        .expect(0);
    let board: Value = serde_json::from_str(&board.out).unwrap();
    assert_eq!(board["integration"]["resolved"][0]["strategy"], "recorded");
}

#[test]
fn giving_it_up_leaves_everything_as_it_was_and_keeps_what_was_done() {
    let scene = clashing("");
    let (before, board) = (scene.fingerprint(), scene.json());
    let refs = || {
        // Boards are committed on top of the integration branch; what it holds is the same.
        let refs = scene.git(&["for-each-ref", "--format=%(refname) %(objectname) %(tree)"]);
        let others = refs.lines().filter(|line| !line.contains("/runs/"));
        let same = others.map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            [name, _, tree] if name.ends_with("/integration") => format!("{name} {tree}"),
            _ => line.to_owned(),
        });
        same.collect::<Vec<_>>()
    };
    let at_first = refs();
    let same = |now: &Value| {
        assert_eq!(now["tasks"], board["tasks"]);
        assert_eq!(now["integration"], board["integration"]);
    };
    // No work was done there: nothing is kept.
    let place = open(&scene);
    let ended = scene.dispatch(&["resolve", "--abort"]).expect(0);
    assert!(
        !place.exists() && !ended.err.contains("saved your changes"),
        "{}",
        ended.err
    );
    same(&scene.json());
    assert_eq!(refs(), at_first);
    // Work was done: a reference keeps it.
    let place = open(&scene);
    fs::write(place.join("src/app.ts"), BOTH).unwrap();
    fs::write(place.join("notes"), "mine\n").unwrap();
    let ended = scene
        .dispatch(&["resolve", &scene.run_name(), "OTHER", "--abort"])
        .expect(0);
    let kept = format!("refs/dispatch/attempts/{}/other/by-hand", scene.run_name());
    assert!(ended.err.contains(&kept), "{}", ended.err);
    assert_eq!(
        scene.git(&["show", &format!("{kept}:src/app.ts")]) + "\n",
        BOTH
    );
    assert_eq!(scene.git(&["show", &format!("{kept}:notes")]), "mine");
    same(&scene.json());
    before.assert_same(&scene.fingerprint());
    refused(
        scene.dispatch(&["resolve", "--abort"]),
        1,
        "no conflict is open",
        "",
    );
    let run = scene.run_name();
    let again = scene.dispatch(&["resolve", &run, "2", "--abort"]);
    refused(again, 1, "no conflict of #2 is open", "");
}

#[test]
fn the_users_merge_tool_is_started_there() {
    let scene = clashing("");
    scene.git(&["config", "merge.tool", "mine"]);
    let tool = format!("printf '{}' > \"$MERGED\"", BOTH.replace('\n', "\\n"));
    scene.git(&["config", "mergetool.mine.cmd", &tool]);
    scene.git(&["config", "mergetool.mine.trustExitCode", "true"]);
    scene.dispatch(&["resolve", "2", "--tool"]).expect(0);
    go_on(&scene).expect(0);
    assert_eq!(assembled(&scene, "src/app.ts"), BOTH);
    let scene = clashing("");
    scene.git(&["config", "merge.tool", "mine"]);
    scene.git(&["config", "mergetool.mine.cmd", "false"]);
    scene.git(&["config", "mergetool.mine.trustExitCode", "true"]);
    let failed = scene.dispatch(&["resolve", "2", "--tool"]);
    refused(
        failed,
        4,
        "git mergetool failed with",
        "--tool` starts it again",
    );
}

#[test]
fn a_merge_that_the_person_commits_is_taken_as_it_is() {
    let scene = clashing("");
    let place = open(&scene);
    settle(&scene, &place, BOTH);
    git(&scene, &place, &["commit", "--quiet", "-m", "My own words"]);
    let commit = git(&scene, &place, &["rev-parse", "HEAD"]);
    go_on(&scene).expect(0);
    assert_eq!(scene.json()["tasks"][1]["candidate"], commit.trim());
    assert_eq!(assembled(&scene, "src/app.ts"), BOTH);
    assert!(!place.exists());
    // A merge that was thrown away is none.
    let scene = clashing("");
    let place = open(&scene);
    git(&scene, &place, &["merge", "--abort"]);
    refused(go_on(&scene), 1, "was aborted", "--abort");
}

#[test]
fn what_the_checks_refuse_can_be_gone_on_with_or_given_up() {
    let settings = "[assemble]\ncheck = [\"! grep wrong src/app.ts\"]\n";
    let scene = clashing(settings);
    let board = scene.json();
    let place = open(&scene);
    settle(&scene, &place, "wrong\n");
    let hint = format!("edit the files in {}", place.display());
    refused(
        go_on(&scene),
        4,
        "the resolution of #2 failed its checks",
        &hint,
    );
    let found = integration(&scene);
    assert_eq!(found["left_out"][0]["reason"], "failed-checks");
    assert!(!scene.has(RESOLUTIONS));
    settle(&scene, &place, BOTH);
    go_on(&scene).expect(0);
    assert_eq!(assembled(&scene, "src/app.ts"), BOTH);
    // Or not.
    let scene = clashing(settings);
    let place = open(&scene);
    settle(&scene, &place, "wrong\n");
    go_on(&scene).expect(4);
    scene.dispatch(&["resolve", "--abort"]).expect(0);
    let now = scene.json();
    assert_eq!(now["tasks"][1]["candidate"], board["tasks"][1]["candidate"]);
    assert_eq!(now["integration"]["left_out"][0]["reason"], "conflict");
    assert!(!place.exists());
}

#[test]
fn what_cannot_be_resolved_is_said_with_the_reason() {
    let scene = clashing("");
    let run = scene.run_name();
    let resolve = |args: &[&str]| scene.dispatch(&[&["resolve"], args].concat());
    refused(resolve(&["9"]), 1, "the plan has no task \"9\"", "");
    refused(
        resolve(&["1"]),
        1,
        "#1 has no conflict to resolve: it is merged",
        "--dry-run",
    );
    refused(resolve(&[&run, "FREE"]), 1, "it is merged", "");
    refused(
        resolve(&["nosuch", "2"]),
        1,
        "there is no run \"nosuch\"",
        "",
    );
    scene.dispatch(&["assemble", "--leave-out", "2"]).expect(0);
    refused(resolve(&[&run, "2"]), 1, "left out in review", "");
    scene.dispatch(&["assemble", &run]).expect(4);
    // The same one twice is one; of two that are open one has to be named.
    let place = open(&scene);
    let again = resolve(&[&run, "2"]).expect(0);
    assert!(
        again.err.contains("in 1 file (already open)"),
        "{}",
        again.err
    );
    assert_eq!(Path::new(again.out.trim_end()), place);
    scene.run(CLASH, &[]).expect(4);
    let names = scene.run_names();
    let second = names.iter().find(|name| **name != run).unwrap();
    resolve(&[second, "2"]).expect(0);
    let hint = format!("`dispatch resolve {run} 2`");
    refused(
        resolve(&["--continue"]),
        1,
        "several conflicts are open",
        &hint,
    );
    resolve(&[second, "--abort"]).expect(0);
    // What has changed since is not mixed with it.
    scene.dispatch(&["retry", &run, "1"]).expect(4);
    refused(
        resolve(&[&run, "--continue"]),
        1,
        "has a new result since",
        "--abort",
    );
    resolve(&[&run, "--abort"]).expect(0);
    scene.dispatch(&["land", &run, "--yes"]).expect(0);
    refused(resolve(&[&run, "2"]), 1, "has already landed on main", "");
}

#[test]
fn a_worktree_that_was_taken_away_is_missed() {
    let scene = clashing("");
    let place = open(&scene);
    fs::remove_dir_all(&place).unwrap();
    refused(go_on(&scene), 1, "is missing", "--abort");
    refused(
        scene.dispatch(&["resolve", "2"]),
        1,
        "is missing",
        "--abort",
    );
    scene.dispatch(&["resolve", "--abort"]).expect(0);
    settle(&scene, &open(&scene), BOTH);
    go_on(&scene).expect(0);
}

#[test]
fn what_waits_for_the_two_starts_when_their_conflict_is_settled() {
    let scene = Scene::new();
    let plan =
        format!("{CLASH}4. [TOP] On both — blocked by #1, #2\n   - run: cp src/app.ts top\n");
    scene.run(&plan, &[]).expect(3);
    let waits = scene.dispatch(&["resolve", "4"]);
    refused(
        waits,
        1,
        "#4 depends on #1 and #2, which conflict",
        "left out",
    );
    settle(&scene, &open(&scene), BOTH);
    go_on(&scene).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 DONE · 4 DONE");
    assert_eq!(assembled(&scene, "top"), BOTH);
}

#[test]
fn a_conflict_without_three_files_is_settled_as_well() {
    let scene = Scene::new();
    let plan = "# P\n1. Change\n   - run: sed -i s/two/2/ src/app.ts\n\
                2. Delete\n   - run: git rm -q src/app.ts\n";
    scene.run(plan, &[]).expect(4);
    let place = open(&scene);
    git(&scene, &place, &["rm", "-q", "src/app.ts"]);
    go_on(&scene).expect(0);
    assert!(!scene.has(&format!("{}:src/app.ts", scene.branch("integration"))));
    assert!(!scene.has(RESOLUTIONS));
}

#[test]
fn clean_keeps_the_worktree_of_an_open_conflict() {
    let scene = clashing("");
    let place = open(&scene);
    let kept = format!("keeping {}: the conflict of #2 is open", place.display());
    for args in [&["clean", "--dry-run"][..], &["clean"]] {
        let ended = scene.dispatch(args).expect(0);
        let said = format!("{}{}", ended.out, ended.err);
        assert!(said.contains(&kept), "{said}");
        assert!(!said.contains(&format!("remove worktree {}", place.display())));
        assert!(place.exists());
    }
    fs::write(place.join("notes"), "mine\n").unwrap();
    let ended = scene.dispatch(&["clean"]).expect(0);
    let said = format!("{}", place.display());
    assert!(place.join("notes").exists(), "{}{}", ended.out, ended.err);
    assert!(format!("{}{}", ended.out, ended.err).contains(&said));
    // Work that is not in the result is kept, and reported.
    settle(&scene, &place, BOTH);
    let ended = go_on(&scene).expect(0);
    assert!(
        ended.err.contains("has files that are not in the result"),
        "{}",
        ended.err
    );
    assert!(place.join("notes").exists());
}

#[test]
fn every_shape_of_history_ends_in_the_same_tree() {
    let trees = ["merge", "squash", "linear"].map(|history| {
        let scene = Scene::new();
        scene.write(".git/info/exclude", "own.toml\n");
        scene.write(
            "own.toml",
            &format!("[assemble]\nhistory = \"{history}\"\n"),
        );
        scene.run(CLASH, &["--config", "own.toml"]).expect(4);
        settle(&scene, &open(&scene), BOTH);
        go_on(&scene).expect(0);
        scene.dispatch(&["land", "--ff", "--yes"]).expect(0);
        assert_eq!(scene.read("src/app.ts"), BOTH);
        scene.rev("main^{tree}")
    });
    assert!(trees.iter().all(|tree| *tree == trees[0]), "{trees:?}");
}

/// Ends the program at every point that opening, continuing or giving up reaches, then does the same
/// once more: it ends as if nothing had happened.
#[cfg(feature = "faults")]
#[test]
fn a_process_that_is_killed_at_any_point_is_taken_up_by_the_next_call() {
    use std::collections::{BTreeMap, BTreeSet};

    type Case<'a> = (&'a [&'a str], &'a dyn Fn(&Scene));
    let points = |words: &[&str], prepare: &dyn Fn(&Scene)| -> Vec<String> {
        let mut scene = clashing("");
        prepare(&scene);
        let list = scene.root.join("points");
        scene.set_env("DISPATCH_FAULT_LIST", list.to_str().unwrap());
        scene.dispatch(words).expect(0);
        let text = fs::read_to_string(list).unwrap();
        // Of each point the first and the last time.
        let mut times: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for line in text.lines() {
            let name = line.rsplit_once('@').unwrap().0;
            times.entry(name).or_default().push(line);
        }
        let some = times
            .values()
            .map(|lines| (lines[0], lines[lines.len() - 1]));
        let some: BTreeSet<&str> = some.flat_map(|(first, last)| [first, last]).collect();
        some.into_iter().map(str::to_owned).collect()
    };
    let opened = |scene: &Scene| drop(open(scene));
    let settled = |scene: &Scene| settle(scene, &open(scene), BOTH);
    let nothing = |_: &Scene| {};
    let cases: [Case<'_>; 3] = [
        (&["resolve", "2"], &nothing),
        (&["resolve", "--continue"], &settled),
        (&["resolve", "--abort"], &opened),
    ];
    let mut count = 0;
    for (words, prepare) in cases {
        for point in points(words, prepare) {
            let mut scene = clashing("");
            prepare(&scene);
            let done = scene.root.join("done");
            scene.set_env("DISPATCH_FAULT", &point);
            scene.set_env("DISPATCH_FAULT_DONE", done.to_str().unwrap());
            let before = scene.fingerprint();
            let first = scene.dispatch(words);
            scene.unset_env("DISPATCH_FAULT");
            let again = scene.dispatch(words);
            let may_be_over = again.err.contains("no conflict is open");
            assert!(
                again.code == 0 || first.code == 0 || may_be_over,
                "{point} of {words:?}: {}{}",
                again.out,
                again.err
            );
            match words[1] {
                "2" => {
                    settle(&scene, &open(&scene), BOTH);
                    go_on(&scene).expect(0);
                    assert_eq!(assembled(&scene, "src/app.ts"), BOTH, "{point}");
                }
                "--continue" => {
                    assert_eq!(assembled(&scene, "src/app.ts"), BOTH, "{point}");
                    assert!(scene.has(RESOLUTIONS), "{point}");
                }
                _ => {
                    assert_eq!(integration(&scene)["left_out"][0]["reason"], "conflict");
                    settle(&scene, &open(&scene), BOTH);
                    go_on(&scene).expect(0);
                }
            }
            before.assert_same(&scene.fingerprint());
            scene.git(&["fsck", "--no-dangling"]);
            count += 1;
        }
    }
    assert!(count > 25, "{count} points");
}

#[test]
fn programs_are_told_where_the_worktree_is() {
    let scene = clashing("");
    let ended = scene.dispatch(&["resolve", "2", "--json"]).expect(0);
    let found: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((&found["task"], &found["with"]), (&json!(2), &json!([1])));
    assert!(
        Path::new(found["worktree"].as_str().unwrap())
            .join("src/app.ts")
            .exists()
    );
    let ended = scene.dispatch(&["resolve", "--abort", "--json"]).expect(0);
    let found: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(found["worktree"], Value::Null);
}

#[test]
fn links_of_dispatch_are_no_part_of_a_resolution() {
    let scene = Scene::new();
    scene.write(".gitignore", "dep/\n");
    scene.commit("ignore dep");
    scene.write("dep/module", "");
    scene.configure("[worktree]\nlink = [\"dep\"]\n");
    scene.run(CLASH, &[]).expect(4);
    let place = open(&scene);
    fs::write(place.join("src/app.ts"), BOTH).unwrap();
    git(&scene, &place, &["add", "--all"]);
    let refused = go_on(&scene).expect(1);
    let said = "error: links that dispatch made are in the resolution: dep";
    assert!(refused.err.contains(said), "{}", refused.err);
    assert!(
        refused.err.contains("rm --cached -- dep"),
        "{}",
        refused.err
    );
    git(&scene, &place, &["rm", "--quiet", "--cached", "--", "dep"]);
    go_on(&scene).expect(0);
    assert_eq!(assembled(&scene, "src/app.ts"), BOTH);
}

/// Set-up that changes a tracked file, adds one and removes one.
const CHANGING: &str = "[worktree]\nsetup = [\"echo set-up >> README.md && echo new > made.txt && rm -f \
                        spare.txt && mkdir -p dep && echo d > dep/x\"]\n";

/// Creates a scene with a conflict whose worktrees are changed by set-up.
fn clashing_after_set_up() -> Scene {
    let scene = Scene::new();
    scene.write(".gitignore", "dep/\n*.log\n");
    scene.write("spare.txt", "spare\n");
    scene.commit("files of set-up");
    scene.configure(CHANGING);
    scene.run(CLASH, &[]).expect(4);
    scene
}

/// Checks that the resolution is assembled and that nothing of set-up is.
#[track_caller]
fn assert_without_set_up(scene: &Scene) {
    assert_eq!(assembled(scene, "src/app.ts"), BOTH);
    assert!(!assembled(scene, "README.md").contains("set-up"));
    assert_eq!(assembled(scene, "spare.txt"), "spare\n");
    assert!(!scene.has(&format!("{}:made.txt", scene.branch("integration"))));
}

#[test]
fn the_worktree_of_a_conflict_is_as_set_up_leaves_it_and_nothing_of_that_lands() {
    for adds_all in [false, true] {
        let scene = clashing_after_set_up();
        let place = open(&scene);
        let text = |name: &str| fs::read_to_string(place.join(name)).unwrap_or_default();
        assert!(text("README.md").ends_with("set-up\n"));
        assert_eq!(
            (text("made.txt").as_str(), text("dep/x").as_str()),
            ("new\n", "d\n")
        );
        assert!(!place.join("spare.txt").exists() && place.join("free").exists());
        settle(&scene, &place, BOTH);
        if adds_all {
            git(&scene, &place, &["add", "--all"]);
        }
        let ended = go_on(&scene).expect(0);
        assert!(!place.exists(), "{}", ended.err);
        assert_without_set_up(&scene);
    }
}

#[test]
fn a_commit_of_the_user_is_made_again_without_what_set_up_wrote_and_his_own_is_kept() {
    let scene = clashing_after_set_up();
    // It would put lines of its own into what git shows of a commit.
    scene.git(&["config", "log.showSignature", "true"]);
    let place = open(&scene);
    settle(&scene, &place, BOTH);
    git(&scene, &place, &["add", "--all"]);
    let author = "--author=Grace <grace@example.com>";
    let message = "Both ways\n\nmy reasons";
    git(
        &scene,
        &place,
        &["commit", "--quiet", author, "-m", message],
    );
    let by_hand = git(&scene, &place, &["rev-parse", "HEAD"]);
    let ended = go_on(&scene).expect(0);
    assert_without_set_up(&scene);
    let candidate = scene.json()["tasks"][1]["candidate"].clone();
    let candidate = candidate.as_str().unwrap();
    assert_ne!(candidate, by_hand.trim());
    let plain = ["-c", "log.showSignature=false"];
    let raw = |commit: &str| {
        let shown = scene.git(&[&plain[..], &["cat-file", "commit", commit]].concat());
        let (head, message) = shown.split_once("\n\n").unwrap();
        let author = head.lines().find(|line| line.starts_with("author "));
        (author.unwrap().to_owned(), message.to_owned())
    };
    assert_eq!(raw(candidate), raw(by_hand.trim()));
    assert!(
        raw(candidate)
            .0
            .starts_with("author Grace <grace@example.com>")
    );
    assert!(
        ended.err.contains("1 commit that was made"),
        "{}",
        ended.err
    );
    let below = format!("refs/dispatch/attempts/{}", scene.run_name());
    let contains = ["for-each-ref", "--contains", by_hand.trim(), &below];
    assert!(!scene.git(&contains).is_empty());
}

#[test]
fn a_resolution_to_the_text_that_set_up_writes_is_kept() {
    let scene = Scene::new();
    scene.configure("[worktree]\nsetup = [\"sed -i '2s/.*/set-up/' src/app.ts\"]\n");
    let plan = "# Clash\n\n1. [ONE] One way\n   - run: sed -i s/set-up/2/ src/app.ts\n\
                2. [OTHER] Another way\n   - run: sed -i s/set-up/zwei/ src/app.ts\n";
    scene.run(plan, &[]).expect(4);
    let text = "one\nset-up\nthree\nfour\nfive\n";
    settle(&scene, &open(&scene), text);
    go_on(&scene).expect(0);
    assert_eq!(assembled(&scene, "src/app.ts"), text);
    scene.dispatch(&["assemble"]).expect(0);
    assert_eq!(assembled(&scene, "src/app.ts"), text);
}

#[test]
fn an_edit_of_a_file_that_set_up_changed_is_kept_without_its_changes() {
    let scene = clashing_after_set_up();
    let place = open(&scene);
    settle(&scene, &place, BOTH);
    let text = fs::read_to_string(place.join("README.md")).unwrap();
    fs::write(place.join("README.md"), format!("mine\n{text}")).unwrap();
    refused(
        go_on(&scene),
        4,
        "changed but not added: README.md",
        "`git restore`",
    );
    git(&scene, &place, &["add", "README.md"]);
    go_on(&scene).expect(0);
    assert_without_set_up(&scene);
    assert!(assembled(&scene, "README.md").starts_with("mine\n"));
}

#[test]
fn what_is_left_in_the_worktree_of_a_conflict_is_kept_and_named() {
    let scene = clashing_after_set_up();
    let place = open(&scene);
    settle(&scene, &place, BOTH);
    fs::write(place.join("notes.log"), "mine\n").unwrap();
    git(
        &scene,
        &place,
        &["worktree", "add", "--quiet", "--detach", "dep/inner"],
    );
    let inner = place.join("dep/inner");
    git(
        &scene,
        &inner,
        &["commit", "--quiet", "--allow-empty", "-m", "inner"],
    );
    git(
        &scene,
        &inner,
        &["checkout", "--quiet", "--detach", "HEAD~"],
    );
    let ended = go_on(&scene).expect(0);
    assert!(!place.exists(), "{}", ended.err);
    let said = "notes.log, which git ignores; kept below refs/dispatch/attempts/";
    assert!(ended.err.contains(said), "{}", ended.err);
    let below = format!("refs/dispatch/attempts/{}", scene.run_name());
    let kept = scene.git(&["for-each-ref", "--format=%(refname) %(subject)", &below]);
    let ignored = kept
        .lines()
        .find_map(|line| line.split_once(" Ignored files"));
    assert!(
        scene.has(&format!("{}:notes.log", ignored.unwrap().0)),
        "{kept}"
    );
    assert!(kept.contains("inner"), "{kept}");
    assert!(!scene.git(&["worktree", "list"]).contains("inner"));
}

#[test]
fn a_repository_with_work_of_its_own_keeps_the_worktree_of_a_conflict() {
    for words in [["resolve", "--continue"], ["resolve", "--abort"]] {
        let scene = clashing_after_set_up();
        let place = open(&scene);
        settle(&scene, &place, BOTH);
        let nested = place.join("dep/clone");
        git(&scene, &place, &["init", "--quiet", "dep/clone"]);
        fs::write(nested.join("n.txt"), "n\n").unwrap();
        let why = "has uncommitted changes in the nested repository dep/clone: `git -C ";
        let code = i32::from(words[1] == "--abort");
        let ended = scene.dispatch(&words).expect(code);
        assert!(ended.err.contains(why), "{}", ended.err);
        assert!(nested.join("n.txt").exists());
    }
}
