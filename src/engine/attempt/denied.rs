//! Explains a failure whose cause is the sandbox.

use std::path::{Path, PathBuf};

use crate::base::files::is_changeable;
use crate::engine::attempt::case::Case;
use crate::engine::spec::confinement::{self, Means, needs_of_worker};
use crate::failure::denied_path::denied_paths;
use crate::failure::signature::signature;
use crate::model::failure::{Failure, FailureClass};

/// Returns the failure with the change that the sandbox denied as its cause, if the output names one:
/// a path outside of what the worker may change, which dispatch itself could change.
pub(super) fn explain(case: &Case, output: &str, failure: Failure) -> Failure {
    let Some(path) = denied(case, output) else {
        return failure;
    };
    let shown = path.display();
    let message = format!("the sandbox denied a change of {shown}");
    Failure {
        class: FailureClass::Blocker,
        signature: signature(
            FailureClass::Blocker,
            "sandbox",
            std::slice::from_ref(&message),
            &[],
        ),
        suggestion: Some(remedy(case, &path)),
        evidence: "a refused change outside of what the sandbox allows".to_owned(),
        message,
        ..failure
    }
}

fn denied(case: &Case, output: &str) -> Option<PathBuf> {
    let (context, spec) = (&case.execution.context, &case.execution.spec);
    let paths = denied_paths(output);
    let settings = &context.settings;
    let needs = needs_of_worker(context, spec, &case.worktree);
    let kind = confinement::kind(settings, Some(&spec.worker), needs.least);
    let means = confinement::means(settings, kind);
    if paths.is_empty() || !matches!(means, Ok(Means::Kernel | Means::Seatbelt(_))) {
        return None;
    }
    let allowed = confinement::writable((&context.repo, settings), Some(&spec.worker), &needs);
    let is_allowed = |path: &Path| allowed.iter().any(|place| path.starts_with(place));
    let mut paths = paths.into_iter().map(PathBuf::from);
    paths.find(|path| !is_allowed(path) && is_changeable(path))
}

fn remedy(case: &Case, path: &Path) -> String {
    let repo = &case.execution.context.repo;
    let worker = &case.execution.spec.worker.name;
    if path.starts_with(&repo.common) || path.starts_with(&repo.top) {
        return format!(
            "a worker changes only its worktree; if it must change the repository elsewhere, add \
             `sandbox = \"off\"` to [workers.{worker}] in your own configuration"
        );
    }
    let folder = path.parent().filter(|_| !path.is_dir()).unwrap_or(path);
    format!(
        "if it may, add {folder:?} to `write` under [sandbox], or to `state` of [workers.{worker}], in your \
         own configuration (`dispatch help sandbox`)"
    )
}
