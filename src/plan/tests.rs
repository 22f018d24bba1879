//! Tests with fixtures, round trips and generated texts.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::base::safe::hidden::find_hidden;
use crate::plan::*;

const FORMATS: [Format; 3] = [Format::Toml, Format::Json, Format::Markdown];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/plans")
        .join(name)
}

/// Every plan in a folder of fixtures, by name.
fn sources(name: &str) -> Vec<Source> {
    let entries = fs::read_dir(folder(name)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().filter_map(|path| source(&path)).collect()
}

fn source(path: &Path) -> Option<Source> {
    Some(Source {
        name: path.file_name()?.to_str()?.to_owned(),
        format: Format::from_path(path)?,
        text: fs::read_to_string(path).unwrap(),
    })
}

fn parse_in(source: &Source, name: &str) -> Parsed {
    let workers = ["claude", "codex", "shell"].map(str::to_owned);
    let read = |path: &str| {
        let path = folder(name).join(path);
        fs::read_to_string(path).map_err(|_| "no such file".to_owned())
    };
    parse(source, Some(&BTreeSet::from(workers)), &read)
}

fn parse_text(format: Format, text: &str) -> Parsed {
    let source = Source {
        name: "text".to_owned(),
        format,
        text: text.to_owned(),
    };
    parse_in(&source, "ok")
}

fn shown(source: &Source, parsed: &Parsed) -> String {
    render_diagnostics(source, &parsed.diagnostics)
}

/// Compares with a file next to the fixture; `DISPATCH_BLESS=1` writes it.
fn check_golden(path: &Path, found: &str) {
    if std::env::var_os("DISPATCH_BLESS").is_some() {
        fs::write(path, found).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, expected, "{}", path.display());
}

#[test]
fn every_good_fixture_is_a_plan_and_comes_out_as_its_golden_file() {
    let sources = sources("ok");
    assert!(sources.len() >= 8);
    for source in sources {
        let parsed = parse_in(&source, "ok");
        let plan = parsed
            .plan
            .clone()
            .unwrap_or_else(|| panic!("{}", shown(&source, &parsed)));
        let found = format!(
            "{}{}",
            render(&plan, Format::Toml),
            warnings(&source, &parsed)
        );
        check_golden(&folder("ok").join(format!("{}.txt", source.name)), &found);
    }
}

fn warnings(source: &Source, parsed: &Parsed) -> String {
    match parsed.diagnostics.as_slice() {
        [] => String::new(),
        _ => format!("\n{}", shown(source, parsed)),
    }
}

#[test]
fn every_bad_fixture_is_explained_as_its_golden_file_says() {
    for source in sources("bad") {
        let parsed = parse_in(&source, "bad");
        let code = source.name.split('.').next().unwrap();
        let has_code = parsed
            .diagnostics
            .iter()
            .any(|found| found.code.name() == code);
        let found = shown(&source, &parsed);
        assert!(has_code, "{}: {found}", source.name);
        let is_bad = parsed.diagnostics.iter().any(Diagnostic::is_error);
        assert_eq!(parsed.plan.is_none(), is_bad, "{}", source.name);
        check_golden(&folder("bad").join(format!("{}.txt", source.name)), &found);
    }
}

#[test]
fn every_code_has_a_fixture() {
    // These need too much text for a fixture, and have a test below.
    let large = ["too-large", "too-many-tasks", "incomplete"];
    let names: Vec<_> = sources("bad")
        .into_iter()
        .map(|source| source.name)
        .collect();
    for code in Code::ALL.iter().map(|code| code.name()) {
        let has_fixture = names
            .iter()
            .any(|name| name.split('.').next() == Some(code));
        assert!(has_fixture != large.contains(&code), "{code}");
    }
}

fn assert_survives(plan: &Plan, formats: &[Format]) {
    let mut text = String::new();
    let mut before = plan.clone();
    for format in formats {
        text = render(&before, *format);
        let parsed = parse_text(*format, &text);
        let source = Source {
            name: "text".to_owned(),
            format: *format,
            text: text.clone(),
        };
        let after = parsed.plan.clone();
        let after = after.unwrap_or_else(|| panic!("{text}\n{}", shown(&source, &parsed)));
        assert_eq!(before, after, "through {format:?}:\n{text}");
        before = after;
    }
    assert!(!text.is_empty());
}

#[test]
fn a_plan_survives_every_format() {
    for source in sources("ok") {
        let plan = parse_in(&source, "ok").plan.unwrap();
        assert_survives(
            &plan,
            &[
                Format::Markdown,
                Format::Toml,
                Format::Json,
                Format::Markdown,
            ],
        );
    }
}

#[test]
fn the_sample_is_rendered_as_written() {
    let sample = source(&folder("ok").join("sample.md")).unwrap();
    let plan = parse_in(&sample, "ok").plan.unwrap();
    let squeezed = |text: &str| text.replace("\n\n", "\n").replace("\n\n", "\n");
    assert_eq!(
        squeezed(&render(&plan, Format::Markdown)),
        squeezed(&sample.text)
    );
}

#[test]
fn a_plan_with_windows_line_ends_means_the_same() {
    for source in sources("ok")
        .iter()
        .filter(|source| source.format == Format::Markdown)
    {
        let unix = source.text.replace("\r\n", "\n");
        let windows = unix.replace('\n', "\r\n");
        let plan = |text: &str| parse_text(Format::Markdown, text).plan.unwrap();
        assert_eq!(plan(&unix), plan(&windows), "{}", source.name);
        assert_eq!(
            plan(&unix),
            plan(&format!("\u{feff}{unix}")),
            "{}",
            source.name
        );
    }
}

/// Pieces of Markdown syntax for generated plans.
const PIECES: &[&str] = &[
    "word",
    " ",
    "  ",
    "    ",
    "\t",
    "\n",
    "\n\n",
    "- ",
    "* ",
    "+ ",
    "1. ",
    "23) ",
    "# ",
    "## ",
    "> ",
    "```",
    "~~~",
    "````\n",
    "---",
    "===",
    "***",
    "___",
    "|",
    "`",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ":",
    "#",
    "\\",
    "<!--",
    "-->",
    "<!-- prompt -->",
    "<div>",
    "</pre>",
    "<script>",
    "[a]: b",
    "[A] ",
    "— ",
    " - ",
    "– Worker 1",
    "blocked by #1",
    "worker: claude",
    "files: a",
    "check: ",
    "run:",
    "**key:** ",
    "é",
    "日本",
    "👩‍👧",
    "\u{a0}",
    "\u{2028}",
    "&amp;",
    "=",
    "Dispatch Plan",
    "### Dependent",
    "### Shared Context",
    "\r\n",
    "\r",
    "\u{b}",
    "\u{c}",
    "<?",
    "<![CDATA[",
    "@@",
];

/// Removes the characters that commands and names may not have.
fn shown_only(mut text: String) -> String {
    while let Some(hidden) = find_hidden(&text) {
        text.remove(hidden.at);
    }
    text
}

fn piled(random: &mut fastrand::Rng, most: usize) -> String {
    let count = random.usize(0..=most);
    (0..count)
        .map(|_| *random.choice(PIECES).unwrap())
        .collect()
}

/// Generates a plan in TOML with strange texts in all fields.
fn strange_plan(random: &mut fastrand::Rng) -> String {
    let quoted = |text: String| ::toml::Value::String(text).to_string();
    let mut text = format!("title = {}\n", quoted(format!("x{}", piled(random, 4))));
    let context: Vec<_> = (0..random.usize(0..4))
        .map(|_| quoted(piled(random, 8)))
        .collect();
    text += &format!("context = [{}]\n", context.join(", "));
    for number in 1..=random.usize(1..5) {
        text += &format!(
            "[[task]]\ntitle = {}\n",
            quoted(format!("{}y", piled(random, 5)))
        );
        text += &format!("prompt = {}\n", quoted(piled(random, 14)));
        if random.bool() {
            text += &format!("tag = \"A{number}\"\n");
        }
        for key in ["label", "run", "output"] {
            if random.u8(0..3) == 0 {
                text += &format!(
                    "{key} = {}\n",
                    quoted(shown_only(format!("z{}", piled(random, 6))))
                );
            }
        }
        if random.bool() {
            let checks: Vec<_> = (0..3)
                .map(|_| quoted(shown_only(format!("{}c", piled(random, 4)))))
                .collect();
            let values: Vec<_> = (0..3)
                .map(|i| quoted(format!("V{i}={}", piled(random, 4))))
                .collect();
            text += &format!(
                "check = [{}]\nenv = [{}]\n",
                checks.join(", "),
                values.join(", ")
            );
        }
        if number > 1 && random.bool() {
            text += "depends_on = [1]\n";
        }
    }
    text
}

#[test]
fn the_strangest_texts_survive_every_format() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..1500 {
        let text = strange_plan(&mut random);
        let parsed = parse_text(Format::Toml, &text);
        let Some(plan) = parsed.plan else {
            panic!("{text}\n{:#?}", parsed.diagnostics);
        };
        assert_survives(&plan, &FORMATS);
    }
}

