//! Brings GitHub to the state that a run wants.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::base::safe::secrets::Secrets;
use crate::engine::mirror::effect::note;
use crate::engine::mirror::error::MirrorError;
use crate::engine::mirror::found::{Found, MadeProject, Object};
use crate::engine::mirror::mutation::mutation;
use crate::engine::mirror::pace::Pace;
use crate::engine::mirror::process::keep_wait;
use crate::engine::mirror::read::{Reader, remember};
use crate::engine::mirror::record::{Record, Wait, key};
use crate::engine::mirror::step::Step;
use crate::engine::mirror::steps::{once, steps};
use crate::engine::mirror::wanted::{Wanted, WantedIssue, since};
use crate::forge::Repository;
use crate::forge::graphql::{Answer, GraphQl, GraphQlError};
use crate::forge::operation::{Argument, alias, batch};
use crate::git::Repo;
use crate::model::github_project::GithubProject;
use crate::model::ids::RunId;
use crate::model::run::RunState;
use crate::report::issue::{Subject, project_title};

/// The most mutations in one request.
const MOST: usize = 20;

/// The most pieces of content in one request, which GitHub has to finish in 10 seconds.
const MOST_CONTENT: usize = 5;

/// The number of failures one after the other after which a call is given up.
const TRIES: u32 = 5;

/// The longest wait that GitHub may ask a user for who waits; a longer one is an error.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

/// The longest wait of a mirror in the background; GitHub's own limits are over within an hour.
const LONGEST_WAIT_ALONE: Duration = Duration::from_secs(6 * 60 * 60);

/// The longest pause of the pace that is not worth a message.
const SHORT_PAUSE: Duration = Duration::from_secs(10);

/// The wait of GitHub's manual where content comes too fast.
const TOO_FAST: Duration = Duration::from_secs(60);

/// A message while GitHub is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Steps were done; this many are left.
    Left(usize),
    /// GitHub did not answer, or asks to wait.
    Waiting(Duration, String),
    /// GitHub refused a step for good.
    Refused(String),
    /// No process drives the run now, and it has not ended.
    Idle(RunId),
}

/// Receives messages while GitHub is written.
pub type Say<'a> = &'a mut dyn FnMut(Progress);

/// The mirror of one run.
pub struct Mirror<'a> {
    /// The repository on this machine, which keeps the record.
    pub repo: &'a Repo,
    /// The connection.
    pub graphql: &'a dyn GraphQl,
    /// The repository on GitHub.
    pub repository: Repository,
    /// The project, if the run has one.
    pub project: Option<GithubProject>,
    /// The secrets that are masked in every text.
    pub secrets: Secrets,
    /// The memory of the last time.
    pub record: Record,
    /// The pace of the requests.
    pub pace: Pace,
    /// The failures of steps, by their keys.
    pub failures: BTreeMap<String, u32>,
    /// `true` if a new project takes the place of a closed one.
    pub replaces_closed: bool,
    /// `true` if no user waits for it.
    pub is_alone: bool,
    /// `true` if no other process writes the run to GitHub meanwhile.
    pub has_lock: bool,
}

