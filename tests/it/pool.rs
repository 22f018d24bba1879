//! The pool of worktrees: one task after another in the same folder, with nothing of the earlier one but
//! the kept folders, and no work lost.

use std::fs;
use std::path::PathBuf;

use crate::harness::Scene;

/// A project with a pool. Every worker writes where it works, and the time of a file that nobody changes.
fn scene(more: &str) -> Scene {
    scene_with("\"auto\"", more)
}

fn scene_with(pool: &str, more: &str) -> Scene {
    let scene = Scene::new();
    scene.write(".gitignore", "target/\nout/\n.env\nset-up/\n");
    scene.write("app.txt", "one\n");
    scene.write("lib.txt", "lib\n");
    scene.configure(&format!(
        "[worktree]\npool = {pool}\nkeep = [\"target\", \"set-up\"]\n{more}"
    ));
    scene
}

/// A task that records its folder, and then runs a script.
fn task(scene: &Scene, number: u32, name: &str, more: &str, script: &str) -> String {
    let root = scene.root.display();
    format!(
        "{number}. [{name}] Do {name}\n   - run: pwd -P > {root}/pwd-{name}; stat -c %y lib.txt > {root}/time-{name}; {script}\n{more}"
    )
}

pub(crate) fn noted(scene: &Scene, kind: &str, name: &str) -> String {
    let text = fs::read_to_string(scene.root.join(format!("{kind}-{name}")));
    text.unwrap_or_default().trim().to_owned()
}

pub(crate) fn slot(scene: &Scene, number: u32) -> PathBuf {
    let root = scene.root.canonicalize().unwrap();
    root.join(format!("shop.dispatch/pool/{number}"))
}

pub(crate) fn place(scene: &Scene, name: &str) -> PathBuf {
    PathBuf::from(noted(scene, "pwd", name))
}

/// Returns `true` in a pass with a reftable, where every task has a worktree of its own.
pub(crate) fn has_no_pool() -> bool {
    std::env::var_os("DISPATCH_TEST_REFS").is_some_and(|refs| refs == "reftable")
}

#[test]
fn one_task_after_another_has_the_same_folder_with_nothing_of_the_other_but_what_is_kept() {
    if has_no_pool() {
        return;
    }
    let scene = scene("");
    let hidden = "git update-index --assume-unchanged lib.txt";
    let first = task(
        &scene,
        1,
        "A",
        "",
        &format!(
            "mkdir target out; echo a > target/log; echo o > out/o; echo s > .env; echo a > a.txt; \
             echo changed > app.txt; git config user.nick x; {hidden}; git add a.txt; git commit -qm mine; \
             git tag -d none; git update-ref refs/worktree/x HEAD; git update-ref -d refs/worktree/x"
        ),
    );
    let second = task(
        &scene,
        2,
        "B",
        "",
        "test ! -e a.txt && test ! -e out && test ! -e .env && test $(cat app.txt) = one && \
         test -z \"$(git status --porcelain)\" && test $(git log --oneline -g HEAD | wc -l) -le 1 && \
         cat target/log > b.txt && echo b >> target/log",
    );
    let third = task(
        &scene,
        3,
        "C",
        "   - depends_on: 1\n",
        "test ! -e b.txt && test $(cat app.txt) = changed && cp target/log c.txt",
    );
    let plan = format!("# P\n\n{first}{second}{third}");
    let before = scene.fingerprint();
    scene.run(&plan, &["--max-parallel", "1"]).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 DONE");
    for name in ["A", "B", "C"] {
        assert_eq!(place(&scene, name), slot(&scene, 1), "{name}");
        assert_eq!(
            noted(&scene, "time", name),
            noted(&scene, "time", "A"),
            "{name}"
        );
    }
    before.assert_same(&scene.fingerprint());
    let of =
        |slug: &str, path: &str| scene.git(&["show", &format!("{}:{path}", scene.branch(slug))]);
    assert_eq!(
        (of("b", "b.txt"), of("c", "c.txt")),
        ("a".to_owned(), "a\nb".to_owned())
    );
    assert!(!scene.worktree("a").exists() && !scene.worktree("b").exists());
    assert!(
        scene.worktree("c").exists(),
        "the last one stays for the user"
    );
    let report = scene.dispatch(&["report"]).expect(0).out;
    assert!(report.contains("warm worktree"), "{report}");
    let log = scene.dispatch(&["log"]).expect(0).out;
    assert_eq!(log.matches("in a warm worktree").count(), 2, "{log}");
    // The next run uses the worktree again: given back, or taken over.
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    assert!(slot(&scene, 1).join("target/log").exists());
    assert!(scene.worktree("c").symlink_metadata().is_err());
    assert_eq!(
        scene.git(&[
            "-C",
            slot(&scene, 1).to_str().unwrap(),
            "status",
            "--porcelain"
        ]),
        ""
    );
    let again = task(&scene, 1, "D", "", "cp target/log d.txt; test -e c.txt");
    scene.run(&format!("# Q\n\n{again}"), &[]).expect(0);
    assert_eq!(place(&scene, "D"), slot(&scene, 1));
    let more = task(&scene, 1, "E", "", "echo e > e.txt");
    scene.run(&format!("# R\n\n{more}"), &[]).expect(0);
    assert_eq!(
        place(&scene, "E"),
        slot(&scene, 1),
        "that of another run that has passed"
    );
}

