//! Checks the documentation against the code: README, the chapters of `docs/`, help texts, samples.

mod help;
mod links;
mod names;
mod samples;
mod tables;

use crate::harness::temp_folder;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use git_dispatch::cli::help::chapters::CHAPTERS;

/// A file of documentation.
struct Document {
    /// Its path from the top of the project.
    path: &'static str,
    text: String,
}

/// Returns the README and all chapters.
fn documents() -> Vec<Document> {
    let chapters = CHAPTERS.iter().map(|chapter| chapter.path);
    let paths = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"];
    paths.into_iter().chain(chapters).map(document).collect()
}

/// Reads the document at this path.
fn document(path: &'static str) -> Document {
    let text = std::fs::read_to_string(project().join(path));
    Document {
        path,
        text: text.unwrap_or_else(|error| panic!("{path}: {error}")),
    }
}

/// Returns `true` if documentation may be rewritten to what the program prints.
fn may_rewrite() -> bool {
    std::env::var_os("DISPATCH_BLESS").is_some_and(|value| value == "1")
}

/// Returns the top folder of the project.
fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The exit code and the output of a program.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A folder with a home of its own, so that the user's settings have no effect.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Place {
        let place = Place {
            folder: temp_folder(),
        };
        std::fs::create_dir(place.path("home")).unwrap();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a program in a folder of this place.
    pub(crate) fn run(&self, folder: &str, program: &str, args: &[&str]) -> Ended {
        self.run_with(folder, program, args, &[])
    }

    /// Runs a program with further variables.
    pub(crate) fn run_with(
        &self,
        folder: &str,
        program: &str,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Ended {
        let bin = Path::new(env!("CARGO_BIN_EXE_dispatch")).parent().unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(bin.to_owned()).chain(std::env::split_paths(&path));
        let output = Command::new(program)
            .args(args)
            .current_dir(self.path(folder))
            .env("PATH", std::env::join_paths(folders).unwrap())
            .env("HOME", self.path("home"))
            .env("XDG_CONFIG_HOME", self.path("home/.config"))
            .env("XDG_STATE_HOME", self.path("home/.local/state"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CEILING_DIRECTORIES", self.folder.path())
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .env("DISPATCH_CLOCK", "2026-11-22T09:14:00Z")
            .env("DISPATCH_SEED", "1")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended {
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Runs a program that must succeed, and returns its standard output.
    #[track_caller]
    pub(crate) fn succeed(&self, folder: &str, program: &str, args: &[&str]) -> String {
        let ended = self.run(folder, program, args);
        assert_eq!(
            ended.code, 0,
            "{program} {args:?}\n{}{}",
            ended.out, ended.err
        );
        ended.out
    }
}

impl Document {
    /// Returns the fenced blocks in this language.
    fn blocks(&self, language: &str) -> Vec<&str> {
        let mut blocks = Vec::new();
        let mut rest = self.text.as_str();
        while let Some(at) = rest.find("\n```") {
            let (info, after) = rest[at + 4..].split_once('\n').unwrap();
            let end = after.find("\n```").map_or(after.len(), |end| end + 1);
            if info == language {
                blocks.push(&after[..end]);
            }
            rest = &after[end..];
            rest = rest.strip_prefix("```").unwrap_or(rest);
        }
        blocks
    }

    /// Returns the text of a section, from its heading to the next one of its level or above.
    #[track_caller]
    fn section(&self, heading: &str) -> &str {
        let lines = self.text.lines();
        let is_heading =
            |line: &&str| line.trim_start_matches('#').trim() == heading && line.starts_with('#');
        let line = lines
            .clone()
            .find(is_heading)
            .unwrap_or_else(|| panic!("no {heading:?} in {}", self.path));
        let level = line.len() - line.trim_start_matches('#').len();
        let start = self.text.find(&format!("{line}\n")).unwrap();
        let body = &self.text[start + line.len()..];
        let ends = (1..=level).filter_map(|level| body.find(&format!("\n{} ", "#".repeat(level))));
        &body[..ends.min().unwrap_or(body.len())]
    }
}

/// Returns the blocks of all documents in this language.
fn blocks(documents: &[Document], language: &str) -> Vec<String> {
    let all = documents
        .iter()
        .flat_map(|document| document.blocks(language));
    all.map(str::to_owned).collect()
}

/// Returns the code spans in the first column of the tables of a text.
fn first_column(text: &str) -> Vec<&str> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row[2..].split(" | ").next());
    cells.flat_map(spans).collect()
}

/// Returns the code spans of a text.
fn spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Returns the text without its fenced blocks.
fn prose(text: &str) -> String {
    text.split("\n```")
        .step_by(2)
        .collect::<Vec<_>>()
        .join("\n")
}
