//! Carries out the effects of the loop in the simulated world.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use jiff::SignedDuration;

use super::{ASSEMBLY, BOARD, World};
use crate::assembly::variant_rule::choose_variant;
use crate::control::{Reply, Response};
use crate::engine::EngineError;
use crate::engine::kernel::message::{FullDisk, Message, Prepared, Publication, Quota, SlotAnswer};
use crate::engine::run::effect::{Effect, Leave};
use crate::engine::spec::AttemptSpec;
use crate::exec::scripted::{Played, What};
use crate::exec::{Executor, Exit, Job, JobStatus};
use crate::model::event::{Event, Recorded};
use crate::model::failure::FailureClass;
use crate::model::fixture::{candidate, failure};
use crate::model::ids::{AttemptNumber, TaskNumber};
use crate::model::integration::{Integration, Merged};
use crate::model::outcome::{End, Outcome};
use crate::model::variant_choice::ComparedVariant;

impl World {
    pub(super) fn carry_out(&mut self, effect: Effect) -> Option<Message> {
        match effect {
            Effect::Write(facts) => {
                let answer = self.write(facts);
                if self.write_time.is_zero() {
                    return Some(answer);
                }
                self.post(self.write_time, answer);
            }
            Effect::Show(facts) => self.show(&facts),
            Effect::Warn(text) => self.say(format!("warn: {text}")),
            Effect::Notify(all) => self.say(format!("notify {}", all.len())),
            Effect::Answer(reply, response) => self.answer(reply, response),
            Effect::Start(spec) => self.start(*spec),
            Effect::Adopt(spec) => self.adopt(*spec),
            Effect::SetAside(spec) => self.set_aside(&spec),
            Effect::Cancel((task, attempt), signal) => {
                self.say(format!("{signal:?} {}", self.name(task)).to_lowercase());
                let running = self.attempts.values();
                let running =
                    running.filter(|(spec, _)| (spec.task, spec.attempt) == (task, attempt));
                running.for_each(|(_, running)| running.stopper().stop(signal));
            }
            Effect::Release(_) => {}
            Effect::StopStarting => self.is_stopping = true,
            Effect::CheckReuse { of, .. } => {
                let is_sound = !self.is_unsound;
                self.post(BOARD, Message::ReuseChecked { of, is_sound });
            }
            Effect::TakeSlot(attempt) => {
                let answer = match self.slots_in_use {
                    true => SlotAnswer::AllInUse,
                    false => SlotAnswer::Taken,
                };
                return Some(Message::Slot(attempt, answer));
            }
            Effect::RetakeSlot(..) => {}
            Effect::ReportShortage(error) => {
                let shortage = self.shortage();
                return Some(Message::DiskFull(FullDisk { shortage, error }));
            }
            Effect::MeasureDisk => return Some(Message::DiskMeasured(self.space())),
            Effect::MeasureQuota => self.post(BOARD, Message::QuotaMeasured(Ok(Quota::Allowed))),
            Effect::ReleaseWorktree(_) => {}
            Effect::PrepareAhead(wanted) => {
                self.say(format!("prepare for {}", wanted.waiting));
                self.post(BOARD, Message::PreparedAhead(Ok(Prepared::Nothing)));
            }
            Effect::RemoveWorktree(_) => self.post(BOARD, Message::WorktreeRemoved(Ok(()))),
            Effect::ChooseVariant(task) => self.choose_variant(task),
            Effect::CancelChoice(task, signal) => {
                self.say(format!("{signal:?} choice {}", self.name(task)).to_lowercase());
            }
            Effect::AcceptVariant(task) => {
                self.say(format!("accept {}", self.name(task)));
                self.post(BOARD, Message::VariantAccepted(task, Ok(())));
            }
            Effect::Assemble => self.assemble(),
            Effect::ReleaseCommits(_) => {}
            Effect::CancelAssembly(signal) => {
                self.say(format!("{signal:?} assembly").to_lowercase());
                self.mail.retain(|_, message| !is_of_assembly(message));
                self.post(BOARD, Message::Assembled(Ok(Vec::new())));
            }
            Effect::CompareCandidates => self.post(BOARD, Message::CandidatesCompared),
            Effect::CompareWork => self.post(BOARD, Message::WorkCompared),
            Effect::WriteNotice(notice) => self.say(format!("notice {}", self.name(notice.task))),
            Effect::Publish(board) => {
                self.boards += 1;
                if self.shows_boards {
                    self.say(board.subject);
                }
                let publication = match self.is_blocked {
                    true => Publication::Blocked("the branch is checked out".to_owned()),
                    false => Publication::Committed,
                };
                self.post(BOARD, Message::Published(publication));
            }
            Effect::Leave(leave) => self.leave(leave),
        }
        None
    }

