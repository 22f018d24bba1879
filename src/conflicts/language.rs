//! Recognises imports and comments of programming languages.

use crate::merge::change::RepoPath;

/// A family of languages with the same imports and comments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Language {
    /// `.rs`
    Rust,
    /// `.py`
    Python,
    /// JavaScript and TypeScript.
    Script,
    /// Java, Kotlin, Scala, Swift, Dart, Groovy.
    Jvm,
    /// `.go`
    Go,
    /// C, C++ and Objective-C.
    C,
    /// `.cs`
    CSharp,
    /// `.php`
    Php,
    /// `.rb`
    Ruby,
    /// `.hs`
    Haskell,
    /// Style sheets.
    Css,
    /// Shell, TOML, YAML, make and others with `#` comments and no imports.
    Hash,
    /// SQL and Lua, with `--` comments.
    Dash,
    /// HTML, XML, Markdown.
    Markup,
    /// Any other file, without imports or comments.
    Plain,
}

impl Language {
    /// Detects the language by the file name.
    pub(super) fn of(path: &RepoPath) -> Language {
        let path = path.to_string();
        let name = path.rsplit('/').next().unwrap_or_default();
        if matches!(name, "Makefile" | "Dockerfile" | ".gitignore") {
            return Language::Hash;
        }
        let extension = name.rsplit_once('.').map_or("", |(_, end)| end);
        match extension.to_ascii_lowercase().as_str() {
            "rs" => Language::Rust,
            "py" | "pyi" => Language::Python,
            "js" | "jsx" | "mjs" | "cjs" | "ts" | "tsx" | "mts" | "cts" => Language::Script,
            "java" | "kt" | "kts" | "scala" | "swift" | "dart" | "groovy" => Language::Jvm,
            "go" => Language::Go,
            "c" | "h" | "cc" | "cpp" | "cxx" | "hpp" | "hh" | "m" | "mm" => Language::C,
            "cs" => Language::CSharp,
            "php" => Language::Php,
            "rb" => Language::Ruby,
            "hs" => Language::Haskell,
            "css" | "scss" | "sass" | "less" => Language::Css,
            "sh" | "bash" | "toml" | "yaml" | "yml" | "mk" | "conf" | "cfg" => Language::Hash,
            "sql" | "lua" => Language::Dash,
            "html" | "htm" | "xml" | "svg" | "md" => Language::Markup,
            _ => Language::Plain,
        }
    }

    /// Returns `true` if a trimmed line is a complete import.
    pub(super) fn is_import(self, line: &str) -> bool {
        let starts = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
        match self {
            Language::Rust => {
                starts(&["use ", "pub use ", "pub(crate) use ", "extern crate "])
                    && line.ends_with(';')
            }
            Language::Python => starts(&["import ", "from "]) && line.contains("import "),
            Language::Script => {
                starts(&["import "])
                    || (starts(&["export "]) && line.contains(" from "))
                    || (starts(&["const ", "let ", "var "]) && line.contains("= require("))
            }
            Language::Jvm => starts(&["import "]),
            Language::Go => starts(&["import "]) || is_go_path(line),
            Language::C => starts(&["#include", "#import", "@import "]),
            Language::CSharp => starts(&["using ", "global using "]) && line.ends_with(';'),
            Language::Php => starts(&["use "]) && line.ends_with(';'),
            Language::Ruby => starts(&["require ", "require_relative "]),
            Language::Haskell => starts(&["import "]),
            Language::Css => starts(&["@import ", "@use "]),
            Language::Hash | Language::Dash | Language::Markup | Language::Plain => false,
        }
    }

    /// Returns `true` if a trimmed line is only a comment.
    pub(super) fn is_comment(self, line: &str) -> bool {
        let starts = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
        match self {
            Language::Rust
            | Language::Script
            | Language::Jvm
            | Language::Go
            | Language::C
            | Language::CSharp => is_block_comment(line) || starts(&["//"]),
            Language::Php => is_block_comment(line) || starts(&["//", "#"]),
            Language::Css => is_block_comment(line) || starts(&["//"]),
            Language::Python | Language::Ruby | Language::Hash => starts(&["#"]),
            Language::Haskell | Language::Dash => starts(&["--"]),
            Language::Markup => starts(&["<!--"]) && line.ends_with("-->"),
            Language::Plain => false,
        }
    }
}

/// Returns `true` for a comment `/* … */` on one line, its first line, or a usual line inside.
fn is_block_comment(line: &str) -> bool {
    let inside = line == "*" || line == "*/" || line.starts_with("* ");
    inside || (line.starts_with("/*") && line.find("*/").is_none_or(|end| end + 2 == line.len()))
}

/// Returns `true` for a line of a Go import block: a quoted path, possibly after a name.
fn is_go_path(line: &str) -> bool {
    let path = line.split_whitespace().next_back().unwrap_or_default();
    let quoted = path.len() > 2 && path.starts_with('"') && path.ends_with('"');
    quoted && line.split_whitespace().count() <= 2 && !line.contains(['=', '(', ','])
}
