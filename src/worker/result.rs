//! The report a worker writes to `DISPATCH_RESULT_FILE`.
//!
//! Any program may write it, so fields of the wrong type are dropped and the rest is kept. The text
//! is stored as it is and made safe where it is shown.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Map, Value};

use crate::base::files::open_nonblocking_nofollow;
use crate::model::worker_report::{WorkerError, WorkerReport};

/// The largest report that is read, in bytes.
pub const SIZE_LIMIT: u64 = 256 * 1024;

/// An unusable report.
#[derive(Debug, thiserror::Error)]
pub enum InvalidReport {
    /// Larger than [`SIZE_LIMIT`].
    #[error("the report is larger than {} KiB", SIZE_LIMIT / 1024)]
    TooLarge,
    /// Not JSON, perhaps because the worker is still writing it.
    #[error("the report is not JSON")]
    NoJson(#[source] serde_json::Error),
    /// JSON, but not an object.
    #[error("the report is not a JSON object")]
    NoObject,
    /// A folder, a pipe or a link.
    #[error("the report is not a regular file")]
    NoFile,
    /// The file cannot be read.
    #[error("could not read the report")]
    Read(#[source] io::Error),
}

/// Reads a report; `None` if there is none. Follows no link and does not wait for a pipe.
///
/// # Errors
/// When there is an unusable report.
pub fn load_result(path: &Path) -> Result<Option<WorkerReport>, InvalidReport> {
    let Some(file) = open(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    let read = file.take(SIZE_LIMIT + 1).read_to_end(&mut bytes);
    read.map_err(InvalidReport::Read)?;
    parse_result(&bytes).map(Some)
}

fn open(path: &Path) -> Result<Option<File>, InvalidReport> {
    let file = match open_nonblocking_nofollow(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(_) if path.is_symlink() => return Err(InvalidReport::NoFile),
        Err(error) => return Err(InvalidReport::Read(error)),
    };
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(Some(file)),
        Ok(_) => Err(InvalidReport::NoFile),
        Err(error) => Err(InvalidReport::Read(error)),
    }
}

/// Parses the JSON of a report. Bytes that are not UTF-8 are replaced.
///
/// # Errors
/// When it is too large or not a JSON object.
pub fn parse_result(bytes: &[u8]) -> Result<WorkerReport, InvalidReport> {
    if bytes.len() as u64 > SIZE_LIMIT {
        return Err(InvalidReport::TooLarge);
    }
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    match serde_json::from_str(text).map_err(InvalidReport::NoJson)? {
        Value::Object(fields) => Ok(report(&fields)),
        _ => Err(InvalidReport::NoObject),
    }
}

fn report(fields: &Map<String, Value>) -> WorkerReport {
    WorkerReport {
        summary: words(fields, "summary"),
        decisions: list(fields, "decisions"),
        issues: list(fields, "issues"),
        next_steps: list(fields, "next_steps"),
        progress: words(fields, "progress"),
        error: fields.get("error").and_then(error),
    }
}

fn error(value: &Value) -> Option<WorkerError> {
    match value {
        Value::Object(fields) => Some(WorkerError {
            class: words(fields, "class"),
            message: words(fields, "message"),
            root_cause: words(fields, "root_cause"),
            suggestion: words(fields, "suggestion"),
        }),
        other => Some(WorkerError {
            message: Some(text(other)?),
            ..WorkerError::default()
        }),
    }
}

fn words(fields: &Map<String, Value>, name: &str) -> Option<String> {
    fields.get(name).and_then(text)
}

fn list(fields: &Map<String, Value>, name: &str) -> Vec<String> {
    match fields.get(name) {
        Some(Value::Array(entries)) => entries.iter().filter_map(text).collect(),
        Some(single) => text(single).into_iter().collect(),
        None => Vec::new(),
    }
}

/// The words of a string or a number, if there are any.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::process::Program;

    fn parse(text: &str) -> String {
        match parse_result(text.as_bytes()) {
            Ok(report) => serde_json::to_string(&report).unwrap(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_whole_report_is_read() {
        let text = r#"{"summary": "Done", "decisions": ["Zod"], "issues": ["slow"], "next_steps": ["ship"],
            "progress": "8/8", "error": {"class": "input", "message": "m", "root_cause": "r", "suggestion": "s"}}"#;
        insta::assert_snapshot!(parse(text), @r#"{"summary":"Done","decisions":["Zod"],"issues":["slow"],"next_steps":["ship"],"progress":"8/8","error":{"class":"input","message":"m","root_cause":"r","suggestion":"s"}}"#);
    }

    #[test]
    fn fields_of_the_wrong_type_do_not_spoil_the_others() {
        let text = r#"{"summary": ["no"], "decisions": "Zod", "issues": [1, "slow", {}, "", null],
            "next_steps": {"a": 1}, "progress": 8, "error": "no schema", "more": true}"#;
        insta::assert_snapshot!(parse(text), @r#"{"summary":null,"decisions":["Zod"],"issues":["1","slow"],"next_steps":[],"progress":"8","error":{"class":null,"message":"no schema","root_cause":null,"suggestion":null}}"#);
    }

    #[test]
    fn what_is_no_report_says_so() {
        let said = ["", "{\"summary\": \"ha", "[]", "\"done\""].map(parse);
        insta::assert_snapshot!(said.join("\n"), @r"
        the report is not JSON
        the report is not JSON
        the report is not a JSON object
        the report is not a JSON object
        ");
        let large = format!("{{\"summary\": \"{}\"}}", "x".repeat(SIZE_LIMIT as usize));
        assert_eq!(parse(&large), "the report is larger than 256 KiB");
        assert_eq!(parse(&"[".repeat(100_000)), "the report is not JSON");
    }

    #[test]
    fn bytes_that_are_no_text_and_a_byte_order_mark_are_tolerated() {
        let report = parse_result(b"\xef\xbb\xbf{\"summary\": \"a\xffb\"}").unwrap();
        assert_eq!(report.summary.unwrap(), "a\u{fffd}b");
    }

    #[test]
    fn only_an_ordinary_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("good"), "{}").unwrap();
        std::os::unix::fs::symlink(path("good"), path("link")).unwrap();
        fs::create_dir(path("folder")).unwrap();
        let fifo = Program::new("mkfifo").arg(path("pipe")).output().unwrap();
        assert!(fifo.status.success());
        assert!(load_result(&path("absent")).unwrap().is_none());
        assert_eq!(
            load_result(&path("good")).unwrap(),
            Some(WorkerReport::default())
        );
        for name in ["link", "folder", "pipe"] {
            assert!(
                matches!(load_result(&path(name)), Err(InvalidReport::NoFile)),
                "{name}"
            );
        }
    }
}
