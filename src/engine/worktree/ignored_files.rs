//! Keeps files of a worktree that git ignores and that no build makes again, before they go with it.
//!
//! A worktree does not stay for them: most of them are output of builds and tests. What common tools
//! build, and what copies and set-up brought, is left out. The others are named, and small ones are kept
//! in a commit, also a few in a folder of output such as `dist/`.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::base::text::{first_names, plural};
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::worktree::ignored_commit::{FilesToKeep, KEPT_BYTES, commit};
use crate::engine::worktree::ignored_paths::{IgnoredPath, ignored_inside, ignored_paths};
use crate::engine::worktree::ignored_repositories::{repositories_below, submodule_paths};
use crate::engine::worktree::kept_folders::is_kept;
use crate::engine::worktree::output_kinds::{Kind, kind_of};
use crate::engine::worktree::populate::links_in;
use crate::engine::worktree::remains::keep;
use crate::engine::worktree::starting_tree::StartingTree;
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::git::{GitError, Store};
use crate::merge::oid::Oid;
use crate::model::shortage::bytes;

/// The number of ignored files that a message names.
pub const NAMED: usize = 5;

/// The most files in a folder that are looked at.
const EXAMINED: usize = 2000;

/// The most files of output that are kept.
const OUTPUT_FILES: usize = 20;

/// Ignored files of a worktree that go with it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IgnoredFiles {
    /// The paths below the top that are kept; a whole folder ends in a slash.
    kept: Vec<PathBuf>,
    /// The files that are kept of those that submodules and nested repositories ignore.
    kept_inside: Vec<PathBuf>,
    /// Paths that are too large to be kept, or have files that are.
    large: Vec<PathBuf>,
    /// The bytes in them that are not kept; the largest number for too many files.
    size: u64,
    /// Folders of output, each with its number of files.
    output: Vec<(PathBuf, usize)>,
    /// Nested repositories in them, of which git would keep an id only.
    nested: Vec<PathBuf>,
    /// The reference that keeps the small ones.
    reference: String,
}

impl IgnoredFiles {
    /// Lists the ignored files of a worktree; `None` if there are none but those that tools make or that
    /// copies and set-up brought.
    ///
    /// # Errors
    /// When git cannot read the worktree.
    pub fn of(context: &Context, worktree: &Worktree) -> Result<Option<IgnoredFiles>, GitError> {
        IgnoredFiles::beside(context, worktree, &[])
    }

    /// Lists them without those in folders that are kept.
    ///
    /// # Errors
    /// As [`IgnoredFiles::of`].
    pub fn beside(
        context: &Context,
        worktree: &Worktree,
        keep: &[String],
    ) -> Result<Option<IgnoredFiles>, GitError> {
        let top = &worktree.path;
        let own = ignored_paths(&context.repo.git_in(worktree)?)?;
        let mut paths: Vec<IgnoredPath> = own.into_iter().map(IgnoredPath::of_worktree).collect();
        let (links, start) = (links_in(context, top), StartingTree::read(worktree));
        let may_be_work = |ignored: &IgnoredPath| {
            !is_kept(&ignored.path, keep)
                && !ignored.is_of_tool()
                && !links.iter().any(|link| Path::new(link) == ignored.path)
                && (start.as_ref())
                    .is_none_or(|start| start.is_written_since(&top.join(&ignored.path)))
        };
        paths.retain(may_be_work);
        let mut folders: Vec<PathBuf> = paths.iter().map(|one| one.path.clone()).collect();
        folders.extend(submodule_paths(&context.repo, worktree)?);
        let repositories = repositories_below(top, &folders).repositories;
        let mut inside = ignored_inside(&context.repo, &repositories)?;
        inside.retain(may_be_work);
        paths.append(&mut inside);
        let nested = repositories.into_iter().map(|found| found.path);
        let nested: Vec<PathBuf> = nested.collect();
        paths.retain(|one| !nested.contains(&one.path.components().collect()));
        if paths.is_empty() {
            return Ok(None);
        }
        let place = context.repo.known_path(&worktree.path);
        let name = place.file_name().unwrap_or_default();
        let name = name
            .to_string_lossy()
            .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let reference = format!("refs/dispatch/attempts/{}/{name}.ignored", context.run);
        let mut found = IgnoredFiles {
            nested,
            reference,
            ..IgnoredFiles::default()
        };
        found.sort(top, paths);
        let is_empty =
            found.names().is_empty() && found.large.is_empty() && found.output.is_empty();
        Ok((!is_empty).then_some(found))
    }

