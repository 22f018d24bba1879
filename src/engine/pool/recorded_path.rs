//! Finds files that have a path in them, as the programs of a Python environment have that of their folder.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;

use crate::base::files::real_path;
use crate::base::regular_file;

/// The bytes that are read at once.
const PIECE: usize = 1 << 18;

/// Returns the first file or link at these paths, or below them, that has the path of `top` in it, as it is
/// given or without links.
///
/// # Errors
/// When something cannot be read.
pub(super) fn find_recorded(top: &Path, paths: &[PathBuf]) -> io::Result<Option<PathBuf>> {
    let real = real_path(top);
    let real = (real != top).then_some(real.as_path());
    for name in std::iter::once(top).chain(real) {
        let finder = Finder::new(name.as_os_str().as_bytes());
        for path in paths {
            if let Some(found) = find(&top.join(path), &finder)? {
                let below = found.strip_prefix(top).unwrap_or(&found);
                return Ok(Some(below.to_owned()));
            }
        }
    }
    Ok(None)
}

fn find(place: &Path, finder: &Finder<'_>) -> io::Result<Option<PathBuf>> {
    let kind = place.symlink_metadata()?.file_type();
    if kind.is_dir() {
        for entry in fs::read_dir(place)? {
            if let Some(found) = find(&entry?.path(), finder)? {
                return Ok(Some(found));
            }
        }
        return Ok(None);
    }
    let has_it = if kind.is_symlink() {
        let target = fs::read_link(place)?;
        finder.find(target.as_os_str().as_bytes()).is_some()
    } else {
        kind.is_file() && is_in_file(place, finder)?
    };
    Ok(has_it.then(|| place.to_owned()))
}

fn is_in_file(place: &Path, finder: &Finder<'_>) -> io::Result<bool> {
    let mut file = regular_file::open(place)?;
    let (mut bytes, mut kept) = (vec![0; PIECE + finder.needle().len()], 0);
    loop {
        let read = file.read(&mut bytes[kept..])?;
        let end = kept + read;
        if finder.find(&bytes[..end]).is_some() {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        // It may begin at the end of this piece.
        kept = end.min(finder.needle().len() - 1);
        bytes.copy_within(end - kept..end, 0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_is_found_in_files_and_links_across_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("pool");
        fs::create_dir_all(top.join("venv/bin")).unwrap();
        fs::create_dir(top.join("other")).unwrap();
        fs::write(top.join("venv/relative"), "../pool\n").unwrap();
        let find = |paths: &[&str]| {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            find_recorded(&top, &paths).unwrap()
        };
        assert_eq!(find(&["venv", "other"]), None);
        for before in [PIECE - 3, PIECE, 2 * PIECE + 7] {
            let mut text = vec![b'/'; before];
            text.extend_from_slice(top.as_os_str().as_bytes());
            text.extend_from_slice(b"/venv\n");
            fs::write(top.join("venv/bin/pip"), text).unwrap();
            assert_eq!(
                find(&["other", "venv"]),
                Some("venv/bin/pip".into()),
                "{before}"
            );
        }
        assert_eq!(find(&["other"]), None);
        symlink(top.join("venv"), top.join("other/link")).unwrap();
        assert_eq!(find(&["other"]), Some("other/link".into()));
        let alias = folder.path().join("alias");
        symlink(&top, &alias).unwrap();
        let found = find_recorded(&alias, &["venv".into()]).unwrap();
        assert_eq!(found, Some("venv/bin/pip".into()), "the real path");
    }
}
