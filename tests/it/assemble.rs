//! Assembly on real repositories with real checks: culprits, shapes of history, the user's options.

use serde_json::{Value, json};

use crate::harness::{Gate, Scene, wait};

/// Creates a shop whose test sources every part; `more` is added to its settings.
fn shop(more: &str) -> Scene {
    let scene = Scene::new();
    scene.write("price.sh", "price() { echo 10; }\n");
    scene.write("parts/a.sh", "price\n");
    scene.write(
        "test.sh",
        "set -e\n. ./price.sh\nfor part in parts/*.sh; do . \"./$part\"; done\n",
    );
    scene.configure(more);
    scene
}

const CHECKED: &str = "[assemble]\ncheck = \"sh test.sh\"\n";

/// #2 renames a function with all its callers, #4 adds a caller by the old name: clean to merge,
/// broken only together.
const SEMANTIC: &str = "# Prices

1. [DOCS] Describe prices
   - run: echo prices > PRICES.md
2. [RENAME] Call it cost
   - run: sed -i s/price/cost/ price.sh parts/a.sh && sh test.sh
3. [TAX] Add tax
   - run: echo 'tax() { echo 2; }' > tax.sh
4. [PART] Add a part
   - run: echo price > parts/b.sh && sh test.sh
5. [STOCK] Add stock
   - run: echo 'stock() { echo 3; }' > stock.sh
";

fn integration(scene: &Scene) -> Value {
    scene.json()["integration"].clone()
}

/// Returns the tree of the assembled work, without the board.
fn code_tree(scene: &Scene) -> String {
    let tip = scene.branch("integration");
    let files = scene.git(&["ls-tree", "-r", &tip]);
    let code = files.lines().filter(|line| !line.ends_with("DISPATCH.md"));
    code.collect::<Vec<_>>().join("\n")
}

/// Lists the commits of the assembled work, oldest first: subject and number of parents.
fn log(scene: &Scene) -> Vec<String> {
    let range = format!("main..{}", scene.branch("integration"));
    let format = "--format=%s%x09%p%x09%(trailers:key=Dispatch-Task,valueonly,separator=%x2C)";
    let text = scene.git(&["log", "--first-parent", "--reverse", format, &range]);
    let commits = text.lines().filter_map(|line| {
        let parts: Vec<&str> = line.split('\t').collect();
        let parents = parts[1].split(' ').count();
        (!parts[2].is_empty()).then(|| format!("{} <- {parents} [{}]", parts[0], parts[2]))
    });
    commits.collect()
}

#[test]
fn two_branches_that_break_a_test_only_together_are_named_as_a_pair() {
    let scene = shop(CHECKED);
    let ended = scene.run(SEMANTIC, &[]).expect(4);
    let found = integration(&scene);
    assert_eq!(found["merged"], json!([1, 2, 3, 5]));
    assert_eq!(found["culprits"][0]["task"], 4);
    assert_eq!(found["culprits"][0]["with"], json!([2]));
    assert_eq!(found["culprits"][0]["result"], "newly-failing");
    assert_eq!(found["left_out"][0]["reason"], "failed-checks");
    assert_eq!(found["checks"][0]["result"], "passed");
    // The bound for five candidates, one re-run and one partner.
    assert!(found["check_runs"].as_u64().unwrap() <= 13, "{found}");
    assert!(
        ended.out.contains("#4: fails sh test.sh together with #2"),
        "{}",
        ended.out
    );
    let report = scene.board();
    assert!(
        report.contains("`sh test.sh`: newly failing with #4 together with #2"),
        "{report}"
    );
    assert!(report.contains("price: not found"), "{report}");
    assert!(!scene.has(&format!("{}:parts/b.sh", scene.branch("integration"))));
}