    /// Decides on the fate of each path. Small files are kept first; output is kept if it is a few files,
    /// which a user may have written.
    fn sort(&mut self, top: &Path, paths: Vec<IgnoredPath>) {
        let mut others = Vec::new();
        for one in paths {
            let files = files_below(top, &one, &self.nested);
            match one.kind() {
                Kind::Output if files.list.len() > OUTPUT_FILES => {
                    self.output.push((one.path, files.list.len()));
                }
                _ => others.push((one, files)),
            }
        }
        let all = others.iter().flat_map(|(_, files)| &files.list);
        let mut all: Vec<&(PathBuf, u64)> = all.collect();
        all.sort_by_key(|(_, size)| *size);
        let mut room = KEPT_BYTES;
        let small = all.into_iter().take_while(|(_, size)| {
            let fits = *size <= room;
            room = room.saturating_sub(*size);
            fits
        });
        let small: HashSet<&Path> = small.map(|(file, _)| file.as_path()).collect();
        for (one, files) in &others {
            let is_small = |file: &&(PathBuf, u64)| small.contains(file.0.as_path());
            let (kept, large): (Vec<_>, Vec<_>) = files.list.iter().partition(is_small);
            let is_complete = files.is_whole && large.is_empty();
            if !is_complete {
                let more = if files.is_whole { 0 } else { u64::MAX };
                let sizes = large.iter().map(|(_, size)| *size).chain([more]);
                self.size = sizes.fold(self.size, u64::saturating_add);
                self.large.push(one.path.clone());
            }
            let is_whole_folder = is_complete && !files.has_more && !kept.is_empty();
            let kept = kept.into_iter().map(|(file, _)| file.clone());
            if !one.is_of_worktree() {
                self.kept_inside.extend(kept);
            } else if is_whole_folder {
                self.kept.push(one.path.clone());
            } else {
                self.kept.extend(kept);
            }
        }
    }

    /// Returns `true` if it is output of builds only.
    pub fn is_output(&self) -> bool {
        self.kept.is_empty() && self.kept_inside.is_empty() && self.large.is_empty()
    }

    /// Lists the paths that are kept.
    fn names(&self) -> Vec<&Path> {
        let kept = self.kept.iter().chain(&self.kept_inside);
        kept.map(PathBuf::as_path).collect()
    }

    /// Names them and their fate, as in `out.log, which git ignores; kept below …`.
    pub fn words(&self) -> String {
        let mut parts = Vec::new();
        let kept = self.names();
        if !kept.is_empty() {
            let names = first_names(kept.into_iter(), NAMED);
            let reference = &self.reference;
            parts.push(format!(
                "{names}, which git ignores; kept below {reference}"
            ));
        }
        if !self.large.is_empty() {
            let names = first_names(self.large.iter().map(PathBuf::as_path), NAMED);
            parts.push(match self.size {
                u64::MAX => format!("{names}, which git ignores; they go with it"),
                size => format!(
                    "{names}, which git ignores; {}, which go with it",
                    bytes(size)
                ),
            });
        }
        if !self.output.is_empty() {
            let folders = self.output.iter().map(|(path, count)| match *count {
                EXAMINED => format!("{} ({EXAMINED} files or more)", path.display()),
                count => format!("{} ({})", path.display(), plural(count, "file")),
            });
            let folders: Vec<String> = folders.collect();
            let go = if folders.len() == 1 { "goes" } else { "go" };
            parts.push(format!(
                "{}, output that git ignores, which {go} with it",
                folders.join(", ")
            ));
        }
        parts.join(", and with ")
    }

    /// Keeps small ones in a commit on top of HEAD.
    ///
    /// # Errors
    /// When git or the store fails.
    pub fn keep(
        &self,
        context: &Context,
        store: &Store,
        worktree: &Worktree,
    ) -> Result<(), EngineError> {
        let Some(head) = head_of(store, worktree)?.filter(|_| !self.names().is_empty()) else {
            return Ok(());
        };
        let message = format!("Ignored files of {}", worktree.path.display());
        let files = FilesToKeep {
            paths: &self.kept,
            nested: &self.nested,
            inside: &self.kept_inside,
        };
        if let Some(commit) = commit(context, store, worktree, head, files, &message)? {
            keep(store, &self.reference, commit)?;
        }
        Ok(())
    }
}

