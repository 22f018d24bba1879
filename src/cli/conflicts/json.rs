//! The output of `dispatch conflicts --json`; fields are only added.

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::safe::json::json_safe;
use crate::cli::conflicts::results::{MULTIWAY_SUGGESTION, Results};
use crate::cli::conflicts::subject::Subject;
use crate::conflicts::{Branch, MultiwayConflict};
use crate::merge::change::RepoPath;
use crate::merge::class::Class;
use crate::merge::oid::Oid;
use crate::merge::rule::Rule;
use crate::merge::verdict::{PairVerdict, Unit, Verdict};

/// Counts breaking changes.
const JSON_VERSION: u32 = 1;

/// The output of `dispatch conflicts --json`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Conflicts")]
struct WireReport<'a> {
    /// Counts breaking changes.
    version: u32,
    /// The common base of all branches, if there is one.
    base: Option<String>,
    /// The compared branches.
    branches: Vec<WireBranch>,
    /// The number of all pairs.
    pairs_total: usize,
    /// The number of independent pairs.
    pairs_independent: usize,
    /// The number of merges that git ran for this output.
    merges_run: usize,
    /// The pairs that pass the filters, without independent ones unless `--all` is given.
    pairs: Vec<WirePair<'a>>,
    /// Conflicts of more than two branches that merge pair by pair.
    multiway: Vec<WireMultiway<'a>>,
    /// The extent of the search for those.
    multiway_search: WireSearch,
    /// For a run: the tasks that are not compared, because they have no candidate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    without_candidate: Vec<WireTask>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MultiwaySearch")]
