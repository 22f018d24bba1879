//! Makes the map of a repository that a planner gets, of bounded size.

use std::collections::BTreeMap;

use crate::base::text::{clip, one_line, terminal_safe};
use crate::engine::EngineError;
use crate::git::Repo;
use crate::merge::oid::Oid;
use crate::worker::planner::{Folder, Instructions, Language, RepositoryMap, TestCommand};

/// The most folders of a map.
const FOLDERS: usize = 80;

/// The depth of the folders of a map.
const DEPTH: usize = 3;

/// The most files of the top folder in a map.
const TOP_FILES: usize = 40;

/// The most languages of a map.
const LANGUAGES: usize = 6;

/// The number of last commits in a map.
const COMMITS: usize = 15;

/// The most bytes of one text for agents in a map.
const INSTRUCTIONS: usize = 8 * 1024;

/// The texts for agents, of which the first that exists is in the map.
const INSTRUCTION_FILES: [&str; 2] = ["AGENTS.md", "CLAUDE.md"];

/// The extensions of common languages.
const EXTENSIONS: &[(&str, &[&str])] = &[
    ("C", &["c", "h"]),
    ("C#", &["cs"]),
    ("C++", &["cc", "cpp", "cxx", "hh", "hpp"]),
    ("CSS", &["css", "scss", "less"]),
    ("Dart", &["dart"]),
    ("Elixir", &["ex", "exs"]),
    ("Go", &["go"]),
    ("HTML", &["html", "htm"]),
    ("Haskell", &["hs"]),
    ("Java", &["java"]),
    ("JavaScript", &["js", "jsx", "mjs", "cjs"]),
    ("Kotlin", &["kt", "kts"]),
    ("Lua", &["lua"]),
    ("Markdown", &["md"]),
    ("PHP", &["php"]),
    ("Python", &["py"]),
    ("Ruby", &["rb"]),
    ("Rust", &["rs"]),
    ("SQL", &["sql"]),
    ("Scala", &["scala"]),
    ("Shell", &["sh", "bash"]),
    ("Svelte", &["svelte"]),
    ("Swift", &["swift"]),
    ("TypeScript", &["ts", "tsx", "mts"]),
    ("Vue", &["vue"]),
    ("Zig", &["zig"]),
];

/// A file of a commit.
struct TreeFile {
    path: String,
    size: u64,
}

/// Makes the map of a commit.
///
/// # Errors
/// When the commit cannot be read.
pub(super) fn map(
    repo: &Repo,
    base: Oid,
    checks: Vec<TestCommand>,
) -> Result<RepositoryMap, EngineError> {
    let files = list(repo, base)?;
    let (folders, more_folders) = folders(&files);
    Ok(RepositoryMap {
        folders,
        more_folders,
        files: top_files(&files),
        languages: languages(&files),
        checks,
        instructions: instructions(repo, base, &files),
        commits: commits(repo, base)?,
    })
}

/// Lists the paths of a commit's files.
///
/// # Errors
/// When the commit cannot be read.
pub(super) fn paths(repo: &Repo, base: Oid) -> Result<Vec<String>, EngineError> {
    let files = list(repo, base)?.into_iter();
    Ok(files.map(|file| file.path).collect())
}

fn list(repo: &Repo, base: Oid) -> Result<Vec<TreeFile>, EngineError> {
    let tree = format!("{base}^{{tree}}");
    let listed = repo
        .git()
        .run(&["ls-tree", "-r", "-l", "-z", "--full-tree", &tree])?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    Ok(listed.split('\0').filter_map(parse).collect())
}

/// Parses `100644 blob <oid>    123<TAB>path`; `None` for a submodule.
fn parse(line: &str) -> Option<TreeFile> {
    let (about, path) = line.split_once('\t')?;
    let size = about.split_whitespace().nth(3)?.parse().ok()?;
    Some(TreeFile {
        path: path.to_owned(),
        size,
    })
}

/// Returns the folders by path, the deepest left out first, and the number of those left out.
fn folders(files: &[TreeFile]) -> (Vec<Folder>, usize) {
    let mut all: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for file in files {
        let ends = file.path.match_indices('/').map(|(at, _)| at + 1);
        for end in ends.take(DEPTH) {
            let (count, size) = all.entry(&file.path[..end]).or_default();
            *count += 1;
            *size += file.size;
        }
    }
    let depth = |path: &str| path.matches('/').count();
    let fits = |most: usize| all.keys().filter(|path| depth(path) <= most).count() <= FOLDERS;
    let deepest = (1..=DEPTH).rev().find(|most| fits(*most)).unwrap_or(1);
    let shown = all.iter().filter(|(path, _)| depth(path) <= deepest);
    let shown: Vec<Folder> = shown
        .take(FOLDERS)
        .map(|(path, (files, bytes))| Folder {
            path: safe(path),
            files: *files,
            size: size(*bytes),
        })
        .collect();
    let left_out = all.len() - shown.len();
    (shown, left_out)
}

