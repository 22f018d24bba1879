//! Repositories in every format that git reads: of the index, of objects, of references.

use std::fs;
use std::path::PathBuf;

use crate::harness::{FAST_RETRIES, Gate, Scene};
use crate::mount::skipped;
use crate::process::Background;

/// Two tasks, one that leaves its change to dispatch and one that commits.
const PLAN: &str = "# Formats

1. [LEFT] Left uncommitted
   - run: echo x >> README.md
2. [OWN] Committed
   - run: echo y > own.txt && git add own.txt && git commit --quiet -m own
";

/// Runs [`PLAN`] and expects both results.
#[track_caller]
fn run_both(scene: &Scene) {
    scene.run(PLAN, &[]).expect(0);
    let changed = |slug: &str| scene.git(&["diff", "--name-only", "main", &scene.branch(slug)]);
    assert_eq!(changed("left"), "README.md");
    assert_eq!(changed("own"), "own.txt");
}

/// Makes a repository with these options of `git init`; `None` if this git does not know them.
fn repository(options: &[&str]) -> Option<Scene> {
    let scene = Scene::empty();
    fs::remove_dir_all(scene.repo.join(".git")).unwrap();
    let init = ["init", "--quiet", "--initial-branch=main"];
    if scene.try_git(&[&init, options].concat()).code != 0 {
        skipped(&format!("this git does not know {options:?}"));
        return None;
    }
    scene.git(&["config", "user.name", "Ada"]);
    scene.git(&["config", "user.email", "ada@example.com"]);
    scene.write("README.md", "# Shop\n");
    scene.write("src/app.ts", "one\ntwo\nthree\nfour\nfive\n");
    scene.write(".dispatch.toml", FAST_RETRIES);
    scene.commit("A shop");
    Some(scene)
}

