//! Renders the completion report as Markdown, for output and for `DISPATCH.md`.

use std::fmt::{self, Write};
use std::time::Duration;

use crate::base::clock::render_elapsed;
use crate::base::markdown::{markdown_block, markdown_code, markdown_prose, plain_line};
use crate::base::text::plural;
use crate::merge::change::RepoPath;
use crate::model::ids::TaskNumber;
use crate::model::integration::{CheckOutcome, CheckResult, Culprit, LeftOut, LeftOutReason};
use crate::model::resolution::Resolution;
use crate::model::task_list::{and_list, comma_list, together_with};
use crate::report::completion::next_steps::write_steps;
use crate::report::completion::{Completion, InfoReport, Overlap, Remark, Work, is_by_user};
use crate::report::suggest;
use crate::report::words::check_words;

impl Completion {
    /// Renders the report as Markdown, from its heading to its last step.
    pub fn render_markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_markdown(&mut text);
        text
    }

    /// Renders the report without dispatch commands, for readers who do not have dispatch.
    pub(crate) fn render_for_readers(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_results(&mut text);
        text
    }

    fn write_results(&self, to: &mut String) -> fmt::Result {
        writeln!(to, "## Dispatch Complete\n\n{}", self.headline())?;
        if let Some(trouble) = self.trouble() {
            writeln!(to, "\n{trouble}")?;
        }
        if let Some(bill) = &self.bill {
            writeln!(to, "\nCost: {bill}")?;
        }
        if !self.warm.is_empty() {
            writeln!(to, "\nIn a warm worktree: {}", and_list(&self.warm))?;
        }
        write_list(to, "What was done", self.done.iter().map(work))?;
        let decisions = self.decisions.iter().map(remark);
        write_list(to, "Decisions made (review recommended)", decisions)?;
        write_issues(to, &self.issues)?;
        self.write_conflicts(to)?;
        self.write_checks(to)?;
        self.write_reports(to)
    }

    /// Writes the part that is also in the report of a run with failures.
    pub(crate) fn write_assembly(&self, to: &mut String) -> fmt::Result {
        self.write_conflicts(to)?;
        self.write_checks(to)?;
        write_steps(to, &self.next)
    }

    fn write_conflicts(&self, to: &mut String) -> fmt::Result {
        let overlaps = self.overlaps.iter().map(overlap);
        let resolved = self.resolved.iter().map(|resolved| self.resolved(resolved));
        let further = self.left_out.iter().filter(|out| !self.is_told(out));
        let left_out = further.map(left_out);
        write_list(to, "Conflicts", overlaps.chain(resolved).chain(left_out))
    }

    /// Returns `true` if the lines of the overlaps tell why this task is left out.
    fn is_told(&self, out: &LeftOut) -> bool {
        let LeftOutReason::Conflict {
            with,
            failed_strategies,
            ..
        } = &out.reason
        else {
            return false;
        };
        let is_listed = |other: &TaskNumber| {
            self.overlaps.iter().any(|overlap| {
                let pair = [overlap.a, overlap.b];
                overlap.class.is_conflict() && pair.contains(&out.task) && pair.contains(other)
            })
        };
        !with.is_empty() && failed_strategies.is_empty() && with.iter().all(is_listed)
    }

    fn write_markdown(&self, to: &mut String) -> fmt::Result {
        self.write_results(to)?;
        write_steps(to, &self.next)
    }

    pub(crate) fn headline(&self) -> String {
        let (done, skipped) = (self.done.len(), &self.skipped);
        if done == self.total {
            return match done {
                1 => "The task finished successfully.".to_owned(),
                _ => format!("All {done} tasks finished successfully."),
            };
        }
        let noun = if self.total == 1 { "task" } else { "tasks" };
        let finished = format!("{done} of {} {noun} finished successfully", self.total);
        match skipped.len() {
            0 => format!("{finished}."),
            1 => format!("{finished}; 1 was skipped ({}).", skipped[0]),
            more => format!("{finished}; {more} were skipped ({}).", comma_list(skipped)),
        }
    }

    /// Renders a resolution with its resolver, and warns if no check has verified it.
    fn resolved(&self, (task, resolution): &(TaskNumber, Resolution)) -> String {
        let place = paths(&resolution.paths);
        let by = markdown_prose(&plain_line(&resolution.by.to_string(), 160));
        let verified = match self.checks.is_empty() {
            true => "; not verified by a check",
            false => "",
        };
        let class = resolution.class;
        format!("{task} {place}: {class} conflict resolved {by}{verified}")
    }

    /// Renders the reasons why the integration branch is incomplete, if it is.
    fn trouble(&self) -> Option<String> {
        let out = self.left_out.iter().filter(|out| !is_by_user(out));
        let out: Vec<TaskNumber> = out.map(|out| out.task).collect();
        let mut parts = match out.len() {
            0 => Vec::new(),
            1 => vec![format!("{} was left out", out[0])],
            _ => vec![format!("{} were left out", and_list(&out))],
        };
        let broken = self.broken_checks().map(|check| {
            format!(
                "check {}: {}",
                markdown_code(&plain_line(&check.command, 120)),
                check_words(check)
            )
        });
        parts.extend(broken);
        (!parts.is_empty()).then(|| {
            format!(
                "**The integration branch is incomplete:** {}.",
                parts.join("; ")
            )
        })
    }

    fn write_checks(&self, to: &mut String) -> fmt::Result {
        if !self.checks.is_empty() || !self.culprits.is_empty() {
            writeln!(to, "\n### Checks")?;
        }
        self.checks
            .iter()
            .try_for_each(|check| write_check(to, check))?;
        self.culprits
            .iter()
            .try_for_each(|culprit| write_culprit(to, culprit))?;
        if !self.culprits.is_empty() && self.check_runs > 0 {
            let runs = plural(self.check_runs, "run");
            writeln!(to, "- The culprit search took {runs} of the checks.")?;
        }
        Ok(())
    }

    fn write_reports(&self, to: &mut String) -> fmt::Result {
        if !self.reports.is_empty() {
            writeln!(to, "\n### Reports")?;
        }
        self.reports
            .iter()
            .try_for_each(|report| self.write_report(to, report))
    }

    fn write_report(&self, to: &mut String, report: &InfoReport) -> fmt::Result {
        let title = markdown_prose(&plain_line(&report.title, 120));
        writeln!(to, "\n#### {} — {title}\n", report.number)?;
        write!(to, "{}", markdown_block(&report.text, ""))?;
        if report.is_cut {
            let all = suggest::show(&self.run, report.number);
            writeln!(to, "\nTruncated; full text: `{all}`")?;
        }
        Ok(())
    }
}

