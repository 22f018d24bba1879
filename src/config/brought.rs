//! The part of a repository's settings that needs the user's consent.
//!
//! A repository may be a stranger's. Most of its settings only choose between things that
//! dispatch does anyway. All others (programs, worker profiles, places outside of the repository) are
//! listed here and need consent; a key that is added later does so, too, until it is named as harmless.

use std::fmt::Write as _;

use crate::base::text::shell_word;

/// Keys that run nothing, read nothing outside of the repository and allow nothing.
const HARMLESS: &[(&str, &[&str])] = &[
    (
        "run",
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
    ("prompt", &["template"]),
    ("plan", &["worker", "template", "timeout"]),
    ("variants", &["judge"]),
    ("worktree", &["submodules"]),
    (
        "retry",
        &[
            "transient",
            "rate_limit",
            "conflict",
            "base_delay",
            "max_delay",
            "budget",
        ],
    ),
    ("failure", &["patterns"]),
    ("conflicts", &["on_new", "scope", "generated"]),
    ("assemble", &["check_timeout", "history", "flaky_reruns"]),
    ("resolve", &["policy"]),
    ("board", &["land"]),
    ("notify", &["bell", "desktop"]),
    ("github", &["project", "labels"]),
];

/// The settings of a repository that need consent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Brought {
    /// Its whole text, which consent is bound to.
    pub text: String,
    /// Each setting that needs consent, such as `worktree.setup: npm ci`, with all its lines.
    pub settings: Vec<String>,
    /// The worker profiles that it makes or changes.
    pub workers: Vec<String>,
}

impl Brought {
    /// Lists the settings of a valid file that need consent; `None` if none does.
    pub fn of(text: &str) -> Option<Brought> {
        let tables: toml::Table = text.parse().ok()?;
        let mut brought = Brought {
            text: text.to_owned(),
            settings: Vec::new(),
            workers: Vec::new(),
        };
        for (table, keys) in tables.iter() {
            let Some(keys) = keys.as_table() else {
                continue;
            };
            for (key, value) in keys {
                match value.as_table().filter(|_| table == "workers") {
                    Some(profile) => brought.add_worker(key, profile),
                    None if is_harmless(table, key) => {}
                    None => push(&mut brought.settings, &format!("{table}.{key}"), value),
                }
            }
        }
        (!brought.settings.is_empty()).then_some(brought)
    }

    fn add_worker(&mut self, name: &str, profile: &toml::Table) {
        self.workers.push(name.to_owned());
        for (key, value) in profile {
            push(&mut self.settings, &format!("workers.{name}.{key}"), value);
        }
    }

    /// Returns `true` if the settings name programs and files of the repository only, and neither
    /// places outside of it nor anything that they allow.
    pub fn is_ordinary(&self) -> bool {
        const ORDINARY: [&str; 10] = [
            "assemble.check:",
            "conflicts.",
            "failure.",
            "notify.command:",
            "resolve.",
            "workers.",
            "worktree.copy:",
            "worktree.link:",
            "worktree.setup:",
            "worktree.teardown:",
        ];
        let is_ordinary = |setting: &String| {
            let key = setting.split(':').next().unwrap_or_default();
            let is_confinement = key.ends_with(".state") || key.ends_with(".sandbox");
            !is_confinement && ORDINARY.iter().any(|key| setting.starts_with(key))
        };
        self.settings.iter().all(is_ordinary)
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

fn is_harmless(table: &str, key: &str) -> bool {
    let of_table = HARMLESS.iter().find(|(name, _)| *name == table);
    of_table.is_some_and(|(_, keys)| keys.contains(&key))
}

/// Adds a setting. A program with its arguments is one line of shell words; every other list has a line
/// for each item.
fn push(settings: &mut Vec<String>, key: &str, value: &toml::Value) {
    let last = key.rsplit('.').next().unwrap_or(key);
    let is_program = matches!(
        last,
        "command" | "structural" | "resume" | "attach" | "continue"
    );
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
    fn choices_need_no_consent() {
        assert_eq!(
            brought("[run]\nmax_parallel = 2\nworker = \"claude\"\n[retry]\nbudget = 1\n"),
            None
        );
        assert_eq!(brought(""), None);
        assert_eq!(brought("[run"), None);
    }

    #[test]
    fn every_harmless_key_exists() {
        for (table, keys) in HARMLESS {
            for key in *keys {
                let is_it = |known: &&crate::config::keys::Key<Settings>| {
                    known.table == *table && known.name == *key
                };
                assert!(
                    Settings::KEYS.iter().any(|known| is_it(&known)),
                    "{table}.{key}"
                );
            }
        }
    }
}
