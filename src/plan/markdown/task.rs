//! Parses a numbered item into a task: headline, fields, prompt.

use crate::plan::collector::{Collector, RawDiagnostic};
use crate::plan::diagnostic::Code;
use crate::plan::draft::DraftTask;
use crate::plan::markdown::blocks::{Block, Kind};
use crate::plan::markdown::headline::{self, Headline, looks_blocked};
use crate::plan::markdown::list;
use crate::plan::markdown::raw::{self, Marker};
use crate::plan::normal;
use crate::plan::span::{At, Span};

/// The mark below which everything is prompt, even text that looks like fields.
pub(super) const PROMPT_MARK: &str = "<!-- prompt -->";

/// Parses an item of a numbered list.
pub(super) fn read(
    text: &str,
    item: &Block,
    number: At<u64>,
    findings: &mut Collector,
) -> DraftTask {
    let marker = raw::marker(text, &item.span);
    let (headline, after, mut rest) = read_headline(text, item, &marker);
    if looks_blocked(&headline.title.value) {
        findings.add(unread_dependency(headline.title.span.clone()));
    }
    let mut task = DraftTask {
        span: number.span.start..headline.title.span.end.max(number.span.end),
        column: marker.column,
        number: Some(number),
        tag: headline.tag,
        label: headline.label,
        title: Some(headline.title),
        blocked_by: headline.blocked_by,
        ..DraftTask::default()
    };
    let mut prompt_from = after;
    if let Some((fields, below)) = rest.split_first()
        && list::is_field_list(text, fields)
        && is_next(text, after, fields)
    {
        task.members = list::read(text, fields, findings);
        prompt_from = raw::next_line(text, last_place(text, fields));
        rest = below;
    }
    match rest.first() {
        Some(mark) if is_prompt_mark(text, mark) && is_next(text, prompt_from, mark) => {
            prompt_from = raw::next_line(text, mark.span.start);
        }
        _ => warn_about_fields(text, rest, findings),
    }
    let span = prompt_from..end_of_item(text, prompt_from..item.span.end, marker.column);
    let prompt = normal::prompt(&raw::unmargined(text, span.clone(), marker.column));
    let span = raw::trimmed(text, span);
    task.prompt = (!prompt.is_empty()).then(|| At::new(prompt, span));
    task
}

/// Parses the headline; returns it with the start of the next line and the blocks below.
///
/// The headline is the whole first paragraph, because editors wrap lines. If a label or `blocked
/// by` ends its first line, the headline ends there and the prompt begins.
fn read_headline<'a>(
    text: &str,
    item: &'a Block,
    marker: &Marker,
) -> (Headline, usize, &'a [Block]) {
    let line_end = raw::line_end(text, marker.content).min(item.span.end.max(marker.content));
    let (span, rest) = headline_span(text, item, marker.content..line_end);
    let first_line = span.start..raw::line_end(text, span.start).min(span.end);
    if first_line.end < span.end {
        let headline = headline::parse(text, first_line.clone());
        if headline.has_suffix() {
            return (headline, raw::next_line(text, first_line.end), rest);
        }
    }
    let after = raw::next_line(text, span.end);
    (headline::parse(text, span), after, rest)
}

fn headline_span<'a>(text: &str, item: &'a Block, line: Span) -> (Span, &'a [Block]) {
    let is_blank = text[line.clone()].trim().is_empty();
    match item.children.split_first() {
        Some((head, rest)) if matches!(head.kind, Kind::Text | Kind::Heading(_)) => {
            let span = raw::trimmed(text, head.span.clone());
            let is_here = is_blank || raw::line_start(text, span.start) <= line.start;
            if !is_here {
                return (line, &item.children);
            }
            let start = if is_blank {
                span.start
            } else {
                line.start.min(span.start)
            };
            let marks = match head.kind {
                Kind::Heading(_) => {
                    text[start..].len() - text[start..].trim_start_matches(['#', ' ']).len()
                }
                _ => 0,
            };
            let start = (start + marks).min(span.end);
            // Inline spans may not include the end of the line, such as a closing backslash.
            (start..raw::line_end(text, span.end), rest)
        }
        // A link definition is not a block; any other block on this line is not a title.
        Some((block, _)) if raw::line_start(text, block.span.start) <= line.start && !is_blank => {
            (line.start..line.start, &item.children)
        }
        _ => (line, &item.children),
    }
}

/// Returns a position in the last line of a list.
///
/// The span of the list may include a following link definition, which belongs to the prompt.
fn last_place(text: &str, list: &Block) -> usize {
    let mut block = list;
    while let Some(last) = block.children.last() {
        block = last;
    }
    let first_line = raw::line_end(text, block.span.start);
    match block.kind {
        Kind::Item => first_line,
        _ => raw::trimmed(text, block.span.clone()).end,
    }
}

/// Returns the end of an item.
///
/// Its span may include a following link definition: text after an empty line and left of the
/// item's column does not belong to it.
fn end_of_item(text: &str, span: Span, column: usize) -> usize {
    let mut at = span.start;
    let mut after_empty = false;
    while at < span.end {
        let line = &text[at..raw::line_end(text, at)];
        let is_empty = line.trim().is_empty();
        if !is_empty && after_empty && normal::indent_of(line) < column {
            return at;
        }
        after_empty = is_empty;
        at = raw::next_line(text, at);
    }
    span.end.max(span.start)
}

/// Returns `true` if only white space precedes a block; link definitions are not blocks.
fn is_next(text: &str, from: usize, block: &Block) -> bool {
    text[from..block.span.start.max(from)].trim().is_empty()
}

fn is_prompt_mark(text: &str, block: &Block) -> bool {
    let end = raw::line_end(text, block.span.start);
    block.kind == Kind::Html && text[block.span.start..end].trim() == PROMPT_MARK
}

fn warn_about_fields(text: &str, blocks: &[Block], findings: &mut Collector) {
    for block in blocks {
        if list::is_only_known_fields(text, block) {
            let span = raw::trimmed(text, block.span.clone());
            let end = raw::line_end(text, span.start).min(span.end);
            let message = "this list looks like fields, but is part of the prompt";
            let hint = "put fields directly below the line of their task, before any prose";
            let finding = RawDiagnostic::warning(Code::FieldsAfterPrompt, span.start..end, message);
            findings.add(finding.hint(hint));
        }
    }
}

fn unread_dependency(span: Span) -> RawDiagnostic {
    let message = "this reads like a dependency, but is part of the title";
    let hint = "write `— blocked by #2` at the end of the line, or a field `depends_on: #2`";
    RawDiagnostic::warning(Code::UnreadDependency, span, message).hint(hint)
}
