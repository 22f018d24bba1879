//! The protocol: lists the tools, runs a call, and answers for the tasks of clients that declare them.

use std::path::PathBuf;
use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, CreateTaskResult,
    CustomRequest, CustomResult, ErrorCode, ErrorData, GetTaskParams, GetTaskResult,
    Implementation, ListToolsResult, PaginatedRequestParams, ProgressNotificationParam,
    ServerCapabilities, ServerConfig, Tool, UpdateTaskParams,
};
use rmcp::service::RequestContext;
use rmcp::task_manager::{TaskExit, TaskManager, TaskOptions};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use crate::mcp::answer::Answer;
use crate::mcp::call::{Call, Progress, StartedRuns};
use crate::mcp::closing::Closing;
use crate::mcp::consent::{Consent, Proposals, Shown};
use crate::mcp::error::ToolError;
use crate::mcp::folder::{self, Folder, REPOSITORY};
use crate::mcp::land_checks::LandChecks;
use crate::mcp::proposal::{Offer, Proposed, Step};
use crate::mcp::tools::{Action, ToolSpec, all, find};

/// The longest life of a task of the protocol, in milliseconds: a run may take a day.
const TASK_LIFE: u64 = 24 * 60 * 60 * 1000;

const INSTRUCTIONS: &str = "\
dispatch runs a plan of tasks in parallel, each in a git worktree and branch of its own, finds \
conflicts, and assembles the results. Use it for work that splits into independent parts; do \
sequential work yourself. Write a plan, check it with plan_validate, and start it with run_start: the \
user confirms, and the call returns at once. Then call run_wait until the run has ended; its answers \
are short. Read run_report, tell the user, and land only when they agree: land first shows what will \
move. Nothing of the user's changes before that.";

/// The server of one client.
#[derive(Clone)]
pub(super) struct Server {
    proposals: Proposals,
    shown: Shown,
    started: StartedRuns,
    checks: LandChecks,
    closing: Closing,
    tasks: TaskManager,
    /// Held while a call changes something, so that changes come one after the other.
    changes: Arc<Mutex<()>>,
}

impl Server {
    /// Creates a server.
    pub(super) fn new() -> Server {
        Server {
            proposals: Proposals::default(),
            shown: Shown::default(),
            started: StartedRuns::default(),
            checks: LandChecks::default(),
            closing: Closing::default(),
            tasks: TaskManager::new(),
            changes: Arc::default(),
        }
    }

    /// Returns the lock that a changing call holds.
    pub(super) fn changes(&self) -> Arc<Mutex<()>> {
        Arc::clone(&self.changes)
    }

    /// Returns the checks before a landing is shown.
    pub(super) fn land_checks(&self) -> LandChecks {
        self.checks.clone()
    }

    /// Returns what the transport closes at the end of the input.
    pub(super) fn closing(&self) -> Closing {
        self.closing.clone()
    }

