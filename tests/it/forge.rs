//! Creates repositories from descriptions, quickly: one `git fast-import` for all commits.

use crate::harness::temp_folder;
use std::collections::BTreeMap;
use std::io::Write as _;

use git_dispatch::base::process::Program;
use git_dispatch::conflicts::{Branch, Detection, Options};
use git_dispatch::git::{Git, Repo, Store};
use git_dispatch::merge::oid::Oid;

/// The content of a commit: path to mode and content (a submodule's content is its commit's id).
pub(crate) type Files = BTreeMap<Vec<u8>, File>;

/// Mode and content.
pub(crate) type File = (u32, Vec<u8>);

/// A plain file.
pub(crate) const FILE: u32 = 0o100_644;
/// An executable file.
pub(crate) const EXEC: u32 = 0o100_755;
/// A symbolic link.
pub(crate) const LINK: u32 = 0o120_000;
/// A submodule.
pub(crate) const SUBMODULE: u32 = 0o160_000;

/// A commit to be made.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// Its branch.
    pub(crate) branch: String,
    /// The positions of its parents in the list.
    pub(crate) parents: Vec<usize>,
    /// All its files.
    pub(crate) files: Files,
}

/// The command for sceptics of an old git as that of a newer one, where the base is `<main>` and has
/// no attributes; a filter of snapshots.
pub(crate) const BEFORE_GIT_2_41: (&str, &str) = (
    r"\(export GIT_DIR[^\n]* && git merge-tree ([^)\n]*)\)",
    "GIT_ATTR_SOURCE=<main> git merge-tree $1",
);

/// A repository in a temporary folder.
pub(crate) struct Forge {
    _folder: tempfile::TempDir,
    pub(crate) repo: Repo,
    /// The commits, in the order of the list.
    pub(crate) commits: Vec<Oid>,
}

impl Forge {
    pub(crate) fn new(commits: &[Planned]) -> Forge {
        Forge::at("repo", commits)
    }

    /// Creates a repository in a folder of this name.
    pub(crate) fn at(name: &str, commits: &[Planned]) -> Forge {
        let folder = temp_folder();
        let top = folder.path().join(name);
        std::fs::create_dir(&top).unwrap();
        let git = Git::at(&top);
        git.run(&["init", "--quiet", "--initial-branch=main"])
            .unwrap();
        // The user's configuration must not affect the tests.
        let settings = "[user]\n\tname = t\n\temail = t@example.com\n[merge]\n\trenames = true\n\
            \tdirectoryRenames = conflict\n\tconflictStyle = merge\n[core]\n\tautocrlf = false\n\
            \tattributesFile = /dev/null\n\tquotePath = false\n";
        let config = top.join(".git/config");
        let own = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, own + settings).unwrap();
        fast_import(&git, commits);
        let repo = Repo::discover(&top).unwrap();
        let store = Store::open(&repo).unwrap();
        let tip = |planned: &Planned| {
            let name = format!("refs/heads/{}", planned.branch);
            store.reference(&name).unwrap().unwrap()
        };
        let commits = commits.iter().map(tip).collect();
        Forge {
            _folder: folder,
            repo,
            commits,
        }
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.repo).unwrap()
    }
}

fn fast_import(git: &Git, commits: &[Planned]) {
    let mut stream = Vec::new();
    for (place, commit) in commits.iter().enumerate() {
        let time = 1_700_000_000 + place;
        let mut text = format!(
            "commit refs/heads/{}\nmark :{}\ncommitter t <t@example.com> {time} +0000\ndata 1\nc\n",
            commit.branch,
            place + 1
        );
        for (nth, parent) in commit.parents.iter().enumerate() {
            let word = if nth == 0 { "from" } else { "merge" };
            text.push_str(&format!("{word} :{}\n", parent + 1));
        }
        text.push_str("deleteall\n");
        stream.extend_from_slice(text.as_bytes());
        for (path, (mode, content)) in &commit.files {
            let path = quoted(path);
            if *mode == SUBMODULE {
                let oid = String::from_utf8_lossy(content);
                stream.extend_from_slice(format!("M 160000 {oid} {path}\n").as_bytes());
            } else {
                let head = format!("M {mode:o} inline {path}\ndata {}\n", content.len());
                stream.extend_from_slice(head.as_bytes());
                stream.extend_from_slice(content);
                stream.push(b'\n');
            }
        }
    }
    let program = git.program().args(["fast-import", "--quiet"]).stdin(stream);
    let finished = program.output().unwrap();
    assert!(
        finished.status.success(),
        "{}",
        String::from_utf8_lossy(&finished.stderr)
    );
}

fn quoted(path: &[u8]) -> String {
    let octal: String = path.iter().map(|byte| format!("\\{byte:03o}")).collect();
    format!("\"{octal}\"")
}

