//! The part of a repository's settings that needs the user's consent.
//!
//! A repository may be a stranger's. Most of its settings only choose between things that
//! dispatch does anyway. All others (programs, worker profiles, places outside of the repository) are
//! listed here and need consent; a key that is added later does so, too, until `NEEDS` names it.

use std::fmt::Write as _;

use crate::base::text::shell_word;

/// The consent that a key needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Need {
    /// None: it runs nothing, reads nothing outside of the repository and allows nothing.
    Nothing,
    /// Consent, unless the user committed it here: it names programs and files of the repository, or
    /// others who will see what it does.
    UnlessOwn,
    /// Consent, whoever committed it: it names a place or allows something.
    Always,
}

use Need::{Always, Nothing, UnlessOwn};

/// The keys that do not always need consent.
const NEEDS: &[(&str, Need, &[&str])] = &[
    (
        "run",
        Nothing,
        &[
            "branch_prefix",
            "max_parallel",
            "max_parallel_total",
            "base",
            "target",
            "timeout",
            "stall_timeout",
            "max_cost",
            "quota_wait",
            "worker",
            "keep_terminal_free",
            "max_log",
            "min_free_space",
            "max_worktrees",
            "max_total_disk",
            "result_grace",
            "secrets",
        ],
    ),
    ("prompt", Nothing, &["template"]),
    ("plan", Nothing, &["worker", "template", "timeout"]),
    ("variants", Nothing, &["judge"]),
    (
        "worktree",
        Nothing,
        &[
            "submodules",
            "isolation",
            "pool",
            "keep",
            "setup_when",
            "pool_template",
            "pool_ttl",
        ],
    ),
    (
        "worktree",
        UnlessOwn,
        &["copy", "link", "setup", "teardown"],
    ),
    (
        "retry",
        Nothing,
        &[
            "transient",
            "rate_limit",
            "conflict",
            "base_delay",
            "max_delay",
            "budget",
        ],
    ),
    ("failure", Nothing, &["patterns"]),
    ("conflicts", Nothing, &["on_new", "scope", "generated"]),
    (
        "assemble",
        Nothing,
        &["check_timeout", "history", "flaky_reruns", "warm"],
    ),
    ("assemble", UnlessOwn, &["check"]),
    ("resolve", Nothing, &["policy"]),
    ("resolve", UnlessOwn, &["structural", "regenerate"]),
    ("board", Nothing, &["land"]),
    ("notify", Nothing, &["bell", "desktop"]),
    ("notify", UnlessOwn, &["command"]),
    ("github", Nothing, &["labels"]),
    ("github", UnlessOwn, &["project"]),
];

/// The keys of a worker profile that need consent, whoever committed them: they loosen its confinement, or send it
/// to another machine.
const ALWAYS_OF_WORKER: [&str; 3] = ["sandbox", "state", "executor"];

/// The settings of a repository that need consent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Brought {
    /// Its whole text, which consent is bound to.
    pub text: String,
    /// Each setting that needs consent, such as `worktree.setup: npm ci`, with all its lines.
    pub settings: Vec<String>,
    /// The worker profiles that it makes or changes.
    pub workers: Vec<String>,
    /// `true` if none of them needs consent where the user committed them.
    pub is_ordinary: bool,
}

impl Brought {
    /// Lists the settings of a valid file that need consent; `None` if none does.
    pub fn of(text: &str) -> Option<Brought> {
        let tables: toml::Table = text.parse().ok()?;
        let mut brought = Brought {
            text: text.to_owned(),
            settings: Vec::new(),
            workers: Vec::new(),
            is_ordinary: true,
        };
        for (table, keys) in tables.iter() {
            let Some(keys) = keys.as_table() else {
                continue;
            };
            for (key, value) in keys {
                match value.as_table().filter(|_| table == "workers") {
                    Some(profile) => brought.add_worker(key, profile),
                    None => brought.add(need(table, key), &format!("{table}.{key}"), value),
                }
            }
        }
        (!brought.settings.is_empty()).then_some(brought)
    }

