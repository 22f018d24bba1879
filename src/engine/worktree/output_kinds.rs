//! Tells what tools for builds, tests and packages make from other files that git ignores, by their names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Folders that only tools for builds, tests and packages fill, wherever they are.
const TOOL_FOLDERS: [&str; 29] = [
    ".build",
    ".cache",
    ".dart_tool",
    ".eggs",
    ".gradle",
    ".hypothesis",
    ".mypy_cache",
    ".next",
    ".nox",
    ".nuxt",
    ".nyc_output",
    ".output",
    ".parcel-cache",
    ".pnpm-store",
    ".pytest_cache",
    ".ruff_cache",
    ".svelte-kit",
    ".terraform",
    ".tox",
    ".turbo",
    ".venv",
    ".vite",
    ".yarn",
    "Pods",
    "__pycache__",
    "bower_components",
    "elm-stuff",
    "node_modules",
    "venv",
];

/// Folders in which builds put their output, and people their notes.
const OUTPUT_FOLDERS: [&str; 11] = [
    "_build", "bin", "build", "coverage", "deps", "dist", "obj", "out", "target", "tmp", "vendor",
];

/// Endings of files that compilers and tools make.
const BUILT_FILES: [&str; 18] = [
    ".a",
    ".beam",
    ".class",
    ".coverage",
    ".d",
    ".dll",
    ".DS_Store",
    ".dylib",
    ".egg-info",
    ".exe",
    ".gcda",
    ".gcno",
    ".o",
    ".pyc",
    ".pyo",
    ".so",
    ".swp",
    ".tsbuildinfo",
];

/// The kind of an ignored path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A tool makes it: it is in a folder of one, or has such an ending.
    Tool,
    /// It is in a folder of output.
    Output,
    Other,
}

/// Tells the kind of a path below the top of its repository; a folder ends in a slash.
pub(super) fn kind_of(path: &Path) -> Kind {
    let is_folder = path.as_os_str().as_bytes().ends_with(b"/");
    let mut names: Vec<&OsStr> = path.iter().collect();
    let file = match is_folder {
        true => None,
        false => names.pop(),
    };
    let names: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
    let is_tool = |name: &str| TOOL_FOLDERS.contains(&name) || name.ends_with(".egg-info");
    let ends = |file: &OsStr| {
        let text = file.to_string_lossy();
        BUILT_FILES.iter().any(|end| text.ends_with(end))
    };
    if names.iter().any(|name| is_tool(name)) || file.is_some_and(ends) {
        return Kind::Tool;
    }
    match names.iter().any(|name| OUTPUT_FOLDERS.contains(&&**name)) {
        true => Kind::Output,
        false => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_of_tools_is_told_from_other_files() {
        let of_kind = |kind: Kind, paths: &[&str]| {
            for path in paths {
                assert_eq!(kind_of(Path::new(path)), kind, "{path}");
            }
        };
        of_kind(
            Kind::Tool,
            &[
                "web/node_modules/",
                "src/__pycache__/",
                "dist/node_modules/x",
                "lib/a.o",
                "x.egg-info/",
                ".DS_Store",
            ],
        );
        of_kind(Kind::Output, &["target/", "dist/app.js", "web/out/"]);
        of_kind(
            Kind::Other,
            &[
                "out.log",
                ".env",
                "data/",
                "notes/target.txt",
                "secrets/key.pem",
            ],
        );
    }
}
