//! `dispatch conflicts`: which branches do not merge, and what kind of conflict it is.

use std::collections::{HashMap, HashSet};

use clap::Args;

use anstyle::{AnsiColor, Style};

use crate::base::text::{did_you_mean, error_chain, plural, terminal_safe};
use crate::cli::branches::resolve_revision;
use crate::cli::conflicts::matrix::{Look, render_matrix};
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::conflicts::{
    Branch, DIVERGED_MERGES, DetectError, Detection, Detector, MultiwayReport, Options,
    Reproduction, SEQUENCE_MERGES,
};
use crate::engine::EngineError;
use crate::engine::candidates::conflicts::order_of_assembly;
use crate::engine::kernel::context::Context;
use crate::git::{Repo, Store, StoreError};
use crate::merge::oid::Oid;
use crate::merge::verdict::{PairVerdict, Verdict};
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::ui::Ui;
use crate::ui::waiting::Waiting;

use crate::cli::conflicts::filter::Filter;
use crate::cli::conflicts::json::render_json;

mod explain;
mod filter;
mod json;
mod matrix;
pub(crate) mod run;
mod run_subject;
mod table;
mod watch;

pub(crate) use crate::cli::conflicts::explain::pair;
pub(crate) use crate::cli::conflicts::json::schema;

const AFTER_HELP: &str = "\
Every pair is judged by git's own merge engine, and nothing in the repository changes. Globs need
quotes; they match branches, then remote branches and whatever else was fetched. The filters decide
what is listed and what counts. Exit code 0: no conflict; 4: at least one, or git failed on a pair.";

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
    /// Only pairs of at least this severity, 0 to 5
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=5))]
    pub(crate) severity: Option<u8>,
    /// Only pairs with this class of conflict or of hunk; may be given again
    #[arg(long, value_name = "NAME")]
    pub(crate) class: Vec<String>,
    /// Only pairs that meet at a path like this; may be given again
    #[arg(long, value_name = "GLOB")]
    pub(crate) paths: Vec<String>,
    /// List the pairs that have nothing to do with each other, too
    #[arg(long)]
    pub(crate) all: bool,
    /// Search to the end for conflicts that only more than two branches have together
    #[arg(long, conflicts_with = "explain")]
    pub(crate) together: bool,
    /// Show one pair in full, `A:B` or `A B`: branches, or tasks of a run
    #[arg(long, value_name = "PAIR", num_args = 1..=2, conflicts_with_all = ["json", "matrix", "all"])]
    pub(crate) explain: Vec<String>,
    /// Draw all pairs as a table of severities
    #[arg(long, conflicts_with = "json")]
    pub(crate) matrix: bool,
    /// Show a run as it goes on, work in progress included, until it ends
    #[arg(long, conflicts_with_all = ["json", "explain", "base"])]
    pub(crate) watch: bool,
    /// Print it as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the JSON Schema of that object
    #[arg(long, exclusive = true)]
    pub(crate) schema: bool,
}

/// What is compared: branches, which may be those of the tasks of a run.
pub(crate) struct Subject {
    /// The branches.
    pub(crate) branches: Vec<Branch>,
    /// For a run: number and tag of the task of every branch.
    pub(crate) tasks: Vec<(TaskNumber, String)>,
    /// For a run: the commit it stands on.
    pub(crate) run_base: Option<Oid>,
    /// Globs of generated files.
    pub(crate) generated: Vec<String>,
    /// For a run: what says in which order it would be assembled.
    pub(crate) assembly: Option<(Context, RunState)>,
}

impl Subject {
    /// What a branch is called in a table: short, but never ambiguous.
    fn label(&self, place: usize) -> String {
        match self.tasks.get(place) {
            Some((number, _)) => number.to_string(),
            None => terminal_safe(&self.branches[place].name),
        }
    }

    /// The same with room for a word more.
    fn long_label(&self, place: usize) -> String {
        match self.tasks.get(place) {
            Some((number, tag)) => format!("{number} {}", terminal_safe(tag)),
            None => self.label(place),
        }
    }

