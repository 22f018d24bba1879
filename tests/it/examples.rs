//! Runs every example in the help of a command in a repository made for it.
//!
//! Two things are filled in: the name of the run where an example says `shop-7k`, and `--yes` where
//! a command asks.

use std::process::{Child, Stdio};

use git_dispatch::cli::help::examples::EXAMPLES;

use crate::harness::{Ended, Gate, Scene, wait};

/// The examples that cannot run in a temporary repository.
const NOT_RUN: [&str; 15] = [
    // It needs GitHub; tests/it/pull_request.rs runs it against a server of its own.
    "dispatch land --pr",
    // They need GitHub; tests/it/github runs them against one of its own.
    "dispatch github sync --dry-run",
    "dispatch github sync --project new",
    "dispatch github clean shop-7k3q",
    "dispatch github sync",
    "dispatch github sync --project octo/7 --watch",
    "dispatch github sync --pull",
    "dispatch github clean shop-7k3q --dry-run",
    "dispatch github clean shop-7k3q",
    // It needs `gh`; the tests of the import run it on issues of their own.
    "dispatch plan import github --label ready > plan.md",
    // They need the session of an agent; tests/it/steering.rs runs them with one.
    "dispatch retry API --continue",
    "dispatch attach API",
    "dispatch attach shop-7k 2 --yes",
    // They start a browser, or need a port that may be in use; tests/it/web runs the page.
    "dispatch web --open",
    "dispatch web shop-7k --port 8080",
];

/// Two results that conflict, #2 by an agent; #5 reports something.
const PLAN: &str = "\
# Shop

1. [ONE] One way
   - run: sed -i s/two/2/ src/app.ts
2. [API] Another way

   Write two in German.
3. [FREE] Something else
   - run: echo free > free
4. [AFTER] What comes after — blocked by #1
   - run: echo after > after
5. [SIZE] Count the files
   - run: git ls-files | wc -l
   - produces: info
";

