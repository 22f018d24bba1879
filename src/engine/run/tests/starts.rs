//! Starts, retries, limits of providers, parking, pauses, cancels, boards.

use super::world::{Rules, play, play_to_the_end, play_with};

#[test]
fn what_depends_on_a_task_starts_after_it_and_then_everything_is_assembled() {
    insta::assert_snapshot!(play("a: run 2s, note half, run 1s · b: run 1s · c <- a, b", "end"), @"");
}

#[test]
fn every_change_of_a_status_gets_a_board_even_in_a_short_run() {
    let rules = Rules {
        shows_boards: true,
        ..Rules::default()
    };
    insta::assert_snapshot!(
        play_with("a: run 100ms · b: run 200ms · c <- b: run 50ms", "end", rules),
        @""
    );
}

#[test]
fn a_transient_failure_is_tried_again_after_a_delay() {
    insta::assert_snapshot!(play("a: run 1s, exit 75; run 2s", "end"), @"");
}

#[test]
fn a_rate_limit_makes_every_task_of_the_worker_wait() {
    let one = Rules {
        max_parallel: Some(1),
        ..Rules::default()
    };
    insta::assert_snapshot!(play_with("a: run 1s, exit 29; run 1s · b: run 1s", "end", one), @"");
}

#[test]
fn a_usage_limit_parks_the_worker_until_it_is_over() {
    insta::assert_snapshot!(play("a: run 1s, exit 28; run 1s · b <- a", "end"), @"");
}

#[test]
fn a_paused_run_lets_work_end_and_starts_nothing() {
    insta::assert_snapshot!(play("a: run 2s · b <- a", "1s · pause · pause · 5s · resume · end"), @"");
}

#[test]
fn a_cancelled_task_is_stopped_in_every_phase() {
    let one = || Rules {
        max_parallel: Some(1),
        ..Rules::default()
    };
    // Queued, running, waiting for its retry, over.
    insta::assert_snapshot!(play_with("a: run 3s · b", "cancel b · end", one()), @"");
    insta::assert_snapshot!(play_with("a: run 3s · b", "1s · cancel a · end", one()), @"");
    insta::assert_snapshot!(play("a: run 1s, exit 75 · b: run 3s", "2s · cancel a · end"), @"");
    insta::assert_snapshot!(play("a: run 1s · b: run 3s", "2s · cancel a · end"), @"");
    insta::assert_snapshot!(play("a: run 3s · b: run 5s · c <- b", "1s · cancel · end"), @"");
}

#[test]
fn a_cancelled_worker_that_does_not_listen_is_waited_for() {
    insta::assert_snapshot!(play("a: hang", "1s · cancel a · 5s · ctrl-c · ctrl-c · end"), @"");
}

#[test]
fn a_retry_in_place_is_announced_once_its_worktree_is_checked() {
    let in_place = || Rules {
        retry_in_place: true,
        ..Rules::default()
    };
    insta::assert_snapshot!(play_with("a: run 1s, exit 75; run 1s", "end", in_place()), @"");
}

#[test]
fn a_worker_that_vanishes_counts_as_no_attempt() {
    insta::assert_snapshot!(play("a: run 1s, vanish; run 1s", "end"), @"");
}

#[test]
fn two_thousand_tasks_take_a_few_steps_each() {
    let tasks: Vec<String> = (1..=2000)
        .map(|n| match n % 10 {
            0 => format!("t{n} <- t{}: run 2s", n - 1),
            5 => format!("t{n}: run 1s, exit 75; run 1s"),
            _ => format!("t{n}: run {}ms", 500 + n % 700),
        })
        .collect();
    let rules = Rules {
        max_parallel: Some(32),
        budget: Some(1000),
        ..Rules::default()
    };
    let world = play_to_the_end(&tasks.join(" · "), rules);
    assert_eq!(world.left(), "leave 0");
    assert_eq!(world.state().candidates().len(), 2000);
    assert!(world.facts() >= 3 * 2000, "{}", world.facts());
    assert!(world.settled() < 20 * 2000, "{}", world.settled());
    // A board a second, and those of the beginning.
    assert!(world.boards() < 150, "{}", world.boards());
}
