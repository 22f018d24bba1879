//! The name of a task in a call: its number or its tag. Models send numbers as numbers, too.

use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a task is named by its number or tag, such as 2 or \"B\""
)]
enum Named {
    Number(u32),
    Text(String),
}

impl From<Named> for String {
    fn from(named: Named) -> String {
        match named {
            Named::Number(number) => number.to_string(),
            Named::Text(text) => text,
        }
    }
}

/// Reads the name of a task.
pub(super) fn one<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Named::deserialize(from).map(String::from)
}

/// Reads the name of a task, or null.
pub(super) fn optional<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let named = Option::<Named>::deserialize(from)?;
    Ok(named.map(String::from))
}

/// Reads a list of names of tasks.
pub(super) fn list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let all = Vec::<Named>::deserialize(from)?;
    Ok(all.into_iter().map(String::from).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_task_is_named_by_a_number_or_a_text() {
        assert_eq!(list(json!([2, "B", "3"])).unwrap(), ["2", "B", "3"]);
        assert_eq!(one(json!(7)).unwrap(), "7");
        assert_eq!(optional(json!(null)).unwrap(), None);
        assert_eq!(optional(json!("A")).unwrap().as_deref(), Some("A"));
        for wrong in [json!(1.5), json!(-1), json!([1]), json!(true)] {
            let error = one(wrong).unwrap_err().to_string();
            assert!(error.contains("its number or tag"), "{error}");
        }
    }
}
