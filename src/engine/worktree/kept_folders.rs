//! The ignored folders that stay in a worktree from task to task (`[worktree] keep`).

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Returns `true` if `keep` names a folder that is this ignored path or contains it. The path of a folder
/// ends in a slash.
pub fn is_kept(path: &Path, keep: &[String]) -> bool {
    let is_folder = path.as_os_str().as_bytes().ends_with(b"/");
    let mut folders: Vec<_> = path.iter().collect();
    if !is_folder {
        folders.pop();
    }
    keep.iter().any(|kept| {
        let kept = Path::new(kept.trim_end_matches('/'));
        match kept.components().count() {
            1 => folders.contains(&kept.as_os_str()),
            _ => folders.iter().collect::<PathBuf>().starts_with(kept),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_at_any_depth_and_a_path_from_the_top() {
        let keep = ["target/", "web/node_modules"].map(str::to_owned);
        let kept = |path: &str| is_kept(Path::new(path), &keep);
        for path in [
            "target/",
            "target/debug/x",
            "crates/a/target/",
            "web/node_modules/",
        ] {
            assert!(kept(path), "{path}");
        }
        let others = [
            "target",
            "web/target",
            "node_modules/",
            "lib/web/node_modules/",
            "web/",
            ".env",
        ];
        for path in others {
            assert!(!kept(path), "{path}");
        }
    }
}