    async fn run(
        &self,
        tool: &'static ToolSpec,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let folder = match folder::find(request, context, &self.closing).await {
            Folder::Known(folder) => Some(folder),
            Folder::Missing => None,
            Folder::Asked(question) => return Ok(question.into()),
            Folder::Refused(error) => return Ok(error.into_result().into()),
        };
        let call = self.new_call(tool, request, folder, context);
        let answer = match tool.action {
            Action::Read(run) => self.blocking(call, run).await,
            Action::Change(run) => self.changing(call, run).await,
            Action::Wait(run) if takes_tasks(context) => return Ok(self.as_task(call, run).into()),
            Action::Wait(run) => self.blocking(call, run).await,
            Action::Propose { propose, carry_out } => {
                let proposed = match self.blocking(call.clone(), propose).await {
                    Ok(proposed) => proposed,
                    Err(error) => return Ok(error.into_result().into()),
                };
                let content = proposed.content.clone();
                match self.consent(proposed, request, context).await {
                    Ok(Decision::Go) => {
                        self.changing(call, move |call| carry_out(call, &content))
                            .await
                    }
                    Ok(Decision::Answer(answer)) => Ok(answer),
                    Ok(Decision::Ask(question)) => return Ok(question.into()),
                    Err(error) => Err(error),
                }
            }
        };
        Ok(into_result(answer).into())
    }

    /// Decides about a proposal: by the token or the tips of the call, or by asking the user.
    async fn consent(
        &self,
        proposed: Proposed,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<Decision, ToolError> {
        let content = &proposed.content;
        match proposed.step {
            Step::Show(offer) => {
                self.shown.keep(content, &offer.question);
                Ok(Decision::Answer(offer.answer))
            }
            Step::Later(answer) => Ok(Decision::Answer(answer)),
            Step::Redeem(token) if self.proposals.redeem(&token, content) => Ok(Decision::Go),
            Step::Redeem(token) => Err(self.wrong_token(&token)),
            Step::Confirmed => {
                let question = self.shown.question(content).ok_or_else(not_shown)?;
                match self
                    .proposals
                    .ask(request, (context, &self.closing), content, &question)
                    .await
                {
                    Consent::Given | Consent::Unasked => Ok(Decision::Go),
                    Consent::Asked(question) => Ok(Decision::Ask(question)),
                    Consent::Declined => Err(declined()),
                    Consent::Dismissed => Err(ToolError::new(
                        "the user has not confirmed; nothing was done",
                    )
                    .next("ask the user, then call again")),
                }
            }
            Step::Ask(Offer { question, answer }) => {
                match self
                    .proposals
                    .ask(request, (context, &self.closing), content, &question)
                    .await
                {
                    Consent::Given => Ok(Decision::Go),
                    Consent::Asked(question) => Ok(Decision::Ask(question)),
                    Consent::Declined => Err(declined()),
                    Consent::Dismissed | Consent::Unasked => {
                        let token = self.proposals.keep(content);
                        Ok(Decision::Answer(answer.with_token(&token)))
                    }
                }
            }
        }
    }

    fn wrong_token(&self, token: &str) -> ToolError {
        let what = match self.proposals.has(token) {
            true => "the token belongs to another plan, base or options; nothing was started",
            false => "the token is unknown or used up; nothing was started",
        };
        ToolError::new(what).at("run_start").next(
            "call run_start without a token, show the user its answer, and call it again with the \
             new token and exactly the same arguments",
        )
    }

    fn new_call(
        &self,
        tool: &'static ToolSpec,
        request: &CallToolRequestParams,
        folder: Option<PathBuf>,
        context: &RequestContext<RoleServer>,
    ) -> Call {
        let (cancelled, closing) = (context.ct.clone(), self.closing.clone());
        let mut arguments = request.arguments.clone().unwrap_or_default();
        arguments.remove(REPOSITORY);
        Call {
            tool: tool.name,
            arguments: Value::Object(arguments),
            folder,
            started: self.started.clone(),
            checks: self.checks.clone(),
            is_cancelled: Arc::new(move || cancelled.is_cancelled() || closing.is_closed()),
            progress: self.progress_of(context),
            is_task: false,
        }
    }

    /// Returns the way to report progress to a client that asked for it.
    fn progress_of(&self, context: &RequestContext<RoleServer>) -> Progress {
        let Some(token) = context.meta.get_progress_token() else {
            return Arc::new(|_, _, _| {});
        };
        let (peer, handle) = (context.peer.clone(), Handle::current());
        let closing = self.closing.clone();
        Arc::new(move |done, total, message| {
            let progress = ProgressNotificationParam::new(token.clone(), done as f64)
                .with_total(total as f64)
                .with_message(message);
            // A client that has gone needs no progress.
            handle.block_on(async {
                tokio::select! {
                    _ = peer.notify_progress(progress) => {}
                    () = closing.closed() => {}
                }
            });
        })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        call: Call,
        run: fn(&Call) -> Result<T, ToolError>,
    ) -> Result<T, ToolError> {
        let done = tokio::task::spawn_blocking(move || run(&call)).await;
        done.unwrap_or_else(|_| Err(ToolError::new("the call ended unexpectedly")))
    }

    /// Runs a call that changes something. It ends even if the client has gone.
    async fn changing(
        &self,
        call: Call,
        run: impl FnOnce(&Call) -> Result<Answer, ToolError> + Send + 'static,
    ) -> Result<Answer, ToolError> {
        let turn = Arc::clone(&self.changes).lock_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let answer = run(&call);
            drop(turn);
            answer
        });
        let done = done.await;
        done.unwrap_or_else(|_| Err(ToolError::new("the call ended unexpectedly")))
    }

    /// Runs a call as a task, whose result the client fetches later.
    fn as_task(
        &self,
        mut call: Call,
        run: fn(&Call) -> Result<Answer, ToolError>,
    ) -> CreateTaskResult {
        call.is_task = true;
        let options = TaskOptions::new().with_ttl_ms(TASK_LIFE);
        let server = self.clone();
        let task = self.tasks.spawn(options, move |context| {
            let (messages, cancels) = (context.clone(), context);
            call.progress = Arc::new(move |_, _, message| messages.set_status_message(message));
            call.is_cancelled = Arc::new({
                let cancels = cancels.clone();
                move || cancels.is_cancel_requested()
            });
            Box::pin(async move {
                let answer = server.blocking(call, run).await;
                match cancels.is_cancel_requested() {
                    true => Err(TaskExit::Cancelled),
                    false => Ok(into_result(answer)),
                }
            })
        });
        CreateTaskResult::new(task)
    }
}

