//! `dispatch land --pr`, with a fake `gh` and a bare repository as remote.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::Scene;

/// #3 is built on #2, which is built on #1; #4 is independent.
const FOUR: &str = "# Shop, better
1. [A] First
   - run: echo a > a.txt; printf '{\"summary\":\"a for @ada, see #7\",\"decisions\":[\"chose a\"]}' > $DISPATCH_RESULT_FILE
2. [B] Second — blocked by #1
   - run: echo b > b.txt
3. [C] Third — blocked by #1, #2
   - run: echo c > c.txt
4. [D] Fourth
   - run: echo d > d.txt
";

struct Hub {
    scene: Scene,
    /// The folder in which the fake `gh` records its calls.
    folder: PathBuf,
}

impl Hub {
    fn new(settings: &str) -> Hub {
        let mut scene = Scene::new();
        if !settings.is_empty() {
            scene.configure(settings);
        }
        let folder = scene.root.join("hub");
        fs::create_dir(&folder).unwrap();
        scene.git(&["init", "--quiet", "--bare", "../remote.git"]);
        scene.git(&["remote", "add", "origin", "../remote.git"]);
        scene.git(&["push", "--quiet", "origin", "main"]);
        scene.set_env("FAKE_GH", folder.to_str().unwrap());
        let programs = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/gh");
        let path = std::env::var("PATH").unwrap();
        scene.set_env("PATH", &format!("{programs}:{path}"));
        scene.run(FOUR, &[]).expect(0);
        Hub { scene, folder }
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.folder.join("calls")).unwrap_or_default();
        calls.lines().map(|line| line.trim().to_owned()).collect()
    }

    /// Returns number, base, title, labels and text of the pull request of a branch.
    fn pull_request(&self, slug: &str) -> String {
        let head = self.scene.branch(slug).replace('/', "_");
        fs::read_to_string(self.folder.join(format!("{head}.pr"))).unwrap()
    }

    fn pull_requests(&self) -> usize {
        let files = fs::read_dir(&self.folder).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".pr")).count()
    }

    fn remote(&self, slug: &str) -> String {
        let name = format!("refs/heads/{}", self.scene.branch(slug));
        self.scene.git(&[
            "--git-dir",
            "../remote.git",
            "rev-parse",
            "--verify",
            "--quiet",
            &name,
        ])
    }

    fn remote_branches(&self) -> usize {
        let found = self.scene.git(&["ls-remote", "--heads", "origin"]);
        found.lines().count()
    }
}

