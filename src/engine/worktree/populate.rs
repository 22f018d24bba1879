//! Populates a worktree before its worker, its checks or the user's hooks run in it: copies and links
//! of untracked files, then the set-up commands. A fresh checkout has none of what a project needs
//! but does not commit.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::base::fault;
use crate::base::reflink::clone_or_copy;
use crate::engine::EngineError;
use crate::engine::kernel::blocking::blocking;
use crate::engine::kernel::cancel::CancelHandle;
use crate::engine::kernel::context::Context;
use crate::engine::kernel::disk_space::is_full;
use crate::engine::kernel::sweep::sweep;
use crate::engine::worktree::purpose::Purpose;
use crate::engine::worktree::setup::{SetUpFailure, set_up};
use crate::engine::worktree::starting_tree::StartingTree;
use crate::git::Store;
use crate::git::refs::branch_ref;
use crate::git::worktree::{Head, Worktree};
use crate::merge::change::RepoPath;
use crate::merge::oid::Oid;

/// The file at the top of a repository that names ignored files to copy, in the syntax of
/// gitignore(5). Other tools for worktrees read the same file.
const INCLUDE_FILE: &str = ".worktreeinclude";

/// A worktree to populate.
pub struct Population<'a> {
    /// The run.
    pub context: &'a Arc<Context>,
    /// The use of the worktree.
    pub purpose: Purpose<'a>,
    /// The worktree.
    pub worktree: &'a Worktree,
    /// The tree in it.
    pub tree: Oid,
    /// The handle that cancels the commands.
    pub cancel: &'a CancelHandle,
    /// The set-up of an earlier attempt in the worktree.
    pub earlier: EarlierUse,
}

/// The set-up that a worktree has from an earlier attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EarlierUse {
    /// The worktree is new.
    None,
    /// Folders were kept in it, but its set-up is another one.
    Folders,
    /// It is set up.
    SetUp,
}

