//! The written-down attempt that travels to a node.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Settings;
use crate::config::settings::{GithubSettings, NotifySettings, WorktreeSettings};
use crate::engine::kernel::context::Context;
use crate::engine::remote::PROTOCOL;
use crate::engine::remote::error::RemoteError;
use crate::engine::remote::record_commit::{RecordCommit, read_record};
use crate::engine::spec::AttemptSpec;
use crate::git::Store;
use crate::merge::oid::Oid;
use crate::model::executor::ExecutorProfile;
use crate::model::ids::RunId;
use crate::model::plan::Plan;
use crate::plan::{Format, Source, parse, render};

/// The file of a package's tree.
const FILE: &str = "package.json";

/// Everything that a node needs to carry out an attempt, besides commits.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Package {
    /// The version of this format.
    pub(super) protocol: u32,
    /// The version of the program that wrote it.
    pub(super) version: String,
    /// The run.
    pub(super) run: RunId,
    /// The commit that independent tasks start from.
    pub(super) base: Oid,
    /// The plan, as the journal holds it.
    pub(super) plan: String,
    /// The settings of the run, without what only the run itself does.
    pub(super) settings: Settings,
    /// The attempt.
    pub(super) spec: AttemptSpec,
    /// The name and address of the user, for commits.
    #[serde(default)]
    pub(super) user: Option<(String, String)>,
    /// The longest time in which the node pushes nothing.
    pub(super) heartbeat: Duration,
}

impl Package {
    /// Writes an attempt down.
    pub(super) fn of(context: &Context, spec: &AttemptSpec, profile: &ExecutorProfile) -> Package {
        Package {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            run: context.run.clone(),
            base: context.base,
            plan: render(&context.plan, Format::Json),
            settings: for_node(&context.settings, spec, profile),
            spec: spec.clone(),
            user: user(context),
            heartbeat: heartbeat(profile),
        }
    }

    /// Writes it as a commit, whose parents are the commits that the node needs.
    pub(super) fn write(&self, context: &Context, store: &Store) -> Result<Oid, RemoteError> {
        let parents = self.needed().into_iter().filter(|oid| store.has(*oid));
        let (task, attempt) = (self.spec.task, self.spec.attempt);
        let commit = RecordCommit {
            store,
            time: context.clock.now(),
            subject: &format!("Attempt {attempt} at {task} of {}", self.run),
            trailers: &context.trailers(task, attempt),
        };
        commit.write((FILE, self), &[], parents)
    }

    /// Reads the package of a commit.
    ///
    /// # Errors
    /// When it has another protocol, or cannot be read.
    pub(super) fn read(store: &Store, commit: Oid) -> Result<Package, RemoteError> {
        read_record(store, commit, FILE)
    }

    /// Parses its plan.
    pub(super) fn plan(&self) -> Result<Plan, RemoteError> {
        let source = Source {
            name: FILE.to_owned(),
            format: Format::Json,
            text: self.plan.clone(),
        };
        let no_files = |_: &str| Err("a plan in a package holds its prompts".to_owned());
        parse(&source, None, &no_files)
            .plan
            .ok_or_else(|| RemoteError::Invalid {
                what: FILE.to_owned(),
                why: "its plan cannot be read".to_owned(),
            })
    }

    /// Returns the commits that the attempt may read, the base first.
    fn needed(&self) -> Vec<Oid> {
        let spec = &self.spec;
        let dependencies = spec.dependencies.iter().map(|(_, commit)| *commit);
        let failed = spec.failed_before.map(|(_, commit)| commit);
        let conflict = spec.brief.conflict.as_ref();
        let sides = conflict.and_then(|conflict| conflict.sides.as_ref());
        let sides = sides.map(|sides| [sides.run_base, sides.base, sides.candidate, sides.onto]);
        std::iter::once(self.base)
            .chain(dependencies)
            .chain(spec.known.iter().copied())
            .chain(failed)
            .chain(sides.into_iter().flatten())
            .collect()
    }
}

/// Returns the longest time in which a node with a living attempt pushes nothing.
pub(super) fn heartbeat(profile: &ExecutorProfile) -> Duration {
    (profile.lost_after / 5).clamp(Duration::from_secs(1), Duration::from_secs(60))
}

/// Returns the settings for a node: it sends no notification, starts nothing elsewhere, knows no worker but its
/// own, and has its worktrees at places of its own.
fn for_node(settings: &Settings, spec: &AttemptSpec, profile: &ExecutorProfile) -> Settings {
    let mut settings = settings.clone();
    // Commands and variables of others may hold secrets, and are of no use there.
    settings.workers.retain(|name, _| *name == spec.worker.name);
    settings.executors.clear();
    settings.notify = NotifySettings::default();
    settings.github = GithubSettings::default();
    settings.worktree.path = WorktreeSettings::default().path;
    settings.run.max_parallel_total = None;
    settings.run.max_worktrees = None;
    settings.run.max_total_disk = None;
    // Whatever travels is a secret, whatever its name.
    settings.run.secrets.extend(profile.env.iter().cloned());
    settings
}

/// Returns the name and the address with which the user commits.
fn user(context: &Context) -> Option<(String, String)> {
    let line = context.repo.git().line(&["var", "GIT_AUTHOR_IDENT"]).ok()?;
    let (name, rest) = line.split_once(" <")?;
    let (email, _) = rest.split_once('>')?;
    Some((name.to_owned(), email.to_owned()))
}
