//! Samples of every format: the plan, what is left out, and marks that change nothing else.

#![allow(clippy::unwrap_used)]

use super::tick::{TickError, tick};
use super::*;
use crate::model::plan::Task;
use crate::plan::{Format, Source, parse, render};

const SPEC_KIT: &str = include_str!("../../../fixtures/imports/spec-kit.md");
const TASK_MASTER: &str = include_str!("../../../fixtures/imports/task-master.json");
const KIRO: &str = include_str!("../../../fixtures/imports/kiro.md");
const OPENSPEC: &str = include_str!("../../../fixtures/imports/openspec.md");
const BEADS: &str = include_str!("../../../fixtures/imports/beads.jsonl");
const CHECKLIST: &str = include_str!("../../../fixtures/imports/checklist.md");
const GITHUB: &str = include_str!("../../../fixtures/imports/github.json");

const SAMPLES: [(ImportFormat, &str); 7] = [
    (ImportFormat::SpecKit, SPEC_KIT),
    (ImportFormat::TaskMaster, TASK_MASTER),
    (ImportFormat::Kiro, KIRO),
    (ImportFormat::OpenSpec, OPENSPEC),
    (ImportFormat::Beads, BEADS),
    (ImportFormat::CheckList, CHECKLIST),
    (ImportFormat::Github, GITHUB),
];

/// Renders a line for each task, then the notes.
fn imported(format: ImportFormat, text: &str) -> String {
    let imported = import(format, "work/tasks", text, None).unwrap();
    let line = |task: &Task| {
        let needs: Vec<String> = task.depends_on.iter().map(ToString::to_string).collect();
        let mut line = format!(
            "{} [{}] {} <- {}",
            task.number,
            task.tag,
            task.title,
            needs.join(" ")
        );
        if !task.fields.files.is_empty() {
            line += &format!(" | {}", task.fields.files.join(", "));
        }
        if task.fields.priority != 0 {
            line += &format!(" | priority {}", task.fields.priority);
        }
        line
    };
    let tasks = imported.plan.tasks().iter().map(line);
    let notes = imported.notes.iter().map(ToString::to_string);
    let all = std::iter::once(imported.plan.title().to_owned()).chain(tasks);
    all.chain(notes).collect::<Vec<_>>().join("\n")
}

