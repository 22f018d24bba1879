//! Signals, a terminal that is gone, a peer that is gone, adopting a run.

use std::time::Duration;

use super::world::{Rules, World, play, play_with};
use crate::model::event::Event;
use crate::model::fixture::RunFixture;

#[test]
fn the_first_ctrl_c_asks_workers_to_stop_and_starts_nothing_new() {
    insta::assert_snapshot!(play("a: run 9s · b <- a", "1s · ctrl-c · end"), @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        1s      ctrl-c    | warn: stopping: nothing new starts, 1 worker asked to end; again to kill | write stop-requested | interrupt a
        1s      a stops   | write attempt-ended a + run-ended
        1.01s             | leave 130
        ");
}

#[test]
fn the_second_ctrl_c_kills_and_the_third_leaves_at_once() {
    insta::assert_snapshot!(play("a: hang", "1s · ctrl-c · 3s · ctrl-c · end"), @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        1s      ctrl-c    | warn: stopping: nothing new starts, 1 worker asked to end; again to kill | write stop-requested | interrupt a
        4s      ctrl-c    | warn: killing what is left; once more to leave at once | kill a
        4s      a stops   | write attempt-ended a + run-ended
        4.01s             | leave 130
        ");
    insta::assert_snapshot!(play("a: freeze", "1s · ctrl-c · ctrl-c · 3s · ctrl-c"), @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        1s      ctrl-c    | warn: stopping: nothing new starts, 1 worker asked to end; again to kill | write stop-requested | interrupt a
        1s      ctrl-c    | warn: killing what is left; once more to leave at once | kill a
        4s      ctrl-c    | leave, interrupted
        ");
}

#[test]
fn ctrl_c_stops_an_assembly_which_is_made_again_later() {
    insta::assert_snapshot!(play("a: run 1s", "1.5s · ctrl-c · end"), @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        1s      a passes  | write attempt-ended a
        1.01s             | assemble
        1.02s             | write assembly-starting
        1.50s   ctrl-c    | warn: stopping: nothing new starts, 0 workers asked to end; again to kill | write stop-requested | interrupt assembly
        1.51s             | write run-ended
        1.52s             | leave 130
        ");
}

#[test]
fn ctrl_c_while_a_retry_waits_ends_the_run() {
    insta::assert_snapshot!(play("a: run 1s, exit 75", "2s · ctrl-c · end"), @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        1s      a fails   | write attempt-ended a + retry-scheduled a
        2s      ctrl-c    | warn: stopping: nothing new starts, 0 workers asked to end; again to kill | write stop-requested + run-ended
        2.01s             | leave 130
        ");
}

#[test]
fn a_run_without_a_terminal_stops_unless_a_task_is_in_the_background() {
    insta::assert_snapshot!(play("a: run 9s", "1s · hang-up · end"), @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        1s      hang-up   | warn: stopping: nothing new starts, 1 worker asked to end; again to kill | write stop-requested | interrupt a
        1s      a stops   | write attempt-ended a + run-ended
        1.01s             | leave 130
        ");
    let background = || Rules {
        background: vec![2],
        ..Rules::default()
    };
    insta::assert_snapshot!(
        play_with("a: run 9s · b: run 20s", "1s · hang-up · end", background()),
        @r"
        0s      begin     | write attempt-starting a + attempt-starting b | start a | start b
        0.21s             | write attempt-started a + attempt-started b
        1s      hang-up   | leave, detached
        "
    );
    insta::assert_snapshot!(play_with("a: run 2s · b: run 20s", "end", background()), @r"
        0s      begin     | write attempt-starting a + attempt-starting b | start a | start b
        0.21s             | write attempt-started a + attempt-started b
        2s      a passes  | write attempt-ended a
        2.01s             | leave, detached
        ");
}

#[test]
fn a_lost_control_socket_or_peer_keeps_no_run_from_its_end() {
    insta::assert_snapshot!(
        play("a: run 2s", "warn could not use the control socket · end"),
        @r"
        0s      begin     | write attempt-starting a | start a
        0s      warn could not use the control socket | warn: could not use the control socket
        0.21s             | write attempt-started a
        2s      a passes  | write attempt-ended a
        2.01s             | assemble
        2.02s             | write assembly-starting
        3.01s   assembled | write assembled + run-ended
        3.02s             | leave 0
        "
    );
    insta::assert_snapshot!(play("a: run 2s", "1s · gone · resume · end"), @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        1s      gone      | write paused | answer done
        1s      resume    | write unpaused | answer done
        2s      a passes  | write attempt-ended a
        2.01s             | assemble
        2.02s             | write assembly-starting
        3.01s   assembled | write assembled + run-ended
        3.02s             | leave 0
        ");
}

#[test]
fn a_run_that_another_process_drove_is_adopted_where_it_stands() {
    let run = RunFixture::new("a · b <- a").begin(1, "agent");
    let mut world = World::resumed(run.state(), "a: run 3s · b", Rules::default());
    let mut lines = world.begin(vec![Event::RunResumed {
        findings: Vec::new(),
    }]);
    lines.extend(world.turn("end"));
    insta::assert_snapshot!(lines.join("\n"), @r"
        0s      begin     | write run-resumed | adopt a
        0.21s             | write attempt-started a
        3s      a passes  | write attempt-ended a + attempt-starting b | start b
        3.21s             | write attempt-started b
        4s      b passes  | write attempt-ended b
        4.01s             | assemble
        4.02s             | write assembly-starting
        5.01s   assembled | write assembled + run-ended
        5.02s             | leave 0
        ");
}

fn slow_journal() -> Rules {
    Rules {
        write_time: Duration::from_millis(500),
        ..Rules::default()
    }
}

#[test]
fn facts_that_come_during_a_write_share_the_next_one_and_effects_wait_for_theirs() {
    insta::assert_snapshot!(
        play_with("a: run 1s · b: run 1100ms · c <- a", "1600ms · cancel c · end", slow_journal()),
        @r"
        0s      begin     | write attempt-starting a + attempt-starting b
        0.50s   written   | start a | start b
        0.71s             | write attempt-started a + attempt-started b
        1.21s   written   |
        1.50s   a passes  | write attempt-ended a + attempt-starting c
        1.60s   b passes  |
        1.60s   cancel c  |
        2s      written   | start c | write attempt-ended b + task-cancelled c
        2.50s   written   | answer done | write attempt-started c | terminate c
        2.50s   c stops   |
        3s      written   | write attempt-ended c
        3.50s   written   |
        3.51s             | assemble
        3.52s             | write assembly-starting
        4.02s   written   |
        4.51s   assembled | write assembled + run-ended
        5.01s   written   |
        5.02s             | leave 3
        "
    );
}

#[test]
fn a_loop_that_is_left_at_once_waits_for_the_write_under_way() {
    insta::assert_snapshot!(
        play_with("a: freeze", "1s · ctrl-c · ctrl-c · ctrl-c · end", slow_journal()),
        @r"
        0s      begin     | write attempt-starting a
        0.50s   written   | start a
        0.71s             | write attempt-started a
        1s      ctrl-c    | warn: stopping: nothing new starts, 1 worker asked to end; again to kill
        1s      ctrl-c    | warn: killing what is left; once more to leave at once | kill a
        1s      ctrl-c    |
        1.21s   written   | write stop-requested | leave, interrupted
        "
    );
}

#[test]
fn a_journal_that_cannot_be_written_ends_the_loop_with_its_error() {
    let mut world = World::fresh("a: run 3s", Rules::default());
    let mut lines = world.begin(Vec::new());
    lines.extend(world.turn("1s"));
    world.is_broken = true;
    lines.extend(world.turn("end"));
    insta::assert_snapshot!(lines.join("\n"), @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        3s      a passes  | leave: another process moved the journal
        ");
}
