//! A worker that ends without a change on its branch, and whose work is somewhere else.

use crate::harness::{Ended, Scene};
use crate::process::Background;

/// Runs one command that leaves no change on its branch.
fn run(scene: &Scene, command: &str) -> Ended {
    let plan = format!("1. [A] a\n   - run: {command}\n");
    scene.run(&plan, &[]).expect(3)
}

/// Checks that the report names the work, and that a reference of the attempt keeps it after the
/// worktree and everything else is gone.
#[track_caller]
fn assert_kept(scene: &Scene, ended: &Ended, words: &str, file: &str) {
    assert!(ended.out.contains(words), "{}", ended.out);
    let below = format!("refs/dispatch/attempts/{}/a", scene.run_name());
    let kept = scene.git(&["for-each-ref", "--format=%(refname)", &below]);
    let has_file = |name: &&str| scene.has(&format!("{name}:{file}"));
    assert!(kept.lines().any(|name| has_file(&name)), "{kept}");
}

#[test]
fn another_branch_and_a_detached_commit_are_named_and_kept() {
    let scene = Scene::new();
    let ended = run(
        &scene,
        "git switch -qc idea && echo i > i.txt && git add -A && git commit -qm idea && git switch -q - \
         && git checkout -q --detach && echo d > d.txt && git add -A && git commit -qm d && git switch -q -",
    );
    assert_kept(&scene, &ended, "on the branch idea", "i.txt");
    assert_kept(&scene, &ended, "on no branch", "d.txt");
}

/// Commits on no branch, and then removes these files of objects, as a `git gc --prune=now` does that began
/// before the commit.
fn removed(files: &str) -> (Scene, Ended) {
    let mut scene = Scene::new();
    scene.set_env("DISPATCH_SANDBOX_MODE", "off");
    let file = "file() { git rev-parse --git-path objects/$(echo $1 | sed 's,..,&/,'); }";
    let ended = run(
        &scene,
        &format!(
            "{file}; git checkout -q --detach; echo d > d.txt; git add -A; git commit -qm d; \
             c=$(git rev-parse HEAD); b=$(git rev-parse HEAD:d.txt); git switch -q -; {files}"
        ),
    );
    (scene, ended)
}

#[test]
fn a_commit_that_a_collection_removed_is_named_and_breaks_nothing() {
    // Only git reads the log of HEAD in a reftable, and it stops at a missing commit.
    if crate::harness::has_reftable() {
        return;
    }
    for files in ["rm -f $(file $c)", "rm -f $(file $b)"] {
        let (scene, ended) = removed(files);
        let said = "which was removed by a `git gc --prune=now`";
        assert!(ended.out.contains(said), "{}", ended.out);
        scene.git(&["for-each-ref", "--format=%(refname) %(objecttype)"]);
        let below = format!("refs/dispatch/attempts/{}", scene.run_name());
        assert_eq!(scene.git(&["for-each-ref", &below]), "");
    }
}

#[test]
fn a_kept_commit_that_a_collection_removes_later_is_put_back() {
    let (scene, ended) = removed("true");
    assert_kept(&scene, &ended, "on no branch", "d.txt");
    let below = format!("refs/dispatch/attempts/{}", scene.run_name());
    let kept = scene.git(&["for-each-ref", "--format=%(objectname)", &below]);
    let file = scene
        .repo
        .join(".git/objects")
        .join(&kept[..2])
        .join(&kept[2..]);
    std::fs::remove_file(file).unwrap();
    scene.dispatch(&["doctor"]).expect(0);
    assert_eq!(scene.git(&["cat-file", "-t", &kept]), "commit");
}

#[test]
fn an_attempt_that_may_pass_without_a_change_is_searched_too() {
    let scene = Scene::new();
    scene.write(".gitignore", "out/\n");
    scene.commit("Ignore");
    let plan = "1. [A] a
   - produces: info
   - run: mkdir out && echo o > out/o && echo s >> README.md && git stash -q && git checkout -q --detach && echo d > d.txt && git add -A && git commit -qm d && git switch -q -
2. [B] b
   - allow_empty: yes
   - run: git stash list
";
    scene.run(plan, &["-j", "1"]).expect(0);
    let shown = scene.dispatch(&["show", "1"]).expect(0);
    assert_kept(&scene, &shown, "on no branch", "d.txt");
    assert_kept(&scene, &shown, "a stash entry", "README.md");
    assert!(
        !shown.out.contains("files that git ignores"),
        "{}",
        shown.out
    );
    let other = scene.dispatch(&["show", "2"]).expect(0);
    assert!(!other.out.contains("but it left"), "{}", other.out);
}

