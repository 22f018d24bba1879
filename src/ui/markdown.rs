//! Renders Markdown for a terminal: bold headings, aligned tables, words never broken.
//!
//! It covers what the chapters of the manual use: headings, paragraphs, lists, tables, code, emphasis
//! and links. The result has escape sequences for style; a stream without colour drops them.

use anstyle::{AnsiColor, Style};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use unicode_width::UnicodeWidthStr;

use crate::base::markdown::markdown_code;
use crate::base::safe::terminal::painted;

/// Spaces between two columns of a table.
const GAP: usize = 2;

/// Spaces before a line of code.
const CODE_INDENT: usize = 4;

/// The widest code inside a sentence that is kept on one line.
const LONGEST_CODE: usize = 56;

/// The marking of code inside a sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CodeMarks {
    /// By colour.
    Color,
    /// By quotes, where there is no colour.
    Quotes,
    /// By backticks, as hints and errors mark commands.
    Backticks,
}

/// Renders a document in at most this many columns.
///
/// A single word may be wider, because a word is never broken.
pub fn render_markdown(text: &str, columns: usize, marks: CodeMarks) -> String {
    let mut events = parse_events(text, marks);
    let blocks = parse_blocks(&mut events);
    let mut lines = Vec::new();
    push_blocks(&blocks, columns, Spacing::Loose, &mut lines);
    let mut rendered = String::new();
    for line in lines {
        rendered.push_str(line.trim_end());
        rendered.push('\n');
    }
    rendered
}

/// A part of a document.
enum Block {
    Heading(Flow),
    Paragraph(Flow),
    Code(String),
    List {
        first: Option<u64>,
        items: Vec<Vec<Block>>,
    },
    Table(Vec<Vec<Flow>>),
}

/// Text that may be wrapped between its words.
#[derive(Default)]
struct Flow {
    words: Vec<Word>,
    /// The next text starts a new word.
    after_space: bool,
}

/// Text without a space, in parts of one style each.
#[derive(Default)]
struct Word(Vec<(Style, String)>);

impl Flow {
    fn push(&mut self, text: &str, style: Style) {
        for (at, part) in text.split([' ', '\n']).enumerate() {
            self.after_space |= at > 0;
            if part.is_empty() {
                continue;
            }
            if self.after_space || self.words.is_empty() {
                self.words.push(Word::default());
                self.after_space = false;
            }
            if let Some(Word(parts)) = self.words.last_mut() {
                parts.push((style, part.to_owned()));
            }
        }
    }

    /// A command stays on one line, so that it can be copied, unless it is long.
    fn push_code(&mut self, code: &str, style: Style) {
        if code.width() > LONGEST_CODE {
            return self.push(code, style);
        }
        if self.after_space || self.words.is_empty() {
            self.words.push(Word::default());
            self.after_space = false;
        }
        if let Some(Word(parts)) = self.words.last_mut() {
            parts.push((style, code.to_owned()));
        }
    }

    fn width(&self) -> usize {
        let words: usize = self.words.iter().map(Word::width).sum();
        words + self.words.len().saturating_sub(1)
    }

    fn widest_word(&self) -> usize {
        self.words.iter().map(Word::width).max().unwrap_or(0)
    }

    /// The lines of the text, each with its width.
    fn wrap(&self, columns: usize) -> Vec<(usize, String)> {
        let mut lines: Vec<(usize, String)> = Vec::new();
        for word in &self.words {
            match lines.last_mut() {
                Some((used, line)) if *used + 1 + word.width() <= columns => {
                    line.push(' ');
                    line.push_str(&word.styled());
                    *used += 1 + word.width();
                }
                _ => lines.push((word.width(), word.styled())),
            }
        }
        lines
    }
}

impl Word {
    fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.width()).sum()
    }

    fn styled(&self) -> String {
        let part = |(style, text): &(Style, String)| painted(*style, text);
        self.0.iter().map(part).collect()
    }
}

type Events<'a> = std::vec::IntoIter<Event<'a>>;

