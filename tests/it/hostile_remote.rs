//! Runs that a hostile remote repository brings by `dispatch fetch`: every command shows them, none runs
//! anything of theirs, and none crashes on what is no journal.

use std::path::PathBuf;

use git_dispatch::base::safe::hidden::find_hidden;

use crate::harness::{Ended, Scene};
use crate::journal_trust::with_input;

/// Text for every place that takes any.
const TEXT: &str =
    "a | b ` <img src=x> [c](javascript:d) @octocat closes #7\u{1b}[2J\u{202e}\u{200b}\u{9b}31m";

/// Commands that show a run.
const SHOWING: [&[&str]; 10] = [
    &["status"],
    &["board"],
    &["board", "--json"],
    &["report"],
    &["report", "--json"],
    &["show", "1"],
    &["log"],
    &["review"],
    &["history"],
    &["stats"],
];

/// Commands that continue a run.
const CONTINUING: [&[&str]; 5] = [
    &["resume"],
    &["assemble"],
    &["retry", "2"],
    &["land", "--yes"],
    &["clean"],
];

/// The hostile repository, which is its own remote, and a clone of it.
struct Remote {
    scene: Scene,
    clone: PathBuf,
}

impl Remote {
    fn new() -> Remote {
        let mut scene = Scene::new();
        // Another user's dispatch seals the journal there.
        let stranger = scene.root.join("stranger").display().to_string();
        scene.set_env("XDG_STATE_HOME", &stranger);
        let report = serde_json::json!({"summary": TEXT, "issues": [TEXT], "decisions": [TEXT]});
        scene.write("r.json", &report.to_string());
        scene.write("fail.txt", TEXT);
        let executed = scene.root.join("executed");
        let check = format!("[ ! -e r.json ] || touch {}", executed.display());
        scene.configure(&format!("[assemble]\ncheck = [{check:?}]\n"));
        let plan = serde_json::json!({"title": TEXT, "context": [TEXT], "task": [
            {"tag": "A", "title": TEXT, "run": "cp r.json \"$DISPATCH_RESULT_FILE\"; echo a > a.txt"},
            {"tag": "B", "title": TEXT, "run": "cat fail.txt >&2; exit 1"},
        ]});
        let plan_file = scene.root.join("plan.json");
        std::fs::write(&plan_file, plan.to_string()).unwrap();
        scene
            .dispatch(&["run", plan_file.to_str().unwrap(), "--yes"])
            .expect(3);
        let _ = std::fs::remove_file(&executed);
        scene.unset_env("XDG_STATE_HOME");
        let clone = scene.root.join("clone");
        let from = scene.repo.display().to_string();
        scene.git(&["clone", "--quiet", &from, clone.to_str().unwrap()]);
        Remote { scene, clone }
    }

    fn there(&self, args: &[&str]) -> Ended {
        self.scene.dispatch_in(&self.clone, args)
    }

    /// Runs every command in the clone. `run` is the fetched run, if there is one.
    fn visit(&self, what: &str) {
        for args in SHOWING.iter().chain(&CONTINUING) {
            let ended = self.there(args);
            assert!(
                (0..=5).contains(&ended.code),
                "{what}: {args:?}: {}",
                ended.err
            );
            for shown in [&ended.out, &ended.err] {
                let hidden = find_hidden(shown).map(|it| it.character);
                assert_eq!(hidden, None, "{what}: {args:?}\n{shown}");
                assert!(!shown.contains("panicked"), "{what}: {args:?}\n{shown}");
            }
            if args.contains(&"--json") && ended.code == 0 {
                serde_json::from_str::<serde_json::Value>(&ended.out).unwrap();
            }
            if CONTINUING.contains(args) {
                assert_ne!(
                    ended.code, 0,
                    "{what}: {args:?} continued a stranger's run\n{}",
                    ended.out
                );
            }
        }
        assert!(!self.scene.root.join("executed").exists(), "{what}");
        assert!(!self.clone.join("a.txt").exists(), "{what}");
    }

    fn journal(&self) -> String {
        format!("refs/dispatch/runs/{}", self.scene.run_name())
    }

    /// Replaces the last commit of the journal by one with this message and this tree.
    fn forge(&self, message: &str, tree: &str) {
        let journal = self.journal();
        let parent = format!("{journal}~1");
        let args = ["commit-tree", tree, "-p", &parent];
        let commit = with_input(&self.scene, &args, message);
        self.scene.git(&["update-ref", &journal, &commit]);
    }
}

#[test]
fn a_run_of_a_hostile_remote_is_shown_and_nothing_of_it_runs() {
    let remote = Remote::new();
    remote.there(&["fetch"]).expect(0);
    let shown = remote.there(&["status"]).expect(0);
    assert!(shown.out.contains("octocat"), "{}", shown.out);
    remote.visit("hostile text");
}

#[test]
fn a_damaged_journal_of_a_hostile_remote_is_refused_in_words() {
    let remote = Remote::new();
    let journal = remote.journal();
    let tip = remote.scene.rev(&journal);
    let message = remote.scene.git(&["log", "-1", "--format=%B", &journal]);
    let tree = remote.scene.rev(&format!("{journal}^{{tree}}"));
    let empty = with_input(&remote.scene, &["mktree"], "");
    let record = message.lines().rfind(|line| line.starts_with('{')).unwrap();
    let with = |record_now: &str| message.replace(record, record_now);
    let replaced = |from: &str, to: &str| with(&record.replacen(from, to, 1));
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let forged = [
        ("no record", with("")),
        ("half a record", with(&record[..record.len() / 2])),
        ("no JSON", with(&format!("{{{TEXT}"))),
        ("deep JSON", with(&deep)),
        (
            "another version",
            replaced("\"version\":1", "\"version\":99"),
        ),
        (
            "a huge number",
            replaced("\"seq\":", "\"seq\":99999999999999999999"),
        ),
        ("another run", replaced(&remote.scene.run_name(), "../../x")),
        (
            "an unknown event",
            replaced("\"event\":\"", "\"event\":\"\\u001b[2J"),
        ),
        (
            "a time out of range",
            replaced("\"time\":\"2", "\"time\":\"9999992"),
        ),
    ];
    for (what, message) in &forged {
        remote.forge(message, &tree);
        remote.there(&["fetch"]);
        remote.visit(what);
    }
    remote.forge(&message, &empty);
    remote.there(&["fetch"]);
    remote.visit("an empty tree");
    let blob = with_input(&remote.scene, &["hash-object", "-w", "--stdin"], TEXT);
    remote.scene.git(&["update-ref", &journal, &blob]);
    remote.there(&["fetch"]);
    remote.visit("a blob in place of a journal");
    // The same run as it was is read again.
    remote.scene.git(&["update-ref", &journal, &tip]);
    remote.there(&["fetch"]);
    remote.visit("the journal as it was");
}
