//! A scene: a temporary folder with a repository of its own, and the programs that act in it.
//!
//! Nothing outside the folder is read: no home folder, no system configuration, no wall clock in
//! what is compared. Other tests build on it too.

use git_dispatch::base::files::free_space;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{tcgetwinsize, tcsetwinsize};

/// The time of the frozen clock of every dispatch.
pub(crate) const NOW: &str = "2026-11-22T09:14:00Z";

/// The time of every commit of the user.
const COMMITTED: &str = "2026-11-22T09:00:00Z";

/// Retries without delay, so that no test waits.
pub(crate) const FAST_RETRIES: &str = "[retry]\nbase_delay = \"10ms\"\n";

/// Opens a terminal: its side for this process, and its side for a program.
pub(crate) fn open_terminal() -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    // A program that inherits this side would keep its own terminal open.
    fcntl_setfd(&master, FdFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = ptsname(&master, Vec::new()).unwrap();
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options.custom_flags(OFlags::NOCTTY.bits().cast_signed());
    let slave = options.open(slave.to_str().unwrap()).unwrap();
    (File::from(master), slave)
}

/// Creates a folder for the repositories of one test.
///
/// It is in memory where the system has room for that: the tests start git some ten thousand times,
/// and on a disk most of their time is spent waiting for it. `TMPDIR` chooses another place.
pub(crate) fn temp_folder() -> tempfile::TempDir {
    const ROOM: u64 = 2 << 30;
    let memory = Path::new("/dev/shm");
    let has_room = free_space(memory).is_ok_and(|free| free >= ROOM);
    let in_memory = match std::env::var_os("TMPDIR") {
        None if has_room => tempfile::tempdir_in(memory).ok(),
        _ => None,
    };
    in_memory.unwrap_or_else(|| tempfile::tempdir().unwrap())
}

/// Returns `true` if new repositories keep their references in a reftable, by choice of the caller.
pub(crate) fn has_reftable() -> bool {
    std::env::var("DISPATCH_TEST_REFS").is_ok_and(|format| format == "reftable")
}

/// Hides ids of commits where they are not those of the usual format.
pub(crate) fn comparable(text: &str) -> String {
    if std::env::var_os("DISPATCH_TEST_HASH").is_none() {
        return text.to_owned();
    }
    let is_id = |word: &str| {
        let is_hex = word
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_hex && matches!(word.len(), 7..=64)
    };
    let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let hide = |word: &str| match word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()) {
        id if is_id(id) => word.replace(id, "<id>"),
        _ => word.to_owned(),
    };
    words.map(hide).collect()
}

/// The variables that choose the backend of dispatch, and the formats of new repositories, for all
/// tests: `DISPATCH_STORE=git`, `DISPATCH_TEST_HASH=sha256`, `DISPATCH_TEST_REFS=reftable`.
fn formats() -> Vec<(&'static str, String)> {
    let chosen = [
        ("DISPATCH_STORE", "DISPATCH_STORE"),
        ("DISPATCH_TEST_HASH", "GIT_DEFAULT_HASH"),
        ("DISPATCH_TEST_REFS", "GIT_DEFAULT_REF_FORMAT"),
    ];
    let value = |(ours, gits)| Some((gits, std::env::var(ours).ok()?));
    chosen.into_iter().filter_map(value).collect()
}

/// A temporary folder with a repository `shop` in it.
pub(crate) struct Scene {
    /// The temporary folder, without symbolic links in its path.
    pub(crate) root: PathBuf,
    /// The repository.
    pub(crate) repo: PathBuf,
    env: Vec<(String, String)>,
    _folder: tempfile::TempDir,
}

/// The files and folders of a repository, kept in memory: six starts of git less for each test.
struct Copied(Vec<(PathBuf, Option<Vec<u8>>, fs::Permissions)>);

impl Copied {
    /// Reads a folder; each folder is before what is in it.
    fn of(folder: &Path) -> Copied {
        let mut entries = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                let mode = path.symlink_metadata().unwrap().permissions();
                let content = (!path.is_dir()).then(|| fs::read(&path).unwrap());
                let name = path.strip_prefix(folder).unwrap().to_owned();
                entries.push((name, content, mode));
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        Copied(entries)
    }

