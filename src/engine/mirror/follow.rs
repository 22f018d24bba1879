//! Mirrors a run until it ends.

use std::time::{Duration, Instant};

use crate::engine::mirror::error::MirrorError;
use crate::engine::mirror::found::Found;
use crate::engine::mirror::sync::{Mirror, Progress, Say};
use crate::engine::runs::read::StateReader;
use crate::git::Store;
use crate::journal::runs::RunLock;
use crate::model::ids::RunId;
use crate::model::run::{RunPhase, RunState};

/// The pause between two looks at the run: changes that come together go into one request.
const INTERVAL: Duration = Duration::from_secs(3);

/// The pause where time stands still, for tests.
const SHORT_INTERVAL: Duration = Duration::from_millis(20);

/// The longest time without a process that drives the run, while one hands it to another.
const HANDOVER: Duration = Duration::from_secs(5);

/// The same where time stands still and nothing but a message depends on it, for tests.
const SHORT_HANDOVER: Duration = Duration::from_millis(100);

/// The exit code of a run that was interrupted.
const INTERRUPTED: u8 = 130;

/// The wait after GitHub has failed for long, unless it asks for a longer one.
const LATER: Duration = Duration::from_secs(120);

/// The failures of that kind after the end of the run after which the mirror is given up.
const TRIES_AT_END: u32 = 15;

/// Mirrors a run until it has ended. Where a user waits for it, a run that was interrupted or that no
/// process drives is followed on once it is resumed; in the background its resumption starts another mirror.
///
/// # Errors
/// When the run cannot be read, or GitHub fails for good.
pub fn follow(
    mirror: &mut Mirror<'_>,
    store: &Store,
    run: &RunId,
    say: Say<'_>,
) -> Result<(), MirrorError> {
    let repo = mirror.repo;
    let mut reader = StateReader::new(repo, store, run);
    let mut found: Option<Found> = None;
    let mut shown = None;
    let mut failures = 0;
    let mut last_driven = Instant::now();
    let mut is_idle = false;
    loop {
        // The lock comes first: a run that ends in between is read as ended.
        if RunLock::is_held(repo, run) {
            last_driven = Instant::now();
            is_idle = false;
        }
        let state = reader.read()?.clone();
        let is_over = is_over(&state, mirror.is_alone);
        let is_new = shown != Some(state.seq);
        if is_new {
            match show(mirror, &state, &mut found, say) {
                Ok(()) => {
                    shown = Some(state.seq);
                    failures = 0;
                }
                Err(error) if error.is_transient() && failures < TRIES_AT_END => {
                    failures += u32::from(is_over);
                    found = None;
                    let wait = error.wait().unwrap_or(LATER).max(LATER);
                    mirror.pause(run, wait, error.to_string(), say)?;
                    continue;
                }
                Err(error) => return Err(error),
            }
        }
        let is_left = last_driven.elapsed() > handover(mirror);
        if is_over || (is_left && mirror.is_alone) {
            // What has changed meanwhile is shown, too.
            if is_new {
                continue;
            }
            return Ok(());
        }
        if is_left && !is_idle {
            is_idle = true;
            say(Progress::Idle(run.clone()));
        }
        std::thread::sleep(match mirror.pace.waits() {
            true => INTERVAL,
            false => SHORT_INTERVAL,
        });
    }
}

/// Returns `true` once nothing more is to be shown. A user who waits wants to see an interrupted run go on.
pub fn is_over(state: &RunState, is_alone: bool) -> bool {
    match state.phase {
        RunPhase::Ended(INTERRUPTED) => is_alone,
        RunPhase::Ended(_) => true,
        _ => false,
    }
}

/// Returns the longest time without a process that drives the run, while one hands it to another.
fn handover(mirror: &Mirror<'_>) -> Duration {
    match mirror.is_alone || mirror.pace.waits() {
        true => HANDOVER,
        false => SHORT_HANDOVER,
    }
}

/// Shows a state. GitHub is read when it is not known, and what people changed there since is found again
/// by the steps that fail.
fn show(
    mirror: &mut Mirror<'_>,
    state: &RunState,
    found: &mut Option<Found>,
    say: Say<'_>,
) -> Result<(), MirrorError> {
    let known = match found {
        Some(known) => {
            mirror.refresh(state, known, say)?;
            known
        }
        None => {
            let read = mirror.read(state, say)?;
            found.insert(read)
        }
    };
    mirror.carry_out(state, known, say)
}
