//! Frames of the board at three sizes.

use super::*;

#[test]
fn the_board_at_60_by_15() {
    insta::assert_snapshot!(Board::new(run(), SMALL).frame(), @r"
    Checkout v2 · checkout-7k3q                 1m 40s · running
    ████░░░░░░░░ 2 of 6 done · 1 failed · 1 in progress
    about 8m 30s left (a guess, from 2 finished tasks)
      #  Tag    Status      Time    Note
    ▸ #1 PARSE  DONE        2s      ≠#5 orders are parsed
      #2 DOCS   RETRY (#1)  2s      2 tests failed (logic error)
      #3 RENDER IN PROGRESS 1m 31s  writing the template
      #4 SHIP   BLOCKED             Waiting for #3, #2
      #5 TIDY   DONE        2s      ≠#1 tidy
      #6 API    FAILED      2s      no API key (logic error)




    enter open  q leave  l log  d diff  x cancel  ? help
    ");
}

#[test]
fn the_board_at_80_by_24() {
    insta::assert_snapshot!(Board::new(run(), USUAL).frame(), @r"
    Checkout v2 · checkout-7k3q                                     1m 40s · running
    █████░░░░░░░░░░░ 2 of 6 done · 1 failed · 1 in progress · 1 retry · 1 conflict
    about 8m 30s left (a guess, from 2 finished tasks)
      #  Tag    Status             Time    Files     Note
    ▸ #1 PARSE  DONE               2s      6 +312 −4 ≠#5 orders are parsed
      #2 DOCS   RETRY (#1)         2s                2 tests failed (logic error)
      #3 RENDER IN PROGRESS        1m 31s            writing the template
      #4 SHIP   BLOCKED                              Waiting for #3, #2
      #5 TIDY   DONE               2s      6 +312 −4 ≠#1 tidy
      #6 API    FAILED             2s                no API key (logic error)

    ── #1 [PARSE] Parse the order                                         1–10 of 12
    status       DONE
    note         orders are parsed
    worker       claude-1
    time         2s
    attempts     1
    changes      6 files, +312 −4
    before       #3
    branch       dispatch/checkout-7k3q/parse
    worktree     ../shop.dispatch/checkout-7k3q/parse
    conflicts    its result conflicts with #5

    enter open  q leave  l log  d diff  x cancel  r retry  p pause  + first  ? help
    ");
}

#[test]
fn the_board_at_160_by_50() {
    insta::assert_snapshot!(Board::new(run(), LARGE).frame(), @r"
    Checkout v2 · checkout-7k3q                                                                                                                     1m 40s · running
    ██████████░░░░░░░░░░░░░░░░░░░░ 2 of 6 done · 1 failed · 1 in progress · 1 retry · 1 conflict · 1 blocked · about 8m 30s left (a guess, from 2 finished tasks)
      #  Tag    Worker   Status             Time    Files     Note                          │ ── #1 [PARSE] Parse the order
    ▸ #1 PARSE  claude-1 DONE               2s      6 +312 −4 ≠#5 orders are parsed         │ status       DONE
      #2 DOCS   claude-2 RETRY (#1)         2s                2 tests failed (logic error)  │ note         orders are parsed
      #3 RENDER claude-3 IN PROGRESS        1m 31s            writing the template          │ worker       claude-1
      #4 SHIP   —        BLOCKED                              Waiting for #3, #2            │ time         2s
      #5 TIDY   shell-5  DONE               2s      6 +312 −4 ≠#1 tidy                      │ attempts     1
      #6 API    claude-6 FAILED             2s                no API key (logic error)      │ changes      6 files, +312 −4
                                                                                            │ before       #3
                                                                                            │ branch       dispatch/checkout-7k3q/parse
                                                                                            │ worktree     ../shop.dispatch/checkout-7k3q/parse
                                                                                            │ conflicts    its result conflicts with #5
                                                                                            │
                                                                                            │ attempt 1  passed  2s  claude  since 2026-11-22 09:14:02 UTC: orders
                                                                                            │ are parsed
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │
                                                                                            │

    enter open  q leave  l log  d diff  x cancel  r retry  p pause  / filter  : command  + first  - later  c conflicts  g graph  t timeline  e report  ? help
    ");
}

#[test]
fn the_task_in_front_at_60_by_15() {
    let mut board = Board::new(run(), SMALL);
    board.type_in("j");
    board.key(Key::Enter);
    insta::assert_snapshot!(board.frame(), @r"
    Checkout v2 · checkout-7k3q                 1m 40s · running
    ████░░░░░░░░ 2 of 6 done · 1 failed · 1 in progress
    about 8m 30s left (a guess, from 2 finished tasks)
    ── #2 [DOCS] Write the docs                        1–9 of 12
    status       RETRY (#1)
    waits for    its retry at 2026-11-22 09:24:00 UTC
    note         2 tests failed (logic error)
    worker       claude-2
    time         2s
    attempts     1
    before       #4
    branch       dispatch/checkout-7k3q/docs
    worktree     ../shop.dispatch/checkout-7k3q/docs

    enter open  esc back  q leave  l log  d diff  ? help
    ");
}

#[test]
fn the_timeline_at_80_by_24() {
    let mut board = Board::new(run(), USUAL);
    board.type_in("t");
    insta::assert_snapshot!(board.frame(), @r"
    Checkout v2 · checkout-7k3q                                     1m 40s · running
    █████░░░░░░░░░░░ 2 of 6 done · 1 failed · 1 in progress · 1 retry · 1 conflict
    about 8m 30s left (a guess, from 2 finished tasks)
    ── Timeline
              09:14:00 UTC                                              09:15:40 UTC
    #1 PARSE  -█
    #2 DOCS   ---x~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~
    #3 RENDER ··----▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒
    #4 SHIP   ······································································
    #5 TIDY   --------█
    #6 API    -----------x

    · blocked  - queued  ~ before a retry  p parked  ▒ running  / interrupted
    x failed  █ passed









    esc back  q leave  l log  d diff  x cancel  r retry  p pause  / filter  ? help
    ");
}

#[test]
fn the_graph_at_60_by_15() {
    let mut board = Board::new(run(), SMALL);
    board.type_in("g");
    insta::assert_snapshot!(board.frame(), @r"
    Checkout v2 · checkout-7k3q                 1m 40s · running
    ████░░░░░░░░ 2 of 6 done · 1 failed · 1 in progress
    about 8m 30s left (a guess, from 2 finished tasks)
    ── Dependencies                                    1–9 of 10
    step 1
      #1 [PARSE] DONE  Parse the order  before #3
      #2 [DOCS] RETRY (#1)  Write the docs  before #4
      #5 [TIDY] DONE  Tidy up
      #6 [API] FAILED  Add an API
    step 2
      #3 [RENDER] IN PROGRESS  Render the basket  after #1
        before #4
    step 3

    esc back  q leave  l log  d diff  x cancel  r retry  ? help
    ");
}

#[test]
fn the_conflicts_at_80_by_24() {
    let mut board = Board::new(run(), USUAL);
    board.type_in("c");
    insta::assert_snapshot!(board.frame(), @r"
    Checkout v2 · checkout-7k3q                                     1m 40s · running
    █████░░░░░░░░░░░ 2 of 6 done · 1 failed · 1 in progress · 1 retry · 1 conflict
    about 8m 30s left (a guess, from 2 finished tasks)
    ── Conflicts
       #1 #5
    #1 -  3
    #5 3  -
    1 trivial to 5 blocked; . independent; 4 without a result

    ▸ #1 × #5  content, severity 3  src/app.ts  → merge after #1, re-dispatch #5













    enter open  esc back  q leave  l log  d diff  x cancel  r retry  y copy  ? help
    ");
    let actions = board.key(Key::Enter);
    let pair = Wanted::Pair(TaskNumber(1), TaskNumber(5));
    assert_eq!(actions, [Action::Load(pair)]);
}

#[test]
fn the_help_at_80_by_24() {
    let mut board = Board::new(run(), USUAL);
    board.type_in("?");
    insta::assert_snapshot!(board.frame(), @r"
    Checkout v2 · checkout-7k3q                                     1m 40s · running
    █████░░░░░░░░░░░ 2 of 6 done · 1 failed · 1 in progress · 1 retry · 1 conflict
    about 8m 30s left (a guess, from 2 finished tasks)
    ── Keys                                                               1–18 of 31
      enter   open the task, or the selected pair
      esc     go back
      q       leave; the run goes on
      l       the output of the worker and of the checks
      d       the changes, word by word
      x       cancel the task (asks)
      r       try the task again (asks)
      p       start nothing new, or continue
      /       show only the tasks with these words
      :       run any command of dispatch
      ?       all keys
      +       raise the priority of the task: it starts earlier
      -       lower the priority of the task
      c       the conflicts as a matrix
      g       which task waits for which
      t       when each task waited and ran
      e       the report, once the run has ended
      i       the prompt of the last attempt

    esc back  q leave  l log  d diff  x cancel  r retry  p pause  / filter  ? help
    ");
}

#[test]
fn the_palette_at_60_by_15() {
    let mut board = Board::new(run(), SMALL);
    board.type_in(":sh");
    insta::assert_snapshot!(board.frame(), @r"
    Checkout v2 · checkout-7k3q                 1m 40s · running
    ████░░░░░░░░ 2 of 6 done · 1 failed · 1 in progress
    about 8m 30s left (a guess, from 2 finished tasks)
    ┌ commands: type, ↑ ↓, tab completes, enter, esc ──────────┐
    │:sh▏                                                      │
    │  show         Show all about one task                    │
    │                                                          │
    │                                                          │
    │                                                          │
    │                                                          │
    │                                                          │
    │                                                          │
    │                                                          │
    │enter runs: dispatch show checkout-7k3q 1                 │
    └──────────────────────────────────────────────────────────┘
    ");
    let words = ["show", "checkout-7k3q", "1"].map(str::to_owned);
    assert_eq!(board.key(Key::Enter), [Action::Run(words.to_vec())]);
}

#[test]
fn a_finished_run_shows_its_report_in_place() {
    let mut board = Board::new(run(), USUAL);
    let done = RunFixture::new("a · b").begin(1, "claude").pass(1, "made");
    board.becomes(done.begin(2, "claude").pass(2, "made").ended(0), true);
    insta::assert_snapshot!(board.frame(), @r"
    Checkout v2 · checkout-7k3q                                        7s · finished
    ████████████████ 2 of 2 done
    ── Report
    Dispatch Complete

    All 2 tasks finished successfully.

    What was done

    • a: made (6 files, +312 −4)
    • b: made (6 files, +312 −4)

    Suggested next steps

    1. Assemble: `dispatch assemble checkout-7k3q`
    2. Review: `dispatch review checkout-7k3q`
    3. Land: `dispatch land checkout-7k3q`






    esc back  q leave  l log  d diff  x cancel  r retry  p pause  / filter  ? help
    ");
}

#[test]
fn an_interrupted_run_says_how_it_continues() {
    let mut board = Board::new(run(), SMALL);
    board.becomes(run(), false);
    let mut view = BoardView::clone(&board.view.board);
    view.standing = crate::report::board::view::Standing::Interrupted;
    board.view.board = Arc::new(view);
    insta::assert_snapshot!(board.frame().lines().take(3).collect::<Vec<_>>().join("\n"), @r"
    Checkout v2 · checkout-7k3q             1m 40s · interrupted
    ████░░░░░░░░ 2 of 6 done · 1 failed · 1 in progress
    interrupted: no process drives the run; :resume resumes it
    ");
}

#[test]
fn text_of_others_cannot_change_the_screen() {
    let hostile = "\u{1b}[2J\u{202e}x\u{7}\ny";
    let run = RunFixture::new("a").title(hostile).with_task(1, |task| {
        task.title = hostile.to_owned();
        task.prompt = hostile.to_owned();
    });
    let run = run.tags(&[hostile]).begin(1, "claude").note(1, hostile);
    let mut board = Board::new(run, LARGE);
    for key in ["", "t", "g", "?"] {
        board.type_in(key);
        let frame = board.frame();
        let is_hidden = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!frame.contains(is_hidden), "{frame}");
    }
}

#[test]
fn every_key_is_drawn_at_every_size() {
    for size in [(1, 1), (20, 4), (60, 15), (110, 10), (300, 100)] {
        let mut board = Board::new(run(), size);
        for key in "jkldctgei?/x\u{1b}".chars() {
            board.type_in(&key.to_string());
            board.frame();
            board.key(Key::Esc);
        }
        board.type_in(":");
        board.frame();
    }
}

#[test]
fn a_pair_has_its_three_versions_beside_each_other_where_they_fit() {
    use crate::base::text_diff::word_diff;
    use crate::merge::class::HunkClass;
    use crate::merge::verdict::LineRange;
    use crate::report::pair::{
        FileComparison, HunkVersion, PairFile, PairHunk, PairSide, PairView, ThreeWay,
    };
    let version = |text: &str| HunkVersion {
        range: LineRange { start: 4, count: 1 },
        lines: word_diff("let total = sum(items);\n", text),
    };
    let side = |task: u32, branch: &str| PairSide {
        label: format!("#{task}"),
        branch: branch.to_owned(),
        commit: crate::model::fixture::candidate(task),
        tree: crate::model::fixture::candidate(task),
    };
    let view = PairView {
        sides: [side(1, "run/parse"), side(5, "run/tidy")],
        bases: vec![(crate::model::fixture::base(), crate::model::fixture::base())],
        verdict: None,
        suggested: String::new(),
        files: vec![PairFile {
            path: "src/app.ts".into(),
            class: Some(Class::Content),
            comparison: FileComparison::Hunks(vec![PairHunk {
                class: HunkClass::Overlap,
                versions: ThreeWay {
                    base: version("let total = sum(items);\n"),
                    ours: version("let total = sum(all_items);\n"),
                    theirs: version("let total = add(items);\n"),
                },
            }]),
        }],
        messages: vec!["CONFLICT (content): Merge conflict in src/app.ts".to_owned()],
        command: "git merge-tree --write-tree 1 5".to_owned(),
    };
    for size in [SMALL, (120, 24)] {
        let mut board = Board::new(run(), size);
        board.type_in("c");
        board.key(Key::Enter);
        let pair = Wanted::Pair(TaskNumber(1), TaskNumber(5));
        board.loaded(pair, Content::Pair(Box::new(view.clone())));
        let frame = board.frame();
        let lines: Vec<&str> = frame
            .lines()
            .skip(3)
            .take_while(|l| !l.starts_with("enter") && !l.starts_with("esc"))
            .collect();
        let text = lines.join("\n");
        match size {
            SMALL => insta::assert_snapshot!(text.trim_end(), @r"
            ── #1 × #5                                         1–9 of 17
            #1 × #5: independent
            #1 run/parse at 0000000
            #5 run/tidy at 0000000
            base 1a2b3c4

            src/app.ts: content
            #1, line 4
              let total = sum(all_items);
            base, line 4
            "),
            _ => insta::assert_snapshot!(text.trim_end(), @r"
            #1 × #5: independent
            #1 run/parse at 0000000
            #5 run/tidy at 0000000
            base 1a2b3c4

            src/app.ts: content
            #1, line 4                             │ base, line 4                           │ #5, line 4
            let total = sum(all_items);            │ let total = sum(items);                │ let total = add(items);

            CONFLICT (content): Merge conflict in src/app.ts

            git shows the same with
            git merge-tree --write-tree 1 5
            "),
        }
    }
}