    fn write_to(&self, folder: &Path) {
        for (name, content, mode) in &self.0 {
            let path = folder.join(name);
            match content {
                None => fs::create_dir(&path).unwrap(),
                Some(content) => fs::write(&path, content).unwrap(),
            }
            fs::set_permissions(&path, mode.clone()).unwrap();
        }
    }
}

/// The end of a program.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code.
    pub(crate) code: i32,
    /// Its standard output.
    pub(crate) out: String,
    /// Its standard error.
    pub(crate) err: String,
    /// The signal that killed it.
    pub(crate) signal: Option<i32>,
}

impl Ended {
    pub(crate) fn new(output: Output) -> Ended {
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            signal: output.status.signal(),
        }
    }

    /// Checks the exit code and returns the result.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Ended {
        assert!(
            self.code == code,
            "{}{}\nexit {} in place of {code} (signal: {:?})",
            self.out,
            self.err,
            self.code,
            self.signal
        );
        self
    }
}

impl Scene {
    /// Creates a repository with a few files, one commit on `main`, and fast retries.
    pub(crate) fn new() -> Scene {
        static SHOP: OnceLock<Copied> = OnceLock::new();
        let shop = SHOP.get_or_init(|| {
            let scene = Scene::empty();
            scene.write("README.md", "# Shop\n");
            scene.write("src/app.ts", "one\ntwo\nthree\nfour\nfive\n");
            scene.write(".gitignore", "*.log\n");
            scene.write(".dispatch.toml", FAST_RETRIES);
            scene.commit("A shop");
            Copied::of(&scene.repo)
        });
        let scene = Scene::without_repository();
        shop.write_to(&scene.repo);
        // The index has the times and numbers of the files that were copied.
        scene.git(&["update-index", "-q", "--refresh"]);
        scene
    }

    /// Creates a repository without a commit.
    pub(crate) fn empty() -> Scene {
        static EMPTY: OnceLock<Copied> = OnceLock::new();
        let empty = EMPTY.get_or_init(|| {
            let scene = Scene::without_repository();
            scene.git(&["init", "--quiet", "--initial-branch=main"]);
            scene.git(&["config", "user.name", "Ada"]);
            scene.git(&["config", "user.email", "ada@example.com"]);
            Copied::of(&scene.repo)
        });
        let scene = Scene::without_repository();
        empty.write_to(&scene.repo);
        scene
    }

    fn without_repository() -> Scene {
        let folder = temp_folder();
        let root = folder.path().canonicalize().unwrap();
        let repo = root.join("shop");
        fs::create_dir_all(root.join("home/config")).unwrap();
        fs::create_dir(&repo).unwrap();
        Scene {
            root,
            repo,
            env: Vec::new(),
            _folder: folder,
        }
    }

    /// Sets a variable for every program that is started from now on.
    pub(crate) fn set_env(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// Removes such a variable.
    pub(crate) fn unset_env(&mut self, name: &str) {
        self.env.retain(|(known, _)| known != name);
    }

    /// Builds a command in the repository, with nothing of this process's environment but `PATH`.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.repo)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.root.join("home"))
            .env("XDG_CONFIG_HOME", self.root.join("home/config"))
            .env("XDG_STATE_HOME", self.root.join("home/state"))
            // The settings of a scene are its user's own.
            .env("DISPATCH_TRUST_FOLDERS", format!("[{:?}]", self.root))
            .env("TMPDIR", &self.root)
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_DATE", COMMITTED)
            .env("GIT_COMMITTER_DATE", COMMITTED)
            .env("DISPATCH_CLOCK", NOW)
            .env("DISPATCH_SEED", "7")
            // Workers of tests leave marks beside the repository; `sandbox.rs` tests what is denied.
            .env("DISPATCH_SANDBOX_WRITE", format!("[{:?}]", self.root))
            .envs(formats())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    // ---- the user's part ---------------------------------------------------------------------

    /// Writes a file of the checkout.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.repo.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes a program of the checkout, or of `.git` such as a hook.
    pub(crate) fn write_program(&self, path: &str, text: &str) {
        self.write(path, text);
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.repo.join(path), mode).unwrap();
    }

