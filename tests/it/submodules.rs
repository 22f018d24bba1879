//! Work in submodules and nested repositories: carried into the module store, refused or reported,
//! never lost with a worktree.

use std::fs;
use std::path::PathBuf;

use crate::harness::{Ended, Scene};

/// A worker that initialises the submodule `sub` and commits in it.
const COMMITS: &str = "# Parts

1. [A] Commit in the submodule
   - run: git submodule update --init -q && cd sub && echo w > w.txt && git add -A && git commit -qm inner
";

/// Creates a repository with a submodule `sub`, which has a submodule `deep/part` itself.
pub(crate) fn scene() -> Scene {
    scene_by(|path| path.to_owned())
}

/// Creates the same repository with relative addresses: its commits are the same in every folder.
pub(crate) fn relative_scene() -> Scene {
    scene_by(|path| format!("..{}", &path[path.rfind('/').unwrap()..]))
}

/// Creates it with the address that `address` makes of a submodule's path.
fn scene_by(address: impl Fn(&str) -> String) -> Scene {
    let mut scene = Scene::new();
    let global = scene.root.join("global.gitconfig");
    let text =
        "[protocol \"file\"]\n\tallow = always\n[user]\n\tname = Ada\n\temail = ada@example.com\n";
    fs::write(&global, text).unwrap();
    scene.set_env("GIT_CONFIG_GLOBAL", global.to_str().unwrap());
    let make = |name: &str, file: &str| {
        let path = scene.root.join(name).display().to_string();
        scene.git(&["init", "-q", "--initial-branch=main", &path]);
        fs::write(scene.root.join(name).join(file), "1\n").unwrap();
        scene.git(&["-C", &path, "add", "-A"]);
        scene.git(&["-C", &path, "commit", "-qm", "first"]);
        path
    };
    let (part, sub) = (make("part.origin", "p.txt"), make("sub.origin", "a.txt"));
    scene.git(&[
        "-C",
        &sub,
        "submodule",
        "--quiet",
        "add",
        &address(&part),
        "deep/part",
    ]);
    scene.git(&["-C", &sub, "commit", "-qm", "second"]);
    scene.git(&["submodule", "--quiet", "add", &address(&sub), "sub"]);
    scene.commit("A submodule");
    scene
}

/// Takes the repositories away that the submodules were cloned from.
fn go_offline(scene: &Scene) {
    for name in ["part.origin", "sub.origin"] {
        fs::remove_dir_all(scene.root.join(name)).unwrap();
    }
}

fn worktrees(scene: &Scene) -> usize {
    scene.git(&["worktree", "list"]).lines().count() - 1
}

/// Lands and cleans the only run.
fn land_and_clean(scene: &Scene) -> Ended {
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0)
}

fn text(scene: &Scene, path: &str) -> Option<String> {
    fs::read_to_string(scene.repo.join(path)).ok()
}

#[test]
fn a_commit_in_a_submodule_outlives_its_worktree() {
    let scene = scene();
    scene.run(COMMITS, &[]).expect(0);
    land_and_clean(&scene);
    assert_eq!(worktrees(&scene), 0);
    go_offline(&scene);
    scene.git(&["submodule", "update", "--quiet"]);
    assert_eq!(text(&scene, "sub/w.txt").as_deref(), Some("w\n"));
    let kept = [
        "-C",
        "sub",
        "for-each-ref",
        "--format=%(refname)",
        "refs/dispatch",
    ];
    let kept = scene.git(&kept);
    let expected = format!("refs/dispatch/attempts/{}/a/1.nested/", scene.run_name());
    assert!(kept.starts_with(&expected), "{kept}");
}

#[test]
fn a_commit_in_a_nested_submodule_is_carried_into_a_clone_that_has_none() {
    let mut scene = scene();
    let clone = scene.root.join("clone");
    scene.git(&["clone", "--quiet", ".", clone.to_str().unwrap()]);
    scene.repo = clone;
    scene.git(&["config", "user.name", "Ada"]);
    let plan = "# Parts

1. [A] Commit in a submodule of a submodule
   - run: git submodule update --init --recursive -q && cd sub/deep/part && echo w > w.txt && git add -A && git commit -qm inner && cd ../.. && git commit -qam outer
";
    scene.run(plan, &[]).expect(0);
    land_and_clean(&scene);
    go_offline(&scene);
    scene.git(&["submodule", "update", "--init", "--recursive", "--quiet"]);
    assert_eq!(text(&scene, "sub/deep/part/w.txt").as_deref(), Some("w\n"));
}

