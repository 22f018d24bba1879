//! Warns about tasks that may run at the same time and declare the same files.

use std::collections::HashSet;

use crate::plan::collector::{Collector, RawDiagnostic, quoted};
use crate::plan::diagnostic::{Code, overlap_words};

use crate::plan::validate::Checked;
use crate::plan::validate::glob::{literal_prefix, may_overlap};
use crate::plan::validate::graph::Graph;

/// The maximum number of compared pairs of globs.
///
/// Ten thousand tasks that all declare `src/**` have fifty million pairs.
const BUDGET: usize = 200_000;

/// Warns about pairs of tasks without a path of dependencies between them.
pub(super) fn check(tasks: &[Checked], graph: &Graph, findings: &mut Collector) {
    let globs = globs(tasks);
    if globs.len() < 2 {
        return;
    }
    let (pairs, is_complete) = overlapping(&globs, &ancestors(graph));
    report(tasks, pairs, findings);
    if !is_complete {
        findings.add(not_all_compared());
    }
}

/// Returns the globs, sorted by the part before the first wildcard.
fn globs(tasks: &[Checked]) -> Vec<Glob<'_>> {
    let mut declared = HashSet::new();
    let mut globs = Vec::new();
    for (task, checked) in tasks.iter().enumerate() {
        for (place, pattern) in checked.task.fields.files.iter().enumerate() {
            if declared.insert((task, pattern)) {
                globs.push(Glob {
                    prefix: literal_prefix(pattern),
                    pattern,
                    task,
                    place,
                });
            }
        }
    }
    globs.sort_by_key(|glob| (glob.prefix, glob.task));
    globs
}

type Pair<'a> = (&'a Glob<'a>, &'a Glob<'a>);

/// Returns one overlapping pair of globs for each pair of tasks, and `true` if all were compared.
fn overlapping<'a>(globs: &'a [Glob<'a>], ancestors: &[Bits]) -> (Vec<Pair<'a>>, bool) {
    let mut seen = HashSet::new();
    let mut pairs = Vec::new();
    for (compared, (a, b)) in candidates(globs).enumerate() {
        if compared == BUDGET || pairs.len() > Collector::LIMIT {
            return (pairs, false);
        }
        let (first, second) = if a.task < b.task { (a, b) } else { (b, a) };
        let (one, other) = (first.task, second.task);
        let is_ordered = ancestors[other].has(one) || ancestors[one].has(other);
        if one == other || is_ordered || seen.contains(&(one, other)) {
            continue;
        }
        if may_overlap(first.pattern, second.pattern) {
            seen.insert((one, other));
            pairs.push((first, second));
        }
    }
    (pairs, true)
}

/// Returns the pairs that can overlap: one prefix starts with the other.
///
/// In sorted order such globs follow each other.
fn candidates<'a>(globs: &'a [Glob<'a>]) -> impl Iterator<Item = Pair<'a>> {
    globs.iter().enumerate().flat_map(move |(i, a)| {
        let after = globs[i + 1..].iter();
        let near = after.take_while(|b| b.prefix.starts_with(a.prefix));
        near.map(move |b| (a, b))
    })
}

struct Glob<'a> {
    prefix: &'a str,
    pattern: &'a str,
    task: usize,
    place: usize,
}

fn report(tasks: &[Checked], mut pairs: Vec<Pair<'_>>, findings: &mut Collector) {
    pairs.sort_by_key(|(first, second)| (second.task, first.task));
    for (first, second) in pairs {
        let (one, other) = (&tasks[first.task], &tasks[second.task]);
        let (number, second_number) = (one.number.value, other.number.value);
        let both = match first.pattern == second.pattern {
            true => format!("both declare {}", quoted(first.pattern)),
            false => format!(
                "declare {} and {}",
                quoted(first.pattern),
                quoted(second.pattern)
            ),
        };
        let words = overlap_words(number, second_number);
        let message = format!("{words}{both}");
        let hint = format!("let #{second_number} be `blocked by #{number}`, or narrow the files");
        let span = other.files[second.place].clone();
        findings.add(RawDiagnostic::warning(Code::OverlappingFiles, span, message).hint(hint));
    }
}

fn not_all_compared() -> RawDiagnostic {
    let message = "too many `files` to compare all tasks with each other";
    RawDiagnostic::warning(Code::Incomplete, 0..0, message)
}

/// A set of tasks, one bit each.
#[derive(Clone, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn has(&self, task: usize) -> bool {
        self.0
            .get(task / 64)
            .is_some_and(|word| word & (1 << (task % 64)) != 0)
    }

    fn add(&mut self, task: usize) {
        if self.0.len() <= task / 64 {
            self.0.resize(task / 64 + 1, 0);
        }
        self.0[task / 64] |= 1 << (task % 64);
    }

    fn add_all(&mut self, other: &Bits) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }
}

/// Returns the direct and indirect dependencies of each task.
fn ancestors(graph: &Graph) -> Vec<Bits> {
    let count = graph.order.len();
    let mut rank = vec![0; count];
    for (place, task) in graph.order.iter().enumerate() {
        rank[*task] = place;
    }
    let mut ancestors: Vec<Bits> = vec![Bits::default(); count];
    for &task in &graph.order {
        let mut mine = Bits::default();
        let mut nearest_first = graph.dependencies[task].to_vec();
        nearest_first.sort_unstable_by_key(|dependency| std::cmp::Reverse(rank[*dependency]));
        for dependency in nearest_first {
            // Ancestors of a nearer dependency are included already.
            if !mine.has(dependency) {
                mine.add(dependency);
                mine.add_all(&ancestors[dependency]);
            }
        }
        ancestors[task] = mine;
    }
    ancestors
}
