//! Searches over scripted checks: the named culprits and the number of runs.

#![allow(clippy::unwrap_used)]

use crate::assembly::culprit::*;
use crate::model::task_list::comma_list;

/// The checks by script: `2+4` fails the check with #2 and #4, `2:a` fails its test `a`, `0` fails
/// on the base, `~3` fails only the first time with #3, `3+!4` fails with #3 and without #4; `/`
/// separates checks.
struct Script {
    rules: Vec<(usize, String)>,
    tries: BTreeMap<(Vec<TaskNumber>, usize), usize>,
}

impl Script {
    fn new(text: &str) -> Script {
        let checks = text.split('/').enumerate();
        let rules = checks.flat_map(|(check, rules)| {
            rules
                .split_whitespace()
                .map(move |rule| (check, rule.to_owned()))
        });
        Script {
            rules: rules.collect(),
            tries: BTreeMap::new(),
        }
    }

    fn answer(&mut self, run: &CheckRun) -> RunResult {
        let mut failures = BTreeSet::new();
        for (place, (check, rule)) in self.rules.iter().enumerate() {
            let (rule, test) = match rule.split_once(':') {
                Some((rule, test)) => (rule, Some(test.to_owned())),
                None => (rule.as_str(), None),
            };
            let once = rule.starts_with('~');
            let holds = rule.trim_start_matches('~').split('+').all(|part| {
                let number = TaskNumber(part.trim_start_matches('!').parse().unwrap());
                let is_in = number.0 == 0 || run.set.contains(&number);
                is_in != part.starts_with('!')
            });
            let tries = self.tries.entry((run.set.clone(), place)).or_default();
            *tries += usize::from(holds);
            if holds && (!once || *tries == 1) && *check < run.checks {
                failures.insert(FailedCheck {
                    check: *check,
                    test,
                });
            }
        }
        RunResult::Ran(failures)
    }
}

fn numbers(text: &str) -> Vec<TaskNumber> {
    let words = text.split([' ', ',']).filter(|word| !word.is_empty());
    words
        .map(|word| TaskNumber(word.parse().unwrap()))
        .collect()
}

/// Parses `1 2 3<1,2`.
fn search(order: &str, script: &str, reruns: usize) -> CulpritSearch {
    let mut built_on = BTreeMap::new();
    let tasks = order.split_whitespace().map(|word| {
        let (task, on) = word.split_once('<').unwrap_or((word, ""));
        let task = numbers(task)[0];
        built_on.insert(task, numbers(on));
        task
    });
    let tasks = tasks.collect();
    CulpritSearch::new(tasks, built_on, script.split('/').count(), reruns)
}

fn name(failure: &FailedCheck) -> String {
    let test = failure.test.iter().map(|test| format!(" {test}"));
    format!("check {}{}", failure.check + 1, test.collect::<String>())
}

