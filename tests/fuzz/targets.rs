//! The fuzz targets: each takes any bytes and fails by a panic. `cargo fuzz` feeds them, and so does
//! the test `fuzz` of the suite, with the kept corpus and changes of it.

use git_dispatch::git::merge_tree_parser::{AnswerCount, parse_answers};
use git_dispatch::journal::record::{parse_record, render_record, summary};
use git_dispatch::model::ids::RunId;
use git_dispatch::model::run::RunState;
use git_dispatch::model::worker::Dialect;
use git_dispatch::plan::{self, Format, Source, render_diagnostics};
use git_dispatch::report::board::view::BoardView;
use git_dispatch::report::board::{json, markdown, text};
use git_dispatch::report::completion::Completion;
use git_dispatch::report::failure::FailureReport;
use git_dispatch::worker::dialect::Reading;
use git_dispatch::worker::result::parse_result;

/// A target's name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets; each has a folder of that name in the corpus.
pub const TARGETS: &[Target] = &[
    ("plan", plan),
    ("dialect", dialect),
    ("merge_tree", merge_tree),
    ("journal", journal),
    ("result", result),
];

const DIALECTS: &[Dialect] = &[
    Dialect::Text,
    Dialect::Claude,
    Dialect::Codex,
    Dialect::Gemini,
    Dialect::Opencode,
    Dialect::Aider,
    Dialect::Goose,
    Dialect::Copilot,
    Dialect::Antigravity,
    Dialect::Acp,
];

/// Parses a plan; one that is accepted comes back the same from every form. The first byte chooses the
/// form: `m`, `t` or `j`.
pub fn plan(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let format = match first {
        b't' => Format::Toml,
        b'j' => Format::Json,
        _ => Format::Markdown,
    };
    let text = String::from_utf8_lossy(rest).into_owned();
    let Some(plan) = parse_plan(format, &text) else {
        return;
    };
    for format in [Format::Markdown, Format::Toml, Format::Json] {
        let rendered = plan::render(&plan, format);
        let again = parse_plan(format, &rendered);
        assert_eq!(again.as_ref(), Some(&plan), "{format:?}\n{rendered}");
    }
}

fn parse_plan(format: Format, text: &str) -> Option<git_dispatch::model::plan::Plan> {
    let source = Source {
        name: "plan".to_owned(),
        format,
        text: text.to_owned(),
    };
    let parsed = plan::parse(&source, None, &|_| Ok("a prompt from a file".to_owned()));
    render_diagnostics(&source, &parsed.diagnostics);
    parsed.plan
}

/// Reads the output of an agent; it means the same in one piece and in many. The first byte chooses the
/// dialect.
pub fn dialect(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let dialect = DIALECTS[usize::from(*first) % DIALECTS.len()];
    let mut whole = Reading::new(dialect, "/work");
    whole.feed(rest);
    let mut pieces = Reading::new(dialect, "/work");
    for piece in rest.chunks(7) {
        pieces.feed(piece);
    }
    assert_eq!(whole.turns(), pieces.turns());
    let (whole, pieces) = (whole.finish(), pieces.finish());
    assert_eq!(whole.terminal_seen, pieces.terminal_seen);
    assert_eq!(whole.result, pieces.result);
}

/// Parses git's output; answers are counted the same in one piece and in many.
pub fn merge_tree(data: &[u8]) {
    let answers = parse_answers(data).len();
    let whole = AnswerCount::default().add(data);
    let mut count = AnswerCount::default();
    let pieces: usize = data.chunks(5).map(|piece| count.add(piece)).sum();
    assert_eq!(whole, pieces);
    assert!(answers <= whole, "{answers} answers, {whole} counted");
}

/// Reads a journal and renders every view of it. The first line is the plan, as JSON; each other line is
/// an event.
pub fn journal(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let Some(plan) = lines.next().and_then(|line| parse_plan(Format::Json, line)) else {
        return;
    };
    let run = RunId::new("fuzz-7k3q");
    let count = plan.tasks().len();
    let mut state: Option<RunState> = None;
    for recorded in lines.filter_map(|line| parse_record(line).ok()) {
        let line = render_record(&run, &recorded);
        let again = parse_record(&line).map(|again| render_record(&run, &again));
        assert_eq!(again.ok(), Some(line));
        summary(&recorded.event);
        // As the loader does before it applies an event.
        let named = recorded.event.named_tasks();
        if named
            .iter()
            .any(|task| !(1..=count).contains(&(task.0 as usize)))
        {
            break;
        }
        match &mut state {
            None => state = RunState::start(run.clone(), plan.clone(), &recorded),
            Some(state) => state.apply(&recorded),
        }
    }
    if let Some(state) = &state {
        render(state);
    }
}

fn render(state: &RunState) {
    let view = BoardView::new(state);
    markdown::render(&view);
    text::render(&view);
    json::value(&view);
    Completion::new(state).render_markdown();
    if let Some(report) = FailureReport::new(state) {
        report.render_markdown();
    }
}

/// Parses the result file of a worker.
pub fn result(data: &[u8]) {
    let _ = parse_result(data);
}
