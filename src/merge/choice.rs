//! Which candidates go in: the largest set without a conflict.
//!
//! The set is closed under "was built on": with a task come all it was built on. It is the largest
//! there is as long as a part of the graph that hangs together has at most [`EXACT`] tasks; in a
//! larger part the task with the fewest conflicts is taken until what is left falls apart into such
//! parts, and the result is never smaller than first come, first served. Among sets of one size
//! editors and adders go before movers and deleters, then priority, then number. A person's words
//! go before all of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::ids::TaskNumber;
use crate::model::words::{and_list, comma_list};

/// The largest part for which every set is looked at.
pub const EXACT: usize = 12;

/// What choice and order are made from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OrderInput {
    /// The tasks with a candidate.
    pub tasks: Vec<OrderTask>,
    /// The pairs whose candidates do not merge.
    pub conflicts: Vec<(TaskNumber, TaskNumber)>,
    /// The tasks a person wants first, in this order, each behind what it was built on. One that
    /// conflicts with an earlier one of these stays out.
    pub first: Vec<TaskNumber>,
}

/// One task with a candidate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderTask {
    /// Its number.
    pub number: TaskNumber,
    /// Higher goes first among equals.
    pub priority: i32,
    /// The tasks its candidate was built on. One that is not in the list is no obstacle.
    pub depends_on: Vec<TaskNumber>,
    /// Whether the candidate takes paths away from where they were.
    pub moves_or_deletes: bool,
    /// Whether it must not go in; what was built on it then stays out too.
    pub left_out: bool,
}

/// Which tasks go in and which do not, as far as pairs can tell.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Choice {
    /// What goes in.
    pub chosen: BTreeSet<TaskNumber>,
    /// What does not, in the order of the input.
    pub left_out: Vec<Foreseen>,
}

/// A task that will not go in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Foreseen {
    /// The task.
    pub task: TaskNumber,
    /// Why not.
    pub cause: Cause,
}

/// Why a task will not go in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// It conflicts with chosen tasks.
    Conflict {
        /// Those tasks.
        with: Vec<TaskNumber>,
        /// What would have to stay out for it: those, and what was built on them.
        instead_of: Vec<TaskNumber>,
    },
    /// It was built on a task that does not go in.
    BuiltOn(TaskNumber),
    /// A person left it out.
    Person,
}

impl Foreseen {
    /// Why it stays out.
    pub fn why(&self) -> String {
        match &self.cause {
            Cause::Conflict { with, .. } => format!("conflicts with {}", and_list(with)),
            Cause::BuiltOn(task) => format!("built on {task}, which is left out"),
            Cause::Person => "left out by a person".to_owned(),
        }
    }

    /// What would bring it in.
    pub fn remedy(&self) -> String {
        match &self.cause {
            Cause::Conflict { with, instead_of } => format!(
                "comes in when it is dispatched again on top of {}, or in place of {} (--order {})",
                comma_list(with),
                comma_list(instead_of),
                self.task.0
            ),
            Cause::BuiltOn(task) => format!("comes in with {task}"),
            Cause::Person => "comes in when it is no longer left out".to_owned(),
        }
    }
}

/// Chooses what goes in.
pub fn choose(input: &OrderInput) -> Choice {
    let graph = Graph::new(input);
    let mut chosen = graph.pinned(&input.first);
    let open = (0..graph.tasks.len()).filter(|place| graph.may_join(*place, &chosen));
    graph.solve(open.collect(), &mut chosen);
    let numbers = |places: &BTreeSet<usize>| -> BTreeSet<TaskNumber> {
        places.iter().map(|place| graph.number(*place)).collect()
    };
    let left_out = (0..graph.tasks.len()).filter(|place| !chosen.contains(place));
    Choice {
        left_out: left_out
            .map(|place| graph.foreseen(place, &chosen))
            .collect(),
        chosen: numbers(&chosen),
    }
}

