//! Renders a plan as Markdown that parses to the same plan.
//!
//! Most plans look handwritten. Text that does not fit into a line of Markdown becomes a field
//! (`title`, `label`), a nested list or a code block.

use std::fmt::Write;

use crate::base::clock::render_duration;
use crate::model::plan::{Isolation, Plan, Produces, Strategy, Task, Variants};
use crate::plan::fields::split_commas;
use crate::plan::normal::indent;
use crate::plan::wire::env_entries;

use crate::plan::markdown::headline;
use crate::plan::markdown::task::PROMPT_MARK;

/// Renders a plan.
pub(crate) fn render(plan: &Plan) -> String {
    let mut out = format!("# {}\n\n## Dispatch Plan\n", closed(plan.title()));
    let mut dependent = None;
    for task in plan.tasks() {
        let is_dependent = !task.depends_on.is_empty();
        // Numbers ascend, so a heading may be repeated.
        if dependent.replace(is_dependent) != Some(is_dependent) {
            out.push_str(match is_dependent {
                false => "\n### Independent (parallel)\n",
                true => "\n### Dependent (sequential, after above)\n",
            });
        }
        write_task(&mut out, task);
    }
    if !plan.context().is_empty() {
        out.push_str("\n### Shared Context\n");
    }
    for entry in plan.context() {
        write_entry(&mut out, entry);
    }
    out
}

/// Adds a closing `#` to a title that ends in `#`, which would be lost otherwise.
fn closed(title: &str) -> String {
    match title.ends_with('#') {
        true => format!("{title} #"),
        false => title.to_owned(),
    }
}

fn write_entry(out: &mut String, entry: &str) {
    let first = entry.lines().next().unwrap_or_default();
    // After a hyphen, more hyphens would make a rule.
    let bullet = match first.trim_start_matches(['-', ' ', '\t']) {
        "" => '*',
        _ => '-',
    };
    let _ = writeln!(out, "{bullet} {}", indent(entry, 2).trim_start());
}

fn write_task(out: &mut String, task: &Task) {
    let marker = format!("{}. ", task.number.0);
    let (line, title) = headline_of(task);
    let mut body = String::new();
    let list = Fields::of(task, title);
    if !list.0.is_empty() {
        body.push_str(list.0.trim_end_matches('\n'));
        body.push('\n');
    }
    if !task.prompt.is_empty() {
        if needs_mark(&task.prompt) {
            let _ = write!(body, "\n{PROMPT_MARK}\n");
        }
        let _ = write!(body, "\n{}\n\n", task.prompt);
    }
    let _ = writeln!(out, "{marker}{line}");
    out.push_str(&indent(&body, marker.len()));
}

/// Returns `true` if the start of a prompt would be parsed as part of the text before it.
fn needs_mark(prompt: &str) -> bool {
    prompt.starts_with(char::is_whitespace)
        || prompt.starts_with(['-', '*', '+'])
        || prompt.starts_with("<!--")
}

/// Renders the line of a task; also returns its title if the line cannot contain it.
fn headline_of(task: &Task) -> (String, Option<&str>) {
    let line = line_with(task, &task.title);
    let read = headline::parse(&line, 0..line.len());
    let tag = read.tag.map_or(default_tag(task), |tag| tag.value);
    let label = read.label.map(|label| label.value);
    let names = read.blocked_by.len();
    let is_faithful = read.title.value == task.title
        && tag == task.tag
        && label == inline_label(task).map(str::to_owned)
        && names == task.depends_on.len();
    match is_faithful {
        true => (line, None),
        false => (line_with(task, &task.tag), Some(&task.title)),
    }
}

fn line_with(task: &Task, title: &str) -> String {
    let mut line = String::new();
    // Only a letter at the start cannot be parsed as a marker.
    if task.tag != default_tag(task) || !title.starts_with(char::is_alphabetic) {
        let _ = write!(line, "[{}] ", task.tag);
    }
    line.push_str(title);
    if let Some(label) = inline_label(task) {
        let _ = write!(line, " — {label}");
    }
    let names: Vec<_> = task.depends_on.iter().map(ToString::to_string).collect();
    if !names.is_empty() {
        let _ = write!(line, " — blocked by {}", names.join(", "));
    }
    line
}

fn default_tag(task: &Task) -> String {
    format!("T{}", task.number.0)
}

fn inline_label(task: &Task) -> Option<&str> {
    task.label
        .as_deref()
        .filter(|label| headline::is_label(label))
}

