//! Interprets the output and the exit code of known agents.
//!
//! Status and kind of an error outrank its text, except where the text is more exact: a 429 with
//! "usage limit" is a quota, a 400 with "credit balance" is missing credit. Used-up turns or cost
//! are `logic`: the same attempt would use them up again, so the user has to raise the limit or
//! split the task.

use crate::base::markdown::plain_line;
use crate::failure::evidence::{Classification, Evidence};
use crate::failure::exit_status::Exit;
use crate::failure::patterns::Patterns;
use crate::model::failure::FailureClass::{self, Blocker, Input, Logic, Quota, Transient};
use crate::model::transcript::{StreamError, Transcript};
use crate::model::worker::Dialect;

/// Classifies the error in the agent's output, if there is one.
pub(crate) fn from_stream(stream: &Transcript, patterns: &Patterns) -> Option<Classification> {
    let error = stream.error.as_ref().map(|error| {
        let (class, evidence) = class_of(error, patterns);
        let message = Some(error.message.clone()).filter(|text| !text.trim().is_empty());
        Classification {
            class: class.unwrap_or(Logic),
            evidence,
            message,
        }
    });
    // An agent that failed after a refusal failed because of it.
    match error {
        Some(error) if error.class != Logic || stream.refusals.is_empty() => Some(error),
        error => refused(stream).or(error),
    }
}

fn refused(stream: &Transcript) -> Option<Classification> {
    let first = stream.refusals.first()?;
    let more = match stream.refusals.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    Some(Classification {
        class: Blocker,
        evidence: "the agent's output: permission refused".to_owned(),
        message: Some(format!("permission refused: {first}{more}")),
    })
}

fn class_of(error: &StreamError, patterns: &Patterns) -> (Option<FailureClass>, String) {
    let kind = error.kind.as_deref();
    let by_kind = kind.and_then(|kind| patterns.class_of_name(kind));
    let by_status = error.status.and_then(status_class);
    let lines = [plain_line(&error.message, 2000)];
    let by_text = patterns.find(&lines);
    // A server error stays transient, whatever its text.
    let is_server = error.status.is_some_and(|status| status >= 500);
    let exact = by_text.filter(|(_, class)| matches!(class, Quota | Blocker | Input) && !is_server);
    let is_decisive = matches!(by_kind, Some(Quota | Blocker | Logic));
    let status = || {
        error
            .status
            .map_or(String::new(), |s| format!("status {s}"))
    };
    let of_output = |what: &str| format!("the agent's output: {what}");
    match (by_kind, exact, by_status) {
        (Some(class), _, _) if is_decisive => {
            let both = [plain_line(kind.unwrap_or_default(), 40), status()];
            let both: Vec<_> = both.into_iter().filter(|word| !word.is_empty()).collect();
            (Some(class), of_output(&both.join(", ")))
        }
        (_, Some((text, class)), _) => (Some(class), of_output(&format!("{text:?}"))),
        (_, _, Some(class)) => (Some(class), of_output(&status())),
        (Some(class), _, _) => {
            let kind = plain_line(kind.unwrap_or_default(), 40);
            (Some(class), of_output(&kind))
        }
        _ => match by_text {
            Some((text, class)) => (Some(class), of_output(&format!("{text:?}"))),
            None => (None, of_output("an error")),
        },
    }
}

/// Classifies an HTTP status of the agent's provider.
fn status_class(status: u16) -> Option<FailureClass> {
    match status {
        401 | 402 | 403 | 407 => Some(Blocker),
        408 | 409 | 425 | 429 | 500..=599 => Some(Transient),
        400..=499 => Some(Input),
        _ => None,
    }
}

/// Classifies an exit code by the agent's own meaning of it.
pub(crate) fn from_exit(
    evidence: &Evidence,
    lines: &[String],
    patterns: &Patterns,
) -> Option<Classification> {
    let Some(Exit::Code(code)) = evidence.exit else {
        return None;
    };
    match evidence.stream.as_ref()?.dialect {
        Dialect::Gemini => gemini_exit(code, lines, patterns),
        // The library that parses the command line exits with 2.
        Dialect::Codex if code == 2 => Some(by_code(Input, code, "invalid command line")),
        Dialect::Aider if code == 2 => Some(by_code(Input, code, "invalid command line")),
        // Code 1 is any other failure, which has an event or a known text.
        _ => None,
    }
}