    /// Reads a file of the checkout.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.repo.join(path)).unwrap()
    }

    /// Adds these settings to the committed ones.
    pub(crate) fn configure(&self, toml: &str) {
        self.write(".dispatch.toml", &format!("{FAST_RETRIES}{toml}"));
        self.commit("Settings");
    }

    /// Commits everything in the checkout and returns the commit.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        // Without the upkeep that git starts after a commit: a process more, and nothing to do yet.
        let quietly = ["-c", "maintenance.auto=false", "commit", "--quiet"];
        self.git(&[&quietly[..], &["--message", message]].concat());
        self.rev("HEAD")
    }

    /// Runs git, which must succeed; returns its output without the last line end.
    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let ended = self.try_git(args);
        assert!(
            ended.code == 0,
            "git {args:?} ended with {}: {}",
            ended.code,
            ended.err
        );
        ended.out.trim_end_matches('\n').to_owned()
    }

    /// Runs git.
    pub(crate) fn try_git(&self, args: &[&str]) -> Ended {
        Ended::new(self.command("git").args(args).output().unwrap())
    }

    /// Resolves a revision to an object.
    #[track_caller]
    pub(crate) fn rev(&self, revision: &str) -> String {
        if let Some(id) = self.loose_reference(revision) {
            return id;
        }
        self.git(&["rev-parse", "--verify", "--quiet", revision])
    }

    /// Returns `true` if a revision names an object.
    pub(crate) fn has(&self, revision: &str) -> bool {
        self.loose_reference(revision).is_some()
            || self
                .try_git(&["rev-parse", "--verify", "--quiet", revision])
                .code
                == 0
    }

    /// Reads a reference that is a file, or the branch of `HEAD` that is one. The tests ask thousands of
    /// times, and a start of git costs a hundred times as much as the file.
    fn loose_reference(&self, revision: &str) -> Option<String> {
        let git = self.repo.join(".git");
        let head = || fs::read_to_string(git.join("HEAD")).ok();
        let places = match revision {
            "HEAD" => vec![head()?.strip_prefix("ref: ")?.trim_end().to_owned()],
            name if name.starts_with("refs/") => vec![name.to_owned()],
            name => ["tags", "heads"]
                .map(|kind| format!("refs/{kind}/{name}"))
                .to_vec(),
        };
        let is_id = |id: &String| {
            matches!(id.len(), 40 | 64) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let read = |place: &String| fs::read_to_string(git.join(place)).ok();
        let text = places.iter().find_map(read)?;
        Some(text.trim_end().to_owned()).filter(is_id)
    }

    // ---- dispatch ----------------------------------------------------------------------------

    /// Runs dispatch in the repository.
    pub(crate) fn dispatch(&self, args: &[&str]) -> Ended {
        self.dispatch_in(&self.repo, args)
    }

    /// Runs dispatch in a folder.
    pub(crate) fn dispatch_in(&self, folder: &Path, args: &[&str]) -> Ended {
        let mut command = self.command(env!("CARGO_BIN_EXE_dispatch"));
        Ended::new(command.current_dir(folder).args(args).output().unwrap())
    }

    /// Starts dispatch and leaves it running.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(env!("CARGO_BIN_EXE_dispatch"))
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs dispatch with a terminal of its own as standard error; returns the bytes sent to that.
    pub(crate) fn dispatch_on_terminal(&self, args: &[&str]) -> Vec<u8> {
        let (master, slave) = open_terminal();
        let mut command = self.command(env!("CARGO_BIN_EXE_dispatch"));
        command
            .args(args)
            .env("TERM", "xterm")
            .stdout(Stdio::null());
        let mut child = command.stderr(slave).spawn().unwrap();
        // The copy of this process is closed, so that the terminal ends with the other process.
        drop(command);
        let mut sent = Vec::new();
        // Linux reports that as an error, other systems as an end of file.
        let _ = { master }.read_to_end(&mut sent);
        assert!(child.wait().unwrap().code().is_some());
        sent
    }

    /// Runs dispatch with all its output on a plain terminal of this width; returns what it printed.
    pub(crate) fn dispatch_within(&self, columns: u16, args: &[&str]) -> String {
        let (mut master, slave) = open_terminal();
        let mut size = tcgetwinsize(&slave).unwrap();
        (size.ws_row, size.ws_col) = (24, columns);
        tcsetwinsize(&slave, size).unwrap();
        let mut command = self.command(env!("CARGO_BIN_EXE_dispatch"));
        command.args(args).env("TERM", "dumb").env("PAGER", "cat");
        command.stdout(slave.try_clone().unwrap()).stderr(slave);
        let mut child = command.spawn().unwrap();
        // The copies of this process are closed, so that the terminal ends with the other process.
        drop(command);
        let mut sent = Vec::new();
        let _ = master.read_to_end(&mut sent);
        assert!(child.wait().unwrap().code().is_some());
        let text = anstream::adapter::strip_bytes(&sent).into_vec();
        String::from_utf8_lossy(&text).replace('\r', "")
    }

    /// Runs dispatch with a terminal as standard input and standard error; returns what it printed there.
    pub(crate) fn dispatch_at_keyboard(&self, args: &[&str]) -> String {
        let (master, slave) = open_terminal();
        let mut command = self.command(env!("CARGO_BIN_EXE_dispatch"));
        command
            .args(args)
            .env("TERM", "xterm")
            .stdout(Stdio::null());
        command.stdin(slave.try_clone().unwrap()).stderr(slave);
        let mut child = command.spawn().unwrap();
        // The copies of this process are closed, so that the terminal ends with the other process.
        drop(command);
        let mut sent = Vec::new();
        let _ = { master }.read_to_end(&mut sent);
        assert!(child.wait().unwrap().code().is_some());
        String::from_utf8_lossy(&sent).into_owned()
    }

    /// Runs dispatch as [`Scene::dispatch_at_keyboard`], and interrupts it at this question; returns its
    /// end.
    pub(crate) fn interrupt_at(&self, args: &[&str], question: &str) -> ExitStatus {
        let (master, slave) = open_terminal();
        let mut command = self.command(env!("CARGO_BIN_EXE_dispatch"));
        command
            .args(args)
            .env("TERM", "xterm")
            .stdout(Stdio::null());
        command.stdin(slave.try_clone().unwrap()).stderr(slave);
        let mut child = command.spawn().unwrap();
        drop(command);
        let (mut master, mut sent) = (master, Vec::new());
        let mut byte = [0];
        while !String::from_utf8_lossy(&sent).contains(question) {
            let read = master.read(&mut byte).unwrap_or(0);
            assert_eq!(read, 1, "{}", String::from_utf8_lossy(&sent));
            sent.push(byte[0]);
        }
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::INT).unwrap();
        // The line that would be the answer yes, if the process still asked.
        let _ = master.write_all(b"\n");
        let _ = master.read_to_end(&mut sent);
        child.wait().unwrap()
    }

    /// Writes a plan beside the repository, so that the checkout stays clean; returns its path.
    pub(crate) fn plan(&self, text: &str) -> String {
        self.plan_named("plan.md", text)
    }

    /// Writes a plan with this name.
    pub(crate) fn plan_named(&self, name: &str, text: &str) -> String {
        let path = self.root.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs a plan until it ends, without a question.
    pub(crate) fn run(&self, plan: &str, more: &[&str]) -> Ended {
        let plan = self.plan(plan);
        let args = [&["run", &plan, "--yes"], more].concat();
        self.dispatch(&args)
    }

    /// Returns the name of the only run, or of the last by name.
    #[track_caller]
    pub(crate) fn run_name(&self) -> String {
        self.run_names().pop().expect("there is a run")
    }

    /// Returns the names of all runs.
    pub(crate) fn run_names(&self) -> Vec<String> {
        let git = self.repo.join(".git");
        let (folder, packed) = (git.join("refs/dispatch/runs"), git.join("packed-refs"));
        // Files of one folder, unless the references were packed or are kept in tables.
        if folder.is_dir() && !packed.exists() && !git.join("reftable").exists() {
            let entries = fs::read_dir(folder).unwrap();
            let name =
                |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
            let names = entries.map(name).filter(|name| !name.ends_with(".lock"));
            return BTreeSet::from_iter(names).into_iter().collect();
        }
        let format = "--format=%(refname:lstrip=3)";
        let names = self.git(&["for-each-ref", format, "refs/dispatch/runs/"]);
        names.lines().map(str::to_owned).collect()
    }

    /// Returns a branch of the only run.
    pub(crate) fn branch(&self, slug: &str) -> String {
        format!("dispatch/{}/{slug}", self.run_name())
    }

    /// Reads DISPATCH.md on the integration branch of the only run.
    pub(crate) fn board(&self) -> String {
        let board = format!("{}:DISPATCH.md", self.branch("integration"));
        self.git(&["show", &board]) + "\n"
    }

    /// Parses the board of the only run.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        let ended = self.dispatch(&["board", &self.run_name(), "--json"]);
        serde_json::from_str(&ended.expect(0).out).unwrap()
    }

    /// Renders the status of every task of the only run: `1 DONE · 2 FAILED`.
    #[track_caller]
    pub(crate) fn statuses(&self) -> String {
        statuses(&self.json())
    }

    /// Returns the worktree of a task's first attempt.
    pub(crate) fn worktree(&self, slug: &str) -> PathBuf {
        let folder = self.root.join("shop.dispatch").join(self.run_name());
        folder.join(slug)
    }

    // ---- what is compared --------------------------------------------------------------------

    /// Replaces parts of dispatch's output that differ between machines: paths and durations.
    pub(crate) fn normal(&self, text: &str) -> String {
        let text = text.replace(self.root.to_str().unwrap(), "<root>");
        replace_durations(&text)
    }

    /// Reads everything that belongs to the user: references outside dispatch's own, HEAD, reflogs,
    /// config, index, hooks, and every file of the checkout with mode and time of change.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut found = BTreeMap::new();
        let refs = self.git(&["for-each-ref", "--format=%(refname) %(objectname)"]);
        for line in refs.lines() {
            let own = ["refs/heads/dispatch/", "refs/dispatch/"];
            if !own.iter().any(|prefix| line.starts_with(prefix)) {
                let (name, oid) = line.split_once(' ').unwrap();
                found.insert(name.to_owned(), oid.as_bytes().to_vec());
            }
        }
        let git = self.repo.join(".git");
        for name in [
            "HEAD",
            "config",
            "index",
            "hooks",
            "info",
            "logs/HEAD",
            "ORIG_HEAD",
            "MERGE_HEAD",
        ] {
            collect(&git.join(name), &format!(".git/{name}"), &mut found);
        }
        for entry in fs::read_dir(&self.repo).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() != ".git" {
                let name = entry.file_name().to_string_lossy().into_owned();
                collect(&entry.path(), &name, &mut found);
            }
        }
        Fingerprint(found)
    }
}

