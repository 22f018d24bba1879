//! The detector against real git: named situations with the verdict each must get, both ways round,
//! and what goes wrong around a merge.

use std::path::Path;

use git_dispatch::base::process::Program;
use git_dispatch::engine::detect::{
    Branch, DetectOptions, Detection, Detector, detect, task_conflicts,
};
use git_dispatch::git::merge_tree::{MergeAnswer, MergeEngine};
use git_dispatch::model::conflict::{Class, PairVerdict, Verdict};
use git_dispatch::model::ids::{Oid, TaskNumber};

use crate::forge::{
    EXEC, FILE, File, Files, Forge, LINK, Planned, SUBMODULE, again_with_the_other_git,
};

// ---- the situations --------------------------------------------------------------------------

struct Situation {
    name: String,
    base: Files,
    ours: Files,
    theirs: Files,
}

fn situations() -> Vec<Situation> {
    let text = fixture("scenarios.txt");
    let mut common = Files::new();
    let mut found: Vec<(String, [String; 3])> = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        if let Some(name) = line.strip_prefix("== ") {
            found.push((name.to_owned(), Default::default()));
            continue;
        }
        let (part, operations) = line.split_once(':').unwrap();
        let place = match part {
            "common" => {
                carry_out(&mut common, operations);
                continue;
            }
            "base" => 0,
            "ours" => 1,
            "theirs" => 2,
            other => panic!("{other}"),
        };
        found.last_mut().unwrap().1[place] = operations.to_owned();
    }
    let build = |(name, [base, ours, theirs]): (String, [String; 3])| {
        let with = |files: &Files, operations: &str| {
            let mut files = files.clone();
            carry_out(&mut files, operations);
            files
        };
        let base = with(&common, &base);
        Situation {
            name,
            ours: with(&base, &ours),
            theirs: with(&base, &theirs),
            base,
        }
    };
    found.into_iter().map(build).collect()
}

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/conflicts");
    std::fs::read_to_string(folder.join(name)).unwrap_or_default()
}

fn carry_out(files: &mut Files, operations: &str) {
    let operations = operations.split(" ; ").map(str::trim_start);
    for operation in operations.filter(|operation| !operation.is_empty()) {
        let mut words = operation.splitn(3, ' ');
        let (verb, path) = (words.next().unwrap(), words.next().unwrap());
        let rest = words.next().unwrap_or_default();
        one_operation(files, verb, path, rest);
    }
}

fn one_operation(files: &mut Files, verb: &str, path: &str, rest: &str) {
    let key = path.as_bytes().to_vec();
    match verb {
        "text" => {
            let (word, last) = rest.split_once(' ').unwrap_or((rest, ""));
            let mut text: String = (1..=10)
                .map(|n| format!("{word} {n} some text\n"))
                .collect();
            if !last.is_empty() {
                text.push_str(&format!("{last}\n"));
            }
            files.insert(key, (FILE, text.into_bytes()));
        }
        "write" => {
            files.insert(key, (FILE, unescaped(rest)));
        }
        "link" => {
            files.insert(key, (LINK, rest.as_bytes().to_vec()));
        }
        "submodule" => {
            files.insert(key, (SUBMODULE, rest.repeat(40).into_bytes()));
        }
        "exec" => files.get_mut(&key).unwrap().0 = EXEC,
        "remove" => take(files, path).clear(),
        "move" => {
            for (old, file) in take(files, path) {
                let new = [rest.as_bytes(), &old[path.len()..]].concat();
                files.insert(new, file);
            }
        }
        _ => {
            let content = &mut files.get_mut(&key).unwrap().1;
            *content = edited(&String::from_utf8(content.clone()).unwrap(), verb, rest);
        }
    }
}

/// Takes out a file, or everything below a directory.
fn take(files: &mut Files, path: &str) -> Vec<(Vec<u8>, File)> {
    let below = format!("{path}/");
    let is_it = |key: &Vec<u8>| key == path.as_bytes() || key.starts_with(below.as_bytes());
    let keys: Vec<_> = files.keys().filter(|key| is_it(key)).cloned().collect();
    assert!(!keys.is_empty(), "{path}");
    let taken = keys
        .into_iter()
        .map(|key| files.remove_entry(&key).unwrap());
    taken.collect()
}

fn edited(text: &str, verb: &str, rest: &str) -> Vec<u8> {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let numbered = || {
        let (number, new) = rest.split_once(' ').unwrap();
        let new = String::from_utf8(unescaped(new)).unwrap();
        (number.parse::<usize>().unwrap(), format!("{new}\n"))
    };
    match verb {
        "line" => {
            let (number, new) = numbered();
            lines[number - 1] = new;
        }
        "insert" => {
            let (number, new) = numbered();
            lines.insert(number, new);
        }
        "append" => lines.push(String::from_utf8(unescaped(rest)).unwrap()),
        "chop" => return text.trim_end_matches('\n').as_bytes().to_vec(),
        "crlf" => return text.replace('\n', "\r\n").into_bytes(),
        "upper" => return text.to_uppercase().into_bytes(),
        other => panic!("{other}"),
    }
    lines.concat().into_bytes()
}