#[test]
fn what_a_check_leaves_behind_is_in_no_commit_and_in_no_later_check() {
    // The check edits, adds, embeds a repository, and counts its runs in an ignored file; it fails
    // when anything but that file is left from before.
    let scene = shop(CHECKED);
    scene.write(
        "test.sh",
        "set -e\ntest -z \"$(git status --porcelain)\"\necho run >> runs.log\n\
         . ./price.sh\nfor part in parts/*.sh; do . \"./$part\"; done > /dev/null || code=1\n\
         echo 'exit 1' > price.sh\necho junk > junk.txt\ngit init -q nested\nexit ${code:-0}\n",
    );
    scene.commit("A dirty test");
    let plan = SEMANTIC.replace(" && sh test.sh", "");
    scene.run(&plan, &[]).expect(4);
    let found = integration(&scene);
    assert_eq!(found["culprits"][0]["task"], 4, "{found}");
    assert_eq!(found["culprits"][0]["with"], json!([2]), "{found}");
    let runs = std::fs::read_to_string(scene.worktree("integration").join("runs.log")).unwrap();
    assert_eq!(
        runs.lines().count() as u64,
        found["check_runs"].as_u64().unwrap()
    );
    let tree = code_tree(&scene);
    assert!(!tree.contains("junk") && !tree.contains("nested"), "{tree}");
    let price = format!("{}:price.sh", scene.branch("integration"));
    assert_eq!(scene.git(&["show", &price]), "cost() { echo 10; }");
}

#[test]
fn what_was_red_before_is_blamed_on_nobody() {
    let scene = shop("[assemble]\ncheck = [\"sh test.sh\", \"test -e fixed\"]\n");
    scene.write("test.sh", "echo broken since long; exit 1\n");
    scene.commit("A broken test");
    let plan = "# P\n1. Fix\n   - run: echo > fixed\n2. Other\n   - run: echo > other\n";
    // No task is the culprit, but a required check failed: the run needs attention.
    scene.run(plan, &[]).expect(4);
    let found = integration(&scene);
    assert_eq!(found["merged"], json!([1, 2]));
    assert_eq!(found["culprits"], json!([]));
    assert_eq!(found["checks"][0]["against_base"], "already-failing");
    assert_eq!(found["checks"][1]["against_base"], "fixed");
    assert_eq!(found["check_runs"], 2);
    assert!(
        scene
            .board()
            .contains("failed (already failing on the base)")
    );
}

#[test]
fn checks_that_write_junit_are_judged_test_by_test() {
    let scene = shop(CHECKED);
    scene.write(
        "test.sh",
        "case_() { echo \"<testcase name='$1'>$2</testcase>\" >> \"$DISPATCH_JUNIT_FILE\"; }\n\
         echo '<testsuite>' > \"$DISPATCH_JUNIT_FILE\"\n\
         case_ old '<failure/>'\n\
         test -e bad && case_ new '<failure/>'\n\
         test -e good || case_ mended '<failure/>'\n\
         echo '</testsuite>' >> \"$DISPATCH_JUNIT_FILE\"\nexit 1\n",
    );
    scene.commit("Tests with names");
    let plan = "# P\n1. Good\n   - run: echo > good\n2. Bad\n   - run: echo > bad\n";
    scene.run(plan, &[]).expect(4);
    let found = integration(&scene);
    assert_eq!(found["merged"], json!([1]));
    assert_eq!(found["culprits"][0]["task"], 2);
    assert_eq!(found["culprits"][0]["with"], json!([]));
    assert_eq!(found["culprits"][0]["tests"], json!(["new"]));
    assert_eq!(found["checks"][0]["failed_tests"], json!(["old"]));
    assert_eq!(found["checks"][0]["fixed_tests"], json!(["mended"]));
    assert_eq!(found["checks"][0]["against_base"], "already-failing");
}

/// Workers that commit themselves: #1 twice, #2 with a merge of its own, #3 on top of #1, #4 with a
/// merge that brings something which no commit before it has.
const COMMITTING: &str = "# Shapes

1. [TWO] Two commits
   - run: echo 1 > one && git add one && git commit -qm 'One' --author 'Bob <bob@example.com>' && sed -i s/two/2/ src/app.ts && git commit -qam 'Two'
2. [OWN] A merge of its own
   - run: export GIT_COMMITTER_DATE='@1900000000 +0000' && git checkout -q -b side && echo s > side && git add side && git commit -qm Side && git checkout -q - && echo m > main && git add main && git commit -qm Main && git merge -q --no-edit side
