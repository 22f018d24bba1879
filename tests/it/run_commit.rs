//! The commits of a run: tasks, boards and the journal.

use git_dispatch::journal::record::{parse_record, summary};

use crate::harness::Scene;

const PLAN: &str = "# Story
1. [A] First task
   - run: echo a > a.txt
2. [B] Second task
   - run: echo b > b.txt; printf '%s' '{\"summary\": \"Bees\\n\\nMany of them.\"}' > \"$DISPATCH_RESULT_FILE\"
3. [C] Third task
   - run: echo oops >&2; exit 1
4. [D] Fourth task — blocked by #1, #2
   - run: echo d > d.txt
";

#[test]
fn commits_for_a_task_are_the_users_and_carry_trailers() {
    let scene = Scene::new();
    scene.run(PLAN, &[]).expect(3);
    let run = scene.run_name();
    let format = "--format=%an <%ae>%n%cn <%ce>%n%B";
    let b = scene.git(&["log", "-1", format, &scene.branch("b")]);
    assert_eq!(
        b.trim_end(),
        format!(
            "Ada <ada@example.com>\nAda <ada@example.com>\nBees\n\nMany of them.\n\n\
             Dispatch-Run: {run}\nDispatch-Task: 2 B\nDispatch-Attempt: 1"
        )
    );
    let a = scene.git(&["log", "-1", "--format=%s", &scene.branch("a")]);
    assert_eq!(a, "First task");
    let range = format!("main..{}", scene.branch("integration"));
    let all = [
        "log",
        "--format=%(trailers:key=Dispatch-Run,valueonly,separator=)",
        &range,
    ];
    assert!(
        scene.git(&all).lines().all(|line| line == run),
        "{}",
        scene.git(&all)
    );
    let merges = [
        "log",
        "--merges",
        "--first-parent",
        "--reverse",
        "--format=%an %(trailers:key=Dispatch-Task,valueonly,separator=) %(trailers:key=Dispatch-Attempt,valueonly,separator=)",
        &range,
    ];
    assert_eq!(scene.git(&merges), "Ada 1 A 1\nAda 2 B 1\nAda 4 D 1");
}

#[test]
fn a_board_commit_changes_the_board_and_nothing_else() {
    let scene = Scene::new();
    scene.run(PLAN, &[]).expect(3);
    let range = format!("main..{}", scene.branch("integration"));
    let log = scene.git(&[
        "log",
        "--first-parent",
        "--no-merges",
        "--format=%H",
        &range,
    ]);
    let boards: Vec<&str> = log.lines().collect();
    assert!(
        boards.len() >= 2,
        "one at the beginning, one at the end: {log}"
    );
    for board in boards {
        let changed = scene.git(&["diff-tree", "-r", "--name-only", "--no-commit-id", board]);
        assert_eq!(changed, "DISPATCH.md");
        let subject = scene.git(&["log", "-1", "--format=%s", board]);
        assert!(subject.starts_with("board: "), "{subject}");
    }
    let merges = scene.git(&["log", "--first-parent", "--merges", "--format=%H", &range]);
    for merge in merges.lines() {
        let board =
            |revision: String| scene.git(&["rev-parse", &format!("{revision}:DISPATCH.md")]);
        assert_eq!(board(merge.to_owned()), board(format!("{merge}~1")));
    }
}

