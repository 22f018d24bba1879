//! One executor of a run, shared by all its attempts: its engine, its slots, and one look at all jobs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::base::text::error_chain;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::remote_refs::of_run;
use crate::engine::remote::address::remote_of;
use crate::engine::remote::chores::Chores;
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::node::off_loop;
use crate::engine::remote::transport::Transport;
use crate::exec::engine::command::Commands;
use crate::exec::engine::slurm::Slurm;
use crate::exec::engine::ssh::SshHosts;
use crate::exec::engine::{Engine, JobId, JobState};
use crate::merge::oid::Oid;
use crate::model::executor::{ExecutorKind, ExecutorProfile, Host};

/// The time for which a host that lost an attempt, or did not answer, is chosen last.
const DISTRUST: Duration = Duration::from_secs(10 * 60);

/// An executor that is not this machine.
pub struct Fleet {
    pub(super) profile: ExecutorProfile,
    pub(super) engine: Box<dyn Engine>,
    pub(super) transport: Transport,
    /// The address of the remote as the nodes reach it.
    pub(super) node_address: String,
    run_folder: String,
    state: Mutex<State>,
    look: tokio::sync::Mutex<Option<Arc<Look>>>,
    pub(super) chores: Chores,
}

#[derive(Default)]
struct State {
    /// The jobs that are looked at.
    jobs: BTreeMap<String, JobId>,
    /// The attempts on each host.
    used: BTreeMap<String, usize>,
    /// Hosts that failed, with the time.
    distrusted: BTreeMap<String, Instant>,
}

/// The remote and the engine at one time.
pub(super) struct Look {
    pub(super) at: Instant,
    /// The references of the run, or the reason why the remote did not tell.
    pub(super) refs: Result<BTreeMap<String, Oid>, String>,
    /// The jobs that were known then, by their names, with their states.
    jobs: BTreeMap<String, (JobId, JobState)>,
}

impl Look {
    /// Returns the state of a job, if it was known then.
    pub(super) fn state_of(&self, job: &JobId) -> Option<&JobState> {
        let known = self.jobs.get(&job.name);
        known.and_then(|(known, state)| (known == job).then_some(state))
    }
}

/// A slot of a host, until it is dropped.
pub(super) struct Slot {
    fleet: Arc<Fleet>,
    /// The host; `None` where the engine chooses.
    pub(super) host: Option<String>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(host) = &self.host
            && let Some(used) = self.fleet.state().used.get_mut(host)
        {
            *used = used.saturating_sub(1);
        }
    }
}

/// Builds the engine of a profile.
///
/// # Errors
/// When its kind runs on this machine, or is not built yet.
pub(super) fn engine_of(profile: &ExecutorProfile) -> Result<Box<dyn Engine>, EngineError> {
    Ok(match profile.kind {
        ExecutorKind::Ssh => Box::new(SshHosts::new(profile)),
        ExecutorKind::Slurm => Box::new(Slurm::new(profile)),
        ExecutorKind::Command => Box::new(Commands::new(profile)),
        ExecutorKind::Local | ExecutorKind::Container => {
            let (name, kind) = (&profile.name, profile.kind.name());
            return Err(EngineError::Refused(format!(
                "executor {name}: kind \"{kind}\" has no engine"
            )));
        }
    })
}

