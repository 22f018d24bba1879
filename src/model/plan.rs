//! The plan: a validated, immutable graph of tasks in the author's order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::ids::{TaskNumber, VariantNumber};
use crate::model::usage::Dollars;
use crate::model::worker::Confinement;

pub use crate::model::worker::Isolation;

/// The validated graph of tasks.
///
/// Numbers run from 1 in order, tags are unique, every dependency exists and there is no cycle. A
/// clone shares the graph.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    title: String,
    context: Vec<String>,
    tasks: Arc<Vec<Task>>,
    /// The direct dependents of every task.
    dependents: Arc<Vec<Vec<TaskNumber>>>,
}

/// The last part of the integration branch's name, reserved for it.
pub const INTEGRATION: &str = "integration";

/// An error in the graph of tasks.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GraphError {
    /// The plan has no task.
    #[error("the plan has no task")]
    Empty,
    /// A task's number differs from its position.
    #[error("task {0} is out of order")]
    Order(TaskNumber),
    /// Two tasks have the same tag, ignoring case.
    #[error("tag {0} is used twice")]
    DuplicateTag(String),
    /// A dependency does not exist.
    #[error("{0} depends on {1}, which does not exist")]
    UnknownDependency(TaskNumber, TaskNumber),
    /// The tasks form a cycle; the path starts and ends with the same task.
    #[error("dependency cycle: {}", path.iter().map(ToString::to_string).collect::<Vec<_>>().join(" -> "))]
    Cycle {
        /// The tasks in the order in which each depends on the next.
        path: Vec<TaskNumber>,
    },
}

impl Plan {
    /// Validates the tasks and builds the graph.
    ///
    /// # Errors
    /// Returns the first error found in the graph.
    pub fn new(title: String, context: Vec<String>, tasks: Vec<Task>) -> Result<Plan, GraphError> {
        let mut plan = Plan {
            title,
            context,
            tasks: Arc::new(tasks),
            dependents: Arc::default(),
        };
        plan.check()?;
        plan.dependents = Arc::new(plan.find_dependents());
        Ok(plan)
    }

    fn check(&self) -> Result<(), GraphError> {
        if self.tasks.is_empty() {
            return Err(GraphError::Empty);
        }
        let mut tags = std::collections::HashSet::new();
        for (task, place) in self.tasks.iter().zip(1..) {
            if task.number.0 != place {
                return Err(GraphError::Order(task.number));
            }
            if !tags.insert(task.tag.to_lowercase()) {
                return Err(GraphError::DuplicateTag(task.tag.clone()));
            }
            let known = |d: &&TaskNumber| d.0 >= 1 && d.index() < self.tasks.len();
            if let Some(&unknown) = task.depends_on.iter().find(|d| !known(d)) {
                return Err(GraphError::UnknownDependency(task.number, unknown));
            }
        }
        match self.find_cycle() {
            Some(path) => Err(GraphError::Cycle { path }),
            None => Ok(()),
        }
    }

    fn find_dependents(&self) -> Vec<Vec<TaskNumber>> {
        let mut dependents = vec![Vec::new(); self.tasks.len()];
        for task in self.tasks.iter() {
            for dependency in &task.depends_on {
                dependents[dependency.index()].push(task.number);
            }
        }
        dependents
    }

    /// Finds a cycle without recursion, because a plan may be a chain of 10,000 tasks.
    fn find_cycle(&self) -> Option<Vec<TaskNumber>> {
        let mut finished = vec![false; self.tasks.len()];
        for start in self.tasks.iter() {
            let mut path = vec![(start.number, 0)];
            let mut on_path = std::collections::HashSet::from([start.number]);
            while let Some((task, next)) = path.last_mut() {
                if finished[task.index()] {
                    on_path.remove(task);
                    path.pop();
                    continue;
                }
                let Some(&dependency) = self.tasks[task.index()].depends_on.get(*next) else {
                    finished[task.index()] = true;
                    continue;
                };
                *next += 1;
                if finished[dependency.index()] {
                    continue;
                }
                if !on_path.insert(dependency) {
                    let mut cycle: Vec<_> = path.iter().map(|(task, _)| *task).collect();
                    let from = cycle.iter().position(|task| *task == dependency)?;
                    cycle.drain(..from);
                    cycle.push(dependency);
                    return Some(cycle);
                }
                path.push((dependency, 0));
            }
        }
        None
    }

