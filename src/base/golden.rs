//! Golden files under `fixtures/`, compared byte for byte; `DISPATCH_BLESS=1` rewrites them.

use std::path::{Path, PathBuf};

/// Compares a text with the golden file at this path under `fixtures/`.
///
/// # Panics
/// When they differ, or the file cannot be read.
#[track_caller]
pub(crate) fn assert_golden(name: &str, actual: &str) {
    let path = path(name);
    if std::env::var_os("DISPATCH_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, actual).expect("the golden file can be written");
        return;
    }
    let expected = text(name);
    assert!(
        expected == actual,
        "{name} differs; run again with DISPATCH_BLESS=1 if the new text is right\n--- expected\n{expected}\n--- actual\n{actual}"
    );
}

/// Reads the golden file at this path under `fixtures/`.
///
/// # Panics
/// When it cannot be read.
#[track_caller]
pub(crate) fn text(name: &str) -> String {
    std::fs::read_to_string(path(name))
        .unwrap_or_else(|error| panic!("{name}: {error}; run again with DISPATCH_BLESS=1"))
}

/// Reads all golden files of this folder under `fixtures/`.
///
/// # Panics
/// When one cannot be read.
pub(crate) fn texts(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(path(folder)).expect("the folder can be read");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    paths
        .map(|path| std::fs::read_to_string(path).expect("the golden file can be read"))
        .collect()
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}
