//! Messages about invalid settings.

use super::{problems, rendered, sources, variable};
use crate::config::*;

#[test]
fn all_problems_of_a_file_are_said_at_once() {
    insta::assert_snapshot!(
        problems(
            r#"[run]
max_paralel = 5
max_parallel = 0
timeout = "fast"
base = 3
worker = "cluade"

[asemble]
check = []

[assemble]
history = "rebase"

[worktree]
path = "../{repo}/{rum}/{task}"
copy = ["ok", "a[", "../secret"]

[retry]
transient = -1
"#
        ),
        @r#"
    error: unknown key "max_paralel" in [run]
     --> .dispatch.toml:2:1
      |
    2 | max_paralel = 5
      | ^^^^^^^^^^^
    hint: did you mean max_parallel?
    error: max_parallel must be at least 1
     --> .dispatch.toml:3:16
      |
    3 | max_parallel = 0
      |                ^
    hint: write 1 for one at a time
    error: timeout: invalid duration "fast"
     --> .dispatch.toml:4:11
      |
    4 | timeout = "fast"
      |           ^^^^^^
    hint: write it like "90s", "30m", "2h" or "1h30m"
    error: base: expected a string, found an integer
     --> .dispatch.toml:5:8
      |
    5 | base = 3
      |        ^
    hint: write it like "text"
    error: unknown worker "cluade"
     --> .dispatch.toml:6:10
      |
    6 | worker = "cluade"
      |          ^^^^^^^^
    hint: did you mean claude? or add [workers.cluade]
    error: unknown table "asemble"
     --> .dispatch.toml:8:2
      |
    8 | [asemble]
      |  ^^^^^^^
    hint: did you mean [assemble]?
    error: history: unknown value "rebase"
      --> .dispatch.toml:12:11
       |
    12 | history = "rebase"
       |           ^^^^^^^^
    hint: valid values are merge, squash, linear
    error: path: unknown placeholder {rum}
      --> .dispatch.toml:15:8
       |
    15 | path = "../{repo}/{rum}/{task}"
       |        ^^^^^^^^^^^^^^^^^^^^^^^^
    hint: did you mean {run}? valid placeholders are {repo}, {run}, {task}
    error: copy: invalid glob "a[": unclosed character class; missing ']'
      --> .dispatch.toml:16:15
       |
    16 | copy = ["ok", "a[", "../secret"]
       |               ^^^^
    hint: put \ before [, {, * or ? to match the character itself
    error: copy: "../secret" is outside the repository
      --> .dispatch.toml:16:21
       |
    16 | copy = ["ok", "a[", "../secret"]
       |                     ^^^^^^^^^^^
    hint: write a path relative to the top folder of the repository
    error: transient must be 0 or more
      --> .dispatch.toml:19:13
       |
    19 | transient = -1
       |             ^^
    hint: write 0 for never
    "#
    );
}

#[test]
fn values_that_do_not_fit_together_are_problems() {
    insta::assert_snapshot!(
        problems(
            r#"[workers.mine]
prompt = "stdin"

[workers.claude]
fallback = ["codx", "claude"]
command = ["claude", "--file={promt_file}", "awk '{print}'", "${HOME}"]

[workers.shell]
command = ["sh"]

[workers."a b"]

[retry]
base_delay = "10m"
"#
        ),
        @r#"
    error: worker mine has no command
     --> .dispatch.toml:1:10
      |
    1 | [workers.mine]
      |          ^^^^
    hint: add one, such as command = ["program", "{prompt_file}"]
    error: unknown worker "codx"
     --> .dispatch.toml:5:12
      |
    5 | fallback = ["codx", "claude"]
      |            ^^^^^^^^^^^^^^^^^^
    hint: did you mean codex? or add [workers.codx]
    error: worker claude cannot be its own fallback
     --> .dispatch.toml:5:12
      |
    5 | fallback = ["codx", "claude"]
      |            ^^^^^^^^^^^^^^^^^^
    hint: name another worker
    error: command: unknown placeholder {promt_file}
     --> .dispatch.toml:6:22
      |
    6 | command = ["claude", "--file={promt_file}", "awk '{print}'", "${HOME}"]
      |                      ^^^^^^^^^^^^^^^^^^^^^
    hint: did you mean {prompt_file}? valid placeholders are {prompt_file}, {prompt}, {worktree}, {run}, {task}, {attempt}, {model}, {permission_mode}, {max_turns}, {max_cost}, {session}
    error: the command of worker shell is the `run` of each task
     --> .dispatch.toml:9:11
      |
    9 | command = ["sh"]
      |           ^^^^^^
    hint: give a worker with its own command another name
    error: invalid worker name "a b"
      --> .dispatch.toml:11:10
       |
    11 | [workers."a b"]
       |          ^^^^^
    hint: write at most 40 letters, digits, hyphens and underscores
    error: base_delay is longer than max_delay
      --> .dispatch.toml:14:14
       |
    14 | base_delay = "10m"
       |              ^^^^^
    hint: make max_delay at least as long as base_delay
    "#
    );
}

#[test]
fn broken_toml_is_said_for_both_files_and_nothing_else_is_guessed() {
    let mut both = sources("[run\nworker = \"absent\"\n");
    both.user_file = Some((
        "config.toml".into(),
        "[run]\nbase = \"a\"\nbase = \"b\"\n".into(),
    ));
    insta::assert_snapshot!(rendered(&resolve(&both).unwrap_err()), @r#"
    error: unclosed table, expected `]`
     --> .dispatch.toml:1:5
      |
    1 | [run
      |     ^
    error: duplicate key
     --> config.toml:3:1
      |
    3 | base = "b"
      | ^^^^
    "#);
}

#[test]
fn flags_and_variables_are_named_when_they_are_wrong() {
    let mut both = variable("DISPATCH_RUN_TIMEOUT", "soon");
    both.env.insert("DISPATCH_RUN_MAX_LOG".into(), "-4".into());
    both.env.insert("DISPATCH_RUN_BASE".into(), String::new());
    both.overrides = Overrides::default()
        .with("--max-parallel", "run.max_parallel", Some(0))
        .with("--worker", "run.worker", Some("absent"))
        .with("--set", "run.nothing", Some("1"))
        .with("--set", "nowhere", Some("1"));
    insta::assert_snapshot!(rendered(&resolve(&both).unwrap_err()), @r#"
    error: --max-parallel must be at least 1
    hint: write 1 for one at a time
    error: --set: unknown key "nothing" in [run]
    hint: valid keys are branch_prefix, max_parallel, max_parallel_total, base, target, timeout, stall_timeout, max_cost, quota_wait, worker, executor, keep_terminal_free, max_log, min_free_space, max_worktrees, max_total_disk, result_grace, secrets, max_depth, outside_writes
    error: --set: unknown table "nowhere"
    hint: write table.key; valid tables are run, prompt, plan, variants, worktree, retry, failure, conflicts, assemble, resolve, board, notify, sandbox, limits, trust, github
    error: --worker: unknown worker "absent"
    hint: known workers are aider, antigravity, claude, codex, copilot, cursor, gemini, goose, opencode, shell; or add [workers.absent]
    error: DISPATCH_RUN_TIMEOUT: invalid duration "soon"
    hint: write it like "90s", "30m", "2h" or "1h30m"
    error: DISPATCH_RUN_MAX_LOG: invalid size -4
    hint: write it like "512KiB", "8MiB", "1GiB" or a number of bytes
    "#);
}

#[test]
fn a_secret_must_not_stand_in_a_file() {
    let shown = problems("[notify]\nwebhook_secret = \"s3cr3t\"\n");
    assert!(
        shown.contains("takes the name of an environment variable"),
        "{shown}"
    );
    for name in ["$HOOK_SECRET", "$_1"] {
        let text = format!("[notify]\nwebhook_secret = \"{name}\"\n");
        assert!(resolve(&sources(&text)).is_ok(), "{name}");
    }
}
