//! The detector on small histories: bases, cache, inheritance, conflicts of several branches.

use crate::harness::temp_folder;
use git_dispatch::conflicts::{Detection, Detector, Options, detect};
use git_dispatch::engine::candidates::task_conflicts::task_conflicts;
use git_dispatch::git::merge_engine::MergeEngine;
use git_dispatch::merge::answer::MergeAnswer;
use git_dispatch::merge::class::Class;
use git_dispatch::merge::verdict::{PairVerdict, Verdict};
use git_dispatch::model::ids::TaskNumber;

use crate::forge::{Forge, MERGED_ONE_BY_ONE, Planned, files, named, options, planned, small};

fn pairs(detection: &Detection) -> String {
    let name = |place: usize| detection.branches[place].name.as_str();
    let pair = |pair: &PairVerdict| format!("{}-{} {}", name(pair.a), name(pair.b), pair.class);
    detection
        .pairs
        .iter()
        .map(pair)
        .collect::<Vec<_>>()
        .join(", ")
}

#[test]
fn unrelated_histories_are_an_engine_failure_and_say_so() {
    let forge = Forge::new(&small());
    let branches = named(
        &forge,
        &[("one", 1), ("two", 2), ("beside", 4), ("stranger", 5)],
    );
    let detection = detect(&forge.repo, &branches, &options()).unwrap();
    // An unrelated branch does not prevent comparing the others against their own base.
    assert_eq!(detection.base, Some(forge.commits[0]));
    assert_eq!(detection.merges_run, 4);
    assert_eq!(
        pairs(&detection),
        "one-two content, one-stranger engine-failure, two-stranger engine-failure, \
         beside-stranger engine-failure"
    );
    let failure = detection.pairs[1].failure.as_deref().unwrap_or_default();
    assert!(failure.contains("unrelated histories"), "{failure}");
    assert_eq!(detection.pairs[1].verdict, Verdict::EngineFailure);
    assert_eq!(detection.conflicts().count(), 4);
}

#[test]
fn branches_with_one_tree_have_each_their_own_name_in_what_conflicts() {
    let forge = Forge::new(&[
        planned("main", &[], &files(&[("f", "1|2|3|")])),
        planned("ours", &[0], &files(&[("f", "1|ours|3|")])),
        planned("theirs", &[0], &files(&[("f", "1|theirs|3|")])),
        planned("between", &[0], &files(&[("f", "1|2|3|"), ("other", "1|")])),
        planned("twin", &[3], &files(&[("f", "1|theirs|3|")])),
    ]);
    let branches = named(&forge, &[("ours", 1), ("theirs", 2), ("twin", 4)]);
    let detection = detect(&forge.repo, &branches, &options()).unwrap();
    let engine = MergeEngine::quarantined(&forge.repo, forge.commits[0]).unwrap();
    let mut trees = Vec::new();
    for pair in detection.conflicts() {
        let tips = [pair.a, pair.b].map(|place| branches[place].tip);
        let MergeAnswer::Done(by_git) = engine.merge(tips[0], tips[1]).unwrap() else {
            panic!("git merges {tips:?}");
        };
        assert_eq!(pair.tree, Some(by_git.tree));
        trees.push(by_git.tree);
    }
    assert_eq!(trees.len(), 2);
    assert_ne!(trees[0], trees[1]);
}

#[test]
fn a_base_that_is_asked_for_replaces_history() {
    let forge = Forge::new(&small());
    let branches = named(&forge, &[("one", 1), ("beside", 4), ("stranger", 5)]);
    let asked = Options {
        base: Some(forge.commits[0]),
        ..options()
    };
    let detection = detect(&forge.repo, &branches, &asked).unwrap();
    // Against that base the unrelated branch has deleted everything.
    assert_eq!(
        pairs(&detection),
        "one-stranger modify-delete, beside-stranger modify-delete"
    );
    assert_eq!(detection.base, Some(forge.commits[0]));
}

#[test]
fn one_branch_that_moves_costs_only_its_own_merges() {
    let forge = Forge::new(&small());
    let c = &forge.commits;
    let mut detector = Detector::on_base(&forge.repo, c[0], &options()).unwrap();
    let three = named(&forge, &[("one", 1), ("two", 2), ("beside", 4)]);
    let first = detector.update(&three).unwrap();
    assert_eq!(
        (first.merges_run, pairs(&first).as_str()),
        (1, "one-two content")
    );
    assert_eq!(detector.update(&three).unwrap().merges_run, 0);
    let moved = named(
        &forge,
        &[("one", 1), ("two", 2), ("beside", 4), ("three", 3)],
    );
    let second = detector.update(&moved).unwrap();
    assert_eq!(second.merges_run, 2);
    assert_eq!(
        pairs(&second),
        "one-two content, one-three content, two-three content"
    );
    let plain = detect(&forge.repo, &moved, &options()).unwrap();
    assert_eq!(plain.pairs, second.pairs);
}

