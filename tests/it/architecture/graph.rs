//! Finds the imports between the files of `src`: arrows between the engine's rooms, and circles.

use std::collections::{BTreeMap, BTreeSet};

use super::rules::tests;
use super::tokens::{Token, tokens};

/// The rooms of `engine/` from the bottom; a room may use the rows below its own, never its row.
const ROOMS: &[&[&str]] = &[
    &["kernel"],
    &["spec"],
    &["commands", "trust"],
    &["worktree"],
    &["pool"],
    &["checks", "candidates", "publish", "runs"],
    &["resolve", "prompt", "blame", "share", "mirror"],
    &["attempt", "assemble", "variants"],
    &["remote"],
    &["start", "land", "clean", "reconcile"],
    &["planner"],
    &["doctor"],
    &["run"],
];

type Path = Vec<String>;

/// A file of `src`, by the path of its module.
struct File {
    name: String,
    module: Path,
    /// The crate's names in it, with the line, and `true` inside `#[cfg(test)]`.
    names: Vec<(Path, usize, bool)>,
    /// The names that it re-exports under its own path.
    exports: BTreeMap<String, Path>,
}

/// All files, each with the names of others that it uses.
pub(super) struct Graph {
    files: Vec<File>,
}

impl Graph {
    /// Reads files given as (`src/…`, text).
    pub(super) fn read(texts: &[(String, String)]) -> Graph {
        let of_library = |name: &str| name != "src/main.rs" && !name.starts_with("src/bin/");
        let texts: Vec<_> = texts.iter().filter(|(name, _)| of_library(name)).collect();
        let modules: BTreeSet<Path> = texts.iter().map(|(name, _)| module(name)).collect();
        let read = |(name, text): &&(String, String)| Reader::new(name, text, &modules).read();
        Graph {
            files: texts.iter().map(read).collect(),
        }
    }

    /// Finds the file that a path of the crate leads to, through re-exports.
    fn target(&self, path: &[String]) -> Option<usize> {
        let mut path = path.to_vec();
        for _ in 0..8 {
            let (at, used) = (0..=path.len()).rev().find_map(|used| {
                let is_it = |file: &File| file.module == path[..used];
                Some((self.files.iter().position(is_it)?, used))
            })?;
            let next = path.get(used);
            let Some(exported) = next.and_then(|name| self.files[at].exports.get(name)) else {
                return Some(at);
            };
            path = [exported.clone(), path[used + 1..].to_vec()].concat();
        }
        None
    }

    /// Lists arrows between the rooms of the engine that point up or sideways.
    pub(super) fn wrong_rooms(&self) -> Vec<String> {
        let mut found = BTreeSet::new();
        for file in &self.files {
            let Some(own) = room(&file.module) else {
                continue;
            };
            for (path, line, _) in &file.names {
                let target = self.target(path).map(|at| &self.files[at]);
                let Some(other) = target.and_then(|file| room(&file.module)) else {
                    continue;
                };
                let name = &file.name;
                match (row(own), row(other)) {
                    (Some(a), Some(b)) if b < a || own == other => {}
                    (Some(_), Some(_)) => {
                        found.insert(format!(
                            "{name}:{line}: engine/{own} must not use engine/{other}, which is not below it"
                        ));
                    }
                    _ => {
                        found.insert(format!(
                            "{name}:{line}: engine/{own} or engine/{other} has no row"
                        ));
                    }
                }
            }
        }
        found.into_iter().collect()
    }

    /// Finds groups of files that import each other, except a folder's `mod.rs` and its own
    /// children.
    pub(super) fn circles(&self) -> Vec<String> {
        let arrows: Vec<BTreeSet<usize>> =
            (0..self.files.len()).map(|at| self.arrows(at)).collect();
        let reach: Vec<BTreeSet<usize>> = (0..arrows.len()).map(|at| reach(&arrows, at)).collect();
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for at in 0..arrows.len() {
            if !reach[at].contains(&at) || seen.contains(&at) {
                continue;
            }
            let members: Vec<usize> = reach[at]
                .iter()
                .copied()
                .filter(|other| reach[*other].contains(&at))
                .collect();
            seen.extend(members.iter().copied());
            let mut text = format!("a circle of {} files", members.len());
            for member in &members {
                let to = arrows[*member].iter().filter(|to| members.contains(to));
                let to: Vec<&str> = to.map(|to| self.files[*to].name.as_str()).collect();
                text += &format!("\n  {} -> {}", self.files[*member].name, to.join(", "));
            }
            circles.push(text);
        }
        circles
    }