fn parse_events(text: &str, marks: CodeMarks) -> Events<'_> {
    // The first column of a table names things, which need no quotes.
    let (mut cells, mut in_table) = (0, false);
    let mark = |event| match event {
        Event::Start(Tag::TableRow | Tag::TableHead) => {
            (cells, in_table) = (0, true);
            event
        }
        Event::End(TagEnd::TableCell) => {
            cells += 1;
            event
        }
        Event::End(TagEnd::Table) => {
            in_table = false;
            event
        }
        Event::Code(code) if marks == CodeMarks::Quotes && !(in_table && cells == 0) => {
            Event::Code(format!("'{code}'").into())
        }
        Event::Code(code) if marks == CodeMarks::Backticks => {
            Event::Code(markdown_code(&code).into())
        }
        event => event,
    };
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).map(mark);
    events.collect::<Vec<_>>().into_iter()
}

/// The blocks up to the end of the one that is open.
fn parse_blocks(events: &mut Events<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    // A tight list item holds its text without a paragraph around it.
    let mut bare = Flow::default();
    while let Some(event) = events.next() {
        let block = match event {
            Event::Start(Tag::Heading { .. }) => Block::Heading(parse_flow(events, bold())),
            Event::Start(Tag::Paragraph) => Block::Paragraph(parse_flow(events, Style::new())),
            Event::Start(Tag::CodeBlock(_)) => Block::Code(parse_code(events)),
            Event::Start(Tag::List(first)) => Block::List {
                first,
                items: parse_items(events),
            },
            Event::Start(Tag::Table(_)) => Block::Table(parse_rows(events)),
            Event::End(TagEnd::Item | TagEnd::BlockQuote(_)) => break,
            event => {
                push_inline(&mut bare, event, Style::new(), events);
                continue;
            }
        };
        if !bare.words.is_empty() {
            blocks.push(Block::Paragraph(std::mem::take(&mut bare)));
        }
        blocks.push(block);
    }
    if !bare.words.is_empty() {
        blocks.push(Block::Paragraph(bare));
    }
    blocks
}

fn parse_items(events: &mut Events<'_>) -> Vec<Vec<Block>> {
    let mut items = Vec::new();
    while let Some(event) = events.next() {
        match event {
            Event::Start(Tag::Item) => items.push(parse_blocks(events)),
            Event::End(TagEnd::List(_)) => break,
            _ => {}
        }
    }
    items
}

fn parse_rows(events: &mut Events<'_>) -> Vec<Vec<Flow>> {
    let mut rows: Vec<Vec<Flow>> = Vec::new();
    let mut style = Style::new();
    while let Some(event) = events.next() {
        match event {
            Event::Start(Tag::TableHead) => {
                style = bold();
                rows.push(Vec::new());
            }
            Event::End(TagEnd::TableHead) => style = Style::new(),
            Event::Start(Tag::TableRow) => rows.push(Vec::new()),
            Event::Start(Tag::TableCell) => {
                let cell = parse_flow(events, style);
                if let Some(row) = rows.last_mut() {
                    row.push(cell);
                }
            }
            Event::End(TagEnd::Table) => break,
            _ => {}
        }
    }
    rows
}

fn parse_code(events: &mut Events<'_>) -> String {
    let mut code = String::new();
    for event in events {
        match event {
            Event::Text(text) => code.push_str(&text),
            Event::End(TagEnd::CodeBlock) => break,
            _ => {}
        }
    }
    code
}

/// The text up to the end of the element that is open.
fn parse_flow(events: &mut Events<'_>, style: Style) -> Flow {
    let mut flow = Flow::default();
    push_until_end(&mut flow, style, events);
    flow
}

fn push_until_end(flow: &mut Flow, style: Style, events: &mut Events<'_>) {
    while let Some(event) = events.next() {
        if matches!(event, Event::End(_)) {
            return;
        }
        push_inline(flow, event, style, events);
    }
}

fn push_inline(flow: &mut Flow, event: Event<'_>, style: Style, events: &mut Events<'_>) {
    match event {
        Event::Text(text) => flow.push(&text, style),
        Event::Code(code) => flow.push_code(&code, style.fg_color(Some(AnsiColor::Cyan.into()))),
        Event::SoftBreak | Event::HardBreak => flow.after_space = true,
        Event::Start(Tag::Strong) => push_until_end(flow, style.bold(), events),
        Event::Start(Tag::Emphasis) => push_until_end(flow, style.italic(), events),
        Event::Start(Tag::Link { dest_url, .. }) => {
            push_until_end(flow, style, events);
            if dest_url.contains("://") {
                flow.push(&format!(" ({dest_url})"), style);
            }
        }
        // The description of a picture stands for it.
        Event::Start(_) => push_until_end(flow, style, events),
        _ => {}
    }
}

