//! The conversation with an agent: session, prompts, turns.

use std::path::Path;
use std::time::Duration;

use agent_client_protocol::schema::ProtocolVersion;
use agent_client_protocol::v1::ConnectionTo;
use agent_client_protocol::v1::schema::{
    AuthMethod, CancelNotification, ClientCapabilities, ContentBlock, FileSystemCapabilities,
    Implementation, InitializeRequest, InitializeResponse, LoadSessionRequest, NewSessionRequest,
    PromptRequest, PromptResponse, ReadTextFileRequest, ReadTextFileResponse,
    RequestPermissionRequest, RequestPermissionResponse, ResumeSessionRequest, SessionId,
    SessionNotification, StopReason, TextContent, WriteTextFileRequest, WriteTextFileResponse,
};
use agent_client_protocol::{Agent as AgentRole, Client, Error, ErrorCode};
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::acp::Order;
use crate::acp::agent::Agent;
use crate::acp::events::{Events, Failure};
use crate::acp::tools::Calls;
use crate::acp::{file_access, permission};
use crate::base::inbox::Inbox;

/// The time that an agent has to answer a cancelled prompt.
const CANCEL_PATIENCE: Duration = Duration::from_secs(4);

/// The time between the end of an agent's output and its exit code.
const EXIT_PATIENCE: Duration = Duration::from_secs(2);

/// Holds a conversation until the agent has ended its last turn.
///
/// # Errors
/// With the reason, when it did not end well.
pub(super) async fn hold(
    order: &Order,
    worktree: &Path,
    prompt: String,
    events: &Events,
) -> Result<(), Failure> {
    let mut stops = Stops::listen()?;
    let (mut agent, lines) = Agent::start(&order.agent)?;
    let calls = Calls::default();
    let (of_updates, seen) = (events.clone(), calls.clone());
    let (of_requests, permissions) = (events.clone(), order.permissions);
    let (of_writes, of_reads) = (events.clone(), events.clone());
    let (asked_in, written_in, read_in) = (
        worktree.to_owned(),
        worktree.to_owned(),
        worktree.to_owned(),
    );
    let client = Client
        .v1()
        .on_receive_notification(
            async move |notified: SessionNotification, _| {
                seen.note(&notified.update);
                of_updates.update(serde_json::to_value(&notified.update).unwrap_or_default());
                Ok(())
            },
            agent_client_protocol::on_receive_notification!(),
        )
        .on_receive_request(
            async move |asked: RequestPermissionRequest, responder, _| {
                let call = calls.merge(&asked.tool_call);
                let decided = permission::decide(permissions, call.kind, &call.paths, &asked_in);
                if let Err(reason) = &decided {
                    of_requests.refused(&call.title, &call.input, reason);
                }
                let answer = permission::answer(&asked.options, decided.is_ok());
                responder.respond(RequestPermissionResponse::new(answer))
            },
            agent_client_protocol::on_receive_request!(),
        )
        .on_receive_request(
            async move |asked: WriteTextFileRequest, responder, _| match file_access::write(
                &written_in,
                permissions,
                &asked,
            ) {
                Ok(()) => responder.respond(WriteTextFileResponse::new()),
                Err(reason) => {
                    let path = json!({"path": asked.path});
                    of_writes.refused("write", &path, &reason);
                    responder.respond_with_error(Error::invalid_params().data(reason))
                }
            },
            agent_client_protocol::on_receive_request!(),
        )
        .on_receive_request(
            async move |asked: ReadTextFileRequest, responder, _| match file_access::read(
                &read_in, &asked,
            ) {
                Ok(text) => responder.respond(ReadTextFileResponse::new(text)),
                Err(reason) => {
                    of_reads.unread(&reason);
                    responder.respond_with_error(Error::invalid_params().data(reason))
                }
            },
            agent_client_protocol::on_receive_request!(),
        );
    let mut ended = Err(Failure::new("connection", "the connection was lost"));
    let connection = client.connect_with(lines, async |connection| {
        let talk = Talk {
            connection,
            order,
            worktree,
            events,
        };
        ended = tokio::select! {
            ended = talk.hold(prompt, &mut stops) => ended,
            status = agent.exited() => Err(exited(status.ok().map(|status| status.to_string()))),
        };
        Ok(())
    });
    let connected = connection.await;
    agent.end().await;
    match connected {
        Err(error) => Err(failure(&error, &[])),
        Ok(()) => ended,
    }
}

