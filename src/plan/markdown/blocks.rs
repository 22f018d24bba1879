//! The blocks of a Markdown text as a tree with places. What a line says is left to the raw text.

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};

use crate::plan::span::Span;

/// Deeper blocks are never looked at, and a tree of any depth could not be dropped safely.
const DEPTH: usize = 8;

/// One block.
#[derive(Debug)]
pub(super) struct Block {
    /// What it is.
    pub(super) kind: Kind,
    /// Where it stands; the end may include empty lines.
    pub(super) span: Span,
    /// The blocks in it.
    pub(super) children: Vec<Block>,
}

/// What a block is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// With its level, from 1.
    Heading(u8),
    /// Lines of text, also those that stand in a tight list without a paragraph of their own.
    Text,
    /// A list with bullets.
    Bullets,
    /// A list with numbers, and the first of them.
    Numbers(u64),
    /// One item of a list.
    Item,
    /// A code block and what is in it.
    Code(String),
    /// A block of HTML.
    Html,
    /// A rule, a quote and whatever else.
    Other,
}

/// All blocks of a text.
pub(super) fn read(text: &str) -> Vec<Block> {
    let mut tree = Tree::default();
    for (event, span) in Parser::new(text).into_offset_iter() {
        tree.take(event, span);
    }
    tree.top
}

#[derive(Default)]
struct Tree {
    top: Vec<Block>,
    open: Vec<Block>,
    /// Open blocks that are too deep to be kept.
    deeper: usize,
}

impl Tree {
    fn take(&mut self, event: Event<'_>, span: Span) {
        match event {
            Event::Start(tag) => match kind_of(&tag) {
                Some(kind) => self.open(kind, span),
                None => self.inline(span),
            },
            Event::End(tag) if is_block(tag) => self.close(),
            Event::End(_) => {}
            Event::Text(text) => self.text(&text, span),
            Event::Rule => {
                self.open(Kind::Other, span);
                self.close();
            }
            _ => self.inline(span),
        }
    }

    fn open(&mut self, kind: Kind, span: Span) {
        if self.open.len() == DEPTH {
            self.deeper += 1;
            return;
        }
        let children = Vec::new();
        self.open.push(Block {
            kind,
            span,
            children,
        });
    }

    fn close(&mut self) {
        if self.deeper > 0 {
            self.deeper -= 1;
        } else if let Some(block) = self.open.pop() {
            self.siblings().push(block);
        }
    }

    fn siblings(&mut self) -> &mut Vec<Block> {
        match self.open.last_mut() {
            Some(parent) => &mut parent.children,
            None => &mut self.top,
        }
    }

    fn text(&mut self, text: &str, span: Span) {
        match self.open.last_mut() {
            _ if self.deeper > 0 => {}
            Some(Block {
                kind: Kind::Code(code),
                ..
            }) => code.push_str(text),
            _ => self.inline(span),
        }
    }

    /// Text directly in an item, without a paragraph.
    fn inline(&mut self, span: Span) {
        let Some(item) = self.open.last_mut().filter(|top| top.kind == Kind::Item) else {
            return;
        };
        if self.deeper > 0 {
            return;
        }
        match item.children.last_mut() {
            Some(last) if last.kind == Kind::Text => last.span.end = last.span.end.max(span.end),
            _ => item.children.push(Block {
                kind: Kind::Text,
                span,
                children: Vec::new(),
            }),
        }
    }
}

/// `None` for what is inside of a line.
fn kind_of(tag: &Tag<'_>) -> Option<Kind> {
    match tag {
        Tag::Heading { level, .. } => Some(Kind::Heading(level_of(*level))),
        Tag::Paragraph => Some(Kind::Text),
        Tag::List(None) => Some(Kind::Bullets),
        Tag::List(Some(first)) => Some(Kind::Numbers(*first)),
        Tag::Item => Some(Kind::Item),
        Tag::CodeBlock(_) => Some(Kind::Code(String::new())),
        Tag::HtmlBlock => Some(Kind::Html),
        Tag::BlockQuote(_) => Some(Kind::Other),
        _ => None,
    }
}

/// The counterpart of [`kind_of`]; no extension that has more blocks is switched on.
fn is_block(tag: TagEnd) -> bool {
    matches!(
        tag,
        TagEnd::Heading(_)
            | TagEnd::Paragraph
            | TagEnd::List(_)
            | TagEnd::Item
            | TagEnd::CodeBlock
            | TagEnd::HtmlBlock
            | TagEnd::BlockQuote(_)
    )
}

fn level_of(level: HeadingLevel) -> u8 {
    level as u8
}