fn bold() -> Style {
    Style::new().bold()
}

/// Space between blocks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spacing {
    /// An empty line.
    Loose,
    /// None, as in a list of short items.
    Tight,
}

fn push_blocks(blocks: &[Block], columns: usize, spacing: Spacing, lines: &mut Vec<String>) {
    for (at, block) in blocks.iter().enumerate() {
        let is_apart = spacing == Spacing::Loose || matches!(block, Block::Code(_));
        if at > 0 && is_apart {
            lines.push(String::new());
        }
        match block {
            Block::Heading(flow) | Block::Paragraph(flow) => {
                lines.extend(flow.wrap(columns).into_iter().map(|(_, line)| line));
            }
            Block::Code(code) => push_code(code, columns, lines),
            Block::List { first, items } => push_items(*first, items, columns, lines),
            Block::Table(rows) => push_table(rows, columns, lines),
        }
    }
}

/// Code keeps its lines; one that is too long continues below, indented further.
fn push_code(code: &str, columns: usize, lines: &mut Vec<String>) {
    for line in code.lines() {
        let own = line.len() - line.trim_start().len();
        let mut indent = CODE_INDENT + own;
        if indent + line.trim_start().width() <= columns {
            lines.push(format!("{:indent$}{}", "", line.trim_start()));
            continue;
        }
        let mut flow = Flow::default();
        flow.push(line.trim_start(), Style::new());
        let width = columns.saturating_sub(indent + CODE_INDENT);
        for (_, part) in flow.wrap(width) {
            lines.push(format!("{:indent$}{part}", ""));
            indent = CODE_INDENT + own + CODE_INDENT;
        }
    }
}

/// Returns `true` for an item of text alone, or of text with such items below it.
fn is_short(item: &[Block]) -> bool {
    match item {
        [Block::Paragraph(_)] => true,
        [Block::Paragraph(_), Block::List { items, .. }] => items.iter().all(|item| is_short(item)),
        _ => false,
    }
}

fn push_items(first: Option<u64>, items: &[Vec<Block>], columns: usize, lines: &mut Vec<String>) {
    let spacing = match items.iter().all(|item| is_short(item)) {
        true => Spacing::Tight,
        false => Spacing::Loose,
    };
    let last = first.unwrap_or(0) + items.len() as u64;
    let width = match first {
        Some(_) => last.saturating_sub(1).to_string().len() + 2,
        None => 2,
    };
    for (at, item) in items.iter().enumerate() {
        if at > 0 && spacing == Spacing::Loose {
            lines.push(String::new());
        }
        let marker = match first {
            Some(first) => format!("{}.", first + at as u64),
            None => "•".to_owned(),
        };
        let mut inner = Vec::new();
        push_blocks(item, columns.saturating_sub(width), spacing, &mut inner);
        for (row, line) in inner.iter().enumerate() {
            let before = if row == 0 { marker.as_str() } else { "" };
            lines.push(format!("{before:width$}{line}"));
        }
    }
}

fn push_table(rows: &[Vec<Flow>], columns: usize, lines: &mut Vec<String>) {
    match column_widths(rows, columns) {
        Some(widths) => rows.iter().for_each(|row| push_row(row, &widths, lines)),
        None => push_stacked(rows, columns, lines),
    }
}

/// The width of each column, or `None` if a word would have to be broken.
fn column_widths(rows: &[Vec<Flow>], columns: usize) -> Option<Vec<usize>> {
    let count = rows.iter().map(Vec::len).max()?;
    let widest = |at: usize, of: fn(&Flow) -> usize| {
        rows.iter()
            .filter_map(|row| row.get(at))
            .map(of)
            .max()
            .unwrap_or(0)
    };
    let natural: Vec<usize> = (0..count).map(|at| widest(at, Flow::width)).collect();
    let mut widths = natural.clone();
    let least: Vec<usize> = (0..count).map(|at| widest(at, Flow::widest_word)).collect();
    let room = columns.checked_sub(GAP * (count - 1))?;
    while widths.iter().sum::<usize>() > room {
        let may_shrink = (0..count).filter(|at| widths[*at] > least[*at]);
        let at = may_shrink.max_by_key(|at| widths[*at])?;
        widths[at] -= 1;
    }
    // What wrapping leaves unused in a column goes to the last one.
    let wrapped = |at: usize, width: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        let lines = cells.flat_map(|cell| cell.wrap(width));
        lines.map(|(used, _)| used).max().unwrap_or(0)
    };
    for (at, width) in widths.iter_mut().enumerate() {
        *width = wrapped(at, *width);
    }
    let unused = room - widths.iter().sum::<usize>();
    if let (Some(last), Some(wanted)) = (widths.last_mut(), natural.last()) {
        *last += unused.min(wanted.saturating_sub(*last));
    }
    Some(widths)
}

