//! The environment of a worker.
//!
//! A configured agent sees ordinary variables, those of its own program, and those its profile and
//! its task name, so that a secret of the user's shell does not reach it by accident. The `shell`
//! worker, whose command is the task's `run`, sees everything, like any build script. Neither sees
//! variables that tie git to another repository, and both get those of dispatch.
//!
//! The user's hooks apply to the worker's own commits: nothing here sets a hooks path.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::git::command::LOCAL_ENV_VARS;
use crate::model::plan::Task;
use crate::model::worker::{Dialect, Worker};

/// The variables that dispatch sets for a worker (`docs/workers.md`).
#[derive(Clone, Copy, Debug)]
pub struct OwnVars<'a> {
    /// `DISPATCH_RUN`: the run.
    pub run: &'a str,
    /// `DISPATCH_ATTEMPT`: the number of the attempt.
    pub attempt: u32,
    /// `DISPATCH_VARIANT`: the variant of the task, if it has any.
    pub variant: Option<u8>,
    /// `DISPATCH_BASE`: the commit it works on.
    pub base: &'a str,
    /// `DISPATCH_RESULT_FILE`: the file for its report.
    pub result_file: &'a str,
    /// `DISPATCH_PROMPT_FILE`: the file with its prompt.
    pub prompt_file: &'a str,
    /// `DISPATCH_PORT_BASE`: the first of its ports.
    pub port_base: u16,
    /// `DISPATCH_DEPTH`: the number of dispatches above it.
    pub depth: u32,
    /// `DISPATCH_CONFLICTS_FILE`: the file with the conflicts of its work, if there is one.
    pub conflicts_file: Option<&'a str>,
}

/// Variables of one git command or of the caller's session, which never reach a worker. Those that
/// tie git to a repository ([`LOCAL_ENV_VARS`]) are removed, too: a hook exports them, and in a worker
/// they would redirect every git command to the wrong repository. The caller's git settings come back
/// with those of dispatch ([`git_settings`]).
const SCRUBBED: &[&str] = &[
    // With GIT_CONFIG_COUNT, and what hooks and rebases leave behind.
    "GIT_CONFIG_KEY_*",
    "GIT_CONFIG_VALUE_*",
    "GIT_INTERNAL_*",
    "GIT_PUSH_*",
    "GIT_QUARANTINE_PATH",
    "GIT_REFLOG_ACTION",
    "GIT_NAMESPACE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_EXTERNAL_DIFF",
    // Editors and pagers wait for input.
    "GIT_EDITOR",
    "GIT_SEQUENCE_EDITOR",
    "GIT_PAGER",
    // Of an outer dispatch, an outer agent session and the caller's shell.
    "DISPATCH_*",
    "CLAUDECODE",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_SSE_PORT",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "_",
];

/// Variables that every agent sees: user, place, network, build tools.
const PASSED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "HOSTNAME",
    "TMPDIR",
    "TZ",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "XDG_*",
    "SSH_AUTH_SOCK",
    "GNUPGHOME",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "GIT_AUTHOR_NAME",
    "GIT_AUTHOR_EMAIL",
    "GIT_COMMITTER_NAME",
    "GIT_COMMITTER_EMAIL",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_LFS_SKIP_SMUDGE",
    "GIT_EXEC_PATH",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "PKG_CONFIG_PATH",
    "CC",
    "CXX",
    "SDKROOT",
    "DEVELOPER_DIR",
    "NIX_*",
    "ANDROID_HOME",
    "CARGO_HOME",
    "CARGO_TARGET_DIR",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "RUSTC_WRAPPER",
    "GOPATH",
    "GOROOT",
    "GOCACHE",
    "GOMODCACHE",
    "GOPROXY",
    "GOFLAGS",
    "GOTOOLCHAIN",
    "NVM_*",
    "VOLTA_HOME",
    "FNM_*",
    "PNPM_HOME",
    "BUN_INSTALL",
    "DENO_DIR",
    "COREPACK_HOME",
    "JAVA_HOME",
    "MAVEN_HOME",
    "MAVEN_OPTS",
    "GRADLE_HOME",
    "GRADLE_USER_HOME",
    "SDKMAN_DIR",
    "PYENV_ROOT",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "UV_*",
    "PIP_*",
    "POETRY_HOME",
    "RBENV_ROOT",
    "GEM_HOME",
    "GEM_PATH",
    "BUNDLE_PATH",
    "DOTNET_ROOT",
    "NUGET_PACKAGES",
    "ASDF_*",
    "MISE_*",
    "SCCACHE_DIR",
    "CCACHE_DIR",
];

