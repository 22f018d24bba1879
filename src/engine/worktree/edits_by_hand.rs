//! Keeps what a user makes in the worktree of the checks, which dispatch writes again with the next check
//! and removes without a question. Changes and commits are kept under references; a repository that the user
//! made there has more than a commit can hold, so it is moved to a folder beside the worktree.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::base::files;
use crate::base::text::first_names;
use crate::engine::EngineError;
use crate::engine::kernel::context::Context;
use crate::engine::worktree::ignored_files::NAMED;
use crate::engine::worktree::ignored_repositories::repositories_below;
use crate::engine::worktree::left_commits::LeftCommits;
use crate::engine::worktree::log_mark::mark_end;
use crate::engine::worktree::populate::links_in;
use crate::engine::worktree::remains::keep;
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
use crate::git::worktree::Worktree;

/// The file in the admin folder whose time is that of the last use by dispatch.
const MARK: &str = "dispatch-used";

/// Marks that dispatch has done with a worktree. Changes from now on are the user's.
pub fn mark_used(context: &Context, worktree: &Worktree) {
    mark_end(&context.repo, worktree);
    // The worker may have put a link there.
    let _ = files::replace_unsynced(&worktree.admin.join(MARK), b"");
}

/// Marks that dispatch uses a worktree. Until [`mark_used`], changes are those of its commands.
pub fn mark_in_use(worktree: &Worktree) {
    let _ = fs::remove_file(worktree.admin.join(MARK));
}

/// The user's changes in a worktree since dispatch has done with it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EditsByHand {
    /// The changed paths.
    paths: Vec<PathBuf>,
    /// The repositories in them, each with the folder to which it is moved.
    repositories: Vec<(PathBuf, PathBuf)>,
    commits: Option<LeftCommits>,
    reference: String,
}

impl EditsByHand {
    /// Finds them; `None` if there are none, or if git cannot read the worktree.
    ///
    /// # Errors
    /// When git fails.
    pub fn of(
        context: &Context,
        store: &Store,
        worktree: &Worktree,
    ) -> Result<Option<EditsByHand>, EngineError> {
        let Ok(mark) = worktree.admin.join(MARK).symlink_metadata() else {
            return Ok(None);
        };
        if !worktree.exists() || worktree.verify().is_err() {
            return Ok(None);
        }
        let links = links_in(context, &worktree.path);
        let mut paths = store.changed_paths(worktree, &links)?;
        let at = (mark.ctime(), mark.ctime_nsec());
        paths.retain(|path| is_written_since(&worktree.path.join(path), at));
        let repositories = repositories_in(worktree, &paths);
        paths.retain(|path| {
            let path: PathBuf = path.components().collect();
            !repositories.iter().any(|(found, _)| *found == path)
        });
        let commits = LeftCommits::with_head(context, worktree)?;
        let reference = LeftCommits::reference(context, worktree);
        Ok(
            (!paths.is_empty() || !repositories.is_empty() || commits.is_some()).then_some(
                EditsByHand {
                    paths,
                    repositories,
                    commits,
                    reference,
                },
            ),
        )
    }

    /// Names them and the reference that keeps them.
    pub fn words(&self) -> String {
        let names = first_names(self.paths.iter().map(PathBuf::as_path), NAMED);
        let edits = (!self.paths.is_empty()).then(|| {
            format!(
                "changes made by hand ({names}); kept below {}",
                self.reference
            )
        });
        let commits = self.commits.as_ref().map(LeftCommits::words);
        let moved = self.repositories.iter().map(|(path, to)| {
            let (path, to) = (path.display(), to.display());
            format!("the repository {path}, which was made by hand; moved to {to}")
        });
        let parts: Vec<String> = commits.into_iter().chain(edits).chain(moved).collect();
        parts.join(", and with ")
    }

    /// Moves the repositories away, and keeps the commits, and the changes in a commit on top of HEAD.
    ///
    /// # Errors
    /// When git or the store fails, or a repository cannot be moved.
    pub fn keep(
        &self,
        context: &Context,
        store: &Store,
        worktree: &Worktree,
    ) -> Result<(), EngineError> {
        if let Some(commits) = &self.commits {
            commits.keep(store)?;
        }
        for (path, to) in &self.repositories {
            move_repository(context, &worktree.path.join(path), to)?;
        }
        if self.paths.is_empty() {
            return Ok(());
        }
        let captured = store.capture(worktree, &links_in(context, &worktree.path))?;
        // A tree that commands made files from has no commit that stays.
        let parents = Some(captured.head).filter(|head| store.has(*head));
        let commit = store.write_commit(&NewCommit {
            tree: captured.tree,
            parents: parents.as_slice(),
            message: &format!("Changes made by hand in {}", worktree.path.display()),
            time: context.clock.now(),
            by: By::Dispatch,
        })?;
        Ok(keep(store, &self.reference, commit)?)
    }
}

/// Returns the outermost repositories in some paths of a worktree, each with a free folder beside it.
fn repositories_in(worktree: &Worktree, paths: &[PathBuf]) -> Vec<(PathBuf, PathBuf)> {
    let mut outermost: Vec<PathBuf> = Vec::new();
    for found in repositories_below(&worktree.path, paths).repositories {
        if !outermost.iter().any(|outer| found.path.starts_with(outer)) {
            outermost.push(found.path);
        }
    }
    let name = worktree
        .path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let place = |number: u32| {
        worktree
            .path
            .with_file_name(format!("{name}.kept-{number}"))
    };
    let free = |path: &Path| {
        let mut places = (1..).map(|number| place(number).join(path));
        places.find(|place| place.symlink_metadata().is_err())
    };
    let places = outermost.into_iter().map(|path| Some((free(&path)?, path)));
    places
        .flatten()
        .map(|(place, path)| (path, place))
        .collect()
}

fn move_repository(context: &Context, from: &Path, to: &Path) -> Result<(), EngineError> {
    let parent = to.parent().map_or(Ok(()), fs::create_dir_all);
    let moved = parent.and_then(|()| fs::rename(from, to));
    moved.map_err(|error| EngineError::File(from.display().to_string(), error))?;
    // A worktree that the user added there has a link to its folder.
    let linked = context
        .repo
        .worktrees()
        .into_iter()
        .filter(|one| one.path.starts_with(from));
    for one in linked {
        let below = one.path.strip_prefix(from).unwrap_or(Path::new(""));
        let path = to.join(below).components().collect();
        Worktree { path, ..one }.relink()?;
    }
    Ok(())
}

/// Returns `true` if a path, or something in the folder that it is, was written after this time. The folder
/// that contained it tells about one that is gone. Equal times are those of a command that ended just
/// before: the clock of a file system moves in steps of some milliseconds.
fn is_written_since(path: &Path, at: (i64, i64)) -> bool {
    let Ok(meta) = path.symlink_metadata() else {
        let parent = path.parent().map(Path::symlink_metadata);
        return parent
            .is_none_or(|meta| meta.is_ok_and(|meta| (meta.ctime(), meta.ctime_nsec()) > at));
    };
    if !meta.is_dir() {
        return (meta.ctime(), meta.ctime_nsec()) > at;
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .any(|path| is_written_since(&path, at))
}
