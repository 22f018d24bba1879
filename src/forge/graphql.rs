//! Calls of GitHub's GraphQL interface, through `gh api graphql`.
//!
//! `gh` prints the status line, the headers and the body of an answer whatever it is. What they say
//! decides what a caller can do: wait, try again, log in, or give up.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::base::process::{ProcessError, Program, find_program};
use crate::base::text::{clip, one_line};

/// The longest time of one call; GitHub itself gives up after 10 seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// The wait that GitHub's manual asks for where an answer names none.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);

/// The host that `gh` calls unless it is told another one.
pub const DEFAULT_HOST: &str = "github.com";

/// A call that failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum GraphQlError {
    /// The program is missing.
    #[error("`gh`, GitHub's command-line program, is not installed")]
    NotInstalled,
    /// The user is not logged in.
    #[error("gh is not logged in to {host}: {message}")]
    NotLoggedIn {
        /// The host.
        host: String,
        /// The message of GitHub or `gh`.
        message: String,
    },
    /// The login lacks a permission that it can get.
    #[error("the login of gh on {host} lacks a permission: {message}")]
    MissingScope {
        /// The host.
        host: String,
        /// The message of GitHub.
        message: String,
    },
    /// The user may not do this.
    #[error("GitHub does not allow it: {0}")]
    Forbidden(String),
    /// A repository, project or issue does not exist, or the user cannot see it.
    #[error("not found on GitHub: {0}")]
    NotFound(String),
    /// The request is invalid.
    #[error("GitHub refused the request: {0}")]
    Refused(String),
    /// Too many requests; another one is allowed after this time.
    #[error("GitHub rate limit exceeded: {message}")]
    RateLimited {
        /// The time to wait.
        wait: Duration,
        /// The message of GitHub.
        message: String,
    },
    /// GitHub failed. The request may have had its effect.
    #[error("GitHub failed with status {0}")]
    Server(u16),
    /// No answer arrived. The request may have had its effect.
    #[error("could not connect to GitHub: {0}")]
    NoAnswer(String),
    /// The answer cannot be understood.
    #[error("unexpected answer of GitHub: {0}")]
    Answer(String),
    /// The program could not be started.
    #[error(transparent)]
    Start(#[from] ProcessError),
}

impl GraphQlError {
    /// Returns `true` if the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            GraphQlError::RateLimited { .. } | GraphQlError::Server(_) | GraphQlError::NoAnswer(_)
        )
    }
}

/// One error of an answer that has data, too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The first name of its path: an alias of the request.
    pub at: Option<String>,
    /// Its type, such as `NOT_FOUND`; empty if it has none.
    pub kind: String,
    /// Its message.
    pub message: String,
}

/// The answer to a call.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// The data, by alias.
    pub data: Value,
    /// The errors of single parts.
    pub refusals: Vec<Refusal>,
}

/// Calls GraphQL on one host.
pub trait GraphQl {
    /// Sends a document with its variables.
    ///
    /// # Errors
    /// When there is no answer, or its error concerns the whole request.
    fn call(&self, document: &str, variables: &Value) -> Result<Answer, GraphQlError>;

    /// Returns the host that it calls.
    fn host(&self) -> &str;
}

/// GraphQL through the `gh` program.
#[derive(Clone, Debug)]
pub struct GhGraphQl {
    program: PathBuf,
    folder: PathBuf,
    host: String,
}

impl GhGraphQl {
    /// Finds the program.
    ///
    /// # Errors
    /// [`GraphQlError::NotInstalled`].
    pub fn find(folder: &Path, host: &str) -> Result<GhGraphQl, GraphQlError> {
        Ok(GhGraphQl {
            program: find_program("gh").ok_or(GraphQlError::NotInstalled)?,
            folder: folder.to_owned(),
            host: host.to_owned(),
        })
    }
}

