//! Further turns: messages that wait for the end of an attempt.

use super::world::{Rules, World, play_with};
use crate::model::event::Event;
use crate::model::fixture::RunFixture;
use crate::model::ids::TaskNumber;
use crate::model::outcome::End;
use crate::model::worker_report::WorkerReport;

fn sessions() -> Rules {
    Rules {
        has_sessions: true,
        shows_boards: true,
        ..Rules::default()
    }
}

#[test]
fn an_attempt_with_a_waiting_message_goes_on_before_its_task_is_done() {
    insta::assert_snapshot!(play_with("a: run 2s; run 1s · b <- a: run 1s", "1s · tell a · end", sessions()), @r"
    0s      begin     | write attempt-starting a | start a | board: #1 IN PROGRESS, #2 BLOCKED (by #1)
    0.21s             | write attempt-started a
    1s      tell a    | write message-given a + message-waits a | answer done | answer done
    2s      a passes  | write attempt-ended a | board: #1 QUEUED
    2.01s   checked   | write attempt-starting a | start a@2 in place in session-1: message 1 | board: #1 IN PROGRESS
    2.22s             | write attempt-started a
    3.01s   a@2 passes | write attempt-ended a + attempt-starting b | start b | board: #1 DONE, #2 IN PROGRESS
    3.22s             | write attempt-started b
    4.01s   b passes  | write attempt-ended b | board: #2 DONE
    4.02s             | assemble
    4.03s             | write assembly-starting
    5.02s   assembled | write assembled + run-ended | board: run ended (0)
    5.03s             | leave 0
    ");
}

#[test]
fn a_message_to_a_further_turn_leads_to_another() {
    insta::assert_snapshot!(play_with("a: run 1s", "tell a · 1.5s · tell a · end", sessions()), @r"
    0s      begin     | write attempt-starting a | start a | board: #1 IN PROGRESS
    0s      tell a    | write message-given a + message-waits a | answer done | answer done
    0.21s             | write attempt-started a
    1s      a passes  | write attempt-ended a | board: #1 QUEUED
    1.01s   checked   | write attempt-starting a | start a@2 in place in session-1: message 1 | board: #1 IN PROGRESS
    1.22s             | write attempt-started a
    1.50s   tell a    | write message-given a + message-waits a | answer done | answer done
    2.01s   a@2 passes | write attempt-ended a | board: #1 QUEUED
    2.02s   checked   | write attempt-starting a | start a@3 in place in session-1: message 2 | board: #1 IN PROGRESS
    2.23s             | write attempt-started a
    3.02s   a@3 passes | write attempt-ended a | board: #1 DONE
    3.03s             | assemble
    3.04s             | write assembly-starting
    4.03s   assembled | write assembled + run-ended | board: run ended (0)
    4.04s             | leave 0
    ");
}

#[test]
fn an_attempt_that_fails_or_leaves_no_session_has_no_further_turn() {
    insta::assert_snapshot!(play_with("a: run 1s, exit 1", "tell a · end", sessions()), @r"
    0s      begin     | write attempt-starting a | start a | board: #1 IN PROGRESS
    0s      tell a    | write message-given a + message-waits a | answer done | answer done
    0.21s             | write attempt-started a
    1s      a fails   | write attempt-ended a + run-ended | board: run ended (3), #1 FAILED
    1.01s             | leave 3
    ");
    insta::assert_snapshot!(play_with("a: run 1s", "tell a · end", Rules::default()), @r"
    0s      begin     | write attempt-starting a | start a
    0s      tell a    | write message-given a + message-waits a | answer done | answer done
    0.21s             | write attempt-started a
    1s      a passes  | write attempt-ended a
    1.01s             | assemble
    1.02s             | write assembly-starting
    2.01s   assembled | write assembled + run-ended
    2.02s             | leave 0
    ");
}

#[test]
fn a_cancelled_task_has_no_further_turn() {
    let one = Rules {
        max_parallel: Some(1),
        ..sessions()
    };
    insta::assert_snapshot!(play_with("a: run 1s · b: run 3s", "tell a · 1s · cancel a · end", one), @r"
    0s      begin     | write attempt-starting a | start a | board: #1 IN PROGRESS, #2 QUEUED
    0s      tell a    | write message-given a + message-waits a | answer done | answer done
    0.21s             | write attempt-started a
    1s      a passes  | write attempt-ended a | board: #1 QUEUED
    1s      cancel a  | write task-cancelled a + attempt-starting b | answer done | start b
    1.01s   checked   | board: #1 CANCELLED, #2 IN PROGRESS
    1.21s             | write attempt-started b
    4s      b passes  | write attempt-ended b | board: #2 DONE
    4.01s             | assemble
    4.02s             | write assembly-starting
    5.01s   assembled | write assembled + run-ended | board: run ended (3)
    5.02s             | leave 3
    ");
}

#[test]
fn ctrl_c_leaves_a_further_turn_to_the_process_that_resumes() {
    insta::assert_snapshot!(play_with("a: run 1s; run 5s", "tell a · 2s · ctrl-c · end", sessions()), @r"
    0s      begin     | write attempt-starting a | start a | board: #1 IN PROGRESS
    0s      tell a    | write message-given a + message-waits a | answer done | answer done
    0.21s             | write attempt-started a
    1s      a passes  | write attempt-ended a | board: #1 QUEUED
    1.01s   checked   | write attempt-starting a | start a@2 in place in session-1: message 1 | board: #1 IN PROGRESS
    1.22s             | write attempt-started a
    2s      ctrl-c    | warn: stopping: nothing new starts, 1 worker asked to end; again to kill | write stop-requested | interrupt a
    2s      a@2 stops | write attempt-ended a + run-ended | board: run ended (130), #1 QUEUED
    2.01s             | leave 130
    ");
}

#[test]
fn a_process_that_resumes_starts_the_further_turn_with_the_message() {
    let told = |fixture: RunFixture| {
        let (task, text) = (TaskNumber(1), "Mind the gap".to_owned());
        let (attempt, message) = (1, 1);
        let waits = Event::MessageWaits {
            task,
            attempt,
            message,
        };
        let fixture = fixture.event(Event::MessageGiven { task, text });
        let mut fixture = fixture.event(waits).pass(1, "done");
        fixture.last_event(|event| {
            if let Event::AttemptEnded { outcome, .. } = event {
                outcome.session = Some("s-1".to_owned());
            }
        });
        fixture
    };
    let ended = told(RunFixture::new("a").begin(1, "agent"));
    insta::assert_snapshot!(resume(ended), @r"
    0s      begin     | write run-resumed | board: #1 QUEUED
    2.01s   checked   | write attempt-starting a | start a@2 in place in s-1: Mind the gap | board: #1 IN PROGRESS
    2.22s             | write attempt-started a
    3.01s   a@2 passes | write attempt-ended a | board: #1 DONE
    3.02s             | assemble
    3.03s             | write assembly-starting
    4.02s   assembled | write assembled + run-ended | board: run ended (0)
    4.03s             | leave 0
    ");
    let cut_off = told(RunFixture::new("a").begin(1, "agent"));
    let cut_off = cut_off.begin(1, "agent");
    let cut_off = cut_off.end(1, End::Interrupted {}, WorkerReport::default(), 1);
    insta::assert_snapshot!(resume(cut_off), @r"
    0s      begin     | write run-resumed | board: #1 QUEUED
    7.01s   checked   | write attempt-starting a | start a@3 in place in s-1: Mind the gap | board: #1 IN PROGRESS
    7.22s             | write attempt-started a
    8.01s   a@3 passes | write attempt-ended a | board: #1 DONE
    8.02s             | assemble
    8.03s             | write assembly-starting
    9.02s   assembled | write assembled + run-ended | board: run ended (0)
    9.03s             | leave 0
    ");
    let begun = told(RunFixture::new("a").begin(1, "agent")).begin(1, "agent");
    insta::assert_snapshot!(resume(begun), @r"
    0s      begin     | write run-resumed | adopt a@2 | board: #1 IN PROGRESS
    0.21s             | write attempt-started a
    1s      a@2 passes | write attempt-ended a | board: #1 DONE
    1.01s             | assemble
    1.02s             | write assembly-starting
    2.01s   assembled | write assembled + run-ended | board: run ended (0)
    2.02s             | leave 0
    ");
}

fn resume(fixture: RunFixture) -> String {
    let mut world = World::resumed(fixture.state(), "a: run 1s", sessions());
    let findings = Vec::new();
    let mut lines = world.begin(vec![Event::RunResumed { findings }]);
    lines.extend(world.turn("end"));
    lines.join("\n")
}
