//! The keys of `[workers.NAME]`.

use crate::config::keys::profile_keys;
use crate::config::kind::{
    Count, Dollars, Flag, List, Maybe, OwnPath, Text, Time, VariableName, WorkerCommand,
};
use crate::model::worker::{Confinement, Dialect, Isolation, PromptBy, Worker};

profile_keys! {
    WORKER_KEYS, set_worker, Worker, "workers.NAME";
    /// The program and its arguments; {prompt_file}, {prompt}, {worktree}, {run}, {task} and {attempt}
    /// are filled in. So are {model}, {permission_mode}, {max_turns} and {max_cost}; where one is not set,
    /// its argument is left out with the option before it.
    command: WorkerCommand,
    /// The command that continues a session of the agent (`dispatch retry --continue`), with {session};
    /// [] is none. A worker with dialect "acp" needs none.
    resume: WorkerCommand,
    /// The command that opens a session of the agent on a terminal (`dispatch attach`), with {session};
    /// where no session is known, that argument is left out with the option before it. [] is none.
    attach: WorkerCommand,
    /// The way the prompt arrives: as a "file" (DISPATCH_PROMPT_FILE names it), on "stdin" or as an
    /// "argument"; or as a "stream", on which messages follow (Claude Code, --input-format stream-json).
    prompt: PromptBy,
    /// The format of its output: "text", "claude", "codex", "gemini", "opencode", "aider", "goose",
    /// "copilot", "antigravity", or "acp" for any agent that speaks the Agent Client Protocol.
    dialect: Dialect,
    /// The model, in the agent's words; "" leaves the choice to the agent.
    model: Maybe<Text>,
    /// Actions that the agent may take without asking, in the words of the agent.
    permission_mode: Maybe<Text>,
    /// Names of variables it may see besides ordinary ones such as PATH and HOME; never values.
    env: List<VariableName>,
    /// Number of its attempts that run at once; "" means no limit.
    concurrency: Maybe<Count>,
    /// Least time between two starts; "" is none. It grows after rate limits.
    stagger: Maybe<Time>,
    /// Longest time of an attempt; "" is the run's.
    timeout: Maybe<Time>,
    /// Longest time of an attempt without output; "" is the run's.
    stall_timeout: Maybe<Time>,
    /// Turns (requests to its model) of an attempt; "" means no limit. Without {max_turns} in the command
    /// turns are counted in its output, and it is killed when it takes one more.
    max_turns: Maybe<Count>,
    /// Dollars of an attempt; "" means no limit. Without {max_cost} in the command it is killed when its
    /// output reports more, which few agents do before they end.
    max_cost: Maybe<Dollars>,
    /// Workers that take over while it is parked: the first that is installed and not parked.
    fallback: List<Text>,
    /// Retry in the worktree of the failed attempt instead of a new one.
    retry_in_place: Flag,
    /// The way to confine it, if not that of `[sandbox]`: "write", "strict", "command" or "off".
    sandbox: Maybe<Confinement>,
    /// "clone": its attempts have a git folder of their own also without a sandbox; "" is that of
    /// `[worktree]`.
    isolation: Maybe<Isolation>,
    /// Files and folders of the agent itself, such as "~/.codex", that it may change when it is confined.
    state: List<OwnPath>,
    /// The executor of its attempts, such as "hosts", or "hosts:gpu" for a host with that label; "" is
    /// that of the run.
    executor: Maybe<Text>,
}
