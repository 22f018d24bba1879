//! `dispatch mcp`: a client drives a run from the plan to the landing.

mod client;

use serde_json::{Value, json};

use crate::harness::{Gate, Scene};
use client::{Client, Version};

/// Two tasks that conflict, and one apart.
const PLAN: &str = "\
# Shop

1. [A] First
   - run: echo first > both.txt
2. [B] Second
   - run: echo second > both.txt
3. [C] Third
   - run: echo third > third.txt
";

const ONE: &str = "# One\n\n1. [A] a\n   - run: echo a > a.txt\n";

fn scene() -> Scene {
    let mut scene = Scene::new();
    // Else the conflict would be dispatched again.
    scene.set_env("DISPATCH_RETRY_CONFLICT", "0");
    scene
}

/// Starts a plan with the token of the first answer; returns the run.
#[track_caller]
fn start(client: &mut Client, plan: &str) -> String {
    let shown = client.call("run_start", json!({"plan": plan}));
    let token = &shown["token"];
    let started = client.call("run_start", json!({"plan": plan, "token": token}));
    assert_eq!(started["started"], true);
    started["run"].as_str().unwrap().to_owned()
}

/// Waits until the run has ended; returns the last answer.
#[track_caller]
fn wait_for_end(client: &mut Client, run: &str) -> Value {
    loop {
        let waited = client.call("run_wait", json!({"run": run}));
        if waited["call_again"] == false {
            return waited;
        }
    }
}

#[test]
fn a_client_of_every_version_drives_a_run_from_the_plan_to_the_landing() {
    for version in Version::ALL {
        let scene = scene();
        let before = scene.fingerprint();
        let mut client = Client::new(&scene, version);
        let tools = client.request("tools/list", json!({}));
        assert_eq!(tools["result"]["tools"].as_array().unwrap().len(), 14);

        let valid = client.call("plan_validate", json!({"plan": PLAN}));
        assert_eq!(
            (&valid["valid"], &valid["ready"]),
            (&json!(true), &json!(3))
        );

        let run = start(&mut client, PLAN);
        let waited = wait_for_end(&mut client, &run);
        assert_eq!(waited["exit"], 4);
        before.assert_same(&scene.fingerprint());

        let status = client.call("run_status", json!({"limit": 1}));
        assert_eq!(status["more"], 2);
        let later = client.call("run_status", json!({"since": status["seq"]}));
        assert_eq!(later["list"], json!([]));
        let report = client.call("run_report", json!({}));
        assert!(
            report["text"]["text"]
                .as_str()
                .unwrap()
                .contains("both.txt")
        );
        let conflicts = client.call("conflicts", json!({}));
        assert_eq!(conflicts["conflicts"][0]["tasks"], json!([1, 2]));
        assert_eq!(conflicts["conflicts"][0]["paths"], json!(["both.txt"]));
        let diff = client.call("task_diff", json!({"task": "C"}));
        assert!(diff["diff"]["text"].as_str().unwrap().contains("+third"));

        let predicted = client.call("assemble", json!({"dry_run": true, "order": ["B"]}));
        assert_eq!(predicted["left_out"][0]["task"], 1);
        client.call("assemble", json!({"order": ["2"]}));
        wait_for_end(&mut client, &run);

        let shown = client.call("land", json!({}));
        assert_eq!(shown["landed"], false);
        assert_eq!(shown["not_included"].as_array().unwrap().len(), 1);
        before.assert_same(&scene.fingerprint());
        let (tip, target) = (&shown["tip"], &shown["target_tip"]);
        let wrong = json!({"confirm": true, "tip": target, "target_tip": target});
        let refused = client.refused("land", wrong);
        assert!(
            refused.contains("not at the commit that was shown"),
            "{refused}"
        );
        let refused = client.refused("land", json!({"confirm": true}));
        assert!(refused.contains("needs the `tip`"), "{refused}");
        before.assert_same(&scene.fingerprint());
        let right = json!({"confirm": true, "tip": tip, "target_tip": target});
        let landed = client.call("land", right);
        assert_eq!(landed["commit"], scene.rev("main"));
        assert_eq!(scene.read("both.txt"), "second\n");

        let history = client.call("history", json!({}));
        assert_eq!(history["runs"][0]["landed"], landed["commit"]);
        assert_eq!(client.close(), Some(0));
    }
}

