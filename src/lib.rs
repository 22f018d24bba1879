//! `dispatch`: a git-native worktree runner.
//!
//! A **plan** names tasks, some independent, some blocked by others. A **run** executes the plan
//! from one base commit: every task in a git worktree and branch of its own, in parallel. The
//! branches are compared with git's own merge engine, the successful ones are assembled on one
//! integration branch, and everything that happened can be read back from git alone.
//!
//! # The map: one room for each capability, arrows point down
//!
//! | layer | room | what it does |
//! |---|---|---|
//! | L6 | [`cli`] | subcommands, exit codes, hints; the only user of `clap`; starts the other faces |
//! | L6 | [`tui`] | the terminal board: a run on the whole screen |
//! | L6 | [`mcp`] | tools for coding agents, over standard input and output |
//! | L6 | [`web`] | pages in a browser, and on disk |
//! | L5 | [`engine`] | runs, lands, cleans up, repairs: a stack of rooms of its own |
//! | L4 | [`conflicts`] | finds out which branches conflict; usable as a library |
//! | L3 | [`config`] | settings from files, variables and flags |
//! | L3 | [`journal`] | the events of a run, as commits |
//! | L3 | [`worker`] | command lines, environments, prompts and output of workers |
//! | L3 | [`acp`] | the client of agents that speak the Agent Client Protocol |
//! | L3 | [`exec`] | where attempts run: processes, supervisors, logs |
//! | L3 | [`control`] | requests to the process that drives a run |
//! | L3 | [`forge`] | GitHub, through `gh` |
//! | L3 | [`ui`] | the terminal: questions, progress, rendered Markdown, the pager |
//! | L2 | [`git`] | objects, references, worktrees, merges: the only way to git |
//! | L1 | [`report`] | every view of a run: boards, reports, notifications |
//! | L1 | [`plan`] | plan text to value, and back; diagnostics |
//! | L1 | [`schedule`] | decides what to do now |
//! | L1 | [`failure`] | evidence to failure class |
//! | L1 | [`assembly`] | selects and orders results, finds the culprit of a failed check |
//! | L0 | [`model`] | plain data: the plan, the state of a run, events |
//! | L0 | [`merge`] | values of merges and conflicts |
//! | L0 | [`base`] | clock, files, processes, text; knows nothing about runs |
//!
//! A room uses only rooms below it; those of L3 do not use each other. `tests/it/architecture.rs`
//! fails on any other arrow, and on a circle between files.
//!
//! # Where to look
//!
//! | code that … | is in |
//! |---|---|
//! | drives a run | `engine/run/driver.rs` |
//! | decides what starts, and a retry | `schedule/decide.rs`, `schedule/retry.rs` |
//! | carries out one attempt | `engine/attempt/` |
//! | keeps worktrees from task to task | `engine/pool/` |
//! | runs attempts on other machines | `engine/remote/`, `exec/engine/` |
//! | starts and kills a worker | `exec/shim.rs`, `exec/leftovers.rs` |
//! | plays workers without processes, in tests | `exec/scripted.rs` |
//! | reads an agent's output | `worker/dialect/` |
//! | takes a message to a running worker | `engine/run/tell.rs` |
//! | classifies a failure | `failure/classify.rs` |
//! | chooses among the variants of a task | `engine/variants/` |
//! | compares branches | `conflicts/detector.rs`, `conflicts/verdicts.rs` |
//! | parses git's merge output | `git/merge_tree_parser.rs` |
//! | assembles the results | `engine/assemble/` |
//! | resolves a conflict | `engine/resolve/` |
//! | lands a run | `engine/land/` |
//! | renders the board | `report/board/markdown.rs` |
//! | renders the failure report | `report/failure/markdown.rs` |
//! | makes a plan from a goal | `engine/planner/` |
//! | imports a plan | `plan/import/` |
//! | answers an agent's tool call | `mcp/tools/` |
//! | renders a web page | `web/pages/` |
//! | handles a key of the board | `tui/handle.rs` |
//! | finds the task that wrote a line | `engine/blame/` |
//! | shares a run with another clone | `engine/share/` |
//! | shows a run on GitHub | `engine/mirror/`, `forge/graphql.rs` |
//! | tells an event in words | `report/event_sentence/` |
//! | shows when tasks waited and ran | `report/timeline.rs` |
//! | estimates when a run ends | `report/estimate.rs` |
//! | catches up when a run resumes | `engine/reconcile.rs` |
//!
//! # The idea
//!
//! The core is two pure functions: [`model::run::RunState::apply`] folds a fact, and
//! [`decide`](fn@schedule::decide) says what to do now. The engine is one loop around them: take events,
//! append them to the journal (a chain of commits on `refs/dispatch/runs/<run>`), apply them,
//! publish the board, carry out the actions. Recovery is replay of the journal plus `decide`:
//! there is no second code path.
//!
//! Nothing of the user's (checkout, branches, index, hooks, config) is touched until
//! `dispatch land`.

#![forbid(unsafe_code)]

pub mod base;

pub mod merge;

pub mod model;

pub mod assembly;
pub mod failure;
pub mod plan;
pub mod report;
pub mod schedule;

pub mod git;

pub mod acp;
pub mod config;
pub mod control;
pub mod exec;
pub mod forge;
pub mod journal;
pub mod ui;
pub mod worker;

pub mod conflicts;

pub mod engine;

pub mod mcp;
pub mod tui;
pub mod web;

pub mod cli;
