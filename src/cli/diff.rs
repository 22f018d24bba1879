//! `dispatch diff RUN TASK`: shows the changes of a task with git's own diff.

use anstyle::{AnsiColor, Style};
use clap::Args;

use crate::base::safe::terminal::painted;
use crate::base::text::terminal_safe;
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::help::{pager, user_config};
use crate::cli::repo_context::{DefaultRun, RepoContext, TaskName, find_task};
use crate::model::task_change::TaskChange;
use crate::ui::Ui;

/// Show the changes of a task against the commit it started from
#[derive(Args, Debug, Clone)]
pub(crate) struct DiffArgs {
    /// The task
    #[command(flatten)]
    name: TaskName,
    /// Show only files and counts
    #[arg(long)]
    stat: bool,
}

/// Runs the subcommand: shows the task's candidate, or the work that its last attempt left.
///
/// # Errors
/// When the task has changed nothing.
pub(crate) fn run(args: DiffArgs, ui: &Ui) -> CommandResult {
    let here = RepoContext::open()?;
    let run = here.find_run(args.name.run.as_deref(), DefaultRun::Latest)?;
    let state = here.read_state(&run)?;
    let number = find_task(&state.plan, &args.name.task)?.number;
    let Some(change) = state.task_change(number) else {
        return Err(CommandError::failed(format!(
            "{number} of {run} has changed nothing"
        )));
    };
    show(&here, change, args.stat, ui)
}

/// Prints a diff: on a terminal in colours and with the user's pager, elsewhere as plain text. Neither the
/// repository's external diff program nor its text conversions run.
///
/// # Errors
/// When git cannot be run.
pub(crate) fn show(here: &RepoContext, change: TaskChange, stat: bool, ui: &Ui) -> CommandResult {
    let (from, to) = (change.from.to_string(), change.to.to_string());
    let mut args = vec!["diff", "--no-ext-diff", "--no-textconv", "--find-renames"];
    args.extend(stat.then_some("--stat"));
    args.extend([from.as_str(), &to]);
    let git = here.repo.git().setting("core.quotePath=false");
    let text = git.run(&args)?;
    match ui.is_on_terminal() {
        true => ui.page(&colored(&String::from_utf8_lossy(&text)), &diff_pager()),
        false => ui.answer_exact(&text),
    }
    Ok(ExitStatus::Ok)
}

/// Finds the user's pager of diffs as git does: `pager.diff`, else the pager of everything.
fn diff_pager() -> String {
    let own = user_config("pager.diff").unwrap_or_default();
    match own.to_lowercase().as_str() {
        "" | "true" | "yes" | "on" | "1" => pager(),
        "false" | "no" | "off" | "0" => String::new(),
        _ => own,
    }
}

/// Colours the lines of a diff as git does.
fn colored(diff: &str) -> String {
    let color = |color: AnsiColor| Style::new().fg_color(Some(color.into()));
    let mut is_header = true;
    let lines = diff.split_inclusive('\n').map(|whole| {
        let line = whole.trim_end_matches('\n');
        is_header = match line {
            line if line.starts_with("diff --git ") => true,
            line if line.starts_with("@@") => false,
            _ => is_header,
        };
        let style = match line.chars().next() {
            _ if is_header => Style::new().bold(),
            Some('@') => color(AnsiColor::Cyan),
            Some('+') => color(AnsiColor::Green),
            Some('-') => color(AnsiColor::Red),
            _ => return whole.to_owned(),
        };
        painted(style, &terminal_safe(line)) + &whole[line.len()..]
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::safe::terminal::{for_terminal, without_style};

    const DIFF: &str =
        "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1,2 @@\n-a\n+\u{1b}[31mb\n c\n";

    #[test]
    fn a_diff_has_colours_of_dispatch_and_none_of_the_file() {
        let shown = colored(DIFF);
        assert_eq!(without_style(&shown), DIFF.replace('\u{1b}', "\\u{1b}"));
        insta::assert_snapshot!(for_terminal(&shown).replace('\u{1b}', "^"), @r"
        ^[1mdiff --git a/x b/x^[0m
        ^[1m--- a/x^[0m
        ^[1m+++ b/x^[0m
        ^[36m@@ -1 +1,2 @@^[0m
        ^[31m-a^[0m
        ^[32m+\u{1b}[31mb^[0m
         c
        ");
    }
}
