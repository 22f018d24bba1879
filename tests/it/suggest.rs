//! Every command that dispatch suggests runs as printed.

use std::collections::BTreeSet;

use git_dispatch::model::ids::{RunId, TaskNumber};
use git_dispatch::report::suggest;

use crate::harness::{Ended, Scene};

/// Returns the commands between backticks that start with `dispatch`.
fn suggestions(text: &str) -> BTreeSet<String> {
    let spans = text.split('`').skip(1).step_by(2);
    spans
        .chain(text.lines().map(str::trim))
        .filter(|span| span.starts_with("dispatch ") && !span.contains('\n'))
        .filter(|span| span.split(' ').all(|word| !word.contains('…')))
        .map(str::to_owned)
        .collect()
}

/// Later ones change more: a run that has landed cannot be assembled again.
fn rank(command: &str) -> usize {
    let words = [
        "assemble", "review", "resume", "retry", "skip", "run", "demo", "land", "clean", "unland",
    ];
    let name = command.split(' ').nth(1).unwrap_or_default();
    words
        .iter()
        .position(|word| *word == name)
        .map_or(0, |place| place + 1)
}

/// Runs a suggestion like a user who answers yes and fills in words in capitals.
fn carry_out(scene: &Scene, command: &str) -> Ended {
    let (plan, run) = (
        scene.plan("1. a\n   - run: echo 1 > 1.txt\n"),
        scene.run_name(),
    );
    let mut args: Vec<String> = command
        .split(' ')
        .skip(1)
        .map(|word| match word {
            "PLAN" => plan.clone(),
            "RUN" => run.clone(),
            "TASK" => "1".to_owned(),
            "BRANCH" => "main".to_owned(),
            word => word.trim_matches('\'').to_owned(),
        })
        .collect();
    let asks = ["run", "land", "unland"].contains(&args[0].as_str());
    if asks && !args.contains(&"--yes".to_owned()) {
        args.push("--yes".to_owned());
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    scene.dispatch(&args)
}

/// Runs everything that these texts suggest, and the suggestions of that, until nothing new
/// appears.
#[track_caller]
fn follow(scene: &Scene, texts: &str) -> BTreeSet<String> {
    let mut done = BTreeSet::new();
    let mut open = suggestions(texts);
    while let Some(command) = open.iter().min_by_key(|command| rank(command)).cloned() {
        open.remove(&command);
        if !done.insert(command.clone()) {
            continue;
        }
        let ended = carry_out(scene, &command);
        assert!(
            [0, 1, 3, 4].contains(&ended.code) && !ended.err.contains("panicked"),
            "`{command}` ended with {}\n{}{}",
            ended.code,
            ended.out,
            ended.err
        );
        assert!(
            ended.code != 1 || ended.err.contains("error"),
            "`{command}`: {}",
            ended.err
        );
        open.extend(suggestions(&ended.out));
        open.extend(suggestions(&ended.err));
    }
    done
}

/// Returns the output of every reading command.
fn everything(scene: &Scene) -> String {
    let commands: [&[&str]; 11] = [
        &["status"],
        &["board"],
        &["report"],
        &["history"],
        &["review"],
        &["conflicts"],
        &["show", "1"],
        &["diff", "1"],
        &["logs", "1"],
        &["clean", "--dry-run"],
        &["resume"],
    ];
    let read = |args: &&[&str]| {
        let ended = scene.dispatch(args);
        ended.out + &ended.err
    };
    commands.iter().map(read).collect()
}

#[test]
fn every_command_a_run_can_suggest_runs() {
    let plans = [
        // All goes well.
        "1. [A] a\n   - run: echo a > a.txt\n2. [I] i\n   - run: echo info\n   - produces: info\n",
        // One fails, one waits for it.
        "1. [A] a\n   - run: exit 1\n2. [B] b — blocked by #1\n   - run: echo b > b.txt\n3. [C] c\n   - run: echo c > c.txt\n",
        // One is left out; a transient failure uses up its retries.
        "1. [A] a\n   - run: echo a > same.txt\n2. [B] b\n   - run: echo b > same.txt\n3. [T] t\n   - run: exit 75\n",
        // Dependencies conflict.
        "1. [A] a\n   - run: echo a > same.txt\n2. [B] b\n   - run: echo b > same.txt\n3. [C] c — blocked by #1, #2\n   - run: echo c > c.txt\n",
        // Nothing passes.
        "1. [A] a\n   - run: exit 126\n",
    ];
    let mut seen = BTreeSet::new();
    for plan in plans {
        let scene = Scene::new();
        let ended = scene.run(plan, &[]);
        let all = suggest::all(&RunId::new(scene.run_name()), TaskNumber(1)).join("\n");
        let texts = format!("{}{}{}\n{all}", ended.out, ended.err, everything(&scene));
        seen.extend(follow(&scene, &texts).iter().map(|command| {
            let words: Vec<&str> = command.split(' ').collect();
            words[1].to_owned()
        }));
    }
    let wanted = [
        "assemble",
        "clean",
        "conflicts",
        "diff",
        "land",
        "logs",
        "report",
        "resume",
        "retry",
        "review",
        "show",
        "skip",
        "status",
    ];
    let missing: Vec<_> = wanted
        .iter()
        .filter(|word| !seen.contains(**word))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn what_an_empty_repository_suggests_runs() {
    let scene = Scene::new();
    let texts: String = [
        &["status"][..],
        &["history"],
        &["land"],
        &["resume"],
        &["status", "x"],
        &["conflicts", "main"],
    ]
    .iter()
    .map(|args| {
        let ended = scene.dispatch(args);
        ended.out + &ended.err
    })
    .collect();
    let commands = suggestions(&texts);
    assert!(commands.contains("dispatch run PLAN"), "{commands:?}");
    for command in commands
        .iter()
        .filter(|command| !command.contains("feature"))
    {
        let ended = match command.as_str() {
            "dispatch demo" => {
                let folder = scene.root.join("demo");
                scene.dispatch(&["demo", "--fast", folder.to_str().unwrap()])
            }
            "dispatch run PLAN" => scene.run("1. a\n   - run: echo 1 > 1.txt\n", &[]),
            command => {
                let args: Vec<&str> = command.split(' ').skip(1).collect();
                scene.dispatch(&args)
            }
        };
        assert!([0, 1].contains(&ended.code), "`{command}`: {}", ended.err);
    }
}

#[test]
fn what_a_failed_check_of_the_assembled_branch_suggests_runs() {
    let scene = Scene::new();
    scene.configure("[assemble]\ncheck = [\"false\"]\n");
    let ended = scene
        .run("1. [A] a\n   - run: echo a > a.txt\n", &[])
        .expect(4);
    let land = scene.dispatch(&["land", "--yes"]).expect(4);
    follow(&scene, &format!("{}{}{}", ended.out, ended.err, land.err));
}

#[test]
fn what_the_demo_suggests_runs() {
    let mut scene = Scene::new();
    let folder = scene.root.join("demo");
    let ended = scene
        .dispatch(&["demo", "--fast", folder.to_str().unwrap()])
        .expect(0);
    scene.repo = folder;
    let found = follow(&scene, &format!("{}{}", ended.out, ended.err));
    assert!(found.len() >= 4, "{found:?}");
}

#[test]
fn the_demo_commits_its_board_while_its_tasks_change() {
    let mut scene = Scene::new();
    let folder = scene.root.join("demo");
    scene
        .dispatch(&["demo", folder.to_str().unwrap()])
        .expect(0);
    scene.repo = folder;
    let branch = scene.branch("integration");
    let subjects = scene.git(&["log", "--format=%s", &branch, "--", "DISPATCH.md"]);
    let boards: Vec<&str> = subjects.lines().collect();
    assert!(boards.len() >= 8, "{subjects}");
    for part in ["#4 RETRY (#1)", "#6 DONE", "2 conflicts"] {
        assert!(boards.iter().any(|line| line.contains(part)), "{subjects}");
    }
}