fn top_files(files: &[TreeFile]) -> Vec<String> {
    let top = files.iter().filter(|file| !file.path.contains('/'));
    top.take(TOP_FILES).map(|file| safe(&file.path)).collect()
}

fn languages(files: &[TreeFile]) -> Vec<Language> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for file in files {
        let extension = file.path.rsplit_once('.').map_or("", |(_, end)| end);
        let known = EXTENSIONS.iter().find(|(_, all)| all.contains(&extension));
        if let Some((name, _)) = known {
            *counts.entry(name).or_default() += 1;
        }
    }
    let mut languages: Vec<Language> = counts
        .into_iter()
        .map(|(name, files)| Language {
            name: name.to_owned(),
            files,
        })
        .collect();
    languages.sort_by_key(|language| std::cmp::Reverse(language.files));
    languages.truncate(LANGUAGES);
    languages
}

fn instructions(repo: &Repo, base: Oid, files: &[TreeFile]) -> Vec<Instructions> {
    let exists = |name: &&str| files.iter().any(|file| file.path == *name);
    let Some(name) = INSTRUCTION_FILES.into_iter().find(exists) else {
        return Vec::new();
    };
    let object = format!("{base}:{name}");
    // A link or an unreadable file says nothing to the planner.
    let Ok(bytes) = repo.git().run(&["cat-file", "blob", &object]) else {
        return Vec::new();
    };
    let text = terminal_safe(String::from_utf8_lossy(&bytes).trim());
    vec![Instructions {
        file: name.to_owned(),
        is_cut: text.len() > INSTRUCTIONS,
        text: clip(&text, INSTRUCTIONS),
    }]
}

fn commits(repo: &Repo, base: Oid) -> Result<Vec<String>, EngineError> {
    let (count, base) = (format!("-{COMMITS}"), base.to_string());
    let args = [
        "log",
        &count,
        "--no-show-signature",
        "--format=%h %s",
        &base,
    ];
    let listed = repo.git().run(&args)?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    Ok(listed.lines().map(|line| clip(&safe(line), 120)).collect())
}

fn safe(text: &str) -> String {
    one_line(&terminal_safe(text))
}

/// Renders `12 KiB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match value < 10.0 {
        true => format!("{value:.1} {}", UNITS[unit]),
        false => format!("{value:.0} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> Vec<TreeFile> {
        let file = |path: &&str| TreeFile {
            path: (*path).to_owned(),
            size: 1000,
        };
        paths.iter().map(file).collect()
    }

    #[test]
    fn folders_have_everything_below_them() {
        let files = files(&[
            "README.md",
            "src/a.rs",
            "src/x/b.rs",
            "src/x/y/z/c.rs",
            "docs/a.md",
        ]);
        let (folders, more) = folders(&files);
        let folders = folders.iter();
        let lines: Vec<String> = folders
            .map(|folder| format!("{} {} {}", folder.path, folder.files, folder.size))
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        docs/ 1 1000 B
        src/ 3 2.9 KiB
        src/x/ 2 2.0 KiB
        src/x/y/ 1 1000 B
        ");
        assert_eq!(more, 0);
        assert_eq!(top_files(&files), ["README.md"]);
        let languages = languages(&files);
        let first = languages
            .first()
            .map(|language| (language.name.as_str(), language.files));
        assert_eq!(first, Some(("Rust", 3)));
    }

    #[test]
    fn a_huge_repository_has_a_small_map() {
        let paths: Vec<String> = (0..3000)
            .map(|n| format!("{}/{}/{n}/f.rs", n / 300, n / 10))
            .collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let (shown, more) = folders(&files(&paths));
        assert_eq!(shown.len(), 10);
        assert_eq!(more, 3300);
        let wide: Vec<String> = (0..500).map(|n| format!("{n}/f.rs")).collect();
        let wide: Vec<&str> = wide.iter().map(String::as_str).collect();
        let (shown, more) = folders(&files(&wide));
        assert_eq!((shown.len(), more), (FOLDERS, 420));
    }

    #[test]
    fn sizes_are_readable() {
        let sizes = [0, 1023, 1536, 20 * 1024, 3 << 20, 5 << 40].map(size);
        assert_eq!(
            sizes.join(", "),
            "0 B, 1023 B, 1.5 KiB, 20 KiB, 3.0 MiB, 5.0 TiB"
        );
    }
}
