//! `dispatch conflicts` in detail: filters, one explained pair, fetched references, tasks of a run.

use std::fs;

use git_dispatch::base::files::FileLock;
use git_dispatch::base::process::Program;
use git_dispatch::git::Git;

use crate::forge::{BEFORE_GIT_2_41, Forge, LINK, files, planned, small};
use crate::harness::Scene;

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

/// A text conflict of severity 3, one of severity 1, and a modification of what another deleted.
fn three_kinds() -> Forge {
    let base = [
        ("src/f", "a|b|c|"),
        ("v", "version = 1.0.0|"),
        ("gone", "1|2|3|"),
    ];
    Forge::new(&[
        planned("main", &[], &files(&base)),
        planned(
            "a",
            &[0],
            &files(&[("src/f", "a|one|c|"), base[1], base[2]]),
        ),
        planned(
            "b",
            &[0],
            &files(&[("src/f", "a|two|c|"), base[1], base[2]]),
        ),
        planned(
            "v1",
            &[0],
            &files(&[base[0], ("v", "version = 1.1.0|"), base[2]]),
        ),
        planned(
            "v2",
            &[0],
            &files(&[base[0], ("v", "version = 1.0.1|"), base[2]]),
        ),
        planned("del", &[0], &files(&[base[0], base[1]])),
        planned(
            "mod",
            &[0],
            &files(&[base[0], base[1], ("gone", "1|two|3|")]),
        ),
    ])
}

const ALL: [&str; 6] = ["a", "b", "v1", "v2", "del", "mod"];

