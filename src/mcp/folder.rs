//! Finds the folder that the repository is around.
//!
//! It is the folder that the client started the server in. Only if that is in no repository, a client
//! that has roots is asked for them.

// Roots are deprecated in the newest protocol, and clients of today send them.
#![expect(deprecated)]

use std::path::PathBuf;

use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, InputRequest, InputRequests, InputRequiredResult, ListRootsRequest,
    ListRootsResult, ProtocolVersion, Root,
};
use rmcp::service::RequestContext;

use crate::git::Repo;

/// The key of the question for roots.
const ROOTS: &str = "roots";

/// The folder of a call, or the question that has to be answered first.
pub(super) enum Folder {
    /// The folder.
    Known(PathBuf),
    /// The client has to send its roots.
    Asked(InputRequiredResult),
}

/// Finds the folder of a call.
pub(super) async fn find(
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Folder {
    let current = std::env::current_dir().unwrap_or_default();
    if is_in_repository(&current) || !has_roots(context) {
        return Folder::Known(current);
    }
    if let Some(answer) = request
        .input_responses
        .as_ref()
        .and_then(|all| all.get(ROOTS))
    {
        let roots: Option<ListRootsResult> = serde_json::from_value(answer.clone()).ok();
        return Folder::Known(choose(
            current,
            &roots.map(|all| all.roots).unwrap_or_default(),
        ));
    }
    if asks_in_answers(context) {
        let request = InputRequest::ListRoots(ListRootsRequest::default());
        let requests = InputRequests::from([(ROOTS.to_owned(), request)]);
        return Folder::Asked(InputRequiredResult::from_input_requests(requests));
    }
    let roots = context.peer.list_roots().await;
    Folder::Known(choose(
        current,
        &roots.map(|all| all.roots).unwrap_or_default(),
    ))
}

/// Returns `true` if the server asks by its answer: requests to the client are no longer allowed.
pub(super) fn asks_in_answers(context: &RequestContext<RoleServer>) -> bool {
    let version = context.protocol_version();
    version.is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

fn has_roots(context: &RequestContext<RoleServer>) -> bool {
    let capabilities = context.client_capabilities();
    capabilities.is_some_and(|all| all.roots.is_some())
}

fn is_in_repository(folder: &std::path::Path) -> bool {
    Repo::discover(folder).is_ok()
}

/// Returns the first root in a repository, else the current folder.
fn choose(current: PathBuf, roots: &[Root]) -> PathBuf {
    let mut folders = roots.iter().filter_map(|root| path_of(&root.uri));
    folders
        .find(|folder| is_in_repository(folder))
        .unwrap_or(current)
}

/// Returns the path of a `file:` URI on this machine.
fn path_of(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let mut bytes = Vec::new();
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    let path = PathBuf::from(String::from_utf8(bytes).ok()?);
    path.is_absolute().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_a_path_on_this_machine() {
        let path = |uri| path_of(uri).map(|path| path.display().to_string());
        assert_eq!(
            path("file:///home/ada/shop").as_deref(),
            Some("/home/ada/shop")
        );
        assert_eq!(
            path("file://localhost/a%20b%c3%bc").as_deref(),
            Some("/a bü")
        );
        assert_eq!(path("https://example.com/shop"), None);
        assert_eq!(path("file://other/shop"), None);
        assert_eq!(path("file:///a%2"), None);
    }
}
