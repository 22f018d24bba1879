//! Prints the commands of a landing by pull request, for `--dry-run`.

use crate::engine::land::pull_request::plan::PlannedPullRequest;
use crate::engine::land::pull_request::push::{Push, push_args};
use crate::forge;
use crate::model::pull_request::PullRequest;
use crate::model::run::RunState;

/// Returns the commands in shell syntax. A pull request that the journal knows is updated; GitHub is
/// not asked.
pub fn commands(state: &RunState, planned: &[PlannedPullRequest], no_verify: bool) -> Vec<String> {
    let Some(first) = planned.first() else {
        return Vec::new();
    };
    let pushes = planned.iter().map(|planned| Push {
        head: planned.pull_request.head.clone(),
        commit: planned.pull_request.commit,
        over: known(state, &planned.pull_request).map(|known| known.commit),
    });
    let pushes: Vec<Push> = pushes.collect();
    let remote = &first.pull_request.remote;
    let mut commands = vec![shell("git", &push_args(remote, &pushes, no_verify))];
    for planned in planned {
        let known = known(state, &planned.pull_request);
        match known.and_then(number) {
            Some(number) => {
                let updates = forge::update(number, &planned.wording);
                commands.extend(updates.iter().map(|args| shell("gh", args)));
            }
            None => commands.push(shell("gh", &forge::create(&planned.wording))),
        }
    }
    commands
}

/// Finds a pull request of the journal with the same branch on the same remote.
fn known<'a>(state: &'a RunState, wanted: &PullRequest) -> Option<&'a PullRequest> {
    let mut known = state.pull_requests.iter();
    known.find(|known| (&known.remote, &known.head) == (&wanted.remote, &wanted.head))
}

/// Returns the number at the end of a pull request's URL.
fn number(pull_request: &PullRequest) -> Option<u64> {
    let url = pull_request.url.as_deref()?;
    url.rsplit('/').next()?.parse().ok()
}

fn shell(program: &str, args: &[String]) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    let quoted = args.iter().map(|arg| {
        if !arg.is_empty() && arg.chars().all(is_plain) {
            arg.clone()
        } else {
            format!("'{}'", arg.replace('\'', r"'\''"))
        }
    });
    let words: Vec<String> = std::iter::once(program.to_owned()).chain(quoted).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell_where_they_need_it() {
        let args = ["--title", "It's done", "", "main:refs/heads/a+b", "$HOME"];
        let args = args.map(str::to_owned);
        insta::assert_snapshot!(
            shell("gh", &args),
            @r"gh --title 'It'\''s done' '' main:refs/heads/a+b '$HOME'"
        );
    }
}