#[test]
fn a_branch_made_without_a_checkout_is_named_and_kept() {
    let scene = Scene::new();
    let ended = run(
        &scene,
        "tree=$(git mktree </dev/null) && git branch side $(git commit-tree -m side $tree)",
    );
    assert!(
        ended
            .out
            .contains("the branch side, which it made or moved"),
        "{}",
        ended.out
    );
}

#[test]
fn a_branch_is_put_down_to_the_task_that_made_it() {
    let mut scene = Scene::new();
    // In a sandbox each worker has branches of its own.
    scene.set_env("DISPATCH_SANDBOX_MODE", "off");
    // Each waits for the others, so that all of them are under way while the branches appear.
    let wait = "touch $D/$DISPATCH_TASK; until [ -e $D/1 ] && [ -e $D/2 ] && [ -e $D/3 ]; do sleep 0.01; done";
    let plan = format!(
        "1. [A] makes a branch\n   - run: D={0}; {wait}; git branch side $(git commit-tree -m side HEAD^{{tree}}); touch $D/made\n\
         2. [B] does nothing\n   - run: D={0}; {wait}; until [ -e $D/made ] && [ -e $D/quiet ]; do sleep 0.01; done\n\
         3. [C] makes one without a trace\n   - run: D={0}; {wait}; until [ -e $D/made ]; do sleep 0.01; done; unset GIT_TRACE2_EVENT; git branch quiet $(git commit-tree -m quiet HEAD^{{tree}}); touch $D/quiet\n",
        scene.root.display()
    );
    scene.run(&plan, &["-j", "3"]).expect(3);
    let shown = |task: &str| scene.dispatch(&["show", task]).expect(0).out;
    assert!(
        shown("A").contains("the branch side, which it made or moved"),
        "{}",
        shown("A")
    );
    for task in ["B", "C"] {
        let words = "left the branch side";
        assert!(!shown(task).contains(words), "{}", shown(task));
    }
    let words = "the branch quiet changed while it ran, and none of its git commands names it (you may have \
                 made it, or one that ran at the same time: #1, #3)";
    assert!(shown("B").contains(words), "{}", shown("B"));
    let report = scene.dispatch(&["report"]).expect(0).out;
    assert!(
        !report.contains("a change of the branch side while #1 and #2"),
        "{report}"
    );
}

#[test]
fn a_stash_entry_is_named_and_kept() {
    let scene = Scene::new();
    let ended = run(&scene, "echo s >> README.md && git stash -q");
    assert_kept(&scene, &ended, "a stash entry", "README.md");
    assert!(ended.out.contains("git stash show -p"), "{}", ended.out);
    let attempt = format!(".git/dispatch/runs/{}/attempts/1-1", scene.run_name());
    let has = |file: &str| scene.repo.join(&attempt).join(file).exists();
    assert!(
        has("stash-uses") && !has("git-trace"),
        "only the uses are kept"
    );
}

#[test]
fn stash_entries_made_on_no_branch_or_another_one_are_kept_by_their_task() {
    let scene = Scene::new();
    let plan = "1. [A] stashes on another branch
   - run: unset GIT_AUTHOR_DATE GIT_COMMITTER_DATE && echo a > a.txt && git add -A && git commit -qm a && git checkout -qb idea && echo i > i.txt && git stash -qu && git checkout -q -
2. [B] stashes while detached
   - run: unset GIT_AUTHOR_DATE GIT_COMMITTER_DATE && echo b > b.txt && git add -A && git commit -qm b && git checkout -q --detach && echo d > d.txt && git stash -qu && git checkout -q -
3. [C] stashes nothing
   - run: echo c > c.txt && git stash list
";
    scene.run(plan, &["-j", "1"]).expect(0);
    let words = "besides its change it left a stash entry";
    for task in ["A", "B"] {
        let shown = scene.dispatch(&["show", task]).expect(0);
        assert_eq!(shown.out.matches(words).count(), 1, "{}", shown.out);
    }
    let shown = scene.dispatch(&["show", "C"]).expect(0);
    assert!(!shown.out.contains(words), "{}", shown.out);
    scene.git(&["stash", "clear"]);
    let kept = scene.git(&[
        "for-each-ref",
        "--format=%(refname)",
        "refs/dispatch/attempts",
    ]);
    for file in ["i.txt", "d.txt"] {
        let mut names = kept.lines();
        assert!(
            names.any(|name| scene.has(&format!("{name}^3:{file}"))),
            "{kept}"
        );
    }
}

