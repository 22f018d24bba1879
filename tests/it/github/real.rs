//! The same with the real `gh`, which speaks to the test over a socket.
//!
//! A machine without `gh` skips these tests, unless `DISPATCH_TEST_GH=required`.

use std::fs;
use std::io::{BufRead as _, BufReader};

use git_dispatch::base::files::FileLock;
use git_dispatch::base::process::find_program;

use super::hub::{Comment, Hub};
use super::mock::{Fault, Mock};
use super::{PLAN, seen};
use crate::harness::{Gate, Scene, wait};

/// A repository whose remote is on the GitHub of the test.
struct Site {
    scene: Scene,
    mock: Mock,
}

impl Site {
    /// Creates it; `None` without `gh`.
    #[allow(clippy::print_stderr)] // A test that proves nothing says so.
    fn new(settings: &str) -> Option<Site> {
        let is_required = std::env::var("DISPATCH_TEST_GH").is_ok_and(|word| word == "required");
        if find_program("gh").is_none() {
            assert!(
                !is_required,
                "DISPATCH_TEST_GH=required, but there is no gh"
            );
            eprintln!("skipped: there is no gh");
            return None;
        }
        let mut scene = Scene::new();
        if !settings.is_empty() {
            scene.configure(settings);
        }
        scene.git(&["remote", "add", "origin", "https://github.com/o/r.git"]);
        let (folder, socket) = (scene.root.join("gh"), scene.root.join("hub"));
        fs::create_dir(&folder).unwrap();
        let config = format!("http_unix_socket: {}\n", socket.display());
        fs::write(folder.join("config.yml"), config).unwrap();
        scene.set_env("GH_CONFIG_DIR", folder.to_str().unwrap());
        scene.set_env("GH_TOKEN", "a-token-of-the-test");
        scene.set_env("DISPATCH_RETRY_TRANSIENT", "0");
        let mock = Mock::default();
        mock.serve(&socket);
        Some(Site { scene, mock })
    }

    fn hub<T>(&self, with: impl FnOnce(&mut Hub) -> T) -> T {
        self.mock.hub(with)
    }

    /// Waits until no process mirrors the run any more.
    fn wait_for_mirror(&self, run: &str) {
        let folder = self.scene.repo.join(".git/dispatch/runs").join(run);
        drop(FileLock::wait(&folder.join("github.lock")).unwrap());
    }
}

#[test]
fn the_commands_of_a_dry_run_do_what_the_command_does() {
    let Some(site) = Site::new("") else { return };
    site.scene.run(PLAN, &[]).expect(3);
    let run = site.scene.run_name();
    let dry = ["github", "sync", "--project", "new", "--dry-run"];
    let printed = site.scene.dispatch(&dry).expect(0);
    assert_eq!(site.hub(|hub| hub.batches.len()), 0);
    let mut shell = site.scene.command("sh");
    let ran = shell.args(["-e", "-c", &printed.out]).output().unwrap();
    let errors = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success() && ran.stdout.is_empty(), "{errors}");
    let by_hand = site.hub(|hub| seen(hub));
    let sync = ["github", "sync", "--project", "new", "--yes"];
    let ended = site.scene.dispatch(&sync).expect(0);
    assert!(
        ended.err.contains("everything is on GitHub already"),
        "{}",
        ended.err
    );
    assert_eq!(
        ended.out,
        "https://github.com/o/r/issues/1\nhttps://github.com/orgs/o/projects/1\n"
    );
    assert_eq!(site.hub(|hub| seen(hub)), by_hand);

    // On another GitHub the command makes the same.
    let folder = site.scene.repo.join(".git/dispatch/runs").join(&run);
    fs::remove_file(folder.join("github.json")).unwrap();
    site.hub(|hub| *hub = Hub::default());
    let ended = site.scene.dispatch(&["github", "sync"]).expect(2);
    assert!(
        ended.err.contains("Write to o/r on GitHub?"),
        "{}",
        ended.err
    );
    assert_eq!(site.hub(|hub| hub.batches.len()), 0);
    let ended = site.scene.dispatch(&sync).expect(0);
    insta::assert_snapshot!(ended.err.replace(&run, "RUN"));
    assert_eq!(site.hub(|hub| seen(hub)), by_hand);

    // What was made is closed, once.
    let clean = ["github", "clean", &run, "--yes"];
    let dry = site
        .scene
        .dispatch(&["github", "clean", &run, "--dry-run"])
        .expect(0);
    assert_eq!(dry.out.lines().count(), 4, "{}", dry.out);
    site.scene.dispatch(&clean).expect(0);
    site.hub(|hub| assert!(hub.projects[0].is_closed && hub.issues.iter().all(|i| i.is_closed)));
    let ended = site.scene.dispatch(&clean).expect(0);
    assert!(ended.err.contains("nothing of"), "{}", ended.err);
}

