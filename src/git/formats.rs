//! The formats of a repository, and the backend that reads them.

use crate::base::files::{self, FileMask};
use crate::git::discover_error::DiscoverError;
use crate::git::sharing;
use crate::merge::oid::ObjectFormat;

/// The variable that chooses a backend: `git` or `libgit2`.
const STORE_VARIABLE: &str = "DISPATCH_STORE";

/// The settings of the repository format, and those that name hooks, as a regular expression.
pub(super) const FORMAT_KEYS: &str =
    r"^(extensions\.|core\.sharedrepository|remote\..*\.promisor|hook\..*\.event)";

/// Reads and writes objects and references.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// libgit2, in this process.
    Libgit2,
    /// The `git` program.
    Program,
}

/// The formats of one repository.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Formats {
    pub(super) way: Way,
    pub(super) objects: ObjectFormat,
    /// `true` if references are stored as reftable, not as files.
    pub(super) has_reftable: bool,
    /// `true` for a partial clone, where git fetches missing objects.
    pub(super) is_partial: bool,
    /// `true` if settings name the repositories of submodules (`extensions.submodulePathConfig`).
    pub(super) has_module_paths: bool,
    /// The file mode mask with which files in the git folder are made, if not the user's.
    pub(super) file_mask: Option<FileMask>,
}

impl Default for Formats {
    fn default() -> Formats {
        Formats {
            way: Way::Libgit2,
            objects: ObjectFormat::Sha1,
            has_reftable: false,
            is_partial: false,
            has_module_paths: false,
            file_mask: None,
        }
    }
}

impl Formats {
    /// Reads the formats from settings (keys and values), and chooses libgit2 where it reads them
    /// all, unless a backend is `wanted`.
    ///
    /// # Errors
    /// When git uses a format that dispatch does not know.
    pub(super) fn of(
        settings: &[(String, String)],
        wanted: Option<Way>,
    ) -> Result<Formats, DiscoverError> {
        let mut formats = Formats::default();
        for (key, value) in settings {
            let key = key.to_lowercase();
            match (key.as_str(), value.as_str()) {
                ("core.sharedrepository", value) => {
                    formats.file_mask = sharing::mask(value, files::file_mask());
                }
                ("extensions.refstorage", "files") => {}
                ("extensions.refstorage", "reftable") => formats.has_reftable = true,
                ("extensions.objectformat", "sha1") => {}
                ("extensions.objectformat", "sha256") => formats.objects = ObjectFormat::Sha256,
                ("extensions.refstorage" | "extensions.objectformat", _) => {
                    return Err(DiscoverError::UnknownFormat(key, value.clone()));
                }
                ("extensions.submodulepathconfig", value) => {
                    formats.has_module_paths = is_true(value);
                }
                ("extensions.partialclone", _) => formats.is_partial = true,
                (_, value) if key.ends_with(".promisor") && is_true(value) => {
                    formats.is_partial = true;
                }
                _ => {}
            }
        }
        // libgit2 does not fetch the objects that a partial clone lacks, and refuses new extensions.
        let needs_git = formats.is_partial
            || formats.has_reftable
            || formats.has_module_paths
            || formats.objects == ObjectFormat::Sha256;
        formats.way = match wanted {
            Some(way) => way,
            None if needs_git => Way::Program,
            None => Way::Libgit2,
        };
        Ok(formats)
    }
}

/// Reads a boolean setting as git does; one without a value is `true`.
fn is_true(value: &str) -> bool {
    let value = value.to_lowercase();
    let is_number = value.parse::<i64>().is_ok_and(|number| number != 0);
    is_number || matches!(value.as_str(), "" | "true" | "yes" | "on")
}

/// Reads the variable that chooses a backend.
///
/// # Errors
/// When it has another value than `git` and `libgit2`.
pub(super) fn wanted_way() -> Result<Option<Way>, DiscoverError> {
    match std::env::var_os(STORE_VARIABLE) {
        None => Ok(None),
        Some(value) if value.is_empty() => Ok(None),
        Some(value) if value == "git" => Ok(Some(Way::Program)),
        Some(value) if value == "libgit2" => Ok(Some(Way::Libgit2)),
        Some(value) => Err(DiscoverError::UnknownStore(
            value.to_string_lossy().into_owned(),
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn way(settings: &[(&str, &str)], wanted: Option<Way>) -> Way {
        let owned = settings
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let owned: Vec<_> = owned.collect();
        Formats::of(&owned, wanted).unwrap().way
    }

    #[test]
    fn libgit2_reads_what_it_can() {
        for (settings, expected) in [
            (&[][..], Way::Libgit2),
            (&[("extensions.worktreeconfig", "true")], Way::Libgit2),
            (&[("extensions.objectFormat", "sha1")], Way::Libgit2),
            (&[("extensions.objectformat", "sha256")], Way::Program),
            (&[("extensions.refstorage", "reftable")], Way::Program),
            (&[("extensions.partialclone", "origin")], Way::Program),
            (&[("remote.origin.promisor", "true")], Way::Program),
            (&[("extensions.submodulePathConfig", "true")], Way::Program),
            (&[("extensions.submodulepathconfig", "0")], Way::Libgit2),
            (&[("remote.origin.promisor", "false")], Way::Libgit2),
        ] {
            assert_eq!(way(settings, None), expected, "{settings:?}");
            assert_eq!(way(settings, Some(Way::Program)), Way::Program);
        }
    }

    #[test]
    fn a_format_of_the_future_is_refused() {
        let settings = [("extensions.objectformat".to_owned(), "sha3".to_owned())];
        assert!(Formats::of(&settings, None).is_err());
    }
}
