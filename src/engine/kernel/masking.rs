//! Masks secrets, and characters that git refuses, in values before they are recorded.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::base::safe::secrets::Secrets;
use crate::config::Settings;
use crate::model::plan::Plan;

/// Fields with names of files, references and sessions, which are used again and stay as they are.
const KEPT: &[&str] = &[
    "path",
    "paths",
    "files",
    "branch",
    "worktree",
    "base_name",
    "target",
    "plan_file",
    "session",
    "run",
];

/// Collects the values that no worker's words may show: of the variables of this process and of the plan.
pub fn secrets(settings: &Settings, plan: &Plan) -> Secrets {
    let own = std::env::vars_os();
    let own =
        own.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let set = plan.tasks().iter().flat_map(|task| &task.fields.env);
    let set = set.filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    Secrets::of_environment(own.chain(set), &settings.run.secrets)
}

/// Masks the secrets in every text of a value.
pub fn masked<T: Serialize + DeserializeOwned>(secrets: &Secrets, value: T) -> T {
    let Ok(mut json) = serde_json::to_value(&value) else {
        return value;
    };
    if !mask(secrets, &mut json) {
        return value;
    }
    serde_json::from_value(json).unwrap_or(value)
}

/// Masks all texts; `true` if one of them changed.
fn mask(secrets: &Secrets, value: &mut Value) -> bool {
    match value {
        Value::String(text) => {
            // No program and no commit takes a NUL.
            let masked = secrets.mask(text).replace('\0', "\u{fffd}");
            let has_changed = masked != *text;
            *text = masked;
            has_changed
        }
        Value::Array(items) => items
            .iter_mut()
            .fold(false, |any, item| mask(secrets, item) | any),
        Value::Object(fields) => fields
            .iter_mut()
            .filter(|(name, _)| !KEPT.contains(&name.as_str()))
            .fold(false, |any, (_, item)| mask(secrets, item) | any),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::worker_report::WorkerReport;

    #[test]
    fn every_text_of_a_report_is_masked_and_nothing_else_changes() {
        let name = ("MY_TOKEN".to_owned(), "hunter2-hunter2".to_owned());
        let secrets = Secrets::of_environment([name], &[]);
        let report = WorkerReport {
            summary: Some("with hunter2-hunter2".to_owned()),
            decisions: vec![
                "ghp_0123456789abcdefghijABCDEFGHIJ012345".to_owned(),
                "none".to_owned(),
            ],
            issues: vec!["a\0b".to_owned()],
            ..WorkerReport::default()
        };
        let masked = masked(&secrets, report);
        assert_eq!(masked.summary.as_deref(), Some("with [masked]"));
        assert_eq!(masked.decisions, ["[masked]", "none"]);
        assert_eq!(masked.issues, ["a\u{fffd}b"]);
        let same = WorkerReport::default();
        assert_eq!(super::masked(&secrets, same.clone()), same);
    }
}
