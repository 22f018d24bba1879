//! The side of the node: fetches an attempt, claims it, carries it out, and pushes its end.
//!
//! Every step may be repeated: a node that is killed and started again finds its own claim, adopts a
//! worker that still runs, and pushes an end that it has not pushed yet.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::base::clock::Clock;
use crate::base::fault;
use crate::base::files::{self, FileLock};
use crate::base::text::error_chain;
use crate::engine::EngineError;
use crate::engine::attempt::execution::Execution;
use crate::engine::attempt::run;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::message::Message;
use crate::engine::kernel::remote_refs::RemoteRefs;
use crate::engine::kernel::signals::{SignalRequest, Signals};
use crate::engine::pool::release::release;
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::mirror::Mirror;
use crate::engine::remote::outcome_record::{
    Claim, OutcomeRecord, Progress, RecordCommit, SET_UP_LOG, WORKER_LOG, keeps_work_of,
};
use crate::engine::remote::package::{Package, with_store};
use crate::engine::remote::transport::{Created, Transport};
use crate::engine::remote::{PROTOCOL, failure};
use crate::engine::runs::log::{LogPart, masked_logs};
use crate::engine::spec::AttemptSpec;
use crate::engine::worktree::remove::remove_with_losses;
use crate::exec::local::LocalExecutor;
use crate::exec::{StopSignal, adopt_orphans, log};
use crate::git::{Repo, Store};
use crate::git::refs::branch_ref;
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::ids::AttemptKey;
use crate::model::outcome::{End, Outcome};

/// The time between two pushes of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

/// The number of times that the end is pushed to a remote that does not take it, with growing pauses: about
/// ten minutes.
const PUSHES: u32 = 12;

/// The request to carry out one attempt.
#[derive(Clone, Debug)]
pub struct NodeRequest {
    /// The address of the git remote.
    pub address: String,
    /// The folder of the attempt's references.
    pub folder: String,
    /// The package that is to be there.
    pub package: Oid,
    /// The name of this node.
    pub host: String,
    /// Tells the mirrors of different users apart.
    pub user: String,
}

/// The result of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeEnd {
    /// The end of the attempt is on the remote.
    Pushed,
    /// Another node has claimed the attempt, or its end was there before.
    Claimed,
}

/// A claimed attempt.
struct Node {
    context: Arc<Context>,
    transport: Transport,
    refs: RemoteRefs,
    request: NodeRequest,
    spec: AttemptSpec,
    claim: Oid,
    facts: Vec<Event>,
    warnings: Vec<String>,
    is_out_of_space: bool,
    /// The progress that was pushed last, and the one that was written last.
    pushed: Option<Oid>,
    shown: Option<(usize, usize)>,
}

/// Carries out an attempt.
///
/// # Errors
/// When the package cannot be used, or the remote or git fails. Where the attempt was claimed, the same
/// request may be made again.
pub async fn carry_out(request: NodeRequest, clock: Clock) -> Result<NodeEnd, RemoteError> {
    let mut signals = Signals::listen()
        .map_err(|error| EngineError::File("signal handlers".to_owned(), error))?;
    adopt_orphans();
    let asked = request.clone();
    let claimed = off_loop(move || claim(&asked, clock)).await?;
    let Some((mut node, is_resumed, _lock)) = claimed else {
        return Ok(NodeEnd::Claimed);
    };
    fault::point("node", "claimed");
    let refs = node.refs.clone();
    if let Some(end) = node.written_outcome()? {
        return node.push_outcome(end).await;
    }
    let (post, mut inbox) = unbounded_channel();
    let cancel = CancelHandle::default();
    let context = Arc::clone(&node.context);
    let execution = Execution::new(context, node.spec.clone(), cancel.clone(), post);
    let carried = tokio::spawn(async move {
        match is_resumed {
            true => run::adopt(execution).await,
            false => run::run(execution).await,
        }
    });
    let outcome = node.follow(&mut inbox, &mut signals, &cancel).await;
    // It has ended, or panicked, which is a failure of dispatch.
    let outcome = match carried.await {
        Ok(()) => outcome,
        Err(error) => Some(failure::lost(format!("dispatch failed: {error}"), None)),
    };
    fault::point("node", "with the end");
    let end = node.write_outcome(outcome)?;
    let pushed = node.push_outcome(end).await?;
    tracing::debug!(folder = refs.folder(), "pushed");
    Ok(pushed)
}

