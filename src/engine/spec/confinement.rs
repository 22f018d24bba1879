//! Decides how a worker or a check is confined, and what it may change.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::base::files;
use crate::base::process::find_program;
use crate::base::process::is_root;
use crate::config::Settings;
use crate::config::reaction::{Network, SandboxMode};
use crate::config::settings::SandboxSettings;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::error::EngineError;
use crate::engine::spec::seatbelt::{self, Profile, StrictRules};
use crate::engine::spec::{AttemptSpec, exchange_folder};
use crate::exec::cgroup::Delegation;
use crate::exec::{ResourceLimits, Sandbox, Support, sandbox_support};
use crate::git::Repo;
use crate::git::private_folder::PrivateFolder;
use crate::git::worktree::Worktree;
use crate::model::worker::{Confinement, Isolation, Worker};

/// The program of a strict confinement.
const BUBBLEWRAP: &str = "bwrap";

/// The files that a process needs to change besides those that the settings name.
#[derive(Clone, Debug)]
pub struct Needs<'a> {
    /// Its worktree.
    pub worktree: &'a Worktree,
    /// Folders of dispatch that it writes to.
    pub folders: Vec<PathBuf>,
    /// The git folder of its own; without one it may write the worktree's, but not commit.
    pub private: Option<PrivateFolder>,
    /// The least confinement that its task asks for.
    pub least: Option<Confinement>,
    /// Files that it must not read, where the confinement can hide them.
    pub hidden: Vec<PathBuf>,
}

impl<'a> Needs<'a> {
    /// The needs of a process that commits nothing.
    pub fn of_reader(worktree: &'a Worktree, folders: Vec<PathBuf>) -> Needs<'a> {
        Needs {
            worktree,
            folders,
            private: None,
            least: None,
            hidden: Vec::new(),
        }
    }
}

/// Returns the confinement of a worker, or of a check without one; `None` if it runs free.
///
/// # Errors
/// When a confinement is required that this machine does not have.
pub fn sandbox(
    (repo, settings): (&Repo, &Settings),
    worker: Option<&Worker>,
    needs: &Needs<'_>,
) -> Result<Option<Sandbox>, EngineError> {
    let kind = kind(settings, worker, needs.least);
    let means = means(settings, kind).map_err(EngineError::NoSandbox)?;
    let rules = || Rules::collect((repo, settings), worker, needs);
    Ok(match means {
        Means::Nothing => None,
        Means::Kernel => Some(Sandbox::Write(rules().write)),
        Means::Bubblewrap(program) => {
            let arguments = bubblewrap(&rules(), &settings.sandbox, &Home::of_user());
            let program = program.to_string_lossy().into_owned();
            Some(Sandbox::Wrapper([vec![program], arguments].concat()))
        }
        Means::Seatbelt(program) => {
            let profile = profile(&rules(), (kind, &settings.sandbox), &Home::of_user());
            Some(Sandbox::Wrapper(seatbelt::command(&program, &profile)))
        }
        Means::Command => Some(Sandbox::Wrapper(wrapper(repo, settings, needs))),
    })
}

/// Fills in the user's program and its arguments. `{tmp}` stays until there is such a folder.
fn wrapper(repo: &Repo, settings: &Settings, needs: &Needs<'_>) -> Vec<String> {
    let (home, worktree) = (Home::of_user(), needs.worktree);
    let git = match &needs.private {
        Some(private) => private.folder(),
        None => &worktree.admin,
    };
    let places = [
        ("{worktree}", worktree.path.as_path()),
        ("{git}", git),
        ("{repository_git}", &repo.common),
    ];
    let fill = |word: &String| {
        let at_home = word.starts_with("~/").then(|| home.expand(word)).flatten();
        let word = at_home.map_or(word.clone(), |path| path.to_string_lossy().into_owned());
        fill(&word, &places)
    };
    settings.sandbox.command.iter().map(fill).collect()
}

/// Replaces each placeholder once, so that a folder's own name is never taken for one.
fn fill(word: &str, places: &[(&str, &Path)]) -> String {
    let found = places
        .iter()
        .filter_map(|(name, path)| Some((word.find(name)?, name, path)));
    match found.min_by_key(|(at, ..)| *at) {
        None => word.to_owned(),
        Some((at, name, path)) => {
            let rest = fill(&word[at + name.len()..], places);
            format!("{}{}{rest}", &word[..at], path.to_string_lossy())
        }
    }
}

/// Lists the files and folders that a worker may change.
pub fn writable(
    of: (&Repo, &Settings),
    worker: Option<&Worker>,
    needs: &Needs<'_>,
) -> Vec<PathBuf> {
    Rules::collect(of, worker, needs).write
}

/// Returns the resource limits of the settings.
pub fn resource_limits(settings: &Settings) -> ResourceLimits {
    let limits = &settings.limits;
    ResourceLimits {
        memory: limits.memory,
        processes: limits.processes.map(|count| count as u64),
        open_files: limits.open_files.map(|count| count as u64),
        file_size: limits.file_size,
        cpu_time: limits.cpu_time,
        cpu_thousandths: limits.cpus.map(|cpus| (cpus * 1000.0).ceil() as u64),
        cpu_weight: limits.cpu_weight.map(|weight| weight as u64),
        cgroup: delegation(settings).map(|found| found.folder().to_owned()),
    }
}

/// Returns the cgroup in which those of workers and checks are created; `None` if the user has none.
pub fn delegation(settings: &Settings) -> Option<Delegation> {
    let named = settings.limits.cgroup.as_deref();
    match named {
        // An unset variable names no cgroup, not the default one.
        Some(named) => Delegation::find(Some(&Home::of_user().expand(named)?)),
        None => delegation_of_process(),
    }
}

/// Returns the cgroup that the system delegates to this process, which stays where it was started.
fn delegation_of_process() -> Option<Delegation> {
    static FOUND: OnceLock<Option<Delegation>> = OnceLock::new();
    FOUND.get_or_init(|| Delegation::find(None)).clone()
}

/// Returns the needs of an attempt's worker.
pub fn needs_of_worker<'a>(
    context: &Context,
    spec: &AttemptSpec,
    worktree: &'a Worktree,
) -> Needs<'a> {
    let attempt = context.attempt_folder(spec.task, spec.attempt);
    let run = context.repo.run_folder(context.run.as_str());
    let is_private = has_private_folder(context, spec);
    Needs {
        private: is_private.then(|| PrivateFolder::of(&context.repo, worktree)),
        least: context.plan.task(spec.task).fields.sandbox,
        hidden: ["control.sock", "control.secret"]
            .map(|name| run.join(name))
            .to_vec(),
        ..Needs::of_reader(worktree, vec![exchange_folder(&attempt)])
    }
}

