//! Stops the workers of a run, and leaves the loop once nothing is left to do.

use crate::base::text::plural;
use crate::engine::EngineError;
use crate::engine::kernel::signals::SignalRequest;
use crate::engine::run::driver::{Assembly, Driver};
use crate::engine::run::effect::{Effect, Leave};
use crate::engine::run::now::Now;
use crate::engine::run::shutdown::Step;
use crate::model::event::Event;
use crate::model::run::RunPhase;
use crate::model::task_list::and_list;

impl Driver {
    pub(super) fn stop(&mut self, request: SignalRequest, now: Now) {
        let step = self.shutdown.receive(request);
        if step != Step::Detach {
            self.effects.push(Effect::StopStarting);
            self.recorder.retry();
        }
        if step == Step::Stop {
            self.record(Event::StopRequested {}, now);
            if self.assembly == Assembly::Announced {
                self.assembly = Assembly::Idle;
            }
            let alive = plural(self.attempts.count(), "worker");
            self.effects.push(Effect::Warn(format!(
                "stopping: nothing new starts, {alive} asked to end; again to kill"
            )));
        }
        if step == Step::Kill {
            let warning = "killing what is left; once more to leave at once".to_owned();
            self.effects.push(Effect::Warn(warning));
        }
        if let Some(signal) = step.signal() {
            // A second signal does not wait for the journal.
            let seq = match step {
                Step::Stop => self.state.seq,
                _ => 0,
            };
            self.attempts.cancel_all(seq, signal);
            self.cancel_choices(None, signal);
        }
    }

    /// Stops the run, because git would execute or read something that may be a worker's.
    pub(super) fn settings_changed(&mut self, changes: Vec<String>, now: Now) {
        let since = match self.attempts.tasks().as_slice() {
            [] => "while the run was driven".to_owned(),
            tasks => format!("while {} ran", and_list(tasks)),
        };
        self.shutdown
            .refuse(EngineError::SettingsChanged { changes, since });
        if !self.shutdown.is_requested() {
            self.stop(SignalRequest::Stop, now);
        }
    }

    /// Sends signals whose events are written; on a full disk they do not wait.
    pub(super) fn send_signals(&mut self) {
        let written = match self.recorder.is_full() {
            true => u64::MAX,
            false => self.recorder.last_written(),
        };
        let signals = self.attempts.take_signals(written);
        self.effects.extend(signals);
        if self.recorder.is_writing() {
            return;
        }
        let signal = self.shutdown.take_assembly_signal();
        if let (Some(signal), Assembly::Running) = (signal, self.assembly) {
            self.effects.push(Effect::CancelAssembly(signal));
        }
    }

    pub(super) fn leave_at_once(&mut self) {
        if self.recorder.is_writing() {
            return;
        }
        self.recorder.retry();
        let write = self.recorder.write();
        self.effects.extend(write);
        let leave = match self.shutdown.take_failure() {
            Some(error) => Leave::Failed(error),
            None => Leave::Interrupted,
        };
        self.effects.push(Effect::Leave(leave));
    }

    pub(super) fn leave_if_over(&mut self) {
        if !self.effects.is_empty() {
            return;
        }
        if let RunPhase::Ended(exit) = self.state.phase {
            let is_known = self.recorder.is_written() && !self.recorder.is_full();
            let is_published = self.outbox.is_idle();
            let is_busy = self.outbox.is_in_flight() || self.recorder.is_writing();
            let may_leave = self.shutdown.is_requested() && !is_busy;
            if (is_known && is_published) || may_leave {
                let leave = match self.shutdown.take_failure() {
                    Some(error) => Leave::Failed(error),
                    None => Leave::Ended(exit),
                };
                self.effects.push(Effect::Leave(leave));
            }
            return;
        }
        let is_busy = self.assembly != Assembly::Idle
            || !self.choices.is_empty()
            || self.admission.is_short();
        if !is_busy && !self.outbox.is_in_flight() && self.shutdown.may_detach(&self.state) {
            let rest = self.recorder.write();
            self.effects.extend(rest);
            if self.recorder.is_written() {
                self.effects.push(Effect::Leave(Leave::Detached));
            }
        }
    }
}
