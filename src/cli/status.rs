//! `dispatch status`, `board`, `report` and `history`: show runs, from git alone.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::base::files;
use crate::base::safe::json::json_safe;
use crate::base::table::wrapped_table;
use crate::base::text::{one_line, shell_word, terminal_safe};
use crate::cli::assemble::warn_of_newer_commits;
use crate::cli::disk;
use crate::cli::drive::warn_of_mirror;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::engine::candidates::newer_commits::note_newer_commits;
use crate::engine::land::target::missing_checkout;
use crate::engine::publish::{render_board_file, render_reports, report_value};
use crate::engine::runs::standing::standing_view;
use crate::journal::runs;
use crate::model::run::{RunPhase, RunState};
use crate::report::board::view::{BoardView, Standing};
use crate::report::board::{json, text};
use crate::report::history::{history_row, unreadable_row};
use crate::report::suggest;
use crate::ui::Ui;
use crate::web::report_page::render_report_page;

/// Show the state of a run: its tasks, conflicts and assembly
#[derive(Args, Debug, Clone)]
pub(crate) struct StatusArgs {
    /// The run [default: the latest]
    run: Option<String>,
    /// Show what dispatch keeps on disk instead, why, and the command that removes it
    #[arg(long, conflicts_with = "run")]
    disk: bool,
    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
}

/// Print the board of a run, as committed in DISPATCH.md
///
/// A terminal shows it as text, anything else gets the Markdown.
#[derive(Args, Debug, Clone)]
pub(crate) struct BoardArgs {
    /// The run [default: the latest]
    run: Option<String>,
    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
}

/// Print the failure or completion report of a run
#[derive(Args, Debug, Clone)]
pub(crate) struct ReportArgs {
    /// The run [default: the latest]
    run: Option<String>,
    /// Print it as Markdown, as in DISPATCH.md
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Print it with the board as one HTML file, or write it to FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true,
          conflicts_with_all = ["json", "markdown"])]
    html: Option<Option<PathBuf>>,
    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
}

/// List the runs of this repository, the latest first
#[derive(Args, Debug, Clone)]
pub(crate) struct HistoryArgs {
    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
}

/// A run, with the process that drives it, if any.
struct Shown {
    state: RunState,
    view: BoardView,
}

fn show(here: &RepoContext, name: Option<&str>) -> Result<Shown, CommandError> {
    let run = here.find_run(name, DefaultRun::Latest)?;
    let state = here.read_state(&run)?;
    let view = standing_view(&here.repo, &state);
    Ok(Shown { state, view })
}

/// Runs `dispatch status`.
///
/// # Errors
/// When the run cannot be read.
pub(crate) fn status(args: StatusArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open_to_read()?;
    if args.disk {
        return disk::show(&here, args.json, ui);
    }
    let mut shown = show(&here, args.run.as_deref())?;
    if args.json {
        note_newer_commits(&here.store, &shown.state, &mut shown.view)?;
        ui.answer(&pretty(&json::value(&shown.view)));
        return Ok(ExitStatus::Ok);
    }
    ui.answer(&text::render_within(&shown.view, ui.columns()));
    warn_of_newer_commits(&here.store, &shown.state, ui)?;
    warn_of_mirror(&here.repo, &shown.state.run, ui);
    if let Some(missing) = missing_checkout(&here.repo, &shown.state) {
        ui.warning(&missing.sentence());
        ui.hint(&missing.advice());
    }
    let run = &shown.state.run;
    match shown.view.standing {
        Standing::Interrupted => ui.hint(&format!("`{}` resumes it", suggest::resume(run))),
        Standing::Elsewhere => ui.hint(&format!(
            "it goes on in another clone; `{}` brings what happened since",
            suggest::fetch(run)
        )),
        _ => {}
    }
    Ok(ExitStatus::Ok)
}

/// Runs `dispatch board`.
///
/// # Errors
/// When the run cannot be read.
pub(crate) fn board(args: BoardArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open_to_read()?;
    let shown = show(&here, args.run.as_deref())?;
    match args.json {
        true => ui.answer(&pretty(&json::value(&shown.view))),
        false if ui.is_on_terminal() => ui.answer_markdown(&render_board_file(&shown.state)),
        false => ui.answer(&render_board_file(&shown.state)),
    }
    Ok(ExitStatus::Ok)
}

/// Runs `dispatch report`.
///
/// # Errors
/// When the run cannot be read, or there is nothing to report yet.
pub(crate) fn report(args: ReportArgs, ui: &Ui) -> CommandResult {
    if let Some(right) = misplaced_file(&args) {
        let error = CommandError::usage("`--html` takes its file after `=`");
        return Err(error.hint(format!("`{right}` writes it")));
    }
    let here = RepoContext::open_to_read()?;
    let state = show(&here, args.run.as_deref())?.state;
    if args.json {
        ui.answer(&pretty(&report_value(&state)));
        return Ok(ExitStatus::Ok);
    }
    let reports = render_reports(&state);
    if reports.is_empty() {
        let what = match state.phase {
            RunPhase::Ended(_) => "has tasks that can still continue",
            _ => "has not ended",
        };
        let run = &state.run;
        return Err(CommandError::failed(format!("{run} {what}"))
            .hint(format!("`dispatch status {run}` shows its state")));
    }
    if let Some(file) = &args.html {
        return report_page(&render_report_page(&state), file.as_deref(), ui);
    }
    let report = reports.join("\n");
    match args.markdown {
        true => ui.answer(&report),
        false => ui.answer_markdown(&report),
    }
    Ok(ExitStatus::Ok)
}

