//! Finds the plan in an agent's answer: in a fenced block, or the whole answer.

use crate::plan::normal::indent_of;
use crate::plan::{Format, Source};

/// The name of the answer in diagnostics.
const NAME: &str = "the planner's answer";

/// The mark of an answer without a plan: the goal cannot be split.
const SEQUENTIAL: &str = "not parallel:";

/// The width of a number of one digit with its mark and a space.
const NARROW: usize = 3;

/// The longest reason that is kept, in lines.
const REASON_LINES: usize = 12;

/// The content of an answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A plan.
    Plan {
        /// Its text.
        source: Source,
        /// The number of other plans before it.
        earlier: usize,
    },
    /// The goal has no parts that can be worked on at the same time, for this reason.
    Sequential(String),
    /// Neither.
    Neither,
}

/// Finds the plan in an answer, or the reason why there is none.
///
/// A block counts only if its fences are at the start of a line, because prompts of tasks, which are
/// indented, may hold blocks of their own. A block without an end continues to the end of the text.
pub fn read_answer(text: &str) -> Answer {
    let blocks = blocks(text);
    let mut plans = blocks.iter().filter(|block| block.plan().is_some());
    if let Some(source) = plans.next_back().and_then(Block::plan) {
        let earlier = plans.filter(|block| block.has_tasks()).count();
        return Answer::Plan { source, earlier };
    }
    if let Some(reason) = reason(text) {
        return Answer::Sequential(reason);
    }
    match bare(text) {
        Some(source) => Answer::Plan { source, earlier: 0 },
        None => Answer::Neither,
    }
}

/// A fenced block at the start of a line.
struct Block<'a> {
    /// The first word after the opening fence.
    language: &'a str,
    text: String,
}

impl Block<'_> {
    /// Returns the plan, if the block is marked as one or looks like one.
    fn plan(&self) -> Option<Source> {
        let format = match self.language.to_ascii_lowercase().as_str() {
            "markdown" | "md" | "plan" => Some(Format::Markdown),
            "json" => Some(Format::Json),
            "toml" => Some(Format::Toml),
            "" | "text" => format_of(&self.text),
            _ => None,
        };
        format.map(|format| source(format, &self.text))
    }

    /// Returns `true` if the text has tasks, as a plan and no other text of the same format.
    fn has_tasks(&self) -> bool {
        let mut lines = self.text.lines();
        match format_of(&self.text) {
            Some(Format::Json) => self.text.contains("\"task\""),
            Some(Format::Markdown) => lines.any(|line| line.starts_with("1. ")),
            Some(Format::Toml) => true,
            None => false,
        }
    }
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some((fence, rest)) = fence(line) else {
            continue;
        };
        let mut inside = String::new();
        for line in lines.by_ref() {
            if ends(line, fence) {
                break;
            }
            inside.push_str(line);
            inside.push('\n');
        }
        blocks.push(Block {
            language: rest.split_whitespace().next().unwrap_or_default(),
            text: inside,
        });
    }
    blocks
}

/// Splits an opening fence from the rest of its line.
fn fence(line: &str) -> Option<(&str, &str)> {
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let rest = line.trim_start_matches(mark);
    let fence = &line[..line.len() - rest.len()];
    (fence.len() >= 3 && !rest.contains('`')).then_some((fence, rest))
}

/// Returns `true` for the fence that closes a block.
fn ends(line: &str, fence: &str) -> bool {
    let mark = fence.chars().next().unwrap_or('`');
    let rest = line.trim_start_matches(mark);
    line.len() - rest.len() >= fence.len() && rest.trim().is_empty()
}

/// Guesses the format of a text that is a plan and nothing else.
fn format_of(text: &str) -> Option<Format> {
    let first = text.trim_start();
    if first.starts_with('{') {
        Some(Format::Json)
    } else if text.lines().any(|line| line.trim() == "[[task]]") {
        Some(Format::Toml)
    } else {
        first.starts_with("# ").then_some(Format::Markdown)
    }
}

/// Reads an answer without blocks as a plan. Numbered lines in prose are none.
fn bare(text: &str) -> Option<Source> {
    let format = format_of(text)?;
    Some(source(format, text))
}

fn source(format: Format, text: &str) -> Source {
    let text = match format {
        Format::Markdown => indented(text),
        Format::Json | Format::Toml => text.to_owned(),
    };
    Source {
        name: NAME.to_owned(),
        format,
        text,
    }
}

/// Indents what is below a number of two digits or more as Markdown needs it.
///
/// Below `10. ` that is four spaces, but many agents write three, as below `9. `. The lines below an
/// item are moved together, so that code in them keeps its form.
fn indented(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        push_line(&mut out, 0, line);
        let Some(width) = wide_marker(line) else {
            continue;
        };
        let mut below = Vec::new();
        while let Some(line) = lines.next_if(|line| is_below(line)) {
            below.push(line);
        }
        let filled = below.iter().filter(|line| !line.trim().is_empty());
        let least = filled.map(|line| indent_of(line)).min();
        let shift = width.saturating_sub(least.unwrap_or(width));
        for line in below {
            push_line(&mut out, shift, line);
        }
    }
    out
}

