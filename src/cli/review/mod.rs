//! `dispatch review RUN`: shows the candidates one by one, to accept, leave out or send back.

use clap::Args;

use crate::base::text::{error_chain, plural, terminal_safe};
use crate::cli::diff;
use crate::cli::drive::reopen::{refuse_landed, reopen};
use crate::cli::error::{CommandError, CommandResult, ExitStatus};
use crate::cli::repo_context::{DefaultRun, RepoContext};
use crate::merge::change::{ChangeStat, FileStat};
use crate::merge::oid::Oid;
use crate::model::conflict_status::ConflictStatus;
use crate::model::event::Event;
use crate::model::ids::{RunId, TaskNumber, VariantNumber};
use crate::model::integration::LeftOutReason;
use crate::model::run::RunState;
use crate::model::task_change::{Placement, TaskChange};
use crate::model::task_list::and_list;
use crate::report::board::text::left_out_reason;
use crate::report::conflict_suggestion::suggestion;
use crate::report::suggest;
use crate::report::words::resolved;
use crate::ui::Ui;

mod json;
mod take;

use crate::cli::review::json::schema;

/// The number of files to name before the rest is only counted.
const FILES: usize = 20;

const AFTER_HELP: &str = "\
accept     includes the result
diff       shows it with your pager, as `git diff` does (GIT_PAGER, core.pager, pager.diff)
leave out  assembles the rest without it
variant    takes another variant of the task, where more than one passed
send back  asks for a message; the task is retried with that in its prompt, and the tasks built on
           it run again, too
quit       stops asking and applies the answers so far";

/// Review every result before it lands: accept it, leave it out or send it back
#[derive(Args, Debug, Clone)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ReviewArgs {
    /// The run [default: the latest that has not landed and has something to land]
    run: Option<String>,
    /// Take another variant of a task, such as API=2, and assemble again; ask nothing
    #[arg(long, value_name = "TASK=VARIANT", conflicts_with = "json")]
    take: Vec<String>,
    /// Print one JSON object and ask nothing
    #[arg(long)]
    json: bool,
    /// Print the JSON Schema of that object
    #[arg(long, exclusive = true)]
    schema: bool,
}

/// The displayed data of one candidate.
struct Page {
    task: TaskNumber,
    candidate: Oid,
    files: Vec<FileStat>,
    left_out: Option<String>,
}

/// Runs the subcommand. Without a terminal it prints what there is to review and asks nothing.
///
/// # Errors
/// When the run cannot be read, or is driven by another process when something changed.
pub(crate) fn run(args: ReviewArgs, ui: &Ui) -> CommandResult {
    if args.schema {
        ui.answer(&schema());
        return Ok(ExitStatus::Ok);
    }
    let here = RepoContext::open()?;
    let run = here.find_and_announce_run(args.run.as_deref(), DefaultRun::Unlanded, ui)?;
    let state = here.read_state(&run)?;
    let pages = pages(&here, &state)?;
    if args.json {
        ui.answer_json(&json::render_json(&state, &pages));
        return Ok(ExitStatus::Ok);
    }
    if pages.is_empty() {
        return Err(
            CommandError::failed(format!("{run} has no candidate to review"))
                .hint(format!("`dispatch status {run}` shows its state")),
        );
    }
    if !args.take.is_empty() {
        here.refuse_worker()?;
        return take_variants(&here, &state, &args.take, ui);
    }
    if !ui.is_interactive() {
        for (at, page) in pages.iter().enumerate() {
            ui.answer_text(&terminal_safe(&summary(
                &state,
                page,
                at,
                pages.len(),
                usize::MAX,
            )));
        }
        ui.status("not a terminal: nothing was changed");
        ui.hint("`--json` prints the same for programs");
        return Ok(ExitStatus::Ok);
    }
    refuse_landed(&state)?;
    let reviews = walk(&here, &state, &pages, ui)?;
    if reviews.is_empty() {
        ui.hint(&format!(
            "`{}` lands what is assembled",
            suggest::land(&run)
        ));
        return Ok(ExitStatus::Ok);
    }
    let words: Vec<String> = reviews.iter().map(TaskReview::words).collect();
    let then = match reviews.iter().any(|review| review.comment.is_some()) {
        true => "going on",
        false => "assembling again",
    };
    ui.status(&format!("\n{}; {then}", words.join(", ")));
    let starts_others = |review: &&TaskReview| review.comment.is_some() || review.taken.is_some();
    for review in reviews.iter().filter(starts_others) {
        say_done_again(&state, review.task, "is", ui);
    }
    let events = reviews.into_iter().flat_map(TaskReview::events).collect();
    reopen(&here, &run, false, ui, |_| Ok(events))
}

