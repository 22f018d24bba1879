//! Builds the environment of an attempt.

use crate::base::process::count_above;
use crate::config::reaction::OnNewConflict;
use crate::engine::kernel::context::Context;
use crate::engine::spec::AttemptSpec;
use crate::engine::spec::PROMPT_FILE;
use crate::engine::spec::conflicts_file;
use crate::engine::spec::exchange_folder;
use crate::engine::spec::ports;
use crate::engine::spec::result_file;
use crate::exec::SHIM_ARGUMENT;
use crate::merge::oid::Oid;
use crate::worker::environment::OwnVars;
use crate::worker::environment::worker_environment;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The variable that names git's trace.
const GIT_TRACE: &str = "GIT_TRACE2_EVENT";

/// Builds the whole environment of the attempt's worker and its checks.
pub fn environment(context: &Context, spec: &AttemptSpec, base: Oid) -> BTreeMap<String, String> {
    let folder = context.attempt_folder(spec.task, spec.attempt);
    let (result_file, prompt_file) = (result_file(&folder), folder.join(PROMPT_FILE));
    let is_told = context.settings.conflicts.on_new == OnNewConflict::Notify;
    let conflicts_file = conflicts_file(&folder).to_string_lossy().into_owned();
    let depth = depth() + 1;
    let own = OwnVars {
        port_base: ports::claim(context, spec.of(), spec.attempt),
        depth,
        run: context.run.as_str(),
        attempt: spec.attempt,
        variant: spec.variant,
        base: &base.to_string(),
        result_file: &result_file.to_string_lossy(),
        prompt_file: &prompt_file.to_string_lossy(),
        conflicts_file: is_told.then_some(&conflicts_file),
    };
    let mut environment = worker_environment(
        std::env::vars_os(),
        &spec.worker,
        context.plan.task(spec.task),
        &own,
    );
    let trace = git_trace(&folder).to_string_lossy().into_owned();
    environment.entry(GIT_TRACE.to_owned()).or_insert(trace);
    environment
}

/// Returns the file into which git traces the commands of an attempt, unless the user has it trace
/// elsewhere.
pub fn git_trace(attempt_folder: &Path) -> PathBuf {
    exchange_folder(attempt_folder).join("git-trace")
}

/// Returns the number of dispatch processes above this one: the supervisors among its ancestors, or
/// more if `DISPATCH_DEPTH` says so. A worker can clear the variable, but not leave its supervisor.
pub fn depth() -> u32 {
    // Each attempt asks, and a process stays where it was started.
    static DEPTH: OnceLock<u32> = OnceLock::new();
    *DEPTH.get_or_init(|| {
        let told = std::env::var("DISPATCH_DEPTH").ok();
        let told = told.and_then(|text| text.parse().ok()).unwrap_or(0);
        told.max(count_above(std::process::id(), SHIM_ARGUMENT))
    })
}
