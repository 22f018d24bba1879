//! Reads the state that all worktrees of a repository share, at a cost that does not grow with the
//! number of worktrees, of dispatch's own branches or of files.
//!
//! A reading is believed until the signature of a file or folder it came from changes: inode, size,
//! mode and times of HEAD, the index, the configuration, the hooks, `packed-refs` and the folders
//! of references. git writes a reference by renaming a file into its folder, so the folder's
//! signature stands for all references in it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha1::{Digest as _, Sha1};

use crate::base::file_signature::FileSignature;
use crate::base::regular_file::{self, LINE_LIMIT, RECORD_LIMIT};
use crate::git::command::{Git, GitError};
use crate::git::head::{render_head, try_read_head};
use crate::git::repo::Repo;
use crate::merge::oid::Oid;
use crate::model::outside_changes::SharedState;

/// Files that all worktrees share, besides objects, references and hooks.
const SHARED_FILES: [&str; 7] = [
    "config",
    "config.worktree",
    "info/attributes",
    "info/exclude",
    "info/grafts",
    "objects/info/alternates",
    "shallow",
];

/// The list of tables where references are stored as reftable; git replaces it with every change.
const TABLES: &str = "reftable/tables.list";

/// Folders of references that are not compared: remote-tracking branches change with every fetch,
/// and `refs/dispatch` is dispatch's own.
const SKIPPED_REFERENCES: [&str; 2] = ["refs/remotes", "refs/dispatch"];

/// Reads the shared state of one repository again and again.
#[derive(Debug)]
pub struct SharedStateReader {
    repo: Repo,
    /// Branches of dispatch, as a folder in the git folder: `refs/heads/dispatch`.
    own_branches: String,
    head: Part<String>,
    index: Part<Option<Oid>>,
    references: Part<BTreeMap<String, String>>,
    files: Part<BTreeMap<String, Oid>>,
    settings: Part<BTreeMap<String, Oid>>,
    last: Reading,
}

/// The result of one reading.
#[derive(Clone, Debug)]
pub struct Reading {
    /// A hash of the state: equal for equal states.
    pub name: Oid,
    /// The state.
    pub state: Arc<SharedState>,
}

impl SharedStateReader {
    /// Reads this repository; branches below `branch_prefix` are left out.
    pub fn new(repo: &Repo, branch_prefix: &str) -> SharedStateReader {
        SharedStateReader {
            repo: repo.clone(),
            own_branches: format!("refs/heads/{branch_prefix}"),
            head: Part::default(),
            index: Part::default(),
            references: Part::default(),
            files: Part::default(),
            settings: Part::default(),
            last: Reading::default(),
        }
    }

    /// Returns the state now. A file that cannot be read is left out.
    ///
    /// # Errors
    /// When git fails, which says nothing about the state.
    pub fn read(&mut self) -> Result<Reading, GitError> {
        let (repo, own) = (&self.repo, self.own_branches.as_str());
        let mut changed = vec![
            self.head.update(|sources| read_head(repo, sources))?,
            self.references
                .update(|sources| read_references(repo, own, sources))?,
            self.files.update(|sources| Ok(read_files(repo, sources)))?,
        ];
        let parts = [
            &self.head.sources,
            &self.references.sources,
            &self.files.sources,
        ];
        let irregular: BTreeSet<String> = parts
            .iter()
            .flat_map(|sources| sources.irregular.iter().cloned())
            .collect();
        // git would wait for a pipe in place of its configuration or its references.
        if irregular.is_empty() {
            changed.push(self.index.update(|sources| read_index(repo, sources))?);
            changed.push(
                self.settings
                    .update(|sources| read_settings(repo, sources))?,
            );
        }
        if changed.contains(&true) {
            self.last = Reading::of(SharedState {
                head: self.head.value.clone(),
                index: self.index.value,
                references: self.references.value.clone(),
                files: self.files.value.clone(),
                settings: self.settings.value.clone(),
                irregular,
            });
        }
        Ok(self.last.clone())
    }
}

impl Reading {
    fn of(state: SharedState) -> Reading {
        // Maps of strings always serialise.
        let text = serde_json::to_vec(&state).unwrap_or_default();
        let name = hash(&[&text]);
        let state = Arc::new(state);
        Reading { name, state }
    }
}