3. [TOP] On top — blocked by #1
   - run: sed -i s/2/2nd/ src/app.ts && git commit -qam 'Second'
4. [EVIL] More in a merge
   - run: git checkout -q -b beside && echo b > beside && git add beside && git commit -qm Beside && git checkout -q - && git merge -q --no-ff --no-commit beside && echo x > extra && git add extra && git commit -qm Evil
";

#[test]
fn all_shapes_of_history_end_in_the_same_tree() {
    let shapes = ["merge", "squash", "linear"].map(|history| {
        let scene = shop(&format!("[assemble]\nhistory = \"{history}\"\n"));
        scene.run(COMMITTING, &[]).expect(0);
        scene
    });
    let trees: Vec<String> = shapes.iter().map(code_tree).collect();
    // The settings differ, nothing else does.
    let code = |tree: &String| {
        let lines = tree
            .lines()
            .filter(|line| !line.ends_with(".dispatch.toml"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(trees.iter().all(|tree| code(tree) == code(&trees[0])));
    let lines = shapes.iter().map(|scene| log(scene).join("\n"));
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n\n"), @r"
    Merge #1 TWO: Two commits <- 2 [1 TWO]
    Merge #2 OWN: A merge of its own <- 2 [2 OWN]
    Merge #3 TOP: On top <- 2 [3 TOP]
    Merge #4 EVIL: More in a merge <- 2 [4 EVIL]

    Merge #1 TWO: Two commits <- 1 [1 TWO]
    Merge #2 OWN: A merge of its own <- 1 [2 OWN]
    Merge #3 TOP: On top <- 1 [3 TOP]
    Merge #4 EVIL: More in a merge <- 1 [4 EVIL]

    One <- 1 [1 TWO]
    Two <- 1 [1 TWO]
    Main <- 1 [2 OWN]
    Side <- 1 [2 OWN]
    Second <- 1 [3 TOP]
    Merge #4 EVIL: More in a merge <- 1 [4 EVIL]
    ");
    let linear = &shapes[2];
    let range = format!("main..{}", linear.branch("integration"));
    let authors = linear.git(&["log", "--format=%s: %an, %cn", "--grep=^One$", &range]);
    assert_eq!(authors, "One: Bob, Ada");
    let squashed = linear.git(&["log", "--format=%b", "--grep=Squashed", &range]);
    assert!(squashed.contains("replayed one by one"), "{squashed}");
}

#[test]
fn assembling_again_and_landing_work_for_every_shape() {
    for history in ["squash", "linear"] {
        let scene = shop(&format!("[assemble]\nhistory = \"{history}\"\n"));
        scene.run(COMMITTING, &[]).expect(0);
        let before = (code_tree(&scene), log(&scene));
        let run = scene.run_name();
        scene.dispatch(&["assemble", &run]).expect(0);
        assert_eq!((code_tree(&scene), log(&scene)), before, "{history}");
        scene.dispatch(&["land", &run, "--ff", "--yes"]).expect(0);
        assert!(scene.has("main:one") && !scene.has("main:DISPATCH.md"));
        assert_eq!(scene.read("main"), "m\n");
    }
}

/// #1 and #2 conflict; #3 was built on #2; #4 is independent.
const CLASHING: &str = "# Clash

1. [ONE] One way
   - run: sed -i s/two/2/ src/app.ts
2. [OTHER] Another way
   - run: sed -i s/two/zwei/ src/app.ts
3. [TOP] On top — blocked by #2
   - run: echo top > top
4. [FREE] Something else
   - run: echo free > free
";

#[test]
fn a_dry_run_says_what_goes_in_why_and_what_would_bring_the_rest_in() {
    let scene = shop("");
    scene.run(CLASHING, &[]).expect(4);
    let run = scene.run_name();
    let refs = scene.git(&["for-each-ref"]);
    let dry = |more: &[&str]| {
        let args = [&["assemble", &run, "--dry-run"], more].concat();
        scene.dispatch(&args).expect(0).out
    };
    insta::assert_snapshot!(dry(&[]), @r"
    3 tasks, in this order:
      1. #4 [FREE] Something else
         no conflict
      2. #2 [OTHER] Another way
         1 conflict with later tasks (#1)
      3. #3 [TOP] On top
         built on #2; no conflict

    left out:
      #1 [ONE] One way
         conflicts with #2 (content in src/app.ts)
         included after a re-dispatch on top of #2, or in place of #2, #3 (--order 1)
    ");
    insta::assert_snapshot!(dry(&["--order", "FREE,#1"]), @r"
    2 tasks, in this order:
      1. #4 [FREE] Something else
         1st in the order given; no conflict
      2. #1 [ONE] One way
         2nd in the order given; 1 conflict with later tasks (#2)

    left out:
      #2 [OTHER] Another way
         conflicts with #1 (content in src/app.ts)
         included after a re-dispatch on top of #1, or in place of #1 (--order 2)
      #3 [TOP] On top
         built on #2, which is left out
         included with #2
    ");
    insta::assert_snapshot!(dry(&["--leave-out", "2"]), @r"
    2 tasks, in this order:
      1. #1 [ONE] One way
         no conflict
      2. #4 [FREE] Something else
         no conflict

    left out:
      #2 [OTHER] Another way
         left out by the user
         included when it is no longer left out
      #3 [TOP] On top
         built on #2, which is left out
         included with #2
    ");
    assert_eq!(scene.git(&["for-each-ref"]), refs);
}

#[test]
fn a_persons_order_and_what_they_leave_out_is_recorded_and_done() {
    let scene = shop("");
    scene.run(CLASHING, &[]).expect(4);
    let run = scene.run_name();
    assert_eq!(integration(&scene)["merged"], json!([4, 2, 3]));
    scene
        .dispatch(&["assemble", &run, "--order", "1"])
        .expect(4);
    assert_eq!(integration(&scene)["merged"], json!([1, 4]));
    // The user left out everything that is out, so nothing needs attention.
    let ended = scene.dispatch(&["assemble", &run, "--leave-out", "2,3"]);
    ended.expect(0);
    let found = integration(&scene);
    assert_eq!(found["merged"], json!([1, 4]));
    assert_eq!(found["left_out"][0]["reason"], "by-user");
    // #3 was built on #2 and goes with it.
    scene
        .dispatch(&["assemble", &run, "--leave-out", "2"])
        .expect(4);
    let found = integration(&scene);
    assert_eq!(found["merged"], json!([1, 4]));
    assert_eq!(found["left_out"][1]["reason"], "built-on");
    assert_eq!(found["left_out"][1]["with"], json!([2]));
    let journal = scene.git(&["log", "--format=%H", &format!("refs/dispatch/runs/{run}")]);
    assert!(journal.lines().count() > 3);
    scene.dispatch(&["assemble", &run]).expect(4);
    assert_eq!(integration(&scene)["merged"], json!([4, 2, 3]));
}

#[test]
fn only_tasks_that_offer_something_can_be_named() {
    let scene = shop("");
    let plan = "# P\n1. Good\n   - run: echo > good\n2. Bad\n   - run: exit 3\n";
    scene.run(plan, &[]).expect(3);
    let run = scene.run_name();
    let failed = scene
        .dispatch(&["assemble", &run, "--order", "2"])
        .expect(1);
    assert!(
        failed
            .err
            .contains("#2 has no candidate to assemble; it is FAILED"),
        "{}",
        failed.err
    );
    let failed = scene
        .dispatch(&["assemble", &run, "--leave-out", "9"])
        .expect(1);
    assert!(
        failed.err.contains("the plan has no task \"9\""),
        "{}",
        failed.err
    );
}

#[test]
fn a_run_that_is_stopped_while_checks_run_is_checked_when_it_goes_on() {
    let scene = shop("");
    let mut gate = Gate::new(&scene, "check");
    let second = scene.root.join("second");
    let check = format!("test -e {} || {{ {}; }}", second.display(), gate.script());
    scene.configure(&format!("[assemble]\ncheck = {check:?}\n"));
    let plan = scene.plan("# P\n1. Good\n   - run: echo > good\n");
    let child = scene.start(&["run", &plan, "--yes"]);
    gate.wait_until_reached();
    let pid = child.id().to_string();
    scene.command("kill").args(["-INT", &pid]).status().unwrap();
    wait(child).expect(130);
    assert_eq!(integration(&scene), Value::Null);
    std::fs::write(second, "").unwrap();
    scene.dispatch(&["resume", &scene.run_name()]).expect(0);
    assert_eq!(integration(&scene)["checks"][0]["result"], "passed");
}

#[test]
fn a_git_that_is_killed_in_the_middle_of_a_merge_says_nothing_about_the_merge() {
    let mut scene = Scene::new();
    // A rename is left to git's merge engine.
    let plan = "1. [MOVE] First\n   - run: mv src/app.ts src/main.ts\n\
                2. [FIVE] Last\n   - run: sed -i 's/five/FIVE/' src/app.ts\n";
    // The first two that are asked to merge for the assembly are killed, as by the kernel.
    let real = git_dispatch::base::process::find_program("git").unwrap();
    let counted = scene.root.join("merges");
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' merge-tree '*)\n\
         echo >> {counted}\n[ $(wc -l < {counted}) -gt 2 ] || kill -9 $$;;\nesac\nexec {real} \"$@\"\n",
        counted = counted.display(),
        real = real.display()
    );
    let bin = scene.root.join("bin");
    scene.write_program(bin.join("git").to_str().unwrap(), &script);
    let path = std::env::var("PATH").unwrap();
    scene.set_env("PATH", &format!("{}:{path}", bin.display()));
    scene.run(plan, &[]).expect(0);
    let app = format!("{}:src/main.ts", scene.branch("integration"));
    assert_eq!(scene.git(&["show", &app]), "one\ntwo\nthree\nfour\nFIVE");
    assert!(std::fs::read_to_string(counted).unwrap().len() > 2);
}

#[test]
fn a_lock_that_a_killed_git_left_where_checks_run_is_no_hindrance() {
    let scene = shop("[assemble]\ncheck = \"test -e one.txt\"\n");
    scene
        .run("1. [ONE] First\n   - run: echo one > one.txt\n", &[])
        .expect(0);
    let link = std::fs::read_to_string(scene.worktree("integration").join(".git")).unwrap();
    let admin = link.trim_end().strip_prefix("gitdir: ").unwrap();
    std::fs::write(format!("{admin}/index.lock"), "").unwrap();
    scene.dispatch(&["assemble"]).expect(0);
    assert_eq!(integration(&scene)["checks"][0]["result"], "passed");
}

#[test]
fn a_conflict_of_several_together_names_the_fewest_that_it_takes() {
    let scene = Scene::new();
    scene.write(
        "x/a",
        &(1..9).map(|n| format!("apple {n}\n")).collect::<String>(),
    );
    scene.write(
        "x/b",
        &(1..9).map(|n| format!("berry {n}\n")).collect::<String>(),
    );
    scene.write("old", "old\n");
    scene.commit("a folder");
    let plan = "\
1. [A] Move a\n   - run: mkdir y && git mv x/a y/a
2. [OTHER] Something else\n   - run: rm old
3. [B] Move b\n   - run: mkdir y && git mv x/b y/b
4. [ADDS] Add and tidy up\n   - run: echo new > x/new && rm app.txt\n";
    scene.write("app.txt", "app\n");
    scene.commit("more");
    scene.run(plan, &[]).expect(4);
    let found = integration(&scene);
    assert_eq!(found["merged"], json!([1, 2, 3]));
    assert_eq!(found["left_out"][0]["task"], 4);
    assert_eq!(found["left_out"][0]["class"], "dir-rename-suggested");
    assert_eq!(found["left_out"][0]["with"], json!([1, 3]));
    let run = scene.run_name();
    let branch = |task: &str| format!("dispatch/{run}/{task}");
    let expected = json!([branch("a"), branch("b"), branch("adds")]);
    assert_eq!(
        scene.json()["conflicts"]["multiway"][0]["branches"],
        expected
    );
    // The result is as predicted.
    let ended = scene.dispatch(&["conflicts", "--json"]).expect(4);
    let foreseen: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(foreseen["multiway"][0]["branches"], expected);
}
