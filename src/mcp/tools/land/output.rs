//! The answer that shows a landing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::markdown::plain_line;
use crate::engine::land::MergeMethod;
use crate::engine::land::commit::LandContent;

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum Method {
    /// One merge commit.
    #[default]
    Merge,
    /// Fast-forward the target along the assembled history.
    Ff,
    /// One ordinary commit of everything.
    Squash,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Output {
    /// `false`: nothing has moved yet.
    pub(super) landed: bool,
    pub(super) run: String,
    /// The branch that moves.
    pub(super) target: String,
    /// The way of landing; the confirming call has to bring the same.
    pub(super) method: Method,
    /// The commit of the assembled work; the confirming call has to bring it.
    pub(super) tip: String,
    /// The commit that the target is at; the confirming call has to bring it.
    pub(super) target_tip: String,
    /// The commit that the target has moved to.
    pub(super) commit: Option<String>,
    /// Changed files, with added and removed lines.
    pub(super) change: String,
    /// The change to the board file, which no task made; it is part of `change`.
    pub(super) board: Option<String>,
    /// The tasks that land.
    pub(super) tasks: Vec<u32>,
    /// The tasks that do not land, each with the reason.
    pub(super) not_included: Vec<String>,
    /// Work of the tasks that their results do not contain, such as uncommitted changes of a submodule.
    pub(super) left_behind: Vec<String>,
    /// Lines of the results that hold a secret, which is masked here. Tell the user before landing.
    pub(super) secrets: Vec<String>,
    /// Conflicts with a target that has moved, each with its resolution.
    pub(super) settled: Vec<String>,
    /// `true` if the target has moved since the run started: the work is merged onto it, and checked
    /// there before it can land.
    pub(super) target_has_moved: bool,
    /// The checks on a target that has moved: `passed`, or `running` until the call is repeated.
    pub(super) checks: Option<String>,
    pub(super) next: String,
}

impl Method {
    pub(super) fn words(self) -> &'static str {
        match self {
            Method::Merge => "one merge commit",
            Method::Ff => "a fast-forward, without the board",
            Method::Squash => "one ordinary commit, without the board",
        }
    }
}

impl From<Method> for MergeMethod {
    fn from(method: Method) -> MergeMethod {
        match method {
            Method::Merge => MergeMethod::Merge,
            Method::Ff => MergeMethod::FastForward,
            Method::Squash => MergeMethod::Squash,
        }
    }
}

/// The next step after a landing was shown.
pub(super) const NEXT: &str = "show this to the user; if they agree, call land again with the same arguments, \
                    `confirm: true` and this `tip` and `target_tip`";

/// The next step while checks run.
pub(super) const NEXT_WHILE_CHECKED: &str = "call land again with the same arguments: it waits for the checks on \
                                  the moved target";

/// The words for the checks on a target that has moved.
pub(super) const RUNNING: &str = "running";
pub(super) const PASSED: &str = "passed";

/// Describes the conflicts with a target that has moved, and how they were settled.
pub(super) fn settled(content: Option<&LandContent>) -> Vec<String> {
    match content {
        Some(LandContent::Tree { resolved, .. }) => resolved
            .iter()
            .map(|resolution| plain_line(&resolution.to_string(), 160))
            .collect(),
        _ => Vec::new(),
    }
}

impl Output {
    pub(super) fn render(&self) -> String {
        let mut lines = self.facts();
        if !self.landed {
            lines.push(format!("tip: {}", self.tip));
            lines.push(format!("target_tip: {}", self.target_tip));
        }
        lines.push(format!("next: {}", self.next));
        lines.join("\n")
    }

    /// Renders what moves, for the user.
    pub(super) fn facts(&self) -> Vec<String> {
        let head = match &self.commit {
            Some(commit) => format!(
                "landed: {} is now {commit} (was {})",
                self.target, self.target_tip
            ),
            None => format!(
                "nothing has moved yet: {} would land on {} ({})",
                self.run,
                self.target,
                self.method.words()
            ),
        };
        let tasks: Vec<String> = self.tasks.iter().map(|task| format!("#{task}")).collect();
        let mut lines = vec![head, format!("{}: {}", tasks.join(", "), self.change)];
        lines.extend(self.board.clone());
        lines.extend(self.settled.iter().map(|line| format!("settled {line}")));
        let missing = self.not_included.iter();
        lines.extend(missing.map(|line| format!("not included: {line}")));
        let left = self.left_behind.iter();
        lines.extend(left.map(|line| format!("in no result: {line}")));
        let secrets = self.secrets.iter();
        lines.extend(secrets.map(|line| format!("a secret would land: {line}")));
        if self.target_has_moved && !self.landed {
            let checks = match self.checks.as_deref() {
                Some(RUNNING) => ", and the checks are running there",
                Some(_) => ", and the checks passed there",
                None => "",
            };
            lines.push(format!(
                "{} has moved since the run started; the work is merged onto it{checks}",
                self.target
            ));
        }
        lines
    }
}
