//! Everything that a run knows about one task: `dispatch show` and the page of a task.

use std::time::Duration;

use crate::base::clock::render_elapsed;
use crate::base::safe::secrets::Secrets;
use crate::merge::oid::Oid;
use crate::model::attempt::Attempt;
use crate::model::ids::{AttemptNumber, TaskNumber, VariantNumber};
use crate::model::outcome::{End, Outcome};
use crate::model::run::RunState;
use crate::model::task_change::{Placement, TaskChange};
use crate::model::task_state::TaskState;
use crate::model::user_message::UserMessage;
use crate::report::board::text::left_out_reason;
use crate::report::variants::VariantTable;
use crate::report::words::{resolved, second};

/// A name with a value that is not empty. Values are raw.
pub type Fact = (&'static str, String);

/// Everything about one task. Texts are raw; each renderer escapes for its format.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskView {
    /// The number.
    pub number: TaskNumber,
    /// The tag.
    pub tag: String,
    /// The title.
    pub title: String,
    /// Its status, its place in the assembly, its change and more.
    pub facts: Vec<Fact>,
    /// The tasks whose results it started from.
    pub built_on: Vec<TaskNumber>,
    /// The variants, if it has any.
    pub variants: Option<VariantTable>,
    /// The prompt; none for a task that runs a command.
    pub prompt: Option<String>,
    /// The messages of the user, each with its place.
    pub messages: Vec<(String, String)>,
    /// The attempts.
    pub attempts: Vec<AttemptView>,
}

/// One attempt.
#[derive(Clone, PartialEq, Debug)]
pub struct AttemptView {
    /// The number.
    pub number: AttemptNumber,
    /// The variant it belongs to.
    pub variant: Option<VariantNumber>,
    /// The worker profile.
    pub worker: String,
    /// Its place and its outcome.
    pub facts: Vec<Fact>,
}

impl TaskView {
    /// Builds the view of a task, with secrets masked in every text. `shell` is the name of the worker that
    /// runs commands, which has no cost.
    pub fn new(state: &RunState, number: TaskNumber, shell: &str, secrets: &Secrets) -> TaskView {
        TaskView::of(state, number, shell).masked(secrets)
    }

    fn of(state: &RunState, number: TaskNumber, shell: &str) -> TaskView {
        let (task, now) = (state.plan.task(number), state.task(number));
        let variants = VariantTable::of(state, number);
        let messages = now.messages.iter();
        let attempts = now.attempts.iter();
        TaskView {
            number,
            tag: task.tag.clone(),
            title: task.title.clone(),
            facts: facts(state, number, variants.as_ref()),
            built_on: state.built_on(number),
            variants,
            prompt: task.fields.run.is_none().then(|| task.text().to_owned()),
            messages: messages
                .map(|message| (message_place(now, message), message.text.clone()))
                .collect(),
            attempts: attempts
                .map(|attempt| AttemptView::new(attempt, shell))
                .collect(),
        }
    }
}

impl TaskView {
    fn masked(mut self, secrets: &Secrets) -> TaskView {
        let attempts = self.attempts.iter_mut();
        let facts = self.facts.iter_mut();
        let facts = facts.chain(attempts.flat_map(|attempt| &mut attempt.facts));
        let mut texts = vec![&mut self.tag, &mut self.title];
        texts.extend(facts.map(|(_, value)| value));
        texts.extend(&mut self.prompt);
        texts.extend(self.messages.iter_mut().map(|(_, text)| text));
        if let Some(table) = &mut self.variants {
            texts.extend(&mut table.reason);
            let variants = table.variants.iter_mut();
            texts.extend(variants.filter_map(|variant| variant.failure.as_mut()));
        }
        for text in texts {
            *text = secrets.mask(text);
        }
        self
    }
}