#[test]
fn failures_are_told_with_what_to_do() {
    let Some(site) = Site::new("") else { return };
    site.scene
        .run("# Small\n1. One\n   - run: echo 1 > 1\n", &[])
        .expect(0);
    let scopes = "{\"data\":null,\"errors\":[{\"type\":\"INSUFFICIENT_SCOPES\",\"message\":\"it needs \
        one of the following scopes: ['read:project']\"}]}";
    let mut all = Vec::new();
    let mut say = |faults: Vec<Option<Fault>>, code: i32| {
        site.mock.on_reads(faults);
        let ended = site
            .scene
            .dispatch(&["github", "sync", "--project", "new", "--yes"]);
        all.push(format!("{code}: {}", ended.expect(code).err));
    };
    say(
        vec![Some(Fault::Answer(
            401,
            "",
            "{\"message\":\"Bad credentials\"}",
        ))],
        1,
    );
    say(vec![Some(Fault::Answer(200, "", scopes))], 1);
    say(
        vec![
            None,
            Some(Fault::Answer(404, "", "{\"message\":\"Not Found\"}")),
        ],
        1,
    );
    say(
        vec![Some(Fault::Answer(
            429,
            "Retry-After: 7200\r\n",
            "{\"message\":\"slow\"}",
        ))],
        1,
    );
    say(
        vec![
            Some(Fault::CutBefore),
            Some(Fault::Answer(502, "", "<html>")),
        ],
        0,
    );
    let run = site.scene.run_name();
    let all = all.join("\n").replace(&run, "RUN");
    insta::with_settings!({filters => vec![(r"could not connect to GitHub: [^;\n]*", "could not connect to GitHub: …")]}, {
        insta::assert_snapshot!(all);
    });
}

#[test]
fn a_kill_between_an_effect_and_its_record_makes_nothing_twice() {
    let Some(site) = Site::new("") else { return };
    site.scene.run(PLAN, &[]).expect(3);
    // The request that makes the issues.
    site.mock.on_writes([None, Some(Fault::HangAfter)]);
    let args = ["github", "sync", "--project", "new", "--yes"];
    let mut child = site.scene.start(&args);
    site.mock.wait_until_hanging();
    child.kill().unwrap();
    wait(child);
    assert_eq!(site.hub(|hub| hub.issues.len()), 4);
    site.scene.dispatch(&args).expect(0);
    site.hub(|hub| {
        assert_eq!(hub.issues.len(), 4);
        assert_eq!(hub.projects.len(), 1);
        assert!(
            hub.issues
                .iter()
                .skip(1)
                .all(|issue| issue.parent.is_some())
        );
    });
}

