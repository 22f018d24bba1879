//! Lists settings and limits that no worker of a plan can keep.
//!
//! Silence would make a user rely on them; a run that has one of them prints a warning.

use std::collections::BTreeSet;

use crate::config::Settings;
use crate::config::builtin::{self, SHELL};
use crate::engine::spec::limits::Bounds;
use crate::engine::start::worker_names;
use crate::model::plan::Plan;
use crate::model::worker::{Dialect, Worker};
use crate::worker::command::{MAX_COST, MAX_TURNS, MODEL, PERMISSION_MODE};

/// Renders one message for each of them.
pub fn remarks(plan: &Plan, settings: &Settings) -> Vec<String> {
    let mut remarks = Vec::from_iter(unkept(plan, settings));
    remarks.extend(uncounted(plan, settings));
    remarks
}

/// A string setting of a worker.
type StringSetting = fn(&Worker) -> &Option<String>;

/// Lists settings and limits of workers that cannot be applied: the command has no placeholder for
/// them, and the output does not show the consumption in time.
fn unkept(plan: &Plan, settings: &Settings) -> BTreeSet<String> {
    let known = builtin::workers();
    let mut remarks = BTreeSet::new();
    let tasks = plan.tasks().iter();
    let workers = tasks.flat_map(|task| {
        let names = worker_names(task, settings).into_iter();
        names.map(move |name| (task, name))
    });
    for (task, name) in workers {
        let Some(worker) = settings.workers.get(name) else {
            continue;
        };
        let bounds = Bounds::of(worker, task);
        let is_told = |place: &str| worker.command.iter().any(|arg| arg.contains(place));
        let has_turns = worker.dialect != Dialect::Text;
        let has_money = matches!(worker.dialect, Dialect::Opencode | Dialect::Aider);
        let limits = [
            (
                "max_turns",
                MAX_TURNS,
                bounds.max_turns.is_some(),
                has_turns,
            ),
            ("max_cost", MAX_COST, bounds.max_cost.is_some(), has_money),
        ];
        let words: [(_, _, StringSetting); 2] = [
            ("model", MODEL, |worker| &worker.model),
            ("permission_mode", PERMISSION_MODE, |worker| {
                &worker.permission_mode
            }),
        ];
        let is_answered = worker.dialect == Dialect::Acp;
        for (name, place, of) in words {
            if name == "permission_mode" && is_answered {
                continue;
            }
            // Built-in values were not chosen by the user.
            let usual = known.get(&worker.name).map(of);
            if of(worker).is_some() && usual != Some(of(worker)) && !is_told(place) {
                let worker = &worker.name;
                remarks.insert(format!(
                    "{name} of the worker {worker} is ignored: its command has no {place}"
                ));
            }
        }
        for (name, place, is_set, is_shown) in limits {
            if is_set && !is_shown && !is_told(place) {
                let worker = &worker.name;
                remarks.insert(format!(
                    "{name} of the worker {worker} is not enforced: its command has no {place}, and its \
                     output does not report it in time"
                ));
            }
        }
    }
    remarks
}

/// Says which workers the cost limit of the run does not count, because their output has no cost.
fn uncounted(plan: &Plan, settings: &Settings) -> Option<String> {
    settings.run.max_cost?;
    let names = plan
        .tasks()
        .iter()
        .flat_map(|task| worker_names(task, settings));
    let is_silent = |name: &&str| {
        let worker = settings.workers.get(*name);
        // A command of the plan costs nothing.
        *name != SHELL && worker.is_some_and(|worker| !reports_cost(worker.dialect))
    };
    let silent: BTreeSet<&str> = names.filter(is_silent).collect();
    let (noun, names) = match silent.len() {
        0 => return None,
        1 => ("worker", silent.into_iter().collect::<String>()),
        _ => ("workers", Vec::from_iter(silent).join(", ")),
    };
    Some(format!(
        "max_cost of the run is not enforced for the {noun} {names}: the output reports no cost"
    ))
}

fn reports_cost(dialect: Dialect) -> bool {
    matches!(
        dialect,
        Dialect::Claude | Dialect::Acp | Dialect::Opencode | Dialect::Aider
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use crate::config::{Sources, resolve};
    use crate::model::fixture::RunFixture;

    use super::*;
    use crate::model::plan::Task;

    fn said(plan: RunFixture, file: &str) -> String {
        let sources = Sources {
            repo_file: Some((".dispatch.toml".into(), file.to_owned())),
            ..Sources::default()
        };
        remarks(&plan.state().plan, &resolve(&sources).unwrap()).join("\n")
    }

    #[test]
    fn a_run_says_what_it_will_not_do() {
        assert_eq!(said(RunFixture::new("a"), "[run]\nmax_parallel = 5\n"), "");
    }

    #[test]
    fn a_limit_that_nobody_can_keep_is_said() {
        let plan = || {
            let worker = |name: &'static str| {
                move |task: &mut Task| task.fields.worker = Some(name.to_owned())
            };
            RunFixture::new("a · b · c")
                .with_task(1, worker("claude"))
                .with_task(2, worker("codex"))
                .with_task(3, worker("mine"))
        };
        let file = "[workers.claude]\nmax_turns = 5\nmax_cost = 1\n\
                    [workers.codex]\nmax_turns = 5\nmax_cost = 1.5\n\
                    [workers.mine]\ncommand = [\"mine\"]\nmax_turns = 5\nmodel = \"m\"\n";
        insta::assert_snapshot!(said(plan(), file), @r"
        max_cost of the worker codex is not enforced: its command has no {max_cost}, and its output does not report it in time
        max_turns of the worker mine is not enforced: its command has no {max_turns}, and its output does not report it in time
        model of the worker mine is ignored: its command has no {model}
        ");
    }

    #[test]
    fn a_limit_of_the_run_says_which_workers_report_no_cost() {
        let plan = || {
            let worker = |name: &'static str| {
                move |task: &mut Task| task.fields.worker = Some(name.to_owned())
            };
            RunFixture::new("a · b")
                .with_task(1, worker("claude"))
                .with_task(2, worker("codex"))
        };
        let limit = "[run]\nmax_cost = 2\n";
        insta::assert_snapshot!(said(plan(), limit), @"max_cost of the run is not enforced for the worker codex: the output reports no cost");
        assert_eq!(said(plan(), ""), "");
        assert_eq!(said(RunFixture::new("a"), limit), "");
        let file = format!("{limit}[workers.mine]\ncommand = [\"mine\"]\n");
        let mine = plan().with_task(1, |task| task.fields.worker = Some("mine".to_owned()));
        assert!(said(mine, &file).contains("for the workers codex, mine:"));
    }
}