#[test]
fn spec_kit_phases_stories_and_marks_become_dependencies() {
    insta::assert_snapshot!(imported(ImportFormat::SpecKit, SPEC_KIT), @r#"
    Bicycle rental
    #1 [T002] Configure the linter in config/lint.toml <-  | config/lint.toml
    #2 [T003] Configure the formatter <- 
    #3 [T004] Write the migration in db/001_bikes.sql <- #1 #2 | db/001_bikes.sql
    #4 [T005] Set up the router in src/router.py <- #3 | src/router.py
    #5 [T006] Create the model in src/models/bike.py <- #4 | src/models/bike.py
    #6 [T007] Create the model in src/models/rider.py <- #4 | src/models/rider.py
    #7 [T008] Implement the service in src/services/rent.py <- #5 #6 | src/services/rent.py
    #8 [T009] Implement the service in src/services/return.py <- #4 #5 | src/services/return.py
    #9 [T010] Write docs/rental.md <- #7 #8 | docs/rental.md
    #10 [T011] Measure the start <- #9
    line 3: text outside the tasks was left out
    line 7: "Create the project structure" is done and was left out
    line 16: text outside the tasks was left out
    line 26: T009 depends on "T099", which is not in the text
    line 35: text outside the tasks was left out
    "#);
}

#[test]
fn spec_kit_tasks_whose_number_is_open_are_tasks() {
    let text = "# Tasks: Rental\n\n## Phase 1: Polish\n\n- [ ] T001 First\n\
                - [ ] TXXX [P] Documentation updates in docs/\n- [ ] TXXX Code cleanup\n\
                - [ ] TXXX Code cleanup\n- [ ] TODO later\n";
    insta::assert_snapshot!(imported(ImportFormat::SpecKit, text), @r"
    Rental
    #1 [T001] First <- 
    #2 [T2] Documentation updates in docs/ <- #1
    #3 [Code-cleanup] Code cleanup <- #2
    #4 [T4] Code cleanup <- #3
    line 9: text outside the tasks was left out
    ");
    insta::assert_snapshot!(ticked(ImportFormat::SpecKit, text, &["Code cleanup (2)"]), @"8: - [ ] TXXX Code cleanup -> - [X] TXXX Code cleanup");
}

#[test]
fn task_master_sub_tasks_take_the_place_of_their_task() {
    insta::assert_snapshot!(imported(ImportFormat::TaskMaster, TASK_MASTER), @r#"
    Tasks
    #1 [N2-1] Check that it is free <- 
    #2 [N2-2] Record the rental <- #1
    #3 [N3] Return bicycles <- #1 #2 | priority -1
    line 4: "Store bicycles" is done and was left out
    line 22: `complexity` of a task was left out
    line 29: "Paint bicycles" is deferred and was left out
    line 33: the list "later" was left out; `--list later` imports it
    "#);
}

#[test]
fn kiro_tasks_are_in_order_except_parallel_ones() {
    insta::assert_snapshot!(imported(ImportFormat::Kiro, KIRO), @r#"
    Implementation Plan
    #1 [N2-1] Define the types <- 
    #2 [N2-2] Define the errors <- 
    #3 [N2-3] Write the service <- #1 #2
    #4 [N3] Write the command line <- #3
    line 3: "Set up the project" is done and was left out
    line 13: "Write property tests" is optional and was left out
    "#);
}

#[test]
fn openspec_tasks_are_in_order() {
    insta::assert_snapshot!(imported(ImportFormat::OpenSpec, OPENSPEC), @r#"
    Tasks
    #1 [N1-2] Add the index in db/002_index.sql <-  | db/002_index.sql
    #2 [N2-1] Show free bicycles <- #1
    #3 [Review-the-words] Review the words <- #2
    line 4: "Add the table" is done and was left out
    "#);
}

#[test]
fn beads_that_block_become_dependencies() {
    insta::assert_snapshot!(imported(ImportFormat::Beads, BEADS), @r#"
    Issues
    #1 [bk-2] Model <-  | priority 2
    #2 [bk-3] Service <- #1
    #3 [bk-4] Report <- #1 #2 | priority -2
    line 2: `labels` of bk-2 was left out
    line 3: bk-3 is "related" to bk-4, which was left out
    line 5: "Setup" is done and was left out
    "#);
}

#[test]
fn a_check_list_has_parts_and_dependencies_in_words() {
    insta::assert_snapshot!(imported(ImportFormat::CheckList, CHECKLIST), @r#"
    Before the season
    #1 [Brakes] Brakes <- 
    #2 [Lights] Lights <- 
    #3 [Write-docs-prices-md] Write docs/prices.md <- #1 #2 | docs/prices.md
    #4 [T4] Brakes <- 
    #5 [Open-the-shop] Open the shop <- #3
    line 3: text outside the tasks was left out
    line 5: "Order tyres" is done and was left out
    line 11: "Paint the door" is cancelled and was left out
    "#);
}

#[test]
fn issues_depend_on_each_other_by_their_texts() {
    insta::assert_snapshot!(imported(ImportFormat::Github, GITHUB), @r#"
    Issues
    #1 [N12] Rent bicycles <- 
    #2 [N14] Return bicycles <- #1
    "Store bicycles" is done and was left out
    "#);
}

#[test]
fn a_part_knows_its_whole() {
    let plan = import(ImportFormat::Beads, "x", BEADS, None).unwrap().plan;
    insta::assert_snapshot!(plan.tasks()[0].prompt, @r"
    The tables.

    Design: One table each.

    Acceptance criteria: Tests pass.

    Part of: Rental

    Everything about renting.
    ");
}

#[test]
fn an_imported_plan_loses_nothing_in_any_format() {
    for (format, text) in SAMPLES {
        let plan = import(format, "my work/tasks", text, None).unwrap().plan;
        for form in [Format::Markdown, Format::Toml, Format::Json] {
            let source = Source {
                name: "plan".to_owned(),
                format: form,
                text: render(&plan, form),
            };
            let parsed = parse(&source, None, &|_| Err(String::new()));
            assert_eq!(
                parsed.plan.as_ref(),
                Some(&plan),
                "{}\n{}",
                format.name(),
                source.text
            );
        }
        for task in plan.tasks() {
            let source = TaskSource::parse(task.fields.source.as_deref().unwrap()).unwrap();
            assert_eq!(
                (source.format, source.file.as_str()),
                (format, "my work/tasks")
            );
        }
    }
}

/// Returns the lines that differ, as `number: before -> after`.
fn difference(before: &str, after: &str) -> String {
    assert_eq!(before.lines().count(), after.lines().count());
    let pairs = (1..).zip(before.lines().zip(after.lines()));
    let pairs = pairs.filter(|(_, (a, b))| a != b);
    let lines = pairs.map(|(number, (a, b))| format!("{number}: {} -> {}", a.trim(), b.trim()));
    lines.collect::<Vec<_>>().join("\n")
}

fn ticked(format: ImportFormat, text: &str, ids: &[&str]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    difference(text, &tick(format, text, None, &ids).unwrap().text)
}

#[test]
fn only_the_marks_of_finished_items_change() {
    let said = [
        ticked(ImportFormat::SpecKit, SPEC_KIT, &["T002", "T006"]),
        ticked(ImportFormat::TaskMaster, TASK_MASTER, &["2.1", "2.2"]),
        ticked(ImportFormat::Kiro, KIRO, &["2.1", "3"]),
        ticked(
            ImportFormat::OpenSpec,
            OPENSPEC,
            &["1.2", "Review the words"],
        ),
        ticked(ImportFormat::Beads, BEADS, &["bk-4"]),
        ticked(
            ImportFormat::CheckList,
            CHECKLIST,
            &["Brakes", "Lights", "Brakes (2)"],
        ),
    ];
    insta::assert_snapshot!(said.join("\n\n"), @r#"
    8: - [ ] T002 [P] Configure the linter in config/lint.toml -> - [X] T002 [P] Configure the linter in config/lint.toml
    20: - [ ] T006 [P] [US1] Create the model in src/models/bike.py -> - [X] T006 [P] [US1] Create the model in src/models/bike.py

    19: "status": "in-progress", -> "status": "done",
    24: { "id": 1, "title": "Check that it is free", "status": "pending", "dependencies": [] }, -> { "id": 1, "title": "Check that it is free", "status": "done", "dependencies": [] },
    25: { "id": 2, "title": "Record the rental", "status": "pending", "dependencies": [1, "2.1"] } -> { "id": 2, "title": "Record the rental", "status": "done", "dependencies": [1, "2.1"] }

    6: - [ ] 2.1 Define the types (P) -> - [x] 2.1 Define the types (P)
    14: - [-] 3. Write the command line -> - [x] 3. Write the command line

    5: - [ ] 1.2 Add the index in db/002_index.sql -> - [x] 1.2 Add the index in db/002_index.sql
    10: - [ ] Review the words -> - [x] Review the words

    4: {"id":"bk-4","title":"Report", "status" : "open","priority":4,"issue_type":"task","dependencies":[{"issue_id":"bk-4","depends_on_id":"bk-1","type":"waits-for"}]} -> {"id":"bk-4","title":"Report", "status" : "closed","priority":4,"issue_type":"task","dependencies":[{"issue_id":"bk-4","depends_on_id":"bk-1","type":"waits-for"}]}

    6: - [ ] Repair bicycles -> - [x] Repair bicycles
    8: - [ ] Brakes -> - [x] Brakes
    9: - [ ] Lights (after 1) -> - [x] Lights (after 1)
    15: 1. [ ] Brakes -> 1. [x] Brakes
    "#);
}

#[test]
fn every_open_task_can_be_marked_where_there_is_a_mark() {
    for (format, text) in SAMPLES {
        let plan = import(format, "tasks", text, None).unwrap().plan;
        let source =
            |task: &Task| TaskSource::parse(task.fields.source.as_deref().unwrap()).unwrap();
        let ids: Vec<String> = plan.tasks().iter().map(|task| source(task).id).collect();
        let result = tick(format, text, None, &ids);
        if format == ImportFormat::Github {
            assert!(matches!(result, Err(TickError::NoMark(_))));
            continue;
        }
        let again = import(format, "tasks", &result.unwrap().text, None);
        assert_eq!(
            again.unwrap_err(),
            ImportError::NothingOpen,
            "{}",
            format.name()
        );
    }
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_stay() {
    for (format, text) in SAMPLES
        .into_iter()
        .filter(|(format, _)| *format != ImportFormat::Github)
    {
        let text = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        let plan = import(format, "tasks", &text, None).unwrap().plan;
        let first = plan.tasks()[0].fields.source.as_deref().unwrap();
        let id = TaskSource::parse(first).unwrap().id;
        let ticked = tick(format, &text, None, &[id]).unwrap().text;
        assert_eq!(
            difference(&text, &ticked).lines().count(),
            1,
            "{}",
            format.name()
        );
        assert_eq!(ticked.matches("\r\n").count(), text.matches("\r\n").count());
    }
}

#[test]
fn a_missing_item_leaves_the_text_alone() {
    let ids = ["T002", "T098", "T099"].map(str::to_owned);
    let error = tick(ImportFormat::SpecKit, SPEC_KIT, None, &ids).unwrap_err();
    assert_eq!(
        error.to_string(),
        "these tasks are not in it any more: T098, T099"
    );
}

#[test]
fn texts_without_open_tasks_are_refused() {
    let said = |format, text: &str, list| import(format, "x", text, list).unwrap_err().to_string();
    let said = [
        said(ImportFormat::SpecKit, "# Nothing\n\nProse.\n", None),
        said(
            ImportFormat::CheckList,
            "- [x] done\n- [-] not wanted\n",
            None,
        ),
        said(
            ImportFormat::TaskMaster,
            "{\"master\": {\n \"tasks\": [}",
            None,
        ),
        said(ImportFormat::TaskMaster, TASK_MASTER, Some("sooner")),
        said(ImportFormat::TaskMaster, "[]", None),
        said(ImportFormat::Beads, "{\"id\": \"a\"}\nnot json\n", None),
        said(ImportFormat::Github, "{}", None),
        said(
            ImportFormat::Beads,
            "{\"id\":\"a\",\"dependencies\":[{\"depends_on_id\":\"b\",\"type\":\"blocks\"}]}\n\
             {\"id\":\"b\",\"dependencies\":[{\"depends_on_id\":\"a\",\"type\":\"blocks\"}]}\n",
            None,
        ),
    ];
    insta::assert_snapshot!(said.join("\n"), @r#"
    there is no task in it
    every task in it is done or left out
    line 2: invalid JSON: expected value
    there is no list "sooner" in it; it has master, later
    there is no task in it
    line 2: invalid JSON: expected ident
    line 1: invalid list of issues: invalid type: map, expected a sequence at line 1 column 0
    dependency cycle: a -> b -> a
    "#);
}

#[test]
fn another_list_of_task_master_is_imported_by_its_name() {
    let plan = import(
        ImportFormat::TaskMaster,
        "tasks.json",
        TASK_MASTER,
        Some("later"),
    )
    .unwrap()
    .plan;
    assert_eq!(plan.title(), "later");
    let source = plan.tasks()[0].fields.source.as_deref();
    assert_eq!(source, Some("task-master tasks.json later/1"));
    let source = TaskSource::parse(source.unwrap()).unwrap();
    assert_eq!(source.list_and_id(), (Some("later"), "1"));
}
