//! Everything outside of the objects themselves that git's answer to a merge can depend on.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use git2::ObjectType;

use crate::base::files::read_if_exists;
use crate::base::process::find_program;
use crate::git::merge_tree::{MergeEngine, MergeError};
use crate::git::store::from_git2;
use crate::merge::oid::Oid;

/// Sections of the configuration that no merge looks at; some of them change often.
const IRRELEVANT: [&str; 11] = [
    "alias",
    "branch",
    "color",
    "credential",
    "fetch",
    "http",
    "pull",
    "push",
    "remote",
    "url",
    "user",
];

/// Drivers that git has built in: a program under one of these names would run for ordinary files.
const BUILT_IN_DRIVERS: [&str; 3] = ["binary", "text", "union"];

/// Which file a program is, and when it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ProgramFile {
    path: PathBuf,
    length: u64,
    changed: SystemTime,
}

impl ProgramFile {
    fn of_git() -> Option<ProgramFile> {
        let path = find_program("git")?.canonicalize().ok()?;
        let about = std::fs::metadata(&path).ok()?;
        Some(ProgramFile {
            path,
            length: about.len(),
            changed: about.modified().ok()?,
        })
    }
}

/// The surroundings of a merge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Surroundings {
    /// Equal for equal git, configuration, attributes outside of trees, and depth of a shallow
    /// clone.
    pub fingerprint: Oid,
    /// Whether merge drivers are configured: programs, of which nobody knows what they depend on.
    pub has_drivers: bool,
}

impl MergeEngine {
    /// What the merges of this engine depend on beside their commits; `None` if that cannot be
    /// known: a program of the user's runs for every merged file, or a file cannot be found or read.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn surroundings(&self) -> Result<Option<Surroundings>, MergeError> {
        let mut known = self.git_version()?;
        let Some(config) = self.config()? else {
            return Ok(None);
        };
        known.extend_from_slice(&config.relevant);
        let Some(files) = self.files_outside(config.attributes_file) else {
            return Ok(None);
        };
        for file in files {
            let Ok(content) = read_if_exists(&file) else {
                return Ok(None);
            };
            known.extend_from_slice(format!("\0{:?}\0", content.map(|c| digest(&c))).as_bytes());
        }
        Ok(Some(Surroundings {
            fingerprint: digest(&known),
            has_drivers: config.has_drivers,
        }))
    }

    /// Whether git itself, and as they are, merges the files that have no attribute for that: no
    /// program is set for all files, nothing is converted first, and no attributes stand in the git
    /// folder, which even an engine [without attributes](MergeEngine::without_attributes) heeds.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn merges_contents_itself(&self) -> Result<bool, MergeError> {
        let info = self.repo().common.join("info/attributes");
        let Ok(content) = read_if_exists(&info) else {
            return Ok(false);
        };
        if !content.unwrap_or_default().is_empty() {
            return Ok(false);
        }
        match self.merges_itself.get() {
            Some(known) => Ok(*known),
            None => Ok(self.config()?.is_some()),
        }
    }

    /// What `git version` says; not asked again while the program is the same file.
    fn git_version(&self) -> Result<Vec<u8>, MergeError> {
        let file = ProgramFile::of_git();
        match (self.version.get(), &file) {
            (Some((known, said)), Some(file)) if known == file => return Ok(said.clone()),
            _ => {}
        }
        let said = self.run_with(&["version"], Vec::new())?;
        if let Some(file) = file {
            let _ = self.version.set((file, said.clone()));
        }
        Ok(said)
    }

    /// The configuration as it is now.
    fn config(&self) -> Result<Option<Config>, MergeError> {
        let listed = self.run_with(&["config", "--list", "-z"], Vec::new())?;
        let config = Config::of(&listed);
        let _ = self.merges_itself.set(config.is_some());
        Ok(config)
    }

    /// Whether its merges may find submodules, so that what was fetched into those counts, too.
    pub fn finds_submodules(&self) -> bool {
        self.folder().join(".gitmodules").exists()
    }

    /// The attributes that are in no tree, the user's and the system's among them, and the file that
    /// says where a shallow clone ends; `None` where git would look is not known.
    fn files_outside(&self, attributes_file: Option<Vec<u8>>) -> Option<Vec<PathBuf>> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let users = match attributes_file {
            Some(path) => match path.strip_prefix(b"~/") {
                Some(rest) => home?.join(OsString::from_vec(rest.to_vec())),
                None => PathBuf::from(OsString::from_vec(path)),
            },
            None => match std::env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty()) {
                Some(folder) => PathBuf::from(folder).join("git/attributes"),
                None => home.unwrap_or_default().join(".config/git/attributes"),
            },
        };
        if !users.is_absolute() {
            return None;
        }
        let program = find_program("git")?;
        let program = program.canonicalize().ok()?;
        let prefix = program.parent().and_then(Path::parent)?;
        let common = &self.repo().common;
        Some(vec![
            users,
            PathBuf::from("/etc/gitattributes"),
            prefix.join("etc/gitattributes"),
            common.join("info/attributes"),
            common.join("shallow"),
        ])
    }
}

