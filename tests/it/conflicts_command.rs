//! `dispatch conflicts` for users and programs.

use crate::harness::temp_folder;
use git_dispatch::base::process::Program;

use crate::conflicts::emptied_together;
use crate::forge::{BEFORE_GIT_2_41, Forge, MERGED_ONE_BY_ONE, files, planned, small};

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
    insta::assert_snapshot!(out, @"
    PAIR         PATH  KIND     SUGGESTED
    three × two  f     content  re-dispatch the later task on top
    three × one  f     content  re-dispatch the later task on top
    two × one    f     content  re-dispatch the later task on top

    4 branches, 6 pairs: 3 conflicts, 0 merged by git, 3 independent
    ");
    let (code, out, _) = dispatch(&forge, &["one", "beside", "--all"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(out, @r#"
    PAIR          PATH  KIND         SUGGESTED
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
    hint: `git branch --list --all` lists the branches, `git for-each-ref` all references
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
    insta::with_settings!({filters => vec![("[0-9a-f]{40}", "<tree>"), BEFORE_GIT_2_41]}, {
        insta::assert_snapshot!(text, @r#"
        {
          "version": 1,
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
          "pairs_total": 3,
          "pairs_independent": 2,
          "merges_run": 1,
          "pairs": [
            {
              "a": "one",
              "b": "two",
              "verdict": "conflict",
              "conflict": true,
              "class": "content",
              "severity": 3,
              "bases": [
                "<main>"
              ],
              "tree": "<tree>",
              "independent": false,
              "suggested": "re-dispatch the later task on top",
              "units": [
                {
                  "class": "content",
                  "paths": [
                    "f"
                  ],
                  "hunks": [
                    {
                      "class": "overlap",
                      "base": {
                        "start": 2,
                        "count": 1
                      },
                      "a": {
                        "start": 2,
                        "count": 1
                      },
                      "b": {
                        "start": 2,
                        "count": 1
                      }
                    }
                  ],
                  "policy": []
                }
              ],
              "command": "GIT_ATTR_SOURCE=<main> git merge-tree --write-tree <one> <two>"
            },
            {
              "a": "one",
              "b": "beside",
              "verdict": "clean",
              "conflict": false,
              "class": "independent",
              "severity": 0,
              "bases": [
                "<main>"
              ],
              "tree": null,
              "independent": true,
              "suggested": "nothing to do",
              "units": [],
              "command": "GIT_ATTR_SOURCE=<main> git merge-tree --write-tree <one> <beside>"
            },
            {
              "a": "two",
              "b": "beside",
              "verdict": "clean",
              "conflict": false,
              "class": "independent",
              "severity": 0,
              "bases": [
                "<main>"
              ],
              "tree": null,
              "independent": true,
              "suggested": "nothing to do",
              "units": [],
              "command": "GIT_ATTR_SOURCE=<main> git merge-tree --write-tree <two> <beside>"
            }
          ],
          "multiway": [],
          "multiway_search": {
            "branches": 2,
            "searched": 2,
            "complete": true
          }
        }
        "#);
    });
}

#[test]
fn the_command_counts_an_emergent_conflict_as_found() {
    let forge = Forge::new(&emptied_together());
    let (code, out, _) = dispatch(&forge, &["one", "two", "adds"]);
    assert_eq!(code, 4);
    insta::assert_snapshot!(out, @"
    PAIR              PATH          KIND                  SUGGESTED
    one × two × adds  x/new, y/new  dir-rename-suggested  re-dispatch the last on top of the others

    3 branches, 3 pairs: 0 conflicts, 0 merged by git, 3 independent, 1 conflict of more than two
    ");
    let (code, out, _) = dispatch(&forge, &["one", "two", "adds", "--json"]);
    assert_eq!(code, 4);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let mut multiway = value["multiway"][0].clone();
    let command = multiway["command"].take();
    let expected = serde_json::json!({
        "branches": ["one", "two", "adds"],
        "class": "dir-rename-suggested",
        "command": null,
        "paths": ["x/new", "y/new"],
        "suggested": "re-dispatch the last on top of the others",
        "severity": 3,
        "smallest": true,
    });
    assert_eq!(multiway, expected);
    let (code, said) = typed(&forge, command.as_str().unwrap());
    assert_eq!(code, 1, "{command}");
    assert!(said.contains("CONFLICT (file location)"), "{said}");
}

#[test]
fn a_search_that_was_cut_short_says_so_and_can_go_to_the_end() {
    let lines = |changed: usize| {
        let line = |n| format!("{}{n}|", if n == changed { "CHANGED " } else { "line " });
        (0..320).map(line).collect::<String>()
    };
    let mut commits = emptied_together();
    commits.truncate(4);
    for commit in &mut commits {
        commit
            .files
            .extend(files(&[("crowd", &lines(999)), MERGED_ONE_BY_ONE]));
    }
    for n in 0..110 {
        let mut files = commits[0].files.clone();
        files.extend(self::files(&[("crowd", &lines(2 * n)), MERGED_ONE_BY_ONE]));
        commits.push(planned(format!("crowd/{n}"), &[0], &files));
    }
    let forge = Forge::new(&commits);
    let args = ["crowd/*", "one", "two", "adds"];
    let (code, out, _) = dispatch(&forge, &args);
    assert_eq!(code, 0, "{out}");
    let last = out.lines().last().unwrap();
    insta::assert_snapshot!(last, @"Searched 101 of the 113 branches that merge in pairs for conflicts of more than two; `--together` searches all");
    let args = [&args[..], &["--together", "--json"]].concat();
    let (code, out, _) = dispatch(&forge, &args);
    assert_eq!(code, 4, "{out}");
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let expected = serde_json::json!({"branches": 113, "searched": 113, "complete": true});
    assert_eq!(value["multiway_search"], expected);
    let guilty = serde_json::json!(["one", "two", "adds"]);
    assert_eq!(value["multiway"][0]["branches"], guilty);
}

/// Runs a command in the repository through a shell.
fn typed(forge: &Forge, command: &str) -> (i32, String) {
    let program = Program::new("sh").args(["-c", command]);
    let finished = program.folder(&forge.repo.top).output().unwrap();
    let out = String::from_utf8(finished.stdout).unwrap();
    (finished.status.code().unwrap(), out)
}

#[test]
fn names_that_only_some_file_systems_keep_apart_count_and_say_why() {
    let base = ("f", "1|2|3|4|5|6|7|8|9|");
    let with = |more: &[(&str, &str)]| files(&[&[base], more].concat());
    let forge = Forge::new(&[
        planned("main", &[], &with(&[])),
        planned("upper", &[0], &with(&[("docs/It's.md", "u|")])),
        planned("lower", &[0], &with(&[("docs/it's.md", "l|")])),
        planned("composed", &[0], &with(&[("caf\u{e9}", "c|")])),
        planned("decomposed", &[0], &with(&[("cafe\u{301}", "d|")])),
    ]);
    for (a, b) in [("upper", "lower"), ("composed", "decomposed")] {
        let (code, out, _) = dispatch(&forge, &[a, b, "--json"]);
        assert_eq!(code, 4);
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        let pair = &value["pairs"][0];
        // The verdict is git's; the reason why it counts anyway is given beside it.
        assert_eq!(pair["verdict"], "clean");
        assert_eq!(pair["class"], "case-collision");
        assert_eq!(pair["conflict"], true);
        assert_eq!(pair["bases"][0], forge.commits[0].to_string());
        let why = pair["reason"].as_str().unwrap();
        assert!(why.contains("a file system that ignores case"), "{why}");
        let (code, listed) = typed(&forge, pair["command"].as_str().unwrap());
        assert_eq!((code, listed.lines().count()), (0, 2), "{listed}");
        let (code, out, _) = dispatch(&forge, &["--explain", a, b]);
        assert_eq!(code, 4);
        assert!(
            out.contains(&format!("It counts as a conflict: {why}\n")),
            "{out}"
        );
        let (_, again) = typed(&forge, out.lines().last().unwrap());
        assert_eq!(again, listed);
    }
}

#[test]
fn the_command_of_a_pair_that_needed_no_merge_gives_its_tree() {
    let forge = Forge::new(&small());
    let (_, out, _) = dispatch(&forge, &["one", "beside", "--json", "--all"]);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let pair = &value["pairs"][0];
    assert_eq!(pair["independent"], true);
    let (code, tree) = typed(&forge, pair["command"].as_str().unwrap());
    let git = forge.repo.git();
    let (one, beside) = (forge.commits[1].to_string(), forge.commits[4].to_string());
    let changed = |from: &str| {
        let range = ["diff-tree", "-r", "--name-only", from, tree.trim()];
        git.line(&range).unwrap()
    };
    assert_eq!(code, 0);
    assert_eq!((changed(&one), changed(&beside)), ("g".into(), "f".into()));
}

#[test]
fn a_repository_that_may_only_be_read_is_compared_elsewhere() {
    let forge = Forge::new(&small());
    // Nothing can be written below it, whoever asks.
    std::fs::write(forge.repo.dispatch_folder(), "in the way").unwrap();
    let elsewhere = temp_folder();
    let program = Program::new(env!("CARGO_BIN_EXE_dispatch"))
        .args(["conflicts", "one", "two", "beside"])
        .folder(&forge.repo.top)
        .env("TMPDIR", elsewhere.path());
    for _ in 0..2 {
        let finished = program.output().unwrap();
        let said = String::from_utf8_lossy(&finished.stderr).into_owned();
        assert_eq!((finished.status.code(), said.as_str()), (Some(4), ""));
        let left = std::fs::read_dir(elsewhere.path()).unwrap();
        assert_eq!(left.count(), 0);
    }
}

#[test]
fn what_git_failed_with_stands_beside_what_to_do() {
    let forge = Forge::new(&small());
    let (_, out, _) = dispatch(&forge, &["one", "stranger"]);
    let line = out.lines().nth(1).unwrap();
    insta::assert_snapshot!(line, @"one × stranger        engine-failure  needs attention: refusing to merge unrelated histories");
}