fn gemini_exit(code: i32, lines: &[String], patterns: &Patterns) -> Option<Classification> {
    let found = |class, what| Some(by_code(class, code, what));
    match code {
        41 => found(Blocker, "not logged in"),
        42 => found(Input, "invalid input"),
        44 => found(Blocker, "no sandbox"),
        52 => found(Input, "invalid configuration"),
        53 => found(Logic, "out of turns"),
        54 => found(Logic, "a tool failed"),
        55 => found(Input, "untrusted folder"),
        _ => {
            let status = status_of(code)?;
            let error = StreamError {
                status: Some(status),
                message: lines.last().cloned().unwrap_or_default(),
                ..StreamError::default()
            };
            let (class, _) = class_of(&error, patterns);
            let what = format!("HTTP status {status}");
            Some(by_code(class?, code, &what))
        }
    }
}

/// Recovers the HTTP status of a refused request, of which Gemini's exit code keeps 8 bits.
fn status_of(code: i32) -> Option<u16> {
    const STATUSES: [u16; 13] = [
        400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529,
    ];
    STATUSES
        .into_iter()
        .find(|status| i32::from(status & 255) == code)
}

fn by_code(class: FailureClass, code: i32, what: &str) -> Classification {
    Classification {
        class,
        evidence: format!("exit code {code} ({what})"),
        message: None,
    }
}

