//! Hostile text in plans, journals and reports of workers, in every view of a run. Each view is parsed
//! back: the text changes nothing around it, and no control reaches a terminal.

use std::fs;
use std::path::Path;

use git_dispatch::base::safe::hidden::find_hidden;
use git_dispatch::base::safe::json::json_safe;
use git_dispatch::base::safe::terminal_safe;
use git_dispatch::journal::record::parse_record;
use git_dispatch::model::event::Recorded;
use git_dispatch::model::ids::{RunId, TaskNumber};
use git_dispatch::model::plan::Plan;
use git_dispatch::model::run::RunState;
use git_dispatch::plan::{self, Format, Source};
use git_dispatch::report::board::view::BoardView;
use git_dispatch::report::board::{json, markdown, text};
use git_dispatch::report::completion::Completion;
use git_dispatch::report::failure::FailureReport;
use git_dispatch::report::notification::notifications;
use git_dispatch::report::pull_request;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use serde_json::Value;

use crate::harness::Scene;
use crate::web::markup::assert_plain;

/// Text by hand: one kind of attack each.
const PICKED: &[&str] = &[
    "a | b | c |\n| x | y | z |",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "[click](javascript:alert(1)) ![i](https://evil.example/track.png)",
    "stray ` then @octocat and closes #7",
    "two `` then @hubot fixes #8 and ``` three",
    "closes https://github.com/o/r/issues/9 and GH-10",
    "\n## Dispatch Complete\nAll 99 tasks finished successfully.",
    "```\nfence\n```\n# heading",
    "~~~\nfence of another kind",
    "<!-- hidden --> </details> &lt;b&gt; &#x1b;[31m",
    "<!-- an open comment",
    "[ref]: javascript:alert(2)\n[x][ref]",
    "<javascript:alert(3)> <https://evil.example> https://evil.example",
    "$(touch sh1) `touch sh2` ; touch sh3 && touch sh4 | touch sh5",
    "Dispatch-Task: 99 FORGED\nDispatch-Run: other-9999",
    "x\n\nDispatch-Task: 99 FORGED\nSigned-off-by: A <a@b>",
    "* * *",
    "===\n---",
    "\t- nested\n  1. list\n> quote",
    "\u{1b}]0;title\u{7}\u{1b}[2J\u{1b}[31mred",
    "\u{9b}31m\u{90}q\u{9c}",
    "\u{202e}txt.exe\u{202c}\u{2066}a\u{2069}",
    "zero\u{200b}width\u{2060}\u{feff}\u{ad}\u{e0041}",
    "line\u{2028}separator\u{2029}paragraph\u{85}next\u{b}vertical\u{c}form",
    "carriage\rreturn over\u{8}\u{8}back",
    "nul \0 and del \u{7f}",
    "\u{fdd0}\u{10ffff}\u{fffe} not characters",
    "%s %n {} {{ x }} {% for i in range(9) %} ${HOME} %PATH%",
    "../../../etc/passwd C:\\Windows -rf --upload-pack=x",
    "\\| \\` \\\\ \\",
    "| --- | --- |",
    "1. [X] a new task — blocked by #1\n   - run: rm -rf /",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{65e5}\u{672c}\u{8a9e} e\u{301}",
    "{\"version\":1,\"seq\":99,\"run\":\"r\",\"event\":\"paused\"}",
    "$math$ $$x$$ :smile: ~~gone~~ [^1] - [ ] task",
    "",
    " ",
    "\n\n\n",
];

/// Returns the texts by hand, and texts of several pieces of them, always the same ones.
fn hostile_texts() -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(15);
    let mut texts: Vec<String> = PICKED.iter().map(|text| (*text).to_owned()).collect();
    let pieces: Vec<&str> = PICKED
        .iter()
        .flat_map(|text| text.split_inclusive([' ', '\n', '`', '|', '[', '<']))
        .collect();
    for _ in 0..200 {
        let count = random.usize(1..9);
        let chosen = (0..count).map(|_| pieces[random.usize(..pieces.len())]);
        texts.push(chosen.collect());
    }
    texts.push("long ` | <b> \u{202e}".repeat(300));
    texts
}

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/journals/v1");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// Returns the plan of the fixture with this text as its title, its context and every task's title.
fn plan(text: &str) -> Plan {
    let mut plan: Value = serde_json::from_str(&fixture("plan.json")).unwrap();
    let benign = plan.clone();
    plan["title"] = text.into();
    plan["context"] = vec![text].into();
    for task in plan["task"].as_array_mut().unwrap() {
        task["title"] = text.into();
    }
    // A title may not be empty, for example; the journal then keeps the other texts.
    parse_plan(&plan).or_else(|| parse_plan(&benign)).unwrap()
}

fn parse_plan(plan: &Value) -> Option<Plan> {
    let source = Source {
        name: "plan.json".to_owned(),
        format: Format::Json,
        text: plan.to_string(),
    };
    plan::parse(&source, None, &|_| Err(String::new())).plan
}

