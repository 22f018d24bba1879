//! `dispatch plan import`: makes a plan of the tasks of another tool, and marks finished ones there.

mod tick;

use std::path::{Path, PathBuf, absolute};

use clap::{Args, ValueEnum};

use crate::base::text::{clip, one_line, plural, terminal_safe};
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::land::pull_request::hint;
use crate::cli::plan_source::{plan_format, write_new};
use crate::cli::repo_context::RepoContext;
use crate::engine::start::plan_file::read_file;
use crate::forge::{Gh, GhError};
use crate::plan::import::{ImportError, ImportFormat, Imported, import};
use crate::plan::{Format, Source, parse, render, render_diagnostics};
use crate::ui::Ui;

const AFTER_HELP: &str = "\
Nothing is run, and the file stays as it is. Whatever a plan cannot hold is listed. Each task keeps
its origin in the field `source`; with --tick, the tasks of a run that passed are marked there.";

/// Make a plan of the tasks of another tool
#[derive(Args, Debug, Clone)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ImportArgs {
    /// The format
    #[arg(required_unless_present = "tick", conflicts_with = "tick")]
    format: Option<FormatArg>,
    /// The file with the tasks; none for github
    file: Option<PathBuf>,
    /// Write the plan to this file, which must not exist [default: standard output]
    #[arg(long, short, value_name = "FILE", conflicts_with = "tick")]
    output: Option<PathBuf>,
    /// For task-master: the list to import [default: master]
    #[arg(long, value_name = "NAME")]
    list: Option<String>,
    /// For github: only issues with this label; may be repeated
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
    /// For github: only issues that this search finds
    #[arg(long, value_name = "QUERY")]
    search: Option<String>,
    /// Mark the tasks of a run that passed as finished where they came from [default: the latest run]
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "")]
    tick: Option<String>,
    /// With --tick: only print what would be marked
    #[arg(long, requires = "tick")]
    dry_run: bool,
}

/// A format on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum FormatArg {
    /// tasks.md of spec-kit
    SpecKit,
    /// tasks.json of task-master
    TaskMaster,
    /// tasks.md of Kiro
    Kiro,
    /// tasks.md of OpenSpec
    #[value(name = "openspec")]
    OpenSpec,
    /// Issues of beads as JSONL
    Beads,
    /// A check list in Markdown
    #[value(name = "checklist")]
    CheckList,
    /// Issues on GitHub
    Github,
}

impl FormatArg {
    fn format(self) -> ImportFormat {
        match self {
            FormatArg::SpecKit => ImportFormat::SpecKit,
            FormatArg::TaskMaster => ImportFormat::TaskMaster,
            FormatArg::Kiro => ImportFormat::Kiro,
            FormatArg::OpenSpec => ImportFormat::OpenSpec,
            FormatArg::Beads => ImportFormat::Beads,
            FormatArg::CheckList => ImportFormat::CheckList,
            FormatArg::Github => ImportFormat::Github,
        }
    }
}

/// Runs the subcommand.
///
/// # Errors
/// When the tasks cannot be read, none is open, or a file cannot be written.
pub(crate) fn run(args: ImportArgs, ui: &Ui) -> CommandResult {
    let Some(format) = args.format.map(FormatArg::format) else {
        let run = args.tick.as_deref().filter(|run| !run.is_empty());
        return tick::run(run, args.dry_run, ui);
    };
    check_options(&args, format)?;
    let form = output_format(args.output.as_deref())?;
    let (name, text) = match (format, &args.file) {
        (ImportFormat::Github, _) => issues(&args)?,
        (_, Some(file)) => (source_name(file)?, read(file)?),
        (_, None) => {
            return Err(CommandError::usage("there is no file to import")
                .hint(format!("`dispatch plan import {} FILE`", format.name())));
        }
    };
    let imported = import(format, &name, &text, args.list.as_deref())
        .map_err(|error| refused(&name, &error))?;
    let plan = checked(&imported, form, args.output.as_deref(), ui)?;
    match &args.output {
        Some(output) => {
            write_new(output, &plan)?;
            let tasks = plural(imported.plan.tasks().len(), "task");
            let output = terminal_safe(&output.display().to_string());
            ui.status(&format!("saved {tasks} to {output}"));
        }
        None => ui.answer_exact(plan.as_bytes()),
    }
    Ok(ExitStatus::Ok)
}