/// See [`Scene::fingerprint`].
#[derive(Clone)]
pub(crate) struct Fingerprint(BTreeMap<String, Vec<u8>>);

impl Fingerprint {
    /// Checks that nothing differs, and names each difference.
    #[track_caller]
    pub(crate) fn assert_same(&self, after: &Fingerprint) {
        let names = self.0.keys().chain(after.0.keys());
        let mut differ: Vec<&String> = names
            .filter(|name| self.0.get(*name) != after.0.get(*name))
            .collect();
        differ.dedup();
        assert!(differ.is_empty(), "these changed: {differ:?}");
    }
}

fn collect(path: &Path, name: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    let Ok(meta) = path.symlink_metadata() else {
        return;
    };
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            let below = format!("{name}/{}", entry.file_name().to_string_lossy());
            collect(&entry.path(), &below, found);
        }
        return;
    }
    let content = if meta.is_symlink() {
        fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec()
    } else {
        fs::read(path).unwrap()
    };
    let facts = format!("{:o} {} {}\n", meta.mode(), meta.mtime(), meta.mtime_nsec());
    found.insert(name.to_owned(), [facts.into_bytes(), content].concat());
}

/// Renders statuses from the JSON board: `1 DONE · 2 FAILED`.
pub(crate) fn statuses(board: &serde_json::Value) -> String {
    let tasks = board["tasks"].as_array().unwrap();
    let task = |task: &serde_json::Value| {
        let by: Vec<String> = task["blocked_by"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|number| format!("#{number}"))
            .collect();
        let by = match by.as_slice() {
            [] => String::new(),
            by => format!(" by {}", by.join(", ")),
        };
        format!(
            "{} {}{by}",
            task["number"],
            task["status"].as_str().unwrap()
        )
    };
    tasks.iter().map(task).collect::<Vec<_>>().join(" · ")
}

