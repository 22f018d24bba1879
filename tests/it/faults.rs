//! Kills the program at every fault point, once; then `dispatch resume` ends the run like an
//! undisturbed one. Built only with the feature `faults`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::Scene;

/// Three that are free, one on two of them, one that reports; every worker says that it ran, and
/// whether it met another one of its task alive.
fn plan(scene: &Scene) -> String {
    let said = |name: &str| {
        let root = scene.root.display();
        format!(
            "exec 9> {root}/alive-{name}; flock -n 9 || echo {name} >> {root}/twice; echo {name} >> {root}/ran"
        )
    };
    format!(
        "# Faults\n\n1. [A] a\n   - run: {}; echo a > a.txt\n\
         2. [B] b\n   - run: {}; if [ $DISPATCH_ATTEMPT = 1 ]; then echo reset by peer; exit 75; fi; echo b > b.txt\n\
         3. [C] c — blocked by #1, #2\n   - check: test -e a.txt\n   - run: {}; cat a.txt b.txt > c.txt\n\
         4. [D] d\n   - run: {}; git rm -q src/app.ts; git commit -qm own; echo d > d.txt\n\
         5. [E] e\n   - produces: info\n   - run: {}; echo five\n",
        said("a"),
        said("b"),
        said("c"),
        said("d"),
        said("e"),
    )
}

/// A scenario, and its expected end wherever the program is killed.
pub(crate) struct Scenario {
    pub(crate) scene: fn() -> Scene,
    pub(crate) plan: fn(&Scene) -> String,
    /// Changes the target between the end of the run and the landing.
    pub(crate) move_target: fn(&Scene),
    /// Files that a landing adds.
    pub(crate) files: &'static [&'static str],
    /// The number of accepted results.
    pub(crate) accepted: usize,
    /// Describes what is missing once the run has landed and its worktrees have gone.
    pub(crate) missing: fn(&Scene) -> Option<String>,
}

/// A run without conflicts, and a landing on a target that has moved.
const PLAIN: Scenario = Scenario {
    scene: || {
        let scene = Scene::new();
        scene.configure("[assemble]\ncheck = [\"test -e c.txt\"]\n");
        scene
    },
    plan,
    move_target: |scene| {
        scene.write("later.txt", "later\n");
        scene.commit("Later");
    },
    files: &["a.txt", "b.txt", "c.txt", "d.txt"],
    accepted: 5,
    missing: |_| None,
};

/// #2 meets #1 and is done again on top of it; #4 meets #3, which a rule and a command settle; #5
/// meets what the target has become, which a rule settles when it lands.
const CONFLICTS: Scenario = Scenario {
    scene: || {
        let scene = Scene::new();
        scene.write("list.txt", "one\ntwo\nthree\n");
        scene.write("words.txt", "four\nfive\nsix\n");
        scene.write("gen.lock", "none\n");
        let rethink = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/agents/rethink");
        scene.configure(&format!(
            "[run]\nworker = \"agent\"\n\
             [workers.agent]\ncommand = [{rethink:?}, \"src/app.ts\"]\nprompt = \"stdin\"\n\
             [conflicts]\ngenerated = [\"gen.lock\"]\n\
             [resolve.regenerate]\n\"gen.lock\" = \"ls *.txt > gen.lock\"\n\
             [assemble]\ncheck = [\"! grep '<<<' list.txt gen.lock words.txt\"]\n"
        ));
        scene
    },
    plan: |_| {
        "# Conflicts\n\n1. [ONE] One way\n2. [TWO] Another way\n\
         3. [L] l\n   - run: sed -i '/two/a new' list.txt; echo l > gen.lock; echo l > l.txt\n\
         4. [M] m\n   - run: sed -i '/two/a new\\nnewer' list.txt; echo m > gen.lock; echo m > m.txt\n\
         5. [N] n\n   - run: sed -i s/five/FIVE/ words.txt; echo n > n.txt\n"
            .to_owned()
    },
    move_target: |scene| {
        scene.write("words.txt", "four\n  five\nsix\n");
        scene.commit("Indented");
    },
    files: &["l.txt", "m.txt", "n.txt"],
    accepted: 6,
    missing: |_| None,
};

