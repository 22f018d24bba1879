//! `dispatch conflicts`: which branches do not merge, and what kind of conflict it is.

use clap::Args;

use crate::base::text::error_chain;
use crate::base::text::{clip, plural, terminal_safe};
use crate::cli::Answer;
use crate::cli::branches::resolve_revision;
use crate::cli::conflicts::json::render_json;
use crate::cli::error::{CommandError, Exit};
use crate::conflict::matrix::render_matrix;
use crate::engine::detect::{Branch, DetectError, DetectOptions, Detection, Detector, Emergent};
use crate::git::Repo;
use crate::model::change::RepoPath;
use crate::model::conflict::{Class, PairVerdict, Verdict};
use crate::ui::Ui;

mod json;

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
            Some(branch) => format!("there is only {:?} to compare", branch.name),
            None => "there is nothing to compare".to_owned(),
        };
        return Err(CommandError::usage(found)
            .hint("name two or more branches: `dispatch conflicts main feature/x`")
            .hint("or a glob in quotes: `dispatch conflicts 'feature/*'`"));
    }
    let base = args.base.as_deref();
    let base = base.map(|name| resolve_revision(repo, name)).transpose()?;
    let options = DetectOptions {
        base,
        prune: true,
        generated: generated.to_vec(),
    };
    let found = look(repo, &branches, &options)
        .map_err(|error| CommandError::failed(error_chain(&error)))?;
    ui.answer(&render(&found, args));
    let is_clean = found.detection.conflicts().next().is_none() && found.emergent.is_empty();
    Ok(if is_clean {
        Exit::Ok
    } else {
        Exit::NeedsPerson
    })
}

/// What is shown: the pairs, and what only comes up when more than two are merged.
struct Found {
    detection: Detection,
    emergent: Vec<Emergent>,
}

fn look(repo: &Repo, branches: &[Branch], options: &DetectOptions) -> Result<Found, DetectError> {
    let mut detector = Detector::for_any(repo, options)?;
    let detection = detector.update(branches)?;
    let order: Vec<usize> = (0..branches.len()).collect();
    let emergent = detector.emergent(&detection, &order)?;
    Ok(Found {
        detection,
        emergent,
    })
}

fn render(found: &Found, args: &ConflictsArgs) -> String {
    let detection = &found.detection;
    if args.json {
        return render_json(found, args.all);
    }
    let names: Vec<&str> = detection.branches.iter().map(|b| b.name.as_str()).collect();
    let mut text = if args.matrix {
        render_matrix(&names, &detection.pairs)
    } else {
        let mut rows = rows(detection, args.all);
        rows.extend(
            found
                .emergent
                .iter()
                .map(|emergent| emergent_row(detection, emergent)),
        );
        render_table(&rows)
    };
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&summary(found));
    text
}

fn summary(found: &Found) -> String {
    let detection = &found.detection;
    let conflicts = detection.conflicts().count();
    let met = detection.pairs.len() - conflicts;
    let emergent = match found.emergent.len() {
        0 => String::new(),
        count => format!(", {} of more than two", plural(count, "conflict")),
    };
    let pairs = plural(detection.pairs_total, "pair");
    let branches = detection.branches.len();
    format!(
        "{branches} branches, {pairs}: {}, {met} merged by git, {} independent{emergent}\n",
        plural(conflicts, "conflict"),
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
            rows.push(row(title, list_paths(&unit.paths), unit.class));
        }
    }
    rows
}

fn emergent_row(detection: &Detection, emergent: &Emergent) -> [String; 4] {
    let names = emergent
        .branches
        .iter()
        .map(|place| detection.branches[*place].name.as_str());
    let names: Vec<String> = names.map(terminal_safe).collect();
    let [title, paths, class, _] = row(
        names.join(" × "),
        list_paths(&emergent.paths),
        emergent.class,
    );
    let recommended = "re-dispatch the last on top of the others".to_owned();
    [title, paths, class, recommended]
}

fn row(title: String, paths: String, class: Class) -> [String; 4] {
    let recommended = class.recommended().to_owned();
    [title, paths, class.name().to_owned(), recommended]
}

fn list_paths(paths: &[RepoPath]) -> String {
    let shown = paths.iter().take(PATHS_SHOWN);
    let shown: Vec<String> = shown.map(|path| terminal_safe(&path.to_string())).collect();
    let mut text = shown.join(", ");
    if paths.len() > PATHS_SHOWN {
        text.push_str(&format!(" +{}", paths.len() - PATHS_SHOWN));
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
