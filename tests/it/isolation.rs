//! What workers do outside of their worktrees, and what they are kept from.

use std::fs;
use std::io::{BufRead, BufReader};

use crate::harness::{Gate, Scene, wait};

fn plan(commands: &[&str]) -> String {
    let task = |(place, command): (usize, &&str)| {
        let number = place + 1;
        format!("{number}. [T{number}] Task {number}\n   - allow_empty: yes\n   - run: {command}\n")
    };
    let tasks: String = commands.iter().enumerate().map(task).collect();
    format!("# Outside\n\n{tasks}")
}

#[test]
fn a_worker_that_writes_into_the_main_checkout_is_said_to() {
    let scene = Scene::new();
    let command = "echo mine >> ../../../shop/src/app.ts; echo new > ../../../shop/new.txt";
    let ended = scene
        .run(&plan(&[command, "touch b.txt"]), &["-j", "1"])
        .expect(0);
    let what = "new.txt in the main checkout, src/app.ts in the main checkout";
    let said = format!("#1 wrote outside its worktree: {what}");
    assert!(ended.err.contains(&said), "{}", ended.err);
    let board = scene.json();
    assert_eq!(board["tasks"][0]["note"], "(wrote outside its worktree)");
    assert_eq!(
        board["tasks"][0]["wrote_outside"][0],
        "new.txt in the main checkout"
    );
    assert_eq!(board["tasks"][1]["wrote_outside"], serde_json::json!([]));
    let said = format!("- Dispatch on #1: it wrote outside its worktree: {what}");
    assert!(ended.out.contains(&said), "{}", ended.out);
    let show = scene.dispatch(&["show", "1"]).expect(0).out;
    assert!(
        show.contains("outside   new.txt in the main checkout changed, which its command names"),
        "{show}"
    );
}

#[test]
fn by_policy_such_an_attempt_fails_and_what_it_made_is_kept() {
    let scene = Scene::new();
    scene.configure("[run]\noutside_writes = \"fail\"\n");
    let command = "touch a.txt; git config dispatch.test 1";
    let ended = scene.run(&plan(&[command]), &[]).expect(3);
    let board = scene.json();
    assert_eq!(board["tasks"][0]["class"], "logic");
    let said = "`wrote outside its worktree: .git/config`";
    assert!(ended.out.contains(said), "{}", ended.out);
    assert!(scene.has(&format!("refs/dispatch/attempts/{}/t1/1", scene.run_name())));
}

#[test]
fn what_the_user_does_meanwhile_is_blamed_on_nobody() {
    let scene = Scene::new();
    scene.configure("[run]\noutside_writes = \"fail\"\n");
    let mut gates = [Gate::new(&scene, "one"), Gate::new(&scene, "two")];
    let commands: Vec<String> = gates.iter().map(Gate::script).collect();
    let plan = scene.plan(&plan(&[&commands[0], &commands[1]]));
    let child = scene.start(&["run", &plan, "--yes"]);
    gates.iter_mut().for_each(Gate::wait_until_reached);
    scene.write("src/app.ts", "edited\n");
    scene.write("README.md", "# Shop 2\n");
    scene.git(&["commit", "--quiet", "-m", "mine", "README.md"]);
    scene.git(&["branch", "mine"]);
    scene.git(&["config", "user.name", "Bea"]);
    let before = scene.fingerprint();
    gates.iter_mut().for_each(Gate::open);
    let ended = wait(child).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE");
    for what in [
        "src/app.ts in the main checkout",
        "the branch main",
        "the branch mine",
        ".git/config",
    ] {
        let said =
            format!("- Dispatch saw {what} change while #1 and #2 ran; it may have been you");
        assert!(ended.out.contains(&said), "{said}\n{}", ended.out);
    }
    assert!(!ended.err.contains("wrote outside"), "{}", ended.err);
    before.assert_same(&scene.fingerprint());
}

