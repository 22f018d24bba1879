//! `dispatch plan`: make, import, check, show and convert plans.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use crate::base::text::{plural, terminal_safe};
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::plan_import::{self, ImportArgs};
use crate::cli::plan_new::{self, NewArgs};
use crate::cli::plan_source::{Loaded, load_plan, write_new};
use crate::cli::repo_context::RepoContext;
use crate::config;
use crate::config::variable::Overrides;
use crate::plan::{self, Format, render_counts, render_diagnostics};
use crate::ui::Ui;

/// Make, import, check, show and convert plans
#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    #[command(subcommand)]
    command: PlanCommand,
}

#[derive(Subcommand, Debug)]
enum PlanCommand {
    New(Box<NewArgs>),
    Import(ImportArgs),
    /// Check a plan and report every problem
    Check {
        /// The plan (.md, .toml, .json); `-` reads Markdown from standard input
        file: PathBuf,
    },
    /// Print a plan in Markdown
    Show {
        /// The plan (.md, .toml, .json); `-` reads Markdown from standard input
        file: PathBuf,
        /// Print it in JSON instead
        #[arg(long)]
        json: bool,
    },
    /// Write a plan in another format, losing nothing
    Convert {
        /// The plan (.md, .toml, .json); `-` reads Markdown from standard input
        file: PathBuf,
        /// The format to write
        #[arg(long, value_name = "FORMAT")]
        to: To,
        /// Write to this file, which must not exist [default: standard output]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Print the JSON Schema of plans in JSON
    Schema,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum To {
    Toml,
    Md,
    Json,
}

impl To {
    fn format(self) -> Format {
        match self {
            To::Toml => Format::Toml,
            To::Md => Format::Markdown,
            To::Json => Format::Json,
        }
    }
}

/// Runs `dispatch plan`.
///
/// # Errors
/// When the plan cannot be read, is invalid, or the result cannot be written.
pub(crate) fn run(args: PlanArgs, ui: &Ui) -> CommandResult {
    match args.command {
        PlanCommand::New(args) => plan_new::run(*args, ui),
        PlanCommand::Import(args) => plan_import::run(args, ui),
        PlanCommand::Check { file } => check(&file, ui),
        PlanCommand::Show { file, json } => {
            let loaded = load(&file, ui)?;
            match json {
                true => ui.answer_json(&plan::render(&loaded.plan, Format::Json)),
                false => ui.answer_exact(plan::render(&loaded.plan, Format::Markdown).as_bytes()),
            }
            Ok(ExitStatus::Ok)
        }
        PlanCommand::Convert { file, to, output } => {
            let loaded = load(&file, ui)?;
            let text = plan::render(&loaded.plan, to.format());
            match output {
                Some(output) => write_new(&output, &text)?,
                None if to.format() == Format::Json => ui.answer_json(&text),
                None => ui.answer_exact(text.as_bytes()),
            }
            Ok(ExitStatus::Ok)
        }
        PlanCommand::Schema => {
            ui.answer(&plan::schema());
            Ok(ExitStatus::Ok)
        }
    }
}

/// Loads a plan and shows its warnings.
fn load(file: &Path, ui: &Ui) -> Result<Loaded, CommandError> {
    let loaded = load_plan(file, known_workers()?.as_ref())?;
    if !loaded.warnings.is_empty() {
        ui.status(&render_diagnostics(&loaded.source, &loaded.warnings));
    }
    Ok(loaded)
}

/// Lists the workers that a plan may name: those of the repository around the current folder.
/// Outside a repository any name is accepted.
fn known_workers() -> Result<Option<BTreeSet<String>>, CommandError> {
    let Ok(here) = RepoContext::open_to_read() else {
        return Ok(None);
    };
    let settings = config::load(&here.repo.top, None, &Overrides::default())?;
    Ok(Some(settings.workers.into_keys().collect()))
}

fn check(file: &Path, ui: &Ui) -> CommandResult {
    let loaded = load(file, ui)?;
    ui.answer_text(&format!("{}\n", render_summary(&loaded)));
    Ok(ExitStatus::Ok)
}

/// Renders `plan.md: 4 tasks, 3 can start at once, 1 warning`.
fn render_summary(loaded: &Loaded) -> String {
    let tasks = loaded.plan.tasks();
    let ready = tasks.iter().filter(|task| task.depends_on.is_empty());
    let mut summary = format!(
        "{}: {}, {} can start at once",
        terminal_safe(&loaded.source.name),
        plural(tasks.len(), "task"),
        ready.count()
    );
    if !loaded.warnings.is_empty() {
        summary += ", ";
        summary += &render_counts(&loaded.warnings);
    }
    summary
}