/// Replaces `(0.3s)`, `(12s)` and `(1m 2s)` by `(<time>)`.
fn replace_durations(text: &str) -> String {
    let is_duration = |inside: &str| {
        !inside.is_empty()
            && inside.split(' ').all(|part| {
                let number = part.trim_end_matches(['h', 'm', 's']);
                number.len() + 1 == part.len() && number.parse::<f64>().is_ok()
            })
    };
    let mut parts = text.split('(');
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        replaced.push('(');
        match part.split_once(')') {
            Some((inside, rest)) if is_duration(inside) => {
                replaced.push_str("<time>)");
                replaced.push_str(rest);
            }
            _ => replaced.push_str(part),
        }
    }
    replaced
}

/// Compares a text with a golden file under `fixtures/`; `DISPATCH_BLESS=1` rewrites it.
#[track_caller]
pub(crate) fn assert_golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name);
    if std::env::var_os("DISPATCH_BLESS").is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{name}: {error}; run again with DISPATCH_BLESS=1"));
    let (expected, actual) = (comparable(&expected), comparable(actual));
    assert!(
        expected == actual,
        "{name} differs; run again with DISPATCH_BLESS=1 if the new text is right\n--- expected\n{expected}\n--- actual\n{actual}"
    );
}

/// Holds a worker until the test releases it, without a clock: two named pipes.
pub(crate) struct Gate {
    paths: [PathBuf; 2],
    reached: File,
    go: File,
}