impl Default for Reading {
    fn default() -> Reading {
        Reading::of(SharedState::default())
    }
}

/// A part of the state, with the signatures of what it was read from.
#[derive(Debug, Default)]
struct Part<T> {
    sources: Sources,
    value: T,
}

impl<T> Part<T> {
    /// Reads the value again if a source has changed; `true` if it did.
    fn update(
        &mut self,
        read: impl FnOnce(&mut Sources) -> Result<T, GitError>,
    ) -> Result<bool, GitError> {
        if self.sources.are_unchanged() {
            return Ok(false);
        }
        let mut sources = Sources::default();
        self.value = read(&mut sources)?;
        self.sources = sources;
        Ok(true)
    }
}

/// Files and folders with their signatures, each taken before the content was read.
#[derive(Debug, Default)]
struct Sources {
    seen: Vec<(PathBuf, Option<FileSignature>)>,
    /// `true` if one of them is so young that its signature proves nothing yet.
    unsettled: bool,
    /// Names of those that are neither a regular file nor absent.
    irregular: BTreeSet<String>,
}

impl Sources {
    fn add(&mut self, path: &Path) {
        let signature = FileSignature::of(path);
        self.unsettled |= signature.as_ref().is_some_and(|found| !found.is_settled());
        self.seen.push((path.to_owned(), signature));
    }

    fn are_unchanged(&self) -> bool {
        !self.unsettled
            && !self.seen.is_empty()
            && self
                .seen
                .iter()
                .all(|(path, signature)| FileSignature::of(path) == *signature)
    }

    /// Adds a file and reads it. A pipe or a device in its place is noted.
    fn read(&mut self, common: &Path, name: &str) -> Option<Vec<u8>> {
        let path = common.join(name);
        self.add(&path);
        match regular_file::read_linked(&path, RECORD_LIMIT) {
            Ok(content) => Some(content),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.irregular.insert(name.to_owned());
                None
            }
            Err(_) => None,
        }
    }
}

fn read_head(repo: &Repo, sources: &mut Sources) -> Result<String, GitError> {
    if repo.formats.has_reftable {
        sources.add(&repo.common.join(TABLES));
        let head = try_read_head(&repo.common)?;
        return Ok(head.map_or_else(String::new, |head| render_head(&head).trim_end().to_owned()));
    }
    let text = sources.read(&repo.common, "HEAD").unwrap_or_default();
    Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
}

/// git lists the entries, so that any format of the index is understood; their file times, which
/// `git status` refreshes, do not count.
fn read_index(repo: &Repo, sources: &mut Sources) -> Result<Option<Oid>, GitError> {
    let index = repo.common.join("index");
    sources.add(&index);
    if !index.is_file() {
        return Ok(None);
    }
    let entries = run_unless_invalid(&Git::at(repo.home()), &["ls-files", "--stage", "-z"])?;
    Ok(entries.map(|entries| hash(&[&entries])))
}

fn read_files(repo: &Repo, sources: &mut Sources) -> BTreeMap<String, Oid> {
    let mut names: Vec<String> = SHARED_FILES.map(str::to_owned).to_vec();
    let hooks = repo.common.join("hooks");
    sources.add(&hooks);
    for hook in entries(&hooks) {
        let name = hook.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".sample") {
            names.push(format!("hooks/{name}"));
        }
    }
    let mut found = BTreeMap::new();
    for name in names {
        if let Some(content) = sources.read(&repo.common, &name) {
            let path = repo.common.join(&name);
            let mode = path.metadata().map_or(0, |meta| meta.mode());
            found.insert(name, hash(&[&content, &mode.to_be_bytes()]));
        }
    }
    found
}

