//! Chooses one of the variants of a task that passed their checks.
//!
//! A variant with a change goes before one without; then the one with the fewest conflicts with the
//! candidates of other tasks; then the one with the fewest changed lines, then files; then the lowest
//! number.

use crate::base::text::plural;
use crate::model::variant_choice::{ChosenBy, ComparedVariant, VariantChoice};

/// Chooses a variant; `None` if none passed.
pub fn choose_variant(compared: Vec<ComparedVariant>) -> Option<VariantChoice> {
    let mut ranked: Vec<&ComparedVariant> = compared.iter().collect();
    ranked.sort_by_key(|variant| rank(variant));
    let (best, next) = (*ranked.first()?, ranked.get(1).copied());
    Some(VariantChoice {
        variant: best.variant,
        attempt: best.attempt,
        by: ChosenBy::Rule,
        reason: reason(best, next),
        compared: compared.clone(),
        judge: None,
    })
}

fn rank(variant: &ComparedVariant) -> (bool, usize, u64, u64, u8) {
    (
        variant.files == 0,
        variant.conflicts.len(),
        variant.lines,
        variant.files,
        variant.variant,
    )
}

/// Names the first difference from the next best variant.
fn reason(best: &ComparedVariant, next: Option<&ComparedVariant>) -> String {
    let Some(next) = next else {
        return "the only one that passed".to_owned();
    };
    let (conflicts, others) = (best.conflicts.len(), next.conflicts.len());
    let number = next.variant;
    if (best.files == 0) != (next.files == 0) {
        format!("variant {number} changes nothing")
    } else if conflicts != others {
        let conflicts = plural(conflicts, "conflict");
        format!("fewest conflicts: {conflicts}, variant {number} has {others}")
    } else if best.lines != next.lines {
        let lines = plural(best.lines as usize, "line");
        format!(
            "smallest change: {lines}, variant {number} has {}",
            next.lines
        )
    } else if best.files != next.files {
        let files = plural(best.files as usize, "file");
        format!(
            "smallest change: {files}, variant {number} has {}",
            next.files
        )
    } else {
        format!("lowest number: variant {number} is equally good")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::TaskNumber;

    /// Chooses among variants given as `conflicts/lines/files`.
    fn chosen(variants: &str) -> String {
        let compared = variants.split_whitespace().zip(1..).map(|(text, variant)| {
            let mut numbers = text
                .split('/')
                .map(|n| n.parse::<u64>().unwrap_or_default());
            let mut next = || numbers.next().unwrap_or_default();
            ComparedVariant {
                variant,
                attempt: u32::from(variant) + 4,
                conflicts: (1..=next()).map(|n| TaskNumber(n as u32)).collect(),
                lines: next(),
                files: next(),
            }
        });
        match choose_variant(compared.collect()) {
            Some(choice) => format!("{}@{}: {}", choice.variant, choice.attempt, choice.reason),
            None => "none".to_owned(),
        }
    }

    #[test]
    fn the_rule_is_conflicts_then_size_then_number() {
        let rows = [
            "",
            "3/90/4",
            "1/5/1 0/500/9 2/1/1",
            "1/50/1 1/40/9 1/60/1",
            "0/7/3 0/7/2 0/8/1",
            "0/7/2 0/7/2 0/7/2",
            "0/0/0 2/90/4 0/0/0",
            "0/0/0 0/0/0",
            // A renamed file has no changed lines.
            "0/0/1 0/0/0",
        ];
        let lines: Vec<String> = rows
            .iter()
            .map(|row| format!("{row:<20} -> {}", chosen(row)))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
                             -> none
        3/90/4               -> 1@5: the only one that passed
        1/5/1 0/500/9 2/1/1  -> 2@6: fewest conflicts: 0 conflicts, variant 1 has 1
        1/50/1 1/40/9 1/60/1 -> 2@6: smallest change: 40 lines, variant 1 has 50
        0/7/3 0/7/2 0/8/1    -> 2@6: smallest change: 2 files, variant 1 has 3
        0/7/2 0/7/2 0/7/2    -> 1@5: lowest number: variant 2 is equally good
        0/0/0 2/90/4 0/0/0   -> 2@6: variant 1 changes nothing
        0/0/0 0/0/0          -> 1@5: lowest number: variant 2 is equally good
        0/0/1 0/0/0          -> 1@5: variant 2 changes nothing
        ");
    }
}
