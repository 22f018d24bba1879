//! Lists what a user should know before a run starts.

use crate::config::Settings;
use crate::engine::start::{Prepared, confinement, unsupported};
use crate::git::discover::Limitation;
use crate::git::{GitError, Repo};
use crate::model::plan::Plan;

/// Lists remarks about the repository, the target, and parts of plan and settings that are ignored;
/// one sentence each.
///
/// # Errors
/// When the repository cannot be inspected.
pub fn remarks(
    repo: &Repo,
    plan: &Plan,
    settings: &Settings,
    prepared: &Prepared,
) -> Result<Vec<String>, GitError> {
    let mut remarks = Vec::new();
    let has_submodules = settings.worktree.submodules;
    let limitations = repo.limitations()?.into_iter();
    let limitations =
        limitations.filter(|found| *found != Limitation::Submodules || !has_submodules);
    for limitation in limitations {
        remarks.push(match limitation {
            Limitation::Shallow => {
                "this is a shallow clone: history ends early, merges may need more"
            }
            Limitation::Submodules => {
                "submodules are not checked out in the worktrees (`submodules` under `[worktree]`)"
            }
        });
    }
    if repo.is_dirty()? {
        remarks.push(
            "the checkout has uncommitted changes; they are NOT part of the base and stay untouched",
        );
    }
    if prepared.target.is_none() {
        remarks.push(
            "HEAD is detached: name the branch to land on with `dispatch land --into BRANCH`",
        );
    }
    let missing = prepared.target.as_deref();
    let missing = missing.and_then(|target| repo.missing_checkout(target));
    let missing = missing.map(|missing| format!("{}: {}", missing.sentence(), missing.advice()));
    let mut ignored = Vec::from_iter(on_github(settings));
    ignored.extend(unsupported::remarks(plan, settings));
    ignored.extend(confinement::remarks(plan, settings));
    ignored.extend(confinement::missing_limits(settings));
    let ignored = inside_superproject(repo, settings)?
        .into_iter()
        .chain(missing)
        .chain(ignored);
    Ok(remarks
        .into_iter()
        .map(str::to_owned)
        .chain(ignored)
        .collect())
}

/// Says who will see the run on GitHub.
fn on_github(settings: &Settings) -> Option<String> {
    let project = settings.github.project.as_deref()?;
    let board = match project {
        "new" => "a new project".to_owned(),
        name => format!("the project {name}"),
    };
    Some(format!(
        "the run is shown on GitHub, in {board} and with an issue for each task: everyone who can read \
         the repository there sees titles, prompts and results (`project` under `[github]`)"
    ))
}

/// Returns a remark on worktrees beside a submodule: git lists them in the superproject.
fn inside_superproject(repo: &Repo, settings: &Settings) -> Result<Option<String>, GitError> {
    let Some(superproject) = repo.superproject()? else {
        return Ok(None);
    };
    let example = settings.worktree.folder(repo.home(), "run", "task");
    let is_inside = example.starts_with(&superproject);
    let place = example.ancestors().nth(2).unwrap_or(&example).display();
    Ok(is_inside.then(|| {
        format!(
            "this repository is a submodule: git lists its worktrees in {place} as untracked files of \
             {} (`path` under `[worktree]` moves them)",
            superproject.display()
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_shown_on_github_says_who_sees_it() {
        let mut settings = Settings::default();
        assert_eq!(on_github(&settings), None);
        settings.github.project = Some("octo/7".to_owned());
        insta::assert_snapshot!(on_github(&settings).unwrap_or_default(), @"the run is shown on GitHub, in the project octo/7 and with an issue for each task: everyone who can read the repository there sees titles, prompts and results (`project` under `[github]`)");
        settings.github.project = Some("new".to_owned());
        assert!(
            on_github(&settings)
                .unwrap_or_default()
                .contains("in a new project")
        );
    }
}