/// Writes the remarks of workers and of dispatch on tasks that passed.
pub(crate) fn write_issues(to: &mut String, issues: &[Remark]) -> fmt::Result {
    write_list(to, "Issues hit", issues.iter().map(remark))
}

fn write_list(to: &mut String, heading: &str, items: impl Iterator<Item = String>) -> fmt::Result {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return Ok(());
    }
    writeln!(to, "\n### {heading}")?;
    items.try_for_each(|item| writeln!(to, "- {item}"))
}

fn work(work: &Work) -> String {
    let name = markdown_prose(&plain_line(&work.name, 120)).replace('*', "\\*");
    let stat = match work.stat {
        Some(stat) if stat.files == 0 => " (no change)".to_owned(),
        Some(stat) => format!(" ({stat})"),
        None => String::new(),
    };
    match &work.summary {
        Some(summary) => format!("**{name}:** {}{stat}", markdown_prose(summary)),
        None if work.name == work.title => format!("**{name}**{stat}"),
        None => {
            let title = markdown_prose(&plain_line(&work.title, 120));
            format!("**{name}:** {title}{stat}")
        }
    }
}

/// Renders `Worker 2 chose Zod` if the text continues the name, else `Worker 2: Zod is used`.
fn remark(remark: &Remark) -> String {
    let words = markdown_prose(&remark.text);
    let by = markdown_prose(&remark.author);
    if words.starts_with(&by) {
        words
    } else if starts_with_verb(&words) {
        format!("{by} {words}")
    } else {
        format!("{by}: {words}")
    }
}

/// Returns `true` if the text starts with a verb in the past tense.
fn starts_with_verb(words: &str) -> bool {
    const VERBS: [&str; 21] = [
        "built", "chose", "could", "did", "found", "gave", "had", "hit", "kept", "left", "made",
        "on", "put", "ran", "saw", "set", "split", "took", "was", "went", "wrote",
    ];
    let first = words.split_once(' ').map_or("", |(first, _)| first);
    let is_regular = first.len() > 3 && first.ends_with("ed");
    first.starts_with(char::is_lowercase) && (is_regular || VERBS.contains(&first))
}

fn overlap(overlap: &Overlap) -> String {
    let pair = format!("{} × {}", overlap.a, overlap.b);
    match paths(&overlap.paths) {
        paths if paths.is_empty() => format!("{pair}: {}", overlap.outcome),
        paths => format!("{pair} {paths}: {}", overlap.outcome),
    }
}