impl Fleet {
    /// Prepares an executor of a run.
    ///
    /// # Errors
    /// When it has no engine, or the repository does not have its remote.
    pub fn new(context: &Context, name: &str) -> Result<Fleet, EngineError> {
        let profile = context.settings.executors.get(name).cloned();
        let profile = profile.ok_or_else(|| {
            EngineError::Refused(format!("the executor {name:?} is not configured"))
        })?;
        let (remote, node_address) = remote_of(&context.repo, &profile)?;
        Ok(Fleet {
            engine: engine_of(&profile)?,
            transport: Transport::new(&context.repo, &remote).answering_within(profile.lost_after),
            profile,
            node_address,
            run_folder: of_run(&context.run),
            state: Mutex::default(),
            look: tokio::sync::Mutex::default(),
            chores: Chores::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is made at once, so a panic elsewhere leaves nothing half-done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the remote and at all jobs, unless someone has done so just now.
    pub(super) async fn look(self: &Arc<Self>) -> Result<Arc<Look>, RemoteError> {
        let mut last = self.look.lock().await;
        if let Some(known) = last
            .as_ref()
            .filter(|look| look.at.elapsed() < self.profile.poll)
        {
            return Ok(Arc::clone(known));
        }
        let fleet = Arc::clone(self);
        let look = off_loop(move || Ok(fleet.look_now())).await?;
        Ok(Arc::clone(last.insert(Arc::new(look))))
    }

    /// The engine is asked first: the end of a job that has ended before is then in git.
    fn look_now(&self) -> Look {
        let jobs: Vec<JobId> = self.state().jobs.values().cloned().collect();
        let states = match jobs.is_empty() {
            true => Vec::new(),
            false => self.engine.poll(&jobs),
        };
        let refs = self.transport.list(&self.run_folder);
        let states = jobs.into_iter().zip(states);
        Look {
            refs: refs.map_err(|error| error_chain(&error)),
            jobs: states
                .map(|(job, state)| (job.name.clone(), (job, state)))
                .collect(),
            at: Instant::now(),
        }
    }

    /// Waits a short time for the work that no attempt waited for.
    pub async fn finish(&self) {
        self.chores.finish().await;
    }

    /// Looks at a job from now on.
    pub(super) fn watch(&self, job: &JobId) {
        self.state().jobs.insert(job.name.clone(), job.clone());
    }

    /// Looks at a job no longer.
    pub(super) fn forget(&self, name: &str) {
        self.state().jobs.remove(name);
    }

    /// Chooses a host last for a while.
    pub(super) fn distrust(&self, host: &str) {
        self.state()
            .distrusted
            .insert(host.to_owned(), Instant::now());
    }

    /// Takes a slot of a host with this label; `None` if all are in use.
    pub(super) fn take_slot(self: &Arc<Self>, label: Option<&str>) -> Option<Slot> {
        let fleet = Arc::clone(self);
        if self.profile.hosts.is_empty() {
            return Some(Slot { fleet, host: None });
        }
        let mut state = self.state();
        state
            .distrusted
            .retain(|_, since| since.elapsed() < DISTRUST);
        let host = choose(&self.profile.hosts, label, &state.used, |host| {
            state.distrusted.contains_key(host)
        })?;
        *state.used.entry(host.clone()).or_default() += 1;
        Some(Slot {
            fleet,
            host: Some(host),
        })
    }

    /// Takes a slot of the host on which an attempt runs already.
    pub(super) fn retake_slot(self: &Arc<Self>, host: Option<String>) -> Slot {
        if let Some(host) = &host {
            *self.state().used.entry(host.clone()).or_default() += 1;
        }
        let fleet = Arc::clone(self);
        Slot { fleet, host }
    }
}

/// Chooses the host with the label that has most free slots; a distrusted one only if there is no other.
fn choose(
    hosts: &[Host],
    label: Option<&str>,
    used: &BTreeMap<String, usize>,
    is_distrusted: impl Fn(&str) -> bool,
) -> Option<String> {
    let free = |host: &&Host| {
        let used = used.get(&host.name).copied().unwrap_or_default();
        host.slots.saturating_sub(used)
    };
    let fits = |host: &&Host| label.is_none_or(|label| host.labels.contains(label));
    let able = hosts.iter().filter(fits).filter(|host| free(host) > 0);
    // Of equal ones, the first.
    let best = able
        .rev()
        .max_by_key(|host| (!is_distrusted(&host.name), free(host)));
    best.map(|host| host.name.clone())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_host_with_most_free_slots_is_chosen_and_a_distrusted_one_last() {
        let hosts = ["a slots=2 labels=gpu", "b slots=4", "c slots=4"];
        let hosts: Vec<Host> = hosts
            .iter()
            .map(|text| Host::parse(text).unwrap())
            .collect();
        let choose = |label, used: &[(&str, usize)], distrusted: &[&str]| {
            let used = used.iter().map(|(name, used)| ((*name).to_owned(), *used));
            choose(&hosts, label, &used.collect(), |host| {
                distrusted.contains(&host)
            })
        };
        assert_eq!(choose(None, &[], &[]).unwrap(), "b");
        assert_eq!(choose(None, &[("b", 1)], &[]).unwrap(), "c");
        assert_eq!(choose(Some("gpu"), &[], &[]).unwrap(), "a");
        assert_eq!(choose(Some("gpu"), &[("a", 2)], &[]), None);
        assert_eq!(choose(None, &[], &["b", "c"]).unwrap(), "a");
        assert_eq!(choose(None, &[("a", 2)], &["b"]).unwrap(), "c");
        assert_eq!(choose(Some("none"), &[], &[]), None);
    }
}