    /// The place of a branch by its name, or of a task by its number or tag.
    pub(crate) fn find(&self, word: &str) -> Result<usize, CommandError> {
        let by_name = |branch: &Branch| branch.name == word;
        let by_task = |(number, tag): &(TaskNumber, String)| {
            word.trim_start_matches('#') == number.0.to_string() || tag.eq_ignore_ascii_case(word)
        };
        let found = self.branches.iter().position(by_name);
        found
            .or_else(|| self.tasks.iter().position(by_task))
            .ok_or_else(|| {
                let names = self.branches.iter().map(|branch| branch.name.as_str());
                let tags = self.tasks.iter().map(|(_, tag)| tag.as_str());
                let error = CommandError::usage(format!("{word:?} is not among what is compared"));
                match did_you_mean(word, names.chain(tags)) {
                    Some(near) => error.hint(format!("did you mean {near}?")),
                    None => error.hint(match self.tasks.is_empty() {
                        true => "`--explain A:B` takes the names of two of the branches",
                        false => "`--explain A:B` takes two tasks that offer a result",
                    }),
                }
            })
    }
}

/// Judges these branches and prints what was found.
pub(crate) fn report(
    repo: &Repo,
    subject: &Subject,
    args: &ConflictsArgs,
    ui: &Ui,
) -> CommandResult {
    let (text, exit) = judge(repo, subject, args, ui)?;
    ui.answer(&text);
    Ok(exit)
}

/// What there is to say about these branches, and the exit code it gives.
pub(crate) fn judge(
    repo: &Repo,
    subject: &Subject,
    args: &ConflictsArgs,
    ui: &Ui,
) -> Result<(String, ExitStatus), CommandError> {
    // A run with one result so far is no mistake; programs get an empty list.
    if subject.branches.len() < 2 && subject.run_base.is_none() {
        let found = match subject.branches.first() {
            Some(branch) => format!("there is only {:?} to compare", branch.name),
            None => "there is nothing to compare".to_owned(),
        };
        return Err(CommandError::usage(found)
            .hint("name two or more branches: `dispatch conflicts main feature/x`")
            .hint("or a glob in quotes: `dispatch conflicts 'feature/*'`"));
    }
    let filter = Filter::new(args)?;
    let base = args.base.as_deref();
    let base = base.map(|name| resolve_revision(repo, name)).transpose()?;
    let options = Options {
        base,
        prune: true,
        generated: subject.generated.clone(),
        cache: true,
    };
    let failed = |error: DetectError| CommandError::failed(error_chain(&error));
    let mut detector = match subject.run_base {
        Some(base) => Detector::on_base(repo, base, &options),
        None => Detector::new(repo, &options),
    }
    .map_err(failed)?;
    let meter = detector.progress();
    let label = format!("comparing {} branches", subject.branches.len());
    let waiting = Waiting::new(ui, &label, move || meter.read());
    if let Some(pair) = pair(&args.explain)? {
        let (a, b) = (subject.find(&pair.0)?, subject.find(&pair.1)?);
        if a == b {
            let both = format!("{:?} and {:?} are the same branch", pair.0, pair.1);
            return Err(CommandError::usage(both));
        }
        let explained = detector.explain(&subject.branches[a], &subject.branches[b]);
        drop(waiting);
        let explained = explained.map_err(failed)?;
        let text = explain::render(subject, (a, b), &explained);
        let found = explained.verdict.iter();
        let found = found.filter(|pair| pair.is_conflict() && filter.keeps(pair));
        return Ok((text, exit(found.count() == 0)));
    }
    let found = look(&mut detector, subject, args.together);
    drop(waiting);
    let mut found = filter.apply(found.map_err(|error| CommandError::failed(error_chain(&error)))?);
    if args.all && filter.takes_all() {
        found.independent = detector
            .independent_pairs(&found.detection)
            .map_err(failed)?;
    }
    if args.json {
        found.reproductions = reproductions(repo, &found, base)?;
    }
    let text = render(&found, subject, args, ui.columns());
    let failed = |pair: &PairVerdict| pair.verdict == Verdict::EngineFailure;
    if repo.common.join("shallow").exists() && found.detection.pairs.iter().any(failed) {
        ui.hint(
            "the history ends early in this shallow clone: `git fetch --unshallow` brings the rest",
        );
        ui.hint("or name what they stand on: `--base REV`");
    }
    let is_clean = found.detection.conflicts().next().is_none() && found.joint.conflicts.is_empty();
    Ok((text, exit(is_clean)))
}

fn exit(is_clean: bool) -> ExitStatus {
    match is_clean {
        true => ExitStatus::Ok,
        false => ExitStatus::NeedsAttention,
    }
}

/// What to do about a conflict of more than two branches.
const EMERGENT: &str = "re-dispatch the last on top of the others";

