//! Runs `git merge-tree --stdin` for a batch of pairs and survives crashes.
//!
//! A line that git cannot read, or a merge that crashes it, kills the process and with it the rest
//! of the batch. So answers are counted, and after a shortfall the batch continues in small steps
//! until the failing pair stands alone. Merges that were done but not yet written out are repeated.

use crate::base::files::says_no_space;
use crate::base::process::{Finished, was_killed};
use crate::base::text::one_line;
use crate::git::command::{Git, GitError};
use crate::git::merge_error::MergeError;
use crate::git::merge_tree_parser::{AnswerCount, parse_answers};
use crate::merge::answer::{MergeAnswer, MergeResult};
use crate::merge::oid::Oid;

/// Kills from outside after which a batch is given up.
const MOST_KILLS: u32 = 3;

const ARGS: [&str; 5] = ["merge-tree", "--write-tree", "--stdin", "-z", "--messages"];

/// Merges every pair with one process, or more if git dies, and reports new answers to `count`.
///
/// Answers do not name their pair. If git exits successfully with another number of answers than
/// pairs, none of them is used.
pub(super) fn merge_batch(
    git: &Git,
    pairs: &[(Oid, Oid)],
    count: &mut dyn FnMut(usize),
) -> Result<Vec<MergeAnswer>, MergeError> {
    let mut answers = Vec::with_capacity(pairs.len());
    let mut step = pairs.len();
    let mut kills = 0;
    while answers.len() < pairs.len() {
        let rest = &pairs[answers.len()..];
        let asked = &rest[..step.min(rest.len())];
        let (found, finished) = ask(git, asked, count)?;
        if found.len() == asked.len() {
            answers.extend(found.into_iter().map(MergeAnswer::Done));
            step = asked.len() * 2;
            continue;
        }
        if asked.len() == 1 && is_inconclusive(&finished) {
            kills += 1;
            if kills > MOST_KILLS {
                return Err(git.failed(&ARGS, &finished).into());
            }
        } else if asked.len() == 1 {
            answers.push(MergeAnswer::Failed(failure(&finished)));
        } else if !finished.status.success() && found.len() < asked.len() {
            answers.extend(found.into_iter().map(MergeAnswer::Done));
        }
        step = 1;
    }
    Ok(answers)
}

/// Runs one process for these pairs and counts answers as they arrive.
fn ask(
    git: &Git,
    pairs: &[(Oid, Oid)],
    count: &mut dyn FnMut(usize),
) -> Result<(Vec<MergeResult>, Finished), MergeError> {
    let input: String = pairs.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
    // Before git 2.49 nothing is written until standard input ends, so all of it is given at once.
    let program = git.program().args(ARGS).stdin(input);
    let mut answers = AnswerCount::default();
    let finished = program
        .output_streamed(&mut |piece| count(answers.add(piece)))
        .map_err(GitError::from)?;
    Ok((parse_answers(&finished.stdout), finished))
}

/// Returns `true` if the exit says nothing about the merge: a kill from outside or a full disk.
fn is_inconclusive(finished: &Finished) -> bool {
    was_killed(finished.status) || says_no_space(&String::from_utf8_lossy(&finished.stderr))
}

fn failure(finished: &Finished) -> String {
    let message = one_line(&String::from_utf8_lossy(&finished.stderr));
    match message.trim_start_matches("fatal: ") {
        "" => format!("git exited with {}", finished.status),
        message => message.to_owned(),
    }
}