#[test]
fn no_text_makes_the_parser_panic() {
    let mut random = fastrand::Rng::with_seed(11);
    let all: Vec<_> = ["ok", "bad"].into_iter().flat_map(sources).collect();
    for round in 0..4000 {
        let source = &all[round % all.len()];
        let mut chars: Vec<char> = source.text.chars().collect();
        for _ in 0..random.usize(1..8) {
            let at = random.usize(0..=chars.len());
            let to = (at + random.usize(0..12)).min(chars.len());
            let piece = if random.bool() {
                piled(&mut random, 3)
            } else {
                String::new()
            };
            chars.splice(at..to, piece.chars());
        }
        let source = Source {
            text: chars.into_iter().collect(),
            ..source.clone()
        };
        let parsed = parse_in(&source, "ok");
        let shown = shown(&source, &parsed);
        assert_eq!(shown.is_empty(), parsed.diagnostics.is_empty());
        if let Some(plan) = parsed.plan {
            assert_survives(&plan, &FORMATS);
        }
    }
}

#[test]
fn deep_nesting_is_read_or_refused_without_overflow() {
    let deep = 20_000;
    let nested = |open: &str, close: &str| format!("{}1{}", open.repeat(deep), close.repeat(deep));
    let texts = [
        (Format::Json, nested("[", "]")),
        (Format::Json, nested("{\"task\":", "}")),
        (
            Format::Json,
            format!("{{\"task\":[{{\"title\":{}}}]}}", nested("[", "]")),
        ),
        (Format::Toml, format!("title = {}", nested("[", "]"))),
        (Format::Toml, format!("title = {}", nested("{a=", "}"))),
        (Format::Toml, format!("{}a = 1", "a.".repeat(deep))),
        (Format::Markdown, format!("{}text", "> ".repeat(deep))),
        (Format::Markdown, format!("{}text", "1. ".repeat(deep))),
        (
            Format::Markdown,
            format!("1. a\n   {}text", "- ".repeat(deep)),
        ),
        (Format::Markdown, format!("1. {}text", "[".repeat(deep))),
        (
            Format::Markdown,
            format!("1. {}text", "*a _b ".repeat(deep)),
        ),
    ];
    for (format, text) in texts {
        let parsed = parse_text(format, &text);
        assert!(parsed.plan.is_some() || !parsed.diagnostics.is_empty());
    }
}

