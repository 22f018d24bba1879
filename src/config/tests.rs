//! Precedence, values and messages of the configuration.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::merge::rule::Rule;
use crate::model::integration::History;
use crate::model::worker::PromptBy;

use crate::config::load::load_repo_file;
use crate::config::worker_keys::WORKER_KEYS;
use crate::config::*;

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
        is_explicit: false,
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
fn a_worktree_path_keeps_tasks_apart_and_outside_the_repository() {
    insta::assert_snapshot!(
        ["../x/{run}", "../x/{task}", ".worktrees/{run}/{task}", "~/w/{run}/{task}", "../{repo}/{run}/{task}"]
            .map(|path| problems(&format!("worktree.path = \"{path}\"")))
            .concat(),
        @r#"
    error: path: without {task} worktrees would share a folder
     --> .dispatch.toml:1:17
      |
    1 | worktree.path = "../x/{run}"
      |                 ^^^^^^^^^^^^
    hint: write it like "../{repo}.dispatch/{run}/{task}"
    error: path: without {run} worktrees would share a folder
     --> .dispatch.toml:1:17
      |
    1 | worktree.path = "../x/{task}"
      |                 ^^^^^^^^^^^^^
    hint: write it like "../{repo}.dispatch/{run}/{task}"
    error: path: worktrees would lie inside the repository, where tools mistake them for part of it
     --> .dispatch.toml:1:17
      |
    1 | worktree.path = ".worktrees/{run}/{task}"
      |                 ^^^^^^^^^^^^^^^^^^^^^^^^^
    hint: start the path with ../ or /
    error: path: ~ is not expanded
     --> .dispatch.toml:1:17
      |
    1 | worktree.path = "~/w/{run}/{task}"
      |                 ^^^^^^^^^^^^^^^^^^
    hint: write the full path
    error: path: worktrees would lie inside the repository, where tools mistake them for part of it
     --> .dispatch.toml:1:17
      |
    1 | worktree.path = "../{repo}/{run}/{task}"
      |                 ^^^^^^^^^^^^^^^^^^^^^^^^
    hint: start the path with ../ or /
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
    hint: valid keys are branch_prefix, max_parallel, max_parallel_total, base, target, timeout, stall_timeout, max_cost, quota_wait, worker, keep_terminal_free, max_log, min_free_space, max_worktrees, max_total_disk, result_grace, secrets, max_depth, outside_writes
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
    insta::assert_snapshot!(unknown_variables(&env).join("\n"), @"
    unknown variable DISPATCH_RUN_MAX_PARALEL; did you mean DISPATCH_RUN_MAX_PARALLEL?
    unknown variable DISPATCH_WORKERS_CLAUDE_COMMAND
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

/// Uncomments `#key = …` with its further lines; `# text` stays a comment.
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
fn the_example_is_generated_from_the_keys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".dispatch.toml.example");
    if std::env::var_os("DISPATCH_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, reference::example()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written == reference::example(),
        "the example is out of date; run again with DISPATCH_BLESS=1"
    );
}

#[test]
fn the_example_sets_nothing_until_it_is_uncommented() {
    let example = reference::example();
    assert_eq!(settings(&example), Settings::default());
    assert_ne!(uncommented(&example), example);
}

#[test]
fn the_example_uncommented_is_the_defaults() {
    let named = Sources {
        is_explicit: true,
        ..sources(&uncommented(&reference::example()))
    };
    assert_eq!(resolve(&named).unwrap(), Settings::default());
}

#[test]
fn the_example_has_a_line_for_every_key_and_every_worker() {
    let parsed: toml::Table = uncommented(&reference::example()).parse().unwrap();
    for key in Settings::KEYS {
        assert!(parsed[key.table].get(key.name).is_some(), "{key:?}");
    }
    let workers = parsed["workers"].as_table().unwrap();
    for key in WORKER_KEYS {
        assert!(workers["claude"].get(key.name).is_some(), "{key:?}");
    }
    let names: BTreeSet<_> = workers.keys().cloned().collect();
    assert_eq!(names, builtin::workers().into_keys().collect());
}

#[test]
fn every_key_has_a_meaning_that_reads_as_sentences() {
    for meaning in Settings::KEYS
        .iter()
        .map(|key| (key.name, key.meaning()))
        .chain(WORKER_KEYS.iter().map(|key| (key.name, key.meaning())))
    {
        assert!(meaning.1.ends_with('.'), "{meaning:?}");
        assert!(meaning.1.len() <= 300, "{meaning:?}");
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

/// Renders the problems of a repository's file over that of the user; nothing if there are none.
fn over_user(repo: &str, user: &str, is_explicit: bool) -> String {
    let all = Sources {
        user_file: Some(("config.toml".into(), user.to_owned())),
        is_explicit,
        ..sources(repo)
    };
    resolve(&all).map_or_else(|problems| rendered(&problems), |_| String::new())
}

#[test]
fn a_repository_may_tighten_the_sandbox_but_never_loosen_it() {
    let own = "[workers.mine]\ncommand = [\"mine\"]\n";
    let looser = [
        ("[sandbox]\nmode = \"off\"", ""),
        (
            "[sandbox]\nmode = \"auto\"",
            "[sandbox]\nmode = \"require\"",
        ),
        ("[sandbox]\nkind = \"off\"", ""),
        (
            "[sandbox]\nkind = \"write\"",
            "[sandbox]\nkind = \"strict\"",
        ),
        ("[sandbox]\nkind = \"command\"\ncommand = [\"true\"]", ""),
        ("[sandbox]\ncommits = true", "[sandbox]\ncommits = false"),
        ("[sandbox]\nwrite = [\"~/.bashrc\"]", ""),
        ("[sandbox]\ndeny_read = []", ""),
        (
            "[sandbox]\nnetwork = \"open\"",
            "[sandbox]\nnetwork = \"none\"",
        ),
        ("[workers.codex]\nsandbox = \"off\"", ""),
        (
            "[workers.codex]\nsandbox = \"write\"",
            "[workers.codex]\nsandbox = \"strict\"",
        ),
        ("[workers.codex]\nstate = [\"~/.ssh\"]", ""),
        (&format!("{own}state = [\"~/.mine\"]"), ""),
        (&format!("{own}sandbox = \"off\""), ""),
    ];
    for (repo, user) in looser {
        let said = over_user(repo, user, false);
        assert!(
            said.contains("loosens the sandbox, which no repository may"),
            "{repo}: {said}"
        );
        assert_eq!(over_user(repo, user, true), "", "{repo}");
        assert_eq!(over_user("", &format!("{user}\n"), false), "", "{user}");
    }
    let tighter = [
        ("[sandbox]\nmode = \"require\"", ""),
        ("[sandbox]\nmode = \"auto\"", "[sandbox]\nmode = \"off\""),
        ("[sandbox]\nkind = \"strict\"", ""),
        (
            "[sandbox]\ncommits = false\nwrite = []\nnetwork = \"none\"",
            "",
        ),
        ("[workers.codex]\nsandbox = \"strict\"\nstate = []", ""),
        (
            "[workers.codex]\nsandbox = \"write\"",
            "[workers.codex]\nsandbox = \"off\"",
        ),
        (own, ""),
    ];
    for (repo, user) in tighter {
        assert_eq!(over_user(repo, user, false), "", "{repo}");
    }
}

#[test]
fn a_place_that_workers_may_change_is_named_in_full() {
    let write = |path: &str| {
        let repo = format!("[sandbox]\nwrite = [{path:?}]\n");
        over_user(&repo, "", true)
    };
    for path in ["/var/cache", "~/.m2", "$CODEX_HOME", "$XDG_CACHE_HOME/x"] {
        assert_eq!(write(path), "", "{path}");
    }
    for path in ["cache", "~", "~ada/x", "$", "$1/x", "/tmp/../etc", "~/../x"] {
        assert!(write(path).contains("invalid path"), "{path}");
    }
}

#[test]
fn a_command_with_a_character_that_is_not_seen_is_refused() {
    let text = "[worktree]\nsetup = [\"true\", \"make \\u001b[2K x\"]\nteardown = \"a\\u202eb\"\n\
        [workers.mine]\ncommand = [\"agent\", \"\\u200b\"]\n\
        [resolve]\nregenerate = { \"a.lock\" = \"x\\ry\" }\n\
        [notify]\ncommand = [\"not\\u00adify\"]\n";
    insta::assert_snapshot!(problems(text), @r#"
    error: setup: the text has the control character U+001B (escape)
     --> .dispatch.toml:2:18
      |
    2 | setup = ["true", "make \u001b[2K x"]
      |                  ^^^^^^^^^^^^^^^^^^
    hint: remove it, so that you see in full what will run
    error: teardown: the text has the text direction character U+202E (right-to-left override)
     --> .dispatch.toml:3:12
      |
    3 | teardown = "a\u202eb"
      |            ^^^^^^^^^^
    hint: remove it, so that you see in full what will run
    error: worker mine has no command
     --> .dispatch.toml:5:11
      |
    5 | command = ["agent", "\u200b"]
      |           ^^^^^^^^^^^^^^^^^^^
    hint: add one, such as command = ["program", "{prompt_file}"]
    error: command: the text has the invisible character U+200B (zero width space)
     --> .dispatch.toml:5:21
      |
    5 | command = ["agent", "\u200b"]
      |                     ^^^^^^^^
    hint: remove it, so that you see in full what will run
    error: regenerate: the text has the control character U+000D (carriage return)
     --> .dispatch.toml:7:27
      |
    7 | regenerate = { "a.lock" = "x\ry" }
      |                           ^^^^^^
    hint: remove it, so that you see in full what will run
    error: command: the text has the invisible character U+00AD (soft hyphen)
     --> .dispatch.toml:9:12
      |
    9 | command = ["not\u00adify"]
      |            ^^^^^^^^^^^^^^
    hint: remove it, so that you see in full what will run
    "#);
}

#[test]
fn trust_is_granted_by_the_user_and_never_by_a_repository() {
    insta::assert_snapshot!(problems("[trust]\nfolders = [\"/\"]\n"), @r#"
    error: [trust] is not read from a repository
     --> .dispatch.toml:2:1
      |
    2 | folders = ["/"]
      | ^^^^^^^
    hint: set it in your own file, ~/.config/dispatch/config.toml
    "#);
    assert_eq!(settings("[trust]\n"), Settings::default());
    let own = Sources {
        user_file: Some((
            "config.toml".into(),
            "[trust]\nfolders = [\"~/work\"]\n".into(),
        )),
        ..sources("[run]\nmax_parallel = 2\n")
    };
    assert_eq!(resolve(&own).unwrap().trust.folders, ["~/work"]);
    let set = variable("DISPATCH_TRUST_FOLDERS", "[\"/a\", \"b\"]");
    insta::assert_snapshot!(rendered(&resolve(&set).unwrap_err()), @r#"
    error: DISPATCH_TRUST_FOLDERS: invalid folder "b"
    hint: write it from "/" or "~/" on
    "#);
}

#[test]
fn a_link_to_a_private_file_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let (top, secret) = (folder.path().join("top"), folder.path().join("secret"));
    std::fs::create_dir(&top).unwrap();
    std::fs::write(&secret, "TOP-SECRET").unwrap();
    std::os::unix::fs::symlink(&secret, top.join(FILE_NAME)).unwrap();
    assert!(matches!(
        load_repo_file(&top, None),
        Err(ConfigError::LinkOutside(_))
    ));
    std::fs::remove_file(top.join(FILE_NAME)).unwrap();
    std::fs::write(top.join("own.toml"), "[run]").unwrap();
    std::os::unix::fs::symlink("own.toml", top.join(FILE_NAME)).unwrap();
    assert!(load_repo_file(&top, None).unwrap().is_some());
}
