//! Parses the blocks of a Markdown text into a tree with positions.
//!
//! The content of lines is taken from the raw text.

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};

use crate::plan::span::Span;

/// The maximum depth; deeper blocks are not needed, and dropping a deep tree could overflow.
const DEPTH: usize = 8;

/// A block.
#[derive(Debug)]
pub(super) struct Block {
    /// The kind.
    pub(super) kind: Kind,
    /// The position; the end may include empty lines.
    pub(super) span: Span,
    /// The nested blocks.
    pub(super) children: Vec<Block>,
}

/// The kind of a block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A heading with its level, from 1.
    Heading(u8),
    /// Lines of text, in a paragraph or in a tight list.
    Text,
    /// A list with bullets.
    Bullets,
    /// A numbered list, with its first number.
    Numbers(u64),
    /// An item of a list.
    Item,
    /// A code block with its content.
    Code(String),
    /// A block of HTML.
    Html,
    /// A rule, a quote or any other block.
    Other,
}

/// Parses the blocks of a text.
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
    /// The number of open blocks beyond the maximum depth.
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

    /// Adds text directly in an item, without a paragraph.
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

/// Returns the kind of a block tag; `None` for inline tags.
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

/// Returns `true` for the end of a block; no extension with other blocks is enabled.
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