/// Lists git's settings of every scope, those of included files, too.
fn read_settings(repo: &Repo, sources: &mut Sources) -> Result<BTreeMap<String, Oid>, GitError> {
    for file in setting_files(repo) {
        sources.add(&file);
    }
    let args = [
        "config",
        "--list",
        "--show-scope",
        "--show-origin",
        "--includes",
        "-z",
    ];
    let listed = run_unless_invalid(&Git::at(&repo.top), &args)?.unwrap_or_default();
    let mut parts = listed.split(|byte| *byte == 0);
    let mut values: BTreeMap<String, Vec<&[u8]>> = BTreeMap::new();
    let mut origins = BTreeSet::new();
    while let (Some(scope), Some(origin), Some(setting)) =
        (parts.next(), parts.next(), parts.next())
    {
        if scope == b"command" {
            continue;
        }
        let mut setting = setting.splitn(2, |byte| *byte == b'\n');
        let key = String::from_utf8_lossy(setting.next().unwrap_or_default()).into_owned();
        let value = setting.next().unwrap_or_default();
        if let Some(file) = origin.strip_prefix(b"file:") {
            let file = repo.top.join(OsStr::from_bytes(file));
            if key == "include.path" || key.starts_with("includeif.") {
                origins.insert(included(&file, value));
            }
            origins.insert(file);
        }
        values.entry(key).or_default().push(value);
    }
    for file in origins {
        sources.add(&file);
    }
    let one = |(key, values): (String, Vec<&[u8]>)| {
        let hash = hash(&[values.join(&0).as_slice()]);
        (key, hash)
    };
    Ok(values.into_iter().map(one).collect())
}