impl Mirror<'_> {
    /// Returns the state of GitHub that the run wants.
    pub fn wanted(&self, state: &RunState) -> Wanted {
        Wanted::of(state, self.project.as_ref(), &self.secrets)
    }

    /// Reads the state of GitHub. A failure that may pass is waited for.
    ///
    /// # Errors
    /// When GitHub fails for good.
    pub fn read(&mut self, state: &RunState, say: Say<'_>) -> Result<Found, MirrorError> {
        let project = self.project.clone();
        let found = self.call(state, say, &|reader| reader.read(project.as_ref()))?;
        remember(&mut self.record, &found);
        Ok(found)
    }

    /// Lists the projects that were made for the run. A failure that may pass is waited for.
    ///
    /// # Errors
    /// When GitHub fails for good, or the user may not read projects.
    pub fn made_projects(
        &mut self,
        state: &RunState,
        say: Say<'_>,
    ) -> Result<Vec<MadeProject>, MirrorError> {
        self.call(state, say, &|reader| reader.made_projects())
    }

    /// Reads again whether people closed or opened the issues that the next steps close or open. What was
    /// found may be old, and closing an issue again would change the reason that they gave.
    ///
    /// # Errors
    /// When GitHub fails for good.
    pub fn refresh(
        &mut self,
        state: &RunState,
        found: &mut Found,
        say: Say<'_>,
    ) -> Result<(), MirrorError> {
        let steps = self.steps(&self.wanted(state), found);
        let subjects = steps.iter().filter_map(|step| match step {
            Step::Close(subject, _) | Step::Reopen(subject) => Some(*subject),
            _ => None,
        });
        let subjects: Vec<Subject> = subjects.collect();
        if subjects.is_empty() {
            return Ok(());
        }
        let states = self.call(state, say, &|reader| reader.states(found, &subjects))?;
        for (subject, is_closed, reason) in states {
            let issue = found.issues.entry(subject).or_default();
            (issue.is_closed, issue.reason) = (is_closed, reason);
        }
        Ok(())
    }

    /// Reads something, again after a failure that may pass.
    fn call<T>(
        &mut self,
        state: &RunState,
        say: Say<'_>,
        read: &dyn Fn(&Reader<'_>) -> Result<T, MirrorError>,
    ) -> Result<T, MirrorError> {
        let title = project_title(state, &self.secrets);
        let since = since(state).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let own_comments: HashSet<String> = self.record.comments.values().cloned().collect();
        let mut failures = 0;
        loop {
            let result = read(&Reader {
                graphql: self.graphql,
                repository: &self.repository,
                run: &state.run,
                since: &since,
                project_title: &title,
                replaces_closed: self.replaces_closed,
                record: &self.record,
                own_comments: &own_comments,
            });
            match result {
                Err(MirrorError::GraphQl(error)) => {
                    self.wait(&state.run, error, &mut failures, say)?;
                }
                result => return result,
            }
        }
    }

    /// Lists what is to be done, without what GitHub has refused.
    pub fn steps(&self, wanted: &Wanted, found: &Found) -> Vec<Step> {
        let mut steps = steps(wanted, found, &self.record);
        steps.retain(|step| {
            self.failures
                .get(&step.key())
                .is_none_or(|count| *count < 2)
        });
        steps
    }

    /// Does what the run wants, and keeps `found` up to date.
    ///
    /// # Errors
    /// When GitHub fails for good, or the record cannot be written. What was done is recorded.
    pub fn carry_out(
        &mut self,
        state: &RunState,
        found: &mut Found,
        say: Say<'_>,
    ) -> Result<(), MirrorError> {
        let wanted = self.wanted(state);
        self.carry_out_steps(state, found, say, &|mirror, found| {
            mirror.steps(&wanted, found)
        })?;
        let open = steps(&wanted, found, &self.record);
        for issue in &wanted.issues {
            let is_there = found.issues.contains_key(&issue.subject);
            if is_there && !open.iter().any(|step| step.shows() == Some(issue.subject)) {
                self.settle(issue, found);
            }
        }
        Ok(self.record.save(self.repo, &state.run)?)
    }

    /// Does the steps that `plan` lists, again and again until it lists none.
    ///
    /// # Errors
    /// When GitHub fails for good, or the record cannot be written. What was done is recorded.
    pub fn carry_out_steps(
        &mut self,
        state: &RunState,
        found: &mut Found,
        say: Say<'_>,
        plan: &dyn Fn(&Self, &Found) -> Vec<Step>,
    ) -> Result<(), MirrorError> {
        let mut failures = 0;
        loop {
            let steps = plan(self, found);
            let chosen = choose(&steps, found);
            if chosen.is_empty() {
                return Ok(());
            }
            let content = chosen.iter().filter(|step| step.is_content()).count();
            let delay = self.pace.delay(content);
            match delay > SHORT_PAUSE {
                true => {
                    let why = "GitHub allows no more new issues and comments at once".to_owned();
                    self.pause(&state.run, delay, why, say)?;
                }
                false => self.pace.pause(delay),
            }
            self.pace.count(content);
            self.expect_closed(&chosen, state)?;
            match self.send(&chosen, found) {
                Ok(answer) => {
                    failures = 0;
                    let is_stale = self.apply(&chosen, &answer, found, say)?;
                    remember(&mut self.record, found);
                    self.record.save(self.repo, &state.run)?;
                    say(Progress::Left(plan(self, found).len()));
                    if !is_stale {
                        continue;
                    }
                }
                Err(error) => self.wait(&state.run, error, &mut failures, say)?,
            }
            // The request may have had its effect, or someone has changed what it was based on.
            let made = match found.made.is_empty() {
                true => Vec::new(),
                false => self.made_projects(state, say)?,
            };
            *found = Found {
                made,
                ..self.read(state, say)?
            };
        }
    }

    /// Remembers that the issues are closed by dispatch, before they are: the answer may get lost.
    fn expect_closed(&mut self, steps: &[Step], state: &RunState) -> Result<(), MirrorError> {
        let closed = steps.iter().filter_map(|step| match step {
            Step::Close(subject, _) => Some(key(*subject)),
            _ => None,
        });
        let before = self.record.closed.len();
        self.record.closed.extend(closed);
        match self.record.closed.len() > before {
            true => Ok(self.record.save(self.repo, &state.run)?),
            false => Ok(()),
        }
    }

    fn send(&self, steps: &[Step], found: &Found) -> Result<Answer, GraphQlError> {
        let id = |object: Object| {
            let id = found.id(object).unwrap_or_default();
            Argument::Known(Value::String(id.to_owned()))
        };
        let operations: Vec<_> = steps
            .iter()
            .map(|step| mutation(step, &found.repository, &id))
            .collect();
        let (document, variables) = batch(&operations);
        let answer = self.graphql.call(&document, &variables)?;
        let too_fast = |message: &str| message.contains("submitted too quickly");
        let is_limit = answer.refusals.iter().find(|one| too_fast(&one.message));
        match is_limit {
            Some(refusal) if answer.refusals.len() == steps.len() => {
                Err(GraphQlError::RateLimited {
                    wait: TOO_FAST,
                    message: refusal.message.clone(),
                })
            }
            _ => Ok(answer),
        }
    }

    /// Notes what was done. Returns `true` if GitHub has to be read again, because it refused something.
    fn apply(
        &mut self,
        steps: &[Step],
        answer: &Answer,
        found: &mut Found,
        say: Say<'_>,
    ) -> Result<bool, MirrorError> {
        let mut is_stale = false;
        for (at, step) in steps.iter().enumerate() {
            let alias = alias(at);
            let of_step = answer
                .refusals
                .iter()
                .find(|refusal| refusal.at.as_deref() == Some(&alias));
            let data = &answer.data[&alias];
            match of_step {
                None if !data.is_null() => {
                    self.record.done.extend(once(step, found));
                    note(step, found, data);
                }
                refusal => {
                    is_stale = true;
                    let kind = refusal.map_or("", |refusal| refusal.kind.as_str());
                    let message = refusal.map_or("no reason given", |one| one.message.as_str());
                    if kind == "FORBIDDEN" {
                        return Err(GraphQlError::Forbidden(message.to_owned()).into());
                    }
                    let count = self.failures.entry(step.key()).or_default();
                    *count += 1;
                    if *count == 2 {
                        say(Progress::Refused(format!("{}: {message}", step.words())));
                    }
                }
            }
        }
        Ok(is_stale)
    }

    /// Waits after a failure that may pass.
    fn wait(
        &mut self,
        run: &RunId,
        error: GraphQlError,
        failures: &mut u32,
        say: Say<'_>,
    ) -> Result<(), MirrorError> {
        *failures += 1;
        let wait = match &error {
            GraphQlError::RateLimited { wait, .. } => *wait,
            _ => Duration::from_secs(1 << (*failures).min(6)),
        };
        let longest = match self.is_alone {
            true => LONGEST_WAIT_ALONE,
            false => LONGEST_WAIT,
        };
        if !error.is_transient() || *failures >= TRIES || wait > longest {
            return Err(error.into());
        }
        self.pause(run, wait, error.to_string(), say)
    }

    /// Waits, and keeps the reason for those who ask meanwhile.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn pause(
        &mut self,
        run: &RunId,
        wait: Duration,
        why: String,
        say: Say<'_>,
    ) -> Result<(), MirrorError> {
        let until = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        let until = Timestamp::now().checked_add(until);
        let until = until.unwrap_or(Timestamp::MAX);
        let message = Progress::Waiting(wait, why.clone());
        if self.has_lock {
            keep_wait(self.repo, run, Some(Wait { until, why }))?;
        }
        say(message);
        self.pace.pause(wait);
        match self.has_lock {
            true => Ok(keep_wait(self.repo, run, None)?),
            false => Ok(()),
        }
    }

    /// Remembers what is shown of a run or task.
    fn settle(&mut self, issue: &WantedIssue, found: &Found) {
        let name = key(issue.subject);
        let there = found.issues.get(&issue.subject);
        let priority = there.and_then(|there| there.priority).unwrap_or(0);
        // What people set there is theirs until it is taken over.
        if priority == issue.priority && self.project.is_some() && issue.subject != Subject::Run {
            self.record.priorities.insert(name.clone(), priority);
        }
        self.record
            .columns
            .insert(name, issue.column.name().to_owned());
    }
}

/// Chooses the steps of the next request: those whose objects are there, up to the limits.
fn choose(steps: &[Step], found: &Found) -> Vec<Step> {
    let is_ready = |step: &&Step| {
        step.needs()
            .iter()
            .all(|object| found.ids.contains_key(object))
    };
    let mut content = 0;
    let mut chosen = Vec::new();
    for step in steps.iter().filter(is_ready) {
        let is_content = step.is_content();
        if chosen.len() == MOST || (is_content && content == MOST_CONTENT) {
            break;
        }
        content += usize::from(is_content);
        chosen.push(step.clone());
    }
    chosen
}