    fn add_worker(&mut self, name: &str, profile: &toml::Table) {
        self.workers.push(name.to_owned());
        for (key, value) in profile {
            let need = match ALWAYS_OF_WORKER.contains(&key.as_str()) {
                true => Always,
                false => UnlessOwn,
            };
            self.add(need, &format!("workers.{name}.{key}"), value);
        }
    }

    fn add(&mut self, need: Need, key: &str, value: &toml::Value) {
        if need != Nothing {
            self.is_ordinary &= need == UnlessOwn;
            push(&mut self.settings, key, value);
        }
    }

    /// Renders the settings in full, three spaces further in.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for setting in &self.settings {
            for line in setting.lines() {
                let _ = writeln!(text, "   {line}");
            }
        }
        text
    }
}

fn need(table: &str, key: &str) -> Need {
    let known = NEEDS
        .iter()
        .find(|(name, _, keys)| *name == table && keys.contains(&key));
    known.map_or(Always, |(_, need, _)| *need)
}

/// Adds a setting. A program with its arguments is one line of shell words; every other list has a line
/// for each item.
fn push(settings: &mut Vec<String>, key: &str, value: &toml::Value) {
    let last = key.rsplit('.').next().unwrap_or(key);
    let is_program = match last {
        "command" | "structural" | "resume" | "attach" | "continue" => true,
        "start" | "status" | "stop" | "logs" | "ssh" | "prefix" => key.starts_with("executors."),
        _ => false,
    };
    match value {
        toml::Value::Array(items) if is_program && items.is_empty() => {}
        toml::Value::Array(items) if is_program => {
            let words: Vec<String> = items.iter().map(|item| shell_word(&plain(item))).collect();
            settings.push(format!("{key}: {}", words.join(" ")));
        }
        toml::Value::Array(items) => {
            settings.extend(
                items
                    .iter()
                    .map(|item| format!("{key}:{}", block(&plain(item)))),
            );
        }
        toml::Value::Table(entries) => {
            for (name, value) in entries {
                push(settings, &format!("{key}.{}", shell_word(name)), value);
            }
        }
        value => settings.push(format!("{key}:{}", block(&plain(value)))),
    }
}

fn plain(value: &toml::Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    }
}

