//! Compares the `files` of independent tasks with the files of a repository and its history.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use globset::GlobSet;

use crate::model::ids::TaskNumber;
use crate::model::plan::Plan;
use crate::model::scope::declared_globs;

/// The number of common commits from which two files count as changing together.
const OFTEN: usize = 3;

/// The number of files from which a commit says nothing about what belongs together.
const MASS_CHANGE: usize = 40;

/// The number of files that a warning names.
const NAMED: usize = 3;

/// Existing files that two tasks declare, although they can run at the same time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SharedFiles {
    /// The tasks, in ascending order.
    pub tasks: (TaskNumber, TaskNumber),
    /// The files.
    pub files: Vec<String>,
}

/// Two files that change together, declared by tasks that can run at the same time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CoChange {
    /// The tasks, in ascending order.
    pub tasks: (TaskNumber, TaskNumber),
    /// The file of each task.
    pub files: (String, String),
    /// The number of commits that changed both.
    pub commits: usize,
}

impl std::fmt::Display for SharedFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (a, b) = self.tasks;
        let named = &self.files[..self.files.len().min(NAMED)];
        write!(
            f,
            "{a} and {b} can run at the same time and both declare {}",
            named.join(", ")
        )?;
        match self.files.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more files"),
        }
    }
}

impl std::fmt::Display for CoChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ((a, b), (one, other)) = (self.tasks, &self.files);
        let count = self.commits;
        write!(
            f,
            "{count} commits changed {one} and {other} together, which {a} and {b} declare; \
             they can run at the same time"
        )
    }
}

/// The globs of all tasks, compiled once.
#[derive(Debug)]
pub struct DeclaredFiles {
    globs: Vec<(TaskNumber, GlobSet)>,
    /// The pairs of tasks with globs that can run at the same time.
    pairs: Vec<(usize, usize)>,
}

impl DeclaredFiles {
    /// Compiles the globs of a plan.
    pub fn of(plan: &Plan) -> DeclaredFiles {
        let with_files = plan.tasks().iter();
        let with_files = with_files.filter(|task| !task.fields.files.is_empty());
        // Invalid globs do not get through the validation of a plan.
        let globs: Vec<(TaskNumber, GlobSet)> = with_files
            .filter_map(|task| Some((task.number, declared_globs(&task.fields.files).ok()?)))
            .collect();
        let ancestors = ancestors(plan);
        let is_ordered = |a: TaskNumber, b: TaskNumber| {
            ancestors[a.index()].contains(&b) || ancestors[b.index()].contains(&a)
        };
        let mut pairs = Vec::new();
        for (first, (a, _)) in globs.iter().enumerate() {
            for (second, (b, _)) in globs.iter().enumerate().skip(first + 1) {
                if !is_ordered(*a, *b) {
                    pairs.push((first, second));
                }
            }
        }
        DeclaredFiles { globs, pairs }
    }

    /// Finds the existing files that tasks share.
    pub fn shared(&self, files: &[String]) -> Vec<SharedFiles> {
        let mut found: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
        for file in files {
            let owners = self.owners(file);
            let pairs = self.pairs.iter();
            for pair in pairs.filter(|(a, b)| owners.contains(a) && owners.contains(b)) {
                found.entry(*pair).or_default().push(file.clone());
            }
        }
        let shared = found.into_iter().map(|(pair, files)| SharedFiles {
            tasks: self.tasks(pair),
            files,
        });
        shared.collect()
    }

    /// Finds files of different tasks that most commits of one of them changed together.
    ///
    /// `commits` lists the paths that each commit changed. One pair of files is returned for each pair
    /// of tasks: the one with the most common commits.
    pub fn co_changes(&self, commits: &[Vec<String>]) -> Vec<CoChange> {
        let mut changes: HashMap<&str, usize> = HashMap::new();
        let mut together: BTreeMap<((usize, usize), &str, &str), usize> = BTreeMap::new();
        for commit in commits.iter().filter(|files| files.len() < MASS_CHANGE) {
            let owned: Vec<(&str, Vec<usize>)> = commit
                .iter()
                .map(|file| (file.as_str(), self.owners(file)))
                .filter(|(_, owners)| !owners.is_empty())
                .collect();
            for (file, _) in &owned {
                *changes.entry(file).or_default() += 1;
            }
            for pair in &self.pairs {
                let of = |task: usize| {
                    owned
                        .iter()
                        .filter(move |(_, owners)| owners.contains(&task))
                };
                for (one, _) in of(pair.0) {
                    for (other, _) in of(pair.1).filter(|(other, _)| other != one) {
                        *together.entry((*pair, one, other)).or_default() += 1;
                    }
                }
            }
        }
        let mut most: BTreeMap<(usize, usize), CoChange> = BTreeMap::new();
        for ((pair, one, other), count) in together {
            let fewest = changes[one].min(changes[other]);
            let is_often = count >= OFTEN && 2 * count > fewest;
            let is_more = most.get(&pair).is_none_or(|known| known.commits < count);
            if is_often && is_more {
                let tasks = self.tasks(pair);
                let files = (one.to_owned(), other.to_owned());
                most.insert(
                    pair,
                    CoChange {
                        tasks,
                        files,
                        commits: count,
                    },
                );
            }
        }
        most.into_values().collect()
    }

