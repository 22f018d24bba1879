//! The settings that turn off hooks which other settings name, since git 2.54: `hook.<name>.command`, run at
//! each `hook.<name>.event`.
//!
//! `core.hooksPath` does not turn them off. `hook.<event>.enabled` does since git 2.55, unless a hook has the
//! name of the event; `hook.<name>.enabled` does in every version, for names that are known.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

/// The events that commands of dispatch cause.
const EVENTS: [&str; 10] = [
    "commit-msg",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "post-merge",
    "post-rewrite",
    "pre-commit",
    "pre-merge-commit",
    "prepare-commit-msg",
    "reference-transaction",
];

/// The names of the hooks in the repositories that this process opened.
static NAMES: RwLock<BTreeSet<String>> = RwLock::new(BTreeSet::new());

/// Notes the names of the hooks in the settings of a repository, given as keys and values.
pub(super) fn note_hooks(settings: &[(String, String)]) {
    let names = settings.iter().filter_map(|(key, _)| name_of(key));
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    if !names.is_empty() {
        let known = NAMES.write();
        known.unwrap_or_else(PoisonError::into_inner).extend(names);
    }
}

/// Returns the settings without which git would run configured hooks.
pub(super) fn without_hooks() -> Vec<String> {
    let names = NAMES.read().unwrap_or_else(PoisonError::into_inner);
    let names = names.iter().map(String::as_str);
    let all = EVENTS.into_iter().chain(names);
    all.map(|name| format!("hook.{name}.enabled=false"))
        .collect()
}

/// Returns the name of a hook in the key of one of its settings. `None` for a name that `git -c` cannot hold.
fn name_of(key: &str) -> Option<&str> {
    let rest = key.strip_prefix("hook.")?;
    let (name, _) = rest.rsplit_once('.')?;
    (!name.contains(['=', '\n'])).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_of_settings_are_turned_off_by_their_names() {
        let names = [
            "hook.a.b.event",
            "hook.Lint it.command",
            "hook.jobs",
            "hook.a=b.event",
        ];
        let names: Vec<_> = names.iter().map(|key| name_of(key)).collect();
        assert_eq!(names, [Some("a.b"), Some("Lint it"), None, None]);
    }
}
