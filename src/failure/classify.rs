//! Classifies a failed attempt by its evidence, the most reliable first.
//!
//! The order: facts dispatch observed, the worker's own report, the events of its output, the state
//! of the work, the exit code by the agent's and then by its general meaning, and known texts in
//! the last lines of the output. The whole output is never searched: a passing test may print "rate
//! limit".

use jiff::Timestamp;

use crate::base::clock::render_duration;
use crate::base::markdown::plain_line;
use crate::base::text::plural;
use crate::failure::evidence::{Classification, Evidence, Fact};
use crate::failure::excerpt::last_lines;
use crate::failure::exit_status::Exit;
use crate::failure::patterns::Patterns;
use crate::failure::reset_time::reset_time;
use crate::failure::signature::signature;
use crate::failure::{agent_exit, excerpt, exit_status};
use crate::model::failure::{Failure, FailureClass};
use crate::model::scope::undeclared_sentence;
use crate::model::worker_report::WorkerError;

/// The number of last lines searched for known texts.
const SEARCHED_LINES: usize = 6;

/// The number of last lines in the signature.
const SIGNED_LINES: usize = 3;

/// The maximum length of a message, in characters.
const MESSAGE_LIMIT: usize = 200;

/// Classifies a failed attempt with the compiled-in patterns.
pub fn classify(evidence: &Evidence) -> Failure {
    classify_with(evidence, Patterns::compiled_in())
}

/// Classifies a failed attempt with the given patterns.
pub fn classify_with(evidence: &Evidence, patterns: &Patterns) -> Failure {
    let lines = last_lines(&evidence.tail, SEARCHED_LINES);
    let hard = evidence
        .facts
        .iter()
        .filter_map(hard_fact)
        .min_by_key(|(rank, _)| *rank);
    let is_hard = hard.is_some();
    let finding = hard
        .map(|(_, finding)| finding)
        .or_else(|| own_account(evidence, patterns))
        .or_else(|| agent_exit::from_stream(evidence.stream.as_ref()?, patterns))
        .or_else(|| evidence.facts.iter().find_map(fact_about_the_work))
        .or_else(|| agent_exit::from_exit(evidence, &lines, patterns))
        .or_else(|| {
            evidence
                .exit
                .and_then(exit_status::meaningful_exit)
                .map(from_exit)
        })
        .or_else(|| known_text(&lines, patterns))
        .or_else(|| agent_exit::from_broken_stream(evidence))
        .or_else(|| {
            evidence
                .facts
                .contains(&Fact::NoChange)
                .then(|| no_change(evidence))
        })
        .unwrap_or_else(|| nothing_known(evidence.exit));
    let message = message(evidence, &finding, is_hard, &lines);
    Failure {
        class: finding.class,
        kind: None,
        access_denied: !is_hard && is_access_denied(evidence, finding.class),
        rate_limited: !is_hard && is_rate_limited(evidence, finding.class, &message, patterns),
        reset_at: reset_at(evidence, finding.class, &message),
        message,
        root_cause: root_cause(evidence),
        suggestion: own_words(evidence, |error| &error.suggestion),
        signature: sign(evidence, &finding, is_hard, &lines),
        evidence: finding.evidence,
    }
}

/// Classifies facts that outrank all other evidence; the lowest rank is the first cause.
fn hard_fact(fact: &Fact) -> Option<(u8, Classification)> {
    let found = |rank, class, evidence: &str, message: String| {
        let evidence = evidence.to_owned();
        let message = Some(message);
        Some((
            rank,
            Classification {
                class,
                evidence,
                message,
            },
        ))
    };
    match fact {
        Fact::Stopped => found(
            1,
            FailureClass::Interrupted,
            "stopped by dispatch",
            "interrupted with the run".into(),
        ),
        Fact::CouldNotStart(error) => found(
            3,
            FailureClass::Blocker,
            "the worker could not be started",
            format!("could not start the worker: {error}"),
        ),
        Fact::TimedOut(limit) => found(
            4,
            FailureClass::Transient,
            &format!("time limit of {}", render_duration(*limit)),
            format!("timed out after {}", render_duration(*limit)),
        ),
        Fact::Stalled(limit) => found(
            5,
            FailureClass::Transient,
            &format!("stall limit of {}", render_duration(*limit)),
            format!("no output for {}", render_duration(*limit)),
        ),
        Fact::OutOfTurns(most) => found(
            6,
            FailureClass::Logic,
            &format!("limit of {}", plural(*most as usize, "turn")),
            format!(
                "stopped after {}, its limit",
                plural(*most as usize, "turn")
            ),
        ),
        Fact::OutOfBudget(most) => found(
            7,
            FailureClass::Logic,
            &format!("limit of {most}"),
            format!("stopped because it cost more than {most}"),
        ),
        Fact::OutOfDisk { used, limit } => found(
            8,
            FailureClass::Logic,
            &format!("disk limit of {limit}"),
            format!("stopped because its worktree took {used}; `[limits] disk` is {limit}"),
        ),
        _ => None,
    }
}

