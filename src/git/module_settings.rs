//! The configuration of submodules and nested repositories in a worktree, which a worker may have written.
//!
//! Git that only reads there runs without the filters that it names. Git that checks files out there runs
//! only where it names no program and no other folder.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::git::command::{Git, GitError};
use crate::git::config_variables::with_variables;
use crate::git::stage_args::is_behind_link;
use crate::model::outside_changes::is_harmless_setting;

/// The settings that `git lfs install` makes, as git lists them.
const LFS_FILTERS: [&str; 5] = [
    "filter.lfs.clean\ngit-lfs clean -- %f",
    "filter.lfs.smudge\ngit-lfs smudge -- %f",
    "filter.lfs.smudge\ngit-lfs smudge --skip -- %f",
    "filter.lfs.process\ngit-lfs filter-process",
    "filter.lfs.required\ntrue",
];

/// Settings that git makes in a new repository, or that only describe a file system or the user.
const PLAIN: [&str; 15] = [
    "author.",
    "committer.",
    "core.autocrlf",
    "core.eol",
    "core.filemode",
    "core.ignorecase",
    "core.logallrefupdates",
    "core.precomposeunicode",
    "core.symlinks",
    "core.worktree",
    "extensions.objectformat",
    "extensions.refstorage",
    "extensions.submodulepathconfig",
    "user.email",
    "user.name",
];

/// Returns git without the filters and hooks that the repository's own configuration names, other than the
/// filters of git-lfs, and without fetching objects: all of these would start programs.
///
/// # Errors
/// When git cannot read the configuration.
pub(super) fn without_own_filters(git: Git) -> Result<Git, GitError> {
    let args = [
        "config",
        "--show-scope",
        "-z",
        "--get-regexp",
        r"^(filter|hook)\.",
    ];
    let git = git.without_fetches();
    let finished = git.finish(args)?;
    // It exits with 1 if there is none.
    if !matches!(finished.status.code(), Some(0 | 1)) {
        return Err(git.failed(&args, &finished));
    }
    let overrides: Vec<_> = own_names(&finished.stdout, b"filter.")
        .into_iter()
        .flat_map(|name| {
            let keys = [
                ("clean", ""),
                ("smudge", ""),
                ("process", ""),
                ("required", "false"),
            ];
            keys.map(|(key, value)| {
                (
                    [b"filter.", &name[..], b".", key.as_bytes()].concat(),
                    value,
                )
            })
        })
        .collect();
    let hooks = own_names(&finished.stdout, b"hook.").into_iter();
    let hooks = hooks.map(|name| ([b"hook.", &name[..], b".enabled"].concat(), "false"));
    let overrides: Vec<_> = overrides.into_iter().chain(hooks).collect();
    if overrides.is_empty() {
        return Ok(git);
    }
    let overrides = overrides.into_iter();
    let overrides = overrides.map(|(key, value)| (OsString::from_vec(key), value.into()));
    Ok(with_variables(git, overrides))
}

/// Lists the names of the filters or hooks, by the beginning of their keys, that a repository's own
/// configuration sets.
fn own_names(listed: &[u8], kind: &[u8]) -> BTreeSet<Vec<u8>> {
    let fields: Vec<&[u8]> = listed.split(|byte| *byte == 0).collect();
    let own = fields
        .chunks_exact(2)
        .filter(|pair| matches!(pair[0], b"local" | b"worktree"));
    let foreign = own.filter(|pair| !is_of_lfs(pair[1]));
    let names = foreign.filter_map(|pair| {
        let key = pair[1].split(|byte| *byte == b'\n').next()?;
        let rest = key.strip_prefix(kind)?;
        let end = rest.iter().rposition(|byte| *byte == b'.')?;
        Some(rest[..end].to_vec())
    });
    names.collect()
}

fn is_of_lfs(setting: &[u8]) -> bool {
    LFS_FILTERS.iter().any(|lfs| lfs.as_bytes() == setting)
}