fn head_of(store: &Store, worktree: &Worktree) -> Result<Option<Oid>, EngineError> {
    Ok(match worktree.head() {
        Some(Head::Branch(branch)) => store.reference(&branch_ref(&branch))?,
        Some(Head::Detached(commit)) => Some(commit).filter(|commit| !commit.is_zero()),
        None => None,
    })
}

/// Lists the files at some ignored paths below `top`, but not those of nested repositories.
pub fn files_of(top: &Path, paths: &[IgnoredPath], nested: &[PathBuf]) -> Vec<PathBuf> {
    let files = paths
        .iter()
        .flat_map(|path| files_below(top, path, nested).list);
    files.map(|(file, _)| file).collect()
}

/// The files at an ignored path.
struct Files {
    /// Regular files and symbolic links, each with its size.
    list: Vec<(PathBuf, u64)>,
    /// `true` if it contains something that is not listed: what tools make, and pipes.
    has_more: bool,
    /// `false` if there are too many to list all of them.
    is_whole: bool,
}

/// Lists the files at a path below `top`, but not those of nested repositories.
fn files_below(top: &Path, path: &IgnoredPath, nested: &[PathBuf]) -> Files {
    let mut files = Files {
        list: Vec::new(),
        has_more: false,
        is_whole: true,
    };
    let (mut places, mut left) = (vec![path.path.clone()], EXAMINED);
    while let Some(place) = places.pop() {
        let Ok(meta) = top.join(&place).symlink_metadata() else {
            continue;
        };
        if left == 0 {
            files.is_whole = false;
            break;
        }
        left -= 1;
        // A folder ends in a slash.
        let named = if meta.is_dir() { place.join("") } else { place };
        let is_left_out = kind_of(path.below_repository(&named)) == Kind::Tool
            || nested.contains(&named.components().collect());
        if !is_left_out && meta.is_dir() {
            let entries = fs::read_dir(top.join(&named));
            let entries = entries.into_iter().flatten().flatten();
            places.extend(entries.map(|entry| named.join(entry.file_name())));
        } else if !is_left_out && (meta.is_file() || meta.is_symlink()) {
            files.list.push((named, meta.len()));
        } else {
            files.has_more = true;
        }
    }
    files
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Decides on files of given sizes; returns the kept ones, the large ones and the output.
    fn sorted(files: &[(&str, usize)]) -> [String; 3] {
        let top = tempfile::tempdir().unwrap();
        for (name, size) in files {
            let file = top.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, vec![b'x'; *size]).unwrap();
        }
        let mut paths: Vec<PathBuf> = files
            .iter()
            .map(|(name, _)| match name.split_once('/') {
                Some((folder, _)) => PathBuf::from(format!("{folder}/")),
                None => PathBuf::from(name),
            })
            .collect();
        paths.dedup();
        let mut found = IgnoredFiles::default();
        let paths = paths.into_iter().map(IgnoredPath::of_worktree);
        found.sort(top.path(), paths.collect());
        let words = |paths: &[PathBuf]| {
            let mut words: Vec<String> = paths
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            words.sort();
            words.join(" ")
        };
        let output: Vec<PathBuf> = found.output.iter().map(|(path, _)| path.clone()).collect();
        [words(&found.kept), words(&found.large), words(&output)]
    }

    #[test]
    fn small_files_are_kept_also_beside_large_ones() {
        let big = 2 * KEPT_BYTES as usize;
        let [kept, large, _] = sorted(&[
            (".env", 10),
            ("run.log", big),
            ("data/a", 5),
            ("data/b", big),
        ]);
        assert_eq!(
            (kept.as_str(), large.as_str()),
            (".env data/a", "data/ run.log")
        );
        let half = KEPT_BYTES as usize / 2;
        let [kept, large, _] = sorted(&[("a", half), ("b", half), ("c", half)]);
        assert_eq!((kept.as_str(), large.as_str()), ("a b", "c"));
    }

    #[test]
    fn a_few_files_in_a_folder_of_output_may_be_notes() {
        let names: Vec<String> = (0..=OUTPUT_FILES).map(|n| format!("dist/{n}")).collect();
        let mut files: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        files.push(("out/notes.md", 1));
        let [kept, large, output] = sorted(&files);
        assert_eq!((kept.as_str(), large.as_str()), ("out/", ""));
        assert_eq!(output, "dist/");
    }
}
