//! The samples of the README, run for real.

use std::fs;

use serde_json::Value;

use super::{Place, blocks, chapter};

/// Seven hexadecimal digits that stand alone become the same everywhere.
fn without_ids(text: &str) -> String {
    let is_id = |word: &str| {
        word.len() == 7
            && word
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
    };
    let word = |word: &str| match is_id(word) {
        true => "0000000".to_owned(),
        false => word.to_owned(),
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Every key of the sample, and of what is in it, is in the real thing; a list in the sample is
/// compared by its first item, where the real one has any.
fn assert_has_keys(sample: &Value, real: &Value, at: &str) {
    match (sample, real) {
        (Value::Object(sample), Value::Object(real)) => {
            for (key, value) in sample {
                let real = real.get(key).unwrap_or_else(|| panic!("no {at}.{key}"));
                assert_has_keys(value, real, &format!("{at}.{key}"));
            }
        }
        (Value::Array(sample), Value::Array(real)) => {
            if let (Some(sample), Some(real)) = (sample.first(), real.first()) {
                assert_has_keys(sample, real, at);
            }
        }
        (Value::Object(_) | Value::Array(_), other) => panic!("{at} is {other}"),
        _ => {}
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn the_demo_is_what_the_readme_shows() {
    let place = Place::new();
    let said = place.succeed(".", "dispatch", &["demo", "garden"]);
    let block = blocks("console")[0];
    let (command, shown) = block.split_once("p'\n").unwrap();
    assert!(command.contains("DISPATCH_CLOCK=2026-11-22T09:14:00Z DISPATCH_SEED=1 NO_COLOR=1"));
    let (from, to) = (
        said.find("\nGarden greeter\n").unwrap(),
        "## Dispatch Complete\n",
    );
    let cut = &said[from + 1..said.find(to).unwrap() + to.len()];
    assert_eq!(without_ids(cut), without_ids(shown));

    programs_read_what_the_readme_shows(&place);
    git_reads_everything(&place);
}

fn programs_read_what_the_readme_shows(place: &Place) {
    let samples: Vec<Value> = blocks("json").into_iter().map(json).collect();
    assert_eq!(samples.len(), 6);
    let sample = |key: &str| {
        samples
            .iter()
            .find(|sample| sample.get(key).is_some())
            .unwrap()
    };
    let status = place.succeed("garden", "dispatch", &["status", "--json"]);
    assert_has_keys(sample("tasks"), &json(&status), "status");
    let board = place.succeed("garden", "dispatch", &["board", "--json"]);
    assert_eq!(json(&board), json(&status));
    let conflicts = place.run("garden", "dispatch", &["conflicts", "--json"]);
    assert_eq!(conflicts.code, 4);
    assert_has_keys(sample("pairs_total"), &json(&conflicts.out), "conflicts");
    let review = samples
        .iter()
        .find(|sample| sample["tasks"][0].get("files").is_some())
        .unwrap();
    let said = place.succeed("garden", "dispatch", &["review", "--json"]);
    assert_has_keys(review, &json(&said), "review");
    let event = sample("event").to_string();
    git_dispatch::journal::record::parse_record(&event).unwrap();
}

/// The commands of the chapter, each on its own: all of them answer.
fn git_reads_everything(place: &Place) {
    let text = chapter("Reading everything with plain git");
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("git "))
        .collect();
    assert!(lines.len() > 6);
    for line in lines {
        let script = format!("run=garden-vrhy; {line}");
        let said = place.succeed("garden", "sh", &["-c", &script]);
        assert!(!said.trim().is_empty(), "{line}");
    }
}

#[test]
fn every_plan_of_the_readme_is_one() {
    let place = Place::new();
    fs::create_dir(place.path("prompts")).unwrap();
    fs::write(place.path("prompts/docs.md"), "Write it.\n").unwrap();
    let plans = blocks("markdown").into_iter().map(|text| ("plan.md", text));
    let tables = blocks("toml")
        .into_iter()
        .filter(|text| text.contains("[[task]]"));
    let plans: Vec<_> = plans
        .chain(tables.map(|text| ("plan.toml", text)))
        .collect();
    assert_eq!(plans.len(), 3);
    for (name, text) in plans {
        fs::write(place.path(name), text).unwrap();
        let ended = place.run(".", "dispatch", &["plan", "check", name]);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{text}");
    }
}

#[test]
fn every_setting_of_the_readme_is_one() {
    use git_dispatch::config::{Sources, resolve};
    let settings = blocks("toml")
        .into_iter()
        .filter(|text| !text.contains("[[task]]"));
    let mut seen = 0;
    for text in settings {
        let sources = Sources {
            repo_file: Some((".dispatch.toml".into(), text.to_owned())),
            ..Sources::default()
        };
        resolve(&sources).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn the_report_of_a_worker_is_understood() {
    let sample = blocks("json")
        .into_iter()
        .find(|text| text.contains("\"summary\""))
        .unwrap();
    let report = git_dispatch::worker::result::parse_result(sample.as_bytes()).unwrap();
    let kept = serde_json::to_value(&report).unwrap();
    assert_eq!(kept, json(sample), "no key is dropped");
}

#[test]
fn the_first_steps_lead_to_the_end() {
    let place = Place::new();
    fs::create_dir(place.path("shop")).unwrap();
    fs::write(place.path("shop/README.md"), "# Shop\n\nTODO: more\n").unwrap();
    for args in [
        &["init", "-q", "-b", "main"][..],
        &["config", "user.name", "A"],
        &["config", "user.email", "a@example.com"],
        &["add", "-A"],
        &["commit", "-q", "-m", "start"],
    ] {
        place.succeed("shop", "git", args);
    }
    fs::write(place.path("shop/plan.md"), blocks("markdown")[0]).unwrap();
    let ask = place.run("shop", "dispatch", &["run", "plan.md"]);
    assert_eq!(ask.code, 2, "{}", ask.err);
    place.succeed("shop", "dispatch", &["run", "plan.md", "--dry-run"]);
    place.succeed("shop", "dispatch", &["run", "plan.md", "--yes"]);
    place.succeed("shop", "dispatch", &["review"]);
    place.succeed("shop", "dispatch", &["land", "--yes"]);
    let readme = fs::read_to_string(place.path("shop/README.md")).unwrap();
    assert_eq!(readme, "# Shop\n\nTODO: more\n\nSee OPEN-ENDS.txt.\n");
    let board = fs::read_to_string(place.path("shop/DISPATCH.md")).unwrap();
    assert!(
        board.contains("| 3 | Name the notes in the README | shell-3 | DONE |"),
        "{board}"
    );
    place.succeed("shop", "dispatch", &["clean"]);
    let branches = place.succeed("shop", "git", &["branch", "--format=%(refname:short)"]);
    assert_eq!(branches, "main\n");
    let history = place.succeed("shop", "dispatch", &["history"]);
    assert!(history.contains("landed"), "{history}");
}
