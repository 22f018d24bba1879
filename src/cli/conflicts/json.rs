//! What `dispatch conflicts --json` prints; fields are only ever added.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::conflicts::{EMERGENT, Found, Subject, listed};
use crate::merge::change::RepoPath;
use crate::merge::verdict::{Class, PairVerdict, Rule, Unit, Verdict};

/// Counts breaking changes.
const JSON_VERSION: u32 = 1;

/// What `dispatch conflicts --json` prints.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Conflicts")]
struct WireReport<'a> {
    /// Counts breaking changes.
    version: u32,
    /// The commit below all branches, if there is one.
    base: Option<String>,
    /// What is compared.
    branches: Vec<WireBranch<'a>>,
    /// All pairs there are.
    pairs_total: usize,
    /// Pairs that have nothing to do with each other.
    pairs_independent: usize,
    /// Merges that were carried out for this answer.
    merges_run: usize,
    /// The pairs that meet and pass the filters; with `--all` the independent ones, too.
    pairs: Vec<WirePair<'a>>,
    /// Conflicts of more than two branches that merge pair by pair.
    emergent: Vec<WireEmergent<'a>>,
    /// How far those were looked for.
    joint_search: WireSearch,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "JointSearch")]
struct WireSearch {
    /// The branches that conflict with none before them in pairs, which were to be merged in order.
    branches: usize,
    /// How many of them were merged.
    seen: usize,
    /// Whether that were all.
    complete: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Branch")]
struct WireBranch<'a> {
    /// Its name.
    name: &'a str,
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
    /// What git says: whether they merge.
    verdict: Verdict,
    /// Whether it counts as a conflict, as the exit code has it.
    conflict: bool,
    /// Why it counts although git merges it.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    /// The class of the worst unit.
    class: Class,
    /// From 0 (none) to 5 (blocked).
    severity: u8,
    /// The merge bases: one, or several after criss-cross merges, or none.
    bases: Vec<String>,
    /// The merged tree, with conflict markers where it is a conflict. Null where git failed, and for
    /// a pair that needed no merge: that is the tree of one with the changes of the other, and the
    /// command gives it.
    tree: Option<String>,
    /// Whether that is so: nothing that one of the two changes can matter to the other.
    pruned: bool,
    /// What to do about it.
    recommended: &'static str,
    /// What meets where, the worst first.
    units: Vec<WireUnit<'a>>,
    /// What shows the verdict by git alone, in a shell in the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    /// What git said when it failed on the pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Unit")]
struct WireUnit<'a> {
    /// Class, paths and hunks.
    #[serde(flatten)]
    unit: &'a Unit,
    /// The rules of `[resolve] policy` that settle it without a person; empty where none can.
    policy: Vec<Rule>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MultiwayConflict")]
struct WireEmergent<'a> {
    /// The branches, in the order in which they were merged.
    branches: Vec<&'a str>,
    /// The class of the worst unit.
    class: Class,
    /// From 0 (none) to 5 (blocked).
    severity: u8,
    /// What to do about it.
    recommended: &'static str,
    /// Where.
    #[schemars(with = "Vec<String>")]
    paths: &'a [RepoPath],
    /// Whether it takes every one of them; otherwise the search for that was given up.
    smallest: bool,
    /// What shows it by git alone: the merges one after the other, as commits that no branch has.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
}

/// The JSON Schema of what [`render_json`] gives.
pub(crate) fn schema() -> String {
    let schema = schemars::schema_for!(WireReport<'static>);
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}

fn wire_unit(unit: &Unit) -> WireUnit<'_> {
    let policy = unit.rules();
    WireUnit { unit, policy }
}

/// One object on one line.
pub(super) fn render_json(found: &Found, subject: &Subject) -> String {
    let detection = &found.detection;
    let name = |place: usize| detection.branches[place].name.as_str();
    let command = |pair: &PairVerdict| {
        let reproduction = found.reproductions.get(&pair.attributes?)?;
        let tip = |place: usize| detection.branches[place].tip;
        Some(reproduction.command_for(pair, tip(pair.a), tip(pair.b)))
    };
    let command_in_order = |places: &[usize]| {
        let reproduction = found.reproductions.get(&detection.base?)?;
        let tips = places.iter().map(|place| detection.branches[*place].tip);
        reproduction.command_in_order(&tips.collect::<Vec<_>>())
    };
    let task = |place: usize| subject.tasks.get(place).map(|(number, _)| number.0);
    let pairs = listed(found);
    let report = WireReport {
        version: JSON_VERSION,
        base: detection.base.map(|base| base.to_string()),
        branches: detection
            .branches
            .iter()
            .map(|branch| WireBranch {
                name: &branch.name,
                tip: branch.tip.to_string(),
            })
            .collect(),
        pairs_total: detection.pairs_total,
        pairs_independent: detection.pairs_independent,
        merges_run: detection.merges_run,
        pairs: pairs
            .iter()
            .map(|pair| WirePair {
                a: name(pair.a),
                b: name(pair.b),
                tasks: task(pair.a).zip(task(pair.b)).map(|(a, b)| [a, b]),
                verdict: pair.verdict,
                conflict: pair.is_conflict(),
                why: pair.counts_though_merged(),
                class: pair.class,
                severity: pair.severity,
                bases: pair.bases.iter().map(ToString::to_string).collect(),
                tree: pair.tree.map(|tree| tree.to_string()),
                pruned: pair.verdict == Verdict::Clean && pair.tree.is_none(),
                recommended: pair.class.recommended(),
                units: pair.units.iter().map(wire_unit).collect(),
                command: command(pair),
                message: pair.failure.as_deref(),
            })
            .collect(),
        emergent: found
            .joint
            .conflicts
            .iter()
            .map(|emergent| WireEmergent {
                branches: emergent.branches.iter().map(|place| name(*place)).collect(),
                class: emergent.class,
                severity: emergent.class.severity(),
                recommended: EMERGENT,
                paths: &emergent.paths,
                smallest: emergent.is_smallest,
                command: command_in_order(&emergent.branches),
            })
            .collect(),
        joint_search: WireSearch {
            branches: found.joint.wanted,
            seen: found.joint.searched,
            complete: !found.joint.is_cut_short(),
        },
    };
    let mut text = serde_json::to_string(&report).unwrap_or_default();
    text.push('\n');
    text
}
