//! Compares the branches of a subject and renders the results.

use std::collections::{HashMap, HashSet};

use anstyle::{AnsiColor, Style};

use crate::base::safe::terminal::painted;
use crate::base::text::error_chain;
use crate::base::text::wrap_lines;
use crate::cli::branches::resolve_revision;
use crate::cli::conflicts::ConflictsArgs;
use crate::cli::conflicts::filter::Filter;
use crate::cli::conflicts::json::render_json;
use crate::cli::conflicts::matrix::{MatrixRow, MatrixStyle, render_matrix};
use crate::cli::conflicts::results::Results;
use crate::cli::conflicts::subject::Subject;
use crate::cli::conflicts::{explain, pair_arg, table};
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::conflicts::{
    Branch, DIVERGED_MERGES, Detection, Detector, Options, Reproduction, SEQUENCE_MERGES,
};
use crate::engine::EngineError;
use crate::engine::candidates::conflicts::compare_candidates;
use crate::engine::candidates::pair::{pair_view, suggestion_for_tasks};
use crate::git::{Repo, Store, StoreError};
use crate::merge::oid::Oid;
use crate::merge::verdict::{PairVerdict, Verdict};
use crate::model::ids::TaskNumber;
use crate::report::conflict_suggestion::suggestion;
use crate::ui::Ui;
use crate::ui::waiting::Waiting;

/// Compares the branches and prints the results.
pub(crate) fn report(
    repo: &Repo,
    subject: &Subject,
    args: &ConflictsArgs,
    ui: &Ui,
) -> CommandResult {
    let (text, exit) = compare(repo, subject, args, ui)?;
    ui.answer(&text);
    Ok(exit)
}