/// Fails if the repository of a submodule is not one for which dispatch may check files out: its settings
/// name a program or another folder, or the folder of its files, `path` below `top`, names another
/// repository.
///
/// # Errors
/// When it is not, or cannot be read.
pub(super) fn verify(module: &Path, top: &Path, path: &Path) -> Result<(), GitError> {
    let folder = &top.join(path);
    let config = module.join("config");
    let failed =
        |path: &Path, why: String| GitError::Settings(path.to_owned(), io::Error::other(why));
    for file in [config.clone(), module.join("config.worktree")] {
        if let Some(setting) =
            foreign_setting(&file).map_err(|e| GitError::Settings(file.clone(), e))?
        {
            let why =
                format!("{setting:?} was not made by dispatch; `git config --file` can unset it");
            return Err(failed(&file, why));
        }
    }
    let real = |path: &Path| path.canonicalize().ok();
    let is_elsewhere = folder_of(module).is_some_and(|place| Some(place) != real(folder));
    if folder.is_symlink() || is_behind_link(top, path) || is_elsewhere {
        let why = format!("core.worktree does not name {}", folder.display());
        return Err(failed(&config, why));
    }
    let link = folder.join(".git");
    let Ok(text) = regular_file::read(&link, RECORD_LIMIT) else {
        return match fs::symlink_metadata(&link) {
            Ok(_) => Err(failed(&link, "it is not a file".to_owned())),
            // git connects the two again.
            Err(_) => Ok(()),
        };
    };
    let named = text.strip_prefix(b"gitdir: ").map(<[u8]>::trim_ascii_end);
    let named = named.map(|name| folder.join(OsStr::from_bytes(name)));
    match named.and_then(|named| real(&named)) == real(module) {
        true => Ok(()),
        false => Err(failed(
            &link,
            format!("it does not name {}", module.display()),
        )),
    }
}

/// Reads the folder of a repository's files from its configuration.
pub(super) fn folder_of(git_dir: &Path) -> Option<PathBuf> {
    let mut args: Vec<OsString> = ["config", "--file"].map(OsString::from).to_vec();
    args.push(git_dir.join("config").into_os_string());
    args.push("core.worktree".into());
    let printed = Git::at(git_dir).run(&args).ok()?;
    let path = printed.strip_suffix(b"\n").unwrap_or(&printed);
    fs::canonicalize(git_dir.join(OsStr::from_bytes(path))).ok()
}

