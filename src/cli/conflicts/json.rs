//! What `dispatch conflicts --json` prints; fields are only ever added.

use serde::Serialize;

use crate::cli::conflicts::{Found, listed};
use crate::model::change::RepoPath;
use crate::model::conflict::{Class, Unit, Verdict};

/// Counts breaking changes.
const JSON_VERSION: u32 = 1;

#[derive(Serialize)]
struct WireReport<'a> {
    version: u32,
    base: Option<String>,
    branches: Vec<WireBranch<'a>>,
    pairs_total: usize,
    pairs_independent: usize,
    merges_run: usize,
    pairs: Vec<WirePair<'a>>,
    emergent: Vec<WireEmergent<'a>>,
}

#[derive(Serialize)]
struct WireBranch<'a> {
    name: &'a str,
    tip: String,
}

#[derive(Serialize)]
struct WirePair<'a> {
    a: &'a str,
    b: &'a str,
    verdict: Verdict,
    class: Class,
    severity: u8,
    tree: Option<String>,
    units: &'a [Unit],
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

#[derive(Serialize)]
struct WireEmergent<'a> {
    branches: Vec<&'a str>,
    class: Class,
    paths: &'a [RepoPath],
}

/// One object on one line.
pub(super) fn render_json(found: &Found, all: bool) -> String {
    let detection = &found.detection;
    let name = |place: usize| detection.branches[place].name.as_str();
    let pairs = listed(detection, all);
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
                verdict: pair.verdict,
                class: pair.class,
                severity: pair.severity,
                tree: pair.tree.map(|tree| tree.to_string()),
                units: &pair.units,
                message: pair.failure.as_deref(),
            })
            .collect(),
        emergent: found
            .emergent
            .iter()
            .map(|emergent| WireEmergent {
                branches: emergent.branches.iter().map(|place| name(*place)).collect(),
                class: emergent.class,
                paths: &emergent.paths,
            })
            .collect(),
    };
    let mut text = serde_json::to_string(&report).unwrap_or_default();
    text.push('\n');
    text
}