fn push_row(row: &[Flow], widths: &[usize], lines: &mut Vec<String>) {
    let cells: Vec<_> = row
        .iter()
        .zip(widths)
        .map(|(cell, width)| cell.wrap(*width))
        .collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    for at in 0..height {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let (used, text) = cell
                .get(at)
                .map_or((0, ""), |(used, text)| (*used, text.as_str()));
            line.push_str(text);
            line.push_str(&" ".repeat(width + GAP - used));
        }
        lines.push(line);
    }
}

/// A table that is too narrow for columns: the first cell of a row, the others indented below it.
fn push_stacked(rows: &[Vec<Flow>], columns: usize, lines: &mut Vec<String>) {
    for row in rows.iter().skip(1) {
        for (at, cell) in row.iter().enumerate() {
            let indent = if at == 0 { 0 } else { CODE_INDENT };
            for (_, line) in cell.wrap(columns.saturating_sub(indent)) {
                lines.push(format!("{:indent$}{line}", ""));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::safe::terminal::{for_terminal, without_style};

    fn plain(text: &str, columns: usize) -> String {
        without_style(&render_markdown(text, columns, CodeMarks::Color))
    }

    const SAMPLE: &str = "\
# Plans

A plan lists **tasks**, and `dispatch plan check` finds
its problems (see [the guide](guide.md), [Jinja](https://example.com)).

* one item that is long enough to need a second line
* two

1. first

   ```sh
   dispatch run plan.md
   ```

2. second

| field | meaning |
|---|---|
| `tag` | names the task on the command line |
| `timeout`, `stall_timeout` | a duration such as `90s` \\| `2h` |
";

    #[test]
    fn a_document_is_laid_out_for_a_terminal() {
        insta::assert_snapshot!(plain(SAMPLE, 44), @r"
        Plans

        A plan lists tasks, and dispatch plan check
        finds its problems (see the guide, Jinja
        (https://example.com)).

        • one item that is long enough to need a
          second line
        • two

        1. first

               dispatch run plan.md

        2. second

        field          meaning
        tag            names the task on the command
                       line
        timeout,       a duration such as 90s | 2h
        stall_timeout
        ");
    }

    #[test]
    fn a_table_that_is_too_wide_for_columns_is_stacked() {
        insta::assert_snapshot!(plain("| a | b |\n|---|---|\n| `DISPATCH_RUN` | the-run-of-it |\n", 20), @r"
        DISPATCH_RUN
            the-run-of-it
        ");
    }

    #[test]
    fn headings_are_bold_and_code_has_a_colour() {
        let rendered = render_markdown("# A `b`\n\nc `d`.\n", 80, CodeMarks::Color);
        assert_eq!(
            for_terminal(&rendered),
            "\u{1b}[1mA\u{1b}[0m \u{1b}[1m\u{1b}[36mb\u{1b}[0m\n\nc \u{1b}[36md\u{1b}[0m.\n"
        );
    }

    #[test]
    fn without_colour_code_stands_in_quotes() {
        let text = "Use `a b`.\n\n| x | y |\n|---|---|\n| `c` | `d` |\n";
        let rendered = render_markdown(text, 80, CodeMarks::Quotes);
        let plain = without_style(&rendered);
        assert_eq!(plain, "Use 'a b'.\n\nx  y\nc  'd'\n");
    }

    #[test]
    fn no_line_is_wider_than_asked_and_no_word_is_broken() {
        for columns in 30..120 {
            let text = plain(SAMPLE, columns);
            for line in text.lines() {
                assert!(line.width() <= columns, "{columns}: {line}");
            }
            for word in ["stall_timeout", "(https://example.com)).", "command"] {
                assert!(text.contains(word), "{columns}: {text}");
            }
        }
    }
}
