//! The journal on a real repository: appended events are read back, and nothing is guessed.

use crate::harness::temp_folder;
use std::cell::Cell;
use std::path::Path;
use std::process::Command;

use git_dispatch::config::Settings;
use git_dispatch::git::commit::{By, NewCommit};
use git_dispatch::git::{Repo, Store, StoreError};
use git_dispatch::journal::record::{parse_record, render_record};
use git_dispatch::journal::{Journal, JournalError, journal_ref, replay};
use git_dispatch::merge::oid::Oid;
use git_dispatch::model::event::Event;
use git_dispatch::model::ids::{RunId, TaskNumber};
use git_dispatch::model::run::RunState;
use git_dispatch::plan::{Format, Source, parse};
use git_dispatch::report::board::markdown;
use git_dispatch::report::board::view::BoardView;
use jiff::Timestamp;

fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    for (name, value) in [
        ("NAME", "Ada"),
        ("EMAIL", "ada@example.com"),
        ("DATE", "@0 +0000"),
    ] {
        command.env(format!("GIT_AUTHOR_{name}"), value);
        command.env(format!("GIT_COMMITTER_{name}"), value);
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

struct Scene {
    _folder: tempfile::TempDir,
    repo: Repo,
    store: Store,
    run: RunId,
}

impl Scene {
    fn new() -> Scene {
        let folder = temp_folder();
        git(folder.path(), &["init", "-q", "-b", "main"]);
        git(
            folder.path(),
            &["commit", "-q", "--allow-empty", "-m", "first"],
        );
        let repo = Repo::discover(folder.path()).unwrap();
        let store = Store::open(&repo).unwrap();
        Scene {
            _folder: folder,
            repo,
            store,
            run: RunId::new("trial-abcd"),
        }
    }

    fn base(&self) -> Oid {
        self.store.resolve("HEAD").unwrap().unwrap()
    }

    fn started(&self) -> Event {
        Event::RunStarted {
            plan_file: None,
            title: "Trial".to_owned(),
            base: self.base(),
            base_name: "main".to_owned(),
            target: Some("main".to_owned()),
            only: None,
            assemble: true,
        }
    }

    fn journal(&self) -> Journal {
        let files = [("plan.json", "{}"), ("settings.json", "{}")];
        Journal::create(&self.repo, &self.run, &files, self.started(), now())
            .unwrap()
            .0
    }
}

fn now() -> Timestamp {
    "2026-11-22T09:14:00Z".parse().unwrap()
}

fn note(text: &str) -> Event {
    Event::ProgressReported {
        task: TaskNumber(1),
        note: text.to_owned(),
    }
}

#[test]
fn what_is_appended_is_read_back_in_order_with_its_files() {
    let scene = Scene::new();
    let mut journal = scene.journal();
    journal
        .append(vec![note("one"), note("two")], now())
        .unwrap();
    journal.append(vec![], now()).unwrap();
    journal
        .append(
            vec![note("{\"a line\": 1}\nthat looks like a record")],
            now(),
        )
        .unwrap();
    let replayed = replay(&scene.store, &scene.run).unwrap();
    let seqs: Vec<u64> = replayed
        .records
        .iter()
        .map(|recorded| recorded.seq)
        .collect();
    assert_eq!(seqs, [1, 2, 3, 4]);
    assert_eq!(replayed.records[0].event, scene.started());
    assert_eq!(replayed.records[2].event, note("two"));
    assert_eq!(replayed.file(&scene.store, "plan.json").unwrap(), "{}");
    let subjects = git(
        &scene.repo.top,
        &["log", "--reverse", "--format=%s", &journal_ref(&scene.run)],
    );
    insta::assert_snapshot!(subjects, @r#"
    run started: Trial at 163731a
    #1 noted: one; #1 noted: two
    #1 noted: {"a line": 1} that looks like a record
    "#);
}

#[test]
fn a_reopened_journal_goes_on_and_a_stale_one_is_refused() {
    let scene = Scene::new();
    let mut stale = scene.journal();
    let replayed = replay(&scene.store, &scene.run).unwrap();
    let mut journal = Journal::reopen(&scene.repo, &replayed).unwrap();
    journal.append(vec![note("mine")], now()).unwrap();
    let refused = stale.append(vec![note("lost")], now()).unwrap_err();
    assert!(matches!(refused, JournalError::Store { .. }), "{refused:?}");
    let replayed = replay(&scene.store, &scene.run).unwrap();
    assert_eq!(replayed.records.last().unwrap().event, note("mine"));
}

#[test]
fn an_unknown_run_a_newer_version_and_a_hole_are_each_refused_in_words() {
    let scene = Scene::new();
    let unknown = replay(&scene.store, &RunId::new("nobody-home")).unwrap_err();
    insta::assert_snapshot!(unknown, @"no such run: nobody-home");
    let tree = git(&scene.repo.top, &["rev-parse", "HEAD^{tree}"]);
    let forge = |message: &str| {
        let commit = git(&scene.repo.top, &["commit-tree", "-m", message, &tree]);
        git(
            &scene.repo.top,
            &["update-ref", &journal_ref(&scene.run), &commit],
        );
        replay(&scene.store, &scene.run).unwrap_err().to_string()
    };
    let newer =
        "later\n\n{\"version\":2,\"seq\":1,\"time\":\"2026-11-22T09:14:00Z\",\"event\":\"dream\"}";
    insta::assert_snapshot!(
        forge(newer),
        @"the journal of trial-abcd has version 2; this dispatch reads up to 1"
    );
    let hole = "hole\n\n{\"version\":1,\"seq\":3,\"time\":\"2026-11-22T09:14:00Z\",\"run\":\"trial-abcd\",\"event\":\"stop-requested\"}";
    assert!(forge(hole).ends_with("event 1 is missing before event 3"));
    assert!(forge("nothing in it").ends_with("it has no event"));
}

#[test]
fn a_recorded_candidate_cannot_be_collected_while_its_journal_stands() {
    let scene = Scene::new();
    let mut journal = scene.journal();
    let tree = git(&scene.repo.top, &["rev-parse", "HEAD^{tree}"]);
    let orphan = git(&scene.repo.top, &["commit-tree", "-m", "work", &tree]);
    let outcome = serde_json::json!({
        "version": 1, "seq": 2, "time": "2026-11-22T09:14:00Z", "run": "trial-abcd",
        "event": "attempt-ended", "task": 1, "attempt": 1, "jitter": 0.5,
        "outcome": {"end": "passed", "candidate": orphan,
                    "stat": {"files": 0, "added": 0, "removed": 0}, "info": null},
    });
    let event = parse_record(&outcome.to_string()).unwrap().event;
    journal.append(vec![event], now()).unwrap();
    git(
        &scene.repo.top,
        &["reflog", "expire", "--expire=now", "--all"],
    );
    git(&scene.repo.top, &["gc", "-q", "--prune=now"]);
    assert_eq!(git(&scene.repo.top, &["cat-file", "-t", &orphan]), "commit");
}

#[test]
fn a_journal_of_version_1_gives_the_same_board_for_ever() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/journals/v1");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let source = Source {
        name: "plan.json".to_owned(),
        format: Format::Json,
        text: read("plan.json"),
    };
    let plan = parse(&source, None, &|name| Err(name.to_owned()))
        .plan
        .unwrap();
    let _: Settings = serde_json::from_str(&read("settings.json")).unwrap();
    let text = read("run.jsonl");
    let records: Vec<_> = text
        .lines()
        .map(|line| parse_record(line).unwrap())
        .collect();
    let run = RunId::new("garden-yhwp");
    for (line, recorded) in text.lines().zip(&records) {
        let again: serde_json::Value =
            serde_json::from_str(&render_record(&run, recorded)).unwrap();
        let before: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(again, before, "a record is written as it was read");
    }
    let mut state = RunState::start(run, plan, &records[0]).unwrap();
    records[1..]
        .iter()
        .for_each(|recorded| state.apply(recorded));
    let board = markdown::render(&BoardView::new(&state));
    let golden = folder.join("board.md");
    if std::env::var_os("DISPATCH_BLESS").is_some() {
        std::fs::write(&golden, &board).unwrap();
    }
    assert_eq!(board, std::fs::read_to_string(golden).unwrap());
}

/// Simulates a `git gc --prune=now` between writing an object and its reference.
#[test]
fn a_commit_that_is_pruned_before_a_reference_names_it_is_written_again() {
    let scene = Scene::new();
    let new = NewCommit {
        tree: scene.store.tree_of(scene.base()).unwrap(),
        parents: &[scene.base()],
        message: "second\n",
        time: now(),
        by: By::Dispatch,
    };
    let times = Cell::new(0);
    let write = || {
        let oid = scene.store.write_commit(&new)?;
        times.set(times.get() + 1);
        if times.get() < 3 {
            git(&scene.repo.top, &["prune", "--expire=now"]);
            // The second names of new objects, from which a pruned one is put back.
            let _ = std::fs::remove_dir_all(scene.repo.dispatch_folder().join("objects"));
        }
        Ok::<Oid, StoreError>(oid)
    };
    let name = "refs/dispatch/trial";
    let oid = scene
        .store
        .write_and_move(name, Oid::ZERO, "trial", write)
        .unwrap();
    // A reference to a missing commit keeps the next one from being pruned, where one can be written.
    assert!(times.get() >= 2);
    assert_eq!(scene.store.reference(name).unwrap(), Some(oid));
    git(&scene.repo.top, &["fsck", "--strict"]);
}