impl Population<'_> {
    /// Copies, links and sets up. Returns what failed, which is not the worker's fault.
    ///
    /// # Errors
    /// When a process cannot be started, or the disk is full.
    pub async fn populate(&self) -> Result<Option<SetUpFailure>, EngineError> {
        Ok(self.fill().await?.0)
    }

    /// Populates the worktree, and records its tree as the one from which work starts.
    ///
    /// # Errors
    /// As [`Population::populate`], and when the worktree cannot be read.
    pub async fn populate_for_work(&self) -> Result<Option<SetUpFailure>, EngineError> {
        let (failed, brought) = self.fill().await?;
        if brought != Brought::Links {
            let (context, worktree) = (Arc::clone(self.context), self.worktree.clone());
            let (tree, start) = (self.tree, self.purpose.start(&context));
            let has_base = matches!((brought, &start), (Brought::Kept, Some(_)));
            fault::point("set-up", "ended");
            blocking(move || {
                let links = links_in(&context, &worktree.path);
                context.repo.with_store(|store: &Store| {
                    match &start {
                        Some((_, base)) if has_base => {
                            StartingTree::record_base(store, &worktree, tree, *base)?;
                        }
                        _ => StartingTree::record(store, &worktree, tree, &links)?,
                    }
                    fault::point("set-up", "recorded");
                    match start {
                        Some((branch, base)) => put_back(store, &worktree, branch, base),
                        None => Ok(()),
                    }
                })
            })
            .await?;
        }
        Ok(failed)
    }

    /// Populates the worktree, with these files as the tree has them: what set-up wrote there is taken back.
    ///
    /// # Errors
    /// As [`Population::populate`], and when git fails.
    pub async fn populate_beside(
        &self,
        files: &[RepoPath],
    ) -> Result<Option<SetUpFailure>, EngineError> {
        let (failed, brought) = self.fill().await?;
        if brought == Brought::SetUp {
            let (context, worktree) = (Arc::clone(self.context), self.worktree.clone());
            let (tree, files) = (self.tree, files.to_vec());
            blocking(move || write_from(&context, &worktree, tree, &files)).await?;
        }
        Ok(failed)
    }

    /// Populates the worktree of a merge. What set-up changed in files that git does not ignore is recorded
    /// and taken back, because a merge starts in a clean worktree only; [`bring_back`] brings it again.
    ///
    /// [`bring_back`]: crate::engine::worktree::bring_back::bring_back
    ///
    /// # Errors
    /// As [`Population::populate_for_work`].
    pub async fn populate_for_merge(&self, tip: Oid) -> Result<Option<SetUpFailure>, EngineError> {
        let (failed, brought) = self.fill().await?;
        if brought != Brought::Links {
            let (context, worktree) = (Arc::clone(self.context), self.worktree.clone());
            let tree = self.tree;
            blocking(move || {
                let links = links_in(&context, &worktree.path);
                context.repo.with_store(|store: &Store| {
                    StartingTree::record(store, &worktree, tree, &links)
                })?;
                fault::point("set-up", "recorded for a merge");
                // Set-up may have committed, too.
                worktree.set_head(&Head::Detached(tip))?;
                take_back(&context, &worktree, tree)
            })
            .await?;
        }
        Ok(failed)
    }

    async fn fill(&self) -> Result<(Option<SetUpFailure>, Brought), EngineError> {
        let since = Instant::now();
        let (context, worktree) = (Arc::clone(self.context), self.worktree.clone());
        let bring = move || {
            if context.settings.worktree.submodules {
                context.repo.check_out_submodules(&worktree)?;
            }
            copy_and_link(&context, &worktree.path)
        };
        match blocking(bring).await {
            // A full disk is temporary, and the attempt starts again.
            Err(error) if is_full(&error) => Err(error),
            Err(error) => Ok((Some(self.failure_of_files(&error, since)), Brought::Copies)),
            Ok(brought) if self.context.settings.worktree.setup.is_empty() => {
                Ok((None, self.with_earlier(brought)))
            }
            Ok(brought) if self.earlier == EarlierUse::SetUp => {
                Ok((None, self.with_earlier(brought)))
            }
            Ok(_) => {
                let (context, cancel) = (self.context, self.cancel);
                let failed = set_up(context, &self.purpose, self.worktree, cancel, since);
                Ok((failed.await?, Brought::SetUp))
            }
        }
    }

    fn with_earlier(&self, brought: Brought) -> Brought {
        match self.earlier {
            EarlierUse::None => brought,
            EarlierUse::Folders | EarlierUse::SetUp => Brought::Kept,
        }
    }

    fn failure_of_files(&self, error: &EngineError, since: Instant) -> SetUpFailure {
        SetUpFailure::of_files(self.context, &self.purpose, error, since)
    }
}

/// Makes the files that git does not ignore those of a tree.
fn take_back(context: &Context, worktree: &Worktree, tree: Oid) -> Result<(), EngineError> {
    let git = context.repo.git_in(worktree)?;
    git.run(&["read-tree", "--reset", "-u", &tree.to_string()])?;
    sweep(&git)?;
    link(context, &worktree.path)
}

/// Writes files as a tree has them, whatever is in their place. The index becomes that of the tree.
fn write_from(
    context: &Context,
    worktree: &Worktree,
    tree: Oid,
    files: &[RepoPath],
) -> Result<(), EngineError> {
    let git = context.repo.git_in(worktree)?;
    git.run(&["read-tree", "--reset", &tree.to_string()])?;
    let args = ["checkout-index", "--force", "-z", "--stdin"];
    let mut names = Vec::new();
    for file in files {
        names.extend_from_slice(file.as_bytes());
        names.push(0);
    }
    let written = git.program().args(args).stdin(names).output();
    let written = written.map_err(crate::git::GitError::from)?;
    match written.status.success() {
        true => Ok(()),
        false => Err(git.failed(&args, &written).into()),
    }
}

/// Puts an attempt's branch back on its base where set-up has committed or switched to another branch.
/// Files and index stay as they are.
fn put_back(
    store: &Store,
    worktree: &Worktree,
    branch: String,
    base: Oid,
) -> Result<(), EngineError> {
    let name = branch_ref(&branch);
    match store.reference(&name)? {
        Some(tip) if tip != base => {
            store.move_reference(&name, tip, base, "dispatch: commits of the set-up")?;
        }
        _ => {}
    }
    Ok(worktree.set_head(&Head::Branch(branch))?)
}

