//! Renders the Markdown of reports as HTML. It renders headings, paragraphs, lists, tables, quotes,
//! code and emphasis. HTML in it is text, and links and images are their words: foreign text leads
//! nowhere.

use maud::{Escaper, Markup, PreEscaped};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use std::fmt::Write as _;

use crate::web::text::shown;

/// Renders a document.
pub(in crate::web) fn render(text: &str) -> Markup {
    let mut html = String::new();
    let mut in_head = false;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        push(&mut html, event, &mut in_head);
    }
    PreEscaped(html)
}

fn push(to: &mut String, event: Event<'_>, in_head: &mut bool) {
    match event {
        Event::Start(Tag::TableHead) => {
            *in_head = true;
            to.push_str("<thead><tr>");
        }
        Event::End(TagEnd::TableHead) => {
            *in_head = false;
            to.push_str("</tr></thead><tbody>");
        }
        Event::Start(Tag::TableCell) if *in_head => to.push_str("<th scope=\"col\">"),
        Event::End(TagEnd::TableCell) if *in_head => to.push_str("</th>"),
        Event::Start(tag) => to.push_str(opening(&tag)),
        Event::End(tag) => to.push_str(closing(tag)),
        Event::Code(text) => {
            to.push_str("<code>");
            push_text(to, &text);
            to.push_str("</code>");
        }
        Event::SoftBreak => to.push('\n'),
        Event::HardBreak => to.push_str("<br>"),
        Event::Rule => to.push_str("<hr>"),
        Event::Text(text)
        | Event::Html(text)
        | Event::InlineHtml(text)
        | Event::InlineMath(text)
        | Event::DisplayMath(text)
        | Event::FootnoteReference(text) => push_text(to, &text),
        Event::TaskListMarker(_) => {}
    }
}

fn push_text(to: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = Escaper::new(to).write_str(&shown(text));
}

fn opening(tag: &Tag<'_>) -> &'static str {
    match tag {
        Tag::Heading { level, .. } => match level {
            HeadingLevel::H1 => "<h1>",
            HeadingLevel::H2 => "<h2>",
            HeadingLevel::H3 => "<h3>",
            _ => "<h4>",
        },
        Tag::Paragraph => "<p>",
        Tag::BlockQuote(_) => "<blockquote>",
        Tag::CodeBlock(_) => "<pre tabindex=\"0\">",
        Tag::List(None) => "<ul>",
        Tag::List(Some(_)) => "<ol>",
        Tag::Item => "<li>",
        Tag::Table(_) => TABLE,
        Tag::TableRow => "<tr>",
        Tag::TableCell => "<td>",
        Tag::Emphasis => "<em>",
        Tag::Strong => "<strong>",
        _ => "",
    }
}

/// Opens a table that scrolls alone where the window is narrow.
const TABLE: &str =
    "<div class=\"scroll\" role=\"group\" aria-label=\"Table\" tabindex=\"0\"><table>";

fn closing(tag: TagEnd) -> &'static str {
    match tag {
        TagEnd::Heading(level) => match level {
            HeadingLevel::H1 => "</h1>",
            HeadingLevel::H2 => "</h2>",
            HeadingLevel::H3 => "</h3>",
            _ => "</h4>",
        },
        TagEnd::Paragraph => "</p>",
        TagEnd::BlockQuote(_) => "</blockquote>",
        TagEnd::CodeBlock => "</pre>",
        TagEnd::List(false) => "</ul>",
        TagEnd::List(true) => "</ol>",
        TagEnd::Item => "</li>",
        TagEnd::Table => "</tbody></table></div>",
        TagEnd::TableRow => "</tr>",
        TagEnd::TableCell => "</td>",
        TagEnd::Emphasis => "</em>",
        TagEnd::Strong => "</strong>",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_becomes_html_and_foreign_text_stays_text() {
        let report = "# Dispatch Complete\n\nAll *two* **tasks**:\n\n1. `a<b>`\n2. <script>x</script>\n\n\
            | A | B |\n|---|---|\n| [x](javascript:alert(1)) | ![i](https://evil.example/a.png) |\n\n\
            ```\n</pre><b>\n```\n\n> \u{202e}evil\n\n---\n";
        insta::assert_snapshot!(render(report).into_string(), @r#"
        <h1>Dispatch Complete</h1><p>All <em>two</em> <strong>tasks</strong>:</p><ol><li><code>a&lt;b&gt;</code></li><li>&lt;script&gt;x&lt;/script&gt;
        </li></ol><div class="scroll" role="group" aria-label="Table" tabindex="0"><table><thead><tr><th scope="col">A</th><th scope="col">B</th></tr></thead><tbody><tr><td>x</td><td>i</td></tr></tbody></table></div><pre tabindex="0">&lt;/pre&gt;&lt;b&gt;
        </pre><blockquote><p>\u{202e}evil</p></blockquote><hr>
        "#);
    }
}
