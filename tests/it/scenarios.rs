//! Thirty-five ways in which a run can go wrong that is not its plan's fault, each with the test
//! that shows what happens, or with the reason why none can exist here.

use std::fs;
use std::path::Path;

/// By what a scenario is shown.
enum Shown {
    /// These tests, as `file::name`.
    By(&'static [&'static str]),
    /// Not: why.
    Not(&'static str),
}

use Shown::{By, Not};

/// What a crash at every named point of every effect shows.
const AT_ANY_POINT: &str =
    "faults::a_run_that_is_killed_at_any_fault_point_ends_as_if_nothing_had_happened";

const SCENARIOS: [(&str, Shown); 35] = [
    (
        "the runner is killed before the run's first event",
        By(&[
            AT_ANY_POINT,
            "doctor::a_run_without_a_journal_is_explained_and_work_of_it_stays",
        ]),
    ),
    (
        "after a branch is made, before its worktree",
        By(&[AT_ANY_POINT]),
    ),
    (
        "while a worktree is made",
        By(&[
            AT_ANY_POINT,
            "doctor::leftovers_of_killed_processes_are_explained_and_removed",
        ]),
    ),
    (
        "after a worker was started, before that is recorded",
        By(&[AT_ANY_POINT]),
    ),
    (
        "while workers run",
        By(&["resume::a_living_worker_is_taken_up_and_works_only_once"]),
    ),
    (
        "between a worker's end and its record",
        By(&["resume::the_result_of_a_worker_that_ended_meanwhile_is_taken"]),
    ),
    (
        "while candidates are assembled",
        By(&[
            AT_ANY_POINT,
            "resume::a_run_that_died_while_its_check_ran_checks_again_and_not_twice_at_once",
        ]),
    ),
    ("while the board is written", By(&[AT_ANY_POINT])),
    (
        "a shim is killed, its worker lives",
        By(&["resume::a_worker_whose_shim_died_too_is_ended_and_tried_again_without_counting"]),
    ),
    (
        "the machine was started anew, and pids belong to others",
        By(&["exec::a_process_that_only_has_the_pid_of_a_lost_worker_is_left_alone"]),
    ),
    (
        "the disk is full",
        By(&[
            "faults::a_disk_that_is_full_at_any_write_costs_no_attempt_and_no_work",
            "room::where_no_worktree_has_room_the_run_is_paused_and_goes_on_by_itself",
            "room::a_worker_that_fills_the_disk_of_the_journal_loses_nothing",
            "room::work_that_is_too_large_for_the_repository_s_disk_waits_and_survives_ctrl_c",
            "preflight::a_full_or_read_only_disk_for_worktrees_is_refused",
        ]),
    ),
    (
        "a worktree is removed by hand",
        By(&[
            "resume::a_worktree_that_was_deleted_meanwhile_is_made_anew",
            "run_worker::a_worktree_that_was_removed_fails_the_attempt",
        ]),
    ),
    (
        "a branch is moved or deleted by hand",
        By(&[
            "resume::a_task_s_branch_that_was_moved_meanwhile_is_kept",
            "run_worker::a_branch_that_was_renamed_or_deleted_comes_back",
            "doctor::deleted_references_are_restored",
        ]),
    ),
    (
        "a task's branch is checked out by somebody",
        By(&[
            "resume::a_branch_that_is_checked_out_by_somebody_is_not_moved",
            "resume::an_integration_branch_that_is_checked_out_is_left_alone_and_the_run_ends",
        ]),
    ),
    (
        "a lock file is left in a worktree",
        By(&[
            "run_worker::locks_that_a_killed_git_left_are_no_hindrance",
            "assemble::a_lock_that_a_killed_git_left_where_checks_run_is_no_hindrance",
        ]),
    ),
    (
        "the user's own git cleans up during a run",
        By(&[
            "together::the_users_own_git_goes_on_during_a_run",
            "scale::many_tasks_at_once_do_not_fail_and_disturb_nobody",
        ]),
    ),
    (
        "a worker becomes a daemon",
        By(&[
            "exec::a_daemon_in_a_session_of_its_own_is_killed_and_named",
            "exec::a_daemon_whose_shim_and_worker_are_gone_is_found_by_its_cookie",
        ]),
    ),
    (
        "a worker's child holds its output",
        By(&["exec::a_background_process_that_holds_the_output_is_killed_and_named"]),
    ),
    (
        "a worker floods its output, without a line end",
        By(&[
            "exec::a_flood_of_output_is_bounded_and_never_blocks_the_worker",
            "room::output_without_end_takes_bounded_memory_and_disk",
        ]),
    ),
    (
        "bytes that are no text, and texts that are markup",
        By(&[
            "exec::bytes_that_are_no_text_are_kept_as_they_came",
            "run_worker::modes_links_and_odd_names_come_through",
        ]),
    ),
    (
        "a worker ignores SIGTERM, or has stopped itself",
        By(&[
            "exec::a_worker_that_ignores_sigterm_is_killed_after_the_grace",
            "exec::a_worker_that_stopped_itself_gets_sigterm_all_the_same",
        ]),
    ),
    (
        "Ctrl-C once, twice, three times; Ctrl-Z and fg; a hang-up",
        By(&[
            "background::ctrl_z_stops_the_runner_and_no_worker_and_fg_goes_on",
            "interrupt::after_the_first_ctrl_c_the_run_can_be_resumed_to_the_same_end",
            "interrupt::the_second_ctrl_c_kills_a_worker_that_ignores_the_first",
            "interrupt::the_third_ctrl_c_leaves_at_once_while_a_worker_hangs",
            "exec::a_hang_up_does_not_disturb_the_job",
        ]),
    ),
    (
        "the clock jumps, the machine sleeps",
        Not(
            "limits are measured by the monotonic clock, which no program can set; that the time of day is of no matter shows in every test, for all of them freeze it",
        ),
    ),
    (
        "two runners at once",
        By(&[
            "together::a_run_that_is_driven_is_held_and_can_be_looked_at",
            "together::two_runs_at_once_do_not_disturb_each_other",
        ]),
    ),
    (
        "two hundred tasks start at once",
        By(&["scale::many_tasks_at_once_do_not_fail_and_disturb_nobody"]),
    ),
    (
        "all workers run into a rate limit",
        By(&["crew::another_worker_takes_over_from_one_that_is_parked"]),
    ),
    (
        "the same failure twice",
        By(&[
            "run_failure::the_same_failure_twice_is_not_tried_a_third_time",
            "run_failure::a_retry_after_the_fix_takes_the_dependents_along",
        ]),
    ),
    (
        "a hook or a worker calls git in the wrong repository",
        By(&["run_worker::a_worker_sees_no_git_variables_and_its_own_worktree"]),
    ),
    (
        "a worker rewrites the links of its worktree",
        By(&["run_worker::a_worktree_that_lost_its_link_fails_the_attempt_and_nothing_runs_there"]),
    ),
    (
        "an unusual repository",
        By(&[
            "preflight::formats_that_libgit2_cannot_read_are_refused",
            "preflight::a_partial_clone_is_refused",
            "preflight::a_bare_repository_is_refused",
            "run_repo::a_sparse_checkout_keeps_what_it_does_not_show",
            "run_repo::a_shallow_clone_is_said_and_works",
            "run_repo::filters_of_the_repository_work_as_for_the_user",
            "run_repo::submodules_are_said_and_stay_as_they_are",
        ]),
    ),
    (
        "the repository is moved between runs",
        By(&["doctor::a_repository_that_was_moved_finds_its_worktrees_again"]),
    ),
    (
        "dispatch is started from a hook, a linked worktree, a folder below",
        By(&[
            "preflight::variables_of_a_git_hook_do_not_lead_elsewhere",
            "preflight::a_run_starts_from_below_the_top_from_a_linked_worktree_and_through_a_symbolic_link",
        ]),
    ),
    (
        "the plan is edited between crash and resume",
        By(&[
            "resume::a_run_goes_on_with_an_edited_plan_and_says_what_that_means",
            "resume::a_plan_that_was_edited_is_never_taken_over_without_a_word",
            "resume::a_worker_of_a_task_that_was_edited_meanwhile_is_ended_first_and_its_work_kept",
        ]),
    ),
    (
        "a newer dispatch wrote the journal",
        By(&["journal::an_unknown_run_a_newer_version_and_a_hole_are_each_refused_in_words"]),
    ),
    (
        "the journal's tip is damaged, or its reference is gone",
        By(&[
            "doctor::a_journal_whose_tip_is_damaged_goes_back_to_its_last_good_commit",
            "doctor::a_journal_whose_reference_is_gone_is_found_among_the_objects",
        ]),
    ),
];

#[test]
fn every_scenario_is_shown_by_a_test_that_exists_or_says_why_not() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let mut wrong = Vec::new();
    for (number, (what, shown)) in (1..).zip(&SCENARIOS) {
        let tests = match shown {
            By(tests) => *tests,
            Not(why) => {
                assert!(why.len() > 40, "{number}, {what}: no reason");
                continue;
            }
        };
        for test in tests {
            let (file, name) = test.split_once("::").unwrap();
            let text = fs::read_to_string(folder.join(file).with_extension("rs"));
            let text = text.unwrap_or_default();
            if !text.contains(&format!("#[test]\nfn {name}()"))
                && !text.contains(&format!("\nfn {name}()"))
            {
                wrong.push(format!("{number}, {what}: there is no test {test}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
