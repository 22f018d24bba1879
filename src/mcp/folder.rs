//! Finds the repository of a call.
//!
//! The client starts the server in a folder of it. If that folder is not in a repository, or is that of
//! the plugin, the server asks the client for its roots; without roots, every call has to name the
//! repository.

// Roots are deprecated in the newest protocol, and clients of today send them.
#![expect(deprecated)]

use std::path::{Path, PathBuf};

use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, InputRequest, InputRequests, InputRequiredResult, ListRootsRequest,
    ListRootsResult, ProtocolVersion, Root,
};
use rmcp::service::RequestContext;

use crate::git::Repo;
use crate::mcp::closing::Closing;
use crate::mcp::error::ToolError;

/// The key of the question for roots.
const ROOTS: &str = "roots";

/// The argument of every tool that names the repository.
pub(super) const REPOSITORY: &str = "repository";

/// The variable with the folder of the plugin, for a server that a plugin brings.
const PLUGIN_ROOT: &str = "PLUGIN_ROOT";

/// The folder of a call, or the question that has to be answered first.
pub(super) enum Folder {
    /// The folder.
    Known(PathBuf),
    /// Neither the server nor the call has one.
    Missing,
    /// The client has to send its roots.
    Asked(InputRequiredResult),
    /// The call names another repository than the server has, or none where it has to.
    Refused(ToolError),
}

/// Finds the folder of a call, which names this repository or none.
pub(super) async fn find(
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
    closing: &Closing,
) -> Folder {
    let named = request
        .arguments
        .as_ref()
        .and_then(|all| all.get(REPOSITORY));
    let named = named.and_then(|path| path.as_str()).map(PathBuf::from);
    let own = match find_own(request, context, closing).await {
        Folder::Known(folder) => folder,
        other => return other,
    };
    match (has_repository(&own), named) {
        (true, Some(named)) if !is_same(&own, &named) => Folder::Refused(
            ToolError::new(format!("this server works in {}", own.display()))
                .at(named.display().to_string())
                .next("start a server in the other repository"),
        ),
        (false, Some(named)) => Folder::Known(named),
        (false, None) => Folder::Missing,
        (true, _) => Folder::Known(own),
    }
}

/// Returns `true` if a folder gives the server a repository: any but that of the plugin.
fn has_repository(folder: &Path) -> bool {
    let plugin = std::env::var_os(PLUGIN_ROOT).map(PathBuf::from);
    let is_plugin = plugin.is_some_and(|plugin| folder.starts_with(plugin));
    !is_plugin && is_in_repository(folder)
}

/// Returns `true` if two folders are in the same repository.
fn is_same(a: &Path, b: &Path) -> bool {
    let common = |folder: &Path| Repo::discover(folder).ok().map(|repo| repo.common);
    common(a).is_some() && common(a) == common(b)
}

/// Finds the folder of the server.
async fn find_own(
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
    closing: &Closing,
) -> Folder {
    let current = std::env::current_dir().unwrap_or_default();
    if has_repository(&current) || !has_roots(context) {
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
    let roots = tokio::select! {
        roots = context.peer.list_roots() => roots.map(|all| all.roots).unwrap_or_default(),
        () = closing.closed() => Vec::new(),
    };
    Folder::Known(choose(current, &roots))
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

fn is_in_repository(folder: &Path) -> bool {
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
