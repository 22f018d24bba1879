//! What holds, and what is said when something is wrong.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::table::{Table, WorkerTable};
use crate::merge::verdict::Rule;
use crate::model::integration::History;
use crate::model::worker::PromptBy;

use crate::config::*;

const EXAMPLE: &str = include_str!("../../.dispatch.toml.example");

fn sources(repo: &str) -> Sources {
    Sources {
        repo_file: Some((PathBuf::from(FILE_NAME), repo.to_owned())),
        ..Sources::default()
    }
}

fn settings(repo: &str) -> Settings {
    match resolve(&sources(repo)) {
        Ok(settings) => settings,
        Err(problems) => panic!("{}", rendered(&problems)),
    }
}

fn rendered(problems: &[ConfigProblem]) -> String {
    problems.iter().map(ConfigProblem::render).collect()
}

fn problems(repo: &str) -> String {
    rendered(&resolve(&sources(repo)).unwrap_err())
}

fn variable(name: &str, value: &str) -> Sources {
    Sources {
        env: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        ..Sources::default()
    }
}

#[test]
fn without_any_source_the_defaults_hold() {
    assert_eq!(resolve(&Sources::default()).unwrap(), Settings::default());
    assert_eq!(settings(""), Settings::default());
}

#[test]
fn the_strongest_source_wins_key_by_key() {
    let all = Sources {
        repo_file: Some((
            FILE_NAME.into(),
            "run = {max_parallel = 5, base = \"repo\", timeout = \"5m\", worker = \"claude\"}".into(),
        )),
        user_file: Some((
            "config.toml".into(),
            "[run]\nmax_parallel = 4\nbase = \"user\"\ntimeout = \"4m\"\nworker = \"codex\"\ntarget = \"user\""
                .into(),
        )),
        env: variable("DISPATCH_RUN_MAX_PARALLEL", "6").env,
        overrides: Overrides::default()
            .with("--base", "run.base", Some("flag"))
            .with("--worker", "run.worker", None::<&str>),
    };
    let run = resolve(&all).unwrap().run;
    assert_eq!(run.base, "flag");
    assert_eq!(run.max_parallel, 6);
    assert_eq!(run.timeout, Duration::from_secs(300));
    assert_eq!(run.worker, "claude");
    assert_eq!(run.target.as_deref(), Some("user"));
    assert_eq!(run.stall_timeout, Duration::from_secs(1800));
}

#[test]
fn an_empty_text_takes_back_what_a_weaker_file_says() {
    let mut both = sources("[run]\ntarget = \"\"\nmax_cost = \"\"");
    both.user_file = Some(("u".into(), "[run]\ntarget = \"next\"\nmax_cost = 5".into()));
    let run = resolve(&both).unwrap().run;
    assert_eq!((run.target, run.max_cost), (None, None));
}

#[test]
fn commands_that_regenerate_add_up_and_an_empty_one_takes_one_out() {
    let mut both = sources("[resolve.regenerate]\n\"go.sum\" = \"\"\n\"a.lock\" = \"make a\"");
    both.user_file = Some((
        "u".into(),
        "[resolve.regenerate]\n\"go.sum\" = \"go mod tidy\"\n\"b.lock\" = \"make b\"".into(),
    ));
    let regenerate = resolve(&both).unwrap().resolve.regenerate;
    let globs: Vec<_> = regenerate.keys().map(String::as_str).collect();
    assert_eq!(globs, ["Cargo.lock", "a.lock", "b.lock"]);
}