#[test]
fn ignored_files_and_repositories_are_named_and_kept() {
    let scene = Scene::new();
    scene.write(".gitignore", "out/\nvendor/\n");
    scene.commit("Ignore");
    let ended = run(
        &scene,
        "mkdir out && echo r > out/report.txt && git init -q vendor && cd vendor && git config user.name A \
         && git config user.email a@b && echo v > v.txt && git add -A && git commit -qm nested",
    );
    assert_kept(
        &scene,
        &ended,
        "files that git ignores (out/)",
        "out/report.txt",
    );
    assert_kept(
        &scene,
        &ended,
        "the nested repository vendor has commits of its own",
        "v.txt",
    );
}

#[test]
fn nothing_is_named_where_nothing_was_left() {
    let scene = Scene::new();
    scene.write(".gitignore", "old/\n");
    scene.write("old/file.txt", "before\n");
    scene.commit("Ignore");
    scene.configure("[worktree]\ncopy = [\"old/**\"]\n");
    let ended = run(&scene, "true");
    assert!(!ended.out.contains("it left"), "{}", ended.out);
}

#[test]
fn a_repository_inside_an_ignored_folder_is_kept_and_keeps_its_worktree() {
    let scene = Scene::new();
    scene.write(".gitignore", "secret/\n");
    scene.commit("Ignore");
    let plan = "1. [A] leaves nothing else
   - run: mkdir secret && git init -q secret/empty && echo s > secret/s.txt && git init -q secret/n && cd secret/n && git config user.name A && git config user.email a@b && echo n > n.txt && git add -A && git commit -qm nested && echo u > u.txt
2. [B] passes
   - run: echo b > b.txt && git init -q secret/n && cd secret/n && git config user.name A && git config user.email a@b && echo b > n.txt && git add -A && git commit -qm nested
";
    scene.run(plan, &[]).expect(3);
    let shown = scene.dispatch(&["show", "A"]).expect(0);
    assert_kept(
        &scene,
        &shown,
        "the nested repository secret/n has commits of its own",
        "n.txt",
    );
    assert_kept(&scene, &shown, "files that git ignores", "secret/s.txt");
    let words = "secret/n has changes that are in no commit and so are not kept: u.txt";
    assert!(shown.out.contains(words), "{}", shown.out);
    scene.dispatch(&["land", "--yes"]).expect(0);
    let cleaned = scene.dispatch(&["clean"]).expect(0);
    for words in [
        "has uncommitted changes in the nested repository secret/n: `git -C ",
        "which is nowhere else, in the nested repository secret/n: `git -C ",
    ] {
        assert!(cleaned.err.contains(words), "{}", cleaned.err);
    }
    assert!(scene.worktree("b").join("secret/n/n.txt").exists());
}

#[test]
fn changes_in_an_ignored_clone_keep_its_worktree_unless_set_up_made_them() {
    let scene = Scene::new();
    scene.write(".gitignore", "vendor/\n");
    scene.commit("Ignore");
    scene.configure(
        "[worktree]\nsetup = [\"git clone -q . vendor/s && echo s >> vendor/s/README.md && echo s > vendor/s/new.txt\"]\n",
    );
    let plan = "1. [A] edits a clone
   - run: echo a > a.txt && git clone -q . vendor/c && echo precious >> vendor/c/README.md
2. [B] adds a file to a clone
   - run: echo b > b.txt && git clone -q . vendor/c && echo precious > vendor/c/new.txt
3. [C] uses a clone
   - run: echo c > c.txt && git clone -q . vendor/c
4. [D] edits the clone of set-up
   - run: echo d > d.txt && rm vendor/s/README.md
";
    let ended = scene.run(plan, &[]).expect(0);
    let words =
        "besides its change it left changes in no commit in the nested repository vendor/c;";
    assert_eq!(ended.out.matches(words).count(), 2, "{}", ended.out);
    scene.dispatch(&["land", "--yes"]).expect(0);
    let cleaned = scene.dispatch(&["clean"]).expect(0);
    let words = "has uncommitted changes in the nested repository vendor/c: `git -C ";
    assert_eq!(cleaned.err.matches(words).count(), 2, "{}", cleaned.err);
    let words = "has uncommitted changes in the nested repository vendor/s: `git -C ";
    assert_eq!(cleaned.err.matches(words).count(), 1, "{}", cleaned.err);
    assert!(scene.worktree("b").join("vendor/c/new.txt").exists());
    assert!(!scene.worktree("c").exists());
}

