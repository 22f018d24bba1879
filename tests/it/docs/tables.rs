//! Checks the tables of the chapters against the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use git_dispatch::cli::error::ExitStatus;
use git_dispatch::model::event::Event;
use git_dispatch::model::failure::FailureClass;
use git_dispatch::model::ids::TaskNumber;
use git_dispatch::model::status::Status;
use git_dispatch::report::board::view::Standing;

use super::{document, first_column, project, spans};

fn set<'a>(words: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    words.into_iter().map(str::to_owned).collect()
}

#[test]
fn the_fields_of_a_task_are_those_of_the_schema() {
    let schema: serde_json::Value = serde_json::from_str(&git_dispatch::plan::schema()).unwrap();
    let defined = schema["$defs"].as_object().unwrap();
    let task = defined
        .values()
        .find(|value| value["properties"]["depends_on"].is_object());
    let fields = task.unwrap()["properties"].as_object().unwrap();
    let chapter = document("docs/plans.md");
    let told = first_column(chapter.section("Fields of a task"));
    assert_eq!(set(told), fields.keys().cloned().collect());
}

#[test]
fn the_exit_codes_are_those_of_the_program() {
    let all = [
        ExitStatus::Ok,
        ExitStatus::Failed,
        ExitStatus::Usage,
        ExitStatus::TaskFailed,
        ExitStatus::NeedsAttention,
        ExitStatus::Held,
        ExitStatus::Interrupted,
    ];
    let chapter = document("docs/runs.md");
    let rows = chapter.section("Exit codes").lines();
    let rows = rows.filter_map(|line| line.strip_prefix("| "));
    let codes: Vec<u8> = rows
        .filter_map(|row| row.split(' ').next()?.parse().ok())
        .collect();
    assert_eq!(codes, all.map(|exit| exit as u8));
    for code in &codes {
        assert_eq!(
            ExitStatus::of_run(*code) as u8,
            *code,
            "every code is known"
        );
    }
}

/// Extracts the values of an enum from the error for an unknown one.
fn variants(error: &serde_json::Error) -> BTreeSet<String> {
    let error = error.to_string();
    let (_, known) = error
        .split_once("expected")
        .unwrap_or_else(|| panic!("{error}"));
    set(spans(known))
}

#[test]
fn the_failure_classes_are_those_of_the_model() {
    let known = serde_json::from_str::<FailureClass>("\"other\"").unwrap_err();
    let chapter = document("docs/failures.md");
    assert_eq!(set(first_column(&chapter.text)), variants(&known));
}

#[test]
fn the_events_are_those_of_the_journal() {
    let known = serde_json::from_str::<Event>(r#"{"event": "other"}"#).unwrap_err();
    let chapter = document("docs/json.md");
    let rows = chapter
        .section("Events")
        .lines()
        .filter(|line| line.starts_with("| "));
    let told = rows.flat_map(spans);
    assert_eq!(set(told), variants(&known));
}

#[test]
fn the_statuses_are_those_of_the_board() {
    let all = [
        Status::Queued,
        Status::InProgress,
        Status::Done,
        Status::Retry(1),
        Status::Failed,
        Status::Blocked(vec![TaskNumber(2)]),
        Status::Skipped,
        Status::Cancelled,
    ];
    let shown = all.map(|status| status.to_string());
    let chapter = document("docs/boards.md");
    assert_eq!(first_column(chapter.section("The board")), shown);
}

#[test]
fn the_states_of_a_run_are_those_of_the_board() {
    let all = [
        Standing::Running,
        Standing::Finished,
        Standing::NeedsAttention,
        Standing::Interrupted,
        Standing::Elsewhere,
        Standing::Paused,
    ];
    let chapter = document("docs/json.md");
    let row = chapter
        .text
        .lines()
        .find(|line| line.starts_with("| `state` |"));
    assert_eq!(spans(row.unwrap())[1..], all.map(Standing::word));
}

#[test]
fn the_classes_of_conflicts_are_those_of_the_detector() {
    use git_dispatch::merge::class::{Class, HunkClass};
    let chapter = document("docs/conflicts.md");
    let classes = chapter.section("Classes");
    assert_eq!(
        set(first_column(classes)),
        set(Class::ALL.iter().map(|class| class.name()))
    );
    for class in HunkClass::ALL {
        let name = format!("`{}`", class.name());
        assert!(classes.contains(&name), "{name}");
    }
}

/// Reads the keys of the example file with their defaults, by table.
fn example() -> BTreeMap<String, BTreeMap<String, String>> {
    let text = fs::read_to_string(project().join(".dispatch.toml.example")).unwrap();
    let mut tables: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut table = String::new();
    let mut last = None;
    let mut text = text.lines();
    for line in text.by_ref() {
        // There is no executor, so its keys are in a comment.
        if line.starts_with("# [executors.NAME], with the defaults") {
            break;
        }
        let Some(line) = line
            .strip_prefix('#')
            .or(Some(line))
            .filter(|line| !line.starts_with(' ') || last.is_some())
        else {
            continue;
        };
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            table = match name.starts_with("workers.") {
                true => "workers.NAME".to_owned(),
                false => name.to_owned(),
            };
            tables.entry(table.clone()).or_default();
            last = None;
        } else if let Some((key, value)) =
            line.split_once(" = ").filter(|(key, _)| !key.contains(' '))
        {
            let known = tables.entry(table.clone()).or_default();
            known
                .entry(key.to_owned())
                .or_insert_with(|| value.to_owned());
            last = (value.starts_with('[') && !value.ends_with(']')).then(|| key.to_owned());
        } else if let Some(key) = &last {
            let value = tables
                .get_mut(&table)
                .and_then(|table| table.get_mut(key))
                .unwrap();
            value.push(' ');
            value.push_str(line.trim());
            if line.ends_with(']') {
                last = None;
            }
        }
    }
    let executor = text.filter_map(|line| line.strip_prefix("# ")?.split_once(" = "));
    let executor = executor.filter(|(key, _)| !key.contains(' '));
    let executor = executor.map(|(key, value)| (key.to_owned(), value.to_owned()));
    tables.insert("executors.NAME".to_owned(), executor.collect());
    tables
}

#[test]
fn every_setting_is_in_the_chapter_with_its_default() {
    let example = example();
    let chapter = document("docs/configuration.md");
    let headings = chapter
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("## "));
    let mut told = BTreeSet::new();
    for heading in headings.filter(|heading| heading.starts_with("`[")) {
        let tables: Vec<&str> = spans(heading);
        let tables: Vec<&str> = tables
            .iter()
            .map(|table| table.trim_matches(['[', ']']))
            .collect();
        told.extend(tables.iter().map(|table| (*table).to_owned()));
        let mut expected: BTreeMap<&str, &str> = BTreeMap::new();
        for (key, value) in tables.iter().flat_map(|table| &example[*table]) {
            expected.insert(key, value);
        }
        let section = chapter.section(heading);
        assert_eq!(
            set(first_column(section)),
            set(expected.keys().copied()),
            "{heading}"
        );
        if heading.contains("workers") {
            continue;
        }
        for row in section.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = row.split(" | ").collect();
            let key = spans(cells[0])[0];
            let default = cells[1];
            let is_exact = default.starts_with('`') && !default.contains('…');
            assert!(
                !is_exact || default == format!("`{}`", expected[key]),
                "{key}: {default}, not {}",
                expected[key]
            );
        }
    }
    assert_eq!(told, example.into_keys().collect());
}
