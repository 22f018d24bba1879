//! Picks what a request asks for.

use serde_json::{Map, Value, json};

use super::document::Field;

/// Picks what a field asks for of its value.
pub(super) fn pick(value: &Value, field: &Field) -> Result<Value, String> {
    match value {
        Value::Array(items) if field.fields.iter().any(|below| below.name == "nodes") => {
            page(items, field)
        }
        Value::Array(items) => items.iter().map(|item| pick(item, field)).collect(),
        Value::Object(_) if !field.fields.is_empty() => {
            let mut picked = Map::new();
            for below in &field.fields {
                if below.on.as_ref().is_some_and(|on| !is_on(value, on)) {
                    continue;
                }
                let found = get(value, below)?;
                picked.insert(below.alias.clone(), pick(&found, below)?);
            }
            Ok(Value::Object(picked))
        }
        Value::Object(_) => Err(format!("Field must have selections ({})", field.name)),
        value => Ok(value.clone()),
    }
}

/// Returns `true` if a value has the type of a fragment.
fn is_on(value: &Value, on: &str) -> bool {
    match (value["__typename"].as_str(), on) {
        (Some(name), on) => name == on,
        (None, "ProjectV2ItemFieldSingleSelectValue") => !value["name"].is_null(),
        (None, "ProjectV2ItemFieldNumberValue") => !value["number"].is_null(),
        (None, on) => on == "ProjectV2Owner",
    }
}

/// Returns the value of a field of an object.
fn get(value: &Value, field: &Field) -> Result<Value, String> {
    let argument = |name: &str| field.arguments.get(name).cloned().unwrap_or_default();
    let list = |key: &str| value[key].as_array().cloned().unwrap_or_default();
    match field.name.as_str() {
        "fieldValueByName" => {
            let name = argument("name");
            let values = &value["values"];
            Ok(values[name.as_str().unwrap_or_default()].clone())
        }
        "field" => {
            let name = argument("name");
            let found = list("fields")
                .into_iter()
                .find(|field| field["name"] == name);
            Ok(found.unwrap_or_default())
        }
        "projectV2" if value["projectsV2"].is_array() => {
            let number = argument("number");
            let found = list("projectsV2")
                .into_iter()
                .find(|one| one["number"] == number);
            Ok(found.unwrap_or_default())
        }
        name => match value.get(name) {
            Some(found) => Ok(found.clone()),
            None => Err(format!("Field '{name}' doesn't exist on type 'Object'")),
        },
    }
}

/// Returns a page of a connection.
fn page(items: &[Value], field: &Field) -> Result<Value, String> {
    let argument = |name: &str| field.arguments.get(name).cloned().unwrap_or_default();
    let (first, last) = (argument("first").as_u64(), argument("last").as_u64());
    let count = first
        .or(last)
        .ok_or("You must provide a `first` or `last` value")?;
    if count > 100 {
        return Err("Requesting more than 100 records".to_owned());
    }
    let query = argument("query");
    let fits = |item: &&Value| {
        let query = query.as_str().unwrap_or_default();
        item["title"]
            .as_str()
            .is_none_or(|title| title.contains(query))
    };
    let mut items: Vec<&Value> = items.iter().filter(fits).collect();
    if argument("orderBy")["direction"] == "DESC" {
        items.reverse();
    }
    let place = |name: &str| argument(name).as_str().and_then(|place| place.parse().ok());
    let after = place("after").unwrap_or(0);
    let before = place("before").unwrap_or(items.len());
    let count = count as usize;
    let (from, to) = match first {
        Some(_) => (after, (after + count).min(items.len())),
        None => (before.saturating_sub(count), before),
    };
    let mut picked = Map::new();
    for below in &field.fields {
        let value = match below.name.as_str() {
            "nodes" => items[from..to]
                .iter()
                .map(|item| pick(item, below))
                .collect::<Result<_, _>>()?,
            "pageInfo" => pick(
                &json!({
                    "hasNextPage": to < items.len(),
                    "endCursor": to.to_string(),
                    "hasPreviousPage": from > 0,
                    "startCursor": from.to_string(),
                }),
                below,
            )?,
            name => return Err(format!("Field '{name}' doesn't exist on type 'Connection'")),
        };
        picked.insert(below.alias.clone(), value);
    }
    Ok(Value::Object(picked))
}
