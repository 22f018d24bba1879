//! Checks out the submodules of a linked worktree, without network where the module store has them.
//!
//! `git submodule update` does the work. What `git submodule init` would write into the
//! configuration that all worktrees share is given to it as settings of the one command.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::fault;
use crate::git::command::{Git, GitError};
use crate::git::config_variables::with_variables;
use crate::git::module_paths::{folder_of_name, has_module_paths};
use crate::git::module_settings;
use crate::git::module_store::UPLOAD_PACK;
use crate::git::repo::Repo;
use crate::git::submodules::{declared_submodules, known_commits, without_files};
use crate::git::worktree::Worktree;
use crate::merge::oid::Oid;

impl Repo {
    /// Checks out the submodules of a worktree, nested ones included, as its index names them: those
    /// that are initialised in the user's checkout, or all if none is.
    ///
    /// # Errors
    /// When git cannot fetch or check out one of them.
    pub fn check_out_submodules(&self, worktree: &Worktree) -> Result<(), GitError> {
        Superproject {
            top: worktree.path.clone(),
            modules: worktree.admin.join("modules"),
            stores: Stores::Top(self),
            has_paths: self.formats.has_module_paths,
            git: self.git_in(worktree)?,
            user: self.git(),
            is_nested: false,
        }
        .check_out(false)
    }
}

/// The place of the repositories of submodules in the module store.
enum Stores<'a> {
    /// Those of the repository.
    Top(&'a Repo),
    /// Those in a folder, of submodules inside of a submodule.
    Nested(PathBuf),
}

/// A checkout that contains submodules.
struct Superproject<'a> {
    /// Its folder.
    top: PathBuf,
    /// The folder of the repositories of its submodules.
    modules: PathBuf,
    /// Their repositories in the module store.
    stores: Stores<'a>,
    /// `true` if settings name the repositories of its submodules.
    has_paths: bool,
    /// git inside it, which does not read the links there: a worker may have changed them.
    git: Git,
    /// The user's repository of it, whose configuration tells which of them are used.
    user: Git,
    /// `true` if it is a submodule itself.
    is_nested: bool,
}

/// A submodule to check out.
struct Wanted {
    name: PathBuf,
    path: PathBuf,
    commit: Oid,
    /// Its address, if one is known.
    url: Option<String>,
}

impl Superproject<'_> {
    /// Checks its submodules out; `all` of them, or those that the user has.
    fn check_out(&self, all: bool) -> Result<(), GitError> {
        let declared = declared_submodules(&self.top)?;
        if declared.is_empty() {
            return Ok(());
        }
        let settings = settings_of(&self.user, &[])?;
        let has_url = |(name, _): &(PathBuf, PathBuf)| settings.contains_key(&key(name, "url"));
        let all = all || (!self.is_nested && !declared.iter().any(has_url));
        for wanted in self.wanted(declared, &settings, all)? {
            self.check_out_one(&wanted)?;
            fault::point("submodule", "checked out");
            let (store, module) = (self.store(&wanted.name)?, self.module(&wanted.name));
            let top = self.top.join(&wanted.path);
            let git = Git::at(&top).env("GIT_DIR", module.as_os_str());
            let git = git.env("GIT_WORK_TREE", top.as_os_str());
            // Most submodules contain none, so git is not asked.
            let has_paths = !declared_submodules(&top)?.is_empty() && has_module_paths(&git)?;
            let inner = Superproject {
                has_paths,
                git,
                top,
                user: without_files(if store.is_dir() { &store } else { &module }),
                modules: module.join("modules"),
                stores: Stores::Nested(store.join("modules")),
                is_nested: true,
            };
            inner.check_out(all)?;
        }
        Ok(())
    }

    /// Returns the repository of a submodule in the module store. It may not exist.
    fn store(&self, name: &Path) -> Result<PathBuf, GitError> {
        match &self.stores {
            Stores::Top(repo) => repo.module_store(name),
            Stores::Nested(folder) => Ok(folder.join(folder_of_name(name, self.has_paths))),
        }
    }

    /// Returns the repository of a submodule in the worktree's entry. It may not exist.
    fn module(&self, name: &Path) -> PathBuf {
        self.modules.join(folder_of_name(name, self.has_paths))
    }

    /// Selects the submodules to check out.
    fn wanted(
        &self,
        declared: Vec<(PathBuf, PathBuf)>,
        settings: &BTreeMap<String, String>,
        all: bool,
    ) -> Result<Vec<Wanted>, GitError> {
        let commits = self.commits()?;
        let file = self.top.join(".gitmodules").into_os_string();
        let defaults = settings_of(&self.user, &["--file".into(), file])?;
        let wanted = declared.into_iter().filter_map(|(name, path)| {
            let own = |of: &str| settings.get(&key(&name, of)).cloned();
            let is_active = own("active").is_none_or(|active| active != "false");
            let is_used = all || own("url").is_some();
            let update = own("update").or_else(|| defaults.get(&key(&name, "update")).cloned());
            let is_left_out = update.as_deref() == Some("none");
            let commit = *commits.get(&path)?;
            let url = own("url").or_else(|| self.address(defaults.get(&key(&name, "url"))?));
            (is_active && is_used && !is_left_out).then_some(Wanted {
                name,
                path,
                commit,
                url,
            })
        });
        Ok(wanted.collect())
    }

    /// Reads the commits of the submodules from the index, by path.
    fn commits(&self) -> Result<HashMap<PathBuf, Oid>, GitError> {
        let listed = self.git.run(&["ls-files", "--stage", "-z"])?;
        let entries = listed.split(|byte| *byte == 0);
        let parse = |entry: &[u8]| {
            let entry = entry.strip_prefix(b"160000 ")?;
            let end = entry.iter().position(|byte| *byte == b'\t')?;
            let commit = std::str::from_utf8(&entry[..end]).ok()?;
            let commit = commit.split(' ').next()?.parse().ok()?;
            let path = std::ffi::OsStr::from_bytes(&entry[end + 1..]);
            Some((PathBuf::from(path), commit))
        };
        Ok(entries.filter_map(parse).collect())
    }

    fn check_out_one(&self, wanted: &Wanted) -> Result<(), GitError> {
        let (store, module) = (self.store(&wanted.name)?, self.module(&wanted.name));
        let in_store = has(&store, wanted.commit);
        if !module.join("HEAD").exists() {
            let source = in_store.then(|| store.display().to_string());
            self.update(wanted, source.or_else(|| wanted.url.clone()))?;
            return match &wanted.url {
                // Later fetches there ask the origin, not the store.
                Some(url) if in_store => {
                    let git = without_files(&module);
                    git.run(&["config", "remote.origin.url", url]).map(drop)
                }
                _ => Ok(()),
            };
        }
        // A worker was here.
        module_settings::verify(&module, &self.top, &wanted.path)?;
        if in_store && !has(&module, wanted.commit) {
            let fetch = [
                "fetch",
                "--quiet",
                "--no-tags",
                "--no-write-fetch-head",
                UPLOAD_PACK,
            ];
            let mut args: Vec<OsString> = fetch.map(OsString::from).to_vec();
            args.extend([store.into_os_string(), wanted.commit.to_string().into()]);
            without_files(&module)
                .with_fetches_from_folders()
                .run(&args)?;
        }
        self.update(wanted, wanted.url.clone())
    }

    /// Runs `git submodule update` for one submodule.
    fn update(&self, wanted: &Wanted, source: Option<String>) -> Result<(), GitError> {
        let mut settings = vec![(key(&wanted.name, "active"), "true".to_owned())];
        settings.extend(source.map(|source| (key(&wanted.name, "url"), source)));
        let mut settings: Vec<(OsString, OsString)> = settings
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        if self.has_paths {
            // The setting that all worktrees share names the repository of the user's checkout.
            let module = self.module(&wanted.name).into_os_string();
            settings.push((key(&wanted.name, "gitdir").into(), module));
        }
        let git = self.git.clone().setting("protocol.file.allow=always");
        let git = with_variables(git, settings);
        let update = [
            "submodule",
            "--quiet",
            "update",
            "--checkout",
            "--force",
            "--",
        ];
        let mut args: Vec<OsString> = update.map(OsString::from).to_vec();
        args.push(wanted.path.clone().into_os_string());
        git.run(&args).map(drop)
    }

    /// Returns the address that `.gitmodules` gives, which may be relative to the origin's.
    fn address(&self, url: &str) -> Option<String> {
        if !url.starts_with("./") && !url.starts_with("../") {
            return Some(url.to_owned());
        }
        let origin = |git: &Git| git.line(&["config", "--get", "remote.origin.url"]).ok();
        // A module store may know no origin where the checkout in the worktree does.
        let origin = origin(&self.user).or_else(|| origin(&self.git));
        let origin = origin.unwrap_or_else(|| self.user.folder().display().to_string());
        Some(relative_address(&origin, url))
    }
}

