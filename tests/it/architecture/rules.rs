//! Rules about the names that a file of `src` may use.

use std::collections::BTreeSet;

use super::tokens::{Token, tokens};

/// Layers from the bottom; a module may use the ones below its own layer, never its peers.
const LAYERS: &[(&str, &[&str])] = &[
    ("L0", &["base"]),
    ("L0", &["merge"]),
    ("L0", &["model"]),
    ("L1", &["plan", "schedule", "failure", "assembly"]),
    ("L1", &["report"]),
    ("L2", &["git"]),
    (
        "L3",
        &[
            "config", "journal", "worker", "acp", "exec", "control", "forge", "ui",
        ],
    ),
    ("L4", &["conflicts"]),
    ("L5", &["engine"]),
    ("L6", &["tui", "web", "mcp"]),
    ("L6", &["cli"]),
];

/// The pure layers: their code reads no clock, file, process or environment.
const PURE: std::ops::RangeInclusive<usize> = 1..=4;

/// Modules that may use only some of the modules below them.
const ONLY: &[(&str, &[&str])] = &[("conflicts", &["base", "merge", "git"])];

/// Packages and the only places that may name them: folders end in a slash.
const PACKAGES: &[(&str, &[&str])] = &[
    ("git2", &["src/git/", "src/journal/"]),
    ("clap", &["src/cli/"]),
    ("clap_complete", &["src/cli/"]),
    ("clap_mangen", &["src/cli/"]),
    ("indicatif", &["src/ui/"]),
    ("console", &["src/ui/"]),
    (
        "similar",
        &[
            "src/base/line_map.rs",
            "src/base/text_diff.rs",
            "src/conflicts/hunks.rs",
        ],
    ),
    (
        "tokio",
        &[
            "src/base/process/",
            "src/engine/",
            "src/exec/",
            "src/acp/",
            "src/control/",
            "src/forge/",
            "src/ui/",
            "src/cli/",
            "src/mcp/",
        ],
    ),
    ("rmcp", &["src/mcp/"]),
    ("ratatui", &["src/tui/"]),
    ("crossterm", &["src/tui/"]),
    ("minijinja", &["src/worker/"]),
    ("pulldown_cmark", &["src/plan/", "src/ui/"]),
    ("rustix", &["src/exec/", "src/base/", "src/acp/"]),
    ("agent_client_protocol", &["src/acp/"]),
    ("futures", &["src/acp/"]),
    ("anstream", &["src/ui/", "src/base/text.rs"]),
    (
        "anstyle",
        &[
            "src/ui/",
            "src/base/safe/",
            "src/cli/conflicts/compare.rs",
            "src/cli/diff.rs",
        ],
    ),
    ("etcetera", &["src/config/"]),
    (
        "tracing",
        &[
            "src/base/",
            "src/journal/",
            "src/ui/trace.rs",
            "src/engine/",
            "src/cli/",
            "src/mcp/",
        ],
    ),
    ("tracing_subscriber", &["src/ui/trace.rs"]),
    ("rayon", &["src/base/parallel.rs"]),
    ("reflink_copy", &["src/base/reflink.rs"]),
    ("wait_timeout", &["src/base/process/"]),
    ("which", &["src/base/process/"]),
];

/// The places that write to standard output and standard error: `ui` escapes foreign text there, and
/// the others are read by programs.
const WRITERS: &[&str] = &[
    "src/ui/",
    "src/acp/",
    "src/exec/shim.rs",
    "src/tui/screen.rs",
];

/// Parts of the standard library that act on the outside, forbidden in pure layers.
const OUTSIDE: &[&str] = &["fs", "env", "net", "process", "thread"];

/// Types whose `now` reads a clock.
const CLOCKS: &[&str] = &["Instant", "SystemTime", "Timestamp", "Zoned"];

/// Names that do not describe their content.
const FORBIDDEN: &[&str] = &[
    "utils", "util", "helpers", "helper", "common", "manager", "misc",
];

/// Returns the position of a module's layer, from the bottom.
pub(super) fn layer(module: &str) -> Option<usize> {
    LAYERS
        .iter()
        .position(|(_, modules)| modules.contains(&module))
}

/// Lists every violation in a file, as `file:line: what, why`.
pub(super) fn findings(file: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let scan = Scan {
        file,
        in_test: tests(file, &tokens),
        tokens: &tokens,
    };
    let mut found = BTreeSet::new();
    scan.names(&mut found);
    scan.arrows(&mut found);
    scan.packages(&mut found);
    scan.programs(&mut found);
    scan.outside(&mut found);
    scan.streams(&mut found);
    let say = |(line, what): (usize, String)| format!("{file}:{line}: {what}");
    found.into_iter().map(say).collect()
}

