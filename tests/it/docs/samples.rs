//! Runs the samples of the documents.
//!
//! A `console` block holds commands (`$ …`) with all they print. They run in the repository of
//! `dispatch demo`. `DISPATCH_BLESS=1` writes what they print now into the document.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::{Document, Place, blocks, document, documents, may_rewrite, project, spans};

/// The run of the demo with the seed that all samples use.
const RUN: &str = "garden-vrhy";

/// The plan with mistakes of the chapter on plans.
const TYPO: &str =
    "1. [API] Build the API\n   - chek: npm test\n2. [DOCS] Write docs — blocked by #7\n";

/// Creates the repository of the demo, in the folder `garden`, with the plans that samples name.
fn garden() -> Place {
    let place = Place::new();
    place.succeed(".", "dispatch", &["demo", "--fast", "garden"]);
    let plans = document("docs/plans.md");
    fs::write(
        place.path("garden/checkout.md"),
        plans.blocks("markdown")[0],
    )
    .unwrap();
    fs::write(place.path("garden/typo.md"), TYPO).unwrap();
    place
}

/// Replaces object ids of seven digits, which differ from run to run.
fn without_ids(text: &str) -> String {
    let is_id = |word: &str| {
        let is_hex = |byte: u8| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase();
        word.len() == 7 && word.bytes().all(is_hex)
    };
    let word = |word: &str| match is_id(word) {
        true => "0000000".to_owned(),
        false => word.to_owned(),
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Renders the block with the present output of its commands.
fn run_console(place: &Place, block: &str) -> String {
    let commands = block.lines().filter_map(|line| line.strip_prefix("$ "));
    let mut now = String::new();
    for command in commands {
        let ended = place.run("garden", "sh", &["-c", &format!("{command} 2>&1")]);
        now += &format!("$ {command}\n{}", ended.out);
    }
    now
}

#[test]
fn every_console_sample_is_what_the_program_prints() {
    let place = garden();
    let mut seen = 0;
    for document in documents() {
        let mut text = document.text.clone();
        for block in document.blocks("console") {
            let now = run_console(&place, block);
            seen += 1;
            if without_ids(block) == without_ids(&now) {
                continue;
            }
            assert!(
                may_rewrite(),
                "{} differs; run again with DISPATCH_BLESS=1 if this is right\n{now}",
                document.path
            );
            text = text.replace(
                &format!("```console\n{block}```"),
                &format!("```console\n{now}```"),
            );
        }
        if text != document.text {
            fs::write(project().join(document.path), text).unwrap();
        }
    }
    assert!(seen >= 5, "only {seen} samples were found");
}

#[test]
fn git_reads_everything_that_the_chapter_shows() {
    let place = garden();
    let chapter = document("docs/git-layout.md");
    let text = chapter.section("Reading a run with git");
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("git "))
        .collect();
    assert!(lines.len() > 6);
    for line in lines {
        let script = format!("run={RUN}; {line}");
        let said = place.succeed("garden", "sh", &["-c", &script]);
        assert!(!said.trim().is_empty(), "{line}");
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
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

/// Returns the sample below this heading of the chapter on JSON.
fn sample(chapter: &Document, heading: &str) -> Value {
    let section = chapter.section(heading);
    let (_, block) = section.split_once("```json\n").unwrap();
    json(block.split("```").next().unwrap())
}

/// Every key of an object and of what is in it, less the contents of what has a form of its own.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                found.insert(key.clone());
                // The record of an attempt in the journal; settings, which have their own chapter.
                if !["outcome", "limits"].contains(&key.as_str()) {
                    keys(value, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

/// Returns the names of all properties in a JSON Schema.
fn properties(schema: &Value, found: &mut BTreeSet<String>) {
    if let Value::Object(fields) = schema {
        if let Some(Value::Object(named)) = fields.get("properties") {
            found.extend(named.keys().cloned());
        }
        fields.values().for_each(|field| properties(field, found));
    }
}

#[test]
fn programs_read_what_the_chapter_shows() {
    let place = garden();
    let chapter = document("docs/json.md");
    let read = |args: &[&str]| json(&place.run("garden", "dispatch", args).out);
    let board = read(&["status", "--json"]);
    assert_eq!(read(&["board", "--json"]), board);
    let conflicts = read(&["conflicts", "--json"]);
    let review = read(&["review", "--json"]);
    let heading = "The board: `dispatch status`, `dispatch board`";
    assert_has_keys(&sample(&chapter, heading), &board, "status");
    assert_has_keys(
        &sample(&chapter, "`dispatch conflicts`"),
        &conflicts,
        "conflicts",
    );
    assert_has_keys(&sample(&chapter, "`dispatch review`"), &review, "review");
    let event = sample(&chapter, "Events").to_string();
    git_dispatch::journal::record::parse_record(&event).unwrap();

    let mut found = BTreeSet::new();
    for real in [&board, &conflicts, &review] {
        keys(real, &mut found);
    }
    let others: [&[&str]; 6] = [
        &["report", "--json"],
        &["show", "1", "--json"],
        &["history", "--json"],
        &["workers", "--json"],
        &["doctor", "--json"],
        &["resolve", "2", "--json"],
    ];
    others.iter().for_each(|args| keys(&read(args), &mut found));
    for args in [["conflicts", "--schema"], ["review", "--schema"]] {
        properties(&read(&args), &mut found);
    }
    // Only a failed run has these.
    for entry in fs::read_dir(project().join("fixtures/boards")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            keys(&json(&fs::read_to_string(path).unwrap()), &mut found);
        }
    }
    assert!(found.len() > 120, "only {} fields were found", found.len());
    let settings = document("docs/configuration.md").text;
    let mut told: BTreeSet<String> = [&chapter.text, &settings]
        .into_iter()
        .flat_map(|text| spans(text))
        .map(str::to_owned)
        .collect();
    for block in chapter.blocks("json") {
        keys(&json(block), &mut told);
    }
    let missing: Vec<&String> = found.difference(&told).collect();
    assert!(
        missing.is_empty(),
        "docs/json.md says nothing about {missing:?}"
    );
}

#[test]
fn every_field_of_the_chapter_is_one_of_the_code() {
    let mut code = String::new();
    let mut all = Vec::new();
    super::links::files(&project().join("src"), &mut all);
    for path in all {
        code += &fs::read_to_string(path).unwrap_or_default();
    }
    let words: BTreeSet<&str> = code
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .collect();
    let chapter = document("docs/json.md");
    let is_field = |span: &&str| span.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let text = chapter.text.replace(chapter.section("Events"), "");
    let fields = spans(&text).into_iter().filter(is_field);
    let unknown: Vec<&str> = fields.filter(|field| !words.contains(field)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_plan_in_a_document_is_one() {
    let place = Place::new();
    fs::create_dir(place.path("prompts")).unwrap();
    fs::write(place.path("prompts/docs.md"), "Write it.\n").unwrap();
    let documents = documents();
    let tables = blocks(&documents, "toml");
    let tables = tables.into_iter().filter(|text| text.contains("[[task]]"));
    let plans = blocks(&documents, "markdown");
    let plans = plans.into_iter().map(|text| ("plan.md", text));
    let plans: Vec<_> = plans
        .chain(tables.map(|text| ("plan.toml", text)))
        .collect();
    assert!(plans.len() >= 4, "only {} plans were found", plans.len());
    for (name, text) in plans {
        fs::write(place.path(name), &text).unwrap();
        let ended = place.run(".", "dispatch", &["plan", "check", name]);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{text}");
    }
}

#[test]
fn every_setting_in_a_sample_is_one() {
    use git_dispatch::config::{Sources, resolve};
    let settings = blocks(&documents(), "toml");
    let settings: Vec<_> = settings
        .iter()
        .filter(|text| !text.contains("[[task]]") && !text.contains("[[pattern]]"))
        .collect();
    assert!(
        settings.len() >= 2,
        "only {} samples were found",
        settings.len()
    );
    for text in settings {
        let sources = Sources {
            repo_file: Some((".dispatch.toml".into(), text.to_owned())),
            // A sample may be a part of the user's own configuration.
            is_explicit: true,
            ..Sources::default()
        };
        resolve(&sources).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    }
}

#[test]
fn the_error_texts_in_the_chapter_are_read() {
    let chapter = document("docs/failures.md");
    git_dispatch::failure::patterns::Patterns::parse(chapter.blocks("toml")[0]).unwrap();
}

#[test]
fn the_report_of_a_worker_is_understood() {
    let chapter = document("docs/workers.md");
    let sample = chapter.blocks("json")[0];
    let report = git_dispatch::worker::result::parse_result(sample.as_bytes()).unwrap();
    let kept = serde_json::to_value(&report).unwrap();
    assert_eq!(kept, json(sample), "no key is dropped");
}

#[test]
fn a_worker_gets_exactly_the_variables_of_the_chapter() {
    let place = garden();
    let plan = "1. [A] See\n   - run: env | grep '^DISPATCH_' | cut -d= -f1\n   - variants: 1\n   - produces: info\n";
    fs::write(place.path("garden/env.md"), plan).unwrap();
    let mine = [
        "DISPATCH_CLOCK",
        "DISPATCH_SEED",
        "DISPATCH_CONFLICTS_ON_NEW",
    ];
    let env = [(mine[2], "notify")];
    place.succeed("garden", "dispatch", &["trust", "--yes"]);
    let ended = place.run_with("garden", "dispatch", &["run", "env.md", "--yes"], &env);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let mut words = ended
        .err
        .lines()
        .filter_map(|line| line.strip_prefix("run "));
    let run = words.next().unwrap();
    let output = place.succeed("garden", "dispatch", &["output", run, "A"]);
    let real: BTreeSet<&str> = output.lines().filter(|name| !mine.contains(name)).collect();
    let chapter = document("docs/workers.md");
    let told = super::first_column(chapter.section("What a worker gets"));
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), real);
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
    let readme = document("README.md");
    fs::write(place.path("shop/plan.md"), readme.blocks("markdown")[0]).unwrap();
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
