//! `run_start`: starts a run in the background after the user has confirmed it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::{PlanFormat, PlanInput, PlanText};
use super::{Action, Effect, ToolSpec};
use crate::base::text::{plural, terminal_safe};
use crate::config::Settings;
use crate::config::builtin::SHELL;
use crate::config::variable::Overrides;
use crate::engine::runs::load::settings_text;
use crate::engine::start::detach::detach;
use crate::engine::start::remarks::remarks;
use crate::engine::start::{Prepared, create, prepare, worker_name};
use crate::engine::trust::require;
use crate::mcp::answer::Answer;
use crate::mcp::call::Call;
use crate::mcp::error::ToolError;
use crate::mcp::excerpt::Excerpt;
use crate::mcp::proposal::{Offer, Proposed, Step};
use crate::mcp::repository::{Repository, find_task};
use crate::model::ids::TaskNumber;
use crate::model::plan::{Plan, Task};
use crate::plan::preview::render_preview;
use crate::plan::{Format, render};
use crate::report::suggest;

/// The most bytes of a plan in an answer.
const PREVIEW: usize = 8000;

/// The most bytes of a plan in a question to the user.
const QUESTION: usize = 3000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The text of the plan. Give this or `file`.
    #[serde(default)]
    plan: Option<String>,
    /// The path of the plan in the repository, from its top folder. Give this or `plan`.
    #[serde(default)]
    file: Option<String>,
    /// The format of `plan`; a file has its format in its name.
    #[serde(default)]
    format: PlanFormat,
    /// The commit every independent task starts from. Default: HEAD.
    #[serde(default)]
    base: Option<String>,
    /// The branch the result is meant for. Default: the current branch.
    #[serde(default)]
    into: Option<String>,
    /// The number of tasks that may run at once.
    #[serde(default)]
    max_parallel: Option<usize>,
    /// Run only these tasks, by number or tag.
    #[serde(default, deserialize_with = "crate::mcp::task_name::list")]
    only: Vec<String>,
    /// The most dollars that the run may cost. Needed unless the configuration sets it, or only shell
    /// commands run. Ask the user for it.
    #[serde(default)]
    max_cost: Option<f64>,
    /// Do not assemble the results at the end.
    #[serde(default)]
    no_assemble: bool,
    /// The token of the answer that the user has confirmed; all other arguments as before.
    #[serde(default)]
    token: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// `false`: nothing has started, and the user has to confirm.
    started: bool,
    /// The run, once it has started.
    run: Option<String>,
    /// The token for the call that starts it, once the user has confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// The plan as the user should see it.
    preview: String,
    /// The number of tasks.
    tasks: usize,
    workers: Vec<String>,
    /// The commit it starts from.
    base: String,
    target: Option<String>,
    max_parallel: usize,
    max_cost: Option<f64>,
    warnings: Vec<String>,
    next: String,
}

/// A run that could start.
struct Ready {
    plan: Plan,
    settings: Settings,
    prepared: Prepared,
    warnings: Vec<String>,
    assemble: bool,
}

/// Describes the tool.
pub(super) fn spec() -> ToolSpec {
    ToolSpec::new::<Input, Output>(
        ("run_start", "Start a run"),
        "Starts a plan in the background and returns at once with the name of the run. The user \
         confirms first: clients that can ask show the plan; otherwise the answer has the plan and a \
         token, and nothing has started. Show the plan to the user, and call again with the same \
         arguments and the token only if they agree. Nothing of the checkout changes.",
        Effect::Adds,
        Action::Propose {
            propose,
            carry_out: start,
        },
    )
}

fn propose(call: &Call) -> Result<Proposed, ToolError> {
    let input: Input = call.arguments()?;
    let here = call.unchanged_repository()?;
    let ready = input.ready(&here)?;
    let output = ready.describe(None);
    let question = format!(
        "Start this run?\n\n{}\n{}",
        cut(&output.preview, QUESTION),
        ready.facts()
    );
    let text = format!("{}\n{}", output.preview, ready.lines());
    Ok(Proposed {
        content: ready.content()?,
        step: match input.token {
            Some(token) => Step::Redeem(token),
            None => Step::Ask(Offer {
                question,
                answer: Answer::new(&output, text),
            }),
        },
    })
}