fn unescaped(text: &str) -> Vec<u8> {
    let pairs = [
        ("\\n", "\n"),
        ("\\r", "\r"),
        ("\\t", "\t"),
        ("\\0", "\0"),
        ("\\1", "\u{1}"),
    ];
    let mut text = text.to_owned();
    for (escape, meaning) in pairs {
        text = text.replace(escape, meaning);
    }
    text.into_bytes()
}

fn planned(branch: impl Into<String>, parents: &[usize], files: &Files) -> Planned {
    Planned {
        branch: branch.into(),
        parents: parents.to_vec(),
        files: files.clone(),
    }
}

fn branch(name: &str, tip: Oid) -> Branch {
    Branch {
        name: name.to_owned(),
        tip,
    }
}

fn options() -> DetectOptions {
    DetectOptions {
        generated: vec!["Cargo.lock".to_owned()],
        ..DetectOptions::default()
    }
}

/// `conflict content 3: content f (overlap 5+1 5+1 5+1)`
fn show(detection: &Detection) -> String {
    let Some(pair) = detection.pairs.first() else {
        return "clean independent 0".to_owned();
    };
    let units = pair.units.iter().map(|unit| {
        let paths: Vec<String> = unit.paths.iter().map(ToString::to_string).collect();
        let hunks = unit.hunks.iter().map(|hunk| format!(" ({})", hunk.class));
        format!(
            "{} {}{}",
            unit.class,
            paths.join(","),
            hunks.collect::<String>()
        )
    });
    let units = units.collect::<Vec<_>>().join("; ");
    let verdict = serde_json::to_value(pair.verdict).unwrap();
    let verdict = verdict.as_str().unwrap().to_owned();
    format!("{verdict} {} {}: {units}", pair.class, pair.severity)
}

#[test]
fn every_situation_gets_its_verdict() {
    let situations = situations();
    assert!(situations.len() >= 70);
    let mut commits = Vec::new();
    for (n, situation) in situations.iter().enumerate() {
        commits.push(planned(format!("s{n}/base"), &[], &situation.base));
        commits.push(planned(format!("s{n}/ours"), &[3 * n], &situation.ours));
        commits.push(planned(format!("s{n}/theirs"), &[3 * n], &situation.theirs));
    }
    let forge = Forge::new(&commits);
    let mut text = String::new();
    for (n, situation) in situations.iter().enumerate() {
        let tips = [forge.commits[3 * n + 1], forge.commits[3 * n + 2]];
        let branches = [branch("ours", tips[0]), branch("theirs", tips[1])];
        let found = detect(&forge.repo, &branches, &options()).unwrap();
        let [ours, theirs] = branches;
        let flipped = detect(&forge.repo, &[theirs, ours], &options()).unwrap();
        text.push_str(&format!("{}\n    {}\n", situation.name, show(&found)));
        if show(&found) != show(&flipped) {
            text.push_str(&format!("    the other way round: {}\n", show(&flipped)));
        }
    }
    check_golden("verdicts.txt", &text);
}

fn check_golden(name: &str, text: &str) {
    if std::env::var_os("DISPATCH_UPDATE_GOLDEN").is_some() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/conflicts");
        std::fs::write(folder.join(name), text).unwrap();
    }
    let expected = fixture(name);
    let lines = expected.lines().zip(text.lines());
    for (expected, found) in lines {
        assert_eq!(expected, found, "fixtures/conflicts/{name}");
    }
    assert_eq!(expected, text, "fixtures/conflicts/{name}");
}

#[test]
fn every_situation_gets_its_verdict_from_the_other_git() {
    again_with_the_other_git("conflicts::every_situation_gets_its_verdict", &[]);
}

// ---- the engine ------------------------------------------------------------------------------

fn files(entries: &[(&str, &str)]) -> Files {
    let entry = |(path, text): &(&str, &str)| {
        let content = text.replace('|', "\n").into_bytes();
        (path.as_bytes().to_vec(), (FILE, content))
    };
    entries.iter().map(entry).collect()
}

