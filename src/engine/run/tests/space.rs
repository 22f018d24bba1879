//! A full disk, slots that other runs have, a branch that is not dispatch's to move.

use super::world::{Rules, World, play, play_with};
use crate::config::Settings;

#[test]
fn on_a_full_disk_work_ends_nothing_starts_and_nothing_is_lost() {
    insta::assert_snapshot!(
        play("a: run 2s · b <- a: run 1s", "1s · full · 4s · space · end"),
        @""
    );
}

#[test]
fn a_request_on_a_full_disk_is_answered_once_it_is_written_and_carried_out_at_once() {
    insta::assert_snapshot!(
        play("a: run 9s · b <- a", "1s · full · cancel a · 2s · space · 2s"),
        @""
    );
}

#[test]
fn a_run_that_is_stopped_on_a_full_disk_is_left_for_the_next_process() {
    insta::assert_snapshot!(play("a: run 9s · b: run 9s", "1s · full · ctrl-c · end"), @"");
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
    insta::assert_snapshot!(lines.join("\n"), @"");
}

#[test]
fn a_worktree_is_made_only_while_the_limits_of_the_user_allow_it() {
    let mut settings = Settings::default();
    settings.run.max_worktrees = Some(9);
    let rules = Rules {
        settings,
        ..Rules::default()
    };
    insta::assert_snapshot!(play_with("a: run 1s · b: run 1s", "end", rules), @"");
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
    insta::assert_snapshot!(lines.join("\n"), @"");
}