/// Takes the variants that `--take` names, and assembles again.
fn take_variants(
    here: &RepoContext,
    state: &RunState,
    wanted: &[String],
    ui: &Ui,
) -> CommandResult {
    refuse_landed(state)?;
    let events = wanted.iter().map(|text| take::parse_take(state, text));
    let events = events.collect::<Result<Vec<Event>, CommandError>>()?;
    for event in &events {
        if let Event::VariantChosen { task, choice } = event {
            ui.status(&format!("{task}: variant {} taken", choice.variant));
            say_done_again(state, *task, "is", ui);
        }
    }
    reopen(here, &state.run, false, ui, |_| Ok(events))
}

fn pages(here: &RepoContext, state: &RunState) -> Result<Vec<Page>, CommandError> {
    let page = |(task, candidate)| {
        let files = match state.task_change(task) {
            Some(TaskChange { from, to }) => {
                let (from, to) = (here.store.tree_of(from)?, here.store.tree_of(to)?);
                here.store.file_stats(from, to)?
            }
            None => Vec::new(),
        };
        let left_out = match state.placement(task) {
            Placement::LeftOut(out) => Some(left_out_reason(out)),
            _ => None,
        };
        Ok(Page {
            task,
            candidate,
            files,
            left_out,
        })
    };
    state.candidates().into_iter().map(page).collect()
}

/// The user's answer about one task.
struct TaskReview {
    task: TaskNumber,
    /// The new decision, if it differs from the recorded one.
    accepted: Option<bool>,
    comment: Option<String>,
    /// The event that takes another variant.
    taken: Option<Event>,
}

impl TaskReview {
    fn words(&self) -> String {
        if let Some(Event::VariantChosen { choice, .. }) = &self.taken {
            return format!("{}: variant {} taken", self.task, choice.variant);
        }
        match (&self.comment, self.accepted) {
            (Some(_), _) => format!("{} sent back", self.task),
            (None, Some(false)) => format!("{} left out", self.task),
            (None, _) => format!("{} accepted", self.task),
        }
    }

    fn events(self) -> Vec<Event> {
        let task = self.task;
        let reviewed = self
            .accepted
            .map(|accepted| Event::Reviewed { task, accepted });
        let prompt = self.comment.map(|comment| Event::RetryRequested {
            task,
            extra_prompt: Some(format!(
                "The user reviewed the last attempt and sent it back: {comment}"
            )),
            new_prompt: None,
            worker: None,
            continue_session: false,
            by_hand: None,
            attempt: None,
        });
        let taken = self.taken.into_iter();
        reviewed.into_iter().chain(prompt).chain(taken).collect()
    }
}

/// Tells the user which other tasks run again together with a task that is sent back.
fn say_done_again(state: &RunState, task: TaskNumber, verb: &str, ui: &Ui) {
    let again = state.redone_with(task);
    let (verb, built) = match again.as_slice() {
        [] => return,
        [_] => (verb, "was"),
        _ if verb == "is" => ("are", "were"),
        _ => (verb, "were"),
    };
    ui.status(&format!(
        "{}, which {built} built on {task}, {verb} done again, too",
        and_list(&again)
    ));
}

/// Asks about each candidate in turn and returns the answers that change something.
fn walk(
    here: &RepoContext,
    state: &RunState,
    pages: &[Page],
    ui: &Ui,
) -> Result<Vec<TaskReview>, CommandError> {
    let mut reviews = Vec::new();
    for (at, page) in pages.iter().enumerate() {
        ui.answer_text(&terminal_safe(&summary(
            state,
            page,
            at,
            pages.len(),
            FILES,
        )));
        let Some(word) = ask(here, state, page, ui)? else {
            break;
        };
        let was_rejected = state.task(page.task).rejected;
        let (accepted, comment, taken) = match word {
            Answer::Accept => (true, None, None),
            Answer::LeaveOut => (false, None, None),
            Answer::SendBack(comment) => (true, Some(comment), None),
            Answer::Take(event) => (true, None, Some(*event)),
        };
        let accepted = (accepted == was_rejected).then_some(accepted);
        if accepted.is_some() || comment.is_some() || taken.is_some() {
            reviews.push(TaskReview {
                task: page.task,
                accepted,
                comment,
                taken,
            });
        }
    }
    Ok(reviews)
}

