//! The configuration of one worktree, `config.worktree` (`extensions.worktreeConfig`).
//!
//! `git worktree add` copies that of the user's checkout, with any content. The copy is recorded, so
//! that a setting that a worker adds is seen: it could name a program that the next git command runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::base::files;
use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::git::command::Git;

/// The file of the configuration in the admin folder.
pub(super) const FILE: &str = "config.worktree";

/// The folder of the records of what git copied, in the shared folder: a worker may be able to write the
/// admin folder of its worktree.
const RECORDS: &str = "dispatch/worktree-settings";

/// Keys that a worker may set in its own worktree: they name no program and no other folder.
const HARMLESS: [&str; 4] = [
    "core.bare",
    "core.sparsecheckout",
    "core.sparsecheckoutcone",
    "index.sparse",
];

/// Sections whose keys a worker may set: an identity.
const HARMLESS_PREFIXES: [&str; 4] = ["user.name", "user.email", "author.", "committer."];

/// Records the configuration that git gave a new worktree, if there is one.
///
/// # Errors
/// When the admin folder cannot be written.
pub(super) fn record(admin: &Path) -> io::Result<()> {
    let record = record_of(admin);
    match regular_file::read(&admin.join(FILE), RECORD_LIMIT) {
        // One of an earlier worktree of this name says nothing about this one.
        Err(error) if error.kind() == io::ErrorKind::NotFound => forget(admin),
        read => {
            let read = read?;
            files::private_folder(record.parent().unwrap_or(admin))?;
            files::replace_private(&record, &read)
        }
    }
}

/// Removes the record of a worktree.
///
/// # Errors
/// When it cannot be removed.
pub(super) fn forget(admin: &Path) -> io::Result<()> {
    match fs::remove_file(record_of(admin)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The path of the record for an admin folder.
fn record_of(admin: &Path) -> PathBuf {
    let name = admin.file_name().unwrap_or_default();
    let common = admin.ancestors().nth(2).unwrap_or(admin);
    common.join(RECORDS).join(name)
}

/// Returns a setting that neither git copied nor a worker may make; `None` if there is none.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn foreign_setting(admin: &Path) -> io::Result<Option<String>> {
    Ok(read(admin)?.and_then(|own| own.foreign))
}

/// Returns the settings of a worktree as git takes them on its command line. The file is read once, so
/// that it cannot change between the verification and its use.
///
/// # Errors
/// When the file cannot be read, or has a setting that a worker may not make.
pub(super) fn verified(admin: &Path) -> io::Result<Vec<String>> {
    let Some(own) = read(admin)? else {
        return Ok(Vec::new());
    };
    if let Some(foreign) = own.foreign {
        return Err(io::Error::other(foreign));
    }
    let settings = own.settings.iter().map(|setting| {
        let setting = String::from_utf8_lossy(setting);
        setting.replacen('\n', "=", 1)
    });
    let places = ["core.worktree", "core.bare"];
    Ok(settings
        .filter(|setting| !places.iter().any(|place| setting.starts_with(place)))
        .collect())
}

/// The configuration of one worktree.
struct OwnConfig {
    settings: Vec<Vec<u8>>,
    /// A description of the first setting that a worker may not make.
    foreign: Option<String>,
}

fn read(admin: &Path) -> io::Result<Option<OwnConfig>> {
    let text = match regular_file::read(&admin.join(FILE), RECORD_LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let settings = parse(admin, &text);
    let recorded = regular_file::read(&record_of(admin), RECORD_LIMIT).unwrap_or_default();
    if recorded == text {
        return Ok(Some(OwnConfig {
            settings,
            foreign: None,
        }));
    }
    if settings.is_empty() && !text.trim_ascii().is_empty() {
        return Ok(Some(OwnConfig {
            settings,
            foreign: Some(format!("an unreadable {FILE}")),
        }));
    }
    // The settings of the main checkout, for a worktree without a record.
    let main = regular_file::read(&admin.join("../..").join(FILE), RECORD_LIMIT);
    let known = [recorded, main.unwrap_or_default()].map(|text| parse(admin, &text));
    let is_known = |setting: &Vec<u8>| known.iter().any(|known| known.contains(setting));
    let is_foreign = |setting: &&Vec<u8>| !is_known(setting) && !is_harmless(setting);
    let foreign = settings.iter().find(is_foreign).map(|setting| {
        let setting = String::from_utf8_lossy(setting).replace('\n', " = ");
        format!("{FILE} has {setting:?}, which was not copied from the checkout")
    });
    Ok(Some(OwnConfig { settings, foreign }))
}

/// Lists the settings of a file: key, line feed, value. Other files that it includes are not read.
fn parse(admin: &Path, text: &[u8]) -> Vec<Vec<u8>> {
    if text.trim_ascii().is_empty() {
        return Vec::new();
    }
    let args = ["config", "--file", "-", "-z", "--list"];
    let program = Git::at(admin).program().args(args).stdin(text.to_vec());
    let listed = program.output().map(|finished| finished.stdout);
    let listed = listed.unwrap_or_default();
    let settings = listed.split(|byte| *byte == 0);
    settings
        .filter(|setting| !setting.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

fn is_harmless(setting: &[u8]) -> bool {
    let key = setting
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let key = String::from_utf8_lossy(key).to_lowercase();
    HARMLESS.contains(&key.as_str())
        || HARMLESS_PREFIXES
            .iter()
            .any(|prefix| key.starts_with(prefix))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_git_copied_are_expected_and_programs_that_a_worker_adds_are_not() {
        let common = tempfile::tempdir().unwrap();
        let admin = common.path().join("worktrees/w");
        fs::create_dir_all(&admin).unwrap();
        let file = admin.join(FILE);
        let found = || foreign_setting(&admin).unwrap();
        assert_eq!(found(), None, "no file");
        let copied = "[core]\n\thooksPath = .hooks\n[user]\n\temail = me@work.example\n";
        fs::write(&file, copied).unwrap();
        assert!(
            found().unwrap().contains("core.hookspath = .hooks"),
            "not recorded"
        );
        record(&admin).unwrap();
        assert_eq!(found(), None);
        // A worker can write what lies in the folder itself.
        fs::write(
            admin.join("dispatch-config.worktree"),
            "[core]\n\tfsmonitor = x\n",
        )
        .unwrap();
        fs::write(&file, "[core]\n\tfsmonitor = x\n").unwrap();
        assert!(found().is_some());
        let sparse = "[core]\n\tsparseCheckout = true\n[user]\n\tname = Agent\n";
        fs::write(&file, format!("{copied}{sparse}")).unwrap();
        assert_eq!(found(), None);
        fs::write(&file, format!("{copied}[core]\n\tfsmonitor = touch x\n")).unwrap();
        assert!(found().unwrap().contains("core.fsmonitor = touch x"));
        fs::write(&file, "[core\n").unwrap();
        assert!(found().unwrap().contains("unreadable"));
        fs::write(common.path().join(FILE), "[core]\n\tfsmonitor = touch x\n").unwrap();
        fs::write(&file, "[core]\n\tfsmonitor = touch x\n").unwrap();
        assert_eq!(found(), None, "the main checkout has it, too");
        fs::remove_file(&file).unwrap();
        record(&admin).unwrap();
        assert!(!record_of(&admin).exists(), "nothing was copied this time");
    }
}