/// Returns `true` if the worker of an attempt gets a git folder of its own: it is isolated, or the sandbox
/// closes that of the repository and the worker may commit. Work made by hand has no worker.
pub fn has_private_folder(context: &Context, spec: &AttemptSpec) -> bool {
    let settings = &context.settings;
    let fields = &context.plan.task(spec.task).fields;
    // A task or a worker may only ask for more.
    let asked = [
        Some(settings.worktree.isolation),
        spec.worker.isolation,
        fields.isolation,
    ];
    let means = means(settings, kind(settings, Some(&spec.worker), fields.sandbox));
    let is_closed = matches!(
        means,
        Ok(Means::Kernel | Means::Bubblewrap(_) | Means::Seatbelt(_))
    );
    let is_needed = is_closed && settings.sandbox.commits;
    spec.by_hand.is_none() && (is_needed || asked.contains(&Some(Isolation::Clone)))
}

/// The means of a confinement on this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Means {
    /// There is none, or none is wanted.
    Nothing,
    /// The kernel (Landlock).
    Kernel,
    /// Bubblewrap, at this path.
    Bubblewrap(PathBuf),
    /// The program for Seatbelt of macOS.
    Seatbelt(PathBuf),
    /// The user's program.
    Command,
}

/// Returns the kind of confinement that a worker gets for a task. A task may only ask for more.
pub fn kind(
    settings: &Settings,
    worker: Option<&Worker>,
    least: Option<Confinement>,
) -> Confinement {
    if settings.sandbox.mode == SandboxMode::Off {
        return Confinement::Off;
    }
    let of_worker = worker.and_then(|worker| worker.sandbox);
    match (of_worker.unwrap_or(settings.sandbox.kind), least) {
        (Confinement::Off, Some(least)) => least,
        (Confinement::Write, Some(Confinement::Strict)) => Confinement::Strict,
        (kind, _) => kind,
    }
}

