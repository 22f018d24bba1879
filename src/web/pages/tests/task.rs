//! The page of a task.

use super::*;

#[test]
fn the_page_of_a_task_has_its_attempts_its_change_and_its_log() {
    let state = run();
    let patch = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n one\n-let a = <b>;\n+let a = <c>;\n";
    let view = TaskView::new(&state, TaskNumber(1), "shell", &Secrets::default());
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
