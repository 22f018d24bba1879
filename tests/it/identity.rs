//! The author and the committer of a task's commit are those that git names in its worktree.

use std::fs;

use crate::harness::Scene;

/// A worker that commits itself, and leaves something for dispatch to commit.
const PLAN: &str = "# One\n1. [A] First\n   - run: echo a > a.txt && git add -A && git commit -qm own; echo b > b.txt\n";

const ME: &str = "[user]\n\tname = Me\n\temail = me@example.com\n";

fn who(scene: &Scene, revision: &str) -> String {
    scene.git(&["log", "-1", "--format=%an <%ae>, %cn <%ce>", revision])
}

/// Runs a task whose worktree has these settings, and checks who made its commit.
#[track_caller]
fn expect_me(change: impl Fn(&Scene)) {
    let scene = Scene::new();
    fs::write(scene.root.join("me"), ME).unwrap();
    change(&scene);
    scene.run(PLAN, &[]).expect(0);
    let me = "Me <me@example.com>, Me <me@example.com>";
    assert_eq!(who(&scene, &scene.branch("a")), me);
    let of_worker = format!("{}~", scene.branch("a"));
    assert_eq!(who(&scene, &of_worker), me, "the commit of the worker");
    assert_eq!(scene.git(&["log", "-1", "--format=%s", &of_worker]), "own");
    let user = who(&scene, "main");
    assert_ne!(user, me, "the user's checkout has another user");
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(who(&scene, "main"), user);
}

fn include_if(scene: &Scene, condition: &str) {
    let file = scene.root.join("me").display().to_string();
    scene.git(&["config", &format!("includeIf.{condition}.path"), &file]);
}

#[test]
fn a_condition_on_the_branch_of_a_worktree_counts() {
    expect_me(|scene| include_if(scene, "onbranch:dispatch/**"));
}

#[test]
fn a_condition_on_the_git_folder_of_a_worktree_counts() {
    expect_me(|scene| include_if(scene, "gitdir:**/worktrees/**"));
}

#[test]
fn a_setting_that_set_up_makes_for_a_worktree_counts() {
    expect_me(|scene| {
        scene.git(&["config", "extensions.worktreeConfig", "true"]);
        scene.configure(
            "[worktree]\nsetup = [\"git config --worktree user.name Me\", \
             \"git config --worktree user.email me@example.com\"]\n",
        );
    });
}

#[test]
fn what_a_worker_sets_does_not_count() {
    let scene = Scene::new();
    scene.git(&["config", "extensions.worktreeConfig", "true"]);
    let plan = "# One\n1. [A] First\n   - run: git config --worktree user.email evil@example.com; \
                echo a > a.txt\n";
    scene.run(plan, &[]);
    let commits = scene.git(&["log", "--all", "--format=%ae%ce"]);
    assert!(!commits.contains("evil"), "{commits}");
}

#[test]
fn without_an_identity_a_run_lands_by_dispatch_and_says_so() {
    let scene = Scene::new();
    scene.git(&["config", "--unset", "user.name"]);
    scene.git(&["config", "--unset", "user.email"]);
    scene.git(&["config", "user.useConfigOnly", "true"]);
    scene.run(PLAN, &[]).expect(0);
    let landed = scene.dispatch(&["land", "--yes"]).expect(0);
    for line in ["git config user.name NAME", "git config user.email ADDRESS"] {
        assert!(landed.err.contains(line), "{}", landed.err);
    }
    let dispatch = "dispatch <dispatch@localhost>, dispatch <dispatch@localhost>";
    assert_eq!(who(&scene, "main"), dispatch);
}
