//! The limits of a run.

use std::time::Duration;

use crate::schedule::worker_pool::WorkerPool;

/// What bounds the run.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Limits {
    /// How many attempts may be alive at once.
    pub max_parallel: usize,
    /// Retries of a transient failure, where the task does not say.
    pub transient_retries: u32,
    /// Retries after a rate limit, where the task does not say.
    pub rate_limit_retries: u32,
    /// The first delay before a retry.
    pub base_delay: Duration,
    /// The longest delay before a retry.
    pub max_delay: Duration,
    /// How often a task is done again whose result met others.
    pub redispatches: u32,
    /// How many retries the whole run may spend.
    pub budget: u32,
    /// Whether tasks wait that would make a conflict of running work worse.
    pub hold_back: bool,
    /// How far away the end of a parking may be for the run to wait for it.
    pub quota_wait: Duration,
    /// Dollars after which nothing more is started.
    pub max_cost: Option<f64>,
    /// Who does the work.
    pub pool: WorkerPool,
}
