//! Reads what the commands of Slurm print, as versions 22.05 to 24.11 do.

use crate::exec::engine::{JobExit, JobState};

/// The fields that `squeue -O` is asked for, each with a bar behind it.
pub(super) const FIELDS: &str = "JobID:|,State:|,exit_code:|,Reason:|,NodeList:|,RestartCnt:|";

/// Messages of a controller that does not answer, which say nothing about jobs.
const UNREACHABLE: [&str; 5] = [
    "Unable to contact slurm controller",
    "Socket timed out",
    "Connection refused",
    "Unable to connect to database",
    "Zero Bytes were transmitted",
];

/// Reasons with which a waiting job never starts.
const NEVER: [&str; 6] = [
    "DependencyNeverSatisfied",
    "PartitionTimeLimit",
    "PartitionNodeLimit",
    "BadConstraints",
    "InvalidAccount",
    "InvalidQOS",
];

/// Returns `true` if a message says that the controller does not answer.
pub(super) fn says_unreachable(said: &str) -> bool {
    UNREACHABLE.iter().any(|known| said.contains(known))
}

/// Parses the output of `squeue`: each job with its state.
pub(super) fn parse_squeue(text: &str) -> Vec<(String, JobState)> {
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let [id, state, exit, reason, nodes, restarts, ..] = fields[..] else {
            return None;
        };
        let found = match restarts.parse() {
            // Slurm started it again, against our wish: the first start may still run.
            Ok(1..=u32::MAX) if state == "PENDING" || state == "CONFIGURING" => {
                JobState::Lost(format!("Slurm put it back into the queue: {reason}"))
            }
            _ => state_of(state, &exit_of(exit), reason, nodes),
        };
        Some((id.to_owned(), found))
    };
    text.lines().filter_map(parse).collect()
}

/// Parses the output of `sacct -X -P -n -o JobIDRaw,State,ExitCode,NodeList`.
pub(super) fn parse_sacct(text: &str) -> Vec<(String, JobState)> {
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let [id, state, exit, nodes, ..] = fields[..] else {
            return None;
        };
        // `CANCELLED by 1000`
        let state = state.split_whitespace().next().unwrap_or_default();
        Some((id.to_owned(), state_of(state, &exit_of(exit), "", nodes)))
    };
    text.lines().filter_map(parse).collect()
}

fn state_of(state: &str, exit: &JobExit, reason: &str, nodes: &str) -> JobState {
    match state.trim_end_matches('+') {
        "PENDING" if NEVER.contains(&reason) => JobState::Ended(JobExit::Unknown),
        "PENDING" | "CONFIGURING" | "REQUEUE_HOLD" | "SPECIAL_EXIT" => {
            JobState::Queued(reason.to_owned())
        }
        "RUNNING" | "COMPLETING" | "SUSPENDED" | "STOPPED" | "SIGNALING" | "STAGE_OUT"
        | "RESIZING" => JobState::Running(Some(nodes.to_owned()).filter(|name| !name.is_empty())),
        "COMPLETED" => JobState::Ended(JobExit::Code(0)),
        "FAILED" => JobState::Ended(*exit),
        "TIMEOUT" | "DEADLINE" => JobState::Ended(JobExit::TimedOut),
        "OUT_OF_MEMORY" => JobState::Ended(JobExit::OutOfMemory),
        "CANCELLED" => JobState::Ended(JobExit::Cancelled),
        // Their exit codes mean nothing, and differ from version to version.
        "NODE_FAIL" => JobState::Lost(format!("its node failed: {nodes}")),
        "BOOT_FAIL" => JobState::Lost("its node did not start".to_owned()),
        "PREEMPTED" => JobState::Lost("another job took its place".to_owned()),
        "REQUEUED" | "REQUEUE_FED" | "REVOKED" => {
            JobState::Lost("Slurm put it back into the queue".to_owned())
        }
        other => JobState::Unreachable(format!("unknown state {other:?}")),
    }
}

/// Parses an exit code: `7:0` (code and signal), or the raw wait status of 22.05.
fn exit_of(text: &str) -> JobExit {
    let (code, signal) = match text.split_once(':') {
        Some((code, signal)) => (code.parse().ok(), signal.parse().unwrap_or(0)),
        None => {
            let status: Option<i32> = text.parse().ok();
            (
                status.map(|status| status >> 8),
                status.map_or(0, |status| status & 0x7f),
            )
        }
    };
    match (code, signal) {
        (_, 1..) => JobExit::Signal(signal),
        (Some(code), _) if code > 128 => JobExit::Signal(code - 128),
        (Some(code), _) => JobExit::Code(code),
        (None, _) => JobExit::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_old_and_new_versions_read_the_same() {
        let text = "\
11|PENDING|0|Resources||0|
12|RUNNING|0|None|n1|0|
13|COMPLETED|0|None|n1|0|
14|FAILED|1792|NonZeroExitCode|n2|0|
15|FAILED|7:0|NonZeroExitCode|n2|0|
16|FAILED|9|JobLaunchFailure|n2|0|
17|FAILED|0:9|RaisedSignal:9(Killed)|n2|0|
18|FAILED|137:0|NonZeroExitCode|n2|0|
19|TIMEOUT|0:15|TimeLimit|n2|0|
20|OUT_OF_MEMORY|0:125|OutOfMemory|n2|0|
21|CANCELLED|0:15|None|n2|0|
22|NODE_FAIL|0:1|NodeDown|n2|0|
23|PENDING|0|BeginTime||1|
24|PENDING|0|DependencyNeverSatisfied||0|
111_42|COMPLETING|0|None|n1|0|
25|NEW_STATE|0|None|n1|0|
not a line
";
        let lines: Vec<String> = parse_squeue(text)
            .into_iter()
            .map(|(id, state)| format!("{id} {state:?}"))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        11 Queued("Resources")
        12 Running(Some("n1"))
        13 Ended(Code(0))
        14 Ended(Code(7))
        15 Ended(Code(7))
        16 Ended(Signal(9))
        17 Ended(Signal(9))
        18 Ended(Signal(9))
        19 Ended(TimedOut)
        20 Ended(OutOfMemory)
        21 Ended(Cancelled)
        22 Lost("its node failed: n2")
        23 Lost("Slurm put it back into the queue: BeginTime")
        24 Ended(Unknown)
        111_42 Running(Some("n1"))
        25 Unreachable("unknown state \"NEW_STATE\"")
        "#);
    }

    #[test]
    fn accounting_tells_the_state_of_a_forgotten_job() {
        let states =
            parse_sacct("7|CANCELLED by 1000|0:0|n1\n8|COMPLETED|0:0|n1\n9|FAILED|3:0|n2\n");
        let states: Vec<String> = states.iter().map(|(id, s)| format!("{id} {s:?}")).collect();
        assert_eq!(
            states,
            ["7 Ended(Cancelled)", "8 Ended(Code(0))", "9 Ended(Code(3))"]
        );
    }

    #[test]
    fn a_controller_that_is_down_says_nothing_about_jobs() {
        assert!(says_unreachable(
            "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
        ));
        assert!(!says_unreachable(
            "slurm_load_jobs error: Invalid job id specified"
        ));
    }
}