/// The parts of a connected conversation.
struct Talk<'a> {
    connection: ConnectionTo<AgentRole>,
    order: &'a Order,
    worktree: &'a Path,
    events: &'a Events,
}

impl Talk<'_> {
    async fn hold(&self, prompt: String, stops: &mut Stops) -> Result<(), Failure> {
        let session = tokio::select! {
            session = self.start() => session?,
            stop = stops.next() => return Err(stop),
        };
        let inbox = self.order.inbox.as_ref().map(Inbox::at);
        self.events.prompt(None);
        self.turn(&session, prompt, stops).await?;
        while let Some(message) = next_message(inbox.as_ref())? {
            self.events.prompt(Some(&message));
            self.turn(&session, message, stops).await?;
        }
        Ok(())
    }

    async fn start(&self) -> Result<SessionId, Failure> {
        let files = FileSystemCapabilities::new()
            .read_text_file(true)
            .write_text_file(true);
        let hello = InitializeRequest::new(ProtocolVersion::V1)
            .client_capabilities(ClientCapabilities::new().fs(files))
            .client_info(Implementation::new("dispatch", env!("CARGO_PKG_VERSION")));
        let sent = self.connection.send_request(hello).block_task().await;
        let agent = match sent {
            Ok(agent) => agent,
            Err(error) => return Err(self.failed(&error, &[]).await),
        };
        let session = match self.session(&agent).await {
            Ok(session) => session,
            Err(error) => return Err(self.failed(&error, &agent.auth_methods).await),
        };
        let name = agent
            .agent_info
            .map(|info| format!("{} {}", info.name, info.version));
        self.events
            .session(&session.to_string(), &name.unwrap_or_default());
        Ok(session)
    }

    /// Starts a session, or continues the given one in a way that the agent offers.
    async fn session(&self, agent: &InitializeResponse) -> Result<SessionId, Error> {
        let Some(session) = &self.order.session else {
            let new = NewSessionRequest::new(self.worktree);
            let started = self.connection.send_request(new).block_task().await;
            return Ok(started?.session_id);
        };
        let session = SessionId::new(session.clone());
        let offers = &agent.agent_capabilities;
        if offers.session_capabilities.resume.is_some() {
            let resume = ResumeSessionRequest::new(session.clone(), self.worktree);
            self.connection.send_request(resume).block_task().await?;
        } else if offers.load_session {
            let load = LoadSessionRequest::new(session.clone(), self.worktree);
            self.connection.send_request(load).block_task().await?;
        } else {
            let why = "the agent cannot continue a session; retry without --continue";
            return Err(Error::invalid_request().data(why));
        }
        Ok(session)
    }

    /// Sends one prompt and waits for the end of its turn.
    async fn turn(
        &self,
        session: &SessionId,
        prompt: String,
        stops: &mut Stops,
    ) -> Result<(), Failure> {
        let prompt = ContentBlock::Text(TextContent::new(prompt));
        let request = PromptRequest::new(session.clone(), vec![prompt]);
        let mut answer = Box::pin(self.connection.send_request(request).block_task());
        let answered = tokio::select! {
            answered = &mut answer => answered,
            // An agent may leave a request without a response when it closes its output.
            () = self.connection.incoming_closed() => Err(Error::internal_error()),
            stop = stops.next() => {
                let cancel = CancelNotification::new(session.clone());
                let _ = self.connection.send_notification(cancel);
                let _ = timeout(CANCEL_PATIENCE, answer).await;
                return Err(stop);
            }
        };
        let answered = match answered {
            Ok(answered) => answered,
            Err(error) => return Err(self.failed(&error, &[]).await),
        };
        self.events
            .turn(&serde_json::to_value(&answered).unwrap_or_default());
        ended(&answered)?;
        match self.events.error_said() {
            Some(error) => Err(Failure::new("error", error)),
            None => Ok(()),
        }
    }

    /// Describes a failed request. An agent that closed its output is about to exit, and its exit code
    /// says more.
    async fn failed(&self, error: &Error, logins: &[AuthMethod]) -> Failure {
        if !self.connection.is_incoming_closed() {
            return failure(error, logins);
        }
        tokio::time::sleep(EXIT_PATIENCE).await;
        exited(None)
    }
}

