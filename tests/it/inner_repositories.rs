//! What submodules and nested repositories of a worktree ignore: files that only they list, and repositories
//! inside of them.

use crate::submodules::scene;

#[test]
fn what_a_submodule_or_a_clone_ignores_is_kept_and_a_repository_in_it_keeps_the_worktree() {
    let scene = scene();
    scene.git(&["submodule", "update", "--quiet", "--init"]);
    scene.write(".gitignore", "ig/\n");
    scene.configure("[worktree]\nsubmodules = true\n");
    let sub = scene.root.join("sub.origin");
    let nested =
        "git init -q NAME && (cd NAME && echo n > n.txt && git add -A && git commit -qm nested)";
    let ignore = "x=$(git rev-parse --git-path info/exclude) && mkdir -p $(dirname $x) own && echo own/ >> $x \
                  && echo s > own/notes.md && touch own/built.o";
    let clone = format!("git clone -q {} ig/c && cd ig/c", sub.display());
    let plan = format!(
        "1. [A] a\n   - run: echo a > a.txt && cd sub && {ignore}\n\
         2. [B] b\n   - run: echo b > b.txt && {clone} && {ignore}\n\
         3. [C] c\n   - run: echo c > c.txt && cd sub && {ignore} && {}\n\
         4. [D] d\n   - run: echo d > d.txt && {clone} && {ignore} && {}\n\
         5. [E] e\n   - run: cd sub && {ignore}\n",
        nested.replace("NAME", "own/n"),
        nested.replace("NAME", "own/n"),
    );
    scene.run(&plan, &[]).expect(3);
    let shown = scene.dispatch(&["show", "E"]).expect(0).out;
    assert!(
        shown.contains("files that git ignores (sub/own/notes.md)"),
        "{shown}"
    );
    let run = scene.run_name();
    let show = |name: &str| scene.git(&["show", &format!("refs/dispatch/attempts/{run}/{name}")]);
    assert_eq!(show("e/1:sub/own/notes.md"), "s");
    scene.dispatch(&["land", "--yes"]).expect(0);
    let cleaned = scene.dispatch(&["clean"]).expect(0).err;
    for (task, file) in [("a", "sub/own/notes.md"), ("b", "ig/c/own/notes.md")] {
        let words = format!("/{task} with {file}, which git ignores; kept below ");
        assert!(cleaned.contains(&words), "{cleaned}");
        assert_eq!(show(&format!("{task}.ignored:{file}")), "s");
        assert!(!scene.worktree(task).exists());
    }
    for (task, repository) in [("c", "sub/own/n"), ("d", "ig/c/own/n")] {
        let words =
            format!("which is nowhere else, in the nested repository {repository}: `git -C ");
        assert!(cleaned.contains(&words), "{cleaned}");
        assert!(scene.worktree(task).join(repository).join("n.txt").exists());
    }
}
