//! Describes the worker's process of an attempt.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::inbox::Inbox;
use crate::base::{fault, files};
use crate::engine::EngineError;
use crate::engine::attempt::execution::Execution;
use crate::engine::prompt::both_sides::render_both_sides;
use crate::engine::prompt::render::{Tree, render, render_continuation};
use crate::engine::spec::agent_client::{through_client, through_feeder};
use crate::engine::spec::confinement::{needs_of_worker, resource_limits, sandbox};
use crate::engine::spec::environment::environment;
use crate::engine::spec::limits::Bounds;
use crate::engine::spec::{PROMPT_FILE, exchange_folder, inbox_folder, time_limits};
use crate::exec::Job;
use crate::git::identity::Identity;
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;
use crate::model::permissions::Permissions;
use crate::model::worker::{Dialect, PromptBy};
use crate::worker::command::{CommandLine, Vars, command_line};
use crate::worker::inner_sandbox::without_own_sandbox;

/// The time that a worker has after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

/// The file in the attempt's folder that names the commit it works on.
const BASE_FILE: &str = "base";

/// The file in the attempt's folder with the author and the committer of its commit.
const IDENTITY_FILE: &str = "identity";

/// Returns the file in an attempt's folder that names its base, written just before its worker starts.
pub(super) fn base_file(attempt_folder: &Path) -> PathBuf {
    attempt_folder.join(BASE_FILE)
}

/// Records what a later process needs to adopt the attempt, and describes its worker.
///
/// # Errors
/// When the prompt cannot be rendered or a file cannot be written.
pub(super) async fn prepare_job(
    execution: &Execution,
    base: Oid,
    worktree: &Worktree,
) -> Result<Job, EngineError> {
    let (context, spec) = (&execution.context, &execution.spec);
    let folder = execution.folder();
    let prompt_file = folder.join(PROMPT_FILE);
    let prompt = execution.blocking(render_prompt).await?;
    write(&prompt_file, prompt.as_bytes())?;
    write(&folder.join(BASE_FILE), base.to_string().as_bytes())?;
    let place = worktree.clone();
    let identity = execution.blocking(move |execution| Ok(identity(execution, &place)));
    if let Some(identity) = identity.await? {
        write(&folder.join(IDENTITY_FILE), identity.render().as_bytes())?;
    }
    let exchange = exchange_folder(&folder);
    let failed = |error| EngineError::File(exchange.display().to_string(), error);
    files::private_folder(&exchange).map_err(failed)?;
    let needs = needs_of_worker(context, spec, worktree);
    let sandbox = sandbox(
        (&context.repo, &context.settings),
        Some(&spec.worker),
        &needs,
    )?;
    let mut line = worker_command(execution, &prompt, &prompt_file, worktree)?;
    if sandbox.is_some() {
        let free = without_own_sandbox(spec.worker.dialect, &line.argv);
        line.argv = free.unwrap_or(line.argv);
    }
    let argv = match spec.worker.dialect {
        Dialect::Acp => through_own_client(execution, line.argv)?,
        _ if spec.worker.prompt == PromptBy::Stream => {
            let inbox = open_inbox(execution)?;
            let failed = |error| EngineError::File(inbox.display().to_string(), error);
            through_feeder(line.argv, Some(&inbox)).map_err(failed)?
        }
        _ => line.argv,
    };
    let (timeout, stall_timeout) = time_limits(context, spec);
    Ok(Job {
        argv,
        cwd: worktree.path.clone(),
        env: environment(context, spec, base),
        stdin: line.stdin_is_prompt.then_some(prompt_file),
        timeout: Some(timeout),
        stall_timeout: Some(stall_timeout),
        grace: GRACE,
        max_log: context.settings.run.max_log,
        cookie: format!("{}/{}/{}", context.run, spec.task.0, spec.attempt),
        keeps_room: false,
        sandbox,
        limits: resource_limits(&context.settings),
    })
}

/// Returns the commit an attempt works on, as its folder records it.
pub fn recorded_base(folder: &Path) -> Option<Oid> {
    let text = files::read_if_exists(&folder.join(BASE_FILE)).ok()??;
    String::from_utf8_lossy(&text).parse().ok()
}

