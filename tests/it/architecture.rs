//! The layers and rooms of `src`: arrows point down, packages stay in their rooms.
//!
//! The map below is the law; the page it comes from is the table in `src/lib.rs`. Every file under
//! `src` is read as tokens, without comments and texts, so a word in a sentence is no arrow.

mod graph;
mod rules;
mod tokens;

use std::fs;
use std::path::{Path, PathBuf};

use graph::Graph;
use rules::findings;

#[test]
fn arrows_point_down_and_packages_stay_in_their_rooms() {
    let mut all = Vec::new();
    for (name, text) in sources() {
        all.extend(findings(&name, &text));
    }
    assert!(all.is_empty(), "\n{}\n", all.join("\n"));
}

#[test]
fn rooms_of_the_engine_use_only_rooms_below_them() {
    let all = Graph::read(&sources()).wrong_rooms();
    assert!(all.is_empty(), "\n{}\n", all.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let all = Graph::read(&sources()).circles();
    assert!(all.is_empty(), "\n{}\n", all.join("\n"));
}

#[test]
fn unsafe_code_stands_in_one_file_only() {
    let word = concat!("uns", "afe");
    let has_it = |text: &str| {
        let code = text
            .lines()
            .map(|line| line.split("//").next().unwrap_or(""));
        code.into_iter().any(|line| {
            line.contains(&format!("{word} {{")) || line.contains(&format!("{word} fn"))
        })
    };
    let sources = sources();
    let with: Vec<&str> = sources
        .iter()
        .filter(|(_, text)| has_it(text))
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(with, ["src/main.rs"]);
}

/// Reads every file of `src`, with its path from the top.
fn sources() -> Vec<(String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&top.join("src"), &mut files);
    files.sort();
    assert!(files.len() > 20, "only {} files were found", files.len());
    let read = |file: PathBuf| {
        let name = file.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(&file).unwrap())
    };
    files.into_iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn every_module_of_the_library_has_a_layer() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut modules: Vec<String> = fs::read_dir(top.join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !["lib", "main", "bin"].contains(&name.as_str()))
        .collect();
    modules.sort();
    let unknown: Vec<_> = modules
        .iter()
        .filter(|name| rules::layer(name).is_none())
        .collect();
    assert!(unknown.is_empty(), "no layer for {unknown:?}");
}

fn found(file: &str, text: &str) -> String {
    findings(file, text).join("\n")
}

#[test]
fn an_arrow_up_or_sideways_is_found_however_it_is_written() {
    let text = "use crate::{
    base::text,
    engine::{drive, cli::x},
    model::ids::Oid,
};
pub fn f() -> crate::report::View { crate :: cli :: main() }
use super::super::assembly::Order;
";
    insta::assert_snapshot!(found("src/schedule/decide.rs", text), @r"
    src/schedule/decide.rs:3: schedule must not use engine, because engine is above it
    src/schedule/decide.rs:6: schedule must not use cli, because cli is above it
    src/schedule/decide.rs:6: schedule must not use report, because report is above it
    src/schedule/decide.rs:7: schedule must not use assembly, because both are in L1: peers share through what is below
    ");
}