const WORKERS: &str = "
[run]
worker = \"claude\"
[workers.claude]
dialect = \"text\"
command = [\"sh\", \"-c\", \"sed -i s/two/zwei/ src/app.ts\"]
[workers.codex]
dialect = \"text\"
command = [\"sh\", \"-c\", \"sed -i s/two/deux/ src/app.ts\"]
";

/// A repository in which examples run.
struct Examples {
    scene: Scene,
}

impl Examples {
    fn new() -> Examples {
        let mut scene = Scene::new();
        scene.write("plan.md", PLAN);
        scene.configure(WORKERS);
        for branch in ["feature/x", "release"] {
            scene.git(&["branch", branch]);
        }
        for pull in ["refs/pull/1/head", "refs/pull/2/head"] {
            scene.git(&["update-ref", pull, "HEAD"]);
        }
        let bin = std::path::Path::new(env!("CARGO_BIN_EXE_dispatch"));
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", bin.parent().unwrap().display());
        scene.set_env("PATH", &path);
        Examples { scene }
    }

    /// Renders the command line of an example, for a shell.
    #[track_caller]
    fn line(&self, example: &str) -> String {
        let known = EXAMPLES.iter().flat_map(|examples| examples.lines);
        let is_known = known.into_iter().any(|(line, _)| *line == example);
        assert!(is_known, "no help has the example `{example}`");
        let line = match self.scene.run_names().last() {
            Some(run) => example.replace("shop-7k3q", run).replace("shop-7k", run),
            None => example.to_owned(),
        };
        let asks = ["run ", "land", "unland", "plan new"]
            .iter()
            .any(|command| line.starts_with(&format!("dispatch {command}")));
        match asks && !line.contains("--yes") && !line.contains("--dry-run") {
            true => line + " --yes",
            false => line,
        }
    }

    /// Runs an example, which must exit with this code.
    #[track_caller]
    fn run(&self, example: &str, code: i32) -> Ended {
        wait(self.start(example)).expect(code)
    }

    #[track_caller]
    fn start(&self, example: &str) -> Child {
        let mut shell = self.scene.command("sh");
        shell.args(["-c", &self.line(example)]);
        shell.stdout(Stdio::piped()).stderr(Stdio::piped());
        shell.spawn().unwrap()
    }

    /// Configures a worker with this command for API.
    fn configure_wait(&self, command: &str) {
        let worker = format!("[workers.wait]\ncommand = [\"sh\", \"-c\", {command:?}]\n");
        let plan = PLAN.replace("Another way\n", "Another way\n   - worker: wait\n");
        self.scene.write("plan.md", &plan);
        self.scene.configure(&format!("{WORKERS}{worker}"));
    }
}

#[test]
fn examples_without_a_run_work() {
    let here = Examples::new();
    for example in [
        "dispatch plan check plan.md",
        "dispatch plan check - < plan.md",
        "dispatch plan convert plan.md --to toml -o plan.toml",
        "dispatch plan convert plan.md --to toml",
        "dispatch plan show plan.toml",
        "dispatch plan show plan.md --json",
    ] {
        here.run(example, 0);
    }
    std::fs::remove_file(here.scene.repo.join("plan.md")).unwrap();
    for example in [
        "dispatch plan convert plan.toml --to md -o plan.md",
        "dispatch plan schema",
        "dispatch plan schema > plan.schema.json",
        "dispatch prompt plan.md API",
        "dispatch run plan.md --dry-run",
        "dispatch doctor",
        "dispatch doctor --fix",
        "dispatch workers",
        "dispatch workers --json",
        "dispatch trust",
        "dispatch trust --yes",
        "dispatch trust --revoke",
        "dispatch history",
        "dispatch history --json",
        "dispatch plugin install --dry-run",
        "dispatch plugin install --project --skill-only --dry-run",
        "dispatch plugin uninstall --dry-run",
        "dispatch plugin uninstall --user --dry-run",
        "dispatch plugin export dispatch-plugin",
        "dispatch plugin export ../dispatch-plugin",
        "dispatch mcp",
        "dispatch mcp < /dev/null",
        "dispatch help",
        "dispatch help land",
        "dispatch help plans",
        "dispatch man --dir out",
        "dispatch conflicts main feature/x",
        "dispatch conflicts 'refs/pull/*/head'",
        "dispatch init --print",
    ] {
        here.run(example, 0);
    }
    let home = here.scene.root.join("home");
    for folder in [
        ".local/share/bash-completion/completions",
        ".config/fish/completions",
        ".local/share/man/man1",
    ] {
        std::fs::create_dir_all(home.join(folder)).unwrap();
    }
    for example in [
        "dispatch completions bash > ~/.local/share/bash-completion/completions/dispatch",
        "dispatch completions fish > ~/.config/fish/completions/dispatch.fish",
        "dispatch man --dir ~/.local/share/man/man1",
    ] {
        here.run(example, 0);
    }
    here.scene.git(&["rm", "-q", ".dispatch.toml"]);
    here.scene.git(&["commit", "-qm", "No settings"]);
    here.run("dispatch init", 0);
}

#[test]
fn examples_after_a_run_work() {
    let here = Examples::new();
    here.run("dispatch run plan.md -j 8", 4);
    for example in [
        "dispatch status",
        "dispatch status shop-7k --json",
        "dispatch status --disk",
        "dispatch board",
        "dispatch board shop-7k > board.md",
        "dispatch report",
        "dispatch report shop-7k --json",
        "dispatch report --html=report.html",
        "dispatch web --export pages",
        "dispatch output SIZE",
        "dispatch output shop-7k 5",
        "dispatch logs API --attempt 1",
        "dispatch logs shop-7k 2 --setup",
        "dispatch show API",
        "dispatch show shop-7k 2 --json",
        "dispatch diff API",
        "dispatch diff shop-7k 2 --stat",
        "dispatch prompt API",
        "dispatch prompt API --next",
        "dispatch review",
        "dispatch review shop-7k --json",
        "dispatch assemble --dry-run",
        "dispatch clean --dry-run",
    ] {
        let code = i32::from(example.ends_with("--setup"));
        here.run(example, code);
    }
    for example in [
        "dispatch conflicts",
        "dispatch conflicts shop-7k3q --matrix",
        "dispatch conflicts --explain 1:2",
        "dispatch assemble --config .dispatch.toml",
    ] {
        here.run(example, 4);
    }
    here.run("dispatch assemble --leave-out 2,API", 0);
    here.scene.dispatch(&["assemble"]).expect(4);
    here.run("dispatch resolve API", 0);
    here.scene.git(&["config", "merge.tool", "mine"]);
    let tool = "sed -i '/^[<=>]/d' \"$MERGED\"";
    here.scene.git(&["config", "mergetool.mine.cmd", tool]);
    here.scene
        .git(&["config", "mergetool.mine.trustExitCode", "true"]);
    here.run("dispatch resolve shop-7k 2 --tool", 0);
    here.run("dispatch resolve --continue", 0);
    here.scene.git(&["stash", "--quiet", "--include-untracked"]);
    here.run("dispatch land", 0);
    here.run("dispatch unland --dry-run", 0);
    here.run("dispatch unland shop-7k", 0);
    here.run("dispatch land shop-7k --ff", 0);
    here.scene.dispatch(&["unland", "--yes"]).expect(0);
    here.run("dispatch land --into release", 0);
    here.run("dispatch clean shop-7k", 0);
}

/// Renders the plan whose task API waits at the gate.
fn at_a_gate(here: &Examples) -> Gate {
    let gate = Gate::new(&here.scene, "api");
    here.configure_wait(&format!("{}; touch waited", gate.script()));
    gate
}

#[test]
fn examples_of_a_run_in_progress_work() {
    let here = Examples::new();
    let mut gate = at_a_gate(&here);
    let run = here.start("dispatch run - --yes < plan.md");
    gate.wait_until_reached();
    here.run("dispatch pause", 0);
    here.run("dispatch resume", 0);
    here.run("dispatch pause shop-7k", 0);
    here.scene.dispatch(&["resume"]).expect(0);
    let others = [
        "dispatch logs -f API",
        "dispatch conflicts --watch",
        "dispatch watch",
        "dispatch watch --plain",
        "dispatch wait shop-7k API --timeout 30m",
        "dispatch wait",
    ]
    .map(|example| here.start(example));
    gate.open();
    for child in others {
        wait(child).expect(0);
    }
    wait(run).expect(0);
    here.run("dispatch watch shop-7k", 0);
}

#[test]
fn examples_that_cancel_work() {
    let here = Examples::new();
    let mut gate = at_a_gate(&here);
    let run = here.start("dispatch run plan.md --only 1,API");
    gate.wait_until_reached();
    here.run("dispatch cancel shop-7k API", 0);
    wait(run).expect(3);

    let here = Examples::new();
    let mut gate = at_a_gate(&here);
    let run = here.start("dispatch run plan.md -j 8");
    gate.wait_until_reached();
    here.run("dispatch cancel shop-7k", 0);
    wait(run).expect(3);
}

#[test]
fn examples_after_a_failure_work() {
    let here = Examples::new();
    here.configure_wait("echo 'no schema' >&2; exit 1");
    here.run("dispatch run plan.md -j 8", 3);
    here.scene.write("note.md", "Mind the schema\n");
    here.run("dispatch tell API 'Keep the old route, too'", 0);
    here.run("dispatch tell shop-7k 2 - < note.md", 0);
    here.run("dispatch retry API", 3);
    here.run("dispatch retry API --prompt 'Use the v2 client'", 3);
    here.run("dispatch skip API --no-cascade", 0);
    here.run("dispatch retry shop-7k 2 --worker codex", 4);
    here.run("dispatch resume --dry-run", 1);
    let plan = here.scene.read("plan.md");
    here.scene
        .write("plan.md", &plan.replace("Count the", "Count all"));
    here.run("dispatch resume shop-7k --plan plan.md", 4);

    let here = Examples::new();
    here.configure_wait("exit 1");
    here.run("dispatch run plan.md -j 8", 3);
    here.run("dispatch skip API", 0);
}

#[test]
fn examples_that_make_a_plan_work() {
    let here = Examples::new();
    let part =
        |n: u32, name: &str| format!("{n}. [{name}] Build {name}\n   - files: part-{n}.txt\n");
    let answer = format!(
        "# Shop\n\n{}{}{}",
        part(1, "AUTH"),
        part(2, "API"),
        part(3, "TEST")
    );
    here.scene.write("../answer.md", &answer);
    let answer = here.scene.root.join("answer.md");
    let command = format!("cat {}; echo > part-$DISPATCH_TASK.txt", answer.display());
    here.scene.configure(&format!(
        "[run]\nworker = \"claude\"\n[workers.claude]\ndialect = \"text\"\ncommand = [\"sh\", \"-c\", {command:?}]\n"
    ));
    here.scene.write("goal.md", "Build auth, API and tests\n");
    here.scene
        .write("TODO.md", "- [ ] Build auth\n- [ ] Build the API\n");
    let spec = "# Tasks\n\n## Phase 1: Setup\n\n- [ ] T001 [P] Build auth in src/auth.ts\n";
    here.scene.write("specs/001-shop/tasks.md", spec);
    let plan = here.scene.repo.join("plan.md");
    for example in [
        "dispatch plan new 'Build auth, API and tests'",
        "dispatch plan new --from goal.md --worker claude -o plan.toml",
        "dispatch plan new 'Build auth, API and tests' --run --yes",
        "dispatch plan import spec-kit specs/001-shop/tasks.md -o plan.md",
        "dispatch plan import checklist TODO.md -o plan.md",
    ] {
        let _ = std::fs::remove_file(&plan);
        here.run(example, 0);
    }
    here.run("dispatch run plan.md", 0);
    here.run("dispatch plan import --tick", 0);
    let ticked = here.scene.read("TODO.md");
    assert_eq!(ticked, "- [x] Build auth\n- [x] Build the API\n");
}

#[test]
fn examples_of_variants_work() {
    let here = Examples::new();
    let plan = "# Shop\n\n1. [API] The API\n   - run: echo $DISPATCH_ATTEMPT > api.txt\n   - variants: 2\n";
    here.scene.write("plan.md", plan);
    here.scene.dispatch(&["run", "plan.md", "--yes"]).expect(0);
    here.run("dispatch review --take API=2", 0);
    here.scene.dispatch(&["land", "--yes"]).expect(0);
    assert_eq!(here.scene.read("api.txt"), "2\n");
}

#[test]
fn examples_of_past_runs_work() {
    let here = Examples::new();
    let plan = "# Shop\n\n1. [API] The API\n   - run: sed -i s/two/2/ src/app.ts\n";
    here.scene.write("plan.md", plan);
    here.scene.dispatch(&["run", "plan.md", "--yes"]).expect(0);
    let remote = here.scene.root.join("remote.git");
    let remote = remote.to_str().unwrap();
    here.scene.git(&["init", "--quiet", "--bare", remote]);
    here.scene.git(&["remote", "add", "origin", remote]);
    for example in [
        "dispatch log",
        "dispatch log --task API",
        "dispatch stats",
        "dispatch stats --since 2026-11-01 --json",
        "dispatch blame src/app.ts:2",
        "dispatch blame src/app.ts",
        "dispatch push",
        "dispatch push origin shop-7k",
        "dispatch fetch",
        "dispatch fetch origin shop-7k",
    ] {
        here.run(example, 0);
    }
}

#[test]
fn examples_that_serve_pages_work() {
    use std::io::{BufRead, BufReader};

    let here = Examples::new();
    let line = format!("exec {}", here.line("dispatch web --allow-actions"));
    let mut shell = here.scene.command("sh");
    let mut served = shell
        .args(["-c", &line])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(served.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert!(line.starts_with("http://127.0.0.1:"), "{line}");
    let pid = rustix::process::Pid::from_child(&served);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(served.wait().unwrap().success());
}

#[test]
fn examples_of_the_demo_work() {
    let here = Examples::new();
    for example in ["dispatch demo garden", "dispatch demo"] {
        // The same without the pauses.
        let line = format!("{} --fast", here.line(example));
        let mut shell = here.scene.command("sh");
        let ended = shell.args(["-c", &line]).output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
    }
}

#[test]
fn every_example_stands_in_one_of_these() {
    let source = include_str!("examples.rs");
    let lines = EXAMPLES.iter().flat_map(|examples| examples.lines);
    let missing: Vec<&str> = lines
        .map(|(line, _)| *line)
        .filter(|line| !source.contains(&format!("\"{line}\"")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(NOT_RUN.iter().all(|line| source.contains(line)));
}
