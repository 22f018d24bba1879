//! The chapters of the manual: the files of `docs/`, compiled in.

/// A chapter of the manual.
#[derive(Debug)]
pub struct Chapter {
    /// The name on the command line, which is that of its file.
    pub name: &'static str,
    /// Other names it answers to.
    pub aliases: &'static [&'static str],
    /// Its text, in Markdown.
    pub text: &'static str,
}

macro_rules! chapters {
    ($($name:literal $aliases:expr,)*) => {
        &[$(Chapter {
            name: $name,
            aliases: &$aliases,
            text: include_str!(concat!("../../../docs/", $name, ".md")),
        },)*]
    };
}

/// All chapters, in reading order.
pub const CHAPTERS: &[Chapter] = chapters![
    "commands" [],
    "plans" ["tasks"],
    "runs" ["background", "exit-codes"],
    "workers" ["agents", "quotas"],
    "prompts" ["templates"],
    "boards" ["reports", "statuses"],
    "failures" ["retries", "failure-classes"],
    "conflicts" [],
    "assembly" ["landing", "pull-requests"],
    "recovery" [],
    "configuration" ["config", "settings"],
    "json" ["events", "notifications"],
    "git-layout" ["refs", "journal"],
    "security" ["sandbox"],
    "limits" ["requirements"],
    "design" [],
    "failure-modes" [],
];

impl Chapter {
    /// Every name it answers to.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// The heading.
    pub fn title(&self) -> &'static str {
        let line = self.text.lines().next().unwrap_or_default();
        line.trim_start_matches("# ")
    }

    /// The first sentence below the heading, without markup.
    pub fn about(&self) -> String {
        let text = self.text.split_once("\n\n").map_or("", |(_, text)| text);
        let paragraph = text.split("\n\n").next().unwrap_or_default();
        let line = paragraph.replace('\n', " ").replace('`', "");
        let end = line.find(". ").or_else(|| line.find(':'));
        line[..end.unwrap_or(line.len())]
            .trim_end_matches('.')
            .to_owned()
    }
}

/// The chapter of this name.
pub fn find_chapter(name: &str) -> Option<&'static Chapter> {
    CHAPTERS
        .iter()
        .find(|chapter| chapter.names().any(|known| known == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_means_one_chapter() {
        let mut names: Vec<&str> = CHAPTERS.iter().flat_map(Chapter::names).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_chapter_opens_with_a_heading_and_a_sentence() {
        for chapter in CHAPTERS {
            assert!(chapter.text.starts_with("# "), "{}", chapter.name);
            let about = chapter.about();
            assert!(
                (20..=100).contains(&about.len()),
                "{}: {about}",
                chapter.name
            );
        }
    }
}