/// Runs git; `None` if it cannot read what it is asked for, which is a state like another. A git that
/// was killed tells nothing.
fn run_unless_invalid(git: &Git, args: &[&str]) -> Result<Option<Vec<u8>>, GitError> {
    match git.run(args) {
        Ok(output) => Ok(Some(output)),
        Err(GitError::Failed { killed: false, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the files that hold settings, whether they exist or not.
fn setting_files(repo: &Repo) -> Vec<PathBuf> {
    let mut files = vec![
        repo.common.join("config"),
        repo.git_dir.join("config.worktree"),
        PathBuf::from("/etc/gitconfig"),
    ];
    let named = std::env::var_os("GIT_CONFIG_GLOBAL").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.or_else(|| Some(home.as_ref()?.join(".config")));
    files.extend(named);
    files.extend(home.map(|home| home.join(".gitconfig")));
    files.extend(config.map(|config| config.join("git/config")));
    files
}

/// Resolves the path of an included file as git does.
fn included(from: &Path, path: &[u8]) -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    match (path.strip_prefix(b"~/"), home) {
        (Some(rest), Some(home)) => home.join(OsStr::from_bytes(rest)),
        _ => {
            let folder = from.parent().unwrap_or(Path::new("/"));
            folder.join(OsStr::from_bytes(path))
        }
    }
}

fn read_references(
    repo: &Repo,
    own: &str,
    sources: &mut Sources,
) -> Result<BTreeMap<String, String>, GitError> {
    let is_skipped = |name: &str| {
        let skipped = SKIPPED_REFERENCES.iter().copied().chain([own]);
        let mut below = skipped.filter_map(|folder| name.strip_prefix(folder));
        below.any(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if repo.formats.has_reftable {
        sources.add(&repo.common.join(TABLES));
        return list_references(repo, is_skipped);
    }
    let packed = sources.read(&repo.common, "packed-refs");
    let packed = packed.unwrap_or_default();
    let packed = String::from_utf8_lossy(&packed);
    let lines = packed.lines().filter_map(|line| line.split_once(' '));
    let mut found: BTreeMap<String, String> = lines
        .filter(|(_, name)| name.starts_with("refs/") && !is_skipped(name))
        .map(|(oid, name)| (name.to_owned(), oid.to_owned()))
        .collect();
    let mut folders = vec!["refs".to_owned()];
    while let Some(folder) = folders.pop() {
        let path = repo.common.join(&folder);
        sources.add(&path);
        for entry in entries(&path) {
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if is_skipped(&name) || name.ends_with(".lock") {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(name),
                _ => match regular_file::read_linked(&entry.path(), LINE_LIMIT) {
                    Ok(text) => {
                        let text = String::from_utf8_lossy(&text).trim_end().to_owned();
                        found.insert(name, text);
                    }
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                        sources.irregular.insert(name);
                    }
                    // It was removed meanwhile.
                    Err(_) => {}
                },
            }
        }
    }
    // A program that writes a reference in place, which git does not, most likely writes this one.
    if let Some(name) = read_head(repo, sources)?.strip_prefix("ref: ") {
        sources.add(&repo.common.join(name));
    }
    Ok(found)
}

/// Lists the references that are compared, as their files would read.
///
/// With `--exclude` git would not read the others, which are as many as there are tasks. But git 2.47
/// then sometimes leaves out one that follows them in a reftable.
fn list_references(
    repo: &Repo,
    is_skipped: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, String>, GitError> {
    let format = "--format=%(refname) %(objectname) %(symref)";
    let listed = Git::at(repo.home()).run(&["for-each-ref", format])?;
    let listed = String::from_utf8_lossy(&listed);
    let reference = |line: &str| {
        let mut words = line.split(' ');
        let (name, oid, symbolic) = (words.next()?, words.next()?, words.next()?);
        let text = match symbolic {
            "" => oid.to_owned(),
            target => format!("ref: {target}"),
        };
        Some((name.to_owned(), text))
    };
    let listed = listed.lines().filter_map(reference);
    Ok(listed.filter(|(name, _)| !is_skipped(name)).collect())
}

fn entries(folder: &Path) -> impl Iterator<Item = fs::DirEntry> {
    fs::read_dir(folder).into_iter().flatten().flatten()
}

fn hash(parts: &[&[u8]]) -> Oid {
    let mut hash = Sha1::new();
    for part in parts {
        hash.update(part);
    }
    Oid::from_bytes(hash.finalize().into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::model::outside_changes::changes;

    struct Scene {
        folder: tempfile::TempDir,
        git: Git,
    }

    impl Scene {
        fn new() -> Scene {
            let folder = tempfile::tempdir().unwrap();
            let git = Git::at(folder.path());
            let scene = Scene { folder, git };
            scene.run(&["init", "--quiet", "--initial-branch=main"]);
            fs::write(scene.path("a.txt"), "1\n").unwrap();
            scene.run(&["add", "a.txt"]);
            scene.commit("first");
            scene
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn run(&self, args: &[&str]) {
            self.git.run(args).unwrap();
        }

        fn commit(&self, message: &str) {
            let who = ["-c", "user.name=A", "-c", "user.email=a@localhost"];
            let commit = ["commit", "--quiet", "--allow-empty", "-m", message];
            self.run(&[&who[..], &commit].concat());
        }

        fn reader(&self) -> SharedStateReader {
            let repo = Repo::discover(self.folder.path()).unwrap();
            SharedStateReader::new(&repo, "dispatch")
        }

        /// Makes every file look as if it was written long ago.
        fn let_time_pass(&self, reader: &mut SharedStateReader) {
            for sources in [
                &mut reader.head.sources,
                &mut reader.index.sources,
                &mut reader.references.sources,
                &mut reader.files.sources,
                &mut reader.settings.sources,
            ] {
                sources.unsettled = false;
            }
        }

        /// The changes that an action makes, as they are named.
        fn changes_of(&self, action: impl FnOnce(&Scene)) -> String {
            let mut reader = self.reader();
            let before = reader.read().unwrap();
            self.let_time_pass(&mut reader);
            action(self);
            let after = reader.read().unwrap();
            let found = changes(&before.state, &after.state);
            assert_eq!(found.is_empty(), before.name == after.name);
            let words: Vec<String> = found.into_iter().map(|change| change.name).collect();
            words.join(", ")
        }
    }

    #[test]
    fn each_kind_of_change_is_seen() {
        let scene = Scene::new();
        let seen = |action: fn(&Scene)| scene.changes_of(action);
        let commit = seen(|scene| {
            fs::write(scene.path("a.txt"), "2\n").unwrap();
            scene.run(&["add", "a.txt"]);
            scene.commit("second");
        });
        let said = [
            commit,
            seen(|scene| scene.run(&["branch", "feature/x"])),
            seen(|scene| scene.run(&["branch", "-f", "feature/x", "HEAD~1"])),
            seen(|scene| scene.run(&["tag", "v1"])),
            seen(|scene| scene.run(&["pack-refs", "--all"])),
            seen(|scene| scene.run(&["branch", "-D", "feature/x"])),
            seen(|scene| scene.run(&["switch", "--quiet", "--detach"])),
            seen(|scene| scene.run(&["config", "user.name", "B"])),
            seen(|scene| {
                fs::create_dir_all(scene.path(".git/hooks")).unwrap();
                fs::write(scene.path(".git/hooks/pre-commit"), "true\n").unwrap();
            }),
            seen(|scene| {
                fs::write(scene.path("b.txt"), "b\n").unwrap();
                scene.run(&["add", "b.txt"]);
            }),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        the index of the main checkout, the branch main
        the branch feature/x
        the branch feature/x
        the tag v1

        the branch feature/x
        HEAD of the main checkout
        .git/config
        .git/hooks/pre-commit
        the index of the main checkout
        ");
    }

    #[test]
    fn a_plain_write_into_the_current_branch_is_seen() {
        let scene = Scene::new();
        scene.commit("second");
        let said = scene.changes_of(|scene| {
            let old = scene.git.line(&["rev-parse", "HEAD~1"]).unwrap();
            fs::write(scene.path(".git/refs/heads/main"), old + "\n").unwrap();
        });
        assert_eq!(said, "the branch main");
    }

    #[test]
    fn what_dispatch_and_a_status_write_is_no_change() {
        let scene = Scene::new();
        let said = scene.changes_of(|scene| {
            scene.run(&["branch", "dispatch/run/task"]);
            scene.run(&["update-ref", "refs/dispatch/runs/run", "HEAD"]);
            scene.run(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
            let index = fs::File::options()
                .write(true)
                .open(scene.path(".git/index"));
            let later = SystemTime::now() + Duration::from_secs(60);
            index.unwrap().set_modified(later).unwrap();
        });
        assert_eq!(said, "");
    }

    #[test]
    fn dispatch_s_own_work_leaves_the_reading_as_it_is() {
        let scene = Scene::new();
        scene.run(&["branch", "dispatch/run/one"]);
        scene.run(&["update-ref", "refs/dispatch/runs/run", "HEAD"]);
        let mut reader = scene.reader();
        reader.read().unwrap();
        scene.let_time_pass(&mut reader);
        scene.run(&["branch", "dispatch/run/two"]);
        scene.run(&["update-ref", "refs/dispatch/attempts/run/one/1", "HEAD"]);
        assert!(reader.references.sources.are_unchanged());
        assert!(reader.index.sources.are_unchanged());
        scene.run(&["branch", "mine"]);
        assert!(!reader.references.sources.are_unchanged());
    }

    /// Creates a repository whose references are a reftable, if this git can.
    fn scene_with_reftable() -> Option<Scene> {
        let folder = tempfile::tempdir().unwrap();
        let git = Git::at(folder.path());
        let init = [
            "init",
            "--quiet",
            "--initial-branch=main",
            "--ref-format=reftable",
        ];
        git.run(&init).ok()?;
        let scene = Scene { folder, git };
        scene.commit("first");
        Some(scene)
    }

    #[test]
    fn what_dispatch_writes_into_a_reftable_is_no_change() {
        let Some(scene) = scene_with_reftable() else {
            return;
        };
        let said = [
            scene.changes_of(|scene| {
                scene.run(&["branch", "dispatch/run/task"]);
                scene.run(&["update-ref", "refs/dispatch/runs/run", "HEAD"]);
                scene.run(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
            }),
            scene.changes_of(|scene| scene.run(&["branch", "dispatcher"])),
            scene.changes_of(|scene| scene.run(&["tag", "v1"])),
        ];
        assert_eq!(said, ["", "the branch dispatcher", "the tag v1"]);
    }

    #[test]
    fn a_git_that_cannot_read_a_reftable_is_no_change() {
        let Some(scene) = scene_with_reftable() else {
            return;
        };
        let mut reader = scene.reader();
        let before = reader.read().unwrap();
        let tables = scene.path(".git/reftable/tables.list");
        let content = fs::read(&tables).unwrap();
        fs::write(&tables, "no table\n").unwrap();
        reader.read().unwrap_err();
        fs::write(&tables, content).unwrap();
        assert_eq!(reader.read().unwrap().name, before.name);
    }

    #[test]
    fn a_young_file_is_read_again() {
        let scene = Scene::new();
        let mut reader = scene.reader();
        reader.read().unwrap();
        assert!(!reader.index.sources.are_unchanged());
    }
}