fn own_account(evidence: &Evidence, patterns: &Patterns) -> Option<Classification> {
    let word = evidence.error.as_ref()?.class.as_deref()?;
    Some(Classification {
        class: patterns.class_of_name(word)?,
        evidence: format!("the worker's report: {}", plain_line(word, 40)),
        message: None,
    })
}

fn fact_about_the_work(fact: &Fact) -> Option<Classification> {
    let (evidence, message) = match fact {
        Fact::BaseLost => (
            "the history of the work",
            "the work does not contain the commit it started from; it is kept".to_owned(),
        ),
        Fact::UnfinishedMerge => (
            "the state of the worktree",
            "a merge or rebase was left unfinished; the work is kept".to_owned(),
        ),
        Fact::EmbeddedRepository(path) => (
            "the content of the worktree",
            format!(
                "{path} is a nested repository, whose content git would drop: remove {path}/.git to \
                 keep its files, add {path} to .gitignore, or declare it as a submodule"
            ),
        ),
        Fact::StashCrossed(how) => (
            "the stash, which all worktrees share",
            format!("{how}: all worktrees share `git stash`; commit on the branch instead"),
        ),
        Fact::SubmoduleNotKept(why) => ("the commits of a submodule", why.clone()),
        Fact::ChangedOutside(what) => (
            "the repository outside its worktree",
            format!(
                "changed outside its worktree while it ran: {}",
                what.join(", ")
            ),
        ),
        Fact::OutsideFiles(paths) => ("the files it declares", undeclared_sentence(paths)),
        Fact::CheckFailed { command, .. } => {
            ("a failed check", format!("check `{command}` failed"))
        }
        _ => return None,
    };
    Some(Classification {
        class: FailureClass::Logic,
        evidence: evidence.to_owned(),
        message: Some(message),
    })
}

fn from_exit((class, evidence): (FailureClass, String)) -> Classification {
    Classification {
        class,
        evidence,
        message: None,
    }
}

fn known_text(lines: &[String], patterns: &Patterns) -> Option<Classification> {
    let (text, class) = patterns.find(lines)?;
    let stands = |line: &&String| line.to_lowercase().contains(text);
    Some(Classification {
        class,
        evidence: format!("output with {text:?}"),
        message: lines.iter().rev().find(stands).cloned(),
    })
}

/// Classifies an attempt without a change; anything that hindered the agent is the cause.
fn no_change(evidence: &Evidence) -> Classification {
    let stream = evidence.stream.as_ref();
    if let Some(hindrance) = stream.and_then(|stream| stream.hindrances.first()) {
        return Classification {
            class: FailureClass::Blocker,
            evidence: "no change in the worktree, and the agent was refused".to_owned(),
            message: Some(format!(
                "no change, because the agent was refused: {hindrance}"
            )),
        };
    }
    // An agent may ignore a refusal of its sandbox silently.
    let read_only = evidence.facts.iter().find_map(|fact| match fact {
        Fact::ReadOnly(option) => Some(option),
        _ => None,
    });
    if let Some(option) = read_only {
        return Classification {
            class: FailureClass::Blocker,
            evidence: "no change in the worktree, and the command of its worker".to_owned(),
            message: Some(format!(
                "no change: the worker's command has `{option}`, so the agent may not write"
            )),
        };
    }
    Classification {
        class: FailureClass::Logic,
        evidence: "no change in the worktree".to_owned(),
        message: Some("no change".to_owned()),
    }
}

