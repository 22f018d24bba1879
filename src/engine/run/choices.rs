//! Drives the choices among the variants of tasks.

use crate::base::text::error_chain;
use crate::engine::EngineError;
use crate::engine::kernel::disk_space::is_full;
use crate::engine::run::driver::Driver;
use crate::engine::run::effect::Effect;
use crate::engine::run::now::Now;
use crate::exec::StopSignal;
use crate::model::event::Event;
use crate::model::ids::TaskNumber;
use crate::model::variant_choice::VariantChoice;

impl Driver {
    /// Chooses a variant of a task, or accepts the chosen one. Only one such effect runs per task.
    pub(super) fn choose(&mut self, task: TaskNumber) {
        if !self.choices.insert(task) {
            return;
        }
        let is_chosen = self.state.task(task).variant_choice().is_some();
        self.after_write(match is_chosen {
            true => Effect::AcceptVariant(task),
            false => Effect::ChooseVariant(task),
        });
    }

    /// Stops the judges of these tasks.
    pub(super) fn cancel_choices(&mut self, of: Option<TaskNumber>, signal: StopSignal) {
        let choices = self
            .choices
            .iter()
            .filter(|task| of.is_none_or(|of| of == **task));
        let signals = choices.map(|task| Effect::CancelChoice(*task, signal));
        self.effects.extend(signals);
    }

    /// Records a choice. One that came too late, because the task was cancelled or retried, is
    /// dropped.
    pub(super) fn variant_chosen(
        &mut self,
        task: TaskNumber,
        result: Result<Option<VariantChoice>, EngineError>,
        now: Now,
    ) {
        self.choices.remove(&task);
        match result {
            Ok(Some(choice)) => self.record(Event::VariantChosen { task, choice }, now),
            Ok(None) => {}
            Err(error) if is_full(&error) => {
                self.effects
                    .push(Effect::ReportShortage(error_chain(&error)));
            }
            Err(error) => self.shutdown.fail(error),
        }
    }

    /// Records that the candidate of the chosen variant counts. The branch only shows it, so one
    /// that must not be moved does not stop the run.
    pub(super) fn variant_accepted(
        &mut self,
        task: TaskNumber,
        result: Result<(), EngineError>,
        now: Now,
    ) {
        self.choices.remove(&task);
        match result {
            Err(error) if is_full(&error) => {
                self.effects
                    .push(Effect::ReportShortage(error_chain(&error)));
                return;
            }
            Err(error @ EngineError::Refused(_)) => {
                self.effects.push(Effect::Warn(error_chain(&error)));
            }
            Err(error) => return self.shutdown.fail(error),
            Ok(()) => {}
        }
        self.record(Event::VariantAccepted { task }, now);
    }
}
