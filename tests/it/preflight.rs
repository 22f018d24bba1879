//! Bad input and unsuitable places get one clear message before anything is created; unusual places
//! work.

use std::fs;
use std::path::Path;

use crate::harness::{Ended, Scene};
use crate::mount::{Mount, skipped};

const PLAN: &str = "\
# Two words

1. [ONE] First
   - run: echo one > one.txt
2. [TWO] Second
   - run: echo two > two.txt
";

/// Renders the refusal with the exit code, and checks that nothing was created.
#[track_caller]
fn refusal(scene: &Scene, ended: &Ended) -> String {
    assert!([1, 2].contains(&ended.code), "{}{}", ended.out, ended.err);
    assert_untouched(scene);
    format!("{}exit {}", scene.normal(&ended.err), ended.code)
}

/// Checks that no reference, folder or worktree of dispatch exists.
#[track_caller]
fn assert_untouched(scene: &Scene) {
    let below: [&Path; 2] = [&scene.repo.join(".git"), &scene.repo];
    for common in below.into_iter().filter(|path| path.is_dir()) {
        let of_dispatch = [
            "dispatch",
            "refs/dispatch",
            "refs/heads/dispatch",
            "worktrees",
        ];
        for name in of_dispatch {
            let path = common.join(name);
            assert!(!path.is_dir(), "{} was made", path.display());
        }
    }
    for entry in fs::read_dir(&scene.root).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(!name.ends_with(".dispatch"), "{name} was made");
    }
}

/// Tries to run the plan of two words.
fn run(scene: &Scene, more: &[&str]) -> Ended {
    scene.run(PLAN, more)
}

/// Tries to run another plan.
#[track_caller]
fn refused_plan(scene: &Scene, text: &str) -> String {
    refusal(scene, &scene.run(text, &[]))
}

/// Checks that the run passed, with both files on the integration branch.
#[track_caller]
fn assert_both_words(scene: &Scene) {
    let integration = scene.branch("integration");
    let show = |file: &str| scene.git(&["show", &format!("{integration}:{file}")]);
    assert_eq!(
        (show("one.txt"), show("two.txt")),
        ("one".into(), "two".into())
    );
}

// ---- repositories ----------------------------------------------------------------------------

