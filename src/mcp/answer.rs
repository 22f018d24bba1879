//! The result of a call: an object for programs, and the same as text.

use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;
use serde_json::Value;

/// The result of a call.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Answer {
    /// The object that the output schema describes.
    pub(super) value: Value,
    /// The same for readers.
    pub(super) text: String,
}

impl Answer {
    /// Makes an answer; the text ends without a line end.
    pub(super) fn new(value: &impl Serialize, text: impl Into<String>) -> Answer {
        Answer {
            value: serde_json::to_value(value).unwrap_or_default(),
            text: text.into().trim_end().to_owned(),
        }
    }

    /// Adds the token that the confirming call has to bring.
    #[must_use]
    pub(super) fn with_token(mut self, token: &str) -> Answer {
        self.value["token"] = token.into();
        self.text = format!(
            "{}\n\nNothing is started yet. Show this to the user. Only if they agree, call run_start \
             again with the same arguments and token {token:?}.",
            self.text
        );
        self
    }

    /// Converts it for the protocol.
    pub(super) fn into_result(self) -> CallToolResult {
        let mut result = CallToolResult::success(vec![ContentBlock::text(self.text)]);
        result.structured_content = Some(self.value);
        result
    }
}