#[test]
fn a_worker_is_changed_key_by_key_by_both_files() {
    let mut both = sources("[workers.claude]\nconcurrency = 2\n[workers.mine]\ntimeout = \"1h\"");
    both.user_file = Some((
        "u".into(),
        "[workers.claude]\nconcurrency = 9\nfallback = [\"codex\"]\n[workers.mine]\ncommand = [\"mine\"]"
            .into(),
    ));
    let workers = resolve(&both).unwrap().workers;
    let claude = &workers["claude"];
    assert_eq!(claude.concurrency, Some(2));
    assert_eq!(claude.fallback, ["codex"]);
    assert_eq!(claude.prompt, PromptBy::Stdin);
    assert_eq!(claude.command[0], "claude");
    assert_eq!(workers["mine"].command, ["mine"]);
    assert_eq!(workers["mine"].timeout, Some(Duration::from_secs(3600)));
    assert_eq!(workers["mine"].name, "mine");
}

#[test]
fn every_kind_of_value_is_read() {
    let all = settings(
        r#"
        [run]
        max_cost = 12
        max_log = "512 KiB"
        keep_terminal_free = true
        [worktree]
        path = "/big/{repo}/{run}/{task}"
        copy = [".env*"]
        setup = "npm ci"
        [assemble]
        check = ["cargo test", "cargo clippy"]
        history = "squash"
        [resolve]
        policy = ["comment", "exec-bit", "generated"]
        structural = []
        regenerate = { "go.sum" = "go mod tidy", "Cargo.lock" = "" }
        [github]
        project = 7
        "#,
    );
    assert_eq!(all.run.max_cost, Some(12.0));
    assert_eq!(all.run.max_log, 512 * 1024);
    assert!(all.run.keep_terminal_free);
    assert_eq!(all.worktree.setup, ["npm ci"]);
    assert_eq!(all.assemble.check.len(), 2);
    assert_eq!(all.assemble.history, History::Squash);
    assert_eq!(
        all.resolve.policy,
        [Rule::Comment, Rule::ExecBit, Rule::Generated]
    );
    assert!(all.resolve.structural.is_empty());
    let regenerate: Vec<_> = all.resolve.regenerate.into_iter().collect();
    assert_eq!(
        regenerate,
        [("go.sum".to_owned(), "go mod tidy".to_owned())]
    );
    assert_eq!(all.github.project.as_deref(), Some("7"));
}

#[test]
fn every_shape_of_history_has_its_word() {
    let history = |word: &str| {
        settings(&format!("[assemble]\nhistory = {word:?}"))
            .assemble
            .history
    };
    assert_eq!(history("merge"), History::Merge);
    assert_eq!(history("squash"), History::Squash);
    assert_eq!(history("linear"), History::Linear);
}

