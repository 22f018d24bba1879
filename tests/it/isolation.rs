//! Workers that write outside their worktrees, and what they cannot reach.

use std::fs;

use crate::harness::{Gate, Scene, has_reftable, wait};

fn plan(commands: &[&str]) -> String {
    let task = |(place, command): (usize, &&str)| {
        let number = place + 1;
        format!("{number}. [T{number}] Task {number}\n   - allow_empty: yes\n   - run: {command}\n")
    };
    let tasks: String = commands.iter().enumerate().map(task).collect();
    format!("# Outside\n\n{tasks}")
}

/// Creates a scene in which workers share the git folder of the repository.
fn unconfined() -> Scene {
    let mut scene = Scene::new();
    scene.set_env("DISPATCH_SANDBOX_MODE", "off");
    scene
}

#[test]
fn a_change_of_what_all_worktrees_share_is_reported() {
    let scene = unconfined();
    let commands = [
        "git config gc.pruneExpire never",
        "git branch mine",
        "git -C ../../../shop switch --quiet --detach",
        "echo 1 > ../../../shop/new.txt; git -C ../../../shop add new.txt",
        "touch a.txt",
    ];
    let ended = scene.run(&plan(&commands), &["-j", "1"]).expect(0);
    let changes = [
        ".git/config",
        "the branch mine",
        "HEAD of the main checkout",
        "the index of the main checkout",
    ];
    let board = scene.json();
    for (place, what) in changes.iter().enumerate() {
        let task = place + 1;
        let said = format!("{what} changed while #{task} ran");
        assert!(ended.err.contains(&said), "{said}\n{}", ended.err);
        let said =
            format!("• Dispatch found a change of {what} while #{task} ran; you may have made it");
        assert!(ended.out.contains(&said), "{said}\n{}", ended.out);
        let row = &board["tasks"][place];
        assert_eq!(row["outside_changes"], serde_json::json!([what]));
    }
    assert_eq!(board["tasks"][4]["outside_changes"], serde_json::json!([]));
    let show = scene.dispatch(&["show", "2"]).expect(0).out;
    assert!(
        show.contains("outside   the branch mine changed meanwhile"),
        "{show}"
    );
}

