//! Verdicts cached between processes: reused when nothing has changed, never otherwise, and
//! harmless whatever happens to the file.

use std::fs;
use std::path::PathBuf;

use git_dispatch::base::process::Program;
use git_dispatch::conflicts::{Branch, Detection, Detector, Options, detect};
use git_dispatch::git::Repo;
use git_dispatch::git::commit::{By, NewCommit};
use git_dispatch::merge::oid::Oid;
use git_dispatch::merge::verdict::Verdict;

use crate::conflicts::emptied_together;
use crate::forge::{
    FILE, Forge, Planned, SUBMODULE, again_with_the_other_git, files, named, options, planned,
    small,
};

fn cached() -> Options {
    Options {
        cache: true,
        ..options()
    }
}

fn detect_cached(forge: &Forge, branches: &[Branch]) -> Detection {
    detect(&forge.repo, branches, &cached()).unwrap()
}

fn cache_file(forge: &Forge) -> PathBuf {
    forge.repo.common.join("dispatch/cache/verdicts")
}

/// One conflict, and two pairs that git merges cleanly. Every line between the edits occurs twice, so
/// git has to be asked.
fn one_conflict() -> Vec<Planned> {
    let lines = |edit: &str| "1|2|x|y|x|y|x|8|9|".replace(edit, &format!("{edit} edited"));
    let with = |text: &str| files(&[("f", text)]);
    vec![
        planned("main", &[], &with(&lines("none"))),
        planned("one", &[0], &with(&lines("2"))),
        planned("two", &[0], &with(&lines("8"))),
        planned("three", &[0], &with(&lines("2").replace("edited", "else"))),
    ]
}

fn three(forge: &Forge) -> Vec<Branch> {
    named(forge, &[("one", 1), ("two", 2), ("three", 3)])
}

#[test]
fn with_nothing_changed_no_merge_is_run() {
    let forge = Forge::new(&one_conflict());
    let branches = three(&forge);
    let first = detect_cached(&forge, &branches);
    assert_eq!((first.merges_run, first.conflicts().count()), (3, 1));
    let again = detect_cached(&forge, &branches);
    assert_eq!(again.merges_run, 0);
    assert_eq!(again.pairs, first.pairs);
    let plain = detect(&forge.repo, &branches, &options()).unwrap();
    assert_eq!(plain.merges_run, 3);
    assert_eq!(plain.pairs, first.pairs);
    // A run that stands on the base asks with the same key.
    let mut detector = Detector::on_base(&forge.repo, forge.commits[0], &cached()).unwrap();
    assert_eq!(detector.update(&branches).unwrap().merges_run, 0);
}

#[test]
fn with_nothing_changed_no_merge_is_run_by_the_other_git() {
    again_with_the_other_git("verdict_cache::with_nothing_changed_no_merge_is_run", &[]);
}

fn conflicts_of_more_than_two_are_known(commits: &[Planned]) {
    let forge = Forge::new(commits);
    let search = |names: &[(&str, usize)]| {
        let branches = named(&forge, names);
        let mut detector = Detector::new(&forge.repo, &cached()).unwrap();
        let mut detection = detector.update(&branches).unwrap();
        let order: Vec<usize> = (0..branches.len()).collect();
        let found = detector
            .multiway_conflicts(&mut detection, &order, usize::MAX)
            .unwrap();
        let places = found
            .conflicts
            .iter()
            .map(|conflict| conflict.branches.clone());
        (places.collect::<Vec<_>>(), detection.merges_run)
    };
    let names = [("one", 1), ("beside", 4), ("two", 2), ("adds", 3)];
    let (found, merges) = search(&names);
    assert_eq!(found, [[0, 2, 3]]);
    assert!(merges > 0);
    assert_eq!(search(&names), (found, 0));
    // Without the one beside them the others stand at other places.
    assert_eq!(
        search(&[names[0], names[2], names[3]]),
        (vec![vec![0, 1, 2]], 0)
    );
    let (found, _) = search(&[names[3], names[0], names[2]]);
    assert!(found.is_empty(), "another order is another question");
}

#[test]
fn conflicts_of_more_than_two_are_known_again() {
    conflicts_of_more_than_two_are_known(&emptied_together());
}

#[test]
fn a_submodule_that_nobody_changes_does_not_make_them_unknown() {
    let mut commits = emptied_together();
    for commit in &mut commits {
        let modules = files(&[(".gitmodules", "[submodule \"sub\"]|path = sub|url = ./sub|")]);
        commit.files.extend(modules);
        let commit_of_sub = "1".repeat(40).into_bytes();
        commit
            .files
            .insert(b"sub".to_vec(), (SUBMODULE, commit_of_sub));
    }
    conflicts_of_more_than_two_are_known(&commits);
}

