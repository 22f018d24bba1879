//! A filter (`.gitattributes`) that failed, as git reports it.

/// A filter that failed on a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FilterFailure {
    /// The setting with its command: `filter.<name>.smudge`, `.clean` or `.process`.
    pub(super) setting: String,
    /// The file.
    pub(super) path: String,
}

impl FilterFailure {
    /// Finds a failed filter in git's messages. git ends only for a filter that is `required`.
    pub(super) fn find(said: &str) -> Option<FilterFailure> {
        said.lines().find_map(|line| {
            let line = line.strip_prefix("fatal: ")?.strip_suffix(" failed")?;
            let found = |word: &str| {
                let (path, name) = line.rsplit_once(&format!(": {word} filter "))?;
                let name = name.trim_matches('\'');
                Some(FilterFailure {
                    setting: format!("filter.{name}.{word}"),
                    path: path.to_owned(),
                })
            };
            found("smudge").or_else(|| found("clean"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_names_the_file_and_the_filter() {
        let found = |said: &str| {
            let found = FilterFailure::find(said)?;
            Some(format!("{} on {}", found.setting, found.path))
        };
        let smudge = "error: external filter 'no-such' failed 127\nerror: external filter 'no-such' failed\nfatal: a b: c.txt: smudge filter crypt failed\n";
        assert_eq!(
            found(smudge).as_deref(),
            Some("filter.crypt.smudge on a b: c.txt")
        );
        let clean = "fatal: x.txt: clean filter 'my crypt' failed";
        assert_eq!(
            found(clean).as_deref(),
            Some("filter.my crypt.clean on x.txt")
        );
        assert_eq!(found("fatal: index file corrupt"), None);
    }
}