#[test]
fn the_journal_reads_as_a_story_and_keeps_the_candidates() {
    let scene = Scene::new();
    scene.run(PLAN, &["-j", "1"]).expect(3);
    let journal = format!("refs/dispatch/runs/{}", scene.run_name());
    let base = scene.rev(&format!("{}~1", scene.branch("d")));
    // The events that share a commit depend on timing; their order does not.
    let log = scene.git(&[
        "log",
        "--first-parent",
        "--reverse",
        "--format=%b",
        &journal,
    ]);
    let records = log.lines().filter(|line| line.starts_with('{'));
    let records = records.map(|line| summary(&parse_record(line).unwrap().event));
    // A note may be read while the worker lives or after it, depending on timing.
    let log = records
        .filter(|line| !line.contains(" noted: "))
        .collect::<Vec<_>>()
        .join("\n");
    let main = scene.rev("main");
    let log = log.replace(&main[..7], "<main>");
    insta::assert_snapshot!(log.replace(&base[..7], "<base>"), @r"
    run started: Story at <main>
    #1 attempt 1 starting (shell)
    #1 attempt 1 started at <main>
    #1 attempt 1 passed
    #2 attempt 1 starting (shell)
    #2 attempt 1 started at <main>
    #2 attempt 1 passed
    #3 attempt 1 starting (shell)
    #3 attempt 1 started at <main>
    #3 attempt 1 failed: oops
    #4 attempt 1 starting (shell)
    #4 attempt 1 started at <base>
    #4 attempt 1 passed
    assembling 3 candidates
    assembled: 3 merged, 0 left out
    run ended with exit code 3
    ");
    let second = scene.git(&[
        "log",
        "--first-parent",
        "--reverse",
        "--merges",
        "--format=%P",
        &journal,
    ]);
    let kept: Vec<&str> = second
        .lines()
        .flat_map(|line| line.split(' ').skip(1))
        .collect();
    for slug in ["a", "b", "d"] {
        let candidate = scene.rev(&scene.branch(slug));
        assert!(kept.contains(&candidate.as_str()), "{slug}");
    }
    let files = scene.git(&["ls-tree", "--name-only", &journal]);
    assert_eq!(files, "plan.json\nplan.md\nsettings.json");
    let plan = scene.git(&["show", &format!("{journal}:plan.md")]) + "\n";
    let path = scene.plan_named("again.md", &plan);
    scene.dispatch(&["plan", "check", &path]).expect(0);
}

#[test]
fn boards_stop_while_somebody_has_the_integration_branch_checked_out() {
    let scene = Scene::new();
    scene
        .run(
            "1. [A] a\n   - run: exit 1\n2. [B] b\n   - run: echo b > b.txt\n",
            &[],
        )
        .expect(3);
    let integration = scene.branch("integration");
    scene.git(&["worktree", "add", "--quiet", "../look", &integration]);
    let before = scene.rev(&integration);
    let ended = scene.dispatch(&["skip", "1"]);
    assert!(ended.err.contains("is checked out in"), "{}", ended.err);
    assert_eq!(scene.rev(&integration), before);
    let look = scene.root.join("look");
    assert_eq!(
        scene.git(&["-C", look.to_str().unwrap(), "status", "--porcelain"]),
        ""
    );
    scene.git(&["worktree", "remove", "../look"]);
    scene.dispatch(&["assemble"]).expect(0);
    assert!(scene.board().contains("SKIPPED"));
}

#[test]
fn commits_have_the_author_that_git_names() {
    let included = "[user]\n\tname = Me\n\temail = me@example.com\n";
    type Change = fn(&mut Scene);
    let cases: [(&str, Change); 4] = [
        ("author", |scene| {
            for key in ["author", "committer"] {
                scene.git(&["config", &format!("{key}.name"), "Me"]);
                scene.git(&["config", &format!("{key}.email"), "me@example.com"]);
            }
        }),
        ("environment", |scene| {
            for key in ["AUTHOR", "COMMITTER"] {
                scene.set_env(&format!("GIT_{key}_NAME"), "Me");
                scene.set_env(&format!("GIT_{key}_EMAIL"), "me@example.com");
            }
        }),
        ("includeIf", |scene| {
            scene.git(&["config", "--unset", "user.name"]);
            scene.git(&["config", "--unset", "user.email"]);
            scene.git(&["remote", "add", "origin", "https://git.example/x"]);
            let file = scene.root.join("included").display().to_string();
            let key = "includeIf.hasconfig:remote.*.url:https://git.example/**.path";
            scene.git(&["config", key, &file]);
        }),
        ("brackets", |scene| {
            scene.git(&["config", "user.name", "<Me>"]);
            scene.git(&["config", "user.email", "<me@example.com>"]);
        }),
    ];
    for (name, change) in cases {
        let mut scene = Scene::new();
        scene.write("../included", included);
        change(&mut scene);
        scene
            .run("# One\n1. [A] First\n   - run: echo a > a.txt\n", &[])
            .expect(0);
        let format = "--format=%an <%ae>, %cn <%ce>";
        let who = scene.git(&["log", "-1", format, &scene.branch("a")]);
        assert_eq!(who, "Me <me@example.com>, Me <me@example.com>", "{name}");
    }
}

#[test]
fn one_commit_of_several_names_those_who_wrote_them() {
    let plan = "# One\n1. [A] First\n   - run: echo a > a.txt; git add -A; git -c user.name=Ann -c user.email=ann@example.com commit -qm one -m 'Co-authored-by: Bob <bob@example.com>'\n";
    let both = "Co-authored-by: Ann <ann@example.com>\nCo-authored-by: Bob <bob@example.com>";
    let scene = Scene::new();
    scene.run(plan, &[]).expect(0);
    scene.dispatch(&["land", "--yes", "--squash"]).expect(0);
    let landed = scene.git(&[
        "log",
        "-1",
        "--format=%an%n%(trailers:key=Co-authored-by)",
        "main",
    ]);
    assert_eq!(landed.trim_end(), format!("Ada\n{both}"));

    let scene = Scene::new();
    scene.configure("[assemble]\nhistory = \"squash\"\n");
    scene.run(plan, &[]).expect(0);
    let branch = scene.branch("integration");
    let one = [
        "log",
        "-1",
        "--format=%(trailers:key=Co-authored-by)",
        &branch,
        "--",
        "a.txt",
    ];
    assert_eq!(scene.git(&one).trim_end(), both);
}

#[test]
fn a_file_becomes_a_folder_and_a_folder_a_file() {
    let scene = Scene::new();
    scene.write("one", "1\n");
    scene.write("two/file", "2\n");
    scene.commit("Files");
    let plan = "1. [A] Turns them around
   - run: rm one && mkdir one && echo 1 > one/file && rm -r two && echo 2 > two
2. [B] Commits that
   - run: rm one && mkdir one && echo 1 > one/file && rm -r two && echo 2 > two && git add -A && git commit -qm turned
";
    scene.run(plan, &[]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(
        (scene.read("one/file"), scene.read("two")),
        ("1\n".to_owned(), "2\n".to_owned())
    );
}
