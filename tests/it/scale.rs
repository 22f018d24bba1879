//! Many tasks at once, while the user continues to work in the same repository.
//!
//! `DISPATCH_SCALE=200` makes it 200 tasks; the default keeps the suite quick.

use crate::harness::temp_folder;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use git_dispatch::base::process::{Finished, Program};

/// A temporary folder with a repository in it, and nothing read from outside.
struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place {
            root: temp_folder(),
        };
        fs::create_dir(place.repo()).unwrap();
        place.git(&["init", "--quiet", "--initial-branch=main"]);
        for number in 0..40 {
            let folder = place.repo().join(format!("src/part{}", number % 8));
            fs::create_dir_all(&folder).unwrap();
            let text = format!("file {number}\n").repeat(20);
            fs::write(folder.join(format!("{number}.txt")), text).unwrap();
        }
        place.git(&["add", "--all"]);
        place.git(&["commit", "--quiet", "--message=first"]);
        place
    }

    fn repo(&self) -> PathBuf {
        self.root.path().join("shop")
    }

    fn program(&self, name: impl AsRef<Path>) -> Program {
        Program::new(name.as_ref())
            .folder(self.repo())
            .env("HOME", self.root.path())
            .env("XDG_CONFIG_HOME", self.root.path().join("config"))
            .env("XDG_STATE_HOME", self.root.path().join("state"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Ada")
            .env("GIT_AUTHOR_EMAIL", "ada@example.org")
            .env("GIT_COMMITTER_NAME", "Ada")
            .env("GIT_COMMITTER_EMAIL", "ada@example.org")
    }

    fn dispatch(&self, args: &[&str]) -> Finished {
        let program = self.program(env!("CARGO_BIN_EXE_dispatch"));
        program.args(args).output().unwrap()
    }

    fn try_git(&self, args: &[&str]) -> Finished {
        self.program("git").args(args).output().unwrap()
    }

    fn git(&self, args: &[&str]) -> String {
        let finished = self.try_git(args);
        assert!(
            finished.status.success(),
            "git {args:?}: {}",
            said(&finished)
        );
        String::from_utf8_lossy(&finished.stdout).into_owned()
    }
}

fn said(finished: &Finished) -> String {
    let both = [&finished.stdout[..], &finished.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn tasks() -> usize {
    let wanted = std::env::var("DISPATCH_SCALE").ok();
    wanted.map_or(60, |number| number.parse().unwrap())
}

/// Every task edits a file of its own, so that all of them assemble.
fn plan(tasks: usize) -> String {
    let mut text = "# Scale\n\n## Dispatch Plan\n\n### Independent\n".to_owned();
    for task in 1..=tasks {
        let run = format!("mkdir -p new && echo {task} > new/{task}.txt");
        writeln!(text, "{task}. [T{task}] Task {task}\n      - run: {run}").unwrap();
    }
    text
}

/// Works in the main checkout meanwhile; returns the failures, and the number of rounds.
fn bystander(place: &Place, over: &AtomicBool) -> (Vec<String>, usize) {
    let mut failures = Vec::new();
    let mut rounds = 0;
    while !over.load(Ordering::SeqCst) || rounds == 0 {
        let message = format!("--message=round {rounds}");
        let commands: [&[&str]; 5] = [
            &["branch", "--list"],
            &["status", "--porcelain"],
            &["worktree", "list"],
            &["commit", "--quiet", "--allow-empty", &message],
            &["branch", "--force", "aside"],
        ];
        for command in commands {
            let finished = place.try_git(command);
            if !finished.status.success() {
                failures.push(format!("git {command:?}: {}", said(&finished)));
            }
        }
        rounds += 1;
    }
    (failures, rounds)
}

#[test]
fn many_tasks_at_once_do_not_fail_and_disturb_nobody() {
    let place = Place::new();
    let tasks = tasks();
    let file = place.root.path().join("plan.md");
    fs::write(&file, plan(tasks)).unwrap();
    let over = AtomicBool::new(false);
    let (ended, (failures, rounds)) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| bystander(&place, &over));
        let parallel = tasks.to_string();
        let file = file.to_str().unwrap();
        let ended = place.dispatch(&["run", file, "-j", &parallel, "--yes"]);
        over.store(true, Ordering::SeqCst);
        (ended, watching.join().unwrap())
    });
    assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
    assert_eq!(failures, Vec::<String>::new(), "in {rounds} rounds");

    let branch = place.git(&["for-each-ref", "--format=%(refname)", "refs/heads/dispatch"]);
    let (branches, integration): (Vec<&str>, Vec<&str>) = branch
        .lines()
        .partition(|name| !name.ends_with("/integration"));
    assert_eq!(branches.len(), tasks);
    let assembled = place.git(&["ls-tree", "--name-only", integration[0], "new/"]);
    assert_eq!(assembled.lines().count(), tasks, "every task is assembled");
    let checked = place.try_git(&["fsck", "--strict", "--no-dangling"]);
    assert!(checked.status.success(), "{}", said(&checked));
    assert_eq!(said(&checked), "", "fsck has nothing to say");
    assert_eq!(place.git(&["status", "--porcelain"]), "");
}