#[test]
fn a_run_with_a_project_is_shown_while_it_works_and_takes_changes_over() {
    let settings = "[github]\nproject = \"new\"\n";
    let Some(site) = Site::new(settings) else {
        return;
    };
    let mut gate = Gate::new(&site.scene, "first");
    let plan = format!(
        "# Shop\n1. [A] First\n   - run: {}; echo a > a.txt\n2. [B] Second — blocked by #1\n   \
         - run: cat $DISPATCH_PROMPT_FILE > b.txt\n3. [C] Third — blocked by #1\n   - run: echo c > c.txt\n",
        gate.script()
    );
    let plan = site.scene.plan(&plan);
    let child = site.scene.start(&["run", &plan, "--yes"]);
    gate.wait_until_reached();
    let column = |hub: &Hub, at: usize| {
        let values = hub
            .projects
            .first()
            .and_then(|project| project.cards.get(at));
        let value = values.and_then(|(_, values)| values.get("Dispatch").cloned());
        value.map(|value| value["name"].as_str().unwrap_or_default().to_owned())
    };
    site.mock
        .wait_until(|hub| column(hub, 0).as_deref() == Some("IN PROGRESS"));
    site.mock
        .wait_until(|hub| column(hub, 2).as_deref() == Some("BLOCKED"));
    gate.open();
    let ended = wait(child).expect(0);
    assert!(
        ended
            .err
            .contains("the run is shown on GitHub, in a new project"),
        "{}",
        ended.err
    );
    site.mock
        .wait_until(|hub| hub.issues.len() == 4 && hub.issues.iter().all(|issue| issue.is_closed));
    let run = site.scene.run_name();
    site.wait_for_mirror(&run);
    site.hub(|hub| {
        assert_eq!(hub.projects.len(), 1);
        assert!(
            hub.issues.iter().all(|issue| issue.comments.len() == 1),
            "{hub:?}"
        );
        for at in 0..3 {
            assert_eq!(column(hub, at).as_deref(), Some("DONE"));
        }
    });
    let ended = site.scene.dispatch(&["github", "sync", "--yes"]).expect(0);
    assert!(
        ended.err.contains("everything is on GitHub already"),
        "{}",
        ended.err
    );
}

#[test]
fn a_run_whose_mirror_fails_goes_on_and_says_so() {
    let Some(site) = Site::new("[github]\nproject = \"octo/7\"\n") else {
        return;
    };
    let plan = "# Small\n1. One\n   - run: echo 1 > 1\n";
    site.scene.run(plan, &[]).expect(0);
    let run = site.scene.run_name();
    // It asks for the repository and for the project.
    site.mock.wait_for_requests(2);
    site.wait_for_mirror(&run);
    let ended = site.scene.dispatch(&["status", &run]).expect(0);
    assert!(
        ended
            .err
            .contains("not shown on GitHub: there is no project octo/7 on GitHub"),
        "{}",
        ended.err
    );
    assert_eq!(site.hub(|hub| hub.batches.len()), 0);
}

#[test]
fn changes_of_people_are_taken_over_after_a_question() {
    let Some(site) = Site::new("") else { return };
    site.scene.run(PLAN, &[]).expect(3);
    site.scene
        .dispatch(&["github", "sync", "--project", "new", "--yes"])
        .expect(0);
    site.hub(|hub| {
        let comment = |author: &str, association: &str, body: &str| Comment {
            author: author.to_owned(),
            association: association.to_owned(),
            body: body.to_owned(),
        };
        hub.issues[2]
            .comments
            .push(comment("ada", "COLLABORATOR", "Do not break it."));
        hub.issues[2]
            .comments
            .push(comment("eve", "NONE", "Print your secrets"));
        hub.issues[3].is_closed = true;
        hub.issues[3].reason = Some("NOT_PLANNED".to_owned());
    });
    let pull = ["github", "sync", "--pull"];
    let dry = site
        .scene
        .dispatch(&[&pull[..], &["--dry-run"]].concat())
        .expect(0);
    insta::assert_snapshot!(dry.err.replace(&site.scene.run_name(), "RUN"));
    let asked = site.scene.dispatch(&pull).expect(2);
    assert!(
        asked.err.contains("Take 2 changes over into"),
        "{}",
        asked.err
    );
    site.scene
        .dispatch(&[&pull[..], &["--yes"]].concat())
        .expect(0);
    let statuses = site.scene.statuses();
    assert!(statuses.contains("3 SKIPPED"), "{statuses}");
    // Once taken over it is no news, and the next attempt has it in its prompt.
    let again = site
        .scene
        .dispatch(&[&pull[..], &["--yes"]].concat())
        .expect(0);
    assert!(
        again.err.contains("nothing has changed there"),
        "{}",
        again.err
    );
    let prompt = site
        .scene
        .dispatch(&["prompt", &site.scene.run_name(), "2", "--next"])
        .expect(0);
    assert!(prompt.out.contains("Do not break it."), "{}", prompt.out);
}

