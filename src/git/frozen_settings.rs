//! The settings of a repository as this process first read them, for git in worktrees that workers had.
//!
//! A worker can write the configuration and the attributes that all worktrees share, and so name a
//! program that the next `git add` runs. Git in a worktree therefore reads a copy: a folder that stands
//! in for the shared one (`GIT_COMMON_DIR`), with its own configuration and attributes, and with links
//! to everything else. Filters and merge drivers that the user had configured before work as ever.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::file_signature::FileSignature;
use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::git::command::{Git, GitError};
use crate::git::temp_dir::LockedTempDir;
use crate::git::worktree_config;

/// Files that are copied; git runs programs that they name, or waits for them if they are pipes.
pub(super) const COPIED: [&str; 3] = ["info/attributes", "info/exclude", "info/grafts"];

/// Entries of the shared folder that are not linked: settings, and what belongs to the main checkout.
const NOT_LINKED: [&str; 7] = [
    "config",
    "config.lock",
    "config.worktree",
    "dispatch",
    "hooks",
    "index",
    "info",
];

/// Entries that are linked even if they do not exist yet: another git may create them meanwhile.
const ALWAYS_LINKED: [&str; 7] = [
    "HEAD",
    "lfs",
    "logs",
    "objects",
    "packed-refs",
    "refs",
    "shallow",
];

/// A file of a stand-in.
#[derive(Debug)]
struct FrozenFile {
    path: PathBuf,
    content: Vec<u8>,
    /// Its signature as it was written; no other one is ever trusted.
    written: Option<FileSignature>,
    /// `true` once it was read when a later write would have left another signature.
    is_proved: AtomicBool,
}

/// A stand-in for the folder that all worktrees share.
#[derive(Debug)]
pub(super) struct FrozenSettings {
    folder: LockedTempDir,
    /// The files of the stand-in.
    files: Vec<FrozenFile>,
    /// The settings of the user's checkout alone.
    of_checkout: Vec<String>,
}

impl FrozenSettings {
    /// Copies the settings of the repository with this shared folder, as `git` in one of its checkouts
    /// reads them.
    ///
    /// # Errors
    /// When they cannot be read or copied.
    pub(super) fn new(
        git: &Git,
        common: &Path,
        dispatch_folder: &Path,
    ) -> Result<FrozenSettings, GitError> {
        let listed = list_settings(git)?;
        let failed = |error| GitError::Settings(common.join("config"), error);
        let folder = LockedTempDir::new(dispatch_folder, "settings-").map_err(failed)?;
        let mut frozen = FrozenSettings {
            folder,
            files: Vec::new(),
            of_checkout: listed.of_checkout,
        };
        let [local, global] = listed.files;
        frozen.fill(common, &local, &global).map_err(failed)?;
        Ok(frozen)
    }

