//! Signals, a terminal that is gone, a peer that is gone, adopting a run.

use super::world::{Rules, World, play, play_with};
use crate::model::event::Event;
use crate::model::fixture::RunFixture;

#[test]
fn the_first_ctrl_c_asks_workers_to_stop_and_starts_nothing_new() {
    insta::assert_snapshot!(play("a: run 9s · b <- a", "1s · ctrl-c · end"), @"");
}

#[test]
fn the_second_ctrl_c_kills_and_the_third_leaves_at_once() {
    insta::assert_snapshot!(play("a: hang", "1s · ctrl-c · 3s · ctrl-c · end"), @"");
    insta::assert_snapshot!(play("a: freeze", "1s · ctrl-c · ctrl-c · 3s · ctrl-c"), @"");
}

#[test]
fn ctrl_c_stops_an_assembly_which_is_made_again_later() {
    insta::assert_snapshot!(play("a: run 1s", "1.5s · ctrl-c · end"), @"");
}

#[test]
fn ctrl_c_while_a_retry_waits_ends_the_run() {
    insta::assert_snapshot!(play("a: run 1s, exit 75", "2s · ctrl-c · end"), @"");
}

#[test]
fn a_run_without_a_terminal_stops_unless_a_task_is_in_the_background() {
    insta::assert_snapshot!(play("a: run 9s", "1s · hang-up · end"), @"");
    let background = || Rules {
        background: vec![2],
        ..Rules::default()
    };
    insta::assert_snapshot!(
        play_with("a: run 9s · b: run 20s", "1s · hang-up · end", background()),
        @""
    );
    insta::assert_snapshot!(play_with("a: run 2s · b: run 20s", "end", background()), @"");
}

#[test]
fn a_lost_control_socket_or_peer_keeps_no_run_from_its_end() {
    insta::assert_snapshot!(
        play("a: run 2s", "warn could not use the control socket · end"),
        @""
    );
    insta::assert_snapshot!(play("a: run 2s", "1s · gone · resume · end"), @"");
}

#[test]
fn a_run_that_another_process_drove_is_adopted_where_it_stands() {
    let run = RunFixture::new("a · b <- a").begin(1, "agent");
    let mut world = World::resumed(run.state(), "a: run 3s · b", Rules::default());
    let mut lines = world.begin(vec![Event::RunResumed { found: Vec::new() }]);
    lines.extend(world.turn("end"));
    insta::assert_snapshot!(lines.join("\n"), @"");
}