/// What is shown: the pairs, and what only comes up when more than two are merged.
struct Found {
    detection: Detection,
    joint: MultiwayReport,
    /// The pairs that have nothing to do with each other, where those are wanted.
    independent: Vec<PairVerdict>,
    /// For programs: how pairs are merged by hand, by the commit their attributes are from.
    reproductions: HashMap<Oid, Reproduction>,
    /// Conflicts that the filters took away.
    hidden: usize,
}

fn look(
    detector: &mut Detector,
    subject: &Subject,
    to_the_end: bool,
) -> Result<Found, EngineError> {
    let mut detection = detector.update(&subject.branches)?;
    // What a run's assembly will merge is searched to the end: it merges the same.
    let (order, to_the_end) = match &subject.assembly {
        Some((context, state)) => (order_of_assembly(context, state, &detection)?, true),
        None => ((0..subject.branches.len()).collect(), to_the_end),
    };
    let mut pairs = detection.pairs.iter();
    let merges = if to_the_end {
        usize::MAX
    } else if pairs.any(|pair| pair.bases.first() != detection.base.as_ref()) {
        DIVERGED_MERGES
    } else {
        SEQUENCE_MERGES
    };
    let joint = detector.multiway_conflicts(&mut detection, &order, merges)?;
    Ok(Found {
        detection,
        joint,
        independent: Vec::new(),
        reproductions: HashMap::new(),
        hidden: 0,
    })
}

fn reproductions(
    repo: &Repo,
    found: &Found,
    asked_base: Option<Oid>,
) -> Result<HashMap<Oid, Reproduction>, CommandError> {
    let failed = |error: StoreError| CommandError::failed(error_chain(&error));
    let store = Store::open(repo).map_err(failed)?;
    let pairs = found.detection.pairs.iter().chain(&found.independent);
    let commits = pairs.filter_map(|pair| pair.attributes);
    let commits = commits.chain(found.detection.base);
    let commits: HashSet<Oid> = commits.collect();
    let reproduction = |commit| Ok((commit, Reproduction::new(repo, &store, commit, asked_base)?));
    let found: Result<_, StoreError> = commits.into_iter().map(reproduction).collect();
    found.map_err(failed)
}

fn render(found: &Found, subject: &Subject, args: &ConflictsArgs, columns: usize) -> String {
    let detection = &found.detection;
    if args.json {
        return render_json(found, subject);
    }
    let mut text = if args.matrix {
        let names = (0..subject.branches.len()).map(|place| subject.long_label(place));
        let names: Vec<String> = names.collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let look = Look {
            columns,
            paint: &paint,
        };
        render_matrix(&names, &detection.pairs, &look)
    } else {
        table::render(found, subject, columns)
    };
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&summary(found));
    text
}

/// A mark of the matrix in the colour of its severity.
fn paint(mark: char) -> String {
    let style = match mark {
        '1' => Style::new().fg_color(Some(AnsiColor::Cyan.into())),
        '2' => Style::new().fg_color(Some(AnsiColor::Green.into())),
        '3' => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
        '4' => Style::new().fg_color(Some(AnsiColor::Red.into())),
        '5' | '!' => Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
        _ => Style::new().dimmed(),
    };
    format!("{style}{mark}{style:#}")
}

fn summary(found: &Found) -> String {
    let detection = &found.detection;
    let conflicts = detection.conflicts().count();
    let met = detection.pairs.len() - conflicts;
    let emergent = match found.joint.conflicts.len() {
        0 => String::new(),
        count => format!(", {} of more than two", plural(count, "conflict")),
    };
    let cut_short = match found.joint.is_cut_short() {
        true => format!(
            "Conflicts of more than two branches were only looked for among {} of the {} that \
             merge in pairs; `--together` looks to the end\n",
            found.joint.searched, found.joint.wanted,
        ),
        false => String::new(),
    };
    let hidden = match found.hidden {
        0 => String::new(),
        count => format!(" ({} more beside the filters)", plural(count, "conflict")),
    };
    let pairs = plural(detection.pairs_total, "pair");
    let branches = match detection.branches.len() {
        1 => "1 branch".to_owned(),
        count => format!("{count} branches"),
    };
    format!(
        "{branches}, {pairs}: {}, {met} merged by git, {} independent{emergent}{hidden}\n{cut_short}",
        plural(conflicts, "conflict"),
        detection.pairs_independent,
    )
}

/// What is found, with the independent pairs in between where those are wanted.
fn listed(found: &Found) -> Vec<&PairVerdict> {
    let pairs = found.detection.pairs.iter();
    let mut pairs: Vec<&PairVerdict> = pairs.chain(&found.independent).collect();
    pairs.sort_by_key(|pair| (pair.a, pair.b));
    pairs
}