/// Fetches and claims an attempt; `None` if another node has it. Tells if this node had claimed it before.
fn claim(
    request: &NodeRequest,
    clock: Clock,
) -> Result<Option<(Node, bool, FileLock)>, RemoteError> {
    let invalid = |why: &str| RemoteError::Invalid {
        what: request.folder.clone(),
        why: why.to_owned(),
    };
    let (run, key) = RemoteRefs::parse(&request.folder)
        .ok_or_else(|| invalid("it is not the folder of an attempt's references"))?;
    let refs = RemoteRefs::of(&run, key);
    let (repo, package) = fetch(request, &refs)?;
    if (package.run.clone(), package.spec.task, package.spec.attempt) != (run.clone(), key.0, key.1)
    {
        return Err(invalid("its package is of another attempt"));
    }
    let transport = Transport::new(&repo, &request.address);
    let context = Arc::new(context(repo, &package, clock)?);
    let folder = context.attempt_folder(key.0, key.1);
    let failed = |error| EngineError::File(folder.display().to_string(), error);
    files::private_folder(&folder).map_err(failed)?;
    // Two starts on this node.
    let Some(lock) = FileLock::try_take(&folder.join("node.lock")).map_err(failed)? else {
        return Ok(None);
    };
    let there = transport.list(refs.folder())?;
    if there.contains_key(&refs.outcome()) {
        return Ok(None);
    }
    let note = folder.join("claim");
    let own = files::read_if_exists(&note).map_err(failed)?;
    let own: Option<Oid> = own.and_then(|text| String::from_utf8_lossy(&text).parse().ok());
    let (claim, is_resumed) = match (own, there.get(&refs.claim())) {
        (Some(own), Some(there)) if own == *there => (own, true),
        (_, Some(_)) => return Ok(None),
        (_, None) => {
            let claim = write_claim(&context, request, key)?;
            // Noted first: a claim that is pushed and not noted would be a stranger's.
            files::replace_private(&note, claim.to_string().as_bytes()).map_err(failed)?;
            fault::point("node", "before its claim");
            match transport.create(&refs.claim(), claim)? {
                Created::Yes => (claim, false),
                Created::Exists(_) => return Ok(None),
            }
        }
    };
    let (spec, worktree) = (package.spec, context.worktree_path(key.0, key.1));
    let node = Node {
        spec: AttemptSpec {
            worktree,
            reuse: None,
            session: None,
            ..spec
        },
        context,
        transport,
        refs,
        request: request.clone(),
        claim,
        facts: Vec::new(),
        warnings: Vec::new(),
        is_out_of_space: false,
        pushed: None,
        shown: None,
    };
    Ok(Some((node, is_resumed, lock)))
}

/// Fetches the package into the mirror.
fn fetch(request: &NodeRequest, refs: &RemoteRefs) -> Result<(Repo, Package), RemoteError> {
    let mirror = Mirror::open(&request.address, &request.user, request.package)?;
    Transport::new(&mirror.repo, &request.address).fetch(&[&refs.package()])?;
    let package = mirror.repo.with_store(|store| {
        let there = store.reference(&refs.package()).map_err(RemoteError::from)?;
        if there != Some(request.package) {
            return Err(RemoteError::Invalid {
                what: refs.package(),
                why: "it is another package than the one to carry out".to_owned(),
            });
        }
        Package::read(store, request.package)
    })?;
    if let Some((name, email)) = &package.user {
        mirror.set_user(name, email)?;
    }
    Ok((mirror.repo, package))
}

fn context(repo: Repo, package: &Package, clock: Clock) -> Result<Context, RemoteError> {
    let executor = LocalExecutor::this_program()
        .map_err(|error| EngineError::File("this program".to_owned(), error))?;
    Ok(Context::new(
        repo,
        package.run.clone(),
        package.plan()?,
        package.base,
        package.settings.clone(),
        Arc::new(executor),
        clock,
    ))
}

fn write_claim(
    context: &Context,
    request: &NodeRequest,
    key: AttemptKey,
) -> Result<Oid, RemoteError> {
    let token = files::draw_secret()
        .map_err(|error| EngineError::File("random numbers".to_owned(), error))?;
    let claim = Claim {
        protocol: PROTOCOL,
        package: request.package,
        host: request.host.clone(),
        pid: std::process::id(),
        token,
    };
    let trailers = context.trailers(key.0, key.1);
    with_store(context, |store| {
        claim.write(&RecordCommit {
            store,
            time: context.clock.now(),
            subject: "Claim of an attempt",
            trailers: &trailers,
        })
    })
}