#[test]
fn a_folder_without_a_repository_is_refused() {
    let scene = Scene::new();
    let plan = scene.plan(PLAN);
    let ended = scene.dispatch_in(&scene.root, &["run", &plan, "--yes"]);
    insta::assert_snapshot!(refusal(&scene, &ended), @r"
    error: <root> is not inside a git repository
    hint: go to a repository, or make one with `git init` and a first commit
    exit 1
    ");
}

#[test]
fn a_bare_repository_is_refused() {
    let mut scene = Scene::new();
    scene.git(&["clone", "--quiet", "--bare", ".", "../bare.git"]);
    scene.repo = scene.root.join("bare.git");
    insta::assert_snapshot!(refusal(&scene, &run(&scene, &[])), @r"
    error: <root>/bare.git is a bare repository, which has no checkout to work beside
    hint: run dispatch from a worktree of it: `git worktree add ../work`, then `cd ../work`
    exit 1
    ");
}

#[test]
fn a_repository_without_a_commit_is_refused() {
    let scene = Scene::empty();
    insta::assert_snapshot!(refusal(&scene, &run(&scene, &[])), @r"
    error: <root>/shop has no commit yet, so there is nothing to start from
    hint: make a first commit, then run dispatch again
    exit 1
    ");
}

#[test]
fn a_git_that_cannot_read_reftable_names_the_one_that_can() {
    let scene = Scene::empty();
    // An older git cannot make such a repository, but one may be found by it.
    if scene
        .try_git(&["init", "--quiet", "--ref-format=reftable", "../other"])
        .code
        == 0
    {
        skipped("this git reads reftable");
        return;
    }
    scene.git(&["config", "core.repositoryFormatVersion", "1"]);
    scene.git(&["config", "extensions.refStorage", "reftable"]);
    let said = refusal(&scene, &run(&scene, &[]));
    let version = scene.git(&["version"]).replace("git version ", "");
    insta::assert_snapshot!(said.replace(&version, "<version>"), @r"
    error: <root>/shop stores its references as reftable, which git <version> cannot read
    hint: install git 2.45 or newer, and put it first on PATH
    exit 1
    ");
}

#[test]
fn an_unknown_store_is_refused() {
    let mut scene = Scene::new();
    scene.set_env("DISPATCH_STORE", "svn");
    insta::assert_snapshot!(refusal(&scene, &run(&scene, &[])), @r#"
    error: invalid DISPATCH_STORE "svn"
    hint: unset it, or set it to git or libgit2
    exit 1
    "#);
}

#[test]
fn a_repository_of_somebody_else_is_refused_in_gits_own_words() {
    let scene = Scene::new();
    if rustix::process::getuid().is_root() {
        std::os::unix::fs::chown(&scene.repo, Some(4321), None).unwrap();
    } else {
        skipped("only root can give a folder away");
        return;
    }
    insta::assert_snapshot!(refusal(&scene, &run(&scene, &[])), @r"
    error: git cannot open the repository at <root>/shop: fatal: detected dubious ownership in repository at '<root>/shop' To add an exception for this directory, call: git config --global --add safe.directory <root>/shop
    hint: `git status` there says more
    exit 1
    ");
}

#[test]
fn a_missing_or_old_git_is_refused() {
    let mut scene = Scene::new();
    let (tools, none) = (scene.root.join("tools"), scene.root.join("none"));
    scene.write_program("../tools/git", "#!/bin/sh\necho git version 2.30.2\n");
    scene.set_env("PATH", none.to_str().unwrap());
    insta::assert_snapshot!(refusal(&scene, &run(&scene, &[])), @r"
    error: the program `git` was not found on PATH
    hint: install git 2.39 or newer and put it on PATH
    exit 1
    ");
    scene.set_env("PATH", &format!("{}:/bin:/usr/bin", tools.display()));
    insta::assert_snapshot!(refusal(&scene, &run(&scene, &[])), @r"
    error: git 2.30.2 is too old; dispatch needs 2.39 or newer
    hint: install a newer git, or put one first on PATH
    exit 1
    ");
}

#[test]
fn shallow_clones_and_submodules_are_allowed_and_said() {
    let mut scene = Scene::new();
    scene.write("more.txt", "more\n");
    scene.commit("More");
    let url = format!("file://{}", scene.repo.display());
    scene.git(&["clone", "--quiet", "--depth=1", &url, "../shallow"]);
    let allow = ["-c", "protocol.file.allow=always"];
    let add = ["submodule", "--quiet", "add", &url, "part"];
    scene.repo = scene.root.join("shallow");
    scene.git(&[&allow[..], &add[..]].concat());
    scene.git(&["config", "user.name", "Ada"]);
    scene.git(&["config", "user.email", "ada@example.com"]);
    scene.commit("A part");
    let ended = run(&scene, &[]).expect(0);
    let warnings = ended.err.lines().filter(|line| line.starts_with("warning"));
    let warnings: Vec<&str> = warnings.collect();
    insta::assert_snapshot!(warnings.join("\n"), @r"
    warning: this is a shallow clone: history ends early, merges may need more
    warning: submodules are not checked out in the worktrees (`submodules` under `[worktree]`)
    ");
    assert_both_words(&scene);
}

// ---- base, target, names ----------------------------------------------------------------------

#[test]
fn a_base_or_target_that_does_not_exist_is_refused() {
    let scene = Scene::new();
    insta::assert_snapshot!(refusal(&scene, &run(&scene, &["--base", "nope"])), @r#"
    error: the base "nope" names no commit
    hint: give a commit, branch or tag with `--base`
    exit 1
    "#);
    insta::assert_snapshot!(refusal(&scene, &run(&scene, &["--into", "nope"])), @r#"
    error: the target branch "nope" does not exist
    hint: create it with `git branch nope`, or choose another with `--into`
    exit 1
    "#);
}

#[test]
fn a_detached_head_runs_and_lands_where_it_is_told() {
    let scene = Scene::new();
    scene.git(&["checkout", "--quiet", "--detach"]);
    let ended = run(&scene, &[]).expect(0);
    let hint = "warning: HEAD is detached: name the branch to land on with `dispatch land --into BRANCH`\n";
    assert!(ended.err.contains(hint), "{}", ended.err);
    let land = format!(
        "2. Land: `dispatch land {} --into BRANCH`",
        scene.run_name()
    );
    assert!(ended.out.contains(&land), "{}", ended.out);
    let ended = scene.dispatch(&["land", "--yes"]).expect(1);
    insta::assert_snapshot!(ended.err.replace(&scene.run_name(), "RUN"), @r"
    using run RUN
    error: the run has no target branch, because HEAD was detached when it started
    hint: add `--into BRANCH`
    ");
    scene
        .dispatch(&["land", "--yes", "--into", "main"])
        .expect(0);
    assert_eq!(scene.git(&["show", "main:one.txt"]), "one");
}

#[test]
fn a_target_that_is_checked_out_elsewhere_moves_there() {
    let scene = Scene::new();
    scene.git(&["worktree", "add", "--quiet", "-b", "other", "../other"]);
    run(&scene, &["--into", "other"]).expect(0);
    let ended = scene.dispatch(&["land", "--yes"]).expect(0);
    let said = scene.normal(&ended.err);
    assert!(
        said.contains("the checkout in <root>/other moves with it"),
        "{said}"
    );
    let landed = fs::read_to_string(scene.root.join("other/one.txt")).unwrap();
    assert_eq!(landed, "one\n");
}

#[test]
fn a_branch_that_blocks_all_others_is_refused() {
    let scene = Scene::new();
    scene.git(&["branch", "dispatch"]);
    let ended = run(&scene, &[]).expect(1);
    insta::assert_snapshot!(ended.err, @r#"
    error: a branch named "dispatch" exists, and git keeps no branches below a branch
    hint: rename that branch, or set `branch_prefix` under `[run]` in .dispatch.toml to something other than "dispatch"
    "#);
    scene.git(&["branch", "-D", "dispatch"]);
    assert_untouched(&scene);
}

#[test]
fn a_board_file_that_dispatch_did_not_write_is_refused() {
    let scene = Scene::new();
    scene.write("DISPATCH.md", "# How we dispatch parcels\n");
    scene.commit("Parcels");
    insta::assert_snapshot!(refusal(&scene, &run(&scene, &[])), @r#"
    error: the base has a file "DISPATCH.md" that dispatch did not write
    hint: name another file as `file` under `[board]` in .dispatch.toml
    exit 1
    "#);
}

// ---- places that cannot be written -------------------------------------------------------------

#[test]
fn worktrees_that_cannot_be_made_are_refused() {
    let scene = Scene::new();
    fs::write(scene.root.join("file"), "").unwrap();
    scene.configure("[worktree]\npath = \"../file/{run}/{task}\"\n");
    insta::assert_snapshot!(refusal(&scene, &run(&scene, &[])), @r"
    error: <root>/file cannot be written: not a directory
    hint: make it writable, or set `path` under `[worktree]` in .dispatch.toml
    exit 1
    ");
    scene.configure("[worktree]\npath = \"inside/{run}/{task}\"\n");
    insta::assert_snapshot!(refusal(&scene, &run(&scene, &[])), @r#"
    error: invalid configuration

    error: path: worktrees would lie inside the repository, where tools mistake them for part of it
     --> <root>/shop/.dispatch.toml:4:8
      |
    4 | path = "inside/{run}/{task}"
      |        ^^^^^^^^^^^^^^^^^^^^^
    hint: start the path with ../ or /
    exit 1
    "#);
}

#[test]
fn a_full_or_read_only_disk_for_worktrees_is_refused() {
    let scene = Scene::new();
    scene.configure("[worktree]\npath = \"../disk/{run}/{task}\"\n");
    let Some(disk) = Mount::new(&scene, "disk", "size=64k") else {
        return;
    };
    insta::assert_snapshot!(refusal(&scene, &run(&scene, &[])), @r"
    error: the disk is full: 64 KiB free at <root>/disk, 64 MiB needed
    hint: free some space; `min_free_space` under `[run]` in .dispatch.toml says how much is to stay free
    exit 1
    ");
    disk.remount("ro");
    insta::assert_snapshot!(refusal(&scene, &run(&scene, &[])), @r"
    error: <root>/disk cannot be written: read-only filesystem or storage medium
    hint: make it writable, or set `path` under `[worktree]` in .dispatch.toml
    exit 1
    ");
}

#[test]
fn a_repository_on_a_read_only_disk_is_refused() {
    let mut scene = Scene::new();
    scene.configure("[worktree]\npath = \"../../trees/{run}/{task}\"\n");
    let outside = Scene::empty();
    let Some(disk) = Mount::new(&outside, "disk", "size=128m") else {
        return;
    };
    let copy = outside.root.join("disk/shop");
    scene.git(&["clone", "--quiet", ".", copy.to_str().unwrap()]);
    scene.repo = copy;
    disk.remount("ro");
    let said = refusal(&outside, &run(&scene, &[]));
    insta::assert_snapshot!(said, @r"
    error: <root>/disk/shop/.git cannot be written: read-only filesystem or storage medium
    hint: a run is recorded there: make it writable, or work in a clone that is
    exit 1
    ");
}

// ---- plans -----------------------------------------------------------------------------------

#[test]
fn what_is_no_file_is_no_plan_and_is_not_waited_for() {
    let scene = Scene::new();
    scene.command("mkfifo").arg("../pipe").status().unwrap();
    scene.command("mkfifo").arg("../pipe.md").status().unwrap();
    fs::write(scene.root.join("data.bin"), [0, 159, 146, 150]).unwrap();
    fs::write(scene.root.join("data.md"), [b'\n', 0, 159, 146, 150]).unwrap();
    scene.plan_named("empty.md", "");
    let plans = [
        "..",
        "/dev/zero",
        "../pipe",
        "../pipe.md",
        "../missing.md",
        "../missing/plan.md",
        "../data.bin",
        "../data.md",
        "../empty.md",
    ];
    let said = plans.map(|plan| {
        let ended = scene.dispatch(&["run", plan, "--yes"]);
        format!("$ dispatch run {plan} --yes\n{}", refusal(&scene, &ended))
    });
    insta::assert_snapshot!(said.join("\n\n"), @r"
    $ dispatch run .. --yes
    error: could not read ..: it is a folder, not a file
    hint: name the file of the plan in it
    exit 1

    $ dispatch run /dev/zero --yes
    error: could not read /dev/zero: it is a device, not a file
    exit 1

    $ dispatch run ../pipe --yes
    error: could not read ../pipe: it is a pipe, not a file
    hint: `-` reads Markdown from standard input
    exit 1

    $ dispatch run ../pipe.md --yes
    error: could not read ../pipe.md: it is a pipe, not a file
    hint: `-` reads Markdown from standard input
    exit 1

    $ dispatch run ../missing.md --yes
    error: could not read ../missing.md: no such file
    exit 1

    $ dispatch run ../missing/plan.md --yes
    error: could not read ../missing/plan.md: no such file
    exit 1

    $ dispatch run ../data.bin --yes
    error: ../data.bin has no known extension
    hint: a plan is .md, .markdown, .toml or .json; `-` reads Markdown from standard input
    exit 1

    $ dispatch run ../data.md --yes
    error: ../data.md: line 2 is not valid UTF-8
    hint: save the file as UTF-8
    exit 2

    $ dispatch run ../empty.md --yes
    error: ../empty.md: 1 error

    error: the plan has no task
     --> ../empty.md:1:1
      |
    1 |
      | ^
    hint: tasks are numbered items: `1. [TAG] Title`
    exit 2
    ");
}

#[test]
fn a_worker_that_cannot_work_is_refused() {
    let scene = Scene::new();
    scene.configure("[workers.ghost]\ncommand = [\"no-such-program\", \"{prompt_file}\"]\n");
    insta::assert_snapshot!(refused_plan(&scene, "1. A\n   - worker: nobody\n"), @r"
    error: <root>/plan.md: 1 error

    error: unknown worker `nobody`
     --> <root>/plan.md:2:14
      |
    2 |    - worker: nobody
      |              ^^^^^^
    hint: known workers: aider, antigravity, claude, codex, copilot, cursor, gemini, ghost, goose, opencode, shell
    exit 2
    ");
    insta::assert_snapshot!(refused_plan(&scene, "1. A\n   - worker: ghost\n"), @r#"
    error: the program "no-such-program" of worker `ghost` (#1) was not found on PATH
    hint: install no-such-program, or choose another worker
    exit 1
    "#);
    insta::assert_snapshot!(refused_plan(&scene, "1. Write something\n"), @r"
    error: #1 has no `run` command, and its worker `shell` needs one
    hint: give the task a `run:` line, or a coding agent as its `worker:` (or as `worker` under `[run]` in .dispatch.toml)
    exit 1
    ");
}

#[test]
fn a_wrong_configuration_is_refused_with_its_line() {
    let scene = Scene::new();
    scene.write(".dispatch.toml", "[run]\nmax_paralel = 3\n");
    insta::assert_snapshot!(refusal(&scene, &run(&scene, &[])), @r#"
    error: invalid configuration

    error: unknown key "max_paralel" in [run]
     --> <root>/shop/.dispatch.toml:2:1
      |
    2 | max_paralel = 3
      | ^^^^^^^^^^^
    hint: did you mean max_parallel?
    exit 1
    "#);
    scene.write(".dispatch.toml", "[run\n");
    insta::assert_snapshot!(refusal(&scene, &run(&scene, &[])), @r"
    error: invalid configuration

    error: unclosed table, expected `]`
     --> <root>/shop/.dispatch.toml:1:5
      |
    1 | [run
      |     ^
    exit 1
    ");
    let ended = run(&scene, &["--config", "nope.toml"]);
    insta::assert_snapshot!(refusal(&scene, &ended), @r"
    error: nope.toml does not exist
    hint: `--config` takes the path of a file that replaces .dispatch.toml
    exit 1
    ");
}

#[test]
fn a_choice_that_cuts_a_dependency_is_refused() {
    let scene = Scene::new();
    let plan = scene.plan("1. A\n   - run: true\n2. B — blocked by #1\n   - run: true\n");
    let only = |task: &str| {
        let ended = scene.dispatch(&["run", &plan, "--yes", "--only", task]);
        refusal(&scene, &ended)
    };
    insta::assert_snapshot!(only("2"), @r"
    error: #2 depends on #1, which `--only` leaves out
    hint: add 1 to `--only`
    exit 1
    ");
    insta::assert_snapshot!(only("3"), @r#"
    error: the plan has no task "3"
    hint: tasks are named by number (1 to 2) or by tag
    exit 1
    "#);
}

#[test]
fn without_a_terminal_and_without_yes_nothing_starts() {
    let scene = Scene::new();
    let plan = scene.plan(PLAN);
    let ended = scene.dispatch(&["run", &plan]);
    insta::assert_snapshot!(refusal(&scene, &ended), @r#"
    error: cannot ask for confirmation: not a terminal
    hint: add `--yes` to answer "Dispatch 2 tasks?" with yes
    exit 2
    "#);
}

// ---- names of runs and tasks -------------------------------------------------------------------

#[test]
fn names_of_runs_and_tasks_that_fit_none_or_several_are_refused() {
    let mut scene = Scene::new();
    let none = scene.dispatch(&["status"]);
    insta::assert_snapshot!(refusal(&scene, &none), @r"
    error: there is no run in this repository yet
    hint: `dispatch run PLAN` starts one; `dispatch demo` shows an example
    exit 1
    ");
    scene.set_env("DISPATCH_SEED", "1");
    run(&scene, &[]).expect(0);
    scene.set_env("DISPATCH_SEED", "2");
    run(&scene, &[]).expect(0);
    let runs = scene.run_names();
    let said = |args: &[&str]| {
        let mut said = scene.dispatch(args).expect(1).err;
        for (run, name) in runs.iter().zip(["RUN-A", "RUN-B"]) {
            said = said.replace(run, name);
        }
        said
    };
    insta::assert_snapshot!(said(&["status", "nothing"]), @r#"
    error: there is no run "nothing"
    hint: `dispatch history` lists the runs
    "#);
    insta::assert_snapshot!(said(&["status", "two"]), @r#"
    error: "two" matches several runs
    hint: name one of RUN-A, RUN-B
    "#);
    insta::assert_snapshot!(said(&["logs", &runs[0], "ONNE"]), @r#"
    error: the plan has no task "ONNE"
    hint: did you mean ONE?
    "#);
    insta::assert_snapshot!(said(&["retry", &runs[0], "3"]), @r#"
    error: the plan has no task "3"
    hint: tasks are named by number (1 to 2) or by tag
    "#);
    // The shortest unique prefix is enough.
    let unique = (1..runs[0].len())
        .map(|length| &runs[0][..length])
        .find(|beginning| !runs[1].starts_with(beginning))
        .unwrap();
    let ended = scene.dispatch(&["status", unique]).expect(0);
    assert!(ended.out.contains(&runs[0]), "{}", ended.out);
}

// ---- unusual places ----------------------------------------------------------------------------

#[test]
fn a_run_starts_from_below_the_top_from_a_linked_worktree_and_through_a_symbolic_link() {
    let scene = Scene::new();
    let plan = scene.plan(PLAN);
    scene.git(&["worktree", "add", "--quiet", "-b", "side", "../side"]);
    std::os::unix::fs::symlink(&scene.repo, scene.root.join("link")).unwrap();
    for folder in ["shop/src", "side", "link/src"] {
        let folder = scene.root.join(folder);
        let ended = scene.dispatch_in(&folder, &["run", &plan, "--yes", "--json"]);
        ended.expect(0);
    }
    let worktrees = fs::read_dir(scene.root.join("shop.dispatch")).unwrap();
    assert_eq!(
        worktrees.count(),
        3,
        "worktrees stand beside the main checkout"
    );
    let ended = scene.dispatch_in(&scene.root.join("side"), &["run", &plan, "--dry-run"]);
    assert!(ended.out.contains("target side"), "{}", ended.out);
}

#[test]
fn variables_of_a_git_hook_do_not_lead_elsewhere() {
    let mut scene = Scene::new();
    let other = Scene::new();
    let before = other.fingerprint();
    let git = other.repo.join(".git");
    let (git, index) = (git.to_str().unwrap(), git.join("index"));
    let index = index.to_str().unwrap().to_owned();
    scene.set_env("GIT_DIR", git);
    scene.set_env("GIT_INDEX_FILE", &index);
    scene.set_env("GIT_WORK_TREE", other.repo.to_str().unwrap());
    scene.set_env("GIT_PREFIX", "src/");
    let plan = "1. [ONE] A\n   - run: echo one > one.txt; git add one.txt; git commit -qm One\n";
    scene.run(plan, &[]).expect(0);
    for name in ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_PREFIX"] {
        scene.set_env(name, "");
    }
    other.fingerprint().assert_same(&before);
    assert!(other.run_names().is_empty());
}

#[test]
fn odd_names_of_the_repository_s_folder_work() {
    let names = [
        "with space",
        "quo'te\"d",
        "ünï — ß",
        "-dash",
        "$(touch x); `y` & {run}",
        "back\\slash ",
    ];
    for name in names {
        let mut scene = Scene::new();
        let repo = scene.root.join(name);
        fs::rename(&scene.repo, &repo).unwrap();
        scene.repo = repo;
        run(&scene, &[]).expect(0);
        assert_both_words(&scene);
        scene.dispatch(&["land", "--yes"]).expect(0);
        scene.dispatch(&["clean"]).expect(0);
        assert_eq!(scene.read("one.txt"), "one\n");
        assert_eq!(scene.git(&["worktree", "prune", "--verbose"]), "");
        assert_eq!(
            scene.git(&["branch", "--list", "dispatch/*"]),
            "",
            "{name:?}"
        );
    }
}

#[test]
fn a_line_break_in_the_path_is_refused() {
    let mut scene = Scene::new();
    let repo = scene.root.join("new\nline");
    fs::rename(&scene.repo, &repo).unwrap();
    scene.repo = repo;
    insta::assert_snapshot!(refusal(&scene, &run(&scene, &[])), @r#"
    error: "<root>/new\nline" has a line break in its path, which git's own files cannot hold
    hint: give the folder another name
    exit 1
    "#);
}

#[test]
fn hooks_of_the_user_do_not_run_for_the_work_of_dispatch() {
    let hooks = [
        "post-checkout",
        "reference-transaction",
        "pre-commit",
        "commit-msg",
        "post-commit",
        "post-index-change",
    ];
    for folder in [".git/hooks", "hooks"] {
        let scene = Scene::new();
        for hook in hooks {
            let text = format!("#!/bin/sh\necho {hook} >> {}/ran\n", scene.root.display());
            scene.write_program(&format!("{folder}/{hook}"), &text);
        }
        if folder == "hooks" {
            scene.git(&["config", "core.hooksPath", "hooks"]);
        }
        run(&scene, &[]).expect(0);
        let ran = fs::read_to_string(scene.root.join("ran")).unwrap_or_default();
        assert_eq!(ran, "");
        // The same hooks still are the user's in a worker's own commands.
        let plan = "1. A\n   - run: echo one > one.txt; git add one.txt; git commit -qm One\n";
        let git = scene.fingerprint();
        scene.run(plan, &[]).expect(0);
        scene.fingerprint().assert_same(&git);
    }
}

#[test]
fn a_sparse_checkout_stays_sparse_and_loses_nothing() {
    let scene = Scene::new();
    scene.write("docs/guide.md", "guide\n");
    scene.commit("A guide");
    scene.git(&["sparse-checkout", "set", "src"]);
    let before = scene.fingerprint();
    run(&scene, &[]).expect(0);
    scene.fingerprint().assert_same(&before);
    assert_both_words(&scene);
    let worktree = scene.worktree("one");
    assert!(worktree.join("src/app.ts").exists());
    assert!(
        !worktree.join("docs").exists(),
        "the worktree is sparse too"
    );
    let integration = scene.branch("integration");
    assert!(scene.has(&format!("{integration}:docs/guide.md")));
}

#[test]
fn filters_apply_in_worktrees_and_commits() {
    let scene = Scene::new();
    scene.git(&["config", "filter.shout.clean", "tr a-z A-Z"]);
    scene.git(&["config", "filter.shout.smudge", "tr A-Z a-z"]);
    scene.git(&["config", "filter.shout.required", "true"]);
    scene.write(".gitattributes", "*.txt filter=shout\n");
    scene.write("old.txt", "old\n");
    scene.commit("Shouting");
    let plan = "1. [ONE] A\n   - run: grep -qx old old.txt && echo one > one.txt\n";
    scene.run(plan, &[]).expect(0);
    let show = |file: &str| scene.git(&["show", &format!("{}:{file}", scene.branch("one"))]);
    assert_eq!(
        (show("old.txt"), show("one.txt")),
        ("OLD".into(), "ONE".into())
    );
}

#[test]
fn line_ends_are_converted_in_worktrees_and_not_in_commits() {
    let scene = Scene::new();
    scene.git(&["config", "core.autocrlf", "true"]);
    let plan = "1. [ONE] A\n   - run: printf 'one\\r\\n' > one.txt\n";
    scene.run(plan, &[]).expect(0);
    let worktree = scene.worktree("one");
    let checked_out = fs::read_to_string(worktree.join("README.md")).unwrap();
    assert_eq!(checked_out, "# Shop\r\n");
    let committed = scene.git(&["show", &format!("{}:one.txt", scene.branch("one"))]);
    assert_eq!(committed, "one");
    let path = worktree.to_str().unwrap();
    assert_eq!(scene.git(&["-C", path, "status", "--porcelain"]), "");
}

#[test]
fn commits_of_tasks_are_not_signed() {
    let scene = Scene::new();
    scene.git(&["config", "commit.gpgSign", "true"]);
    scene.git(&["config", "gpg.program", "false"]);
    // The integration branch cannot be signed, but the tasks have passed.
    run(&scene, &[]).expect(4);
    assert!(scene.has(&format!("{}:one.txt", scene.branch("one"))));
    let kinds = scene.git(&["log", "--branches=dispatch/*", "--format=%G?"]);
    assert!(kinds.lines().all(|kind| kind == "N"), "{kinds}");
}

#[test]
fn a_reference_where_journals_go_is_said_before_anything_is_made() {
    let scene = Scene::new();
    scene.git(&["update-ref", "refs/dispatch", "HEAD"]);
    let before = scene.fingerprint();
    let ended = scene.run(PLAN, &[]).expect(1);
    insta::assert_snapshot!(ended.err.lines().last().unwrap(), @"hint: no run can be recorded beside it; inspect it with `git show refs/dispatch`, keep it under another name, then `git update-ref -d refs/dispatch`");
    assert!(
        ended
            .err
            .contains("error: the reference \"refs/dispatch\" exists"),
        "{}",
        ended.err
    );
    before.assert_same(&scene.fingerprint());
}

#[test]
fn a_mistyped_variable_is_warned_about() {
    let mut scene = Scene::new();
    scene.set_env("DISPATCH_RUN_MAX_PARALEL", "1");
    let ended = scene.run(PLAN, &["--dry-run"]).expect(0);
    let warning = "warning: unknown variable DISPATCH_RUN_MAX_PARALEL; \
                   did you mean DISPATCH_RUN_MAX_PARALLEL?";
    assert!(ended.err.contains(warning), "{}", ended.err);
}
