//! Values of every kind.

use std::path::Path;

use super::{over_user, problems, settings, variable};
use crate::config::*;
use crate::merge::rule::Rule;
use crate::model::integration::History;

#[test]
fn every_kind_of_value_is_read() {
    let all = settings(
        r#"
        [run]
        max_cost = 12
        max_log = "512 KiB"
        keep_terminal_free = true
        [worktree]
        path = "/big/{repo}/{run}/{task}"
        copy = [".env*"]
        setup = "npm ci"
        [assemble]
        check = ["cargo test", "cargo clippy"]
        history = "squash"
        [resolve]
        policy = ["comment", "exec-bit", "generated"]
        structural = []
        regenerate = { "go.sum" = "go mod tidy", "Cargo.lock" = "" }
        [github]
        project = 7
        "#,
    );
    assert_eq!(all.run.max_cost, Some(12.0));
    assert_eq!(all.run.max_log, 512 * 1024);
    assert!(all.run.keep_terminal_free);
    assert_eq!(all.worktree.setup, ["npm ci"]);
    assert_eq!(all.assemble.check.len(), 2);
    assert_eq!(all.assemble.history, History::Squash);
    assert_eq!(
        all.resolve.policy,
        [Rule::Comment, Rule::ExecBit, Rule::Generated]
    );
    assert!(all.resolve.structural.is_empty());
    let regenerate: Vec<_> = all.resolve.regenerate.into_iter().collect();
    assert_eq!(
        regenerate,
        [("go.sum".to_owned(), "go mod tidy".to_owned())]
    );
    assert_eq!(all.github.project.as_deref(), Some("7"));
}

#[test]
fn every_shape_of_history_has_its_word() {
    let history = |word: &str| {
        settings(&format!("[assemble]\nhistory = {word:?}"))
            .assemble
            .history
    };
    assert_eq!(history("merge"), History::Merge);
    assert_eq!(history("squash"), History::Squash);
    assert_eq!(history("linear"), History::Linear);
}

#[test]
fn a_variable_is_plain_text_or_a_value_as_in_the_file() {
    let check = |text| {
        let resolved = resolve(&variable("DISPATCH_ASSEMBLE_CHECK", text));
        resolved.unwrap().assemble.check
    };
    assert_eq!(check("cargo test"), ["cargo test"]);
    assert_eq!(check(r#"["cargo test", "true"]"#), ["cargo test", "true"]);
    assert_eq!(check("[ -f ok ]"), ["[ -f ok ]"]);
    let base = resolve(&variable("DISPATCH_RUN_BASE", "1234"))
        .unwrap()
        .run
        .base;
    assert_eq!(base, "1234");
}

#[test]
fn worktrees_are_beside_the_repository() {
    let folder =
        Settings::default()
            .worktree
            .folder(Path::new("/code/shop"), "checkout-7k3q", "api");
    assert_eq!(folder, Path::new("/code/shop.dispatch/checkout-7k3q/api"));
}

#[test]
fn a_worktree_path_keeps_tasks_apart_and_outside_the_repository() {
    insta::assert_snapshot!(
        ["../x/{run}", "../x/{task}", ".worktrees/{run}/{task}", "~/w/{run}/{task}", "../{repo}/{run}/{task}"]
            .map(|path| problems(&format!("worktree.path = \"{path}\"")))
            .concat(),
        @r#"
    error: path: without {task} worktrees would share a folder
     --> .dispatch.toml:1:17
      |
    1 | worktree.path = "../x/{run}"
      |                 ^^^^^^^^^^^^
    hint: write it like "../{repo}.dispatch/{run}/{task}"
    error: path: without {run} worktrees would share a folder
     --> .dispatch.toml:1:17
      |
    1 | worktree.path = "../x/{task}"
      |                 ^^^^^^^^^^^^^
    hint: write it like "../{repo}.dispatch/{run}/{task}"
    error: path: worktrees would lie inside the repository, where tools mistake them for part of it
     --> .dispatch.toml:1:17
      |
    1 | worktree.path = ".worktrees/{run}/{task}"
      |                 ^^^^^^^^^^^^^^^^^^^^^^^^^
    hint: start the path with ../ or /
    error: path: ~ is not expanded
     --> .dispatch.toml:1:17
      |
    1 | worktree.path = "~/w/{run}/{task}"
      |                 ^^^^^^^^^^^^^^^^^^
    hint: write the full path
    error: path: worktrees would lie inside the repository, where tools mistake them for part of it
     --> .dispatch.toml:1:17
      |
    1 | worktree.path = "../{repo}/{run}/{task}"
      |                 ^^^^^^^^^^^^^^^^^^^^^^^^
    hint: start the path with ../ or /
    "#
    );
}

#[test]
fn a_place_that_workers_may_change_is_named_in_full() {
    let write = |path: &str| {
        let repo = format!("[sandbox]\nwrite = [{path:?}]\n");
        over_user(&repo, "", true)
    };
    for path in ["/var/cache", "~/.m2", "$CODEX_HOME", "$XDG_CACHE_HOME/x"] {
        assert_eq!(write(path), "", "{path}");
    }
    for path in ["cache", "~", "~ada/x", "$", "$1/x", "/tmp/../etc", "~/../x"] {
        assert!(write(path).contains("invalid path"), "{path}");
    }
}