    fn owners(&self, file: &str) -> Vec<usize> {
        let globs = self.globs.iter().enumerate();
        let owners = globs.filter(|(_, (_, globs))| globs.is_match(file));
        owners.map(|(place, _)| place).collect()
    }

    fn tasks(&self, (a, b): (usize, usize)) -> (TaskNumber, TaskNumber) {
        (self.globs[a].0, self.globs[b].0)
    }
}

/// Returns the direct and indirect dependencies of each task.
fn ancestors(plan: &Plan) -> Vec<BTreeSet<TaskNumber>> {
    let of = |task: TaskNumber| {
        let mut found = BTreeSet::new();
        let mut open = plan.task(task).depends_on.clone();
        while let Some(next) = open.pop() {
            if found.insert(next) {
                open.extend(&plan.task(next).depends_on);
            }
        }
        found
    };
    plan.tasks().iter().map(|task| of(task.number)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::plan::{Format, Source, parse};

    fn declared() -> DeclaredFiles {
        let text = "# P\n1. a\n   - files: src/auth/**, app.ts\n2. b\n   - files: src/**\n\
                    3. c — blocked by #2\n   - files: src/api/**\n4. d\n";
        let source = Source {
            name: "plan.md".to_owned(),
            format: Format::Markdown,
            text: text.to_owned(),
        };
        DeclaredFiles::of(&parse(&source, None, &|_| Err(String::new())).plan.unwrap())
    }

    fn paths(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn existing_files_of_independent_tasks_are_shared() {
        let files = paths(
            "src/auth/a.ts src/auth/b.ts src/auth/c.ts src/auth/d.ts src/auth/e.ts src/api/x.ts app.ts",
        );
        let shared: Vec<String> = declared()
            .shared(&files)
            .iter()
            .map(ToString::to_string)
            .collect();
        insta::assert_snapshot!(shared.join("\n"), @"#1 and #2 can run at the same time and both declare src/auth/a.ts, src/auth/b.ts, src/auth/c.ts and 2 more files");
    }

    #[test]
    fn files_that_change_together_are_found_in_the_history() {
        let mut commits = vec![paths("app.ts src/api/x.ts"); 4];
        commits.push(paths("app.ts src/y.ts"));
        commits.push(paths("src/api/x.ts README.md"));
        let found: Vec<String> = declared()
            .co_changes(&commits)
            .iter()
            .map(ToString::to_string)
            .collect();
        insta::assert_snapshot!(found.join("\n"), @r"
        4 commits changed app.ts and src/api/x.ts together, which #1 and #2 declare; they can run at the same time
        4 commits changed app.ts and src/api/x.ts together, which #1 and #3 declare; they can run at the same time
        ");
    }

    #[test]
    fn rare_or_huge_commits_say_nothing() {
        let twice = vec![paths("app.ts src/api/x.ts"); 2];
        assert!(declared().co_changes(&twice).is_empty());
        // Each changes alone most of the time.
        let mut alone = vec![paths("app.ts src/y.ts"); 3];
        alone.extend(vec![paths("app.ts"); 4]);
        alone.extend(vec![paths("src/y.ts"); 4]);
        assert!(declared().co_changes(&alone).is_empty());
        let mut huge: Vec<String> = (0..MASS_CHANGE).map(|n| format!("src/{n}.ts")).collect();
        huge.push("app.ts".to_owned());
        assert!(declared().co_changes(&vec![huge; 5]).is_empty());
    }
}