    fn fill(&mut self, common: &Path, local: &[u8], global: &[u8]) -> io::Result<()> {
        let top = self.folder.path().to_owned();
        fs::create_dir(top.join("info"))?;
        self.write("config", local.to_vec())?;
        self.write("global", global.to_vec())?;
        for name in COPIED {
            match regular_file::read_linked(&common.join(name), RECORD_LIMIT) {
                Ok(content) => self.write(name, content)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let entries = fs::read_dir(common)?.flatten();
        let names = entries.map(|entry| entry.file_name());
        let names = names.filter(|name| !NOT_LINKED.iter().any(|not| name == not));
        for name in names.chain(ALWAYS_LINKED.map(Into::into)) {
            let link = top.join(&name);
            if link.symlink_metadata().is_err() {
                symlink(common.join(&name), link)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, name: &str, content: Vec<u8>) -> io::Result<()> {
        let path = self.folder.path().join(name);
        fs::write(&path, &content)?;
        self.files.push(FrozenFile {
            written: FileSignature::of(&path),
            path,
            content,
            is_proved: AtomicBool::new(false),
        });
        Ok(())
    }

    /// Returns this git inside the worktree with this admin folder, with these settings.
    pub(super) fn apply(&self, git: Git, admin: &Path) -> Result<Git, GitError> {
        self.verify()?;
        // Its index would hide the changes of the files that git writes.
        let mut git = self.with_settings(git).setting("core.ignoreStat=false");
        let own = worktree_config::verified(admin);
        let failed = |error| GitError::Settings(admin.join(worktree_config::FILE), error);
        for setting in own.map_err(failed)? {
            git = git.setting(&setting);
        }
        Ok(git)
    }

    /// Returns this git at the user's checkout with these settings.
    pub(super) fn apply_to_checkout(&self, git: Git) -> Result<Git, GitError> {
        self.verify()?;
        let git = self.with_settings(git);
        let own = self.of_checkout.iter();
        Ok(own.fold(git, |git, setting| git.setting(setting)))
    }

    /// Returns this git with these settings in place of those of the shared folder, the user and the
    /// system.
    pub(super) fn with_settings(&self, git: Git) -> Git {
        let top = self.folder.path();
        git.env("GIT_COMMON_DIR", top.as_os_str())
            .env("GIT_CONFIG_GLOBAL", top.join("global").into_os_string())
            .env("GIT_CONFIG_NOSYSTEM", "1")
    }

    /// Returns the place of a file, such as `info/attributes`.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the settings of the repository, as a file.
    pub(super) fn of_repository(&self) -> Result<&[u8], GitError> {
        self.verify()?;
        Ok(self.content("config").unwrap_or_default())
    }

    /// Returns the content of a file, such as `info/exclude`; `None` if the repository had none.
    pub(super) fn content(&self, name: &str) -> Option<&[u8]> {
        let path = self.path(name);
        let file = self.files.iter().find(|file| file.path == path);
        file.map(|file| file.content.as_slice())
    }

    /// Fails if the copy is not what was written.
    pub(super) fn verify(&self) -> Result<(), GitError> {
        for file in &self.files {
            if !file.is_as_written() {
                let error = io::Error::other("another process changed this copy");
                return Err(GitError::Settings(file.path.clone(), error));
            }
        }
        Ok(())
    }
}

impl FrozenFile {
    /// Returns `true` if the file holds what was written.
    ///
    /// It is read until its signature has settled. From then on an equal signature proves it: the time of
    /// a change is set by the kernel, and no process can set it back.
    fn is_as_written(&self) -> bool {
        let signature = FileSignature::of(&self.path);
        let is_untouched = signature.is_some() && signature == self.written;
        if is_untouched && self.is_proved.load(Ordering::Relaxed) {
            return true;
        }
        let found = regular_file::read(&self.path, RECORD_LIMIT);
        let is_same = found.is_ok_and(|found| found == self.content);
        let is_settled = signature.is_some_and(|signature| signature.is_settled());
        if is_same && is_untouched && is_settled {
            self.is_proved.store(true, Ordering::Relaxed);
        }
        is_same
    }
}

/// The settings of a repository.
struct Listed {
    /// Those of the repository, and those of the user and the system, as files.
    files: [Vec<u8>; 2],
    /// Those of the user's checkout alone.
    of_checkout: Vec<String>,
}

/// Reads the settings of the repository, and those of the user and the system, and renders each as a
/// file.
fn list_settings(git: &Git) -> Result<Listed, GitError> {
    let args = ["config", "--list", "--show-scope", "--includes", "-z"];
    let listed = git.run(&args)?;
    let mut parts = listed.split(|byte| *byte == 0);
    let mut files = [Vec::new(), Vec::new()];
    let mut of_checkout = Vec::new();
    while let (Some(scope), Some(setting)) = (parts.next(), parts.next()) {
        match scope {
            b"local" => render(setting, &mut files[0]),
            b"global" | b"system" => render(setting, &mut files[1]),
            b"worktree" => {
                of_checkout.push(String::from_utf8_lossy(setting).replacen('\n', "=", 1));
            }
            // Settings of the caller hold for every command.
            _ => {}
        }
    }
    // Worktrees are found by their folders alone.
    files[0].extend_from_slice(b"[core]\n\tbare = false\n[extensions]\n\tworktreeConfig = false\n");
    Ok(Listed { files, of_checkout })
}

/// Renders a setting, `key` LF `value`, as lines of a configuration file.
pub(super) fn render(setting: &[u8], file: &mut Vec<u8>) {
    let mut parts = setting.splitn(2, |byte| *byte == b'\n');
    let (key, value) = (parts.next().unwrap_or_default(), parts.next());
    let Some(first) = key.iter().position(|byte| *byte == b'.') else {
        return;
    };
    let last = key.iter().rposition(|byte| *byte == b'.').unwrap_or(first);
    let (section, name) = (&key[..first], &key[last + 1..]);
    // Included files are part of the list, and the place of the files is given with each command.
    if matches!(section, b"include" | b"includeif") || key == b"core.worktree" {
        return;
    }
    file.push(b'[');
    file.extend_from_slice(section);
    if first < last {
        file.extend_from_slice(b" \"");
        for byte in &key[first + 1..last] {
            if matches!(byte, b'"' | b'\\') {
                file.push(b'\\');
            }
            file.push(*byte);
        }
        file.push(b'"');
    }
    file.extend_from_slice(b"]\n\t");
    file.extend_from_slice(name);
    if let Some(value) = value {
        file.extend_from_slice(b" = \"");
        for byte in value {
            match byte {
                b'\n' => file.extend_from_slice(b"\\n"),
                b'"' | b'\\' => file.extend_from_slice(&[b'\\', *byte]),
                byte => file.push(*byte),
            }
        }
        file.push(b'"');
    }
    file.push(b'\n');
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;
    use std::time::{Duration, SystemTime};

    use super::*;

    fn file(folder: &Path, modified: SystemTime) -> FrozenFile {
        let path = folder.join("config");
        fs::write(&path, "one\n").unwrap();
        let opened = fs::File::options().write(true).open(&path).unwrap();
        opened.set_modified(modified).unwrap();
        FrozenFile {
            written: FileSignature::of(&path),
            path,
            content: b"one\n".to_vec(),
            is_proved: AtomicBool::new(false),
        }
    }

    #[test]
    fn a_young_file_is_read_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let future = SystemTime::now() + Duration::from_secs(3600);
        let file = file(folder.path(), future);
        assert!(file.is_as_written());
        assert!(!file.is_proved.load(Ordering::Relaxed));
    }

    #[test]
    fn a_change_with_the_same_size_and_time_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path(), SystemTime::UNIX_EPOCH);
        file.is_proved.store(true, Ordering::Relaxed);
        assert!(file.is_as_written());
        let before = fs::metadata(&file.path).unwrap();
        // The clock of a file system stands still for some milliseconds.
        while fs::metadata(&file.path).unwrap().ctime_nsec() == before.ctime_nsec() {
            fs::write(&file.path, "two\n").unwrap();
            let opened = fs::File::options().write(true).open(&file.path).unwrap();
            opened.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
        assert!(!file.is_as_written());
        // What was touched once is read forever.
        fs::write(&file.path, "one\n").unwrap();
        assert!(file.is_as_written());
        fs::write(&file.path, "two\n").unwrap();
        assert!(!file.is_as_written());
    }
}
