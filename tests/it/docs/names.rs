//! Checks for names that must not appear in the project.

use std::fs;

use super::links::files;
use super::project;

/// Paths of the machines it was made on; written so that this file does not contain them.
const FORBIDDEN: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("sha", "red/"),
    concat!("h-d", "ocs"),
];

#[test]
fn no_file_names_a_place_of_a_machine() {
    let mut all = Vec::new();
    for name in [
        "src", "tests", "fixtures", "benches", "docs", "examples", ".ci",
    ] {
        let folder = project().join(name);
        if folder.is_dir() {
            files(&folder, &mut all);
        }
    }
    let single = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "Cargo.toml",
        ".dispatch.toml.example",
    ];
    all.extend(single.map(|name| project().join(name)));
    assert!(all.len() > 200, "only {} files were found", all.len());
    for path in all {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        for word in FORBIDDEN {
            let line = text.lines().find(|line| line.contains(word));
            assert_eq!(line, None, "{} names {word}", path.display());
        }
    }
}