/// The tasks by their place in the input, with what ties them together.
struct Graph<'a> {
    tasks: &'a [OrderTask],
    /// What each was built on, directly or through others.
    upstream: Vec<BTreeSet<usize>>,
    conflicts: Vec<BTreeSet<usize>>,
    /// Out by a person's word, its own or that on one it was built on.
    barred: Vec<bool>,
}

impl<'a> Graph<'a> {
    fn new(input: &'a OrderInput) -> Graph<'a> {
        let tasks = &input.tasks;
        let places: BTreeMap<TaskNumber, usize> = (0..tasks.len())
            .map(|place| (tasks[place].number, place))
            .collect();
        let direct: Vec<Vec<usize>> = tasks
            .iter()
            .map(|task| {
                let on = task.depends_on.iter();
                on.filter_map(|on| places.get(on).copied()).collect()
            })
            .collect();
        let upstream: Vec<_> = (0..tasks.len())
            .map(|place| reachable(place, &direct))
            .collect();
        let mut conflicts = vec![BTreeSet::new(); tasks.len()];
        for (a, b) in &input.conflicts {
            if let (Some(&a), Some(&b)) = (places.get(a), places.get(b))
                && a != b
            {
                conflicts[a].insert(b);
                conflicts[b].insert(a);
            }
        }
        let barred = (0..tasks.len())
            .map(|place| {
                tasks[place].left_out || upstream[place].iter().any(|on| tasks[*on].left_out)
            })
            .collect();
        Graph {
            tasks,
            upstream,
            conflicts,
            barred,
        }
    }

    fn number(&self, place: usize) -> TaskNumber {
        self.tasks[place].number
    }

    /// A task with all it was built on.
    fn closure(&self, place: usize) -> BTreeSet<usize> {
        let mut closure = self.upstream[place].clone();
        closure.insert(place);
        closure
    }

    /// Whether a task, with all it was built on, can stand beside what is chosen.
    fn may_join(&self, place: usize, chosen: &BTreeSet<usize>) -> bool {
        if self.barred[place] || chosen.contains(&place) {
            return false;
        }
        let with = self.closure(place);
        with.iter().all(|task| {
            self.conflicts[*task].is_disjoint(chosen) && self.conflicts[*task].is_disjoint(&with)
        })
    }

    /// What a person wants first, as far as it goes together.
    fn pinned(&self, first: &[TaskNumber]) -> BTreeSet<usize> {
        let mut chosen = BTreeSet::new();
        for number in first {
            let place = self.tasks.iter().position(|task| task.number == *number);
            if let Some(place) = place.filter(|place| self.may_join(*place, &chosen)) {
                chosen.extend(self.closure(place));
            }
        }
        chosen
    }

    /// Adds the best set among the open tasks, part by part.
    fn solve(&self, open: BTreeSet<usize>, chosen: &mut BTreeSet<usize>) {
        let mut parts = self.parts(&open);
        while let Some(part) = parts.pop() {
            if part.len() <= EXACT {
                chosen.extend(self.largest(&part));
            } else {
                let greedy = self.greedy(&part);
                let first_come = self.first_come(&part);
                let better = self.rank(&greedy) >= self.rank(&first_come);
                chosen.extend(if better { greedy } else { first_come });
            }
        }
    }

    /// What hangs together by conflicts or by having been built on one another. A task that neither
    /// conflicts nor was built on one that does is a part of its own: it goes in whatever else does.
    fn parts(&self, open: &BTreeSet<usize>) -> Vec<BTreeSet<usize>> {
        let meets = |place: usize| {
            self.conflicts[place]
                .iter()
                .any(|other| open.contains(other))
        };
        let is_free = |place: &usize| self.closure(*place).iter().all(|on| !meets(*on));
        let (free, tied): (BTreeSet<usize>, BTreeSet<usize>) =
            open.iter().partition(|p| is_free(p));
        let mut ties: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for &place in &tied {
            let others = self.conflicts[place].iter().chain(&self.upstream[place]);
            for &other in others.filter(|other| tied.contains(other)) {
                ties.entry(place).or_default().insert(other);
                ties.entry(other).or_default().insert(place);
            }
        }
        let mut parts: Vec<BTreeSet<usize>> = free.into_iter().map(|one| [one].into()).collect();
        let mut rest = tied;
        while let Some(start) = rest.pop_first() {
            let mut part = BTreeSet::from([start]);
            let mut edge = vec![start];
            while let Some(place) = edge.pop() {
                for other in ties.get(&place).into_iter().flatten() {
                    if rest.remove(other) {
                        part.insert(*other);
                        edge.push(*other);
                    }
                }
            }
            parts.push(part);
        }
        parts
    }

    /// The best of all sets of a small part.
    fn largest(&self, part: &BTreeSet<usize>) -> BTreeSet<usize> {
        let places: Vec<usize> = part.iter().copied().collect();
        let mask = |of: &BTreeSet<usize>| -> u32 {
            let bits = (0..places.len()).filter(|bit| of.contains(&places[*bit]));
            bits.map(|bit| 1 << bit).sum()
        };
        let needs: Vec<u32> = places.iter().map(|p| mask(&self.upstream[*p])).collect();
        let clashes: Vec<u32> = places.iter().map(|p| mask(&self.conflicts[*p])).collect();
        let fits = |set: u32| {
            (0..places.len()).all(|bit| {
                set & (1 << bit) == 0 || (needs[bit] & !set == 0 && clashes[bit] & set == 0)
            })
        };
        let members = |set: u32| -> BTreeSet<usize> {
            let bits = (0..places.len()).filter(|bit| set & (1 << bit) != 0);
            bits.map(|bit| places[bit]).collect()
        };
        let sets = (0..1u32 << places.len()).filter(|set| fits(*set));
        let most = sets.clone().map(u32::count_ones).max().unwrap_or(0);
        let largest = sets.filter(|set| set.count_ones() == most).map(members);
        largest.max_by_key(|set| self.rank(set)).unwrap_or_default()
    }

    /// The task with the fewest conflicts, then the best of what its choice leaves open.
    fn greedy(&self, part: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut chosen = BTreeSet::new();
        let mut open = part.clone();
        let degree =
            |place: usize, open: &BTreeSet<usize>| self.conflicts[place].intersection(open).count();
        while open.len() > EXACT {
            let ready = open
                .iter()
                .filter(|place| self.upstream[**place].is_disjoint(&open));
            let next = ready
                .min_by_key(|place| (degree(**place, &open), self.preference(**place)))
                .copied();
            let Some(next) = next else { break };
            chosen.insert(next);
            open.remove(&next);
            let gone: BTreeSet<usize> = self.conflicts[next].intersection(&open).copied().collect();
            open.retain(|place| !gone.contains(place) && self.upstream[*place].is_disjoint(&gone));
            // What falls off in small parts is solved exactly at once.
            for small in self.parts(&open).into_iter().filter(|p| p.len() <= EXACT) {
                chosen.extend(self.largest(&small));
                open.retain(|place| !small.contains(place));
            }
        }
        if !open.is_empty() {
            chosen.extend(self.largest(&open));
        }
        chosen
    }

    fn first_come(&self, part: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut by_number: Vec<usize> = part.iter().copied().collect();
        by_number.sort_by_key(|place| self.number(*place));
        let mut chosen = BTreeSet::new();
        for place in by_number {
            if self.may_join(place, &chosen) {
                chosen.extend(self.closure(place).intersection(part));
            }
        }
        chosen
    }

    /// What goes first among equals.
    fn preference(&self, place: usize) -> (bool, Reverse<i32>, TaskNumber) {
        let task = &self.tasks[place];
        (task.moves_or_deletes, Reverse(task.priority), task.number)
    }

    /// The larger the better: size, few movers, high priorities, low numbers.
    fn rank(&self, set: &BTreeSet<usize>) -> impl Ord + use<> {
        let movers = set.iter().filter(|p| self.tasks[**p].moves_or_deletes);
        let priority: i64 = set.iter().map(|p| i64::from(self.tasks[*p].priority)).sum();
        let mut numbers: Vec<TaskNumber> = set.iter().map(|p| self.number(*p)).collect();
        numbers.sort();
        (
            set.len(),
            Reverse(movers.count()),
            priority,
            Reverse(numbers),
        )
    }

    fn foreseen(&self, place: usize, chosen: &BTreeSet<usize>) -> Foreseen {
        let numbers = |places: BTreeSet<usize>| -> Vec<TaskNumber> {
            let mut numbers: Vec<_> = places.into_iter().map(|p| self.number(p)).collect();
            numbers.sort();
            numbers
        };
        let with: BTreeSet<usize> = self.conflicts[place]
            .intersection(chosen)
            .copied()
            .collect();
        let on = self.upstream[place].iter().find(|on| !chosen.contains(on));
        let cause = match on {
            _ if self.tasks[place].left_out => Cause::Person,
            Some(&on) => Cause::BuiltOn(self.number(self.root(on, chosen))),
            None => {
                let out =
                    |task: &usize| with.contains(task) || !self.upstream[*task].is_disjoint(&with);
                let instead_of = chosen.iter().copied().filter(out).collect();
                Cause::Conflict {
                    with: numbers(with),
                    instead_of: numbers(instead_of),
                }
            }
        };
        Foreseen {
            task: self.number(place),
            cause,
        }
    }

    /// The task further up that stays out for a reason of its own.
    fn root(&self, place: usize, chosen: &BTreeSet<usize>) -> usize {
        let out = |place: &usize| !chosen.contains(place);
        let rootless = |place: &usize| !self.upstream[*place].iter().any(out);
        let mut candidates = self.upstream[place].iter().filter(|on| out(on));
        candidates.find(|on| rootless(on)).copied().unwrap_or(place)
    }
}

fn reachable(from: usize, direct: &[Vec<usize>]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = direct[from].clone();
    while let Some(place) = open.pop() {
        if found.insert(place) {
            open.extend(&direct[place]);
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;

    /// `1 2<1 3! 4- 5+9 | 1x2 2x3 | 3,1`: `<` built on, `!` moves or deletes, `-` left out, `+`
    /// priority; at the end what a person wants first.
    pub(crate) fn input(text: &str) -> OrderInput {
        let mut parts = text.split('|');
        let number = |text: &str| TaskNumber(text.trim().parse().unwrap());
        let task = |word: &str| {
            let digits: String = word.chars().take_while(char::is_ascii_digit).collect();
            let on = word.split_once('<').map(|(_, on)| on);
            let priority = word.split_once('+').map(|(_, text)| text.parse().unwrap());
            let on = on.map(|on| on.trim_end_matches(['!', '-']).split(','));
            OrderTask {
                number: number(&digits),
                priority: priority.unwrap_or(0),
                depends_on: on.into_iter().flatten().map(number).collect(),
                moves_or_deletes: word.contains('!'),
                left_out: word.ends_with('-'),
            }
        };
        let pair = |word: &str| {
            let (a, b) = word.split_once('x').unwrap();
            (number(a), number(b))
        };
        let mut words = || parts.next().unwrap_or_default();
        OrderInput {
            tasks: words().split_whitespace().map(task).collect(),
            conflicts: words().split_whitespace().map(pair).collect(),
            first: words()
                .split(',')
                .filter(|word| !word.trim().is_empty())
                .map(number)
                .collect(),
        }
    }

    fn show(text: &str) -> String {
        let choice = choose(&input(text));
        let chosen: Vec<TaskNumber> = choice.chosen.into_iter().collect();
        let mut lines = vec![comma_list(&chosen)];
        let out = choice.left_out.iter();
        lines.extend(out.map(|out| format!("{} {}; {}", out.task, out.why(), out.remedy())));
        lines.join("\n")
    }

    #[test]
    fn one_that_conflicts_with_many_stays_out_for_them() {
        insta::assert_snapshot!(show("1 2 3 4 | 1x2 1x3 1x4"), @r"
        #2, #3, #4
        #1 conflicts with #2, #3 and #4; comes in when it is dispatched again on top of #2, #3, #4, or in place of #2, #3, #4 (--order 1)
        ");
    }

    #[test]
    fn what_was_built_on_a_task_counts_with_it() {
        insta::assert_snapshot!(show("1 2 3<2 4<2 | 1x2"), @r"
        #2, #3, #4
        #1 conflicts with #2; comes in when it is dispatched again on top of #2, or in place of #2, #3, #4 (--order 1)
        ");
        insta::assert_snapshot!(show("1 2 3<1 4<3 | 1x2 | 2"), @r"
        #2
        #1 conflicts with #2; comes in when it is dispatched again on top of #2, or in place of #2 (--order 1)
        #3 built on #1, which is left out; comes in with #1
        #4 built on #1, which is left out; comes in with #1
        ");
    }

    #[test]
    fn among_equals_editors_stay_then_priority_then_the_lower_number() {
        insta::assert_snapshot!(show("1! 2 | 1x2"), @r"
        #2
        #1 conflicts with #2; comes in when it is dispatched again on top of #2, or in place of #2 (--order 1)
        ");
        insta::assert_snapshot!(show("1 2+5 | 1x2"), @r"
        #2
        #1 conflicts with #2; comes in when it is dispatched again on top of #2, or in place of #2 (--order 1)
        ");
        insta::assert_snapshot!(show("1 2 | 1x2"), @r"
        #1
        #2 conflicts with #1; comes in when it is dispatched again on top of #1, or in place of #1 (--order 2)
        ");
    }

    #[test]
    fn a_persons_words_go_before_the_largest_set() {
        insta::assert_snapshot!(show("1 2 3 4 | 1x2 1x3 1x4 | 1"), @r"
        #1
        #2 conflicts with #1; comes in when it is dispatched again on top of #1, or in place of #1 (--order 2)
        #3 conflicts with #1; comes in when it is dispatched again on top of #1, or in place of #1 (--order 3)
        #4 conflicts with #1; comes in when it is dispatched again on top of #1, or in place of #1 (--order 4)
        ");
        insta::assert_snapshot!(show("1 2 3<2 4- 5<4 | 1x2"), @r"
        #2, #3
        #1 conflicts with #2; comes in when it is dispatched again on top of #2, or in place of #2, #3 (--order 1)
        #4 left out by a person; comes in when it is no longer left out
        #5 built on #4, which is left out; comes in with #4
        ");
    }

    /// A set of up to `most` tasks with everything that can be said about them.
    pub(crate) fn random(rng: &mut fastrand::Rng, most: u32) -> OrderInput {
        let count = rng.u32(1..=most);
        let sparse = rng.u8(2..12);
        let task = |number: u32, rng: &mut fastrand::Rng| OrderTask {
            number: TaskNumber(number),
            priority: rng.i32(-1..2),
            depends_on: (1..number)
                .filter(|_| rng.u8(..12) == 0)
                .map(TaskNumber)
                .collect(),
            moves_or_deletes: rng.bool(),
            left_out: rng.u8(..12) == 0,
        };
        let tasks: Vec<_> = (1..=count).map(|number| task(number, rng)).collect();
        let pairs = (1..=count).flat_map(|a| (a + 1..=count).map(move |b| (a, b)));
        let pairs = pairs.filter(|_| rng.u8(..sparse) == 0);
        let mut input = OrderInput {
            conflicts: pairs.map(|(a, b)| (TaskNumber(a), TaskNumber(b))).collect(),
            tasks,
            first: Vec::new(),
        };
        // A candidate contains what it was built on, so those two always merge.
        let graph = Graph::new(&input);
        let apart =
            |(a, b): &(TaskNumber, TaskNumber)| !graph.upstream[b.index()].contains(&a.index());
        let conflicts = input.conflicts.iter().copied().filter(apart).collect();
        input.conflicts = conflicts;
        input
    }

    /// Whether a set may go in, said as plainly as possible and without the code under test.
    fn may_go_in(input: &OrderInput, set: &BTreeSet<TaskNumber>) -> bool {
        let closed = input.tasks.iter().all(|task| {
            let known = |on: &&TaskNumber| input.tasks.iter().any(|task| task.number == **on);
            let mut needed = task.depends_on.iter().filter(known);
            !set.contains(&task.number) || (!task.left_out && needed.all(|on| set.contains(on)))
        });
        let mut clashes = input.conflicts.iter();
        closed && !clashes.any(|(a, b)| set.contains(a) && set.contains(b))
    }

    fn largest_by_brute_force(input: &OrderInput) -> usize {
        let numbers: Vec<TaskNumber> = input.tasks.iter().map(|task| task.number).collect();
        let sets = (0u32..1 << numbers.len()).map(|bits| {
            let inside = |place: &usize| bits & (1 << place) != 0;
            let places = (0..numbers.len()).filter(inside);
            places.map(|place| numbers[place]).collect::<BTreeSet<_>>()
        });
        let fitting = sets.filter(|set| may_go_in(input, set));
        fitting.map(|set| set.len()).max().unwrap()
    }

    fn first_come(input: &OrderInput) -> usize {
        let mut set = BTreeSet::new();
        for task in &input.tasks {
            let mut more = set.clone();
            more.insert(task.number);
            if may_go_in(input, &more) {
                set = more;
            }
        }
        set.len()
    }

    #[test]
    fn small_sets_are_chosen_as_large_as_brute_force_finds() {
        let mut rng = fastrand::Rng::with_seed(11);
        for _ in 0..300 {
            let input = random(&mut rng, EXACT as u32);
            let choice = choose(&input);
            assert!(may_go_in(&input, &choice.chosen), "{input:?}");
            assert_eq!(
                choice.chosen.len(),
                largest_by_brute_force(&input),
                "{input:?}"
            );
        }
    }

    #[test]
    fn large_sets_are_never_smaller_than_first_come_first_served() {
        let mut rng = fastrand::Rng::with_seed(12);
        let (mut chosen, mut first) = (0, 0);
        for _ in 0..300 {
            let input = random(&mut rng, 60);
            let choice = choose(&input);
            assert!(may_go_in(&input, &choice.chosen), "{input:?}");
            assert!(choice.chosen.len() >= first_come(&input), "{input:?}");
            assert_eq!(
                choice.chosen.len() + choice.left_out.len(),
                input.tasks.len()
            );
            assert_eq!(choose(&input), choice);
            chosen += choice.chosen.len();
            first += first_come(&input);
        }
        assert!(chosen > first, "{chosen} against {first}");
    }

    #[test]
    fn what_is_said_to_bring_a_task_in_does_bring_it_in() {
        let mut rng = fastrand::Rng::with_seed(13);
        for _ in 0..200 {
            let input = random(&mut rng, 14);
            for out in choose(&input).left_out {
                let Cause::Conflict { instead_of, .. } = out.cause else {
                    continue;
                };
                let mut asked = input.clone();
                asked.first = vec![out.task];
                let chosen = choose(&asked).chosen;
                assert!(chosen.contains(&out.task), "{input:?}");
                assert!(instead_of.iter().all(|task| !chosen.contains(task)));
            }
        }
    }
}
