//! What is written about the program: README, help texts, samples; and what must not be written.

mod help;
mod names;
mod readme;
mod samples;

use crate::harness::temp_folder;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const README: &str = include_str!("../../README.md");

/// The top folder of the project.
fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// How a program ended.
struct Ended {
    code: i32,
    out: String,
    err: String,
}

/// A folder with a home of its own, so that nobody's settings are seen.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place {
            folder: temp_folder(),
        };
        std::fs::create_dir(place.path("home")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a program in a folder of this place.
    fn run(&self, folder: &str, program: &str, args: &[&str]) -> Ended {
        let bin = Path::new(env!("CARGO_BIN_EXE_dispatch")).parent().unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(bin.to_owned()).chain(std::env::split_paths(&path));
        let output = Command::new(program)
            .args(args)
            .current_dir(self.path(folder))
            .env("PATH", std::env::join_paths(folders).unwrap())
            .env("HOME", self.path("home"))
            .env("XDG_CONFIG_HOME", self.path("home/.config"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .env("DISPATCH_CLOCK", "2026-11-22T09:14:00Z")
            .env("DISPATCH_SEED", "1")
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

    /// Runs a program that must succeed, and gives its standard output.
    #[track_caller]
    fn succeed(&self, folder: &str, program: &str, args: &[&str]) -> String {
        let ended = self.run(folder, program, args);
        assert_eq!(
            ended.code, 0,
            "{program} {args:?}\n{}{}",
            ended.out, ended.err
        );
        ended.out
    }
}

/// The fenced blocks of the README in this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let mut blocks = Vec::new();
    let mut rest = README;
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

/// The text of a chapter, from its heading to the next of its kind.
#[track_caller]
fn chapter(name: &str) -> &'static str {
    let start = README.find(&format!("\n## {name}\n")).expect(name);
    let text = &README[start + 1..];
    &text[..text[2..].find("\n## ").map_or(text.len(), |end| end + 2)]
}

/// The code spans of the first column of the tables of a chapter.
fn first_column(chapter: &str) -> Vec<&str> {
    let rows = chapter.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row[2..].split(" | ").next());
    cells.flat_map(spans).collect()
}

/// The code spans of a text.
fn spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}
