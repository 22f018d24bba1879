//! A full disk, slots that other runs have, a branch that is not dispatch's to move.

use super::world::{Rules, World, play, play_with};
use crate::config::Settings;
use crate::config::pool_size::PoolSize;

#[test]
fn on_a_full_disk_work_ends_nothing_starts_and_nothing_is_lost() {
    insta::assert_snapshot!(
        play("a: run 2s · b <- a: run 1s", "1s · full · 4s · space · end"),
        @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        2s      a passes  | warn: no space: the disk is full: 0 B free at /, 1 B needed
        5.05s             | write attempt-ended a + shortage-began + shortage-ended + attempt-starting b | start b
        5.26s             | write attempt-started b
        6.05s   b passes  | write attempt-ended b
        6.06s             | assemble
        6.07s             | write assembly-starting
        7.06s   assembled | write assembled + run-ended
        7.07s             | leave 0
        "
    );
}

#[test]
fn a_request_on_a_full_disk_is_answered_once_it_is_written_and_carried_out_at_once() {
    insta::assert_snapshot!(
        play("a: run 9s · b <- a", "1s · full · cancel a · 2s · space · 2s"),
        @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        1s      cancel a  | warn: no space: the disk is full: 0 B free at /, 1 B needed | terminate a
        1s      a stops   |
        3.05s             | write task-cancelled a + shortage-began + attempt-ended a + shortage-ended + run-ended | answer done
        3.06s             | leave 3
        "
    );
}

#[test]
fn a_run_that_is_stopped_on_a_full_disk_is_left_for_the_next_process() {
    insta::assert_snapshot!(play("a: run 9s · b: run 9s", "1s · full · ctrl-c · end"), @r"
        0s      begin     | write attempt-starting a + attempt-starting b | start a | start b
        0.21s             | write attempt-started a + attempt-started b
        1s      ctrl-c    | warn: stopping: nothing new starts, 2 workers asked to end; again to kill | warn: no space: the disk is full: 0 B free at /, 1 B needed | interrupt a | interrupt b
        1s      a is left open, b is left open | leave, interrupted
        ");
}

#[test]
fn a_start_waits_for_a_slot_that_another_run_has() {
    let mut settings = Settings::default();
    settings.run.max_parallel_total = Some(1);
    let rules = Rules {
        settings,
        ..Rules::default()
    };
    let mut world = World::fresh("a: run 1s", rules);
    world.slots_in_use = true;
    let mut lines = world.begin(Vec::new());
    lines.extend(world.turn("700ms"));
    world.slots_in_use = false;
    lines.extend(world.turn("end"));
    insta::assert_snapshot!(lines.join("\n"), @r"
        0s      begin     | warn: waiting: 1 attempts are alive in this repository, as max_parallel_total allows
        0.75s             | write attempt-starting a | start a
        0.96s             | write attempt-started a
        1.75s   a passes  | write attempt-ended a
        1.76s             | assemble
        1.77s             | write assembly-starting
        2.76s   assembled | write assembled + run-ended
        2.77s             | leave 0
        ");
}

#[test]
fn a_worktree_is_made_only_while_the_limits_of_the_user_allow_it() {
    let mut settings = Settings::default();
    settings.run.max_worktrees = Some(9);
    let rules = Rules {
        settings,
        ..Rules::default()
    };
    insta::assert_snapshot!(play_with("a: run 1s · b: run 1s", "end", rules), @r"
        0s      begin     |
        0.01s   measured  | write attempt-starting a | start a
        0.03s   measured  | write attempt-started a + attempt-starting b | start b
        0.24s             | write attempt-started b
        1.01s   a passes  | write attempt-ended a
        1.03s   b passes  | write attempt-ended b
        1.04s             | assemble
        1.05s             | write assembly-starting
        2.04s   assembled | write assembled + run-ended
        2.05s             | leave 0
        ");
}

#[test]
fn attempts_on_another_executor_do_not_wait_for_worktrees_of_this_machine() {
    let mut settings = Settings::default();
    settings.run.max_worktrees = Some(1);
    settings.run.executor = "cluster".to_owned();
    let rules = Rules {
        settings,
        ..Rules::default()
    };
    let mut world = World::fresh("a: run 5s · b: run 5s", rules);
    // There is no room for two worktrees, either.
    world.free = 150;
    insta::assert_snapshot!(world.begin(Vec::new()).join("\n"), @"0s      begin     | write attempt-starting a + attempt-submitted a + attempt-starting b + attempt-submitted b | start a | start b");
}

#[test]
fn worktrees_are_prepared_only_for_tasks_of_this_machine() {
    let play = |executor: &str| {
        let mut settings = Settings::default();
        settings.worktree.pool = PoolSize::Auto;
        settings.run.executor = executor.to_owned();
        let rules = Rules {
            max_parallel: Some(1),
            settings,
            ..Rules::default()
        };
        play_with("a: run 5s · b · c", "1s", rules)
    };
    insta::assert_snapshot!(play("local"), @r"
    0s      begin     | write attempt-starting a | start a
    0.01s             | prepare for 2
    0.21s             | write attempt-started a
    ");
    insta::assert_snapshot!(play("cluster"), @r"
    0s      begin     | write attempt-starting a + attempt-submitted a | start a
    0.21s             | write attempt-started a
    ");
}

#[test]
fn boards_wait_for_a_branch_that_the_user_has_checked_out() {
    let rules = Rules {
        shows_boards: true,
        ..Rules::default()
    };
    let mut world = World::fresh("a: run 3s", rules);
    world.is_blocked = true;
    let mut lines = world.begin(Vec::new());
    lines.extend(world.turn("1500ms"));
    world.is_blocked = false;
    lines.extend(world.turn("end"));
    insta::assert_snapshot!(lines.join("\n"), @r"
        0s      begin     | write attempt-starting a | start a | board: #1 IN PROGRESS
        0.01s             | warn: the branch is checked out
        0.21s             | write attempt-started a
        1.01s             | board: #1 IN PROGRESS
        2.02s             | board: #1 IN PROGRESS
        3s      a passes  | write attempt-ended a | board: #1 DONE
        3.01s             | assemble
        3.02s             | write assembly-starting
        4.01s   assembled | write assembled + run-ended | board: run ended (0)
        4.02s             | leave 0
        ");
}