enum Answer {
    Accept,
    LeaveOut,
    SendBack(String),
    Take(Box<Event>),
}

/// Asks until an answer decides; `None` to stop here.
fn ask(
    here: &RepoContext,
    state: &RunState,
    page: &Page,
    ui: &Ui,
) -> Result<Option<Answer>, CommandError> {
    let failed = |error: std::io::Error| {
        CommandError::failed(format!(
            "could not read the answer: {}",
            error_chain(&error)
        ))
    };
    let others = take::others(state, page.task);
    let mut words = vec!["accept", "diff", "leave out"];
    words.extend((!others.is_empty()).then_some("variant"));
    words.extend(["send back", "quit"]);
    if let Some(effect) = effect_of_accepting(state, page.task) {
        ui.hint(&effect);
    }
    loop {
        let question = format!("Take {}?", page.task);
        match ui.ask(&question, &words).map_err(failed)? {
            Some("accept") => return Ok(Some(Answer::Accept)),
            Some("leave out") => return Ok(Some(Answer::LeaveOut)),
            Some("diff") => {
                if let Some(change) = state.task_change(page.task) {
                    diff::show(here, change, false, ui)?;
                }
            }
            Some("variant") => {
                let question = format!("Number of the variant ({}): ", numbers(&others));
                let number = ui.ask_line(&question).map_err(failed)?;
                let number = number.and_then(|number| number.trim().parse().ok());
                match number.filter(|number| others.contains(number)) {
                    Some(number) => {
                        let event = take::take(state, page.task, number)?;
                        say_done_again(state, page.task, "is", ui);
                        return Ok(Some(Answer::Take(Box::new(event))));
                    }
                    None => ui.status("no such variant; nothing taken"),
                }
            }
            Some("send back") => {
                say_done_again(state, page.task, "would be", ui);
                let comment = ui.ask_line("Message for the worker: ").map_err(failed)?;
                match comment.map(|comment| comment.trim().to_owned()) {
                    Some(comment) if !comment.is_empty() => {
                        return Ok(Some(Answer::SendBack(comment)));
                    }
                    _ => ui.status("no message given; not sent back"),
                }
            }
            _ => return Ok(None),
        }
    }
}

fn numbers(variants: &[VariantNumber]) -> String {
    let numbers: Vec<String> = variants.iter().map(ToString::to_string).collect();
    numbers.join(", ")
}

/// Says what accepting does to a candidate that is left out for a reason other than the user's word.
fn effect_of_accepting(state: &RunState, task: TaskNumber) -> Option<String> {
    match state.placement(task) {
        Placement::LeftOut(out) => stays_out(&state.run, task, &out.reason),
        _ => None,
    }
}

fn stays_out(run: &RunId, task: TaskNumber, reason: &LeftOutReason) -> Option<String> {
    match reason {
        LeftOutReason::Conflict { with, .. } => {
            let with = match and_list(with) {
                others if others.is_empty() => "the other results together".to_owned(),
                others => others,
            };
            Some(format!(
                "if accepted, {task} stays left out until its conflict with {with} is resolved: \
                 `{}` resolves it by hand, \"send back\" starts the task again on top of {with}",
                suggest::resolve(run, task)
            ))
        }
        LeftOutReason::FailedChecks { command, .. } => Some(format!(
            "if accepted, {task} stays left out as long as `{command}` fails with it"
        )),
        LeftOutReason::BuiltOn { task: on } => Some(format!(
            "if accepted, {task} stays left out until {on} is merged"
        )),
        LeftOutReason::ByUser => None,
    }
}

