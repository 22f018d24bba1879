//! Plans as text: Markdown, TOML and JSON in, a [`Plan`] or diagnostics out, and back.
//!
//! Each format ends in the same draft with the place of everything, and one set of checks turns
//! the draft into a plan, finding everything that is wrong at once. A plan that was accepted can
//! be written in each format and read back without loss; only the file that a prompt came from
//! is forgotten.

use std::collections::BTreeSet;
use std::path::Path;

use crate::model::plan::Plan;

pub mod collector;
pub mod diagnostic;
mod draft;
pub mod edit;
mod fields;
mod json;
mod markdown;
mod normal;
mod other_words;
mod span;
#[cfg(test)]
mod tests;
mod toml;
mod validate;
mod wire;

use crate::plan::collector::{Collector, RawDiagnostic};
pub use diagnostic::{Code, Diagnostic, Severity, render_diagnostics};
use validate::ParseContext;

/// The longest text of a plan, in bytes.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The most tasks a plan may have.
pub const MAX_TASKS: usize = 10_000;

/// How a plan is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// What people and agents write.
    Markdown,
    /// Precise.
    Toml,
    /// What programs write.
    Json,
}

impl Format {
    /// By the extension of a file: `md`, `markdown`, `toml`, `json`, in any case.
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

/// The text of a plan and where it came from.
#[derive(Clone, Debug)]
pub struct Source {
    /// What diagnostics call it, usually the path; its stem is the title of a plan without one.
    pub name: String,
    /// How it is written.
    pub format: Format,
    /// All of it.
    pub text: String,
}

/// What a text gave.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The plan, exactly if no diagnostic is an error.
    pub plan: Option<Plan>,
    /// Everything found, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a plan. `workers` are the names that exist (`None`: not checked); `read_prompt` reads the
/// file of a `prompt_file`, or says in one sentence why it cannot.
pub fn parse(
    source: &Source,
    workers: Option<&BTreeSet<String>>,
    read_prompt: &dyn Fn(&str) -> Result<String, String>,
) -> Parsed {
    let mut findings = Collector::default();
    let surroundings = ParseContext {
        name: &source.name,
        workers,
        read_prompt,
    };
    let plan = parse_text(source, &surroundings, &mut findings);
    Parsed {
        plan: plan.filter(|_| findings.errors() == 0),
        diagnostics: findings.finish(&source.text),
    }
}

fn parse_text(
    source: &Source,
    surroundings: &ParseContext<'_>,
    findings: &mut Collector,
) -> Option<Plan> {
    if source.text.len() > MAX_BYTES {
        let message = "the plan is over 16 MiB";
        findings.add(RawDiagnostic::error(Code::TooLarge, 0..0, message));
        return None;
    }
    let text = without_byte_order_mark(&source.text);
    let draft = match source.format {
        Format::Markdown => Some(markdown::parse(&text, findings)),
        Format::Toml => toml::parse(&text, findings),
        Format::Json => json::parse(&text, findings),
    }?;
    validate::validate(draft, surroundings, findings)
}

/// Some editors begin a file with one; as white space of the same length it moves nothing.
fn without_byte_order_mark(text: &str) -> std::borrow::Cow<'_, str> {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => format!("\n\n\n{rest}").into(),
        None => text.into(),
    }
}

/// Writes a plan; [`parse`] reads the same plan back.
pub fn render(plan: &Plan, format: Format) -> String {
    let wire = wire::WirePlan::of(plan);
    match format {
        Format::Markdown => markdown::render(plan),
        Format::Toml => ::toml::to_string_pretty(&wire).unwrap_or_default(),
        Format::Json => serde_json::to_string_pretty(&wire).unwrap_or_default() + "\n",
    }
}

/// The JSON Schema of the JSON form.
pub fn schema() -> String {
    let schema = schemars::schema_for!(wire::WirePlan);
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}
