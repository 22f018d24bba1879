//! A git that dies, stops or prints garbage in the middle of a batch: only the affected pair has no
//! verdict, and no pair has a wrong one.

use crate::harness::temp_folder;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use git_dispatch::base::process::{Program, find_program};
use serde_json::Value;

use crate::forge::{Files, Forge, Planned, files, planned};

/// Branches that all meet at `f`; every other one conflicts with its like.
const BRANCHES: usize = 9;

/// With an attribute at `f`, or git would be asked about its contents alone, of all pairs at once.
fn many() -> Vec<Planned> {
    many_with(&[(".gitattributes", "f merge=text|")])
}

fn many_with(more: &[(&str, &str)]) -> Vec<Planned> {
    let with = |n: usize| -> Files {
        let lines: Vec<String> = (0..40)
            .map(|line| match line == 4 * n {
                true => format!("line {line} of {n}|"),
                false => format!("line {line}|"),
            })
            .collect();
        let head = if n % 2 == 1 {
            format!("odd {n}|")
        } else {
            "head|".to_owned()
        };
        let text = head + "between|between|" + &lines.concat();
        files(&[&[("f", text.as_str())], more].concat())
    };
    let main = planned("main", &[], &with(BRANCHES + 1));
    let rest = (0..BRANCHES).map(|n| planned(format!("b{n}"), &[0], &with(n)));
    std::iter::once(main).chain(rest).collect()
}

/// A `git` that hands everything on, but `merge-tree` goes through a script with the batch in `$in`
/// and the real answer at hand as `real`.
fn wrapper(folder: &Path, script: &str) {
    let git = find_program("git").unwrap();
    let text = format!(
        "#!/bin/bash\nreal() {{ {git:?} \"${{all[@]}}\"; }}\nall=(\"$@\")\n\
         case \" $* \" in *' merge-tree '*) ;; *) real; exit ;; esac\nin=$(cat)\n{script}\n"
    );
    let path = folder.join("git");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn verdicts(forge: &Forge, script: Option<&str>) -> Vec<(String, String, String)> {
    let folder = temp_folder();
    let mut program = Program::new(env!("CARGO_BIN_EXE_dispatch"))
        .args(["conflicts", "b*", "--json"])
        .folder(&forge.repo.top);
    if let Some(script) = script {
        wrapper(folder.path(), script);
        let path = std::env::var_os("PATH").unwrap();
        let rest = std::env::split_paths(&path);
        let path = std::env::join_paths(std::iter::once(folder.path().to_owned()).chain(rest));
        program = program.env("PATH", path.unwrap());
    }
    let _ = fs::remove_dir_all(forge.repo.common.join("dispatch/cache"));
    let finished = program.output().unwrap();
    let report: Value = serde_json::from_slice(&finished.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&finished.stderr)));
    let word = |pair: &Value, name: &str| pair[name].as_str().unwrap().to_owned();
    let pairs = report["pairs"].as_array().unwrap().iter();
    pairs
        .map(|pair| {
            let names = format!("{} {}", word(pair, "a"), word(pair, "b"));
            (names, word(pair, "verdict"), word(pair, "class"))
        })
        .collect()
}

fn tip(forge: &Forge, n: usize) -> String {
    forge.commits[n + 1].to_string()
}

/// Everything but the pair of b3 and b6 is as git says without the script, and that one failed.
fn only_one_fails(script: &str) {
    let forge = Forge::new(&many());
    let expected = verdicts(&forge, None);
    assert!(expected.iter().any(|(_, verdict, _)| verdict == "conflict"));
    assert!(expected.iter().any(|(_, verdict, _)| verdict == "clean"));
    let (ours, theirs) = (tip(&forge, 3), tip(&forge, 6));
    let script = script.replace("BAD", &format!("{ours} {theirs}"));
    for (found, expected) in verdicts(&forge, Some(&script)).into_iter().zip(expected) {
        match found.0.as_str() {
            "b3 b6" => assert_eq!(found.1, "engine-failure", "{script}"),
            _ => assert_eq!(found, expected, "{script}"),
        }
    }
    // And the failure was not kept.
    assert_eq!(verdicts_kept(&forge), verdicts(&forge, None));
}

fn verdicts_kept(forge: &Forge) -> Vec<(String, String, String)> {
    let program = Program::new(env!("CARGO_BIN_EXE_dispatch"))
        .args(["conflicts", "b*", "--json"])
        .folder(&forge.repo.top);
    let report: Value = serde_json::from_slice(&program.output().unwrap().stdout).unwrap();
    let word = |pair: &Value, name: &str| pair[name].as_str().unwrap().to_owned();
    let pairs = report["pairs"].as_array().unwrap().iter();
    pairs
        .map(|pair| {
            let names = format!("{} {}", word(pair, "a"), word(pair, "b"));
            (names, word(pair, "verdict"), word(pair, "class"))
        })
        .collect()
}

#[test]
fn a_git_that_dies_on_one_pair() {
    only_one_fails(
        "echo \"$in\" | sed '/BAD/,$d' | real\n\
         case $in in *'BAD'*) kill -ABRT $$ ;; esac",
    );
}

#[test]
fn a_git_that_prints_nonsense_for_one_pair_and_goes_on() {
    only_one_fails(
        "while IFS= read -r line; do case $line in\n\
         'BAD') printf 'what\\0is\\0this\\0\\0\\0' ;;\n\
         *) echo \"$line\" | real ;; esac; done <<< \"$in\"",
    );
}

#[test]
fn a_git_that_breaks_off_in_the_middle_of_an_answer() {
    only_one_fails(
        "while IFS= read -r line; do case $line in\n\
         'BAD') echo \"$line\" | real | head -c 60; exit 0 ;;\n\
         *) echo \"$line\" | real ;; esac; done <<< \"$in\"",
    );
}

#[test]
fn a_git_that_says_nothing_about_one_pair_and_goes_on_with_the_next() {
    // The answers do not say which pair they are about: too few of them are no answers at all.
    only_one_fails("echo \"$in\" | sed '/BAD/d' | real");
}

#[test]
fn a_git_that_never_merges_anything() {
    let forge = Forge::new(&many());
    for script in ["exit 1", "echo 'fatal: no' >&2; exit 128", "echo hello"] {
        let found = verdicts(&forge, Some(script));
        assert_eq!(found.len(), BRANCHES * (BRANCHES - 1) / 2);
        assert!(
            found
                .iter()
                .all(|(_, verdict, _)| verdict == "engine-failure")
        );
    }
}

#[test]
fn a_git_that_dies_on_the_contents_of_all_pairs_is_asked_about_each_pair() {
    let forge = Forge::new(&many_with(&[]));
    let expected = verdicts(&forge, None);
    assert!(expected.iter().any(|(_, verdict, _)| verdict == "conflict"));
    assert!(expected.iter().any(|(_, verdict, _)| verdict == "clean"));
    // Only the engine for contents alone shuts out the attributes of the system.
    let here = "[ -n \"$GIT_ATTR_NOSYSTEM\" ]";
    for script in ["kill -ABRT $$", "echo nonsense; exit", "exit 1"] {
        let log = tempfile::NamedTempFile::new().unwrap();
        let said = log.path().display();
        let script = format!("if {here}; then echo x >> {said}; {script}; fi; echo \"$in\" | real");
        assert_eq!(verdicts(&forge, Some(&script)), expected, "{script}");
        assert!(!fs::read(log.path()).unwrap().is_empty(), "it was asked");
    }
}