#[test]
fn what_a_worker_plants_in_the_entry_of_its_worktree_is_not_followed_and_not_run() {
    let scene = unconfined();
    let (victim, ran) = (scene.root.join("victim"), scene.root.join("ran"));
    fs::write(&victim, "precious\n").unwrap();
    let plants = [
        format!(
            "for name in head-log used; do ln -sf '{}' $A/dispatch-$name; done",
            victim.display()
        ),
        // The second file is the place in which dispatch once kept what git had copied.
        format!(
            "printf '[filter \"q\"]\\n\\tclean = touch {}; cat\\n' > $A/config.worktree; \
             cp $A/config.worktree $A/dispatch-config.worktree; echo '* filter=q' > .gitattributes",
            ran.display()
        ),
    ];
    for (number, plant) in plants.iter().enumerate() {
        let script = scene.root.join(format!("plant-{number}.sh"));
        let lines =
            format!("A=$(git rev-parse --absolute-git-dir); {plant}; echo 2 >> README.md\n");
        fs::write(&script, lines).unwrap();
        let command = format!("sh {}", script.display());
        scene.run(&plan(&[&command]), &[]);
        scene.dispatch(&["clean", &scene.run_name()]);
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious\n");
    assert!(!ran.exists(), "the planted filter was run");
}

#[test]
fn by_policy_such_an_attempt_fails_and_what_it_made_is_kept() {
    let scene = unconfined();
    scene.configure("[run]\noutside_writes = \"fail\"\n");
    let command = "touch a.txt; git config gc.pruneExpire never";
    let ended = scene.run(&plan(&[command]), &[]).expect(3);
    let board = scene.json();
    assert_eq!(board["tasks"][0]["class"], "logic");
    let said = "`changed outside its worktree while it ran: .git/config`";
    assert!(ended.out.contains(said), "{}", ended.out);
    assert!(scene.has(&format!("refs/dispatch/attempts/{}/t1/1", scene.run_name())));
}

#[test]
fn all_attempts_that_were_under_way_are_named() {
    let scene = unconfined();
    let mut gates = [Gate::new(&scene, "one"), Gate::new(&scene, "two")];
    let commands: Vec<String> = gates.iter().map(Gate::script).collect();
    let plan = scene.plan(&plan(&[&commands[0], &commands[1], "touch c.txt"]));
    let child = scene.start(&["run", &plan, "--yes", "-j", "2"]);
    gates.iter_mut().for_each(Gate::wait_until_reached);
    scene.write("src/app.ts", "edited\n");
    scene.write("README.md", "# Shop 2\n");
    scene.git(&["commit", "--quiet", "-m", "mine", "README.md"]);
    scene.git(&["branch", "mine"]);
    scene.git(&["config", "pull.rebase", "true"]);
    let before = scene.fingerprint();
    gates.iter_mut().for_each(Gate::open);
    let ended = wait(child).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 DONE");
    for what in [
        "the index of the main checkout",
        "the branch main",
        "the branch mine",
        ".git/config",
    ] {
        let said = format!(
            "• Dispatch found a change of {what} while #1 and #2 ran; you may have made it"
        );
        assert!(ended.out.contains(&said), "{said}\n{}", ended.out);
    }
    before.assert_same(&scene.fingerprint());
}

#[test]
fn the_work_of_other_tasks_and_of_dispatch_itself_is_no_change() {
    let scene = Scene::new();
    scene.write("draft.txt", "uncommitted\n");
    let mut gate = Gate::new(&scene, "gate");
    let commands = [
        &gate.script(),
        "echo b > b.txt; git add .; git commit -qm b",
        "exit 75",
    ];
    let plan = scene.plan(&plan(&commands));
    let child = scene.start(&["run", &plan, "--yes", "-j", "2"]);
    gate.wait_until_reached();
    gate.open();
    let ended = wait(child).expect(3);
    for word in ["while #", "saw "] {
        assert!(
            !ended.err.contains(word) && !ended.out.contains(word),
            "{}{}",
            ended.err,
            ended.out
        );
    }
}

#[test]
fn a_change_after_dispatch_was_killed_is_reported_by_the_one_that_resumes() {
    let scene = unconfined();
    let mut gate = Gate::new(&scene, "gate");
    let plan = scene.plan(&plan(&[&gate.script()]));
    let mut child = scene.start(&["run", &plan, "--yes"]);
    gate.wait_until_reached();
    child.kill().unwrap();
    child.wait().unwrap();
    scene.git(&["branch", "mine"]);
    let child = scene.start(&["resume"]);
    gate.open();
    let ended = wait(child).expect(0);
    let said = "found a change of the branch mine while #1 ran; you may have made it";
    assert!(ended.out.contains(said), "{}", ended.out);
}

#[test]
fn nobody_looks_where_nobody_wants_to_know() {
    let scene = unconfined();
    scene.configure("[run]\noutside_writes = \"ignore\"\n");
    let ended = scene
        .run(&plan(&["git config gc.pruneExpire never"]), &[])
        .expect(0);
    assert!(!ended.err.contains("changed while"), "{}", ended.err);
}

#[test]
fn a_worker_starts_no_run_of_its_own_unless_that_is_allowed() {
    let scene = Scene::new();
    let inner = scene.plan_named(
        "inner.md",
        "1. [IN] Inner\n   - run: echo $DISPATCH_DEPTH > depth.txt\n",
    );
    let command = format!("{} run {inner} --yes", env!("CARGO_BIN_EXE_dispatch"));
    scene.run(&plan(&[&command]), &[]).expect(3);
    let logs = scene.dispatch(&["logs", "1"]).expect(0).out;
    let said =
        "error: this is a worker of another dispatch, and 1 level deep is deeper than allowed";
    assert!(logs.contains(said), "{logs}");
    assert!(logs.contains("`max_depth = 1` under `[run]`"), "{logs}");
    assert_eq!(scene.run_names().len(), 1);

    let scene = Scene::new();
    scene.configure("[run]\nmax_depth = 1\n");
    let inner = scene.plan_named(
        "inner.md",
        "1. [IN] Inner\n   - run: echo $DISPATCH_DEPTH > depth.txt\n",
    );
    let command = format!(
        "{} run {inner} --yes --config .dispatch.toml",
        env!("CARGO_BIN_EXE_dispatch")
    );
    scene.run(&plan(&[&command]), &[]).expect(0);
    let runs = scene.run_names();
    assert_eq!(runs.len(), 2, "{runs:?}");
    let inner = runs.iter().find(|run| run.starts_with("inner-")).unwrap();
    let depth = format!("dispatch/{inner}/in:depth.txt");
    assert_eq!(scene.git(&["show", &depth]), "2");
}

#[test]
fn tasks_under_way_have_ports_of_their_own_in_all_runs_and_later_attempts_the_same() {
    let scene = Scene::new();
    let mut gates = [Gate::new(&scene, "one"), Gate::new(&scene, "two")];
    let ports = scene.root.join("ports");
    let say = format!(
        "echo $DISPATCH_PORT_BASE $DISPATCH_ATTEMPT >> {}",
        ports.display()
    );
    let mut children = Vec::new();
    for (place, gate) in gates.iter_mut().enumerate() {
        let command = format!(
            "{say}; {}; test $DISPATCH_ATTEMPT = 2 || exit 75",
            gate.script()
        );
        let other = format!("{say}; {}", gate.script());
        let plan = scene.plan_named(&format!("p{place}.md"), &plan(&[&command, &other]));
        children.push(scene.start(&["run", &plan, "--yes"]));
        gate.wait_until_reached();
        gate.wait_until_reached();
    }
    for gate in &mut gates {
        // Two first attempts, then the retry.
        gate.open();
        gate.open();
        gate.wait_until_reached();
        gate.open();
    }
    for child in children {
        wait(child).expect(0);
    }
    let said = fs::read_to_string(ports).unwrap();
    let of_attempt = |attempt: &str| {
        let lines = said.lines().filter(|line| line.ends_with(attempt));
        let mut ports: Vec<u16> = lines.map(|line| line[..5].parse().unwrap()).collect();
        ports.sort_unstable();
        ports
    };
    let (first, second) = (of_attempt(" 1"), of_attempt(" 2"));
    assert_eq!((first.len(), second.len()), (4, 2), "{said}");
    assert!(first.windows(2).all(|two| two[0] + 10 <= two[1]), "{said}");
    assert!(first.iter().all(|port| (20_000..30_000).contains(port)));
    assert!(second.iter().all(|port| first.contains(port)), "{said}");
    let claims = fs::read_to_string(scene.repo.join(".git/dispatch/ports")).unwrap();
    assert_eq!(claims, "", "all were given back");
}

#[test]
fn attempts_that_get_each_others_stash_entries_fail() {
    let scene = unconfined();
    let gate = |name| Gate::new(&scene, name);
    let (mut pushed, mut popped) = (gate("pushed"), gate("popped"));
    let (mut begun, mut other_pushed) = (gate("begun"), gate("other-pushed"));
    let stash = "git add -A && git stash -q &&";
    let plan = format!(
        "1. [A] a\n   - run: echo A > one.txt && {stash} {} && git stash pop -q && {}\n\
         2. [B] b\n   - run: {} && echo B > two.txt && {stash} {} && git stash pop -q\n",
        pushed.script(),
        popped.script(),
        begun.script(),
        other_pushed.script(),
    );
    let plan = scene.plan(&plan);
    let running = scene.start(&["run", &plan, "--yes"]);
    pushed.wait_until_reached();
    begun.wait_until_reached();
    begun.open();
    other_pushed.wait_until_reached();
    pushed.open();
    popped.wait_until_reached();
    other_pushed.open();
    popped.open();
    let ended = wait(running).expect(3);
    for words in ["it took a stash entry of #2", "took"] {
        assert!(ended.out.contains(words), "{}", ended.out);
    }
    assert_eq!(scene.statuses(), "1 FAILED · 2 FAILED");
}

#[test]
fn an_attempt_with_its_own_stash_entry_passes() {
    let scene = Scene::new();
    let plan =
        "1. [A] a\n   - run: echo A > a.txt && git add -A && git stash -q && git stash pop -q\n";
    scene.run(plan, &[]).expect(0);
    assert_eq!(
        scene.git(&["show", &format!("{}:a.txt", scene.branch("a"))]),
        "A"
    );
}

#[test]
fn a_worker_neither_lands_nor_resumes_nor_cleans() {
    let scene = Scene::new();
    scene.run("1. [A] a\n   - run: echo a > a\n", &[]).expect(0);
    let run = scene.run_name();
    let before = scene.fingerprint();
    for words in [
        &["land", &run, "--yes"][..],
        &["unland", &run, "--yes"],
        &["resume", &run],
        &["clean", &run],
        &["cancel", &run],
        &["pause", &run],
    ] {
        let mut command = scene.command(env!("CARGO_BIN_EXE_dispatch"));
        let output = command.args(words).env("DISPATCH_DEPTH", "1").output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("this is a worker of another dispatch"),
            "{words:?}: {said}"
        );
        assert!(!output.status.success());
    }
    before.assert_same(&scene.fingerprint());
    scene.dispatch(&["land", &run, "--yes"]).expect(0);
}

