//! Everything outside of the objects that git's answer to a merge can depend on.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use crate::base::files::read_if_exists;
use crate::git::git_program::GitProgram;
use crate::git::merge_config::MergeConfig;
use crate::git::merge_engine::MergeEngine;
use crate::git::merge_error::MergeError;
use crate::git::object_hash::digest;
use crate::merge::oid::Oid;

/// The environment of a merge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MergeEnvironment {
    /// Equal for equal git, configuration, attributes outside of trees, and shallow boundary.
    pub fingerprint: Oid,
    /// `true` if merge drivers are configured: programs with unknown dependencies.
    pub has_drivers: bool,
}

impl MergeEngine {
    /// Reads the environment of this engine's merges. `None` if it is unknown: a user's program
    /// runs for every merged file, or a file cannot be found or read.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn environment(&self) -> Result<Option<MergeEnvironment>, MergeError> {
        let mut known = self.git_version()?;
        let Some(config) = self.config()? else {
            return Ok(None);
        };
        known.extend_from_slice(&config.relevant);
        let Some(files) = files_outside(self, config.attributes_file) else {
            return Ok(None);
        };
        for file in files {
            let Ok(content) = read_if_exists(&file) else {
                return Ok(None);
            };
            known.extend_from_slice(
                format!("\0{:?}\0", content.map(|c| Oid::from_bytes(digest(&c)))).as_bytes(),
            );
        }
        Ok(Some(MergeEnvironment {
            fingerprint: Oid::from_bytes(digest(&known)),
            has_drivers: config.has_drivers,
        }))
    }

    /// Returns `true` if git's built-in merge handles every file without attributes: no program is
    /// set for all files, nothing is converted first, and the git folder has no attributes, which
    /// even an engine [without attributes](MergeEngine::without_attributes) would apply.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn merges_natively(&self) -> Result<bool, MergeError> {
        let info = self.settings.path("info/attributes");
        let Ok(content) = read_if_exists(&info) else {
            return Ok(false);
        };
        if !content.unwrap_or_default().is_empty() {
            return Ok(false);
        }
        match self.is_native.get() {
            Some(known) => Ok(*known),
            None => Ok(self.config()?.is_some()),
        }
    }

    /// Returns `true` if merges may find submodules, so that their fetched commits matter, too.
    pub fn has_submodules(&self) -> bool {
        self.folder().join(".gitmodules").exists()
    }

    /// Returns the output of `git version`; asked once as long as the program stays the same file.
    fn git_version(&self) -> Result<Vec<u8>, MergeError> {
        let program = GitProgram::find();
        match (self.version.get(), &program) {
            (Some((known, said)), Some(program)) if known == program => return Ok(said.clone()),
            _ => {}
        }
        let said = self.run(&["version"], Vec::new())?;
        if let Some(program) = program {
            let _ = self.version.set((program, said.clone()));
        }
        Ok(said)
    }

    fn config(&self) -> Result<Option<MergeConfig>, MergeError> {
        let listed = self.run(&["config", "--list", "-z"], Vec::new())?;
        let config = MergeConfig::parse(&listed);
        let _ = self.is_native.set(config.is_some());
        Ok(config)
    }
}

/// Lists attribute files outside of trees, and the file with a shallow clone's boundary. `None` if
/// one of the places is unknown.
fn files_outside(engine: &MergeEngine, attributes_file: Option<Vec<u8>>) -> Option<Vec<PathBuf>> {
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
    let program = GitProgram::find()?;
    let common = &engine.repo().common;
    Some(vec![
        users,
        PathBuf::from("/etc/gitattributes"),
        program.prefix()?.join("etc/gitattributes"),
        engine.settings.path("info/attributes"),
        common.join("shallow"),
    ])
}
