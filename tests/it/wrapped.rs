//! Terminal output has no raw Markdown and no broken word at any width.

use std::collections::BTreeSet;

use git_dispatch::ui::markdown::{CodeMarks, render_markdown};

use crate::harness::Scene;

/// A conflict, a failure and a report in one run.
const PLAN: &str = "# Everything at once

1. [ONE] One way to write a line of the application
   - run: sed -i s/two/2/ src/app.ts
2. [OTHER] Another way to write the very same line of the application
   - run: sed -i s/two/zwei/ src/app.ts
3. [BROKEN] A command that cannot work
   - run: echo something went wrong here >&2; exit 1
4. [WAITS] Something that waits for it — blocked by #3
   - run: echo 4 > four
5. [INFO] A report with a list
   - run: printf '* first\\n* second\\n'
   - produces: info
";

fn has_markdown(line: &str) -> bool {
    let line = line.trim_start();
    let heading = line.trim_start_matches('#').strip_prefix(' ');
    let is_heading = heading.is_some_and(|words| line.starts_with('#') && !words.starts_with(' '));
    is_heading
        || line.contains("**")
        || line.starts_with("- ")
        || line.starts_with('|')
        || line.starts_with("```")
}

#[test]
fn a_report_is_text_everywhere_but_in_the_file() {
    let scene = Scene::new();
    let ended = scene.run(PLAN, &[]).expect(3);
    let report = scene.dispatch(&["report"]).expect(0).out;
    assert!(ended.out.ends_with(&report), "{}", ended.out);
    let odd: Vec<&str> = ended
        .out
        .lines()
        .filter(|line| has_markdown(line))
        .collect();
    assert!(odd.is_empty(), "{odd:?}");
    let markdown = scene.dispatch(&["report", "--markdown"]).expect(0).out;
    assert!(scene.board().ends_with(&format!("\n{markdown}")));
    assert!(markdown.lines().filter(|line| has_markdown(line)).count() > 10);
}

#[test]
fn words_are_whole_at_every_width() {
    let scene = Scene::new();
    scene.run(PLAN, &[]).expect(3);
    let board = scene.dispatch(&["board"]).expect(0).out;
    let words = |columns: usize| -> BTreeSet<String> {
        let text = render_markdown(&board, columns, CodeMarks::Backticks);
        // The printer puts the escape character in place of the mark of dispatch's own styles.
        let text = text.replace('\u{fdd0}', "\u{1b}");
        let plain = anstream::adapter::strip_str(&text).to_string();
        for line in plain.lines() {
            let is_one_word = !line.trim().contains(' ');
            assert!(
                line.chars().count() <= columns || is_one_word,
                "{columns}: {line}"
            );
            assert!(!has_markdown(line), "{columns}: {line}");
        }
        plain.split_whitespace().map(str::to_owned).collect()
    };
    let whole = words(10_000);
    assert!(whole.len() > 50);
    for columns in [60, 80, 120] {
        let missing: Vec<String> = whole.difference(&words(columns)).cloned().collect();
        // A table that is too narrow for columns has no heading.
        let headings = [
            "Worker",
            "Status",
            "Notes",
            "Pair",
            "Path",
            "Kind",
            "Suggested",
            "Task",
        ];
        let missing = missing
            .iter()
            .filter(|word| !headings.contains(&word.as_str()));
        assert_eq!(missing.count(), 0, "{columns}");
    }
}

/// Returns `true` for a line that cannot be wrapped: one word, or one piece of code, after its mark.
fn is_whole(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '*', '•', '-', '│']);
    let parts: Vec<&str> = line.split('`').collect();
    let outside = parts.iter().step_by(2).map(|part| part.trim());
    let outside: Vec<&str> = outside.filter(|part| !part.is_empty()).collect();
    !line.contains(' ') || (parts.len() > 1 && outside.iter().all(|part| !part.contains(' ')))
}

#[test]
fn no_command_writes_past_the_edge_of_a_terminal() {
    let scene = Scene::new();
    scene.run(PLAN, &[]).expect(3);
    let plan = scene.plan(PLAN);
    let commands: [&[&str]; 21] = [
        &["help"],
        &["help", "land"],
        &["help", "plans"],
        &["workers"],
        &["status"],
        &["show", "3"],
        &["board"],
        &["report"],
        &["history"],
        &["conflicts"],
        &["conflicts", "--matrix"],
        &["assemble", "--dry-run"],
        &["resolve"],
        &["review"],
        &["wait"],
        &["doctor"],
        &["clean", "--dry-run"],
        &["plan", "check", &plan],
        &["run", &plan, "--dry-run"],
        &["land", "--dry-run"],
        &["retry", "9"],
    ];
    let mut wide = Vec::new();
    for columns in [60, 80] {
        for command in commands {
            let text = scene.dispatch_within(columns, command);
            assert!(!text.trim().is_empty(), "{command:?}");
            let lines = text
                .lines()
                .filter(|line| line.chars().count() > usize::from(columns) && !is_whole(line));
            wide.extend(lines.map(|line| format!("{columns} {}: {line}", command.join(" "))));
        }
    }
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}
