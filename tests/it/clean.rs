//! `dispatch clean`: removed and kept things, and the data that stays readable.

use std::fs;
use std::path::Path;

use crate::harness::{Gate, Scene};
use crate::process::{Background, until};

const PLAN: &str = "# Garden
1. [A] First
   - run: echo a > a.txt; echo said
2. [B] Second
   - run: echo b > b.txt
3. [C] Third
   - run: echo c > c.txt; exit 1
4. [D] Fourth — blocked by #1
   - run: echo d > d.txt
";

/// The same without the task that fails.
const GOOD: &str = "# Garden
1. [A] First
   - run: echo a > a.txt; echo said
2. [B] Second
   - run: echo b > b.txt
";

fn branches(scene: &Scene) -> String {
    let names = [
        "for-each-ref",
        "--format=%(refname:lstrip=4)",
        "refs/heads/dispatch/",
    ];
    scene.git(&names).replace('\n', " ")
}

fn worktrees(scene: &Scene) -> String {
    let folder = scene.root.join("shop.dispatch").join(scene.run_name());
    let Ok(entries) = fs::read_dir(folder) else {
        return String::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names.join(" ")
}

/// Reads everything that a repository shows about a run, as one text.
fn read_all(scene: &Scene, folder: &Path) -> String {
    let run = scene.run_name();
    let commands: [&[&str]; 14] = [
        &["status", &run],
        &["status", &run, "--json"],
        &["board", &run],
        &["board", &run, "--json"],
        &["report", &run],
        &["report", &run, "--json"],
        &["show", &run, "1"],
        &["show", &run, "3", "--json"],
        &["diff", &run, "1"],
        &["diff", &run, "3"],
        &["history"],
        &["history", "--json"],
        &["conflicts", &run],
        &["review", &run],
    ];
    let read = |args: &&[&str]| {
        let ended = scene.dispatch_in(folder, args).expect(0);
        format!("$ {}\n{}", args.join(" "), ended.out)
    };
    commands.iter().map(read).collect()
}

#[test]
fn a_dry_run_says_what_would_go_and_removes_nothing() {
    let scene = Scene::new();
    scene.run(GOOD, &[]).expect(0);
    let before = (branches(&scene), worktrees(&scene));
    let ended = scene.dispatch(&["clean", "--dry-run"]).expect(0);
    assert!(ended.out.contains("would remove worktree"), "{}", ended.out);
    assert!(
        ended.out.contains("has work that is not landed"),
        "{}",
        ended.out
    );
    assert_eq!(before, (branches(&scene), worktrees(&scene)));
}

#[test]
fn before_landing_only_worktrees_and_empty_branches_go() {
    let scene = Scene::new();
    scene
        .run(
            "1. [A] a\n   - run: echo a > a.txt\n2. [E] e\n   - run: exit 1\n",
            &[],
        )
        .expect(3);
    scene.dispatch(&["clean"]).expect(0);
    assert_eq!(branches(&scene), "a integration");
    assert_eq!(worktrees(&scene), "");
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("a.txt"), "a\n");
    scene.dispatch(&["clean"]).expect(0);
    assert_eq!(branches(&scene), "");
    let ended = scene.dispatch(&["clean"]).expect(0);
    assert!(ended.err.contains("nothing to remove"), "{}", ended.err);
}

#[test]
fn after_landing_everything_goes_but_the_journal_and_the_backup() {
    for flags in [&[][..], &["--squash"], &["--ff"]] {
        let scene = Scene::new();
        scene.configure("[assemble]\ncheck = [\"echo built > out.txt\"]\n");
        scene.run(GOOD, &[]).expect(0);
        scene
            .dispatch(&[&["land", "--yes"], flags].concat())
            .expect(0);
        let before = scene.fingerprint();
        scene.dispatch(&["clean"]).expect(0);
        before.assert_same(&scene.fingerprint());
        assert_eq!(branches(&scene), "");
        assert!(!scene.root.join("shop.dispatch").exists());
        assert_eq!(scene.git(&["worktree", "list"]).lines().count(), 1);
        let run = scene.run_name();
        let refs = scene.git(&["for-each-ref", "--format=%(refname)"]);
        let backup = format!("refs/dispatch/backups/{run}/landing-1");
        assert_eq!(
            refs,
            format!("{backup}\nrefs/dispatch/runs/{run}\nrefs/heads/main")
        );
    }
}

