//! `dispatch conflicts`: which branches do not merge, and what kind of conflict it is.

use clap::Args;
use globset::GlobBuilder;
use serde::Serialize;

use crate::base::text::{clip, did_you_mean, plural, terminal_safe};
use crate::cli::Answer;
use crate::cli::error::{CommandError, Exit, chain};
use crate::conflict::matrix::render_matrix;
use crate::engine::detect::{Branch, DetectOptions, Detection, detect};
use crate::git::refs::branch_ref;
use crate::git::{Repo, Store};
use crate::model::conflict::{Class, PairVerdict, Unit, Verdict};
use crate::ui::Ui;

/// The number of the JSON form; counts breaking changes.
const JSON_VERSION: u32 = 1;
/// How many paths of a unit are shown before `+n`.
const PATHS_SHOWN: usize = 3;
/// Longest text of one column.
const COLUMN_WIDTH: usize = 60;

const AFTER_HELP: &str = "\
Every pair is judged by git's own merge engine, and nothing in the repository changes. Globs of
branches need quotes. Exit code 0: no conflict; 4: at least one.

Examples:
  dispatch conflicts                     the results of the latest run
  dispatch conflicts shop-7k3q --matrix  a run, as a table
  dispatch conflicts main feature/x      two branches
  dispatch conflicts 'feature/*' --json  all that match, for programs";

/// Say which branches conflict, before anybody merges them
#[derive(Args, Debug, Default)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ConflictsArgs {
    /// A run, or branches, revisions, globs of branches [default: the latest run]
    #[arg(value_name = "RUN | REF")]
    pub(crate) targets: Vec<String>,
    /// Compare over this commit [default: what history says]
    #[arg(long, value_name = "REV")]
    pub(crate) base: Option<String>,
    /// Print it as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// List the pairs that have nothing to do with each other, too
    #[arg(long)]
    pub(crate) all: bool,
    /// Draw all pairs as a table of severities
    #[arg(long, conflicts_with = "json")]
    pub(crate) matrix: bool,
}

/// Judges these branches and prints what was found.
pub(crate) fn report(
    repo: &Repo,
    branches: Vec<Branch>,
    args: &ConflictsArgs,
    generated: &[String],
    ui: &Ui,
) -> Answer {
    if branches.len() < 2 {
        let found = match branches.first() {
            Some(branch) => format!("only {} to compare", branch.name),
            None => "nothing to compare".to_owned(),
        };
        return Err(CommandError::usage(found)
            .hint("name two or more branches: `dispatch conflicts main feature/x`")
            .hint("or a glob in quotes: `dispatch conflicts 'feature/*'`"));
    }
    let base = match &args.base {
        Some(revision) => Some(resolve_revision(&open(repo)?, revision)?),
        None => None,
    };
    let options = DetectOptions {
        base,
        prune: true,
        generated: generated.to_vec(),
    };
    let detection =
        detect(repo, &branches, &options).map_err(|error| CommandError::failed(chain(&error)))?;
    ui.answer(&render(&detection, args));
    Ok(match detection.conflicts().next() {
        Some(_) => Exit::NeedsPerson,
        None => Exit::Ok,
    })
}

fn open(repo: &Repo) -> Result<Store, CommandError> {
    Store::open(repo).map_err(|error| CommandError::failed(chain(&error)))
}

// ---- names to branches -----------------------------------------------------------------------

pub(crate) fn resolve_targets(
    repo: &Repo,
    targets: &[String],
) -> Result<Vec<Branch>, CommandError> {
    let store = open(repo)?;
    let mut branches: Vec<Branch> = Vec::new();
    for target in targets {
        let found = if target.contains(['*', '?', '[', '{']) {
            resolve_glob(&store, target)?
        } else {
            let tip = resolve_revision(&store, target)?;
            vec![Branch {
                name: target.clone(),
                tip,
            }]
        };
        for branch in found {
            if branches.iter().all(|known| known.name != branch.name) {
                branches.push(branch);
            }
        }
    }
    Ok(branches)
}

fn resolve_glob(store: &Store, glob: &str) -> Result<Vec<Branch>, CommandError> {
    let matcher = GlobBuilder::new(glob)
        .literal_separator(false)
        .build()
        .map_err(|error| CommandError::usage(format!("{glob:?} is no glob: {error}")))?
        .compile_matcher();
    let mut found = local_branches(store)?;
    found.retain(|branch| matcher.is_match(&branch.name));
    if found.is_empty() {
        return Err(CommandError::failed(format!("no branch matches {glob:?}"))
            .hint("`git branch --list` shows the branches there are"));
    }
    Ok(found)
}

fn local_branches(store: &Store) -> Result<Vec<Branch>, CommandError> {
    let references = store
        .references("refs/heads/")
        .map_err(|error| CommandError::failed(chain(&error)))?;
    let branch = |(name, tip): (String, _)| Branch {
        name: name.trim_start_matches("refs/heads/").to_owned(),
        tip,
    };
    Ok(references.into_iter().map(branch).collect())
}

