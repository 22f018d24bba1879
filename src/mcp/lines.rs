//! The transport over standard input and output: one message per line, and an answer to every line
//! that is not a message.
//!
//! All output goes through one writer, so an answer never splits another one.

use std::mem;

use rmcp::RoleServer;
use rmcp::model::{ErrorData, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader, Empty, empty};

use crate::mcp::closing::Closing;

/// The longest line in bytes.
const LONGEST: usize = 16 * 1024 * 1024;

/// The marks of UTF-8 that some programs put before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Messages on lines.
pub(super) struct Lines<R, W: AsyncWrite> {
    input: BufReader<R>,
    /// The beginning of the line that is being read: a cancelled read continues here.
    line: Vec<u8>,
    output: AsyncRwTransport<RoleServer, Empty, W>,
    closing: Closing,
}

/// The content of a line.
enum Content {
    Message(Box<RxJsonRpcMessage<RoleServer>>),
    /// Nothing that needs an answer.
    Ignored,
    /// Not a message, with the answer.
    Broken(Box<TxJsonRpcMessage<RoleServer>>),
}

impl<R, W> Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    /// Creates a transport, which closes `closing` at the end of the input.
    pub(super) fn new(input: R, output: W, closing: Closing) -> Lines<R, W> {
        Lines {
            input: BufReader::new(input),
            line: Vec::new(),
            output: AsyncRwTransport::new_server(empty(), output),
            closing,
        }
    }

    /// Returns the next line, or the rest of the input; `None` at its end.
    async fn next_line(&mut self) -> Option<Vec<u8>> {
        loop {
            let available = self.input.fill_buf().await.unwrap_or_default();
            if available.is_empty() {
                return (!self.line.is_empty()).then(|| mem::take(&mut self.line));
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let length = end.unwrap_or(available.len());
            // A line that is too long grows no more.
            if self.line.len() <= LONGEST {
                self.line.extend_from_slice(&available[..length]);
            }
            self.input.consume(end.map_or(length, |end| end + 1));
            if end.is_some() {
                return Some(mem::take(&mut self.line));
            }
        }
    }
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = std::io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.output.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        while let Some(line) = self.next_line().await {
            match read(&line) {
                Content::Message(message) => return Some(*message),
                Content::Ignored => {}
                // A future of its own, because this one may be dropped in the middle.
                Content::Broken(answer) => {
                    let _ = tokio::spawn(self.output.send(*answer)).await;
                }
            }
        }
        self.closing.close();
        None
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.output.close().await
    }
}

/// Reads a line.
fn read(line: &[u8]) -> Content {
    if line.len() > LONGEST {
        let limit = LONGEST / 1024 / 1024;
        let what = format!("the message is longer than {limit} MiB; pass large plans as `file`");
        return broken(ErrorData::invalid_request(what, None), None);
    }
    let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    if line.trim_ascii().is_empty() {
        return Content::Ignored;
    }
    if let Ok(message) = serde_json::from_slice(line) {
        return Content::Message(Box::new(message));
    }
    match serde_json::from_slice::<Value>(line) {
        Ok(value) => read_other(&value),
        Err(error) => {
            let what = format!("invalid JSON: {error}; every line has to be one JSON-RPC message");
            broken(ErrorData::parse_error(what, None), None)
        }
    }
}

/// Reads JSON that is not a message of the protocol.
fn read_other(value: &Value) -> Content {
    let has = |name: &str| value.get(name).is_some();
    match (has("method"), has("id")) {
        // Notifications of other protocols: they take no answer.
        (true, false) if value["jsonrpc"] == "2.0" => Content::Ignored,
        (is_request, _) => {
            let id = value.get("id").filter(|_| is_request);
            let id = id.and_then(|id| serde_json::from_value(id.clone()).ok());
            let what = match value {
                Value::Array(_) => "batches are not supported: send one message per line",
                _ => {
                    "invalid JSON-RPC message: it needs `jsonrpc: \"2.0\"`, a `method`, and for a \
                     request an `id` that is a number or a text"
                }
            };
            broken(ErrorData::invalid_request(what, None), id)
        }
    }
}

fn broken(error: ErrorData, id: Option<RequestId>) -> Content {
    Content::Broken(Box::new(TxJsonRpcMessage::<RoleServer>::error(error, id)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shown(line: &[u8]) -> String {
        match read(line) {
            Content::Message(_) => "a message".to_owned(),
            Content::Ignored => "ignored".to_owned(),
            Content::Broken(answer) => serde_json::to_string(&answer).unwrap(),
        }
    }

    #[test]
    fn a_line_that_is_not_a_message_is_answered() {
        let lines = [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
            "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\r",
            " \t\r",
            r#"{"jsonrpc":"2.0","method":"$/setTrace","params":{"value":"off"}}"#,
            "hello",
            r#"{"jsonrpc":"2.0","id":"#,
            r#"{"id":7,"method":"tools/list"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}"#,
            r#"{"jsonrpc":"2.0","id":9}"#,
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            "7",
        ];
        let shown: Vec<String> = lines.iter().map(|line| shown(line.as_bytes())).collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        a message
        a message
        ignored
        a message
        {"jsonrpc":"2.0","error":{"code":-32700,"message":"invalid JSON: expected value at line 1 column 1; every line has to be one JSON-RPC message"}}
        {"jsonrpc":"2.0","error":{"code":-32700,"message":"invalid JSON: EOF while parsing a value at line 1 column 22; every line has to be one JSON-RPC message"}}
        {"jsonrpc":"2.0","id":7,"error":{"code":-32600,"message":"invalid JSON-RPC message: it needs `jsonrpc: \"2.0\"`, a `method`, and for a request an `id` that is a number or a text"}}
        {"jsonrpc":"2.0","error":{"code":-32600,"message":"invalid JSON-RPC message: it needs `jsonrpc: \"2.0\"`, a `method`, and for a request an `id` that is a number or a text"}}
        {"jsonrpc":"2.0","error":{"code":-32600,"message":"invalid JSON-RPC message: it needs `jsonrpc: \"2.0\"`, a `method`, and for a request an `id` that is a number or a text"}}
        {"jsonrpc":"2.0","error":{"code":-32600,"message":"batches are not supported: send one message per line"}}
        {"jsonrpc":"2.0","error":{"code":-32600,"message":"invalid JSON-RPC message: it needs `jsonrpc: \"2.0\"`, a `method`, and for a request an `id` that is a number or a text"}}
        "#);
        let deep = "[".repeat(100_000);
        assert!(super::tests::shown(deep.as_bytes()).contains("-32700"));
        assert!(super::tests::shown(b"\xff\xfe").contains("-32700"));
        assert!(super::tests::shown(&vec![b'a'; LONGEST + 1]).contains("longer than 16 MiB"));
    }
}
