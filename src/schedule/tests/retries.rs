//! Scripts about retries.

use std::time::Duration;

use crate::model::failure::FailureClass;
use crate::model::fixture::{self, RunFixture};
use crate::model::ids::TaskNumber;
use crate::schedule::Limits;
use crate::schedule::tests::game::{play, play_with};

#[test]
fn a_transient_failure_is_retried_with_growing_delays_and_then_given_up() {
    insta::assert_snapshot!(
        play("a · b <- a", "open · flake a · due a · flake a · due a · flake a"),
        @r"
        open         | start a
        flake a      | retry a in 4s | wake for a
        due a        | start a
        flake a      | retry a in 8s | wake for a
        due a        | start a
        flake a      | end 3
        "
    );
}

#[test]
fn a_retry_waits_at_least_as_long_as_the_server_asked_for() {
    let due = |reset: Option<&str>| {
        let mut failure = fixture::failure(FailureClass::Transient, "429");
        failure.reset_at = reset.map(|time| time.parse().unwrap());
        let run = RunFixture::new("a").begin(1, "claude");
        let state = run.fail_with(1, failure, 1).state();
        let limits = Limits {
            max_parallel: 1,
            transient_retries: 1,
            base_delay: Duration::from_secs(2),
            max_delay: Duration::from_secs(300),
            redispatches: 1,
            budget: 20,
            ..Limits::default()
        };
        let due = crate::schedule::retry::retry_due(&state, TaskNumber(1).into(), &limits).unwrap();
        due.to_string()
    };
    let said = [
        None,
        Some("2026-11-22T09:20:00Z"),
        Some("2026-11-22T09:14:01Z"),
    ];
    insta::assert_snapshot!(said.map(due).join("\n"), @r"
    2026-11-22T09:14:05Z
    2026-11-22T09:20:00Z
    2026-11-22T09:14:05Z
    ");
}

#[test]
fn the_same_failure_twice_is_not_transient() {
    insta::assert_snapshot!(play("a", "open · same a · due a · same a"), @r"
    open         | start a
    same a       | retry a in 4s | wake for a
    due a        | start a
    same a       | end 3
    ");
}

#[test]
fn the_same_rate_limit_again_is_no_reason_to_give_up_and_is_counted_apart() {
    insta::assert_snapshot!(
        play("a", "open · limit a · due a · limit a · due a · rested · flake a · due a · rested · limit a · due a \
                   · rested · flake a · due a · rested · limit a · due a · rested · limit a"),
        @r"
        open         | start a
        limit a      | retry a in 4s | wake for a
        due a        | start a
        limit a      | retry a in 8s | wake for a
        due a        | shell rests
        rested       | start a
        flake a      | retry a in 4s | wake for a
        due a        | shell rests
        rested       | start a
        limit a      | retry a in 16s | wake for a
        due a        | shell rests
        rested       | start a
        flake a      | retry a in 8s | wake for a
        due a        | shell rests
        rested       | start a
        limit a      | retry a in 30s | wake for a
        due a        | shell rests
        rested       | start a
        limit a      | end 3
        "
    );
}

#[test]
fn what_a_task_says_about_retries_goes_for_rate_limits_too() {
    let tries = |retries: Option<u32>| {
        let mut limit = fixture::failure(FailureClass::Transient, "429");
        limit.rate_limited = true;
        let plan = RunFixture::new("a").with_task(1, |task| task.fields.retries = retries);
        let once = plan.begin(1, "claude").fail_with(1, limit.clone(), 1);
        let state = once.begin(1, "claude").fail_with(1, limit, 1).state();
        let limits = Limits {
            rate_limit_retries: 4,
            ..Limits::default()
        };
        crate::schedule::retry::retry_due(&state, TaskNumber(1).into(), &limits).is_some()
    };
    assert_eq!([None, Some(1), Some(2)].map(tries), [true, false, true]);
}

#[test]
fn a_task_that_would_be_tried_again_if_the_run_had_retries_left_is_said_to_be() {
    insta::assert_snapshot!(
        play_with("a · b", "open · flake a · due a · flake b · flake a · retry a · flake a", |limits| Limits {
            budget: 1,
            ..limits
        }),
        @r"
        open         | start a | start b
        flake a      | retry a in 4s | wake for a
        due a        | start a
        flake b      | b has spent all
        flake a      | a has spent all | end 3
        retry a      | retry b in 4s | start a | wake for b
        flake a      | a has spent all | wake for b
        "
    );
}

#[test]
fn an_attempt_without_a_worktree_is_no_try_and_brings_no_earlier_one_back() {
    insta::assert_snapshot!(
        play("a", "open · flake a · due a · unfit a · retry a · flake a · due a · pass a · assembled"),
        @r"
        open         | start a
        flake a      | retry a in 4s | wake for a
        due a        | start a
        unfit a      | end 3
        retry a      | start a
        flake a      | retry a in 4s | wake for a
        due a        | start a
        pass a       | assemble
        assembled    | end 0
        "
    );
}

#[test]
fn an_interrupted_attempt_counts_as_none() {
    insta::assert_snapshot!(
        play("a · b", "open · stop · cut a · pass b · resume · flake a · due a · pass a · assembled"),
        @r"
        open         | start a | start b
        stop         |
        cut a        |
        pass b       | end 130
        resume       | start a
        flake a      | retry a in 4s | wake for a
        due a        | start a
        pass a       | assemble
        assembled    | end 0
        "
    );
}

#[test]
fn a_retry_by_a_person_starts_again_what_was_blocked_or_skipped() {
    insta::assert_snapshot!(
        play(
            "a · b <- a · c <- b",
            "open · fail a · retry a · pass a · fail b · skip b · retry b · pass b · pass c · assembled",
        ),
        @r"
        open         | start a
        fail a       | end 3
        retry a      | start a
        pass a       | start b
        fail b       | assemble
        skip b       | assemble
        retry b      | start b
        pass b       | start c
        pass c       | assemble
        assembled    | end 0
        "
    );
}

#[test]
fn the_retries_of_a_run_are_bounded_together() {
    insta::assert_snapshot!(
        play_with("a · b · c", "open · flake a · flake b · flake c", |limits| Limits {
            budget: 2,
            ..limits
        }),
        @r"
        open         | start a | start b | start c
        flake a      | retry a in 4s | wake for a
        flake b      | retry b in 4s | wake for a
        flake c      | c has spent all | wake for a
        "
    );
}

#[test]
fn a_cancelled_task_is_over_once_its_attempt_is_and_can_be_retried() {
    insta::assert_snapshot!(
        play("a · b <- a · c", "open · cancel a · cut a · pass c · assembled · retry a · pass a"),
        @r"
        open         | start a | start c
        cancel a     |
        cut a        |
        pass c       | assemble
        assembled    | end 3
        retry a      | start a
        pass a       | start b
        "
    );
}

#[test]
fn a_cancelled_task_whose_worker_was_killed_is_not_tried_again() {
    insta::assert_snapshot!(
        play("a · c", "open · cancel a · flake a · pass c · assembled"),
        @r"
        open         | start a | start c
        cancel a     |
        flake a      |
        pass c       | assemble
        assembled    | end 3
        "
    );
}

#[test]
fn a_set_up_that_fails_alike_for_several_tasks_is_not_tried_for_the_others() {
    let one_by_one = |limits| Limits {
        max_parallel: 1,
        ..limits
    };
    let game = |words: &str| play_with("a · b · c · d", words, one_by_one);
    insta::assert_snapshot!(
        game("open · unfit a · unfit b · resume · begun c · pass c · unfit d · retry a · begun a · pass a · assembled"),
        @r"
    open         | start a
    unfit a      | start b
    unfit b      | no set-up for a b | end 3
    resume       | start c
    begun c      |
    pass c       | start d
    unfit d      | assemble
    retry a      | start a
    begun a      |
    pass a       | assemble
    assembled    | end 3
    "
    );
    insta::assert_snapshot!(game("open · unfit a · unfit b !otherwise · unfit c · unfit d"), @r"
    open         | start a
    unfit a      | start b
    unfit b !otherwise | start c
    unfit c      | start d
    unfit d      | end 3
    ");
    // One set-up that works while others run resets the circuit breaker.
    insta::assert_snapshot!(
        play("a · b · c · d · e", "open · unfit a · unfit b · begun c · pass c"),
        @r"
    open         | start a | start b | start c
    unfit a      | start d
    unfit b      | no set-up for a b
    begun c      | start e
    pass c       |
    "
    );
}
