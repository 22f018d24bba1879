//! The failure report of formats.md §4 and its variations, as golden files.

use crate::base::golden::assert_golden;
use crate::merge::change::ChangeStat;
use crate::model::event::Event;
use crate::model::fixture::{RunFixture, candidate, failure};
use crate::model::outcome::End;
use crate::model::worker_report::WorkerReport;
use crate::report::failure::*;

fn assert_report(name: &str, fixture: RunFixture) {
    let report = FailureReport::new(&fixture.state()).expect("something failed");
    assert_golden(&format!("boards/{name}.md"), &report.render_markdown());
}

fn checkout() -> RunFixture {
    RunFixture::new(
        "Auth module · API Route Handlers · Test infra · API docs <- API Route Handlers",
    )
    .tags(&["AUTH", "API", "TEST", "DOCS"])
    .begin(1, "claude")
    .begin(2, "claude")
    .begin(3, "codex")
    .pass(1, "JWT + refresh tokens implemented")
    .pass(3, "vitest set up")
}

fn missing_model() -> Failure {
    Failure {
        root_cause: Some("Prisma schema missing the `User` model. Worker attempted to generate routes but had no model to reference.".to_owned()),
        suggestion: Some("Add `User` model to `prisma/schema.prisma`".to_owned()),
        ..failure(
            FailureClass::Logic,
            "PrismaClientKnownRequestError: model User not found",
        )
    }
}

#[test]
fn the_report_of_the_format_page() {
    let fixture = checkout().fail_with(2, missing_model(), 130).ended(3);
    assert_report("failure", fixture);
}

#[test]
fn retries_and_interruptions_have_a_line_each() {
    let limit = |n: u32| Failure {
        signature: n.to_string(),
        reset_at: None,
        ..failure(FailureClass::Transient, "429 `Too Many Requests`")
    };
    let fixture = checkout()
        .end(2, End::Interrupted {}, WorkerReport::default(), 12)
        .begin(2, "claude")
        .fail_with(2, limit(1), 130)
        .retry_later(2)
        .begin(2, "claude")
        .fail_with(2, limit(2), 118)
        .retry_later(2)
        .begin(2, "claude")
        .fail_with(2, limit(3), 118)
        .with_task(2, |task| task.fields.strategy = Some(Strategy::Task));
    assert_report("failure-after-retries", fixture);
}

#[test]
fn a_failed_check_shows_its_last_lines_and_what_is_kept() {
    let check = Failure {
        root_cause: Some("FAIL src/api.test.ts\n  ```\nExpected 3\nReceived 4".to_owned()),
        ..failure(FailureClass::Logic, "check `npm test` failed")
    };
    let mut state = checkout().fail_with(2, check, 130).state();
    let outcome = state.task_mut(TaskNumber(2)).attempts[0].outcome.as_mut();
    let outcome = outcome.expect("it ended");
    outcome.kept = Some(candidate(7));
    let paths = ["src/`app`.ts", "b", "c", "d", "e", "f", "g"];
    outcome.kept_changes = Some(KeptChanges {
        stat: ChangeStat {
            files: 7,
            added: 12,
            removed: 3,
        },
        paths: paths.map(RepoPath::from).to_vec(),
    });
    let report = FailureReport::new(&state).expect("something failed");
    assert_golden("boards/failure-check.md", &report.render_markdown());
}

#[test]
fn every_class_has_its_words_and_ends_in_the_command() {
    use FailureClass as C;
    let classes = [
        C::Quota,
        C::Input,
        C::Logic,
        C::Conflict,
        C::Blocker,
        C::Transient,
    ];
    let plan: Vec<_> = (1..=6).map(|n| format!("task {n}")).collect();
    let mut fixture = RunFixture::new(&plan.join(" · "));
    for (task, class) in (1..).zip(classes) {
        let failure = failure(class, "vitest not in package.json");
        fixture = fixture.begin(task, "codex").fail_with(task, failure, 0);
    }
    let state = fixture.state();
    let text = FailureReport::new(&state)
        .expect("all failed")
        .render_markdown();
    let resolutions: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("- **Sugg"))
        .collect();
    assert_eq!(resolutions.len(), 6);
    for (task, line) in (1..).zip(resolutions) {
        assert!(
            line.ends_with(&format!(", then `dispatch retry checkout-7k3q {task}`")),
            "{line}"
        );
    }
    assert_golden("boards/failure-classes.md", &text);
}