/// Writes into the main checkout without ever saying where that is.
const UNNAMED: &str = "cd ../../../sh?p && echo x | tee n*w.txt > /dev/null";

#[test]
fn what_only_one_task_can_have_written_is_put_down_to_it() {
    let scene = Scene::new();
    scene.write("new.txt", "mine\n");
    let ended = scene
        .run(
            &plan(&["touch a.txt", UNNAMED, "touch c.txt"]),
            &["-j", "1"],
        )
        .expect(0);
    let what = "new.txt in the main checkout";
    let said = format!("saw {what} change while only #2 ran; if it was not you, it was #2");
    assert!(ended.out.contains(&said), "{}", ended.out);
    assert!(
        ended
            .err
            .contains(&format!("{what} changed while only #2 ran")),
        "{}",
        ended.err
    );
    let board = scene.json();
    assert_eq!(board["tasks"][1]["wrote_outside"], serde_json::json!([]));
    let show = scene.dispatch(&["show", "2"]).expect(0).out;
    assert!(
        show.contains(&format!("{what} changed while only this ran")),
        "{show}"
    );
}

#[test]
fn by_policy_that_fails_the_task() {
    let scene = Scene::new();
    scene.configure("[run]\noutside_writes = \"fail\"\n");
    scene.write("new.txt", "mine\n");
    let ended = scene
        .run(&plan(&["touch a.txt", UNNAMED]), &["-j", "1"])
        .expect(3);
    assert_eq!(scene.statuses(), "1 DONE · 2 FAILED");
    let said = "`changed outside its worktree while only it ran: new.txt in the main checkout`";
    assert!(ended.out.contains(said), "{}", ended.out);
    let show = scene.dispatch(&["show", "2"]).expect(0).out;
    assert!(
        show.contains("(nothing else of dispatch was under way)"),
        "{show}"
    );
}

