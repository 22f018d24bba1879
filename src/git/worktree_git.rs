//! Runs git inside worktrees that workers had, with the settings from before.

use std::sync::{Arc, PoisonError};

use crate::git::command::{Git, GitError};
use crate::git::frozen_settings::FrozenSettings;
use crate::git::repo::Repo;
use crate::git::store::Store;
use crate::git::worktree::Worktree;

impl Repo {
    /// Returns git inside a worktree. It reads neither the worktree's own links nor settings that
    /// changed since this process first called this.
    ///
    /// # Errors
    /// When the settings cannot be read or copied, the copy was changed, or the worktree has settings
    /// of its own that a worker may not make.
    pub fn git_in(&self, worktree: &Worktree) -> Result<Git, GitError> {
        self.frozen_settings()?
            .apply(worktree.git(), &worktree.admin)
    }

    /// Returns git at the top of the user's checkout, with the settings of [`Repo::git_in`].
    ///
    /// # Errors
    /// When the settings cannot be read or copied, or the copy was changed.
    pub fn git_as_before(&self) -> Result<Git, GitError> {
        let git = self
            .git()
            .env("GIT_DIR", self.git_dir.as_os_str())
            .env("GIT_WORK_TREE", self.top.as_os_str());
        self.frozen_settings()?.apply_to_checkout(git)
    }

    /// Returns the settings for git where workers were; copied on the first call.
    pub(super) fn frozen_settings(&self) -> Result<Arc<FrozenSettings>, GitError> {
        let frozen = self.frozen.lock();
        let mut frozen = frozen.unwrap_or_else(PoisonError::into_inner);
        if let Some(frozen) = &*frozen {
            return Ok(Arc::clone(frozen));
        }
        let new = FrozenSettings::new(&self.git(), &self.common, &self.dispatch_folder())?;
        let new = Arc::new(new);
        *frozen = Some(Arc::clone(&new));
        Ok(new)
    }
}

