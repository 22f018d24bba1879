//! Renders a plan as text for a confirmation: every field, and no Markdown.

use std::fmt::Write;

use serde_json::Value;

use crate::base::text::one_line;
use crate::model::plan::{Plan, Task};
use crate::plan::fields::KNOWN;
use crate::plan::{Format, render};

/// The fields shown in the line of a task or in the text below it.
const ELSEWHERE: &[&str] = &["tag", "title", "label", "depends_on", "prompt"];

/// Renders a plan as text: a line for each task, with its fields and its prompt below.
pub fn render_preview(plan: &Plan) -> String {
    let json: Value = serde_json::from_str(&render(plan, Format::Json)).unwrap_or_default();
    let mut text = format!("{}\n\n", one_line(plan.title()));
    for (at, task) in plan.tasks().iter().enumerate() {
        text.push_str(&headline(task));
        let fields = &json["task"][at];
        let known = KNOWN.iter().filter(|key| !ELSEWHERE.contains(key));
        for key in known {
            write_field(&mut text, key, &fields[key]);
        }
        if !task.prompt.is_empty() {
            write_block(&mut text, &task.prompt);
        }
    }
    if !plan.context().is_empty() {
        text.push_str("\nShared context\n");
    }
    for entry in plan.context() {
        write_block(&mut text, entry);
    }
    text
}

/// Renders `#2 [API] Build the API — Worker 2 — blocked by #1`.
fn headline(task: &Task) -> String {
    let mut line = format!("{} [{}] {}", task.number, task.tag, one_line(&task.title));
    if let Some(label) = &task.label {
        let _ = write!(line, " — {}", one_line(label));
    }
    let names: Vec<_> = task.depends_on.iter().map(ToString::to_string).collect();
    if !names.is_empty() {
        let _ = write!(line, " — blocked by {}", names.join(", "));
    }
    line + "\n"
}

fn write_field(text: &mut String, key: &str, value: &Value) {
    let value = match value {
        Value::Null => return,
        Value::String(value) => value.clone(),
        Value::Array(values) => {
            let word = |value: &Value| value.as_str().map(str::to_owned);
            let words: Vec<String> = values
                .iter()
                .map(|value| word(value).unwrap_or_else(|| value.to_string()))
                .collect();
            words.join(", ")
        }
        other => other.to_string(),
    };
    match value.contains('\n') {
        true => {
            let _ = writeln!(text, "   {key}:");
            write_block(text, &value);
        }
        false => {
            let _ = writeln!(text, "   {key}: {value}");
        }
    }
}

fn write_block(text: &mut String, block: &str) {
    for line in block.trim_end().lines() {
        let _ = writeln!(text, "{}", format!("     {line}").trim_end());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::plan::{Source, parse};

    #[test]
    fn a_preview_has_every_field_and_no_markdown() {
        let source = Source {
            name: "garden.md".to_owned(),
            format: Format::Markdown,
            text:
                "# Garden\n\n1. [POLITE] Greet politely — Worker 1\n   - run: sed s/a/*b*/ x\n   \
                   - files: src/**, docs/a.md\n2. [DOCS] Write docs — blocked by #1\n   - timeout: \
                   5m\n\n   Write it.\n\n   # Well\n\n## Shared Context\n- POSIX sh\n"
                    .to_owned(),
        };
        let parsed = parse(&source, None, &|_| Err(String::new()));
        insta::assert_snapshot!(render_preview(&parsed.plan.unwrap()), @r"
        Garden

        #1 [POLITE] Greet politely — Worker 1
           run: sed s/a/*b*/ x
           files: src/**, docs/a.md
        #2 [DOCS] Write docs — blocked by #1
           timeout: 5m
             Write it.

             # Well

        Shared context
             POSIX sh
        ");
    }
}
