//! Tests of the configuration: precedence, values and messages.
#![allow(clippy::unwrap_used)]

mod example;
mod foreign;
mod hostile;
mod precedence;
mod problem;
mod value;

use crate::config::*;

fn sources(repo: &str) -> Sources {
    Sources {
        repo_file: Some((PathBuf::from(FILE_NAME), repo.to_owned())),
        ..Sources::default()
    }
}

fn settings(repo: &str) -> Settings {
    match resolve(&sources(repo)) {
        Ok(settings) => settings,
        Err(problems) => panic!("{}", rendered(&problems)),
    }
}

fn rendered(problems: &[ConfigProblem]) -> String {
    problems.iter().map(ConfigProblem::render).collect()
}

fn problems(repo: &str) -> String {
    rendered(&resolve(&sources(repo)).unwrap_err())
}

fn variable(name: &str, value: &str) -> Sources {
    Sources {
        env: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        ..Sources::default()
    }
}

/// Renders the problems of a repository's file over that of the user; nothing if there are none.
fn over_user(repo: &str, user: &str, is_explicit: bool) -> String {
    let all = Sources {
        user_file: Some(("config.toml".into(), user.to_owned())),
        is_explicit,
        ..sources(repo)
    };
    resolve(&all).map_or_else(|problems| rendered(&problems), |_| String::new())
}
