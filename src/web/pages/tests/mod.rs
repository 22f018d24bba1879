//! The pages of a run as text. Every element begins a line.

#![allow(clippy::unwrap_used)]

mod pair;
mod run;
mod task;

use std::time::Duration;

use serde_json::json;

use crate::base::safe::secrets::Secrets;
use crate::merge::class::{Class, HunkClass};
use crate::merge::oid::Oid;
use crate::merge::verdict::{Hunk, LineRange, PairVerdict, Unit, Verdict};
use crate::merge::versions::FileVersions;
use crate::model::fixture::{RunFixture, conflict, start};
use crate::model::ids::TaskNumber;
use crate::model::run::RunState;
use crate::report::board::view::BoardView;
use crate::report::pair::{PairInput, PairSide, PairView};
use crate::report::patch::parse_patch;
use crate::report::task::TaskView;
use crate::report::timeline::Timeline;
use crate::web::pages::board::Times;
use crate::web::pages::task::{Log, TaskPage};
use crate::web::pages::{self, Frame, Medium, Subject};
use crate::web::place::Place;

const HOSTILE: &str = "<b onclick=x>\"' & \u{202e}evil</b>";

/// A run with a passed, a failed and a blocked task, and a conflict.
fn run() -> RunState {
    let run = RunFixture::new("a · b · c <- b")
        .title(HOSTILE)
        .with_task(1, |task| {
            task.title = HOSTILE.to_owned();
            task.prompt = format!("Do it\n{HOSTILE}");
        })
        .begin(1, "claude")
        .pass(1, "made")
        .begin(2, "shell")
        .fail(2, HOSTILE)
        .ended(3);
    let mut state = run.state();
    state.conflicts = vec![conflict(1, 2, Class::Content, &["src/<app>.ts"])];
    state
}

fn frame(state: &RunState, place: Place, medium: Medium) -> Frame<'_> {
    Frame {
        title: HOSTILE,
        subject: Some(Subject {
            run: &state.run,
            version: "7-finished",
            is_live: false,
        }),
        place: Some(place),
        medium,
    }
}

fn times() -> Times {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    Times {
        whole: Duration::from_secs(70),
        tasks: vec![seconds(2), seconds(3), None],
    }
}

/// Returns the content of a page, one element a line.
fn content(page: &str) -> String {
    let main = page.split_once("<main").map_or(page, |(_, rest)| rest);
    let main = main.split_once("</main>").map_or(main, |(main, _)| main);
    format!("<main{main}").replace("><", ">\n<")
}
