//! The pages about a whole run.

use super::*;

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
