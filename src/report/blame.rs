//! Views of the lines of a file with the tasks that wrote them: `dispatch blame`.

use serde_json::{Value, json};

use crate::base::table::table;
use crate::base::text::{one_line, terminal_safe};
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::ids::{AttemptNumber, TaskNumber};
use crate::model::plan::Task;
use crate::model::run::RunState;
use crate::model::usage::Cost;
use crate::report::words::minute;

/// The name of the user in the place of a worker.
const BY_HAND: &str = "by hand";

/// A line of a file with the task that wrote it.
#[derive(Clone, PartialEq, Debug)]
pub struct CreditedLine {
    /// The number of the line, from 1.
    pub number: usize,
    /// The line without its end.
    pub text: String,
    /// Its origin.
    pub origin: Origin,
}

/// The origin of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The line is not committed.
    Uncommitted,
    /// A task of a run wrote it, in this commit.
    Task(Oid, Credit),
    /// It is of a board that dispatch committed for the run of this number among those that were searched.
    Board(Oid, usize),
    /// The history of a shallow clone ends at this commit, so an earlier one may have written it.
    Shallow(Oid),
    /// A commit of no run wrote it.
    Other(Oid),
}

impl Origin {
    fn commit(&self) -> Option<Oid> {
        match self {
            Origin::Uncommitted => None,
            Origin::Task(commit, _)
            | Origin::Board(commit, _)
            | Origin::Shallow(commit)
            | Origin::Other(commit) => Some(*commit),
        }
    }

    /// Returns the task, if a run wrote the line.
    pub fn credit(&self) -> Option<&Credit> {
        match self {
            Origin::Task(_, credit) => Some(credit),
            _ => None,
        }
    }

    /// Returns the word in JSON.
    fn word(&self) -> &'static str {
        match self {
            Origin::Uncommitted => "uncommitted",
            Origin::Task(..) => "task",
            Origin::Board(..) => "board",
            Origin::Shallow(_) => "shallow",
            Origin::Other(_) => "other",
        }
    }
}

/// A task that wrote a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credit {
    /// The number of the run among those that were searched.
    pub run: usize,
    /// The task.
    pub task: TaskNumber,
    /// The attempt that made the change; none where the user made it while resolving a conflict.
    pub attempt: Option<AttemptNumber>,
    /// The link between the commit and the task.
    pub link: Link,
}

/// The link between the commit of a line and a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Link {
    /// The commit is one of the task's own.
    Own,
    /// The commit is the one on the integration branch that brings the task in.
    Assembled,
    /// The commit makes the same change as one of the task's: a rebase, a squash or a cherry-pick.
    SameChange,
    /// The commit brings in the whole run at once, and in that the line is the task's.
    WholeRun,
}

impl Link {
    /// Returns the word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Link::Own => "own-commit",
            Link::Assembled => "assembled",
            Link::SameChange => "same-change",
            Link::WholeRun => "whole-run",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Link::Own => "the task's own",
            Link::Assembled => "made by the assembly",
            Link::SameChange => "the same change as the task's, rebased, squashed or picked",
            Link::WholeRun => "the whole run in one commit",
        }
    }
}

/// The attempt, the prompt and the cost behind a credit.
struct Author<'a> {
    state: &'a RunState,
    task: &'a Task,
    attempt: Option<&'a Attempt>,
}

impl<'a> Author<'a> {
    fn of(credit: &Credit, runs: &'a [RunState]) -> Option<Author<'a>> {
        let state = runs.get(credit.run)?;
        Some(Author {
            state,
            task: state.plan.task(credit.task),
            attempt: credit
                .attempt
                .and_then(|number| state.task(credit.task).attempt(number)),
        })
    }

    /// Returns what the worker was given, with its name: the command, or the prompt of the user, else of
    /// the plan.
    fn prompt(&self) -> (&'static str, &'a str) {
        if let Some(command) = &self.task.fields.run {
            return ("command", command);
        }
        let rewritten = self
            .state
            .task(self.task.number)
            .rewritten_prompt
            .as_deref();
        ("prompt", rewritten.unwrap_or(self.task.text()))
    }

    /// Returns the attempt, unless the user made the change.
    fn worker(&self) -> Option<&'a Attempt> {
        self.attempt.filter(|attempt| !attempt.by_hand)
    }

    fn cost(&self) -> Cost {
        let outcome = self.attempt.and_then(|attempt| attempt.outcome.as_ref());
        outcome.map_or(Cost::Unknown, |outcome| outcome.cost)
    }
}

/// Renders the lines as columns: number, task, worker, run, text.
pub fn render_lines(lines: &[CreditedLine], runs: &[RunState], columns: usize) -> String {
    let row = |line: &CreditedLine| {
        let [task, worker, run] = cells(&line.origin, runs);
        let text = line.text.trim_end_matches('\r');
        let text = terminal_safe(text).replace('\t', "    ");
        [line.number.to_string(), task, worker, run, text]
    };
    table(&lines.iter().map(row).collect::<Vec<_>>(), columns)
}