/// Puts a text behind its key, or one of several lines below it.
fn block(text: &str) -> String {
    match text.trim_end().contains('\n') {
        true => format!("\n  {}", text.trim_end().replace('\n', "\n  ")),
        false => format!(" {text}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::config::worker_keys::WORKER_KEYS;

    fn brought(text: &str) -> Option<Brought> {
        Brought::of(text)
    }

    #[test]
    fn programs_profiles_and_places_need_consent_and_are_shown_in_full() {
        let text = "[run]\nworker = \"evil\"\nmax_depth = 3\noutside_writes = \"ignore\"\n\
            [workers.evil]\ncommand = [\"/x/payload\", \"a b\"]\nenv = [\"AWS_*\"]\n[workers.claude]\ncommand = [\"bin/claude\"]\n\
            [worktree]\npath = \"/home/me/bin/{run}{task}\"\nsetup = [\"npm ci\", \"a\\nb\"]\nteardown = \"x\"\ncopy = [\".env\"]\n\
            [assemble]\ncheck = \"npm test\"\n[resolve]\nstructural = []\nregenerate = { \"a b.lock\" = \"make lock\" }\n\
            [notify]\ncommand = [\"notify\", \"me\"]\n";
        let brought = brought(text).unwrap();
        insta::assert_snapshot!(brought.render(), @r"
        assemble.check: npm test
        notify.command: notify me
        resolve.regenerate.'a b.lock': make lock
        run.max_depth: 3
        run.outside_writes: ignore
        workers.claude.command: bin/claude
        workers.evil.command: /x/payload 'a b'
        workers.evil.env: AWS_*
        worktree.copy: .env
        worktree.path: /home/me/bin/{run}{task}
        worktree.setup: npm ci
        worktree.setup:
          a
          b
        worktree.teardown: x
        ");
        assert_eq!(brought.workers, ["claude", "evil"]);
    }

    #[test]
    fn an_executor_is_shown_with_its_programs_and_so_is_the_choice_of_one() {
        let text = "[run]\nexecutor = \"far\"\n[executors.far]\nkind = \"ssh\"\nhosts = [\"h1\", \"h2\"]\n\
            program = \"/opt/dispatch\"\nssh = [\"ssh\", \"-F\", \"my config\"]\nenv = [\"TOKEN\"]\n\
            [executors.any]\nkind = \"command\"\nstart = [\"kube\", \"start\", \"{name}\"]\n\
            status = [\"kube\", \"status\"]\nstop = [\"kube\", \"stop\"]\nlogs = [\"kube\", \"logs\"]\nprefix = [\"ssh\", \"login\"]\n\
            [workers.mine]\nexecutor = \"any\"\n";
        let brought = brought(text).unwrap();
        insta::assert_snapshot!(brought.render(), @r"
        executors.any.kind: command
        executors.any.logs: kube logs
        executors.any.prefix: ssh login
        executors.any.start: kube start '{name}'
        executors.any.status: kube status
        executors.any.stop: kube stop
        executors.far.env: TOKEN
        executors.far.hosts: h1
        executors.far.hosts: h2
        executors.far.kind: ssh
        executors.far.program: /opt/dispatch
        executors.far.ssh: ssh -F 'my config'
        run.executor: far
        workers.mine.executor: any
        ");
        assert!(!brought.is_ordinary);
    }

    #[test]
    fn choices_need_no_consent() {
        assert_eq!(
            brought("[run]\nmax_parallel = 2\nworker = \"claude\"\n[retry]\nbudget = 1\n"),
            None
        );
        assert_eq!(brought(""), None);
        assert_eq!(brought("[run"), None);
    }

    #[test]
    fn a_place_or_a_permission_is_not_ordinary() {
        let is_ordinary = |text: &str| brought(text).unwrap().is_ordinary;
        for text in [
            "[worktree]\nsetup = \"make\"\n[run]\nmax_parallel = 2\n",
            "[resolve]\nregenerate = { \"a:b\" = \"make\" }\n",
            "[workers.mine]\ncommand = [\"mine\"]\n",
        ] {
            assert!(is_ordinary(text), "{text}");
        }
        for text in [
            "[worktree]\nsetup = \"make\"\npath = \"../x/{run}/{task}\"\n",
            "[board]\nfile = \".gitattributes\"\n",
            "[run]\nmax_depth = 1\n",
            "[workers.mine]\ncommand = [\"mine\"]\nstate = [\"~/.mine\"]\n",
            "[workers.mine]\ncommand = [\"mine\"]\nsandbox = \"strict\"\n",
            "[limits]\nprocesses = 1\n",
            "[run]\nexecutor = \"far\"\n",
            "[workers.mine]\nexecutor = \"far\"\n",
            "[later]\nkey = 1\n",
        ] {
            assert!(!is_ordinary(text), "{text}");
        }
    }

    #[test]
    fn every_key_with_a_need_exists_once() {
        let of_table = |(table, _, keys): &(&'static str, Need, &[&'static str])| {
            let table = *table;
            keys.iter()
                .map(move |key| (table, *key))
                .collect::<Vec<_>>()
        };
        let mut named: Vec<_> = NEEDS.iter().flat_map(of_table).collect();
        for (table, name) in &named {
            let is_it = |key: &&crate::config::keys::Key<Settings>| {
                (key.table, key.name) == (*table, *name)
            };
            assert!(
                Settings::KEYS.iter().any(|key| is_it(&key)),
                "{table}.{name}"
            );
        }
        let count = named.len();
        named.sort_unstable();
        named.dedup();
        assert_eq!(named.len(), count);
        for key in ALWAYS_OF_WORKER {
            assert!(WORKER_KEYS.iter().any(|known| known.name == key), "{key}");
        }
    }
}
