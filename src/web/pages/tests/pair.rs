//! The matrix, and the page of a pair.

use super::*;

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
