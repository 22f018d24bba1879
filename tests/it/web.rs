//! `dispatch web`: pages in a browser and on disk, of real runs.

mod browser;
pub(crate) mod client;
pub(crate) mod markup;

use std::fs;

use crate::harness::{Gate, Scene, wait};
use client::Site;

/// Two tasks that conflict, one that fails, and one that it blocks.
const PLAN: &str = "\
# Shop

1. [A] First
   - run: echo first > both.txt
2. [B] Second
   - run: echo second > both.txt
3. [C] Third
   - run: exit 3
4. [D] Fourth — blocked by #3
   - run: echo fourth > fourth.txt
";

fn scene() -> Scene {
    let mut scene = Scene::new();
    // Else the conflict would be dispatched again.
    scene.set_env("DISPATCH_RETRY_CONFLICT", "0");
    scene
}

#[test]
fn every_page_of_a_run_is_served_and_says_what_the_commands_say() {
    let scene = scene();
    scene.run(PLAN, &[]).expect(3);
    let run = scene.run_name();
    let site = Site::start(&scene, &[]);
    assert!(site.get("/index.html").body.contains(&run));
    let board = site.page(&run, "board.html");
    for (number, status) in [(1, "DONE"), (3, "FAILED"), (4, "BLOCKED (by #3)")] {
        let row = board.split(&format!("task-{number}.html")).nth(2).unwrap();
        let row = row.split("</tr>").next().unwrap();
        assert!(row.contains(status), "{number}: {row}");
    }
    assert!(board.contains("content") && board.contains("pair-1-2.html"));
    let pair = site.page(&run, "pair-1-2.html");
    let explained = scene.dispatch(&["conflicts", &run, "--explain", "1:2"]);
    let command = explained.out.split("Reproduce\n  ").nth(1).unwrap().trim();
    // Without `merge-tree --merge-base` it is a list of commands.
    let command = command.replace('&', "&amp;");
    assert!(pair.contains(&command), "{pair}");
    assert!(
        pair.contains("<ins>first</ins>") && pair.contains("<ins>second</ins>"),
        "{pair}"
    );
    let task = site.page(&run, "task-3.html");
    assert!(
        task.contains("failed: exit code 3") || task.contains("exit"),
        "{task}"
    );
    assert!(site.page(&run, "task-1.html").contains("both.txt"));
    assert!(
        site.page(&run, "timeline.html")
            .contains("attempt 1 (shell) passed")
    );
    assert!(site.page(&run, "report.html").contains("<h2>"));
    let log = scene.dispatch(&["log", "--json"]).expect(0).out;
    let log: serde_json::Value = serde_json::from_str(&log).unwrap();
    let events = log["events"].as_array().unwrap().len();
    assert_eq!(
        site.page(&run, "history.html").matches("<time").count(),
        events
    );
    for name in ["task-9.html", "pair-1-9.html", "pair-2-1.html", "x.html"] {
        assert_eq!(site.get(&format!("/{run}/{name}")).status, 404, "{name}");
    }
    site.stop();
}

#[test]
fn a_page_follows_its_run_until_ctrl_c() {
    let scene = scene();
    let mut gate = Gate::new(&scene, "gate");
    let plan = scene.plan(&format!(
        "# One\n\n1. [A] a\n   - run: {}; echo a > a\n",
        gate.script()
    ));
    let driver = scene.start(&["run", &plan, "--yes"]);
    gate.wait_until_reached();
    let run = scene.run_name();
    let site = Site::start(&scene, &[&run]);
    assert!(site.page(&run, "board.html").contains("IN PROGRESS"));
    let mut events = site.events(&run);
    let first = events.next_version();
    assert!(first.ends_with("-running"), "{first}");
    gate.open();
    wait(driver).expect(0);
    let last = loop {
        let version = events.next_version();
        if version.ends_with("-finished") {
            break version;
        }
    };
    assert_ne!(first, last);
    let board = site.page(&run, "board.html");
    assert!(board.contains("DONE") && board.contains(&format!("data-version=\"{last}\"")));
    // A browser that is still connected does not keep the server.
    site.stop();
}

#[test]
fn an_export_opens_from_disk_and_links_only_to_itself() {
    let scene = scene();
    scene.run(PLAN, &[]).expect(3);
    let run = scene.run_name();
    let folder = scene.root.join("pages");
    let out = folder.to_str().unwrap();
    let ended = scene.dispatch(&["web", "--export", out]).expect(0);
    assert_eq!(
        ended.out.trim_end(),
        folder.join(&run).join("board.html").to_str().unwrap()
    );
    let mut names = 0;
    for file in fs::read_dir(folder.join(&run)).unwrap() {
        let file = file.unwrap().path();
        let page = fs::read_to_string(&file).unwrap();
        assert!(
            !page.contains("<script") && !page.contains("http"),
            "{}",
            file.display()
        );
        for target in markup::targets(&page) {
            let path = target.split(['#', '?']).next().unwrap();
            let path = file.parent().unwrap().join(path);
            assert!(
                path.is_file() || target.starts_with('#'),
                "{}: {target}",
                file.display()
            );
        }
        names += 1;
    }
    // Five pages, four tasks, one pair.
    assert_eq!(names, 10);
    // Again into the same folder, but never into one with other files.
    scene.dispatch(&["web", "--export", out]).expect(0);
    let other = scene.repo.to_str().unwrap();
    let refused = scene.dispatch(&["web", "--export", other]).expect(1);
    assert!(refused.err.contains("has other files"), "{}", refused.err);
}

