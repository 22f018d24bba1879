//! The wire format of a plan in TOML and JSON, and its schema.
//!
//! Only for rendering and for the schema: parsing uses [`crate::plan::draft`], which has positions.

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::clock::render_duration;
use crate::model::ids::VariantNumber;
use crate::model::plan::{Isolation, Plan, Produces, Strategy, Task, Variants};
use crate::model::usage::Dollars;
use crate::model::worker::Confinement;

/// A plan: tasks that a run carries out in parallel git worktrees.
#[derive(Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Plan")]
pub(super) struct WirePlan {
    /// For editors; ignored.
    #[serde(rename = "$schema", skip_serializing_if = "Option::is_none")]
    schema: Option<String>,
    /// The title of the plan; the file's name if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// Shared context for every prompt, one fact per entry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    context: Vec<String>,
    /// The tasks; their numbers follow this order, from 1.
    #[schemars(length(min = 1, max = 10_000))]
    task: Vec<WireTask>,
}

/// One unit of work.
#[derive(Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Task")]
pub(super) struct WireTask {
    /// A short unique name such as `AUTH`; `T<number>` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    /// The title, in one line.
    title: String,
    /// The label of its worker, for display only.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// The worker profile, if not the configured default.
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<String>,
    /// A shell command that does the task; the worker is then `shell`.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    /// Attempts side by side, of which one is chosen: how many (1 to 9), or the worker of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    variants: Option<WireVariants>,
    /// The worker that chooses among the variants, instead of the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    judge: Option<String>,
    /// The executor of its attempts, with the label of a host behind a colon: `hosts:gpu`.
    #[serde(skip_serializing_if = "Option::is_none")]
    executor: Option<String>,
    /// Tags or numbers of the tasks it starts after.
    #[serde(skip_serializing_if = "Option::is_none")]
    depends_on: Option<OneOrMany<Name>>,
    /// Globs of the paths the task intends to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<OneOrMany<String>>,
    /// Foreground (`agent`), background (`task`), or decided from the shape of the task (`auto`).
    #[serde(skip_serializing_if = "Option::is_none")]
    strategy: Option<Strategy>,
    /// The expected result: a change (`files`) or only a report (`info`).
    #[serde(skip_serializing_if = "Option::is_none")]
    produces: Option<Produces>,
    /// Commands that must exit 0 in the worktree before the result counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<OneOrMany<String>>,
    /// The time limit of an attempt, such as `30m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<String>,
    /// The time limit without output, such as `5m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    stall_timeout: Option<String>,
    /// The maximum number of turns of an attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_turns: Option<u32>,
    /// The maximum cost of an attempt in dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_cost: Option<f64>,
    /// The number of retries after a transient failure, instead of the configured one.
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<u32>,
    /// Environment: `NAME` passes a variable on, `NAME=value` sets a public value (journalled).
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<OneOrMany<String>>,
    /// Instructions for the report.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    /// The priority among ready tasks, higher first.
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i32>,
    /// The author's estimate of the run time, such as `10m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    /// A `files` task passes without a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_empty: Option<bool>,
    /// Every attempt gets a new worktree, not one of the pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    fresh: Option<bool>,
    /// A linked worktree, or a clone that shares only objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    isolation: Option<Isolation>,
    /// The least confinement of an attempt: `write` or `strict`. A plan never loosens that of the settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<Confinement>,
    /// The origin of an imported task: format, file and id.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// A file with the prompt, relative to the plan's folder, instead of `prompt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_file: Option<String>,
    /// The prompt for the worker; the title if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<String>,
}

/// The variants of a task.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum WireVariants {
    /// This many, all by the worker of the task.
    Count(#[schemars(range(min = 1, max = 9))] VariantNumber),
    /// The worker of each.
    Workers(#[schemars(length(min = 1, max = 9))] Vec<String>),
}

impl WireVariants {
    fn of(variants: &Variants) -> WireVariants {
        match variants {
            Variants::Count(count) => WireVariants::Count(*count),
            Variants::Workers(workers) => WireVariants::Workers(workers.clone()),
        }
    }
}

/// A list, or a single value without brackets.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[allow(
    dead_code,
    reason = "one value alone is read, and so in the schema, but never written"
)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

/// The name of a dependency.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[allow(
    dead_code,
    reason = "numbers are read, and so in the schema, but tags are written"
)]
enum Name {
    Tag(String),
    Number(u32),
}

impl WirePlan {
    /// Converts a plan.
    pub(super) fn of(plan: &Plan) -> WirePlan {
        WirePlan {
            schema: None,
            title: Some(plan.title().to_owned()),
            context: plan.context().to_vec(),
            task: plan
                .tasks()
                .iter()
                .map(|task| WireTask::of(plan, task))
                .collect(),
        }
    }
}

impl WireTask {
    fn of(plan: &Plan, task: &Task) -> WireTask {
        let fields = &task.fields;
        let tag_of = |number: &_| Name::Tag(plan.task(*number).tag.clone());
        WireTask {
            tag: Some(task.tag.clone()),
            title: task.title.clone(),
            label: task.label.clone(),
            worker: fields.worker.clone().filter(|_| fields.run.is_none()),
            run: fields.run.clone(),
            variants: fields.variants.as_ref().map(WireVariants::of),
            judge: fields.judge.clone(),
            executor: fields.executor.clone(),
            depends_on: many(task.depends_on.iter().map(tag_of).collect()),
            files: many(fields.files.clone()),
            strategy: fields.strategy,
            produces: Some(fields.produces).filter(|produces| *produces != Produces::default()),
            check: many(fields.check.clone()),
            timeout: fields.timeout.map(render_duration),
            stall_timeout: fields.stall_timeout.map(render_duration),
            max_turns: fields.max_turns,
            max_cost: fields.max_cost.map(Dollars::amount),
            retries: fields.retries,
            env: many(env_entries(task)),
            output: fields.output.clone(),
            priority: Some(fields.priority).filter(|priority| *priority != 0),
            expected: fields.expected.map(render_duration),
            allow_empty: Some(true).filter(|_| fields.allow_empty),
            fresh: Some(true).filter(|_| fields.fresh),
            isolation: fields.isolation,
            sandbox: fields.sandbox,
            source: fields.source.clone(),
            prompt_file: None,
            prompt: Some(task.prompt.clone()).filter(|prompt| !prompt.is_empty()),
        }
    }
}

/// Renders `NAME` or `NAME=value`, sorted by name.
pub(super) fn env_entries(task: &Task) -> Vec<String> {
    let entry = |(name, value): (&String, &Option<String>)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.clone(),
    };
    task.fields.env.iter().map(entry).collect()
}

fn many<T>(list: Vec<T>) -> Option<OneOrMany<T>> {
    (!list.is_empty()).then_some(OneOrMany::Many(list))
}
