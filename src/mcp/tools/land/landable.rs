//! A landing that could be made: its content, its preview and the move itself.

use super::output::{Method, NEXT, NEXT_WHILE_CHECKED, Output, RUNNING, settled};
use crate::engine::candidates::newer_commits::newer_commits;
use crate::engine::candidates::submodule_commits::submodule_commits;
use crate::engine::land::board_verb;
use crate::engine::land::commit::{LandContent, Preparation};
use crate::engine::land::session::LandSession;
use crate::engine::land::target::LandTarget;
use crate::engine::land::{LandOptions, PreparedMove};
use crate::mcp::answer::Answer;
use crate::mcp::error::ToolError;
use crate::mcp::proposal::{Offer, Proposed, Step};
use crate::mcp::repository::Repository;
use crate::merge::oid::Oid;
use crate::model::event::Event;
use crate::model::integration::Landing;
use crate::report::landing::{included, left_behind, not_included, secrets};
use crate::report::suggest;

/// A landing that could be made.
pub(super) struct Landable {
    pub(super) session: LandSession,
    pub(super) options: LandOptions,
    pub(super) target: LandTarget,
    pub(super) method: Method,
    pub(super) tip: Oid,
}

impl Landable {
    /// Returns everything that a confirmation is bound to.
    pub(super) fn binding(&self, content: Option<&LandContent>) -> String {
        let (run, target, options) = (&self.session.state.run, &self.target, &self.options);
        let what = match content {
            Some(LandContent::Commit(commit)) => commit.to_string(),
            Some(LandContent::Tree { tree, .. }) => tree.to_string(),
            None => "nothing".to_owned(),
        };
        format!(
            "land {run} {} {} {} {:?} {} {what}",
            self.tip, target.branch, target.from, options.method, options.board
        )
    }

    /// Returns what lands; `None` if the target has it already.
    pub(super) fn content(&self, options: &LandOptions) -> Result<Option<LandContent>, ToolError> {
        match self.target.is_contained {
            true => Ok(None),
            false => Ok(Some(self.session.content(&self.target, options)?)),
        }
    }

    /// Returns `true` if the work has to be checked on a target that has moved.
    pub(super) fn needs_checks(&self) -> bool {
        let checks = &self.session.context.settings.assemble.check;
        self.target.has_moved && !checks.is_empty()
    }

    /// Returns what lands, before the checks on a target that has moved: they may take longer than
    /// a client waits.
    pub(super) fn preview(&self) -> Result<Option<LandContent>, ToolError> {
        self.content(&LandOptions {
            force: true,
            ..self.options.clone()
        })
    }

    /// Shows a landing, so that it can be confirmed.
    pub(super) fn show(
        &self,
        here: &Repository,
        content: Option<&LandContent>,
        checks: Option<&str>,
    ) -> Result<Proposed, ToolError> {
        Ok(Proposed {
            content: self.binding(content),
            step: Step::Show(self.offer(here, content, checks)?),
        })
    }

    /// Builds the commit that would land, and puts it into words.
    pub(super) fn offer(
        &self,
        here: &Repository,
        content: Option<&LandContent>,
        checks: Option<&str>,
    ) -> Result<Offer, ToolError> {
        let landing = match content {
            Some(content) => self.prepare(content)?.landing,
            None => self.no_move(),
        };
        let mut output = self.describe(here, &landing, content, false)?;
        output.checks = checks.map(str::to_owned);
        if checks == Some(RUNNING) {
            output.next = NEXT_WHILE_CHECKED.to_owned();
        }
        Ok(Offer {
            question: format!("Land this?\n\n{}", output.facts().join("\n")),
            answer: Answer::new(&output, output.render()),
        })
    }

    fn prepare(&self, content: &LandContent) -> Result<PreparedMove, ToolError> {
        let preparation = Preparation {
            context: &self.session.context,
            state: &self.session.state,
            options: &self.options,
            lock: &self.session.lock,
            cancel: &self.session.cancel,
            target: &self.target,
            now: self.session.now,
        };
        Ok(preparation.prepare(content)?)
    }

    /// Returns the landing of work that the target has already.
    fn no_move(&self) -> Landing {
        Landing {
            target: self.target.branch.clone(),
            from: self.target.from,
            to: self.target.from,
            at: self.session.now,
            backup: None,
        }
    }

    pub(super) fn land(&mut self, content: Option<&LandContent>) -> Result<Landing, ToolError> {
        let Some(content) = content else {
            let landing = self.no_move();
            let event = Event::Landed {
                landing: landing.clone(),
            };
            self.session.record(event)?;
            return Ok(landing);
        };
        let prepared = self.prepare(content)?;
        self.session.land(&prepared)?;
        Ok(prepared.landing)
    }

    /// Describes a landing that was made, or would be.
    pub(super) fn describe(
        &self,
        here: &Repository,
        landing: &Landing,
        content: Option<&LandContent>,
        landed: bool,
    ) -> Result<Output, ToolError> {
        let (state, store) = (&self.session.state, &here.store);
        let trees = (store.tree_of(landing.from)?, store.tree_of(landing.to)?);
        let tag = |number| &state.plan.task(number).tag;
        let missing = not_included(state).into_iter();
        let missing = missing.map(|(number, why)| format!("{number} [{}] {why}", tag(number)));
        let by_hand = newer_commits(store, state)?.into_iter();
        let by_hand = by_hand.map(|newer| newer.warning_before_landing(state));
        let in_submodules = submodule_commits(store, state)?.into_iter();
        let by_hand = by_hand.chain(in_submodules.map(|commits| commits.warning(state)));
        let remark = |(number, remark)| format!("{number} [{}]: {remark}", tag(number));
        let left_behind = left_behind(state).into_iter().map(remark);
        let file = &self.session.context.settings.board.file;
        let board = board_verb(store, file, trees)?;
        Ok(Output {
            landed,
            run: state.run.to_string(),
            target: self.target.branch.clone(),
            method: self.method,
            tip: self.tip.to_string(),
            target_tip: self.target.from.to_string(),
            commit: landed.then(|| landing.to.to_string()),
            change: store.stat(trees.0, trees.1)?.to_string(),
            board: board.map(|verb| format!("{verb} {file}, the board of the run")),
            tasks: included(state).map(|number| number.0).collect(),
            not_included: missing.collect(),
            left_behind: left_behind.chain(by_hand).collect(),
            secrets: secrets(state).into_iter().map(remark).collect(),
            settled: settled(content),
            target_has_moved: self.target.has_moved,
            checks: None,
            next: match landed {
                true => format!(
                    "tell the user; `{}` undoes it, `{}` removes the worktrees",
                    suggest::unland(&state.run),
                    suggest::clean(&state.run)
                ),
                false => NEXT.to_owned(),
            },
        })
    }
}