fn start(call: &Call, confirmed: &str) -> Result<Answer, ToolError> {
    let input: Input = call.arguments()?;
    let here = call.unchanged_repository()?;
    let ready = input.ready(&here)?;
    if ready.content()? != confirmed {
        return Err(ToolError::new(
            "the base or the configuration has changed; nothing was started",
        )
        .next("call run_start again without a token"));
    }
    let started = create(
        &here.repo,
        ready.plan.clone(),
        &ready.settings,
        &ready.prepared,
        ready.assemble,
        here.clock.now(),
        &mut crate::mcp::repository::random(),
    )?;
    let run = started.state.run.clone();
    drop(started.lock);
    call.started.note(&here, &run);
    detach(&here.repo, &run).map_err(|error| {
        ToolError::new(format!("no background process could be started: {error}")).next(format!(
            "nothing is lost; `{}` continues the run",
            suggest::resume(&run)
        ))
    })?;
    let output = ready.describe(Some(run.as_str()));
    let text = format!(
        "{run} has started with {}\nnext: {}",
        ready.facts(),
        output.next
    );
    Ok(Answer::new(&output, text))
}

impl Input {
    /// Checks everything that could prevent the run; nothing is created.
    fn ready(&self, here: &Repository) -> Result<Ready, ToolError> {
        let settings = here.settings(&self.overrides())?;
        here.refuse_depth(&settings)?;
        require(&here.repo, &settings)?;
        let text = self.plan_input().read(&here.repo.top)?;
        let plan = text.parse_valid(&settings.workers.keys().cloned().collect())?;
        let only = self.chosen(&plan)?;
        let prepared = prepare(&here.repo, &plan, &settings, only)?;
        let prepared = match &text.file {
            Some(file) => prepared.from_file(&here.repo, file),
            None => prepared,
        };
        refuse_unlimited(&plan, &settings, &prepared)?;
        let warnings = warnings(here, &text, &plan, &settings, &prepared)?;
        Ok(Ready {
            plan,
            settings,
            prepared,
            warnings,
            assemble: !self.no_assemble,
        })
    }

    fn overrides(&self) -> Overrides {
        Overrides::default()
            .with("base", "run.base", self.base.as_ref())
            .with("into", "run.target", self.into.as_ref())
            .with("max_parallel", "run.max_parallel", self.max_parallel)
            .with("max_cost", "run.max_cost", self.max_cost)
    }

    fn plan_input(&self) -> PlanInput {
        PlanInput {
            plan: self.plan.clone(),
            file: self.file.clone(),
            format: self.format,
        }
    }

    fn chosen(&self, plan: &Plan) -> Result<Option<Vec<TaskNumber>>, ToolError> {
        if self.only.is_empty() {
            return Ok(None);
        }
        let numbers = self.only.iter().map(|name| find_task(plan, name));
        let numbers: Result<BTreeSet<TaskNumber>, ToolError> = numbers.collect();
        Ok(Some(numbers?.into_iter().collect()))
    }
}

/// Refuses a run of agents without a limit of its cost.
fn refuse_unlimited(
    plan: &Plan,
    settings: &Settings,
    prepared: &Prepared,
) -> Result<(), ToolError> {
    if settings.run.max_cost.is_some() {
        return Ok(());
    }
    let workers = workers(plan, settings, prepared).into_iter();
    let paid: Vec<&str> = workers.filter(|worker| *worker != SHELL).collect();
    match paid.is_empty() {
        true => Ok(()),
        false => Err(ToolError::new(format!(
            "the run has no cost limit, and its workers may cost money: {}",
            paid.join(", ")
        ))
        .next("ask the user for a limit in dollars and pass it as `max_cost`")
        .next("or set `max_cost` under `[run]` in .dispatch.toml")),
    }
}

