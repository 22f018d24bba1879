//! What became of an attempt whose worker is over: a candidate, a report, or a classed failure.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::base::fault;
use crate::base::text::{clip, error_chain};
use crate::config::reaction::Reaction;
use crate::engine::EngineError;
use crate::engine::attempt::content::{embedded_repository, large_files, remains};
use crate::engine::attempt::flaky;
use crate::engine::attempt::output::read_output;
use crate::engine::attempt::outside_changes::look_after;
use crate::engine::commands::runner::CheckRun;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::disk_space::is_full;
use crate::engine::spec::environment::environment;
use crate::engine::spec::limits::Bounds;
use crate::engine::spec::{AttemptSpec, result_file, time_limits};
use crate::engine::worktree::populate::links_in;
use crate::engine::worktree::prepare::{keep, keep_remains, worker_folder};
use crate::exec::{self, Exit, JobEnd};
use crate::failure::evidence::{Evidence, Fact};
use crate::failure::{classify, evidence};
use crate::git::capture::{Capture, CaptureError};
use crate::git::commit::{By, NewCommit};
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::git::{GitError, Store};
use crate::merge::change::{Change, RepoPath};
use crate::merge::oid::Oid;
use crate::model::failure::FailureClass;
use crate::model::integration::{CheckOutcome, CheckResult};
use crate::model::outcome::{End, Outcome};
use crate::model::outside_changes::OutsideChange;
use crate::model::plan::Produces;
use crate::model::scope::{outside, outside_sentence};
use crate::model::transcript::Transcript;
use crate::model::worker_report::WorkerReport;
use crate::worker::result::load_result;

/// How much of a worker's output is looked at for the cause of a failure.
const TAIL_BYTES: u64 = 16 * 1024;

/// How much of the output of an `info` task is its report, where it wrote no other.
const INFO_BYTES: u64 = 64 * 1024;

/// Everything about an attempt that is over.
#[derive(Clone)]
struct Case {
    context: Arc<Context>,
    spec: AttemptSpec,
    worktree: Worktree,
    base: Oid,
    end: JobEnd,
    report: WorkerReport,
    /// Why its report could not be used.
    unread: Option<String>,
    transcript: Transcript,
    /// What changed outside its worktree while it ran.
    meanwhile: Vec<OutsideChange>,
}

/// What an attempt offers if its checks agree.
#[derive(Clone)]
struct Offer {
    harvest: Capture,
    /// The harvested tree without a change of the board file.
    tree: Oid,
    changed: bool,
    remarks: Vec<String>,
    outside: Vec<RepoPath>,
}

/// Judges an attempt: exit, what the output says in its own language, the worker's own account, the
/// state of its worktree, its checks.
///
/// # Errors
/// When the store, git or the executor fails; a failure of the worker is a value.
pub async fn conclude(
    context: &Arc<Context>,
    spec: &AttemptSpec,
    worktree: Worktree,
    base: Oid,
    end: JobEnd,
) -> Result<Outcome, EngineError> {
    let folder = context.attempt_folder(spec.task, spec.attempt);
    let (report, unread) = match load_result(&result_file(&folder)) {
        Ok(report) => (report.unwrap_or_default(), None),
        Err(error) => (WorkerReport::default(), Some(error_chain(&error))),
    };
    let transcript = read_output(context, spec, &worktree, &end).await?;
    let meanwhile = look_after(context, spec).await?;
    let context = Arc::clone(context);
    let case = Case {
        context,
        spec: spec.clone(),
        worktree,
        base,
        end,
        report,
        unread,
        transcript,
        meanwhile,
    };
    let ended_by_itself = case.end.exit == Exit::Code(0) && case.passed_limit().is_none();
    let ended_well = ended_by_itself || case.outlived_its_result();
    if !ended_well || !case.transcript.is_success() || case.report.error.is_some() {
        return case.fail(Vec::new(), Vec::new()).await;
    }
    if let Some(fact) = case.trespass() {
        return case.fail(vec![fact], Vec::new()).await;
    }
    let offer = {
        let case = case.clone();
        blocking(move || case.inspect()).await?
    };
    match offer {
        Ok(offer) => case.check(offer).await,
        Err(fact) => case.fail(vec![fact], Vec::new()).await,
    }
}