/// Classifies a truncated output.
///
/// A truncated output is transient. An output without any event comes from another program or
/// from invalid options.
pub(crate) fn from_broken_stream(evidence: &Evidence) -> Option<Classification> {
    let stream = evidence
        .stream
        .as_ref()
        .filter(|stream| stream.is_truncated())?;
    if stream.events == 0 && stream.bytes > 0 {
        let dialect = stream.dialect.name();
        if evidence.exit != Some(Exit::Code(0)) {
            return Some(Classification {
                class: Input,
                evidence: "the agent exited before its first event".to_owned(),
                message: None,
            });
        }
        return Some(Classification {
            class: Input,
            evidence: format!("no line of the output is in the dialect {dialect}"),
            message: stream
                .stray
                .last()
                .map(|last| format!("the output is not in the worker's dialect {dialect}: {last}")),
        });
    }
    Some(Classification {
        class: Transient,
        evidence: "the output ends without a final result".to_owned(),
        message: Some("the agent's output is truncated".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::classify::classify;

    /// Renders `class | message | evidence` of an error without other evidence.
    fn of(status: u16, kind: &str, message: &str) -> String {
        let error = StreamError {
            status: (status > 0).then_some(status),
            kind: (!kind.is_empty()).then(|| kind.to_owned()),
            message: message.to_owned(),
            reset_at: None,
        };
        let stream = Transcript {
            dialect: Dialect::Claude,
            terminal_seen: true,
            error: Some(error),
            ..Transcript::default()
        };
        show(Evidence {
            stream: Some(stream),
            exit: Some(Exit::Code(1)),
            ..Evidence::default()
        })
    }

    fn show(evidence: Evidence) -> String {
        let found = classify(&evidence);
        format!(
            "{} | {} | {}",
            found.class.word(),
            found.message,
            found.evidence
        )
    }

    fn exit(dialect: Dialect, code: i32, said: &str) -> String {
        show(Evidence {
            stream: Some(Transcript {
                dialect,
                bytes: 1,
                events: 1,
                ..Transcript::default()
            }),
            exit: Some(Exit::Code(code)),
            tail: said.to_owned(),
            ..Evidence::default()
        })
    }

    #[test]
    fn a_more_exact_text_outranks_the_status() {
        let said = [
            of(429, "rate_limit", "Request rejected (429)"),
            of(429, "rate_limit", "You've hit your limit · resets 7pm"),
            of(
                429,
                "",
                "You exceeded your current quota, please check your plan and billing details.",
            ),
            of(400, "invalid_request", "Prompt is too long"),
            of(400, "", "API key not valid. Please pass a valid API key."),
            of(400, "billing_error", "Credit balance is too low"),
            of(0, "max-turns", "Reached maximum number of turns (1)"),
            of(529, "server_error", "API Error: 529 Overloaded"),
            of(404, "", "no such model"),
            of(0, "ProviderAuthError", "log in"),
            of(0, "", "ran into a wall"),
            of(500, "", "permission denied while reading the cache"),
        ];
        insta::assert_snapshot!(said.join("\n"), @r#"
        transient | Request rejected (429) | the agent's output: status 429
        quota | You've hit your limit · resets 7pm | the agent's output: "you've hit your limit"
        blocker | You exceeded your current quota, please check your plan and billing details. | the agent's output: "check your plan and billing details"
        input | Prompt is too long | the agent's output: "prompt is too long"
        blocker | API key not valid. Please pass a valid API key. | the agent's output: "api key not valid"
        blocker | Credit balance is too low | the agent's output: billing_error, status 400
        logic | Reached maximum number of turns (1) | the agent's output: max-turns
        transient | API Error: 529 Overloaded | the agent's output: status 529
        input | no such model | the agent's output: status 404
        blocker | log in | the agent's output: ProviderAuthError
        logic | ran into a wall | the agent's output: an error
        transient | permission denied while reading the cache | the agent's output: status 500
        "#);
    }

    #[test]
    fn a_failure_after_a_refusal_is_a_refusal() {
        let stream = |kind: &str| Transcript {
            dialect: Dialect::Claude,
            terminal_seen: true,
            refusals: vec!["Write a.txt".to_owned(), "Bash make".to_owned()],
            error: Some(StreamError {
                kind: Some(kind.to_owned()),
                message: "it is over".to_owned(),
                ..StreamError::default()
            }),
            ..Transcript::default()
        };
        let of = |kind| {
            show(Evidence {
                stream: Some(stream(kind)),
                ..Evidence::default()
            })
        };
        insta::assert_snapshot!([of("max-turns"), of("overloaded")].join("\n"), @r"
        blocker | permission refused: Write a.txt and 1 more | the agent's output: permission refused
        transient | it is over | the agent's output: overloaded
        ");
    }

    #[test]
    fn exit_codes_have_the_meaning_of_their_agent() {
        let gemini = [41, 42, 44, 52, 53, 54, 55, 144, 145, 173, 247, 17, 1]
            .map(|code| exit(Dialect::Gemini, code, ""));
        insta::assert_snapshot!(gemini.join("\n"), @r"
        blocker | exit code 41 (not logged in) | exit code 41 (not logged in)
        input | exit code 42 (invalid input) | exit code 42 (invalid input)
        blocker | exit code 44 (no sandbox) | exit code 44 (no sandbox)
        input | exit code 52 (invalid configuration) | exit code 52 (invalid configuration)
        logic | exit code 53 (out of turns) | exit code 53 (out of turns)
        logic | exit code 54 (a tool failed) | exit code 54 (a tool failed)
        input | exit code 55 (untrusted folder) | exit code 55 (untrusted folder)
        input | exit code 144 (HTTP status 400) | exit code 144 (HTTP status 400)
        blocker | exit code 145 (HTTP status 401) | exit code 145 (HTTP status 401)
        transient | exit code 173 (HTTP status 429) | exit code 173 (HTTP status 429)
        transient | exit code 247 (HTTP status 503) | exit code 247 (HTTP status 503)
        transient | exit code 17 (HTTP status 529) | exit code 17 (HTTP status 529)
        transient | the agent's output is truncated | the output ends without a final result
        ");
        let others = [
            exit(
                Dialect::Gemini,
                144,
                "API key not valid. Please pass a valid API key.",
            ),
            exit(Dialect::Codex, 2, "error: unexpected argument '--nope'"),
            exit(Dialect::Codex, 1, ""),
            exit(Dialect::Claude, 143, ""),
            exit(Dialect::Aider, 2, "aider: error: unrecognized arguments"),
            exit(Dialect::Text, 41, "boom"),
        ];
        insta::assert_snapshot!(others.join("\n"), @r"
        blocker | API key not valid. Please pass a valid API key. | exit code 144 (HTTP status 400)
        input | error: unexpected argument '--nope' | exit code 2 (invalid command line)
        transient | the agent's output is truncated | the output ends without a final result
        transient | exit code 143 (SIGTERM) | exit code 143 (SIGTERM)
        input | aider: error: unrecognized arguments | exit code 2 (invalid command line)
        logic | boom | exit code 41
        ");
    }

    #[test]
    fn an_output_without_any_event_is_a_configuration_error() {
        let said = "error: unknown option '--nope'";
        let of = |code| {
            show(Evidence {
                stream: Some(Transcript {
                    dialect: Dialect::Claude,
                    bytes: 1,
                    stray: vec![said.to_owned()],
                    ..Transcript::default()
                }),
                exit: Some(Exit::Code(code)),
                tail: said.to_owned(),
                ..Evidence::default()
            })
        };
        insta::assert_snapshot!([of(1), of(0)].join("\n"), @r"
        input | error: unknown option '--nope' | the agent exited before its first event
        input | the output is not in the worker's dialect claude: error: unknown option '--nope' | no line of the output is in the dialect claude
        ");
    }
}
