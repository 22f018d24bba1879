//! Names that must not stand anywhere in the project, and names that must.

use std::fs;
use std::path::{Path, PathBuf};

use super::{README, project};

/// Paths of the machines it was made on; written so that this file does not hold them itself.
const FORBIDDEN: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("sha", "red/"),
    concat!("h-d", "ocs"),
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

#[test]
fn no_file_names_a_place_of_a_machine() {
    let mut all = Vec::new();
    for name in ["src", "tests", "fixtures", "benches", ".ci"] {
        let folder = project().join(name);
        if folder.is_dir() {
            files(&folder, &mut all);
        }
    }
    let single = ["README.md", "Cargo.toml", ".dispatch.toml.example"];
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

#[test]
fn chapters_that_the_code_refers_to_exist() {
    let mut all = Vec::new();
    files(&project().join("src"), &mut all);
    let mut seen = 0;
    for path in all {
        let text = fs::read_to_string(&path).unwrap_or_default();
        for part in text.split("README, \"").skip(1) {
            let name = part.split('"').next().unwrap();
            let heading = format!("\n## {name}\n");
            assert!(README.contains(&heading), "{}: {name}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 5, "only {seen} references were found");
}

#[test]
fn every_link_of_the_readme_leads_somewhere() {
    let anchor = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        words.replace(' ', "-")
    };
    let prose = README.split("\n```").step_by(2);
    let lines = prose.flat_map(str::lines);
    let headings: Vec<String> = lines
        .filter(|line| line.starts_with("## "))
        .map(anchor)
        .collect();
    assert!(headings.len() > 10, "only {headings:?} were found");
    for link in README.split("](").skip(1) {
        let link = link.split(')').next().unwrap();
        match link.strip_prefix('#') {
            Some(name) => assert!(headings.iter().any(|heading| heading == name), "{link}"),
            None => assert!(project().join(link).exists(), "{link}"),
        }
    }
    for heading in &headings {
        assert!(
            README.contains(&format!("(#{heading})")),
            "{heading} is not in the contents"
        );
    }
}