#[test]
fn a_file_that_a_worker_hides_from_git_is_as_in_the_commit_for_the_next_one() {
    if has_no_pool() {
        return;
    }
    let scene = scene("");
    // Equal size and time, and an index that says that nothing has changed.
    let first = task(
        &scene,
        1,
        "A",
        "",
        "touch -r lib.txt time; printf 'LIB\\n' > lib.txt; touch -r time lib.txt; rm time; \
         git update-index --skip-worktree app.txt; echo x > a.txt; git commit -qam a lib.txt || true",
    );
    let second = task(
        &scene,
        2,
        "B",
        "",
        "test $(cat lib.txt) = lib && echo b > b.txt",
    );
    let plan = format!("# P\n\n{first}{second}");
    scene.run(&plan, &["--max-parallel", "1"]).expect(0);
    assert_eq!(place(&scene, "B"), slot(&scene, 1));
}

#[test]
fn attributes_that_a_task_added_do_not_reach_the_files_of_the_next_one() {
    if has_no_pool() {
        return;
    }
    let scene = scene("");
    // With attributes anywhere in the commit, git looks for more of them on disk.
    scene.write("docs/.gitattributes", "*.md text\n");
    scene.commit("Attributes of the documentation");
    let first = task(
        &scene,
        1,
        "A",
        "",
        "echo '*.txt text eol=crlf' > .gitattributes; echo more >> app.txt",
    );
    let second = task(
        &scene,
        2,
        "B",
        "",
        "! grep -q \"$(printf '\\r')\" app.txt && test ! -e .gitattributes && echo b > b.md",
    );
    let plan = format!("# P\n\n{first}{second}");
    scene.run(&plan, &["--max-parallel", "1"]).expect(0);
    assert_eq!(place(&scene, "B"), slot(&scene, 1));
}

#[test]
fn attributes_of_another_base_change_every_file() {
    if has_no_pool() {
        return;
    }
    let scene = scene("");
    let first = task(
        &scene,
        1,
        "A",
        "",
        "echo '*.txt text eol=crlf' > .gitattributes; mkdir target",
    );
    let second = task(
        &scene,
        2,
        "B",
        "   - depends_on: 1\n",
        "grep -q \"$(printf '\\r')\" lib.txt && test ! -e target && echo b > b.md",
    );
    let third = task(
        &scene,
        3,
        "C",
        "   - priority: -1\n",
        "! grep -q \"$(printf '\\r')\" lib.txt && echo c > c.md",
    );
    let plan = format!("# P\n\n{first}{second}{third}");
    scene.run(&plan, &["--max-parallel", "1"]).expect(0);
    for name in ["B", "C"] {
        assert_eq!(place(&scene, name), slot(&scene, 1), "{name}");
    }
}

#[test]
fn what_a_user_leaves_in_a_worktree_keeps_it_from_being_used() {
    if has_no_pool() {
        return;
    }
    let scene = scene("");
    let plan = |name: &str| {
        format!(
            "# {name}\n\n{}",
            task(&scene, 1, name, "", &format!("echo x > {name}.txt"))
        )
    };
    scene.run(&plan("A"), &[]).expect(0);
    let known = scene.worktree("a");
    fs::write(known.join("app.txt"), "mine\n").unwrap();
    scene.run(&plan("B"), &[]).expect(0);
    assert_eq!(
        place(&scene, "B"),
        slot(&scene, 2),
        "the first has uncommitted work"
    );
    assert_eq!(fs::read_to_string(known.join("app.txt")).unwrap(), "mine\n");
    // A commit on no branch would be lost with the log of HEAD.
    let second = slot(&scene, 2);
    let second = second.to_str().unwrap();
    scene.git(&["-C", second, "checkout", "-q", "--detach"]);
    let who = ["-c", "user.name=A", "-c", "user.email=a@localhost"];
    scene.git(
        &[
            &["-C", second][..],
            &who,
            &["commit", "-q", "--allow-empty", "-m", "by hand"],
        ]
        .concat(),
    );
    scene.run(&plan("C"), &[]).expect(0);
    assert_eq!(place(&scene, "C"), slot(&scene, 3));
    assert_eq!(
        scene.git(&["-C", second, "log", "-1", "--format=%s"]),
        "by hand"
    );
    // A free worktree that was edited stays as it is, and is named.
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    fs::write(slot(&scene, 3).join("note.md"), "mine\n").unwrap();
    let ended = scene.run(&plan("D"), &[]).expect(0);
    assert_eq!(place(&scene, "D"), slot(&scene, 4));
    let named = format!(
        "the free worktree {} is not used",
        slot(&scene, 3).display()
    );
    assert!(ended.err.contains(&named), "{}", ended.err);
    let examined = scene.dispatch(&["doctor", "--pool"]).expect(4).out;
    assert!(
        examined.contains("changes made by hand: note.md"),
        "{examined}"
    );
    let cleaned = scene.dispatch(&["clean", "--pool"]).expect(0);
    assert!(cleaned.err.contains("note.md"), "{}", cleaned.err);
    assert_eq!(
        fs::read_to_string(slot(&scene, 3).join("note.md")).unwrap(),
        "mine\n"
    );
    fs::remove_file(slot(&scene, 3).join("note.md")).unwrap();
    scene.dispatch(&["clean", "--pool"]).expect(0);
    assert!(!slot(&scene, 3).exists());
}