#[test]
fn the_head_of_a_worktree_that_the_worker_added_is_kept() {
    let scene = Scene::new();
    scene.write(".gitignore", "wt/\n");
    scene.commit("Ignore");
    scene.configure("[run]\nmax_worktrees = 1\n");
    let plan = "1. [A] adds a worktree
   - run: echo a > a.txt && git worktree add -q --detach wt && cd wt && echo w > w.txt && git add -A && git commit -qm w
2. [B] waits — blocked by #1
   - run: echo b > b.txt
3. [C] leaves changes there — blocked by #2
   - run: echo c > c.txt && git worktree add -q --detach wt && echo u > wt/u.txt
";
    let ended = scene.run(plan, &["-j", "1"]).expect(0);
    scene.git(&["worktree", "prune", "--expire=now"]);
    assert_kept(&scene, &ended, "besides its change it left commit", "w.txt");
    let words = "besides its change it left changes in no commit in the worktree wt that it added";
    let shown = scene.dispatch(&["show", "C"]).expect(0);
    assert!(shown.out.contains(words), "{}", shown.out);
    scene.dispatch(&["land", "--yes"]).expect(0);
    let cleaned = scene.dispatch(&["clean"]).expect(0);
    let words = "has uncommitted changes in the nested repository wt: `git -C ";
    assert!(cleaned.err.contains(words), "{}", cleaned.err);
}

#[test]
fn a_repository_behind_thousands_of_ignored_files_keeps_its_worktree() {
    let scene = Scene::new();
    scene.write(".gitignore", "out/\n");
    scene.commit("Ignore");
    scene.configure("[run]\nmax_worktrees = 1\n");
    let plan = "1. [A] passes
   - run: echo a > a.txt && mkdir -p out/a out/z/deep && (cd out/a && seq 6000 | xargs touch) && git init -q out/z/deep/n && cd out/z/deep/n && git config user.name A && git config user.email a@b && echo n > n.txt && git add -A && git commit -qm nested
2. [B] waits — blocked by #1
   - run: echo b > b.txt
";
    let mut dispatch = Background::run(&scene, plan, &[]);
    dispatch.wait_until_said("not removed: ");
    let words = "/a has commit ";
    assert!(dispatch.said().contains(words), "{}", dispatch.said());
    let words = "in the nested repository out/z/deep/n";
    assert!(dispatch.said().contains(words), "{}", dispatch.said());
    let board = scene.dispatch(&["status"]).expect(0);
    assert!(board.out.contains(words), "{}", board.out);
    let nested = scene.worktree("a").join("out/z/deep/n");
    assert!(nested.join("n.txt").exists());
    // The user saves it.
    std::fs::rename(nested, scene.root.join("saved")).unwrap();
    dispatch.wait_until_said("disk space is available again");
    assert_eq!(dispatch.wait(), 0, "{}", dispatch.said());
}

#[test]
fn work_beside_the_change_of_a_task_is_kept_and_in_every_face() {
    let scene = Scene::new();
    let plan = "1. [A] leaves a detached commit, a branch and a stash entry
   - run: git checkout -q --detach && echo d > d.txt && git add -A && git commit -qm d && git checkout -q - && git checkout -qb idea && echo i > i.txt && git add -A && git commit -qm idea && git checkout -q - && echo s >> README.md && git stash -q && echo a > a.txt
2. [B] has everything in its result in another form
   - run: echo b > b.txt && git add -A && git commit -qm b && git commit -q --amend -m better && git checkout -q --detach && echo c > c.txt && git add -A && git commit -qm c && c=$(git rev-parse HEAD) && git checkout -q - && echo e > e.txt && git add -A && git commit -qm e && git cherry-pick $c
3. [C] fails
   - run: git checkout -q --detach && echo f > f.txt && git add -A && git commit -qm f && git checkout -q - && echo c > c.txt && exit 1
";
    let ended = scene.run(plan, &["-j", "1"]).expect(3);
    let others = scene.dispatch(&["show", "2"]).expect(0);
    assert!(!others.out.contains("it left"), "{}", others.out);
    assert_kept(
        &scene,
        &ended,
        "besides its change it left a stash entry",
        "README.md",
    );
    assert_kept(
        &scene,
        &ended,
        "on the branch idea; it is kept below",
        "i.txt",
    );
    assert_kept(&scene, &ended, "on no branch; it is kept below", "d.txt");
    let failed = format!("refs/dispatch/attempts/{}/c/1", scene.run_name());
    let kept = scene.git(&["for-each-ref", "--format=%(refname)", &format!("{failed}*")]);
    assert!(
        kept.lines().any(|name| scene.has(&format!("{name}:f.txt"))),
        "{kept}"
    );
    let board = scene.dispatch(&["status"]).expect(0);
    assert!(
        board.out.contains("left work outside its result"),
        "{}",
        board.out
    );
    let preview = scene.dispatch(&["land", "--dry-run"]).expect(0);
    let words = "#1 [A]: besides its change it left commit";
    assert!(preview.err.contains(words), "{}", preview.err);
    assert!(!preview.err.contains("#2 [B]:"), "{}", preview.err);
}

