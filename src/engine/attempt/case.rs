//! Reads everything that an attempt left, for its verdict.

use crate::base::text::error_chain;
use crate::engine::EngineError;
use crate::engine::attempt::aborted::outcome_of;
use crate::engine::attempt::branch_makers::note_own_branches;
use crate::engine::attempt::disk_limit;
use crate::engine::attempt::execution::{Execution, Finished};
use crate::engine::attempt::output::read_output;
use crate::engine::attempt::outside_changes::look_after;
use crate::engine::kernel::masking::masked;
use crate::engine::spec::limits::Bounds;
use crate::engine::spec::result_file;
use crate::exec::{self, Exit, JobEnd};
use crate::failure::evidence::Fact;
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;
use crate::model::outcome::{End, Outcome};
use crate::model::outside_changes::OutsideChange;
use crate::model::transcript::Transcript;
use crate::model::usage::{Cost, Usage};
use crate::model::worker::Dialect;
use crate::model::worker_report::WorkerReport;
use crate::worker::result::load_result;

/// An attempt whose worker has ended.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) execution: Execution,
    pub(super) worktree: Worktree,
    pub(super) base: Oid,
    pub(super) end: JobEnd,
    pub(super) report: WorkerReport,
    /// The reason why its report could not be used.
    unread: Option<String>,
    pub(super) transcript: Transcript,
    /// The changes outside its worktree while it ran.
    pub(super) meanwhile: Vec<OutsideChange>,
}

impl Case {
    /// Reads the worker's report, its output and the changes outside its worktree.
    ///
    /// # Errors
    /// When the runtime ends meanwhile.
    pub(super) async fn read(
        execution: &Execution,
        finished: Finished,
    ) -> Result<Case, EngineError> {
        let Finished {
            worktree,
            base,
            end,
        } = finished;
        let (report, unread) = match load_result(&result_file(&execution.folder())) {
            Ok(report) => (report.unwrap_or_default(), None),
            Err(error) => (WorkerReport::default(), Some(error_chain(&error))),
        };
        let (context, spec) = (&execution.context, &execution.spec);
        let transcript = read_output(context, spec, &worktree, &end).await?;
        let meanwhile = look_after(context, spec).await?;
        note_own_branches(execution, &meanwhile);
        Ok(Case {
            execution: execution.clone(),
            worktree,
            base,
            end,
            report,
            unread,
            transcript,
            meanwhile,
        })
    }

    /// Returns `true` if the worker reports that it finished its work.
    pub(super) fn ended_well(&self) -> bool {
        let ended_by_itself = self.end.exit == Exit::Code(0) && self.passed_limit().is_none();
        (ended_by_itself || self.outlived_its_result())
            && self.transcript.is_success()
            && self.report.error.is_none()
    }

    /// Returns `true` if dispatch stopped a worker after its result: the result then counts, not
    /// the exit.
    pub(super) fn outlived_its_result(&self) -> bool {
        let was_stopped = match self.end.exit {
            Exit::TimedOut | Exit::Stalled => true,
            Exit::Code(_) | Exit::Signal(_) => self.end.stopped,
            Exit::NotStarted(_) => false,
        };
        let has_result = self.transcript.terminal_seen && !self.transcript.is_answer_to_signal();
        was_stopped && has_result && !self.execution.cancel.is_cancelled()
    }

    /// Returns the limit for which dispatch stopped the worker.
    pub(super) fn passed_limit(&self) -> Option<Fact> {
        let bounds = Bounds::untold(&self.execution.context, &self.execution.spec);
        let passed = bounds.passed(self.transcript.turns, self.transcript.cost);
        let passed = passed.or_else(|| disk_limit::exceeded(&self.execution));
        passed.filter(|_| self.end.stopped && !self.execution.cancel.is_cancelled())
    }

    /// Returns the worker's report; without a summary, that is the agent's last message.
    pub(super) fn report_with_last_words(&self) -> WorkerReport {
        let mut report = self.report.clone();
        let words = || self.transcript.last_words().map(str::to_owned);
        report.summary = report.summary.or_else(words);
        masked(&self.execution.context.secrets, report)
    }

    /// Returns the last bytes of the worker's output.
    pub(super) fn output(&self, limit: u64) -> String {
        let folder = self.execution.worker_folder();
        let bytes = exec::log::tail(&folder, limit).unwrap_or_default();
        self.execution
            .context
            .secrets
            .mask(&String::from_utf8_lossy(&bytes))
    }

    /// Returns the cost of this attempt alone: some agents report that of a continued session as a whole.
    fn own_cost(&self) -> Cost {
        let (spec, told) = (&self.execution.spec, &self.transcript);
        let is_whole = matches!(spec.worker.dialect, Dialect::Claude | Dialect::Acp);
        if is_whole && self.continues_session() {
            told.cost.since(spec.session_cost)
        } else {
            told.cost
        }
    }

    /// Returns the tokens of this attempt alone: Codex reports those of a continued session as a whole.
    fn own_usage(&self) -> Option<Usage> {
        let (spec, told) = (&self.execution.spec, self.transcript.usage?);
        let is_whole = spec.worker.dialect == Dialect::Codex && self.continues_session();
        let before = spec.session_usage.filter(|_| is_whole);
        Some(before.map_or(told, |before| told.since(before)))
    }

    fn continues_session(&self) -> bool {
        let session = &self.execution.spec.session;
        session.is_some() && *session == self.transcript.session
    }

    /// Returns the agent's session; work made by hand leaves that of the attempt it was made on.
    fn session(&self) -> Option<String> {
        let by_hand = self.execution.spec.by_hand.as_ref();
        let before = || by_hand.and_then(|by_hand| by_hand.session.clone());
        self.transcript.session.clone().or_else(before)
    }

    /// Returns an outcome with everything that does not depend on the verdict.
    pub(super) fn outcome(&self, end: End, mut remarks: Vec<String>) -> Outcome {
        let unread = self.unread.iter();
        remarks.extend(unread.map(|why| format!("its result file was not used: {why}")));
        if self.end.out_of_memory {
            remarks.push(
                "the system killed a process at the limit of memory (`memory` under [limits])"
                    .to_owned(),
            );
        }
        Outcome {
            report: self.report_with_last_words(),
            killed_processes: self.end.leftovers.clone(),
            warnings: remarks,
            outside_changes: self.meanwhile.clone(),
            millis: self.end.millis,
            usage: self.own_usage(),
            cost: self.own_cost(),
            session: self.session(),
            ..outcome_of(end)
        }
    }
}
