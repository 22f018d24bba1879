//! Checks and describes the confinement of a run's workers before it starts.

use std::collections::BTreeSet;

use crate::config::{self, Overrides, Settings};
use crate::engine::spec::confinement::{Means, delegation, kind, means};
use crate::engine::start::{StartError, worker_names};
use crate::exec::cgroup::{Controller, Delegation};
use crate::exec::{Support, sandbox_support};
use crate::git::Repo;
use crate::model::plan::Plan;
use crate::model::worker::{Confinement, Worker};
use crate::worker::inner_sandbox::without_own_sandbox;

/// Refuses a run whose workers must be confined and cannot be.
///
/// # Errors
/// The reason of the first such worker.
pub(super) fn refuse_missing(plan: &Plan, settings: &Settings) -> Result<(), StartError> {
    for (worker, least) in workers(plan, settings) {
        means(settings, kind(settings, Some(worker), least)).map_err(StartError::NoSandbox)?;
    }
    Ok(())
}

/// Replaces the confinement and the limits in the settings of a run by those of now: the user may have
/// allowed what was denied, or denied more. An invalid configuration changes nothing.
pub fn use_current(repo: &Repo, settings: &mut Settings) {
    let Ok(now) = config::load(&repo.top, None, &Overrides::default()) else {
        return;
    };
    settings.sandbox = now.sandbox;
    settings.limits = now.limits;
    for (name, worker) in &mut settings.workers {
        if let Some(now) = now.workers.get(name) {
            worker.sandbox = now.sandbox;
            worker.state.clone_from(&now.state);
        }
    }
}

/// Lists a remark on each limit that needs a cgroup which this machine does not give.
pub(super) fn missing_limits(settings: &Settings) -> Vec<String> {
    let limits = &settings.limits;
    let delegation = delegation(settings);
    let mut remarks = Vec::new();
    if let (Some(named), None) = (&limits.cgroup, &delegation) {
        remarks.push(format!(
            "`cgroup` under [limits] has no effect: {named} is not a cgroup (version 2) that you can write"
        ));
    }
    let needy = [
        ("cpus", limits.cpus.is_some()),
        ("cpu_weight", limits.cpu_weight.is_some()),
    ];
    let can_limit = |it: &Delegation| it.can_limit(Controller::Cpu);
    let has_cpu = delegation.as_ref().is_some_and(can_limit);
    for (key, _) in needy.iter().filter(|(_, is_set)| *is_set && !has_cpu) {
        remarks.push(format!(
            "`{key}` under [limits] has no effect: it needs a cgroup for processor time (`dispatch help sandbox`)"
        ));
    }
    remarks
}

/// Lists a remark on each part of the confinement that is missing on this machine, and on each agent
/// that runs without its own sandbox in that of dispatch.
pub(super) fn remarks(plan: &Plan, settings: &Settings) -> Vec<String> {
    let mut remarks = BTreeSet::new();
    for (worker, least) in workers(plan, settings) {
        let wanted = kind(settings, Some(worker), least);
        let found = means(settings, wanted).unwrap_or(Means::Nothing);
        remarks.extend(match (wanted, &found) {
            (Confinement::Off, _) => None,
            (_, Means::Nothing) => {
                Some("workers are not confined: this system has neither Landlock nor Seatbelt (`dispatch help sandbox`)".to_owned())
            }
            (Confinement::Strict, Means::Kernel) => Some(
                "bubblewrap (bwrap) is not installed, so the sandbox is `write` instead of `strict`".to_owned(),
            ),
            (_, Means::Kernel) if sandbox_support() == Support::Files => Some(
                "the sandbox does not keep workers from sending signals to other processes: that needs Linux 6.12"
                    .to_owned(),
            ),
            _ => None,
        });
        let given = worker.permission_mode.as_deref().unwrap_or_default();
        let command = worker.command.iter();
        let command: Vec<String> = command
            .map(|word| word.replace("{permission_mode}", given))
            .collect();
        let free = without_own_sandbox(worker.dialect, &command);
        if free.is_some() && found != Means::Nothing {
            remarks.insert(format!(
                "worker {} runs without its own sandbox, inside that of dispatch",
                worker.name
            ));
        }
    }
    remarks.into_iter().collect()
}

/// Lists the workers of a plan's tasks that run on this machine, each with the least confinement that its task asks
/// for. A node checks its own.
fn workers<'a>(
    plan: &'a Plan,
    settings: &'a Settings,
) -> impl Iterator<Item = (&'a Worker, Option<Confinement>)> {
    plan.tasks().iter().flat_map(move |task| {
        let names = worker_names(task, settings).into_iter();
        let workers = names.filter_map(|name| settings.workers.get(name));
        let workers = workers.filter(|worker| settings.executor_of(task, Some(worker)).is_local());
        workers.map(|worker| (worker, task.fields.sandbox))
    })
}