    fn arrows(&self, at: usize) -> BTreeSet<usize> {
        let own = &self.files[at];
        let outside_tests = own.names.iter().filter(|(_, _, in_test)| !in_test);
        let targets = outside_tests.filter_map(|(path, _, _)| self.target(path));
        targets
            .filter(|to| {
                let (a, b) = (&own.module, &self.files[*to].module);
                let is_parent = |parent: &Path, child: &Path| {
                    child.len() == parent.len() + 1 && child.starts_with(parent)
                };
                *to != at && !b.is_empty() && !is_parent(a, b) && !is_parent(b, a)
            })
            .collect()
    }
}

fn reach(arrows: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut left: Vec<usize> = arrows[from].iter().copied().collect();
    while let Some(at) = left.pop() {
        if reached.insert(at) {
            left.extend(&arrows[at]);
        }
    }
    reached
}

fn module(name: &str) -> Path {
    let inside = name.trim_start_matches("src/").trim_end_matches(".rs");
    let mut path: Path = inside.split('/').map(str::to_owned).collect();
    if path.last().is_some_and(|last| last == "mod") || path == ["lib"] {
        path.pop();
    }
    path
}

fn room(module: &[String]) -> Option<&str> {
    match module {
        [engine, room, ..] if engine == "engine" => Some(room),
        _ => None,
    }
}

fn row(room: &str) -> Option<usize> {
    ROOMS.iter().position(|rooms| rooms.contains(&room))
}

/// Reads one file.
struct Reader<'a> {
    file: File,
    tokens: Vec<Token>,
    in_test: Vec<bool>,
    modules: &'a BTreeSet<Path>,
}

impl<'a> Reader<'a> {
    fn new(name: &str, text: &str, modules: &'a BTreeSet<Path>) -> Reader<'a> {
        let tokens = tokens(text);
        Reader {
            in_test: tests(name, &tokens),
            file: File {
                name: name.to_owned(),
                module: module(name),
                names: Vec::new(),
                exports: BTreeMap::new(),
            },
            tokens,
            modules,
        }
    }

    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }

    fn read(mut self) -> File {
        let (mut at, mut braces, mut inline) = (0, 0_usize, Vec::new());
        while at < self.tokens.len() {
            match self.text(at) {
                "mod" if self.text(at + 2) == "{" => inline.push(braces),
                "{" => braces += 1,
                "}" => {
                    braces = braces.saturating_sub(1);
                    if inline.last() == Some(&braces) {
                        inline.pop();
                    }
                }
                _ => {}
            }
            let is_use = self.text(at) == "use";
            let starts = at == 0 || !matches!(self.text(at - 1), "::" | ".");
            if is_use || (starts && self.text(at + 1) == "::") {
                let start = if is_use { at + 1 } else { at };
                let mut paths = Vec::new();
                let end = self.tree(start, &mut Vec::new(), &mut paths, is_use);
                let is_export = is_use && at > 0 && matches!(self.text(at - 1), "pub" | ")");
                for path in paths {
                    self.add(&path, at, inline.len(), is_export);
                }
                at = end.max(at + 1);
            } else {
                at += 1;
            }
        }
        self.file
    }