#[test]
fn the_report_is_one_file_that_needs_nothing() {
    let scene = scene();
    scene.run(PLAN, &[]).expect(3);
    let page = scene.dispatch(&["report", "--html"]).expect(0).out;
    assert!(
        page.starts_with("<!DOCTYPE html>") && page.contains("<h2>"),
        "{page}"
    );
    assert!(markup::targets(&page).is_empty() && !page.contains("<script"));
    let file = scene.root.join("report.html");
    scene
        .dispatch(&["report", &format!("--html={}", file.display())])
        .expect(0);
    assert_eq!(fs::read_to_string(file).unwrap(), page);
}

/// Returns the value of a hidden field of a page.
#[track_caller]
fn field<'a>(page: &'a str, name: &str) -> &'a str {
    let start = format!("name=\"{name}\" value=\"");
    let rest = page
        .split(&start)
        .nth(1)
        .unwrap_or_else(|| panic!("{name}: {page}"));
    rest.split('"').next().unwrap()
}

/// Confirms an action on the page that asks for it.
#[track_caller]
fn confirm(site: &Site, run: &str, action: &str, more: &str) -> client::Answer {
    let page = site.page(run, &format!("ask-{action}.html"));
    let token = field(&page, "token");
    site.post(
        &format!("/{run}/do-{action}.html"),
        &format!("token={token}{more}"),
    )
}

#[test]
fn a_run_is_reviewed_and_landed_from_its_pages() {
    let scene = scene();
    let plan = "# Two\n\n1. [A] a\n   - run: echo \"$DISPATCH_ATTEMPT\" > a\n2. [B] b\n   - run: echo b > b\n";
    scene.run(plan, &[]).expect(0);
    let run = scene.run_name();
    let quiet = Site::start(&scene, &[]);
    assert_eq!(quiet.get(&format!("/{run}/ask-land.html")).status, 404);
    assert_eq!(
        quiet
            .post(&format!("/{run}/do-land.html"), "token=x")
            .status,
        404
    );
    assert!(!quiet.page(&run, "board.html").contains("\"ask-"));
    quiet.stop();
    let site = Site::start(&scene, &["--allow-actions"]);
    let task = site.page(&run, "task-1.html");
    assert!(
        task.contains("ask-send-back-1.html?file=a&amp;line=1"),
        "{task}"
    );
    let asked = site.page(&run, "ask-send-back-1.html?file=a&line=1");
    assert!(asked.contains("tabindex=\"0\">1</pre>"), "{asked}");
    for (line, why) in [
        ("file=b&line=1", "#1 does not change b."),
        ("file=a&line=9", "a has no line &quot;9&quot;: it has 1."),
    ] {
        let refused = site.get(&format!("/{run}/ask-send-back-1.html?{line}"));
        assert_eq!(refused.status, 409, "{line}");
        assert!(refused.body.contains(why), "{}", refused.body);
        let more = format!("&{line}&text=more");
        let refused = confirm(&site, &run, "send-back-1", &more);
        assert_eq!(refused.status, 409, "{line}");
    }
    // Without the token of the form nothing happens, and a comment is needed.
    let before = scene.git(&["for-each-ref"]);
    let forged = site.post(&format!("/{run}/do-leave-out-2.html"), "token=0");
    assert_eq!(forged.status, 403);
    assert_eq!(confirm(&site, &run, "send-back-1", "&text=+").status, 409);
    assert_eq!(site.get(&format!("/{run}/do-leave-out-2.html")).status, 404);
    assert_eq!(site.get(&format!("/{run}/ask-retry-1.html")).status, 409);
    assert_eq!(scene.git(&["for-each-ref"]), before);
    let sent = confirm(
        &site,
        &run,
        "send-back-1",
        "&file=a&line=1&text=more%20of%20it",
    );
    assert_eq!(sent.status, 303, "{}", sent.body);
    scene.dispatch(&["wait", &run]).expect(0);
    assert_eq!(
        scene.git(&["show", &format!("{}:a", scene.branch("integration"))]),
        "2"
    );
    let log = scene.dispatch(&["log"]).expect(0).out;
    assert!(log.contains("(line 1 of a): more of it"), "{log}");
    assert_eq!(confirm(&site, &run, "leave-out-2", "").status, 303);
    scene.dispatch(&["wait", &run]).expect(0);
    let main = scene.rev("main");
    let page = site.page(&run, "ask-land.html");
    assert!(page.contains("#2 [B] is not included"), "{page}");
    assert_eq!(scene.rev("main"), main);
    let wrong = format!("token={}&binding=other", field(&page, "token"));
    assert_eq!(
        site.post(&format!("/{run}/do-land.html"), &wrong).status,
        409
    );
    let binding = field(&page, "binding").replace(' ', "+");
    let landed = confirm(&site, &run, "land", &format!("&binding={binding}"));
    assert_eq!(landed.status, 200, "{}", landed.body);
    assert_ne!(scene.rev("main"), main);
    assert_eq!(scene.git(&["show", "main:a"]), "2");
    assert!(site.page(&run, "board.html").contains("Landed on main"));
    site.stop();
}