#[test]
fn what_git_would_execute_stops_the_run_and_every_later_command_until_it_is_undone_or_accepted() {
    for (plant, what, undo) in [
        (
            "git config filter.q.clean 'touch ../pwned; cat'",
            "git's setting filter.q.clean",
            vec!["config", "--unset", "filter.q.clean"],
        ),
        (
            "printf 'touch ../pwned' > $G/hooks/commit-msg; chmod +x $G/hooks/commit-msg",
            ".git/hooks/commit-msg",
            vec![],
        ),
        (
            "git replace HEAD $(git commit-tree HEAD^{tree} -m evil)",
            "refs/replace/",
            vec![],
        ),
    ] {
        let scene = unconfined();
        let command = format!(
            "G=$(git rev-parse --git-common-dir); {plant}; echo '* filter=q' > .gitattributes"
        );
        let ended = scene.run(&plan(&[&command]), &[]).expect(1);
        let said = what.to_owned();
        assert!(ended.err.contains(&said), "{said}\n{}", ended.err);
        assert!(ended.err.contains("while #1 ran"), "{}", ended.err);
        assert!(
            ended.err.contains("doctor --accept-settings"),
            "{}",
            ended.err
        );
        for command in [
            &["resume"][..],
            &["land", "--yes"],
            &["assemble"],
            &["conflicts"],
            &["clean"],
            &["doctor", "--fix"],
        ] {
            let refused = scene.dispatch(command).expect(1);
            assert!(refused.err.contains(&said), "{command:?}\n{}", refused.err);
        }
        scene.dispatch(&["status"]).expect(0);
        let found = scene.dispatch(&["doctor"]).expect(4);
        assert!(found.out.contains(&said), "{}", found.out);
        match undo.as_slice() {
            [] => {
                let accepted = scene.dispatch(&["doctor", "--accept-settings", "--yes"]);
                let accepted = accepted.expect(0);
                assert_eq!(accepted.out, "accepted 1 change\n", "{}", accepted.err);
            }
            undo => drop(scene.git(undo)),
        }
        scene.dispatch(&["resume"]).expect(0);
        assert_eq!(scene.statuses(), "1 DONE");
        assert!(!scene.repo.join("../pwned").exists(), "{plant}");
    }
}

