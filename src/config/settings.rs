//! The resolved settings: every value is there, and every value is valid.
//!
//! [`Default`] is the one place where defaults stand. The serde form is journalled with the run, so
//! a table that gains a key takes the default when an older journal is read.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::builtin;
use crate::failure::patterns::Patterns;
use crate::merge::verdict::Rule;
use crate::model::integration::History;
use crate::model::worker::Worker;

/// Everything that can be configured.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// What a run does unless the plan says otherwise.
    pub run: RunSettings,
    /// The worker profiles by name: the built-in ones, changed and joined by `[workers.NAME]`.
    pub workers: BTreeMap<String, Worker>,
    /// What workers are told.
    pub prompt: PromptSettings,
    /// Where worktrees are and how they are prepared.
    pub worktree: WorktreeSettings,
    /// When a failed attempt is tried again.
    pub retry: RetrySettings,
    /// How failures are classed.
    pub failure: FailureSettings,
    /// What happens about conflicts while tasks run.
    pub conflicts: ConflictSettings,
    /// How candidates become one branch.
    pub assemble: AssembleSettings,
    /// Which conflicts may be resolved without a person.
    pub resolve: ResolveSettings,
    /// The board file.
    pub board: BoardSettings,
    /// Who is told.
    pub notify: NotifySettings,
    /// How workers are confined.
    pub sandbox: SandboxSettings,
    /// The mirror on GitHub.
    pub github: GithubSettings,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            run: RunSettings::default(),
            workers: builtin::workers(),
            prompt: PromptSettings::default(),
            worktree: WorktreeSettings::default(),
            retry: RetrySettings::default(),
            failure: FailureSettings::default(),
            conflicts: ConflictSettings::default(),
            assemble: AssembleSettings::default(),
            resolve: ResolveSettings::default(),
            board: BoardSettings::default(),
            notify: NotifySettings::default(),
            sandbox: SandboxSettings::default(),
            github: GithubSettings::default(),
        }
    }
}

/// `[run]`
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct RunSettings {
    /// First part of the names of branches and refs.
    pub branch_prefix: String,
    /// Attempts alive at once; at least 1.
    pub max_parallel: usize,
    /// Attempts alive at once in all runs of the repository together.
    pub max_parallel_total: Option<usize>,
    /// What a run starts from.
    pub base: String,
    /// The branch the result is meant for; the branch that is checked out if absent.
    pub target: Option<String>,
    /// Longest time an attempt may take.
    pub timeout: Duration,
    /// Longest time an attempt may be silent.
    pub stall_timeout: Duration,
    /// Dollars after which nothing more is started.
    pub max_cost: Option<f64>,
    /// How far away the end of a worker's limit may be for the run to wait for it.
    pub quota_wait: Duration,
    /// The worker of tasks that name none.
    pub worker: String,
    /// Never put anything but lines on the terminal, so that other programs can use it.
    pub keep_terminal_free: bool,
    /// Bytes of an attempt's output that are kept.
    pub max_log: u64,
    /// Bytes that stay free on the file systems of the repository and of the worktrees.
    pub min_free_space: u64,
    /// Worktrees of dispatch there may be in the repository.
    pub max_worktrees: Option<usize>,
    /// Bytes that worktrees and what dispatch keeps in the repository may take.
    pub max_total_disk: Option<u64>,
    /// How long an agent may live on after it has said that it is done.
    pub result_grace: Duration,
    /// How deep below another dispatch this one may run workers.
    pub max_depth: u32,
    /// The answer to a change outside an attempt's worktree while it ran.
    pub outside_writes: Scope,
}

impl Default for RunSettings {
    fn default() -> RunSettings {
        RunSettings {
            branch_prefix: "dispatch".to_owned(),
            max_parallel: 3,
            max_parallel_total: None,
            base: "HEAD".to_owned(),
            target: None,
            timeout: Duration::from_secs(2 * 3600),
            stall_timeout: Duration::from_secs(30 * 60),
            max_cost: None,
            quota_wait: Duration::from_secs(3600),
            worker: "shell".to_owned(),
            keep_terminal_free: false,
            max_log: 8 * 1024 * 1024,
            min_free_space: 64 * 1024 * 1024,
            max_worktrees: None,
            max_total_disk: None,
            result_grace: Duration::from_secs(30),
            max_depth: 0,
            outside_writes: Scope::Warn,
        }
    }
}

