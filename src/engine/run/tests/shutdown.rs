//! Signals, a terminal that is gone, a peer that is gone, adopting a run.

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
        1s      a passes  | write attempt-ended a | assemble
        1.01s             | write assembly-starting
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
        2s      a passes  | write attempt-ended a | assemble
        2.01s             | write assembly-starting
        3s      assembled | write assembled + run-ended
        3.01s             | leave 0
        "
    );
    insta::assert_snapshot!(play("a: run 2s", "1s · gone · resume · end"), @r"
        0s      begin     | write attempt-starting a | start a
        0.21s             | write attempt-started a
        1s      gone      | write paused | answer done
        1s      resume    | write unpaused | answer done
        2s      a passes  | write attempt-ended a | assemble
        2.01s             | write assembly-starting
        3s      assembled | write assembled + run-ended
        3.01s             | leave 0
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
        4s      b passes  | write attempt-ended b | assemble
        4.01s             | write assembly-starting
        5s      assembled | write assembled + run-ended
        5.01s             | leave 0
        ");
}
