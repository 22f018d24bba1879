//! The message that the user gives for the landing commit.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use crate::base::text::shell_path;
use crate::cli::error::CommandError;
use crate::engine::EngineError;
use crate::git::Repo;

/// The names of Latin-1, each of whose bytes is the character of that number.
const LATIN_1: [&str; 5] = ["latin1", "latin-1", "iso-8859-1", "iso8859-1", "iso_8859-1"];

/// Returns the message: the content of a file, or of standard input for `-`, else the paragraphs. `None` if
/// there is neither. A file is in UTF-8, or where `i18n.commitEncoding` says so, in Latin-1.
///
/// # Errors
/// When the file cannot be read, has another encoding, or is empty.
pub(super) fn message(
    file: Option<&Path>,
    paragraphs: &[String],
    repo: &Repo,
) -> Result<Option<String>, CommandError> {
    let text = match file {
        Some(file) => decode(file, read(file)?, repo)?,
        None if paragraphs.is_empty() => return Ok(None),
        None => paragraphs.join("\n\n"),
    };
    if text.trim().is_empty() {
        return Err(CommandError::usage(
            "the message of the landing commit is empty",
        ));
    }
    Ok(Some(text))
}

fn read(file: &Path) -> Result<Vec<u8>, CommandError> {
    if file.as_os_str() == "-" {
        let mut content = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut content);
        let failed =
            |error| CommandError::failed(format!("could not read standard input: {error}"));
        return read.map(|_| content).map_err(failed);
    }
    let failed =
        |error| CommandError::failed(format!("could not read {}: {error}", file.display()));
    fs::read(file).map_err(failed)
}

fn decode(file: &Path, content: Vec<u8>, repo: &Repo) -> Result<String, CommandError> {
    let invalid = match String::from_utf8(content) {
        Ok(text) => return Ok(text),
        Err(invalid) => invalid,
    };
    let setting = repo.setting(&["i18n.commitEncoding"]);
    let encoding = setting.map_err(EngineError::from)?.unwrap_or_default();
    if LATIN_1.contains(&encoding.to_ascii_lowercase().as_str()) {
        return Ok(invalid.as_bytes().iter().copied().map(char::from).collect());
    }
    let good = &invalid.as_bytes()[..invalid.utf8_error().valid_up_to()];
    let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
    let (name, from) = match file.as_os_str() == "-" {
        true => ("standard input".to_owned(), String::new()),
        false => (file.display().to_string(), format!(" {}", shell_path(file))),
    };
    let encoding = if encoding.is_empty() {
        "ENCODING"
    } else {
        &encoding
    };
    Err(
        CommandError::failed(format!("{name} is not in UTF-8 (line {line})")).hint(format!(
            "`iconv -f {encoding} -t UTF-8{from} | dispatch land -F -` converts it"
        )),
    )
}
