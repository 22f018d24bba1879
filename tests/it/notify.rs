//! `[notify]`: the notifications of a run, which never affect it.

use serde_json::Value;

use crate::harness::{NOW, Scene};

fn telling(script: &str) -> Scene {
    let scene = Scene::new();
    let limit = "echo \"You've hit your usage limit. Try again at 11:00 AM.\"; exit 1\n";
    let (tell, agent) = (scene.root.join("tell.sh"), scene.root.join("agent.sh"));
    std::fs::write(&tell, script).unwrap();
    std::fs::write(&agent, limit).unwrap();
    scene.configure(&format!(
        "transient = 0\n[notify]\ncommand = [\"sh\", {tell:?}, \"extra\"]\n\
         [workers.agent]\ncommand = [\"sh\", {agent:?}]\n"
    ));
    scene
}

fn told(scene: &Scene) -> Vec<Value> {
    let told = std::fs::read_to_string(scene.root.join("told")).unwrap_or_default();
    told.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn story(told: &[Value]) -> String {
    let lines = told.iter().map(|told| {
        let text = |key: &str| told[key].as_str().unwrap_or("-").to_owned();
        let task = &told["task"];
        format!(
            "{} {} {} | {}",
            text("event"),
            task["tag"],
            told["exit"],
            text("message")
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn keys(value: &Value) -> Vec<&String> {
    value.as_object().unwrap().keys().collect()
}

/// Returns the object in the chapter on JSON.
fn sample() -> Value {
    let chapter = include_str!("../../docs/json.md");
    let blocks = chapter.split("```json\n").skip(1);
    let mut blocks = blocks.filter_map(|block| block.split("```").next());
    let block = blocks.find(|block| block.contains("\"task-failed\""));
    serde_json::from_str(block.unwrap()).unwrap()
}

const PLAN: &str = "# Shop\n\n1. [A] Pass\n   - run: echo a > a.txt\n\
                    2. [B] Fail\n   - run: echo broken; exit 1\n\
                    3. [C] Wait\n   - worker: agent\n4. [D] Wait, too\n   - worker: agent\n";

#[test]
fn a_program_is_told_what_a_person_may_want_to_know() {
    // It leaves its mark outside the repository.
    let scene = telling("cat >> \"$HOME/../told\"; test \"$1\" = extra\n");
    let ended = scene.run(PLAN, &["-j", "1"]).expect(3);
    assert!(!ended.err.contains("notif"), "{}", ended.err);
    let told = told(&scene);
    insta::assert_snapshot!(story(&told), @r#"
    task-failed "B" null | #2 Fail failed: broken
    quota-parked "C" null | agent is parked until 2026-11-22 11:00 UTC: You've hit your usage limit. Try again at 11:00 AM.
    run-ended null 3 | Shop has ended: 1 of 4 done, 1 failed
    attention-needed null 3 | Shop needs attention
    "#);
    let failed = &told[0];
    assert_eq!(failed["version"], 1);
    assert_eq!(failed["time"], NOW);
    assert_eq!(failed["repository"], scene.repo.to_str().unwrap());
    assert_eq!(failed["cost"], Value::Null, "nobody said");
    assert_eq!(failed["task"]["class"], "logic");
    assert_eq!(keys(failed), keys(&sample()), "docs/json.md shows it");
    let parked = told
        .iter()
        .find(|told| told["event"] == "quota-parked")
        .unwrap();
    assert!(
        parked["until"]
            .as_str()
            .unwrap()
            .starts_with("2026-11-22T11:00:00")
    );
}

#[test]
fn a_program_that_fails_is_said_once_and_nothing_else_changes() {
    let scene = telling("echo no route >&2; exit 7\n");
    let ended = scene.run(PLAN, &[]).expect(3);
    let said: Vec<&str> = ended
        .err
        .lines()
        .filter(|line| line.contains("notif"))
        .collect();
    insta::assert_snapshot!(said.join("\n"), @"notification failed: the command of [notify] ended with exit status: 7: no route");
    insta::assert_snapshot!(scene.statuses(), @"1 DONE · 2 FAILED · 3 QUEUED · 4 QUEUED");
    // A program that is not there.
    let scene = Scene::new();
    scene.configure("[notify]\ncommand = [\"no-such-program\"]\n");
    let ended = scene
        .run("1. [A] One\n   - run: echo a > a.txt\n", &[])
        .expect(0);
    let said: Vec<&str> = ended
        .err
        .lines()
        .filter(|line| line.contains("notif"))
        .collect();
    insta::assert_snapshot!(said.join("\n"), @"notification failed: the command of [notify] could not run no-such-program: No such file or directory (os error 2)");
}

/// Creates a scene in which one task fails, with these settings of `[notify]`, and the plan's file.
fn failing(settings: &str) -> (Scene, String) {
    let scene = Scene::new();
    scene.configure(&format!("transient = 0\n[notify]\n{settings}\n"));
    let plan = scene.plan("# Shop\n\n1. [A] Fail\n   - run: echo broken; exit 1\n");
    (scene, plan)
}

#[test]
fn the_bell_rings_on_a_terminal_and_nowhere_else() {
    let bells = |sent: &[u8]| sent.iter().filter(|byte| **byte == 7).count();
    let (scene, plan) = failing("bell = true");
    let sent = scene.dispatch_on_terminal(&["run", &plan, "--yes"]);
    let said = String::from_utf8_lossy(&sent).into_owned();
    assert!(said.contains("broken"), "{said}");
    assert!(bells(&sent) >= 1, "{said}");
    let (scene, plan) = failing("bell = true");
    let ended = scene.dispatch(&["run", &plan, "--yes"]).expect(3);
    assert_eq!(bells(ended.err.as_bytes()) + bells(ended.out.as_bytes()), 0);
    let (scene, plan) = failing("bell = false");
    let sent = scene.dispatch_on_terminal(&["run", &plan, "--yes"]);
    assert_eq!(bells(&sent), 0, "{}", String::from_utf8_lossy(&sent));
}

#[test]
fn the_desktop_is_told_by_its_own_program() {
    let shown = |settings: &str| {
        let (mut scene, plan) = failing(settings);
        let bin = scene.root.join("bin");
        std::fs::create_dir(&bin).unwrap();
        let program = bin.join("notify-send");
        let shown = scene.root.join("shown");
        let script = format!(
            "#!/bin/sh\nprintf '%s|' \"$@\" >> {0}; echo >> {0}\n",
            shown.display()
        );
        std::fs::write(&program, script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
        let path = std::env::var("PATH").unwrap();
        scene.set_env("PATH", &format!("{}:{path}", bin.display()));
        let ended = scene.dispatch(&["run", &plan, "--yes"]).expect(3);
        assert!(!ended.err.contains("notif"), "{}", ended.err);
        std::fs::read_to_string(shown).unwrap_or_default()
    };
    insta::assert_snapshot!(shown("desktop = true"), @r"
    --app-name=dispatch|dispatch|#1 Fail failed: broken|
    --app-name=dispatch|dispatch|Shop has ended: 0 of 1 done, 1 failed|
    --app-name=dispatch|dispatch|Shop needs attention|
    ");
    assert_eq!(shown("desktop = false"), "");
}

/// Answers one request, and returns its header lines and its body.
fn one_request(listener: std::net::TcpListener) -> std::thread::JoinHandle<(Vec<String>, String)> {
    use std::io::{BufRead, BufReader, Read, Write};

    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let length = head
            .iter()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .unwrap();
        (head, String::from_utf8(body).unwrap())
    })
}

#[test]
fn a_webhook_gets_a_signed_object() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let mut scene = Scene::new();
    scene.set_env("SHOP_HOOK", &url);
    scene.set_env("SHOP_SECRET", "Jefe");
    scene.configure("[notify]\nwebhook = \"$SHOP_HOOK\"\nwebhook_secret = \"$SHOP_SECRET\"\n");
    let server = one_request(listener);
    scene
        .run("# One\n\n1. [A] a\n   - run: echo a > a.txt\n", &[])
        .expect(0);
    let (head, body) = server.join().unwrap();
    assert!(head[0].starts_with("POST /hook "), "{head:?}");
    let body_value: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body_value["event"], "run-ended");
    let code = git_dispatch::base::hmac::hmac_sha256(b"Jefe", [body.as_bytes()]);
    let signature = format!("X-Hub-Signature-256: sha256={code}");
    assert!(head.contains(&signature), "{head:?}");
}

#[test]
fn a_webhook_without_its_variable_is_named_and_changes_nothing() {
    let scene = Scene::new();
    scene.configure("[notify]\nwebhook = \"$NO_SUCH_HOOK\"\n");
    let ended = scene
        .run("# One\n\n1. [A] a\n   - run: echo a > a.txt\n", &[])
        .expect(0);
    let said = "[notify] webhook names NO_SUCH_HOOK, which is not set";
    assert!(ended.err.contains(said), "{}", ended.err);
}

#[test]
fn a_webhook_that_does_not_answer_holds_up_nobody() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut scene = Scene::new();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    scene.set_env("SHOP_HOOK", &url);
    scene.configure("[notify]\nwebhook = \"$SHOP_HOOK\"\n");
    let plan = scene.plan("# One\n\n1. [A] a\n   - run: echo a > a.txt\n");
    let run = scene.command(env!("CARGO_BIN_EXE_dispatch"));
    let mut run = { run }
        .args(["run", &plan, "--yes"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The end of the run is being posted.
    let (stream, _) = listener.accept().unwrap();
    let landed = loop {
        let landed = scene.dispatch(&["land", "--yes"]);
        if !landed.err.contains("another dispatch drives") {
            break landed;
        }
    };
    landed.expect(0);
    assert!(run.try_wait().unwrap().is_none());
    drop((stream, listener));
    let ended = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{said}");
    assert!(said.contains("the webhook of [notify]"), "{said}");
}

#[test]
fn a_webhook_that_leads_elsewhere_is_an_error() {
    use std::io::Write;

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut scene = Scene::new();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    scene.set_env("SHOP_HOOK", &url);
    scene.configure("[notify]\nwebhook = \"$SHOP_HOOK\"\n");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let answer = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let ended = scene
        .run("# One\n\n1. [A] a\n   - run: echo a > a.txt\n", &[])
        .expect(0);
    server.join().unwrap();
    assert!(ended.err.contains("notification failed"), "{}", ended.err);
}
