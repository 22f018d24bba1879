//! Repositories with settings of their own: per-worktree configuration, filters, sharing, odd paths.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::Scene;

const ONE: &str = "# P\n\n1. [A] First\n   - run: echo x >> app.txt\n";

fn scene() -> Scene {
    let scene = Scene::new();
    scene.write("app.txt", "one\n");
    scene.commit("a project");
    scene
}

/// Runs one task, lands it and cleans up.
#[track_caller]
fn whole_way(scene: &Scene) {
    scene.run(ONE, &[]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("app.txt"), "one\nx\n");
    scene.dispatch(&["clean"]).expect(0);
    assert!(!scene.worktree("a").exists());
}

#[test]
fn a_configuration_of_the_checkout_alone_is_copied_by_git_and_expected() {
    for setting in [
        ["user.email", "me@work.example"],
        ["core.hooksPath", ".hooks"],
        ["core.fsmonitor", "false"],
    ] {
        let scene = scene();
        scene.git(&["config", "extensions.worktreeConfig", "true"]);
        scene.git(&["config", "--worktree", setting[0], setting[1]]);
        whole_way(&scene);
    }
}

#[test]
fn a_program_that_a_worker_names_in_the_configuration_of_its_worktree_is_tampering() {
    let scene = scene();
    scene.git(&["config", "extensions.worktreeConfig", "true"]);
    scene.git(&["config", "--worktree", "user.email", "me@work.example"]);
    let plan = "# P\n\n\
        1. [OWN] Its identity\n   - run: git config --worktree user.name Agent; echo x >> app.txt\n\
        2. [BAD] A program\n   - run: git config --worktree filter.x.clean 'touch ../pwned'; echo '* filter=x' > .gitattributes\n";
    scene.run(plan, &[]);
    assert_eq!(scene.statuses(), "1 DONE · 2 FAILED");
    let shown = scene.dispatch(&["show", "2"]).expect(0).out;
    assert!(shown.contains("filter.x.clean = touch ../pwned"), "{shown}");
    assert!(!scene.worktree("bad").join("../pwned").exists());
}

#[test]
fn core_bare_that_a_tool_has_set_is_named_and_repaired_after_a_question() {
    let mut scene = scene();
    scene.set_env("DISPATCH_SANDBOX_MODE", "off");
    let plan = "# P\n\n1. [A] First\n   - run: git config core.bare true; echo x >> app.txt\n";
    scene.run(plan, &[]);
    let file = scene.repo.join(".git/config");
    for args in [&["land", "--yes"][..], &["status"], &["doctor"]] {
        let ended = scene.dispatch(args).expect(1);
        assert!(ended.err.contains("core.bare is true in "), "{}", ended.err);
        assert!(ended.err.contains("dispatch doctor --fix"), "{}", ended.err);
    }
    let asked = scene.dispatch(&["doctor", "--fix"]).expect(2);
    assert!(asked.err.contains("Set it to false?"), "{}", asked.err);
    let before = std::fs::read_to_string(&file).unwrap();
    assert!(before.contains("bare = true"), "nothing without an answer");
    scene.dispatch(&["doctor", "--fix", "--yes"]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("app.txt"), "one\nx\n");
}

#[test]
fn a_checkout_that_core_worktree_names_and_that_is_missing_is_named_with_the_setting() {
    let scene = scene();
    scene.run(ONE, &[]).expect(0);
    scene.git(&["config", "core.worktree", "/no-such-folder"]);
    for args in [&["land", "--yes"][..], &["status"], &["doctor"]] {
        let ended = scene.dispatch(args).expect(1);
        let said = "core.worktree names /no-such-folder, which is not a folder";
        assert!(ended.err.contains(said), "{}", ended.err);
        let hint = "`git config --unset core.worktree`";
        assert!(ended.err.contains(hint), "{}", ended.err);
    }
    scene.git(&["config", "--unset", "core.worktree"]);
    scene.dispatch(&["land", "--yes"]).expect(0);
}

#[test]
fn a_repository_that_is_bare_in_truth_says_where_to_go() {
    let scene = scene();
    scene.git(&["clone", "--quiet", "--bare", ".", "../bare"]);
    let bare = scene.repo.join("../bare");
    let ended = scene.dispatch_in(&bare, &["status"]).expect(1);
    assert!(ended.err.contains("is a bare repository"), "{}", ended.err);
    assert!(ended.err.contains("git worktree add"), "{}", ended.err);
}

/// A filter that reverses lines, with its key in the git folder of the checkout.
fn encrypted(scene: &Scene, folder: &str) {
    let program = format!(
        "#!/bin/sh\ntest -e \"$(git rev-parse --git-dir)/{folder}/keys/default\" || {{ echo no key >&2; exit 1; }}\nrev\n"
    );
    scene.write_program("crypt.sh", &program);
    scene.write(&format!(".git/{folder}/keys/default"), "key");
    for word in ["clean", "smudge"] {
        scene.git(&["config", &format!("filter.crypt.{word}"), "./crypt.sh"]);
    }
    scene.git(&["config", "filter.crypt.required", "true"]);
    scene.write(".gitattributes", "secret filter=crypt\n");
    scene.write("secret", "abc\n");
    scene.commit("a secret");
}

