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

/// Returns `true` if a program that git talks to has exited early, which git does not name.
pub(super) fn says_hung_up(said: &str) -> bool {
    said.contains("the remote end hung up unexpectedly")
}

/// Finds the long-running filter that git's messages are about, among those that `git config -z` listed.
/// Returns its setting, its command and the first message about it.
pub(super) fn find_process(said: &str, listed: &str) -> Option<(String, String, String)> {
    let settings = listed
        .split('\0')
        .filter_map(|entry| entry.split_once('\n'));
    let mut found = settings.filter_map(|(key, command)| {
        let program = command.split_whitespace().next()?;
        let is_about =
            |line: &&str| line.starts_with(command) || line.contains(&format!("{program}:"));
        let line = said.lines().find(is_about)?;
        Some((key.to_owned(), command.to_owned(), line.to_owned()))
    });
    found.next_back()
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

    #[test]
    fn a_process_that_the_shell_does_not_find_is_told_by_its_message() {
        let listed =
            "filter.other.process\nother --serve\0filter.lfs.process\ngit-lfs filter-process\0";
        let found = |said: &str| find_process(said, listed).map(|(setting, ..)| setting);
        let dash = "git-lfs filter-process: 1: git-lfs: not found\nfatal: the remote end hung up unexpectedly";
        let bash =
            "sh: line 1: git-lfs: command not found\nfatal: the remote end hung up unexpectedly";
        assert!(says_hung_up(dash));
        assert_eq!(found(dash).as_deref(), Some("filter.lfs.process"));
        assert_eq!(found(bash).as_deref(), Some("filter.lfs.process"));
        assert_eq!(found("fatal: the remote end hung up unexpectedly"), None);
    }
}