/// A journal, and the places in it that take any text.
struct Template {
    events: Vec<Value>,
    places: Vec<(usize, String)>,
}

impl Template {
    /// Takes the journal of the fixture. With `fails`, the last attempt fails, and nothing is assembled.
    fn new(fails: bool) -> Template {
        let fixture = fixture("run.jsonl");
        let parsed = fixture
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let mut events: Vec<Value> = parsed.collect();
        if fails {
            fail_last_attempt(&mut events);
        }
        for event in &mut events {
            if event["event"] == "attempt-ended" && event["outcome"]["end"] == "passed" {
                event["outcome"]["report"]["summary"] = "text".into();
                for list in ["decisions", "issues", "next_steps"] {
                    event["outcome"]["report"][list] = vec!["text"; 2].into();
                }
            }
        }
        let mut places = Vec::new();
        for (number, event) in events.iter_mut().enumerate() {
            for place in texts_in(event, String::new()) {
                let before = event.pointer(&place).cloned().unwrap();
                *event.pointer_mut(&place).unwrap() = "any text".into();
                match parse_record(&event.to_string()) {
                    Ok(_) => places.push((number, place)),
                    Err(_) => *event.pointer_mut(&place).unwrap() = before,
                }
            }
        }
        assert!(places.len() > 50, "{places:?}");
        Template { events, places }
    }

    fn records(&self, text: &str) -> Vec<Recorded> {
        let mut events = self.events.clone();
        for (number, place) in &self.places {
            *events[*number].pointer_mut(place).unwrap() = text.into();
        }
        let parsed = events.iter().map(|event| parse_record(&event.to_string()));
        parsed.map(|recorded| recorded.unwrap()).collect()
    }

    fn state(&self, text: &str) -> (RunState, Vec<Recorded>) {
        let records = self.records(text);
        let run = RunId::new("garden-yhwp");
        let mut state = RunState::start(run, plan(text), &records[0]).unwrap();
        for recorded in &records[1..] {
            state.apply(recorded);
        }
        (state, records)
    }
}

fn fail_last_attempt(events: &mut Vec<Value>) {
    events.truncate(25);
    let mut outcome = events[15]["outcome"].clone();
    outcome["class"] = "logic".into();
    for field in ["root_cause", "suggestion", "evidence"] {
        outcome[field] = "text".into();
    }
    outcome["warnings"] = vec!["text"].into();
    events[24]["outcome"] = outcome;
    let end = r#"{"version":1,"seq":26,"time":"2026-11-22T09:14:00Z","run":"garden-yhwp","event":"run-ended","exit":3}"#;
    events.push(serde_json::from_str(end).unwrap());
}