#[test]
fn an_arrow_down_or_inside_a_module_is_no_finding() {
    let text = "//! [`crate::cli`]
use crate::git::repo; use crate::model::{ids, plan}; use crate::plan::validate;
/* use crate::cli /* nested */ too */
pub(crate) fn f() -> &'static str { let c = 'x'; \"use crate::cli\" }
fn g() { r#\"crate::engine\"#; b\"crate::cli\"; super::journal(); }
use self::inner::x; use super::replay;
";
    assert_eq!(found("src/journal/append.rs", text), "");
    assert_eq!(
        found(
            "src/cli/run.rs",
            "use crate::engine::drive; use clap::Parser;"
        ),
        ""
    );
}

#[test]
fn edges_do_not_see_each_other_and_the_model_sees_only_the_base() {
    insta::assert_snapshot!(
        [
            found("src/config/mod.rs", "use crate::ui::Ui;"),
            found("src/git/repo.rs", "use crate::journal::append;"),
            found("src/model/run.rs", "use crate::plan::validate; use crate::base::text;"),
            found("src/base/text.rs", "use crate::model::ids;"),
            found("src/engine/run/driver.rs", "use crate::exec::shim; use crate::cli::error;"),
            found("src/ui/mod.rs", "use crate::nowhere::x; use git_dispatch::cli;"),
        ]
        .join("\n"),
        @r"
        src/config/mod.rs:1: config must not use ui, because both are in L3: peers share through what is below
        src/git/repo.rs:1: git must not use journal, because journal is above it
        src/model/run.rs:1: model must not use plan, because plan is above it
        src/base/text.rs:1: base must not use model, because model is above it
        src/engine/run/driver.rs:1: engine must not use cli, because cli is above it
        src/ui/mod.rs:1: names git_dispatch, but inside the library paths start with crate
        src/ui/mod.rs:1: ui must not use nowhere, because nowhere has no layer
        "
    );
}

#[test]
fn tests_may_use_any_package_but_no_other_arrow() {
    let text = "fn f() {}
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::process::Command;
    use crate::cli::main;
    fn g() { git2::init(); }
}
fn h() { git2::init(); }
";
    insta::assert_snapshot!(found("src/model/run.rs", text), @r"
    src/model/run.rs:6: model must not use cli, because cli is above it
    src/model/run.rs:9: git2 is used, but its rooms are src/git/, src/journal/
    ");
}

#[test]
fn a_package_outside_its_rooms_is_found() {
    insta::assert_snapshot!(
        [
            found("src/engine/run/driver.rs", "use git2::Repository;"),
            found("src/journal/append.rs", "use git2::Repository;"),
            found("src/git/repo.rs", "#[derive(clap::Args)] struct A;"),
            found("src/conflicts/prune.rs", "fn f() { similar::capture(a); }"),
            found("src/conflicts/hunks.rs", "fn f() { similar::capture(a); }"),
            found("src/schedule/decide.rs", "use {tokio::time, jiff::Zoned};"),
            found("src/cli/run.rs", "use tokio::runtime::Builder;"),
            found("src/report/html.rs", "use minijinja;"),
        ]
        .join("\n"),
        @r"
        src/engine/run/driver.rs:1: git2 is used, but its rooms are src/git/, src/journal/

        src/git/repo.rs:1: clap is used, but its rooms are src/cli/
        src/conflicts/prune.rs:1: similar is used, but its rooms are src/base/line_map.rs, src/base/text_diff.rs, src/conflicts/hunks.rs

        src/schedule/decide.rs:1: tokio is used, but its rooms are src/base/process/, src/engine/, src/exec/, src/acp/, src/control/, src/forge/, src/ui/, src/cli/, src/mcp/, src/web/

        src/report/html.rs:1: minijinja is used, but its rooms are src/worker/
        "
    );
}

#[test]
fn a_name_that_only_looks_like_a_package_is_no_finding() {
    let text = "fn similar(git2: u8) -> u8 { x.clap(); crate::plan::tokio::y(); similar(git2) }";
    assert_eq!(found("src/plan/toml.rs", text), "");
}

#[test]
fn only_ui_writes_to_the_streams() {
    insta::assert_snapshot!(
        [
            found("src/cli/diff.rs", "fn f() { std::io::stdout().write_all(a); anstream::stderr() }"),
            found("src/cli/diff.rs", "fn f() { io::stdout().is_terminal(); x.stdout(); a.stderr(Stdio) }"),
            found("src/ui/mod.rs", "fn f() { anstream::stdout().lock() }"),
        ]
        .join("\n"),
        @r"
    src/cli/diff.rs:1: a stream is written, but only ui does that, which escapes foreign text
    src/cli/diff.rs:1: anstream is used, but its rooms are src/ui/, src/base/text.rs
    "
    );
}

#[test]
fn programs_are_started_in_one_place_only() {
    insta::assert_snapshot!(
        [
            found("src/exec/local.rs", "use std::process::{Child, Command, ExitStatus};"),
            found("src/exec/local.rs", "use std::{fs, process};\nfn f() { process::Command::new(a); }"),
            found("src/exec/shim.rs", "fn f() { Command::new(a) }"),
            found("src/exec/shim.rs", "use std::process::{ExitStatus, Child};"),
            found("src/cli/mod.rs", "fn f() { Command::new(a) } use std::process::ExitCode;"),
            found("src/base/process/mod.rs", "use std::process::Command; fn f() { Command::new(a) }"),
        ]
        .join("\n"),
        @r"
        src/exec/local.rs:1: a program is started, but only base/process does that (Program)
        src/exec/local.rs:2: a program is started, but only base/process does that (Program)
        src/exec/shim.rs:1: a program is started, but only base/process does that (Program)
        "
    );
}

#[test]
fn the_pure_layers_read_no_clock_file_or_environment() {
    insta::assert_snapshot!(
        [
            found("src/schedule/decide.rs", "use std::fs;\nfn f() { std::env::var(x); Instant::now() }"),
            found("src/model/run.rs", "use std::{collections::BTreeMap, fs::File, time::SystemTime};"),
            found("src/plan/toml.rs", "fn f() { Timestamp::now() }"),
            found("src/git/repo.rs", "use std::fs; fn f() { Instant::now() }"),
        ]
        .join("\n"),
        @r"
        src/schedule/decide.rs:1: std::fs is used, but this layer is pure
        src/schedule/decide.rs:2: a clock is read, but this layer is pure: time comes in events
        src/schedule/decide.rs:2: std::env is used, but this layer is pure
        src/model/run.rs:1: std::fs is used, but this layer is pure
        src/plan/toml.rs:1: a clock is read, but this layer is pure: time comes in events
        "
    );
}

#[test]
fn a_name_that_means_nothing_is_found() {
    insta::assert_snapshot!(
        [
            found("src/engine/helpers.rs", ""),
            found("src/ui/common/mod.rs", ""),
            found("src/cli/mod.rs", "pub mod utils;\nmod manager { mod misc {} }"),
            found("src/cli/mod.rs", "fn utils() { let common = 1; }"),
        ]
        .join("\n"),
        @r"
        src/engine/helpers.rs:1: the name helpers says nothing about what is inside
        src/ui/common/mod.rs:1: the name common says nothing about what is inside
        src/cli/mod.rs:1: the name utils says nothing about what is inside
        src/cli/mod.rs:2: the name manager says nothing about what is inside
        src/cli/mod.rs:2: the name misc says nothing about what is inside
        "
    );
}