#[test]
fn a_token_starts_only_what_it_was_shown_for_and_only_once() {
    let scene = scene();
    let mut client = Client::new(&scene, Version::June2025);
    let shown = client.call("run_start", json!({"plan": PLAN}));
    assert_eq!(shown["started"], false);
    assert!(shown["preview"].as_str().unwrap().contains("[C] Third"));
    let token = &shown["token"];
    for other in [
        json!({"plan": ONE, "token": token}),
        json!({"plan": PLAN, "only": ["1"], "token": token}),
        json!({"plan": PLAN, "max_parallel": 1, "token": token}),
    ] {
        let refused = client.refused("run_start", other);
        assert!(
            refused.contains("another plan, base or options"),
            "{refused}"
        );
    }
    let refused = client.refused("run_start", json!({"plan": PLAN, "token": "invented"}));
    assert!(refused.contains("unknown or used up"), "{refused}");
    scene.write("more.txt", "more\n");
    scene.commit("The base has moved");
    client.refused("run_start", json!({"plan": PLAN, "token": token}));
    assert!(scene.run_names().is_empty());

    let token = client.call("run_start", json!({"plan": ONE}))["token"].clone();
    client.call("run_start", json!({"plan": ONE, "token": token}));
    client.refused("run_start", json!({"plan": ONE, "token": token}));
    // A token ends with its server.
    let token = client.call("run_start", json!({"plan": ONE}))["token"].clone();
    client.close();
    let mut client = Client::new(&scene, Version::June2025);
    client.refused("run_start", json!({"plan": ONE, "token": token}));
    assert_eq!(scene.run_names().len(), 1);
    wait_for_end(&mut client, &scene.run_name());
}

#[test]
fn a_landing_is_shown_as_it_will_be_and_only_that_can_be_confirmed() {
    let scene = scene();
    let mut client = Client::new(&scene, Version::June2025);
    let run = start(&mut client, ONE);
    wait_for_end(&mut client, &run);
    let before = scene.fingerprint();
    let merge = client.call("land", json!({}));
    assert_eq!(merge["board"], "adds DISPATCH.md, the board of the run");
    let agreed = |method: &str| {
        let (tip, target) = (&merge["tip"], &merge["target_tip"]);
        json!({"confirm": true, "tip": tip, "target_tip": target, "method": method})
    };
    for method in ["squash", "ff"] {
        let refused = client.refused("land", agreed(method));
        assert!(refused.contains("was not shown"), "{refused}");
    }
    let squash = client.call("land", json!({"method": "squash"}));
    assert_eq!(squash["board"], Value::Null);
    assert_ne!(squash["change"], merge["change"]);
    before.assert_same(&scene.fingerprint());
    // The landing of another server was not shown by this one.
    let mut other = Client::new(&scene, Version::June2025);
    other.refused("land", agreed("merge"));
    before.assert_same(&scene.fingerprint());
    let landed = client.call("land", agreed("merge"));
    assert_eq!(landed["change"], merge["change"]);
    assert_eq!(landed["board"], merge["board"]);
    let stat = scene.git(&["diff", "--shortstat", "main^", "main"]);
    assert!(stat.contains("2 files changed"), "{stat}");
    assert!(landed["change"].as_str().unwrap().starts_with("2 files"));
}

