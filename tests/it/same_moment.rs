//! `dispatch status`, the terminal board and the web page at the moments of one run.

use crate::harness::{Gate, Scene};
use crate::terminal::OnTerminal;
use crate::web::client::Site;

/// The words that a status can be.
const WORDS: [&str; 7] = [
    "QUEUED",
    "IN PROGRESS",
    "DONE",
    "FAILED",
    "BLOCKED",
    "RETRY",
    "SKIPPED",
];

/// Returns the status in a line of a board.
fn word(line: &str) -> Option<&'static str> {
    WORDS.into_iter().find(|word| line.contains(word))
}

/// Returns the statuses on a text board, whose rows begin with the number of a task.
fn statuses(board: &str) -> String {
    let row = |line: &str| {
        let line = line.trim_start_matches(['▸', ' ', '#']);
        let (number, rest) = line.split_once(' ')?;
        let number: u32 = number.parse().ok()?;
        Some(format!("{number} {}", word(rest)?))
    };
    board
        .lines()
        .filter_map(row)
        .collect::<Vec<_>>()
        .join(" · ")
}

/// Returns the statuses on a page.
fn statuses_of_page(page: &str) -> String {
    let row = |row: &str| {
        let (_, number) = row.split_once("task-")?;
        let number = number.split_once('.')?.0;
        Some(format!("{number} {}", word(row)?))
    };
    let rows = page.split("<tr").filter_map(row);
    rows.collect::<Vec<_>>().join(" · ")
}

#[test]
fn status_board_and_page_say_the_same_at_every_moment() {
    let mut scene = Scene::new();
    // Else the conflict of #1 and #4 would be dispatched again.
    scene.set_env("DISPATCH_RETRY_CONFLICT", "0");
    let mut gates = ["two", "one", "four"].map(|name| Gate::new(&scene, name));
    let [two, one, four] = gates.each_ref().map(Gate::script);
    let plan = scene.plan(&format!(
        "1. [ONE] one\n   - run: {one}; echo a > list\n2. [TWO] two\n   - run: {two}; exit 1\n\
         3. [THREE] three — blocked by #2\n   - run: echo c > c\n4. [FOUR] four\n   - run: {four}; echo d > list\n"
    ));
    scene
        .dispatch(&["run", &plan, "--yes", "--detach", "-j", "1"])
        .expect(0);
    gates[0].wait_until_reached();
    let run = scene.run_name();
    let site = Site::start(&scene, &[]);
    let mut board = OnTerminal::start(&scene, &["watch"]);
    // #2 goes first, because another task waits for it.
    let moments = [
        "1 QUEUED · 2 IN PROGRESS · 3 BLOCKED · 4 QUEUED",
        "1 IN PROGRESS · 2 FAILED · 3 BLOCKED · 4 QUEUED",
        "1 DONE · 2 FAILED · 3 BLOCKED · 4 IN PROGRESS",
        "1 DONE · 2 FAILED · 3 BLOCKED · 4 DONE",
    ];
    for (step, moment) in moments.into_iter().enumerate() {
        match gates.get_mut(step) {
            // The board and the page were opened at the first gate.
            Some(_) if step == 0 => {}
            Some(gate) => gate.wait_until_reached(),
            None => {
                scene.dispatch(&["wait", &run]).expect(3);
                // The board opens the report at the end of the run.
                board.wait_for_screen(|screen| screen.contains("── Report"));
                board.type_in("\u{1b}");
            }
        }
        let status = scene.dispatch(&["status", &run]).expect(0).out;
        assert_eq!(statuses(&status), moment, "{status}");
        let page = site.page(&run, "board.html");
        assert_eq!(statuses_of_page(&page), moment, "{page}");
        board.wait_for_screen(|screen| statuses(screen) == moment);
        if let Some(gate) = gates.get_mut(step) {
            gate.open();
        }
    }
    let done = "2 of 4 done";
    assert!(site.page(&run, "board.html").contains(done));
    board.wait_for_screen(|screen| screen.contains(done));
    board.type_in("q");
    board.end();
    site.stop();
}
