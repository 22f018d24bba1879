//! Carries out an action that the user has agreed to.

use serde::Deserialize;

use crate::control::Request;
use crate::engine::kernel::known_settings;
use crate::engine::run::control::request;
use crate::engine::runs::load::{Loaded, load};
use crate::engine::start::confinement::use_current;
use crate::engine::start::detach::{detach, resume_detached};
use crate::engine::start::refuse_depth;
use crate::engine::start::reopen::record_request;
use crate::engine::start::retry::{refuse_checked_out, refuse_retry};
use crate::git::Store;
use crate::journal::runs::RunLock;
use crate::model::event::Event;
use crate::model::ids::{RunId, TaskNumber};
use crate::report::suggest;
use crate::web::actions::line::{KnownLine, Line};
use crate::web::actions::refused::{Refused, lock};
use crate::web::actions::{Action, land, line};
use crate::web::source::Source;

/// The longest text of a form, in bytes: that of a message to a task.
const LONGEST_TEXT: usize = 100 * 1024;

/// The answers of a form.
#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::web) struct Answers {
    /// The token of all forms.
    #[serde(default)]
    pub(in crate::web) token: String,
    /// The landing that was shown.
    #[serde(default)]
    pub(in crate::web) binding: String,
    /// The text for the prompt.
    #[serde(default)]
    text: String,
    /// The line that a comment is about.
    #[serde(flatten)]
    about: Line,
}

/// Carries out an action, and returns what happened as a sentence.
///
/// # Errors
/// When it is refused; nothing is done then.
pub(in crate::web) fn carry_out(
    source: &Source,
    run: &RunId,
    action: Action,
    answers: &Answers,
) -> Result<String, Refused> {
    known_settings::refuse_changed(&source.repo)?;
    let length = answers.text.len() + answers.about.file.len() + answers.about.line.len();
    if length > LONGEST_TEXT {
        return Err(Refused("the text is longer than 100 KiB".to_owned()));
    }
    match action {
        Action::Pause => ask(source, run, Request::Pause)?,
        Action::Resume if RunLock::is_held(&source.repo, run) => {
            ask(source, run, Request::Resume)?;
        }
        Action::Resume => resume(source, run)?,
        Action::CancelAll => ask(source, run, Request::Cancel { task: None })?,
        Action::Cancel(task) => ask(source, run, Request::Cancel { task: Some(task) })?,
        Action::Land => return land::land(source, run, &answers.binding),
        Action::Retry(task) => continue_with(source, run, |loaded| {
            use_current(&source.repo, &mut loaded.settings);
            refuse_retry(&loaded.state, &loaded.settings, task, None)?;
            refuse_checked_out(&source.repo, &loaded.state, task)?;
            let text = answers.text.trim();
            let text = (!text.is_empty()).then(|| text.to_owned());
            Ok(vec![retry(task, text)])
        })?,
        Action::Accept(task) => continue_with(source, run, |loaded| review(loaded, task, true))?,
        Action::LeaveOut(task) => {
            continue_with(source, run, |loaded| review(loaded, task, false))?;
        }
        Action::SendBack(task) => {
            continue_with(source, run, |loaded| {
                let line = line::find(source, &loaded.state, task, &answers.about)?;
                send_back(loaded, task, &answers.text, line)
            })?;
        }
    }
    Ok(format!("{}: done.", action.words()))
}

fn ask(source: &Source, run: &RunId, what: Request) -> Result<(), Refused> {
    let store = Store::open(&source.repo)?;
    Ok(request(&source.repo, &store, run, &what, source.clock)?)
}

/// Records a request, and lets a background process go on with the run.
fn continue_with(
    source: &Source,
    run: &RunId,
    change: impl FnOnce(&mut Loaded) -> Result<Vec<Event>, Refused>,
) -> Result<(), Refused> {
    let store = Store::open(&source.repo)?;
    let lock = lock(source, run)?;
    let loaded = load(&store, run)?;
    record_request(
        (&source.repo, &store),
        run,
        (lock, loaded),
        source.clock,
        change,
    )?;
    detach(&source.repo, run).map_err(|error| {
        Refused(format!(
            "no background process could be started: {error}; nothing is lost, `{}` continues the run",
            suggest::resume(run)
        ))
    })
}

/// Lets a background process continue a run that no process drives, as `dispatch resume` does.
fn resume(source: &Source, run: &RunId) -> Result<(), Refused> {
    let store = Store::open(&source.repo)?;
    // A run that is not to be continued is refused here, where the reason is seen.
    refuse_depth(&load(&store, run)?.settings)?;
    let command = suggest::resume(run);
    match resume_detached(&source.repo, run) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Refused(format!(
            "no background process has taken over {run}; `{command}` in a terminal says why"
        ))),
        Err(error) => Err(Refused(format!(
            "no background process could be started: {error}; `{command}` continues the run"
        ))),
    }
}

fn review(loaded: &Loaded, task: TaskNumber, accepted: bool) -> Result<Vec<Event>, Refused> {
    refuse_unreviewable(loaded, task)?;
    match loaded.state.task(task).rejected == accepted {
        true => Ok(vec![Event::Reviewed { task, accepted }]),
        false => Err(Refused(format!("{task} has that decision already"))),
    }
}

fn send_back(
    loaded: &Loaded,
    task: TaskNumber,
    comment: &str,
    line: Option<KnownLine>,
) -> Result<Vec<Event>, Refused> {
    refuse_unreviewable(loaded, task)?;
    let comment = comment.trim();
    if comment.is_empty() {
        return Err(Refused(format!(
            "the comment is empty; {task} was not sent back"
        )));
    }
    let text = match line {
        None => format!("The user reviewed the last attempt and sent it back: {comment}"),
        Some(line) => format!(
            "The user reviewed the last attempt and sent it back (line {} of {}): {comment}\n\n\
             That line is:\n\n    {}",
            line.number, line.file, line.text
        ),
    };
    let was_rejected = loaded.state.task(task).rejected;
    let accepted = was_rejected.then_some(Event::Reviewed {
        task,
        accepted: true,
    });
    Ok(accepted
        .into_iter()
        .chain([retry(task, Some(text))])
        .collect())
}

fn refuse_unreviewable(loaded: &Loaded, task: TaskNumber) -> Result<(), Refused> {
    let state = &loaded.state;
    if state.landed.is_some() {
        return Err(Refused(format!("{} has already landed", state.run)));
    }
    match state.task(task).candidate() {
        Some(_) => Ok(()),
        None => Err(Refused(format!("{task} has no result to review"))),
    }
}

fn retry(task: TaskNumber, extra_prompt: Option<String>) -> Event {
    Event::RetryRequested {
        task,
        extra_prompt,
        new_prompt: None,
        worker: None,
        continue_session: false,
        by_hand: None,
        attempt: None,
    }
}