/// Three variants of #1: one fails its check, and of the others the smaller one is taken.
const VARIANTS: Scenario = Scenario {
    scene: Scene::new,
    plan: |_| {
        "# Variants\n\n1. [A] a\n   - variants: 3\n   - check: test -e a.txt\n\
         \u{20}  - run: if [ $DISPATCH_VARIANT = 1 ]; then echo x > x.txt; else seq $DISPATCH_VARIANT > a.txt; fi\n\
         2. [B] b\n   - run: echo b > b.txt\n\
         3. [C] c — blocked by #1, #2\n   - run: cat a.txt b.txt > c.txt\n\
         4. [D] d\n   - run: echo d > d.txt\n\
         5. [E] e\n   - produces: info\n   - run: echo five\n"
            .to_owned()
    },
    move_target: |scene| {
        scene.write("later.txt", "later\n");
        scene.commit("Later");
    },
    files: &["a.txt", "b.txt", "c.txt", "d.txt"],
    accepted: 6,
    missing: |_| None,
};

/// The effects that concern conflicts.
const OF_CONFLICTS: [&str; 4] = ["assembly ", "conflict ", "landing ", "regenerate "];

/// Returns the tree of the assembled branch without the board.
pub(crate) fn result(scene: &Scene) -> String {
    let tree = scene.git(&["ls-tree", "-r", &scene.branch("integration")]);
    tree.lines()
        .filter(|line| !line.ends_with("DISPATCH.md"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The points of an undisturbed run and landing, those of writes that fail or the others: of each the
/// first, a middle and the last time.
pub(crate) fn points(list: &PathBuf, are_full: bool) -> Vec<String> {
    let mut times: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for line in std::fs::read_to_string(list).unwrap().lines() {
        let (name, time) = line.rsplit_once('@').unwrap();
        if name.ends_with(":enospc") != are_full {
            continue;
        }
        times
            .entry(name.to_owned())
            .or_default()
            .insert(time.parse().unwrap());
    }
    let chosen = times.into_iter().flat_map(|(name, times)| {
        let times: Vec<u32> = times.into_iter().collect();
        let some = BTreeSet::from([times[0], times[times.len() / 2], times[times.len() - 1]]);
        some.into_iter().map(move |time| format!("{name}@{time}"))
    });
    chosen.collect()
}

pub(crate) fn undisturbed(scenario: &Scenario) -> (String, Vec<String>) {
    let mut scene = (scenario.scene)();
    let list = scene.root.join("points");
    scene.set_env("DISPATCH_FAULT_LIST", list.to_str().unwrap());
    let plan = (scenario.plan)(&scene);
    scene.run(&plan, &["-j", "2"]).expect(0);
    let result = result(&scene);
    (scenario.move_target)(&scene);
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["unland", "--yes"]).expect(0);
    scene.dispatch(&["land", "--yes"]).expect(0);
    scene.dispatch(&["clean"]).expect(0);
    (result, points(&list, false))
}

/// Returns the failure after a crash at this point, if any.
pub(crate) fn crash_at(scenario: &Scenario, point: &str, expected: &str) -> Result<bool, String> {
    let mut scene = (scenario.scene)();
    let done = scene.root.join("done");
    scene.set_env("DISPATCH_FAULT", point);
    scene.set_env("DISPATCH_FAULT_DONE", done.to_str().unwrap());
    let before = scene.fingerprint();
    let plan = (scenario.plan)(&scene);
    let first = scene.run(&plan, &["-j", "2"]);
    if scene.run_names().is_empty() {
        // It was killed before the run existed; nothing can be resumed.
        scene.run(&plan, &["-j", "2"]).expect(0);
    } else if first.code != 0 {
        let resumed = scene.dispatch(&["resume"]);
        // After its very last effect nothing is left to resume.
        if resumed.code != 0 && !resumed.err.contains("has ended") {
            return Err(format!(
                "resume ended with {}: {}\n{}",
                resumed.code, resumed.err, resumed.out
            ));
        }
    }
    let say = |what: &str, found: String| Err(format!("{what}: {found}"));
    if scene.statuses() != "1 DONE · 2 DONE · 3 DONE · 4 DONE · 5 DONE" {
        return say("statuses", scene.statuses());
    }
    if result(&scene) != expected {
        return say("the assembled tree", result(&scene));
    }
    before.assert_same(&scene.fingerprint());
    if let Ok(twice) = std::fs::read_to_string(scene.root.join("twice")) {
        return say("two alive at once", twice);
    }
    let board = scene.dispatch(&["board"]).out;
    if board != scene.board() {
        return say("the board is not that of the journal", scene.board());
    }
    let journal = format!("refs/dispatch/runs/{}", scene.run_name());
    let journal = scene.git(&["log", "--first-parent", "--format=%b", &journal]);
    let passed =
        |line: &&str| line.contains("attempt-ended") && line.contains("\"end\":\"passed\"");
    let passed = journal.lines().filter(passed).count();
    if passed != scenario.accepted {
        return say("accepted results", passed.to_string());
    }
    (scenario.move_target)(&scene);
    let old = scene.rev("main");
    for (step, lands) in [("land", true), ("unland", false), ("land", true)] {
        if let Err(found) = move_for_certain(&scene, scenario.files, step, lands, &old) {
            return say(step, found);
        }
    }
    if scene.dispatch(&["clean"]).code != 0 {
        let again = scene.dispatch(&["clean"]);
        if again.code != 0 {
            return say("cleaning again", again.err);
        }
    }
    let worktrees = scene.git(&["worktree", "list", "--porcelain"]);
    if worktrees.matches("worktree ").count() != 1 {
        return say("worktrees that stay", worktrees);
    }
    let fsck = scene.try_git(&["fsck", "--no-dangling"]);
    if fsck.code != 0 {
        return say("git fsck", fsck.err);
    }
    if let Some(missing) = (scenario.missing)(&scene) {
        return say("missing", missing);
    }
    Ok(done.exists())
}

/// Lands or takes back, a second time if the first one was killed. After each the target is at its
/// old or at its new commit, and the checkout is whole.
fn move_for_certain(
    scene: &Scene,
    brought: &[&str],
    step: &str,
    lands: bool,
    old: &str,
) -> Result<(), String> {
    for _ in 0..2 {
        let ended = scene.dispatch(&[step, &scene.run_name(), "--yes"]);
        let (has_moved, files) = (scene.rev("main") != old, scene.git(&["ls-files"]));
        let is_whole = brought
            .iter()
            .all(|file| files.lines().any(|line| line == *file) == has_moved);
        // Between files and reference is the one moment of a move that can be seen; the next call
        // ends it.
        if ended.code == 0 {
            let status = scene.git(&["status", "--porcelain"]);
            return match has_moved == lands && is_whole && status.is_empty() {
                true => Ok(()),
                false => Err(format!("{files}\n{status}\n{}", ended.err)),
            };
        }
    }
    Err(scene.dispatch(&[step, "--yes"]).err)
}

/// Tries every point, two at a time; what was wrong, and what was not reached.
pub(crate) fn at_each(
    points: &[String],
    try_at: impl Fn(&str) -> Result<bool, String> + Sync,
) -> (Vec<String>, Vec<String>) {
    let next = AtomicUsize::new(0);
    let (wrong, missed) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::SeqCst)) {
                    match try_at(point) {
                        Ok(true) => {}
                        Ok(false) => missed.lock().unwrap().push(point.clone()),
                        Err(what) => wrong.lock().unwrap().push(format!("{point}: {what}")),
                    }
                }
            });
        }
    });
    (wrong.into_inner().unwrap(), missed.into_inner().unwrap())
}

