//! Precedence of the sources.

use std::time::Duration;

use super::{settings, sources, variable};
use crate::config::load::load_repo_file;
use crate::config::*;
use crate::model::worker::PromptBy;

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
