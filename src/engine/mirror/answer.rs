//! Parts of GitHub's answers.

use serde_json::Value;

/// Returns the items of a connection.
pub fn nodes(connection: &Value) -> impl Iterator<Item = &Value> {
    connection["nodes"].as_array().into_iter().flatten()
}

/// Returns a text; an empty one for anything else.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
