//! Runs one attempt: starting point, worktree, worker, verdict.

use crate::base::fault;
use crate::base::files::says_no_space;
use crate::base::text::error_chain;
use crate::engine::EngineError;
use crate::engine::attempt::aborted;
use crate::engine::attempt::adopt::{adopt_worker, stop_worker};
use crate::engine::attempt::execution::{Execution, Finished, Reached};
use crate::engine::attempt::judge;
use crate::engine::attempt::outside_changes::stops_run;
use crate::engine::attempt::private_folder::remove_objects;
use crate::engine::attempt::repeat::Repeats;
use crate::engine::attempt::start::{Start, forget_start, start};
use crate::engine::attempt::stash_uses::keep_uses;
use crate::engine::attempt::watch::watch;
use crate::engine::kernel::disk_space::{self, is_full};
use crate::engine::kernel::message::Message;
use crate::engine::runs::log::keep_masked_logs;
use crate::engine::spec::ports;
use crate::exec::Exit;
use crate::model::outcome::{End, Outcome};

/// Runs an attempt and posts its outcome.
pub async fn run(execution: Execution) {
    let _stay = execution.enter();
    if stops_run(&execution).await {
        return;
    }
    let mut repeats = Repeats::default();
    let started = loop {
        match start(&execution).await {
            Err(error) if repeats.allow(&execution, &error).await => forget_start(&execution),
            started => break started,
        }
    };
    let result = match started {
        Ok(Start::Running(worker)) => watch(&execution, worker).await,
        Ok(Start::Over(reached)) => Ok(reached),
        Err(error) => Err(error),
    };
    conclude(execution, result).await;
}

/// Adopts an attempt that another process started, and posts its outcome.
pub async fn adopt(execution: Execution) {
    let _stay = execution.enter();
    let mut repeats = Repeats::default();
    let result = loop {
        match adopt_worker(&execution).await {
            Err(error) if repeats.allow(&execution, &error).await => {}
            result => break result,
        }
    };
    conclude(execution, result).await;
}

/// Stops an attempt that the edited plan no longer contains, keeps its work, and posts its
/// interruption.
pub async fn set_aside(execution: Execution) {
    let _stay = execution.enter();
    let mut repeats = Repeats::default();
    let result = loop {
        match stop_worker(&execution).await {
            Err(error) if repeats.allow(&execution, &error).await => {}
            result => break result,
        }
    };
    conclude(execution, result).await;
}

async fn conclude(execution: Execution, result: Result<Reached, EngineError>) {
    if stops_run(&execution).await {
        return;
    }
    let Some(outcome) = outcome(&execution, result).await else {
        return;
    };
    let (task, attempt) = (execution.spec.task, execution.spec.attempt);
    fault::point("attempt", "judged");
    // A trace that stays is read again, which is only slower.
    let _ = keep_uses(&execution.folder());
    mask_logs(&execution).await;
    ports::release(&execution.context, task, attempt);
    execution.post(Message::Ended {
        task,
        attempt,
        outcome: Box::new(outcome),
    });
}

/// Keeps masked copies of the logs that show secrets. Without them, whoever pushes the logs masks what his
/// environment names.
async fn mask_logs(execution: &Execution) {
    let masked = execution.blocking(|execution| {
        let (context, spec) = (&execution.context, &execution.spec);
        let of = (spec.task, spec.attempt);
        keep_masked_logs(&context.repo, &context.run, of, &context.secrets)
            .map_err(|error| EngineError::File(execution.folder().display().to_string(), error))
    });
    if let Err(error) = masked.await {
        let (task, said) = (execution.spec.task, error_chain(&error));
        let warning = format!("the log of {task} may show secrets if it is pushed: {said}");
        execution.post(Message::Warning(warning));
    }
}

/// Returns the outcome; `None` if there is nothing to record, or no space to record it.
async fn outcome(execution: &Execution, result: Result<Reached, EngineError>) -> Option<Outcome> {
    let judged = match result {
        Ok(reached) => judged(execution, reached).await,
        Err(error) => Err(error),
    };
    let outcome = match judged {
        Ok(outcome) => {
            let outcome = outcome?;
            // Of one that could not be judged, nothing else may name the commits of the worker.
            remove_objects(execution);
            outcome
        }
        Err(error) => failed(execution, &error),
    };
    Some(uncounted_if_full(execution, outcome))
}

/// Returns the outcome of what an attempt reached; `None` if there is nothing to record.
async fn judged(execution: &Execution, reached: Reached) -> Result<Option<Outcome>, EngineError> {
    Ok(Some(match reached {
        Reached::Blocked => return Ok(None),
        Reached::Aborted(kept) => aborted::interrupted(kept),
        Reached::Unsupervised(kept) => aborted::unsupervised(kept),
        Reached::NotSetUp(failed, kept) => aborted::not_set_up(&failed, kept),
        Reached::Finished(finished) if is_shim_out_of_space(&finished) => {
            execution.post_shortage();
            aborted::interrupted(None)
        }
        Reached::Finished(finished) => match judge_until_written(execution, &finished).await {
            Err(error) if is_full(&error) && execution.context.is_stopping() => {
                // The next process that resumes the run judges the attempt.
                let spec = &execution.spec;
                execution.post(Message::LeftOpen((spec.task, spec.attempt)));
                return Ok(None);
            }
            outcome => outcome?,
        },
    }))
}

/// Returns the outcome of an attempt that failed for lack of space: it does not count and starts
/// again.
fn failed(execution: &Execution, error: &EngineError) -> Outcome {
    if is_full(error) {
        execution.post_shortage();
        return aborted::interrupted(None);
    }
    aborted::could_not(error)
}

/// Returns `true` if the shim had no space for its records, so that there was no worker.
fn is_shim_out_of_space(finished: &Finished) -> bool {
    matches!(&finished.end.exit, Exit::NotStarted(said) if says_no_space(said))
}

/// Judges an attempt, and repeats that while a full disk prevents it: the work is done and must not
/// be lost.
async fn judge_until_written(
    execution: &Execution,
    finished: &Finished,
) -> Result<Outcome, EngineError> {
    fault::point("attempt", "before it is judged");
    let mut repeats = Repeats::default();
    loop {
        match judge::judge(execution, finished.clone()).await {
            Err(error) if repeats.allow(execution, &error).await => {}
            judged => return judged,
        }
    }
}

/// Marks a failure as uncounted if the disk was full and still is. The worker's message alone is
/// not enough: it may have freed the space again, and would fail forever.
fn uncounted_if_full(execution: &Execution, mut outcome: Outcome) -> Outcome {
    let End::Failed(failure) = &outcome.end else {
        return outcome;
    };
    let context = &execution.context;
    let is_short =
        || disk_space::shortage(&context.repo, &context.settings, context.size(), 1).is_some();
    if says_no_space(&failure.message) && is_short() {
        execution.post_shortage();
        outcome.end = End::Interrupted {};
    }
    outcome
}
