//! `plan_validate` and `plan_schema`: check a plan, and tell how one is written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Action, Effect, ToolSpec};
use crate::base::text::plural;
use crate::config::variable::Overrides;
use crate::engine::start::plan_file::{read_file, read_prompt};
use crate::mcp::answer::Answer;
use crate::mcp::call::Call;
use crate::mcp::error::ToolError;
use crate::model::plan::{Plan, Task};
use crate::plan::{self, Diagnostic, Format, Parsed, Source, render_counts, render_diagnostics};

/// The most tasks and diagnostics in an answer.
const SHOWN: usize = 50;

/// The name of a plan that comes as text.
const NAMELESS: &str = "plan";

/// The text of a plan, or its file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanInput {
    /// The text of the plan. Give this or `file`.
    #[serde(default)]
    pub(super) plan: Option<String>,
    /// The path of the plan in the repository, from its top folder. Give this or `plan`.
    #[serde(default)]
    pub(super) file: Option<String>,
    /// The format of `plan`; a file has its format in its name.
    #[serde(default)]
    pub(super) format: PlanFormat,
}

/// The format of a plan.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum PlanFormat {
    /// Markdown.
    #[default]
    Markdown,
    /// TOML.
    Toml,
    /// JSON, as `plan_schema` describes it.
    Json,
}

/// A plan that was read, with the folder for the prompts that it names.
pub(super) struct PlanText {
    source: Source,
    folder: PathBuf,
    /// The file, if it is one.
    pub(super) file: Option<PathBuf>,
}

impl PlanInput {
    /// Reads the text.
    ///
    /// # Errors
    /// When neither or both are given, or the file is outside of the repository or cannot be read.
    pub(super) fn read(&self, top: &Path) -> Result<PlanText, ToolError> {
        match (&self.plan, &self.file) {
            (Some(text), None) => Ok(PlanText {
                source: Source {
                    name: NAMELESS.to_owned(),
                    format: match self.format {
                        PlanFormat::Markdown => Format::Markdown,
                        PlanFormat::Toml => Format::Toml,
                        PlanFormat::Json => Format::Json,
                    },
                    text: text.clone(),
                },
                folder: top.to_owned(),
                file: None,
            }),
            (None, Some(file)) => read_plan_file(top, file),
            _ => Err(ToolError::new("exactly one of `plan` and `file` is needed")
                .next("pass the text of the plan as `plan`, or its path as `file`")),
        }
    }
}

fn read_plan_file(top: &Path, file: &str) -> Result<PlanText, ToolError> {
    let failed = |why: String| {
        ToolError::new(format!("could not read the plan: {why}"))
            .at(file)
            .next("pass the path of a file in the repository, or the text as `plan`")
    };
    let format = Format::from_path(Path::new(file));
    let format = format.ok_or_else(|| failed("it is not a .md, .toml or .json file".to_owned()))?;
    let canonical = |path: &Path| {
        path.canonicalize()
            .map_err(|error| failed(error.to_string()))
    };
    let (top, path) = (canonical(top)?, canonical(&top.join(file))?);
    if !path.starts_with(&top) {
        return Err(failed("it is outside of the repository".to_owned()));
    }
    let bytes = read_file(&path).map_err(|problem| failed(problem.sentence()))?;
    let text = String::from_utf8(bytes).map_err(|_| failed("it is not valid UTF-8".to_owned()))?;
    Ok(PlanText {
        source: Source {
            name: file.to_owned(),
            format,
            text,
        },
        folder: path.parent().unwrap_or(&top).to_owned(),
        file: Some(path),
    })
}

impl PlanText {
    /// Parses the plan. `workers` are the names that exist (`None`: not checked).
    pub(super) fn parse(&self, workers: Option<&BTreeSet<String>>) -> Parsed {
        plan::parse(&self.source, workers, &|prompt| {
            read_prompt(&self.folder, prompt)
        })
    }