fn chosen_tasks<'a>(plan: &'a Plan, prepared: &Prepared) -> Vec<&'a Task> {
    let only = prepared.only.as_ref();
    let tasks = plan.tasks().iter();
    tasks
        .filter(|task| only.is_none_or(|only| only.contains(&task.number)))
        .collect()
}

/// Lists the workers of the chosen tasks, each once.
fn workers<'a>(plan: &'a Plan, settings: &'a Settings, prepared: &Prepared) -> BTreeSet<&'a str> {
    let tasks = chosen_tasks(plan, prepared).into_iter();
    tasks.map(|task| worker_name(task, settings)).collect()
}

fn warnings(
    here: &Repository,
    text: &PlanText,
    plan: &Plan,
    settings: &Settings,
    prepared: &Prepared,
) -> Result<Vec<String>, ToolError> {
    let of_plan = text.parse(None).diagnostics.into_iter();
    let of_plan = of_plan.map(|found| format!("line {}: {}", found.line, found.message));
    let others = remarks(&here.repo, plan, settings, prepared)?;
    Ok(of_plan.chain(others).collect())
}

impl Ready {
    /// Returns everything that a confirmation is bound to.
    fn content(&self) -> Result<String, ToolError> {
        let plan = render(&self.plan, Format::Json);
        let (settings, prepared) = (settings_text(&self.settings)?, &self.prepared);
        let (base, target, only) = (prepared.base, &prepared.target, &prepared.only);
        let assemble = self.assemble;
        Ok(format!(
            "{plan}\n{settings}\n{base} {target:?} {only:?} {assemble}"
        ))
    }

    fn describe(&self, run: Option<&str>) -> Output {
        let workers = workers(&self.plan, &self.settings, &self.prepared);
        Output {
            started: run.is_some(),
            run: run.map(str::to_owned),
            token: None,
            preview: match run {
                Some(_) => String::new(),
                None => cut(&self.preview(), PREVIEW),
            },
            tasks: chosen_tasks(&self.plan, &self.prepared).len(),
            workers: workers.into_iter().map(str::to_owned).collect(),
            base: self.prepared.base.to_string(),
            target: self.prepared.target.clone(),
            max_parallel: self.settings.run.max_parallel,
            max_cost: self.settings.run.max_cost,
            warnings: self.warnings.clone(),
            next: match run {
                Some(_) => "call run_wait until it has ended".to_owned(),
                None => "show the preview to the user, who has to confirm it".to_owned(),
            },
        }
    }

    /// Renders the plan, and what the settings of the repository run.
    fn preview(&self) -> String {
        let plan = render_preview(&self.plan);
        match &self.settings.brought {
            Some(brought) => format!("{plan}\n.dispatch.toml\n{}", brought.render()),
            None => plan,
        }
    }

    /// Renders one line about the run.
    fn facts(&self) -> String {
        let tasks = chosen_tasks(&self.plan, &self.prepared);
        let workers = workers(&self.plan, &self.settings, &self.prepared);
        let workers: Vec<&str> = workers.into_iter().collect();
        let cost = match self.settings.run.max_cost {
            Some(most) => format!("at most ${most:.2}"),
            None => "no cost limit".to_owned(),
        };
        format!(
            "{} · up to {} at once · {} · {cost} · base {} ({}) · target {}",
            plural(tasks.len(), "task"),
            self.settings.run.max_parallel,
            workers.join(", "),
            self.prepared.base.short(),
            self.prepared.base_name,
            self.prepared.target.as_deref().unwrap_or("none"),
        )
    }

    fn lines(&self) -> String {
        let warnings = self
            .warnings
            .iter()
            .map(|warning| format!("\nwarning: {warning}"));
        format!("{}{}", self.facts(), warnings.collect::<String>())
    }
}

/// Cuts a text to its beginning, and says so.
fn cut(text: &str, limit: usize) -> String {
    let part = Excerpt::head(text.as_bytes(), None, limit);
    let left = part.total - part.to;
    let text = terminal_safe(&part.text);
    match left {
        0 => text,
        _ => format!("{}\n… {left} more bytes\n", text.trim_end()),
    }
}
