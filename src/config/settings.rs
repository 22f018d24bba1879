//! The settings: every key with its type, default and meaning.
//!
//! The serialised form is kept in the journal of a run, so a key that an older journal lacks takes
//! its default.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::keys::tables;
use crate::config::kind::{
    BranchPrefix, CommandByGlob, Commands, Count, Dollars, Flag, FolderName, Glob, List, Maybe,
    MergeTool, OwnFolder, OwnPath, PathTemplate, Pool, Processors, Program, Project, RepoFile,
    SandboxCommand, Size, Text, Time, Times, VariableName, Weight,
};
use crate::config::pool_size::PoolSize;
use crate::config::reaction::{Network, OnNewConflict, Reaction, SandboxMode, WebhookFormat};
use crate::config::template::Template;
use crate::merge::rule::Rule;
use crate::model::integration::History;
use crate::model::worker::{Confinement, Isolation};

const MIB: u64 = 1 << 20;

/// Generated files of common build tools.
const GENERATED: [&str; 15] = [
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

const MERGIRAF: [&str; 9] = [
    "mergiraf", "merge", "{base}", "{ours}", "{theirs}", "-p", "{path}", "-o", "{result}",
];

/// Caches of common build tools, and shared memory. Nothing in them is a program that starts automatically.
const CACHES: [&str; 14] = [
    "~/.cache",
    "~/.cargo/registry",
    "~/.cargo/git",
    "~/.cargo/.package-cache",
    "~/.cargo/.global-cache",
    "~/.npm",
    "~/.local/share/pnpm/store",
    "~/.m2/repository",
    "~/.gradle/caches",
    "~/.nuget/packages",
    "~/go/pkg",
    "~/Library/Caches",
    "~/.bun/install/cache",
    "/dev/shm",
];

/// Places of common secrets.
const SECRETS: [&str; 8] = [
    "~/.ssh",
    "~/.gnupg",
    "~/.aws",
    "~/.azure",
    "~/.config/gcloud",
    "~/.kube",
    "~/.docker/config.json",
    "~/.netrc",
];

const CARGO_LOCK: (&str, &str) = ("Cargo.lock", "cargo update --workspace --offline");

tables! {
    /// Start, limits and end of a run.
    run: RunSettings {
        /// First part of branch names (`dispatch/<run>/<task>`) and of ref names.
        branch_prefix: String as BranchPrefix = "dispatch".to_owned(),
        /// Number of attempts that run at once.
        max_parallel: usize as Count = 3,
        /// Number of attempts that run at once in all runs of the repository together; "" means no
        /// limit. Of several runs each applies its own limit.
        max_parallel_total: Option<usize> as Maybe<Count> = None,
        /// The start of a run: a branch, a tag or a commit.
        base: String as Text = "HEAD".to_owned(),
        /// The branch a run is meant for; "" is the branch that is checked out.
        target: Option<String> as Maybe<Text> = None,
        /// Longest time of an attempt.
        timeout: Duration as Time = Duration::from_secs(2 * 3600),
        /// Longest time of an attempt without output.
        stall_timeout: Duration as Time = Duration::from_secs(30 * 60),
        /// Dollars after which no attempt starts, as far as agents report their cost; "" means no limit.
        max_cost: Option<f64> as Maybe<Dollars> = None,
        /// Longest time a run waits for a worker whose usage limit is exhausted. If the limit resets
        /// later than that and nothing else is left to do, the run ends; `dispatch resume` resumes it.
        quota_wait: Duration as Time = Duration::from_secs(3600),
        /// The worker of tasks that name none.
        worker: String as Text = "shell".to_owned(),
        /// The executor of tasks whose worker names none: "local" is this machine, any other is one of
        /// [executors.NAME], such as "hosts", or "hosts:gpu" for a host with that label.
        executor: String as Text = "local".to_owned(),
        /// Print plain lines instead of a live display, and run tasks with `strategy: auto` in the
        /// background.
        keep_terminal_free: bool as Flag = false,
        /// Size of an attempt's output that is kept: bytes, or "512KiB", "8MiB", "1GiB".
        max_log: u64 as Size = 8 * MIB,
        /// Space that stays free on the disks of the repository and the worktrees, besides the size of
        /// a new worktree. With less the run pauses, and resumes automatically when there is enough.
        min_free_space: u64 as Size = 64 * MIB,
        /// Number of worktrees in the repository; "" means no limit. When one more is needed, those of
        /// finished tasks are removed, the oldest first, if everything in them is in git.
        max_worktrees: Option<usize> as Maybe<Count> = None,
        /// The same for the disk space of worktrees, logs and caches, such as "20GiB".
        max_total_disk: Option<u64> as Maybe<Size> = None,
        /// Time that an agent may run after its output reports the end; then it is killed and its result
        /// counts.
        result_grace: Duration as Time = Duration::from_secs(30),
        /// Names of variables whose values are masked in everything that is recorded or shown, besides
        /// those whose names look like a secret's: KEY, TOKEN, SECRET, PASSWORD and the like.
        secrets: Vec<String> as List<VariableName> = Vec::new(),
        /// Number of dispatch levels that may run below a worker; with 0 a worker cannot start a run.
        max_depth: u32 as Times = 0,
        /// When an attempt changes something that all worktrees share (branches, configuration, hooks, the
        /// main checkout): "warn" on the board, "fail" the attempt, or "ignore" it.
        outside_writes: Reaction as Reaction = Reaction::Warn,
    }

    /// Prompts of workers.
    prompt: PromptSettings {
        /// Your own prompt template, as a path from the top folder of the repository; "" is the
        /// built-in one. `dispatch help prompts` lists what it can use.
        template: Option<String> as Maybe<Text> = None,
    } with {
        /// The content of that file when the run started.
        template_text: Option<String>,
    }

    /// The planner of `dispatch plan new`.
    plan: PlanSettings {
        /// The worker that plans; "" is that of `[run]`.
        worker: Option<String> as Maybe<Text> = None,
        /// Your own prompt template of the planner, as a path from the top folder of the repository;
        /// "" is the built-in one. `dispatch help planning` lists what it can use.
        template: Option<String> as Maybe<Text> = None,
        /// Longest time of one call of the planner.
        timeout: Duration as Time = Duration::from_secs(20 * 60),
    } with {
        /// The content of that file.
        template_text: Option<String>,
    }

    /// Tasks with variants.
    variants: VariantSettings {
        /// The worker that chooses among the variants of a task that names no judge; "" is the rule.
        judge: Option<String> as Maybe<Text> = None,
    }

    /// Places and contents of worktrees.
    worktree: WorktreeSettings {
        /// The path of a worktree, outside the repository; {repo}, {run} and {task} are filled in.
        path: String as PathTemplate = "../{repo}.dispatch/{run}/{task}".to_owned(),
        /// Globs of ignored files, such as ".env", that are copied into a new worktree.
        copy: Vec<String> as List<Glob> = Vec::new(),
        /// Untracked paths, such as "node_modules", that are linked into a new worktree.
        link: Vec<String> as List<RepoFile> = Vec::new(),
        /// Check out submodules in new worktrees: those that are initialised in the checkout, or all if
        /// none is. Commits that the repository has need no network.
        submodules: bool as Flag = false,
        /// "clone": while a worker runs, its git has branches, settings, stash and objects of its own, and
        /// only reads the repository's; what it commits is checked and taken over. In the sandbox that is
        /// so with "worktree", too.
        isolation: Isolation as Isolation = Isolation::Worktree,
        /// Shell commands in a new worktree, before the worker, the checks or the hooks: one string or a
        /// list. Nothing that they write becomes part of a result.
        setup: Vec<String> as Commands = Vec::new(),
        /// Shell commands in a worktree, before it is removed.
        teardown: Vec<String> as Commands = Vec::new(),
        /// Worktrees that one task after another uses, at paths that stay the same: "auto" for as many as
        /// run at the same time, or the most there may be; 0 for a new worktree for every attempt.
        pool: PoolSize as Pool = PoolSize::Off,
        /// Ignored folders, such as "target" or "web/node_modules", that stay in a worktree of the pool
        /// from task to task. A name counts at any depth. All else that git ignores goes.
        keep: Vec<String> as List<FolderName> = Vec::new(),
        /// Files, such as "package-lock.json". In a worktree of the pool that is set up, `setup` runs
        /// again only if one of them differs; without any, for every task.
        setup_when: Vec<String> as List<RepoFile> = Vec::new(),
        /// With `setup_when`, new worktrees of the pool are copies of one that is set up: "auto" where
        /// copies share their blocks on disk and no file that `setup` makes has the path of its worktree
        /// in it, or "always", or "never".
        pool_template: Template as Template = Template::Auto,
        /// Time after which a worktree of the pool that no task used is removed, at the end of a run and by
        /// `dispatch clean`; "" means never.
        pool_ttl: Option<Duration> as Maybe<Time> = Some(Duration::from_secs(7 * 24 * 3600)),
    }

    /// Retries of failed attempts.
    retry: RetrySettings {
        /// Retries of a task after a transient failure: timeout, network, flaky.
        transient: u32 as Times = 2,
        /// Retries of a task after a rate limit of its provider, counted separately.
        rate_limit: u32 as Times = 5,
        /// Re-dispatches of a task that conflicts with another, on top of the other's result.
        conflict: u32 as Times = 1,
        /// Delay before the first retry; it doubles with each retry, minus a random part.
        base_delay: Duration as Time = Duration::from_secs(5),
        /// Longest delay.
        max_delay: Duration as Time = Duration::from_secs(5 * 60),
        /// Retries of a whole run.
        budget: u32 as Times = 20,
    }

    /// Classes of failures.
    failure: FailureSettings {
        /// A file with more error texts, as a path from the top folder of the repository; "" is none.
        /// `dispatch help failures` describes its form.
        patterns: Option<String> as Maybe<Text> = None,
    } with {
        /// The content of that file when the run started.
        pattern_text: Option<String>,
    }

    /// Conflicts while tasks run.
    conflicts: ConflictSettings {
        /// When the work of two tasks conflicts while one of them runs: "note" it on the board, "notify"
        /// the workers in the file DISPATCH_CONFLICTS_FILE names, or "pause-later-task": meanwhile start
        /// no task that declares the conflicting files.
        on_new: OnNewConflict as OnNewConflict = OnNewConflict::Note,
        /// When a task changes paths outside its `files`: "ignore" it, "warn", or "fail" the attempt.
        scope: Reaction as Reaction = Reaction::Warn,
        /// Globs of generated files; one without a slash matches in every folder.
        generated: Vec<String> as List<Glob> = GENERATED.map(str::to_owned).to_vec(),
    }

    /// The integration branch and its checks.
    assemble: AssembleSettings {
        /// Shell commands that must exit 0 on the integration branch: one string or a list. One that
        /// writes JUnit XML to $DISPATCH_JUNIT_FILE is judged test by test.
        check: Vec<String> as Commands = Vec::new(),
        /// Longest time of one check.
        check_timeout: Duration as Time = Duration::from_secs(10 * 60),
        /// The shape of the history: "merge" is one merge commit a task, "squash" one ordinary commit a
        /// task, "linear" each task's own commits on top of one another.
        history: History as History = History::Merge,
        /// Number of times that a failed check is repeated before a task is called the culprit.
        flaky_reruns: u32 as Times = 1,
        /// Run the checks of a run in a worktree of the pool, with the caches of its tasks. A check may
        /// then pass because of what a task left in a kept folder.
        warm: bool as Flag = false,
    }

    /// Conflicts that are resolved automatically.
    resolve: ResolveSettings {
        /// Conflicts that are resolved by rule; further rules are "imports", "version",
        /// "insert-insert", "adjacent" and "comment".
        policy: Vec<Rule> as List<Rule> = Rule::CAUTIOUS.to_vec(),
        /// A structural merge tool and its arguments, used if it is installed; [] is none.
        structural: Vec<String> as MergeTool = MERGIRAF.map(str::to_owned).to_vec(),
        /// The command that generates a conflicting file again, by path or glob; "" removes one.
        regenerate: BTreeMap<String, String> as CommandByGlob =
            BTreeMap::from([(CARGO_LOCK.0.to_owned(), CARGO_LOCK.1.to_owned())]),
    }

    /// The board file.
    board: BoardSettings {
        /// The board file, as a path inside the repository.
        file: String as RepoFile = "DISPATCH.md".to_owned(),
        /// Land the board with the code.
        land: bool as Flag = true,
    }

    /// Notifications.
    notify: NotifySettings {
        /// A program and its arguments, started when a run ends, a task fails for good or needs
        /// attention, or a worker is parked; [] is none. It gets a JSON object on standard input and has
        /// 10 seconds.
        command: Vec<String> as Program = Vec::new(),
        /// Ring the bell of the terminal then.
        bell: bool as Flag = false,
        /// Show it on the desktop then, with notify-send or osascript.
        desktop: bool as Flag = false,
        /// Post it to this address then, with curl: "https://…", or "$NAME" of a variable that has it.
        webhook: Option<String> as Maybe<Text> = None,
        /// The variable, "$NAME", with a secret; the header X-Hub-Signature-256 then has the HMAC-SHA256
        /// of the body.
        webhook_secret: Option<String> as Maybe<Text> = None,
        /// The body: "json" is the object that `command` gets, "slack" a text for Slack and others.
        webhook_format: WebhookFormat as WebhookFormat = WebhookFormat::Json,
    }

    /// Confinement of workers.
    sandbox: SandboxSettings {
        /// Confine workers and checks: "auto" as far as this machine can, "off", or "require" it to start
        /// anything.
        mode: SandboxMode as SandboxMode = SandboxMode::Auto,
        /// The way to confine: "write" lets them change only their own files, "strict" also shows them
        /// only their own home folder (bubblewrap), "command" is a program of yours.
        kind: Confinement as Confinement = Confinement::Write,
        /// Let workers commit: they can then write git's objects and the branches of their run.
        commits: bool as Flag = true,
        /// Other files and folders that they may change: absolute, below "~/", or "$NAME" of a variable.
        write: Vec<String> as List<OwnPath> = CACHES.map(str::to_owned).to_vec(),
        /// Files and folders that they cannot read, with "strict".
        deny_read: Vec<String> as List<OwnPath> = SECRETS.map(str::to_owned).to_vec(),
        /// The network, with "strict": "open", "loopback" (a device of its own) or "none".
        network: Network as Network = Network::Open,
        /// The program that confines them, with "command", and its arguments; the worker's command
        /// follows them. {worktree}, {tmp}, {git} and {repository_git} are filled in, and "~/" at the
        /// start of a word is your home folder.
        command: Vec<String> as SandboxCommand = Vec::new(),
    }

    /// Resources of a worker or a check: of each process, and in a cgroup of all together.
    limits: LimitSettings {
        /// Memory for data, in a cgroup all memory, such as "8GiB"; "" means no limit.
        memory: Option<u64> as Maybe<Size> = None,
        /// Processes and threads, besides those that run when it starts; in a cgroup its own; "" means no
        /// limit.
        processes: Option<usize> as Maybe<Count> = Some(4096),
        /// Open files; "" means no limit.
        open_files: Option<usize> as Maybe<Count> = None,
        /// Size of a file that it writes, such as "20GiB"; "" means no limit.
        file_size: Option<u64> as Maybe<Size> = None,
        /// Disk space of a worker's worktree while the worker runs, such as "50GiB"; "" means no limit.
        disk: Option<u64> as Maybe<Size> = None,
        /// Processor time of one process; "" means no limit.
        cpu_time: Option<Duration> as Maybe<Time> = None,
        /// Processors that it uses at once, such as 1.5; "" means no limit. It needs a cgroup.
        cpus: Option<f64> as Maybe<Processors> = None,
        /// Its share of busy processors, from 1 to 10000, where other programs have 100; "" is 100. It
        /// needs a cgroup.
        cpu_weight: Option<usize> as Maybe<Weight> = None,
        /// The cgroup in which each worker and check gets one of its own: a folder such as
        /// "/sys/fs/cgroup/dispatch"; "" is the one that systemd delegated to dispatch, if any.
        cgroup: Option<String> as Maybe<OwnPath> = None,
    }

    /// Repositories that you trust.
    trust: TrustSettings {
        /// Folders such as "~/work": what the settings of the repositories in them name may run without a
        /// question. Only your own file and the environment can set it.
        folders: Vec<String> as List<OwnFolder> = Vec::new(),
    }

    /// GitHub.
    github: GithubSettings {
        /// The project board that shows every run while it works: "owner/number", a number of your own, or
        /// "new" for one of each run; "" is none.
        project: Option<String> as Maybe<Project> = None,
        /// Labels of the pull requests of `dispatch land --pr`.
        labels: Vec<String> as List<Text> = Vec::new(),
    }
}

impl TrustSettings {
    /// Returns the folders with `~` replaced by the home folder.
    pub fn expanded_folders(&self) -> Vec<std::path::PathBuf> {
        let home = etcetera::home_dir().ok();
        let expanded = |folder: &String| match folder.strip_prefix('~') {
            Some(rest) => Some(home.as_ref()?.join(rest.trim_start_matches('/'))),
            None => Some(folder.into()),
        };
        self.folders.iter().filter_map(expanded).collect()
    }
}
