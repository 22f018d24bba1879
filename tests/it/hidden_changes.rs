//! Changes of tracked files that an index hides from git.

use crate::harness::Scene;

/// Creates a scene whose file `n.txt` has twenty lines.
fn scene() -> Scene {
    let scene = Scene::new();
    let lines: String = (1..=20).map(|number| format!("{number}\n")).collect();
    scene.write("n.txt", &lines);
    scene.commit("Lines");
    scene
}

/// Reads a line of `n.txt` in the result of a task.
fn line(scene: &Scene, task: &str, number: usize) -> String {
    let file = format!("dispatch/{}/{task}:n.txt", scene.run_name());
    let text = scene.git(&["show", &file]);
    text.lines().nth(number - 1).unwrap_or_default().to_owned()
}

#[test]
fn an_edit_behind_a_flag_of_the_index_is_in_the_result() {
    let scene = scene();
    let plan = "1. [A] skips
   - run: git update-index --skip-worktree n.txt && sed -i 's/^10$/ten/' n.txt
2. [B] assumes
   - run: git update-index --assume-unchanged n.txt && sed -i 's/^10$/ten/' n.txt
3. [C] assumes in a split index
   - run: git update-index --split-index && git update-index --assume-unchanged n.txt && sed -i 's/^10$/ten/' n.txt
4. [D] removes
   - run: git update-index --assume-unchanged n.txt && rm n.txt
5. [E] changes another file
   - run: git update-index --skip-worktree n.txt && echo e > e.txt
";
    scene.run(plan, &[]);
    assert_eq!(
        scene.statuses(),
        "1 DONE · 2 DONE · 3 DONE · 4 DONE · 5 DONE"
    );
    for task in ["a", "b", "c"] {
        assert_eq!(line(&scene, task, 10), "ten", "{task}");
    }
    assert!(!scene.has(&format!("dispatch/{}/d:n.txt", scene.run_name())));
    let words = "n.txt was hidden from git by a flag of the index (`git update-index`); its change is in \
                 the result";
    for (task, is_said) in [("A", true), ("B", true), ("D", true), ("E", false)] {
        let shown = scene.dispatch(&["show", task]).expect(0).out;
        assert_eq!(shown.contains(words), is_said, "{shown}");
    }
}

#[test]
fn the_setting_core_ignore_stat_hides_nothing() {
    let scene = scene();
    scene.git(&["config", "core.ignoreStat", "true"]);
    let plan = "1. [A] edits
   - run: sed -i 's/^10$/ten/' n.txt
2. [B] edits what it has staged
   - run: echo b > b.txt && git add -A && sed -i 's/^10$/ten/' n.txt && git commit -qam n && echo more >> b.txt
";
    scene.run(plan, &[]).expect(0);
    for task in ["a", "b"] {
        assert_eq!(line(&scene, task, 10), "ten", "{task}");
        let shown = scene.dispatch(&["show", task]).expect(0).out;
        assert!(!shown.contains("hidden"), "{shown}");
    }
    let file = format!("dispatch/{}/b:b.txt", scene.run_name());
    assert_eq!(scene.git(&["show", &file]), "b\nmore");
}

#[test]
fn a_hidden_edit_by_hand_keeps_the_worktree() {
    let scene = scene();
    let plan = "1. [A] a\n   - run: echo a > a.txt\n2. [B] b\n   - run: echo b > b.txt\n";
    scene.run(plan, &[]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    for (task, flag) in [("a", "--skip-worktree"), ("b", "--assume-unchanged")] {
        let place = scene.worktree(task).display().to_string();
        scene.git(&["-C", &place, "update-index", flag, "n.txt"]);
        std::fs::write(scene.worktree(task).join("n.txt"), "by hand\n").unwrap();
    }
    let cleaned = scene.dispatch(&["clean"]).expect(0);
    let kept = cleaned.err.matches("has uncommitted changes").count();
    assert_eq!(kept, 2, "{}", cleaned.err);
    assert!(scene.worktree("a").join("n.txt").exists());
}

#[test]
fn hidden_edits_in_a_submodule_are_named_and_keep_the_worktree() {
    let mut scene = scene();
    scene.set_env("GIT_CONFIG_COUNT", "1");
    scene.set_env("GIT_CONFIG_KEY_0", "protocol.file.allow");
    scene.set_env("GIT_CONFIG_VALUE_0", "always");
    let library = scene.root.join("library").display().to_string();
    scene.git(&["clone", "-q", ".", &library]);
    scene.git(&["submodule", "--quiet", "add", &library, "library"]);
    scene.configure("[worktree]\nsubmodules = true\n");
    let plan = "1. [A] a
   - run: cd library && git update-index --skip-worktree n.txt && echo more >> n.txt && cd .. && echo a > a.txt
";
    scene.run(plan, &[]).expect(0);
    let shown = scene.dispatch(&["show", "A"]).expect(0).out;
    let words =
        "the submodule library has changes that are in no commit and so in no result: n.txt";
    assert!(shown.contains(words), "{shown}");
    scene.dispatch(&["land", "--yes"]).expect(0);
    let cleaned = scene.dispatch(&["clean"]).expect(0);
    assert!(
        cleaned
            .err
            .contains("has uncommitted changes in the submodule library"),
        "{}",
        cleaned.err
    );
}

#[test]
fn what_set_up_hides_is_nobodys_change_and_a_sparse_checkout_lacks_nothing() {
    let scene = scene();
    scene.write("out/o.txt", "o\n");
    scene.commit("Out");
    scene.git(&["sparse-checkout", "set", "src"]);
    scene.configure(
        "[worktree]\nsetup = [\"echo local >> README.md && git update-index --skip-worktree README.md\"]\n",
    );
    let plan = "1. [A] a\n   - run: echo a > src/a.ts\n";
    scene.run(plan, &[]).expect(0);
    let range = format!("main...dispatch/{}/a", scene.run_name());
    assert_eq!(scene.git(&["diff", "--name-only", &range]), "src/a.ts");
    scene.dispatch(&["land", "--yes"]).expect(0);
    let cleaned = scene.dispatch(&["clean"]).expect(0);
    assert!(!scene.worktree("a").exists(), "{}", cleaned.err);
}