    /// Parses the plan and expects a valid one.
    ///
    /// # Errors
    /// Every diagnostic, if one of them is an error.
    pub(super) fn parse_valid(&self, workers: &BTreeSet<String>) -> Result<Plan, ToolError> {
        let parsed = self.parse(Some(workers));
        parsed.plan.ok_or_else(|| {
            let shown = self.render(&parsed.diagnostics);
            ToolError::new(format!(
                "the plan is invalid: {}\n\n{shown}",
                render_counts(&parsed.diagnostics)
            ))
            .next("correct the plan and check it with plan_validate")
        })
    }

    fn render(&self, diagnostics: &[Diagnostic]) -> String {
        let shown = &diagnostics[..diagnostics.len().min(SHOWN)];
        render_diagnostics(&self.source, shown)
            .trim_end()
            .to_owned()
    }
}

#[derive(Serialize, JsonSchema)]
struct Validated {
    /// `true` if the plan can be run.
    valid: bool,
    title: Option<String>,
    /// The number of tasks.
    tasks: usize,
    /// The number of tasks that depend on none.
    ready: usize,
    /// The first tasks.
    list: Vec<TaskLine>,
    /// The first diagnostics: errors and warnings.
    diagnostics: Vec<Finding>,
    /// The number of tasks and diagnostics that are not listed.
    more: usize,
    next: String,
}

#[derive(Serialize, JsonSchema)]
struct TaskLine {
    number: u32,
    tag: String,
    title: String,
    depends_on: Vec<u32>,
}

#[derive(Serialize, JsonSchema)]
struct Finding {
    /// `error` or `warning`.
    severity: String,
    /// A stable name in kebab case.
    code: String,
    line: usize,
    column: usize,
    message: String,
    hint: Option<String>,
}

/// Describes `plan_validate`.
pub(super) fn validate_spec() -> ToolSpec {
    ToolSpec::new::<PlanInput, Validated>(
        ("plan_validate", "Check a plan"),
        "Checks a plan and reports every problem with line, column and hint. Runs nothing. A plan in \
         Markdown is a numbered list: `1. [TAG] Title — blocked by #2`, below it fields such as \
         `- files: src/**`, `- check: npm test`, `- worker: claude`, and the prompt.",
        Effect::ReadOnly,
        Action::Read(validate),
    )
}

fn validate(call: &Call) -> Result<Answer, ToolError> {
    let input: PlanInput = call.arguments()?;
    // A plan can be checked outside of a repository, too; any worker is accepted there.
    let repository = call.repository().ok();
    let top = repository.as_ref().map(|found| found.repo.top.clone());
    let top = top.or_else(|| call.folder.clone()).unwrap_or_default();
    let settings = repository
        .as_ref()
        .map(|found| found.settings(&Overrides::default()));
    let workers = settings
        .transpose()?
        .map(|settings| settings.workers.into_keys().collect());
    let text = input.read(&top)?;
    let parsed = text.parse(workers.as_ref());
    let tasks = parsed.plan.as_ref().map_or(&[][..], Plan::tasks);
    let found = &parsed.diagnostics;
    let listed = |count: usize| count.saturating_sub(SHOWN);
    let answer = Validated {
        valid: parsed.plan.is_some(),
        title: parsed.plan.as_ref().map(|plan| plan.title().to_owned()),
        tasks: tasks.len(),
        ready: tasks
            .iter()
            .filter(|task| task.depends_on.is_empty())
            .count(),
        list: tasks.iter().take(SHOWN).map(task_line).collect(),
        diagnostics: found.iter().take(SHOWN).map(finding).collect(),
        more: listed(tasks.len()) + listed(found.len()),
        next: match parsed.plan {
            Some(_) => "run_start with the same plan shows it to the user".to_owned(),
            None => "correct the plan and call plan_validate again".to_owned(),
        },
    };
    let summary = match parsed.plan {
        Some(_) => format!(
            "valid: {}, {} can start at once",
            plural(answer.tasks, "task"),
            answer.ready
        ),
        None => format!("invalid: {}", render_counts(found)),
    };
    let shown = text.render(found);
    let text = [summary, shown, format!("next: {}", answer.next)];
    let text: Vec<&str> = text
        .iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    Ok(Answer::new(&answer, text.join("\n\n")))
}