#[test]
fn uncommitted_work_in_a_worktree_stays_until_it_is_named() {
    let scene = Scene::new();
    scene.run(GOOD, &[]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    fs::write(scene.worktree("b").join("mine.txt"), "mine").unwrap();
    let ended = scene.dispatch(&["clean"]).expect(0);
    assert!(
        ended.err.contains("has uncommitted changes"),
        "{}",
        ended.err
    );
    assert_eq!(worktrees(&scene), "b");
    assert_eq!(branches(&scene), "b");
    scene.dispatch(&["clean", "--force", "A"]).expect(0);
    assert_eq!(worktrees(&scene), "b");
    scene.dispatch(&["clean", "--force", "B"]).expect(0);
    assert_eq!(
        (worktrees(&scene), branches(&scene)),
        (String::new(), String::new())
    );
}

#[test]
fn commits_made_after_the_run_stay() {
    let scene = Scene::new();
    scene.run(GOOD, &[]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    let (a, b) = (scene.worktree("a"), scene.worktree("b"));
    let (a, b) = (a.to_str().unwrap(), b.to_str().unwrap());
    scene.git(&["-C", a, "commit", "--quiet", "--allow-empty", "-m", "More"]);
    let more = scene.rev(&scene.branch("a"));
    scene.git(&["-C", b, "checkout", "--quiet", "--detach"]);
    scene.git(&["-C", b, "commit", "--quiet", "--allow-empty", "-m", "Lost?"]);
    scene.dispatch(&["clean"]).expect(0);
    assert_eq!(scene.rev(&scene.branch("a")), more);
    assert_eq!(worktrees(&scene), "b", "its commit is on no branch");
}

#[test]
fn ignored_files_of_a_worker_do_not_keep_its_worktree() {
    let scene = Scene::new();
    scene
        .run(
            "1. [A] a\n   - run: echo a > a.txt; echo noise > build.log\n",
            &[],
        )
        .expect(0);
    scene.dispatch(&["clean"]).expect(0);
    assert_eq!(worktrees(&scene), "");
}

#[test]
fn ignored_files_that_no_build_makes_are_named_and_small_ones_are_kept() {
    let scene = Scene::new();
    scene.write(".gitignore", "*.log\ndata/\nnode_modules/\ntarget/\n.env\n");
    scene.write(".env", "SECRET=1\n");
    scene.configure("[worktree]\ncopy = [\".env\"]\n");
    let plan = "1. [A] a\n   - run: echo a > a.txt; echo precious > out.log; mkdir -p node_modules/x && echo t > node_modules/x/t\n\
                2. [B] b\n   - run: echo b > b.txt; mkdir data && head -c 2000000 /dev/zero > data/big\n\
                3. [C] c\n   - run: echo c > c.txt; mkdir node_modules && echo t > node_modules/t\n\
                4. [D] d\n   - run: echo d > d.txt; mkdir target && touch $(seq -f target/t%g 21) && head -c 2000000 /dev/zero > large.log; echo n > notes.log\n\
                5. [E] e\n   - run: echo e > e.txt; mkdir -p target/doc && echo precious > target/doc/notes.md\n";
    scene.run(plan, &[]).expect(0);
    let reference = format!("refs/dispatch/attempts/{}/a.ignored", scene.run_name());
    let planned = scene.dispatch(&["clean", "--dry-run"]).expect(0).out;
    assert!(!scene.has(&reference), "a dry run keeps nothing");
    let cleaned = scene.dispatch(&["clean"]).expect(0).err;
    let small = format!("/a with out.log, which git ignores; kept below {reference}\n");
    let large = "/b with data/, which git ignores; 1.9 MiB, which go with it\n";
    let both = format!(
        "/d with notes.log, which git ignores; kept below {}, and with large.log, which git ignores; 1.9 \
         MiB, which go with it, and with target/ (21 files), output that git ignores, which goes with it\n",
        reference.replace("/a.", "/d.")
    );
    for said in [planned, cleaned] {
        assert!(said.contains(&small) && said.contains(large), "{said}");
        assert!(said.contains(&both), "{said}");
        assert!(said.contains("/c\n"), "{said}");
    }
    assert_eq!(worktrees(&scene), "");
    assert_eq!(
        scene.git(&["show", &format!("{reference}:out.log")]),
        "precious"
    );
    for (task, expected) in [
        ("a", "out.log"),
        ("d", "notes.log"),
        ("e", "target/doc/notes.md"),
    ] {
        let kept = reference.replace("/a.", &format!("/{task}."));
        let files = scene.git(&["diff", "--name-only", &format!("{kept}~"), &kept]);
        assert_eq!(files, expected);
    }
}

#[test]
fn commits_that_were_made_by_hand_and_left_outlive_the_worktree() {
    let scene = Scene::new();
    let plan = "1. [A] a\n   - run: echo t > try.txt && git add -A && git commit -qm try && git reset -q --hard HEAD~ && echo a > a.txt\n\
                2. [B] b\n   - run: echo b > b.txt\n";
    scene.run(plan, &[]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    let place = scene.worktree("a").display().to_string();
    let commit = |file: &str| {
        fs::write(scene.worktree("a").join(file), "by hand\n").unwrap();
        scene.git(&["-C", &place, "add", "-A"]);
        scene.git(&["-C", &place, "commit", "-qm", file]);
    };
    scene.git(&["-C", &place, "checkout", "-q", "--detach"]);
    commit("detached");
    scene.git(&["-C", &place, "checkout", "-q", "-"]);
    commit("draft");
    scene.git(&["-C", &place, "commit", "-q", "--amend", "-m", "amended"]);
    commit("reset");
    scene.git(&["-C", &place, "reset", "-q", "--hard", "HEAD~2"]);
    let planned = scene.dispatch(&["clean", "--dry-run"]).expect(0).out;
    let cleaned = scene.dispatch(&["clean"]).expect(0).err;
    let below = format!("refs/dispatch/attempts/{}/a.left", scene.run_name());
    let words =
        format!("/a with 2 commits that were made and left there; kept below {below}: `git log ");
    for said in [planned, cleaned] {
        assert!(said.contains(&words) && said.contains("/b\n"), "{said}");
    }
    assert_eq!(worktrees(&scene), "");
    let kept = scene.git(&["for-each-ref", "--format=%(refname)", &format!("{below}*")]);
    let kept: Vec<&str> = kept.lines().collect();
    let mut all: Vec<&str> = kept.clone();
    all.extend(["--not", "main"]);
    let log = scene.git(&[&["log", "--format=%s"], &all[..]].concat());
    let mut subjects: Vec<&str> = log.lines().collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["amended", "detached", "reset"]);
}

#[test]
fn what_the_user_makes_in_the_worktree_of_the_checks_is_kept() {
    let scene = Scene::new();
    scene.configure("[assemble]\ncheck = [\"echo built > built.txt && test -e a.txt\"]\n");
    scene.run(GOOD, &[]).expect(0);
    let place = scene.worktree("integration");
    let folder = place.display().to_string();
    let planned = scene.dispatch(&["clean", "--dry-run"]).expect(0).out;
    assert!(
        planned.contains("/integration\n"),
        "only a check wrote there: {planned}"
    );
    fs::write(place.join("README.md"), "by hand\n").unwrap();
    fs::write(place.join("fix.txt"), "fix\n").unwrap();
    scene.git(&["-C", &folder, "add", "fix.txt"]);
    scene.git(&["-C", &folder, "commit", "-qm", "Fix"]);
    let kept = |file: &str| {
        let below = format!(
            "refs/dispatch/attempts/{}/integration.left*",
            scene.run_name()
        );
        let names = scene.git(&["for-each-ref", "--format=%(refname)", &below]);
        let mut names = names.lines().map(|name| format!("{name}:{file}"));
        names.any(|name| scene.has(&name) && scene.git(&["show", &name]).len() < 8)
    };
    let planned = scene.dispatch(&["clean", "--dry-run"]).expect(0).out;
    for words in [
        "/integration with 1 commit that was made and left there",
        "changes made by hand (README.md); kept below ",
    ] {
        assert!(planned.contains(words), "{planned}");
    }
    scene.dispatch(&["assemble", "--recheck"]).expect(0);
    assert_eq!(
        fs::read_to_string(place.join("README.md")).unwrap(),
        "# Shop\n"
    );
    assert!(kept("README.md") && kept("fix.txt"));
    fs::write(place.join("more.txt"), "more\n").unwrap();
    scene.dispatch(&["clean"]).expect(0);
    assert!(kept("more.txt") && !place.exists());
}

#[test]
fn what_keeps_a_worktree_is_named_with_the_way_out() {
    let scene = Scene::new();
    scene.run(GOOD, &[]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    fs::write(scene.worktree("b").join("mine.txt"), "mine").unwrap();
    let cleaned = scene.dispatch(&["clean"]).expect(0).err;
    let words = format!(
        "`dispatch clean {} --force 2` removes them with it",
        scene.run_name()
    );
    assert!(cleaned.contains(&words), "{cleaned}");
}

#[test]
fn a_run_can_be_read_when_its_worktrees_and_branches_are_gone() {
    let scene = Scene::new();
    scene.run(PLAN, &[]).expect(3);
    let before = read_all(&scene, &scene.repo);
    scene.dispatch(&["clean"]).expect(0);
    for branch in ["a", "b", "d", "integration"] {
        scene.git(&["branch", "--quiet", "-D", &scene.branch(branch)]);
    }
    scene.git(&["reflog", "expire", "--expire=now", "--all"]);
    scene.git(&["gc", "--quiet", "--prune=now"]);
    let after = read_all(&scene, &scene.repo);
    assert_eq!(before, after);
    assert!(
        scene
            .dispatch(&["logs", "1"])
            .expect(0)
            .out
            .contains("said")
    );
}

#[test]
fn a_run_can_be_read_in_a_clone_that_fetched_its_references() {
    let scene = Scene::new();
    scene.run(PLAN, &[]).expect(3);
    let before = read_all(&scene, &scene.repo);
    scene.git(&[
        "clone",
        "--quiet",
        "--no-local",
        "--branch",
        "main",
        ".",
        "../clone",
    ]);
    let clone = scene.root.join("clone");
    let fetch = [
        "-C",
        "../clone",
        "fetch",
        "--quiet",
        "origin",
        "refs/dispatch/*:refs/dispatch/*",
    ];
    scene.git(&fetch);
    fs::remove_dir_all(scene.root.join("shop.dispatch")).unwrap();
    assert_eq!(read_all(&scene, &clone), before);
    let ended = scene.dispatch_in(&clone, &["logs", "1"]).expect(1);
    assert!(ended.err.contains("log"), "{}", ended.err);
    // The remaining data can be landed from the clone as well.
    scene.git(&["-C", "../clone", "config", "user.name", "Grace"]);
    scene.git(&[
        "-C",
        "../clone",
        "config",
        "user.email",
        "grace@example.com",
    ]);
    scene.dispatch_in(&clone, &["land", "--yes"]).expect(0);
    assert_eq!(fs::read_to_string(clone.join("d.txt")).unwrap(), "d\n");
    assert!(!clone.join("c.txt").exists());
}

#[test]
fn worktrees_that_somebody_removed_are_no_hindrance() {
    let scene = Scene::new();
    scene.run(GOOD, &[]).expect(0);
    fs::remove_dir_all(scene.worktree("a")).unwrap();
    scene.git(&["worktree", "remove", scene.worktree("b").to_str().unwrap()]);
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    assert_eq!(branches(&scene), "");
    assert_eq!(scene.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn a_cleaned_run_can_go_on() {
    let scene = Scene::new();
    let fixed = scene.root.join("fixed");
    let plan = format!(
        "1. [A] a\n   - run: echo a > a.txt\n2. [B] b\n   - run: test -e {} && echo b > b.txt\n\
         3. [C] c — blocked by #1, #2\n   - run: ls > c.txt\n",
        fixed.display()
    );
    scene.run(&plan, &[]).expect(3);
    scene.dispatch(&["clean"]).expect(0);
    for branch in ["a", "integration"] {
        scene.git(&["branch", "--quiet", "-D", &scene.branch(branch)]);
    }
    fs::write(&fixed, "").unwrap();
    scene.dispatch(&["retry", "2"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 DONE");
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert!(scene.read("c.txt").contains("a.txt\nb.txt"));
    scene.dispatch(&["clean"]).expect(0);
    assert_eq!(
        (worktrees(&scene), branches(&scene)),
        (String::new(), String::new())
    );
}

#[test]
fn a_commit_of_somebody_elses_on_the_integration_branch_is_never_lost() {
    let scene = Scene::new();
    scene.run(GOOD, &[]).expect(0);
    let integration = scene.branch("integration");
    scene.git(&["worktree", "add", "--quiet", "../look", &integration]);
    fs::write(scene.root.join("look/mine.txt"), "mine").unwrap();
    scene.git(&["-C", "../look", "add", "mine.txt"]);
    scene.git(&["-C", "../look", "commit", "--quiet", "-m", "Mine"]);
    scene.git(&["worktree", "remove", "../look"]);
    let mine = scene.rev(&integration);
    scene.dispatch(&["assemble"]);
    let holders = ["for-each-ref", "--contains", &mine, "--format=%(refname)"];
    assert!(!scene.git(&holders).is_empty());
    let refused = scene.dispatch(&["land", "--yes"]).expect(1);
    assert!(
        refused.err.contains("has a commit that is not of this run"),
        "{}",
        refused.err
    );
    scene.dispatch(&["clean"]).expect(0);
    assert!(!scene.git(&holders).is_empty());
}

#[test]
fn the_boards_of_a_run_with_nothing_to_land_are_removed() {
    let scene = Scene::new();
    scene
        .run("1. [A] a\n   - run: echo 3\n   - produces: info\n", &[])
        .expect(0);
    scene.dispatch(&["clean"]).expect(0);
    assert_eq!(branches(&scene), "");
    assert!(scene.dispatch(&["board"]).expect(0).out.contains("DONE"));
}

#[test]
fn a_run_whose_open_tasks_were_all_cancelled_can_be_cleaned() {
    let scene = Scene::new();
    let patient = "[retry]\nbase_delay = \"1h\"\nmax_delay = \"1h\"\n";
    scene.write(".dispatch.toml", patient);
    scene.commit("Settings");
    let plan = "1. [A] First\n   - run: echo a > a.txt\n\
                2. [B] Second — blocked by #1\n   - run: exit 75\n";
    let dispatch = Background::run(&scene, plan, &[]);
    let status = || scene.dispatch(&["status"]).out;
    until("the retry", || status().contains("RETRY"));
    dispatch.crash();
    let refused = scene.dispatch(&["clean"]).expect(1);
    assert!(refused.err.contains("has not ended"), "{}", refused.err);
    let run = scene.run_name();
    scene.dispatch(&["cancel", &run]).expect(0);
    let cleaned = scene.dispatch(&["clean"]).expect(0);
    assert!(
        cleaned.out.contains("removed 2 worktrees"),
        "{}",
        cleaned.out
    );
    assert!(
        cleaned.err.contains("has work that is not landed"),
        "{}",
        cleaned.err
    );
    assert_eq!(worktrees(&scene), "");
}

#[test]
fn the_end_of_a_cancelled_worker_is_recorded_before_its_run_is_cleaned() {
    let scene = Scene::new();
    let mut gate = Gate::new(&scene, "gate");
    let plan = format!("1. [A] First\n   - run: {}\n", gate.script());
    let dispatch = Background::run(&scene, &plan, &[]);
    gate.wait_until_reached();
    dispatch.crash();
    let run = scene.run_name();
    scene.dispatch(&["cancel", &run]).expect(0);
    let refused = scene.dispatch(&["clean"]).expect(1).err;
    assert!(
        refused.contains("#1 is cancelled, and the end of its worker"),
        "{refused}"
    );
    scene.dispatch(&["resume", &run]).expect(3);
    scene.dispatch(&["clean"]).expect(0);
}

#[test]
fn no_command_removes_the_work_of_a_run_that_cannot_be_read() {
    let scene = Scene::new();
    let plan = "# One\n\n1. [A] a\n   - run: echo a > a.txt; exit 3\n";
    scene.run(plan, &[]).expect(3);
    let run = scene.run_name();
    let of_worktree = || {
        let shown = scene
            .dispatch(&["status", "--disk", "--json"])
            .expect(0)
            .out;
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        let kept = shown["kept"].as_array().unwrap().iter();
        let mut kept = kept.filter(|kept| kept["why"].as_str().unwrap().contains(&run));
        let found = kept.next().cloned().unwrap();
        (
            found["why"].as_str().unwrap().to_owned(),
            found["remove"].clone(),
        )
    };
    let (why, remove) = of_worktree();
    assert!(why.contains(&format!("#1 of {run}, FAILED")), "{why}");
    assert_eq!(remove, format!("dispatch clean {run}"));
    // The reference names a commit that is no journal.
    scene.git(&["update-ref", &format!("refs/dispatch/runs/{run}"), "HEAD"]);
    let (why, remove) = of_worktree();
    assert!(why.contains("whose journal cannot be read"), "{why}");
    assert!(remove.is_null(), "{remove}");
}