impl Store {
    /// Returns git inside a worktree, as [`Repo::git_in`].
    ///
    /// # Errors
    /// As [`Repo::git_in`].
    pub fn git_in(&self, worktree: &Worktree) -> Result<Git, GitError> {
        self.repo.git_in(worktree)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use super::*;
    use crate::git::worktree::Head;

    /// A repository with a worktree in which a worker was.
    struct Scene {
        folder: tempfile::TempDir,
        repo: Repo,
    }

    impl Scene {
        /// Makes a repository in which `setting` was made before.
        fn with(settings: &[[&str; 2]]) -> Scene {
            let folder = tempfile::tempdir().unwrap();
            let top = folder.path().join("r");
            fs::create_dir(&top).unwrap();
            let git = Git::at(&top);
            git.run(&["init", "--quiet", "--initial-branch=main"])
                .unwrap();
            fs::write(top.join("a.txt"), "one\n").unwrap();
            git.run(&["add", "a.txt"]).unwrap();
            let who = ["-c", "user.name=A", "-c", "user.email=a@localhost"];
            git.run(&[&who[..], &["commit", "--quiet", "-m", "first"]].concat())
                .unwrap();
            for [key, value] in settings {
                git.run(&["config", "--add", key, value]).unwrap();
            }
            let repo = Repo::discover(&top).unwrap();
            Scene { folder, repo }
        }

        fn worktree(&self) -> Worktree {
            let head = self.repo.git().line(&["rev-parse", "HEAD"]).unwrap();
            let head = Head::Detached(head.parse().unwrap());
            let path = self.folder.path().join("w");
            self.repo.add_worktree(&path, &head, "test").unwrap()
        }

        /// Writes a program that leaves a mark and passes its input on.
        fn payload(&self) -> String {
            let file = self.folder.path().join("payload");
            let text = format!("#!/bin/sh\ntouch '{}'\nexec cat\n", self.mark().display());
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
            file.display().to_string()
        }

        fn mark(&self) -> PathBuf {
            self.folder.path().join("mark")
        }

        /// Captures the worktree after a worker changed a file, and returns the text git stored.
        fn captured(&self, worktree: &Worktree) -> String {
            fs::write(worktree.path.join("a.txt"), "two\n").unwrap();
            let store = Store::open(&self.repo).unwrap();
            let tree = store.capture(worktree, &[]).unwrap().tree;
            let entry = store.entry(tree, "a.txt").unwrap().unwrap();
            String::from_utf8(store.blob(entry.oid).unwrap()).unwrap()
        }
    }

    #[test]
    fn a_filter_that_a_worker_plants_does_not_run() {
        for plant in ["config", "attributes file", "another repository", "include"] {
            let scene = Scene::with(&[]);
            let worktree = scene.worktree();
            let payload = scene.payload();
            let git = scene.repo.git();
            let set = |key: &str, value: &str| git.run(&["config", key, value]).unwrap();
            let common = &scene.repo.common;
            match plant {
                "another repository" => {
                    let other = scene.folder.path().join("other");
                    let from = format!("{}/.", common.display());
                    let copied = std::process::Command::new("cp")
                        .args(["-r", &from, &other.display().to_string()])
                        .status();
                    assert!(copied.unwrap().success());
                    let config = other.join("config").display().to_string();
                    let args = ["config", "--file", &config, "filter.q.clean", &payload];
                    git.run(&args).unwrap();
                }
                "include" => {
                    let file = scene.folder.path().join("included");
                    fs::write(&file, format!("[filter \"q\"]\n\tclean = {payload}\n")).unwrap();
                    set("include.path", &file.display().to_string());
                }
                _ => drop(set("filter.q.clean", &payload)),
            }
            match plant {
                "attributes file" => {
                    fs::create_dir_all(common.join("info")).unwrap();
                    fs::write(common.join("info/attributes"), "* filter=q\n").unwrap();
                }
                _ => fs::write(worktree.path.join(".gitattributes"), "* filter=q\n").unwrap(),
            }
            if plant == "another repository" {
                // The swap of a worker that comes after the links were verified.
                let git = scene.repo.git_in(&worktree).unwrap();
                let other = scene.folder.path().join("other");
                fs::write(
                    worktree.admin.join("commondir"),
                    other.display().to_string(),
                )
                .unwrap();
                fs::write(worktree.path.join("a.txt"), "two\n").unwrap();
                git.run(&["add", "--all"]).unwrap();
                assert!(!scene.mark().exists(), "{plant}");
                assert!(
                    Store::open(&scene.repo)
                        .unwrap()
                        .capture(&worktree, &[])
                        .is_err()
                );
                continue;
            }
            assert_eq!(scene.captured(&worktree), "two\n", "{plant}");
            assert!(!scene.mark().exists(), "{plant}");
        }
    }

    #[test]
    fn a_filter_from_before_works_also_through_an_included_file() {
        let scene = Scene::with(&[
            ["filter.up.clean", "tr a-z A-Z"],
            ["filter.odd name.\"x.clean", "printf '\\t\"%s\"' \"a;b#c\""],
            ["include.path", "../more"],
        ]);
        let odd = "[filter \"in\"]\n\tclean = sed s/$/!/\n\trequired\n";
        fs::write(scene.repo.top.join("more"), odd).unwrap();
        let worktree = scene.worktree();
        let attributes = worktree.path.join(".gitattributes");
        fs::write(&attributes, "* filter=up\n").unwrap();
        assert_eq!(scene.captured(&worktree), "TWO\n");
        fs::write(&attributes, "* filter=in\n").unwrap();
        assert_eq!(scene.captured(&worktree), "two!\n");
        let list = |git: Git| {
            let args = ["config", "--local", "--list", "--includes", "-z"];
            let listed = String::from_utf8(git.run(&args).unwrap()).unwrap();
            let mut found: Vec<String> = listed.split('\0').map(str::to_owned).collect();
            found.retain(|entry| !entry.starts_with("include.") && entry != "core.bare\nfalse");
            found.retain(|entry| !entry.starts_with("extensions.") && !entry.is_empty());
            found
        };
        let kept = list(scene.repo.git_in(&worktree).unwrap());
        assert_eq!(kept, list(scene.repo.git()));
        assert!(kept.iter().any(|entry| entry.contains("odd name.\"x")));
    }

    #[test]
    fn git_in_a_worktree_writes_where_the_repository_reads() {
        let scene = Scene::with(&[]);
        let worktree = scene.worktree();
        let git = scene.repo.git_in(&worktree).unwrap();
        scene.repo.git().run(&["pack-refs", "--all"]).unwrap();
        scene.repo.git().run(&["repack", "-adq"]).unwrap();
        let head = git.line(&["rev-parse", "main"]).unwrap();
        git.run(&["update-ref", "refs/heads/new", &head]).unwrap();
        let seen = scene.repo.git().line(&["rev-parse", "new"]).unwrap();
        assert_eq!(seen, head);
        assert_eq!(git.line(&["status", "--porcelain"]).unwrap(), "");
    }

    #[test]
    fn a_changed_copy_is_refused() {
        let scene = Scene::with(&[]);
        let worktree = scene.worktree();
        let folder = scene.repo.frozen_settings().unwrap().path("config");
        fs::write(&folder, "[filter \"q\"]\n\tclean = true\n").unwrap();
        let error = scene.repo.git_in(&worktree).unwrap_err();
        assert!(matches!(error, GitError::Settings(..)), "{error}");
    }
}