#[test]
fn a_run_gets_one_pull_request_and_the_second_time_it_is_brought_up_to_date() {
    let hub = Hub::new("[github]\nlabels = [\"agents\", \"dispatch\"]\n");
    let before = hub.scene.fingerprint();
    let ended = hub.scene.dispatch(&["land", "--pr", "--yes"]).expect(0);
    assert_eq!(ended.out, "https://github.com/o/r/pull/1\n");
    assert!(!ended.err.contains("does not act on"), "{}", ended.err);
    let text = hub.pull_request("integration");
    assert!(
        text.starts_with("1\nmain\nShop, better\nlabels: agents dispatch\n"),
        "{text}"
    );
    assert!(
        text.contains("All 4 tasks finished successfully."),
        "{text}"
    );
    assert!(
        text.contains("a for @<!-- -->ada, see #<!-- -->7"),
        "{text}"
    );
    assert!(!text.contains("dispatch land"), "{text}");
    assert_eq!(
        hub.remote("integration"),
        hub.scene.rev(&hub.scene.branch("integration"))
    );
    // Only what git writes of a push is new: the remote's branch.
    let tracking = "refs/remotes/origin/";
    assert!(hub.scene.git(&["for-each-ref", tracking]).lines().count() <= 2);
    assert_eq!(hub.scene.json()["landed"], serde_json::Value::Null);
    let pulls = hub.scene.json()["pull_requests"].clone();
    assert_eq!(pulls[0]["url"], "https://github.com/o/r/pull/1");
    assert_eq!(hub.scene.rev("main"), hub.scene.rev("HEAD"));
    drop(before);

    // Something is left out: the branch goes back, the pull request stays one.
    let run = hub.scene.run_name();
    hub.scene
        .dispatch(&["assemble", &run, "--leave-out", "4"])
        .expect(0);
    let ended = hub
        .scene
        .dispatch(&["land", &run, "--pr", "--yes"])
        .expect(0);
    assert_eq!(ended.out, "https://github.com/o/r/pull/1\n");
    assert!(ended.err.contains("update https"), "{}", ended.err);
    assert_eq!(hub.pull_requests(), 1);
    assert_eq!(
        hub.remote("integration"),
        hub.scene.rev(&hub.scene.branch("integration"))
    );
    let calls = hub.calls();
    assert!(
        calls
            .iter()
            .any(|call| call.contains("PATCH repos/{owner}/{repo}/pulls/1"))
    );
    assert_eq!(
        hub.scene.json()["pull_requests"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn each_task_gets_one_on_top_of_what_it_was_built_on() {
    let hub = Hub::new("");
    let ended = hub
        .scene
        .dispatch(&["land", "--pr-tasks", "--yes"])
        .expect(0);
    assert_eq!(ended.out.lines().count(), 4, "{}", ended.out);
    let base = |slug: &str| {
        let text = hub.pull_request(slug);
        text.lines().nth(1).unwrap().to_owned()
    };
    let (a, b) = (hub.scene.branch("a"), hub.scene.branch("b"));
    assert_eq!(
        [base("a"), base("b"), base("c"), base("d")],
        ["main".into(), a, b, "main".to_owned()]
    );
    let text = hub.pull_request("c");
    assert!(text.contains("### Merge these first\n- First"), "{text}");
    assert!(
        hub.pull_request("a")
            .contains("### Decisions made (review recommended)\n- chose a")
    );
    for slug in ["a", "b", "c", "d"] {
        assert_eq!(hub.remote(slug), hub.scene.rev(&hub.scene.branch(slug)));
    }
    let ended = hub
        .scene
        .dispatch(&["land", "--pr-tasks", "--yes"])
        .expect(0);
    assert_eq!(ended.out.lines().count(), 4);
    assert_eq!(hub.pull_requests(), 4);
    // Now the addresses of those below are known.
    assert!(
        hub.pull_request("b")
            .contains("- First: https://github.com/o/r/pull/")
    );
}

#[test]
fn a_dry_run_prints_commands_that_do_it() {
    let hub = Hub::new("[github]\nlabels = [\"agents\"]\n");
    let ended = hub
        .scene
        .dispatch(&["land", "--pr-tasks", "--dry-run"])
        .expect(0);
    assert!(hub.calls().is_empty());
    assert_eq!(hub.remote_branches(), 1);
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines.len(), 5, "{}", ended.out);
    assert!(
        lines[0].starts_with("git push --atomic --force-with-lease="),
        "{}",
        lines[0]
    );
    assert!(
        lines[1].starts_with("gh pr create --head dispatch/"),
        "{}",
        lines[1]
    );
    let ran = hub
        .scene
        .command("sh")
        .args(["-e", "-c", &ended.out])
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    assert_eq!(hub.pull_requests(), 4);
    // What somebody opened that way is found and brought up to date, and not pushed again.
    hub.scene
        .dispatch(&["land", "--pr-tasks", "--yes"])
        .expect(0);
    assert_eq!(hub.pull_requests(), 4);
}

#[test]
fn what_github_says_no_to_is_said_before_anything_is_pushed() {
    for (says, words, hint) in [
        ("login", "gh is not logged in", "gh auth login"),
        ("limit", "rate limit exceeded", "wait until it resets"),
        (
            "remote",
            "no remote of this repository is on GitHub",
            "git remote -v",
        ),
    ] {
        let mut hub = Hub::new("");
        let journal = format!("refs/dispatch/runs/{}", hub.scene.run_name());
        let tip = hub.scene.rev(&journal);
        hub.scene.set_env("FAKE_GH_SAYS", says);
        let ended = hub.scene.dispatch(&["land", "--pr", "--yes"]).expect(1);
        assert!(
            ended.err.contains(words) && ended.err.contains(hint),
            "{}",
            ended.err
        );
        assert_eq!(hub.remote_branches(), 1);
        assert_eq!(hub.scene.rev(&journal), tip);
    }
}

#[test]
fn what_was_half_done_is_gone_on_with() {
    let mut hub = Hub::new("");
    // Four look-ups and two new ones pass, then the limit is used up.
    hub.scene.set_env("FAKE_GH_SAYS", "limit");
    hub.scene.set_env("FAKE_GH_AFTER", "6");
    hub.scene
        .dispatch(&["land", "--pr-tasks", "--yes"])
        .expect(1);
    assert_eq!(hub.pull_requests(), 2);
    hub.scene.unset_env("FAKE_GH_SAYS");
    hub.scene
        .dispatch(&["land", "--pr-tasks", "--yes"])
        .expect(0);
    assert_eq!(hub.pull_requests(), 4);
}

#[test]
fn without_gh_a_remote_or_the_target_there_it_is_said_what_is_missing() {
    let mut hub = Hub::new("");
    // Only what is needed, without `gh`.
    let programs = hub.scene.root.join("programs");
    fs::create_dir(&programs).unwrap();
    for program in ["git", "sh", "sed"] {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {program}")])
            .output()
            .unwrap();
        let found = String::from_utf8(found.stdout).unwrap();
        std::os::unix::fs::symlink(found.trim(), programs.join(program)).unwrap();
    }
    let path = std::env::var("PATH").unwrap();
    hub.scene.set_env("PATH", programs.to_str().unwrap());
    let ended = hub.scene.dispatch(&["land", "--pr", "--yes"]).expect(1);
    assert!(ended.err.contains("is not installed"), "{}", ended.err);
    let fake = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/gh");
    hub.scene.set_env("PATH", &format!("{fake}:{path}"));
    hub.scene.git(&[
        "--git-dir",
        "../remote.git",
        "update-ref",
        "-d",
        "refs/heads/main",
    ]);
    let ended = hub.scene.dispatch(&["land", "--pr", "--yes"]).expect(1);
    assert!(ended.err.contains("has no branch main"), "{}", ended.err);
    assert_eq!(hub.remote_branches(), 0);
    hub.scene.git(&["remote", "remove", "origin"]);
    let ended = hub.scene.dispatch(&["land", "--pr", "--yes"]).expect(1);
    assert!(ended.err.contains("no remote to push to"), "{}", ended.err);
    let ended = hub
        .scene
        .dispatch(&["land", "--pr", "--remote", "/nowhere", "--yes"])
        .expect(1);
    assert!(ended.err.contains("failed:"), "{}", ended.err);
}

#[test]
fn a_branch_that_somebody_else_pushed_to_is_left_alone() {
    let hub = Hub::new("");
    hub.scene.dispatch(&["land", "--pr", "--yes"]).expect(0);
    let theirs = hub
        .scene
        .git(&["commit-tree", "-p", "main", "-m", "Theirs", "main^{tree}"]);
    let branch = format!("refs/heads/{}", hub.scene.branch("integration"));
    let refspec = format!("{theirs}:{branch}");
    hub.scene
        .git(&["push", "--quiet", "--force", "origin", &refspec]);
    let ended = hub.scene.dispatch(&["land", "--pr", "--yes"]).expect(1);
    assert!(
        ended.err.contains("which this run did not push"),
        "{}",
        ended.err
    );
    assert_eq!(hub.remote("integration"), theirs);
}

#[test]
fn nothing_is_pushed_without_a_yes_and_what_landed_gets_no_pull_request() {
    let hub = Hub::new("");
    hub.scene.dispatch(&["land", "--pr"]).expect(2);
    assert_eq!(hub.remote_branches(), 1);
    hub.scene
        .dispatch(&["land", "--pr", "--squash", "--yes"])
        .expect(2);
    hub.scene
        .dispatch(&["land", "--remote", "origin", "--yes"])
        .expect(2);
    hub.scene.dispatch(&["land", "--yes"]).expect(0);
    let run = hub.scene.run_name();
    let ended = hub
        .scene
        .dispatch(&["land", &run, "--pr", "--yes"])
        .expect(1);
    assert!(
        ended.err.contains("has already landed on main"),
        "{}",
        ended.err
    );
}

/// With `DISPATCH_REAL_GH=<folder>` the real `gh`, its configuration in that folder: one whose
/// `http_unix_socket` leads to a stand-in for GitHub.
#[test]
fn the_real_gh_is_asked_in_its_own_words() {
    let Some(folder) = std::env::var_os("DISPATCH_REAL_GH") else {
        return;
    };
    let mut hub = Hub::new("");
    let path = std::env::var("PATH").unwrap();
    hub.scene.set_env("PATH", &path);
    hub.scene.set_env("GH_CONFIG_DIR", folder.to_str().unwrap());
    hub.scene.set_env("GH_TOKEN", "none");
    // By this remote gh knows which repository it is; what is pushed goes to the other one.
    let url = "https://github.com/o/r.git";
    hub.scene.git(&["remote", "add", "github", url]);
    let ended = hub.scene.dispatch(&["land", "--pr", "--yes"]).expect(0);
    assert_eq!(ended.out, "https://github.com/o/r/pull/8\n");
}