fn names(failures: &BTreeSet<FailedCheck>) -> String {
    failures.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn say(verdict: &SearchResult) -> String {
    let mut lines = vec![format!("stand: {}", comma_list(&verdict.passing))];
    for culprit in &verdict.culprits {
        let with = match culprit.with.as_slice() {
            [] => "alone".to_owned(),
            with => format!("together with {}", comma_list(with)),
        };
        lines.push(format!(
            "{} fails {} {with}",
            culprit.task,
            names(&culprit.failures)
        ));
    }
    let built_on = verdict.built_on.iter();
    lines.extend(built_on.map(|(task, on)| format!("{task} was built on {on}")));
    let unmergeable = verdict.unmergeable.iter();
    lines.extend(unmergeable.map(|task| format!("{task} does not merge without")));
    for (word, failures) in [
        ("already failing", &verdict.already_failing),
        ("fixed", &verdict.fixed),
        ("flaky", &verdict.flaky),
    ] {
        if !failures.is_empty() {
            lines.push(format!("{word}: {}", names(failures)));
        }
    }
    lines.join("\n")
}

fn finish(search: &mut CulpritSearch, script: &mut Script) -> (Vec<String>, SearchResult) {
    let mut lines = Vec::new();
    loop {
        match search.next() {
            Step::Run(run) => {
                let answer = script.answer(&run);
                let bad = matches!(&answer, RunResult::Ran(failures) if !failures.is_empty());
                let set = match comma_list(&run.set) {
                    set if set.is_empty() => "base".to_owned(),
                    set => set,
                };
                lines.push(format!("{set} {}", if bad { "fails" } else { "passes" }));
                search.record(answer);
            }
            Step::Done(verdict) => return (lines, verdict),
        }
    }
}

fn play(order: &str, script: &str) -> String {
    let mut search = search(order, script, 1);
    let (mut lines, verdict) = finish(&mut search, &mut Script::new(script));
    assert_eq!(lines.len(), search.runs());
    lines.push(say(&verdict));
    lines.join("\n")
}

#[test]
fn a_passing_set_runs_once() {
    insta::assert_snapshot!(play("1 2 3 4", ""), @r"
    #1, #2, #3, #4 passes
    stand: #1, #2, #3, #4
    ");
}

#[test]
fn two_that_only_fail_together_are_named_as_a_pair() {
    insta::assert_snapshot!(play("1 2 3 4 5 6 7 8", "2+6"), @r"
    #1, #2, #3, #4, #5, #6, #7, #8 fails
    base passes
    #1, #2, #3, #4, #5, #6, #7, #8 fails
    #1, #2, #3, #4 passes
    #1, #2, #3, #4, #5, #6 fails
    #1, #2, #3, #4, #5 passes
    #1, #2, #3, #4, #5, #6 fails
    #6 passes
    #1, #2, #6 fails
    #1, #6 passes
    #2, #6 fails
    #1, #2, #3, #4, #5, #7, #8 passes
    stand: #1, #2, #3, #4, #5, #7, #8
    #6 fails check 1 together with #2
    ");
}

#[test]
fn one_that_fails_alone_is_named_alone() {
    insta::assert_snapshot!(play("1 2 3 4", "3"), @r"
    #1, #2, #3, #4 fails
    base passes
    #1, #2, #3, #4 fails
    #1, #2 passes
    #1, #2, #3 fails
    #1, #2, #3 fails
    #3 fails
    #1, #2, #4 passes
    stand: #1, #2, #4
    #3 fails check 1 alone
    ");
}

#[test]
fn three_that_only_fail_together_are_all_named() {
    insta::assert_snapshot!(play("1 2 3 4 5", "1+3+5"), @r"
    #1, #2, #3, #4, #5 fails
    base passes
    #1, #2, #3, #4, #5 fails
    #1, #2 passes
    #1, #2, #3 passes
    #1, #2, #3, #4 passes
    #5 passes
    #1, #2, #5 passes
    #1, #2, #3, #5 fails
    #3, #5 passes
    #1, #3, #5 fails
    stand: #1, #2, #3, #4
    #5 fails check 1 together with #1, #3
    ");
}

#[test]
fn failures_on_the_base_have_no_culprit() {
    insta::assert_snapshot!(play("1 2 3 4", "0"), @r"
    #1, #2, #3, #4 fails
    base fails
    stand: #1, #2, #3, #4
    already failing: check 1
    ");
    insta::assert_snapshot!(play("1 2 3 4", "0:old 2:new"), @r"
    #1, #2, #3, #4 fails
    base fails
    #1, #2, #3, #4 fails
    #1, #2 fails
    #1 fails
    #1, #2 fails
    #2 fails
    #1, #3, #4 fails
    stand: #1, #3, #4
    #2 fails check 1 new alone
    already failing: check 1 old
    ");
}

#[test]
fn a_failure_on_the_base_that_passes_now_is_fixed() {
    insta::assert_snapshot!(play("1 2", "!1:old / 0:other"), @r"
    #1, #2 fails
    base fails
    stand: #1, #2
    already failing: check 2 other
    fixed: check 1 old
    ");
}

#[test]
fn a_failure_that_disappears_in_a_rerun_is_flaky() {
    insta::assert_snapshot!(play("1 2 3 4", "~3"), @r"
    #1, #2, #3, #4 fails
    base passes
    #1, #2, #3, #4 passes
    stand: #1, #2, #3, #4
    flaky: check 1
    ");
}

#[test]
fn a_flaky_boundary_does_not_hide_the_culprit() {
    // With #4 in it always fails; without it, #1 makes it fail once for each set.
    insta::assert_snapshot!(play("1 2 3 4", "4 ~1"), @r"
    #1, #2, #3, #4 fails
    base passes
    #1, #2, #3, #4 fails
    #1, #2 fails
    #1 fails
    #1 passes
    #1, #2 passes
    #1, #2, #3 fails
    #1, #2, #3 passes
    #4 fails
    stand: #1, #2, #3
    #4 fails check 1 alone
    flaky: check 1
    ");
}

#[test]
fn candidates_built_on_the_culprit_are_removed_with_it() {
    insta::assert_snapshot!(play("1 2<1 3<2 4 5<2", "2+4"), @r"
    #1, #2, #3, #4, #5 fails
    base passes
    #1, #2, #3, #4, #5 fails
    #1, #2 passes
    #1, #2, #3 passes
    #1, #2, #3, #4 fails
    #1, #2, #3, #4 fails
    #4 passes
    #1, #4 passes
    #1, #2, #4 fails
    #1, #2, #3, #5 passes
    stand: #1, #2, #3, #5
    #4 fails check 1 together with #2
    ");
    insta::assert_snapshot!(play("4 1 2<1 3<2", "2+4"), @r"
    #4, #1, #2, #3 fails
    base passes
    #4, #1, #2, #3 fails
    #4, #1 passes
    #4, #1, #2 fails
    #4, #1, #2 fails
    #1, #2 passes
    stand: #4, #1
    #2 fails check 1 together with #4
    #3 was built on #2
    ");
}

#[test]
fn every_culprit_is_found() {
    insta::assert_snapshot!(play("1 2 3 4", "1 / 2+4"), @r"
    #1, #2, #3, #4 fails
    base passes
    #1, #2, #3, #4 fails
    #1, #2 fails
    #1 fails
    #1 fails
    #2, #3, #4 fails
    #2, #3, #4 fails
    #2 passes
    #2, #3 passes
    #4 passes
    #2, #4 fails
    stand: #2, #3
    #1 fails check 1 alone
    #4 fails check 2 together with #2
    ");
}

#[test]
fn only_the_checks_up_to_the_failing_one_run_while_searching() {
    let mut search = search("1 2 3 4", "/2+3/", 0);
    let mut script = Script::new("/2+3/");
    let mut wanted = Vec::new();
    while let Step::Run(run) = search.next() {
        wanted.push(run.checks);
        search.record(script.answer(&run));
    }
    assert_eq!(wanted, [3, 3, 2, 2, 2, 2, 2, 3]);
}

#[test]
fn a_candidate_that_only_merges_with_the_culprit_is_removed_too() {
    let mut search = search("1 2 3", "1", 0);
    let mut script = Script::new("1");
    let verdict = loop {
        match search.next() {
            Step::Run(run) if run.set == numbers("2 3") => {
                search.record(RunResult::DoesNotMerge(TaskNumber(3)));
            }
            Step::Run(run) => search.record(script.answer(&run)),
            Step::Done(verdict) => break verdict,
        }
    };
    insta::assert_snapshot!(say(&verdict), @r"
    stand: #2
    #1 fails check 1 alone
    #3 does not merge without
    ");
}

#[test]
fn the_number_of_runs_reaches_its_bound_and_never_exceeds_it() {
    for reruns in 0..3 {
        let mut most = 0;
        for (a, b) in (1..=8).flat_map(|a| (a + 1..=8).map(move |b| (a, b))) {
            let script = format!("{a}+{b}");
            let mut search = search("1 2 3 4 5 6 7 8", &script, reruns);
            let (lines, verdict) = finish(&mut search, &mut Script::new(&script));
            let expected = (TaskNumber(b), vec![TaskNumber(a)]);
            let culprit = &verdict.culprits[0];
            assert_eq!((culprit.task, culprit.with.clone()), expected, "{lines:#?}");
            most = most.max(search.runs());
        }
        assert_eq!(most, max_runs(8, reruns, &[1]));
    }
}

#[test]
fn generated_culprit_sets_are_found_exactly_and_within_the_bound() {
    let mut rng = fastrand::Rng::with_seed(5);
    for _ in 0..400 {
        let count = rng.u32(1..=20);
        let all: Vec<u32> = (1..=count).collect();
        let size = rng.usize(1..=3.min(all.len()));
        let mut set = rng.choose_multiple(all.iter().copied(), size);
        set.sort_unstable();
        let words: Vec<String> = set.iter().map(ToString::to_string).collect();
        let order: Vec<String> = all.iter().map(ToString::to_string).collect();
        let script = words.join("+");
        let mut search = search(&order.join(" "), &script, 1);
        let (_, verdict) = finish(&mut search, &mut Script::new(&script));
        let mut found = verdict.culprits[0].with.clone();
        found.push(verdict.culprits[0].task);
        assert_eq!(found, numbers(&words.join(" ")));
        assert_eq!(verdict.culprits.len(), 1);
        assert!(search.runs() <= max_runs(count as usize, 1, &[size - 1]));
    }
}

/// The simulation behind the choice of the method: the number of candidates, the probability that
/// one fails alone, and the average number of runs of the bisection.
const SIMULATED: [(usize, f64, f64); 6] = [
    (10, 0.05, 3.2),
    (10, 0.1, 4.9),
    (10, 0.2, 8.4),
    (10, 0.3, 11.0),
    (30, 0.03, 5.7),
    (30, 0.1, 16.6),
];

#[test]
fn on_average_it_takes_no_more_runs_than_was_simulated() {
    for (count, likely, simulated) in SIMULATED {
        let mut rng = fastrand::Rng::with_seed(17);
        let order: Vec<String> = (1..=count).map(|number| number.to_string()).collect();
        let rounds = 1_500 / count;
        let mut total = 0;
        for _ in 0..rounds {
            let fails = order.iter().filter(|_| rng.f64() < likely);
            let script = fails.cloned().collect::<Vec<_>>().join(" ");
            let mut search = search(&order.join(" "), &script, 0);
            let (lines, verdict) = finish(&mut search, &mut Script::new(&script));
            let failing = script.split_whitespace().count();
            assert_eq!(verdict.culprits.len(), failing);
            assert!(search.runs() <= max_runs(count, 0, &vec![0; failing]));
            // The simulation runs neither the base nor the search for partners.
            let more = |line: &&String| {
                let set = line.split(' ').count() - 1;
                line.starts_with("base") || (set == 1 && line.ends_with("fails"))
            };
            total += search.runs() - lines.iter().filter(more).count();
        }
        #[allow(clippy::cast_precision_loss)]
        let average = total as f64 / rounds as f64;
        // Samples of this size, there and here, differ by some percent.
        assert!(
            average <= simulated * 1.1,
            "{count} candidates at {likely}: {average} runs, simulated {simulated}"
        );
    }
}

#[test]
fn one_run_is_enough_if_nothing_fails() {
    for count in [1, 2, 10, 30, 100] {
        let order: Vec<String> = (1..=count).map(|number| number.to_string()).collect();
        let mut search = search(&order.join(" "), "", 1);
        finish(&mut search, &mut Script::new(""));
        assert_eq!(search.runs(), 1);
    }
}