#[test]
fn a_task_whose_dependencies_conflict_has_a_section() {
    let fixture = RunFixture::new("Auth · API · Docs <- Auth, API · Site <- Docs")
        .begin(1, "claude")
        .pass(1, "done")
        .begin(2, "claude")
        .pass(2, "done")
        .event(Event::DependenciesConflict {
            task: TaskNumber(3),
            class: Class::Content,
            between: vec![TaskNumber(1), TaskNumber(2)],
            paths: vec!["src/app.ts".into(), "src/b.ts".into()],
            attempt: None,
        });
    assert_report("failure-conflict", fixture);
}

#[test]
fn the_error_type_explains_the_end_of_the_retries() {
    let limit = |message: &str| failure(FailureClass::Transient, message);
    let error_type = |fixture: RunFixture| {
        let report = FailureReport::new(&fixture.state()).expect("something failed");
        let text = report.render_markdown();
        let line = text
            .lines()
            .find(|line| line.starts_with("- **Error type:**"));
        line.unwrap_or_default().to_owned()
    };
    let once = || checkout().fail_with(2, limit("reset"), 130);
    let twice = |said| once().begin(2, "claude").fail_with(2, limit(said), 1);
    let task = TaskNumber(2);
    let spent = twice("other").event(Event::RetryBudgetSpent {
        task,
        budget: 20,
        variant: None,
    });
    insta::assert_snapshot!(
        [twice("other"), twice("reset"), spent].map(error_type).join("\n"),
        @r"
        - **Error type:** Transient error (retryable, retries used up)
        - **Error type:** Transient error (same failure twice, not retried again)
        - **Error type:** Transient error (retryable, but the run's budget of 20 retries is spent)
        "
    );
}

#[test]
fn a_command_that_fails_for_good_is_corrected_in_the_plan() {
    let resolution = |class, with_suggestion: bool, run: Option<&str>| {
        let failure = Failure {
            suggestion: with_suggestion.then(|| "Log in".to_owned()),
            ..failure(class, "broken")
        };
        let fixture = RunFixture::new("a")
            .with_task(1, |task| task.fields.run = run.map(str::to_owned))
            .begin(1, "shell")
            .fail_with(1, failure, 1);
        let report = FailureReport::new(&fixture.state()).expect("it failed");
        let text = report.render_markdown();
        let line = text.lines().find(|line| line.starts_with("- **Sugg"));
        line.unwrap_or_default().replace("checkout-7k3q", "RUN")
    };
    let run = Some("make");
    insta::assert_snapshot!(
        [
            resolution(FailureClass::Logic, false, run),
            resolution(FailureClass::Input, false, run),
            resolution(FailureClass::Transient, false, run),
            resolution(FailureClass::Logic, true, run),
            resolution(FailureClass::Logic, false, None),
        ]
        .join("\n"),
        @r"
        - **Suggested resolution:** See `dispatch logs RUN 1`, correct its command in the plan, then `dispatch resume RUN --plan PLAN`
        - **Suggested resolution:** See `dispatch logs RUN 1`, correct its command in the plan, then `dispatch resume RUN --plan PLAN`
        - **Suggested resolution:** See `dispatch logs RUN 1`, wait for the cause to pass, then `dispatch retry RUN 1`
        - **Suggested resolution:** Log in, then `dispatch retry RUN 1`
        - **Suggested resolution:** See `dispatch logs RUN 1`, correct the task or what it builds on, then `dispatch retry RUN 1`
        "
    );
}

#[test]
fn nasty_text_cannot_break_out_of_the_report() {
    let nasty = "x|y `z <script>alert(1)</script> \u{1b}[31mred\u{202e} \n## Fake heading\n";
    let failure = Failure {
        root_cause: Some(nasty.repeat(200)),
        suggestion: Some(nasty.to_owned()),
        ..failure(FailureClass::Input, nasty)
    };
    let fixture = RunFixture::new("a · b <- a · c")
        .with_task(1, |task| task.title = nasty.to_owned())
        .with_task(2, |task| task.title = "b".repeat(10_000))
        .begin(1, "cl|aude")
        .fail_with(1, failure, 1);
    assert_report("failure-nasty", fixture);
}

#[test]
fn skipped_and_cancelled_tasks_are_counted() {
    let mut state = RunFixture::new("a · b · c · d <- c").skip(1, false).state();
    assert_eq!(FailureReport::new(&state), None, "nothing failed");
    state.task_mut(TaskNumber(3)).phase = TaskPhase::Cancelled;
    let report = FailureReport::new(&state).expect("something was cancelled");
    assert_golden("boards/failure-cancelled.md", &report.render_markdown());
}

#[test]
fn the_report_for_programs_has_the_same_facts() {
    let state = checkout().fail_with(2, missing_model(), 130).state();
    let value = FailureReport::new(&state)
        .expect("something failed")
        .value();
    assert_golden(
        "boards/failure.json",
        &(serde_json::to_string_pretty(&value).expect("it is JSON") + "\n"),
    );
}