impl Node {
    fn key(&self) -> AttemptKey {
        (self.spec.task, self.spec.attempt)
    }

    /// Follows the attempt to its end, and pushes its progress.
    async fn follow(
        &mut self,
        inbox: &mut UnboundedReceiver<Message>,
        signals: &mut Signals,
        cancel: &CancelHandle,
    ) -> Option<Outcome> {
        let mut tick = interval(PROGRESS_INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut outcome = None;
        loop {
            tokio::select! {
                message = inbox.recv() => match message {
                    // The attempt has dropped its end.
                    None => return outcome,
                    Some(Message::Ended { outcome: end, .. }) => outcome = Some(*end),
                    Some(message) => self.note(message),
                },
                request = signals.next() => if request == SignalRequest::Stop {
                    let signal = match cancel.is_cancelled() {
                        true => StopSignal::Kill,
                        false => StopSignal::Terminate,
                    };
                    self.context.stop();
                    cancel.cancel(signal);
                },
                _ = tick.tick() => self.show_progress().await,
            }
        }
    }

    fn note(&mut self, message: Message) {
        match message {
            Message::Fact(fact) => {
                // Of notes, only the last one matters.
                if matches!(fact, Event::ProgressReported { .. }) {
                    self.facts
                        .retain(|known| !matches!(known, Event::ProgressReported { .. }));
                }
                self.facts.push(fact);
            }
            Message::Warning(text) => self.warnings.push(text),
            Message::OutOfSpace(_) => self.is_out_of_space = true,
            _ => {}
        }
    }

    /// Pushes the facts and the log so far, if there are new ones. What cannot be pushed now is pushed
    /// later.
    async fn show_progress(&mut self) {
        if self.facts.is_empty() {
            return;
        }
        let log = self.log_so_far();
        let shown = Some((self.facts.len(), log.len()));
        if self.shown == shown && !matches!(self.facts.last(), Some(Event::ProgressReported { .. })) {
            return;
        }
        let Ok(new) = self.write_progress(log) else {
            return;
        };
        if self.pushed == Some(new) {
            return;
        }
        let (transport, old) = (self.transport.clone(), self.pushed);
        let name = self.refs.progress();
        let pushed = off_loop(move || {
            // Of an earlier process of this node.
            let old = match old {
                Some(old) => Some(old),
                None => transport.list(&name)?.get(&name).copied(),
            };
            transport.replace(&name, old, new)
        });
        if pushed.await.is_ok() {
            self.pushed = Some(new);
            self.shown = shown;
        }
    }

    fn write_progress(&self, log: Vec<u8>) -> Result<Oid, RemoteError> {
        let progress = Progress {
            protocol: PROTOCOL,
            claim: self.claim,
            facts: self.facts.clone(),
        };
        let (context, trailers) = (&self.context, self.trailers());
        with_store(context, |store| {
            let commit = RecordCommit {
                store,
                // The same progress is the same commit.
                time: jiff::Timestamp::UNIX_EPOCH,
                subject: "Progress of an attempt",
                trailers: &trailers,
            };
            progress.write(&commit, &[(WORKER_LOG, log)])
        })
    }

    /// Returns the worker's output so far in whole lines, so that no part of a secret is shown.
    fn log_so_far(&self) -> Vec<u8> {
        let (task, attempt) = self.key();
        let folder = self.context.attempt_folder(task, attempt).join("worker");
        let mut log = log::read(&folder).unwrap_or_default();
        let end = log.iter().rposition(|byte| *byte == b'\n');
        log.truncate(end.map_or(0, |end| end + 1));
        self.context.secrets.mask_bytes(log)
    }

    fn trailers(&self) -> String {
        self.context.trailers(self.spec.task, self.spec.attempt)
    }

    /// Returns the end that an earlier process of this node wrote and could not push.
    fn written_outcome(&self) -> Result<Option<Oid>, RemoteError> {
        let name = self.refs.outcome();
        with_store(&self.context, |store| Ok(store.reference(&name)?))
    }

    /// Writes the end of the attempt, with everything that the run needs of it.
    fn write_outcome(&self, outcome: Option<Outcome>) -> Result<Oid, RemoteError> {
        let (context, key) = (&self.context, self.key());
        let outcome = match outcome {
            // Without this the run would start it here again at once.
            Some(Outcome {
                end: End::Interrupted {},
                ..
            }) if self.is_out_of_space => Some(failure::lost(
                format!("{} has no space left on its disk", self.request.host),
                None,
            )),
            outcome => outcome,
        };
        let logs = masked_logs(&context.repo, &context.run, key, &context.secrets);
        let logs: Vec<(&str, Vec<u8>)> = logs
            .into_iter()
            .filter_map(|(part, log)| match part {
                LogPart::Worker => Some((WORKER_LOG, log)),
                LogPart::SetUp => Some((SET_UP_LOG, log)),
                LogPart::Teardown => None,
            })
            .collect();
        let (trailers, name) = (self.trailers(), self.refs.outcome());
        let attempt_ref = context.attempt_ref(key.0, key.1);
        with_store(context, |store| {
            let record = OutcomeRecord {
                protocol: PROTOCOL,
                package: self.request.package,
                claim: Some(self.claim),
                host: self.request.host.clone(),
                facts: self.facts.clone(),
                warnings: self.warnings.clone(),
                outcome,
                kept: kept_by(store, &attempt_ref)?,
            };
            let commit = RecordCommit {
                store,
                time: context.clock.now(),
                subject: "End of an attempt",
                trailers: &trailers,
            };
            let end = record.write(&commit, &logs)?;
            store.move_reference(&name, Oid::ZERO, end, "dispatch: end of an attempt")?;
            Ok(end)
        })
    }

    /// Pushes the end, and removes what this node has of the attempt.
    async fn push_outcome(&self, end: Oid) -> Result<NodeEnd, RemoteError> {
        let name = self.refs.outcome();
        let mut pause = Duration::from_secs(1);
        for round in 1.. {
            let (transport, name) = (self.transport.clone(), name.clone());
            match off_loop(move || transport.create(&name, end)).await {
                Ok(created) => {
                    fault::point("node", "pushed");
                    let _ = self.clean().await;
                    return Ok(match created {
                        Created::Yes => NodeEnd::Pushed,
                        // The run has given the attempt up meanwhile.
                        Created::Exists(_) => NodeEnd::Claimed,
                    });
                }
                Err(error) if round >= PUSHES => return Err(error),
                Err(error) => tracing::debug!(said = error_chain(&error), "not pushed yet"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(90));
        }
        Ok(NodeEnd::Claimed)
    }

    /// Removes the worktree, the references and the folder of an attempt whose end is on the remote. What
    /// stays is removed with the cache.
    async fn clean(&self) -> Result<(), RemoteError> {
        let (context, spec, refs) = (Arc::clone(&self.context), self.spec.clone(), self.refs.clone());
        off_loop(move || {
            let repo = &context.repo;
            let is_of_pool = repo.behind_link(&spec.worktree).is_some();
            let found = repo.find_worktree(&spec.worktree);
            match (is_of_pool, found) {
                (true, _) => release(&context, &spec.worktree)?,
                (false, Some(worktree)) => drop(remove_with_losses(&context, &worktree)?),
                (false, None) => {}
            }
            let mut names = refs.all().to_vec();
            // The branch of a worktree of the pool goes with its next attempt.
            if !is_of_pool {
                names.push(branch_ref(&context.attempt_branch(spec.of())));
            }
            with_store(&context, |store| {
                let attempt_ref = context.attempt_ref(spec.task, spec.attempt);
                names.extend(kept_by(store, &attempt_ref)?.into_iter().map(|(name, _)| name));
                for name in names {
                    if let Some(at) = store.reference(&name)? {
                        store.delete_reference(&name, at)?;
                    }
                }
                Ok(())
            })?;
            let folder: PathBuf = context.attempt_folder(spec.task, spec.attempt);
            let _ = crate::base::removal::remove_own_folder(&folder, 6);
            Ok(())
        })
        .await
    }
}

/// Returns the references that keep work of an attempt.
fn kept_by(store: &Store, attempt_ref: &str) -> Result<Vec<(String, Oid)>, RemoteError> {
    let mut kept = store.references(attempt_ref)?;
    kept.retain(|(name, _)| keeps_work_of(attempt_ref, name));
    Ok(kept)
}

/// Runs blocking work of the transport in the background.
pub(super) async fn off_loop<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RemoteError> + Send + 'static,
) -> Result<T, RemoteError> {
    match blocking(move || Ok(work())).await {
        Ok(result) => result,
        Err(error) => Err(error.into()),
    }
}
