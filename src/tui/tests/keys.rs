//! The keys of the board.

use super::*;

#[test]
fn the_log_stays_at_its_end_until_it_is_scrolled() {
    let lines: String = (1..=40).map(|line| format!("line {line}\n")).collect();
    let mut board = Board::new(run(), SMALL);
    board.type_in("l");
    assert!(board.frame().contains("reading"));
    let log = Wanted::Log(TaskNumber(1));
    board.loaded(log, Content::plain(&lines));
    assert!(board.frame().contains("line 40"));
    board.type_in("k");
    board.loaded(log, Content::plain(&format!("{lines}line 41\n")));
    let frame = board.frame();
    assert!(
        frame.contains("line 39") && !frame.contains("line 41"),
        "{frame}"
    );
    board.key(Key::End);
    assert!(board.frame().contains("line 41"));
    board.key(Key::Home);
    assert!(board.frame().contains("line 1\n"));
}

#[test]
fn destructive_keys_ask_and_only_yes_does_it() {
    let mut board = Board::new(run(), SMALL);
    board.type_in("jj");
    assert_eq!(board.type_in("x"), []);
    insta::assert_snapshot!(board.frame().lines().nth(13).unwrap(), @"Cancel #3? Its work so far is kept. y yes · n no");
    assert_eq!(board.type_in("n"), []);
    assert_eq!(board.message(), "nothing was done");
    let task = Some(TaskNumber(3));
    assert_eq!(
        board.type_in("xy"),
        [Action::Request(Request::Cancel { task })]
    );
    assert_eq!(board.key(Key::Ctrl('c')), []);
    assert_eq!(board.key(Key::Esc), []);
    board.key(Key::Ctrl('c'));
    assert_eq!(board.type_in("s"), [Action::Request(Request::Stop)]);
    board.key(Key::Ctrl('c'));
    assert_eq!(board.type_in("q"), [Action::Leave]);
}

#[test]
fn a_key_that_is_not_possible_says_why() {
    let mut board = Board::new(run(), SMALL);
    let mut why = Vec::new();
    for keys in ["x", "r", "e", "jd", "j-", "ja"] {
        assert_eq!(board.type_in(keys), []);
        why.push(board.message().to_owned());
    }
    board.becomes(run(), false);
    board.type_in("p");
    why.push(board.message().to_owned());
    insta::assert_snapshot!(why.join("\n"), @r"
    not possible: #1 has ended: DONE
    not possible: the run is being driven; retry when it has ended
    not possible: the run has not ended
    not possible: #2 has changed nothing
    not possible: #3 is running, so it waits for nothing
    not possible: the run is being driven; attach when it has ended
    not possible: no process drives the run; `dispatch resume checkout-7k3q` resumes it
    ");
}

#[test]
fn a_run_that_has_ended_can_be_retried_from_the_board() {
    let mut board = Board::new(run(), SMALL);
    board.becomes(run().ended(3), false);
    board.key(Key::Esc);
    board.key(Key::End);
    assert_eq!(board.type_in("ry"), [Action::Retry(TaskNumber(6))]);
    board.type_in("r");
    board.becomes(run(), true);
    assert_eq!(
        board.type_in("y"),
        [],
        "another process has begun meanwhile"
    );
}

#[test]
fn the_filter_keeps_the_tasks_with_all_words() {
    let mut board = Board::new(run(), SMALL);
    board.type_in("/the basket");
    insta::assert_snapshot!(board.frame(), @r"
    Checkout v2 · checkout-7k3q                 1m 40s · running
    ████░░░░░░░░ 2 of 6 done · 1 failed · 1 in progress
    about 8m 30s left (a guess, from 2 finished tasks)
      #  Tag    Status      Time    Note
    ▸ #3 RENDER IN PROGRESS 1m 31s  writing the template

    ── #3 [RENDER] Render the basket                   1–6 of 12
    status       IN PROGRESS
    note         writing the template
    worker       claude-3
    time         1m 31s
    attempts     1
    after        #1
    filter: the basket▏ enter keeps it, esc drops it
    enter open  esc back  q leave  l log  d diff  ? help
    ");
    board.key(Key::Enter);
    assert_eq!(board.state.selected, Some(TaskNumber(3)));
    board.key(Key::Esc);
    assert_eq!(board.state.rows(&board.view).len(), 6);
    board.type_in("/nothing like it");
    assert_eq!(board.state.selected, None);
    assert_eq!(board.type_in("l"), []);
}

#[test]
fn pause_toggles_and_copy_names_the_command() {
    use crate::model::event::Event;
    let mut board = Board::new(run(), SMALL);
    assert_eq!(board.type_in("p"), [Action::Request(Request::Pause)]);
    board.becomes(run().event(Event::Paused {}), true);
    assert_eq!(board.type_in("p"), [Action::Request(Request::Resume)]);
    let copied = |board: &mut Board, keys: &str| match board.type_in(keys).as_slice() {
        [Action::Copy(text)] => text.clone(),
        other => format!("{other:?}"),
    };
    assert_eq!(copied(&mut board, "y"), "dispatch status checkout-7k3q");
    assert_eq!(copied(&mut board, "ly"), "dispatch logs checkout-7k3q 1");
    assert_eq!(copied(&mut board, "dy"), "dispatch diff checkout-7k3q 1");
}

#[test]
fn a_log_is_read_again_while_it_is_open_and_the_work_only_when_asked() {
    let mut board = Board::new(run(), SMALL);
    let task = TaskNumber(3);
    let tick = |board: &mut Board| handle(&mut board.state, Input::Tick, &board.view);
    assert_eq!(tick(&mut board), []);
    assert_eq!(board.type_in("jjl"), [Action::Load(Wanted::Log(task))]);
    assert_eq!(tick(&mut board), [Action::Load(Wanted::Log(task))]);
    let work = [Action::Load(Wanted::Diff(task))];
    assert_eq!(board.type_in("d"), work);
    assert_eq!(board.becomes(run().note(3, "more"), true), []);
    assert_eq!(board.type_in("d"), work);
    assert_eq!(board.becomes(run().pass(3, "done"), true), work);
}