impl Case {
    /// Whether dispatch ended a worker that had already said its last word: then its word counts,
    /// not the way it was ended.
    fn outlived_its_result(&self) -> bool {
        let was_ended = match self.end.exit {
            Exit::TimedOut | Exit::Stalled => true,
            Exit::Code(_) | Exit::Signal(_) => self.end.stopped,
            Exit::NotStarted(_) => false,
        };
        was_ended && self.transcript.terminal_seen && !self.spec.cancel.is_cancelled()
    }

    /// Changes outside its worktree, where they are not allowed.
    fn trespass(&self) -> Option<Fact> {
        let is_forbidden = self.context.settings.run.outside_writes == Reaction::Fail;
        let what = self.meanwhile.iter().map(|change| change.what.clone());
        let what: Vec<String> = what.collect();
        (is_forbidden && !what.is_empty()).then_some(Fact::ChangedOutside(what))
    }

    /// The limit that dispatch ended the worker for, if it did.
    fn passed_limit(&self) -> Option<Fact> {
        let bounds = Bounds::untold(&self.context, &self.spec);
        let passed = bounds.passed(self.transcript.turns, self.transcript.cost);
        passed.filter(|_| self.end.stopped && !self.spec.cancel.is_cancelled())
    }

    /// Looks at what the worker left; a fact says why it cannot be a candidate.
    fn inspect(&self) -> Result<Result<Offer, Fact>, EngineError> {
        let store = Store::open(&self.context.repo)?;
        let harvest = match store.capture(
            &self.worktree,
            &links_in(&self.context, &self.worktree.path),
        ) {
            Err(CaptureError::Git(GitError::Failed { message, .. }))
                if message.contains("does not have a commit checked out") =>
            {
                return Ok(Err(Fact::EmbeddedRepository(message)));
            }
            other => other?,
        };
        if harvest.unfinished.is_some() {
            return Ok(Err(Fact::UnfinishedMerge));
        }
        if !store.is_ancestor(self.base, harvest.head)? {
            return Ok(Err(Fact::BaseLost));
        }
        let base_tree = store.tree_of(self.base)?;
        let (tree, mut remarks) = self.without_board(&store, base_tree, harvest.tree)?;
        let (tree, dropped) = self.without_links(&store, base_tree, tree)?;
        remarks.extend(dropped);
        let changes = store.changes(base_tree, tree)?;
        if let Some(path) = embedded_repository(&store, tree, &changes)? {
            return Ok(Err(Fact::EmbeddedRepository(path)));
        }
        remarks.extend(large_files(&store, &changes)?);
        let task = self.context.plan.task(self.spec.task);
        let may_be_empty = task.fields.produces == Produces::Info || task.fields.allow_empty;
        if changes.is_empty() && !may_be_empty {
            return Ok(Err(Fact::NoChange));
        }
        let outside = self.outside(&changes);
        if !outside.is_empty() {
            if self.context.settings.conflicts.scope == Reaction::Fail {
                return Ok(Err(Fact::OutsideFiles(outside)));
            }
            remarks.push(outside_sentence(&outside));
        }
        Ok(Ok(Offer {
            harvest,
            tree,
            changed: !changes.is_empty(),
            remarks,
            outside,
        }))
    }

    /// What it changed that its task did not declare.
    fn outside(&self, changes: &[Change]) -> Vec<RepoPath> {
        if self.context.settings.conflicts.scope == Reaction::Ignore {
            return Vec::new();
        }
        let files = &self.context.plan.task(self.spec.task).fields.files;
        outside(files, changes.iter().map(|change| &change.path))
    }

