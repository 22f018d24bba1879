//! Consistency of all views: over finished runs of random plans with failures, conflicts,
//! resolutions and landings, the committed board, `board`, `status`, `show`, `diff`, `review`,
//! `report`, `web` and `--json` agree on merged and left-out tasks, on conflicts, and on the files of each
//! task.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::Scene;

/// The number of compared runs.
const RUNS: u64 = 4;

/// The behaviour of a task in a random plan.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// It writes a file of its own.
    Own,
    /// It also writes the file that others write.
    Shared,
    /// It writes a file of its own, and fails.
    Failing,
}

struct Tasks(Vec<(Kind, Option<usize>)>);

impl Tasks {
    /// Two tasks conflict at least; any may depend on one before it that passes.
    fn random(random: &mut fastrand::Rng) -> Tasks {
        let mut tasks = vec![(Kind::Shared, None), (Kind::Shared, None)];
        for number in 3..=random.usize(3..=5) {
            let kind = random
                .choice([Kind::Own, Kind::Shared, Kind::Failing])
                .unwrap();
            let on = random.usize(1..number);
            let may_depend = tasks[on - 1].0 != Kind::Failing && random.bool();
            tasks.push((kind, may_depend.then_some(on)));
        }
        Tasks(tasks)
    }

    fn plan(&self) -> String {
        let mut plan = "# Faces\n\n".to_owned();
        for (number, (kind, on)) in (1..).zip(&self.0) {
            let command = match kind {
                Kind::Own => format!("echo {number} > own-{number}"),
                Kind::Shared => format!("echo {number} > own-{number}; echo {number} > same"),
                Kind::Failing => format!("echo {number} > own-{number}; exit 1"),
            };
            let on = on.map_or(String::new(), |on| format!(" — blocked by #{on}"));
            plan += &format!("{number}. [T{number}] Task {number}{on}\n   - run: {command}\n");
        }
        plan
    }

    /// Returns the files that may belong to a task.
    fn files(&self, number: usize) -> BTreeSet<String> {
        let own = format!("own-{number}");
        match self.0[number - 1].0 {
            Kind::Shared => [own, "same".to_owned()].into(),
            _ => [own].into(),
        }
    }
}

fn read(scene: &Scene, args: &[&str]) -> Value {
    let text = scene.dispatch(&[args, &["--json"]].concat()).expect(0).out;
    serde_json::from_str(&text).unwrap()
}

fn numbers(list: &Value) -> BTreeSet<u64> {
    let number = |item: &Value| item["task"].as_u64().or(item.as_u64()).unwrap();
    list.as_array()
        .map_or(BTreeSet::new(), |list| list.iter().map(number).collect())
}

/// Lists the paths that `dispatch diff` shows.
fn diffed(scene: &Scene, number: &str) -> BTreeSet<String> {
    let text = scene.dispatch(&["diff", number]).expect(0).out;
    let paths = text
        .lines()
        .filter_map(|line| line.strip_prefix("diff --git a/"));
    let path = |line: &str| line.split(" b/").next().unwrap().to_owned();
    paths.map(path).collect()
}

/// The same; nothing for a task that has changed nothing.
fn diffed_or_none(scene: &Scene, number: usize) -> BTreeSet<String> {
    match scene.dispatch(&["diff", &number.to_string()]).code {
        0 => diffed(scene, &number.to_string()),
        _ => BTreeSet::new(),
    }
}

/// The output of all views of a run.
struct Faces<'a> {
    scene: &'a Scene,
    tasks: &'a Tasks,
    board: Value,
    status: String,
    report: Value,
    review: Value,
}

