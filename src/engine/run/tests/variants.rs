//! Tasks with variants: starts, the choice, signals, a process that resumes.

use super::world::{Rules, World, play, play_with};
use crate::model::event::Event;
use crate::model::fixture::RunFixture;

#[test]
fn the_choice_is_in_the_journal_before_the_branch_moves_and_dependents_wait_for_both() {
    insta::assert_snapshot!(play("a*2: run 1s; run 2s · b <- a: run 1s", "end"), @r"
    0s      begin     | write attempt-starting a + attempt-starting a | start a | start a@2
    0.21s             | write attempt-started a + attempt-started a
    1s      a passes  | write attempt-ended a
    2s      a@2 passes | write attempt-ended a | choose a
    2.01s             | write variant-chosen a | accept a
    2.02s             | write variant-accepted a + attempt-starting b | start b
    2.23s             | write attempt-started b
    3.02s   b passes  | write attempt-ended b
    3.03s             | assemble
    3.04s             | write assembly-starting
    4.03s   assembled | write assembled + run-ended
    4.04s             | leave 0
    ");
}

#[test]
fn a_variant_that_fails_for_good_drops_out() {
    insta::assert_snapshot!(play("a*2: run 1s, exit 1; run 2s", "end"), @r"
    0s      begin     | write attempt-starting a + attempt-starting a | start a | start a@2
    0.21s             | write attempt-started a + attempt-started a
    1s      a fails   | write attempt-ended a
    2s      a@2 passes | write attempt-ended a | choose a
    2.01s             | write variant-chosen a | accept a
    2.02s             | write variant-accepted a
    2.03s             | assemble
    2.04s             | write assembly-starting
    3.03s   assembled | write assembled + run-ended
    3.04s             | leave 0
    ");
    insta::assert_snapshot!(play("a*2: run 1s, exit 1", "end"), @r"
    0s      begin     | write attempt-starting a + attempt-starting a | start a | start a@2
    0.21s             | write attempt-started a + attempt-started a
    1s      a fails, a@2 fails | write attempt-ended a + attempt-ended a + run-ended
    1.01s             | leave 3
    ");
}

#[test]
fn a_variant_is_tried_again_while_another_runs() {
    insta::assert_snapshot!(play("a*2: run 1s, exit 75; run 9s; run 1s", "end"), @r"
    0s      begin     | write attempt-starting a + attempt-starting a | start a | start a@2
    0.21s             | write attempt-started a + attempt-started a
    1s      a fails   | write attempt-ended a + retry-scheduled a
    7.18s             | write retry-due a + attempt-starting a | start a@3
    7.39s             | write attempt-started a
    8.18s   a@3 passes | write attempt-ended a
    9s      a@2 passes | write attempt-ended a | choose a
    9.01s             | write variant-chosen a | accept a
    9.02s             | write variant-accepted a
    9.03s             | assemble
    9.04s             | write assembly-starting
    10.03s  assembled | write assembled + run-ended
    10.04s            | leave 0
    ");
}

#[test]
fn a_cancel_ends_every_variant() {
    insta::assert_snapshot!(play("a*2: run 5s", "1s · cancel a · end"), @r"
    0s      begin     | write attempt-starting a + attempt-starting a | start a | start a@2
    0.21s             | write attempt-started a + attempt-started a
    1s      cancel a  | write task-cancelled a | answer done | terminate a | terminate a
    1s      a stops, a@2 stops | write attempt-ended a + attempt-ended a + run-ended
    1.01s             | leave 3
    ");
}

#[test]
fn ctrl_c_ends_every_variant_and_none_is_chosen() {
    insta::assert_snapshot!(play("a*2: run 1s; run 5s", "2s · ctrl-c · end"), @r"
    0s      begin     | write attempt-starting a + attempt-starting a | start a | start a@2
    0.21s             | write attempt-started a + attempt-started a
    1s      a passes  | write attempt-ended a
    2s      ctrl-c    | warn: stopping: nothing new starts, 1 worker asked to end; again to kill | write stop-requested | interrupt a
    2s      a@2 stops | write attempt-ended a + run-ended
    2.01s             | leave 130
    ");
}

#[test]
fn each_variant_takes_a_slot_of_the_run() {
    let one = Rules {
        max_parallel: Some(1),
        ..Rules::default()
    };
    insta::assert_snapshot!(play_with("a*2: run 1s", "end", one), @r"
    0s      begin     | write attempt-starting a | start a
    0.21s             | write attempt-started a
    1s      a passes  | write attempt-ended a + attempt-starting a | start a@2
    1.21s             | write attempt-started a
    2s      a@2 passes | write attempt-ended a | choose a
    2.01s             | write variant-chosen a | accept a
    2.02s             | write variant-accepted a
    2.03s             | assemble
    2.04s             | write assembly-starting
    3.03s   assembled | write assembled + run-ended
    3.04s             | leave 0
    ");
}

#[test]
fn a_process_that_resumes_adopts_every_variant_and_finishes_a_choice() {
    let plan = "a*2: run 3s";
    let alive = RunFixture::new("a*2")
        .begin_variant(1, 1)
        .begin_variant(1, 2);
    let mut world = World::resumed(alive.state(), plan, Rules::default());
    let mut lines = world.begin(Vec::new());
    lines.extend(world.turn("end"));
    insta::assert_snapshot!(lines.join("\n"), @r"
    0s      begin     | adopt a | adopt a@2
    0.21s             | write attempt-started a + attempt-started a
    3s      a passes, a@2 passes | write attempt-ended a + attempt-ended a | choose a
    3.01s             | write variant-chosen a | accept a
    3.02s             | write variant-accepted a
    3.03s             | assemble
    3.04s             | write assembly-starting
    4.03s   assembled | write assembled + run-ended
    4.04s             | leave 0
    ");

    let chosen = RunFixture::new("a*2").begin_variant(1, 1).pass(1, "done");
    let chosen = chosen.begin_variant(1, 2).fail(1, "no").choose(1, 1);
    let mut world = World::resumed(chosen.state(), plan, Rules::default());
    let asked = vec![Event::RunResumed {
        findings: Vec::new(),
    }];
    let mut lines = world.begin(asked);
    lines.extend(world.turn("end"));
    insta::assert_snapshot!(lines.join("\n"), @r"
    0s      begin     | write run-resumed | accept a
    0.01s             | write variant-accepted a
    0.02s             | assemble
    0.03s             | write assembly-starting
    1.02s   assembled | write assembled + run-ended
    1.03s             | leave 0
    ");
}