    /// Replaces the priorities of the tasks for which `priority` returns one.
    #[must_use]
    pub fn with_priorities(mut self, priority: impl Fn(TaskNumber) -> Option<i32>) -> Plan {
        for task in Arc::make_mut(&mut self.tasks) {
            task.fields.priority = priority(task.number).unwrap_or(task.fields.priority);
        }
        self
    }

    /// Replaces the strategies of the tasks.
    #[must_use]
    pub fn with_strategy(mut self, strategy: impl Fn(&Task) -> Option<Strategy>) -> Plan {
        for task in Arc::make_mut(&mut self.tasks) {
            task.fields.strategy = strategy(task);
        }
        self
    }

    /// Gives this worker to the tasks that have neither a worker nor a command.
    #[must_use]
    pub fn with_worker(mut self, worker: &str) -> Plan {
        for task in Arc::make_mut(&mut self.tasks) {
            let fields = &mut task.fields;
            if fields.worker.is_none() && fields.run.is_none() {
                fields.worker = Some(worker.to_owned());
            }
        }
        self
    }

    /// Returns the title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Returns the shared context that every prompt includes.
    pub fn context(&self) -> &[String] {
        &self.context
    }

    /// Returns all tasks, in the author's order.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// Returns the task with this number, which must exist.
    pub fn task(&self, number: TaskNumber) -> &Task {
        &self.tasks[number.index()]
    }

    /// Finds a task by number (`3`, `#3`) or by tag, ignoring case.
    pub fn find(&self, name: &str) -> Option<&Task> {
        let name = name.trim();
        let digits = name.strip_prefix('#').unwrap_or(name);
        match digits.parse::<u32>() {
            Ok(number) => self.tasks.iter().find(|task| task.number.0 == number),
            Err(_) => self
                .tasks
                .iter()
                .find(|task| task.tag.eq_ignore_ascii_case(name)),
        }
    }

    /// Returns the name of every task in branches and folders, in plan order.
    ///
    /// It is the slug of the tag; a number makes it unique and different from `integration`.
    pub fn slugs(&self) -> Vec<String> {
        let mut taken = std::collections::HashSet::from([INTEGRATION.to_owned()]);
        let mut slugs = Vec::with_capacity(self.tasks.len());
        for task in self.tasks.iter() {
            let slug = crate::base::text::slug(&task.tag);
            let numbered = |suffix: String| {
                let kept = &slug[..slug.len().min(39 - suffix.len())];
                format!("{kept}-{suffix}")
                    .trim_start_matches('-')
                    .to_owned()
            };
            let number = task.number.0;
            let first = [slug.clone(), numbered(number.to_string())].into_iter();
            let more = (2..).map(|n| numbered(format!("{number}-{n}")));
            let mut names = first.chain(more).filter(|name| !name.is_empty());
            slugs.extend(names.find(|name| taken.insert(name.clone())));
        }
        slugs
    }

    /// Returns the direct dependents of a task.
    pub fn dependents(&self, number: TaskNumber) -> impl Iterator<Item = &Task> {
        let numbers = self.dependents[number.index()].iter();
        numbers.map(|number| self.task(*number))
    }
}

/// One unit of work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    /// The position in the plan, from 1.
    pub number: TaskNumber,
    /// A short unique name such as `AUTH`.
    pub tag: String,
    /// The title, in one line.
    pub title: String,
    /// The plan's label for its worker (`Worker 1`), for display only.
    pub label: Option<String>,
    /// The prompt as written; if empty, the title is the prompt.
    pub prompt: String,
    /// The tasks it starts after, in ascending order.
    pub depends_on: Vec<TaskNumber>,
    /// The optional fields.
    pub fields: TaskFields,
}

