//! Renders the board as JSON: `dispatch board --json`, `dispatch status --json`.

use serde::Serialize;
use serde_json::Value;

use crate::base::text::shell_word;
use crate::merge::verdict::{LineRange, Unit, Verdict};
use crate::model::ids::{TaskNumber, VariantNumber};
use crate::model::integration::{
    BaseComparison, CheckOutcome, CheckResult, Culprit, Integration, Landing, LeftOut,
    LeftOutReason,
};
use crate::model::pull_request::PullRequest;
use crate::model::resolution::{FailedStrategy, Resolution};
use crate::model::status::Status;
use crate::model::usage::{Cost, Usage};
use crate::model::worker_health::Parking;
use crate::report::board::view::{BoardView, ConflictRow, TaskRow};

/// The version of the format; a breaking change raises it.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Board<'a> {
    version: u32,
    run: &'a str,
    title: &'a str,
    base: String,
    base_name: &'a str,
    target: Option<&'a str>,
    state: &'static str,
    started: String,
    updated: String,
    tasks: Vec<Task<'a>>,
    integration: Option<Assembled<'a>>,
    conflicts: Conflicts<'a>,
    landed: Option<Landed<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undone_landing: Option<Landed<'a>>,
    #[serde(skip_serializing_if = "<[PullRequest]>::is_empty")]
    pull_requests: &'a [PullRequest],
    usage: Option<Usage>,
    cost: Cost,
    parked: Vec<Parked<'a>>,
    notices: &'a [String],
}

/// A parked worker.
#[derive(Serialize)]
struct Parked<'a> {
    worker: &'a str,
    until: String,
    reason: &'a str,
    task: u32,
}

#[derive(Serialize)]
struct Task<'a> {
    number: u32,
    tag: &'a str,
    title: &'a str,
    worker: Option<&'a str>,
    status: &'static str,
    blocked_by: Vec<u32>,
    attempts: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<VariantNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variants: Option<VariantNumber>,
    class: Option<&'static str>,
    note: &'a str,
    /// `true` if it passed with the same tree it failed with.
    flaky: bool,
    /// The changes outside its worktree while it ran.
    outside_changes: &'a [String],
    branch: Option<&'a str>,
    candidate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    newer_commits: Option<Newer>,
    worktree: Option<&'a str>,
    usage: Option<Usage>,
    cost: Cost,
}

/// Commits by hand that the candidate does not contain.
#[derive(Serialize)]
struct Newer {
    count: usize,
    tip: String,
}

#[derive(Serialize)]
struct Assembled<'a> {
    branch: &'a str,
    tip: Option<String>,
    merged: Vec<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resolved: Vec<ResolvedConflict>,
    left_out: Vec<Left>,
    checks: Vec<Check<'a>>,
    culprits: Vec<CulpritJson<'a>>,
    check_runs: usize,
}

/// A task that was left out because it breaks a check.
#[derive(Serialize)]
pub(crate) struct CulpritJson<'a> {
    task: u32,
    with: Vec<u32>,
    command: &'a str,
    result: &'static str,
    /// `true` if the check reached its time limit.
    timed_out: bool,
    tests: &'a [String],
}

#[derive(Serialize)]
struct Left {
    task: u32,
    reason: &'static str,
    class: Option<&'static str>,
    with: Vec<u32>,
    paths: Vec<String>,
    /// The strategies that failed to resolve a conflict, with reasons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_strategies: Vec<FailedStrategy>,
}

/// A conflict of a task that was resolved during assembly.
#[derive(Serialize)]
pub(crate) struct ResolvedConflict {
    task: u32,
    class: &'static str,
    paths: Vec<String>,
    strategy: &'static str,
    how: String,
}

#[derive(Serialize)]
struct Check<'a> {
    command: &'a str,
    result: &'static str,
    millis: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    against_base: Option<BaseComparison>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    flaky: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    failed_tests: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    fixed_tests: &'a [String],
}

#[derive(Serialize)]
struct Landed<'a> {
    target: &'a str,
    from: String,
    to: String,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<&'a str>,
}

fn landed(landing: &Landing) -> Landed<'_> {
    Landed {
        target: &landing.target,
        from: landing.from.to_string(),
        to: landing.to.to_string(),
        at: landing.at.to_string(),
        backup: landing.backup.as_deref(),
    }
}

