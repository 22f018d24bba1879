//! Checks sizes of documents, their links, and references to code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use git_dispatch::cli::help::chapters::{CHAPTERS, find_chapter};

use super::{document, documents, project, prose, spans};

/// The most lines of the README.
const README_LINES: usize = 200;

/// The most lines of a chapter.
const CHAPTER_LINES: usize = 250;

#[test]
fn the_readme_and_every_chapter_are_short() {
    for document in documents() {
        let most = match document.path {
            "README.md" => README_LINES,
            _ => CHAPTER_LINES,
        };
        let lines = document.text.lines().count();
        assert!(
            lines <= most,
            "{} has {lines} lines of {most}",
            document.path
        );
    }
}

#[test]
fn every_file_of_docs_is_a_chapter_in_the_readme() {
    let readme = document("README.md").text;
    for chapter in CHAPTERS {
        let row = format!("]({}) | {} |\n", chapter.path, chapter.about);
        assert!(readme.contains(&row), "{}: {}", chapter.path, chapter.about);
    }
    let known: BTreeSet<PathBuf> = CHAPTERS
        .iter()
        .map(|chapter| project().join(chapter.path))
        .collect();
    for entry in fs::read_dir(project().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        let is_page = path.extension().is_some_and(|extension| extension == "md");
        assert!(!is_page || known.contains(&path), "{}", path.display());
    }
}

#[test]
fn both_maps_of_the_code_have_every_room() {
    let entries = fs::read_dir(project().join("src")).unwrap();
    let folders = entries.map(|entry| entry.unwrap().path());
    let folders = folders.filter(|path| path.is_dir() && !path.ends_with("bin"));
    let rooms: BTreeSet<String> = folders
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let map = document("CONTRIBUTING.md");
    let told = super::first_column(map.section("Map"));
    let told = told
        .iter()
        .map(|room| room.trim_end_matches('/').to_owned());
    assert_eq!(told.collect::<BTreeSet<_>>(), rooms);
    let code = fs::read_to_string(project().join("src/lib.rs")).unwrap();
    for room in rooms {
        assert!(code.contains(&format!("| [`{room}`] |")), "{room}");
    }
}

#[test]
fn every_file_in_the_map_of_the_library_exists() {
    let code = fs::read_to_string(project().join("src/lib.rs")).unwrap();
    let map = code.split("| code that … |").nth(1).unwrap();
    let rows = map
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with("//! |"));
    let files: Vec<&str> = rows.flat_map(spans).collect();
    assert!(files.len() > 15, "{files:?}");
    for file in files {
        assert!(project().join("src").join(file).exists(), "{file}");
    }
}

#[test]
fn every_link_leads_to_a_file() {
    let mut seen = 0;
    for document in documents() {
        let folder = project().join(document.path);
        let folder = folder.parent().unwrap();
        let prose = prose(&document.text);
        for link in prose.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if !link.contains("://") {
                assert!(folder.join(link).exists(), "{}: {link}", document.path);
                seen += 1;
            }
        }
    }
    assert!(seen > 15, "only {seen} links were found");
}

/// Collects all files with this extension below a folder.
pub(super) fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

#[test]
fn chapters_that_the_code_names_exist() {
    let mut all = Vec::new();
    files(&project().join("src"), &mut all);
    all.push(project().join(".dispatch.toml.example"));
    let mut seen = 0;
    for path in all {
        let text = fs::read_to_string(&path).unwrap_or_default();
        for part in text.split("`docs/").skip(1) {
            let name = part.split('`').next().unwrap();
            if name.ends_with(".md") && !name.contains('*') {
                let file = project().join("docs").join(name);
                assert!(file.exists(), "{}: {name}", path.display());
                seen += 1;
            }
        }
        for part in text.split("`dispatch help ").skip(1) {
            let name = part.split('`').next().unwrap();
            let is_known = find_chapter(name).is_some() || name.contains(['{', '%']);
            let is_command = git_dispatch::cli::command().find_subcommand(name).is_some();
            assert!(is_known || is_command, "{}: {name}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 8, "only {seen} references were found");
}

#[test]
fn every_test_that_the_failure_modes_name_exists() {
    let mut all = Vec::new();
    for folder in ["src", "tests"] {
        files(&project().join(folder), &mut all);
    }
    let code: String = all
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect();
    let chapter = document("docs/failure-modes.md").text;
    let names = spans(&chapter)
        .into_iter()
        .filter(|span| span.matches('_').count() > 2);
    let mut seen = 0;
    for name in names {
        assert!(
            code.contains(&format!("fn {name}()")),
            "there is no test {name}"
        );
        seen += 1;
    }
    assert!(seen > 50, "only {seen} names of tests were found");
    for number in 1..=35 {
        assert!(
            chapter.contains(&format!("\n{number}. **")),
            "{number} is missing"
        );
    }
}
