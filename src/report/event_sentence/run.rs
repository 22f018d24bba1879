//! Events of the run as a whole.

use crate::base::text::plural;
use crate::model::event::Event;
use crate::model::plan::Plan;
use crate::model::recovery::{Finding, FindingKind};
use crate::report::event_sentence::{name, quoted};

pub(super) fn of_run(plan: &Plan, event: &Event) -> String {
    match event {
        Event::RunStarted {
            title,
            base,
            base_name,
            target,
            only,
            ..
        } => {
            let count = only.as_ref().map_or(plan.tasks().len(), Vec::len);
            let target = target.as_ref().filter(|target| *target != base_name);
            let target = target.map_or_else(String::new, |target| format!(", for {target}"));
            format!(
                "the run started: {}, {} from {} ({base_name}){target}",
                quoted(title),
                plural(count, "task"),
                base.short()
            )
        }
        Event::RunResumed { findings } => format!("the run was resumed{}", found(plan, findings)),
        Event::PlanEdited { edits } => format!("the plan was edited{}", found(plan, edits)),
        Event::StopRequested {} => "the user stopped the run".to_owned(),
        Event::Paused {} => "the user paused the run".to_owned(),
        Event::Unpaused {} => "the user continued the run".to_owned(),
        Event::MaxCostSet { max_cost } => {
            format!("the user set the cost limit to ${max_cost:.2}")
        }
        Event::RunEnded { exit: 0 } => "the run ended: all tasks passed".to_owned(),
        Event::RunEnded { exit: 3 } => "the run ended: a task did not pass".to_owned(),
        Event::RunEnded { exit: 4 } => "the run ended and needs attention".to_owned(),
        Event::RunEnded { exit } => format!("the run ended with exit code {exit}"),
        _ => String::new(),
    }
}

/// Renders what a resume or an edited plan changed; what stays as it was is left out.
fn found(plan: &Plan, findings: &[Finding]) -> String {
    let is_news = |finding: &&Finding| {
        use FindingKind::{Done, Failed, GivenUp, RetryDue, Same, Waiting};
        ![Done, Failed, GivenUp, RetryDue, Same, Waiting].contains(&finding.kind)
    };
    let of = |finding: &Finding| {
        let (what, action) = finding.kind.description();
        match finding.task {
            Some(task) => format!("{} {what}, {action}", name(plan, task)),
            None => format!("{what}, {action}"),
        }
    };
    let news: Vec<String> = findings.iter().filter(is_news).map(of).collect();
    match news.as_slice() {
        [] => String::new(),
        news => format!(": {}", news.join("; ")),
    }
}