    /// Chooses the first variant that passed.
    fn choose_variant(&mut self, number: TaskNumber) {
        self.say(format!("choose {}", self.name(number)));
        let task = self.driver.state().task(number);
        let variants = task.variant_numbers().flatten();
        let compared = variants.filter_map(|variant| {
            Some(ComparedVariant {
                variant,
                attempt: task.passed_attempt_of(variant)?.number,
                conflicts: Vec::new(),
                lines: 1,
                files: 1,
            })
        });
        let chosen = choose_variant(compared.collect());
        self.post(BOARD, Message::VariantChosen(number, Ok(chosen)));
    }

    fn write(&mut self, facts: Vec<Recorded>) -> Message {
        let names: Vec<String> = facts.iter().map(|fact| self.event(&fact.event)).collect();
        if self.is_broken {
            self.is_broken = false;
            let why = "another process moved the journal".to_owned();
            return Message::JournalFailed(EngineError::Refused(why));
        }
        if self.free == 0 {
            let (shortage, error) = (self.shortage(), "no space".to_owned());
            return Message::NotWritten(facts, FullDisk { shortage, error });
        }
        let next = self.journal.last().map_or(self.shown, |fact| fact.seq) + 1;
        assert_eq!(facts[0].seq, next, "facts are written in order, each once");
        self.say(format!("write {}", names.join(" + ")));
        Message::Written(facts)
    }

    fn show(&mut self, facts: &[Recorded]) {
        let written = self.journal.last().map_or(0, |fact| fact.seq);
        for fact in facts {
            assert!(fact.seq <= written, "shown before it is written");
            assert_eq!(fact.seq, self.shown + 1, "each is shown once, in order");
            self.shown = fact.seq;
        }
    }

    fn answer(&mut self, reply: Reply, response: Response) {
        let answered = match &response {
            Response::Done => "answer done".to_owned(),
            Response::Refused { why } => format!("refuse: {why}"),
        };
        self.say(answered);
        reply.send(response);
        // The sender of a request sees all requested events in the journal.
        let written = self.journal.last().map_or(0, |fact| fact.seq);
        let got = |(seq, answer): &(u64, Receiver<Response>)| match answer.try_recv() {
            Ok(Response::Done) => {
                assert!(*seq <= written, "answered before it is written");
                false
            }
            Ok(Response::Refused { .. }) => false,
            Err(_) => true,
        };
        self.replies.retain(got);
    }

    fn start(&mut self, spec: AttemptSpec) {
        let is_announced = |fact: &Recorded| {
            matches!(&fact.event, Event::AttemptStarting { task, attempt, .. }
                if (*task, *attempt) == (spec.task, spec.attempt))
        };
        assert!(
            self.journal.iter().rev().any(is_announced),
            "started before it is announced"
        );
        let place = match &spec.reuse {
            Some(_) => " in place",
            None => "",
        };
        let session = spec.session.as_deref().map(|id| format!(" in {id}"));
        let turn = spec.brief.turn.as_deref().map(|text| format!(": {text}"));
        let more = [session, turn].map(Option::unwrap_or_default).concat();
        self.say(format!("start {}{place}{more}", self.attempt(&spec)));
        if self.is_stopping {
            return self.post(BOARD, ended(&spec, End::Interrupted {}, None));
        }
        let folder = folder(spec.task, spec.attempt);
        let running = self.executor.start(&folder, &job(&spec)).unwrap();
        self.post(BOARD, started(&spec));
        self.attempts.insert(folder, (spec, running));
    }

    /// Starts a job of the previous process, which is alive with the script of its attempt.
    fn adopt(&mut self, spec: AttemptSpec) {
        self.say(format!("adopt {}", self.attempt(&spec)));
        let folder = folder(spec.task, spec.attempt);
        let _ = self.executor.start(&folder, &job(&spec)).unwrap();
        let running = self.executor.adopt(&folder).unwrap();
        self.post(BOARD, started(&spec));
        self.attempts.insert(folder, (spec, running));
    }

    fn set_aside(&mut self, spec: &AttemptSpec) {
        self.say(format!("set aside {}", self.attempt(spec)));
        self.post(BOARD, ended(spec, End::Interrupted {}, None));
    }

    fn assemble(&mut self) {
        self.say("assemble".to_owned());
        let candidates = self.driver.state().candidates();
        let order = candidates.iter().map(|(task, _)| *task).collect();
        self.post(BOARD, Message::Fact(Event::AssemblyStarting { order }));
        let merged = candidates.into_iter().map(|(task, candidate)| Merged {
            task,
            candidate,
            commit: candidate,
            resolved: Vec::new(),
        });
        let integration = Integration {
            tip: Some(candidate(99)),
            merged: merged.collect(),
            ..Integration::default()
        };
        self.post(ASSEMBLY, Message::Fact(Event::Assembled { integration }));
        self.post(ASSEMBLY, Message::Assembled(Ok(Vec::new())));
    }