#[test]
fn workers_under_way_are_stopped_when_another_changes_what_git_executes() {
    let scene = unconfined();
    let gate = Gate::new(&scene, "held");
    let commands = [&gate.script(), "git config core.fsmonitor true"];
    let ended = scene.run(&plan(&commands), &["-j", "2"]).expect(1);
    let said = "git's setting core.fsmonitor changed while #1 and #2 ran";
    assert!(ended.err.contains(said), "{}", ended.err);
    let board = scene.json();
    assert_ne!(board["tasks"][0]["status"], "DONE");
    drop(gate);
}

#[test]
fn a_pipe_in_place_of_a_file_of_git_makes_nothing_wait() {
    for place in [
        "config",
        "packed-refs",
        "info/exclude",
        "refs/dispatch/runs/$DISPATCH_RUN",
    ] {
        if has_reftable() && place.contains("refs") {
            continue;
        }
        let scene = unconfined();
        let command = format!(
            "G=$(git rev-parse --git-common-dir); rm -f $G/{place}; mkdir -p $G/info; mkfifo $G/{place}"
        );
        let ended = scene.run(&plan(&[&command]), &[]).expect(1);
        let name = place
            .rsplit('/')
            .next()
            .unwrap()
            .replace("$DISPATCH_RUN", "");
        assert!(
            ended.err.contains(&name) && ended.err.contains("is not a file"),
            "{place}\n{}",
            ended.err
        );
        for command in [&["status"][..], &["resume"], &["land", "--yes"]] {
            let refused = scene.dispatch(command).expect(1);
            assert!(
                refused.err.contains("is not a file"),
                "{place} {command:?}\n{}",
                refused.err
            );
        }
    }
}
