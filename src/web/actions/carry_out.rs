//! Carries out an action that the user has agreed to.

use serde::Deserialize;

use crate::base::text::error_chain;
use crate::control::Request;
use crate::engine::EngineError;
use crate::engine::kernel::known_settings;
use crate::engine::run::control::request;
use crate::engine::runs::load::{Loaded, load};
use crate::engine::start::StartError;
use crate::engine::start::confinement::use_current;
use crate::engine::start::detach::detach;
use crate::engine::start::reopen::record_request;
use crate::engine::start::retry::{RetryError, refuse_checked_out, refuse_retry};
use crate::git::{GitError, Store, StoreError};
use crate::journal::runs::{RunLock, Taken};
use crate::model::event::Event;
use crate::model::ids::{RunId, TaskNumber};
use crate::report::suggest;
use crate::web::actions::{Action, land};
use crate::web::source::Source;

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
    /// The file that a comment is about.
    #[serde(default)]
    file: String,
    /// The line that a comment is about.
    #[serde(default)]
    line: String,
}

/// An action that was not carried out, with the reason as a sentence.
#[derive(Debug)]
pub(in crate::web) struct Refused(pub(in crate::web) String);

macro_rules! refused_by {
    ($($error:ty),*) => {
        $(impl From<$error> for Refused {
            fn from(error: $error) -> Refused {
                Refused(error_chain(&error))
            }
        })*
    };
}

refused_by!(
    EngineError,
    StartError,
    RetryError,
    StoreError,
    GitError,
    crate::engine::run::control::RequestError,
    crate::engine::land::error::LandError
);

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
    match action {
        Action::Pause => ask(source, run, Request::Pause)?,
        Action::Resume => ask(source, run, Request::Resume)?,
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
            continue_with(source, run, |loaded| send_back(loaded, task, answers))?;
        }
    }
    Ok(format!("{}: done.", action.words()))
}

fn ask(source: &Source, run: &RunId, what: Request) -> Result<(), Refused> {
    let store = Store::open(&source.repo)?;
    Ok(request(&source.repo, &store, run, &what, source.clock)?)
}

/// Takes the lock of a run that no process drives.
pub(super) fn lock(source: &Source, run: &RunId) -> Result<RunLock, Refused> {
    match RunLock::take(&source.repo, run, source.clock.now()) {
        Ok(Taken::Ours(lock)) => Ok(lock),
        Ok(Taken::Held(_)) => Err(Refused(format!(
            "{run} is being driven by another process, and changes only after it has ended"
        ))),
        Err(error) => Err(Refused(format!("could not lock {run}: {error}"))),
    }
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

fn review(loaded: &Loaded, task: TaskNumber, accepted: bool) -> Result<Vec<Event>, Refused> {
    refuse_unreviewable(loaded, task)?;
    match loaded.state.task(task).rejected == accepted {
        true => Ok(vec![Event::Reviewed { task, accepted }]),
        false => Err(Refused(format!("{task} has that decision already"))),
    }
}

fn send_back(loaded: &Loaded, task: TaskNumber, answers: &Answers) -> Result<Vec<Event>, Refused> {
    refuse_unreviewable(loaded, task)?;
    let comment = answers.text.trim();
    if comment.is_empty() {
        return Err(Refused(format!(
            "the comment is empty; {task} was not sent back"
        )));
    }
    let place = match answers.file.as_str() {
        "" => String::new(),
        file => format!(" (line {} of {file})", answers.line),
    };
    let text = format!("The user reviewed the last attempt and sent it back{place}: {comment}");
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
