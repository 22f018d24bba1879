//! Stops a run on signals or a closed terminal, and leaves background tasks to another process.

use std::collections::BTreeSet;

use crate::engine::EngineError;
use crate::engine::kernel::signals::SignalRequest;
use crate::engine::run::attempts::Attempts;
use crate::exec::StopSignal;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::task_state::TaskPhase;

/// The state of a run that is stopping.
#[derive(Debug)]
pub(super) struct Shutdown {
    presses: u32,
    /// `true` if the terminal is gone.
    is_hung_up: bool,
    /// The tasks that another process may drive on.
    background: BTreeSet<TaskNumber>,
    /// The signal to send to the assembly after the next write.
    assembly_signal: Option<StopSignal>,
    /// A failure of dispatch itself, with which the loop ends.
    failure: Option<EngineError>,
    /// A refusal to go on, with which the loop ends once the workers have been stopped.
    refusal: Option<EngineError>,
}

/// The step of stopping that a signal causes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Run on without a terminal.
    Detach,
    /// Start nothing new, and ask the workers to stop.
    Stop,
    /// Kill the workers.
    Kill,
    /// Leave at once.
    Leave,
}

impl Step {
    /// Returns the signal for the live processes.
    pub(super) fn signal(self) -> Option<StopSignal> {
        match self {
            Step::Stop => Some(StopSignal::Interrupt),
            Step::Kill => Some(StopSignal::Kill),
            Step::Detach | Step::Leave => None,
        }
    }
}

impl Shutdown {
    /// Creates the shutdown of a run whose background tasks may be left to another process.
    pub(super) fn new(background: Vec<TaskNumber>) -> Shutdown {
        Shutdown {
            presses: 0,
            is_hung_up: false,
            background: background.into_iter().collect(),
            assembly_signal: None,
            failure: None,
            refusal: None,
        }
    }

    /// Handles a signal. A background task, and the run with it, outlives its terminal.
    pub(super) fn receive(&mut self, request: SignalRequest) -> Step {
        if request == SignalRequest::Detach && !self.background.is_empty() {
            self.is_hung_up = true;
            return Step::Detach;
        }
        self.presses += 1;
        let step = match self.presses {
            1 => Step::Stop,
            2 => Step::Kill,
            _ => Step::Leave,
        };
        self.assembly_signal = step.signal();
        step
    }

    /// Takes the signal for the assembly.
    pub(super) fn take_assembly_signal(&mut self) -> Option<StopSignal> {
        self.assembly_signal.take()
    }

    /// Returns `true` once the user has asked to stop.
    pub(super) fn is_requested(&self) -> bool {
        self.presses > 0
    }

    /// Returns `true` if the loop ends although attempts are alive: the user has asked three times,
    /// or their end cannot be recorded.
    pub(super) fn leaves_at_once(&self, attempts: &Attempts) -> bool {
        self.presses > 2 || (self.presses > 0 && attempts.are_all_left_open())
    }

    /// Stores the error with which the loop ends.
    pub(super) fn fail(&mut self, error: EngineError) {
        self.failure.get_or_insert(error);
    }

    /// Stores the error with which the loop ends once the workers have been stopped.
    pub(super) fn refuse(&mut self, error: EngineError) {
        self.refusal.get_or_insert(error);
    }

    /// Returns `true` if the loop is to end with an error.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Takes the error with which the loop ends.
    pub(super) fn take_failure(&mut self) -> Option<EngineError> {
        self.refusal.take().or_else(|| self.failure.take())
    }

    /// Returns `true` if only background tasks are left and another process can drive them: only
    /// workers are running, which live on under their shims.
    pub(super) fn may_detach(&self, state: &RunState) -> bool {
        if self.background.is_empty() || self.presses > 0 {
            return false;
        }
        let tasks = state.plan.tasks().iter().map(|task| task.number);
        let mut open = tasks.filter(|task| is_open(state, *task)).peekable();
        let is_background = |task| self.is_hung_up || self.background.contains(&task);
        open.peek().is_some() && open.all(|task| is_background(task) && is_started(state, task))
    }
}

fn is_open(state: &RunState, task: TaskNumber) -> bool {
    match state.task(task).phase {
        TaskPhase::Queued => state.root_causes(task).is_empty(),
        TaskPhase::Running | TaskPhase::RetryAt(_) | TaskPhase::Choosing => true,
        _ => false,
    }
}

fn is_started(state: &RunState, task: TaskNumber) -> bool {
    let mut live = state.task(task).live_attempts();
    live.all(|attempt| attempt.base.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture::RunFixture;

    const TWO: TaskNumber = TaskNumber(2);

    #[test]
    fn three_signals_stop_kill_and_leave() {
        let mut shutdown = Shutdown::new(Vec::new());
        let attempts = Attempts::default();
        let mut steps = Vec::new();
        for request in [
            SignalRequest::Stop,
            SignalRequest::Detach,
            SignalRequest::Stop,
        ] {
            assert!(!shutdown.leaves_at_once(&attempts));
            let step = shutdown.receive(request);
            steps.push((step, step.signal()));
        }
        let expected = [
            (Step::Stop, Some(StopSignal::Interrupt)),
            (Step::Kill, Some(StopSignal::Kill)),
            (Step::Leave, None),
        ];
        assert_eq!(steps, expected);
        assert!(shutdown.leaves_at_once(&attempts));
    }

    #[test]
    fn a_run_detaches_once_only_started_background_tasks_are_left() {
        let shutdown = Shutdown::new(vec![TWO]);
        let run = || RunFixture::new("a · b");
        assert!(!shutdown.may_detach(&run().begin(2, "shell").state()));
        let left = run().begin(1, "shell").pass(1, "").begin(2, "shell");
        assert!(shutdown.may_detach(&left.state()));
        let done = run().begin(1, "shell").pass(1, "");
        assert!(!shutdown.may_detach(&done.begin(2, "shell").pass(2, "").state()));
    }

    #[test]
    fn a_run_without_a_terminal_detaches_from_every_task_if_one_is_in_the_background() {
        let mut shutdown = Shutdown::new(vec![TWO]);
        assert_eq!(shutdown.receive(SignalRequest::Detach), Step::Detach);
        let run = RunFixture::new("a · b").begin(1, "shell");
        assert!(shutdown.may_detach(&run.state()));
        assert_eq!(shutdown.receive(SignalRequest::Stop), Step::Stop);
        let run = RunFixture::new("a · b").begin(1, "shell");
        assert!(!shutdown.may_detach(&run.state()), "it stops instead");
    }
}
