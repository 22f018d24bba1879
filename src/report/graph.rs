//! Shows which task waits for which: the dependency graph in steps.

use std::fmt::Write as _;

use crate::base::markdown::plain_line;
use crate::base::text::wrap_words;
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::model::status::Status;
use crate::model::task_list::comma_list;

/// The dependency graph of a run.
#[derive(Clone, PartialEq, Debug)]
pub struct Graph {
    /// The steps: a task is in the first step after all of its dependencies.
    pub steps: Vec<Vec<GraphNode>>,
}

/// A task in the graph.
#[derive(Clone, PartialEq, Debug)]
pub struct GraphNode {
    /// The number.
    pub number: TaskNumber,
    /// The tag.
    pub tag: String,
    /// The title; foreign text.
    pub title: String,
    /// The status.
    pub status: Status,
    /// The tasks it depends on, in plan order.
    pub depends_on: Vec<TaskNumber>,
    /// The tasks that depend on it directly, in plan order.
    pub dependents: Vec<TaskNumber>,
    /// The number of open tasks on the longest chain that begins with it; 0 once it is over.
    pub chain: usize,
}

impl Graph {
    /// Builds the graph of a run.
    pub fn new(state: &RunState) -> Graph {
        let steps = steps(state);
        let chains = open_chains(state, &steps);
        let node = |number: &TaskNumber| {
            let task = state.plan.task(*number);
            let dependents = state.plan.dependents(*number);
            GraphNode {
                number: *number,
                tag: task.tag.clone(),
                title: task.title.clone(),
                status: state.status(*number),
                depends_on: task.depends_on.clone(),
                dependents: dependents.map(|task| task.number).collect(),
                chain: chains[number.index()],
            }
        };
        let step = |step: &Vec<TaskNumber>| step.iter().map(node).collect();
        Graph {
            steps: steps.iter().map(step).collect(),
        }
    }

    /// Returns the tasks of a longest chain of open tasks, which decides when the run can end.
    pub fn critical_path(&self) -> Vec<TaskNumber> {
        let nodes = || self.steps.iter().flatten();
        let mut next = nodes().max_by_key(|node| (node.chain, std::cmp::Reverse(node.number)));
        let mut path = Vec::new();
        while let Some(node) = next.filter(|node| node.chain > 0) {
            path.push(node.number);
            let after = |other: &&GraphNode| {
                node.dependents.contains(&other.number) && other.chain + 1 == node.chain
            };
            next = nodes().find(after);
        }
        path
    }

    /// Renders the graph as text in this many columns.
    pub fn render(&self, columns: usize) -> String {
        let mut text = String::new();
        for (step, nodes) in self.steps.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "step {}", step + 1);
            for node in nodes {
                let _ = writeln!(text, "{}", wrap_words(&node.line(), columns, 4));
            }
        }
        text
    }
}

impl GraphNode {
    /// Renders `  #3 [API] BLOCKED (by #1)  Title  after #1  before #4`.
    fn line(&self) -> String {
        let list = |words: &str, tasks: &[TaskNumber]| match tasks {
            [] => String::new(),
            tasks => format!("  {words} {}", comma_list(tasks)),
        };
        format!(
            "  {} [{}] {}  {}{}{}",
            self.number,
            plain_line(&self.tag, 40),
            self.status,
            plain_line(&self.title, 120),
            list("after", &self.depends_on),
            list("before", &self.dependents)
        )
    }
}

/// Sorts the tasks into steps. A plan has no cycle.
fn steps(state: &RunState) -> Vec<Vec<TaskNumber>> {
    let tasks = state.plan.tasks();
    let mut step_of: Vec<Option<usize>> = vec![None; tasks.len()];
    let mut open = tasks.len();
    while open > 0 {
        let before = open;
        for task in tasks {
            let index = task.number.index();
            let mut steps = task.depends_on.iter().map(|on| step_of[on.index()]);
            let last = steps.try_fold(0, |last, step| step.map(|step| last.max(step + 1)));
            if step_of[index].is_none() && last.is_some() {
                step_of[index] = last;
                open -= 1;
            }
        }
        if open == before {
            break;
        }
    }
    let most = step_of.iter().flatten().max().map_or(0, |last| last + 1);
    let mut steps = vec![Vec::new(); most];
    for (task, step) in tasks.iter().zip(step_of) {
        if let Some(step) = step {
            steps[step].push(task.number);
        }
    }
    steps
}

/// Returns for every task the number of open tasks on the longest chain that begins with it.
fn open_chains(state: &RunState, steps: &[Vec<TaskNumber>]) -> Vec<usize> {
    let mut chains = vec![0; state.tasks.len()];
    for number in steps.iter().rev().flatten() {
        if !state.task(*number).phase.is_over() {
            let after = state.plan.dependents(*number);
            let longest = after.map(|task| chains[task.number.index()]).max();
            chains[number.index()] = 1 + longest.unwrap_or(0);
        }
    }
    chains
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture::RunFixture;

    fn run() -> RunFixture {
        RunFixture::new("parse · docs · render <- parse · ship <- render, docs · tidy")
            .tags(&["P", "D", "R", "S", "T"])
    }

    #[test]
    fn a_task_is_one_step_after_its_dependencies() {
        let graph = Graph::new(&run().begin(1, "claude").pass(2, "done").state());
        insta::assert_snapshot!(graph.render(80), @r"
        step 1
          #1 [P] IN PROGRESS  parse  before #3
          #2 [D] DONE  docs  before #4
          #5 [T] QUEUED  tidy
        step 2
          #3 [R] BLOCKED (by #1)  render  after #1  before #4
        step 3
          #4 [S] BLOCKED (by #3)  ship  after #3, #2
        ");
    }

    #[test]
    fn the_critical_path_is_the_longest_chain_of_open_tasks() {
        let path = |run: RunFixture| comma_list(&Graph::new(&run.state()).critical_path());
        assert_eq!(path(run()), "#1, #3, #4");
        assert_eq!(path(run().pass(1, "done")), "#2, #4");
        let done = [1, 3, 4, 5].into_iter();
        assert_eq!(path(done.fold(run(), |run, task| run.pass(task, ""))), "#2");
        assert_eq!(path(run().pass(1, "").pass(2, "")), "#3, #4");
    }

    #[test]
    fn hostile_titles_stay_on_their_line() {
        let run = RunFixture::new("a").with_task(1, |task| {
            task.title = "x\n\u{1b}[2Jstep 9".to_owned();
        });
        let text = Graph::new(&run.state()).render(80);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains('\u{1b}'));
    }
}