/// A base, three branches that conflict at `f` in pairs, one beside them, and a stranger.
fn small() -> Vec<Planned> {
    let base = [("f", "a|b|c|"), ("g", "x|")];
    vec![
        planned("main", &[], &files(&base)),
        planned("one", &[0], &files(&[("f", "a|1|c|"), ("g", "x|")])),
        planned("two", &[0], &files(&[("f", "a|2|c|"), ("g", "x|")])),
        planned("three", &[0], &files(&[("f", "a|3|c|"), ("g", "x|")])),
        planned("beside", &[0], &files(&[("f", "a|b|c|"), ("g", "y|")])),
        planned("stranger", &[], &files(&[("other", "s|t|r|")])),
    ]
}

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
        let options = DetectOptions { base, ..options() };
        let detection = detect(&forge.repo, &branches, &options).unwrap();
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
        "conflicts::the_attributes_of_the_base_count_and_not_those_of_the_checkout",
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

// ---- detection -------------------------------------------------------------------------------

fn named(forge: &Forge, names: &[(&str, usize)]) -> Vec<Branch> {
    names
        .iter()
        .map(|(name, place)| branch(name, forge.commits[*place]))
        .collect()
}

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
    let branches = named(&forge, &[("one", 1), ("two", 2), ("stranger", 5)]);
    let detection = detect(&forge.repo, &branches, &options()).unwrap();
    assert_eq!(
        pairs(&detection),
        "one-two content, one-stranger engine-failure, two-stranger engine-failure"
    );
    let failure = detection.pairs[1].failure.as_deref().unwrap_or_default();
    assert!(failure.contains("unrelated histories"), "{failure}");
    assert_eq!(detection.pairs[1].verdict, Verdict::EngineFailure);
    assert_eq!(detection.conflicts().count(), 3);
}

#[test]
fn a_base_that_is_asked_for_replaces_history() {
    let forge = Forge::new(&small());
    let branches = named(&forge, &[("one", 1), ("beside", 4), ("stranger", 5)]);
    let asked = DetectOptions {
        base: Some(forge.commits[0]),
        ..options()
    };
    let detection = detect(&forge.repo, &branches, &asked).unwrap();
    // Over that base the stranger has deleted everything.
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
    let mut detector = Detector::new(&forge.repo, c[0], &options()).unwrap();
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

/// The base and three branches that merge pair by pair and not all together.
fn emptied_together() -> Vec<Planned> {
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
    let mut detector = Detector::for_any(&forge.repo, &options()).unwrap();
    let detection = detector.update(&branches).unwrap();
    assert_eq!(pairs(&detection), "");
    let found = detector.emergent(&detection, &[0, 1, 2, 3]).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].branches, [0, 2, 3]);
    assert_eq!(found[0].class, Class::DirRenameSuggested);
    // Adders before movers: then it never comes up.
    assert_eq!(detector.emergent(&detection, &[3, 0, 1, 2]).unwrap(), []);
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
    let mut detector = Detector::for_any(&forge.repo, &options()).unwrap();
    let detection = detector.update(&branches).unwrap();
    assert_eq!(detection.conflicts().count(), 0);
    let found = detector.emergent(&detection, &[0, 1, 2]).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].class, found[0].branches.as_slice()),
        (Class::ModifyDelete, &[0, 1, 2][..])
    );
}

