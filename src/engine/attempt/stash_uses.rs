//! Finds attempts that took a stash entry of another attempt.
//!
//! All worktrees of a repository share one stash, so `git stash pop` takes the latest entry, whoever
//! made it. git traces every command of a worker into a file of its attempt; the uses of the stash by
//! all attempts, in the order of time, show which entry each command took. Of a trace, which can be
//! large, only these uses are kept once the worker has ended.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::files;
use crate::base::regular_file::{self, RECORD_LIMIT};
use crate::engine::EngineError;
use crate::engine::attempt::case::Case;
use crate::engine::attempt::private_folder::has_own_stash;
use crate::engine::attempt::traced_commands::words;
use crate::engine::spec::environment::git_trace;

/// The file in an attempt's folder with the uses of the stash that its trace had.
const USES: &str = "stash-uses";

/// One use of the stash.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct StashUse {
    /// The time at which it ended, as git writes it: equal in length and zone.
    at: String,
    /// The attempt's folder.
    by: PathBuf,
    what: Use,
}

/// One use of the stash in the trace of an attempt.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct TracedUse {
    at: String,
    /// The time at which it began; in older records that of its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    what: Use,
    worktree: PathBuf,
}

/// The effect of a use of the stash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
enum Use {
    /// Adds an entry.
    Push,
    /// Reads the entry with this number, from the latest, and removes it if `true`.
    Take(usize, bool),
    /// Removes all entries.
    Clear,
}

/// Keeps the uses of the stash in the trace of an attempt, and removes the trace.
///
/// # Errors
/// When they cannot be written; the trace stays then.
pub(super) fn keep_uses(attempt: &Path) -> Result<(), EngineError> {
    let trace = git_trace(attempt);
    if !trace.exists() {
        return Ok(());
    }
    let (file, uses) = (attempt.join(USES), traced_uses(attempt));
    let failed = |error| EngineError::File(file.display().to_string(), error);
    if !uses.is_empty() {
        let text = serde_json::to_vec(&uses);
        let text = text.map_err(|error| EngineError::Broken(error.to_string()))?;
        files::replace(&file, &text).map_err(failed)?;
    }
    fs::remove_file(&trace).map_err(|error| EngineError::File(trace.display().to_string(), error))
}

/// Describes how the attempt and another one, or the user, got each other's stash entries; `None` if
/// each had its own.
pub(super) fn crossed_stash(case: &Case) -> Option<String> {
    let own = case.execution.folder();
    if has_own_stash(&own) {
        return None;
    }
    let mut uses = uses_in(&own, Some(&case.worktree.path));
    let first = uses.iter().map(|used| used.at.clone()).min()?;
    let runs = case.execution.context.repo.dispatch_folder().join("runs");
    for run in subfolders(&runs) {
        for attempt in subfolders(&run.join("attempts")) {
            if attempt != own && !has_own_stash(&attempt) && may_have_uses(&attempt, &own) {
                uses.extend(uses_in(&attempt, None));
            }
        }
    }
    uses.sort();
    foreign_entry(&uses, &own, &first)
}

/// Lists the times in which the attempt added entries to the stash from its worktree, or from one in
/// it, each as the first and the last second since the epoch.
pub(super) fn own_pushes(case: &Case) -> Vec<(i64, i64)> {
    let top = &case.worktree.path;
    let second = |at: &str| {
        let at = at.parse::<jiff::Timestamp>().ok()?;
        Some(at.as_second())
    };
    let uses = traced_uses(&case.execution.folder()).into_iter();
    let own = uses.filter(|used| used.what == Use::Push && used.worktree.starts_with(top));
    own.filter_map(|used| {
        let from = used.from.as_deref().unwrap_or(&used.at);
        Some((second(from)?, second(&used.at)?))
    })
    .collect()
}

