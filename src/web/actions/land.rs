//! Lands a run from its page: shows what moves, and moves exactly that.

use crate::base::text::plural;
use crate::engine::candidates::newer_commits::newer_commits;
use crate::engine::land::commit::{LandContent, Preparation};
use crate::engine::land::session::LandSession;
use crate::engine::land::target::{LandTarget, inspect};
use crate::engine::land::{LandOptions, MergeMethod};
use crate::engine::start::refuse_depth;
use crate::git::Store;
use crate::model::event::Event;
use crate::model::ids::RunId;
use crate::report::landing::{included, left_behind, not_included, secrets};
use crate::report::suggest;
use crate::web::actions::form::Preview;
use crate::web::actions::refused::{Refused, lock};
use crate::web::source::Source;

/// A landing that could be made.
struct Landable {
    store: Store,
    session: LandSession,
    options: LandOptions,
    target: LandTarget,
}

/// Shows what a landing moves.
///
/// # Errors
/// When the run cannot land from its page.
pub(in crate::web) fn preview(source: &Source, run: &RunId) -> Result<Preview, Refused> {
    let landable = Landable::open(source, run)?;
    let content = landable.content()?;
    Ok(Preview {
        facts: landable.facts(&content)?,
        binding: landable.binding(&content),
    })
}

/// Lands exactly what a preview with this binding showed.
///
/// # Errors
/// When the work or the target has moved since, or cannot land; nothing moves then.
pub(super) fn land(source: &Source, run: &RunId, binding: &str) -> Result<String, Refused> {
    let mut landable = Landable::open(source, run)?;
    let content = landable.content()?;
    if landable.binding(&content) != binding {
        return Err(Refused(
            "the work or the target has moved since the page was shown; nothing has moved"
                .to_owned(),
        ));
    }
    let prepared = landable.preparation().prepare(&content)?;
    landable.session.land(&prepared)?;
    let landing = &prepared.landing;
    Ok(format!(
        "{} is now {} (was {}). `{}` moves it back.",
        landing.target,
        landing.to.short(),
        landing.from.short(),
        suggest::unland(run)
    ))
}

impl Landable {
    fn open(source: &Source, run: &RunId) -> Result<Landable, Refused> {
        let store = Store::open(&source.repo)?;
        let lock = lock(source, run)?;
        let place = (&source.repo, &store);
        let mut session = LandSession::open(place, run, lock, source.clock, || {})?;
        refuse_depth(&session.context.settings)?;
        if let Some(landing) = session.unrecorded(&store)? {
            session.record(Event::Landed { landing })?;
            return Err(Refused(format!("an earlier landing of {run} is complete")));
        }
        let options = LandOptions {
            message: None,
            into: None,
            method: MergeMethod::Merge,
            board: session.context.settings.board.land,
            force: false,
            no_verify: false,
            no_rebuild: false,
            allow_rewound: false,
        };
        let target = inspect(&session.context, &session.state, &options)?;
        let refused = |why: &str| {
            let command = suggest::land(run);
            Err(Refused(format!(
                "{} {why}: `{command}` in a terminal does that",
                target.branch
            )))
        };
        if target.is_contained {
            return refused("already contains the run, which is only recorded");
        }
        if target.has_moved {
            return refused("has moved since the run started, and the work is checked on it first");
        }
        Ok(Landable {
            store,
            session,
            options,
            target,
        })
    }

    fn content(&self) -> Result<LandContent, Refused> {
        Ok(self.session.content(&self.target, &self.options)?)
    }

    fn preparation(&self) -> Preparation<'_> {
        Preparation {
            context: &self.session.context,
            state: &self.session.state,
            options: &self.options,
            lock: &self.session.lock,
            cancel: &self.session.cancel,
            target: &self.target,
            now: self.session.now,
        }
    }

    /// Names everything that the user agrees to.
    fn binding(&self, content: &LandContent) -> String {
        let what = match content {
            LandContent::Commit(commit) => commit.to_string(),
            LandContent::Tree { tree, .. } => tree.to_string(),
        };
        let (seq, target) = (self.session.state.seq, &self.target);
        format!("{seq} {} {} {what}", target.branch, target.from)
    }

    fn facts(&self, content: &LandContent) -> Result<Vec<String>, Refused> {
        let state = &self.session.state;
        let to = match content {
            LandContent::Commit(commit) => *commit,
            LandContent::Tree { tree, .. } => *tree,
        };
        let from = self.store.tree_of(self.target.from)?;
        let to = match content {
            LandContent::Commit(_) => self.store.tree_of(to)?,
            LandContent::Tree { .. } => to,
        };
        let tasks: Vec<String> = included(state).map(|task| task.to_string()).collect();
        let tag = |number| &state.plan.task(number).tag;
        let mut facts = vec![
            format!(
                "{} moves from {}: {}, besides the board",
                self.target.branch,
                self.target.from.short(),
                self.store.stat(from, to)?
            ),
            format!("{}: {}", plural(tasks.len(), "task"), tasks.join(", ")),
        ];
        let missing = not_included(state).into_iter();
        facts.extend(
            missing
                .map(|(number, why)| format!("{number} [{}] is not included: {why}", tag(number))),
        );
        let remarks = left_behind(state).into_iter().chain(secrets(state));
        facts.extend(
            remarks.map(|(number, remark)| format!("{number} [{}]: {remark}", tag(number))),
        );
        let newer = newer_commits(&self.store, state)?.into_iter();
        facts.extend(newer.map(|newer| newer.warning_before_landing(state)));
        Ok(facts)
    }
}
