//! GitHub, through the user's own `gh`: its login, its proxies, its idea of which repository it is.
//!
//! Nothing here knows a token. `gh` is asked first what is there, so that doing a thing twice does it
//! once.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::base::process::{Finished, ProcessError, Program, find_program};
use crate::base::text::{clip, one_line};

/// What `gh` could not do.
#[derive(Debug, thiserror::Error)]
pub enum GhError {
    /// It is not there.
    #[error("`gh`, GitHub's program for the command line, is not installed")]
    NotInstalled,
    /// Nobody is logged in, or not for this.
    #[error("gh is not logged in: {0}")]
    NotLoggedIn(String),
    /// GitHub wants to be asked less often.
    #[error("GitHub's rate limit is used up: {0}")]
    RateLimited(String),
    /// GitHub cannot be reached.
    #[error("GitHub cannot be reached: {0}")]
    Offline(String),
    /// No remote of the repository is one of GitHub's.
    #[error("no remote of this repository is on GitHub: {0}")]
    NoRepository(String),
    /// A label that the repository does not have.
    #[error("GitHub does not know a label: {0}")]
    NoLabel(String),
    /// Anything else it said.
    #[error("`gh {command}` failed: {said}")]
    Failed {
        /// The subcommand.
        command: String,
        /// Its words, in one line.
        said: String,
    },
    /// Its answer could not be read.
    #[error("gh gave an answer that could not be read: {0}")]
    Answer(String),
    /// It could not be started.
    #[error(transparent)]
    Start(#[from] ProcessError),
}

/// A pull request that is open.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Open {
    /// Its number.
    pub number: u64,
    /// Where it is.
    pub url: String,
}

/// What a pull request is to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wording {
    /// Its branch.
    pub head: String,
    /// The branch it is to be merged into.
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
}

impl Gh {
    /// Looks for it.
    ///
    /// # Errors
    /// [`GhError::NotInstalled`].
    pub fn find(folder: &Path) -> Result<Gh, GhError> {
        let program = find_program("gh").ok_or(GhError::NotInstalled)?;
        let folder = folder.to_owned();
        Ok(Gh { program, folder })
    }

    /// The open pull request of a branch, if there is one.
    ///
    /// # Errors
    /// When GitHub cannot be asked.
    pub fn open_pull_request(&self, head: &str) -> Result<Option<Open>, GhError> {
        let said = self.run(&list(head))?;
        let found: Vec<Open> = serde_json::from_str(&said)
            .map_err(|_| GhError::Answer(clip(&one_line(&said), 120)))?;
        Ok(found.into_iter().next())
    }

    /// Opens a pull request and gives its address.
    ///
    /// # Errors
    /// When GitHub does not take it.
    pub fn create(&self, wording: &Wording) -> Result<String, GhError> {
        let said = self.run(&create(wording))?;
        let url = said.lines().rev().map(str::trim);
        let mut url = url.filter(|line| line.starts_with("http"));
        let url = url.next().map(str::to_owned);
        url.ok_or_else(|| GhError::Answer(clip(&one_line(&said), 120)))
    }

    /// Brings one that is open up to date.
    ///
    /// # Errors
    /// When GitHub does not take it.
    pub fn update(&self, number: u64, wording: &Wording) -> Result<(), GhError> {
        for args in update(number, wording) {
            self.run(&args)?;
        }
        Ok(())
    }

    fn run(&self, args: &[String]) -> Result<String, GhError> {
        let program = Program::new(&self.program)
            .args(args)
            .folder(&self.folder)
            .env("GH_PROMPT_DISABLED", "1")
            .env("GH_NO_UPDATE_NOTIFIER", "1")
            .env("NO_COLOR", "1")
            .env("LC_ALL", "C");
        let finished = program.output()?;
        match finished.status.success() {
            true => Ok(String::from_utf8_lossy(&finished.stdout).into_owned()),
            false => Err(failed(args, &finished)),
        }
    }
}

/// Asks for the open pull request of a branch.
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

/// Opens a pull request.
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

/// Brings one up to date: through `gh api`, because `gh pr edit` of several versions asks for rights
/// on project boards that it does not need.
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

/// gh ends with 4 when it needs a login, and with 1 for everything else; the rest is its words.
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
    } else if has(&["could not add label"]) {
        GhError::NoLabel(said)
    } else {
        let command = args.iter().take(2).map(String::as_str).collect::<Vec<_>>();
        let command = command.join(" ");
        GhError::Failed { command, said }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use super::*;

    fn kind(code: i32, words: &str) -> String {
        let finished = Finished {
            status: ExitStatus::from_raw(code << 8),
            stdout: Vec::new(),
            stderr: words.as_bytes().to_vec(),
        };
        failed(&["pr".to_owned(), "create".to_owned()], &finished).to_string()
    }

    #[test]
    fn the_words_of_gh_say_what_is_wrong() {
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
        GitHub's rate limit is used up: HTTP 403: API rate limit exceeded for user ID 1. (https://api.github.com/graphql)
        GitHub cannot be reached: error connecting to api.github.com check your internet connection or https://githubstatus.com
        no remote of this repository is on GitHub: none of the git remotes configured for this repository point to a known GitHub host. To tell gh about a new GitHub host, please use `gh auth login`
        GitHub does not know a label: could not add label: 'agents' not found
        `gh pr create` failed: pull request create failed: GraphQL: No commits between main and x (createPullRequest)
        ");
    }

    #[test]
    fn the_commands_are_those_a_person_would_type() {
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
