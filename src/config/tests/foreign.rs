//! A repository's own file, which a stranger may have written.

use super::{over_user, problems, rendered, settings, sources, variable};
use crate::config::load::load_repo_file;
use crate::config::*;

#[test]
fn a_repository_may_tighten_the_sandbox_but_never_loosen_it() {
    let own = "[workers.mine]\ncommand = [\"mine\"]\n";
    let looser = [
        ("[sandbox]\nmode = \"off\"", ""),
        (
            "[sandbox]\nmode = \"auto\"",
            "[sandbox]\nmode = \"require\"",
        ),
        ("[sandbox]\nkind = \"off\"", ""),
        (
            "[sandbox]\nkind = \"write\"",
            "[sandbox]\nkind = \"strict\"",
        ),
        ("[sandbox]\nkind = \"command\"\ncommand = [\"true\"]", ""),
        ("[sandbox]\ncommits = true", "[sandbox]\ncommits = false"),
        ("[sandbox]\nwrite = [\"~/.bashrc\"]", ""),
        ("[sandbox]\ndeny_read = []", ""),
        (
            "[sandbox]\nnetwork = \"open\"",
            "[sandbox]\nnetwork = \"none\"",
        ),
        ("[workers.codex]\nsandbox = \"off\"", ""),
        (
            "[workers.codex]\nsandbox = \"write\"",
            "[workers.codex]\nsandbox = \"strict\"",
        ),
        (
            "[workers.codex]\nsandbox = \"write\"",
            "[sandbox]\nkind = \"strict\"",
        ),
        (
            "[workers.codex]\nsandbox = \"\"",
            "[workers.codex]\nsandbox = \"strict\"",
        ),
        ("[workers.codex]\nstate = [\"~/.ssh\"]", ""),
        (
            "[worktree]\nisolation = \"worktree\"",
            "[worktree]\nisolation = \"clone\"",
        ),
        (
            "[workers.codex]\nisolation = \"worktree\"",
            "[workers.codex]\nisolation = \"clone\"",
        ),
        (&format!("{own}state = [\"~/.mine\"]"), ""),
        (&format!("{own}sandbox = \"off\""), ""),
    ];
    for (repo, user) in looser {
        let said = over_user(repo, user, false);
        assert!(
            said.contains("loosens the sandbox, which no repository may"),
            "{repo}: {said}"
        );
        assert_eq!(over_user(repo, user, true), "", "{repo}");
        assert_eq!(over_user("", &format!("{user}\n"), false), "", "{user}");
    }
    let tighter = [
        ("[sandbox]\nmode = \"require\"", ""),
        ("[sandbox]\nmode = \"auto\"", "[sandbox]\nmode = \"off\""),
        ("[sandbox]\nkind = \"strict\"", ""),
        (
            "[sandbox]\ncommits = false\nwrite = []\nnetwork = \"none\"",
            "",
        ),
        ("[workers.codex]\nsandbox = \"strict\"\nstate = []", ""),
        (
            "[workers.codex]\nsandbox = \"write\"",
            "[workers.codex]\nsandbox = \"off\"",
        ),
        (
            "[workers.codex]\nsandbox = \"\"",
            "[workers.codex]\nsandbox = \"off\"",
        ),
        (own, ""),
    ];
    for (repo, user) in tighter {
        assert_eq!(over_user(repo, user, false), "", "{repo}");
    }
}

#[test]
fn a_command_with_a_character_that_is_not_seen_is_refused() {
    let text = "[worktree]\nsetup = [\"true\", \"make \\u001b[2K x\"]\nteardown = \"a\\u202eb\"\n\
        [workers.mine]\ncommand = [\"agent\", \"\\u200b\"]\n\
        [resolve]\nregenerate = { \"a.lock\" = \"x\\ry\" }\n\
        [notify]\ncommand = [\"not\\u00adify\"]\n";
    insta::assert_snapshot!(problems(text), @r#"
    error: setup: the text has the control character U+001B (escape)
     --> .dispatch.toml:2:18
      |
    2 | setup = ["true", "make \u001b[2K x"]
      |                  ^^^^^^^^^^^^^^^^^^
    hint: remove it, so that you see in full what will run
    error: teardown: the text has the text direction character U+202E (right-to-left override)
     --> .dispatch.toml:3:12
      |
    3 | teardown = "a\u202eb"
      |            ^^^^^^^^^^
    hint: remove it, so that you see in full what will run
    error: worker mine has no command
     --> .dispatch.toml:5:11
      |
    5 | command = ["agent", "\u200b"]
      |           ^^^^^^^^^^^^^^^^^^^
    hint: add one, such as command = ["program", "{prompt_file}"]
    error: command: the text has the invisible character U+200B (zero width space)
     --> .dispatch.toml:5:21
      |
    5 | command = ["agent", "\u200b"]
      |                     ^^^^^^^^
    hint: remove it, so that you see in full what will run
    error: regenerate: the text has the control character U+000D (carriage return)
     --> .dispatch.toml:7:27
      |
    7 | regenerate = { "a.lock" = "x\ry" }
      |                           ^^^^^^
    hint: remove it, so that you see in full what will run
    error: command: the text has the invisible character U+00AD (soft hyphen)
     --> .dispatch.toml:9:12
      |
    9 | command = ["not\u00adify"]
      |            ^^^^^^^^^^^^^^
    hint: remove it, so that you see in full what will run
    "#);
}

#[test]
fn trust_is_granted_by_the_user_and_never_by_a_repository() {
    insta::assert_snapshot!(problems("[trust]\nfolders = [\"/\"]\n"), @r#"
    error: [trust] is not read from a repository
     --> .dispatch.toml:2:1
      |
    2 | folders = ["/"]
      | ^^^^^^^
    hint: set it in your own file, ~/.config/dispatch/config.toml
    "#);
    assert_eq!(settings("[trust]\n"), Settings::default());
    let own = Sources {
        user_file: Some((
            "config.toml".into(),
            "[trust]\nfolders = [\"~/work\"]\n".into(),
        )),
        ..sources("[run]\nmax_parallel = 2\n")
    };
    assert_eq!(resolve(&own).unwrap().trust.folders, ["~/work"]);
    let set = variable("DISPATCH_TRUST_FOLDERS", "[\"/a\", \"b\"]");
    insta::assert_snapshot!(rendered(&resolve(&set).unwrap_err()), @r#"
    error: DISPATCH_TRUST_FOLDERS: invalid folder "b"
    hint: write it from "/" or "~/" on
    "#);
}

#[test]
fn a_link_to_a_private_file_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let (top, secret) = (folder.path().join("top"), folder.path().join("secret"));
    std::fs::create_dir(&top).unwrap();
    std::fs::write(&secret, "TOP-SECRET").unwrap();
    std::os::unix::fs::symlink(&secret, top.join(FILE_NAME)).unwrap();
    assert!(matches!(
        load_repo_file(&top, None),
        Err(ConfigError::LinkOutside(_))
    ));
    std::fs::remove_file(top.join(FILE_NAME)).unwrap();
    std::fs::write(top.join("own.toml"), "[run]").unwrap();
    std::os::unix::fs::symlink("own.toml", top.join(FILE_NAME)).unwrap();
    assert!(load_repo_file(&top, None).unwrap().is_some());
}