/// Returns the reset time of a limit: the timestamp in the output, else one parsed from its text.
fn reset_at(evidence: &Evidence, class: FailureClass, message: &str) -> Option<Timestamp> {
    if !matches!(class, FailureClass::Quota | FailureClass::Transient) {
        return None;
    }
    let stream = evidence.stream.as_ref();
    let error = stream.and_then(|stream| stream.error.as_ref());
    let named = error.and_then(|error| error.reset_at);
    named.or_else(|| reset_time(message, evidence.now.as_ref()?))
}

/// Returns `true` if the provider limited the rate of requests.
fn is_rate_limited(
    evidence: &Evidence,
    class: FailureClass,
    message: &str,
    patterns: &Patterns,
) -> bool {
    let error = evidence.stream.as_ref().and_then(|s| s.error.as_ref());
    let by_status = error
        .and_then(|error| error.status)
        .map(|status| matches!(status, 429 | 529));
    let kind = error
        .and_then(|error| error.kind.as_deref())
        .unwrap_or_default();
    let own = evidence
        .error
        .as_ref()
        .and_then(|error| error.class.as_deref());
    let words = [message, kind, own.unwrap_or_default()];
    class == FailureClass::Transient
        && by_status.unwrap_or_else(|| words.iter().any(|words| patterns.is_rate_limit(words)))
}

/// Returns `true` if the provider refused access, as opposed to the agent's own permissions.
fn is_access_denied(evidence: &Evidence, class: FailureClass) -> bool {
    let stream = evidence.stream.as_ref();
    let is_refused =
        stream.is_some_and(|stream| stream.error.is_some() && stream.refusals.is_empty());
    class == FailureClass::Blocker && evidence.error.is_none() && is_refused
}

fn nothing_known(exit: Option<Exit>) -> Classification {
    Classification {
        class: FailureClass::Logic,
        evidence: exit.map_or_else(|| "no exit status".to_owned(), exit_status::exit_text),
        message: None,
    }
}

/// Returns the message: the worker's, the finding's, the last line of output, or the evidence.
///
/// Facts that dispatch observed outrank the worker's message.
fn message(
    evidence: &Evidence,
    finding: &Classification,
    is_hard: bool,
    lines: &[String],
) -> String {
    let own = own_words(evidence, |error| &error.message).filter(|_| !is_hard);
    let text = own
        .or_else(|| finding.message.clone())
        .or_else(|| lines.last().cloned())
        .unwrap_or_else(|| finding.evidence.clone());
    plain_line(&text, MESSAGE_LIMIT)
}

fn root_cause(evidence: &Evidence) -> Option<String> {
    own_words(evidence, |error| &error.root_cause).or_else(|| {
        let tails = evidence.facts.iter().filter_map(|fact| match fact {
            Fact::CheckFailed { tail, .. } => Some(excerpt::lines(tail, 12).join("\n")),
            _ => None,
        });
        tails.into_iter().find(|tail| !tail.is_empty())
    })
}

fn own_words(evidence: &Evidence, which: fn(&WorkerError) -> &Option<String>) -> Option<String> {
    let words = which(evidence.error.as_ref()?).as_deref()?.trim();
    (!words.is_empty()).then(|| words.to_owned())
}

/// Computes the signature; without the last lines if dispatch killed the worker, as they are
/// accidental.
fn sign(evidence: &Evidence, finding: &Classification, is_hard: bool, lines: &[String]) -> String {
    let exit = evidence
        .exit
        .map(exit_status::exit_text)
        .unwrap_or_default();
    if is_hard {
        return signature(finding.class, &finding.evidence, &[], &[]);
    }
    let mut failing = Vec::new();
    let stream = evidence.stream.as_ref();
    let error = stream.and_then(|stream| stream.error.as_ref());
    let mut said: Vec<String> = own_words(evidence, |error| &error.message)
        .or_else(|| error.map(|error| error.message.clone()))
        .into_iter()
        .collect();
    said.extend(
        stream
            .into_iter()
            .flat_map(|stream| stream.refusals.clone()),
    );
    for fact in &evidence.facts {
        if let Fact::CheckFailed { command, tail } = fact {
            failing.push(command.clone());
            said.extend(last_lines(tail, SIGNED_LINES));
        }
    }
    if said.is_empty() {
        said.extend_from_slice(&lines[lines.len().saturating_sub(SIGNED_LINES)..]);
    }
    signature(finding.class, &exit, &said, &failing)
}

#[cfg(test)]
mod tests;
