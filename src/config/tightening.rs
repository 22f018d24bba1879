//! Refuses a repository's file that loosens the sandbox.
//!
//! A repository may come from a stranger, so its file may confine workers more than the user does,
//! never less. The user's own file, a file of `--config`, variables and flags may do both.

use crate::config::invalid::{Invalid, Origin};
use crate::config::layers::Layers;
use crate::config::reaction::{Network, SandboxMode};
use crate::config::settings::{SandboxSettings, Settings};
use crate::model::worker::{Confinement, Isolation, Worker};

/// Rejects every setting of a repository's file that is looser than before.
pub(super) fn refuse_looser(before: &Settings, layers: &mut Layers) {
    let now = &layers.settings;
    let mut looser: Vec<(String, &str)> = in_sandbox(&before.sandbox, &now.sandbox)
        .into_iter()
        .map(|key| ("sandbox".to_owned(), key))
        .collect();
    if before.worktree.isolation == Isolation::Clone && now.worktree.isolation != Isolation::Clone {
        looser.push(("worktree".to_owned(), "isolation"));
    }
    for worker in now.workers.values() {
        let known = before.workers.get(&worker.name);
        let plain = Worker::named(&worker.name);
        let keys = in_worker(
            (known.unwrap_or(&plain), before.sandbox.kind),
            (worker, now.sandbox.kind),
        );
        looser.extend(keys.map(|key| (format!("workers.{}", worker.name), key)));
    }
    for (table, key) in looser {
        let origin = layers.origin(&table, key).cloned();
        if let Some(origin @ Origin::File(..)) = origin {
            let message =
                format!("{key} of [{table}] loosens the sandbox, which no repository may");
            let hint = "set it in your own configuration (`dispatch help sandbox`), or name this file \
                        with --config";
            layers.reject(&origin, Invalid::new(message, hint));
        }
    }
}

fn in_sandbox(before: &SandboxSettings, now: &SandboxSettings) -> Vec<&'static str> {
    let adds = |before: &[String], now: &[String]| now.iter().any(|path| !before.contains(path));
    let looser = [
        ("mode", strength(now.mode) < strength(before.mode)),
        ("kind", is_looser(before.kind, now.kind)),
        ("commits", now.commits && !before.commits),
        ("write", adds(&before.write, &now.write)),
        ("deny_read", adds(&now.deny_read, &before.deny_read)),
        ("network", reach(now.network) > reach(before.network)),
        ("command", now.command != before.command),
    ];
    let looser = looser.into_iter().filter(|(_, is_looser)| *is_looser);
    looser.map(|(key, _)| key).collect()
}

/// Compares the settings of a worker, each with the kind of `[sandbox]`, which holds where it has none.
fn in_worker(
    (before, kind_before): (&Worker, Confinement),
    (now, kind_now): (&Worker, Confinement),
) -> impl Iterator<Item = &'static str> {
    let adds = now.state.iter().any(|path| !before.state.contains(path));
    let loosens = is_looser(
        before.sandbox.unwrap_or(kind_before),
        now.sandbox.unwrap_or(kind_now),
    );
    let is_clone = |worker: &Worker| worker.isolation == Some(Isolation::Clone);
    let isolates_less = is_clone(before) && !is_clone(now);
    let looser = [
        ("sandbox", loosens),
        ("state", adds),
        ("isolation", isolates_less),
    ];
    looser.into_iter().filter(|(_, is)| *is).map(|(key, _)| key)
}

fn strength(mode: SandboxMode) -> u8 {
    match mode {
        SandboxMode::Off => 0,
        SandboxMode::Auto => 1,
        SandboxMode::Require => 2,
    }
}

/// Returns `true` if a confinement is not at least as strong. Nothing is known of a program of the user,
/// so no repository may put another in its place.
fn is_looser(before: Confinement, now: Confinement) -> bool {
    match (before, now) {
        (before, now) if before == now => false,
        (Confinement::Command, _) | (_, Confinement::Off | Confinement::Command) => true,
        (Confinement::Strict, Confinement::Write) => true,
        _ => false,
    }
}

fn reach(network: Network) -> u8 {
    match network {
        Network::None => 0,
        Network::Loopback => 1,
        Network::Open => 2,
    }
}
