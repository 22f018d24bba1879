//! Checks settings against each other.

use crate::base::text::did_you_mean;
use crate::config::invalid::Invalid;
use crate::config::layers::Layers;
use crate::config::settings::Settings;
use crate::config::{builtin, executors};
use crate::model::permissions::Permissions;
use crate::model::worker::{Dialect, PromptBy, Worker};

/// Sets what follows from other settings: an agent that speaks ACP gets its prompt from dispatch's own
/// client, which reads it from standard input.
pub(super) fn complete(settings: &mut Settings) {
    for worker in settings.workers.values_mut() {
        if worker.dialect == Dialect::Acp {
            worker.prompt = PromptBy::Stdin;
        }
    }
}

/// Reports settings that contradict each other. Defaults never do, so every report has an origin.
pub(super) fn check(layers: &mut Layers) {
    let mut found = Vec::new();
    check_default_worker(layers, &mut found);
    for worker in layers.settings.workers.values() {
        check_command(worker, layers, &mut found);
        check_protocol(worker, layers, &mut found);
        check_fallback(worker, layers, &mut found);
    }
    executors::check(layers, &mut found);
    check_delays(layers, &mut found);
    check_webhook_secret(&layers.settings, &mut found);
    for ((table, key), invalid) in found {
        // A profile without a key has its table as origin.
        let origin = layers.origin(&table, key).or(layers.origin(&table, ""));
        if let Some(origin) = origin.cloned() {
            layers.reject(&origin, invalid);
        }
    }
}

/// An invalid value of a key of a table.
type Found = ((String, &'static str), Invalid);

fn check_default_worker(layers: &Layers, found: &mut Vec<Found>) {
    let settings = &layers.settings;
    let invalid = unknown_worker(layers, &settings.run.worker);
    found.extend(invalid.map(|invalid| (("run".to_owned(), "worker"), invalid)));
    let planner = settings.plan.worker.as_deref();
    let invalid = planner.and_then(|worker| unknown_worker(layers, worker));
    found.extend(invalid.map(|invalid| (("plan".to_owned(), "worker"), invalid)));
    let judge = settings.variants.judge.as_deref();
    let invalid = judge.and_then(|worker| match worker {
        builtin::SHELL => Some(Invalid::new(
            "the shell cannot be a judge",
            "name a worker with a command of its own",
        )),
        worker => unknown_worker(layers, worker),
    });
    found.extend(invalid.map(|invalid| (("variants".to_owned(), "judge"), invalid)));
}

fn check_command(worker: &Worker, layers: &Layers, found: &mut Vec<Found>) {
    let table = format!("workers.{}", worker.name);
    let is_given = layers.origin(&table, "").is_some();
    let invalid = match (worker.name == builtin::SHELL, worker.command.is_empty()) {
        (true, false) => Invalid::new(
            "the command of worker shell is the `run` of each task",
            "give a worker with its own command another name",
        ),
        (false, true) if is_given => Invalid::new(
            format!("worker {} has no command", worker.name),
            "add one, such as command = [\"program\", \"{prompt_file}\"]",
        ),
        _ => return,
    };
    found.push(((table, "command"), invalid));
}

/// Checks the settings of a worker whose agent speaks ACP, which dispatch itself applies.
fn check_protocol(worker: &Worker, layers: &Layers, found: &mut Vec<Found>) {
    if worker.prompt == PromptBy::Stream && worker.dialect != Dialect::Claude {
        let invalid = Invalid::new(
            "only a worker with dialect \"claude\" reads a stream of prompts",
            "use \"file\", \"stdin\" or \"argument\"",
        );
        found.push(((format!("workers.{}", worker.name), "prompt"), invalid));
    }
    if worker.dialect != Dialect::Acp {
        return;
    }
    let table = format!("workers.{}", worker.name);
    let mode = worker.permission_mode.as_deref();
    if let Some(mode) = mode.filter(|mode| Permissions::parse(mode).is_none()) {
        let known = Permissions::ALL.map(Permissions::name).join(", ");
        let invalid = Invalid::new(
            format!("unknown permission_mode {mode:?} of a worker with dialect \"acp\""),
            format!("valid values are {known}"),
        );
        found.push(((table.clone(), "permission_mode"), invalid));
    }
    if worker.prompt != PromptBy::Stdin && layers.origin(&table, "prompt").is_some() {
        let invalid = Invalid::new(
            "a worker with dialect \"acp\" gets its prompt by the protocol",
            "remove the line `prompt`",
        );
        found.push(((table, "prompt"), invalid));
    }
}

/// A secret must not stand in a settings file: the journal of every run records the settings.
fn check_webhook_secret(settings: &Settings, found: &mut Vec<Found>) {
    let Some(secret) = &settings.notify.webhook_secret else {
        return;
    };
    let is_name = |name: &str| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        !name.is_empty() && name.bytes().all(is_part)
    };
    if !secret.strip_prefix('$').is_some_and(is_name) {
        let invalid = Invalid::new(
            "webhook_secret takes the name of an environment variable, not the secret itself",
            "write it as \"$NAME\", and set NAME in the environment of `dispatch run`",
        );
        found.push((("notify".to_owned(), "webhook_secret"), invalid));
    }
}

fn check_fallback(worker: &Worker, layers: &Layers, found: &mut Vec<Found>) {
    let place = || (format!("workers.{}", worker.name), "fallback");
    for other in &worker.fallback {
        found.extend(unknown_worker(layers, other).map(|invalid| (place(), invalid)));
        if *other == worker.name {
            let message = format!("worker {other} cannot be its own fallback");
            found.push((place(), Invalid::new(message, "name another worker")));
        }
        if other == builtin::SHELL {
            let invalid = Invalid::new(
                "worker shell runs only tasks with `run`, so it cannot be a fallback",
                "name a worker with its own command",
            );
            found.push((place(), invalid));
        }
    }
}

fn unknown_worker(layers: &Layers, name: &str) -> Option<Invalid> {
    let workers = &layers.settings.workers;
    if workers.contains_key(name) {
        return None;
    }
    let names: Vec<&str> = workers.keys().map(String::as_str).collect();
    let hint = match did_you_mean(name, names.iter().copied()) {
        Some(near) => format!("did you mean {near}? or add [workers.{name}]"),
        None => format!(
            "known workers are {}; or add [workers.{name}]",
            names.join(", ")
        ),
    };
    Some(Invalid::new(format!("unknown worker {name:?}"), hint))
}

fn check_delays(layers: &Layers, found: &mut Vec<Found>) {
    let retry = &layers.settings.retry;
    if retry.base_delay > retry.max_delay {
        let key = match layers.origin("retry", "max_delay") {
            Some(_) => "max_delay",
            None => "base_delay",
        };
        let invalid = Invalid::new(
            "base_delay is longer than max_delay",
            "make max_delay at least as long as base_delay",
        );
        found.push((("retry".to_owned(), key), invalid));
    }
}
