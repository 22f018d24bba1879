//! Installs the skill into the folders that agents read, and removes it again.
//!
//! A record beside the skill holds the hash of what was written. A file that differs from it was
//! changed by the user, and a file without a record is not dispatch's own: both are left alone.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::files;
use crate::git::object_hash::hash_blob;
use crate::merge::oid::ObjectFormat;

/// The file of the skill.
const FILE: &str = "SKILL.md";

/// The file with the hash of what was written.
const RECORD: &str = ".dispatch-plugin.json";

/// The name of the skill, which is that of its folder.
const NAME: &str = "dispatch";

/// A folder of skills, from the top of the project or from the home folder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum SkillHome {
    /// Claude Code, opencode and Copilot CLI read it.
    Claude,
    /// Codex, Gemini CLI, opencode and Copilot CLI read it.
    Agents,
}

impl SkillHome {
    fn path(self) -> &'static str {
        match self {
            SkillHome::Claude => ".claude/skills",
            SkillHome::Agents => ".agents/skills",
        }
    }
}

/// The skill in one folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct InstalledSkill {
    /// The path to show: from the top of the project or `~`.
    pub(super) shown: String,
    folder: PathBuf,
}

/// The state of the skill in a folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SkillState {
    /// The file does not exist.
    Absent,
    /// The file is the one that this version writes.
    Current,
    /// The file is the one that another version wrote.
    Outdated,
    /// It was changed after it was written.
    Changed,
    /// Another program or the user wrote the file.
    Foreign,
}

/// The record of what was written.
#[derive(Serialize, Deserialize)]
struct Record {
    version: String,
    hash: String,
    /// The agents whose registration was made with it.
    #[serde(default)]
    agents: Vec<String>,
    /// The configuration files that their registrations created.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    created: BTreeSet<String>,
    /// The number of folders that were created for it: its own, and those above that were missing.
    #[serde(default)]
    folders: usize,
}

impl InstalledSkill {
    /// Names the skill below the top of a project or the home folder.
    pub(super) fn new(root: &Path, shown: &str, home: SkillHome) -> InstalledSkill {
        InstalledSkill {
            shown: format!("{shown}{}/{NAME}/{FILE}", home.path()),
            folder: root.join(home.path()).join(NAME),
        }
    }