impl Gate {
    /// Creates a closed gate.
    pub(crate) fn new(scene: &Scene, name: &str) -> Gate {
        let paths = ["reached", "go"].map(|end| scene.root.join(format!("{name}.{end}")));
        let made = Command::new("mkfifo").args(&paths).status().unwrap();
        assert!(made.success());
        // Open for both directions, so that neither side waits for the other.
        let open = |path: &PathBuf| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
                .open(path)
                .unwrap()
        };
        let (reached, go) = (open(&paths[0]), open(&paths[1]));
        Gate { paths, reached, go }
    }

    /// Returns the shell line that waits at the gate.
    pub(crate) fn script(&self) -> String {
        let [reached, go] = &self.paths;
        format!(
            "echo here > {}; read -r word < {}",
            reached.display(),
            go.display()
        )
    }

    /// Waits until a worker is at the gate.
    #[track_caller]
    pub(crate) fn wait_until_reached(&mut self) {
        let mut events = [PollFd::new(&self.reached, PollFlags::IN)];
        let limit = rustix::event::Timespec {
            tv_sec: 60,
            tv_nsec: 0,
        };
        // A child of another test that ends may interrupt the wait.
        let ready = rustix::io::retry_on_intr(|| poll(&mut events, Some(&limit))).unwrap();
        assert!(ready > 0, "no worker came to the gate within a minute");
        let mut word = [0; 5];
        self.reached.read_exact(&mut word).unwrap();
    }

    /// Releases one worker.
    pub(crate) fn open(&mut self) {
        self.go.write_all(b"go\n").unwrap();
    }
}

/// Waits for a started dispatch.
pub(crate) fn wait(child: Child) -> Ended {
    Ended::new(child.wait_with_output().unwrap())
}