#[test]
fn keys_in_the_git_folder_are_found_in_every_worktree() {
    let scene = scene();
    let program = scene.root.join("crypt.sh");
    scene.write("x", "x\n");
    encrypted(&scene, "git-crypt");
    std::fs::copy(scene.repo.join("crypt.sh"), &program).unwrap();
    for word in ["clean", "smudge"] {
        let key = format!("filter.crypt.{word}");
        scene.git(&["config", &key, program.to_str().unwrap()]);
    }
    let plan = "# P\n\n1. [A] Read it\n   - run: cat secret > plain.txt; echo def > secret\n";
    scene.run(plan, &[]).expect(0);
    let show = |path: &str| scene.git(&["show", &format!("{}:{path}", scene.branch("a"))]);
    assert_eq!([show("plain.txt"), show("secret")], ["abc", "fed"]);
}

#[test]
fn a_filter_that_fails_is_named_with_its_setting_and_the_way_out() {
    for missing in [false, true] {
        let scene = scene();
        encrypted(&scene, "other");
        let program = scene.root.join("crypt.sh");
        std::fs::copy(scene.repo.join("crypt.sh"), &program).unwrap();
        let (program, cause) = match missing {
            true => ("no-such-program", "no-such-program"),
            false => (program.to_str().unwrap(), "no key"),
        };
        scene.git(&["config", "filter.crypt.smudge", program]);
        scene.run(ONE, &[]).expect(3);
        let report = scene.dispatch(&["report"]).expect(0).out;
        let setting = format!("filter.crypt.smudge = `{program}` failed for secret");
        assert!(report.contains(&setting), "{report}");
        for said in [
            cause,
            "--git-common-dir",
            "git config filter.crypt.required false",
        ] {
            assert!(report.contains(said), "{said}: {report}");
        }
    }
}

#[test]
fn a_missing_program_that_cleans_is_named_with_the_way_out() {
    let scene = scene();
    encrypted(&scene, "other");
    scene.git(&["config", "filter.crypt.clean", "no-such-program"]);
    let words = [
        "filter.crypt.clean = `no-such-program` failed for secret",
        "install the program that `filter.crypt.clean` names",
        "git config filter.crypt.required false",
    ];
    // git reads a file of the same size to tell whether it has changed.
    scene.write("secret", "xyz\n");
    let refused = scene.run(ONE, &[]).expect(1).err;
    assert!(
        words.iter().all(|words| refused.contains(words)),
        "{refused}"
    );
}

#[test]
fn a_missing_long_running_filter_is_named_with_the_way_out() {
    let scene = scene();
    encrypted(&scene, "other");
    scene.git(&["config", "filter.crypt.process", "no-such-program serve"]);
    scene.write("secret", "xyz\n");
    let refused = scene.run(ONE, &[]).expect(1).err;
    for words in [
        "filter.crypt.process = `no-such-program serve` failed",
        "install the program that `filter.crypt.process` names",
        "git config filter.crypt.required false",
    ] {
        assert!(refused.contains(words), "{refused}");
    }
}

#[test]
fn read_only_folders_do_not_keep_a_worktree_alive() {
    let scene = scene();
    scene.write(".gitignore", "gopath/\n");
    scene.commit("ignore");
    let plan = "# P\n\n1. [A] First\n   - run: mkdir -p gopath/m && echo m > gopath/m/f && chmod -R a-w gopath; echo x >> app.txt\n";
    scene.run(plan, &[]).expect(0);
    let folder = scene.worktree("a").join("gopath");
    let mode = folder.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o222, 0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    assert!(!scene.worktree("a").exists());
}

#[test]
fn settings_in_the_environment_hold_for_dispatch_and_for_workers() {
    let mut scene = scene();
    for key in ["user.name", "user.email"] {
        scene.try_git(&["config", "--global", "--unset", key]);
        scene.try_git(&["config", "--unset", key]);
    }
    scene.set_env("GIT_CONFIG_COUNT", "2");
    scene.set_env("GIT_CONFIG_KEY_0", "user.name");
    scene.set_env("GIT_CONFIG_VALUE_0", "Env Name");
    scene.set_env("GIT_CONFIG_KEY_1", "user.email");
    scene.set_env("GIT_CONFIG_VALUE_1", "env@example.com");
    scene.set_env("GIT_CONFIG_PARAMETERS", "'demo.key'='from -c'");
    let plan = "# P\n\n1. [A] First\n   - run: git config user.email > seen.txt; git config demo.key >> seen.txt; git config gc.auto >> seen.txt\n";
    scene.run(plan, &[]).expect(0);
    let branch = scene.branch("a");
    let seen = scene.git(&["show", &format!("{branch}:seen.txt")]);
    assert_eq!(seen, "env@example.com\nfrom -c\n0");
    let authors = scene.git(&["log", "-1", "--format=%an <%ae>", &branch]);
    assert_eq!(authors, "Env Name <env@example.com>");
}