/// The files that a worktree got.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Brought {
    /// Links at most, which are known by their target.
    Links,
    /// Copies, too.
    Copies,
    /// Besides them, the kept folders of an earlier attempt. git ignores all of it.
    Kept,
    /// Anything that a set-up command wrote.
    SetUp,
}

fn copy_and_link(context: &Context, worktree: &Path) -> Result<Brought, EngineError> {
    let files = files_to_copy(context)?;
    let brought = match files.is_empty() {
        true => Brought::Links,
        false => Brought::Copies,
    };
    for path in files {
        let path = Path::new(OsStr::from_bytes(path.as_bytes())).to_owned();
        let (from, to) = (context.repo.top.join(&path), worktree.join(&path));
        create("copy", &to, || copy(&from, &to))?;
    }
    link(context, worktree)?;
    Ok(brought)
}

fn link(context: &Context, worktree: &Path) -> Result<(), EngineError> {
    for path in links(context) {
        let (from, to) = (context.repo.top.join(path), worktree.join(path));
        if from.symlink_metadata().is_ok() {
            create("link", &to, || symlink(&from, &to))?;
        }
    }
    Ok(())
}

/// Returns the links of `[worktree] link` in a worktree. They are not the worker's changes, and a
/// pattern such as `node_modules/` that ignores the folder does not ignore a link to it.
pub fn links_in(context: &Context, worktree: &Path) -> Vec<String> {
    let is_ours = |path: &&str| {
        fs::read_link(worktree.join(path)).is_ok_and(|to| to == context.repo.top.join(path))
    };
    links(context).filter(is_ours).map(str::to_owned).collect()
}

/// Returns the paths that copies and links of `[worktree]` have in a worktree.
///
/// # Errors
/// When git fails.
pub fn brought_paths(context: &Context, worktree: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let copies = files_to_copy(context)?;
    let copies = copies.iter();
    let copies = copies.map(|path| PathBuf::from(OsStr::from_bytes(path.as_bytes())));
    let links = links_in(context, worktree).into_iter().map(PathBuf::from);
    Ok(copies.chain(links).collect())
}

/// Returns the configured links. A slash at the end marks a folder and does not belong to a link's name.
fn links(context: &Context) -> impl Iterator<Item = &str> {
    let paths = context.settings.worktree.link.iter();
    paths.map(|path| path.trim_end_matches('/'))
}

/// Returns the files to copy, all ignored by git: a copy of any other would become part of the
/// candidate.
fn files_to_copy(context: &Context) -> Result<Vec<RepoPath>, EngineError> {
    let patterns = &context.settings.worktree.copy;
    if patterns.is_empty() && !context.repo.top.join(INCLUDE_FILE).is_file() {
        return Ok(Vec::new());
    }
    let found = context.repo.untracked_matching(patterns, &[INCLUDE_FILE])?;
    Ok(context.repo.ignored_among(&found)?)
}

/// Creates a file with the folders above it, unless the base has one there.
fn create(
    verb: &'static str,
    to: &Path,
    create: impl FnOnce() -> io::Result<()>,
) -> Result<(), EngineError> {
    if to.symlink_metadata().is_ok() {
        return Ok(());
    }
    let parent = to.parent().map_or(Ok(()), fs::create_dir_all);
    let created = parent.and_then(|()| create());
    created.map_err(|source| EngineError::NotBrought {
        verb,
        to: to.to_owned(),
        source,
    })
}

/// Copies a file; a symbolic link is copied as a link. A folder, which is a nested repository, is copied
/// with everything in it that is a file, a link or a folder.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let kind = from.symlink_metadata()?.file_type();
    if kind.is_symlink() {
        return symlink(fs::read_link(from)?, to);
    }
    if !kind.is_dir() {
        return clone_or_copy(from, to).map(|_| ());
    }
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() || kind.is_file() || kind.is_symlink() {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