#[test]
fn an_agent_that_says_what_it_does_is_not_blamed_for_what_it_did_not_name() {
    let agent = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/agents/replay");
    let worker = |dialect: &str, line: &str| {
        format!(
            "[workers.agent]\ncommand = [\"sh\", \"-c\", \"({line}); {agent} claude-success write=a.txt\"]\n\
             dialect = \"{dialect}\"\n[run]\noutside_writes = \"fail\"\n"
        )
    };
    let told = |dialect: &str, line: &str| {
        let scene = Scene::new();
        scene.configure(&worker(dialect, line));
        scene.write("new.txt", "mine\n");
        let ended = scene.run("1. [A] Write a\n   - worker: agent\n", &[]);
        let report = ended.out.lines();
        let said = report
            .map(str::trim)
            .find(|line| line.contains("new.txt"))
            .unwrap_or_default();
        let said = said.split(" (").next().unwrap_or_default();
        format!("{} | {said}", scene.statuses())
    };
    let named = "echo x > ../../../shop/new.txt";
    let said = [
        told("claude", UNNAMED),
        told("claude", named),
        told("text", UNNAMED),
    ];
    insta::assert_snapshot!(said.join("\n"), @r"
    1 DONE | - Dispatch saw new.txt in the main checkout change while #1 ran; it may have been you
    1 FAILED | 1  Write a  agent-1  FAILED  wrote outside its worktree: new.txt in the main checkout
    1 FAILED | 1  Write a  agent-1  FAILED  changed outside its worktree while only it ran: new.txt in the main checkout
    ");
}

#[test]
fn several_that_can_have_written_it_are_named_and_none_fails() {
    let scene = Scene::new();
    scene.configure("[run]\noutside_writes = \"fail\"\n");
    scene.write("new.txt", "mine\n");
    let mut gates = [
        Gate::new(&scene, "one"),
        Gate::new(&scene, "two"),
        Gate::new(&scene, "three"),
    ];
    let commands = [
        gates[0].script(),
        format!("{}; {UNNAMED}", gates[1].script()),
        gates[2].script(),
    ];
    let plan = scene.plan(&plan(&[&commands[0], &commands[1], &commands[2]]));
    let mut child = scene.start(&["run", &plan, "--yes", "-j", "2", "--json"]);
    let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ended = |count: usize| {
        let mut lines = events.by_ref().map(Result::unwrap);
        for _ in 0..count {
            lines
                .find(|line| line.contains("\"attempt-ended\""))
                .unwrap();
        }
    };
    gates[0].wait_until_reached();
    gates[1].wait_until_reached();
    gates[1].open();
    ended(1);
    gates[0].open();
    gates[2].wait_until_reached();
    gates[2].open();
    ended(2);
    events.by_ref().for_each(drop);
    wait(child).expect(0);
    assert_eq!(scene.statuses(), "1 DONE · 2 DONE · 3 DONE");
    let report = scene.dispatch(&["report"]).expect(0).out;
    let said = "saw new.txt in the main checkout change while #1 and #2 ran; it may have been you";
    assert!(report.contains(said), "{report}");
}

#[test]
fn one_that_was_over_before_or_began_after_the_change_is_none_of_them() {
    let scene = Scene::new();
    scene.configure("[run]\noutside_writes = \"fail\"\n");
    scene.write("new.txt", "mine\n");
    let mut gate = Gate::new(&scene, "gate");
    let command = format!("{}; {UNNAMED}", gate.script());
    let plan = scene.plan(&plan(&["touch a.txt", &command]));
    let mut child = scene.start(&["run", &plan, "--yes", "-j", "2", "--json"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    gate.wait_until_reached();
    lines
        .find(|line| line.contains("\"attempt-ended\""))
        .unwrap();
    gate.open();
    lines.for_each(drop);
    wait(child).expect(3);
    assert_eq!(scene.statuses(), "1 DONE · 2 FAILED");
}

#[test]
fn a_person_who_uses_git_meanwhile_is_known_to_be_there() {
    let scene = Scene::new();
    scene.configure("[run]\noutside_writes = \"fail\"\n");
    scene.write("draft.txt", "mine\n");
    let mut gate = Gate::new(&scene, "gate");
    let plan = scene.plan(&plan(&[&gate.script()]));
    let child = scene.start(&["run", &plan, "--yes"]);
    gate.wait_until_reached();
    scene.commit("the draft");
    gate.open();
    let ended = wait(child).expect(0);
    let said = "saw draft.txt in the main checkout change while #1 ran; it may have been you";
    assert!(ended.out.contains(said), "{}", ended.out);
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
    for word in ["wrote outside", "while #", "saw "] {
        assert!(
            !ended.err.contains(word) && !ended.out.contains(word),
            "{}{}",
            ended.err,
            ended.out
        );
    }
}

#[test]
fn a_finished_neighbour_is_watched_too() {
    let scene = Scene::new();
    let commands = ["echo a > a.txt", "echo spoilt > ../t1/a.txt"];
    let ended = scene.run(&plan(&commands), &["-j", "1"]).expect(0);
    let said = "#2 wrote outside its worktree: a.txt in the worktree t1";
    assert!(ended.err.contains(said), "{}", ended.err);
    let branch = format!("{}:a.txt", scene.branch("t1"));
    assert_eq!(
        scene.git(&["show", &branch]),
        "a",
        "the result is what it was"
    );
}

#[test]
fn nobody_looks_where_nobody_wants_to_know() {
    let scene = Scene::new();
    scene.configure("[run]\noutside_writes = \"ignore\"\n");
    let ended = scene
        .run(&plan(&["echo x > ../../../shop/new.txt"]), &[])
        .expect(0);
    assert!(!ended.err.contains("wrote outside"), "{}", ended.err);
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
    let command = format!("{} run {inner} --yes", env!("CARGO_BIN_EXE_dispatch"));
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