/// `[prompt]`
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PromptSettings {
    /// The file of the template of prompts; a relative path counts from the top folder of the
    /// repository.
    pub template: Option<String>,
    /// What stood in that file when the run was started.
    pub template_text: Option<String>,
}

/// `[worktree]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct WorktreeSettings {
    /// Where a worktree is; `{repo}`, `{run}` and `{task}` are replaced. See
    /// [`WorktreeSettings::folder`].
    pub path: String,
    /// Globs of untracked files that a new worktree gets as copies.
    pub copy: Vec<String>,
    /// Untracked paths that a new worktree gets as symbolic links.
    pub link: Vec<String>,
    /// Commands run in a new worktree before the worker.
    pub setup: Vec<String>,
    /// Commands run in a worktree before it is removed.
    pub teardown: Vec<String>,
}

impl Default for WorktreeSettings {
    fn default() -> WorktreeSettings {
        WorktreeSettings {
            path: "../{repo}.dispatch/{run}/{task}".to_owned(),
            copy: Vec::new(),
            link: Vec::new(),
            setup: Vec::new(),
            teardown: Vec::new(),
        }
    }
}

impl WorktreeSettings {
    /// The folder of a task's worktree. A relative template counts from the top folder of the
    /// repository; `.` and `..` are taken out without looking at the disk.
    pub fn folder(&self, repo_top: &Path, run: &str, task: &str) -> PathBuf {
        let repo = repo_top.file_name().unwrap_or_default().to_string_lossy();
        let filled = self
            .path
            .replace("{run}", run)
            .replace("{task}", task)
            .replace("{repo}", &repo);
        normalised(&repo_top.join(filled))
    }
}

fn normalised(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

/// `[retry]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct RetrySettings {
    /// Retries of a task that failed with a transient failure.
    pub transient: u32,
    /// Retries of a task whose provider was asked too often.
    pub rate_limit: u32,
    /// Re-dispatches of a task that conflicts, on top of the other's result.
    pub conflict: u32,
    /// The delay before the first retry, which doubles with every further one.
    pub base_delay: Duration,
    /// The longest delay.
    pub max_delay: Duration,
    /// Retries of a whole run.
    pub budget: u32,
}

impl Default for RetrySettings {
    fn default() -> RetrySettings {
        RetrySettings {
            transient: 2,
            rate_limit: 5,
            conflict: 1,
            base_delay: Duration::from_secs(5),
            max_delay: Duration::from_secs(5 * 60),
            budget: 20,
        }
    }
}

/// `[failure]`
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FailureSettings {
    /// A file of patterns that go before the ones that come with the program; a relative path
    /// counts from the top folder of the repository.
    pub patterns: Option<String>,
    /// What stood in that file when the run was started, so that a run is judged by one measure.
    pub pattern_text: Option<String>,
}

impl FailureSettings {
    /// What workers' words mean.
    pub fn patterns(&self) -> Patterns {
        let below = Patterns::compiled_in();
        // The text was checked when it was read, so a journalled one is right.
        let own = self
            .pattern_text
            .as_deref()
            .and_then(|text| Patterns::parse(text).ok());
        own.map_or_else(|| below.clone(), |own| own.over(below))
    }
}

/// `[conflicts]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct ConflictSettings {
    /// What happens when the work of two tasks turns out to conflict while one of them still runs.
    pub on_new: OnNewConflict,
    /// What happens when a task changes paths outside the `files` it declared.
    pub scope: Scope,
    /// Globs of generated files; one without a slash matches in every folder.
    pub generated: Vec<String>,
}