type Found = BTreeSet<(usize, String)>;

struct Scan<'a> {
    file: &'a str,
    tokens: &'a [Token],
    /// `true` for tokens inside `#[cfg(test)]`.
    in_test: Vec<bool>,
}

impl Scan<'_> {
    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }

    /// Returns `true` if these tokens are here.
    fn is(&self, at: usize, texts: &[&str]) -> bool {
        texts
            .iter()
            .enumerate()
            .all(|(i, text)| self.text(at + i) == *text)
    }

    fn before(&self, at: usize) -> &str {
        at.checked_sub(1).map_or("", |at| self.text(at))
    }

    /// Returns the top-level module of the file; `None` for `lib.rs`, `main.rs` and `bin/`.
    fn module(&self) -> Option<&str> {
        let inside = self.file.strip_prefix("src/")?;
        let (module, _) = inside.split_once('/')?;
        (module != "bin").then_some(module)
    }

    /// Returns the module depth of the file: 1 for `src/a/mod.rs`, 2 for `src/a/b.rs`.
    fn depth(&self) -> usize {
        let parts = self.file.matches('/').count();
        parts - usize::from(self.file.ends_with("/mod.rs"))
    }

    /// Returns the names that follow a path at `at`, after `::`: one, or those of a group.
    fn heads(&self, at: usize) -> Vec<usize> {
        if self.text(at) != "{" {
            return vec![at];
        }
        let mut heads = Vec::new();
        let mut depth = 0;
        for place in at..self.tokens.len() {
            match self.text(place) {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if depth == 1 && matches!(self.text(place), "{" | ",") && self.text(place + 1) != "}" {
                heads.push(place + 1);
            }
        }
        heads
    }

    fn names(&self, found: &mut Found) {
        let parts = self.file.trim_end_matches(".rs").split('/');
        for part in parts.filter(|part| FORBIDDEN.contains(part)) {
            found.insert((1, nothing(part)));
        }
        for (at, token) in self.tokens.iter().enumerate() {
            if token.text == "mod" && FORBIDDEN.contains(&self.text(at + 1)) {
                found.insert((token.line, nothing(self.text(at + 1))));
            }
        }
    }

    fn arrows(&self, found: &mut Found) {
        let Some(from) = self.module() else { return };
        let mut depth = self.depth();
        let mut inline = Vec::new();
        let mut braces = 0;
        for (at, token) in self.tokens.iter().enumerate() {
            match token.text.as_str() {
                "mod" if self.text(at + 2) == "{" => {
                    inline.push(braces);
                    depth += 1;
                }
                "{" => braces += 1,
                "}" => {
                    braces -= 1;
                    if inline.last() == Some(&braces) {
                        inline.pop();
                        depth -= 1;
                    }
                }
                "crate" if self.text(at + 1) == "::" => self.targets(from, at + 2, found),
                "git_dispatch" if self.text(at + 1) == "::" => {
                    let what = "names git_dispatch, but inside the library paths start with crate";
                    found.insert((token.line, what.to_owned()));
                }
                "super" if self.before(at) != "::" => {
                    if let Some(behind) = self.behind_supers(at, depth) {
                        self.targets(from, behind, found);
                    }
                }
                _ => {}
            }
        }
    }

    /// Returns the place after `super::super::` if that leads to the root of the library.
    fn behind_supers(&self, at: usize, depth: usize) -> Option<usize> {
        let count = (0..)
            .take_while(|i| self.is(at + 2 * i, &["super", "::"]))
            .count();
        (count >= depth).then_some(at + 2 * count)
    }

    fn targets(&self, from: &str, at: usize, found: &mut Found) {
        for head in self.heads(at) {
            let (to, line) = (self.text(head), self.tokens[at].line);
            let line = self.tokens.get(head).map_or(line, |token| token.line);
            if let Some(why) = forbidden_arrow(from, to) {
                found.insert((line, format!("{from} must not use {to}, {why}")));
            }
        }
    }

    fn packages(&self, found: &mut Found) {
        for (at, token) in self.tokens.iter().enumerate() {
            let Some((package, rooms)) = PACKAGES.iter().find(|(name, _)| *name == token.text)
            else {
                continue;
            };
            let is_path = self.text(at + 1) == "::" || self.before(at) == "use";
            let is_inside = matches!(self.before(at), "::" | ".");
            let allowed = rooms
                .iter()
                .any(|room| self.file == *room || self.is_under(room));
            if is_path && !is_inside && !allowed && !self.in_test[at] {
                let rooms = rooms.join(", ");
                found.insert((
                    token.line,
                    format!("{package} is used, but its rooms are {rooms}"),
                ));
            }
        }
    }

    fn is_under(&self, room: &str) -> bool {
        room.ends_with('/') && self.file.starts_with(room)
    }

    fn programs(&self, found: &mut Found) {
        if self.is_under("src/base/process/") {
            return;
        }
        for (at, token) in self.tokens.iter().enumerate() {
            let named = self.is(at, &["process", "::"])
                && self.before(at.saturating_sub(1)) != "base"
                && self
                    .heads(at + 2)
                    .iter()
                    .any(|head| self.text(*head) == "Command");
            // In cli the word is clap's, or the enum of subcommands.
            let made = self.is(at, &["Command", "::", "new"]) && !self.is_under("src/cli/");
            if (named || made) && !self.in_test[at] {
                let what = "a program is started, but only base/process does that (Program)";
                found.insert((token.line, what.to_owned()));
            }
        }
    }

    fn streams(&self, found: &mut Found) {
        if WRITERS
            .iter()
            .copied()
            .any(|room| self.file == room || self.is_under(room))
        {
            return;
        }
        for (at, token) in self.tokens.iter().enumerate() {
            let is_stream = matches!(token.text.as_str(), "stdout" | "stderr")
                && self.is(at + 1, &["(", ")"])
                && self.before(at) == "::";
            let is_question = self.is(at + 3, &[".", "is_terminal"]);
            if is_stream && !is_question && !self.in_test[at] {
                let what = "a stream is written, but only ui does that, which escapes foreign text";
                found.insert((token.line, what.to_owned()));
            }
        }
    }

    fn outside(&self, found: &mut Found) {
        let pure = self
            .module()
            .and_then(layer)
            .is_some_and(|layer| PURE.contains(&layer));
        if !pure {
            return;
        }
        for (at, token) in self.tokens.iter().enumerate() {
            if self.in_test[at] {
                continue;
            }
            if self.is(at, &["std", "::"]) {
                for head in self.heads(at + 2) {
                    let name = self.text(head);
                    if OUTSIDE.contains(&name) {
                        let what = format!("std::{name} is used, but this layer is pure");
                        found.insert((self.tokens[head].line, what));
                    }
                }
            }
            if CLOCKS.contains(&token.text.as_str()) && self.is(at + 1, &["::", "now"]) {
                let what = "a clock is read, but this layer is pure: time comes in events";
                found.insert((token.line, what.to_owned()));
            }
        }
    }
}

