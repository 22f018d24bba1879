//! Reads the files of plans: the plan itself, and the prompts that it names.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path};

use crate::base::files::open_nonblocking;
use crate::git::tracked::is_tracked_file;
use crate::plan::MAX_BYTES;

/// The reason why a file could not be read.
#[derive(Debug)]
pub enum Problem {
    /// There is no such file.
    NoSuchFile,
    /// It is something else, such as `a folder`.
    NotAFile(&'static str),
    /// It is larger than a plan may be.
    TooLarge,
    /// The system failed.
    Io(io::Error),
}

impl Problem {
    /// Renders the reason as a sentence without a period.
    pub fn sentence(&self) -> String {
        match self {
            Problem::NoSuchFile => "no such file".to_owned(),
            Problem::NotAFile(kind) => format!("it is {kind}, not a file"),
            Problem::TooLarge => "it is larger than 4 MiB".to_owned(),
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
///
/// # Errors
/// When it is not a file, is too large, or cannot be read.
pub fn read_file(path: &Path) -> Result<Vec<u8>, Problem> {
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

/// Reads at most the size of a plan.
///
/// # Errors
/// When there is more, or it cannot be read.
pub fn read_limited(input: impl Read) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    input.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() > MAX_BYTES {
        true => Err(Problem::TooLarge),
        false => Ok(bytes),
    }
}

/// Reads a `prompt_file`. In a repository git must track it; elsewhere it must be in the plan's folder.
/// So a plan from a stranger cannot send a private file to a worker.
///
/// # Errors
/// The reason, as a sentence without a period.
pub fn read_prompt(folder: &Path, prompt: &str) -> Result<String, String> {
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
    let repository = repository_of(&folder);
    if !path.starts_with(repository.unwrap_or(&folder)) {
        return Err("it is outside of the plan's folder and of the repository".to_owned());
    }
    if repository.is_some() && !is_tracked_file(&folder, relative) {
        return Err("git does not track it; `git add` it if a worker may read it".to_owned());
    }
    let bytes = read_file(&path).map_err(|problem| problem.sentence())?;
    String::from_utf8(bytes).map_err(|_| "it is not valid UTF-8".to_owned())
}

/// Returns the working tree that a folder belongs to.
fn repository_of(folder: &Path) -> Option<&Path> {
    let mut above = folder.ancestors();
    above.find(|folder| folder.join(".git").exists())
}