/// Finds a git on PATH other than the one in use, and returns the folder to put in front of PATH.
pub(crate) fn other_git() -> Option<tempfile::TempDir> {
    let version = |program: &std::path::Path| {
        let finished = Program::new(program).arg("version").output().ok()?;
        finished.status.success().then_some(finished.stdout)
    };
    let path = std::env::var_os("PATH")?;
    let gits = std::env::split_paths(&path).map(|folder| folder.join("git"));
    let gits: Vec<_> = gits.filter(|git| git.is_file()).collect();
    let first = version(gits.first()?)?;
    let other = gits
        .iter()
        .find(|git| version(git).is_some_and(|v| v != first))?;
    let folder = temp_folder();
    std::os::unix::fs::symlink(other, folder.path().join("git")).unwrap();
    Some(folder)
}

/// Runs one test of this binary again with the other git; prints a note and passes without one.
pub(crate) fn again_with_the_other_git(test: &str, env: &[(&str, &str)]) {
    let Some(folder) = other_git() else {
        let said = "skipped: only one version of git is on PATH";
        let _ = writeln!(std::io::stderr(), "{test} {said}");
        return;
    };
    let path = std::env::var_os("PATH").unwrap();
    let folders = std::iter::once(folder.path().to_owned()).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).unwrap();
    let mut program = Program::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("PATH", path);
    for (name, value) in env {
        program = program.env(name, value);
    }
    let finished = program.output().unwrap();
    let said = String::from_utf8_lossy(&finished.stdout);
    let errors = String::from_utf8_lossy(&finished.stderr);
    assert!(finished.status.success(), "{said}\n{errors}");
    assert!(said.contains("1 passed"), "{said}");
}

// ---- short words for tests ------------------------------------------------------------------

/// A commit to be made.
pub(crate) fn planned(branch: impl Into<String>, parents: &[usize], files: &Files) -> Planned {
    Planned {
        branch: branch.into(),
        parents: parents.to_vec(),
        files: files.clone(),
    }
}

/// A commit under a name.
pub(crate) fn branch(name: &str, tip: Oid) -> Branch {
    Branch {
        name: name.to_owned(),
        tip,
    }
}

/// As the command looks, with one generated file.
pub(crate) fn options() -> Options {
    Options {
        generated: vec!["Cargo.lock".to_owned()],
        ..Options::default()
    }
}

/// `conflict content 3: content f (overlap 5+1 5+1 5+1)`
pub(crate) fn show(detection: &Detection) -> String {
    let Some(pair) = detection.pairs.first() else {
        return "clean independent 0".to_owned();
    };
    let units = pair.units.iter().map(|unit| {
        let paths: Vec<String> = unit.paths.iter().map(ToString::to_string).collect();
        let hunks = unit.hunks.iter().map(|hunk| format!(" ({})", hunk.class));
        format!(
            "{} {}{}",
            unit.class,
            paths.join(","),
            hunks.collect::<String>()
        )
    });
    let units = units.collect::<Vec<_>>().join("; ");
    let verdict = serde_json::to_value(pair.verdict).unwrap();
    let verdict = verdict.as_str().unwrap().to_owned();
    format!("{verdict} {} {}: {units}", pair.class, pair.severity)
}

/// With this file, the contents of the file `crowd` are not merged for all branches at once: an
/// attribute has a say.
pub(crate) const MERGED_ONE_BY_ONE: (&str, &str) = (".gitattributes", "crowd merge=text|");

/// Plain files; `|` stands for a line end.
pub(crate) fn files(entries: &[(&str, &str)]) -> Files {
    let entry = |(path, text): &(&str, &str)| {
        let content = text.replace('|', "\n").into_bytes();
        (path.as_bytes().to_vec(), (FILE, content))
    };
    entries.iter().map(entry).collect()
}

/// A base, three branches that conflict at `f` in pairs, one beside them, and a stranger.
pub(crate) fn small() -> Vec<Planned> {
    let base = [("f", "a|b|c|"), ("g", "x|")];
    vec![
        planned("main", &[], &files(&base)),
        planned("one", &[0], &files(&[("f", "a|1|c|"), ("g", "x|")])),
        planned("two", &[0], &files(&[("f", "a|2|c|"), ("g", "x|")])),
        planned("three", &[0], &files(&[("f", "a|3|c|"), ("g", "x|")])),
        planned("beside", &[0], &files(&[("f", "a|b|c|"), ("g", "y|")])),
        planned("stranger", &[], &files(&[("other", "s|t|r|")])),
    ]
}

/// Commits of the list under names.
pub(crate) fn named(forge: &Forge, names: &[(&str, usize)]) -> Vec<Branch> {
    names
        .iter()
        .map(|(name, place)| branch(name, forge.commits[*place]))
        .collect()
}
