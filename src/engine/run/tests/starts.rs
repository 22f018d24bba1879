//! Starts, retries, limits of providers, parking, pauses, cancels, boards.

use super::world::{Rules, play, play_to_the_end, play_with};

#[test]
fn what_depends_on_a_task_starts_after_it_and_then_everything_is_assembled() {
    insta::assert_snapshot!(play("a: run 2s, note half, run 1s · b: run 1s · c <- a, b", "end"), @r"
        0s      begin     | write attempt-starting a + attempt-starting b | start a | start b
        0.21s             | write attempt-started a + attempt-started b
        1s      b passes  | write attempt-ended b
        2s      a: half   |
        2.20s             | write progress-reported a
        3s      a passes  | write attempt-ended a + attempt-starting c | start c
        3.21s             | write attempt-started c
        4s      c passes  | write attempt-ended c
        4.01s             | assemble
        4.02s             | write assembly-starting
        5.01s   assembled | write assembled + run-ended
        5.02s             | leave 0
        ");
}

#[test]
fn every_change_of_a_status_gets_a_board_even_in_a_short_run() {
    let rules = Rules {
        shows_boards: true,
        ..Rules::default()
    };
    insta::assert_snapshot!(
        play_with("a: run 100ms · b: run 200ms · c <- b: run 50ms", "end", rules),
        @r"
        0s      begin     | write attempt-starting b + attempt-starting a | start b | start a | board: #1 IN PROGRESS, #2 IN PROGRESS, #3 BLOCKED (by #2)
        0.10s   a passes  | write attempt-started b + attempt-started a + attempt-ended a | board: #1 DONE
        0.20s   b passes  | write attempt-ended b + attempt-starting c | start c | board: #2 DONE, #3 IN PROGRESS
        0.25s   c passes  | write attempt-started c + attempt-ended c | board: #3 DONE
        0.26s             | assemble
        0.27s             | write assembly-starting
        1.26s   assembled | write assembled + run-ended | board: run ended (0)
        1.27s             | leave 0
        "
    );
}

#[test]
fn a_transient_failure_is_tried_again_after_a_delay() {
    insta::assert_snapshot!(play("a: run 1s, exit 75; run 2s", "end"), @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        1s      a fails   | write attempt-ended a + retry-scheduled a
        7.18s             | write retry-due a + attempt-starting a | start a@2
        7.39s             | write attempt-started a
        9.18s   a@2 passes | write attempt-ended a
        9.19s             | assemble
        9.20s             | write assembly-starting
        10.19s  assembled | write assembled + run-ended
        10.20s            | leave 0
        ");
}

#[test]
fn a_rate_limit_makes_every_task_of_the_worker_wait() {
    let one = Rules {
        max_parallel: Some(1),
        ..Rules::default()
    };
    insta::assert_snapshot!(play_with("a: run 1s, exit 29; run 1s · b: run 1s", "end", one), @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        1s      a hits a rate limit | write attempt-ended a + retry-scheduled a
        21s               | write retry-due a + attempt-starting a | start a@2
        21.21s            | write attempt-started a
        22s     a@2 passes | write attempt-ended a
        25s               | write attempt-starting b | start b
        25.21s            | write attempt-started b
        26s     b passes  | write attempt-ended b
        26.01s            | assemble
        26.02s            | write assembly-starting
        27.01s  assembled | write assembled + run-ended
        27.02s            | leave 0
        ");
}

#[test]
fn a_usage_limit_parks_the_worker_until_it_is_over() {
    insta::assert_snapshot!(play("a: run 1s, exit 28; run 1s · b <- a", "end"), @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        1s      a hits its quota | write attempt-ended a + worker-parked
        607.18s           | write worker-unparked + attempt-starting a | start a@2
        607.39s           | write attempt-started a
        608.18s a@2 passes | write attempt-ended a + attempt-starting b | start b
        608.39s           | write attempt-started b
        609.18s b passes  | write attempt-ended b
        609.19s           | assemble
        609.20s           | write assembly-starting
        610.19s assembled | write assembled + run-ended
        610.20s           | leave 0
        ");
}

#[test]
fn a_task_that_is_skipped_while_the_run_works_never_starts() {
    let plan = "a: run 2s · b <- a · c <- b · d <- a";
    insta::assert_snapshot!(play(plan, "1s · skip b · end"), @r"
    0s      begin     | write attempt-starting a | start a
    0.21s             | write attempt-started a
    1s      skip b    | write task-skipped b | answer done
    2s      a passes  | write attempt-ended a + attempt-starting d | start d
    2.21s             | write attempt-started d
    3s      d passes  | write attempt-ended d
    3.01s             | assemble
    3.02s             | write assembly-starting
    4.01s   assembled | write assembled + run-ended
    4.02s             | leave 0
    ");
}

#[test]
fn a_paused_run_that_is_cancelled_ends() {
    insta::assert_snapshot!(play("a: run 2s · b <- a", "1s · pause · 5s · cancel · end"), @r"
    0s      begin     | write attempt-starting a | start a
    0.21s             | write attempt-started a
    1s      pause     | write paused | answer done
    2s      a passes  | write attempt-ended a
    6s      cancel    | write task-cancelled b + unpaused | answer done
    6.01s             | assemble
    6.02s             | write assembly-starting
    7.01s   assembled | write assembled + run-ended
    7.02s             | leave 3
    ");
}

#[test]
fn a_paused_run_lets_work_end_and_starts_nothing() {
    insta::assert_snapshot!(play("a: run 2s · b <- a", "1s · pause · pause · 5s · resume · end"), @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        1s      pause     | write paused | answer done
        1s      pause     | refuse: checkout-7k3q is not running
        2s      a passes  | write attempt-ended a
        6s      resume    | write unpaused + attempt-starting b | answer done | start b
        6.21s             | write attempt-started b
        7s      b passes  | write attempt-ended b
        7.01s             | assemble
        7.02s             | write assembly-starting
        8.01s   assembled | write assembled + run-ended
        8.02s             | leave 0
        ");
}

#[test]
fn a_cancelled_task_is_stopped_in_every_phase() {
    let one = || Rules {
        max_parallel: Some(1),
        ..Rules::default()
    };
    // Queued, running, waiting for its retry, over.
    insta::assert_snapshot!(play_with("a: run 3s · b", "cancel b · end", one()), @r"
        0s      begin     | write attempt-starting a | start a
        0s      cancel b  | write task-cancelled b | answer done
        0.21s             | write attempt-started a
        3s      a passes  | write attempt-ended a
        3.01s             | assemble
        3.02s             | write assembly-starting
        4.01s   assembled | write assembled + run-ended
        4.02s             | leave 3
        ");
    insta::assert_snapshot!(play_with("a: run 3s · b", "1s · cancel a · end", one()), @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        1s      cancel a  | write task-cancelled a | answer done | terminate a
        1s      a stops   | write attempt-ended a + attempt-starting b | start b
        1.21s             | write attempt-started b
        2s      b passes  | write attempt-ended b
        2.01s             | assemble
        2.02s             | write assembly-starting
        3.01s   assembled | write assembled + run-ended
        3.02s             | leave 3
        ");
    insta::assert_snapshot!(play("a: run 1s, exit 75 · b: run 3s", "2s · cancel a · end"), @r"
        0s      begin     | write attempt-starting a + attempt-starting b | start a | start b
        0.21s             | write attempt-started a + attempt-started b
        1s      a fails   | write attempt-ended a + retry-scheduled a
        2s      cancel a  | write task-cancelled a | answer done
        3s      b passes  | write attempt-ended b
        3.01s             | assemble
        3.02s             | write assembly-starting
        4.01s   assembled | write assembled + run-ended
        4.02s             | leave 3
        ");
    insta::assert_snapshot!(play("a: run 1s · b: run 3s", "2s · cancel a · end"), @r"
        0s      begin     | write attempt-starting a + attempt-starting b | start a | start b
        0.21s             | write attempt-started a + attempt-started b
        1s      a passes  | write attempt-ended a
        2s      cancel a  | refuse: #1 has ended: DONE
        3s      b passes  | write attempt-ended b
        3.01s             | assemble
        3.02s             | write assembly-starting
        4.01s   assembled | write assembled + run-ended
        4.02s             | leave 0
        ");
    insta::assert_snapshot!(play("a: run 3s · b: run 5s · c <- b", "1s · cancel · end"), @r"
        0s      begin     | write attempt-starting b + attempt-starting a | start b | start a
        0.21s             | write attempt-started b + attempt-started a
        1s      cancel    | write task-cancelled a + task-cancelled b + task-cancelled c | answer done | terminate a | terminate b
        1s      a stops, b stops | write attempt-ended a + attempt-ended b + run-ended
        1.02s             | leave 3
        ");
}

#[test]
fn a_cancelled_worker_that_does_not_listen_is_waited_for() {
    insta::assert_snapshot!(play("a: hang", "1s · cancel a · 5s · ctrl-c · ctrl-c · end"), @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        1s      cancel a  | write task-cancelled a | answer done | terminate a
        6s      ctrl-c    | warn: stopping: nothing new starts, 1 worker asked to end; again to kill | write stop-requested | interrupt a
        6s      ctrl-c    | warn: killing what is left; once more to leave at once | kill a
        6s      a stops   | write attempt-ended a + run-ended
        6.01s             | leave 130
        ");
}

#[test]
fn a_retry_in_place_is_announced_once_its_worktree_is_checked() {
    let in_place = || Rules {
        retry_in_place: true,
        ..Rules::default()
    };
    insta::assert_snapshot!(play_with("a: run 1s, exit 75; run 1s", "end", in_place()), @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        1s      a fails   | write attempt-ended a + retry-scheduled a
        7.18s             | write retry-due a
        7.19s   checked   | write attempt-starting a | start a@2 in place
        7.40s             | write attempt-started a
        8.19s   a@2 passes | write attempt-ended a
        8.20s             | assemble
        8.21s             | write assembly-starting
        9.20s   assembled | write assembled + run-ended
        9.21s             | leave 0
        ");
}

#[test]
fn a_worker_that_vanishes_counts_as_no_attempt() {
    insta::assert_snapshot!(play("a: run 1s, vanish; run 1s", "end"), @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        1s      a is lost | write attempt-ended a + attempt-starting a | start a@2
        1.21s             | write attempt-started a
        2s      a@2 passes | write attempt-ended a
        2.01s             | assemble
        2.02s             | write assembly-starting
        3.01s   assembled | write assembled + run-ended
        3.02s             | leave 0
        ");
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
