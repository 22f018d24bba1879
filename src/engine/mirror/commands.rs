//! Prints steps as commands of `gh`, for `--dry-run`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::engine::mirror::column::Column;
use crate::engine::mirror::found::{Found, Object};
use crate::engine::mirror::mutation::mutation;
use crate::engine::mirror::step::Step;
use crate::forge::operation::{Argument, lookup_command};
use crate::report::issue::Subject;

/// Finds the options of the field with the status.
const OPTIONS: &str =
    "query($field:ID!){node(id:$field){... on ProjectV2SingleSelectField{options{id name}}}}";

/// Renders the commands in shell syntax, in the order of the steps. What one makes is in a variable for the
/// next.
pub fn commands(steps: &[Step], found: &Found, host: &str) -> Vec<String> {
    let mut looked_up = BTreeSet::new();
    let mut commands = Vec::new();
    for step in steps {
        for object in step.needs() {
            if let Object::Option(column) = object
                && found.id(object).is_none()
                && looked_up.insert(column)
            {
                commands.push(option_command(column, host));
            }
        }
        let id = |object: Object| match found.id(object) {
            Some(id) => Argument::Known(Value::String(id.to_owned())),
            None => Argument::Shell(variable(object)),
        };
        let operation = mutation(step, &found.repository, &id);
        let made = step.makes().zip(step.id_path());
        let into = made.map(|(object, _)| variable(object));
        let filter = made.map(|(_, path)| format!(".data.{}.{path}", operation.field));
        commands.push(operation.command(host, filter.as_deref(), into.as_deref()));
    }
    commands
}

fn option_command(column: Column, host: &str) -> String {
    let filter = format!(
        ".data.node.options[]|select(.name==\"{}\").id",
        column.name()
    );
    let field = variable(Object::StatusField);
    let into = variable(Object::Option(column));
    lookup_command(host, OPTIONS, ("field", &field), &filter, &into)
}

/// Returns the variable of the shell with the id of an object.
fn variable(object: Object) -> String {
    match object {
        Object::Label => "label".to_owned(),
        Object::Project => "project".to_owned(),
        Object::StatusField => "status_field".to_owned(),
        Object::PriorityField => "priority_field".to_owned(),
        Object::Option(column) => {
            format!("option_{}", column.name().to_lowercase().replace(' ', "_"))
        }
        Object::Issue(Subject::Run) => "issue_run".to_owned(),
        Object::Issue(Subject::Task(task)) => format!("issue_{}", task.0),
        Object::Card(task) => format!("card_{}", task.0),
    }
}
