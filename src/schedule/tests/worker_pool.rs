//! Scripts about workers: parking, fallbacks, rates and cost.

use std::time::Duration;

use crate::schedule::Limits;
use crate::schedule::tests::game::{play, play_with};
use crate::schedule::worker_pool::{WorkerLimits, WorkerPool};

/// Plays a script in which `claude` does task `a`, and so on, with these profiles.
fn with_pool(
    assigned: &str,
    profiles: &[(&str, WorkerLimits)],
) -> impl FnOnce(Limits) -> Limits + use<> {
    let pool = WorkerPool {
        assigned: assigned.split(' ').map(str::to_owned).collect(),
        workers: profiles
            .iter()
            .map(|(name, profile)| ((*name).to_owned(), profile.clone()))
            .collect(),
        ..WorkerPool::default()
    };
    |limits| Limits { pool, ..limits }
}

fn then(fallback: &[&str]) -> WorkerLimits {
    WorkerLimits {
        fallback: fallback.iter().map(|name| (*name).to_owned()).collect(),
        ..WorkerLimits::default()
    }
}

#[test]
fn a_worker_that_has_used_up_its_quota_is_parked_and_another_takes_over() {
    let pool = with_pool(
        "claude claude claude gemini",
        &[
            ("claude", then(&["codex", "gemini"])),
            ("codex", then(&[])),
            ("gemini", then(&[])),
        ],
    );
    insta::assert_snapshot!(
        play_with(
            "a · b · c · d",
            "open · quota a 2h · quota b 2h · pass a · quota b 3h · pass c · pass b · pass d · assembled",
            pool,
        ),
        @r"
    open         | start a by claude | start b by claude | start c by claude
    quota a 2h   | park claude for 7203s | start a by codex
    quota b 2h   | park claude for 7203s | start b by codex
    pass a       | start d by gemini
    quota b 3h   | park codex for 10803s | start b by gemini
    pass c       |
    pass b       |
    pass d       | assemble
    assembled    | end 0
    "
    );
}

#[test]
fn without_anybody_else_a_run_waits_for_a_near_reset_and_no_attempt_is_lost() {
    let pool = with_pool(
        "claude codex",
        &[("claude", then(&[])), ("codex", then(&[]))],
    );
    insta::assert_snapshot!(
        play_with(
            "a · b",
            "open · quota a 10m · pass b · unpark claude · flake a · due a · flake a · due a · pass a · assembled",
            pool,
        ),
        @r"
    open         | start a by claude | start b by codex
    quota a 10m  | park claude for 603s | wait for claude
    pass b       | wait for claude
    unpark claude | start a by claude
    flake a      | retry a in 4s | wake for a
    due a        | start a by claude
    flake a      | retry a in 8s | wake for a
    due a        | start a by claude
    pass a       | assemble
    assembled    | end 0
    "
    );
}

#[test]
fn a_run_ends_in_order_when_the_reset_is_far_and_goes_on_once_it_has_passed() {
    let pool = || {
        with_pool(
            "claude codex",
            &[("claude", then(&[])), ("codex", then(&[]))],
        )
    };
    insta::assert_snapshot!(
        play_with(
            "a · b · c <- a",
            "open · quota a 5h · pass b · assembled · resume · later 5h · resume · pass a",
            |limits| {
                let mut limits = pool()(limits);
                limits.pool.assigned.push("codex".to_owned());
                limits
            },
        ),
        @r"
    open         | start a by claude | start b by codex
    quota a 5h   | park claude for 18003s | wait for claude
    pass b       | assemble
    assembled    | end 3
    resume       | end 3
    later 5h     |
    resume       | start a by claude
    pass a       | start c by codex
    "
    );
}

#[test]
fn a_reset_that_nobody_names_or_that_was_too_early_is_waited_for_longer_each_time() {
    let pool = || with_pool("claude", &[("claude", then(&[]))]);
    let patient = |limits| Limits {
        quota_wait: Duration::from_secs(100 * 3600),
        ..pool()(limits)
    };
    insta::assert_snapshot!(
        [
            play_with("a", "open · quota a · unpark claude · quota a · unpark claude · quota a · unpark claude · quota a · unpark claude · quota a · unpark claude · pass a", patient),
            play_with("a", "open · quota a 1s · unpark claude · quota a 1s · unpark claude · quota a 1s · unpark claude · quota a 1s", patient),
        ].join("\n\n"),
        @r"
    open         | start a by claude
    quota a      | park claude for 1804s | wait for claude
    unpark claude | start a by claude
    quota a      | park claude for 3604s | wait for claude
    unpark claude | start a by claude
    quota a      | park claude for 7204s | wait for claude
    unpark claude | start a by claude
    quota a      | park claude for 14404s | wait for claude
    unpark claude | start a by claude
    quota a      | park claude for 18004s | wait for claude
    unpark claude | start a by claude
    pass a       | assemble

    open         | start a by claude
    quota a 1s   | park claude for 4s | wait for claude
    unpark claude | start a by claude
    quota a 1s   | park claude for 20s | wait for claude
    unpark claude | start a by claude
    quota a 1s   | park claude for 36s | wait for claude
    unpark claude | start a by claude
    quota a 1s   | park claude for 68s | wait for claude
    "
    );
}

