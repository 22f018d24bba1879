//! Compares the paths a task changed with the `files` it declares.

use crate::merge::change::paths_in_short;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::merge::change::RepoPath;

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
    let globs = compile(files).unwrap_or_default();
    let is_outside = |path: &&RepoPath| !globs.is_match(path.to_string());
    paths.into_iter().filter(is_outside).cloned().collect()
}

fn compile(files: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in files {
        for form in [pattern.clone(), format!("{pattern}/**")] {
            set.add(GlobBuilder::new(&form).literal_separator(true).build()?);
        }
    }
    set.build()
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
