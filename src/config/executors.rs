//! Finds the executor of a task, and checks the executors.

use crate::base::text::did_you_mean;
use crate::config::Settings;
use crate::config::invalid::Invalid;
use crate::config::layers::Layers;
use crate::model::executor::{ExecutorChoice, ExecutorKind, ExecutorProfile, LOCAL};
use crate::model::plan::Task;
use crate::model::worker::Worker;

impl Settings {
    /// Returns the executor of a task's attempts by this worker: that of the task, else that of the
    /// worker, else that of the run.
    pub fn executor_of(&self, task: &Task, worker: Option<&Worker>) -> ExecutorChoice {
        let of_worker = || worker.and_then(|worker| worker.executor.as_deref());
        let named = task.fields.executor.as_deref().or_else(of_worker);
        let choice = ExecutorChoice::parse(named.unwrap_or(&self.run.executor));
        let profile = self.executors.get(&choice.name);
        match profile.is_some_and(|profile| profile.kind == ExecutorKind::Local) {
            true => ExecutorChoice::parse(LOCAL),
            false => choice,
        }
    }

    /// Explains why an executor cannot be used: a message and a hint.
    pub fn unusable_executor(&self, choice: &ExecutorChoice) -> Option<(String, String)> {
        let name = &choice.name;
        if choice.is_local() {
            let label = choice.label.as_ref()?;
            let message = format!("this machine has no label {label:?}");
            return Some((message, "write \"local\"".to_owned()));
        }
        let Some(profile) = self.executors.get(name) else {
            let names: Vec<&str> = self.executors.keys().map(String::as_str).collect();
            let near = did_you_mean(name, names.iter().copied().chain([LOCAL]));
            let hint = match near {
                Some(near) => format!("did you mean {near}? or add [executors.{name}]"),
                None => format!("add [executors.{name}] (`dispatch help executors`)"),
            };
            return Some((format!("unknown executor {name:?}"), hint));
        };
        if profile.kind == ExecutorKind::Container {
            return Some((
                format!("executor {name}: kind \"container\" is not built yet"),
                "use \"ssh\", \"slurm\" or \"command\"".to_owned(),
            ));
        }
        let label = choice.label.as_deref()?;
        match profile.has_label(label) {
            true => None,
            false => Some((
                format!("no host of executor {name} has the label {label:?}"),
                format!("add labels={label} to one of its hosts"),
            )),
        }
    }
}

/// Reports executors that lack something, and names of executors that do not exist.
pub(super) fn check(layers: &Layers, found: &mut Vec<((String, &'static str), Invalid)>) {
    let settings = &layers.settings;
    for profile in settings.executors.values() {
        let lacks = lacks(profile).map(|(key, invalid)| {
            let table = format!("executors.{}", profile.name);
            ((table, key), invalid)
        });
        found.extend(lacks);
    }
    let mut unusable = |table: String, name: &str| {
        let choice = ExecutorChoice::parse(name);
        if let Some((message, hint)) = settings.unusable_executor(&choice) {
            found.push(((table, "executor"), Invalid::new(message, hint)));
        }
    };
    unusable("run".to_owned(), &settings.run.executor);
    for worker in settings.workers.values() {
        if let Some(executor) = &worker.executor {
            unusable(format!("workers.{}", worker.name), executor);
        }
    }
}

/// Returns the key that an executor lacks.
fn lacks(profile: &ExecutorProfile) -> Option<(&'static str, Invalid)> {
    let name = &profile.name;
    let lacks = |key: &str, example: &str| {
        let kind = profile.kind.name();
        let message = format!("executor {name} of kind \"{kind}\" has no {key}");
        Invalid::new(message, format!("add one, such as {key} = {example}"))
    };
    if name == LOCAL && profile.kind != ExecutorKind::Local {
        let message = "\"local\" is always this machine".to_owned();
        return Some((
            "kind",
            Invalid::new(message, "give the executor another name"),
        ));
    }
    match profile.kind {
        ExecutorKind::Ssh if profile.hosts.is_empty() => {
            Some(("hosts", lacks("hosts", "[\"build1 slots=4\"]")))
        }
        ExecutorKind::Ssh if profile.ssh.is_empty() => Some(("ssh", lacks("ssh", "[\"ssh\"]"))),
        ExecutorKind::Command => {
            let commands = [
                ("start", &profile.start),
                ("status", &profile.status),
                ("stop", &profile.stop),
            ];
            let missing = commands.into_iter().find(|(_, command)| command.is_empty());
            missing.map(|(key, _)| (key, lacks(key, "[\"program\", \"{name}\"]")))
        }
        _ => None,
    }
}