fn task_line(task: &Task) -> TaskLine {
    TaskLine {
        number: task.number.0,
        tag: task.tag.clone(),
        title: task.title.clone(),
        depends_on: task.depends_on.iter().map(|number| number.0).collect(),
    }
}

fn finding(found: &Diagnostic) -> Finding {
    Finding {
        severity: if found.is_error() { "error" } else { "warning" }.to_owned(),
        code: found.code.name().to_owned(),
        line: found.line,
        column: found.column,
        message: found.message.clone(),
        hint: found.hint.clone(),
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoInput {}

#[derive(Serialize, JsonSchema)]
struct Schema {
    /// The JSON Schema of plans in JSON.
    schema: Value,
    /// An example in Markdown, which holds the same.
    example: String,
}

const EXAMPLE: &str = "\
# Checkout

1. [AUTH] Build the login
   - files: src/auth/**
   - check: npm test -- auth

   The prompt of the task: the worker gets this text and the shared context.
2. [API] Build the endpoints
   - files: src/api/**
3. [DOCS] Describe both — blocked by #1, #2

## Shared Context
- TypeScript, no new dependencies
";

/// Describes `plan_schema`.
pub(super) fn schema_spec() -> ToolSpec {
    ToolSpec::new::<NoInput, Schema>(
        ("plan_schema", "Show the format of plans"),
        "Returns the JSON Schema of plans with the meaning of every field, and an example in Markdown.",
        Effect::ReadOnly,
        Action::Read(schema),
    )
}

fn schema(call: &Call) -> Result<Answer, ToolError> {
    let NoInput {} = call.arguments()?;
    let schema = plan::schema();
    let answer = Schema {
        schema: serde_json::from_str(&schema).unwrap_or_default(),
        example: EXAMPLE.to_owned(),
    };
    Ok(Answer::new(&answer, format!("{EXAMPLE}\n{schema}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_valid_plan() {
        let input = PlanInput {
            plan: Some(EXAMPLE.to_owned()),
            ..PlanInput::default()
        };
        let parsed = input.read(Path::new(".")).unwrap().parse(None);
        assert_eq!(parsed.diagnostics, []);
        assert_eq!(parsed.plan.unwrap().tasks().len(), 3);
    }

    #[test]
    fn a_plan_comes_as_text_or_as_a_file_of_the_repository() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("shop");
        std::fs::create_dir(&top).unwrap();
        std::fs::write(top.join("plan.md"), EXAMPLE).unwrap();
        std::fs::write(folder.path().join("other.md"), EXAMPLE).unwrap();
        let read = |plan: Option<&str>, file: Option<&str>| {
            let input = PlanInput {
                plan: plan.map(str::to_owned),
                file: file.map(str::to_owned),
                format: PlanFormat::Markdown,
            };
            input
                .read(&top)
                .map(|text| text.source.name)
                .map_err(|error| error.what)
        };
        assert_eq!(read(Some("text"), None).unwrap(), "plan");
        assert_eq!(read(None, Some("plan.md")).unwrap(), "plan.md");
        let refused = [
            read(None, None),
            read(Some("a"), Some("plan.md")),
            read(None, Some("../other.md")),
            read(None, Some("plan.yaml")),
        ];
        let refused = refused.map(Result::unwrap_err).join("\n");
        insta::assert_snapshot!(refused, @r"
        exactly one of `plan` and `file` is needed
        exactly one of `plan` and `file` is needed
        could not read the plan: it is outside of the repository
        could not read the plan: it is not a .md, .toml or .json file
        ");
    }
}