/// Refuses options that belong to another format.
fn check_options(args: &ImportArgs, format: ImportFormat) -> Result<(), CommandError> {
    let is_github = format == ImportFormat::Github;
    let wrong = if args.list.is_some() && format != ImportFormat::TaskMaster {
        Some("--list belongs to task-master")
    } else if !is_github && (!args.label.is_empty() || args.search.is_some()) {
        Some("--label and --search belong to github")
    } else if is_github && args.file.is_some() {
        Some("github has no file: name issues by --label or --search")
    } else if is_github && args.label.is_empty() && args.search.is_none() {
        Some("name the issues to import by --label or --search")
    } else {
        None
    };
    wrong.map_or(Ok(()), |wrong| Err(CommandError::usage(wrong)))
}

fn output_format(output: Option<&Path>) -> Result<Format, CommandError> {
    let Some(output) = output else {
        return Ok(Format::Markdown);
    };
    plan_format(output)
}

/// Returns the name that `source` records: the path from the top of the repository, if it is inside.
fn source_name(file: &Path) -> Result<String, CommandError> {
    let full = absolute(file).unwrap_or_else(|_| file.to_owned());
    let full = full.canonicalize().unwrap_or(full);
    let top = RepoContext::open_if_any()?.map(|here| here.repo.top);
    let inside = top.as_ref().and_then(|top| full.strip_prefix(top).ok());
    Ok(inside.unwrap_or(&full).display().to_string())
}

/// Reads a file with tasks.
pub(super) fn read(file: &Path) -> Result<String, CommandError> {
    let shown = terminal_safe(&file.display().to_string());
    let bytes = read_file(file).map_err(|problem| {
        CommandError::failed(format!("could not read {shown}: {}", problem.sentence()))
    })?;
    String::from_utf8(bytes).map_err(|_| {
        CommandError::failed(format!("{shown} is not valid UTF-8")).hint("save the file as UTF-8")
    })
}

/// Asks `gh` for issues; returns the name of the repository, and the list.
fn issues(args: &ImportArgs) -> Result<(String, String), CommandError> {
    let here = RepoContext::open_to_read()?;
    let listed =
        Gh::find(&here.repo.top).and_then(|gh| gh.issues(&args.label, args.search.as_deref()));
    let text =
        listed.map_err(|error| CommandError::failed(error.to_string()).hint(gh_hint(&error)))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|_| {
        let said = clip(&one_line(&terminal_safe(&text)), 120);
        CommandError::failed(format!("unexpected output of gh: {said}"))
    })?;
    let url = value[0]["url"].as_str().unwrap_or_default();
    let repository = url
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'));
    let repository = repository.and_then(|(_, path)| path.split_once("/issues/"));
    let name = repository.map_or("issues", |(repository, _)| repository);
    Ok((name.to_owned(), text))
}

/// Suggests a remedy for a failure of `gh`, without which nothing can be imported.
fn gh_hint(error: &GhError) -> &'static str {
    match error {
        GhError::NotInstalled => {
            "install it (https://cli.github.com), and log in with `gh auth login`"
        }
        error => hint(error),
    }
}

fn refused(name: &str, error: &ImportError) -> CommandError {
    let name = terminal_safe(name);
    let said = terminal_safe(&error.to_string());
    let exit = match error {
        ImportError::NoItems | ImportError::NothingOpen => ExitStatus::Failed,
        _ => ExitStatus::Usage,
    };
    CommandError::new(exit, format!("{name}: {said}"))
}

/// Renders the plan, and shows what was left out and what the parser warns about.
fn checked(
    imported: &Imported,
    format: Format,
    output: Option<&Path>,
    ui: &Ui,
) -> Result<String, CommandError> {
    if !imported.notes.is_empty() {
        ui.status("not carried over:");
        for note in &imported.notes {
            ui.status(&format!("  {}", terminal_safe(&note.to_string())));
        }
    }
    let name = output.map_or("<stdout>".to_owned(), |output| output.display().to_string());
    let text = render(&imported.plan, format);
    let source = Source { name, format, text };
    let parsed = parse(&source, None, &|_| Err(String::new()));
    let shown = render_diagnostics(&source, &parsed.diagnostics);
    match parsed.plan {
        Some(_) => {
            if !parsed.diagnostics.is_empty() {
                ui.status(shown.trim_end());
            }
            Ok(source.text)
        }
        None => Err(CommandError::failed(format!(
            "the imported plan has errors\n\n{}",
            shown.trim_end()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_gh_there_is_nothing_to_import() {
        insta::assert_snapshot!(
            gh_hint(&GhError::NotInstalled),
            @"install it (https://cli.github.com), and log in with `gh auth login`"
        );
    }
}
