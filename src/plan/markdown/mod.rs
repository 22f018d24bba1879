//! Parses plans in Markdown.
//!
//! The structure (headings, lists, nesting) follows CommonMark; the texts (titles, values, prompts)
//! are taken from the raw text.
//!
//! * The title is the first heading of level 1.
//! * If there is a heading "Dispatch Plan", tasks are below it, up to the next heading of its level
//!   or above; otherwise every numbered list contains tasks. Everything else is for the reader.
//! * Headings that start with "Independent" or "Dependent" set the default dependencies, and "Shared
//!   Context" (anywhere) contains the context: one entry for each item or block.
//! * The number of a task is the written one. If all items of a list have the same number, they are
//!   counted from it, as in Markdown.

use crate::base::text::one_line;
use crate::plan::collector::{Collector, RawDiagnostic};
use crate::plan::diagnostic::Code;
use crate::plan::draft::Draft;
use crate::plan::markdown::blocks::{Block, Kind};
use crate::plan::span::{At, Span};

mod blocks;
mod headline;
mod list;
mod raw;
mod render;
mod task;
mod unread;

pub(super) use render::render;

/// Parses a plan; any text is valid Markdown, so there is always a draft.
pub(super) fn parse(text: &str, findings: &mut Collector) -> Draft {
    let blocks = blocks::read(text);
    let mut reader = Reader::new(text, &blocks, findings);
    blocks.iter().for_each(|block| reader.take(block));
    reader.warn_about_unread();
    reader.draft
}

/// The meaning of a heading for the blocks below it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Section {
    Plain,
    Independent,
    Dependent,
    Context,
}

struct Reader<'a> {
    text: &'a str,
    findings: &'a mut Collector,
    draft: Draft,
    /// The lowest level at which a heading "Dispatch Plan" counts; `None` without one.
    plan_heading: Option<u8>,
    /// The level of the plan's heading, once parsed.
    plan_level: Option<u8>,
    in_plan: bool,
    section: Section,
    section_level: u8,
    /// The lines that look like a task and are none.
    unread: Vec<Span>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, blocks: &[Block], findings: &'a mut Collector) -> Reader<'a> {
        // The title of a plan may be "Dispatch Plan".
        let levels = blocks.iter().filter_map(|block| match block.kind {
            Kind::Heading(level) => is_plan(&heading(text, block).value).then_some(level),
            _ => None,
        });
        let plan_heading = levels.max().map(|deepest| deepest.min(2));
        let draft = Draft {
            repeatable: true,
            advice: match plan_heading {
                Some(_) => {
                    "tasks are numbered items below the heading `Dispatch Plan`: `1. [TAG] Title`"
                }
                None => "tasks are numbered items: `1. [TAG] Title`",
            },
            ..Draft::default()
        };
        Reader {
            text,
            findings,
            draft,
            plan_heading,
            plan_level: None,
            in_plan: plan_heading.is_none(),
            section: Section::Plain,
            section_level: 0,
            unread: Vec::new(),
        }
    }

    fn take(&mut self, block: &Block) {
        if self.in_plan && self.section != Section::Context {
            self.unread.extend(unread::outside(self.text, block));
        }
        match (&block.kind, self.section) {
            (Kind::Heading(level), _) => self.heading(*level, heading(self.text, block)),
            (_, Section::Context) => self.context(block),
            (Kind::Numbers(first), _) if self.in_plan => self.tasks(block, *first),
            (Kind::Bullets, _) if self.in_plan => self.stray_list(block),
            (Kind::Text, _) if self.in_plan => self.stray_text(block),
            _ => {}
        }
    }

    fn heading(&mut self, level: u8, title: At<String>) {
        let is_plan = is_plan(&title.value) && self.plan_heading.is_some_and(|min| level >= min);
        if level == 1 && self.draft.title.is_none() {
            self.draft.title = title_beside(&title, is_plan);
        }
        if is_plan {
            self.plan_level = Some(level);
            self.in_plan = true;
            self.enter(Section::Plain, level);
            return;
        }
        let section = if level > 1 {
            section_of(&title.value)
        } else {
            Section::Plain
        };
        match section {
            Section::Plain if level > self.section_level => {}
            Section::Plain => {
                self.enter(Section::Plain, level);
                self.in_plan &= self.plan_level.is_none_or(|plan| level > plan);
            }
            Section::Context => self.enter(section, level),
            _ => {
                self.enter(section, level);
                self.in_plan |= self.plan_level.is_some();
            }
        }
    }

    fn enter(&mut self, section: Section, level: u8) {
        self.section = section;
        self.section_level = level;
    }

    fn context(&mut self, block: &Block) {
        match block.kind {
            Kind::Bullets | Kind::Numbers(_) => {
                for item in &block.children {
                    let marker = raw::marker(self.text, &item.span);
                    let start = marker.content.min(item.span.end);
                    self.context_entry(start..item.span.end, marker.column);
                }
            }
            Kind::Html if self.text[block.span.clone()].trim().starts_with("<!--") => {}
            _ => self.context_entry(block.span.clone(), 0),
        }
    }

    fn context_entry(&mut self, span: Span, column: usize) {
        let span = raw::trimmed(self.text, span);
        let entry = raw::unmargined(self.text, span.clone(), column);
        self.draft.context.push(At::new(entry, span));
    }

    fn tasks(&mut self, list: &Block, first: u64) {
        let written: Vec<_> = list
            .children
            .iter()
            .map(|item| raw::marker(self.text, &item.span).number)
            .map(|span| At::new(self.text[span.clone()].parse().unwrap_or(0), span))
            .collect();
        let is_lazy = written.len() > 1 && written.iter().all(|number| number.value == first);
        for ((item, number), counted) in list.children.iter().zip(written).zip(first..) {
            let value = if is_lazy { counted } else { number.value };
            let number = At::new(value, number.span);
            let mut task = task::read(self.text, item, number, self.findings);
            self.unread.extend(unread::inside(self.text, item));
            task.after_independent = self.section == Section::Dependent;
            self.draft.tasks.push(task);
        }
    }

    fn stray_list(&mut self, list: &Block) {
        if list::is_field_list(self.text, list) {
            let span = self.first_line(list);
            let message = "these fields are outside any task";
            let finding = RawDiagnostic::error(Code::StrayField, span, message);
            self.findings.add(finding.hint(self.indent_hint()));
        } else if self.draft.tasks.is_empty() {
            self.draft.advice = "tasks are numbered: write `1. [TAG] Title` instead of a bullet";
        }
    }

    /// Without any task, the advice says how one is written.
    fn warn_about_unread(&mut self) {
        if self.draft.tasks.is_empty() {
            return;
        }
        for line in std::mem::take(&mut self.unread) {
            self.findings.add(unread::warning(self.text, line));
        }
    }

    /// Warns about indented text below a task, which was meant to belong to it.
    fn stray_text(&mut self, block: &Block) {
        let line = raw::line_start(self.text, block.span.start);
        let is_indented = self.text[line..].starts_with([' ', '\t']);
        if is_indented && !self.draft.tasks.is_empty() {
            let span = self.first_line(block);
            let message = "this text is indented, but outside any task";
            let finding = RawDiagnostic::warning(Code::StrayText, span, message);
            self.findings.add(finding.hint(self.indent_hint()));
        }
    }

    fn first_line(&self, block: &Block) -> Span {
        let span = raw::trimmed(self.text, block.span.clone());
        let end = raw::line_end(self.text, span.start);
        raw::trimmed(self.text, span.start..end)
    }

    fn indent_hint(&self) -> String {
        match self.draft.tasks.last() {
            Some(task) => format!(
                "indent the lines of task #{} by at least {} spaces",
                task.number.as_ref().map_or(0, |number| number.value),
                task.column
            ),
            None => "put fields in a nested list below the line of their task".to_owned(),
        }
    }
}