/// Lists the folders below `top` in which git worked for an attempt, by its trace.
pub(super) fn traced_folders(attempt: &Path, top: &Path) -> BTreeSet<PathBuf> {
    let Ok(trace) = regular_file::open(&git_trace(attempt)) else {
        return BTreeSet::new();
    };
    let lines = BufReader::new(trace).split(b'\n').map_while(Result::ok);
    let folder = |line: Vec<u8>| {
        let line = String::from_utf8_lossy(&line);
        if !line.contains(r#""event":"def_repo""#) {
            return None;
        }
        let event = serde_json::from_str::<Value>(&line).ok()?;
        Some(PathBuf::from(event["worktree"].as_str()?))
    };
    let folders = lines.filter_map(folder);
    folders
        .filter(|folder| folder != top && folder.starts_with(top))
        .collect()
}

/// Follows the uses in the order of time, and describes the first entry that got into wrong hands.
fn foreign_entry(uses: &[StashUse], own: &Path, since: &str) -> Option<String> {
    let mut entries: Vec<&Path> = Vec::new();
    for used in uses {
        let is_own = used.by == own;
        match used.what {
            Use::Push => entries.push(&used.by),
            Use::Clear => {
                let lost = entries.iter().find(|by| (**by == own) != is_own);
                let lost = lost.filter(|_| used.at.as_str() >= since).copied();
                entries.clear();
                if let Some(lost) = lost {
                    let other = if is_own { lost } else { &used.by };
                    return Some(sentence("removed", is_own, other));
                }
            }
            Use::Take(number, removes) => {
                let place = entries.len().checked_sub(number + 1);
                let of = place.map(|place| entries[place]);
                if let Some(place) = place.filter(|_| removes) {
                    entries.remove(place);
                }
                let is_of_own = of == Some(own);
                if is_own != is_of_own && used.at.as_str() >= since {
                    return match of {
                        _ if !is_own => Some(sentence("took", false, &used.by)),
                        Some(other) => Some(sentence("took", true, other)),
                        None => Some("it took a stash entry that it had not made".to_owned()),
                    };
                }
            }
        }
    }
    None
}

fn sentence(verb: &str, is_own: bool, other: &Path) -> String {
    let name = other.file_name().unwrap_or_default().to_string_lossy();
    let task = name.split('-').next().unwrap_or_default();
    match is_own {
        true => format!("it {verb} a stash entry of #{task}"),
        false => format!("#{task} {verb} its stash entry"),
    }
}

/// Returns `true` if the trace of another attempt was written after this one began.
fn may_have_uses(attempt: &Path, own: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let began = modified(&super::job::base_file(own));
    let mut files = [git_trace(attempt), attempt.join(USES)].into_iter();
    files.any(|file| {
        let written = modified(&file);
        written.is_some_and(|written| began.is_none_or(|began| written >= began))
    })
}

/// Returns the uses of the stash by an attempt, in the worktree if one is given.
fn uses_in(attempt: &Path, worktree: Option<&Path>) -> Vec<StashUse> {
    let uses = traced_uses(attempt).into_iter();
    let uses = uses.filter(|found| worktree.is_none_or(|path| path == found.worktree));
    uses.map(|found| StashUse {
        at: found.at,
        by: attempt.to_owned(),
        what: found.what,
    })
    .collect()
}

/// Reads the uses of the stash by an attempt: those that were kept, and those of its trace. It holds one
/// line of the trace at a time, and the commands that use the stash.
fn traced_uses(attempt: &Path) -> Vec<TracedUse> {
    let kept = regular_file::read(&attempt.join(USES), RECORD_LIMIT).ok();
    let kept = kept.and_then(|text| serde_json::from_slice(&text).ok());
    let mut found: Vec<TracedUse> = kept.unwrap_or_default();
    let Ok(trace) = regular_file::open(&git_trace(attempt)) else {
        return found;
    };
    let mut commands: HashMap<String, Command> = HashMap::new();
    for line in BufReader::new(trace).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        let is_start = line.contains(r#""event":"start""#) && line.contains(r#""stash""#);
        if commands.is_empty() && !is_start {
            continue;
        }
        let Ok(event) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        if is_start {
            let args = words(&event["argv"]);
            let command = commands.entry(text("sid")).or_default();
            (command.args, command.from) = (args, text("time"));
        }
        let Some(command) = commands.get_mut(&text("sid")) else {
            continue;
        };
        match event["event"].as_str().unwrap_or_default() {
            "cmd_name" => command.is_stash = text("name") == "stash",
            "def_repo" if event["repo"] == 1 => command.worktree = text("worktree"),
            "exit" => {
                let what = parse_use(&command.args);
                let what = what.filter(|_| command.is_stash && event["code"] == 0);
                let traced = what.map(|what| TracedUse {
                    at: text("time"),
                    from: Some(command.from.clone()),
                    what,
                    worktree: PathBuf::from(&command.worktree),
                });
                // A process that was killed in between has kept it already.
                found.extend(traced.filter(|traced| !found.contains(traced)));
                commands.remove(&text("sid"));
            }
            _ => {}
        }
    }
    found
}

