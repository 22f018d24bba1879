//! Scripts about variants and their judge.

use crate::model::ids::TaskNumber;
use crate::schedule::Limits;
use crate::schedule::tests::game::{play, play_with};
use crate::schedule::worker_pool::WorkerLimits;

#[test]
fn the_variants_of_a_task_run_side_by_side_and_one_is_chosen_once_all_have_ended() {
    insta::assert_snapshot!(
        play("a*3 · b <- a", "open · fail a.1 · pass a.3 · pass a.2 · chosen a.3 · pass b · assembled"),
        @r"
    open         | start a.1 | start a.2 | start a.3
    fail a.1     |
    pass a.3     |
    pass a.2     | choose for a
    chosen a.3   | accept for a | start b
    pass b       | assemble
    assembled    | end 0
    "
    );
}

#[test]
fn a_variant_has_retries_of_its_own_and_the_task_fails_only_with_all_of_them() {
    insta::assert_snapshot!(
        play("a*2", "open · flake a.1 · fail a.2 · due a.1 · flake a.1 · due a.1 · flake a.1"),
        @r"
    open         | start a.1 | start a.2
    flake a.1    | retry a.1 in 4s | wake for a.1
    fail a.2     | wake for a.1
    due a.1      | start a.1
    flake a.1    | retry a.1 in 8s | wake for a.1
    due a.1      | start a.1
    flake a.1    | end 3
    "
    );
}

#[test]
fn variants_take_the_slots_of_the_run_one_each() {
    insta::assert_snapshot!(
        play_with("a*3 · b", "open · pass a.2 · pass a.1 · pass a.3 · pass b", |limits| Limits {
            max_parallel: 2,
            ..limits
        }),
        @r"
    open         | start a.1 | start a.2
    pass a.2     | start a.3
    pass a.1     | start b
    pass a.3     | choose for a
    pass b       | choose for a
    "
    );
}

#[test]
fn a_judge_takes_a_slot_of_the_run_and_of_its_worker() {
    let one = |limits: Limits| {
        let mut limits = Limits {
            max_parallel: 2,
            ..limits
        };
        limits.pool.judges = [(TaskNumber(1), "claude".to_owned())].into();
        limits
    };
    insta::assert_snapshot!(
        play_with("a*2 · b · c", "open · pass a.1 · pass a.2 · pass b · chosen a.1", one),
        @r"
    open         | start a.1 | start a.2
    pass a.1     | start b
    pass a.2     | choose for a
    pass b       | choose for a | start c
    chosen a.1   | accept for a
    "
    );
    let of_worker = |limits: Limits| {
        let mut limits = limits;
        let claude = WorkerLimits {
            concurrency: Some(1),
            ..WorkerLimits::default()
        };
        limits.pool.judges = [(TaskNumber(1), "claude".to_owned())].into();
        limits.pool.assigned = ["shell", "claude", "claude"].map(str::to_owned).to_vec();
        limits.pool.workers = [("claude".to_owned(), claude)].into();
        limits
    };
    insta::assert_snapshot!(
        play_with("a*2 · b · c", "open · pass a.1 · pass a.2 · pass b · chosen a.1", of_worker),
        @r"
    open         | start a.1 | start a.2 | start b by claude
    pass a.1     |
    pass a.2     | choose for a
    pass b       | choose for a
    chosen a.1   | accept for a | start c by claude
    "
    );
}

#[test]
fn variants_that_can_no_longer_start_are_not_waited_for() {
    let one = |mut limits: Limits| {
        limits.pool.assigned = vec!["claude".to_owned()];
        Limits {
            max_parallel: 1,
            max_cost: Some(1.0),
            ..limits
        }
    };
    insta::assert_snapshot!(
        play_with("a*3", "open · paid a.1 1.5 · chosen a.1 · assembled", one),
        @r"
    open         | start a.1 by claude
    paid a.1 1.5 | 1.5 of 1 spent | choose for a
    chosen a.1   | accept for a | assemble
    assembled    | end 0
    "
    );
}

#[test]
fn a_cancel_or_a_retry_is_about_all_variants() {
    insta::assert_snapshot!(
        play("a*2", "open · pass a.1 · cancel a · cut a.2 · retry a · pass a.1 · pass a.2 · chosen a.1"),
        @r"
    open         | start a.1 | start a.2
    pass a.1     |
    cancel a     |
    cut a.2      | end 3
    retry a      | start a.1 | start a.2
    pass a.1     |
    pass a.2     | choose for a
    chosen a.1   | accept for a | assemble
    "
    );
}

#[test]
fn a_task_that_is_done_again_for_a_conflict_has_one_attempt_by_the_winner() {
    let pool = |limits: Limits| {
        let mut limits = limits;
        limits.pool.workers = [("shell".to_owned(), Default::default())].into();
        limits
    };
    insta::assert_snapshot!(
        play_with(
            "b · a*2",
            "open · pass b · pass a.1 · pass a.2 · chosen a.2 · clash a · fail a",
            pool
        ),
        @r"
    open         | start b | start a.1 | start a.2
    pass b       |
    pass a.1     |
    pass a.2     | choose for a
    chosen a.2   | accept for a | assemble
    clash a      | again a | start a
    fail a       | restore a | end 4
    "
    );
}
