//! Tests of the core as scripts: words in, decisions out.

#![allow(clippy::unwrap_used)]

mod full_scan;
mod game;
mod random;
mod retries;
mod variants;
mod worker_pool;

use crate::schedule::Limits;
use crate::schedule::tests::game::{play, play_with};

#[test]
fn on_a_full_disk_nothing_starts_and_nothing_ends_until_there_is_room() {
    insta::assert_snapshot!(
        play("a · b <- a · c <- b", "open · full · pass a · room · pass b · full · pass c · resume · assembled"),
        @r"
    open         | start a
    full         |
    pass a       |
    room         | start b
    pass b       | start c
    full         |
    pass c       |
    resume       | assemble
    assembled    | end 0
    "
    );
    insta::assert_snapshot!(play("a", "open · full · pass a · stop"), @r"
    open         | start a
    full         |
    pass a       |
    stop         | end 130
    ");
}

#[test]
fn a_task_that_fails_blocks_its_dependents_and_nothing_else() {
    insta::assert_snapshot!(
        play("parse · render <- parse · docs", "open · fail parse · pass docs · assembled"),
        @r"
        open         | start parse | start docs
        fail parse   |
        pass docs    | assemble
        assembled    | end 3
        "
    );
}

#[test]
fn a_task_whose_result_met_another_is_done_again_once() {
    insta::assert_snapshot!(
        play("a · b", "open · pass a · pass b · clash b · pass b · clash b"),
        @r"
        open         | start a | start b
        pass a       |
        pass b       | assemble
        clash b      | again b | start b
        pass b       | assemble
        clash b      | end 4
        "
    );
    insta::assert_snapshot!(
        play_with("a · b", "open · pass a · pass b · clash b · pass b · clash b · pass b · clash b",
            |limits| Limits { redispatches: 2, ..limits }),
        @r"
        open         | start a | start b
        pass a       |
        pass b       | assemble
        clash b      | again b | start b
        pass b       | assemble
        clash b      | again b | start b
        pass b       | assemble
        clash b      | end 4
        "
    );
    insta::assert_snapshot!(
        play_with("a · b", "open · pass a · pass b · clash b", |limits| Limits { budget: 0, ..limits }),
        @r"
        open         | start a | start b
        pass a       |
        pass b       | assemble
        clash b      | end 4
        "
    );
}

#[test]
fn one_that_is_done_again_in_vain_offers_what_it_had() {
    insta::assert_snapshot!(
        play("a · b · c <- b", "open · pass a · pass b · pass c · clash b · flake b · due b · fail b"),
        @r"
        open         | start b | start a
        pass a       |
        pass b       | start c
        pass c       | assemble
        clash b      | again b | start b
        flake b      | retry b in 4s | wake for b
        due b        | start b
        fail b       | restore b | end 4
        "
    );
    insta::assert_snapshot!(
        play("a · b · c <- b", "open · pass a · pass b · pass c · clash b · cut b · pass b · pass c · assembled"),
        @r"
        open         | start b | start a
        pass a       |
        pass b       | start c
        pass c       | assemble
        clash b      | again b | start b
        cut b        | start b
        pass b       | start c
        pass c       | assemble
        assembled    | end 0
        "
    );
}

#[test]
fn what_depends_on_a_task_starts_when_it_has_passed() {
    insta::assert_snapshot!(
        play("a · b <- a · c <- a, b", "open · pass a · pass b · pass c · assembled"),
        @r"
        open         | start a
        pass a       | start b
        pass b       | start c
        pass c       | assemble
        assembled    | end 0
        "
    );
}

#[test]
fn the_longest_remaining_path_goes_first_and_the_order_of_the_plan_breaks_ties() {
    insta::assert_snapshot!(
        play_with(
            "short · other · long · middle <- long · end <- middle",
            "open · pass long · pass middle",
            |limits| Limits { max_parallel: 1, ..limits },
        ),
        @r"
        open         | start long
        pass long    | start middle
        pass middle  | start short
        "
    );
}

#[test]
fn a_skipped_task_takes_its_dependents_along_unless_told_not_to() {
    insta::assert_snapshot!(
        play("a · b <- a · c", "open · pass c · fail a · assembled · skip a"),
        @r"
        open         | start a | start c
        pass c       |
        fail a       | assemble
        assembled    | end 3
        skip a       | end 0
        "
    );
    insta::assert_snapshot!(
        play("a · b <- a", "open · fail a · drop a · pass b · assembled"),
        @r"
        open         | start a
        fail a       | end 3
        drop a       | start b
        pass b       | assemble
        assembled    | end 0
        "
    );
}

#[test]
fn nothing_starts_once_a_person_has_asked_to_stop() {
    insta::assert_snapshot!(
        play_with("a · b · c", "open · stop · pass a · cut b", |limits| Limits {
            max_parallel: 2,
            ..limits
        }),
        @r"
        open         | start a | start b
        stop         |
        pass a       |
        cut b        | end 130
        "
    );
}

#[test]
fn a_paused_run_starts_nothing_and_does_not_end() {
    insta::assert_snapshot!(
        play("a · b <- a", "open · pause · pass a · go · pass b · assembled"),
        @r"
        open         | start a
        pause        |
        pass a       |
        go           | start b
        pass b       | assemble
        assembled    | end 0
        "
    );
}

#[test]
fn a_plan_of_ten_thousand_tasks_in_a_chain_is_decided_without_recursion() {
    let names: Vec<String> = (0..10_000).map(|n| format!("t{n}")).collect();
    let mut plan = names[0].clone();
    for pair in names.windows(2) {
        plan.push_str(&format!(" · {} <- {}", pair[1], pair[0]));
    }
    let first = play(&plan, "open");
    assert_eq!(first, "open         | start t0");
}