#[test]
fn the_command_counts_an_emergent_conflict_as_found() {
    let forge = Forge::new(&emptied_together());
    let (code, out, _) = dispatch(&forge, &["one", "two", "adds"]);
    assert_eq!(code, 4);
    insta::assert_snapshot!(out, @r#"
    PAIR              PATH          CLASS                 RECOMMENDED
    one × two × adds  x/new, y/new  dir-rename-suggested  re-dispatch the last on top of the others

    3 branches, 3 pairs: 0 conflicts, 0 merged by git, 3 independent, 1 conflict of more than two
    "#);
    let (code, out, _) = dispatch(&forge, &["one", "two", "adds", "--json"]);
    assert_eq!(code, 4);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let expected = serde_json::json!([{
        "branches": ["one", "two", "adds"],
        "class": "dir-rename-suggested",
        "paths": ["x/new", "y/new"],
    }]);
    assert_eq!(value["emergent"], expected);
}

#[test]
fn replaced_commits_are_judged_as_git_sees_them() {
    let forge = Forge::new(&small());
    let c = &forge.commits;
    // To git, `beside` now is `two`; to libgit2 it still is what it was.
    forge
        .repo
        .git()
        .run(&["replace", &c[4].to_string(), &c[2].to_string()])
        .unwrap();
    let branches = named(&forge, &[("one", 1), ("beside", 4)]);
    let detection = detect(&forge.repo, &branches, &options()).unwrap();
    assert_eq!(detection.conflicts().count(), 1);
}

#[test]
fn a_history_that_ends_early_is_judged_all_the_same() {
    let forge = Forge::new(&small());
    let folder = tempfile::tempdir().unwrap();
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
    // git itself refuses: it no longer sees that they have something in common.
    let failed = detection
        .pairs
        .iter()
        .filter(|p| p.verdict == Verdict::EngineFailure);
    assert_eq!(failed.count(), 3);
}

// ---- the command -----------------------------------------------------------------------------

fn dispatch(forge: &Forge, args: &[&str]) -> (i32, String, String) {
    let program = Program::new(env!("CARGO_BIN_EXE_dispatch"))
        .arg("conflicts")
        .args(args)
        .folder(&forge.repo.top)
        .env("NO_COLOR", "1");
    let finished = program.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = finished.status.code().unwrap();
    (code, text(&finished.stdout), text(&finished.stderr))
}

#[test]
fn the_command_shows_what_conflicts() {
    let forge = Forge::new(&small());
    let (code, out, _) = dispatch(&forge, &["t*", "one", "beside"]);
    assert_eq!(code, 4);
    insta::assert_snapshot!(out, @r#"
    PAIR         PATH  CLASS    RECOMMENDED
    three × two  f     content  re-dispatch the later task on top
    three × one  f     content  re-dispatch the later task on top
    two × one    f     content  re-dispatch the later task on top

    4 branches, 6 pairs: 3 conflicts, 0 merged by git, 3 independent
    "#);
    let (code, out, _) = dispatch(&forge, &["one", "beside", "--all"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(out, @r#"
    PAIR          PATH  CLASS        RECOMMENDED
    one × beside        independent  nothing to do

    2 branches, 1 pair: 0 conflicts, 0 merged by git, 1 independent
    "#);
    let (_, out, _) = dispatch(&forge, &["one", "two", "beside", "--matrix"]);
    insta::assert_snapshot!(out, @r#"
              1 2 3
    1 one     - 3 .
    2 two     3 - .
    3 beside  . . -

    1 trivial  2 mechanical  3 semantic risk  4 structural  5 blocked  ! git failed  . nothing

    3 branches, 3 pairs: 1 conflict, 0 merged by git, 2 independent
    "#);
}

#[test]
fn the_command_refuses_what_it_cannot_compare() {
    let forge = Forge::new(&small());
    let (code, out, err) = dispatch(&forge, &["one"]);
    assert_eq!((code, out.as_str()), (2, ""));
    insta::assert_snapshot!(err, @r#"
    error: there is only "one" to compare
    hint: name two or more branches: `dispatch conflicts main feature/x`
    hint: or a glob in quotes: `dispatch conflicts 'feature/*'`
    "#);
    let (code, _, err) = dispatch(&forge, &["one", "besdie"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!(err, @r#"
    error: there is no run, branch or revision "besdie"
    hint: did you mean beside?
    "#);
    let (code, _, err) = dispatch(&forge, &["nothing/*", "one"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!(err, @r#"
    error: no branch matches "nothing/*"
    hint: `git branch --list` shows the branches there are
    "#);
}

#[test]
fn the_json_form_has_the_promised_fields() {
    let forge = Forge::new(&small());
    let (code, out, _) = dispatch(&forge, &["one", "two", "beside", "--json", "--all"]);
    assert_eq!(code, 4);
    assert_eq!(out.lines().count(), 1);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let mut text = serde_json::to_string_pretty(&value).unwrap();
    for (place, name) in ["main", "one", "two", "three", "beside"].iter().enumerate() {
        text = text.replace(&forge.commits[place].to_string(), &format!("<{name}>"));
    }
    insta::with_settings!({filters => vec![("[0-9a-f]{40}", "<tree>")]}, {
        insta::assert_snapshot!(text, @r#"
        {
          "base": "<main>",
          "branches": [
            {
              "name": "one",
              "tip": "<one>"
            },
            {
              "name": "two",
              "tip": "<two>"
            },
            {
              "name": "beside",
              "tip": "<beside>"
            }
          ],
          "emergent": [],
          "merges_run": 1,
          "pairs": [
            {
              "a": "one",
              "b": "two",
              "class": "content",
              "severity": 3,
              "tree": "<tree>",
              "units": [
                {
                  "class": "content",
                  "hunks": [
                    {
                      "a": {
                        "count": 1,
                        "start": 2
                      },
                      "b": {
                        "count": 1,
                        "start": 2
                      },
                      "base": {
                        "count": 1,
                        "start": 2
                      },
                      "class": "overlap"
                    }
                  ],
                  "paths": [
                    "f"
                  ]
                }
              ],
              "verdict": "conflict"
            },
            {
              "a": "one",
              "b": "beside",
              "class": "independent",
              "severity": 0,
              "tree": null,
              "units": [],
              "verdict": "clean"
            },
            {
              "a": "two",
              "b": "beside",
              "class": "independent",
              "severity": 0,
              "tree": null,
              "units": [],
              "verdict": "clean"
            }
          ],
          "pairs_independent": 2,
          "pairs_total": 3,
          "version": 1
        }
        "#);
    });
}