/// Resolves a relative address as git does: each `../` removes a part of the origin's.
fn relative_address(origin: &str, url: &str) -> String {
    let (mut origin, mut url) = (origin.trim_end_matches('/'), url);
    let mut separator = '/';
    loop {
        if let Some(rest) = url.strip_prefix("../") {
            url = rest;
            if let Some((before, _)) = origin.rsplit_once('/') {
                origin = before;
            } else if let Some((before, _)) = origin.rsplit_once(':') {
                (origin, separator) = (before, ':');
            }
        } else if let Some(rest) = url.strip_prefix("./") {
            url = rest;
        } else {
            return format!("{origin}{separator}{}", url.trim_end_matches('/'));
        }
    }
}

fn key(name: &Path, of: &str) -> String {
    format!("submodule.{}.{of}", name.display())
}

/// Reads the settings of all submodules.
fn settings_of(git: &Git, more: &[OsString]) -> Result<BTreeMap<String, String>, GitError> {
    let mut args: Vec<OsString> = ["config", "-z"].map(OsString::from).to_vec();
    args.extend_from_slice(more);
    args.extend(["--get-regexp", r"^submodule\."].map(OsString::from));
    let finished = git.finish(&args)?;
    // It exits with 1 if there are none.
    let listed = String::from_utf8_lossy(&finished.stdout);
    let entries = listed
        .split('\0')
        .filter_map(|entry| entry.split_once('\n'));
    let entries = entries.map(|(key, value)| (key.to_owned(), value.to_owned()));
    Ok(entries.collect())
}

fn has(git_dir: &Path, commit: Oid) -> bool {
    git_dir.join("objects").is_dir()
        && known_commits(&without_files(git_dir), &[commit])
            .is_ok_and(|known| known.contains(&commit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_addresses_start_at_the_origin() {
        let all = [
            ("https://example.com/me/shop.git", "../lib.git"),
            ("https://example.com/me/shop.git/", "./lib"),
            ("git@example.com:shop.git", "../lib.git"),
            ("/srv/me/shop", "../../you/lib/"),
        ];
        let resolved = all.map(|(origin, url)| relative_address(origin, url));
        insta::assert_snapshot!(resolved.join("\n"), @r"
        https://example.com/me/lib.git
        https://example.com/me/shop.git/lib
        git@example.com:lib.git
        /srv/you/lib
        ");
    }
}
