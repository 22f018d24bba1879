//! Runs the `git` program with a scrubbed environment and without hooks, prompts, optional locks.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::base::process::{Finished, ProcessError, Program, was_killed};
use crate::base::text::one_line;
use crate::git::filter_failure::{self, FilterFailure};
use crate::git::hook_settings::without_hooks;
use crate::git::reftable_lock::{describe_lock, is_reported};

/// The variables that tie git to one repository, as `git rev-parse --local-env-vars` prints them in
/// git 2.39 to 2.47. Inherited (from a hook, for example) they would name another repository.
pub const LOCAL_ENV_VARS: [&str; 16] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_OBJECT_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
];

/// The variables with settings of the caller, which git calls local as well. They hold for the commands
/// of dispatch and for workers, like those of a file; settings of dispatch are added to them.
pub const CONFIG_ENV_VARS: [&str; 2] = ["GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT"];

/// Other variables that change git's behaviour.
const OTHER_ENV_VARS: [&str; 5] = [
    "GIT_NAMESPACE",
    "GIT_ATTR_SOURCE",
    "GIT_CEILING_DIRECTORIES",
    "GIT_TRACE",
    "LANGUAGE",
];

/// The setting that turns off the hooks of the hooks folder.
const NO_HOOKS: &str = "core.hooksPath=/dev/null";

/// Settings of every call. The file-system monitor is a program that the repository names, as hooks are;
/// automatic gc must not start during a run.
const SETTINGS: [&str; 5] = [
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "advice.detachedHead=false",
];

/// The `git` program, run in one folder.
#[derive(Clone, Debug)]
pub struct Git {
    folder: PathBuf,
    hooks: bool,
    foreground: bool,
    env: Vec<(String, OsString)>,
    settings: Vec<String>,
    holding: Option<Arc<File>>,
}