    /// Only the runner writes the board, so that candidates cannot conflict on it.
    fn without_board(
        &self,
        store: &Store,
        base_tree: Oid,
        tree: Oid,
    ) -> Result<(Oid, Vec<String>), EngineError> {
        let file = &self.context.settings.board.file;
        let before = store.entry(base_tree, file)?;
        if store.entry(tree, file)? == before {
            return Ok((tree, Vec::new()));
        }
        let remark = format!("its change of {file} was dropped: only dispatch writes the board");
        Ok((store.tree_with(tree, file, before)?, vec![remark]))
    }

    /// What dispatch put there is no work of the worker's, also where that has committed it.
    fn without_links(
        &self,
        store: &Store,
        base_tree: Oid,
        mut tree: Oid,
    ) -> Result<(Oid, Vec<String>), EngineError> {
        let mut remarks = Vec::new();
        for path in links_in(&self.context, &self.worktree.path) {
            let before = store.entry(base_tree, &path)?;
            if store.entry(tree, &path)? != before {
                tree = store.tree_with(tree, &path, before)?;
                remarks.push(format!(
                    "its change of {path} was dropped: it is a link that dispatch made"
                ));
            }
        }
        Ok((tree, remarks))
    }

    async fn check(self, offer: Offer) -> Result<Outcome, EngineError> {
        fault::point("attempt", "before its checks");
        let checks = self.run_checks().await?;
        fault::point("attempt", "after its checks");
        match checks.last() {
            Some(last) if last.result != CheckOutcome::Passed => {
                let fact = if self.spec.cancel.is_cancelled() {
                    Fact::Stopped
                } else {
                    Fact::CheckFailed {
                        command: last.command.clone(),
                        tail: last.tail.clone(),
                    }
                };
                self.fail(vec![fact], checks).await
            }
            _ => blocking(move || self.accept(&offer, checks)).await,
        }
    }

    async fn run_checks(&self) -> Result<Vec<CheckResult>, EngineError> {
        let task = self.context.plan.task(self.spec.task);
        if task.fields.check.is_empty() {
            return Ok(Vec::new());
        }
        let checks = CheckRun {
            context: &self.context,
            folder: self
                .context
                .attempt_folder(self.spec.task, self.spec.attempt),
            cwd: &self.worktree.path,
            is_swept: false,
            env: environment(&self.context, &self.spec, self.base),
            timeout: task
                .fields
                .timeout
                .unwrap_or(self.context.settings.assemble.check_timeout),
            cookie: format!(
                "{}/{}/{}/check",
                self.context.run, task.number.0, self.spec.attempt
            ),
            cancel: &self.spec.cancel,
        };
        checks.run(&task.fields.check).await
    }

    /// The attempt passed: its work becomes the candidate, on the task's branch.
    fn accept(self, offer: &Offer, checks: Vec<CheckResult>) -> Result<Outcome, EngineError> {
        let store = Store::open(&self.context.repo)?;
        let mut report = self.report_with_last_words();
        if report.summary.is_none() && offer.harvest.head != self.base {
            let message = store.commit(offer.harvest.head)?.message;
            report.summary = message.lines().next().map(str::to_owned);
        }
        let candidate = if offer.changed {
            Some(self.commit(&store, offer, &report)?)
        } else {
            None
        };
        fault::point("attempt", "accepted");
        let base_tree = store.tree_of(self.base)?;
        let stat = match candidate {
            Some(_) => store.stat(base_tree, offer.tree)?,
            None => Default::default(),
        };
        let info = self.info(&report);
        let flaky = flaky::same_files(&store, self.spec.failed_before, offer.tree)?;
        let flaky_remark = flaky.map(|earlier| {
            format!(
                "flaky: attempt {earlier} failed with the same files, attempt {} passed",
                self.spec.attempt
            )
        });
        let mut remarks = offer.remarks.clone();
        remarks.extend(self.stream_remarks());
        remarks.extend(flaky_remark);
        self.worktree.unlock();
        Ok(Outcome {
            end: End::Passed {
                candidate,
                stat,
                info,
            },
            report,
            checks,
            leftovers: self.end.leftovers.clone(),
            remarks: self.remarks(remarks),
            outside: offer.outside.clone(),
            flaky,
            meanwhile: self.meanwhile.clone(),
            millis: self.end.millis,
            kept: None,
            remains: None,
            usage: self.transcript.usage,
            cost: self.transcript.cost,
            session: self.transcript.session.clone(),
        })
    }