impl Task {
    /// Returns the prompt, or the title if the prompt is empty.
    pub fn text(&self) -> &str {
        if self.prompt.trim().is_empty() {
            &self.title
        } else {
            &self.prompt
        }
    }

    /// Returns the number of its variants; 0 if it has none.
    pub fn variant_count(&self) -> VariantNumber {
        self.fields.variants.as_ref().map_or(0, Variants::count)
    }

    /// Returns the label on the board: the author's, or `Worker 2`.
    pub fn worker_label(&self) -> String {
        self.label
            .clone()
            .unwrap_or_else(|| format!("Worker {}", self.number.0))
    }
}

/// The optional fields of a task (`docs/plans.md`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TaskFields {
    /// The worker profile, if not the configured default.
    pub worker: Option<String>,
    /// A shell command that does the task; the worker is then `shell`.
    pub run: Option<String>,
    /// Globs of the paths the task intends to change.
    pub files: Vec<String>,
    /// Foreground or background; `None` means the default, `agent`.
    pub strategy: Option<Strategy>,
    /// The expected result: a change or only a report.
    pub produces: Produces,
    /// Commands that must exit 0 in the worktree before the result counts.
    pub check: Vec<String>,
    /// The time limit of an attempt.
    pub timeout: Option<Duration>,
    /// The time limit without output.
    pub stall_timeout: Option<Duration>,
    /// The maximum number of turns of an attempt.
    pub max_turns: Option<u32>,
    /// The maximum cost of an attempt.
    pub max_cost: Option<Dollars>,
    /// The number of retries after a transient failure, instead of the configured one.
    pub retries: Option<u32>,
    /// Environment variables: passed on (`None`) or set to a public value, which is journalled.
    pub env: BTreeMap<String, Option<String>>,
    /// Instructions for the report.
    pub output: Option<String>,
    /// The priority among ready tasks, higher first; 0 by default.
    pub priority: i32,
    /// The author's estimate of the run time, for the strategy `auto`.
    pub expected: Option<Duration>,
    /// `true` if a `files` task passes without a change.
    pub allow_empty: bool,
    /// `true` if its attempts get new worktrees, not those of the pool.
    pub fresh: bool,
    /// The isolation of an attempt from others.
    pub isolation: Option<Isolation>,
    /// The least confinement of an attempt.
    pub sandbox: Option<Confinement>,
    /// The variants: attempts side by side, of which one is chosen.
    pub variants: Option<Variants>,
    /// The worker that chooses among the variants, instead of the rule.
    pub judge: Option<String>,
    /// The executor of its attempts, if not that of its worker or of the run.
    pub executor: Option<String>,
    /// The origin of an imported task: format, file and id, on one line.
    pub source: Option<String>,
}

/// The variants of a task.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Variants {
    /// This many, all by the worker of the task.
    Count(VariantNumber),
    /// One by each of these workers.
    Workers(Vec<String>),
}

impl Variants {
    /// Returns the number of variants.
    pub fn count(&self) -> VariantNumber {
        match self {
            Variants::Count(count) => *count,
            Variants::Workers(workers) => workers.len() as VariantNumber,
        }
    }

    /// Returns the worker of a variant, if it differs from the worker of the task.
    pub fn worker(&self, variant: VariantNumber) -> Option<&str> {
        match self {
            Variants::Count(_) => None,
            Variants::Workers(workers) => {
                let place = usize::from(variant).checked_sub(1)?;
                workers.get(place).map(String::as_str)
            }
        }
    }
}

/// The strategy of a task: foreground or background.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Foreground: the result is needed immediately.
    Agent,
    /// Background.
    Task,
    /// Decided from the shape of the task.
    Auto,
}

/// The kind of result a task produces.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Produces {
    /// Changed files; without a change the task fails unless `allow_empty`.
    #[default]
    Files,
    /// A report; no change is needed.
    Info,
}