/// Variables that keep tools from prompting or drawing on a terminal. A task may override them.
const QUIET: &[(&str, &str)] = &[
    ("CI", "1"),
    ("NO_COLOR", "1"),
    ("TERM", "dumb"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_EDITOR", "true"),
    ("GIT_SEQUENCE_EDITOR", "true"),
    ("GIT_PAGER", "cat"),
    ("PAGER", "cat"),
];

/// Git settings of the worker's own commands, without a change of any configuration file. Many
/// worktrees share one repository, so garbage collection is off and locks are waited for.
const GIT_SETTINGS: &[(&str, &str)] = &[
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("core.filesRefLockTimeout", "10000"),
    ("core.packedRefsTimeout", "10000"),
    ("reftable.lockTimeout", "10000"),
    // A file system monitor would outlive the worker, one for every worktree.
    ("core.fsmonitor", "false"),
    ("advice.detachedHead", "false"),
    ("advice.statusHints", "false"),
    // With it git misses what a worker changes in a file that it has staged before.
    ("core.ignoreStat", "false"),
    // Only the log of HEAD knows a commit that a worker made and reset away.
    ("core.logAllRefUpdates", "always"),
];

/// Builds the whole environment of an attempt. Variables that are not UTF-8 are left out.
pub fn worker_environment(
    inherited: impl Iterator<Item = (OsString, OsString)>,
    worker: &Worker,
    task: &Task,
    own: &OwnVars<'_>,
) -> BTreeMap<String, String> {
    let inherited: Vec<_> = inherited.collect();
    let settings = git_settings(&inherited);
    let inherited = scrubbed(inherited.into_iter());
    let named = named_by(worker, task, &inherited);
    let mut env = inherited;
    if !worker.command.is_empty() {
        env.retain(|name, _| is_passed(name, worker.dialect));
    }
    env.extend(owned(QUIET));
    env.extend(named);
    env.extend(settings);
    env.extend(own_variables(task, own));
    env
}

/// Builds the environment of a check outside any task: that of a build script.
pub fn check_environment(
    inherited: impl Iterator<Item = (OsString, OsString)>,
) -> BTreeMap<String, String> {
    let inherited: Vec<_> = inherited.collect();
    let settings = git_settings(&inherited);
    let mut env = scrubbed(inherited.into_iter());
    env.extend(owned(QUIET));
    env.extend(settings);
    env
}

fn scrubbed(inherited: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    inherited
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| !is_scrubbed(name))
        .collect()
}

fn is_scrubbed(name: &str) -> bool {
    LOCAL_ENV_VARS.contains(&name) || SCRUBBED.iter().any(|pattern| matches(pattern, name))
}

fn is_passed(name: &str, dialect: Dialect) -> bool {
    let mut patterns = PASSED.iter().chain(of_dialect(dialect));
    patterns.any(|pattern| matches(pattern, name))
}

/// Returns the variables with logins and settings of an agent.
fn of_dialect(dialect: Dialect) -> &'static [&'static str] {
    match dialect {
        Dialect::Text => &[],
        Dialect::Claude => &["ANTHROPIC_*", "CLAUDE_*"],
        Dialect::Codex => &["OPENAI_*", "CODEX_*"],
        Dialect::Gemini => &["GEMINI_*", "GOOGLE_*"],
        Dialect::Opencode => &["OPENCODE_*", "ANTHROPIC_*", "OPENAI_*", "GEMINI_*"],
        Dialect::Aider => &["AIDER_*", "ANTHROPIC_*", "OPENAI_*", "GEMINI_*"],
        Dialect::Goose => &["GOOSE_*", "ANTHROPIC_*", "OPENAI_*", "GOOGLE_*"],
        Dialect::Copilot => &["COPILOT_*", "GH_*", "GITHUB_TOKEN"],
        Dialect::Antigravity => &["AGY_*", "GOOGLE_*"],
        // The agent is not known, so its profile names what it needs.
        Dialect::Acp => &[],
    }
}