#[test]
fn a_landing_on_a_target_that_has_moved_is_shown_after_its_checks() {
    let scene = scene();
    let mut gate = Gate::new(&scene, "gate");
    // The check waits only where the new file of the target is.
    let check = format!("test ! -e moved.txt || {{ {}; }}", gate.script());
    scene.configure(&format!("[assemble]\ncheck = [{check:?}]\n"));
    let mut client = Client::new(&scene, Version::June2025);
    let run = start(&mut client, ONE);
    assert_eq!(wait_for_end(&mut client, &run)["exit"], 0);
    scene.write("moved.txt", "moved\n");
    scene.commit("The target has moved");
    let before = scene.fingerprint();

    let shown = client.call("land", json!({"timeout_s": 0}));
    assert_eq!(shown["checks"], "running", "{shown}");
    assert!(shown["next"].as_str().unwrap().contains("call land again"));
    gate.wait_until_reached();
    let agreed = |shown: &Value| json!({"confirm": true, "tip": shown["tip"], "target_tip": shown["target_tip"]});
    let refused = client.refused("land", agreed(&shown));
    assert!(refused.contains("are still running"), "{refused}");
    // A client that goes stops the checks.
    let mut other = Client::new(&scene, Version::June2025);
    assert_eq!(client.close(), Some(0));
    before.assert_same(&scene.fingerprint());

    assert_eq!(
        other.call("land", json!({"timeout_s": 0}))["checks"],
        "running"
    );
    gate.wait_until_reached();
    gate.open();
    let shown = other.call("land", json!({}));
    assert_eq!(shown["checks"], "passed", "{shown}");
    before.assert_same(&scene.fingerprint());
    // The landing runs no check again: the gate is closed.
    let landed = other.call("land", agreed(&shown));
    assert_eq!(landed["commit"], scene.rev("main"));
    assert_eq!(scene.read("a.txt"), "a\n");
}

#[test]
fn commits_by_hand_on_the_branch_of_a_passed_task_are_told() {
    let scene = scene();
    let mut client = Client::new(&scene, Version::June2025);
    let run = start(&mut client, ONE);
    wait_for_end(&mut client, &run);
    let before = client.call("run_status", json!({}));
    assert_eq!(before["list"][0].get("newer_commits"), None);
    let worktree = scene.worktree("a").display().to_string();
    let commit = ["commit", "--quiet", "--allow-empty", "--message=By hand"];
    scene.git(&[&["-C", &worktree][..], &commit].concat());
    let result = client.result("run_status", json!({}));
    assert_eq!(result["structuredContent"]["list"][0]["newer_commits"], 1);
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("without 1 commit by hand"), "{text}");
}

#[test]
fn without_a_name_it_is_the_run_that_this_server_started_last() {
    let scene = scene();
    let mut client = Client::new(&scene, Version::June2025);
    let other = "# Other\n\n1. [A] a\n   - run: false\n";
    let mine = start(&mut client, ONE);
    wait_for_end(&mut client, &mine);
    let plan = scene.plan(other);
    scene.dispatch(&["run", &plan, "--yes"]);
    for tool in ["run_wait", "run_status"] {
        let result = client.result(tool, json!({}));
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.starts_with(&mine), "{tool}: {text}");
    }
    assert_eq!(client.call("run_report", json!({}))["run"], mine);
    // Another server has started none: there it is the latest, finished or not.
    let mut client = Client::new(&scene, Version::June2025);
    let latest = client.call("run_status", json!({}))["run"].clone();
    assert_ne!(latest, mine);
    let waited = client.call("run_wait", json!({}));
    assert_eq!(waited["status"]["run"], latest);
}

