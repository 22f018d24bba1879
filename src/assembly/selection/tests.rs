//! Selections by hand, against brute force, and against first come, first served.

#![allow(clippy::unwrap_used)]

use crate::model::task_list::comma_list;

use crate::assembly::selection::*;

/// Parses `1 2<1 3! 4- 5+9 | 1x2 2x3 | 3,1`: `<` built on, `!` moves or deletes, `-` left out, `+`
/// priority; at the end the user's order.
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
    let choice = select(&input(text));
    let chosen: Vec<TaskNumber> = choice.chosen.into_iter().collect();
    let mut lines = vec![comma_list(&chosen)];
    let out = choice.left_out.iter();
    lines.extend(out.map(|out| format!("{} {}; {}", out.task, out.explanation(), out.remedy())));
    lines.join("\n")
}

#[test]
fn one_that_conflicts_with_many_stays_out_for_them() {
    insta::assert_snapshot!(show("1 2 3 4 | 1x2 1x3 1x4"), @r"
    #2, #3, #4
    #1 conflicts with #2, #3 and #4; included after a re-dispatch on top of #2, #3, #4, or in place of #2, #3, #4 (--order 1)
    ");
}

#[test]
fn tasks_built_on_a_task_count_with_it() {
    insta::assert_snapshot!(show("1 2 3<2 4<2 | 1x2"), @r"
    #2, #3, #4
    #1 conflicts with #2; included after a re-dispatch on top of #2, or in place of #2, #3, #4 (--order 1)
    ");
    insta::assert_snapshot!(show("1 2 3<1 4<3 | 1x2 | 2"), @r"
    #2
    #1 conflicts with #2; included after a re-dispatch on top of #2, or in place of #2 (--order 1)
    #3 built on #1, which is left out; included with #1
    #4 built on #1, which is left out; included with #1
    ");
}

#[test]
fn among_equals_editors_stay_then_priority_then_the_lower_number() {
    insta::assert_snapshot!(show("1! 2 | 1x2"), @r"
    #2
    #1 conflicts with #2; included after a re-dispatch on top of #2, or in place of #2 (--order 1)
    ");
    insta::assert_snapshot!(show("1 2+5 | 1x2"), @r"
    #2
    #1 conflicts with #2; included after a re-dispatch on top of #2, or in place of #2 (--order 1)
    ");
    insta::assert_snapshot!(show("1 2 | 1x2"), @r"
    #1
    #2 conflicts with #1; included after a re-dispatch on top of #1, or in place of #1 (--order 2)
    ");
}

#[test]
fn the_users_choice_outranks_the_largest_set() {
    insta::assert_snapshot!(show("1 2 3 4 | 1x2 1x3 1x4 | 1"), @r"
    #1
    #2 conflicts with #1; included after a re-dispatch on top of #1, or in place of #1 (--order 2)
    #3 conflicts with #1; included after a re-dispatch on top of #1, or in place of #1 (--order 3)
    #4 conflicts with #1; included after a re-dispatch on top of #1, or in place of #1 (--order 4)
    ");
    insta::assert_snapshot!(show("1 2 3<2 4- 5<4 | 1x2"), @r"
    #2, #3
    #1 conflicts with #2; included after a re-dispatch on top of #2, or in place of #2, #3 (--order 1)
    #4 left out by the user; included when it is no longer left out
    #5 built on #4, which is left out; included with #4
    ");
}

/// Generates an input of up to `most` tasks.
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
    let apart = |(a, b): &(TaskNumber, TaskNumber)| !graph.upstream[b.index()].contains(&a.index());
    let conflicts = input.conflicts.iter().copied().filter(apart).collect();
    input.conflicts = conflicts;
    input
}

/// Returns `true` if a set may be assembled, computed without the code under test.
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
        let choice = select(&input);
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
        let choice = select(&input);
        assert!(may_go_in(&input, &choice.chosen), "{input:?}");
        assert!(choice.chosen.len() >= first_come(&input), "{input:?}");
        assert_eq!(
            choice.chosen.len() + choice.left_out.len(),
            input.tasks.len()
        );
        assert_eq!(select(&input), choice);
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
        for out in select(&input).left_out {
            let ExclusionReason::Conflict { instead_of, .. } = out.reason else {
                continue;
            };
            let mut asked = input.clone();
            asked.first = vec![out.task];
            let chosen = select(&asked).chosen;
            assert!(chosen.contains(&out.task), "{input:?}");
            assert!(instead_of.iter().all(|task| !chosen.contains(task)));
        }
    }
}