#[test]
fn whatever_a_merge_depends_on_makes_it_run_again() {
    let forge = Forge::new(&one_conflict());
    let branches = three(&forge);
    let git = forge.repo.git();
    // A repository keeps the settings that it was opened with.
    let merges = |options: &Options| {
        let repo = Repo::discover(&forge.repo.top).unwrap();
        detect(&repo, &branches, options).unwrap().merges_run
    };
    assert_eq!((merges(&cached()), merges(&cached())), (3, 0));

    git.run(&["config", "merge.conflictStyle", "diff3"])
        .unwrap();
    assert_eq!((merges(&cached()), merges(&cached())), (3, 0));
    git.run(&["config", "branch.one.remote", "origin"]).unwrap();
    assert_eq!(merges(&cached()), 0, "settings that no merge reads");

    let info = forge.repo.common.join("info");
    fs::create_dir_all(&info).unwrap();
    fs::write(info.join("attributes"), "f merge=union\n").unwrap();
    let union = detect_cached(&forge, &branches);
    assert!(union.merges_run >= 3);
    assert_eq!(
        union.conflicts().count(),
        0,
        "and the answer is another one"
    );
    fs::remove_file(info.join("attributes")).unwrap();
    assert_eq!(merges(&cached()), 0, "what was known before holds again");

    let generated = Options {
        generated: vec!["f".to_owned()],
        ..cached()
    };
    assert_eq!(merges(&generated), 3);
    let based = Options {
        base: Some(forge.commits[3]),
        ..cached()
    };
    assert!(merges(&based) > 0);
}

#[test]
fn a_conflict_between_other_commits_with_the_same_trees_has_their_names() {
    let forge = Forge::new(&one_conflict());
    let branches = three(&forge);
    detect_cached(&forge, &branches);
    let store = forge.store();
    let mut moved = branches.clone();
    moved[0].tip = store
        .write_commit(&NewCommit {
            tree: store.tree_of(branches[0].tip).unwrap(),
            parents: &[forge.commits[0]],
            message: "the same again\n",
            time: jiff::Timestamp::UNIX_EPOCH,
            by: By::Dispatch,
        })
        .unwrap();
    let found = detect_cached(&forge, &moved);
    assert_eq!(found.merges_run, 1, "the conflict; the clean pair is known");
    assert_eq!(
        found.pairs,
        detect(&forge.repo, &moved, &options()).unwrap().pairs
    );
    assert_eq!(detect_cached(&forge, &moved).merges_run, 0);
    assert_eq!(
        detect_cached(&forge, &branches).merges_run,
        0,
        "both are kept"
    );
}

#[test]
fn one_branch_that_changes_is_all_that_is_merged() {
    let forge = Forge::new(&one_conflict());
    let mut branches = three(&forge);
    detect_cached(&forge, &branches);
    branches[2].tip = forge.commits[0];
    assert_eq!(
        detect_cached(&forge, &branches).merges_run,
        0,
        "it is the base now"
    );
    let fourth = Forge::new(
        &[
            one_conflict(),
            vec![planned(
                "four",
                &[0],
                &files(&[("f", "1|2|x|y|five|y|x|8|9|")]),
            )],
        ]
        .concat(),
    );
    let mut branches = three(&fourth);
    detect_cached(&fourth, &branches);
    branches[2].tip = fourth.commits[4];
    assert_eq!(detect_cached(&fourth, &branches).merges_run, 2);
}

#[test]
fn a_file_that_is_broken_in_any_way_changes_no_verdict() {
    let forge = Forge::new(&one_conflict());
    let branches = three(&forge);
    let expected = detect_cached(&forge, &branches).pairs;
    let file = cache_file(&forge);
    let whole = fs::read(&file).unwrap();
    let check = |what: &str| {
        let found = detect_cached(&forge, &branches);
        assert_eq!(found.pairs, expected, "{what}");
    };
    for cut in [0, 1, 20, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..cut]).unwrap();
        check("cut");
        assert_eq!(
            detect_cached(&forge, &branches).merges_run,
            0,
            "made whole again"
        );
    }
    let text = String::from_utf8(whole.clone()).unwrap();
    fs::write(&file, text.replace("conflict", "clean")).unwrap();
    check("a lie");
    fs::write(&file, vec![0xff; 100_000]).unwrap();
    check("garbage");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    check("a folder");
    fs::remove_dir(&file).unwrap();
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    check("a full disk");
    fs::remove_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file.parent().unwrap(), "in the way").unwrap();
    check("no place for it");
    fs::remove_file(file.parent().unwrap()).unwrap();
    check("deleted");
    assert_eq!(detect_cached(&forge, &branches).merges_run, 0);
}

