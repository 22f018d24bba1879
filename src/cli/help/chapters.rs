//! The chapters of the manual: the files of `docs/`, compiled in.

/// A chapter of the manual.
#[derive(Debug)]
pub struct Chapter {
    /// The name on the command line, which is that of its file.
    pub name: &'static str,
    /// Its path from the top of the project.
    pub path: &'static str,
    /// The question it answers.
    pub about: &'static str,
    /// Other names it answers to.
    pub aliases: &'static [&'static str],
    /// Its text, in Markdown.
    pub text: &'static str,
}

macro_rules! chapters {
    ($($name:literal $about:literal $aliases:expr,)*) => {
        &[$(Chapter {
            name: $name,
            path: concat!("docs/", $name, ".md"),
            about: $about,
            aliases: &$aliases,
            text: include_str!(concat!("../../../docs/", $name, ".md")),
        },)*]
    };
}

/// All chapters, in reading order.
pub const CHAPTERS: &[Chapter] = chapters![
    "commands" "which commands and options there are" [],
    "plans" "how to write a plan" ["tasks"],
    "planning" "how an agent makes a plan from a goal" ["planner"],
    "runs" "how to start, watch, interrupt and steer a run; exit codes" ["background", "exit-codes"],
    "watching" "the board on the whole screen, and its keys" ["watch", "board-keys"],
    "workers" "what a worker gets and returns; agents, limits, quotas" ["agents", "quotas"],
    "executors" "how to run attempts on other machines: hosts, Slurm, any engine" ["ssh", "slurm", "nodes"],
    "steering" "how to guide a task: messages, continued sessions" ["tell", "continue", "attach"],
    "mcp" "how a coding agent drives dispatch itself" ["plugin", "skill"],
    "prompts" "what an agent is told, and how to change it" ["templates"],
    "boards" "what the board and the reports say" ["reports", "statuses"],
    "web-page" "how to watch runs in a browser" ["web", "export"],
    "github" "how to show a run on GitHub: issues, a project board" ["issues", "project"],
    "failures" "why a task failed, and when it is retried" ["retries", "failure-classes"],
    "conflicts" "which branches conflict, and why" [],
    "assembly" "how results come together and onto your branch" ["landing", "pull-requests"],
    "recovery" "how to continue after a crash or with an edited plan" [],
    "past-runs" "what earlier runs did, and who wrote a line" ["log", "blame", "stats", "history"],
    "configuration" "every setting" ["config", "settings"],
    "json" "how programs read all of it" ["events", "notifications"],
    "git-layout" "how to read a run with plain git, and share it" ["refs", "journal"],
    "security" "what workers can see and do" [],
    "sandbox" "what workers can change, and how to confine them further" ["confinement", "landlock"],
    "limits" "what is not supported" ["requirements"],
    "design" "how it works inside" [],
    "failure-modes" "which faults are tested" [],
];

impl Chapter {
    /// Lists every name it answers to.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Returns the heading.
    pub fn title(&self) -> &'static str {
        let line = self.text.lines().next().unwrap_or_default();
        line.trim_start_matches("# ")
    }
}

/// Finds the chapter of this name.
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
    fn every_chapter_opens_with_a_heading() {
        for chapter in CHAPTERS {
            assert!(chapter.text.starts_with("# "), "{}", chapter.name);
            assert!(chapter.title().len() > 3, "{}", chapter.name);
        }
    }
}