#[test]
fn branches_built_on_branches_are_judged_over_what_they_share() {
    let forge = Forge::new(&[
        planned("main", &[], &files(&[("f", "a|b|c|"), ("g", "x|")])),
        planned("a", &[0], &files(&[("f", "a|1|c|"), ("g", "x|")])),
        planned("on-a", &[1], &files(&[("f", "a|1|c|"), ("g", "y|")])),
        planned(
            "also-on-a",
            &[1],
            &files(&[("f", "a|1|c|"), ("g", "x|"), ("h", "n|")]),
        ),
        planned("b", &[0], &files(&[("f", "a|2|c|"), ("g", "x|")])),
    ]);
    let branches = named(&forge, &[("a", 1), ("on-a", 2), ("also-on-a", 3), ("b", 4)]);
    let detection = detect(&forge.repo, &branches, &options()).unwrap();
    assert_eq!(
        pairs(&detection),
        "a-b content, on-a-b content, also-on-a-b content"
    );
    let tasks = [1, 2, 3, 4].map(TaskNumber);
    let built_on = |task: TaskNumber| match task.0 {
        2 | 3 => vec![TaskNumber(1)],
        _ => Vec::new(),
    };
    let conflicts = task_conflicts(&detection, &tasks, &built_on);
    let shown: Vec<String> = conflicts
        .iter()
        .map(|c| format!("{}{} {}", c.a, c.b, c.inherited))
        .collect();
    assert_eq!(shown, ["#1#4 false", "#2#4 true", "#3#4 true"]);
}

#[test]
fn conflicts_of_tasks_name_the_lower_number_first() {
    let forge = Forge::new(&small());
    let branches = named(&forge, &[("one", 1), ("two", 2)]);
    let detection = detect(&forge.repo, &branches, &options()).unwrap();
    let conflicts = task_conflicts(&detection, &[TaskNumber(7), TaskNumber(3)], &|_| Vec::new());
    assert_eq!(
        (conflicts[0].a, conflicts[0].b),
        (TaskNumber(3), TaskNumber(7))
    );
    assert_eq!(conflicts[0].class, Class::Content);
}

/// Plans a base and three branches that merge in pairs and not all together.
pub(crate) fn emptied_together() -> Vec<Planned> {
    let text = |word: &str| (1..9).map(|n| format!("{word} {n}|")).collect::<String>();
    let (a, b) = (text("apple"), text("berry"));
    vec![
        planned(
            "main",
            &[],
            &files(&[("x/a", &a), ("x/b", &b), ("z", "z|")]),
        ),
        planned(
            "one",
            &[0],
            &files(&[("y/a", &a), ("x/b", &b), ("z", "z|")]),
        ),
        planned(
            "two",
            &[0],
            &files(&[("x/a", &a), ("y/b", &b), ("z", "z|")]),
        ),
        planned(
            "adds",
            &[0],
            &files(&[("x/a", &a), ("x/b", &b), ("x/new", "n|"), ("z", "z|")]),
        ),
        planned(
            "beside",
            &[0],
            &files(&[("x/a", &a), ("x/b", &b), ("z", "Z|")]),
        ),
    ]
}

#[test]
fn a_directory_that_branches_empty_together_is_an_emergent_conflict() {
    let forge = Forge::new(&emptied_together());
    let branches = named(
        &forge,
        &[("one", 1), ("beside", 4), ("two", 2), ("adds", 3)],
    );
    let mut detector = Detector::new(&forge.repo, &options()).unwrap();
    let mut detection = detector.update(&branches).unwrap();
    assert_eq!(pairs(&detection), "");
    let found = detector
        .multiway_conflicts(&mut detection, &[0, 1, 2, 3], usize::MAX)
        .unwrap()
        .conflicts;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].branches, [0, 2, 3]);
    assert_eq!(found[0].class, Class::DirRenameSuggested);
    // Adders before movers: then there is no conflict.
    let adder_first = detector
        .multiway_conflicts(&mut detection, &[3, 0, 1, 2], usize::MAX)
        .unwrap();
    assert_eq!(adder_first.conflicts, []);
}

