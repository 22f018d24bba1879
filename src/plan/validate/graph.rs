//! Resolves the names of dependencies and finds cycles.

use std::collections::HashMap;
use std::rc::Rc;

use crate::base::text::did_you_mean;
use crate::plan::collector::{Collector, RawDiagnostic, quoted};
use crate::plan::diagnostic::Code;
use crate::plan::span::At;
use crate::plan::validate::Checked;

/// The acyclic graph of tasks by index.
pub(super) struct Graph {
    /// The dependencies of each task, ascending.
    ///
    /// Shared, because thousands of tasks may have the same thousands of dependencies.
    pub(super) dependencies: Vec<Rc<[usize]>>,
    /// All tasks, each after its dependencies.
    pub(super) order: Vec<usize>,
}

/// Resolves the dependencies of all tasks; `None` after an error.
pub(super) fn resolve(tasks: &[Checked], findings: &mut Collector) -> Option<Graph> {
    let before = findings.errors();
    let names = Names::of(tasks);
    let mut dependencies: Vec<Rc<[usize]>> = Vec::with_capacity(tasks.len());
    for index in 0..tasks.len() {
        dependencies.push(names.dependencies(tasks, index, findings).into());
    }
    add_independent(tasks, &mut dependencies, findings);
    let Search { order, cycles, .. } = Search::whole(&dependencies);
    for cycle in cycles {
        findings.add(cycle_finding(tasks, &cycle));
    }
    (findings.errors() == before).then_some(Graph {
        dependencies,
        order,
    })
}

struct Names {
    numbers: HashMap<u64, usize>,
    tags: HashMap<String, usize>,
}

impl Names {
    fn of(tasks: &[Checked]) -> Names {
        let tasks = tasks.iter().enumerate();
        Names {
            numbers: tasks
                .clone()
                .map(|(i, task)| (task.number.value, i))
                .collect(),
            tags: tasks
                .map(|(i, task)| (task.task.tag.to_lowercase(), i))
                .collect(),
        }
    }

    fn find(&self, name: &str) -> Option<usize> {
        let digits = name.strip_prefix('#').unwrap_or(name);
        match digits.parse() {
            Ok(number) => self.numbers.get(&number).copied(),
            Err(_) => self.tags.get(&digits.to_lowercase()).copied(),
        }
    }

    fn dependencies(
        &self,
        tasks: &[Checked],
        index: usize,
        findings: &mut Collector,
    ) -> Vec<usize> {
        let mut found = Vec::new();
        for name in &tasks[index].depends_on {
            match self.find(name.value.trim()) {
                Some(itself) if itself == index => findings.add(self_dependency(name)),
                Some(other) => found.push(other),
                None => findings.add(self.unknown(name, tasks.len(), findings.is_full())),
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn unknown(&self, name: &At<String>, count: usize, is_hidden: bool) -> RawDiagnostic {
        let message = format!("there is no task {}", quoted(&name.value));
        let finding = RawDiagnostic::error(Code::UnknownDependency, name.span.clone(), message);
        if is_hidden {
            return finding;
        }
        let tags = self.tags.keys().map(String::as_str);
        match did_you_mean(&name.value, tags).and_then(|tag| self.tags.get_key_value(tag)) {
            Some((tag, _)) => finding.hint(format!("did you mean `{}`?", tag.to_uppercase())),
            None if count == 1 => finding.hint("there is only one task"),
            None => finding.hint(format!("use a number from #1 to #{count}, or a tag")),
        }
    }
}

fn self_dependency(name: &At<String>) -> RawDiagnostic {
    let message = "a task cannot depend on itself";
    RawDiagnostic::error(Code::SelfDependency, name.span.clone(), message)
}

/// Adds all independent tasks as dependencies of tasks below "Dependent" that name none.
///
/// Independent tasks are elsewhere and have no dependencies, so this never creates a cycle.
fn add_independent(tasks: &[Checked], graph: &mut [Rc<[usize]>], findings: &mut Collector) {
    let waits = |task: &Checked| task.after_independent && task.depends_on.is_empty();
    if !tasks.iter().any(waits) {
        return;
    }
    let independent: Rc<[usize]> = (0..tasks.len())
        .filter(|i| !tasks[*i].after_independent && tasks[*i].depends_on.is_empty())
        .collect();
    for (task, dependencies) in tasks.iter().zip(graph).filter(|(task, _)| waits(task)) {
        if independent.is_empty() {
            let message = "this task is below `Dependent`, but has no dependencies";
            let hint = "add them to its line: `— blocked by #1`";
            let finding =
                RawDiagnostic::warning(Code::NothingToWaitFor, task.span.clone(), message);
            findings.add(finding.hint(hint));
        }
        dependencies.clone_from(&independent);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    OnPath,
    Done,
    InCycle,
}

/// A depth-first search for the order of the tasks and for disjoint cycles.
struct Search<'a> {
    graph: &'a [Rc<[usize]>],
    state: Vec<State>,
    order: Vec<usize>,
    cycles: Vec<Vec<usize>>,
}

impl Search<'_> {
    fn whole(graph: &[Rc<[usize]>]) -> Search<'_> {
        let mut search = Search {
            graph,
            state: vec![State::New; graph.len()],
            order: Vec::with_capacity(graph.len()),
            cycles: Vec::new(),
        };
        (0..graph.len()).for_each(|start| search.from(start));
        search
    }

    /// Searches from a task without recursion, because a plan may be a chain of 10,000 tasks.
    fn from(&mut self, start: usize) {
        if self.state[start] != State::New {
            return;
        }
        self.state[start] = State::OnPath;
        let mut path = vec![(start, 0)];
        while let Some((task, next)) = path.last_mut() {
            let Some(&dependency) = self.graph[*task].get(*next) else {
                if self.state[*task] == State::OnPath {
                    self.state[*task] = State::Done;
                }
                self.order.push(*task);
                path.pop();
                continue;
            };
            *next += 1;
            match self.state[dependency] {
                State::New => {
                    self.state[dependency] = State::OnPath;
                    path.push((dependency, 0));
                }
                State::OnPath => self.close(&path, dependency),
                State::Done | State::InCycle => {}
            }
        }
    }

    fn close(&mut self, path: &[(usize, usize)], back_to: usize) {
        let from = path.iter().position(|(task, _)| *task == back_to);
        let tasks = path[from.unwrap_or(0)..].iter().map(|(task, _)| *task);
        let mut cycle: Vec<_> = tasks.collect();
        if cycle.iter().any(|task| self.state[*task] == State::InCycle) {
            return;
        }
        for task in &cycle {
            self.state[*task] = State::InCycle;
        }
        cycle.push(back_to);
        self.cycles.push(cycle);
    }
}

fn cycle_finding(tasks: &[Checked], cycle: &[usize]) -> RawDiagnostic {
    let number = |index: &usize| format!("#{}", tasks[*index].number.value);
    let shown = match cycle {
        [start @ .., _, last] if cycle.len() > 12 => {
            let start: Vec<_> = start.iter().take(10).map(number).collect();
            format!("{} -> … -> {}", start.join(" -> "), number(last))
        }
        _ => cycle.iter().map(number).collect::<Vec<_>>().join(" -> "),
    };
    let task = &tasks[cycle[0]];
    let place = task
        .depends_on
        .first()
        .map_or(&task.span, |name| &name.span);
    let message = format!("dependency cycle: {shown}");
    let hint = "remove one of these dependencies";
    RawDiagnostic::error(Code::Cycle, place.clone(), message).hint(hint)
}