fn facts(state: &RunState, number: TaskNumber, variants: Option<&VariantTable>) -> Vec<Fact> {
    let task = state.plan.task(number);
    let depends_on: Vec<String> = task.depends_on.iter().map(ToString::to_string).collect();
    let mut facts = vec![
        ("run", state.run.to_string()),
        ("status", state.status(number).to_string()),
        ("assembly", place(state, number)),
    ];
    let resolved = resolved(state, number).into_iter();
    facts.extend(resolved.map(|resolution| ("resolved", resolution)));
    facts.extend([
        ("change", change(state, number)),
        ("depends on", depends_on.join(", ")),
        ("command", task.fields.run.clone().unwrap_or_default()),
        ("checks", task.fields.check.join("; ")),
        (
            "variants",
            variants.map(VariantTable::summary).unwrap_or_default(),
        ),
    ]);
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

impl AttemptView {
    fn new(attempt: &Attempt, shell: &str) -> AttemptView {
        let mut facts = vec![
            ("started", second(attempt.started)),
            ("worktree", attempt.worktree.clone()),
            ("branch", attempt.branch.clone()),
            ("base", short(attempt.base)),
        ];
        if let Some(outcome) = &attempt.outcome {
            facts.extend(describe(outcome, attempt.worker == shell));
        }
        facts.retain(|(_, value)| !value.is_empty());
        AttemptView {
            number: attempt.number,
            variant: attempt.variant,
            worker: attempt.worker.clone(),
            facts,
        }
    }
}

/// Returns the attempt that a message went to, or goes to.
fn message_place(task: &TaskState, message: &UserMessage) -> String {
    let mut live = task.live_attempts();
    let waits = live.find(|live| message.waits_for.contains(&live.number));
    match (message.delivered_to, waits) {
        (Some(attempt), _) => format!("delivered to attempt {attempt}"),
        (None, Some(live)) => format!("for the end of attempt {}", live.number),
        (None, None) => "for the next attempt".to_owned(),
    }
}

/// `merged as 728c414`, `left out: content conflict with #1 in src/app.ts`.
fn place(state: &RunState, number: TaskNumber) -> String {
    let place = match state.placement(number) {
        Placement::Merged(merged) => format!("merged as {}", merged.commit.short()),
        Placement::LeftOut(out) => format!("left out: {}", left_out_reason(out)),
        Placement::NotAssembled => String::new(),
    };
    match state.is_conflict_open(number) {
        true => format!("{place}; its conflict is open in a worktree"),
        false => place,
    }
}

/// `1 file, +1 −1 (fcc604c..c34fb82)`.
fn change(state: &RunState, number: TaskNumber) -> String {
    let (stat, change) = (state.task_stat(number), state.task_change(number));
    let between = |change: TaskChange| format!("{}..{}", change.from.short(), change.to.short());
    match (stat, change) {
        (Some(stat), Some(change)) => format!("{stat} ({})", between(change)),
        (None, Some(change)) => format!("kept, not offered ({})", between(change)),
        _ => String::new(),
    }
}

fn describe(outcome: &Outcome, is_shell: bool) -> Vec<Fact> {
    let mut lines = vec![(
        "took",
        render_elapsed(Duration::from_millis(outcome.millis)),
    )];
    match &outcome.end {
        End::Passed {
            candidate,
            stat,
            info,
        } => {
            lines.push(("ended", "passed".to_owned()));
            lines.push(("candidate", short(*candidate)));
            if candidate.is_some() {
                lines.push(("change", stat.to_string()));
            }
            let info = info.as_deref().unwrap_or_default();
            lines.push(("report", info.trim_end().to_owned()));
        }
        End::Failed(failure) => {
            lines.push(("ended", format!("failed: {}", failure.message)));
            lines.push((
                "class",
                format!("{} ({})", failure.class.word(), failure.evidence),
            ));
            lines.push(("reset", failure.reset_at.map(second).unwrap_or_default()));
            lines.push(("cause", failure.root_cause.clone().unwrap_or_default()));
            lines.push(("kept", short(outcome.kept)));
        }
        End::Interrupted {} => lines.push(("ended", "interrupted; it does not count".to_owned())),
    }
    lines.push((
        "summary",
        outcome.report.summary.clone().unwrap_or_default(),
    ));
    if let Some(usage) = outcome.usage {
        lines.push(("used", usage.to_string()));
    }
    if !is_shell {
        lines.push(("cost", outcome.cost.to_string()));
    }
    lines.push(("session", outcome.session.clone().unwrap_or_default()));
    for check in &outcome.checks {
        let took = render_elapsed(Duration::from_millis(check.millis));
        lines.push((
            "check",
            format!("{} {} ({took})", check.result.word(), check.command),
        ));
    }
    for change in &outcome.outside_changes {
        lines.push(("outside", format!("{} changed meanwhile", change.name)));
    }
    for left in &outcome.killed_processes {
        lines.push(("killed", format!("{left} outlived the worker")));
    }
    for remark in &outcome.warnings {
        lines.push(("remark", remark.clone()));
    }
    lines
}

fn short(commit: Option<Oid>) -> String {
    commit.map(|commit| commit.short()).unwrap_or_default()
}