/// Returns `true` for an empty line, and one that is indented as below a number of one digit.
fn is_below(line: &str) -> bool {
    line.trim().is_empty() || indent_of(line) >= NARROW
}

fn push_line(out: &mut String, shift: usize, line: &str) {
    if !line.is_empty() {
        out.extend(std::iter::repeat_n(' ', shift));
    }
    out.push_str(line);
    out.push('\n');
}

/// Returns the width of the marker of an item, `10. `, if it is wider than that of `1. `.
fn wide_marker(line: &str) -> Option<usize> {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = line.len() - rest.len();
    let is_item = rest.starts_with(". ") || rest.starts_with(") ");
    let width = digits + 2;
    (digits > 0 && is_item && width > NARROW).then_some(width)
}

/// Returns the reason after the mark, to the end of its paragraph.
fn reason(text: &str) -> Option<String> {
    let plain = |line: &str| {
        let line = line.trim_start_matches(['*', '#', '`', '>', '-', ' ']);
        line.replace("**", "").trim_end_matches('`').to_owned()
    };
    let mut lines = text.lines().map(plain);
    let first = lines.find_map(|line| {
        let start = line.get(..SEQUENTIAL.len())?;
        let is_mark = start.eq_ignore_ascii_case(SEQUENTIAL);
        is_mark.then(|| line[SEQUENTIAL.len()..].trim().to_owned())
    })?;
    let rest = lines.take_while(|line| !line.trim().is_empty());
    let rest = rest.take(REASON_LINES - 1);
    let reason: Vec<String> = std::iter::once(first).chain(rest).collect();
    let reason = reason.join(" ").trim().to_owned();
    Some(match reason.is_empty() {
        true => "it gave no reason".to_owned(),
        false => reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match read_answer(text) {
            Answer::Plan { source, earlier } => {
                let more = if earlier > 0 {
                    format!(" (after {earlier})")
                } else {
                    String::new()
                };
                let text = source.text.escape_debug();
                format!("{:?}{more}: {text}", source.format)
            }
            Answer::Sequential(reason) => format!("sequential: {reason}"),
            Answer::Neither => "neither".to_owned(),
        }
    }

    #[test]
    fn a_plan_is_found_in_its_block() {
        let said = [
            "Here it is:\n\n````markdown\n# P\n1. a\n\n   ```ts\n   x\n   ```\n````\nDone.",
            "```markdown\n# P\n1. a\n\n   ```ts\n   x\n   ```\n2. b\n```",
            "```json\n{\"task\": []}\n```",
            "~~~\n[[task]]\ntitle = \"a\"\n~~~\n",
            "```sh\nls\n```\n```md\n# First\n```\n```md\n# Second\n```",
            "```json\n{\"task\": [{\"title\": \"a\"",
            "```md\n# One\n1. a\n```\nor better:\n```json\n{\"task\": []}\n```\n",
            "```json\n{\"name\": \"shop\"}\n```\n```md\n# P\n1. a\n```\n",
        ]
        .map(read);
        insta::assert_snapshot!(said.join("\n"), @r#"
        Markdown: # P\n1. a\n\n   ```ts\n   x\n   ```\n
        Markdown: # P\n1. a\n\n   ```ts\n   x\n   ```\n2. b\n
        Json: {\"task\": []}\n
        Toml: [[task]]\ntitle = \"a\"\n
        Markdown: # Second\n
        Json: {\"task\": [{\"title\": \"a\"\n
        Json (after 1): {\"task\": []}\n
        Markdown: # P\n1. a\n
        "#);
    }

    #[test]
    fn lines_below_a_wide_number_are_indented_as_far_as_it_needs() {
        let text = "# P\n\n9. a\n   - files: a\n10. b\n   - files: b\n\n   Do:\n   ```sh\n     x\n   ```\n\n\
                    11. c\n    - files: c\n   prose\n100. d\n     - files: d\n\n### Shared Context\n   - e\n";
        insta::assert_snapshot!(indented(text), @r"
        # P

        9. a
           - files: a
        10. b
            - files: b

            Do:
            ```sh
              x
            ```

        11. c
             - files: c
            prose
        100. d
             - files: d

        ### Shared Context
           - e
        ");
    }

    #[test]
    fn a_bare_plan_is_the_whole_answer() {
        let said = [
            "\n# P\n\n1. a\n",
            "{\"task\": []}",
            "I would do it in order:\n1. Build it\n2. Test it\n",
            "",
            "```sh\nls\n```",
        ]
        .map(read);
        insta::assert_snapshot!(said.join("\n"), @r#"
        Markdown: \n# P\n\n1. a\n
        Json: {\"task\": []}
        neither
        neither
        neither
        "#);
    }

    #[test]
    fn an_answer_can_say_that_the_goal_has_no_parts() {
        let said = [
            "NOT PARALLEL: one file changes.\nAll of it.\n\nBye",
            "Having read it:\n\n**Not parallel:** a rename\n",
            "not parallel:",
            "NOT PARALLEL: no\n```md\n# P\n1. a\n```",
            "It is not parallel: sorry",
        ]
        .map(read);
        insta::assert_snapshot!(said.join("\n"), @r"
        sequential: one file changes. All of it.
        sequential: a rename
        sequential: it gave no reason
        Markdown: # P\n1. a\n
        neither
        ");
    }
}
