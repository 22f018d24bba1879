//! The written-down attempt that travels to a node.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::config::Settings;
use crate::config::settings::{GithubSettings, NotifySettings, WorktreeSettings};
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::remote::PROTOCOL;
use crate::engine::remote::error::RemoteError;
use crate::engine::spec::AttemptSpec;
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
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
            settings: for_node(&context.settings, profile),
            spec: spec.clone(),
            user: user(context),
        }
    }

    /// Writes it as a commit, whose parents are the commits that the node needs.
    pub(super) fn write(&self, context: &Context, store: &Store) -> Result<Oid, RemoteError> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| RemoteError::Invalid {
            what: FILE.to_owned(),
            why: error.to_string(),
        })?;
        let blob = store.write_blob(&text)?;
        let tree = store.write_tree(&[(FILE, blob)])?;
        let needed = self.needed();
        let parents: Vec<Oid> = needed.into_iter().filter(|oid| store.has(*oid)).collect();
        let (task, attempt) = (self.spec.task, self.spec.attempt);
        let trailers = context.trailers(task, attempt);
        Ok(store.write_own_commit(&NewCommit {
            tree,
            parents: &parents,
            message: &format!("Attempt {attempt} at {task} of {}\n\n{trailers}", self.run),
            time: context.clock.now(),
            by: By::Dispatch,
        })?)
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
        let all = std::iter::once(self.base)
            .chain(dependencies)
            .chain(spec.known.iter().copied())
            .chain(failed)
            .chain(sides.into_iter().flatten());
        let mut seen = BTreeSet::new();
        all.filter(|oid| seen.insert(oid.to_string())).collect()
    }
}

/// Reads a JSON file of a commit's tree, whose protocol must be this one.
pub(super) fn read_record<T: for<'a> Deserialize<'a>>(
    store: &Store,
    commit: Oid,
    file: &str,
) -> Result<T, RemoteError> {
    let invalid = |why: String| RemoteError::Invalid {
        what: file.to_owned(),
        why,
    };
    let entry = store.entry(store.tree_of(commit)?, file)?;
    let entry = entry.ok_or_else(|| invalid("it is missing".to_owned()))?;
    let bytes = store.blob(entry.oid)?;
    let json: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
    // The protocol is read first, as all else may have another form.
    let theirs = json.get("protocol").and_then(serde_json::Value::as_u64);
    if theirs != Some(u64::from(PROTOCOL)) {
        return Err(RemoteError::Protocol {
            what: file.to_owned(),
            theirs: theirs.unwrap_or_default(),
            ours: env!("CARGO_PKG_VERSION"),
        });
    }
    serde_json::from_value(json).map_err(|error| invalid(error.to_string()))
}

/// Returns the settings for a node: it sends no notification, starts nothing elsewhere, and has its worktrees at
/// places of its own.
fn for_node(settings: &Settings, profile: &ExecutorProfile) -> Settings {
    let mut settings = settings.clone();
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

/// Turns a failure of the store into one of the transport.
pub(super) fn with_store<T>(
    context: &Context,
    work: impl FnOnce(&Store) -> Result<T, RemoteError>,
) -> Result<T, RemoteError> {
    let store = Store::open(&context.repo).map_err(EngineError::from)?;
    work(&store)
}