    fn commit(
        &self,
        store: &Store,
        offer: &Offer,
        report: &WorkerReport,
    ) -> Result<Oid, EngineError> {
        let head = offer.harvest.head;
        let mut candidate = head;
        if offer.tree != store.tree_of(head)? {
            candidate = store.write_commit(&NewCommit {
                tree: offer.tree,
                parents: &[head],
                message: &self.message(report),
                time: self.context.clock.now(),
                by: By::User,
            })?;
        }
        let branch = self.context.branch(self.spec.task);
        let name = branch_ref(&branch);
        let old = store.reference(&name)?.unwrap_or(Oid::ZERO);
        if !old.is_zero() && !store.is_ancestor(old, candidate)? {
            // The worker left its branch for another one; what is on the first is kept.
            keep(
                store,
                &self.context.attempt_ref(self.spec.task, self.spec.attempt),
                old,
            )?;
        }
        if old != candidate {
            store.move_reference(&name, old, candidate, "dispatch: candidate")?;
        }
        store.settle(&self.worktree, &Head::Branch(branch))?;
        Ok(candidate)
    }

    fn message(&self, report: &WorkerReport) -> String {
        let task = self.context.plan.task(self.spec.task);
        let summary = report
            .summary
            .as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty());
        let (subject, body) = match summary.map(|text| text.split_once('\n').unwrap_or((text, "")))
        {
            Some((first, rest)) if first.chars().count() <= 72 => (first.to_owned(), rest.trim()),
            Some(_) => (task.title.clone(), summary.unwrap_or_default()),
            None => (task.title.clone(), ""),
        };
        let trailers = self.context.trailers(self.spec.task, self.spec.attempt);
        match body {
            "" => format!("{subject}\n\n{trailers}"),
            body => format!("{subject}\n\n{body}\n\n{trailers}"),
        }
    }

    /// The worker's report; the agent's last words are its summary where it wrote none.
    fn report_with_last_words(&self) -> WorkerReport {
        let mut report = self.report.clone();
        let words = || self.transcript.last_words().map(str::to_owned);
        report.summary = report.summary.or_else(words);
        report
    }

    /// What is to be said about an attempt that passed all the same.
    fn stream_remarks(&self) -> Vec<String> {
        let hindrances = self.transcript.hindrances.iter();
        let mut remarks: Vec<String> = hindrances
            .map(|what| format!("it was not allowed to: {what}"))
            .collect();
        if self.outlived_its_result() {
            remarks.push("it was still alive after its result and was ended".to_owned());
        }
        remarks
    }

    /// The report of an `info` task: its summary, else what it printed.
    fn info(&self, report: &WorkerReport) -> Option<String> {
        if self.context.plan.task(self.spec.task).fields.produces != Produces::Info {
            return None;
        }
        let printed = || {
            let text = self.output(INFO_BYTES);
            let is_text = !self.transcript.has_terminal_event();
            (is_text && !text.trim().is_empty()).then_some(text)
        };
        report.summary.clone().or_else(printed)
    }

    fn output(&self, limit: u64) -> String {
        let folder = worker_folder(&self.context, self.spec.task, self.spec.attempt);
        let bytes = exec::log::tail(&folder, limit).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The attempt did not pass: what it left is kept, and the failure gets its class.
    async fn fail(
        self,
        mut facts: Vec<Fact>,
        checks: Vec<CheckResult>,
    ) -> Result<Outcome, EngineError> {
        facts.extend(self.facts());
        let mut remarks = Vec::new();
        let kept = {
            let case = self.clone();
            match blocking(move || case.keep()).await {
                Ok(kept) => kept,
                // That passes, and the attempt is judged again.
                Err(error) if is_full(&error) || error.is_killed_git() => return Err(error),
                Err(error) => {
                    let why = error_chain(&error);
                    remarks.push(format!("what it left could not be kept: {why}"));
                    None
                }
            }
        };
        let (shared, base) = (Arc::clone(&self.context), self.base);
        let remains = blocking(move || remains(&shared.repo, base, kept)).await;
        // How much it was is only said; the commit itself is kept.
        let remains = remains.unwrap_or_default();
        let evidence = Evidence {
            facts,
            exit: match self.end.exit {
                Exit::Code(code) => Some(evidence::Exit::Code(code)),
                Exit::Signal(signal) => Some(evidence::Exit::Signal(signal)),
                _ => None,
            },
            error: self.report.error.clone(),
            tail: self.last_lines(),
            stream: Some(self.transcript.clone()),
            now: Some(self.context.clock.now().to_zoned(TimeZone::system())),
        };
        let failure = classify::classify_with(&evidence, &self.context.patterns);
        let end = match failure.class {
            FailureClass::Interrupted => End::Interrupted {},
            _ => End::Failed(failure),
        };
        Ok(Outcome {
            end,
            report: self.report_with_last_words(),
            checks,
            leftovers: self.end.leftovers.clone(),
            remarks: self.remarks(remarks),
            outside: Vec::new(),
            flaky: None,
            meanwhile: self.meanwhile.clone(),
            millis: self.end.millis,
            kept,
            remains,
            usage: self.transcript.usage,
            cost: self.transcript.cost,
            session: self.transcript.session.clone(),
        })
    }

    fn remarks(&self, mut remarks: Vec<String>) -> Vec<String> {
        let unread = self.unread.iter();
        remarks.extend(unread.map(|why| format!("its result file was not used: {why}")));
        remarks
    }

    /// What the last words of a failure are looked for in: never in the events, which hold what the
    /// agent said and read.
    fn last_lines(&self) -> String {
        match self.transcript.has_terminal_event() {
            true => self.transcript.stray.join("\n"),
            false => self.output(TAIL_BYTES),
        }
    }

    fn keep(&self) -> Result<Option<Oid>, EngineError> {
        let store = Store::open(&self.context.repo)?;
        let (task, attempt) = (self.spec.task, self.spec.attempt);
        fault::point("remains", "before they are kept");
        keep_remains(
            &self.context,
            &store,
            task,
            attempt,
            self.base,
            &self.worktree,
        )
    }

    /// What dispatch itself saw of the worker's end.
    fn facts(&self) -> Vec<Fact> {
        let (timeout, stall_timeout) = time_limits(&self.context, &self.spec);
        let read_only = self.spec.worker.read_only_option().map(Fact::ReadOnly);
        let mut facts = Vec::from_iter(read_only);
        if self.outlived_its_result() {
            return facts;
        }
        match self.passed_limit() {
            Some(passed) => facts.push(passed),
            None if self.end.stopped || self.spec.cancel.is_cancelled() => {
                facts.push(Fact::Stopped)
            }
            None => {}
        }
        match &self.end.exit {
            Exit::TimedOut => facts.push(Fact::TimedOut(timeout)),
            Exit::Stalled => facts.push(Fact::Stalled(stall_timeout)),
            Exit::NotStarted(said) => facts.push(Fact::CouldNotStart(clip(said, 200))),
            Exit::Code(_) | Exit::Signal(_) => {}
        }
        facts
    }
}
