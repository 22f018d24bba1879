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
    insta::assert_snapshot!(play_with("a: run 2s; run 1s · b <- a: run 1s", "1s · tell a · end", sessions()), @"");
}

#[test]
fn a_message_to_a_further_turn_leads_to_another() {
    insta::assert_snapshot!(play_with("a: run 1s", "tell a · 1.5s · tell a · end", sessions()), @"");
}

#[test]
fn an_attempt_that_fails_or_leaves_no_session_has_no_further_turn() {
    insta::assert_snapshot!(play_with("a: run 1s, exit 1", "tell a · end", sessions()), @"");
    insta::assert_snapshot!(play_with("a: run 1s", "tell a · end", Rules::default()), @"");
}

#[test]
fn a_cancelled_task_has_no_further_turn() {
    let one = Rules {
        max_parallel: Some(1),
        ..sessions()
    };
    insta::assert_snapshot!(play_with("a: run 1s · b: run 3s", "tell a · 1s · cancel a · end", one), @"");
}

#[test]
fn ctrl_c_leaves_a_further_turn_to_the_process_that_resumes() {
    insta::assert_snapshot!(play_with("a: run 1s; run 5s", "tell a · 2s · ctrl-c · end", sessions()), @"");
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
    insta::assert_snapshot!(resume(ended), @"");
    let cut_off = told(RunFixture::new("a").begin(1, "agent"));
    let cut_off = cut_off.begin(1, "agent");
    let cut_off = cut_off.end(1, End::Interrupted {}, WorkerReport::default(), 1);
    insta::assert_snapshot!(resume(cut_off), @"");
    let begun = told(RunFixture::new("a").begin(1, "agent")).begin(1, "agent");
    insta::assert_snapshot!(resume(begun), @"");
}

fn resume(fixture: RunFixture) -> String {
    let mut world = World::resumed(fixture.state(), "a: run 1s", sessions());
    let findings = Vec::new();
    let mut lines = world.begin(vec![Event::RunResumed { findings }]);
    lines.extend(world.turn("end"));
    lines.join("\n")
}
