//! Pushes a run to a remote.

use std::collections::BTreeMap;

use crate::engine::runs::log::logs_ref;
use crate::engine::share::logs::store_logs;
use crate::engine::share::remote::{references, talk};
use crate::engine::share::{ShareError, folders};
use crate::git::{Repo, Store};
use crate::journal::journal_ref;
use crate::merge::oid::Oid;
use crate::model::run::RunState;

/// A run on a remote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pushed {
    /// The references that were new or moved.
    pub moved: usize,
    /// All references of the run.
    pub all: usize,
}

/// A reference to push, over the commit that it has on the remote.
struct Push {
    name: String,
    commit: Oid,
    over: Option<Oid>,
}

/// Pushes everything of a run: all of it or nothing. The user's hooks run.
///
/// # Errors
/// When the remote has a newer or another journal of the run, or commits on its references that are not
/// here; then nothing is pushed.
pub fn push(
    repo: &Repo,
    store: &Store,
    state: &RunState,
    remote: &str,
) -> Result<Pushed, ShareError> {
    store_logs(repo, store, state)?;
    let (journal, logs) = (journal_ref(&state.run), logs_ref(&state.run));
    let mut own = Vec::new();
    for name in [&journal, &logs] {
        own.extend(store.reference(name)?.map(|commit| (name.clone(), commit)));
    }
    for folder in folders(state) {
        own.extend(store.references(&folder)?);
    }
    let mut patterns = vec![journal.clone(), logs];
    patterns.extend(folders(state).iter().map(|folder| format!("{folder}*")));
    let there: BTreeMap<String, Oid> = references(repo, remote, &patterns)?.into_iter().collect();
    let all = own.len();
    let mut pushes = Vec::new();
    for (name, commit) in own {
        let over = there.get(&name).copied();
        if over == Some(commit) {
            continue;
        }
        if let Some(over) = over {
            refuse_newer(store, state, remote, (&name, &journal), (over, commit))?;
        }
        pushes.push(Push { name, commit, over });
    }
    if !pushes.is_empty() {
        let args = arguments(remote, &pushes);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        talk(&repo.git().with_hooks(), remote, &args)?;
    }
    let moved = pushes.len();
    Ok(Pushed { moved, all })
}

/// Fails if a push would lose something that only the remote has.
fn refuse_newer(
    store: &Store,
    state: &RunState,
    remote: &str,
    (name, journal): (&str, &str),
    (over, commit): (Oid, Oid),
) -> Result<(), ShareError> {
    let (remote, run) = (remote.to_owned(), state.run.clone());
    if name != journal {
        return match store.has(over) {
            true => Ok(()),
            false => Err(ShareError::ForeignCommits {
                remote,
                name: name.to_owned(),
            }),
        };
    }
    match store.has(over) {
        true if store.is_ancestor(over, commit)? => Ok(()),
        true if store.is_ancestor(commit, over)? => Err(ShareError::Newer { remote, run }),
        true => Err(ShareError::OtherJournal { remote, run }),
        false => Err(ShareError::Newer { remote, run }),
    }
}

fn arguments(remote: &str, pushes: &[Push]) -> Vec<String> {
    let mut args = vec![
        "push".to_owned(),
        "--atomic".to_owned(),
        "--quiet".to_owned(),
    ];
    args.extend(pushes.iter().map(|push| {
        let over = push.over.map_or(String::new(), |over| over.to_string());
        format!("--force-with-lease={}:{over}", push.name)
    }));
    args.push(remote.to_owned());
    let refspec = |push: &Push| format!("{}:{}", push.commit, push.name);
    args.extend(pushes.iter().map(refspec));
    args
}
