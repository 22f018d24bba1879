//! GitHub, through the user's own `gh` with its login, proxies and choice of repository.
//!
//! Nothing here reads a token. Existing pull requests are looked up first, so that a repeated command
//! updates instead of duplicating.

pub mod graphql;
pub mod operation;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::base::clock::render_duration;
use crate::base::process::{Finished, ProcessError, Program, find_program};
use crate::base::text::{clip, one_line};

/// The longest time of one call. A list of a thousand issues takes ten requests, each up to 10 seconds.
const LIMIT: Duration = Duration::from_secs(150);

/// A failure of `gh`.
#[derive(Debug, thiserror::Error)]
pub enum GhError {
    /// The program is missing.
    #[error("`gh`, GitHub's command-line program, is not installed")]
    NotInstalled,
    /// The user is not logged in, or lacks a permission.
    #[error("gh is not logged in: {0}")]
    NotLoggedIn(String),
    /// Too many requests.
    #[error("GitHub rate limit exceeded: {0}")]
    RateLimited(String),
    /// `gh` did not exit in time.
    #[error("`gh {command}` did not exit within {}", render_duration(*.limit))]
    TimedOut {
        /// The subcommand.
        command: String,
        /// The longest time that it may take.
        limit: Duration,
    },
    /// No connection.
    #[error("could not connect to GitHub: {0}")]
    Offline(String),
    /// The repository has no remote on GitHub.
    #[error("no remote of this repository is on GitHub: {0}")]
    NoRepository(String),
    /// GitHub has no such repository, or the user cannot see it.
    #[error("not found on GitHub: {0}")]
    NotFound(String),
    /// A label is missing in the repository.
    #[error("unknown label on GitHub: {0}")]
    NoLabel(String),
    /// Any other failure.
    #[error("`gh {command}` failed: {message}")]
    Failed {
        /// The subcommand.
        command: String,
        /// Its output, in one line.
        message: String,
    },
    /// Unexpected output.
    #[error("unexpected output of gh: {0}")]
    Answer(String),
    /// The program could not be started.
    #[error(transparent)]
    Start(#[from] ProcessError),
}

/// An open pull request.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Open {
    /// Its number.
    pub number: u64,
    /// Its address.
    pub url: String,
}

/// A repository on GitHub.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repository {
    /// The host.
    pub host: String,
    /// The login of its owner.
    pub owner: String,
    /// Its name.
    pub name: String,
}