/// Returns the command that was meant by `--html FILE`, where FILE would be the name of a run.
fn misplaced_file(args: &ReportArgs) -> Option<String> {
    let name = args.run.as_deref().filter(|name| name.ends_with(".html"))?;
    let is_bare = args.html == Some(None);
    is_bare.then(|| format!("dispatch report --html={}", shell_word(name)))
}

/// Prints the report as HTML, or writes it to a file.
fn report_page(page: &str, file: Option<&Path>, ui: &Ui) -> CommandResult {
    match file {
        Some(file) => files::replace(file, page.as_bytes()).map_err(|error| {
            CommandError::failed(format!("could not write {}: {error}", file.display()))
        })?,
        None => ui.answer_exact(page.as_bytes()),
    }
    Ok(ExitStatus::Ok)
}

/// Runs `dispatch history`.
///
/// # Errors
/// When the references cannot be read.
pub(crate) fn history(args: HistoryArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open_to_read()?;
    let mut rows = Vec::new();
    for entry in runs::list(&here.store)?.into_iter().rev() {
        match show(&here, Some(entry.run.as_str())) {
            Ok(shown) => rows.push(history_row(&shown.state, &shown.view)),
            Err(error) => rows.push(unreadable_row(entry.run.as_str(), &error.message)),
        }
    }
    if args.json {
        ui.answer(&pretty(&json!({"version": 1, "runs": rows})));
        return Ok(ExitStatus::Ok);
    }
    if rows.is_empty() {
        ui.hint("there is no run in this repository yet; `dispatch run PLAN` starts one");
    }
    ui.answer(&render_history(&rows, ui.columns()));
    Ok(ExitStatus::Ok)
}

/// Renders columns two spaces apart; empty without runs.
fn render_history(rows: &[serde_json::Value], columns: usize) -> String {
    let cells = |row: &serde_json::Value| {
        let field = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let state = match (row["landed"].as_str(), field("state").as_str()) {
            (Some(_), _) => "landed".to_owned(),
            (None, "needs-attention") => Standing::NeedsAttention.words().to_owned(),
            (None, state) => state.to_owned(),
        };
        let done = match row["tasks"].as_u64() {
            Some(tasks) => format!("{}/{tasks}", row["done"]),
            None => String::new(),
        };
        let started = field("started")
            .get(..16)
            .unwrap_or_default()
            .replace('T', " ");
        let title = one_line(&terminal_safe(&field("title")));
        [field("run"), state, done, started, title]
    };
    if rows.is_empty() {
        return String::new();
    }
    let head = ["RUN", "STATE", "DONE", "STARTED (UTC)", "TITLE"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(head)
        .chain(rows.iter().map(cells))
        .collect();
    wrapped_table(&rows, columns)
}

/// Renders one JSON object with line breaks.
pub(crate) fn pretty(value: &serde_json::Value) -> String {
    json_safe(&format!("{value:#}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_after_html_without_an_equals_sign_is_understood() {
        let of = |run: &str, html| {
            misplaced_file(&ReportArgs {
                run: Some(run.to_owned()),
                markdown: false,
                html,
                json: false,
            })
        };
        let right = "dispatch report --html=out.html".to_owned();
        assert_eq!(of("out.html", Some(None)), Some(right));
        assert_eq!(of("shop-7k3q", Some(None)), None);
        assert_eq!(of("out.html", None), None);
    }

    #[test]
    fn the_history_is_a_table_with_room_for_long_names() {
        let row = |run: &str, state: &str, landed: Option<&str>, title: &str| {
            json!({"run": run, "state": state, "tasks": 12, "done": 3, "landed": landed,
                   "started": "2026-11-22T09:14:03Z", "title": title})
        };
        let broken = json!({"run": "old-0000", "state": "unreadable", "title": "not\nread"});
        let rows = [
            row(
                "a-run-with-a-long-name-7k3q",
                "finished",
                Some("1a2b"),
                "Checkout",
            ),
            row("shop-2f4d", "needs-attention", None, "Shop"),
            broken,
        ];
        insta::assert_snapshot!(render_history(&rows, usize::MAX), @r"
        RUN                          STATE            DONE  STARTED (UTC)     TITLE
        a-run-with-a-long-name-7k3q  landed           3/12  2026-11-22 09:14  Checkout
        shop-2f4d                    needs attention  3/12  2026-11-22 09:14  Shop
        old-0000                     unreadable                               not read
        ");
        assert_eq!(render_history(&[], usize::MAX), "");
    }
}