/// Returns the author and the committer in a worktree, if they are not the user's own. Where a worker was
/// already, its settings are not read: the earlier attempt's answer stays.
fn identity(execution: &Execution, worktree: &Worktree) -> Option<Identity> {
    let (context, spec) = (&execution.context, &execution.spec);
    if spec.reuse.is_none() {
        return context.repo.identity_in(worktree);
    }
    let mut earlier = (1..spec.attempt).rev();
    earlier.find_map(|attempt| recorded_identity(&context.attempt_folder(spec.task, attempt)))
}

/// Returns the author and the committer of an attempt's commit, if they are not the user's own.
pub(super) fn recorded_identity(folder: &Path) -> Option<Identity> {
    let text = files::read_if_exists(&folder.join(IDENTITY_FILE)).ok()??;
    Identity::parse(&String::from_utf8_lossy(&text))
}

fn render_prompt(execution: &Execution) -> Result<String, EngineError> {
    let (context, spec) = (&execution.context, &execution.spec);
    if spec.session.is_some() {
        return Ok(render_continuation(&spec.brief));
    }
    let conflict = spec.brief.conflict.as_ref();
    let sides = conflict.and_then(|conflict| conflict.sides.as_ref());
    let sides = sides.map(|sides| render_both_sides(&context.repo, sides));
    let sides = sides.transpose()?.map(|text| context.secrets.mask(&text));
    let tree = match spec.reuse {
        Some(_) => Tree::Reused,
        None => Tree::Clean,
    };
    Ok(render(
        &context.settings.prompt,
        &context.plan,
        (spec.task, spec.attempt),
        &spec.brief,
        tree,
        sides.as_deref(),
    )?)
}

fn worker_command(
    execution: &Execution,
    prompt: &str,
    prompt_file: &Path,
    worktree: &Worktree,
) -> Result<CommandLine, EngineError> {
    let (context, spec) = (&execution.context, &execution.spec);
    let task = context.plan.task(spec.task);
    let bounds = Bounds::of(&spec.worker, task);
    let max_turns = bounds.max_turns.map(|turns| turns.to_string());
    let max_cost = bounds.max_cost.map(|cost| cost.to_string());
    let vars = Vars {
        prompt_text: prompt,
        prompt_file: &prompt_file.to_string_lossy(),
        worktree: &worktree.path.to_string_lossy(),
        run: context.run.as_str(),
        task: &spec.task.0.to_string(),
        attempt: &spec.attempt.to_string(),
        model: spec.worker.model.as_deref(),
        permission_mode: spec.worker.permission_mode.as_deref(),
        max_turns: max_turns.as_deref(),
        max_cost: max_cost.as_deref(),
        session: spec.session.as_deref(),
    };
    Ok(command_line(&spec.worker, task, &vars)?)
}

/// Opens the folder for messages to the running worker.
fn open_inbox(execution: &Execution) -> Result<PathBuf, EngineError> {
    let inbox = inbox_folder(&execution.folder());
    let failed = |error| EngineError::File(inbox.display().to_string(), error);
    Inbox::at(&inbox).open().map_err(failed)?;
    Ok(inbox)
}

/// Lets dispatch's ACP client start the agent.
fn through_own_client(
    execution: &Execution,
    agent: Vec<String>,
) -> Result<Vec<String>, EngineError> {
    let spec = &execution.spec;
    let inbox = open_inbox(execution)?;
    let failed = |error| EngineError::File(inbox.display().to_string(), error);
    let mode = spec.worker.permission_mode.as_deref();
    let mode = mode.and_then(Permissions::parse).unwrap_or_default();
    through_client(agent, mode, spec.session.as_deref(), Some(&inbox)).map_err(failed)
}

fn write(path: &Path, content: &[u8]) -> Result<(), EngineError> {
    let failed = |error| EngineError::File(path.display().to_string(), error);
    if let Some(folder) = path.parent() {
        files::private_folder(folder).map_err(failed)?;
    }
    fault::full("attempt file").map_err(failed)?;
    files::replace_private(path, content).map_err(failed)
}