fn left_out(out: &LeftOut) -> String {
    let task = out.task;
    match &out.reason {
        LeftOutReason::Conflict {
            class,
            with,
            paths: all,
            failed_strategies,
        } => {
            let with = match with.as_slice() {
                [] => " with the others together".to_owned(),
                with => format!(" with {}", and_list(with)),
            };
            let place = match paths(all) {
                paths if paths.is_empty() => String::new(),
                paths => format!(" in {paths}"),
            };
            let tried: Vec<String> = failed_strategies
                .iter()
                .map(|tried| format!("; {}", markdown_prose(&plain_line(&tried.to_string(), 160))))
                .collect();
            let tried = tried.concat();
            format!("{task} left out of the integration: {class} conflict{with}{place}{tried}")
        }
        LeftOutReason::BuiltOn { task: on } => {
            format!("{task} left out of the integration: built on {on}")
        }
        LeftOutReason::ByUser => format!("{task} left out of the integration by the user"),
        LeftOutReason::FailedChecks {
            command,
            with,
            timed_out,
        } => {
            let command = markdown_code(&plain_line(command, 120));
            let how = together_with(with);
            let fails = if *timed_out { "times out" } else { "fails" };
            format!("{task} left out of the integration: {command} {fails} with it {how}")
        }
    }
}

/// Renders up to three paths by name, the rest as a number.
fn paths(all: &[RepoPath]) -> String {
    let named = all
        .iter()
        .take(3)
        .map(|path| markdown_code(&path.to_string()));
    let named = named.collect::<Vec<_>>().join(", ");
    match all.len() {
        0..=3 => named,
        more => format!("{named} and {} more", more - 3),
    }
}

fn write_check(to: &mut String, check: &CheckResult) -> fmt::Result {
    let command = markdown_code(&plain_line(&check.command, 120));
    let elapsed = render_elapsed(Duration::from_millis(check.millis));
    writeln!(to, "- {command}: {} ({elapsed})", check_words(check))?;
    write_tests(to, "tests", &check.failed_tests)?;
    write_tests(to, "fixed", &check.fixed_tests)?;
    match check.result {
        CheckOutcome::Passed => Ok(()),
        _ => write_tail(to, &check.tail),
    }
}

fn write_culprit(to: &mut String, culprit: &Culprit) -> fmt::Result {
    let command = markdown_code(&plain_line(&culprit.command, 120));
    let how = together_with(&culprit.with);
    let fails = match culprit.timed_out {
        true => "newly timing out",
        false => "newly failing",
    };
    writeln!(to, "- {command}: {fails} with {} {how}", culprit.task)?;
    write_tests(to, "tests", &culprit.tests)?;
    write_tail(to, &culprit.tail)
}

/// Renders up to three tests by name, the rest as a number.
fn write_tests(to: &mut String, which: &str, tests: &[String]) -> fmt::Result {
    let named = tests.iter().take(3);
    let named = named.map(|test| markdown_code(&plain_line(test, 120)));
    let named = named.collect::<Vec<_>>().join(", ");
    match tests.len() {
        0 => Ok(()),
        1..=3 => writeln!(to, "  {which}: {named}"),
        more => writeln!(to, "  {which}: {named} and {} more", more - 3),
    }
}

fn write_tail(to: &mut String, tail: &str) -> fmt::Result {
    if tail.trim().is_empty() {
        return Ok(());
    }
    write!(to, "{}", markdown_block(last_lines(tail), "  "))
}

/// Returns the last twenty lines.
fn last_lines(tail: &str) -> &str {
    let tail = tail.trim_end();
    let starts = tail.rmatch_indices('\n').nth(19);
    starts.map_or(tail, |(at, _)| &tail[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_verb_continues_the_name() {
        let told = |words: &str| {
            remark(&Remark {
                task: TaskNumber(2),
                author: "Worker 2".to_owned(),
                text: words.to_owned(),
            })
        };
        let said = [
            "chose Zod over Joi",
            "used the schema that exists",
            "the rate limiter has no test",
            "no test",
            "none",
            "Zod is used",
            "Worker 2 chose Zod",
        ];
        insta::assert_snapshot!(said.map(told).join("\n"), @r"
        Worker 2 chose Zod over Joi
        Worker 2 used the schema that exists
        Worker 2: the rate limiter has no test
        Worker 2: no test
        Worker 2: none
        Worker 2: Zod is used
        Worker 2 chose Zod
        ");
    }
}