/// Renders task, worker and run of an origin.
fn cells(origin: &Origin, runs: &[RunState]) -> [String; 3] {
    if let Some(author) = origin.credit().and_then(|credit| Author::of(credit, runs)) {
        let worker = author.worker();
        return [
            format!("{} {}", author.task.number, one_line(&author.task.tag)),
            worker.map_or_else(|| BY_HAND.to_owned(), |attempt| one_line(&attempt.worker)),
            author.state.run.to_string(),
        ];
    }
    let name = |run: usize| runs.get(run).map(|state| state.run.to_string());
    match origin {
        Origin::Board(_, run) => [
            "board".to_owned(),
            String::new(),
            name(*run).unwrap_or_default(),
        ],
        // As git does.
        Origin::Shallow(commit) => [format!("^{}", commit.short()), String::new(), String::new()],
        other => {
            let commit = other.commit().map(|commit| commit.short());
            let commit = commit.unwrap_or_else(|| "not committed".to_owned());
            [commit, String::new(), String::new()]
        }
    }
}

/// Masks the secrets in what the worker of a run was given.
pub type Mask<'a> = &'a dyn Fn(&Credit, &str) -> String;

/// Renders everything about one line; every line of the text ends in a line end.
pub fn render_line(
    path: &RepoPath,
    line: &CreditedLine,
    runs: &[RunState],
    mask: Mask<'_>,
) -> String {
    let mut text = format!("{path}:{}  {}\n", line.number, line.text.trim());
    let mut field = |name: &str, value: String| {
        text.push_str(&format!("  {name:<8} {}\n", one_line(&value)));
    };
    let author = line
        .origin
        .credit()
        .and_then(|credit| Author::of(credit, runs));
    let (Some(author), Origin::Task(commit, credit)) = (author, &line.origin) else {
        let (words, more) = unknown(&line.origin, runs);
        field("commit", words);
        if let Some(command) = more {
            field("more", command);
        }
        return terminal_safe(&text);
    };
    let Author { state, task, .. } = author;
    field(
        "task",
        format!("{} {}: {}", task.number, task.tag, task.title),
    );
    field(
        "run",
        format!(
            "{}, {}, {}",
            state.run,
            state.plan.title(),
            minute(state.started)
        ),
    );
    let cost = match author.cost() {
        Cost::Known(dollars) => format!(", ${dollars:.2}"),
        Cost::Unknown => String::new(),
    };
    let made = match (author.worker(), author.attempt) {
        (Some(attempt), _) => format!("{} by {}{cost}", attempt.number, attempt.worker),
        (None, Some(attempt)) => format!("{}, made {BY_HAND}", attempt.number),
        (None, None) => format!("none: the line was written {BY_HAND}, to resolve a conflict"),
    };
    field("attempt", made);
    field(
        "commit",
        format!("{} ({})", commit.short(), credit.link.sentence()),
    );
    let (name, given) = author.prompt();
    field(name, mask(credit, given));
    let shown = format!("dispatch show {} {}", state.run, task.number.0);
    field("more", shown);
    terminal_safe(&text)
}

/// Says where a line comes from that no task wrote, with a command that shows more.
fn unknown(origin: &Origin, runs: &[RunState]) -> (String, Option<String>) {
    let shown = |commit: &Oid| Some(format!("git show {}", commit.short()));
    match origin {
        Origin::Uncommitted => ("none: the line is not committed".to_owned(), None),
        Origin::Board(commit, run) => {
            let of = runs.get(*run).map(|state| format!(" of {}", state.run));
            let of = of.unwrap_or_default();
            let words = format!(
                "{}, a board{of} that dispatch committed; no task wrote it",
                commit.short()
            );
            (
                words,
                runs.get(*run)
                    .map(|state| format!("dispatch log {}", state.run)),
            )
        }
        Origin::Shallow(commit) => {
            let commit = commit.short();
            let words =
                format!("{commit} or an older one: the history of this shallow clone ends there");
            (words, Some("git fetch --unshallow".to_owned()))
        }
        Origin::Task(commit, _) | Origin::Other(commit) => (
            format!("{}, of no run in this repository", commit.short()),
            shown(commit),
        ),
    }
}

/// Renders the lines as JSON.
pub fn value(path: &RepoPath, lines: &[CreditedLine], runs: &[RunState], mask: Mask<'_>) -> Value {
    let line = |line: &CreditedLine| {
        let author = line
            .origin
            .credit()
            .and_then(|credit| Author::of(credit, runs));
        let credit = author.zip(line.origin.credit()).map(|(author, credit)| {
            let cost: Option<f64> = author.cost().into();
            json!({
                "run": author.state.run.as_str(),
                "task": author.task.number.0,
                "tag": author.task.tag,
                "title": author.task.title,
                "attempt": author.attempt.map(|attempt| attempt.number),
                "worker": author.worker().map(|attempt| attempt.worker.as_str()),
                "by_hand": author.worker().is_none(),
                "cost": cost,
                "command": author.task.fields.run.as_ref().map(|command| mask(credit, command)),
                "prompt": Some(author.prompt())
                    .filter(|(name, _)| *name == "prompt")
                    .map(|found| mask(credit, found.1)),
                "link": credit.link.word(),
            })
        });
        json!({
            "line": line.number,
            "text": line.text,
            "commit": line.origin.commit().map(|commit| commit.to_string()),
            "origin": line.origin.word(),
            "by": credit,
        })
    };
    let lines: Vec<Value> = lines.iter().map(line).collect();
    json!({"version": 1, "path": path.to_string(), "lines": lines})
}