/// A git command in a trace.
#[derive(Default)]
struct Command {
    args: Vec<String>,
    /// The time at which it began.
    from: String,
    is_stash: bool,
    worktree: String,
}

/// Parses the arguments of `git stash`.
fn parse_use(args: &[String]) -> Option<Use> {
    let mut after = args.iter().skip_while(|arg| *arg != "stash").skip(1);
    let verb = after.next().map_or("push", String::as_str);
    let number = after.find_map(|arg| entry_number(arg)).unwrap_or(0);
    match verb {
        "pop" | "drop" | "branch" => Some(Use::Take(number, true)),
        "apply" => Some(Use::Take(number, false)),
        "clear" => Some(Use::Clear),
        "list" | "show" | "create" | "store" => None,
        _ => Some(Use::Push),
    }
}

/// Parses `2` or `stash@{2}`.
fn entry_number(arg: &str) -> Option<usize> {
    let inner = arg
        .strip_prefix("stash@{")
        .and_then(|rest| rest.strip_suffix('}'));
    inner.unwrap_or(arg).parse().ok()
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays uses such as `1 push`, one a second, as attempt 1 of #1 sees them.
    fn played(uses: &str) -> String {
        let parse = |(second, text): (usize, &str)| {
            let (task, args) = text.trim().split_once(' ')?;
            let args: Vec<String> = format!("git stash {args}")
                .split(' ')
                .map(str::to_owned)
                .collect();
            Some(StashUse {
                at: format!("2026-11-30T05:41:{second:02}.000000Z"),
                by: PathBuf::from(format!("/a/{task}-1")),
                what: parse_use(&args)?,
            })
        };
        let uses: Vec<StashUse> = uses.split(',').enumerate().filter_map(parse).collect();
        let crossed = foreign_entry(&uses, Path::new("/a/1-1"), "");
        crossed.unwrap_or_else(|| "each has its own".to_owned())
    }

    #[test]
    fn each_command_takes_the_latest_entry_whoever_made_it() {
        let stories = [
            "1 push,1 pop",
            "1 -q,2 push,2 pop,1 pop",
            "1 push,2 push,1 pop",
            "2 push,1 push,2 pop,1 pop",
            "1 push,2 push -m x,1 apply stash@{1},2 pop,1 drop",
            "2 push,1 pop 0",
            "1 pop",
            "1 push,2 clear",
            "2 push,1 clear",
            "1 push,1 list,1 clear",
        ];
        let lines = stories.map(|uses| format!("{uses}: {}", played(uses)));
        insta::assert_snapshot!(lines.join("\n"), @r"
        1 push,1 pop: each has its own
        1 -q,2 push,2 pop,1 pop: each has its own
        1 push,2 push,1 pop: it took a stash entry of #2
        2 push,1 push,2 pop,1 pop: #2 took its stash entry
        1 push,2 push -m x,1 apply stash@{1},2 pop,1 drop: each has its own
        2 push,1 pop 0: it took a stash entry of #2
        1 pop: it took a stash entry that it had not made
        1 push,2 clear: #2 removed its stash entry
        2 push,1 clear: it removed a stash entry of #2
        1 push,1 list,1 clear: each has its own
        ");
    }
}