#[test]
#[allow(clippy::print_stdout)] // The number of points is part of what this test says.
fn a_run_that_is_killed_at_any_fault_point_ends_as_if_nothing_had_happened() {
    let (expected, points) = undisturbed(&PLAIN);
    let (wrong, missed) = at_each(&points, |point| crash_at(&PLAIN, point, &expected));
    println!(
        "{} fault points, {} not reached this time",
        points.len(),
        missed.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(
        points.len() >= 120 && missed.len() * 5 < points.len(),
        "{missed:?}"
    );
}

#[test]
#[allow(clippy::print_stdout)] // The number of points is part of what this test says.
fn a_run_with_conflicts_that_is_killed_at_their_fault_points_ends_the_same() {
    let (expected, points) = undisturbed(&CONFLICTS);
    let is_one = |point: &String| OF_CONFLICTS.iter().any(|effect| point.starts_with(effect));
    let first = points.into_iter().filter(|point| point.ends_with("@1"));
    let points: Vec<String> = first.filter(is_one).collect();
    for effect in OF_CONFLICTS {
        let is_there = points.iter().any(|point| point.starts_with(effect));
        assert!(is_there, "{effect}: {points:?}");
    }
    let (wrong, missed) = at_each(&points, |point| crash_at(&CONFLICTS, point, &expected));
    println!(
        "{} fault points, {} not reached this time",
        points.len(),
        missed.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(missed.len() * 5 < points.len(), "{missed:?}");
}

#[test]
fn a_choice_among_variants_that_is_killed_at_any_of_its_steps_ends_the_same() {
    let (expected, points) = undisturbed(&VARIANTS);
    let mut points = points;
    points.retain(|point| point.starts_with("variant "));
    assert_eq!(points.len(), 3, "{points:?}");
    let turns = (3..12).map(|turn| format!("turn recorded@{turn}"));
    points.extend(turns);
    let (wrong, _) = at_each(&points, |point| crash_at(&VARIANTS, point, &expected));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Returns the failure after a run whose disk was full at this write, if any, and `true` if it was
/// full.
pub(crate) fn full_at(scenario: &Scenario, point: &str, expected: &str) -> Result<bool, String> {
    let mut scene = (scenario.scene)();
    let done = scene.root.join("done");
    scene.set_env("DISPATCH_FAULT", point);
    scene.set_env("DISPATCH_FAULT_DONE", done.to_str().unwrap());
    let before = scene.fingerprint();
    let plan = (scenario.plan)(&scene);
    let mut ended = scene.run(&plan, &["-j", "2"]);
    while scene.run_names().is_empty() {
        // There was no room for the run itself, which was said.
        if !ended.err.contains("No space left on device") {
            return Err(format!("not started: {}", ended.err));
        }
        ended = scene.run(&plan, &["-j", "2"]);
    }
    let say = |what: &str, found: String| Err(format!("{what}: {found}"));
    if ended.code != 0 {
        return say("the run", ended.err + &ended.out);
    }
    if scene.statuses() != "1 DONE · 2 DONE · 3 DONE · 4 DONE · 5 DONE" {
        return say("statuses", scene.statuses());
    }
    if result(&scene) != expected {
        return say("the assembled tree", result(&scene));
    }
    before.assert_same(&scene.fingerprint());
    // A worker that had done its work is never asked twice. B fails at its first attempt, if the one
    // of that number came to its worker.
    let ran = std::fs::read_to_string(scene.root.join("ran")).unwrap();
    let mut ran: Vec<&str> = ran.lines().collect();
    ran.sort_unstable();
    if !matches!(ran.join("").as_str(), "abbcde" | "abcde") {
        return say("workers that ran", ran.join(" "));
    }
    if scene.dispatch(&["board"]).out != scene.board() {
        return say("the board is not that of the journal", scene.board());
    }
    let fsck = scene.try_git(&["fsck", "--no-dangling"]);
    if fsck.code != 0 {
        return say("git fsck", fsck.err);
    }
    Ok(done.exists())
}

#[test]
#[allow(clippy::print_stdout)] // The number of points is part of what this test says.
fn a_disk_that_is_full_at_any_write_costs_no_attempt_and_no_work() {
    let mut scene = (PLAIN.scene)();
    let list = scene.root.join("points");
    scene.set_env("DISPATCH_FAULT_LIST", list.to_str().unwrap());
    scene.run(&plan(&scene), &["-j", "2"]).expect(0);
    let (expected, points) = (result(&scene), points(&list, true));
    let (wrong, missed) = at_each(&points, |point| full_at(&PLAIN, point, &expected));
    println!("{} writes, {} not reached", points.len(), missed.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(
        points.len() >= 30 && missed.len() * 5 < points.len(),
        "{missed:?}"
    );
}