#[test]
fn a_rename_diluted_by_many_is_an_emergent_conflict() {
    let lines: Vec<String> = (0..20).map(|n| format!("line number {n}|")).collect();
    let with = |edits: std::ops::Range<usize>| {
        let mut lines = lines.clone();
        lines[edits.clone()]
            .iter_mut()
            .for_each(|line| *line = format!("EDITED {line}"));
        lines.concat()
    };
    let forge = Forge::new(&[
        planned("main", &[], &files(&[("f", &with(0..0))])),
        planned("mover", &[0], &files(&[("g", &with(0..7))])),
        planned("five", &[0], &files(&[("f", &with(9..14))])),
        planned("one", &[0], &files(&[("f", &with(17..18))])),
    ]);
    let branches = named(&forge, &[("mover", 1), ("five", 2), ("one", 3)]);
    let mut detector = Detector::new(&forge.repo, &options()).unwrap();
    let mut detection = detector.update(&branches).unwrap();
    assert_eq!(detection.conflicts().count(), 0);
    let found = detector
        .multiway_conflicts(&mut detection, &[0, 1, 2], usize::MAX)
        .unwrap()
        .conflicts;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].class, found[0].branches.as_slice()),
        (Class::ModifyDelete, &[0, 1, 2][..])
    );
}

#[test]
fn a_folder_that_one_empties_and_another_copies_is_an_emergent_conflict() {
    let text = (1..9).map(|n| format!("apple {n}|")).collect::<String>();
    let forge = Forge::new(&[
        planned("main", &[], &files(&[("x/a", &text), ("z", "z|")])),
        planned("empties", &[0], &files(&[("z", "z|")])),
        planned(
            "copies",
            &[0],
            &files(&[("x/a", &text), ("y/a", &text), ("z", "z|")]),
        ),
        planned(
            "adds",
            &[0],
            &files(&[("x/a", &text), ("x/new", "n|"), ("z", "z|")]),
        ),
    ]);
    let branches = named(&forge, &[("empties", 1), ("copies", 2), ("adds", 3)]);
    let mut detector = Detector::new(&forge.repo, &options()).unwrap();
    let mut detection = detector.update(&branches).unwrap();
    assert_eq!(detection.conflicts().count(), 0);
    // Only the first and the last share a path; together the first two are a rename.
    let joint = detector.multiway_conflicts(&mut detection, &[0, 1, 2], usize::MAX);
    let found = joint.unwrap().conflicts;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].class, found[0].branches.as_slice()),
        (Class::DirRenameSuggested, &[0, 1, 2][..])
    );
}

#[test]
fn the_guilty_are_found_among_many_and_a_short_search_says_so() {
    let crowd: Vec<String> = (0..60).map(|n| format!("crowd-{n}")).collect();
    let lines: Vec<String> = (0..60).map(|n| format!("line {n}|")).collect();
    let mut planned_commits = emptied_together();
    let with_line = |changed: usize| {
        let mut files = planned_commits[0].files.clone();
        let mut lines = lines.clone();
        lines[changed] = format!("CHANGED {changed}|");
        files.extend(self::files(&[
            ("crowd", &lines.concat()),
            MERGED_ONE_BY_ONE,
        ]));
        files
    };
    let base = {
        let mut files = planned_commits[0].files.clone();
        files.extend(self::files(&[
            ("crowd", &lines.concat()),
            MERGED_ONE_BY_ONE,
        ]));
        files
    };
    // Every second line, so that all of them merge and git has to decide each.
    let more: Vec<Planned> = (0..30)
        .map(|n| planned(crowd[n].clone(), &[0], &with_line(2 * n)))
        .collect();
    for commit in &mut planned_commits {
        commit.files.extend(self::files(&[
            ("crowd", &lines.concat()),
            MERGED_ONE_BY_ONE,
        ]));
    }
    planned_commits[0].files = base;
    planned_commits.extend(more);
    let forge = Forge::new(&planned_commits);
    let mut names: Vec<(&str, usize)> = vec![("one", 1)];
    names.extend((0..15).map(|n| (crowd[n].as_str(), 5 + n)));
    names.push(("two", 2));
    names.extend((15..30).map(|n| (crowd[n].as_str(), 5 + n)));
    names.push(("adds", 3));
    let branches = named(&forge, &names);
    let order: Vec<usize> = (0..branches.len()).collect();
    let mut detector = Detector::new(&forge.repo, &options()).unwrap();
    let mut detection = detector.update(&branches).unwrap();
    assert_eq!(detection.conflicts().count(), 0);
    let joint = detector
        .multiway_conflicts(&mut detection, &order, usize::MAX)
        .unwrap();
    assert!(!joint.is_cut_short());
    assert_eq!(joint.conflicts.len(), 1);
    assert_eq!(joint.conflicts[0].branches, [0, 16, 32]);
    assert!(joint.conflicts[0].is_smallest);
    let joint = detector
        .multiway_conflicts(&mut detection, &order, 10)
        .unwrap();
    // The three form a group of their own; only the first few of the others were merged.
    assert_eq!((joint.conflicts.len(), joint.wanted), (1, 33));
    assert!(joint.searched < 20, "{joint:?}");
    assert!(joint.is_cut_short());
}

