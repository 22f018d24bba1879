//! The ranking of the evidence, one case a line.

use std::fmt::Write;
use std::time::Duration;

use crate::failure::classify::*;
use crate::failure::evidence::Fact;

fn exit(code: i32) -> Evidence {
    Evidence {
        exit: Some(Exit::Code(code)),
        ..Evidence::default()
    }
}

fn fact(fact: Fact) -> Evidence {
    Evidence {
        facts: vec![fact],
        ..Evidence::default()
    }
}

fn said(tail: &str) -> Evidence {
    Evidence {
        tail: tail.to_owned(),
        ..exit(1)
    }
}

fn worker(class: &str, message: &str) -> WorkerError {
    WorkerError {
        class: Some(class.to_owned()),
        message: (!message.is_empty()).then(|| message.to_owned()),
        ..WorkerError::default()
    }
}

/// Renders `class | message | evidence` of each case.
fn table(cases: &[Evidence]) -> String {
    let mut table = String::new();
    for case in cases {
        let found = classify(case);
        writeln!(
            table,
            "{} | {} | {}",
            found.class.word(),
            found.message,
            found.evidence
        )
        .expect("a string takes everything");
    }
    table
}

#[test]
fn facts_that_dispatch_observed_come_first() {
    let hour = Duration::from_secs(3600);
    let full = Evidence {
        facts: vec![Fact::TimedOut(hour), Fact::Stopped],
        error: Some(worker("logic", "tests fail")),
        ..exit(75)
    };
    insta::assert_snapshot!(table(&[
        full,
        fact(Fact::TimedOut(2 * hour)),
        fact(Fact::Stalled(hour / 2)),
        fact(Fact::Stopped),
        fact(Fact::CouldNotStart("claude: No such file or directory".into())),
    ]), @r"
    interrupted | interrupted with the run | stopped by dispatch
    transient | timed out after 2h | time limit of 2h
    transient | no output for 30m | stall limit of 30m
    interrupted | interrupted with the run | stopped by dispatch
    blocker | could not start the worker: claude: No such file or directory | the worker could not be started
    ");
}

#[test]
fn the_workers_report_outranks_the_work_and_the_exit() {
    let with = |class, message| Evidence {
        facts: vec![Fact::NoChange],
        error: Some(worker(class, message)),
        tail: "bye\n".to_owned(),
        ..exit(75)
    };
    insta::assert_snapshot!(table(&[
        with("input", "vitest not in package.json"),
        with("rate_limit", ""),
        with("quota", "limit until 10:00"),
        with("never heard of", "odd"),
    ]), @r"
    input | vitest not in package.json | the worker's report: input
    transient | bye | the worker's report: rate_limit
    quota | limit until 10:00 | the worker's report: quota
    transient | odd | exit code 75 (EX_TEMPFAIL)
    ");
}

#[test]
fn the_state_of_the_work_is_logic() {
    let check = Fact::CheckFailed {
        command: "npm test".to_owned(),
        tail: "503 Service Unavailable\n".to_owned(),
    };
    insta::assert_snapshot!(table(&[
        fact(Fact::BaseLost),
        fact(Fact::UnfinishedMerge),
        fact(Fact::EmbeddedRepository("vendor/x".into())),
        fact(check),
        fact(Fact::NoChange),
    ]), @r"
    logic | the work does not contain the commit it started from; it is kept | the history of the work
    logic | a merge or rebase was left unfinished; the work is kept | the state of the worktree
    logic | vendor/x is a nested repository, whose content git would drop: remove vendor/x/.git to keep its files, add vendor/x to .gitignore, or declare it as a submodule | the content of the worktree
    logic | check `npm test` failed | a failed check
    logic | no change | no change in the worktree
    ");
}

#[test]
fn exit_codes_follow_sysexits_and_timeout() {
    let codes = [
        1, 2, 64, 65, 66, 69, 70, 71, 73, 74, 75, 77, 78, 124, 125, 126, 127, 137, 139, 143,
    ];
    let mut cases: Vec<_> = codes.into_iter().map(exit).collect();
    cases.push(Evidence {
        exit: Some(Exit::Signal(9)),
        ..Evidence::default()
    });
    cases.push(Evidence::default());
    insta::assert_snapshot!(table(&cases), @r"
    logic | exit code 1 | exit code 1
    logic | exit code 2 | exit code 2
    input | exit code 64 (EX_USAGE) | exit code 64 (EX_USAGE)
    input | exit code 65 (EX_DATAERR) | exit code 65 (EX_DATAERR)
    input | exit code 66 (EX_NOINPUT) | exit code 66 (EX_NOINPUT)
    transient | exit code 69 (EX_UNAVAILABLE) | exit code 69 (EX_UNAVAILABLE)
    logic | exit code 70 (EX_SOFTWARE) | exit code 70 (EX_SOFTWARE)
    transient | exit code 71 (EX_OSERR) | exit code 71 (EX_OSERR)
    blocker | exit code 73 (EX_CANTCREAT) | exit code 73 (EX_CANTCREAT)
    transient | exit code 74 (EX_IOERR) | exit code 74 (EX_IOERR)
    transient | exit code 75 (EX_TEMPFAIL) | exit code 75 (EX_TEMPFAIL)
    blocker | exit code 77 (EX_NOPERM) | exit code 77 (EX_NOPERM)
    input | exit code 78 (EX_CONFIG) | exit code 78 (EX_CONFIG)
    transient | exit code 124 (timed out) | exit code 124 (timed out)
    blocker | exit code 125 (timeout failed) | exit code 125 (timeout failed)
    blocker | exit code 126 (not executable) | exit code 126 (not executable)
    blocker | exit code 127 (command not found) | exit code 127 (command not found)
    transient | exit code 137 (SIGKILL) | exit code 137 (SIGKILL)
    logic | exit code 139 (SIGSEGV) | exit code 139 (SIGSEGV)
    transient | exit code 143 (SIGTERM) | exit code 143 (SIGTERM)
    transient | signal 9 (SIGKILL) | signal 9 (SIGKILL)
    logic | no exit status | no exit status
    ");
}

#[test]
fn known_texts_count_in_the_last_lines_only() {
    let early = format!("API Error: rate limit exceeded\n{}", "ok\n".repeat(10));
    insta::assert_snapshot!(table(&[
        said("\u{1b}[31mAPI Error: 529 Overloaded\u{1b}[0m\n\nbye\n"),
        said("You've hit your usage limit. Try again at 10:00\n"),
        said("Credit balance is too low"),
        said("Not logged in · Please run /login"),
        said("fatal: Unable to create '/x/.git/index.lock': File exists.\n"),
        said("Prompt is too long"),
        said("CONFLICT (content): x\nAutomatic merge failed; fix conflicts and then commit"),
        said("write error: No space left on device"),
        said(&early),
    ]), @r#"
    transient | API Error: 529 Overloaded | output with "529 overloaded"
    quota | You've hit your usage limit. Try again at 10:00 | output with "you've hit your usage limit"
    blocker | Credit balance is too low | output with "credit balance is too low"
    blocker | Not logged in · Please run /login | output with "not logged in"
    transient | fatal: Unable to create '/x/.git/index.lock': File exists. | output with "index.lock': file exists"
    input | Prompt is too long | output with "prompt is too long"
    conflict | Automatic merge failed; fix conflicts and then commit | output with "automatic merge failed; fix conflicts"
    blocker | write error: No space left on device | output with "no space left on device"
    logic | ok | exit code 1
    "#);
}

#[test]
fn the_root_cause_is_reported_or_absent() {
    let check = Evidence {
        facts: vec![Fact::CheckFailed {
            command: "npm test".to_owned(),
            tail: "a\n\n\u{1b}[31mExpected 3\u{1b}[0m\nReceived 4\n".to_owned(),
        }],
        ..exit(0)
    };
    assert_eq!(
        classify(&check).root_cause.as_deref(),
        Some("a\nExpected 3\nReceived 4")
    );
    assert_eq!(classify(&check).suggestion, None);
    assert_eq!(classify(&said("boom")).root_cause, None);
    let own = WorkerError {
        root_cause: Some(" no schema ".to_owned()),
        suggestion: Some("add one".to_owned()),
        ..WorkerError::default()
    };
    let failure = classify(&Evidence {
        error: Some(own),
        ..check
    });
    assert_eq!(failure.root_cause.as_deref(), Some("no schema"));
    assert_eq!(failure.suggestion.as_deref(), Some("add one"));
}

#[test]
fn a_message_is_one_safe_line_of_bounded_length() {
    let nasty = format!("\u{1b}[2J\u{202e}{}\u{7}", "x".repeat(1_000_000));
    let message = classify(&said(&nasty)).message;
    assert_eq!(message.chars().count(), MESSAGE_LIMIT);
    assert!(!message.contains(['\u{1b}', '\u{202e}', '\u{7}', '\n']));
}

#[test]
fn the_same_failure_twice_has_one_signature() {
    let sign = |tail| classify(&said(tail)).signature;
    assert_eq!(sign("failed in 3s\n"), sign("failed in 12s\n"));
    assert_ne!(sign("failed in 3s\n"), sign("model User not found\n"));
    let slow = |tail: &str| Evidence {
        tail: tail.to_owned(),
        ..fact(Fact::TimedOut(Duration::from_secs(60)))
    };
    assert_eq!(
        classify(&slow("at step 1")).signature,
        classify(&slow("was busy")).signature
    );
}
