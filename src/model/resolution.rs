//! What settled a conflict while candidates were put together, and what was tried in vain.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::merge::change::RepoPath;
use crate::merge::change::paths_in_short;
use crate::merge::class::{Class, HunkClass};
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::model::task_list::and_list;

/// One conflict of a candidate with what was in before, and what settled it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Resolution {
    /// What it was.
    pub class: Class,
    /// Where it was.
    pub paths: Vec<RepoPath>,
    /// What settled it.
    pub by: Resolver,
}

/// What settled a conflict.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "strategy", rename_all = "kebab-case")]
pub enum Resolver {
    /// git, over the commit the candidate was built on: history alone gives it several bases.
    OwnBase {
        /// That commit.
        base: Oid,
    },
    /// Rules for the places of a text; none of them for a file of which only the mode differed.
    Rules {
        /// Which, mildest first.
        rules: Vec<HunkClass>,
    },
    /// Commands that made the files anew.
    Regenerated {
        /// Which, in order.
        commands: Vec<String>,
    },
    /// A structural merge tool.
    Structural {
        /// Its name.
        tool: String,
    },
    /// What a person did with the same files before.
    Recorded {
        /// The commit on `refs/dispatch/resolutions` that keeps it.
        commit: Oid,
    },
    /// The task was done again on top of these.
    Redispatched {
        /// Which.
        on: Vec<TaskNumber>,
    },
    /// A person, in a worktree with the conflict in it.
    Manual {},
}

/// The rungs of the ladder, the surest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResolutionStrategy {
    /// [`Resolver::OwnBase`]
    OwnBase,
    /// [`Resolver::Rules`]
    Rules,
    /// [`Resolver::Regenerated`]
    Regenerated,
    /// [`Resolver::Structural`]
    Structural,
    /// [`Resolver::Remembered`]
    Recorded,
    /// The task was done again on top of the others. As one that was tried: what came of it conflicts,
    /// too.
    Redispatched,
    /// [`Resolver::ByHand`]
    Manual,
}

/// A rung that did not hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FailedStrategy {
    /// Which.
    pub strategy: ResolutionStrategy,
    /// Why not, in a few words.
    pub reason: String,
}

impl Resolver {
    /// Its place on the ladder.
    pub fn strategy(&self) -> ResolutionStrategy {
        match self {
            Resolver::OwnBase { .. } => ResolutionStrategy::OwnBase,
            Resolver::Rules { .. } => ResolutionStrategy::Rules,
            Resolver::Regenerated { .. } => ResolutionStrategy::Regenerated,
            Resolver::Structural { .. } => ResolutionStrategy::Structural,
            Resolver::Recorded { .. } => ResolutionStrategy::Recorded,
            Resolver::Redispatched { .. } => ResolutionStrategy::Redispatched,
            Resolver::Manual {} => ResolutionStrategy::Manual,
        }
    }
}

impl ResolutionStrategy {
    /// Whether it belongs to the task's own result, which stands or falls with it: an assembly cannot
    /// take it back and try another one.
    pub fn is_part_of_candidate(self) -> bool {
        matches!(
            self,
            ResolutionStrategy::Redispatched | ResolutionStrategy::Manual
        )
    }

    /// The word for it in JSON.
    pub fn name(self) -> &'static str {
        match self {
            ResolutionStrategy::OwnBase => "own-base",
            ResolutionStrategy::Rules => "rules",
            ResolutionStrategy::Regenerated => "regenerated",
            ResolutionStrategy::Structural => "structural",
            ResolutionStrategy::Recorded => "recorded",
            ResolutionStrategy::Redispatched => "redispatched",
            ResolutionStrategy::Manual => "manual",
        }
    }
}

impl fmt::Display for ResolutionStrategy {
    /// As it stands in front of why it did not hold.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ResolutionStrategy::OwnBase => "git over its own base",
            ResolutionStrategy::Rules => "the rules",
            ResolutionStrategy::Regenerated => "making it anew",
            ResolutionStrategy::Structural => "the structural merge",
            ResolutionStrategy::Recorded => "the recorded resolution",
            ResolutionStrategy::Redispatched => "dispatching it again",
            ResolutionStrategy::Manual => "settling it by hand",
        })
    }
}

impl fmt::Display for Resolver {
    /// `by rule (whitespace)`, `made anew by cargo update`: on one line if its parts are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resolver::OwnBase { base } => {
                write!(f, "merged over {}, which it was built on", base.short())
            }
            Resolver::Rules { rules } if rules.is_empty() => write!(f, "by rule (exec-bit)"),
            Resolver::Rules { rules } => {
                let names: Vec<&str> = rules.iter().map(|rule| rule.name()).collect();
                write!(f, "by rule ({})", names.join(", "))
            }
            Resolver::Regenerated { commands } => {
                write!(f, "made anew by {}", commands.join("; "))
            }
            Resolver::Structural { tool } => write!(f, "by {tool}"),
            Resolver::Recorded { commit } => {
                write!(f, "as a person did before ({})", commit.short())
            }
            Resolver::Redispatched { on } if on.is_empty() => write!(f, "by doing it again"),
            Resolver::Redispatched { on } => {
                write!(f, "by doing it again on top of {}", and_list(on))
            }
            Resolver::Manual {} => write!(f, "by hand"),
        }
    }
}

impl fmt::Display for Resolution {
    /// `src/app.ts (content) by rule (whitespace)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths = paths_in_short(&self.paths);
        write!(f, "{paths} ({}) {}", self.class, self.by)
    }
}

impl fmt::Display for FailedStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.strategy, self.reason)
    }
}