/// Takes the next message of the user; the inbox closes when there is none.
fn next_message(inbox: Option<&Inbox>) -> Result<Option<String>, Failure> {
    let message = inbox.map_or(Ok(None), Inbox::take_or_close);
    message.map_err(|error| Failure::environment(format!("could not read a message: {error}")))
}

/// Judges the end of a turn.
fn ended(answer: &PromptResponse) -> Result<(), Failure> {
    let (kind, message) = match answer.stop_reason {
        StopReason::EndTurn => return Ok(()),
        StopReason::MaxTokens => (
            "max-output-tokens",
            "the answer reached the limit of tokens",
        ),
        StopReason::MaxTurnRequests => ("max-turns", "the turn reached its limit of requests"),
        StopReason::Refusal => ("refusal", "the agent refused to continue"),
        StopReason::Cancelled => ("temporary", "the agent cancelled the turn"),
        _ => ("stopped", "the agent stopped for an unknown reason"),
    };
    Err(Failure::new(kind, message))
}

/// Describes an agent that exited before its turn ended.
fn exited(status: Option<String>) -> Failure {
    let status = status.map_or(String::new(), |status| format!(" ({status})"));
    Failure::new(
        "connection",
        format!("the agent exited before its turn ended{status}"),
    )
}

/// Describes an error of the agent, with its ways to log in where it asks for that.
fn failure(error: &Error, logins: &[AuthMethod]) -> Failure {
    let detail = error.data.as_ref().and_then(detail);
    let detail = detail.filter(|detail| !error.message.contains(detail.as_str()));
    let mut message = match detail {
        Some(detail) => format!("{}: {detail}", error.message),
        None => error.message.clone(),
    };
    if error.code != ErrorCode::AUTH_REQUIRED {
        return Failure::new("error", message);
    }
    let ways: Vec<String> = logins.iter().map(login).collect();
    if !ways.is_empty() {
        message = format!("{message}; to log in: {}", ways.join(", or "));
    }
    Failure::new("authentication", message)
}

fn login(method: &AuthMethod) -> String {
    let described = method.description().map(str::to_owned);
    described.unwrap_or_else(|| method.name().to_owned())
}

/// Returns the text in the data of an error.
fn detail(data: &Value) -> Option<String> {
    let keys = ["/message", "/details", "/error/message", "/error"];
    let text = data.as_str();
    let text = text.or_else(|| keys.iter().find_map(|key| data.pointer(key)?.as_str()));
    text.map(str::to_owned)
}

/// The signals that end the conversation.
struct Stops {
    interrupt: Signal,
    terminate: Signal,
}

impl Stops {
    fn listen() -> Result<Stops, Failure> {
        let failed = |error| Failure::environment(format!("no signals: {error}"));
        Ok(Stops {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    async fn next(&mut self) -> Failure {
        tokio::select! {
            _ = self.interrupt.recv() => Failure::new("interrupted", "the turn was cancelled"),
            _ = self.terminate.recv() => Failure::new("terminated", "the turn was cancelled"),
        }
    }
}