/// A short name for these bytes that no other bytes have.
pub fn digest(bytes: &[u8]) -> Oid {
    git2::Oid::hash_object(ObjectType::Blob, bytes).map_or(Oid::ZERO, from_git2)
}

/// What `git config --list -z` prints, as far as merges look at it.
#[derive(Debug, PartialEq, Eq)]
struct Config {
    relevant: Vec<u8>,
    attributes_file: Option<Vec<u8>>,
    has_drivers: bool,
}

impl Config {
    /// `None` if a program runs for every merged file.
    fn of(listed: &[u8]) -> Option<Config> {
        let mut config = Config {
            relevant: Vec::new(),
            attributes_file: None,
            has_drivers: false,
        };
        for entry in listed.split(|byte| *byte == 0) {
            let mut parts = entry.splitn(2, |byte| *byte == b'\n');
            let key = String::from_utf8_lossy(parts.next()?).into_owned();
            let section = key.split('.').next().unwrap_or_default();
            if IRRELEVANT.contains(&section) {
                continue;
            }
            // Section and name come in lower case, what is between them as it was written.
            match key.as_str() {
                "merge.default" | "merge.renormalize" => return None,
                "core.attributesfile" => {
                    config.attributes_file = Some(parts.next().unwrap_or_default().to_vec());
                }
                _ => {}
            }
            let driver = key.strip_prefix("merge.");
            if let Some(driver) = driver.and_then(|key| key.strip_suffix(".driver")) {
                if BUILT_IN_DRIVERS.contains(&driver) {
                    return None;
                }
                config.has_drivers = true;
            }
            config.relevant.extend_from_slice(entry);
            config.relevant.push(0);
        }
        Some(config)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn config(entries: &[&str]) -> Option<Config> {
        let listed: String = entries.iter().map(|entry| format!("{entry}\0")).collect();
        Config::of(listed.as_bytes())
    }

    #[test]
    fn what_a_merge_looks_at_counts_and_the_rest_does_not() {
        let plain = config(&["merge.renames\ntrue", "core.bare\nfalse"]);
        let beside = ["branch.x.remote\no", "merge.renames\ntrue", "user.name\nn"];
        let beside = config(&[&beside[..], &["core.bare\nfalse"]].concat());
        assert_eq!(plain, beside);
        assert_ne!(plain, config(&["merge.renames\nfalse", "core.bare\nfalse"]));
        assert_ne!(plain, config(&["merge.renames", "core.bare\nfalse"]));
    }

    #[test]
    fn programs_for_every_file_make_it_unknown() {
        for entry in [
            "merge.default\nmine",
            "merge.renormalize\ntrue",
            "merge.text.driver\ntrue",
        ] {
            assert_eq!(config(&["core.bare\nfalse", entry]), None);
        }
        assert!(config(&["merge.mine.driver\ntrue"]).unwrap().has_drivers);
        assert!(!config(&["merge.mine.name\nx"]).unwrap().has_drivers);
    }
}
