//! Named situations from a text file, each with the verdict it must get, both ways round.

use std::path::Path;

use git_dispatch::base::process::Program;
use git_dispatch::conflicts::{Detector, Options, Reproduction, detect};
use git_dispatch::merge::verdict::Verdict;

use crate::forge::{
    EXEC, FILE, File, Files, Forge, LINK, SUBMODULE, again_with_the_other_git, branch, options,
    planned, show,
};

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

/// Removes a file, or everything below a directory.
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

/// Creates base, ours and theirs of every situation.
fn forged(situations: &[Situation]) -> Forge {
    let mut commits = Vec::new();
    for (n, situation) in situations.iter().enumerate() {
        commits.push(planned(format!("s{n}/base"), &[], &situation.base));
        commits.push(planned(format!("s{n}/ours"), &[3 * n], &situation.ours));
        commits.push(planned(format!("s{n}/theirs"), &[3 * n], &situation.theirs));
    }
    Forge::new(&commits)
}

#[test]
fn every_situation_gets_its_verdict() {
    let situations = situations();
    assert!(situations.len() >= 70);
    let forge = forged(&situations);
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
    again_with_the_other_git("situations::every_situation_gets_its_verdict", &[]);
}

#[test]
fn the_command_for_sceptics_shows_every_verdict_and_tree() {
    let situations = situations();
    let forge = forged(&situations);
    let store = forge.store();
    // With a base that was asked for the command is another one.
    for asked in [false, true] {
        let step = if asked { 5 } else { 1 };
        for (n, situation) in situations.iter().enumerate().step_by(step) {
            let [base, ours, theirs] = [0, 1, 2].map(|place| forge.commits[3 * n + place]);
            let options = Options {
                base: asked.then_some(base),
                ..options()
            };
            let mut detector = Detector::new(&forge.repo, &options).unwrap();
            let branches = [branch("ours", ours), branch("theirs", theirs)];
            let verdict = detector.update(&branches).unwrap().pairs.pop();
            let attributes = verdict.as_ref().and_then(|pair| pair.attributes);
            let attributes = attributes.unwrap_or(base);
            let sceptic = Reproduction::new(&forge.repo, &store, attributes, options.base);
            let command = sceptic.unwrap().command(ours, theirs);
            let program = Program::new("sh").args(["-c", &command]);
            let finished = program.folder(&forge.repo.top).output().unwrap();
            let what = format!("{}: {command}", situation.name);
            let expected = match verdict.as_ref().map(|pair| pair.verdict) {
                None | Some(Verdict::Clean) => Some(0),
                Some(Verdict::Conflict) => Some(1),
                Some(Verdict::EngineFailure) => continue,
            };
            let errors = String::from_utf8_lossy(&finished.stderr);
            assert_eq!(finished.status.code(), expected, "{what}\n{errors}");
            // In a conflict the names of what was merged are part of the tree.
            if let Some(tree) = verdict.and_then(|pair| pair.tree)
                && (expected == Some(0) || !asked)
            {
                let said = String::from_utf8_lossy(&finished.stdout);
                assert_eq!(
                    said.lines().next(),
                    Some(tree.to_string().as_str()),
                    "{what}"
                );
            }
        }
    }
}

#[test]
fn the_command_for_sceptics_shows_every_verdict_with_the_other_git() {
    let test = "situations::the_command_for_sceptics_shows_every_verdict_and_tree";
    again_with_the_other_git(test, &[]);
}