#[test]
fn many_at_once_and_a_deletion_in_between() {
    let forge = Forge::new(&one_conflict());
    let branches = three(&forge);
    let expected = detect(&forge.repo, &branches, &options()).unwrap().pairs;
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..4 {
                    assert_eq!(detect_cached(&forge, &branches).pairs, expected);
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..200 {
                let _ = fs::remove_dir_all(cache_file(&forge).parent().unwrap());
                std::thread::yield_now();
            }
        });
    });
    detect_cached(&forge, &branches);
    assert_eq!(detect_cached(&forge, &branches).merges_run, 0);
}

#[test]
fn what_a_program_or_a_submodule_decides_is_asked_every_time() {
    let with = |text: &str| {
        files(&[
            (".gitattributes", "f merge=mine|"),
            ("f", text),
            ("g", text),
        ])
    };
    let forge = Forge::new(&[
        planned("main", &[], &with("a|b|c|")),
        planned("one", &[0], &with("a|1|c|")),
        planned("two", &[0], &with("a|2|c|")),
    ]);
    let git = forge.repo.git();
    git.run(&["config", "merge.mine.driver", "true"]).unwrap();
    let branches = named(&forge, &[("one", 1), ("two", 2)]);
    assert!(detect_cached(&forge, &branches).merges_run > 0);
    assert!(detect_cached(&forge, &branches).merges_run > 0);

    let at = |digit: char| {
        let mut files = files(&[("f", "a|")]);
        let commit = digit.to_string().repeat(40).into_bytes();
        files.insert(b"sub".to_vec(), (SUBMODULE, commit));
        files
    };
    let forge = Forge::new(&[
        planned("main", &[], &at('1')),
        planned("one", &[0], &at('2')),
        planned("two", &[0], &at('3')),
    ]);
    let branches = named(&forge, &[("one", 1), ("two", 2)]);
    for _ in 0..2 {
        let found = detect_cached(&forge, &branches);
        assert_eq!((found.merges_run, found.conflicts().count()), (1, 1));
    }
}

#[test]
fn a_failure_of_git_is_asked_about_again() {
    let forge = Forge::new(&small());
    let branches = named(&forge, &[("one", 1), ("stranger", 5)]);
    for _ in 0..2 {
        let found = detect_cached(&forge, &branches);
        assert_eq!(found.merges_run, 1);
        assert_eq!(found.pairs[0].verdict, Verdict::EngineFailure);
    }
}

#[test]
fn a_replacement_of_a_commit_changes_no_verdict() {
    let forge = Forge::new(&one_conflict());
    let branches = three(&forge);
    detect_cached(&forge, &branches);
    let [two, three] = [2, 3].map(|place| forge.commits[place].to_string());
    forge.repo.git().run(&["replace", &two, &three]).unwrap();
    let replaced = detect_cached(&forge, &branches);
    assert_eq!(replaced.merges_run, 0);
    assert_eq!(replaced.conflicts().count(), 1);
    forge.repo.git().run(&["replace", "-d", &two]).unwrap();
    let again = detect_cached(&forge, &branches);
    assert_eq!(again.merges_run, 0);
    assert_eq!(again.conflicts().count(), 1);
}

#[test]
fn the_command_says_that_nothing_was_merged() {
    let forge = Forge::new(&one_conflict());
    let run = || {
        let program = Program::new(env!("CARGO_BIN_EXE_dispatch"))
            .args(["conflicts", "one", "two", "three", "--json"])
            .folder(&forge.repo.top);
        let out = program.output().unwrap().stdout;
        serde_json::from_slice::<serde_json::Value>(&out).unwrap()
    };
    let (first, mut again) = (run(), run());
    assert_ne!(first["merges_run"], 0);
    assert_eq!(again["merges_run"], 0);
    again["merges_run"] = first["merges_run"].clone();
    assert_eq!(first, again);
}

#[test]
fn names_that_are_no_text_are_kept() {
    let with = |text: &str| {
        let odd = b"new\nline \\x00 \xff".to_vec();
        [(odd, (FILE, text.as_bytes().to_vec()))].into()
    };
    let forge = Forge::new(&[
        planned("main", &[], &with("a\nb\n")),
        planned("one", &[0], &with("1\nb\n")),
        planned("two", &[0], &with("2\nb\n")),
    ]);
    let branches = named(&forge, &[("one", 1), ("two", 2)]);
    let first = detect_cached(&forge, &branches);
    let again = detect_cached(&forge, &branches);
    assert_eq!((first.merges_run, again.merges_run), (1, 0));
    assert_eq!(again.pairs, first.pairs);
    assert_ne!(first.pairs[0].tree, Some(Oid::ZERO));
}
