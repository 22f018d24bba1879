//! The plan: a validated, immutable graph of tasks in the author's order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::ids::TaskNumber;
use crate::model::usage::Dollars;

/// The validated graph of tasks. Once built it cannot be wrong: numbers run from 1 in order, tags
/// are unique, every dependency exists and there is no cycle.
///
/// A clone shares the graph.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    title: String,
    context: Vec<String>,
    tasks: Arc<Vec<Task>>,
    /// For every task the tasks that depend on it directly.
    dependents: Arc<Vec<Vec<TaskNumber>>>,
}

/// The last part of the integration branch's name, which no task may have.
pub const INTEGRATION: &str = "integration";

/// What keeps a list of tasks from being a plan.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GraphError {
    /// There is no task at all.
    #[error("the plan has no task")]
    Empty,
    /// A task does not carry the number of its place.
    #[error("task {0} is out of order")]
    Order(TaskNumber),
    /// Two tasks have the same tag (compared without case).
    #[error("tag {0} is used twice")]
    DuplicateTag(String),
    /// A dependency names no task.
    #[error("{0} depends on {1}, which does not exist")]
    UnknownDependency(TaskNumber, TaskNumber),
    /// The tasks wait for each other; the path starts and ends with the same task.
    #[error("dependency cycle: {}", path.iter().map(ToString::to_string).collect::<Vec<_>>().join(" -> "))]
    Cycle {
        /// The tasks in the order in which each depends on the next.
        path: Vec<TaskNumber>,
    },
}

impl Plan {
    /// Checks the graph and keeps it.
    ///
    /// # Errors
    /// Says which rule of a plan the tasks break; the first one found.
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

    /// Depth-first search without recursion, because a plan may be a chain of 10,000 tasks.
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

    /// The same plan with other priorities, where `priority` gives one.
    #[must_use]
    pub fn with_priorities(mut self, priority: impl Fn(TaskNumber) -> Option<i32>) -> Plan {
        for task in Arc::make_mut(&mut self.tasks) {
            task.fields.priority = priority(task.number).unwrap_or(task.fields.priority);
        }
        self
    }

    /// What the whole plan is called.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Facts every worker is told, one an entry.
    pub fn context(&self) -> &[String] {
        &self.context
    }

    /// All tasks, in the author's order.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// The task with this number, which must be one of this plan.
    pub fn task(&self, number: TaskNumber) -> &Task {
        &self.tasks[number.index()]
    }

    /// The task named by a number (`3`, `#3`) or by a tag, in any case.
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

    /// The name of every task in branches and folders, in plan order: the slug of its tag, made
    /// unique and kept off the reserved `integration` by its number.
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

    /// The tasks that depend on this one directly.
    pub fn dependents(&self, number: TaskNumber) -> impl Iterator<Item = &Task> {
        let numbers = self.dependents[number.index()].iter();
        numbers.map(|number| self.task(*number))
    }
}

/// One unit of work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    /// Its place in the plan, from 1.
    pub number: TaskNumber,
    /// A short unique name such as `AUTH`.
    pub tag: String,
    /// What it is, in one line.
    pub title: String,
    /// What the plan calls its worker (`Worker 1`), for the reader only.
    pub label: Option<String>,
    /// What the worker is told to do, as written; empty means the title is all there is.
    pub prompt: String,
    /// The tasks it starts after, in ascending order.
    pub depends_on: Vec<TaskNumber>,
    /// Everything that has a default.
    pub fields: TaskFields,
}

impl Task {
    /// The text a worker is given as its task: the prompt, or the title when there is none.
    pub fn text(&self) -> &str {
        if self.prompt.trim().is_empty() {
            &self.title
        } else {
            &self.prompt
        }
    }

    /// What the board calls its number: `Worker 2`, or the author's label.
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
    /// Globs of the paths the task means to touch.
    pub files: Vec<String>,
    /// Foreground or background; `None` is the default, `agent`.
    pub strategy: Option<Strategy>,
    /// Whether a change is expected or only a report.
    pub produces: Produces,
    /// Commands that must exit 0 in the worktree before the result counts.
    pub check: Vec<String>,
    /// Longest time an attempt may take.
    pub timeout: Option<Duration>,
    /// Longest time an attempt may be silent.
    pub stall_timeout: Option<Duration>,
    /// Turns an attempt may take.
    pub max_turns: Option<u32>,
    /// The most an attempt may cost.
    pub max_cost: Option<Dollars>,
    /// Retries of a transient failure, instead of the configured number.
    pub retries: Option<u32>,
    /// Environment: a name to pass on (`None`) or a public value, which is journalled.
    pub env: BTreeMap<String, Option<String>>,
    /// What to report back.
    pub output: Option<String>,
    /// Higher goes first among equals; 0 when not given.
    pub priority: i32,
    /// How long the author expects it to take (for the strategy `auto`).
    pub expected: Option<Duration>,
    /// A `files` task without a change is a success.
    pub allow_empty: bool,
    /// How the attempt is kept apart.
    pub isolation: Option<Isolation>,
}

/// Whether a task runs in the foreground or in the background.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Foreground: the result is needed at once.
    Agent,
    /// Background.
    Task,
    /// Decided from the shape of the task.
    Auto,
}

/// What a task is for.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Produces {
    /// A change of files; none is a failure unless `allow_empty`.
    #[default]
    Files,
    /// A report; no change is needed.
    Info,
}

/// How an attempt is kept apart from the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// A linked worktree of the repository.
    Worktree,
    /// A clone that shares only objects.
    Clone,
}
