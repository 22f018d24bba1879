//! The recent tool calls of an agent, whose later requests name only their id.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use agent_client_protocol::v1::schema::{
    SessionUpdate, ToolCallContent, ToolCallLocation, ToolCallUpdate, ToolKind,
};
use serde_json::Value;

/// Number of calls that are kept.
const REMEMBERED: usize = 64;

/// The keys under which agents name the file of a call.
const PATH_KEYS: [&str; 5] = ["path", "file_path", "filePath", "filepath", "abs_path"];

/// The facts about a call, as far as they are known.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    id: String,
    pub(super) title: String,
    pub(super) kind: ToolKind,
    pub(super) paths: Vec<PathBuf>,
    pub(super) input: Value,
}

/// The recent calls, shared by the handlers of a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls(Arc<Mutex<VecDeque<Call>>>);

impl Calls {
    /// Notes the call in an update.
    pub(super) fn note(&self, update: &SessionUpdate) {
        match update {
            SessionUpdate::ToolCall(call) => {
                self.merge(&ToolCallUpdate::from(call.clone()));
            }
            SessionUpdate::ToolCallUpdate(update) => {
                self.merge(update);
            }
            _ => {}
        }
    }

    /// Adds what an update says to what is known about its call, and returns that.
    pub(super) fn merge(&self, update: &ToolCallUpdate) -> Call {
        let Ok(mut calls) = self.0.lock() else {
            return Call::default();
        };
        let id = update.tool_call_id.to_string();
        let place = calls.iter().position(|call| call.id == id);
        let known = place.and_then(|place| calls.remove(place));
        let mut call = known.unwrap_or_default();
        call.id = id;
        call.add(update);
        calls.push_back(call.clone());
        if calls.len() > REMEMBERED {
            calls.pop_front();
        }
        call
    }
}

impl Call {
    fn add(&mut self, update: &ToolCallUpdate) {
        let fields = &update.fields;
        if let Some(title) = &fields.title {
            self.title.clone_from(title);
        }
        if let Some(kind) = fields.kind {
            self.kind = kind;
        }
        let named = fields.locations.iter().flatten();
        let named = named.map(|location: &ToolCallLocation| location.path.clone());
        let changed = fields.content.iter().flatten().filter_map(|content| {
            let ToolCallContent::Diff(diff) = content else {
                return None;
            };
            Some(diff.path.clone())
        });
        let mut paths: Vec<PathBuf> = named.chain(changed).collect();
        if let Some(input) = &fields.raw_input {
            let given = PATH_KEYS.iter().filter_map(|key| input.get(key)?.as_str());
            paths.extend(given.map(PathBuf::from));
            self.input.clone_from(input);
        }
        for path in paths {
            if !self.paths.contains(&path) {
                self.paths.push(path);
            }
        }
    }
}