fn summary(state: &RunState, page: &Page, at: usize, count: usize, most: usize) -> String {
    let number = page.task;
    let task = state.plan.task(number);
    let counted = format!("{} of {count}", at + 1);
    let mut text = format!("\n{number} [{}] {} ({counted})\n", task.tag, task.title);
    text.push_str(&files(&page.files, most));
    let Some(outcome) = state.task(number).outcome() else {
        return text;
    };
    let mut say = |name: &str, lines: &[String]| {
        lines
            .iter()
            .for_each(|line| text.push_str(&format!("  {name}: {line}\n")));
    };
    say("summary", outcome.report.summary.as_slice());
    say("decision", &outcome.report.decisions);
    say("issue", &outcome.report.issues);
    say("remark", &outcome.warnings);
    let checks = outcome.checks.iter();
    let checks: Vec<String> = checks
        .map(|check| format!("{} {}", check.result.word(), check.command))
        .collect();
    say("check", &checks);
    let own = state.conflicts.iter();
    let own = own.filter(|c| c.a == number || c.b == number);
    let conflicts: Vec<String> = own
        .map(|c| {
            let other = if c.a == number { c.b } else { c.a };
            match state.conflict_status(c) {
                ConflictStatus::Open => format!("with {other} ({})", c.class),
                _ => format!("with {other} ({}), {}", c.class, suggestion(state, c)),
            }
        })
        .collect();
    say("conflict", &conflicts);
    say("resolved", &resolved(state, number));
    if state.task(number).rejected {
        text.push_str("  left out so far\n");
    } else if let Some(why) = &page.left_out {
        text.push_str(&format!("  left out: {why}\n"));
    }
    text
}

/// Renders the total, then each file with its changed lines, aligned.
fn files(files: &[FileStat], most: usize) -> String {
    let sum = |part: fn((u64, u64)) -> u64| files.iter().filter_map(|f| f.lines).map(part).sum();
    let total = ChangeStat {
        files: files.len() as u64,
        added: sum(|(added, _)| added),
        removed: sum(|(_, removed)| removed),
    };
    let mut text = format!("  {total}\n");
    let counts = |file: &FileStat| match file.lines {
        Some((added, removed)) => format!("+{added} \u{2212}{removed}"),
        None => "binary".to_owned(),
    };
    let shown = &files[..files.len().min(most)];
    let wide = shown.iter().map(|file| counts(file).chars().count()).max();
    for file in shown {
        let (counts, wide) = (counts(file), wide.unwrap_or_default());
        text.push_str(&format!("    {counts:>wide$}  {}\n", file.path));
    }
    if files.len() > shown.len() {
        let more = plural(files.len() - shown.len(), "more file");
        text.push_str(&format!("    {more}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::class::Class;

    #[test]
    fn accepting_a_result_that_stays_left_out_says_so() {
        let run = RunId::new("checkout-7k3q");
        let say = |reason: &LeftOutReason| {
            stays_out(&run, TaskNumber(2), reason).unwrap_or_else(|| "merged".to_owned())
        };
        let conflict = |with: &[u32]| LeftOutReason::Conflict {
            class: Class::Content,
            with: with.iter().copied().map(TaskNumber).collect(),
            paths: vec!["src/app.ts".into()],
            failed_strategies: Vec::new(),
        };
        insta::assert_snapshot!(say(&conflict(&[1])), @r#"if accepted, #2 stays left out until its conflict with #1 is resolved: `dispatch resolve checkout-7k3q 2` resolves it by hand, "send back" starts the task again on top of #1"#);
        insta::assert_snapshot!(say(&conflict(&[])), @r#"if accepted, #2 stays left out until its conflict with the other results together is resolved: `dispatch resolve checkout-7k3q 2` resolves it by hand, "send back" starts the task again on top of the other results together"#);
        let failed = LeftOutReason::FailedChecks {
            command: "npm test".to_owned(),
            with: Vec::new(),
            timed_out: false,
        };
        insta::assert_snapshot!(say(&failed), @"if accepted, #2 stays left out as long as `npm test` fails with it");
        let built_on = LeftOutReason::BuiltOn {
            task: TaskNumber(1),
        };
        insta::assert_snapshot!(say(&built_on), @"if accepted, #2 stays left out until #1 is merged");
        assert_eq!(say(&LeftOutReason::ByUser), "merged");
    }
}
