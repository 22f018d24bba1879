//! `dispatch plugin`: installs the skill and registers the tools, and touches nothing else.

use std::fs;

use crate::harness::Scene;

const CLAUDE: &str = ".claude/skills/dispatch/SKILL.md";
const AGENTS: &str = ".agents/skills/dispatch/SKILL.md";

/// A scene whose `PATH` has git, and imitations of these agents that note how they are called.
fn scene(agents: &[&str]) -> Scene {
    let mut scene = Scene::new();
    let bin = scene.root.join("bin");
    fs::create_dir(&bin).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for program in ["git", "sh"] {
        let mut folders = std::env::split_paths(&path);
        let found = folders.find_map(|folder| folder.join(program).canonicalize().ok());
        std::os::unix::fs::symlink(found.unwrap(), bin.join(program)).unwrap();
    }
    for agent in agents {
        let script = format!(
            "#!/bin/sh\necho {agent} \"$@\" >> {}/calls\n",
            scene.root.display()
        );
        scene.write_program(&format!("../bin/{agent}"), &script);
    }
    scene.set_env("PATH", bin.to_str().unwrap());
    scene
}

fn calls(scene: &Scene) -> String {
    fs::read_to_string(scene.root.join("calls")).unwrap_or_default()
}

#[test]
fn the_plugin_is_installed_and_removed_without_a_trace() {
    let scene = scene(&["claude", "codex"]);
    let before = scene.fingerprint();
    let shown = scene
        .dispatch(&["plugin", "install", "--dry-run"])
        .expect(0);
    insta::assert_snapshot!(shown.out, @r"
    write  .claude/skills/dispatch/SKILL.md
    write  .agents/skills/dispatch/SKILL.md
    run    claude mcp add --scope project dispatch -- dispatch mcp
    run    codex mcp add dispatch -- dispatch mcp (for all your projects: it has no setting for one)
    ");
    before.assert_same(&scene.fingerprint());
    let asked = scene.dispatch(&["plugin", "install"]).expect(2);
    assert!(
        asked.err.contains("Install the plugin in this project?"),
        "{}",
        asked.err
    );
    before.assert_same(&scene.fingerprint());

    scene.dispatch(&["plugin", "install", "--yes"]).expect(0);
    assert_eq!(scene.read(CLAUDE), scene.read(AGENTS));
    assert!(scene.read(CLAUDE).starts_with("---\nname: dispatch\n"));
    insta::assert_snapshot!(calls(&scene), @r"
    claude mcp add --scope project dispatch -- dispatch mcp
    codex mcp add dispatch -- dispatch mcp
    ");
    let again = scene.dispatch(&["plugin", "install", "--yes"]).expect(0);
    insta::assert_snapshot!(again.out, @r"
    keep   .claude/skills/dispatch/SKILL.md: it is up to date
    keep   .agents/skills/dispatch/SKILL.md: it is up to date
    nothing to do
    ");

    let shown = scene.dispatch(&["plugin", "uninstall", "--yes"]).expect(0);
    insta::assert_snapshot!(shown.out, @r"
    remove .claude/skills/dispatch/SKILL.md
    remove .agents/skills/dispatch/SKILL.md
    run    claude mcp remove --scope project dispatch
    run    codex mcp remove dispatch
    ");
    before.assert_same(&scene.fingerprint());
    let again = scene.dispatch(&["plugin", "uninstall", "--yes"]).expect(0);
    assert_eq!(again.out, "nothing to do\n");
}

#[test]
fn files_of_the_user_are_left_and_named() {
    let scene = scene(&[]);
    scene.write(CLAUDE, "mine\n");
    scene.write(".claude/settings.json", "{}\n");
    let ended = scene.dispatch(&["plugin", "install", "--yes"]).expect(0);
    assert!(
        ended.err.contains("was not written by dispatch"),
        "{}",
        ended.err
    );
    assert_eq!(scene.read(CLAUDE), "mine\n");
    let text = scene.read(AGENTS);
    scene.write(AGENTS, &format!("{text}\nMy own rule.\n"));
    for command in ["install", "uninstall"] {
        let ended = scene.dispatch(&["plugin", command, "--yes"]).expect(0);
        assert!(
            ended.err.contains("was changed after it was written"),
            "{}",
            ended.err
        );
        assert!(scene.read(AGENTS).ends_with("My own rule.\n"));
        assert_eq!(scene.read(CLAUDE), "mine\n");
    }
    assert_eq!(scene.read(".claude/settings.json"), "{}\n");
}

#[test]
fn a_home_folder_or_one_agent_can_be_chosen() {
    let scene = scene(&["codex"]);
    let before = scene.fingerprint();
    let args = ["plugin", "install", "--user", "--agent", "codex", "--yes"];
    scene.dispatch(&args).expect(0);
    before.assert_same(&scene.fingerprint());
    let home = scene.root.join("home");
    assert!(home.join(AGENTS).is_file());
    assert!(!home.join(".claude").exists());
    assert_eq!(calls(&scene), "codex mcp add dispatch -- dispatch mcp\n");
    let ended = scene
        .dispatch(&["plugin", "install", "--agent", "claude", "--yes"])
        .expect(1);
    insta::assert_snapshot!(ended.err, @r#"
    error: the program "claude" was not found on PATH, so that it cannot register the tools
    hint: install it, or write only the skill with `--skill-only`
    "#);
    scene
        .dispatch(&[
            "plugin",
            "install",
            "--agent",
            "claude",
            "--skill-only",
            "--yes",
        ])
        .expect(0);
    assert!(scene.repo.join(CLAUDE).is_file() && !scene.repo.join(AGENTS).exists());
    let outside = scene
        .dispatch_in(&scene.root, &["plugin", "install", "--project"])
        .expect(1);
    assert!(
        outside.err.contains("not in a repository"),
        "{}",
        outside.err
    );
}

#[test]
fn an_agent_that_refuses_is_named_and_not_recorded() {
    let scene = scene(&["claude"]);
    scene.write_program(
        "../bin/codex",
        "#!/bin/sh\necho 'no such luck' >&2\nexit 1\n",
    );
    let ended = scene.dispatch(&["plugin", "install", "--yes"]).expect(0);
    assert!(
        ended
            .err
            .contains("codex did not register the tools: no such luck"),
        "{}",
        ended.err
    );
    let shown = scene
        .dispatch(&["plugin", "uninstall", "--dry-run"])
        .expect(0);
    assert!(
        shown.out.contains("claude mcp remove") && !shown.out.contains("codex"),
        "{}",
        shown.out
    );
}

#[test]
fn without_any_registration_the_commands_are_named() {
    let scene = scene(&[]);
    scene.write_program(
        "../bin/codex",
        "#!/bin/sh\necho 'no such luck' >&2\nexit 1\n",
    );
    let ended = scene.dispatch(&["plugin", "install", "--yes"]).expect(1);
    insta::assert_snapshot!(ended.err, @r"
    warning: codex did not register the tools: no such luck
    error: the tools are not registered with any agent
    hint: run by hand: `codex mcp add dispatch -- dispatch mcp`
    ");
    assert!(scene.repo.join(AGENTS).is_file());
}

#[test]
fn a_registration_that_could_not_be_removed_is_remembered() {
    let scene = scene(&["claude", "codex"]);
    let before = scene.fingerprint();
    scene.dispatch(&["plugin", "install", "--yes"]).expect(0);
    let bin = scene.root.join("bin");
    fs::rename(bin.join("claude"), bin.join("away")).unwrap();
    let ended = scene.dispatch(&["plugin", "uninstall", "--yes"]).expect(1);
    insta::assert_snapshot!(ended.err, @r"
    warning: claude did not remove the tools: could not run claude
    error: some registrations are still there
    hint: run by hand: `claude mcp remove --scope project dispatch`
    hint: or make the agent work, then run `dispatch plugin uninstall` again
    ");
    assert!(!scene.repo.join(CLAUDE).exists() && !scene.repo.join(AGENTS).exists());
    fs::rename(bin.join("away"), bin.join("claude")).unwrap();
    let again = scene.dispatch(&["plugin", "uninstall", "--yes"]).expect(0);
    assert_eq!(
        again.out,
        "run    claude mcp remove --scope project dispatch\n"
    );
    assert!(calls(&scene).ends_with("claude mcp remove --scope project dispatch\n"));
    before.assert_same(&scene.fingerprint());
}

#[test]
fn a_link_that_leaves_the_project_is_refused() {
    let scene = scene(&[]);
    let outside = scene.root.join("outside");
    fs::create_dir(&outside).unwrap();
    fs::create_dir(scene.repo.join(".claude")).unwrap();
    let link = scene.repo.join(".claude/skills");
    std::os::unix::fs::symlink(&outside, &link).unwrap();
    for command in ["install", "uninstall"] {
        let ended = scene.dispatch(&["plugin", command, "--yes"]).expect(1);
        assert!(
            ended.err.contains(".claude/skills is a link to"),
            "{}",
            ended.err
        );
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert!(!scene.repo.join(AGENTS).exists());
    // A link to another folder of the project is fine.
    fs::remove_file(&link).unwrap();
    fs::create_dir_all(scene.repo.join(".agents/skills")).unwrap();
    std::os::unix::fs::symlink("../.agents/skills", &link).unwrap();
    scene.dispatch(&["plugin", "install", "--yes"]).expect(0);
    assert_eq!(scene.read(CLAUDE), scene.read(AGENTS));
}

#[test]
fn the_whole_plugin_is_exported_into_a_new_folder() {
    let scene = scene(&[]);
    scene.dispatch(&["plugin", "export", "../market"]).expect(0);
    let market = scene.root.join("market");
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("plugin");
    for file in [
        ".claude-plugin/plugin.json",
        "plugin.json",
        "skills/dispatch/SKILL.md",
    ] {
        let read = |folder: &std::path::Path| fs::read(folder.join(file)).unwrap();
        assert_eq!(read(&market), read(&source), "{file}");
    }
    let ended = scene.dispatch(&["plugin", "export", "../market"]).expect(1);
    assert!(ended.err.contains("exists already"), "{}", ended.err);
}

#[test]
fn a_configuration_that_was_made_for_the_tools_goes_with_them() {
    let script = "#!/bin/sh\ncase $2 in\n\
        add) [ -e .mcp.json ] || echo '{\"mcpServers\": {\"dispatch\": {}}}' > .mcp.json;;\n\
        remove) echo '{\"mcpServers\": {}}' > .mcp.json;;\nesac\n";
    let scene = scene(&["claude"]);
    scene.write_program("../bin/claude", script);
    let before = scene.fingerprint();
    scene.dispatch(&["plugin", "install", "--yes"]).expect(0);
    assert!(scene.repo.join(".mcp.json").exists());
    // A second installation forgets nothing.
    scene.dispatch(&["plugin", "install", "--yes"]).expect(0);
    scene.dispatch(&["plugin", "uninstall", "--yes"]).expect(0);
    before.assert_same(&scene.fingerprint());

    scene.write(".mcp.json", "{\"mcpServers\": {}}\n");
    scene.dispatch(&["plugin", "install", "--yes"]).expect(0);
    scene.dispatch(&["plugin", "uninstall", "--yes"]).expect(0);
    assert!(scene.repo.join(".mcp.json").exists(), "it was there before");
}
