//! Conflicts, and the assembly of the results.

use crate::base::text::plural;
use crate::merge::change::RepoPath;
use crate::model::event::Event;
use crate::model::ids::TaskNumber;
use crate::model::integration::Integration;
use crate::model::plan::Plan;
use crate::model::task_conflict::TaskConflict;
use crate::model::task_list::{and_list, comma_list};
use crate::report::event_sentence::{name, quoted};
use crate::report::words::conflict_sentence;

pub(super) fn of_assembly(plan: &Plan, event: &Event) -> String {
    match event {
        Event::ConflictsFound { conflicts } if conflicts.is_empty() => {
            "the results do not conflict".to_owned()
        }
        Event::ConflictsFound { conflicts } => {
            format!("conflicts: {}", pairs(conflicts))
        }
        Event::SpeculativeConflicts { conflicts, .. } if conflicts.is_empty() => {
            "the unfinished work no longer conflicts".to_owned()
        }
        Event::SpeculativeConflicts {
            conflicts,
            holds_back,
        } => {
            let waits = match holds_back {
                true => "; tasks that declare the same paths wait",
                false => "",
            };
            format!("unfinished work conflicts: {}{waits}", pairs(conflicts))
        }
        Event::AssemblyRequested { order, leave_out } => {
            let first = match order.as_slice() {
                [] => String::new(),
                order => format!(", {} first", comma_list(order)),
            };
            let without = match leave_out.as_slice() {
                [] => String::new(),
                left => format!(", without {}", and_list(left)),
            };
            format!("the user asked for an assembly{first}{without}")
        }
        Event::AssemblyStarting { order } => {
            let names: Vec<String> = order.iter().map(|task| name(plan, *task)).collect();
            match names.as_slice() {
                [] => "the assembly starts without a result".to_owned(),
                names => format!("the assembly starts: {}", names.join(", ")),
            }
        }
        Event::Assembled { integration } => assembled(integration),
        Event::AssemblyRefused { reason } => {
            format!("the assembly was refused: {}", quoted(reason))
        }
        _ => String::new(),
    }
}

/// The most pairs that a sentence names.
const MOST_PAIRS: usize = 5;

fn pairs(conflicts: &[TaskConflict]) -> String {
    let pair = |found: &TaskConflict| {
        let paths: Vec<RepoPath> = found
            .units
            .iter()
            .flat_map(|unit| unit.paths.clone())
            .collect();
        conflict_sentence(&[found.a, found.b], &paths, found.class)
    };
    let mut words: Vec<String> = conflicts.iter().take(MOST_PAIRS).map(pair).collect();
    let more = conflicts.len().saturating_sub(MOST_PAIRS);
    if more > 0 {
        words.push(format!("and {}", plural(more, "more pair")));
    }
    words.join("; ")
}

fn assembled(integration: &Integration) -> String {
    let merged = plural(integration.merged.len(), "result");
    let left_out: Vec<TaskNumber> = integration.left_out.iter().map(|left| left.task).collect();
    let left_out = match left_out.as_slice() {
        [] => String::new(),
        tasks => format!(", left out {}", and_list(tasks)),
    };
    let failed = integration.checks.iter().filter(|check| !check.passed());
    let failed: Vec<String> = failed
        .map(|check| format!(", `{}` {}", quoted(&check.command), check.result.word()))
        .collect();
    let tip = integration
        .tip
        .map_or_else(String::new, |tip| format!(" as {}", tip.short()));
    format!("assembled {merged}{tip}{left_out}{}", failed.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::class::Class;
    use crate::model::fixture::conflict;

    #[test]
    fn of_many_conflicting_pairs_the_first_are_named() {
        let found = |count: u32| (2..2 + count).map(|b| conflict(1, b, Class::Content, &["a"]));
        let six = pairs(&found(6).collect::<Vec<_>>());
        assert_eq!(six.matches("#1 and").count(), MOST_PAIRS);
        assert!(six.ends_with("; and 1 more pair"), "{six}");
        let five = pairs(&found(5).collect::<Vec<_>>());
        assert!(!five.contains("more pair"), "{five}");
    }
}
