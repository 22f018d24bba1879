//! The lines that the client writes for the dialect `acp`.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

/// The longest update that is written whole, in bytes; a longer one loses its content.
const UPDATE_LIMIT: usize = 64 * 1024;

/// The updates that say nothing about the work.
const SKIPPED: [&str; 4] = [
    "available_commands_update",
    "config_option_update",
    "session_info_update",
    "user_message_chunk",
];

/// The name of the agent that reports errors as messages, with the mark of such a message.
const COPILOT: &str = "Copilot ";
const ERROR_MARK: &str = "Error: ";

/// A writer of lines, shared by the handlers of a connection.
#[derive(Clone)]
pub(super) struct Events {
    out: Arc<Mutex<Box<dyn Write + Send>>>,
    /// `true` once the session is known: an agent repeats the updates of one that it continues.
    is_open: Arc<AtomicBool>,
    /// The last message of the agent, if that reports its errors as messages.
    last_said: Arc<Mutex<Option<String>>>,
}

/// The reason why a conversation did not finish well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Failure {
    /// The kind of error, one of those that the failure patterns know.
    pub(super) kind: &'static str,
    /// The message.
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Failure {
        let message = message.into();
        Failure { kind, message }
    }

    pub(super) fn environment(message: impl Into<String>) -> Failure {
        Failure::new("environment", message)
    }

    /// Returns the exit code of the client.
    pub(super) fn exit_code(&self) -> i32 {
        match self.kind {
            "interrupted" => 130,
            "terminated" => 143,
            _ => 1,
        }
    }
}

impl Events {
    pub(super) fn to(out: impl Write + Send + 'static) -> Events {
        Events {
            out: Arc::new(Mutex::new(Box::new(out))),
            is_open: Arc::default(),
            last_said: Arc::default(),
        }
    }

    /// Reports the session and the name of the agent.
    pub(super) fn session(&self, id: &str, agent: &str) {
        self.is_open.store(true, Ordering::Release);
        if agent.starts_with(COPILOT) {
            *self.last_said() = Some(String::new());
        }
        self.write(&json!({"acp": "session", "session": id, "agent": agent}));
    }

    /// Reports a prompt that is sent: the first one, or a message of the user.
    pub(super) fn prompt(&self, message: Option<&str>) {
        self.write(&json!({"acp": "prompt", "message": message}));
    }

    /// Reports an update of the session.
    pub(super) fn update(&self, mut update: Value) {
        let kind = update["sessionUpdate"].as_str().unwrap_or_default();
        if SKIPPED.contains(&kind) || !self.is_open.load(Ordering::Acquire) {
            return;
        }
        if let Some(last) = &mut *self.last_said() {
            let said = update.pointer("/content/text").and_then(Value::as_str);
            *last = said.unwrap_or_default().to_owned();
        }
        for part in ["rawOutput", "content", "rawInput"] {
            if update.to_string().len() > UPDATE_LIMIT
                && let Some(fields) = update.as_object_mut()
            {
                fields.remove(part);
            }
        }
        self.write(&json!({"acp": "update", "update": update}));
    }

    /// Returns the error that ended a turn which the agent calls complete. Copilot reports a login that
    /// failed, for instance, as its last message.
    pub(super) fn error_said(&self) -> Option<String> {
        let last = self.last_said();
        let error = last.as_deref()?.strip_prefix(ERROR_MARK)?;
        Some(error.trim().to_owned())
    }

    fn last_said(&self) -> MutexGuard<'_, Option<String>> {
        self.last_said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports an action that was refused.
    pub(super) fn refused(&self, action: &str, input: &Value, reason: &str) {
        self.write(&json!({
            "acp": "refused", "action": action, "input": input, "reason": reason,
        }));
    }

    /// Reports a file that was not read, and the reason.
    pub(super) fn unread(&self, reason: &str) {
        self.write(&json!({"acp": "unread", "reason": reason}));
    }

    /// Reports the end of a turn, with the agent's answer to the prompt.
    pub(super) fn turn(&self, answer: &Value) {
        self.write(&json!({"acp": "turn", "answer": answer}));
    }

    /// Reports the end of the conversation.
    pub(super) fn result(&self, failure: Option<Failure>) {
        let error =
            failure.map(|failure| json!({"kind": failure.kind, "message": failure.message}));
        self.write(&json!({"acp": "result", "error": error}));
    }

    fn write(&self, event: &Value) {
        if let Ok(mut out) = self.out.lock() {
            // A closed output means that the shim is gone, and with it everything that reads.
            let _ = writeln!(out, "{event}").and_then(|()| out.flush());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// An output that can be read afterwards.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn updates_count_from_the_start_of_the_session_and_lose_content_that_is_too_long() {
        let out = Shared::default();
        let events = Events::to(out.clone());
        let message = |text: &str| {
            json!({
                "sessionUpdate": "agent_message_chunk",
                "content": {"type": "text", "text": text},
            })
        };
        events.update(message("from before"));
        events.session("ses_1", "scripted 1.0");
        events.update(json!({"sessionUpdate": "available_commands_update"}));
        events.update(message("now"));
        events.update(json!({
            "sessionUpdate": "tool_call_update",
            "toolCallId": "call_1",
            "rawOutput": "x".repeat(2 * UPDATE_LIMIT),
            "rawInput": {"path": "a.txt"},
        }));
        let failure = Failure::new("refusal", "the agent refused to continue");
        assert_eq!(failure.exit_code(), 1);
        events.result(Some(failure));
        let out = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        insta::assert_snapshot!(out, @r#"
        {"acp":"session","session":"ses_1","agent":"scripted 1.0"}
        {"acp":"update","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"now"}}}
        {"acp":"update","update":{"sessionUpdate":"tool_call_update","toolCallId":"call_1","rawInput":{"path":"a.txt"}}}
        {"acp":"result","error":{"kind":"refusal","message":"the agent refused to continue"}}
        "#);
    }
}
