//! Before and after an attempt: whether anything outside of its worktree changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::files;
use crate::config::settings::Scope;
use crate::engine::EngineError;
use crate::engine::attempt::suspects::Suspects;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::effect::blocking;
use crate::engine::spec::AttemptSpec;
use crate::engine::worktree::prepare::worker_folder;
use crate::exec::log;
use crate::git::worktree::Worktree;
use crate::model::ids::TaskNumber;
use crate::model::outside_changes::{MOST_CHANGES, Outside, OutsideChange, Thing, changes};
use crate::model::transcript::Transcript;

/// The file in an attempt's folder that says how everything outside looked before it.
const SEEN: &str = "outside.json";

/// How much of a worker's output is searched for what it wrote, in bytes.
const WORDS: u64 = 4 * 1024 * 1024;

/// Looks around before the worker starts, and writes down what was seen: the process that sees the
/// attempt end may be another one.
///
/// # Errors
/// When it cannot be written down.
pub(super) async fn look_before(
    context: &Arc<Context>,
    spec: &AttemptSpec,
    worktree: &Worktree,
) -> Result<(), EngineError> {
    if context.settings.run.outside_writes == Scope::Ignore {
        return Ok(());
    }
    let file = seen_file(context, spec);
    let (context, own) = (Arc::clone(context), worktree.path.clone());
    blocking(move || {
        let text = serde_json::to_vec(&look(&context, &own))
            .map_err(|error| EngineError::Broken(error.to_string()))?;
        let folder = file.parent().map_or(Ok(()), fs::create_dir_all);
        folder
            .and_then(|()| fs::write(&file, text))
            .map_err(|error| EngineError::File(file.display().to_string(), error))
    })
    .await
}

/// What changed since, and whether the attempt's own words name it. `transcript` is what was read of
/// its output.
pub(super) async fn look_after(
    context: &Arc<Context>,
    spec: &AttemptSpec,
    worktree: &Worktree,
    transcript: &Transcript,
) -> Result<Vec<OutsideChange>, EngineError> {
    let seen = files::read_if_exists(&seen_file(context, spec))
        .ok()
        .flatten();
    let before: Option<Outside> = seen.and_then(|text| serde_json::from_slice(&text).ok());
    let Some(before) = before else {
        return Ok(Vec::new());
    };
    let tells_all = tells_all(transcript);
    let (context, spec, own) = (Arc::clone(context), spec.clone(), worktree.path.clone());
    blocking(move || {
        let after = look(&context, &own);
        let mut things = changes(&before, &after);
        things.truncate(MOST_CHANGES);
        if things.is_empty() {
            return Ok(Vec::new());
        }
        let words = Words::of(&context, &spec);
        let mut found: Vec<OutsideChange> = things
            .iter()
            .map(|thing| words.judge(thing, &own))
            .collect();
        if found.iter().any(|change| change.named_in.is_none()) {
            look_for_others(&context, &spec, &things, &after, &mut found);
        }
        if tells_all {
            found.iter_mut().for_each(|change| change.alone = false);
        }
        Ok(found)
    })
    .await
}

/// Whether an agent has said every tool it used and every file it wrote: then what it does not name
/// is more likely the work of a person. A command says nothing about what it does.
fn tells_all(transcript: &Transcript) -> bool {
    transcript.has_terminal_event() && transcript.terminal_seen && transcript.bytes <= WORDS
}

/// Says of what nobody's words name who else can have done it. That git was at work (a commit, a
/// branch, a checkout) shows a hand that did more than write a file.
fn look_for_others(
    context: &Context,
    spec: &AttemptSpec,
    things: &[Thing],
    after: &Outside,
    found: &mut [OutsideChange],
) {
    let (repo, run) = (context.repo.clone(), context.run.clone());
    let seen = move |task: TaskNumber, attempt| {
        let folder = repo.attempt_folder(run.as_str(), task.0, attempt);
        folder.join(SEEN)
    };
    let Some(suspects) = Suspects::beside(context, spec.task, spec.attempt, seen) else {
        return;
    };
    let is_file = |thing: &Thing| matches!(thing, Thing::File { .. });
    let is_git = |thing: &Thing| matches!(thing, Thing::Head { .. } | Thing::Reference(_));
    let by_git = things.iter().any(is_git);
    for (thing, change) in things.iter().zip(found) {
        if change.named_in.is_none() {
            change.others = suspects.of(thing, after);
            let nobody_else = change.others.is_empty() && !suspects.are_unknown();
            change.alone = nobody_else && is_file(thing) && !by_git;
        }
    }
}

fn seen_file(context: &Context, spec: &AttemptSpec) -> PathBuf {
    let folder = context.attempt_folder(spec.task, spec.attempt);
    folder.join(SEEN)
}

fn look(context: &Context, own: &Path) -> Outside {
    let integration = context.integration_worktree();
    let siblings = integration.parent().unwrap_or(&integration);
    let but = format!("refs/heads/{}/", context.settings.run.branch_prefix);
    context.repo.look_outside(own, siblings, &but)
}

/// What an attempt itself said and was.
struct Words {
    command: String,
    output: String,
}

impl Words {
    fn of(context: &Context, spec: &AttemptSpec) -> Words {
        let run = context.plan.task(spec.task).fields.run.as_deref();
        let folder = worker_folder(context, spec.task, spec.attempt);
        let output = log::tail(&folder, WORDS).unwrap_or_default();
        Words {
            command: format!(
                "{}\n{}",
                run.unwrap_or_default(),
                spec.worker.command.join(" ")
            ),
            output: String::from_utf8_lossy(&output).into_owned(),
        }
    }

    fn judge(&self, thing: &Thing, worktree: &Path) -> OutsideChange {
        let sources = [("its command", &self.command), ("its output", &self.output)];
        let mut named = sources.iter();
        let named = named.find(|(_, words)| thing.is_named_in(words, worktree));
        OutsideChange {
            what: thing.to_string(),
            named_in: named.map(|(source, _)| (*source).to_owned()),
            others: Vec::new(),
            alone: false,
        }
    }
}
