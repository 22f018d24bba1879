//! Reads and writes files for an agent, inside its worktree only.

use std::fs;
use std::path::{Component, Path, PathBuf};

use agent_client_protocol::v1::schema::{ReadTextFileRequest, WriteTextFileRequest};

use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::model::permissions::Permissions;

/// Returns the path inside the worktree that a path of the agent leads to, links followed.
///
/// # Errors
/// With the reason, when it leads out of the worktree or into git's own files.
pub(super) fn resolve(worktree: &Path, path: &Path) -> Result<PathBuf, String> {
    let plain = without_dots(&worktree.join(path));
    let outside = || format!("{} is outside the worktree", path.display());
    let mut known = plain.clone();
    let mut below = Vec::new();
    let real = loop {
        match fs::canonicalize(&known) {
            Ok(real) => break real,
            // A link to nothing would be followed by a write.
            Err(_) if fs::symlink_metadata(&known).is_ok() => return Err(outside()),
            Err(_) => {
                below.push(known.file_name().ok_or_else(outside)?.to_owned());
                known.pop();
            }
        }
    };
    let real = below.iter().rev().fold(real, |real, name| real.join(name));
    let inner = real.strip_prefix(worktree).map_err(|_| outside())?;
    let is_git = |part: Component<'_>| part.as_os_str().eq_ignore_ascii_case(".git");
    if inner.components().any(is_git) {
        return Err(format!("{} belongs to git", path.display()));
    }
    Ok(real)
}

/// Removes `.` and `..` by name, so that a path that does not exist can be judged.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// Writes a file as the agent asked.
///
/// # Errors
/// With the reason, when it may not or cannot be written.
pub(super) fn write(
    worktree: &Path,
    permissions: Permissions,
    asked: &WriteTextFileRequest,
) -> Result<(), String> {
    if permissions == Permissions::Read {
        return Err(format!("needs permission_mode = \"{}\"", Permissions::Edit));
    }
    let path = resolve(worktree, &asked.path)?;
    let failed = |error: std::io::Error| format!("{}: {error}", asked.path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(&path, &asked.content).map_err(failed)
}

/// Reads the part of a file that the agent asked for.
///
/// # Errors
/// With the reason, when it may not or cannot be read.
pub(super) fn read(worktree: &Path, asked: &ReadTextFileRequest) -> Result<String, String> {
    let path = resolve(worktree, &asked.path)?;
    let text = regular_file::read_text(&path, RECORD_LIMIT);
    let text = text.map_err(|error| format!("{}: {error}", asked.path.display()))?;
    if asked.line.is_none() && asked.limit.is_none() {
        return Ok(text);
    }
    // Lines are numbered from 1.
    let skipped = asked.line.unwrap_or(1).max(1) as usize - 1;
    let most = asked.limit.map_or(usize::MAX, |limit| limit as usize);
    Ok(text
        .split_inclusive('\n')
        .skip(skipped)
        .take(most)
        .collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn paths_stay_inside_the_worktree_however_they_are_written() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        let tree = root.join("tree");
        fs::create_dir_all(tree.join("src")).unwrap();
        fs::write(root.join("secret"), "x").unwrap();
        symlink(root.join("secret"), tree.join("link")).unwrap();
        symlink(root.join("absent"), tree.join("dangling")).unwrap();
        symlink("..", tree.join("up")).unwrap();
        symlink("src", tree.join("inner")).unwrap();
        let paths = [
            "src/a.rs",
            "new/deep/a.rs",
            "inner/a.rs",
            "src/../b.rs",
            "../secret",
            "src/../../secret",
            "link",
            "dangling",
            "up/secret",
            ".git",
            "src/.GIT/config",
            "/",
        ];
        let said = paths.map(|path| match resolve(&tree, Path::new(path)) {
            Ok(real) => format!("{path}: {}", real.strip_prefix(&tree).unwrap().display()),
            Err(why) => format!("{path}: {why}"),
        });
        insta::assert_snapshot!(said.join("\n"), @r"
        src/a.rs: src/a.rs
        new/deep/a.rs: new/deep/a.rs
        inner/a.rs: src/a.rs
        src/../b.rs: b.rs
        ../secret: ../secret is outside the worktree
        src/../../secret: src/../../secret is outside the worktree
        link: link is outside the worktree
        dangling: dangling is outside the worktree
        up/secret: up/secret is outside the worktree
        .git: .git belongs to git
        src/.GIT/config: src/.GIT/config belongs to git
        /: / is outside the worktree
        ");
    }

    #[test]
    fn files_are_written_with_their_folders_and_read_by_lines() {
        let tree = tempfile::tempdir().unwrap();
        let tree = fs::canonicalize(tree.path()).unwrap();
        let path = tree.join("docs/a.md");
        let asked = WriteTextFileRequest::new("s", &path, "one\ntwo\nthree\n");
        write(&tree, Permissions::Edit, &asked).unwrap();
        assert!(write(&tree, Permissions::Read, &asked).is_err());
        let mut part = ReadTextFileRequest::new("s", &path);
        assert_eq!(read(&tree, &part).unwrap(), "one\ntwo\nthree\n");
        part.line = Some(2);
        part.limit = Some(1);
        assert_eq!(read(&tree, &part).unwrap(), "two\n");
        part.line = Some(9);
        assert_eq!(read(&tree, &part).unwrap(), "");
        let outside = WriteTextFileRequest::new("s", "/tmp/x/y", "no");
        assert!(write(&tree, Permissions::All, &outside).is_err());
    }
}
