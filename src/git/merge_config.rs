//! The configuration that git's answer to a merge depends on.

/// Sections that no merge reads; some of them change often.
const IRRELEVANT: [&str; 11] = [
    "alias",
    "branch",
    "color",
    "credential",
    "fetch",
    "http",
    "pull",
    "push",
    "remote",
    "url",
    "user",
];

/// Drivers built into git: a program under one of these names would run for ordinary files.
const BUILT_IN_DRIVERS: [&str; 3] = ["binary", "text", "union"];

/// The settings of `git config --list -z` that a merge depends on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MergeConfig {
    /// The settings themselves, each ended by NUL.
    pub(super) relevant: Vec<u8>,
    /// The value of `core.attributesFile`.
    pub(super) attributes_file: Option<Vec<u8>>,
    /// `true` if merge drivers are configured.
    pub(super) has_drivers: bool,
}

impl MergeConfig {
    /// Parses the settings; `None` if a program runs for every merged file.
    pub(super) fn parse(listed: &[u8]) -> Option<MergeConfig> {
        let mut config = MergeConfig {
            relevant: Vec::new(),
            attributes_file: None,
            has_drivers: false,
        };
        for entry in listed.split(|byte| *byte == 0) {
            let mut parts = entry.splitn(2, |byte| *byte == b'\n');
            let key = String::from_utf8_lossy(parts.next()?).into_owned();
            let section = key.split('.').next().unwrap_or_default();
            if IRRELEVANT.contains(&section) {
                continue;
            }
            // git prints section and name in lower case, and a subsection as written.
            match key.as_str() {
                "merge.default" | "merge.renormalize" => return None,
                "core.attributesfile" => {
                    config.attributes_file = Some(parts.next().unwrap_or_default().to_vec());
                }
                _ => {}
            }
            let driver = key.strip_prefix("merge.");
            if let Some(driver) = driver.and_then(|key| key.strip_suffix(".driver")) {
                if BUILT_IN_DRIVERS.contains(&driver) {
                    return None;
                }
                config.has_drivers = true;
            }
            config.relevant.extend_from_slice(entry);
            config.relevant.push(0);
        }
        Some(config)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn config(entries: &[&str]) -> Option<MergeConfig> {
        let listed: String = entries.iter().map(|entry| format!("{entry}\0")).collect();
        MergeConfig::parse(listed.as_bytes())
    }

    #[test]
    fn settings_that_no_merge_reads_do_not_count() {
        let plain = config(&["merge.renames\ntrue", "core.bare\nfalse"]);
        let beside = ["branch.x.remote\no", "merge.renames\ntrue", "user.name\nn"];
        let beside = config(&[&beside[..], &["core.bare\nfalse"]].concat());
        assert_eq!(plain, beside);
        assert_ne!(plain, config(&["merge.renames\nfalse", "core.bare\nfalse"]));
        assert_ne!(plain, config(&["merge.renames", "core.bare\nfalse"]));
    }

    #[test]
    fn a_program_for_every_file_gives_none() {
        for entry in [
            "merge.default\nmine",
            "merge.renormalize\ntrue",
            "merge.text.driver\ntrue",
        ] {
            assert_eq!(config(&["core.bare\nfalse", entry]), None);
        }
        assert!(config(&["merge.mine.driver\ntrue"]).unwrap().has_drivers);
        assert!(!config(&["merge.mine.name\nx"]).unwrap().has_drivers);
    }
}