/// Returns a setting of a file with which git could start a program or read another file.
fn foreign_setting(file: &Path) -> io::Result<Option<String>> {
    let text = match regular_file::read(file, RECORD_LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let folder = file.parent().unwrap_or(file);
    let args = ["config", "--file", "-", "-z", "--list"];
    let listed = Git::at(folder).program().args(args).stdin(text).output();
    let listed = listed.map_err(io::Error::other)?;
    if !listed.status.success() {
        return Ok(Some("an unreadable line".to_owned()));
    }
    let mut settings = listed
        .stdout
        .split(|byte| *byte == 0)
        .filter(|it| !it.is_empty());
    let found = settings.find(|setting| !is_plain(setting));
    Ok(found.map(|setting| String::from_utf8_lossy(setting).replace('\n', " = ")))
}

fn is_plain(setting: &[u8]) -> bool {
    let text = String::from_utf8_lossy(setting);
    let (key, value) = text.split_once('\n').unwrap_or((&text, ""));
    // An address with two colons names a program.
    let is_url = key.starts_with("remote.") && key.ends_with(".url");
    let is_known = |known: &&str| match known.ends_with('.') {
        true => key.starts_with(known),
        false => key == *known,
    };
    PLAIN.iter().any(is_known)
        || is_harmless_setting(key)
        || (is_url && !value.contains("::") && !value.starts_with('-'))
        || is_of_lfs(setting)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::git::repo::Repo;
    use crate::git::worktree::{Head, Worktree};
    use crate::merge::oid::Oid;

    #[test]
    fn only_settings_that_start_no_program_are_plain() {
        let plain = [
            "core.bare\nfalse",
            "core.worktree\n../../x",
            "remote.origin.url\n/srv/lib.git",
            "remote.origin.url\nssh://host/lib",
            "remote.origin.fetch\n+refs/heads/*:refs/remotes/origin/*",
            "branch.main.remote\norigin",
            "submodule.inner.url\n../inner",
            "user.name\nA",
            "filter.lfs.process\ngit-lfs filter-process",
        ];
        let foreign = [
            "core.fsmonitor\nx",
            "core.sshcommand\nx",
            "core.hookspath\nx",
            "filter.lfs.process\nevil",
            "filter.q.smudge\nx",
            "include.path\nx",
            "remote.origin.url\next::sh -c x",
            "remote.origin.uploadpack\nx",
            "remote.origin.vcs\nx",
            "submodule.inner.update\n!x",
            "url.ext::x.insteadof\n/srv",
        ];
        let said = |settings: &[&str], expected| {
            let wrong = settings
                .iter()
                .filter(|it| is_plain(it.as_bytes()) != expected);
            wrong.map(|it| it.replace('\n', "=")).collect::<Vec<_>>()
        };
        assert_eq!(said(&plain, true), [""; 0]);
        assert_eq!(said(&foreign, false), [""; 0]);
    }

    /// Makes a repository with the submodule `sub`, and a worktree of it.
    fn with_submodule(folder: &Path) -> (Repo, Worktree) {
        let git = |place: &Path| {
            Git::at(place)
                .setting("user.name=A")
                .setting("user.email=a@localhost")
                .setting("protocol.file.allow=always")
        };
        let (lib, main) = (folder.join("lib"), folder.join("main"));
        for place in [&lib, &main] {
            fs::create_dir(place).unwrap();
            let git = git(place);
            git.run(&["init", "--quiet", "--initial-branch=main"])
                .unwrap();
            fs::write(place.join("a.txt"), "one\n").unwrap();
            git.run(&["add", "a.txt"]).unwrap();
            git.run(&["commit", "--quiet", "-m", "first"]).unwrap();
        }
        let lib = lib.display().to_string();
        git(&main)
            .run(&["submodule", "--quiet", "add", &lib, "sub"])
            .unwrap();
        git(&main).run(&["commit", "--quiet", "-m", "sub"]).unwrap();
        let repo = Repo::discover(&main).unwrap();
        let head: Oid = repo
            .git()
            .line(&["rev-parse", "HEAD"])
            .unwrap()
            .parse()
            .unwrap();
        let place = folder.join("copy");
        let worktree = repo
            .add_worktree(&place, &Head::Detached(head), "test")
            .unwrap();
        (repo, worktree)
    }

    #[test]
    fn no_files_are_checked_out_for_a_submodule_that_a_worker_led_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        let (repo, worktree) = with_submodule(&top);
        repo.check_out_submodules(&worktree).unwrap();
        let sub = worktree.path.join("sub");
        let again = || match repo.check_out_submodules(&worktree) {
            Ok(()) => "checked out".to_owned(),
            Err(GitError::Settings(path, why)) => {
                format!("{}: {why}", path.strip_prefix(&top).unwrap().display())
            }
            Err(error) => error.to_string(),
        };
        let mut said = vec![again()];
        let victim = top.join("victim");
        fs::create_dir(&victim).unwrap();
        let module = worktree.admin.join("modules/sub");
        let config = fs::read(module.join("config")).unwrap();
        let executed = top.join("executed").display().to_string();
        let plants: [&[&str]; 4] = [
            &["filter.q.smudge", &format!("touch {executed}; cat")],
            &[
                "remote.origin.uploadpack",
                &format!("touch {executed}; git-upload-pack"),
            ],
            &["include.path", "/dev/null"],
            &["core.worktree", victim.to_str().unwrap()],
        ];
        for plant in plants {
            let file = module.join("config").display().to_string();
            Git::at(&top)
                .run(&[&["config", "--file", &file], plant].concat())
                .unwrap();
            fs::remove_file(sub.join("a.txt")).unwrap();
            said.push(again());
            fs::write(module.join("config"), &config).unwrap();
            said.push(again());
        }
        let link = fs::read(sub.join(".git")).unwrap();
        fs::write(sub.join(".git"), format!("gitdir: {}\n", victim.display())).unwrap();
        said.push(again());
        fs::write(sub.join(".git"), &link).unwrap();
        assert!(!top.join("executed").exists() && fs::read_dir(&victim).unwrap().next().is_none());
        let said = said.join("\n").replace(top.to_str().unwrap(), "<top>");
        let entry = worktree.admin.file_name().unwrap().to_str().unwrap();
        insta::assert_snapshot!(said.replace(entry, "ENTRY"), @r#"
        checked out
        main/.git/worktrees/ENTRY/modules/sub/config: "filter.q.smudge = touch <top>/executed; cat" was not made by dispatch; `git config --file` can unset it
        checked out
        main/.git/worktrees/ENTRY/modules/sub/config: "remote.origin.uploadpack = touch <top>/executed; git-upload-pack" was not made by dispatch; `git config --file` can unset it
        checked out
        main/.git/worktrees/ENTRY/modules/sub/config: "include.path = /dev/null" was not made by dispatch; `git config --file` can unset it
        checked out
        main/.git/worktrees/ENTRY/modules/sub/config: core.worktree does not name <top>/copy/sub
        checked out
        copy/sub/.git: it does not name <top>/main/.git/worktrees/ENTRY/modules/sub
        "#);
    }

    #[test]
    fn filters_of_the_repository_itself_are_empty_whatever_their_name() {
        let folder = tempfile::tempdir().unwrap();
        let git = Git::at(folder.path());
        git.run(&["init", "--quiet"]).unwrap();
        for key in [
            "filter.q.clean",
            "filter.a=b.clean",
            "filter.a.b c.smudge",
            "filter.lfs.process",
        ] {
            let value = if key.contains("lfs") {
                "git-lfs filter-process"
            } else {
                "touch executed"
            };
            git.run(&["config", key, value]).unwrap();
        }
        fs::write(folder.path().join(".gitattributes"), "* filter=a=b\n").unwrap();
        fs::write(folder.path().join("a.txt"), "one\n").unwrap();
        let neutral = without_own_filters(git.clone()).unwrap();
        neutral.run(&["add", "a.txt"]).unwrap();
        assert!(!folder.path().join("executed").exists());
        let value = |key: &str| neutral.line(&["config", "--get", key]).unwrap();
        let values = [
            "filter.q.clean",
            "filter.a.b c.smudge",
            "filter.lfs.process",
        ]
        .map(value);
        assert_eq!(values, ["", "", "git-lfs filter-process"]);
        // Without that the filter runs.
        let _ = git.run(&["add", "--renormalize", "a.txt"]);
        assert!(folder.path().join("executed").exists());
    }

    #[test]
    fn a_git_that_fetches_missing_objects_anyway_starts_no_program() {
        let folder = tempfile::tempdir().unwrap();
        let (repo, _) = with_submodule(folder.path());
        repo.git()
            .run(&["config", "uploadpack.allowFilter", "true"])
            .unwrap();
        let url = format!("file://{}", folder.path().join("main").display());
        let clone = [
            "clone",
            "--quiet",
            "--no-checkout",
            "--filter=blob:none",
            &url,
            "partial",
        ];
        Git::at(folder.path())
            .setting("protocol.file.allow=always")
            .run(&clone)
            .unwrap();
        let partial = folder.path().join("partial/.git");
        let executed = folder.path().join("executed");
        let address = format!("ext::sh -c touch% {}", executed.display());
        let git = Git::at(&partial).env("GIT_DIR", partial.as_os_str());
        git.run(&["config", "remote.origin.url", &address]).unwrap();
        git.run(&["config", "protocol.ext.allow", "always"])
            .unwrap();
        let read = ["cat-file", "blob", "HEAD:a.txt"];
        // Versions of git that do not know the variable, as if it were off.
        let closed = git.clone().without_fetches().env("GIT_NO_LAZY_FETCH", "0");
        assert!(!closed.finish(read).unwrap().status.success() && !executed.exists());
        let _ = git.finish(read);
        assert!(executed.exists(), "the address starts a program");
    }
}