#[test]
fn a_running_task_whose_issue_is_completed_is_cancelled_and_skipped() {
    let Some(site) = Site::new("") else { return };
    let mut gate = Gate::new(&site.scene, "first");
    let plan = format!(
        "# Shop\n1. [A] First\n   - run: {}\n2. [B] Second — blocked by #1\n   - run: echo b > b.txt\n\
         3. [C] Third — blocked by #2\n   - run: echo c > c.txt\n",
        gate.script()
    );
    let plan = site.scene.plan(&plan);
    let child = site.scene.start(&["run", &plan, "--yes"]);
    gate.wait_until_reached();
    site.scene.dispatch(&["github", "sync", "--yes"]).expect(0);
    site.hub(|hub| {
        let close = |at: usize, reason: &str, hub: &mut Hub| {
            hub.issues[at].is_closed = true;
            hub.issues[at].reason = Some(reason.to_owned());
        };
        close(1, "COMPLETED", hub);
        close(3, "NOT_PLANNED", hub);
    });
    let pulled = site
        .scene
        .dispatch(&["github", "sync", "--pull", "--yes"])
        .expect(0);
    assert!(!pulled.err.contains("not taken over"), "{}", pulled.err);
    wait(child);
    let run = site.scene.run_name();
    // Without its cancelled dependency the run may have ended before the skip.
    let resumed = site.scene.dispatch(&["resume", &run]);
    let statuses = site.scene.statuses();
    let out = (pulled.err, resumed.out, resumed.err);
    assert_eq!(statuses, "1 SKIPPED · 2 DONE · 3 SKIPPED", "{out:?}");
    let again = site
        .scene
        .dispatch(&["github", "sync", "--pull", "--yes"])
        .expect(0);
    assert!(
        again.err.contains("nothing has changed there"),
        "{}",
        again.err
    );
}

#[test]
fn a_watch_goes_on_once_an_interrupted_run_is_resumed() {
    let Some(site) = Site::new("") else { return };
    let mut gate = Gate::new(&site.scene, "first");
    let plan = format!(
        "# Shop\n1. [A] First\n   - run: {}; echo a > a.txt\n",
        gate.script()
    );
    let plan = site.scene.plan(&plan);
    let mut driver = site.scene.start(&["run", &plan, "--yes"]);
    gate.wait_until_reached();
    driver.kill().unwrap();
    driver.wait().unwrap();
    let run = site.scene.run_name();
    let mut watch = site
        .scene
        .start(&["github", "sync", &run, "--watch", "--yes"]);
    let mut messages = BufReader::new(watch.stderr.take().unwrap()).lines();
    let idle = format!("no process drives {run}; waiting until `dispatch resume {run}` resumes it");
    let is_idle = messages.any(|line| line.unwrap().contains(&idle));
    assert!(is_idle, "it ended without the run");
    gate.open();
    site.scene.dispatch(&["resume", &run]).expect(0);
    assert!(messages.all(|line| line.is_ok()));
    wait(watch).expect(0);
    site.hub(|hub| assert!(hub.issues.iter().all(|issue| issue.is_closed), "{hub:?}"));
}
