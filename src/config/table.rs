//! The tables of the wire form and their keys.
//!
//! The declarations below are the only list of what is known: reading, merging, the environment's
//! names and the hints for unknown keys all come from them.

use std::ops::Range;

use crate::config::invalid::Invalid;
use crate::config::number::{Count, Dollars, Size, Time, Times};
use crate::config::program::{CommandByGlob, Commands, MergeTool, Program, WorkerCommand};
use crate::config::settings::{OnNewConflict, SandboxMode, Scope};
use crate::config::value::{
    BranchPrefix, Flag, Glob, Kind, List, Maybe, PathTemplate, Project, RepoFile, Text, Toml,
    VariableName,
};
use crate::merge::verdict::Rule;
use crate::model::integration::History;
use crate::model::worker::{Dialect, PromptBy};

/// Where a value comes from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// Bytes of a file, which is named by its place among the sources.
    File(usize, Range<usize>),
    /// A variable of the environment.
    Variable(String),
    /// A flag of the command line.
    Flag(String),
}

/// A finding and the value it is about.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// Where.
    pub(super) origin: Origin,
    /// What.
    pub(super) wrong: Invalid,
}

/// A value that somebody wrote.
#[derive(Clone, Debug)]
pub(super) struct Given<T> {
    /// What was written.
    pub(super) value: T,
    /// Where.
    pub(super) origin: Origin,
}

/// A table whose keys are known.
pub(super) trait Table: Default {
    /// The keys.
    const KEYS: &'static [&'static str];

    /// Reads the value of a key; `false` if there is no such key.
    fn set(
        &mut self,
        key: &str,
        value: &Toml<'_>,
        origin: &Origin,
        found: &mut Vec<Finding>,
    ) -> bool;

    /// Takes from `below` what it does not say itself.
    fn over(self, below: Self) -> Self;
}

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident { $($key:ident: $kind:ty,)* })*) => {
        $($(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub(super) struct $name {
            $(pub(super) $key: Option<Given<<$kind as Kind>::Value>>,)*
        }

        impl Table for $name {
            const KEYS: &'static [&'static str] = &[$(stringify!($key)),*];

            fn set(&mut self, key: &str, value: &Toml<'_>, origin: &Origin, found: &mut Vec<Finding>) -> bool {
                match key {
                    $(stringify!($key) => {
                        if let Some(given) = read::<$kind>(stringify!($key), value, origin, found) {
                            self.$key = Some(given);
                        }
                    })*
                    _ => return false,
                }
                true
            }

            fn over(self, below: Self) -> Self {
                $name { $($key: over::<$kind>(self.$key, below.$key),)* }
            }
        })*
    };
}

tables! {
    /// `[run]`
    RunTable {
        branch_prefix: BranchPrefix,
        max_parallel: Count,
        max_parallel_total: Maybe<Count>,
        base: Text,
        target: Maybe<Text>,
        timeout: Time,
        stall_timeout: Time,
        max_cost: Maybe<Dollars>,
        quota_wait: Time,
        worker: Text,
        keep_terminal_free: Flag,
        max_log: Size,
        min_free_space: Size,
        max_worktrees: Maybe<Count>,
        max_total_disk: Maybe<Size>,
        result_grace: Time,
        max_depth: Times,
        outside_writes: Scope,
    }
    /// `[workers.NAME]`
    WorkerTable {
        command: WorkerCommand,
        prompt: PromptBy,
        dialect: Dialect,
        model: Maybe<Text>,
        permission_mode: Maybe<Text>,
        env: List<VariableName>,
        concurrency: Maybe<Count>,
        stagger: Maybe<Time>,
        timeout: Maybe<Time>,
        stall_timeout: Maybe<Time>,
        max_turns: Maybe<Count>,
        max_cost: Maybe<Dollars>,
        fallback: List<Text>,
        retry_in_place: Flag,
    }
    /// `[prompt]`
    PromptTable {
        template: Maybe<Text>,
    }
    /// `[worktree]`
    WorktreeTable {
        path: PathTemplate,
        copy: List<Glob>,
        link: List<RepoFile>,
        setup: Commands,
        teardown: Commands,
    }
    /// `[retry]`
    RetryTable {
        transient: Times,
        rate_limit: Times,
        conflict: Times,
        base_delay: Time,
        max_delay: Time,
        budget: Times,
    }
    /// `[failure]`
    FailureTable {
        patterns: Maybe<Text>,
    }
    /// `[conflicts]`
    ConflictsTable {
        on_new: OnNewConflict,
        scope: Scope,
        generated: List<Glob>,
    }
    /// `[assemble]`
    AssembleTable {
        check: Commands,
        check_timeout: Time,
        history: History,
        flaky_reruns: Times,
    }
    /// `[resolve]`
    ResolveTable {
        policy: List<Rule>,
        structural: MergeTool,
        regenerate: CommandByGlob,
    }
    /// `[board]`
    BoardTable {
        file: RepoFile,
        land: Flag,
    }
    /// `[notify]`
    NotifyTable {
        command: Program,
        bell: Flag,
        desktop: Flag,
    }
    /// `[sandbox]`
    SandboxTable {
        mode: SandboxMode,
    }
    /// `[github]`
    GithubTable {
        project: Maybe<Project>,
        labels: List<Text>,
    }
}

fn read<K: Kind>(
    key: &str,
    value: &Toml<'_>,
    origin: &Origin,
    found: &mut Vec<Finding>,
) -> Option<Given<K::Value>> {
    match K::read(value) {
        Ok(value) => Some(Given {
            value,
            origin: origin.clone(),
        }),
        Err(all) => {
            found.extend(all.into_iter().map(|wrong| placed(key, wrong, origin)));
            None
        }
    }
}

/// Variables and flags name their key themselves.
fn placed(key: &str, mut wrong: Invalid, origin: &Origin) -> Finding {
    let mut origin = origin.clone();
    if let Origin::File(_, span) = &mut origin {
        wrong.message = format!("{key}: {}", wrong.message);
        *span = wrong.span.clone().unwrap_or(span.clone());
    }
    Finding { origin, wrong }
}

fn over<K: Kind>(
    above: Option<Given<K::Value>>,
    below: Option<Given<K::Value>>,
) -> Option<Given<K::Value>> {
    match (above, below) {
        (Some(above), Some(below)) => Some(Given {
            value: K::over(above.value, below.value),
            origin: above.origin,
        }),
        (above, below) => above.or(below),
    }
}