/// Returns the variables that the profile and the task name; the task's own values win.
fn named_by(
    worker: &Worker,
    task: &Task,
    inherited: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let asked = |name: &str| {
        let by_task = task.fields.env.get(name) == Some(&None);
        by_task || worker.env.iter().any(|pattern| matches(pattern, name))
    };
    let passed = inherited.iter().filter(|(name, _)| asked(name));
    let passed = passed.map(|(name, value)| (name.clone(), value.clone()));
    let given = task.fields.env.iter();
    let given = given.filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    let may_be_set = |name: &str| {
        let quiet = QUIET.iter().any(|(own, _)| *own == name);
        quiet || !is_scrubbed(name)
    };
    passed
        .chain(given)
        .filter(|(name, _)| may_be_set(name))
        .collect()
}

/// Returns the variables with the caller's git settings, and those of dispatch behind them.
fn git_settings(inherited: &[(OsString, OsString)]) -> Vec<(String, String)> {
    let own = GIT_SETTINGS.iter();
    let own = own.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let all: Vec<(String, String)> = callers_settings(inherited).into_iter().chain(own).collect();
    let mut variables = vec![("GIT_CONFIG_COUNT".to_owned(), all.len().to_string())];
    for (i, (key, value)) in all.into_iter().enumerate() {
        variables.push((format!("GIT_CONFIG_KEY_{i}"), key));
        variables.push((format!("GIT_CONFIG_VALUE_{i}"), value));
    }
    // `git -c` in front of dispatch; git reads it after the numbered ones.
    let parameters = text(inherited, "GIT_CONFIG_PARAMETERS").into_iter();
    variables.extend(parameters.map(|value| ("GIT_CONFIG_PARAMETERS".to_owned(), value)));
    variables
}

/// Returns the numbered settings of the caller that have a key and a value.
fn callers_settings(inherited: &[(OsString, OsString)]) -> Vec<(String, String)> {
    let count = text(inherited, "GIT_CONFIG_COUNT");
    let count: usize = count
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0);
    let setting = |i: usize| {
        let key = text(inherited, &format!("GIT_CONFIG_KEY_{i}"))?;
        Some((key, text(inherited, &format!("GIT_CONFIG_VALUE_{i}"))?))
    };
    (0..count).map_while(setting).collect()
}

fn text(inherited: &[(OsString, OsString)], name: &str) -> Option<String> {
    let mut found = inherited.iter().filter(|(known, _)| known == name);
    found.next()?.1.clone().into_string().ok()
}

fn own_variables(task: &Task, own: &OwnVars<'_>) -> impl Iterator<Item = (String, String)> {
    let told = own.conflicts_file.iter();
    let told = told.map(|file| ("DISPATCH_CONFLICTS_FILE", (*file).to_owned()));
    let variant = own.variant.iter();
    let variant = variant.map(|number| ("DISPATCH_VARIANT", number.to_string()));
    [
        ("DISPATCH_RUN", own.run.to_owned()),
        ("DISPATCH_TASK", task.number.0.to_string()),
        ("DISPATCH_TAG", task.tag.clone()),
        ("DISPATCH_ATTEMPT", own.attempt.to_string()),
        ("DISPATCH_BASE", own.base.to_owned()),
        ("DISPATCH_RESULT_FILE", own.result_file.to_owned()),
        ("DISPATCH_PROMPT_FILE", own.prompt_file.to_owned()),
        ("DISPATCH_PORT_BASE", own.port_base.to_string()),
        ("DISPATCH_DEPTH", own.depth.to_string()),
    ]
    .into_iter()
    .chain(variant)
    .chain(told)
    .map(|(name, value)| (name.to_owned(), value))
}

fn owned(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned)
}