    /// Returns the state of the skill; `text` is what this version writes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn state(&self, text: &str) -> io::Result<SkillState> {
        let found = match fs::read(self.folder.join(FILE)) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(match self.folder.symlink_metadata() {
                    // A folder with other content is the user's.
                    Ok(_) if !self.is_empty() => SkillState::Foreign,
                    _ => SkillState::Absent,
                });
            }
            Err(error) => return Err(error),
        };
        let record = self.record();
        Ok(match record {
            None if found == text.as_bytes() => SkillState::Current,
            None => SkillState::Foreign,
            Some(record) if record.hash != hash(&found) => SkillState::Changed,
            Some(_) if found == text.as_bytes() => SkillState::Current,
            Some(_) => SkillState::Outdated,
        })
    }

    fn is_empty(&self) -> bool {
        let entries = fs::read_dir(&self.folder);
        entries.is_ok_and(|mut entries| {
            entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == RECORD))
        })
    }

    /// Lists the agents whose registration was made with it.
    pub(super) fn agents(&self) -> Vec<String> {
        self.record()
            .map(|record| record.agents)
            .unwrap_or_default()
    }

    /// Lists the configuration files that registrations created.
    pub(super) fn created_files(&self) -> BTreeSet<String> {
        self.record()
            .map(|record| record.created)
            .unwrap_or_default()
    }

    fn record(&self) -> Option<Record> {
        let text = fs::read(self.folder.join(RECORD)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes the skill and its record.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(super) fn write(
        &self,
        text: &str,
        agents: &[String],
        created: &BTreeSet<String>,
    ) -> io::Result<()> {
        let folders = match self.record() {
            Some(record) => record.folders,
            None => self.folders().filter(|folder| !folder.exists()).count(),
        };
        fs::create_dir_all(&self.folder)?;
        let record = Record {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hash: hash(text.as_bytes()),
            agents: agents.to_vec(),
            created: created.clone(),
            folders,
        };
        // The record comes first: a skill without one counts as the user's.
        self.write_record(&record)?;
        files::replace(&self.folder.join(FILE), text.as_bytes())
    }

    /// Removes the skill, its record, and the folders that were created for it and are empty then.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub(super) fn remove(&self) -> io::Result<()> {
        let created = self.record().map_or(0, |record| record.folders);
        for file in [FILE, RECORD] {
            // Both folders of skills may be the same one, by a symbolic link.
            match fs::remove_file(self.folder.join(file)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        for folder in self.folders().take(created) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Removes the skill and keeps its record, of registrations that are still there.
    ///
    /// # Errors
    /// When the file cannot be removed, or the record cannot be written.
    pub(super) fn remove_but_record(&self, agents: &[String]) -> io::Result<()> {
        self.record_agents(agents)?;
        match fs::remove_file(self.folder.join(FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Keeps these agents in the record, if there is one.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub(super) fn record_agents(&self, agents: &[String]) -> io::Result<()> {
        match self.record() {
            Some(record) => self.write_record(&Record {
                agents: agents.to_vec(),
                ..record
            }),
            None => Ok(()),
        }
    }

    fn write_record(&self, record: &Record) -> io::Result<()> {
        let text = serde_json::to_string_pretty(record)? + "\n";
        files::replace(&self.folder.join(RECORD), text.as_bytes())
    }

    /// Returns `true` if only the record of registrations is there.
    pub(super) fn is_only_record(&self) -> bool {
        self.record().is_some() && !self.folder.join(FILE).exists()
    }

    /// Returns the link that leads from the project, whose top folder is `root`, to a place outside of
    /// it, and that place; both from the file system's root.
    ///
    /// # Errors
    /// When a link cannot be followed.
    pub(super) fn link_outside(&self, root: &Path) -> io::Result<Option<(PathBuf, PathBuf)>> {
        let root = root.canonicalize()?;
        let mut folders: Vec<&Path> = self.folders().collect();
        folders.reverse();
        let file = self.folder.join(FILE);
        folders.push(&file);
        for folder in folders {
            if !folder.is_symlink() {
                continue;
            }
            let to = match folder.canonicalize() {
                Ok(to) => to,
                // A link to nothing: its text tells where it leads.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let above = folder.parent().unwrap_or(folder).canonicalize()?;
                    above.join(fs::read_link(folder)?)
                }
                Err(error) => return Err(error),
            };
            if !to.starts_with(&root) {
                return Ok(Some((folder.to_owned(), to)));
            }
        }
        Ok(None)
    }

    /// Returns its folders, the innermost first: `dispatch`, `skills`, and `.claude` or `.agents`.
    fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folder.ancestors().take(3)
    }
}

fn hash(bytes: &[u8]) -> String {
    hash_blob(ObjectFormat::Sha1, &[bytes]).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn place() -> (tempfile::TempDir, InstalledSkill) {
        let folder = tempfile::tempdir().unwrap();
        let skill = InstalledSkill::new(folder.path(), "~/", SkillHome::Agents);
        (folder, skill)
    }

    #[test]
    fn a_skill_is_written_updated_and_removed_without_a_trace() {
        let (folder, skill) = place();
        assert_eq!(skill.shown, "~/.agents/skills/dispatch/SKILL.md");
        assert_eq!(skill.state("one").unwrap(), SkillState::Absent);
        skill
            .write("one", &["codex".to_owned()], &BTreeSet::new())
            .unwrap();
        assert_eq!(skill.state("one").unwrap(), SkillState::Current);
        assert_eq!(skill.state("two").unwrap(), SkillState::Outdated);
        assert_eq!(skill.agents(), ["codex"]);
        skill.remove().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_the_user_made_or_changed_is_told_apart() {
        let (_folder, skill) = place();
        skill.write("one", &[], &BTreeSet::new()).unwrap();
        fs::write(skill.folder.join(FILE), "mine").unwrap();
        assert_eq!(skill.state("one").unwrap(), SkillState::Changed);
        fs::remove_file(skill.folder.join(RECORD)).unwrap();
        assert_eq!(skill.state("one").unwrap(), SkillState::Foreign);
        assert_eq!(skill.state("mine").unwrap(), SkillState::Current);
        fs::remove_file(skill.folder.join(FILE)).unwrap();
        fs::write(skill.folder.join("notes.md"), "mine").unwrap();
        assert_eq!(skill.state("one").unwrap(), SkillState::Foreign);
    }

    #[test]
    fn folders_of_the_user_stay() {
        let (folder, skill) = place();
        skill.write("one", &[], &BTreeSet::new()).unwrap();
        let other = folder.path().join(".agents/skills/other");
        fs::create_dir(&other).unwrap();
        skill.remove().unwrap();
        assert!(other.is_dir() && !skill.folder.exists());
        // Even an empty one, unless it was created for the skill.
        fs::remove_dir(&other).unwrap();
        skill.write("one", &[], &BTreeSet::new()).unwrap();
        skill.write("two", &[], &BTreeSet::new()).unwrap();
        skill.remove().unwrap();
        assert!(other.parent().unwrap().is_dir() && !skill.folder.exists());
    }

    #[test]
    fn both_folders_of_skills_may_be_one() {
        let (folder, skill) = place();
        let claude = InstalledSkill::new(folder.path(), "", SkillHome::Claude);
        fs::create_dir_all(folder.path().join(".claude/skills")).unwrap();
        fs::create_dir(folder.path().join(".agents")).unwrap();
        let link = folder.path().join(".agents/skills");
        std::os::unix::fs::symlink("../.claude/skills", &link).unwrap();
        for skill in [&claude, &skill] {
            skill.write("one", &[], &BTreeSet::new()).unwrap();
        }
        assert_eq!(skill.state("one").unwrap(), SkillState::Current);
        for skill in [&claude, &skill] {
            skill.remove().unwrap();
        }
        assert!(link.is_dir() && !skill.folder.exists());
    }
}