#[test]
fn relative_addresses_lead_to_the_same_place_once_a_store_was_made() {
    let mut scene = relative_scene();
    let (from, clone) = (scene.repo.clone(), scene.root.join("clone"));
    let [from, to] = [&from, &clone].map(|path| path.to_str().unwrap());
    scene.git(&["clone", "--quiet", from, to]);
    scene.repo = clone;
    scene.configure("[worktree]\nsubmodules = true\n");
    let plan = "# Parts

1. [A] Commit in the submodule
   - run: cd sub && echo w > w.txt && git add -A && git commit -qm inner
2. [B] Look into the submodule of it — blocked by #1
   - run: cat sub/w.txt sub/deep/part/p.txt > b.txt
";
    scene.run(plan, &[]).expect(0);
    land_and_clean(&scene);
    assert_eq!(text(&scene, "b.txt").as_deref(), Some("w\n1\n"));
    // What git does in the user's checkout starts from the store, too.
    scene.git(&["submodule", "update", "--init", "--recursive", "--quiet"]);
    assert_eq!(text(&scene, "sub/deep/part/p.txt").as_deref(), Some("1\n"));
}

#[test]
fn a_shallow_submodule_is_carried_too() {
    let mut scene = scene();
    let clone = scene.root.join("clone");
    scene.git(&["clone", "--quiet", ".", clone.to_str().unwrap()]);
    scene.repo = clone;
    let plan = COMMITS.replace("--init -q", "--init --depth 1 -q");
    let url = format!("file://{}", scene.root.join("sub.origin").display());
    scene.git(&["config", "submodule.sub.url", &url]);
    scene.git(&["config", "submodule.sub.active", "true"]);
    scene.run(&plan, &[]).expect(0);
    land_and_clean(&scene);
    go_offline(&scene);
    scene.git(&["submodule", "update", "--quiet"]);
    assert_eq!(text(&scene, "sub/w.txt").as_deref(), Some("w\n"));
}

#[test]
fn a_worktree_that_makes_room_for_another_keeps_the_commits_of_its_submodules() {
    let scene = scene();
    scene.configure("[run]\nmax_worktrees = 1\n");
    let plan = format!("{COMMITS}2. [B] Another — blocked by #1\n   - run: echo b > b.txt\n");
    scene.run(&plan, &[]).expect(0);
    assert_eq!(worktrees(&scene), 1, "the first one has gone");
    scene.dispatch(&["land", "--yes"]).expect(0);
    go_offline(&scene);
    scene.git(&["submodule", "update", "--quiet"]);
    assert_eq!(text(&scene, "sub/w.txt").as_deref(), Some("w\n"));
}

#[test]
fn uncommitted_changes_of_a_submodule_are_reported_and_keep_their_worktree() {
    let scene = scene();
    let plan = "# Parts

1. [A] Edit the submodule
   - run: git submodule update --init -q && echo edit >> sub/a.txt && echo c > c.txt
2. [B] Edit the nested one and fail
   - run: git submodule update --init --recursive -q && echo edit >> sub/deep/part/p.txt && exit 1
";
    let ended = scene.run(plan, &[]).expect(3);
    let words = "sub has changes that are in no commit and so in no result: a.txt";
    assert!(ended.out.contains(words), "{}", ended.out);
    let board = scene.dispatch(&["status"]).expect(0);
    let note = "left work outside its result";
    assert!(board.out.contains(note), "{}", board.out);
    let preview = scene.dispatch(&["land", "--dry-run"]).expect(0);
    assert!(preview.err.contains(words), "{}", preview.err);
    for (tag, words) in [
        (
            "A",
            "the submodule sub has changes that are in no commit and so in no result: a.txt",
        ),
        (
            "B",
            "the submodule sub/deep/part has changes that are in no commit and so in no result: p.txt",
        ),
    ] {
        let shown = scene.dispatch(&["show", tag]).expect(0);
        assert!(shown.out.contains(words), "{}", shown.out);
    }
    let cleaned = land_and_clean(&scene);
    for words in [
        "has uncommitted changes in the submodule sub: `git -C ",
        "has uncommitted changes in the submodule sub/deep/part: `git -C ",
    ] {
        assert!(cleaned.err.contains(words), "{}", cleaned.err);
    }
    assert_eq!(worktrees(&scene), 2);
}

