//! The pages of a run as text. Every element begins a line.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::json;

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

#[test]
fn the_frame_has_the_navigation_and_loads_only_what_is_compiled_in() {
    let state = run();
    let frame = frame(&state, Place::Timeline, Medium::Served);
    let empty = maud::html! { p { "text" } };
    let page = frame.render(&empty).replace("><", ">\n<");
    let page = page.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    insta::assert_snapshot!(page, @r##"
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>&lt;b onclick=x&gt;&quot;' &amp; \u{202e}evil&lt;/b&gt; · checkout-7k3q · dispatch</title>
    <link rel="stylesheet" href="../page.css">
    <link rel="icon" href="../icon.svg" type="image/svg+xml">
    <script src="../page.js" defer>
    </script>
    </head>
    <body data-events="events" data-version="7-finished">
    <a class="skip" href="#main">Skip to the content</a>
    <header>
    <nav aria-label="Pages">
    <ul>
    <li>
    <a href="../index.html">Runs</a>
    </li>
    <li>
    <a href="board.html">Board</a>
    </li>
    <li>
    <a href="timeline.html" aria-current="page">Timeline</a>
    </li>
    <li>
    <a href="conflicts.html">Conflicts</a>
    </li>
    <li>
    <a href="report.html">Report</a>
    </li>
    <li>
    <a href="history.html">History</a>
    </li>
    </ul>
    </nav>
    </header>
    <main id="main" tabindex="-1">
    <p>text</p>
    </main>
    <footer>
    <p>dispatch VERSION · <span id="live" role="status">
    </span>
    </p>
    </footer>
    </body>
    </html>
    "##);
    let of_file = Frame {
        medium: Medium::File,
        ..frame
    };
    let page = of_file.render(&empty);
    assert!(!page.contains("<script") && !page.contains("data-events"));
}

#[test]
fn the_board_has_tasks_conflicts_and_notes() {
    let state = run();
    let frame = frame(&state, Place::Board, Medium::Served);
    let page = pages::board::render(&frame, &BoardView::new(&state), &times(), &maud::html! {});
    insta::assert_snapshot!(content(&page), @r#"
    <main id="main" tabindex="-1">
    <h1>&lt;b onclick=x&gt;&quot;' &amp; \u{202e}evil&lt;/b&gt;</h1>
    <p class="meta">Run <code>checkout-7k3q</code> · base <code>1a2b3c4</code> on main · started 2026-11-22 09:14 UTC · 1m 10s</p>
    <p class="standing">
    <strong>needs attention</strong> · 1 of 3 done · 1 blocked · 1 failed</p>
    <progress aria-label="Tasks done" max="3" value="1">
    </progress>
    <h2 id="tasks">Tasks</h2>
    <div data-rows>
    <div class="scroll" role="group" aria-label="Tasks" tabindex="0">
    <table class="tasks">
    <thead>
    <tr>
    <th scope="col">#</th>
    <th scope="col">Task</th>
    <th scope="col">Status</th>
    <th scope="col">Time</th>
    <th class="wide" scope="col">Worker</th>
    <th class="wide" scope="col">Attempts</th>
    <th class="wide" scope="col">Cost</th>
    <th scope="col">Notes</th>
    </tr>
    </thead>
    <tbody>
    <tr id="row-1">
    <td>
    <a href="task-1.html">#1</a>
    </td>
    <th class="title" scope="row">
    <a href="task-1.html">&lt;b onclick=x&gt;&quot;' &amp; \u{202e}evil&lt;/b&gt;</a> <span class="tag">T1</span>
    </th>
    <td>
    <span class="status good">DONE</span>
    </td>
    <td class="time">2s</td>
    <td class="wide">claude-1</td>
    <td class="wide">1</td>
    <td class="wide">—</td>
    <td class="note-text">made</td>
    </tr>
    <tr id="row-2">
    <td>
    <a href="task-2.html">#2</a>
    </td>
    <th class="title" scope="row">
    <a href="task-2.html">b</a> <span class="tag">T2</span>
    </th>
    <td>
    <span class="status bad">FAILED</span>
    </td>
    <td class="time">3s</td>
    <td class="wide">shell-2</td>
    <td class="wide">1</td>
    <td class="wide">—</td>
    <td class="note-text">&lt;b onclick=x&gt;&quot;' &amp; \u{202e}evil&lt;/b&gt; (logic error)</td>
    </tr>
    <tr id="row-3">
    <td>
    <a href="task-3.html">#3</a>
    </td>
    <th class="title" scope="row">
    <a href="task-3.html">c</a> <span class="tag">T3</span>
    </th>
    <td>
    <span class="status waits">BLOCKED (by #2)</span>
    </td>
    <td class="time">
    </td>
    <td class="wide">—</td>
    <td class="wide">0</td>
    <td class="wide">—</td>
    <td class="note-text">#2 failed</td>
    </tr>
    </tbody>
    </table>
    </div>
    </div>
    <div class="scroll" role="group" aria-label="Conflicts" tabindex="0">
    <table>
    <caption>Conflicts</caption>
    <thead>
    <tr>
    <th scope="col">Pair</th>
    <th scope="col">Class</th>
    <th scope="col">Severity</th>
    <th scope="col">Paths</th>
    <th scope="col">Suggested</th>
    </tr>
    </thead>
    <tbody>
    <tr>
    <th scope="row">
    <a href="pair-1-2.html">#1 × #2</a>
    </th>
    <td>content</td>
    <td>
    <span class="severity severity-3">3 (semantic risk)</span>
    </td>
    <td class="path">src/&lt;app&gt;.ts</td>
    <td>merge after #1, re-dispatch #2</td>
    </tr>
    </tbody>
    </table>
    </div>
    "#);
}

#[test]
fn the_matrix_has_a_cell_for_each_pair() {
    let state = run();
    let frame = frame(&state, Place::Matrix, Medium::Served);
    let page = pages::matrix::render(&frame, &BoardView::new(&state));
    let page = content(&page);
    let matrix = page.split_once("<table class=\"matrix\"").unwrap().1;
    let matrix = matrix.split_once("</table>").unwrap().0;
    insta::assert_snapshot!(matrix, @r#"
    >
    <thead>
    <tr>
    <td>
    </td>
    <th scope="col">
    <a href="task-1.html">#1</a>
    </th>
    <th scope="col">
    <a href="task-2.html">#2</a>
    </th>
    </tr>
    </thead>
    <tbody>
    <tr>
    <th scope="row">
    <a href="task-1.html">#1</a> T1</th>
    <td class="self">
    <span aria-hidden="true">–</span>
    <span class="unseen">the task itself</span>
    </td>
    <td>
    <a class="cell severity-3" href="pair-1-2.html" title="content, severity 3 (semantic risk)">3 <span class="class">content</span>
    <span class="unseen">, #1 and #2</span>
    </a>
    </td>
    </tr>
    <tr>
    <th scope="row">
    <a href="task-2.html">#2</a> T2</th>
    <td>
    <a class="cell severity-3" href="pair-1-2.html" title="content, severity 3 (semantic risk)">3 <span class="class">content</span>
    <span class="unseen">, #2 and #1</span>
    </a>
    </td>
    <td class="self">
    <span aria-hidden="true">–</span>
    <span class="unseen">the task itself</span>
    </td>
    </tr>
    </tbody>
    "#);
}

#[test]
fn the_timeline_has_bars_and_the_same_times_in_words() {
    let state = run();
    let frame = frame(&state, Place::Timeline, Medium::Served);
    let page = pages::timeline::render(&frame, &Timeline::new(&state, start()));
    let page = content(&page);
    let table = page.split_once("<tbody>").unwrap().1;
    insta::assert_snapshot!(table.split_once("</tbody>").unwrap().0, @r#"
    <tr id="row-1">
    <th class="title" scope="row">
    <a href="task-1.html">#1</a> &lt;b onclick=x&gt;&quot;' &amp; \u{202e}evil&lt;/b&gt;</th>
    <td class="wide">
    <span class="status good">DONE</span>
    </td>
    <td class="bar">
    <svg viewBox="0 0 1000 16" preserveAspectRatio="none" aria-hidden="true" focusable="false">
    <rect class="span-queued" x="0.0" width="285.7" height="16">
    </rect>
    <rect class="span-passed" x="285.7" width="285.7" height="16">
    </rect>
    </svg>
    </td>
    <td>
    <ul class="times">
    <li>queued, 2s, from 0.0s</li>
    <li>attempt 1 (claude) passed, 2s, from 2s</li>
    </ul>
    </td>
    </tr>
    <tr id="row-2">
    <th class="title" scope="row">
    <a href="task-2.html">#2</a> b</th>
    <td class="wide">
    <span class="status bad">FAILED</span>
    </td>
    <td class="bar">
    <svg viewBox="0 0 1000 16" preserveAspectRatio="none" aria-hidden="true" focusable="false">
    <rect class="span-queued" x="0.0" width="714.3" height="16">
    </rect>
    <rect class="span-failed" x="714.3" width="285.7" height="16">
    </rect>
    </svg>
    </td>
    <td>
    <ul class="times">
    <li>queued, 5s, from 0.0s</li>
    <li>attempt 1 (shell) failed, 2s, from 5s</li>
    </ul>
    </td>
    </tr>
    <tr id="row-3">
    <th class="title" scope="row">
    <a href="task-3.html">#3</a> c</th>
    <td class="wide">
    <span class="status waits">BLOCKED (by #2)</span>
    </td>
    <td class="bar">
    <svg viewBox="0 0 1000 16" preserveAspectRatio="none" aria-hidden="true" focusable="false">
    <rect class="span-blocked" x="0.0" width="1000.0" height="16">
    </rect>
    </svg>
    </td>
    <td>
    <ul class="times">
    <li>blocked, 7s so far, from 0.0s</li>
    </ul>
    </td>
    </tr>
    "#);
}

#[test]
fn the_page_of_a_task_has_its_attempts_its_change_and_its_log() {
    let state = run();
    let patch = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n one\n-let a = <b>;\n+let a = <c>;\n";
    let view = TaskView::new(&state, TaskNumber(1), "shell");
    let board = BoardView::new(&state);
    let page = TaskPage {
        view: &view,
        time: Some(Duration::from_secs(62)),
        pairs: board.open_conflicts().collect(),
        stat: state.task_stat(TaskNumber(1)),
        patch: Ok(parse_patch(patch)),
        log: Ok(Log {
            text: "<script>alert(1)</script>".to_owned(),
            before: 12,
            mark: Some("1-99".to_owned()),
        }),
        actions: maud::html! {},
        comments: Some("ask-send-back-1.html".to_owned()),
    };
    let frame = frame(&state, Place::Task(TaskNumber(1)), Medium::Served);
    insta::assert_snapshot!(content(&pages::task::render(&frame, &page)), @r#"
    <main id="main" tabindex="-1">
    <h1>#1 &lt;b onclick=x&gt;&quot;' &amp; \u{202e}evil&lt;/b&gt; <span class="tag">T1</span>
    </h1>
    <dl class="facts">
    <div>
    <dt>run</dt>
    <dd>checkout-7k3q</dd>
    </div>
    <div>
    <dt>status</dt>
    <dd>DONE</dd>
    </div>
    <div>
    <dt>change</dt>
    <dd>6 files, +312 −4 (1a2b3c4..0000000)</dd>
    </div>
    </dl>
    <p id="time">Running for 1m 2s.</p>
    <div class="scroll" role="group" aria-label="Conflicts with other results" tabindex="0">
    <table>
    <caption>Conflicts with other results</caption>
    <thead>
    <tr>
    <th scope="col">Pair</th>
    <th scope="col">Class</th>
    <th scope="col">Severity</th>
    <th scope="col">Paths</th>
    <th scope="col">Suggested</th>
    </tr>
    </thead>
    <tbody>
    <tr>
    <th scope="row">
    <a href="pair-1-2.html">#1 × #2</a>
    </th>
    <td>content</td>
    <td>
    <span class="severity severity-3">3 (semantic risk)</span>
    </td>
    <td class="path">src/&lt;app&gt;.ts</td>
    <td>merge after #1, re-dispatch #2</td>
    </tr>
    </tbody>
    </table>
    </div>
    <h2>Prompt</h2>
    <pre role="group" aria-label="Prompt" tabindex="0">Do it
    &lt;b onclick=x&gt;&quot;' &amp; \u{202e}evil&lt;/b&gt;</pre>
    <h2>Attempts</h2>
    <section id="attempt-1">
    <h3>Attempt 1, claude</h3>
    <dl class="facts">
    <div>
    <dt>started</dt>
    <dd>2026-11-22 09:14:02 UTC</dd>
    </div>
    <div>
    <dt>worktree</dt>
    <dd>../shop.dispatch/checkout-7k3q/t1</dd>
    </div>
    <div>
    <dt>branch</dt>
    <dd>dispatch/checkout-7k3q/t1</dd>
    </div>
    <div>
    <dt>base</dt>
    <dd>1a2b3c4</dd>
    </div>
    <div>
    <dt>took</dt>
    <dd>1m 0s</dd>
    </div>
    <div>
    <dt>ended</dt>
    <dd>passed</dd>
    </div>
    <div>
    <dt>candidate</dt>
    <dd>0000000</dd>
    </div>
    <div>
    <dt>change</dt>
    <dd>6 files, +312 −4</dd>
    </div>
    <div>
    <dt>summary</dt>
    <dd>made</dd>
    </div>
    <div>
    <dt>cost</dt>
    <dd>unknown</dd>
    </div>
    </dl>
    </section>
    <h2 id="change">Change</h2>
    <p>6 files, +312 −4</p>
    <details class="file" id="file-0" open>
    <summary>
    <span class="path">x</span> <span class="counts">+1 −1</span>
    </summary>
    <div class="scroll" role="group" aria-label="x @@ -1,2 +1,2 @@" tabindex="0">
    <table class="diff">
    <caption>@@ -1,2 +1,2 @@</caption>
    <thead class="unseen">
    <tr>
    <th scope="col">Old</th>
    <th scope="col">New</th>
    <th scope="col">Change</th>
    <th scope="col">Line</th>
    </tr>
    </thead>
    <tbody>
    <tr class="same">
    <td class="number">1</td>
    <td class="number">
    <a href="ask-send-back-1.html?file=x&amp;line=1" aria-label="Comment on line 1 of x">1</a>
    </td>
    <td class="sign">
    </td>
    <td class="code">one</td>
    </tr>
    <tr class="removed">
    <td class="number">2</td>
    <td class="number">
    </td>
    <td class="sign">−</td>
    <td class="code">let a = <del>&lt;b&gt;;</del>
    </td>
    </tr>
    <tr class="added">
    <td class="number">
    </td>
    <td class="number">
    <a href="ask-send-back-1.html?file=x&amp;line=2" aria-label="Comment on line 2 of x">2</a>
    </td>
    <td class="sign">+</td>
    <td class="code">let a = <ins>&lt;c&gt;;</ins>
    </td>
    </tr>
    </tbody>
    </table>
    </div>
    </details>
    <h2 id="log">Log</h2>
    <div id="log-part" data-log="log/1" data-seen="1-99">
    <p>The end of the log; 12 bytes before it are left out. <code>dispatch logs 1</code> prints all of it.</p>
    <pre class="log" role="group" aria-label="Log" tabindex="0">&lt;script&gt;alert(1)&lt;/script&gt;</pre>
    </div>
    "#);
}

#[test]
fn the_page_of_a_pair_has_three_columns_and_the_command() {
    let state = run();
    let range = |start, count| LineRange { start, count };
    let hunk = Hunk {
        class: HunkClass::Overlap,
        base: range(1, 1),
        a: range(1, 1),
        b: range(1, 1),
    };
    let side = |label: &str| PairSide {
        label: label.to_owned(),
        branch: format!("dispatch/x/{label}"),
        commit: Oid::ZERO,
        tree: Oid::ZERO,
    };
    let view = PairView::new(PairInput {
        sides: [side("#1"), side("#2")],
        bases: vec![(Oid::ZERO, Oid::ZERO)],
        verdict: Some(PairVerdict {
            a: 0,
            b: 1,
            bases: vec![Oid::ZERO],
            attributes: None,
            verdict: Verdict::Conflict,
            class: Class::Content,
            severity: 3,
            tree: None,
            units: vec![Unit {
                class: Class::Content,
                paths: vec!["f<".into()],
                hunks: vec![hunk.clone()],
            }],
            failure: None,
        }),
        suggested: "merge after #1".to_owned(),
        files: vec![FileVersions {
            path: "f<".into(),
            base: Some(b"one <two>\n".to_vec()),
            a: Some(b"one <a>\n".to_vec()),
            b: Some(b"one <b>\n".to_vec()),
            hunks: vec![hunk],
        }],
        messages: vec![HOSTILE.to_owned()],
        command: "git merge-tree a b".to_owned(),
    });
    let tasks = [TaskNumber(1), TaskNumber(2)];
    let frame = frame(&state, Place::Pair(tasks[0], tasks[1]), Medium::Served);
    let page = content(&pages::pair::render(&frame, &view, tasks));
    let files = page.split_once("</table>").unwrap().1;
    insta::assert_snapshot!(files, @r#"
    </div>
    <section>
    <h2 class="path">f&lt; <span class="tag">content</span>
    </h2>
    <h3>Hunk 1 of 1: overlap, severity 3 (semantic risk)</h3>
    <div class="three">
    <div class="version">
    <h4>ours #1, line 1</h4>
    <pre role="group" aria-label="ours, line 1" tabindex="0">one <del>&lt;two&gt;</del>
    <ins>&lt;a&gt;</ins>
    </pre>
    </div>
    <div class="version">
    <h4>base, line 1</h4>
    <pre role="group" aria-label="base, line 1" tabindex="0">one &lt;two&gt;
    </pre>
    </div>
    <div class="version">
    <h4>theirs #2, line 1</h4>
    <pre role="group" aria-label="theirs, line 1" tabindex="0">one <del>&lt;two&gt;</del>
    <ins>&lt;b&gt;</ins>
    </pre>
    </div>
    </div>
    </section>
    <h2>Messages of git</h2>
    <pre role="group" aria-label="Messages of git" tabindex="0">&lt;b onclick=x&gt;&quot;' &amp; \u{202e}evil&lt;/b&gt;</pre>
    <h2>Reproduce</h2>
    <p>This command shows the same with git alone, in a shell in the repository:</p>
    <pre role="group" aria-label="Command that reproduces the verdict" tabindex="0">git merge-tree a b</pre>
    "#);
}

#[test]
fn the_history_has_sentences_and_the_list_of_runs_has_links() {
    let state = run();
    let frame = frame(&state, Place::History, Medium::Served);
    let mut records = Vec::new();
    RunFixture::new("a")
        .begin(1, "shell")
        .fail(1, HOSTILE)
        .fold(|_, recorded| records.push(recorded.clone()));
    let page = pages::history::render(&frame, &state.plan, &records);
    insta::assert_snapshot!(content(&page), @r#"
    <main id="main" tabindex="-1">
    <h1>History</h1>
    <p>The events of the journal, the latest first; times are UTC.</p>
    <ol class="events" reversed>
    <li id="event-4">
    <time datetime="2026-11-22T09:14:04Z">2026-11-22 09:14:04</time> <a href="task-1.html">#1</a> T1: attempt 1 failed: &lt;b onclick=x&gt;&quot;' &amp; \u{202e}evil&lt;/b&gt; (logic error)</li>
    <li id="event-3">
    <time datetime="2026-11-22T09:14:03Z">2026-11-22 09:14:03</time> <a href="task-1.html">#1</a> T1: the worker of attempt 1 started at 1a2b3c4</li>
    <li id="event-2">
    <time datetime="2026-11-22T09:14:02Z">2026-11-22 09:14:02</time> <a href="task-1.html">#1</a> T1: attempt 1 starts with shell on dispatch/checkout-7k3q/t1</li>
    <li id="event-1">
    <time datetime="2026-11-22T09:14:00Z">2026-11-22 09:14:00</time> the run started: Checkout v2, 3 tasks from 1a2b3c4 (main)</li>
    </ol>
    "#);
    let rows = [
        json!({"run": "shop-2f4d", "title": HOSTILE, "state": "needs-attention", "tasks": 2, "done": 1,
               "started": "2026-11-22T09:14:03Z", "landed": null}),
        json!({"run": "old-0000", "state": "unreadable", "title": "broken"}),
    ];
    let page = content(&pages::runs::render(&rows, Medium::Served));
    let table = page.split_once("<tbody>").unwrap().1;
    insta::assert_snapshot!(table.split_once("</tbody>").unwrap().0, @r#"
    <tr>
    <th scope="row">
    <a href="shop-2f4d/board.html">shop-2f4d</a>
    </th>
    <td class="title">&lt;b onclick=x&gt;&quot;' &amp; \u{202e}evil&lt;/b&gt;</td>
    <td>needs attention</td>
    <td>1/2</td>
    <td class="wide">2026-11-22 09:14</td>
    </tr>
    <tr>
    <th scope="row">old-0000</th>
    <td class="title">broken</td>
    <td>unreadable</td>
    <td>
    </td>
    <td class="wide">
    </td>
    </tr>
    "#);
}

/// The bench of pages measures the time; this only makes sure that all rows are there.
#[test]
fn a_thousand_tasks_are_on_one_board() {
    let plan: Vec<String> = (1..=1000).map(|task| format!("t{task}")).collect();
    let state = RunFixture::new(&plan.join(" · ")).state();
    let frame = frame(&state, Place::Board, Medium::Served);
    let page = pages::board::render(
        &frame,
        &BoardView::new(&state),
        &Times::default(),
        &maud::html! {},
    );
    assert_eq!(page.matches("task-1000.html").count(), 2);
    assert_eq!(page.matches("<tr id=\"row-").count(), 1000);
}