/// The object of `dispatch conflicts --json`, as far as the journal has its facts.
#[derive(Serialize)]
struct Conflicts<'a> {
    version: u32,
    base: String,
    branches: Vec<Branch<'a>>,
    pairs_total: usize,
    /// Not journalled, so always `null` here; `dispatch conflicts --json` counts them.
    pairs_independent: Option<usize>,
    /// Always 0: a board runs no merges.
    merges_run: usize,
    pairs: Vec<Pair<'a>>,
    multiway: Vec<MultiwayConflict<'a>>,
    speculative: Vec<Speculative<'a>>,
}

/// A conflict of running tasks.
#[derive(Serialize)]
struct Speculative<'a> {
    since: String,
    #[serde(flatten)]
    pair: Pair<'a>,
}

#[derive(Serialize)]
struct Branch<'a> {
    name: &'a str,
    tip: String,
}

#[derive(Serialize)]
struct Pair<'a> {
    a: &'a str,
    b: &'a str,
    tasks: [u32; 2],
    /// The verdict of git's merge.
    verdict: Verdict,
    /// `true` if it counts as a conflict.
    conflict: bool,
    /// The reason why it counts although git merges it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    class: &'static str,
    severity: u8,
    bases: Vec<String>,
    /// Always `null`: merged trees are not journalled; `command` prints it.
    tree: Option<String>,
    suggested: &'a str,
    inherited: bool,
    units: Vec<PairUnit>,
    /// The git command that reproduces the verdict, run in the top folder of the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
}

#[derive(Serialize)]
struct PairUnit {
    class: &'static str,
    paths: Vec<String>,
    hunks: Vec<PairHunk>,
}

#[derive(Serialize)]
struct PairHunk {
    class: &'static str,
    base: Lines,
    a: Lines,
    b: Lines,
}

#[derive(Serialize)]
struct Lines {
    start: u32,
    count: u32,
}

#[derive(Serialize)]
struct MultiwayConflict<'a> {
    branches: Vec<&'a str>,
    class: &'static str,
    paths: Vec<String>,
}

/// Renders the board as one versioned object.
pub fn value(view: &BoardView) -> Value {
    let integration = view.integration.as_ref();
    let board = Board {
        version: VERSION,
        run: view.run.as_str(),
        title: &view.title,
        base: view.base.to_string(),
        base_name: &view.base_label,
        target: view.target.as_deref(),
        state: view.standing.word(),
        started: view.started.to_string(),
        updated: view.updated.to_string(),
        tasks: view.tasks.iter().map(task).collect(),
        integration: integration.map(|integration| assembled(view, integration)),
        conflicts: conflicts(view),
        landed: view.landed.as_ref().map(landed),
        undone_landing: view.undone_landing.as_ref().map(landed),
        pull_requests: &view.pull_requests,
        usage: view.spending.and_then(|spending| spending.usage),
        cost: view
            .spending
            .map_or(Cost::Unknown, |spending| spending.cost),
        parked: view.parked.iter().map(parked).collect(),
        notices: &view.notices,
    };
    // Strings and numbers under string keys always have a JSON form.
    serde_json::to_value(board).unwrap_or_default()
}

fn parked((worker, parking): &(String, Parking)) -> Parked<'_> {
    Parked {
        worker,
        until: parking.until.to_string(),
        reason: &parking.reason,
        task: parking.task.0,
    }
}

fn task(row: &TaskRow) -> Task<'_> {
    Task {
        number: row.number.0,
        tag: &row.tag,
        title: &row.title,
        worker: row.worker.as_deref(),
        status: row.status.word(),
        blocked_by: match &row.status {
            Status::Blocked(by) => numbers(by),
            _ => Vec::new(),
        },
        attempts: row.attempts,
        variant: row.variant,
        variants: row.variants,
        class: row.class.map(|class| class.word()),
        note: &row.note,
        flaky: row.flaky,
        outside_changes: &row.outside_changes,
        branch: row.branch.as_deref(),
        candidate: row.candidate.map(|oid| oid.to_string()),
        newer_commits: row.newer_commits.map(|newer| Newer {
            count: newer.count,
            tip: newer.tip.to_string(),
        }),
        worktree: row.worktree.as_deref(),
        usage: row.spending.and_then(|spending| spending.usage),
        cost: row.spending.map_or(Cost::Unknown, |spending| spending.cost),
    }
}