impl Default for ConflictSettings {
    fn default() -> ConflictSettings {
        let generated = [
            "Cargo.lock",
            "package-lock.json",
            "npm-shrinkwrap.json",
            "yarn.lock",
            "pnpm-lock.yaml",
            "bun.lock",
            "poetry.lock",
            "uv.lock",
            "Pipfile.lock",
            "Gemfile.lock",
            "composer.lock",
            "mix.lock",
            "go.sum",
            "flake.lock",
            "*.snap",
        ];
        ConflictSettings {
            on_new: OnNewConflict::Note,
            scope: Scope::Warn,
            generated: generated.map(str::to_owned).to_vec(),
        }
    }
}

/// What happens when the work of two tasks turns out to conflict while one of them still runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnNewConflict {
    /// It is shown on the board.
    Note,
    /// It is shown, and the workers at work are told.
    Notify,
    /// It is shown, and what declares the files in question is not started while the two are at
    /// work; nothing that runs is stopped.
    #[serde(alias = "pause")]
    PauseLaterTask,
}

/// What happens when a task changes paths it was not to change: outside the `files` it declared, or
/// outside its worktree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Nothing; nobody looks.
    Ignore,
    /// A remark on the board.
    Warn,
    /// The attempt has failed.
    Fail,
}

/// `[assemble]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct AssembleSettings {
    /// Commands that must exit 0 on the assembled branch.
    pub check: Vec<String>,
    /// Longest time one of them may take.
    pub check_timeout: Duration,
    /// The shape of the history.
    pub history: History,
    /// How often a failed check is run again before anyone is blamed.
    pub flaky_reruns: u32,
}

impl Default for AssembleSettings {
    fn default() -> AssembleSettings {
        AssembleSettings {
            check: Vec::new(),
            check_timeout: Duration::from_secs(10 * 60),
            history: History::Merge,
            flaky_reruns: 1,
        }
    }
}

/// `[resolve]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct ResolveSettings {
    /// What may be resolved by rule.
    pub policy: Vec<Rule>,
    /// A structural merge tool with `{base}`, `{ours}`, `{theirs}`, `{path}` and `{result}` in its
    /// arguments, used if it is installed; empty for none.
    pub structural: Vec<String>,
    /// The command that makes a generated file anew, by path or glob.
    pub regenerate: BTreeMap<String, String>,
}

impl Default for ResolveSettings {
    fn default() -> ResolveSettings {
        let structural = [
            "mergiraf", "merge", "{base}", "{ours}", "{theirs}", "-p", "{path}", "-o", "{result}",
        ];
        let cargo = ("Cargo.lock", "cargo update --workspace --offline");
        ResolveSettings {
            policy: Rule::CAUTIOUS.to_vec(),
            structural: structural.map(str::to_owned).to_vec(),
            regenerate: BTreeMap::from([(cargo.0.to_owned(), cargo.1.to_owned())]),
        }
    }
}

/// `[board]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct BoardSettings {
    /// The board file, as a path inside the repository.
    pub file: String,
    /// Whether it is landed with the code.
    pub land: bool,
}

impl Default for BoardSettings {
    fn default() -> BoardSettings {
        BoardSettings {
            file: "DISPATCH.md".to_owned(),
            land: true,
        }
    }
}

/// `[notify]`
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NotifySettings {
    /// A program and its arguments, started when a person should look; empty for none.
    pub command: Vec<String>,
    /// Whether the terminal rings.
    pub bell: bool,
    /// Whether the desktop shows a notification.
    pub desktop: bool,
}

/// `[sandbox]`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SandboxSettings {
    /// Whether workers are confined.
    pub mode: SandboxMode,
}

/// Whether workers are confined.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SandboxMode {
    /// As far as this machine can.
    #[default]
    Auto,
    /// Not at all.
    Off,
    /// Or nothing starts.
    Require,
}

/// `[github]`
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GithubSettings {
    /// The project board that mirrors the run: `owner/number`, or a number of one's own.
    pub project: Option<String>,
    /// Labels of the pull requests of `dispatch land --pr`.
    pub labels: Vec<String>,
}
