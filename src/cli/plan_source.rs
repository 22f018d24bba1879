//! Reads plans from disk or from standard input.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::base::text::terminal_safe;
use crate::cli::error::{CommandError, ExitStatus};
use crate::engine::start::plan_file::{Problem, read_file, read_limited, read_prompt};
use crate::model::plan::Plan;
use crate::plan::{self, Diagnostic, Format, Source, render_counts, render_diagnostics};
use crate::ui::Ui;

/// A plan with the text it came from.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The plan.
    pub(crate) plan: Plan,
    /// Its text.
    pub(crate) source: Source,
    /// The warnings.
    pub(crate) warnings: Vec<Diagnostic>,
}

/// Returns the format of a plan's file by its name.
///
/// # Errors
/// When it has no known extension.
pub(crate) fn plan_format(file: &Path) -> Result<Format, CommandError> {
    Format::from_path(file).ok_or_else(|| {
        let shown = terminal_safe(&file.display().to_string());
        CommandError::usage(format!("{shown} has no known extension"))
            .hint("a plan is .md, .markdown, .toml or .json")
    })
}

/// Reads and checks a plan; `-` is standard input in Markdown. `workers` are the names that exist
/// (`None`: not checked).
///
/// # Errors
/// When the text cannot be read or is not a valid plan. The message then has every diagnostic, and
/// the exit code is that of a bad command line.
pub(crate) fn load_plan(
    path: &Path,
    workers: Option<&BTreeSet<String>>,
) -> Result<Loaded, CommandError> {
    let source = load_source(path)?;
    let folder = folder_of(path);
    let read_prompt = |prompt: &str| read_prompt(&folder, prompt);
    let parsed = plan::parse(&source, workers, &read_prompt);
    match parsed.plan {
        Some(plan) => Ok(Loaded {
            plan,
            source,
            warnings: parsed.diagnostics,
        }),
        None => {
            let counts = render_counts(&parsed.diagnostics);
            let shown = render_diagnostics(&source, &parsed.diagnostics);
            let name = terminal_safe(&source.name);
            let message = format!("{name}: {counts}\n\n{}", shown.trim_end());
            Err(CommandError::new(ExitStatus::Usage, message))
        }
    }
}

/// Shows the warnings about a plan before it is run.
pub(crate) fn show_warnings(ui: &Ui, loaded: &Loaded) {
    if !loaded.warnings.is_empty() {
        ui.status(render_diagnostics(&loaded.source, &loaded.warnings).trim_end());
    }
}

fn load_source(path: &Path) -> Result<Source, CommandError> {
    let is_stdin = path == Path::new("-");
    let name = match is_stdin {
        true => "<stdin>".to_owned(),
        false => path.display().to_string(),
    };
    let format = match is_stdin {
        true => Format::Markdown,
        false => known_format(path)?,
    };
    let shown = terminal_safe(&name);
    let bytes = match is_stdin {
        true => read_limited(io::stdin().lock()),
        false => read_file(path),
    };
    let bytes = bytes.map_err(|problem| unreadable(&shown, &problem))?;
    let text = String::from_utf8(bytes).map_err(|error| not_utf8(&shown, &error))?;
    Ok(Source { name, format, text })
}

fn known_format(path: &Path) -> Result<Format, CommandError> {
    // A missing file, a folder or a pipe gets a better message than a missing extension.
    let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    match Format::from_path(path) {
        Some(format) => Ok(format),
        None if !is_file => Ok(Format::Markdown),
        None => {
            let name = path.display().to_string();
            let message = format!("{} has no known extension", terminal_safe(&name));
            let hint =
                "a plan is .md, .markdown, .toml or .json; `-` reads Markdown from standard input";
            Err(CommandError::failed(message).hint(hint))
        }
    }
}

fn unreadable(name: &str, problem: &Problem) -> CommandError {
    let message = format!("could not read {name}: {}", problem.sentence());
    let error = match problem {
        // The text exists, but it is not a plan.
        Problem::TooLarge => CommandError::usage(message),
        _ => CommandError::failed(message),
    };
    match problem {
        Problem::NotAFile("a pipe") => error.hint("`-` reads Markdown from standard input"),
        Problem::NotAFile("a folder") => error.hint("name the file of the plan in it"),
        Problem::TooLarge => {
            error.hint("a plan holds tasks; put data into files of the repository")
        }
        _ => error,
    }
}

fn not_utf8(name: &str, error: &std::string::FromUtf8Error) -> CommandError {
    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
    CommandError::usage(format!("{name}: line {line} is not valid UTF-8"))
        .hint("save the file as UTF-8")
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Writes a file that must not exist.
///
/// # Errors
/// When it exists, or cannot be written.
pub(crate) fn write_new(output: &Path, text: &str) -> Result<(), CommandError> {
    let name = terminal_safe(&output.display().to_string());
    let written = File::create_new(output).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CommandError::failed(format!("{name} exists already"))
            .hint("choose another name or remove it first"),
        _ => CommandError::failed(format!("could not write {name}: {error}")),
    })
}