#[test]
fn names_that_differ_by_case_are_found_after_criss_cross_merges_too() {
    let base = [("f", "a|"), ("g", "b|")];
    let with = |more: &[(&str, &str)]| files(&[&[("f", "1|"), ("g", "2|")], more].concat());
    let forge = Forge::new(&[
        planned("main", &[], &files(&base)),
        planned("a", &[0], &files(&[("f", "1|"), ("g", "b|")])),
        planned("b", &[0], &files(&[("f", "a|"), ("g", "2|")])),
        planned("ab", &[1, 2], &with(&[("docs/Readme", "x|")])),
        planned("ba", &[2, 1], &with(&[("docs/README", "y|")])),
    ]);
    let branches = named(&forge, &[("ab", 3), ("ba", 4)]);
    let detection = detect(&forge.repo, &branches, &options()).unwrap();
    assert_eq!(pairs(&detection), "ab-ba case-collision");
    assert_eq!(detection.pairs[0].bases.len(), 2);
    assert_eq!(detection.pairs[0].verdict, Verdict::Clean);
}

#[test]
fn a_replacement_of_a_commit_changes_no_verdict() {
    let forge = Forge::new(&small());
    let c = &forge.commits;
    // To a git that honours replacements, `beside` now is `two`. A worker can write such a reference.
    forge
        .repo
        .git()
        .run(&["replace", &c[4].to_string(), &c[2].to_string()])
        .unwrap();
    let branches = named(&forge, &[("one", 1), ("beside", 4)]);
    let detection = detect(&forge.repo, &branches, &options()).unwrap();
    assert_eq!(detection.conflicts().count(), 0);
}

#[test]
fn a_history_that_ends_early_is_judged_all_the_same() {
    let forge = Forge::new(&small());
    let folder = temp_folder();
    let clone = folder.path().join("clone");
    let from = format!("file://{}", forge.repo.top.display());
    let to = clone.display().to_string();
    forge
        .repo
        .git()
        .run(&[
            "clone",
            "--quiet",
            "--depth=1",
            "--no-single-branch",
            &from,
            &to,
        ])
        .unwrap();
    let repo = git_dispatch::git::Repo::discover(&clone).unwrap();
    let branches = named(&forge, &[("one", 1), ("two", 2), ("beside", 4)]);
    let detection = detect(&repo, &branches, &options()).unwrap();
    // git itself refuses: it no longer sees a common history.
    let failed = detection
        .pairs
        .iter()
        .filter(|p| p.verdict == Verdict::EngineFailure);
    assert_eq!(failed.count(), 3);
}

#[test]
fn the_size_of_conflict_markers_is_that_of_the_attribute_and_decides_nothing() {
    let attribute = (".gitattributes", "f conflict-marker-size=20|");
    let edits = |text: &str| files(&[("f", text), attribute]);
    let forge = Forge::new(&[
        planned("main", &[], &edits("1|2|3|4|5|6|7|")),
        planned("one", &[0], &edits("1|2 one|3|4|5|6|7|")),
        planned("two", &[0], &edits("1|2|3|4|5|6 two|7|")),
        planned("three", &[0], &edits("1|2 three|3|4|5|6|7|")),
    ]);
    let branches = named(&forge, &[("one", 1), ("two", 2), ("three", 3)]);
    let mut detector = Detector::new(&forge.repo, &options()).unwrap();
    let detection = detector.update(&branches).unwrap();
    let verdicts = |prune: bool| {
        let options = Options { prune, ..options() };
        let found = detect(&forge.repo, &branches, &options).unwrap().pairs;
        let shown = found
            .iter()
            .map(|pair| (pair.verdict, pair.class, pair.tree));
        shown.collect::<Vec<_>>()
    };
    assert_eq!(verdicts(true), verdicts(false));
    assert_eq!(detection.conflicts().count(), 1);
}
