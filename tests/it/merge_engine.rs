//! git's merge engine as dispatch uses it: crashes, inputs and leftovers.

use std::path::Path;

use git_dispatch::conflicts::{Options, detect};
use git_dispatch::git::Repo;
use git_dispatch::git::merge_engine::MergeEngine;
use git_dispatch::merge::answer::MergeAnswer;
use git_dispatch::merge::oid::Oid;

use crate::forge::{Forge, again_with_the_other_git, branch, files, options, planned, show, small};

fn clean(answer: &MergeAnswer) -> Option<bool> {
    match answer {
        MergeAnswer::Done(result) => Some(result.clean),
        MergeAnswer::Failed(_) => None,
    }
}

#[test]
fn a_pair_that_kills_git_is_isolated_and_the_rest_is_answered() {
    let forge = Forge::new(&small());
    let c = &forge.commits;
    let engine = MergeEngine::quarantined(&forge.repo, c[0]).unwrap();
    let nowhere = Oid::from_bytes([7; 20]);
    let mut pairs = Vec::new();
    for round in 0..40 {
        pairs.push((c[1], c[2]));
        pairs.push((c[1], c[4]));
        if round % 13 == 5 {
            pairs.push((c[1], nowhere));
            pairs.push((c[1], c[5]));
        }
    }
    let answers = engine.merge_all(&pairs).unwrap();
    assert_eq!(answers.len(), pairs.len());
    for (pair, answer) in pairs.iter().zip(&answers) {
        let expected = match pair.1 {
            theirs if theirs == c[2] => Some(false),
            theirs if theirs == c[4] => Some(true),
            _ => None,
        };
        assert_eq!(clean(answer), expected, "{answer:?}");
    }
    let failed = |answer: &MergeAnswer| match answer {
        MergeAnswer::Failed(said) => Some(said.clone()),
        MergeAnswer::Done(_) => None,
    };
    let said: Vec<String> = answers.iter().filter_map(failed).collect();
    assert_eq!(said.len(), 6);
    assert!(
        said.iter().any(|text| text.contains("unrelated histories")),
        "{said:?}"
    );
    assert!(said.iter().all(|text| !text.is_empty()));
}

#[test]
fn more_merges_than_one_process_takes_come_back_in_order() {
    let forge = Forge::new(&small());
    let c = &forge.commits;
    let engine = MergeEngine::quarantined(&forge.repo, c[0]).unwrap();
    let pairs: Vec<_> = (0..2500)
        .map(|n| (c[1], c[if n % 3 == 0 { 2 } else { 4 }]))
        .collect();
    let answers = engine.merge_all(&pairs).unwrap();
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(clean(answer), Some(n % 3 != 0));
    }
}