#[test]
fn a_task_that_runs_a_command_of_its_own_is_no_provider_that_could_be_parked() {
    insta::assert_snapshot!(play("a · b", "open · quota a 10m · pass b · assembled"), @r"
    open         | start a | start b
    quota a 10m  |
    pass b       | assemble
    assembled    | end 3
    ");
}

#[test]
fn a_worker_has_no_more_attempts_alive_than_it_may_and_others_go_first() {
    let one = WorkerLimits {
        concurrency: Some(1),
        ..WorkerLimits::default()
    };
    let pool = with_pool(
        "claude claude codex codex",
        &[("claude", one), ("codex", then(&[]))],
    );
    insta::assert_snapshot!(
        play_with("a · b · c · d", "open · pass c · pass a · pass b · pass d", pool),
        @r"
    open         | start a by claude | start c by codex | start d by codex
    pass c       |
    pass a       | start b by claude
    pass b       |
    pass d       | assemble
    "
    );
}

#[test]
fn starts_of_a_worker_keep_their_distance_and_a_rate_limit_makes_it_grow() {
    let staggered = WorkerLimits {
        stagger: Duration::from_millis(500),
        ..WorkerLimits::default()
    };
    let pool = with_pool("claude claude shell", &[("claude", staggered)]);
    insta::assert_snapshot!(
        play_with("a · b · c", "open · pass c · rested · pass a · pass b", pool),
        @r"
    open         | start a by claude | claude rests | start c
    pass c       | claude rests
    rested       | start b by claude
    pass a       |
    pass b       | assemble
    "
    );
    // A worker without `stagger` gets a minimum time between starts.
    let pool = with_pool("claude claude claude", &[("claude", then(&[]))]);
    insta::assert_snapshot!(
        play_with("a · b · c", "open · limit a · limit b · due a · due b · rested · pass c · pass a", pool),
        @r"
    open         | start a by claude | start b by claude | start c by claude
    limit a      | retry a in 4s | wake for a
    limit b      | retry b in 4s | wake for a
    due a        | start a by claude | wake for b
    due b        | claude rests
    rested       | start b by claude
    pass c       |
    pass a       |
    "
    );
}

#[test]
fn nothing_more_starts_once_the_money_is_spent_and_more_money_goes_on() {
    let poor = |limits| Limits {
        max_parallel: 2,
        max_cost: Some(5.0),
        ..with_pool("claude claude claude", &[("claude", then(&[]))])(limits)
    };
    insta::assert_snapshot!(
        play_with("a · b · c", "open · paid a 3.5 · paid b 2 · pass c · assembled", poor),
        @r"
    open         | start a by claude | start b by claude
    paid a 3.5   | start c by claude
    paid b 2     |
    pass c       | assemble
    assembled    | end 0
    "
    );
    insta::assert_snapshot!(
        play_with(
            "a · b <- a · c <- b",
            "open · paid a 6 · assembled · resume · money 20 · paid b 6 · flake c · due c · paid c 9 · assembled",
            poor,
        ),
        @r"
    open         | start a by claude
    paid a 6     | 6 of 5 spent | assemble
    assembled    | end 3
    resume       | end 3
    money 20     | start b by claude
    paid b 6     | start c by claude
    flake c      | retry c in 4s | wake for c
    due c        | start c by claude
    paid c 9     | assemble
    assembled    | end 0
    "
    );
}

#[test]
fn a_worker_that_is_not_let_in_for_several_tasks_starts_nothing_more_and_others_go_on() {
    let pool = |limits| Limits {
        max_parallel: 1,
        ..with_pool(
            "claude claude codex claude",
            &[("claude", then(&[])), ("codex", then(&[]))],
        )(limits)
    };
    insta::assert_snapshot!(
        play_with(
            "a · b · c · d",
            "open · login a · login b · pass c · assembled · retry a · pass a · pass d · assembled",
            pool,
        ),
        @r"
    open         | start a by claude
    login a      | start b by claude
    login b      | start c by codex
    pass c       | lock claude out | assemble
    assembled    | end 3
    retry a      | start a by claude
    pass a       | start d by claude
    pass d       | assemble
    assembled    | end 3
    "
    );
    // A success in between resets the circuit breaker.
    insta::assert_snapshot!(
        play_with("a · b · c · d", "open · login a · pass b · pass c · login d", pool),
        @r"
    open         | start a by claude
    login a      | start b by claude
    pass b       | start c by codex
    pass c       | start d by claude
    login d      | assemble
    "
    );
}