fn assembled<'a>(view: &'a BoardView, integration: &'a Integration) -> Assembled<'a> {
    Assembled {
        branch: &view.integration_branch,
        tip: integration.tip.map(|tip| tip.to_string()),
        merged: integration.merged.iter().map(|m| m.task.0).collect(),
        resolved: integration.resolutions().iter().map(resolved).collect(),
        left_out: integration.left_out.iter().map(left).collect(),
        checks: integration.checks.iter().map(check).collect(),
        culprits: integration.culprits.iter().map(culprit).collect(),
        check_runs: integration.check_runs,
    }
}

pub(crate) fn culprit(culprit: &Culprit) -> CulpritJson<'_> {
    CulpritJson {
        task: culprit.task.0,
        with: numbers(&culprit.with),
        command: &culprit.command,
        result: "newly-failing",
        timed_out: culprit.timed_out,
        tests: &culprit.tests,
    }
}

pub(crate) fn reason(reason: &LeftOutReason) -> &'static str {
    match reason {
        LeftOutReason::Conflict { .. } => "conflict",
        LeftOutReason::BuiltOn { .. } => "built-on",
        LeftOutReason::ByUser => "by-user",
        LeftOutReason::FailedChecks { .. } => "failed-checks",
    }
}

fn left(out: &LeftOut) -> Left {
    let (class, with, files) = match &out.reason {
        LeftOutReason::Conflict {
            class, with, paths, ..
        } => (Some(class.name()), numbers(with), paths.as_slice()),
        LeftOutReason::BuiltOn { task } => (None, vec![task.0], [].as_slice()),
        LeftOutReason::ByUser => (None, Vec::new(), [].as_slice()),
        LeftOutReason::FailedChecks { with, .. } => (None, numbers(with), [].as_slice()),
    };
    Left {
        task: out.task.0,
        reason: reason(&out.reason),
        class,
        with,
        paths: files.iter().map(ToString::to_string).collect(),
        failed_strategies: match &out.reason {
            LeftOutReason::Conflict {
                failed_strategies, ..
            } => failed_strategies.clone(),
            _ => Vec::new(),
        },
    }
}

pub(crate) fn resolved((task, resolution): &(TaskNumber, Resolution)) -> ResolvedConflict {
    ResolvedConflict {
        task: task.0,
        class: resolution.class.name(),
        paths: resolution.paths.iter().map(ToString::to_string).collect(),
        strategy: resolution.by.strategy().name(),
        how: resolution.by.to_string(),
    }
}

fn check(check: &CheckResult) -> Check<'_> {
    Check {
        command: &check.command,
        result: check_name(check.result),
        millis: check.millis,
        against_base: check.against_base,
        flaky: check.flaky,
        failed_tests: &check.failed_tests,
        fixed_tests: &check.fixed_tests,
    }
}

/// Returns the outcome of a check as a word for JSON.
pub(crate) fn check_name(result: CheckOutcome) -> &'static str {
    match result {
        CheckOutcome::Passed => "passed",
        CheckOutcome::Failed => "failed",
        CheckOutcome::TimedOut => "timed-out",
        CheckOutcome::NotRun => "not-run",
    }
}

fn conflicts(view: &BoardView) -> Conflicts<'_> {
    let branches: Vec<_> = view.tasks.iter().filter_map(offered).collect();
    Conflicts {
        version: VERSION,
        base: view.base.to_string(),
        pairs_total: branches.len() * branches.len().saturating_sub(1) / 2,
        branches,
        pairs_independent: None,
        merges_run: 0,
        pairs: view.conflicts.iter().map(|row| pair(view, row)).collect(),
        multiway: multiway(view),
        speculative: view
            .speculative
            .iter()
            .map(|(row, since)| Speculative {
                since: since.to_string(),
                pair: pair(view, row),
            })
            .collect(),
    }
}

fn offered(row: &TaskRow) -> Option<Branch<'_>> {
    Some(Branch {
        name: row.branch.as_deref()?,
        tip: row.candidate?.to_string(),
    })
}