impl GraphQl for GhGraphQl {
    fn call(&self, document: &str, variables: &Value) -> Result<Answer, GraphQlError> {
        let mut program = Program::new(&self.program).args(["api", "graphql"]);
        if self.host != DEFAULT_HOST {
            program = program.args(["--hostname", &self.host]);
        }
        let request = json!({"query": document, "variables": variables});
        let program = program
            .args(["--include", "--input", "-"])
            .folder(&self.folder)
            .env("GH_PROMPT_DISABLED", "1")
            .env("GH_NO_UPDATE_NOTIFIER", "1")
            .env("NO_COLOR", "1")
            .env("LC_ALL", "C")
            .stdin(request.to_string());
        let Some(finished) = program.output_within(LIMIT)? else {
            return Err(GraphQlError::NoAnswer("it took too long".to_owned()));
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (answer, errors) = (text(&finished.stdout), text(&finished.stderr));
        let is_logged_out = finished.status.code() == Some(4) || errors.contains("gh auth login");
        if is_logged_out && !answer.starts_with("HTTP/") {
            return Err(GraphQlError::NotLoggedIn {
                host: self.host.clone(),
                message: brief(&errors),
            });
        }
        if !answer.starts_with("HTTP/") {
            return Err(GraphQlError::NoAnswer(brief(&errors)));
        }
        parse_answer(&answer, &self.host, Timestamp::now())
    }

    fn host(&self) -> &str {
        &self.host
    }
}

fn brief(text: &str) -> String {
    clip(&one_line(text), 300)
}

/// Reads what `gh api --include` prints.
///
/// # Errors
/// When the answer is an error that concerns the whole request.
pub fn parse_answer(text: &str, host: &str, now: Timestamp) -> Result<Answer, GraphQlError> {
    let response = Response::parse(text)?;
    let body: Value = serde_json::from_str(response.body).unwrap_or_default();
    let message = body["message"].as_str().unwrap_or(response.body);
    let message = brief(message);
    let host = host.to_owned();
    match response.status {
        200..=299 => {}
        401 => return Err(GraphQlError::NotLoggedIn { host, message }),
        403 | 429 if response.is_limit(&message) => {
            let wait = response.wait(now);
            return Err(GraphQlError::RateLimited { wait, message });
        }
        403 if names_scope(&message) => return Err(GraphQlError::MissingScope { host, message }),
        403 => return Err(GraphQlError::Forbidden(message)),
        404 => return Err(GraphQlError::NotFound(message)),
        status @ 500..=599 => return Err(GraphQlError::Server(status)),
        _ => return Err(GraphQlError::Refused(message)),
    }
    let data = body.get("data").cloned();
    let refusals = body["errors"].as_array().map_or(&[][..], Vec::as_slice);
    let refusals: Vec<Refusal> = refusals.iter().map(refusal).collect();
    let of_kind = |kind: &str| refusals.iter().find(|one| one.kind == kind);
    if let Some(limit) = of_kind("RATE_LIMITED") {
        let (wait, message) = (response.wait(now), limit.message.clone());
        return Err(GraphQlError::RateLimited { wait, message });
    }
    if let Some(scope) = of_kind("INSUFFICIENT_SCOPES") {
        let message = scope.message.clone();
        return Err(GraphQlError::MissingScope { host, message });
    }
    let has_data = data.as_ref().and_then(Value::as_object);
    let has_data = has_data.is_some_and(|data| data.values().any(|value| !value.is_null()));
    match (data, refusals.first()) {
        (Some(data), None) if !data.is_null() => Ok(Answer { data, refusals }),
        (Some(data), Some(_)) if has_data => Ok(Answer { data, refusals }),
        // One failed step of a batch is an error of that step, also if it is the only one.
        (Some(data), Some(first)) if first.at.is_some() && data.is_object() => {
            Ok(Answer { data, refusals })
        }
        (_, Some(first)) => Err(whole(first)),
        _ => Err(GraphQlError::Answer(brief(response.body))),
    }
}

fn refusal(error: &Value) -> Refusal {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Refusal {
        at: error["path"][0].as_str().map(str::to_owned),
        kind: text(&error["type"]),
        message: brief(&text(&error["message"])),
    }
}

/// Turns an error of the whole request into a value.
fn whole(refusal: &Refusal) -> GraphQlError {
    let message = refusal.message.clone();
    match refusal.kind.as_str() {
        "NOT_FOUND" => GraphQlError::NotFound(message),
        "FORBIDDEN" => GraphQlError::Forbidden(message),
        // GitHub answers an overload like this, with status 200.
        "" if message.contains("Something went wrong") => GraphQlError::Server(200),
        _ => GraphQlError::Refused(message),
    }
}

/// Returns `true` if a message asks for another scope of the token.
fn names_scope(message: &str) -> bool {
    message.contains("scope") || message.contains("Resource not accessible by")
}

/// An answer in parts.
struct Response<'a> {
    status: u16,
    headers: Vec<(String, &'a str)>,
    body: &'a str,
}

impl<'a> Response<'a> {
    fn parse(text: &'a str) -> Result<Response<'a>, GraphQlError> {
        let failed = || GraphQlError::Answer(brief(text));
        let (head, body) = text
            .split_once("\r\n\r\n")
            .or_else(|| text.split_once("\n\n"))
            .ok_or_else(failed)?;
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.and_then(|status| status.parse().ok());
        let header = |line: &'a str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim()))
        };
        Ok(Response {
            status: status.ok_or_else(failed)?,
            headers: lines.filter_map(header).collect(),
            body,
        })
    }

