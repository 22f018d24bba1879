//! `.ci/run`: the passes that repeat tests in other formats leave out what is listed, and no more.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The modules of these tests, with their own modules: `github`, `github::hub`.
fn modules() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten();
        let paths = entries.map(|entry| entry.unwrap().path());
        let sources = paths.filter(|path| path.extension().is_some_and(|end| end == "rs"));
        let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let names: Vec<String> = sources.map(|path| stem(&path)).collect();
        names
    };
    let with_own = |module: String| {
        let own = names(&folder.join(&module));
        let own: Vec<String> = own.iter().map(|name| format!("{module}::{name}")).collect();
        [vec![module], own].concat()
    };
    names(&folder).into_iter().flat_map(with_own).collect()
}

#[test]
fn only_modules_that_the_list_explains_are_left_out_of_the_later_passes() {
    let list = read(".ci/store-independent.txt");
    let modules = modules();
    let lines = || list.lines().filter(|line| !line.starts_with('#'));
    let listed: BTreeSet<&str> = lines().filter_map(|line| line.split(' ').next()).collect();
    let mut before = "";
    for line in lines() {
        let (module, about) = line.split_once(' ').unwrap_or((line, ""));
        assert!(modules.contains(module), "{module} is no module");
        assert!(about.trim().len() > 10, "{module} has no explanation");
        assert!(before < module, "{module} is not in its place");
        before = module;
        // `--skip` takes a part of a name: `run::` would leave out `dry_run::` too.
        let filter = format!("{module}::");
        let caught = modules.iter().filter(|other| {
            let is_listed = other
                .split("::")
                .next()
                .is_some_and(|top| listed.contains(top));
            !is_listed && format!("{other}::").contains(&filter)
        });
        let caught: Vec<&String> = caught.collect();
        assert!(caught.is_empty(), "--skip {filter} leaves out {caught:?}");
    }
}

#[test]
fn the_first_pass_leaves_out_nothing_and_the_later_ones_only_the_list() {
    let script = read(".ci/run");
    let passes: Vec<&str> = script
        .lines()
        .filter(|line| line.contains("cargo test") && !line.contains("faults"))
        .collect();
    assert_eq!(passes.len(), 3, "{passes:?}");
    assert!(passes[0].ends_with("cargo test --locked"), "{}", passes[0]);
    for pass in &passes[1..] {
        assert!(pass.ends_with("--test it -- \"${leave_out[@]}\""), "{pass}");
    }
    let skips: Vec<&str> = script
        .lines()
        .filter(|line| line.contains("--skip"))
        .collect();
    assert_eq!(
        skips,
        [
            "mapfile -t leave_out < <(awk '/^[a-z]/ { print \"--skip\"; print $1 \"::\" }' .ci/store-independent.txt)"
        ]
    );
}
