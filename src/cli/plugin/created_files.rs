//! Remembers the configuration files that agents made for a registration, so that none stays behind
//! empty.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use crate::base::regular_file::{self, RECORD_LIMIT};

use serde_json::{Value, json};

/// The files that agents make for a registration, below the folder of the plugin.
const FILES: [&str; 2] = [".mcp.json", ".gemini/settings.json"];

/// Lists those that exist.
pub(super) fn existing(root: &Path) -> BTreeSet<String> {
    let exists = |file: &&str| root.join(file).symlink_metadata().is_ok();
    FILES
        .into_iter()
        .filter(exists)
        .map(str::to_owned)
        .collect()
}

/// Removes those of some files that have no content left. One that the user has added to stays.
///
/// # Errors
/// When one cannot be removed.
pub(super) fn remove_empty(root: &Path, created: &BTreeSet<String>) -> io::Result<()> {
    for file in FILES.into_iter().filter(|file| created.contains(*file)) {
        let path = root.join(file);
        if regular_file::read_linked(&path, RECORD_LIMIT).is_ok_and(|text| is_empty(&text)) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn is_empty(text: &[u8]) -> bool {
    let content: Option<Value> = serde_json::from_slice(text).ok();
    content.is_some_and(|content| content == json!({}) || content == json!({"mcpServers": {}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_anything_of_the_users_is_not_empty() {
        for text in ["{}", r#"{"mcpServers": {}}"#] {
            assert!(is_empty(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "[]",
            r#"{"mcpServers": {"mine": {}}}"#,
            r#"{"mcpServers": {}, "a": 1}"#,
        ] {
            assert!(!is_empty(text.as_bytes()), "{text}");
        }
    }
}