#[test]
fn a_variant_by_a_worker_whose_name_is_a_number_survives_markdown() {
    let text = "title = \"P\"\n[[task]]\ntitle = \"t\"\nvariants = [\"3\"]\n";
    let read = |format, text: &str| {
        let source = Source {
            name: "plan".to_owned(),
            format,
            text: text.to_owned(),
        };
        parse(&source, None, &|_| Err(String::new())).plan.unwrap()
    };
    let plan = read(Format::Toml, text);
    let markdown = render(&plan, Format::Markdown);
    assert!(
        markdown.contains("   - variants:\n     - 3\n"),
        "{markdown}"
    );
    assert_eq!(read(Format::Markdown, &markdown), plan);
}

#[test]
fn too_large_plans_are_refused() {
    let tasks = |count: usize| -> String { (1..=count).map(|i| format!("{i}. task\n")).collect() };
    let first = |text: &str| parse_text(Format::Markdown, text).diagnostics[0].clone();
    assert_eq!(first(&tasks(10_001)).code, Code::TooManyTasks);
    assert_eq!(first(&"x".repeat(MAX_BYTES + 1)).code, Code::TooLarge);
    assert!(parse_text(Format::Markdown, &tasks(10_000)).plan.is_some());
}

#[test]
fn only_a_hundred_findings_of_a_kind_are_kept() {
    let text: String = (1..=300)
        .map(|i| format!("{i}. task — blocked by #{}\n", i + 1000))
        .collect();
    let found = parse_text(Format::Markdown, &text).diagnostics;
    assert_eq!(found.len(), 101);
    assert_eq!(found[100].code, Code::Incomplete);
    assert_eq!(found[100].message, "200 more not shown");
}

/// Parses large plans; a quadratic step would take far too long.
#[test]
fn ten_thousand_tasks_of_any_shape_are_read() {
    let chain = |i: usize| format!("{i}. t — blocked by #{}\n      - files: src/**\n", i - 1);
    let shapes: [(&str, &dyn Fn(usize) -> String); 4] = [
        ("same files", &|i| {
            format!("{i}. t\n       - files: src/**\n")
        }),
        ("chain", &|i| {
            if i == 1 {
                "1. t\n".to_owned()
            } else {
                chain(i)
            }
        }),
        ("unknown", &|i| {
            format!("{i}. [TAG{i}] t — blocked by TGA{i}\n")
        }),
        ("halves", &|i| {
            if i == 5001 {
                "### Dependent\n5001. t\n".to_owned()
            } else {
                format!("{i}. t\n")
            }
        }),
    ];
    for (name, line) in shapes {
        let text: String = (1..=10_000).map(line).collect();
        let parsed = parse_text(Format::Markdown, &text);
        assert_eq!(parsed.plan.is_none(), name == "unknown");
    }
}

#[test]
fn the_schema_has_exactly_the_fields_that_are_read() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    let keys = |object: &serde_json::Value| -> BTreeSet<String> {
        object["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    let known: BTreeSet<_> = fields::KNOWN.iter().map(|key| (*key).to_owned()).collect();
    assert_eq!(keys(&schema["$defs"]["Task"]), known);
    let root = ["$schema", "context", "task", "title"].map(str::to_owned);
    assert_eq!(keys(&schema), BTreeSet::from(root));
    assert_eq!(schema["required"], serde_json::json!(["task"]));
    assert_eq!(
        schema["$defs"]["Task"]["required"],
        serde_json::json!(["title"])
    );
}
