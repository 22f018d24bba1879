//! Mirrors a run until it ends.

use std::time::{Duration, Instant};

use crate::engine::mirror::error::MirrorError;
use crate::engine::mirror::found::Found;
use crate::engine::mirror::sync::{Mirror, Say};
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

/// The wait after GitHub has failed for long, unless it asks for a longer one.
const LATER: Duration = Duration::from_secs(120);

/// The failures of that kind after the end of the run after which the mirror is given up.
const TRIES_AT_END: u32 = 15;

/// Mirrors a run until it has ended, or until no process drives it any more. Returns its last state.
///
/// # Errors
/// When the run cannot be read, or GitHub fails for good.
pub fn follow(
    mirror: &mut Mirror<'_>,
    store: &Store,
    run: &RunId,
    say: Say<'_>,
) -> Result<RunState, MirrorError> {
    let repo = mirror.repo;
    let mut reader = StateReader::new(repo, store, run);
    let mut found: Option<Found> = None;
    let mut shown = None;
    let mut failures = 0;
    let mut last_driven = Instant::now();
    loop {
        // The lock comes first: a run that ends in between is read as ended.
        if RunLock::is_held(repo, run) {
            last_driven = Instant::now();
        }
        let state = reader.read()?.clone();
        let is_ended = matches!(state.phase, RunPhase::Ended(_));
        let is_new = shown != Some(state.seq);
        if is_new {
            match show(mirror, &state, &mut found, say) {
                Ok(()) => {
                    shown = Some(state.seq);
                    failures = 0;
                }
                Err(error) if error.is_transient() && failures < TRIES_AT_END => {
                    failures += u32::from(is_ended);
                    found = None;
                    let wait = error.wait().unwrap_or(LATER).max(LATER);
                    mirror.pause(run, wait, error.to_string(), say)?;
                    continue;
                }
                Err(error) => return Err(error),
            }
        }
        match is_ended || last_driven.elapsed() > HANDOVER {
            // What has changed meanwhile is shown, too.
            true if is_new => {}
            true => return Ok(state),
            false => std::thread::sleep(match mirror.pace.waits() {
                true => INTERVAL,
                false => SHORT_INTERVAL,
            }),
        }
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