/// Returns the title in the first heading of level 1.
fn title_beside(title: &At<String>, is_plan: bool) -> Option<At<String>> {
    let value = if is_plan {
        title.value["dispatch plan".len()..].trim_start_matches([':', '-', '–', '—', ' '])
    } else {
        &title.value
    };
    (!value.is_empty()).then(|| At::new(value.to_owned(), title.span.clone()))
}

/// Returns the raw text of a heading.
fn heading(text: &str, block: &Block) -> At<String> {
    let span = raw::trimmed(text, block.span.clone());
    let words = text[span.clone()].trim_start();
    let words = match words.strip_prefix('#') {
        Some(words) => without_closing(words.trim_start_matches('#').trim()),
        None => words
            .rfind(['\n', '\r'])
            .map_or(words, |line| &words[..line]),
    };
    At::new(one_line(words), span)
}

/// Removes a closing sequence: `# Title ##` has one, `# C#` does not.
fn without_closing(words: &str) -> &str {
    let open = words.trim_end_matches('#');
    if open.is_empty() || open.ends_with([' ', '\t']) {
        open.trim_end()
    } else {
        words
    }
}

fn is_plan(heading: &str) -> bool {
    let words = heading.get(.."dispatch plan".len());
    words.is_some_and(|words| words.eq_ignore_ascii_case("dispatch plan"))
        && !heading["dispatch plan".len()..].starts_with(char::is_alphanumeric)
}

fn section_of(heading: &str) -> Section {
    let heading = heading.to_lowercase();
    let sections = [
        ("independent", Section::Independent),
        ("dependent", Section::Dependent),
        ("shared context", Section::Context),
    ];
    let found = sections
        .iter()
        .find(|(words, _)| heading.starts_with(words));
    found.map_or(Section::Plain, |(_, section)| *section)
}
