//! The tables of the README against the code.

use std::collections::BTreeSet;

use git_dispatch::cli::error::Exit;
use git_dispatch::cli::unsupported;
use git_dispatch::merge::verdict::{Class, HunkClass};
use git_dispatch::model::event::FailureClass;
use git_dispatch::model::status::Status;

use super::{chapter, first_column, project, spans};

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
    let told = first_column(chapter("Plans"));
    assert_eq!(set(told), fields.keys().cloned().collect());
}

#[test]
fn the_exit_codes_are_those_of_the_program() {
    let all = [
        Exit::Ok,
        Exit::Failed,
        Exit::Usage,
        Exit::TaskFailed,
        Exit::NeedsPerson,
        Exit::Held,
        Exit::Interrupted,
    ];
    let rows = chapter("Exit codes")
        .lines()
        .filter_map(|line| line.strip_prefix("| "));
    let codes: Vec<u8> = rows
        .filter_map(|row| row.split(' ').next()?.parse().ok())
        .collect();
    assert_eq!(codes, all.map(|exit| exit as u8));
    for code in &codes {
        assert_eq!(Exit::of_run(*code) as u8, *code, "every code is known");
    }
}

#[test]
fn the_failure_classes_are_those_of_the_model() {
    use FailureClass as C;
    let all = [
        C::Transient,
        C::Quota,
        C::Input,
        C::Logic,
        C::Conflict,
        C::Blocker,
        C::Cancelled,
        C::Interrupted,
    ];
    assert_eq!(first_column(chapter("Failure classes")), all.map(C::word));
    let last = serde_json::from_str::<C>("\"other\"")
        .unwrap_err()
        .to_string();
    assert_eq!(last.matches('`').count() / 2 - 1, all.len(), "{last}");
}

#[test]
fn the_statuses_are_those_of_the_board() {
    let all = [
        Status::Queued,
        Status::InProgress,
        Status::Done,
        Status::Retry(1),
        Status::Failed,
        Status::Blocked(vec![git_dispatch::model::ids::TaskNumber(2)]),
        Status::Skipped,
        Status::Cancelled,
    ];
    let shown = all.map(|status| status.to_string());
    assert_eq!(first_column(chapter("Board and reports")), shown);
}

#[test]
fn the_classes_of_conflicts_are_those_of_the_model() {
    let told = set(first_column(chapter("Conflicts")));
    assert_eq!(told, set(Class::ALL.iter().map(|class| class.name())));
    for class in HunkClass::ALL {
        let name = format!("`{}`", class.name());
        assert!(chapter("Conflicts").contains(&name), "{name}");
    }
}

#[test]
fn the_tables_of_the_configuration_are_those_of_the_example() {
    let example = std::fs::read_to_string(project().join(".dispatch.toml.example")).unwrap();
    let headers = example.lines().map(|line| line.trim_start_matches('#'));
    let tables = headers.filter(|line| line.starts_with('[') && line.ends_with(']'));
    let tables: BTreeSet<String> = tables
        .map(|line| match line.starts_with("[workers.") {
            true => "[workers.NAME]".to_owned(),
            false => line.to_owned(),
        })
        .filter(|table| table != "[resolve.regenerate]")
        .collect();
    assert_eq!(set(first_column(chapter("Configuration"))), tables);
}

#[test]
fn the_limits_name_every_setting_without_effect() {
    let limits = chapter("Limits");
    let (_, list) = limits.split_once("* of the configuration:").unwrap();
    assert_eq!(spans(list), unsupported::SETTINGS);
}
