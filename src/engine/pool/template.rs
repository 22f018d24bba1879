//! The template: a worktree of the pool that no attempt gets. New ones are made as copies of it, so that
//! set-up does not run again for them.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::fault;
use crate::base::files::{self, existing_ancestor};
use crate::base::reflink::can_share_blocks;
use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::config::Settings;
use crate::config::template::Template as Setting;
use crate::engine::EngineError;
use crate::engine::pool::recorded_path::find_recorded;
use crate::engine::pool::set_up_mark::SetUpMark;
use crate::git::Repo;
use crate::git::pool_entry::PoolEntry;

/// The file of the record.
const FILE: &str = "template";

/// A worktree that was set up to be copied.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Template {
    /// The mark of its set-up.
    set_up: String,
    /// The time that its files and its set-up took, in milliseconds.
    pub made: u64,
    /// The time that the last copy took, in milliseconds.
    pub copied: Option<u64>,
    /// The reason for which a copy of it may not work.
    pub obstacle: Option<String>,
}

impl Template {
    /// Reads the record of a worktree.
    pub fn read(entry: &PoolEntry) -> Option<Template> {
        let text = regular_file::read(&entry.record.join(FILE), RECORD_LIMIT).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Returns `true` if copies may be made, and are not slower than a checkout with set-up.
    pub fn serves(&self, setting: Setting) -> bool {
        let may_be_copied = self.obstacle.is_none() || setting == Setting::Always;
        may_be_copied && self.is_faster()
    }

    /// Returns `true` if a copy takes less time than a checkout with set-up, as far as it was measured.
    pub fn is_faster(&self) -> bool {
        self.copied.is_none_or(|copied| copied <= self.made)
    }

    fn write(&self, entry: &PoolEntry) -> Result<(), EngineError> {
        let text =
            serde_json::to_vec(self).map_err(|error| EngineError::Broken(error.to_string()))?;
        files::replace(&entry.record.join(FILE), &text)
            .map_err(|error| EngineError::File(entry.record.display().to_string(), error))
    }
}

/// Returns `true` for the template, which no attempt gets.
pub(super) fn is_template(settings: &Settings, entry: &PoolEntry) -> bool {
    let setting = settings.worktree.pool_template;
    setting != Setting::Never && Template::read(entry).is_some_and(|found| found.serves(setting))
}

/// Returns `true` if new worktrees may be copies: by the settings, and where their blocks are shared.
pub fn may_copy(repo: &Repo, settings: &Settings) -> bool {
    match settings.worktree.pool_template {
        Setting::Never => false,
        Setting::Always => true,
        Setting::Auto => {
            let folder = settings.worktree.folder(repo.home(), "pool", "1");
            can_share_blocks(&existing_ancestor(&folder))
        }
    }
}

/// Returns `true` if a set-up with this mark is known not to be copied: a template was made for it already.
pub(super) fn is_known(all: &[PoolEntry], mark: &SetUpMark) -> bool {
    let mut found = all.iter().filter_map(Template::read);
    found.any(|found| found.set_up == mark.text())
}

/// Forgets what is known of a worktree, before its set-up runs.
///
/// # Errors
/// When the record cannot be removed.
pub(super) fn forget(entry: &PoolEntry) -> Result<(), EngineError> {
    match std::fs::remove_file(entry.record.join(FILE)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(EngineError::File(entry.record.display().to_string(), error))
        }
        _ => Ok(()),
    }
}

/// Records that a worktree in which set-up has just run is the template, unless something in it has the path
/// of the worktree. The caller has the lock of the record.
///
/// # Errors
/// When the record cannot be written.
pub(super) fn record(
    entry: &PoolEntry,
    mark: &SetUpMark,
    took: Duration,
) -> Result<(), EngineError> {
    let obstacle = match find_recorded(&entry.place, &SetUpMark::products(entry)) {
        Ok(found) => {
            found.map(|file| format!("{} has the path of its worktree in it", file.display()))
        }
        Err(error) => Some(format!("a file that set-up makes cannot be read: {error}")),
    };
    let template = Template {
        set_up: mark.text().to_owned(),
        made: millis(took),
        copied: None,
        obstacle,
    };
    template.write(entry)?;
    fault::point("pool ahead", "with a template");
    Ok(())
}

/// Records the time that a copy took. Without the record, the next one is measured.
pub(super) fn measured(template: &PoolEntry, millis: u64) {
    if let Some(mut found) = Template::read(template) {
        found.copied = Some(millis);
        let _ = found.write(template);
    }
}

/// The way in which further worktrees of the pool are made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// git checks them out; set-up runs in each, if there is any.
    Checkout,
    /// The same, because files in this folder cannot share their blocks.
    NoSharedBlocks(PathBuf),
    /// The same, because a copy may not work, for this reason.
    Obstacle(String),
    /// Copies of the template, unless they were slower when they were measured.
    Template(Option<Template>),
}

/// Returns the way in which further worktrees of the pool are made, as far as it is known before a run.
pub fn source(repo: &Repo, settings: &Settings) -> Source {
    let worktree = &settings.worktree;
    let has_mark = !worktree.setup_when.is_empty() && worktree.teardown.is_empty();
    if worktree.setup.is_empty() || !has_mark || worktree.pool_template == Setting::Never {
        return Source::Checkout;
    }
    if !may_copy(repo, settings) {
        let folder = worktree.folder(repo.home(), "pool", "1");
        return Source::NoSharedBlocks(existing_ancestor(&folder));
    }
    let all = repo.pool();
    let mut known: Vec<Template> = all.iter().filter_map(Template::read).collect();
    known.sort_by_key(|found| !found.serves(worktree.pool_template));
    match known.into_iter().next() {
        Some(found) if found.is_faster() && !found.serves(worktree.pool_template) => {
            Source::Obstacle(found.obstacle.unwrap_or_default())
        }
        found => Source::Template(found),
    }
}

/// Returns whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(made: u64, copied: Option<u64>, obstacle: Option<&str>) -> Template {
        Template {
            set_up: "npm ci".to_owned(),
            made,
            copied,
            obstacle: obstacle.map(str::to_owned),
        }
    }

    #[test]
    fn the_faster_way_is_chosen_as_far_as_it_was_measured() {
        for (copied, serves) in [(None, true), (Some(10), true), (Some(11), false)] {
            let found = template(10, copied, None);
            assert_eq!(found.serves(Setting::Auto), serves, "{copied:?}");
            assert_eq!(found.serves(Setting::Always), serves, "{copied:?}");
        }
    }

    #[test]
    fn what_names_its_worktree_is_copied_only_where_the_user_says_so() {
        let found = template(
            10,
            Some(1),
            Some("bin/pip has the path of its worktree in it"),
        );
        assert!(!found.serves(Setting::Auto) && found.serves(Setting::Always));
    }
}
