//! Simplifies generated JSON Schemas to the words that every client and model API understands.

use rmcp::model::JsonObject;
use serde_json::{Value, json};

/// Removes the formats of numbers, such as `uint32`: clients know only those of the standard.
pub(super) fn without_formats(schema: &JsonObject) -> JsonObject {
    let mut schema = schema.clone();
    schema.values_mut().for_each(strip_formats);
    schema
}

fn strip_formats(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let format = map.get("format").and_then(Value::as_str);
            if format.is_some_and(|name| name.contains("int") || name == "double") {
                map.remove("format");
            }
            map.values_mut().for_each(strip_formats);
        }
        Value::Array(values) => values.iter_mut().for_each(strip_formats),
        _ => {}
    }
}

/// Simplifies the arguments of a tool: an optional one is simply not required, and a choice is a list
/// of words. Null is accepted anyway.
pub(super) fn simple_input(schema: &JsonObject) -> JsonObject {
    let mut schema = without_formats(schema);
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(|all| all.values_mut()) {
        if let Some(property) = property.as_object_mut() {
            simplify(property);
        }
    }
    schema
}

fn simplify(property: &mut JsonObject) {
    if let Some(Value::Array(types)) = property.get("type") {
        let mut types = types.iter().filter(|name| *name != "null");
        if let (Some(only), None) = (types.next().cloned(), types.next()) {
            property.insert("type".to_owned(), only);
        }
    }
    if property.get("default").is_some_and(Value::is_null) {
        property.remove("default");
    }
    if let Some(Value::Array(choices)) = property.get("oneOf") {
        let words = choices.iter().map(|choice| choice.get("const").cloned());
        if let Some(words) = words.collect::<Option<Vec<Value>>>() {
            property.remove("oneOf");
            property.insert("type".to_owned(), json!("string"));
            property.insert("enum".to_owned(), Value::Array(words));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_optional_argument_and_a_choice_have_one_type() {
        let schema = json!({
            "type": "object",
            "properties": {
                "run": {"type": ["string", "null"], "default": null},
                "limit": {"type": ["integer", "null"], "format": "uint", "default": null},
                "part": {"oneOf": [{"const": "worker"}, {"const": "setup"}], "default": "worker"},
                "only": {"type": "array", "items": {"type": "string"}, "default": []},
            },
        });
        let simple = simple_input(schema.as_object().unwrap_or(&JsonObject::new()));
        insta::assert_snapshot!(serde_json::to_string_pretty(&simple).unwrap_or_default(), @r#"
        {
          "type": "object",
          "properties": {
            "run": {
              "type": "string"
            },
            "limit": {
              "type": "integer"
            },
            "part": {
              "default": "worker",
              "type": "string",
              "enum": [
                "worker",
                "setup"
              ]
            },
            "only": {
              "type": "array",
              "items": {
                "type": "string"
              },
              "default": []
            }
          }
        }
        "#);
    }
}