struct WireSearch {
    /// The number of branches that conflict with none before them in pairs.
    branches: usize,
    /// The number of those that were merged in order.
    searched: usize,
    /// `true` if all of them were merged.
    complete: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Task")]
struct WireTask {
    /// Its number.
    task: u32,
    /// The reason, as one sentence.
    reason: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Branch")]
struct WireBranch {
    /// Its name.
    name: String,
    /// Its commit.
    tip: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Pair")]
struct WirePair<'a> {
    /// The first branch.
    a: &'a str,
    /// The second branch.
    b: &'a str,
    /// For a run: the numbers of the two tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    tasks: Option<[u32; 2]>,
    /// git's verdict.
    verdict: Verdict,
    /// `true` if it counts as a conflict in the exit code.
    conflict: bool,
    /// The reason why it counts although git merges it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The class of the worst unit.
    class: Class,
    /// From 0 (none) to 5 (blocked).
    severity: u8,
    /// The merge bases: one, or several after criss-cross merges, or none.
    bases: Vec<String>,
    /// The merged tree, with conflict markers for a conflict. Null if git failed, and for a pair that
    /// needed no merge: its tree is that of one branch with the changes of the other.
    tree: Option<String>,
    /// `true` for an independent pair, which needed no merge.
    independent: bool,
    /// The suggestion.
    suggested: &'a str,
    /// The conflicting or merged paths, worst first.
    units: Vec<WireUnit<'a>>,
    /// A shell command that reproduces the verdict with git alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    /// git's message if it failed on the pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Unit")]
struct WireUnit<'a> {
    /// Class, paths and hunks.
    #[serde(flatten)]
    unit: &'a Unit,
    /// The rules of `[resolve] policy` that can resolve it; empty if none can.
    policy: Vec<Rule>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MultiwayConflict")]
struct WireMultiway<'a> {
    /// The branches, in the order in which they were merged.
    branches: Vec<&'a str>,
    /// The class of the worst unit.
    class: Class,
    /// From 0 (none) to 5 (blocked).
    severity: u8,
    /// The suggestion.
    suggested: &'static str,
    /// The conflicting paths.
    #[schemars(with = "Vec<String>")]
    paths: &'a [RepoPath],
    /// `true` if none of them can be left out; otherwise the search for that was cut short.
    smallest: bool,
    /// A shell command that reproduces it with git alone, as throwaway commits.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
}

/// Renders the JSON Schema of the output.
pub(crate) fn schema() -> String {
    let schema = schemars::schema_for!(WireReport<'static>);
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}

/// Renders the results as one object on one line.
pub(super) fn render_json(results: &Results, subject: &Subject) -> String {
    let detection = &results.detection;
    let multiway = &results.multiway;
    let branch = |branch: &Branch| WireBranch {
        name: branch.name.clone(),
        tip: branch.tip.to_string(),
    };
    let pairs = results.listed();
    let report = WireReport {
        version: JSON_VERSION,
        base: detection.base.map(|base| base.to_string()),
        branches: detection.branches.iter().map(branch).collect(),
        pairs_total: detection.pairs_total,
        pairs_independent: detection.pairs_independent,
        merges_run: detection.merges_run,
        pairs: pairs
            .into_iter()
            .map(|pair| wire_pair(results, subject, pair))
            .collect(),
        multiway: multiway
            .conflicts
            .iter()
            .map(|conflict| wire_multiway(results, conflict))
            .collect(),
        multiway_search: WireSearch {
            branches: multiway.wanted,
            searched: multiway.searched,
            complete: !multiway.is_cut_short(),
        },
        without_candidate: without_candidate(subject),
    };
    json_safe(&serde_json::to_string(&report).unwrap_or_default()) + "\n"
}

fn wire_pair<'a>(results: &'a Results, subject: &Subject, pair: &'a PairVerdict) -> WirePair<'a> {
    let branch = |branch: usize| &results.detection.branches[branch];
    let reproduction = pair
        .attributes
        .and_then(|commit| results.reproductions.get(&commit));
    let tasks = subject.task(pair.a).zip(subject.task(pair.b));
    WirePair {
        a: &branch(pair.a).name,
        b: &branch(pair.b).name,
        tasks: tasks.map(|(a, b)| [a.0, b.0]),
        verdict: pair.verdict,
        conflict: pair.is_conflict(),
        reason: pair.counts_though_merged(),
        class: pair.class,
        severity: pair.severity,
        bases: pair.bases.iter().map(ToString::to_string).collect(),
        tree: pair.tree.map(|tree| tree.to_string()),
        independent: pair.verdict == Verdict::Clean && pair.tree.is_none(),
        suggested: results.suggestion(subject, pair),
        units: pair.units.iter().map(wire_unit).collect(),
        command: reproduction.map(|r| r.command_for(pair, branch(pair.a).tip, branch(pair.b).tip)),
        message: pair.failure.as_deref(),
    }
}

fn wire_multiway<'a>(results: &'a Results, conflict: &'a MultiwayConflict) -> WireMultiway<'a> {
    let branches = &results.detection.branches;
    let base = results.detection.base;
    let reproduction = base.and_then(|base| results.reproductions.get(&base));
    let tips = conflict.branches.iter().map(|branch| branches[*branch].tip);
    let tips: Vec<Oid> = tips.collect();
    WireMultiway {
        branches: conflict
            .branches
            .iter()
            .map(|branch| branches[*branch].name.as_str())
            .collect(),
        class: conflict.class,
        severity: conflict.class.severity(),
        suggested: MULTIWAY_SUGGESTION,
        paths: &conflict.paths,
        smallest: conflict.is_smallest,
        command: reproduction.and_then(|r| r.command_in_order(&tips)),
    }
}

fn wire_unit(unit: &Unit) -> WireUnit<'_> {
    let policy = unit.rules();
    WireUnit { unit, policy }
}

fn without_candidate(subject: &Subject) -> Vec<WireTask> {
    let Some(run) = &subject.run else {
        return Vec::new();
    };
    run.all_tasks()
        .filter(|(_, branch)| branch.is_none())
        .map(|(number, _)| WireTask {
            task: number.0,
            reason: run.why_without_candidate(number),
        })
        .collect()
}