#[test]
fn paths_of_any_bytes_come_through_the_whole_way() {
    let scene = scene();
    let deep = vec!["d".repeat(200); 4].join("/");
    let names: [&[u8]; 7] = [
        b"a b",
        b"new\nline",
        b"dots...",
        b"latin-\xe9",
        b"tab\tquote\"back\\slash",
        b"-dash",
        "\u{202e}right".as_bytes(),
    ];
    let script = scene.root.join("names");
    std::fs::create_dir(&script).unwrap();
    for name in names {
        std::fs::write(script.join(OsStr::from_bytes(name)), "x\n").unwrap();
    }
    std::fs::create_dir_all(script.join(&deep)).unwrap();
    std::fs::write(script.join(&deep).join("f"), "x\n").unwrap();
    let from = script.display();
    let plan = format!(
        "# P\n\n1. [A] First\n   - run: cp -r {from}/. .\n\
         2. [B] Second\n   - run: find {from} -maxdepth 1 -type f -exec sh -c 'echo other > \"./${{1##*/}}\"' _ '{{}}' ';'\n"
    );
    scene.run(&plan, &[]);
    scene.dispatch(&["conflicts"]);
    scene.dispatch(&["diff", "1"]).expect(0);
    scene.dispatch(&["report"]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    for name in names {
        let landed = scene.repo.join(OsStr::from_bytes(name));
        assert_eq!(
            std::fs::read_to_string(&landed).unwrap(),
            "x\n",
            "{landed:?}"
        );
    }
    assert!(scene.repo.join(&deep).join("f").exists());
    scene.dispatch(&["clean"]).expect(0);
    assert!(!scene.worktree("a").exists());
}

#[test]
fn in_a_shared_repository_the_group_may_write_what_dispatch_makes_as_what_git_makes() {
    let scene = scene();
    std::fs::remove_dir_all(scene.repo.join(".git")).unwrap();
    scene.git(&["init", "--quiet", "--shared=group", "--initial-branch=main"]);
    scene.git(&["config", "user.name", "Ann"]);
    scene.git(&["config", "user.email", "ann@example.com"]);
    scene.commit("a shared project");
    scene.run(ONE, &[]).expect(0);
    let git_folder = scene.repo.join(".git");
    // A run belongs to the user who started it.
    let runs = git_folder.join("dispatch/runs");
    let mut folders = vec![git_folder.clone()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let meta = entry.metadata().unwrap();
            let (mode, path) = (meta.permissions().mode() & 0o7777, entry.path());
            let is_ours = is_ours(&path, &git_folder);
            let wanted = if meta.is_dir() { 0o2070 } else { 0o060 };
            // git makes objects read-only for everyone.
            let is_object = path.starts_with(git_folder.join("dispatch/objects")) && !meta.is_dir();
            let is_wanted = is_ours && folder != runs && !is_object;
            assert!(!is_wanted || mode & wanted == wanted, "{mode:o} {path:?}");
            if meta.is_dir() && folder != runs {
                folders.push(path.clone());
            }
            seen += usize::from(is_ours);
        }
    }
    assert!(seen > 20, "{seen}");
}

/// Returns `true` for what a run makes in the git folder for everyone: its worktrees, folders,
/// references, and the folders of its objects. Only the user reads the logs of attempts.
fn is_ours(path: &std::path::Path, git_folder: &std::path::Path) -> bool {
    let ours = [
        "worktrees",
        "dispatch",
        "refs/dispatch",
        "refs/heads/dispatch",
    ];
    let is_object_folder = path.parent() == Some(&git_folder.join("objects"));
    let is_log = path.components().any(|part| part.as_os_str() == "attempts");
    let mut ours = ours.iter();
    let is_named = ours.any(|name| path.starts_with(git_folder.join(name)));
    !is_log && (is_object_folder || is_named)
}

#[test]
fn a_linear_history_keeps_the_bytes_and_the_encoding_of_messages() {
    let scene = scene();
    scene.configure("[assemble]\nhistory = \"linear\"\n");
    let plan = "# P\n\n1. [A] First\n   - run: echo x >> app.txt; printf 'R\\351sum\\351\\n\\nd\\351j\\340\\n' > ../message; git -c i18n.commitEncoding=ISO-8859-1 commit -qaF ../message\n";
    scene.run(plan, &[]).expect(0);
    let last = scene
        .command("git")
        .args([
            "log",
            "-1",
            "--format=raw",
            "--encoding=ISO-8859-1",
            "--no-show-signature",
        ])
        .args([&scene.branch("integration"), "--", "app.txt"])
        .output()
        .unwrap();
    let raw = last.stdout;
    let has = |bytes: &[u8]| raw.windows(bytes.len()).any(|part| part == bytes);
    assert!(
        has(b"encoding ISO-8859-1\n"),
        "{}",
        String::from_utf8_lossy(&raw)
    );
    assert!(
        has(b"R\xe9sum\xe9\n") && has(b"d\xe9j\xe0\n"),
        "{}",
        String::from_utf8_lossy(&raw)
    );
    assert!(
        has(b"Dispatch-Task: 1 A\n"),
        "{}",
        String::from_utf8_lossy(&raw)
    );
}