fn everything_in(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => found.push(path.display().to_string()),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn detection_leaves_nothing_behind() {
    let forge = Forge::new(&small());
    let before = everything_in(&forge.repo.top);
    let branches = [
        branch("one", forge.commits[1]),
        branch("two", forge.commits[2]),
    ];
    for base in [None, Some(forge.commits[0])] {
        let options = Options { base, ..options() };
        // The repository keeps a copy of its settings until it is dropped.
        let repo = Repo::discover(&forge.repo.top).unwrap();
        let detection = detect(&repo, &branches, &options).unwrap();
        assert_eq!(detection.conflicts().count(), 1);
    }
    assert_eq!(everything_in(&forge.repo.top), before);
}

#[test]
fn an_engine_that_writes_leaves_the_merged_tree() {
    let forge = Forge::new(&small());
    let c = &forge.commits;
    for writes in [false, true] {
        let engine = match writes {
            true => MergeEngine::writing(&forge.repo, c[0]).unwrap(),
            false => MergeEngine::quarantined(&forge.repo, c[0]).unwrap(),
        };
        let MergeAnswer::Done(result) = engine.merge(c[1], c[4]).unwrap() else {
            panic!("no answer");
        };
        assert!(result.clean);
        assert!(engine.store().unwrap().has(result.tree));
        drop(engine);
        assert_eq!(forge.store().has(result.tree), writes);
    }
}

#[test]
fn what_is_merged_aside_can_be_forgotten() {
    let forge = Forge::new(&small());
    let c = &forge.commits;
    let engine = MergeEngine::quarantined(&forge.repo, c[0]).unwrap();
    let below = engine.commit_tree(forge.store().tree_of(c[1]).unwrap(), &[c[0]]);
    let below = below.unwrap();
    let aside = engine.nested().unwrap();
    for _ in 0..2 {
        let MergeAnswer::Done(result) = aside.merge(below, c[4]).unwrap() else {
            panic!("no answer");
        };
        assert!(aside.store().unwrap().has(result.tree));
        assert!(!engine.store().unwrap().has(result.tree));
        aside.clear_quarantine();
        assert!(!aside.store().unwrap().has(result.tree));
        assert!(aside.store().unwrap().has(below));
    }
}

#[test]
fn a_repository_at_an_odd_path_with_objects_elsewhere() {
    let forge = Forge::at("a: \"b\" \u{e9}", &small());
    let objects = forge.repo.common.join("objects");
    let elsewhere = forge.repo.top.join("else where");
    std::fs::rename(&objects, &elsewhere).unwrap();
    std::fs::create_dir_all(objects.join("info")).unwrap();
    std::fs::create_dir_all(objects.join("pack")).unwrap();
    std::fs::write(objects.join("info/alternates"), "../../else where\n").unwrap();
    let tips = [
        branch("one", forge.commits[1]),
        branch("two", forge.commits[2]),
    ];
    let detection = detect(&forge.repo, &tips, &options()).unwrap();
    assert_eq!(show(&detection), "conflict content 3: content f (overlap)");
}

#[test]
fn the_attributes_of_the_base_count_and_not_those_of_the_checkout() {
    let union = ("sub/.gitattributes", "f merge=union|");
    let with = |text: &str| files(&[union, ("sub/f", text)]);
    let forge = Forge::new(&[
        planned("main", &[], &with("a|b|c|")),
        planned("one", &[0], &with("a|1|c|")),
        planned("two", &[0], &with("a|2|c|")),
    ]);
    let tips = [
        branch("one", forge.commits[1]),
        branch("two", forge.commits[2]),
    ];
    let expected = "clean clean-by-attribute 2: clean-by-attribute sub/f";
    let text = |forge: &Forge| show(&detect(&forge.repo, &tips, &options()).unwrap());
    // Nothing is checked out, and then something that says otherwise.
    assert_eq!(text(&forge), expected);
    std::fs::create_dir(forge.repo.top.join("sub")).unwrap();
    std::fs::write(forge.repo.top.join("sub/.gitattributes"), "f -merge\n").unwrap();
    assert_eq!(text(&forge), expected);
}

#[test]
fn the_attributes_of_the_base_count_with_the_other_git() {
    again_with_the_other_git(
        "merge_engine::the_attributes_of_the_base_count_and_not_those_of_the_checkout",
        &[],
    );
}

#[test]
fn a_merge_driver_of_the_user_runs_but_not_in_the_checkout() {
    let with = |text: &str| files(&[(".gitattributes", "f merge=mine|"), ("f", text)]);
    let forge = Forge::new(&[
        planned("main", &[], &with("a|b|c|")),
        planned("one", &[0], &with("a|1|c|")),
        planned("two", &[0], &with("a|2|c|")),
    ]);
    let git = forge.repo.git();
    let driver = "touch was-here; echo merged > %A; true";
    git.run(&["config", "merge.mine.driver", driver]).unwrap();
    let tips = [
        branch("one", forge.commits[1]),
        branch("two", forge.commits[2]),
    ];
    let detection = detect(&forge.repo, &tips, &options()).unwrap();
    assert_eq!(
        show(&detection),
        "clean clean-by-attribute 2: clean-by-attribute f"
    );
    assert!(!forge.repo.top.join("was-here").exists());
}