#[test]
fn a_log_that_grows_is_asked_for_again_and_sent_only_when_it_has() {
    let scene = scene();
    let mut gate = Gate::new(&scene, "gate");
    let plan = scene.plan(&format!(
        "# One\n\n1. [A] a\n   - run: echo the start; {}; echo the end; echo a > a\n",
        gate.script()
    ));
    let driver = scene.start(&["run", &plan, "--yes"]);
    gate.wait_until_reached();
    let run = scene.run_name();
    let site = Site::start(&scene, &[]);
    // The output may still be on its way.
    let page = loop {
        let page = site.page(&run, "task-1.html");
        if page.contains("the start\n") {
            break page;
        }
    };
    let seen = page.split("data-seen=\"").nth(1).unwrap();
    let seen = seen.split('"').next().unwrap().to_owned();
    let again = format!("/{run}/log/1?seen={seen}");
    assert_eq!(site.get(&again).status, 204);
    let other = site.get(&format!("/{run}/log/1?seen=1-0"));
    assert!(
        other
            .body
            .starts_with("<div id=\"log-part\" data-log=\"log/1\"")
    );
    assert!(!other.body.contains("the end"), "{}", other.body);
    gate.open();
    wait(driver).expect(0);
    let ended = site.get(&again);
    assert!(ended.body.contains("the end"), "{}", ended.body);
    assert!(!ended.body.contains("data-log"), "{}", ended.body);
    assert_eq!(site.get(&format!("/{run}/log/9")).status, 404);
    assert_eq!(site.get(&format!("/{run}/log/x")).status, 404);
    site.stop();
}

#[test]
fn an_interrupted_run_is_resumed_from_its_board() {
    let scene = scene();
    let mut gate = Gate::new(&scene, "gate");
    let plan = scene.plan(&format!(
        "# One\n\n1. [A] a\n   - run: {}; echo a > a\n",
        gate.script()
    ));
    let mut driver = scene.start(&["run", &plan, "--yes"]);
    gate.wait_until_reached();
    let run = scene.run_name();
    driver.kill().unwrap();
    driver.wait().unwrap();
    let site = Site::start(&scene, &["--allow-actions"]);
    let board = site.page(&run, "board.html");
    assert!(board.contains("ask-resume.html"), "{board}");
    assert!(
        board.contains(&format!("<code>dispatch resume {run}</code>")),
        "{board}"
    );
    let refused = site.get(&format!("/{run}/ask-pause.html"));
    assert_eq!(refused.status, 409);
    assert!(
        refused.body.contains("no process drives"),
        "{}",
        refused.body
    );
    gate.open();
    let resumed = confirm(&site, &run, "resume", "");
    assert_eq!(resumed.status, 303, "{}", resumed.body);
    scene.dispatch(&["wait", &run]).expect(0);
    assert!(site.page(&run, "board.html").contains("DONE"));
    site.stop();
}

#[test]
fn a_running_run_is_paused_and_cancelled_from_its_pages() {
    let scene = scene();
    let mut gate = Gate::new(&scene, "gate");
    let plan = scene.plan(&format!("# One\n\n1. [A] a\n   - run: {}\n", gate.script()));
    let driver = scene.start(&["run", &plan, "--yes"]);
    gate.wait_until_reached();
    let run = scene.run_name();
    let site = Site::start(&scene, &["--allow-actions"]);
    assert_eq!(confirm(&site, &run, "pause", "").status, 303);
    assert!(site.page(&run, "board.html").contains("ask-resume.html"));
    assert_eq!(confirm(&site, &run, "resume", "").status, 303);
    assert_eq!(confirm(&site, &run, "cancel-1", "").status, 303);
    let ended = wait(driver);
    assert_eq!(ended.code, 3, "{}{}", ended.out, ended.err);
    assert!(site.page(&run, "task-1.html").contains("CANCELLED"));
    site.stop();
}
