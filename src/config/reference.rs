//! The reference of all keys: the example file, and Markdown for the documentation.

use std::fmt::Write;

use crate::base::table::wrap_to_width;
use crate::config::builtin;
use crate::config::executor_keys::EXECUTOR_KEYS;
use crate::config::keys::Key;
use crate::config::settings::Settings;
use crate::config::worker_keys::WORKER_KEYS;
use crate::model::executor::ExecutorProfile;
use crate::model::worker::Worker;

/// The longest line of the example.
const COLUMNS: usize = 100;

/// The longest default in a table of the documentation.
const LONGEST_DEFAULT: usize = 48;

/// The profile that the example shows with all its keys.
const FULL_PROFILE: &str = "claude";

const INTRODUCTION: &str = "\
# Settings of dispatch: copy what you need into `.dispatch.toml` in the top folder of the repository.
#
# This file has every table and key. A line that starts with `#` and no space is a setting with its
# default; remove the `#` to change it. The same keys work in your own file,
# `~/.config/dispatch/config.toml` (or below `$XDG_CONFIG_HOME`).
#
# Precedence: a flag, the environment, the repository's file, your own file, the default. The variable
# of a key is DISPATCH_<TABLE>_<KEY>, such as DISPATCH_RUN_MAX_PARALLEL=5; an empty variable counts as
# absent, and [workers.NAME] has none. A list replaces the weaker one. Where the default is \"\" it means
# \"not set\", and unsets a weaker setting.
#
# Durations are written like \"90s\", \"30m\", \"2h\" or \"1h30m\".
";

const WORKERS: &str = "
# Worker profiles: those below are built in and can be changed key by key. Any other name makes a new
# one, which needs a `command`. A profile with all its keys:
";

const EXECUTORS: &str = "
# Executors: other machines that run attempts (`dispatch help executors`). None is built in. The keys of
# [executors.NAME], with the defaults of each:
";

/// Returns the example file: every key with its meaning and its default, commented out.
pub fn example() -> String {
    let settings = Settings::default();
    let mut text = INTRODUCTION.to_owned();
    for (table, _) in Settings::TABLES {
        let _ = writeln!(text, "\n[{table}]");
        for key in Settings::KEYS.iter().filter(|key| key.table == *table) {
            push_key(&mut text, key, &settings);
        }
    }
    text.push_str(WORKERS);
    let mut workers = builtin::workers();
    let full = workers.remove(FULL_PROFILE);
    for worker in full.iter().chain(workers.values()) {
        push_worker(&mut text, worker);
    }
    text.push_str(EXECUTORS);
    for key in EXECUTOR_KEYS {
        push_comment(&mut text, &key.meaning());
        let value = (key.to_toml)(&ExecutorProfile::named("hosts"));
        // Not to be uncommented as it is: an executor that is named exists.
        let _ = writeln!(text, "# {} = {}", key.name, inline(&value));
    }
    text
}

fn push_worker(text: &mut String, worker: &Worker) {
    if worker.name == FULL_PROFILE {
        let _ = writeln!(text, "#[workers.{}]", worker.name);
        for key in WORKER_KEYS {
            push_key(text, key, worker);
        }
        return;
    }
    if worker.name == builtin::SHELL {
        text.push_str("\n# The worker of tasks with a `run`, which is its command.");
    }
    let _ = writeln!(text, "\n#[workers.{}]", worker.name);
    let plain = Worker::named(&worker.name);
    for key in WORKER_KEYS {
        let value = (key.to_toml)(worker);
        if value != (key.to_toml)(&plain) {
            push_setting(text, key.name, &value);
        }
    }
}

fn push_key<T>(text: &mut String, key: &Key<T>, from: &T) {
    push_comment(text, &key.meaning());
    push_setting(text, key.name, &(key.to_toml)(from));
}

fn push_comment(text: &mut String, comment: &str) {
    for line in wrap_to_width(comment, COLUMNS - 2) {
        let _ = writeln!(text, "# {line}");
    }
}

/// Writes a setting on one line, or a long list on several.
fn push_setting(text: &mut String, name: &str, value: &toml::Value) {
    let line = format!("#{name} = {}", inline(value));
    let Some(items) = value.as_array().filter(|_| line.len() > COLUMNS) else {
        let _ = writeln!(text, "{line}");
        return;
    };
    let mut line = format!("#{name} = [");
    for (place, item) in items.iter().enumerate() {
        let end = if place + 1 == items.len() { "]" } else { "," };
        let item = format!("{item}{end}");
        if line.len() + 1 + item.len() > COLUMNS {
            let _ = writeln!(text, "{line}");
            line = format!("#  {item}");
        } else {
            let space = if line.ends_with('[') { "" } else { " " };
            line = format!("{line}{space}{item}");
        }
    }
    let _ = writeln!(text, "{line}");
}

/// Writes a value on one line, with inline tables.
fn inline(value: &toml::Value) -> String {
    let Some(table) = value.as_table() else {
        return value.to_string();
    };
    let quoted = |key: &String| toml::Value::from(key.as_str()).to_string();
    let entries = table
        .iter()
        .map(|(key, value)| format!("{} = {}", quoted(key), inline(value)));
    let entries: Vec<String> = entries.collect();
    format!("{{ {} }}", entries.join(", "))
}

/// Returns the tables of all keys as Markdown: a section for each table of the configuration.
pub fn markdown() -> String {
    let settings = Settings::default();
    let mut text = String::new();
    for (table, about) in Settings::TABLES {
        let _ = writeln!(text, "## `[{table}]`\n\n{}\n", about.trim());
        text.push_str("| key | default | meaning |\n|---|---|---|\n");
        for key in Settings::KEYS.iter().filter(|key| key.table == *table) {
            let default = short(&(key.to_toml)(&settings));
            let _ = writeln!(text, "| `{}` | `{default}` | {} |", key.name, cell(key));
        }
        text.push('\n');
    }
    text.push_str(
        "## `[workers.NAME]`\n\nA built-in profile is changed key by key. A new one needs a `command`.\n\n\
         | key | meaning |\n|---|---|\n",
    );
    for key in WORKER_KEYS {
        let _ = writeln!(text, "| `{}` | {} |", key.name, cell(key));
    }
    text.push_str(
        "\n## `[executors.NAME]`\n\nWhere attempts run, if not on this machine (`dispatch help executors`).\n\n\
         | key | default | meaning |\n|---|---|---|\n",
    );
    let plain = ExecutorProfile::named("NAME");
    for key in EXECUTOR_KEYS {
        let default = short(&(key.to_toml)(&plain));
        let _ = writeln!(text, "| `{}` | `{default}` | {} |", key.name, cell(key));
    }
    text
}

/// Returns the meaning of a key with words of the configuration as code.
fn cell<T>(key: &Key<T>) -> String {
    let meaning = key.meaning();
    let meaning = meaning.trim_end_matches('.');
    let words = meaning.split(' ').map(|word| {
        let end = word.trim_end_matches([',', ';', ':', '.', ')']);
        let is_code = |start: &str| end.starts_with(start) && !end.starts_with('`');
        if is_code("\"") || is_code("{") || is_code("[") || is_code("DISPATCH_") || is_code("$") {
            format!("`{end}`{}", &word[end.len()..])
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// Writes a default that fits a table: a long list ends in `…`.
fn short(value: &toml::Value) -> String {
    let whole = inline(value);
    let Some(items) = value.as_array().filter(|_| whole.len() > LONGEST_DEFAULT) else {
        return whole;
    };
    let first: Vec<String> = items.iter().take(2).map(toml::Value::to_string).collect();
    format!("[{}, …]", first.join(", "))
}
