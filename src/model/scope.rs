//! Compares the paths a task changed with the `files` it declares.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::merge::change::{RepoPath, paths_in_short};

/// Returns the paths that no glob in `files` covers, in their order.
///
/// A name without wildcards also covers everything below it. A task without `files` may change
/// any path.
pub fn undeclared_paths<'a>(
    files: &[String],
    paths: impl IntoIterator<Item = &'a RepoPath>,
) -> Vec<RepoPath> {
    if files.is_empty() {
        return Vec::new();
    }
    // The plan's validation rejects invalid globs; one that gets here covers nothing.
    let globs = declared_globs(files).unwrap_or_default();
    let is_outside = |path: &&RepoPath| {
        let bytes = Path::new(OsStr::from_bytes(path.as_bytes()));
        // A path that is not UTF-8 can be declared as it is shown.
        !globs.is_match(bytes) && !globs.is_match(path.to_string())
    };
    paths.into_iter().filter(is_outside).cloned().collect()
}

/// Compiles the globs of `files`. A name without wildcards also covers everything below it, and
/// brackets, braces and backslashes also stand for themselves, as in `src/[id]/page.ts`.
///
/// # Errors
/// When one of them is invalid.
pub fn declared_globs(files: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in files {
        let literal = with_literal_signs(pattern);
        for pattern in [Some(pattern.clone()), literal].into_iter().flatten() {
            for form in [format!("{pattern}/**"), pattern] {
                set.add(GlobBuilder::new(&form).literal_separator(true).build()?);
            }
        }
    }
    set.build()
}

/// Returns the glob with brackets, braces and backslashes that match themselves; `None` without any.
fn with_literal_signs(pattern: &str) -> Option<String> {
    let is_bracket = |c: char| matches!(c, '[' | ']' | '{' | '}');
    let escape = |c: char| match c {
        '\\' => r"\\".to_owned(),
        c if is_bracket(c) => format!("[{c}]"),
        c => c.to_string(),
    };
    pattern
        .contains(|c| is_bracket(c) || c == '\\')
        .then(|| pattern.chars().map(escape).collect())
}

/// Renders the warning about undeclared paths.
pub fn undeclared_sentence(paths: &[RepoPath]) -> String {
    format!(
        "changed paths outside its `files`: {}",
        paths_in_short(paths)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &str, paths: &str) -> String {
        let files: Vec<String> = files.split_whitespace().map(str::to_owned).collect();
        let paths: Vec<RepoPath> = paths.split_whitespace().map(RepoPath::from).collect();
        let found = undeclared_paths(&files, &paths);
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        found.join(" ")
    }

    #[test]
    fn brackets_and_braces_also_stand_for_themselves() {
        let routes = "src/[id]/p.ts src/[...slug]/p.ts src/[[...slug]]/p.ts src/{x}/p.ts";
        assert_eq!(found(routes, routes), "");
        assert_eq!(
            found("src/[...slug]/**", "src/[...slug]/a/b.ts src/x/b.ts"),
            "src/x/b.ts"
        );
        assert_eq!(
            found("src/[id]/p.ts", "src/i/p.ts src/x/p.ts"),
            "src/x/p.ts"
        );
        assert_eq!(
            found(r"src/x\y a\\b/** \[z\]", r"src/x\y a\b/c [z] src/z/a"),
            "src/z/a"
        );
        assert_eq!(
            found("Cargo.{toml,lock}", "Cargo.toml Cargo.lock Cargo.md"),
            "Cargo.md"
        );
    }

    #[test]
    fn a_path_that_is_not_utf_8_is_declared_as_it_is_shown() {
        let path = RepoPath::new(b"caf\xe9.txt".as_slice());
        let found = |files: &str| undeclared_paths(&[files.to_owned()], [&path]).len();
        assert_eq!((found(r"caf\xe9.txt"), found("caf*.txt")), (0, 0));
        assert_eq!(found("cafe.txt"), 1);
    }

    #[test]
    fn paths_that_no_glob_covers_are_undeclared() {
        assert_eq!(found("src/auth/**", "src/auth/a.rs src/auth/x/b.rs"), "");
        assert_eq!(
            found("src/auth/**", "src/api.rs src/auth/a.rs f"),
            "src/api.rs f"
        );
        assert_eq!(found("*.md", "a.md docs/a.md"), "docs/a.md");
        assert_eq!(
            found("src docs/{a,b}.md", "src/x/y docs/b.md docs/c.md"),
            "docs/c.md"
        );
        assert_eq!(found("", "anything at/all"), "");
    }
}
