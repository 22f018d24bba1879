//! Runs in unusual repositories.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::harness::{FAST_RETRIES, Scene, temp_folder};

const ONE: &str = "1. [A] a\n   - run: echo a > a.txt\n";

/// Lists the changes of a branch against `main`.
fn changed(scene: &Scene, slug: &str) -> String {
    scene.git(&[
        "diff",
        "--name-status",
        "--no-renames",
        "main",
        &scene.branch(slug),
    ])
}

#[test]
fn a_board_file_of_somebody_elses_is_refused_and_another_name_helps() {
    let scene = Scene::new();
    scene.write("DISPATCH.md", "# My dispatches\n");
    scene.commit("Mine");
    let ended = scene.run(ONE, &[]).expect(1);
    assert!(ended.err.contains("DISPATCH.md"), "{}", ended.err);
    assert!(
        ended.err.contains("`file` under `[board]`"),
        "{}",
        ended.err
    );
    assert!(scene.run_names().is_empty());
    scene.configure("[board]\nfile = \"docs/BOARD.md\"\n");
    scene.run(ONE, &[]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("DISPATCH.md"), "# My dispatches\n");
    assert!(scene.read("docs/BOARD.md").starts_with("# Dispatch: "));
    assert_eq!(scene.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_sparse_checkout_keeps_what_it_does_not_show() {
    let scene = Scene::new();
    scene.write("docs/a.md", "a\n");
    scene.write("lib/b.ts", "b\n");
    scene.commit("More");
    scene.git(&["sparse-checkout", "set", "--cone", "src"]);
    let before = scene.fingerprint();
    let plan = "1. [IN] inside\n   - run: echo new > src/new.ts\n\
                2. [OUT] outside\n   - run: mkdir -p lib && echo new > lib/new.ts\n";
    scene.run(plan, &[]).expect(0);
    before.assert_same(&scene.fingerprint());
    assert_eq!(changed(&scene, "in"), "A\tsrc/new.ts");
    assert_eq!(changed(&scene, "out"), "A\tlib/new.ts");
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.git(&["show", "main:docs/a.md"]), "a");
    assert_eq!(scene.read("src/new.ts"), "new\n");
    assert_eq!(scene.git(&["status", "--porcelain"]), "");
    scene.dispatch(&["clean"]).expect(0);
    assert_eq!(scene.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn filters_of_the_repository_work_as_for_the_user() {
    let scene = Scene::new();
    scene.git(&["config", "filter.up.clean", "tr a-z A-Z"]);
    scene.git(&["config", "filter.up.smudge", "tr A-Z a-z"]);
    scene.git(&["config", "filter.up.required", "true"]);
    scene.git(&["config", "core.autocrlf", "input"]);
    scene.write(".gitattributes", "*.up filter=up\n*.txt text eol=crlf\n");
    scene.write("old.up", "old\n");
    scene.commit("Filtered");
    let plan =
        "1. [A] a\n   - run: cat old.up > seen.md; echo new > new.up; printf 'x\\r\\n' > a.txt\n";
    scene.run(plan, &[]).expect(0);
    let show =
        |path: &str| scene.git(&["cat-file", "blob", &format!("{}:{path}", scene.branch("a"))]);
    assert_eq!(show("seen.md"), "old");
    assert_eq!(show("new.up"), "NEW");
    assert_eq!(show("a.txt"), "x");
    assert_eq!(changed(&scene, "a"), "A\ta.txt\nA\tnew.up\nA\tseen.md");
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("new.up"), "new\n");
    assert_eq!(scene.git(&["status", "--porcelain"]), "");
}

#[test]
fn submodules_are_said_and_stay_as_they_are() {
    let other = Scene::new();
    let scene = Scene::new();
    let url = other.repo.to_str().unwrap();
    scene.git(&[
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        url,
        "sub",
    ]);
    scene.commit("A submodule");
    let before = scene.fingerprint();
    let ended = scene.run(ONE, &[]).expect(0);
    assert!(
        ended.err.contains("submodules are not checked out"),
        "{}",
        ended.err
    );
    before.assert_same(&scene.fingerprint());
    assert_eq!(changed(&scene, "a"), "A\ta.txt");
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("sub/README.md"), "# Shop\n");
    assert_eq!(scene.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_shallow_clone_is_said_and_works() {
    let mut scene = Scene::new();
    scene.write("more.txt", "more\n");
    scene.commit("More");
    let url = format!("file://{}", scene.repo.display());
    scene.git(&["clone", "--quiet", "--depth", "1", &url, "../shallow"]);
    scene.repo = scene.root.join("shallow");
    scene.git(&["config", "user.name", "Ada"]);
    scene.git(&["config", "user.email", "ada@example.com"]);
    let ended = scene.run(
        "1. [A] a\n   - run: echo a > a.txt\n2. [B] b\n   - run: echo b > b.txt\n",
        &[],
    );
    let ended = ended.expect(0);
    assert!(
        ended.err.contains("this is a shallow clone"),
        "{}",
        ended.err
    );
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("b.txt"), "b\n");
}

#[test]
fn worktrees_can_be_anywhere_outside_the_repository() {
    let scene = Scene::new();
    let elsewhere = temp_folder();
    let folder = elsewhere.path().canonicalize().unwrap();
    scene.configure(&format!(
        "[worktree]\npath = \"{}/{{run}}/{{task}}\"\n",
        folder.display()
    ));
    scene
        .run(
            "1. [A] a\n   - run: echo a > a.txt\n2. [B] b\n   - run: exit 1\n",
            &[],
        )
        .expect(3);
    let run = scene.run_name();
    let worktree = folder.join(&run).join("a");
    assert!(worktree.join("a.txt").exists());
    assert_eq!(
        scene.json()["tasks"][0]["worktree"],
        worktree.to_str().unwrap()
    );
    scene.dispatch(&["clean"]).expect(0);
    assert!(!worktree.exists());
}

#[test]
fn a_folder_with_blanks_and_quotes_is_as_good_as_any() {
    let mut scene = Scene::new();
    let odd = scene.root.join("my \"shop\" & 'co' é");
    fs::rename(&scene.repo, &odd).unwrap();
    scene.repo = odd;
    scene.run("1. [A] a\n   - run: echo a > a.txt\n   - check: test -e a.txt\n2. [B] b — blocked by #1\n   - run: echo b > b.txt\n", &[])
        .expect(0);
    scene.write_program(".git/hooks/commit-msg", "#!/bin/sh\ntest -e \"$1\"\n");
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    assert_eq!(scene.read("b.txt"), "b\n");
    assert_eq!(scene.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn tags_of_any_kind_make_branches_of_their_own() {
    let scene = Scene::new();
    let plan = "1. [Integration] a\n   - run: echo 1 > 1.txt\n\
                2. [a/b] b\n   - run: echo 2 > 2.txt\n\
                3. [A-B] c\n   - run: echo 3 > 3.txt\n\
                4. [日本] d\n   - run: echo 4 > 4.txt\n\
                5. [..] e\n   - run: echo 5 > 5.txt\n";
    scene.run(plan, &[]).expect(0);
    let names = [
        "for-each-ref",
        "--format=%(refname:lstrip=4)",
        "refs/heads/dispatch/",
    ];
    assert_eq!(
        scene.git(&names),
        "4\n5\na-b\na-b-3\nintegration\nintegration-1"
    );
}

#[test]
fn a_plan_can_come_from_standard_input_and_settings_from_a_file() {
    let scene = Scene::new();
    let file = scene.root.join("other.toml");
    fs::write(
        &file,
        format!("{FAST_RETRIES}[run]\nbranch_prefix = \"work\"\n"),
    )
    .unwrap();
    let mut command = scene.command(env!("CARGO_BIN_EXE_dispatch"));
    command.args(["run", "-", "--yes", "--config", file.to_str().unwrap()]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(ONE.as_bytes())
        .unwrap();
    crate::harness::wait(child).expect(0);
    let run = scene.run_name();
    assert_eq!(
        scene.git(&["show", &format!("work/{run}/integration:a.txt")]),
        "a"
    );
    // Later commands know the settings the run was started with.
    scene.dispatch(&["assemble"]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    let refs = scene.git(&["for-each-ref", "--format=%(refname)"]);
    assert_eq!(
        refs.lines()
            .filter(|line| line.contains(concat!("/wo", "rk/")))
            .count(),
        0,
        "{refs}"
    );
}

#[test]
fn everything_works_as_a_git_subcommand() {
    let mut scene = Scene::new();
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_git-dispatch"))
        .parent()
        .unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    scene.set_env("PATH", &path);
    let plan = scene.plan(ONE);
    scene.git(&["dispatch", "run", &plan, "--yes"]);
    let ended = scene.try_git(&["dispatch", "status"]).expect(0);
    assert!(ended.out.contains("1 of 1 done"), "{}", ended.out);
    assert_eq!(scene.try_git(&["dispatch", "land"]).code, 2);
    scene.git(&["dispatch", "land", "--yes"]);
    assert_eq!(scene.read("a.txt"), "a\n");
}

#[test]
fn a_git_folder_elsewhere_has_its_worktrees_beside_the_checkout() {
    for is_link in [false, true] {
        let scene = Scene::new();
        let store = scene.root.join("store/repo.git");
        std::fs::create_dir(scene.root.join("store")).unwrap();
        if is_link {
            std::fs::rename(scene.repo.join(".git"), &store).unwrap();
            std::os::unix::fs::symlink(&store, scene.repo.join(".git")).unwrap();
        } else {
            let separate = format!("--separate-git-dir={}", store.display());
            scene.git(&["init", "--quiet", &separate]);
        }
        scene.run(ONE, &[]).expect(0);
        let first = scene.run_name();
        scene.dispatch(&["land", "--yes"]).expect(0);
        assert_eq!(scene.git(&["status", "--porcelain"]), "");
        assert!(
            scene
                .root
                .join("shop.dispatch")
                .join(&first)
                .join("a")
                .is_dir()
        );
        let linked = scene.root.join("linked");
        let add = [
            "worktree",
            "add",
            "--quiet",
            "-b",
            "mine",
            linked.to_str().unwrap(),
            "HEAD~1",
        ];
        scene.git(&add);
        let seen = scene.dispatch_in(&linked, &["show", &first, "A"]).expect(0);
        assert!(seen.out.contains("shop.dispatch"), "{}", seen.out);
        let plan = scene.plan(ONE);
        scene
            .dispatch_in(&linked, &["run", &plan, "--yes"])
            .expect(0);
        let runs = std::fs::read_dir(scene.root.join("shop.dispatch")).unwrap();
        assert_eq!(runs.count(), 2, "from a linked worktree in the same place");
    }
}

#[test]
fn a_link_that_leads_out_of_the_worktree_is_remarked_on() {
    let scene = Scene::new();
    scene.write(".gitignore", "node_modules/\n");
    scene.commit("Ignore");
    let plan = "1. [A] a\n   - run: ln -s /opt/node_modules node_modules; ln -s ../../x up; ln -s README.md fine; \
                ln -s $PWD/README.md own\n";
    let ended = scene.run(plan, &[]).expect(0);
    for words in [
        "node_modules is a link to /opt/node_modules, outside the repository",
        "up is a link to ../../x, outside the repository",
        "which goes when its worktree is removed",
    ] {
        assert!(ended.out.contains(words), "{}", ended.out);
    }
    assert!(!ended.out.contains("fine is a link"), "{}", ended.out);
}
