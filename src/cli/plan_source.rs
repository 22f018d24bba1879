//! Reads plans from disk or from standard input.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};

use crate::base::files::open_nonblocking;
use crate::base::text::{plural, terminal_safe};
use crate::cli::error::{CommandError, ExitStatus};
use crate::model::plan::Plan;
use crate::plan::{self, Diagnostic, Format, MAX_BYTES, Source, render_diagnostics};
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

/// Renders `2 errors, 1 warning`; empty without diagnostics.
pub(crate) fn render_counts(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics.iter().filter(|found| found.is_error()).count();
    let warnings = diagnostics.len() - errors;
    let counts = [(errors, "error"), (warnings, "warning")];
    let shown = counts.iter().filter(|(count, _)| *count > 0);
    let shown: Vec<_> = shown.map(|(count, noun)| plural(*count, noun)).collect();
    shown.join(", ")
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

/// The reason for which a file could not be read.
enum Problem {
    NoSuchFile,
    NotAFile(&'static str),
    TooLarge,
    Io(io::Error),
}

impl Problem {
    fn sentence(&self) -> String {
        match self {
            Problem::NoSuchFile => "no such file".to_owned(),
            Problem::NotAFile(kind) => format!("it is {kind}, not a file"),
            Problem::TooLarge => "it is larger than 16 MiB".to_owned(),
            Problem::Io(error) => error.to_string(),
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Problem {
        match error.kind() {
            io::ErrorKind::NotFound => Problem::NoSuchFile,
            _ => Problem::Io(error),
        }
    }
}

/// Reads a file and never blocks: only regular files are opened, and one that becomes a pipe in
/// between is opened without blocking and then rejected.
fn read_file(path: &Path) -> Result<Vec<u8>, Problem> {
    check_is_file(&fs::metadata(path)?)?;
    let file: File = open_nonblocking(path)?;
    let metadata = file.metadata()?;
    check_is_file(&metadata)?;
    if metadata.len() > MAX_BYTES as u64 {
        return Err(Problem::TooLarge);
    }
    read_limited(file)
}

fn check_is_file(metadata: &fs::Metadata) -> Result<(), Problem> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    Err(Problem::NotAFile(if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }))
}

fn read_limited(input: impl Read) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    input.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() > MAX_BYTES {
        true => Err(Problem::TooLarge),
        false => Ok(bytes),
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

/// Reads a `prompt_file`. It must be in the plan's folder or in the repository around that, so
/// that a plan from a stranger cannot send a private file to a worker.
fn read_prompt(folder: &Path, prompt: &str) -> Result<String, String> {
    let relative = Path::new(prompt);
    if relative
        .components()
        .any(|part| matches!(part, Component::RootDir | Component::Prefix(_)))
    {
        return Err("the path is absolute".to_owned());
    }
    let said = |error: io::Error| Problem::from(error).sentence();
    let folder = folder.canonicalize().map_err(said)?;
    let path = folder.join(relative).canonicalize().map_err(said)?;
    if !path.starts_with(repository_of(&folder)) {
        return Err("it is outside of the plan's folder and of the repository".to_owned());
    }
    let bytes = read_file(&path).map_err(|problem| problem.sentence())?;
    String::from_utf8(bytes).map_err(|_| "it is not valid UTF-8".to_owned())
}

/// Returns the working tree that a folder belongs to, or the folder itself.
fn repository_of(folder: &Path) -> &Path {
    let mut above = folder.ancestors();
    above
        .find(|folder| folder.join(".git").exists())
        .unwrap_or(folder)
}