#[test]
fn set_up_runs_again_only_when_a_named_file_differs_or_what_it_made_is_gone() {
    if has_no_pool() {
        return;
    }
    let count = "mkdir -p set-up && echo x >> set-up/count";
    // With more than one worktree, the next task may have one that was set up meanwhile.
    let set_up = format!("setup = [\"{count}\"]\nsetup_when = [\"lock\", \"absent\"]\n");
    let scene = scene_with("1", &set_up);
    scene.write("lock", "1\n");
    scene.commit("A list");
    let root = scene.root.display().to_string();
    let note = |name: &str| format!("cp set-up/count {root}/count-{name}");
    let tasks = [
        task(
            &scene,
            1,
            "A",
            "",
            &format!("{}; echo a > a.txt", note("A")),
        ),
        task(&scene, 2, "B", "", &format!("{}; echo 2 > lock", note("B"))),
        task(
            &scene,
            3,
            "C",
            "",
            &format!("{}; rm -r set-up; echo c > c.txt", note("C")),
        ),
        task(
            &scene,
            4,
            "D",
            "",
            &format!("{}; echo d > d.txt", note("D")),
        ),
        task(
            &scene,
            5,
            "E",
            "   - depends_on: 2\n",
            &format!("{}; echo e > e.txt", note("E")),
        ),
        task(
            &scene,
            6,
            "F",
            "   - depends_on: 5\n   - fresh: true\n",
            &format!("{}; echo f > f.txt", note("F")),
        ),
    ];
    let plan = format!("# P\n\n{}", tasks.concat());
    scene.run(&plan, &["--max-parallel", "1"]).expect(0);
    let counts: Vec<usize> = ["A", "B", "C", "D", "E", "F"]
        .iter()
        .map(|name| noted(&scene, "count", name).lines().count())
        .collect();
    // B is the first, and changes the file, on which E builds. A has the old one again, C need not be set
    // up and removes the folder, so that D has to be. F has a new worktree.
    assert_eq!(counts, [3, 1, 3, 1, 2, 1]);
    assert_eq!(place(&scene, "E"), slot(&scene, 1));
    assert_eq!(
        place(&scene, "F"),
        scene.worktree("f").canonicalize().unwrap()
    );
}

#[test]
fn failed_work_stays_where_it_is_and_a_full_pool_gives_way_to_new_worktrees() {
    if has_no_pool() {
        return;
    }
    let scene = scene("");
    scene.configure("[worktree]\npool = 1\nkeep = [\"target\"]\n");
    let first = task(&scene, 1, "A", "", "echo half > half.txt; exit 1");
    let second = task(&scene, 2, "B", "", "echo b > b.txt");
    scene.run(&format!("# P\n\n{first}{second}"), &["--max-parallel", "1"]);
    assert_eq!(scene.statuses(), "1 FAILED · 2 DONE");
    assert_eq!(place(&scene, "A"), slot(&scene, 1));
    assert_eq!(
        place(&scene, "B"),
        scene.worktree("b").canonicalize().unwrap()
    );
    let kept = fs::read_to_string(scene.worktree("a").join("half.txt")).unwrap();
    assert_eq!(kept, "half\n");
    let shown = scene.git(&["worktree", "list"]);
    assert!(shown.contains("pool/1"), "{shown}");
    scene.dispatch(&["clean"]).expect(0);
    assert!(scene.worktree("a").symlink_metadata().is_err());
    // A reference keeps it.
    assert!(!slot(&scene, 1).join("half.txt").exists());
    let dry = scene.dispatch(&["clean", "--pool", "--dry-run"]);
    assert_eq!(dry.expect(0).out, "would remove 1 worktree of the pool\n");
    scene.dispatch(&["clean", "--pool"]).expect(0);
    assert!(!slot(&scene, 1).exists());
}