/// A git command failed.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// git could not be started.
    #[error(transparent)]
    Start(#[from] ProcessError),
    /// git exited with an error.
    #[error("`git {command}` in {} failed: {message}", folder.display())]
    Failed {
        /// The subcommand and its arguments.
        command: String,
        /// The folder it ran in.
        folder: PathBuf,
        /// The exit code; none after a signal.
        code: Option<i32>,
        /// `true` if it was killed from outside.
        killed: bool,
        /// Its standard error, in one line.
        message: String,
    },
    /// A filter of the repository failed.
    #[error(transparent)]
    Filter(Box<FailedFilter>),
    /// The log of a reference cannot be read.
    #[error("could not read the log {}", .0.display())]
    Log(PathBuf, #[source] std::io::Error),
    /// The settings for git in worktrees cannot be read or kept.
    #[error("could not use the settings in {}", .0.display())]
    Settings(PathBuf, #[source] std::io::Error),
}

/// A filter that failed on a file.
#[derive(Debug, thiserror::Error)]
#[error("{setting} = `{program}` failed{}: {message}", .path.as_ref().map(|path| format!(" for {path}")).unwrap_or_default())]
pub struct FailedFilter {
    /// The setting, such as `filter.crypt.smudge`.
    pub setting: String,
    /// Its command.
    pub program: String,
    /// The file, if git names it.
    pub path: Option<String>,
    /// The first message, in one line.
    pub message: String,
}

impl GitError {
    /// Returns `true` if git was killed from outside (by a user, or for lack of memory), which says
    /// nothing about its input.
    pub fn was_killed(&self) -> bool {
        matches!(self, GitError::Failed { killed: true, .. })
    }

    /// Suggests a way out of an error whose cause is a setting of the repository.
    pub fn way_out(&self) -> Option<String> {
        let GitError::Filter(failed) = self else {
            return None;
        };
        let setting = &failed.setting;
        let driver = setting.rsplit_once('.');
        let driver = driver.map_or("filter", |(driver, _)| driver);
        Some(format!(
            "install the program that `{setting}` names; if it reads a key from the git folder, let it \
             use `git rev-parse --git-common-dir`, because `--git-dir` of a worktree is another \
             folder; or do without the filter: `git config {driver}.required false`"
        ))
    }
}

impl Git {
    /// Creates a git for this folder.
    pub fn at(folder: impl Into<PathBuf>) -> Git {
        Git {
            folder: folder.into(),
            hooks: false,
            foreground: false,
            env: Vec::new(),
            settings: Vec::new(),
            holding: None,
        }
    }

    /// Turns on the user's hooks, for operations the user asked for (`dispatch land`).
    #[must_use]
    pub fn with_hooks(mut self) -> Git {
        self.hooks = true;
        self.in_foreground()
    }

    /// Lets git prompt on the terminal (for a signing passphrase), and lets Ctrl-C end it. Elsewhere
    /// the loop decides how a Ctrl-C affects the run.
    #[must_use]
    pub fn in_foreground(mut self) -> Git {
        self.foreground = true;
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Git {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Keeps git from fetching, also objects that a partial clone lacks: addresses and settings of a remote
    /// can name programs. Versions of git that do not know the first variable use no protocol.
    #[must_use]
    pub fn without_fetches(self) -> Git {
        self.env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_ALLOW_PROTOCOL", "none")
    }

    /// Lets git fetch from folders of this machine only, after [`Git::without_fetches`] too. The other side
    /// fetches nothing itself.
    #[must_use]
    pub fn with_fetches_from_folders(self) -> Git {
        self.env("GIT_ALLOW_PROTOCOL", "file")
    }

    /// Adds a setting such as `core.compression=0`, which overrides all configuration.
    #[must_use]
    pub fn setting(mut self, setting: &str) -> Git {
        self.settings.push(setting.to_owned());
        self
    }

    /// Passes this file as standard input, so that a lock on it is held until git exits.
    #[must_use]
    pub fn holding(mut self, file: Arc<File>) -> Git {
        self.holding = Some(file);
        self
    }

    /// The folder it runs in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the program with everything set but its subcommand.
    pub fn program(&self) -> Program {
        let mut program = Program::new("git").folder(&self.folder);
        let removed = LOCAL_ENV_VARS.iter().chain(&OTHER_ENV_VARS);
        for name in removed.filter(|name| !CONFIG_ENV_VARS.contains(name)) {
            program = program.env_remove(name);
        }
        program = program
            .env("GIT_OPTIONAL_LOCKS", "0")
            // `refs/replace` exchanges commits without a trace, and libgit2 ignores it.
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_EDITOR", "true")
            .env("LC_ALL", "C");
        for (name, value) in &self.env {
            program = program.env(name, value);
        }
        if !self.foreground {
            program = program.own_group();
        }
        if let Some(file) = &self.holding {
            program = program.holding(Arc::clone(file));
        }
        if !self.foreground {
            // Without it git reads the configuration once more, for the pager.
            program = program.arg("--no-pager");
        }
        let no_hooks = match self.hooks {
            true => Vec::new(),
            false => [vec![NO_HOOKS.to_owned()], without_hooks()].concat(),
        };
        let settings = no_hooks.iter().map(String::as_str).chain(SETTINGS);
        for setting in settings.chain(self.settings.iter().map(String::as_str)) {
            program = program.arg("-c").arg(setting);
        }
        program
    }

    /// Runs a subcommand and returns its exit status and output, whatever the status.
    ///
    /// # Errors
    /// When git cannot be started.
    pub fn finish<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
    ) -> Result<Finished, GitError> {
        Ok(self.program().args(args).output()?)
    }

    /// Runs a subcommand for at most this long, and no longer than until `is_over` returns `true`; `None` if it
    /// was killed then, with the programs that it had started.
    ///
    /// # Errors
    /// When git cannot be started.
    pub fn finish_until<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        limit: Duration,
        is_over: impl Fn() -> bool,
    ) -> Result<Option<Finished>, GitError> {
        Ok(self.program().args(args).output_until(limit, is_over)?)
    }

    /// Runs a subcommand that must succeed and returns its standard output.
    ///
    /// # Errors
    /// When git cannot be started or exits with another code than 0.
    pub fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Vec<u8>, GitError> {
        let finished = self.finish(args)?;
        if finished.status.success() {
            return Ok(finished.stdout);
        }
        Err(self.failed(args, &finished))
    }

    /// Runs a subcommand and returns its standard output; `None` if git cannot read what it is asked for.
    ///
    /// # Errors
    /// When git cannot be started, or was killed, which tells nothing.
    pub(super) fn run_unless_invalid(&self, args: &[&str]) -> Result<Option<Vec<u8>>, GitError> {
        match self.run(args) {
            Ok(output) => Ok(Some(output)),
            Err(GitError::Failed { killed: false, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a setting with `git config` and these arguments; `None` if it is not set.
    ///
    /// # Errors
    /// When git cannot be started or the configuration cannot be read.
    pub(super) fn config(&self, args: &[&str]) -> Result<Option<String>, GitError> {
        let args = [&["config"], args].concat();
        let finished = self.finish(&args)?;
        match finished.status.code() {
            Some(0) => {
                let value = String::from_utf8_lossy(&finished.stdout);
                Ok(Some(value.trim_end().to_owned()))
            }
            Some(1) => Ok(None),
            _ => Err(self.failed(&args, &finished)),
        }
    }

    /// Builds the error for a filter that failed; its command may be that of a long-running process.
    fn failed_filter(&self, said: &str) -> Option<GitError> {
        let Some(FilterFailure { setting, path }) = FilterFailure::find(said) else {
            return self.failed_process(said);
        };
        let value = |key: &str| {
            let finished = self.finish(["config", "--get", key]).ok()?;
            let value = String::from_utf8_lossy(&finished.stdout)
                .trim_end()
                .to_owned();
            (!value.is_empty()).then_some(value)
        };
        let (driver, _) = setting.rsplit_once('.')?;
        let process = format!("{driver}.process");
        let (setting, program) = match value(&process) {
            Some(program) => (process, program),
            None => (setting.clone(), value(&setting).unwrap_or_default()),
        };
        Some(GitError::Filter(Box::new(FailedFilter {
            setting,
            program,
            path: Some(path),
            message: one_line(said.lines().next().unwrap_or_default()),
        })))
    }

    /// Builds the error for a long-running filter that could not be started.
    fn failed_process(&self, said: &str) -> Option<GitError> {
        if !filter_failure::says_hung_up(said) {
            return None;
        }
        let list = ["config", "-z", "--get-regexp", r"^filter\..*\.process$"];
        let listed = self.finish(list).ok()?;
        let listed = String::from_utf8_lossy(&listed.stdout);
        let (setting, program, message) = filter_failure::find_process(said, &listed)?;
        Some(GitError::Filter(Box::new(FailedFilter {
            setting,
            program,
            path: None,
            message: one_line(&message),
        })))
    }

    /// Builds the error for a command with an unexpected exit.
    pub fn failed<S: AsRef<OsStr>>(&self, args: &[S], finished: &Finished) -> GitError {
        let mut words: Vec<_> = args
            .iter()
            .map(|arg| arg.as_ref().to_string_lossy())
            .collect();
        // Settings of dispatch do not help the reader and push the cause out of a short line.
        while words.len() > 2 && words[0] == "-c" {
            words.drain(..2);
        }
        let said = String::from_utf8_lossy(&finished.stderr);
        if let Some(failed) = self.failed_filter(&said) {
            return failed;
        }
        let message = match one_line(&said) {
            empty if empty.is_empty() => finished.status.to_string(),
            said => self.with_lock(said),
        };
        GitError::Failed {
            command: words.join(" "),
            folder: self.folder.clone(),
            code: finished.status.code(),
            killed: was_killed(finished.status),
            message,
        }
    }

    /// Adds the path of the lock, and the way out, to a message of git that reports a locked reftable.
    pub fn with_lock(&self, message: String) -> String {
        if !is_reported(&message) {
            return message;
        }
        let folders = self.finish(["rev-parse", "--git-dir", "--git-common-dir"]);
        let folders = folders.map(|finished| finished.stdout).unwrap_or_default();
        let folders = String::from_utf8_lossy(&folders);
        let folders = folders.lines().map(|folder| self.folder.join(folder));
        match describe_lock(folders) {
            Some(lock) => format!("{message}: {lock}"),
            None => message,
        }
    }

    /// Runs a subcommand that must succeed and returns its output as one trimmed line.
    ///
    /// # Errors
    /// As [`Git::run`].
    pub fn line<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<String, GitError> {
        Ok(String::from_utf8_lossy(&self.run(args)?)
            .trim_end()
            .to_owned())
    }
}