/// Compares the branches, and returns the rendered results with the exit code.
pub(super) fn compare(
    repo: &Repo,
    subject: &Subject,
    args: &ConflictsArgs,
    ui: &Ui,
) -> Result<(String, ExitStatus), CommandError> {
    // A run with one candidate so far is not an error; programs get an empty list.
    if subject.branches.len() < 2 && subject.run.is_none() {
        return Err(too_few(subject));
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
    let mut detector = match subject.run_base() {
        Some(base) => Detector::on_base(repo, base, &options),
        None => Detector::new(repo, &options),
    }
    .map_err(|error| failed(&error))?;
    let progress = detector.progress();
    let label = format!("comparing {} branches", subject.branches.len());
    let waiting = Waiting::new(ui, &label, move || progress.read());
    if let Some((a, b)) = pair_arg::parse(&args.explain)? {
        return explain_pair(&mut detector, subject, (&a, &b), &filter, waiting);
    }
    let results = search(&mut detector, subject, args.together);
    drop(waiting);
    let mut results = filter.apply(results.map_err(|error| failed(&error))?);
    if args.all && filter.takes_all() {
        let independent = detector.independent_pairs(&results.detection);
        results.independent = independent.map_err(|error| failed(&error))?;
    }
    if args.json {
        results.reproductions = reproductions(repo, &results, base)?;
    }
    if has_shallow_failure(repo, &results) {
        ui.hint(
            "the history of this shallow clone is cut off: fetch it with `git fetch --unshallow`",
        );
        ui.hint("or name a common base: `--base REV`");
    }
    let text = render(&results, subject, args, ui.columns());
    Ok((text, exit(!results.has_conflicts())))
}

fn too_few(subject: &Subject) -> CommandError {
    let error = match subject.branches.first() {
        Some(branch) => format!("there is only {:?} to compare", branch.name),
        None => "there is nothing to compare".to_owned(),
    };
    CommandError::usage(error)
        .hint("name two or more branches: `dispatch conflicts main feature/x`")
        .hint("or a glob in quotes: `dispatch conflicts 'feature/*'`")
}

fn failed(error: &(dyn std::error::Error + 'static)) -> CommandError {
    CommandError::failed(error_chain(error))
}

fn explain_pair(
    detector: &mut Detector,
    subject: &Subject,
    (a, b): (&str, &str),
    filter: &Filter,
    waiting: Waiting,
) -> Result<(String, ExitStatus), CommandError> {
    let branches = (subject.find(a)?, subject.find(b)?);
    if branches.0 == branches.1 {
        let same = format!("{a:?} and {b:?} are the same branch");
        return Err(CommandError::usage(same));
    }
    let [first, second] = [branches.0, branches.1].map(|branch| &subject.branches[branch]);
    let explanation = detector.explain(first, second);
    drop(waiting);
    let explanation = explanation.map_err(|error| failed(&error))?;
    let suggested = match &explanation.verdict {
        Some(pair) => suggestion_for(detector, subject, branches, pair)?,
        None => String::new(),
    };
    let labels = [branches.0, branches.1].map(|branch| subject.label(branch));
    let view = pair_view(explanation, labels, [first, second], suggested);
    let counts = |pair: &PairVerdict| pair.is_conflict() && filter.keeps(pair);
    let is_clean = !view.verdict.as_ref().is_some_and(counts);
    Ok((explain::render(&view), exit(is_clean)))
}

/// Suggests what to do about an explained pair, as the table of all pairs does.
fn suggestion_for(
    detector: &mut Detector,
    subject: &Subject,
    (a, b): (usize, usize),
    pair: &PairVerdict,
) -> Result<String, CommandError> {
    let tasks = subject.task(a).zip(subject.task(b));
    if let (Some(run), Some((a, b))) = (&subject.run, tasks) {
        return suggestion_for_tasks(&run.context, &run.state, detector, [a, b], pair)
            .map_err(|error| failed(&error));
    }
    Ok(pair.class.suggestion().to_owned())
}

fn exit(is_clean: bool) -> ExitStatus {
    match is_clean {
        true => ExitStatus::Ok,
        false => ExitStatus::NeedsAttention,
    }
}

/// Judges all pairs, and searches conflicts of more than two branches.
fn search(
    detector: &mut Detector,
    subject: &Subject,
    is_complete: bool,
) -> Result<Results, EngineError> {
    let (detection, multiway, suggestions) = match &subject.run {
        Some(run) => {
            let found = compare_candidates(&run.context, &run.state, detector)?;
            let advice = found.conflicts.iter().map(|conflict| {
                let advice = suggestion(&run.state, conflict);
                (conflict.pair(), advice)
            });
            (found.detection, found.multiway, advice.collect())
        }
        None => {
            let mut detection = detector.update(&subject.branches)?;
            let order: Vec<usize> = (0..subject.branches.len()).collect();
            let budget = budget(&detection, is_complete);
            let multiway = detector.multiway_conflicts(&mut detection, &order, budget)?;
            (detection, multiway, HashMap::new())
        }
    };
    Ok(Results {
        detection,
        multiway,
        suggestions,
        independent: Vec::new(),
        reproductions: HashMap::new(),
        hidden: 0,
    })
}

/// Returns the number of merges that the search for conflicts of more than two branches may run.
fn budget(detection: &Detection, is_complete: bool) -> usize {
    let mut pairs = detection.pairs.iter();
    if is_complete {
        usize::MAX
    } else if pairs.any(|pair| pair.bases.first() != detection.base.as_ref()) {
        DIVERGED_MERGES
    } else {
        SEQUENCE_MERGES
    }
}

/// Builds the commands that reproduce the verdicts, by the commit whose attributes apply.
fn reproductions(
    repo: &Repo,
    results: &Results,
    given_base: Option<Oid>,
) -> Result<HashMap<Oid, Reproduction>, CommandError> {
    let store = Store::open(repo).map_err(|error| failed(&error))?;
    let pairs = results.listed().into_iter();
    let commits = pairs.filter_map(|pair| pair.attributes);
    let commits: HashSet<Oid> = commits.chain(results.detection.base).collect();
    let build = |commit| {
        let reproduction = Reproduction::new(repo, &store, commit, given_base)?;
        Ok((commit, reproduction))
    };
    let built: Result<_, StoreError> = commits.into_iter().map(build).collect();
    built.map_err(|error| failed(&error))
}

/// Returns `true` if git failed on a pair in a shallow clone.
fn has_shallow_failure(repo: &Repo, results: &Results) -> bool {
    let is_failure = |pair: &PairVerdict| pair.verdict == Verdict::EngineFailure;
    let mut pairs = results.detection.pairs.iter();
    repo.common.join("shallow").exists() && pairs.any(is_failure)
}

fn render(results: &Results, subject: &Subject, args: &ConflictsArgs, columns: usize) -> String {
    if args.json {
        return render_json(results, subject);
    }
    let mut text = match args.matrix {
        true => matrix(results, subject, columns),
        false => table::render(results, subject, columns),
    };
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&wrap_lines(&results.summary(), columns));
    text
}

/// Renders the matrix; for a run, all tasks have a row, and those without a candidate a reason.
fn matrix(results: &Results, subject: &Subject, columns: usize) -> String {
    let style = MatrixStyle {
        columns,
        paint: &paint,
    };
    let pairs = &results.detection.pairs;
    let Some(run) = &subject.run else {
        let branches = subject.branches.iter().enumerate();
        let row = |(place, branch): (usize, &Branch)| MatrixRow {
            number: place as u32 + 1,
            name: branch.name.clone(),
            branch: Some(place),
        };
        return render_matrix(&branches.map(row).collect::<Vec<_>>(), pairs, &style);
    };
    let row = |(number, branch): (TaskNumber, Option<usize>)| MatrixRow {
        number: number.0,
        name: run.tag(number).to_owned(),
        branch,
    };
    let rows: Vec<MatrixRow> = run.all_tasks().map(row).collect();
    let mut text = render_matrix(&rows, pairs, &style);
    for (number, _) in run.all_tasks().filter(|(_, branch)| branch.is_none()) {
        text.push_str(&wrap_lines(&run.why_without_candidate(number), columns));
        text.push('\n');
    }
    text
}

/// Colours a mark of the matrix by its severity.
fn paint(mark: char) -> String {
    let style = match mark {
        '1' => Style::new().fg_color(Some(AnsiColor::Cyan.into())),
        '2' => Style::new().fg_color(Some(AnsiColor::Green.into())),
        '3' => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
        '4' => Style::new().fg_color(Some(AnsiColor::Red.into())),
        '5' | '!' => Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
        _ => Style::new().dimmed(),
    };
    painted(style, &mark.to_string())
}
