//! `dispatch workers`: the list, and that it leaves no trace.

use crate::harness::Scene;

/// Creates a scene with programs of its own at the front of `PATH`.
fn with_programs(programs: &[(&str, &str)]) -> Scene {
    let mut scene = Scene::new();
    for (name, script) in programs {
        let path = scene.root.join("bin").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
    }
    // Nothing else is there, whatever the machine has.
    let bin = scene.root.join("bin");
    let path = std::env::var_os("PATH").unwrap();
    let mut folders = std::env::split_paths(&path);
    let git = folders.find_map(|folder| Some(folder.join("git")).filter(|git| git.exists()));
    std::os::unix::fs::symlink(git.unwrap(), bin.join("git")).unwrap();
    scene.set_env("PATH", bin.to_str().unwrap());
    scene
}

#[test]
fn they_are_listed_with_what_is_installed_and_only_known_agents_are_asked() {
    let scene = with_programs(&[
        (
            "claude",
            "echo '2.1.330 (Claude Code)'; : > here; test -n \"$HTTPS_PROXY\"",
        ),
        ("codex", "echo 'codex-cli 0.169.0'"),
        ("gemini", "echo broken >&2; exit 3"),
        ("mine", "echo 1.0.0; : > $HOME/was-called"),
    ]);
    scene.configure(
        "[run]\nworker = \"claude\"\n\
         [workers.claude]\nfallback = [\"codex\"]\ntimeout = \"45m\"\n\
         [workers.mine]\ncommand = [\"mine\", \"{prompt_file}\"]\n\
         [workers.theirs]\ncommand = [\"{worktree}/tool\"]\n",
    );
    let before = scene.fingerprint();
    let listed = scene.dispatch(&["workers"]).expect(0);
    insta::assert_snapshot!(listed.out, @r"
    WORKER            PROFILE     PROGRAM          VERSION                   DIALECT      PROMPT    LIMITS
    aider             built-in    aider            not installed             aider        file      timeout 2h, stall_timeout 30m, stagger 500ms
    antigravity       built-in    agy              not installed             antigravity  argument  timeout 2h, stall_timeout 30m, stagger 500ms
    claude (default)  changed     claude           2.1.330                   claude       stdin     timeout 45m, stall_timeout 30m, stagger 500ms, then codex
    codex             built-in    codex            0.169.0                   codex        stdin     timeout 2h, stall_timeout 30m, stagger 500ms
    copilot           built-in    copilot          not installed             copilot      stdin     timeout 2h, stall_timeout 30m, stagger 500ms
    cursor            built-in    cursor-agent     not installed             claude       argument  timeout 2h, stall_timeout 30m, stagger 500ms
    gemini            built-in    gemini           unknown (exit status: 3)  gemini       argument  timeout 2h, stall_timeout 30m, stagger 500ms
    goose             built-in    goose            not installed             goose        file      timeout 2h, stall_timeout 30m, stagger 500ms
    mine              configured  mine             installed                 text         file      timeout 2h, stall_timeout 30m
    opencode          built-in    opencode         not installed             opencode     argument  timeout 2h, stall_timeout 30m, stagger 500ms
    shell             built-in    the task's run   -                         text         file      timeout 2h, stall_timeout 30m
    theirs            configured  {worktree}/tool  -                         text         file      timeout 2h, stall_timeout 30m
    ");
    before.assert_same(&scene.fingerprint());
    assert!(!scene.root.join("home/was-called").exists());

    let listed = scene.dispatch(&["workers", "--json"]).expect(0).out;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["default"], "claude");
    let workers = listed["workers"].as_array().unwrap();
    let claude = workers.iter().find(|worker| worker["name"] == "claude");
    let claude = claude.unwrap();
    let told = [
        "installed",
        "version",
        "default",
        "profile",
        "limits",
        "fallback",
        "resume",
        "attach",
    ];
    let told = told.map(|key| format!("{key} {}", claude[key]));
    insta::assert_snapshot!(told.join("\n"), @r#"
    installed true
    version "2.1.330"
    default true
    profile "changed"
    limits {"timeout":"45m","stall_timeout":"30m","max_turns":null,"max_cost":null,"concurrency":null,"stagger":"500ms"}
    fallback ["codex"]
    resume ["claude","-p","--resume","{session}","--output-format","stream-json","--verbose","--permission-mode","{permission_mode}","--model","{model}","--max-turns","{max_turns}","--max-budget-usd","{max_cost}"]
    attach ["claude","--resume","{session}"]
    "#);
}

#[test]
fn the_limits_of_a_task_reach_an_agent_that_has_options_for_them() {
    let scene = with_programs(&[(
        "claude",
        "echo \"$*\" >> args.txt\n\
         echo '{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"ok\"}'",
    )]);
    scene.configure("[workers.claude]\nmax_turns = 30\nmodel = \"opus\"\nstagger = \"\"\n");
    let plan = "1. [A] One\n   - worker: claude\n   - max_turns: 7\n   - max_cost: $2.50\n\
                2. [B] Two\n   - worker: claude\n";
    scene.run(plan, &["--no-assemble"]).expect(0);
    let args = |slug: &str| scene.git(&["show", &format!("{}:args.txt", scene.branch(slug))]);
    // Where dispatch confines it, it runs without its own sandbox.
    let args = |slug: &str| args(slug).replace("--settings {\"sandbox\":{\"enabled\":false}} ", "");
    let common =
        "-p --output-format stream-json --verbose --permission-mode acceptEdits --model opus";
    assert_eq!(
        args("a"),
        format!("{common} --max-turns 7 --max-budget-usd 2.5")
    );
    assert_eq!(args("b"), format!("{common} --max-turns 30"));
}

#[test]
fn a_wrong_configuration_is_said_in_place_of_a_list() {
    let scene = Scene::new();
    scene.write(".dispatch.toml", "[run]\nworker = \"nobody\"\n");
    let ended = scene.dispatch(&["workers"]).expect(1);
    assert!(
        ended.err.contains("unknown worker \"nobody\""),
        "{}",
        ended.err
    );
}