/// Returns the means of a kind of confinement, or the reason why a required one is missing.
///
/// # Errors
/// When the settings require it and this machine has no means for it.
pub fn means(settings: &Settings, kind: Confinement) -> Result<Means, String> {
    let kernel = || match sandbox_support() {
        Support::None => None,
        _ => Some(Means::Kernel),
    };
    let seatbelt = || seatbelt::program().map(Means::Seatbelt);
    let found = match kind {
        Confinement::Off => return Ok(Means::Nothing),
        Confinement::Command => return Ok(Means::Command),
        Confinement::Write => kernel(),
        Confinement::Strict => find_program(BUBBLEWRAP).map(Means::Bubblewrap),
    };
    if let Some(means) = seatbelt().or(found) {
        return Ok(means);
    }
    let missing = match kind {
        Confinement::Strict => "bubblewrap (bwrap) is not installed",
        _ => "this system has neither Landlock (Linux 5.19 or later) nor Seatbelt (macOS)",
    };
    match settings.sandbox.mode {
        SandboxMode::Require => Err(missing.to_owned()),
        _ => Ok(kernel().unwrap_or(Means::Nothing)),
    }
}

/// The paths of a confinement.
struct Rules {
    worktree: PathBuf,
    /// The git folder that all worktrees share.
    common: PathBuf,
    write: Vec<PathBuf>,
    hidden: Vec<PathBuf>,
}

impl Rules {
    fn collect(
        (repo, settings): (&Repo, &Settings),
        worker: Option<&Worker>,
        needs: &Needs<'_>,
    ) -> Rules {
        let home = Home::of_user();
        let mut write = vec![needs.worktree.path.clone()];
        match &needs.private {
            Some(private) => write.extend(private.writable(needs.worktree)),
            None => write.push(needs.worktree.admin.clone()),
        }
        write.extend(needs.folders.iter().cloned());
        // Links into the checkout are shared on purpose.
        let links = settings.worktree.link.iter();
        write.extend(links.map(|link| repo.top.join(link.trim_end_matches('/'))));
        let state = worker
            .map(|worker| worker.state.as_slice())
            .unwrap_or_default();
        // A variable may name the agent's settings in the repository, which no worker changes.
        let is_inside = |path: &Path| holds(&repo.top, path) || holds(&repo.common, path);
        let state = state.iter().filter_map(|text| {
            let path = home.expand(text)?;
            (!text.starts_with('$') || !is_inside(&path)).then_some(path)
        });
        write.extend(state.inspect(|path| create_state_folder(path)));
        let usual = SandboxSettings::default().write;
        let folders = [&repo.common, &repo.top, &needs.worktree.path];
        for text in &settings.sandbox.write {
            // A usual place that holds the repository or its worktrees would open all of them.
            let is_unwanted =
                |path: &PathBuf| usual.contains(text) && folders.iter().any(|it| holds(path, it));
            write.extend(home.expand(text).filter(|path| !is_unwanted(path)));
        }
        let hidden = settings.sandbox.deny_read.iter();
        let hidden = hidden.filter_map(|path| home.expand(path));
        Rules {
            worktree: needs.worktree.path.clone(),
            common: repo.common.clone(),
            write,
            hidden: hidden.chain(needs.hidden.iter().cloned()).collect(),
        }
    }
}

/// Returns `true` if a path lies in a place, wherever links lead: a rule holds for what a place is.
fn holds(place: &Path, path: &Path) -> bool {
    files::real_path(path).starts_with(files::real_path(place))
}

/// Creates a folder of an agent that has not run before: a rule about a folder needs the folder, and
/// without it the agent would lose its sessions. Files, such as `~/.claude.json`, are left to the agent.
fn create_state_folder(path: &Path) {
    let is_file = path.extension().is_some();
    if !is_file && !path.exists() {
        // Where it cannot be created, the agent says so itself.
        let _ = files::private_folder(path);
    }
}

/// The home folder and the variables that paths of the settings name.
pub struct Home {
    folder: Option<PathBuf>,
    variable: fn(&str) -> Option<OsString>,
}

impl Home {
    /// Returns the home of the user.
    pub fn of_user() -> Home {
        Home {
            folder: std::env::home_dir(),
            variable: |name| std::env::var_os(name),
        }
    }

    /// Expands `~/…` and `$NAME/…`; `None` for an unset variable or a path that is then not absolute.
    pub fn expand(&self, text: &str) -> Option<PathBuf> {
        let path = if let Some(rest) = text.strip_prefix("~/") {
            self.folder.as_ref()?.join(rest)
        } else if let Some(rest) = text.strip_prefix('$') {
            let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
            let value = (self.variable)(name).filter(|value| !value.is_empty())?;
            // Joined with nothing it would end with a slash, which only folders may.
            match rest {
                "" => PathBuf::from(value),
                rest => PathBuf::from(value).join(rest),
            }
        } else {
            PathBuf::from(text)
        };
        path.is_absolute().then_some(path)
    }
}