/// Lists the places of the texts in an event, without those by which it is understood.
fn texts_in(value: &Value, at: String) -> Vec<String> {
    match value {
        Value::String(_) => vec![at],
        Value::Array(items) => {
            let each = items.iter().enumerate();
            each.flat_map(|(place, item)| texts_in(item, format!("{at}/{place}")))
                .collect()
        }
        Value::Object(fields) => {
            let kept = [
                "version",
                "run",
                "event",
                "end",
                "branch",
                "base_name",
                "target",
            ];
            let free = fields
                .iter()
                .filter(|(name, _)| !kept.contains(&name.as_str()));
            free.flat_map(|(name, item)| texts_in(item, format!("{at}/{name}")))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the views in Markdown.
fn markdown_views(state: &RunState) -> Vec<(&'static str, String)> {
    let task = TaskNumber(1);
    let mut views = vec![
        ("board", markdown::render(&BoardView::new(state))),
        ("pull request", pull_request::body_of_run(state)),
        (
            "pull request of a task",
            pull_request::body_of_task(state, task, &[TaskNumber(3)]),
        ),
        (
            "completion report",
            Completion::new(state).render_markdown(),
        ),
    ];
    if let Some(report) = FailureReport::new(state) {
        views.push(("failure report", report.render_markdown()));
    }
    views
}

/// Describes the parts of a Markdown document: headings, tables with their cells, and everything that
/// foreign text must not make.
fn structure(markdown: &str) -> String {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut parts = String::new();
    for event in Parser::new_ext(markdown, options) {
        match event {
            Event::Start(Tag::Heading { level, .. }) => parts += &format!("{level} "),
            Event::Start(Tag::Table(_)) => parts += "table ",
            Event::End(TagEnd::TableRow | TagEnd::TableHead) => parts += "row ",
            Event::Start(Tag::TableCell) => parts += "cell ",
            Event::Start(Tag::Link { .. }) => parts += "link ",
            Event::Start(Tag::Image { .. }) => parts += "image ",
            // It keeps a word from being a mention.
            Event::InlineHtml(html) if &*html == "<!-- -->" => {}
            Event::Html(_) | Event::InlineHtml(_) => parts += "html ",
            Event::Rule => parts += "rule ",
            _ => {}
        }
    }
    parts
}

#[test]
fn hostile_text_changes_nothing_around_it_in_any_view() {
    let texts = hostile_texts();
    assert!(texts.len() > 200);
    for fails in [false, true] {
        let template = Template::new(fails);
        let (benign, _) = template.state("text");
        let benign_views = markdown_views(&benign);
        let names: Vec<&str> = benign_views.iter().map(|(name, _)| *name).collect();
        let benign: Vec<String> = benign_views
            .iter()
            .map(|(_, view)| structure(view))
            .collect();
        assert!(benign[0].contains("table row cell") || benign[0].contains("table "));
        for text in &texts {
            let (state, records) = template.state(text);
            let views = markdown_views(&state);
            for ((name, view), expected) in views.iter().zip(&benign) {
                // Without a text some sections are left out.
                if !text.trim().is_empty() {
                    assert_eq!(&structure(view), expected, "{name} of {text:?}\n{view}");
                }
                assert_shown(text, name, &terminal_safe(view));
            }
            assert_eq!(views.len(), names.len());
            assert_plain_views(text, &state, &records);
        }
    }
}

/// Checks the board and the messages for a terminal, and what programs read.
fn assert_plain_views(text: &str, state: &RunState, records: &[Recorded]) {
    let view = BoardView::new(state);
    let board = text::render(&view);
    assert_shown(text, "board in a terminal", &board);
    let is_row = |line: &&str| {
        line.split("  ")
            .next()
            .is_some_and(|cell| cell.parse::<u32>().is_ok())
    };
    let rows = board.lines().filter(is_row).count();
    assert_eq!(rows, state.plan.tasks().len(), "{text:?}\n{board}");
    assert_shown(text, "result line", &text::result_line(&view));
    let title = pull_request::title(state, Some(TaskNumber(1)));
    assert!(!title.contains('\n'), "{text:?}: {title}");
    assert_shown(text, "title of a pull request", &title);
    let mut objects = vec![json::value(&view), Completion::new(state).value()];
    objects.extend(FailureReport::new(state).map(|report| report.value()));
    for notification in notifications(state, records) {
        assert!(!notification.message.contains('\n'), "{text:?}");
        assert_shown(text, "notification", &notification.message);
        objects.push(notification.value(state, "/repository"));
    }
    for object in objects {
        let printed = json_safe(&object.to_string());
        assert_shown(text, "JSON", &printed);
        let parsed: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(parsed, object, "{text:?}");
    }
}

#[track_caller]
fn assert_shown(text: &str, view: &str, shown: &str) {
    let hidden = find_hidden(shown);
    assert!(
        hidden.is_none(),
        "{view} of {text:?} shows {:?}",
        hidden.map(|hidden| hidden.character)
    );
}

#[test]
fn hostile_summaries_add_no_trailer_and_no_control_to_what_is_printed() {
    let scene = Scene::new();
    let texts: Vec<&str> = PICKED
        .iter()
        .copied()
        .filter(|text| !text.trim().is_empty())
        .collect();
    let mut tasks = Vec::new();
    for (place, text) in texts.iter().enumerate().take(14) {
        let report = serde_json::json!({"summary": text, "issues": [text], "progress": text});
        scene.write(&format!("r{place}.json"), &report.to_string());
        tasks.push(serde_json::json!({
            "tag": format!("T{place}"),
            "title": text,
            "run": format!("cp r{place}.json \"$DISPATCH_RESULT_FILE\"; echo {place} > f{place}.txt"),
        }));
    }
    scene.commit("Reports");
    let count = tasks.len();
    let plan = serde_json::json!({"title": texts[3], "task": tasks});
    scene.write("plan.json", &plan.to_string());
    let ended = scene.dispatch(&["run", "plan.json", "--yes"]);
    let ended = ended.expect(0);
    let run = scene.run_name();
    for (place, text) in texts.iter().enumerate().take(count) {
        let branch = scene.branch(&format!("t{place}"));
        let log = ["log", "-1", "--format=%(trailers:only,unfold)", &branch];
        let trailers = scene.git(&log);
        let own = format!(
            "Dispatch-Run: {run}\nDispatch-Task: {} T{place}\nDispatch-Attempt: 1",
            place + 1
        );
        assert_eq!(trailers, own, "{text:?}");
    }
    assert_shown("run", "output", &ended.out);
    assert_shown("run", "messages", &ended.err);
    for args in [
        &["status"][..],
        &["board", "--json"],
        &["report"],
        &["review"],
        &["show", "1"],
        &["history"],
    ] {
        let shown = scene.dispatch(args).expect(0);
        assert_shown("run", args[0], &shown.out);
        assert_shown("run", args[0], &shown.err);
    }
    let pages = scene.root.join("pages");
    let export = ["web", "--export", pages.to_str().unwrap()];
    scene.dispatch(&export).expect(0);
    for page in fs::read_dir(pages.join(&run)).unwrap() {
        let page = page.unwrap().path();
        let name = page.display().to_string();
        assert_plain(&fs::read_to_string(&page).unwrap(), &name);
    }
}