/// Returns the branch of a task, or its tag if it has no branch.
fn branch_name(view: &BoardView, number: TaskNumber) -> &str {
    let row = &view.tasks[number.index()];
    row.branch.as_deref().unwrap_or(&row.tag)
}

fn pair<'a>(view: &'a BoardView, row: &'a ConflictRow) -> Pair<'a> {
    let conflict = &row.conflict;
    Pair {
        a: branch_name(view, conflict.a),
        b: branch_name(view, conflict.b),
        tasks: [conflict.a.0, conflict.b.0],
        verdict: conflict.verdict(),
        conflict: conflict.class.is_conflict(),
        reason: conflict.class.counts_though_merged(),
        class: conflict.class.name(),
        severity: conflict.severity,
        bases: conflict.bases.iter().map(ToString::to_string).collect(),
        tree: None,
        suggested: &row.suggested,
        inherited: conflict.inherited,
        units: conflict.units.iter().map(unit).collect(),
        command: command(view, conflict.a, conflict.b),
    }
}

/// Builds the git command that reproduces a verdict.
///
/// A side is a candidate, or a temporary commit of the work in a worktree. That commit can be in the
/// worker's own object folder.
fn command(view: &BoardView, a: TaskNumber, b: TaskNumber) -> Option<String> {
    let side = |number: TaskNumber| {
        let row = &view.tasks[number.index()];
        match (row.candidate, &row.worktree) {
            (Some(candidate), _) => Some(candidate.to_string()),
            (None, Some(worktree)) => Some(format!(
                "\"$(cd {} && i=$(mktemp) && cp \"$(git rev-parse --git-path index)\" \"$i\" && \
                 export GIT_INDEX_FILE=\"$i\" && git add -A && \
                 git commit-tree -p HEAD -m work \"$(git write-tree)\")\"",
                shell_word(worktree)
            )),
            (None, None) => None,
        }
    };
    let sides = [a, b].map(|number| &view.tasks[number.index()]);
    let at_work = sides.iter().filter(|row| row.candidate.is_none());
    let folders = at_work.filter_map(|row| {
        let worktree = shell_word(row.worktree.as_ref()?);
        Some(format!(
            "$(git -C {worktree} rev-parse --path-format=absolute --git-path objects)"
        ))
    });
    let folders: Vec<String> = folders.collect();
    let objects = match folders.as_slice() {
        [] => String::new(),
        folders => {
            let folders = folders.join(":");
            format!("GIT_ALTERNATE_OBJECT_DIRECTORIES=\"{folders}\" ")
        }
    };
    let (a, b) = (side(a)?, side(b)?);
    let base = view.base;
    Some(format!(
        "{objects}GIT_ATTR_SOURCE={base} git merge-tree --write-tree {a} {b}"
    ))
}

fn unit(unit: &Unit) -> PairUnit {
    let hunks = unit.hunks.iter().map(|hunk| PairHunk {
        class: hunk.class.name(),
        base: lines(hunk.base),
        a: lines(hunk.a),
        b: lines(hunk.b),
    });
    PairUnit {
        class: unit.class.name(),
        paths: unit.paths.iter().map(ToString::to_string).collect(),
        hunks: hunks.collect(),
    }
}

fn lines(range: LineRange) -> Lines {
    Lines {
        start: range.start,
        count: range.count,
    }
}

/// Returns conflicts of a candidate with several others, but with no single one.
fn multiway(view: &BoardView) -> Vec<MultiwayConflict<'_>> {
    let integration = view.integration.iter();
    let mut found = Vec::new();
    for out in integration.flat_map(|integration| &integration.left_out) {
        let LeftOutReason::Conflict {
            class, with, paths, ..
        } = &out.reason
        else {
            continue;
        };
        let is_pair = |other: &TaskNumber| {
            let pair = (out.task.min(*other), out.task.max(*other));
            view.conflicts.iter().any(|row| row.conflict.pair() == pair)
        };
        if with.len() > 1 && !with.iter().any(is_pair) {
            let all = with.iter().chain([&out.task]);
            found.push(MultiwayConflict {
                branches: all.map(|task| branch_name(view, *task)).collect(),
                class: class.name(),
                paths: paths.iter().map(ToString::to_string).collect(),
            });
        }
    }
    found
}

fn numbers(tasks: &[TaskNumber]) -> Vec<u32> {
    tasks.iter().map(|task| task.0).collect()
}