/// Matches `NAME` with itself, and `NAME_*` with every longer name that begins with it.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;
    use crate::base::process::Program;
    use crate::model::ids::TaskNumber;
    use crate::model::plan::TaskFields;
    use crate::model::worker::PromptBy;

    const OWN: OwnVars<'static> = OwnVars {
        run: "shop-7k3q",
        attempt: 2,
        variant: None,
        base: "1a2b3c4",
        result_file: "/a/result.json",
        prompt_file: "/a/prompt.md",
        port_base: 20_010,
        depth: 1,
        conflicts_file: None,
    };

    fn worker(command: &[&str], dialect: Dialect, env: &[&str]) -> Worker {
        Worker {
            command: command.iter().map(|arg| (*arg).to_owned()).collect(),
            prompt: PromptBy::File,
            dialect,
            env: env.iter().map(|name| (*name).to_owned()).collect(),
            ..Worker::named("w")
        }
    }

    fn task(env: &[(&str, Option<&str>)]) -> Task {
        let env = env
            .iter()
            .map(|(n, v)| ((*n).to_owned(), v.map(str::to_owned)));
        Task {
            number: TaskNumber(3),
            tag: "API".to_owned(),
            title: "Build".to_owned(),
            label: None,
            prompt: String::new(),
            depends_on: Vec::new(),
            fields: TaskFields {
                env: env.collect(),
                ..TaskFields::default()
            },
        }
    }

    fn environment(
        inherited: &[(&str, &str)],
        worker: &Worker,
        task: &Task,
    ) -> BTreeMap<String, String> {
        let inherited = inherited.iter().map(|(n, v)| (n.into(), v.into()));
        worker_environment(inherited, worker, task, &OWN)
    }

    /// Returns the difference from the environment of a worker that inherits nothing.
    fn difference(inherited: &[(&str, &str)], worker: &Worker, task: &Task) -> String {
        let plain = environment(&[], worker, &self::task(&[]));
        let env = environment(inherited, worker, task);
        let differs = |(name, value): &(&String, &String)| plain.get(*name) != Some(*value);
        let lines = env
            .iter()
            .filter(differs)
            .map(|(name, value)| format!("{name}={value}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    const SHELL: &[(&str, &str)] = &[
        ("PATH", "/bin"),
        ("HOME", "/home/u"),
        ("LC_ALL", "C"),
        ("TERM", "xterm"),
        ("ANTHROPIC_API_KEY", "k1"),
        ("OPENAI_API_KEY", "k2"),
        ("CLAUDECODE", "1"),
        ("DATABASE_URL", "postgres://prod"),
        ("GIT_DIR", "/elsewhere/.git"),
        ("GIT_INDEX_FILE", "/elsewhere/index"),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_7", "core.hooksPath"),
        ("GIT_EDITOR", "vim"),
        ("DISPATCH_COOKIE", "outer"),
        ("PWD", "/elsewhere"),
    ];

    #[test]
    fn what_dispatch_says_is_always_there() {
        let env = environment(&[], &worker(&["a"], Dialect::Text, &[]), &task(&[]));
        let lines: Vec<_> = env
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        CI=1
        DISPATCH_ATTEMPT=2
        DISPATCH_BASE=1a2b3c4
        DISPATCH_DEPTH=1
        DISPATCH_PORT_BASE=20010
        DISPATCH_PROMPT_FILE=/a/prompt.md
        DISPATCH_RESULT_FILE=/a/result.json
        DISPATCH_RUN=shop-7k3q
        DISPATCH_TAG=API
        DISPATCH_TASK=3
        GIT_CONFIG_COUNT=10
        GIT_CONFIG_KEY_0=gc.auto
        GIT_CONFIG_KEY_1=maintenance.auto
        GIT_CONFIG_KEY_2=core.filesRefLockTimeout
        GIT_CONFIG_KEY_3=core.packedRefsTimeout
        GIT_CONFIG_KEY_4=reftable.lockTimeout
        GIT_CONFIG_KEY_5=core.fsmonitor
        GIT_CONFIG_KEY_6=advice.detachedHead
        GIT_CONFIG_KEY_7=advice.statusHints
        GIT_CONFIG_KEY_8=core.ignoreStat
        GIT_CONFIG_KEY_9=core.logAllRefUpdates
        GIT_CONFIG_VALUE_0=0
        GIT_CONFIG_VALUE_1=false
        GIT_CONFIG_VALUE_2=10000
        GIT_CONFIG_VALUE_3=10000
        GIT_CONFIG_VALUE_4=10000
        GIT_CONFIG_VALUE_5=false
        GIT_CONFIG_VALUE_6=false
        GIT_CONFIG_VALUE_7=false
        GIT_CONFIG_VALUE_8=false
        GIT_CONFIG_VALUE_9=always
        GIT_EDITOR=true
        GIT_PAGER=cat
        GIT_SEQUENCE_EDITOR=true
        GIT_TERMINAL_PROMPT=0
        NO_COLOR=1
        PAGER=cat
        TERM=dumb
        ");
    }

    #[test]
    fn an_agent_sees_ordinary_variables_and_its_own() {
        let claude = worker(&["claude"], Dialect::Claude, &[]);
        insta::assert_snapshot!(difference(SHELL, &claude, &task(&[])), @r"
        ANTHROPIC_API_KEY=k1
        HOME=/home/u
        LC_ALL=C
        PATH=/bin
        ");
    }

    #[test]
    fn the_shell_worker_sees_everything_but_what_ties_it_to_the_caller() {
        let shell = worker(&[], Dialect::Text, &[]);
        insta::assert_snapshot!(difference(SHELL, &shell, &task(&[])), @r"
        ANTHROPIC_API_KEY=k1
        DATABASE_URL=postgres://prod
        HOME=/home/u
        LC_ALL=C
        OPENAI_API_KEY=k2
        PATH=/bin
        ");
    }

    #[test]
    fn the_callers_git_settings_reach_every_worker_in_front_of_those_of_dispatch() {
        let caller = [
            ("GIT_CONFIG_COUNT", "3"),
            ("GIT_CONFIG_KEY_0", "user.name"),
            ("GIT_CONFIG_VALUE_0", "Ann"),
            ("GIT_CONFIG_KEY_1", "user.email"),
            ("GIT_CONFIG_VALUE_1", "ann@example.com"),
            ("GIT_CONFIG_KEY_7", "beyond.the.count"),
            ("GIT_CONFIG_PARAMETERS", "'a.b'='c'"),
        ];
        let agent = environment(&caller, &worker(&["a"], Dialect::Text, &[]), &task(&[]));
        let shell = environment(&caller, &worker(&[], Dialect::Text, &[]), &task(&[]));
        let check = check_environment(caller.iter().map(|(n, v)| (n.into(), v.into())));
        for env in [agent, shell, check] {
            let value = |name: &str| env.get(name).map_or("", String::as_str);
            assert_eq!(value("GIT_CONFIG_COUNT"), "12");
            assert_eq!(value("GIT_CONFIG_VALUE_1"), "ann@example.com");
            assert_eq!(value("GIT_CONFIG_KEY_2"), "gc.auto");
            assert_eq!(value("GIT_CONFIG_PARAMETERS"), "'a.b'='c'");
            assert_eq!(value("GIT_CONFIG_KEY_12"), "");
        }
    }

    #[test]
    fn profile_and_task_name_what_else_is_passed_or_set() {
        let agent = worker(&["a"], Dialect::Text, &["OPENAI_*", "GIT_DIR"]);
        let task = task(&[
            ("DATABASE_URL", None),
            ("ABSENT", None),
            ("MODE", Some("test")),
            ("CI", Some("0")),
            ("GIT_DIR", Some("/elsewhere")),
            ("DISPATCH_RUN", Some("mine")),
            ("GIT_CONFIG_COUNT", Some("0")),
        ]);
        insta::assert_snapshot!(difference(SHELL, &agent, &task), @r"
        CI=0
        DATABASE_URL=postgres://prod
        HOME=/home/u
        LC_ALL=C
        MODE=test
        OPENAI_API_KEY=k2
        PATH=/bin
        ");
    }

    #[test]
    fn a_variable_that_is_no_text_is_left_out() {
        let odd = (
            OsString::from("PATH"),
            OsStr::from_bytes(b"/a\xff").to_owned(),
        );
        let agent = worker(&["a"], Dialect::Text, &[]);
        let env = worker_environment(std::iter::once(odd), &agent, &task(&[]), &OWN);
        assert!(!env.contains_key("PATH"));
    }

    #[test]
    fn everything_that_git_calls_local_to_a_repository_is_scrubbed() {
        let listed = Program::new("git")
            .args(["rev-parse", "--local-env-vars"])
            .output()
            .unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(listed.lines().count() >= 10);
        for name in listed.lines() {
            assert!(is_scrubbed(name), "{name}");
        }
    }
}
