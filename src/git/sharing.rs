//! `core.sharedRepository`: the files that dispatch makes in the git folder get the modes that git gives
//! them. Folders inherit the group bit from the git folder, where `git init --shared` has set it.

use crate::base::files::FileMask;

/// Returns the file mode mask for a value of `core.sharedRepository`; `None` where that of the user
/// decides.
pub(super) fn mask(value: &str, current: FileMask) -> Option<FileMask> {
    const GROUP: FileMask = 0o070;
    const OTHERS_READ: FileMask = 0o005;
    match value.to_lowercase().as_str() {
        "group" | "true" | "yes" | "on" | "1" => Some(current & !GROUP),
        "all" | "world" | "everybody" | "2" => Some(current & !GROUP & !OTHERS_READ),
        "umask" | "false" | "no" | "off" | "0" | "" => None,
        octal => {
            let mode = FileMask::from_str_radix(octal, 8).ok()?;
            // Who may read a file may enter a folder.
            Some(0o777 & !(mode | (mode & 0o444) >> 2))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_lets_through_what_git_would_set() {
        let masks = ["group", "all", "0660", "0640", "umask", "odd"];
        let masks = masks.map(|value| mask(value, 0o027).map(|mask| format!("{mask:03o}")));
        let masks = masks.map(|mask| mask.unwrap_or_else(|| "-".to_owned()));
        assert_eq!(masks, ["007", "002", "007", "027", "-", "-"]);
    }
}