    /// Reads the paths of a tree that starts here; returns the place behind it.
    fn tree(&self, start: usize, before: &mut Path, found: &mut Vec<Path>, groups: bool) -> usize {
        let mut at = start;
        let mut path = before.clone();
        loop {
            match self.text(at) {
                "{" if groups => {
                    at += 1;
                    while !matches!(self.text(at), "}" | "") {
                        at = self.tree(at, &mut path, found, groups);
                        if self.text(at) == "," {
                            at += 1;
                        }
                    }
                    return at + 1;
                }
                name if name.chars().all(|c| c.is_alphanumeric() || c == '_')
                    && !name.is_empty() =>
                {
                    if name != "self" || path.is_empty() {
                        path.push(name.to_owned());
                    }
                    at += 1;
                }
                _ => {
                    found.push(path);
                    return at + usize::from(self.text(at) == "*");
                }
            }
            match self.text(at) {
                "::" => at += 1,
                "as" if groups => {
                    found.push(path);
                    return at + 2;
                }
                _ => {
                    found.push(path);
                    return at;
                }
            }
        }
    }

    /// Records a path if it belongs to the crate.
    fn add(&mut self, path: &[String], at: usize, inline: usize, is_export: bool) {
        let own = &self.file.module;
        let supers = path.iter().take_while(|part| *part == "super").count();
        let absolute = match path.first().map(String::as_str) {
            Some("crate") => path[1..].to_vec(),
            Some("self") if inline == 0 => [own, &path[1..]].concat(),
            Some("super") if supers > inline && supers - inline <= own.len() => {
                let up = own.len() - (supers - inline);
                [&own[..up], &path[supers..]].concat()
            }
            Some(first) if inline == 0 => {
                let child = [own.as_slice(), &[first.to_owned()]].concat();
                if !self.modules.contains(&child) {
                    return;
                }
                [own, path].concat()
            }
            _ => return,
        };
        let token = self.tokens.get(at);
        let line = token.map_or(0, |token| token.line);
        if let (true, Some(last)) = (is_export, absolute.last()) {
            self.file.exports.insert(last.clone(), absolute.clone());
        }
        let in_test = self.in_test.get(at).copied().unwrap_or(false);
        self.file.names.push((absolute, line, in_test));
    }
}

fn graph(files: &[(&str, &str)]) -> Graph {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    Graph::read(&files.iter().map(owned).collect::<Vec<_>>())
}

#[test]
fn a_circle_is_found_through_what_a_folder_hands_on() {
    let found = graph(&[
        ("src/a/mod.rs", "pub mod b; pub mod c; pub use b::B;"),
        ("src/a/b.rs", "use crate::a::c::{self, C as D};"),
        ("src/a/c.rs", "fn f() { crate::a::B::new() }"),
        ("src/d.rs", "use crate::a::{B, c::C};"),
    ]);
    insta::assert_snapshot!(found.circles().join("\n"), @r"
    a circle of 2 files
      src/a/b.rs -> src/a/c.rs
      src/a/c.rs -> src/a/b.rs
    ");
}

#[test]
fn a_folder_and_its_children_and_tests_make_no_circle() {
    let found = graph(&[
        ("src/a/mod.rs", "mod b; pub struct A; fn f() { b::g() }"),
        (
            "src/a/b.rs",
            "use super::A;\n#[cfg(test)] mod tests { use crate::c::C; }",
        ),
        ("src/c.rs", "use crate::a::A;"),
    ]);
    assert_eq!(found.circles(), Vec::<String>::new());
}

#[test]
fn an_arrow_between_rooms_of_the_engine_points_down() {
    let found = graph(&[
        (
            "src/engine/mod.rs",
            "pub mod kernel; pub use kernel::error::EngineError;",
        ),
        (
            "src/engine/kernel/error.rs",
            "use crate::engine::run::driver;",
        ),
        (
            "src/engine/land/mod.rs",
            "use crate::engine::EngineError; use crate::engine::clean::f;",
        ),
        ("src/engine/clean/mod.rs", ""),
        (
            "src/engine/run/driver.rs",
            "use super::super::land; use crate::engine::elsewhere::x;",
        ),
        ("src/engine/elsewhere.rs", ""),
    ]);
    insta::assert_snapshot!(found.wrong_rooms().join("\n"), @r"
    src/engine/kernel/error.rs:1: engine/kernel must not use engine/run, which is not below it
    src/engine/land/mod.rs:1: engine/land must not use engine/clean, which is not below it
    src/engine/run/driver.rs:1: engine/run or engine/elsewhere has no row
    ");
}