    fn leave(&mut self, leave: Leave) {
        let how = match leave {
            Leave::Ended(exit) => format!("leave {exit}"),
            Leave::Interrupted => "leave, interrupted".to_owned(),
            Leave::Detached => "leave, detached".to_owned(),
            Leave::Failed(error) => format!("leave: {error}"),
        };
        self.say(how.clone());
        self.left = Some(how);
        // The process waits for the write under way before it exits.
        for message in std::mem::take(&mut self.mail).into_values() {
            if let Message::Written(facts) = message {
                self.journal.extend(facts);
            }
        }
    }

    pub(super) fn played(
        &self,
        Played { folder, what, .. }: Played,
    ) -> (Option<String>, Option<Message>) {
        let Some((spec, _)) = self.attempts.get(&folder) else {
            return (None, None);
        };
        let name = self.attempt(spec);
        match what {
            What::Noted(note) => {
                let task = spec.task;
                let word = format!("{name}: {note}");
                (
                    Some(word),
                    Some(Message::Fact(Event::ProgressReported { task, note })),
                )
            }
            What::Ended(_) if self.free == 0 && self.is_stopping => {
                let word = format!("{name} is left open");
                let key = (spec.task, spec.attempt);
                (Some(word), Some(Message::LeftOpen(key)))
            }
            What::Ended(status) => {
                let (how, end) = self.verdict(spec, &status);
                let session = self
                    .has_sessions
                    .then(|| format!("session-{}", spec.task.0));
                (
                    Some(format!("{name} {how}")),
                    Some(ended(spec, end, session)),
                )
            }
        }
    }

    /// Judges an attempt by its exit code: 0 passes, 75 is transient, 29 a rate limit of 20 s, 28 a
    /// usage limit of 10 min, anything else an error of the worker.
    fn verdict(&self, spec: &AttemptSpec, status: &JobStatus) -> (&'static str, End) {
        let code = match status {
            JobStatus::Ended(end) if end.stopped => return ("stops", End::Interrupted {}),
            JobStatus::Ended(end) => match end.exit {
                Exit::Code(code) => code,
                _ => return ("is killed", End::Interrupted {}),
            },
            _ => return ("is lost", End::Interrupted {}),
        };
        let time = self.moment().time;
        let try_number = "x".repeat(spec.attempt as usize);
        let failed = |class, message: String| failure(class, &message);
        match code {
            0 => ("passes", passed(spec.task)),
            75 => {
                let message = format!("connection reset {try_number}");
                (
                    "fails",
                    End::Failed(failed(FailureClass::Transient, message)),
                )
            }
            29 => {
                let mut limit = failed(FailureClass::Transient, "429".to_owned());
                limit.rate_limited = true;
                limit.reset_at = Some(time + SignedDuration::from_secs(20));
                ("hits a rate limit", End::Failed(limit))
            }
            28 => {
                let mut limit = failed(FailureClass::Quota, "usage limit".to_owned());
                limit.reset_at = Some(time + SignedDuration::from_mins(10));
                ("hits its quota", End::Failed(limit))
            }
            _ => {
                let message = "a test fails".to_owned();
                ("fails", End::Failed(failed(FailureClass::Logic, message)))
            }
        }
    }
}

pub(in super::super) fn job(spec: &AttemptSpec) -> Job {
    Job {
        argv: spec.worker.command.clone(),
        cwd: spec.worktree.clone(),
        env: BTreeMap::new(),
        stdin: None,
        timeout: None,
        stall_timeout: None,
        grace: Duration::ZERO,
        max_log: 0,
        cookie: format!("{}/{}", spec.task.0, spec.attempt),
        keeps_room: false,
        sandbox: None,
        limits: crate::exec::ResourceLimits::default(),
    }
}

pub(in super::super) fn folder(task: TaskNumber, attempt: AttemptNumber) -> PathBuf {
    Path::new("/attempts").join(format!("{}-{attempt}", task.0))
}

pub(in super::super) fn started(spec: &AttemptSpec) -> Message {
    Message::Fact(Event::AttemptStarted {
        task: spec.task,
        attempt: spec.attempt,
        base: crate::model::fixture::base(),
        warm: false,
    })
}

fn passed(task: TaskNumber) -> End {
    End::Passed {
        candidate: Some(candidate(task.0)),
        stat: Default::default(),
        info: None,
    }
}

fn ended(spec: &AttemptSpec, end: End, session: Option<String>) -> Message {
    let (task, attempt) = (spec.task, spec.attempt);
    let outcome = Outcome {
        end,
        session,
        ..crate::engine::attempt::aborted::outcome_of(End::Interrupted {})
    };
    Message::Ended {
        task,
        attempt,
        outcome: Box::new(outcome),
    }
}

/// Returns the end of an attempt.
pub(in super::super) fn ended_with(spec: &AttemptSpec, end: End) -> Message {
    ended(spec, end, None)
}

fn is_of_assembly(message: &Message) -> bool {
    matches!(
        message,
        Message::Assembled(_)
            | Message::Fact(Event::Assembled { .. } | Event::AssemblyStarting { .. })
    )
}
