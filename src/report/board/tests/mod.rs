//! Boards of several runs as golden files.

#![allow(clippy::unwrap_used)]

mod completion;
mod status;
mod text;

use crate::base::golden::assert_golden;
use crate::merge::class::{Class, HunkClass};
use crate::merge::verdict::{Hunk, LineRange};
use crate::model::failure::FailureClass;
use crate::model::fixture::{RunFixture, candidate, conflict, failure};
use crate::model::ids::TaskNumber;
use crate::model::integration::{
    CheckOutcome, CheckResult, Integration, LeftOut, LeftOutReason, Merged,
};
use crate::model::run::RunState;
use crate::model::task_conflict::TaskConflict;
use crate::model::worker_report::WorkerReport;
use crate::report::board::markdown;
use crate::report::board::view::BoardView;
use crate::report::completion::Completion;

fn assert_board(name: &str, fixture: RunFixture) {
    let rendered = markdown::render(&BoardView::new(&fixture.state()));
    assert!(markdown::is_board(&rendered));
    assert_golden(&format!("boards/{name}.md"), &rendered);
}

fn assert_completion(name: &str, state: &RunState) {
    assert!(Completion::is_due(state));
    let rendered = Completion::new(state).render_markdown();
    assert_golden(&format!("boards/{name}.md"), &rendered);
}

/// The run of the format page.
fn running() -> RunFixture {
    RunFixture::new("Auth module · API routes · Test infra · API docs <- API routes")
        .tags(&["AUTH", "API", "TEST", "DOCS"])
        .begin(1, "claude")
        .begin(2, "claude")
        .begin(3, "codex")
        .pass(1, "JWT + refresh tokens implemented")
        .note(2, "6/8 endpoints complete")
        .fail_with(
            3,
            failure(FailureClass::Input, "vitest not in package.json"),
            9,
        )
        .conflicts(vec![
            conflict(1, 2, Class::Content, &["src/app.ts"]),
            conflict(1, 3, Class::AutoMerged, &["package.json"]),
        ])
}

fn all_passed() -> RunFixture {
    let report = WorkerReport {
        summary: Some("8 endpoints\nwith validation".to_owned()),
        decisions: vec![
            "chose Zod over Joi for validation (matched existing patterns)".to_owned(),
            "Errors are `Problem` objects".to_owned(),
        ],
        issues: vec!["The rate limiter has no test".to_owned()],
        next_steps: vec!["Add `User` seeds".to_owned()],
        ..WorkerReport::default()
    };
    RunFixture::new("Auth module · API routes · Test infra · API docs <- API routes")
        .tags(&["AUTH", "API", "T3", "DOCS"])
        .begin(1, "claude")
        .begin(2, "claude")
        .begin(3, "shell")
        .pass(1, "JWT auth with refresh tokens at `src/auth`")
        .pass_with(2, report, (1, 40, 0))
        .pass(3, "")
        .begin(4, "claude")
        .pass(4, "")
}

fn merged(tasks: &[u32]) -> Integration {
    let merged = |task: &u32| Merged {
        task: TaskNumber(*task),
        candidate: candidate(*task),
        commit: candidate(100 + task),
        resolved: Vec::new(),
    };
    Integration {
        merged: tasks.iter().map(merged).collect(),
        tip: Some(candidate(200)),
        code_tip: Some(candidate(201)),
        ..Integration::default()
    }
}

fn check(command: &str, result: CheckOutcome, tail: &str) -> CheckResult {
    CheckResult {
        command: command.to_owned(),
        result,
        millis: 12_000,
        tail: tail.to_owned(),
        failed_tests: Vec::new(),
        fixed_tests: Vec::new(),
        against_base: None,
        flaky: false,
    }
}

fn both_add_entries() -> TaskConflict {
    let mut conflict = conflict(1, 2, Class::AutoMerged, &["package.json"]);
    let line = LineRange { start: 3, count: 1 };
    conflict.units[0].hunks.push(Hunk {
        class: HunkClass::InsertInsert,
        base: line,
        a: line,
        b: line,
    });
    conflict
}

fn broken() -> RunFixture {
    let left_out = |task, reason| LeftOut {
        task: TaskNumber(task),
        candidate: candidate(task),
        reason,
    };
    let integration = Integration {
        left_out: vec![
            left_out(
                2,
                LeftOutReason::Conflict {
                    class: Class::Content,
                    with: vec![TaskNumber(1)],
                    paths: vec!["src/app.ts".into(), "src/b|c.ts".into()],
                    failed_strategies: Vec::new(),
                },
            ),
            left_out(
                4,
                LeftOutReason::BuiltOn {
                    task: TaskNumber(2),
                },
            ),
        ],
        checks: vec![
            check("npm run build", CheckOutcome::Passed, ""),
            check("npm test", CheckOutcome::Failed, "FAIL\nExpected 3\n"),
        ],
        ..merged(&[1, 3])
    };
    all_passed()
        .conflicts(vec![conflict(
            1,
            2,
            Class::Content,
            &["src/app.ts", "src/b|c.ts"],
        )])
        .assembled(integration)
        .ended(4)
}

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}
