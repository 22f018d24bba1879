//! Golden files under `fixtures/`, compared byte for byte; `DISPATCH_BLESS=1` rewrites them.

use std::path::Path;

/// Compares a text with the golden file at this path under `fixtures/`.
///
/// # Panics
/// When they differ, or the file cannot be read.
#[track_caller]
pub(crate) fn assert_golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name);
    if std::env::var_os("DISPATCH_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, actual).expect("the golden file can be written");
        return;
    }
    let expected = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{name}: {error}; run again with DISPATCH_BLESS=1"));
    assert!(
        expected == actual,
        "{name} differs; run again with DISPATCH_BLESS=1 if the new text is right\n--- expected\n{expected}\n--- actual\n{actual}"
    );
}
