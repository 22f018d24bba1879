//! Commits that hold a record as a JSON file, and how they are read.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::remote::PROTOCOL;
use crate::engine::remote::error::RemoteError;
use crate::git::Store;
use crate::git::commit::{By, NewCommit};
use crate::merge::oid::Oid;

/// The content of a commit that holds a record.
pub(super) struct RecordCommit<'a> {
    pub(super) store: &'a Store,
    pub(super) time: Timestamp,
    /// The first line of the message.
    pub(super) subject: &'a str,
    /// The trailers of the attempt.
    pub(super) trailers: &'a str,
}

impl RecordCommit<'_> {
    /// Writes the commit: the record in its file, logs beside it, and each of the parents once.
    pub(super) fn write<T: Serialize>(
        &self,
        (file, record): (&str, &T),
        logs: &[(&str, Vec<u8>)],
        parents: impl IntoIterator<Item = Oid>,
    ) -> Result<Oid, RemoteError> {
        let text = serde_json::to_vec_pretty(record).map_err(|error| RemoteError::Invalid {
            what: file.to_owned(),
            why: error.to_string(),
        })?;
        let mut files = vec![(file, self.store.write_blob(&text)?)];
        for (name, log) in logs {
            files.push((*name, self.store.write_blob(log)?));
        }
        files.sort_unstable();
        let tree = self.store.write_tree(&files)?;
        let message = format!("{}\n\n{}", self.subject, self.trailers);
        let mut seen = BTreeSet::new();
        let parents = parents.into_iter().filter(|oid| seen.insert(*oid));
        let parents: Vec<Oid> = parents.collect();
        Ok(self.store.write_own_commit(&NewCommit {
            tree,
            parents: &parents,
            message: &message,
            time: self.time,
            by: By::Dispatch,
        })?)
    }
}

/// Reads a JSON file of a commit's tree, whose protocol must be this one.
pub(super) fn read_record<T: for<'a> Deserialize<'a>>(
    store: &Store,
    commit: Oid,
    file: &str,
) -> Result<T, RemoteError> {
    let invalid = |why: String| RemoteError::Invalid {
        what: file.to_owned(),
        why,
    };
    let entry = store.entry(store.tree_of(commit)?, file)?;
    let entry = entry.ok_or_else(|| invalid("it is missing".to_owned()))?;
    let bytes = store.blob(entry.oid)?;
    let json: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
    // The protocol is read first, as all else may have another form.
    let theirs = json.get("protocol").and_then(serde_json::Value::as_u64);
    if theirs != Some(u64::from(PROTOCOL)) {
        return Err(RemoteError::Protocol {
            what: file.to_owned(),
            theirs: theirs.unwrap_or_default(),
            ours: env!("CARGO_PKG_VERSION"),
        });
    }
    serde_json::from_value(json).map_err(|error| invalid(error.to_string()))
}