fn with(more: &[&'static str]) -> Vec<&'static str> {
    [&ALL[..], more].concat()
}

#[test]
fn filters_decide_what_is_shown_and_what_counts() {
    let forge = three_kinds();
    let (code, out, _) = dispatch(&forge, &with(&[]));
    assert_eq!(code, 4);
    insta::assert_snapshot!(out, @"
    PAIR       PATH   KIND           SUGGESTED
    a × b      src/f  content        re-dispatch the later task on top
    v1 × v2    v      content        re-dispatch the later task on top
    del × mod  gone   modify-delete  re-dispatch the modifier on top of the deleter

    6 branches, 15 pairs: 3 conflicts, 0 merged by git, 12 independent
    ");
    let shown = |more: &[&'static str]| {
        let (code, out, _) = dispatch(&forge, &with(more));
        let pairs = out.lines().filter(|line| line.contains('×'));
        let pairs: Vec<&str> = pairs.map(|line| line.split("  ").next().unwrap()).collect();
        format!("{code} {}", pairs.join(", "))
    };
    assert_eq!(shown(&["--severity", "2"]), "4 a × b, del × mod");
    assert_eq!(shown(&["--severity", "4"]), "0 ");
    // A filtered pair is not independent.
    assert_eq!(shown(&["--severity", "4", "--all"]), "0 ");
    assert_eq!(shown(&["--class", "modify-delete"]), "4 del × mod");
    assert_eq!(shown(&["--class", "version"]), "4 v1 × v2");
    assert_eq!(
        shown(&["--class", "version", "--class", "overlap"]),
        "4 a × b, v1 × v2"
    );
    assert_eq!(shown(&["--class", "binary"]), "0 ");
    assert_eq!(shown(&["--paths", "src/*"]), "4 a × b");
    assert_eq!(shown(&["--paths", "src"]), "4 a × b");
    assert_eq!(shown(&["--paths", "f"]), "4 a × b");
    assert_eq!(shown(&["--paths", "*.rs"]), "0 ");
    assert_eq!(shown(&["--paths", "gone", "--severity", "4"]), "0 ");
    let (_, out, _) = dispatch(&forge, &with(&["--severity", "2"]));
    let last = out.lines().last().unwrap();
    assert!(
        last.ends_with("12 independent (1 conflict hidden by the filters)"),
        "{last}"
    );
    let (code, out, _) = dispatch(&forge, &with(&["--class", "version", "--json"]));
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, value["pairs"].as_array().unwrap().len()), (4, 1));
}

#[test]
fn a_pair_that_git_failed_on_counts_whatever_the_filters_say() {
    let forge = Forge::new(&small());
    let args = [
        "one",
        "stranger",
        "--severity",
        "5",
        "--class",
        "content",
        "--paths",
        "no",
    ];
    let (code, out, _) = dispatch(&forge, &args);
    assert_eq!(code, 4, "{out}");
    assert!(
        out.contains("one × stranger") && out.contains("engine-failure"),
        "{out}"
    );
}

#[test]
fn a_wrong_filter_is_refused_with_the_nearest_right_one() {
    let forge = Forge::new(&small());
    let (code, out, err) = dispatch(&forge, &["one", "two", "--class", "modfy-delete"]);
    assert_eq!((code, out.as_str()), (2, ""));
    insta::assert_snapshot!(err, @r#"
    error: invalid class of conflict "modfy-delete"
    hint: did you mean modify-delete?
    "#);
    let (code, _, err) = dispatch(&forge, &["one", "two", "--paths", "a["]);
    assert_eq!(code, 2);
    assert!(err.starts_with("error: invalid glob \"a[\""), "{err}");
    assert_eq!(dispatch(&forge, &["one", "two", "--severity", "6"]).0, 2);
}

#[test]
fn what_was_fetched_is_found_by_short_and_by_full_names() {
    let forge = Forge::new(&small());
    let git = Git::at(&forge.repo.top);
    let fetched = [
        ("refs/pull/1/head", 1),
        ("refs/pull/2/head", 2),
        ("refs/remotes/origin/pr/7", 3),
        ("refs/remotes/origin/pr/8", 4),
    ];
    for (name, place) in fetched {
        git.run(&["update-ref", name, &forge.commits[place].to_string()])
            .unwrap();
    }
    let first = |glob: &str| {
        let (code, out, err) = dispatch(&forge, &[glob]);
        format!("{code} {}{}", out.lines().nth(1).unwrap_or_default(), err)
    };
    let pulls = "4 pull/1/head × pull/2/head  f     content  re-dispatch the later task on top";
    assert_eq!(first("refs/pull/*/head"), pulls);
    assert_eq!(first("pull/*/head"), pulls);
    let (code, out, _) = dispatch(&forge, &["origin/pr/*", "--all"]);
    assert_eq!(code, 0);
    assert!(out.contains("origin/pr/7 × origin/pr/8"), "{out}");
    let (_, out, _) = dispatch(&forge, &["refs/*/pr/*", "pull/1/head"]);
    assert!(out.contains("origin/pr/7 × pull/1/head"), "{out}");
    // A branch of the same name takes precedence, so the short name would mean another commit.
    let three = forge.commits[3].to_string();
    git.run(&["update-ref", "refs/heads/pull/1/head", &three])
        .unwrap();
    let (_, out, _) = dispatch(&forge, &["refs/pull/*/head"]);
    assert!(out.contains("refs/pull/1/head × pull/2/head"), "{out}");
}

/// Replaces every id in a text by a short name, in order of appearance.
fn without_ids(text: &str, names: &[(String, &str)]) -> String {
    let mut text = text.to_owned();
    for (oid, name) in names {
        text = text.replace(oid, &format!("<{name}>"));
    }
    text
}

#[test]
fn one_pair_is_explained_with_all_that_reproduces_it() {
    let forge = three_kinds();
    let (code, out, _) = dispatch(&forge, &["--explain", "a:b"]);
    assert_eq!(code, 4);
    let names = ["main", "a", "b"];
    let ids = names.iter().zip(&forge.commits);
    let ids: Vec<_> = ids.map(|(name, oid)| (oid.to_string(), *name)).collect();
    insta::with_settings!({filters => vec![("[0-9a-f]{40}", "<tree>"), BEFORE_GIT_2_41]}, {
        insta::assert_snapshot!(without_ids(&out, &ids), @"
        a × b: conflict, content, severity 3 (semantic risk)
        Suggested: re-dispatch the later task on top
        Policy: no rule resolves it

          branch  a
                  commit <a>
                  tree   <tree>
          branch  b
                  commit <b>
                  tree   <tree>
          base    commit <main>
                  tree   <tree>
          merged  tree   <tree>

        src/f: content
          hunk 1 of 1: overlap, severity 3 (semantic risk)
          base line 2
            | b
          a line 2
            | [-b-]{+one+}
          b line 2
            | [-b-]{+two+}

        Messages of git
          Auto-merging src/f
          CONFLICT (content): Merge conflict in src/f

        Reproduce
          GIT_ATTR_SOURCE=<main> git merge-tree --write-tree <a> <b>
        ");
    });
    let (code, out, _) = dispatch(&forge, &["a", "del", "mod", "--explain", "del", "mod"]);
    assert_eq!(code, 4);
    let file = out
        .split("\n\n")
        .find(|part| part.starts_with("gone"))
        .unwrap();
    insta::assert_snapshot!(file, @"
    gone: modify-delete
      del deletes it; the changes of mod:
        |   1
        | - 2
        | + two
        |   3
    ");
    let (code, out, _) = dispatch(&forge, &["--explain", "a:v1"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("a × v1: independent\n"), "{out}");
}

#[test]
fn the_command_for_sceptics_gives_the_verdict_and_the_tree() {
    let forge = three_kinds();
    for (pair, code) in [("a:b", 1), ("del:mod", 1), ("a:v1", 0)] {
        let (_, out, _) = dispatch(&forge, &["--explain", pair]);
        let command = out.lines().last().unwrap().trim();
        let finished = Program::new("sh")
            .args(["-c", command])
            .folder(&forge.repo.top)
            .output()
            .unwrap();
        assert_eq!(finished.status.code(), Some(code), "{command}");
        let tree = String::from_utf8(finished.stdout).unwrap();
        let tree = tree.lines().next().unwrap().to_owned();
        assert_eq!(tree.len(), 40);
        if code == 1 {
            assert!(out.contains(&format!("  merged  tree   {tree}\n")), "{out}");
        }
    }
}

#[test]
fn a_pair_that_is_none_is_refused() {
    let forge = Forge::new(&small());
    let said = |args: &[&str]| {
        let (code, _, err) = dispatch(&forge, args);
        format!("{code} {err}")
    };
    insta::assert_snapshot!(said(&["one", "two", "--explain", "one"]), @r#"
    2 error: "one" does not name two branches
    hint: `--explain A:B` or `--explain A B`, with branches or with tasks of a run
    "#);
    insta::assert_snapshot!(said(&["one", "two", "--explain", "one:twoo"]), @r#"
    2 error: there is no branch "twoo" to compare
    hint: did you mean two?
    "#);
    insta::assert_snapshot!(said(&["one", "two", "--explain", "one:one"]), @r#"2 error: "one" and "one" are the same branch"#);
}

#[test]
fn the_schema_names_every_field_that_is_printed() {
    let forge = Forge::new(&small());
    let (code, schema, _) = dispatch(&forge, &["--schema"]);
    assert_eq!(code, 0);
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let (_, out, _) = dispatch(&forge, &["one", "two", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    check(&schema, &schema, &value, "");
    let required = schema["required"].as_array().unwrap();
    assert!(
        required.iter().any(|name| name == "pairs_total"),
        "{schema}"
    );
}

/// Checks that every field of a value is in its schema, recursively.
fn check(
    all: &serde_json::Value,
    schema: &serde_json::Value,
    value: &serde_json::Value,
    place: &str,
) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = all.pointer(name.trim_start_matches('#')).unwrap();
        return check(all, target, value, place);
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let known = schema["properties"].get(name);
        let known = known.unwrap_or_else(|| panic!("{place}.{name} is in no schema"));
        check(all, known, inner, &format!("{place}.{name}"));
    }
    for inner in value.as_array().into_iter().flatten() {
        check(all, &schema["items"], inner, &format!("{place}[]"));
    }
}

#[test]
fn what_a_killed_call_left_is_gone_after_the_next() {
    let forge = Forge::new(&small());
    let root = forge.repo.dispatch_folder().join("tmp");
    let left = root.join("quarantine-left");
    fs::create_dir_all(left.join("objects/ab")).unwrap();
    drop(FileLock::wait(&left.join(".dispatch-lock")).unwrap());
    let alive = root.join("quarantine-alive");
    fs::create_dir_all(&alive).unwrap();
    let _held = FileLock::wait(&alive.join(".dispatch-lock")).unwrap();
    let objects = || {
        Git::at(&forge.repo.top)
            .line(&["count-objects", "-v"])
            .unwrap()
    };
    let before = objects();
    assert_eq!(dispatch(&forge, &["one", "two"]).0, 4);
    let entries: Vec<_> = fs::read_dir(&root).unwrap().collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert!(alive.exists());
    assert_eq!(objects(), before, "nothing lands in the repository");
}

#[test]
fn a_run_is_shown_by_the_numbers_of_its_tasks() {
    let scene = Scene::new();
    let plan =
        "1. [AUTH] a\n   - run: echo a > same.txt\n2. [API] b\n   - run: echo b > same.txt\n";
    scene.run(plan, &[]).expect(4);
    let shown = scene.dispatch(&["conflicts"]).expect(4).out;
    insta::assert_snapshot!(shown, @"
    PAIR     PATH      KIND     SUGGESTED
    #1 × #2  same.txt  add-add  merge after #1, re-dispatch #2

    2 branches, 1 pair: 1 conflict, 0 merged by git, 0 independent
    ");
    let run = scene.run_name();
    let picture = scene
        .dispatch(&["conflicts", &run, "--matrix"])
        .expect(4)
        .out;
    assert!(picture.contains("1 AUTH  - 3\n2 API   3 -\n"), "{picture}");
    for args in [
        &["--explain", "1:2"][..],
        &["--explain", "#1", "api"],
        &["--explain", "1:2", &run],
        &[&run, "--explain", &scene.branch("auth"), "2"],
    ] {
        let args = [&["conflicts"], args].concat();
        let out = scene.dispatch(&args).expect(4).out;
        assert!(
            out.starts_with("#1 × #2: conflict, add-add"),
            "{args:?} {out}"
        );
        assert!(
            out.contains("| {+a+}\n") && out.contains("| {+b+}\n"),
            "{out}"
        );
    }
    let json = scene.dispatch(&["conflicts", "--json"]).expect(4).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["pairs"][0]["tasks"], serde_json::json!([1, 2]));
    assert_eq!(json["pairs"][0]["a"], scene.branch("auth"));
}

#[test]
fn an_inherited_conflict_has_one_suggestion_everywhere() {
    let scene = Scene::new();
    let plan = "1. [AUTH] a\n   - run: echo a > same.txt\n2. [API] b\n   - run: echo b > same.txt\n\
                3. [DOCS] c — blocked by #1\n   - run: echo c > other.txt\n";
    scene.run(plan, &[]).expect(4);
    let suggested = "resolved with the branches they build on";
    let table = scene.dispatch(&["conflicts"]).expect(4).out;
    assert!(
        table
            .lines()
            .any(|line| line.starts_with("#2 × #3") && line.ends_with(suggested)),
        "{table}"
    );
    let pair = scene
        .dispatch(&["conflicts", "--explain", "2:3"])
        .expect(4)
        .out;
    assert_eq!(
        pair.lines().nth(1).unwrap(),
        format!("Suggested: {suggested}")
    );
    let json = scene.dispatch(&["conflicts", "--json"]).expect(4).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["pairs"][1]["suggested"], suggested);
    assert!(
        scene
            .board()
            .contains(&format!("| #2 × #3 | same.txt | add-add | {suggested} |"))
    );
}

#[test]
fn tasks_without_a_candidate_keep_their_number_and_their_row() {
    let scene = Scene::new();
    let plan = "1. [AUTH] a\n   - run: echo a > same.txt\n2. [TEST] b\n   - run: exit 3\n\
                3. [API] c\n   - run: echo c > same.txt\n4. [INFO] d\n   - run: echo d\n   - produces: info\n";
    scene.run(plan, &[]).expect(3);
    let matrix = scene.dispatch(&["conflicts", "--matrix"]).expect(4).out;
    insta::assert_snapshot!(matrix, @"
            1 2 3 4
    1 AUTH  - x 3 x
    2 TEST  x - x x
    3 API   3 x - x
    4 INFO  x x x -

    1 trivial  2 mechanical  3 semantic risk  4 structural  5 blocked  ! git failed  . nothing  x no candidate
    #2 failed and has no candidate
    #4 changed nothing and has no candidate

    2 branches, 1 pair: 1 conflict, 0 merged by git, 0 independent
    ");
    let explained = scene.dispatch(&["conflicts", "--explain", "1:3"]);
    assert!(explained.expect(4).out.starts_with("#1 × #3: conflict"));
    let err = scene
        .dispatch(&["conflicts", "--explain", "1:2"])
        .expect(2)
        .err;
    insta::assert_snapshot!(err, @"
    error: #2 failed and has no candidate
    hint: `--explain A:B` takes two tasks with candidates
    ");
    let json = scene.dispatch(&["conflicts", "--json"]).expect(4).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let gaps = serde_json::json!([
        {"task": 2, "reason": "#2 failed and has no candidate"},
        {"task": 4, "reason": "#4 changed nothing and has no candidate"},
    ]);
    assert_eq!(json["without_candidate"], gaps);
}

#[test]
fn what_could_be_settled_by_rule_is_said_with_the_rules() {
    let forge = three_kinds();
    let (_, out, _) = dispatch(&forge, &["--explain", "v1:v2"]);
    let line = "Policy: resolved by version if `[resolve] policy` allows it";
    assert_eq!(out.lines().nth(2), Some(line), "{out}");
    let (_, out, _) = dispatch(&forge, &["v1", "v2", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    let policy = serde_json::json!(["version"]);
    assert_eq!(value["pairs"][0]["units"][0]["policy"], policy);
}

#[test]
fn links_are_explained_by_where_they_lead() {
    let to = |target: &str| {
        let mut files = files(&[("f", "a|")]);
        files.insert(b"link".to_vec(), (LINK, target.as_bytes().to_vec()));
        files
    };
    let forge = Forge::new(&[
        planned("main", &[], &to("f")),
        planned("one", &[0], &to("g")),
        planned("two", &[0], &to("../h")),
    ]);
    let (code, out, _) = dispatch(&forge, &["--explain", "one:two"]);
    assert_eq!(code, 4);
    let file = out.split("\n\n").find(|part| part.starts_with("link"));
    insta::assert_snapshot!(file.unwrap(), @r"
    link: symlink
      base: f
      one: g
      two: ../h
    ");
}

#[test]
fn two_runs_are_refused_for_what_they_are() {
    let scene = Scene::new();
    let plan = "1. [AUTH] a\n   - run: echo a > same.txt\n";
    scene.run(plan, &[]).expect(0);
    let run = scene.run_name();
    let err = scene.dispatch(&["conflicts", &run, &run]).expect(2).err;
    let expected = format!(
        "error: the run {run:?} cannot be compared with other targets\n\
         hint: `dispatch conflicts {run}` compares the candidates of its tasks\n\
         hint: to compare its branches with others, name them: they are below dispatch/{run}/\n"
    );
    assert_eq!(err, expected);
}

#[test]
fn odd_words_are_understood_or_refused_for_what_they_are() {
    let forge = Forge::new(&small());
    let git = Git::at(&forge.repo.top);
    git.run(&["config", "core.logAllRefUpdates", "always"])
        .unwrap();
    let two = forge.commits[2].to_string();
    git.run(&["update-ref", "refs/heads/moved", &two]).unwrap();
    // Braces of a revision are not a glob.
    let (code, out, err) = dispatch(&forge, &["one", "moved@{0}"]);
    assert_eq!(code, 4, "{err}");
    assert!(out.contains("one × moved@{0}"), "{out}");
    let (code, out, err) = dispatch(&forge, &["one^{commit}", "two"]);
    assert_eq!(code, 4, "{err}");
    assert!(out.contains("one^{commit} × two"), "{out}");
    let refused = |args: &[&str]| {
        let (code, out, err) = dispatch(&forge, args);
        assert_eq!(out, "");
        format!("{code} {}", err.lines().next().unwrap_or_default())
    };
    assert_eq!(
        refused(&["--explain", "one:nope"]),
        "1 error: there is no run, branch or revision \"nope\""
    );
    assert_eq!(
        refused(&["one", "two^{tree}"]),
        "1 error: \"two^{tree}\" does not name a commit"
    );
    assert_eq!(
        refused(&["--explain", "one"]),
        "2 error: \"one\" does not name two branches"
    );
    assert_eq!(
        refused(&["one", "two", "--paths", ""]),
        "2 error: an empty glob matches no path"
    );
}