/// The capabilities of root that a worker keeps: over its own files and users. With the others it could
/// make the file systems writable again.
const KEPT_BY_ROOT: [&str; 7] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_KILL",
];

/// Builds the arguments of bubblewrap: everything is read-only, the home folder empty but for what the
/// rules name and the programs in `PATH`, processes and temporary files are the worker's own.
fn bubblewrap(rules: &Rules, settings: &SandboxSettings, home: &Home) -> Vec<String> {
    let mut arguments = Arguments::default();
    arguments.add(&[
        "--die-with-parent",
        "--new-session",
        "--unshare-pid",
        "--unshare-ipc",
    ]);
    if settings.network != Network::Open {
        arguments.add(&["--unshare-net"]);
    }
    if is_root() {
        arguments.add(&["--cap-drop", "ALL"]);
        for capability in KEPT_BY_ROOT {
            arguments.add(&["--cap-add", capability]);
        }
    }
    arguments.add(&["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]);
    arguments.add(&["--tmpfs", "/tmp"]);
    if let Some(folder) = &home.folder {
        arguments.path("--tmpfs", folder);
        for shown in shown_at_home(rules, folder) {
            arguments.bind("--ro-bind-try", &shown);
        }
    }
    for path in &rules.write {
        arguments.bind("--bind-try", path);
    }
    arguments.add(&["--bind-try", "{tmp}", "{tmp}"]);
    for path in &rules.hidden {
        if path.is_dir() {
            arguments.path("--tmpfs", path);
        } else if path.exists() {
            arguments.add(&["--ro-bind", "/dev/null", &path.to_string_lossy()]);
        }
    }
    arguments.path("--chdir", &rules.worktree);
    arguments.add(&["--"]);
    arguments.0
}

/// Lists the files and folders that a strict confinement shows of what it empties.
fn shown_at_home(rules: &Rules, home: &Path) -> Vec<PathBuf> {
    let mut shown = folders_of_programs(home);
    // The name for commits, ignored files and filters, such as those of git-lfs.
    shown.extend([".gitconfig", ".config/git"].map(|settings| home.join(settings)));
    // The parts of the repository that are not writable.
    shown.push(rules.common.clone());
    shown
}

/// Returns the rules of a confinement by Seatbelt, which are about real paths.
fn profile(
    rules: &Rules,
    (kind, settings): (Confinement, &SandboxSettings),
    home: &Home,
) -> Profile {
    let real = |paths: &[PathBuf]| paths.iter().map(|path| files::real_path(path)).collect();
    let strict = || {
        let shown = home.folder.as_ref().map(|home| shown_at_home(rules, home));
        let emptied = home.folder.iter().cloned();
        StrictRules {
            emptied: real(&emptied.chain(["/tmp".into()]).collect::<Vec<_>>()),
            read: real(&shown.unwrap_or_default()),
            hidden: real(&rules.hidden),
            network: settings.network,
        }
    };
    Profile {
        write: real(&rules.write),
        strict: (kind == Confinement::Strict).then(strict),
    }
}

/// Lists the folders in `PATH` that lie in the home folder or in `/tmp`, which are empty in the sandbox,
/// each with its siblings: a program in `bin` needs the `lib` beside it.
fn folders_of_programs(home: &Path) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let emptied = [home, Path::new("/tmp")];
    let is_below = |folder: &PathBuf| {
        let is_inside = |empty: &&Path| folder.starts_with(empty) && folder != *empty;
        emptied.iter().any(is_inside)
    };
    let with_siblings = std::env::split_paths(&path).filter(is_below).map(|folder| {
        let parent = folder.parent().filter(|parent| !emptied.contains(parent));
        parent.map_or(folder.clone(), Path::to_owned)
    });
    with_siblings.collect()
}

#[derive(Default)]
struct Arguments(Vec<String>);

impl Arguments {
    fn add(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(|word| (*word).to_owned()));
    }

    fn path(&mut self, option: &str, path: &Path) {
        self.add(&[option, &path.to_string_lossy()]);
    }

    fn bind(&mut self, option: &str, path: &Path) {
        let path = path.to_string_lossy();
        self.add(&[option, &path, &path]);
    }
}
