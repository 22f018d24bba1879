//! Fault points of a retry in place, a set-up, and a worker that is parked while another one takes
//! over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::Scene;

const PLAN: &str = "# In place\n\n1. [A] Fail half-way, then go on\n   - worker: placed\n\
                    2. [B] Be parked\n   - worker: limited\n";

/// git ignores `cache`, so a worker finds it only in the same worktree.
const PLACED: &str = r#"
exec 9> ROOT/alive-$DISPATCH_TAG; flock -n 9 || echo $DISPATCH_TAG >> ROOT/twice
test -e cache/set-up || exit 1
case $DISPATCH_TAG in
B) echo b > b.txt ;;
A) if test -e half.txt; then
       test -e cache/warm && echo whole > whole.txt && echo in place >> ROOT/in-place
   else
       echo warm > cache/warm; echo half > half.txt; echo reset by peer; exit 75
   fi ;;
esac
"#;

const LIMITED: &str = "echo \"You've hit your usage limit. Try again at 11:00 AM.\"; exit 1\n";

fn scene() -> Scene {
    let scene = Scene::new();
    let root = scene.root.display().to_string();
    for (name, script) in [("placed.sh", PLACED), ("limited.sh", LIMITED)] {
        std::fs::write(scene.root.join(name), script.replace("ROOT", &root)).unwrap();
    }
    scene.write(".gitignore", "cache/\n");
    scene.configure(&format!(
        "[worktree]\nsetup = [\"mkdir -p cache && echo x > cache/set-up\"]\n\
         [workers.placed]\ncommand = [\"sh\", \"{root}/placed.sh\"]\nretry_in_place = true\n\
         [workers.limited]\ncommand = [\"sh\", \"{root}/limited.sh\"]\nfallback = [\"placed\"]\n"
    ));
    scene
}

fn result(scene: &Scene) -> String {
    let tree = scene.git(&["ls-tree", "-r", "--name-only", &scene.branch("integration")]);
    tree.replace('\n', " ")
}

/// Of everything that is special here the last time, and every turn of the loop once recorded.
fn points(list: &std::path::Path) -> Vec<String> {
    let mut times: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for line in std::fs::read_to_string(list).unwrap().lines() {
        let (name, time) = line.rsplit_once('@').unwrap();
        let is_special = ["attempt ", "remains ", "check ", "turn "]
            .iter()
            .any(|effect| name.starts_with(effect));
        if is_special {
            let times = times.entry(name.to_owned()).or_default();
            times.insert(time.parse().unwrap());
        }
    }
    // Writes that may meet a full disk are no places to be killed at; they have a table of their own.
    let places = times
        .into_iter()
        .filter(|(name, _)| !name.contains(":enospc"));
    let chosen = places.flat_map(|(name, times)| {
        let last = times.last().copied();
        let is_turn = name == "turn recorded";
        let some = times.into_iter();
        let some = some.filter(move |time| is_turn || last == Some(*time));
        some.map(move |time| format!("{name}@{time}"))
            .collect::<Vec<_>>()
    });
    chosen.collect()
}

fn crash_at(point: &str, expected: &str) -> Result<bool, String> {
    let mut scene = scene();
    let done = scene.root.join("done");
    scene.set_env("DISPATCH_FAULT", point);
    scene.set_env("DISPATCH_FAULT_DONE", done.to_str().unwrap());
    let before = scene.fingerprint();
    let first = scene.run(PLAN, &[]);
    if scene.run_names().is_empty() {
        scene.run(PLAN, &[]).expect(0);
    } else if first.code != 0 {
        let resumed = scene.dispatch(&["resume"]);
        if resumed.code != 0 && !resumed.err.contains("has ended") {
            return Err(format!(
                "resume ended with {}: {}{}",
                resumed.code, resumed.out, resumed.err
            ));
        }
    }
    let found = (scene.statuses(), result(&scene));
    if found != ("1 DONE · 2 DONE".to_owned(), expected.to_owned()) {
        return Err(format!("{found:?}"));
    }
    before.assert_same(&scene.fingerprint());
    if let Ok(twice) = std::fs::read_to_string(scene.root.join("twice")) {
        return Err(format!("two alive at once: {twice}"));
    }
    if !scene.root.join("in-place").exists() {
        return Err("it did not go on in place".to_owned());
    }
    if scene.dispatch(&["board"]).out != scene.board() {
        return Err(format!(
            "the board is not that of the journal: {}",
            scene.board()
        ));
    }
    let fsck = scene.try_git(&["fsck", "--no-dangling"]);
    match fsck.code {
        0 => Ok(done.exists()),
        _ => Err(fsck.err),
    }
}

#[test]
#[allow(clippy::print_stdout)] // The number of points is part of what this test says.
fn a_run_with_a_retry_in_place_and_a_parked_worker_survives_them_too() {
    let mut scene = scene();
    let list = scene.root.join("points");
    scene.set_env("DISPATCH_FAULT_LIST", list.to_str().unwrap());
    scene.run(PLAN, &[]).expect(0);
    let expected = result(&scene);
    assert!(scene.root.join("in-place").exists());
    let points = points(&list);
    let is_in_place = |point: &String| point.starts_with("attempt before its worktree is reused@");
    assert!(points.iter().any(is_in_place), "{points:?}");
    let next = AtomicUsize::new(0);
    let (wrong, missed) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::SeqCst)) {
                    match crash_at(point, &expected) {
                        Ok(true) => {}
                        Ok(false) => drop(missed.fetch_add(1, Ordering::SeqCst)),
                        Err(what) => wrong.lock().unwrap().push(format!("{point}: {what}")),
                    }
                }
            });
        }
    });
    let missed = missed.into_inner();
    println!(
        "{} fault points, {missed} not reached this time",
        points.len()
    );
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(points.len() >= 25 && missed * 3 < points.len());
}