fn nothing(name: &str) -> String {
    format!("the name {name} says nothing about what is inside")
}

fn forbidden_arrow(from: &str, to: &str) -> Option<String> {
    if from == to {
        return None;
    }
    let Some(own) = layer(from) else {
        return Some(format!(
            "because {from} has no layer in tests/it/architecture/rules.rs"
        ));
    };
    let Some(other) = layer(to) else {
        return Some(format!("because {to} has no layer"));
    };
    if let Some((_, allowed)) = ONLY.iter().find(|(name, _)| *name == from)
        && !allowed.contains(&to)
    {
        return Some(format!("because it uses {} alone", allowed.join(", ")));
    }
    let own_name = LAYERS[own].0;
    match other.cmp(&own) {
        std::cmp::Ordering::Less => None,
        std::cmp::Ordering::Equal => Some(format!(
            "because both are in {own_name}: peers share through what is below"
        )),
        std::cmp::Ordering::Greater => Some(format!("because {to} is above it")),
    }
}

/// Marks the tokens of an item with `#[cfg(test)]`, or of a file of tests.
pub(super) fn tests(file: &str, tokens: &[Token]) -> Vec<bool> {
    let mut marked = vec![file.ends_with("/tests.rs"); tokens.len()];
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    for at in 0..tokens.len() {
        if !attribute
            .iter()
            .enumerate()
            .all(|(i, part)| text(at + i) == *part)
        {
            continue;
        }
        let end = end_of_item(at + attribute.len(), tokens);
        marked[at..end].fill(true);
    }
    marked
}

/// Returns the end of the item that starts here: its closing brace, or its semicolon.
fn end_of_item(start: usize, tokens: &[Token]) -> usize {
    let (mut depth, mut at) = (0_i32, start);
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            "}" if depth == 1 => return at + 1,
            "}" => depth -= 1,
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}