#[test]
fn a_word_from_before_is_understood_and_never_suggested() {
    let settings = settings("[conflicts]\non_new = \"pause\"");
    assert_eq!(
        settings.conflicts.on_new,
        crate::config::settings::OnNewConflict::PauseLaterTask
    );
    insta::assert_snapshot!(problems("[conflicts]\non_new = \"pauze\"\n"), @r#"
    .dispatch.toml:2:10: on_new: "pauze" is not known
      2 | on_new = "pauze"
        |          ^^^^^^^
      hint: it is one of note, notify, pause-later-task
    "#);
}

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
        .dispatch.toml:2:1: unknown key "max_paralel" in [run]
          2 | max_paralel = 5
            | ^^^^^^^^^^^
          hint: did you mean max_parallel?
        .dispatch.toml:3:16: max_parallel: it must be at least 1
          3 | max_parallel = 0
            |                ^
          hint: write 1 for one at a time
        .dispatch.toml:4:11: timeout: "fast" is no duration
          4 | timeout = "fast"
            |           ^^^^^^
          hint: write it like "90s", "30m", "2h" or "1h30m"
        .dispatch.toml:5:8: base: expected a text, found a whole number
          5 | base = 3
            |        ^
          hint: write it like "text"
        .dispatch.toml:6:10: there is no worker "cluade"
          6 | worker = "cluade"
            |          ^^^^^^^^
          hint: did you mean claude? or add [workers.cluade]
        .dispatch.toml:8:2: unknown table "asemble"
          8 | [asemble]
            |  ^^^^^^^
          hint: did you mean [assemble]?
        .dispatch.toml:12:11: history: "rebase" is not known
          12 | history = "rebase"
             |           ^^^^^^^^
          hint: it is one of merge, squash, linear
        .dispatch.toml:15:8: path: {rum} is nothing that can be filled in
          15 | path = "../{repo}/{rum}/{task}"
             |        ^^^^^^^^^^^^^^^^^^^^^^^^
          hint: did you mean {run}? known are {repo}, {run}, {task}
        .dispatch.toml:16:15: copy: "a[" is no glob: unclosed character class; missing ']'
          16 | copy = ["ok", "a[", "../secret"]
             |               ^^^^
          hint: put \ before [, {, * or ? to mean the character itself
        .dispatch.toml:16:21: copy: "../secret" leaves the repository
          16 | copy = ["ok", "a[", "../secret"]
             |                     ^^^^^^^^^^^
          hint: write a path that counts from the top folder of the repository
        .dispatch.toml:19:13: transient: it must be 0 or more
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
        .dispatch.toml:1:10: the worker mine has no command
          1 | [workers.mine]
            |          ^^^^
          hint: add one, such as command = ["program", "{prompt_file}"]
        .dispatch.toml:5:12: there is no worker "codx"
          5 | fallback = ["codx", "claude"]
            |            ^^^^^^^^^^^^^^^^^^
          hint: did you mean codex? or add [workers.codx]
        .dispatch.toml:5:12: the worker claude cannot take over from itself
          5 | fallback = ["codx", "claude"]
            |            ^^^^^^^^^^^^^^^^^^
          hint: name another worker
        .dispatch.toml:6:22: command: {promt_file} is nothing that can be filled in
          6 | command = ["claude", "--file={promt_file}", "awk '{print}'", "${HOME}"]
            |                      ^^^^^^^^^^^^^^^^^^^^^
          hint: did you mean {prompt_file}? known are {prompt_file}, {prompt}, {worktree}, {run}, {task}, {attempt}, {model}, {permission_mode}, {max_turns}, {max_cost}
        .dispatch.toml:9:11: the command of the worker shell is the `run` of each task
          9 | command = ["sh"]
            |           ^^^^^^
          hint: give a worker with a command of its own another name
        .dispatch.toml:11:10: "a b" is no name for a worker
          11 | [workers."a b"]
             |          ^^^^^
          hint: write at most 40 letters, digits, hyphens and underscores
        .dispatch.toml:14:14: base_delay is longer than max_delay
          14 | base_delay = "10m"
             |              ^^^^^
          hint: make max_delay at least as long as base_delay
        "#
    );
}

#[test]
fn a_worktree_path_keeps_tasks_apart_and_outside_the_repository() {
    insta::assert_snapshot!(
        ["../x/{run}", "../x/{task}", ".worktrees/{run}/{task}", "~/w/{run}/{task}", "../{repo}/{run}/{task}"]
            .map(|path| problems(&format!("worktree.path = \"{path}\"")))
            .concat(),
        @r#"
        .dispatch.toml:1:17: path: the path has no {task}, so worktrees would share a folder
          1 | worktree.path = "../x/{run}"
            |                 ^^^^^^^^^^^^
          hint: write it like "../{repo}.dispatch/{run}/{task}"
        .dispatch.toml:1:17: path: the path has no {run}, so worktrees would share a folder
          1 | worktree.path = "../x/{task}"
            |                 ^^^^^^^^^^^^^
          hint: write it like "../{repo}.dispatch/{run}/{task}"
        .dispatch.toml:1:17: path: worktrees would lie inside the repository, where tools take them for a part of it
          1 | worktree.path = ".worktrees/{run}/{task}"
            |                 ^^^^^^^^^^^^^^^^^^^^^^^^^
          hint: start the path with ../ or /
        .dispatch.toml:1:17: path: the home folder is not filled in for ~
          1 | worktree.path = "~/w/{run}/{task}"
            |                 ^^^^^^^^^^^^^^^^^^
          hint: write the whole path
        .dispatch.toml:1:17: path: worktrees would lie inside the repository, where tools take them for a part of it
          1 | worktree.path = "../{repo}/{run}/{task}"
            |                 ^^^^^^^^^^^^^^^^^^^^^^^^
          hint: start the path with ../ or /
        "#
    );
}

#[test]
fn broken_toml_is_said_for_both_files_and_nothing_else_is_guessed() {
    let mut both = sources("[run\nworker = \"nobody\"\n");
    both.user_file = Some((
        "config.toml".into(),
        "[run]\nbase = \"a\"\nbase = \"b\"\n".into(),
    ));
    insta::assert_snapshot!(rendered(&resolve(&both).unwrap_err()), @r#"
    .dispatch.toml:1:5: unclosed table, expected `]`
      1 | [run
        |     ^
    config.toml:3:1: duplicate key
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
        .with("--worker", "run.worker", Some("nobody"))
        .with("--set", "run.nothing", Some("1"))
        .with("--set", "nowhere", Some("1"));
    insta::assert_snapshot!(rendered(&resolve(&both).unwrap_err()), @r#"
    --max-parallel: it must be at least 1
      hint: write 1 for one at a time
    --set: unknown key "nothing" in [run]
      hint: known are branch_prefix, max_parallel, max_parallel_total, base, target, timeout, stall_timeout, max_cost, quota_wait, worker, keep_terminal_free, max_log, min_free_space, max_worktrees, max_total_disk, result_grace, max_depth, outside_writes
    --set: there is no table "nowhere"
      hint: write table.key; tables are run, prompt, worktree, retry, failure, conflicts, assemble, resolve, board, notify, sandbox, github
    --worker: there is no worker "nobody"
      hint: known are aider, claude, codex, cursor, gemini, goose, opencode, shell; or add [workers.nobody]
    the variable DISPATCH_RUN_TIMEOUT: "soon" is no duration
      hint: write it like "90s", "30m", "2h" or "1h30m"
    the variable DISPATCH_RUN_MAX_LOG: it is no size above zero
      hint: write it like "512KiB", "8MiB", "1GiB" or a number of bytes
    "#);
}

#[test]
fn a_variable_is_plain_text_or_a_value_as_in_the_file() {
    let check = |text| {
        let resolved = resolve(&variable("DISPATCH_ASSEMBLE_CHECK", text));
        resolved.unwrap().assemble.check
    };
    assert_eq!(check("cargo test"), ["cargo test"]);
    assert_eq!(check(r#"["cargo test", "true"]"#), ["cargo test", "true"]);
    assert_eq!(check("[ -f ok ]"), ["[ -f ok ]"]);
    let base = resolve(&variable("DISPATCH_RUN_BASE", "1234"))
        .unwrap()
        .run
        .base;
    assert_eq!(base, "1234");
}

#[test]
fn what_a_worker_is_told_is_no_setting() {
    let env: BTreeMap<_, _> = [
        "DISPATCH_RUN",
        "DISPATCH_TASK",
        "DISPATCH_BASE",
        "DISPATCH_CLOCK",
        "DISPATCH_RUN_BASE",
        "DISPATCH_RUN_MAX_PARALEL",
        "DISPATCH_WORKERS_CLAUDE_COMMAND",
        "PATH",
    ]
    .map(|name| (name.to_owned(), "checkout-7k3q".to_owned()))
    .into();
    insta::assert_snapshot!(unknown_variables(&env).join("\n"), @r"
    the variable DISPATCH_RUN_MAX_PARALEL means nothing; did you mean DISPATCH_RUN_MAX_PARALLEL?
    the variable DISPATCH_WORKERS_CLAUDE_COMMAND means nothing
    ");
    let told = resolve(&Sources {
        env: env
            .into_iter()
            .filter(|(name, _)| name != "DISPATCH_RUN_BASE")
            .collect(),
        ..Sources::default()
    });
    assert_eq!(told.unwrap(), Settings::default());
}

#[test]
fn the_journalled_form_survives_and_takes_defaults_for_new_keys() {
    let all = settings("[run]\nmax_cost = 2.5\n[workers.mine]\ncommand = [\"x\"]");
    let json = serde_json::to_string(&all).unwrap();
    assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), all);
    let older: Settings = serde_json::from_str(r#"{"run":{"max_parallel":7}}"#).unwrap();
    assert_eq!(older.run.max_parallel, 7);
    assert_eq!(older.retry, Settings::default().retry);
}

#[test]
fn worktrees_are_beside_the_repository() {
    let folder =
        Settings::default()
            .worktree
            .folder(Path::new("/code/shop"), "checkout-7k3q", "api");
    assert_eq!(folder, Path::new("/code/shop.dispatch/checkout-7k3q/api"));
}

/// `#key = …` and the lines it goes on with become settings; `# text` stays a comment.
fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with("  ") || !rest.starts_with([' ', '#']) => {
            format!("{rest}\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn the_example_says_nothing_until_it_is_uncommented() {
    assert_eq!(settings(EXAMPLE), Settings::default());
    assert_ne!(uncommented(EXAMPLE), EXAMPLE);
}

#[test]
fn the_example_uncommented_is_the_defaults() {
    assert_eq!(settings(&uncommented(EXAMPLE)), Settings::default());
}

#[test]
fn the_example_has_every_key_and_every_worker() {
    let text = uncommented(EXAMPLE);
    let parsed: toml::Table = text.parse().unwrap();
    let mut shown = BTreeSet::new();
    for (table, keys) in &parsed {
        for (key, value) in keys.as_table().unwrap() {
            match value.as_table().filter(|_| table == "workers") {
                Some(worker) => {
                    shown.extend(worker.keys().map(|key| format!("workers.NAME.{key}")))
                }
                None => drop(shown.insert(format!("{table}.{key}"))),
            }
        }
    }
    let keys =
        |(table, keys): &(&str, &[&str])| keys.iter().map(|key| format!("{table}.{key}")).collect();
    let mut known: BTreeSet<String> = ConfigFile::TABLES
        .iter()
        .flat_map(keys as fn(&_) -> Vec<_>)
        .collect();
    known.extend(
        WorkerTable::KEYS
            .iter()
            .map(|key| format!("workers.NAME.{key}")),
    );
    assert_eq!(shown, known);

    let workers: BTreeSet<_> = parsed["workers"]
        .as_table()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(workers, builtin::workers().into_keys().collect());
}

#[test]
fn every_setting_of_the_example_is_explained() {
    let lines: Vec<_> = EXAMPLE.lines().collect();
    let setting =
        |line: &str| line.starts_with('#') && !line.starts_with("# ") && line.contains('=');
    let worker = lines
        .iter()
        .position(|line| *line == "#[workers.shell]")
        .unwrap();
    for pair in lines[..worker]
        .windows(2)
        .filter(|pair| setting(pair[1]) && !pair[1].starts_with("#\""))
    {
        assert!(
            pair[0].starts_with("# "),
            "{} has no sentence above it",
            pair[1]
        );
    }
}

#[test]
fn the_repository_has_its_file_unless_another_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (
        folder.path().join(FILE_NAME),
        folder.path().join("other.toml"),
    );
    let load = |explicit| load_repo_file(folder.path(), explicit);
    assert_eq!(load(None).unwrap(), None);
    let missing = load(Some(&other)).unwrap_err();
    assert!(matches!(missing, ConfigError::Missing(path) if path == other));

    std::fs::write(&own, "[run]").unwrap();
    std::fs::write(&other, "[board]").unwrap();
    assert_eq!(load(None).unwrap(), Some((own, "[run]".to_owned())));
    let named = load(Some(&other)).unwrap();
    assert_eq!(named, Some((other.clone(), "[board]".to_owned())));

    std::fs::write(&other, [0xff]).unwrap();
    assert!(matches!(load(Some(&other)), Err(ConfigError::NotText(_))));
}
