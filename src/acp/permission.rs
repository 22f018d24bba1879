//! Decides whether an agent may do what it asks for, and picks its option for that answer.

use std::path::{Path, PathBuf};

use agent_client_protocol::v1::schema::{
    PermissionOption, PermissionOptionKind, RequestPermissionOutcome, SelectedPermissionOutcome,
    ToolKind,
};

use crate::acp::file_access::resolve;
use crate::model::permissions::Permissions;

/// Returns `Ok` if the action is allowed, else the reason why not.
pub(super) fn decide(
    permissions: Permissions,
    kind: ToolKind,
    paths: &[PathBuf],
    worktree: &Path,
) -> Result<(), String> {
    let needs = |mode: Permissions| Err(format!("needs permission_mode = \"{mode}\""));
    match (permissions, kind) {
        (Permissions::All, _) | (_, ToolKind::Read | ToolKind::Search | ToolKind::Think) => Ok(()),
        (Permissions::Read, ToolKind::Edit | ToolKind::Delete | ToolKind::Move) => {
            needs(Permissions::Edit)
        }
        (Permissions::Edit, ToolKind::Edit | ToolKind::Delete | ToolKind::Move) => {
            if paths.is_empty() {
                return Err("it names no file".to_owned());
            }
            paths
                .iter()
                .try_for_each(|path| resolve(worktree, path).map(drop))
        }
        _ => needs(Permissions::All),
    }
}

/// Picks the option of the agent for an answer. Options that count for one request come first, so
/// that the agent asks again.
pub(super) fn answer(options: &[PermissionOption], is_allowed: bool) -> RequestPermissionOutcome {
    let kinds = if is_allowed {
        [
            PermissionOptionKind::AllowOnce,
            PermissionOptionKind::AllowAlways,
        ]
    } else {
        [
            PermissionOptionKind::RejectOnce,
            PermissionOptionKind::RejectAlways,
        ]
    };
    let option = |kind: &PermissionOptionKind| options.iter().find(|option| option.kind == *kind);
    match kinds.iter().find_map(option) {
        Some(option) => RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(
            option.option_id.clone(),
        )),
        None => RequestPermissionOutcome::Cancelled,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_allows_its_own_kinds_of_action() {
        let tree = tempfile::tempdir().unwrap();
        let tree = std::fs::canonicalize(tree.path()).unwrap();
        let inside = tree.join("src/new.rs");
        let kinds = [
            ToolKind::Read,
            ToolKind::Edit,
            ToolKind::Delete,
            ToolKind::Execute,
            ToolKind::Other,
        ];
        let mut said = Vec::new();
        for mode in Permissions::ALL {
            for kind in kinds {
                let answer = decide(mode, kind, std::slice::from_ref(&inside), &tree);
                let answer = answer.map_or_else(|why| why, |()| "yes".to_owned());
                said.push(format!("{mode} {kind:?}: {answer}"));
            }
        }
        insta::assert_snapshot!(said.join("\n"), @r#"
        read Read: yes
        read Edit: needs permission_mode = "edit"
        read Delete: needs permission_mode = "edit"
        read Execute: needs permission_mode = "all"
        read Other: needs permission_mode = "all"
        edit Read: yes
        edit Edit: yes
        edit Delete: yes
        edit Execute: needs permission_mode = "all"
        edit Other: needs permission_mode = "all"
        all Read: yes
        all Edit: yes
        all Delete: yes
        all Execute: yes
        all Other: yes
        "#);
    }

    #[test]
    fn an_edit_is_allowed_only_where_it_names_files_of_the_worktree() {
        let tree = tempfile::tempdir().unwrap();
        let tree = std::fs::canonicalize(tree.path()).unwrap();
        let may = |paths: &[&str]| {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            decide(Permissions::Edit, ToolKind::Edit, &paths, &tree).is_ok()
        };
        assert!(may(&["src/a.rs"]));
        assert!(!may(&[]));
        assert!(!may(&["src/a.rs", "/etc/passwd"]));
        assert!(!may(&["../elsewhere.rs"]));
        assert!(!may(&[".git"]));
    }

    #[test]
    fn an_option_for_one_request_is_preferred_and_a_missing_one_cancels() {
        let option = |id: &'static str, kind| PermissionOption::new(id, id, kind);
        let options = [
            option("always", PermissionOptionKind::AllowAlways),
            option("once", PermissionOptionKind::AllowOnce),
        ];
        let picked = |is_allowed| match answer(&options, is_allowed) {
            RequestPermissionOutcome::Selected(selected) => selected.option_id.to_string(),
            _ => "cancelled".to_owned(),
        };
        assert_eq!(picked(true), "once");
        assert_eq!(picked(false), "cancelled");
    }
}
