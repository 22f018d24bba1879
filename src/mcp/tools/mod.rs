//! The tools: one file each, and the table of all.

mod assemble;
mod conflicts;
mod history;
mod land;
mod plan;
mod run_report;
mod run_start;
mod status;
mod task_cancel;
mod task_diff;
mod task_log;
mod task_retry;
mod wait;

use std::sync::{Arc, LazyLock};

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde_json::json;

use crate::mcp::answer::Answer;
use crate::mcp::call::Call;
use crate::mcp::error::ToolError;
use crate::mcp::folder::REPOSITORY;
use crate::mcp::proposal::Proposed;
use crate::mcp::schema::{simple_input, without_formats};

/// A function that runs a call.
type Run = fn(&Call) -> Result<Answer, ToolError>;

/// One tool.
pub(super) struct ToolSpec {
    /// Its name.
    pub(super) name: &'static str,
    /// The function behind it.
    pub(super) action: Action,
    tool: Tool,
}

/// The function behind a tool, by its effect.
#[derive(Clone, Copy)]
pub(super) enum Action {
    /// Changes nothing.
    Read(Run),
    /// Changes nothing and waits; a task for a client that declares tasks.
    Wait(Run),
    /// Changes something.
    Change(Run),
    /// Changes something after the user has confirmed it.
    Propose {
        /// Checks the call and describes what it would do; changes nothing.
        propose: fn(&Call) -> Result<Proposed, ToolError>,
        /// Carries out the confirmed proposal; refuses one that has changed.
        carry_out: fn(&Call, &str) -> Result<Answer, ToolError>,
    },
}

/// The effect of a tool, as its annotations state it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    ReadOnly,
    /// Starts workers, which may use the network; a second call starts them again.
    Adds,
    /// Replaces something that can be rebuilt; a second call changes nothing more.
    Replaces,
    /// Ends or moves something of the user's.
    Destroys,
}

impl ToolSpec {
    fn new<Input: JsonSchema + 'static, Output: JsonSchema + 'static>(
        (name, title): (&'static str, &str),
        about: &'static str,
        effect: Effect,
        action: Action,
    ) -> ToolSpec {
        let mut tool = Tool::new(name, about, JsonObject::new())
            .with_title(title)
            .with_input_schema::<Input>()
            .with_output_schema::<Output>()
            .with_annotations(annotations(title, effect));
        let mut input = simple_input(&tool.input_schema);
        add_repository(&mut input);
        tool.input_schema = Arc::new(input);
        let output = tool.output_schema.as_deref().map(without_formats);
        tool.output_schema = output.map(Arc::new);
        ToolSpec { name, action, tool }
    }

    /// Describes the tool for the protocol.
    pub(super) fn describe(&self) -> Tool {
        self.tool.clone()
    }
}

/// Adds the argument that every tool takes.
fn add_repository(input: &mut JsonObject) {
    let properties = input.entry("properties").or_insert_with(|| json!({}));
    properties[REPOSITORY] = json!({
        "type": "string",
        "description": "The absolute path of the repository. Needed only if an answer asks for it.",
    });
}

fn annotations(title: &str, effect: Effect) -> ToolAnnotations {
    ToolAnnotations::with_title(title)
        .read_only(effect == Effect::ReadOnly)
        .destructive(effect == Effect::Destroys)
        .idempotent(matches!(effect, Effect::ReadOnly | Effect::Replaces))
        .open_world(effect == Effect::Adds)
}

static TOOLS: LazyLock<Vec<ToolSpec>> = LazyLock::new(|| {
    vec![
        plan::validate_spec(),
        plan::schema_spec(),
        run_start::spec(),
        status::spec(),
        wait::spec(),
        task_log::spec(),
        task_diff::spec(),
        task_retry::spec(),
        task_cancel::spec(),
        run_report::spec(),
        conflicts::spec(),
        assemble::spec(),
        land::spec(),
        history::spec(),
    ]
});

/// Returns all tools, in the order in which a run needs them.
pub(super) fn all() -> &'static [ToolSpec] {
    &TOOLS
}

/// Finds the tool of this name.
pub(super) fn find(name: &str) -> Option<&'static ToolSpec> {
    all().iter().find(|tool| tool.name == name)
}

/// Lists the names of all tools.
pub fn names() -> Vec<&'static str> {
    all().iter().map(|tool| tool.name).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_has_schemas_of_objects_and_annotations() {
        for spec in all() {
            let tool = spec.describe();
            for schema in [Some(&tool.input_schema), tool.output_schema.as_ref()] {
                assert_eq!(schema.unwrap()["type"], "object", "{}", spec.name);
            }
            let text = format!("{:?}{:?}", tool.input_schema, tool.output_schema);
            assert!(!text.contains("uint"), "{}: {text}", spec.name);
            let input = format!("{:?}", tool.input_schema);
            let odd = ["$ref", "oneOf", "anyOf", "null"].map(|word| input.contains(word));
            assert_eq!(odd, [false; 4], "{}: {input}", spec.name);
            assert_eq!(
                tool.input_schema["properties"][REPOSITORY]["type"],
                "string"
            );
            assert!(tool.annotations.is_some() && tool.title.is_some());
            let about = tool.description.unwrap();
            assert!(about.len() < 700, "{} says too much", spec.name);
        }
    }

    #[test]
    fn annotations_tell_what_a_tool_changes() {
        let line = |spec: &ToolSpec| {
            let hints = spec.describe().annotations.unwrap();
            let word = |is: Option<bool>, word: &'static str| is.unwrap().then_some(word);
            let words = [
                word(hints.read_only_hint, "reads"),
                word(hints.destructive_hint, "destroys"),
                word(hints.idempotent_hint, "idempotent"),
            ];
            let words: Vec<_> = words.into_iter().flatten().collect();
            format!("{}: {}", spec.name, words.join(", "))
        };
        let lines: Vec<String> = all().iter().map(line).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        plan_validate: reads, idempotent
        plan_schema: reads, idempotent
        run_start: 
        run_status: reads, idempotent
        run_wait: reads, idempotent
        task_log: reads, idempotent
        task_diff: reads, idempotent
        task_retry: 
        task_cancel: destroys
        run_report: reads, idempotent
        conflicts: reads, idempotent
        assemble: idempotent
        land: destroys
        history: reads, idempotent
        ");
    }
}