#[test]
fn a_repository_without_a_commit_is_named_with_the_way_out() {
    let scene = Scene::new();
    let plan =
        "1. [A] a\n   - run: git init -q vendor/x && echo f > vendor/x/f && echo a > a.txt\n";
    let ended = scene.run(plan, &[]).expect(3);
    let words =
        "vendor/x is a nested repository, whose content git would drop: remove vendor/x/.git";
    assert!(ended.out.contains(words), "{}", ended.out);
    let cleaned = scene.dispatch(&["clean"]).expect(0);
    assert!(
        cleaned.err.contains("has uncommitted changes"),
        "{}",
        cleaned.err
    );
    assert!(scene.worktree("a").join("vendor/x/f").exists());
}

#[test]
fn worktrees_that_a_worker_added_go_with_its_own_or_are_named() {
    let mut scene = Scene::new();
    scene.set_env("DISPATCH_SANDBOX_MODE", "off");
    scene.write(".gitignore", "ign/\n");
    scene.commit("Ignore");
    let plan = "1. [A] adds one inside
   - run: git worktree add -q --detach ign/w && cd ign/w && echo i > i.txt && git add -A && git commit -qm i && cd ../.. && echo a > a.txt
2. [B] adds one beside
   - run: git worktree add -q --detach ../beside && cd ../beside && echo d > d.txt && git add -A && git commit -qm d && cd ../b && echo b > b.txt
3. [C] adds one and removes its folder
   - run: git worktree add -q --detach ign/v && rm -rf ign/v && echo c > c.txt
";
    let ended = scene.run(plan, &["-j", "1"]).expect(0);
    assert_kept(&scene, &ended, "on no branch; it is kept below", "i.txt");
    let beside = scene.worktree("beside").display().to_string();
    let words = format!(
        "Dispatch on #2: besides its change it left the worktree {beside}, which it added: `git worktree \
         remove {beside}` removes it"
    );
    assert_eq!(ended.out.matches(&words).count(), 1, "{}", ended.out);
    scene.dispatch(&["land", "--yes"]).expect(0);
    let planned = scene.dispatch(&["clean", "--dry-run"]).expect(0).out;
    assert!(!planned.contains(" with "), "{planned}");
    scene.dispatch(&["clean"]).expect(0);
    let list = scene.git(&["worktree", "list", "--porcelain"]);
    let left: Vec<&str> = list
        .lines()
        .filter_map(|line| line.strip_prefix("worktree "))
        .collect();
    assert_eq!(left, [scene.repo.to_str().unwrap(), &beside]);
}

#[test]
fn references_of_a_worktree_that_the_worker_added_are_named_and_kept() {
    for mode in ["auto", "off"] {
        let mut scene = Scene::new();
        scene.set_env("DISPATCH_SANDBOX_MODE", mode);
        scene.write(".gitignore", "ign/\n");
        scene.commit("Ignore");
        let plan = "1. [A] adds one inside
   - run: git worktree add -q --detach ign/w && cd ign/w && git update-ref refs/worktree/keep $(git commit-tree -m kept -p HEAD 'HEAD^{tree}') && cd ../.. && echo a > a.txt
";
        let ended = scene.run(plan, &[]).expect(0);
        let words = "besides its change it left the reference refs/worktree/keep of the worktree ";
        assert_eq!(ended.out.matches(words).count(), 1, "{mode}: {}", ended.out);
        scene.dispatch(&["clean"]).expect(0);
        assert!(!scene.worktree("a").exists());
        let below = format!("refs/dispatch/attempts/{}/a", scene.run_name());
        let kept = scene.git(&["for-each-ref", "--format=%(subject)", &below]);
        assert_eq!(kept, "kept", "{mode}");
    }
}

#[test]
fn a_commit_that_was_reset_away_is_kept_where_the_repository_keeps_no_logs() {
    let scene = Scene::new();
    scene.git(&["config", "core.logAllRefUpdates", "false"]);
    let plan = "1. [A] a
   - run: echo r > r.txt && git add r.txt && git commit -qm away && git reset -q --hard HEAD~ && echo a > a.txt
";
    let ended = scene.run(plan, &[]).expect(0);
    assert_kept(&scene, &ended, "besides its change it left commit", "r.txt");
}
