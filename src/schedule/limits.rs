//! The limits of a run.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::ids::TaskNumber;
use crate::schedule::worker_pool::WorkerPool;

/// The limits of a run.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Limits {
    /// The maximum number of concurrent attempts.
    pub max_parallel: usize,
    /// The number of retries after a transient failure, unless the task sets its own.
    pub transient_retries: u32,
    /// The number of retries after a rate limit, unless the task sets its own.
    pub rate_limit_retries: u32,
    /// The first delay before a retry.
    pub base_delay: Duration,
    /// The longest delay before a retry.
    pub max_delay: Duration,
    /// The maximum number of re-dispatches of a task with a conflict.
    pub redispatches: u32,
    /// The retry budget of the whole run.
    pub budget: u32,
    /// `true` if tasks wait that would make a conflict of running work worse.
    pub hold_back: bool,
    /// The longest parking the run waits for.
    pub quota_wait: Duration,
    /// The cost in dollars after which no more tasks start.
    pub max_cost: Option<f64>,
    /// The workers.
    pub pool: WorkerPool,
    /// The tasks whose attempts take no worktree of the pool.
    pub without_pool: BTreeSet<TaskNumber>,
}