    fn header(&self, name: &str) -> Option<&'a str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known == name)
            .map(|(_, value)| *value)
    }

    /// Returns `true` if a refusal is a rate limit: GitHub uses the statuses 403 and 429 for both kinds
    /// of limits.
    fn is_limit(&self, message: &str) -> bool {
        self.status == 429
            || self.header("retry-after").is_some()
            || self.header("x-ratelimit-remaining") == Some("0")
            || message.contains("rate limit")
            || message.contains("abuse detection")
    }

    /// Returns the time to wait, as GitHub's manual orders the sources: the header `retry-after` in
    /// seconds, else the time of the reset if nothing remains, else a minute.
    fn wait(&self, now: Timestamp) -> Duration {
        let seconds = |text: &str| text.parse::<u64>().ok().map(Duration::from_secs);
        if let Some(wait) = self.header("retry-after").and_then(seconds) {
            return wait;
        }
        let reset = self
            .header("x-ratelimit-reset")
            .and_then(|text| text.parse().ok());
        match (self.header("x-ratelimit-remaining"), reset) {
            (Some("0"), Some(reset)) => {
                let left = i64::saturating_sub(reset, now.as_second()).max(0);
                // A reset in the same second is not over yet.
                Duration::from_secs(left.unsigned_abs() + 1)
            }
            _ => DEFAULT_WAIT,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(text: &str) -> String {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        match parse_answer(&text.replace('\n', "\r\n"), "github.com", now) {
            Ok(answer) => format!("{} {:?}", answer.data, answer.refusals),
            Err(error) => {
                let wait = match &error {
                    GraphQlError::RateLimited { wait, .. } => format!(" (wait {wait:?})"),
                    error if error.is_transient() => " (again)".to_owned(),
                    _ => String::new(),
                };
                format!("{error}{wait}")
            }
        }
    }

    #[test]
    fn answers_are_classified_by_status_headers_and_errors() {
        let all = [
            "200 OK\n\n{\"data\":{\"a\":1}}",
            "401 Unauthorized\n\n{\"message\":\"Bad credentials\"}",
            "403 Forbidden\nRetry-After: 30\n\n{\"message\":\"You have exceeded a secondary rate limit\"}",
            "403 Forbidden\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: 1700000090\n\n{\"message\":\"API rate limit exceeded\"}",
            "403 Forbidden\n\n{\"message\":\"You have triggered an abuse detection mechanism\"}",
            "403 Forbidden\n\n{\"message\":\"Resource not accessible by personal access token\"}",
            "403 Forbidden\n\n{\"message\":\"Repository was archived so is read-only.\"}",
            "404 Not Found\n\n{\"message\":\"Not Found\"}",
            "422 Unprocessable Entity\n\n{\"message\":\"Validation Failed\"}",
            "429 Too Many Requests\n\n",
            "502 Bad Gateway\n\n<html>",
            "200 OK\n\n{\"errors\":[{\"type\":\"RATE_LIMITED\",\"message\":\"API rate limit exceeded\"}]}",
            "200 OK\n\n{\"data\":null,\"errors\":[{\"type\":\"INSUFFICIENT_SCOPES\",\"message\":\"requires one of the following scopes: ['read:project']\"}]}",
            "200 OK\n\n{\"data\":{\"repository\":null},\"errors\":[{\"type\":\"NOT_FOUND\",\"path\":[\"repository\"],\"message\":\"Could not resolve to a Repository\"}]}",
            "200 OK\n\n{\"data\":{\"s0\":{\"x\":1},\"s1\":null},\"errors\":[{\"type\":\"UNPROCESSABLE\",\"path\":[\"s1\"],\"message\":\"no\"}]}",
            "200 OK\n\n{\"errors\":[{\"message\":\"Field 'blockedBy' doesn't exist on type 'Issue'\"}]}",
            "200 OK\n\n{\"data\":null,\"errors\":[{\"message\":\"Something went wrong while executing your query.\"}]}",
            "200 OK\n\nnothing",
        ];
        let all: Vec<String> = all
            .iter()
            .map(|text| read(&format!("HTTP/2.0 {text}")))
            .collect();
        insta::assert_snapshot!(all.join("\n"));
    }
}