impl<'a> Faces<'a> {
    fn new(scene: &'a Scene, tasks: &'a Tasks) -> Faces<'a> {
        let report = read(scene, &["report"]);
        Faces {
            scene,
            tasks,
            board: read(scene, &["board"]),
            status: scene.dispatch(&["status"]).expect(0).out,
            report: report["report"].clone(),
            review: read(scene, &["review", &scene.run_name()]),
        }
    }

    fn assert_agreement(&self) {
        let board = self.scene.dispatch(&["board"]).expect(0).out;
        // Once landed, the last board is on the target; before, it is on the integration branch.
        let committed = match self.board["landed"].is_null() {
            true => self.scene.board(),
            false => self.scene.git(&["show", "main:DISPATCH.md"]) + "\n",
        };
        assert_eq!(committed, board);
        assert_eq!(read(self.scene, &["status"]), self.board);
        let left_out = numbers(&self.board["integration"]["left_out"]);
        assert_eq!(
            numbers(&self.report["left_out"]),
            left_out,
            "{}",
            self.report
        );
        for number in 1..=self.tasks.0.len() {
            self.assert_place(number as u64);
            self.assert_files(number);
        }
        self.assert_conflicts(&board);
        self.assert_pages();
    }

    /// Checks the statuses, the conflicts and the files on the web pages.
    fn assert_pages(&self) {
        let folder = self.scene.root.join("pages");
        let export = ["web", "--export", folder.to_str().unwrap()];
        self.scene.dispatch(&export).expect(0);
        let run = folder.join(self.scene.run_name());
        let page = |name: &str| std::fs::read_to_string(run.join(name)).unwrap();
        let board = page("board.html");
        for (number, task) in (1..).zip(self.board["tasks"].as_array().unwrap()) {
            let row = board.split("<tr id=\"row-").nth(number).unwrap();
            let status = format!(">{}", task["status"].as_str().unwrap());
            assert!(row.contains(&status), "{number} {status}: {row}");
            let task_page = page(&format!("task-{number}.html"));
            for file in diffed_or_none(self.scene, number) {
                assert!(
                    task_page.contains(&format!("{file}</span>")),
                    "{file}: {task_page}"
                );
            }
        }
        for pair in self.board["conflicts"]["pairs"].as_array().unwrap() {
            let [a, b] = [0, 1].map(|side| pair["tasks"][side].as_u64().unwrap());
            let row = format!("pair-{a}-{b}.html");
            let is_listed = board.contains(&row);
            assert_eq!(is_listed, pair["conflict"] == true, "{pair}");
            let matrix = page("conflicts.html");
            assert!(matrix.contains(&row) && matrix.contains(pair["suggested"].as_str().unwrap()));
        }
    }

    /// Checks if a task was merged or left out, and the reason.
    fn assert_place(&self, number: u64) {
        let name = number.to_string();
        let is_merged = numbers(&self.board["integration"]["merged"]).contains(&number);
        let is_left_out = numbers(&self.board["integration"]["left_out"]).contains(&number);
        let show = read(self.scene, &["show", &name]);
        assert_eq!(show["merged"], is_merged, "{show}");
        assert_eq!(show["left_out"].is_string(), is_left_out, "{show}");
        let text = self.scene.dispatch(&["show", &name]).expect(0).out;
        assert_eq!(
            text.contains("\nassembly    merged as "),
            is_merged,
            "{text}"
        );
        assert_eq!(
            text.contains("\nassembly    left out: "),
            is_left_out,
            "{text}"
        );
        let said = format!("  left out #{number}: ");
        assert_eq!(self.status.contains(&said), is_left_out, "{}", self.status);
        let Some(review) = self.reviewed(number) else {
            assert!(!is_merged && !is_left_out);
            return;
        };
        assert_eq!(review["merged"], is_merged, "{review}");
        assert_eq!(review["left_out"], show["left_out"], "{review}");
        assert_eq!(review["resolved"], show["resolved"], "{review}");
    }

    fn reviewed(&self, number: u64) -> Option<&Value> {
        let mut tasks = self.review["tasks"].as_array()?.iter();
        tasks.find(|task| task["number"] == number)
    }

    /// Checks that no view shows files of another task.
    fn assert_files(&self, number: usize) {
        let show = read(self.scene, &["show", &number.to_string()]);
        if show["change"].is_null() {
            return;
        }
        let files = diffed(self.scene, &number.to_string());
        assert!(
            files.is_subset(&self.tasks.files(number)),
            "#{number}: {files:?}"
        );
        let Some(review) = self.reviewed(number as u64) else {
            return;
        };
        let reviewed = review["files"].as_array().unwrap().iter();
        let reviewed: BTreeSet<String> = reviewed
            .map(|file| file["path"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(reviewed, files, "#{number}");
        assert_eq!(show["change"]["files"], files.len(), "{show}");
        let done = self.report["done"].as_array();
        let done = done.and_then(|done| done.iter().find(|done| done["number"] == number));
        if let Some(done) = done {
            for key in ["files", "added", "removed"] {
                assert_eq!(done[key], show["change"][key], "{done}");
            }
        }
    }

    /// Checks open and resolved conflicts in all views.
    fn assert_conflicts(&self, board: &str) {
        let merged = numbers(&self.board["integration"]["merged"]);
        let pairs = self.board["conflicts"]["pairs"].as_array().unwrap();
        for pair in pairs.iter().filter(|pair| pair["conflict"] == true) {
            let (a, b) = (&pair["tasks"][0], &pair["tasks"][1]);
            let both = [a, b].map(|task| merged.contains(&task.as_u64().unwrap()));
            let is_resolved = pair["inherited"] == false && both == [true, true];
            let suggested = pair["suggested"].as_str().unwrap();
            assert_eq!(
                suggested == "resolved during assembly",
                is_resolved,
                "{pair}"
            );
            let names = format!("#{a} × #{b}");
            let row = board
                .lines()
                .find(|line| line.starts_with(&format!("| {names} |")));
            assert!(row.is_some_and(|row| row.contains(suggested)), "{row:?}");
            let mut told = self.report["conflicts"].as_array().unwrap().iter();
            let told = told.find(|told| told["tasks"] == json!([a, b]));
            if let Some(told) = told {
                let outcome = told["outcome"].as_str().unwrap();
                assert_eq!(outcome.contains("resolved"), is_resolved, "{told}");
            }
        }
        let listed = self.scene.dispatch(&["resolve", "--json"]);
        let listed: Value = serde_json::from_str(&listed.out).unwrap_or_default();
        let listed = listed["conflicts"].as_array().cloned().unwrap_or_default();
        let open = listed.iter().filter(|conflict| conflict["open"] == true);
        let open: BTreeSet<u64> = open.map(|one| one["task"].as_u64().unwrap()).collect();
        for (number, task) in (1..).zip(self.board["tasks"].as_array().unwrap()) {
            let note = task["note"].as_str().unwrap();
            let is_open = open.contains(&number);
            assert_eq!(
                note.contains("manual resolution in progress"),
                is_open,
                "{task}"
            );
        }
    }
}

fn git_add(scene: &Scene, place: &Path, path: &str) {
    let status = scene
        .command("git")
        .current_dir(place)
        .args(["add", path])
        .status();
    assert!(status.unwrap().success());
}

/// Resolves every conflict by hand, one after the other; compares at each step.
fn resolve_all(scene: &Scene, tasks: &Tasks) -> usize {
    for resolved in 0..tasks.0.len() {
        let board = read(scene, &["board"]);
        let left_out = board["integration"]["left_out"].as_array().unwrap();
        let Some(out) = left_out.iter().find(|out| out["reason"] == "conflict") else {
            return resolved;
        };
        let number = out["task"].to_string();
        let opened = scene.dispatch(&["resolve", &number]).expect(0);
        Faces::new(scene, tasks).assert_agreement();
        let place = PathBuf::from(opened.out.trim_end());
        std::fs::write(place.join("same"), "all of them\nand more\n").unwrap();
        git_add(scene, &place, "same");
        scene.dispatch(&["resolve", "--continue"]).expect(0);
        Faces::new(scene, tasks).assert_agreement();
    }
    tasks.0.len()
}

#[test]
fn all_faces_of_a_finished_run_agree() {
    let (mut failures, mut resolved) = (0, 0);
    for seed in 0..RUNS {
        let mut random = fastrand::Rng::with_seed(seed);
        let tasks = Tasks::random(&mut random);
        let scene = Scene::new();
        let ended = scene.run(&tasks.plan(), &[]);
        assert!([3, 4].contains(&ended.code), "{}{}", ended.out, ended.err);
        failures += usize::from(ended.code == 3);
        Faces::new(&scene, &tasks).assert_agreement();
        if random.bool() {
            resolved += resolve_all(&scene, &tasks);
        } else {
            let leave_out = ["assemble", "--leave-out", "1"];
            scene.dispatch(&leave_out);
            Faces::new(&scene, &tasks).assert_agreement();
        }
        scene.dispatch(&["land", "--yes"]).expect(0);
        Faces::new(&scene, &tasks).assert_agreement();
    }
    assert!(failures > 0 && resolved > 1, "{failures} {resolved}");
}