enum Decision {
    Go,
    Answer(Answer),
    Ask(rmcp::model::InputRequiredResult),
}

fn declined() -> ToolError {
    ToolError::new("the user declined; nothing was done").next("ask the user what to change")
}

fn not_shown() -> ToolError {
    ToolError::new("exactly this landing was not shown, or by another server; nothing has moved")
        .at("land")
        .next(
            "call land without `confirm` and with the same `run`, `into` and `method`, and show its \
             answer to the user",
        )
}

fn into_result(answer: Result<Answer, ToolError>) -> CallToolResult {
    match answer {
        Ok(answer) => answer.into_result(),
        Err(error) => error.into_result(),
    }
}

/// Returns `true` if the client declares tasks.
fn takes_tasks(context: &RequestContext<RoleServer>) -> bool {
    let capabilities = context.client_capabilities();
    capabilities.is_some_and(|all| all.supports_tasks())
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tasks()
            .build();
        let server = Implementation::new("dispatch", env!("CARGO_PKG_VERSION"))
            .with_title("dispatch")
            .with_description("Runs plans of tasks in parallel git worktrees");
        ServerConfig::new(capabilities)
            .with_server_info(server)
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(
            all().iter().map(ToolSpec::describe).collect(),
        ))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        find(name).map(ToolSpec::describe)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        match find(&request.name) {
            Some(tool) => self.run(tool, &request, &context).await,
            None => Err(ErrorData::invalid_params(
                format!("there is no tool {:?}", request.name),
                None,
            )),
        }
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = request.method;
        // Requests of the protocol come here if their parameters are wrong.
        Err(match method.as_str() {
            "tools/call" => ErrorData::invalid_params(
                "invalid parameters of tools/call: it needs `name`, and `arguments` as an object",
                None,
            ),
            "initialize" | "tools/list" | "tasks/get" | "tasks/update" | "tasks/cancel" => {
                ErrorData::invalid_params(format!("invalid parameters of {method}"), None)
            }
            _ => ErrorData::new(
                ErrorCode::METHOD_NOT_FOUND,
                format!("there is no method {method:?}"),
                None,
            ),
        })
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.tasks
            .get_task(&request.task_id)
            .map(GetTaskResult::new)
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.tasks
            .update_task(&request.task_id, request.input_responses)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.tasks.cancel_task(&request.task_id)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rmcp::ServiceExt;
    use rmcp::model::CallToolRequestParams;
    use serde_json::json;

    use super::*;

    /// Serves the client of the protocol's own library in this process.
    async fn converse() -> (Vec<Tool>, CallToolResult, CallToolResult) {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let server = tokio::spawn(async { Server::new().serve(ours).await });
        let client = ().serve(theirs).await.unwrap();
        let tools = client.list_all_tools().await.unwrap();
        let call = |plan: &str| {
            let arguments = json!({"plan": plan}).as_object().cloned();
            CallToolRequestParams::new("plan_validate").with_arguments(arguments.unwrap())
        };
        let valid = client.call_tool(call("1. [A] a\n   - run: true\n")).await;
        let invalid = client.call_tool(call("nothing")).await;
        let (valid, invalid) = (valid.unwrap(), invalid.unwrap());
        client.cancel().await.unwrap();
        server.await.unwrap().unwrap().waiting().await.unwrap();
        (tools, valid, invalid)
    }

    #[test]
    fn the_client_of_the_library_understands_the_server() {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        let (tools, valid, invalid) = runtime.block_on(converse());
        assert_eq!(tools.len(), all().len());
        assert_eq!(valid.structured_content.unwrap()["valid"], true);
        // An invalid plan is an answer, not an error.
        assert_eq!(invalid.is_error, Some(false));
        assert_eq!(
            invalid.structured_content.unwrap()["diagnostics"][0]["severity"],
            "error"
        );
    }
}