/// A branch of that name goes before anything else it could mean.
fn resolve_revision(store: &Store, revision: &str) -> Result<crate::model::ids::Oid, CommandError> {
    let failed = |error| CommandError::failed(chain(&error));
    if let Some(tip) = store.reference(&branch_ref(revision)).unwrap_or(None) {
        return Ok(tip);
    }
    if let Some(tip) = store.resolve(revision).map_err(failed)? {
        return Ok(tip);
    }
    let branches = local_branches(store)?;
    let names = branches.iter().map(|branch| branch.name.as_str());
    let error = CommandError::failed(format!("there is no run, branch or revision {revision:?}"));
    Err(match did_you_mean(revision, names) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("`git branch --list` shows the branches there are"),
    })
}

// ---- for people ------------------------------------------------------------------------------

fn render(detection: &Detection, args: &ConflictsArgs) -> String {
    if args.json {
        return render_json(detection, args.all);
    }
    let names: Vec<&str> = detection.branches.iter().map(|b| b.name.as_str()).collect();
    let mut text = if args.matrix {
        render_matrix(&names, &detection.pairs)
    } else {
        render_table(&rows(detection, args.all))
    };
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&summary(detection));
    text
}

fn summary(detection: &Detection) -> String {
    let found = detection.conflicts().count();
    let met = detection.pairs.len() - found;
    let pairs = plural(detection.pairs_total, "pair");
    let branches = detection.branches.len();
    format!(
        "{branches} branches, {pairs}: {}, {met} merged by git, {} independent\n",
        plural(found, "conflict"),
        detection.pairs_independent,
    )
}

fn rows(detection: &Detection, all: bool) -> Vec<[String; 4]> {
    let name = |place: usize| terminal_safe(&detection.branches[place].name);
    let mut rows = Vec::new();
    for pair in listed(detection, all) {
        let title = format!("{} × {}", name(pair.a), name(pair.b));
        if pair.units.is_empty() {
            let said = pair.failure.as_deref().map(terminal_safe);
            rows.push(row(title, said.unwrap_or_default(), pair.class));
            continue;
        }
        for (place, unit) in pair.units.iter().enumerate() {
            let title = if place == 0 {
                title.clone()
            } else {
                String::new()
            };
            rows.push(row(title, paths(unit), unit.class));
        }
    }
    rows
}

fn row(title: String, paths: String, class: Class) -> [String; 4] {
    let recommended = class.recommended().to_owned();
    [title, paths, class.name().to_owned(), recommended]
}

fn paths(unit: &Unit) -> String {
    let shown = unit.paths.iter().take(PATHS_SHOWN);
    let shown: Vec<String> = shown.map(|path| terminal_safe(&path.to_string())).collect();
    let mut text = shown.join(", ");
    if unit.paths.len() > PATHS_SHOWN {
        text.push_str(&format!(" +{}", unit.paths.len() - PATHS_SHOWN));
    }
    text
}

fn render_table(rows: &[[String; 4]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head = ["PAIR", "PATH", "CLASS", "RECOMMENDED"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(&head)
        .chain(rows)
        .map(|row| {
            row.clone()
                .map(|cell| clip(&cell.replace(['\n', '\t'], " "), COLUMN_WIDTH))
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths = [0, 1, 2].map(|column| width(column).unwrap_or(0));
    let mut text = String::new();
    for [pair, path, class, recommended] in &rows {
        let [a, b, c] = widths;
        let line = format!("{pair:a$}  {path:b$}  {class:c$}  {recommended}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// What is found, with the independent pairs in between where all are wanted.
fn listed(detection: &Detection, all: bool) -> Vec<PairVerdict> {
    if !all {
        return detection.pairs.clone();
    }
    let mut found = detection.pairs.iter().peekable();
    let mut pairs = Vec::with_capacity(detection.pairs_total);
    for a in 0..detection.branches.len() {
        for b in a + 1..detection.branches.len() {
            let known = found.next_if(|pair| (pair.a, pair.b) == (a, b));
            pairs.push(known.cloned().unwrap_or_else(|| independent(a, b)));
        }
    }
    pairs
}

fn independent(a: usize, b: usize) -> PairVerdict {
    PairVerdict {
        a,
        b,
        verdict: Verdict::Clean,
        class: Class::Independent,
        severity: 0,
        tree: None,
        units: Vec::new(),
        failure: None,
    }
}

// ---- for programs ----------------------------------------------------------------------------

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
    paths: Vec<String>,
}

fn render_json(detection: &Detection, all: bool) -> String {
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
        emergent: Vec::new(),
    };
    let mut text = serde_json::to_string(&report).unwrap_or_default();
    text.push('\n');
    text
}