impl Repository {
    /// Reads what `gh repo view --json nameWithOwner,url` prints.
    fn parse(said: &str) -> Option<Repository> {
        let value: serde_json::Value = serde_json::from_str(said).ok()?;
        let (owner, name) = value["nameWithOwner"].as_str()?.split_once('/')?;
        let address = value["url"].as_str()?.split_once("://")?.1;
        let host = address.split('/').next()?;
        let is_whole = [host, owner, name].iter().all(|part| !part.is_empty());
        is_whole.then(|| Repository {
            host: host.to_owned(),
            owner: owner.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// The content of a pull request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wording {
    /// Its branch.
    pub head: String,
    /// The branch it targets.
    pub base: String,
    /// Its title.
    pub title: String,
    /// The file with its text.
    pub body: PathBuf,
    /// Its labels.
    pub labels: Vec<String>,
}

/// The `gh` program in a repository.
#[derive(Clone, Debug)]
pub struct Gh {
    program: PathBuf,
    folder: PathBuf,
    limit: Duration,
}

impl Gh {
    /// Finds the program.
    ///
    /// # Errors
    /// [`GhError::NotInstalled`].
    pub fn find(folder: &Path) -> Result<Gh, GhError> {
        let program = find_program("gh").ok_or(GhError::NotInstalled)?;
        let folder = folder.to_owned();
        Ok(Gh {
            program,
            folder,
            limit: LIMIT,
        })
    }

    /// Returns the open pull request of a branch.
    ///
    /// # Errors
    /// When `gh` fails.
    pub fn open_pull_request(&self, head: &str) -> Result<Option<Open>, GhError> {
        let said = self.run(&list(head))?;
        let found: Vec<Open> = serde_json::from_str(&said)
            .map_err(|_| GhError::Answer(clip(&one_line(&said), 120)))?;
        Ok(found.into_iter().next())
    }

    /// Opens a pull request and returns its address.
    ///
    /// # Errors
    /// When `gh` fails.
    pub fn create(&self, wording: &Wording) -> Result<String, GhError> {
        let said = self.run(&create(wording))?;
        let url = said.lines().rev().map(str::trim);
        let mut url = url.filter(|line| line.starts_with("http"));
        let url = url.next().map(str::to_owned);
        url.ok_or_else(|| GhError::Answer(clip(&one_line(&said), 120)))
    }

    /// Updates an open pull request.
    ///
    /// # Errors
    /// When `gh` fails.
    pub fn update(&self, number: u64, wording: &Wording) -> Result<(), GhError> {
        for args in update(number, wording) {
            self.run(&args)?;
        }
        Ok(())
    }

    /// Lists open issues with these labels that a search finds, as JSON: number, title, body, state and
    /// address.
    ///
    /// # Errors
    /// When `gh` fails.
    pub fn issues(&self, labels: &[String], search: Option<&str>) -> Result<String, GhError> {
        self.run(&list_issues(labels, search))
    }

    /// Returns the repository that `gh` works with in this folder.
    ///
    /// # Errors
    /// When `gh` fails, or no remote is on GitHub.
    pub fn repository(&self) -> Result<Repository, GhError> {
        let args = ["repo", "view", "--json", "nameWithOwner,url"].map(str::to_owned);
        let said = self.run(&args)?;
        let parsed = Repository::parse(&said);
        parsed.ok_or_else(|| GhError::Answer(clip(&one_line(&said), 120)))
    }

    fn run(&self, args: &[String]) -> Result<String, GhError> {
        let program = Program::new(&self.program)
            .args(args)
            .folder(&self.folder)
            .env("GH_PROMPT_DISABLED", "1")
            .env("GH_NO_UPDATE_NOTIFIER", "1")
            .env("NO_COLOR", "1")
            .env("LC_ALL", "C");
        let Some(finished) = program.output_within(self.limit)? else {
            return Err(GhError::TimedOut {
                command: subcommand(args),
                limit: self.limit,
            });
        };
        match finished.status.success() {
            true => Ok(String::from_utf8_lossy(&finished.stdout).into_owned()),
            false => Err(failed(args, &finished)),
        }
    }
}

/// Builds the command that lists the open pull request of a branch.
fn list(head: &str) -> Vec<String> {
    let args = [
        "pr",
        "list",
        "--state",
        "open",
        "--json",
        "number,url",
        "--head",
        head,
    ];
    args.map(str::to_owned).to_vec()
}

/// The most issues that are listed at once.
const MOST_ISSUES: &str = "1000";

/// Builds the command that lists issues.
fn list_issues(labels: &[String], search: Option<&str>) -> Vec<String> {
    let fields = "number,title,body,state,url";
    let fixed = [
        "issue",
        "list",
        "--state",
        "open",
        "--limit",
        MOST_ISSUES,
        "--json",
        fields,
    ];
    let labels = labels.iter().flat_map(|label| ["--label", label]);
    let search = search.iter().flat_map(|search| ["--search", search]);
    fixed
        .into_iter()
        .chain(labels)
        .chain(search)
        .map(str::to_owned)
        .collect()
}

/// Builds the command that opens a pull request.
pub fn create(wording: &Wording) -> Vec<String> {
    let body = wording.body.display().to_string();
    let args = [
        "pr",
        "create",
        "--head",
        &wording.head,
        "--base",
        &wording.base,
    ];
    let mut args = [
        &args[..],
        &["--title", &wording.title, "--body-file", &body],
    ]
    .concat();
    for label in &wording.labels {
        args.extend(["--label", label]);
    }
    args.into_iter().map(str::to_owned).collect()
}

/// Builds the commands that update a pull request. They use `gh api`, because `gh pr edit` of several
/// versions needs permissions on project boards.
pub fn update(number: u64, wording: &Wording) -> Vec<Vec<String>> {
    let mut edit: Vec<String> = ["api", "--silent", "--method", "PATCH"]
        .map(str::to_owned)
        .to_vec();
    edit.push(format!("repos/{{owner}}/{{repo}}/pulls/{number}"));
    for (flag, value) in [
        ("-f", format!("title={}", wording.title)),
        ("-f", format!("base={}", wording.base)),
        ("-F", format!("body=@{}", wording.body.display())),
    ] {
        edit.extend([flag.to_owned(), value]);
    }
    let mut all = vec![edit];
    if !wording.labels.is_empty() {
        let mut label: Vec<String> = ["api", "--silent", "--method", "POST"]
            .map(str::to_owned)
            .to_vec();
        label.push(format!("repos/{{owner}}/{{repo}}/issues/{number}/labels"));
        for name in &wording.labels {
            label.extend(["-f".to_owned(), format!("labels[]={name}")]);
        }
        all.push(label);
    }
    all
}

/// Classifies a failure: exit code 4 means a missing login; everything else is in the output.
fn failed(args: &[String], finished: &Finished) -> GhError {
    let said = [&finished.stderr[..], b"\n", &finished.stdout[..]].concat();
    let said = clip(&one_line(&String::from_utf8_lossy(&said)), 300);
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&["none of the git remotes", "no git remotes"]) {
        GhError::NoRepository(said)
    } else if finished.status.code() == Some(4)
        || has(&["HTTP 401", "gh auth login", "gh auth refresh"])
    {
        GhError::NotLoggedIn(said)
    } else if has(&["rate limit", "HTTP 429"]) {
        GhError::RateLimited(said)
    } else if has(&[
        "error connecting to",
        "no such host",
        "check your internet connection",
    ]) {
        GhError::Offline(said)
    } else if has(&["Could not resolve to a Repository", "HTTP 404"]) {
        GhError::NotFound(said)
    } else if has(&["could not add label"]) {
        GhError::NoLabel(said)
    } else {
        GhError::Failed {
            command: subcommand(args),
            message: said,
        }
    }
}

fn subcommand(args: &[String]) -> String {
    args[..args.len().min(2)].join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    #[test]
    fn a_gh_that_does_not_end_is_an_error_that_may_pass() {
        let folder = tempfile::tempdir().unwrap();
        let gh = Gh {
            program: PathBuf::from("sleep"),
            folder: folder.path().to_owned(),
            limit: Duration::from_millis(100),
        };
        let error = gh.run(&["600".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "`gh 600` did not exit within 100ms");
    }

    fn kind(code: i32, words: &str) -> String {
        let finished = Finished {
            status: ExitStatus::from_raw(code << 8),
            stdout: Vec::new(),
            stderr: words.as_bytes().to_vec(),
        };
        failed(&["pr".to_owned(), "create".to_owned()], &finished).to_string()
    }

    #[test]
    fn failures_are_classified_by_the_output_of_gh() {
        let all = [
            kind(
                4,
                "To get started with GitHub CLI, please run:  gh auth login",
            ),
            kind(
                1,
                "HTTP 401: Bad credentials (https://api.github.com/graphql)\nTry authenticating with:  gh auth login",
            ),
            kind(
                1,
                "HTTP 403: API rate limit exceeded for user ID 1. (https://api.github.com/graphql)",
            ),
            kind(
                1,
                "error connecting to api.github.com\ncheck your internet connection or https://githubstatus.com",
            ),
            kind(
                1,
                "none of the git remotes configured for this repository point to a known GitHub host. To tell gh about a new GitHub host, please use `gh auth login`",
            ),
            kind(1, "could not add label: 'agents' not found"),
            kind(
                1,
                "pull request create failed: GraphQL: No commits between main and x (createPullRequest)",
            ),
        ];
        insta::assert_snapshot!(all.join("\n"), @r"
        gh is not logged in: To get started with GitHub CLI, please run: gh auth login
        gh is not logged in: HTTP 401: Bad credentials (https://api.github.com/graphql) Try authenticating with: gh auth login
        GitHub rate limit exceeded: HTTP 403: API rate limit exceeded for user ID 1. (https://api.github.com/graphql)
        could not connect to GitHub: error connecting to api.github.com check your internet connection or https://githubstatus.com
        no remote of this repository is on GitHub: none of the git remotes configured for this repository point to a known GitHub host. To tell gh about a new GitHub host, please use `gh auth login`
        unknown label on GitHub: could not add label: 'agents' not found
        `gh pr create` failed: pull request create failed: GraphQL: No commits between main and x (createPullRequest)
        ");
    }

    #[test]
    fn the_commands_are_ordinary_gh_commands() {
        let wording = Wording {
            head: "dispatch/shop-7k3q/api".to_owned(),
            base: "main".to_owned(),
            title: "API routes".to_owned(),
            body: "body.md".into(),
            labels: vec!["agents".to_owned()],
        };
        let all = [vec![list("x"), create(&wording)], update(8, &wording)].concat();
        let all: Vec<String> = all.iter().map(|args| args.join(" ")).collect();
        insta::assert_snapshot!(all.join("\n"), @r"
        pr list --state open --json number,url --head x
        pr create --head dispatch/shop-7k3q/api --base main --title API routes --body-file body.md --label agents
        api --silent --method PATCH repos/{owner}/{repo}/pulls/8 -f title=API routes -f base=main -F body=@body.md
        api --silent --method POST repos/{owner}/{repo}/issues/8/labels -f labels[]=agents
        ");
    }
}