/// Goes from a plan with a conflict, through a crash, a resolution by hand and two landings, to an
/// empty repository.
fn whole_way(scene: &Scene) {
    let mut gate = Gate::new(scene, "gate");
    let plan = format!(
        "# Way\n\n1. [ONE] One way\n   - run: sed -i s/two/2/ src/app.ts\n\
         2. [OTHER] Another way\n   - run: sed -i s/two/zwei/ src/app.ts && git commit -qam own\n\
         3. [NEXT] More — blocked by #1\n   - run: {}; grep 2 src/app.ts > next.txt\n",
        gate.script()
    );
    let before = scene.fingerprint();
    let dispatch = Background::run(scene, &plan, &[]);
    gate.wait_until_reached();
    dispatch.crash();
    gate.open();
    scene.dispatch(&["resume"]).expect(4);
    before.assert_same(&scene.fingerprint());

    let explained = scene.dispatch(&["conflicts", "--explain", "1:2"]);
    assert!(explained.out.contains("src/app.ts"), "{}", explained.out);
    let place = PathBuf::from(scene.dispatch(&["resolve", "2"]).expect(0).out.trim_end());
    fs::write(place.join("src/app.ts"), "one\n2/zwei\nthree\nfour\nfive\n").unwrap();
    let add = scene
        .command("git")
        .current_dir(&place)
        .args(["add", "."])
        .status();
    assert!(add.unwrap().success());
    scene.dispatch(&["resolve", "--continue"]).expect(0);

    let main = scene.rev("main");
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("src/app.ts"), "one\n2/zwei\nthree\nfour\nfive\n");
    assert_eq!(scene.read("next.txt"), "2\n");
    assert_eq!(scene.git(&["status", "--porcelain"]), "");
    scene.dispatch(&["unland", "--yes"]).expect(0);
    assert_eq!(scene.rev("main"), main);
    scene.dispatch(&["land", "--yes", "--squash"]).expect(0);
    assert_eq!(scene.read("next.txt"), "2\n");
    scene.dispatch(&["doctor"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    let left = scene.git(&["for-each-ref", "--format=%(refname)", "refs/heads/"]);
    assert_eq!(left, "refs/heads/main");
    assert_eq!(scene.git(&["worktree", "list"]).lines().count(), 1);
    scene.git(&["fsck", "--no-dangling", "--strict"]);
}

#[test]
fn results_are_taken_from_a_split_index() {
    let scene = Scene::new();
    scene.git(&["config", "core.splitIndex", "true"]);
    for number in 0..30 {
        scene.write(&format!("files/{number}"), "content\n");
    }
    scene.commit("Many files");
    scene.git(&["update-index", "--split-index"]);
    run_both(&scene);
}

#[test]
fn a_repository_with_sha256_ids_goes_the_whole_way() {
    if let Some(scene) = repository(&["--object-format=sha256"]) {
        whole_way(&scene);
    }
}

#[test]
fn a_repository_with_reftable_goes_the_whole_way() {
    if let Some(scene) = repository(&["--ref-format=reftable"]) {
        whole_way(&scene);
    }
}

#[test]
fn a_repository_as_git_3_makes_it_goes_the_whole_way() {
    let options = ["--object-format=sha256", "--ref-format=reftable"];
    if let Some(scene) = repository(&options) {
        whole_way(&scene);
    }
}

#[test]
fn the_git_program_goes_the_whole_way() {
    let mut scene = repository(&["--object-format=sha1"]).unwrap();
    scene.set_env("DISPATCH_STORE", "git");
    whole_way(&scene);
}

#[test]
fn a_shallow_clone_goes_the_whole_way() {
    let mut scene = repository(&["--object-format=sha1"]).unwrap();
    scene.write("more.txt", "more\n");
    scene.commit("More");
    let url = format!("file://{}", scene.repo.display());
    scene.git(&["clone", "--quiet", "--depth=1", &url, "../shallow"]);
    scene.repo = scene.root.join("shallow");
    scene.git(&["config", "user.name", "Ada"]);
    scene.git(&["config", "user.email", "ada@example.com"]);
    whole_way(&scene);
}

#[test]
fn a_changed_head_is_seen_where_references_are_a_reftable() {
    let Some(scene) = repository(&["--ref-format=reftable"]) else {
        return;
    };
    let main = scene.repo.display();
    let plan = format!("1. [X] Meddles\n   - run: git -C {main} switch -q -c mine; echo x > x\n");
    let said = scene.run(&plan, &[]).expect(0);
    let said = said.out + &said.err;
    assert!(said.contains("HEAD of the main checkout"), "{said}");
    assert!(said.contains("the branch mine"), "{said}");
}

#[test]
fn a_partial_clone_fetches_what_it_lacks() {
    let mut scene = Scene::new();
    scene.git(&["config", "uploadpack.allowFilter", "true"]);
    scene.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    scene.write("old.txt", "old\n");
    scene.commit("Old");
    scene.git(&["rm", "--quiet", "old.txt"]);
    scene.commit("Newer");
    let url = format!("file://{}", scene.repo.display());
    let clone = [
        "clone",
        "--quiet",
        "--filter=blob:none",
        "--no-checkout",
        &url,
        "../part",
    ];
    scene.git(&clone);
    scene.repo = scene.root.join("part");
    scene.git(&["config", "user.name", "Ada"]);
    scene.git(&["config", "user.email", "ada@example.com"]);
    let lacks = || scene.git(&["rev-list", "--objects", "--missing=print", "HEAD"]);
    assert!(lacks().contains("\n?"), "{}", lacks());
    // The blobs of HEAD are missing until a worktree needs them, that of `old.txt` stays away.
    scene.git(&["reset", "--quiet", "--hard"]);
    run_both(&scene);
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("own.txt"), "y\n");
    assert!(lacks().contains("\n?"), "{}", lacks());
}

#[test]
fn objects_of_alternates_are_read() {
    let mut scene = Scene::new();
    scene.git(&["clone", "--quiet", "--shared", ".", "../shared"]);
    scene.repo = scene.root.join("shared");
    scene.git(&["config", "user.name", "Ada"]);
    scene.git(&["config", "user.email", "ada@example.com"]);
    run_both(&scene);
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.git(&["reset", "--quiet", "--hard", "origin/main"]);
    scene.set_env("DISPATCH_STORE", "git");
    run_both(&scene);
}

#[test]
fn a_lock_that_was_left_in_a_reftable_is_named_with_the_way_out() {
    let Some(scene) = repository(&["--ref-format=reftable"]) else {
        return;
    };
    run_both(&scene);
    let before = scene.rev("main");
    let lock = scene.repo.join(".git/reftable/tables.list.lock");
    fs::write(&lock, "").unwrap();
    let ended = scene.dispatch(&["land", "--yes"]).expect(1);
    let words = "/.git/reftable/tables.list.lock exists: a git process uses it";
    assert!(ended.err.contains(words), "{}", ended.err);
    assert!(ended.err.contains("remove it: `rm "), "{}", ended.err);
    fs::remove_file(lock).unwrap();
    assert_eq!(scene.rev("main"), before);
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(scene.read("own.txt"), "y\n");
}
