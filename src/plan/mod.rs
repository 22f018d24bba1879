//! Parses plans in Markdown, TOML and JSON into a [`Plan`] or diagnostics, and renders them.
//!
//! Each format yields the same draft with positions, and one validation turns the draft into a plan
//! and reports all errors at once. A valid plan can be rendered in each format and parsed back
//! without loss, except for the name of a prompt's file.

use std::collections::BTreeSet;
use std::path::Path;

use crate::model::plan::Plan;

pub mod answer;
pub mod collector;
pub mod declared_files;
pub mod diagnostic;
mod draft;
pub mod edit;
mod fields;
pub mod import;
mod json;
mod markdown;
mod normal;
mod other_words;
pub mod preview;
mod span;
pub mod split;
#[cfg(test)]
mod tests;
mod toml;
mod validate;
mod wire;

use crate::plan::collector::{Collector, RawDiagnostic};
use crate::plan::draft::Draft;
pub use diagnostic::{Code, Diagnostic, Severity, render_counts, render_diagnostics};
use validate::ParseContext;

/// The maximum size of a plan's text, in bytes.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The maximum number of tasks.
pub const MAX_TASKS: usize = 10_000;

/// The format of a plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Markdown, for people and agents.
    Markdown,
    /// TOML, for precision.
    Toml,
    /// JSON, for programs.
    Json,
}

impl Format {
    /// Returns the format for a file extension: `md`, `markdown`, `toml`, `json`, ignoring case.
    pub fn from_path(path: &Path) -> Option<Format> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "md" | "markdown" => Some(Format::Markdown),
            "toml" => Some(Format::Toml),
            "json" => Some(Format::Json),
            _ => None,
        }
    }
}

/// The text of a plan with its name and format.
#[derive(Clone, Debug)]
pub struct Source {
    /// The name in diagnostics, usually the path; its stem is the default title.
    pub name: String,
    /// The format.
    pub format: Format,
    /// The text.
    pub text: String,
}

/// The result of parsing.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The plan; none if any diagnostic is an error.
    pub plan: Option<Plan>,
    /// The diagnostics, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// The number of tasks in the text, valid or not.
    pub tasks: usize,
}

/// Parses a plan.
///
/// `workers` are the known worker names (`None` skips the check); `read_prompt` loads a
/// `prompt_file`
/// or returns the reason why it cannot.
pub fn parse(
    source: &Source,
    workers: Option<&BTreeSet<String>>,
    read_prompt: &dyn Fn(&str) -> Result<String, String>,
) -> Parsed {
    let mut findings = Collector::default();
    let context = ParseContext {
        name: &source.name,
        workers,
        read_prompt,
    };
    let draft = parse_text(source, &mut findings);
    let tasks = draft.as_ref().map_or(0, |draft| draft.tasks.len());
    let plan = draft.and_then(|draft| validate::validate(draft, &context, &mut findings));
    Parsed {
        tasks,
        plan: plan.filter(|_| findings.errors() == 0),
        diagnostics: findings.finish(&source.text),
    }
}

fn parse_text(source: &Source, findings: &mut Collector) -> Option<Draft> {
    if source.text.len() > MAX_BYTES {
        let message = "the plan is larger than 4 MiB";
        let hint =
            "split it into several plans, or move long prompts into files named by `prompt_file`";
        findings.add(RawDiagnostic::error(Code::TooLarge, 0..0, message).hint(hint));
        return None;
    }
    let text = without_byte_order_mark(&source.text);
    match source.format {
        Format::Markdown => Some(markdown::parse(&text, findings)),
        Format::Toml => toml::parse(&text, findings),
        Format::Json => json::parse(&text, findings),
    }
}

/// Replaces a byte order mark by white space of the same length, so that positions stay.
fn without_byte_order_mark(text: &str) -> std::borrow::Cow<'_, str> {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => format!("\n\n\n{rest}").into(),
        None => text.into(),
    }
}

/// Renders a plan; [`parse`] returns the same plan.
pub fn render(plan: &Plan, format: Format) -> String {
    let wire = wire::WirePlan::of(plan);
    match format {
        Format::Markdown => markdown::render(plan),
        Format::Toml => ::toml::to_string_pretty(&wire).unwrap_or_default(),
        Format::Json => serde_json::to_string_pretty(&wire).unwrap_or_default() + "\n",
    }
}

/// Renders the JSON Schema of the JSON format.
pub fn schema() -> String {
    let schema = schemars::schema_for!(wire::WirePlan);
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}

/// Renders the JSON Schema on one line.
pub fn compact_schema() -> String {
    serde_json::to_string(&schemars::schema_for!(wire::WirePlan)).unwrap_or_default()
}

/// Parses a valid plan in Markdown.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) fn valid_plan(text: &str) -> Plan {
    let source = Source {
        name: "plan.md".to_owned(),
        format: Format::Markdown,
        text: text.to_owned(),
    };
    parse(&source, None, &|_| Err(String::new())).plan.unwrap()
}
