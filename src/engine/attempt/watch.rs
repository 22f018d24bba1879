//! Watches the worker of an attempt until it ends.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::time::{MissedTickBehavior, interval};

use crate::base::text::{clip, one_line};
use crate::engine::EngineError;
use crate::engine::attempt::disk_limit::DiskLimit;
use crate::engine::attempt::execution::{Execution, Finished, Reached};
use crate::engine::attempt::keep::keep_lost;
use crate::engine::attempt::output::Steps;
use crate::engine::kernel::message::Message;
use crate::engine::spec::result_file;
use crate::exec::{JobStatus, Running};
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::task_state::variant_note;
use crate::worker::result::load_result;

/// The longest progress note that is recorded, in characters: each one stays in the journal.
const LONGEST_NOTE: usize = 500;

/// The interval at which the progress of a running worker is read.
const NOTE_INTERVAL: Duration = Duration::from_millis(500);

/// A worker that runs, on this commit and in this worktree.
pub(super) struct RunningWorker {
    pub(super) running: Running,
    pub(super) base: Oid,
    pub(super) worktree: Worktree,
}

/// Waits for a worker and posts its progress. A worker that stays alive after its final message is
/// stopped.
///
/// # Errors
/// When its records cannot be read, or its work cannot be kept.
pub(super) async fn watch(
    execution: &Execution,
    worker: RunningWorker,
) -> Result<Reached, EngineError> {
    let RunningWorker {
        running,
        base,
        worktree,
    } = worker;
    execution.cancel.attach(running.stopper());
    match wait(execution, running, &worktree).await? {
        JobStatus::Ended(end) => Ok(Reached::Finished(Box::new(Finished {
            worktree,
            base,
            end,
        }))),
        _ => {
            let kept = keep_lost(execution, base, worktree).await?;
            // A stopped run may have killed it.
            Ok(match execution.may_go_on() {
                true => Reached::Unsupervised(kept),
                false => Reached::Aborted(kept),
            })
        }
    }
}

async fn wait(
    execution: &Execution,
    running: Running,
    worktree: &Worktree,
) -> Result<JobStatus, EngineError> {
    let mut notes = Notes::new(execution.folder());
    let (context, spec) = (&execution.context, &execution.spec);
    let mut steps = Steps::new(context, spec, worktree, running.stopper());
    let mut disk = DiskLimit::new(execution, worktree, running.stopper());
    let mut interval = interval(NOTE_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let waiting = running.wait();
    tokio::pin!(waiting);
    loop {
        tokio::select! {
            status = &mut waiting => return Ok(status?),
            _ = interval.tick() => {
                if let Some(disk) = &mut disk {
                    disk.look().await;
                }
                let step = steps.as_mut().and_then(Steps::next);
                // The worker's own progress notes are more useful than its current step.
                let step = step.filter(|_| notes.last.is_none());
                if let Some(note) = notes.next().or(step) {
                    let (task, note) = (spec.task, variant_note(spec.variant, note));
                    execution.post(Message::Fact(Event::ProgressReported { task, note }));
                }
            }
        }
    }
}

/// Reads the progress that a worker writes into its result file.
struct Notes {
    file: PathBuf,
    seen: Option<SystemTime>,
    last: Option<String>,
}

impl Notes {
    fn new(folder: PathBuf) -> Notes {
        Notes {
            file: result_file(&folder),
            seen: None,
            last: None,
        }
    }

    fn next(&mut self) -> Option<String> {
        let modified = fs::metadata(&self.file)
            .and_then(|meta| meta.modified())
            .ok()?;
        if self.seen == Some(modified) {
            return None;
        }
        self.seen = Some(modified);
        let report = load_result(&self.file).ok()??;
        let note = clip(
            &one_line(&report.progress.or(report.summary)?),
            LONGEST_NOTE,
        );
        if self.last.as_ref() == Some(&note) {
            return None;
        }
        self.last = Some(note.clone());
        Some(note)
    }
}