/// The rendered list of fields.
struct Fields(String);

impl Fields {
    fn of(task: &Task, title: Option<&str>) -> Fields {
        let fields = &task.fields;
        let mut out = Fields(String::new());
        let label = task
            .label
            .as_deref()
            .filter(|_| inline_label(task).is_none());
        out.text("title", title);
        out.text("label", label);
        out.text(
            "worker",
            fields.worker.as_deref().filter(|_| fields.run.is_none()),
        );
        out.text("run", fields.run.as_deref());
        out.variants(fields.variants.as_ref());
        out.text("judge", fields.judge.as_deref());
        out.text("executor", fields.executor.as_deref());
        out.list("files", &fields.files);
        out.text("strategy", fields.strategy.map(strategy));
        out.text(
            "produces",
            (fields.produces == Produces::Info).then_some("info"),
        );
        fields
            .check
            .iter()
            .for_each(|check| out.text("check", Some(check)));
        let duration = |duration: Option<_>| duration.map(render_duration);
        out.text("timeout", duration(fields.timeout).as_deref());
        out.text("stall_timeout", duration(fields.stall_timeout).as_deref());
        let turns = fields.max_turns.map(|turns| turns.to_string());
        out.text("max_turns", turns.as_deref());
        let cost = fields.max_cost.map(|cost| cost.to_string());
        out.text("max_cost", cost.as_deref());
        out.text("retries", fields.retries.map(|n| n.to_string()).as_deref());
        out.list("env", &env_entries(task));
        out.text("output", fields.output.as_deref());
        let priority = (fields.priority != 0).then(|| fields.priority.to_string());
        out.text("priority", priority.as_deref());
        out.text("expected", duration(fields.expected).as_deref());
        out.text("allow_empty", fields.allow_empty.then_some("true"));
        out.text("fresh", fields.fresh.then_some("true"));
        out.text("isolation", fields.isolation.map(isolation));
        out.text("sandbox", fields.sandbox.map(|sandbox| sandbox.name()));
        out.text("source", fields.source.as_deref());
        out
    }

    fn text(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) if is_line(value) => {
                let _ = writeln!(self.0, "- {key}: {value}");
            }
            Some(value) => {
                let _ = writeln!(self.0, "- {key}:\n{}", indent(&fenced(value), 2));
            }
            None => {}
        }
    }

    fn variants(&mut self, variants: Option<&Variants>) {
        match variants {
            Some(Variants::Count(count)) => self.text("variants", Some(&count.to_string())),
            // On the line of its key, a worker whose name is a number would be a count.
            Some(Variants::Workers(workers)) if workers[0].parse::<i64>().is_ok() => {
                self.items("variants", workers);
            }
            Some(Variants::Workers(workers)) => self.list("variants", workers),
            None => {}
        }
    }

    fn list(&mut self, key: &str, values: &[String]) {
        let line = values.join(", ");
        if values.is_empty() || (is_line(&line) && split_commas(&line) == values) {
            return self.text(key, Some(&*line).filter(|_| !values.is_empty()));
        }
        self.items(key, values);
    }

    fn items(&mut self, key: &str, values: &[String]) {
        let _ = writeln!(self.0, "- {key}:");
        for value in values {
            let value = match is_item(value) {
                true => value.clone(),
                false => fenced(value),
            };
            let _ = writeln!(self.0, "  - {}", indent(&value, 4).trim_start());
        }
    }
}

/// Returns `true` if a value fits on the line of its key.
fn is_line(value: &str) -> bool {
    !value.is_empty() && value.trim() == value && !value.contains(['\n', '\r'])
}

/// Returns `true` if a value can be an item of a list.
fn is_item(value: &str) -> bool {
    is_line(value)
        && !value.starts_with("```")
        && !value.starts_with("~~~")
        && !value.trim_start_matches(['-', ' ', '\t']).is_empty()
}

/// Renders a code block with a fence that the value does not contain.
fn fenced(value: &str) -> String {
    let mut longest = 2;
    let mut ticks = 0;
    for c in value.chars() {
        ticks = if c == '`' { ticks + 1 } else { 0 };
        longest = longest.max(ticks);
    }
    let fence = "`".repeat(longest + 1);
    format!("{fence}\n{value}\n{fence}")
}

fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Agent => "agent",
        Strategy::Task => "task",
        Strategy::Auto => "auto",
    }
}

fn isolation(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::Worktree => "worktree",
        Isolation::Clone => "clone",
    }
}