#[test]
fn branches_and_stashes_of_a_submodule_are_kept_and_named() {
    let scene = scene();
    let plan = "# Parts

1. [A] Leave work in the submodule
   - run: echo c > c.txt && git submodule update --init -q && cd sub && git checkout -qb idea && echo i > i.txt && git add -A && git commit -qm idea && git checkout -q --detach HEAD~1 && echo s >> a.txt && git stash -q
";
    scene.run(plan, &[]).expect(0);
    let shown = scene.dispatch(&["show", "A"]).expect(0).out;
    for words in ["sub has the branch idea", "sub has a stash entry"] {
        assert!(shown.contains(words), "{shown}");
    }
    land_and_clean(&scene);
    assert_eq!(worktrees(&scene), 0, "everything is kept");
    let store = ["-C", "sub"];
    let subjects = [&store[..], &["log", "--all", "--format=%s"]].concat();
    let subjects = scene.git(&subjects);
    assert!(
        subjects.contains("idea\n") && subjects.contains("WIP on"),
        "{subjects}"
    );
}

#[test]
fn a_commit_made_later_in_a_submodule_keeps_its_worktree() {
    let scene = scene();
    scene.run(COMMITS, &[]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    let inner = scene.worktree("a").join("sub").display().to_string();
    let later = ["-C", &inner, "commit", "-q", "--allow-empty", "-m", "later"];
    scene.git(&later);
    let cleaned = scene.dispatch(&["clean"]).expect(0);
    let commit = scene.git(&["-C", &inner, "rev-parse", "--short=7", "HEAD"]);
    let words = format!("has commit {commit}, which is nowhere else, in the submodule sub");
    assert!(cleaned.err.contains(&words), "{}", cleaned.err);
    assert_eq!(worktrees(&scene), 1);
}

#[test]
fn files_in_the_place_of_a_submodule_are_no_work_in_it() {
    let scene = with_submodules("");
    let plan = "1. [A] Puts files in its place
   - run: git rm -qf --cached sub .gitmodules; rm -rf sub .gitmodules; mkdir sub; echo v > sub/v.txt
";
    let ended = scene.run(plan, &[]).expect(0);
    assert!(
        !ended.out.contains("the submodule sub has changes"),
        "{}",
        ended.out
    );
    land_and_clean(&scene);
    assert_eq!(worktrees(&scene), 0);
    assert_eq!(text(&scene, "sub/v.txt").unwrap(), "v\n");
}

#[test]
fn a_candidate_is_refused_if_a_commit_of_its_submodule_cannot_be_kept() {
    let scene = scene();
    let plan = COMMITS.replace(
        "-qm inner",
        "-qm inner && tree=$(git rev-parse HEAD^{tree}) && rm -f $(git rev-parse --git-path objects)/$(echo $tree | cut -c1-2)/$(echo $tree | cut -c3-)",
    );
    let ended = scene.run(&plan, &[]).expect(3);
    let commit = scene.git(&["rev-parse", "--short=7", &format!("{}:sub", kept(&scene))]);
    let words = format!("could not keep commit {commit} of the submodule sub");
    assert!(ended.out.contains(&words), "{}", ended.out);
    scene.dispatch(&["clean"]).expect(0);
    assert_eq!(worktrees(&scene), 1, "what cannot be kept stays");
}

/// Returns the commit that keeps what the failed task left.
fn kept(scene: &Scene) -> String {
    scene.rev(&format!("refs/dispatch/attempts/{}/a/1", scene.run_name()))
}

#[test]
fn the_commits_of_a_nested_repository_outlive_its_worktree() {
    let scene = Scene::new();
    let plan = "# Nested

1. [A] Make a repository inside
   - run: git init -q vendor && cd vendor && git config user.name A && git config user.email a@b && echo v > v.txt && git add -A && git commit -qm nested
";
    let ended = scene.run(plan, &[]).expect(3);
    assert!(
        ended.out.contains("vendor is a nested repository"),
        "{}",
        ended.out
    );
    let shown = scene.dispatch(&["show", "A"]).expect(0).out;
    assert!(
        shown.contains("the nested repository vendor has commits of its own"),
        "{shown}"
    );
    let vendor: PathBuf = scene.worktree("a").join("vendor");
    let commit = scene.git(&["-C", vendor.to_str().unwrap(), "rev-parse", "HEAD"]);
    fs::write(vendor.join("later.txt"), "later\n").unwrap();
    scene.dispatch(&["clean"]).expect(0);
    assert_eq!(worktrees(&scene), 1, "a file in it is in no commit");
    fs::remove_file(vendor.join("later.txt")).unwrap();
    scene.dispatch(&["clean"]).expect(0);
    assert_eq!(worktrees(&scene), 0);
    assert_eq!(scene.git(&["show", &format!("{commit}:v.txt")]), "v");
    let reference = format!(
        "refs/dispatch/attempts/{}/a/1.nested/{commit}",
        scene.run_name()
    );
    assert_eq!(scene.rev(&reference), commit);
}

#[test]
fn a_submodule_has_its_worktrees_beside_its_own_checkout() {
    let mut scene = scene();
    let superproject = scene.repo.clone();
    scene.repo = superproject.join("sub");
    scene.git(&["config", "user.name", "Ada"]);
    let plan = "# Parts

1. [A] Work in the submodule itself
   - run: pwd > where.txt
";
    let ended = scene.run(plan, &[]).expect(0);
    assert!(
        ended.err.contains("this repository is a submodule"),
        "{}",
        ended.err
    );
    scene.dispatch(&["land", "--yes"]).expect(0);
    let expected = superproject
        .join("sub.dispatch")
        .join(scene.run_name())
        .join("a");
    assert_eq!(
        scene.read("where.txt").trim_end(),
        expected.to_str().unwrap()
    );
    scene.dispatch(&["clean"]).expect(0);
    let left = ["status", "--porcelain", "--ignore-submodules=all"];
    scene.repo = superproject;
    assert_eq!(scene.git(&left), "", "nothing is left in the superproject");
}

/// Turns the submodules of worktrees on, has all of them, and takes their origins away.
fn with_submodules(more: &str) -> Scene {
    let scene = scene();
    scene.git(&["submodule", "update", "--quiet", "--init", "--recursive"]);
    scene.configure(&format!("[worktree]\nsubmodules = true\n{more}"));
    go_offline(&scene);
    scene
}

#[test]
fn worktrees_have_submodules_without_network_and_without_a_change_of_the_configuration() {
    let scene = with_submodules("");
    let before = scene.fingerprint();
    let plan = "# Parts

1. [A] Read the submodules
   - run: cat sub/a.txt sub/deep/part/p.txt > out.txt && git -C sub remote get-url origin > url.txt
";
    let ended = scene.run(plan, &[]).expect(0);
    assert!(
        !ended.err.contains("submodules are not checked out"),
        "{}",
        ended.err
    );
    before.assert_same(&scene.fingerprint());
    let read = |file: &str| scene.git(&["show", &format!("{}:{file}", scene.branch("a"))]);
    assert_eq!(read("out.txt"), "1\n1");
    assert_eq!(
        read("url.txt"),
        scene.root.join("sub.origin").display().to_string()
    );
    land_and_clean(&scene);
    assert_eq!(worktrees(&scene), 0);
}

#[test]
fn a_commit_of_a_submodule_reaches_the_tasks_and_the_checks_after_it() {
    let scene = with_submodules("[assemble]\ncheck = [\"test -e sub/w.txt\"]\n");
    let plan = "# Parts

1. [A] Commit in the submodule
   - run: cd sub && echo w > w.txt && git add -A && git commit -qm inner
2. [B] Read it — blocked by #1
   - run: cp sub/w.txt b.txt
";
    scene.run(plan, &[]).expect(0);
    land_and_clean(&scene);
    assert_eq!(text(&scene, "b.txt").as_deref(), Some("w\n"));
}

#[test]
fn a_submodule_that_cannot_be_fetched_fails_the_set_up() {
    let mut scene = scene();
    scene.configure("[worktree]\nsubmodules = true\n");
    let clone = scene.root.join("clone");
    scene.git(&["clone", "--quiet", ".", clone.to_str().unwrap()]);
    scene.repo = clone;
    go_offline(&scene);
    let ended = scene
        .run("1. [A] a\n   - run: echo a > a.txt\n", &[])
        .expect(3);
    assert!(ended.out.contains("git submodule"), "{}", ended.out);
}

#[test]
fn files_in_a_submodule_that_is_not_checked_out_are_reported_and_keep_their_worktree() {
    let scene = scene();
    let plan = "# Parts

1. [A] Write where nothing is checked out
   - run: mkdir -p sub && echo precious > sub/p.txt && echo b > b.txt
2. [B] Leave the folder alone
   - run: echo c > c.txt
";
    scene.run(plan, &[]).expect(0);
    let shown = scene.dispatch(&["show", "A"]).expect(0).out;
    let words =
        "the submodule sub is not checked out, so the files in its folder are in no result: p.txt";
    assert!(shown.contains(words), "{shown}");
    let cleaned = land_and_clean(&scene);
    let words = "has files in the folder of the submodule sub, which is not checked out";
    assert!(cleaned.err.contains(words), "{}", cleaned.err);
    assert_eq!(worktrees(&scene), 1, "that of B has gone");
    let file = scene.worktree("a").join("sub/p.txt");
    assert_eq!(fs::read_to_string(file).unwrap(), "precious\n");
}

#[test]
fn a_checked_out_submodule_can_be_removed_and_its_commits_are_kept() {
    let scene = with_submodules("");
    let plan = "# Parts

1. [A] Commit in the submodule, then remove it
   - run: cd sub && git checkout -qb idea && echo i > i.txt && git add -A && git commit -qm idea && cd .. && git rm -qf sub
";
    scene.run(plan, &[]).expect(0);
    let kept = ["--git-dir=.git/modules/sub", "log", "--all", "--format=%s"];
    assert!(scene.git(&kept).contains("idea\n"));
    land_and_clean(&scene);
    assert_eq!(worktrees(&scene), 0);
    assert_eq!(scene.git(&["ls-files", "sub"]), "");
}

#[test]
fn the_commands_of_remarks_can_be_run_as_they_are() {
    let scene = scene();
    scene.configure("[worktree]\npath = \"../its places/{run}/{task}\"\n");
    let plan = "# Parts

1. [A] Edit the submodule
   - run: git submodule update --init -q && echo edit >> sub/a.txt && echo c > c.txt
2. [B] Add to the submodule
   - run: git submodule update --init -q && echo new > sub/new.txt && echo b > b.txt
";
    scene.run(plan, &[]).expect(0);
    for (tag, shown_by_git) in [("A", "+edit"), ("B", "new.txt")] {
        let shown = scene.dispatch(&["show", tag]).expect(0).out;
        let command = shown.split("`git -C ").nth(1).unwrap();
        let command = format!("git -C {}", command.split('`').next().unwrap());
        let mut shell = scene.command("sh");
        let ran = shell.args(["-c", &command]).output().unwrap();
        let out = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(out.contains(shown_by_git), "{command}: {out}");
    }
}

#[test]
fn an_annotated_tag_that_was_made_in_a_submodule_is_kept() {
    let scene = scene();
    let plan = COMMITS.replace("-qm inner", "-qm inner && git tag -am one v1");
    scene.run(&plan, &[]).expect(0);
    let shown = scene.dispatch(&["show", "A"]).expect(0).out;
    assert!(shown.contains("sub has the tag v1"), "{shown}");
    land_and_clean(&scene);
    assert_eq!(worktrees(&scene), 0);
    let types = [
        "-C",
        "sub",
        "for-each-ref",
        "--format=%(objecttype)",
        "refs/dispatch",
    ];
    let types = scene.git(&types);
    assert_eq!(
        types.lines().filter(|kind| *kind == "tag").count(),
        1,
        "{types}"
    );
}

#[test]
fn a_commit_made_by_hand_in_a_submodule_can_be_taken() {
    let scene = with_submodules("");
    let plan = "1. [A] a\n   - run: echo a > a.txt\n";
    scene.run(plan, &[]).expect(0);
    let top = scene.worktree("a");
    fs::write(top.join("sub/h.txt"), "hand\n").unwrap();
    let (top, sub) = (top.display().to_string(), top.join("sub"));
    let sub = sub.display().to_string();
    scene.git(&["-C", &sub, "add", "-A"]);
    scene.git(&["-C", &sub, "commit", "-qm", "inner"]);
    scene.git(&["-C", &top, "commit", "-qam", "by hand"]);
    let commit = scene.git(&["-C", &sub, "rev-parse", "HEAD"]);
    scene.dispatch(&["assemble", "--take", "1"]).expect(0);
    land_and_clean(&scene);
    assert_eq!(scene.rev("HEAD:sub"), commit.trim());
    scene.git(&[
        "--git-dir=.git/modules/sub",
        "cat-file",
        "-e",
        commit.trim(),
    ]);
}

#[test]
fn settings_that_the_caller_gives_in_the_environment_hold_for_submodules() {
    let mut scene = scene();
    scene.git(&["submodule", "update", "--quiet", "--init", "--recursive"]);
    let origin = scene.root.join("sub.origin");
    let place = origin.to_str().unwrap();
    fs::write(origin.join("new.txt"), "new\n").unwrap();
    scene.git(&["-C", place, "add", "new.txt"]);
    scene.git(&["-C", place, "commit", "-qm", "new"]);
    let new = scene.git(&["-C", place, "rev-parse", "HEAD"]);
    scene.configure("[worktree]\nsubmodules = true\n");
    // The module store lacks the commit, and its address works with a setting of the caller only.
    scene.git(&["update-index", "--cacheinfo", &format!("160000,{new},sub")]);
    scene.git(&["commit", "-qm", "The new commit"]);
    scene.git(&["config", "submodule.sub.url", "hidden://host/sub.origin"]);
    let key = format!("url.{}/.insteadOf", scene.root.display());
    scene.set_env("GIT_CONFIG_COUNT", "1");
    scene.set_env("GIT_CONFIG_KEY_0", &key);
    scene.set_env("GIT_CONFIG_VALUE_0", "hidden://host/");
    let plan = "# Parts\n\n1. [A] Read it\n   - run: cp sub/new.txt got.txt\n";
    scene.run(plan, &[]).expect(0);
    assert_eq!(
        scene.git(&["show", &format!("{}:got.txt", scene.branch("a"))]),
        "new"
    );
}

/// With `extensions.submodulePathConfig` (git 2.54) the configuration that all worktrees share names the
/// repository of a submodule, so that a worktree has one of its own only if dispatch names it.
#[test]
fn submodules_whose_repositories_settings_name_work_in_worktrees() {
    let mut scene = Scene::new();
    let global = scene.root.join("global.gitconfig");
    let text =
        "[protocol \"file\"]\n\tallow = always\n[user]\n\tname = Ada\n\temail = ada@example.com\n";
    fs::write(&global, text).unwrap();
    scene.set_env("GIT_CONFIG_GLOBAL", global.to_str().unwrap());
    let lib = scene.root.join("lib").display().to_string();
    scene.git(&["init", "-q", "--initial-branch=main", &lib]);
    fs::write(scene.root.join("lib/a.txt"), "1\n").unwrap();
    scene.git(&["-C", &lib, "add", "-A"]);
    scene.git(&["-C", &lib, "commit", "-qm", "first"]);
    scene.git(&["config", "core.repositoryFormatVersion", "1"]);
    scene.git(&["config", "extensions.submodulePathConfig", "true"]);
    if scene.try_git(&["status"]).code != 0 {
        let refused = scene.run(COMMITS, &[]);
        assert!(
            refused.err.contains("submodulepathconfig"),
            "{}",
            refused.err
        );
        return;
    }
    scene.git(&[
        "submodule",
        "--quiet",
        "add",
        "--name",
        "deps/lib",
        &lib,
        "sub",
    ]);
    scene.commit("A submodule");
    scene.configure("[worktree]\nsubmodules = true\n");
    let before = scene.git(&["config", "--list", "--local"]);
    let plan = "# Parts\n\n1. [A] Commit in it\n   - run: cd sub && echo w > w.txt && git add -A && git commit -qm inner\n";
    scene.run(plan, &[]).expect(0);
    assert_eq!(scene.git(&["config", "--list", "--local"]), before);
    land_and_clean(&scene);
    scene.git(&["submodule", "--quiet", "update"]);
    assert_eq!(text_in(&scene, "sub/w.txt"), "w\n");
}

fn text_in(scene: &Scene, path: &str) -> String {
    fs::read_to_string(scene.repo.join(path)).unwrap_or_default()
}