#[test]
fn hints_name_the_arguments_of_the_tools() {
    let scene = scene();
    let mut client = Client::new(&scene, Version::June2025);
    let mut refused = |mut arguments: Value| {
        arguments["plan"] =
            json!("# Two\n\n1. [A] a\n   - run: true\n2. [B] b <- A\n   - run: true\n");
        client.refused("run_start", arguments)
    };
    let texts = [
        refused(json!({"base": "nowhere"})),
        refused(json!({"into": "nowhere"})),
        refused(json!({"max_cost": 0})),
        refused(json!({"max_parallel": 0})),
    ];
    insta::assert_snapshot!(texts.join("\n"), @r#"
    error: the base "nowhere" names no commit
    next: give a commit, branch or tag as `base`
    error: the target branch "nowhere" does not exist
    next: create it with `git branch nowhere`, or choose another as `into`
    error: max_cost must be above zero
    where: run_start
    next: correct the argument, or leave it out to take the setting of .dispatch.toml
    error: max_parallel must be at least 1
    where: run_start
    next: correct the argument, or leave it out to take the setting of .dispatch.toml
    "#);
}

/// A client that asks the user, who answers like this.
fn asking(scene: &Scene, version: Version, action: &str) -> Client {
    let mut client = Client::with(scene, &scene.repo, version, json!({"elicitation": {}}));
    client.answers = json!({"elicitation/create": {"action": action, "content": {}}});
    client
}

#[test]
fn the_person_confirms_where_the_client_can_ask() {
    let scene = scene();
    for version in [Version::June2025, Version::November2025] {
        let mut client = asking(&scene, version, "decline");
        let refused = client.refused("run_start", json!({"plan": ONE}));
        assert!(refused.contains("the user declined"), "{refused}");
        client.answers["elicitation/create"]["action"] = json!("cancel");
        let shown = client.call("run_start", json!({"plan": ONE}));
        assert!(shown["token"].is_string(), "{shown}");
        assert!(scene.run_names().is_empty());
    }
    let mut client = asking(&scene, Version::November2025, "accept");
    let started = client.call("run_start", json!({"plan": ONE}));
    wait_for_end(&mut client, started["run"].as_str().unwrap());

    let shown = client.call("land", json!({}));
    let agreed = json!({"confirm": true, "tip": shown["tip"], "target_tip": shown["target_tip"]});
    client.answers["elicitation/create"]["action"] = json!("decline");
    let before = scene.fingerprint();
    client.refused("land", agreed.clone());
    before.assert_same(&scene.fingerprint());
    let form = client.asked.last().unwrap()["params"]["message"].clone();
    let form = form.as_str().unwrap().replace(&scene.run_name(), "RUN");
    insta::assert_snapshot!(form, @r"
    Land this?

    nothing has moved yet: RUN would land on main (one merge commit)
    #1: 2 files, +21 −0
    adds DISPATCH.md, the board of the run
    ");
    client.answers["elicitation/create"]["action"] = json!("accept");
    assert_eq!(client.call("land", agreed)["landed"], true);
}

#[test]
fn the_newest_protocol_asks_the_person_by_its_answer() {
    let scene = scene();
    let mut client = asking(&scene, Version::July2026, "");
    let mut ask = |arguments: &Value| {
        let asked = client.result("run_start", arguments.clone());
        assert_eq!(asked["resultType"], "input_required", "{asked}");
        let question = &asked["inputRequests"]["confirm"];
        assert_eq!(question["method"], "elicitation/create");
        let message = question["params"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("Start this run?"), "{message}");
        asked["requestState"].clone()
    };
    let (arguments, other) = (json!({"plan": ONE}), json!({"plan": PLAN}));
    let states = [ask(&arguments), ask(&arguments), ask(&arguments)];
    let mut answer = |arguments: &Value, action: &str, state: &Value| {
        let params = json!({
            "name": "run_start",
            "arguments": arguments,
            "inputResponses": {"confirm": {"action": action, "content": {}}},
            "requestState": state,
        });
        client.request("tools/call", params)["result"].clone()
    };
    assert_eq!(answer(&arguments, "decline", &states[0])["isError"], true);
    // Neither an invented state nor that of another plan counts as an answer.
    for state in [&states[1], &json!("invented")] {
        let asked = answer(&other, "accept", state);
        assert_eq!(asked["resultType"], "input_required", "{asked}");
    }
    let dismissed = answer(&arguments, "cancel", &states[1]);
    assert!(
        dismissed["structuredContent"]["token"].is_string(),
        "{dismissed}"
    );
    assert!(scene.run_names().is_empty());
    let started = answer(&arguments, "accept", &states[2]);
    let run = started["structuredContent"]["run"]
        .as_str()
        .unwrap()
        .to_owned();
    wait_for_end(&mut client, &run);
}

#[test]
fn a_run_of_agents_needs_a_cost_limit() {
    let scene = scene();
    scene.configure("[workers.mine]\ncommand = [\"true\"]\n");
    let plan = "# Paid\n\n1. [A] a\n   - worker: mine\n\n   Do it\n";
    let mut client = Client::new(&scene, Version::November2025);
    let refused = client.refused("run_start", json!({"plan": plan}));
    insta::assert_snapshot!(refused, @r"
    error: the run has no cost limit, and its workers may cost money: mine
    next: ask the user for a limit in dollars and pass it as `max_cost`
    next: or set `max_cost` under `[run]` in .dispatch.toml
    ");
    let shown = client.call("run_start", json!({"plan": plan, "max_cost": 2.5}));
    assert_eq!(shown["max_cost"], 2.5);
    let refused = client.refused("run_start", json!({"plan": plan, "max_cost": -1}));
    assert!(refused.contains("max_cost"), "{refused}");
    scene.configure("[run]\nmax_cost = 4\n[workers.mine]\ncommand = [\"true\"]\n");
    assert_eq!(
        client.call("run_start", json!({"plan": plan}))["max_cost"],
        4.0
    );
    assert!(scene.run_names().is_empty());
}

#[test]
fn a_worker_starts_no_run_unless_that_is_allowed() {
    let mut scene = scene();
    let mut gate = Gate::new(&scene, "gate");
    let plan = scene.plan(&format!(
        "1. [A] a\n   - run: {}; echo a > a.txt\n",
        gate.script()
    ));
    scene
        .dispatch(&["run", &plan, "--yes", "--detach"])
        .expect(0);
    gate.wait_until_reached();
    // An agent may start its servers without its own environment: the checkout tells.
    let inside = scene.worktree("a");
    let mut client = Client::with(&scene, &inside, Version::June2025, json!({}));
    let refused = client.refused("run_start", json!({"plan": ONE}));
    insta::assert_snapshot!(refused, @r"
    error: this is a worker of another dispatch, and 1 level deep is deeper than allowed
    next: workers that start workers may never end; `max_depth = 1` under `[run]` in .dispatch.toml allows it
    ");
    client.call("run_status", json!({}));
    gate.open();
    scene.dispatch(&["wait"]).expect(0);
    // The task has ended, so that the worktree belongs to no worker any more.
    client.call("run_start", json!({"plan": ONE}));

    scene.set_env("DISPATCH_DEPTH", "1");
    let mut client = Client::new(&scene, Version::June2025);
    client.refused("run_start", json!({"plan": ONE}));
    client.refused("task_cancel", json!({"run": scene.run_name(), "all": true}));
    client.refused("land", json!({}));
    scene.configure("[run]\nmax_depth = 1\n");
    client.call("run_start", json!({"plan": ONE}));
}

#[test]
fn a_failed_task_is_explained_and_retried() {
    let scene = scene();
    let plan = "# Flaky\n\n1. [A] a\n   - run: test -e ../fixed || { echo oops; exit 1; }; echo a > a.txt\n";
    let mut client = Client::new(&scene, Version::June2025);
    let run = start(&mut client, plan);
    assert_eq!(wait_for_end(&mut client, &run)["exit"], 3);
    let report = client.call("run_report", json!({}));
    assert_eq!(report["kind"], "failure");
    let log = client.call("task_log", json!({"task": "A"}));
    assert_eq!(log["log"]["text"], "oops\n");
    let cut = client.call("task_log", json!({"task": "1", "limit": 2, "since": 1}));
    assert_eq!(cut["log"]["text"], "op");
    assert!(
        cut["hint"].as_str().unwrap().contains("`since: 3`"),
        "{cut}"
    );
    let refused = client.refused("task_retry", json!({"task": "1", "worker": "nobody"}));
    assert!(refused.contains("has no worker"), "{refused}");
    std::fs::write(scene.worktree("a").parent().unwrap().join("fixed"), "").unwrap();
    client.call("task_retry", json!({"task": 1}));
    assert_eq!(wait_for_end(&mut client, &run)["exit"], 0);
}

#[test]
fn a_wait_reports_progress_and_a_cancelled_task_ends_it() {
    let scene = scene();
    let mut gate = Gate::new(&scene, "gate");
    let plan = format!(
        "# Wait\n\n1. [A] a\n   - run: {}; echo a > a.txt\n2. [B] b\n   - run: true\n",
        gate.script()
    );
    let mut client = Client::new(&scene, Version::November2025);
    let run = start(&mut client, &plan);
    gate.wait_until_reached();
    let refused = client.refused("task_retry", json!({"run": run, "task": "1"}));
    assert!(refused.contains("is being driven"), "{refused}");
    let refused = client.refused("land", json!({"run": run}));
    assert!(refused.contains("is being driven"), "{refused}");
    let waiting = json!({
        "name": "run_wait",
        "arguments": {"run": run},
        "_meta": {"progressToken": "mine"},
    });
    let waiting = client.begin("tools/call", waiting);
    let first = client.read().unwrap();
    assert_eq!(first["method"], "notifications/progress", "{first}");
    assert_eq!(first["params"]["progressToken"], "mine");
    assert_eq!(first["params"]["total"], 2.0);
    client.call("task_cancel", json!({"run": run, "task": "A"}));
    let waited = client.finish(waiting);
    let waited = &waited["result"]["structuredContent"];
    assert_eq!(
        (&waited["ended"], &waited["exit"]),
        (&json!(true), &json!(3))
    );
    gate.open();
}

#[test]
fn a_client_with_tasks_gets_the_wait_as_a_task() {
    let scene = scene();
    let mut gate = Gate::new(&scene, "gate");
    let plan = format!(
        "# Task\n\n1. [A] a\n   - run: {}; echo a > a.txt\n",
        gate.script()
    );
    let tasks = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
    let mut client = Client::with(&scene, &scene.repo, Version::July2026, tasks);
    start(&mut client, &plan);
    gate.wait_until_reached();
    let created = client.result("run_wait", json!({}));
    assert_eq!(created["resultType"], "task", "{created}");
    let id = &created["taskId"];
    let task = client.request("tasks/get", json!({"taskId": id}));
    assert_eq!(task["result"]["status"], "working", "{task}");
    gate.open();
    scene.dispatch(&["wait"]).expect(0);
    let done = loop {
        let task = client.request("tasks/get", json!({"taskId": id}))["result"].clone();
        if task["status"] != "working" {
            break task;
        }
    };
    assert_eq!(done["status"], "completed", "{done}");
    assert_eq!(done["result"]["structuredContent"]["exit"], 0);
    let unknown = client.request("tasks/get", json!({"taskId": "none"}));
    assert!(unknown["error"]["message"].is_string(), "{unknown}");
}

#[test]
fn nonsense_is_answered_and_the_server_stays_up() {
    let scene = scene();
    for version in Version::ALL {
        let mut client = Client::unopened(&scene, &scene.repo, version, json!({}));
        client.send_line("this is no JSON");
        let garbled = client.read().unwrap();
        assert_eq!(garbled["error"]["code"], -32700, "{garbled}");
        client.send_line("");
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        client.send(&json!({"jsonrpc": "2.0", "id": 7, "result": {}}));
        // Calls before the connection is open.
        let call = json!({"name": "history", "arguments": {}});
        client.send(&json!({"jsonrpc": "2.0", "id": 8, "method": "tools/call", "params": call}));
        let early = client.read().unwrap();
        assert_eq!(
            (&early["id"], &early["error"]["code"]),
            (&json!(8), &json!(-32600))
        );
        let message = early["error"]["message"].as_str().unwrap();
        assert!(
            message.starts_with("tools/call came before initialize: send"),
            "{message}"
        );
        client.send(&json!({"jsonrpc": "2.0", "id": 9, "method": "initialize", "params": {}}));
        let wrong = client.read().unwrap();
        assert_eq!(
            (&wrong["id"], &wrong["error"]["code"]),
            (&json!(9), &json!(-32602))
        );
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "1999-01-01",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({"_meta": meta});
        client.send(&json!({"jsonrpc": "2.0", "id": 10, "method": "tools/list", "params": params}));
        let old = client.read().unwrap();
        assert_eq!(
            (&old["id"], &old["error"]["code"]),
            (&json!(10), &json!(-32022))
        );
        client.open();
        client.send_line("{\"jsonrpc\": \"2.0\", \"id\":");
        assert_eq!(client.read().unwrap()["error"]["code"], -32700);
        client.send(&json!({"id": 5, "method": "tools/list"}));
        let incomplete = client.read().unwrap();
        assert_eq!(
            (&incomplete["id"], &incomplete["error"]["code"]),
            (&json!(5), &json!(-32600))
        );
        let unknown = client.request("no/such/method", json!({}));
        assert_eq!(unknown["error"]["code"], -32601, "{unknown}");
        let wrong = client.request("tools/call", json!({"arguments": {}}));
        assert_eq!(wrong["error"]["code"], -32602, "{wrong}");
        let unknown = client.request("tools/call", json!({"name": "no_such_tool"}));
        assert!(
            unknown["error"]["message"]
                .as_str()
                .unwrap()
                .contains("no_such_tool")
        );
        let refused = client.refused("run_status", json!({"runn": "shop"}));
        assert!(refused.contains("unknown field `runn`"), "{refused}");
        let refused = client.refused("task_log", json!({"task": [4]}));
        assert!(refused.contains("invalid arguments"), "{refused}");
        let refused = client.refused("run_status", json!({"run": "other-aaaa"}));
        assert!(
            refused.contains("there is no run \"other-aaaa\""),
            "{refused}"
        );
        assert!(refused.contains("a run of another one"), "{refused}");
        let refused = client.refused("run_start", json!({"plan": "1. [A] a — blocked by #1\n"}));
        assert!(refused.contains("the plan is invalid"), "{refused}");
        let refused = client.refused("run_start", json!({"plan": ONE, "base": "nowhere"}));
        assert!(refused.contains("names no commit"), "{refused}");
        client.call("plan_schema", json!({}));
        assert_eq!(client.close(), Some(0));
    }
}

#[test]
fn a_client_that_closes_in_the_middle_leaves_nothing_behind_but_the_run() {
    let scene = scene();
    let mut gate = Gate::new(&scene, "gate");
    let plan = format!(
        "# Middle\n\n1. [A] a\n   - run: {}; echo a > a.txt\n",
        gate.script()
    );
    let before = names_in(&scene);
    let mut client = Client::new(&scene, Version::June2025);
    let run = start(&mut client, &plan);
    gate.wait_until_reached();
    client.begin(
        "tools/call",
        json!({"name": "run_wait", "arguments": {"run": run}}),
    );
    client.send_line("{\"jsonrpc\": \"2.0\", \"id\": 99, \"method\": \"tools/ca");
    let server = client.pid();
    let closed = std::time::Instant::now();
    assert_eq!(client.close(), Some(0));
    // The wait ends with the connection; the library alone would take five seconds.
    assert!(closed.elapsed() < std::time::Duration::from_secs(4));
    assert!(!std::path::Path::new(&format!("/proc/{server}")).exists());
    gate.open();
    scene.dispatch(&["wait", &run]).expect(0);
    let mut now = names_in(&scene);
    now.retain(|name| !before.contains(name));
    assert_eq!(now, ["shop.dispatch"]);

    // Even before the connection is open.
    let client = Client::unopened(&scene, &scene.repo, Version::June2025, json!({}));
    assert_eq!(client.close(), Some(0));
}

fn names_in(scene: &Scene) -> Vec<String> {
    let entries = std::fs::read_dir(&scene.root).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn outside_of_a_repository_the_roots_of_the_client_are_asked_for() {
    let scene = scene();
    let mut client = Client::with(&scene, &scene.root, Version::June2025, json!({}));
    let refused = client.refused("history", json!({}));
    assert!(refused.contains("as `repository`"), "{refused}");
    let named = client.call("history", json!({"repository": scene.repo}));
    assert_eq!(named["runs"], json!([]));
    let other = Scene::new();
    let mut inside = Client::new(&scene, Version::June2025);
    inside.call("history", json!({"repository": scene.repo.join("src")}));
    let refused = inside.refused("history", json!({"repository": other.repo}));
    assert!(refused.contains("this server works in"), "{refused}");
    assert_eq!(
        client.call("plan_validate", json!({"plan": ONE}))["valid"],
        true
    );

    let roots = json!({"roots": [{"uri": format!("file://{}", scene.repo.display())}]});
    let capabilities = json!({"roots": {}});
    let mut client = Client::with(
        &scene,
        &scene.root,
        Version::November2025,
        capabilities.clone(),
    );
    client.answers = json!({"roots/list": roots});
    assert_eq!(client.call("history", json!({}))["runs"], json!([]));

    let mut client = Client::with(&scene, &scene.root, Version::July2026, capabilities);
    let asked = client.result("history", json!({}));
    assert_eq!(
        asked["inputRequests"]["roots"]["method"], "roots/list",
        "{asked}"
    );
    let params = json!({"name": "history", "arguments": {}, "inputResponses": {"roots": roots}});
    let answer = client.request("tools/call", params);
    assert_eq!(
        answer["result"]["structuredContent"]["runs"],
        json!([]),
        "{answer}"
    );
}
